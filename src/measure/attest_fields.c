/* SPDX-License-Identifier: MIT */
/* Names, places and sizes of the fields of a TDREPORT and of a quote's header and body; what the
 * numbers of a quote's types mean. */
#include "measure/attest.h"

#define R(name, member)                                                                            \
	{                                                                                          \
		name, offsetof(struct tdx_report, member),                                         \
			sizeof(((struct tdx_report *)0)->member), false                            \
	}
#define RW(name, member)                                                                           \
	{                                                                                          \
		name, offsetof(struct tdx_report, member),                                         \
			sizeof(((struct tdx_report *)0)->member), true                             \
	}

static const struct tdx_attest_field report_table[] = {
	RW("type", mac.type),
	RW("subtype", mac.subtype),
	RW("version", mac.version),
	R("cpusvn", mac.cpusvn),
	R("tee_tcb_info_hash", mac.tee_tcb_info_hash),
	R("tee_info_hash", mac.tee_info_hash),
	R("reportdata", mac.reportdata),
	R("mac", mac.mac),
	RW("tee_tcb_info.valid", tee_tcb_info.valid),
	R("tee_tcb_svn", tee_tcb_info.tee_tcb_svn),
	R("mrseam", tee_tcb_info.mrseam),
	R("mrsignerseam", tee_tcb_info.mrsignerseam),
	RW("seam_attributes", tee_tcb_info.attributes),
	R("tee_tcb_svn2", tee_tcb_info.tee_tcb_svn2),
	RW("attributes", td_info.attributes),
	RW("xfam", td_info.xfam),
	R("mrtd", td_info.mrtd),
	R("mrconfigid", td_info.mrconfigid),
	R("mrowner", td_info.mrowner),
	R("mrownerconfig", td_info.mrownerconfig),
	R("rtmr0", td_info.rtmr[0]),
	R("rtmr1", td_info.rtmr[1]),
	R("rtmr2", td_info.rtmr[2]),
	R("rtmr3", td_info.rtmr[3]),
	R("servtd_hash", td_info.servtd_hash),
};

static const struct tdx_attest_field header_table[] = {
	{"version", QH_VERSION, 2, true},	{"attestation_key_type", QH_KEY_TYPE, 2, true},
	{"tee_type", QH_TEE_TYPE, 4, true},	{"qe_vendor_id", QH_VENDOR, 16, false},
	{"user_data", QH_USER_DATA, 20, false},
};

static const struct tdx_attest_field descriptor_table[] = {
	{"body_type", TDX_QUOTE_HEADER_SIZE, 2, true},
	{"body_size", TDX_QUOTE_HEADER_SIZE + 2, 4, true},
};

/* From here on offsets count from the body. */
#define QB(name, member)                                                                           \
	{                                                                                          \
		name, offsetof(struct tdx_quote_body, member),                                     \
			sizeof(((struct tdx_quote_body *)0)->member), false                        \
	}
#define QBW(name, member)                                                                          \
	{                                                                                          \
		name, offsetof(struct tdx_quote_body, member),                                     \
			sizeof(((struct tdx_quote_body *)0)->member), true                         \
	}

static const struct tdx_attest_field td_table[] = {
	QB("tee_tcb_svn", tee_tcb_svn),
	QB("mrseam", mrseam),
	QB("mrsignerseam", mrsignerseam),
	QBW("seam_attributes", seam_attributes),
	QBW("attributes", attributes),
	QBW("xfam", xfam),
	QB("mrtd", mrtd),
	QB("mrconfigid", mrconfigid),
	QB("mrowner", mrowner),
	QB("mrownerconfig", mrownerconfig),
	QB("rtmr0", rtmr[0]),
	QB("rtmr1", rtmr[1]),
	QB("rtmr2", rtmr[2]),
	QB("rtmr3", rtmr[3]),
	QB("reportdata", reportdata),
};

static const struct tdx_attest_field td_15_table[] = {
	{"tee_tcb_svn2", TDX_QUOTE_BODY_SIZE, 16, false},
	{"mrservicetd", TDX_QUOTE_BODY_SIZE + 16, 48, false},
};

static const struct tdx_attest_field sgx_table[] = {
	{"cpusvn", 0, 16, false},
	{"miscselect", QE_MISCSELECT, 4, true},
	{"enclave_attributes", QE_ATTRIBUTES, 16, false},
	{"mrenclave", QE_MRENCLAVE, 32, false},
	{"mrsigner", QE_MRSIGNER, 32, false},
	{"isvprodid", QE_ISVPRODID, 2, true},
	{"isvsvn", QE_ISVSVN, 2, true},
	{"reportdata", QE_REPORTDATA, 64, false},
};

const struct tdx_attest_field *tdx_report_fields(size_t *n)
{
	*n = sizeof(report_table) / sizeof(report_table[0]);
	return report_table;
}

/* Where the next fields go. */
struct sink {
	struct tdx_attest_field *out;
	size_t n, max;
};

static void add(struct sink *s, const struct tdx_attest_field *f, size_t n, size_t base)
{
	for (size_t i = 0; i < n && s->n < s->max; i++) {
		s->out[s->n] = f[i];
		s->out[s->n++].offset += (uint16_t)base;
	}
}

#define ADD(s, table, base) add(s, table, sizeof(table) / sizeof((table)[0]), base)

size_t tdx_quote_fields(const struct tdx_quote *q, struct tdx_attest_field *out, size_t max)
{
	size_t body = (size_t)quote_at(q, q->body_bytes);
	struct sink s = {out, 0, max};

	ADD(&s, header_table, 0);
	if (q->version == QUOTE_V5)
		ADD(&s, descriptor_table, 0);
	if (q->body_type == TDX_QUOTE_BODY_SGX)
		ADD(&s, sgx_table, body);
	if (q->body_type == TDX_QUOTE_BODY_TDX_10 || q->body_type == TDX_QUOTE_BODY_TDX_15)
		ADD(&s, td_table, body);
	if (q->body_type == TDX_QUOTE_BODY_TDX_15)
		ADD(&s, td_15_table, body);
	return s.n;
}

const char *tdx_quote_body_type_name(unsigned type)
{
	switch ((enum tdx_quote_body_type)type) {
	case TDX_QUOTE_BODY_SGX:
		return "an SGX enclave's report";
	case TDX_QUOTE_BODY_TDX_10:
		return "a TD's report, TDX 1.0";
	case TDX_QUOTE_BODY_TDX_15:
		return "a TD's report, TDX 1.5";
	}
	return "of a type that is not known";
}

const char *tdx_quote_cert_type_name(unsigned type)
{
	switch ((enum tdx_quote_cert_type)type) {
	case TDX_QUOTE_CERT_PPID_PLAIN:
		return "PPID, plain";
	case TDX_QUOTE_CERT_PPID_RSA2048:
		return "PPID, encrypted with RSA 2048";
	case TDX_QUOTE_CERT_PPID_RSA3072:
		return "PPID, encrypted with RSA 3072";
	case TDX_QUOTE_CERT_PCK_LEAF:
		return "PCK certificate without its chain";
	case TDX_QUOTE_CERT_PCK_CHAIN:
		return "PCK certificate chain";
	case TDX_QUOTE_CERT_QE_REPORT:
		return "QE report with certification data";
	case TDX_QUOTE_CERT_PLATFORM_MANIFEST:
		return "platform manifest";
	}
	return "unknown";
}
