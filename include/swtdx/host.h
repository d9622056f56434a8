/* SPDX-License-Identifier: MIT */
/* The host library: TDX as a kernel uses it. Bring-up of the module, and one typed function for
 * each leaf of SEAMCALL.
 *
 * Freestanding: no libc, no allocation, no lock but one (processors and KeyIDs, held for moments);
 * it reaches the world through a `struct tdx_port` (<swtdx/port.h>) a processor, which the kernel
 * supplies. Who only makes calls has a `const struct tdx_cpu *`, which says on which processor: the
 * one that executes the function, unless the port reaches its processor from anywhere.
 *
 * Rules of all tdh_*() functions
 *  - One SEAMCALL each. Only a lack of entropy is tried again (10 attempts in all; TDH.VP.ENTER
 *    never), and for key configuration also TDX_KEY_GENERATION_FAILED and TDX_OPERAND_BUSY|KET,
 *    which the module names as retryable. Any other busy is the caller's policy.
 *  - The result is the module's status, unabridged, and must be looked at. Faults of the
 *    instruction are the software codes of <swtdx/status.h>.
 *  - Output structures may be NULL. They carry typed values and `raw`, all registers as the module
 *    left them, because a newer module may set bits that have no name here. They are written on
 *    every path on which the module writes them.
 *  - A page handed to the module is written back (CLFLUSH) first, by the function itself.
 *  - The raw call is not part of the library, and the global KeyID is never shown.
 *  - Physical addresses are page addresses without KeyID. Page memory belongs to the module from
 *    success of the call until the call that takes it back has succeeded.
 *  - Thread-safe: functions keep no state. Calls that contend for a lock of the module return busy.
 *
 *	struct tdx_mem_result r;
 *	struct tdx_status s = tdh_mem_page_aug(cpu, &td, tdx_gpa(0x1000), TDX_LEVEL_4K, page, &r);
 *	if (tdx_is_busy(s))
 *		return -EBUSY;
 */
#ifndef SWTDX_HOST_H
#define SWTDX_HOST_H

#include <swtdx/leaf.h>
#include <swtdx/status.h>
#include <swtdx/structs.h>
#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#if defined(__GNUC__)
#define TDX_MUST_CHECK __attribute__((warn_unused_result))
#else
#define TDX_MUST_CHECK
#endif

#define TDX_ENTROPY_ATTEMPTS 10

struct tdx_port; /* <swtdx/port.h>: of who brings the module up */

/* --- handles --- */

/* A logical processor: tdx_host_cpu(). Opaque: the raw call is not behind it. */
struct tdx_cpu;

/* A TD: its TDR page and the private KeyID that encrypts it. Filled by the caller. */
struct tdx_td {
	tdx_hpa_t tdr;
	tdx_hkid_t hkid;
};

/* A vCPU: its TDVPR page. */
struct tdx_vp {
	tdx_hpa_t tdvpr;
};

/* --- bring-up --- */

/* What TDH.SYS.RD tells about the module; read by tdx_host_discover(). */
struct tdx_host_info {
	uint16_t major, minor, update;
	uint16_t handoff_version;
	uint64_t features0;
	unsigned max_tdmrs, max_reserved_per_tdmr;
	unsigned pamt_entry_size[3]; /* by enum tdx_level: 4K, 2M, 1G; bytes */
	unsigned pamt_bitmap_entry_bits, min_dynamic_pamt_keyid_bits;
	unsigned tdr_base_size, tdcs_base_size, tdvps_base_size; /* bytes */
	unsigned tdcs_size_per_l2_vm, tdvps_size_per_l2_vm;	 /* 0: there are no L2 VMs */
	uint64_t attributes_fixed0, attributes_fixed1, xfam_fixed0, xfam_fixed1;
	unsigned num_cpuid_config, max_vcpus_per_td;
	unsigned num_cmrs;
	struct tdx_range cmr[TDX_MAX_CMRS];
	struct tdx_host_cpuid_config {
		uint32_t leaf, subleaf; /* subleaf ~0: none */
		struct tdx_cpuid_values mask;
	} cpuid_config[64];
};

enum { TDX_HOST_MAX_CPUS = 8192 };

/* One host. The caller provides the memory; the contents are the library's. Bring-up is one
 * thread's, but for processors, which may come and go on their own at any time. */
struct tdx_host {
	uint64_t private_[3072];
};

/* Memory for PAMTs and TDMR descriptions: physically contiguous, below no KeyID, not used for
 * anything else. `near` is a hint (the TDMR it serves). ~0 when there is none. */
struct tdx_host_allocator {
	tdx_hpa_t (*alloc)(void *ctx, uint64_t size, uint64_t align, tdx_hpa_t near);
	void (*free)(void *ctx, tdx_hpa_t pa, uint64_t size);
	void *ctx;
};

enum {
	TDX_HOST_PARTIAL_WRITE_MCE = 1 << 0, /* SPR/EMR: clear pages before the host uses them */
	TDX_HOST_DYNAMIC_PAMT = 1 << 1,	     /* if the module can: see below */
};

/* cpus[i] is the port of processor i; all that may come online, in any order; must outlive the
 * host. -ENODEV: fewer than two private KeyIDs, -EINVAL: no processors, or more than
 * TDX_HOST_MAX_CPUS. */
int tdx_host_init(struct tdx_host *host, const struct tdx_port *const *cpus, unsigned ncpus,
		  unsigned flags) TDX_MUST_CHECK;

/* Every processor that is not online yet comes online, each by the port's call_on; then the
 * metadata is read. Errors: -ENODEV no module, -EOPNOTSUPP/-EACCES the instruction faults, -ENXIO a
 * processor is not there, -EINVAL a feature the library needs is missing, -EIO else; the status
 * that caused it is in tdx_host_last_status(). A kernel whose processors come by themselves lets
 * each call tdx_host_cpu_online() first. */
int tdx_host_discover(struct tdx_host *host, struct tdx_host_info *info) TDX_MUST_CHECK;

/* TDMRs over the memory given (ascending ranges the host will use for TDs, within CMRs), PAMTs from
 * the allocator, TDH.SYS.CONFIG, key configuration on every package, TDH.SYS.TDMR.INIT to the end.
 * progress, if not NULL, is told bytes done of bytes in all. On failure everything is given back
 * clean: -ENOMEM, -ENOSPC (tdx_host_shortage() says what of), -EIO (module, see last status),
 * -ENXIO. The allocator and progress are called on the caller's processor. */
int tdx_host_enable(struct tdx_host *host, const struct tdx_host_info *info,
		    const struct tdx_range *memory, unsigned nranges,
		    const struct tdx_host_allocator *mem,
		    void (*progress)(void *arg, uint64_t done, uint64_t all),
		    void *arg) TDX_MUST_CHECK;

/* What tdx_host_enable() ran out of. */
enum tdx_host_short_of {
	TDX_HOST_SHORT_OF_NOTHING,
	TDX_HOST_SHORT_OF_TDMRS, /* the module takes no more than .limit; .range has none */
	TDX_HOST_SHORT_OF_RESERVED_AREAS, /* holes and PAMTs in TDMR .tdmr: more than .limit */
	TDX_HOST_SHORT_OF_PAMT_MEMORY,	  /* .need bytes for the PAMT of TDMR .tdmr */
	TDX_HOST_SHORT_OF_LIST_MEMORY,	  /* .need bytes for the descriptions of .tdmr TDMRs */
};
struct tdx_host_shortage {
	enum tdx_host_short_of what;
	unsigned tdmr;
	struct tdx_range range; /* of that TDMR */
	uint64_t need, limit;
};
void tdx_host_shortage(const struct tdx_host *host, struct tdx_host_shortage *s);

struct tdx_status tdx_host_last_status(const struct tdx_host *host);
enum tdx_seamcall tdx_host_last_leaf(const struct tdx_host *host);

/* --- another module, or none --- */

/* TDH.SYS.SHUTDOWN with data for one that takes over (info->handoff_version, or an older version
 * that both know). All vCPUs are out of their guests. Then the new module is loaded, by the
 * P-SEAMLDR, every processor calls tdx_host_cpu_online() again, and one of them tdx_host_update(),
 * which reads the new module's metadata. TDs, KeyIDs and PAMTs stay as they were. */
int tdx_host_shutdown(struct tdx_host *host, const struct tdx_cpu *cpu,
		      uint16_t handoff_version) TDX_MUST_CHECK;
int tdx_host_update(struct tdx_host *host, const struct tdx_cpu *cpu,
		    struct tdx_host_info *info) TDX_MUST_CHECK;
/* TDH.SYS.DISABLE until it is done, before kexec: what was private can be reset and used.
 * -EOPNOTSUPP: the module does not have it (1.5.25); -EIO. Then every processor calls
 * tdx_host_cpu_flush(). */
int tdx_host_disable(struct tdx_host *host, const struct tdx_cpu *cpu) TDX_MUST_CHECK;

/* Memory hot-plug: may this memory be used by a kernel all of whose memory can become a TD's? Only
 * what TDMRs cover; the module takes none later. */
bool tdx_host_memory_is_usable(const struct tdx_host *host, struct tdx_range memory);

/* --- processors --- */

/* Processor i comes: TDH.SYS.INIT if it is the first, TDH.SYS.LP.INIT if it has not come before.
 * Called on that processor, which can be used for calls afterwards. Any number at a time. Errors as
 * of tdx_host_discover(); -EINVAL: no such processor. */
int tdx_host_cpu_online(struct tdx_host *host, unsigned i) TDX_MUST_CHECK;
/* It leaves: its caches are written back. Called on that processor, after all vCPUs have been
 * flushed from it. -EBUSY: it is the last of its package, and TDs have KeyIDs: it stays. */
int tdx_host_cpu_offline(struct tdx_host *host, unsigned i) TDX_MUST_CHECK;
bool tdx_host_cpu_is_online(const struct tdx_host *host, unsigned i);
/* The same write-back where nothing can be refused: shutdown, kexec, also in a crash. On that
 * processor: only if it may have made a call since the last time. */
void tdx_host_cpu_flush(const struct tdx_cpu *cpu);

unsigned tdx_host_num_cpus(const struct tdx_host *host);
const struct tdx_cpu *tdx_host_cpu(const struct tdx_host *host, unsigned i);
/* Is it the first processor of its package that is online? Keys are configured and caches written
 * back once a package: on those. */
bool tdx_host_leads_package(const struct tdx_host *host, unsigned i);

/* --- KeyIDs --- */

/* A private KeyID for a TD, and its end. Any thread. -ENOSPC: all are used; -EIO: a package has no
 * processor online, so its key could not be programmed. */
int tdx_host_hkid_get(struct tdx_host *host, tdx_hkid_t *k) TDX_MUST_CHECK;
void tdx_host_hkid_put(struct tdx_host *host, tdx_hkid_t k);
/* How many there are for TDs (the global one is not among them), and how many are in use. */
unsigned tdx_host_hkids(const struct tdx_host *host, unsigned *used);

/* --- dynamic PAMT ---
 *
 * With TDX_HOST_DYNAMIC_PAMT, on a module that can, the 4K entries of a 2M range are in memory only
 * while a 4K page of it is the module's. Before a page is given to any call (TDR, TDCS, TDVPR,
 * TDCX, Secure EPT, 4K private page) it is got, after it has come back it is put; a page that is
 * lost is not. 2M private pages need nothing. Elsewhere get and put do nothing. Any thread, on the
 * processor given; memory and allocator as of tdx_host_enable(), whose alloc is asked for one page
 * at a time and must not sleep if the caller must not. */

struct tdx_pamt_pair {
	tdx_hpa_t page[2];
};

bool tdx_host_has_dynamic_pamt(const struct tdx_host *host);
/* Bytes of PAMT memory now. */
uint64_t tdx_host_pamt_size(const struct tdx_host *host);

/* 0; -EINVAL: memory of no TDMR; -ENOMEM; -EIO: the module's status is in *why. */
int tdx_host_pamt_get(struct tdx_host *host, const struct tdx_cpu *cpu, tdx_hpa_t page,
		      const struct tdx_host_allocator *mem, struct tdx_status *why) TDX_MUST_CHECK;
/* The same, and the page is put even so: the module keeps the pair, and the next get of the range
 * finds it there. Getting and putting it once more asks the module again. -EINVAL: it was not got.
 */
int tdx_host_pamt_put(struct tdx_host *host, const struct tdx_cpu *cpu, tdx_hpa_t page,
		      const struct tdx_host_allocator *mem, struct tdx_status *why);

/* TDH.MEM.PAGE.DEMOTE takes a pair along, for the range that becomes 512 pages. */
int tdx_host_pamt_pair_alloc(const struct tdx_host_allocator *mem,
			     struct tdx_pamt_pair *pair) TDX_MUST_CHECK;
void tdx_host_pamt_pair_free(const struct tdx_host_allocator *mem,
			     const struct tdx_pamt_pair *pair);
/* After its success: all 512 pages of the range are got. */
void tdx_host_pamt_demoted(struct tdx_host *host, tdx_hpa_t page);
/* After that of TDH.MEM.PAGE.PROMOTE, whose result tells the pair: they are put. */
struct tdx_mem_result;
struct tdx_status tdx_host_pamt_promoted(struct tdx_host *host, const struct tdx_cpu *cpu,
					 tdx_hpa_t page, const struct tdx_mem_result *promote,
					 const struct tdx_host_allocator *mem) TDX_MUST_CHECK;

/* --- for a machine-check handler --- */

/* Is the page part of a PAMT? */
bool tdx_host_is_pamt(const struct tdx_host *host, tdx_hpa_t pa);
/* Is it the module's: private memory or a control page of a TD, or a PAMT? By TDH.PHYMEM.PAGE.RDMD,
 * on the calling processor; false when that fails, as it does while the page's lock is taken. */
bool tdx_host_page_is_private(const struct tdx_host *host, const struct tdx_cpu *cpu, tdx_hpa_t pa);

/* Make pages that were the module's usable again: 64-byte direct stores and a barrier on platforms
 * with the partial-write erratum, nothing elsewhere. */
void tdx_host_reset_pages(const struct tdx_host *host, const struct tdx_cpu *cpu, tdx_hpa_t pa,
			  uint64_t size);

/* --- typed outputs --- */

/* TDH.MEM.*: the S-EPT entry that stopped the call (ABI: extended error). state is
 * TDX_SEPT_UNKNOWN and level meaningless when the call did not report one. */
struct tdx_mem_result {
	uint64_t entry; /* architectural view */
	enum tdx_sept_state state;
	enum tdx_level level;
	tdx_hpa_t page; /* the page freed by REMOVE, RELOCATE, SEPT.REMOVE, PROMOTE */
	struct tdx_regs raw;
};

/* PHYMEM.PAGE.RECLAIM and RDMD: what PAMT says of the page. */
struct tdx_page_metadata {
	enum tdx_page_type type;
	tdx_hpa_t owner; /* TDR; 0 for a TDR itself */
	enum tdx_level size;
	uint64_t bepoch; /* RDMD only */
	struct tdx_regs raw;
};

/* A metadata field. */
struct tdx_field_value {
	uint64_t field_next;
	uint64_t value;
	struct tdx_regs raw;
};

/* TDH.MNG.INIT: which CPUID leaf and subleaf was refused, when the operand is CPUID_CONFIG. */
struct tdx_init_result {
	uint32_t cpuid_leaf, cpuid_subleaf;
	struct tdx_regs raw;
};

/* TDH.VP.ENTER: what came back; meaning by exit reason, raw has all. */
struct tdx_enter_result {
	uint32_t exit_reason; /* status bits 31:0 */
	struct tdx_regs raw;
};

/* --- the module --- */
struct tdx_status tdh_sys_rd(const struct tdx_cpu *cpu, uint64_t field,
			     struct tdx_field_value *out) TDX_MUST_CHECK;
struct tdx_status tdh_sys_lp_shutdown(const struct tdx_cpu *cpu) TDX_MUST_CHECK;
struct tdx_status tdh_sys_shutdown(const struct tdx_cpu *cpu,
				   uint16_t handoff_version) TDX_MUST_CHECK;

/* To the module that was loaded after the shutdown of another: TDs go on. */
struct tdx_status tdh_sys_update(const struct tdx_cpu *cpu) TDX_MUST_CHECK;
/* For good; not in 1.5.25. */
struct tdx_status tdh_sys_disable(const struct tdx_cpu *cpu) TDX_MUST_CHECK;

/* --- TDs --- */
struct tdx_status tdh_mng_create(const struct tdx_cpu *cpu, const struct tdx_td *td) TDX_MUST_CHECK;
struct tdx_status tdh_mng_key_config(const struct tdx_cpu *cpu,
				     const struct tdx_td *td) TDX_MUST_CHECK;
struct tdx_status tdh_mng_addcx(const struct tdx_cpu *cpu, const struct tdx_td *td,
				tdx_hpa_t tdcx) TDX_MUST_CHECK;
/* td_params: physical address of a struct tdx_td_params, 1024-aligned. */
struct tdx_status tdh_mng_init(const struct tdx_cpu *cpu, const struct tdx_td *td,
			       tdx_hpa_t td_params, struct tdx_init_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mng_rd(const struct tdx_cpu *cpu, const struct tdx_td *td, uint64_t field,
			     struct tdx_field_value *out) TDX_MUST_CHECK;
struct tdx_status tdh_mng_wr(const struct tdx_cpu *cpu, const struct tdx_td *td, uint64_t field,
			     uint64_t value, uint64_t mask,
			     struct tdx_field_value *old) TDX_MUST_CHECK;
struct tdx_status tdh_mng_vpflushdone(const struct tdx_cpu *cpu,
				      const struct tdx_td *td) TDX_MUST_CHECK;
struct tdx_status tdh_mng_key_freeid(const struct tdx_cpu *cpu,
				     const struct tdx_td *td) TDX_MUST_CHECK;
struct tdx_status tdh_mng_key_reclaimid(const struct tdx_cpu *cpu,
					const struct tdx_td *td) TDX_MUST_CHECK;
struct tdx_status tdh_mr_extend(const struct tdx_cpu *cpu, const struct tdx_td *td, tdx_gpa_t gpa_,
				struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mr_finalize(const struct tdx_cpu *cpu,
				  const struct tdx_td *td) TDX_MUST_CHECK;

/* --- vCPUs --- */
struct tdx_status tdh_vp_create(const struct tdx_cpu *cpu, const struct tdx_td *td,
				const struct tdx_vp *vp) TDX_MUST_CHECK;
struct tdx_status tdh_vp_addcx(const struct tdx_cpu *cpu, const struct tdx_vp *vp,
			       tdx_hpa_t tdcx) TDX_MUST_CHECK;
/* Version 1: with the x2APIC id; takes the TDR exclusively. */
struct tdx_status tdh_vp_init(const struct tdx_cpu *cpu, const struct tdx_vp *vp,
			      uint64_t initial_rcx, uint32_t x2apic_id) TDX_MUST_CHECK;
struct tdx_status tdh_vp_flush(const struct tdx_cpu *cpu, const struct tdx_vp *vp) TDX_MUST_CHECK;
struct tdx_status tdh_vp_rd(const struct tdx_cpu *cpu, const struct tdx_vp *vp, uint64_t field,
			    struct tdx_field_value *out) TDX_MUST_CHECK;
struct tdx_status tdh_vp_wr(const struct tdx_cpu *cpu, const struct tdx_vp *vp, uint64_t field,
			    uint64_t value, uint64_t mask,
			    struct tdx_field_value *old) TDX_MUST_CHECK;
/* regs: in, the registers for a guest waiting in TDG.VP.VMCALL (RAX and RCX are the library's);
 * out, what the exit left. Never repeated. */
struct tdx_status tdh_vp_enter(const struct tdx_cpu *cpu, const struct tdx_vp *vp,
			       struct tdx_regs *regs, struct tdx_enter_result *out) TDX_MUST_CHECK;
/* The same where the vCPU has left an L2 VM for the host: what led there is told to the L1 VMM,
 * which goes on in its place. */
struct tdx_status tdh_vp_enter_l1(const struct tdx_cpu *cpu, const struct tdx_vp *vp,
				  struct tdx_regs *regs,
				  struct tdx_enter_result *out) TDX_MUST_CHECK;

/* --- memory of a TD --- */
struct tdx_status tdh_mem_sept_add(const struct tdx_cpu *cpu, const struct tdx_td *td,
				   tdx_gpa_t gpa_, enum tdx_level level, tdx_hpa_t page,
				   struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_sept_rd(const struct tdx_cpu *cpu, const struct tdx_td *td,
				  tdx_gpa_t gpa_, enum tdx_level level,
				  struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_sept_remove(const struct tdx_cpu *cpu, const struct tdx_td *td,
				      tdx_gpa_t gpa_, enum tdx_level level,
				      struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_page_add(const struct tdx_cpu *cpu, const struct tdx_td *td,
				   tdx_gpa_t gpa_, tdx_hpa_t page, tdx_hpa_t source,
				   struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_page_aug(const struct tdx_cpu *cpu, const struct tdx_td *td,
				   tdx_gpa_t gpa_, enum tdx_level level, tdx_hpa_t page,
				   struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_page_remove(const struct tdx_cpu *cpu, const struct tdx_td *td,
				      tdx_gpa_t gpa_, enum tdx_level level,
				      struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_page_relocate(const struct tdx_cpu *cpu, const struct tdx_td *td,
					tdx_gpa_t gpa_, tdx_hpa_t page,
					struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_page_promote(const struct tdx_cpu *cpu, const struct tdx_td *td,
				       tdx_gpa_t gpa_, enum tdx_level level,
				       struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_page_demote(const struct tdx_cpu *cpu, const struct tdx_td *td,
				      tdx_gpa_t gpa_, enum tdx_level level, tdx_hpa_t sept_page,
				      const struct tdx_pamt_pair *pair,
				      struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_range_block(const struct tdx_cpu *cpu, const struct tdx_td *td,
				      tdx_gpa_t gpa_, enum tdx_level level,
				      struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_range_unblock(const struct tdx_cpu *cpu, const struct tdx_td *td,
					tdx_gpa_t gpa_, enum tdx_level level,
					struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_track(const struct tdx_cpu *cpu, const struct tdx_td *td) TDX_MUST_CHECK;
/* Debug TDs only; 8-byte aligned. */
struct tdx_status tdh_mem_rd(const struct tdx_cpu *cpu, const struct tdx_td *td, tdx_gpa_t gpa_,
			     uint64_t *value, struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_wr(const struct tdx_cpu *cpu, const struct tdx_td *td, tdx_gpa_t gpa_,
			     uint64_t value, uint64_t *old,
			     struct tdx_mem_result *out) TDX_MUST_CHECK;

/* --- memory of a TD with L2 VMs ---
 *
 * Their TDCS and TDVPS pages are of tdh_mng_addcx() and tdh_vp_addcx(), as the TD's own. Each has a
 * Secure EPT beside the TD's, whose tables come and go with the TD's. */

/* A table for the TD's own tree and those of its L2 VMs 1 to 3, at the same place. A page that is
 * given is written back here. */
struct tdx_l2_tables {
	struct {
		tdx_hpa_t page;
		bool there;
	} of[4];
};

/* The tables that are there are added, of which afterwards those are not any more that the TD has;
 * the others are the host's still: not needed, or, after TDX_INTERRUPTED_RESUMABLE, for the same
 * call made again. may_exist: a table that there is already is none that is needed. */
struct tdx_status tdh_mem_sept_add_l2(const struct tdx_cpu *cpu, const struct tdx_td *td,
				      tdx_gpa_t gpa_, enum tdx_level level, bool may_exist,
				      struct tdx_l2_tables *tables,
				      struct tdx_mem_result *out) TDX_MUST_CHECK;
/* The tables that came out, which are the host's; none unless it succeeds. */
struct tdx_status tdh_mem_sept_remove_l2(const struct tdx_cpu *cpu, const struct tdx_td *td,
					 tdx_gpa_t gpa_, enum tdx_level level,
					 struct tdx_l2_tables *tables,
					 struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_mem_page_promote_l2(const struct tdx_cpu *cpu, const struct tdx_td *td,
					  tdx_gpa_t gpa_, enum tdx_level level,
					  struct tdx_l2_tables *tables,
					  struct tdx_mem_result *out) TDX_MUST_CHECK;
/* Tables for the TD and each of its VMs, no more; sparse: those of VMs that do not have the page
 * are not needed. After a success those that are still there are the host's. */
struct tdx_status tdh_mem_page_demote_l2(const struct tdx_cpu *cpu, const struct tdx_td *td,
					 tdx_gpa_t gpa_, enum tdx_level level, bool sparse,
					 struct tdx_l2_tables *tables,
					 const struct tdx_pamt_pair *pair,
					 struct tdx_mem_result *out) TDX_MUST_CHECK;
/* Of a TD under debug: what each VM may do with the page, by its number; 0 of the TD itself. */
struct tdx_status tdh_mem_sept_rd_l2(const struct tdx_cpu *cpu, const struct tdx_td *td,
				     tdx_gpa_t gpa_, enum tdx_level level, uint16_t attributes[4],
				     struct tdx_mem_result *out) TDX_MUST_CHECK;

/* --- migration ---
 *
 * Lists, bundles and buffers are pages of the host's own, which the module reads and writes under
 * KeyID 0 and does not keep. Busy, interruption and a problem of single entries are statuses like
 * any other; a call that was interrupted is made again with .resume (and a list with .first as
 * .next says), all else as it was. A status of TDX_STATUS_FATAL ends the import. */

/* The first n words of the page `list`: addresses of host pages, or bit 63: none there. */
struct tdx_page_list {
	tdx_hpa_t list;
	unsigned n; /* 1..512 */
};

/* The first n words of the page `list`, as the ABI has the entries of a GPA list. */
struct tdx_gpa_list {
	tdx_hpa_t list;
	unsigned first, n;    /* the call begins at .first; n 1..512 */
	bool with_attributes; /* of L2 VMs: a second list */
};

/* A forward stream, by the order of their creation after the first of all, which is the backward
 * one. */
struct tdx_mig_stream {
	uint16_t index;
	bool resume;
};

/* What TDH.EXPORT.MEM writes and TDH.IMPORT.MEM reads; MBMDs are 128-aligned, all else pages. */
struct tdx_mig_memory {
	struct tdx_gpa_list gpas;
	tdx_hpa_t mbmd;
	tdx_hpa_t buffers;    /* a page like that of a page list, as long as gpas */
	tdx_hpa_t macs[2];    /* of entries 0..255, and of the others */
	tdx_hpa_t attributes; /* with gpas.with_attributes */
	struct tdx_mig_stream stream;
};

/* Each value where the call has it; the others are meaningless. */
struct tdx_mig_result {
	unsigned next;	  /* of a list: the entry to go on with; 0 after the last of 512 */
	uint64_t pages;	  /* of an export: pages written so far */
	uint64_t refused; /* of an import of state: the field that was refused */
	struct tdx_regs raw;
};

/* TDH.SERVTD.BIND: what the service TD needs to reach its target. */
struct tdx_servtd_binding {
	uint64_t handle;
	uint64_t target_uuid[4];
	struct tdx_regs raw;
};

struct tdx_status tdh_mig_stream_create(const struct tdx_cpu *cpu, const struct tdx_td *td,
					tdx_hpa_t page) TDX_MUST_CHECK;
struct tdx_status tdh_export_state_immutable(const struct tdx_cpu *cpu, const struct tdx_td *td,
					     tdx_hpa_t mbmd, const struct tdx_page_list *pages,
					     const struct tdx_mig_stream *stream,
					     struct tdx_mig_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_export_state_td(const struct tdx_cpu *cpu, const struct tdx_td *td,
				      tdx_hpa_t mbmd, const struct tdx_page_list *pages,
				      const struct tdx_mig_stream *stream,
				      struct tdx_mig_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_export_state_vp(const struct tdx_cpu *cpu, const struct tdx_vp *vp,
				      tdx_hpa_t mbmd, const struct tdx_page_list *pages,
				      const struct tdx_mig_stream *stream,
				      struct tdx_mig_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_import_state_immutable(const struct tdx_cpu *cpu, const struct tdx_td *td,
					     tdx_hpa_t mbmd, const struct tdx_page_list *pages,
					     const struct tdx_mig_stream *stream,
					     struct tdx_mig_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_import_state_td(const struct tdx_cpu *cpu, const struct tdx_td *td,
				      tdx_hpa_t mbmd, const struct tdx_page_list *pages,
				      const struct tdx_mig_stream *stream,
				      struct tdx_mig_result *out) TDX_MUST_CHECK;
/* The vCPU is associated with the calling processor afterwards. */
struct tdx_status tdh_import_state_vp(const struct tdx_cpu *cpu, const struct tdx_vp *vp,
				      tdx_hpa_t mbmd, const struct tdx_page_list *pages,
				      const struct tdx_mig_stream *stream,
				      struct tdx_mig_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_export_blockw(const struct tdx_cpu *cpu, const struct tdx_td *td,
				    const struct tdx_gpa_list *gpas,
				    struct tdx_mig_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_export_unblockw(const struct tdx_cpu *cpu, const struct tdx_td *td,
				      tdx_gpa_t gpa_, enum tdx_level level,
				      struct tdx_mem_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_export_mem(const struct tdx_cpu *cpu, const struct tdx_td *td,
				 const struct tdx_mig_memory *memory,
				 struct tdx_mig_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_export_restore(const struct tdx_cpu *cpu, const struct tdx_td *td,
				     const struct tdx_gpa_list *gpas,
				     struct tdx_mig_result *out) TDX_MUST_CHECK;
/* No vCPU is in the TD, and none comes in until the export is aborted. */
struct tdx_status tdh_export_pause(const struct tdx_cpu *cpu,
				   const struct tdx_td *td) TDX_MUST_CHECK;
/* A token into `mbmd`: the next epoch, or the last of the in-order phase. */
struct tdx_status tdh_export_track(const struct tdx_cpu *cpu, const struct tdx_td *td,
				   tdx_hpa_t mbmd, bool last) TDX_MUST_CHECK;
/* After the last token only with the importer's abort token, else NULL. */
struct tdx_status tdh_export_abort(const struct tdx_cpu *cpu, const struct tdx_td *td,
				   const tdx_hpa_t *abort_token) TDX_MUST_CHECK;
/* new_pages: a page list as long as the GPAs', of pages that become the TD's and are written back
 * here; NULL: the buffers do. */
struct tdx_status tdh_import_mem(const struct tdx_cpu *cpu, const struct tdx_td *td,
				 const struct tdx_mig_memory *memory, const tdx_hpa_t *new_pages,
				 struct tdx_mig_result *out) TDX_MUST_CHECK;
struct tdx_status tdh_import_track(const struct tdx_cpu *cpu, const struct tdx_td *td,
				   tdx_hpa_t mbmd) TDX_MUST_CHECK;
struct tdx_status tdh_import_commit(const struct tdx_cpu *cpu,
				    const struct tdx_td *td) TDX_MUST_CHECK;
struct tdx_status tdh_import_end(const struct tdx_cpu *cpu, const struct tdx_td *td) TDX_MUST_CHECK;
/* The abort token goes into `mbmd`. The status of success is a fatal one: the import is over. */
struct tdx_status tdh_import_abort(const struct tdx_cpu *cpu, const struct tdx_td *td,
				   tdx_hpa_t mbmd) TDX_MUST_CHECK;
/* The migration TD of a target: slot 0, type 0, the only ones there are. `attributes` say which
 * fields of its TDINFO do not matter. */
struct tdx_status tdh_servtd_bind(const struct tdx_cpu *cpu, const struct tdx_td *target,
				  const struct tdx_td *service, uint64_t attributes,
				  struct tdx_servtd_binding *out) TDX_MUST_CHECK;
/* The same for one that is not there yet, by the hash of its TDINFO: 48 bytes, 64-aligned. */
struct tdx_status tdh_servtd_prebind(const struct tdx_cpu *cpu, const struct tdx_td *target,
				     tdx_hpa_t info_hash, uint64_t attributes) TDX_MUST_CHECK;

/* --- physical memory --- */
struct tdx_status tdh_phymem_page_rdmd(const struct tdx_cpu *cpu, tdx_hpa_t page,
				       struct tdx_page_metadata *out) TDX_MUST_CHECK;
struct tdx_status tdh_phymem_page_reclaim(const struct tdx_cpu *cpu, tdx_hpa_t page,
					  struct tdx_page_metadata *out) TDX_MUST_CHECK;
struct tdx_status tdh_phymem_cache_wb(const struct tdx_cpu *cpu, bool resume) TDX_MUST_CHECK;
/* Write back a page that was private memory of the TD, under its KeyID. */
struct tdx_status tdh_phymem_page_wbinvd_hkid(const struct tdx_host *host,
					      const struct tdx_cpu *cpu, tdx_hpa_t page,
					      tdx_hkid_t hkid_) TDX_MUST_CHECK;
/* Write back a reclaimed TDR, under the global KeyID. */
struct tdx_status tdh_phymem_page_wbinvd_tdr(const struct tdx_host *host, const struct tdx_cpu *cpu,
					     const struct tdx_td *td) TDX_MUST_CHECK;

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
