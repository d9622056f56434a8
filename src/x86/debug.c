/* SPDX-License-Identifier: MIT */
/* Debug registers (SDM vol. 3, 18.2) and alignment checks: what the processor watches at every
 * instruction or access, if anything is enabled at all.
 *
 * A breakpoint on an instruction ends translation before it, as one of the embedder's does. While
 * data is watched, its page has no direct entry in the TLB and blocks have one instruction, so that
 * the trap comes right after the access. Breakpoints on ports are not implemented: a TD's port
 * accesses leave the guest. */
#include "x86/internal.h"

enum { BREAKS = 4, CONDITION_SHIFT = 16, LENGTH_SHIFT = 18 };
enum { ON_EXECUTION = 0, ON_WRITE = 1, ON_PORT = 2 };

static unsigned field(const struct x86_cpu *cpu, unsigned i, unsigned shift)
{
	return (unsigned)(cpu->dr[7] >> (shift + 4 * i)) & 3u;
}

static unsigned length(const struct x86_cpu *cpu, unsigned i)
{
	static const uint8_t bytes[4] = {1, 2, 8, 4};

	return bytes[field(cpu, i, LENGTH_SHIFT)];
}

void x86_debug_changed(struct x86_cpu *cpu)
{
	unsigned execution = 0, data = 0, i;
	bool same = true;

	for (i = 0; i < BREAKS; i++) {
		if (!(cpu->dr[7] >> 2 * i & 3))
			continue;
		if (field(cpu, i, CONDITION_SHIFT) == ON_EXECUTION)
			execution |= 1u << i;
		else if (field(cpu, i, CONDITION_SHIFT) != ON_PORT)
			data |= 1u << i;
		else
			continue;
		same = same && cpu->dr_watched[i] == cpu->dr[i];
	}
	if (execution == cpu->dr_execution && data == cpu->dr_data && same)
		return;
	if (execution | cpu->dr_execution)
		x86_cache_drop_all(cpu);
	if (data | cpu->dr_data)
		x86_mmu_flush(cpu, true);
	memcpy(cpu->dr_watched, cpu->dr, sizeof(cpu->dr_watched));
	cpu->dr_execution = (uint8_t)execution;
	cpu->dr_data = (uint8_t)data;
	x86_attn(cpu, ATTN_STEP);
}

unsigned x86_debug_at(const struct x86_cpu *cpu, uint64_t rip)
{
	unsigned hit = 0, i;

	for (i = 0; i < BREAKS; i++)
		if (cpu->dr_execution >> i & 1 && cpu->dr[i] == rip)
			hit |= 1u << i;
	return hit;
}

bool x86_debug_page(const struct x86_cpu *cpu, uint64_t va)
{
	unsigned i;

	for (i = 0; i < BREAKS; i++)
		if (cpu->dr_data >> i & 1 && (cpu->dr[i] ^ va) < 0x1000)
			return true;
	return false;
}

void x86_watch_access(struct x86_cpu *cpu, uint64_t va, unsigned size, unsigned acc)
{
	unsigned i;

	for (i = 0; i < BREAKS; i++) {
		const uint64_t at = cpu->dr[i] & ~(uint64_t)(length(cpu, i) - 1);

		if (!(cpu->dr_data >> i & 1) || va >= at + length(cpu, i) || at >= va + size)
			continue;
		if ((acc & ACC_W) || field(cpu, i, CONDITION_SHIFT) != ON_WRITE)
			cpu->dr_hit |= (uint8_t)(1u << i);
	}
	/* What the processor itself reads of tables is not the program's. */
	if (!cpu->aligned || (acc & ACC_SUP) || (size != 2 && size != 4 && size != 8 && size != 10))
		return;
	if (va & ((size == 10 ? 8 : size) - 1))
		x86_raise_err(cpu, cpu->cur, VECTOR_AC, 0);
}

/* Reached by a link or by lookup, so the checks of a block's head are made here. */
OP(x86_debug_break)
{
	x86_at(cpu, op);
	return x86_attend(cpu);
}
