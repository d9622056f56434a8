/* SPDX-License-Identifier: MIT */
/* The inside of a simulated machine, for the parts that may see it: tools, tests, tracing. */
#ifndef PORT_MODEL_H
#define PORT_MODEL_H

#include <pthread.h>
#include <stdatomic.h>

#include <swtdx/model.h>

#include "engine/engine.h"
#include "machine/machine.h"
#include "module/module.h"

struct model_faults {
	pthread_mutex_t lock;
	_Atomic unsigned n;
	uint64_t random;
	struct model_fault {
		struct tdx_fault f;
		uint64_t seen;
		_Atomic uint64_t hits;
	} fault[TDX_MODEL_FAULTS];
};

struct tdx_model {
	struct machine *m;
	struct module *mod;
	struct engine *engine;
	bool timed;
	uint64_t start_ns, start_ticks; /* of the statistics' clock */
	struct model_faults faults;
	struct model_cpu {
		struct tdx_port port;
		struct tdx_model *model;
		unsigned id;
		struct tdx_model_stats stats;
		uint32_t busy[TDX_SEAMCALL_LEAVES][256]; /* by operand id */
		_Atomic bool incoherent;
	} cpu[MACHINE_MAX_LPS];
};

/* What faults there are for this call. True: it is refused, regs are its answer. */
bool model_fault_before(struct tdx_model *model, unsigned cpu, struct tdx_regs *regs);
/* The hardware works again. */
void model_fault_after(struct tdx_model *model, unsigned cpu);

/* tdx_model_new() of any machine; cfg NULL: the default one. */
struct tdx_model *tdx_model_new_from(const struct machine_config *cfg, char *err, size_t errlen);

#endif
