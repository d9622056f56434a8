/* SPDX-License-Identifier: MIT */
/* Two boots held against each other, one register at a time: the longest common sequence of their
 * events, then what is left on both sides paired by subject. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/eventlog_internal.h"

#define MOST 4096

struct side {
	const struct tdx_eventlog *log;
	size_t *index;
	size_t n;
};

static int side_open(const struct tdx_eventlog *log, uint32_t reg, struct side *s)
{
	*s = (struct side){.log = log, .index = calloc(log->nevents + 1, sizeof(size_t))};
	if (!s->index)
		return -ENOMEM;
	for (size_t i = 0; i < log->nevents; i++)
		if (log->event[i].reg == reg && tdx_eventlog_extends(log, &log->event[i]))
			s->index[s->n++] = i;
	return s->n > MOST ? -E2BIG : 0;
}

static const struct tdx_eventlog_event *at(const struct side *s, size_t i)
{
	return &s->log->event[s->index[i]];
}

static bool same(const struct side *a, size_t i, const struct side *b, size_t k)
{
	return at(a, i)->type == at(b, k)->type &&
	       !memcmp(at(a, i)->hash, at(b, k)->hash, tdx_eventlog_alg_size(a->log->bank));
}

static bool same_subject(const struct side *a, size_t i, const struct side *b, size_t k)
{
	char x[TDX_EVENTLOG_TEXT], y[TDX_EVENTLOG_TEXT];

	return !strcmp(tdx_eventlog_subject(at(a, i), x, sizeof(x)),
		       tdx_eventlog_subject(at(b, k), y, sizeof(y)));
}

/* length[i * (bn + 1) + k]: of the longest common sequence of a from i and b from k on. */
static uint16_t *lengths(const struct side *a, const struct side *b)
{
	size_t w = b->n + 1;
	uint16_t *t = calloc((a->n + 1) * w, sizeof(*t));

	if (!t)
		return NULL;
	for (size_t i = a->n; i-- > 0;)
		for (size_t k = b->n; k-- > 0;) {
			uint16_t x = t[(i + 1) * w + k], y = t[i * w + k + 1];

			t[i * w + k] = same(a, i, b, k) ? (uint16_t)(t[(i + 1) * w + k + 1] + 1)
				       : x > y		? x
							: y;
		}
	return t;
}

/* Pairs the events of a gap that have one subject; the order of both sides is kept. */
static size_t close_gap(const struct side *a, size_t i, size_t iend, const struct side *b, size_t k,
			size_t kend, struct tdx_eventlog_step *out)
{
	size_t n = 0;

	for (; i < iend; i++) {
		size_t m = k;

		while (m < kend && !same_subject(a, i, b, m))
			m++;
		if (m == kend) {
			out[n++] = (struct tdx_eventlog_step){TDX_EVENTLOG_REMOVED, a->index[i],
							      TDX_EVENTLOG_NONE};
			continue;
		}
		while (k < m)
			out[n++] = (struct tdx_eventlog_step){TDX_EVENTLOG_ADDED, TDX_EVENTLOG_NONE,
							      b->index[k++]};
		out[n++] = (struct tdx_eventlog_step){TDX_EVENTLOG_CHANGED, a->index[i],
						      b->index[k++]};
	}
	while (k < kend)
		out[n++] = (struct tdx_eventlog_step){TDX_EVENTLOG_ADDED, TDX_EVENTLOG_NONE,
						      b->index[k++]};
	return n;
}

static size_t walk(const struct side *a, const struct side *b, const uint16_t *t,
		   struct tdx_eventlog_step *out)
{
	size_t w = b->n + 1, n = 0, i = 0, k = 0;

	while (i < a->n || k < b->n) {
		size_t i0 = i, k0 = k;

		while (i < a->n && k < b->n && !same(a, i, b, k)) {
			if (t[(i + 1) * w + k] >= t[i * w + k + 1])
				i++;
			else
				k++;
		}
		if (i == a->n || k == b->n) {
			i = a->n;
			k = b->n;
		}
		n += close_gap(a, i0, i, b, k0, k, out + n);
		if (i < a->n && k < b->n) {
			out[n++] = (struct tdx_eventlog_step){TDX_EVENTLOG_SAME, a->index[i],
							      b->index[k]};
			i++;
			k++;
		}
	}
	return n;
}

int tdx_eventlog_compare(const struct tdx_eventlog *a, const struct tdx_eventlog *b, uint32_t reg,
			 struct tdx_eventlog_step **steps, size_t *nsteps)
{
	struct side x, y = {0};
	uint16_t *t = NULL;
	int rc;

	*steps = NULL;
	*nsteps = 0;
	if (a->bank != b->bank || a->kind != b->kind)
		return -EINVAL;
	rc = side_open(a, reg, &x);
	if (!rc)
		rc = side_open(b, reg, &y);
	if (!rc) {
		t = lengths(&x, &y);
		*steps = calloc(x.n + y.n + 1, sizeof(**steps));
		rc = t && *steps ? 0 : -ENOMEM;
	}
	if (!rc)
		*nsteps = walk(&x, &y, t, *steps);
	if (rc) {
		free(*steps);
		*steps = NULL;
	}
	free(t);
	free(x.index);
	free(y.index);
	return rc;
}
