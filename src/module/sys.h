/* SPDX-License-Identifier: MIT */
/* Bringing the module up: what the TDH.SYS leaves share.
 *
 * SYS.INIT samples the platform into mod->plat and checks it; LP.INIT compares every other
 * processor with that. Functions returning a status may instead find the platform impossible: then
 * the processor's fate is sealed (module_fatal) and the status is any error. */
#ifndef MODULE_SYS_H
#define MODULE_SYS_H

#include "module/page.h"

/* What TDH.SYS.INIT and TDH.SYS.LP.INIT tell of a CPUID leaf that is not as it must be: the leaf
 * with its sub-leaf above, the bits that were compared, and what they had to be. */
struct cpuid_mismatch {
	uint64_t leaf, mask_eax_ebx, mask_ecx_edx, expected_eax_ebx, expected_ecx_edx;
};

/* What a fatal error of the module is reported in. */
#define FATAL_INFO_SIZE 64

/* The lock of the whole module; busy is TDX_SYS_BUSY without an operand. */
static inline struct tdx_status global_lock(struct tx *tx, enum lock_mode mode)
{
	return tx_try(tx, LOCK_GLOBAL, 0, &tx->mod->global_lock, mode) == LOCK_OK
		       ? tdx_success()
		       : tdx_error(TDX_SYS_BUSY);
}

/* An MSR of the processor; one it does not have reads as zero. */
static inline uint64_t read_msr(const struct lp *lp, uint32_t addr)
{
	uint64_t v;

	machine_rdmsr(lp->hw, addr, &v);
	return v;
}

/* SYS.INIT, in this order. CPUID errors leave details in RCX, RDX, R8, R9, R10. */
struct tdx_status sys_check_features(struct lp *lp, struct platform_info *plat);
struct tdx_status sys_sample_cpuid(struct lp *lp, struct platform_info *plat,
				   struct cpuid_mismatch *told);
struct tdx_status sys_check_vmx(struct lp *lp, struct platform_info *plat);
struct tdx_status sys_check_keys(struct lp *lp, struct platform_info *plat);
struct tdx_status sys_check_cmrs(const struct lp *lp);
struct tdx_status sys_check_smrr(struct lp *lp, struct platform_info *plat);

/* LP.INIT. Inconsistent CPUID leaves details in RCX, RDX, R8; the package goes to lp->package. */
struct tdx_status sys_compare_platform(struct lp *lp, const struct platform_info *plat,
				       struct cpuid_mismatch *told);
struct tdx_status sys_compare_cpuid(struct lp *lp, const struct platform_info *plat,
				    struct cpuid_mismatch *told);

/* Replace the sampled CPUID bits that no TD sees natively (SYS.CONFIG, SYS.UPDATE). */
void sys_complete_cpuid(struct module *mod);

/* PCONFIG of a KeyID on this processor's package: TDX_OPERAND_BUSY|KET, TDX_KEY_GENERATION_FAILED.
 * Any other answer of the instruction is fatal. */
struct tdx_status key_program(struct lp *lp, unsigned hkid_);

#endif
