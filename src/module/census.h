/* SPDX-License-Identifier: MIT */
/* What the module owns, counted by its PAMT. */
#ifndef MODULE_CENSUS_H
#define MODULE_CENSUS_H

#include <stdbool.h>

#include <swtdx/state.h>
#include <swtdx/structs.h>

#include "module/module.h"

/* What the module owns, a page of any size at a time. No call is in progress. */
typedef void module_visitor(void *arg, uint64_t pa, uint64_t size, enum tdx_page_type type);
void module_visit_pages(struct module *mod, module_visitor *fn, void *arg);

/* 4K pages of all TDMRs by enum tdx_page_type. No call is in progress. */
void module_count_pages(struct module *mod, uint64_t count[16]);

/* The vCPU whose TDVPR this is, by its number in its TD. False: it is no TDVPR, or of a vCPU that
 * has not been initialized. Any thread; what other calls change meanwhile is old or new. */
bool module_vcpu_index(struct module *mod, uint64_t pa, unsigned *index);

/* What is measured of the TD whose TDR this is, which a host is told of MRTD alone. False: it is no
 * TD that is built. Nobody extends a register meanwhile. */
bool module_measurements(struct module *mod, uint64_t tdr_pa, struct tdx_digest *mrtd,
			 struct tdx_digest rtmr[TDX_RTMRS]);

/* A private KeyID that no TD has and that needs no write-back. */
bool module_hkid_is_free(const struct module *mod, unsigned hkid);

#endif
