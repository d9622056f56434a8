/* SPDX-License-Identifier: MIT */
/* TDs whose L1 VMM runs an L2 VM move: pages that the VM has too, tables of its Secure EPT, its
 * vCPU's state, and a vCPU that was interrupted inside it. */
#include "migrate_setup.h"

#include <swtdx/l2.h>

#include "arch/vmcs.h"
#include "arch/vmx.h"
#include "vmm/internal.h"

enum { L2_STATE_GPA = 0x1000, VAPIC_GPA = 0x2000, L1_GPA = 0x3000, VMS = 2, MOVES = 6 };

/* What the L1 VMM saw on this side. */
struct l1_seen {
	_Atomic unsigned routed, violations;
	_Atomic bool unknown;
};

static struct l1_seen seen;
static bool was_inside; /* the VM, when it was stopped */

static void port_tdcall(const struct tdg_port *port, struct tdx_regs *r)
{
	tdx_native_tdcall(port->ctx, r);
}

static const struct tdg_port_ops ops = {.tdcall = port_tdcall};

static bool made(struct tdx_status s)
{
	if (!tdx_is_success(s))
		seen.unknown = true;
	return tdx_is_success(s);
}

/* The VM counts in its pages, and says so past its L1 VMM. */
static void vm_code(struct tdx_native_cpu *cpu, void *arg)
{
	counter(cpu, 0);
}

/* Once in the TD's life. What the VM is given later, at its violations, is the TD's already. */
static void build_vm(struct tdx_native_cpu *cpu, const struct tdg_port *vcpu)
{
	const uint64_t begun = 1;

	for (uint64_t at = L2_STATE_GPA; at <= L1_GPA; at += 4096)
		accept_page(cpu, at);
	prepare(cpu, DATA_GPA);
	tdx_native_write(cpu, gpa(STATE_GPA + 64), &begun, 8);
	made(tdg_l2_vmcs_wr(vcpu, VMS, VMCS_VIRTUAL_APIC_ADDRESS, VAPIC_GPA, ~0xfffull));
	made(tdg_l2_set_ctls(vcpu, VMS, TDX_L2_CTLS_ENABLE_TDVMCALL));
	tdx_native_write(cpu, gpa(STATE_GPA), &begun, 8);
}

static bool serve(const struct tdg_port *vcpu, const struct tdg_l2_exit *e, struct tdx_status s)
{
	if (tdx_is(s, TDX_L2_EXIT_HOST_ROUTED_ASYNC) ||
	    tdx_is(s, TDX_L2_EXIT_HOST_ROUTED_TDVMCALL)) {
		seen.routed++;
		return true;
	}
	if (e->reason != VMX_EXIT_EPT_VIOLATION)
		return false;
	seen.violations++;
	return made(tdg_l2_page(vcpu, VMS, gpa(e->gpa_.v & ~0xfffull), TDX_LEVEL_4K,
				TDG_L2_R | TDG_L2_W));
}

/* A native L1 VMM, and its VM, begin anew where they come to: what is known is in memory. */
static void l1(struct tdx_native_cpu *cpu, unsigned number)
{
	const struct tdg_port vcpu = {&ops, cpu};
	const struct tdx_l2_state st = {.rflags = 2, .rip = 0x1000};
	struct tdg_l2_exit e;
	struct tdx_status s;
	uint64_t built = 0;

	(void)number;
	tdx_native_read(cpu, gpa(STATE_GPA), &built, 8);
	if (!built)
		build_vm(cpu, &vcpu);
	tdx_native_l2(cpu, VMS, vm_code, NULL);
	tdx_native_write(cpu, gpa(L2_STATE_GPA), &st, sizeof(st));
	do {
		s = tdg_vp_enter(&vcpu, VMS, TDG_L2_FLUSH_NOTHING, gpa(L2_STATE_GPA), &e);
	} while (tdg_l2_entered(s) && serve(&vcpu, &e, s));
	seen.unknown = true;
	say(cpu, ~0u, 0);
}

static int stop_and_look(void *arg)
{
	struct side *s = arg;
	const int err = stop(s);

	was_inside = was_inside || tdx_vm_vcpu(s->vm, 0)->in_l2;
	return err;
}

static void fill_side(struct side *s, bool dynamic_pamt)
{
	side_on_with(s, dynamic_pamt, VMS);
	s->guest = l1;
}

static void move_it(struct side *from, struct side *to, const struct tdx_export_config *how)
{
	struct tdx_export_config config = *how;
	struct peer p = {.s = to, .config = to->importer};
	struct tdx_mig_stats stats;
	struct wire w;
	pthread_t t;
	int err;

	get_ready(from, to, &config, &p, &w);
	config.stop = stop_and_look;
	to->count[0] = from->count[0];
	assert_int_equal(pthread_create(&t, NULL, import, &p), 0);
	err = tdx_vm_export(from->vm, &w.channel[0], &config, &stats);
	pthread_join(t, NULL);
	wire_off(&w);
	if (err || p.err) {
		struct tdx_vm_error ea, eb;

		tdx_vm_error(from->vm, &ea);
		tdx_vm_error(to->vm, &eb);
		fail_msg("export %d (%s), import %d (%s)", err, ea.text, p.err, eb.text);
	}
	assert_int_equal(tdx_vm_vcpu(to->vm, 0)->vm->num_l2_vms, VMS);
	end_td(from);
}

static void there_and_back(bool dynamic_pamt, const struct tdx_export_config *how)
{
	struct side *here = &a, *there = &b, *other;
	unsigned violations;

	seen = (struct l1_seen){0};
	was_inside = false;
	fill_side(&a, dynamic_pamt);
	fill_side(&b, dynamic_pamt);
	build(here, 1);
	go(here);
	counts_on(here, 2 * PAGES);
	violations = seen.violations;
	assert_true(violations >= PAGES);
	for (unsigned i = 0; i < MOVES || (!was_inside && i < 100); i++) {
		move_it(here, there, how);
		counts_on(there, 2 * PAGES);
		other = here;
		here = there;
		there = other;
	}
	assert_int_equal(stop(here), 0);
	assert_true(was_inside);
	assert_true(seen.routed > 0);
	assert_false(seen.unknown);
	/* The VM has there what it had: nothing is given to it again. Of memory that follows, a
	 * page may come between the VM's fault and the module's look at it, which then tells the L1
	 * VMM: some, and far from all. */
	if (how->post_copy)
		assert_in_range(seen.violations, violations, violations + PAGES / 4);
	else
		assert_int_equal(seen.violations, violations);
	end_td(here);
	side_off(&a);
	side_off(&b);
}

static void a_td_with_a_live_l2_vm_moves_there_and_back(void **state)
{
	there_and_back(false, &(struct tdx_export_config){.max_rounds = 3});
}

static void so_does_one_with_dynamic_pamt_and_two_streams(void **state)
{
	there_and_back(true, &(struct tdx_export_config){.streams = 2, .enough = 64});
}

static void its_memory_can_follow(void **state)
{
	there_and_back(false, &(struct tdx_export_config){.post_copy = true});
}

static int enough(void *arg, const struct tdx_mig_stats *so_far)
{
	return so_far->rounds >= 1 ? -ECANCELED : 0;
}

/* Given up while it runs and when it stands: it goes on here, in its VM. */
static void it_goes_on_where_it_was_when_the_move_is_given_up(void **state)
{
	struct tdx_export_config config = {.max_rounds = 3, .wanted = enough};

	fill_side(&a, false);
	fill_side(&b, false);
	build(&a, 1);
	go(&a);
	counts_on(&a, 2 * PAGES);
	for (unsigned i = 0; i < 2; i++) {
		struct peer p = {.s = &b, .config = b.importer};
		struct tdx_mig_stats stats;
		struct wire w;
		pthread_t t;
		int err;

		get_ready(&a, &b, &config, &p, &w);
		if (i) {
			config.wanted = NULL;
			rig_fail(&a.rig, TDH_EXPORT_STATE_VP, 1, 1, TDX_OP_STATE_INCORRECT);
		}
		assert_int_equal(pthread_create(&t, NULL, import, &p), 0);
		err = tdx_vm_export(a.vm, &w.channel[0], &config, &stats);
		pthread_join(t, NULL);
		wire_off(&w);
		tdx_model_clear_faults(a.rig.model);
		assert_int_equal(err, i ? -EREMOTEIO : -ECANCELED);
		assert_int_equal(p.err, -ECONNABORTED);
		assert_false(stats.moved);
		end_td(&b);
		counts_on(&a, 2 * PAGES);
	}
	assert_int_equal(stop(&a), 0);
	assert_false(seen.unknown);
	end_td(&a);
	side_off(&a);
	side_off(&b);
}

/* The pages of its control structures would be too few, or too many. */
static void other_numbers_of_vms_are_refused(void **state)
{
	struct tdx_export_config config = {.max_rounds = 3};
	struct peer p = {.s = &b, .config = {.max_memory = RIG_RAM, .max_vcpus = 1}};
	struct tdx_mig_stats stats;
	struct wire w;
	pthread_t t;
	int err;

	fill_side(&a, false);
	side_on_with(&b, false, VMS - 1);
	build(&a, 1);
	go(&a);
	counts_on(&a, PAGES);
	get_ready(&a, &b, &config, &p, &w);
	assert_int_equal(pthread_create(&t, NULL, import, &p), 0);
	err = tdx_vm_export(a.vm, &w.channel[0], &config, &stats);
	pthread_join(t, NULL);
	wire_off(&w);
	assert_true(err && !stats.moved);
	assert_int_equal(p.err, -EINVAL);
	end_td(&b);
	counts_on(&a, PAGES);
	assert_int_equal(stop(&a), 0);
	end_td(&a);
	side_off(&a);
	side_off(&b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_td_with_a_live_l2_vm_moves_there_and_back),
		cmocka_unit_test(so_does_one_with_dynamic_pamt_and_two_streams),
		cmocka_unit_test(its_memory_can_follow),
		cmocka_unit_test(it_goes_on_where_it_was_when_the_move_is_given_up),
		cmocka_unit_test(other_numbers_of_vms_are_refused),
	};

	return RUN_MOVES(argc, argv, tests, NULL, NULL);
}
