/* SPDX-License-Identifier: MIT */
/* Faults in words: what is one, what is not and why; which calls one by vCPU or by address hits. */
#include "vmm_setup.h"

#include <swtdx/decode.h>

static void check_same(const char *text, const char *formatted)
{
	struct tdx_fault f[TDX_MODEL_FAULTS];
	char err[256] = "", out[TDX_FAULT_FORMAT_MAX];

	if (tdx_faults_parse(text, f, TDX_MODEL_FAULTS, err, sizeof(err)) != 1)
		fail_msg("%s: %s", text, err);
	assert_string_equal(tdx_fault_format(&f[0], out, sizeof(out)), formatted);
	/* what is printed is read as the same */
	assert_int_equal(tdx_faults_parse(out, f, TDX_MODEL_FAULTS, err, sizeof(err)), 1);
	assert_string_equal(tdx_fault_format(&f[0], out, sizeof(out)), formatted);
}

static void check_wrong(const char *text, const char *why)
{
	struct tdx_fault f[TDX_MODEL_FAULTS];
	char err[256] = "";

	assert_true(tdx_faults_parse(text, f, TDX_MODEL_FAULTS, err, sizeof(err)) < 0);
	if (!strstr(err, why))
		fail_msg("%s: \"%s\", not \"%s\"", text, err, why);
}

static void every_part_of_a_fault_is_read_and_printed(void **state)
{
	struct tdx_fault f[TDX_MODEL_FAULTS];
	char err[256];

	(void)state;
	check_same("TDH.MEM.PAGE.AUG=TDX_OPERAND_BUSY|SEPT_TREE",
		   "TDH.MEM.PAGE.AUG#1=TDX_OPERAND_BUSY|SEPT_TREE");
	check_same("mem.page.aug#3=OPERAND_BUSY|RCX", "TDH.MEM.PAGE.AUG#3=TDX_OPERAND_BUSY|RCX");
	check_same("tdh_mr_extend#5x7=busy", "TDH.MR.EXTEND#5x7=busy");
	check_same("6#1x0=entropy", "TDH.MEM.PAGE.AUG#1x0=entropy");
	check_same("TDH.MNG.CREATE@cpu=1=key", "TDH.MNG.CREATE@cpu=1#1=key");
	check_same("TDH.MEM.PAGE.AUG@vcpu=1#3=0xc000010000000001",
		   "TDH.MEM.PAGE.AUG@vcpu=1#3=TDX_OPERAND_INVALID|RCX");
	check_same("TDH.MEM.PAGE.AUG#2@gpa=0x12345@vcpu=0@cpu=3=key-busy",
		   "TDH.MEM.PAGE.AUG@cpu=3@vcpu=0@gpa=0x12345#2=key-busy");
	assert_int_equal(tdx_faults_parse("TDH.SYS.INIT=busy,TDH.VP.ENTER#9=interrupt", f, 2, err,
					  sizeof(err)),
			 2);
	assert_int_equal(f[1].leaf, TDH_VP_ENTER);
	assert_int_equal(f[1].nth, 9);
}

static void what_is_no_fault_is_told_by_its_part(void **state)
{
	char many[17 * 20] = "";

	(void)state;
	check_wrong("", "\"\" is no leaf");
	check_wrong("TDH.NO.SUCH=busy", "\"TDH.NO.SUCH\" is no leaf");
	check_wrong("TDG.VP.VMCALL=busy", "TDG.VP.VMCALL is a leaf of the guest's");
	check_wrong("999=busy", "\"999\" is no leaf");
	check_wrong("TDH.MEM.PAGE.AUG", "a fault is LEAF[@cpu=N]");
	check_wrong("TDH.MEM.PAGE.AUG#0=busy", "# of a fault takes a number from 1");
	check_wrong("TDH.MEM.PAGE.AUG#one=busy", "not \"one\"");
	check_wrong("TDH.MEM.PAGE.AUG#-1=busy", "not \"-1\"");
	check_wrong("TDH.MEM.PAGE.AUG#99999999999999999999=busy", "# of a fault takes a number");
	check_wrong("TDH.MEM.PAGE.AUG#1x=busy", "x of a fault takes a number");
	check_wrong("TDH.MEM.PAGE.AUG#1y2=busy", "\"y2=busy\" is not");
	check_wrong("TDH.MEM.PAGE.AUG@1=busy", "@1 of a fault: @cpu=N");
	check_wrong("TDH.MEM.PAGE.AUG@cpu", "@cpu of a fault: @cpu=N");
	check_wrong("TDH.MEM.PAGE.AUG@cpu=256=busy", "from 0 to 255, not \"256\"");
	check_wrong("TDH.MEM.PAGE.AUG@vcpu==busy", "@vcpu of a fault takes a number");
	check_wrong("TDH.MEM.PAGE.AUG@gpa=0x10000000000000=busy", "@gpa of a fault takes");
	check_wrong("TDH.MNG.INIT@gpa=0x1000=busy", "TDH.MNG.INIT takes no GPA");
	check_wrong("TDH.PHYMEM.PAMT.ADD@gpa=0=busy", "TDH.PHYMEM.PAMT.ADD takes no GPA");
	check_wrong("TDH.MEM.PAGE.AUG=TDX_NO_SUCH", "\"TDX_NO_SUCH\" is no status");
	check_wrong("TDH.MEM.PAGE.AUG=TDX_OPERAND_BUSY|NOBODY", "|NOBODY\" is no status");
	check_wrong("TDH.MEM.PAGE.AUG=1x", "\"1x\" is no status");
	check_wrong("TDH.MEM.PAGE.AUG=", "\"\" is no status");
	check_wrong("TDH.MEM.PAGE.AUG=1,,", "\"\" is no leaf");
	check_wrong("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=busy",
		    "is no part of a fault");
	for (unsigned i = 0; i < 17; i++)
		strcat(many, i ? ",TDH.SYS.INIT=busy" : "TDH.SYS.INIT=busy");
	check_wrong(many, "at most 16 faults");
}

static void where_each_leaf_takes_its_gpa_and_its_vcpu(void **state)
{
	static const struct {
		unsigned leaf;
		int gpa, tdvpr;
	} rows[] = {
		{TDH_VP_ENTER, -1, 1},	  {TDH_MEM_PAGE_AUG, 1, -1}, {TDH_MR_EXTEND, 1, -1},
		{TDH_MEM_SEPT_RD, 1, -1}, {TDH_VP_ADDCX, -1, 2},     {TDH_VP_INIT, -1, 1},
		{TDH_EXPORT_MEM, -1, -1}, {TDH_MEM_TRACK, -1, -1},   {TDH_PHYMEM_PAMT_ADD, -1, -1},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct tdx_leaf_info *leaf = tdx_seamcall_leaf(rows[i].leaf);

		assert_int_equal(tdx_leaf_operand_register(leaf, "GPA"), rows[i].gpa);
		assert_int_equal(tdx_leaf_operand_register(leaf, "TDVPR"), rows[i].tdvpr);
	}
}

/* vCPU 0 takes pages 1 to 3, vCPU 1 pages 11 to 13. */
static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	const uint64_t first = guest_number(cpu) ? 11 : 1;

	(void)arg;
	for (uint64_t i = first; i < first + 3; i++)
		guest_accept(cpu, i * 0x1000, TDX_LEVEL_4K);
	guest_halt(cpu);
}

static uint64_t hits_of(const char *text, uint64_t *augs)
{
	struct rig r;
	struct tdx_fault f;
	char err[256] = "";
	uint64_t hits;
	int id;

	rig_on(&r, &(struct rig_options){.guest = guest});
	rig_vm(&r, 2);
	if (tdx_faults_parse(text, &f, 1, err, sizeof(err)) != 1)
		fail_msg("%s: %s", text, err);
	id = tdx_model_inject(r.model, &f);
	/* both on one processor, so that only the vCPU tells them apart */
	assert_int_equal(rig_run(&r, 0, 0), 0);
	assert_int_equal(rig_run(&r, 1, 0), 0);
	hits = tdx_model_fault_hits(r.model, id);
	*augs = rig_calls(&r, TDH_MEM_PAGE_AUG);
	tdx_model_clear_faults(r.model);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
	return hits;
}

static void a_fault_hits_its_vcpu_and_its_address(void **state)
{
	uint64_t augs, all;

	(void)state;
	assert_int_equal(hits_of("TDH.MEM.PAGE.AUG@gpa=0x7777000=OPERAND_BUSY|SEPT_TREE", &all), 0);
	assert_int_equal(all, 6);
	/* the call is made again, as KVM does it */
	assert_int_equal(hits_of("TDH.MEM.PAGE.AUG@gpa=0x2fff=OPERAND_BUSY|SEPT_TREE", &augs), 1);
	assert_int_equal(augs, all + 1);
	assert_int_equal(hits_of("MEM.PAGE.AUG@vcpu=1#1x2=OPERAND_BUSY|SEPT_TREE", &augs), 2);
	assert_int_equal(augs, all + 2);
	assert_int_equal(hits_of("MEM.PAGE.AUG@vcpu=0@gpa=0xb000=OPERAND_BUSY|SEPT_TREE", &augs),
			 0);
	assert_int_equal(hits_of("MEM.PAGE.AUG@vcpu=1@gpa=0xb000=OPERAND_BUSY|SEPT_TREE", &augs),
			 1);
	assert_int_equal(hits_of("MEM.PAGE.AUG@vcpu=2=OPERAND_BUSY|SEPT_TREE", &augs), 0);
	assert_int_equal(hits_of("VP.ENTER@vcpu=1@cpu=1=OPERAND_BUSY|RCX", &augs), 0);
	assert_int_equal(hits_of("VP.ENTER@vcpu=1@cpu=0#2=OPERAND_BUSY|RCX", &augs), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_of_a_fault_is_read_and_printed),
		cmocka_unit_test(what_is_no_fault_is_told_by_its_part),
		cmocka_unit_test(where_each_leaf_takes_its_gpa_and_its_vcpu),
		cmocka_unit_test(a_fault_hits_its_vcpu_and_its_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
