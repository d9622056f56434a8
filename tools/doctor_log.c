/* SPDX-License-Identifier: MIT */
/* What a log says about TDX. Its sentences are in sentence.def; a line is one of them, or a failed
 * call of the module, or nothing about TDX. A line that is about TDX and a failure, and neither of
 * these, is never passed over: it is counted and shown. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/decode.h>
#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "tools/doctor.h"
#include "tools/sentence.h"

/* A host in trouble repeats itself: a pair of call and status, and a sentence, is told once. */
enum { MAX_TOLD = 64, MAX_SENTENCES = 512, SHOWN = 240, SHOWN_UNKNOWN = 120, UNKNOWN_SHOWN = 3 };

struct reader {
	struct tdx_log log;
	doctor_tell *tell;
	void *arg;
	unsigned found, failed, ntold;
	bool enabled, initialized;
	bool cause; /* a line told why the module's initialisation fails */
	struct {
		const struct tdx_leaf_info *leaf;
		bool seamldr;
		uint64_t raw;
		const char *entry; /* what the Secure-EPT entry beside it said */
	} told[MAX_TOLD];
	bool sentence_told[MAX_SENTENCES];
	unsigned unknown;
	char unknown_text[UNKNOWN_SHOWN][SHOWN_UNKNOWN + 1];
};

/* The line as a terminal may get it, cut to its room. */
static void show(char *shown, size_t room, const char *line)
{
	snprintf(shown, room, "%.*s", (int)room - 1, line);
}

static void tell(struct reader *r, const struct finding *f)
{
	r->found++;
	r->failed += f->verdict == VERDICT_FAIL;
	r->tell(r->arg, f);
}

static bool was_told(struct reader *r, const struct tdx_log_note *n, const char *entry)
{
	for (unsigned i = 0; i < r->ntold; i++)
		if (r->told[i].leaf == n->leaf && r->told[i].seamldr == n->seamldr &&
		    r->told[i].raw == n->status.raw && r->told[i].entry == entry)
			return true;
	if (r->ntold < MAX_TOLD) {
		r->told[r->ntold].leaf = n->leaf;
		r->told[r->ntold].seamldr = n->seamldr;
		r->told[r->ntold].entry = entry;
		r->told[r->ntold++].raw = n->status.raw;
	}
	return false;
}

/* A failed call: its status in words, with what the entry beside it adds. */
static bool call_line(struct reader *r, const char *shown, const struct tdx_log_note *n)
{
	struct tdx_explanation e;
	char name[TDX_STATUS_FORMAT_MAX], what[SHOWN + 200];
	struct finding f = {.topic = "call", .what = what};
	const char *entry = tdx_entry_hint(n->status, n->leaf, &n->regs, n->shown);

	if (!n->has_status || tdx_is_success(n->status))
		return false;
	r->cause = true;
	if (was_told(r, n, entry))
		return true;
	if (n->seamldr && !tdx_is_sw_error(n->status)) {
		tdx_explain_seamldr(n->status, &e);
		snprintf(what, sizeof(what),
			 "%s: the P-SEAMLDR, which loads the module, returned %s", shown, e.name);
	} else {
		tdx_explain(n->status, n->leaf, &e);
		snprintf(what, sizeof(what), "%s: %s%s%s", shown, n->leaf ? n->leaf->name : "",
			 n->leaf ? " returned " : "",
			 tdx_status_format(n->status, name, sizeof(name)));
	}
	f.verdict = tdx_is_error(n->status) || n->seamldr || tdx_is_non_recoverable(n->status)
			    ? VERDICT_FAIL
			    : VERDICT_NOTE;
	f.meaning = e.meaning;
	f.hint = entry ? entry : e.hint ? e.hint : tdx_action_advice(e.action);
	tell(r, &f);
	return true;
}

/* The module's version, as in "major_version 1, minor_version 5, build_date 20231008, build_num
 * 595", "Module version: 1.5.06", "TDX module 2.0.08.00, build number 882". */
static unsigned number_after(const char *line, const char *word)
{
	const char *p = strstr(line, word);

	return p ? (unsigned)strtoul(p + strlen(word), NULL, 10) : 0;
}

static void version(struct reader *r, const char *shown, struct finding *f)
{
	unsigned v[3] = {0}, build = number_after(shown, "build_num ");
	const char *p, *fault;

	if (strstr(shown, "major_version")) {
		v[0] = number_after(shown, "major_version ");
		v[1] = number_after(shown, "minor_version ");
	} else if ((p = strpbrk(shown + strcspn(shown, ":"), "0123456789")) ||
		   (p = strpbrk(shown, "0123456789"))) {
		sscanf(p, "%u.%u.%u", &v[0], &v[1], &v[2]);
		build = number_after(shown, "build number ");
	}
	fault = doctor_module_fault(v[0], v[1], v[2], build, &f->hint);
	if (!fault)
		return;
	f->verdict = VERDICT_FAIL;
	f->meaning = fault;
	r->cause |= v[0] < 1 || v[1] < 5;
}

/* Why the module's initialisation failed, when no line before has told. */
static const char *init_errno(int64_t value)
{
	switch (value) {
	case -12: /* ENOMEM */
		return "no piece of memory is large enough for a PAMT (1/256 of a range, in one "
		       "piece): load KVM early, soon after boot, or give the machine more memory";
	case -13: /* EACCES */
		return "SEAMCALL raised #UD: virtualization was not on when it was called";
	case -19: /* ENODEV */
		return "the module is not loaded, or TDX is not enabled: look at the BIOS's SEAM "
		       "loader";
	case -22: /* EINVAL */
		return "the module lacks something that this kernel needs, as NO_RBP_MOD: load a "
		       "newer module";
	case -28: /* ENOSPC */
		return "memory is in too many pieces for the module: look at the memory map at the "
		       "log's start";
	case -95: /* EOPNOTSUPP */
		return "SEAMCALL raised #GP: the BIOS has not enabled SEAM mode";
	default:
		return "no line says which call failed: the log may have lost it; see dmesg as a "
		       "whole";
	}
}

static void init_failed(const struct reader *r, const struct sentence_match *m, struct finding *f)
{
	int64_t value = m->numbers ? (int64_t)m->number[0] : 0;

	f->hint = r->cause ? "the lines before it say why" : init_errno(value);
}

static void sentence_line(struct reader *r, const char *line, const struct sentence_match *m)
{
	static const enum verdict verdicts[] = {[SENTENCE_GOOD] = VERDICT_OK,
						[SENTENCE_INFO] = VERDICT_NOTE,
						[SENTENCE_BAD] = VERDICT_FAIL};
	const struct sentence *s = m->sentence;
	char shown[SHOWN], number[160], what[SHOWN + 170], source[80];
	struct finding f = {.verdict = verdicts[s->kind],
			    .topic = s->topic,
			    .what = what,
			    .meaning = s->meaning,
			    .cause = s->cause,
			    .source = sentence_source(s, source, sizeof(source)),
			    .hint = s->remedy};
	size_t index = (size_t)(s - sentence_at(0));

	show(shown, sizeof(shown), line);
	sentence_number(m, number, sizeof(number));
	snprintf(what, sizeof(what), "%s%s%s", shown, number[0] ? ": " : "", number);
	r->enabled |= s->about == SENTENCE_ENABLED;
	r->initialized |= s->about == SENTENCE_INITIALIZED;
	if (s->about == SENTENCE_VERSION)
		version(r, line, &f);
	if (s->about == SENTENCE_INIT_FAILED)
		init_failed(r, m, &f);
	r->cause |= s->about == SENTENCE_CAUSE;
	if (index < MAX_SENTENCES && r->sentence_told[index])
		return;
	if (index < MAX_SENTENCES)
		r->sentence_told[index] = true;
	tell(r, &f);
}

/* A leaf that failed, with a status the line does not tell. */
static void leaf_line(struct reader *r, const char *shown, const struct tdx_log_note *n)
{
	char what[SHOWN + 80];

	if (was_told(r, n, NULL))
		return;
	r->cause = true;
	snprintf(what, sizeof(what), "%s: %s failed", shown, n->leaf->name);
	tell(r, &(struct finding){.verdict = VERDICT_FAIL,
				  .topic = "call",
				  .what = what,
				  .hint = "the line does not say with what status: look at those "
					  "around it"});
}

static void unknown_line(struct reader *r, const char *line)
{
	if (r->unknown < UNKNOWN_SHOWN)
		show(r->unknown_text[r->unknown], sizeof(r->unknown_text[0]), line);
	r->unknown++;
}

static void one_line(struct reader *r, const char *raw, size_t len)
{
	char line[LINE_ROOM], shown[SHOWN];
	struct sentence_match m;
	struct tdx_log_note note;
	size_t n = line_clean(raw, len, line, sizeof(line));
	bool call = tdx_log_line(&r->log, line, n, &note);

	bool sentence = sentence_find(line, n, &m);

	show(shown, sizeof(shown), line);
	/* A status in a sentence that is no failure is none either. */
	if (!(sentence && m.sentence->kind == SENTENCE_INFO) && call && call_line(r, shown, &note))
		return;
	if (sentence)
		sentence_line(r, line, &m);
	else if (call && note.leaf && !note.belongs && !note.has_status)
		leaf_line(r, shown, &note);
	else if (line_is_failure_of_tdx(raw, len, line, n))
		unknown_line(r, line);
}

static void tell_unknown(struct reader *r)
{
	char what[UNKNOWN_SHOWN * (SHOWN_UNKNOWN + 4) + 80];
	int n = snprintf(what, sizeof(what), "%u line%s about TDX that I do not know: ", r->unknown,
			 r->unknown == 1 ? "" : "s");

	for (unsigned i = 0; i < r->unknown && i < UNKNOWN_SHOWN; i++)
		n += snprintf(what + n, sizeof(what) - (size_t)n, "%s%s", i ? "; " : "",
			      r->unknown_text[i]);
	if (r->unknown > UNKNOWN_SHOWN)
		snprintf(what + n, sizeof(what) - (size_t)n, "; ...");
	tell(r,
	     &(struct finding){.verdict = VERDICT_FAIL,
			       .topic = "log",
			       .what = what,
			       .hint = "they tell of a failure: read them; what printed them may "
				       "be newer than this table"});
}

void doctor_log(const char *text, size_t size, doctor_tell *on_finding, void *arg)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r) {
		on_finding(arg, &(struct finding){.verdict = VERDICT_SKIPPED,
						  .topic = "log",
						  .what = "no memory to read the log"});
		return;
	}
	r->tell = on_finding;
	r->arg = arg;
	for (size_t at = 0, len; at < size; at += len + 1) {
		const char *line = text + at, *end = memchr(line, '\n', size - at);

		len = end ? (size_t)(end - line) : size - at;
		one_line(r, line, len);
	}
	if (r->unknown)
		tell_unknown(r);
	if (r->enabled && !r->initialized && !r->failed)
		tell(r,
		     &(struct finding){
			     .verdict = VERDICT_FAIL,
			     .topic = "module",
			     .what = "the BIOS has enabled TDX, and nobody initialized the module",
			     .hint = "before Linux 7.1 KVM does so when it is loaded with TDX: "
				     "kvm_intel.tdx=1 on the kernel's command line, a kernel with "
				     "CONFIG_KVM_INTEL_TDX; since 7.1 the kernel does so itself; "
				     "check that the BIOS loads a SEAM loader"});
	if (r->found == 0)
		tell(r, &(struct finding){
				.verdict = VERDICT_NOTE,
				.topic = "log",
				.what = "the log says nothing about TDX",
				.hint = "the kernel may lack CONFIG_INTEL_TDX_HOST, or the log may "
					"have lost its beginning"});
	free(r);
}
