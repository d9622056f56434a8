/* SPDX-License-Identifier: MIT */
/* Metadata of the module, of a TD and of a vCPU by field identifier: read, write, next, list.
 *
 * Facts about fields are abi/metadata.h's tables; here is where each value is kept and what a write
 * has to satisfy. Statuses are complete. Callers hold the locks of their leaf: a TD's fields are
 * read and changed atomically under shared OP_STATE, a vCPU's belong to the processor it is
 * associated with or entered on. */
#ifndef MODULE_METADATA_H
#define MODULE_METADATA_H

#include "abi/metadata.h"
#include "module/td.h"

/* Who reads or writes what. */
struct md {
	struct tx *tx;
	enum md_context ctx;
	unsigned by;  /* enum md_accessor or enum md_purpose */
	struct td td; /* contexts TD and VP */
	struct vp vp; /* context VP */
};

/* The SYS context. */
struct md md_of_system(struct tx *tx);
/* A TD, or one of its vCPUs when vp is not NULL, on behalf of the host. */
struct md md_of_td(struct tx *tx, const struct td *td, const struct vp *vp);
/* A TD, on behalf of the migration TD bound to it. */
struct md md_of_target(struct tx *tx, const struct td *td);
/* The entered TD and vCPU, on the guest's behalf. */
struct md md_of_guest(struct tx *tx, enum md_context ctx);

/* What a RD leaf does once it has found its object: the value and, unless next is NULL, the
 * identifier after it, which for MD_ID_NONE is the context's first. Outputs are always written. */
struct tdx_status md_rd(const struct md *md, uint64_t id, uint64_t *value, uint64_t *next);
/* What a WR leaf does: `old` is the value before, as far as the accessor may see it. */
struct tdx_status md_wr(const struct md *md, uint64_t id, uint64_t value, uint64_t mask,
			uint64_t *old);

/* Fill a page with the fields from id on (MD_ID_NONE: the first) as a metadata list; next is where
 * to go on, MD_ID_NONE when all fitted, else the status is TDX_METADATA_LIST_OVERFLOW. */
struct tdx_status md_dump(const struct md *md, uint64_t id, void *page, uint64_t *next);

/* An import of state: write what the list in a page says. `id` is the field it must begin with
 * (MD_ID_NONE: the first), `next` the one that the list after it must begin with; `last`: none
 * follows. A status with the index of a sequence leaves the field it stopped at in `field`. The
 * page is the module's own and cannot change. */
struct tdx_status md_import(const struct md *md, uint64_t id, const void *page, bool last,
			    uint64_t *next, uint64_t *field);

/* --- between the files of this part --- */

/* An element found: its value cut to its size, and where it is kept unless it is in a VMCS or
 * computed. */
struct md_element {
	void *where;
	struct vmcs *vmcs;
	uint64_t value;
};

/* Rows of a table that this TD has: those of L2 VMs it was not created with are missing. */
static inline unsigned md_rows(const struct md *md, const struct md_table *table)
{
	enum { L2_ROWS_OF_TD = 1, L2_ROWS_OF_VP = 3 };
	unsigned per_vm = table == &md_td ? L2_ROWS_OF_TD : table == &md_vp ? L2_ROWS_OF_VP : 0;

	return per_vm ? table->rows - per_vm * (TD_MAX_VMS - 1u - md->td.tdcs->num_l2_vms)
		      : table->rows;
}

/* The row of an identifier with its context set, or NULL. */
const struct md_field *md_row(const struct md *md, uint64_t id);
/* What a bundle takes or gives of an element of this row. */
struct md_mask md_mask_migrating(const struct md *md, const struct md_field *f);
/* What the accessor may read and write of it. */
static inline struct md_mask md_mask(const struct md *md, const struct md_field *f)
{
	const uint64_t size = md_size_mask(f->id);
	const struct md_mask m =
		md->by < MD_LEAF_ACCESSORS ? f->access[md->by] : md_mask_migrating(md, f);

	return (struct md_mask){m.rd & size, m.wr & size};
}

/* The next readable element after one that was read, which is of row f, or the first after
 * MD_ID_NONE, which is of none; MD_ID_NONE: there is none. */
uint64_t md_next_element(const struct md *md, const struct md_field *f, uint64_t id);

/* A walk over the fields of a context in order. `id` MD_ID_NONE: before the first, after the last.
 */
struct md_cursor {
	const struct md_table *table;
	unsigned row;
	uint64_t id;
};
enum md_step { MD_STEP_ELEMENT, MD_STEP_FIELD };
/* At the first element of the field `id`; false: there is no such field, or it does not begin
 * there.
 */
bool md_cursor_at(const struct md *md, uint64_t id, struct md_cursor *c);
/* Readable or not. */
void md_step(const struct md *md, struct md_cursor *c, enum md_step step);
void md_advance(const struct md *md, struct md_cursor *c, enum md_step step);

/* Did the caller ask to change bits it can see but not write? */
static inline bool md_changes_readonly(uint64_t seen, uint64_t value, uint64_t asked,
				       struct md_mask m)
{
	uint64_t readonly = asked & ~m.wr;

	return (seen & m.rd & readonly) != (value & readonly);
}

static inline uint64_t md_load(const void *where, unsigned size)
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

void md_store(void *where, unsigned size, uint64_t value);
struct tdx_status md_element_at(const struct md *md, const struct md_field *f, uint64_t id,
				struct md_element *e);

static inline bool md_imports(const struct md *md)
{
	return md->by == MD_IMPORT_IMMUTABLE || md->by == MD_IMPORT_MUTABLE;
}

static inline bool md_migrates(const struct md *md)
{
	return md->by >= MD_EXPORT_IMMUTABLE;
}

struct tdx_status md_write_hp_lock_timeout(const struct md *md, uint64_t usec);
/* What an import does with a field: all its elements at once; checks as for a TD that is built. */
struct tdx_status md_td_import(const struct md *md, const struct md_field *f, uint64_t id,
			       const uint64_t *value, uint64_t mask);

uint64_t md_sys_value(const struct md *md, const struct md_field *f, uint64_t id);
/* How many elements of a field a list gets; the words of the others stay as they are. */
unsigned md_sys_elements(const struct md_field *f, uint64_t id);
struct tdx_status md_td_element(const struct md *md, const struct md_field *f, uint64_t id,
				bool write, struct md_element *e);
struct tdx_status md_td_write(const struct md *md, const struct md_field *f, uint64_t id,
			      uint64_t value, uint64_t mask, uint64_t *old);
struct tdx_status md_vp_element(const struct md *md, const struct md_field *f, uint64_t id,
				bool write, struct md_element *e);
struct tdx_status md_vp_write(const struct md *md, const struct md_field *f, uint64_t id,
			      uint64_t value, uint64_t mask, uint64_t *old);

/* What else a write to these must satisfy or do. `value` is the whole new element and may be
 * corrected; done: it has been stored already, or is not to be. */
struct tdx_status md_vmcs_check(const struct md *md, struct vmcs *vmcs, uint32_t encoding,
				uint64_t mask, uint64_t *value);
struct tdx_status md_l2_vmcs_check(const struct md *md, unsigned vm, struct vmcs *vmcs,
				   uint32_t encoding, uint64_t mask, uint64_t *value, bool *done);
struct tdx_status md_tdvps_check(const struct md *md, const struct md_field *f, uint64_t id,
				 uint64_t old, uint64_t *value, bool *done);

/* Checks that both kinds of VMCS share. */
bool md_cr3_valid(const struct md *md, uint64_t cr3);
bool md_debugctl_merge(const struct md *md, uint64_t *value);
/* A CR0 or CR4 write as the guest's own: false when it would change what the guest does not own. */
bool md_cr_merge(uint64_t old, uint64_t *value, uint64_t guest_host_mask, uint64_t read_shadow);

/* What the accessor sees instead of what the VMCS of an L2 VM holds. */
uint64_t md_l2_vmcs_seen(const struct md *md, unsigned vm, uint32_t encoding, uint64_t value);
/* Word `index` of page `page` (enum in module/td_layout.h) of the vCPU. */
static inline uint64_t *md_vp_page(const struct md *md, unsigned page, unsigned index)
{
	const struct tx *tx = md->tx;
	uint64_t *word = machine_ptr(tx->m, machine_strip(tx->m, md->vp.vps->page_pa[page]));

	return word + index;
}

#endif
