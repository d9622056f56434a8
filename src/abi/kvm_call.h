/* SPDX-License-Identifier: MIT */
/* KVM's hypercalls, as guest and host agree on them: Linux, Documentation/virt/kvm/x86/hypercalls.
 *
 * A TD makes them by TDG.VP.VMCALL with the number, which is not 0, in R10 and operands in R11 to
 * R14; the answer comes in R10: 0 or a count, or one of the errors below, negative. Freestanding.
 */
#ifndef SWTDX_ABI_KVM_CALL_H
#define SWTDX_ABI_KVM_CALL_H

#include <stdint.h>

enum kvm_call {
	KVM_CALL_VAPIC_POLL_IRQ = 1,
	KVM_CALL_KICK_CPU = 5,
	KVM_CALL_CLOCK_PAIRING = 9,
	KVM_CALL_SEND_IPI = 10,
	KVM_CALL_SCHED_YIELD = 11,
	KVM_CALL_MAP_GPA_RANGE = 12,
};

/* The errors of the interface, whatever the host's are called. */
enum {
	KVM_CALL_EFAULT = 14,
	KVM_CALL_EINVAL = 22,
	KVM_CALL_EOPNOTSUPP = 95,
	KVM_CALL_ENOSYS = 1000
};

/* MAP_GPA_RANGE: attributes, R13. Bits 3:0 are the size of its pages, a hint. */
#define KVM_CALL_MAP_ENCRYPTED (1ull << 4)

/* SEND_IPI: R14 as the low word of an ICR, of which it must not name a destination. */
#define KVM_CALL_IPI_NO_DEST 0xc0800ull

/* CLOCK_PAIRING: of the host's time of day, the only one there is; and what is written. */
enum { KVM_CALL_WALLCLOCK = 0 };
struct kvm_call_clock {
	int64_t sec, nsec;
	uint64_t tsc; /* the guest's at that time */
	uint32_t flags, pad[9];
};
_Static_assert(sizeof(struct kvm_call_clock) == 64, "as KVM has it");

#endif
