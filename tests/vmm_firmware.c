/* SPDX-License-Identifier: MIT */
/* A firmware image loaded into a TD: measured in each order as computed outside, and refused where
 * it or the memory cannot be; the list of memory never leaves its room. */
#include <string.h>

#include <swtdx/measure.h>

#include "tdvf_image.h"
#include "vmm/hob.h"
#include "vmm_setup.h"

enum { MEMORY = 32 << 20, MRTD_WORDS = 6 };
#define MRTD 0x1310000300000000ull

static void halt(struct tdx_native_cpu *cpu, void *arg)
{
	(void)arg;
	guest_halt(cpu);
}

static void new_td(struct rig *r)
{
	const struct rig_options o = {.guest = halt};
	struct tdx_vm_params p;

	rig_on(r, &o);
	p = rig_params(r);
	assert_int_equal(tdx_vm_new(r->vmm, &r->vm), 0);
	assert_int_equal(tdx_vm_init(r->vm, &p), 0);
}

static void an_image_is_measured_in_each_order_as_outside(void **state)
{
	static uint8_t image[IMG_SIZE];

	(void)state;
	img_make(image);
	for (unsigned order = 0; order <= TDX_TDVF_ORDER_ALL; order++) {
		struct tdx_tdvf_measurement want;
		struct tdx_tdvf_error err;
		struct tdx_field_value word;
		struct tdx_digest mrtd;
		struct tdx_td td;
		struct rig r;
		tdx_gpa_t hob;

		assert_int_equal(tdx_tdvf_mrtd(image, sizeof(image), order, &want, &err), 0);
		new_td(&r);
		assert_int_equal(tdx_vm_load_tdvf(r.vm, image, sizeof(image), &want.tdvf, order,
						  MEMORY, &hob, NULL, NULL),
				 0);
		assert_int_equal(hob.v, 0x809000);
		assert_int_equal(tdx_vcpu_new(r.vm, 0, &r.vcpu[0]), 0);
		assert_int_equal(tdx_vcpu_init(r.vcpu[0], 0), 0);
		assert_int_equal(tdx_vm_finalize(r.vm), 0);
		td = tdx_vm_td(r.vm);
		for (unsigned i = 0; i < MRTD_WORDS; i++) {
			assert_true(tdx_is_success(
				tdh_mng_rd(tdx_cpu_of(r.cpu[0]), &td, MRTD + i, &word)));
			memcpy((uint8_t *)&mrtd + 8 * i, &word.value, 8);
		}
		/* In the last the TD's list of memory is measured, which no image knows. */
		if ((memcmp(&mrtd, &want.mrtd, sizeof(mrtd)) == 0) != (order != TDX_TDVF_ORDER_ALL))
			fail_msg("order %s: MRTD", tdx_tdvf_order_name(order));
		rig_destroy(&r);
		rig_check_clean(&r);
		rig_off(&r);
	}
}

static void what_cannot_be_loaded_is_refused(void **state)
{
	static uint8_t image[IMG_SIZE];
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;
	struct tdx_tdvf spoilt;
	struct rig r;
	tdx_gpa_t hob;

	(void)state;
	img_make(image);
	assert_int_equal(tdx_tdvf_mrtd(image, sizeof(image), TDX_TDVF_ORDER_PAGE, &m, &err), 0);
	new_td(&r);
#define LOAD(t, memory)                                                                            \
	tdx_vm_load_tdvf(r.vm, image, sizeof(image), t, TDX_TDVF_ORDER_PAGE, memory, &hob, NULL,   \
			 NULL)
	assert_int_equal(LOAD(&m.tdvf, 0), -EINVAL);
	assert_int_equal(LOAD(&m.tdvf, MEMORY + 1), -EINVAL);
	spoilt = m.tdvf;
	spoilt.section[0].data_offset = sizeof(image) + 1;
	assert_int_equal(LOAD(&spoilt, MEMORY), -EINVAL);
	spoilt = m.tdvf;
	spoilt.section[0].raw_size = sizeof(image);
	assert_int_equal(LOAD(&spoilt, MEMORY), -EINVAL);
	/* Nothing was done for any of them. */
	assert_int_equal(LOAD(&m.tdvf, MEMORY), 0);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

static void a_list_of_memory_stays_in_its_room(void **state)
{
	static uint8_t image[IMG_SIZE], room[4096 + 64];
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;
	struct vm_ram ram[2];
	unsigned n;
	size_t whole;

	(void)state;
	img_make(image);
	assert_int_equal(tdx_tdvf_mrtd(image, sizeof(image), TDX_TDVF_ORDER_PAGE, &m, &err), 0);
	n = vm_ram_layout(5ull << 30, ram);
	assert_int_equal(n, 2);
	assert_int_equal(vm_build_hob(&m.tdvf, ram, n, gpa(0x809000), room, 4096), 0);
	whole = vm_hob_length(room);
	for (size_t len = 0; len <= whole; len++) {
		memset(room, 0x5a, sizeof(room));
		assert_int_equal(vm_build_hob(&m.tdvf, ram, n, gpa(0x809000), room, len),
				 len < whole ? -ENOSPC : 0);
		for (size_t i = len; i < sizeof(room); i++)
			assert_int_equal(room[i], 0x5a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_is_measured_in_each_order_as_outside),
		cmocka_unit_test(what_cannot_be_loaded_is_refused),
		cmocka_unit_test(a_list_of_memory_stays_in_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
