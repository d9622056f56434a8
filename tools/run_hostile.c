/* SPDX-License-Identifier: MIT */
/* See run_hostile.h. A range is what one loop of a guest converts: a call that begins where the one
 * before was told to go on, and ends where that one would have, belongs to it. */
#include "tools/run_hostile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE ((uint64_t)TDX_PAGE_SIZE)

void run_hostile_init(struct run_hostile *h)
{
	memset(h, 0, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
}

void run_hostile_destroy(struct run_hostile *h)
{
	pthread_mutex_destroy(&h->lock);
}

/* --- the command line --- */

static bool number(const char **p, uint64_t *value)
{
	char *end;

	if (**p < '0' || **p > '9')
		return false;
	*value = strtoull(*p, &end, 0);
	*p = end;
	return true;
}

bool run_hostile_parse_host(struct run_hostile *h, const char *text, char *why, size_t len)
{
	static const char map_gpa[] = "map-gpa=", idle[] = "idle=", next[] = "next=";
	const char *p = text;

	snprintf(why, len, "map-gpa=PAGES[,idle=N][,next=ADDR], not \"%s\"", text);
	if (strncmp(p, map_gpa, strlen(map_gpa)) != 0)
		return false;
	p += strlen(map_gpa);
	if (!number(&p, &h->pages) || h->pages > UINT64_MAX / PAGE)
		return false;
	h->map_gpa = true;
	while (*p == ',') {
		if (strncmp(++p, idle, strlen(idle)) == 0) {
			p += strlen(idle);
			if (!number(&p, &h->idle))
				return false;
		} else if (strncmp(p, next, strlen(next)) == 0) {
			p += strlen(next);
			if (!number(&p, &h->next))
				return false;
			h->claim = true;
		} else {
			return false;
		}
	}
	return *p == '\0';
}

void run_hostile_arm(struct run_hostile *h, struct tdx_model *model)
{
	for (unsigned i = 0; i < h->nfaults; i++)
		h->id[i] = tdx_model_inject(model, &h->fault[i]);
}

/* --- MapGPA --- */

/* Where it goes on, or a new one; NULL: there is no room for another. */
static struct run_range *range_of(struct run_hostile *h, const struct tdx_run_map_gpa *m)
{
	uint64_t end = m->gpa.v + m->whole;
	struct run_range *r;

	for (unsigned i = h->nranges; i-- > 0;) {
		r = &h->range[i];
		if (r->next == m->gpa.v && r->end == end && r->next < end &&
		    r->to_private == m->private_)
			return r;
	}
	if (m->first)
		h->ranges++;
	if (h->nranges == RUN_RANGES)
		return NULL;
	r = &h->range[h->nranges++];
	*r = (struct run_range){
		.first = m->gpa.v, .next = m->gpa.v, .end = end, .to_private = m->private_};
	return r;
}

/* Another call. False: it is answered without progress. */
static bool begin(struct run_hostile *h, struct run_range *r)
{
	r->calls++;
	r->left = h->map_gpa ? h->pages : UINT64_MAX;
	if (!h->map_gpa || (h->pages && r->idle_now == h->idle)) {
		r->idle_now = 0;
		return true;
	}
	r->idle_now++;
	r->idle++;
	h->idle_calls++;
	return false;
}

static void play(struct run_hostile *h, struct run_range *r, struct tdx_run_map_gpa *m)
{
	uint64_t pages = m->size / PAGE;

	if (m->first && !begin(h, r))
		pages = 0;
	else if (pages > r->left)
		pages = r->left;
	r->left -= pages;
	m->convert = pages * PAGE;
	m->stop = h->map_gpa && m->whole > m->convert && (!r->left || !pages);
	if (h->claim) {
		m->claim = true;
		m->r11 = h->next;
		m->stop = m->stop || m->convert == m->whole;
	}
	r->next = m->gpa.v + m->convert;
}

void run_hostile_map_gpa(struct run_hostile *h, struct tdx_run_map_gpa *m)
{
	struct run_range *r;

	pthread_mutex_lock(&h->lock);
	r = range_of(h, m);
	if (m->first)
		h->calls++;
	if (r)
		play(h, r, m);
	h->converted += m->convert / PAGE;
	pthread_mutex_unlock(&h->lock);
}

/* --- what came of it --- */

static const char *outcome(const struct run_range *r)
{
	return r->next >= r->end ? "done" : "given up";
}

void run_hostile_print(struct run_hostile *h, struct tdx_model *model, FILE *out)
{
	char text[TDX_FAULT_FORMAT_MAX];

	fprintf(out,
		"MapGPA: %" PRIu64 " ranges, %" PRIu64 " pages, %" PRIu64 " calls (%" PRIu64
		" without progress)\n",
		h->ranges, h->converted, h->calls, h->idle_calls);
	for (unsigned i = 0; h->map_gpa && i < h->nranges; i++) {
		const struct run_range *r = &h->range[i];

		fprintf(out,
			"  0x%" PRIx64 " to %s: %" PRIu64 " of %" PRIu64 " pages, %" PRIu64
			" calls (%" PRIu64 " without progress), %s\n",
			r->first, r->to_private ? "private" : "shared", (r->next - r->first) / PAGE,
			(r->end - r->first) / PAGE, r->calls, r->idle, outcome(r));
	}
	for (unsigned i = 0; i < h->nfaults; i++)
		fprintf(out, "fault: %s: came %" PRIu64 " times\n",
			tdx_fault_format(&h->fault[i], text, sizeof(text)),
			tdx_model_fault_hits(model, h->id[i]));
}

json_t *run_hostile_json(struct run_hostile *h, struct tdx_model *model)
{
	json_t *ranges = json_array(), *faults = json_array();
	char text[TDX_FAULT_FORMAT_MAX];

	for (unsigned i = 0; i < h->nranges; i++) {
		const struct run_range *r = &h->range[i];

		json_array_append_new(
			ranges, json_pack("{s:I,s:b,s:I,s:I,s:I,s:I,s:b}", "gpa",
					  (json_int_t)r->first, "private", r->to_private, "pages",
					  (json_int_t)((r->end - r->first) / PAGE), "converted",
					  (json_int_t)((r->next - r->first) / PAGE), "calls",
					  (json_int_t)r->calls, "idle", (json_int_t)r->idle, "done",
					  r->next >= r->end));
	}
	for (unsigned i = 0; i < h->nfaults; i++)
		json_array_append_new(faults,
				      json_pack("{s:s,s:I}", "fault",
						tdx_fault_format(&h->fault[i], text, sizeof(text)),
						"hits",
						(json_int_t)tdx_model_fault_hits(model, h->id[i])));
	return json_pack("{s:I,s:I,s:I,s:I,s:o,s:o}", "ranges", (json_int_t)h->ranges, "pages",
			 (json_int_t)h->converted, "calls", (json_int_t)h->calls, "idle",
			 (json_int_t)h->idle_calls, "each", ranges, "faults", faults);
}
