/* SPDX-License-Identifier: MIT */
/* Looking for readers; see reader.h. */
#include "module/reader.h"

bool reader_is_in(const struct module *mod, const void *word, const struct lp *lp, unsigned slot)
{
	for (unsigned i = 0; i < mod->m->cfg.lps; i++) {
		const struct lp *other = &mod->lp[i];

		for (unsigned n = 0; n < READER_SLOTS; n++)
			if (atomic_load_explicit(&other->reading[n], memory_order_seq_cst) ==
				    word &&
			    !(other == lp && n == slot))
				return true;
	}
	return false;
}
