/* SPDX-License-Identifier: MIT */
/* TDREPORTs: one recorded from module 1.5.25, and what is left of it when anything changes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/attest.h>

#include "recorded_report.h"

#define KEY SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE

static struct tdx_attest_error err;

static int judge(const uint8_t *bytes, size_t len)
{
	struct tdx_report r;
	int rc = tdx_report_parse(bytes, len, &r, &err);

	return rc ? rc : tdx_report_verify(&r, KEY, &err);
}

static void the_recorded_report_verifies(void **state)
{
	struct tdx_report r;
	uint8_t bytes[1024];

	(void)state;
	recorded_report(bytes);
	assert_int_equal(tdx_report_parse(bytes, sizeof(bytes), &r, &err), 0);
	assert_int_equal(tdx_report_verify(&r, KEY, &err), 0);
	assert_int_equal(r.td_info.attributes, 0x10000001);
	assert_int_equal(r.td_info.xfam, 3);
	assert_int_equal(r.mac.reportdata[63], 63);
}

static void sealing_it_again_changes_nothing(void **state)
{
	struct tdx_report r, again;
	uint8_t bytes[1024];

	(void)state;
	recorded_report(bytes);
	assert_int_equal(tdx_report_parse(bytes, sizeof(bytes), &r, &err), 0);
	again = r;
	memset(&again.mac.tee_info_hash, 0, sizeof(again.mac.tee_info_hash));
	memset(&again.mac.tee_tcb_info_hash, 0, sizeof(again.mac.tee_tcb_info_hash));
	memset(again.mac.mac, 0, sizeof(again.mac.mac));
	assert_int_equal(tdx_report_seal(&again, KEY), 0);
	assert_memory_equal(&again, &r, sizeof(r));
}

static void no_bit_may_change(void **state)
{
	uint8_t bytes[1024];

	(void)state;
	recorded_report(bytes);
	for (unsigned bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (!judge(bytes, sizeof(bytes)))
			fail_msg("bit %u of byte %u changes nothing", bit % 8, bit / 8);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(judge(bytes, sizeof(bytes)), 0);
}

static void no_other_length_will_do(void **state)
{
	uint8_t bytes[1025] = {0};

	(void)state;
	recorded_report(bytes);
	for (size_t len = 0; len <= sizeof(bytes); len++)
		if (len != 1024) {
			assert_int_equal(judge(bytes, len), -EINVAL);
			assert_int_equal(err.fault, TDX_ATTEST_REPORT_LENGTH);
		}
}

static void another_key_is_a_mac_mismatch_and_no_key_checks_the_hashes_alone(void **state)
{
	struct tdx_report r;
	uint8_t bytes[1024];
	char key[] = SWTDX_REPORT_KEY;

	(void)state;
	recorded_report(bytes);
	assert_int_equal(tdx_report_parse(bytes, sizeof(bytes), &r, &err), 0);
	key[31] ^= 1;
	assert_int_equal(tdx_report_verify(&r, key, 32, &err), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_REPORT_MAC);
	assert_int_equal(tdx_report_verify(&r, NULL, 0, &err), 0);
	r.td_info.rtmr[0].b[0] ^= 1;
	assert_int_equal(tdx_report_verify(&r, NULL, 0, &err), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_REPORT_TD_INFO_HASH);
}

static void each_part_is_named_when_it_is_wrong(void **state)
{
	static const struct {
		unsigned at;
		enum tdx_attest_fault fault;
	} parts[] = {
		{0, TDX_ATTEST_REPORT_TYPE},
		{1, TDX_ATTEST_REPORT_SUBTYPE},
		{2, TDX_ATTEST_REPORT_VERSION},
		{3, TDX_ATTEST_REPORT_RESERVED},
		{15, TDX_ATTEST_REPORT_RESERVED},
		{192, TDX_ATTEST_REPORT_RESERVED},
		{400, TDX_ATTEST_REPORT_RESERVED},
		{495, TDX_ATTEST_REPORT_RESERVED},
		{511, TDX_ATTEST_REPORT_RESERVED},
		{1023, TDX_ATTEST_REPORT_RESERVED},
		{16, TDX_ATTEST_REPORT_MAC},
		{128, TDX_ATTEST_REPORT_MAC},
		{224, TDX_ATTEST_REPORT_MAC},
		{32, TDX_ATTEST_REPORT_TCB_INFO_HASH},
		{256, TDX_ATTEST_REPORT_TCB_INFO_HASH},
		{80, TDX_ATTEST_REPORT_TD_INFO_HASH},
		{512, TDX_ATTEST_REPORT_TD_INFO_HASH},
		{959, TDX_ATTEST_REPORT_TD_INFO_HASH},
	};
	uint8_t bytes[1024];
	char line[TDX_ATTEST_ERROR_TEXT];

	(void)state;
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		recorded_report(bytes);
		bytes[parts[i].at] ^= 0x80;
		assert_int_not_equal(judge(bytes, sizeof(bytes)), 0);
		assert_int_equal(err.fault, parts[i].fault);
		tdx_attest_error_text(&err, line, sizeof(line));
		assert_non_null(strstr(line, "TDREPORT: "));
	}
}

static void the_fields_lie_in_the_report_and_apart(void **state)
{
	size_t n, end = 0;
	const struct tdx_attest_field *f = tdx_report_fields(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_true(f[i].offset >= end);
		end = f[i].offset + f[i].size;
		assert_true(!f[i].word || f[i].size <= 8);
	}
	assert_true(end <= 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_recorded_report_verifies),
		cmocka_unit_test(sealing_it_again_changes_nothing),
		cmocka_unit_test(no_bit_may_change),
		cmocka_unit_test(no_other_length_will_do),
		cmocka_unit_test(another_key_is_a_mac_mismatch_and_no_key_checks_the_hashes_alone),
		cmocka_unit_test(each_part_is_named_when_it_is_wrong),
		cmocka_unit_test(the_fields_lie_in_the_report_and_apart),
	};

	return cmocka_run_group_tests_name("measure: report", tests, NULL, NULL);
}
