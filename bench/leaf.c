/* SPDX-License-Identifier: MIT */
/* How long single SEAMCALLs take, one processor, nothing else running.
 *
 * Every call must succeed. Pages are touched beforehand; operands walk upward through distinct
 * pages and guest addresses. Beside mean and median stand those of Intel's module 1.5.25 compiled
 * for user space, measured the same way (without its branch-history sequence) on another machine:
 * they say what is usual for the work, not who wins. */
#include "timed.h"

#include "module/vmcs.h"

#define TDR    BENCH_TDMR
#define TDVPR  (BENCH_TDMR + 0x7000)
#define SOURCE 0x1010000ull
#define PAGES  (BENCH_TDMR + 0x10000)
#define LARGE  (BENCH_TDMR + 0x20000000)

enum { TABLES = 2048, ADDED = 16384, AUGGED = 65536, ACCEPTED = 16384, LARGES = 256, HKID = 33 };

static struct bench b;
static struct tdx_regs regs;
static struct timed t;
static uint64_t next_page = PAGES;

static void call(uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t r8, uint64_t r9)
{
	regs = (struct tdx_regs){.rax = rax, .rcx = rcx, .rdx = rdx, .r8 = r8, .r9 = r9};
	module_seamcall(b.mod, 0, &regs);
}

static uint64_t page(void)
{
	next_page += TDX_PAGE_SIZE;
	return next_page - TDX_PAGE_SIZE;
}

/* --- samples --- */

static const struct timed_reference none;

#define REF(mean, median) ((struct timed_reference){mean, median})

enum { NO_LEAF = 127 }; /* refused: what a call costs before its leaf */

/* The operands of the i-th call. */
typedef void arguments(unsigned i, uint64_t *rcx, uint64_t *rdx, uint64_t *r8, uint64_t *r9);

static void timed(const char *name, unsigned n, uint64_t leaf, arguments *args,
		  struct timed_reference reference)
{
	timed_go(&t);
	for (unsigned i = 0; i < n; i++) {
		uint64_t rcx = 0, rdx = 0, r8 = 0, r9 = 0;
		int64_t start, end;

		args(i, &rcx, &rdx, &r8, &r9);
		start = now();
		call(leaf, rcx, rdx, r8, r9);
		end = now();
		if (leaf != NO_LEAF && regs.rax != TDX_SUCCESS)
			must(&b, leaf, .rcx = rcx, .rdx = rdx, .r8 = r8, .r9 = r9);
		t.sample[i] = end - start;
	}
	timed_row(&t, name, n, 1, reference);
}

#define ARGUMENTS(name)                                                                            \
	static void name(unsigned i, uint64_t *rcx, uint64_t *rdx, uint64_t *r8, uint64_t *r9)

#define ADD_BASE    0ull
#define AUG_BASE    ((uint64_t)ADDED << 12)
#define ACCEPT_BASE (AUG_BASE + ((uint64_t)AUGGED << 12))
#define LARGE_BASE  ((uint64_t)TABLES << 21)

ARGUMENTS(nothing)
{
}
ARGUMENTS(sys_rd)
{
	*rdx = 0x0800000200000000;
}
ARGUMENTS(td_in_rcx)
{
	*rcx = TDR;
}
ARGUMENTS(mng_rd)
{
	*rcx = TDR;
	*rdx = 0x1110000300000000;
}
ARGUMENTS(rdmd)
{
	*rcx = PAGES + (i % ADDED) * TDX_PAGE_SIZE;
}
ARGUMENTS(sept_rd)
{
	*rcx = ADD_BASE + ((uint64_t)(i % ADDED) << 12);
	*rdx = TDR;
}

ARGUMENTS(sept_add)
{
	*rcx = (uint64_t)i << 21 | 1;
	*rdx = TDR;
	*r8 = page();
}

ARGUMENTS(page_add)
{
	*rcx = ADD_BASE + ((uint64_t)i << 12);
	*rdx = TDR;
	*r8 = page();
	*r9 = SOURCE;
}

ARGUMENTS(mr_extend)
{
	*rcx = (uint64_t)i << 8;
	*rdx = TDR;
}

ARGUMENTS(page_aug)
{
	*rcx = AUG_BASE + ((uint64_t)i << 12);
	*rdx = TDR;
	*r8 = page();
}

ARGUMENTS(page_aug_2m)
{
	*rcx = (LARGE_BASE + ((uint64_t)i << 21)) | 1;
	*rdx = TDR;
	*r8 = LARGE + (uint64_t)i * TDX_SIZE_2M;
}

ARGUMENTS(range)
{
	*rcx = AUG_BASE + ((uint64_t)i << 12);
	*rdx = TDR;
}

static uint64_t first_added;

ARGUMENTS(reclaim)
{
	*rcx = first_added + (uint64_t)i * TDX_PAGE_SIZE;
}

static void create_td(void)
{
	bench_td(&b, TDR, HKID);
	must(&b, TDH_MEM_SEPT_ADD, .rcx = 3, .rdx = TDR, .r8 = page());
	for (uint64_t i = 0; i <= TABLES / 512; i++)
		must(&b, TDH_MEM_SEPT_ADD, .rcx = i << 30 | 2, .rdx = TDR, .r8 = page());
}

/* --- a guest: in and out, and calls that stay inside --- */

enum { EXIT_INTERRUPT = 1, EXIT_CPUID = 10, EXIT_TDCALL = 77 };

static enum module_next guest_exit(uint32_t reason, uint64_t rax, uint64_t rcx)
{
	struct vmexit e = {.reason = reason, .instr_len = 4};
	struct tdx_regs guest = {.rax = rax, .rcx = rcx};

	b.m->lp[0].retired = 1000;
	return module_vmexit(b.mod, 0, &e, &guest);
}

static void enter(void)
{
	regs = (struct tdx_regs){.rax = TDH_VP_ENTER, .rcx = TDVPR};
	if (module_seamcall(b.mod, 0, &regs) != MODULE_TO_GUEST)
		exit(1);
}

static void enter_and_exit(void)
{
	enter();
	guest_exit(EXIT_INTERRUPT, 0, 0);
}

static void vmcall(void)
{
	enter();
	guest_exit(EXIT_TDCALL, TDG_VP_VMCALL, 0xfc00);
}

/* A TDCALL that stays inside, with these operands; it must succeed. */
static void timed_tdcall(const char *name, unsigned n, uint64_t leaf, arguments *args)
{
	const struct vmexit e = {.reason = EXIT_TDCALL, .instr_len = 4};

	timed_go(&t);
	for (unsigned i = 0; i < n; i++) {
		struct tdx_regs guest = {.rax = leaf};
		int64_t start, end;

		args(i, &guest.rcx, &guest.rdx, &guest.r8, &guest.r9);
		start = now();
		module_vmexit(b.mod, 0, &e, &guest);
		end = now();
		if (guest.rax != TDX_SUCCESS) {
			fprintf(stderr, "%s: %#llx\n", name, (unsigned long long)guest.rax);
			exit(1);
		}
		t.sample[i] = end - start;
	}
	timed_row(&t, name, n, 1, none);
}

ARGUMENTS(report_to)
{
	*rdx = TDX_PAGE_SIZE;
}
ARGUMENTS(rtmr)
{
	*rdx = 3;
}
ARGUMENTS(config_flags)
{
	*rdx = 0x1110000300000016;
}
ARGUMENTS(added)
{
	*rcx = ADD_BASE + ((uint64_t)(i % ADDED) << 12);
}
ARGUMENTS(accepted)
{
	*rcx = ACCEPT_BASE + ((uint64_t)i << 12);
}

/* What accepting a page cannot be faster than. */
static void timed_clear(uint64_t first)
{
	timed_go(&t);
	for (unsigned i = 0; i < ACCEPTED; i++) {
		int64_t start = now();

		memset(machine_ptr(b.m, first + (uint64_t)i * TDX_PAGE_SIZE), 0, TDX_PAGE_SIZE);
		t.sample[i] = now() - start;
	}
	timed_row(&t, "(clearing a page)", ACCEPTED, 1, none);
}

static void cpuid(void)
{
	guest_exit(EXIT_CPUID, 7, 0);
}

static void timed_guest(const char *name, void (*step)(void))
{
	timed_go(&t);
	for (unsigned i = 0; i < TIMED_SAMPLES; i++) {
		int64_t start = now();

		step();
		t.sample[i] = now() - start;
	}
	timed_row(&t, name, TIMED_SAMPLES, 1, none);
}

static void run_guest(void)
{
	const uint64_t first = next_page;
	struct vmcs *vmcs;

	for (uint64_t i = 0; i < ACCEPTED; i++)
		must(&b, TDH_MEM_PAGE_AUG, .rcx = ACCEPT_BASE + (i << 12), .rdx = TDR,
		     .r8 = page());
	enter();
	vmcs = module_vmcs(b.mod, 0);
	vmcs_write(vmcs, VMCS_GUEST_EFER, 0xd01);
	vmcs_set_bits(vmcs, VMCS_GUEST_CS_AR, 1u << 13);
	timed_tdcall("TDG.VP.INFO", 100000, TDG_VP_INFO, nothing);
	timed_tdcall("TDG.SYS.RD", 100000, TDG_SYS_RD, sys_rd);
	timed_tdcall("TDG.VM.RD", 100000, TDG_VM_RD, config_flags);
	timed_tdcall("TDG.MEM.PAGE.ATTR.RD", 100000, TDG_MEM_PAGE_ATTR_RD, added);
	timed_tdcall("TDG.MEM.PAGE.ACCEPT 4K", ACCEPTED, TDG_MEM_PAGE_ACCEPT, accepted);
	timed_clear(first);
	timed_tdcall("TDG.MR.RTMR.EXTEND", 10000, TDG_MR_RTMR_EXTEND, rtmr);
	timed_tdcall("TDG.MR.REPORT", 10000, TDG_MR_REPORT, report_to);
	timed_guest("CPUID exit", cpuid);
	guest_exit(EXIT_INTERRUPT, 0, 0);
	timed_guest("VP.ENTER, interrupt exit", enter_and_exit);
	timed_guest("VP.ENTER, VP.VMCALL", vmcall);
}

static void run(void)
{
	timed("(invalid leaf)", 100000, NO_LEAF, nothing, REF(43.0, 40));
	timed("SYS.RD", 100000, TDH_SYS_RD, sys_rd, REF(89.6, 90));
	timed("MEM.SEPT.ADD", TABLES, TDH_MEM_SEPT_ADD, sept_add, REF(638.4, 651));
	first_added = next_page;
	timed("MEM.PAGE.ADD 4K", ADDED, TDH_MEM_PAGE_ADD, page_add, REF(887.6, 872));
	timed("MR.EXTEND", ADDED, TDH_MR_EXTEND, mr_extend, REF(642.5, 621));
	must(&b, TDH_MR_FINALIZE, .rcx = TDR);
	run_guest();
	timed("MNG.RD", 100000, TDH_MNG_RD, mng_rd, REF(157.7, 150));
	timed("MEM.SEPT.RD", 100000, TDH_MEM_SEPT_RD, sept_rd, REF(175.2, 170));
	timed("PHYMEM.PAGE.RDMD", 100000, TDH_PHYMEM_PAGE_RDMD, rdmd, REF(79.5, 80));
	timed("MEM.PAGE.AUG 4K", AUGGED, TDH_MEM_PAGE_AUG, page_aug, REF(211.7, 210));
	timed("MEM.PAGE.AUG 2M", LARGES, TDH_MEM_PAGE_AUG, page_aug_2m, REF(722.6, 761));
	timed("MEM.RANGE.BLOCK 4K", AUGGED, TDH_MEM_RANGE_BLOCK, range, REF(194.4, 190));
	timed("MEM.TRACK", 100000, TDH_MEM_TRACK, td_in_rcx, REF(121.3, 111));
	timed("MEM.PAGE.REMOVE 4K", AUGGED, TDH_MEM_PAGE_REMOVE, range, REF(210.2, 210));
	must(&b, TDH_VP_FLUSH, .rcx = TDVPR);
	must(&b, TDH_MNG_VPFLUSHDONE, .rcx = TDR);
	must(&b, TDH_PHYMEM_CACHE_WB, .rcx = 0);
	must(&b, TDH_MNG_KEY_FREEID, .rcx = TDR);
	timed("PHYMEM.PAGE.RECLAIM 4K", ADDED, TDH_PHYMEM_PAGE_RECLAIM, reclaim, REF(128.1, 130));
}

int main(void)
{
	timed_begin(&t);
	bench_ready(&b);
	memset(machine_ptr(b.m, PAGES), 0,
	       (TABLES + ADDED + AUGGED + ACCEPTED + 64) * TDX_PAGE_SIZE);
	create_td();
	timed_head(&t, "Intel's");
	run();
	bench_free(&b);
	return 0;
}
