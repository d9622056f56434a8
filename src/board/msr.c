/* SPDX-License-Identifier: MIT */
/* MSRs of a host processor: its APIC's, those the engine keeps, what firmware has set up, and the
 * platform's, which are read only. A write to any other is #GP. */
#include "board/internal.h"

#include "arch/mce.h"

enum {
	MTRR_RANGES = 10, /* a base and a mask each */
	MTRR_16K = 2,
	MTRR_4K = 8,
	BANKS = 4,
};

#define APIC_BASE	(0xfee00000ull | APIC_BASE_ENABLE | APIC_BASE_X2APIC)
#define APIC_BASE_BSP	0x100ull
#define FEATURE_CONTROL 5ull /* locked, VMX outside SMX */
#define MICROCODE	(0x2b0006a0ull << 32)
#define MTRR_WB		0x0606060606060606ull
#define MTRR_DEFAULT	0xc06ull /* enabled, fixed ones too, write-back */
#define PRED_IBPB	1ull
#define FLUSH_L1D	1ull

struct preset {
	uint32_t number;
	bool writable;
	uint64_t value;
};

/* What firmware leaves, beside what depends on the processor. VMX capabilities as an Intel Xeon of
 * the 4th generation has them, less what a host without the rest of it could not use. */
static const struct preset presets[] = {
	{MSR_PLATFORM_ID, false, 0},
	{MSR_FEATURE_CONTROL, false, FEATURE_CONTROL},
	{MSR_TSC_ADJUST, true, 0},
	{MSR_SPEC_CTRL, true, 0},
	{MSR_BIOS_SIGN_ID, false, MICROCODE},
	{MSR_PLATFORM_INFO, false, 21 << 8},
	{MSR_UMWAIT_CONTROL, true, 0},
	{MSR_MTRRCAP, false, 0xdd0a},
	{MSR_FEATURE_ENABLES, true, 0},
	{MSR_MCG_CAP, false, BANKS | MCG_CAP_SER_P},
	{MSR_MCG_STATUS, true, 0},
	{MSR_MISC_ENABLE, true,
	 MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_BTS_UNAVAILABLE | MISC_ENABLE_PEBS_UNAVAILABLE},
	{MSR_ENERGY_PERF_BIAS, true, 6},
	{MSR_DEBUGCTL, true, 0},
	{MSR_MTRR_DEF_TYPE, true, MTRR_DEFAULT},
	{MSR_VMX_PINBASED_CTLS, false, 0x000000ff00000016},
	{MSR_VMX_PROCBASED_CTLS, false, 0xfffbfffe0401e172},
	{MSR_VMX_EXIT_CTLS, false, 0xffffffff00036dff},
	{MSR_VMX_ENTRY_CTLS, false, 0x00ffffff000011ff},
	{MSR_VMX_VMCS_ENUM, false, 0x3e},
	{MSR_VMX_VMFUNC, false, 1},
};

static struct board_msr *find(struct board_cpu *c, uint32_t number)
{
	for (unsigned i = 0; i < c->nmsrs; i++)
		if (c->msr[i].number == number)
			return &c->msr[i];
	return NULL;
}

static void preset(struct board_cpu *c, uint32_t number, bool writable, uint64_t value)
{
	if (c->nmsrs < BOARD_MSRS)
		c->msr[c->nmsrs++] = (struct board_msr){number, writable, value};
}

void board_msrs_start(struct board_cpu *c)
{
	c->nmsrs = 0;
	for (unsigned i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
		preset(c, presets[i].number, presets[i].writable, presets[i].value);
	preset(c, MSR_APIC_BASE, false, APIC_BASE | (c->id ? 0 : APIC_BASE_BSP));
	for (uint32_t n = 0; n < 2 * MTRR_RANGES; n++)
		preset(c, MSR_MTRR_PHYSBASE0 + n, true, 0);
	preset(c, MSR_MTRR_FIX64K_00000, true, MTRR_WB);
	for (uint32_t n = 0; n < MTRR_16K; n++)
		preset(c, MSR_MTRR_FIX16K_80000 + n, true, MTRR_WB);
	for (uint32_t n = 0; n < MTRR_4K; n++)
		preset(c, MSR_MTRR_FIX4K_C0000 + n, true, MTRR_WB);
	for (uint32_t n = 0; n < BANKS; n++)
		preset(c, MSR_MC0_CTL2 + n, true, 0);
	for (uint32_t n = 0; n < BANKS * MC_BANK_MSRS; n++)
		preset(c, MSR_MC0_CTL + n, true, 0);
}

uint64_t board_msr(const struct board_cpu *c, uint32_t number)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < c->nmsrs; i++)
		if (c->msr[i].number == number)
			return c->msr[i].value;
	machine_rdmsr(c->lp, number, &value);
	return value;
}

void board_msr_set(struct board_cpu *c, uint32_t number, uint64_t value)
{
	struct board_msr *p = find(c, number);

	if (p)
		p->value = value;
}

void board_msr_keep(struct board_cpu *c, uint32_t number, uint64_t bits)
{
	struct board_msr *p = find(c, number);

	if (p)
		p->value &= bits;
}

/* The engine holds it. */
static bool own(uint32_t msr)
{
	return (msr >= MSR_SYSENTER_CS && msr <= MSR_SYSENTER_EIP) || msr == MSR_PAT ||
	       msr == MSR_XSS || (msr >= MSR_EFER && msr <= MSR_SFMASK) ||
	       (msr >= MSR_FS_BASE && msr <= MSR_TSC_AUX);
}

enum x86_msr_answer board_rdmsr(struct x86_cpu *x86, uint32_t msr, uint64_t *value)
{
	struct board_cpu *c = board_cpu_of(x86);
	const struct board_msr *p;

	if (own(msr))
		return X86_MSR_OWN;
	if (apic_has_msr(msr))
		return apic_read(&c->apic, msr, value) ? X86_MSR_DONE : X86_MSR_GP;
	if (msr == MSR_TSC) {
		*value = machine_rdtsc(c->lp);
		return X86_MSR_DONE;
	}
	p = find(c, msr);
	if (p)
		*value = p->value;
	else if (!machine_rdmsr(c->lp, msr, value)) {
		board_is_missing(c, BOARD_RDMSR, msr);
		return X86_MSR_GP;
	}
	return X86_MSR_DONE;
}

static enum x86_msr_answer write_apic(struct board_cpu *c, uint32_t msr, uint64_t value)
{
	if (!apic_write(&c->apic, msr, value))
		return X86_MSR_GP;
	c->x86->cr8 = apic_cr8(&c->apic);
	if (apic_pending(&c->apic))
		x86_raise_intr(c->x86);
	return X86_MSR_DONE;
}

enum x86_msr_answer board_wrmsr(struct x86_cpu *x86, uint32_t msr, uint64_t value)
{
	struct board_cpu *c = board_cpu_of(x86);
	struct board_msr *p;

	board_host_state_written(c, msr, value);
	if (own(msr))
		return X86_MSR_OWN;
	if (apic_has_msr(msr))
		return write_apic(c, msr, value);
	switch (msr) {
	case MSR_PRED_CMD:
		return value & ~PRED_IBPB ? X86_MSR_GP : X86_MSR_DONE;
	case MSR_FLUSH_CMD:
		return value & ~FLUSH_L1D ? X86_MSR_GP : X86_MSR_DONE;
	case MSR_BIOS_SIGN_ID: /* zero before CPUID, which puts the revision there */
		return X86_MSR_DONE;
	}
	p = find(c, msr);
	if (p && (p->writable || p->value == value)) {
		p->value = value;
		return X86_MSR_DONE;
	}
	board_is_missing(c, BOARD_WRMSR, msr);
	return X86_MSR_GP;
}
