/* SPDX-License-Identifier: MIT */
/* The port of a kernel: the SEAMCALL instruction, cache-line flushes and direct stores themselves.
 *
 * Freestanding. The kernel supplies struct tdx_kernel (address translation, its interrupt, whom it
 * runs on) and puts tdx_seamcall_port() between it and the host library. It also merges the section
 * tdx_extable into its exception tables: see src/port/seamcall.S. Privileged instructions; nothing
 * here runs in user space. One port value stands for whatever processor executes it, so the caller
 * must not migrate between taking it and the end of the call.
 *
 *	static struct tdx_seamcall_port port;
 *	tdx_seamcall_port_init(&port, &my_kernel);
 *	const struct tdx_port *cpu = &port.port;
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
	void *(*va)(hpa_t pa); /* its mapping of the page, KeyID 0, cacheable */
	bool (*rdmsr)(uint32_t msr, uint64_t *value); /* with its own exception table */
	void (*interrupt)(void); /* an IPI to every processor that may be in a guest */
	unsigned (*cpu)(void);
	unsigned (*package)(void);
	void (*set_incoherent)(bool incoherent);
	bool (*incoherent)(void);
	void (*relax)(void);
};

struct tdx_seamcall_port {
	struct tdx_port port;
	const struct tdx_kernel *kernel;
};

void tdx_seamcall_port_init(struct tdx_seamcall_port *p, const struct tdx_kernel *kernel);

/* The instruction. RAX of regs is the leaf, then the status or a software code. */
void tdx_seamcall_insn(struct tdx_regs *regs);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
