/* SPDX-License-Identifier: MIT */
/* AES-256-GCM as migration uses it (NIST SP 800-38D, 96-bit IVs, 128-bit tags).
 *
 * A page of memory is a message of its own: struct gcm, which lives for a call, in the processor's
 * own cipher context. A state bundle is one message over several pages, and its call may be
 * interrupted between two of them: struct gcm_message is plain data, so that it can wait in the
 * stream's page. OpenSSL's context cannot, so there the message is put together of OpenSSL's block
 * cipher and its GHASH of pieces.
 *
 * A processor makes one call at a time, so its contexts are nobody else's. */
#ifndef MODULE_GCM_H
#define MODULE_GCM_H

#include <stddef.h>
#include <stdint.h>

#include "module/internal.h"

enum { GCM_TAG_SIZE = 16, GCM_IV_SIZE = 12, GCM_KEY_WORDS = 4 };

struct gcm_key {
	uint64_t word[GCM_KEY_WORDS];
};

/* The processor's contexts, made when the module is loaded. False: out of memory. */
bool gcm_contexts_new(struct lp *lp);
void gcm_contexts_free(struct lp *lp);

/* --- many short messages under one key --- */

struct gcm {
	void *ctx;
	bool seal;
};

/* Sets the key up; `seal` encrypts, else messages are opened. */
struct gcm gcm_begin(struct lp *lp, const struct gcm_key *key, bool seal);
/* The next message: IV and additional data; then text; then its tag. */
void gcm_next(struct gcm *g, const uint8_t iv[GCM_IV_SIZE], const void *aad, size_t len);
void gcm_text(struct gcm *g, const void *from, void *to, size_t len);
void gcm_tag(struct gcm *g, uint8_t tag[GCM_TAG_SIZE]);
/* Of a message that was opened: is this its tag? */
bool gcm_tag_is(struct gcm *g, const uint8_t tag[GCM_TAG_SIZE]);

/* --- one message of many pages --- */

struct gcm_message {
	struct gcm_key key;
	uint8_t first[16]; /* counter block of the tag */
	uint8_t hash[16];  /* GHASH of what there has been */
	uint64_t aad_len, text_len;
};

void gcm_message_begin(struct gcm_message *m, struct lp *lp, const struct gcm_key *key,
		       const uint8_t iv[GCM_IV_SIZE], const void *aad, size_t len);
/* len is a multiple of 16; `from` is read once. */
void gcm_message_seal(struct gcm_message *m, struct lp *lp, const void *from, void *to, size_t len);
void gcm_message_open(struct gcm_message *m, struct lp *lp, const void *from, void *to, size_t len);
void gcm_message_tag(const struct gcm_message *m, struct lp *lp, uint8_t tag[GCM_TAG_SIZE]);

#endif
