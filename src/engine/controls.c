/* SPDX-License-Identifier: MIT */
/* See engine/controls.h. SDM volume 3, "Processor-based VM-execution controls". */
#include "engine/controls.h"

#include "arch/vmcs.h"
#include "arch/vmx.h"

enum { CR3 = 3, CR8 = 8, TARGETS = 4 };

static const struct {
	uint8_t reason;
	uint16_t field;
	uint32_t control;
} conditional[] = {
	{VMX_EXIT_INVLPG, VMCS_PROCBASED_CTLS, PROCBASED_INVLPG_EXITING},
	{VMX_EXIT_INVPCID, VMCS_PROCBASED_CTLS, PROCBASED_INVLPG_EXITING},
	{VMX_EXIT_RDPMC, VMCS_PROCBASED_CTLS, PROCBASED_RDPMC_EXITING},
	{VMX_EXIT_RDTSC, VMCS_PROCBASED_CTLS, PROCBASED_RDTSC_EXITING},
	{VMX_EXIT_RDTSCP, VMCS_PROCBASED_CTLS, PROCBASED_RDTSC_EXITING},
	{VMX_EXIT_DR_ACCESS, VMCS_PROCBASED_CTLS, PROCBASED_MOV_DR_EXITING},
	{VMX_EXIT_MWAIT, VMCS_PROCBASED_CTLS, PROCBASED_MWAIT_EXITING},
	{VMX_EXIT_MONITOR, VMCS_PROCBASED_CTLS, PROCBASED_MONITOR_EXITING},
	{VMX_EXIT_PAUSE, VMCS_PROCBASED_CTLS, PROCBASED_PAUSE_EXITING},
	{VMX_EXIT_GDTR_IDTR_ACCESS, VMCS_PROCBASED_CTLS2, PROCBASED2_DESC_TABLE_EXITING},
	{VMX_EXIT_LDTR_TR_ACCESS, VMCS_PROCBASED_CTLS2, PROCBASED2_DESC_TABLE_EXITING},
	{VMX_EXIT_RDRAND, VMCS_PROCBASED_CTLS2, PROCBASED2_RDRAND_EXITING},
	{VMX_EXIT_RDSEED, VMCS_PROCBASED_CTLS2, PROCBASED2_RDSEED_EXITING},
};

unsigned engine_cr3_targets(const struct vmcs *vmcs, uint64_t target[4])
{
	static const uint16_t field[TARGETS] = {VMCS_CR3_TARGET_0, VMCS_CR3_TARGET_1,
						VMCS_CR3_TARGET_2, VMCS_CR3_TARGET_3};
	const uint64_t n = vmcs_read(vmcs, VMCS_CR3_TARGET_COUNT);

	for (unsigned i = 0; i < TARGETS; i++)
		target[i] = vmcs_read(vmcs, field[i]);
	return n < TARGETS ? (unsigned)n : TARGETS;
}

static bool cr3_load_exits(const struct vmcs *vmcs, uint64_t cr3)
{
	uint64_t target[TARGETS];
	const unsigned n = engine_cr3_targets(vmcs, target);

	for (unsigned i = 0; i < n; i++)
		if (cr3 == target[i])
			return false;
	return true;
}

/* Of CR0 and CR4 masks and shadows say it, which are the processor's to heed. */
static bool cr_exits(const struct vmcs *vmcs, uint64_t qualification, uint64_t operand)
{
	const uint64_t ctls = vmcs_read(vmcs, VMCS_PROCBASED_CTLS);
	const bool store = CR_QUAL_TYPE(qualification) == CR_ACCESS_FROM;

	switch (CR_QUAL_NUMBER(qualification)) {
	case CR3:
		return store ? ctls & PROCBASED_CR3_STORE_EXITING
			     : ctls & PROCBASED_CR3_LOAD_EXITING && cr3_load_exits(vmcs, operand);
	case CR8:
		return ctls & (store ? PROCBASED_CR8_STORE_EXITING : PROCBASED_CR8_LOAD_EXITING);
	default:
		return true;
	}
}

bool engine_exits(const struct vmcs *vmcs, unsigned reason, uint64_t qualification,
		  uint64_t operand)
{
	if (reason == VMX_EXIT_CR_ACCESS)
		return cr_exits(vmcs, qualification, operand);
	for (unsigned i = 0; i < sizeof(conditional) / sizeof(conditional[0]); i++)
		if (conditional[i].reason == reason)
			return vmcs_read(vmcs, conditional[i].field) & conditional[i].control;
	return true;
}
