/* SPDX-License-Identifier: MIT */
/* RIP has 32 bits outside 64-bit code, whatever moves it: instructions that go on by themselves and
 * those of a block, events that push it, whoever runs the processor. Code stands where EIP goes
 * from its highest value to 0, in segments with a base and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "arch/msr.h"
#include "x86_guest.h"

#define HANDLER	   0x110000u
#define TOP	   0x600000u /* EIP 0 less this much is here, without a base */
#define A_LINE	   (G_DATA + 0x40)
#define FAR_PTR	   (G_DATA + 0x20)
#define TR_SLOT	   (G_DATA + 0x30)
#define LOTS	   (4ull << 30)
#define AR_CODE_16 0x809bu

/* Where EIP 0 is: within a page, at the begin of one, or at 0 in a flat segment. */
enum place { WITHIN, BETWEEN, FLAT, PLACES };
enum code_mode { UNPAGED, PAE_PAGED, COMPATIBILITY, CODE_MODES };

static unsigned base_of(enum place place)
{
	return place == WITHIN ? G_CODE + 0x810 : place == BETWEEN ? G_CODE + 0x1000 : 0;
}

/* The first bytes end where EIP does, and then EIP is 0. */
static void put_across(struct guest *g, enum place place, const uint8_t *code, unsigned len,
		       unsigned before)
{
	const unsigned zero = base_of(place), top = zero ? zero : TOP;

	g_put(g, top - before, code, before);
	g_put(g, zero, code + before, len - before);
	g_put(g, zero + len - before, "\xf4", 1);
	g->cpu->rip = (uint32_t)-before;
}

static void open_at(struct guest *g, enum code_mode mode, enum place place)
{
	struct x86_cpu *cpu;

	assert_int_equal(g_open(g), 0);
	cpu = g->cpu;
	*g_q(g, G_PML4 + 0x1000u + 3 * 8) = (G_PML4 + 0x8000u) | 7;
	*g_q(g, G_PML4 + 0x8000u + 511 * 8) = (TOP - 0x200000u) | 0x87;
	g_seg(g, X86_CS, G_CS32);
	cpu->seg[X86_CS].base = base_of(place);
	if (mode != COMPATIBILITY)
		cpu->efer = 0;
	if (mode == UNPAGED)
		cpu->cr0 &= ~(uint64_t)CR0_PG;
	if (mode == PAE_PAGED) {
		/* the PDPTEs of long mode have rights, those of PAE paging have none */
		cpu->cr3 = G_PML4 + 0x1000u;
		for (unsigned i = 0; i < 4; i++)
			*g_q(g, cpu->cr3 + i * 8) &= ~6ull;
	}
	x86_state_changed(cpu);
	/* what the instructions read */
	*g_q(g, G_DATA) = 0x4f | (uint64_t)G_GDT << 16;
	*g_q(g, FAR_PTR) = 0x1234 | (uint64_t)G_DS << 32;
	*g_q(g, TR_SLOT) = G_TR;
	*g_q(g, G_GDT + G_TR) = 0x0000890000000067 | (uint64_t)G_TSS << 16;
	*g_q(g, G_STACK) = G_DS;
	cpu->regs.rsi = G_DATA;
	cpu->regs.rax = G_DS;
}

/* At HLT, having come to it past the top. */
static void expect_at(struct guest *g, const char *name, uint64_t rip)
{
	struct x86_exit x;

	assert_int_equal(x86_run(g->cpu, &x, 100), 0);
	if (x.reason != VMX_EXIT_HLT || g->cpu->rip != rip)
		fail_msg("%s: exit %u at %llx", name, x.reason, (unsigned long long)g->cpu->rip);
}

static void an_instruction_goes_on_at_zero(void **state)
{
	static const struct {
		const char *name;
		uint8_t code[8];
		unsigned len, before;
		uint32_t ecx;
	} rows[] = {
		{"nop", {0x90}, 1, 1, 0},
		{"nop, nop", {0x90, 0x90}, 2, 1, 0},
		{"a mov across", {0xbb, 1, 2, 3, 4}, 5, 2, 0},
		{"a clts across", {0x0f, 0x06}, 2, 1, 0},
		{"mov %eax, %cr2", {0x0f, 0x22, 0xd0}, 3, 3, 0},
		{"mov %dr0, %eax", {0x0f, 0x21, 0xc0}, 3, 3, 0},
		{"mov %eax, %dr0", {0x0f, 0x23, 0xc0}, 3, 3, 0},
		{"clts", {0x0f, 0x06}, 2, 2, 0},
		{"lmsw %ax", {0x0f, 0x01, 0xf0}, 3, 3, 0},
		{"lgdt (%esi)", {0x0f, 0x01, 0x16}, 3, 3, 0},
		{"invlpg (%esi)", {0x0f, 0x01, 0x3e}, 3, 3, 0},
		{"sti", {0xfb}, 1, 1, 0},
		{"popf", {0x9d}, 1, 1, 0},
		{"rdmsr", {0x0f, 0x32}, 2, 2, MSR_SYSENTER_CS},
		{"wrmsr", {0x0f, 0x30}, 2, 2, MSR_SYSENTER_CS},
		{"mov %eax, %ds", {0x8e, 0xd8}, 2, 2, 0},
		{"mov %eax, %ss", {0x8e, 0xd0}, 2, 2, 0},
		{"pop %ds", {0x1f}, 1, 1, 0},
		{"lds 0x20(%esi), %ebx", {0xc5, 0x5e, 0x20}, 3, 3, 0},
		{"ltr 0x30(%esi)", {0x0f, 0x00, 0x5e, 0x30}, 4, 4, 0},
		{"rep outsb of none", {0xf3, 0x6e}, 2, 2, 0},
		{"nop, fld1", {0x90, 0xd9, 0xe8}, 3, 1, 0},
		{"jmp to the next", {0xeb, 0x00}, 2, 2, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned at = 0; at < PLACES * CODE_MODES; at++) {
			const enum code_mode mode = at / PLACES;
			const enum place place = at % PLACES;
			struct guest g;

			if (mode == UNPAGED && place == FLAT)
				continue; /* there is no RAM */
			open_at(&g, mode, place);
			put_across(&g, place, rows[i].code, rows[i].len, rows[i].before);
			g.cpu->regs.rcx = rows[i].ecx;
			expect_at(&g, rows[i].name, rows[i].len - rows[i].before);
			assert_int_equal(g.cpu->fx.fip >> 32, 0);
			g_close(&g);
		}
	}
}

/* What an event pushes of compatibility mode has 64 bits. */
static void an_event_pushes_32_bits(void **state)
{
	static const struct {
		const char *name;
		uint8_t code[4];
		unsigned len, before, vector, pushed;
	} rows[] = {
		{"int3", {0xcc}, 1, 1, 3, 0},
		{"int $3", {0xcd, 0x03}, 2, 2, 3, 0},
		{"nop, ud2", {0x90, 0x0f, 0x0b}, 3, 1, 6, 0},
		{"nop, nop, ud2", {0x90, 0x90, 0x0f, 0x0b}, 4, 1, 6, 1},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (enum place place = 0; place < PLACES; place++) {
			struct guest g;

			open_at(&g, COMPATIBILITY, place);
			g_gate(&g, rows[i].vector, HANDLER, 0, 0);
			g.ram[HANDLER] = 0xf4;
			put_across(&g, place, rows[i].code, rows[i].len, rows[i].before);
			expect_at(&g, rows[i].name, HANDLER);
			assert_int_equal(*g_q(&g, g.cpu->regs.rsp), rows[i].pushed);
			g_close(&g);
		}
	}
}

/* Of 16-bit code, EIP has 32 bits all the same: what goes past 64 KiB is beyond the limit, if that
 * is the limit, and does not begin again at 0. */
static void the_ip_of_16_bit_code_is_not_cut_to_16_bits(void **state)
{
	static const uint64_t ends[] = {0x10000, LOTS};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const uint64_t end = ends[i / 2];
		const bool limited = i & 1;
		struct guest g;

		open_at(&g, COMPATIBILITY, WITHIN);
		g.cpu->seg[X86_CS].ar = AR_CODE_16;
		g.cpu->seg[X86_CS].base = (uint32_t)(G_CODE - end);
		if (limited)
			g.cpu->seg[X86_CS].limit = (uint32_t)(end - 1);
		x86_state_changed(g.cpu);
		g_gate(&g, 13, HANDLER, 0, 0);
		g.ram[HANDLER] = 0xf4;
		g_put(&g, G_CODE - 2, "\x0f\x06\xf4", 3); /* clts; hlt */
		g.cpu->rip = end - 2;
		if (limited && end != LOTS) {
			expect_at(&g, "beyond the limit", HANDLER);
			assert_int_equal(*g_q(&g, g.cpu->regs.rsp + 8), end);
		} else {
			expect_at(&g, "16-bit code", (uint32_t)end);
		}
		g_close(&g);
	}
}

/* Nothing is fetched from beyond it, wherever a block began. */
static void the_limit_of_code_holds_for_every_byte_of_it(void **state)
{
	static const uint8_t code[] = {0x90, 0xbb, 1, 2, 3, 4, 0x90, 0xf4}; /* mov $..., %ebx */

	(void)state;
	/* by the last byte that is within; then again, where a whole block was executed before; and
	 * both with an instruction across two pages */
	for (unsigned i = 0; i < 4 * sizeof(code); i++) {
		const bool known = i / sizeof(code) & 1, across = i / sizeof(code) & 2;
		const unsigned base = across ? G_CODE + 0x1000 - 3 : G_CODE + 0x810;
		const unsigned limit = i % sizeof(code);
		const unsigned reached = limit < 5 ? 1 : limit < 6 ? 6 : 7;
		struct guest g;

		open_at(&g, COMPATIBILITY, WITHIN);
		g_gate(&g, 13, HANDLER, 0, 0);
		g.ram[HANDLER] = 0xf4;
		g_put(&g, base, code, sizeof(code));
		g.cpu->seg[X86_CS].base = base;
		x86_state_changed(g.cpu);
		g.cpu->rip = 0;
		if (across && limit < 3 && !known)
			g.denied = G_CODE + 0x1000; /* it is not asked for */
		if (known) {
			expect_at(&g, "all of it", sizeof(code) - 1);
			g.cpu->rip = 0;
		}
		g.cpu->seg[X86_CS].limit = limit;
		x86_state_changed(g.cpu);
		if (limit == sizeof(code) - 1) {
			expect_at(&g, "within", sizeof(code) - 1);
		} else {
			expect_at(&g, "beyond the limit", HANDLER);
			if (*g_q(&g, g.cpu->regs.rsp) != 0 ||
			    *g_q(&g, g.cpu->regs.rsp + 8) != reached)
				fail_msg("limit %u: at %llx", limit,
					 (unsigned long long)*g_q(&g, g.cpu->regs.rsp + 8));
		}
		g_close(&g);
	}
}

/* From a file or a host, as hostile as these are. */
static void a_rip_that_is_given_is_cut_to_its_mode(void **state)
{
	struct guest g;

	(void)state;
	open_at(&g, COMPATIBILITY, WITHIN);
	put_across(&g, WITHIN, (const uint8_t *)"\x90", 1, 1);
	g.cpu->rip += LOTS;
	expect_at(&g, "a given RIP", 0);
	g_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_instruction_goes_on_at_zero),
		cmocka_unit_test(an_event_pushes_32_bits),
		cmocka_unit_test(the_ip_of_16_bit_code_is_not_cut_to_16_bits),
		cmocka_unit_test(the_limit_of_code_holds_for_every_byte_of_it),
		cmocka_unit_test(a_rip_that_is_given_is_cut_to_its_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
