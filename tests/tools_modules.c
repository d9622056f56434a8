/* SPDX-License-Identifier: MIT */
/* A host kernel's memory by its own addresses, and the functions of its modules: those of a list as
 * Linux has it are found, wherever the kernel is; what a kernel has spoilt is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86.h"
#include "board/board.h"
#include "board/internal.h"
#include "tools/kernel_modules.h"

#define TABLES 0x300000ull
#define PAGES  0x400000ull /* what is mapped, 4K a page */
#define AREA   0xffffffffc0400000ull
#define IMAGE  0xffffffff9a200000ull

enum { NPAGES = 64, KALLSYMS = 0x340, FUNCTIONS = 3, SYMBOLS = 1 + FUNCTIONS + 1 };

static struct board *board;
static uint64_t next_table;
static struct kernel_modules found;

static uint64_t *table_at(uint64_t pa)
{
	return board_ram(board, pa, 4096);
}

static void map(uint64_t va, uint64_t pa, bool large)
{
	uint64_t *t = table_at(TABLES);

	for (unsigned shift = 39;; shift -= 9) {
		uint64_t *e = &t[va >> shift & 511];

		if (shift == (large ? 21 : 12)) {
			*e = pa | PTE_P | PTE_W | (large ? PTE_PS : 0);
			return;
		}
		if (!*e) {
			next_table += 4096;
			*e = next_table | PTE_P | PTE_W;
		}
		t = table_at(*e & ~4095ull);
	}
}

/* The memory of the area's address. */
static void *at(uint64_t va)
{
	return board_ram(board, PAGES + (va - AREA), 8);
}

static void put64(uint64_t va, uint64_t v)
{
	memcpy(at(va), &v, sizeof(v));
}

/* A module of three functions, its code from `code` on. */
static void put_module(uint64_t module, const char *name, uint64_t code, uint64_t next)
{
	const uint64_t symbols = module + 0x1000, strings = module + 0x2000;
	Elf64_Sym sym[SYMBOLS] = {{0}};
	char *text = at(strings);

	strcpy((char *)at(module + 24), name);
	put64(module + 8, next);
	text[0] = '\0';
	for (unsigned i = 1; i <= FUNCTIONS; i++) {
		sym[i] = (Elf64_Sym){.st_name = 10 * i,
				     .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				     .st_shndx = 1,
				     .st_value = code + 0x100 * (i - 1),
				     .st_size = 0x80};
		sprintf(text + sym[i].st_name, "fn%u", i);
	}
	sym[FUNCTIONS + 1] = (Elf64_Sym){.st_name = 90,
					 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
					 .st_shndx = 1,
					 .st_value = code + 0x10};
	strcpy(text + 90, "data");
	memcpy(at(symbols), sym, sizeof(sym));
	put64(module + KALLSYMS, symbols);
	put64(module + KALLSYMS + 8, SYMBOLS);
	put64(module + KALLSYMS + 16, strings);
}

#define HEAD  AREA
#define FIRST (AREA + 0x4000)
#define OTHER (AREA + 0x8000)
#define CODE  (AREA + 0x20000)

static int start(void **state)
{
	const struct board_config cfg = {.cpus = 1, .packages = 1};
	char err[100];
	struct x86_cpu *x;

	(void)state;
	board = board_new(&cfg, err, sizeof(err));
	assert_non_null(board);
	memset(&found, 0, sizeof(found));
	next_table = TABLES;
	for (unsigned i = 0; i < NPAGES; i++)
		map(AREA + 4096ull * i, PAGES + 4096ull * i, false);
	map(IMAGE, 0x4a00000, true);
	x = board->cpu[0].x86;
	x->cr0 = CR0_PE | CR0_PG;
	x->efer = EFER_LME | EFER_LMA;
	x->cr3 = TABLES | 0x18;
	put64(HEAD, FIRST + 8);
	put_module(FIRST, "kvm_intel", CODE, OTHER + 8);
	put_module(OTHER, "kvm", CODE + 0x10000, HEAD);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	kernel_modules_free(&found);
	board_free(board);
	return 0;
}

static unsigned count(void)
{
	const struct kernel_memory m = kernel_memory(board, 0);

	kernel_modules_read(&found, &m, HEAD);
	return found.n;
}

static void the_image_is_where_it_is_mapped(void **state)
{
	struct kernel_memory m = kernel_memory(board, 0);
	uint64_t va, pa, word;

	(void)state;
	assert_int_equal(m.levels, 4);
	assert_true(kernel_image(&m, &va, &pa));
	assert_true(va == IMAGE && pa == 0x4a00000);
	assert_true(kernel_read(&m, AREA + 4096 * NPAGES - 8, &word, 8));
	assert_false(kernel_read(&m, AREA + 4096 * NPAGES - 7, &word, 8));
	assert_false(kernel_read(&m, 0, &word, 8));
	board->cpu[0].x86->cr0 = CR0_PE;
	m = kernel_memory(board, 0);
	assert_int_equal(m.levels, 0);
	assert_false(kernel_read(&m, AREA, &word, 8));
	assert_false(kernel_image(&m, &va, &pa));
}

static void functions_of_modules_have_their_names(void **state)
{
	const struct kernel_module *m;
	char text[SYMBOL_TEXT];

	(void)state;
	assert_int_equal(count(), 2);
	m = kernel_modules_find(&found, CODE + 0x105);
	assert_string_equal(m->name, "kvm_intel");
	assert_string_equal(symbols_name(m->symbols, CODE + 0x105, text), "fn2+0x5");
	/* to the end of the last one */
	assert_string_equal(symbols_name(m->symbols, CODE + 0x27f, text), "fn3+0x7f");
	assert_null(kernel_modules_find(&found, CODE + 0x280));
	assert_null(kernel_modules_find(&found, CODE - 1));
	m = kernel_modules_find(&found, CODE + 0x10000);
	assert_string_equal(m->name, "kvm");
	/* one that came */
	put64(OTHER + 8, AREA + 0xc000 + 8);
	put_module(AREA + 0xc000, "late", CODE + 0x8000, HEAD);
	assert_int_equal(count(), 3);
	assert_string_equal(kernel_modules_find(&found, CODE + 0x8001)->name, "late");
	assert_int_equal(found.looks, 2);
}

static void what_is_spoilt_is_left_out(void **state)
{
	(void)state;
	memset((char *)at(FIRST + 24), 'x', KERNEL_MODULE_NAME); /* a name without an end */
	assert_int_equal(count(), 1);
	strcpy((char *)at(FIRST + 24), "a\033[2J");
	assert_int_equal(count(), 1);
	strcpy((char *)at(FIRST + 24), "good");
	assert_int_equal(count(), 2);
	put64(FIRST + KALLSYMS + 8, 1u << 20); /* more symbols than there can be */
	assert_int_equal(count(), 1);
	put64(FIRST + KALLSYMS + 8, 1u << 16); /* more than there are */
	assert_int_equal(count(), 1);
	put64(FIRST + KALLSYMS + 8, SYMBOLS);
	put64(FIRST + KALLSYMS, AREA + 4096 * NPAGES); /* nothing is there */
	assert_int_equal(count(), 1);
	put64(FIRST + KALLSYMS, FIRST + 0x1000);
	put64(FIRST + KALLSYMS + 16, 0x1000); /* not the kernel's */
	assert_int_equal(count(), 1);
	put64(FIRST + KALLSYMS + 16, FIRST + 0x2000);
	assert_int_equal(count(), 2);
}

static void names_have_no_controls(void **state)
{
	char text[SYMBOL_TEXT];

	(void)state;
	strcpy((char *)at(FIRST + 0x2000 + 20), "\033[6n\n\233x");
	assert_int_equal(count(), 2);
	assert_string_equal(symbols_name(kernel_modules_find(&found, CODE + 0x105)->symbols,
					 CODE + 0x105, text),
			    "?[6n??x+0x5");
}

/* As many symbols as there is room for here, a list of them without end, looked at again and again:
 * neither memory nor time without bound. */
static void symbols_are_bounded(void **state)
{
	const uint64_t symbols = FIRST + 0x1000, n = 4096 * (NPAGES - 16) / sizeof(Elf64_Sym);
	unsigned modules;

	(void)state;
	put64(FIRST + 8, FIRST + 8);
	put64(FIRST + KALLSYMS, symbols);
	put64(FIRST + KALLSYMS + 8, n);
	modules = count();
	assert_in_range(modules, 1, KERNEL_MODULES);
	for (unsigned i = 0; i < 100 && count() == modules; i++)
		assert_true(modules * n <= 1 << 19);
	assert_in_range(found.looks, 3, 99);
	while (count())
		assert_true(found.looks < 200);
}

static void a_list_that_does_not_end_is_left(void **state)
{
	(void)state;
	put64(OTHER + 8, FIRST + 8);
	assert_int_equal(count(), KERNEL_MODULES);
	put64(OTHER + 8, 0);
	assert_int_equal(count(), 2);
	put64(HEAD, HEAD);
	assert_int_equal(count(), 0);
	put64(HEAD, ~0ull);
	assert_int_equal(count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_image_is_where_it_is_mapped, start, stop),
		cmocka_unit_test_setup_teardown(functions_of_modules_have_their_names, start, stop),
		cmocka_unit_test_setup_teardown(what_is_spoilt_is_left_out, start, stop),
		cmocka_unit_test_setup_teardown(names_have_no_controls, start, stop),
		cmocka_unit_test_setup_teardown(symbols_are_bounded, start, stop),
		cmocka_unit_test_setup_teardown(a_list_that_does_not_end_is_left, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
