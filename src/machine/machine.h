/* SPDX-License-Identifier: MIT */
/* The simulated hardware under the module: memory under KeyIDs, caches, CMRs, logical processors
 * and packages, entropy, time, key programming, the report MAC, faults.
 *
 * Nothing here knows the module. All state of one machine hangs on `struct machine`; several may
 * live in one process. Functions taking a `struct machine_lp` are called by the one thread that
 * runs that processor; the others may be called from any thread. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <stdatomic.h>
#include <swtdx/types.h>

enum {
	MACHINE_MAX_CMRS = 32,
	MACHINE_MAX_LPS = 256,
	MACHINE_MAX_PKGS = 8,
	MACHINE_MAX_MSR_OVERRIDES = 64,
};

struct machine_range {
	uint64_t base, size;
};

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

struct cpuid_row {
	uint32_t leaf, subleaf; /* subleaf ~0: any */
	struct cpuid_regs r;
};

struct msr_row {
	uint32_t addr;
	uint64_t value;
};

/* What a processor enumerates. The default is machine_platform_spr. */
struct machine_platform {
	const struct cpuid_row *cpuid;
	size_t ncpuid;
	const struct msr_row *msr;
	size_t nmsr;
	struct machine_range seamrr;
	uint64_t seamops_capabilities;
	uint64_t tsc_hz;
};

extern const struct machine_platform machine_platform_spr;

struct machine_config {
	uint64_t mem_end; /* first HPA above RAM */
	struct machine_range cmr[MACHINE_MAX_CMRS];
	unsigned ncmr;
	unsigned maxpa;      /* HPA width, KeyID bits included */
	unsigned keyid_bits; /* the KeyID is HPA[maxpa-1 : maxpa-keyid_bits] */
	unsigned keyids;     /* KeyIDs in all */
	unsigned tdx_keyids; /* of which private, the upper ones */
	unsigned lps, pkgs;
	unsigned wb_blocks;  /* cache sub-blocks of one TDH.PHYMEM.CACHE.WB cycle */
	uint64_t seed;       /* of all entropy */
	bool integrity;      /* a read under the wrong KeyID poisons (else it just returns the bytes) */
	bool partial_write_mce; /* SPR/EMR erratum: a partial write to ex-private lines poisons them */
	const struct machine_platform *platform;
};

/* One logical processor. */
struct machine_lp {
	struct machine *m;
	unsigned id, package;
	uint32_t x2apic_id;
	bool rflags_if;              /* host RFLAGS.IF at the SEAMCALL */
	_Atomic int64_t irq_countdown; /* host-interrupt polls until one reads true; -1 never */
	_Atomic bool irq;            /* a host interrupt is pending now */
	uint64_t rng_state;
	uint64_t xcr0;
	struct msr_row msr_override[MACHINE_MAX_MSR_OVERRIDES];
	unsigned nmsr_override;
	struct {
		bool on;
		uint32_t leaf;
		struct cpuid_regs mask;
	} cpuid_xor;
};

/* What a page's lines hold and where: the KeyID of the last write, the packages whose caches may
 * still have dirty lines of it, and whether its lines are poisoned. One word, updated atomically. */
struct machine_page {
	_Atomic uint32_t word;
};
#define PAGE_HKID_MASK   0x0000ffffu
#define PAGE_DIRTY_SHIFT 16 /* 8 bits, one a package */
#define PAGE_DIRTY_MASK  0x00ff0000u
#define PAGE_POISON      0x01000000u
#define PAGE_WC_PENDING  0x02000000u /* direct stores not yet ordered by a barrier */

struct coherency_report; /* machine/coherency.h */

struct machine {
	struct machine_config cfg;
	uint8_t *ram;               /* mem_end bytes, zero, reserved lazily */
	struct machine_page *page;  /* one a 4K page */
	uint64_t hkid_mask;         /* the KeyID bits of an HPA */
	unsigned hkid_shift;
	unsigned private_hkid_min, private_hkid_max;
	_Atomic uint64_t tsc, tsc_step; /* TSC of the deterministic clock */
	_Atomic int pconfig_result; /* what PCONFIG answers from now on: 0 ok, 2 entropy, 5 busy */
	_Atomic int rng_fail;       /* the next n RDRAND/RDSEED fail */
	_Atomic uint32_t key_programmed[MACHINE_MAX_PKGS * 64]; /* bitmap, per package by KeyID */
	struct coherency *coherency; /* reports collected; NULL when not watched */
	struct machine_lp lp[MACHINE_MAX_LPS];
};

/* The configuration of vectors/PLATFORM: 6 GiB, two CMRs, 64 KeyIDs, 2 LPs. */
void machine_default_config(struct machine_config *cfg);

/* NULL with a sentence in err when the configuration is not possible or memory is short. */
struct machine *machine_new(const struct machine_config *cfg, char *err, size_t errlen);
void machine_free(struct machine *m);

/* --- addresses --- */
static inline unsigned machine_hkid_of(const struct machine *m, uint64_t pa)
{
	return (unsigned)((pa & m->hkid_mask) >> m->hkid_shift);
}

static inline uint64_t machine_strip(const struct machine *m, uint64_t pa)
{
	return pa & ~m->hkid_mask;
}

static inline uint64_t machine_with_hkid(const struct machine *m, uint64_t pa, unsigned hkid_)
{
	return machine_strip(m, pa) | (uint64_t)hkid_ << m->hkid_shift;
}

/* True when [pa, pa+len) without KeyID bits is RAM of this machine. */
static inline bool machine_is_ram(const struct machine *m, uint64_t pa, uint64_t len)
{
	return pa < m->cfg.mem_end && len <= m->cfg.mem_end - pa;
}

/* --- memory as SEAM sees it: checked addresses, direct pointers --- */
static inline void *machine_ptr(const struct machine *m, uint64_t pa)
{
	return m->ram + pa;
}

/* Record that this processor wrote (whole lines of) the page under the KeyID: it owns the lines now
 * and they are dirty in its package's cache. Cheap; called by the module at its commit points. */
static inline void machine_wrote(const struct machine_lp *lp, uint64_t pa, unsigned hkid_)
{
	uint32_t w = (hkid_ & PAGE_HKID_MASK) | 1u << (PAGE_DIRTY_SHIFT + lp->package);
	_Atomic uint32_t *word = &lp->m->page[pa >> 12].word;
	uint32_t old = atomic_load_explicit(word, memory_order_relaxed);

	if ((old & (PAGE_HKID_MASK | PAGE_POISON)) == (hkid_ & PAGE_HKID_MASK))
		w |= old & PAGE_DIRTY_MASK;
	if (w != old)
		atomic_store_explicit(word, w, memory_order_relaxed);
}

/* --- memory as the host sees it: pa carries a KeyID; 0 or -EFAULT (no RAM), -EIO (machine check) --- */
int machine_read(struct machine_lp *lp, uint64_t pa, void *buf, size_t len);
int machine_write(struct machine_lp *lp, uint64_t pa, const void *buf, size_t len);
int machine_movdir64b_zero(struct machine_lp *lp, uint64_t pa, size_t len);
void machine_mfence(struct machine_lp *lp);
void machine_clflush(struct machine_lp *lp, uint64_t pa, size_t len);
void machine_wbinvd(struct machine_lp *lp);
/* SEAM's write-back of the lines of one KeyID (block of wb_blocks) in the processor's package. */
void machine_wb_hkid_block(struct machine_lp *lp, unsigned hkid_, unsigned block);

/* --- instructions and events --- */
struct cpuid_regs machine_cpuid(const struct machine_lp *lp, uint32_t leaf, uint32_t subleaf);
/* False: #GP (an MSR the platform does not have). */
bool machine_rdmsr(const struct machine_lp *lp, uint32_t addr, uint64_t *value);
void machine_override_msr(struct machine *m, int lp, uint32_t addr, uint64_t value); /* lp -1: all */
uint64_t machine_rdtsc(struct machine_lp *lp);
/* False: the generator had nothing to give (CF = 0). */
bool machine_rdrand(struct machine_lp *lp, uint64_t *value);
bool machine_rdseed(struct machine_lp *lp, uint64_t *value);
/* PCONFIG key programming on the processor's package: 0, 2 (entropy), 5 (device busy). */
int machine_pconfig(struct machine_lp *lp, unsigned hkid_);
/* The poll long calls make between blocks: NMI/SMI/INTR (INTR masked by rflags_if) pending? */
bool machine_irq_pending(struct machine_lp *lp);

/* SEAMREPORT / SEAMVERIFYREPORT: HMAC-SHA256 under the platform's (marked, simulated) key. */
void machine_report_mac(const struct machine *m, const void *data, size_t len, uint8_t mac[32]);
/* CPUSVN, TEE_TCB_INFO etc. of the simulated platform are written by the module's report code. */
void machine_cpusvn(const struct machine *m, uint8_t svn[16]);

#endif
