/* SPDX-License-Identifier: MIT */
/* The event log: what the firmware extended, written beside it for whoever wants to know what the
 * registers stand for. TCG crypto-agile format, registers under UEFI's numbers (RTMR n is n + 1).
 *
 * Data that has a name of 16 bytes and a length before it is of td-shim's form: the digest is that
 * of what follows them. */
#include "firmware.h"

enum {
	TDX_EV_NO_ACTION = 3,
	ALG_SHA384 = 12,
	SHA384_SIZE = 48,
	NAME_SIZE = 16,
};

static void put(struct log *l, const void *data, size_t len)
{
	if (len > (size_t)(l->end - l->next))
		fatal("the event log is full");
	memcpy(l->next, data, len);
	l->next += len;
}

static void put_number(struct log *l, uint64_t v, size_t bytes)
{
	put(l, &v, bytes);
}

void log_open(struct log *l)
{
	static const uint8_t zero[20], id[NAME_SIZE] = "Spec ID Event03";

	l->next = (uint8_t *)(uintptr_t)FW_LOG;
	l->end = l->next + FW_LOG_SIZE;
	put_number(l, 1, 4);
	put_number(l, TDX_EV_NO_ACTION, 4);
	put(l, zero, sizeof(zero));
	put_number(l, NAME_SIZE + 8 + 4 + 4 + 1, 4);
	put(l, id, sizeof(id));
	put_number(l, 0, 4);	      /* platform class: client */
	put_number(l, 0x02000200, 4); /* version 2.00, words of 64 bits */
	put_number(l, 1, 4);
	put_number(l, ALG_SHA384, 2);
	put_number(l, SHA384_SIZE, 2);
	put_number(l, 0, 1);
}

/* Register, type, digest, size; the caller puts the data. */
static void head(struct log *l, unsigned rtmr, uint32_t type, const uint8_t *digest, size_t size)
{
	put_number(l, rtmr + 1, 4);
	put_number(l, type, 4);
	put_number(l, 1, 4);
	put_number(l, ALG_SHA384, 2);
	put(l, digest, SHA384_SIZE);
	put_number(l, size, 4);
}

void log_event(struct log *l, unsigned rtmr, uint32_t type, const uint8_t *digest,
	       const char *prefix, const void *data, size_t len)
{
	size_t n = 0;

	while (prefix[n])
		n++;
	head(l, rtmr, type, digest, n + len);
	put(l, prefix, n);
	put(l, data, len);
}

void log_named(struct log *l, unsigned rtmr, uint32_t type, const uint8_t *digest,
	       const char name[NAME_SIZE], const void *data, size_t len)
{
	head(l, rtmr, type, digest, NAME_SIZE + 4 + len);
	put(l, name, NAME_SIZE);
	put_number(l, len, 4);
	put(l, data, len);
}
