/* SPDX-License-Identifier: MIT */
/* The table of sentences: every row is found by its own words, in every form in which people paste
 * a line; a line about other things is not; a failure about TDX is seen as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/sentence.h"

/* A line as the printer of this sentence would write it. */
static void sample(const struct sentence *s, char *out, size_t room)
{
	static const char *const prefix[SENTENCE_PRINTERS] = {
		[SENTENCE_CPU] = "",
		[SENTENCE_MCE] = "mce: [Hardware Error]: ",
		[SENTENCE_HOST] = "virt/tdx: ",
		[SENTENCE_KVM] = "kvm_intel: ",
		[SENTENCE_GUEST] = "tdx: ",
		[SENTENCE_TDX_GUEST] = "tdx_guest: ",
		[SENTENCE_SYSTEMD] = "systemd[1]: ",
		[SENTENCE_QEMU] = "kvm: ",
		[SENTENCE_LIBVIRT] = "error: unsupported configuration: ",
		[SENTENCE_CLH] = "cloud-hypervisor: 1.2s: <vmm> ERROR:vmm/src/lib.rs:9 -- ",
		[SENTENCE_EDK2] = "",
		[SENTENCE_TDSHIM] = "td-shim: ",
	};
	size_t n = (size_t)snprintf(out, room, "%s", prefix[s->printer]);

	for (const char *p = s->format; *p && n + 20 < room; p++) {
		if (*p != '%') {
			out[n++] = *p;
			continue;
		}
		while (!strchr("sdiuxp%", *++p))
			;
		if (*p == 's')
			n += (size_t)snprintf(out + n, room - n, "Some text");
		else if (*p == '%')
			out[n++] = '%';
		else
			n += (size_t)snprintf(out + n, room - n, *p == 'x' ? "80000f3" : "7");
	}
	out[n] = '\0';
}

static const struct sentence *find(const char *raw)
{
	char line[LINE_ROOM];
	struct sentence_match m;
	size_t n = line_clean(raw, strlen(raw), line, sizeof(line));

	return sentence_find(line, n, &m) ? m.sentence : NULL;
}

static void every_row_is_found_by_its_own_words_and_no_row_hides_it(void **state)
{
	const struct sentence *s;
	unsigned wrong = 0;
	char line[512];

	for (size_t i = 0; (s = sentence_at(i)); i++) {
		const struct sentence *found;

		sample(s, line, sizeof(line));
		found = find(line);
		if (found != s)
			print_error("\"%s\" is found as \"%s\"\n", line,
				    found ? found->format : "none");
		wrong += found != s;
	}
	assert_int_equal(wrong, 0);
}

static void every_row_is_found_in_every_form_of_a_log(void **state)
{
	static const char *const forms[] = {
		"[   10.774047] %s",
		"[   10.774047][ T1234] %s",
		"[    1.254319][    C3] %s\r",
		"[Nov28 16:01] %s",
		"[  +0.000012] %s",
		"[Sat Nov 28 16:00:00 2026] %s",
		"<3>[   10.774047] %s",
		"kern  :err   : [   10.774047] %s",
		"Nov 28 16:00:00 tdx-host kernel: %s",
		"Nov 28 16:00:00 host kernel: [   10.774047] %s",
		"2026-11-28T16:00:00.123456+00:00 tdx kernel: %s",
		"2026-11-28T16:00:00.123Z %s",
		"\033[32m[   10.774047] \033[0m\033[33mvirt/tdx: \033[0m\033[31m%s\033[0m",
		"\033]0;title\a\033[1;31m%s\033[K",
		"> > [   10.774047] %s",
		"   %s   ",
	};
	const struct sentence *s;
	char line[512], raw[700];

	for (size_t i = 0; (s = sentence_at(i)); i++)
		for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
			sample(s, line, sizeof(line));
			snprintf(raw, sizeof(raw), forms[k], line);
			if (find(raw) != s)
				fail_msg("not found: %s", raw);
		}
}

static void every_bad_row_has_words_and_a_way_on(void **state)
{
	const struct sentence *s;
	unsigned wrong = 0;

	for (size_t i = 0; (s = sentence_at(i)); i++) {
		bool none = s->kind == SENTENCE_BAD && s->about != SENTENCE_STATUS &&
			    s->about != SENTENCE_INIT_FAILED && !s->remedy && !s->cause;

		assert_true(s->meaning && *s->meaning);
		assert_true(s->format[0] != ' ');
		if (none)
			print_error("nothing to do about \"%s\"\n", s->format);
		wrong += none;
	}
	assert_int_equal(wrong, 0);
}

static void lines_about_other_things_are_none_of_them(void **state)
{
	static const char *const lines[] = {
		"",
		"nvidia: module not loaded",
		"floppy: module initialized",
		"iwlwifi: initialization failed: -5",
		"systemd[1]: Failed to start tor.service",
		"BIOS-e820: [mem 0x0000000100000000-0x000000407fffffff] usable",
		"qemu-system-x86_64: Failed to get \"write\" lock",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (find(lines[i]))
			fail_msg("\"%s\" is taken for \"%s\"", lines[i], find(lines[i])->format);
}

static bool is_failure(const char *raw)
{
	char line[LINE_ROOM];
	size_t n = line_clean(raw, strlen(raw), line, sizeof(line));

	return line_is_failure_of_tdx(raw, strlen(raw), line, n);
}

static void failures_about_tdx_are_seen_as_such(void **state)
{
	static const char *const lines[] = {
		"foo: tdx something odd failed",     "crosvm: KVM_TDX_INIT_VM: Invalid argument",
		"vm-type tdx is not supported here", "virt/tdx: Cannot do what was asked",
		"Error: SEAMCALL returned nonsense", "kata: TDX guest protection unavailable",
		"tdx: could not find the thing",     "libvirt: TDX: host does not have it",
	};
	static const char *const none[] = {
		"tdx: all is well",
		"tdx: 0 errors, no failures",
		"Kernel command line: ro kvm_intel.tdx=1 panic=-1 error",
		"Modules linked in: tdx_guest bad_module",
		"Nov 28 16:00:00 tdx-host kernel: usb 1-1: device descriptor read/64, error -71",
		"2026-11-28T16:00:00+00:00 tdx sshd[1]: Failed password for root",
		"root@tdx-guest:~# cat error",
		"usb 1-1: device not accepting address, error -71",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!is_failure(lines[i]))
			fail_msg("passed over: %s", lines[i]);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (is_failure(none[i]))
			fail_msg("taken for a failure of TDX: %s", none[i]);
}

static void numbers_are_put_into_words(void **state)
{
	static const struct {
		const char *line, *words;
	} rows[] = {
		{"tdx: Unexpected #VE: 30", "exit 30 (IO)"},
		{"tdx: Unexpected #VE: 48", "exit 48"},
		{"tdx_guest: GetQuote hypercall failed, status:8000000000000000",
		 "INVALID_OPERAND"},
		{"tdx_guest: GetQuote request failed, status:8000000000000001",
		 "SERVICE_UNAVAILABLE"},
		{"tdx_guest: tdx_mcall_extend_rtmr(2) failed: -16", "busy"},
		{"TDX ioctl KVM_TDX_INIT_VM failed, hw_errors: 0x0: Invalid argument",
		 "the module was not asked"},
		{"KVM: unknown exit, hardware reason 1f", "exit 31 (RDMSR)"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sentence_match m;
		char words[160];

		if (!sentence_find(rows[i].line, strlen(rows[i].line), &m))
			fail_msg("not found: %s", rows[i].line);
		if (!strstr(sentence_number(&m, words, sizeof(words)), rows[i].words))
			fail_msg("%s: \"%s\"", rows[i].line, words);
	}
}

static void a_line_cut_anywhere_is_read_to_its_end_only(void **state)
{
	static const char line[] =
		"virt/tdx: initialization failed: TDMR [0x40000000, 0x80000000): "
		"reserved areas exhausted.";

	for (size_t len = 0; len < sizeof(line); len++) {
		char *exact = malloc(len ? len : 1), clean[LINE_ROOM];
		struct sentence_match m;

		memcpy(exact, line, len);
		if (sentence_find(exact, len, &m))
			assert_true(m.at + m.len <= len);
		line_clean(exact, len, clean, sizeof(clean));
		line_is_failure_of_tdx(exact, len, exact, len);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_by_its_own_words_and_no_row_hides_it),
		cmocka_unit_test(every_row_is_found_in_every_form_of_a_log),
		cmocka_unit_test(every_bad_row_has_words_and_a_way_on),
		cmocka_unit_test(lines_about_other_things_are_none_of_them),
		cmocka_unit_test(failures_about_tdx_are_seen_as_such),
		cmocka_unit_test(numbers_are_put_into_words),
		cmocka_unit_test(a_line_cut_anywhere_is_read_to_its_end_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
