/* SPDX-License-Identifier: MIT */
/* Memory operands of TDCALLs: a guest-physical address walked as the processor would.
 *
 * Private addresses go through the Secure EPT, shared ones through the EPT the host gave in the TD
 * VMCS. A walk that fails is an EPT violation of the guest: a TD exit or a #VE, after which the
 * guest repeats the TDCALL. */
#ifndef MODULE_GUEST_MEMORY_H
#define MODULE_GUEST_MEMORY_H

#include "module/transition.h"

enum gpa_kind { GPA_PRIVATE, GPA_PRIVATE_OR_SHARED };

/* The byte at gpa_ (the access must not cross a page). TDX_OPERAND_INVALID|op when the address
 * cannot be one; on a failed walk NULL and the processor's fate is decided: return at once.
 *
 *	buf = guest_memory(tx, gpa(regs->rdx), false, GPA_PRIVATE, TDX_OPERAND_ID_RDX, &status);
 *	if (!buf)
 *		return status;
 */
void *guest_memory(struct tx *tx, gpa_t gpa_, bool write, enum gpa_kind kind, enum tdx_operand op,
		   struct tdx_status *status);

enum gpa_walk { GPA_WALK_OK, GPA_WALK_VIOLATION, GPA_WALK_CONVERTIBLE, GPA_WALK_MISCONFIG };

/* Walks a private address without locks for an access (bits 2:0: read, write, execute). `entry` is
 * the last one seen, `rwx` what all seen allow, `pa` the byte when the walk is OK. */
enum gpa_walk guest_walk_private(const struct tx *tx, const struct tdcs *tdcs, gpa_t gpa_,
				 unsigned access, uint64_t *entry, unsigned *rwx, uint64_t *pa);

bool td_gpa_is_shared(const struct tdcs *tdcs, gpa_t gpa_);

#endif
