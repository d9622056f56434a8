/* SPDX-License-Identifier: MIT */
/* Evidence: TDREPORTs and quotes, their decoding and verification, and a test quote service.
 *
 * A TDREPORT is MACed for its own platform; a quote is the same statement signed for everybody. The
 * service here signs DCAP version 4 quotes with a certificate chain of its own making. Its quotes
 * have the real format and are marked as simulated throughout (<swtdx/simulated.h>); they verify
 * only for those who choose to trust its root.
 *
 * Errors: 0 or a negative errno. -EINVAL: not the format; -EBADMSG: the format, but it does not
 * verify; both come with a struct tdx_attest_error. -ENOMEM and -EIO are the crypto library's. All
 * functions are reentrant and, once a service exists, its functions may run on any thread.
 *
 * Source: TDX Module ABI (TDREPORT_STRUCT), Intel TDX DCAP Quoting Library API (quote versions 4
 *and 5), Intel SGX ECDSA Quote Library Reference (version 3, certification data).
 *
 *	struct tdx_attest_error err;
 *	struct tdx_quote q;
 *
 *	if (!tdx_quote_parse(bytes, len, &q, &err) &&
 *	    !tdx_quote_verify(&q, root, root_len, time(NULL), &err))
 *		...q.body is what the TD said
 */
#ifndef SWTDX_ATTEST_H
#define SWTDX_ATTEST_H

#include <swtdx/simulated.h>
#include <swtdx/structs.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum tdx_attest_fault {
	TDX_ATTEST_OK,
	TDX_ATTEST_REPORT_LENGTH,
	TDX_ATTEST_REPORT_TYPE,
	TDX_ATTEST_REPORT_SUBTYPE,
	TDX_ATTEST_REPORT_VERSION,
	TDX_ATTEST_REPORT_RESERVED,
	TDX_ATTEST_REPORT_TCB_INFO_HASH,
	TDX_ATTEST_REPORT_TD_INFO_HASH,
	TDX_ATTEST_REPORT_MAC,
	TDX_ATTEST_QUOTE_TOO_SHORT, /* at, value: where it ends; limit: what it needs at least */
	TDX_ATTEST_QUOTE_TOO_LONG,
	TDX_ATTEST_QUOTE_VERSION,
	TDX_ATTEST_QUOTE_KEY_TYPE,
	TDX_ATTEST_QUOTE_TEE_TYPE,
	TDX_ATTEST_QUOTE_BODY_TYPE,
	TDX_ATTEST_QUOTE_BODY_LENGTH,
	TDX_ATTEST_QUOTE_LENGTH,
	TDX_ATTEST_QUOTE_CERT_TYPE,
	TDX_ATTEST_QUOTE_CERT_LENGTH,
	TDX_ATTEST_QUOTE_AUTH_LENGTH,
	TDX_ATTEST_QUOTE_CHAIN_TYPE,
	TDX_ATTEST_QUOTE_CHAIN_LENGTH,
	TDX_ATTEST_QUOTE_NO_CHAIN, /* certification data without certificates: value is its type */
	TDX_ATTEST_QUOTE_KEY,
	TDX_ATTEST_QUOTE_SIGNATURE,
	TDX_ATTEST_QUOTE_QE_REPORT_DATA,
	TDX_ATTEST_QUOTE_QE_SIGNATURE,
	TDX_ATTEST_QUOTE_CHAIN_FORMAT,
	TDX_ATTEST_QUOTE_CHAIN_NAMES,
	TDX_ATTEST_QUOTE_CHAIN_KEY,
	TDX_ATTEST_QUOTE_CHAIN_ROOT,
	TDX_ATTEST_QUOTE_CHAIN_INVALID,
	TDX_ATTEST_QUOTE_ROOT_FORMAT,
	/* <swtdx/collateral.h>; `why` names the piece, there is no place */
	TDX_ATTEST_COLLATERAL_MISSING,
	TDX_ATTEST_COLLATERAL_FORM,
	TDX_ATTEST_COLLATERAL_CHAIN,
	TDX_ATTEST_COLLATERAL_SIGNATURE,
	TDX_ATTEST_COLLATERAL_TIME,
	TDX_ATTEST_COLLATERAL_REVOKED,
	TDX_ATTEST_COLLATERAL_FMSPC,
	TDX_ATTEST_COLLATERAL_QE,
	TDX_ATTEST_COLLATERAL_MODULE,
	TDX_ATTEST_COLLATERAL_LEVEL,
};

struct tdx_attest_error {
	enum tdx_attest_fault fault;
	uint64_t at;	 /* offset in the input */
	uint64_t value;	 /* what stood there ... */
	uint64_t limit;	 /* ... and what would have been right, or how much was left */
	const char *why; /* the certificate check's own words, or NULL */
};

#define TDX_ATTEST_ERROR_TEXT 192

/* One line of text without a newline; returns buf. */
const char *tdx_attest_error_text(const struct tdx_attest_error *err, char *buf, size_t len);

/* A named part of a report or quote, for those who print them. */
struct tdx_attest_field {
	const char *name;
	uint16_t offset;
	uint16_t size;
	bool word; /* a little-endian number rather than a string of bytes */
};

/* The fields of a TDREPORT. */
const struct tdx_attest_field *tdx_report_fields(size_t *n);

/* Copies a TDREPORT out of bytes, checking its form: length, type, reserved bytes. */
int tdx_report_parse(const void *bytes, size_t len, struct tdx_report *out,
		     struct tdx_attest_error *err);

/* Checks both hashes, and the MAC unless key is NULL. */
int tdx_report_verify(const struct tdx_report *r, const void *key, size_t key_len,
		      struct tdx_attest_error *err);

/* Fills in hashes and MAC of a report whose other fields stand. */
int tdx_report_seal(struct tdx_report *r, const void *key, size_t key_len);

#define TDX_QUOTE_HEADER_SIZE	 48
#define TDX_QUOTE_BODY_SIZE	 584 /* of TDX 1.0, which version 4 has */
#define TDX_QUOTE_BODY_15_SIZE	 648
#define TDX_QUOTE_SGX_SIZE	 384 /* an SGX report */
#define TDX_QUOTE_SIGNATURE_SIZE 64
#define TDX_QUOTE_KEY_SIZE	 64
#define TDX_QUOTE_QE_REPORT_SIZE 384
#define TDX_QUOTE_MAX		 16384	    /* of what the service here signs */
#define TDX_QUOTE_LIMIT		 (1u << 20) /* of what is read */

/* What a version 5 quote calls its body; those of versions 3 and 4 have none and are the first two.
 */
enum tdx_quote_body_type {
	TDX_QUOTE_BODY_SGX = 1,
	TDX_QUOTE_BODY_TDX_10 = 2,
	TDX_QUOTE_BODY_TDX_15 = 3,
};

/* Certification data. Types 1 to 4 and 7 have no chain: it must come from elsewhere. */
enum tdx_quote_cert_type {
	TDX_QUOTE_CERT_PPID_PLAIN = 1,
	TDX_QUOTE_CERT_PPID_RSA2048 = 2,
	TDX_QUOTE_CERT_PPID_RSA3072 = 3,
	TDX_QUOTE_CERT_PCK_LEAF = 4,
	TDX_QUOTE_CERT_PCK_CHAIN = 5,
	TDX_QUOTE_CERT_QE_REPORT = 6,
	TDX_QUOTE_CERT_PLATFORM_MANIFEST = 7,
};

/* The body: what the TDREPORT said, without what only its platform can check. */
struct tdx_quote_body {
	uint8_t tee_tcb_svn[16];
	struct tdx_digest mrseam;
	struct tdx_digest mrsignerseam;
	uint64_t seam_attributes;
	uint64_t attributes;
	uint64_t xfam;
	struct tdx_digest mrtd;
	struct tdx_digest mrconfigid;
	struct tdx_digest mrowner;
	struct tdx_digest mrownerconfig;
	struct tdx_digest rtmr[TDX_RTMRS];
	uint8_t reportdata[TDX_REPORTDATA_SIZE];
};
TDX_ABI_AT(tdx_quote_body, attributes, 120);
TDX_ABI_AT(tdx_quote_body, reportdata, 520);
TDX_ABI_ASSERT(sizeof(struct tdx_quote_body) == TDX_QUOTE_BODY_SIZE);

/* A quote in the caller's bytes, which must outlive it. Parsed is not verified. Versions 3 (SGX), 4
 * and 5. A body of a type nobody knows yet has its bytes and no fields. */
struct tdx_quote {
	const uint8_t *bytes; /* header, body, ... */
	size_t len;
	unsigned version;
	bool sgx;	    /* an enclave's: no TD */
	unsigned body_type; /* enum tdx_quote_body_type, or another number */
	const uint8_t *body_bytes;
	size_t body_size;
	struct tdx_quote_body body;    /* of TDX 1.0 and 1.5 */
	uint8_t tee_tcb_svn2[16];      /* of TDX 1.5: the module's version now */
	struct tdx_digest mrservicetd; /* of TDX 1.5 */
	const uint8_t *signature;      /* of header and body, by key */
	const uint8_t *key;
	const uint8_t *qe_report;
	const uint8_t *qe_signature; /* of the QE report, by the leaf certificate */
	const uint8_t *qe_auth;
	size_t qe_auth_len;
	unsigned cert_type; /* enum tdx_quote_cert_type */
	const uint8_t *cert;
	size_t cert_len;
	const char *chain; /* PEM: leaf, intermediate, root; NULL: cert_type has none */
	size_t chain_len;
	bool simulated; /* carries our vendor id */
};

/* Header and body alone, whatever follows: the fields after them in *out are NULL. */
int tdx_quote_frame(const void *bytes, size_t len, struct tdx_quote *out,
		    struct tdx_attest_error *err);

/* bytes must hold one quote and nothing after it. */
int tdx_quote_parse(const void *bytes, size_t len, struct tdx_quote *out,
		    struct tdx_attest_error *err);

/* The fields of a framed quote's header and body; at most max are stored, TDX_QUOTE_FIELDS_MAX
 * never too few. Returns how many. */
#define TDX_QUOTE_FIELDS_MAX 40
size_t tdx_quote_fields(const struct tdx_quote *q, struct tdx_attest_field *out, size_t max);

/* "certificate chain in PEM" and the like. */
const char *tdx_quote_cert_type_name(unsigned type);
const char *tdx_quote_body_type_name(unsigned type);

/* How many of len bytes the quote at their beginning says it has, 0 if they are too few to say: for
 * buffers that are larger than what is in them. */
size_t tdx_quote_length(const void *bytes, size_t len);

/* Both signatures, what binds them, and the chain up to root_pem at a time in seconds since 1970.
 * Every byte counts: a quote with any one bit flipped does not verify. (r, n - s) is as good an
 * ECDSA signature as (r, s), so two spellings of each signature do. Revocation is not looked at,
 * nor whether the platform's security version is current. */
int tdx_quote_verify(const struct tdx_quote *q, const char *root_pem, size_t root_len, int64_t now,
		     struct tdx_attest_error *err);

/* The test quote service: a leaf certificate with its chain, an attestation key, and what signs
 * collateral. Creating it makes new keys, those of root and intermediate too: who has the service
 * has its root, and who trusts that root trusts him. */
struct tdx_quote_service;

int tdx_quote_service_create(int64_t now, struct tdx_quote_service **out);
/* A text that tdx_quote_service_load() takes, keys included; the caller frees it. */
int tdx_quote_service_save(const struct tdx_quote_service *s, char **text, size_t *len);
int tdx_quote_service_load(const char *text, size_t len, struct tdx_quote_service **out);
void tdx_quote_service_free(struct tdx_quote_service *s);

/* The root certificate in PEM, which a verifier must be told to trust. Lives as long as s. */
const char *tdx_quote_service_root(const struct tdx_quote_service *s, size_t *len);

/* Verifies the report, its MAC by the key, and signs a version 4 quote of it into out. -ENOSPC if
 * cap is too small; TDX_QUOTE_MAX never is. */
int tdx_quote_service_sign(const struct tdx_quote_service *s, const struct tdx_report *r,
			   const void *key, size_t key_len, uint8_t *out, size_t cap, size_t *len,
			   struct tdx_attest_error *err);

/* The same in version 4 or 5, of which the second has the body of TDX 1.5. -ENOTSUP: another. */
int tdx_quote_service_sign_as(const struct tdx_quote_service *s, unsigned version,
			      const struct tdx_report *r, const void *key, size_t key_len,
			      uint8_t *out, size_t cap, size_t *len, struct tdx_attest_error *err);

/* What a service can be asked to have wrong, so that a verifier's refusals can be tested. */
enum tdx_quote_fault {
	TDX_QUOTE_FAULT_NONE,
	TDX_QUOTE_FAULT_REVOKED,     /* the list of the PCK CA has the leaf */
	TDX_QUOTE_FAULT_REVOKED_CA,  /* the root's list has the PCK CA */
	TDX_QUOTE_FAULT_EXPIRED,     /* TCB info, QE identity and lists of the past */
	TDX_QUOTE_FAULT_EXPIRED_PCK, /* the leaf's time is over: in the quote */
	/* the platform's level, as its TCB status says */
	TDX_QUOTE_FAULT_SW_HARDENING_NEEDED,
	TDX_QUOTE_FAULT_CONFIGURATION_NEEDED,
	TDX_QUOTE_FAULT_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	TDX_QUOTE_FAULT_OUT_OF_DATE,
	TDX_QUOTE_FAULT_OUT_OF_DATE_CONFIGURATION_NEEDED,
	TDX_QUOTE_FAULT_REVOKED_TCB,
	TDX_QUOTE_FAULT_OLD_MODULE,	/* the module's level: out of date */
	TDX_QUOTE_FAULT_OLD_QE,		/* the QE's level: out of date */
	TDX_QUOTE_FAULT_WRONG_FMSPC,	/* TCB info of another platform */
	TDX_QUOTE_FAULT_WRONG_IDENTITY, /* the identity of another QE */
	TDX_QUOTE_FAULT_BAD_SIGNATURE,	/* TCB info changed after it was signed */
	TDX_QUOTE_FAULTS
};

/* "none", "revoked", ...; NULL past the last. */
const char *tdx_quote_fault_name(unsigned fault);

/* A service with the same root whose quotes have the fault; the faults of collateral change nothing
 * in quotes. */
int tdx_quote_service_with(const struct tdx_quote_service *s, enum tdx_quote_fault fault,
			   int64_t now, struct tdx_quote_service **out);

/* The service's collateral as files, in the forms the issuer's own has: TCB info, QE identity,
 * lists, chains, the root; and all of it as one JSON object. Good for thirty days from now.
 * -ENODATA: the service was saved by an earlier version, which forgot the keys of its CA. */
#define TDX_QUOTE_FILES 10
struct tdx_quote_files {
	unsigned n;
	struct {
		const char *name;
		char *data; /* with a zero byte after it */
		size_t len;
	} file[TDX_QUOTE_FILES];
};
int tdx_quote_service_collateral(const struct tdx_quote_service *s, enum tdx_quote_fault fault,
				 int64_t now, struct tdx_quote_files *out);
void tdx_quote_files_free(struct tdx_quote_files *f);

/* One message of the quote generation service's protocol (Intel DCAP, QGS; what QEMU's
 * quote-generation-socket and a TD over vsock speak), without the length before it: a request in,
 * the answer out, which says what is wrong with a request that is none. 0, or -ENOSPC:
 * TDX_QUOTE_MAX + 64 are always enough. */
int tdx_quote_service_answer(const struct tdx_quote_service *s, unsigned version, const void *key,
			     size_t key_len, const uint8_t *msg, size_t len, uint8_t *out,
			     size_t cap, size_t *out_len);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
