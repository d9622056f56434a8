/* SPDX-License-Identifier: MIT */
/* What of a guest's output reaches a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/term_filter.h"

static void expect(const char *in, const char *out)
{
	char got[1024];
	struct term_filter f = {0};
	size_t n = 0;

	for (; *in; in++) {
		uint8_t some[TERM_SEQUENCE_MAX];
		size_t k = term_filter(&f, (uint8_t)*in, some);

		assert_true(n + k < sizeof(got));
		memcpy(got + n, some, k);
		n += k;
	}
	got[n] = '\0';
	assert_string_equal(got, out);
}

static void passes(const char *text)
{
	expect(text, text);
}

static void vanishes(const char *text)
{
	char around[512];

	strcpy(around, "a");
	strcat(around, text);
	strcat(around, "b");
	expect(around, "ab");
}

static void text_colours_and_the_cursor_pass(void **state)
{
	(void)state;
	passes("plain\ttext\r\n\a\b");
	passes("\303\251\342\202\254\360\237\230\200");
	passes("\033[1;31mred\033[0m\033[38;5;12m\033[38:2::1:2:3m\033[m");
	passes("\033[H\033[2J\033[10;20H\033[A\033[K\033[?25l\033[?25h\033[?1049h\033[?7;25l");
	passes("\0337\0338\033c\033M\033(0\033(B\033=\033>\033[4h\033[2 q\033[1;24r");
}

static void what_makes_a_terminal_answer_is_dropped(void **state)
{
	static const char *const requests[] = {
		"\033[6n",     "\033[c",      "\033[>c",     "\033[=c",	   "\033[?6n",
		"\033[5n",     "\033Z",	      "\005",	     "\033[18t",   "\033[21t",
		"\033[?25$p",  "\033[x",      "\033[>q",     "\033[?u",	   "\033[?1000h",
		"\033[?1004h", "\033[?2004h", "\033[1;2'z",  "\033[0'|",   "\033[?25;1003h",
		"\033[>4;2m",  "\033[5i",     "\033[?5i",    "\033[1;1*y", "\033[?2026$p",
		"\033[?996n",  "\033[?h",     "\033[25;;?h",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		vanishes(requests[i]);
}

static void what_stores_or_renames_is_dropped(void **state)
{
	(void)state;
	vanishes("\033]0;title\a");
	vanishes("\033]52;c;ZXZpbA==\033\\");
	vanishes("\033]8;;http://x\033\\");
	vanishes("\033P$qm\033\\");
	vanishes("\033P1$tabc\033\\");
	vanishes("\033_Gf=24;AAAA\033\\");
	vanishes("\033^pm\033\\");
	vanishes("\033Xsos\033\\");
	vanishes("\033kname\033\\");
	vanishes("\033]0;to be continued\033]0;\a");
	expect("\033]0;never ended\nnext", "\nnext");
}

static void no_detour_leads_there(void **state)
{
	char longest[200] = "\033[";

	(void)state;
	vanishes("\233");
	expect("a\2336nb", "a6nb");		  /* C1 by itself */
	expect("a\302\2336nb", "a6nb");		  /* U+009b */
	expect("a\302\2350;x\302\234b", "a0;xb"); /* OSC and ST */
	expect("\340\233\2336n", "6n");		  /* too long a form of it */
	expect("\033[3\0336n", "n");
	expect("\033[\0076n", "\a6n");
	expect("\033\033[6n", "");
	expect("\033[\033[6n", "");
	expect("\033[\33031m", "31m");
	expect("\033#8x", "8x");
	memset(longest + 2, '1', 150);
	strcpy(longest + 152, "mx");
	expect(longest, "x");
	memset(longest + 2, ';', 150);
	strcpy(longest + 152, "n");
	expect(longest, "");
	expect("\001\002\016\017\021\023\177", "");
}

/* Whatever comes: no byte of a terminal's controls but those of whole sequences that pass. */
static void random_bytes_give_no_other_controls(void **state)
{
	static const char likely[] =
		"\033\033[]P\\_^X0123456789;?>$ \"'nchlmtqpuxyz\a\n\302\233\235";
	struct term_filter f = {0};
	uint32_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 3000000; i++) {
		uint8_t out[TERM_SEQUENCE_MAX], c;
		size_t n;

		seed = seed * 1664525 + 1013904223;
		c = seed >> 30 ? (uint8_t)likely[(seed >> 8) % (sizeof(likely) - 1)]
			       : (uint8_t)(seed >> 16);
		n = term_filter(&f, c, out);
		assert_true(n <= TERM_SEQUENCE_MAX);
		if (!n || (out[0] >= 0x20 && out[0] < 0x7f) || (out[0] >= 7 && out[0] <= 13))
			continue;
		if (out[0] >= 0xc2) {
			assert_true(n >= 2);
			continue;
		}
		assert_int_equal(out[0], 033);
		assert_true(n >= 2 && !strchr(n == 2 ? "]P_^XkZ\\" : "ntpxyz|i", out[n - 1]));
		assert_true(out[n - 1] != 'c' || n == 2);
		assert_true(out[n - 1] != 'q' || out[n - 2] == ' ');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_colours_and_the_cursor_pass),
		cmocka_unit_test(what_makes_a_terminal_answer_is_dropped),
		cmocka_unit_test(what_stores_or_renames_is_dropped),
		cmocka_unit_test(no_detour_leads_there),
		cmocka_unit_test(random_bytes_give_no_other_controls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
