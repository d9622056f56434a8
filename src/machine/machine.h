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
	MACHINE_MAX_MSR_OVERRIDES = 64, /* more than a platform has MSRs */
	MACHINE_MAX_WC = 8,
	MACHINE_SEAM_DATA = 128 << 10,
	MACHINE_MAX_WINDOWS = 256,
	MACHINE_WINDOW_SHIFT = 38, /* where the next one begins, and so its size at most */
};

/* machine_lp.call: SEAMCALL leaf n, TDCALL leaf n, or the host (the guest) itself. */
enum {
	MACHINE_CALL_HOST = 0xff,
	MACHINE_CALL_GUEST = 0xfe,
	MACHINE_CALL_TDCALL = 0x80, /* | leaf */
};

struct machine_range {
	uint64_t base, size;
};

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

enum { MACHINE_LACKING = 2 };

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
	const struct msr_row *msr; /* in ascending order */
	size_t nmsr;
	struct machine_range seamrr;
	uint64_t seamops_capabilities;
	uint64_t tsc_hz;
	uint32_t fms; /* lowest family, model and stepping of any package */
};

extern const struct machine_platform machine_platform_spr;

struct machine_config {
	uint64_t mem_end; /* first HPA above RAM */
	struct machine_range cmr[MACHINE_MAX_CMRS];
	unsigned ncmr;
	unsigned maxpa;	     /* HPA width, KeyID bits included */
	unsigned keyid_bits; /* the KeyID is HPA[maxpa-1 : maxpa-keyid_bits] */
	unsigned keyids;     /* KeyIDs in all */
	unsigned tdx_keyids; /* of which private, the upper ones */
	unsigned lps, pkgs;
	unsigned wb_blocks; /* cache sub-blocks of one TDH.PHYMEM.CACHE.WB cycle */
	uint64_t seed;	    /* of all entropy */
	uint32_t fms;	    /* family, model, stepping of all packages; 0: the platform's */
	/* What whoever executes its code cannot: bits of CPUID's leaf 7, by sub-leaf, that its
	 * processors do not have. */
	struct cpuid_regs lacking_7[MACHINE_LACKING];
	bool integrity;	 /* a read under the wrong KeyID poisons (else it just returns the bytes) */
	bool shared_ram; /* RAM is a sealed file that other processes may map (machine.ram_fd). Most
			  * hosts give files no large pages, and walks then miss the host's TLB. */
	bool lazy_zero;	 /* a large page that becomes zero costs memory when it is touched again;
			  * nobody  may have mapped anything over RAM */
	bool real_time;	 /* the TSC runs with the host's clock; else it steps when it is read */
	bool partial_write_mce; /* SPR/EMR erratum: a partial write to ex-private lines poisons them
				 */
	const struct machine_platform *platform;
};

struct machine;
/* CPUID(1).EAX of the packages. */
uint32_t machine_fms(const struct machine *m);

/* What SEAM sends its own processor. */
enum machine_ipi { MACHINE_IPI_FIXED, MACHINE_IPI_NMI, MACHINE_IPI_INIT };

/* One logical processor. */
struct machine_lp {
	struct machine *m;
	unsigned id, package;
	uint32_t x2apic_id;
	bool rflags_if;		       /* host RFLAGS.IF at the SEAMCALL */
	_Atomic int64_t irq_countdown; /* host-interrupt polls until one reads true; -1 never */
	_Atomic bool irq;	       /* a host interrupt is pending now */
	/* Polls since whoever listens set it to 0, and which of them was the first that read true
	 * (from 1; 0: none): to let a recorded call be interrupted again where it was. The thread's
	 * own. */
	uint64_t polls, poll_hit;
	bool intr_masked;  /* SEAM has raised CR8: NMIs only; the thread's own */
	uint8_t sent_back; /* without a controller: which vector it was; 0: none */
	bool irq_held;	   /* one came meanwhile, or was sent back; the thread's own */
	/* IA32_FIXED_CTR0 while a TD without PERFMON runs: instructions retired in the guest since
	 * SEAM cleared it. The processor's thread. */
	uint64_t retired;
	_Atomic uint64_t tlb_generation; /* INVEPTs so far: guest TLBs filled before are stale */
	uint64_t rng_state, guest_rng_state; /* what SEAM draws; and what is not recorded */
	uint64_t xcr0;
	uint8_t call; /* what this processor is doing, for reports: MACHINE_CALL_* */
	struct machine_range wc[MACHINE_MAX_WC]; /* direct stores no barrier has ordered yet */
	unsigned nwc;
	struct msr_row msr_override[MACHINE_MAX_MSR_OVERRIDES];
	unsigned nmsr_override;
	struct {
		bool on;
		uint32_t leaf;
		struct cpuid_regs mask;
	} cpuid_xor;
	/* Not 0: an interrupt for the host is pending, too. NULL: there is no such byte. */
	const volatile uint8_t *watched;
	uint8_t line_behind[64]; /* the next processor's is not to share one with this */
};

/* What a page's lines hold and where they are. One word, changed atomically:
 *   11:0  KeyID of the last write       23:16 packages whose caches may hold dirty lines of it
 *   12    poisoned                      13    direct stores pending
 *   31:24 who dirtied it (machine_lp.call)
 *   63:32 packages holding dirty lines of another KeyID, which will go over this one's data: who
 *         dirtied them (39:32), the packages (47:40), the KeyID (63:48)
 * Kept only while the machine is tracking (integrity on, or watched; see machine/coherency.h).
 * Whole pages, not lines: the last writer of a line is taken for the writer of its page. */
struct machine_page {
	_Atomic uint64_t word;
};
#define PAGE_HKID_MASK	       0x00000fffull
#define PAGE_POISON	       0x00001000ull
#define PAGE_WC_PENDING	       0x00002000ull
#define PAGE_DIRTY_SHIFT       16
#define PAGE_DIRTY_MASK	       0x00ff0000ull
#define PAGE_CALL_SHIFT	       24
#define PAGE_CALL_MASK	       (0xffull << 24)
#define PAGE_STALE_MASK	       (0xffffffffull << 32)
#define PAGE_STALE_CALL_SHIFT  32
#define PAGE_STALE_DIRTY_SHIFT 40
#define PAGE_STALE_DIRTY_MASK  (0xffull << 40)
#define PAGE_STALE_HKID_SHIFT  48

/* Memory of the process at a host-physical address above RAM: what a host that shares this process
 * has for its guests. It is no TD's, belongs to no CMR, and its page words are not kept. */
struct machine_window {
	uint8_t *_Atomic at; /* NULL: closed */
	_Atomic uint64_t size;
};

/* A processor takes the page for another KeyID; its dirty lines reach memory, those of all pages
 * where pa is ~0. */
enum machine_page_event { MACHINE_PAGE_TAKEN, MACHINE_PAGE_CLEAN };

struct coherency_report;

/* Who is told of the module's writes: the engine of the TDs, the processors of the host. */
enum { MACHINE_TELL_ENGINE, MACHINE_TELL_HOST, MACHINE_LISTENERS };

struct coherency; /* machine/coherency.h */

struct machine {
	struct machine_config cfg;
	uint8_t *ram;	/* mem_end bytes, zero, backed lazily */
	int ram_fd;	/* the same as a file, sealed, with shared_ram; else -1 */
	void *reserved; /* RAM and what around it faults */
	size_t reserved_size;
	struct machine_page *page; /* one a 4K page */
	uint8_t *touched;	   /* one a 2M range: some page of it has ever been written */
	bool tracking;		   /* page words are kept */
	/* Told when the module itself writes where a guest or the host may have executed: what was
	 * made of the old bytes is stale. NULL: nobody minds. */
	struct machine_listener {
		void (*written)(void *arg, const void *ptr);
		void *arg;
	} listener[MACHINE_LISTENERS];
	/* Whoever keeps watch over a host in binary, on the thread of the processor concerned: what
	 * happens to page words, and what the coherency sanitizer finds. Each may be NULL. */
	void (*page_event)(void *arg, const struct machine_lp *lp, uint64_t pa,
			   enum machine_page_event event);
	void (*reported)(void *arg, const struct machine_lp *lp, const struct coherency_report *r);
	void *watcher;
	/* An interrupt or NMI leaves a guest on this processor: which one, as the interrupt
	 * controller acknowledges it (VM-exit interruption information, SDM vol. 3, 25.9.2); 0:
	 * none can be delivered after all, as but an NMI while lp->intr_masked. The processor's
	 * thread. NULL: no interrupt controller. */
	uint32_t (*acknowledge)(void *arg, struct machine_lp *lp);
	/* The service of what was acknowledged last ends; it is sent again. NULL: as above. */
	void (*eoi)(void *arg, struct machine_lp *lp);
	void (*self_ipi)(void *arg, struct machine_lp *lp, enum machine_ipi kind, uint8_t vector);
	void *acknowledge_arg; /* of all three */
	/* A TD has executed so many instructions on this processor, and another may have more use
	 * for the time: how many may it execute until it is called again? The processor's thread;
	 * may block. NULL: as many as the engine likes. */
	uint64_t (*ran)(void *arg, struct machine_lp *lp, uint64_t instructions, bool gives_way);
	void *ran_arg;
	void *seam_data;    /* MACHINE_SEAM_DATA bytes in SEAMRR, which outlive the module in it */
	uint64_t hkid_mask; /* the KeyID bits of an HPA */
	unsigned hkid_shift;
	unsigned private_hkid_min, private_hkid_max;
	_Atomic uint64_t tsc_step;  /* of the deterministic clock, at each reading */
	uint64_t start_ns;	    /* host's clock at power-on */
	_Atomic int pconfig_result; /* what PCONFIG answers from now on: 0 ok, 2 entropy, 5 busy */
	_Atomic int rng_fail;	    /* the next n RDRAND/RDSEED fail */
	_Atomic uint32_t key_programmed[MACHINE_MAX_PKGS * 64]; /* bitmap, per package by KeyID */
	struct coherency *coherency; /* reports collected; NULL when not watched */
	struct machine_window window[MACHINE_MAX_WINDOWS]; /* by address */
	uint8_t line_before[64];			   /* read by all */
	_Atomic uint64_t tsc;	 /* of the deterministic clock; written by all */
	uint8_t line_behind[64]; /* what follows is written by one each */
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

/* Are these bytes of the process RAM of the machine? */
static inline bool machine_has(const struct machine *m, const void *p, size_t len)
{
	return (uintptr_t)p >= (uintptr_t)m->ram &&
	       machine_is_ram(m, (uintptr_t)p - (uintptr_t)m->ram, len);
}

/* --- windows (machine/window.c) --- */

/* The host-physical address of the process's [at, at+size) from now on; 0: too large, or there are
 * too many. */
uint64_t machine_open_window(struct machine *m, void *at, uint64_t size);
/* No page table may lead there any more, no processor may have a translation of it. */
void machine_close_window(struct machine *m, uint64_t pa);
/* The pointer to len bytes of RAM or of a window; NULL: neither. pa without KeyID. */
void *machine_host_ptr(const struct machine *m, uint64_t pa, uint64_t len);
/* Are these bytes of the process in a window? */
bool machine_window_has(const struct machine *m, const void *p, size_t len);

/* Record that this processor wrote (whole lines of) the page under the KeyID: it owns the lines now
 * and they are dirty in its package's cache. Cheap; called by the module at its commit points. */
void machine_wrote_tracked(const struct machine_lp *lp, uint64_t pa, unsigned hkid_);
static inline void machine_wrote(const struct machine_lp *lp, uint64_t pa, unsigned hkid_)
{
	if (lp->m->tracking)
		machine_wrote_tracked(lp, pa, hkid_);
}

/* The module wrote to this page of a guest's. */
static inline void machine_wrote_guest(const struct machine_lp *lp, uint64_t pa, unsigned hkid_)
{
	const struct machine *m = lp->m;

	machine_wrote(lp, pa, hkid_);
	for (unsigned i = 0; i < MACHINE_LISTENERS; i++)
		if (m->listener[i].written)
			m->listener[i].written(m->listener[i].arg, machine_ptr(m, pa));
}

/* The module takes [pa, pa+len) from the host without writing it yet (TDH.MEM.PAGE.AUG): report
 * lines the host left dirty. */
void machine_handover_tracked(const struct machine_lp *lp, uint64_t pa, uint64_t len,
			      unsigned hkid_);
static inline void machine_handover(const struct machine_lp *lp, uint64_t pa, uint64_t len,
				    unsigned hkid_)
{
	if (lp->m->tracking)
		machine_handover_tracked(lp, pa, len, hkid_);
}

/* Would a read of this page under the KeyID, in SEAM or by a TD, pass its integrity check? */
bool machine_intact(const struct machine_lp *lp, uint64_t pa, unsigned hkid_);

/* The KeyID will be given to somebody else: no cache may hold dirty lines of it any more. */
void machine_hkid_freed(const struct machine_lp *lp, unsigned hkid_);

/* --- memory as the host sees it: pa carries a KeyID ---
 * 0; -EFAULT: no RAM, or a KeyID the host may not use; -EIO: machine check, poison was read.
 * A read of private lines gives zeros, or a machine check on a processor with the partial-write
 * erratum. Without integrity the bytes are simply there, under whatever KeyID. */
int machine_read(struct machine_lp *lp, uint64_t pa, void *buf, size_t len);
int machine_write(struct machine_lp *lp, uint64_t pa, const void *buf, size_t len);
int machine_movdir64b_zero(struct machine_lp *lp, uint64_t pa, size_t len);
/* The bytes of a large page become zero without being written. False: they are as they were, as
 * this machine cannot (cfg.lazy_zero). Who owns the page's lines does not change. */
bool machine_zero_lazily(struct machine *m, uint64_t pa);
/* For a host in binary, whose processors access RAM themselves, while tracking: what a load or
 * store of the page that is about to be made means; direct stores that have been made, on one page.
 * False: a load from there is a machine check. */
bool machine_host_load(struct machine_lp *lp, uint64_t pa);
bool machine_host_store(struct machine_lp *lp, uint64_t pa, bool whole_line);
void machine_host_direct_store(struct machine_lp *lp, uint64_t pa, size_t len);
/* Lines of the page are dirty in some cache, under whatever KeyID. */
bool machine_page_is_dirty(const struct machine *m, uint64_t pa);
void machine_mfence(struct machine_lp *lp);
void machine_clflush(struct machine_lp *lp, uint64_t pa, size_t len);
void machine_wbinvd(struct machine_lp *lp);
/* SEAM's write-back of one of the wb_blocks blocks of the cache of the processor's package. */
void machine_wb_block(struct machine_lp *lp, unsigned block);

/* --- instructions and events --- */
/* Sizes in leaf 0xd are those of the platform's table, whatever XCR0 is. */
struct cpuid_regs machine_cpuid(const struct machine_lp *lp, uint32_t leaf, uint32_t subleaf);
/* Bytes of an XSAVE image with these components. */
uint32_t machine_xsave_size(const struct machine_lp *lp, uint64_t components, bool compacted);
/* False: #GP (an MSR the platform does not have). */
bool machine_rdmsr(const struct machine_lp *lp, uint32_t addr, uint64_t *value);
/* False: #GP (the platform does not have it, or it is not for a host to write). Processor's thread.
 */
bool machine_wrmsr(struct machine_lp *lp, uint32_t addr, uint64_t value);
/* What tests and the platform say instead: anything. */
void machine_override_msr(struct machine *m, int lp, uint32_t addr,
			  uint64_t value); /* lp -1: all */
uint64_t machine_rdtsc(struct machine_lp *lp);
/* False: the generator had nothing to give (CF = 0). */
bool machine_rdrand(struct machine_lp *lp, uint64_t *value);
bool machine_rdseed(struct machine_lp *lp, uint64_t *value);
/* The same of a guest, without an exit. Apart from the others, so that what the module draws is the
 * same whatever its guests execute: a recorded run can be played without them. */
bool machine_guest_random(struct machine_lp *lp, uint64_t *value);
/* PCONFIG key programming on the processor's package: 0, 2 (entropy), 5 (device busy). */
int machine_pconfig(struct machine_lp *lp, unsigned hkid_);
/* The poll long calls make between blocks: NMI/SMI/INTR (INTR masked by rflags_if) pending? */
bool machine_irq_pending(struct machine_lp *lp);
/* One that was sent, or a watched byte. */
static inline bool machine_irq_now(const struct machine_lp *lp)
{
	return atomic_load_explicit(&lp->irq, memory_order_acquire) ||
	       (lp->watched && *lp->watched);
}
/* The same on behalf of a guest, whose own RFLAGS.IF does not mask host interrupts. */
bool machine_irq_pending_guest(struct machine_lp *lp);
/* SEAM keeps interrupts from ending the guest's run (CR8 raised), and lets them again: what came
 * meanwhile, and what was sent back, is pending then. The processor's thread. */
void machine_mask_interrupts(struct machine_lp *lp);
void machine_unmask_interrupts(struct machine_lp *lp);
void machine_eoi(struct machine_lp *lp);
void machine_self_ipi(struct machine_lp *lp, enum machine_ipi kind, uint8_t vector);

/* SEAMREPORT / SEAMVERIFYREPORT: HMAC-SHA256 under the platform's (marked, simulated) key. */
void machine_report_mac(const struct machine *m, const void *data, size_t len, uint8_t mac[32]);
/* CPUSVN, TEE_TCB_INFO etc. of the simulated platform are written by the module's report code. */
void machine_cpusvn(const struct machine *m, uint8_t svn[16]);

#endif
