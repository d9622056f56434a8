/* SPDX-License-Identifier: MIT */
/* Event logs of our own making: every form and every fault a real one may have. */
#ifndef TESTS_LOG_BUILD_H
#define TESTS_LOG_BUILD_H

#include <stdint.h>
#include <string.h>

#include <openssl/evp.h>

#include <swtdx/eventlog.h>

struct log_build {
	uint8_t p[65536];
	size_t len;
	uint16_t alg[4]; /* of the header */
	unsigned nalgs;
};

static inline void log_put(struct log_build *b, const void *p, size_t n)
{
	memcpy(b->p + b->len, p, n);
	b->len += n;
}

static inline void log_word(struct log_build *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		b->p[b->len++] = (uint8_t)(v >> 8 * i);
}

static inline void log_open(struct log_build *b, const uint16_t *alg, unsigned n)
{
	memset(b, 0, sizeof(*b));
	memcpy(b->alg, alg, n * sizeof(*alg));
	b->nalgs = n;
	log_word(b, 1, 4);
	log_word(b, TDX_EV_NO_ACTION, 4);
	b->len += 20;
	log_word(b, 24 + 4 + 4 * n + 1, 4);
	log_put(b, "Spec ID Event03", 16);
	log_word(b, 0, 4);
	log_word(b, 0x02000200, 4);
	log_word(b, n, 4);
	for (unsigned i = 0; i < n; i++) {
		log_word(b, alg[i], 2);
		log_word(b, tdx_eventlog_alg_size(alg[i]), 2);
	}
	log_word(b, 0, 1);
}

/* A CC log: SHA-384 alone. */
static inline void log_open_cc(struct log_build *b)
{
	static const uint16_t alg = TDX_EVENTLOG_SHA384;

	log_open(b, &alg, 1);
}

/* An event whose digests are those of `of`. */
static inline void log_event_of(struct log_build *b, uint32_t reg, uint32_t type, const void *of,
				size_t oflen, const void *data, size_t len)
{
	log_word(b, reg, 4);
	log_word(b, type, 4);
	log_word(b, b->nalgs, 4);
	for (unsigned i = 0; i < b->nalgs; i++) {
		const EVP_MD *md = b->alg[i] == TDX_EVENTLOG_SHA1     ? EVP_sha1()
				   : b->alg[i] == TDX_EVENTLOG_SHA256 ? EVP_sha256()
								      : EVP_sha384();
		unsigned n;

		log_word(b, b->alg[i], 2);
		EVP_Digest(of, oflen, b->p + b->len, &n, md, NULL);
		b->len += n;
	}
	log_word(b, len, 4);
	log_put(b, data, len);
}

static inline void log_event(struct log_build *b, uint32_t reg, uint32_t type, const void *data,
			     size_t len)
{
	log_event_of(b, reg, type, data, len, data, len);
}

static inline void log_text(struct log_build *b, uint32_t reg, uint32_t type, const char *text)
{
	log_event(b, reg, type, text, strlen(text));
}

static inline void log_separator(struct log_build *b, uint32_t reg)
{
	log_event(b, reg, TDX_EV_SEPARATOR, "\0\0\0", 4);
}

/* UEFI_VARIABLE_DATA into buf; returns its length. */
static inline size_t log_variable(uint8_t *buf, const uint8_t guid[16], const char *name,
				  const void *data, size_t len)
{
	size_t n = strlen(name);

	memset(buf, 0, 32 + 2 * n);
	memcpy(buf, guid, 16);
	buf[16] = (uint8_t)n;
	buf[24] = (uint8_t)len;
	buf[25] = (uint8_t)(len >> 8);
	for (size_t i = 0; i < n; i++)
		buf[32 + 2 * i] = (uint8_t)name[i];
	memcpy(buf + 32 + 2 * n, data, len);
	return 32 + 2 * n + len;
}

#endif
