/* SPDX-License-Identifier: MIT */
/* What the host cannot show to an unprivileged test: exceptions through the guest's IDT, privilege
 * changes, paging and its faults, exits, injection, the TLB, code that changes, several processors.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "x86_guest.h"

/* Guest code in assembly, position independent, copied to where the test wants it. */
#define GUEST_CODE(name, text)                                                                     \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection\n")

static int open_guest(void **state)
{
	struct guest *g = malloc(sizeof(*g));

	*state = g;
	return g_open(g);
}

#define load(g, at, name) g_put(g, at, name, (unsigned)(name##_end - name))

static struct x86_exit run(struct guest *g, uint64_t insns)
{
	struct x86_exit x;

	assert_int_equal(x86_run(g->cpu, &x, insns), 0);
	return x;
}

#define HANDLER 0x110000u

GUEST_CODE(halt, "hlt");

/* --- exceptions --- */

static uint64_t frame(struct guest *g, unsigned slot)
{
	return *g_q(g, g->cpu->regs.rsp + slot * 8);
}

static void expect_at_handler(struct guest *g)
{
	const struct x86_exit x = run(g, 1000);

	assert_int_equal(x.reason, VMX_EXIT_HLT);
	assert_int_equal(g->cpu->rip, HANDLER);
}

static void with_handler(struct guest *g, unsigned vector)
{
	load(g, HANDLER, halt);
	g_gate(g, vector, HANDLER, 0, 0);
}

GUEST_CODE(undefined, "nop; ud2");

static void ud2_pushes_its_own_address_and_no_error_code(void **state)
{
	struct guest *g = *state;

	with_handler(g, 6);
	load(g, G_CODE, undefined);
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), G_CODE + 1);
	assert_int_equal(frame(g, 1), G_CS64);
	assert_int_equal(frame(g, 3), G_STACK);
	assert_int_equal(frame(g, 4), G_DS);
	assert_int_equal(g->cpu->regs.rsp, G_STACK - 40);
}

/* What ring 3 may not do, and what it may not load: #GP at the instruction. */
static const struct {
	uint8_t code[8];
	unsigned length;
	uint16_t selector; /* in AX */
	bool user;
	uint16_t error;
} privileged[] = {
	{{0x0f, 0x00, 0xd0}, 3, 0, true, 0},		    /* lldt */
	{{0x0f, 0x00, 0xd8}, 3, 0, true, 0},		    /* ltr */
	{{0x0f, 0x01, 0x10}, 3, 0, true, 0},		    /* lgdt (%rax) */
	{{0x0f, 0x01, 0x18}, 3, 0, true, 0},		    /* lidt (%rax) */
	{{0x0f, 0x01, 0xf0}, 3, 0, true, 0},		    /* lmsw */
	{{0x0f, 0x01, 0x38}, 3, 0, true, 0},		    /* invlpg (%rax) */
	{{0x0f, 0x01, 0xf8}, 3, 0, true, 0},		    /* swapgs */
	{{0x0f, 0x06}, 2, 0, true, 0},			    /* clts */
	{{0x0f, 0x08}, 2, 0, true, 0},			    /* invd */
	{{0x0f, 0x09}, 2, 0, true, 0},			    /* wbinvd */
	{{0x0f, 0x20, 0xc0}, 3, 0, true, 0},		    /* mov %cr0, %rax */
	{{0x0f, 0x22, 0xd8}, 3, 0, true, 0},		    /* mov %rax, %cr3 */
	{{0x0f, 0x21, 0xf8}, 3, 0, true, 0},		    /* mov %dr7, %rax */
	{{0x0f, 0x23, 0xf8}, 3, 0, true, 0},		    /* mov %rax, %dr7 */
	{{0x0f, 0x30}, 2, 0, true, 0},			    /* wrmsr */
	{{0x0f, 0x32}, 2, 0, true, 0},			    /* rdmsr */
	{{0xf4}, 1, 0, true, 0},			    /* hlt */
	{{0xfa}, 1, 0, true, 0},			    /* cli */
	{{0xfb}, 1, 0, true, 0},			    /* sti */
	{{0xe4, 0x80}, 2, 0, true, 0},			    /* in $0x80, %al */
	{{0xee}, 1, 0, true, 0},			    /* out %al, %dx */
	{{0x8e, 0xd0}, 2, G_DS, true, G_DS},		    /* mov %eax, %ss: the kernel's */
	{{0x8e, 0xd0}, 2, G_DS | 3, true, G_DS},	    /* by another RPL */
	{{0x8e, 0xd0}, 2, G_UCS, true, G_UCS & ~3u},	    /* code */
	{{0x8e, 0xd0}, 2, G_UDS & ~3u, true, G_UDS & ~3u},  /* its own by another RPL */
	{{0x8e, 0xd0}, 2, 0, true, 0},			    /* none */
	{{0x8e, 0xd8}, 2, G_DS, true, G_DS},		    /* mov %eax, %ds: the kernel's */
	{{0x8e, 0xd0}, 2, G_UDS, false, G_UDS & ~3u},	    /* ring 0, the user's */
	{{0x8e, 0xd0}, 2, G_UDS & ~3u, false, G_UDS & ~3u}, /* by another RPL */
	{{0x8e, 0xd0}, 2, G_CS64, false, G_CS64},	    /* code */
	{{0x8e, 0xd0}, 2, 3, false, 0},			    /* none, by another RPL */
};

static void what_a_ring_may_not_do_is_a_protection_fault(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(privileged) / sizeof(privileged[0]); i++) {
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		with_handler(&g, 13);
		*g_q(&g, G_TSS + 0x60) |= 0xffffull << 48; /* no map of permitted ports */
		g_put(&g, G_CODE, privileged[i].code, privileged[i].length);
		g.cpu->regs.rax = privileged[i].selector;
		if (privileged[i].user)
			g_user(&g, G_CODE);
		expect_at_handler(&g);
		assert_int_equal(frame(&g, 0), privileged[i].error);
		assert_int_equal(frame(&g, 1), G_CODE);
		g_close(&g);
	}
}

/* A pointer of 32 bits with its selector: both are taken, or neither. */
static void far_loads_take_pointer_and_selector_or_nothing(void **state)
{
	static const struct {
		uint8_t opcode;
		unsigned seg;
	} rows[] = {{0xb2, X86_SS}, {0xb4, X86_FS}, {0xb5, X86_GS}};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned user = 0; user < 2; user++) {
			const uint8_t code[] = {0x0f, rows[i].opcode, 0x18,
						0xf4}; /* (%rax), %ebx; hlt */
			const uint16_t before = user && i == 0 ? G_UDS : 0;
			struct guest g;

			assert_int_equal(g_open(&g), 0);
			with_handler(&g, 13);
			g_put(&g, G_CODE, code, sizeof(code));
			*g_q(&g, G_DATA) = 0x12345678ull | (uint64_t)G_DS << 32;
			g.cpu->regs.rax = G_DATA;
			g.cpu->regs.rbx = 0xabcdef0123456789;
			if (user) { /* the kernel's segment */
				g_user(&g, G_CODE);
				expect_at_handler(&g);
				assert_int_equal(frame(&g, 0), G_DS);
				assert_int_equal(frame(&g, 1), G_CODE);
				assert_int_equal(g.cpu->regs.rbx, 0xabcdef0123456789);
				if (before)
					assert_int_equal(frame(&g, 5), before);
			} else {
				assert_int_equal(run(&g, 10).reason, VMX_EXIT_HLT);
				assert_int_equal(g.cpu->regs.rbx, 0x12345678);
				assert_int_equal(g.cpu->seg[rows[i].seg].sel, G_DS);
			}
			g_close(&g);
		}
	}
}

GUEST_CODE(breakpoint, "int3; nop");

static void int3_returns_after_itself(void **state)
{
	struct guest *g = *state;

	with_handler(g, 3);
	load(g, G_CODE, breakpoint);
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), G_CODE + 1);
}

GUEST_CODE(software, "int $0x80; nop");

static void int_n_from_user_code_needs_a_gate_of_its_privilege(void **state)
{
	struct guest *g = *state;

	with_handler(g, 13);
	g_gate(g, 0x80, HANDLER + 0x100, 0, 0);
	load(g, G_CODE, software);
	g_user(g, G_CODE);
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), 0x80 * 8 + 2);
	assert_int_equal(frame(g, 1), G_CODE);
	assert_int_equal(frame(g, 2), G_UCS);
	/* the stack came from the TSS */
	assert_int_equal(g->cpu->regs.rsp, G_STACK - 0x1000 - 48);
	assert_int_equal(g->cpu->cpl, 0);
}

GUEST_CODE(divide, "xor %ecx, %ecx; div %ecx");

static void division_by_zero_leaves_registers_alone(void **state)
{
	struct guest *g = *state;

	with_handler(g, 0);
	load(g, G_CODE, divide);
	g->cpu->regs.rax = 7;
	g->cpu->regs.rdx = 8;
	expect_at_handler(g);
	assert_int_equal(g->cpu->regs.rax, 7);
	assert_int_equal(g->cpu->regs.rdx, 8);
	assert_int_equal(frame(g, 0), G_CODE + 2);
}

GUEST_CODE(store_rdi, "mov %rax, (%rdi); hlt");
GUEST_CODE(load_rdi, "mov (%rdi), %rax; hlt");
GUEST_CODE(jump_rdi, "jmp *%rdi");

struct fault_case {
	uint64_t clear, set; /* of the PDE */
	bool user, fetch, write, smap, smep, no_wp;
	int error; /* -1: no fault */
};

#define P  1u
#define W  2u
#define U  4u
#define NX (1ull << 63)

static void page_faults_have_the_error_code_of_their_cause(void **state)
{
	static const struct fault_case cases[] = {
		{.clear = P, .error = 0},
		{.clear = P, .write = true, .error = 2},
		{.clear = P, .user = true, .error = 4},
		{.clear = P, .fetch = true, .error = 16},
		{.clear = W, .write = true, .error = 3},
		{.clear = W, .write = true, .no_wp = true, .error = -1},
		{.clear = W, .write = true, .user = true, .no_wp = true, .error = 7},
		{.clear = U, .user = true, .error = 5},
		{.clear = U, .user = true, .fetch = true, .error = 21},
		{.set = NX, .fetch = true, .error = 17},
		{.set = NX, .error = -1},
		{.set = 1ull << 51, .error = 9},
		{.set = 1ull << 13, .write = true, .error = 11},
		{.smap = true, .error = 1},
		{.smap = true, .clear = U, .error = -1},
		{.smep = true, .fetch = true, .error = 17},
		{.smep = true, .error = -1},
	};
	const uint64_t where = 0x400000 + 0x120;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct fault_case *c = &cases[i];
		struct x86_exit x;
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		g.cpu->maxpa = 46;
		with_handler(&g, 14);
		if (c->fetch)
			load(&g, G_CODE, jump_rdi);
		else if (c->write)
			load(&g, G_CODE, store_rdi);
		else
			load(&g, G_CODE, load_rdi);
		load(&g, where, halt);
		*g_pde(&g, where) = (*g_pde(&g, where) & ~c->clear) | c->set;
		/* The kernel's own pages are not the user's, or SMEP and SMAP would stop it. */
		*g_pde(&g, 0) &= c->user ? ~0ull : ~(uint64_t)U;
		g.cpu->regs.rdi = where;
		if (c->user)
			g_user(&g, G_CODE);
		g.cpu->cr4 |= (c->smap ? CR4_SMAP : 0) | (c->smep ? CR4_SMEP : 0);
		g.cpu->cr0 &= c->no_wp ? ~(uint64_t)CR0_WP : ~0ull;
		x86_state_changed(g.cpu);
		x = run(&g, 100);
		assert_int_equal(x.reason, VMX_EXIT_HLT);
		if (c->error < 0) {
			assert_int_not_equal(g.cpu->rip, HANDLER);
		} else {
			assert_int_equal(g.cpu->rip, HANDLER);
			assert_int_equal(frame(&g, 0), c->error);
			assert_int_equal(g.cpu->cr2, where);
			assert_int_equal(frame(&g, 1), c->fetch ? where : G_CODE);
		}
		g_close(&g);
	}
}

static void a_write_sets_accessed_and_dirty_and_a_read_only_accessed(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, load_rdi);
	g->cpu->regs.rdi = 0x400000;
	run(g, 10);
	assert_int_equal(*g_pde(g, 0x400000) & 0x60, 0x20);
	load(g, G_CODE, store_rdi);
	g->cpu->rip = G_CODE;
	run(g, 10);
	assert_int_equal(*g_pde(g, 0x400000) & 0x60, 0x60);
}

static void a_fault_while_delivering_a_fault_is_a_double_fault_then_a_triple(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	/* #PF whose gate is not present: #NP inside #PF gives #DF */
	with_handler(g, 8);
	load(g, G_CODE, load_rdi);
	*g_pde(g, 0x400000) = 0;
	g->cpu->regs.rdi = 0x400000;
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), 0);
	assert_int_equal(frame(g, 1), G_CODE);

	*g_q(g, G_IDT + 8 * 16) = 0;
	g->cpu->rip = G_CODE;
	x = run(g, 10);
	assert_int_equal(x.reason, VMX_EXIT_TRIPLE_FAULT);
	assert_int_equal(g->cpu->rip, G_CODE);
}

static void ist_gives_its_own_stack(void **state)
{
	struct guest *g = *state;

	load(g, HANDLER, halt);
	g_gate(g, 6, HANDLER, 0, 2);
	*g_q(g, G_TSS + 0x24 + 8) = 0x88000;
	load(g, G_CODE, undefined);
	expect_at_handler(g);
	assert_int_equal(g->cpu->regs.rsp, 0x88000 - 40);
}

/* --- privilege --- */

GUEST_CODE(user_syscall, "mov $7, %eax; syscall; hlt");
GUEST_CODE(kernel_sysret, "add %eax, %eax; sysretq");

static void syscall_and_sysret_go_there_and_back(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	with_handler(g, 13);
	g->cpu->star = (uint64_t)G_CS64 << 32 | (uint64_t)(G_UDS - 8 - 3) << 48;
	g->cpu->lstar = G_CODE + 0x1000;
	g->cpu->sfmask = RFLAGS_IF | RFLAGS_TF;
	load(g, G_CODE, user_syscall);
	load(g, G_CODE + 0x1000, kernel_sysret);
	g_user(g, G_CODE);
	x86_set_rflags(g->cpu, RFLAGS_IF | RFLAGS_CF);
	x = run(g, 2);
	assert_int_equal(x.reason, X86_EXIT_BUDGET);
	assert_int_equal(g->cpu->cpl, 0);
	assert_int_equal(g->cpu->seg[X86_CS].sel, G_CS64);
	assert_int_equal(g->cpu->regs.rcx, G_CODE + 7);
	assert_int_equal(g->cpu->regs.r11 & (RFLAGS_IF | RFLAGS_CF), RFLAGS_IF | RFLAGS_CF);
	assert_int_equal(x86_rflags(g->cpu) & RFLAGS_IF, 0);
	run(g, 2);
	assert_int_equal(g->cpu->cpl, 3);
	assert_int_equal(g->cpu->regs.rax, 14);
	assert_int_equal(g->cpu->seg[X86_SS].sel, G_UDS);
	assert_int_equal(g->cpu->seg[X86_CS].sel, G_UCS);
	assert_int_equal(x86_rflags(g->cpu) & RFLAGS_IF, RFLAGS_IF);
	/* HLT is the kernel's */
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), 0);
	assert_int_equal(frame(g, 1), G_CODE + 7);
}

GUEST_CODE(iret, "iretq");

static void iret_to_user_code_takes_the_whole_frame(void **state)
{
	struct guest *g = *state;
	const uint64_t f[5] = {G_CODE + 0x1000, G_UCS, RFLAGS_IF | RFLAGS_ZF | 2, 0x12340, G_UDS};

	load(g, G_CODE, iret);
	load(g, G_CODE + 0x1000, undefined);
	memcpy(g->ram + G_STACK, f, sizeof(f));
	run(g, 1);
	assert_int_equal(g->cpu->rip, G_CODE + 0x1000);
	assert_int_equal(g->cpu->cpl, 3);
	assert_int_equal(g->cpu->regs.rsp, 0x12340);
	assert_int_equal(x86_rflags(g->cpu), f[2]);
}

static void iret_with_a_null_code_segment_is_a_general_protection_fault(void **state)
{
	struct guest *g = *state;
	const uint64_t f[5] = {G_CODE, 0, 2, 0x12340, G_UDS};

	with_handler(g, 13);
	load(g, G_CODE, iret);
	memcpy(g->ram + G_STACK, f, sizeof(f));
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), 0);
	assert_int_equal(frame(g, 1), G_CODE);
	assert_int_equal(frame(g, 4), G_STACK);
}

/* --- modes: from the reset state of a TD into long mode --- */

GUEST_CODE(enter_long_mode, ".code32\n"
			    "mov $0x20, %eax; mov %eax, %cr4\n"
			    "mov $0x1000, %eax; mov %eax, %cr3\n"
			    "mov %cr0, %eax; bts $31, %eax; mov %eax, %cr0\n"
			    "push $0x08; push $0x100100; lret\n"
			    ".code64");
GUEST_CODE(in_long_mode, "movabs $0x123456789abcdef0, %rax; push %rax; pop %rbx; hlt");

static void reset_state_enters_long_mode(void **state)
{
	struct guest *g = *state;
	struct x86_cpu *cpu = g->cpu;
	struct x86_exit x;
	unsigned i;

	cpu->cr0 = 0x21;
	cpu->cr3 = cpu->cr4 = 0;
	cpu->efer = EFER_LME;
	for (i = 0; i < X86_NOSEG; i++)
		cpu->seg[i] = (struct x86_seg){.limit = UINT32_MAX, .ar = 0xc093};
	cpu->seg[X86_CS].ar = 0xc09b;
	x86_state_changed(cpu);
	load(g, G_CODE, enter_long_mode);
	load(g, G_CODE + 0x100, in_long_mode);
	x = run(g, 100);
	assert_int_equal(x.reason, VMX_EXIT_HLT);
	assert_int_equal(cpu->regs.rbx, 0x123456789abcdef0);
	assert_int_equal(cpu->efer & EFER_LMA, EFER_LMA);
	assert_int_equal(cpu->seg[X86_CS].sel, G_CS64);
}

GUEST_CODE(compat,
	   ".code32\n inc %eax; mov %eax, 0x200000(,%ecx,4); push %eax; pop %edx; hlt\n.code64");

static void compatibility_mode_wraps_at_four_gigabytes(void **state)
{
	struct guest *g = *state;

	g_seg(g, X86_CS, G_CS32);
	x86_state_changed(g->cpu);
	load(g, G_CODE, compat);
	g->cpu->regs.rax = 0xffffffff;
	g->cpu->regs.rcx = 0xffffffff; /* -1: the address wraps to 0x1ffffc */
	*g_q(g, G_DATA - 4) = ~0ull;
	assert_int_equal(run(g, 10).reason, VMX_EXIT_HLT);
	assert_int_equal(g->cpu->regs.rax, 0);
	assert_int_equal(*(uint32_t *)(void *)(g->ram + G_DATA - 4), 0);
}

GUEST_CODE(store_ecx, ".code32\n mov %eax, (%ecx); hlt\n.code64");
GUEST_CODE(copy_one, ".code32\n movsl; hlt\n.code64");

static void segment_limits_hold_for_all_bytes_of_an_operand(void **state)
{
	/* limit of DS and ES, their access rights, where; whether a read, a write is refused */
	static const struct {
		uint32_t limit, ar, at;
		bool read, write;
	} cases[] = {
		{0xffff, 0x4093, 0xfffc, false, false},	 {0xffff, 0x4093, 0xfffd, true, true},
		{0xffff, 0x4091, 0x1000, false, true},	 /* read-only */
		{0xffff, 0x4097, 0x10000, false, false}, /* expand-down */
		{0xffff, 0x4097, 0xffff, true, true},
	};
	unsigned i, k;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* k: 0 a store, 1 MOVS to there, 2 MOVS from there */
		for (k = 0; k < 3; k++) {
			const bool refused = k == 2 ? cases[i].read : cases[i].write;
			struct guest g;

			assert_int_equal(g_open(&g), 0);
			with_handler(&g, 13);
			if (k)
				load(&g, G_CODE, copy_one);
			else
				load(&g, G_CODE, store_ecx);
			g_seg(&g, X86_CS, G_CS32);
			if (k != 1)
				g.cpu->seg[X86_DS] = (struct x86_seg){
					.base = G_DATA, .limit = cases[i].limit, .ar = cases[i].ar};
			if (k != 2)
				g.cpu->seg[X86_ES] = (struct x86_seg){
					.base = G_DATA, .limit = cases[i].limit, .ar = cases[i].ar};
			x86_state_changed(g.cpu);
			g.cpu->regs.rcx = cases[i].at;
			g.cpu->regs.rsi = k == 2 ? cases[i].at : G_DATA;
			g.cpu->regs.rdi = k == 1 ? cases[i].at : G_DATA;
			assert_int_equal(run(&g, 10).reason, VMX_EXIT_HLT);
			assert_int_equal(g.cpu->rip == HANDLER, refused);
			g_close(&g);
		}
	}
}

/* --- linear addresses --- */

enum code_mode { UNPAGED, PAE_PAGED, COMPATIBILITY, CODE_MODES };

/* 32-bit code in ring 0, FS and ES with the given base. */
static void to_32_bit_code(struct guest *g, enum code_mode mode, uint64_t base)
{
	struct x86_cpu *cpu = g->cpu;

	g_seg(g, X86_CS, G_CS32);
	cpu->seg[X86_FS].base = cpu->seg[X86_ES].base = base;
	if (mode != COMPATIBILITY) {
		cpu->efer = 0;
		cpu->seg[X86_FS].base = cpu->seg[X86_ES].base = (uint32_t)base;
	}
	if (mode == UNPAGED)
		cpu->cr0 &= ~(uint64_t)CR0_PG;
	if (mode == PAE_PAGED) {
		/* the PDPTEs of long mode have rights, those of PAE paging have none */
		cpu->cr3 = G_PML4 + 0x1000u;
		*g_q(g, cpu->cr3) &= ~6ull;
		*g_q(g, cpu->cr3 + 8) &= ~6ull;
	}
	x86_state_changed(cpu);
}

GUEST_CODE(fs_move, ".code32\n mov %fs:(%ebx), %cl; mov %fs:(%ebx), %cl; hlt\n.code64");
GUEST_CODE(fs_xlat, ".code32\n fs xlat; mov %cl, %al; fs xlat; mov %al, %cl; hlt\n.code64");
GUEST_CODE(fs_lods, ".code32\n mov %ebx, %esi; fs lodsb; dec %esi; fs lodsb; mov %al, %cl;"
		    "hlt\n.code64");
GUEST_CODE(fs_sse, ".code32\n movups %fs:(%ebx), %xmm0; movups %fs:(%ebx), %xmm0;"
		   "movd %xmm0, %ecx; hlt\n.code64");
GUEST_CODE(fs_mask, ".code32\n mov %ebx, %edi; pcmpeqb %xmm1, %xmm1; fs maskmovdqu %xmm1, %xmm0;"
		    "fs maskmovdqu %xmm1, %xmm0; movb %fs:(%ebx), %cl; hlt\n.code64");
GUEST_CODE(fs_mask_mmx, ".code32\n mov %ebx, %edi; pcmpeqb %mm1, %mm1; movdq2q %xmm0, %mm0;"
			"fs maskmovq %mm1, %mm0; fs maskmovq %mm1, %mm0; movb %fs:(%ebx), %cl;"
			"hlt\n.code64");
GUEST_CODE(es_movdir, ".code32\n mov $0x200000, %esi; movdir64b (%esi), %ebx;"
		      "movdir64b (%esi), %ebx; movb %fs:(%ebx), %cl; hlt\n.code64");
GUEST_CODE(fs_bit, ".code32\n xor %eax, %eax; xor %ecx, %ecx; btl %eax, %fs:(%ebx);"
		   "btl %eax, %fs:(%ebx); rcl $1, %ecx; hlt\n.code64");
GUEST_CODE(fs_moffs, ".code32\n .byte 0x64, 0xa0; .long 0xffffff00; .byte 0x64, 0xa0;"
		     ".long 0xffffff00; mov %al, %cl; hlt\n.code64");
GUEST_CODE(fs_xadd, ".code32\n xor %ecx, %ecx; xaddb %cl, %fs:(%ebx); xor %ecx, %ecx;"
		    "lock xaddb %cl, %fs:(%ebx); hlt\n.code64");
GUEST_CODE(es_scas, ".code32\n mov %ebx, %edi; mov $0x5a, %al; mov $1, %ecx; repne scasb;"
		    "sete %cl; imul $0x5a, %ecx, %ecx; hlt\n.code64");

/* The offset and the segment's base together leave 32 bits: the rest is cut off, before anything
 * is kept of the address. What stays of it would be the guest's way out of its memory. */
static void every_linear_address_of_32_bit_code_has_32_bits(void **state)
{
	static const struct {
		const char *name;
		const uint8_t *code, *end;
		uint8_t wanted;
	} cases[] = {
#define CASE(name, wanted) {#name, name, name##_end, wanted}
		CASE(fs_move, 0x5a),   CASE(fs_xlat, 0x5a), CASE(fs_lods, 0x5a),
		CASE(fs_sse, 0x5a),    CASE(fs_mask, 0x33), CASE(fs_mask_mmx, 0x33),
		CASE(es_movdir, 0x44), CASE(fs_bit, 0),	    CASE(fs_moffs, 0x5a),
		CASE(fs_xadd, 0x5a),   CASE(es_scas, 0x5a),
#undef CASE
	};
	/* 0xffffff00 plus this is 0x401000, or that and a multiple of 4 GiB */
	static const uint64_t bases[] = {0x401100, 0x300401100, 0xfffffff800401100};
	unsigned i, mode, b;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (mode = 0; mode < CODE_MODES; mode++) {
			for (b = 0; b < sizeof(bases) / sizeof(bases[0]); b++) {
				struct guest g;

				assert_int_equal(g_open(&g), 0);
				to_32_bit_code(&g, mode, bases[b]);
				g_put(&g, G_CODE, cases[i].code,
				      (unsigned)(cases[i].end - cases[i].code));
				memset(g.ram + G_DATA, 0x44, 64);
				memset(g.ram + 0x401000, 0x5a, 64);
				memset(&g.cpu->xmm[0], 0x33, 16);
				g.cpu->regs.rbx = 0xffffff00;
				assert_int_equal(run(&g, 100).reason, VMX_EXIT_HLT);
				if ((uint8_t)g.cpu->regs.rcx != cases[i].wanted)
					fail_msg("%s, mode %u, base %llx: %x", cases[i].name, mode,
						 (unsigned long long)bases[b],
						 (uint8_t)g.cpu->regs.rcx);
				g_close(&g);
			}
		}
	}
}

GUEST_CODE(over_the_top, ".code32\n mov $0xfffffffe, %ebx; mov (%ebx), %eax; mov (%ebx), %edx;"
			 "hlt\n.code64");

static void an_operand_across_the_top_of_32_bit_code_goes_on_at_zero(void **state)
{
	unsigned mode;

	(void)state;
	/* the 2 MiB below 4 GiB are those from 4 MiB on */
	for (mode = PAE_PAGED; mode < CODE_MODES; mode++) {
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		*g_q(&g, G_PML4 + 0x1000u + 3 * 8) = (G_PML4 + 0x8000u) | 7;
		*g_q(&g, G_PML4 + 0x8000u + 511 * 8) = 0x400087;
		*g_q(&g, G_PML4 + 0x1000u + 4 * 8) = 0;
		to_32_bit_code(&g, mode, 0);
		if (mode == PAE_PAGED)
			*g_q(&g, g.cpu->cr3 + 3 * 8) &= ~6ull;
		load(&g, G_CODE, over_the_top);
		memcpy(g.ram + 0x5ffffe, "\x11\x22", 2);
		memcpy(g.ram, "\x33\x44", 2);
		assert_int_equal(run(&g, 100).reason, VMX_EXIT_HLT);
		assert_int_equal(g.cpu->regs.rax, 0x44332211);
		assert_int_equal(g.cpu->regs.rdx, 0x44332211);
		g_close(&g);
	}
}

GUEST_CODE(mask_16, "maskmovdqu %xmm1, %xmm0; hlt");
GUEST_CODE(mask_8, "movdq2q %xmm0, %mm0; movdq2q %xmm1, %mm1; maskmovq %mm1, %mm0; hlt");

static void a_masked_store_is_done_whole_or_not_at_all(void **state)
{
	unsigned wide;

	(void)state;
	for (wide = 0; wide < 2; wide++) {
		struct x86_exit x;
		struct guest g;
		unsigned i;

		assert_int_equal(g_open(&g), 0);
		g.denied = 0x401000;
		if (wide)
			load(&g, G_CODE, mask_16);
		else
			load(&g, G_CODE, mask_8);
		memset(&g.cpu->xmm[0], 0x33, 16);
		memset(&g.cpu->xmm[1], 0x80, 16);
		g.cpu->regs.rdi = 0x401000 - 4;
		x = run(&g, 100);
		assert_int_equal(x.reason, VMX_EXIT_EPT_VIOLATION);
		assert_int_equal(x.gpa, 0x401000);
		for (i = 0; i < 4; i++)
			assert_int_equal(g.ram[0x401000 - 4 + i], 0);
		/* what is not selected is not touched */
		memset((uint8_t *)&g.cpu->xmm[1] + 4, 0, 12);
		((uint8_t *)&g.cpu->xmm[1])[1] = 0x7f;
		g.cpu->rip = G_CODE;
		assert_int_equal(run(&g, 100).reason, VMX_EXIT_HLT);
		assert_int_equal(*g_q(&g, 0x400ff8), 0x3333003300000000);
		g_close(&g);
	}
}

GUEST_CODE(limited_xlat, ".code32\n xlat; hlt\n.code64");
GUEST_CODE(limited_mask, ".code32\n pcmpeqb %xmm1, %xmm1; mov %ebx, %edi;"
			 "maskmovdqu %xmm1, %xmm0; hlt\n.code64");
GUEST_CODE(limited_movdir, ".code32\n mov $0, %esi; movdir64b %fs:(%esi), %ebx; hlt\n.code64");

static void implied_operands_are_held_to_their_segment(void **state)
{
	static const struct {
		const uint8_t *code, *end;
		uint32_t at;
		bool refused;
	} cases[] = {
#define CASE(name, at, refused) {name, name##_end, at, refused}
		CASE(limited_xlat, 0xfff, false),   CASE(limited_xlat, 0x1000, true),
		CASE(limited_mask, 0xff0, false),   CASE(limited_mask, 0xff1, true),
		CASE(limited_movdir, 0xfc0, false), CASE(limited_movdir, 0x1000, true),
		CASE(limited_movdir, 0xf01, true),
#undef CASE
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		with_handler(&g, 13);
		g_put(&g, G_CODE, cases[i].code, (unsigned)(cases[i].end - cases[i].code));
		g_seg(&g, X86_CS, G_CS32);
		g.cpu->seg[X86_DS] = g.cpu->seg[X86_ES] =
			(struct x86_seg){.base = G_DATA, .limit = 0xfff, .ar = 0x4093};
		x86_state_changed(g.cpu);
		g.cpu->regs.rbx = cases[i].at;
		g.cpu->regs.rax = 0;
		assert_int_equal(run(&g, 100).reason, VMX_EXIT_HLT);
		assert_int_equal(g.cpu->rip == HANDLER, cases[i].refused);
		g_close(&g);
	}
}

GUEST_CODE(store_by_ds, ".code32\n movl %ecx, (%ebx); hlt\n.code64");
GUEST_CODE(store_by_cs, ".code32\n movl %ecx, %cs:(%ebx); hlt\n.code64");
GUEST_CODE(fetch_by_cs, ".code32\n movl %cs:(%ebx), %ecx; hlt\n.code64");
GUEST_CODE(store_string, ".code32\n mov %ebx, %edi; stosl; hlt\n.code64");
GUEST_CODE(pop_by_fs, ".code32\n pop %fs:(%ebx); hlt\n.code64");

/* A base of 0 and the widest limit do not make a segment writable, or there. */
static void flat_segments_are_written_as_their_type_allows(void **state)
{
	static const struct {
		const uint8_t *code, *end;
		uint32_t type; /* of DS and ES */
		bool refused;
	} cases[] = {
#define CASE(name, type, refused) {name, name##_end, type, refused}
		CASE(store_by_ds, 3, false),  CASE(store_by_ds, 1, true),
		CASE(store_by_ds, 0xb, true), CASE(store_string, 3, false),
		CASE(store_string, 1, true),  CASE(store_string, 0xb, true),
		CASE(store_by_cs, 3, true),   CASE(fetch_by_cs, 3, false),
		CASE(fetch_by_cs, 1, false),  CASE(pop_by_fs, 3, true),
#undef CASE
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guest g;
		uint64_t sp;

		assert_int_equal(g_open(&g), 0);
		g.cpu->exception_bitmap = 1u << 13;
		g_put(&g, G_CODE, cases[i].code, (unsigned)(cases[i].end - cases[i].code));
		g_seg(&g, X86_CS, G_CS32);
		g.cpu->seg[X86_DS] = g.cpu->seg[X86_ES] =
			(struct x86_seg){.limit = UINT32_MAX, .ar = 0xc090 | cases[i].type};
		g.cpu->seg[X86_FS] = (struct x86_seg){.ar = SEG_AR_UNUSABLE};
		x86_state_changed(g.cpu);
		g.cpu->regs.rbx = G_DATA;
		sp = g.cpu->regs.rsp;
		assert_int_equal(run(&g, 100).reason,
				 cases[i].refused ? VMX_EXIT_EXCEPTION_OR_NMI : VMX_EXIT_HLT);
		assert_int_equal(g.cpu->regs.rsp, sp);
		g_close(&g);
	}
}

GUEST_CODE(store_table, ".code32\n nop; nop; sgdt 0x3fe(%ebx); hlt\n.code64");
GUEST_CODE(load_environment, ".code32\n nop; nop; fldenv 0x3fe(%ebx); hlt\n.code64");
GUEST_CODE(load_table, ".code32\n nop; nop; lgdt 0x3fe(%ebx); hlt\n.code64");

static void a_page_fault_in_a_segment_with_a_base_names_its_instruction(void **state)
{
	static const struct {
		const uint8_t *code, *end;
	} cases[] = {
		{store_table, store_table_end},
		{load_environment, load_environment_end},
		{load_table, load_table_end},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct x86_exit x;
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		g_put(&g, G_CODE, cases[i].code, (unsigned)(cases[i].end - cases[i].code));
		g_seg(&g, X86_CS, G_CS32);
		g.cpu->seg[X86_DS].base = 0x400000;
		x86_state_changed(g.cpu);
		g.cpu->regs.rbx = 0;
		g.denied = 0x400000;
		x = run(&g, 100);
		assert_int_equal(x.reason, VMX_EXIT_EPT_VIOLATION);
		assert_int_equal(g.cpu->rip, G_CODE + 2);
		assert_int_equal(g.cpu->insns, 2);
		g_close(&g);
	}
}

GUEST_CODE(one_way, ".code32\n mov $1, %eax; hlt\n.code64");
GUEST_CODE(other_way, ".code32\n mov $2, %eax; hlt\n.code64");

static void code_is_found_by_its_segment_and_not_by_rip_alone(void **state)
{
	struct guest *g = *state;
	unsigned i;

	/* a far jump to the same offset, in a segment at 0 and in one at 4 KiB */
	load(g, G_CODE, one_way);
	load(g, G_CODE + 0x1000, other_way);
	g_put(g, G_CODE + 0x20000, "\xea\x00\x00\x10\x00\x20\x00", 7);
	g_seg(g, X86_CS, G_CS32);
	x86_state_changed(g->cpu);
	for (i = 0; i < 4; i++) {
		const uint64_t base = g->cpu->seg[X86_CS].base;

		*g_q(g, G_GDT + 0x20) = 0x00cf9b000000ffff | (uint64_t)(i & 1) << 28;
		g->cpu->rip = G_CODE + 0x20000 - base;
		assert_int_equal(run(g, 100).reason, VMX_EXIT_HLT);
		assert_int_equal(g->cpu->regs.rax, i & 1 ? 2 : 1);
	}
}

GUEST_CODE(multiply, "imul %rcx, %rcx; pushfq; pop %rax; imul $3, %rdx, %rdx; pushfq; pop %rbx;"
		     "mul %rdx; pushfq; pop %rcx; hlt");

static void a_product_leaves_the_other_flags_to_the_guest(void **state)
{
	struct guest *g = *state;
	unsigned i;

	load(g, G_CODE, multiply);
	for (i = 0; i < 4; i++) {
		const uint64_t others = i & 1 ? RFLAGS_SF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF : 0;

		x86_set_rflags(g->cpu, others | (i & 2 ? RFLAGS_CF : 0));
		g->cpu->regs.rcx = 1ull << 40;
		g->cpu->regs.rdx = 5;
		g->cpu->rip = G_CODE;
		assert_int_equal(run(g, 100).reason, VMX_EXIT_HLT);
		assert_int_equal(g->cpu->regs.rax >> 32, 0);
		assert_int_equal(g->cpu->regs.rbx & 0x8d5, others);
		assert_int_equal(x86_rflags(g->cpu) & 0xd4, others);
	}
}

/* --- exits --- */

GUEST_CODE(cpuid_twice, "cpuid; cpuid; hlt");

static void an_exit_leaves_rip_at_the_instruction(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	load(g, G_CODE, cpuid_twice);
	x = run(g, 10);
	assert_int_equal(x.reason, VMX_EXIT_CPUID);
	assert_int_equal(x.insn_len, 2);
	assert_int_equal(g->cpu->rip, G_CODE);
	x86_skip(g->cpu, x.insn_len);
	x = run(g, 10);
	assert_int_equal(x.reason, VMX_EXIT_CPUID);
	assert_int_equal(g->cpu->rip, G_CODE + 2);
}

GUEST_CODE(ports, "mov $0x3f8, %dx; out %al, %dx; in $0x71, %al; outl %eax, %dx");

static void port_accesses_are_described_in_the_qualification(void **state)
{
	static const uint64_t want[] = {0x3f8u << 16, 0x71u << 16 | 0x48, 0x3f8u << 16 | 3};
	struct guest *g = *state;
	unsigned i;

	load(g, G_CODE, ports);
	for (i = 0; i < 3; i++) {
		const struct x86_exit x = run(g, 10);

		assert_int_equal(x.reason, VMX_EXIT_IO);
		assert_int_equal(x.qualification, want[i]);
		x86_skip(g->cpu, x.insn_len);
	}
}

GUEST_CODE(store_twice, "mov %rax, (%rsi); mov %rax, (%rdi); hlt");

static void an_ept_violation_can_be_repaired_and_retried(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	load(g, G_CODE, store_twice);
	g->cpu->regs.rax = 0x55;
	g->cpu->regs.rsi = G_DATA;
	g->cpu->regs.rdi = 0x400ff8;
	g->denied = 0x400000;
	x = run(g, 10);
	assert_int_equal(x.reason, VMX_EXIT_EPT_VIOLATION);
	assert_int_equal(x.gpa, 0x400ff8);
	assert_int_equal(x.gla, 0x400ff8);
	assert_int_equal(x.qualification, 0x182);
	assert_int_equal(g->cpu->rip, G_CODE + 3);
	assert_int_equal(*g_q(g, G_DATA), 0x55);
	g->denied = 0;
	assert_int_equal(run(g, 10).reason, VMX_EXIT_HLT);
	assert_int_equal(*g_q(g, 0x400ff8), 0x55);
}

static void an_access_across_pages_changes_nothing_when_the_second_is_missing(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	load(g, G_CODE, store_rdi);
	g->cpu->regs.rax = ~0ull;
	g->cpu->regs.rdi = 0x400ffc;
	g->denied = 0x401000;
	x = run(g, 10);
	assert_int_equal(x.reason, VMX_EXIT_EPT_VIOLATION);
	assert_int_equal(x.gpa, 0x401000);
	assert_int_equal(*g_q(g, 0x400ff8), 0);
}

static void a_violation_while_delivering_an_event_names_the_event(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	with_handler(g, 6);
	load(g, G_CODE, undefined);
	g->cpu->regs.rsp = 0x401000;
	g->denied = 0x400000;
	x = run(g, 10);
	assert_int_equal(x.reason, VMX_EXIT_EPT_VIOLATION);
	assert_int_equal(x.idt_info, 0x80000306);
	assert_int_equal(g->cpu->rip, G_CODE + 1);
	assert_int_equal(g->cpu->regs.rsp, 0x401000);
	g->denied = 0;
	x86_inject(g->cpu, 6, VMX_EVENT_EXCEPTION, false, 0, 0);
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), G_CODE + 1);
}

GUEST_CODE(repeat_copy, "rep movsb; hlt");

static void a_repeated_copy_stops_at_the_fault_and_goes_on(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	memset(g->ram + G_DATA, 0xab, 0x3000);
	load(g, G_CODE, repeat_copy);
	g->cpu->regs.rsi = G_DATA;
	g->cpu->regs.rdi = 0x400800;
	g->cpu->regs.rcx = 0x2000;
	g->denied = 0x401000;
	x = run(g, 100);
	assert_int_equal(x.reason, VMX_EXIT_EPT_VIOLATION);
	assert_int_equal(g->cpu->regs.rcx, 0x1800);
	assert_int_equal(g->cpu->regs.rdi, 0x401000);
	assert_int_equal(g->cpu->rip, G_CODE);
	g->denied = 0;
	assert_int_equal(run(g, 100).reason, VMX_EXIT_HLT);
	assert_memory_equal(g->ram + 0x400800, g->ram + G_DATA, 0x2000);
	assert_int_equal(g->ram[0x402800], 0);
}

GUEST_CODE(avx, "vaddps %ymm0, %ymm1, %ymm2");

static void avx_is_undefined_until_xcr0_has_it(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	with_handler(g, 6);
	load(g, G_CODE, avx);
	g->cpuid_all = UINT32_MAX;
	x86_cpuid_changed(g->cpu);
	expect_at_handler(g);
	g->cpu->cr4 |= CR4_OSXSAVE;
	g->cpu->xcr0 = 7;
	x86_state_changed(g->cpu);
	g->cpu->rip = G_CODE;
	x = run(g, 1);
	if (__builtin_cpu_supports("avx2")) {
		assert_int_equal(x.reason, X86_EXIT_BUDGET);
		assert_int_equal(g->cpu->rip, G_CODE + 4);
		return;
	}
	assert_int_equal(x.reason, X86_EXIT_UNKNOWN);
	assert_memory_equal(x.insn, avx, x.insn_len);
}

GUEST_CODE(enclave, "enclu");

static void an_instruction_of_cpuid_that_the_engine_lacks_stops_with_its_bytes(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	load(g, G_CODE, enclave);
	g->cpuid_all = UINT32_MAX;
	x86_cpuid_changed(g->cpu);
	x = run(g, 10);
	assert_int_equal(x.reason, X86_EXIT_UNKNOWN);
	assert_int_equal(g->cpu->rip, G_CODE);
	assert_int_equal(x.insn_len, enclave_end - enclave);
	assert_memory_equal(x.insn, enclave, x.insn_len);
}

GUEST_CODE(control, "mov %rax, %cr4; mov %cr4, %rbx; hlt");

static void host_owned_control_bits_exit_only_when_they_change(void **state)
{
	struct guest *g = *state;
	struct x86_exit x;

	g->cpu->cr4_mask = 1u << 13; /* VMXE */
	g->cpu->cr4_shadow = 0;
	g->cpu->cr4 |= 1u << 13;
	load(g, G_CODE, control);
	g->cpu->regs.rax = CR4_PAE | CR4_OSFXSR;
	x = run(g, 10);
	assert_int_equal(x.reason, VMX_EXIT_HLT);
	assert_int_equal(g->cpu->regs.rbx, CR4_PAE | CR4_OSFXSR);
	assert_int_equal(g->cpu->cr4 >> 13 & 1, 1);
	g->cpu->rip = G_CODE;
	g->cpu->regs.rax |= 1u << 13;
	x = run(g, 10);
	assert_int_equal(x.reason, VMX_EXIT_CR_ACCESS);
	assert_int_equal(x.qualification, 4);
}

/* --- interrupts --- */

GUEST_CODE(sti_first, "sti; inc %eax; inc %eax; hlt");

static void an_interrupt_waits_for_the_instruction_after_sti(void **state)
{
	struct guest *g = *state;

	with_handler(g, 0x40);
	load(g, G_CODE, sti_first);
	g->cpu->regs.rax = 0;
	g->vector = 0x40;
	x86_raise_intr(g->cpu);
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), G_CODE + 3);
	assert_int_equal(g->cpu->regs.rax, 1);
	assert_int_equal(x86_rflags(g->cpu) & RFLAGS_IF, 0);
}

GUEST_CODE(spin, "1: jmp 1b");

static void *kick_later(void *arg)
{
	struct guest *g = arg;

	x86_kick(g->cpu);
	return NULL;
}

static void a_kick_ends_an_endless_loop(void **state)
{
	struct guest *g = *state;
	pthread_t t;

	load(g, G_CODE, spin);
	pthread_create(&t, NULL, kick_later, g);
	assert_int_equal(run(g, UINT64_MAX).reason, X86_EXIT_KICK);
	pthread_join(t, NULL);
	assert_int_equal(g->cpu->rip, G_CODE);
}

static void a_kick_does_not_take_a_budget_of_one(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, spin);
	for (unsigned i = 1; i <= 5; i++) {
		const uint64_t before = g->cpu->insns;

		x86_kick(g->cpu);
		assert_int_equal(run(g, 1).reason, X86_EXIT_BUDGET);
		assert_int_equal(g->cpu->insns - before, 1);
	}
	x86_kick(g->cpu);
	assert_int_equal(run(g, 2).reason, X86_EXIT_KICK);
}

GUEST_CODE(five, "inc %eax; inc %eax; inc %eax; inc %eax; inc %eax; hlt");

static void the_budget_is_exact(void **state)
{
	struct guest *g = *state;
	unsigned i;

	load(g, G_CODE, five);
	g->cpu->regs.rax = 0;
	for (i = 1; i <= 5; i++) {
		assert_int_equal(run(g, 1).reason, X86_EXIT_BUDGET);
		assert_int_equal(g->cpu->regs.rax, i);
	}
	assert_int_equal(g->cpu->insns, 5);
	g->cpu->rip = G_CODE;
	run(g, 3);
	assert_int_equal(g->cpu->regs.rax, 8);
}

static void the_trap_flag_steps_through_idt(void **state)
{
	struct guest *g = *state;

	with_handler(g, 1);
	load(g, G_CODE, five);
	x86_set_rflags(g->cpu, RFLAGS_TF);
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), G_CODE + 2);
	assert_int_equal(frame(g, 2) & RFLAGS_TF, RFLAGS_TF);
	assert_int_equal(g->cpu->dr[6] >> 14 & 1, 1);
	assert_int_equal(x86_rflags(g->cpu) & RFLAGS_TF, 0);
}

static void a_breakpoint_stops_before_its_instruction_once(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, five);
	g->cpu->regs.rax = 0;
	assert_int_equal(x86_breakpoint(g->cpu, G_CODE + 4, true), 0);
	assert_int_equal(run(g, 100).reason, X86_EXIT_BREAKPOINT);
	assert_int_equal(g->cpu->rip, G_CODE + 4);
	assert_int_equal(g->cpu->regs.rax, 2);
	assert_int_equal(run(g, 100).reason, VMX_EXIT_HLT);
	assert_int_equal(g->cpu->regs.rax, 5);
	assert_int_equal(x86_breakpoint(g->cpu, G_CODE + 4, false), 0);
	assert_int_not_equal(x86_breakpoint(g->cpu, G_CODE + 4, false), 0);
}

/* --- debug registers, alignment --- */

/* The guest itself sets what it is stopped by; its handler halts. */
GUEST_CODE(watched, "mov %rdi, %dr0; mov %rsi, %dr7; mov %rax, (%rdi); inc %ecx; inc %ecx; hlt");

static void a_data_breakpoint_traps_after_the_access(void **state)
{
	/* length and condition of breakpoint 0, and where 8 bytes are written beside it */
	static const struct {
		uint64_t dr7;
		int offset;
		bool hit;
	} cases[] = {
		{0xd0002, 0, true},  {0xd0002, 4, false}, {0xf0002, 0, true},  {0x90002, 7, true},
		{0xd0000, 0, false}, {0x10002, 1, false}, {0xd0001, -4, true},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		with_handler(&g, 1);
		load(&g, G_CODE, watched);
		g.cpu->regs.rdi = G_DATA + 8;
		g.cpu->regs.rsi = cases[i].dr7;
		run(&g, 2);
		g.cpu->regs.rdi += (uint64_t)(int64_t)cases[i].offset;
		g.cpu->regs.rcx = 0;
		assert_int_equal(run(&g, 100).reason, VMX_EXIT_HLT);
		assert_int_equal(g.cpu->rip == HANDLER, cases[i].hit);
		assert_int_equal(g.cpu->regs.rcx, cases[i].hit ? 0 : 2);
		if (cases[i].hit) {
			assert_int_equal(frame(&g, 0), G_CODE + 9);
			assert_int_equal(g.cpu->dr[6] & 0x600f, 1);
		}
		g_close(&g);
	}
}

GUEST_CODE(break_itself, "mov %rdi, %dr1; mov %rsi, %dr7; inc %ecx; 1: inc %ecx; inc %ecx; hlt");
GUEST_CODE(count_and_return, "inc %ebx; iretq");

static void an_instruction_breakpoint_faults_once_and_rf_lets_it_pass(void **state)
{
	struct guest *g = *state;

	g_gate(g, 1, HANDLER, 0, 0);
	load(g, HANDLER, count_and_return);
	load(g, G_CODE, break_itself);
	g->cpu->regs.rdi = G_CODE + 8;
	g->cpu->regs.rsi = 4; /* L1 */
	g->cpu->regs.rcx = g->cpu->regs.rbx = 0;
	run(g, 4); /* up to the handler's first instruction */
	assert_int_equal(frame(g, 0), G_CODE + 8);
	assert_int_equal(frame(g, 2) & RFLAGS_RF, RFLAGS_RF);
	assert_int_equal(g->cpu->dr[6] & 15, 2);
	assert_int_equal(run(g, 100).reason, VMX_EXIT_HLT);
	assert_int_equal(g->cpu->regs.rbx, 1);
	assert_int_equal(g->cpu->regs.rcx, 3);
	assert_int_equal(x86_rflags(g->cpu) & RFLAGS_RF, 0);
	/* and again, without */
	g->cpu->rip = G_CODE + 6;
	assert_int_equal(run(g, 100).reason, VMX_EXIT_HLT);
	assert_int_equal(g->cpu->regs.rbx, 2);
}

static void a_host_that_asks_for_debug_exceptions_gets_the_bits_and_dr6_stays(void **state)
{
	struct guest *g = *state;
	const uint64_t dr6 = g->cpu->dr[6];
	struct x86_exit x;

	g->cpu->exception_bitmap = 1u << 1;
	g->cpu->dr[3] = G_CODE + 2;
	g->cpu->dr[7] = 0x400 | 1u << 6;
	x86_debug_changed(g->cpu);
	load(g, G_CODE, five);
	x = run(g, 100);
	assert_int_equal(x.reason, VMX_EXIT_EXCEPTION_OR_NMI);
	assert_int_equal(x.qualification, 8);
	assert_int_equal(g->cpu->rip, G_CODE + 2);
	assert_int_equal(g->cpu->dr[6], dr6);
}

GUEST_CODE(general_detect, "mov %rsi, %dr7; mov %dr0, %rax; hlt");

static void general_detect_faults_and_is_off_in_the_handler(void **state)
{
	struct guest *g = *state;

	with_handler(g, 1);
	load(g, G_CODE, general_detect);
	g->cpu->regs.rsi = 1u << 13;
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), G_CODE + 3);
	assert_int_equal(g->cpu->dr[6] >> 13 & 1, 1);
	assert_int_equal(g->cpu->dr[7] >> 13 & 1, 0);
}

static void a_repeated_copy_traps_after_each_element(void **state)
{
	struct guest *g = *state;

	with_handler(g, 1);
	load(g, G_CODE, repeat_copy);
	g->cpu->regs.rsi = G_DATA;
	g->cpu->regs.rdi = G_DATA + 0x1000;
	g->cpu->regs.rcx = 5;
	x86_set_rflags(g->cpu, RFLAGS_TF);
	expect_at_handler(g);
	assert_int_equal(frame(g, 0), G_CODE);
	assert_int_equal(g->cpu->regs.rcx, 4);
}

GUEST_CODE(load_rdi_only, "mov (%rdi), %rax; mov 1(%rdi), %cl; movups 1(%rdi), %xmm0; ud2");

static void misaligned_user_operands_fault_when_asked_for(void **state)
{
	unsigned i;

	(void)state;
	/* i: 1 CR0.AM, 2 RFLAGS.AC, 4 user, 8 misaligned */
	for (i = 0; i < 16; i++) {
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		load(&g, HANDLER, halt);
		g_gate(&g, 17, HANDLER, 0, 0);
		g_gate(&g, 6, HANDLER, 0, 0);
		load(&g, G_CODE, load_rdi_only);
		g.cpu->regs.rdi = G_DATA + (i & 8 ? 4 : 0);
		if (!(i & 1))
			g.cpu->cr0 &= ~(uint64_t)CR0_AM;
		if (i & 4)
			g_user(&g, G_CODE);
		x86_state_changed(g.cpu);
		x86_set_rflags(g.cpu, i & 2 ? RFLAGS_AC : 0);
		assert_int_equal(run(&g, 100).reason, VMX_EXIT_HLT);
		if (i == 15) {
			assert_int_equal(frame(&g, 0), 0);
			assert_int_equal(frame(&g, 1), G_CODE);
		} else {
			assert_int_equal(frame(&g, 0),
					 G_CODE + load_rdi_only_end - load_rdi_only - 2);
		}
		g_close(&g);
	}
}

/* --- TLB and code --- */

static void a_translation_stays_until_it_is_flushed(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, load_rdi);
	g->cpu->regs.rdi = 0x400000;
	*g_q(g, 0x400000) = 1;
	run(g, 10);
	g->denied = 0x400000;
	g->cpu->rip = G_CODE;
	assert_int_equal(run(g, 10).reason, VMX_EXIT_HLT);
	x86_tlb_flush_gpa(g->cpu, 0x400000);
	g->cpu->rip = G_CODE;
	assert_int_equal(run(g, 10).reason, VMX_EXIT_EPT_VIOLATION);
}

GUEST_CODE(remap, "mov (%rdi), %rax; mov %rcx, (%rdx); mov (%rdi), %rbx; invlpg (%rdi);"
		  "mov (%rdi), %rsi; hlt");

static void invlpg_ends_a_stale_translation(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, remap);
	*g_q(g, 0x400000) = 1;
	*g_q(g, 0x600000) = 2;
	g->cpu->regs.rdi = 0x400000;
	g->cpu->regs.rdx = (uint64_t)((uint8_t *)g_pde(g, 0x400000) - g->ram);
	g->cpu->regs.rcx = *g_pde(g, 0x600000);
	assert_int_equal(run(g, 10).reason, VMX_EXIT_HLT);
	assert_int_equal(g->cpu->regs.rax, 1);
	assert_int_equal(g->cpu->regs.rbx, 1);
	assert_int_equal(g->cpu->regs.rsi, 2);
}

GUEST_CODE(two_blocks, "inc %eax; jmp 1f; nop; 1: inc %eax; hlt");

static void a_link_holds_for_its_own_flush_only_however_many_there_were(void **state)
{
	struct guest *g = *state;
	uint64_t before;

	/* four thousand million flushes later: a generation of 32 bits would be 0, which links
	 * have that nobody followed yet */
	load(g, G_CODE, two_blocks);
	for (before = UINT32_MAX - 4ull; before <= UINT32_MAX; before++) {
		g->cpu->gen = before;
		x86_tlb_flush(g->cpu);
		g->cpu->regs.rax = 0;
		g->cpu->rip = G_CODE;
		assert_int_equal(run(g, 100).reason, VMX_EXIT_HLT);
		assert_int_equal(g->cpu->regs.rax, 2);
		load(g, G_CODE, two_blocks);
	}
}

/* Executes a function, changes its immediate, executes it again. */
GUEST_CODE(self_modifying, "lea 2f(%rip), %rdi; call 2f; mov %eax, %ebx; movb $9, 1(%rdi);"
			   "call 2f; hlt; 2: mov $5, %eax; ret");

static void code_that_changes_itself_is_translated_again(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, self_modifying);
	assert_int_equal(run(g, 100).reason, VMX_EXIT_HLT);
	assert_int_equal(g->cpu->regs.rbx, 5);
	assert_int_equal(g->cpu->regs.rax, 9);
}

/* Each writes into what it is about to execute, and tells by EAX which bytes that was. */
GUEST_CODE(smc_next, "movb $0x2a, 1f+1(%rip); 1: mov $1, %eax; hlt");
GUEST_CODE(smc_jump, "movb $0x2a, 1f+1(%rip); jmp 1f; 1: mov $1, %eax; hlt");
GUEST_CODE(smc_serialize, "movb $0x2a, 1f+1(%rip); .byte 0x0f, 0x01, 0xe8; 1: mov $1, %eax; hlt");
GUEST_CODE(smc_nops, "movb $0x2a, 1f+1(%rip); nop; nop; nop; 1: mov $1, %eax; hlt");
GUEST_CODE(smc_two_steps, "movb $0, 2f(%rip); movb $0x2a, 1f+1(%rip); 1: mov $1, %eax; hlt;"
			  "2: nop");
GUEST_CODE(smc_length, "mov $0x2a, %eax; movl $0x909090f4, 1f(%rip); 1: mov $1, %eax; hlt");
GUEST_CODE(smc_locked, "mov $0x2a, %cl; mov $1, %eax; lock cmpxchg %cl, 1f+1(%rip);"
		       "1: mov $1, %eax; hlt");
GUEST_CODE(smc_vector, "movl $0x90909090, %eax; movd %eax, %xmm0; pshufd $0, %xmm0, %xmm0;"
		       "mov $0x2a, %eax; movups %xmm0, 1f(%rip); 1: mov $1, %eax;"
		       "nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; hlt");
GUEST_CODE(smc_push, "lea 1f+2(%rip), %rsp; mov $0x2a, %eax; pushw $0x00f4; 1: mov $1, %eax; hlt");
GUEST_CODE(smc_fill, "mov $0x2a, %edx; lea 1f(%rip), %rdi; mov $5, %ecx; mov $0x90, %al; rep stosb;"
		     "mov %edx, %eax; 1: mov $7, %eax; hlt");
GUEST_CODE(smc_copy, "lea 1f+1(%rip), %rdi; lea 2f(%rip), %rsi; mov $4, %ecx; rep movsb;"
		     "1: mov $1, %eax; hlt; 2: .long 0x2a");
GUEST_CODE(smc_fill_page, "lea 1f(%rip), %rdi; mov $2000, %ecx; mov $0xf4, %eax; rep stosb;"
			  "1: mov $1, %eax; hlt");
GUEST_CODE(smc_loop, "mov $10, %ecx; 1: incb 2f+1(%rip); 2: mov $32, %eax; dec %ecx; jnz 1b; hlt");

static void code_sees_what_it_has_just_written(void **state)
{
	static const struct {
		const char *name;
		const uint8_t *code, *end;
		uint32_t wanted;
	} cases[] = {
#define CASE(name, wanted) {#name, name, name##_end, wanted}
		CASE(smc_next, 0x2a),	   CASE(smc_jump, 0x2a),   CASE(smc_serialize, 0x2a),
		CASE(smc_nops, 0x2a),	   CASE(smc_length, 0x2a), CASE(smc_two_steps, 0x2a),
		CASE(smc_locked, 0x2a),	   CASE(smc_vector, 0x2a), CASE(smc_push, 0x2a),
		CASE(smc_fill, 0x2a),	   CASE(smc_copy, 0x2a),   CASE(smc_loop, 42),
		CASE(smc_fill_page, 0xf4),
#undef CASE
	};
	unsigned i, k;

	(void)state;
	/* k: 1 seen before, so that the page is known to hold code; 2 one instruction at a time */
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (k = 0; k < 4; k++) {
			const unsigned len = (unsigned)(cases[i].end - cases[i].code);
			struct x86_exit x;
			struct guest g;

			assert_int_equal(g_open(&g), 0);
			g_put(&g, G_CODE, cases[i].code, len);
			if (k & 1) {
				g_put(&g, G_CODE + 0x800, halt, 1);
				g.cpu->rip = G_CODE + 0x800;
				run(&g, 10);
				g.cpu->rip = G_CODE;
			}
			do {
				x = run(&g, k & 2 ? 1 : 10000);
			} while (x.reason == X86_EXIT_BUDGET);
			assert_int_equal(x.reason, VMX_EXIT_HLT);
			if ((uint32_t)g.cpu->regs.rax != cases[i].wanted)
				fail_msg("%s, %u: %x", cases[i].name, k, (uint32_t)g.cpu->regs.rax);
			g_close(&g);
		}
	}
}

static void code_changed_behind_a_flush_is_translated_again(void **state)
{
	struct guest *g = *state;

	load(g, G_CODE, five);
	g->cpu->regs.rax = 0;
	run(g, 100);
	assert_int_equal(g->cpu->regs.rax, 5);
	/* without telling x86_code_written(): as a page that was removed and added again */
	memcpy(g->ram + G_CODE, halt, 1);
	x86_tlb_flush_gpa(g->cpu, G_CODE);
	g->cpu->rip = G_CODE;
	g->cpu->regs.rax = 0;
	run(g, 100);
	assert_int_equal(g->cpu->regs.rax, 0);
	assert_int_equal(g->cpu->rip, G_CODE);
}

GUEST_CODE(add_and_swap,
	   "1: lock incq (%rdi); lock xaddq %rax, 8(%rdi); mov %rcx, %rax;"
	   "2: mov 16(%rdi), %rax; lea 3(%rax), %rbx; lock cmpxchg %rbx, 16(%rdi); jnz 2b;"
	   "mov $1, %eax; dec %ecx; jnz 1b; hlt");

static void *run_other(void *cpu)
{
	struct x86_exit x;

	x86_run(cpu, &x, UINT64_MAX);
	return NULL;
}

static void locked_instructions_are_atomic_between_processors(void **state)
{
	struct guest *g = *state;
	struct x86_cpu *cpus[2] = {g->cpu, x86_cpu_new(g->code, g->cpu->ops, g)};
	pthread_t t[2];
	unsigned i;

	load(g, G_CODE, add_and_swap);
	for (i = 0; i < 2; i++) {
		struct x86_cpu *c = cpus[i];

		if (i) {
			c->cr0 = g->cpu->cr0;
			c->cr3 = g->cpu->cr3;
			c->cr4 = g->cpu->cr4;
			c->efer = g->cpu->efer;
			memcpy(c->seg, g->cpu->seg, sizeof(c->seg));
			c->rip = G_CODE;
			x86_state_changed(c);
		}
		c->regs.rdi = G_DATA;
		c->regs.rax = 1;
		c->regs.rcx = 300000;
	}
	for (i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, run_other, cpus[i]);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(*g_q(g, G_DATA), 600000);
	assert_int_equal(*g_q(g, G_DATA + 8), 600000);
	assert_int_equal(*g_q(g, G_DATA + 16), 1800000);
	x86_cpu_free(cpus[1]);
}

/* One processor changes a function that another has already executed. */
GUEST_CODE(wait_and_call, "call 2f; mov %eax, %ebx; movl $1, (%rdi); 1: cmpl $2, (%rdi); jne 1b;"
			  "call 2f; hlt; 2: mov $5, %eax; ret");
GUEST_CODE(change_other, "1: cmpl $1, (%rdi); jne 1b; movb $9, (%rsi); movl $2, (%rdi); hlt");

static void code_changed_by_another_processor_is_translated_again(void **state)
{
	struct guest *g = *state;
	struct x86_cpu *c = x86_cpu_new(g->code, g->cpu->ops, g);
	pthread_t t;

	load(g, G_CODE, wait_and_call);
	load(g, G_CODE + 0x1000, change_other);
	c->cr0 = g->cpu->cr0;
	c->cr3 = g->cpu->cr3;
	c->cr4 = g->cpu->cr4;
	c->efer = g->cpu->efer;
	memcpy(c->seg, g->cpu->seg, sizeof(c->seg));
	c->rip = G_CODE + 0x1000;
	c->regs.rdi = g->cpu->regs.rdi = G_DATA;
	c->regs.rsi = G_CODE + (unsigned)(wait_and_call_end - wait_and_call) - 5;
	x86_state_changed(c);
	pthread_create(&t, NULL, run_other, c);
	assert_int_equal(run(g, UINT64_MAX).reason, VMX_EXIT_HLT);
	pthread_join(t, NULL);
	assert_int_equal(g->cpu->regs.rbx, 5);
	assert_int_equal(g->cpu->regs.rax, 9);
	x86_cpu_free(c);
}

/* --- XSAVE --- */

GUEST_CODE(save_restore, "mov $3, %eax; xor %edx, %edx; xsave (%rdi); pxor %xmm3, %xmm3; fninit;"
			 "xrstor (%rdi); hlt");

static void xrstor_brings_back_what_xsave_kept(void **state)
{
	struct guest *g = *state;

	g->cpu->cr4 |= CR4_OSXSAVE;
	g->cpu->xcr0 = 3;
	g->cpu->xmm[3] = (struct x86_xmm){{1, 2}};
	g->cpu->fx.fcw = 0x27f;
	g->cpu->fx.mxcsr = 0x1fa0;
	g->cpu->regs.rdi = G_DATA;
	x86_state_changed(g->cpu);
	load(g, G_CODE, save_restore);
	assert_int_equal(run(g, 100).reason, VMX_EXIT_HLT);
	assert_int_equal(g->cpu->xmm[3].q[1], 2);
	assert_int_equal(g->cpu->fx.fcw, 0x27f);
	assert_int_equal(g->cpu->fx.mxcsr, 0x1fa0);
	assert_int_equal(*g_q(g, G_DATA + 512), 3);
}

GUEST_CODE(no_fpu, "pxor %xmm0, %xmm0");

static void vectors_with_the_task_switched_bit_are_not_available(void **state)
{
	struct guest *g = *state;

	with_handler(g, 7);
	g->cpu->cr0 |= CR0_TS;
	x86_state_changed(g->cpu);
	load(g, G_CODE, no_fpu);
	expect_at_handler(g);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_guest, g_close_state)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ud2_pushes_its_own_address_and_no_error_code),
		T(int3_returns_after_itself),
		T(int_n_from_user_code_needs_a_gate_of_its_privilege),
		T(division_by_zero_leaves_registers_alone),
		T(page_faults_have_the_error_code_of_their_cause),
		T(a_write_sets_accessed_and_dirty_and_a_read_only_accessed),
		T(what_a_ring_may_not_do_is_a_protection_fault),
		T(far_loads_take_pointer_and_selector_or_nothing),
		T(a_fault_while_delivering_a_fault_is_a_double_fault_then_a_triple),
		T(ist_gives_its_own_stack),
		T(syscall_and_sysret_go_there_and_back),
		T(iret_to_user_code_takes_the_whole_frame),
		T(iret_with_a_null_code_segment_is_a_general_protection_fault),
		T(reset_state_enters_long_mode),
		T(compatibility_mode_wraps_at_four_gigabytes),
		T(segment_limits_hold_for_all_bytes_of_an_operand),
		T(every_linear_address_of_32_bit_code_has_32_bits),
		T(an_operand_across_the_top_of_32_bit_code_goes_on_at_zero),
		T(a_masked_store_is_done_whole_or_not_at_all),
		T(implied_operands_are_held_to_their_segment),
		T(flat_segments_are_written_as_their_type_allows),
		T(a_page_fault_in_a_segment_with_a_base_names_its_instruction),
		T(code_is_found_by_its_segment_and_not_by_rip_alone),
		T(a_product_leaves_the_other_flags_to_the_guest),
		T(an_exit_leaves_rip_at_the_instruction),
		T(port_accesses_are_described_in_the_qualification),
		T(an_ept_violation_can_be_repaired_and_retried),
		T(an_access_across_pages_changes_nothing_when_the_second_is_missing),
		T(a_violation_while_delivering_an_event_names_the_event),
		T(a_repeated_copy_stops_at_the_fault_and_goes_on),
		T(avx_is_undefined_until_xcr0_has_it),
		T(an_instruction_of_cpuid_that_the_engine_lacks_stops_with_its_bytes),
		T(host_owned_control_bits_exit_only_when_they_change),
		T(an_interrupt_waits_for_the_instruction_after_sti),
		T(a_kick_ends_an_endless_loop),
		T(a_kick_does_not_take_a_budget_of_one),
		T(the_budget_is_exact),
		T(the_trap_flag_steps_through_idt),
		T(a_breakpoint_stops_before_its_instruction_once),
		T(a_data_breakpoint_traps_after_the_access),
		T(an_instruction_breakpoint_faults_once_and_rf_lets_it_pass),
		T(a_host_that_asks_for_debug_exceptions_gets_the_bits_and_dr6_stays),
		T(general_detect_faults_and_is_off_in_the_handler),
		T(a_repeated_copy_traps_after_each_element),
		T(misaligned_user_operands_fault_when_asked_for),
		T(a_translation_stays_until_it_is_flushed),
		T(invlpg_ends_a_stale_translation),
		T(a_link_holds_for_its_own_flush_only_however_many_there_were),
		T(code_that_changes_itself_is_translated_again),
		T(code_sees_what_it_has_just_written),
		T(code_changed_behind_a_flush_is_translated_again),
		T(locked_instructions_are_atomic_between_processors),
		T(code_changed_by_another_processor_is_translated_again),
		T(xrstor_brings_back_what_xsave_kept),
		T(vectors_with_the_task_switched_bit_are_not_available),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
