/* SPDX-License-Identifier: MIT */
/* A message whose state waits in memory has OpenSSL's ciphertext and tag, whatever pieces it comes
 * in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "module/gcm.h"

enum { PAGES = 3, SIZE = PAGES * 4096 };

static void fill(void *to, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = (uint8_t)(seed = (seed * 1103515245u + 12345u) >> 3);
}

static void a_message_in_pieces_is_that_of_openssl(void **state)
{
	static uint8_t plain[SIZE], sealed[SIZE], again[SIZE], opened[SIZE];
	static const size_t lengths[] = {0, 8, 16, 31, 32, 48};
	struct lp *lp = calloc(1, sizeof(*lp));

	assert_non_null(lp);
	assert_true(gcm_contexts_new(lp));
	for (unsigned n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++) {
		uint8_t iv[GCM_IV_SIZE], aad[48], tag[GCM_TAG_SIZE], own[GCM_TAG_SIZE];
		struct gcm_message m;
		struct gcm_key key;
		struct gcm g;

		fill(&key, sizeof(key), n);
		fill(iv, sizeof(iv), n + 1);
		fill(aad, sizeof(aad), n + 2);
		fill(plain, sizeof(plain), n + 3);
		g = gcm_begin(lp, &key, true);
		gcm_next(&g, iv, aad, lengths[n]);
		gcm_text(&g, plain, sealed, sizeof(plain));
		gcm_tag(&g, tag);

		gcm_message_begin(&m, lp, &key, iv, aad, lengths[n]);
		for (unsigned p = 0; p < PAGES; p++)
			gcm_message_seal(&m, lp, plain + 4096 * p, again + 4096 * p, 4096);
		gcm_message_tag(&m, lp, own);
		assert_memory_equal(sealed, again, sizeof(sealed));
		assert_memory_equal(tag, own, sizeof(tag));

		gcm_message_begin(&m, lp, &key, iv, aad, lengths[n]);
		gcm_message_open(&m, lp, sealed, opened, sizeof(sealed));
		gcm_message_tag(&m, lp, own);
		assert_memory_equal(opened, plain, sizeof(plain));
		assert_memory_equal(tag, own, sizeof(tag));

		g = gcm_begin(lp, &key, false);
		gcm_next(&g, iv, aad, lengths[n]);
		gcm_text(&g, sealed, opened, sizeof(sealed));
		assert_true(gcm_tag_is(&g, tag));
		assert_memory_equal(opened, plain, sizeof(plain));
		tag[n] ^= 1;
		gcm_next(&g, iv, aad, lengths[n]);
		gcm_text(&g, sealed, opened, sizeof(sealed));
		assert_false(gcm_tag_is(&g, tag));
	}
	gcm_contexts_free(lp);
	free(lp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_in_pieces_is_that_of_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
