/* SPDX-License-Identifier: MIT */
/* The changeable virtual CPUID facts of a TD; see cpuid_flags.h. */
#include "module/cpuid_flags.h"

#include <swtdx/structs.h>
#include "module/cpuid_table.h"

void td_update_cpuid_flags(struct tdcs *tdcs, const struct tdcs_ext *ext)
{
	const struct tdcs_cpuid_value *c1 = &tdcs->cpuid_values[cpuid_row(1, CPUID_ANY_SUBLEAF)];
	const struct tdcs_cpuid_value *c7 = &tdcs->cpuid_values[cpuid_row(7, 0)];
	const bool reduce = tdcs_td_ctls(tdcs) & TDX_TD_CTLS_REDUCE_VE;
	/* what the guest handles; everything, for one that did not ask for fewer #VEs */
	const uint64_t pv =
		reduce ? __atomic_load_n(&ext->feature_paravirt_ctls, __ATOMIC_RELAXED) : ~0ull;
	struct tdcs_cpuid_flags flags = tdcs_cpuid_flags(tdcs), *f = &flags;

	f->dca = c1->ecx & CPUID_BIT(ECX, DCA) && pv & PARAVIRT_DCA;
	f->tsc_deadline = c1->ecx & CPUID_BIT(ECX, TSC_DEADLINE) && pv & PARAVIRT_TSC_DEADLINE;
	f->est = c1->ecx & CPUID_BIT(ECX, EST) && pv & PARAVIRT_EST;
	f->tm2 = c1->ecx & CPUID_BIT(ECX, TM2) && pv & PARAVIRT_TM2;
	f->no_mce = reduce && !(c1->edx & CPUID_BIT(EDX, MCE) && pv & PARAVIRT_MCA);
	f->no_mca = reduce && !(c1->edx & CPUID_BIT(EDX, MCA) && pv & PARAVIRT_MCA);
	f->no_mtrr = reduce && !(c1->edx & CPUID_BIT(EDX, MTRR) && pv & PARAVIRT_MTRR);
	f->acpi = c1->edx & CPUID_BIT(EDX, ACPI) && pv & PARAVIRT_ACPI;
	f->rdt_a = c7->ebx & CPUID_BIT(EBX, RDT_A) && pv & PARAVIRT_RDT_A;
	f->rdt_m = c7->ebx & CPUID_BIT(EBX, RDT_M) && pv & PARAVIRT_RDT_M;
	f->tme = c7->ecx & CPUID_BIT(ECX, TME) && pv & PARAVIRT_TME;
	f->pconfig = c7->edx & CPUID_BIT(EDX, PCONFIG) && pv & PARAVIRT_PCONFIG;
	f->no_core_capabilities = reduce && !(c7->edx & CPUID_BIT(EDX, CORE_CAPABILITIES) &&
					      pv & PARAVIRT_CORE_CAPABILITIES);
	tdcs_set_cpuid_flags(tdcs, f);
}
