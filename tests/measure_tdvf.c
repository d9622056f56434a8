/* SPDX-License-Identifier: MIT */
/* The TDX metadata parser against sound and spoilt images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/measure.h>

#include "tdvf_image.h"

static uint8_t image[IMG_SIZE];

/* Heap memory of exactly the image's length, so that a sanitizer sees any read past it. */
static int measure_copy(const uint8_t *bytes, size_t len, struct tdx_tdvf_measurement *m,
			struct tdx_tdvf_error *err)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	rc = tdx_tdvf_mrtd(copy, len, TDX_TDVF_ORDER_PAGE, m, err);
	free(copy);
	return rc;
}

static void assert_refused(int rc, const struct tdx_tdvf_measurement *m,
			   const struct tdx_tdvf_error *err)
{
	static const struct tdx_tdvf_measurement nothing;
	char line[TDX_TDVF_ERROR_TEXT];

	assert_int_equal(rc, -22);
	assert_memory_equal(m, &nothing, sizeof(nothing));
	assert_int_not_equal(err->fault, TDX_TDVF_OK);
	tdx_tdvf_error_text(err, line, sizeof(line));
	assert_true(strlen(line) > 10 && strlen(line) < sizeof(line) - 1);
	assert_null(strpbrk(line, "\n%"));
	assert_null(strstr(line, "unknown fault"));
}

static int make(void **state)
{
	(void)state;
	img_make(image);
	return 0;
}

static void a_sound_image_gives_its_sections(void **state)
{
	struct tdx_tdvf_error err;
	struct tdx_tdvf t;

	(void)state;
	assert_int_equal(tdx_tdvf_parse(image, sizeof(image), &t, &err), 0);
	assert_int_equal(err.fault, TDX_TDVF_OK);
	assert_int_equal(t.descriptor_offset, IMG_DESC);
	assert_int_equal(t.nr_sections, IMG_SECTIONS);
	assert_int_equal(t.section[0].type, TDX_TDVF_BFV);
	assert_int_equal(t.section[0].data_offset, 0x1000);
	assert_int_equal(t.section[0].memory.v, IMG_BFV);
	assert_int_equal(t.section[1].raw_size, 0x1000 - 0x123);
	assert_int_equal(t.section[1].memory_size, 0x1000);
	assert_true(tdx_tdvf_is_added(&t.section[3]));
	assert_false(tdx_tdvf_is_added(&t.section[4]));
}

static void the_word_before_the_reset_vector_finds_the_metadata_without_a_table(void **state)
{
	struct tdx_tdvf_error err;
	struct tdx_tdvf t;

	(void)state;
	memset(image + IMG_FOOTER + 2, 0, 16);
	img_put(image, IMG_POINTER, 4, IMG_DESC);
	assert_int_equal(tdx_tdvf_parse(image, sizeof(image), &t, &err), 0);
	assert_int_equal(t.nr_sections, IMG_SECTIONS);
}

static void a_table_without_a_tdx_entry_falls_back_to_the_word(void **state)
{
	struct tdx_tdvf_error err;
	struct tdx_tdvf t;

	(void)state;
	image[IMG_ENTRY + 6] ^= 1;
	assert_int_equal(tdx_tdvf_parse(image, sizeof(image), &t, &err), -22);
	assert_int_equal(err.fault, TDX_TDVF_NO_METADATA);
	img_put(image, IMG_POINTER, 4, IMG_DESC);
	assert_int_equal(tdx_tdvf_parse(image, sizeof(image), &t, &err), 0);
}

static void td_shim_descriptions_may_lie_inside_the_bfv(void **state)
{
	struct tdx_tdvf_error err;
	struct tdx_tdvf t;

	(void)state;
	img_put_section(image, 4, 0x3000, 0x100, 0, 0, 7, 0);
	assert_int_equal(tdx_tdvf_parse(image, sizeof(image), &t, &err), 0);
	assert_false(tdx_tdvf_is_added(&t.section[4]));
}

#define S(n, word) (IMG_DESC + 16 + 32 * (n) + (word))

static const struct spoilt {
	const char *what;
	unsigned at, width;
	uint64_t value;
	enum tdx_tdvf_fault fault;
	int section; /* the error names it; -1 for none */
	int other;
} spoils[] = {
	{"table length 0", IMG_FOOTER, 2, 0, TDX_TDVF_TABLE_LENGTH, -1, -1},
	{"table longer than the image", IMG_FOOTER, 2, 0xffff, TDX_TDVF_TABLE_LENGTH, -1, -1},
	{"entry of length 0", IMG_ENTRY + 4, 2, 0, TDX_TDVF_TABLE_ENTRY, -1, -1},
	{"entry longer than the table", IMG_ENTRY + 4, 2, 49, TDX_TDVF_TABLE_ENTRY, -1, -1},
	{"TDX entry without room for its word", IMG_ENTRY + 4, 2, 18, TDX_TDVF_TABLE_ENTRY, -1, -1},
	{"descriptor before the image", IMG_ENTRY, 4, IMG_SIZE + 1, TDX_TDVF_DESCRIPTOR_OUTSIDE, -1,
	 -1},
	{"descriptor far before it", IMG_ENTRY, 4, 0xffffffff, TDX_TDVF_DESCRIPTOR_OUTSIDE, -1, -1},
	{"descriptor cut by the end", IMG_ENTRY, 4, 15, TDX_TDVF_DESCRIPTOR_OUTSIDE, -1, -1},
	{"descriptor elsewhere", IMG_ENTRY, 4, IMG_SIZE - IMG_DESC + 4, TDX_TDVF_SIGNATURE, -1, -1},
	{"signature", IMG_DESC, 4, 0x46564455, TDX_TDVF_SIGNATURE, -1, -1},
	{"length off by one", IMG_DESC + 4, 4, 16 + 32 * 5 + 1, TDX_TDVF_LENGTH, -1, -1},
	{"length huge", IMG_DESC + 4, 4, 0xffffffff, TDX_TDVF_LENGTH, -1, -1},
	{"version 0", IMG_DESC + 8, 4, 0, TDX_TDVF_VERSION, -1, -1},
	{"version 2", IMG_DESC + 8, 4, 2, TDX_TDVF_VERSION, -1, -1},
	{"no sections", IMG_DESC + 12, 4, 0, TDX_TDVF_SECTION_COUNT, -1, -1},
	{"65 sections", IMG_DESC + 12, 4, 65, TDX_TDVF_SECTION_COUNT, -1, -1},
	{"2^32 - 1 sections", IMG_DESC + 12, 4, 0xffffffff, TDX_TDVF_SECTION_COUNT, -1, -1},
	{"2^27 sections, which wraps 32 bits", IMG_DESC + 12, 4, 1u << 27, TDX_TDVF_SECTION_COUNT,
	 -1, -1},
	{"data past the end by one", S(0, IMG_DATA_OFFSET), 4, 0x1001, TDX_TDVF_DATA_OUTSIDE, 0,
	 -1},
	{"data offset huge", S(0, IMG_DATA_OFFSET), 4, 0xffffffff, TDX_TDVF_DATA_OUTSIDE, 0, -1},
	{"data sum wraps 32 bits", S(0, IMG_DATA_OFFSET), 4, 0xffff9000, TDX_TDVF_DATA_OUTSIDE, 0,
	 -1},
	{"data over another section's", S(1, IMG_DATA_OFFSET), 4, 0x1000, TDX_TDVF_DATA_OVERLAP, 1,
	 0},
	{"data size huge", S(1, IMG_RAW_SIZE), 4, 0xffffffff, TDX_TDVF_DATA_OUTSIDE, 1, -1},
	{"data larger than memory", S(1, IMG_RAW_SIZE), 4, 0x1001, TDX_TDVF_DATA_LARGER, 1, -1},
	{"BFV without data", S(0, IMG_RAW_SIZE), 4, 0, TDX_TDVF_DATA_MISSING, 0, -1},
	{"CFV without data", S(1, IMG_RAW_SIZE), 4, 0, TDX_TDVF_DATA_MISSING, 1, -1},
	{"TempMem with data", S(2, IMG_RAW_SIZE), 4, 1, TDX_TDVF_DATA_UNEXPECTED, 2, -1},
	{"TD_HOB with data", S(3, IMG_RAW_SIZE), 4, 1, TDX_TDVF_DATA_UNEXPECTED, 3, -1},
	{"offset of no data", S(2, IMG_DATA_OFFSET), 4, 1, TDX_TDVF_DATA_OFFSET_STRAY, 2, -1},
	{"memory unaligned", S(2, IMG_MEMORY), 8, 0x810001, TDX_TDVF_MEMORY_UNALIGNED, 2, -1},
	{"memory wraps 2^64", S(2, IMG_MEMORY), 8, ~0xfffull, TDX_TDVF_MEMORY_WRAPS, 2, -1},
	{"memory past the private addresses", S(2, IMG_MEMORY), 8, (1ull << 51) - 0x2000,
	 TDX_TDVF_MEMORY_OUTSIDE, 2, -1},
	{"memory over the BFV", S(2, IMG_MEMORY), 8, IMG_BFV - 0x2000, TDX_TDVF_MEMORY_OVERLAP, 2,
	 0},
	{"memory over a later section", S(2, IMG_MEMORY), 8, 0x80a000, TDX_TDVF_MEMORY_OVERLAP, 3,
	 2},
	{"memory inside another", S(3, IMG_MEMORY), 8, 0x811000, TDX_TDVF_MEMORY_OVERLAP, 3, 2},
	{"augmented memory over added", S(4, IMG_MEMORY), 8, 0x800000, TDX_TDVF_MEMORY_OVERLAP, 4,
	 2},
	{"memory of 0 bytes", S(2, IMG_MEMORY_SIZE), 8, 0, TDX_TDVF_MEMORY_EMPTY, 2, -1},
	{"memory size unaligned", S(2, IMG_MEMORY_SIZE), 8, 0x3001, TDX_TDVF_MEMORY_SIZE_UNALIGNED,
	 2, -1},
	{"memory size all ones", S(2, IMG_MEMORY_SIZE), 8, ~0ull, TDX_TDVF_MEMORY_SIZE_UNALIGNED, 2,
	 -1},
	{"memory size wraps 2^64", S(2, IMG_MEMORY_SIZE), 8, ~0xfffull, TDX_TDVF_MEMORY_WRAPS, 2,
	 -1},
	{"memory size ends at 2^64", S(2, IMG_MEMORY_SIZE), 8, -0x810000ull, TDX_TDVF_MEMORY_WRAPS,
	 2, -1},
	{"attribute bit 2", S(4, IMG_ATTRIBUTES), 4, 4, TDX_TDVF_ATTRIBUTES_UNKNOWN, 4, -1},
	{"type 9", S(2, IMG_TYPE), 4, 9, TDX_TDVF_TYPE_UNKNOWN, 2, -1},
	{"type all ones", S(0, IMG_TYPE), 4, 0xffffffff, TDX_TDVF_TYPE_UNKNOWN, 0, -1},
	{"two TD HOBs", S(2, IMG_TYPE), 4, 2, TDX_TDVF_DUPLICATE, 3, 2},
	{"no BFV", S(0, IMG_TYPE), 4, 1, TDX_TDVF_NO_BFV, -1, -1},
	{"reset vector in no BFV", S(0, IMG_MEMORY), 8, 0xfff00000, TDX_TDVF_NO_RESET_VECTOR, -1,
	 -1},
	{"description with memory", S(2, IMG_TYPE), 4, 7, TDX_TDVF_DATA_MISSING, 2, -1},
	{"attributes unknown", S(0, IMG_ATTRIBUTES), 4, 0x80000001, TDX_TDVF_ATTRIBUTES_UNKNOWN, 0,
	 -1},
	{"BFV augmented", S(0, IMG_ATTRIBUTES), 4, 2, TDX_TDVF_ATTRIBUTES_WRONG, 0, -1},
	{"both measured and augmented", S(4, IMG_ATTRIBUTES), 4, 3, TDX_TDVF_ATTRIBUTES_WRONG, 4,
	 -1},
	{"TD_HOB measured", S(3, IMG_ATTRIBUTES), 4, 1, TDX_TDVF_ATTRIBUTES_WRONG, 3, -1},
};

static void each_spoilt_word_is_refused_by_name_and_place(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;
	char line[TDX_TDVF_ERROR_TEXT], place[32];
	static const struct tdx_tdvf nothing;
	struct tdx_tdvf t;

	(void)state;
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		const struct spoilt *s = &spoils[i];
		int rc;

		img_make(image);
		img_put(image, s->at, s->width, s->value);
		rc = measure_copy(image, sizeof(image), &m, &err);
		if (rc != -22 || err.fault != s->fault || err.section != s->section ||
		    err.other != s->other)
			fail_msg("%s: rc %d, %s", s->what, rc,
				 tdx_tdvf_error_text(&err, line, sizeof(line)));
		assert_refused(rc, &m, &err);
		assert_int_equal(tdx_tdvf_parse(image, sizeof(image), &t, &err), -22);
		assert_memory_equal(&t, &nothing, sizeof(t));
		snprintf(place, sizeof(place), "section %d (", s->section);
		tdx_tdvf_error_text(&err, line, sizeof(line));
		assert_true(s->section < 0 || strstr(line, place) == line);
	}
}

static void sections_that_touch_are_apart(void **state)
{
	/* Section 2 is 0x810000 to 0x813000, section 3 two pages long. */
	static const uint64_t beside[] = {0x810000 - 0x2000, 0x813000};
	struct tdx_tdvf_error err;
	struct tdx_tdvf t;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		img_put(image, S(3, IMG_MEMORY), 8, beside[i]);
		assert_int_equal(tdx_tdvf_parse(image, sizeof(image), &t, &err), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		img_put(image, S(3, IMG_MEMORY), 8, beside[i] + (i ? -0x1000ull : 0x1000));
		assert_int_equal(tdx_tdvf_parse(image, sizeof(image), &t, &err), -22);
		assert_int_equal(err.fault, TDX_TDVF_MEMORY_OVERLAP);
	}
}

static void sections_past_the_end_are_refused(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;

	(void)state;
	/* A descriptor in the last 16 bytes: none of its sections is in the image. */
	memcpy(image + IMG_SIZE - 16, image + IMG_DESC, 16);
	img_put(image, IMG_ENTRY, 4, 16);
	assert_refused(measure_copy(image, sizeof(image), &m, &err), &m, &err);
	assert_int_equal(err.fault, TDX_TDVF_SECTIONS_OUTSIDE);
}

static void more_memory_than_believable_is_refused_before_hashing_it(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;

	(void)state;
	img_put(image, S(2, IMG_MEMORY), 8, 1ull << 40);
	img_put(image, S(2, IMG_MEMORY_SIZE), 8, 1ull << 49);
	assert_refused(measure_copy(image, sizeof(image), &m, &err), &m, &err);
	assert_int_equal(err.fault, TDX_TDVF_MEMORY_ABSURD);
	assert_int_equal(err.section, 2);
}

static void more_measured_memory_than_believable_is_refused_before_hashing_it(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;

	(void)state;
	img_put(image, S(1, IMG_MEMORY), 8, 1ull << 40);
	img_put(image, S(1, IMG_MEMORY_SIZE), 8, 256ull << 20);
	assert_refused(measure_copy(image, sizeof(image), &m, &err), &m, &err);
	assert_int_equal(err.fault, TDX_TDVF_MEASURED_ABSURD);
	assert_int_equal(err.section, 1);
}

static void augmented_memory_may_be_large_because_nothing_of_it_is_hashed(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;

	(void)state;
	img_put(image, S(4, IMG_MEMORY), 8, 1ull << 40);
	img_put(image, S(4, IMG_MEMORY_SIZE), 8, 1ull << 45);
	assert_int_equal(measure_copy(image, sizeof(image), &m, &err), 0);
	assert_int_equal(m.pages, 7 + 1 + 3 + 2);
}

static void a_measured_payload_that_the_host_brings_has_no_mrtd(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;
	struct tdx_tdvf t;

	(void)state;
	img_put_section(image, 4, 0, 0, 0x1000000, 0x200000, 5, 1);
	assert_int_equal(tdx_tdvf_parse(image, sizeof(image), &t, &err), 0);
	assert_refused(measure_copy(image, sizeof(image), &m, &err), &m, &err);
	assert_int_equal(err.fault, TDX_TDVF_MEASURED_NOT_IN_IMAGE);
	assert_int_equal(err.section, 4);
}

static void an_image_cut_anywhere_at_either_end_is_refused(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;

	(void)state;
	for (size_t cut = 1; cut <= IMG_SIZE; cut += cut < 0x200 || cut > 0x7e00 ? 1 : 61) {
		assert_refused(measure_copy(image, IMG_SIZE - cut, &m, &err), &m, &err);
		assert_refused(measure_copy(image + cut, IMG_SIZE - cut, &m, &err), &m, &err);
	}
}

static void an_image_over_the_limit_is_refused_unread(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;

	(void)state;
	/* The length alone decides: only IMG_SIZE bytes are there to be read. */
	assert_refused(tdx_tdvf_mrtd(image, TDX_TDVF_MAX_IMAGE + 1, TDX_TDVF_ORDER_PAGE, &m, &err),
		       &m, &err);
	assert_int_equal(err.fault, TDX_TDVF_IMAGE_TOO_LARGE);
	assert_refused(tdx_tdvf_mrtd(image, SIZE_MAX, TDX_TDVF_ORDER_PAGE, &m, &err), &m, &err);
}

/* Whatever bit of the metadata flips, the answer is a refusal with nothing in it, or another
 * image's digest: never the same digest, since the metadata is itself part of the BFV. */
static void any_flipped_bit_of_the_metadata_is_refused_or_changes_the_digest(void **state)
{
	struct tdx_tdvf_measurement good, m;
	struct tdx_tdvf_error err;
	unsigned refused = 0, changed = 0;

	(void)state;
	assert_int_equal(measure_copy(image, sizeof(image), &good, &err), 0);
	for (unsigned bit = 8 * IMG_DESC; bit < 8 * IMG_SIZE; bit++) {
		if (bit == 8 * (IMG_DESC + 16 + 32 * IMG_SECTIONS))
			bit = 8 * IMG_OTHER;
		image[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (measure_copy(image, sizeof(image), &m, &err)) {
			assert_refused(-22, &m, &err);
			refused++;
		} else {
			assert_memory_not_equal(&m.mrtd, &good.mrtd, sizeof(m.mrtd));
			changed++;
		}
		image[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(refused > 700);
	assert_true(changed > 0);
}

static void an_error_text_never_overruns_its_buffer(void **state)
{
	struct tdx_tdvf_error err = {.fault = TDX_TDVF_MEMORY_OVERLAP,
				     .section = 63,
				     .other = 62,
				     .at = ~0ull,
				     .value = ~0ull,
				     .size = ~0ull,
				     .limit = ~0ull};
	char line[TDX_TDVF_ERROR_TEXT];

	(void)state;
	for (size_t len = 0; len <= sizeof(line); len++) {
		memset(line, 'x', sizeof(line));
		tdx_tdvf_error_text(&err, line, len);
		for (size_t i = len; i < sizeof(line); i++)
			assert_int_equal(line[i], 'x');
		assert_true(!len || strlen(line) < len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_sound_image_gives_its_sections, make),
		cmocka_unit_test_setup(
			the_word_before_the_reset_vector_finds_the_metadata_without_a_table, make),
		cmocka_unit_test_setup(a_table_without_a_tdx_entry_falls_back_to_the_word, make),
		cmocka_unit_test_setup(td_shim_descriptions_may_lie_inside_the_bfv, make),
		cmocka_unit_test_setup(each_spoilt_word_is_refused_by_name_and_place, make),
		cmocka_unit_test_setup(sections_that_touch_are_apart, make),
		cmocka_unit_test_setup(sections_past_the_end_are_refused, make),
		cmocka_unit_test_setup(more_memory_than_believable_is_refused_before_hashing_it,
				       make),
		cmocka_unit_test_setup(
			more_measured_memory_than_believable_is_refused_before_hashing_it, make),
		cmocka_unit_test_setup(
			augmented_memory_may_be_large_because_nothing_of_it_is_hashed, make),
		cmocka_unit_test_setup(a_measured_payload_that_the_host_brings_has_no_mrtd, make),
		cmocka_unit_test_setup(an_image_cut_anywhere_at_either_end_is_refused, make),
		cmocka_unit_test_setup(an_image_over_the_limit_is_refused_unread, make),
		cmocka_unit_test_setup(
			any_flipped_bit_of_the_metadata_is_refused_or_changes_the_digest, make),
		cmocka_unit_test_setup(an_error_text_never_overruns_its_buffer, make),
	};

	return cmocka_run_group_tests_name("measure: tdvf", tests, NULL, NULL);
}
