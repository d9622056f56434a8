/* SPDX-License-Identifier: MIT */
/* How long single SEAMCALLs take, one processor, nothing else running.
 *
 * A sample is one call between two readings of the clock; the median of an empty pair is taken off.
 * Every call must succeed. Pages are touched beforehand; operands walk upward through distinct pages
 * and guest addresses. Beside each median stands that of Intel's module 1.5.25 compiled for user
 * space, measured the same way (without its branch-history sequence) on another machine: it says
 * what is usual for the work, not who wins. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <swtdx/leaf.h>
#include <swtdx/status.h>
#include <swtdx/structs.h>
#include <time.h>
#include "machine/machine.h"
#include "module/module.h"
#include "module/vmcs.h"

#define TDMR	   0x100000000ull
#define PAMT	   0x2000000ull
#define TDR	   TDMR
#define TDVPR	   (TDMR + 0x7000)
#define PARAMS	   0x1008000ull
#define SOURCE	   0x1010000ull
#define PAGES	   (TDMR + 0x10000)
#define LARGE	   (TDMR + 0x20000000)
#define MAX_SAMPLES 100000

enum { TABLES = 2048, ADDED = 16384, AUGGED = 65536, LARGES = 256, HKID = 33 };

static struct machine *m;
static struct module *mod;
static struct tdx_regs regs;
static int64_t pair_ns;
static uint64_t next_page = PAGES;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void call(uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t r8, uint64_t r9)
{
	regs = (struct tdx_regs){.rax = rax, .rcx = rcx, .rdx = rdx, .r8 = r8, .r9 = r9};
	module_seamcall(mod, 0, &regs);
}

static void must(uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t r8, uint64_t r9)
{
	char text[TDX_STATUS_FORMAT_MAX];

	call(rax, rcx, rdx, r8, r9);
	if (regs.rax == TDX_SUCCESS)
		return;
	fprintf(stderr, "%s(%#llx, %#llx): %s\n", tdx_seamcall_leaf((unsigned)rax)->name,
		(unsigned long long)rcx, (unsigned long long)rdx,
		tdx_status_format(tdx_status(regs.rax), text, sizeof(text)));
	exit(1);
}

static uint64_t page(void)
{
	next_page += TDX_PAGE_SIZE;
	return next_page - TDX_PAGE_SIZE;
}

/* --- samples --- */

static int64_t sample[MAX_SAMPLES];

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int64_t percentile(unsigned n, unsigned p)
{
	return sample[(uint64_t)(n - 1) * p / 100];
}

static void report(const char *name, unsigned n, int reference)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += sample[i];
	qsort(sample, n, sizeof(sample[0]), by_value);
	printf("%-24s %7u %7lld %7lld %7lld %9.1f", name, n, (long long)(percentile(n, 50) - pair_ns),
	       (long long)(percentile(n, 5) - pair_ns), (long long)(percentile(n, 95) - pair_ns),
	       (double)sum / n - (double)pair_ns);
	if (reference)
		printf(" %9d\n", reference);
	else
		printf(" %9s\n", "-");
}

/* The operands of the i-th call. */
typedef void arguments(unsigned i, uint64_t *rcx, uint64_t *rdx, uint64_t *r8, uint64_t *r9);

static void timed(const char *name, unsigned n, uint64_t leaf, arguments *args, int reference)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t rcx = 0, rdx = 0, r8 = 0, r9 = 0;
		int64_t start, end;

		args(i, &rcx, &rdx, &r8, &r9);
		start = now();
		call(leaf, rcx, rdx, r8, r9);
		end = now();
		if (leaf < TDX_SEAMCALL_LEAVES - 1 && regs.rax != TDX_SUCCESS)
			must(leaf, rcx, rdx, r8, r9);
		sample[i] = end - start;
	}
	report(name, n, reference);
}

#define ARGUMENTS(name)                                                                            \
	static void name(unsigned i, uint64_t *rcx, uint64_t *rdx, uint64_t *r8, uint64_t *r9)

#define ADD_BASE   0ull
#define AUG_BASE   ((uint64_t)ADDED << 12)
#define LARGE_BASE ((uint64_t)TABLES << 21)

ARGUMENTS(nothing) {}
ARGUMENTS(sys_rd) { *rdx = 0x0800000200000000; }
ARGUMENTS(td_in_rcx) { *rcx = TDR; }
ARGUMENTS(mng_rd) { *rcx = TDR; *rdx = 0x1110000300000000; }
ARGUMENTS(rdmd) { *rcx = PAGES + (i % ADDED) * TDX_PAGE_SIZE; }
ARGUMENTS(sept_rd) { *rcx = ADD_BASE + ((uint64_t)(i % ADDED) << 12); *rdx = TDR; }

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

ARGUMENTS(reclaim) { *rcx = first_added + (uint64_t)i * TDX_PAGE_SIZE; }

/* --- a module, ready, with one TDMR; a TD with one vCPU --- */

static void bring_up(void)
{
	struct machine_config cfg;
	struct tdx_tdmr_info info = {
		.base = TDMR,
		.size = 2 * TDX_SIZE_1G,
		.pamt_1g_base = PAMT,
		.pamt_1g_size = 0x1000,
		.pamt_2m_base = PAMT + 0x1000,
		.pamt_2m_size = 0x4000,
		.pamt_4k_base = PAMT + 0x5000,
		.pamt_4k_size = 0x800000,
	};
	uint64_t list = 0x1001000;
	char err[128];

	machine_default_config(&cfg);
	m = machine_new(&cfg, err, sizeof(err));
	mod = m ? module_load(m) : NULL;
	if (!mod)
		exit(1);
	must(TDH_SYS_INIT, 0, 0, 0, 0);
	for (unsigned i = 0; i < cfg.lps; i++) {
		regs = (struct tdx_regs){.rax = TDH_SYS_LP_INIT};
		module_seamcall(mod, i, &regs);
	}
	memcpy(machine_ptr(m, 0x1000000), &list, sizeof(list));
	memcpy(machine_ptr(m, list), &info, sizeof(info));
	must(TDH_SYS_CONFIG, 0x1000000, 1, 32, 0);
	must(TDH_SYS_KEY_CONFIG, 0, 0, 0, 0);
	do
		must(TDH_SYS_TDMR_INIT, TDMR, 0, 0, 0);
	while (regs.rdx != info.base + info.size);
}

static void create_td(void)
{
	struct tdx_td_params params = {
		.attributes = TDX_ATTR_SEPT_VE_DISABLE,
		.xfam = 3,
		.max_vcpus = 1,
		.eptp_controls = 0x1e, /* four levels, write back */
		.tsc_frequency = 100,
	};

	memcpy(machine_ptr(m, PARAMS), &params, sizeof(params));
	must(TDH_MNG_CREATE, TDR, HKID, 0, 0);
	must(TDH_MNG_KEY_CONFIG, TDR, 0, 0, 0);
	for (unsigned i = 1; i <= 6; i++)
		must(TDH_MNG_ADDCX, TDR + i * TDX_PAGE_SIZE, TDR, 0, 0);
	must(TDH_MNG_INIT, TDR, PARAMS, 0, 0);
	must(TDH_VP_CREATE, TDVPR, TDR, 0, 0);
	for (unsigned i = 1; i <= 5; i++)
		must(TDH_VP_ADDCX, TDVPR + i * TDX_PAGE_SIZE, TDVPR, 0, 0);
	must(TDH_VP_INIT, TDVPR, 0, 0, 0);
	must(TDH_MEM_SEPT_ADD, 3, TDR, page(), 0);
	for (uint64_t i = 0; i <= TABLES / 512; i++)
		must(TDH_MEM_SEPT_ADD, i << 30 | 2, TDR, page(), 0);
}

/* --- a guest: in and out, and calls that stay inside --- */

enum { EXIT_INTERRUPT = 1, EXIT_CPUID = 10, EXIT_TDCALL = 77 };

static enum module_next guest_exit(uint32_t reason, uint64_t rax, uint64_t rcx)
{
	struct vmexit e = {.reason = reason, .instr_len = 4};
	struct tdx_regs guest = {.rax = rax, .rcx = rcx};

	return module_vmexit(mod, 0, &e, &guest);
}

static void enter(void)
{
	regs = (struct tdx_regs){.rax = TDH_VP_ENTER, .rcx = TDVPR};
	if (module_seamcall(mod, 0, &regs) != MODULE_TO_GUEST)
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

static void vp_info(void)
{
	guest_exit(EXIT_TDCALL, TDG_VP_INFO, 0);
}

static void cpuid(void)
{
	guest_exit(EXIT_CPUID, 7, 0);
}

static void timed_guest(const char *name, void (*step)(void))
{
	for (unsigned i = 0; i < MAX_SAMPLES; i++) {
		int64_t start = now();

		step();
		sample[i] = now() - start;
	}
	report(name, MAX_SAMPLES, 0);
}

static void run_guest(void)
{
	struct vmcs *vmcs;

	enter();
	vmcs = module_vmcs(mod, 0);
	vmcs_write(vmcs, VMCS_GUEST_EFER, 0xd01);
	vmcs_set_bits(vmcs, VMCS_GUEST_CS_AR, 1u << 13);
	timed_guest("TDG.VP.INFO", vp_info);
	timed_guest("CPUID exit", cpuid);
	guest_exit(EXIT_INTERRUPT, 0, 0);
	timed_guest("VP.ENTER, interrupt exit", enter_and_exit);
	timed_guest("VP.ENTER, VP.VMCALL", vmcall);
}

static void run(void)
{
	timed("(invalid leaf)", 100000, 127, nothing, 40);
	timed("SYS.RD", 100000, TDH_SYS_RD, sys_rd, 90);
	timed("MEM.SEPT.ADD", TABLES, TDH_MEM_SEPT_ADD, sept_add, 651);
	first_added = next_page;
	timed("MEM.PAGE.ADD 4K", ADDED, TDH_MEM_PAGE_ADD, page_add, 872);
	timed("MR.EXTEND", ADDED, TDH_MR_EXTEND, mr_extend, 621);
	must(TDH_MR_FINALIZE, TDR, 0, 0, 0);
	run_guest();
	timed("MNG.RD", 100000, TDH_MNG_RD, mng_rd, 150);
	timed("MEM.SEPT.RD", 100000, TDH_MEM_SEPT_RD, sept_rd, 170);
	timed("PHYMEM.PAGE.RDMD", 100000, TDH_PHYMEM_PAGE_RDMD, rdmd, 80);
	timed("MEM.PAGE.AUG 4K", AUGGED, TDH_MEM_PAGE_AUG, page_aug, 210);
	timed("MEM.PAGE.AUG 2M", LARGES, TDH_MEM_PAGE_AUG, page_aug_2m, 761);
	timed("MEM.RANGE.BLOCK 4K", AUGGED, TDH_MEM_RANGE_BLOCK, range, 190);
	timed("MEM.TRACK", 100000, TDH_MEM_TRACK, td_in_rcx, 111);
	timed("MEM.PAGE.REMOVE 4K", AUGGED, TDH_MEM_PAGE_REMOVE, range, 210);
	must(TDH_VP_FLUSH, TDVPR, 0, 0, 0);
	must(TDH_MNG_VPFLUSHDONE, TDR, 0, 0, 0);
	must(TDH_PHYMEM_CACHE_WB, 0, 0, 0, 0);
	must(TDH_MNG_KEY_FREEID, TDR, 0, 0, 0);
	timed("PHYMEM.PAGE.RECLAIM 4K", ADDED, TDH_PHYMEM_PAGE_RECLAIM, reclaim, 130);
}

int main(void)
{
	for (unsigned i = 0; i < MAX_SAMPLES; i++) {
		int64_t start = now();

		sample[i] = now() - start;
	}
	qsort(sample, MAX_SAMPLES, sizeof(sample[0]), by_value);
	pair_ns = percentile(MAX_SAMPLES, 50);
	bring_up();
	memset(machine_ptr(m, PAGES), 0, (TABLES + ADDED + AUGGED + 64) * TDX_PAGE_SIZE);
	create_td();
	printf("ns a call, less %lld for reading the clock\n", (long long)pair_ns);
	printf("%-24s %7s %7s %7s %7s %9s %9s\n", "", "calls", "median", "p5", "p95", "mean",
	       "reference");
	run();
	module_unload(mod);
	machine_free(m);
	return 0;
}
