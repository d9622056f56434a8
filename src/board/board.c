/* SPDX-License-Identifier: MIT */
/* Power on, the threads, and the end. */
#include "board/internal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <swtdx/x86.h>

#include "engine/execution.h"

#define LOW_END	     0x7b000000ull /* of RAM below 4 GiB; what follows is reserved to 2 GiB */
#define RESERVED_END 0x80000000ull
#define HIGH	     0x100000000ull
#define MIB	     0x100000ull

static int64_t wall_clock(void *arg)
{
	(void)arg;
	return (int64_t)time(NULL);
}

/* Without the host's clock it is always the same day. */
#define VIRTUAL_EPOCH 1767225600 /* 2026-01-01 */

static int64_t virtual_clock(void *arg)
{
	const struct board *b = arg;

	return (int64_t)(VIRTUAL_EPOCH + atomic_load_explicit(&b->m->tsc, memory_order_relaxed) /
						 b->m->cfg.platform->tsc_hz);
}

static uint64_t ticks_now(void *arg)
{
	struct board *b = arg;

	return machine_rdtsc(&b->m->lp[0]);
}

/* A page that held code of the host is the module's now. */
static void module_wrote(void *code, const void *page)
{
	x86_code_written(code, page);
}

static void set_config(const struct board_config *cfg, struct machine_config *mc)
{
	machine_default_config(mc);
	mc->lps = cfg->cpus;
	mc->pkgs = cfg->packages;
	mc->lazy_zero = true;
	mc->partial_write_mce = cfg->partial_write;
	if (cfg->seed)
		mc->seed = cfg->seed;
	if (cfg->memory) { /* the second range, above 4 GiB, takes what the first leaves */
		uint64_t low = mc->cmr[0].size;
		uint64_t high = cfg->memory > low
					? (cfg->memory - low + TDX_SIZE_1G - 1) & ~(TDX_SIZE_1G - 1)
					: TDX_SIZE_1G;

		mc->cmr[1].size = high;
		mc->mem_end = mc->cmr[1].base + high;
	}
}

static bool start_cpu(struct board *b, unsigned i)
{
	struct board_cpu *c = &b->cpu[i];

	c->board = b;
	c->id = i;
	c->lp = &b->m->lp[i];
	c->lp->call = MACHINE_CALL_HOST;
	c->vmcs_pa = BOARD_NO_VMCS;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	pthread_cond_init(&c->turn, NULL);
	pthread_mutex_init(&c->san.lock, NULL);
	c->x86 = x86_cpu_new(b->code, &board_x86_ops, c);
	if (!c->x86)
		return false;
	c->x86->maxpa = (uint8_t)(board_cpuid(c, 0x80000008, 0).eax & 0xff);
	x86_cpuid_changed(c->x86);
	board_msrs_start(c);
	board_apic_start(c);
	return true;
}

static bool start(struct board *b, char *err, size_t errlen)
{
	struct machine_config mc;
	struct tdx_engine *engine;
	uint64_t vmx_basic;

	set_config(&b->cfg, &mc);
	b->sys = system_new(&mc, err, errlen);
	if (!b->sys)
		return false;
	snprintf(err, errlen, "out of memory");
	b->m = b->sys->m;
	if (!b->cfg.seamret_loses_vmcs && machine_rdmsr(&b->m->lp[0], MSR_VMX_BASIC, &vmx_basic))
		machine_override_msr(b->m, -1, MSR_VMX_BASIC,
				     vmx_basic | VMX_BASIC_NO_SEAMRET_INVD_VMCS);
	if (!b->cfg.virtual_clock)
		system_set_real_time(b->sys);
	engine = tdx_x86_engine_new(NULL, NULL);
	b->code = x86_code_new();
	b->timers = timers_new(ticks_now, b, b->m->cfg.platform->tsc_hz);
	if (!engine || !b->code || !b->timers) {
		if (engine)
			engine->ops->free(engine);
		return false;
	}
	/* Where memory cannot be had for it, all is interpreted. */
	tdx_x86_engine_execute(engine, b->cfg.execution);
	execution_set(b->code, b->cfg.execution);
	system_set_engine(b->sys, engine);
	b->engine = engine;
	b->m->acknowledge = board_acknowledge;
	b->m->eoi = board_eoi;
	b->m->self_ipi = board_self_ipi;
	b->m->acknowledge_arg = b;
	b->m->listener[MACHINE_TELL_HOST] = (struct machine_listener){module_wrote, b->code};
	if (b->cfg.report && !board_sanitizer_start(b))
		return false;
	clock_init(&b->clock, b->cfg.virtual_clock ? virtual_clock : wall_clock, b);
	board_devices_start(b);
	for (unsigned i = 0; i < b->ncpus; i++)
		if (!start_cpu(b, i))
			return false;
	if (b->cfg.virtual_clock)
		board_turns_start(b, mc.seed);
	if (!board_firmware_build(b)) {
		snprintf(err, errlen, "more processors than the ACPI tables have room for");
		return false;
	}
	return true;
}

struct board *board_new(const struct board_config *cfg, char *err, size_t errlen)
{
	struct board *b;

	if (!cfg->cpus || cfg->cpus > MACHINE_MAX_LPS || !cfg->packages ||
	    cfg->packages > cfg->cpus || cfg->packages > MACHINE_MAX_PKGS) {
		snprintf(err, errlen, "%u processors in %u packages cannot be", cfg->cpus,
			 cfg->packages);
		return NULL;
	}
	if (cfg->memory && (cfg->memory < BOARD_MEMORY_LEAST || cfg->memory > BOARD_MEMORY_MOST)) {
		snprintf(err, errlen, "%llu MiB of memory; a machine has %llu to %llu",
			 cfg->memory / MIB, BOARD_MEMORY_LEAST / MIB, BOARD_MEMORY_MOST / MIB);
		return NULL;
	}
	b = calloc(1, sizeof(*b) + cfg->cpus * sizeof(b->cpu[0]));
	if (!b) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	b->cfg = *cfg;
	/* Now: who runs others' code may give up opening files. */
	b->pagemap = cfg->paused ? open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
	b->ncpus = cfg->cpus;
	b->per_package = (cfg->cpus + cfg->packages - 1) / cfg->packages;
	while (1u << b->core_shift < b->per_package)
		b->core_shift++;
	pthread_mutex_init(&b->io, NULL);
	pthread_mutex_init(&b->turns.lock, NULL);
	pthread_mutex_init(&b->mailbox_lock, NULL);
	pthread_cond_init(&b->mailbox, NULL);
	pthread_mutex_init(&b->rest.lock, NULL);
	pthread_cond_init(&b->rest.go, NULL);
	if (!start(b, err, errlen)) {
		board_free(b);
		return NULL;
	}
	return b;
}

void board_free(struct board *b)
{
	if (!b)
		return;
	if (b->timers)
		timers_free(b->timers);
	for (unsigned i = 0; i < b->ncpus; i++) {
		if (!b->cpu[i].board)
			continue;
		x86_cpu_free(b->cpu[i].x86);
		pthread_mutex_destroy(&b->cpu[i].lock);
		pthread_cond_destroy(&b->cpu[i].wake);
		pthread_cond_destroy(&b->cpu[i].turn);
		pthread_mutex_destroy(&b->cpu[i].san.lock);
	}
	if (b->virtio.ops)
		virtio_bank_destroy(&b->virtio);
	board_sanitizer_free(b);
	if (b->pagemap >= 0)
		close(b->pagemap);
	x86_code_free(b->code);
	system_free(b->sys);
	pthread_mutex_destroy(&b->io);
	pthread_mutex_destroy(&b->turns.lock);
	pthread_mutex_destroy(&b->mailbox_lock);
	pthread_cond_destroy(&b->mailbox);
	pthread_mutex_destroy(&b->rest.lock);
	pthread_cond_destroy(&b->rest.go);
	free(b->loaded_ram);
	free(b);
}

unsigned board_map(const struct board *b, struct board_range *range, unsigned max)
{
	const struct board_range map[] = {
		{0, BOARD_RESERVED, true},
		{BOARD_RESERVED, MIB - BOARD_RESERVED, false},
		{MIB, LOW_END - MIB, true},
		{LOW_END, RESERVED_END - LOW_END, false},
		{HIGH, b->m->cfg.mem_end - HIGH, true},
	};
	const unsigned n = sizeof(map) / sizeof(map[0]);

	for (unsigned i = 0; i < n && i < max; i++)
		range[i] = map[i];
	return n;
}

void *board_ram(const struct board *b, uint64_t pa, uint64_t len)
{
	if (len > b->m->cfg.mem_end || pa > b->m->cfg.mem_end - len ||
	    (pa + len > LOW_END && pa < HIGH))
		return NULL;
	return machine_ptr(b->m, pa);
}

uint64_t board_rsdp(const struct board *b)
{
	return b->rsdp;
}

void board_ends(struct board *b, enum board_end end, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&b->io);
	if (!atomic_load(&b->ended)) {
		b->end = end;
		va_start(ap, fmt);
		vsnprintf(b->reason, sizeof(b->reason), fmt, ap);
		va_end(ap);
	}
	atomic_store(&b->ended, true);
	pthread_mutex_unlock(&b->io);
	if (b->cfg.debug)
		b->cfg.debug->ending(b->cfg.debug_arg);
	for (unsigned i = 0; i < b->ncpus; i++)
		board_cpu_wake(&b->cpu[i]);
	board_turns_end(b);
	board_rest_ends(b);
	pthread_mutex_lock(&b->mailbox_lock);
	pthread_cond_broadcast(&b->mailbox);
	pthread_mutex_unlock(&b->mailbox_lock);
}

void board_stop(struct board *b, const char *why)
{
	board_ends(b, BOARD_STUCK, "%s", why);
}

enum board_end board_run(struct board *b, uint64_t entry)
{
	if (!b->loaded) {
		board_firmware_enter(&b->cpu[0], entry);
		b->cpu[0].at = BOARD_AT_CODE;
	}
	for (unsigned i = 0; i < b->ncpus; i++)
		board_cpu_begin(&b->cpu[i]);
	for (unsigned i = 1; i < b->ncpus; i++) {
		struct board_cpu *c = &b->cpu[i];

		c->started = pthread_create(&c->thread, NULL, board_firmware_wait, c) == 0;
		if (!c->started)
			board_ends(b, BOARD_STUCK, "no thread for processor %u", i);
	}
	board_cpu_loop(&b->cpu[0]);
	board_debug_gone(&b->cpu[0]);
	if (!atomic_load(&b->ended))
		board_ends(b, BOARD_STUCK, "the first processor went back to its firmware");
	for (unsigned i = 1; i < b->ncpus; i++)
		if (b->cpu[i].started)
			pthread_join(b->cpu[i].thread, NULL);
	return b->end;
}

const char *board_reason(const struct board *b)
{
	return b->reason;
}

struct system *board_system(struct board *b)
{
	return b->sys;
}

struct module *board_module(struct board *b)
{
	return b->sys->mod;
}

int board_inject(struct board *b, const struct tdx_fault *fault)
{
	return system_inject(b->sys, fault);
}

uint64_t board_fault_hits(const struct board *b, int id)
{
	return system_fault_hits(b->sys, id);
}

void board_where(struct board *b, unsigned cpu, struct board_chain *chain)
{
	board_chain(&b->cpu[cpu], chain);
}

uint64_t board_pages(const struct board *b)
{
	uint64_t count[16];

	return system_pages(b->sys, count);
}

uint64_t board_differences(const struct board *b, uint64_t *compared, const char **first)
{
	const struct x86_check_result *host = x86_code_result(b->code);
	const uint64_t differ = tdx_x86_engine_differences(b->engine, compared, first);

	*compared += host->compared;
	if (host->differences)
		*first = host->first;
	return differ + host->differences;
}

uint64_t board_instructions(const struct board *b)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < b->ncpus; i++)
		n += b->cpu[i].x86->insns;
	return n;
}
