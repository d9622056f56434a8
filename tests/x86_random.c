/* SPDX-License-Identifier: MIT */
/* Random bytes as guest code, in every mode and privilege: whatever they do, the engine stays
 * within the guest's memory, leaves with a defined reason and keeps its own state sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "machine/splitmix.h"
#include "x86_guest.h"

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint64_t rnd(void)
{
	return splitmix_next(&seed);
}

static bool known_reason(unsigned reason)
{
	return reason <= VMX_EXIT_TDCALL ||
	       (reason >= X86_EXIT_KICK && reason <= X86_EXIT_UNSUPPORTED);
}

static void random_state(struct guest *g)
{
	static const unsigned selectors[] = {G_CS64, G_CS32, G_UCS, G_UCS32};
	const unsigned cs = selectors[rnd() % 4], ss = cs & 3 ? G_UDS : G_DS;
	struct x86_cpu *cpu = g->cpu;
	unsigned i;

	for (i = 0; i < 16; i++)
		*tdx_reg(&cpu->regs, i) = rnd() % 3 ? rnd() % G_RAM : rnd();
	for (i = 0; i < 16; i++)
		cpu->xmm[i] = (struct x86_xmm){{rnd(), rnd()}};
	for (i = 0; i < X86_NOSEG; i++)
		g_seg(g, i, ss);
	g_seg(g, X86_CS, cs);
	if (rnd() % 8 == 0)
		cpu->seg[rnd() % 6].limit = (uint32_t)rnd() % G_RAM;
	if (rnd() % 8 == 0)
		cpu->seg[X86_CS].ar &= ~(SEG_AR_DB | SEG_AR_L);
	cpu->cr0 = 0x80050033;
	cpu->cr3 = G_PML4;
	cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXSAVE | (rnd() & 0x310600);
	cpu->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	cpu->xcr0 = rnd() % 2 ? 3 : 7;
	cpu->gdtr = (struct x86_dtr){G_GDT, 0x4f};
	cpu->idtr = (struct x86_dtr){G_IDT, 0xfff};
	cpu->shadow = 0;
	cpu->exception_bitmap = UINT32_MAX;
	x86_set_rflags(cpu, rnd() & 0x40cd5);
	x86_state_changed(cpu);
}

static void build_tables(struct guest *g)
{
	unsigned i;

	*g_q(g, G_PML4) = (G_PML4 + 0x1000u) | 7;
	for (i = 0; i < 2; i++)
		*g_q(g, G_PML4 + 0x1000u + i * 8) = (G_PML4 + 0x2000u + i * 0x1000u) | 7;
	for (i = 0; i < 1024; i++)
		*g_q(g, G_PML4 + 0x2000u + i * 8) = (uint64_t)i << 21 | 0x87;
}

static void random_code(struct guest *g, uint64_t at, unsigned len)
{
	static const uint8_t prefixes[] = {0x66, 0xf2, 0xf3, 0x0f, 0x48, 0x0f, 0x67, 0xf0};
	uint8_t b[256];
	unsigned i;

	for (i = 0; i < len; i++)
		b[i] = rnd() % 4 ? (uint8_t)rnd() : prefixes[rnd() % 8];
	g_put(g, at, b, len);
}

static void random_code_stays_inside_the_guest(void **state)
{
	const unsigned rounds =
		getenv("SWTDX_X86_RANDOM") ? (unsigned)atoi(getenv("SWTDX_X86_RANDOM")) : 3000;
	unsigned i, j, steps = 0;
	struct guest g;

	(void)state;
	assert_int_equal(g_open(&g), 0);
	for (i = 0; i < rounds; i++) {
		const uint64_t at = G_CODE + rnd() % 8192;

		if (i % 16 == 0)
			build_tables(&g);
		random_code(&g, at, 192);
		random_state(&g);
		g.cpu->rip = at;
		for (j = 0; j < 40; j++) {
			struct x86_exit x;

			memset(&x, 0xff, sizeof(x));
			assert_int_equal(x86_run(g.cpu, &x, 20), 0);
			steps++;
			assert_true(known_reason(x.reason));
			assert_int_equal(g.cpu->zero, 0);
			assert_true(x.insn_len <= 15);
			assert_int_not_equal(x.reason, X86_EXIT_UNKNOWN);
			if (x.reason == VMX_EXIT_TRIPLE_FAULT || x.reason == X86_EXIT_UNSUPPORTED)
				break;
			/* over to the next instruction, or somewhere near */
			if (x.insn_len && x.reason != VMX_EXIT_EXCEPTION_OR_NMI)
				x86_skip(g.cpu, x.insn_len);
			else if (x.reason != X86_EXIT_BUDGET)
				g.cpu->rip = at + rnd() % 150;
		}
	}
	assert_true(steps > rounds);
	g_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(random_code_stays_inside_the_guest)};

	if (getenv("SWTDX_X86_SEED"))
		seed ^= strtoull(getenv("SWTDX_X86_SEED"), NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
