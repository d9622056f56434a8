/* SPDX-License-Identifier: MIT */
/* Giving a free page to a TD; see donate.h. */
#include "module/donate.h"

#include <string.h>

static void fill_page(uint64_t *words, uint64_t value)
{
	if (value == 0 || value == ~0ull) {
		memset(words, (int)(value & 0xff), TDX_PAGE_SIZE);
		return;
	}
	for (unsigned i = 0; i < TDX_PAGE_SIZE / sizeof(*words); i++)
		words[i] = value;
}

void donate_fill(const struct tx *tx, const struct td *td, const struct pamt_ref *ref,
		 uint64_t fill)
{
	fill_page(donated_words(tx, ref), fill);
	machine_wrote(tx->lp->hw, ref->pa.v, td->tdr->hkid);
}

void donate_page(struct tx *tx, struct td *td, const struct pamt_ref *ref, enum tdx_page_type type,
		 uint64_t fill)
{
	donate_fill(tx, td, ref, fill);
	td_add_children(tx, td, 1);
	ref->entry->type = (uint8_t)type;
	pamt_set_owner(ref->entry, td->pa);
	pamt_count_inc(tx, ref);
}
