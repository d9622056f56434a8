/* SPDX-License-Identifier: MIT */
/* Bringing the module up, and giving everything back when it fails half-way. */
#include "host_setup.h"

#include <errno.h>

#include <swtdx/model.h>
#include <swtdx/module_image.h>
#include <swtdx/module_update.h>
#include <swtdx/record.h>

#include "machine/coherency.h"
#include "port/model.h"

enum { CPUS = 4 };

struct host_memory {
	uint64_t at, given, taken;
	unsigned requests, refused; /* the refused-th request finds nothing; 0: none */
};

static hpa_t alloc(void *ctx, uint64_t size, uint64_t align, hpa_t near)
{
	struct host_memory *m = ctx;
	uint64_t pa = (m->at + align - 1) & ~(align - 1);

	(void)near;
	if (++m->requests == m->refused)
		return hpa(~0ull);
	m->at = pa + ((size + 4095) & ~4095ull);
	m->given += size;
	return hpa(pa);
}

static void dealloc(void *ctx, hpa_t pa, uint64_t size)
{
	struct host_memory *m = ctx;

	(void)pa;
	m->taken += size;
}

struct bringup {
	struct tdx_model *model;
	const struct tdx_port *cpu[CPUS];
	struct tdx_host host;
	struct tdx_host_info info;
	struct host_memory memory;
	struct tdx_record *record;
};

static void power_on(struct bringup *b)
{
	struct machine_config mc;
	char err[256] = "";

	memset(b, 0, sizeof(*b));
	machine_default_config(&mc);
	mc.ncmr = 1;
	mc.cmr[0] = (struct machine_range){1ull << 30, 256ull << 20};
	mc.mem_end = mc.cmr[0].base + mc.cmr[0].size;
	mc.lps = CPUS;
	mc.pkgs = 2;
	mc.integrity = mc.partial_write_mce = true;
	b->model = tdx_model_new_from(&mc, err, sizeof(err));
	assert_string_equal(err, "");
	assert_int_equal(machine_watch(b->model->sys->m, 8), 0);
	b->record = tdx_record_new();
	for (unsigned i = 0; i < CPUS; i++)
		b->cpu[i] = tdx_recorder_new(tdx_model_port(b->model, i), b->record);
	b->memory.at = (1ull << 30) + (16 << 20);
}

static int bring_up(struct bringup *b)
{
	const struct tdx_range memory = {hpa(1ull << 30), 256ull << 20};
	const struct tdx_host_allocator mem = {alloc, dealloc, &b->memory};
	int err = tdx_host_init(&b->host, b->cpu, CPUS, TDX_HOST_PARTIAL_WRITE_MCE);

	if (!err)
		err = tdx_host_discover(&b->host, &b->info);
	if (!err)
		err = tdx_host_enable(&b->host, &b->info, &memory, 1, &mem, NULL, NULL);
	return err;
}

static void power_off(struct bringup *b)
{
	for (unsigned i = 0; i < CPUS; i++)
		tdx_recorder_free(b->cpu[i]);
	tdx_record_free(b->record);
	tdx_model_free(b->model);
}

static void bring_up_is_once_each_in_the_right_order(void **state)
{
	struct tdx_step step;
	struct bringup b;
	size_t config = 0, wbinvd = 0, key = 0;

	(void)state;
	power_on(&b);
	assert_int_equal(bring_up(&b), 0);
	assert_int_equal(tdx_record_calls(b.record, TDH_SYS_INIT), 1);
	assert_int_equal(tdx_record_calls(b.record, TDH_SYS_LP_INIT), CPUS);
	assert_int_equal(tdx_record_calls(b.record, TDH_SYS_CONFIG), 1);
	assert_int_equal(tdx_record_calls(b.record, TDH_SYS_KEY_CONFIG), 2); /* once a package */
	for (size_t i = 0; tdx_record_step(b.record, i, &step); i++) {
		if (step.kind == TDX_STEP_WBINVD)
			wbinvd = i;
		if (step.kind == TDX_STEP_SEAMCALL && step.in.rax == TDH_SYS_CONFIG)
			config = i;
		if (step.kind == TDX_STEP_SEAMCALL && step.in.rax == TDH_SYS_KEY_CONFIG && !key)
			key = i;
	}
	/* Dirty lines of the host are gone before the module writes PAMTs. */
	assert_true(config < wbinvd && wbinvd < key);
	assert_int_equal(machine_coherency_count(b.model->sys->m), 0);
	power_off(&b);
}

/* All that was lent is back, and the host can use it: no poison, no dirty line of the module's. */
static void check_memory_back(struct bringup *b)
{
	uint8_t word[8];

	assert_int_equal(b->memory.given, b->memory.taken);
	for (uint64_t pa = (1ull << 30) + (16 << 20); pa < b->memory.at; pa += 4096) {
		assert_int_equal(machine_write(&b->model->sys->m->lp[0], pa, word, 8), 0);
		assert_int_equal(machine_read(&b->model->sys->m->lp[0], pa, word, 8), 0);
	}
	assert_int_equal(machine_coherency_count(b->model->sys->m), 0);
}

/* The leaf of each call of a bring-up. */
static unsigned calls_of(enum tdx_seamcall *leaf, unsigned max)
{
	struct tdx_step step;
	struct bringup b;
	unsigned n = 0;

	power_on(&b);
	assert_int_equal(bring_up(&b), 0);
	for (size_t i = 0; tdx_record_step(b.record, i, &step); i++)
		if (step.kind == TDX_STEP_SEAMCALL) {
			assert_true(n < max);
			leaf[n++] = (enum tdx_seamcall)tdx_rax_leaf(step.in.rax);
		}
	power_off(&b);
	return n;
}

/* Calls that are made again and again are alike: those inside such a run. */
static bool in_a_run(const enum tdx_seamcall *leaf, unsigned n, unsigned k)
{
	return k && k + 1 < n && leaf[k - 1] == leaf[k] && leaf[k + 1] == leaf[k];
}

static void whatever_call_fails_memory_comes_back_clean(void **state)
{
	static const struct {
		uint64_t status;
		int err;
	} rows[] = {{TDX_SYS_BUSY, -EIO},
		    {TDX_OPERAND_BUSY | TDX_OPERAND_ID_SYS, -EIO},
		    {TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX, -EIO},
		    {TDX_SYS_SHUTDOWN, -EIO},
		    {0x8000123400005678ull, -EIO},
		    {TDX_SEAMCALL_GP, -EOPNOTSUPP},
		    {TDX_SEAMCALL_UD, -EACCES},
		    {TDX_SEAMCALL_VMFAILINVALID, -ENODEV},
		    {TDX_RND_NO_ENTROPY, 0},
		    {TDX_KEY_GENERATION_FAILED, 0}};
	enum tdx_seamcall leaf[1024];
	unsigned n = calls_of(leaf, 1024);

	(void)state;
	for (unsigned k = 0; k < n; k++)
		for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct tdx_fault f = {.kind = TDX_FAULT_STATUS,
					      .leaf = -1,
					      .cpu = -1,
					      .nth = k + 1,
					      .times = 1,
					      .status = tdx_status(rows[i].status)};
			/* Only the calls that make a key say that they could not. */
			bool key = rows[i].status == TDX_KEY_GENERATION_FAILED;
			struct bringup b;

			if ((key && leaf[k] != TDH_SYS_KEY_CONFIG) ||
			    (in_a_run(leaf, n, k) && (i || k % 16)))
				continue;
			power_on(&b);
			tdx_model_inject(b.model, &f);
			if (bring_up(&b) != rows[i].err)
				fail_msg("call %u refused with 0x%llx", k,
					 (unsigned long long)rows[i].status);
			if (rows[i].err) {
				assert_int_equal(tdx_host_last_status(&b.host).raw, rows[i].status);
				assert_int_equal(tdx_host_last_leaf(&b.host), leaf[k]);
				check_memory_back(&b);
			}
			power_off(&b);
		}
}

static void S1_05_hardware_that_fails_for_a_moment_is_not_noticed(void **state)
{
	static const enum tdx_fault_kind kinds[] = {TDX_FAULT_ENTROPY, TDX_FAULT_KEY,
						    TDX_FAULT_KEY_BUSY, TDX_FAULT_INTERRUPT};
	enum tdx_seamcall leaf[1024];
	unsigned n = calls_of(leaf, 1024);

	(void)state;
	for (unsigned kind = 0; kind < 4; kind++)
		for (unsigned k = 0; k < n; k++) {
			struct tdx_fault f = {.kind = kinds[kind],
					      .leaf = -1,
					      .cpu = -1,
					      .nth = k + 1,
					      .times = 1};
			struct bringup b;

			if (in_a_run(leaf, n, k))
				continue;
			power_on(&b);
			tdx_model_inject(b.model, &f);
			assert_int_equal(bring_up(&b), 0);
			power_off(&b);
		}
}

static void S1_05_a_key_that_never_comes_about_is_given_up(void **state)
{
	struct tdx_fault f = {.kind = TDX_FAULT_KEY, .leaf = TDH_SYS_KEY_CONFIG, .cpu = -1};
	struct bringup b;

	(void)state;
	power_on(&b);
	tdx_model_inject(b.model, &f);
	assert_int_equal(bring_up(&b), -EIO);
	assert_int_equal(tdx_record_calls(b.record, TDH_SYS_KEY_CONFIG), TDX_ENTROPY_ATTEMPTS);
	check_memory_back(&b);
	power_off(&b);
}

static void whatever_memory_is_missing_the_rest_comes_back(void **state)
{
	(void)state;
	for (unsigned k = 1;; k++) {
		struct bringup b;
		int err;

		power_on(&b);
		b.memory.refused = k;
		err = bring_up(&b);
		if (b.memory.requests < k) {
			assert_int_equal(err, 0);
			assert_true(k > 2); /* a PAMT and the description at least */
			power_off(&b);
			break;
		}
		assert_int_equal(err, -ENOMEM);
		check_memory_back(&b);
		power_off(&b);
	}
}

static void a_recording_replays_and_a_changed_host_is_noticed(void **state)
{
	struct tdx_td td = {hpa(0x40000000 + (128 << 20)), hkid(33)};
	const struct tdx_port *replayer;
	struct tdx_mem_result r;
	struct tdx_status was;
	char first[160];
	struct bringup b;

	(void)state;
	power_on(&b);
	assert_int_equal(bring_up(&b), 0);
	tdx_record_clear(b.record);
	assert_true(tdx_is_success(tdh_mng_create(tdx_cpu_of(b.cpu[0]), &td)));
	was = tdh_mem_page_aug(tdx_cpu_of(b.cpu[0]), &td, gpa(0x1000), TDX_LEVEL_4K,
			       hpa(0x41000000), &r);

	replayer = tdx_replayer_new(b.record);
	assert_true(tdx_is_success(tdh_mng_create(tdx_cpu_of(replayer), &td)));
	assert_int_equal(tdh_mem_page_aug(tdx_cpu_of(replayer), &td, gpa(0x1000), TDX_LEVEL_4K,
					  hpa(0x41000000), &r)
				 .raw,
			 was.raw);
	assert_int_equal(tdx_replayer_differences(replayer, first, sizeof(first)), 0);
	assert_string_equal(first, "");
	tdx_replayer_free(replayer);

	replayer = tdx_replayer_new(b.record);
	assert_true(tdx_is_success(tdh_mng_create(tdx_cpu_of(replayer), &td)));
	(void)!tdh_mem_page_aug(tdx_cpu_of(replayer), &td, gpa(0x2000), TDX_LEVEL_4K,
				hpa(0x41000000), &r)
		.raw;
	assert_int_equal(tdx_replayer_differences(replayer, first, sizeof(first)), 1);
	assert_non_null(strstr(first, "other registers"));
	/* Past the end there is no module. */
	assert_true(tdx_is_sw_error(tdh_mem_track(tdx_cpu_of(replayer), &td)));
	assert_int_equal(tdx_replayer_differences(replayer, first, sizeof(first)), 2);
	tdx_replayer_free(replayer);
	power_off(&b);
}

/* --- memory with holes --- */

enum { MIB = 1 << 20, KIB = 1 << 10 };
#define GIB_1 (1ull << 30)

static int bring_up_over(struct bringup *b, unsigned flags, const struct tdx_range *memory,
			 unsigned n)
{
	const struct tdx_host_allocator mem = {alloc, dealloc, &b->memory};
	int err = tdx_host_init(&b->host, b->cpu, CPUS, flags);

	if (!err)
		err = tdx_host_discover(&b->host, &b->info);
	if (!err)
		err = tdx_host_enable(&b->host, &b->info, memory, n, &mem, NULL, NULL);
	return err;
}

/* With dynamic PAMT areas are rounded to 2M, and those that meet become one. */
static void holes_of_any_size_are_reserved(void **state)
{
	const struct tdx_range memory[] = {{hpa(GIB_1), 64 * MIB},
					   {hpa(GIB_1 + 64 * MIB + 4 * KIB), 12 * KIB},
					   {hpa(GIB_1 + 64 * MIB + 32 * KIB), 64 * MIB},
					   {hpa(GIB_1 + 130 * MIB + 4 * KIB), 100 * MIB + 8 * KIB}};
	const unsigned flags[] = {0, TDX_HOST_DYNAMIC_PAMT};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct bringup b;

		power_on(&b);
		assert_int_equal(bring_up_over(&b, flags[i], memory, 4), 0);
		assert_int_equal(tdx_host_has_dynamic_pamt(&b.host), flags[i] != 0);
		assert_true(tdx_host_is_pamt(&b.host, hpa(GIB_1 + 16 * MIB)));
		assert_int_equal(machine_coherency_count(b.model->sys->m), 0);
		power_off(&b);
	}
}

static void a_shortage_names_its_tdmr(void **state)
{
	struct tdx_range memory[40];
	struct tdx_host_shortage s;
	struct bringup b;
	unsigned n = 0;

	(void)state;
	for (uint64_t at = 0; n < 40; at += 64 * KIB)
		memory[n++] = (struct tdx_range){hpa(GIB_1 + at), 32 * KIB};
	power_on(&b);
	assert_int_equal(bring_up_over(&b, 0, memory, n), -ENOSPC);
	tdx_host_shortage(&b.host, &s);
	assert_int_equal(s.what, TDX_HOST_SHORT_OF_RESERVED_AREAS);
	assert_int_equal(s.tdmr, 0);
	assert_int_equal(s.range.base.v, GIB_1);
	assert_int_equal(s.range.size, GIB_1);
	assert_int_equal(s.limit, b.info.max_reserved_per_tdmr);
	check_memory_back(&b);
	power_off(&b);

	power_on(&b);
	b.memory.refused = 1;
	assert_int_equal(bring_up(&b), -ENOMEM);
	tdx_host_shortage(&b.host, &s);
	assert_int_equal(s.what, TDX_HOST_SHORT_OF_PAMT_MEMORY);
	assert_int_equal(s.tdmr, 0);
	assert_true(s.need >= GIB_1 / 256);
	power_off(&b);
}

/* --- another module, or none --- */

static void another_module_takes_over(void **state)
{
	const struct tdx_td td = {hpa(GIB_1 + 128 * MIB), hkid(33)},
			    other = {hpa(GIB_1 + 129 * MIB), hkid(34)};
	const struct tdx_module_image_config cfg = {.module_hv = 1};
	static uint8_t image[3 * TDX_PAGE_SIZE];
	struct tdx_status refused;
	const struct tdx_cpu *cpu;
	struct tdx_host_info info;
	struct bringup b;
	uint64_t kept;

	(void)state;
	power_on(&b);
	assert_int_equal(bring_up(&b), 0);
	const struct tdx_host_allocator mem = {alloc, dealloc, &b.memory};

	kept = b.memory.given - b.memory.taken;
	cpu = tdx_host_cpu(&b.host, 1);
	assert_true(tdx_is_success(tdh_mng_create(cpu, &td)));
	info = b.info;
	assert_int_equal(tdx_module_image_make(&cfg, image), 0);
	assert_int_equal(tdx_host_update_from(&b.host, image, sizeof(image), &mem, &info, &refused),
			 0);
	for (unsigned i = 0; i < CPUS; i++)
		assert_true(tdx_host_cpu_is_online(&b.host, i));
	assert_int_equal(tdx_record_calls(b.record, TDH_SYS_INIT), 2);
	assert_int_equal(tdx_record_calls(b.record, TDH_SYS_LP_INIT), 2 * CPUS);
	assert_int_equal(info.handoff_version, b.info.handoff_version);
	assert_int_equal(b.memory.given - b.memory.taken, kept);
	/* what was is there, and more can come */
	assert_true(tdx_is_success(tdh_mng_key_config(cpu, &td)));
	assert_true(tdx_is_success(tdh_mng_create(cpu, &other)));
	/* a second time there is nothing to take over */
	assert_int_equal(tdx_host_update(&b.host, cpu, &info), -EIO);
	assert_true(tdx_is(tdx_host_last_status(&b.host), TDX_SYS_STATE_INCORRECT));
	power_off(&b);
}

/* Before TDH.SYS.SHUTDOWN nothing has happened; after it there is no module to go back to. */
static void an_update_that_fails_says_where(void **state)
{
	const struct tdx_module_image_config cfg = {.module_hv = 3, .min_update_hv = 2};
	static uint8_t image[3 * TDX_PAGE_SIZE];
	struct tdx_status refused;
	struct tdx_host_info info;
	struct bringup b;

	(void)state;
	power_on(&b);
	assert_int_equal(bring_up(&b), 0);
	const struct tdx_host_allocator mem = {alloc, dealloc, &b.memory};

	info = b.info;
	assert_int_equal(tdx_module_image_make(&cfg, image), 0);
	for (size_t at = 0; at < 24; at++) {
		if (at == 2 || at == 3) /* the checksum, which nobody looks at */
			continue;
		image[at] ^= 0x40;
		assert_int_equal(
			tdx_host_update_from(&b.host, image, sizeof(image), &mem, &info, &refused),
			-EINVAL);
		image[at] ^= 0x40;
	}
	for (size_t size = 0; size < sizeof(image); size += 1024)
		assert_int_equal(tdx_host_update_from(&b.host, image, size, &mem, &info, &refused),
				 -EINVAL);
	b.memory.requests = 0;
	b.memory.refused = 1;
	assert_int_equal(tdx_host_update_from(&b.host, image, sizeof(image), &mem, &info, &refused),
			 -ENOMEM);
	b.memory.refused = 0;
	assert_int_equal(tdx_record_calls(b.record, TDH_SYS_SHUTDOWN), 0);
	assert_int_equal(tdx_host_update_from(&b.host, image, sizeof(image), &mem, &info, &refused),
			 -EIO);
	assert_int_equal(refused.raw, SEAMLDR_EBADHANDOFF);
	power_off(&b);
}

static void the_end_is_asked_for_until_it_comes(void **state)
{
	const uint64_t meanwhile[] = {TDX_INTERRUPTED_RESUMABLE, TDX_SYS_BUSY};
	struct bringup b;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct tdx_fault f = {.kind = TDX_FAULT_STATUS,
				      .leaf = TDH_SYS_DISABLE,
				      .cpu = -1,
				      .times = 3,
				      .status = {meanwhile[i]}};

		power_on(&b);
		assert_int_equal(bring_up(&b), 0);
		assert_true(tdx_model_inject(b.model, &f) >= 0);
		/* 1.5.25 does not have it */
		assert_int_equal(tdx_host_disable(&b.host, tdx_host_cpu(&b.host, 0)), -EOPNOTSUPP);
		assert_int_equal(tdx_record_calls(b.record, TDH_SYS_DISABLE), 4);
		/* one that is never done is given up, and named */
		f.times = 1 << 20;
		assert_true(tdx_model_inject(b.model, &f) >= 0);
		assert_int_equal(tdx_host_disable(&b.host, tdx_host_cpu(&b.host, 0)), -EIO);
		assert_int_equal(tdx_host_last_leaf(&b.host), TDH_SYS_DISABLE);
		power_off(&b);
	}
}

static void memory_that_comes_later_is_refused(void **state)
{
	const struct tdx_range memory[] = {{hpa(GIB_1), 64 * MIB},
					   {hpa(GIB_1 + 96 * MIB), 160 * MIB}};
	const struct tdx_range yes[] = {{hpa(GIB_1), 64 * MIB},
					{hpa(GIB_1 + 8 * MIB), 32 * MIB},
					{hpa(GIB_1 + 255 * MIB), MIB}};
	const struct tdx_range no[] = {{hpa(GIB_1), 65 * MIB},
				       {hpa(GIB_1 + 64 * MIB), 4 * KIB},
				       {hpa(GIB_1 + 95 * MIB), 2 * MIB},
				       {hpa(GIB_1 + 256 * MIB), 4 * KIB},
				       {hpa(2 * GIB_1), GIB_1},
				       {hpa(GIB_1 - MIB), 2 * MIB},
				       {hpa(GIB_1), 0},
				       {hpa(GIB_1), ~0ull}};
	struct bringup b;

	(void)state;
	power_on(&b);
	assert_int_equal(bring_up_over(&b, 0, memory, 2), 0);
	for (unsigned i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_true(tdx_host_memory_is_usable(&b.host, yes[i]));
	for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(tdx_host_memory_is_usable(&b.host, no[i]));
	power_off(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bring_up_is_once_each_in_the_right_order),
		cmocka_unit_test(whatever_call_fails_memory_comes_back_clean),
		cmocka_unit_test(S1_05_hardware_that_fails_for_a_moment_is_not_noticed),
		cmocka_unit_test(S1_05_a_key_that_never_comes_about_is_given_up),
		cmocka_unit_test(whatever_memory_is_missing_the_rest_comes_back),
		cmocka_unit_test(holes_of_any_size_are_reserved),
		cmocka_unit_test(a_shortage_names_its_tdmr),
		cmocka_unit_test(another_module_takes_over),
		cmocka_unit_test(an_update_that_fails_says_where),
		cmocka_unit_test(the_end_is_asked_for_until_it_comes),
		cmocka_unit_test(memory_that_comes_later_is_refused),
		cmocka_unit_test(a_recording_replays_and_a_changed_host_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
