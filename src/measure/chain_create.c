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
	"b=FORMAT:HEX,OCTETSTRING:737774647800\n"
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

static X509 *make_cert(CONF *conf, unsigned index, EVP_PKEY *key, X509 *issuer,
		       EVP_PKEY *issuer_key, int64_t now)
{
	X509 *cert = X509_new();
	char section[8] = "cert0";
	time_t from = (time_t)(now - DAY), to = (time_t)(now + YEARS * 365 * (int64_t)DAY);
	X509V3_CTX ctx;

	section[4] = (char)('0' + index);
	if (!cert || X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) ||
	    !X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &from) ||
	    !X509_time_adj_ex(X509_getm_notAfter(cert), 0, 0, &to) ||
	    X509_set_pubkey(cert, key) != 1 ||
	    set_name(X509_get_subject_name(cert), chain_names[index]) != 1 ||
	    X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)) != 1)
		goto fail;
	X509V3_set_ctx(&ctx, issuer ? issuer : cert, cert, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	if (X509V3_EXT_add_nconf(conf, &ctx, section, cert) != 1 ||
	    X509_sign(cert, issuer_key ? issuer_key : key, EVP_sha256()) <= 0)
		goto fail;
	return cert;
fail:
	X509_free(cert);
	return NULL;
}

int chain_create(int64_t now, X509 *certs[CHAIN_CERTS], EVP_PKEY **leaf_key)
{
	EVP_PKEY *keys[CHAIN_CERTS] = {NULL};
	CONF *conf = load_extensions();
	bool ok = conf != NULL;

	for (unsigned i = CHAIN_CERTS; ok && i-- > 0;) {
		bool root = i == CHAIN_CERTS - 1;

		keys[i] = EVP_EC_gen("P-256");
		ok = keys[i] != NULL;
		if (ok)
			certs[i] = make_cert(conf, i, keys[i], root ? NULL : certs[i + 1],
					     root ? NULL : keys[i + 1], now);
		ok = ok && certs[i];
	}
	*leaf_key = ok ? keys[0] : NULL;
	for (unsigned i = ok ? 1 : 0; i < CHAIN_CERTS; i++)
		EVP_PKEY_free(keys[i]);
	if (!ok)
		chain_free(certs);
	NCONF_free(conf);
	return ok ? 0 : -EIO;
}
