/* SPDX-License-Identifier: MIT */
/* The order of metadata fields: the TD VMCS before the other vCPU fields, the VMCS of an L2 VM in
 * the place of its L2_VMCS_n row, CPUID_VALUES by row of the CPUID table. */
#include "module/cpuid_table.h"
#include "module/metadata.h"
#include "module/transition.h"

static uint64_t with_code(uint64_t id, uint64_t code)
{
	return (id & ~MD_ID_CODE_MASK) | (code & MD_ID_CODE_MASK);
}

static uint64_t with_cpuid_row(uint64_t id, unsigned row)
{
	/* the reserved bits of the code are 0: the element was readable */
	return with_code(id, md_cpuid_code(cpuid_keys[row].leaf, cpuid_keys[row].subleaf, 0));
}

/* The next element of CPUID_VALUES, false when this was the last. */
static bool next_cpuid(const struct md *md, struct md_cursor *c, enum md_step step)
{
	unsigned row;

	if (step == MD_STEP_ELEMENT && !(c->id & 1)) {
		c->id++;
		return true;
	}
	row = cpuid_row(md_cpuid_leaf(c->id), md_cpuid_subleaf(c->id));
	if (row == CPUID_NO_ROW) {
		/* a leaf of zeros has no place in the order; the real module does not survive it */
		module_fatal(md->tx->lp);
		return false;
	}
	if (row + 1 >= CPUID_ROWS)
		return false;
	c->id = with_cpuid_row(c->id, row + 1);
	return true;
}

static void enter_row(struct md_cursor *c, unsigned row)
{
	c->row = row;
	c->id = c->table->row[row].id;
}

static void next_row(const struct md *md, struct md_cursor *c)
{
	const unsigned vm = md_is_l2_vmcs(c->id) ? md_vp_l2_vm(md_class(c->id)) : 0;
	const uint64_t cls = c->id & MD_ID_CLASS_MASK;

	if (md_is_none(c->id)) {
		enter_row(c, 0);
	} else if (c->row + 1 < md_rows(md, c->table)) {
		enter_row(c, c->row + 1);
		if (vm)
			c->id |= cls;
	} else if (c->table == &md_vmcs) {
		c->table = &md_vp;
		enter_row(c, 0);
	} else if (c->table == &md_l2_vmcs) {
		c->table = &md_vp;
		enter_row(c, MD_VP_L2_MSR_BITMAPS_1 +
				     (vm - 1) * (MD_VP_L2_MSR_BITMAPS_2 - MD_VP_L2_MSR_BITMAPS_1));
	} else {
		c->id = MD_ID_NONE;
	}
}

/* To the first element of the next row. */
static void next_field_row(const struct md *md, struct md_cursor *c)
{
	next_row(md, c);
	if (md_is_none(c->id))
		return;
	if (md_is_cpuid(c->id))
		c->id = with_cpuid_row(c->id, 0);
	if (c->table == &md_vp && md_is_l2_vmcs(c->id)) {
		uint64_t cls = c->id & MD_ID_CLASS_MASK;

		c->table = &md_l2_vmcs;
		enter_row(c, 0);
		c->id |= cls;
	}
}

/* To the next element or field, of this row if it has one. */
void md_step(const struct md *md, struct md_cursor *c, enum md_step step)
{
	if (!md_is_none(c->id)) {
		const struct md_field *f = &c->table->row[c->row];
		const unsigned elements = md_elements(f);
		const unsigned n = md_index(f, c->id);

		if (md_is_cpuid(c->id)) {
			if (next_cpuid(md, c, step))
				return;
		} else if (step == MD_STEP_ELEMENT && n + 1 < (f->last_field + 1u) * elements) {
			c->id += md_stride(f);
			return;
		} else if (step == MD_STEP_FIELD && n / elements < f->last_field) {
			c->id += elements * md_stride(f);
			return;
		}
	}
	next_field_row(md, c);
}

/* To who reads, readable; to an importer, writable. */
static bool accessible(const struct md *md, const struct md_field *f)
{
	const struct md_mask m = md_mask(md, f);

	return md_imports(md) ? m.wr : m.rd;
}

bool md_cursor_at(const struct md *md, uint64_t id, struct md_cursor *c)
{
	const struct md_field *f = md_row(md, id);

	if (!f || md_index(f, id) % md_elements(f) || md_size(f->id) != md_size(id))
		return false;
	c->table = md_table_of(id);
	c->row = (unsigned)(f - c->table->row);
	c->id = (f->id & ~(MD_ID_CODE_MASK | MD_ID_CLASS_MASK)) |
		(id & (MD_ID_CODE_MASK | MD_ID_CLASS_MASK));
	return true;
}

void md_advance(const struct md *md, struct md_cursor *c, enum md_step step)
{
	md_step(md, c, step);
	while (!md_is_none(c->id) && !accessible(md, &c->table->row[c->row]))
		next_field_row(md, c);
}

uint64_t md_next_element(const struct md *md, const struct md_field *f, uint64_t id)
{
	struct md_cursor c = {.table = md_table_of(id), .id = id};

	if (f)
		c.row = (unsigned)(f - c.table->row);
	md_advance(md, &c, MD_STEP_ELEMENT);
	return c.id;
}
