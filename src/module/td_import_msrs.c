/* SPDX-License-Identifier: MIT */
/* The virtual MSRs of a TD that is imported: another module calculated them, perhaps on another
 * platform. They are kept as they came, so what they promise must hold here: an L1 may have read
 * them already. What this module would say instead may be more permissive, never less.
 *
 * Order: CPUID comes before these fields, and what it decides has been noted when they are read.
 * Shown by 14-mig-imported-msrs. */
#include <stddef.h>

#include "arch/msr.h"
#include "arch/x86.h"
#include "module/td_import.h"
#include "module/td_init.h"

/* Bits of IA32_ARCH_CAPABILITIES that every TD has; that none has; that a host may give if the
 * processor has them. ABI: "MSR virtualization". */
#define ARCH_CAP_ALL_TDS                                                                           \
	(X86_BIT(0) | X86_BIT(1) | X86_BIT(3) | X86_BIT(5) | X86_BIT(6) | X86_BIT(8) |             \
	 0xfull << 12 | ARCH_CAP_XAPIC_DISABLE)
#define ARCH_CAP_NO_TD	   (X86_BIT(2) | 7ull << 9 | 7ull << 16 | 3ull << 22 | ~0ull << 25)
#define ARCH_CAP_ALLOWABLE (ARCH_CAP_SSB_NO | ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO)

/* What says nothing about an L2 VM: the shape of a VMCS, SMM; timer, SIPI, MSR lists; how tables
 * are walked and flushed. */
#define BASIC_ANY (0x7fffffffull | 0x1fffull << 32 | X86_BIT(49) | 0xfull << 50)
#define MISC_ANY  (0x1full | X86_BIT(8) | X86_BIT(15) | 0xfull << 25 | 0xffffffffull << 32)
#define VPID_CAP_ANY                                                                               \
	(7ull << 6 | X86_BIT(14) | 3ull << 20 | 3ull << 25 | X86_BIT(32) | 0xfull << 40)

enum rule {
	EQUAL,	  /* but for bits that may be anything */
	FIXED0,	  /* a bit that must be 1 here had to be 1 there */
	ALLOWED1, /* a bit that could be 1 there can be 1 here */
	CONTROLS, /* both: FIXED0 in the low half, ALLOWED1 in the high one */
};

static const struct virt_msr {
	uint32_t msr;
	uint16_t offset; /* in struct tdcs_virt_msrs */
	uint8_t rule;	 /* enum rule */
	uint64_t any;
} virt_msrs[] = {
#define MSR(name, field, ...)                                                                      \
	{                                                                                          \
		MSR_VMX_##name, offsetof(struct tdcs_virt_msrs, field), __VA_ARGS__                \
	}
	MSR(BASIC, vmx_basic, EQUAL, BASIC_ANY),
	MSR(MISC, vmx_misc, EQUAL, MISC_ANY),
	MSR(CR0_FIXED0, vmx_cr0_fixed0, FIXED0, 0),
	MSR(CR0_FIXED1, vmx_cr0_fixed1, ALLOWED1, 0),
	MSR(CR4_FIXED0, vmx_cr4_fixed0, FIXED0, 0),
	MSR(CR4_FIXED1, vmx_cr4_fixed1, ALLOWED1, 0),
	MSR(PROCBASED_CTLS2, vmx_procbased_ctls2, CONTROLS, 0),
	MSR(EPT_VPID_CAP, vmx_ept_vpid_cap, EQUAL, VPID_CAP_ANY),
	MSR(TRUE_PINBASED_CTLS, vmx_true_pinbased_ctls, CONTROLS, 0),
	MSR(TRUE_PROCBASED_CTLS, vmx_true_procbased_ctls, CONTROLS, 0),
	MSR(TRUE_EXIT_CTLS, vmx_true_exit_ctls, CONTROLS, 0),
	MSR(TRUE_ENTRY_CTLS, vmx_true_entry_ctls, CONTROLS, 0),
	MSR(VMFUNC, vmx_vmfunc, EQUAL, 0),
	MSR(PROCBASED_CTLS3, vmx_procbased_ctls3, ALLOWED1, 0),
#undef MSR
};

static bool holds_here(const struct virt_msr *m, uint64_t imported, uint64_t local)
{
	const uint64_t lost = local & ~imported, gained = imported & ~local;

	switch ((enum rule)m->rule) {
	case EQUAL:
		return ((imported ^ local) & ~m->any) == 0;
	case FIXED0:
		return lost == 0;
	case ALLOWED1:
		return gained == 0;
	case CONTROLS:
		return (uint32_t)lost == 0 && gained >> 32 == 0;
	}
	return false;
}

static uint64_t value_of(const struct tdcs_virt_msrs *all, const struct virt_msr *m)
{
	return *(const uint64_t *)((const char *)all + m->offset);
}

struct tdx_status td_import_check_vmx_msrs(const struct module *mod, struct tdcs *tdcs)
{
	const struct tdcs_virt_msrs imported = tdcs->virt_msrs;
	struct tdcs_virt_msrs local;

	td_init_vmx_msrs(mod, tdcs);
	local = tdcs->virt_msrs;
	tdcs->virt_msrs = imported;
	for (size_t i = 0; i < sizeof(virt_msrs) / sizeof(virt_msrs[0]); i++) {
		const struct virt_msr *m = &virt_msrs[i];

		if (!holds_here(m, value_of(&imported, m), value_of(&local, m)))
			return tdx_error_num(TDX_VIRTUAL_MSR_VALUE_NOT_VALID, m->msr);
	}
	return tdx_success();
}

bool td_import_arch_capabilities_possible(const struct module *mod, const struct tdcs *tdcs,
					  uint64_t value)
{
	const uint64_t native = mod->plat.arch_capabilities;

	if (~value & ARCH_CAP_ALL_TDS || value & ARCH_CAP_NO_TD)
		return false;
	if (value & ARCH_CAP_ALLOWABLE & ~native || ~value & ARCH_CAP_RRSBA & native)
		return false;
	return value & ARCH_CAP_TSX_CTRL || !tdcs->cpuid_flags.tsx;
}
