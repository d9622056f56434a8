/* SPDX-License-Identifier: MIT */
/* The inside of a simulated machine, for the parts that may see it: tools, tests, tracing. */
#ifndef PORT_MODEL_H
#define PORT_MODEL_H

#include <stdatomic.h>

#include <swtdx/model.h>

#include "system/system.h"

struct tdx_model {
	struct system *sys;
	struct model_cpu {
		struct tdx_port port;
		struct system *sys;
		unsigned id;
		_Atomic bool incoherent;
	} cpu[MACHINE_MAX_LPS];
};

/* The machine of tdx_model_new(), to be changed. */
void tdx_model_default(struct machine_config *cfg);
/* So much memory: the second CMR, above 4 GiB, takes what the first leaves. */
void tdx_model_memory_of(struct machine_config *cfg, uint64_t memory);
/* tdx_model_new() of any machine; cfg NULL: the default one. */
struct tdx_model *tdx_model_new_from(const struct machine_config *cfg, char *err, size_t errlen);

#endif
