/* SPDX-License-Identifier: MIT */
/* A TD whose L1 VMM runs an L2 VM, on both engines: what the VM executes, sees of memory, and how
 * it leaves. */
#include <swtdx/guest.h>
#include <swtdx/native.h>
#include <swtdx/x86.h>

#include "abi/operand.h"
#include "arch/x86.h"
#include "module/vcpu.h"
#include "module_mem_setup.h"
#include "system/system.h"

/* Guest-physical pages. */
enum {
	L1_CODE = 0x0000,
	L2_CODE = 0x1000,
	NOTES = 0x2000, /* of the L1 VMM: what it saw */
	STATE = 0x3000,
	VAPIC = 0x4000,
	PML4 = 0x5000,
	PDPT = 0x6000,
	DATA = 0x7000, /* what the VM may not touch at first */
	PAGES = 8,
};
enum { ATTR_R = 1, ATTR_W = 2, ATTR_X = 4 | 8, ATTR_VALID = 0x8000, ATTR_ALL = 0xf };
#define VM1	     (1ull << 52)
#define VAPIC_FIELD  0x2420000300002012ull
#define ATTR_VM1     16
#define NO_PAGE	     (~0ull)
#define EAX_OF_CPUID 0x1234u
#define LARGE_PAGE   0x83u

struct world {
	struct system *sys;
	struct setup s;
	struct test_td td;
	uint64_t pa[PAGES];
	unsigned exits[128]; /* by reason, as the native L1 VMM counts them */
	uint64_t answer;     /* what the native VM got from CPUID */
	bool done;
};

static void *page(const struct world *w, unsigned gpa_)
{
	return machine_ptr(w->sys->m, w->pa[gpa_ / TDX_PAGE_SIZE]);
}

static struct vmcs *vmcs_of(const struct world *w, unsigned vm)
{
	return vp_vm_vmcs(w->sys->m, machine_ptr(w->sys->m, w->td.tdvpr), vm);
}

static void build(struct world *w, struct tdx_engine *engine)
{
	char err[128] = "";

	*w = (struct world){.sys = system_new(NULL, err, sizeof(err))};
	assert_string_equal(err, "");
	w->s = (struct setup){w->sys->m, w->sys->mod, {0}};
	setup_ready(&w->s, SETUP_GLOBAL_HKID);
	w->td = td_build(&w->s, 0, TDX_ATTR_SEPT_VE_DISABLE, 1);
	for (unsigned level = 3; level > 0; level--) {
		w->s.regs = (struct tdx_regs){.rax = TDH_MEM_SEPT_ADD | 1 << 16,
					      .rcx = level,
					      .rdx = w->td.tdr,
					      .r8 = NO_PAGE,
					      .r9 = td_page(&w->td),
					      .r10 = NO_PAGE,
					      .r11 = NO_PAGE};
		module_seamcall(w->sys->mod, 1, &w->s.regs);
		assert_int_equal(w->s.regs.rax, TDX_SUCCESS);
	}
	for (unsigned i = 0; i < PAGES; i++) {
		w->pa[i] = td_page(&w->td);
		setup_expect(setup_call(&w->s, 0, TDH_MEM_PAGE_ADD, .rcx = i * TDX_PAGE_SIZE,
					.rdx = w->td.tdr, .r8 = w->pa[i], .r9 = SETUP_SOURCE),
			     TDX_SUCCESS);
	}
	mem_must(&w->s, TDH_MR_FINALIZE, w->td.tdr, 0, 0);
	system_set_engine(w->sys, engine);
}

static struct tdx_regs enter(struct world *w, uint64_t flags)
{
	struct tdx_regs r = {.rax = TDH_VP_ENTER, .rcx = w->td.tdvpr | flags};

	system_seamcall(w->sys, 0, &r);
	return r;
}

/* --- native --- */

static void tdcall(const struct tdg_port *port, struct tdx_regs *r)
{
	tdx_native_tdcall(port->ctx, r);
}

static const struct tdg_port_ops ops = {.tdcall = tdcall};

static void allow(const struct tdg_port *vcpu, gpa_t page_, uint64_t attr)
{
	struct tdx_status s = tdg_mem_page_attr_wr(vcpu, gpa(page_.v & ~0xfffull), TDX_LEVEL_4K,
						   (attr | ATTR_VALID) << ATTR_VM1,
						   (uint64_t)ATTR_ALL << ATTR_VM1, NULL);

	assert_true(tdx_is_success(s));
}

static void goes_on(struct tdx_native_cpu *cpu, uint64_t rax, uint64_t length)
{
	struct tdx_l2_state st;

	assert_true(tdx_native_read(cpu, gpa(STATE), &st, sizeof(st)));
	st.gpr.rax = rax;
	st.rip += length;
	assert_true(tdx_native_write(cpu, gpa(STATE), &st, sizeof(st)));
}

/* An L1 VMM: emulates CPUID, gives pages, and ends with its VM's HLT. */
static void l1_vmm(struct tdx_native_cpu *cpu, struct world *w)
{
	const struct tdg_port vcpu = {&ops, cpu};
	struct tdx_l2_state st = {.rflags = 2, .rip = L2_CODE};
	struct tdg_l2_exit e;

	assert_true(tdx_is_success(tdg_vp_wr(&vcpu, VAPIC_FIELD, VAPIC, ~0xfffull, NULL)));
	assert_true(tdx_native_write(cpu, gpa(STATE), &st, sizeof(st)));
	assert_true(tdx_is_success(tdg_vp_invept(&vcpu, 1 << 1)));
	assert_true(tdx_is_success(tdg_vp_invvpid(&vcpu, 1, DATA, 0)));
	while (w->exits[VMX_EXIT_HLT] == 0) {
		struct tdx_status s = tdg_vp_enter(&vcpu, 1, TDG_L2_FLUSH_NOTHING, gpa(STATE), &e);

		assert_true(tdg_l2_entered(s));
		assert_in_range(e.reason, 0, 127);
		w->exits[e.reason]++;
		if (e.reason == VMX_EXIT_CPUID)
			goes_on(cpu, EAX_OF_CPUID, e.length);
		else if (e.reason == VMX_EXIT_EPT_VIOLATION)
			allow(&vcpu, e.gpa_, ATTR_R | ATTR_W);
	}
}

static void native_vm(struct tdx_native_cpu *cpu, void *arg)
{
	struct world *w = arg;
	struct tdx_regs r = {.rax = 1};
	uint64_t word = 0x5a5a;

	assert_true(tdx_native_exit(cpu, VMX_EXIT_CPUID, 0, 2, &r));
	w->answer = r.rax;
	assert_true(tdx_native_write(cpu, gpa(DATA), &word, sizeof(word)));
	tdx_native_poll(cpu);
}

static void native_l1(struct tdx_native_cpu *cpu, void *arg)
{
	struct world *w = arg;

	tdx_native_l2(cpu, 1, native_vm, w);
	l1_vmm(cpu, w);
	w->done = true;
}

static void native_vm_runs_and_its_l1_vmm_counts_the_exits(void **state)
{
	struct world w;
	struct tdx_regs r;

	(void)state;
	build(&w, NULL);
	system_set_engine(w.sys, tdx_native_engine_new(native_l1, &w));
	r = enter(&w, 0);
	assert_int_equal(r.rax, VMX_EXIT_TDCALL); /* it has nothing left to do */
	assert_true(w.done);
	assert_int_equal(w.exits[VMX_EXIT_CPUID], 1);
	assert_int_equal(w.exits[VMX_EXIT_EPT_VIOLATION], 1);
	assert_int_equal(w.exits[VMX_EXIT_HLT], 1);
	assert_int_equal(w.answer, EAX_OF_CPUID);
	assert_int_equal(*(uint64_t *)page(&w, DATA), 0x5a5a);
	system_free(w.sys);
}

/* --- x86 --- */

/* The same two guests in machine code. The L1 VMM notes the number of its VM's CPUIDs, then the
 * address of the last violation; a reason it does not know ends it with VP.VMCALL, R11 = reason. */
__asm__(".pushsection .rodata\n"
	"l1_code:\n"
	"	movl $25, %eax\n" /* TDG.VP.ENTER */
	"	movabsq $0x10000000000000, %rcx\n"
	"	movl $0x3000, %edx\n"
	"	.byte 0x66, 0x0f, 0x01, 0xcc\n"
	"	cmpw $10, %ax\n" /* CPUID */
	"	jne 1f\n"
	"	incl 0x2000\n"
	"	movq $0x1234, 0x3000\n" /* RAX */
	"	shrq $32, %r11\n"
	"	addq %r11, 0x3088\n" /* RIP */
	"	jmp l1_code\n"
	"1:	cmpw $48, %ax\n" /* EPT violation */
	"	jne 2f\n"
	"	movq %r8, 0x2008\n"
	"	movl $24, %eax\n" /* TDG.MEM.PAGE.ATTR.WR */
	"	movq %r8, %rcx\n"
	"	andq $-4096, %rcx\n"
	"	movl $0x80030000, %edx\n"
	"	movl $0x000f0000, %r8d\n"
	"	.byte 0x66, 0x0f, 0x01, 0xcc\n"
	"	jmp l1_code\n"
	"2:	movl %eax, %r11d\n"
	"	xorl %r10d, %r10d\n"
	"	xorl %eax, %eax\n" /* TDG.VP.VMCALL */
	"	movl $0xc00, %ecx\n"
	"	.byte 0x66, 0x0f, 0x01, 0xcc\n"
	"	jmp l1_code\n"
	"l1_end:\n"
	"l2_code:\n"
	"	movl $1, %eax\n"
	"	cpuid\n"
	"	movl %eax, 0x7000\n"
	"	hlt\n"
	"l2_end:\n"
	"spin_code:\n"
	"	jmp spin_code\n"
	"spin_end:\n"
	".popsection\n");
extern const uint8_t l1_code[], l1_end[], l2_code[], l2_end[], spin_code[], spin_end[];

static void in_long_mode(struct vmcs *vmcs, uint64_t rip)
{
	vmcs_write(vmcs, VMCS_GUEST_CR3, PML4);
	vmcs_set_bits(vmcs, VMCS_GUEST_CR4, CR4_PAE);
	vmcs_set_bits(vmcs, VMCS_GUEST_CR0, CR0_PG | CR0_PE);
	vmcs_write(vmcs, VMCS_GUEST_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
	vmcs_write(vmcs, VMCS_GUEST_CS_AR, 0xa09b);
	vmcs_write(vmcs, VMCS_GUEST_RIP, rip);
	vmcs_write(vmcs, VMCS_GUEST_RSP, NOTES + 0x800);
}

static void alias(struct world *w, uint64_t gpa_, uint64_t attr)
{
	const struct vmexit e = {.reason = VMX_EXIT_TDCALL, .instr_len = 4};

	w->s.regs = (struct tdx_regs){.rax = TDG_MEM_PAGE_ATTR_WR,
				      .rcx = gpa_,
				      .rdx = (attr | ATTR_VALID) << ATTR_VM1,
				      .r8 = (uint64_t)ATTR_ALL << ATTR_VM1};
	assert_int_equal(module_vmexit(w->sys->mod, 0, &e, &w->s.regs), MODULE_TO_GUEST);
	setup_expect(tdx_status(w->s.regs.rax), TDX_SUCCESS);
}

/* What a bigger L1 VMM would do itself: its own mode, its VM's mode, pages, code and virtual APIC.
 */
static void prepare_x86(struct world *w, const uint8_t *code, size_t size)
{
	const struct vmexit write = {.reason = VMX_EXIT_TDCALL, .instr_len = 4};
	struct tdx_l2_state *st;

	build(w, NULL);
	memcpy(page(w, L1_CODE), l1_code, (size_t)(l1_end - l1_code));
	memcpy(page(w, L2_CODE), code, size);
	*(uint64_t *)page(w, PML4) = PDPT | 3;
	*(uint64_t *)page(w, PDPT) = LARGE_PAGE;
	td_must_enter(&w->s, &w->td);
	alias(w, L2_CODE, ATTR_R | ATTR_X);
	alias(w, PML4, ATTR_R | ATTR_W);
	alias(w, PDPT, ATTR_R | ATTR_W);
	w->s.regs = (struct tdx_regs){
		.rax = TDG_VP_WR, .rdx = VAPIC_FIELD, .r8 = VAPIC, .r9 = ~0xfffull};
	module_vmexit(w->sys->mod, 0, &write, &w->s.regs);
	setup_expect(tdx_status(w->s.regs.rax), TDX_SUCCESS);
	td_kick(&w->s, 0);
	in_long_mode(vmcs_of(w, 0), L1_CODE);
	in_long_mode(vmcs_of(w, 1), L2_CODE);
	st = page(w, STATE);
	*st = (struct tdx_l2_state){.rflags = RFLAGS_FIXED, .rip = L2_CODE};
	system_set_engine(w->sys, tdx_x86_engine_new(NULL, NULL));
}

static void x86_vm_runs_and_leaves_for_its_l1_vmm(void **state)
{
	struct world w;
	struct tdx_regs r;

	(void)state;
	prepare_x86(&w, l2_code, (size_t)(l2_end - l2_code));
	r = enter(&w, 0);
	assert_int_equal(r.rax, VMX_EXIT_TDCALL);
	assert_int_equal(r.r11, VMX_EXIT_HLT);
	assert_int_equal(*(uint32_t *)page(&w, NOTES), 1);
	assert_int_equal(((uint64_t *)page(&w, NOTES))[1], DATA);
	assert_int_equal(*(uint32_t *)page(&w, DATA), EAX_OF_CPUID);
	system_free(w.sys);
}

static void host_interrupt_ends_the_run_in_the_vm_and_may_go_on_in_l1(void **state)
{
	struct world w;
	struct tdx_regs r;

	(void)state;
	prepare_x86(&w, spin_code, (size_t)(spin_end - spin_code));
	/* the L1 VMM has executed something before it comes: two exits of one kind */
	for (unsigned i = 0; i < 2; i++) {
		atomic_store(&w.sys->m->lp[0].irq, true);
		r = enter(&w, 0);
		assert_int_equal(r.rax, VMX_EXIT_EXTERNAL_INTERRUPT);
	}
	assert_int_equal(r.rcx >> 32 & 3, 1);
	assert_int_equal(((struct tdx_l2_state *)page(&w, STATE))->rip, L2_CODE);
	/* the L1 VMM does not know this exit and tells its host */
	r = enter(&w, VP_ENTER_RESUME_L1);
	assert_int_equal(r.rax, VMX_EXIT_TDCALL);
	assert_int_equal(r.r11, VMX_EXIT_EXTERNAL_INTERRUPT);
	system_free(w.sys);
}

/* Where the VM has no alias, and its L1 VMM no page either, the host is asked. */
static void page_nobody_has_is_the_hosts_to_bring(void **state)
{
	static const uint8_t touch[] = {0x8b, 0x04, 0x25, 0x00, 0x80, 0x00, 0x00}; /* mov 0x8000 */
	struct world w;
	struct tdx_regs r;

	(void)state;
	prepare_x86(&w, touch, sizeof(touch));
	r = enter(&w, 0);
	assert_int_equal(r.rax, VMX_EXIT_EPT_VIOLATION);
	assert_int_equal(r.rcx >> 32 & 3, 1);
	assert_int_equal(r.r8, PAGES * TDX_PAGE_SIZE);
	system_free(w.sys);
}

static void deadline_ends_the_run_of_a_vm_that_spins(void **state)
{
	struct world w;
	struct tdvps *vps;
	struct tdx_regs r;

	(void)state;
	prepare_x86(&w, spin_code, (size_t)(spin_end - spin_code));
	vps = machine_ptr(w.sys->m, w.td.tdvpr);
	vps->tsc_deadline[1] = 1;
	vps->shadow_tsc_deadline[1] = 1; /* long ago */
	r = enter(&w, 0);
	assert_int_equal(r.rax, VMX_EXIT_TDCALL);
	assert_int_equal(r.r11, VMX_EXIT_PREEMPTION_TIMER);
	system_free(w.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(native_vm_runs_and_its_l1_vmm_counts_the_exits),
		cmocka_unit_test(x86_vm_runs_and_leaves_for_its_l1_vmm),
		cmocka_unit_test(host_interrupt_ends_the_run_in_the_vm_and_may_go_on_in_l1),
		cmocka_unit_test(page_nobody_has_is_the_hosts_to_bring),
		cmocka_unit_test(deadline_ends_the_run_of_a_vm_that_spins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
