/* SPDX-License-Identifier: MIT */
/* Module-global state: what the real module keeps in its own range, not in host pages.
 *
 * TDs, vCPUs, S-EPT and PAMT live in machine memory (module/td.h, module/pamt.h). Written only
 * under the lock named beside the field, or once during bring-up. */
#ifndef MODULE_INTERNAL_H
#define MODULE_INTERNAL_H

#include "machine/machine.h"
#include "module/lock.h"
#include "module/module.h"
#include "module/td_layout.h"

enum sys_state { SYSINIT_PENDING, SYSINIT_DONE, SYSCONFIG_DONE, SYS_READY, SYS_SHUTDOWN };

enum {
	MODULE_MAX_HKIDS = 2048,
	MODULE_MAX_TDMRS = 64,
	MODULE_MAX_RESERVED = 16,
	HPA_BITS = 52, /* of any physical address, whatever the processor implements of them */
	MODULE_MAX_CPUID = TD_MAX_CPUID,
};

struct kot_entry {
	uint32_t wbinvd_bitmap; /* packages that still have to write back; atomic */
	uint8_t state;		/* enum tdx_kot_state */
};

struct wbt_entry {
	uint64_t intr_point; /* next sub-block of an interrupted cycle, 0 none */
	uint8_t hkid_flushed[MODULE_MAX_HKIDS];
	uint8_t lock; /* mutex */
};

struct tdmr {
	uint64_t base, size, last_initialized;
	uint64_t pamt_1g_base, pamt_2m_base,
		pamt_4k_base; /* 4K: the page bitmap with dynamic PAMT */
	uint32_t num_rsvd;
	struct machine_range rsvd[MODULE_MAX_RESERVED]; /* offsets from base */
	uint8_t lock;					/* mutex */
};

/* Execution controls a VMCS starts with on this platform. */
struct vmx_ctls {
	uint32_t pinbased, procbased, procbased2, exit_ctls, entry_ctls;
	uint64_t procbased3;
};

/* VMX capabilities, features and CPUID of the platform, read and checked by TDH.SYS.INIT. */
struct platform_info {
	uint64_t tsc_adjust, misc_enable, vmx_basic, vmx_misc, pinbased, procbased, procbased2,
		procbased3, exit_ctls, entry_ctls, ept_vpid_cap, cr0_fixed0, cr0_fixed1, cr4_fixed0,
		cr4_fixed1, mtrrcap, arch_capabilities, xapic_disable_status, core_capabilities,
		perf_capabilities, tme_capability, tme_activate, keyid_partitioning,
		misc_package_ctls;
	uint64_t smrr_base[2], smrr_mask[2]; /* as the MSRs have them */
	uint64_t crystal_hz, tsc_hz;
	uint32_t xcr0_mask, xss_mask, xfd_mask;
	struct {
		uint32_t size;
		bool align;
	} xsave_comp[TD_XBUFF_OFFSETS];
	bool waitpkg, xfd, hle, rtm, ddpd, la57, lam, perfmon_ext_leaf, lass, kl_no_backup,
		arch_pebs;
	uint32_t core_id_shift, core_id_mask, pkg_id_shift;
	uint32_t cpuid_last_base, cpuid_last_ext;
	struct cpuid_regs cpuid[MODULE_MAX_CPUID]; /* by row of the CPUID table */
	uint32_t max_lbr_depth, num_fixed_ctrs, fc_bitmap;
	uint32_t fms, native_model_info;
	struct vmx_ctls td_vmcs, l2_vmcs;
};

/* Where the processor goes when a leaf or VM exit handler has returned; see module/transition.h. */
enum lp_fate {
	FATE_NONE,     /* back to the caller: the status in RAX, the instruction completed */
	FATE_TD_EXIT,  /* to the host, whose registers are in lp.host */
	FATE_INJECTED, /* the guest goes on with an event instead of completing the instruction */
	FATE_REPEAT,   /* the guest executes the same TDCALL again */
	FATE_SWITCHED, /* the guest goes on in another of its VMs, whose registers these are */
	FATE_RESUMED,  /* the guest goes on where it is: nothing was executed */
	FATE_ENTERED,  /* from the host into the guest */
	FATE_SHUTDOWN, /* the module is broken */
};

enum { SEPT_WAY_TABLES = 4 }; /* above the lowest */

/* Where the locks and pages of a TD or vCPU are that a call on this processor worked on last; see
 * module/known.h. */
struct td_path {
	hpa_t pa; /* TDR or TDVPR as the operand named it */
	hpa_t tdr_pa;
	struct tdr *tdr; /* NULL: none is known */
	struct tdcs *tdcs;
	struct tdcs_ext *ext;
	uint64_t main_pa, ext_pa; /* of TDCS and extension, as the TDR has them */
	/* as a call that has no others yet holds them: the PAMT entries of the page from 1G to 4K,
	 * then of a TD OP_STATE and the tree, of a vCPU the TDR's entry and OP_STATE */
	struct tx_held held[TD_PATH_LOCKS];
};

/* The tables that a walk on this processor to a 4K entry of a TD's Secure EPT went through last,
 * and what their entries said. While they say the same, from the root on, the next page of the same
 * 2M range is in the same table: looked at each time, but without waiting for one to know where the
 * next is. */
struct sept_way {
	uint64_t eptp;	/* 0: none */
	uint64_t range; /* of 2M, by number */
	unsigned tables;
	const uint64_t *entry[SEPT_WAY_TABLES];
	uint64_t value[SEPT_WAY_TABLES];
	uint64_t *table; /* of 4K entries */
};

/* Per logical processor. Touched only by the thread on it, except `busy`. */
struct lp {
	struct machine_lp *hw;
	struct module *mod;
	unsigned id, package;
	bool initialized;
	_Atomic bool busy; /* inside the module or a guest */
	bool in_guest;
	bool dead;
	uint32_t lpid;
	struct tdx_regs host; /* registers of the SEAMCALL in progress, then its results */
	struct vmexit exit;   /* the VM exit being handled */
	/* the entered vCPU: pages and the locks a running guest keeps */
	hpa_t tdr_pa, tdvpr_pa;
	hpa_t last_tdvpr_pa; /* whose VMCS was last current here */
	struct tdr *tdr;
	struct tdcs *tdcs;
	struct tdcs_ext *ext;
	struct tdvps *vps;
	struct vmcs *vmcs;
	struct td_path known, known_vcpu;
	struct sept_way way;
	/* what it reads under a shared lock; on a cache line of its own, see module/reader.h */
	uint8_t line_before[64];
	_Atomic(const void *) reading[READER_SLOTS];
	uint8_t line_after[64];
	struct tx_held guest_locks[4]; /* PAMT words kept shared while the guest runs */
	unsigned nguest_locks;
	void *gcm_ctx, *block_ctx; /* scratch of module/gcm.h, never kept from call to call */
	/* INVEPTs and INVVPIDs of VM n of whatever TD: TLBs filled before are stale */
	uint64_t tlb_flushes[TD_MAX_VMS];
	bool bus_lock_preempted; /* seen in an exit reason, not yet told to the host */
	enum lp_fate fate;
	struct {
		uint64_t rcx_on_entry;
		uint8_t left;	/* instructions still to execute one by one */
		bool active;	/* interrupts are masked, the monitor trap flag is set */
		bool nmi, init; /* came, and are owed to the host */
	} stepping;		/* see module/stepping.h */
	struct {
		uint8_t vcpu_state, last_td_exit;
		bool dead;	 /* the TD's private memory must not be touched any more */
		bool trap;	 /* RIP goes past the instruction */
	} leaving;		 /* how, with FATE_TD_EXIT */
	uint8_t line_behind[64]; /* the next processor's */
};

struct module {
	struct machine *m;
	uint16_t global_lock;	   /* sharex */
	_Atomic uint8_t sys_state; /* enum sys_state */
	/* set by SYS.INIT and SYS.CONFIG under the global lock */
	uint64_t hkid_mask;
	unsigned hkid_shift;
	unsigned max_pa; /* physical address bits, KeyID included */
	unsigned num_lps, num_pkgs;
	_Atomic unsigned num_init_lps;
	_Atomic uint32_t init_pkgs; /* packages with an initialised LP */
	uint32_t pkg_config_bitmap; /* packages whose global key is configured */
	unsigned private_hkid_min, private_hkid_max;
	uint16_t hkid; /* the global KeyID */
	bool dynamic_pamt;
	uint64_t seamrr_base, seamrr_size;
	uint64_t num_cached_sub_blocks;
	uint64_t attributes_fixed0, attributes_fixed1, config_flags_fixed0, config_flags_fixed1;
	uint64_t fatal_info_config_hpa;
	uint64_t twenty_usec_in_tsc;
	_Atomic uint16_t td_build_count;
	_Atomic uint16_t mig_interrupted_count; /* exports and imports of state */
	bool update_compatibility;
	uint16_t module_hv, min_update_hv, no_downgrade, num_handoff_pages;
	struct platform_info plat;

	uint16_t kot_lock; /* sharex */
	struct kot_entry kot[MODULE_MAX_HKIDS];
	struct wbt_entry wbt[MACHINE_MAX_PKGS];
	struct tdmr tdmr[MODULE_MAX_TDMRS];
	uint32_t num_tdmrs;

	const struct module_profile *profile; /* which version it behaves like */
	const struct module_hooks *hooks;
	void *hooks_arg;
	void (*vcpu_gone)(void *arg, hpa_t tdvpr_pa); /* see module.h; NULL: nobody minds */
	void *vcpu_gone_arg;
	uint8_t line_before[64]; /* all read the above, each processor writes its own below */
	struct lp lp[MACHINE_MAX_LPS];
};

#endif
