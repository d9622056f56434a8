/* SPDX-License-Identifier: MIT */
/* Names, places and sizes of the fields of a TDREPORT and of a quote's header and body. */
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

static const struct attest_field report_table[] = {
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

#define QB(name, member)                                                                           \
	{                                                                                          \
		name, Q_BODY + offsetof(struct tdx_quote_body, member),                            \
			sizeof(((struct tdx_quote_body *)0)->member), false                        \
	}
#define QBW(name, member)                                                                          \
	{                                                                                          \
		name, Q_BODY + offsetof(struct tdx_quote_body, member),                            \
			sizeof(((struct tdx_quote_body *)0)->member), true                         \
	}

static const struct attest_field quote_table[] = {
	{"version", QH_VERSION, 2, true},
	{"attestation_key_type", QH_KEY_TYPE, 2, true},
	{"tee_type", QH_TEE_TYPE, 4, true},
	{"qe_vendor_id", QH_VENDOR, 16, false},
	{"user_data", QH_USER_DATA, 20, false},
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

const struct attest_field *tdreport_fields(size_t *n)
{
	*n = sizeof(report_table) / sizeof(report_table[0]);
	return report_table;
}

const struct attest_field *quote_fields(size_t *n)
{
	*n = sizeof(quote_table) / sizeof(quote_table[0]);
	return quote_table;
}
