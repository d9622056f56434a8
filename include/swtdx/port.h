/* SPDX-License-Identifier: MIT */
/* The port: how the host library reaches the module and the processor it runs on.
 *
 * A kernel supplies one with the real instruction; the model, the recorder and the replayer are
 * ports too. All that host/ knows of the world is here. There is one port a processor. Where
 * call_on is set, its members are called on that processor and nowhere else, and the caller must
 * not migrate until they return: a kernel's instructions work on whoever executes them. Where it
 * is NULL they reach their processor from any thread, as the model's do.
 *
 * Physical addresses carry no KeyID unless said. Every member must be set. Members are called by
 * one thread at a time for one port value. */
#ifndef SWTDX_PORT_H
#define SWTDX_PORT_H

#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tdx_port;

struct tdx_port_ops {
	/* SEAMCALL: regs are the processor's, in and out. A fault of the instruction becomes one of
	 * the software codes of <swtdx/status.h> in RAX (VMFAILINVALID, GP, UD). */
	void (*seamcall)(const struct tdx_port *port, struct tdx_regs *regs);
	/* Write back and invalidate the cache lines of [pa, pa+len) under KeyID 0. */
	void (*flush)(const struct tdx_port *port, tdx_hpa_t pa, size_t len);
	/* Clear with 64-byte direct stores (MOVDIR64B): no read, no partial line. */
	void (*direct_clear)(const struct tdx_port *port, tdx_hpa_t pa, size_t len);
	/* Order the stores above before every later access. */
	void (*barrier)(const struct tdx_port *port);
	/* WBINVD on the current processor. */
	void (*wbinvd)(const struct tdx_port *port);
	/* Memory of the host, by KeyID 0. */
	void (*read)(const struct tdx_port *port, tdx_hpa_t pa, void *buf, size_t len);
	void (*write)(const struct tdx_port *port, tdx_hpa_t pa, const void *buf, size_t len);
	/* An MSR of the current processor; false when it faults. */
	bool (*rdmsr)(const struct tdx_port *port, uint32_t msr, uint64_t *value);
	/* The CPUID instruction: eax, ebx, ecx, edx into out[4]. */
	void (*cpuid)(const struct tdx_port *port, uint32_t leaf, uint32_t subleaf, uint32_t *out);
	/* The host's own mapping of its memory (KeyID 0); page tables are changed atomically in it.
	 */
	void *(*va)(const struct tdx_port *port, tdx_hpa_t pa);
	/* An interrupt to the processor this port stands for, from any other: a guest on it exits,
	 * an interruptible call is interrupted. Any thread. */
	void (*interrupt)(const struct tdx_port *port);
	/* Number of the processor this port stands for, and its package. Any thread. */
	unsigned (*cpu)(const struct tdx_port *port);
	unsigned (*package)(const struct tdx_port *port);
	/* The flag of the current processor "its caches may hold dirty private lines": set before
	 * each SEAMCALL with the processor pinned, so that whoever stops it (kexec, even by NMI in
	 * between) knows that it must be written back; cleared by that write-back. */
	void (*set_incoherent)(const struct tdx_port *port, bool incoherent);
	bool (*incoherent)(const struct tdx_port *port);
	/* Give way between two attempts or in a long loop (a reschedule point). */
	void (*relax)(const struct tdx_port *port);
	/* INVEPT, all contexts, on the current processor: shared translations of guests are
	 * forgotten before the next TD entry. May be NULL. */
	void (*invept)(const struct tdx_port *port);
	/* Run fn on the processor of this port, wait until it has returned: an IPI's work, fn does
	 * not sleep. Any thread, that processor's own too. 0, or another value: it is not there.
	 * NULL: see above. */
	int (*call_on)(const struct tdx_port *port, void (*fn)(void *arg), void *arg);
	/* While *byte is not 0 an interrupt is pending on the current processor, besides those that
	 * are sent; looked at within a millisecond. For users whose signal handlers set one. NULL:
	 * no byte. May be NULL: then there is none to be had. */
	void (*watch)(const struct tdx_port *port, const volatile uint8_t *byte);
	/* The host-physical address of the process's memory [at, at+size), which is a user's and
	 * not of the memory map; 0: there is none to be had. Given back when no page table leads
	 * there and no processor has a translation. Any thread; may be NULL. */
	tdx_hpa_t (*map_user)(const struct tdx_port *port, void *at, uint64_t size);
	void (*unmap_user)(const struct tdx_port *port, tdx_hpa_t pa);
	/* The time-stamp counter. Any thread; may be NULL: no timers. */
	uint64_t (*tsc)(const struct tdx_port *port);
};

struct tdx_port {
	const struct tdx_port_ops *ops;
	void *ctx; /* the implementation's */
};

/* The processor a port stands for, as the calls of <swtdx/host.h> take it. Who has the port can
 * make calls; who has the processor alone cannot reach the port, and its raw call, from it. */
struct tdx_cpu;
static inline const struct tdx_cpu *tdx_cpu_of(const struct tdx_port *port)
{
	return (const struct tdx_cpu *)(const void *)port;
}

#ifdef __cplusplus
}
#endif

#endif
