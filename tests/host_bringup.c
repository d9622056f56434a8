/* SPDX-License-Identifier: MIT */
/* Bringing the module up, and giving everything back when it fails half-way. */
#include "host_setup.h"

#include <errno.h>

#include <swtdx/model.h>
#include <swtdx/record.h>

#include "machine/coherency.h"
#include "port/model.h"

enum { CPUS = 4 };

struct host_memory {
	uint64_t at, given, taken;
};

static hpa_t alloc(void *ctx, uint64_t size, uint64_t align, hpa_t near)
{
	struct host_memory *m = ctx;
	uint64_t pa = (m->at + align - 1) & ~(align - 1);

	(void)near;
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
	assert_int_equal(machine_watch(b->model->m, 8), 0);
	b->record = tdx_record_new();
	for (unsigned i = 0; i < CPUS; i++)
		b->cpu[i] = tdx_recorder_new(tdx_model_port(b->model, i), b->record);
	b->memory.at = (1ull << 30) + (16 << 20);
}

static int bring_up(struct bringup *b)
{
	const struct tdx_host_range memory = {hpa(1ull << 30), 256ull << 20};
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
	assert_int_equal(machine_coherency_count(b.model->m), 0);
	power_off(&b);
}

static void whatever_call_fails_memory_comes_back_clean(void **state)
{
	size_t calls = 0;
	struct tdx_step step;
	struct bringup b;

	(void)state;
	power_on(&b);
	assert_int_equal(bring_up(&b), 0);
	for (size_t i = 0; tdx_record_step(b.record, i, &step); i++)
		calls += step.kind == TDX_STEP_SEAMCALL;
	power_off(&b);
	for (uint64_t k = 1; k <= calls; k++) {
		struct tdx_fault f = {.kind = TDX_FAULT_STATUS, .leaf = -1, .cpu = -1, .nth = k, .times = 1,
				      .status = tdx_status(TDX_SYS_BUSY)};
		uint8_t word[8];

		/* The many fields are alike. */
		if (k > 10 && k + 40 < calls && k % 16)
			continue;
		power_on(&b);
		tdx_model_inject(b.model, &f);
		assert_int_equal(bring_up(&b), -EIO);
		assert_int_equal(tdx_host_last_status(&b.host).raw, TDX_SYS_BUSY);
		assert_int_equal(b.memory.given, b.memory.taken);
		/* The host uses it again: no poison, no dirty line of the module's. */
		for (uint64_t pa = (1ull << 30) + (16 << 20); pa < b.memory.at; pa += 4096) {
			assert_int_equal(machine_write(&b.model->m->lp[0], pa, word, 8), 0);
			assert_int_equal(machine_read(&b.model->m->lp[0], pa, word, 8), 0);
		}
		assert_int_equal(machine_coherency_count(b.model->m), 0);
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
	assert_true(tdx_is_success(tdh_mng_create(b.cpu[0], &td)));
	was = tdh_mem_page_aug(b.cpu[0], &td, gpa(0x1000), TDX_LEVEL_4K, hpa(0x41000000), &r);

	replayer = tdx_replayer_new(b.record);
	assert_true(tdx_is_success(tdh_mng_create(replayer, &td)));
	assert_int_equal(tdh_mem_page_aug(replayer, &td, gpa(0x1000), TDX_LEVEL_4K, hpa(0x41000000), &r).raw,
			 was.raw);
	assert_int_equal(tdx_replayer_differences(replayer, first, sizeof(first)), 0);
	assert_string_equal(first, "");
	tdx_replayer_free(replayer);

	replayer = tdx_replayer_new(b.record);
	assert_true(tdx_is_success(tdh_mng_create(replayer, &td)));
	(void)!tdh_mem_page_aug(replayer, &td, gpa(0x2000), TDX_LEVEL_4K, hpa(0x41000000), &r).raw;
	assert_int_equal(tdx_replayer_differences(replayer, first, sizeof(first)), 1);
	assert_non_null(strstr(first, "other registers"));
	/* Past the end there is no module. */
	assert_true(tdx_is_sw_error(tdh_mem_track(replayer, &td)));
	assert_int_equal(tdx_replayer_differences(replayer, first, sizeof(first)), 2);
	tdx_replayer_free(replayer);
	power_off(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bring_up_is_once_each_in_the_right_order),
		cmocka_unit_test(whatever_call_fails_memory_comes_back_clean),
		cmocka_unit_test(a_recording_replays_and_a_changed_host_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
