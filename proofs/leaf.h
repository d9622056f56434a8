/* SPDX-License-Identifier: MIT */
/* What stands around a SEAMCALL leaf's decode while scripts/prove proves of it that it writes to
 * nothing of the TD's, whatever it answers, and that no address is followed that did not pass a
 * check.
 *
 * The leaf's own file is real, and with it module/seamcall/mem.c. What finds and locks things for
 * it answers anything: any status, and a TD, vCPU, entry or page of any content. That those write
 * nothing but locks is theirs to show; fuzz_module looks at whole calls. */
#ifndef PROOFS_DECODE_H
#define PROOFS_DECODE_H

#include "proofs/proof.h"

#include "module/internal.h"
#include "module/pamt.h"

/* What a leaf can be shown of a TD, of any content. */
static struct world {
	struct tdr tdr;
	struct tdcs tdcs;
	struct tdcs_ext ext;
	uint64_t table[512];
	struct pamt_entry pamt[8];
} w;
static uint8_t page[TDX_PAGE_SIZE];
static _Alignas(64) uint8_t vps[TDX_PAGE_SIZE], vmcs[TDX_PAGE_SIZE];
static uint64_t good[16]; /* pages that were found to be RAM */
static unsigned ngood;

static void bless(uint64_t pa)
{
	assume(ngood < 16);
	good[ngood++] = pa & ~(TDX_PAGE_SIZE - 1);
}

static bool is_good(uint64_t pa)
{
	bool found = false;

	for (unsigned i = 0; i < 16; i++)
		found = found || (i < ngood && good[i] == (pa & ~(TDX_PAGE_SIZE - 1)));
	return found;
}

/* Where the module's pages are does not matter: one page stands for all of them. */
static void *proved_ptr(const struct machine *m, uint64_t pa)
{
	prove(is_good(pa));
	return page + (pa & (TDX_PAGE_SIZE - 1));
}
#define machine_ptr proved_ptr

/* What a word of the module's names is RAM. */
static uint64_t proved_strip(const struct machine *m, uint64_t pa)
{
	bless(pa & ~m->hkid_mask);
	return pa & ~m->hkid_mask;
}
#define machine_strip proved_strip

#include "module/kot.h"
#include "module/seamcall/mem.c"

/* --- what a leaf calls --- */

static unsigned npamt;

static struct tdx_status any_status(void)
{
	struct tdx_status s;

	any(&s, sizeof(s));
	return s;
}

static bool any_answer(void)
{
	bool b;

	any(&b, sizeof(b));
	return b;
}

struct tdx_status tx_tdr(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			 struct td *td)
{
	td->pa = pa;
	td->tdr = &w.tdr;
	td->pamt = &w.pamt[0];
	bless(pa.v);
	return any_status();
}

struct tdx_status tx_tdr_implicit(struct tx *tx, hpa_t pa, enum lock_mode mode, struct td *td)
{
	return tx_tdr(tx, pa, TDX_OPERAND_ID_TDR, mode, td);
}

void tx_map_tdcs(const struct tx *tx, struct td *td)
{
	td->tdcs = &w.tdcs;
	td->ext = &w.ext;
}

struct tdx_status tx_tdcs(struct tx *tx, struct td *td, enum lock_mode mode)
{
	tx_map_tdcs(tx, td);
	return any_status();
}

struct tdx_status tx_td_built(const struct td *td)
{
	return any_status();
}

static bool map_vp(hpa_t pa, struct vp *vp)
{
	bool there;

	vp->pa = pa;
	vp->vps = (struct tdvps *)(void *)vps;
	vp->vmcs = (struct vmcs *)(void *)vmcs;
	any(&there, sizeof(there));
	return there;
}

bool tx_map_vp(const struct tx *tx, const struct td *td, struct vp *vp)
{
	return map_vp(vp->pa, vp);
}

struct tdx_status tx_vp(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			enum lock_mode tdr_mode, struct vp *vp, struct td *td)
{
	bless(pa.v);
	(void)map_vp(pa, vp);
	return tx_tdr(tx, pa, op, tdr_mode, td);
}

struct tdx_status tx_vcpu(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			  enum lock_mode tdr_mode, struct vp *vp, struct td *td)
{
	tx_map_tdcs(tx, td);
	return tx_vp(tx, pa, op, mode, tdr_mode, vp, td);
}

static void any_entry(struct sept_ref *ref)
{
	unsigned i;

	any(&i, sizeof(i));
	assume(i < 512);
	ref->entry = &w.table[i];
	ref->value = w.table[i];
}

bool sept_walk_from(const struct tx *tx, uint64_t root, enum tdx_level top, gpa_t gpa_,
		    uint64_t present, struct sept_ref *ref)
{
	bool reached_it;
	enum tdx_level stopped;

	any_entry(ref);
	ref->gpa = gpa_;
	any(&reached_it, sizeof(reached_it));
	any(&stopped, sizeof(stopped));
	if (!reached_it) {
		assume(stopped >= ref->level && stopped <= TDX_LEVEL_256T);
		ref->level = stopped;
	}
	return reached_it;
}

bool sept_walk(const struct tx *tx, const struct tdcs *t, gpa_t gpa_, struct sept_ref *ref)
{
	return sept_walk_from(tx, 0, TDX_LEVEL_512G, gpa_, 0, ref);
}

struct tdx_status tx_sept_walk(struct tx *tx, const struct td *td, gpa_t gpa_, enum tdx_operand op,
			       enum lock_mode mode, struct sept_ref *ref)
{
	(void)sept_walk(tx, &w.tdcs, gpa_, ref);
	return any_status();
}

struct tdx_status sept_walk_to_leaf(const struct tx *tx, const struct tdcs *t, gpa_t gpa_,
				    enum tdx_operand op, struct sept_ref *ref)
{
	(void)sept_walk(tx, t, gpa_, ref);
	return any_status();
}

struct tdx_status tx_sept_lock(struct tx *tx, struct sept_ref *ref)
{
	ref->value = *ref->entry;
	return any_status();
}

hpa_t sept_leaf_pa(const struct tx *tx, const struct sept_ref *ref)
{
	hpa_t pa;

	any(&pa, sizeof(pa));
	bless(pa.v);
	return pa;
}

bool l2_sept_walk(const struct tx *tx, const struct tdr *t, const struct tdcs *c, unsigned vm,
		  gpa_t gpa_, bool guest, struct sept_ref *ref)
{
	return sept_walk_from(tx, 0, TDX_LEVEL_512G, gpa_, 0, ref);
}

uint64_t *l2_alias(const struct tx *tx, const struct tdr *t, const struct tdcs *c, unsigned vm,
		   const struct sept_ref *l1, bool guest)
{
	struct sept_ref ref = {.level = l1->level};

	any_entry(&ref);
	return ref.entry;
}

static struct tdx_status any_page(hpa_t pa, enum tdx_level level, struct pamt_ref *ref)
{
	struct tdx_status s = any_status();

	assume(npamt < 8);
	ref->entry = &w.pamt[npamt++];
	ref->node = ref->entry;
	ref->level = level;
	ref->pa = pa;
	if (tdx_is_success(s))
		bless(pa.v);
	return s;
}

struct tdx_status tx_free_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum tdx_level size,
			       struct pamt_ref *ref)
{
	return any_page(pa, size, ref);
}

struct tdx_status tx_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			  enum tdx_page_type type, enum tdx_level size, struct pamt_ref *ref)
{
	return any_page(pa, size, ref);
}

struct tdx_status tx_pamt_walk(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			       enum tdx_level target, struct pamt_ref *ref)
{
	return any_page(pa, target, ref);
}

struct tdx_status tx_pamt_implicit(struct tx *tx, hpa_t pa, enum tdx_operand op,
				   enum lock_mode mode, enum tdx_level size, struct pamt_ref *ref)
{
	return any_page(pa, size, ref);
}

struct pamt_entry *pamt_of_size(struct module *mod, uint64_t pa, enum tdx_level size)
{
	return &w.pamt[7];
}

struct tdx_status tx_shared(const struct tx *tx, hpa_t pa, uint64_t size, enum tdx_operand op,
			    void **ptr)
{
	static uint8_t host[TDX_PAGE_SIZE];

	*ptr = host;
	return any_status();
}

/* The bodies that are left: what they change is only what they are given. */
void sept_show(const struct tx *tx, const struct sept_ref *ref, struct sept_shown *shown)
{
	any(shown, sizeof(*shown));
}

void tx_sept_store(struct tx *tx, const struct sept_ref *ref, uint64_t value)
{
	*ref->entry = value;
}

void pamt_count_inc(const struct tx *tx, const struct pamt_ref *ref)
{
	ref->node->bepoch++;
}

bool sept_operand_valid(gpa_level_t at, enum tdx_level min, enum tdx_level max)
{
	return gpa_level_valid(at.v) && gpa_level_level(at.v) >= min &&
	       gpa_level_level(at.v) <= max;
}

bool td_gpa_valid(const struct tdcs *t, gpa_t gpa_, bool must_be_private)
{
	return any_answer();
}

enum lock_result tx_exclude_readers(struct tx *tx, enum lock_resource res, uint16_t *word,
				    uint16_t from, unsigned slot)
{
	return any_answer() ? LOCK_OK : LOCK_BUSY;
}

struct tdx_status key_program(struct lp *lp, unsigned hkid_)
{
	return any_status();
}

bool td_tlb_tracked(const struct td *td, uint64_t bepoch)
{
	return any_answer();
}

bool kot_written_back(const struct module *mod, unsigned hkid_)
{
	return any_answer();
}

/* --- the proof --- */

/* Nothing of what the leaf was shown has changed. */
#define any_world()                                                                                \
	struct world before;                                                                       \
	any(&w, sizeof(w));                                                                        \
	assume(w.tdcs.num_l2_vms < TD_MAX_VMS);                                                    \
	before = w
#define prove_unchanged()                                                                          \
	prove(__CPROVER_equal(w.tdr, before.tdr));                                                 \
	prove(__CPROVER_equal(w.tdcs, before.tdcs));                                               \
	prove(__CPROVER_equal(w.ext, before.ext));                                                 \
	prove(__CPROVER_equal(w.table, before.table));                                             \
	prove(__CPROVER_equal(w.pamt, before.pamt))

static void begin(struct tx *tx)
{
	static struct module mod;
	static struct machine m;
	static struct tdx_leaf_info leaf;
	static struct machine_lp hw;
	static struct lp lp;

	any(&leaf, sizeof(leaf));
	any(&m.hkid_mask, sizeof(m.hkid_mask));
	mod.m = &m;
	lp.mod = &mod;
	lp.hw = &hw;
	hw.m = &m;
	tx_begin(tx, &lp, &leaf, false);
}

#endif
