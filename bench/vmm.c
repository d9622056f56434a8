/* SPDX-License-Identifier: MIT */
/* The monitor: private faults with one vCPU and two, removal in batches and one by one, and the end
 * of a TD of 1 GiB beside clearing 1 GiB with 64-byte stores; several rounds, interleaved with
 * their peers. Other programs take processors away: of the faults the best hundredth of a second of
 * a round counts, and the median of the rounds; of the rest the thread's processor time. */
#include <emmintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <swtdx/model.h>
#include <swtdx/vmm.h>

#include "abi/ghci.h"
#include "engine/native/native.h"
#include "median.h"
#include "port/model.h"
#include "vmm/mmu.h"

enum {
	ROUNDS = 5,
	FAULT_ROUNDS = 60,
	FAULTS = 65536,
	MARK = 32,
	MARKS = FAULTS / MARK,
	MAX_VCPUS = 2,
	BATCH_PAGES = 262144
};
#define WINDOW 1e-2 /* seconds; a shorter one counts too few marks */
#define GIB    (1ull << 30)
#define FIRST  GIB /* the guests' pages: GPA from here, 1 GiB a vCPU */

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "bench_vmm: %s: %d\n", what, err);
	exit(1);
}

/* --- the machine --- */

struct bench {
	struct tdx_model *model;
	struct tdx_vmm *vmm;
	struct tdx_vm *vm;
	struct tdx_vcpu *vcpu[MAX_VCPUS];
	double mark[MAX_VCPUS][MARKS + 1]; /* when each MARK faults were done */
};

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	struct tdx_regs who = {.rax = TDG_VP_INFO};
	struct bench *b = arg;
	unsigned n;
	uint64_t base;

	tdx_native_tdcall(cpu, &who);
	n = who.r9 & (MAX_VCPUS - 1);
	base = FIRST + GIB * n;
	b->mark[n][0] = now(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < FAULTS; i++) {
		struct tdx_regs r = {.rax = TDG_MEM_PAGE_ACCEPT, .rcx = base + i * 4096ull};

		tdx_native_tdcall(cpu, &r);
		if (r.rax)
			abort();
		if ((i + 1) % MARK == 0)
			b->mark[n][(i + 1) / MARK] = now(CLOCK_MONOTONIC);
	}
	for (;;) {
		struct tdx_regs r = {
			.rax = TDG_VP_VMCALL, .rcx = 0x1c00, .r11 = TDVMCALL_HLT, .r12 = 1};

		tdx_native_tdcall(cpu, &r);
	}
}

static void power_on(struct bench *b, unsigned errata)
{
	const struct tdx_port *cpus[MAX_VCPUS];
	struct tdx_range map[TDX_MAX_CMRS];
	struct tdx_range memory[TDX_MAX_CMRS];
	struct tdx_vmm_config cfg = {
		.cpus = cpus, .ncpus = MAX_VCPUS, .memory = memory, .errata = errata};
	struct machine_config mc;
	char err[256] = "";

	machine_default_config(&mc);
	mc.lps = MAX_VCPUS;
	b->model = tdx_model_new_from(&mc, err, sizeof(err));
	check(!b->model, err);
	b->model->sys->m->tsc_step = 0; /* processors with a clock each, as they are */
	tdx_model_set_engine(b->model, tdx_native_engine_new(guest, b));
	for (unsigned i = 0; i < MAX_VCPUS; i++)
		cpus[i] = tdx_model_port(b->model, i);
	cfg.nranges = tdx_model_memory(b->model, map, TDX_MAX_CMRS);
	for (unsigned i = 0; i < cfg.nranges; i++)
		memory[i] = (struct tdx_range){map[i].base, map[i].size};
	check(tdx_vmm_new(&cfg, &b->vmm, err, sizeof(err)), err);
}

static void build(struct bench *b, unsigned nvcpus)
{
	const struct tdx_host_info *info = tdx_vmm_info(b->vmm);
	struct tdx_vm_params p = {.attributes = TDX_ATTR_SEPT_VE_DISABLE,
				  .xfam = (info->xfam_fixed1 | 0xe7) & info->xfam_fixed0,
				  .max_vcpus = MAX_VCPUS};

	check(tdx_vm_new(b->vmm, &b->vm), "new");
	check(tdx_vm_init(b->vm, &p), "init");
	check(tdx_vm_set_memslot(b->vm, 0, gpa(FIRST), MAX_VCPUS * GIB), "memslot");
	for (unsigned i = 0; i < nvcpus; i++) {
		check(tdx_vcpu_new(b->vm, i, &b->vcpu[i]), "vcpu");
		check(tdx_vcpu_init(b->vcpu[i], 0), "vcpu init");
	}
	check(tdx_vm_finalize(b->vm), "finalize");
}

/* --- faults --- */

struct run {
	struct bench *b;
	unsigned n;
	pthread_t thread;
	pthread_barrier_t *start;
};

static void *run_vcpu(void *arg)
{
	struct run *r = arg;
	struct tdx_run run;
	cpu_set_t set;

	/* One processor each; it does not matter if that is refused. */
	CPU_ZERO(&set);
	CPU_SET(r->n, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	pthread_barrier_wait(r->start);
	do
		check(tdx_vcpu_run(r->b->vcpu[r->n], (int)r->n, &run), "run");
	while (run.exit != TDX_EXIT_HLT);
	return NULL;
}

/* Faults of the vCPU in the window that begins at t. */
static unsigned in_window(const double *mark, double t, unsigned *from)
{
	unsigned to;

	while (*from < MARKS && mark[*from] < t)
		++*from;
	for (to = *from; to < MARKS && mark[to + 1] < t + WINDOW; to++)
		continue;
	return (to - *from) * MARK;
}

/* Faults a second of all vCPUs in the best window. */
static double best_window(const struct bench *b, unsigned nvcpus)
{
	unsigned best = 0, from[MAX_VCPUS] = {0};

	for (unsigned i = 0; i < MARKS; i++) {
		double t = b->mark[0][i];
		unsigned sum = 0;

		for (unsigned n = 0; n < nvcpus; n++)
			sum += in_window(b->mark[n], t, &from[n]);
		best = sum > best ? sum : best;
	}
	return best / WINDOW;
}

static double faults(struct bench *b, unsigned nvcpus)
{
	struct run r[MAX_VCPUS];
	pthread_barrier_t start;

	build(b, nvcpus);
	pthread_barrier_init(&start, NULL, nvcpus);
	for (unsigned i = 0; i < nvcpus; i++) {
		r[i] = (struct run){.b = b, .n = i, .start = &start};
		pthread_create(&r[i].thread, NULL, run_vcpu, &r[i]);
	}
	for (unsigned i = 0; i < nvcpus; i++)
		pthread_join(r[i].thread, NULL);
	pthread_barrier_destroy(&start);
	tdx_vm_destroy(b->vm);
	return best_window(b, nvcpus);
}

static void bench_faults(void)
{
	static struct bench b;
	double rate[MAX_VCPUS][FAULT_ROUNDS], ratio[FAULT_ROUNDS];

	power_on(&b, 0);
	for (unsigned i = 0; i < FAULT_ROUNDS; i++) {
		for (unsigned n = 0; n < MAX_VCPUS; n++)
			rate[n][i] = faults(&b, n + 1);
		ratio[i] = rate[1][i] / rate[0][i];
	}
	printf("private faults, 1 vCPU   %9.0f /s\n", median(rate[0], FAULT_ROUNDS));
	printf("private faults, 2 vCPUs  %9.0f /s  %.2f times (at least 1.70)\n",
	       median(rate[1], FAULT_ROUNDS), median(ratio, FAULT_ROUNDS));
	tdx_vmm_free(b.vmm);
	tdx_model_free(b.model);
}

/* --- removal and the end --- */

static void populate(struct bench *b)
{
	struct page_cache cache = {0};

	for (uint64_t i = 0; i < BATCH_PAGES; i++)
		check(mmu_map_private(b->vm, &cache, (FIRST >> 12) + i, TDX_LEVEL_4K, NULL, -1) !=
			      MMU_OK,
		      "mapping");
	page_cache_drain(&b->vmm->pages, &cache);
}

static double remove_all(struct bench *b, bool batched)
{
	double start;

	build(b, 1);
	populate(b);
	start = now(CLOCK_THREAD_CPUTIME_ID);
	if (batched)
		check(tdx_vm_set_private(b->vm, gpa(FIRST), GIB, false), "removal");
	for (uint64_t i = 0; i < BATCH_PAGES && !batched; i++)
		check(tdx_vm_set_private(b->vm, gpa(FIRST + i * 4096), 4096, false), "removal");
	start = now(CLOCK_THREAD_CPUTIME_ID) - start;
	tdx_vm_destroy(b->vm);
	return start;
}

static double destroy(struct bench *b)
{
	double start;

	build(b, 1);
	populate(b);
	start = now(CLOCK_THREAD_CPUTIME_ID);
	tdx_vm_destroy(b->vm);
	return now(CLOCK_THREAD_CPUTIME_ID) - start;
}

/* Whole lines, past the caches: what MOVDIR64B does, with what every processor has. */
static double clear(void *p)
{
	const __m128i zero = _mm_setzero_si128();
	double start = now(CLOCK_THREAD_CPUTIME_ID);
	__m128i *line = p;

	for (uint64_t i = 0; i < GIB / 16; i += 4) {
		_mm_stream_si128(line + i, zero);
		_mm_stream_si128(line + i + 1, zero);
		_mm_stream_si128(line + i + 2, zero);
		_mm_stream_si128(line + i + 3, zero);
	}
	_mm_sfence();
	return now(CLOCK_THREAD_CPUTIME_ID) - start;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static void bench_removal(void)
{
	double batched = 1e9, single = 1e9;
	static struct bench b;

	power_on(&b, 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		batched = least(batched, remove_all(&b, true));
		single = least(single, remove_all(&b, false));
	}
	printf("removal of 1 GiB, batched     %7.1f ms\n", batched * 1e3);
	printf("removal of 1 GiB, one by one  %7.1f ms  %.2f times\n", single * 1e3,
	       single / batched);
	tdx_vmm_free(b.vmm);
	tdx_model_free(b.model);
}

static void bench_destroy(void)
{
	for (unsigned erratum = 0; erratum < 2; erratum++) {
		void *p =
			mmap(NULL, GIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		double end = 1e9, peer = 1e9;
		static struct bench b;

		check(p == MAP_FAILED, "1 GiB of memory");
		memset(p, 1, GIB);
		power_on(&b, erratum ? TDX_HOST_PARTIAL_WRITE_MCE : 0);
		for (unsigned i = 0; i < ROUNDS; i++) {
			end = least(end, destroy(&b));
			peer = least(peer, clear(p));
		}
		printf("end of a TD of 1 GiB, %s  %7.1f ms  %.2f times clearing it with 64-byte "
		       "stores (%.1f ms; at most %.1f)\n",
		       erratum ? "pages cleared    " : "pages not cleared", end * 1e3, end / peer,
		       peer * 1e3, erratum ? 2.0 : 1.5);
		munmap(p, GIB);
		tdx_vmm_free(b.vmm);
		tdx_model_free(b.model);
	}
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;

	if (!only || !strcmp(only, "faults"))
		bench_faults();
	if (!only || !strcmp(only, "removal"))
		bench_removal();
	if (!only || !strcmp(only, "end"))
		bench_destroy();
	return 0;
}
