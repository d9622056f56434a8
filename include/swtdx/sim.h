/* SPDX-License-Identifier: MIT */
/* From nothing to a monitor in one call: a powered-on machine, what executes guests, the module
 * brought up, and the monitor that has its memory.
 *
 * The pieces are those of <swtdx/model.h>, <swtdx/x86.h> and <swtdx/vmm.h> and stay the
 *simulation's; who needs another arrangement puts them together himself. Everything it answers is
 *simulated. Threads: as for the monitor and the model.
 *
 *	struct tdx_sim *sim;
 *	char why[256];
 *	if (tdx_sim_new(NULL, &sim, why, sizeof(why)) == 0) {
 *		tdx_vm_new(tdx_sim_vmm(sim), &vm);
 *		...
 *		tdx_vm_destroy(vm);
 *		tdx_sim_free(sim);
 *	} */
#ifndef SWTDX_SIM_H
#define SWTDX_SIM_H

#include <swtdx/model.h>
#include <swtdx/native.h>
#include <swtdx/vmm.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct tdx_sim;

/* All may be zero. */
struct tdx_sim_config {
	uint64_t memory;	 /* bytes; 0: the machine's default */
	unsigned cpus, packages; /* 0: 2 and 1 */
	uint64_t seed;
	tdx_native_fn *guest; /* the code of every vCPU, in C; NULL: TDs run x86-64 code */
	void *guest_arg;
	bool dynamic_pamt;
	bool real_time; /* the machine's clock is the host's: for guests that wait */
	void (*log)(void *arg, const char *line);
	void *arg;
};

/* config NULL: all zero. 0 with *sim, or a negative errno with a sentence in err. */
int tdx_sim_new(const struct tdx_sim_config *config, struct tdx_sim **sim, char *err,
		size_t errlen);
/* All VMs must be gone. */
void tdx_sim_free(struct tdx_sim *sim);

/* --- a migration TD ---
 *
 * The guest library's, as a native guest: of a whole machine, or beside another engine
 * (tdx_native_beside_new()). Its code is this process's, so its MRTD says who it is and not what it
 * does; whose quotes it believes is in its MRCONFIGID. */
struct tdx_sim_migtd {
	const char *root; /* PEM of the certificate that quotes must lead to; outlives it */
	size_t root_len;
	void *memory; /* the guest's own, of malloc(); to be freed when it is gone */
};

/* The guest; arg is a struct tdx_sim_migtd, zero but for the root. */
void tdx_sim_migtd_guest(struct tdx_native_cpu *cpu, void *arg);
/* The TD, ready to serve: tdx_migtd_exchange(). 0 or a negative errno with nothing left. */
int tdx_sim_migtd_new(struct tdx_vmm *vmm, const struct tdx_sim_migtd *config, struct tdx_vm **vm,
		      struct tdx_vcpu **vcpu);

struct tdx_model *tdx_sim_model(struct tdx_sim *sim);
struct tdx_vmm *tdx_sim_vmm(struct tdx_sim *sim);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
