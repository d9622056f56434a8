/* SPDX-License-Identifier: MIT */
/* AES-256-GCM; see gcm.h. */
#include "module/gcm.h"

#include <assert.h>
#include <string.h>

#include <openssl/evp.h>

enum { BLOCK = 16, CHUNK = 4096 };

bool gcm_contexts_new(struct lp *lp)
{
	lp->gcm_ctx = EVP_CIPHER_CTX_new();
	lp->block_ctx = EVP_CIPHER_CTX_new();
	return lp->gcm_ctx && lp->block_ctx &&
	       EVP_CipherInit_ex(lp->gcm_ctx, EVP_aes_256_gcm(), NULL, NULL, NULL, 1) == 1 &&
	       EVP_CipherInit_ex(lp->block_ctx, EVP_aes_256_ecb(), NULL, NULL, NULL, 1) == 1 &&
	       EVP_CIPHER_CTX_set_padding(lp->block_ctx, 0) == 1;
}

void gcm_contexts_free(struct lp *lp)
{
	EVP_CIPHER_CTX_free(lp->gcm_ctx);
	EVP_CIPHER_CTX_free(lp->block_ctx);
	lp->gcm_ctx = lp->block_ctx = NULL;
}

/* With cipher, context and lengths as they are here OpenSSL has nothing left to fail for. */
static void must(int ok)
{
	assert(ok == 1);
	(void)ok;
}

struct gcm gcm_begin(struct lp *lp, const struct gcm_key *key, bool seal)
{
	struct gcm g = {lp->gcm_ctx, seal};

	must(EVP_CipherInit_ex(g.ctx, NULL, NULL, (const uint8_t *)key->word, NULL, seal));
	return g;
}

void gcm_next(struct gcm *g, const uint8_t iv[GCM_IV_SIZE], const void *aad, size_t len)
{
	int done;

	must(EVP_CipherInit_ex(g->ctx, NULL, NULL, NULL, iv, g->seal));
	must(EVP_CipherUpdate(g->ctx, NULL, &done, aad, (int)len));
}

void gcm_text(struct gcm *g, const void *from, void *to, size_t len)
{
	int done;

	must(EVP_CipherUpdate(g->ctx, to, &done, from, (int)len));
}

void gcm_tag(struct gcm *g, uint8_t tag[GCM_TAG_SIZE])
{
	uint8_t none[BLOCK];
	int done;

	must(EVP_CipherFinal_ex(g->ctx, none, &done));
	must(EVP_CIPHER_CTX_ctrl(g->ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_SIZE, tag));
}

bool gcm_tag_is(struct gcm *g, const uint8_t tag[GCM_TAG_SIZE])
{
	uint8_t none[BLOCK], copy[GCM_TAG_SIZE];
	int done;

	memcpy(copy, tag, sizeof(copy)); /* shared memory */
	must(EVP_CIPHER_CTX_ctrl(g->ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_SIZE, copy));
	return EVP_CipherFinal_ex(g->ctx, none, &done) == 1;
}

/* --- GHASH: multiplication by H in GF(2^128), four bits at a time --- */

struct element {
	uint64_t hi, lo; /* bit 0 of the field's polynomial is the top bit of hi */
};

struct table {
	struct element h[16];
	uint8_t mask[BLOCK]; /* of a tag with the IV 0 */
};

static uint64_t load_be(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

static void store_be(uint8_t *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

static struct element times_x(struct element e)
{
	const uint64_t poly = 0xe1ull << 56;

	return (struct element){e.hi >> 1 ^ (e.lo & 1 ? poly : 0), e.lo >> 1 | e.hi << 63};
}

static void make_table(struct table *t, const uint8_t h[BLOCK])
{
	t->h[0] = (struct element){0, 0};
	t->h[8] = (struct element){load_be(h), load_be(h + 8)};
	for (unsigned i = 4; i; i /= 2)
		t->h[i] = times_x(t->h[2 * i]);
	for (unsigned i = 2; i < 16; i *= 2)
		for (unsigned j = 1; j < i; j++)
			t->h[i + j] =
				(struct element){t->h[i].hi ^ t->h[j].hi, t->h[i].lo ^ t->h[j].lo};
}

static struct element multiply(struct element a, const struct table *t)
{
	struct element r = {0, 0};

	for (unsigned i = 0; i < 32; i++) {
		uint64_t word = i < 16 ? a.lo : a.hi;
		unsigned nibble = (unsigned)(word >> (i % 16 * 4)) & 15;

		if (i)
			for (unsigned k = 0; k < 4; k++)
				r = times_x(r);
		r.hi ^= t->h[nibble].hi;
		r.lo ^= t->h[nibble].lo;
	}
	return r;
}

static void hash_block(uint8_t hash[BLOCK], const struct table *t, const uint8_t block[BLOCK])
{
	struct element e = {load_be(hash) ^ load_be(block), load_be(hash + 8) ^ load_be(block + 8)};

	e = multiply(e, t);
	store_be(hash, e.hi);
	store_be(hash + 8, e.lo);
}

/* --- the message --- */

static void set_key(struct lp *lp, const struct gcm_key *key, struct table *t)
{
	uint8_t h[BLOCK] = {0};
	int done;

	must(EVP_CipherInit_ex(lp->block_ctx, NULL, NULL, (const uint8_t *)key->word, NULL, 1));
	must(EVP_CipherUpdate(lp->block_ctx, h, &done, h, BLOCK));
	make_table(t, h);
	memset(t->mask, 0, sizeof(t->mask));
	t->mask[BLOCK - 1] = 1;
	must(EVP_CipherUpdate(lp->block_ctx, t->mask, &done, t->mask, BLOCK));
}

static void add(uint8_t to[BLOCK], const uint8_t what[BLOCK])
{
	for (unsigned i = 0; i < BLOCK; i++)
		to[i] ^= what[i];
}

/* Many blocks, which are spoilt, by OpenSSL's GHASH: what it is of additional data d with nothing
 * behind it can be had from the tag, tag ^ mask = (GHASH(d) ^ lengths) * H. So all but the last
 * block go in as such, and with the last one, (GHASH(d) ^ last) * H is the tag ^ mask ^
 * (lengths ^ last) * H: one multiplication of our own. */
static void hash_blocks(struct gcm_message *m, struct lp *lp, const struct table *t, uint8_t *block,
			size_t len)
{
	static const uint8_t iv[GCM_IV_SIZE];
	uint8_t *last = block + len - BLOCK, rest[BLOCK] = {0}, lengths[BLOCK] = {0};
	int done;

	add(block, m->hash);
	memset(m->hash, 0, sizeof(m->hash));
	if (block != last) {
		must(EVP_CipherInit_ex(lp->gcm_ctx, NULL, NULL, (const uint8_t *)m->key.word, iv,
				       1));
		must(EVP_CipherUpdate(lp->gcm_ctx, NULL, &done, block, (int)(len - BLOCK)));
		must(EVP_CipherFinal_ex(lp->gcm_ctx, rest, &done));
		must(EVP_CIPHER_CTX_ctrl(lp->gcm_ctx, EVP_CTRL_AEAD_GET_TAG, BLOCK, rest));
		add(rest, t->mask);
		store_be(lengths, (uint64_t)(len - BLOCK) * 8);
	}
	add(last, lengths);
	hash_block(m->hash, t, last);
	add(m->hash, rest);
}

static void counter_block(const struct gcm_message *m, uint64_t block, uint8_t out[BLOCK])
{
	uint32_t n = __builtin_bswap32((uint32_t)(block + 1));

	memcpy(out, m->first, GCM_IV_SIZE);
	memcpy(out + GCM_IV_SIZE, &n, sizeof(n));
}

void gcm_message_begin(struct gcm_message *m, struct lp *lp, const struct gcm_key *key,
		       const uint8_t iv[GCM_IV_SIZE], const void *aad, size_t len)
{
	struct table t;

	*m = (struct gcm_message){.key = *key, .aad_len = len};
	memcpy(m->first, iv, GCM_IV_SIZE);
	m->first[BLOCK - 1] = 1;
	set_key(lp, key, &t);
	for (size_t at = 0; at < len; at += BLOCK) {
		uint8_t block[BLOCK] = {0};

		memcpy(block, (const uint8_t *)aad + at, len - at < BLOCK ? len - at : BLOCK);
		hash_block(m->hash, &t, block);
	}
}

static void text(struct gcm_message *m, struct lp *lp, const uint8_t *from, uint8_t *to, size_t len,
		 bool seal)
{
	uint8_t stream[CHUNK], in[CHUNK];
	struct table t;
	int done;

	assert(len % BLOCK == 0);
	set_key(lp, &m->key, &t);
	for (size_t at = 0; at < len; at += CHUNK) {
		size_t n = len - at < CHUNK ? len - at : CHUNK;

		memcpy(in, from + at, n); /* shared memory: what is hashed is what is opened */
		for (size_t i = 0; i < n; i += BLOCK)
			counter_block(m, 1 + (m->text_len + i) / BLOCK, stream + i);
		must(EVP_CipherUpdate(lp->block_ctx, stream, &done, stream, (int)n));
		for (size_t i = 0; i < n; i++)
			stream[i] ^= in[i];
		memcpy(to + at, stream, n);
		hash_blocks(m, lp, &t, seal ? stream : in, n);
		m->text_len += n;
	}
}

void gcm_message_seal(struct gcm_message *m, struct lp *lp, const void *from, void *to, size_t len)
{
	text(m, lp, from, to, len, true);
}

void gcm_message_open(struct gcm_message *m, struct lp *lp, const void *from, void *to, size_t len)
{
	text(m, lp, from, to, len, false);
}

void gcm_message_tag(const struct gcm_message *m, struct lp *lp, uint8_t tag[GCM_TAG_SIZE])
{
	uint8_t hash[BLOCK], lengths[BLOCK], mask[BLOCK];
	struct table t;
	int done;

	set_key(lp, &m->key, &t);
	store_be(lengths, m->aad_len * 8);
	store_be(lengths + 8, m->text_len * 8);
	memcpy(hash, m->hash, sizeof(hash));
	hash_block(hash, &t, lengths);
	counter_block(m, 0, mask);
	must(EVP_CipherUpdate(lp->block_ctx, mask, &done, mask, BLOCK));
	for (unsigned i = 0; i < GCM_TAG_SIZE; i++)
		tag[i] = hash[i] ^ mask[i];
}
