/* SPDX-License-Identifier: MIT */
/* An interrupt or NMI for the host while a guest runs: acknowledged as the guest exits (TDs run
 * with "acknowledge interrupt on exit"), so that the exit carries its vector. */
#ifndef ENGINE_INTERRUPT_H
#define ENGINE_INTERRUPT_H

#include <stdbool.h>

struct machine_lp;
struct module_entered;
struct vmexit;

/* machine_lp.irq was seen, and ends here. False: nothing can be delivered, the guest goes on. */
bool engine_host_interrupt(struct machine_lp *hw, struct vmexit *x);

/* A TD is entered in one of its L2 VMs, with an interrupt posted to the L1 VMM: the host sends the
 * notification to its own processor, as no guest runs there that it could interrupt otherwise. The
 * exit it makes. */
bool engine_posted_to_l1(const struct module_entered *in, struct vmexit *x);

#endif
