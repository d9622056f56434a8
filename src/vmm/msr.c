/* SPDX-License-Identifier: MIT */
/* MSRs a TD asks its host for: those neither the processor nor the module gives it. */
#include "vmm/internal.h"

#include "abi/ghci.h"
#include "arch/msr.h"
#include "vmm/lapic.h"

#define APIC_BASE_X2APIC_ENABLED 0xfee00c00ull
#define APIC_BASE_BSP		 (1ull << 8)

/* False: the guest gets INVALID_OPERAND, and #GP from that. */
static bool read_msr(const struct tdx_vcpu *v, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_APIC_BASE:
		*value = APIC_BASE_X2APIC_ENABLED | (v->id == 0 ? APIC_BASE_BSP : 0);
		return true;
	case MSR_FEATURE_CONTROL:
		*value = 1; /* locked */
		return true;
	case MSR_BIOS_SIGN_ID:
	case MSR_MTRRCAP:
	case MSR_MTRR_DEF_TYPE:
	case MSR_MCG_CAP:
	case MSR_MCG_STATUS:
	case MSR_MISC_ENABLE:
	case MSR_PLATFORM_INFO:
	case MSR_FEATURE_ENABLES:
		*value = 0;
		return true;
	default:
		return false;
	}
}

static bool write_msr(const struct tdx_vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t now;

	switch (msr) {
	case MSR_BIOS_SIGN_ID:
	case MSR_MCG_STATUS:
	case MSR_FEATURE_ENABLES:
		return value == 0;
	case MSR_MISC_ENABLE:
	case MSR_MTRR_DEF_TYPE:
		return true;
	default: /* read-only: what it already is may be written */
		return read_msr(v, msr, &now) && value == now;
	}
}

bool tdx_vcpu_rdmsr(struct tdx_vcpu *v, uint32_t msr, uint64_t *value)
{
	return (v->lapic && lapic_read(v->lapic, msr, value)) || read_msr(v, msr, value);
}

bool tdx_vcpu_wrmsr(struct tdx_vcpu *v, uint32_t msr, uint64_t value)
{
	return (v->lapic && lapic_write(v->lapic, msr, value)) || write_msr(v, msr, value);
}

int vcpu_msr(struct tdx_vcpu *v, bool write, uint32_t msr, uint64_t value)
{
	bool ok = write ? tdx_vcpu_wrmsr(v, msr, value) : tdx_vcpu_rdmsr(v, msr, &value);

	return vcpu_answer(v, ok ? TDVMCALL_SUCCESS : TDVMCALL_INVALID_OPERAND,
			   ok && !write ? value : 0);
}
