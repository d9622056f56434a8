/* SPDX-License-Identifier: MIT */
/* Collateral: of our own making, with each thing wrong that can be; and Intel's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/collateral.h>

#include "group.h"
#include "recorded_report.h"
#include "samples.h"

#define KEY SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE
#define NOW 1800000000ll
#define DAY 86400ll

static struct tdx_quote_service *service;
static struct tdx_report report;
static struct tdx_attest_error err;
static struct tdx_collateral_verdict verdict;

static int set_up(void **state)
{
	uint8_t bytes[1024];

	(void)state;
	recorded_report(bytes);
	return tdx_quote_service_create(NOW, &service) ||
	       tdx_report_parse(bytes, sizeof(bytes), &report, &err);
}

static int tear_down(void **state)
{
	(void)state;
	tdx_quote_service_free(service);
	return 0;
}

static struct tdx_collateral *collect(const struct tdx_quote_files *f, const char *without)
{
	struct tdx_collateral *c;

	assert_int_equal(tdx_collateral_create(&c), 0);
	for (unsigned i = 0; i < f->n; i++)
		if (strcmp(f->file[i].name, without) && strcmp(f->file[i].name, "rootCa.der") &&
		    strcmp(f->file[i].name, "collateral.json"))
			assert_int_equal(tdx_collateral_add(c, f->file[i].data, f->file[i].len), 0);
	return c;
}

/* A quote of a version, judged at a time; quote and collateral with their faults. */
static int judge_with(const struct tdx_collateral *c, unsigned version, const struct tdx_report *r,
		      int64_t now)
{
	uint8_t bytes[TDX_QUOTE_MAX];
	struct tdx_quote q;
	size_t len, root_len;
	const char *root = tdx_quote_service_root(service, &root_len);
	int rc;

	assert_int_equal(tdx_quote_service_sign_as(service, version, r, KEY, bytes, sizeof(bytes),
						   &len, &err),
			 0);
	assert_int_equal(tdx_quote_parse(bytes, len, &q, &err), 0);
	rc = tdx_quote_verify(&q, root, root_len, now, &err);
	return rc ? rc : tdx_collateral_verify(c, &q, root, root_len, now, &verdict, &err);
}

static int judge(enum tdx_quote_fault fault, const char *without, unsigned version, int64_t now)
{
	struct tdx_quote_files files;
	struct tdx_collateral *c;
	int rc;

	assert_int_equal(tdx_quote_service_collateral(service, fault, NOW, &files), 0);
	c = collect(&files, without);
	rc = judge_with(c, version, &report, now);
	tdx_collateral_free(c);
	tdx_quote_files_free(&files);
	return rc;
}

static void our_quotes_are_up_to_date(void **state)
{
	(void)state;
	for (unsigned version = 4; version <= 5; version++) {
		assert_int_equal(judge(TDX_QUOTE_FAULT_NONE, "", version, NOW), 0);
		assert_int_equal(verdict.status, TDX_TCB_UP_TO_DATE);
		assert_true(verdict.platform.found && verdict.module.found && verdict.qe.found);
		assert_string_equal(verdict.fmspc, "737774647800");
		assert_int_equal(verdict.nadvisories, 0);
	}
}

static void each_fault_is_refused_for_what_it_is(void **state)
{
	static const enum tdx_attest_fault expected[TDX_QUOTE_FAULTS] = {
		[TDX_QUOTE_FAULT_REVOKED] = TDX_ATTEST_COLLATERAL_REVOKED,
		[TDX_QUOTE_FAULT_REVOKED_CA] = TDX_ATTEST_COLLATERAL_REVOKED,
		[TDX_QUOTE_FAULT_EXPIRED] = TDX_ATTEST_COLLATERAL_TIME,
		[TDX_QUOTE_FAULT_WRONG_FMSPC] = TDX_ATTEST_COLLATERAL_FMSPC,
		[TDX_QUOTE_FAULT_WRONG_IDENTITY] = TDX_ATTEST_COLLATERAL_QE,
		[TDX_QUOTE_FAULT_BAD_SIGNATURE] = TDX_ATTEST_COLLATERAL_SIGNATURE,
	};
	char line[TDX_ATTEST_ERROR_TEXT];

	(void)state;
	for (unsigned f = 0; f < TDX_QUOTE_FAULTS; f++) {
		assert_non_null(tdx_quote_fault_name(f));
		if (expected[f] == TDX_ATTEST_OK)
			continue;
		assert_int_equal(judge((enum tdx_quote_fault)f, "", 4, NOW), -EBADMSG);
		assert_int_equal(err.fault, expected[f]);
		assert_non_null(
			strstr(tdx_attest_error_text(&err, line, sizeof(line)), "collateral: "));
	}
	assert_null(tdx_quote_fault_name(TDX_QUOTE_FAULTS));
}

/* Each status that a platform's level can have is the verdict, and its advisories come along. */
static void a_platform_behind_is_a_verdict_with_its_advisories(void **state)
{
	static const struct {
		enum tdx_quote_fault fault;
		enum tdx_tcb_status status;
	} levels[] = {
		{TDX_QUOTE_FAULT_SW_HARDENING_NEEDED, TDX_TCB_SW_HARDENING_NEEDED},
		{TDX_QUOTE_FAULT_CONFIGURATION_NEEDED, TDX_TCB_CONFIGURATION_NEEDED},
		{TDX_QUOTE_FAULT_CONFIGURATION_AND_SW_HARDENING_NEEDED,
		 TDX_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED},
		{TDX_QUOTE_FAULT_OUT_OF_DATE, TDX_TCB_OUT_OF_DATE},
		{TDX_QUOTE_FAULT_OUT_OF_DATE_CONFIGURATION_NEEDED,
		 TDX_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED},
		{TDX_QUOTE_FAULT_REVOKED_TCB, TDX_TCB_REVOKED},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		for (unsigned version = 4; version <= 5; version++) {
			assert_int_equal(judge(levels[i].fault, "", version, NOW), 0);
			assert_int_equal(verdict.status, levels[i].status);
			assert_int_equal(verdict.platform.status, levels[i].status);
			assert_int_equal(verdict.module.status, TDX_TCB_UP_TO_DATE);
			assert_int_equal(verdict.qe.status, TDX_TCB_UP_TO_DATE);
			assert_int_equal(verdict.nadvisories, 1);
			assert_string_equal(verdict.advisory[0], "SWTDX-SA-00001");
		}
}

static void an_old_qe_makes_the_whole_out_of_date(void **state)
{
	(void)state;
	assert_int_equal(judge(TDX_QUOTE_FAULT_OLD_QE, "", 4, NOW), 0);
	assert_int_equal(verdict.qe.status, TDX_TCB_OUT_OF_DATE);
	assert_int_equal(verdict.platform.status, TDX_TCB_UP_TO_DATE);
	assert_int_equal(verdict.status, TDX_TCB_OUT_OF_DATE);
}

/* A status that a later issuer invents is said to be unknown, and is not taken for a good one. */
static void every_status_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned a = 0; a <= TDX_TCB_UNKNOWN; a++)
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(tdx_tcb_status_name(a), tdx_tcb_status_name(b));
	assert_string_equal(tdx_tcb_status_name(TDX_TCB_UNKNOWN + 1), "Unknown");
}

/* The report has the version of the module that started the TD, and that of the module now. */
static void a_td_under_an_updated_module_is_advised_to_start_again(void **state)
{
	struct tdx_report r = report;
	struct tdx_quote_files files;
	struct tdx_collateral *c;

	(void)state;
	assert_int_equal(
		tdx_quote_service_collateral(service, TDX_QUOTE_FAULT_OLD_MODULE, NOW, &files), 0);
	c = collect(&files, "");
	memcpy(r.tee_tcb_info.tee_tcb_svn2, r.tee_tcb_info.tee_tcb_svn, 16);
	assert_int_equal(tdx_report_seal(&r, KEY), 0);
	assert_int_equal(judge_with(c, 5, &r, NOW), 0);
	assert_int_equal(verdict.status, TDX_TCB_OUT_OF_DATE);
	assert_int_equal(verdict.platform.status, TDX_TCB_UP_TO_DATE);
	assert_int_equal(verdict.module.status, TDX_TCB_OUT_OF_DATE);
	r.tee_tcb_info.tee_tcb_svn2[0] = 255;
	assert_int_equal(tdx_report_seal(&r, KEY), 0);
	assert_int_equal(judge_with(c, 5, &r, NOW), 0);
	assert_int_equal(verdict.status, TDX_TCB_RELAUNCH_ADVISED);
	/* Version 4 does not say what the module is now. */
	assert_int_equal(judge_with(c, 4, &r, NOW), 0);
	assert_int_equal(verdict.status, TDX_TCB_OUT_OF_DATE);
	tdx_collateral_free(c);
	tdx_quote_files_free(&files);
}

static void an_expired_leaf_is_the_quotes_own_fault(void **state)
{
	struct tdx_quote_service *with;
	uint8_t bytes[TDX_QUOTE_MAX];
	struct tdx_quote q;
	size_t len, root_len;
	const char *root = tdx_quote_service_root(service, &root_len);

	(void)state;
	assert_int_equal(tdx_quote_service_with(service, TDX_QUOTE_FAULT_EXPIRED_PCK, NOW, &with),
			 0);
	assert_int_equal(
		tdx_quote_service_sign(with, &report, KEY, bytes, sizeof(bytes), &len, &err), 0);
	assert_int_equal(tdx_quote_parse(bytes, len, &q, &err), 0);
	assert_int_equal(tdx_quote_verify(&q, root, root_len, NOW, &err), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_QUOTE_CHAIN_INVALID);
	assert_non_null(strstr(err.why, "expired"));
	tdx_quote_service_free(with);
}

static void no_piece_may_be_missing(void **state)
{
	static const char *const pieces[] = {"tcbInfo.json", "qeIdentity.json", "rootCaCrl.der",
					     "pckCrl.der", "tcbSignChain.pem"};

	(void)state;
	for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		assert_int_equal(judge(TDX_QUOTE_FAULT_NONE, pieces[i], 4, NOW), -EBADMSG);
		assert_int_equal(err.fault, TDX_ATTEST_COLLATERAL_MISSING);
	}
	/* The others are in the quote, or are the root. */
	assert_int_equal(judge(TDX_QUOTE_FAULT_NONE, "pckCrlChain.pem", 4, NOW), 0);
}

static void it_holds_for_its_time_only(void **state)
{
	(void)state;
	assert_int_equal(judge(TDX_QUOTE_FAULT_NONE, "", 4, NOW + 29 * DAY), 0);
	assert_int_equal(judge(TDX_QUOTE_FAULT_NONE, "", 4, NOW + 31 * DAY), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_COLLATERAL_TIME);
}

static void all_of_it_in_one_object_is_the_same(void **state)
{
	struct tdx_quote_files files;
	struct tdx_collateral *c;

	(void)state;
	assert_int_equal(tdx_quote_service_collateral(service, TDX_QUOTE_FAULT_NONE, NOW, &files),
			 0);
	assert_int_equal(tdx_collateral_create(&c), 0);
	for (unsigned i = 0; i < files.n; i++)
		if (!strcmp(files.file[i].name, "collateral.json"))
			assert_int_equal(
				tdx_collateral_add(c, files.file[i].data, files.file[i].len), 0);
	assert_int_equal(judge_with(c, 5, &report, NOW), 0);
	assert_int_equal(verdict.status, TDX_TCB_UP_TO_DATE);
	assert_int_equal(tdx_collateral_add(c, "no collateral", 13), -EINVAL);
	assert_int_equal(tdx_collateral_add(c, "{\"a\":1}", 7), -EINVAL);
	assert_int_equal(tdx_collateral_add(c, "", 0), -EINVAL);
	tdx_collateral_free(c);
	tdx_quote_files_free(&files);
}

/* A byte of a signed statement or of a list may not change. */
static void no_byte_of_a_piece_may_change(void **state)
{
	static const char *const pieces[] = {"tcbInfo.json", "qeIdentity.json", "rootCaCrl.der",
					     "pckCrl.der"};
	struct tdx_quote_files files;

	(void)state;
	assert_int_equal(tdx_quote_service_collateral(service, TDX_QUOTE_FAULT_NONE, NOW, &files),
			 0);
	for (unsigned k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++)
		for (unsigned i = 0; i < files.n; i++) {
			if (strcmp(files.file[i].name, pieces[k]))
				continue;
			for (size_t at = 0; at < files.file[i].len; at += 23) {
				struct tdx_collateral *c = collect(&files, pieces[k]);

				files.file[i].data[at] ^= 1;
				(void)tdx_collateral_add(c, files.file[i].data, files.file[i].len);
				assert_int_equal(judge_with(c, 4, &report, NOW), -EBADMSG);
				files.file[i].data[at] ^= 1;
				tdx_collateral_free(c);
			}
		}
	tdx_quote_files_free(&files);
}

/* A report whose module is of another signer, or of a generation without an identity. */
static void another_module_is_refused(void **state)
{
	struct tdx_report other = report;
	struct tdx_quote_files files;
	struct tdx_collateral *c;

	(void)state;
	assert_int_equal(tdx_quote_service_collateral(service, TDX_QUOTE_FAULT_NONE, NOW, &files),
			 0);
	c = collect(&files, "");
	other.tee_tcb_info.mrsignerseam.b[5] = 1;
	assert_int_equal(tdx_report_seal(&other, KEY), 0);
	assert_int_equal(judge_with(c, 4, &other, NOW), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_COLLATERAL_MODULE);
	other = report;
	other.tee_tcb_info.tee_tcb_svn[1] = 9;
	assert_int_equal(tdx_report_seal(&other, KEY), 0);
	assert_int_equal(judge_with(c, 4, &other, NOW), -EBADMSG);
	assert_int_equal(err.fault, TDX_ATTEST_COLLATERAL_MODULE);
	tdx_collateral_free(c);
	tdx_quote_files_free(&files);
}

/* --- the protocol of the quote generation service --- */

static void put(uint8_t *p, unsigned width, size_t v)
{
	for (unsigned i = 0; i < width; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static unsigned get(const uint8_t *p)
{
	return (unsigned)(p[0] | p[1] << 8 | p[2] << 16) | (unsigned)p[3] << 24;
}

static size_t request(uint8_t *msg)
{
	memset(msg, 0, 24 + 1024 + 16);
	put(msg, 2, 1);
	put(msg + 2, 2, 1);
	put(msg + 8, 4, 24 + 1024);
	put(msg + 16, 4, 1024);
	memcpy(msg + 24, &report, 1024);
	return 24 + 1024;
}

static unsigned answered(const uint8_t *msg, size_t len, uint8_t *out, size_t *n)
{
	uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, msg, len);
	assert_int_equal(
		tdx_quote_service_answer(service, 5, KEY, copy, len, out, TDX_QUOTE_MAX + 64, n),
		0);
	free(copy);
	assert_int_equal(get(out + 8), *n);
	assert_int_equal(out[0], 1);
	return get(out + 12);
}

static void a_request_is_answered_with_a_quote(void **state)
{
	uint8_t msg[2048], out[TDX_QUOTE_MAX + 64];
	struct tdx_quote q;
	size_t len = request(msg), n, root_len;
	const char *root = tdx_quote_service_root(service, &root_len);

	(void)state;
	assert_int_equal(answered(msg, len, out, &n), 0);
	assert_int_equal(get(out + 4), 1);
	assert_int_equal(get(out + 20), n - 24);
	assert_int_equal(tdx_quote_parse(out + 24, n - 24, &q, &err), 0);
	assert_int_equal(q.version, 5);
	assert_int_equal(tdx_quote_verify(&q, root, root_len, NOW, &err), 0);
	/* A list of QE ids may follow. */
	put(msg + 8, 4, len + 16);
	put(msg + 20, 4, 16);
	assert_int_equal(answered(msg, len + 16, out, &n), 0);
}

static void requests_that_are_none_are_answered_with_why(void **state)
{
	uint8_t msg[2048], out[TDX_QUOTE_MAX + 64];
	size_t len = request(msg), n;

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(answered(msg, cut, out, &n), 0x12007);
		assert_int_equal(n, 24);
	}
	msg[0] = 2;
	assert_int_equal(answered(msg, len, out, &n), 0x12005);
	request(msg);
	msg[4] = 2;
	assert_int_equal(answered(msg, len, out, &n), 0x12006);
	assert_int_equal(get(out + 4), 3);
	request(msg);
	put(msg + 16, 4, 0xffffffff);
	assert_int_equal(answered(msg, len, out, &n), 0x12007);
	request(msg);
	msg[24 + 300] ^= 1;
	assert_int_equal(answered(msg, len, out, &n), 0x12002);
	request(msg);
	assert_int_equal(tdx_quote_service_answer(service, 4, KEY, msg, len, out, 1000, &n),
			 -ENOSPC);
}

/* --- Intel's --- */

static void published_collateral_judges_published_quotes(void **state)
{
	static const struct {
		const char *quote, *collateral;
		int64_t now;
		int rc;
	} cases[] = {
		{"c42f9164", "b0a5f5fd", 1750400000, 0},
		{"4c453ea4", "05e91466", 1771500000, -EBADMSG}, /* below every level */
	};
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sample quote, col, root;
		struct tdx_collateral *c;
		struct tdx_quote q;

		if (!sample_find("Intel SGX Root CA in PEM", "7d4e649f", &root))
			continue;
		if (!sample_find("dcap-qvl quote", cases[i].quote, &quote))
			continue;
		if (!sample_find("dcap-qvl collateral", cases[i].collateral, &col))
			continue;
		found++;
		assert_int_equal(tdx_collateral_create(&c), 0);
		assert_int_equal(tdx_collateral_add(c, col.bytes, col.len), 0);
		assert_int_equal(tdx_quote_parse(quote.bytes,
						 tdx_quote_length(quote.bytes, quote.len), &q,
						 &err),
				 0);
		assert_int_equal(
			tdx_quote_verify(&q, (char *)root.bytes, root.len, cases[i].now, &err), 0);
		assert_int_equal(tdx_collateral_verify(c, &q, (char *)root.bytes, root.len,
						       cases[i].now, &verdict, &err),
				 cases[i].rc);
		if (cases[i].rc)
			assert_int_equal(err.fault, TDX_ATTEST_COLLATERAL_LEVEL);
		else
			assert_int_equal(verdict.status, TDX_TCB_UP_TO_DATE);
		tdx_collateral_free(c);
		free(col.bytes);
		free(quote.bytes);
		free(root.bytes);
	}
	if (!found)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_quotes_are_up_to_date),
		cmocka_unit_test(each_fault_is_refused_for_what_it_is),
		cmocka_unit_test(a_platform_behind_is_a_verdict_with_its_advisories),
		cmocka_unit_test(an_old_qe_makes_the_whole_out_of_date),
		cmocka_unit_test(every_status_has_a_name_of_its_own),
		cmocka_unit_test(a_td_under_an_updated_module_is_advised_to_start_again),
		cmocka_unit_test(an_expired_leaf_is_the_quotes_own_fault),
		cmocka_unit_test(no_piece_may_be_missing),
		cmocka_unit_test(it_holds_for_its_time_only),
		cmocka_unit_test(all_of_it_in_one_object_is_the_same),
		cmocka_unit_test(no_byte_of_a_piece_may_change),
		cmocka_unit_test(another_module_is_refused),
		cmocka_unit_test(a_request_is_answered_with_a_quote),
		cmocka_unit_test(requests_that_are_none_are_answered_with_why),
		cmocka_unit_test(published_collateral_judges_published_quotes),
	};

	return RUN_GROUP(tests, set_up, tear_down);
}
