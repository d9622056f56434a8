/* SPDX-License-Identifier: MIT */
/* Instruction breakpoints of DR0..DR3, by the interpreter's list: SDM vol. 3, 18.2. What is in the
 * registers at TD entry is in force; data breakpoints, and what the guest itself puts there, only
 * from its next entry on. RFLAGS.RF holds one back for an instruction. */
#include "cpu/td/internal.h"

enum { DR_BREAKS = 4, DR7_CONDITION_SHIFT = 16 };

/* Enabled, locally or globally, and for execution. */
static bool enabled(uint64_t dr7, unsigned i)
{
	return (dr7 >> 2 * i & 3) && !(dr7 >> (DR7_CONDITION_SHIFT + 4 * i) & 3);
}

void td_breaks_at_entry(struct td_cpu *t)
{
	unsigned on = 0;
	bool same = true;

	for (unsigned i = 0; i < DR_BREAKS; i++) {
		if (!enabled(t->x86->dr[7], i))
			continue;
		on |= 1u << i;
		same &= t->breaks[i] == t->x86->dr[i];
	}
	if (on == t->breaks_on && same)
		return;
	for (unsigned i = 0; i < DR_BREAKS; i++)
		if (t->breaks_on >> i & 1)
			x86_breakpoint(t->x86, t->breaks[i], false);
	t->breaks_on = 0;
	for (unsigned i = 0; i < DR_BREAKS; i++) {
		t->breaks[i] = t->x86->dr[i];
		if (on >> i & 1 && x86_breakpoint(t->x86, t->breaks[i], true) == 0)
			t->breaks_on |= 1u << i;
	}
}

uint64_t td_break_hit(const struct td_cpu *t)
{
	uint64_t hit = 0;

	for (unsigned i = 0; i < DR_BREAKS; i++)
		if (t->breaks_on >> i & 1 && t->breaks[i] == t->x86->rip)
			hit |= 1ull << i;
	return t->x86->sysflags & X86_RF ? 0 : hit;
}
