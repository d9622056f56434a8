/* SPDX-License-Identifier: MIT */
/* A crypto-agile event log taken apart.
 *
 * The first event has the old form (one SHA-1) and its data name the algorithms; every other has a
 * list of digests. A list may name only those algorithms: the size of a digest is known from there
 * alone, and without it nothing after it can be read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/eventlog_internal.h"

#define HEADER_SIZE	32 /* register, type, SHA-1, size */
#define SPEC_ID		"Spec ID Event03"
#define SPEC_ID_SIZE	16
#define SPEC_ID_ALGS	24 /* offset of the number of algorithms */
#define EVENT_MIN	16 /* register, type, number of digests, size of the data */
#define TABLE_SIGNATURE "CCEL"

struct cursor {
	const uint8_t *p;
	size_t len, at;
};

static int fail(struct tdx_eventlog_error *err, enum tdx_eventlog_fault fault, size_t event,
		uint64_t at, uint64_t value, uint64_t limit)
{
	*err = (struct tdx_eventlog_error){fault, event, at, value, limit};
	return -EINVAL;
}

bool tdx_eventlog_looks_like(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	return len >= HEADER_SIZE + SPEC_ID_ALGS && le32(p + 4) == TDX_EV_NO_ACTION &&
	       !memcmp(p + HEADER_SIZE, SPEC_ID, SPEC_ID_SIZE);
}

/* Every byte from here on is zero or every byte is one: the rest of the log's area. */
static bool filling(const uint8_t *p, size_t len)
{
	if (!len)
		return true;
	if (p[0] != 0 && p[0] != 0xff)
		return false;
	return !memcmp(p, p + 1, len - 1);
}

static int parse_algs(const uint8_t *p, uint32_t size, struct tdx_eventlog *log,
		      struct tdx_eventlog_error *err)
{
	uint64_t at = HEADER_SIZE + SPEC_ID_ALGS;
	uint32_t n;

	if (size < SPEC_ID_ALGS + 4)
		return fail(err, TDX_EVENTLOG_CUT, 0, HEADER_SIZE - 4, size, SPEC_ID_ALGS + 4);
	n = le32(p + SPEC_ID_ALGS);
	if (!n || n > TDX_EVENTLOG_MAX_ALGS)
		return fail(err, TDX_EVENTLOG_ALGS, 0, at, n, TDX_EVENTLOG_MAX_ALGS);
	if (size - SPEC_ID_ALGS - 4 < 4 * n)
		return fail(err, TDX_EVENTLOG_CUT, 0, HEADER_SIZE - 4, size,
			    SPEC_ID_ALGS + 4 + 4 * n);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *alg = p + SPEC_ID_ALGS + 4 + 4 * i;
		unsigned known = tdx_eventlog_alg_size(le16(alg));

		log->alg[i].id = le16(alg);
		log->alg[i].size = le16(alg + 2);
		if (!log->alg[i].size || log->alg[i].size > TDX_EVENTLOG_DIGEST_MAX ||
		    (known && known != log->alg[i].size))
			return fail(err, TDX_EVENTLOG_ALG_SIZE, 0, at + 6 + 4 * i, log->alg[i].size,
				    known ? known : TDX_EVENTLOG_DIGEST_MAX);
	}
	log->nalgs = n;
	return 0;
}

static int parse_header(struct cursor *c, struct tdx_eventlog *log, struct tdx_eventlog_error *err)
{
	uint32_t size;

	if (c->len >= 4 && !memcmp(c->p, TABLE_SIGNATURE, 4))
		return fail(err, TDX_EVENTLOG_IS_TABLE, 0, 0, c->len, 0);
	if (c->len < HEADER_SIZE + SPEC_ID_ALGS + 4)
		return fail(err, TDX_EVENTLOG_TOO_SHORT, 0, 0, c->len,
			    HEADER_SIZE + SPEC_ID_ALGS + 4);
	if (c->len > TDX_EVENTLOG_MAX)
		return fail(err, TDX_EVENTLOG_TOO_LONG, 0, 0, c->len, TDX_EVENTLOG_MAX);
	if (!tdx_eventlog_looks_like(c->p, c->len))
		return fail(err, TDX_EVENTLOG_HEADER, 0, 4, le32(c->p + 4), TDX_EV_NO_ACTION);
	size = le32(c->p + HEADER_SIZE - 4);
	if (!inside(HEADER_SIZE, size, c->len))
		return fail(err, TDX_EVENTLOG_CUT, 0, HEADER_SIZE - 4, size, c->len - HEADER_SIZE);
	log->event[0] = (struct tdx_eventlog_event){
		.reg = le32(c->p),
		.type = TDX_EV_NO_ACTION,
		.data = c->p + HEADER_SIZE,
		.size = size,
	};
	log->nevents = 1;
	c->at = HEADER_SIZE + size;
	return parse_algs(c->p + HEADER_SIZE, size, log, err);
}

static unsigned size_of(const struct tdx_eventlog *log, unsigned alg)
{
	for (unsigned i = 0; i < log->nalgs; i++)
		if (log->alg[i].id == alg)
			return log->alg[i].size;
	return 0;
}

static int parse_digests(struct cursor *c, struct tdx_eventlog *log, struct tdx_eventlog_event *e,
			 struct tdx_eventlog_error *err)
{
	e->digests = c->p + c->at;
	for (unsigned i = 0; i < e->ndigests; i++) {
		unsigned alg, size;

		if (c->len - c->at < 2)
			return fail(err, TDX_EVENTLOG_CUT, log->nevents, c->at, 2, c->len - c->at);
		alg = le16(c->p + c->at);
		size = size_of(log, alg);
		if (!size)
			return fail(err, TDX_EVENTLOG_ALG_UNKNOWN, log->nevents, c->at, alg, 0);
		if (!inside(c->at + 2, size, c->len))
			return fail(err, TDX_EVENTLOG_CUT, log->nevents, c->at + 2, size,
				    c->len - c->at - 2);
		c->at += 2 + size;
	}
	return 0;
}

/* An event at the cursor; its end is the cursor's new place. */
static int parse_event(struct cursor *c, struct tdx_eventlog *log, struct tdx_eventlog_error *err)
{
	struct tdx_eventlog_event *e = &log->event[log->nevents];
	const uint8_t *p = c->p + c->at;
	size_t left = c->len - c->at;
	int rc;

	if (left < EVENT_MIN)
		return fail(err, TDX_EVENTLOG_CUT, log->nevents, c->at, EVENT_MIN, left);
	*e = (struct tdx_eventlog_event){
		.at = c->at, .reg = le32(p), .type = le32(p + 4), .ndigests = le32(p + 8)};
	if (e->reg >= TDX_EVENTLOG_PCRS && e->reg != TDX_EVENTLOG_NO_REGISTER)
		return fail(err, TDX_EVENTLOG_REGISTER, log->nevents, c->at, e->reg,
			    TDX_EVENTLOG_PCRS - 1);
	if (e->ndigests > TDX_EVENTLOG_MAX_ALGS)
		return fail(err, TDX_EVENTLOG_DIGESTS, log->nevents, c->at + 8, e->ndigests,
			    TDX_EVENTLOG_MAX_ALGS);
	c->at += 12;
	rc = parse_digests(c, log, e, err);
	if (rc)
		return rc;
	if (c->len - c->at < 4)
		return fail(err, TDX_EVENTLOG_CUT, log->nevents, c->at, 4, c->len - c->at);
	e->size = le32(c->p + c->at);
	if (!inside(c->at + 4, e->size, c->len))
		return fail(err, TDX_EVENTLOG_CUT, log->nevents, c->at, e->size,
			    c->len - c->at - 4);
	e->data = c->p + c->at + 4;
	c->at += 4 + (size_t)e->size;
	log->nevents++;
	return 0;
}

/* Where the log ends: at its end, at filling to its end, or at a header that is none. */
static bool at_end(const struct cursor *c, struct tdx_eventlog *log)
{
	const uint8_t *p = c->p + c->at;
	size_t left = c->len - c->at;

	log->end = c->at;
	if (filling(p, left))
		return true;
	if (left < EVENT_MIN)
		return false;
	if ((le32(p) == TDX_EVENTLOG_NO_REGISTER && le32(p + 4) == 0xffffffffu) ||
	    (!le32(p) && !le32(p + 4) && !le32(p + 8))) {
		log->stray = left;
		return true;
	}
	return false;
}

static const uint8_t *find_digest(const struct tdx_eventlog *log,
				  const struct tdx_eventlog_event *e, unsigned alg)
{
	const uint8_t *p = e->digests;

	for (unsigned i = 0; i < e->ndigests; i++) {
		unsigned id = le16(p);

		if (id == alg)
			return p + 2;
		p += 2 + size_of(log, id);
	}
	return NULL;
}

/* A register over 4 is a TPM's, and so is any bank but SHA-384; TDs have no other. */
static enum tdx_eventlog_kind kind_of(const struct tdx_eventlog *log)
{
	if (!size_of(log, TDX_EVENTLOG_SHA384) && !size_of(log, TDX_EVENTLOG_SM3))
		return TDX_EVENTLOG_TPM;
	if (size_of(log, TDX_EVENTLOG_SHA1))
		return TDX_EVENTLOG_TPM;
	for (size_t i = 1; i < log->nevents; i++)
		if (log->event[i].reg > TDX_EVENTLOG_RTMR0 + TDX_RTMRS - 1 &&
		    log->event[i].reg != TDX_EVENTLOG_NO_REGISTER)
			return TDX_EVENTLOG_TPM;
	return TDX_EVENTLOG_CC;
}

/* The strongest bank that OpenSSL has and the log fills. */
static int choose_bank(struct tdx_eventlog *log, struct tdx_eventlog_error *err)
{
	static const enum tdx_eventlog_alg order[] = {TDX_EVENTLOG_SHA384, TDX_EVENTLOG_SHA256,
						      TDX_EVENTLOG_SHA512, TDX_EVENTLOG_SM3,
						      TDX_EVENTLOG_SHA1};

	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!size_of(log, order[i]))
			continue;
		log->bank = order[i];
		for (size_t k = 1; k < log->nevents; k++)
			log->event[k].hash = find_digest(log, &log->event[k], order[i]);
		return 0;
	}
	return fail(err, TDX_EVENTLOG_NO_BANK, 0, HEADER_SIZE + SPEC_ID_ALGS + 4, log->alg[0].id,
		    0);
}

static int parse(struct cursor *c, struct tdx_eventlog *log, struct tdx_eventlog_error *err)
{
	int rc = parse_header(c, log, err);

	while (!rc && !at_end(c, log))
		rc = parse_event(c, log, err);
	if (rc)
		return rc;
	log->kind = kind_of(log);
	return choose_bank(log, err);
}

int tdx_eventlog_parse(const void *bytes, size_t len, struct tdx_eventlog *out,
		       struct tdx_eventlog_error *err)
{
	struct cursor c = {bytes, len, 0};
	size_t most = 2 + (len < TDX_EVENTLOG_MAX ? len : 0) / EVENT_MIN;
	int rc;

	memset(out, 0, sizeof(*out));
	*err = (struct tdx_eventlog_error){0};
	out->event = calloc(most, sizeof(*out->event));
	if (!out->event)
		return -ENOMEM;
	rc = parse(&c, out, err);
	if (rc)
		tdx_eventlog_free(out);
	return rc;
}

void tdx_eventlog_free(struct tdx_eventlog *log)
{
	free(log->event);
	memset(log, 0, sizeof(*log));
}
