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

unsigned md_rows(const struct md *md, const struct md_table *table)
{
	enum { L2_ROWS_OF_TD = 1, L2_ROWS_OF_VP = 3 };
	unsigned per_vm = table == &md_td ? L2_ROWS_OF_TD : table == &md_vp ? L2_ROWS_OF_VP : 0;

	return per_vm ? table->rows - per_vm * (TD_MAX_VMS - 1u - md->td.tdcs->num_l2_vms)
		      : table->rows;
}

const struct md_field *md_row(const struct md *md, uint64_t id)
{
	const struct md_table *table = md_table_of(id);
	const struct md_field *f = md_find(table, id);

	if (!f || f >= table->row + md_rows(md, table))
		return NULL;
	if (table == &md_l2_vmcs && md_vp_l2_vm(md_class(id)) > md->td.tdcs->num_l2_vms)
		return NULL;
	return f;
}

struct md_mask md_mask(const struct md *md, const struct md_field *f)
{
	uint64_t size = md_size_mask(f->id);
	const bool immutable = f->phase == MD_IMMUTABLE, mutable = f->phase == MD_MUTABLE;
	struct md_mask m = {0};

	switch (md->by) {
	case MD_BY_HOST:
		m = f->host;
		break;
	case MD_BY_DEBUGGER:
		m = f->debug;
		break;
	case MD_BY_GUEST:
		m = f->guest;
		break;
	case MD_BY_MIGTD:
		m = f->migtd;
		break;
	case MD_EXPORT_IMMUTABLE:
		m.rd = immutable ? f->exported : 0;
		break;
	case MD_EXPORT_MUTABLE:
		m.rd = mutable ? f->exported : 0;
		break;
	case MD_IMPORT_IMMUTABLE:
		m.wr = immutable ? f->imported : 0;
		break;
	case MD_IMPORT_MUTABLE:
		m.wr = mutable ? f->imported : 0;
		break;
	}

	m.rd &= size;
	m.wr &= size;
	return m;
}

uint64_t md_load(const void *where, unsigned size)
{
	switch (size) {
	case 1:
		return __atomic_load_n((const uint8_t *)where, __ATOMIC_RELAXED);
	case 2:
		return __atomic_load_n((const uint16_t *)where, __ATOMIC_RELAXED);
	case 4:
		return __atomic_load_n((const uint32_t *)where, __ATOMIC_RELAXED);
	default:
		return __atomic_load_n((const uint64_t *)where, __ATOMIC_RELAXED);
	}
}

void md_store(void *where, unsigned size, uint64_t value)
{
	switch (size) {
	case 1:
		__atomic_store_n((uint8_t *)where, (uint8_t)value, __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n((uint16_t *)where, (uint16_t)value, __ATOMIC_RELAXED);
		break;
	case 4:
		__atomic_store_n((uint32_t *)where, (uint32_t)value, __ATOMIC_RELAXED);
		break;
	default:
		__atomic_store_n((uint64_t *)where, value, __ATOMIC_RELAXED);
		break;
	}
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
