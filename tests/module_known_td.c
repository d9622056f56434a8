/* SPDX-License-Identifier: MIT */
/* What a processor remembers of the TD it worked on last, and of its last walk: every call answers
 * as one that remembers nothing, whatever has become of either meanwhile. */
#include "module_mem_setup.h"

#include "module/internal.h"
#include "module/lockword.h"

enum { LP = 1, GUEST_LP = 0 };

#define GPA(n) ((uint64_t)(n)*TDX_PAGE_SIZE)

static void forget(struct setup *s)
{
	memset(&s->mod->lp[LP].known, 0, sizeof(s->mod->lp[LP].known));
	memset(&s->mod->lp[LP].way, 0, sizeof(s->mod->lp[LP].way));
}

static void map(struct setup *s, const struct test_td *td, unsigned n)
{
	mem_must(s, TDH_MEM_PAGE_AUG, GPA(n), td->tdr, FREE_4K(n));
}

static void unmap(struct setup *s, const struct test_td *td, unsigned n)
{
	td_block_and_track(s, td, GPA(n));
	mem_must(s, TDH_MEM_PAGE_REMOVE, GPA(n), td->tdr, 0);
}

static void end(struct setup *s, struct test_td *td)
{
	mem_must(s, TDH_MNG_VPFLUSHDONE, td->tdr, 0, 0);
	for (unsigned lp = 0; lp < s->m->cfg.lps; lp += setup_lps_per_package(s))
		assert_int_equal(mem_status(s, lp, TDH_PHYMEM_CACHE_WB, 0, 0, 0), TDX_SUCCESS);
	mem_must(s, TDH_MNG_KEY_FREEID, td->tdr, 0, 0);
	for (uint64_t pa = td->tdr + TDX_PAGE_SIZE; pa < td->next; pa += TDX_PAGE_SIZE)
		mem_must(s, TDH_PHYMEM_PAGE_RECLAIM, pa, 0, 0);
	mem_must(s, TDH_PHYMEM_PAGE_RECLAIM, td->tdr, 0, 0);
}

/* --- busy --- */

static const struct {
	uint64_t leaf, rcx, r8;
} calls[] = {
	{TDH_MEM_PAGE_AUG, GPA(2), FREE_4K(2)},
	{TDH_MEM_RANGE_BLOCK, GPA(1), 0},
	{TDH_MEM_PAGE_REMOVE, GPA(1), 0}, /* of a page that is not blocked */
	{TDH_MEM_SEPT_RD, GPA(1), 0},
	{TDH_MEM_PAGE_AUG, GPA(2) | TDX_LEVEL_256T,
	 FREE_4K(2)},		    /* wrong before the tree is asked */
	{TDH_MR_EXTEND, GPA(1), 0}, /* has the TDR for itself; too late for this TD */
};

static const enum lock_resource resources[] = {LOCK_PAMT_1G, LOCK_PAMT_2M, LOCK_PAMT_4K,
					       LOCK_OP_STATE, LOCK_SEPT_TREE};

struct answer {
	struct tdx_regs regs;
	uint16_t word; /* of the lock, after the call */
};

/* One call while somebody has the lock so; the TD is left as it was. */
static struct answer ask(struct setup *s, const struct test_td *td, unsigned call,
			 enum lock_resource res, enum lock_hold how, bool known)
{
	const struct lock_key key = {.key = td->tdr};
	uint16_t *word = module_lock_word(s->mod, res, &key);
	struct answer a;

	map(s, td, 1);
	if (!known)
		forget(s);
	assert_int_equal(s->mod->lp[LP].known.tdr != NULL, known);
	assert_true(module_lock_hold(s->mod, res, &key, how));
	mem_status(s, LP, calls[call].leaf, calls[call].rcx, td->tdr, calls[call].r8);
	a = (struct answer){s->regs, *word};
	*word = 0;
	for (unsigned i = 0; i < READER_SLOTS; i++)
		assert_null(atomic_load(&s->mod->lp[LP].reading[i]));
	if (a.regs.rax == TDX_SUCCESS && calls[call].leaf == TDH_MEM_PAGE_AUG)
		unmap(s, td, 2);
	if (a.regs.rax == TDX_SUCCESS && calls[call].leaf == TDH_MEM_RANGE_BLOCK) {
		mem_must(s, TDH_MEM_TRACK, td->tdr, 0, 0);
		mem_must(s, TDH_MEM_RANGE_UNBLOCK, GPA(1), td->tdr, 0);
	}
	unmap(s, td, 1);
	return a;
}

static void a_known_td_is_as_busy_as_an_unknown_one(void **state)
{
	static const enum lock_hold holds[] = {HOLD_SHARED, HOLD_EXCLUSIVE, HOLD_HP};
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	unsigned busy = 0;

	for (unsigned c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
		for (unsigned r = 0; r < 5; r++)
			for (unsigned h = 0; h < 3; h++) {
				struct answer a, b;

				a = ask(&s, &td, c, resources[r], holds[h], false);
				b = ask(&s, &td, c, resources[r], holds[h], true);
				setup_expect(tdx_status(b.regs.rax), a.regs.rax);
				assert_memory_equal(&b.regs, &a.regs, sizeof(a.regs));
				assert_int_equal(b.word, a.word);
				busy += tdx_is_busy(tdx_status(a.regs.rax));
			}
	assert_true(busy > 20);
	expect_sound(&s);
	setup_free(&s);
}

static void what_is_wrong_with_a_known_td_is_found(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	struct tdr *tdr = machine_ptr(s.m, td.tdr);
	struct tdcs *tdcs;

	map(&s, &td, 1);
	tdcs = s.mod->lp[LP].known.tdcs;
	tdr->fatal = 1;
	mem_expect(&s, TDX_TD_FATAL, TDH_MEM_RANGE_BLOCK, GPA(1), td.tdr, 0);
	tdr->fatal = 0;
	tdr->lifecycle_state = TDX_LIFECYCLE_BLOCKED;
	mem_expect(&s, TDX_TD_KEYS_NOT_CONFIGURED, TDH_MEM_RANGE_BLOCK, GPA(1), td.tdr, 0);
	tdr->lifecycle_state = TDX_LIFECYCLE_KEYS_CONFIGURED;
	tdcs->op_state = TDX_OP_STATE_UNINITIALIZED;
	mem_expect(&s, TDX_OP_STATE_INCORRECT | TDX_OP_STATE_UNINITIALIZED, TDH_MEM_PAGE_AUG,
		   GPA(2), td.tdr, FREE_4K(2));
	tdcs->op_state = TDX_OP_STATE_RUNNABLE;
	map(&s, &td, 2);
	setup_free(&s);
}

/* A TD that is being built: its calls have the TDR for themselves. */
static void a_known_td_is_taken_as_an_unknown_one(void **state)
{
	static const enum lock_hold holds[] = {HOLD_SHARED, HOLD_EXCLUSIVE, HOLD_HP};
	struct setup s = mem_setup();
	struct test_td td = td_build(&s, 0, 0, 0);
	struct lock_key key = {.key = td.tdr};
	unsigned busy = 0;

	s.regs = (struct tdx_regs){.rax = TDH_MEM_PAGE_ADD,
				   .rcx = GPA(1),
				   .rdx = td.tdr,
				   .r8 = FREE_4K(1),
				   .r9 = SOURCE_PA};
	assert_int_equal(module_seamcall(s.mod, LP, &s.regs), MODULE_TO_HOST);
	setup_expect(tdx_status(s.regs.rax), TDX_SUCCESS);
	for (unsigned r = 0; r < 3; r++)
		for (unsigned h = 0; h < 3; h++) {
			uint16_t *word = module_lock_word(s.mod, resources[r], &key), left[2];
			uint64_t rax[2];

			for (unsigned known = 0; known < 2; known++) {
				mem_must(&s, TDH_MR_EXTEND, GPA(1), td.tdr, 0);
				if (!known)
					forget(&s);
				assert_true(module_lock_hold(s.mod, resources[r], &key, holds[h]));
				rax[known] = mem_status(&s, LP, TDH_MR_EXTEND, GPA(1), td.tdr, 0);
				left[known] = *word;
				*word = 0;
			}
			setup_expect(tdx_status(rax[1]), rax[0]);
			assert_int_equal(left[1], left[0]);
			busy += tdx_is_busy(tdx_status(rax[0]));
		}
	assert_true(busy >= 4);
	/* Nor while another processor only reads. */
	atomic_store(&s.mod->lp[GUEST_LP].busy, true);
	atomic_store(&s.mod->lp[GUEST_LP].reading[0], module_lock_word(s.mod, LOCK_PAMT_4K, &key));
	mem_expect(&s, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RDX, TDH_MR_EXTEND, GPA(1), td.tdr, 0);
	atomic_store(&s.mod->lp[GUEST_LP].reading[0], NULL);
	atomic_store(&s.mod->lp[GUEST_LP].busy, false);
	mem_must(&s, TDH_MR_EXTEND, GPA(1), td.tdr, 0);
	mem_must(&s, TDH_MR_FINALIZE, td.tdr, 0, 0);
	expect_sound(&s);
	setup_free(&s);
}

/* --- a vCPU --- */

static uint64_t enter(struct setup *s, const struct test_td *td)
{
	enum module_next next = td_enter(s, GUEST_LP, td);

	if (next != MODULE_TO_GUEST)
		return s->regs.rax;
	td_kick(s, GUEST_LP);
	return TDX_SUCCESS;
}

static void a_known_vcpu_is_as_busy_as_an_unknown_one(void **state)
{
	static const enum lock_hold holds[] = {HOLD_SHARED, HOLD_EXCLUSIVE, HOLD_HP};
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	const struct {
		enum lock_resource res;
		uint64_t pa;
	} locks[] = {{LOCK_PAMT_1G, td.tdvpr},
		     {LOCK_PAMT_2M, td.tdvpr},
		     {LOCK_PAMT_4K, td.tdvpr},
		     {LOCK_PAMT_4K, td.tdr},
		     {LOCK_OP_STATE, td.tdr}};
	unsigned busy = 0;

	for (unsigned i = 0; i < sizeof(locks) / sizeof(locks[0]); i++)
		for (unsigned h = 0; h < 3; h++) {
			struct lock_key key = {.key = locks[i].pa};
			uint16_t *word = module_lock_word(s.mod, locks[i].res, &key), left[2];
			uint64_t rax[2];

			for (unsigned known = 0; known < 2; known++) {
				setup_expect(tdx_status(enter(&s, &td)), TDX_SUCCESS);
				assert_int_equal(s.mod->lp[GUEST_LP].known_vcpu.pa.v, td.tdvpr);
				if (!known)
					memset(&s.mod->lp[GUEST_LP].known_vcpu, 0,
					       sizeof(s.mod->lp[GUEST_LP].known_vcpu));
				assert_true(module_lock_hold(s.mod, locks[i].res, &key, holds[h]));
				rax[known] = enter(&s, &td);
				left[known] = *word;
				*word = 0;
			}
			setup_expect(tdx_status(rax[1]), rax[0]);
			assert_int_equal(left[1], left[0]);
			busy += tdx_is_busy(tdx_status(rax[0]));
		}
	assert_true(busy >= 5);
	expect_sound(&s);
	setup_free(&s);
}

static void a_vcpu_in_the_same_page_is_another_one(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0), other;

	setup_expect(tdx_status(enter(&s, &td)), TDX_SUCCESS);
	mem_status(&s, GUEST_LP, TDH_VP_FLUSH, td.tdvpr, 0, 0);
	end(&s, &td);
	assert_int_equal(td_enter(&s, GUEST_LP, &td), MODULE_TO_HOST);
	setup_expect(tdx_status(s.regs.rax), TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_RCX);
	other = td_run(&s, 0);
	setup_expect(tdx_status(enter(&s, &other)), TDX_SUCCESS);
	assert_int_equal(s.mod->lp[GUEST_LP].known_vcpu.tdr_pa.v, other.tdr);
	expect_sound(&s);
	setup_free(&s);
}

/* --- another TD --- */

static void a_td_in_the_same_page_is_another_one(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0), other;

	map(&s, &td, 1);
	unmap(&s, &td, 1);
	end(&s, &td);
	mem_expect(&s, TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_RDX, TDH_MEM_PAGE_AUG, GPA(1),
		   td.tdr, FREE_4K(1));
	other = td_run(&s, 0);
	td_expect_state(&s, &other, GPA(1), TDX_SEPT_FREE);
	map(&s, &other, 1);
	td_expect_state(&s, &other, GPA(1), TDX_SEPT_PENDING);
	unmap(&s, &other, 1);
	expect_sound(&s);
	end(&s, &other);
	setup_free(&s);
}

/* Its TDCS lies elsewhere; where that of the first was is now a page of the host. */
static void a_td_with_other_pages_is_not_the_known_one(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0), other;
	struct td_path was;

	map(&s, &td, 1);
	unmap(&s, &td, 1);
	was = s.mod->lp[LP].known;
	end(&s, &td);
	other = td_run(&s, 1);
	s.mod->lp[LP].known = was;
	s.mod->lp[LP].known.pa = hpa(other.tdr);
	s.mod->lp[LP].known.tdr = machine_ptr(s.m, other.tdr);
	s.mod->lp[LP].known.held[2].word =
		(uint8_t *)was.held[2].word + (other.tdr - td.tdr) / TDX_PAGE_SIZE * 16;
	map(&s, &other, 1);
	assert_ptr_not_equal(s.mod->lp[LP].known.tdcs, was.tdcs);
	td_expect_state(&s, &other, GPA(1), TDX_SEPT_PENDING);
	setup_free(&s);
}

/* --- the walk --- */

static void a_walk_goes_through_the_tables_that_are_there(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	uint64_t *old, *fresh;

	map(&s, &td, 1);
	unmap(&s, &td, 1);
	old = s.mod->lp[LP].way.table;
	assert_non_null(old);
	td_block_and_track(&s, &td, 0 | TDX_LEVEL_2M);
	mem_expect(&s, TDX_EPT_WALK_FAILED | TDX_OPERAND_ID_RCX, TDH_MEM_PAGE_AUG, GPA(1), td.tdr,
		   FREE_4K(1));
	mem_must(&s, TDH_MEM_SEPT_REMOVE, 0 | TDX_LEVEL_2M, td.tdr, 0);
	memset(old, 0xff, TDX_PAGE_SIZE); /* the host's */
	mem_expect(&s, TDX_EPT_WALK_FAILED | TDX_OPERAND_ID_RCX, TDH_MEM_PAGE_AUG, GPA(1), td.tdr,
		   FREE_4K(1));
	mem_must(&s, TDH_MEM_SEPT_ADD, 0 | TDX_LEVEL_2M, td.tdr, td_page(&td));
	map(&s, &td, 1);
	fresh = s.mod->lp[LP].way.table;
	assert_ptr_not_equal(fresh, old);
	assert_true(sept_is_state(fresh[1], TDX_SEPT_PENDING));
	expect_sound(&s);
	setup_free(&s);
}

static void a_walk_of_another_range_or_td_is_another_walk(void **state)
{
	struct setup s = mem_setup();
	struct test_td a = td_run(&s, 0), b = td_run(&s, 1);

	mem_must(&s, TDH_MEM_SEPT_ADD, TDX_SIZE_2M | TDX_LEVEL_2M, a.tdr, td_page(&a));
	map(&s, &a, 1);
	td_expect_state(&s, &a, TDX_SIZE_2M + GPA(1), TDX_SEPT_FREE);
	td_expect_state(&s, &a, GPA(1), TDX_SEPT_PENDING);
	td_expect_state(&s, &b, GPA(1), TDX_SEPT_FREE);
	td_expect_state(&s, &a, GPA(1), TDX_SEPT_PENDING);
	setup_free(&s);
}

/* --- the epoch before --- */

static void an_epoch_that_is_quiet_says_nothing_of_the_next(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);

	for (unsigned n = 1; n < 6; n++)
		map(&s, &td, n);
	for (unsigned n = 1; n < 5; n += 2) {
		unmap(&s, &td, n); /* quiet, and found so */
		td_must_enter(&s, &td);
		td_block_and_track(&s, &td, GPA(n + 1));
		mem_expect(&s, TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_ID_RCX, TDH_MEM_PAGE_REMOVE,
			   GPA(n + 1), td.tdr, 0);
		td_kick(&s, GUEST_LP);
		mem_must(&s, TDH_MEM_PAGE_REMOVE, GPA(n + 1), td.tdr, 0);
	}
	expect_sound(&s);
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_known_td_is_as_busy_as_an_unknown_one),
		cmocka_unit_test(what_is_wrong_with_a_known_td_is_found),
		cmocka_unit_test(a_known_td_is_taken_as_an_unknown_one),
		cmocka_unit_test(a_known_vcpu_is_as_busy_as_an_unknown_one),
		cmocka_unit_test(a_vcpu_in_the_same_page_is_another_one),
		cmocka_unit_test(a_td_in_the_same_page_is_another_one),
		cmocka_unit_test(a_td_with_other_pages_is_not_the_known_one),
		cmocka_unit_test(a_walk_goes_through_the_tables_that_are_there),
		cmocka_unit_test(a_walk_of_another_range_or_td_is_another_walk),
		cmocka_unit_test(an_epoch_that_is_quiet_says_nothing_of_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
