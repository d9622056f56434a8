/* SPDX-License-Identifier: MIT */
/* The test service's collateral: what Intel's provisioning service would publish of our platform,
 * signed by our root's people, and what of it can be wrong on request. */
#include <errno.h>
#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <swtdx/collateral.h>

#include "measure/attest.h"

#define DAY	   ((int64_t)24 * 3600)
#define GOOD_FOR   (30 * DAY)
#define ZERO_48	   "000000000000000000000000000000000000000000000000"
#define EVALUATION 17

static const char *const fault_names[TDX_QUOTE_FAULTS] = {
	[TDX_QUOTE_FAULT_NONE] = "none",
	[TDX_QUOTE_FAULT_REVOKED] = "revoked",
	[TDX_QUOTE_FAULT_REVOKED_CA] = "revoked-ca",
	[TDX_QUOTE_FAULT_EXPIRED] = "expired",
	[TDX_QUOTE_FAULT_EXPIRED_PCK] = "expired-pck",
	[TDX_QUOTE_FAULT_SW_HARDENING_NEEDED] = "sw-hardening-needed",
	[TDX_QUOTE_FAULT_CONFIGURATION_NEEDED] = "configuration-needed",
	[TDX_QUOTE_FAULT_CONFIGURATION_AND_SW_HARDENING_NEEDED] =
		"configuration-and-sw-hardening-needed",
	[TDX_QUOTE_FAULT_OUT_OF_DATE] = "out-of-date",
	[TDX_QUOTE_FAULT_OUT_OF_DATE_CONFIGURATION_NEEDED] = "out-of-date-configuration-needed",
	[TDX_QUOTE_FAULT_REVOKED_TCB] = "revoked-tcb",
	[TDX_QUOTE_FAULT_OLD_MODULE] = "old-module",
	[TDX_QUOTE_FAULT_OLD_QE] = "old-qe",
	[TDX_QUOTE_FAULT_WRONG_FMSPC] = "wrong-fmspc",
	[TDX_QUOTE_FAULT_WRONG_IDENTITY] = "wrong-identity",
	[TDX_QUOTE_FAULT_BAD_SIGNATURE] = "bad-signature",
};

/* What the platform's level is called under the faults that are about it. */
static const enum tdx_tcb_status platform_status[TDX_QUOTE_FAULTS] = {
	[TDX_QUOTE_FAULT_SW_HARDENING_NEEDED] = TDX_TCB_SW_HARDENING_NEEDED,
	[TDX_QUOTE_FAULT_CONFIGURATION_NEEDED] = TDX_TCB_CONFIGURATION_NEEDED,
	[TDX_QUOTE_FAULT_CONFIGURATION_AND_SW_HARDENING_NEEDED] =
		TDX_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	[TDX_QUOTE_FAULT_OUT_OF_DATE] = TDX_TCB_OUT_OF_DATE,
	[TDX_QUOTE_FAULT_OUT_OF_DATE_CONFIGURATION_NEEDED] =
		TDX_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
	[TDX_QUOTE_FAULT_REVOKED_TCB] = TDX_TCB_REVOKED,
};

const char *tdx_quote_fault_name(unsigned fault)
{
	return fault < TDX_QUOTE_FAULTS ? fault_names[fault] : NULL;
}

/* What is being made, and what is to be wrong with it. */
struct maker {
	const struct tdx_quote_service *s;
	enum tdx_quote_fault fault;
	int64_t from, to;
	struct tdx_quote_files *out;
};

static int add_file(struct maker *m, const char *name, const void *data, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy || m->out->n == TDX_QUOTE_FILES) {
		free(copy);
		return copy ? -ENOSPC : -ENOMEM;
	}
	memcpy(copy, data, len);
	copy[len] = 0;
	m->out->file[m->out->n].name = name;
	m->out->file[m->out->n].data = copy;
	m->out->file[m->out->n++].len = len;
	return 0;
}

static const char *file_text(const struct tdx_quote_files *f, const char *name)
{
	for (unsigned i = 0; i < f->n; i++)
		if (!strcmp(f->file[i].name, name))
			return f->file[i].data;
	return "";
}

void tdx_quote_files_free(struct tdx_quote_files *f)
{
	for (unsigned i = 0; i < f->n; i++)
		free(f->file[i].data);
	memset(f, 0, sizeof(*f));
}

static json_t *iso(int64_t at)
{
	time_t t = (time_t)at;
	struct tm tm;
	char text[32];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/* --- the two statements --- */

static json_t *components(int first)
{
	json_t *all = json_array();

	for (int i = 0; i < 16; i++)
		json_array_append_new(all, json_pack("{s:i}", "svn", i ? 0 : first));
	return all;
}

static json_t *platform_level(int svn, const char *status, int64_t date)
{
	json_t *level = json_pack("{s:{s:o,s:i,s:o},s:o,s:s}", "tcb", "sgxtcbcomponents",
				  components(svn), "pcesvn", 0, "tdxtcbcomponents", components(0),
				  "tcbDate", iso(date), "tcbStatus", status);

	if (svn == 0 && strcmp(status, "UpToDate") != 0)
		json_object_set_new(level, "advisoryIDs", json_pack("[s]", "SWTDX-SA-00001"));
	return level;
}

static json_t *module_level(unsigned svn, const char *status, int64_t date)
{
	return json_pack("{s:{s:i},s:o,s:s}", "tcb", "isvsvn", (int)svn, "tcbDate", iso(date),
			 "tcbStatus", status);
}

/* An old module has a version below that of the only good level. */
static json_t *module_identity(const struct maker *m, unsigned generation)
{
	const bool old = m->fault == TDX_QUOTE_FAULT_OLD_MODULE;
	json_t *levels = json_array();
	char name[8];

	json_array_append_new(levels, module_level(old ? 255 : 0, "UpToDate", m->from));
	if (old)
		json_array_append_new(levels, module_level(0, "OutOfDate", m->from - 365 * DAY));
	snprintf(name, sizeof(name), "TDX_%02X", generation);
	return json_pack("{s:s,s:s,s:s,s:s,s:o}", "id", name, "mrsigner", ZERO_48 ZERO_48,
			 "attributes", "0000000000000000", "attributesMask", "FFFFFFFFFFFFFFFF",
			 "tcbLevels", levels);
}

/* A platform that is not up to date has a first component that is behind: it cannot reach the level
 * before its own. */
static json_t *tcb_info(const struct maker *m)
{
	const bool wrong = m->fault == TDX_QUOTE_FAULT_WRONG_FMSPC;
	const enum tdx_tcb_status status = platform_status[m->fault];
	json_t *levels = json_array(), *modules = json_array();

	if (status != TDX_TCB_UP_TO_DATE)
		json_array_append_new(levels, platform_level(255, "UpToDate", m->from));
	json_array_append_new(levels, platform_level(0, tdx_tcb_status_name(status),
						     m->from - (status ? 365 * DAY : 0)));
	for (unsigned g = 1; g <= 3; g++)
		json_array_append_new(modules, module_identity(m, g));
	return json_pack("{s:s,s:i,s:o,s:o,s:s,s:s,s:i,s:i,s:{s:s,s:s,s:s},s:o,s:o}", "id", "TDX",
			 "version", 3, "issueDate", iso(m->from), "nextUpdate", iso(m->to), "fmspc",
			 wrong ? "00A06F050000" : TEST_FMSPC, "pceId", "0000", "tcbType", 0,
			 "tcbEvaluationDataNumber", EVALUATION, "tdxModule", "mrsigner",
			 ZERO_48 ZERO_48, "attributes", "0000000000000000", "attributesMask",
			 "FFFFFFFFFFFFFFFF", "tdxModuleIdentities", modules, "tcbLevels", levels);
}

static json_t *qe_identity(const struct maker *m)
{
	const bool old = m->fault == TDX_QUOTE_FAULT_OLD_QE;
	json_t *levels = json_array();
	char signer[65] = {0};

	json_array_append_new(levels,
			      module_level(SWTDX_QE_SVN + (old ? 1 : 0), "UpToDate", m->from));
	if (old)
		json_array_append_new(levels,
				      module_level(SWTDX_QE_SVN, "OutOfDate", m->from - 365 * DAY));

	for (unsigned i = 0; i < 32; i++)
		snprintf(signer + 2 * i, 3, "%02X",
			 i < 16 ? (unsigned)(uint8_t)SWTDX_QE_VENDOR[i] : 0);
	if (m->fault == TDX_QUOTE_FAULT_WRONG_IDENTITY)
		memset(signer, 'A', 64);
	return json_pack("{s:s,s:i,s:o,s:o,s:i,s:s,s:s,s:s,s:s,s:s,s:i,s:o}", "id", "TD_QE",
			 "version", 2, "issueDate", iso(m->from), "nextUpdate", iso(m->to),
			 "tcbEvaluationDataNumber", EVALUATION, "miscselect", "00000000",
			 "miscselectMask", "FFFFFFFF", "attributes",
			 "01000000000000000000000000000000", "attributesMask",
			 "FBFFFFFFFFFFFFFF0000000000000000", "mrsigner", signer, "isvprodid",
			 SWTDX_QE_PRODID, "tcbLevels", levels);
}

/* A statement's text, and the signature of it in hexadecimal. */
static int sign_text(const struct maker *m, const char *text, char hex[129])
{
	uint8_t sig[TDX_QUOTE_SIGNATURE_SIZE];
	int rc = p256_sign(m->s->ca.key[TEST_TCB], text, strlen(text), sig);

	for (unsigned i = 0; i < sizeof(sig); i++)
		snprintf(hex + 2 * i, 3, "%02x", sig[i]);
	return rc;
}

static int add_statement(struct maker *m, json_t *what, const char *file, const char *member,
			 json_t *all, const char *name, const char *signature_name)
{
	char *text = what ? json_dumps(what, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
	char hex[129], *whole = NULL;
	int n, rc = text ? sign_text(m, text, hex) : -ENOMEM;

	json_decref(what);
	/* Something that no other check looks at. */
	if (!rc && m->fault == TDX_QUOTE_FAULT_BAD_SIGNATURE && strstr(text, "DataNumber"))
		strstr(text, "DataNumber")[strlen("DataNumber\":")]++;
	if (!rc) {
		n = asprintf(&whole, "{\"%s\":%s,\"signature\":\"%s\"}", member, text, hex);
		rc = n < 0 ? -ENOMEM : add_file(m, file, whole, (size_t)n);
		free(n < 0 ? NULL : whole);
	}
	if (!rc) {
		json_object_set_new(all, name, json_string(text));
		json_object_set_new(all, signature_name, json_string(hex));
	}
	free(text);
	return rc;
}

/* --- lists and chains --- */

static int add_list(struct maker *m, unsigned issuer, X509 *revoked, const char *file, json_t *all,
		    const char *name)
{
	X509_CRL *crl = test_crl(&m->s->ca, issuer, revoked, m->from, m->to);
	uint8_t *der = NULL;
	int len = crl ? i2d_X509_CRL(crl, &der) : -1, rc = -EIO;
	char *hex = len > 0 ? malloc(2 * (size_t)len + 1) : NULL;

	if (hex) {
		for (int i = 0; i < len; i++)
			snprintf(hex + 2 * i, 3, "%02x", der[i]);
		json_object_set_new(all, name, json_string(hex));
		rc = add_file(m, file, der, (size_t)len);
	}
	free(hex);
	OPENSSL_free(der);
	X509_CRL_free(crl);
	return rc;
}

static int add_chain(struct maker *m, unsigned first, const char *file)
{
	X509 *const certs[] = {m->s->ca.cert[first], m->s->ca.cert[TEST_ROOT]};
	char *pem;
	size_t len;
	int rc = chain_to_pem(certs, 2, &pem, &len);

	if (!rc)
		rc = add_file(m, file, pem, len);
	free(pem);
	return rc;
}

static int add_root(struct maker *m)
{
	uint8_t *der = NULL;
	int len = i2d_X509(m->s->ca.cert[TEST_ROOT], &der);
	int rc = len > 0 ? add_file(m, "rootCa.der", der, (size_t)len) : -EIO;

	OPENSSL_free(der);
	return rc ? rc : add_file(m, "rootCa.pem", m->s->root, m->s->root_len);
}

static int make(struct maker *m, json_t *all)
{
	X509 *leaf = m->fault == TDX_QUOTE_FAULT_REVOKED ? m->s->ca.cert[TEST_LEAF] : NULL;
	X509 *ca = m->fault == TDX_QUOTE_FAULT_REVOKED_CA ? m->s->ca.cert[TEST_CA] : NULL;
	char *text;
	int rc = add_statement(m, tcb_info(m), "tcbInfo.json", "tcbInfo", all, "tcb_info",
			       "tcb_info_signature");

	if (!rc)
		rc = add_statement(m, qe_identity(m), "qeIdentity.json", "enclaveIdentity", all,
				   "qe_identity", "qe_identity_signature");
	if (!rc)
		rc = add_list(m, TEST_ROOT, ca, "rootCaCrl.der", all, "root_ca_crl");
	if (!rc)
		rc = add_list(m, TEST_CA, leaf, "pckCrl.der", all, "pck_crl");
	if (!rc)
		rc = add_chain(m, TEST_TCB, "tcbSignChain.pem");
	if (!rc)
		rc = add_chain(m, TEST_CA, "pckCrlChain.pem");
	if (!rc)
		rc = add_file(m, "pckChain.pem", m->s->chain, m->s->chain_len);
	if (!rc)
		rc = add_root(m);
	if (rc)
		return rc;
	json_object_set_new(all, "tcb_info_issuer_chain",
			    json_string(file_text(m->out, "tcbSignChain.pem")));
	json_object_set_new(all, "qe_identity_issuer_chain",
			    json_string(file_text(m->out, "tcbSignChain.pem")));
	json_object_set_new(all, "pck_crl_issuer_chain",
			    json_string(file_text(m->out, "pckCrlChain.pem")));
	text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	rc = text ? add_file(m, "collateral.json", text, strlen(text)) : -ENOMEM;
	free(text);
	return rc;
}

int tdx_quote_service_collateral(const struct tdx_quote_service *s, enum tdx_quote_fault fault,
				 int64_t now, struct tdx_quote_files *out)
{
	const int64_t from = now - (fault == TDX_QUOTE_FAULT_EXPIRED ? 2 * GOOD_FOR : DAY);
	struct maker m = {s, fault, from, from + GOOD_FOR + DAY, out};
	json_t *all = json_object();
	int rc;

	memset(out, 0, sizeof(*out));
	if (!s->ca.cert[TEST_TCB])
		rc = -ENODATA;
	else
		rc = all ? make(&m, all) : -ENOMEM;
	json_decref(all);
	if (rc)
		tdx_quote_files_free(out);
	return rc;
}

int tdx_quote_service_with(const struct tdx_quote_service *s, enum tdx_quote_fault fault,
			   int64_t now, struct tdx_quote_service **out)
{
	X509 *expired, *certs[CHAIN_CERTS];
	size_t len;
	char *text;
	int rc = tdx_quote_service_save(s, &text, &len);

	*out = NULL;
	if (!rc)
		rc = tdx_quote_service_load(text, len, out);
	if (text)
		OPENSSL_cleanse(text, len);
	free(text);
	if (rc || fault != TDX_QUOTE_FAULT_EXPIRED_PCK)
		return rc;
	expired = !s->ca.cert[TEST_TCB] ? NULL : test_leaf_expired(&(*out)->ca, now);
	if (expired) {
		certs[0] = expired;
		certs[1] = s->ca.cert[TEST_CA];
		certs[2] = s->ca.cert[TEST_ROOT];
		free((*out)->chain);
		rc = chain_to_pem(certs, CHAIN_CERTS, &(*out)->chain, &(*out)->chain_len);
	}
	X509_free(expired);
	if (!expired || rc) {
		tdx_quote_service_free(*out);
		*out = NULL;
		return rc ? rc : -EIO;
	}
	return 0;
}
