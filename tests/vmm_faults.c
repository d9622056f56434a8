/* SPDX-License-Identifier: MIT */
/* Everything that can fail in the life of a TD fails once.
 *
 * A life: build, run (accept, convert, use), promote and demote, destroy. Each call of it is
 * refused in turn with each plausible status; then the same with every request for memory, with
 * entropy, key generation and interrupts. Whatever happens, nothing crashes, the error is the right
 * one, pages the module may still have are not used again, and all others are free. */
#include "vmm_setup.h"

#include <stdlib.h>

#include <swtdx/decode.h>

#include "vmm/internal.h"

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word = 0x1122334455667788;

	(void)arg;
	for (unsigned i = 1; i <= 3; i++)
		guest_accept(cpu, i * 0x1000, TDX_LEVEL_4K);
	tdx_native_write(cpu, gpa(0x2000), &word, sizeof(word));
	guest_vmcall(cpu, TDVMCALL_MAP_GPA, 0x3000 | RIG_SHARED, 0x1000, NULL);
	tdx_native_write(cpu, gpa(0x3000 | RIG_SHARED), &word, sizeof(word));
	if (tdx_is_success(guest_accept(cpu, TDX_SIZE_2M, TDX_LEVEL_2M)))
		tdx_native_write(cpu, gpa(TDX_SIZE_2M), &word, sizeof(word));
	guest_halt(cpu);
}

static const struct rig_options options = {.guest = guest, .huge = true, .cpus = 2, .packages = 2};

/* 0 or the first error. */
static int live(struct rig *r)
{
	int err = rig_try_vm(r, 1);
	struct tdx_run run = {0};

	if (!err)
		err = rig_run(r, 0, 0);
	if (!err)
		err = tdx_vm_demote(r->vm, gpa(TDX_SIZE_2M));
	if (err == -EINVAL && tdx_vm_state(r->vm) == TDX_VM_RUNNABLE)
		err = 0; /* it got 4K pages for lack of 2M ones */
	if (!err)
		err = tdx_vm_promote(r->vm, gpa(TDX_SIZE_2M));
	if (err == -EINVAL && tdx_vm_state(r->vm) == TDX_VM_RUNNABLE)
		err = 0;
	if (!err) /* on another processor: flushed from the first */
		err = tdx_vcpu_run(r->vcpu[0], 1, &run);
	return err ? err : run.exit == TDX_EXIT_INTERNAL_ERROR ? -EIO : 0;
}

static uint64_t all_calls(struct rig *r)
{
	struct tdx_model_stats s;
	uint64_t n = 0;

	tdx_model_stats(r->model, &s);
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		n += s.calls[i];
	return n;
}

/* What is left of a TD that is gone: pages the module owns are in quarantine, no other is in use,
 * and no more are lost than have to be. */
static void check_left(struct rig *r, const char *what, uint64_t nth, struct tdx_vmm_memory before,
		       uint64_t lost, unsigned hkids)
{
	struct tdx_vmm_memory m = rig_memory(r);
	uint64_t count[16], owned = m.quarantined_pages ? tdx_model_pages(r->model, count) : 0;
	char why[256] = "";

	if (m.used_pages || m.free_pages + m.quarantined_pages != r->total)
		fail_msg("%s, %llu: %llu pages in use", what, (unsigned long long)nth,
			 (unsigned long long)m.used_pages);
	/* A page whose write-back failed is in quarantine too, though the module gave it back. */
	if (m.quarantined_pages < owned || m.quarantined_pages - before.quarantined_pages != lost)
		fail_msg("%s, %llu: %llu pages lost, not %llu; the module has %llu of %llu", what,
			 (unsigned long long)nth,
			 (unsigned long long)(m.quarantined_pages - before.quarantined_pages),
			 (unsigned long long)lost, (unsigned long long)owned,
			 (unsigned long long)m.quarantined_pages);
	if (m.leaked_hkids - before.leaked_hkids != hkids)
		fail_msg("%s, %llu: %u KeyIDs", what, (unsigned long long)nth,
			 m.leaked_hkids - before.leaked_hkids);
	if (r->nlog > 1)
		fail_msg("%s, %llu: %u lines", what, (unsigned long long)nth, r->nlog);
	if (!module_check_invariants(r->model->sys->mod, why, sizeof(why)))
		fail_msg("%s, %llu: %s", what, (unsigned long long)nth, why);
	rig_check_coherent(r);
}

/* The leaf of each call of a life without faults. */
static unsigned record_life(enum tdx_seamcall *leaf, unsigned max, unsigned *destroy_at)
{
	struct rig_options o = options;
	struct tdx_step step;
	unsigned n = 0;
	size_t life;
	struct rig r;

	o.record = true;
	rig_on(&r, &o);
	assert_int_equal(live(&r), 0);
	life = tdx_record_count(r.record);
	rig_destroy(&r);
	rig_check_clean(&r);
	for (size_t i = 0; tdx_record_step(r.record, i, &step); i++) {
		if (i == life)
			*destroy_at = n;
		if (step.kind != TDX_STEP_SEAMCALL)
			continue;
		assert_true(n < max);
		leaf[n++] = (enum tdx_seamcall)tdx_rax_leaf(step.in.rax);
	}
	rig_off(&r);
	return n;
}

/* What a life comes to, one of whose calls is refused: its errno, whether the VM is dead of it, and
 * what of it is lost. */
struct outcome {
	int err;
	bool dead;
	uint64_t lost;
	unsigned hkids;
};

struct a_life {
	enum tdx_seamcall leaf[2048];
	unsigned n, destroy_at;
	unsigned control_pages; /* reclaimed one by one, the TDR last */
	unsigned tdr_at;
};

static bool is_removal(enum tdx_seamcall leaf)
{
	return leaf == TDH_MEM_RANGE_BLOCK || leaf == TDH_MEM_TRACK ||
	       leaf == TDH_MEM_PAGE_REMOVE || leaf == TDH_MEM_PAGE_PROMOTE ||
	       leaf == TDH_MEM_PAGE_DEMOTE;
}

/* Is the call made again, or the answer as good as success? */
static bool tolerated(enum tdx_seamcall leaf, struct tdx_status s)
{
	switch (leaf) {
	case TDH_VP_ENTER:
		return tdx_is_busy(s) || tdx_is(s, TDX_HOST_PRIORITY_BUSY_TIMEOUT);
	case TDH_MNG_KEY_CONFIG:
		if (tdx_is(s, TDX_KEY_GENERATION_FAILED))
			return true;
		break;
	case TDH_MEM_SEPT_ADD:
	case TDH_MEM_PAGE_ADD:
	case TDH_MEM_PAGE_AUG:
		if (tdx_is_busy(s))
			return true;
		break;
	case TDH_MEM_PAGE_PROMOTE:
		if (tdx_is(s, TDX_EPT_INVALID_PROMOTE_CONDITIONS))
			return true; /* the range stays as it was */
		break;
	default:
		break;
	}
	if (is_removal(leaf) && (tdx_is_busy(s) || tdx_is(s, TDX_INTERRUPTED_BUSY) ||
				 tdx_is(s, TDX_INTERRUPTED_RESTARTABLE)))
		return true;
	return tdx_is(s, TDX_RND_NO_ENTROPY);
}

static struct outcome expected(const struct a_life *l, unsigned k, struct tdx_status s)
{
	enum tdx_seamcall leaf = l->leaf[k];
	struct outcome o = {.err = k < l->destroy_at ? -EIO : 0, .dead = true};

	if (tolerated(leaf, s))
		return (struct outcome){0};
	switch (leaf) {
	case TDH_MNG_CREATE:
	case TDH_MNG_KEY_CONFIG:
	case TDH_MNG_ADDCX:
	case TDH_VP_CREATE:
	case TDH_VP_ADDCX:
	case TDH_VP_INIT:
		o.dead = false;
		break;
	case TDH_MNG_INIT:
		o.dead = false;
		o.err = tdx_is(s, TDX_OPERAND_INVALID) ? -EINVAL : -EIO;
		break;
	case TDH_MR_FINALIZE:
		o.dead = !tdx_is_busy(s);
		o.err = o.dead ? -EIO : -EBUSY;
		break;
	case TDH_MR_EXTEND:
		o.dead = !tdx_is_busy(s);
		o.err = o.dead ? -EIO : -EBUSY;
		break;
	case TDH_VP_ENTER:
		o.dead = !tdx_is_non_recoverable(s) || tdx_is_error(s);
		break;
	case TDH_VP_FLUSH:
		/* On the way to another processor; at the end it is done again. */
		if (k < l->destroy_at)
			break;
		if (tdx_is(s, TDX_VCPU_NOT_ASSOCIATED))
			o.dead = true; /* VPFLUSHDONE knows better */
				       /* fallthrough */
	case TDH_MNG_VPFLUSHDONE:
	case TDH_PHYMEM_CACHE_WB:
	case TDH_MNG_KEY_FREEID:
		o.hkids = 1;
		o.lost = l->control_pages;
		break;
	case TDH_PHYMEM_PAGE_RECLAIM:
		o.lost = k == l->tdr_at ? 1 : 2; /* with the TDR, which still has a child */
		break;
	case TDH_PHYMEM_PAGE_WBINVD:
		o.lost = 1;
		break;
	default:
		break;
	}
	return o;
}

static struct a_life *record(void)
{
	struct a_life *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->n = record_life(l->leaf, sizeof(l->leaf) / sizeof(l->leaf[0]), &l->destroy_at);
	assert_true(l->n > 80);
	for (unsigned k = 0; k < l->n; k++)
		if (l->leaf[k] == TDH_PHYMEM_PAGE_RECLAIM) {
			l->control_pages++;
			l->tdr_at = k;
		}
	return l;
}

/* One life with one refusal; and another one in the same memory. */
static void refused_once(struct rig *r, const struct a_life *l, unsigned k, uint64_t status,
			 bool again)
{
	struct tdx_vmm_memory before = rig_memory(r);
	struct tdx_status s = tdx_status(status);
	struct outcome want = expected(l, k, s);
	int fault = rig_fail(r, -1, k + 1, 1, status), err = live(r);
	char what[160], name[96];

	rig_destroy(r);
	snprintf(what, sizeof(what), "%s refused with %s", tdx_seamcall_leaf(l->leaf[k])->name,
		 tdx_status_format(s, name, sizeof(name)));
	assert_int_equal(tdx_model_fault_hits(r->model, fault), 1);
	tdx_model_clear_faults(r->model);
	/* A vCPU that was said not to be associated was run elsewhere; the module may object. */
	if (l->leaf[k] == TDH_VP_FLUSH && k < l->destroy_at && tdx_is(s, TDX_VCPU_NOT_ASSOCIATED)) {
		assert_true(rig_memory(r).used_pages == 0);
		return;
	}
	if (err != want.err)
		fail_msg("%s, call %u: %d, not %d", what, k, err, want.err);
	if (r->nlog != want.dead)
		fail_msg("%s, call %u: %u lines: %s", what, k, r->nlog, r->log);
	check_left(r, what, k, before, want.lost, want.hkids);
	if (!again)
		return;
	before = rig_memory(r);
	err = live(r);
	if (err)
		fail_msg("after %s, call %u: %d", what, k, err);
	rig_destroy(r);
	check_left(r, what, k, before, 0, 0);
}

static void each_call_refused(const struct a_life *l, unsigned k, struct rig *r, bool *on,
			      uint64_t status, bool again)
{
	if (!*on)
		rig_on(r, &options);
	*on = true;
	refused_once(r, l, k, status, again);
	if (rig_memory(r).free_hkids < 4) {
		rig_off(r);
		*on = false;
	}
}

static void each_call_refused_with(uint64_t status)
{
	struct a_life *l = record();
	struct rig r;
	bool on = false;

	for (unsigned k = 0; k < l->n; k++)
		each_call_refused(l, k, &r, &on, status, true);
	if (on)
		rig_off(&r);
	free(l);
}

static void each_call_refused_as_busy(void **state)
{
	(void)state;
	each_call_refused_with(TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
}

static void each_call_refused_as_busy_with_the_tree(void **state)
{
	(void)state;
	each_call_refused_with(TDX_OPERAND_BUSY | TDX_OPERAND_ID_SEPT_TREE);
}

static void each_call_refused_for_lack_of_entropy(void **state)
{
	(void)state;
	each_call_refused_with(TDX_RND_NO_ENTROPY);
}

/* Everything the leaf is known to answer, as errors, with the operand it says most. */
static void each_call_refused_with_all_its_leaf_can_say(void **state)
{
	struct a_life *l = record();
	unsigned statuses = 0;
	struct rig r;
	bool on = false;

	(void)state;
	for (unsigned k = 0; k < l->n; k++) {
		const struct tdx_leaf_info *leaf = tdx_seamcall_leaf(l->leaf[k]);
		const struct tdx_status_info *code;

		for (size_t i = 0; (code = tdx_code_of_leaf(leaf, i)); i++) {
			bool exit = l->leaf[k] == TDH_VP_ENTER &&
				    tdx_is_non_recoverable(tdx_status(code->code));
			uint64_t details =
				code->details == TDX_DETAILS_OPERAND ? TDX_OPERAND_ID_RCX : 0;

			if (!tdx_is_error(tdx_status(code->code)) && !exit)
				continue;
			each_call_refused(l, k, &r, &on, code->code | details, false);
			statuses++;
		}
	}
	assert_true(statuses > 10 * l->n);
	if (on)
		rig_off(&r);
	free(l);
}

static void S1_09_each_call_refused_with_a_status_nobody_knows(void **state)
{
	(void)state;
	each_call_refused_with(0x8000123400005678ull);
}

static void each_call_faults(void **state)
{
	(void)state;
	each_call_refused_with(TDX_SEAMCALL_GP);
	each_call_refused_with(TDX_SEAMCALL_UD);
	each_call_refused_with(TDX_SEAMCALL_VMFAILINVALID);
}

static void each_request_for_memory_fails(void **state)
{
	struct rig r;

	(void)state;
	rig_on(&r, &options);
	for (uint64_t k = 1;; k++) {
		struct tdx_vmm_memory before = rig_memory(&r);
		int err;

		tdx_vmm_fail_alloc(r.vmm, k);
		err = live(&r);
		rig_destroy(&r);
		if (r.vmm->pages.fail_in)
			break; /* there are not so many */
		if (err != -ENOMEM && err != 0)
			fail_msg("request %llu: %d", (unsigned long long)k, err);
		check_left(&r, "memory", k, before, 0, 0);
		assert_true(k < 500);
	}
	tdx_vmm_fail_alloc(r.vmm, 0);
	rig_check_clean(&r);
	rig_off(&r);
}

/* The hardware fails during each call in turn: the library or the monitor must not show it. */
static void hardware_fails(struct tdx_fault f)
{
	uint64_t n;
	struct rig r;

	rig_on(&r, &options);
	n = all_calls(&r);
	assert_int_equal(live(&r), 0);
	rig_destroy(&r);
	n = all_calls(&r) - n;
	f.leaf = f.cpu = -1;
	f.times = 1;
	for (f.nth = 1; f.nth <= n; f.nth++) {
		struct tdx_vmm_memory before = rig_memory(&r);
		int err;

		tdx_model_inject(r.model, &f);
		err = live(&r);
		rig_destroy(&r);
		tdx_model_clear_faults(r.model);
		if (err)
			fail_msg("fault %d at call %llu: %d", (int)f.kind,
				 (unsigned long long)f.nth, err);
		check_left(&r, "hardware", f.nth, before, 0, 0);
	}
	rig_check_clean(&r);
	rig_off(&r);
}

static void no_entropy_during_each_call(void **state)
{
	(void)state;
	hardware_fails((struct tdx_fault){.kind = TDX_FAULT_ENTROPY});
}

static void S1_05_no_key_during_each_call(void **state)
{
	(void)state;
	hardware_fails((struct tdx_fault){.kind = TDX_FAULT_KEY});
}

static void an_interrupt_in_each_block_of_each_call(void **state)
{
	(void)state;
	for (unsigned polls = 0; polls < 3; polls++)
		hardware_fails((struct tdx_fault){.kind = TDX_FAULT_INTERRUPT, .polls = polls});
}

static void S1_04_no_entropy_at_all_is_eagain_and_leaves_nothing(void **state)
{
	static const enum tdx_seamcall leaves[] = {TDH_MNG_CREATE, TDH_MNG_ADDCX};
	unsigned hkids;
	struct rig r;

	(void)state;
	rig_on(&r, &options);
	hkids = rig_memory(&r).free_hkids;
	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 9; k <= 10; k++) {
			int fault = rig_fail(&r, (int)leaves[i], 1, k, TDX_RND_NO_ENTROPY);

			assert_int_equal(rig_try_vm(&r, 1), k < 10 ? 0 : -EAGAIN);
			assert_int_equal(tdx_model_fault_hits(r.model, fault), k);
			assert_int_equal(tdx_vm_state(r.vm),
					 k < 10 ? TDX_VM_RUNNABLE : TDX_VM_UNINITIALIZED);
			if (k == 10)
				assert_int_equal(rig_memory(&r).free_hkids, hkids);
			tdx_model_clear_faults(r.model);
			rig_destroy(&r);
			rig_check_clean(&r);
		}
	rig_off(&r);
}

static void S1_09_of_a_bugged_vm_everything_is_refused(void **state)
{
	struct tdx_vm_params p;
	struct tdx_vcpu *v;
	struct tdx_run run;
	struct rig r;

	(void)state;
	rig_on(&r, &options);
	p = rig_params(&r);
	rig_vm(&r, 1);
	rig_fail(&r, TDH_VP_ENTER, 1, 1, 0x8000123400005678ull);
	assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), 0);
	assert_int_equal(run.exit, TDX_EXIT_INTERNAL_ERROR);
	rig_expect_bugged(&r, TDH_VP_ENTER, 0x8000123400005678ull);
	assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), -EIO);
	assert_int_equal(tdx_vcpu_init(r.vcpu[0], 0), -EIO);
	assert_int_equal(tdx_vcpu_new(r.vm, 5, &v), -EIO);
	assert_int_equal(tdx_vm_init(r.vm, &p), -EIO);
	assert_int_equal(tdx_vm_finalize(r.vm), -EIO);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0), 0x1000, false), -EIO);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(1ull << 40), 0x1000), -EIO);
	assert_int_equal(tdx_vm_promote(r.vm, gpa(0)), -EIO);
	assert_int_equal(r.nlog, 1);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

static void S1_10_lost_virtualization_is_tolerated_while_rebooting(void **state)
{
	(void)state;
	for (unsigned rebooting = 0; rebooting < 2; rebooting++) {
		struct tdx_run run;
		struct rig r;

		rig_on(&r, &options);
		rig_vm(&r, 1);
		if (rebooting)
			tdx_vmm_set_rebooting(r.vmm);
		rig_fail(&r, TDH_VP_ENTER, 1, 1, TDX_SEAMCALL_UD);
		assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), 0);
		assert_int_equal(run.exit, TDX_EXIT_INTERNAL_ERROR);
		assert_int_equal(tdx_vm_state(r.vm), rebooting ? TDX_VM_RUNNABLE : TDX_VM_DEAD);
		assert_int_equal(r.nlog, !rebooting);
		rig_destroy(&r);
		rig_check_clean(&r);
		rig_off(&r);
	}
}

static void canaries(struct tdx_native_cpu *cpu, void *arg)
{
	struct tdx_regs regs = {.rax = TDG_VP_VMCALL,
				.rcx = 0x0c00,
				.rdx = 0xdd,
				.rbx = 0xbb,
				.rsi = 0x51,
				.rdi = 0xd1,
				.r8 = 8,
				.r9 = 9,
				.r10 = 0,
				.r11 = TDVMCALL_HLT,
				.r12 = 12,
				.r13 = 13,
				.r14 = 14,
				.r15 = 15};

	(void)arg;
	tdx_native_tdcall(cpu, &regs);
}

static void S1_02_registers_a_guest_did_not_share_do_not_reach_the_host(void **state)
{
	struct rig_options o = {.guest = canaries};
	struct tdx_enter_result out;
	struct tdx_regs regs = {0};
	struct tdx_vp vp;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	vp = tdx_vcpu_vp(r.vcpu[0]);
	assert_true(tdx_is_success(tdh_vp_enter(tdx_cpu_of(r.cpu[0]), &vp, &regs, &out)));
	assert_int_equal(out.exit_reason & 0xffff, 77);
	assert_int_equal(regs.r11, TDVMCALL_HLT);
	assert_int_equal(regs.rdx | regs.rbx | regs.rsi | regs.rdi | regs.r8 | regs.r9 | regs.r12 |
				 regs.r13 | regs.r14 | regs.r15,
			 0);
	rig_destroy(&r);
	rig_off(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_refused_as_busy),
		cmocka_unit_test(each_call_refused_as_busy_with_the_tree),
		cmocka_unit_test(each_call_refused_for_lack_of_entropy),
		cmocka_unit_test(each_call_refused_with_all_its_leaf_can_say),
		cmocka_unit_test(S1_09_each_call_refused_with_a_status_nobody_knows),
		cmocka_unit_test(each_call_faults),
		cmocka_unit_test(each_request_for_memory_fails),
		cmocka_unit_test(no_entropy_during_each_call),
		cmocka_unit_test(S1_05_no_key_during_each_call),
		cmocka_unit_test(an_interrupt_in_each_block_of_each_call),
		cmocka_unit_test(S1_02_registers_a_guest_did_not_share_do_not_reach_the_host),
		cmocka_unit_test(S1_04_no_entropy_at_all_is_eagain_and_leaves_nothing),
		cmocka_unit_test(S1_09_of_a_bugged_vm_everything_is_refused),
		cmocka_unit_test(S1_10_lost_virtualization_is_tolerated_while_rebooting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
