/* SPDX-License-Identifier: MIT */
/* The one place where the host library issues a SEAMCALL. Not installed. */
#ifndef HOST_CALL_H
#define HOST_CALL_H

#include <swtdx/host.h>

/* One call; only a lack of entropy repeats it, at most TDX_ENTROPY_ATTEMPTS in all. Input registers
 * are given anew each time. */
struct tdx_status host_call(const struct tdx_port *cpu, unsigned leaf, unsigned version,
			    struct tdx_regs *regs);

/* The same, and the key-generation failures the module declares retryable. */
struct tdx_status host_call_key(const struct tdx_port *cpu, unsigned leaf, struct tdx_regs *regs);

/* Hand a page over: no dirty KeyID-0 line of it may be left. */
static inline void host_hand_over(const struct tdx_port *cpu, hpa_t page, enum tdx_level level)
{
	cpu->ops->flush(cpu, page, (size_t)tdx_level_size(level));
}

/* Inputs of the hot calls, the other registers zero. Field by field: clearing the block as a whole
 * costs as much as a short call. */
static inline void host_inputs(struct tdx_regs *r, uint64_t rcx, uint64_t rdx, uint64_t r8)
{
	r->rax = r->rbx = r->rsp = r->rbp = r->rsi = r->rdi = 0;
	r->r9 = r->r10 = r->r11 = r->r12 = r->r13 = r->r14 = r->r15 = 0;
	r->rcx = rcx;
	r->rdx = rdx;
	r->r8 = r8;
}

static inline uint64_t host_gpa_level(gpa_t g, enum tdx_level level)
{
	return g.v | (unsigned)level;
}

#endif
