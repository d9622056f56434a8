/* SPDX-License-Identifier: MIT */
/* The port of a kernel: instructions where there are some, the kernel's hooks elsewhere. */
#include <swtdx/seamcall.h>

enum { LINE = 64 };

static const struct tdx_seamcall_port *port_of(const struct tdx_port *port)
{
	return port->ctx;
}

static const struct tdx_kernel *kernel_of(const struct tdx_port *port)
{
	return port_of(port)->kernel;
}

static void seamcall(const struct tdx_port *port, struct tdx_regs *regs)
{
	(void)port;
	tdx_seamcall_insn(regs);
}

/* The kernel's mapping of pa, up to the end of the page. */
static uint8_t *map(const struct tdx_port *port, hpa_t pa, size_t len, size_t *here)
{
	size_t left = (size_t)(TDX_PAGE_SIZE - (pa.v & (TDX_PAGE_SIZE - 1)));

	*here = len < left ? len : left;
	return (uint8_t *)kernel_of(port)->va(hpa(pa.v & ~(TDX_PAGE_SIZE - 1))) +
	       (pa.v & (TDX_PAGE_SIZE - 1));
}

static void flush(const struct tdx_port *port, hpa_t pa, size_t len)
{
	for (size_t n; len; len -= n, pa.v += n) {
		volatile uint8_t *p = map(port, pa, len, &n);

		for (size_t i = 0; i < n; i += LINE)
			__asm__ volatile("clflush %0" : "+m"(p[i]));
	}
	__asm__ volatile("mfence" ::: "memory");
}

static void direct_clear(const struct tdx_port *port, hpa_t pa, size_t len)
{
	static const uint8_t zero[LINE] __attribute__((aligned(64)));

	for (size_t n; len; len -= n, pa.v += n) {
		uint8_t *p = map(port, pa, len, &n);

		for (size_t i = 0; i < n; i += LINE) /* MOVDIR64B (%rdx), %rax */
			__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x02"
					 :
					 : "a"(p + i), "d"(zero)
					 : "memory");
	}
}

static void barrier(const struct tdx_port *port)
{
	(void)port;
	__asm__ volatile("mfence" ::: "memory");
}

static void wbinvd(const struct tdx_port *port)
{
	(void)port;
	__asm__ volatile("wbinvd" ::: "memory");
}

static void port_read(const struct tdx_port *port, hpa_t pa, void *buf, size_t len)
{
	uint8_t *to = buf;

	for (size_t n; len; len -= n, pa.v += n, to += n) {
		const uint8_t *from = map(port, pa, len, &n);

		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

static void port_write(const struct tdx_port *port, hpa_t pa, const void *buf, size_t len)
{
	const uint8_t *from = buf;

	for (size_t n; len; len -= n, pa.v += n, from += n) {
		uint8_t *to = map(port, pa, len, &n);

		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

static bool rdmsr(const struct tdx_port *port, uint32_t msr, uint64_t *value)
{
	return kernel_of(port)->rdmsr(msr, value);
}

static void port_cpuid(const struct tdx_port *port, uint32_t leaf, uint32_t subleaf, uint32_t *out)
{
	(void)port;
	__asm__ volatile("cpuid"
			 : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
			 : "a"(leaf), "c"(subleaf));
}

static void *va(const struct tdx_port *port, hpa_t pa)
{
	return kernel_of(port)->va(pa);
}

static void interrupt(const struct tdx_port *port)
{
	kernel_of(port)->interrupt(port_of(port)->cpu);
}

static unsigned cpu_number(const struct tdx_port *port)
{
	return port_of(port)->cpu;
}

static unsigned package(const struct tdx_port *port)
{
	return port_of(port)->package;
}

static int call_on(const struct tdx_port *port, void (*fn)(void *arg), void *arg)
{
	return kernel_of(port)->call_on(port_of(port)->cpu, fn, arg);
}

static void set_incoherent(const struct tdx_port *port, bool incoherent)
{
	kernel_of(port)->set_incoherent(incoherent);
}

static bool incoherent(const struct tdx_port *port)
{
	return kernel_of(port)->incoherent();
}

static void relax(const struct tdx_port *port)
{
	kernel_of(port)->relax();
}

void tdx_seamcall_port_init(struct tdx_seamcall_port *p, const struct tdx_kernel *kernel,
			    unsigned cpu, unsigned package_)
{
	static const struct tdx_port_ops ops = {
		.seamcall = seamcall,
		.flush = flush,
		.direct_clear = direct_clear,
		.barrier = barrier,
		.wbinvd = wbinvd,
		.read = port_read,
		.write = port_write,
		.rdmsr = rdmsr,
		.cpuid = port_cpuid,
		.va = va,
		.interrupt = interrupt,
		.cpu = cpu_number,
		.package = package,
		.call_on = call_on,
		.set_incoherent = set_incoherent,
		.incoherent = incoherent,
		.relax = relax,
	};

	p->port.ops = &ops;
	p->port.ctx = p;
	p->kernel = kernel;
	p->cpu = cpu;
	p->package = package_;
}
