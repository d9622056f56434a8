/* SPDX-License-Identifier: MIT */
/* Translated blocks: kept by place and not by address, led to by links that a change of mappings
 * puts in doubt, dropped with the bytes they came from, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "x86_guest.h"

#define GUEST_CODE(name, text)                                                                     \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection\n")
#define load(g, at, name) g_put(g, at, name, (unsigned)(name##_end - name))

/* Linear addresses that are mapped to G_CODE's 2 MiB, or to those above, as a test wants. */
#define ALIAS	0x40000000ull
#define PAGE_2M 0x200000ull
#define OTHER	0x800000ull /* physical */
#define MAP_2M	0x87u
#define GLOBAL	0x100u

static int open_guest(void **state)
{
	struct guest *g = malloc(sizeof(*g));

	*state = g;
	return g_open(g);
}

static uint64_t run_at(struct guest *g, uint64_t rip)
{
	struct x86_exit x;

	g->cpu->rip = rip;
	g->cpu->regs.rsp = G_STACK;
	g->cpu->regs.rax = 0;
	assert_int_equal(x86_run(g->cpu, &x, 100000), 0);
	assert_int_equal(x.reason, VMX_EXIT_HLT);
	return g->cpu->regs.rax;
}

/* Says where it is in three ways: an operand, a return address, a loop and a jump. */
GUEST_CODE(where_am_i, "lea 3f(%rip), %rax; call 2f; 1: add 3f(%rip), %rax; mov $3, %ecx;"
		       "4: inc %rax; loop 4b; cmp $0, %ecx; je 5f; ud2; 5: hlt;"
		       "2: mov (%rsp), %rbx; ret; 3: .quad 0x1000");
#define WHERE_DATA (where_am_i_end - where_am_i - 8)

static void a_block_serves_every_address_its_page_is_mapped_at(void **state)
{
	struct guest *g = *state;
	uint64_t before;
	unsigned i;

	for (i = 0; i < 8; i++)
		*g_pde(g, ALIAS + i * PAGE_2M) = MAP_2M;
	load(g, G_CODE, where_am_i);
	assert_int_equal(run_at(g, G_CODE), G_CODE + WHERE_DATA + 0x1003);
	before = g->cpu->translations;
	for (i = 0; i < 8; i++) {
		const uint64_t at = ALIAS + i * PAGE_2M + G_CODE;

		assert_int_equal(run_at(g, at), at + WHERE_DATA + 0x1003);
		assert_in_range(g->cpu->regs.rbx, at, at + 64);
	}
	assert_int_equal(run_at(g, G_CODE), G_CODE + WHERE_DATA + 0x1003);
	assert_int_equal(g->cpu->translations, before);
}

GUEST_CODE(reload_cr3, "mov $200, %ecx; 1: mov %cr3, %rdx; mov %rdx, %cr3; inc %eax; invlpg (%rdi);"
		       "dec %ecx; jnz 1b; hlt");

static void reloads_of_cr3_and_invlpg_translate_nothing_again(void **state)
{
	struct guest *g = *state;
	uint64_t before;

	load(g, G_CODE, reload_cr3);
	g->cpu->regs.rdi = G_CODE;
	run_at(g, G_CODE);
	before = g->cpu->translations;
	assert_int_equal(run_at(g, G_CODE), 200);
	assert_int_equal(g->cpu->translations, before);
}

/* Calls through a link to another page, changes where that page is, flushes, calls again. */
GUEST_CODE(call_remapped, "1: mov $0x40101000, %ebp; call *%rbp; add %eax, %ebx; mov %rsi, (%rdi);"
			  "mov %cr3, %rdx; cmp $0, %r8; jne 2f; mov %rdx, %cr3; jmp 3f;"
			  "2: cmp $1, %r8; jne 4f; invlpg (%rbp); jmp 3f;"
			  "4: mov %cr4, %rdx; xor $0x80, %rdx; mov %rdx, %cr4;"
			  "3: xchg %rsi, %r9; dec %ecx; jnz 1b; mov %ebx, %eax; hlt");
GUEST_CODE(jump_remapped, "1: .byte 0xe9; .long 0x40101000 - 0x100005; .org 1b + 0x40;"
			  "add %eax, %ebx; mov %rsi, (%rdi);"
			  "mov %cr3, %rdx; cmp $0, %r8; jne 2f; mov %rdx, %cr3; jmp 3f;"
			  "2: cmp $1, %r8; jne 4f; invlpg (%rbp); jmp 3f;"
			  "4: mov %cr4, %rdx; xor $0x80, %rdx; mov %rdx, %cr4;"
			  "3: xchg %rsi, %r9; dec %ecx; jnz 1b; mov %ebx, %eax; hlt");
GUEST_CODE(say_1, "mov $1, %eax; ret");
GUEST_CODE(say_1000, "mov $1000, %eax; ret");
GUEST_CODE(back_1, "mov $1, %eax; .byte 0xe9; .long 0x100040 - 0x4010100a");
GUEST_CODE(back_1000, "mov $1000, %eax; .byte 0xe9; .long 0x100040 - 0x4010100a");

/* how: 0 CR3, 1 INVLPG, 2 CR4.PGE */
static void remapped(struct guest *g, unsigned how, uint64_t flags)
{
	unsigned jumps;

	for (jumps = 0; jumps < 2; jumps++) {
		*g_pde(g, ALIAS) = MAP_2M | flags | PAGE_2M * 2;
		x86_tlb_flush(g->cpu);
		if (jumps) {
			load(g, G_CODE, jump_remapped);
			load(g, PAGE_2M * 2 + G_CODE + 0x1000, back_1);
			load(g, OTHER + G_CODE + 0x1000, back_1000);
		} else {
			load(g, G_CODE, call_remapped);
			load(g, PAGE_2M * 2 + G_CODE + 0x1000, say_1);
			load(g, OTHER + G_CODE + 0x1000, say_1000);
		}
		g->cpu->regs.rdi = (uint64_t)((uint8_t *)g_pde(g, ALIAS) - g->ram);
		g->cpu->regs.rsi = MAP_2M | flags | OTHER;
		g->cpu->regs.r9 = MAP_2M | flags | PAGE_2M * 2;
		g->cpu->regs.rbp = ALIAS + G_CODE + 0x1000;
		g->cpu->regs.r8 = how;
		g->cpu->regs.rbx = 0;
		g->cpu->regs.rcx = 10;
		assert_int_equal(run_at(g, G_CODE), 5005);
	}
}

static void a_link_is_looked_at_again_after_cr3_is_loaded(void **state)
{
	remapped(*state, 0, 0);
}

static void a_link_is_looked_at_again_after_invlpg(void **state)
{
	remapped(*state, 1, 0);
	remapped(*state, 1, GLOBAL);
}

static void a_link_is_looked_at_again_after_a_global_flush(void **state)
{
	remapped(*state, 2, GLOBAL);
}

static void a_global_page_stays_where_it_was_when_cr3_is_loaded(void **state)
{
	struct guest *g = *state;

	*g_pde(g, ALIAS) = MAP_2M | GLOBAL | PAGE_2M * 2;
	x86_tlb_flush(g->cpu);
	load(g, G_CODE, call_remapped);
	load(g, PAGE_2M * 2 + G_CODE + 0x1000, say_1);
	load(g, OTHER + G_CODE + 0x1000, say_1000);
	g->cpu->regs.rdi = (uint64_t)((uint8_t *)g_pde(g, ALIAS) - g->ram);
	g->cpu->regs.rsi = g->cpu->regs.r9 = MAP_2M | GLOBAL | OTHER;
	g->cpu->regs.r8 = g->cpu->regs.rbx = 0;
	g->cpu->regs.rcx = 10;
	assert_int_equal(run_at(g, G_CODE), 10);
}

/* A loop of one block whose branch cuts RIP to 16 bits. */
GUEST_CODE(cut_loop, "inc %eax; .byte 0x66, 0x73, 0xfb; hlt");

static void a_branch_of_16_bits_cuts_rip_in_a_loop_too(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	load(g, G_CODE + 0x10, cut_loop);
	g_put(g, 0x10, "\xf4", 1);
	g_seg(g, X86_CS, G_CS32);
	g->cpu->rip = G_CODE + 0x10;
	x86_state_changed(g->cpu);
	assert_int_equal(x86_run(g->cpu, &x, 100), 0);
	assert_int_equal(x.reason, VMX_EXIT_HLT);
	assert_int_equal(g->cpu->rip, 0x10);
}

/* Writes words of its own page, far from the code. */
GUEST_CODE(data_beside,
	   "mov $1000, %ecx; 1: mov %ecx, 0x800(%rdi); inc %eax; dec %ecx; jnz 1b; hlt");

static void writes_beside_code_translate_little_again(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, data_beside);
	g->cpu->regs.rdi = G_CODE;
	assert_int_equal(run_at(g, G_CODE), 1000);
	assert_in_range(g->cpu->translations, 1, 200);
	assert_int_equal(*(uint32_t *)(void *)(g->ram + G_CODE + 0x800), 1);
}

/* Changes one of two functions of a page: the other stays translated. */
GUEST_CODE(two_functions, "call 2f; movb %cl, 1(%rdi); call 3f; add %ebx, %eax; call 2f;"
			  "add %ebx, %eax; hlt; .org two_functions + 64; 2: mov $1, %ebx; ret;"
			  ".org two_functions + 128; 3: mov $100, %ebx; ret");

static void a_write_drops_the_blocks_it_touches_and_no_others(void **state)
{
	struct guest *g = *state;
	uint64_t before;
	unsigned i;

	load(g, G_CODE, two_functions);
	g->cpu->regs.rdi = G_CODE + 64;
	g->cpu->regs.rcx = 1;
	assert_int_equal(run_at(g, G_CODE), 101);
	for (i = 2; i < 20; i++) {
		before = g->cpu->translations;
		g->cpu->regs.rcx = i;
		assert_int_equal(run_at(g, G_CODE), 100 + i);
		assert_in_range(g->cpu->translations - before, 1, 3);
	}
}

/* A jump to the next instruction is a block; so many of them do not fit in the arena. */
static void more_blocks_than_there_is_room_for_make_way_for_each_other(void **state)
{
	enum { BLOCKS = 700000, JUMP = 5 };
	struct guest *g = *state;
	uint8_t *p = g->ram + G_DATA;
	struct x86_exit x;
	unsigned turn;

	memset(p, 0, BLOCKS * JUMP + 2);
	for (unsigned i = 0; i < BLOCKS; i++)
		p[i * JUMP] = 0xe9;
	p[BLOCKS * JUMP] = 0xf4;
	for (turn = 0; turn < 2; turn++) {
		g->cpu->rip = G_DATA;
		assert_int_equal(x86_run(g->cpu, &x, UINT64_MAX), 0);
		assert_int_equal(x.reason, VMX_EXIT_HLT);
		assert_int_equal(g->cpu->rip, G_DATA + BLOCKS * JUMP);
	}
	assert_int_equal(g->cpu->insns, 2 * BLOCKS);
}

/* What is asked for between others stays; what is not goes. */
static void a_block_in_use_survives_those_that_are_used_once(void **state)
{
	enum { ROUNDS = 60, BLOCKS = 10000, JUMP = 5 };
	struct guest *g = *state;
	uint64_t again = 0;
	unsigned r, i;

	load(g, G_CODE, where_am_i);
	for (r = 0; r < ROUNDS; r++) {
		uint8_t *p = g->ram + G_DATA;
		uint64_t before;

		memset(p, 0, BLOCKS * JUMP);
		for (i = 0; i < BLOCKS; i++)
			p[i * JUMP] = 0xe9;
		p[BLOCKS * JUMP] = 0xf4;
		for (i = 0; i < BLOCKS * JUMP; i += 4096)
			x86_code_written(g->code, p + i);
		run_at(g, G_DATA);
		before = g->cpu->translations;
		run_at(g, G_CODE);
		again += g->cpu->translations - before;
	}
	/* Its six blocks, and once more when their segment went for want of a better. */
	assert_in_range(again, 1, 24);
}

/* A program that is independent of its place, and one of a library that all of them call. */
GUEST_CODE(pie_program, "mov %cr3, %rdx; mov %rdx, %cr3; mov $20, %ecx; 1: call *%rbp;"
			"add 2f(%rip), %rax; dec %ecx; jnz 1b; hlt; .balign 8; 2: .quad 1");
GUEST_CODE(pie_library, "push %rbx; mov $3, %ebx; 1: dec %ebx; jnz 1b; cmpl $0, 3f(%rip); je 2f;"
			"add $100, %rax; 2: pop %rbx; ret; .balign 4; 3: .long 1");

/* An exec: other pages for the program, other addresses for all, a new address space. */
static uint64_t exec_program(struct guest *g, unsigned i)
{
	enum { SLOTS = 8 };
	const uint64_t page = 5 * PAGE_2M + i * 0x1000ull, library = OTHER + 0x3000;
	const uint64_t at = ALIAS + i % SLOTS * PAGE_2M, lib_at = ALIAS + (SLOTS + i % 7) * PAGE_2M;
	const uint64_t before = g->cpu->translations;

	*g_pde(g, at) = MAP_2M | (page & ~(PAGE_2M - 1));
	*g_pde(g, lib_at) = MAP_2M | (library & ~(PAGE_2M - 1));
	x86_state_changed(g->cpu);
	g->cpu->regs.rbp = lib_at + library % PAGE_2M;
	assert_int_equal(run_at(g, at + page % PAGE_2M), 20 * 101);
	return g->cpu->translations - before;
}

/* Each exec costs what is the program's own, for ever: the library's blocks are there. */
static void a_thousand_programs_share_their_library(void **state)
{
	enum { PROGRAMS = 1000, OWN = 5 };
	struct guest *g = *state;
	unsigned i;

	load(g, OTHER + 0x3000, pie_library);
	for (i = 0; i < PROGRAMS; i++)
		load(g, 5 * PAGE_2M + i * 0x1000ull, pie_program);
	exec_program(g, 0);
	for (i = 1; i < PROGRAMS; i++)
		assert_in_range(exec_program(g, i), 1, OWN);
	/* And once more costs nothing. */
	for (i = 1; i < PROGRAMS; i++)
		assert_int_equal(exec_program(g, i), 0);
	/* Other programs in the pages of those that are gone. */
	for (i = 0; i < PROGRAMS; i++) {
		load(g, 5 * PAGE_2M + i * 0x1000ull, pie_program);
		assert_in_range(exec_program(g, i), 1, OWN);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_guest, g_close_state)
	const struct CMUnitTest tests[] = {
		T(a_block_serves_every_address_its_page_is_mapped_at),
		T(reloads_of_cr3_and_invlpg_translate_nothing_again),
		T(a_link_is_looked_at_again_after_cr3_is_loaded),
		T(a_link_is_looked_at_again_after_invlpg),
		T(a_link_is_looked_at_again_after_a_global_flush),
		T(a_global_page_stays_where_it_was_when_cr3_is_loaded),
		T(a_branch_of_16_bits_cuts_rip_in_a_loop_too),
		T(writes_beside_code_translate_little_again),
		T(a_write_drops_the_blocks_it_touches_and_no_others),
		T(more_blocks_than_there_is_room_for_make_way_for_each_other),
		T(a_block_in_use_survives_those_that_are_used_once),
		T(a_thousand_programs_share_their_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
