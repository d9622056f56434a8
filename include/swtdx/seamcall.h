/* SPDX-License-Identifier: MIT */
/* The port of a kernel: the SEAMCALL instruction, cache-line flushes and direct stores themselves.
 *
 * Freestanding. The kernel supplies struct tdx_kernel (address translation, its interrupt, whom it
 * runs on) and puts tdx_seamcall_port() between it and the host library. It also merges the section
 * tdx_extable into its exception tables: see src/port/seamcall.S. Privileged instructions; nothing
 * here runs in user space. One port a processor; its instructions work on whoever executes them, so
 * the library sends what must run elsewhere there by the kernel's call_on.
 *
 *	static struct tdx_seamcall_port port[NR_CPUS];
 *	static const struct tdx_port *cpus[NR_CPUS];
 *	for (unsigned i = 0; i < nr_cpus; i++) {
 *		tdx_seamcall_port_init(&port[i], &my_kernel, i, my_package_of(i));
 *		cpus[i] = &port[i].port;
 *	}
 */
#ifndef SWTDX_SEAMCALL_H
#define SWTDX_SEAMCALL_H

#include <swtdx/port.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What only the kernel knows. All set. */
struct tdx_kernel {
	void *(*va)(tdx_hpa_t pa); /* its mapping of the page, KeyID 0, cacheable */
	bool (*rdmsr)(uint32_t msr, uint64_t *value); /* with its own exception table */
	void (*interrupt)(unsigned cpu);	      /* an IPI that brings it out of a guest */
	/* Run fn on that processor, wait: an IPI. 0, or another value: it is not online. */
	int (*call_on)(unsigned cpu, void (*fn)(void *arg), void *arg);
	/* Of the processor that executes them. */
	void (*set_incoherent)(bool incoherent);
	bool (*incoherent)(void);
	void (*relax)(void);
};

struct tdx_seamcall_port {
	struct tdx_port port;
	const struct tdx_kernel *kernel;
	unsigned cpu, package;
};

void tdx_seamcall_port_init(struct tdx_seamcall_port *p, const struct tdx_kernel *kernel,
			    unsigned cpu, unsigned package);

/* The instruction. RAX of regs is the leaf, then the status or a software code. */
void tdx_seamcall_insn(struct tdx_regs *regs);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
