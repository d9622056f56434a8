/* SPDX-License-Identifier: MIT */
/* The machine's memory: what the host sees of lines under other KeyIDs, and what the coherency
 * sanitizer says about a host that forgot something. Names follow the duty that is broken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>
#include <swtdx/leaf.h>
#include "machine/coherency.h"

enum { PAGE = 0x200000, HKID = 33, GLOBAL_HKID = 32 };

static struct machine *new_machine(bool erratum)
{
	struct machine_config cfg;
	struct machine *m;
	char err[128] = "";

	machine_default_config(&cfg);
	cfg.lps = 4;
	cfg.pkgs = 2;
	cfg.partial_write_mce = erratum;
	m = machine_new(&cfg, err, sizeof(err));
	assert_string_equal(err, "");
	assert_non_null(m);
	assert_int_equal(machine_watch(m, 16), 0);
	return m;
}

/* The module writes a page under a TD's key, as leaf TDH.MEM.PAGE.ADD on the processor. */
static void module_writes(struct machine *m, unsigned lp, uint64_t pa)
{
	m->lp[lp].call = TDH_MEM_PAGE_ADD;
	machine_wrote(&m->lp[lp], pa, HKID);
	m->lp[lp].call = MACHINE_CALL_HOST;
}

static void host_writes(struct machine *m, uint64_t pa, size_t len)
{
	static const uint8_t bytes[4096] = {1, 2, 3};

	assert_int_equal(machine_write(&m->lp[0], pa, bytes, len), 0);
}

/* PAGE.WBINVD, 64-byte direct stores, barrier: what a host owes a page it got back. */
static void give_back(struct machine *m, uint64_t pa)
{
	machine_clflush(&m->lp[0], machine_with_hkid(m, pa, HKID), 4096);
	assert_int_equal(machine_movdir64b_zero(&m->lp[0], pa, 4096), 0);
	machine_mfence(&m->lp[0]);
}

static void only_report(struct machine *m, enum coherency_kind kind, struct coherency_report *r)
{
	char text[512];

	assert_true(machine_coherency_report(m, 0, r));
	assert_string_equal(coherency_kind_name(r->kind), coherency_kind_name(kind));
	assert_int_equal(machine_coherency_count(m), 1);
	assert_int_equal(r->pa, PAGE);
	coherency_format(r, text, sizeof(text));
	assert_non_null(strstr(text, "0x200000"));
	assert_non_null(strstr(text, coherency_duty(kind)));
}

static void page_life_with_all_duties_done_is_silent(void **state)
{
	struct machine *m = new_machine(true);
	uint8_t buf[64];

	for (int round = 0; round < 3; round++) {
		host_writes(m, PAGE, 4096);
		machine_clflush(&m->lp[1], PAGE, 4096);
		machine_handover(&m->lp[3], PAGE, 4096, HKID);
		module_writes(m, 3, PAGE);
		assert_true(machine_intact(&m->lp[0], PAGE, HKID));
		give_back(m, PAGE);
		assert_int_equal(machine_read(&m->lp[2], PAGE + 100, buf, sizeof(buf)), 0);
		host_writes(m, PAGE + 3, 5);
	}
	assert_int_equal(machine_coherency_count(m), 0);
	machine_free(m);
}

static void handover_without_clflush_names_host_page_and_call(void **state)
{
	struct machine *m = new_machine(false);
	struct coherency_report r;

	host_writes(m, PAGE + 8, 8);
	module_writes(m, 2, PAGE);
	only_report(m, COHERENCY_UNFLUSHED_HANDOVER, &r);
	assert_int_equal(r.old_hkid, 0);
	assert_int_equal(r.hkid, HKID);
	assert_int_equal(r.dirtied_by, MACHINE_CALL_HOST);
	assert_int_equal(r.during, TDH_MEM_PAGE_ADD);
	assert_int_equal(r.packages, 1);
	machine_free(m);
}

static void handover_without_write_is_reported_at_the_handover(void **state)
{
	struct machine *m = new_machine(false);
	struct coherency_report r;

	host_writes(m, PAGE, 64);
	m->lp[0].call = TDH_MEM_PAGE_AUG;
	machine_handover(&m->lp[0], PAGE, TDX_SIZE_2M, HKID);
	only_report(m, COHERENCY_UNFLUSHED_HANDOVER, &r);
	assert_int_equal(r.during, TDH_MEM_PAGE_AUG);
	machine_free(m);
}

static void forgotten_clflush_later_overwrites_private_data(void **state)
{
	struct machine *m = new_machine(false);
	struct coherency_report r;

	host_writes(m, PAGE, 64);
	module_writes(m, 3, PAGE);
	assert_true(machine_intact(&m->lp[3], PAGE, HKID));
	machine_coherency_clear(m);
	machine_wbinvd(&m->lp[2]); /* the other package does not have the lines */
	assert_int_equal(machine_coherency_count(m), 0);
	machine_wbinvd(&m->lp[1]);
	only_report(m, COHERENCY_STALE_WRITE_BACK, &r);
	assert_int_equal(r.old_hkid, 0);
	assert_int_equal(r.dirtied_by, MACHINE_CALL_HOST);
	assert_int_equal(r.hkid, HKID);
	assert_false(machine_intact(&m->lp[3], PAGE, HKID));
	machine_free(m);
}

static void page_reused_before_wbinvd_of_its_private_lines_is_ruined(void **state)
{
	struct machine *m = new_machine(false);
	struct coherency_report r;
	uint8_t buf[8];

	module_writes(m, 2, PAGE);
	host_writes(m, PAGE, 4096);
	only_report(m, COHERENCY_UNFLUSHED_REUSE, &r);
	assert_int_equal(r.old_hkid, HKID);
	assert_int_equal(r.dirtied_by, TDH_MEM_PAGE_ADD);
	assert_int_equal(r.packages, 2);
	machine_coherency_clear(m);
	machine_clflush(&m->lp[0], machine_with_hkid(m, PAGE, HKID), 4096);
	only_report(m, COHERENCY_STALE_WRITE_BACK, &r);
	assert_int_equal(machine_read(&m->lp[0], PAGE, buf, sizeof(buf)), -EIO);
	machine_free(m);
}

static void direct_stores_over_dirty_private_lines_do_not_help(void **state)
{
	struct machine *m = new_machine(false);
	struct coherency_report r;
	uint8_t buf[8];

	module_writes(m, 0, PAGE);
	assert_int_equal(machine_movdir64b_zero(&m->lp[0], PAGE, 4096), 0);
	machine_mfence(&m->lp[0]);
	only_report(m, COHERENCY_UNFLUSHED_REUSE, &r);
	machine_wbinvd(&m->lp[0]);
	assert_int_equal(machine_read(&m->lp[0], PAGE, buf, sizeof(buf)), -EIO);
	machine_free(m);
}

static void keyid_freed_with_dirty_lines_is_reported_when_reprogrammed(void **state)
{
	struct machine *m = new_machine(false);
	struct coherency_report r;

	module_writes(m, 3, PAGE);
	for (unsigned b = 0; b < m->cfg.wb_blocks; b++)
		machine_wb_block(&m->lp[0], b); /* the wrong package */
	assert_int_equal(machine_pconfig(&m->lp[0], HKID), 0);
	only_report(m, COHERENCY_HKID_FREED_DIRTY, &r);
	assert_int_equal(r.packages, 2);
	machine_coherency_clear(m);
	for (unsigned b = 0; b < m->cfg.wb_blocks; b++)
		machine_wb_block(&m->lp[2], b);
	assert_int_equal(machine_pconfig(&m->lp[0], HKID), 0);
	assert_int_equal(machine_coherency_count(m), 0);
	machine_free(m);
}

static void host_read_of_private_lines_gives_zeros_not_secrets(void **state)
{
	struct machine *m = new_machine(false);
	struct coherency_report r;
	uint8_t buf[4] = {9, 9, 9, 9};

	memset(machine_ptr(m, PAGE), 0x5a, 4096);
	module_writes(m, 0, PAGE);
	assert_int_equal(machine_read(&m->lp[0], PAGE, buf, sizeof(buf)), 0);
	assert_memory_equal(buf, "\0\0\0", 4);
	only_report(m, COHERENCY_HOST_READ_PRIVATE, &r);
	machine_free(m);
}

static void erratum_makes_a_load_of_an_uncleared_page_a_machine_check(void **state)
{
	struct machine *m = new_machine(true);
	uint8_t buf[4];

	module_writes(m, 0, PAGE);
	machine_clflush(&m->lp[0], machine_with_hkid(m, PAGE, HKID), 4096);
	assert_int_equal(machine_read(&m->lp[0], PAGE, buf, sizeof(buf)), -EIO);
	give_back(m, PAGE);
	assert_int_equal(machine_read(&m->lp[0], PAGE, buf, sizeof(buf)), 0);
	machine_free(m);
}

static void erratum_makes_a_partial_write_poison_the_line(void **state)
{
	struct machine *m = new_machine(true);
	struct coherency_report r;
	uint8_t buf[4];

	module_writes(m, 0, PAGE);
	machine_clflush(&m->lp[0], machine_with_hkid(m, PAGE, HKID), 4096);
	host_writes(m, PAGE + 4, 4);
	only_report(m, COHERENCY_PARTIAL_WRITE, &r);
	assert_int_equal(machine_read(&m->lp[0], PAGE, buf, sizeof(buf)), -EIO);
	give_back(m, PAGE);
	assert_int_equal(machine_read(&m->lp[0], PAGE, buf, sizeof(buf)), 0);
	machine_free(m);
}

static void load_before_the_barrier_still_meets_the_poison(void **state)
{
	struct machine *m = new_machine(true);
	struct coherency_report r;
	uint8_t buf[4];

	module_writes(m, 0, PAGE);
	machine_clflush(&m->lp[0], machine_with_hkid(m, PAGE, HKID), 4096);
	for (unsigned line = 0; line < 64; line++)
		assert_int_equal(machine_movdir64b_zero(&m->lp[0], PAGE + 64 * line, 64), 0);
	assert_int_equal(machine_read(&m->lp[1], PAGE, buf, sizeof(buf)), -EIO);
	assert_true(machine_coherency_report(m, 0, &r));
	assert_int_equal(r.kind, COHERENCY_UNFENCED_CLEAR);
	machine_mfence(&m->lp[0]);
	assert_int_equal(machine_read(&m->lp[1], PAGE, buf, sizeof(buf)), 0);
	machine_free(m);
}

static void host_may_not_use_private_or_unknown_keyids(void **state)
{
	struct machine *m = new_machine(false);
	uint8_t buf[4] = {0};

	assert_int_equal(machine_read(&m->lp[0], machine_with_hkid(m, PAGE, 31), buf, 4), 0);
	assert_int_equal(machine_read(&m->lp[0], machine_with_hkid(m, PAGE, 32), buf, 4), -EFAULT);
	assert_int_equal(machine_write(&m->lp[0], machine_with_hkid(m, PAGE, 63), buf, 4), -EFAULT);
	assert_int_equal(machine_read(&m->lp[0], m->cfg.mem_end - 2, buf, 4), -EFAULT);
	assert_int_equal(machine_read(&m->lp[0], ~0ull, buf, 4), -EFAULT);
	assert_int_equal(machine_movdir64b_zero(&m->lp[0], PAGE + 8, 64), -EINVAL);
	machine_free(m);
}

static void memory_without_integrity_is_plain(void **state)
{
	struct machine_config cfg;
	struct machine *m;
	char err[128];
	uint8_t buf[4];

	machine_default_config(&cfg);
	cfg.integrity = false;
	cfg.partial_write_mce = true;
	m = machine_new(&cfg, err, sizeof(err));
	assert_non_null(m);
	memset(machine_ptr(m, PAGE), 0x5a, 16);
	machine_wrote(&m->lp[0], PAGE, HKID);
	assert_int_equal(machine_read(&m->lp[0], PAGE, buf, 4), 0);
	assert_int_equal(buf[0], 0x5a);
	machine_free(m);
}

static void nothing_is_mapped_around_the_machines_memory(void **state)
{
	struct machine *m = new_machine(false);
	const int64_t outside[] = {-1, -(1ll << 30) + 1, 0, (1ll << 30) - 1};
	uint8_t *end = (uint8_t *)machine_ptr(m, 0) + m->cfg.mem_end;
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		const uint8_t *p = outside[i] < 0 ? (uint8_t *)machine_ptr(m, 0) + outside[i]
						  : end + outside[i];
		int pipes[2];

		/* the kernel reads it in our place, and says that it may not */
		assert_int_equal(pipe(pipes), 0);
		assert_int_equal(write(pipes[1], p, 1), -1);
		assert_int_equal(errno, EFAULT);
		close(pipes[0]);
		close(pipes[1]);
		assert_false(machine_has(m, p, 1));
	}
	assert_true(machine_has(m, end - 1, 1));
	assert_false(machine_has(m, end - 1, 2));
	machine_free(m);
}

/* What the kernel can copy from there. */
static bool is_mapped(const uint8_t *at)
{
	int fd[2];
	bool there;

	assert_int_equal(pipe(fd), 0);
	there = write(fd[1], at, 1) == 1;
	assert_true(there || errno == EFAULT);
	close(fd[0]);
	close(fd[1]);
	return there;
}

static void nothing_is_mapped_around_the_memory(void **state)
{
	(void)state;
	for (unsigned shared = 0; shared < 2; shared++) {
		struct machine_config cfg;
		struct machine *m;
		char err[128];

		machine_default_config(&cfg);
		cfg.shared_ram = shared;
		m = machine_new(&cfg, err, sizeof(err));
		assert_non_null(m);
		for (uint64_t off = 1; off <= 1ull << 32; off *= 2) {
			assert_false(is_mapped(m->ram - off));
			assert_false(is_mapped(m->ram + m->cfg.mem_end + off - 1));
		}
		assert_true(is_mapped(m->ram) && is_mapped(m->ram + m->cfg.mem_end - 1));
		machine_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_mapped_around_the_memory),
		cmocka_unit_test(nothing_is_mapped_around_the_machines_memory),
		cmocka_unit_test(page_life_with_all_duties_done_is_silent),
		cmocka_unit_test(handover_without_clflush_names_host_page_and_call),
		cmocka_unit_test(handover_without_write_is_reported_at_the_handover),
		cmocka_unit_test(forgotten_clflush_later_overwrites_private_data),
		cmocka_unit_test(page_reused_before_wbinvd_of_its_private_lines_is_ruined),
		cmocka_unit_test(direct_stores_over_dirty_private_lines_do_not_help),
		cmocka_unit_test(keyid_freed_with_dirty_lines_is_reported_when_reprogrammed),
		cmocka_unit_test(host_read_of_private_lines_gives_zeros_not_secrets),
		cmocka_unit_test(erratum_makes_a_load_of_an_uncleared_page_a_machine_check),
		cmocka_unit_test(erratum_makes_a_partial_write_poison_the_line),
		cmocka_unit_test(load_before_the_barrier_still_meets_the_poison),
		cmocka_unit_test(host_may_not_use_private_or_unknown_keyids),
		cmocka_unit_test(memory_without_integrity_is_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
