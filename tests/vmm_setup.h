/* SPDX-License-Identifier: MIT */
/* A machine, a monitor on it, a TD whose vCPUs are C functions; watched for forgotten duties. */
#ifndef TESTS_VMM_SETUP_H
#define TESTS_VMM_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include <swtdx/model.h>
#include <swtdx/record.h>
#include <swtdx/vmm.h>

#include "abi/ghci.h"
#include "engine/native/native.h"
#include "machine/coherency.h"
#include "module/invariants.h"
#include "port/model.h"

enum { RIG_CPUS = 8, RIG_VCPUS = 8, RIG_REPORTS = 8 };
#define RIG_RAM	   (64ull << 20) /* the TD's memory, at GPA 0 */
#define RIG_SHARED (1ull << 47)

struct rig_options {
	unsigned cpus, packages, wb_blocks; /* 0: 2, 1, 8 */
	bool erratum, record, unwatched, huge;
	bool sept_ve; /* touching a page not accepted is #VE, not the end */
	bool irqchip; /* and time that passes */
	bool kvm_calls, wall_clock;
	bool dynamic_pamt;
	unsigned l2_vms;
	bool debug;
	const struct tdx_vmm_policy *policy;
	tdx_native_fn *guest;
	void *arg;
};

struct rig {
	struct tdx_model *model;
	struct tdx_vmm *vmm;
	struct tdx_record *record;
	const struct tdx_port *cpu[RIG_CPUS];
	unsigned ncpus;
	bool huge, sept_ve, irqchip, kvm_calls, debug;
	unsigned l2_vms;
	char log[256]; /* the last line */
	unsigned nlog;
	struct tdx_vm *vm;
	struct tdx_vcpu *vcpu[RIG_VCPUS];
	unsigned nvcpus;
	uint64_t total; /* pages of the host */
};

static inline void rig_log(void *arg, const char *line)
{
	struct rig *r = arg;

	snprintf(r->log, sizeof(r->log), "%s", line);
	__atomic_fetch_add(&r->nlog, 1, __ATOMIC_RELAXED);
}

static inline void rig_on(struct rig *r, const struct rig_options *o)
{
	struct tdx_range map[TDX_MAX_CMRS];
	struct tdx_range memory[TDX_MAX_CMRS];
	struct tdx_vmm_config cfg = {.cpus = r->cpu, .memory = memory, .log = rig_log, .arg = r};
	struct tdx_vmm_memory m;
	struct machine_config mc;
	char err[256] = "";

	memset(r, 0, sizeof(*r));
	machine_default_config(&mc);
	/* A machine of 256 MiB, so that looking at all of it is quick. */
	mc.ncmr = 1;
	mc.cmr[0] = (struct machine_range){1ull << 30, 256ull << 20};
	mc.mem_end = mc.cmr[0].base + mc.cmr[0].size;
	mc.lps = o->cpus ? o->cpus : 2;
	mc.pkgs = o->packages ? o->packages : 1;
	mc.wb_blocks = o->wb_blocks ? o->wb_blocks : 8;
	mc.partial_write_mce = o->erratum;
	mc.integrity = !o->unwatched;
	r->model = tdx_model_new_from(&mc, err, sizeof(err));
	assert_string_equal(err, "");
	if (!o->unwatched)
		assert_int_equal(machine_watch(r->model->sys->m, RIG_REPORTS), 0);
	if (o->guest)
		tdx_model_set_engine(r->model, tdx_native_engine_new(o->guest, o->arg));
	r->record = o->record ? tdx_record_new() : NULL;
	r->ncpus = mc.lps;
	for (unsigned i = 0; i < mc.lps; i++) {
		r->cpu[i] = tdx_model_port(r->model, i);
		if (o->record)
			r->cpu[i] = tdx_recorder_new(r->cpu[i], r->record);
	}
	cfg.ncpus = mc.lps;
	cfg.dynamic_pamt = o->dynamic_pamt;
	cfg.policy = o->policy;
	cfg.errata = o->erratum ? TDX_HOST_PARTIAL_WRITE_MCE : 0;
	cfg.nranges = tdx_model_memory(r->model, map, TDX_MAX_CMRS);
	for (unsigned i = 0; i < cfg.nranges; i++)
		memory[i] = (struct tdx_range){map[i].base, map[i].size};
	r->huge = o->huge;
	r->sept_ve = o->sept_ve;
	r->irqchip = o->irqchip;
	r->kvm_calls = o->kvm_calls;
	r->l2_vms = o->l2_vms;
	r->debug = o->debug;
	cfg.wall_clock = o->wall_clock;
	if (o->irqchip)
		tdx_model_set_real_time(r->model);
	if (tdx_vmm_new(&cfg, &r->vmm, err, sizeof(err)))
		fail_msg("%s", err);
	tdx_vmm_memory(r->vmm, &m);
	r->total = m.free_pages + m.used_pages + m.quarantined_pages;
	if (r->record)
		tdx_record_clear(r->record);
}

static inline void rig_off(struct rig *r)
{
	if (r->vm)
		tdx_vm_destroy(r->vm);
	tdx_vmm_free(r->vmm);
	if (r->record)
		for (unsigned i = 0; i < r->ncpus; i++)
			tdx_recorder_free(r->cpu[i]);
	tdx_record_free(r->record);
	tdx_model_free(r->model);
}

static inline struct tdx_vm_params rig_params(const struct rig *r)
{
	const struct tdx_host_info *info = tdx_vmm_info(r->vmm);

	return (struct tdx_vm_params){
		.attributes = (r->sept_ve ? 0 : TDX_ATTR_SEPT_VE_DISABLE) |
			      (r->debug ? TDX_ATTR_DEBUG : 0),
		.xfam = (info->xfam_fixed1 | 0xe7) & info->xfam_fixed0,
		.max_vcpus = RIG_VCPUS,
		.huge_pages = r->huge,
		.irqchip = r->irqchip,
		.halt_waits = r->kvm_calls,
		.kvm_hypercalls = r->kvm_calls,
		.num_l2_vms = r->l2_vms,
	};
}

/* A TD of nvcpus vCPUs over RIG_RAM of private memory, ready to run. 0 or the first error. */
static inline int rig_try_vm(struct rig *r, unsigned nvcpus)
{
	static const uint8_t page[4096] = {1, 2, 3};
	struct tdx_vm_params p = rig_params(r);
	int err;

	r->nvcpus = 0;
	r->nlog = 0;
	err = tdx_vm_new(r->vmm, &r->vm);
	if (!err)
		err = tdx_vm_init(r->vm, &p);
	if (!err)
		err = tdx_vm_set_memslot(r->vm, 0, gpa(0), RIG_RAM);
	if (!err)
		err = tdx_vm_add_page(r->vm, gpa(0), page, true);
	for (unsigned i = 0; i < nvcpus && !err; i++) {
		err = tdx_vcpu_new(r->vm, i, &r->vcpu[i]);
		if (!err)
			r->nvcpus++;
		if (!err)
			err = tdx_vcpu_init(r->vcpu[i], 0);
	}
	return err ? err : tdx_vm_finalize(r->vm);
}

static inline void rig_vm(struct rig *r, unsigned nvcpus)
{
	int err = rig_try_vm(r, nvcpus);
	struct tdx_vm_error e;

	if (!err)
		return;
	tdx_vm_error(r->vm, &e);
	fail_msg("building the TD: %d: %s", err, e.text);
}

/* Run until the vCPU halts (0), or the first error; conversions are granted. */
static inline int rig_run(struct rig *r, unsigned vcpu, int cpu)
{
	struct tdx_run run;

	for (;;) {
		int err = tdx_vcpu_run(r->vcpu[vcpu], cpu, &run);

		if (err)
			return err;
		switch (run.exit) {
		case TDX_EXIT_HLT:
			return 0;
		case TDX_EXIT_INTERNAL_ERROR:
		case TDX_EXIT_DEBUG:
		case TDX_EXIT_FAIL_ENTRY:
		case TDX_EXIT_SHUTDOWN:
			return -EIO;
		case TDX_EXIT_MEMORY_FAULT:
			return -EFAULT;
		default:
			break; /* asked: yes */
		}
	}
}

static inline struct tdx_vmm_memory rig_memory(struct rig *r)
{
	struct tdx_vmm_memory m;

	tdx_vmm_memory(r->vmm, &m);
	return m;
}

static inline void rig_check_module(struct rig *r)
{
	char why[256] = "";

	if (!module_check_invariants(r->model->sys->mod, why, sizeof(why)))
		fail_msg("%s", why);
}

static inline void rig_check_coherent(struct rig *r)
{
	struct coherency_report c;
	char text[512];

	if (machine_coherency_report(r->model->sys->m, 0, &c))
		fail_msg("%s", coherency_format(&c, text, sizeof(text)));
}

/* The TD is gone, and nothing of it is left anywhere. */
static inline void rig_check_clean(struct rig *r)
{
	struct tdx_vmm_memory m = rig_memory(r);
	uint64_t count[16];

	assert_int_equal(m.used_pages, 0);
	assert_int_equal(m.quarantined_pages, 0);
	assert_int_equal(m.leaked_hkids, 0);
	assert_int_equal(m.free_pages, r->total);
	assert_int_equal(tdx_model_pages(r->model, count), 0);
	assert_int_equal(tdx_model_stale_lines(r->model), 0);
	rig_check_coherent(r);
	rig_check_module(r);
}

static inline void rig_destroy(struct rig *r)
{
	tdx_vm_destroy(r->vm);
	r->vm = NULL;
}

static inline uint64_t rig_calls(struct rig *r, enum tdx_seamcall leaf)
{
	struct tdx_model_stats s;

	tdx_model_stats(r->model, &s);
	return s.calls[leaf];
}

static inline int rig_fail(struct rig *r, int leaf, uint64_t nth, uint64_t times, uint64_t status)
{
	struct tdx_fault f = {.kind = TDX_FAULT_STATUS,
			      .leaf = leaf,
			      .cpu = -1,
			      .nth = nth,
			      .times = times,
			      .status = tdx_status(status)};
	int id = tdx_model_inject(r->model, &f);

	assert_true(id >= 0);
	return id;
}

static inline void rig_expect_bugged(struct rig *r, enum tdx_seamcall leaf, uint64_t code)
{
	struct tdx_vm_error e;

	tdx_vm_error(r->vm, &e);
	assert_true(e.bugged);
	assert_int_equal(e.leaf, leaf);
	assert_true(tdx_is(e.status, code));
	assert_int_equal(tdx_vm_state(r->vm), TDX_VM_DEAD);
	assert_int_equal(r->nlog, 1);
}

/* --- in the guest --- */

static inline struct tdx_status guest_tdcall(struct tdx_native_cpu *cpu, unsigned leaf,
					     uint64_t rcx, uint64_t rdx)
{
	struct tdx_regs regs = {.rax = leaf, .rcx = rcx, .rdx = rdx};

	tdx_native_tdcall(cpu, &regs);
	return tdx_status(regs.rax);
}

static inline struct tdx_status guest_accept(struct tdx_native_cpu *cpu, uint64_t gpa_,
					     enum tdx_level level)
{
	return guest_tdcall(cpu, TDG_MEM_PAGE_ACCEPT, gpa_ | level, 0);
}

static inline uint64_t guest_vmcall(struct tdx_native_cpu *cpu, uint64_t leaf, uint64_t r12,
				    uint64_t r13, uint64_t *r11)
{
	struct tdx_regs regs = {
		.rax = TDG_VP_VMCALL, .rcx = 0xfc00, .r11 = leaf, .r12 = r12, .r13 = r13};

	tdx_native_tdcall(cpu, &regs);
	if (r11)
		*r11 = regs.r11;
	return regs.r10;
}

static inline void guest_halt(struct tdx_native_cpu *cpu)
{
	guest_vmcall(cpu, TDVMCALL_HLT, 1, 0, NULL);
}

static inline unsigned guest_number(struct tdx_native_cpu *cpu)
{
	struct tdx_regs regs = {.rax = TDG_VP_INFO};

	tdx_native_tdcall(cpu, &regs);
	return (unsigned)regs.r9 & 0xffff;
}

#endif
