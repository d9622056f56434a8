/* SPDX-License-Identifier: MIT */
/* The inside of a simulated machine, for the parts that may see it: tools, tests, tracing. */
#ifndef PORT_MODEL_H
#define PORT_MODEL_H

#include <swtdx/model.h>

#include "cpu/engine.h"
#include "machine/machine.h"
#include "module/module.h"

struct tdx_model {
	struct machine *m;
	struct module *mod;
	struct engine *engine;
	bool timed;
	uint64_t start_ns, start_ticks; /* of the statistics' clock */
	struct model_cpu {
		struct tdx_port port;
		struct tdx_model *model;
		unsigned id;
		struct tdx_model_stats stats;
	} cpu[MACHINE_MAX_LPS];
};

#endif
