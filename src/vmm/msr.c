/* SPDX-License-Identifier: MIT */
/* MSRs a TD asks its host for: those neither the processor nor the module gives it. The set is
 * KVM's.
 *
 * The user may give each another value (KVM_SET_MSRS); what the guest may write is less. */
#include "vmm/internal.h"

#include <assert.h>

#include <stdlib.h>

#include "abi/ghci.h"
#include "arch/msr.h"
#include "arch/x86.h"
#include "vmm/lapic.h"

#define APIC_BASE_X2APIC_ENABLED 0xfee00c00ull
#define APIC_BASE_BSP		 (1ull << 8)
#define FEATURE_CONTROL_LOCKED	 1ull

enum writes {
	WRITES_NONE, /* but of what is there already */
	WRITES_ZERO,
	WRITES_IGNORED,
};

/* Inclusive ranges. */
static const struct row {
	uint32_t first, last;
	enum writes guest;
	uint64_t reset;
} rows[] = {
	{MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, WRITES_NONE, FEATURE_CONTROL_LOCKED},
	{MSR_BIOS_SIGN_ID, MSR_BIOS_SIGN_ID, WRITES_ZERO, 0},
	{MSR_PLATFORM_INFO, MSR_PLATFORM_INFO, WRITES_NONE, 0},
	{MSR_MTRRCAP, MSR_MTRRCAP, WRITES_NONE, 0},
	{MSR_FEATURE_ENABLES, MSR_FEATURE_ENABLES, WRITES_ZERO, 0},
	{MSR_MCG_CAP, MSR_MCG_CAP, WRITES_NONE, 0},
	{MSR_MCG_STATUS, MSR_MCG_STATUS, WRITES_ZERO, 0},
	{MSR_MISC_ENABLE, MSR_MISC_ENABLE, WRITES_IGNORED, 0},
	{MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, WRITES_IGNORED, 0},
	{MSR_EFER, MSR_EFER, WRITES_NONE, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
static_assert((int)ROWS <= (int)VCPU_MSRS, "room in a vCPU");

void vcpu_reset_msrs(struct tdx_vcpu *v)
{
	for (unsigned i = 0; i < ROWS; i++)
		v->msr[i] = rows[i].reset;
}

static int row_of(uint32_t msr)
{
	for (int i = 0; i < ROWS; i++)
		if (msr >= rows[i].first && msr <= rows[i].last)
			return i;
	return -1;
}

/* False: the guest gets INVALID_OPERAND, and #GP from that. */
static bool read_msr(const struct tdx_vcpu *v, uint32_t msr, uint64_t *value)
{
	const int row = row_of(msr);

	if (msr == MSR_APIC_BASE)
		*value = APIC_BASE_X2APIC_ENABLED | (v->id == 0 ? APIC_BASE_BSP : 0);
	else if (row >= 0)
		*value = v->msr[row];
	return msr == MSR_APIC_BASE || row >= 0;
}

static bool write_msr(struct tdx_vcpu *v, uint32_t msr, uint64_t value)
{
	const int row = row_of(msr);
	uint64_t now;

	switch (row < 0 ? WRITES_NONE : rows[row].guest) {
	case WRITES_ZERO:
		return value == 0;
	case WRITES_IGNORED:
		return true;
	case WRITES_NONE:
		break;
	}
	return read_msr(v, msr, &now) && value == now;
}

bool tdx_vcpu_rdmsr(struct tdx_vcpu *v, uint32_t msr, uint64_t *value)
{
	return (v->lapic && lapic_read(v->lapic, msr, value)) || read_msr(v, msr, value);
}

bool tdx_vcpu_wrmsr(struct tdx_vcpu *v, uint32_t msr, uint64_t value)
{
	const int row = row_of(msr);

	if (v->lapic && lapic_write(v->lapic, msr, value))
		return true;
	if (row < 0)
		return write_msr(v, msr, value);
	v->msr[row] = value;
	return true;
}

int vcpu_msr(struct tdx_vcpu *v, bool write, uint32_t msr, uint64_t value)
{
	bool ok =
		write ? (v->lapic && lapic_write(v->lapic, msr, value)) || write_msr(v, msr, value)
		      : tdx_vcpu_rdmsr(v, msr, &value);

	return vcpu_answer(v, ok ? TDVMCALL_SUCCESS : TDVMCALL_INVALID_OPERAND,
			   ok && !write ? value : 0);
}
