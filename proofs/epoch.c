/* SPDX-License-Identifier: MIT */
/* A vCPU that joins an epoch is counted there until it leaves, and nothing else of the TDR changes.
 */
#include "proofs/proof.h"

#include "module/td.h"

void left_epoch_is_as_before_it_was_joined(void)
{
	static struct tdr tdr, before;
	static struct lp lp;
	uint64_t epoch;

	any_of(tdr);
	any_of(lp.id);
	before = tdr;
	assume(td_counts(&tdr, &lp)->running[epoch & 1] < UINT16_MAX);
	td_join_epoch(&tdr, &lp, epoch);
	prove(td_counts(&tdr, &lp)->running[epoch & 1] ==
	      td_counts(&before, &lp)->running[epoch & 1] + 1);
	td_leave_epoch(&tdr, &lp, epoch);
	prove(__CPROVER_equal(tdr, before));
	reached();
}
