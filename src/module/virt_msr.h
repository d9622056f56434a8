/* SPDX-License-Identifier: MIT */
/* MSRs whose value a TD sees differs from the one in the processor or is checked on write; shared
 * by the guest's WRMSR and the host's writes to debuggable TDs. */
#ifndef MODULE_VIRT_MSR_H
#define MODULE_VIRT_MSR_H

#include "arch/x86.h"
#include "module/internal.h"

/* IA32_SPEC_CTRL: a TD without DDPD on a processor that has it runs with DDPD_U set, unseen. */
#define SPEC_CTRL_DDPD_U (1ull << 8)

static inline uint64_t spec_ctrl_seen(const struct module *mod, const struct tdcs *tdcs, uint64_t v)
{
	return mod->plat.ddpd && !tdcs->cpuid_flags.ddpd ? v & ~SPEC_CTRL_DDPD_U : v;
}

static inline uint64_t spec_ctrl_real(const struct module *mod, const struct tdcs *tdcs, uint64_t v)
{
	if (!mod->plat.ddpd)
		return v & ~SPEC_CTRL_DDPD_U;
	return tdcs->cpuid_flags.ddpd ? v : v | SPEC_CTRL_DDPD_U;
}

/* IA32_EFER.LMA is not written but follows from LME and CR0.PG. */
static inline uint64_t efer_with_cr0(uint64_t efer, uint64_t cr0)
{
	return efer & EFER_LME && cr0 & CR0_PG ? efer | EFER_LMA : efer & ~EFER_LMA;
}

/* IA32_MISC_ENABLE. */
#define MISC_ENABLE_MUST_BE_0 0xffffffffff3ae776ull

enum misc_enable_write { MISC_ENABLE_OK, MISC_ENABLE_GP, MISC_ENABLE_VE };

/* Writes the guest's value, or says how the write fails. */
enum misc_enable_write misc_enable_write(const struct tdcs *tdcs, struct tdvps *vps,
					 uint64_t value);

#endif
