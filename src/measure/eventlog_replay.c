/* SPDX-License-Identifier: MIT */
/* A log played into registers, and the first event that makes a register's true value differ.
 *
 * A register is a chain of hashes: its value says nothing about where two chains part. So each
 * thing that can go wrong with one event is tried on each event until the value comes out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/eventlog_internal.h"

#define TRIED 4096

bool tdx_eventlog_extends(const struct tdx_eventlog *log, const struct tdx_eventlog_event *e)
{
	if (e->type == TDX_EV_NO_ACTION || e->reg == TDX_EVENTLOG_NO_REGISTER || !e->hash)
		return false;
	return log->kind == TDX_EVENTLOG_TPM ||
	       (e->reg >= TDX_EVENTLOG_RTMR0 && e->reg < TDX_EVENTLOG_RTMR0 + TDX_RTMRS);
}

void tdx_eventlog_start(const struct tdx_eventlog *log, uint32_t reg, struct tdx_eventlog_value *v)
{
	memset(v, 0, sizeof(*v));
	if (log->kind != TDX_EVENTLOG_TPM)
		return;
	/* PCRs of the dynamic root of trust are all ones until one is started. */
	if (reg >= 17 && reg <= 22)
		memset(v, 0xff, sizeof(*v));
	for (size_t i = 0; reg == 0 && i < log->nevents; i++) {
		const struct tdx_eventlog_event *e = &log->event[i];

		if (e->type == TDX_EV_NO_ACTION && e->size >= 17 &&
		    !memcmp(e->data, "StartupLocality", 16))
			v->b[tdx_eventlog_alg_size(log->bank) - 1] = e->data[16];
	}
}

static int hash_two(const struct tdx_eventlog *log, const void *a, size_t alen, const void *b,
		    size_t blen, uint8_t *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc = -EIO;

	if (ctx && EVP_DigestInit_ex(ctx, eventlog_md(log->bank), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, a, alen) == 1 && EVP_DigestUpdate(ctx, b, blen) == 1 &&
	    EVP_DigestFinal_ex(ctx, out, NULL) == 1)
		rc = 0;
	EVP_MD_CTX_free(ctx);
	return rc;
}

static int extend(const struct tdx_eventlog *log, const uint8_t *hash, struct tdx_eventlog_value *v)
{
	size_t n = tdx_eventlog_alg_size(log->bank);

	return hash_two(log, v->b, n, hash, n, v->b);
}

int tdx_eventlog_extend(const struct tdx_eventlog *log, const struct tdx_eventlog_event *e,
			struct tdx_eventlog_value *v)
{
	return tdx_eventlog_extends(log, e) ? extend(log, e->hash, v) : 0;
}

int tdx_eventlog_rtmrs(const struct tdx_eventlog *log, struct tdx_digest rtmr[TDX_RTMRS])
{
	struct tdx_eventlog_value v[TDX_RTMRS] = {{{0}}};
	int rc = 0;

	memset(rtmr, 0, TDX_RTMRS * sizeof(*rtmr));
	if (log->kind != TDX_EVENTLOG_CC || log->bank != TDX_EVENTLOG_SHA384)
		return -ENOTSUP;
	for (size_t i = 0; !rc && i < log->nevents; i++)
		if (tdx_eventlog_extends(log, &log->event[i]))
			rc = extend(log, log->event[i].hash,
				    &v[log->event[i].reg - TDX_EVENTLOG_RTMR0]);
	for (unsigned i = 0; !rc && i < TDX_RTMRS; i++)
		memcpy(rtmr[i].b, v[i].b, sizeof(rtmr[i].b));
	return rc;
}

static bool hash_is(const struct tdx_eventlog *log, const struct tdx_eventlog_event *e,
		    const void *p, size_t len)
{
	uint8_t out[TDX_EVENTLOG_DIGEST_MAX];

	return !hash_two(log, p, len, NULL, 0, out) &&
	       !memcmp(out, e->hash, tdx_eventlog_alg_size(log->bank));
}

/* Does the type oblige its author to measure the event's data and nothing else? */
static bool must_match(uint32_t type)
{
	return type == TDX_EV_SEPARATOR || type == TDX_EV_ACTION || type == TDX_EV_DSTACK_RUNTIME ||
	       type == (uint32_t)TDX_EV_EFI_ACTION || type == (uint32_t)TDX_EV_EFI_GPT_EVENT ||
	       type == (uint32_t)TDX_EV_EFI_VARIABLE_DRIVER_CONFIG;
}

/* The data of an EV_IPL without what its author put around: a prefix to ": ", a final zero. */
static bool part_matches(const struct tdx_eventlog *log, const struct tdx_eventlog_event *e)
{
	const uint8_t *colon = e->size ? memchr(e->data, ':', e->size) : NULL;
	size_t n = e->size, skip;

	while (n && !e->data[n - 1])
		n--;
	if (hash_is(log, e, e->data, n))
		return true;
	if (e->size && e->size < 0xffff && hash_is(log, e, e->data, n + 1 <= e->size ? n + 1 : n))
		return true;
	if (!colon || (size_t)(colon - e->data) + 2 > n || colon[1] != ' ')
		return false;
	skip = (size_t)(colon - e->data) + 2;
	return hash_is(log, e, e->data + skip, n - skip) ||
	       hash_is(log, e, e->data + skip, e->size - skip);
}

enum tdx_eventlog_check tdx_eventlog_check(const struct tdx_eventlog *log,
					   const struct tdx_eventlog_event *e)
{
	struct efi_variable v;

	/* Bundles strip data; then there is nothing to hold a digest against. */
	if (!tdx_eventlog_extends(log, e) || !e->size)
		return TDX_EVENTLOG_UNKNOWN;
	if (hash_is(log, e, e->data, e->size))
		return TDX_EVENTLOG_MATCHES;
	if (efi_variable_read(e, &v) && hash_is(log, e, v.data, v.size))
		return TDX_EVENTLOG_MATCHES;
	if (e->type == TDX_EV_EVENT_TAG && e->size > 8 && hash_is(log, e, e->data + 8, e->size - 8))
		return TDX_EVENTLOG_MATCHES;
	if (eventlog_named(e) && hash_is(log, e, e->data + NAMED_HEADER, e->size - NAMED_HEADER))
		return TDX_EVENTLOG_MATCHES;
	if (part_matches(log, e))
		return TDX_EVENTLOG_MATCHES;
	return must_match(e->type) ? TDX_EVENTLOG_DIFFERS : TDX_EVENTLOG_UNKNOWN;
}

/* One register's part of a log, with the values between its events. */
struct chain {
	const struct tdx_eventlog *log;
	size_t *index;			  /* of its events, in order */
	struct tdx_eventlog_value *value; /* before each of them, and after the last */
	size_t n;
	const uint8_t *want;
};

static bool is(const struct chain *c, const struct tdx_eventlog_value *v)
{
	return !memcmp(v->b, c->want, tdx_eventlog_alg_size(c->log->bank));
}

static int chain_open(const struct tdx_eventlog *log, uint32_t reg, const uint8_t *want,
		      struct chain *c)
{
	int rc = 0;

	*c = (struct chain){.log = log, .want = want};
	c->index = calloc(log->nevents + 1, sizeof(*c->index));
	c->value = calloc(log->nevents + 1, sizeof(*c->value));
	if (!c->index || !c->value)
		return -ENOMEM;
	tdx_eventlog_start(log, reg, &c->value[0]);
	for (size_t i = 0; i < log->nevents && !rc; i++) {
		const struct tdx_eventlog_event *e = &log->event[i];

		if (e->reg != reg || !tdx_eventlog_extends(log, e))
			continue;
		c->index[c->n] = i;
		c->value[c->n + 1] = c->value[c->n];
		rc = extend(log, e->hash, &c->value[c->n + 1]);
		c->n++;
	}
	return rc;
}

/* The end of the chain from v on, starting with its event k. */
static bool leads(const struct chain *c, struct tdx_eventlog_value v, size_t k)
{
	for (; k < c->n; k++)
		if (extend(c->log, c->log->event[c->index[k]].hash, &v))
			return false;
	return is(c, &v);
}

static const uint8_t *hash_at(const struct chain *c, size_t k)
{
	return c->log->event[c->index[k]].hash;
}

static bool try_twice(const struct chain *c, size_t k)
{
	struct tdx_eventlog_value v = c->value[k + 1];

	return !extend(c->log, hash_at(c, k), &v) && leads(c, v, k + 1);
}

static bool try_swapped(const struct chain *c, size_t k)
{
	struct tdx_eventlog_value v = c->value[k];

	return k + 1 < c->n && !extend(c->log, hash_at(c, k + 1), &v) &&
	       !extend(c->log, hash_at(c, k), &v) && leads(c, v, k + 2);
}

static bool try_data(const struct chain *c, size_t k)
{
	const struct tdx_eventlog_event *e = &c->log->event[c->index[k]];
	struct tdx_eventlog_value v = c->value[k];
	struct efi_variable var;
	uint8_t out[TDX_EVENTLOG_DIGEST_MAX];

	if (hash_two(c->log, e->data, e->size, NULL, 0, out) || extend(c->log, out, &v))
		return false;
	if (leads(c, v, k + 1))
		return true;
	if (!efi_variable_read(e, &var))
		return false;
	v = c->value[k];
	return !hash_two(c->log, var.data, var.size, NULL, 0, out) && !extend(c->log, out, &v) &&
	       leads(c, v, k + 1);
}

static bool try_separator(const struct chain *c, size_t k)
{
	static const uint8_t zero[4];
	struct tdx_eventlog_value v = c->value[k];
	uint8_t out[TDX_EVENTLOG_DIGEST_MAX];

	return !hash_two(c->log, zero, 4, NULL, 0, out) && !extend(c->log, out, &v) &&
	       leads(c, v, k);
}

static enum tdx_eventlog_cause try_event(const struct chain *c, size_t k)
{
	if (try_data(c, k))
		return TDX_EVENTLOG_DIGEST_OF_DATA;
	if (leads(c, c->value[k], k + 1))
		return TDX_EVENTLOG_NOT_EXTENDED;
	if (try_twice(c, k))
		return TDX_EVENTLOG_TWICE;
	if (try_swapped(c, k))
		return TDX_EVENTLOG_SWAPPED;
	if (try_separator(c, k))
		return TDX_EVENTLOG_SEPARATOR;
	return TDX_EVENTLOG_UNEXPLAINED;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static void explain(const struct chain *c, struct tdx_eventlog_difference *out)
{
	size_t tried = c->n < TRIED ? c->n : TRIED;

	out->replayed = c->value[c->n];
	out->event = TDX_EVENTLOG_NONE;
	out->cause = TDX_EVENTLOG_EQUAL;
	if (is(c, &c->value[c->n]))
		return;
	out->cause = c->n ? TDX_EVENTLOG_NEVER : TDX_EVENTLOG_UNLOGGED;
	if (!c->n || (all_zero(c->want, tdx_eventlog_alg_size(c->log->bank)) &&
		      all_zero(c->value[0].b, TDX_EVENTLOG_DIGEST_MAX))) {
		out->event = c->n ? c->index[0] : TDX_EVENTLOG_NONE;
		return;
	}
	for (size_t k = 0; k < c->n; k++)
		if (is(c, &c->value[k])) {
			out->cause = TDX_EVENTLOG_CUT_SHORT;
			out->event = c->index[k];
			return;
		}
	for (size_t k = 0; k < tried; k++) {
		out->cause = try_event(c, k);
		out->event = c->index[k];
		if (out->cause != TDX_EVENTLOG_UNEXPLAINED)
			return;
	}
	out->event = TDX_EVENTLOG_NONE;
	out->cause = TDX_EVENTLOG_UNEXPLAINED;
	if (try_separator(c, c->n)) {
		out->cause = TDX_EVENTLOG_SEPARATOR;
		return;
	}
	for (size_t k = 0; k < c->n; k++)
		if (tdx_eventlog_check(c->log, &c->log->event[c->index[k]]) ==
		    TDX_EVENTLOG_DIFFERS) {
			out->event = c->index[k];
			return;
		}
}

int tdx_eventlog_explain(const struct tdx_eventlog *log, uint32_t reg, const uint8_t *value,
			 struct tdx_eventlog_difference *out)
{
	struct chain c;
	int rc = chain_open(log, reg, value, &c);

	memset(out, 0, sizeof(*out));
	if (!rc)
		explain(&c, out);
	free(c.index);
	free(c.value);
	return rc;
}

const char *tdx_eventlog_cause_text(enum tdx_eventlog_cause cause)
{
	switch (cause) {
	case TDX_EVENTLOG_EQUAL:
		return "the log replays to it";
	case TDX_EVENTLOG_CUT_SHORT:
		return "the register has not seen this event nor any after it";
	case TDX_EVENTLOG_NOT_EXTENDED:
		return "this event is in the log but was not extended";
	case TDX_EVENTLOG_TWICE:
		return "this event was extended twice but is in the log once";
	case TDX_EVENTLOG_SWAPPED:
		return "this event and the next of the register were extended in the other order";
	case TDX_EVENTLOG_DIGEST_OF_DATA:
		return "the event was extended with the digest of its data, the log has another";
	case TDX_EVENTLOG_SEPARATOR:
		return "a separator was extended before this event and is not in the log";
	case TDX_EVENTLOG_NEVER:
		return "the register is zero: neither this event nor any other was extended";
	case TDX_EVENTLOG_UNLOGGED:
		return "the register was extended without any entry in the log";
	case TDX_EVENTLOG_UNEXPLAINED:
		return "no single event explains it";
	}
	return "unknown";
}
