/* SPDX-License-Identifier: MIT */
/* Looking for readers; see reader.h. */
#include "module/reader.h"

bool reader_reads(const struct lp *lp, const void *word)
{
	for (unsigned n = 0; n < READER_SLOTS; n++)
		if (atomic_load_explicit(&lp->reading[n], memory_order_seq_cst) == word)
			return true;
	return false;
}
