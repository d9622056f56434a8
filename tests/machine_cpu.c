/* SPDX-License-Identifier: MIT */
/* What instructions give on the machine's processors: the same for the same seed, and what a test
 * put there instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "arch/msr.h"
#include "machine/machine.h"
#include <sys/mman.h>
#include <unistd.h>

static struct machine *make(void (*change)(struct machine_config *))
{
	struct machine_config cfg;
	char err[128] = "";
	struct machine *m;

	machine_default_config(&cfg);
	if (change)
		change(&cfg);
	m = machine_new(&cfg, err, sizeof(err));
	assert_string_equal(err, "");
	return m;
}

static void four_in_two(struct machine_config *c)
{
	c->lps = 4;
	c->pkgs = 2;
}

static void other_seed(struct machine_config *c)
{
	c->seed = 2;
}

static void a_host_writes_what_is_not_enumeration(void **state)
{
	struct machine *m = make(four_in_two);
	uint64_t v;

	(void)state;
	assert_true(machine_wrmsr(&m->lp[1], MSR_TSC_ADJUST, 77));
	assert_true(machine_rdmsr(&m->lp[1], MSR_TSC_ADJUST, &v));
	assert_int_equal(v, 77);
	assert_true(machine_rdmsr(&m->lp[0], MSR_TSC_ADJUST, &v)); /* each processor has its own */
	assert_int_equal(v, 0);
	assert_false(machine_wrmsr(&m->lp[1], MSR_VMX_BASIC, 0));
	assert_false(machine_wrmsr(&m->lp[1], MSR_SEAMRR_BASE, 0));
	assert_false(machine_wrmsr(&m->lp[1], 0x12345, 0));
	for (unsigned i = 0; i < m->cfg.platform->nmsr; i++) /* there is room for all of them */
		machine_wrmsr(&m->lp[1], m->cfg.platform->msr[i].addr, i);
	assert_true(machine_wrmsr(&m->lp[1], MSR_TSC_ADJUST, 1));
	machine_free(m);
}

static void shared_ram(struct machine_config *cfg)
{
	cfg->shared_ram = true;
}

/* Who has the descriptor has the bytes; the file keeps its size, the addresses around it fault. */
static void memory_is_a_file_that_cannot_shrink(void **state)
{
	struct machine *m = make(shared_ram);
	uint8_t *other = mmap(NULL, TDX_PAGE_SIZE, PROT_READ, MAP_SHARED, m->ram_fd, 0x100000);
	unsigned char present;

	(void)state;
	assert_true(other != MAP_FAILED);
	assert_int_equal(machine_write(&m->lp[0], 0x100010, "x", 1), 0);
	assert_int_equal(other[0x10], 'x');
	assert_int_equal(ftruncate(m->ram_fd, 0), -1);
	assert_int_equal(ftruncate(m->ram_fd, (off_t)m->cfg.mem_end * 2), -1);
	assert_true((uint8_t *)m->reserved + (1 << 30) <= m->ram);
	assert_true(m->ram + m->cfg.mem_end + (1 << 30) <=
		    (uint8_t *)m->reserved + m->reserved_size);
	/* nothing else of the process can be there: the range is taken */
	assert_int_equal(mincore(m->ram - 0x1000, 0x1000, &present), 0);
	munmap(other, TDX_PAGE_SIZE);
	machine_free(m);
}

static void entropy_is_a_function_of_seed_and_processor(void **state)
{
	struct machine *a = make(NULL), *b = make(NULL), *c = make(other_seed);
	uint64_t va, vb, vc, other;

	for (int i = 0; i < 100; i++) {
		assert_true(machine_rdrand(&a->lp[0], &va));
		assert_true(machine_rdrand(&b->lp[0], &vb));
		assert_true(machine_rdseed(&c->lp[0], &vc));
		assert_true(machine_rdrand(&a->lp[1], &other));
		assert_int_equal(va, vb);
		assert_int_not_equal(va, vc);
		assert_int_not_equal(va, other);
	}
	machine_free(a);
	machine_free(b);
	machine_free(c);
}

static void entropy_fails_exactly_as_often_as_asked(void **state)
{
	struct machine *m = make(NULL);
	uint64_t v = 1;

	m->rng_fail = 2;
	assert_false(machine_rdrand(&m->lp[0], &v));
	assert_int_equal(v, 0);
	assert_false(machine_rdseed(&m->lp[1], &v));
	assert_true(machine_rdrand(&m->lp[0], &v));
	machine_free(m);
}

static void time_goes_on_by_its_step_on_all_processors(void **state)
{
	struct machine *m = make(NULL);

	assert_int_equal(machine_rdtsc(&m->lp[0]), 1000000000);
	assert_int_equal(machine_rdtsc(&m->lp[1]), 1000000100);
	m->tsc = 5;
	m->tsc_step = 0;
	assert_int_equal(machine_rdtsc(&m->lp[0]), 5);
	assert_int_equal(machine_rdtsc(&m->lp[0]), 5);
	machine_free(m);
}

static void interrupt_comes_after_so_many_polls_unless_masked(void **state)
{
	struct machine *m = make(NULL);
	struct machine_lp *lp = &m->lp[0];

	assert_false(machine_irq_pending(lp));
	lp->irq_countdown = 2;
	assert_false(machine_irq_pending(lp));
	assert_false(machine_irq_pending(lp));
	assert_true(machine_irq_pending(lp));
	assert_true(machine_irq_pending(lp)); /* until somebody takes it */
	assert_false(machine_irq_pending(&m->lp[1]));
	lp->rflags_if = false;
	assert_false(machine_irq_pending(lp));
	lp->rflags_if = true;
	lp->irq_countdown = -1;
	lp->irq = true;
	assert_true(machine_irq_pending(lp));
	machine_free(m);
}

static void processors_are_spread_over_packages(void **state)
{
	static const unsigned package[] = {0, 0, 1, 1}, x2apic[] = {0, 1, 0x80, 0x81};
	struct machine *m = make(four_in_two);

	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(m->lp[i].package, package[i]);
		assert_int_equal(machine_cpuid(&m->lp[i], 0x1f, 0).edx, x2apic[i]);
		assert_int_equal(machine_cpuid(&m->lp[i], 0xb, 1).edx, x2apic[i]);
		assert_int_equal(machine_cpuid(&m->lp[i], 1, 7).ebx >> 24, x2apic[i]);
	}
	machine_free(m);
}

static void narrow(struct machine_config *c)
{
	c->maxpa = 46;
	c->keyid_bits = 4;
	c->keyids = 16;
	c->tdx_keyids = 8;
	c->wb_blocks = 7;
}

static void enumeration_follows_the_configuration(void **state)
{
	struct machine *m = make(narrow);
	uint64_t v;

	assert_int_equal(machine_cpuid(&m->lp[0], 0x80000008, 0).eax & 0xff, 46);
	assert_true(machine_rdmsr(&m->lp[0], 0x87, &v));
	assert_int_equal(v, 8ull << 32 | 7);
	assert_true(machine_rdmsr(&m->lp[0], 0x982, &v));
	assert_int_equal(v >> 32 & 0xf, 4);
	assert_true(machine_rdmsr(&m->lp[0], 0x98, &v));
	assert_int_equal(v, 7);
	assert_int_equal(machine_hkid_of(m, machine_with_hkid(m, 0x1000, 9)), 9);
	assert_int_equal(machine_with_hkid(m, 0x1000, 9), 9ull << 42 | 0x1000);
	assert_int_equal(machine_strip(m, 9ull << 42 | 0x1000), 0x1000);
	machine_free(m);
}

static void every_msr_of_the_platform_is_found(void **state)
{
	const struct machine_platform *p = &machine_platform_spr;
	struct machine *m = make(NULL);
	uint64_t v;

	for (size_t i = 0; i < p->nmsr; i++) {
		assert_true(i == 0 || p->msr[i - 1].addr < p->msr[i].addr);
		assert_true(machine_rdmsr(&m->lp[0], p->msr[i].addr, &v));
		assert_false(machine_rdmsr(&m->lp[0], p->msr[i].addr + 0x40000000, &v));
	}
	machine_free(m);
}

static void overrides_are_of_one_processor_or_all(void **state)
{
	struct machine *m = make(NULL);
	uint64_t v;

	assert_false(machine_rdmsr(&m->lp[0], 0x12345678, &v));
	assert_int_equal(v, 0);
	machine_override_msr(m, 1, 0x12345678, 7);
	assert_false(machine_rdmsr(&m->lp[0], 0x12345678, &v));
	assert_true(machine_rdmsr(&m->lp[1], 0x12345678, &v));
	assert_int_equal(v, 7);
	machine_override_msr(m, -1, 0x12345678, 8);
	assert_true(machine_rdmsr(&m->lp[0], 0x12345678, &v));
	assert_int_equal(v, 8);
	machine_free(m);
}

static void impossible_configurations_are_refused_with_a_sentence(void **state)
{
	static const size_t no = 0;
	struct machine_config cfg;
	char err[128];

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		machine_default_config(&cfg);                                                      \
		change;                                                                            \
		err[0] = 0;                                                                        \
		assert_null(machine_new(&cfg, err, sizeof(err)));                                  \
		assert_int_not_equal(strlen(err), no);                                             \
	} while (0)
	REFUSED(cfg.maxpa = 53);
	REFUSED(cfg.keyid_bits = 0);
	REFUSED(cfg.keyids = 65);
	REFUSED(cfg.tdx_keyids = 64);
	REFUSED(cfg.lps = 0);
	REFUSED(cfg.lps = MACHINE_MAX_LPS + 1);
	REFUSED(cfg.pkgs = 3);
	REFUSED(cfg.wb_blocks = 0);
	REFUSED(cfg.mem_end = 0x1001);
	REFUSED(cfg.mem_end = 1ull << 47);
	REFUSED(cfg.cmr[1].size = ~0ull);
	REFUSED(cfg.platform = NULL);
#undef REFUSED
}

static void report_mac_is_hmac_sha256_under_the_public_key(void **state)
{
	struct machine *m = make(NULL);
	uint8_t a[32], b[32], data[224] = {0}, svn[16];

	machine_report_mac(m, data, sizeof(data), a);
	machine_report_mac(m, data, sizeof(data), b);
	assert_memory_equal(a, b, 32);
	data[223] = 1;
	machine_report_mac(m, data, sizeof(data), b);
	assert_memory_not_equal(a, b, 32);
	machine_cpusvn(m, svn);
	assert_memory_equal(svn, "\6\6\2\2\3\1\0\3\0\0\0\0\0\0\0", 16);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_writes_what_is_not_enumeration),
		cmocka_unit_test(memory_is_a_file_that_cannot_shrink),
		cmocka_unit_test(entropy_is_a_function_of_seed_and_processor),
		cmocka_unit_test(entropy_fails_exactly_as_often_as_asked),
		cmocka_unit_test(time_goes_on_by_its_step_on_all_processors),
		cmocka_unit_test(interrupt_comes_after_so_many_polls_unless_masked),
		cmocka_unit_test(processors_are_spread_over_packages),
		cmocka_unit_test(enumeration_follows_the_configuration),
		cmocka_unit_test(every_msr_of_the_platform_is_found),
		cmocka_unit_test(overrides_are_of_one_processor_or_all),
		cmocka_unit_test(impossible_configurations_are_refused_with_a_sentence),
		cmocka_unit_test(report_mac_is_hmac_sha256_under_the_public_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
