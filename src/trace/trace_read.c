/* SPDX-License-Identifier: MIT */
/* Reading traces, whole or not. Everything in a file is somebody else's: each number is looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/crc32.h"
#include "trace/trace.h"

struct input {
	const uint8_t *p, *end;
};

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool get(struct input *in, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; in->p < in->end && shift < 64; shift += 7) {
		uint8_t b = *in->p++;

		*v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return true;
	}
	return false;
}

static bool get_below(struct input *in, uint64_t limit, uint64_t *v)
{
	return get(in, v) && *v < limit;
}

static bool get_u32(struct input *in, uint32_t *v)
{
	uint64_t wide;
	bool ok = get_below(in, 1ull << 32, &wide);

	*v = (uint32_t)wide;
	return ok;
}

static bool get_byte(struct input *in, uint8_t limit, uint8_t *v)
{
	if (in->p == in->end)
		return false;
	*v = *in->p++;
	return *v < limit;
}

static bool get_bool(struct input *in, bool *v)
{
	uint8_t b = 0;
	bool ok = get_byte(in, 2, &b);

	*v = b != 0;
	return ok;
}

static bool get_regs(struct input *in, struct tdx_regs *r)
{
	uint64_t mask;

	if (!get_below(in, 1u << 16, &mask))
		return false;
	for (unsigned i = 0; i < 16; i++)
		if (mask & 1u << i && !get(in, tdx_reg(r, i)))
			return false;
	return true;
}

/* Bit 0 the stall; above it what is missing to TRACE_RETIRED_MANY. */
static bool get_progress(struct input *in, struct trace_record *r)
{
	uint64_t v;

	if (!get_below(in, (TRACE_RETIRED_MANY + 1) << 1, &v))
		return false;
	r->exit.stall = v & 1;
	r->retired = (uint8_t)(TRACE_RETIRED_MANY - (v >> 1));
	return true;
}

static bool get_exit(struct input *in, struct vmexit *x)
{
	return get_u32(in, &x->reason) && get(in, &x->qualification) && get(in, &x->gpa) &&
	       get(in, &x->gla) && get_u32(in, &x->intr_info) && get_u32(in, &x->intr_error) &&
	       get_u32(in, &x->instr_len) && get_u32(in, &x->instr_info) &&
	       get_u32(in, &x->idt_vectoring_info) && get_u32(in, &x->idt_vectoring_error);
}

/* Room for one more of an array that doubles. */
static bool room(void **array, size_t *max, size_t used, size_t more, size_t size)
{
	size_t want = *max ? *max : 256;
	void *p;

	if (used + more <= *max)
		return true;
	while (want < used + more)
		want *= 2;
	p = realloc(*array, want * size);
	if (!p)
		return false;
	*array = p;
	*max = want;
	return true;
}

/* 1: read; 0: makes no sense; negative errno. */
static int get_locks(struct trace_file *f, struct input *in, struct trace_record *r)
{
	uint64_t n;

	if (!get_below(in, TRACE_MAX_LOCKS + 1, &n))
		return 0;
	if (!room((void **)&f->locks, &f->max_locks, f->nlocks, n, sizeof(*f->locks)))
		return -ENOMEM;
	r->nlocks = (unsigned)n;
	r->lock = (const struct trace_lock *)(uintptr_t)f->nlocks; /* an index until all are read */
	for (unsigned i = 0; i < n; i++) {
		struct trace_lock *k = &f->locks[f->nlocks++];
		uint8_t b = 0;

		if (!get_byte(in, 0xff, &b) || !get(in, &k->key) || !get(in, &k->taken_ns) ||
		    !get(in, &k->released_ns))
			return 0;
		k->res = b & 15;
		k->mode = b >> 4 & 3;
		k->result = b >> 6;
		if (k->res >= LOCK_NUM_RESOURCES || k->mode > LOCK_EXCLUSIVE ||
		    k->result > LOCK_BUSY_HOST_PRIORITY)
			return 0;
	}
	return 1;
}

/* Where it went, and which poll found an interrupt. */
static bool get_next(struct input *in, struct trace_record *r)
{
	uint8_t b = 0;

	if (!get_byte(in, 2 * TRACE_POLLED, &b) || (b & (TRACE_POLLED - 1)) > MODULE_SHUTDOWN)
		return false;
	r->next = (enum module_next)(b & (TRACE_POLLED - 1));
	return !(b & TRACE_POLLED) || (get_below(in, (uint64_t)INT64_MAX, &r->polled) && r->polled);
}

static int get_call(struct trace_file *f, struct input *in, struct trace_record *r)
{
	if (!get(in, &r->begin_ns) || !get(in, &r->duration_ns) || !get_next(in, r) ||
	    !get_bool(in, &r->mode64) || !get(in, &r->tdvpr) || !get_u32(in, &r->event.info) ||
	    !get_u32(in, &r->event.error) ||
	    (r->type == TRACE_EXIT && !(get_exit(in, &r->exit) && get_progress(in, r))) ||
	    !get_regs(in, &r->in))
		return 0;
	r->out = r->in;
	return get_regs(in, &r->out) ? get_locks(f, in, r) : 0;
}

static int get_bytes(struct trace_file *f, struct input *in, struct trace_record *r)
{
	uint64_t len;

	if (!get(in, &r->pa) || !get_below(in, TRACE_BLOCK_SIZE, &len) ||
	    len > (size_t)(in->end - in->p))
		return 0;
	if (!room((void **)&f->bytes, &f->max_bytes, f->nbytes, len + 1, 1))
		return -ENOMEM;
	memcpy(f->bytes + f->nbytes, in->p, len);
	r->bytes = (const uint8_t *)(uintptr_t)f->nbytes;
	r->len = len;
	f->nbytes += len;
	in->p += len;
	return 1;
}

static int get_record(struct trace_file *f, struct input *in, unsigned lp)
{
	struct trace_record *r;
	uint8_t type = 0;
	int got;

	if (!room((void **)&f->record, &f->max_records, f->nrecords, 1, sizeof(*f->record)))
		return -ENOMEM;
	r = &f->record[f->nrecords];
	memset(r, 0, sizeof(*r));
	r->lp = lp;
	if (!get_byte(in, TRACE_END + 1, &type) || type < TRACE_SEAMCALL || !get(in, &r->seq))
		return 0;
	r->type = type;
	if (type == TRACE_END) {
		f->ended = true;
		return in->p == in->end;
	}
	got = type == TRACE_TEXT || type == TRACE_MEMORY ? get_bytes(f, in, r) : get_call(f, in, r);
	f->nrecords += got == 1;
	return got;
}

static void damage(struct trace_file *f, size_t at, const char *what)
{
	f->damaged = true;
	f->damage_at = at;
	snprintf(f->damage, sizeof(f->damage), "%s", what);
}

/* Nothing is wrong with it but that it ends here. */
static void cut(struct trace_file *f, size_t at, const char *what)
{
	damage(f, at, what);
	f->cut = true;
}

static int get_blocks(struct trace_file *f, const uint8_t *data, size_t at, size_t size)
{
	while (at < size) {
		const uint8_t *head = data + at;
		struct input in;
		uint32_t len;
		int got = 1;

		if (f->ended) {
			damage(f, at, "something follows the end");
			return 0;
		}
		if (size - at < TRACE_BLOCK_HEADER) {
			cut(f, at, "the file ends within the head of a block");
			return 0;
		}
		len = get32(head + 12);
		if (get32(head) != TRACE_BLOCK_MAGIC || get32(head + 8) >= 256 ||
		    len > TRACE_BLOCK_SIZE) {
			damage(f, at, "no block begins here");
			return 0;
		}
		if (len > size - at - TRACE_BLOCK_HEADER) {
			cut(f, at, "the file ends within a block");
			return 0;
		}
		in.p = head + TRACE_BLOCK_HEADER;
		in.end = in.p + len;
		if (crc32_of(head + 8, TRACE_BLOCK_HEADER - 8 + len) != get32(head + 4)) {
			damage(f, at, "the checksum of a block is wrong");
			return 0;
		}
		while (in.p < in.end && got == 1)
			got = get_record(f, &in, get32(head + 8));
		if (got < 0)
			return got;
		if (got == 0) {
			damage(f, (size_t)(in.p - data), "a record makes no sense");
			return 0;
		}
		at += TRACE_BLOCK_HEADER + len;
	}
	if (!f->ended)
		cut(f, at, "the file ends between two blocks, before its end");
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	uint64_t x = ((const struct trace_record *)a)->seq,
		 y = ((const struct trace_record *)b)->seq;

	return (x > y) - (x < y);
}

/* Each processor's last records may be missing: what is there before the first of them is all that
 * there was, in order. Numbers begin at 0 and leave none out. */
static void keep_what_is_whole(struct trace_file *f)
{
	size_t n = 0;

	while (n < f->nrecords && f->record[n].seq == n)
		n++;
	f->nrecords = n;
}

bool trace_is_trace(const uint8_t *data, size_t size)
{
	return size >= 8 && memcmp(data, TRACE_MAGIC, 8) == 0;
}

/* What is printed as it is. */
static bool is_text(const uint8_t *p, size_t len)
{
	while (len && *p >= ' ' && *p <= '~')
		p++, len--;
	return !len;
}

int trace_parse(struct trace_file *f, const uint8_t *data, size_t size)
{
	uint32_t len;
	int err;

	memset(f, 0, sizeof(*f));
	if (!trace_is_trace(data, size))
		return -EINVAL;
	len = size < TRACE_HEADER ? ~0u : get32(data + 12);
	if (len >= TRACE_MAX_PLATFORM || len > size - TRACE_HEADER ||
	    get32(data + 8) != TRACE_VERSION ||
	    crc32_of(data + TRACE_HEADER, len) != get32(data + 16) ||
	    !is_text(data + TRACE_HEADER, len)) {
		damage(f, 0,
		       size >= 12 && get32(data + 8) != TRACE_VERSION
			       ? "another version of the format"
			       : "the header is damaged");
		return 0;
	}
	memcpy(f->platform, data + TRACE_HEADER, len);
	err = get_blocks(f, data, TRACE_HEADER + len, size);
	for (size_t i = 0; i < f->nrecords; i++) {
		struct trace_record *r = &f->record[i];

		r->lock = r->nlocks ? f->locks + (uintptr_t)r->lock : NULL;
		r->bytes = r->len ? f->bytes + (uintptr_t)r->bytes : (const uint8_t *)"";
	}
	if (f->nrecords > 1)
		qsort(f->record, f->nrecords, sizeof(*f->record), by_seq);
	if (f->damaged)
		keep_what_is_whole(f);
	return err;
}

void trace_keep(struct trace_file *f, uint64_t from, uint64_t to)
{
	size_t n = 0;

	for (size_t i = 0; i < f->nrecords; i++)
		if (f->record[i].seq >= from && f->record[i].seq <= to)
			f->record[n++] = f->record[i];
	f->nrecords = n;
}

void trace_free(struct trace_file *f)
{
	free(f->record);
	free(f->locks);
	free(f->bytes);
	memset(f, 0, sizeof(*f));
}
