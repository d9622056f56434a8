/* SPDX-License-Identifier: MIT */
/* A guest that waits for another processor in a loop without PAUSE: firmware parks its processors
 * so. The host CPU has better to do, and what it does may be what the guest waits for.
 *
 * A loop waits when it comes back to where it was with the same registers. What it has stored
 * meanwhile does not matter: a wait that is none costs time and nothing else. */
#include "engine/td/internal.h"

#include <string.h>
#include <time.h>

enum {
	NEAR_BYTES = 64, /* from one look to the next: worth a closer one */
	LOOP_INSTRUCTIONS = 16,
	NAP_NS = 50000,
	LONG_NAP_NS = 200000, /* of a loop that has waited long */
};

static bool near(const struct td_cpu *t)
{
	const uint64_t d = t->x86->rip - t->looked_rip;

	return d + NEAR_BYTES < 2 * NEAR_BYTES;
}

/* Step by step, until it is where it was. *e: how the last step ended. */
static bool comes_back(struct x86_cpu *x86, struct x86_exit *e)
{
	const struct tdx_regs regs = x86->regs;
	const uint64_t rip = x86->rip;

	for (unsigned i = 0; i < LOOP_INSTRUCTIONS; i++) {
		x86_run(x86, e, 1);
		if (e->reason != X86_EXIT_BUDGET)
			return false;
		if (x86->rip == rip && !memcmp(&x86->regs, &regs, sizeof(regs)))
			return true;
	}
	return false;
}

bool td_waits(struct td_cpu *t, struct x86_exit *e)
{
	struct x86_cpu *x86 = t->x86;
	struct timespec nap = {0, NAP_NS};
	const bool look = near(t) && !x86->nbreaks && !x86->step_one;

	t->looked_rip = x86->rip;
	if (!look || !comes_back(x86, e)) {
		t->wait_ns = 0;
		return false;
	}
	nap.tv_nsec = t->wait_ns ? 2 * t->wait_ns : NAP_NS;
	if (nap.tv_nsec > LONG_NAP_NS)
		nap.tv_nsec = LONG_NAP_NS;
	t->wait_ns = nap.tv_nsec;
	if (machine_irq_now(t->in.hw) || nanosleep(&nap, NULL))
		return false;
	x86->naps++;
	return true;
}
