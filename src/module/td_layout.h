/* SPDX-License-Identifier: MIT */
/* What the module keeps in the pages the host donates: TDR, TDCS, TDVPS.
 *
 * State lives where the hardware keeps it; there is no shadow. A TDCS is 6 pages (plus one an L2
 * VM), a TDVPS 6 (plus three an L2 VM), physically scattered; each struct below fills one page.
 * Field sizes and meanings: ABI, "TDR/TDCS/TDVPS fields". The arrangement within a page is ours. */
#ifndef MODULE_TD_LAYOUT_H
#define MODULE_TD_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <swtdx/types.h>

enum {
	TD_MAX_VMS = 4,
	TDCS_MIN_PAGES = 6,
	TDCS_MAX_PAGES = 9,
	TDCS_PAGES_PER_L2_VM = 1,
	TDVPS_MIN_PAGES = 6,
	TDVPS_MAX_PAGES = 15,
	TDVPS_PAGES_PER_L2_VM = 3,
	TD_MAX_VCPUS = 576,
	TD_NUM_RTMRS = 4,
	TD_MAX_SERVTDS = 1,
	TD_MAX_EVENT_FILTERS = 512,
	TD_MAX_CPUID = 80, /* room for CPUID_VALUES rows */
	TD_XBUFF_OFFSETS = 20,
	EPF_LIST_SIZE = 32,
	TD_COUNTS = 32,
	MRTD_BLOCK = 128,
	MRTD_BLOCKS = 8,
};

/* In a field for an address: none given yet. */
#define NO_PA (~0ull)

/* Index of each TDCS page in tdr.tdcx_pa[]. */
enum {
	TDCS_PAGE_MAIN = 0,
	TDCS_PAGE_EXT = 1,
	TDCS_PAGE_MSR_BITMAPS = 2,
	TDCS_PAGE_SEPT_ROOT = 3,
	TDCS_PAGE_ZERO = 4,
	TDCS_PAGE_MIGSC = 5,
	TDCS_PAGE_L2_SEPT_ROOT = 6,
};

/* Index of each TDVPS page in tdvps.page_pa[]; 0 is the TDVPR itself. */
enum {
	TDVPS_PAGE_MAIN = 0,
	TDVPS_PAGE_VMCS = 1,
	TDVPS_PAGE_VAPIC = 2,
	TDVPS_PAGE_XBUFF = 3, /* three pages */
	TDVPS_PAGE_L2 = 6,    /* per L2 VM: VMCS, MSR bitmaps, shadow MSR bitmaps */
};

/* What calls count at nearly every turn. Each is the sum of counts on lines of their own, as
 * processors on one TD should not wait for each other's line; one of them may count below zero the
 * pages that another added. */
struct td_counts {
	uint64_t children;   /* CHLDCNT: 4K-equivalents of child pages; atomic */
	uint16_t running[2]; /* REFCOUNT: vCPUs in the guest, by parity of their epoch; atomic */
	uint8_t line_behind[52];
};
static_assert(sizeof(struct td_counts) == 64, "a cache line");

struct tdr {
	uint8_t fatal;
	uint8_t pad0[3];
	uint32_t num_tdcx;
	uint32_t lifecycle_state; /* enum tdx_lifecycle */
	uint16_t hkid;
	uint16_t handoff_version;
	uint64_t pkg_config_bitmap;
	uint64_t tdcx_pa[TDCS_MAX_PAGES];
	uint64_t td_uuid[4];
	uint64_t seamdb_index;
	uint64_t seamdb_nonce[4];
	/* Nobody runs in the epoch before this one any more: what the counts below once summed up
	 * to. Atomic. */
	uint64_t quiet_epoch;
	uint8_t line_before[256 - 16 - 8 - 8 * TDCS_MAX_PAGES - 32 - 8 - 32 - 8];
	struct td_counts counts[TD_COUNTS];
	uint8_t reserved[4096 - 256 - sizeof(struct td_counts) * TD_COUNTS];
};
static_assert(sizeof(struct tdr) == 4096, "TDR is one page");

/* CHLDCNT. What processors add or take meanwhile may be seen in part: who needs it exact holds the
 * TDR exclusive. */
static inline uint64_t tdr_children(const struct tdr *tdr)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < TD_COUNTS; i++)
		sum += __atomic_load_n(&tdr->counts[i].children, __ATOMIC_RELAXED);
	return sum;
}

/* REFCOUNT. A vCPU is counted and discounted on one processor, so none of the counts is below zero,
 * and as nobody enters in an epoch that is over, one of those that was zero remains so. */
static inline unsigned tdr_running(const struct tdr *tdr, uint64_t epoch)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < TD_COUNTS; i++)
		sum += __atomic_load_n(&tdr->counts[i].running[epoch & 1], __ATOMIC_ACQUIRE);
	return sum;
}

struct tdcs_cpuid_value {
	uint32_t eax, ebx, ecx, edx;
};

enum servtd_state { SERVTD_NOT_BOUND = 0, SERVTD_PRE_BOUND = 1, SERVTD_BOUND = 2 };

struct servtd_binding {
	uint8_t state /* enum servtd_state */, pad0;
	uint16_t type;
	uint32_t pad1;
	uint64_t attributes;
	uint64_t uuid[4];
	uint8_t info_hash[48];
	uint8_t reserved[32];
};
static_assert(sizeof(struct servtd_binding) == 128, "service TD binding");

/* Virtual CPUID facts asked at every entry, exit and MSR access; derived at TDH.MNG.INIT. */
struct tdcs_cpuid_flags {
	uint8_t monitor_mwait, dca, tsc_deadline, tsx, waitpkg, tme, pconfig, xfd, ddpd, la57, fred,
		perfmon_ext_leaf, umsr, arch_pebs, kl_no_backup, kl_random, avx10_512vl, avx10,
		no_core_capabilities, est, no_mce, no_mca, no_mtrr, rdt_a, rdt_m, acpi, tm2,
		xtpr_update, spare[4];
};
static_assert(sizeof(struct tdcs_cpuid_flags) == 32, "cpuid flags");

/* Values of the VMX enumeration MSRs as L1 sees them (partitioning) and IA32_ARCH_CAPABILITIES. */
struct tdcs_virt_msrs {
	uint64_t vmx_basic, vmx_misc, vmx_cr0_fixed0, vmx_cr0_fixed1, vmx_cr4_fixed0,
		vmx_cr4_fixed1, vmx_procbased_ctls2, vmx_ept_vpid_cap, vmx_true_pinbased_ctls,
		vmx_true_procbased_ctls, vmx_true_exit_ctls, vmx_true_entry_ctls, vmx_vmfunc,
		vmx_procbased_ctls3, vmx_exit_ctls2, arch_capabilities;
	uint64_t reserved[16];
};
static_assert(sizeof(struct tdcs_virt_msrs) == 256, "virtual MSRs");

/* TDCS page 0. */
struct tdcs {
	/* management */
	uint32_t num_vcpus;	  /* atomic */
	uint32_t num_assoc_vcpus; /* atomic */
	uint32_t op_state;	  /* enum tdx_op_state */
	uint16_t op_state_lock;	  /* sharex-hp */
	uint16_t num_l2_vms;
	/* execution controls */
	uint64_t attributes;
	uint64_t xfam;
	uint32_t max_vcpus;
	uint8_t gpaw; /* 1: 52-bit GPAs, shared bit 51; 0: 48, 47 */
	uint8_t virt_maxpa;
	uint16_t sept_lock; /* sharex-hp: the S-EPT tree */
	uint64_t eptp;
	uint64_t tsc_offset, tsc_multiplier;
	uint16_t tsc_frequency;
	uint8_t topology_enum_configured;
	uint8_t ve_reduction_valid;
	uint32_t xbuff_size;
	struct tdcs_cpuid_flags cpuid_flags;
	uint64_t notify_enables;
	uint64_t hp_lock_timeout;
	uint64_t vm_ctls[TD_MAX_VMS];
	uint64_t ia32_spec_ctrl_mask;
	uint64_t config_flags;
	uint64_t td_ctls;
	uint32_t perfmon_ext_subleaves_bitmap;
	uint32_t xbuff_offsets[TD_XBUFF_OFFSETS];
	uint8_t cpuid_valid[TD_MAX_CPUID];
	/* epoch tracking */
	uint64_t td_epoch;   /* who runs in it is counted in the TDR */
	uint16_t epoch_lock; /* sharex */
	/* measurement */
	uint16_t rtmr_lock; /* sharex-hp */
	uint8_t last_teeinfo_hash_valid;
	uint8_t pad0[5];
	uint16_t mrtd_context_version;
	uint8_t mrtd[48], mrconfigid[48], mrowner[48], mrownerconfig[48];
	uint8_t rtmr[TD_NUM_RTMRS][48];
	uint8_t last_teeinfo_hash[48];
	uint64_t mrtd_context[28];		      /* incremental SHA-384 */
	uint8_t mrtd_blocks[MRTD_BLOCKS][MRTD_BLOCK]; /* not hashed yet */
	uint64_t mrtd_nblocks;
	/* migration */
	uint8_t mig_dec_key_set, num_mem_scan_ranges, s4_migrated, pad1;
	uint32_t export_count, import_count, mig_epoch;
	uint64_t bw_epoch, total_mb_count;
	uint64_t mig_dec_key[4], mig_dec_working_key[4], mig_enc_key[4], mig_enc_working_key[4];
	uint16_t mig_version, mig_working_version;
	uint16_t num_migs, mig_lock; /* sharex */
	uint64_t dirty_count, mig_count;
	uint32_t num_migrated_vcpus;
	uint16_t mig_interrupted_count, pad2;
	uint64_t pre_import_uuid[4];
	/* service TDs */
	uint8_t servtd_hash[48];
	uint16_t servtd_num;
	uint16_t servtd_bindings_lock; /* sharex-hp */
	uint32_t pad3;
	struct servtd_binding servtd[TD_MAX_SERVTDS];
	struct tdcs_virt_msrs virt_msrs;
	struct tdcs_cpuid_value cpuid_values[TD_MAX_CPUID];
};
static_assert(sizeof(struct tdcs) <= 4096, "TDCS page 0");
static_assert(offsetof(struct tdcs, cpuid_flags) % sizeof(uint64_t) == 0, "read by words");

/* The two that a TD's vCPUs change while others run, without a lock, as with the real module. */
static inline uint64_t tdcs_td_ctls(const struct tdcs *tdcs)
{
	return __atomic_load_n(&tdcs->td_ctls, __ATOMIC_RELAXED);
}

static inline struct tdcs_cpuid_flags tdcs_cpuid_flags(const struct tdcs *tdcs)
{
	const uint64_t *from = (const uint64_t *)&tdcs->cpuid_flags;
	uint64_t words[sizeof(struct tdcs_cpuid_flags) / sizeof(uint64_t)];
	struct tdcs_cpuid_flags f;

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	memcpy(&f, words, sizeof(f));
	return f;
}

static inline void tdcs_set_cpuid_flags(struct tdcs *tdcs, const struct tdcs_cpuid_flags *f)
{
	uint64_t *to = (uint64_t *)&tdcs->cpuid_flags;
	uint64_t words[sizeof(*f) / sizeof(uint64_t)];

	memcpy(words, f, sizeof(words));
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		__atomic_store_n(&to[i], words[i], __ATOMIC_RELAXED);
}

/* TDCS page 1. */
struct tdcs_ext {
	uint32_t cpuid_last_base_leaf, cpuid_last_ext_leaf;
	uint64_t cpuid_fixed0_bitmap;
	struct tdcs_cpuid_value cpuid4_native_values[4];
	uint8_t cpuid4_native_valid[4];
	uint32_t field_support_at_init;
	uint64_t feature_paravirt_ctls;
	uint64_t filtered_events_count[TD_MAX_VMS];
	uint16_t event_filters_num;
	uint16_t pad0[3];
	uint64_t blocked_count, pending_blocked_count, mem_count;
	uint32_t x2apic_ids[TD_MAX_VCPUS];
	uint16_t event_filters[TD_MAX_EVENT_FILTERS];
};
static_assert(sizeof(struct tdcs_ext) <= 4096, "TDCS page 1");

enum { LAST_EXIT_ASYNC_FAULT = 0, LAST_EXIT_ASYNC_TRAP = 1, LAST_EXIT_TDVMCALL = 2 };
#define VE_INFO_VALID 0xffffffffu

struct tdvps_ve_info {
	uint32_t exit_reason, valid;
	uint64_t exit_qualification, gla, gpa;
	uint32_t instruction_length, instruction_information;
	uint16_t eptp_index;
	uint8_t ve_category, pad0[5];
	uint64_t extended_instr_info;
	uint32_t interruptibility_state, pad1;
	uint64_t apic_data;
};

/* MSRs the guest owns that no VMCS field holds; saved at TD exit, named as the metadata fields. */
struct tdvps_msrs {
	uint64_t spec_ctrl, umwait_control, tsx_ctrl, xfd, xfd_err, xss, lbr_depth, uarch_misc_ctl,
		star, lstar, fmask, kernel_gs_base, tsc_aux, fred_rsp0, pl0_ssp, user_msr_ctl,
		pebs_base, pebs_index, misc_enable, smi_count, ds_area;
	uint64_t perfevtsel[8], offcore_rsp[2], fixed_ctr[8], perf_metrics, fixed_ctr_ctrl,
		perf_global_status, pebs_enable, pebs_data_cfg, pebs_ld_lat, pebs_frontend, pmc[8],
		fixed_ctr_ext[8], a_pmc_reload_cfg[8], a_pmc_ext[8];
};

/* TDVPS page 0 (the TDVPR). */
struct tdvps {
	struct tdvps_ve_info ve_info;
	/* management */
	uint8_t state /* enum tdx_vcpu_state */, last_td_exit, num_pages, pend_nmi;
	uint32_t vcpu_index;
	uint64_t page_pa[TDVPS_MAX_PAGES];
	uint32_t assoc_lpid; /* ~0: none */
	uint32_t export_count;
	uint64_t vcpu_epoch;
	uint8_t cpuid_supervisor_ve, cpuid_user_ve, nmi_unblocking_due_to_iret, epf_count;
	uint8_t epf_list_len, hp_lock_busy, pad0[2];
	uint64_t last_exit_tsc;
	uint64_t hp_lock_busy_start;
	uint64_t last_seamdb_index;
	uint16_t curr_vm;
	uint8_t l2_exit_host_routing, pad1;
	uint8_t vm_launched[TD_MAX_VMS], lp_dependent_updated[TD_MAX_VMS],
		module_dependent_updated[TD_MAX_VMS];
	uint64_t l2_ctls[TD_MAX_VMS], l2_debug_ctls[TD_MAX_VMS];
	uint64_t tsc_deadline[TD_MAX_VMS], shadow_tsc_deadline[TD_MAX_VMS];
	uint64_t base_l2_cr0_guest_host_mask, base_l2_cr0_read_shadow, base_l2_cr4_guest_host_mask,
		base_l2_cr4_read_shadow;
	uint64_t shadow_cr0_guest_host_mask[TD_MAX_VMS], shadow_cr0_read_shadow[TD_MAX_VMS],
		shadow_cr4_guest_host_mask[TD_MAX_VMS], shadow_cr4_read_shadow[TD_MAX_VMS];
	uint32_t shadow_instruction_timeout[TD_MAX_VMS];
	uint64_t shadow_pid_hpa[TD_MAX_VMS];
	uint32_t shadow_pinbased[TD_MAX_VMS], shadow_ple_gap[TD_MAX_VMS],
		shadow_ple_window[TD_MAX_VMS], shadow_procbased2[TD_MAX_VMS];
	uint16_t shadow_posted_int_vector[TD_MAX_VMS];
	uint64_t shadow_shared_eptp[TD_MAX_VMS];
	uint64_t l2_enter_guest_state_gpa[TD_MAX_VMS], l2_enter_guest_state_hpa[TD_MAX_VMS];
	uint64_t l2_ve_info_gpa[TD_MAX_VMS], l2_ve_info_hpa[TD_MAX_VMS];
	uint64_t l2_vapic_gpa[TD_MAX_VMS], l2_vapic_hpa[TD_MAX_VMS];
	uint64_t epf_gpa_list[EPF_LIST_SIZE]; /* GPAs that faulted without progress */
	uint8_t cpuid_control[128];	      /* bit 0 supervisor #VE, 1 user, per CPUID row */
	/* guest state outside the VMCS */
	struct tdx_regs gpr; /* RSP lives in the VMCS */
	uint64_t dr[4], dr6, xcr0, cr2;
	uint64_t iwk_enckey[4], iwk_intkey[2];
	uint32_t iwk_flags, pad3;
	uint64_t vcpu_state_details;
	struct tdvps_msrs msr;
	/* zero-step defence: where the guest stood when it was last entered on this vCPU */
	uint64_t rip_on_entry, last_entry_tsc;
};
static_assert(sizeof(struct tdvps) <= 4096, "TDVPS page 0");

#endif
