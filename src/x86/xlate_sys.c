/* SPDX-License-Identifier: MIT */
/* The system instructions that a kernel executes at every turn and that are emitted: PUSHF, CLI,
 * and cache lines written back where nobody models caches. */
#include "x86/system.h"
#include "x86/xlate.h"

#define FIELD(name) rm_at(H_R15, (int32_t)offsetof(struct x86_cpu, name))

enum { CC_NE = 5, AND = 4, OR = 1 };

/* x86_rflags(), to where PUSH takes it from. */
static void pushf(struct xl_unit *u)
{
	struct emit *e = &u->e;
	struct host_rm fl = FIELD(fl), high = fl;

	high.disp++;
	xl_flags_clobber(u);
	emit_op(e, 4, OPC_0F | 0xb6, H_RAX, fl); /* movzbl: OF */
	emit_op(e, 4, OPC_0F | 0xb6, H_R11, high);
	emit_op(e, 4, 0xc1, 4, rm_reg(H_RAX)); /* shl */
	emit1(e, 11);
	emit_alu_imm(e, 4, AND, rm_reg(H_R11), 0xd5);
	emit_op(e, 4, 0x0b, H_RAX, rm_reg(H_R11));
	emit_alu_imm(e, 4, OR, rm_reg(H_RAX), 2);
	emit_op(e, 8, 0x0b, H_RAX, FIELD(sysflags));
	emit_alu_imm(e, 8, AND, rm_reg(H_RAX), ~(int64_t)(RFLAGS_RF | RFLAGS_VM));
	emit_store(e, 8, FIELD(spill), H_RAX);
	xl_push(u, (struct xl_value){.kind = V_SPILL});
}

/* At CPL 0, which no IOPL forbids; what runs at 1 or 2 is the handler's. */
static void cli(struct xl_unit *u)
{
	struct emit *e = &u->e;

	xl_flags_clobber(u);
	emit_op(e, 1, 0x80, 7, FIELD(cpl)); /* cmpb */
	emit1(e, 0);
	xl_tailout_at(u, emit_jcc_later(e, CC_NE));
	emit_alu_imm(e, 8, AND, FIELD(sysflags), ~(int64_t)RFLAGS_IF);
}

/* A page that may be read has nothing more to be said of it; the handler has the others. */
static bool cache_line(struct xl_unit *u)
{
	if (u->cpu->ops->cache_line || !xl_ea(u, &u->o[0]))
		return false;
	xl_direct(u, 1, false);
	return true;
}

bool xl_sys(struct xl_unit *u)
{
	if (u->nops != 1)
		return false;
	if (u->op->fn == x86_cache_line)
		return cache_line(u);
	if (u->op->fn == x86_pushf && u->op->sc == xl_word(u))
		pushf(u);
	else if (u->op->fn == x86_cli && !(u->block->mode & M_USER))
		cli(u);
	else
		return false;
	return true;
}
