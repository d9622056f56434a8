/* SPDX-License-Identifier: MIT */
/* Counts, times and contention of SEAMCALLs. */
#include "system/system.h"

#include <string.h>
#include <time.h>

uint64_t system_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t system_ticks(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return system_now_ns();
#endif
}

/* Only the processor's own thread writes: a load and a store will do. */
static void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

void system_count(struct system *sys, unsigned lp, unsigned leaf, uint64_t rax)
{
	struct system_stats *s = &sys->stats[lp];

	if (__builtin_expect(tdx_is_busy(tdx_status(rax)), 0))
		__atomic_fetch_add(&s->busy[leaf][rax & 0xff], 1, __ATOMIC_RELAXED);
	count(&s->leaf.calls[leaf], 1);
	count(&s->leaf.errors[leaf], rax >> 63);
}

void system_count_ticks(struct system *sys, unsigned lp, unsigned leaf, uint64_t n)
{
	count(&sys->stats[lp].leaf.ns[leaf], n);
}

void system_time_calls(struct system *sys)
{
	sys->timed = true;
}

void system_stats(const struct system *sys, struct tdx_model_stats *stats)
{
	double ns_per_tick = (double)(system_now_ns() - sys->start_ns) /
			     (double)(system_ticks() - sys->start_ticks);

	memset(stats, 0, sizeof(*stats));
	for (unsigned c = 0; c < sys->m->cfg.lps; c++) {
		const struct tdx_model_stats *s = &sys->stats[c].leaf;

		for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++) {
			stats->calls[i] += __atomic_load_n(&s->calls[i], __ATOMIC_RELAXED);
			stats->ns[i] += __atomic_load_n(&s->ns[i], __ATOMIC_RELAXED);
			stats->errors[i] += __atomic_load_n(&s->errors[i], __ATOMIC_RELAXED);
		}
	}
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		stats->ns[i] = (uint64_t)((double)stats->ns[i] * ns_per_tick);
}

uint64_t system_contention(const struct system *sys, enum tdx_seamcall leaf,
			   enum tdx_operand operand)
{
	uint64_t n = 0;

	for (unsigned c = 0; c < sys->m->cfg.lps; c++)
		n += __atomic_load_n(&sys->stats[c].busy[leaf][operand & 0xff], __ATOMIC_RELAXED);
	return n;
}
