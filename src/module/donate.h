/* SPDX-License-Identifier: MIT */
/* Making a free page, locked by tx_free_page(), a control page of a TD. */
#ifndef MODULE_DONATE_H
#define MODULE_DONATE_H

#include "module/page.h"
#include "module/td.h"

/* The page as the module writes it. */
static inline uint64_t *donated_words(const struct tx *tx, const struct pamt_ref *ref)
{
	return machine_ptr(tx->m, ref->pa.v);
}

/* Its address under the TD's KeyID, as the TDR and TDVPS remember their pages. */
static inline uint64_t donated_pa(const struct tx *tx, const struct td *td,
				  const struct pamt_ref *ref)
{
	return machine_with_hkid(tx->m, ref->pa.v, td->tdr->hkid);
}

/* Fill the page under the TD's KeyID; it stays free. */
void donate_fill(const struct tx *tx, const struct td *td, const struct pamt_ref *ref,
		 uint64_t fill);

/* Fill the page, give it to the TD as a page of this type, count it as a child. */
void donate_page(struct tx *tx, struct td *td, const struct pamt_ref *ref, enum tdx_page_type type,
		 uint64_t fill);

#endif
