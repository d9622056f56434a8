/* SPDX-License-Identifier: MIT */
/* A guest's exits against the monitor: TDVMCALLs, EPT violations, MSRs, IPIs and timers, in streams
 * of two vCPUs, while the host converts, kicks and looks.
 *
 * What counts: each turn ends in little time; the monitor takes no more memory than the guest has,
 * its tables and a little; the teardown ends, and everything is back. With a fuzzing engine the
 * input is its; without one, random: fuzz_exits [INPUTS [SEED]]. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <swtdx/model.h>
#include <swtdx/native.h>
#include <swtdx/vmm.h>

#include "abi/ghci.h"
#include "machine/machine.h"
#include "port/model.h"

enum {
	VCPUS = 2,
	CPUS = 2,
	RAM = 2 << 20,
	TURNS = 2000,	 /* into a vCPU, an input */
	IDLE_TURNS = 4,	 /* interrupted while it waits */
	LIMIT_S = 120,	 /* an input, whatever the machine does besides */
	CPU_LIMIT_S = 1, /* processor time without a step of the guest */
	KICK_NS = 2000000,
	SPARE_PAGES = 256, /* in vCPUs' caches, and tables */
	MAX_INPUT = 4096,
	PORT_DONE = 0x80,
	SWEEP = 2 * (RAM >> 12) + 2 * SPARE_PAGES,
};
#define SHARED (1ull << 47)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stream {
	const uint8_t *at, *end;
	_Atomic unsigned steps;
	_Atomic bool waits;
};

static struct world {
	struct tdx_model *model;
	struct tdx_vmm *vmm;
	const struct tdx_port *cpu[CPUS];
	struct stream stream[VCPUS];
	struct tdx_vcpu *_Atomic vcpu[VCPUS];
	pthread_mutex_t kicking;
	uint64_t total;
	unsigned words; /* of complaint, in this input */
} w = {.kicking = PTHREAD_MUTEX_INITIALIZER};

static void __attribute__((noreturn)) found(const char *what)
{
	fprintf(stderr, "fuzz_exits: %s\n", what);
	abort();
}

static void too_long(int sig)
{
	static const char text[] = "fuzz_exits: it does not end\n";

	(void)sig;
	if (write(2, text, sizeof(text) - 1) > 0)
		abort();
	abort();
}

/* --- the guest --- */

static uint64_t take(struct stream *s, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes && s->at < s->end; i++)
		v |= (uint64_t)*s->at++ << 8 * i;
	return v;
}

/* Small and large numbers, near edges. */
static uint64_t number(struct stream *s)
{
	uint8_t how = (uint8_t)take(s, 1);

	switch (how >> 6) {
	case 0:
		return how & 63;
	case 1:
		return (1ull << (how & 63)) - (take(s, 1) & 1);
	case 2:
		return take(s, 2) << (how & 63);
	default:
		return take(s, 8);
	}
}

static uint64_t address(struct stream *s)
{
	uint8_t how = (uint8_t)take(s, 1);
	uint64_t at = how & 1 ? SHARED : 0;

	switch (how >> 1 & 3) {
	case 0:
		return at | (take(s, 2) % (RAM / 4096 * 17 / 16)) << 12; /* RAM, a little beyond */
	case 1:
		return at | ((1ull << 32) + (take(s, 2) << 21));
	case 2:
		return at | take(s, 4) << 12;
	default:
		return at | (take(s, 6) & (SHARED - 1));
	}
}

static uint64_t vmcall(struct tdx_native_cpu *cpu, uint64_t leaf, uint64_t r12, uint64_t r13,
		       uint64_t r14, uint64_t r15)
{
	struct tdx_regs r = {.rax = TDG_VP_VMCALL,
			     .rcx = 0xfc00,
			     .r11 = leaf,
			     .r12 = r12,
			     .r13 = r13,
			     .r14 = r14,
			     .r15 = r15};

	tdx_native_tdcall(cpu, &r);
	return r.r10;
}

static void tdcall(struct tdx_native_cpu *cpu, unsigned leaf, uint64_t rcx, uint64_t rdx)
{
	struct tdx_regs r = {.rax = leaf, .rcx = rcx, .rdx = rdx};

	tdx_native_tdcall(cpu, &r);
}

static void apic(struct tdx_native_cpu *cpu, struct stream *s)
{
	static const uint16_t msr[] = {0x832, 0x838, 0x83e, 0x6e0, 0x830, 0x80f, 0x82f, 0x837};
	uint8_t which = (uint8_t)take(s, 1);

	vmcall(cpu, TDVMCALL_WRMSR, msr[which & 7], which & 8 ? number(s) : take(s, 3), 0, 0);
}

/* A timer of any mode, mostly a fast one. */
static void arm(struct tdx_native_cpu *cpu, struct stream *s)
{
	uint8_t how = (uint8_t)take(s, 1);

	vmcall(cpu, TDVMCALL_WRMSR, 0x83e, how & 15, 0, 0);
	vmcall(cpu, TDVMCALL_WRMSR, 0x832, 0x40 | (how >> 4 & 3ull) << 17, 0, 0);
	vmcall(cpu, TDVMCALL_WRMSR, 0x838, take(s, 1) & (how & 64 ? 7 : 255), 0, 0);
}

static void touch(struct tdx_native_cpu *cpu, struct stream *s)
{
	uint64_t at = address(s), step = take(s, 1) & 1 ? 1ull << 21 : 1ull << 12, word = 0;
	unsigned k = (unsigned)take(s, 1);
	/* now and then more than the tables of all that is allowed */
	unsigned n = k % 8 == 7 ? SWEEP : 1 + 2 * k;
	bool forgets = take(s, 1) % 16 == 0; /* what its handler is for */

	for (unsigned i = 0; i < n; i++, at += step) {
		tdx_native_read(cpu, gpa(at), &word, 4);
		if (!forgets)
			tdcall(cpu, TDG_VP_VEINFO_GET, 0, 0);
	}
}

static void step(struct tdx_native_cpu *cpu, struct stream *s)
{
	uint64_t at, word;

	switch (take(s, 1) & 15) {
	case 0:
		apic(cpu, s);
		break;
	case 1:
		arm(cpu, s);
		break;
	case 2:
		touch(cpu, s);
		break;
	case 3:
		at = address(s);
		tdx_native_write(cpu, gpa(at), &word, 4);
		break;
	case 4:
		at = address(s) & ~0xfffull;
		vmcall(cpu, TDVMCALL_MAP_GPA, at, (take(s, 1) + 1) << 12, 0, 0);
		break;
	case 5:
		vmcall(cpu, TDVMCALL_MAP_GPA, address(s), number(s), 0, 0);
		break;
	case 6:
		at = address(s) & ~0xfffull;
		tdcall(cpu, TDG_MEM_PAGE_ACCEPT, at | (take(s, 1) & 3), 0);
		break;
	case 7:
		vmcall(cpu, TDVMCALL_GET_QUOTE, address(s), number(s), 0, 0);
		break;
	case 8:
		vmcall(cpu, take(s, 1) & 1 ? TDVMCALL_RDMSR : TDVMCALL_WRMSR, number(s), number(s),
		       0, 0);
		break;
	case 9:
		vmcall(cpu, TDVMCALL_IO, 1u << (take(s, 1) & 3), take(s, 1) & 1, take(s, 2) | 0x100,
		       number(s));
		break;
	case 10:
		vmcall(cpu, TDVMCALL_MMIO, 1u << (take(s, 1) & 3), take(s, 1) & 1, address(s),
		       number(s));
		break;
	case 11:
		s->waits = true;
		vmcall(cpu, TDVMCALL_HLT, take(s, 1) & 1, 0, 0, 0);
		s->waits = false;
		break;
	case 12:
		vmcall(cpu, number(s), number(s), number(s), number(s), number(s));
		break;
	case 13:
		tdcall(cpu, (unsigned)take(s, 1) & 63, address(s), number(s));
		break;
	case 14:
		tdcall(cpu, TDG_VP_VEINFO_GET, 0, 0);
		break;
	default:
		tdx_native_poll(cpu);
	}
}

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	struct tdx_regs info = {.rax = TDG_VP_INFO};
	struct stream *s;

	(void)arg;
	tdx_native_tdcall(cpu, &info);
	s = &w.stream[info.r9 % VCPUS];
	while (s->at < s->end) {
		s->steps++;
		step(cpu, s);
	}
	for (;;)
		vmcall(cpu, TDVMCALL_IO, 1, 1, PORT_DONE, 0);
}

/* --- the host --- */

static void on_log(void *arg, const char *line)
{
	(void)arg;
	(void)line;
	w.words++;
}

static void *kick(void *arg)
{
	const struct timespec pause = {0, KICK_NS};

	(void)arg;
	for (;;) {
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&w.kicking);
		for (unsigned i = 0; i < VCPUS; i++)
			if (w.vcpu[i])
				tdx_vcpu_kick(w.vcpu[i]);
		pthread_mutex_unlock(&w.kicking);
	}
	return NULL;
}

static void power_on(void)
{
	struct tdx_range map[TDX_MAX_CMRS];
	struct tdx_range memory[TDX_MAX_CMRS];
	struct tdx_vmm_config cfg = {.cpus = w.cpu, .ncpus = CPUS, .memory = memory, .log = on_log};
	struct machine_config mc;
	struct tdx_vmm_memory m;
	char err[256] = "";
	pthread_t thread;

	machine_default_config(&mc);
	mc.ncmr = 1;
	mc.cmr[0] = (struct machine_range){1ull << 30, 128ull << 20};
	mc.mem_end = mc.cmr[0].base + mc.cmr[0].size;
	mc.lps = CPUS;
	w.model = tdx_model_new_from(&mc, err, sizeof(err));
	if (!w.model)
		found(err);
	tdx_model_set_engine(w.model, tdx_native_engine_new(guest, NULL));
	tdx_model_set_real_time(w.model);
	for (unsigned i = 0; i < CPUS; i++)
		w.cpu[i] = tdx_model_port(w.model, i);
	cfg.nranges = tdx_model_memory(w.model, map, TDX_MAX_CMRS);
	for (unsigned i = 0; i < cfg.nranges; i++)
		memory[i] = (struct tdx_range){map[i].base, map[i].size};
	if (tdx_vmm_new(&cfg, &w.vmm, err, sizeof(err)))
		found(err);
	tdx_vmm_memory(w.vmm, &m);
	w.total = m.free_pages;
	signal(SIGALRM, too_long);
	if (pthread_create(&thread, NULL, kick, NULL))
		found("no thread");
	pthread_detach(thread);
}

static struct tdx_vm *build(void)
{
	const struct tdx_host_info *info = tdx_vmm_info(w.vmm);
	struct tdx_vm_params p = {.attributes = TDX_ATTR_SEPT_VE_DISABLE,
				  .xfam = (info->xfam_fixed1 | 3) & info->xfam_fixed0,
				  .max_vcpus = VCPUS,
				  .irqchip = true,
				  .huge_pages = true};
	static const uint8_t page[4096];
	struct tdx_vm *vm;
	struct tdx_vcpu *v;

	if (tdx_vm_new(w.vmm, &vm) || tdx_vm_init(vm, &p) ||
	    tdx_vm_set_memslot(vm, 0, gpa(0), RAM) || tdx_vm_add_page(vm, gpa(0), page, false))
		found("the TD cannot be built");
	for (unsigned i = 0; i < VCPUS; i++) {
		if (tdx_vcpu_new(vm, i, &v) || tdx_vcpu_init(v, 0))
			found("a vCPU cannot be built");
		w.vcpu[i] = v;
	}
	if (tdx_vm_finalize(vm))
		found("the TD cannot be finalized");
	return vm;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The user's part; false: this vCPU is done. */
static bool answer(struct tdx_vm *vm, struct tdx_run *run)
{
	struct tdx_quote_job job;

	switch (run->exit) {
	case TDX_EXIT_IO:
		return run->io.port != PORT_DONE;
	case TDX_EXIT_GET_QUOTE:
		if (tdx_vm_quote_take(vm, run, &job) == 0)
			tdx_vm_quote_give(vm, &job, NULL);
		return true;
	case TDX_EXIT_MEMORY_FAULT:
		return tdx_vm_set_private(vm, run->memory_fault.gpa, run->memory_fault.size,
					  run->memory_fault.private_) == 0;
	case TDX_EXIT_INTR:
	case TDX_EXIT_MMIO:
	case TDX_EXIT_MAP_GPA:
	case TDX_EXIT_TDVMCALL:
	case TDX_EXIT_HYPERCALL:
		return true;
	case TDX_EXIT_HLT:
	case TDX_EXIT_SYSTEM_EVENT:
	case TDX_EXIT_SHUTDOWN:
	case TDX_EXIT_DEBUG:
	case TDX_EXIT_FAIL_ENTRY:
	case TDX_EXIT_INTERNAL_ERROR:
		break;
	}
	return false;
}

static void run(struct tdx_vm *vm)
{
	bool live[VCPUS] = {true, true};
	unsigned idle[VCPUS] = {0}, last[VCPUS] = {0};
	struct tdx_run runs[VCPUS] = {0};
	double since = cpu_seconds();

	for (unsigned turn = 0; turn < TURNS && (live[0] || live[1]); turn++) {
		unsigned i = turn % VCPUS;
		struct tdx_run *r = &runs[i]; /* with the answer to its last exit */

		if (!live[i])
			continue;
		if (tdx_vcpu_run(w.vcpu[i], -1, r))
			return;
		live[i] = answer(vm, r);
		if (w.stream[i].steps != last[i]) {
			last[i] = w.stream[i].steps;
			since = cpu_seconds();
			idle[i] = 0;
		} else if (r->exit == TDX_EXIT_INTR && w.stream[i].waits &&
			   ++idle[i] == IDLE_TURNS) {
			live[i] = false;
		} else if (cpu_seconds() - since > (double)CPU_LIMIT_S) {
			found("a vCPU is entered again and again and comes to nothing");
		}
	}
}

static void check_memory(uint64_t before, uint64_t used)
{
	/* Each page once private and once shared. */
	if (used > before + 2 * (RAM >> 12) + SPARE_PAGES)
		found("the monitor takes more memory than the guest has");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_vmm_memory built, m;
	uint64_t count[16];
	struct tdx_vm *vm;

	if (size > MAX_INPUT)
		return 0;
	if (!w.model)
		power_on();
	alarm(LIMIT_S);
	w.words = 0;
	for (unsigned i = 0; i < VCPUS; i++) {
		w.stream[i].at = data + size * i / VCPUS;
		w.stream[i].end = data + size * (i + 1) / VCPUS;
		w.stream[i].steps = 0;
		w.stream[i].waits = false;
	}
	pthread_mutex_lock(&w.kicking);
	vm = build();
	pthread_mutex_unlock(&w.kicking);
	tdx_vmm_memory(w.vmm, &built);
	run(vm);
	tdx_vmm_memory(w.vmm, &m);
	check_memory(built.used_pages, m.used_pages);
	if (w.words > 4)
		found("the log grows");
	pthread_mutex_lock(&w.kicking);
	for (unsigned i = 0; i < VCPUS; i++)
		w.vcpu[i] = NULL;
	tdx_vm_destroy(vm);
	pthread_mutex_unlock(&w.kicking);
	alarm(0);
	tdx_vmm_memory(w.vmm, &m);
	if (m.used_pages || m.free_pages != w.total || tdx_model_pages(w.model, count) ||
	    tdx_model_stale_lines(w.model))
		found("not everything came back");
	return 0;
}
