/* SPDX-License-Identifier: MIT */
/* The vector language: what a line means, what is refused, and values captured in one step that
 * later steps name. */
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace/vecrun.h"
#include "trace/vector.h"

#define PLATFORM                                                                                   \
	"platform mem=0x80000000 cmr=0x100000+0x7af00000 maxpa=52 keyid_bits=6 keyids=64 "         \
	"tdx_keyids=32 lps=2 pkgs=1 wb_blocks=4 seed=1\n"
/* RDX: a register that the call leaves as it was */
#define SYS_INIT "seamcall 0 TDH.SYS.INIT rcx=0x0 -> rax=0x0\n"

static bool parses(const char *text, struct vec_step *s, char *line, size_t len)
{
	char err[128];

	snprintf(line, len, "%s", text);
	return vec_parse(line, s, err, sizeof(err));
}

static void names_stand_for_inputs_and_outputs(void **state)
{
	char line[256];
	struct vec_step s;

	assert_true(parses("seamcall 0 TDH.SYS.RD rdx=$field+0x10 r8=$a1^3 -> rax=0x0 r8=$value",
			   &s, line, sizeof(line)));
	assert_int_equal(s.in.named, 1u << 2 | 1u << 8);
	assert_string_equal(s.in.name[2], "field");
	assert_int_equal(s.in.op[2], '+');
	assert_int_equal(s.in.v.rdx, 0x10);
	assert_string_equal(s.in.name[8], "a1");
	assert_int_equal(s.in.op[8], '^');
	assert_int_equal(s.out.named, 1u << 8);
	assert_int_equal(s.out.mask, 1u << 0 | 1u << 8);
	assert_string_equal(s.out.name[8], "value");
}

static void wrong_lines_are_refused(void **state)
{
	static const char *const wrong[] = {
		"seamcall 0 TDH.SYS.RD rdx=$",
		"seamcall 0 TDH.SYS.RD rdx=$1a",
		"seamcall 0 TDH.SYS.RD rdx=$Field",
		"seamcall 0 TDH.SYS.RD rdx=$a_b",
		"seamcall 0 TDH.SYS.RD rdx=$a+",
		"seamcall 0 TDH.SYS.RD rdx=$a+-1",
		"seamcall 0 TDH.SYS.RD rdx=$a*2",
		"seamcall 0 TDH.SYS.RD rdx=$abcdefghijklmnop",
		"seamcall 0 TDH.SYS.RD rdx=0x1 -> rax=$a+1",
		"xor",
		"xor 0x1000",
		"xor 0x1000 0x100",
		"xor 0x1000 zz",
		"reload now",
		"reload handoff=none now",
		"guest cpuid lp=0 reason=10 idt=x -> resume",
		"guest cpuid lp=0 reason=10 vector=1 -> resume",
	};
	char line[256];
	struct vec_step s;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (parses(wrong[i], &s, line, sizeof(line)))
			fail_msg("understood: %s", wrong[i]);
}

static void a_guest_line_has_all_of_an_exit(void **state)
{
	char line[256];
	struct vec_step s;

	assert_true(parses("guest exception lp=1 reason=0x4000001 intr=0x80000b0d ierr=7 "
			   "idt=0x80000020 iinfo=9 ilen=2 stall=1 -> resume",
			   &s, line, sizeof(line)));
	assert_int_equal(s.reason, 0x4000001);
	assert_int_equal(s.intr, 0x80000b0d);
	assert_int_equal(s.ierr, 7);
	assert_int_equal(s.idt, 0x80000020);
	assert_int_equal(s.iinfo, 9);
	assert_true(s.stall);
}

static void first(void *arg, const struct vec_diff *d)
{
	struct vec_diff *kept = arg;

	if (!kept->text[0])
		*kept = *d;
}

/* The text of the first difference, "" when there is none. */
static struct vec_diff run(const char *text)
{
	struct vec_diff d = {0};
	struct vecrun_options opt = {.diff = first, .arg = &d};
	struct vecrun_result r;
	char *copy = strdup(text);

	assert_non_null(copy);
	vecrun_text(copy, &opt, &r);
	free(copy);
	return d;
}

static void a_value_is_captured_and_used(void **state)
{
	struct vec_diff d = run(PLATFORM SYS_INIT
				"seamcall 0 TDH.SYS.LP.INIT -> rax=0x0 rdx=$zero\n"
				"seamcall 0 TDH.SYS.INFO rcx=$zero+8 -> rax=0xc000010000000001 "
				"rcx=$again\n"
				"seamcall 0 TDH.SYS.INFO rcx=$again^1 -> rax=0xc000010000000001 "
				"rcx=0x9\n"
				"seamcall 0 TDH.SYS.INFO rcx=$again-1 -> rax=0xc000010000000001 "
				"rcx=0x7\n");

	assert_string_equal(d.text, "");
}

static void a_name_for_nothing_is_a_difference(void **state)
{
	struct vec_diff d = run(PLATFORM "seamcall 0 TDH.SYS.INIT rcx=$none -> rax=0x0\n");

	assert_string_equal(d.text, "nothing has been captured as $none");
	assert_int_equal(d.line, 2);
}

static void names_are_bounded(void **state)
{
	char *text = NULL;
	struct vec_diff d;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fputs(PLATFORM, f);
	for (unsigned i = 0; i <= VEC_MAX_NAMES; i++)
		fprintf(f, "seamcall 0 TDH.SYS.RD -> rax=$n%u\n", i);
	fclose(f);
	d = run(text);
	free(text);
	assert_string_equal(d.text, "more than 64 names of captured values");
	assert_int_equal(d.line, VEC_MAX_NAMES + 2);
}

static void xor_flips_bits(void **state)
{
	struct vec_diff d = run(PLATFORM "write 0x200000 0102\nxor 0x200001 0x81\n"
					 "expect 0x200000 0183\n");

	assert_string_equal(d.text, "");
	d = run(PLATFORM "xor 0x80000000 1\n");
	assert_string_equal(d.text, "0x80000000 is no memory of this platform");
}

static void a_reloaded_module_knows_nothing(void **state)
{
	struct vec_diff d = run(PLATFORM SYS_INIT "seamcall 0 TDH.SYS.LP.INIT -> rax=0x0\nreload\n"
						  "seamcall 0 TDH.SYS.LP.INIT -> rax=?\n" SYS_INIT
						  "seamcall 0 TDH.SYS.LP.INIT -> rax=0x0\n");

	assert_string_equal(d.text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_stand_for_inputs_and_outputs),
		cmocka_unit_test(wrong_lines_are_refused),
		cmocka_unit_test(a_guest_line_has_all_of_an_exit),
		cmocka_unit_test(a_value_is_captured_and_used),
		cmocka_unit_test(a_name_for_nothing_is_a_difference),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(xor_flips_bits),
		cmocka_unit_test(a_reloaded_module_knows_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
