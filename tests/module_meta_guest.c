/* SPDX-License-Identifier: MIT */
/* A guest at the fields of its TD and vCPU and of the module: what its masks allow, nothing else.
 */
#include "module_meta_setup.h"

static const struct {
	const struct md_table *table;
	enum md_context ctx;
	unsigned rd, wr; /* leaves; wr 0: none */
} contexts[] = {
	{&md_sys, MD_CTX_SYS, TDG_SYS_RD, 0},
	{&md_td, MD_CTX_TD, TDG_VM_RD | 1 << 16, TDG_VM_WR},
	{&md_vmcs, MD_CTX_VP, TDG_VP_RD, TDG_VP_WR},
	{&md_vp, MD_CTX_VP, TDG_VP_RD, TDG_VP_WR},
};

#define EACH_CONTEXT(c) for (unsigned c = 0; c < 4; c++)

static bool missing(const struct meta *t, const struct md_table *table, unsigned row)
{
	return row >= meta_rows(table, t->l2_vms) ||
	       (md_is_l2_vmcs(table->row[row].id) && t->l2_vms == 0);
}

static void reads_what_its_masks_say(struct meta *t)
{
	EACH_CONTEXT(c)
	for (unsigned i = 0; i < contexts[c].table->rows; i++) {
		const struct md_field *f = &contexts[c].table->row[i];
		const uint64_t mask = f->guest.rd & md_size_mask(f->id);
		struct tdx_status s = meta_guest(t, contexts[c].rd, .rdx = f->id);

		if (missing(t, contexts[c].table, i)) {
			setup_expect(s, TDX_METADATA_FIELD_ID_INCORRECT);
		} else {
			setup_expect(s, mask ? TDX_SUCCESS : TDX_METADATA_FIELD_NOT_READABLE);
			assert_int_equal(t->s.regs.r8 & ~mask, 0);
		}
	}
}

static void a_guest_reads_what_its_masks_say(void **state)
{
	struct meta t = meta_make(0, 0);

	meta_enter(&t);
	reads_what_its_masks_say(&t);
	meta_free(&t);
	t = meta_make(TDX_ATTR_DEBUG, 0); /* no more in a TD under a debugger */
	meta_enter(&t);
	reads_what_its_masks_say(&t);
	meta_free(&t);
}

static void a_guest_writes_only_what_its_masks_allow(void **state)
{
	static const uint64_t patterns[] = {0, ~0ull, 0xaaaaaaaaaaaaaaaa};
	struct meta t = meta_make(0, 0);

	meta_enter(&t);
	EACH_CONTEXT(c)
	for (unsigned i = 0; contexts[c].wr && i < contexts[c].table->rows; i++) {
		const struct md_field *f = &contexts[c].table->row[i];

		if (!missing(&t, contexts[c].table, i) && f->guest.wr & md_size_mask(f->id))
			continue;
		for (unsigned p = 0; p < 3; p++)
			setup_expect(meta_guest(&t, contexts[c].wr, .rdx = f->id, .r8 = patterns[p],
						.r9 = patterns[2 - p]),
				     missing(&t, contexts[c].table, i)
					     ? TDX_METADATA_FIELD_ID_INCORRECT
					     : TDX_METADATA_FIELD_NOT_WRITABLE);
	}
	meta_free(&t);
}

static void one_bit_writes_change_that_bit_or_nothing(void **state)
{
	struct meta t = meta_make(0, 0);

	meta_enter(&t);
	EACH_CONTEXT(c)
	for (unsigned i = 0; contexts[c].wr && i < contexts[c].table->rows; i++) {
		const struct md_field *f = &contexts[c].table->row[i];
		const uint64_t wr = f->guest.wr & md_size_mask(f->id);

		if (!wr || missing(&t, contexts[c].table, i) || f->id == md_by_name("TD.TD_CTLS"))
			continue;
		for (unsigned bit = 0; bit < 8 * md_size(f->id); bit++) {
			const uint64_t one = 1ull << bit;
			struct tdx_status s;
			uint64_t was;

			setup_expect(meta_guest(&t, contexts[c].rd, .rdx = f->id), TDX_SUCCESS);
			was = t.s.regs.r8;
			s = meta_guest(&t, contexts[c].wr, .rdx = f->id, .r8 = ~was, .r9 = one);
			setup_expect(s, wr & one ? TDX_SUCCESS : TDX_METADATA_FIELD_NOT_WRITABLE);
			assert_int_equal(t.s.regs.r8, wr & one ? was : 0);
			setup_expect(meta_guest(&t, contexts[c].rd, .rdx = f->id), TDX_SUCCESS);
			assert_int_equal(t.s.regs.r8, was ^ (wr & one));
		}
	}
	meta_free(&t);
}

static void rcx_names_the_own_td_and_vcpu_alone(void **state)
{
	static const unsigned leaves[] = {TDG_VM_RD, TDG_VM_WR, TDG_VP_RD, TDG_VP_WR};
	struct meta t = meta_make(0, 0);

	meta_enter(&t);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned bit = 0; bit < 64; bit++) {
			setup_expect(meta_guest(&t, leaves[i], .rcx = 1ull << bit, .r8 = 7),
				     TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX);
			assert_int_equal(t.s.regs.r8, 0);
		}
	meta_free(&t);
}

static void following_next_ends_and_shows_no_field_twice(void **state)
{
	struct meta t = meta_make(0, 0);

	meta_enter(&t);
	EACH_CONTEXT(c)
	{
		uint64_t id = MD_ID_NONE;
		unsigned n = 0;

		setup_expect(meta_guest(&t, contexts[c].rd, .rdx = id),
			     TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT);
		for (id = t.s.regs.rdx; id != MD_ID_NONE; id = t.s.regs.rdx, n++) {
			setup_expect(meta_guest(&t, contexts[c].rd, .rdx = id), TDX_SUCCESS);
			assert_int_equal(md_ctx(id), contexts[c].ctx);
			if (t.s.regs.rdx != MD_ID_NONE)
				assert_true((md_class(t.s.regs.rdx) << 24 | md_code(t.s.regs.rdx)) >
					    (md_class(id) << 24 | md_code(id)));
		}
		assert_in_range(n, 12, 600);
	}
	meta_free(&t);
}

static void a_deadline_in_the_past_is_now_and_one_too_far_is_refused(void **state)
{
	const uint64_t id = md_by_name("VP.TSC_DEADLINE") + 1;
	struct meta t = meta_make(0, 1);
	const struct tdvps *vps = machine_ptr(t.s.m, META_TDVPR);
	uint64_t before;

	meta_enter(&t);
	before = machine_rdtsc(&t.s.m->lp[0]);
	setup_expect(meta_guest(&t, TDG_VP_WR, .rdx = id, .r8 = 1, .r9 = ~0ull), TDX_SUCCESS);
	assert_in_range(vps->shadow_tsc_deadline[1], before, before + 100000000);
	setup_expect(meta_guest(&t, TDG_VP_WR, .rdx = id, .r8 = ~0ull - 1, .r9 = ~0ull),
		     TDX_OPERAND_INVALID);
	setup_expect(meta_guest(&t, TDG_VP_WR, .rdx = id, .r8 = ~0ull, .r9 = ~0ull), TDX_SUCCESS);
	setup_expect(meta_guest(&t, TDG_VP_RD, .rdx = id), TDX_SUCCESS);
	assert_int_equal(t.s.regs.r8, ~0ull);
	meta_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_reads_what_its_masks_say),
		cmocka_unit_test(a_guest_writes_only_what_its_masks_allow),
		cmocka_unit_test(one_bit_writes_change_that_bit_or_nothing),
		cmocka_unit_test(rcx_names_the_own_td_and_vcpu_alone),
		cmocka_unit_test(following_next_ends_and_shows_no_field_twice),
		cmocka_unit_test(a_deadline_in_the_past_is_now_and_one_too_far_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
