/* SPDX-License-Identifier: MIT */
/* A migration TD for simulated machines: the guest library's, in a native guest, with OpenSSL for
 * what that has not: X25519, SHA-384, HMAC, AES-256-GCM, and the quotes of measure/.
 *
 * Whom it believes is measured: the certificate that quotes must lead to is in its memory, and its
 * MRCONFIGID is the hash of it, so that a migration TD with another root is another TD. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <swtdx/attest.h>
#include <swtdx/sim.h>

#include "port/guest_native.h"

enum { HASH_SIZE = 48, KEY_SIZE = 32, IV_SIZE = 12 };
enum { SCRATCH = 0x100000, QUOTE_AT = 0x200000, QUOTE_SIZE = 32 << 10, MEMORY = 16 << 20 };

struct session {
	const struct tdx_sim_migtd *config;
	bool source;
	EVP_PKEY *pair;
	uint8_t key[2][KEY_SIZE]; /* of the source, of the other */
};

static const uint8_t label[] = "swtdx migration TD 1";

/* What a quote says of a public key and the role of who has it. */
static int reportdata(bool source, const uint8_t *public_, uint8_t out[TDX_REPORTDATA_SIZE])
{
	uint8_t text[sizeof(label) + 1 + TDG_MIGTD_PUBLIC_SIZE];
	struct tdx_digest d;

	memcpy(text, label, sizeof(label));
	text[sizeof(label)] = source;
	memcpy(text + sizeof(label) + 1, public_, TDG_MIGTD_PUBLIC_SIZE);
	memset(out, 0, TDX_REPORTDATA_SIZE);
	if (tdx_sha384(text, sizeof(text), &d))
		return -EIO;
	memcpy(out, d.b, sizeof(d.b));
	return 0;
}

static int begin(void *arg, bool source, uint8_t *public_, uint8_t *data)
{
	struct session *s = arg;
	size_t len = TDG_MIGTD_PUBLIC_SIZE;

	s->source = source;
	s->pair = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	if (!s->pair || EVP_PKEY_get_raw_public_key(s->pair, public_, &len) != 1)
		return -EIO;
	return reportdata(source, public_, data);
}

static bool same(const struct tdx_digest *a, const struct tdx_digest *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* The same migration TD, on a platform whose module measures the same. */
static bool like(const struct tdx_report *own, const struct tdx_quote_body *b)
{
	const struct tdx_td_info *t = &own->td_info;

	for (unsigned i = 0; i < TDX_RTMRS; i++)
		if (!same(&t->rtmr[i], &b->rtmr[i]))
			return false;
	return same(&t->mrtd, &b->mrtd) && same(&t->mrconfigid, &b->mrconfigid) &&
	       same(&t->mrowner, &b->mrowner) && same(&t->mrownerconfig, &b->mrownerconfig) &&
	       t->attributes == b->attributes && t->xfam == b->xfam &&
	       !(b->attributes & TDX_ATTR_DEBUG) && same(&own->tee_tcb_info.mrseam, &b->mrseam) &&
	       same(&own->tee_tcb_info.mrsignerseam, &b->mrsignerseam);
}

/* The certificate is the one that this TD was made with. */
static bool root_is_ours(const struct tdx_sim_migtd *c, const struct tdx_report *own)
{
	struct tdx_digest d;

	return !tdx_sha384(c->root, c->root_len, &d) && same(&d, &own->td_info.mrconfigid);
}

static int check(void *arg, const struct tdx_report *own, bool source, const uint8_t *public_,
		 const void *quote, size_t len)
{
	const struct session *s = arg;
	const struct tdx_sim_migtd *c = s->config;
	uint8_t data[TDX_REPORTDATA_SIZE];
	struct tdx_attest_error why;
	struct tdx_quote q;
	int err = reportdata(source, public_, data);

	if (err)
		return err;
	if (!root_is_ours(c, own) || tdx_quote_parse(quote, len, &q, &why) || q.sgx ||
	    tdx_quote_verify(&q, c->root, c->root_len, (int64_t)time(NULL), &why))
		return -EACCES;
	return like(own, &q.body) && !memcmp(q.body.reportdata, data, sizeof(data)) ? 0 : -EACCES;
}

static int mac(const void *key, int key_len, const void *text, size_t len, uint8_t out[HASH_SIZE])
{
	unsigned n = HASH_SIZE;

	return HMAC(EVP_sha384(), key, key_len, text, len, out, &n) ? 0 : -EIO;
}

/* Extract over the hash of both hellos, the source's first, then a key for each direction. */
static int derive(struct session *s, const uint8_t *secret, size_t len,
		  const struct tdx_digest said[2])
{
	uint8_t prk[HASH_SIZE], key[HASH_SIZE];
	int err = mac(said, 2 * sizeof(*said), secret, len, prk);

	for (uint8_t i = 0; i < 2 && !err; i++) {
		err = mac(prk, sizeof(prk), &i, 1, key);
		memcpy(s->key[i], key, KEY_SIZE);
	}
	OPENSSL_cleanse(prk, sizeof(prk));
	OPENSSL_cleanse(key, sizeof(key));
	return err;
}

static int shared_secret(const struct session *s, const uint8_t *other, uint8_t out[KEY_SIZE])
{
	EVP_PKEY *peer =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, other, TDG_MIGTD_PUBLIC_SIZE);
	EVP_PKEY_CTX *c = peer ? EVP_PKEY_CTX_new(s->pair, NULL) : NULL;
	size_t len = KEY_SIZE;
	bool ok = c && EVP_PKEY_derive_init(c) == 1 && EVP_PKEY_derive_set_peer(c, peer) == 1 &&
		  EVP_PKEY_derive(c, out, &len) == 1 && len == KEY_SIZE;

	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(peer);
	return ok ? 0 : -EACCES; /* a point of low order, too */
}

static int agree(void *arg, const uint8_t *other, const void *own_hello, size_t own_len,
		 const void *other_hello, size_t other_len)
{
	struct session *s = arg;
	struct tdx_digest said[2];
	uint8_t secret[KEY_SIZE];
	int err = shared_secret(s, other, secret);

	if (!err && (tdx_sha384(own_hello, own_len, &said[!s->source]) ||
		     tdx_sha384(other_hello, other_len, &said[s->source])))
		err = -EIO;
	if (!err)
		err = derive(s, secret, sizeof(secret), said);
	OPENSSL_cleanse(secret, sizeof(secret));
	return err;
}

/* One message under a key that has no other: its IV may be zero. */
static int message(const uint8_t key[KEY_SIZE], bool seal, uint8_t *bytes, size_t len)
{
	static const uint8_t iv[IV_SIZE];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t none[16];
	int n;
	bool ok = c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, iv, seal) == 1 &&
		  EVP_CipherUpdate(c, bytes, &n, bytes, (int)len) == 1;

	if (ok && !seal)
		ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TDG_MIGTD_TAG_SIZE,
					 bytes + len) == 1;
	ok = ok && EVP_CipherFinal_ex(c, none, &n) == 1;
	if (ok && seal)
		ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TDG_MIGTD_TAG_SIZE,
					 bytes + len) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok ? 0 : seal ? -EIO : -EACCES;
}

static int seal(void *arg, void *bytes, size_t len)
{
	const struct session *s = arg;

	return message(s->key[!s->source], true, bytes, len);
}

static int open_sealed(void *arg, void *bytes, size_t len)
{
	const struct session *s = arg;

	return message(s->key[s->source], false, bytes, len);
}

static void end(void *arg)
{
	struct session *s = arg;

	EVP_PKEY_free(s->pair);
	s->pair = NULL;
	OPENSSL_cleanse(s->key, sizeof(s->key));
}

/* --- the guest --- */

static int set_shared(void *ctx, gpa_t start, uint64_t size, bool shared)
{
	return 0; /* its addresses are GPAs */
}

static void nothing(void *ctx, gpa_t start, uint64_t size)
{
}

static int prepare(struct tdg_migtd *m, struct tdg_td *td)
{
	int err = tdg_init(m->vcpu, td);

	if (!err)
		err = tdg_accept(m->vcpu, gpa(SCRATCH), TDX_PAGE_SIZE, NULL, NULL);
	if (!err)
		err = tdg_quote_open(m->vcpu, td, m->mm, gpa(QUOTE_AT), QUOTE_SIZE, &m->quote);
	return err ? err : tdg_migtd_open(m);
}

void tdx_sim_migtd_guest(struct tdx_native_cpu *cpu, void *arg)
{
	static const struct tdg_memory mm = {
		.set_shared = set_shared, .flush = nothing, .leak = nothing};
	struct session s = {.config = arg};
	const struct tdg_migtd_crypto crypto = {.begin = begin,
						.check = check,
						.agree = agree,
						.seal = seal,
						.open = open_sealed,
						.end = end,
						.arg = &s};
	struct tdx_sim_migtd *config = arg;
	struct tdg_migtd *m = calloc(1, sizeof(*m));
	struct guest_native g;
	struct tdg_td td;

	guest_native_init(&g, cpu);
	config->memory = m; /* this function does not come to its end */
	if (!m)
		return;
	m->vcpu = &g.port;
	m->td = &td;
	m->mm = &mm;
	m->crypto = &crypto;
	m->scratch.page = gpa(SCRATCH);
	if (!prepare(m, &td))
		for (;;)
			(void)tdg_migtd_serve(m);
}

int tdx_sim_migtd_new(struct tdx_vmm *vmm, const struct tdx_sim_migtd *config, struct tdx_vm **vm,
		      struct tdx_vcpu **vcpu)
{
	const struct tdx_host_info *info = tdx_vmm_info(vmm);
	struct tdx_vm_params p = {
		.attributes = TDX_ATTR_SEPT_VE_DISABLE, .xfam = info->xfam_fixed1, .max_vcpus = 1};
	uint8_t page[TDX_PAGE_SIZE] = {0};
	int err = tdx_sha384(config->root, config->root_len, &p.mrconfigid) ? -EIO : 0;

	memcpy(page, label, sizeof(label));
	*vm = NULL;
	if (!err)
		err = tdx_vm_new(vmm, vm);
	if (!err)
		err = tdx_vm_init(*vm, &p);
	if (!err)
		err = tdx_vm_set_memslot(*vm, 0, gpa(0), MEMORY);
	if (!err)
		err = tdx_vm_add_page(*vm, gpa(0), page, true);
	if (!err)
		err = tdx_vcpu_new(*vm, 0, vcpu);
	if (!err)
		err = tdx_vcpu_init(*vcpu, 0);
	if (!err)
		err = tdx_vm_finalize(*vm);
	if (err) {
		tdx_vm_destroy(*vm);
		*vm = NULL;
	}
	return err;
}
