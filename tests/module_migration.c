/* SPDX-License-Identifier: MIT */
/* Bundles that somebody changed on the way: none imports, none breaks the module, and a TD whose
 * import failed can be torn down to the last page.
 *
 * A recorded migration (vectors/14-mig-good.vec) is played up to each import; from there the call
 * is made with one bit flipped, many times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "module/mig.h"
#include "module/invariants.h"
#include "module/pamt.h"
#include "module/td_layout.h"
#include "trace/player.h"
#include "trace/snapshot.h"
#include "migration_script.h"

enum {
	MBMD_PA = 0x2000000,
	MBMD_BITS = 48 * 8,
	PAGE_BITS = 4096 * 8,
	MBMD_MAC_BIT = 32 * 8,
	CHECK_EVERY = 509
};

/* Where the vector has the importing TD, the first page of a state bundle, the first of memory, and
 * what goes with that. */
#define TDR	    0x100028000ull
#define STATE_PAGE  0x2010000ull
#define MEMORY_PAGE 0x2040000ull
#define GPA_LIST    0x2002000ull
#define MAC_LIST    0x2004000ull
enum { MEMORY_ENTRIES = 4 };

static struct tdx_status call(struct player *p, uint64_t leaf, uint64_t rcx, uint64_t rdx)
{
	struct tdx_regs regs = {.rax = leaf, .rcx = rcx, .rdx = rdx};

	assert_int_equal(module_seamcall(p->mod, 0, &regs), MODULE_TO_HOST);
	return tdx_status(regs.rax);
}

static struct tdcs *tdcs_of(const struct player *p, uint64_t tdr_pa)
{
	const struct tdr *tdr = machine_ptr(p->m, tdr_pa);

	return machine_ptr(p->m, machine_strip(p->m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
}

static void must(struct tdx_status s, const char *what)
{
	char name[96];

	if (!tdx_is_success(s))
		fail_msg("%s: %s", what, tdx_status_format(s, name, sizeof(name)));
}

/* All of the TD's pages are reclaimed, and nobody owns what it had. */
static void tear_down(struct player *p, uint64_t tdr_pa)
{
	struct machine *m = p->m;

	for (unsigned pass = 0; pass < 2; pass++)
		for (uint64_t pa = 0; pa < m->cfg.mem_end; pa += 4096) {
			const struct pamt_entry *e = pamt_4k(p->mod, pa);

			if (!e || pamt_owner(e).v != tdr_pa || pa == tdr_pa)
				continue;
			if (pass == 0 && (e->type & 0x1f) == TDX_PT_TDVPR)
				(void)call(p, TDH_VP_FLUSH, pa, 0); /* if it is associated */
			if (pass == 1 && (e->type & 0x1f) != TDX_PT_NDA)
				must(call(p, TDH_PHYMEM_PAGE_RECLAIM, pa, 0), "reclaim");
			if (pass == 0)
				continue;
			assert_int_equal(e->type & 0x1f, TDX_PT_NDA);
		}
	must(call(p, TDH_PHYMEM_PAGE_RECLAIM, tdr_pa, 0), "reclaim of the TDR");
	assert_int_equal(pamt_4k(p->mod, tdr_pa)->type & 0x1f, TDX_PT_NDA);
}

static void close_td(struct player *p, uint64_t tdr_pa)
{
	for (uint64_t pa = 0; pa < p->m->cfg.mem_end; pa += 4096) {
		const struct pamt_entry *e = pamt_4k(p->mod, pa);

		if (e && pamt_owner(e).v == tdr_pa && (e->type & 0x1f) == TDX_PT_TDVPR)
			(void)call(p, TDH_VP_FLUSH, pa, 0);
	}
	must(call(p, TDH_MNG_VPFLUSHDONE, tdr_pa, 0), "vpflushdone");
	must(call(p, TDH_PHYMEM_CACHE_WB, 0, 0), "cache wb");
	must(call(p, TDH_MNG_KEY_FREEID, tdr_pa, 0), "freeid");
	tear_down(p, tdr_pa);
}

/* More of a bundle, of which some bits are tried. */
struct part {
	uint64_t pa;
	unsigned bits, step; /* bits 0: none */
};
enum { MAX_PARTS = 6, STEP = 911 };

/* A bundle of the vector, and what becomes of the TD when it is refused. */
struct bundle {
	const char *leaf;
	uint64_t mbmd; /* 0: MBMD_PA */
	uint64_t page; /* of its ciphertext; 0: it has none */
	bool mbmd_is_fatal;
	struct part more[MAX_PARTS];
	/* Of another vector, where it is the nth call of the leaf, and the importing TD is this. */
	const char *script;
	unsigned nth;
	uint64_t tdr;
	bool exporter; /* the exporting one: refused it changes nothing */
	bool may_miss; /* the first of `more` changed may be of a page that cannot come */
};

static void flip(struct player *p, uint64_t pa, unsigned bit)
{
	*(uint8_t *)machine_ptr(p->m, pa + bit / 8) ^= (uint8_t)(1u << bit % 8);
}

/* Playing up to a bundle's import, which is about to be made. */
struct stage {
	struct player p;
	struct snapshot *snap;
	struct vec_step import;
	char *text;
	uint64_t tdr_pa;
};

/* It ends the import for good; that of a TD which runs here already ends and the TD goes on. Or it
 * changes nothing. */
static uint32_t state_after(uint32_t before, bool ends)
{
	return !ends				    ? before
	       : before == TDX_OP_STATE_LIVE_IMPORT ? TDX_OP_STATE_RUNNABLE
						    : TDX_OP_STATE_FAILED_IMPORT;
}

static void refused(struct stage *st, bool ends, bool may_miss, const char *what, unsigned bit)
{
	struct player *p = &st->p;
	const uint32_t before = tdcs_of(p, st->tdr_pa)->op_state;
	const uint64_t pages = tdr_children(machine_ptr(p->m, st->tdr_pa));
	struct tdx_status s;
	struct played d;
	char why[256];

	assert_true(player_step(p, &st->import, &d));
	s = tdx_status(d.regs.rax);
	if (d.next != MODULE_TO_HOST || d.regs.rax == TDX_SUCCESS)
		fail_msg("%s bit %u: imported", what, bit);
	if (may_miss && !tdx_is_error(s) && !tdx_is_fatal(s)) {
		ends = false;
		assert_int_equal(tdr_children(machine_ptr(p->m, st->tdr_pa)), pages);
	} else if (tdx_is_fatal(s) != (ends && before != TDX_OP_STATE_LIVE_IMPORT)) {
		fail_msg("%s bit %u: 0x%llx", what, bit, (unsigned long long)d.regs.rax);
	}
	assert_int_equal(tdcs_of(p, st->tdr_pa)->op_state, state_after(before, ends));
	if (bit % CHECK_EVERY == 0 && !module_check_invariants(p->mod, why, sizeof(why)))
		fail_msg("%s bit %u: %s", what, bit, why);
}

static unsigned stride = 1;

static void some_bits(struct stage *st, const struct part *part, bool fatal, bool may_miss,
		      const char *what)
{
	for (unsigned bit = 0; bit < part->bits; bit += part->step) {
		if (bit % CHECK_EVERY == 0 && snapshot_surprised(st->snap) == 1)
			assert_int_equal(snapshot_learn(st->snap), 0);
		snapshot_rewind(st->snap);
		flip(&st->p, part->pa, bit);
		refused(st, fatal, may_miss, what, bit);
	}
}

static uint64_t mbmd_of(const struct bundle *b)
{
	return b->mbmd ? b->mbmd : MBMD_PA;
}

static void set_stage(struct stage *st, const struct bundle *b)
{
	struct played d;

	st->tdr_pa = b->tdr ? b->tdr : TDR;
	st->text = script(b->script ? b->script : VECTORS "/14-mig-good.vec");
	play_until(&st->p, st->text, b->leaf, b->nth, &st->import);
	assert_int_equal(snapshot_take(&st->p, &st->snap), 0);
	/* what calls and this test write: known after a call that goes through */
	for (unsigned i = 0; i < 2; i++) {
		flip(&st->p, mbmd_of(b), 0);
		flip(&st->p, b->page ? b->page : mbmd_of(b), 0);
		for (unsigned k = 0; k < MAX_PARTS && b->more[k].bits; k++)
			flip(&st->p, b->more[k].pa, 0);
	}
	assert_true(player_step(&st->p, &st->import, &d));
	assert_false(tdx_is_error(tdx_status(d.regs.rax)));
	assert_int_equal(snapshot_learn(st->snap), 0);
}

static void leave_stage(struct stage *st)
{
	snapshot_free(st->snap);
	player_free(&st->p);
	free(st->text);
}

/* It fails once more, and the TD that it leaves is torn down to the last page. */
static void fails_and_goes(struct stage *st, uint64_t pa, bool fatal, const char *what)
{
	snapshot_restore(st->snap);
	flip(&st->p, pa, 0);
	refused(st, fatal, false, what, 0);
	close_td(&st->p, st->tdr_pa);
}

static void no_changed_bundle_imports(const struct bundle *b)
{
	struct stage st;

	set_stage(&st, b);
	some_bits(&st, &(struct part){mbmd_of(b), MBMD_BITS, 1}, b->mbmd_is_fatal, false, b->leaf);
	if (b->page)
		some_bits(&st, &(struct part){b->page, PAGE_BITS, stride}, true, false, "page");
	for (unsigned k = 0; k < MAX_PARTS && b->more[k].bits; k++)
		some_bits(&st, &b->more[k], true, k == 0 && b->may_miss, "more of it");
	if (!b->exporter) {
		fails_and_goes(&st, mbmd_of(b), b->mbmd_is_fatal, b->leaf);
		for (unsigned k = 0; k < MAX_PARTS && b->more[k].bits; k++)
			fails_and_goes(&st, b->more[k].pa, true, "more of it");
		if (b->page)
			fails_and_goes(&st, b->page, true, "page");
	}
	leave_stage(&st);
}

static void no_changed_immutable_state_imports(void **state)
{
	no_changed_bundle_imports(
		&(struct bundle){.leaf = "TDH.IMPORT.STATE.IMMUTABLE",
				 .page = STATE_PAGE,
				 .mbmd_is_fatal = true,
				 .more = {{STATE_PAGE + 0x1000, PAGE_BITS, STEP},
					  {STATE_PAGE + 0x2000, PAGE_BITS, STEP}}});
}

/* A session has the key that was made for it, the next one a new one; streams begin anew. */
static void a_session_begins_with_keys_and_streams_of_its_own(void **state)
{
	char *text = script(VECTORS "/14-mig-good.vec");
	struct vec_step import;
	uint64_t key[4], *link;
	struct tdcs *tdcs;
	struct player p;
	struct played d;

	play_until(&p, text, "TDH.IMPORT.STATE.IMMUTABLE", 0, &import);
	tdcs = tdcs_of(&p, TDR);
	link = machine_ptr(
		p.m, machine_strip(
			     p.m, ((struct tdr *)machine_ptr(p.m, TDR))->tdcx_pa[TDCS_PAGE_MIGSC]));
	/* as one that was aborted left the stream of backward messages */
	*link |= MIG_LINK_INITIALIZED;
	memcpy(key, tdcs->mig_enc_key, sizeof(key));
	assert_true(player_step(&p, &import, &d));
	must(tdx_status(d.regs.rax), "import");
	assert_memory_equal(tdcs->mig_enc_working_key, key, sizeof(key));
	assert_memory_not_equal(tdcs->mig_enc_key, key, sizeof(key));
	assert_int_equal(*link & MIG_LINK_INITIALIZED, 0);
	player_free(&p);
	free(text);
}

/* The exporter had not said where its tree is: the host has not made one for it. */
static void a_td_whose_import_failed_has_an_empty_tree(void **state)
{
	char *text = script(VECTORS "/14-mig-good.vec");
	struct vec_step import;
	struct played d;
	struct player p;
	char why[96];

	play_until(&p, text, "TDH.IMPORT.STATE.IMMUTABLE", 0, &import);
	flip(&p, MBMD_PA, 0);
	assert_true(player_step(&p, &import, &d));
	assert_true(tdx_is_fatal(tdx_status(d.regs.rax)));
	memset(machine_ptr(p.m, 0), 0xa5, TDX_PAGE_SIZE);
	for (uint64_t gpa_ = 0; gpa_ < 0x200000; gpa_ += 0x1000) {
		const struct tdx_status s = call(&p, TDH_MEM_PAGE_REMOVE, gpa_, TDR);

		if (!tdx_is(s, TDX_EPT_WALK_FAILED) && !tdx_is(s, TDX_EPT_ENTRY_STATE_INCORRECT))
			fail_msg("%s", tdx_status_format(s, why, sizeof(why)));
	}
	close_td(&p, TDR);
	player_free(&p);
	free(text);
}

static void no_changed_td_state_imports(void **state)
{
	no_changed_bundle_imports(&(struct bundle){
		.leaf = "TDH.IMPORT.STATE.TD", .page = STATE_PAGE, .mbmd_is_fatal = true});
}

static void no_changed_vcpu_state_imports(void **state)
{
	no_changed_bundle_imports(
		&(struct bundle){.leaf = "TDH.IMPORT.STATE.VP",
				 .page = STATE_PAGE,
				 .mbmd_is_fatal = true,
				 .more = {{STATE_PAGE + 0x1000, PAGE_BITS, STEP},
					  {STATE_PAGE + 0x2000, PAGE_BITS, STEP},
					  {STATE_PAGE + 0x3000, PAGE_BITS, STEP},
					  {STATE_PAGE + 0x4000, PAGE_BITS, STEP}}});
}

static void no_changed_memory_imports(void **state)
{
	/* Entries and MACs are few: every bit of them. */
	no_changed_bundle_imports(
		&(struct bundle){.leaf = "TDH.IMPORT.MEM",
				 .page = MEMORY_PAGE,
				 .mbmd_is_fatal = false,
				 .more = {{GPA_LIST, MEMORY_ENTRIES * 64, 1},
					  {MAC_LIST, MEMORY_ENTRIES * 128, 1},
					  {MEMORY_PAGE + 0x1000, PAGE_BITS, STEP},
					  {MEMORY_PAGE + 0x2000, PAGE_BITS, STEP},
					  {MEMORY_PAGE + 0x3000, PAGE_BITS, STEP}}});
}

static void no_changed_token_is_taken(void **state)
{
	no_changed_bundle_imports(
		&(struct bundle){.leaf = "TDH.IMPORT.TRACK", .mbmd_is_fatal = true});
}

/* The importer's word that it has not taken the TD: with any other the exporter's does not run. */
static void no_changed_abort_token_is_taken(void **state)
{
	no_changed_bundle_imports(&(struct bundle){.leaf = "TDH.EXPORT.ABORT",
						   .script = VECTORS "/14-mig-abort-token.vec",
						   .nth = 19,
						   .exporter = true});
}

/* With L2 VMs: pages with aliases, whose attributes are sealed one by one, and their VMCSs. */
#define L2_VECTOR    VECTORS "/16-l2-migration-1.vec"
#define L2_TDR	     0x100033000ull
#define L2_ATTR_LIST 0x2007000ull
enum { L2_ENTRIES = 8 };

static void no_changed_memory_with_aliases_imports(void **state)
{
	no_changed_bundle_imports(
		&(struct bundle){.leaf = "TDH.IMPORT.MEM",
				 .script = L2_VECTOR,
				 .tdr = L2_TDR,
				 .page = MEMORY_PAGE,
				 .mbmd_is_fatal = false,
				 .more = {{L2_ATTR_LIST, L2_ENTRIES * 64, 1},
					  {GPA_LIST, L2_ENTRIES * 64, 1},
					  {MAC_LIST, L2_ENTRIES * 128, 1},
					  {MEMORY_PAGE + 0x1000, PAGE_BITS, STEP},
					  {MEMORY_PAGE + 0x7000, PAGE_BITS, STEP}}});
}

static void no_changed_immutable_state_with_l2_vms_imports(void **state)
{
	no_changed_bundle_imports(
		&(struct bundle){.leaf = "TDH.IMPORT.STATE.IMMUTABLE",
				 .script = L2_VECTOR,
				 .tdr = L2_TDR,
				 .mbmd_is_fatal = true,
				 .more = {{STATE_PAGE, PAGE_BITS, STEP},
					  {STATE_PAGE + 0x1000, PAGE_BITS, STEP},
					  {STATE_PAGE + 0x2000, PAGE_BITS, STEP}}});
}

static void no_changed_vcpu_state_with_l2_vms_imports(void **state)
{
	no_changed_bundle_imports(
		&(struct bundle){.leaf = "TDH.IMPORT.STATE.VP",
				 .script = L2_VECTOR,
				 .tdr = L2_TDR,
				 .page = STATE_PAGE + 0x5000, /* the last: VMCSs of L2 VMs */
				 .mbmd_is_fatal = true,
				 .more = {{STATE_PAGE, PAGE_BITS, STEP},
					  {STATE_PAGE + 0x2000, PAGE_BITS, STEP},
					  {STATE_PAGE + 0x3000, PAGE_BITS, STEP},
					  {STATE_PAGE + 0x4000, PAGE_BITS, STEP}}});
}

/* Pages that come a second time take the aliases of the second time; one does not come. */
static void no_changed_memory_imports_again(void **state)
{
	no_changed_bundle_imports(
		&(struct bundle){.leaf = "TDH.IMPORT.MEM",
				 .script = VECTORS "/16-l2-remigrate.vec",
				 .nth = 1,
				 .tdr = L2_TDR,
				 .page = MEMORY_PAGE,
				 .mbmd_is_fatal = false,
				 .more = {{L2_ATTR_LIST, 3 * 64, 1},
					  {GPA_LIST, 4 * 64, 1},
					  {MAC_LIST, 4 * 128, 1},
					  {MEMORY_PAGE + 0x1000, PAGE_BITS, STEP}}});
}

/* When the TD could run here, and when it does: a page that cannot come is left out. */
static void no_changed_memory_imports_out_of_order(void **state)
{
	struct bundle b = {.leaf = "TDH.IMPORT.MEM",
			   .script = VECTORS "/14-mig-out-of-order.vec",
			   .nth = 3,
			   .tdr = 0x10002c000,
			   .mbmd = 0x2000200,
			   .page = 0x2060000,
			   .more = {{0x2022000, 64, 1}, {0x2024000, 128, 1}},
			   .may_miss = true};

	no_changed_bundle_imports(&b);
	b.nth = 5;
	b.mbmd = 0x2000100;
	b.page = 0x2050000;
	b.more[0].pa = 0x2012000;
	b.more[1].pa = 0x2014000;
	no_changed_bundle_imports(&b);
}

/* A TD whose import failed before it said what its tree is like has an empty one: what the host has
 * in its own memory is not taken for Secure-EPT entries. */
static void a_failed_import_has_a_tree_of_its_own(void **state)
{
	static const uint64_t leaves[] = {TDH_MEM_SEPT_RD, TDH_MEM_PAGE_REMOVE, TDH_MEM_RANGE_BLOCK,
					  TDH_MEM_SEPT_REMOVE};
	char *text = script(VECTORS "/14-mig-good.vec");
	struct vec_step import;
	struct played d;
	struct player p;
	uint64_t *low, was[512];

	play_until(&p, text, "TDH.IMPORT.STATE.IMMUTABLE", 0, &import);
	flip(&p, MBMD_PA, MBMD_MAC_BIT);
	assert_true(player_step(&p, &import, &d));
	assert_true(tdx_is_fatal(tdx_status(d.regs.rax)));
	low = machine_ptr(p.m, 0);
	for (unsigned i = 0; i < 512; i++)
		low[i] = was[i] = 0xc1016ee5c599bde4ull + i; /* looks like a mapped page */
	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		for (uint64_t gpa_ = 0; gpa_ < 0x8000; gpa_ += 0x1000)
			assert_true(tdx_is_error(call(&p, leaves[i], gpa_, TDR)));
	assert_memory_equal(low, was, sizeof(was));
	close_td(&p, TDR);
	player_free(&p);
	free(text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_changed_immutable_state_imports),
		cmocka_unit_test(a_td_whose_import_failed_has_an_empty_tree),
		cmocka_unit_test(a_session_begins_with_keys_and_streams_of_its_own),
		cmocka_unit_test(no_changed_td_state_imports),
		cmocka_unit_test(no_changed_vcpu_state_imports),
		cmocka_unit_test(no_changed_memory_imports),
		cmocka_unit_test(no_changed_memory_with_aliases_imports),
		cmocka_unit_test(no_changed_immutable_state_with_l2_vms_imports),
		cmocka_unit_test(no_changed_vcpu_state_with_l2_vms_imports),
		cmocka_unit_test(no_changed_memory_imports_again),
		cmocka_unit_test(no_changed_memory_imports_out_of_order),
		cmocka_unit_test(no_changed_token_is_taken),
		cmocka_unit_test(no_changed_abort_token_is_taken),
		cmocka_unit_test(a_failed_import_has_a_tree_of_its_own),
	};

	if (argc > 1)
		stride = (unsigned)strtoul(argv[1], NULL, 0);
	if (stride == 0)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
