/* SPDX-License-Identifier: MIT */
/* What collateral says of a quote.
 *
 * In order: is the collateral the issuer's, and of now; is a certificate revoked; is it about this
 * platform; is the QE the one it names; which level has the platform, its module, its QE. A status
 * short of "up to date" is a verdict, not an error: what to do about it is the relying party's. */
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "measure/collateral_internal.h"

static const char *const status_names[] = {
	[TDX_TCB_UP_TO_DATE] = "UpToDate",
	[TDX_TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
	[TDX_TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
	[TDX_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
	[TDX_TCB_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
	[TDX_TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
	[TDX_TCB_OUT_OF_DATE] = "OutOfDate",
	[TDX_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
	[TDX_TCB_REVOKED] = "Revoked",
	[TDX_TCB_UNKNOWN] = "Unknown",
};

const char *tdx_tcb_status_name(enum tdx_tcb_status status)
{
	return status_names[status <= TDX_TCB_UNKNOWN ? status : TDX_TCB_UNKNOWN];
}

enum tdx_tcb_status tcb_status_of(const json_t *level)
{
	const char *word = json_string_value(json_object_get(level, "tcbStatus"));

	for (unsigned i = 0; word && i < TDX_TCB_UNKNOWN; i++)
		if (!strcmp(word, status_names[i]))
			return (enum tdx_tcb_status)i;
	return TDX_TCB_UNKNOWN;
}

struct judge {
	const struct tdx_collateral *c;
	const struct tdx_quote *q;
	int64_t now;
	X509 *root, *middle, *leaf;
	struct pck_platform platform;
	struct tdx_collateral_verdict *out;
	struct tdx_attest_error *err;
};

static int refuse(struct judge *j, enum tdx_attest_fault fault, const char *why)
{
	attest_fail(j->err, -EBADMSG, fault, 0, 0, 0);
	j->err->why = why;
	return -EBADMSG;
}

/* --- is it the issuer's, and of now --- */

static bool within(const ASN1_TIME *from, const ASN1_TIME *to, int64_t now)
{
	time_t t = (time_t)now;

	return from && to && X509_cmp_time(from, &t) < 0 && X509_cmp_time(to, &t) > 0;
}

static bool signed_by(X509 *cert, X509 *issuer)
{
	return X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) == 0 &&
	       X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
}

static bool revoked(X509_CRL *crl, X509 *cert)
{
	X509_REVOKED *entry;

	return X509_CRL_get0_by_cert(crl, &entry, cert) == 1;
}

static int check_list(struct judge *j, X509_CRL *crl, X509 *issuer, const char *missing,
		      const char *bad, const char *late)
{
	if (!crl)
		return refuse(j, TDX_ATTEST_COLLATERAL_MISSING, missing);
	if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) ||
	    X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1)
		return refuse(j, TDX_ATTEST_COLLATERAL_SIGNATURE, bad);
	if (!within(X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_nextUpdate(crl), j->now))
		return refuse(j, TDX_ATTEST_COLLATERAL_TIME, late);
	return 0;
}

static int check_lists(struct judge *j)
{
	int rc = check_list(j, j->c->root_crl, j->root, "revocation list of the root",
			    "revocation list of the root", "revocation list of the root");

	if (!rc)
		rc = check_list(j, j->c->pck_crl, j->middle, "revocation list of the PCK CA",
				"revocation list of the PCK CA", "revocation list of the PCK CA");
	if (rc)
		return rc;
	if (revoked(j->c->root_crl, j->middle))
		return refuse(j, TDX_ATTEST_COLLATERAL_REVOKED, "the PCK CA's certificate");
	if (revoked(j->c->pck_crl, j->leaf))
		return refuse(j, TDX_ATTEST_COLLATERAL_REVOKED, "the PCK certificate");
	return 0;
}

static int check_statement(struct judge *j, const struct statement *s, X509 *signer,
			   const char *what)
{
	const char *issued = json_string_value(json_object_get(s->json, "issueDate"));
	const char *next = json_string_value(json_object_get(s->json, "nextUpdate"));
	int rc;

	if (!s->text)
		return refuse(j, TDX_ATTEST_COLLATERAL_MISSING, what);
	if (!signer)
		return refuse(j, TDX_ATTEST_COLLATERAL_MISSING,
			      "the certificate that signs TCB info");
	if (!signed_by(signer, j->root) || !p256_is(X509_get0_pubkey(signer)))
		return refuse(j, TDX_ATTEST_COLLATERAL_CHAIN, what);
	if (!within(X509_get0_notBefore(signer), X509_get0_notAfter(signer), j->now))
		return refuse(j, TDX_ATTEST_COLLATERAL_TIME, "the certificate that signs TCB info");
	if (revoked(j->c->root_crl, signer))
		return refuse(j, TDX_ATTEST_COLLATERAL_REVOKED,
			      "the certificate that signs TCB info");
	rc = p256_verify(X509_get0_pubkey(signer), s->text, s->len, s->signature);
	if (rc == -EBADMSG)
		return refuse(j, TDX_ATTEST_COLLATERAL_SIGNATURE, what);
	if (rc)
		return rc;
	if (iso_time(issued) < 0 || iso_time(next) < 0)
		return refuse(j, TDX_ATTEST_COLLATERAL_FORM, what);
	if (j->now < iso_time(issued) || j->now > iso_time(next))
		return refuse(j, TDX_ATTEST_COLLATERAL_TIME, what);
	return 0;
}

/* --- values in JSON --- */

static bool hex_member(const json_t *j, const char *key, uint8_t *out, size_t size)
{
	const char *s = json_string_value(json_object_get(j, key));

	if (!s || strlen(s) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned v;
		int used = 0;

		if (sscanf(s + 2 * i, "%2x%n", &v, &used) != 1 || used != 2)
			return false;
		out[i] = (uint8_t)v;
	}
	return true;
}

/* A number that must be there; -1: it is not. */
static int64_t number(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : -1;
}

static void copy_text(char out[TDX_TCB_TEXT], const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	size_t n = 0;

	/* It is signed text, and shown: only what dates and names are made of. */
	for (; s && *s && n < TDX_TCB_TEXT - 1; s++)
		if (*s >= 0x20 && *s < 0x7f)
			out[n++] = *s;
	out[n] = 0;
}

static void add_advisories(struct judge *j, const json_t *level)
{
	const json_t *ids = json_object_get(level, "advisoryIDs");
	json_t *id;
	size_t i;

	json_array_foreach((json_t *)ids, i, id)
	{
		json_t *holder = json_pack("{s:O}", "id", id);
		char text[TDX_TCB_TEXT];
		unsigned k = 0;

		copy_text(text, holder, "id");
		json_decref(holder);
		while (k < j->out->nadvisories && strcmp(j->out->advisory[k], text))
			k++;
		if (text[0] && k == j->out->nadvisories && k < TDX_TCB_ADVISORIES) {
			memcpy(j->out->advisory[k], text, TDX_TCB_TEXT);
			j->out->nadvisories++;
		}
	}
}

static void set_level(struct judge *j, struct tdx_tcb_level *to, const json_t *level)
{
	to->found = true;
	to->status = tcb_status_of(level);
	copy_text(to->date, level, "tcbDate");
	add_advisories(j, level);
}

/* The first level of a list whose isvsvn is not above svn; NULL. */
static const json_t *level_by_svn(const json_t *levels, unsigned svn)
{
	json_t *level;
	size_t i;

	json_array_foreach((json_t *)levels, i, level)
	{
		int64_t want = number(json_object_get(level, "tcb"), "isvsvn");

		if (want >= 0 && svn >= (uint64_t)want)
			return level;
	}
	return NULL;
}

/* --- the QE --- */

static bool masked_is(const uint8_t *have, const uint8_t *mask, const uint8_t *want, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((have[i] & mask[i]) != (want[i] & mask[i]))
			return false;
	return true;
}

static int judge_qe(struct judge *j)
{
	const json_t *id = j->c->qe_identity.json, *level;
	const uint8_t *report = j->q->qe_report;
	const char *name = json_string_value(json_object_get(id, "id"));
	uint8_t want[32], mask[32], misc[4];

	if (!name || strcmp(name, j->q->sgx ? "QE" : "TD_QE") || number(id, "version") != 2)
		return refuse(j, TDX_ATTEST_COLLATERAL_FORM,
			      "QE identity: of another TEE or version");
	/* Misc select is a number: its text has the high byte first. */
	if (!hex_member(id, "miscselect", want, 4) || !hex_member(id, "miscselectMask", mask, 4))
		return refuse(j, TDX_ATTEST_COLLATERAL_FORM, "QE identity: miscselect");
	for (unsigned i = 0; i < 4; i++)
		misc[i] = report[QE_MISCSELECT + 3 - i];
	if (!masked_is(misc, mask, want, 4))
		return refuse(j, TDX_ATTEST_COLLATERAL_QE, "the QE's MISCSELECT");
	if (!hex_member(id, "attributes", want, 16) || !hex_member(id, "attributesMask", mask, 16))
		return refuse(j, TDX_ATTEST_COLLATERAL_FORM, "QE identity: attributes");
	if (!masked_is(report + QE_ATTRIBUTES, mask, want, 16))
		return refuse(j, TDX_ATTEST_COLLATERAL_QE, "the QE's attributes");
	if (!hex_member(id, "mrsigner", want, 32))
		return refuse(j, TDX_ATTEST_COLLATERAL_FORM, "QE identity: mrsigner");
	if (memcmp(report + QE_MRSIGNER, want, 32))
		return refuse(j, TDX_ATTEST_COLLATERAL_QE, "the QE's MRSIGNER");
	if (number(id, "isvprodid") != le16(report + QE_ISVPRODID))
		return refuse(j, TDX_ATTEST_COLLATERAL_QE, "the QE's product id");
	level = level_by_svn(json_object_get(id, "tcbLevels"), le16(report + QE_ISVSVN));
	if (!level)
		return refuse(j, TDX_ATTEST_COLLATERAL_LEVEL, "the QE is below every level");
	set_level(j, &j->out->qe, level);
	return 0;
}

/* --- the module --- */

static const json_t *find_module(const json_t *info, unsigned version, char name[TDX_TCB_TEXT])
{
	json_t *id;
	size_t i;

	snprintf(name, TDX_TCB_TEXT, "TDX_%02X", version);
	json_array_foreach(json_object_get(info, "tdxModuleIdentities"), i, id)
	{
		const char *s = json_string_value(json_object_get(id, "id"));

		if (s && !strcasecmp(s, name))
			return id;
	}
	return NULL;
}

/* A module of a later generation has an identity of its own, with levels of its own. */
static int judge_module(struct judge *j, const uint8_t svn[16], struct tdx_tcb_level *to)
{
	const json_t *info = j->c->tcb_info.json, *id = json_object_get(info, "tdxModule"), *level;
	uint8_t signer[48], attributes[8], mask[8], have[8];

	if (svn[1]) {
		id = find_module(info, svn[1], j->out->module_id);
		if (!id)
			return refuse(j, TDX_ATTEST_COLLATERAL_MODULE,
				      "no module of its generation is known");
	}
	if (!hex_member(id, "mrsigner", signer, 48) ||
	    !hex_member(id, "attributes", attributes, 8) ||
	    !hex_member(id, "attributesMask", mask, 8))
		return refuse(j, TDX_ATTEST_COLLATERAL_FORM, "TCB info: the module's identity");
	put_le64(have, j->q->body.seam_attributes);
	if (memcmp(&j->q->body.mrsignerseam, signer, 48))
		return refuse(j, TDX_ATTEST_COLLATERAL_MODULE, "MRSIGNERSEAM");
	if (!masked_is(have, mask, attributes, 8))
		return refuse(j, TDX_ATTEST_COLLATERAL_MODULE, "SEAM attributes");
	if (!svn[1])
		return 0;
	level = level_by_svn(json_object_get(id, "tcbLevels"), svn[0]);
	if (!level)
		return refuse(j, TDX_ATTEST_COLLATERAL_LEVEL, "the module is below every level");
	set_level(j, to, level);
	return 0;
}

/* --- the platform --- */

/* Sixteen numbers, each not above the platform's, from `first` on. */
static bool reaches(const json_t *components, const uint8_t have[16], unsigned first)
{
	if (json_array_size(components) != 16)
		return false;
	for (unsigned i = first; i < 16; i++) {
		int64_t want = number(json_array_get(components, i), "svn");

		if (want < 0 || have[i] < want)
			return false;
	}
	return true;
}

static int judge_platform(struct judge *j, const uint8_t svn[16], struct tdx_tcb_level *to)
{
	json_t *level;
	size_t i;

	json_array_foreach(json_object_get(j->c->tcb_info.json, "tcbLevels"), i, level)
	{
		const json_t *tcb = json_object_get(level, "tcb");
		int64_t pcesvn = number(tcb, "pcesvn");

		if (pcesvn < 0 || j->platform.pcesvn < (uint64_t)pcesvn ||
		    !reaches(json_object_get(tcb, "sgxtcbcomponents"), j->platform.component, 0))
			continue;
		/* The first two are the module's, which has levels of its own. */
		if (!j->q->sgx &&
		    !reaches(json_object_get(tcb, "tdxtcbcomponents"), svn, svn[1] ? 2 : 0))
			continue;
		set_level(j, to, level);
		return 0;
	}
	return refuse(j, TDX_ATTEST_COLLATERAL_LEVEL, "the platform is below every level");
}

static int check_platform(struct judge *j)
{
	const json_t *info = j->c->tcb_info.json;
	const char *id = json_string_value(json_object_get(info, "id"));
	uint8_t fmspc[6], pceid[2];

	if (!id || strcmp(id, j->q->sgx ? "SGX" : "TDX") || number(info, "version") != 3)
		return refuse(j, TDX_ATTEST_COLLATERAL_FORM, "TCB info: of another TEE or version");
	if (!hex_member(info, "fmspc", fmspc, 6) || !hex_member(info, "pceId", pceid, 2))
		return refuse(j, TDX_ATTEST_COLLATERAL_FORM, "TCB info: FMSPC and PCE id");
	if (!pck_platform_read(j->leaf, &j->platform))
		return refuse(j, TDX_ATTEST_COLLATERAL_FORM, "the PCK certificate's extension");
	if (memcmp(fmspc, j->platform.fmspc, 6))
		return refuse(j, TDX_ATTEST_COLLATERAL_FMSPC, "FMSPC");
	if (memcmp(pceid, j->platform.pceid, 2))
		return refuse(j, TDX_ATTEST_COLLATERAL_FMSPC, "PCE id");
	copy_text(j->out->fmspc, info, "fmspc");
	copy_text(j->out->issued, info, "issueDate");
	copy_text(j->out->next_update, info, "nextUpdate");
	j->out->evaluation = (unsigned)number(info, "tcbEvaluationDataNumber");
	return 0;
}

/* --- together --- */

static bool needs_configuration(enum tdx_tcb_status s)
{
	return s == TDX_TCB_CONFIGURATION_NEEDED ||
	       s == TDX_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
	       s == TDX_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

static bool out_of_date(enum tdx_tcb_status s)
{
	return s == TDX_TCB_OUT_OF_DATE || s == TDX_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

/* A part's status on top of the platform's: only being old or revoked counts. */
static enum tdx_tcb_status converge(enum tdx_tcb_status platform, const struct tdx_tcb_level *part)
{
	if (!part->found || platform == TDX_TCB_REVOKED)
		return platform;
	if (part->status == TDX_TCB_REVOKED || part->status == TDX_TCB_UNKNOWN)
		return part->status;
	if (!out_of_date(part->status) || out_of_date(platform))
		return platform;
	return needs_configuration(platform) ? TDX_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED
					     : TDX_TCB_OUT_OF_DATE;
}

/* The platform's and the module's status for one of a TD's two security versions. */
static int judge_svn(struct judge *j, const uint8_t svn[16], struct tdx_tcb_level *platform,
		     struct tdx_tcb_level *module, enum tdx_tcb_status *status)
{
	int rc = judge_platform(j, svn, platform);

	if (!rc && !j->q->sgx)
		rc = judge_module(j, svn, module);
	*status = converge(platform->status, module);
	return rc;
}

/* A TD that was started under an old module keeps that module's version in its report; the second
 * version is that of the module as it runs. If that one is current, a new start is all it needs. */
static void consider_relaunch(struct judge *j, enum tdx_tcb_status *status)
{
	struct tdx_collateral_verdict kept = *j->out;
	struct tdx_tcb_level platform = {0}, module = {0};
	struct tdx_attest_error err = *j->err;
	enum tdx_tcb_status now;

	if (j->q->body_type != TDX_QUOTE_BODY_TDX_15 || !out_of_date(*status))
		return;
	if (judge_svn(j, j->q->tee_tcb_svn2, &platform, &module, &now))
		now = TDX_TCB_UNKNOWN;
	*j->out = kept;
	*j->err = err;
	if (now == TDX_TCB_UP_TO_DATE || now == TDX_TCB_SW_HARDENING_NEEDED)
		*status = TDX_TCB_RELAUNCH_ADVISED;
	else if (now == TDX_TCB_CONFIGURATION_NEEDED ||
		 now == TDX_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED)
		*status = TDX_TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
}

static int judge_all(struct judge *j)
{
	enum tdx_tcb_status status;
	int rc = check_lists(j);

	if (!rc)
		rc = check_statement(j, &j->c->tcb_info, j->c->tcb_signer, "TCB info");
	if (!rc)
		rc = check_statement(j, &j->c->qe_identity, j->c->qe_signer, "QE identity");
	if (!rc)
		rc = check_platform(j);
	if (!rc)
		rc = judge_qe(j);
	if (!rc)
		rc = judge_svn(j, j->q->body.tee_tcb_svn, &j->out->platform, &j->out->module,
			       &status);
	if (rc)
		return rc;
	consider_relaunch(j, &status);
	j->out->status = converge(status, &j->out->qe);
	return 0;
}

/* The chain is the one that tdx_quote_verify() has seen. */
static int read_chain(struct judge *j, const char *root_pem, size_t root_len)
{
	BIO *chain = BIO_new_mem_buf(j->q->chain, (int)j->q->chain_len);
	BIO *root = root_len <= INT_MAX ? BIO_new_mem_buf(root_pem, (int)root_len) : NULL;

	j->leaf = chain ? PEM_read_bio_X509(chain, NULL, NULL, NULL) : NULL;
	j->middle = j->leaf ? PEM_read_bio_X509(chain, NULL, NULL, NULL) : NULL;
	j->root = root ? PEM_read_bio_X509(root, NULL, NULL, NULL) : NULL;
	BIO_free(chain);
	BIO_free(root);
	return j->leaf && j->middle && j->root
		       ? 0
		       : refuse(j, TDX_ATTEST_COLLATERAL_FORM, "the quote's certificate chain");
}

int tdx_collateral_verify(const struct tdx_collateral *c, const struct tdx_quote *q,
			  const char *root_pem, size_t root_len, int64_t now,
			  struct tdx_collateral_verdict *out, struct tdx_attest_error *err)
{
	struct judge j = {.c = c, .q = q, .now = now, .out = out, .err = err};
	int rc;

	memset(out, 0, sizeof(*out));
	*err = (struct tdx_attest_error){0};
	if (!q->chain || q->chain_len > INT_MAX)
		return refuse(&j, TDX_ATTEST_COLLATERAL_MISSING, "the PCK certificate chain");
	ERR_set_mark();
	rc = read_chain(&j, root_pem, root_len);
	if (!rc)
		rc = judge_all(&j);
	ERR_pop_to_mark();
	if (rc)
		memset(out, 0, sizeof(*out));
	X509_free(j.leaf);
	X509_free(j.middle);
	X509_free(j.root);
	return rc;
}
