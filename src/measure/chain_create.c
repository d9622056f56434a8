/* SPDX-License-Identifier: MIT */
/* A certificate chain of the shape Intel's provisioning service issues, from a root of our own.
 *
 * Common names are Intel's because verifiers insist on them; organization, serial numbers and every
 * value in the platform's extension are ours. The leaf has the six extensions that verifiers count,
 * the platform's extension the seven parts that a certificate of the platform CA has. */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "measure/attest.h"

#define DAY	(24 * 3600)
#define YEARS	10

#define SGX_OID "1.2.840.113741.1.13.1"

/* Extensions per certificate, and the platform's values, in the crypto library's own notation.
 * FMSPC spells "swtdx", PPID and the platform's instance the mark of the simulation. */
static const char extensions[] =
	"[cert2]\n"
	"subjectKeyIdentifier=hash\n"
	"authorityKeyIdentifier=keyid\n"
	"crlDistributionPoints=URI:https://swtdx.invalid/root.crl\n"
	"keyUsage=critical,keyCertSign,cRLSign\n"
	"basicConstraints=critical,CA:TRUE,pathlen:1\n"
	"[cert1]\n"
	"subjectKeyIdentifier=hash\n"
	"authorityKeyIdentifier=keyid\n"
	"crlDistributionPoints=URI:https://swtdx.invalid/root.crl\n"
	"keyUsage=critical,keyCertSign,cRLSign\n"
	"basicConstraints=critical,CA:TRUE,pathlen:0\n"
	"[cert0]\n"
	"subjectKeyIdentifier=hash\n"
	"authorityKeyIdentifier=keyid\n"
	"crlDistributionPoints=URI:https://swtdx.invalid/pck.crl\n"
	"keyUsage=critical,digitalSignature,nonRepudiation\n"
	"basicConstraints=critical,CA:FALSE\n" SGX_OID "=ASN1:SEQUENCE:sgx\n"
	"[cert3]\n"
	"subjectKeyIdentifier=hash\n"
	"authorityKeyIdentifier=keyid\n"
	"crlDistributionPoints=URI:https://swtdx.invalid/root.crl\n"
	"keyUsage=critical,digitalSignature,nonRepudiation\n"
	"basicConstraints=critical,CA:FALSE\n"
	"[crl]\n"
	"authorityKeyIdentifier=keyid\n"
	"[sgx]\n"
	"a=SEQUENCE:ppid\n"
	"b=SEQUENCE:tcb\n"
	"c=SEQUENCE:pceid\n"
	"d=SEQUENCE:fmspc\n"
	"e=SEQUENCE:type\n"
	"f=SEQUENCE:instance\n"
	"g=SEQUENCE:configuration\n"
	"[ppid]\n"
	"a=OID:" SGX_OID ".1\n"
	"b=FORMAT:ASCII,OCTETSTRING:" SWTDX_QE_VENDOR "\n"
	"[tcb]\n"
	"a=OID:" SGX_OID ".2\n"
	"b=SEQUENCE:components\n"
	"[pceid]\n"
	"a=OID:" SGX_OID ".3\n"
	"b=FORMAT:HEX,OCTETSTRING:0000\n"
	"[fmspc]\n"
	"a=OID:" SGX_OID ".4\n"
	"b=FORMAT:HEX,OCTETSTRING:" TEST_FMSPC "\n"
	"[type]\n"
	"a=OID:" SGX_OID ".5\n"
	"b=ENUMERATED:1\n" /* scalable: what a platform of several packages is */
	"[instance]\n"
	"a=OID:" SGX_OID ".6\n"
	"b=FORMAT:ASCII,OCTETSTRING:" SWTDX_QE_VENDOR "\n"
	"[configuration]\n"
	"a=OID:" SGX_OID ".7\n"
	"b=SEQUENCE:options\n"
	"[options]\n"
	"a=SEQUENCE:dynamic\n"
	"b=SEQUENCE:cached\n"
	"c=SEQUENCE:smt\n"
	"[dynamic]\n"
	"a=OID:" SGX_OID ".7.1\n"
	"b=BOOLEAN:FALSE\n"
	"[cached]\n"
	"a=OID:" SGX_OID ".7.2\n"
	"b=BOOLEAN:FALSE\n"
	"[smt]\n"
	"a=OID:" SGX_OID ".7.3\n"
	"b=BOOLEAN:FALSE\n"
	"[pcesvn]\n"
	"a=OID:" SGX_OID ".2.17\n"
	"b=INTEGER:0\n"
	"[cpusvn]\n"
	"a=OID:" SGX_OID ".2.18\n"
	"b=FORMAT:HEX,OCTETSTRING:00000000000000000000000000000000\n";

/* The sixteen components of the security version differ in their numbers alone. */
static CONF *load_extensions(void)
{
	BIO *bio = BIO_new(BIO_s_mem());
	CONF *conf = NCONF_new(NULL);
	long line;
	int ok = bio && conf && BIO_puts(bio, extensions) > 0;

	for (int i = 1; ok && i <= 16; i++)
		ok = BIO_printf(bio, "[tcb%d]\na=OID:" SGX_OID ".2.%d\nb=INTEGER:0\n", i, i) > 0;
	ok = ok && BIO_puts(bio, "[components]\n") > 0;
	for (int i = 1; ok && i <= 16; i++)
		ok = BIO_printf(bio, "c%d=SEQUENCE:tcb%d\n", i, i) > 0;
	ok = ok && BIO_puts(bio, "d=SEQUENCE:pcesvn\ne=SEQUENCE:cpusvn\n") > 0;
	ok = ok && NCONF_load_bio(conf, bio, &line) > 0;
	BIO_free(bio);
	if (!ok) {
		NCONF_free(conf);
		conf = NULL;
	}
	return conf;
}

static int set_name(X509_NAME *name, const char *cn)
{
	static const struct {
		const char *field, *value;
	} parts[] = {
		{"O", SWTDX_CERT_ORG},
		{"OU", "for tests only"},
	};
	int ok = X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1,
					    0);

	for (unsigned i = 0; ok == 1 && i < sizeof(parts) / sizeof(parts[0]); i++)
		ok = X509_NAME_add_entry_by_txt(name, parts[i].field, MBSTRING_ASC,
						(const uint8_t *)parts[i].value, -1, -1, 0);
	return ok;
}

static int set_serial(X509 *cert)
{
	uint8_t bytes[16];
	BIGNUM *bn;
	int ok;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and always sixteen bytes long */
	bn = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
	BN_free(bn);
	return ok;
}

/* Who may sign what: the leaf's and the TCB signer's issuers, roots sign themselves. */
static unsigned issuer_of(unsigned index)
{
	switch (index) {
	case TEST_LEAF:
		return TEST_CA;
	default:
		return TEST_ROOT;
	}
}

static const char *common_name(unsigned index)
{
	return index == TEST_TCB ? "Intel SGX TCB Signing" : chain_names[index];
}

static X509 *make_cert(CONF *conf, unsigned index, const struct test_chain *c, int64_t from,
		       int64_t to)
{
	unsigned by = issuer_of(index);
	X509 *cert = X509_new(), *issuer = by == index ? cert : c->cert[by];
	time_t start = (time_t)from, end = (time_t)to;
	char section[8] = "cert0";
	X509V3_CTX ctx;

	section[4] = (char)('0' + index);
	if (!cert || X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) ||
	    !X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &start) ||
	    !X509_time_adj_ex(X509_getm_notAfter(cert), 0, 0, &end) ||
	    X509_set_pubkey(cert, c->key[index]) != 1 ||
	    set_name(X509_get_subject_name(cert), common_name(index)) != 1 ||
	    X509_set_issuer_name(cert, X509_get_subject_name(issuer)) != 1)
		goto fail;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	if (X509V3_EXT_add_nconf(conf, &ctx, section, cert) != 1 ||
	    X509_sign(cert, c->key[by], EVP_sha256()) <= 0)
		goto fail;
	return cert;
fail:
	X509_free(cert);
	return NULL;
}

void test_chain_free(struct test_chain *c)
{
	for (unsigned i = 0; i < TEST_CERTS; i++) {
		X509_free(c->cert[i]);
		EVP_PKEY_free(c->key[i]);
	}
	memset(c, 0, sizeof(*c));
}

int test_chain_create(int64_t now, struct test_chain *c)
{
	static const unsigned order[TEST_CERTS] = {TEST_ROOT, TEST_CA, TEST_LEAF, TEST_TCB};
	CONF *conf = load_extensions();
	bool ok = conf != NULL;

	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; ok && i < TEST_CERTS; i++) {
		c->key[order[i]] = EVP_EC_gen("P-256");
		if (c->key[order[i]])
			c->cert[order[i]] = make_cert(conf, order[i], c, now - DAY,
						      now + YEARS * 365 * (int64_t)DAY);
		ok = c->cert[order[i]];
	}
	NCONF_free(conf);
	if (!ok)
		test_chain_free(c);
	return ok ? 0 : -EIO;
}

X509 *test_leaf_expired(const struct test_chain *c, int64_t now)
{
	CONF *conf = load_extensions();
	X509 *cert = conf ? make_cert(conf, TEST_LEAF, c, now - 30 * DAY, now - DAY) : NULL;

	NCONF_free(conf);
	return cert;
}

static int add_revoked(X509_CRL *crl, X509 *cert, time_t at)
{
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_TIME *when = ASN1_TIME_adj(NULL, at, 0, 0);
	int ok = entry && when &&
		 X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(cert)) == 1 &&
		 X509_REVOKED_set_revocationDate(entry, when) == 1 &&
		 X509_CRL_add0_revoked(crl, entry) == 1;

	ASN1_TIME_free(when);
	if (!ok)
		X509_REVOKED_free(entry);
	return ok;
}

static int set_times(X509_CRL *crl, time_t from, time_t to)
{
	ASN1_TIME *last = ASN1_TIME_adj(NULL, from, 0, 0), *next = ASN1_TIME_adj(NULL, to, 0, 0);
	int ok = last && next && X509_CRL_set1_lastUpdate(crl, last) == 1 &&
		 X509_CRL_set1_nextUpdate(crl, next) == 1;

	ASN1_TIME_free(last);
	ASN1_TIME_free(next);
	return ok;
}

static int set_number(X509_CRL *crl)
{
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	int ok = number && ASN1_INTEGER_set(number, 1) == 1 &&
		 X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1;

	ASN1_INTEGER_free(number);
	return ok;
}

X509_CRL *test_crl(const struct test_chain *c, unsigned issuer, X509 *revoked, int64_t from,
		   int64_t to)
{
	X509_CRL *crl = X509_CRL_new();
	CONF *conf = load_extensions();
	X509V3_CTX ctx;
	bool ok = crl && conf && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		  X509_CRL_set_issuer_name(crl, X509_get_subject_name(c->cert[issuer])) == 1 &&
		  set_times(crl, (time_t)from, (time_t)to) &&
		  (!revoked || add_revoked(crl, revoked, (time_t)from)) && set_number(crl);

	if (ok) {
		X509V3_set_ctx(&ctx, c->cert[issuer], NULL, NULL, crl, 0);
		X509V3_set_nconf(&ctx, conf);
		ok = X509V3_EXT_CRL_add_nconf(conf, &ctx, "crl", crl) == 1 &&
		     X509_CRL_sort(crl) == 1 &&
		     X509_CRL_sign(crl, c->key[issuer], EVP_sha256()) > 0;
	}
	NCONF_free(conf);
	if (!ok) {
		X509_CRL_free(crl);
		crl = NULL;
	}
	return crl;
}
