/* SPDX-License-Identifier: MIT */
/* A TD whose L1 VMM runs an L2 VM, on both engines: what the VM executes, sees of memory, and how
 * it leaves. */
#include <swtdx/l2.h>
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
	vmcs_set_bits(vmcs, VMCS_ENTRY_CTLS, ENTRY_IA32E_MODE_GUEST);
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

/* --- exiting controls --- */

/* An instruction that exits where the L1 VMM wants it to. RAX is the page tables' address. */
static const struct {
	enum vmx_exit reason;
	uint16_t field;
	uint32_t control;
	uint8_t size, code[10];
} asked_for[] = {
#define ROW(reason_, field_, control_, ...)                                                        \
	{                                                                                          \
		VMX_EXIT_##reason_, VMCS_##field_, control_, sizeof((uint8_t[]){__VA_ARGS__}),     \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
	ROW(CR_ACCESS, PROCBASED_CTLS, PROCBASED_CR3_LOAD_EXITING, 0x0f, 0x22, 0xd8),
	ROW(CR_ACCESS, PROCBASED_CTLS, PROCBASED_CR3_STORE_EXITING, 0x0f, 0x20, 0xd8),
	ROW(CR_ACCESS, PROCBASED_CTLS, PROCBASED_CR8_LOAD_EXITING, 0x44, 0x0f, 0x22, 0xc3),
	ROW(CR_ACCESS, PROCBASED_CTLS, PROCBASED_CR8_STORE_EXITING, 0x44, 0x0f, 0x20, 0xc0),
	ROW(PAUSE, PROCBASED_CTLS, PROCBASED_PAUSE_EXITING, 0xf3, 0x90),
	ROW(RDPMC, PROCBASED_CTLS, PROCBASED_RDPMC_EXITING, 0x0f, 0x33),
	ROW(RDTSC, PROCBASED_CTLS, PROCBASED_RDTSC_EXITING, 0x0f, 0x31),
	ROW(INVLPG, PROCBASED_CTLS, PROCBASED_INVLPG_EXITING, 0x0f, 0x01, 0x38),
	/* its descriptor is the entry of the page tables at 0x6000 */
	ROW(INVPCID, PROCBASED_CTLS, PROCBASED_INVLPG_EXITING, 0x66, 0x0f, 0x38, 0x82, 0x14, 0x25,
	    0x00, 0x60, 0x00, 0x00),
	ROW(DR_ACCESS, PROCBASED_CTLS, PROCBASED_MOV_DR_EXITING, 0x0f, 0x21, 0xd8),
	ROW(RDRAND, PROCBASED_CTLS2, PROCBASED2_RDRAND_EXITING, 0x0f, 0xc7, 0xf2),
	/* what they store, or load, is at 0x6ff0 */
	ROW(GDTR_IDTR_ACCESS, PROCBASED_CTLS2, PROCBASED2_DESC_TABLE_EXITING, 0x0f, 0x01, 0x04,
	    0x25, 0xf0, 0x6f, 0x00, 0x00),
	ROW(GDTR_IDTR_ACCESS, PROCBASED_CTLS2, PROCBASED2_DESC_TABLE_EXITING, 0x0f, 0x01, 0x0c,
	    0x25, 0xf0, 0x6f, 0x00, 0x00),
	ROW(GDTR_IDTR_ACCESS, PROCBASED_CTLS2, PROCBASED2_DESC_TABLE_EXITING, 0x0f, 0x01, 0x14,
	    0x25, 0xf0, 0x6f, 0x00, 0x00),
	ROW(GDTR_IDTR_ACCESS, PROCBASED_CTLS2, PROCBASED2_DESC_TABLE_EXITING, 0x0f, 0x01, 0x1c,
	    0x25, 0xf0, 0x6f, 0x00, 0x00),
	ROW(LDTR_TR_ACCESS, PROCBASED_CTLS2, PROCBASED2_DESC_TABLE_EXITING, 0x0f, 0x00, 0xc0),
	ROW(LDTR_TR_ACCESS, PROCBASED_CTLS2, PROCBASED2_DESC_TABLE_EXITING, 0x0f, 0x00, 0xc8),
	ROW(LDTR_TR_ACCESS, PROCBASED_CTLS2, PROCBASED2_DESC_TABLE_EXITING, 0x0f, 0x00, 0xd1),
	ROW(RDSEED, PROCBASED_CTLS2, PROCBASED2_RDSEED_EXITING, 0x0f, 0xc7, 0xfa),
#undef ROW
};

/* The instruction, and then HLT, which exits always. */
static void prepare_to_exit(struct world *w, unsigned row)
{
	uint8_t text[sizeof(asked_for[0].code) + 1];
	struct tdx_l2_state *st;

	memcpy(text, asked_for[row].code, asked_for[row].size);
	text[asked_for[row].size] = 0xf4;
	prepare_x86(w, text, asked_for[row].size + 1u);
	st = page(w, STATE);
	st->gpr.rax = PML4;
}

static void instruction_exits_where_the_l1_vmm_asks_for_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(asked_for) / sizeof(asked_for[0]); i++) {
		const bool asked = i % 2;
		struct world w;
		struct tdx_regs r;

		prepare_to_exit(&w, i / 2);
		if (asked)
			vmcs_set_bits(vmcs_of(&w, 1), asked_for[i / 2].field,
				      asked_for[i / 2].control);
		else
			vmcs_clear_bits(vmcs_of(&w, 1), asked_for[i / 2].field,
					asked_for[i / 2].control);
		r = enter(&w, 0);
		assert_int_equal(r.rax, VMX_EXIT_TDCALL);
		if (r.r11 != (asked ? asked_for[i / 2].reason : VMX_EXIT_HLT))
			fail_msg("row %u, asked %d: exit %u", i / 2, asked, (unsigned)r.r11);
		system_free(w.sys);
	}
}

/* SDM volume 3, tables 28-9 and 28-10: scaling, address size, whether a register, segment, index
 * and base and whether there is none, which instruction. */
#define MEMORY_INFO(scale, seg, index, base, which)                                                \
	((scale) | 2u << 7 | (seg) << 15 | (index) << 18 | (base) << 23 | (which) << 28)
#define REGISTER_INFO(reg, which) ((reg) << 3 | 1u << 10 | (which) << 28)
enum { NO_INDEX = 1 << 4, NO_BASE = 1 << 4, SS = 2, DS = 3 };

static void exit_for_a_descriptor_table_tells_its_operand(void **state)
{
	static const struct {
		uint64_t qualification;
		uint32_t info;
		uint8_t size, code[8];
	} of[] = {
		/* SGDT at RIP + 16, LIDT at RBX + 4 * RCX + 32 */
		{L2_CODE + 7 + 16,
		 MEMORY_INFO(0u, DS, NO_INDEX, NO_BASE, 0),
		 7,
		 {0x0f, 0x01, 0x05, 16, 0, 0, 0}},
		{32, MEMORY_INFO(2u, DS, 1, 3, 3), 5, {0x0f, 0x01, 0x5c, 0x8b, 32}},
		/* SLDT R9D, STR at RSP, LTR CX */
		{0, REGISTER_INFO(9, 0), 4, {0x41, 0x0f, 0x00, 0xc1}},
		{0, MEMORY_INFO(0u, SS, NO_INDEX, 4, 1), 4, {0x0f, 0x00, 0x0c, 0x24}},
		{0, REGISTER_INFO(1, 3), 3, {0x0f, 0x00, 0xd9}},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		const struct vmcs *vmcs;
		struct world w;

		prepare_x86(&w, of[i].code, of[i].size);
		vmcs = vmcs_of(&w, 1);
		vmcs_set_bits(vmcs_of(&w, 1), VMCS_PROCBASED_CTLS2, PROCBASED2_DESC_TABLE_EXITING);
		(void)enter(&w, 0);
		assert_int_equal(vmcs_read(vmcs, VMCS_EXIT_QUALIFICATION), of[i].qualification);
		assert_int_equal(vmcs_read(vmcs, VMCS_EXIT_INSTRUCTION_INFO), of[i].info);
		assert_int_equal(vmcs_read(vmcs, VMCS_EXIT_INSTRUCTION_LENGTH), of[i].size);
		system_free(w.sys);
	}
}

/* A thousand PAUSEs, each a step of the clock after the other, and HLT. */
static void loop_of_pauses_exits_after_its_window(void **state)
{
	static const uint8_t loop[] = {0xb9, 0xe8, 0x03, 0x00, 0x00, /* mov $1000, %ecx */
				       0xf3, 0x90, 0xff, 0xc9, 0x75, 0xfa, 0xf4};
	enum { STEP = 100, LONG = 200 * STEP };
	static const struct {
		uint64_t gap, window;
		bool asked;
		enum vmx_exit exit;
	} of[] = {
		{4 * STEP, LONG, true, VMX_EXIT_PAUSE},
		{4 * STEP, LONG, false, VMX_EXIT_HLT},
		{4 * STEP, 100 * LONG, true, VMX_EXIT_HLT}, /* it is over before */
		{STEP / 2, LONG, true, VMX_EXIT_HLT},	    /* too far apart: no loop */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		struct tdx_l2_state *st;
		struct world w;

		prepare_x86(&w, loop, sizeof(loop));
		atomic_store(&w.sys->m->tsc_step, STEP);
		vmcs_write(vmcs_of(&w, 1), VMCS_PLE_GAP, of[i].gap);
		vmcs_write(vmcs_of(&w, 1), VMCS_PLE_WINDOW, of[i].window);
		if (of[i].asked)
			vmcs_set_bits(vmcs_of(&w, 1), VMCS_PROCBASED_CTLS2,
				      PROCBASED2_PAUSE_LOOP_EXITING);
		assert_int_equal(enter(&w, 0).r11, of[i].exit);
		st = page(&w, STATE);
		if (of[i].exit == VMX_EXIT_PAUSE)
			assert_in_range(st->gpr.rcx, 700, 900);
		system_free(w.sys);
	}
}

static void cr3_of_the_target_list_is_loaded_without_an_exit(void **state)
{
	struct world w;
	struct tdx_regs r;

	(void)state;
	for (unsigned n = 0; n < 5; n++) {
		prepare_to_exit(&w, 0);
		vmcs_set_bits(vmcs_of(&w, 1), VMCS_PROCBASED_CTLS, PROCBASED_CR3_LOAD_EXITING);
		vmcs_write(vmcs_of(&w, 1), VMCS_CR3_TARGET_COUNT, n);
		vmcs_write(vmcs_of(&w, 1), VMCS_CR3_TARGET_2, PML4);
		r = enter(&w, 0);
		assert_int_equal(r.r11, n > 2 ? VMX_EXIT_HLT : VMX_EXIT_CR_ACCESS);
		system_free(w.sys);
	}
}

enum { IN_SERVICE = 0x31, APIC_TPR = 0x80, APIC_ISR = 0x100 };

/* The VM's RDMSR and WRMSR do not exit by a bitmap. */
static void free_msrs(struct world *w)
{
	const struct tdvps *vps = machine_ptr(w->sys->m, w->td.tdvpr);

	memset(machine_ptr(w->sys->m, machine_strip(w->sys->m, vps->page_pa[TDVPS_PAGE_L2 + 1])), 0,
	       TDX_PAGE_SIZE);
}

static void end_of_an_interrupt_exits_for_its_vector(void **state)
{
	/* mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr; hlt */
	static const uint8_t eoi[] = {0xb9, 0x0b, 0x08, 0x00, 0x00, 0x31,
				      0xc0, 0x31, 0xd2, 0x0f, 0x30, 0xf4};

	(void)state;
	for (unsigned asked = 0; asked < 2; asked++) {
		struct world w;
		struct tdx_l2_state *st;
		uint32_t *isr;
		struct tdx_regs r;

		prepare_x86(&w, eoi, sizeof(eoi));
		free_msrs(&w);
		st = page(&w, STATE);
		st->interrupt_status = IN_SERVICE << 8;
		isr = (uint32_t *)page(&w, VAPIC) + (APIC_ISR + IN_SERVICE / 32 * 0x10) / 4;
		*isr = 1u << IN_SERVICE % 32;
		vmcs_write(vmcs_of(&w, 1), VMCS_EOI_EXIT_BITMAP_0,
			   asked ? 1ull << IN_SERVICE : ~(1ull << IN_SERVICE));
		r = enter(&w, 0);
		assert_int_equal(r.r11, asked ? VMX_EXIT_VIRTUALIZED_EOI : VMX_EXIT_HLT);
		assert_int_equal(*isr, 0);
		assert_int_equal(st->interrupt_status, 0);
		if (asked) /* it is over: the next instruction is HLT */
			assert_int_equal(st->rip, L2_CODE + sizeof(eoi) - 1);
		system_free(w.sys);
	}
}

static void ds_area_takes_what_is_canonical(void **state)
{
	static const uint32_t high[] = {0x00007fff, 0xffff8000, 0x01000000, 0x80000000};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		/* mov $DS_AREA, %ecx; mov high, %edx; wrmsr; hlt */
		uint8_t write[] = {0xb9, 0x00, 0x06, 0, 0, 0xba, 0, 0, 0, 0, 0x0f, 0x30, 0xf4};
		struct world w;
		struct tdx_regs r;

		memcpy(write + 6, &high[i], sizeof(high[i]));
		prepare_x86(&w, write, sizeof(write));
		free_msrs(&w);
		r = enter(&w, 0);
		assert_int_equal(r.r11, i < 2 ? VMX_EXIT_HLT : VMX_EXIT_TRIPLE_FAULT);
		system_free(w.sys);
	}
}

/* --- the state that a VM is entered in --- */

#define ENTRY_FAILED (VMX_EXIT_ENTRY_FAIL_GUEST_STATE | VMX_EXIT_ENTRY_FAILURE)

/* One field of a VM in 64-bit mode. */
static const struct {
	uint32_t field;
	uint64_t value;
} not_entered[] = {
	{VMCS_GUEST_CR0, CR0_PG | CR0_PE},
	{VMCS_GUEST_CR0, CR0_PG | CR0_NE},
	{VMCS_GUEST_CR0, 1ull << 32 | CR0_PG | CR0_NE | CR0_PE},
	{VMCS_GUEST_CR4, CR4_PAE},
	{VMCS_GUEST_CR4, CR4_VMXE},
	{VMCS_GUEST_CR4, CR4_PAE | CR4_VMXE | 1u << 31},
	{VMCS_GUEST_CR4, CR4_PAE | CR4_VMXE | CR4_CET},
	{VMCS_GUEST_CR3, PML4 | 1ull << 52},
	{VMCS_GUEST_DR7, 1ull << 32 | 0x400},
	{VMCS_GUEST_PAT, 0x0007040600070402},
	{VMCS_GUEST_PAT, 0x0807040600070406},
	{VMCS_GUEST_EFER, EFER_LME | EFER_LMA | 1u << 1},
	{VMCS_GUEST_EFER, EFER_LME},
	{VMCS_GUEST_EFER, EFER_LMA},
	{VMCS_GUEST_SYSENTER_ESP, 1ull << 62},
	{VMCS_GUEST_SYSENTER_EIP, 1ull << 62},
	{VMCS_GUEST_CS_AR, 0xa091}, /* data */
	{VMCS_GUEST_CS_AR, 0xa09a}, /* not accessed */
	{VMCS_GUEST_CS_AR, 0xa08b}, /* of the system */
	{VMCS_GUEST_CS_AR, 0xa01b}, /* not present */
	{VMCS_GUEST_CS_AR, 0xa0fb}, /* another level than the stack */
	{VMCS_GUEST_CS_AR, 0xa0ff}, /* conforming, to a lower one */
	{VMCS_GUEST_CS_AR, 0xe09b}, /* of 64 and of 32 bits */
	{VMCS_GUEST_CS_AR, 0x209b}, /* in bytes, and so large */
	{VMCS_GUEST_CS_AR, 0xa19b},
	{VMCS_GUEST_CS_AR, 0x2a09b},
	{VMCS_GUEST_CS_LIMIT, 0xfffffff0},
	{VMCS_GUEST_CS_BASE, 1ull << 32},
	{VMCS_GUEST_SS_AR, 0xc091},
	{VMCS_GUEST_SS_AR, 0xc09b},
	{VMCS_GUEST_SS_AR, 0xc013},
	{VMCS_GUEST_SS_AR, 0xc0f3},
	{VMCS_GUEST_SS_AR, 0x10060}, /* not used, but the level is its own */
	{VMCS_GUEST_SS_BASE, 1ull << 32},
	{VMCS_GUEST_DS_AR, 0xc092},
	{VMCS_GUEST_ES_AR, 0xc099}, /* not readable */
	{VMCS_GUEST_FS_AR, 0xc083},
	{VMCS_GUEST_GS_AR, 0xc013},
	{VMCS_GUEST_DS_AR, 0x4093},
	{VMCS_GUEST_ES_BASE, 1ull << 32},
	{VMCS_GUEST_FS_BASE, 1ull << 62},
	{VMCS_GUEST_GS_BASE, 1ull << 62},
	{VMCS_GUEST_TR_SELECTOR, 4},
	{VMCS_GUEST_TR_AR, 0x89}, /* not busy */
	{VMCS_GUEST_TR_AR, 0x83}, /* of 16 bits */
	{VMCS_GUEST_TR_AR, 0x9b},
	{VMCS_GUEST_TR_AR, 0x0b},
	{VMCS_GUEST_TR_AR, 0x1008b},
	{VMCS_GUEST_TR_LIMIT, 0x100000},
	{VMCS_GUEST_TR_BASE, 1ull << 62},
	{VMCS_GUEST_LDTR_AR, 0x83},
	{VMCS_GUEST_LDTR_AR, 0x92},
	{VMCS_GUEST_LDTR_AR, 0x02},
	{VMCS_GUEST_GDTR_BASE, 1ull << 62},
	{VMCS_GUEST_IDTR_BASE, 1ull << 62},
	{VMCS_GUEST_GDTR_LIMIT, 0x10000},
	{VMCS_GUEST_IDTR_LIMIT, 0x10000},
	{VMCS_GUEST_RIP, 1ull << 62},
	{VMCS_GUEST_RFLAGS, 0},
	{VMCS_GUEST_RFLAGS, RFLAGS_FIXED | 1u << 3},
	{VMCS_GUEST_RFLAGS, RFLAGS_FIXED | 1u << 5},
	{VMCS_GUEST_RFLAGS, RFLAGS_FIXED | 1u << 15},
	{VMCS_GUEST_RFLAGS, RFLAGS_FIXED | 1u << 22},
	{VMCS_GUEST_RFLAGS, RFLAGS_FIXED | 1ull << 63},
	{VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_VM},
	{VMCS_GUEST_INTERRUPTIBILITY, 1u << 5},
	{VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI}, /* with IF 0 */
	{VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_SMI},
	{VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS},
	{VMCS_GUEST_ACTIVITY_STATE, 4},
	{VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, 1u << 4},
	{VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, 1u << 17},
	{VMCS_ENTRY_INTERRUPTION_INFO, 0x80000020}, /* an interrupt, with IF 0 */
};

static void set_in_vm(struct world *w, uint32_t field, uint64_t value)
{
	struct tdx_l2_state *st = page(w, STATE);

	if (field == VMCS_GUEST_RIP)
		st->rip = value;
	else if (field == VMCS_GUEST_RFLAGS)
		st->rflags = value;
	else
		vmcs_write(vmcs_of(w, 1), field, value);
}

/* The L1 VMM is told, whether the host waits for the processor or not, and nothing is changed. */
static void vm_of_a_state_that_is_none_is_not_entered(void **state)
{
	static const uint8_t halt[] = {0xf4};

	(void)state;
	for (unsigned i = 0; i < sizeof(not_entered) / sizeof(not_entered[0]); i++) {
		const uint32_t field = not_entered[i].field;
		struct tdx_l2_state before;
		struct world w;
		struct tdx_regs r;

		prepare_x86(&w, halt, sizeof(halt));
		set_in_vm(&w, field, not_entered[i].value);
		before = *(struct tdx_l2_state *)page(&w, STATE);
		r = enter(&w, 0);
		if (r.r11 != ENTRY_FAILED)
			print_message("field 0x%x, value 0x%llx\n", field,
				      (unsigned long long)not_entered[i].value);
		assert_int_equal(r.r11, ENTRY_FAILED);
		assert_memory_equal(page(&w, STATE), &before, sizeof(before));
		if (field != VMCS_ENTRY_INTERRUPTION_INFO) /* an exit takes the event back */
			assert_int_equal(vmcs_read(vmcs_of(&w, 1), field), not_entered[i].value);
		system_free(w.sys);
	}
}

/* A VM that has only what its mode asks for, and how it leaves: what is odd, but a state. */
static const struct {
	uint16_t exit;
	struct {
		uint32_t field;
		uint64_t value;
	} set[12];
} entered[] = {
	/* 32-bit, without pages */
	{VMX_EXIT_HLT,
	 {{VMCS_GUEST_CR0, CR0_NE | CR0_PE},
	  {VMCS_GUEST_EFER, EFER_LME},
	  {VMCS_ENTRY_CTLS, 0},
	  {VMCS_GUEST_CS_AR, 0xc09b},
	  {VMCS_GUEST_TR_AR, 0x83}}},
	/* real mode */
	{VMX_EXIT_HLT,
	 {{VMCS_GUEST_CR0, CR0_NE},
	  {VMCS_GUEST_EFER, 0},
	  {VMCS_ENTRY_CTLS, 0},
	  {VMCS_GUEST_CS_AR, 0x93},
	  {VMCS_GUEST_CS_LIMIT, 0xffff}}},
	/* compatibility mode; the top of 16-bit stacks */
	{VMX_EXIT_HLT, {{VMCS_GUEST_CS_AR, 0xc09b}, {VMCS_GUEST_SS_AR, 0xc097}}},
	/* without segments of data, with an LDT, every kind of code for data */
	{VMX_EXIT_HLT,
	 {{VMCS_GUEST_SS_AR, 0x10000},
	  {VMCS_GUEST_DS_AR, 0x10000},
	  {VMCS_GUEST_DS_BASE, 1ull << 32},
	  {VMCS_GUEST_ES_AR, 0xc09b},
	  {VMCS_GUEST_GS_BASE, 0xffff800000000000},
	  {VMCS_GUEST_LDTR_AR, 0x82},
	  {VMCS_GUEST_LDTR_LIMIT, 0xfff}}},
	/* conforming code at a level that is not its own: HLT is not for it */
	{VMX_EXIT_TRIPLE_FAULT, {{VMCS_GUEST_CS_AR, 0xa09f}, {VMCS_GUEST_SS_AR, 0xc0f3}}},
	/* an address that has a width, and is not canonical */
	{VMX_EXIT_TRIPLE_FAULT, {{VMCS_GUEST_RIP, 1ull << 47}}},
	{VMX_EXIT_HLT,
	 {{VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF},
	  {VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI}}},
};

static void vm_of_an_odd_state_is_entered(void **state)
{
	static const uint8_t halt[] = {0xf4};

	(void)state;
	for (unsigned i = 0; i < sizeof(entered) / sizeof(entered[0]); i++) {
		struct world w;
		struct tdx_regs r;

		prepare_x86(&w, halt, sizeof(halt));
		for (unsigned k = 0; entered[i].set[k].field; k++) {
			if (entered[i].set[k].field == VMCS_ENTRY_CTLS)
				vmcs_clear_bits(vmcs_of(&w, 1), VMCS_ENTRY_CTLS,
						ENTRY_IA32E_MODE_GUEST);
			else
				set_in_vm(&w, entered[i].set[k].field, entered[i].set[k].value);
		}
		r = enter(&w, 0);
		if (r.r11 != entered[i].exit)
			print_message("row %u\n", i);
		assert_int_equal(r.r11, entered[i].exit);
		system_free(w.sys);
	}
}

static void priority_below_its_threshold_exits_without_virtual_interrupts(void **state)
{
	/* mov $2, %eax; mov %rax, %cr8; hlt */
	static const uint8_t lower[] = {0xb8, 2, 0, 0, 0, 0x44, 0x0f, 0x22, 0xc0, 0xf4};

	(void)state;
	for (unsigned threshold = 0; threshold < 5; threshold++) {
		struct world w;
		struct tdx_regs r;

		prepare_x86(&w, lower, sizeof(lower));
		*((uint32_t *)page(&w, VAPIC) + APIC_TPR / 4) = 0x50;
		vmcs_clear_bits(vmcs_of(&w, 1), VMCS_PROCBASED_CTLS2,
				PROCBASED2_VIRTUAL_INTERRUPTS);
		vmcs_write(vmcs_of(&w, 1), VMCS_TPR_THRESHOLD, threshold);
		r = enter(&w, 0);
		assert_int_equal(r.r11,
				 threshold > 2 ? VMX_EXIT_TPR_BELOW_THRESHOLD : VMX_EXIT_HLT);
		system_free(w.sys);
	}
}

static void native_pause(struct tdx_native_cpu *cpu, void *arg)
{
	struct world *w = arg;
	struct tdx_regs r = {.rax = PML4};

	for (unsigned i = 0; i < sizeof(asked_for) / sizeof(asked_for[0]); i++)
		tdx_native_exit(cpu, asked_for[i].reason,
				asked_for[i].reason == VMX_EXIT_CR_ACCESS ? 3 : 0, 2, &r);
	w->answer = 1;
}

static void native_asks(struct tdx_native_cpu *cpu, void *arg)
{
	const struct tdg_port vcpu = {&ops, cpu};
	const uint32_t all = PROCBASED_CR3_LOAD_EXITING | PROCBASED_PAUSE_EXITING |
			     PROCBASED_RDTSC_EXITING | PROCBASED_INVLPG_EXITING;
	struct tdx_l2_state st = {.rflags = 2, .rip = L2_CODE};
	struct world *w = arg;
	struct tdg_l2_exit e = {.reason = 0};

	tdx_native_l2(cpu, 1, native_pause, w);
	assert_true(tdx_is_success(tdg_vp_wr(&vcpu, VAPIC_FIELD, VAPIC, ~0xfffull, NULL)));
	if (w->done)
		assert_true(
			tdx_is_success(tdg_l2_vmcs_wr(&vcpu, 1, VMCS_PROCBASED_CTLS, all, all)));
	assert_true(tdx_native_write(cpu, gpa(STATE), &st, sizeof(st)));
	while (e.reason != VMX_EXIT_HLT) {
		assert_true(tdg_l2_entered(
			tdg_vp_enter(&vcpu, 1, TDG_L2_FLUSH_NOTHING, gpa(STATE), &e)));
		w->exits[e.reason]++;
		goes_on(cpu, 0, e.length);
	}
}

static void native_vm_exits_where_the_l1_vmm_asks_for_it(void **state)
{
	(void)state;
	for (unsigned asked = 0; asked < 2; asked++) {
		struct world w;

		build(&w, NULL);
		w.done = asked;
		system_set_engine(w.sys, tdx_native_engine_new(native_asks, &w));
		assert_int_equal(enter(&w, 0).rax, VMX_EXIT_TDCALL);
		assert_int_equal(w.answer, 1);
		/* the processor has no counters, and the TD was told so */
		assert_int_equal(w.exits[VMX_EXIT_RDPMC], 1);
		assert_int_equal(w.exits[VMX_EXIT_PAUSE], asked);
		assert_int_equal(w.exits[VMX_EXIT_RDTSC], asked);
		assert_int_equal(w.exits[VMX_EXIT_INVLPG], asked);
		assert_int_equal(w.exits[VMX_EXIT_CR_ACCESS], asked ? 4 : 0);
		assert_int_equal(w.exits[VMX_EXIT_RDRAND], 0);
		system_free(w.sys);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(native_vm_runs_and_its_l1_vmm_counts_the_exits),
		cmocka_unit_test(x86_vm_runs_and_leaves_for_its_l1_vmm),
		cmocka_unit_test(host_interrupt_ends_the_run_in_the_vm_and_may_go_on_in_l1),
		cmocka_unit_test(page_nobody_has_is_the_hosts_to_bring),
		cmocka_unit_test(deadline_ends_the_run_of_a_vm_that_spins),
		cmocka_unit_test(instruction_exits_where_the_l1_vmm_asks_for_it),
		cmocka_unit_test(exit_for_a_descriptor_table_tells_its_operand),
		cmocka_unit_test(loop_of_pauses_exits_after_its_window),
		cmocka_unit_test(cr3_of_the_target_list_is_loaded_without_an_exit),
		cmocka_unit_test(end_of_an_interrupt_exits_for_its_vector),
		cmocka_unit_test(ds_area_takes_what_is_canonical),
		cmocka_unit_test(vm_of_a_state_that_is_none_is_not_entered),
		cmocka_unit_test(vm_of_an_odd_state_is_entered),
		cmocka_unit_test(priority_below_its_threshold_exits_without_virtual_interrupts),
		cmocka_unit_test(native_vm_exits_where_the_l1_vmm_asks_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
