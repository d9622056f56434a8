/* SPDX-License-Identifier: MIT */
/* swtdx eventlog: what a boot wrote down, what registers that makes, and where it and the registers
 * part. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/attest.h>
#include <swtdx/eventlog.h>

#include "tools/evidence.h"
#include "tools/hex.h"
#include "tools/json_print.h"
#include "tools/options.h"
#include "tools/verbs.h"

#define VERB	  "swtdx eventlog"
#define HASH_TEXT (2 * TDX_EVENTLOG_DIGEST_MAX + 1)
#define REG_TEXT  16

struct request {
	bool replay, json;
	const char *path, *against;
	json_t *out; /* what --json prints; NULL: text */
	int status;
};

static const char *shown(const char *path)
{
	return strcmp(path, "-") ? path : "<stdin>";
}

static int complain(const char *path, const char *why, int status)
{
	fprintf(stderr, VERB ": %s: %s\n", shown(path), why);
	return status;
}

static json_t *text_json(const char *s)
{
	json_t *j = json_string(s);

	return j ? j : json_string("(not UTF-8)");
}

static const char *type_text(uint32_t type, char buf[REG_TEXT])
{
	const char *name = tdx_eventlog_type_name(type);

	if (!name)
		snprintf(buf, REG_TEXT, "0x%08" PRIx32, type);
	return name ? name : buf;
}

static const char *check_text(enum tdx_eventlog_check check)
{
	switch (check) {
	case TDX_EVENTLOG_UNKNOWN:
		return "unknown";
	case TDX_EVENTLOG_MATCHES:
		return "matches";
	case TDX_EVENTLOG_DIFFERS:
		return "differs";
	}
	return "unknown";
}

/* One event, in the words that text and JSON share. */
struct row {
	size_t index;
	char reg[REG_TEXT], type[40], hash[HASH_TEXT], what[TDX_EVENTLOG_TEXT];
	enum tdx_eventlog_check check;
};

static void fill_row(const struct tdx_eventlog *log, size_t i, struct row *r)
{
	const struct tdx_eventlog_event *e = &log->event[i];
	char buf[REG_TEXT];

	r->index = i;
	tdx_eventlog_register_name(log->kind, e->reg, r->reg, sizeof(r->reg));
	snprintf(r->type, sizeof(r->type), "%s", type_text(e->type, buf));
	r->hash[0] = 0;
	if (e->hash)
		hex_text(r->hash, e->hash, tdx_eventlog_alg_size(log->bank));
	tdx_eventlog_describe(e, r->what, sizeof(r->what));
	r->check = tdx_eventlog_check(log, e);
}

static void print_row(const struct row *r, const char *mark)
{
	printf("%s%4zu  %-6s %s: %s%s\n", mark, r->index, r->reg, r->type, r->what,
	       r->check == TDX_EVENTLOG_DIFFERS ? " [the digest is not that of this data]" : "");
	if (r->hash[0])
		printf("%s              %s\n", mark, r->hash);
}

static json_t *row_json(const struct row *r)
{
	return json_pack("{s:I,s:s,s:s,s:s,s:s,s:s}", "event", (json_int_t)r->index, "register",
			 r->reg, "type", r->type, "digest", r->hash, "what", r->what, "data",
			 check_text(r->check));
}

/* Every event, with the register's value after it when that is asked for. */
static int show_events(struct request *q, const struct tdx_eventlog *log,
		       struct tdx_eventlog_value value[TDX_EVENTLOG_PCRS])
{
	json_t *events = json_array();
	char text[HASH_TEXT];
	struct row r;
	int rc = 0;

	for (size_t i = 0; i < log->nevents && !rc; i++) {
		const struct tdx_eventlog_event *e = &log->event[i];
		bool extends = tdx_eventlog_extends(log, e);
		json_t *j;

		if (extends)
			rc = tdx_eventlog_extend(log, e, &value[e->reg]);
		fill_row(log, i, &r);
		text[0] = 0;
		if (extends)
			hex_text(text, value[e->reg].b, tdx_eventlog_alg_size(log->bank));
		if (!q->out) {
			print_row(&r, "");
			if (q->replay && extends)
				printf("      %-6s = %s\n", r.reg, text);
			continue;
		}
		j = row_json(&r);
		if (q->replay && extends)
			json_object_set_new(j, "value", json_string(text));
		json_array_append_new(events, j);
	}
	if (q->out)
		json_object_set_new(q->out, "events", events);
	else
		json_decref(events);
	return rc;
}

static void show_registers(struct request *q, const struct tdx_eventlog *log,
			   const struct tdx_eventlog_value value[TDX_EVENTLOG_PCRS])
{
	unsigned first = log->kind == TDX_EVENTLOG_CC ? TDX_EVENTLOG_RTMR0 : 0;
	unsigned end =
		log->kind == TDX_EVENTLOG_CC ? TDX_EVENTLOG_RTMR0 + TDX_RTMRS : TDX_EVENTLOG_PCRS;
	json_t *registers = json_object();
	char text[HASH_TEXT], name[REG_TEXT];

	for (unsigned reg = first; reg < end; reg++) {
		hex_text(text, value[reg].b, tdx_eventlog_alg_size(log->bank));
		tdx_eventlog_register_name(log->kind, reg, name, sizeof(name));
		if (q->out)
			json_object_set_new(registers, name, json_string(text));
		else
			printf("%-10s %s\n", name, text);
	}
	if (q->out)
		json_object_set_new(q->out, "registers", registers);
	else
		json_decref(registers);
}

static void show_head(struct request *q, const struct tdx_eventlog *log, const char *how)
{
	const char *kind = log->kind == TDX_EVENTLOG_CC ? "CC" : "TPM";

	if (q->out) {
		json_object_set_new(q->out, "kind", json_string(kind));
		json_object_set_new(q->out, "wrapped", text_json(how));
		json_object_set_new(q->out, "bank", json_string(tdx_eventlog_alg_name(log->bank)));
		json_object_set_new(q->out, "size", json_integer((json_int_t)log->end));
		return;
	}
	printf("%-10s %s event log, %zu events, %" PRIu64 " bytes, %s%s%s\n", "log", kind,
	       log->nevents, log->end, tdx_eventlog_alg_name(log->bank), how[0] ? ", from " : "",
	       how);
	if (log->kind == TDX_EVENTLOG_TPM)
		printf("%-10s PCRs of a TPM: a TD's quote does not speak for them\n", "registers");
}

static int show(struct request *q, const struct tdx_eventlog *log, const char *how)
{
	struct tdx_eventlog_value value[TDX_EVENTLOG_PCRS];
	int rc;

	for (unsigned reg = 0; reg < TDX_EVENTLOG_PCRS; reg++)
		tdx_eventlog_start(log, reg, &value[reg]);
	show_head(q, log, how);
	/* Against another: the difference is what is asked for. */
	if (!q->against || q->replay) {
		rc = show_events(q, log, value);
		if (rc)
			return complain(q->path, strerror(-rc), VERB_ENVIRONMENT);
		show_registers(q, log, value);
	}
	if (log->stray)
		fprintf(stderr, VERB ": %s: %" PRIu64 " bytes after the last event are no event\n",
			shown(q->path), log->stray);
	return VERB_OK;
}

/* --- against registers --- */

static void print_difference(const struct tdx_eventlog *log, const char *name,
			     const struct tdx_eventlog_difference *d, const char *want)
{
	char replayed[HASH_TEXT];
	struct row r;

	printf("%-10s %s\n", name, d->cause == TDX_EVENTLOG_EQUAL ? "equal" : "DIFFERS");
	if (d->cause == TDX_EVENTLOG_EQUAL)
		return;
	hex_text(replayed, d->replayed.b, tdx_eventlog_alg_size(log->bank));
	printf("  evidence %s\n  replayed %s\n  %s", want, replayed,
	       tdx_eventlog_cause_text(d->cause));
	if (d->event == TDX_EVENTLOG_NONE) {
		putchar('\n');
		return;
	}
	printf(d->cause == TDX_EVENTLOG_UNEXPLAINED
		       ? "; the first whose digest is not that of its data:\n"
		       : ":\n");
	fill_row(log, d->event, &r);
	print_row(&r, "  ");
}

static const char *cause_word(enum tdx_eventlog_cause cause)
{
	static const char *const words[] = {
		[TDX_EVENTLOG_EQUAL] = "equal",
		[TDX_EVENTLOG_CUT_SHORT] = "register-ends-before",
		[TDX_EVENTLOG_NOT_EXTENDED] = "not-extended",
		[TDX_EVENTLOG_TWICE] = "extended-twice",
		[TDX_EVENTLOG_SWAPPED] = "order",
		[TDX_EVENTLOG_DIGEST_OF_DATA] = "digest-changed",
		[TDX_EVENTLOG_SEPARATOR] = "separator-missing",
		[TDX_EVENTLOG_NEVER] = "never-extended",
		[TDX_EVENTLOG_UNLOGGED] = "extended-without-entry",
		[TDX_EVENTLOG_UNEXPLAINED] = "unexplained",
	};

	return words[cause];
}

static json_t *difference_json(const struct tdx_eventlog *log, const char *name,
			       const struct tdx_eventlog_difference *d, const char *want)
{
	char replayed[HASH_TEXT];
	struct row r;
	json_t *j;

	hex_text(replayed, d->replayed.b, tdx_eventlog_alg_size(log->bank));
	j = json_pack("{s:s,s:s,s:s,s:s,s:s}", "register", name, "cause", cause_word(d->cause),
		      "why", tdx_eventlog_cause_text(d->cause), "evidence", want, "replayed",
		      replayed);
	if (d->event != TDX_EVENTLOG_NONE) {
		fill_row(log, d->event, &r);
		json_object_set_new(j, "event", row_json(&r));
	}
	return j;
}

static int against_rtmrs(struct request *q, const struct tdx_eventlog *log,
			 const struct tdx_digest rtmr[TDX_RTMRS], const char *what)
{
	json_t *found = json_array();
	unsigned differ = 0;

	if (log->kind != TDX_EVENTLOG_CC || log->bank != TDX_EVENTLOG_SHA384) {
		json_decref(found);
		return complain(q->path, "not a log of RTMRs: no TD's evidence speaks for it",
				VERB_DIFFERENCE);
	}
	if (!q->out)
		printf("%-10s %s (its own signature is swtdx report's to check)\n", "against",
		       what);
	for (unsigned i = 0; i < TDX_RTMRS; i++) {
		char name[REG_TEXT], want[HASH_TEXT];
		struct tdx_eventlog_difference d;
		int rc = tdx_eventlog_explain(log, TDX_EVENTLOG_RTMR0 + i, rtmr[i].b, &d);

		if (rc) {
			json_decref(found);
			return complain(q->path, strerror(-rc), VERB_ENVIRONMENT);
		}
		differ += d.cause != TDX_EVENTLOG_EQUAL;
		tdx_eventlog_register_name(log->kind, TDX_EVENTLOG_RTMR0 + i, name, sizeof(name));
		hex_text(want, rtmr[i].b, sizeof(rtmr[i].b));
		if (q->out)
			json_array_append_new(found, difference_json(log, name, &d, want));
		else
			print_difference(log, name, &d, want);
	}
	if (q->out) {
		json_object_set_new(q->out, "against", json_string(what));
		json_object_set_new(q->out, "differences", found);
	} else {
		json_decref(found);
		printf("%-10s %s\n", "verdict",
		       differ ? "the log is not what the registers stand for"
			      : "the log replays to all four registers");
	}
	return differ ? VERB_DIFFERENCE : VERB_OK;
}

static int against_report(struct request *q, const struct tdx_eventlog *log,
			  const struct evidence_item *item)
{
	char line[TDX_ATTEST_ERROR_TEXT];
	struct tdx_attest_error err;
	struct tdx_report r;

	if (tdx_report_parse(item->bytes, item->len, &r, &err))
		return complain(q->against, tdx_attest_error_text(&err, line, sizeof(line)),
				VERB_DIFFERENCE);
	return against_rtmrs(q, log, r.td_info.rtmr, "TDREPORT");
}

static int against_quote(struct request *q, const struct tdx_eventlog *log,
			 const struct evidence_item *item)
{
	char line[TDX_ATTEST_ERROR_TEXT];
	struct tdx_attest_error err;
	struct tdx_quote quote;

	if (tdx_quote_frame(item->bytes, item->len, &quote, &err))
		return complain(q->against, tdx_attest_error_text(&err, line, sizeof(line)),
				VERB_DIFFERENCE);
	if (quote.body_type != TDX_QUOTE_BODY_TDX_10 && quote.body_type != TDX_QUOTE_BODY_TDX_15)
		return complain(q->against,
				quote.sgx ? "an SGX enclave's quote has no RTMRs"
					  : "a quote whose body is of an unknown type",
				VERB_DIFFERENCE);
	return against_rtmrs(q, log, quote.body.rtmr, "quote");
}

/* --- against another log --- */

static unsigned show_step(struct request *q, const struct tdx_eventlog *a,
			  const struct tdx_eventlog *b, const struct tdx_eventlog_step *s,
			  json_t *out)
{
	static const char *const word[] = {"same", "changed", "removed", "added"};
	json_t *j = json_pack("{s:s}", "step", word[s->kind]);
	struct row r;

	if (s->kind == TDX_EVENTLOG_SAME) {
		json_decref(j);
		return 0;
	}
	if (!q->out)
		printf("  %s:\n", word[s->kind]);
	if (s->a != TDX_EVENTLOG_NONE) {
		fill_row(a, s->a, &r);
		json_object_set_new(j, "first", row_json(&r));
		if (!q->out)
			print_row(&r, "  - ");
	}
	if (s->b != TDX_EVENTLOG_NONE) {
		fill_row(b, s->b, &r);
		json_object_set_new(j, "second", row_json(&r));
		if (!q->out)
			print_row(&r, "  + ");
	}
	json_array_append_new(out, j);
	return 1;
}

static int against_log(struct request *q, const struct tdx_eventlog *a,
		       const struct tdx_eventlog *b)
{
	json_t *steps_json = json_array();
	unsigned differ = 0;

	if (a->bank != b->bank || a->kind != b->kind) {
		json_decref(steps_json);
		return complain(q->against, "a log of other registers or another digest",
				VERB_DIFFERENCE);
	}
	for (uint32_t reg = 0; reg < TDX_EVENTLOG_PCRS; reg++) {
		struct tdx_eventlog_step *steps;
		char name[REG_TEXT];
		size_t n;
		unsigned here = 0;
		int rc = tdx_eventlog_compare(a, b, reg, &steps, &n);

		if (rc) {
			json_decref(steps_json);
			return complain(q->against, strerror(-rc), VERB_ENVIRONMENT);
		}
		for (size_t i = 0; i < n; i++)
			here += steps[i].kind != TDX_EVENTLOG_SAME;
		tdx_eventlog_register_name(a->kind, reg, name, sizeof(name));
		if (n && !q->out)
			printf("%-10s %s\n", name, here ? "DIFFERS" : "equal");
		for (size_t i = 0; i < n; i++)
			differ += show_step(q, a, b, &steps[i], steps_json);
		free(steps);
	}
	if (q->out) {
		json_object_set_new(q->out, "against", json_string("log"));
		json_object_set_new(q->out, "steps", steps_json);
	} else {
		json_decref(steps_json);
		printf("%-10s %s\n", "verdict",
		       differ ? "the boots differ" : "the boots are the same");
	}
	return differ ? VERB_DIFFERENCE : VERB_OK;
}

static int parse_log(const char *path, const struct evidence_item *item, struct tdx_eventlog *log)
{
	char line[TDX_EVENTLOG_ERROR_TEXT];
	struct tdx_eventlog_error err;
	int rc = tdx_eventlog_parse(item->bytes, item->len, log, &err);

	if (rc == -EINVAL)
		return complain(path, tdx_eventlog_error_text(&err, line, sizeof(line)),
				VERB_DIFFERENCE);
	return rc ? complain(path, strerror(-rc), VERB_ENVIRONMENT) : VERB_OK;
}

/* Registers are worth more than another log: of a bundle with both they are taken. */
static int against(struct request *q, const struct tdx_eventlog *log, const struct evidence *e)
{
	const struct evidence_item *item = evidence_find(e, EVIDENCE_QUOTE);
	struct tdx_eventlog other;
	int rc;

	if (item)
		return against_quote(q, log, item);
	item = evidence_find(e, EVIDENCE_REPORT);
	if (item)
		return against_report(q, log, item);
	item = evidence_find(e, EVIDENCE_LOG);
	if (!item)
		return complain(q->against, "neither a quote, a TDREPORT nor an event log",
				VERB_DIFFERENCE);
	rc = parse_log(q->against, item, &other);
	if (rc)
		return rc;
	rc = against_log(q, log, &other);
	tdx_eventlog_free(&other);
	return rc;
}

static int hold_against(struct request *q, const struct tdx_eventlog *log)
{
	struct evidence e;
	int rc = evidence_read(q->against, &e);

	if (rc)
		return complain(q->against, strerror(-rc), VERB_ENVIRONMENT);
	rc = against(q, log, &e);
	evidence_free(&e);
	return rc;
}

static int run(struct request *q, const struct evidence *e)
{
	const struct evidence_item *item = evidence_find(e, EVIDENCE_LOG);
	struct tdx_eventlog log;
	int rc;

	if (!item && e->note[0])
		return complain(q->path, e->note, VERB_DIFFERENCE);
	if (!item)
		return complain(q->path,
				e->n ? "it has evidence, but no event log"
				     : "not an event log in any form known (CCEL data, a TPM's "
				       "log, JSON, hexadecimal, base64)",
				VERB_DIFFERENCE);
	rc = parse_log(q->path, item, &log);
	if (rc)
		return rc;
	rc = show(q, &log, item->how);
	if (!rc && q->against)
		rc = hold_against(q, &log);
	tdx_eventlog_free(&log);
	return rc;
}

static int eventlog(struct request *q)
{
	struct evidence e;
	int rc = evidence_read(q->path, &e);

	if (rc)
		return complain(q->path, strerror(-rc), VERB_ENVIRONMENT);
	if (q->json)
		q->out = json_pack("{s:s,s:o}", "schema", "swtdx.eventlog/1", "file",
				   text_json(shown(q->path)));
	rc = run(q, &e);
	evidence_free(&e);
	if (!q->out || !json_object_get(q->out, "kind"))
		json_decref(q->out);
	else if (json_print(stdout, q->out, JSON_INDENT(2) | JSON_PRESERVE_ORDER))
		rc = VERB_ENVIRONMENT;
	return rc;
}

int verb_eventlog(int argc, char **argv)
{
	struct request q = {0};
	const struct verb_option options[] = {
		OPTION_FLAG("replay", &q.replay, "print the register's value after each event"),
		OPTION_TEXT("against", "FILE", &q.against,
			    "a quote or a TDREPORT: say which register differs from the log, and "
			    "the first event that explains it; another log: say where the two "
			    "boots differ"),
		OPTION_FLAG("json", &q.json, "the same content as JSON"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"eventlog", "[--replay] [--against FILE] [--json] FILE",
		"Prints an event log and the RTMRs it replays to: the data of the ACPI table CCEL, "
		"a TPM's log, a bundle with either (- is standard input).",
		NULL, options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (argc != 1)
		return options_wrong(&usage, "one FILE is needed");
	if (q.against && !strcmp(q.against, "-") && !strcmp(argv[0], "-"))
		return options_wrong(&usage, "standard input can be one of the two");
	q.path = argv[0];
	return eventlog(&q);
}
