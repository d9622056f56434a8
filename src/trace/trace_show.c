/* SPDX-License-Identifier: MIT */
/* Records as text, and what differs between two. */
#include "trace/trace_show.h"

#include <string.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "arch/vmx.h"
#include "trace/vector.h"

static bool is_tdcall(const struct trace_record *r)
{
	return r->type == TRACE_EXIT && (r->exit.reason & VMX_EXIT_BASIC_MASK) == VMX_EXIT_TDCALL;
}

const struct tdx_leaf_info *trace_leaf(const struct trace_record *r)
{
	if (r->type == TRACE_SEAMCALL)
		return tdx_seamcall_leaf(tdx_rax_leaf(r->in.rax));
	return is_tdcall(r) ? tdx_tdcall_leaf(tdx_rax_leaf(r->in.rax)) : NULL;
}

const char *trace_name(const struct trace_record *r, char *buf, size_t len)
{
	const struct tdx_leaf_info *leaf = trace_leaf(r);
	const char *reason;

	if (leaf)
		return leaf->name;
	if (r->type == TRACE_SEAMCALL || is_tdcall(r)) {
		snprintf(buf, len, "%s 0x%llx", r->type == TRACE_SEAMCALL ? "SEAMCALL" : "TDCALL",
			 (unsigned long long)r->in.rax);
		return buf;
	}
	reason = vmx_exit_name(r->exit.reason & VMX_EXIT_BASIC_MASK);
	if (reason)
		snprintf(buf, len, "exit %s", reason);
	else
		snprintf(buf, len, "exit %u", r->exit.reason & VMX_EXIT_BASIC_MASK);
	return buf;
}

const char *trace_outcome(const struct trace_record *r, char *buf, size_t len)
{
	char status[96];
	bool guest = r->type == TRACE_EXIT;

	switch (r->next) {
	case MODULE_TO_HOST:
		snprintf(buf, len, "%s%s", guest ? "TD exit, " : "",
			 tdx_status_format(tdx_status(r->out.rax), status, sizeof(status)));
		break;
	case MODULE_TO_GUEST:
		if (r->event.info >> 31)
			snprintf(buf, len, "guest, vector %u", r->event.info & 0xff);
		else if (is_tdcall(r))
			return tdx_status_format(tdx_status(r->out.rax), buf, len);
		else
			snprintf(buf, len, "guest");
		break;
	case MODULE_SHUTDOWN:
		snprintf(buf, len, "shutdown");
		break;
	}
	return buf;
}

static void print_regs(FILE *out, const struct tdx_regs *regs, const struct tdx_regs *base)
{
	struct tdx_regs r = *regs, b = *base;

	for (unsigned i = 1; i < 16; i++)
		if (*tdx_reg(&r, i) != *tdx_reg(&b, i))
			fprintf(out, " %s=0x%llx", vec_reg_names[i],
				(unsigned long long)*tdx_reg(&r, i));
}

static void print_call(FILE *out, const struct trace_record *r)
{
	static const struct tdx_regs zero;
	char name[64], outcome[128];

	fprintf(out, "#%llu lp%u %s", (unsigned long long)r->seq, r->lp,
		trace_name(r, name, sizeof(name)));
	if (trace_leaf(r) && tdx_rax_version(r->in.rax))
		fprintf(out, "/%u", tdx_rax_version(r->in.rax));
	if (r->type == TRACE_EXIT && !is_tdcall(r)) {
		fprintf(out, " qual=0x%llx", (unsigned long long)r->exit.qualification);
		if (r->exit.gpa)
			fprintf(out, " gpa=0x%llx", (unsigned long long)r->exit.gpa);
	}
	print_regs(out, &r->in, &zero);
	fprintf(out, " -> %s", trace_outcome(r, outcome, sizeof(outcome)));
	print_regs(out, &r->out, &r->in);
	if (r->duration_ns)
		fprintf(out, " %llu ns", (unsigned long long)r->duration_ns);
	fputc('\n', out);
}

static void print_lock(FILE *out, const struct trace_lock *k)
{
	fprintf(out, "\t%s 0x%llx %s%s", lock_resource_name(k->res), (unsigned long long)k->key,
		k->mode == LOCK_SHARED ? "shared" : "exclusive",
		k->result == LOCK_OK	 ? ""
		: k->result == LOCK_BUSY ? " BUSY"
					 : " BUSY, the host goes first");
	if (k->result == LOCK_OK && !k->released_ns)
		fputs(" (kept)", out);
	else if (k->released_ns > 1)
		fprintf(out, " %llu ns", (unsigned long long)(k->released_ns - k->taken_ns));
	fputc('\n', out);
}

/* It is whoever's who made the trace: one line, of what a terminal shows and does not obey. */
void trace_put_text(FILE *out, const struct trace_record *r)
{
	for (size_t i = 0; i < r->len; i++) {
		const uint8_t c = r->bytes[i] == '\t' ? ' ' : r->bytes[i];

		fputc(c < ' ' || c > '~' ? '?' : c, out);
	}
	fputc('\n', out);
}

static void print_record(FILE *out, const struct trace_record *r, bool locks)
{
	switch (r->type) {
	case TRACE_END:
		return;
	case TRACE_TEXT:
		fprintf(out, "#%llu      ", (unsigned long long)r->seq);
		trace_put_text(out, r);
		return;
	case TRACE_MEMORY:
		fprintf(out, "#%llu      memory 0x%llx, %zu bytes\n", (unsigned long long)r->seq,
			(unsigned long long)r->pa, r->len);
		return;
	case TRACE_SEAMCALL:
	case TRACE_EXIT:
		break;
	}
	print_call(out, r);
	for (unsigned i = 0; locks && i < r->nlocks; i++)
		print_lock(out, &r->lock[i]);
}

void trace_print(FILE *out, const struct trace_file *f, bool locks)
{
	fprintf(out, "%s\n", f->platform);
	for (size_t i = 0; i < f->nrecords; i++)
		print_record(out, &f->record[i], locks);
}

/* --- comparing --- */

static bool is_call(const struct trace_record *r)
{
	return r->type == TRACE_SEAMCALL || r->type == TRACE_EXIT;
}

static bool same_locks(const struct trace_record *a, const struct trace_record *b)
{
	for (unsigned i = 0; i < a->nlocks && i < b->nlocks; i++) {
		const struct trace_lock *x = &a->lock[i], *y = &b->lock[i];

		if (x->res != y->res || x->mode != y->mode || x->result != y->result ||
		    x->key != y->key)
			return false;
	}
	return a->nlocks == b->nlocks || a->nlocks == 0 || b->nlocks == 0; /* one has none at all */
}

static const char *difference(const struct trace_record *a, const struct trace_record *b)
{
	if (a->type != b->type || a->lp != b->lp)
		return "another kind of call, or another processor";
	if (a->type == TRACE_EXIT &&
	    (a->exit.reason != b->exit.reason || a->exit.gpa != b->exit.gpa ||
	     a->exit.qualification != b->exit.qualification || a->tdvpr != b->tdvpr))
		return "another exit";
	if (memcmp(&a->in, &b->in, sizeof(a->in)) != 0)
		return "called with other registers";
	if (a->next != b->next || a->event.info != b->event.info)
		return "ends elsewhere";
	if (memcmp(&a->out, &b->out, sizeof(a->out)) != 0)
		return "answers otherwise";
	return same_locks(a, b) ? NULL : "takes other locks";
}

static size_t next_call(const struct trace_file *f, size_t i)
{
	while (i < f->nrecords && !is_call(&f->record[i]))
		i++;
	return i;
}

unsigned trace_diff(FILE *out, const struct trace_file *a, const struct trace_file *b, unsigned max)
{
	size_t i = next_call(a, 0), j = next_call(b, 0);
	unsigned n = 0, call = 0;

	if (strcmp(a->platform, b->platform) != 0 && n++ < max)
		fprintf(out, "the platforms differ\n- %s\n+ %s\n", a->platform, b->platform);
	for (; i < a->nrecords && j < b->nrecords;
	     i = next_call(a, i + 1), j = next_call(b, j + 1)) {
		const char *what = difference(&a->record[i], &b->record[j]);

		call++;
		if (!what || n++ >= max)
			continue;
		fprintf(out, "call %u: %s\n- ", call, what);
		print_record(out, &a->record[i], strstr(what, "locks") != NULL);
		fputs("+ ", out);
		print_record(out, &b->record[j], strstr(what, "locks") != NULL);
	}
	if ((i < a->nrecords || j < b->nrecords) && n++ < max)
		fprintf(out, "after call %u only the %s trace goes on\n", call,
			i < a->nrecords ? "first" : "second");
	return n;
}
