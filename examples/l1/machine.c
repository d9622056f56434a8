/* SPDX-License-Identifier: MIT */
/* What a kernel supplies to the guest library: the port, the #VE handler; and what this one wants
 * of its host: a console, a timer that wakes it, an end. One processor, memory mapped to itself. */
#include "l1.h"

#include "arch/msr.h"
#include "arch/x86.h"

#define COM1	    0x3f8
#define COM1_IER    (COM1 + 1)
#define COM1_LSR    (COM1 + 5)
#define IER_RECEIVE 1u
#define LSR_READY   1u
#define EXIT	    0xf4
#define MAPPED_END  (1ull << 32)

enum { VECTOR_TIMER = 0x40, GATES = VECTOR_TIMER + 1 };
#define APIC_ENABLED	 0x1ffull
#define LVT_TSC_DEADLINE (2ull << 17)

struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, reserved;
};

static struct tdg_td td;
static struct gate idt[GATES] __attribute__((aligned(16)));

/* The compiler may call these by itself. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
	void *d = to;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int c, size_t n)
{
	void *d = to;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return to;
}

/* --- the host's devices --- */

static void out(uint16_t ioport, uint8_t value)
{
	if (!tdvmcall_is_success(tdvmcall_io_write(&port, ioport, 1, value)))
		fatal("the host refuses a port");
}

static uint8_t in(uint16_t ioport)
{
	uint32_t value = 0;

	if (!tdvmcall_is_success(tdvmcall_io_read(&port, ioport, 1, &value)))
		fatal("the host refuses a port");
	return (uint8_t)value;
}

bool serial_ready(void)
{
	return in(COM1_LSR)&LSR_READY;
}

uint8_t serial_get(void)
{
	return in(COM1);
}

void serial_put(uint8_t byte)
{
	out(COM1, byte);
}

void say(const char *text)
{
	while (*text)
		serial_put((uint8_t)*text++);
}

void say_number(uint64_t n)
{
	char digits[24];
	unsigned at = sizeof(digits) - 1;

	digits[at] = 0;
	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	say(&digits[at]);
}

void power_off(unsigned status)
{
	out(EXIT, (uint8_t)status);
	fatal("the host does not power off");
}

void fatal(const char *why)
{
	for (;;)
		(void)!tdvmcall_is_success(tdvmcall_report_fatal_error(&port, 0, why));
}

/* --- the port --- */

static void port_tdcall(const struct tdg_port *p, struct tdx_regs *regs)
{
	(void)p;
	tdg_tdcall(regs);
}

static bool is_mapped(tdx_gpa_t g, size_t len)
{
	return g.v < MAPPED_END && len <= MAPPED_END - g.v;
}

static bool port_read(const struct tdg_port *p, tdx_gpa_t g, void *buf, size_t len)
{
	(void)p;
	if (is_mapped(g, len))
		memcpy(buf, (const void *)g.v, len);
	return is_mapped(g, len);
}

static bool port_write(const struct tdg_port *p, tdx_gpa_t g, const void *buf, size_t len)
{
	(void)p;
	if (is_mapped(g, len))
		memcpy((void *)g.v, buf, len);
	return is_mapped(g, len);
}

static bool port_gpa_of(const struct tdg_port *p, uint64_t gla, tdx_gpa_t *g)
{
	(void)p;
	*g = tdx_gpa(gla);
	return gla < MAPPED_END;
}

static size_t port_fetch(const struct tdg_port *p, uint64_t gla, void *buf, size_t len)
{
	return port_read(p, tdx_gpa(gla), buf, len) ? len : 0;
}

static void port_relax(const struct tdg_port *p)
{
	(void)p;
	__asm__ volatile("pause");
}

static bool port_sleep(const struct tdg_port *p, unsigned milliseconds)
{
	for (uint64_t i = 0; i < milliseconds * 1000ull; i++)
		port_relax(p);
	return true;
}

static const struct tdg_port_ops ops = {
	.tdcall = port_tdcall,
	.read = port_read,
	.write = port_write,
	.gpa_of = port_gpa_of,
	.fetch = port_fetch,
	.relax = port_relax,
	.sleep = port_sleep,
};

const struct tdg_port port = {&ops, NULL};

/* --- traps --- */

void handle_ve(struct trap *t);
_Noreturn void double_fault(void);

/* CPUID's leaves that are the host's: nothing else here has one. */
void handle_ve(struct trap *t)
{
	static const struct tdg_ve_policy policy = {.kernel_start = 0};
	struct tdg_ve_info info;
	struct tdg_frame f = {.regs = t->regs, .rip = t->rip};

	if (tdg_ve_begin(&port, &info) != TDG_VE_RESUME)
		fatal("#VE for no reason");
	f.regs.rsp = t->rsp;
	if (tdg_ve_handle(&port, &td, &policy, &info, &f) != TDG_VE_RESUME)
		fatal("#VE of an instruction the host does not serve");
	t->regs = f.regs;
	t->rip = f.rip;
}

void double_fault(void)
{
	fatal("an exception that has no handler, or #VE inside of #VE");
}

static void set_gate(unsigned vector, void (*entry)(void))
{
	uint64_t at = (uintptr_t)entry;

	idt[vector] = (struct gate){(uint16_t)at,	  0x10, 0x8e00, (uint16_t)(at >> 16),
				    (uint32_t)(at >> 32), 0};
}

static void host_wrmsr(uint32_t msr, uint64_t value)
{
	if (!tdvmcall_is_success(tdvmcall_wrmsr(&port, msr, value)))
		fatal("the host has no local APIC");
}

void machine_init(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uintptr_t)idt};
	uint64_t cr4;

	set_gate(VECTOR_DF, double_fault_entry);
	set_gate(VECTOR_VE, ve_entry);
	set_gate(VECTOR_TIMER, timer_entry);
	__asm__ volatile("lidt %0" : : "m"(idtr));
	/* for the VM's XCR0 */
	__asm__ volatile("movq %%cr4, %0; orq %1, %0; movq %0, %%cr4"
			 : "=&r"(cr4)
			 : "r"((uint64_t)CR4_OSXSAVE));
	if (tdg_init(&port, &td))
		fatal("this TD is not safe from its host");
	/* what is typed arrives; its interrupt leads nowhere */
	out(COM1_IER, IER_RECEIVE);
	host_wrmsr(MSR_X2APIC_SIVR, APIC_ENABLED);
	host_wrmsr(MSR_X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
}

/* --- the processor --- */

uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(subleaf));
}

void take_interrupts(void)
{
	__asm__ volatile("sti; nop; cli" : : : "memory");
}

void wait_until(uint64_t tsc)
{
	if (rdtsc() >= tsc)
		return;
	host_wrmsr(MSR_TSC_DEADLINE, tsc);
	/* one that has come meanwhile is pending, and the host does not let the processor halt */
	(void)!tdvmcall_is_success(tdvmcall_hlt(&port, false));
	take_interrupts();
}
