/* SPDX-License-Identifier: MIT */
/* What a TD is told of its processors and caches goes together, for any number of vCPUs and dies.
 */
#include "vmm_setup.h"

#include "vmm/internal.h"

static const struct tdx_cpuid_values *leaf(const struct tdx_vm_params *p, uint32_t leaf_,
					   uint32_t subleaf)
{
	for (unsigned i = 0; i < p->ncpuid; i++)
		if (p->cpuid[i].leaf == leaf_ && p->cpuid[i].subleaf == subleaf)
			return &p->cpuid[i].value;
	return NULL;
}

static void halt(struct tdx_native_cpu *cpu, void *arg)
{
	guest_halt(cpu);
}

/* The payload of an image is loaded into RAM, however long that makes the image: an I/O APIC below
 * 4 GiB is no memory of the guest's. */
static void a_long_image_leaves_the_devices_where_they_are(void **state)
{
	enum { PAYLOAD = 24 << 20, FIRMWARE = 0x2000, RAM = 64 << 20 };
	const uint64_t top = 1ull << 32;
	const struct tdx_tdvf tdvf = {.nr_sections = 2,
				      .section = {{.raw_size = PAYLOAD,
						   .memory = gpa(16 << 20),
						   .memory_size = PAYLOAD,
						   .type = TDX_TDVF_PAYLOAD},
						  {.data_offset = PAYLOAD,
						   .raw_size = FIRMWARE,
						   .memory = gpa(top - FIRMWARE),
						   .memory_size = FIRMWARE,
						   .type = TDX_TDVF_BFV}}};
	const struct rig_options o = {.guest = halt, .unwatched = true};
	uint8_t *image = test_calloc(PAYLOAD + FIRMWARE, 1);
	struct tdx_vm_params p;
	tdx_gpa_t hob;
	struct rig r;

	rig_on(&r, &o);
	p = rig_params(&r);
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
	assert_int_equal(tdx_vm_init(r.vm, &p), 0);
	assert_int_equal(tdx_vm_load_tdvf(r.vm, image, PAYLOAD + FIRMWARE - 1, &tdvf,
					  TDX_TDVF_ORDER_PAGE, RAM, &hob, NULL, NULL),
			 -EINVAL);
	assert_int_equal(tdx_vm_load_tdvf(r.vm, image, PAYLOAD + FIRMWARE, &tdvf,
					  TDX_TDVF_ORDER_PAGE, RAM, &hob, NULL, NULL),
			 0);
	assert_non_null(vm_slot_of(r.vm, (top - FIRMWARE) >> 12));
	assert_null(vm_slot_of(r.vm, (top - FIRMWARE - 1) >> 12));
	assert_null(vm_slot_of(r.vm, 0xfec00));
	assert_null(vm_slot_of(r.vm, 0xfee00));
	rig_off(&r);
	test_free(image);
}

static void caches_are_shared_within_the_levels_of_the_processors(void **state)
{
	const struct rig_options o = {.guest = halt};
	struct rig r;

	rig_on(&r, &o);
	for (unsigned dies = 1; dies <= 4; dies++)
		for (unsigned n = 1; n <= 64; n++) {
			struct tdx_vm_params p = {0};
			unsigned die = n / dies;
			bool fits = n % dies == 0 && (dies == 1 || !(die & (die - 1)));
			const struct tdx_cpuid_values *v;

			assert_int_equal(tdx_vm_topology(r.vmm, n, dies, &p), fits ? 0 : -EINVAL);
			if (!fits)
				continue;
			v = leaf(&p, 0x1f, 1);
			assert_int_equal(v->ebx, die);
			assert_true(1u << v->eax >= die && (die == 1 || 1u << (v->eax - 1) < die));
			assert_int_equal(v->ecx, 2 << 8 | 1);
			assert_true((dies > 1) == (leaf(&p, 0x1f, 2) != NULL));
			assert_int_equal(leaf(&p, 1, ~0u)->ebx >> 16, n);
			for (unsigned i = 0; i < 4; i++) {
				const struct tdx_cpuid_values *c = leaf(&p, 4, i);
				unsigned sharing = (c->eax >> 14 & 0xfff) + 1,
					 level = c->eax >> 5 & 7;

				if (!(c->eax & 0x1f))
					continue;
				/* A core's own, or a die's: never across dies. */
				assert_int_equal(sharing, level < 3 ? 1 : 1u << v->eax);
				assert_true((c->eax >> 26) + 1 >= n || (c->eax >> 26) == 63);
			}
		}
	rig_off(&r);
}

static void the_module_takes_what_is_told(void **state)
{
	const struct rig_options o = {.guest = halt};

	for (unsigned dies = 1; dies <= 2; dies++) {
		struct tdx_vm_params p;
		struct rig r;

		rig_on(&r, &o);
		p = rig_params(&r);
		assert_int_equal(tdx_vm_topology(r.vmm, 8, dies, &p), 0);
		assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
		assert_int_equal(tdx_vm_init(r.vm, &p), 0);
		rig_off(&r);
	}
}

static void a_list_that_is_full_is_left_so(void **state)
{
	const struct rig_options o = {.guest = halt};
	struct tdx_vm_params p = {.ncpuid = 64};
	struct rig r;

	rig_on(&r, &o);
	for (unsigned i = 0; i < 64; i++)
		p.cpuid[i].leaf = 0x40000000 + i;
	assert_int_equal(tdx_vm_topology(r.vmm, 2, 1, &p), -E2BIG);
	/* and one that becomes full on the way */
	for (unsigned n = 64, refused = 1; n > 40; n--) {
		struct tdx_vm_params q = p;
		int err;

		q.ncpuid = n;
		err = tdx_vm_topology(r.vmm, 8, 2, &q);
		assert_true(err == -E2BIG || (err == 0 && q.ncpuid <= 64));
		assert_true(refused || err == 0);
		refused = err != 0;
	}
	assert_int_equal(tdx_vm_topology(r.vmm, 0, 1, &p), -EINVAL);
	assert_int_equal(tdx_vm_topology(r.vmm, 2, 0, &p), -EINVAL);
	rig_off(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_image_leaves_the_devices_where_they_are),
		cmocka_unit_test(caches_are_shared_within_the_levels_of_the_processors),
		cmocka_unit_test(the_module_takes_what_is_told),
		cmocka_unit_test(a_list_that_is_full_is_left_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
