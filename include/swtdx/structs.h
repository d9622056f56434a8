/* SPDX-License-Identifier: MIT */
/* Structures that calls pass through memory: TD_PARAMS, TDMR_INFO, CMR_INFO, TDSYSINFO, TDREPORT.
 *
 * ABI: module 1.5.25. Each has the ABI's layout, little endian, and may be read and written in
 * place on x86; offsets are asserted below. Fields that say "zero" must be zero in what a host
 * passes. Plain data: ownership and threads are the caller's. Usable from C++. */
#ifndef SWTDX_STRUCTS_H
#define SWTDX_STRUCTS_H

#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#define TDX_ABI_ASSERT(cond) static_assert(cond, #cond)
#else
#define TDX_ABI_ASSERT(cond) _Static_assert(cond, #cond)
#endif
#define TDX_ABI_AT(type, field, offset) TDX_ABI_ASSERT(offsetof(struct type, field) == (offset))
#pragma GCC visibility push(default)

#define TDX_SHA384_SIZE 48

/* One register of the measurement: MRTD, an RTMR, a digest of an event. */
struct tdx_digest {
	uint8_t b[TDX_SHA384_SIZE];
};

/* ATTRIBUTES of a TD, 64 bits. */
#define TDX_ATTR_DEBUG		 (1ull << 0)
#define TDX_ATTR_HGS_PLUS_PROF	 (1ull << 4)
#define TDX_ATTR_PERF_PROF	 (1ull << 5)
#define TDX_ATTR_PMT_PROF	 (1ull << 6)
#define TDX_ATTR_ICSSD		 (1ull << 16)
#define TDX_ATTR_LASS		 (1ull << 27)
#define TDX_ATTR_SEPT_VE_DISABLE (1ull << 28)
#define TDX_ATTR_MIGRATABLE	 (1ull << 29)
#define TDX_ATTR_PKS		 (1ull << 30)
#define TDX_ATTR_KL		 (1ull << 31)
#define TDX_ATTR_TPA		 (1ull << 62)
#define TDX_ATTR_PERFMON	 (1ull << 63)

/* CONFIG_FLAGS of a TD. */
#define TDX_CONFIG_GPAW		       (1ull << 0) /* the shared bit is GPA bit 51, else 47 */
#define TDX_CONFIG_FLEXIBLE_PENDING_VE (1ull << 1)
#define TDX_CONFIG_NO_RBP_MOD	       (1ull << 2)
#define TDX_CONFIG_MAXPA_VIRT	       (1ull << 3)
#define TDX_CONFIG_MAXGPA_VIRT	       (1ull << 4)
#define TDX_CONFIG_TDX_CONNECT	       (1ull << 5)
#define TDX_CONFIG_PAGE_RELEASE	       (1ull << 6)

/* TD_CTLS, set by the guest. */
#define TDX_TD_CTLS_PENDING_VE_DISABLE (1ull << 0)
#define TDX_TD_CTLS_ENUM_TOPOLOGY      (1ull << 1)
#define TDX_TD_CTLS_VIRT_CPUID2	       (1ull << 2)
#define TDX_TD_CTLS_REDUCE_VE	       (1ull << 3)
#define TDX_TD_CTLS_LOCK	       (1ull << 63)

/* L2_CTLS of a VM, the L1 VMM's to write; L2_DEBUG_CTLS, the host's of a debug TD. */
#define TDX_L2_CTLS_ENABLE_SHARED_EPTP (1ull << 0)
#define TDX_L2_CTLS_ENABLE_TDVMCALL    (1ull << 1)
#define TDX_L2_DEBUG_EXIT_ON_L1_TO_L2  (1ull << 0)
#define TDX_L2_DEBUG_EXIT_ON_L2_TO_L1  (1ull << 1)
#define TDX_L2_DEBUG_EXIT_ON_L2_EXIT   (1ull << 2)

/* EPTP_CONTROLS: memory type in bits 2:0, walk length minus one in 5:3. */
#define TDX_EPTP_MT_WB	    6ull
#define TDX_EPTP_WALK_SHIFT 3
#define TDX_EPTP_WALK_4	    (3ull << TDX_EPTP_WALK_SHIFT)
#define TDX_EPTP_WALK_5	    (4ull << TDX_EPTP_WALK_SHIFT)

/* The names of the bits above as the ABI writes them ("SEPT_VE_DISABLE"), NULL for bits without. */
const char *tdx_attribute_name(unsigned bit);
const char *tdx_config_flag_name(unsigned bit);
const char *tdx_td_ctls_name(unsigned bit);

/* The state components of XFAM and XCR0 ("AVX"), NULL for bits without. */
const char *tdx_xfam_name(unsigned bit);

/* What one CPUID leaf returns. */
struct tdx_cpuid_values {
	uint32_t eax, ebx, ecx, edx;
};

/* Operand of TDH.MNG.INIT, aligned to 1024. */
#define TDX_TD_PARAMS_CPUIDS 48
#define TDX_TSC_FREQUENCY_HZ 25000000ull /* unit of tsc_frequency */
struct tdx_td_params {
	uint64_t attributes;
	uint64_t xfam;
	uint16_t max_vcpus;
	uint8_t num_l2_vms;
	uint8_t msr_config_ctls; /* bit 0: ia32_arch_capabilities_config is meant */
	uint8_t zero0[4];
	uint64_t eptp_controls;
	uint64_t config_flags;
	uint16_t tsc_frequency;
	uint8_t zero1[38];
	struct tdx_digest mrconfigid;
	struct tdx_digest mrowner;
	struct tdx_digest mrownerconfig;
	uint64_t ia32_arch_capabilities_config;
	uint8_t zero2[24];
	/* In the order of CPUID_CONFIG_LEAVES; entries past their number are zero. */
	struct tdx_cpuid_values cpuid[TDX_TD_PARAMS_CPUIDS];
};
TDX_ABI_AT(tdx_td_params, max_vcpus, 16);
TDX_ABI_AT(tdx_td_params, eptp_controls, 24);
TDX_ABI_AT(tdx_td_params, config_flags, 32);
TDX_ABI_AT(tdx_td_params, tsc_frequency, 40);
TDX_ABI_AT(tdx_td_params, mrconfigid, 80);
TDX_ABI_AT(tdx_td_params, mrowner, 128);
TDX_ABI_AT(tdx_td_params, mrownerconfig, 176);
TDX_ABI_AT(tdx_td_params, ia32_arch_capabilities_config, 224);
TDX_ABI_AT(tdx_td_params, cpuid, 256);
TDX_ABI_ASSERT(sizeof(struct tdx_td_params) == 1024);

/* Operand of TDH.SYS.CONFIG, aligned to 512. Addresses and sizes in bytes; the TDMR in units of 1G,
 * all else in units of 4K. */
#define TDX_MAX_TDMRS	       64
#define TDX_MAX_RESERVED_AREAS 16
struct tdx_tdmr_info {
	uint64_t base;
	uint64_t size;
	uint64_t pamt_1g_base, pamt_1g_size;
	uint64_t pamt_2m_base, pamt_2m_size;
	uint64_t pamt_4k_base, pamt_4k_size;
	struct {
		uint64_t offset; /* from base */
		uint64_t size;	 /* 0 ends the list */
	} reserved[TDX_MAX_RESERVED_AREAS];
};
TDX_ABI_AT(tdx_tdmr_info, pamt_4k_base, 48);
TDX_ABI_AT(tdx_tdmr_info, reserved, 64);
TDX_ABI_ASSERT(sizeof(struct tdx_tdmr_info) == 320);

/* Output of TDH.SYS.INFO: memory that may become private. A size of 0 is an empty entry. */
#define TDX_MAX_CMRS 32
struct tdx_cmr_info {
	uint64_t base;
	uint64_t size;
};
TDX_ABI_ASSERT(sizeof(struct tdx_cmr_info) * TDX_MAX_CMRS == 512);

/* Bits of one CPUID leaf that a TD's creator may choose. */
struct tdx_cpuid_config {
	uint32_t leaf, subleaf; /* subleaf all ones: the leaf has none */
	uint32_t eax, ebx, ecx, edx;
};

/* Output of TDH.SYS.INFO, aligned to 1024. */
#define TDX_SYSINFO_CPUIDS 37
struct tdx_sysinfo {
	uint32_t attributes; /* bit 31: the module is a debug build */
	uint32_t vendor_id;
	uint32_t build_date; /* BCD, yyyymmdd */
	uint16_t build_num;
	uint16_t minor_version;
	uint16_t major_version;
	uint8_t sys_rd; /* 1: TDH.SYS.RD tells more */
	uint8_t zero0[13];
	uint16_t max_tdmrs;
	uint16_t max_reserved_per_tdmr;
	uint16_t pamt_entry_size;
	uint8_t zero1[10];
	uint16_t tdcs_base_size;
	uint8_t zero2[2];
	uint16_t tdvps_base_size;
	uint8_t tdvps_xfam_dependent_size;
	uint8_t zero3[9];
	uint64_t attributes_fixed0, attributes_fixed1;
	uint64_t xfam_fixed0, xfam_fixed1;
	uint8_t zero4[32];
	uint32_t num_cpuid_config;
	struct tdx_cpuid_config cpuid_config[TDX_SYSINFO_CPUIDS];
	uint8_t zero5[4];
};
TDX_ABI_AT(tdx_sysinfo, max_tdmrs, 32);
TDX_ABI_AT(tdx_sysinfo, tdcs_base_size, 48);
TDX_ABI_AT(tdx_sysinfo, attributes_fixed0, 64);
TDX_ABI_AT(tdx_sysinfo, num_cpuid_config, 128);
TDX_ABI_ASSERT(sizeof(struct tdx_sysinfo) == 1024);

/* The guest state TDG.VP.ENTER takes and an exit of the L2 VM leaves, in private memory of the L1
 * VMM, aligned so. (ABI, TDG.VP.ENTER, "L2_ENTER_GUEST_STATE") */
#define TDX_L2_STATE_ALIGN 256
struct tdx_l2_state {
	struct tdx_regs gpr;
	uint64_t rflags, rip, ssp;
	uint16_t interrupt_status; /* RVI in 7:0, SVI in 15:8 */
	uint8_t reserved[6];
};
TDX_ABI_ASSERT(sizeof(struct tdx_l2_state) == 160);

/* REPORTMACSTRUCT: what the CPU signs. */
#define TDX_REPORT_TYPE_TDX	 0x81
#define TDX_REPORT_MAC_SIZE	 32
#define TDX_REPORTDATA_SIZE	 64
#define TDX_REPORT_VERSION	 0
#define TDX_REPORT_VERSION_BOUND 1 /* service TDs are bound */
struct tdx_report_mac {
	uint8_t type, subtype, version, zero0;
	uint8_t zero1[12];
	uint8_t cpusvn[16];
	struct tdx_digest tee_tcb_info_hash;
	struct tdx_digest tee_info_hash;
	uint8_t reportdata[TDX_REPORTDATA_SIZE];
	uint8_t zero2[32];
	uint8_t mac[TDX_REPORT_MAC_SIZE]; /* over all that precedes it */
};
TDX_ABI_AT(tdx_report_mac, cpusvn, 16);
TDX_ABI_AT(tdx_report_mac, tee_tcb_info_hash, 32);
TDX_ABI_AT(tdx_report_mac, tee_info_hash, 80);
TDX_ABI_AT(tdx_report_mac, reportdata, 128);
TDX_ABI_AT(tdx_report_mac, mac, 224);
TDX_ABI_ASSERT(sizeof(struct tdx_report_mac) == 256);

/* TEE_TCB_INFO: which module. Packed: its size is odd and its hash covers that size. */
struct tdx_tee_tcb_info {
	uint64_t valid; /* bit i: the field at offset 8 * i is filled in */
	uint8_t tee_tcb_svn[16];
	struct tdx_digest mrseam;
	struct tdx_digest mrsignerseam;
	uint64_t attributes;
	uint8_t tee_tcb_svn2[16];
	uint8_t zero[95];
} __attribute__((packed));
TDX_ABI_AT(tdx_tee_tcb_info, mrseam, 24);
TDX_ABI_AT(tdx_tee_tcb_info, attributes, 120);
TDX_ABI_ASSERT(sizeof(struct tdx_tee_tcb_info) == 239);

/* TDINFO: which TD. */
#define TDX_RTMRS 4
struct tdx_td_info {
	uint64_t attributes;
	uint64_t xfam;
	struct tdx_digest mrtd;
	struct tdx_digest mrconfigid;
	struct tdx_digest mrowner;
	struct tdx_digest mrownerconfig;
	struct tdx_digest rtmr[TDX_RTMRS];
	struct tdx_digest servtd_hash;
	uint8_t zero[64];
};
TDX_ABI_AT(tdx_td_info, mrtd, 16);
TDX_ABI_AT(tdx_td_info, rtmr, 208);
TDX_ABI_AT(tdx_td_info, servtd_hash, 400);
TDX_ABI_ASSERT(sizeof(struct tdx_td_info) == 512);

/* Output of TDG.MR.REPORT, aligned to 1024. */
struct tdx_report {
	struct tdx_report_mac mac;
	struct tdx_tee_tcb_info tee_tcb_info;
	uint8_t zero[17];
	struct tdx_td_info td_info;
};
TDX_ABI_AT(tdx_report, tee_tcb_info, 256);
TDX_ABI_AT(tdx_report, td_info, 512);
TDX_ABI_ASSERT(sizeof(struct tdx_report) == 1024);

/* Header of the buffer of TDG.VP.VMCALL<GetQuote>; the data follows. */
#define TDX_QUOTE_VERSION	      1
#define TDX_QUOTE_SUCCESS	      0ull
#define TDX_QUOTE_IN_FLIGHT	      0xffffffffffffffffull
#define TDX_QUOTE_ERROR		      0x8000000000000000ull
#define TDX_QUOTE_SERVICE_UNAVAILABLE 0x8000000000000001ull
struct tdx_quote_header {
	uint64_t version;
	uint64_t status;
	uint32_t in_len;
	uint32_t out_len;
};
TDX_ABI_ASSERT(sizeof(struct tdx_quote_header) == 24);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
