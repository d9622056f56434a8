/* SPDX-License-Identifier: MIT */
/* Another module takes over from the one that runs TDs: they go on where they were, and what they
 * report is the new one. Without handing over nothing of them is left. */
#include "vmm_setup.h"

#include <swtdx/module_image.h>
#include <swtdx/seamldr.h>
#include <swtdx/structs.h>

#include "abi/features.h"
#include "abi/metadata.h"
#include "machine/seam.h"

enum {
	TURNS = 6,
	PARAMS = 16 << 20, /* of the host's memory */
	IMAGE = PARAMS + 0x1000,
	REPORT = 0x2000, /* of the TD's */
	REPORT_DATA = 0x3000,
	COUNTERS = 0x10000,
};

struct guest {
	struct tdx_report report[2];
	unsigned turns;
	bool wrong;
};

static void report(struct tdx_native_cpu *cpu, struct guest *g, struct tdx_report *out)
{
	struct tdx_regs r = {.rax = TDG_MR_REPORT, .rcx = REPORT, .rdx = REPORT_DATA};

	tdx_native_tdcall(cpu, &r);
	g->wrong |= r.rax != TDX_SUCCESS;
	g->wrong |= !tdx_native_read(cpu, gpa(REPORT), out, sizeof(*out));
}

/* Counts in its pages, one more of them each turn. */
static void count(struct tdx_native_cpu *cpu, void *arg)
{
	struct guest *g = arg;

	guest_accept(cpu, REPORT, TDX_LEVEL_4K);
	guest_accept(cpu, REPORT_DATA, TDX_LEVEL_4K);
	report(cpu, g, &g->report[0]);
	for (uint64_t turn = 0; turn < TURNS; turn++) {
		guest_accept(cpu, COUNTERS + turn * TDX_PAGE_SIZE, TDX_LEVEL_4K);
		for (uint64_t i = 0; i <= turn; i++) {
			const tdx_gpa_t at = gpa(COUNTERS + i * TDX_PAGE_SIZE);
			uint64_t n;

			g->wrong |= !tdx_native_read(cpu, at, &n, sizeof(n)) || n != turn - i;
			n++;
			g->wrong |= !tdx_native_write(cpu, at, &n, sizeof(n));
		}
		if (turn == TURNS - 1)
			report(cpu, g, &g->report[1]);
		g->turns++;
		guest_halt(cpu);
	}
}

static uint64_t call(struct rig *r, unsigned cpu, uint64_t rax, uint64_t rcx)
{
	struct tdx_regs regs = {.rax = rax, .rcx = rcx};

	r->cpu[cpu]->ops->seamcall(r->cpu[cpu], &regs);
	return regs.rax;
}

static void install(struct rig *r, unsigned scenario, const char *profile)
{
	const struct tdx_module_image_config cfg = {.module_hv = 1, .profile = profile};
	struct tdx_seamldr_params p = {.scenario = scenario,
				       .sigstruct_pa = IMAGE + 0x1000,
				       .num_module_pages = 1,
				       .module_page_pa = {IMAGE + 0x2000}};
	uint8_t image[3 * TDX_PAGE_SIZE];

	assert_int_equal(tdx_module_image_make(&cfg, image), 0);
	r->cpu[0]->ops->write(r->cpu[0], hpa(IMAGE), image, sizeof(image));
	r->cpu[0]->ops->write(r->cpu[0], hpa(PARAMS), &p, sizeof(p));
	for (unsigned i = 0; i < r->ncpus; i++)
		assert_int_equal(call(r, i, SEAMLDR_INSTALL, PARAMS), SEAMLDR_SUCCESS);
}

static void start(struct rig *r)
{
	assert_int_equal(call(r, 0, TDH_SYS_INIT, 0), TDX_SUCCESS);
	for (unsigned i = 0; i < r->ncpus; i++)
		assert_int_equal(call(r, i, TDH_SYS_LP_INIT, 0), TDX_SUCCESS);
}

static void update(struct rig *r, const char *profile)
{
	assert_int_equal(call(r, 1, TDH_SYS_SHUTDOWN, 1), TDX_SUCCESS);
	install(r, TDX_SEAMLDR_UPDATE, profile);
	start(r);
	assert_int_equal(call(r, 1, TDH_SYS_UPDATE, 0), TDX_SUCCESS);
}

static void a_td_lives_through_updates(void **state)
{
	static struct guest g;
	const struct rig_options o = {.guest = count, .arg = &g, .packages = 2};
	const struct tdx_tee_tcb_info *before = &g.report[0].tee_tcb_info,
				      *after = &g.report[1].tee_tcb_info;
	struct rig r;

	(void)state;
	g = (struct guest){.turns = 0};
	rig_on(&r, &o);
	rig_vm(&r, 1);
	for (unsigned turn = 0; turn < TURNS; turn++) {
		assert_int_equal(rig_run(&r, 0, (int)(turn % 2)), 0);
		rig_check_module(&r);
		update(&r, NULL);
		rig_check_module(&r);
	}
	assert_int_equal(g.turns, TURNS);
	assert_false(g.wrong);
	/* the TD is the same, its module another one */
	assert_memory_equal(&g.report[0].td_info, &g.report[1].td_info, sizeof(struct tdx_td_info));
	assert_memory_not_equal(&before->mrseam, &after->mrseam, sizeof(after->mrseam));
	assert_memory_equal(before->tee_tcb_svn, after->tee_tcb_svn, sizeof(after->tee_tcb_svn));
	rig_check_coherent(&r);
	tdx_vm_destroy(r.vm);
	r.vm = NULL;
	assert_int_equal(rig_memory(&r).quarantined_pages, 0);
	rig_off(&r);
}

static uint64_t sys_field(struct rig *r, enum md_sys_field field)
{
	struct tdx_regs regs = {.rax = TDH_SYS_RD, .rdx = md_sys.row[field].id};

	r->cpu[0]->ops->seamcall(r->cpu[0], &regs);
	assert_int_equal(regs.rax, TDX_SUCCESS);
	return regs.r8;
}

/* Back to a module without NO_RBP_MOD, and forth: each says so, and the old one refuses TDs that
 * want it. */
static void an_image_names_the_version_that_comes(void **state)
{
	static struct guest g;
	const struct rig_options o = {.guest = count, .arg = &g};
	struct tdx_vm_params p;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	update(&r, "rbp-mod");
	assert_int_equal(sys_field(&r, MD_SYS_TDX_FEATURES0) & TDX_FEATURE_NO_RBP_MOD, 0);
	assert_int_equal(sys_field(&r, MD_SYS_CONFIG_FLAGS_FIXED0) & TDX_CONFIG_NO_RBP_MOD, 0);
	p = rig_params(&r);
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
	assert_int_equal(tdx_vm_init(r.vm, &p), -EINVAL);
	tdx_vm_destroy(r.vm);
	r.vm = NULL;
	update(&r, "1.5.25");
	assert_int_equal(sys_field(&r, MD_SYS_UPDATE_VERSION), 25);
	assert_true(sys_field(&r, MD_SYS_TDX_FEATURES0) & TDX_FEATURE_NO_RBP_MOD);
	rig_vm(&r, 1);
	assert_int_equal(rig_run(&r, 0, 0), 0);
	rig_off(&r);
}

/* SEAMLDR.INSTALL from scratch: the engine's vCPUs are gone with the module's, and a TD that gets
 * the same pages is a new one. */
static void a_module_from_scratch_knows_no_td(void **state)
{
	static struct guest g;
	const struct rig_options o = {.guest = count, .arg = &g};
	struct rig r;

	(void)state;
	g = (struct guest){.turns = 0};
	rig_on(&r, &o);
	rig_vm(&r, 1);
	assert_int_equal(rig_run(&r, 0, 0), 0);
	install(&r, TDX_SEAMLDR_LOAD, NULL);
	assert_int_equal(call(&r, 0, TDH_VP_ENTER, 0), TDX_SYS_NOT_READY);
	assert_int_equal(system_pages(r.model->sys, (uint64_t[16]){0}), 0);
	start(&r);
	assert_int_equal(call(&r, 0, TDH_SYS_UPDATE, 0), TDX_SYS_INVALID_HANDOFF);
	rig_off(&r); /* whose monitor gets nothing back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_td_lives_through_updates),
		cmocka_unit_test(an_image_names_the_version_that_comes),
		cmocka_unit_test(a_module_from_scratch_knows_no_td),
	};

	return cmocka_run_group_tests_name("vmm_update", tests, NULL, NULL);
}
