/* SPDX-License-Identifier: MIT */
/* What the monitor refuses, and what it says: machines it cannot bring up, memory that is not as
 * described, calls out of their time. Nothing of a refused call stays. */
#include "vmm_setup.h"

#include "vmm/internal.h"

static void halt(struct tdx_native_cpu *cpu, void *arg)
{
	guest_halt(cpu);
}

/* --- machines --- */

static struct tdx_model *machine(uint64_t size)
{
	struct machine_config mc;
	char err[256] = "";
	struct tdx_model *model;

	machine_default_config(&mc);
	mc.ncmr = 1;
	mc.cmr[0] = (struct machine_range){1ull << 30, size};
	mc.mem_end = mc.cmr[0].base + mc.cmr[0].size;
	mc.lps = mc.pkgs = 1;
	model = tdx_model_new_from(&mc, err, sizeof(err));
	assert_string_equal(err, "");
	return model;
}

/* The sentence; the error must be what it is said to be. */
static int bring_up(struct tdx_model *model, const struct tdx_range *memory, unsigned n, char *err,
		    size_t len)
{
	const struct tdx_port *port = tdx_model_port(model, 0);
	const struct tdx_vmm_config cfg = {
		.cpus = &port, .ncpus = 1, .memory = memory, .nranges = n};
	struct tdx_vmm *vmm = (void *)1;
	const int e = tdx_vmm_new(&cfg, &vmm, err, len);

	if (!e)
		tdx_vmm_free(vmm);
	else
		assert_null(vmm);
	return e;
}

static void says(const char *err, const char *want)
{
	if (!strstr(err, want))
		fail_msg("\"%s\" does not say \"%s\"", err, want);
}

static void a_machine_whose_memory_does_not_do_is_told_why(void **state)
{
	const uint64_t base = 1ull << 30, page = TDX_PAGE_SIZE;
	struct tdx_range holes[TDX_MAX_CMRS];
	struct tdx_model *model = machine(256ull << 20);
	char err[256];

	(void)state;
	/* 6M of each 8M: more holes than a TDMR has reserved areas */
	for (unsigned i = 0; i < TDX_MAX_CMRS; i++)
		holes[i] = (struct tdx_range){hpa(base + (uint64_t)i * (8ull << 20)), 6ull << 20};
	assert_int_not_equal(bring_up(model, holes, TDX_MAX_CMRS, err, sizeof(err)), 0);
	says(err, "the TDX module is not configured: TDMR 0 [0x40000000, ");
	says(err, "reserved areas");
	tdx_model_free(model);
	/* no room for a PAMT in one piece */
	model = machine(256ull << 20);
	holes[0].size = 64 * page;
	assert_int_equal(bring_up(model, holes, 1, err, sizeof(err)), -ENOMEM);
	says(err, " bytes in a row for the PAMT of TDMR 0 [0x40000000, ");
	tdx_model_free(model);
	/* nor for what describes it */
	model = machine(256ull << 20);
	holes[0].size = page;
	assert_int_not_equal(bring_up(model, holes, 1, err, sizeof(err)), 0);
	says(err, "the TDX module is not configured: no ");
	tdx_model_free(model);
}

static void a_module_that_is_up_already_is_told(void **state)
{
	const struct tdx_range memory = {hpa(1ull << 30), 256ull << 20};
	struct tdx_model *model = machine(256ull << 20);
	char err[256];

	(void)state;
	assert_int_equal(bring_up(model, &memory, 1, err, sizeof(err)), 0);
	assert_int_not_equal(bring_up(model, &memory, 1, err, sizeof(err)), 0);
	says(err, "the TDX module ");
	says(err, "TDH.SYS.");
	tdx_model_free(model);
}

static void more_processors_than_it_knows_are_refused(void **state)
{
	const struct tdx_vmm_config cfg = {.ncpus = VMM_MAX_CPUS + 1};
	struct tdx_vmm *vmm = (void *)1;
	char err[256];

	(void)state;
	assert_int_equal(tdx_vmm_new(&cfg, &vmm, err, sizeof(err)), -EINVAL);
	assert_null(vmm);
	says(err, "more than ");
}

/* --- slots --- */

static void slots_that_cannot_be_are_refused(void **state)
{
	const struct rig_options o = {.guest = halt};
	static uint8_t memory[4 * 4096] __attribute__((aligned(4096)));
	struct tdx_vm_params p;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	p = rig_params(&r);
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
	/* before it is known how wide addresses are */
	assert_int_equal(tdx_vm_set_memslot(r.vm, 0, gpa(0), 4096), -EINVAL);
	assert_int_equal(tdx_vm_init(r.vm, &p), 0);
	assert_int_equal(tdx_vm_set_memslot(r.vm, VM_MAX_SLOTS, gpa(0), 4096), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 0, gpa(1), 4096), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 0, gpa(0), 4095), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 0, gpa(-4096ull), 8192), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 0, gpa(0), RIG_SHARED + 4096), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 0, gpa(0), 0), -EINVAL); /* none to delete */
	assert_int_equal(tdx_vm_set_memslot(r.vm, 0, gpa(0x10000), 0x10000), 0);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 0, gpa(0x80000), 4096), -EEXIST);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(0x1f000), 4096), -EEXIST);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(0x8000), 0x9000), -EEXIST);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(0xf000), 0x1000), 0);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 2, gpa(0x20000), 0x1000), 0);
	assert_int_equal(tdx_vm_set_user_memslot(r.vm, 3, gpa(0x80000), 4096, NULL, true), -EINVAL);
	assert_int_equal(tdx_vm_set_user_memslot(r.vm, 3, gpa(0x80000), 4096, memory + 1, true),
			 -EINVAL);
	assert_int_equal(tdx_vm_back_memslot(r.vm, VM_MAX_SLOTS, hpa(0x40000000)), -EINVAL);
	assert_int_equal(tdx_vm_back_memslot(r.vm, 1, hpa(0)), -EINVAL);
	assert_int_equal(tdx_vm_back_memslot(r.vm, 1, hpa(0x40000001)), -EINVAL);
	assert_int_equal(tdx_vm_back_memslot(r.vm, 9, hpa(0x40000000)), -EINVAL); /* no slot */
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x10000), 0, true), -EINVAL);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x10001), 4096, true), -EINVAL);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x1f000), 0x3000, false), -EINVAL);
	/* nothing of the last came to be */
	assert_int_equal(tdx_vm_read_shared(r.vm, gpa(0x1f000), memory, 1), -EFAULT);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x1f000), 0x2000, false), 0);
	assert_int_equal(tdx_vm_write_shared(r.vm, gpa(0x1fff0), memory, 32), 0);
	assert_int_equal(tdx_vm_write_shared(r.vm, gpa(0x20ff0), memory, 32), -EFAULT);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(0), 0), 0);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(0), 0), -EINVAL);
	rig_off(&r);
}

/* --- out of their time --- */

static void building_has_its_time(void **state)
{
	const struct rig_options o = {.guest = halt};
	static const uint8_t page[4096];
	struct tdx_vm_region region = {.gpa = gpa(0x2000), .source = page, .pages = 1};
	struct tdx_vm_params p;
	struct tdx_digest mrtd, again;
	struct tdx_vm *vm;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	p = rig_params(&r);
	assert_int_equal(tdx_vm_new(r.vmm, &vm), 0);
	assert_int_equal(tdx_vm_add_page(vm, gpa(0x1000), page, true), -EINVAL);
	assert_int_equal(tdx_vm_measure(vm, gpa(0x1000)), -EINVAL);
	assert_int_equal(tdx_vm_mrtd(vm, &mrtd), -EINVAL);
	assert_int_equal(tdx_vm_finalize(vm), -EINVAL);
	assert_int_equal(tdx_vm_init(vm, &p), 0);
	assert_int_equal(tdx_vm_init(vm, &p), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(vm, 0, gpa(0), 1 << 20), 0);
	assert_int_equal(tdx_vm_add_page(vm, gpa(1), page, true), -EINVAL);
	assert_int_equal(tdx_vm_add_page(vm, gpa(RIG_SHARED), page, true), -EINVAL);
	assert_int_equal(tdx_vm_add_page(vm, gpa(1 << 20), page, true), -EINVAL);
	assert_int_equal(tdx_vm_set_private(vm, gpa(0x9000), 4096, false), 0);
	assert_int_equal(tdx_vm_add_page(vm, gpa(0x9000), page, true), -EINVAL);
	assert_int_equal(tdx_vm_add_page(vm, gpa(0x1000), page, false), 0);
	assert_int_equal(tdx_vm_add_page(vm, gpa(0x1000), page, true), -EEXIST);
	assert_int_equal(tdx_vm_measure(vm, gpa(0x1100)), 0);
	region.pages = 0;
	assert_int_equal(tdx_vm_add_region(vm, &region, true), -EINVAL);
	region.pages = UINT64_MAX / 2;
	assert_int_equal(tdx_vm_add_region(vm, &region, true), -EINVAL);
	region.pages = 0x1000; /* beyond the slot */
	assert_int_equal(tdx_vm_add_region(vm, &region, true), -EINVAL);
	region.pages = 1;
	assert_int_equal(tdx_vm_add_region(vm, &region, true), 0);
	assert_int_equal(region.gpa.v, 0x3000);
	assert_int_equal(tdx_vcpu_new(vm, 0, &r.vcpu[0]), 0);
	assert_int_equal(tdx_vcpu_init(r.vcpu[0], 0), 0);
	assert_int_equal(tdx_vm_finalize(vm), 0);
	assert_int_equal(tdx_vm_measure(vm, gpa(0x1100)), -EINVAL);
	assert_int_equal(tdx_vm_add_page(vm, gpa(0x4000), page, true), -EINVAL);
	assert_int_equal(tdx_vm_finalize(vm), -EINVAL);
	assert_int_equal(tdx_vm_mrtd(vm, &mrtd), 0);
	assert_int_equal(tdx_vm_mrtd(vm, &again), 0);
	assert_memory_equal(&mrtd, &again, sizeof(mrtd));
	/* what is not measured, or in another order, is another TD */
	tdx_vm_destroy(vm);
	assert_int_equal(rig_try_vm(&r, 1), 0);
	assert_int_equal(tdx_vm_mrtd(r.vm, &again), 0);
	assert_memory_not_equal(&mrtd, &again, sizeof(mrtd));
	/* a TD that is dead says so everywhere */
	assert_int_equal(tdx_vm_inhibit_apicv(r.vm), -EIO);
	assert_int_equal(tdx_vm_mrtd(r.vm, &mrtd), -EIO);
	assert_int_equal(tdx_vm_measure(r.vm, gpa(0)), -EIO);
	assert_int_equal(tdx_vm_add_page(r.vm, gpa(0x4000), page, true), -EIO);
	assert_int_equal(
		tdx_vm_add_region(r.vm, &(struct tdx_vm_region){gpa(1ull << 40), 1, page}, true),
		-EIO);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 5, gpa(1ull << 40), 4096), -EIO);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0), 4096, false), -EIO);
	rig_off(&r);
}

/* --- ranges, and what is read of a TD --- */

static void ranges_that_cannot_be_are_refused(void **state)
{
	const struct rig_options o = {.guest = halt};
	struct tdx_vm *vm;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	assert_int_equal(tdx_vm_new(r.vmm, &vm), 0);
	assert_int_equal(tdx_vm_promote(vm, gpa(0)), -EINVAL); /* it has no tables yet */
	assert_int_equal(tdx_vm_demote(vm, gpa(0)), -EINVAL);
	assert_int_equal(tdx_vm_zap_shared(vm, gpa(0), 4096), 0);
	assert_int_equal(tdx_vm_measure(vm, gpa(0)), -EINVAL);
	tdx_vm_destroy(vm);
	tdx_vm_destroy(NULL);
	rig_vm(&r, 1);
	assert_int_equal(tdx_vm_promote(r.vm, gpa(RIG_SHARED)), -EINVAL);
	assert_int_equal(tdx_vm_demote(r.vm, gpa(RIG_SHARED)), -EINVAL);
	assert_int_equal(tdx_vm_demote(r.vm, gpa(0)), -EINVAL); /* of 4K already */
	for (unsigned private_ = 0; private_ < 2; private_++) {
		int (*zap)(struct tdx_vm *, tdx_gpa_t, uint64_t) =
			private_ ? tdx_vm_zap_private : tdx_vm_zap_shared;

		assert_int_equal(zap(r.vm, gpa(1), 4096), -EINVAL);
		assert_int_equal(zap(r.vm, gpa(0), 4095), -EINVAL);
		assert_int_equal(zap(r.vm, gpa(-4096ull), 8192), -EINVAL);
		assert_int_equal(zap(r.vm, gpa(0), RIG_SHARED + 4096), -EINVAL);
		assert_int_equal(zap(r.vm, gpa(0x10000), 4096), 0);
	}
	/* nothing of that was done */
	assert_int_equal(rig_run(&r, 0, -1), 0);
	vm_kill(r.vm, "of a test");
	assert_int_equal(tdx_vm_zap_private(r.vm, gpa(0), 4096), -EIO);
	assert_int_equal(tdx_vm_demote(r.vm, gpa(0)), -EIO);
	rig_off(&r);
}

/* Which errno a refused read is, and that the next one is as good as ever. */
static void a_read_that_is_refused_says_why(void **state)
{
	static const struct {
		uint64_t status;
		int err;
	} refusals[] = {{TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX, -EBUSY},
			{TDX_OP_STATE_INCORRECT, -EIO}};
	const struct rig_options o = {.guest = halt};
	static struct tdx_vm_cpuid cpuid[256];
	struct tdx_vm_params p;
	struct tdx_digest mrtd;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	p = rig_params(&r);
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
	assert_int_equal(tdx_vm_init(r.vm, &p), 0);
	assert_int_equal(tdx_vcpu_new(r.vm, 0, &r.vcpu[0]), 0);
	assert_int_equal(tdx_vcpu_init(r.vcpu[0], 0), 0);
	for (unsigned i = 0; i < 2; i++) {
		unsigned n = 256;

		rig_fail(&r, TDH_MNG_RD, 20, 1, refusals[i].status);
		assert_int_equal(tdx_vcpu_get_cpuid(r.vcpu[0], cpuid, &n), refusals[i].err);
		assert_int_equal(n, 256);
		assert_int_equal(tdx_vcpu_get_cpuid(r.vcpu[0], cpuid, &n), 0);
		assert_true(n > 20 && n < 256);
		n--;
		assert_int_equal(tdx_vcpu_get_cpuid(r.vcpu[0], cpuid, &n), -E2BIG);
	}
	assert_int_equal(tdx_vm_finalize(r.vm), 0);
	for (unsigned i = 0; i < 2; i++) {
		rig_fail(&r, TDH_MNG_RD, 3, 1, refusals[i].status);
		assert_int_equal(tdx_vm_mrtd(r.vm, &mrtd), refusals[i].err);
		assert_int_equal(tdx_vm_mrtd(r.vm, &mrtd), 0);
	}
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_RUNNABLE);
	rig_off(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_machine_whose_memory_does_not_do_is_told_why),
		cmocka_unit_test(a_module_that_is_up_already_is_told),
		cmocka_unit_test(more_processors_than_it_knows_are_refused),
		cmocka_unit_test(slots_that_cannot_be_are_refused),
		cmocka_unit_test(building_has_its_time),
		cmocka_unit_test(ranges_that_cannot_be_are_refused),
		cmocka_unit_test(a_read_that_is_refused_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
