/* SPDX-License-Identifier: MIT */
/* What instructions and events give on a processor of the machine: CPUID, RDMSR, RDTSC, RDRAND,
 * PCONFIG, a pending interrupt. Deterministic from the configuration and what the tests set. */
#include "arch/msr.h"
#include "machine/coherency.h"
#include "machine/machine.h"
#include "machine/splitmix.h"

#include <time.h>

static const struct cpuid_row *find_cpuid(const struct machine_platform *p, uint32_t leaf,
					  uint32_t subleaf)
{
	for (size_t i = 0; i < p->ncpuid; i++)
		if (p->cpuid[i].leaf == leaf &&
		    (p->cpuid[i].subleaf == subleaf || p->cpuid[i].subleaf == ~0u))
			return &p->cpuid[i];
	return NULL;
}

uint32_t machine_fms(const struct machine *m)
{
	return m->cfg.fms ? m->cfg.fms : m->cfg.platform->fms;
}

struct cpuid_regs machine_cpuid(const struct machine_lp *lp, uint32_t leaf, uint32_t subleaf)
{
	const struct cpuid_row *row = find_cpuid(lp->m->cfg.platform, leaf, subleaf);
	struct cpuid_regs r = {0, 0, 0, 0};

	if (row)
		r = row->r;
	if (leaf == 7 && subleaf < MACHINE_LACKING) {
		const struct cpuid_regs *lacking = &lp->m->cfg.lacking_7[subleaf];

		r.eax &= ~lacking->eax;
		r.ebx &= ~lacking->ebx;
		r.ecx &= ~lacking->ecx;
		r.edx &= ~lacking->edx;
	}
	switch (leaf) {
	case 1:
		r.eax = machine_fms(lp->m);
		r.ebx = (r.ebx & 0x00ffffff) | lp->x2apic_id << 24;
		break;
	case 0xb:
	case 0x1f:
		r.edx = lp->x2apic_id;
		break;
	case 0x80000008:
		r.eax = (r.eax & ~0xffu) | lp->m->cfg.maxpa;
		break;
	}
	if (lp->cpuid_xor.on && lp->cpuid_xor.leaf == leaf) {
		r.eax ^= lp->cpuid_xor.mask.eax;
		r.ebx ^= lp->cpuid_xor.mask.ebx;
		r.ecx ^= lp->cpuid_xor.mask.ecx;
		r.edx ^= lp->cpuid_xor.mask.edx;
	}
	return r;
}

/* MSRs that follow from the configuration: TME and KeyIDs, blocks of a cache write-back. */
static bool config_msr(const struct machine_config *c, uint32_t addr, uint64_t *value)
{
	switch (addr) {
	case MSR_MKTME_KEYID_PARTITIONING: /* shared KeyIDs besides 0, private ones */
		*value = (uint64_t)c->tdx_keyids << 32 | (c->keyids - c->tdx_keyids - 1);
		return true;
	case MSR_WBINVDP:
	case MSR_WBNOINVDP:
		*value = c->wb_blocks;
		return true;
	case MSR_TME_CAPABILITY: /* 35:32 KeyID bits, 50:36 KeyIDs but the first */
		*value = (*value & ~(0x7ffffull << 32)) | (uint64_t)c->keyid_bits << 32 |
			 (uint64_t)(c->keyids - 1) << 36;
		return true;
	case MSR_TME_ACTIVATE: /* 35:32 KeyID bits, 39:36 those of them set aside for TDX */
		*value = (*value & ~(0xffull << 32)) | (uint64_t)c->keyid_bits << 32 |
			 (uint64_t)(c->keyid_bits - 1) << 36;
		return true;
	default:
		return false;
	}
}

/* The platform's row for an MSR. Halving without a branch on what is found: every entry of a guest
 * asks for three. */
static const struct msr_row *platform_msr(const struct machine_platform *p, uint32_t addr)
{
	const struct msr_row *row = p->msr;

	for (size_t n = p->nmsr, half; n > 1; n -= half) {
		half = n / 2;
		row += row[half].addr <= addr ? half : 0;
	}
	return p->nmsr && row->addr == addr ? row : NULL;
}

bool machine_rdmsr(const struct machine_lp *lp, uint32_t addr, uint64_t *value)
{
	const struct msr_row *row;

	for (unsigned i = 0; i < lp->nmsr_override; i++) {
		if (lp->msr_override[i].addr == addr) {
			*value = lp->msr_override[i].value;
			return true;
		}
	}
	row = platform_msr(lp->m->cfg.platform, addr);
	*value = row ? row->value : 0;
	return config_msr(&lp->m->cfg, addr, value) || row;
}

static bool override_on(struct machine_lp *lp, uint32_t addr, uint64_t value)
{
	unsigned i;

	for (i = 0; i < lp->nmsr_override && lp->msr_override[i].addr != addr; i++)
		;
	if (i == MACHINE_MAX_MSR_OVERRIDES)
		return false;
	if (i == lp->nmsr_override)
		lp->nmsr_override++;
	lp->msr_override[i] = (struct msr_row){addr, value};
	return true;
}

/* What enumerates, and what the BIOS has locked before a host runs. */
static bool read_only(uint32_t addr)
{
	switch (addr) {
	case MSR_MKTME_KEYID_PARTITIONING:
	case MSR_WBINVDP: /* written in SEAM alone */
	case MSR_WBNOINVDP:
	case MSR_XAPIC_DISABLE_STATUS:
	case MSR_PLATFORM_INFO:
	case MSR_CORE_CAPABILITIES:
	case MSR_MTRRCAP:
	case MSR_ARCH_CAPABILITIES:
	case MSR_SMRR_BASE: /* in SMM alone */
	case MSR_SMRR_MASK:
	case MSR_PERF_CAPABILITIES:
	case MSR_VMX_BASIC ... MSR_VMX_PROCBASED_CTLS3:
	case MSR_TME_CAPABILITY:
	case MSR_TME_ACTIVATE:
	case MSR_SEAMRR_BASE:
	case MSR_SEAMRR_MASK:
		return true;
	default:
		return false;
	}
}

bool machine_wrmsr(struct machine_lp *lp, uint32_t addr, uint64_t value)
{
	uint64_t old;

	return machine_rdmsr(lp, addr, &old) && !read_only(addr) && override_on(lp, addr, value);
}

void machine_override_msr(struct machine *m, int lp, uint32_t addr, uint64_t value)
{
	for (unsigned i = 0; i < m->cfg.lps; i++)
		if (lp < 0 || (unsigned)lp == i)
			(void)override_on(&m->lp[i], addr, value);
}

/* The start value is that of the stepping clock. */
static uint64_t real_tsc(const struct machine *m)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return atomic_load_explicit(&m->tsc, memory_order_relaxed) +
	       (uint64_t)((unsigned __int128)((uint64_t)t.tv_sec * 1000000000u +
					      (uint64_t)t.tv_nsec - m->start_ns) *
			  m->cfg.platform->tsc_hz / 1000000000u);
}

uint64_t machine_rdtsc(struct machine_lp *lp)
{
	struct machine *m = lp->m;
	uint64_t step = atomic_load_explicit(&m->tsc_step, memory_order_relaxed);

	if (m->cfg.real_time)
		return real_tsc(m);
	if (step == 0) /* processors that only look do not take the line from each other */
		return atomic_load_explicit(&m->tsc, memory_order_relaxed);
	return atomic_fetch_add_explicit(&m->tsc, step, memory_order_relaxed);
}

static bool draw(struct machine_lp *lp, uint64_t *state, uint64_t *value)
{
	int left = atomic_load_explicit(&lp->m->rng_fail, memory_order_relaxed);

	*value = 0;
	while (left > 0)
		if (atomic_compare_exchange_weak_explicit(&lp->m->rng_fail, &left, left - 1,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return false;
	*value = splitmix_next(state);
	return true;
}

bool machine_rdrand(struct machine_lp *lp, uint64_t *value)
{
	return draw(lp, &lp->rng_state, value);
}

bool machine_guest_random(struct machine_lp *lp, uint64_t *value)
{
	return draw(lp, &lp->guest_rng_state, value);
}

bool machine_rdseed(struct machine_lp *lp, uint64_t *value)
{
	return machine_rdrand(lp, value);
}

int machine_pconfig(struct machine_lp *lp, unsigned hkid_)
{
	struct machine *m = lp->m;
	int r = atomic_load_explicit(&m->pconfig_result, memory_order_relaxed);

	if (r)
		return r;
	machine_hkid_freed(lp, hkid_);
	atomic_fetch_or_explicit(&m->key_programmed[lp->package * 64 + hkid_ / 32 % 64],
				 1u << hkid_ % 32, memory_order_relaxed);
	return 0;
}

bool machine_irq_pending(struct machine_lp *lp)
{
	return lp->rflags_if && machine_irq_pending_guest(lp);
}

static bool pending(struct machine_lp *lp)
{
	int64_t left;

	if (machine_irq_now(lp))
		return true;
	left = atomic_load_explicit(&lp->irq_countdown, memory_order_relaxed);
	if (left > 0)
		atomic_store_explicit(&lp->irq_countdown, left - 1, memory_order_relaxed);
	return left == 0;
}

bool machine_irq_pending_guest(struct machine_lp *lp)
{
	bool is = pending(lp);

	lp->polls++;
	if (is && !lp->poll_hit)
		lp->poll_hit = lp->polls;
	return is;
}

void machine_mask_interrupts(struct machine_lp *lp)
{
	lp->intr_masked = true;
}

void machine_unmask_interrupts(struct machine_lp *lp)
{
	lp->intr_masked = false;
	if (lp->irq_held)
		atomic_store(&lp->irq, true);
	lp->irq_held = false;
}

void machine_eoi(struct machine_lp *lp)
{
	if (lp->m->eoi)
		lp->m->eoi(lp->m->acknowledge_arg, lp);
}

void machine_self_ipi(struct machine_lp *lp, enum machine_ipi kind, uint8_t vector)
{
	struct machine *m = lp->m;

	if (m->self_ipi)
		m->self_ipi(m->acknowledge_arg, lp, kind, vector);
	else if (kind == MACHINE_IPI_FIXED)
		lp->sent_back = vector;
	if (lp->intr_masked)
		lp->irq_held = true;
	else
		atomic_store(&lp->irq, true);
}
