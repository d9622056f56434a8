/* SPDX-License-Identifier: MIT */
/* Memory operands of TDCALLs: a guest-physical address walked as the processor would.
 *
 * Private addresses go through the Secure EPT, shared ones through the EPT the host gave in the TD
 * VMCS. A walk that fails is an EPT violation of the guest: a TD exit or a #VE, after which the
 * guest repeats the TDCALL. */
#ifndef MODULE_GUEST_MEMORY_H
#define MODULE_GUEST_MEMORY_H

#include "module/transition.h"

/* The byte at gpa_ of private memory (the access must not cross a page). TDX_OPERAND_INVALID|op
 * when the address cannot be one; on a failed walk NULL and the processor's fate is decided: return
 * at once.
 *
 *	buf = guest_memory(tx, gpa(regs->rdx), false, TDX_OPERAND_ID_RDX, &status);
 *	if (!buf)
 *		return status;
 */
void *guest_memory(struct tx *tx, gpa_t gpa_, bool write, enum tdx_operand op,
		   struct tdx_status *status);

/* The same of private or shared memory, with `len` bytes read from there or written to it. Where
 * the host lets a shared address end in no RAM, a read gives ones and a write is lost. False as
 * guest_memory() gives NULL. */
bool guest_memory_read(struct tx *tx, gpa_t gpa_, enum tdx_operand op, void *to, size_t len,
		       struct tdx_status *status);
bool guest_memory_write(struct tx *tx, gpa_t gpa_, enum tdx_operand op, const void *from,
			size_t len, struct tdx_status *status);

enum gpa_walk { GPA_WALK_OK, GPA_WALK_VIOLATION, GPA_WALK_CONVERTIBLE, GPA_WALK_MISCONFIG };

/* Walks a private address without locks for an access (bits 2:0: read, write, execute). `entry` is
 * the last one seen, `rwx` what all seen allow, `pa` the byte when the walk is OK. */
enum gpa_walk guest_walk_private(const struct tx *tx, const struct tdcs *tdcs, gpa_t gpa_,
				 unsigned access, uint64_t *entry, unsigned *rwx, uint64_t *pa);

bool td_gpa_is_shared(const struct tdcs *tdcs, gpa_t gpa_);

#endif
