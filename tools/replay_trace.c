/* SPDX-License-Identifier: MIT */
/* What swtdx replay does with traces. */
#include "tools/replay_trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tools/file.h"
#include "tools/json_print.h"
#include "tools/verbs.h"
#include "trace/trace_show.h"
#include "trace/vector.h"

enum { MAX_TRACE_SIZE = 1 << 30, MAX_DIFFERENCES = 100 };

static void tell_damage(const char *path, const struct trace_file *f)
{
	if (f->damaged)
		fprintf(stderr,
			"swtdx replay: %s: at offset %zu: %s; the %zu records before it are used\n",
			path, f->damage_at, f->damage, f->nrecords);
}

static int like_trace(const uint8_t *begin, size_t size)
{
	return trace_is_trace(begin, size) ? 0 : -EINVAL;
}

/* An enum verb_exit; VERB_DIFFERENCE with what is whole in f. */
static int load(const char *path, struct trace_file *f)
{
	uint8_t *data;
	size_t size;
	int err = file_read_like(path, MAX_TRACE_SIZE, like_trace, &data, &size);

	memset(f, 0, sizeof(*f));
	if (!err) {
		err = trace_parse(f, data, size);
		free(data);
	}
	if (err == -EINVAL) {
		fprintf(stderr, "swtdx replay: %s: not a trace\n", path);
		return VERB_DIFFERENCE;
	}
	if (err) {
		fprintf(stderr, "swtdx replay: %s: %s\n", path, strerror(-err));
		return VERB_ENVIRONMENT;
	}
	tell_damage(path, f);
	return f->damaged ? VERB_DIFFERENCE : VERB_OK;
}

char *replay_trace_text(const char *path, const uint8_t *data, size_t size, bool *damaged,
			bool *cut)
{
	struct trace_file f;
	char *text = NULL;
	size_t len;
	FILE *out;

	if (trace_parse(&f, data, size) == 0) {
		out = open_memstream(&text, &len);
		if (out) {
			trace_vectors(out, &f);
			fclose(out);
		}
		tell_damage(path, &f);
		*damaged = f.damaged && !f.cut;
		*cut = f.cut;
	}
	trace_free(&f);
	return text;
}

static json_t *regs_json(const struct tdx_regs *regs)
{
	json_t *o = json_object();
	struct tdx_regs r = *regs;
	char hex[24];

	for (unsigned i = 0; i < 16; i++) {
		if (!*tdx_reg(&r, i))
			continue;
		snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)*tdx_reg(&r, i));
		json_object_set_new(o, vec_reg_names[i], json_string(hex));
	}
	return o;
}

static json_t *locks_json(const struct trace_record *r)
{
	json_t *locks = json_array();
	char hex[24];

	for (unsigned i = 0; i < r->nlocks; i++) {
		const struct trace_lock *k = &r->lock[i];

		snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)k->key);
		json_array_append_new(
			locks, json_pack("{s:s, s:s, s:s, s:b, s:I, s:I}", "resource",
					 lock_resource_name(k->res), "key", hex, "mode",
					 k->mode == LOCK_SHARED ? "shared" : "exclusive", "busy",
					 k->result != LOCK_OK, "taken_ns", (json_int_t)k->taken_ns,
					 "released_ns", (json_int_t)k->released_ns));
	}
	return locks;
}

static json_t *record_json(const struct trace_record *r, bool locks)
{
	char name[64], outcome[128];
	json_t *o;

	if (r->type == TRACE_TEXT)
		return json_pack("{s:I, s:s%}", "seq", (json_int_t)r->seq, "line", r->bytes,
				 r->len);
	if (r->type == TRACE_MEMORY)
		return json_pack("{s:I, s:I, s:I}", "seq", (json_int_t)r->seq, "memory",
				 (json_int_t)r->pa, "bytes", (json_int_t)r->len);
	o = json_pack("{s:I, s:i, s:s, s:s, s:s, s:I, s:I, s:o, s:o}", "seq", (json_int_t)r->seq,
		      "processor", (int)r->lp, "from", r->type == TRACE_SEAMCALL ? "host" : "guest",
		      "call", trace_name(r, name, sizeof(name)), "outcome",
		      trace_outcome(r, outcome, sizeof(outcome)), "begin_ns",
		      (json_int_t)r->begin_ns, "duration_ns", (json_int_t)r->duration_ns, "in",
		      regs_json(&r->in), "out", regs_json(&r->out));
	if (r->polled)
		json_object_set_new(o, "interrupted_at_poll", json_integer((json_int_t)r->polled));
	if (locks)
		json_object_set_new(o, "locks", locks_json(r));
	return o;
}

static void print_json(const struct trace_file *f, bool locks)
{
	json_t *records = json_array(), *root;

	for (size_t i = 0; i < f->nrecords; i++)
		json_array_append_new(records, record_json(&f->record[i], locks));
	root = json_pack("{s:s, s:b, s:s, s:b, s:o}", "schema", "swtdx.trace/1", "simulated", 1,
			 "platform", f->platform, "damaged", f->damaged, "records", records);
	if (f->damaged)
		json_object_set_new(root, "damage",
				    json_pack("{s:I, s:s}", "offset", (json_int_t)f->damage_at,
					      "what", f->damage));
	json_print(stdout, root, JSON_INDENT(1));
}

static int to_perfetto(const char *path, const struct trace_file *f)
{
	FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
	bool ok = out != NULL;

	if (ok) {
		trace_perfetto(out, f);
		ok = !ferror(out);
		if (out != stdout)
			ok = fclose(out) == 0 && ok;
	}
	if (!ok)
		fprintf(stderr, "swtdx replay: %s: %s\n", path, strerror(errno));
	return ok ? VERB_OK : VERB_ENVIRONMENT;
}

static int compare(const struct replay_trace_options *o, char **paths)
{
	struct trace_file a, b;
	int end_a = load(paths[0], &a), end_b = load(paths[1], &b), end;
	unsigned n = 0;

	if (end_a == VERB_ENVIRONMENT || end_b == VERB_ENVIRONMENT)
		end = VERB_ENVIRONMENT;
	else {
		char *text = NULL;
		size_t len;
		FILE *out = o->json ? open_memstream(&text, &len) : stdout;

		trace_keep(&a, o->from, o->to);
		trace_keep(&b, o->from, o->to);
		n = out ? trace_diff(out, &a, &b, MAX_DIFFERENCES) : 0;
		if (o->json && out) {
			json_t *root;

			fclose(out);
			root = json_pack("{s:s, s:b, s:i, s:s}", "schema", "swtdx.trace-diff/1",
					 "simulated", 1, "differences", (int)n, "text", text);
			json_print(stdout, root, JSON_INDENT(1));
			free(text);
		} else
			printf("%u differences\n", n);
		end = n || end_a || end_b ? VERB_DIFFERENCE : VERB_OK;
	}
	trace_free(&a);
	trace_free(&b);
	return end;
}

static int one(const struct replay_trace_options *o, const char *path)
{
	struct trace_file f;
	int end = load(path, &f), written = VERB_OK;

	if (end != VERB_ENVIRONMENT && f.platform[0]) {
		trace_keep(&f, o->from, o->to);
		if (o->perfetto)
			written = to_perfetto(o->perfetto, &f);
		if (o->vectors)
			trace_vectors(stdout, &f);
		else if (o->json)
			print_json(&f, o->locks);
		else if (!o->perfetto)
			trace_print(stdout, &f, o->locks);
	}
	trace_free(&f);
	return written ? written : end;
}

int replay_trace(const struct replay_trace_options *o, char **paths)
{
	return o->diff ? compare(o, paths) : one(o, paths[0]);
}
