/* SPDX-License-Identifier: MIT */
/* Reading metadata: every field where its row says it may be read, nothing where not, the order. */
#include "module_meta_setup.h"

#include "module/cpuid_table.h"

static const struct {
	uint64_t attributes;
	unsigned l2_vms;
} kinds[] = {{0, 0}, {TDX_ATTR_DEBUG, 0}, {0, 3}, {TDX_ATTR_DEBUG, 1}, {TDX_ATTR_DEBUG, 3}};

/* Calls fn for every element of every row the TD has, in order, L2 VMCS fields in their place. */
typedef void (*visitor)(struct meta *t, enum md_context ctx, const struct md_field *f, uint64_t id,
			bool debug, void *arg);

static void visit_row(struct meta *t, enum md_context ctx, const struct md_field *f, uint64_t cls,
		      bool debug, visitor fn, void *arg)
{
	const uint64_t id = f->id | cls << 56;

	if (md_is_cpuid(f->id)) {
		for (unsigned row = 0; row < CPUID_ROWS; row++)
			for (unsigned e = 0; e < 2; e++)
				fn(t, ctx, f,
				   id | md_cpuid_code(cpuid_keys[row].leaf, cpuid_keys[row].subleaf,
						      e),
				   debug, arg);
		return;
	}
	for (unsigned n = 0; n < (f->last_field + 1u) * md_elements(f); n++)
		fn(t, ctx, f, id + n * md_stride(f), debug, arg);
}

static void visit_table(struct meta *t, enum md_context ctx, const struct md_table *table,
			uint64_t cls, bool debug, visitor fn, void *arg)
{
	for (unsigned i = 0; i < meta_rows(table, t->l2_vms); i++) {
		const struct md_field *f = &table->row[i];

		if (table == &md_vp && md_is_l2_vmcs(f->id))
			visit_table(t, ctx, &md_l2_vmcs, md_class(f->id), debug, fn, arg);
		else
			visit_row(t, ctx, f, cls, debug, fn, arg);
	}
}

static void visit(struct meta *t, enum md_context ctx, bool debug, visitor fn, void *arg)
{
	if (ctx == MD_CTX_SYS)
		visit_table(t, ctx, &md_sys, 0, debug, fn, arg);
	if (ctx == MD_CTX_TD)
		visit_table(t, ctx, &md_td, 0, debug, fn, arg);
	if (ctx == MD_CTX_VP) {
		visit_table(t, ctx, &md_vmcs, 0, debug, fn, arg);
		visit_table(t, ctx, &md_vp, 0, debug, fn, arg);
	}
}

static void reads_as_promised(struct meta *t, enum md_context ctx, const struct md_field *f,
			      uint64_t id, bool debug, void *arg)
{
	const uint64_t mask = meta_mask(f, ctx, debug)->rd & md_size_mask(f->id);
	uint64_t value, next;
	struct tdx_status s = meta_rd(t, ctx, id, &value, &next);

	if (md_is_cpuid(id) && s.raw == TDX_METADATA_FIELD_NOT_READABLE) {
		assert_int_equal(value, 0); /* a leaf this TD does not have */
		return;
	}
	setup_expect(s, mask ? TDX_SUCCESS : TDX_METADATA_FIELD_NOT_READABLE);
	assert_int_equal(value & ~mask, 0);
	if (!mask)
		assert_int_equal(next, MD_ID_NONE);
}

static void every_element_is_readable_exactly_where_its_row_says(void **state)
{
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct meta t = meta_make(kinds[i].attributes, kinds[i].l2_vms);

		for (enum md_context ctx = MD_CTX_SYS; ctx <= MD_CTX_VP; ctx++)
			visit(&t, ctx, kinds[i].attributes, reads_as_promised, NULL);
		meta_free(&t);
	}
}

/* The identifier the iteration has reached: each readable element must be it, in turn. */
static void is_next(struct meta *t, enum md_context ctx, const struct md_field *f, uint64_t id,
		    bool debug, void *arg)
{
	uint64_t *at = arg, value;
	struct tdx_status s;

	if (!(meta_mask(f, ctx, debug)->rd & md_size_mask(f->id)))
		return;
	assert_int_equal(*at, id);
	s = meta_rd(t, ctx, id, &value, at);
	if (tdx_is_success(s))
		return;
	setup_expect(s, TDX_METADATA_FIELD_NOT_READABLE); /* a CPUID leaf: step over it */
	assert_true(md_is_cpuid(id));
	fail_msg("a CPUID row that this TD does not have ends the iteration");
}

static void following_the_next_identifier_visits_every_readable_element_once(void **state)
{
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct meta t = meta_make(kinds[i].attributes, kinds[i].l2_vms);

		for (enum md_context ctx = MD_CTX_SYS; ctx <= MD_CTX_VP; ctx++) {
			uint64_t at = MD_ID_NONE, value;

			setup_expect(meta_rd(&t, ctx, MD_ID_NONE, &value, &at),
				     TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT);
			assert_int_equal(value, 0);
			visit(&t, ctx, kinds[i].attributes, is_next, &at);
			assert_int_equal(at, MD_ID_NONE);
		}
		meta_free(&t);
	}
}

static void reserved_and_last_bits_make_an_identifier_incorrect_others_do_not_matter(void **state)
{
	static const struct {
		enum md_context ctx;
		uint64_t id;
	} fields[] = {{MD_CTX_SYS, 0x9000000300000081},
		      {MD_CTX_TD, 0x1110000300000001},
		      {MD_CTX_VP, 0x0024000300006800}};
	struct meta t = meta_make(TDX_ATTR_DEBUG, 0);

	for (unsigned i = 0; i < 3; i++) {
		const uint64_t right = meta_value(&t, fields[i].ctx, fields[i].id);

		for (unsigned bit = 24; bit < 64; bit++) {
			const uint64_t flip = 1ull << bit;
			const bool matters =
				flip & (MD_ID_RESERVED | MD_ID_LAST_ELEMENT | MD_ID_LAST_FIELD);
			uint64_t value, next;
			struct tdx_status s;

			if (flip & MD_ID_CLASS_MASK)
				continue;
			s = meta_rd(&t, fields[i].ctx, fields[i].id ^ flip, &value, &next);
			setup_expect(s, matters ? TDX_METADATA_FIELD_ID_INCORRECT : TDX_SUCCESS);
			assert_int_equal(value, matters ? 0 : right);
			if (!matters && fields[i].ctx == MD_CTX_SYS) /* they are handed on */
				assert_int_equal(
					next, md_with_ctx((fields[i].id ^ flip) + 1, MD_CTX_SYS));
		}
	}
	meta_free(&t);
}

static void codes_no_row_has_are_refused(void **state)
{
	struct meta t = meta_make(TDX_ATTR_DEBUG, 1);
	uint64_t value, next;

	for (enum md_context ctx = MD_CTX_SYS; ctx <= MD_CTX_VP; ctx++)
		for (uint64_t cls = 0; cls < 64; cls++)
			for (unsigned n = 0; n < 600; n++) {
				/* every low code and a spread of high ones */
				const uint64_t code = n < 300 ? n : (n * 0x9e3779b1ull) & 0xffffff;
				const uint64_t id = md_with_ctx(cls << 56 | code, ctx);
				const struct md_table *table = md_table_of(id);
				const struct md_field *f = md_find(table, id);
				struct tdx_status s;

				if (f && (f < table->row + meta_rows(table, t.l2_vms)))
					continue;
				s = meta_rd(&t, ctx, id, &value, &next);
				setup_expect(s, TDX_METADATA_FIELD_ID_INCORRECT);
				assert_int_equal(value, 0);
				assert_int_equal(next, MD_ID_NONE);
			}
	meta_free(&t);
}

static void fields_of_l2_vms_the_td_does_not_have_are_refused(void **state)
{
	struct meta t = meta_make(TDX_ATTR_DEBUG, 1);
	uint64_t value, next;

	setup_expect(meta_rd(&t, MD_CTX_VP, md_by_name("VP.L2_VMCS_1.GUEST_RIP"), &value, &next),
		     TDX_SUCCESS);
	setup_expect(meta_rd(&t, MD_CTX_VP, md_by_name("VP.L2_VMCS_2.GUEST_RIP"), &value, &next),
		     TDX_METADATA_FIELD_ID_INCORRECT);
	setup_expect(meta_rd(&t, MD_CTX_VP, md_by_name("VP.L2_MSR_BITMAPS_3"), &value, &next),
		     TDX_METADATA_FIELD_ID_INCORRECT);
	setup_expect(meta_rd(&t, MD_CTX_TD, md_by_name("TD.L2_SEPT_ROOT_2"), &value, &next),
		     TDX_METADATA_FIELD_ID_INCORRECT);
	meta_free(&t);
}

static void the_upper_half_of_a_vmcs_field_has_no_identifier(void **state)
{
	struct meta t = meta_make(TDX_ATTR_DEBUG, 0);
	uint64_t value, next;

	for (unsigned i = 0; i < md_vmcs.rows; i++)
		setup_expect(meta_rd(&t, MD_CTX_VP, md_vmcs.row[i].id + 1, &value, &next),
			     TDX_METADATA_FIELD_ID_INCORRECT);
	meta_free(&t);
}

static void version_0_does_not_iterate(void **state)
{
	struct meta t = meta_make(0, 0);

	setup_expect(setup_call(&t.s, 0, TDH_MNG_RD, .rcx = META_TDR, .rdx = MD_ID_NONE),
		     TDX_METADATA_FIELD_ID_INCORRECT);
	assert_int_equal(t.s.regs.rdx, MD_ID_NONE);
	setup_expect(setup_call(&t.s, 0, TDH_MNG_RD, .rcx = META_TDR,
				.rdx = md_by_name("TD.ATTRIBUTES")),
		     TDX_SUCCESS);
	assert_int_equal(t.s.regs.rdx, md_by_name("TD.ATTRIBUTES"));
	setup_expect(setup_call(&t.s, 0, TDH_VP_RD | 2 << 16, .rcx = META_TDVPR, .rdx = 5, .r8 = 6),
		     TDX_OPERAND_INVALID | TDX_OPERAND_ID_RAX);
	assert_int_equal(t.s.regs.rdx, MD_ID_NONE);
	assert_int_equal(t.s.regs.r8, 0);
	meta_free(&t);
}

/* A leaf that reads as zeros though the CPUID table has no row for it. */
static uint32_t leaf_of_zeros(void)
{
	for (uint32_t leaf = 0; leaf <= CPUID_LAST_BASE_LEAF; leaf++)
		if (cpuid_fixed0(CPUID_FIXED0_BITMAP, leaf) && cpuid_row(leaf, 0) == CPUID_NO_ROW)
			return leaf;
	fail_msg("there is no such leaf");
	return 0;
}

static void a_leaf_of_zeros_reads_as_zero_but_has_no_successor(void **state)
{
	const uint64_t id = md_by_name("TD.CPUID_VALUES") | md_cpuid_code(leaf_of_zeros(), 0, 0);
	struct meta t = meta_make(0, 0);
	struct tdx_regs regs = {
		.rax = TDH_MNG_RD | 1 << 16, .rcx = META_TDR, .rdx = id + 1, .r8 = 1};

	setup_expect(setup_call(&t.s, 0, TDH_MNG_RD, .rcx = META_TDR, .rdx = id, .r8 = 1),
		     TDX_SUCCESS);
	assert_int_equal(t.s.regs.r8, 0);
	assert_int_equal(module_seamcall(t.s.mod, 0, &regs), MODULE_SHUTDOWN);
	meta_free(&t);
}

static void reserved_bits_of_a_cpuid_code_make_it_incorrect(void **state)
{
	const uint64_t id =
		md_by_name("TD.CPUID_VALUES") | md_cpuid_code(1, MD_CPUID_NO_SUBLEAF, 0);
	struct meta t = meta_make(0, 0);
	uint64_t value, next;

	setup_expect(meta_rd(&t, MD_CTX_TD, id, &value, &next), TDX_SUCCESS);
	for (unsigned bit = 17; bit < 24; bit++)
		setup_expect(meta_rd(&t, MD_CTX_TD, id | 1ull << bit, &value, &next),
			     TDX_METADATA_FIELD_ID_INCORRECT);
	setup_expect(meta_rd(&t, MD_CTX_TD,
			     md_by_name("TD.CPUID_VALUES") | md_cpuid_code(0x7f, 0, 0), &value,
			     &next),
		     TDX_METADATA_FIELD_NOT_READABLE);
	meta_free(&t);
}

/* --- SYS.RDALL --- */

static void check_list(struct meta *t, const uint64_t *list)
{
	const uint64_t values = md_by_name("SYS.CPUID_CONFIG_VALUES");
	const uint64_t last_config_value = values + 2 * CPUID_CONFIGS - 1;
	const uint64_t end_config_values = values + 64;
	unsigned at = 1, elements = 0;

	assert_int_equal(list[0] >> 32, 0);
	for (unsigned n = 0; n < (list[0] >> 16 & 0xffff); n++) {
		const uint64_t header = list[at++];
		const unsigned per_field = (unsigned)(header >> 34 & 15) + 1;
		const unsigned fields = (unsigned)(header >> 38 & 511) + 1;
		uint64_t id = header & ~(MD_ID_LAST_ELEMENT | MD_ID_LAST_FIELD);

		for (unsigned i = 0; i < fields * per_field; i++, id++, elements++) {
			/* not written: second elements of leaves there are none of */
			if (id > last_config_value && id < end_config_values && id & 1)
				assert_int_equal(list[at + i], 0xcccccccccccccccc);
			else
				assert_int_equal(list[at + i], meta_value(t, MD_CTX_SYS, id));
		}
		at += fields * per_field;
	}
	assert_int_equal(at * 8, list[0] & 0xffff);
	assert_true(elements > 350);
}

static void a_list_of_all_fields_says_what_single_reads_say(void **state)
{
	struct meta t = meta_make(0, 0);
	uint64_t *page = machine_ptr(t.s.m, 0x1020000);

	memset(page, 0xcc, 4096);
	setup_expect(setup_call(&t.s, 0, TDH_SYS_RDALL, .rdx = 0x1020000, .r8 = MD_ID_NONE),
		     TDX_SUCCESS);
	assert_int_equal(t.s.regs.r8, MD_ID_NONE);
	check_list(&t, page);
	meta_free(&t);
}

static void a_list_starts_only_at_a_field_of_the_right_size(void **state)
{
	static const uint64_t wrong[] = {
		0x9900000300000501, /* second element */
		0x9900000000000500, /* size */
		0x9900000300000540, /* behind the last */
		0x3f00000300000000,
	};
	struct meta t = meta_make(0, 0);

	for (unsigned i = 0; i < 4; i++) {
		setup_expect(setup_call(&t.s, 0, TDH_SYS_RDALL, .rdx = 0x1020000, .r8 = wrong[i]),
			     TDX_METADATA_FIELD_ID_INCORRECT);
		assert_int_equal(t.s.regs.r8, MD_ID_NONE);
	}
	setup_expect(setup_call(&t.s, 0, TDH_SYS_RDALL, .rdx = 0x1020000, .r8 = 0x9900000300000502),
		     TDX_SUCCESS);
	meta_free(&t);
}

/* --- association --- */

static void reading_a_vcpu_associates_it_with_the_processor_until_it_is_flushed(void **state)
{
	const uint64_t id = md_by_name("VP.VCPU_STATE_DETAILS");
	struct meta t = meta_make(0, 0);

	meta_call(&t, TDH_VP_FLUSH, .rcx = META_TDVPR);
	assert_int_equal(meta_value(&t, MD_CTX_TD, md_by_name("TD.NUM_ASSOC_VCPUS")), 0);
	meta_value(&t, MD_CTX_VP, id);
	assert_int_equal(meta_value(&t, MD_CTX_TD, md_by_name("TD.NUM_ASSOC_VCPUS")), 1);
	setup_expect(setup_call(&t.s, 1, TDH_VP_RD, .rcx = META_TDVPR, .rdx = id),
		     TDX_VCPU_ASSOCIATED);
	setup_expect(setup_call(&t.s, 1, TDH_VP_WR, .rcx = META_TDVPR, .rdx = id),
		     TDX_VCPU_ASSOCIATED);
	meta_call(&t, TDH_VP_FLUSH, .rcx = META_TDVPR);
	setup_expect(setup_call(&t.s, 1, TDH_VP_RD, .rcx = META_TDVPR, .rdx = id), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_TD, md_by_name("TD.NUM_ASSOC_VCPUS")), 1);
	meta_free(&t);
}

static void a_vcpu_in_its_guest_is_in_the_wrong_state_before_it_is_elsewhere(void **st)
{
	struct meta t = meta_make(0, 0);

	meta_enter(&t);
	setup_expect(setup_call(&t.s, 1, TDH_VP_RD, .rcx = META_TDVPR),
		     TDX_VCPU_STATE_INCORRECT | 4);
	meta_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_element_is_readable_exactly_where_its_row_says),
		cmocka_unit_test(following_the_next_identifier_visits_every_readable_element_once),
		cmocka_unit_test(
			reserved_and_last_bits_make_an_identifier_incorrect_others_do_not_matter),
		cmocka_unit_test(codes_no_row_has_are_refused),
		cmocka_unit_test(fields_of_l2_vms_the_td_does_not_have_are_refused),
		cmocka_unit_test(the_upper_half_of_a_vmcs_field_has_no_identifier),
		cmocka_unit_test(version_0_does_not_iterate),
		cmocka_unit_test(a_leaf_of_zeros_reads_as_zero_but_has_no_successor),
		cmocka_unit_test(reserved_bits_of_a_cpuid_code_make_it_incorrect),
		cmocka_unit_test(a_list_of_all_fields_says_what_single_reads_say),
		cmocka_unit_test(a_list_starts_only_at_a_field_of_the_right_size),
		cmocka_unit_test(
			reading_a_vcpu_associates_it_with_the_processor_until_it_is_flushed),
		cmocka_unit_test(a_vcpu_in_its_guest_is_in_the_wrong_state_before_it_is_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
