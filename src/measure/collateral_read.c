/* SPDX-License-Identifier: MIT */
/* Collateral out of bytes: each piece is told by what it is, not by the name of its file. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "measure/collateral_internal.h"

#define LIMIT	  (4u << 20)
#define MAX_DEPTH 4

int tdx_collateral_create(struct tdx_collateral **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

static void statement_clear(struct statement *s)
{
	free(s->text);
	json_decref(s->json);
	memset(s, 0, sizeof(*s));
}

void tdx_collateral_free(struct tdx_collateral *c)
{
	if (!c)
		return;
	statement_clear(&c->tcb_info);
	statement_clear(&c->qe_identity);
	X509_free(c->tcb_signer);
	X509_free(c->qe_signer);
	X509_CRL_free(c->root_crl);
	X509_CRL_free(c->pck_crl);
	free(c->pck_chain);
	free(c);
}

const char *tdx_collateral_pck_chain(const struct tdx_collateral *c, size_t *len)
{
	*len = c->pck_chain_len;
	return c->pck_chain;
}

static int digit(int ch)
{
	return isdigit(ch) ? ch - '0' : isxdigit(ch) ? tolower(ch) - 'a' + 10 : -1;
}

/* Bytes from hexadecimal; the number of them, or 0 if it is none. */
static size_t from_hex(const char *s, size_t len, uint8_t *out, size_t cap)
{
	size_t n = 0;
	int high = -1;

	for (size_t i = 0; i < len; i++) {
		int d = digit((unsigned char)s[i]);

		if (isspace((unsigned char)s[i]))
			continue;
		if (d < 0 || n == cap)
			return 0;
		if (high < 0) {
			high = d;
			continue;
		}
		out[n++] = (uint8_t)(high << 4 | d);
		high = -1;
	}
	return high < 0 ? n : 0;
}

/* --- signed statements --- */

static int set_statement(struct statement *s, const char *text, size_t len, const char *signature)
{
	struct statement made = {.len = len};

	made.json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(made.json) ||
	    from_hex(signature, strlen(signature), made.signature, sizeof(made.signature)) !=
		    sizeof(made.signature)) {
		json_decref(made.json);
		return -EINVAL;
	}
	made.text = malloc(len + 1);
	if (!made.text) {
		json_decref(made.json);
		return -ENOMEM;
	}
	memcpy(made.text, text, len);
	made.text[len] = 0;
	statement_clear(s);
	*s = made;
	return 0;
}

/* Past a string that begins at p. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : end;
}

/* The object that is the value of a member of the outermost object, as it stands in the text: a
 * signature is of these bytes, and no parser keeps them. The text is known to be JSON. */
static bool raw_member(const char *text, size_t len, const char *name, const char **value,
		       size_t *value_len)
{
	const char *end = text + len, *start = NULL;
	size_t n = strlen(name);
	unsigned depth = 0;

	for (const char *p = text; p < end;) {
		if (*p == '"') {
			const char *after = skip_string(p, end), *q = after;

			while (q < end && isspace((unsigned char)*q))
				q++;
			if (depth == 1 && !start && q < end && *q == ':' &&
			    (size_t)(after - p) == n + 2 && !memcmp(p + 1, name, n)) {
				for (q++; q < end && isspace((unsigned char)*q);)
					q++;
				if (q == end || *q != '{')
					return false;
				start = q;
				after = q;
			}
			p = after;
			continue;
		}
		depth += *p == '{' || *p == '[';
		if (*p == '}' || *p == ']') {
			depth -= depth > 0;
			if (start && depth == 1) {
				*value = start;
				*value_len = (size_t)(p + 1 - start);
				return true;
			}
		}
		p++;
	}
	return false;
}

static const char *member(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

/* The issuer's own form: the statement as an object, its signature beside it. */
static int add_signed(struct statement *s, const json_t *j, const char *text, size_t len,
		      const char *name)
{
	const char *signature = member(j, "signature"), *value;
	size_t n;

	if (!signature || !raw_member(text, len, name, &value, &n))
		return -EINVAL;
	return set_statement(s, value, n, signature);
}

/* --- certificates and lists --- */

bool name_is(const X509_NAME *name, const char *cn)
{
	char buf[64];

	return X509_NAME_get_text_by_NID((X509_NAME *)name, NID_commonName, buf, sizeof(buf)) > 0 &&
	       !strcmp(buf, cn);
}

static void set_signer(X509 **to, X509 *cert)
{
	X509_up_ref(cert);
	X509_free(*to);
	*to = cert;
}

enum { FOR_TCB = 1, FOR_QE = 2 };

/* By its first certificate. What is a chain of the issuer of a list is in the quote already, and a
 * root is trusted when it is named, not when it is found. */
static int add_chain(struct tdx_collateral *c, const char *pem, size_t len, unsigned purpose)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	X509 *first = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	char *copy;
	int rc = first ? 0 : -EINVAL;

	BIO_free(bio);
	if (first && name_is(X509_get_subject_name(first), "Intel SGX TCB Signing")) {
		if (purpose & FOR_TCB)
			set_signer(&c->tcb_signer, first);
		if (purpose & FOR_QE)
			set_signer(&c->qe_signer, first);
	} else if (first && name_is(X509_get_subject_name(first), chain_names[0])) {
		copy = malloc(len + 1);
		rc = copy ? 0 : -ENOMEM;
		if (copy) {
			memcpy(copy, pem, len);
			copy[len] = 0;
			free(c->pck_chain);
			c->pck_chain = copy;
			c->pck_chain_len = len;
		}
	}
	X509_free(first);
	return rc;
}

static int add_crl(struct tdx_collateral *c, X509_CRL *crl)
{
	X509_CRL **to;

	if (!crl)
		return -EINVAL;
	to = name_is(X509_CRL_get_issuer(crl), chain_names[CHAIN_CERTS - 1]) ? &c->root_crl
									     : &c->pck_crl;
	X509_CRL_free(*to);
	*to = crl;
	return 0;
}

static int add_pem_crl(struct tdx_collateral *c, const char *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	int rc = add_crl(c, bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL);

	BIO_free(bio);
	return rc;
}

static int add(struct tdx_collateral *c, const char *p, size_t len, unsigned purpose,
	       unsigned depth);

/* Everything in one object, as relying parties pass it on. */
static int add_members(struct tdx_collateral *c, const json_t *j, unsigned depth)
{
	const char *tcb = member(j, "tcb_info"), *tcb_sig = member(j, "tcb_info_signature");
	const char *qe = member(j, "qe_identity"), *qe_sig = member(j, "qe_identity_signature");
	const char *key;
	json_t *v;
	int rc = -EINVAL;

	if (tcb && tcb_sig)
		rc = set_statement(&c->tcb_info, tcb, strlen(tcb), tcb_sig);
	if (qe && qe_sig && (!rc || rc == -EINVAL))
		rc = set_statement(&c->qe_identity, qe, strlen(qe), qe_sig);
	json_object_foreach((json_t *)j, key, v)
	{
		unsigned purpose = !strncmp(key, "tcb_", 4)  ? FOR_TCB
				   : !strncmp(key, "qe_", 3) ? FOR_QE
							     : FOR_TCB | FOR_QE;

		if (!json_is_string(v) || json_string_length(v) < 64)
			continue;
		if (!add(c, json_string_value(v), json_string_length(v), purpose, depth + 1))
			rc = 0;
	}
	return rc;
}

static int add_json(struct tdx_collateral *c, const char *text, size_t len, unsigned depth)
{
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	int rc = -EINVAL;

	if (json_object_get(j, "tcbInfo"))
		rc = add_signed(&c->tcb_info, j, text, len, "tcbInfo");
	else if (json_object_get(j, "enclaveIdentity"))
		rc = add_signed(&c->qe_identity, j, text, len, "enclaveIdentity");
	else if (json_is_object(j) && depth < MAX_DEPTH)
		rc = add_members(c, j, depth);
	json_decref(j);
	return rc;
}

static int add_hex(struct tdx_collateral *c, const char *p, size_t len)
{
	uint8_t *der = malloc(len / 2 + 1);
	const unsigned char *at = der;
	size_t n = der ? from_hex(p, len, der, len / 2 + 1) : 0;
	int rc = n ? add_crl(c, d2i_X509_CRL(NULL, &at, (long)n)) : der ? -EINVAL : -ENOMEM;

	free(der);
	return rc;
}

static bool begins(const char *p, size_t len, const char *what)
{
	return memmem(p, len, what, strlen(what)) != NULL;
}

static int add(struct tdx_collateral *c, const char *p, size_t len, unsigned purpose,
	       unsigned depth)
{
	const unsigned char *der = (const unsigned char *)p;

	if (!p)
		return -EINVAL;
	while (len && isspace((unsigned char)*p))
		p++, len--;
	if (!len || len > LIMIT)
		return -EINVAL;
	if (*p == '{')
		return add_json(c, p, len, depth);
	if (begins(p, len, "-----BEGIN CERTIFICATE-----"))
		return add_chain(c, p, len, purpose);
	if (begins(p, len, "-----BEGIN X509 CRL-----"))
		return add_pem_crl(c, p, len);
	if ((unsigned char)*p == 0x30 && !isxdigit((unsigned char)p[len > 1]))
		return add_crl(c, d2i_X509_CRL(NULL, &der, (long)len));
	return add_hex(c, p, len);
}

int tdx_collateral_add(struct tdx_collateral *c, const void *bytes, size_t len)
{
	int rc;

	ERR_set_mark();
	rc = add(c, bytes, len, FOR_TCB | FOR_QE, 0);
	ERR_pop_to_mark();
	return rc;
}
