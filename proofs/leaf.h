/* SPDX-License-Identifier: MIT */
/* What stands around a leaf while scripts/prove proves of it that a call it refuses has written to
 * nothing of the TD's, that no address is followed that did not pass a check, and that every lock
 * is undone on every way out.
 *
 * The leaf's own file is real, and with it module/seamcall/mem.c. What finds and locks things for
 * it answers anything: any status, and a TD, vCPU, entry or page of any content, with a lock taken
 * or not, whatever the status. That those write nothing but locks is theirs to show; fuzz_module
 * looks at whole calls. Functions without a body here answer anything too: proofs/answers has their
 * names.
 *
 * A lock is a count here: what is taken must be what the transaction remembers whenever the leaf
 * returns; that is what tx_end() gives back. That a release leaves a word as it was is proved in
 * proofs/locks.c. */
#ifndef PROOFS_LEAF_H
#define PROOFS_LEAF_H

#include "proofs/proof.h"

#include "module/bundle.h"
#include "module/gpa_list.h"
#include "module/internal.h"
#include "module/mig.h"
#include "module/pamt.h"
#include "module/profile.h"
#include "module/vmcs.h"

enum { PROOF_ENTRIES = 8 };

/* What a leaf can be shown of a TD, of any content; any entries of its tables stand for all. */
/* Each an object of its own: what a pointer may lead to is what a read costs. */
static struct tdr the_tdr, tdr_before;
static struct tdcs the_tdcs, tdcs_before;
static struct tdcs_ext the_ext, ext_before;
static uint64_t table[PROOF_ENTRIES], table_before[PROOF_ENTRIES];
static struct pamt_entry pamt[PROOF_ENTRIES], pamt_before[PROOF_ENTRIES];
static struct tdvps own_vps, own_before; /* of a guest that calls */
static struct {
	uint64_t word[512];
} page;
static struct tdvps vps; /* of a vCPU that the host names */
static struct vmcs vmcs;
static struct mig_stream stream;
static bool past; /* the point from which on a call may change the TD and still fail */
static struct tx tx_of_call;
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
	return &page; /* nor where in it */
}
#define machine_ptr proved_ptr

/* What a word of the module's names is RAM. */
static uint64_t proved_strip(const struct machine *m, uint64_t pa)
{
	bless(pa & ~m->hkid_mask);
	return pa & ~m->hkid_mask;
}
#define machine_strip proved_strip

#include "module/td.h"
#include "module/tx.h"

/* Whether vCPUs run in an epoch costs a sum over all counts: either. */
#define tdr_running(tdr, epoch) ((void)(epoch), any_answer())
/* A vCPU that joined the epoch is counted, as proofs/epoch.c has it. */
static unsigned joined;
#define td_join_epoch(tdr, lp, epoch)  (joined++)
#define td_leave_epoch(tdr, lp, epoch) (joined--)

/* --- locks --- */

static struct tdx_status any_status(void)
{
	struct tdx_status s;

	any_of(s);
	return s;
}

static bool any_answer(void)
{
	bool b;

	any_of(b);
	return b;
}

/* Taken by the leaf itself, by resource, and by what finds things for it. */
static unsigned taken[LOCK_NUM_RESOURCES], taken_for_it;

static struct tdx_status proved_lock(struct tx *tx, enum lock_resource res, enum tdx_operand op)
{
	if (any_answer())
		return tdx_error_op(TDX_OPERAND_BUSY, op);
	taken[res]++;
	tx->nheld++;
	return tdx_success();
}
#define tx_lock(tx, res, key, word, mode, op) ((void)(word), proved_lock(tx, res, op))
#define tx_try(tx, res, key, word, mode)                                                           \
	((void)(word), tdx_is_success(proved_lock(tx, res, 0)) ? LOCK_OK : LOCK_BUSY)

/* Something was locked or not; what fails may have locked before it did. */
static struct tdx_status locked(struct tx *tx)
{
	if (any_answer()) {
		taken_for_it++;
		tx->nheld++;
	}
	return any_status();
}

static enum lock_resource resource_of(const void *word)
{
	if (word == &the_tdcs.epoch_lock)
		return LOCK_EPOCH;
	if (word == &the_tdcs.rtmr_lock)
		return LOCK_RTMR;
	if (word == &the_tdcs.op_state_lock)
		return LOCK_OP_STATE;
	return LOCK_SEPT_ENTRY;
}

/* One lock less, and the transaction knows. */
void tx_unlock(struct tx *tx, void *word)
{
	prove(taken[resource_of(word)] > 0);
	taken[resource_of(word)]--;
	tx->nheld--;
}

void tx_released(struct tx *tx, void *word)
{
	tx_unlock(tx, word);
}

/* Everything since the mark; only what a list's entry took can be that. */
void tx_unwind(struct tx *tx, unsigned mark)
{
	prove(mark <= tx->nheld);
	taken_for_it -= tx->nheld - mark - taken[LOCK_SEPT_ENTRY];
	taken[LOCK_SEPT_ENTRY] = 0;
	tx->nheld = mark;
}

#include "module/kot.h"
#include "module/seamcall/mem.h"
/* Of a page that is filled it matters only that it may be. */
void mem_init_table_real(const struct tx *tx, const struct td *td, hpa_t pa, uint64_t fill);
#define mem_init_table mem_init_table_real
#include "module/seamcall/mem.c"
#undef mem_init_table
#include "module/guest_memory.h"
#include "module/pamt_split.h"
#include "module/stepping.h"
#include "module/transition.h"
#include "module/vcpu.h"

/* --- what a leaf calls --- */

static unsigned npamt;

struct tdx_status tx_tdr(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			 struct td *td)
{
	td->pa = pa;
	td->tdr = &the_tdr;
	td->pamt = &pamt[0];
	bless(pa.v);
	return locked(tx);
}

struct tdx_status tx_tdr_implicit(struct tx *tx, hpa_t pa, enum lock_mode mode, struct td *td)
{
	return tx_tdr(tx, pa, TDX_OPERAND_ID_TDR, mode, td);
}

void tx_map_tdcs(const struct tx *tx, struct td *td)
{
	td->tdcs = &the_tdcs;
	td->ext = &the_ext;
}

struct tdx_status tx_tdcs(struct tx *tx, struct td *td, enum lock_mode mode)
{
	tx_map_tdcs(tx, td);
	return locked(tx);
}

struct tdx_status tx_td(struct tx *tx, hpa_t tdr, enum tdx_operand op, enum lock_mode tdr_mode,
			enum lock_mode op_state_mode, struct td *td)
{
	struct tdx_status s = tx_tdr(tx, tdr, op, tdr_mode, td);

	return tdx_is_success(s) ? tx_tdcs(tx, td, op_state_mode) : s;
}

/* Whether the tree is taken with it is anything: tx_sept_walk() below answers anything, too. */
struct tdx_status tx_td_for_page(struct tx *tx, hpa_t tdr, enum tdx_operand op, struct td *td)
{
	return tx_td(tx, tdr, op, LOCK_SHARED, LOCK_SHARED, td);
}

void *tx_tdcs_page(const struct tx *tx, const struct td *td, unsigned index)
{
	return &page;
}

static bool map_vp(hpa_t pa, struct vp *vp)
{
	vp->pa = pa;
	vp->vps = &vps;
	vp->vmcs = &vmcs;
	return any_answer();
}

bool tx_map_vp(const struct tx *tx, const struct td *td, struct vp *vp)
{
	return map_vp(vp->pa, vp);
}

struct vmcs *vp_vm_vmcs(const struct machine *m, const struct tdvps *vps_, unsigned vm)
{
	return &vmcs;
}

struct tdx_status tx_vp(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			enum lock_mode tdr_mode, struct vp *vp, struct td *td)
{
	bless(pa.v);
	(void)map_vp(pa, vp);
	(void)locked(tx);
	return tx_tdr(tx, pa, op, tdr_mode, td);
}

struct tdx_status tx_vcpu(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			  enum lock_mode tdr_mode, struct vp *vp, struct td *td)
{
	tx_map_tdcs(tx, td);
	return tx_vp(tx, pa, op, mode, tdr_mode, vp, td);
}

/* The defence may look at the tree of the last fault. */
enum stepping_verdict stepping_entry(struct tx *tx, const struct td *td, struct vp *vp,
				     gpa_t *fault)
{
	enum stepping_verdict v;

	any_of(*fault);
	(void)locked(tx);
	return v;
}

static void any_entry(struct sept_ref *ref)
{
	unsigned i;

	any_of(i);
	assume(i < PROOF_ENTRIES);
	ref->entry = &table[i];
	ref->value = table[i];
}

bool sept_walk_from(const struct tx *tx, uint64_t root, enum tdx_level top, gpa_t gpa_,
		    uint64_t present, struct sept_ref *ref)
{
	bool reached_it = any_answer();
	enum tdx_level stopped;

	any_entry(ref);
	ref->gpa = gpa_;
	any_of(stopped);
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
	(void)sept_walk(tx, &the_tdcs, gpa_, ref);
	return locked(tx);
}

struct tdx_status sept_walk_to_leaf(const struct tx *tx, const struct tdcs *t, gpa_t gpa_,
				    enum tdx_operand op, struct sept_ref *ref)
{
	(void)sept_walk(tx, t, gpa_, ref);
	return any_status();
}

/* As module/sept.c has them. */
struct tdx_status tx_sept_lock(struct tx *tx, struct sept_ref *ref)
{
	ref->value = *ref->entry;
	return proved_lock(tx, LOCK_SEPT_ENTRY, TDX_OPERAND_ID_RCX);
}

void tx_sept_store(struct tx *tx, const struct sept_ref *ref, uint64_t value)
{
	*ref->entry = value & ~SEPT_LOCK_BIT;
	tx_released(tx, ref->entry);
}

void mem_init_table(const struct tx *tx, const struct td *td, hpa_t pa, uint64_t fill)
{
	prove(is_good(pa.v));
}

hpa_t sept_leaf_pa(const struct tx *tx, const struct sept_ref *ref)
{
	hpa_t pa;

	any_of(pa);
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

static struct tdx_status any_page(struct tx *tx, hpa_t pa, enum tdx_level level,
				  struct pamt_ref *ref)
{
	struct tdx_status s = locked(tx);

	assume(npamt < PROOF_ENTRIES);
	ref->entry = &pamt[npamt++];
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
	return any_page(tx, pa, size, ref);
}

struct tdx_status tx_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			  enum tdx_page_type type, enum tdx_level size, struct pamt_ref *ref)
{
	return any_page(tx, pa, size, ref);
}

struct tdx_status tx_pamt_walk(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			       enum tdx_level target, struct pamt_ref *ref)
{
	return any_page(tx, pa, target, ref);
}

struct tdx_status tx_pamt_implicit(struct tx *tx, hpa_t pa, enum tdx_operand op,
				   enum lock_mode mode, enum tdx_level size, struct pamt_ref *ref)
{
	return any_page(tx, pa, size, ref);
}

struct tdx_status tx_pamt_take_pair(struct tx *tx, const struct pamt_pair *pair,
				    enum tdx_operand first)
{
	return locked(tx);
}

struct pamt_entry *pamt_of_size(struct module *mod, uint64_t pa, enum tdx_level size)
{
	return &pamt[PROOF_ENTRIES - 1];
}

/* Where the host's memory begins and how much of it there is does not matter. */
struct tdx_status tx_shared(const struct tx *tx, hpa_t pa, uint64_t size, enum tdx_operand op,
			    void **ptr)
{
	static uint8_t host[TDX_PAGE_SIZE];

	*ptr = any_answer() ? host : NULL;
	return any_status();
}

struct tdx_status tx_shared_read(const struct tx *tx, hpa_t pa, uint64_t size, enum tdx_operand op,
				 void *to, size_t len)
{
	any(to, len);
	return any_status();
}

#ifndef PROOF_REAL_GPA_LIST
/* A list of GPAs, any part of it. */
struct tdx_status gpa_list_operand(const struct tx *tx, uint64_t info, struct gpa_list *list)
{
	void *page;
	struct tdx_status s = tx_shared(tx, hpa(info), TDX_PAGE_SIZE, TDX_OPERAND_ID_RCX, &page);

	any_of(*list);
	assume(list->first <= list->last && list->last < 512);
	list->entry = page;
	return s;
}
#endif

struct tdx_status mig_page_operand(const struct tx *tx, uint64_t pa, enum tdx_operand op, void **at)
{
	return tx_shared(tx, hpa(pa), TDX_PAGE_SIZE, op, at);
}

struct tdx_status mig_mbmd_operand(const struct tx *tx, uint64_t r8, struct mbmd **mbmd)
{
	void *at;
	struct tdx_status s = tx_shared(tx, hpa(r8), MBMD_ALIGN, TDX_OPERAND_ID_R8, &at);

	*mbmd = at;
	return s;
}

/* The guest's memory, or its fate decided. */
static bool guest_found(struct tx *tx, struct tdx_status *status)
{
	*status = any_status();
	if (any_answer())
		tx->lp->fate = FATE_TD_EXIT;
	return tdx_is_success(*status) && tx->lp->fate == FATE_NONE;
}

void *guest_memory(struct tx *tx, gpa_t gpa_, bool write, enum tdx_operand op,
		   struct tdx_status *status)
{
	static uint8_t guest[TDX_PAGE_SIZE];

	return guest_found(tx, status) ? guest + (gpa_.v & (TDX_PAGE_SIZE - 1)) : NULL;
}

bool guest_memory_read(struct tx *tx, gpa_t gpa_, enum tdx_operand op, void *to, size_t len,
		       struct tdx_status *status)
{
	any(to, len);
	return guest_found(tx, status);
}

bool guest_memory_write(struct tx *tx, gpa_t gpa_, enum tdx_operand op, const void *from,
			size_t len, struct tdx_status *status)
{
	return guest_found(tx, status);
}

/* --- streams of a migration are not the TD's: a call that fails may have used one --- */

struct tdx_status migs_take(struct tx *tx, const struct td *td, unsigned index, struct migs *s)
{
	static uint64_t link;

	any_of(link);
	*s = (struct migs){.page = &stream, .link = &link};
	return locked(tx);
}

struct tdx_status migs_take_forward(struct tx *tx, const struct td *td, uint64_t r10,
				    struct migs *s)
{
	return migs_take(tx, td, 0, s);
}

struct tdx_status mig_lock(struct tx *tx, const struct td *td, enum lock_mode mode)
{
	return tx_lock(tx, LOCK_MIG, td->pa.v, &td->tdcs->mig_lock, mode, TDX_OPERAND_ID_MIG);
}

/* From here on a session has begun, or is over for good. */
struct tdx_status mig_new_keys(struct tx *tx, struct tdcs *tdcs)
{
	past = true;
	return any_status();
}

struct tdx_status mig_fail_import(const struct td *td, struct tdx_status why)
{
	past = true;
	mig_set_op_state(td, TDX_OP_STATE_FAILED_IMPORT);
	return any_status();
}

/* The fields are written while the pages are opened. */
struct tdx_status bundle_import(struct bundle *b, unsigned min)
{
	past = true;
	return any_status();
}

/* --- the bodies that are left: what they change is only what they are given --- */

void sept_show(const struct tx *tx, const struct sept_ref *ref, struct sept_shown *shown)
{
	any_of(*shown);
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

void module_fatal(struct lp *lp)
{
	lp->fate = FATE_SHUTDOWN;
}

void td_exit_page_call(struct lp *lp, gpa_t gpa_, enum tdx_level asked, const struct sept_ref *ref,
		       enum tdx_eeq type)
{
	lp->fate = FATE_TD_EXIT;
}

void td_exit_ept_violation(struct lp *lp, gpa_t gpa_, uint32_t exit_reason, uint64_t qualification,
			   uint64_t ext_qualification)
{
	lp->fate = FATE_TD_EXIT;
}

void guest_repeat(struct lp *lp)
{
	lp->fate = FATE_REPEAT;
}

/* --- the proof --- */

bool machine_rdmsr(const struct machine_lp *lp, uint32_t addr, uint64_t *value)
{
	any_of(*value);
	return any_answer();
}

static void any_entries(void)
{
	for (unsigned i = 0; i < PROOF_ENTRIES; i++) {
		uint64_t entry;
		struct pamt_entry page_of;

		table[i] = table_before[i] = entry;
		pamt[i] = pamt_before[i] = page_of;
	}
}

/* A call on a processor of a module, of which all is possible that a leaf looks at. */
static struct tx *any_call(bool guest)
{
	static struct machine m;
	static struct tdx_leaf_info leaf;
	static struct machine_lp hw;
	static struct machine_platform platform;
	static struct module module;
	static struct lp lp_of_call;
	static struct module_profile profile;
	static uint64_t seam[MACHINE_SEAM_DATA / sizeof(uint64_t)];
	struct module *mod = &module;
	struct lp *lp = &lp_of_call;

	any_of(leaf);
	any_of(m.hkid_mask);
	any_of(platform);
	m.cfg.platform = &platform;
	m.cfg.lps = 1;
	m.seam_data = seam;
	any_of(mod->sys_state);
	any_of(mod->global_lock);
	any_of(mod->kot_lock);
	any_of(mod->dynamic_pamt);
	any_of(mod->num_tdmrs);
	assume(mod->num_tdmrs <= 2);
	any_of(mod->tdmr[0]);
	any_of(mod->tdmr[1]);
	any_of(mod->pkg_config_bitmap);
	any_of(mod->num_init_lps);
	any_of(mod->num_lps);
	assume(mod->num_lps <= 4); /* as far as loops over them are followed */
	any_of(mod->fatal_info_config_hpa);
	mod->num_cached_sub_blocks = 2;
	mod->private_hkid_max = 3; /* KeyIDs 0 to 3 stand for all */
	any_of(mod->kot[0]);
	any_of(mod->kot[1]);
	any_of(mod->kot[2]);
	any_of(mod->kot[3]);
	mod->m = &m;
	any_of(profile);
	mod->profile = &profile;
	hw.m = &m;
	lp->mod = mod;
	lp->hw = &hw;
	any_of(lp->initialized);
	any_of(lp->nguest_locks);
	assume(lp->nguest_locks <= 4);
	any_of(the_tdr);
	any_of(the_tdcs);
	any_of(the_ext);
	any_of(page);
	any_of(vps);
	any_of(vmcs);
	assume(the_tdcs.num_l2_vms < TD_MAX_VMS);
	if (guest) {
		any_of(lp->tdr_pa);
		lp->tdr = &the_tdr;
		lp->tdcs = &the_tdcs;
		lp->ext = &the_ext;
		lp->vps = &own_vps;
		any_of(own_vps);
		own_before = own_vps;
		lp->vmcs = &vmcs;
	}
	any_entries();
	tdr_before = the_tdr;
	tdcs_before = the_tdcs;
	ext_before = the_ext;
	tx_begin(&tx_of_call, lp, &leaf, guest);
	return &tx_of_call;
}

static void prove_locks_known(const struct tx *tx)
{
	unsigned n = taken_for_it;

	for (unsigned i = 0; i < LOCK_NUM_RESOURCES; i++)
		n += taken[i];
	prove(n == tx->nheld);
}

/* Nothing of what the leaf was shown has changed. */
static void prove_unchanged(void)
{
	unsigned vcpu;

	/* any of them stands for all, which costs less */
	assume(vcpu < TD_MAX_VCPUS);
	prove(the_ext.x2apic_ids[vcpu] == ext_before.x2apic_ids[vcpu]);
	__CPROVER_array_copy(the_ext.x2apic_ids, ext_before.x2apic_ids);
	prove(__CPROVER_equal(the_tdr, tdr_before));
	prove(__CPROVER_equal(the_tdcs, tdcs_before));
	prove(__CPROVER_equal(the_ext, ext_before));
	prove(__CPROVER_equal(table, table_before));
	prove(__CPROVER_equal(pamt, pamt_before));
}

/* And a guest's own vCPU. */
static void prove_vcpu_unchanged(void)
{
	prove(__CPROVER_equal(own_vps, own_before));
}

#endif
