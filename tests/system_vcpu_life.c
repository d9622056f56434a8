/* SPDX-License-Identifier: MIT */
/* A TDVPR that is reclaimed by one processor and at once made another TD's vCPU by a second one,
 * before the first is back from its call: the new vCPU has nothing of the old, and keeps its own
 * life when the first processor comes back. */
#include <pthread.h>
#include <sched.h>

#include <swtdx/native.h>
#include <swtdx/x86.h>

#include "arch/vmx.h"
#include "module_td.h"
#include "module/hooks.h"
#include "system/system.h"

enum { FIRST_LP = 0, SECOND_LP = 1, ROUNDS = 4, SOURCE = 0x1200000 };
#define RESET_PAGE 0xfffff000ull

/* What the vCPU of a TD does at its reset vector: say that it runs, and spin. */
static const uint8_t spin[] = {0xc6, 0x05, 0x00, 0xf0, 0xff, 0xff, 0x01, /* movb $1, 0xfffff000 */
			       0xeb, 0xfe};				 /* jmp . */

struct world {
	struct system *sys;
	struct setup s;
	_Atomic unsigned started;	  /* native guests so far, each a number of its own */
	void (*between)(struct world *w); /* RECLAIM of `page` is done, and has not returned */
	uint64_t page;			  /* the TDVPR of one TD after the other */
	struct test_td next;
	uint64_t code;	 /* the page of its reset vector */
	unsigned number; /* of the native guest it is to be */
	pthread_t thread;
	struct tdx_regs entered; /* by the second processor */
};

static struct tdx_regs call(struct world *w, unsigned lp, struct tdx_regs regs)
{
	system_seamcall(w->sys, lp, &regs);
	return regs;
}

static struct tdx_regs enter(struct world *w, unsigned lp, uint64_t tdvpr)
{
	return call(w, lp, (struct tdx_regs){.rax = TDH_VP_ENTER, .rcx = tdvpr});
}

static void reclaimed(void *arg, struct lp *lp, bool guest, const struct tdx_regs *in,
		      const struct tdx_regs *out)
{
	struct world *w = arg;
	void (*between)(struct world * w) = w->between;

	if (lp->id != FIRST_LP || guest || tdx_rax_leaf(in->rax) != TDH_PHYMEM_PAGE_RECLAIM ||
	    out->rax != TDX_SUCCESS || !between)
		return;
	w->between = NULL;
	between(w);
}

static void start(struct world *w, struct tdx_engine *engine)
{
	static const struct module_hooks hooks = {.leave = reclaimed};
	char err[128] = "";

	memset(w, 0, sizeof(*w));
	w->sys = system_new(NULL, err, sizeof(err));
	assert_string_equal(err, "");
	assert_non_null(engine);
	system_set_engine(w->sys, engine);
	w->s = (struct setup){w->sys->m, w->sys->mod, {0}};
	setup_ready(&w->s, SETUP_GLOBAL_HKID);
	module_set_hooks(w->sys->mod, &hooks, w);
}

/* A TD that waits for its vCPU, with code at the reset vector. */
static struct test_td ready_td(struct world *w, unsigned hkid_)
{
	struct test_td td = td_initialized(&w->s, hkid_);

	w->code = td_new_page();
	memset(machine_ptr(w->sys->m, SOURCE), 0, TDX_PAGE_SIZE);
	memcpy(machine_ptr(w->sys->m, SOURCE + 0xff0), spin, sizeof(spin));
	for (unsigned level = 3; level > 0; level--)
		setup_expect(setup_call(&w->s, FIRST_LP, TDH_MEM_SEPT_ADD,
					.rcx = (RESET_PAGE & ~(tdx_level_size(level) - 1)) | level,
					.rdx = td.tdr, .r8 = td_new_page()),
			     TDX_SUCCESS);
	setup_expect(setup_call(&w->s, FIRST_LP, TDH_MEM_PAGE_ADD, .rcx = RESET_PAGE, .rdx = td.tdr,
				.r8 = w->code, .r9 = SOURCE),
		     TDX_SUCCESS);
	return td;
}

/* The TD's vCPU, for the processor, on this page; the TD can run then. */
static void add_vcpu(struct world *w, struct test_td *td, unsigned lp, uint64_t tdvpr)
{
	setup_expect(setup_call(&w->s, lp, TDH_VP_CREATE, .rcx = tdvpr, .rdx = td->tdr),
		     TDX_SUCCESS);
	for (unsigned i = 1; i < 6; i++)
		setup_expect(
			setup_call(&w->s, lp, TDH_VP_ADDCX, .rcx = td_new_page(), .rdx = tdvpr),
			TDX_SUCCESS);
	setup_expect(setup_call(&w->s, lp, TDH_VP_INIT, .rcx = tdvpr), TDX_SUCCESS);
	setup_expect(setup_call(&w->s, lp, TDH_MR_FINALIZE, .rcx = td->tdr), TDX_SUCCESS);
}

/* Up to the point where its pages can be reclaimed; the vCPU was last on this processor. */
static void end_td(struct world *w, const struct test_td *td, unsigned lp, uint64_t tdvpr)
{
	setup_expect(setup_call(&w->s, lp, TDH_VP_FLUSH, .rcx = tdvpr), TDX_SUCCESS);
	setup_expect(setup_call(&w->s, lp, TDH_MNG_VPFLUSHDONE, .rcx = td->tdr), TDX_SUCCESS);
	setup_expect(setup_call(&w->s, lp, TDH_PHYMEM_CACHE_WB), TDX_SUCCESS);
	setup_expect(setup_call(&w->s, lp, TDH_MNG_KEY_FREEID, .rcx = td->tdr), TDX_SUCCESS);
}

static void reclaim(struct world *w, uint64_t page)
{
	struct tdx_regs r = {.rax = TDH_PHYMEM_PAGE_RECLAIM, .rcx = page};

	setup_expect(tdx_status(call(w, FIRST_LP, r).rax), TDX_SUCCESS);
}

/* --- the native engine --- */

/* Says its number at each TDVMCALL. */
static void numbered(struct tdx_native_cpu *cpu, void *arg)
{
	struct world *w = arg;
	const uint64_t number = atomic_fetch_add(&w->started, 1);

	for (;;) {
		struct tdx_regs r = {
			.rax = TDG_VP_VMCALL, .rcx = 0x1c00, .r10 = 1, .r11 = 1, .r12 = number};

		tdx_native_tdcall(cpu, &r);
	}
}

static void expect_number(struct world *w, unsigned lp, uint64_t number)
{
	struct tdx_regs r = enter(w, lp, w->page);

	assert_int_equal(tdx_status(r.rax).raw >> 32, 0);
	assert_int_equal(r.rax, VMX_EXIT_TDCALL);
	assert_int_equal(r.r12, number);
}

static void second_td_runs(struct world *w)
{
	add_vcpu(w, &w->next, SECOND_LP, w->page);
	expect_number(w, SECOND_LP, w->number);
}

static void native_vcpu_has_nothing_of_the_one_before(void **state)
{
	struct world w;
	struct test_td td;

	(void)state;
	start(&w, tdx_native_engine_new(numbered, &w));
	w.page = td_new_page();
	td = ready_td(&w, SETUP_GLOBAL_HKID + 1);
	add_vcpu(&w, &td, SECOND_LP, w.page);
	expect_number(&w, SECOND_LP, 0);
	for (w.number = 1; w.number <= ROUNDS; w.number++) {
		w.next = ready_td(&w, SETUP_GLOBAL_HKID + 1 + w.number);
		end_td(&w, &td, SECOND_LP, w.page);
		w.between = second_td_runs;
		reclaim(&w, w.page);
		assert_null(w.between);
		expect_number(&w, SECOND_LP, w.number);
		td = w.next;
	}
	system_free(w.sys);
}

/* --- the x86 engine --- */

static void *enter_second(void *arg)
{
	struct world *w = arg;

	w->entered = enter(w, SECOND_LP, w->page);
	return NULL;
}

static void second_td_spins(struct world *w)
{
	add_vcpu(w, &w->next, SECOND_LP, w->page);
	assert_int_equal(pthread_create(&w->thread, NULL, enter_second, w), 0);
	while (!__atomic_load_n((uint8_t *)machine_ptr(w->sys->m, w->code), __ATOMIC_ACQUIRE))
		sched_yield();
}

static void interrupt_second(struct world *w)
{
	system_interrupt(w->sys, SECOND_LP);
	assert_int_equal(pthread_join(w->thread, NULL), 0);
	assert_int_equal(w->entered.rax, VMX_EXIT_EXTERNAL_INTERRUPT);
}

static void x86_vcpu_is_not_forgotten_while_it_runs(void **state)
{
	struct world w;
	struct test_td td;

	(void)state;
	start(&w, tdx_x86_engine_new(NULL, NULL));
	w.page = td_new_page();
	w.next = td = ready_td(&w, SETUP_GLOBAL_HKID + 1);
	second_td_spins(&w);
	interrupt_second(&w);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		w.next = ready_td(&w, SETUP_GLOBAL_HKID + 1 + round);
		end_td(&w, &td, SECOND_LP, w.page);
		w.between = second_td_spins;
		reclaim(&w, w.page);
		assert_null(w.between);
		interrupt_second(&w);
		td = w.next;
	}
	system_free(w.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(native_vcpu_has_nothing_of_the_one_before),
		cmocka_unit_test(x86_vcpu_is_not_forgotten_while_it_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
