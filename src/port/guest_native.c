/* SPDX-License-Identifier: MIT */
/* The guest library on a vCPU of the native engine. */
#include "port/guest_native.h"

#include <sched.h>

enum { RELAXED_PER_YIELD = 64 };

static struct guest_native *native_of(const struct tdg_port *port)
{
	return (struct guest_native *)port->ctx;
}

static void tdcall(const struct tdg_port *port, struct tdx_regs *regs)
{
	tdx_native_tdcall(native_of(port)->cpu, regs);
}

static bool port_read(const struct tdg_port *port, gpa_t g, void *buf, size_t len)
{
	return tdx_native_read(native_of(port)->cpu, g, buf, len);
}

static bool port_write(const struct tdg_port *port, gpa_t g, const void *buf, size_t len)
{
	return tdx_native_write(native_of(port)->cpu, g, buf, len);
}

static bool gpa_of(const struct tdg_port *port, uint64_t gla, gpa_t *g)
{
	struct guest_native *n = native_of(port);

	*g = gpa(gla);
	return !n->map || n->map(n->arg, gla, g);
}

/* Byte by byte: an instruction may end right before a page that is not there. */
static size_t fetch(const struct tdg_port *port, uint64_t gla, void *buf, size_t len)
{
	uint8_t *b = buf;
	size_t n = 0;
	gpa_t g;

	while (n < len && gpa_of(port, gla + n, &g) && port_read(port, g, b + n, 1))
		n++;
	return n;
}

/* What a guest waits for is another's doing, but most waits are over at once: giving the processor
 * away each time costs a time slice of everybody's on a busy machine. */
static void relax(const struct tdg_port *port)
{
	struct guest_native *n = native_of(port);

	tdx_native_poll(n->cpu);
	if (++n->relaxed % RELAXED_PER_YIELD == 0)
		sched_yield();
}

static bool port_sleep(const struct tdg_port *port, unsigned milliseconds)
{
	(void)milliseconds;
	return tdvmcall_is_success(tdvmcall_hlt(port, false));
}

void guest_native_init(struct guest_native *g, struct tdx_native_cpu *cpu)
{
	static const struct tdg_port_ops ops = {
		.tdcall = tdcall,
		.read = port_read,
		.write = port_write,
		.gpa_of = gpa_of,
		.fetch = fetch,
		.decode = guest_decode_zydis,
		.relax = relax,
		.sleep = port_sleep,
	};

	*g = (struct guest_native){.port = {&ops, g}, .cpu = cpu};
}
