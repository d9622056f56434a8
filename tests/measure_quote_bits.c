/* SPDX-License-Identifier: MIT */
/* Every bit of a quote, flipped: none may go unnoticed. A program of its own because it takes tens
 * of thousands of verifications. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/attest.h>

#include "recorded_report.h"

#define NOW 1800000000ll

static struct quote_service *service;
static uint8_t *quote; /* heap memory of exactly the quote's length */
static size_t quote_len;

static int set_up(void **state)
{
	uint8_t bytes[1024], out[QUOTE_MAX];
	struct attest_error err;
	struct tdx_report report;

	(void)state;
	recorded_report(bytes);
	if (quote_service_create(NOW, &service) ||
	    tdreport_parse(bytes, sizeof(bytes), &report, &err) ||
	    quote_service_sign(service, &report, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE, out,
			       sizeof(out), &quote_len, &err))
		return -1;
	quote = malloc(quote_len);
	memcpy(quote, out, quote_len);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(quote);
	quote_service_free(service);
	return 0;
}

static bool verifies(void)
{
	struct attest_error err;
	struct tdx_quote q;
	size_t root_len;
	const char *root = quote_service_root(service, &root_len);

	return !quote_parse(quote, quote_len, &q, &err) &&
	       !quote_verify(&q, root, root_len, NOW, &err);
}

static void no_bit_of_a_quote_may_change(void **state)
{
	(void)state;
	assert_true(verifies());
	for (size_t bit = 0; bit < 8 * quote_len; bit++) {
		quote[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (verifies())
			fail_msg("bit %zu of byte %zu changes nothing", bit % 8, bit / 8);
		quote[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(verifies());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_bit_of_a_quote_may_change),
	};

	return cmocka_run_group_tests_name("measure: quote bits", tests, set_up, tear_down);
}
