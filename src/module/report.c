/* SPDX-License-Identifier: MIT */
/* See module/report.h. The module's own measurements are those of the simulated one: a report never
 * passes for one of real hardware. */
#include "module/report.h"

#include "machine/seam.h"
#include "module/sha384.h"

#include <string.h>

/* TDCS.LAST_TEEINFO_HASH_VALID. Several vCPUs may hold the RTMRs shared; one of them writes. */
enum { HASH_STALE = 0, HASH_VALID = 1, HASH_BEING_WRITTEN = 2 };

/* What the processor adds to SEAMEXTEND: TEE_TCB_SVN2. */
#define TEE_TCB_INFO_VALID_SVN2 0x30000ull

/* SEAMREPORT takes it from SEAMEXTEND. */
static void fill_tcb_info(const struct machine *m, struct tdx_tee_tcb_info *tcb)
{
	const struct tdx_seamextend *s = &machine_seam(m)->seamextend;

	*tcb = (struct tdx_tee_tcb_info){.valid = s->valid | TEE_TCB_INFO_VALID_SVN2,
					 .mrseam = s->mrseam,
					 .mrsignerseam = s->mrsigner,
					 .attributes = s->attributes};
	memcpy(tcb->tee_tcb_svn, s->tee_tcb_svn, sizeof(tcb->tee_tcb_svn));
}

static void part(void *to, const void *from, size_t size, bool ignored)
{
	if (!ignored)
		memcpy(to, from, size);
}

static void fill_td_info(const struct tdcs *tdcs, unsigned ignore, struct tdx_td_info *info)
{
	*info = (struct tdx_td_info){.attributes = 0};
	if (!(ignore & TD_INFO_ATTRIBUTES))
		info->attributes = tdcs->attributes;
	if (!(ignore & TD_INFO_XFAM))
		info->xfam = tdcs->xfam;
	part(info->mrtd.b, tdcs->mrtd, TDX_SHA384_SIZE, ignore & TD_INFO_MRTD);
	part(info->mrconfigid.b, tdcs->mrconfigid, TDX_SHA384_SIZE, ignore & TD_INFO_MRCONFIGID);
	part(info->mrowner.b, tdcs->mrowner, TDX_SHA384_SIZE, ignore & TD_INFO_MROWNER);
	part(info->mrownerconfig.b, tdcs->mrownerconfig, TDX_SHA384_SIZE,
	     ignore & TD_INFO_MROWNERCONFIG);
	for (unsigned i = 0; i < TD_NUM_RTMRS; i++)
		part(info->rtmr[i].b, tdcs->rtmr[i], TDX_SHA384_SIZE, ignore & TD_INFO_RTMR0 << i);
	part(info->servtd_hash.b, tdcs->servtd_hash, TDX_SHA384_SIZE, ignore & TD_INFO_SERVTD_HASH);
}

static bool hash_info(struct tdcs *tdcs, const struct tdx_td_info *info,
		      uint8_t hash[TDX_SHA384_SIZE])
{
	uint8_t *valid = &tdcs->last_teeinfo_hash_valid, stale = HASH_STALE;

	if (__atomic_load_n(valid, __ATOMIC_ACQUIRE) == HASH_VALID) {
		memcpy(hash, tdcs->last_teeinfo_hash, TDX_SHA384_SIZE);
		return false;
	}
	sha384(info, sizeof(*info), hash);
	if (__atomic_compare_exchange_n(valid, &stale, HASH_BEING_WRITTEN, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED)) {
		memcpy(tdcs->last_teeinfo_hash, hash, TDX_SHA384_SIZE);
		__atomic_store_n(valid, HASH_VALID, __ATOMIC_RELEASE);
	}
	return true;
}

struct tdx_status td_info_read(struct tx *tx, hpa_t tdr_pa, struct tdcs *tdcs, unsigned ignore,
			       struct tdx_td_info *info, uint8_t hash[TDX_SHA384_SIZE],
			       bool *computed)
{
	struct tdx_status s = tx_lock(tx, LOCK_RTMR, tdr_pa.v, &tdcs->rtmr_lock, LOCK_SHARED,
				      TDX_OPERAND_ID_RTMR);
	bool fresh = true;

	if (!tdx_is_success(s))
		return s;
	fill_td_info(tdcs, ignore, info);
	if (ignore)
		sha384(info, sizeof(*info), hash);
	else
		fresh = hash_info(tdcs, info, hash);
	if (computed)
		*computed = fresh;
	tx_unlock(tx, &tdcs->rtmr_lock);
	return s;
}

void servtd_hash_compute(struct tdcs *tdcs)
{
	/* per binding: hash, type, attributes, packed */
	uint8_t list[TD_MAX_SERVTDS * (TDX_SHA384_SIZE + sizeof(uint16_t) + sizeof(uint64_t))];
	uint8_t *end = list;

	for (unsigned i = 0; i < TD_MAX_SERVTDS; i++) {
		const struct servtd_binding *b = &tdcs->servtd[i];

		if (b->state == SERVTD_NOT_BOUND)
			continue;
		memcpy(end, b->info_hash, TDX_SHA384_SIZE);
		end += TDX_SHA384_SIZE;
		memcpy(end, &b->type, sizeof(b->type));
		end += sizeof(b->type);
		memcpy(end, &b->attributes, sizeof(b->attributes));
		end += sizeof(b->attributes);
	}
	if (end == list)
		memset(tdcs->servtd_hash, 0, sizeof(tdcs->servtd_hash));
	else
		sha384(list, (size_t)(end - list), tdcs->servtd_hash);
}

void report_sign(const struct machine *m, struct tdx_report *report, const uint8_t *reportdata,
		 const uint8_t hash[TDX_SHA384_SIZE], bool bound)
{
	struct tdx_report_mac *mac = &report->mac;

	*mac = (struct tdx_report_mac){
		.type = TDX_REPORT_TYPE_TDX,
		.version = bound ? TDX_REPORT_VERSION_BOUND : TDX_REPORT_VERSION,
	};
	fill_tcb_info(m, &report->tee_tcb_info);
	memset(report->zero, 0, sizeof(report->zero));
	machine_cpusvn(m, mac->cpusvn);
	sha384(&report->tee_tcb_info, sizeof(report->tee_tcb_info), mac->tee_tcb_info_hash.b);
	memcpy(mac->tee_info_hash.b, hash, TDX_SHA384_SIZE);
	memcpy(mac->reportdata, reportdata, TDX_REPORTDATA_SIZE);
	machine_report_mac(m, mac, offsetof(struct tdx_report_mac, mac), mac->mac);
}

struct tdx_status report_verify(const struct machine *m, const struct tdx_report_mac *mac)
{
	uint8_t cpusvn[sizeof(mac->cpusvn)], expected[TDX_REPORT_MAC_SIZE];

	machine_cpusvn(m, cpusvn);
	if (memcmp(cpusvn, mac->cpusvn, sizeof(cpusvn)) != 0)
		return tdx_error(TDX_INVALID_CPUSVN);
	machine_report_mac(m, mac, offsetof(struct tdx_report_mac, mac), expected);
	if (memcmp(expected, mac->mac, sizeof(expected)) != 0)
		return tdx_error(TDX_INVALID_REPORTMACSTRUCT);
	return tdx_success();
}
