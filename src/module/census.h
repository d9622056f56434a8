/* SPDX-License-Identifier: MIT */
/* What the module owns, counted by its PAMT. */
#ifndef MODULE_CENSUS_H
#define MODULE_CENSUS_H

#include <stdbool.h>
#include "module/module.h"

/* 4K pages of all TDMRs by enum tdx_page_type. No call is in progress. */
void module_count_pages(struct module *mod, uint64_t count[16]);

/* A private KeyID that no TD has and that needs no write-back. */
bool module_hkid_is_free(const struct module *mod, unsigned hkid);

#endif
