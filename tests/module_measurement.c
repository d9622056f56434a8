/* SPDX-License-Identifier: MIT */
/* MRTD kept in a TDCS equals SHA-384 over the same stream done at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>

#include "module/measurement.h"

static void mrtd_of_two_pages_is_the_hash_of_their_blocks(void **state)
{
	static struct tdcs tdcs;
	static uint8_t stream[128 + 128 + 256 + 128];
	static uint8_t chunk[256];
	uint64_t gpa0 = 0x1000, gpa1 = 0x1100, gpa2 = 0x80000000;
	uint8_t want[48];

	(void)state;
	for (unsigned i = 0; i < sizeof(chunk); i++)
		chunk[i] = (uint8_t)(i * 7);
	memcpy(stream, "MEM.PAGE.ADD", 12);
	memcpy(stream + 16, &gpa0, 8);
	memcpy(stream + 128, "MR.EXTEND", 9);
	memcpy(stream + 128 + 16, &gpa1, 8);
	memcpy(stream + 256, chunk, 256);
	memcpy(stream + 512, "MEM.PAGE.ADD", 12);
	memcpy(stream + 512 + 16, &gpa2, 8);
	EVP_Digest(stream, sizeof(stream), want, NULL, EVP_sha384(), NULL);

	tdcs_mrtd_init(&tdcs);
	tdcs_mrtd_page_add(&tdcs, gpa(gpa0));
	tdcs_mrtd_extend(&tdcs, gpa(gpa1), chunk);
	tdcs_mrtd_page_add(&tdcs, gpa(gpa2));
	tdcs_mrtd_finalize(&tdcs);
	assert_memory_equal(tdcs.mrtd, want, sizeof(want));
}

/* Whatever of the stream the hash has had when the build ends. */
static void mrtd_does_not_depend_on_where_the_build_ends(void **state)
{
	static uint8_t stream[64 * 384], chunk[256];
	static struct tdcs tdcs;

	(void)state;
	for (unsigned calls = 0; calls <= 60; calls++) {
		size_t len = 0;
		uint8_t want[48];

		memset(stream, 0, sizeof(stream));
		tdcs_mrtd_init(&tdcs);
		for (uint64_t i = 0, at = 0; i < calls; i++, at += 256) {
			bool add = i * i % 5 == 1;

			memcpy(stream + len, add ? "MEM.PAGE.ADD" : "MR.EXTEND\0\0\0", 12);
			memcpy(stream + len + 16, &at, 8);
			len += 128;
			if (add) {
				tdcs_mrtd_page_add(&tdcs, gpa(at));
				continue;
			}
			memset(chunk, (int)i, sizeof(chunk));
			memcpy(stream + len, chunk, sizeof(chunk));
			len += sizeof(chunk);
			tdcs_mrtd_extend(&tdcs, gpa(at), chunk);
		}
		tdcs_mrtd_finalize(&tdcs);
		EVP_Digest(stream, len, want, NULL, EVP_sha384(), NULL);
		assert_memory_equal(tdcs.mrtd, want, sizeof(want));
	}
}

static void a_tdcs_can_be_moved_while_its_td_is_built(void **state)
{
	static struct tdcs a, b, moved;

	(void)state;
	tdcs_mrtd_init(&a);
	tdcs_mrtd_page_add(&a, gpa(0x1000));
	moved = a;
	memset(&a, 0x55, sizeof(a));
	tdcs_mrtd_page_add(&moved, gpa(0x2000));
	tdcs_mrtd_finalize(&moved);

	tdcs_mrtd_init(&b);
	tdcs_mrtd_page_add(&b, gpa(0x1000));
	tdcs_mrtd_page_add(&b, gpa(0x2000));
	tdcs_mrtd_finalize(&b);
	assert_memory_equal(moved.mrtd, b.mrtd, sizeof(b.mrtd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mrtd_of_two_pages_is_the_hash_of_their_blocks),
		cmocka_unit_test(mrtd_does_not_depend_on_where_the_build_ends),
		cmocka_unit_test(a_tdcs_can_be_moved_while_its_td_is_built),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
