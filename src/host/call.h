/* SPDX-License-Identifier: MIT */
/* The one place where the host library issues a SEAMCALL. Not installed. */
#ifndef HOST_CALL_H
#define HOST_CALL_H

#include <swtdx/host.h>
#include <swtdx/port.h>

/* What the handle of a processor is. Nobody outside this library can go this way. */
static inline const struct tdx_port *host_port(const struct tdx_cpu *cpu)
{
	return (const struct tdx_port *)(const void *)cpu;
}

/* One call; only a lack of entropy repeats it, at most TDX_ENTROPY_ATTEMPTS in all. Input registers
 * are given anew each time. */
struct tdx_status host_call(const struct tdx_cpu *cpu, unsigned leaf, unsigned version,
			    struct tdx_regs *regs);

/* The same for the calls that work on a page, of which there are many: version 0, RCX, RDX and R8
 * go in, regs is for output alone. */
struct tdx_status host_call3(const struct tdx_cpu *cpu, unsigned leaf, uint64_t rcx, uint64_t rdx,
			     uint64_t r8, struct tdx_regs *regs);

/* host_call(), and the key-generation failures the module declares retryable. */
struct tdx_status host_call_key(const struct tdx_cpu *cpu, unsigned leaf, struct tdx_regs *regs);

/* A call of the P-SEAMLDR, once: what failed may have to be repeated on other processors, too. */
struct tdx_status host_call_seamldr(const struct tdx_cpu *cpu, uint64_t rax, struct tdx_regs *regs);

/* Hand a page over: no dirty KeyID-0 line of it may be left. */
static inline void host_hand_over(const struct tdx_cpu *cpu, hpa_t page, enum tdx_level level)
{
	const struct tdx_port *port = host_port(cpu);

	port->ops->flush(port, page, (size_t)tdx_level_size(level));
}

/* mem.c: RCX and RDX as the extended error of a memory leaf; the same, and of a success that shows
 * an entry, the entry. */
/* The registers of a memory leaf: where its caller will look at them, or nobody. */
static inline struct tdx_regs *host_mem_regs(struct tdx_mem_result *out, struct tdx_regs *unseen)
{
	return out ? &out->raw : unseen;
}

void host_mem_result(struct tdx_status s, struct tdx_mem_result *out);
void host_mem_entry(struct tdx_status s, struct tdx_mem_result *out);

static inline uint64_t host_gpa_level(gpa_t g, enum tdx_level level)
{
	return g.v | (unsigned)level;
}

#endif
