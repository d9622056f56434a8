/* SPDX-License-Identifier: MIT */
/* swtdx report: what a TDREPORT or a quote says, and whether it may be believed. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <swtdx/attest.h>
#include <swtdx/collateral.h>

#include "tools/collateral_dir.h"
#include "tools/evidence.h"
#include "tools/file.h"
#include "tools/hex.h"
#include "tools/json_print.h"
#include "tools/options.h"
#include "tools/quote_state.h"
#include "tools/root_file.h"
#include "tools/verbs.h"

struct options {
	const char *root;
	const char *state;
	const char *collateral;
	uint64_t time; /* 0: now */
	bool verify;
	bool json;
};

/* What is known about the input by the time it is printed. */
struct subject {
	const char *kind;
	const char *name;
	const char *how; /* what it was unwrapped from */
	const uint8_t *bytes;
	size_t len;
	const struct tdx_attest_field *fields;
	struct tdx_attest_field quote_field[TDX_QUOTE_FIELDS_MAX];
	size_t nr_fields;
	bool simulated, debug;
	char note[128];	     /* of a quote: its body, its certification data */
	const char *verdict; /* "verified", "refused", "not checked" */
	char why[TDX_ATTEST_ERROR_TEXT];
	bool judged; /* by collateral: */
	struct tdx_collateral_verdict tcb;
};

#define MAX_FIELD 64

static void field_text(char *out, const uint8_t *bytes, const struct tdx_attest_field *f)
{
	uint64_t v = 0;

	if (!f->word) {
		hex_text(out, bytes + f->offset, f->size);
		return;
	}
	for (unsigned i = f->size; i-- > 0;)
		v = v << 8 | bytes[f->offset + i];
	snprintf(out, 2 * MAX_FIELD + 1, "0x%" PRIx64, v);
}

/* The names of the bits of ATTRIBUTES that are set, which decide about trust. */
static json_t *attribute_names(const struct subject *e)
{
	json_t *names = json_array();

	for (size_t i = 0; i < e->nr_fields; i++) {
		const uint8_t *p = e->bytes + e->fields[i].offset;

		if (strcmp(e->fields[i].name, "attributes") != 0)
			continue;
		for (unsigned bit = 0; bit < 64; bit++) {
			const char *name = tdx_attribute_name(bit);

			if (!(p[bit / 8] >> bit % 8 & 1))
				continue;
			json_array_append_new(names, name ? json_string(name)
							  : json_sprintf("bit %u", bit));
		}
	}
	return names;
}

static void print_names(const json_t *names)
{
	const char *sep = " (";
	size_t i;
	json_t *name;

	json_array_foreach(names, i, name)
	{
		printf("%s%s", sep, json_string_value(name));
		sep = ", ";
	}
	if (json_array_size(names))
		putchar(')');
}

static void print_level(const char *name, const struct tdx_tcb_level *l, const char *id)
{
	if (l->found)
		printf("%-20s %s%s%s, %s\n", name, id, id[0] ? " " : "",
		       tdx_tcb_status_name(l->status), l->date);
}

static void print_tcb(const struct tdx_collateral_verdict *t)
{
	printf("%-20s %s\n", "tcb", tdx_tcb_status_name(t->status));
	print_level("tcb.platform", &t->platform, t->fmspc);
	print_level("tcb.module", &t->module, t->module_id);
	print_level("tcb.qe", &t->qe, "");
	printf("%-20s %s to %s, evaluation %u\n", "tcb.info", t->issued, t->next_update,
	       t->evaluation);
	for (unsigned i = 0; i < t->nadvisories; i++)
		printf("%-20s %s\n", "tcb.advisory", t->advisory[i]);
}

static json_t *level_json(const struct tdx_tcb_level *l, const char *id)
{
	if (!l->found)
		return json_null();
	return json_pack("{s:s,s:s,s:s}", "id", id, "status", tdx_tcb_status_name(l->status),
			 "date", l->date);
}

static json_t *tcb_json(const struct tdx_collateral_verdict *t)
{
	json_t *ids = json_array();

	for (unsigned i = 0; i < t->nadvisories; i++)
		json_array_append_new(ids, json_string(t->advisory[i]));
	return json_pack("{s:s,s:o,s:o,s:o,s:s,s:s,s:i,s:o}", "status",
			 tdx_tcb_status_name(t->status), "platform",
			 level_json(&t->platform, t->fmspc), "module",
			 level_json(&t->module, t->module_id), "qe", level_json(&t->qe, ""),
			 "issued", t->issued, "next_update", t->next_update, "evaluation",
			 (int)t->evaluation, "advisories", ids);
}

#define DEBUG_NOTE "of a debug TD: its host can read and change all of it"

static void print_text(const struct subject *e)
{
	char value[2 * MAX_FIELD + 1];
	json_t *names = attribute_names(e);

	printf("%-20s %s, %zu bytes\n", "kind", e->kind, e->len);
	if (e->how[0])
		printf("%-20s %s\n", "unwrapped from", e->how);
	if (e->note[0])
		printf("%-20s %s\n", "contents", e->note);
	printf("%-20s %s\n", "simulated",
	       e->simulated ? "yes: made by swtdx, not by TDX hardware" : "no mark of swtdx");
	for (size_t i = 0; i < e->nr_fields; i++) {
		field_text(value, e->bytes, &e->fields[i]);
		printf("%-20s %s", e->fields[i].name, value);
		if (!strcmp(e->fields[i].name, "attributes"))
			print_names(names);
		putchar('\n');
	}
	json_decref(names);
	if (e->judged)
		print_tcb(&e->tcb);
	printf("%-20s %s%s%s\n", "verdict", e->verdict, e->why[0] ? ": " : "", e->why);
	if (e->debug)
		printf("%-20s %s\n", "but", DEBUG_NOTE);
}

static int print_json(const struct subject *e)
{
	json_t *fields = json_object();
	char value[2 * MAX_FIELD + 1];
	json_t *name = json_string(e->name), *how = json_string(e->how);
	json_t *root;

	for (size_t i = 0; i < e->nr_fields; i++) {
		field_text(value, e->bytes, &e->fields[i]);
		json_object_set_new(fields, e->fields[i].name, json_string(value));
	}
	root = json_pack("{s:s,s:o,s:s,s:o,s:s,s:I,s:b,s:b,s:o,s:o,s:s,s:s}", "schema",
			 "swtdx.report/1", "file", name ? name : json_string("(not UTF-8)"), "kind",
			 e->kind, "wrapped", how ? how : json_string("(not UTF-8)"), "contents",
			 e->note, "size", (json_int_t)e->len, "simulated", (int)e->simulated,
			 "debug", (int)e->debug, "fields", fields, "attributes", attribute_names(e),
			 "verdict", e->verdict, "why", e->why);
	if (root && e->judged)
		json_object_set_new(root, "tcb", tcb_json(&e->tcb));
	return json_print(stdout, root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
}

static int complain(const char *what, int rc)
{
	fprintf(stderr, "swtdx report: %s: %s\n", what, strerror(-rc));
	return VERB_ENVIRONMENT;
}

/* Whether a check came out one way or the other; anything else is the environment's fault. */
static int judge(struct subject *e, int rc, const struct tdx_attest_error *err)
{
	if (rc && rc != -EBADMSG && !(rc == -EINVAL && err->fault != TDX_ATTEST_OK))
		return complain("verification", rc);
	e->verdict = rc ? "refused" : "verified";
	if (rc)
		tdx_attest_error_text(err, e->why, sizeof(e->why));
	return rc ? VERB_DIFFERENCE : VERB_OK;
}

static int malformed(const char *name, const struct tdx_attest_error *err)
{
	char line[TDX_ATTEST_ERROR_TEXT];

	fprintf(stderr, "swtdx report: %s: %s\n", name,
		tdx_attest_error_text(err, line, sizeof(line)));
	return VERB_DIFFERENCE;
}

static int do_report(const struct options *o, struct subject *e)
{
	struct tdx_attest_error err;
	struct tdx_report r;
	int rc;

	if (tdx_report_parse(e->bytes, e->len, &r, &err))
		return malformed(e->name, &err);
	e->kind = "TDREPORT";
	e->fields = tdx_report_fields(&e->nr_fields);
	e->debug = r.td_info.attributes & TDX_ATTR_DEBUG;
	/* Whose MAC it is says whose report it is. */
	rc = tdx_report_verify(&r, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE, &err);
	e->simulated = rc == 0;
	if (!o->verify)
		return VERB_OK;
	return judge(e, rc, &err);
}

/* The root to trust, in PEM: the file named, or the local test service's. */
static int get_root(const struct options *o, uint8_t **pem, size_t *len)
{
	struct tdx_quote_service *s;
	char path[4096];
	const char *root;
	int rc;

	if (o->root) {
		rc = root_file_read(o->root, pem, len);
		return rc ? complain(o->root, rc) : VERB_OK;
	}
	rc = quote_state_path(o->state, path, sizeof(path));
	if (!rc)
		rc = quote_state_open(path, false, &s);
	if (rc) {
		fprintf(stderr, "swtdx report: no root to verify under: name one with --root, or "
				"decode only with --no-verify\n");
		return VERB_ENVIRONMENT;
	}
	root = tdx_quote_service_root(s, len);
	*pem = malloc(*len + 1);
	if (*pem)
		memcpy(*pem, root, *len + 1);
	tdx_quote_service_free(s);
	return *pem ? VERB_OK : complain("root", -ENOMEM);
}

/* A quote's parts in a line, and what its fields are. */
static void describe_quote(struct subject *e, const struct tdx_quote *q)
{
	e->kind = q->sgx ? "SGX quote" : "quote";
	e->nr_fields = tdx_quote_fields(q, e->quote_field, TDX_QUOTE_FIELDS_MAX);
	e->fields = e->quote_field;
	e->simulated = q->simulated;
	e->debug = !q->sgx && q->body.attributes & TDX_ATTR_DEBUG;
	snprintf(e->note, sizeof(e->note), "version %u, %s%s%s", q->version,
		 tdx_quote_body_type_name(q->body_type), q->cert ? "; " : "",
		 q->cert ? tdx_quote_cert_type_name(q->cert_type) : "");
}

/* A quote without its certificates takes them from the collateral. */
static int verify_under(const struct options *o, struct subject *e, struct tdx_quote *q,
			const struct tdx_collateral *c, const char *root, size_t root_len)
{
	int64_t now = o->time ? (int64_t)o->time : time(NULL);
	struct tdx_attest_error err;
	int rc;

	if (!q->chain && c)
		q->chain = tdx_collateral_pck_chain(c, &q->chain_len);
	rc = tdx_quote_verify(q, root, root_len, now, &err);
	if (rc == -EINVAL && err.fault == TDX_ATTEST_QUOTE_ROOT_FORMAT) {
		fprintf(stderr, "swtdx report: %s: not a certificate in PEM or DER\n", o->root);
		return VERB_ENVIRONMENT;
	}
	if (!rc && c) {
		rc = tdx_collateral_verify(c, q, root, root_len, now, &e->tcb, &err);
		e->judged = !rc;
	}
	return judge(e, rc, &err);
}

static int verify_quote(const struct options *o, struct subject *e, struct tdx_quote *q)
{
	struct tdx_collateral *c = NULL;
	size_t root_len;
	uint8_t *root;
	int rc = get_root(o, &root, &root_len);

	if (rc)
		return rc;
	rc = o->collateral ? collateral_dir_read(o->collateral, &c) : 0;
	if (rc)
		rc = complain(o->collateral, rc);
	else
		rc = verify_under(o, e, q, c, (const char *)root, root_len);
	tdx_collateral_free(c);
	free(root);
	/* A verdict with a platform that is out of date is not one to build on. */
	if (rc == VERB_OK && e->judged && e->tcb.status >= TDX_TCB_RELAUNCH_ADVISED)
		rc = VERB_DIFFERENCE;
	return rc;
}

/* What can be read is shown, though what follows it may be broken. */
static int do_quote(const struct options *o, struct subject *e)
{
	size_t own = tdx_quote_length(e->bytes, e->len);
	struct tdx_attest_error err;
	struct tdx_quote q;

	if (!own || own > e->len)
		own = e->len;
	if (tdx_quote_frame(e->bytes, own, &q, &err))
		return malformed(e->name, &err);
	if (own < e->len)
		fprintf(stderr, "swtdx report: %s: %zu bytes after the quote are ignored\n",
			e->name, e->len - own);
	e->len = own;
	describe_quote(e, &q);
	if (tdx_quote_parse(e->bytes, own, &q, &err))
		return judge(e, -EINVAL, &err);
	describe_quote(e, &q);
	return o->verify ? verify_quote(o, e, &q) : VERB_OK;
}

/* Of a bundle the quote counts: it says what its report says, to everybody. */
static int choose(const struct evidence *e, const char *name, const struct evidence_item **item)
{
	*item = evidence_find(e, EVIDENCE_QUOTE);
	if (!*item)
		*item = evidence_find(e, EVIDENCE_REPORT);
	if (*item)
		return VERB_OK;
	if (e->note[0])
		fprintf(stderr, "swtdx report: %s: %s\n", name, e->note);
	else if (e->n)
		fprintf(stderr, "swtdx report: %s: an event log, which swtdx eventlog reads\n",
			name);
	else
		fprintf(stderr,
			"swtdx report: %s: neither a TDREPORT nor a quote in any form known "
			"(binary, hexadecimal or a dump, base64, JSON, Azure HCL report)\n",
			name);
	return VERB_DIFFERENCE;
}

static int report(const struct options *o, const char *path)
{
	struct subject e = {.verdict = "not checked"};
	const struct evidence_item *item;
	struct evidence all;
	int rc;

	e.name = strcmp(path, "-") ? path : "<stdin>";
	rc = evidence_read(path, &all);
	if (rc)
		return complain(e.name, rc);
	rc = choose(&all, e.name, &item);
	if (rc) {
		evidence_free(&all);
		return rc;
	}
	e.bytes = item->bytes;
	e.len = item->len;
	e.how = item->how;
	rc = item->kind == EVIDENCE_REPORT ? do_report(o, &e) : do_quote(o, &e);
	if (e.kind && rc != VERB_ENVIRONMENT) {
		if (o->json ? print_json(&e) : (print_text(&e), 0))
			rc = VERB_ENVIRONMENT;
	}
	evidence_free(&all);
	return rc;
}

int verb_report(int argc, char **argv)
{
	struct options o = {0};
	bool no_verify = false;
	const struct verb_option options[] = {
		OPTION_TEXT(
			"root", "FILE", &o.root,
			"the root certificate to trust for a quote, PEM or DER; without it, that "
			"of the test quote service"),
		OPTION_TEXT("collateral", "DIR", &o.collateral,
			    "hold a quote against this collateral: TCB info, QE identity, "
			    "revocation lists and their chains, as files of any name"),
		OPTION_NUMBER("time", "SECONDS", &o.time, 1, INT64_MAX,
			      "verify as of then, in seconds since 1970, instead of now"),
		OPTION_TEXT("state", "DIR", &o.state, "where the test quote service is kept"),
		OPTION_FLAG("no-verify", &no_verify, "decode only"),
		OPTION_FLAG("json", &o.json, "the same content as JSON"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"report",
		"[--root FILE] [--collateral DIR] [--time SECONDS] [--state DIR] [--json] FILE\n"
		"--no-verify [--json] FILE",
		"Decodes and verifies a TDREPORT or a quote (- is standard input): binary, in "
		"hexadecimal or base64, in a JSON bundle, an Azure HCL report, or a configfs-tsm "
		"directory.",
		NULL, options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (argc != 1)
		return options_wrong(&usage, "one FILE is needed");
	o.verify = !no_verify;
	return report(&o, argv[0]);
}
