/* SPDX-License-Identifier: MIT */
/* The Trace Event Format: JSON that Perfetto and chrome://tracing open. Times are in microseconds.
 *
 * A lane's slices must nest. Calls of a processor do; so do locks given back in reverse. A lock
 * given back out of order, or kept by a guest, is an asynchronous slice of its own. */
#include <string.h>

#include <swtdx/status.h>

#include "trace/trace_show.h"

struct export
{
	FILE *out;
	bool first;
	unsigned long asyncs;
};

/* Thread 0 is the idle one for some viewers. */
static unsigned lane(unsigned lp)
{
	return lp + 1;
}

static void event(struct export *e)
{
	fputs(e->first ? "\n" : ",\n", e->out);
	e->first = false;
}

static void times(struct export *e, uint64_t begin, uint64_t duration)
{
	fprintf(e->out, "\"ts\":%llu.%03u,\"dur\":%llu.%03u", (unsigned long long)(begin / 1000),
		(unsigned)(begin % 1000), (unsigned long long)(duration / 1000),
		(unsigned)(duration % 1000));
}

static void args(struct export *e, const struct trace_record *r)
{
	static const char *const names[] = {"rcx", "rdx", "r8", "r9"};
	char outcome[128];
	const uint64_t in[] = {r->in.rcx, r->in.rdx, r->in.r8, r->in.r9};

	fprintf(e->out, "\"args\":{\"seq\":%llu,\"outcome\":\"%s\"", (unsigned long long)r->seq,
		trace_outcome(r, outcome, sizeof(outcome)));
	for (unsigned i = 0; i < 4; i++)
		if (in[i])
			fprintf(e->out, ",\"%s\":\"0x%llx\"", names[i], (unsigned long long)in[i]);
	if (r->type == TRACE_EXIT && r->exit.gpa)
		fprintf(e->out, ",\"gpa\":\"0x%llx\"", (unsigned long long)r->exit.gpa);
	fputs("}", e->out);
}

static void lock_name(struct export *e, const struct trace_lock *k)
{
	fprintf(e->out, "\"name\":\"%s 0x%llx %s\",\"cat\":\"lock\"", lock_resource_name(k->res),
		(unsigned long long)k->key, k->mode == LOCK_SHARED ? "shared" : "exclusive");
}

/* Does it end before every lock taken earlier and still held? */
static bool nests(const struct trace_record *r, unsigned i)
{
	const struct trace_lock *k = &r->lock[i];

	if (!k->released_ns || k->released_ns > r->duration_ns)
		return false;
	for (unsigned j = 0; j < i; j++)
		if (r->lock[j].result == LOCK_OK && r->lock[j].released_ns > k->taken_ns &&
		    r->lock[j].released_ns < k->released_ns)
			return false;
	return true;
}

static void one_lock(struct export *e, const struct trace_record *r, unsigned i)
{
	const struct trace_lock *k = &r->lock[i];
	uint64_t begin = r->begin_ns + k->taken_ns;
	uint64_t end = k->released_ns ? r->begin_ns + k->released_ns : r->begin_ns + r->duration_ns;

	if (end < begin)
		end = begin;
	event(e);
	if (k->result != LOCK_OK) {
		fprintf(e->out,
			"{\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":%u,\"ts\":%llu.%03u,"
			"\"name\":\"busy: %s 0x%llx\",\"cat\":\"lock\"}",
			lane(r->lp), (unsigned long long)(begin / 1000), (unsigned)(begin % 1000),
			lock_resource_name(k->res), (unsigned long long)k->key);
		return;
	}
	if (nests(r, i)) {
		fprintf(e->out, "{\"ph\":\"X\",\"pid\":1,\"tid\":%u,", lane(r->lp));
		lock_name(e, k);
		fputc(',', e->out);
		times(e, begin, end - begin);
		fputs("}", e->out);
		return;
	}
	for (unsigned part = 0; part < 2; part++) {
		uint64_t ts = part ? end : begin;

		if (part)
			event(e);
		fprintf(e->out, "{\"ph\":\"%s\",\"id\":%lu,\"pid\":1,\"tid\":%u,\"ts\":%llu.%03u,",
			part ? "e" : "b", e->asyncs, lane(r->lp), (unsigned long long)(ts / 1000),
			(unsigned)(ts % 1000));
		lock_name(e, k);
		fputs("}", e->out);
	}
	e->asyncs++;
}

static void call(struct export *e, const struct trace_record *r)
{
	char name[64];

	event(e);
	fprintf(e->out, "{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"name\":\"%s\",\"cat\":\"%s\",",
		lane(r->lp), trace_name(r, name, sizeof(name)),
		r->type == TRACE_SEAMCALL ? "host" : "guest");
	times(e, r->begin_ns, r->duration_ns);
	fputc(',', e->out);
	args(e, r);
	fputs("}", e->out);
	for (unsigned i = 0; i < r->nlocks; i++)
		one_lock(e, r, i);
}

/* From the end of a record that leads into a guest to the guest's next exit. */
static void guest(struct export *e, const struct trace_record *from, uint64_t until)
{
	uint64_t begin = from->begin_ns + from->duration_ns;

	event(e);
	fprintf(e->out,
		"{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"name\":\"guest 0x%llx\",\"cat\":\"guest\",",
		lane(from->lp), (unsigned long long)from->tdvpr);
	times(e, begin, until > begin ? until - begin : 0);
	fputs("}", e->out);
}

void trace_perfetto(FILE *out, const struct trace_file *f)
{
	struct export e = {out, true, 1};
	const struct trace_record *entered[256] = {NULL};
	bool seen[256] = {false};

	fputs("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"simulated\":true,\"generator\":"
	      "\"swtdx\"},"
	      "\"traceEvents\":[",
	      out);
	event(&e);
	fputs("{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"process_name\",\"args\":{\"name\":"
	      "\"TDX machine (simulated)\"}}",
	      out);
	for (size_t i = 0; i < f->nrecords; i++) {
		const struct trace_record *r = &f->record[i];

		if (r->type != TRACE_SEAMCALL && r->type != TRACE_EXIT)
			continue;
		if (!seen[r->lp]) {
			seen[r->lp] = true;
			event(&e);
			fprintf(out,
				"{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\","
				"\"args\":"
				"{\"name\":\"processor %u\"}}",
				lane(r->lp), r->lp);
		}
		if (r->type == TRACE_EXIT && entered[r->lp])
			guest(&e, entered[r->lp], r->begin_ns);
		entered[r->lp] = r->next == MODULE_TO_GUEST ? r : NULL;
		call(&e, r);
	}
	fputs("\n]}\n", out);
}
