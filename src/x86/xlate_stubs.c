/* SPDX-License-Identifier: MIT */
/* The ways between emitted code and C, made once for all processors of a guest.
 *
 * Emitted code runs on the stack that C had when it called `enter`, 16-byte aligned, with nothing
 * of its own on it; it never calls emitted code. All that it calls may leave by longjmp(): so the
 * guest's registers are in struct x86_cpu before C is called. */
#include "x86/x87.h"
#include "x86/xlate.h"

#define FIELD(name) rm_at(H_R15, (int32_t)offsetof(struct x86_cpu, name))

enum { CC_E = 4, CC_NE = 5 };

#define MXCSR_MASKS 0x1f80

static struct host_rm vector(unsigned i)
{
	return rm_at(H_R15, (int32_t)(offsetof(struct x86_cpu, xmm) + i * sizeof(struct x86_xmm)));
}

static struct host_rm mxcsr(void)
{
	return rm_at(H_R15,
		     (int32_t)(offsetof(struct x86_cpu, fx) + offsetof(struct x86_fxregs, mxcsr)));
}

static const uint8_t saved[] = {H_RBX, H_RBP, H_R12, H_R13, H_R14, H_R15};

static bool preserved(unsigned reg)
{
	return reg == H_RBX || reg == H_RBP || reg >= H_R12;
}

/* Put the guest's vectors and MXCSR away, if the host has them. Flags change, nothing else. */
static void put_vectors_away(struct emit *e)
{
	uint8_t *none;
	unsigned i;

	emit_op(e, 1, 0x80, 7, FIELD(vectors)); /* cmpb $0 */
	emit1(e, 0);
	none = emit_jcc_later(e, CC_E);
	xl_vex_put_away(e);
	for (i = 0; i < 16; i++)
		emit_op(e, 4, OPC_0F | 0x29, i, vector(i)); /* movaps */
	emit_op(e, 4, OPC_0F | 0xae, 3, mxcsr());	    /* stmxcsr */
	emit_op(e, 4, OPC_0F | 0xae, 2, FIELD(host_mxcsr)); /* ldmxcsr */
	emit_op(e, 1, 0xc6, 0, FIELD(vectors));		    /* movb $0 */
	emit1(e, 0);
	emit_lands(e, none);
}

static void fetch_vectors(struct emit *e)
{
	unsigned i;

	emit_op(e, 4, OPC_0F | 0xae, 3, FIELD(host_mxcsr));
	emit_op(e, 4, OPC_0F | 0xae, 2, mxcsr());
	for (i = 0; i < 16; i++)
		emit_op(e, 4, OPC_0F | 0x28, i, vector(i));
	emit_op(e, 1, 0xc6, 0, FIELD(vectors));
	emit1(e, 1);
}

/* XSAVE or XRSTOR of the x87 state alone. Changes RAX, which is in spilled[0] as RDX is in
 * spilled[1], and comes back with them as they were; flags stay. */
static void x87_component(struct emit *e, unsigned ext)
{
	emit_mov_imm(e, H_RAX, 1);
	emit_mov_imm(e, H_RDX, 0);
	emit_op(e, 8, OPC_0F | 0xae, ext, FIELD(fx));
}

static void copy(struct emit *e, unsigned size, struct host_rm to, struct host_rm from)
{
	emit_load(e, size, H_RAX, from);
	emit_store(e, size, to, H_RAX);
}

/* The pointers, between the image and where emitted code has them. */
static void copy_last(struct emit *e, bool to_image)
{
	const struct host_rm mine[] = {FIELD(x87_fip), FIELD(x87_fdp), FIELD(x87_fop)},
			     image[] = {FIELD(fx.fip), FIELD(fx.fdp), FIELD(fx.fop)};
	unsigned i;

	for (i = 0; i < 3; i++)
		copy(e, i == 2 ? 2 : 8, to_image ? image[i] : mine[i],
		     to_image ? mine[i] : image[i]);
}

static void keep_rax_rdx(struct emit *e, bool back)
{
	if (back) {
		emit_load(e, 8, H_RAX, FIELD(spilled[0]));
		emit_load(e, 8, H_RDX, FIELD(spilled[1]));
	} else {
		emit_store(e, 8, FIELD(spilled[0]), H_RAX);
		emit_store(e, 8, FIELD(spilled[1]), H_RDX);
	}
}

/* Like the vectors. */
static void put_x87_away(struct emit *e)
{
	uint8_t *none;

	emit_op(e, 1, 0x80, 7, FIELD(x87)); /* cmpb $0 */
	emit1(e, 0);
	none = emit_jcc_later(e, CC_E);
	keep_rax_rdx(e, false);
	x87_component(e, 4); /* xsave64 */
	emit1(e, 0xdb);	     /* fninit */
	emit1(e, 0xe3);
	copy_last(e, true);
	emit_op(e, 1, 0xc6, 0, FIELD(x87)); /* movb $0 */
	emit1(e, 0);
	keep_rax_rdx(e, true);
	emit_lands(e, none);
}

static void fetch_x87(struct emit *e)
{
	keep_rax_rdx(e, false);
	copy_last(e, false);
	emit_op(e, 8, 0xc7, 0, FIELD(fx_header[0])); /* movq $1: it is there */
	emit_imm(e, 4, 1);
	x87_component(e, 5); /* xrstor64 */
	emit_op(e, 1, 0xc6, 0, FIELD(x87));
	emit1(e, 1);
	keep_rax_rdx(e, true);
}

static void put_away(struct emit *e)
{
	unsigned g;

	put_vectors_away(e);
	put_x87_away(e);
	for (g = 0; g < 16; g++)
		if (xl_home[g] != H_NONE)
			emit_store(e, 8, xl_slot(g), xl_home[g]);
}

/* all: else those that a call of C destroys */
static void fetch(struct emit *e, bool all)
{
	unsigned g;

	for (g = 0; g < 16; g++)
		if (xl_home[g] != H_NONE && (all || !preserved(xl_home[g])))
			emit_load(e, 8, xl_home[g], xl_slot(g));
}

static void push(struct emit *e, unsigned reg)
{
	if (reg & 8)
		emit1(e, 0x41);
	emit1(e, 0x50 | (reg & 7));
}

static void pop(struct emit *e, unsigned reg)
{
	if (reg & 8)
		emit1(e, 0x41);
	emit1(e, 0x58 | (reg & 7));
}

static void ret(struct emit *e)
{
	emit1(e, 0xc3);
}

static void sub_rsp(struct emit *e, int n)
{
	emit_alu_imm(e, 8, n < 0 ? 0 : 5, rm_reg(H_RSP), n < 0 ? -n : n);
}

static void call_c(struct emit *e, const void *fn)
{
	emit_mov_imm(e, H_RAX, (uint64_t)(uintptr_t)fn);
	emit_op(e, 4, 0xff, 2, rm_reg(H_RAX));
}

static const uint8_t *start(struct emit *e)
{
	while ((uintptr_t)e->p & 15)
		emit1(e, 0xcc);
	return emit_here(e);
}

static void make_enter(struct emit *e, struct xl_stubs *s)
{
	unsigned i;

	s->enter = start(e);
	for (i = 0; i < sizeof(saved); i++)
		push(e, saved[i]);
	sub_rsp(e, 8);
	emit_mov_rr(e, 8, H_R15, H_RDI);
	emit_mov_rr(e, 8, H_RAX, H_RSI);
	fetch(e, true);
	emit_op(e, 4, 0xff, 4, rm_reg(H_RAX));
}

/* To C with RAX; the guest's registers are where they belong. */
static void back_to_c(struct emit *e)
{
	unsigned i;

	sub_rsp(e, -8);
	for (i = sizeof(saved); i-- > 0;)
		pop(e, saved[i]);
	ret(e);
}

/* A function of cpu and RSI that says what to do next. */
static void ask_c(struct emit *e, const void *fn)
{
	emit_mov_rr(e, 8, H_RDI, H_R15);
	call_c(e, fn);
	back_to_c(e);
}

static void make_ways_out(struct emit *e, struct xl_stubs *s, bool check)
{
	s->leave = start(e);
	put_away(e);
	back_to_c(e);

	s->goes = start(e);
	put_away(e);
	emit_mov_rr(e, 8, H_RSI, H_RAX);
	ask_c(e, (const void *)xl_goto);

	s->again = start(e);
	put_away(e);
	emit_load(e, 8, H_RSI, FIELD(blkrip));
	ask_c(e, (const void *)xl_goto);

	s->relink = start(e);
	put_away(e);
	emit_mov_rr(e, 8, H_RSI, H_R11);
	ask_c(e, (const void *)xl_relink);

	s->attend = start(e);
	put_away(e);
	ask_c(e, check ? (const void *)xl_check_attend : (const void *)xl_attend);

	s->ops = start(e);
	put_away(e);
	emit_load(e, 8, H_RAX, rm_at(H_R11, offsetof(struct x86_block, ops)));
	back_to_c(e);

	s->tailout = start(e);
	put_away(e);
	emit_mov_rr(e, 8, H_RSI, H_RAX);
	if (check) {
		ask_c(e, (const void *)xl_check_stop);
		return;
	}
	emit_mov_rr(e, 8, H_RDI, H_R15);
	emit_op(e, 4, 0xff, 2, rm_at(H_RSI, offsetof(struct x86_op, fn)));
	back_to_c(e);
}

static void make_callout(struct emit *e, struct xl_stubs *s)
{
	uint8_t *on;

	s->callout = start(e);
	put_away(e);
	sub_rsp(e, 8);
	emit_mov_rr(e, 8, H_RSI, H_RAX);
	emit_mov_rr(e, 8, H_RDI, H_R15);
	emit_op(e, 4, 0xff, 2, rm_at(H_RSI, offsetof(struct x86_op, fn)));
	sub_rsp(e, -8);
	emit_op(e, 8, 0x85, H_RAX, rm_reg(H_RAX));
	on = emit_skip(e, CC_E);
	sub_rsp(e, -8); /* it does not come back */
	back_to_c(e);
	emit_skip_lands(e, on);
	fetch(e, true);
	ret(e);
}

/* RAX: the address, R11: the operation, R14: what is stored. The result of a load or of a change is
 * in RAX. */
static void make_access(struct emit *e, const void *fn, unsigned size, bool store)
{
	put_away(e);
	sub_rsp(e, 8);
	emit_mov_rr(e, 8, H_RDX, H_RAX);
	emit_mov_rr(e, 8, H_RSI, H_R11);
	emit_mov_rr(e, 8, H_RDI, H_R15);
	if (store) {
		emit_mov_rr(e, 8, H_RCX, H_R14);
		emit_mov_imm(e, H_R8, size);
	} else {
		emit_mov_imm(e, H_RCX, size);
	}
	call_c(e, fn);
	sub_rsp(e, -8);
	fetch(e, false);
	ret(e);
}

/* After a change: flags and all registers are the guest's still. */
static void make_rmw_done(struct emit *e, struct xl_stubs *s)
{
	s->rmw_done = start(e);
	emit1(e, 0x9c); /* pushfq */
	push(e, H_RAX);
	push(e, H_R11);
	put_away(e);
	emit_mov_rr(e, 8, H_RDI, H_R15);
	call_c(e, (const void *)xl_rmw_done);
	fetch(e, false);
	pop(e, H_R11);
	pop(e, H_RAX);
	emit1(e, 0x9d); /* popfq */
	ret(e);
}

/* Unless an exception of floating point is not masked: ZF is 0 then. */
static void try_xmm(struct emit *e)
{
	uint8_t *unmasked;

	emit_load(e, 4, H_R11, mxcsr());
	emit_op(e, 4, 0xf7, 2, rm_reg(H_R11)); /* not */
	emit_op(e, 4, 0xf7, 0, rm_reg(H_R11)); /* test */
	emit4(e, MXCSR_MASKS);
	unmasked = emit_jcc_later(e, CC_NE);
	fetch_vectors(e);
	emit_lands(e, unmasked);
}

static void make_vectors(struct emit *e, struct xl_stubs *s)
{
	uint8_t *have, *done;
	unsigned level;

	for (level = XL_XMM; level < XL_LEVELS; level++) {
		s->vectors[level] = start(e);
		fetch_vectors(e);
		if (level > XL_XMM)
			xl_vex_fetch(e, level);
		ret(e);
	}

	s->try_vectors[XL_XMM] = start(e);
	try_xmm(e);
	ret(e);
	for (level = XL_YMM; level < XL_LEVELS; level++) {
		s->try_vectors[level] = start(e);
		emit_op(e, 1, 0x80, 7, FIELD(vectors)); /* cmpb $0 */
		emit1(e, XL_NONE);
		have = emit_jcc_later(e, CC_NE);
		try_xmm(e);
		done = emit_jcc_later(e, CC_NE);
		emit_lands(e, have);
		xl_vex_try(e, level);
		emit_lands(e, done);
		ret(e);
	}
}

static void make_x87(struct emit *e, struct xl_stubs *s)
{
	uint8_t *unmasked;

	s->x87 = start(e);
	fetch_x87(e);
	ret(e);

	s->try_x87 = start(e);
	emit_op(e, 4, OPC_0F | 0xb7, H_R11, FIELD(fx.fcw)); /* movzwl */
	emit_op(e, 4, 0xf7, 2, rm_reg(H_R11));		    /* not */
	emit_op(e, 4, 0xf7, 0, rm_reg(H_R11));		    /* test */
	emit4(e, FCW_MASKS);
	unmasked = emit_jcc_later(e, CC_NE);
	fetch_x87(e);
	emit_lands(e, unmasked);
	ret(e);
}

void xl_make_stubs(struct emit *e, struct xl_stubs *s, bool check)
{
	unsigned i;

	make_enter(e, s);
	make_ways_out(e, s, check);
	make_callout(e, s);
	for (i = 0; i < 4; i++) {
		s->load[i] = start(e);
		make_access(e, (const void *)x86_ld_slow, 1u << i, false);
		s->store[i] = start(e);
		make_access(e, check ? (const void *)xl_check_store : (const void *)x86_st_slow,
			    1u << i, true);
		s->rmw[i] = start(e);
		make_access(e, check ? (const void *)xl_check_rmw : (const void *)x86_rmw_slow,
			    1u << i, false);
	}
	s->pop = start(e);
	make_access(e, (const void *)xl_pop, 4, false);
	s->push = start(e);
	make_access(e, check ? (const void *)xl_check_push : (const void *)xl_push_slow, 4, true);
	make_rmw_done(e, s);
	make_vectors(e, s);
	make_x87(e, s);
}
