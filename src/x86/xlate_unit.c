/* SPDX-License-Identifier: MIT */
/* One unit of translated code: a block of the interpreter's.
 *
 * Its layout: [checks of the block's head][instructions]; and elsewhere what is out of the way. */
#include "x86/system.h"
#include "x86/xlate.h"

const uint8_t xl_home[16] = {H_R10, H_RCX,  H_RDX,  H_RBX,  H_R9,  H_RBP, H_RSI,  H_RDI,
			     H_R8,  H_NONE, H_NONE, H_NONE, H_R12, H_R13, H_NONE, H_NONE};

#define FIELD(name) rm_at(H_R15, (int32_t)offsetof(struct x86_cpu, name))

enum { CC_E = 4, CC_NE = 5, CC_A = 7, CC_L = 12 };
enum { ALU_ADD = 0, ALU_AND = 4, ALU_CMP = 7 };

struct host_rm xl_slot(unsigned guest)
{
	return rm_at(H_R15, (int32_t)guest * 8);
}

struct host_rm xl_place(unsigned guest)
{
	return xl_home[guest] == H_NONE ? xl_slot(guest) : rm_reg(xl_home[guest]);
}

unsigned xl_use(struct xl_unit *u, unsigned guest, unsigned scratch)
{
	if (xl_home[guest] != H_NONE)
		return xl_home[guest];
	emit_load(&u->e, 8, scratch, xl_slot(guest));
	return scratch;
}

unsigned xl_make(struct xl_unit *u, unsigned guest, unsigned scratch, bool keep)
{
	if (xl_home[guest] != H_NONE)
		return xl_home[guest];
	if (keep)
		emit_load(&u->e, 8, scratch, xl_slot(guest));
	return scratch;
}

void xl_made(struct xl_unit *u, unsigned guest, unsigned in)
{
	if (xl_home[guest] == H_NONE)
		emit_store(&u->e, 8, xl_slot(guest), in);
}

void xl_put(struct xl_unit *u, unsigned guest, unsigned size, unsigned from)
{
	if (xl_home[guest] != H_NONE) {
		emit_mov_rr(&u->e, size, xl_home[guest], from);
	} else if (size == 4) {
		emit_mov_rr(&u->e, 4, H_R11, from);
		emit_store(&u->e, 8, xl_slot(guest), H_R11);
	} else {
		emit_store(&u->e, size, xl_slot(guest), from);
	}
}

/* --- what is out of the way --- */

static struct xl_cold *cold(struct xl_unit *u, enum xl_cold_kind kind, uint8_t *from)
{
	struct xl_cold *c = &u->colds[u->ncolds];

	if (u->ncolds + 1 < XL_COLDS)
		u->ncolds++;
	else
		u->failed = true;
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->from = from;
	c->op = u->op;
	c->vectors = u->vectors;
	c->x87 = u->x87;
	c->last = u->last;
	c->recipe = xl_flags_pending(u) ? u->recipe : (struct xl_recipe){.kind = R_NONE};
	c->save = !u->flags_mem;
	return c;
}

static unsigned size_log2(unsigned size)
{
	return size == 8 ? 3 : size == 4 ? 2 : size == 2 ? 1 : 0;
}

/* --- memory --- */

static bool address(struct xl_unit *u, const ZydisDecodedOperand *o, struct host_rm *m)
{
	const ZydisDecodedOperandMem *mem = &o->mem;
	int64_t disp = mem->disp.has_displacement ? mem->disp.value : 0;
	const bool rip = mem->base == ZYDIS_REGISTER_RIP || mem->base == ZYDIS_REGISTER_EIP;

	if (rip)
		disp += u->off + u->in.length;
	if (disp != (int32_t)disp || u->in.address_width == 16)
		return false;
	*m = (struct host_rm){true, H_NONE, H_NONE, 0, (int32_t)disp};
	if (rip) {
		emit_load(&u->e, 8, H_RAX, FIELD(blkrip));
		m->reg = H_RAX;
	} else if (mem->base != ZYDIS_REGISTER_NONE) {
		m->reg = (uint8_t)xl_use(u, x86_tr_reg(mem->base) / 8, H_RAX);
	}
	if (mem->index != ZYDIS_REGISTER_NONE) {
		m->index = (uint8_t)xl_use(u, x86_tr_reg(mem->index) / 8, H_R11);
		m->scale = mem->scale == 8 ? 3 : mem->scale == 4 ? 2 : mem->scale == 2 ? 1 : 0;
	}
	return true;
}

/* An index cannot be RSP's number, but its home is another. */
bool xl_lea(struct xl_unit *u, const ZydisDecodedOperand *o, unsigned size, unsigned to)
{
	struct host_rm m;

	if (!address(u, o, &m))
		return false;
	emit_lea(&u->e, u->in.address_width == 32 ? 4 : size, to, m);
	return true;
}

static struct host_rm seg_field(unsigned seg, size_t field)
{
	return rm_at(H_R15, (int32_t)(offsetof(struct x86_cpu, seg) + seg * sizeof(struct x86_seg) +
				      field));
}

/* Outside 64-bit code: the interpreter has the segments that are no data of 4 GiB, which may be
 * written, and what goes past the end of those that are. The offset is in EAX. */
static void within(struct xl_unit *u, unsigned seg, unsigned size)
{
	struct emit *e = &u->e;

	emit_alu_imm(e, 4, ALU_CMP, seg_field(seg, offsetof(struct x86_seg, limit)), -1);
	xl_tailout_at(u, emit_jcc_later(e, CC_NE));
	emit_load(e, 4, H_R11, seg_field(seg, offsetof(struct x86_seg, ar)));
	emit_alu_imm(e, 4, ALU_AND, rm_reg(H_R11), SEG_AR_UNUSABLE | 0xe);
	emit_alu_imm(e, 4, ALU_CMP, rm_reg(H_R11), 2);
	xl_tailout_at(u, emit_jcc_later(e, CC_NE));
	if (size > 1) {
		emit_alu_imm(e, 4, ALU_CMP, rm_reg(H_RAX), -(int)size);
		xl_tailout_at(u, emit_jcc_later(e, CC_A));
	}
}

/* An address of 32-bit code is cut twice: as an offset by LEA, and with the base added. */
bool xl_ea(struct xl_unit *u, const ZydisDecodedOperand *o)
{
	const unsigned seg = o->mem.segment == ZYDIS_REGISTER_FS   ? X86_FS
			     : o->mem.segment == ZYDIS_REGISTER_GS ? X86_GS
								   : X86_NOSEG;
	const bool narrow = xl_word(u) == 4;

	if (narrow && o->mem.segment == ZYDIS_REGISTER_CS &&
	    (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		return false;
	xl_flags_clobber(u);
	if (!xl_lea(u, o, 8, H_RAX))
		return false;
	if (seg == X86_NOSEG)
		return true;
	if (narrow)
		within(u, seg, o->size / 8u);
	emit_op(&u->e, narrow ? 4 : 8, 0x03, H_RAX, seg_field(seg, offsetof(struct x86_seg, base)));
	return true;
}

#ifdef X86_CHECK_HOST
#define CHECKED true
#else
#define CHECKED false
#endif

/* The host's address of `size` bytes at RAX, in RAX; or where the jump is that is taken if the TLB
 * has no direct entry for all of them. Where both engines are compared no store is direct, as each
 * is taken back; where pointers are checked nothing is, as x86_host() has to see them. */
static uint8_t *check(struct xl_unit *u, unsigned size, bool write)
{
	struct emit *e = &u->e;
	const int32_t tag = write ? offsetof(struct x86_tlbe, w) : offsetof(struct x86_tlbe, r);
	uint8_t *miss;

	static_assert(sizeof(struct x86_tlbe) == 32, "shifted by 12 - 5");
	emit_mov_rr(e, 4, H_R11, H_RAX);
	emit_op(e, 4, 0xc1, 5, rm_reg(H_R11)); /* shr $7, %r11d */
	emit1(e, 7);
	emit_alu_imm(e, 4, 4, rm_reg(H_R11), (TLB_SIZE - 1) << 5);
	emit_op(e, 8, 0x03, H_R11, FIELD(tlb));
	emit_lea(e, 8, H_R14, rm_at(H_RAX, (int32_t)size - 1));
	emit_alu_imm(e, 8, 4, rm_reg(H_R14), -4096);
	if (CHECKED || (u->check && write))
		emit_alu_imm(e, 8, 7, rm_reg(H_R15), 0); /* cmp: it is not */
	else
		emit_op(e, 8, 0x3b, H_R14, rm_at(H_R11, tag));
	miss = emit_jcc_later(e, CC_NE);
	emit_op(e, 8, 0x03, H_RAX, rm_at(H_R11, offsetof(struct x86_tlbe, addend)));
	return miss;
}

void xl_direct(struct xl_unit *u, unsigned size, bool write)
{
	xl_tailout_at(u, check(u, size, write));
}

void xl_tailout_at(struct xl_unit *u, uint8_t *from)
{
	cold(u, COLD_TAILOUT, from);
}

void xl_vectors_later(struct xl_unit *u, uint8_t *from, unsigned level)
{
	struct xl_cold *c = cold(u, COLD_VECTORS, from);

	c->back = emit_here(&u->e);
	c->count = level;
}

void xl_x87_later(struct xl_unit *u, uint8_t *from)
{
	cold(u, COLD_X87, from)->back = emit_here(&u->e);
}

static void load(struct xl_unit *u, unsigned size, bool stack)
{
	struct xl_cold *c = cold(u, COLD_LOAD, check(u, size, false));

	c->size = size;
	c->stack = stack;
	if (size <= 2)
		emit_op(&u->e, 4, OPC_0F | (size == 1 ? 0xb6 : 0xb7), H_RAX, rm_at(H_RAX, 0));
	else
		emit_load(&u->e, size, H_RAX, rm_at(H_RAX, 0));
	c->back = emit_here(&u->e);
}

void xl_load(struct xl_unit *u, unsigned size)
{
	load(u, size, false);
}

void xl_load_stack(struct xl_unit *u)
{
	load(u, xl_word(u), xl_word(u) == 4);
}

/* The value in a register, for a store: its own, or scratch. */
static unsigned value_in(struct xl_unit *u, const struct xl_value *v, unsigned scratch)
{
	switch (v->kind) {
	case V_REG:
		return xl_use(u, v->reg, scratch);
	case V_IMM:
		emit_mov_imm(&u->e, scratch, v->imm);
		break;
	case V_RIP:
		emit_load(&u->e, xl_word(u), scratch, FIELD(blkrip));
		emit_lea(&u->e, xl_word(u), scratch, rm_at(scratch, (int32_t)v->imm));
		break;
	case V_SPILL:
		emit_load(&u->e, 8, scratch, FIELD(spill));
		break;
	}
	return scratch;
}

/* The operation for a store to the stack, whose own operand in memory may be elsewhere. */
static const struct x86_op *on_stack(struct xl_unit *u)
{
	struct x86_op *op;

	if (u->op->fl & OPF_SS)
		return u->op;
	op = xl_callout_ops(u->cpu, 1);
	if (!op) {
		u->failed = true;
		return u->op;
	}
	*op = *u->op;
	op->fl |= OPF_SS;
	return op;
}

static struct xl_cold *store(struct xl_unit *u, unsigned size, struct xl_value v)
{
	struct xl_cold *c = cold(u, COLD_STORE, check(u, size, true));

	c->size = size;
	c->value = v;
	emit_op(&u->e, size, size == 1 ? 0x88 : 0x89, value_in(u, &v, H_R11), rm_at(H_RAX, 0));
	c->back = emit_here(&u->e);
	return c;
}

void xl_store(struct xl_unit *u, unsigned size, struct xl_value v)
{
	store(u, size, v);
}

void xl_store_stack(struct xl_unit *u, struct xl_value v)
{
	struct xl_cold *c = store(u, xl_word(u), v);

	c->op = on_stack(u);
	c->stack = xl_word(u) == 4;
}

/* The change itself, at RAX. */
static void change(struct xl_unit *u, const struct xl_change *c)
{
	struct emit *e = &u->e;
	unsigned at = H_RAX;
	uint8_t *same;

	if (c->carry)
		xl_flags_fetch_carry(u);
	if (c->all || c->kind == C_CMPXCHG) {
		emit_mov_rr(e, 8, H_R14, H_RAX);
		at = H_R14;
	}
	if (c->all)
		xl_flags_fetch(u);
	switch (c->kind) {
	case C_REG:
		emit_op(e, c->size, c->opc, xl_use(u, c->reg, H_R11), rm_at(at, 0));
		break;
	case C_IMM:
		emit_op(e, c->size, c->opc, c->ext, rm_at(at, 0));
		emit_imm(e, c->size, c->imm);
		break;
	case C_IMM8:
		emit_op(e, c->size, c->opc, c->ext, rm_at(at, 0));
		emit_imm(e, 1, c->imm);
		break;
	case C_ALONE:
		emit_op(e, c->size, c->opc, c->ext, rm_at(at, 0));
		break;
	case C_XCHG:
	case C_XADD: /* what was there is in R11 afterwards */
		emit_mov_rr(e, 8, H_R11, xl_use(u, c->reg, H_R11));
		emit_op(e, c->size, c->opc, H_R11, rm_at(at, 0));
		break;
	case C_CMPXCHG:
		emit_mov_rr(e, 8, H_RAX, xl_home[0]);
		emit_op(e, c->size, c->opc, xl_use(u, c->reg, H_R11), rm_at(at, 0));
		same = emit_skip(e, CC_E);
		emit_mov_rr(e, 8, xl_home[0], H_RAX);
		emit_skip_lands(e, same);
		break;
	}
}

void xl_change(struct xl_unit *u, struct xl_change c)
{
	struct xl_cold *k = cold(u, COLD_CHANGE, check(u, c.size, true));

	k->size = c.size;
	k->change = c;
	change(u, &c);
	k->back = emit_here(&u->e);
}

/* --- ways out --- */

static void count_down(struct xl_unit *u, unsigned count)
{
	if (count)
		emit_alu_imm(&u->e, 8, 5, FIELD(left), count);
}

/* Both ends are on the page that the unit was made from. */
static bool on_page(const struct x86_block *b, int64_t delta)
{
	const int64_t at = (int64_t)((uintptr_t)b->host & 0xfff) + delta;

	return at >= 0 && at < 0x1000;
}

void xl_exit(struct xl_unit *u, struct x86_link *link, unsigned count)
{
	struct emit *e = &u->e;

	xl_last_tell(u, H_R11);
	count_down(u, count);
	if (link->delta == 0) {
		emit_jmp(e, u->entry);
		return;
	}
	if (link->delta != (int32_t)link->delta)
		u->failed = true;
	emit_alu_imm(e, xl_word(u), ALU_ADD, FIELD(blkrip), link->delta);
	emit_mov_imm(e, H_R11, (uint64_t)(uintptr_t)link);
	if (on_page(u->block, link->delta)) {
		emit_load(e, 8, H_RAX, FIELD(gen_page));
	} else {
		emit_load(e, 8, H_RAX, rm_at(H_R11, offsetof(struct x86_link, which)));
		emit_load(e, 8, H_RAX, (struct host_rm){true, H_R15, H_RAX, 0, 0});
	}
	emit_op(e, 8, 0x3b, H_RAX, rm_at(H_R11, offsetof(struct x86_link, gen)));
	emit_jcc(e, CC_NE, u->stubs->relink);
	emit_op(e, 4, 0xff, 4, rm_at(H_R11, offsetof(struct x86_link, code)));
}

void xl_exit_later(struct xl_unit *u, uint8_t *from, struct x86_link *link, unsigned count)
{
	struct xl_cold *c = cold(u, COLD_EXIT, from);

	c->link = link;
	c->count = count;
}

void xl_canonical(struct xl_unit *u)
{
	struct emit *e = &u->e;

	emit_mov_rr(e, 8, H_R11, H_RAX);
	emit_op(e, 8, 0xc1, 4, rm_reg(H_R11)); /* shl $16 */
	emit1(e, 16);
	emit_op(e, 8, 0xc1, 7, rm_reg(H_R11)); /* sar $16 */
	emit1(e, 16);
	emit_op(e, 8, 0x3b, H_R11, rm_reg(H_RAX));
	cold(u, COLD_TAILOUT, emit_jcc_later(e, CC_NE));
}

void xl_find(struct xl_unit *u, bool keep)
{
	const enum xl_cold_kind miss = keep ? COLD_TAILOUT : COLD_GOTO;
	struct emit *e = &u->e;
	struct xl_cold *other;

	emit_mov_rr(e, 8, H_R11, H_RAX);
	emit_op(e, 8, 0xc1, 5, rm_reg(H_R11)); /* shr */
	emit1(e, JC_BITS);
	emit_op(e, 4, 0x33, H_R11, rm_reg(H_RAX));
	emit_alu_imm(e, 4, 4, rm_reg(H_R11), (1 << JC_BITS) - 1);
	static_assert(sizeof(struct jc_entry) == 32, "shifted by 5");
	emit_op(e, 4, 0xc1, 4, rm_reg(H_R11)); /* shl */
	emit1(e, 5);
	emit_op(e, 8, 0x03, H_R11, FIELD(jumps));
	emit_op(e, 8, 0x3b, H_RAX, rm_at(H_R11, offsetof(struct jc_entry, rip)));
	cold(u, miss, emit_jcc_later(e, CC_NE));
	emit_load(e, 8, H_R14, FIELD(jc_key));
	emit_op(e, 8, 0x3b, H_R14, rm_at(H_R11, offsetof(struct jc_entry, key)));
	other = cold(u, miss, emit_jcc_later(e, CC_NE));
	other->global = true;
	other->back = emit_here(e);
	emit_load(e, 8, H_R11, rm_at(H_R11, offsetof(struct jc_entry, block)));
}

void xl_go(struct xl_unit *u, unsigned count)
{
	xl_last_tell(u, H_R14);
	count_down(u, count);
	emit_store(&u->e, 8, FIELD(blkrip), H_RAX);
	emit_op(&u->e, 4, 0xff, 4, rm_at(H_R11, offsetof(struct x86_block, code)));
}

/* The handler is a call away, its operations copied, with the marker behind. */
void xl_callout(struct xl_unit *u)
{
	struct x86_op *ops;

	xl_flags_sync(u);
	u->flags_host = false;
	xl_last_tell(u, H_R11);
	if (u->ended || u->check) {
		emit_mov_imm(&u->e, H_RAX, (uint64_t)(uintptr_t)u->op);
		emit_jmp(&u->e, u->stubs->tailout);
		return;
	}
	u->callouts++;
	u->vectors = XL_NONE;
	u->x87 = false;
	ops = xl_callout_ops(u->cpu, u->nops + 1);
	if (!ops) {
		u->failed = true;
		return;
	}
	memcpy(ops, u->op, u->nops * sizeof(*ops));
	memset(&ops[u->nops], 0, sizeof(*ops));
	ops[u->nops].fn = xl_go_on;
	emit_mov_imm(&u->e, H_RAX, (uint64_t)(uintptr_t)ops);
	emit_call(&u->e, u->stubs->callout);
}

/* --- the whole --- */

static void emit_cold(struct xl_unit *u, const struct xl_cold *c)
{
	const struct xl_stubs *s = u->stubs;
	const unsigned size = size_log2(c->size);
	const uint64_t op = (uint64_t)(uintptr_t)c->op;
	struct emit *e = &u->e;
	unsigned in;

	emit_lands(e, c->from);
	if (c->kind == COLD_EXIT && c->save)
		xl_flags_store(u);
	if (c->global) {
		emit_load(e, 8, H_R14, FIELD(jc_key_global));
		emit_op(e, 8, 0x3b, H_R14, rm_at(H_R11, offsetof(struct jc_entry, key)));
		emit_jcc(e, CC_E, c->back);
	}
	if (c->recipe.kind) { /* what is called, or gone to, finds them */
		emit_mov_rr(e, 8, H_R11, H_RAX);
		xl_flags_cook(u, &c->recipe);
		xl_flags_store(u);
		emit_mov_rr(e, 8, H_RAX, H_R11);
	}
	if (c->kind != COLD_EXIT)
		xl_last_put(u, &c->last, H_R11);
	switch (c->kind) {
	case COLD_LOAD:
		emit_mov_imm(e, H_R11, op);
		emit_call(e, c->stack ? s->pop : s->load[size]);
		break;
	case COLD_STORE:
		in = value_in(u, &c->value, H_R14);
		if (in != H_R14)
			emit_mov_rr(e, 8, H_R14, in);
		emit_mov_imm(e, H_R11, op);
		emit_call(e, c->stack ? s->push : s->store[size]);
		break;
	case COLD_CHANGE:
		emit_mov_imm(e, H_R11, op);
		emit_call(e, s->rmw[size]);
		change(u, &c->change);
		emit_call(e, s->rmw_done);
		break;
	case COLD_EXIT:
		u->last = c->last;
		xl_exit(u, c->link, c->count);
		return;
	case COLD_TAILOUT:
		emit_mov_imm(e, H_RAX, op);
		emit_jmp(e, s->tailout);
		return;
	case COLD_VECTORS:
		emit_call(e, s->try_vectors[c->count]);
		emit_jcc(e, CC_E, c->back);
		emit_mov_imm(e, H_RAX, op);
		emit_jmp(e, s->tailout);
		return;
	case COLD_X87:
		emit_call(e, s->try_x87);
		emit_jcc(e, CC_E, c->back);
		emit_mov_imm(e, H_RAX, op);
		emit_jmp(e, s->tailout);
		return;
	case COLD_GOTO:
		emit_alu_imm(e, 8, 5, FIELD(left), c->op->n + 1);
		emit_jmp(e, s->goes);
		return;
	}
	if (c->vectors) /* put away by what was called */
		emit_call(e, s->vectors[c->vectors]);
	if (c->x87)
		emit_call(e, s->x87);
	emit_jmp(e, c->back);
}

/* Far from what is on the way, so that more of that is in the caches. */
static void emit_colds(struct xl_unit *u)
{
	const struct emit on_the_way = u->e;
	unsigned i;

	u->e = u->cold;
	for (i = 0; i < u->ncolds; i++)
		emit_cold(u, &u->colds[i]);
	u->cold = u->e;
	u->e = on_the_way;
}

static void one(struct xl_unit *u, const ZydisDecoder *d)
{
	ZydisDecoderContext ctx;
	const unsigned n = u->block->len - u->off;

	if (!ZYAN_SUCCESS(
		    ZydisDecoderDecodeInstruction(d, &ctx, u->block->bytes + u->off, n, &u->in)) ||
	    u->in.length != u->op->len || u->op->fn == x86_ud ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeOperands(d, &ctx, &u->in, u->o,
						     u->in.operand_count_visible))) {
		xl_callout(u);
		return;
	}
	xl_flags_before(u);
	if (!xl_int(u) && !xl_sse(u) && !xl_x87(u) && !xl_bmi(u) && !xl_vex(u) && !xl_sys(u))
		xl_callout(u);
}

bool xl_unit(struct xl_unit *u)
{
	const struct x86_block *b = u->block;
	const struct x86_op *ops = b->ops, *end = ops + b->nops, *last = end - 1;
	const unsigned ninsns = (unsigned)ops->disp;
	const bool falls_out = last->fn == x86_exit_link;
	ZydisDecoder d;
	unsigned i;

	x86_tr_decoder_for(u->cpu, &d, b->mode);
	u->entry = emit_here(&u->e);
	u->flags_host = false;
	u->flags_mem = true;
	u->recipe.kind = R_NONE;
	u->vectors = XL_NONE;
	u->x87 = false;
	u->last.is = false;
	emit_alu_imm(&u->e, 8, 7, FIELD(left), ninsns);
	emit_jcc(&u->e, CC_L, u->stubs->attend);
	emit_alu_imm(&u->e, 4, 7, FIELD(attn), 0);
	emit_jcc(&u->e, CC_NE, u->stubs->attend);
	u->op = ops + 1;
	for (i = 0; i < ninsns; i++) {
		const struct x86_op *next = u->op + 1;

		if (i + 1 == ninsns)
			next = falls_out ? last : end;
		else
			while (next < end && next->n != i + 1)
				next++;
		u->nops = (unsigned)(next - u->op);
		u->off = u->op->off;
		u->ended = i + 1 == ninsns && !falls_out;
		one(u, &d);
		u->op = next;
	}
	if (falls_out) {
		xl_flags_sync(u);
		xl_exit(u, last->link, last->n);
	}
	emit_colds(u);
	return !u->failed && u->e.p < u->e.end && u->cold.p < u->cold.end &&
	       u->callouts * 2 <= ninsns;
}
