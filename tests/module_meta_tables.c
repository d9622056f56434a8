/* SPDX-License-Identifier: MIT */
/* The metadata tables: consistent with themselves, every identifier found, none found by mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "abi/metadata.h"

static const struct {
	const struct md_table *table;
	enum md_context ctx;
} tables[] = {
	{&md_sys, MD_CTX_SYS},
	{&md_td, MD_CTX_TD},
	{&md_vmcs, MD_CTX_VP},
	{&md_vp, MD_CTX_VP},
};

#define EACH_TABLE(t) for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
#define EACH_ROW(f, table_)                                                                        \
	for (const struct md_field *f = (table_)->row; f < (table_)->row + (table_)->rows; f++)

static uint32_t key(uint64_t id)
{
	return md_class(id) << 24 | md_code(id);
}

static unsigned codes(const struct md_field *f)
{
	return (f->last_field + 1u) * md_elements(f) * md_stride(f);
}

static void rows_are_in_order_and_do_not_overlap(void **state)
{
	EACH_TABLE(t)
	{
		const struct md_table *table = tables[t].table;

		for (unsigned i = 1; i < table->rows; i++) {
			uint64_t before = table->row[i - 1].id;

			assert_true(key(table->row[i].id) >=
				    key(before) + codes(&table->row[i - 1]));
		}
	}
}

static void identifiers_have_their_context_and_no_reserved_bit(void **state)
{
	EACH_TABLE(t)
	EACH_ROW(f, tables[t].table)
	{
		assert_int_equal(md_ctx(f->id), tables[t].ctx);
		assert_int_equal(f->id & (MD_ID_RESERVED | MD_ID_WR_MASK_VALID | MD_ID_LAST_FIELD |
					  MD_ID_LAST_ELEMENT),
				 0);
		if (md_is_l2_vmcs(f->id)) /* a row that stands for another table */
			assert_ptr_equal(md_table_of(f->id), &md_l2_vmcs);
		else
			assert_ptr_equal(md_table_of(f->id), tables[t].table);
		assert_non_null(md_class_name(tables[t].ctx, md_class(f->id)));
	}
}

static void every_element_is_found_and_one_beyond_is_not(void **state)
{
	EACH_TABLE(t)
	EACH_ROW(f, tables[t].table)
	{
		if (md_is_cpuid(f->id))
			continue; /* its codes are leaves */
		for (unsigned n = 0; n < codes(f); n++)
			assert_ptr_equal(md_find(tables[t].table, f->id + n), f);
		assert_ptr_not_equal(md_find(tables[t].table, f->id + codes(f)), f);
		if (md_code(f->id))
			assert_ptr_not_equal(md_find(tables[t].table, f->id - 1), f);
	}
}

static void only_class_and_code_matter_to_a_search(void **state)
{
	const uint64_t ignored = 1ull << 63 | MD_ID_TWO_CODES | MD_ID_WR_MASK_VALID | 3ull << 32;

	EACH_TABLE(t)
	EACH_ROW(f, tables[t].table)
	assert_ptr_equal(md_find(tables[t].table, f->id ^ ignored), f);
}

static void every_cpuid_leaf_is_an_element_of_cpuid_values(void **state)
{
	static const uint32_t leaves[] = {0, 1, 7, 0x23, 0x7f, 0x80000000, 0x80000008};
	const struct md_field *f = &md_td.row[MD_TD_CPUID_VALUES];

	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		for (uint32_t sub = 0; sub <= 0x80; sub++)
			for (unsigned element = 0; element < 2; element++) {
				uint32_t subleaf = sub == 0x80 ? MD_CPUID_NO_SUBLEAF : sub;
				uint64_t id = f->id | md_cpuid_code(leaves[i], subleaf, element);

				assert_ptr_equal(md_find(&md_td, id), f);
				assert_int_equal(md_cpuid_leaf(id), leaves[i]);
				assert_int_equal(md_cpuid_subleaf(id), subleaf);
				assert_int_equal(id & MD_CPUID_RESERVED, 0);
			}
}

static bool no_wider(struct md_mask a, struct md_mask b)
{
	return !(a.rd & ~b.rd) && !(a.wr & ~b.wr);
}

static void what_can_be_written_can_be_read_and_a_debugger_can_do_all_a_host_can(void **state)
{
	static const struct md_table *all[] = {&md_sys, &md_td, &md_vmcs, &md_vp, &md_l2_vmcs};

	for (unsigned t = 0; t < 5; t++)
		EACH_ROW(f, all[t])
		{
			assert_int_equal(f->host.wr & ~f->host.rd, 0);
			assert_int_equal(f->debug.wr & ~f->debug.rd, 0);
			if (all[t] !=
			    &md_l2_vmcs) /* the L1 VMM writes address bits of EPTP it cannot read */
				assert_int_equal(f->guest.wr & ~f->guest.rd, 0);
			if (all[t] != &md_sys)
				assert_true(no_wider(f->host, f->debug));
		}
}

static void l2_vmcs_fields_are_the_td_vmcs_fields_with_other_masks(void **state)
{
	assert_int_equal(md_l2_vmcs.rows, md_vmcs.rows);
	for (unsigned i = 0; i < md_vmcs.rows; i++) {
		assert_int_equal(md_l2_vmcs.row[i].id, md_vmcs.row[i].id);
		assert_string_equal(md_l2_vmcs.row[i].name, md_vmcs.row[i].name);
		assert_true(md_vmcs.row[i].guest.rd == 0);
		for (unsigned vm = 1; vm <= 3; vm++) {
			uint64_t cls = MD_VP_CLASS_L2_VMCS_1 + 8 * (vm - 1);
			uint64_t id = md_vmcs.row[i].id | cls << 56;

			assert_ptr_equal(md_table_of(id), &md_l2_vmcs);
			assert_ptr_equal(md_find(&md_l2_vmcs, id), &md_l2_vmcs.row[i]);
			assert_int_equal(md_vp_l2_vm((unsigned)cls), vm);
		}
	}
}

static void names_lead_to_identifiers_and_back(void **state)
{
	static const char *const prefix[] = {"SYS.", "TD.", "VP.VMCS.", "VP."};
	char name[128], printed[128];

	EACH_TABLE(t)
	EACH_ROW(f, tables[t].table)
	{
		const struct md_field *found = NULL;
		size_t n;

		snprintf(name, sizeof(name), "%s%s", prefix[t], f->name);
		assert_int_equal(md_by_name(name), f->id);
		if (!strncmp(f->name, "L2_VMCS_", 8))
			continue; /* stands for fields of another table */
		assert_true(md_print(f->id, printed, sizeof(printed), &found));
		assert_ptr_equal(found, f);
		n = strlen(name);
		assert_memory_equal(printed, name, n);
		assert_true(!printed[n] || printed[n] == '[' || printed[n] == '.');
	}
}

static void assert_prints(uint64_t id, const char *expected)
{
	char buf[64];

	assert_true(md_print(id, buf, sizeof(buf), NULL));
	assert_string_equal(buf, expected);
}

static void a_printed_name_says_which_field_and_element(void **state)
{
	char buf[64] = "x";

	assert_prints(0x0a00000300000008, "SYS.TDX_FEATURES0");
	assert_prints(0x1310000300000048, "TD.RTMR[1].2");
	assert_prints(0x1310000300000002, "TD.MRTD.2");
	assert_prints(0x9410000300000e01, "TD.CPUID_VALUES[0x7,0x0].1");
	assert_prints(0x94100003000111fe, "TD.CPUID_VALUES[0x80000008].0");
	assert_prints(0x0024000300006800, "VP.VMCS.GUEST_CR0");
	assert_prints(0x2424000300006800, "VP.L2_VMCS_1.GUEST_CR0");
	assert_prints(0x202000000000000b, "VP.PEND_NMI");
	assert_false(md_print(0x3f00000300000000, buf, sizeof(buf), NULL));
	assert_string_equal(buf, "");
	assert_false(md_print(MD_ID_NONE, buf, sizeof(buf), NULL));
	assert_false(md_print(0x0070000000000000, buf, sizeof(buf), NULL));
}

static void a_name_without_context_is_enough_and_an_unknown_one_is_none(void **state)
{
	assert_int_equal(md_by_name("ATTRIBUTES"), 0x1110000300000000);
	assert_int_equal(md_by_name("GUEST_RIP"), 0x002400030000681e);
	assert_int_equal(md_by_name("VP.L2_VMCS_2.GUEST_RIP"), 0x2c2400030000681e);
	assert_int_equal(md_by_name("TD.GUEST_RIP"), MD_ID_NONE);
	assert_int_equal(md_by_name("TD."), MD_ID_NONE);
	assert_int_equal(md_by_name(""), MD_ID_NONE);
}

static void the_null_identifier_ignores_its_context(void **state)
{
	for (uint64_t ctx = 0; ctx < 8; ctx++)
		assert_true(md_is_none((MD_ID_NONE & ~MD_ID_CONTEXT_MASK) | ctx << 52));
	assert_false(md_is_none(MD_ID_NONE - 1));
	assert_false(md_is_none(0));
}

static void linux_names_these_fields(void **state)
{
	assert_int_equal(md_by_name("SYS.TDX_FEATURES0"), 0x0a00000300000008);
	assert_int_equal(md_by_name("SYS.MAX_TDMRS"), 0x9100000100000008);
	assert_int_equal(md_by_name("SYS.CPUID_CONFIG_VALUES"), 0x9900000300000500);
	assert_int_equal(md_by_name("TD.TSC_MULTIPLIER"), 0x111000030000000b);
	assert_int_equal(md_by_name("TD.NOTIFY_ENABLES"), 0x9110000300000010);
	assert_int_equal(md_by_name("VP.VCPU_STATE_DETAILS"), 0x9120000300000100);
	assert_int_equal(md_by_name("VP.VMCS.POSTED_INTERRUPT_DESCRIPTOR_ADDRESS"),
			 0x0024000300002016);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_in_order_and_do_not_overlap),
		cmocka_unit_test(identifiers_have_their_context_and_no_reserved_bit),
		cmocka_unit_test(every_element_is_found_and_one_beyond_is_not),
		cmocka_unit_test(only_class_and_code_matter_to_a_search),
		cmocka_unit_test(every_cpuid_leaf_is_an_element_of_cpuid_values),
		cmocka_unit_test(
			what_can_be_written_can_be_read_and_a_debugger_can_do_all_a_host_can),
		cmocka_unit_test(l2_vmcs_fields_are_the_td_vmcs_fields_with_other_masks),
		cmocka_unit_test(names_lead_to_identifiers_and_back),
		cmocka_unit_test(a_printed_name_says_which_field_and_element),
		cmocka_unit_test(a_name_without_context_is_enough_and_an_unknown_one_is_none),
		cmocka_unit_test(the_null_identifier_ignores_its_context),
		cmocka_unit_test(linux_names_these_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
