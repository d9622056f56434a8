/* SPDX-License-Identifier: MIT */
/* RDMSR and WRMSR of a TD: the bitmaps decide what exits; the rest has its value in the engine, the
 * TDVPS or the virtual-APIC page. Time and randomness come from the machine. */
#include "engine/td/internal.h"

#include "arch/msr.h"
#include "module/msr_table.h"
#include "module/tsc.h"

uint64_t td_tsc(struct x86_cpu *x86)
{
	struct td_cpu *t = td_cpu_of(x86);

	return tsc_to_virtual(machine_rdtsc(t->in.hw), t->tsc_multiplier, t->tsc_offset);
}

bool td_random(struct x86_cpu *x86, bool seed, uint64_t *value)
{
	(void)seed;
	return machine_guest_random(td_cpu_of(x86)->in.hw, value);
}

/* ECX of RDPMC: bit 30 for the fixed counters, then their number. Nothing counts: they are what the
 * TD has written there. */
bool td_rdpmc(struct x86_cpu *x86, uint32_t counter, uint64_t *value)
{
	enum { FIXED = 1u << 30, COUNTERS = 8 };
	struct td_cpu *t = td_cpu_of(x86);
	const uint32_t n = counter & ~(uint32_t)FIXED;
	const uint64_t *p =
		n >= COUNTERS ? NULL
			      : module_guest_msr(t->mod, t->lp_id,
						 (counter & FIXED ? MSR_FIXED_CTR0 : MSR_PMC0) + n);

	if (p)
		*value = *p;
	return p != NULL;
}

/* The interpreter holds it. */
static bool own(uint32_t msr)
{
	return (msr >= MSR_SYSENTER_CS && msr <= MSR_SYSENTER_EIP) || msr == MSR_PAT ||
	       msr == MSR_XSS || (msr >= MSR_EFER && msr <= MSR_TSC_AUX);
}

enum x86_msr_answer td_rdmsr(struct x86_cpu *x86, uint32_t msr, uint64_t *value)
{
	struct td_cpu *t = td_cpu_of(x86);
	const uint64_t *p;

	if (msr_intercepted(t->in.msr_bitmaps, msr, false))
		return X86_MSR_EXIT;
	if (own(msr))
		return X86_MSR_OWN;
	if (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST) {
		if (msr == MSR_X2APIC_EOI || msr == MSR_X2APIC_SELF_IPI)
			return X86_MSR_GP;
		*value = *(const uint32_t *)(const void *)(t->in.vapic + (msr & 0xff) * 16);
		return X86_MSR_DONE;
	}
	if (msr == MSR_TSC) {
		*value = td_tsc(x86);
		return X86_MSR_DONE;
	}
	p = module_guest_msr(t->mod, t->lp_id, msr);
	if (p)
		*value = *p;
	else if (!machine_rdmsr(t->in.hw, msr, value))
		return X86_MSR_GP;
	return X86_MSR_DONE;
}

static enum x86_msr_answer write_x2apic(struct td_cpu *t, uint32_t msr, uint64_t value)
{
	if (value >> 8)
		return X86_MSR_GP;
	switch (msr) {
	case MSR_X2APIC_TPR:
		td_apic_write_tpr(t, (uint8_t)value);
		return X86_MSR_DONE;
	case MSR_X2APIC_EOI:
		if (value)
			return X86_MSR_GP;
		return td_apic_eoi(t) ? X86_MSR_DONE : X86_MSR_EXIT;
	case MSR_X2APIC_SELF_IPI:
		if (value < 16)
			return X86_MSR_GP;
		return td_apic_self_ipi(t, (uint8_t)value) ? X86_MSR_DONE : X86_MSR_EXIT;
	}
	return X86_MSR_GP;
}

enum x86_msr_answer td_wrmsr(struct x86_cpu *x86, uint32_t msr, uint64_t value)
{
	struct td_cpu *t = td_cpu_of(x86);
	uint64_t *p;

	if (msr_intercepted(t->in.msr_bitmaps, msr, true))
		return X86_MSR_EXIT;
	if (own(msr))
		return X86_MSR_OWN;
	if (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST)
		return write_x2apic(t, msr, value);
	if (msr == MSR_PRED_CMD || msr == MSR_FLUSH_CMD)
		return value & ~1ull ? X86_MSR_GP : X86_MSR_DONE;
	p = module_guest_msr(t->mod, t->lp_id, msr);
	if (!p || (msr == MSR_DS_AREA && !x86_canonical_register(x86, value)))
		return X86_MSR_GP;
	*p = value;
	return X86_MSR_DONE;
}
