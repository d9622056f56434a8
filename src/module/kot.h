/* SPDX-License-Identifier: MIT */
/* The key ownership table: which private KeyIDs are free, used by a TD, or waiting for caches.
 *
 *   FREE -- TDH.MNG.CREATE --> ASSIGNED -- TDH.MNG.VPFLUSHDONE --> FLUSHED
 *     ^--------------- TDH.MNG.KEY.FREEID, all packages written back ---'
 *
 * RESERVED: the module's own KeyID. States change under the KOT lock held exclusive; CACHE.WB holds
 * it shared and clears bits of wbinvd_bitmap atomically. */
#ifndef MODULE_KOT_H
#define MODULE_KOT_H

#include "module/tx.h"

static inline struct tdx_status kot_lock(struct tx *tx, enum lock_mode mode)
{
	return tx_lock(tx, LOCK_KOT, 0, &tx->mod->kot_lock, mode, TDX_OPERAND_ID_KOT);
}

static inline bool hkid_is_private(const struct module *mod, unsigned hkid_)
{
	return hkid_ >= mod->private_hkid_min && hkid_ <= mod->private_hkid_max;
}

static inline enum tdx_kot_state kot_state(const struct module *mod, unsigned hkid_)
{
	return (enum tdx_kot_state)mod->kot[hkid_].state;
}

/* The KeyID gets an owner. */
void kot_assign(struct module *mod, unsigned hkid_);
/* No vCPU runs under it any more: every package must write its caches back. */
void kot_flush(struct module *mod, unsigned hkid_);
/* Has every package? */
bool kot_written_back(const struct module *mod, unsigned hkid_);
void kot_free(struct module *mod, unsigned hkid_);

#endif
