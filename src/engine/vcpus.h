/* SPDX-License-Identifier: MIT */
/* The vCPUs an engine has met, by their TDVPR, and which of them runs where.
 *
 * A processor remembers the vCPU it ran last, so that entering it again takes no lock that another
 * processor takes. Any thread may call; a vCPU is entered on one processor at a time, and forgotten
 * when it can be entered no more (both by the module's rules). */
#ifndef ENGINE_VCPUS_H
#define ENGINE_VCPUS_H

#include <pthread.h>

#include "machine/machine.h"

enum { VCPUS_MAX = 1024 };

struct vcpus_ops {
	void *(*make)(void *arg, uint64_t tdvpr_pa); /* NULL: no memory */
	void (*free)(void *vcpu);
};

struct vcpus {
	const struct vcpus_ops *ops;
	void *arg;
	pthread_mutex_t lock; /* the table; may be taken under that of a processor */
	struct vcpus_entry {
		uint64_t tdvpr_pa;
		void *vcpu;
	} entry[VCPUS_MAX];
	unsigned n;
	struct vcpus_lp {
		pthread_mutex_t lock;
		struct vcpus_entry last; /* vcpu NULL: none */
		bool running;
		uint8_t line_behind[64];
	} lp[MACHINE_MAX_LPS];
};

void vcpus_init(struct vcpus *v, const struct vcpus_ops *ops, void *arg);
/* With every vCPU that is left. */
void vcpus_destroy(struct vcpus *v);

/* The vCPU runs on the processor from now on; made when it is new. NULL: it could not be. */
void *vcpus_enter(struct vcpus *v, unsigned lp, uint64_t tdvpr_pa);
void vcpus_leave(struct vcpus *v, unsigned lp);
/* Do this to what runs on the processor, if anything; it does not leave meanwhile. */
void vcpus_kick(struct vcpus *v, unsigned lp, void (*kick)(void *vcpu));
void vcpus_forget(struct vcpus *v, uint64_t tdvpr_pa);

#endif
