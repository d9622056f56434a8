/* SPDX-License-Identifier: MIT */
/* The row of a field, what an accessor may do with it, and the store of one; under all of metadata.
 */
#include "module/metadata.h"

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
