/* SPDX-License-Identifier: MIT */
/* Where the guest's flags are. An instruction that makes them leaves them in the host's; what
 * destroys those, as the checks of an access do, has them put into cpu->fl before. That takes
 * longer than most instructions, and most flags are made anew before anybody reads them. So where
 * they can be made again from what is in registers they are not put away: that is their recipe, and
 * it is followed by whoever wants them: an instruction that reads them, and, out of the way, what
 * faults or is called.
 *
 * Only instructions of defers() know of recipes. Before any other, and before a register of the
 * recipe is changed by what makes no new flags, they are put away. */
#include "x86/system.h"
#include "x86/xlate.h"

#define FIELD(name) rm_at(H_R15, (int32_t)offsetof(struct x86_cpu, name))

enum { RSP = 4 };
enum { ADD = 0, SUB = 5, CMP = 7 };
enum { OPC_TEST = 0x84 };

bool xl_flags_pending(const struct xl_unit *u)
{
	return !u->flags_host && !u->flags_mem;
}

void xl_flags_fetch(struct xl_unit *u)
{
	emit_op(&u->e, 4, OPC_0F | 0xb7, H_RAX, FIELD(fl)); /* movzwl fl, %eax */
	emit1(&u->e, 0x04);				    /* add $127, %al */
	emit1(&u->e, 127);
	emit1(&u->e, 0x9e); /* sahf */
}

/* bt $8, fl */
void xl_flags_fetch_carry(struct xl_unit *u)
{
	emit_op(&u->e, 2, OPC_0F | 0xba, 4, FIELD(fl));
	emit1(&u->e, 8);
}

void xl_flags_store(struct xl_unit *u)
{
	emit1(&u->e, 0x9f);				    /* lahf */
	emit_op(&u->e, 1, OPC_0F | 0x90, 0, rm_reg(H_RAX)); /* seto %al */
	emit_store(&u->e, 2, FIELD(fl), H_RAX);
}

/* What was added is taken away and added again, and the other way round. */
static void add_again(struct xl_unit *u, const struct xl_recipe *r)
{
	const unsigned first = r->kind == R_ADD ? SUB : ADD, then = r->kind == R_ADD ? ADD : SUB;
	const unsigned wide = r->size > 1 ? 3 : 2; /* from ModRM to a register */
	const struct host_rm to = rm_reg(H_R14);

	emit_mov_rr(&u->e, 8, H_R14, xl_use(u, r->a, H_R14));
	if (r->constant) {
		emit_alu_imm(&u->e, r->size, first, to, r->imm);
		emit_alu_imm(&u->e, r->size, then, to, r->imm);
	} else {
		emit_op(&u->e, r->size, first * 8 + wide, H_R14, xl_place(r->b));
		emit_op(&u->e, r->size, then * 8 + wide, H_R14, xl_place(r->b));
	}
}

void xl_flags_cook(struct xl_unit *u, const struct xl_recipe *r)
{
	struct emit *e = &u->e;

	if (r->kind == R_ADD || r->kind == R_SUB) {
		add_again(u, r);
	} else if (r->constant && r->kind == R_CMP) {
		emit_alu_imm(e, r->size, CMP, xl_place(r->a), r->imm);
	} else if (r->constant) {
		emit_op(e, r->size, r->size == 1 ? 0xf6 : 0xf7, 0, xl_place(r->a));
		emit_imm(e, r->size, (uint64_t)r->imm);
	} else {
		emit_op(e, r->size,
			(r->kind == R_CMP ? CMP * 8u : (unsigned)OPC_TEST) + (r->size > 1),
			xl_use(u, r->b, H_R14), xl_place(r->a));
	}
}

void xl_flags_sync(struct xl_unit *u)
{
	if (u->flags_mem)
		return;
	if (!u->flags_host) {
		xl_flags_cook(u, &u->recipe);
		u->flags_host = true;
	}
	xl_flags_store(u);
	u->flags_mem = true;
}

void xl_flags_load(struct xl_unit *u)
{
	if (xl_flags_pending(u))
		xl_flags_cook(u, &u->recipe);
	else if (!u->flags_host)
		xl_flags_fetch(u);
	u->flags_host = true;
}

void xl_flags_carry(struct xl_unit *u)
{
	if (!u->flags_host)
		xl_flags_fetch_carry(u);
}

void xl_flags_clobber(struct xl_unit *u)
{
	if (!u->defers || !u->recipe.kind)
		xl_flags_sync(u);
	u->flags_host = false;
}

void xl_flags_new(struct xl_unit *u)
{
	u->flags_host = true;
	u->flags_mem = false;
	u->recipe.kind = R_NONE;
}

/* Those of the host that are defined, into cpu->fl: LAHF, AND, OR 2, and no overflow. */
void xl_flags_defined(struct xl_unit *u, unsigned defined)
{
	struct emit *e = &u->e;

	emit1(e, 0x9f); /* lahf */
	emit1(e, 0x80); /* and $defined, %ah */
	emit1(e, 0xe4);
	emit1(e, defined);
	emit1(e, 0x80); /* or $2, %ah */
	emit1(e, 0xcc);
	emit1(e, 0x02);
	emit1(e, 0xb0); /* mov $0, %al */
	emit1(e, 0);
	emit_store(e, 2, FIELD(fl), H_RAX);
	u->flags_host = false;
	u->flags_mem = true;
}

/* --- which instructions --- */

/* All flags become others, and nothing of the old ones is read. */
static bool makes_all(const struct xl_unit *u)
{
	switch (u->in.mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_TEST:
		return true;
	default:
		return false;
	}
}

static bool is_jcc(const struct xl_unit *u)
{
	return u->in.meta.category == ZYDIS_CATEGORY_COND_BR &&
	       (u->in.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT ? (u->in.opcode & 0xf0) == 0x70
							     : (u->in.opcode & 0xf0) == 0x80);
}

static bool defers(const struct xl_unit *u)
{
	switch (u->in.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
	case ZYDIS_MNEMONIC_LEA:
	case ZYDIS_MNEMONIC_PUSH:
	case ZYDIS_MNEMONIC_POP:
		return true;
	default:
		return makes_all(u) || is_jcc(u) || u->op->fn == x86_nop;
	}
}

static bool changes(const struct xl_unit *u, unsigned guest)
{
	unsigned i;

	if (guest == RSP &&
	    (u->in.mnemonic == ZYDIS_MNEMONIC_PUSH || u->in.mnemonic == ZYDIS_MNEMONIC_POP))
		return true;
	for (i = 0; i < u->in.operand_count_visible; i++)
		if (u->o[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    (u->o[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
		    x86_tr_reg(u->o[i].reg.value) / 8 == guest)
			return true;
	return false;
}

void xl_flags_before(struct xl_unit *u)
{
	const struct xl_recipe *r = &u->recipe;

	u->defers = defers(u);
	if (!r->kind || u->flags_mem)
		return;
	if (u->defers &&
	    (makes_all(u) || (!changes(u, r->a) && (r->constant || !changes(u, r->b)))))
		return;
	if (xl_flags_pending(u))
		xl_flags_sync(u);
	u->recipe.kind = R_NONE;
}
