/* SPDX-License-Identifier: MIT */
/* How long the calls of migration, of service TDs and of L2 VMs take, one processor, nothing else
 * running: as in leaf.c. What moves pages is in migrate.c, beside its cryptography.
 *
 * Intel's module has not been measured in these. The reference is that of its leaf which does the
 * like: RANGE.BLOCK, a page a call, for lists by the page and for UNBLOCKW, MNG.RD for a field of
 * another TD. */
#include "timed.h"

#include "abi/migration.h"
#include "module/vmcs.h"

#define SERVICE BENCH_TDMR
#define TARGET	(BENCH_TDMR + 0x100000)
#define PAGES	(BENCH_TDMR + 0x1000000)
/* The host's own. */
#define MBMD	   0x1010000ull
#define LIST	   0x1011000ull
#define BUFFERS	   0x1012000ull
#define MACS	   0x1013000ull
#define ATTRIBUTES 0x1015000ull
#define SOURCE	   0x1016000ull
#define BUFFER	   0x1100000ull

enum { LISTS = 8, MOVED = LISTS * MIG_LIST_ENTRIES, ROUNDS = 16, STATE_PAGES = 12, VM = 1 };
static const struct timed_reference block = {194.4, 190}, rd = {157.7, 150}, none;
enum { EXIT_INTERRUPT = 1, EXIT_CPUID = 10, EXIT_TDCALL = 77 };
enum { STATE_GPA = 0x3000, VAPIC_GPA = 0x4000 };

static const struct bench_td service = {.tdr = SERVICE, .hkid = 33};
static const struct bench_td target = {
	.tdr = TARGET, .hkid = 34, .attributes = TDX_ATTR_MIGRATABLE, .l2_vms = 1};

static struct bench b;
static struct timed t;
static uint64_t next_page = PAGES;

static uint64_t page(void)
{
	next_page += TDX_PAGE_SIZE;
	return next_page - TDX_PAGE_SIZE;
}

/* One call, timed as the i-th sample. */
static struct tdx_regs timed(unsigned i, struct tdx_regs in)
{
	struct tdx_regs out = in;
	int64_t start = now();

	module_seamcall(b.mod, 0, &out);
	t.sample[i] = now() - start;
	if (out.rax != TDX_SUCCESS)
		bench_must(&b, 0, in); /* says which */
	return out;
}

#define TIMED(i, leaf, ...) timed(i, (struct tdx_regs){.rax = (leaf), __VA_ARGS__})

/* --- guests --- */

static void guest_exit(uint32_t reason, struct tdx_regs *guest)
{
	const struct vmexit e = {.reason = reason, .instr_len = 4};

	b.m->lp[0].retired = 1000;
	module_vmexit(b.mod, 0, &e, guest);
}

static void enter(const struct bench_td *td)
{
	struct tdx_regs r = {.rax = TDH_VP_ENTER, .rcx = bench_tdvpr_of(td)};
	struct vmcs *vmcs;

	if (module_seamcall(b.mod, 0, &r) != MODULE_TO_GUEST)
		exit(1);
	vmcs = module_vmcs(b.mod, 0);
	vmcs_write(vmcs, VMCS_GUEST_EFER, 0xd01);
	vmcs_set_bits(vmcs, VMCS_GUEST_CS_AR, 1u << 13);
}

static void leave(void)
{
	struct tdx_regs r = {0};

	guest_exit(EXIT_INTERRUPT, &r);
}

/* A TDCALL that stays inside and succeeds. */
static struct tdx_regs tdcall(unsigned i, struct tdx_regs in)
{
	const uint64_t leaf = in.rax;
	int64_t start = now();

	guest_exit(EXIT_TDCALL, &in);
	t.sample[i] = now() - start;
	if (in.rax != TDX_SUCCESS) {
		fprintf(stderr, "TDCALL %llu: %#llx\n", (unsigned long long)leaf,
			(unsigned long long)in.rax);
		exit(1);
	}
	return in;
}

#define TDCALL(i, leaf, ...) tdcall(i, (struct tdx_regs){.rax = (leaf), __VA_ARGS__})

/* --- two TDs --- */

static void build(void)
{
	bench_td_of(&b, &service);
	must(&b, TDH_MR_FINALIZE, .rcx = SERVICE);
	bench_td_of(&b, &target);
	for (unsigned level = 3; level >= 1; level--)
		for (uint64_t i = 0; i < (level == 1 ? LISTS : 1); i++)
			must(&b, TDH_MEM_SEPT_ADD | 1 << 16, .rcx = i << 21 | level, .rdx = TARGET,
			     .r8 = page(), .r9 = page(), .r10 = ~0ull, .r11 = ~0ull);
	for (uint64_t i = 0; i < MOVED; i++)
		must(&b, TDH_MEM_PAGE_ADD, .rcx = i << 12, .rdx = TARGET, .r8 = page(),
		     .r9 = SOURCE);
}

/* --- service TDs --- */

static void keys(const struct tdx_regs *bound)
{
	const struct tdx_regs id = {
		.r10 = bound->r10, .r11 = bound->r11, .r12 = bound->r12, .r13 = bound->r13};
	struct tdx_regs r = id;
	unsigned i;

	r.rcx = bound->rcx;
	enter(&service);
	timed_go(&t);
	for (i = 0; i < TIMED_SAMPLES; i++) {
		r.rax = TDG_SERVTD_RD;
		r.rdx = 0x1110000300000000; /* ATTRIBUTES */
		tdcall(i, r);
	}
	timed_row(&t, "TDG.SERVTD.RD", i, 1, rd);
	timed_go(&t);
	for (i = 0; i < TIMED_SAMPLES; i++) {
		r.rax = TDG_SERVTD_WR;
		r.rdx = 0x9810000300000010 + i % 4; /* MIG_DEC_KEY */
		r.r8 = i + 1;
		r.r9 = ~0ull;
		tdcall(i, r);
	}
	timed_row(&t, "TDG.SERVTD.WR", i, 1, rd);
	leave();
}

static void bind(struct tdx_regs *bound)
{
	unsigned i;

	*bound = must(&b, TDH_SERVTD_BIND, .rcx = TARGET, .rdx = SERVICE);
	timed_go(&t);
	for (i = 0; i < TIMED_SAMPLES; i++)
		TIMED(i, TDH_SERVTD_BIND, .rcx = TARGET, .rdx = SERVICE);
	timed_row(&t, "SERVTD.BIND, again", i, 1, none);
}

/* --- an L2 VM --- */

/* Into the VM and back by a CPUID of its own. */
static void enter_l2(unsigned i)
{
	struct tdx_regs r = {.rax = TDG_VP_ENTER, .rcx = (uint64_t)VM << 52, .rdx = STATE_GPA};
	int64_t start = now();

	guest_exit(EXIT_TDCALL, &r);
	guest_exit(EXIT_CPUID, &r);
	t.sample[i] = now() - start;
	if (r.rax != EXIT_CPUID) {
		fprintf(stderr, "the L2 VM's exit: %#llx\n", (unsigned long long)r.rax);
		exit(1);
	}
}

static void l2(void)
{
	unsigned i;

	enter(&target);
	TDCALL(0, TDG_VP_WR, .rdx = 0x2420000300002012, .r8 = VAPIC_GPA, .r9 = ~0xfffull);
	timed_go(&t);
	for (i = 0; i < TIMED_SAMPLES; i++)
		enter_l2(i);
	timed_row(&t, "TDG.VP.ENTER, CPUID exit", i, 1, none);
	timed_go(&t);
	for (i = 0; i < TIMED_SAMPLES; i++)
		TDCALL(i, TDG_MEM_PAGE_ATTR_WR, .rcx = (uint64_t)(16 + i % MIG_LIST_ENTRIES) << 12,
		       .rdx = 0x80070000, .r8 = 0x7f0000);
	timed_row(&t, "TDG.MEM.PAGE.ATTR.WR", i, 1, none);
	timed_go(&t);
	for (i = 0; i < TIMED_SAMPLES; i++)
		TDCALL(i, TDG_VP_INVEPT, .rcx = 1u << VM);
	timed_row(&t, "TDG.VP.INVEPT", i, 1, none);
	leave();
}

/* --- an export --- */

static void words(uint64_t at, unsigned n, uint64_t first, uint64_t step)
{
	uint64_t *word = machine_ptr(b.m, at);

	for (unsigned i = 0; i < n; i++)
		word[i] = first + i * step;
}

static uint64_t last(unsigned n)
{
	return (uint64_t)(n - 1) << 55;
}

static const uint64_t mbmd = MBMD | (uint64_t)128 << 52;

static void list(unsigned k, enum gpa_operation operation)
{
	words(LIST, MIG_LIST_ENTRIES,
	      gpa_with_operation((uint64_t)k * MIG_LIST_ENTRIES << 12, operation), 1 << 12);
}

static void block_all(void)
{
	for (unsigned k = 0; k < LISTS; k++) {
		list(k, GPA_MIGRATE);
		must(&b, TDH_EXPORT_BLOCKW, .rcx = LIST | last(MIG_LIST_ENTRIES), .rdx = TARGET);
	}
}

static void timed_block(unsigned round)
{
	for (unsigned k = 0; k < LISTS; k++) {
		list(k, GPA_MIGRATE);
		timed_go(&t);
		TIMED(round * LISTS + k, TDH_EXPORT_BLOCKW, .rcx = LIST | last(MIG_LIST_ENTRIES),
		      .rdx = TARGET);
		timed_stop(&t);
	}
}

static void timed_unblock(unsigned round)
{
	timed_go(&t);
	for (uint64_t i = 0; i < MOVED; i++)
		TIMED((unsigned)(round * MOVED + i), TDH_EXPORT_UNBLOCKW, .rcx = i << 12,
		      .rdx = TARGET);
	timed_stop(&t);
}

static void block_and_unblock(void)
{
	for (unsigned r = 0; r < ROUNDS; r++) {
		timed_block(r);
		for (uint64_t i = 0; i < MOVED; i++)
			must(&b, TDH_EXPORT_UNBLOCKW, .rcx = i << 12, .rdx = TARGET);
	}
	timed_row(&t, "EXPORT.BLOCKW, a page", ROUNDS * LISTS, MIG_LIST_ENTRIES, block);
	for (unsigned r = 0; r < ROUNDS; r++) {
		block_all();
		timed_unblock(r);
	}
	timed_row(&t, "EXPORT.UNBLOCKW", ROUNDS * MOVED, 1, block);
}

static void export(void)
{
	unsigned i;

	for (i = 0; i < 2; i++) /* backward and forward */
		must(&b, TDH_MIG_STREAM_CREATE, .rcx = page(), .rdx = TARGET);
	words(BUFFERS, MIG_LIST_ENTRIES, BUFFER, TDX_PAGE_SIZE);
	must(&b, TDH_EXPORT_STATE_IMMUTABLE, .rcx = TARGET, .r8 = mbmd,
	     .r9 = BUFFERS | last(STATE_PAGES));
	block_and_unblock();
	timed_go(&t);
	for (i = 0; i < TIMED_SAMPLES; i++)
		TIMED(i, TDH_EXPORT_TRACK, .rcx = TARGET, .r8 = mbmd);
	timed_row(&t, "EXPORT.TRACK, an epoch", i, 1, none);
	block_all();
	must(&b, TDH_MEM_TRACK, .rcx = TARGET);
	for (unsigned k = 0; k < LISTS; k++) {
		list(k, GPA_MIGRATE);
		words(BUFFERS, MIG_LIST_ENTRIES, BUFFER, TDX_PAGE_SIZE);
		must(&b, TDH_EXPORT_MEM, .rcx = LIST | 1 | last(MIG_LIST_ENTRIES), .rdx = TARGET,
		     .r8 = mbmd, .r9 = BUFFERS, .r11 = MACS, .r12 = MACS + TDX_PAGE_SIZE,
		     .r14 = ATTRIBUTES);
	}
	must(&b, TDH_EXPORT_PAUSE, .rcx = TARGET);
	timed_go(&t);
	for (i = 0; i < TIMED_SAMPLES / 50; i++)
		TIMED(i, TDH_EXPORT_STATE_TD, .rcx = TARGET, .r8 = mbmd,
		      .r9 = BUFFERS | last(STATE_PAGES));
	timed_row(&t, "EXPORT.STATE.TD", i, 1, none);
	must(&b, TDH_EXPORT_ABORT, .rcx = TARGET);
	for (i = 0; i < LISTS; i++) {
		list(i, GPA_MIGRATE);
		timed_go(&t);
		TIMED(i, TDH_EXPORT_RESTORE, .rcx = LIST | last(MIG_LIST_ENTRIES), .rdx = TARGET);
		timed_stop(&t);
	}
	timed_row(&t, "EXPORT.RESTORE, a page", LISTS, MIG_LIST_ENTRIES, block);
}

int main(void)
{
	struct tdx_regs bound;

	timed_begin(&t);
	bench_ready(&b);
	memset(machine_ptr(b.m, PAGES), 0, (MOVED + 64) * TDX_PAGE_SIZE);
	build();
	timed_head(&t, "the like");
	bind(&bound);
	must(&b, TDH_MR_FINALIZE, .rcx = TARGET);
	keys(&bound);
	l2();
	export();
	bench_free(&b);
	return 0;
}
