/* SPDX-License-Identifier: MIT */
/* Log lines as users pasted them: the leaf and the status are found, and nothing else is taken for
 * one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/decode.h>

static bool read_line(const char *line, struct tdx_log_note *note)
{
	struct tdx_log log = {0};

	return tdx_log_line(&log, line, strlen(line), note);
}

static void assert_line(const char *line, const char *leaf, uint64_t raw)
{
	struct tdx_log_note note;

	if (!read_line(line, &note))
		fail_msg("nothing found in: %s", line);
	assert_true(note.has_status);
	assert_int_equal(note.status.raw, raw);
	assert_int_equal(strtoull(line + note.at, NULL, 16), raw);
	if (!leaf)
		assert_null(note.leaf);
	else if (!note.leaf)
		fail_msg("no leaf found in: %s", line);
	else
		assert_string_equal(note.leaf->name, leaf);
}

static void assert_silent(const char *line)
{
	struct tdx_log_note note;

	if (read_line(line, &note))
		fail_msg("took 0x%llx for a status in: %s", (unsigned long long)note.status.raw,
			 line);
}

static void lines_that_users_pasted(void **state)
{
	assert_line("[  261.262866] SEAMCALL (0x1c) failed: 0xc000030000000001",
		    "TDH.PHYMEM.PAGE.RECLAIM", 0xc000030000000001ull);
	assert_line(
		"[    7.592823] tdx: SEAMCALL failed: CPU 94: leaf 33, error 0xc000092100000122.",
		"TDH.SYS.INIT", 0xc000092100000122ull);
	assert_line("[   19.324236] virt/tdx: SEAMCALL (0x21) failed: 0xc000090000000000",
		    "TDH.SYS.INIT", 0xc000090000000000ull);
	assert_line("TDH.MNG.INIT failed with status: 0xc000010000000045", "TDH.MNG.INIT",
		    0xc000010000000045ull);
	assert_line("TDH.MNG.INIT ... 0xc000010000000045", "TDH.MNG.INIT", 0xc000010000000045ull);
	assert_line("0xC000010000000000", NULL, 0xc000010000000000ull);
	assert_line("qemu-system-x86_64: TDX ioctl KVM_TDX_INIT_VM failed, hw_errors: "
		    "0xc000010000000045",
		    NULL, 0xc000010000000045ull);
	assert_line("[   14.036730] virt/tdx: SEAMCALL (0x0000000000000022) failed: "
		    "0xc000050500000000",
		    "TDH.SYS.RD", 0xc000050500000000ull);
}

static void they_decode_to_what_was_answered(void **state)
{
	struct tdx_log_note note;
	struct tdx_explanation e;
	char buf[TDX_DECODE_TEXT_MAX];

	assert_true(read_line("SEAMCALL (0x1c) failed: 0xc000030000000001", &note));
	assert_string_equal(tdx_status_name(note.status), "TDX_PAGE_METADATA_INCORRECT");
	assert_string_equal(tdx_details_text(note.status, note.leaf, buf, sizeof(buf)),
			    "operand RCX (page)");

	assert_true(read_line("leaf 33, error 0xc000092100000122.", &note));
	assert_string_equal(tdx_status_name(note.status), "TDX_INCORRECT_MSR_VALUE");
	assert_string_equal(tdx_details_text(note.status, note.leaf, buf, sizeof(buf)),
			    "MSR 0x122 (IA32_TSX_CTRL)");

	assert_true(read_line("SEAMCALL (0x21) failed: 0xc000090000000000", &note));
	tdx_explain(note.status, note.leaf, &e);
	assert_string_equal(e.name, "TDX_INCORRECT_CPUID_VALUE");
	assert_int_equal(e.action, TDX_DO_FIX_FIRMWARE);

	assert_true(read_line("TDH.MNG.INIT 0xc000010000000045", &note));
	assert_string_equal(tdx_details_text(note.status, note.leaf, buf, sizeof(buf)),
			    "operand CPUID_CONFIG (a CPUID value in TD_PARAMS)");
	tdx_explain(note.status, note.leaf, &e);
	assert_non_null(strstr(e.hint, "sub-leaf"));

	assert_true(read_line("0xC000010000000000", &note));
	assert_string_equal(tdx_details_text(note.status, note.leaf, buf, sizeof(buf)),
			    "operand RAX");
}

static void every_shape_that_kernels_have_printed(void **state)
{
	assert_line("SEAMCALL (28) failed: 0xc000030000000001", "TDH.PHYMEM.PAGE.RECLAIM",
		    0xc000030000000001ull);
	assert_line("kvm_intel: SEAMCALL TDH_MEM_PAGE_AUG failed: 0xc0000b0d00000001, entry "
		    "0x80000001040004f7, level_state 0x400",
		    "TDH.MEM.PAGE.AUG", 0xc0000b0d00000001ull);
	assert_line("SEAMCALL TDH_MNG_KEY_CONFIG failed: 0x8000080000000000", "TDH.MNG.KEY.CONFIG",
		    0x8000080000000000ull);
	assert_line("SEAMCALL[TDH_MNG_INIT] failed on cpu 3: TDX_OPERAND_INVALID "
		    "(0xc000010000000040)",
		    "TDH.MNG.INIT", 0xc000010000000040ull);
	assert_line("SEAMCALL[0x1c] failed: 0x8000020000000001", "TDH.PHYMEM.PAGE.RECLAIM",
		    0x8000020000000001ull);
	assert_line("SEAMCALL[28] failed: 0x8000020000000001 RCX 0x0, RDX 0x0",
		    "TDH.PHYMEM.PAGE.RECLAIM", 0x8000020000000001ull);
	assert_line("SEAMCALL[TDH_MEM_TRACK(0x26)] failed: X (0x8000020100000000)", "TDH.MEM.TRACK",
		    0x8000020100000000ull);
	assert_line("SEAMCALL (0x0000000000010016) failed: 0xc000070500000000", "TDH.VP.INIT",
		    0xc000070500000000ull);
	assert_line("SEAMCALL tdh_mem_range_block failed: 0xb0700000001", "TDH.MEM.RANGE.BLOCK",
		    0xb0700000001ull);
	assert_line("SEAMCALL (0x0000000000000021) failed: 0x8000ff00ffff0000", "TDH.SYS.INIT",
		    TDX_SEAMCALL_VMFAILINVALID);
	assert_line("TDCALL 6 failed: 0xc000010000000001", "TDG.MEM.PAGE.ACCEPT",
		    0xc000010000000001ull);
	assert_line("td exit with 0x6000000500000000", NULL, 0x6000000500000000ull);
	assert_line("x-12 [003] 12.3: seamcall_exit: cpuid: 3 op: TDH_MEM_PAGE_AUG err: "
		    "TDX_OPERAND_BUSY(8000020000000092) 0 0 0 0 0 0",
		    "TDH.MEM.PAGE.AUG", 0x8000020000000092ull);
	assert_line("TDX ioctl 2 return with -5, hw_errors: 0xc000010000000045", NULL,
		    0xc000010000000045ull);
}

static void a_leaf_that_failed_without_a_status_is_named(void **state)
{
	struct tdx_log_note note;

	assert_true(read_line("Kernel panic - not syncing: TDCALL 4 failed (Buggy TDX module!)",
			      &note));
	assert_false(note.has_status);
	assert_string_equal(note.leaf->name, "TDG.MR.REPORT");
}

static void a_call_to_the_seamldr_is_not_taken_for_a_leaf(void **state)
{
	struct tdx_log_note note;

	assert_true(read_line("SEAMCALL (0x8000000000000001) failed: 0x8000000000000003", &note));
	assert_true(note.seamldr);
	assert_null(note.leaf);
	assert_true(read_line("seam: SEAMCALL[SEAMLDR_INFO] failed 0x8000000000000003", &note));
	assert_true(note.seamldr);
	assert_null(note.leaf);
}

static void an_unknown_status_of_a_seamcall_is_still_found(void **state)
{
	assert_line("SEAMCALL (0x21) failed: 0xc000ee0000000000", "TDH.SYS.INIT",
		    0xc000ee0000000000ull);
}

static void lines_about_other_things_are_left_alone(void **state)
{
	assert_silent("");
	assert_silent(
		"[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000407fffffff] usable");
	assert_silent("RAX: 0000000000000000 RBX: ffff888100000000 RCX: c000030000000001");
	assert_silent("RIP: 0010:kvm_arch_vcpu_ioctl_run+0x1c/0xc0");
	assert_silent("pci 0000:00:1f.0: failed: 0x1");
	assert_silent("acpi: _OSC failed: 0x0000000000000000");
	assert_silent("CR2: 0xffff888100000000 error 0xffffffffffffffff");
	assert_silent("addr 0xc000010000000000000"); /* too long for 64 bits */
	assert_silent("addr 0xc001010000000000");    /* a reserved bit */
	assert_silent("virt/tdx: BIOS enabled: private KeyID range [32, 64)");
	assert_silent("virt/tdx: module initialization failed (-5)");
	assert_silent("virt/tdx: CMR: [0x100000, 0x77800000)");
	assert_silent("mask 0x8000000000000000 0xc000000000000000 0x4000000000000001");
	assert_silent("0x8000000300000000abc");
}

/* A number is a status only where the form says so. */
static void numbers_after_a_failure_are_no_statuses(void **state)
{
	struct tdx_log_note note;

	assert_silent("tdx failed: 0x0");
	assert_silent("virt/tdx: initialization failed: TDMR [0x0, 0x80000000): reserved areas "
		      "exhausted.");
	assert_silent("qemu: TDX ioctl KVM_TDX_INIT_VM failed, hw_errors: 0x0: Invalid argument");
	assert_silent("tdx: Failed to unshare range 0x0-0x200000");
	assert_silent("tdx: Failed to unshare range 0x30100000000-0x30100200000");
	assert_silent("tdx: error in range 0x0000030100000000");
	assert_silent("SEAMCALL for the page at address 0xffff888100000000 failed");
	/* A call failed, and the line does not say with what. */
	assert_true(read_line("SEAMCALL (0x0000000000000008) failed: 0x0", &note));
	assert_false(note.has_status);
	assert_true(read_line("SEAMCALL TDH_MEM_TRACK failed at 0x30100000000", &note));
	assert_false(note.has_status);
	/* What a call returned may be zero, or no error. */
	assert_line("TDH.MEM.TRACK returned 0x0", "TDH.MEM.TRACK", 0);
	assert_line("SEAMCALL (0x0000000000000007) failed: 0x00000b0700000001",
		    "TDH.MEM.RANGE.BLOCK", 0x00000b0700000001ull);
	assert_line("kvm [1]: vcpu0, guest rIP: 0x0 TD vp_enter_ret 0x6000000500000000",
		    "TDH.VP.ENTER", 0x6000000500000000ull);
}

static void registers_on_the_line_are_read(void **state)
{
	struct tdx_log_note note;

	assert_true(read_line("SEAMCALL TDH_MEM_PAGE_AUG failed: 0xc0000b0d00000001, entry "
			      "0x80000001040004f7, level_state 0x400",
			      &note));
	assert_int_equal(note.shown, TDX_REG_BIT(1) | TDX_REG_BIT(2));
	assert_int_equal(note.regs.rcx, 0x80000001040004f7ull);
	assert_int_equal(note.regs.rdx, 0x400);
}

static void registers_on_the_next_line_belong_to_the_call(void **state)
{
	static const char *const lines[] = {
		"virt/tdx: SEAMCALL (0x0000000000000022) failed: 0xc000050500000000",
		"i2c i2c-1: 16/32 memory slots populated (from DMI)",
		"virt/tdx: RCX 0x0000000000000000 RDX 0x9100000100000008 R08 0x0000000000000000",
	};
	struct tdx_log log = {0};
	struct tdx_log_note note;

	assert_true(tdx_log_line(&log, lines[0], strlen(lines[0]), &note));
	assert_false(note.belongs);
	assert_false(tdx_log_line(&log, lines[1], strlen(lines[1]), &note));
	assert_true(tdx_log_line(&log, lines[2], strlen(lines[2]), &note));
	assert_true(note.belongs);
	assert_false(note.has_status);
	assert_string_equal(note.leaf->name, "TDH.SYS.RD");
	assert_int_equal(note.regs.rdx, 0x9100000100000008ull);
}

static void registers_long_after_the_call_do_not(void **state)
{
	const char *call = "SEAMCALL (0x22) failed: 0xc000050500000000", *regs = "RCX 0x0";
	struct tdx_log log = {0};
	struct tdx_log_note note;

	assert_false(tdx_log_line(&log, regs, strlen(regs), &note));
	assert_true(tdx_log_line(&log, call, strlen(call), &note));
	for (int i = 0; i < 20; i++)
		assert_false(tdx_log_line(&log, "noise", 5, &note));
	assert_false(tdx_log_line(&log, regs, strlen(regs), &note));
}

static void a_line_cut_anywhere_is_read_to_its_end_only(void **state)
{
	static const char line[] =
		"SEAMCALL (0x000000000000001c) failed: 0xc000030000000001 RCX 0x5";

	for (size_t len = 0; len < sizeof(line); len++) {
		char *exact = malloc(len ? len : 1);
		struct tdx_log log = {0};
		struct tdx_log_note note;

		memcpy(exact, line, len);
		if (tdx_log_line(&log, exact, len, &note) && note.has_status)
			assert_true(note.at + note.len <= len);
		free(exact);
	}
}

static void arbitrary_bytes_are_no_calls(void **state)
{
	unsigned char bytes[256];
	struct tdx_log log = {0};
	struct tdx_log_note note;

	for (unsigned i = 0; i < 256; i++)
		bytes[i] = (unsigned char)(255 - i);
	assert_false(tdx_log_line(&log, (char *)bytes, sizeof(bytes), &note));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_users_pasted),
		cmocka_unit_test(they_decode_to_what_was_answered),
		cmocka_unit_test(every_shape_that_kernels_have_printed),
		cmocka_unit_test(a_leaf_that_failed_without_a_status_is_named),
		cmocka_unit_test(a_call_to_the_seamldr_is_not_taken_for_a_leaf),
		cmocka_unit_test(an_unknown_status_of_a_seamcall_is_still_found),
		cmocka_unit_test(lines_about_other_things_are_left_alone),
		cmocka_unit_test(numbers_after_a_failure_are_no_statuses),
		cmocka_unit_test(registers_on_the_line_are_read),
		cmocka_unit_test(registers_on_the_next_line_belong_to_the_call),
		cmocka_unit_test(registers_long_after_the_call_do_not),
		cmocka_unit_test(a_line_cut_anywhere_is_read_to_its_end_only),
		cmocka_unit_test(arbitrary_bytes_are_no_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
