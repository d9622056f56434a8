/* SPDX-License-Identifier: MIT */
/* MRTD against published figures, against the module's own, and against a plain computation. */
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

static void assert_digest(const struct tdx_digest *d, const char *expected)
{
	char text[2 * TDX_SHA384_SIZE + 1];

	for (unsigned i = 0; i < TDX_SHA384_SIZE; i++)
		sprintf(text + 2 * i, "%02x", d->b[i]);
	assert_string_equal(text, expected);
}

/* The bytes that go into MRTD, in one growing heap buffer hashed at the end. */
struct plain {
	uint8_t *bytes;
	size_t len;
};

static uint8_t *plain_grow(struct plain *p, size_t n)
{
	p->bytes = realloc(p->bytes, p->len + n);
	assert_non_null(p->bytes);
	memset(p->bytes + p->len, 0, n);
	p->len += n;
	return p->bytes + p->len - n;
}

static void plain_add(struct plain *p, uint64_t at)
{
	uint8_t *b = plain_grow(p, 128);

	memcpy(b, "MEM.PAGE.ADD", 12);
	memcpy(b + 16, &at, 8);
}

static void plain_extend(struct plain *p, uint64_t at, const uint8_t *data)
{
	uint8_t *b = plain_grow(p, 128 + 256);

	memcpy(b, "MR.EXTEND", 9);
	memcpy(b + 16, &at, 8);
	memcpy(b + 128, data, 256);
}

static void plain_page(struct plain *p, uint64_t at, const uint8_t *page, bool add, bool extend)
{
	if (add)
		plain_add(p, at);
	for (unsigned i = 0; extend && i < 4096; i += 256)
		plain_extend(p, at + i, page + i);
}

static void plain_final(struct plain *p, struct tdx_digest *out)
{
	assert_int_equal(tdx_sha384(p->bytes, p->len, out), 0);
	free(p->bytes);
	memset(p, 0, sizeof(*p));
}

static void the_module_and_the_arithmetic_agree(void **state)
{
	/* What module 1.5.25 answered to this sequence of calls. */
	static const char recorded[] = "457de116a6d7da2523efdd9b9a4fb8f58161bbe741a94113"
				       "c3b7da992008c7189e27e24e466b93620381574cea0a8873";
	static const uint64_t extends[] = {0x1000, 0x1000, 0x1100, 0x1200, 0x1300, 0x1400, 0x1500,
					   0x1600, 0x1700, 0x1800, 0x1900, 0x1a00, 0x1b00, 0x1c00,
					   0x1d00, 0x1e00, 0x1f00, 0x0,	   0x3f00, 0x1000};
	static uint8_t memory[0x4000];
	struct tdx_digest d;
	struct tdx_mrtd m;

	(void)state;
	for (unsigned i = 0; i < 0x1000; i++)
		memory[0x1000 + i] = (uint8_t)(7 * i + 3);
	memset(memory + 0x3000, 0xff, 0x1000);
	tdx_mrtd_init(&m);
	tdx_mrtd_page_add(&m, gpa(0x1000));
	tdx_mrtd_page_add(&m, gpa(0));
	tdx_mrtd_page_add(&m, gpa(0x3000));
	for (unsigned i = 0; i < sizeof(extends) / sizeof(extends[0]); i++)
		tdx_mrtd_extend(&m, gpa(extends[i]), memory + extends[i]);
	assert_int_equal(tdx_mrtd_final(&m, &d), 0);
	assert_digest(&d, recorded);
}

static void an_empty_td_has_the_digest_of_nothing(void **state)
{
	struct tdx_digest d;
	struct tdx_mrtd m;

	(void)state;
	tdx_mrtd_init(&m);
	assert_int_equal(tdx_mrtd_final(&m, &d), 0);
	assert_digest(&d, "38b060a751ac96384cd9327eb1b1e36a21fdb71114be0743"
			  "4c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b");
}

static void the_buffer_shows_in_no_count_of_calls(void **state)
{
	static uint8_t data[256];
	struct tdx_digest d, expected;
	struct plain p = {0};
	struct tdx_mrtd m;

	(void)state;
	for (unsigned n = 0; n < 300; n++) {
		tdx_mrtd_init(&m);
		for (unsigned i = 0; i < n; i++) {
			data[i % 256] = (uint8_t)(i + n);
			if ((i ^ n) % 3) {
				tdx_mrtd_extend(&m, gpa(i * 256ull), data);
				plain_extend(&p, i * 256ull, data);
			} else {
				tdx_mrtd_page_add(&m, gpa(i * 4096ull));
				plain_add(&p, i * 4096ull);
			}
		}
		assert_int_equal(tdx_mrtd_final(&m, &d), 0);
		plain_final(&p, &expected);
		assert_memory_equal(&d, &expected, sizeof(d));
	}
}

/* The image of tdvf_image.h, section by section, written out by hand. */
static void plain_image(const uint8_t *image, enum tdx_tdvf_order order, struct tdx_digest *out)
{
	static const uint8_t zero[4096];
	static uint8_t cfv[4096];
	bool all = order == TDX_TDVF_ORDER_ALL, split = order == TDX_TDVF_ORDER_SECTION;
	struct plain p = {0};

	memcpy(cfv, image, 0x1000 - 0x123);
	for (unsigned i = 0; i < 7; i++)
		plain_page(&p, IMG_BFV + i * 4096, image + 0x1000 + i * 4096, true, !split);
	for (unsigned i = 0; split && i < 7; i++)
		plain_page(&p, IMG_BFV + i * 4096, image + 0x1000 + i * 4096, false, true);
	plain_page(&p, IMG_CFV, cfv, true, true);
	for (unsigned i = 0; i < 3; i++)
		plain_page(&p, 0x810000 + i * 4096, zero, true, all);
	for (unsigned i = 0; i < 2; i++)
		plain_page(&p, 0x809000 + i * 4096, zero, true, all);
	plain_final(&p, out);
}

static void each_order_is_the_plain_computation_in_that_order(void **state)
{
	static uint8_t image[IMG_SIZE];
	struct tdx_digest expected[3];
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;

	(void)state;
	img_make(image);
	for (int o = TDX_TDVF_ORDER_PAGE; o <= TDX_TDVF_ORDER_ALL; o++) {
		plain_image(image, (enum tdx_tdvf_order)o, &expected[o]);
		assert_int_equal(
			tdx_tdvf_mrtd(image, sizeof(image), (enum tdx_tdvf_order)o, &m, &err), 0);
		assert_memory_equal(&m.mrtd, &expected[o], sizeof(m.mrtd));
		assert_int_equal(m.pages, 13);
		assert_int_equal(m.extends, o == TDX_TDVF_ORDER_ALL ? 16 * 13 : 16 * 8);
	}
	assert_memory_not_equal(&expected[0], &expected[1], sizeof(expected[0]));
	assert_memory_not_equal(&expected[0], &expected[2], sizeof(expected[0]));
}

/* The file of a Debian package, or NULL if it is not here or not that version. */
static uint8_t *firmware(const char *path, const char *sha384, size_t *size)
{
	FILE *f = fopen(path, "rb");
	char text[2 * TDX_SHA384_SIZE + 1];
	struct tdx_digest d;
	uint8_t *image;

	if (!f) {
		print_message("%s is not installed\n", path);
		return NULL;
	}
	image = malloc(8u << 20);
	assert_non_null(image);
	*size = fread(image, 1, 8u << 20, f);
	fclose(f);
	assert_int_equal(tdx_sha384(image, *size, &d), 0);
	for (unsigned i = 0; i < TDX_SHA384_SIZE; i++)
		sprintf(text + 2 * i, "%02x", d.b[i]);
	if (sha384 && strcmp(text, sha384)) {
		print_message("%s is another version\n", path);
		free(image);
		return NULL;
	}
	return image;
}

#define OVMF "/usr/share/ovmf/OVMF.fd"

/* Figures on which programs that share no code agree. */
static const struct published {
	const char *path, *sha384;
	uint64_t pages, extends;
	const char *page_order, *section_order;
} debian_12 =
	{
		OVMF,
		"fa0dd56f4e3156e03cb377d56b5785bda51999a9c01fcf4e"
		"3d00e8848d6fe02a94d95e2c1fab707a000bb08674a7ce6a",
		538,
		7680,
		"4c7206f0f483c524f12c366c711e9049030a8d47c471ee5a"
		"a9c4999a08de4057fb887fed0744d5631a212967fb231c47",
		"acccbcc870a381adab0d3919d90a7f268ac3b0364771f202"
		"ed4bb4e892d045b33db3b32e6924cba830a724eed443f7e1",
},
  inteltdx_2026_08 = {
	  "/usr/share/ovmf/OVMF.inteltdx.ms.fd",
	  "233c782278a7b10f62fa98f19268f853ef39cc41e64544a6"
	  "cdbf71344f163bc541973605655826370a468c7862bb1ef2",
	  1050,
	  14272,
	  "a7a1f751abc454f9cbab198ca8d2edb2821935df525c7418"
	  "2b5e776cb0929e8c59aefecce725b0d08a5e9d3d3183bd08",
	  "b90b236113eb4c0d4df4ef590568c14e6028a3a31d7e8ac6"
	  "3dee9845df5008d3ebf82d4f5974e933798f65d7a279b9a9",
};

static void assert_published(const struct published *p)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;
	uint8_t *image;
	size_t size;

	image = firmware(p->path, p->sha384, &size);
	if (!image)
		skip();
	assert_int_equal(tdx_tdvf_mrtd(image, size, TDX_TDVF_ORDER_PAGE, &m, &err), 0);
	assert_digest(&m.mrtd, p->page_order);
	assert_int_equal(m.pages, p->pages);
	assert_int_equal(m.extends, p->extends);
	assert_int_equal(tdx_tdvf_mrtd(image, size, TDX_TDVF_ORDER_SECTION, &m, &err), 0);
	assert_digest(&m.mrtd, p->section_order);
	free(image);
}

static void debian_ovmf_has_its_published_mrtd(void **state)
{
	(void)state;
	assert_published(&debian_12);
}

/* Of package ovmf-inteltdx, which Debian 12 does not have. */
static void the_firmware_made_for_tdx_has_its_published_mrtd(void **state)
{
	(void)state;
	assert_published(&inteltdx_2026_08);
}

static void debian_ovmf_cut_short_has_none(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;
	uint8_t *image;
	size_t size;

	(void)state;
	image = firmware(OVMF, NULL, &size);
	if (!image)
		skip();
	for (size_t cut = 1; cut < size; cut = cut * 3 + 1)
		assert_int_equal(tdx_tdvf_mrtd(image, size - cut, TDX_TDVF_ORDER_PAGE, &m, &err),
				 -22);
	free(image);
}

static void the_code_half_of_ovmf_is_refused_at_its_bfv(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;
	uint8_t *image;
	size_t size;

	(void)state;
	image = firmware("/usr/share/OVMF/OVMF_CODE.fd", NULL, &size);
	if (!image)
		skip();
	assert_int_equal(tdx_tdvf_mrtd(image, size, TDX_TDVF_ORDER_PAGE, &m, &err), -22);
	assert_int_equal(err.fault, TDX_TDVF_DATA_OUTSIDE);
	assert_int_equal(err.section, 0);
	assert_int_equal(err.limit, size);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_module_and_the_arithmetic_agree),
		cmocka_unit_test(an_empty_td_has_the_digest_of_nothing),
		cmocka_unit_test(the_buffer_shows_in_no_count_of_calls),
		cmocka_unit_test(each_order_is_the_plain_computation_in_that_order),
		cmocka_unit_test(debian_ovmf_has_its_published_mrtd),
		cmocka_unit_test(the_firmware_made_for_tdx_has_its_published_mrtd),
		cmocka_unit_test(debian_ovmf_cut_short_has_none),
		cmocka_unit_test(the_code_half_of_ovmf_is_refused_at_its_bfv),
	};

	return cmocka_run_group_tests_name("measure: mrtd", tests, NULL, NULL);
}
