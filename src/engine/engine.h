/* SPDX-License-Identifier: MIT */
/* What executes a TD's code once TDH.VP.ENTER has entered it. */
#ifndef ENGINE_H
#define ENGINE_H

#include "module/module.h"

struct cpuid_regs;
struct tdx_engine;

struct engine_ops {
	/* The guest is entered on this processor: execute it, hand its VM exits to the module,
	 * until that says that the host is next. Called on the processor's thread. */
	enum module_next (*run)(struct tdx_engine *e, struct module *mod, unsigned lp);
	/* An interrupt for the host is pending on the processor (machine_lp.irq): a guest on it
	 * exits soon. Any thread. NULL: the engine looks by itself. */
	void (*kick)(struct tdx_engine *e, unsigned lp);
	/* Forget a vCPU: its TDVPR is not one any more. */
	void (*forget)(struct tdx_engine *e, uint64_t tdvpr_pa);
	/* Someone else than a guest has written to this page of the guests' memory. Any thread.
	 * NULL: no matter. */
	void (*written)(struct tdx_engine *e, const void *page);
	/* Bits of CPUID, of what the platform has, that are not executed: the machine's processors
	 * do not have them. NULL: all is executed. */
	void (*lacks)(const struct tdx_engine *e, uint32_t leaf, uint32_t subleaf,
		      struct cpuid_regs *bits);
	void (*free)(struct tdx_engine *e);
};

struct tdx_engine {
	const struct engine_ops *ops;
};

#endif
