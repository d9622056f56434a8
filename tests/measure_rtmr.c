/* SPDX-License-Identifier: MIT */
/* RTMR arithmetic and the replay of event logs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/measure.h>

#include "tdvf_image.h"

static void extend_is_what_the_module_answered(void **state)
{
	/* RTMR 2 in the report of module 1.5.25 after one extend by bytes of 0xaa. */
	static const uint8_t recorded[TDX_SHA384_SIZE] = {
		0x7b, 0xb2, 0xc5, 0xd8, 0xea, 0x03, 0x3e, 0x35, 0x1e, 0x3b, 0xbc, 0xd9,
		0x99, 0x10, 0x4b, 0xa4, 0xa9, 0x5c, 0x44, 0x0e, 0x79, 0x30, 0xe1, 0x7b,
		0xec, 0xc2, 0xef, 0xfd, 0x55, 0x06, 0x94, 0x25, 0xf5, 0x0d, 0xd6, 0x85,
		0x2c, 0xfd, 0x3b, 0x66, 0x44, 0x53, 0xb6, 0x6c, 0x6c, 0xb6, 0x73, 0xea};
	struct tdx_digest rtmr = {{0}}, data;

	(void)state;
	memset(&data, 0xaa, sizeof(data));
	assert_int_equal(tdx_rtmr_extend(&rtmr, &data), 0);
	assert_memory_equal(rtmr.b, recorded, sizeof(recorded));
}

static void replay_extends_each_register_in_the_order_of_the_log(void **state)
{
	struct tdx_rtmr_event log[4] = {{.rtmr = 3}, {.rtmr = 0}, {.rtmr = 3}, {.rtmr = 1}};
	struct tdx_digest rtmr[TDX_RTMRS], expected[TDX_RTMRS] = {{{0}}};
	size_t bad;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		memset(&log[i].digest, (int)i + 1, sizeof(log[i].digest));
	tdx_rtmr_extend(&expected[0], &log[1].digest);
	tdx_rtmr_extend(&expected[1], &log[3].digest);
	tdx_rtmr_extend(&expected[3], &log[0].digest);
	tdx_rtmr_extend(&expected[3], &log[2].digest);
	memset(rtmr, 0xff, sizeof(rtmr));
	assert_int_equal(tdx_rtmr_replay(log, 4, rtmr, &bad), 0);
	assert_memory_equal(rtmr, expected, sizeof(rtmr));
}

static void a_fifth_register_is_an_error_with_its_place(void **state)
{
	struct tdx_rtmr_event log[2] = {{.rtmr = 0}, {.rtmr = 4}};
	struct tdx_digest rtmr[TDX_RTMRS];
	size_t bad = 99;

	(void)state;
	assert_int_equal(tdx_rtmr_replay(log, 2, rtmr, &bad), -ERANGE);
	assert_int_equal(bad, 1);
}

static void the_image_s_own_events_are_its_hob_and_its_cfv(void **state)
{
	static uint8_t image[IMG_SIZE];
	static const uint8_t hob[24] = {1};
	struct tdx_rtmr_event events[3];
	struct tdx_digest d;
	struct tdx_tdvf_error err;
	struct tdx_tdvf t;

	(void)state;
	img_make(image);
	assert_int_equal(tdx_tdvf_parse(image, sizeof(image), &t, &err), 0);
	assert_int_equal(tdx_tdvf_events(&t, image, sizeof(image), hob, sizeof(hob), events, 3), 2);
	tdx_sha384(hob, sizeof(hob), &d);
	assert_memory_equal(&events[0].digest, &d, sizeof(d));
	tdx_sha384(image, 0x1000 - 0x123, &d);
	assert_memory_equal(&events[1].digest, &d, sizeof(d));
	assert_int_equal(events[1].rtmr, 0);
	assert_int_equal(tdx_tdvf_events(&t, image, sizeof(image), NULL, 0, events, 0), 1);
	/* Sections of one image over the bytes of a shorter one. */
	assert_int_equal(tdx_tdvf_events(&t, image, 16, NULL, 0, events, 3), -EINVAL);
}

static void a_separator_is_the_digest_of_four_zero_bytes(void **state)
{
	static const uint8_t head[4] = {0x39, 0x43, 0x41, 0xb7};
	struct tdx_rtmr_event e;

	(void)state;
	assert_int_equal(tdx_rtmr_separator(&e, 1), 0);
	assert_int_equal(e.rtmr, 1);
	assert_memory_equal(e.digest.b, head, sizeof(head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extend_is_what_the_module_answered),
		cmocka_unit_test(replay_extends_each_register_in_the_order_of_the_log),
		cmocka_unit_test(a_fifth_register_is_an_error_with_its_place),
		cmocka_unit_test(the_image_s_own_events_are_its_hob_and_its_cfv),
		cmocka_unit_test(a_separator_is_the_digest_of_four_zero_bytes),
	};

	return cmocka_run_group_tests_name("measure: rtmr", tests, NULL, NULL);
}
