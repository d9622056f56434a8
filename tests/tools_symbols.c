/* SPDX-License-Identifier: MIT */
/* Functions' names from a file and from a kernel's memory, whole and spoilt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "tools/file.h"
#include "tools/kallsyms.h"
#include "tools/symbols.h"

/* --- a file: this program --- */

static uint8_t *file;
static size_t file_size;

static void functions_of_a_file_have_their_names(void **state)
{
	const char *why;
	struct symbols *s = symbols_new(file, file_size, &why);
	char text[SYMBOL_TEXT];
	uint64_t start, end, at;

	(void)state;
	assert_non_null(s);
	at = symbols_address(s, "functions_of_a_file_have_their_names");
	symbols_range(s, &start, &end);
	assert_in_range(at, start, end);
	assert_true(symbols_is_code(s, at));
	assert_string_equal(symbols_name(s, at, text), "functions_of_a_file_have_their_names+0x0");
	assert_string_equal(symbols_name(s, at + 4, text),
			    "functions_of_a_file_have_their_names+0x4");
	assert_string_equal(symbols_name(s, 0x10, text), "0x10");
	assert_string_equal(symbols_name(NULL, 0x10, text), "0x10");
	assert_int_equal(symbols_address(s, "no_such_function"), 0);
	symbols_free(s);
}

static uint32_t seed = 1;

static uint32_t next_random(void)
{
	return seed = seed * 1664525 + 1013904223;
}

static void a_spoilt_file_is_refused_or_read(void **state)
{
	uint8_t *copy = malloc(file_size);
	char text[SYMBOL_TEXT];
	const char *why;

	(void)state;
	assert_null(symbols_new(file, 10, &why));
	assert_string_equal(why, "it is no ELF file for x86-64");
	for (unsigned i = 0; i < 200; i++) {
		const size_t size = i % 2 ? file_size : next_random() % file_size;
		struct symbols *s;

		memcpy(copy, file, size);
		for (unsigned k = 0; k < 4; k++) /* its header, and its section headers */
			copy[k % 2 ? next_random() % 64
				   : size - 1 - next_random() % (size < 4096 ? size : 4096)] ^=
				(uint8_t)next_random();
		s = symbols_new(copy, size, &why);
		if (s)
			symbols_name(s, next_random(), text);
		symbols_free(s);
	}
	free(copy);
}

/* --- a kernel's memory --- */

enum { SIZE = 1 << 16, SYMBOLS = 700, TOKENS = 256, SHORT = 200 };
#define AT 0xffffffff81000000ull

struct image {
	uint8_t b[SIZE];
	size_t at;
};

static void put(struct image *m, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		m->b[m->at++] = (uint8_t)(v >> 8 * i);
}

static void align(struct image *m)
{
	m->at = (m->at + 7) & ~(size_t)7;
}

static uint64_t address(unsigned i)
{
	return AT + 0x100000 + 64 * i;
}

/* Token SHORT stands for "func_". */
static void build(struct image *m, bool base)
{
	uint32_t marker[SYMBOLS / 256 + 1];
	uint16_t index[TOKENS];
	size_t names, tokens;

	memset(m, 0, sizeof(*m));
	m->at = 1000;
	put(m, SYMBOLS, 4);
	align(m);
	names = m->at;
	for (unsigned i = 0; i < SYMBOLS; i++) {
		char digits[16];
		const int n = snprintf(digits, sizeof(digits), "%u", i);

		if (i % 256 == 0)
			marker[i / 256] = (uint32_t)(m->at - names);
		put(m, (uint64_t)n + 2, 1);
		put(m, i % 3 ? 't' : 'T', 1);
		put(m, SHORT, 1);
		for (int k = 0; k < n; k++)
			put(m, (uint8_t)digits[k], 1);
	}
	align(m);
	for (unsigned i = 0; i <= SYMBOLS / 256; i++)
		put(m, marker[i], 4);
	align(m);
	tokens = m->at;
	for (unsigned i = 0; i < TOKENS; i++) {
		index[i] = (uint16_t)(m->at - tokens);
		if (i == SHORT)
			for (const char *c = "func_"; *c; c++)
				put(m, (uint8_t)*c, 1);
		else
			put(m, i >= ' ' && i < 127 ? i : 'x', 1);
		put(m, 0, 1);
	}
	align(m);
	for (unsigned i = 0; i < TOKENS; i++)
		put(m, index[i], 2);
	for (unsigned i = 0; i < SYMBOLS; i++)
		put(m, base ? (uint32_t)(AT - 1 - address(i)) : (uint32_t)(address(i) - AT - m->at),
		    4);
	align(m);
	put(m, base ? AT : 0, 8);
}

static void expect_names(bool base)
{
	static struct image m;
	struct symbols *s;
	char text[SYMBOL_TEXT];

	build(&m, base);
	s = kallsyms_find(m.b, SIZE, AT);
	assert_non_null(s);
	for (unsigned i = 0; i < SYMBOLS - 1; i++) {
		char want[32];

		snprintf(want, sizeof(want), "func_%u+0x5", i);
		assert_string_equal(symbols_name(s, address(i) + 5, text), want);
	}
	symbols_free(s);
}

static void a_kernel_has_a_table_of_its_functions(void **state)
{
	(void)state;
	expect_names(false);
	expect_names(true);
}

static void a_spoilt_table_is_none_or_another(void **state)
{
	static struct image m;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		size_t size = SIZE;

		build(&m, i % 2);
		for (unsigned k = 0; k < i % 8; k++)
			m.b[1000 + next_random() % (m.at - 1000)] ^=
				(uint8_t)(1u << next_random() % 8);
		if (i % 5 == 0)
			size = next_random() % m.at;
		symbols_free(kallsyms_find(m.b, size, AT));
	}
	memset(&m, 0, sizeof(m));
	assert_null(kallsyms_find(m.b, SIZE, AT));
}

static int read_file(void **state)
{
	(void)state;
	return file_read_whole("/proc/self/exe", 1 << 28, &file, &file_size);
}

static int free_file(void **state)
{
	(void)state;
	free(file);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_of_a_file_have_their_names),
		cmocka_unit_test(a_spoilt_file_is_refused_or_read),
		cmocka_unit_test(a_kernel_has_a_table_of_its_functions),
		cmocka_unit_test(a_spoilt_table_is_none_or_another),
	};

	return RUN_GROUP(tests, read_file, free_file);
}
