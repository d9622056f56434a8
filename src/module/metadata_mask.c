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

struct md_mask md_mask_migrating(const struct md *md, const struct md_field *f)
{
	const bool import = md->by == MD_IMPORT_IMMUTABLE || md->by == MD_IMPORT_MUTABLE;
	const bool immutable = md->by == MD_EXPORT_IMMUTABLE || md->by == MD_IMPORT_IMMUTABLE;

	if (f->phase != (immutable ? MD_IMMUTABLE : MD_MUTABLE))
		return (struct md_mask){0};
	return import ? (struct md_mask){.wr = f->imported} : (struct md_mask){.rd = f->exported};
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
