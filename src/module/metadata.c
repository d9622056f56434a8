/* SPDX-License-Identifier: MIT */
/* Metadata: from an identifier to its row, masks and value; see metadata.h. */
#include "module/metadata.h"

#include <swtdx/structs.h>

struct md md_of_system(struct tx *tx)
{
	return (struct md){.tx = tx, .ctx = MD_CTX_SYS, .by = tx->guest ? MD_BY_GUEST : MD_BY_HOST};
}

struct md md_of_td(struct tx *tx, const struct td *td, const struct vp *vp)
{
	struct md md = {
		.tx = tx,
		.ctx = vp ? MD_CTX_VP : MD_CTX_TD,
		.by = td->tdcs->attributes & TDX_ATTR_DEBUG ? MD_BY_DEBUGGER : MD_BY_HOST,
		.td = *td,
	};

	if (vp)
		md.vp = *vp;
	return md;
}

struct md md_of_target(struct tx *tx, const struct td *td)
{
	return (struct md){.tx = tx, .ctx = MD_CTX_TD, .by = MD_BY_MIGTD, .td = *td};
}

struct md md_of_guest(struct tx *tx, enum md_context ctx)
{
	const struct lp *lp = tx->lp;

	return (struct md){
		.tx = tx,
		.ctx = ctx,
		.by = MD_BY_GUEST,
		.td = {.pa = lp->tdr_pa, .tdr = lp->tdr, .tdcs = lp->tdcs, .ext = lp->ext},
		.vp = {.pa = lp->tdvpr_pa, .vps = lp->vps, .vmcs = lp->vmcs},
	};
}

static struct tdx_status check_single(uint64_t id)
{
	if (id & (MD_ID_RESERVED | MD_ID_LAST_ELEMENT | MD_ID_LAST_FIELD))
		return tdx_error(TDX_METADATA_FIELD_ID_INCORRECT);
	return tdx_success();
}

struct tdx_status md_element_at(const struct md *md, const struct md_field *f, uint64_t id,
				struct md_element *e)
{
	*e = (struct md_element){0};
	switch (md->ctx) {
	case MD_CTX_SYS:
		e->value = md_sys_value(md, f, id);
		break;
	case MD_CTX_TD:
		return md_td_element(md, f, id, false, e);
	case MD_CTX_VP:
		return md_vp_element(md, f, id, false, e);
	}
	return tdx_success();
}

struct tdx_status md_rd(const struct md *md, uint64_t id, uint64_t *value, uint64_t *next)
{
	const struct md_field *f;
	struct md_element e = {0};
	struct tdx_status s;
	struct md_mask m;

	id = md_with_ctx(id, md->ctx);
	*value = 0;
	if (next) {
		*next = MD_ID_NONE;
		if (md_is_none(id)) {
			*next = md_next_element(md, NULL, id);
			return tdx_error(TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT);
		}
	}
	s = check_single(id);
	if (!tdx_is_success(s))
		return s;
	f = md_row(md, id);
	if (!f)
		return tdx_error(TDX_METADATA_FIELD_ID_INCORRECT);
	s = md_element_at(md, f, id, &e);
	if (!tdx_is_success(s))
		return s;
	m = md_mask(md, f);
	if (!m.rd)
		return tdx_error(TDX_METADATA_FIELD_NOT_READABLE);
	*value = e.value & m.rd;
	if (next)
		*next = md_next_element(md, f, id);
	return s;
}

struct tdx_status md_wr(const struct md *md, uint64_t id, uint64_t value, uint64_t mask,
			uint64_t *old)
{
	const struct md_field *f;
	struct tdx_status s;

	id = md_with_ctx(id, md->ctx);
	*old = 0;
	s = check_single(id);
	if (!tdx_is_success(s))
		return s;
	f = md_row(md, id);
	if (!f)
		return tdx_error(TDX_METADATA_FIELD_ID_INCORRECT);
	if (md->ctx == MD_CTX_TD)
		return md_td_write(md, f, id, value, mask, old);
	return md_vp_write(md, f, id, value, mask, old);
}
