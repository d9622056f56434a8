/* SPDX-License-Identifier: MIT */
/* See tools/evidence_log.h. A runtime event's digest is that of its type, name and payload with
 * colons between; those bytes become the event's data, so that its digest can be checked as any
 * other's. */
#include "tools/evidence_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/eventlog.h>
#include <swtdx/measure.h>

#define EVENTS_MAX 65536

struct bytes {
	uint8_t *p;
	size_t len, cap;
};

static int put(struct bytes *b, const void *p, size_t n)
{
	if (n > TDX_EVENTLOG_MAX - b->len)
		return -EINVAL;
	if (b->len + n > b->cap) {
		size_t cap = 2 * (b->len + n) + 4096;
		uint8_t *more = realloc(b->p, cap);

		if (!more)
			return -ENOMEM;
		b->p = more;
		b->cap = cap;
	}
	if (n)
		memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

static int put32(struct bytes *b, uint32_t v)
{
	uint8_t le[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};

	return put(b, le, sizeof(le));
}

static int put16(struct bytes *b, unsigned v)
{
	uint8_t le[2] = {(uint8_t)v, (uint8_t)(v >> 8)};

	return put(b, le, sizeof(le));
}

static int nibble(char c)
{
	const char *digits = "0123456789abcdef", *at;

	if (c >= 'A' && c <= 'F')
		c = (char)(c - 'A' + 'a');
	at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

static int put_hex(struct bytes *b, const char *s)
{
	int rc = 0;

	for (; s[0] && !rc; s += 2) {
		int high = nibble(s[0]), low = s[1] ? nibble(s[1]) : -1;
		uint8_t byte = (uint8_t)(high << 4 | low);

		if (high < 0 || low < 0)
			return -EINVAL;
		rc = put(b, &byte, 1);
	}
	return rc;
}

static int put_data(struct bytes *b, uint32_t type, const char *name, const char *payload)
{
	int rc = 0;

	if (type == TDX_EV_DSTACK_RUNTIME) {
		rc = put32(b, type);
		if (!rc)
			rc = put(b, ":", 1);
		if (!rc)
			rc = put(b, name, strlen(name));
		if (!rc)
			rc = put(b, ":", 1);
	}
	return rc ? rc : put_hex(b, payload);
}

static const char *text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static int put_event(struct bytes *b, const json_t *j)
{
	const json_t *imr = json_object_get(j, "imr"), *type = json_object_get(j, "event_type");
	const char *digest = json_string_value(json_object_get(j, "digest"));
	json_int_t reg = json_integer_value(imr), word = json_integer_value(type);
	struct bytes data = {NULL, 0, 0}, hash = {NULL, 0, 0};
	struct tdx_digest own;
	int rc;

	if (!json_is_integer(imr) || !json_is_integer(type) || !digest || reg < 0 ||
	    reg >= TDX_RTMRS || word < 0 || word > UINT32_MAX)
		return -EINVAL;
	rc = put_data(&data, (uint32_t)word, text(j, "event"), text(j, "event_payload"));
	if (!rc)
		rc = put_hex(&hash, digest);
	if (!rc && !hash.len) {
		rc = tdx_sha384(data.p, data.len, &own);
		if (!rc)
			rc = put(&hash, own.b, sizeof(own.b));
	}
	if (!rc && hash.len != TDX_SHA384_SIZE)
		rc = -EINVAL;
	if (!rc)
		rc = put32(b, (uint32_t)reg + TDX_EVENTLOG_RTMR0);
	if (!rc)
		rc = put32(b, (uint32_t)word);
	if (!rc)
		rc = put32(b, 1);
	if (!rc)
		rc = put16(b, TDX_EVENTLOG_SHA384);
	if (!rc)
		rc = put(b, hash.p, hash.len);
	if (!rc)
		rc = put32(b, (uint32_t)data.len);
	if (!rc)
		rc = put(b, data.p, data.len);
	free(data.p);
	free(hash.p);
	return rc;
}

/* The first event of the old form: it names the one algorithm. */
static int put_header(struct bytes *b)
{
	static const uint8_t sha1[20];
	static const uint8_t spec[] = {'S',
				       'p',
				       'e',
				       'c',
				       ' ',
				       'I',
				       'D',
				       ' ',
				       'E',
				       'v',
				       'e',
				       'n',
				       't',
				       '0',
				       '3',
				       0,
				       0,
				       0,
				       0,
				       0,
				       0,
				       2,
				       0,
				       2,
				       1,
				       0,
				       0,
				       0,
				       TDX_EVENTLOG_SHA384,
				       0,
				       TDX_SHA384_SIZE,
				       0,
				       0};
	int rc = put32(b, TDX_EVENTLOG_RTMR0);

	if (!rc)
		rc = put32(b, TDX_EV_NO_ACTION);
	if (!rc)
		rc = put(b, sha1, sizeof(sha1));
	if (!rc)
		rc = put32(b, sizeof(spec));
	return rc ? rc : put(b, spec, sizeof(spec));
}

int evidence_log_from_json(const json_t *array, uint8_t **out, size_t *len)
{
	struct bytes b = {NULL, 0, 0};
	size_t n = json_array_size(array);
	int rc = n && n <= EVENTS_MAX ? put_header(&b) : -EINVAL;

	for (size_t i = 0; i < n && !rc; i++)
		rc = put_event(&b, json_array_get(array, i));
	if (rc)
		free(b.p);
	*out = rc ? NULL : b.p;
	*len = rc ? 0 : b.len;
	return rc;
}
