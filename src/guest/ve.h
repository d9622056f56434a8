/* SPDX-License-Identifier: MIT */
/* The parts of #VE handling. Not installed. */
#ifndef GUEST_VE_H
#define GUEST_VE_H

#include <swtdx/guest.h>

/* An access to shared memory that is not there: a device. */
enum tdg_ve_action guest_ve_mmio(const struct tdg_port *vcpu, const struct tdg_ve_policy *policy,
				 const struct tdg_ve_info *info, struct tdg_frame *f);

#endif
