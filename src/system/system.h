/* SPDX-License-Identifier: MIT */
/* The powered-on machine: hardware, the module loaded into it, and an engine for the TDs' code.
 *
 * What a host does to it, it does with the SEAMCALL instruction: system_seamcall(). Its callers are
 * hosts: board/ (one in binary) and port/model (one in C).
 *
 * A processor is one thread at a time, different processors run in parallel; the other functions
 * may be called from any thread, unless they say when. No function here takes a lock of the module
 * but system_seamcall(). */
#ifndef SYSTEM_SYSTEM_H
#define SYSTEM_SYSTEM_H

#include <pthread.h>
#include <stdatomic.h>

#include <swtdx/state.h>
#include <swtdx/structs.h>
#include <swtdx/system.h>

#include "engine/engine.h"
#include "machine/machine.h"
#include "module/module.h"

struct system_faults {
	pthread_mutex_t lock;
	_Atomic unsigned n;
	uint64_t random;
	uint64_t entered[MACHINE_MAX_LPS]; /* TDVPR of TDH.VP.ENTER's last, by processor */
	struct system_fault {
		struct tdx_fault f;
		uint64_t seen;
		_Atomic uint64_t hits;
	} fault[TDX_MODEL_FAULTS];
};

/* Written by the processor's own thread alone, read by all. */
struct system_stats {
	struct tdx_model_stats leaf;		 /* .ns in ticks */
	uint32_t busy[TDX_SEAMCALL_LEAVES][256]; /* by operand id */
};

struct system {
	struct machine *m;
	struct module *mod;
	struct tdx_engine *engine; /* NULL: an entered vCPU stands still until it is interrupted */
	bool timed;
	uint64_t start_ns, start_ticks; /* of the statistics' clock */
	struct system_faults faults;
	struct system_stats stats[MACHINE_MAX_LPS];
};

/* --- system.c: power --- */

/* Power on with a freshly loaded module; cfg NULL: the default machine. NULL with a sentence in err
 * when it cannot be done. */
struct system *system_new(const struct machine_config *cfg, char *err, size_t errlen);
void system_free(struct system *sys);
/* What executes the TDs' code; owned by the system from now on. No call is in progress. */
void system_set_engine(struct system *sys, struct tdx_engine *engine);
/* The time stamp counters run with the host's clock from now on. Before anything runs. */
void system_set_real_time(struct system *sys);

/* --- seamcall.c --- */

/* This processor executes SEAMCALL: the module, and after TDH.VP.ENTER the TD, until the host is
 * next. RAX is TDX_SEAMCALL_VMFAILINVALID where the instruction sets CF. An interrupt of the host
 * that is still pending (machine_lp.irq) stays so: the caller knows who takes it. True: the
 * processor has been in a TD, and of the host's state what the module does not keep is lost. */
bool system_seamcall(struct system *sys, unsigned lp, struct tdx_regs *regs);
/* An interrupt for the host arrives: a guest on the processor exits, a long call is interrupted. */
void system_interrupt(struct system *sys, unsigned lp);

/* --- fault.c --- */

/* An id, or -1 when there are TDX_MODEL_FAULTS already. */
int system_inject(struct system *sys, const struct tdx_fault *fault);
uint64_t system_fault_hits(const struct system *sys, int id);
/* No call may be in progress. */
void system_clear_faults(struct system *sys);
void system_faults_init(struct system_faults *faults, uint64_t seed);
void system_faults_destroy(struct system_faults *faults);
/* What faults there are for this call. True: it is refused, regs are its answer. */
bool system_fault_before(struct system *sys, unsigned lp, struct tdx_regs *regs);
/* The hardware works again. */
void system_fault_after(struct system *sys, unsigned lp);

/* --- stats.c --- */

void system_time_calls(struct system *sys); /* before the first call */
void system_stats(const struct system *sys, struct tdx_model_stats *stats);
uint64_t system_contention(const struct system *sys, enum tdx_seamcall leaf,
			   enum tdx_operand operand);
/* The cheap clock of the statistics; turned into ns when they are asked for. */
uint64_t system_ticks(void);
uint64_t system_now_ns(void);
/* A call of the leaf has ended with this RAX. */
void system_count(struct system *sys, unsigned lp, unsigned leaf, uint64_t rax);
void system_count_ticks(struct system *sys, unsigned lp, unsigned leaf, uint64_t ticks);

/* --- census.c --- */

/* 4K pages the module owns now, by enum tdx_page_type; the sum is returned. */
uint64_t system_pages(const struct system *sys, uint64_t count[16]);
/* What is measured of the TD with this TDR; see module/census.h. */
bool system_measurements(const struct system *sys, uint64_t tdr_pa, struct tdx_digest *mrtd,
			 struct tdx_digest rtmr[TDX_RTMRS]);
/* Each of them, of any size in 4K pages. No call is in progress. */
void system_visit_pages(const struct system *sys,
			void (*fn)(void *arg, uint64_t pa, uint64_t pages, enum tdx_page_type type),
			void *arg);
/* Pages with lines dirty in some cache under a KeyID that is free now; how many lines. */
void system_visit_stale(const struct system *sys,
			void (*fn)(void *arg, uint64_t pa, uint64_t lines), void *arg);
uint64_t system_stale_lines(const struct system *sys);

#endif
