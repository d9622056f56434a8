/* SPDX-License-Identifier: MIT */
/* Events and far transfers, most of them outside long mode, in the order of the SDM's operations:
 * what is checked before what, with which error code, and that a fault leaves all as it was. And
 * how wide everything is that a 16-bit gate or TSS has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "x86/state.h"
#include "x86_guest.h"

enum { TS = 10, NP = 11, SS = 12, GP = 13 };

/* Descriptors. Those that begin with U are ring 3's; short code ends where BEYOND is. */
#define CODE	     0x08u
#define DATA	     0x10u
#define SHORT_CODE   0x18u
#define ABSENT_CODE  0x20u
#define UDATA	     0x2bu
#define UCODE	     0x33u
#define USHORT_CODE  0x3bu
#define ABSENT_UDATA 0x43u
#define TIGHT	     0x48u
#define ABSENT_DATA  0x50u
#define TASK	     0x58u
#define A_TSS	     0x60u
#define SHORT_TSS    0x68u
#define ABSENT_TSS   0x70u
#define BUSY_TSS     0x78u
#define TSS_OF_16    0x80u
#define TASK_GATE_AT 0x88u
#define CALL_GATE_16 0x90u
#define ABSENT_GATE  0x98u

static const uint64_t descriptors[] = {
	0,
	0x00cf9b000000ffff,
	0x00cf93000000ffff,
	0x004f9b000000ffff,
	0x004f1b000000ffff,
	0x00cff3000000ffff,
	0x00cffb000000ffff,
	0x004ffb000000ffff,
	0x00cf73000000ffff,
	0,
	0x00cf13000000ffff,
	0,
	0x0000890000000067,
	0x0000890000000066,
	0x0000090000000067,
	0x00008b0000000067,
	0x000081000000002b,
	0x0000e50000000000 | A_TSS << 16,
	0x0000840000000000 | CODE << 16,
	0x00000c0000000000 | CODE << 16,
};

#define WITHIN	     0x0f0000u
#define BEYOND	     0x100000u /* SHORT_CODE's limit */
#define LOW	     0xf000u   /* for an offset of 16 bits */
#define INNER	     (G_STACK - 0x1000)
#define INNER16	     0xe000u /* in a 16-bit TSS */
#define VECTOR	     0x40u
#define TASK_GATE    5u
#define INT16_GATE   6u
#define TRAP16_GATE  7u
#define INT_GATE     14u
#define AR_EXPANDING 4u /* downwards */

#define ABSENT(gate) ((gate) & ~(1ull << 47))
#define GATE(type, sel, offset)                                                                    \
	(((offset)&0xffffull) | (uint64_t)(sel) << 16 | (0xe0ull | (type)) << 40 |                 \
	 (uint64_t)((offset) >> 16) << 48)

#define INT                                                                                        \
	{                                                                                          \
		0xcd, VECTOR                                                                       \
	}
#define INT1                                                                                       \
	{                                                                                          \
		0xf1                                                                               \
	}
#define RETF                                                                                       \
	{                                                                                          \
		0xcb                                                                               \
	}
#define RETFW                                                                                      \
	{                                                                                          \
		0x66, 0xcb                                                                         \
	}
#define IRET                                                                                       \
	{                                                                                          \
		0xcf                                                                               \
	}
#define IRETW                                                                                      \
	{                                                                                          \
		0x66, 0xcf                                                                         \
	}
#define FAR(op, sel, offset)                                                                       \
	{                                                                                          \
		(op), (offset)&0xff, (offset) >> 8 & 0xff, (offset) >> 16 & 0xff, (offset) >> 24,  \
			(sel)                                                                      \
	}
#define CALL(sel, offset) FAR(0x9a, sel, offset)
#define JMP(sel, offset)  FAR(0xea, sel, offset)

#define LEAVES_FOR(by, sel)                                                                        \
	.leaves = VMX_EXIT_TASK_SWITCH, .qualification = VMX_TASK_SWITCH(by, sel)

/* How it begins, besides. */
enum {
	RING3 = 1,
	EXTERNAL = 2, /* an interrupt instead of the instruction */
	TSS16 = 4,
	BAD_SS = 8,  /* the TSS has an absent one */
	NESTED = 16, /* the link of the TSS is what begins stack16 */
};

struct row {
	const char *name;
	uint8_t code[8];
	unsigned how;
	uint64_t gate;
	/* So many bytes may be pushed, or popped; 0: enough. */
	unsigned push_room, pop_room, inner_room;
	unsigned tss_limit; /* 0: enough */
	uint32_t stack[5];
	uint16_t stack16[5];
	/* A fault, or so many bytes of a frame, or an exit. */
	unsigned vector, error;
	int frame;
	unsigned leaves;
	uint64_t qualification;
};

static const struct row rows[] = {
	/* the gate */
	{"an absent gate", INT, 0, ABSENT(GATE(INT_GATE, CODE, BEYOND)), .vector = NP,
	 .error = VECTOR * 8 + 2},
	{"an absent gate, interrupt", INT, EXTERNAL, ABSENT(GATE(INT_GATE, CODE, BEYOND)),
	 .vector = NP, .error = VECTOR * 8 + 3},
	{"an absent gate, INT1", INT1, 0, ABSENT(GATE(INT_GATE, CODE, BEYOND)), .vector = NP,
	 .error = 8 + 3},
	{"an absent gate of a task", INT, 0, ABSENT(GATE(TASK_GATE, TASK, 0u)), .vector = NP,
	 .error = VECTOR * 8 + 2},
	{"absent code", INT, 0, GATE(INT_GATE, ABSENT_CODE, BEYOND), .push_room = 4, .vector = NP,
	 .error = ABSENT_CODE},
	{"no code", INT, EXTERNAL, GATE(INT_GATE, DATA, BEYOND), .vector = GP, .error = DATA | 1},
	/* the same ring */
	{"beyond the limit", INT, 0, GATE(INT_GATE, SHORT_CODE, BEYOND), .vector = GP},
	{"beyond the limit, interrupt", INT, EXTERNAL, GATE(INT_GATE, SHORT_CODE, BEYOND),
	 .vector = GP, .error = 1},
	{"beyond the limit, INT1", INT1, 0, GATE(INT_GATE, SHORT_CODE, BEYOND), .vector = GP,
	 .error = 1},
	{"no room, beyond the limit", INT, 0, GATE(INT_GATE, SHORT_CODE, BEYOND), .push_room = 11,
	 .vector = SS},
	{"no room, interrupt", INT, EXTERNAL, GATE(INT_GATE, SHORT_CODE, WITHIN), .push_room = 11,
	 .vector = SS, .error = 1},
	{"room", INT, 0, GATE(INT_GATE, SHORT_CODE, WITHIN), .push_room = 12, .frame = 12},
	{"no room, 16 bits", INT, 0, GATE(INT16_GATE, CODE, LOW), .push_room = 5, .vector = SS},
	{"room, 16 bits", INT, 0, GATE(INT16_GATE, CODE, LOW), .push_room = 6, .frame = 6},
	/* an inner one */
	{"TSS too short", INT, RING3, GATE(INT_GATE, SHORT_CODE, BEYOND), .tss_limit = 8,
	 .vector = TS, .error = TASK},
	{"TSS too short, interrupt", INT, RING3 | EXTERNAL, GATE(INT_GATE, SHORT_CODE, BEYOND),
	 .tss_limit = 8, .vector = TS, .error = TASK | 1},
	{"TSS long enough", INT, RING3, GATE(INT_GATE, CODE, WITHIN), .tss_limit = 9, .frame = 20},
	{"16-bit TSS too short", INT, RING3 | TSS16, GATE(INT_GATE, SHORT_CODE, BEYOND),
	 .tss_limit = 4, .vector = TS, .error = TASK},
	{"16-bit TSS long enough", INT, RING3 | TSS16, GATE(INT_GATE, CODE, WITHIN), .tss_limit = 5,
	 .frame = 20},
	{"absent stack", INT, RING3 | BAD_SS, GATE(INT_GATE, SHORT_CODE, BEYOND), .vector = SS,
	 .error = ABSENT_DATA},
	{"no inner room, beyond the limit", INT, RING3, GATE(INT_GATE, SHORT_CODE, BEYOND),
	 .inner_room = 19, .vector = SS, .error = TIGHT},
	{"no inner room, interrupt", INT, RING3 | EXTERNAL, GATE(INT_GATE, SHORT_CODE, WITHIN),
	 .inner_room = 19, .vector = SS, .error = TIGHT | 1},
	{"inner room, beyond the limit", INT, RING3, GATE(INT_GATE, SHORT_CODE, BEYOND),
	 .inner_room = 20, .vector = GP},
	{"inner room", INT, RING3, GATE(INT_GATE, SHORT_CODE, WITHIN), .inner_room = 20,
	 .frame = 20},
	{"no inner room, 16 bits", INT, RING3, GATE(INT16_GATE, CODE, LOW), .inner_room = 9,
	 .vector = SS, .error = TIGHT},
	{"inner room, 16 bits", INT, RING3, GATE(INT16_GATE, CODE, LOW), .inner_room = 10,
	 .frame = 10},
	/* far CALL and JMP */
	{"jump beyond the limit", JMP(SHORT_CODE, BEYOND), .vector = GP},
	{"jump to absent code", JMP(ABSENT_CODE, BEYOND), .vector = NP, .error = ABSENT_CODE},
	{"jump", JMP(SHORT_CODE, WITHIN), .frame = 0},
	{"call beyond the limit", CALL(SHORT_CODE, BEYOND), .vector = GP},
	{"call to absent code, no room", CALL(ABSENT_CODE, BEYOND), .push_room = 4, .vector = NP,
	 .error = ABSENT_CODE},
	{"call beyond the limit, no room", CALL(SHORT_CODE, BEYOND), .push_room = 7, .vector = SS},
	{"call", CALL(SHORT_CODE, WITHIN), .push_room = 8, .frame = 8},
	/* gates and tasks */
	{"jump to a task", JMP(A_TSS, 0u), LEAVES_FOR(VMX_TASK_BY_JMP, A_TSS)},
	{"call of a 16-bit task", CALL(TSS_OF_16, 0u), LEAVES_FOR(VMX_TASK_BY_CALL, TSS_OF_16)},
	{"jump to a task by a gate", JMP(TASK_GATE_AT, 0u), LEAVES_FOR(VMX_TASK_BY_JMP, A_TSS)},
	{"call of a task by a gate for all", CALL(TASK_GATE_AT, 0u), RING3,
	 LEAVES_FOR(VMX_TASK_BY_CALL, A_TSS)},
	{"jump to ring 0's task", JMP(A_TSS, 0u), RING3, .vector = GP, .error = A_TSS},
	{"jump to a task by a selector of ring 3", JMP(A_TSS | 3, 0u), .vector = GP,
	 .error = A_TSS},
	{"jump to a busy task", JMP(BUSY_TSS, 0u), .vector = GP, .error = BUSY_TSS},
	{"jump to an absent task", JMP(ABSENT_TSS, 0u), .vector = NP, .error = ABSENT_TSS},
	{"jump to a task that is too short", JMP(SHORT_TSS, 0u), .vector = TS, .error = SHORT_TSS},
	{"an interrupt's task", INT, 0, GATE(TASK_GATE, A_TSS, 0u),
	 LEAVES_FOR(VMX_TASK_BY_GATE, A_TSS)},
	{"an interrupt's busy task", INT, EXTERNAL, GATE(TASK_GATE, BUSY_TSS, 0u), .vector = GP,
	 .error = BUSY_TSS | 1},
	{"an interrupt's task in the LDT", INT, 0, GATE(TASK_GATE, A_TSS | 4, 0u), .vector = GP,
	 .error = A_TSS | 4},
	{"IRET to a task", IRET, NESTED, .stack16 = {BUSY_TSS},
	 LEAVES_FOR(VMX_TASK_BY_IRET, BUSY_TSS)},
	{"IRET to a task that is not busy", IRET, NESTED, .stack16 = {A_TSS}, .vector = TS,
	 .error = A_TSS},
	{"call by a 16-bit gate", CALL(CALL_GATE_16, 0u), .leaves = X86_EXIT_UNSUPPORTED,
	 .qualification = X86_UNSUPPORTED_CALL_GATE},
	{"call by ring 0's gate", CALL(CALL_GATE_16, 0u), RING3, .vector = GP,
	 .error = CALL_GATE_16},
	{"call by an absent gate", CALL(ABSENT_GATE, 0u), .vector = NP, .error = ABSENT_GATE},
	/* far RET */
	{"return, no CS on the stack", RETF, .stack = {BEYOND, 0}, .pop_room = 7, .vector = SS},
	{"return to no code", RETF, .stack = {BEYOND, 0}, .pop_room = 8, .vector = GP},
	{"return to absent code", RETF, .stack = {BEYOND, ABSENT_CODE}, .vector = NP,
	 .error = ABSENT_CODE},
	{"return beyond the limit", RETF, .stack = {BEYOND, SHORT_CODE}, .vector = GP},
	{"return", RETF, .stack = {WITHIN, SHORT_CODE}, .pop_room = 8, .frame = -8},
	{"return outwards, no SS", RETF, .stack = {BEYOND, USHORT_CODE, G_STACK, ABSENT_UDATA},
	 .pop_room = 15, .vector = SS},
	{"return outwards, absent SS", RETF, .stack = {BEYOND, USHORT_CODE, G_STACK, ABSENT_UDATA},
	 .vector = SS, .error = ABSENT_UDATA & ~3u},
	{"return outwards, null SS", RETF, .stack = {BEYOND, USHORT_CODE, G_STACK, 3},
	 .vector = GP},
	{"return outwards beyond the limit", RETF, .stack = {BEYOND, USHORT_CODE, G_STACK, UDATA},
	 .vector = GP},
	{"return outwards", RETF, .stack = {WITHIN, USHORT_CODE, G_STACK + 40, UDATA},
	 .pop_room = 16, .frame = -40},
	{"return outwards, 16 bits", RETFW, .stack16 = {LOW, UCODE, 0x1238, UDATA}, .pop_room = 8,
	 .frame = G_STACK - 0x1238},
	/* IRET */
	{"IRET, no flags on the stack", IRET, .stack = {BEYOND, 0, 2}, .pop_room = 11,
	 .vector = SS},
	{"IRET to no code", IRET, .stack = {BEYOND, 0, 2}, .pop_room = 12, .vector = GP},
	{"IRET to absent code", IRET, .stack = {BEYOND, ABSENT_CODE, 2}, .vector = NP,
	 .error = ABSENT_CODE},
	{"IRET beyond the limit", IRET, .stack = {BEYOND, SHORT_CODE, 2}, .vector = GP},
	{"IRET", IRET, .stack = {WITHIN, SHORT_CODE, 2}, .pop_room = 12, .frame = -12},
	{"IRET, 16 bits", IRETW, .stack16 = {LOW, CODE, 2}, .pop_room = 6, .frame = -6},
	{"IRET outwards, no SS", IRET, .stack = {BEYOND, USHORT_CODE, 2, G_STACK, ABSENT_UDATA},
	 .pop_room = 19, .vector = SS},
	{"IRET outwards, absent SS", IRET, .stack = {BEYOND, USHORT_CODE, 2, G_STACK, ABSENT_UDATA},
	 .vector = SS, .error = ABSENT_UDATA & ~3u},
	{"IRET outwards beyond the limit", IRET, .stack = {BEYOND, USHORT_CODE, 2, G_STACK, UDATA},
	 .vector = GP},
	{"IRET outwards", IRET, .stack = {WITHIN, USHORT_CODE, 2, G_STACK + 40, UDATA},
	 .pop_room = 20, .frame = -40},
	{"IRET outwards, 16 bits", IRETW, .stack16 = {LOW, UCODE, 2, 0x1238, UDATA}, .pop_room = 10,
	 .frame = G_STACK - 0x1238},
};

/* A program in 32-bit code without paging, with a handler wherever it may come to. */
static void open_legacy(struct guest *g, unsigned how)
{
	struct x86_cpu *cpu;
	unsigned i;

	assert_int_equal(g_open(g), 0);
	cpu = g->cpu;
	cpu->cr0 &= ~(uint64_t)CR0_PG;
	cpu->efer = 0;
	memcpy(g->ram + G_GDT, descriptors, sizeof(descriptors));
	cpu->gdtr.limit = sizeof(descriptors) - 1;
	for (i = 0; i < X86_NOSEG; i++)
		g_seg(g, i, how & RING3 ? UDATA : DATA);
	g_seg(g, X86_CS, how & RING3 ? UCODE : CODE);
	cpu->rip = G_CODE + 0x100; /* BEYOND is another place */
	g->ram[WITHIN] = g->ram[BEYOND] = g->ram[LOW] = 0xf4;
	/* all that is not the TSS's stack is something else */
	memset(g->ram + G_TSS, 0xee, 0x68);
	cpu->tr.sel = TASK;
	if (how & TSS16) {
		cpu->tr.ar = 0x83;
		*g_q(g, G_TSS) = 0xeeee00000000eeee | INNER16 << 16 | (uint64_t)DATA << 32;
	} else {
		*g_q(g, G_TSS + 4) = INNER | (uint64_t)DATA << 32;
	}
	x86_state_changed(cpu);
}

static void open_row(struct guest *g, const struct row *r)
{
	const uint64_t ss = (uint64_t)(r->how & BAD_SS ? ABSENT_DATA : TIGHT) << 32;
	struct x86_cpu *cpu;

	open_legacy(g, r->how);
	cpu = g->cpu;
	g_put(g, cpu->rip, r->code, sizeof(r->code));
	*g_q(g, G_IDT + 8) = *g_q(g, G_IDT + VECTOR * 8) = r->gate;
	*g_q(g, G_GDT + TIGHT) = 0x0040970000000000 | (INNER - r->inner_room - 1) % 0x10000 |
				 (uint64_t)((INNER - r->inner_room - 1) >> 16) << 48;
	if (r->inner_room || r->how & BAD_SS)
		*g_q(g, G_TSS + 4) = INNER | ss;
	if (r->tss_limit)
		cpu->tr.limit = r->tss_limit;
	if (r->push_room) {
		cpu->seg[X86_SS].ar |= AR_EXPANDING;
		cpu->seg[X86_SS].limit = G_STACK - r->push_room - 1;
	}
	if (r->pop_room)
		cpu->seg[X86_SS].limit = G_STACK + r->pop_room - 1;
	memcpy(g->ram + G_STACK, r->stack, sizeof(r->stack));
	if (r->stack16[0])
		memcpy(g->ram + G_STACK, r->stack16, sizeof(r->stack16));
	cpu->exception_bitmap = ~(1u << 1);
	x86_state_changed(cpu);
	if (r->how & NESTED) {
		x86_set_rflags(cpu, RFLAGS_NT);
		memcpy(g->ram + G_TSS, r->stack16, 2);
	}
	if (r->how & EXTERNAL)
		x86_inject(cpu, VECTOR, VMX_EVENT_EXTERNAL, false, 0, 0);
}

static bool has_faulted(struct guest *g, const struct row *r, const struct x86_exit *x)
{
	if (x->reason == VMX_EXIT_EXCEPTION_OR_NMI && (x->intr_info & 0xff) == r->vector &&
	    x->intr_error == r->error)
		return true;
	print_message("%s: exit %u at 0x%llx, event 0x%x, error 0x%x\n", r->name, x->reason,
		      (unsigned long long)g->cpu->rip, x->intr_info, x->intr_error);
	return false;
}

static bool is_unchanged(struct guest *g, const struct row *r, const struct x86_saved *before,
			 const uint8_t *ram)
{
	struct x86_saved after;

	x86_save(g->cpu, &after);
	if (memcmp(&before->regs, &after.regs, sizeof(after.regs)) == 0 &&
	    before->rip == after.rip && before->rflags == after.rflags &&
	    memcmp(before->seg, after.seg, sizeof(after.seg)) == 0 &&
	    memcmp(ram, g->ram, G_RAM) == 0)
		return true;
	print_message("%s: something has changed\n", r->name);
	return false;
}

static bool has_come(struct guest *g, const struct row *r, const struct x86_exit *x)
{
	const uint64_t top = !(r->how & RING3) ? G_STACK : r->how & TSS16 ? INNER16 : INNER;
	const struct x86_cpu *cpu = g->cpu;
	/* HLT is not ring 3's */
	const bool halted = x->reason == VMX_EXIT_HLT || (cpu->cpl == 3 && x->intr_error == 0);

	if (halted && (cpu->rip == WITHIN || cpu->rip == LOW) &&
	    cpu->regs.rsp == top - (uint64_t)(int64_t)r->frame)
		return true;
	print_message("%s: exit %u at 0x%llx, event 0x%x, error 0x%x, stack 0x%llx\n", r->name,
		      x->reason, (unsigned long long)cpu->rip, x->intr_info, x->intr_error,
		      (unsigned long long)cpu->regs.rsp);
	return false;
}

static bool has_left(struct guest *g, const struct row *r, const struct x86_exit *x)
{
	const unsigned len = r->code[0] == 0xcd ? 2 : r->code[0] == 0xcf ? 1 : 7;

	if (x->reason == r->leaves && x->qualification == r->qualification &&
	    g->cpu->rip == G_CODE + 0x100 &&
	    (r->leaves == X86_EXIT_UNSUPPORTED || x->insn_len == len))
		return true;
	print_message("%s: exit %u, 0x%llx, length %u, event 0x%x, error 0x%x\n", r->name,
		      x->reason, (unsigned long long)x->qualification, x->insn_len, x->intr_info,
		      x->intr_error);
	return false;
}

static void each_is_checked_in_order_before_anything_changes(void **state)
{
	uint8_t *ram = malloc(G_RAM);
	unsigned wrong = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct x86_saved before;
		struct x86_exit x;
		struct guest g;

		open_row(&g, r);
		memcpy(ram, g.ram, G_RAM);
		x86_save(g.cpu, &before);
		assert_int_equal(x86_run(g.cpu, &x, 100), 0);
		if (r->leaves)
			wrong += !has_left(&g, r, &x);
		else if (!r->vector)
			wrong += !has_come(&g, r, &x);
		else
			wrong += !has_faulted(&g, r, &x) || !is_unchanged(&g, r, &before, ram);
		g_close(&g);
	}
	free(ram);
	assert_int_equal(wrong, 0);
}

static void a_16_bit_gate_has_16_bits_of_everything(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const bool inner = i & 1, trap = i & 2;
		const uint16_t frame[] = {(G_CODE + 0x102) & 0xffff, inner ? UCODE : CODE, 0x206,
					  G_STACK & 0xffff, UDATA};
		const struct row r = {.code = INT,
				      .how = inner ? RING3 | TSS16 : 0,
				      .gate = GATE(trap ? TRAP16_GATE : INT16_GATE, CODE, LOW) |
					      0xdeadull << 48};
		struct x86_exit x;
		struct guest g;

		open_row(&g, &r);
		x86_set_rflags(g.cpu, 0x206);
		assert_int_equal(x86_run(g.cpu, &x, 100), 0);
		assert_int_equal(x.reason, VMX_EXIT_HLT);
		assert_int_equal(g.cpu->rip, LOW);
		assert_int_equal(g.cpu->regs.rsp, inner ? INNER16 - 10 : G_STACK - 6);
		assert_int_equal(x86_rflags(g.cpu), trap ? 0x206 : 6);
		assert_memory_equal(g.ram + g.cpu->regs.rsp, frame, inner ? 10 : 6);
		g_close(&g);
	}
}

static void a_16_bit_gate_pushes_16_bits_of_an_error(void **state)
{
	static const uint16_t frame[] = {DATA, (G_CODE + 0x100) & 0xffff, CODE, 2};
	const struct row r = {.code = JMP(DATA, WITHIN)};
	struct x86_exit x;
	struct guest g;

	(void)state;
	open_row(&g, &r);
	g.cpu->exception_bitmap = 0;
	*g_q(&g, G_IDT + GP * 8) = GATE(INT16_GATE, CODE, LOW);
	assert_int_equal(x86_run(g.cpu, &x, 100), 0);
	assert_int_equal(x.reason, VMX_EXIT_HLT);
	assert_int_equal(g.cpu->rip, LOW);
	assert_memory_equal(g.ram + G_STACK - 8, frame, 8);
	g_close(&g);
}

/* Its pointer goes from 0 to the top, as long as the frame is in one piece. */
static void a_frame_on_a_16_bit_stack_has_its_place_by_16_bits(void **state)
{
	(void)state;
	for (unsigned sp = 0; sp < 16; sp += 4) {
		const struct row r = {"no room", INT, 0, GATE(INT_GATE, CODE, WITHIN),
				      .vector = SS};
		struct x86_exit x;
		struct guest g;

		open_row(&g, &r);
		g.cpu->seg[X86_SS] = (struct x86_seg){0x80000, 0xffff, 0x93, DATA};
		g.cpu->regs.rsp = 0x12340000 + sp;
		x86_state_changed(g.cpu);
		assert_int_equal(x86_run(g.cpu, &x, 100), 0);
		if (sp % 12) {
			assert_true(has_faulted(&g, &r, &x));
		} else {
			const uint32_t sp_then = (uint16_t)(sp - 12);

			assert_int_equal(x.reason, VMX_EXIT_HLT);
			assert_int_equal(g.cpu->regs.rsp, 0x12340000 + sp_then);
			assert_int_equal(*g_q(&g, 0x80000 + sp_then),
					 (G_CODE + 0x102) | (uint64_t)CODE << 32);
		}
		g_close(&g);
	}
}

/* --- long mode --- */

static void a_64_bit_gate_leads_to_a_canonical_address(void **state)
{
	(void)state;
	for (unsigned by_itself = 0; by_itself < 2; by_itself++) {
		struct x86_exit x;
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		g_put(&g, G_CODE, (const uint8_t[])INT, 2);
		g_gate(&g, VECTOR, 1ull << 60, 0, 0);
		g.cpu->exception_bitmap = UINT32_MAX;
		if (by_itself)
			x86_inject(g.cpu, VECTOR, VMX_EVENT_EXTERNAL, false, 0, 0);
		assert_int_equal(x86_run(g.cpu, &x, 100), 0);
		assert_int_equal(x.reason, VMX_EXIT_EXCEPTION_OR_NMI);
		assert_int_equal(x.intr_info & 0xff, GP);
		assert_int_equal(x.intr_error, by_itself);
		assert_int_equal(g.cpu->rip, G_CODE);
		assert_int_equal(g.cpu->regs.rsp, G_STACK);
		g_close(&g);
	}
}

static void a_64_bit_tss_has_its_last_stack_at_its_end(void **state)
{
	(void)state;
	for (unsigned limit = 0x5a; limit <= 0x5b; limit++) {
		struct x86_exit x;
		struct guest g;

		assert_int_equal(g_open(&g), 0);
		g_put(&g, G_CODE, (const uint8_t[])INT, 2);
		g_gate(&g, VECTOR, WITHIN, 0, 7);
		g.ram[WITHIN] = 0xf4;
		*g_q(&g, G_TSS + 0x54) = INNER;
		g.cpu->tr.limit = limit;
		g.cpu->exception_bitmap = UINT32_MAX;
		x86_inject(g.cpu, VECTOR, VMX_EVENT_EXTERNAL, false, 0, 0);
		assert_int_equal(x86_run(g.cpu, &x, 100), 0);
		if (limit == 0x5b) {
			assert_int_equal(x.reason, VMX_EXIT_HLT);
			assert_int_equal(g.cpu->regs.rsp, INNER - 40);
		} else {
			assert_int_equal(x.intr_info & 0xff, TS);
			assert_int_equal(x.intr_error, G_TR | 1);
		}
		g_close(&g);
	}
}

/* As processors do it. */
static void iret_of_16_bits_clears_the_rest_of_rsp(void **state)
{
	static const uint16_t frame[] = {LOW, G_CS64, 2, 0x1238, G_DS};
	struct x86_exit x;
	struct guest g;

	(void)state;
	assert_int_equal(g_open(&g), 0);
	g_put(&g, G_CODE, (const uint8_t[])IRETW, 2);
	memcpy(g.ram + G_STACK, frame, sizeof(frame));
	g.ram[LOW] = 0xf4;
	assert_int_equal(x86_run(g.cpu, &x, 100), 0);
	assert_int_equal(x.reason, VMX_EXIT_HLT);
	assert_int_equal(g.cpu->rip, LOW);
	assert_int_equal(g.cpu->regs.rsp, 0x1238);
	g_close(&g);
}

static void a_far_call_by_a_stack_not_canonical_is_a_stack_fault(void **state)
{
	static const uint8_t code[] = {0xff, 0x1e}; /* lcall *(%rsi) */
	struct x86_exit x;
	struct guest g;

	(void)state;
	assert_int_equal(g_open(&g), 0);
	g_put(&g, G_CODE, code, sizeof(code));
	*g_q(&g, G_DATA) = WITHIN | (uint64_t)G_CS64 << 32;
	g.cpu->regs.rsi = G_DATA;
	g.cpu->regs.rsp = 1ull << 60;
	g.cpu->exception_bitmap = UINT32_MAX;
	assert_int_equal(x86_run(g.cpu, &x, 100), 0);
	assert_int_equal(x.intr_info & 0xff, SS);
	assert_int_equal(x.intr_error, 0);
	g_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_checked_in_order_before_anything_changes),
		cmocka_unit_test(a_16_bit_gate_has_16_bits_of_everything),
		cmocka_unit_test(a_16_bit_gate_pushes_16_bits_of_an_error),
		cmocka_unit_test(a_frame_on_a_16_bit_stack_has_its_place_by_16_bits),
		cmocka_unit_test(a_64_bit_gate_leads_to_a_canonical_address),
		cmocka_unit_test(a_64_bit_tss_has_its_last_stack_at_its_end),
		cmocka_unit_test(iret_of_16_bits_clears_the_rest_of_rsp),
		cmocka_unit_test(a_far_call_by_a_stack_not_canonical_is_a_stack_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
