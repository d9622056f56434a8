/* SPDX-License-Identifier: MIT */
/* SEAMLDR.SHUTDOWN and SEAMLDR.CLEANUP: on every processor once. */
#include <string.h>

#include <swtdx/status.h>

#include "seamldr/internal.h"

uint64_t loader_shutdown(struct machine_lp *lp)
{
	struct machine *m = lp->m;
	struct loader *l = loader_of(m);
	struct tdx_seamextend s = machine_seam(m)->seamextend;

	if (l->flow != FLOW_READY && l->flow != FLOW_SHUTDOWN)
		return SEAMLDR_EBADCALL;
	if (loader_is_dirty(m))
		return SEAMLDR_ECLEANUPREQ;
	lp_set_add(&l->shutdown, lp->id);
	if (l->flow == FLOW_READY) {
		s.seam_ready = 0;
		seamextend_write(m, &s);
		l->flow = FLOW_SHUTDOWN;
	}
	if (l->shutdown.n < m->cfg.lps)
		return SEAMLDR_SUCCESS;
	/* the last call is that of the processor which once launched the loader of the loader */
	if (lp->id != 0)
		return SEAMLDR_EBADCALL;
	seamextend_write(m, &(struct tdx_seamextend){.valid = 0});
	return SEAMLDR_SUCCESS;
}

static void begin(struct machine *m)
{
	struct tdx_seamextend s = machine_seam(m)->seamextend;

	s.seam_ready = 0;
	memset(s.tee_tcb_svn, 0, sizeof(s.tee_tcb_svn));
	seamextend_write(m, &s);
	machine_handoff_header(m)->valid = 0;
	loader_of(m)->flow = FLOW_CLEANUP;
}

static void end(struct machine *m)
{
	struct loader *l = loader_of(m);
	const struct tdx_seamextend was = machine_seam(m)->seamextend;

	seamextend_write(m, &(struct tdx_seamextend){.p_seamldr_ready = was.p_seamldr_ready,
						     .seam_debug = was.seam_debug});
	machine_seam(m)->seamdb_index = 0;
	l->remaining_updates = SEAMDB_ENTRIES;
	memset(l->cleaned, 0, sizeof(l->cleaned));
	l->cleanup = (struct lp_set){.n = 0};
	l->flow = FLOW_READY;
}

/* New keys for all private KeyIDs of the package. */
static uint64_t renew_keys(struct machine_lp *lp)
{
	enum { PCONFIG_OK = 0, PCONFIG_ENTROPY = 2 };
	struct machine *m = lp->m;
	struct loader *l = loader_of(m);
	uint32_t *next = &l->next_key[lp->package];

	while (*next <= m->private_hkid_max - m->private_hkid_min) {
		switch (machine_pconfig(lp, m->private_hkid_min + *next)) {
		case PCONFIG_OK:
			break;
		case PCONFIG_ENTROPY:
			return SEAMLDR_ENOENTROPY;
		default: /* its source: a fatal error, after which there is no P-SEAMLDR */
			seamextend_write(m, &(struct tdx_seamextend){.valid = 0});
			return TDX_SEAMCALL_VMFAILINVALID;
		}
		++*next;
		if (machine_irq_pending(lp))
			return SEAMLDR_EINTERRUPT;
	}
	l->key_dirty[lp->package] = false;
	return SEAMLDR_SUCCESS;
}

static uint64_t write_back(struct machine_lp *lp)
{
	struct loader *l = loader_of(lp->m);
	uint32_t *next = &l->next_block[lp->package];

	while (*next < lp->m->cfg.wb_blocks) {
		machine_wb_block(lp, *next);
		++*next;
		if (machine_irq_pending(lp))
			return SEAMLDR_EINTERRUPT;
	}
	l->cache_dirty[lp->package] = false;
	return SEAMLDR_SUCCESS;
}

static unsigned processors_of(const struct machine *m, unsigned package)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->cfg.lps; i++)
		n += m->lp[i].package == package;
	return n;
}

uint64_t loader_cleanup(struct machine_lp *lp)
{
	struct machine *m = lp->m;
	struct loader *l = loader_of(m);
	const bool last = l->cleaned[lp->package] + 1 == processors_of(m, lp->package);
	uint64_t status = SEAMLDR_SUCCESS;

	if (l->flow != FLOW_READY && l->flow != FLOW_CLEANUP)
		return SEAMLDR_EBADCALL;
	if (lp_set_has(&l->cleanup, lp->id))
		return SEAMLDR_EBADCALL;
	if (l->flow == FLOW_READY)
		begin(m);
	if (last && l->key_dirty[lp->package])
		status = renew_keys(lp);
	if (!status && last && l->cache_dirty[lp->package])
		status = write_back(lp);
	if (status)
		return status;
	l->cleaned[lp->package]++;
	lp_set_add(&l->cleanup, lp->id);
	if (l->cleanup.n == m->cfg.lps)
		end(m);
	return SEAMLDR_SUCCESS;
}
