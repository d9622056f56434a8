/* SPDX-License-Identifier: MIT */
/* The translator: blocks that are executed often become code of the host's.
 *
 * What is translated is a block of the interpreter's, of 64-bit code or of 32-bit code whose
 * segments are flat, but for FS and GS. Emitted code has most of the guest's registers in the
 * host's, does memory accesses through the TLB in line, and calls the interpreter's handlers for
 * whatever it does not do itself. It lives under the interpreter's rules: `left` is counted at each
 * way out of a block, `attn` looked at before each, faults leave by longjmp() from a helper that
 * has the operation and all registers in struct x86_cpu.
 *
 * xlate_pool.c   memory for the code of a guest's processors, never writable and executable at once
 * xlate_stubs.c  the ways between emitted code and C
 * xlate_unit.c   one block: memory accesses, exits, call-outs
 * xlate_flags.c  where the guest's flags are
 * xlate_int.c    its integer instructions
 * xlate_sse.c    its vector instructions
 * xlate_x87.c    its x87 instructions
 * xlate_bmi.c    BMI and ADX
 * xlate_sys.c    its system instructions
 * xlate_vex.c    its instructions with VEX and EVEX
 * xlate_check.c  both executed and compared
 * xlate.c        when blocks are translated, linked and forgotten */
#ifndef X86_XLATE_H
#define X86_XLATE_H

#include "x86/decode.h"
#include "x86/emit.h"

#define XL_CHUNKS 64u		     /* a processor has at most, */
#define XL_CHUNK  (1u << 20)	     /* how much of the pool a processor takes at a time */
#define XL_HOT	  (XL_CHUNK / 8 * 5) /* of it is for what is on the way; the rest lies apart */
#define XL_UNIT	  (24u << 10)	     /* room for the largest block's code, in either part */

/* struct x86_cpu.vectors: what the host's vector registers have of the guest's. */
enum xl_level { XL_NONE, XL_XMM, XL_YMM, XL_ZMM, XL_LEVELS };

/* The common routines, at the start of the pool. */
struct xl_stubs {
	const uint8_t *enter;  /* (cpu, code): C calls it; emitted code's way out returns from it */
	const uint8_t *leave;  /* RAX: what to do next */
	const uint8_t *goes;   /* RAX: the RIP to go to, which may not be known */
	const uint8_t *relink; /* R11: the link */
	const uint8_t *again;  /* to blkrip, whose block is no more */
	const uint8_t *attend; /* before the block at blkrip */
	const uint8_t *ops;    /* R11: the block, which is to be interpreted */
	const uint8_t *callout; /* RAX: the operation; comes back if it goes on in the block */
	const uint8_t *tailout; /* RAX: the operation, after which the block is left */
	const uint8_t *load[4], *store[4], *rmw[4]; /* by log2 of the size */
	const uint8_t *rmw_done;
	const uint8_t *pop, *push; /* load and store of 4 bytes on a stack that has an end */
	/* By level: load them, flags kept; ZF: done, else an exception is not masked, or there is
	 * no such state. */
	const uint8_t *vectors[XL_LEVELS], *try_vectors[XL_LEVELS];
	const uint8_t *x87, *try_x87; /* the same of the x87 unit */
};

/* What the processors of a guest share of it. */
struct xl_pool;
struct xl_pool *xl_pool_new(bool check);
void xl_pool_free(struct xl_pool *pool);
const struct xl_stubs *xl_pool_stubs(const struct xl_pool *pool);
/* A processor is one of those that share it. */
void xl_pool_join(struct xl_pool *pool);
void xl_pool_leave(struct xl_pool *pool);
/* How many chunks one of them may have, now that there are so many. */
unsigned xl_pool_share(struct xl_pool *pool);
/* A chunk, as it is written to, for a processor that has so many; NULL: it has its share, or all
 * are taken, but for some that are for a processor's first. *rx: how far on it is executed. */
uint8_t *xl_pool_take(struct xl_pool *pool, unsigned has, intptr_t *rx);
void xl_pool_give(struct xl_pool *pool, uint8_t *chunk);
/* check: those for code that is compared with the interpreter. */
void xl_make_stubs(struct emit *e, struct xl_stubs *s, bool check);

/* What emitted code calls. The marker after the operations of a call-out: the block goes on. */
OP(xl_go_on);
const struct x86_op *xl_goto(struct x86_cpu *cpu, uint64_t rip);
const struct x86_op *xl_relink(struct x86_cpu *cpu, struct x86_link *link);
const struct x86_op *xl_attend(struct x86_cpu *cpu);
void xl_rmw_done(struct x86_cpu *cpu);
/* Of a stack outside 64-bit code: the limit of SS is looked at. */
uint64_t xl_pop(struct x86_cpu *cpu, const struct x86_op *op, uint64_t sp, unsigned size);
void xl_push_slow(struct x86_cpu *cpu, const struct x86_op *op, uint64_t sp, uint64_t v,
		  unsigned size);

/* xlate_check.c: the same where both are executed. */
const struct x86_op *xl_check_stop(struct x86_cpu *cpu, const struct x86_op *op);
const struct x86_op *xl_check_attend(struct x86_cpu *cpu);
void xl_check_store(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, uint64_t v,
		    unsigned size);
void xl_check_push(struct x86_cpu *cpu, const struct x86_op *op, uint64_t sp, uint64_t v,
		   unsigned size);
void *xl_check_rmw(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, unsigned size);
int xl_check_open(struct x86_cpu *cpu);
const struct x86_op *xl_check_block(struct x86_cpu *cpu, struct x86_block *b, const void *code);
const void *xl_enter(const struct x86_cpu *cpu);

/* --- one unit --- */

/* Where the guest's registers are: in one of the host's, or H_NONE for struct x86_cpu. RAX, R11
 * and R14 are free, R15 is struct x86_cpu. */
extern const uint8_t xl_home[16];

/* How a value that is stored comes about. */
struct xl_value {
	/* The last two, which only the stack gets: an address, cpu->spill. */
	enum { V_REG, V_IMM, V_RIP, V_SPILL } kind;
	uint8_t reg;  /* V_REG: the guest's */
	uint64_t imm; /* V_RIP: from the block */
};

/* What is done to an operand in memory. */
struct xl_change {
	enum { C_REG, C_IMM, C_IMM8, C_ALONE, C_XCHG, C_XADD, C_CMPXCHG } kind;
	unsigned opc;
	uint8_t ext; /* of the opcode, in ModRM */
	uint8_t size, reg;
	bool carry, all; /* it reads CF, or keeps flags */
	uint64_t imm;
};

enum xl_cold_kind {
	COLD_LOAD,
	COLD_STORE,
	COLD_CHANGE,
	COLD_EXIT,
	COLD_TAILOUT,
	COLD_GOTO,
	COLD_VECTORS,
	COLD_X87
};

/* The last x87 instruction, as long as nobody was told. */
struct xl_last {
	bool is;
	uint16_t fop;
	unsigned off; /* from the block */
};

/* How the flags are made again from registers that still have what they had: by comparing a with b
 * or a constant, by testing, from the result a of adding or taking away. */
struct xl_recipe {
	enum { R_NONE, R_CMP, R_TEST, R_ADD, R_SUB } kind;
	uint8_t size, a, b; /* the guest's registers */
	bool constant;
	int64_t imm;
};

/* What is out of the way: a place jumped from, and where to go on. */
struct xl_cold {
	enum xl_cold_kind kind;
	uint8_t *from;
	const uint8_t *back;
	const struct x86_op *op;
	unsigned size, count;
	uint8_t vectors; /* the host has the guest's when it goes on: enum xl_level */
	bool x87;
	struct xl_last last;
	struct xl_recipe recipe; /* of the flags, which are nowhere */
	bool save;		 /* the host has the flags, cpu->fl has not */
	bool global;		 /* the entry at R11 may be good for all address spaces */
	bool stack;		 /* an access that SS may limit */
	struct xl_value value;
	struct xl_change change;
	struct x86_link *link;
};

#define XL_COLDS 256u

struct xl_unit {
	struct x86_cpu *cpu;
	struct x86_block *block;
	const struct xl_stubs *stubs;
	struct emit e, cold;
	const uint8_t *entry;
	unsigned ncolds, callouts;
	bool failed, check;
	bool has_xsave, has_adx; /* the host */
	/* Where the guest's flags are; both may be true, or none: then there is a recipe. */
	bool flags_host, flags_mem;
	struct xl_recipe recipe;
	bool defers;	 /* the instruction in hand knows of recipes */
	uint8_t vectors; /* the host has the guest's for certain, enum xl_level */
	bool x87;
	struct xl_last last;
	struct xl_cold colds[XL_COLDS];

	/* the instruction in hand */
	ZydisDecodedInstruction in;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	const struct x86_op *op; /* the interpreter's for it */
	unsigned nops;
	unsigned off;
	bool ended;
};

/* Bytes of RIP, RSP and what PUSH pushes: 8, or 4 in 32-bit code, where addresses have as many. */
static inline unsigned xl_word(const struct xl_unit *u)
{
	return u->block->mode & M_L64 ? 8 : 4;
}

/* The host's register with the guest's value: its home, or `scratch` after a load. */
unsigned xl_use(struct xl_unit *u, unsigned guest, unsigned scratch);
/* Where to make the guest's new value, and afterwards put it where it belongs. */
unsigned xl_make(struct xl_unit *u, unsigned guest, unsigned scratch, bool keep);
void xl_made(struct xl_unit *u, unsigned guest, unsigned in);
/* `size` bytes of a host's register become the guest's. */
void xl_put(struct xl_unit *u, unsigned guest, unsigned size, unsigned from);
struct host_rm xl_slot(unsigned guest);
/* The operand where ModRM can name it. */
struct host_rm xl_place(unsigned guest);

void xl_flags_before(struct xl_unit *u);  /* the instruction in hand, which is decoded */
void xl_flags_sync(struct xl_unit *u);	  /* in memory, too; changes RAX, R14 */
void xl_flags_load(struct xl_unit *u);	  /* in the host, too; changes RAX, R14 */
void xl_flags_carry(struct xl_unit *u);	  /* CF at least */
void xl_flags_clobber(struct xl_unit *u); /* what follows destroys the host's */
void xl_flags_new(struct xl_unit *u);	  /* the host has the guest's new ones */
bool xl_flags_pending(const struct xl_unit *u);
/* Code alone: from memory, into memory, by a recipe, which changes R14. */
void xl_flags_fetch(struct xl_unit *u);
void xl_flags_fetch_carry(struct xl_unit *u);
void xl_flags_store(struct xl_unit *u);
void xl_flags_cook(struct xl_unit *u, const struct xl_recipe *r);
/* Those of the host that `defined` has, the others 0: LAHF's bits. RAX is used. */
void xl_flags_defined(struct xl_unit *u, unsigned defined);

/* Operand o's address in RAX. False: not one that is done here. */
bool xl_ea(struct xl_unit *u, const ZydisDecodedOperand *o);
/* The same without the segment, in any register, flags kept: LEA. */
bool xl_lea(struct xl_unit *u, const ZydisDecodedOperand *o, unsigned size, unsigned to);
/* With the address in RAX: the value in RAX, zero-extended; flags clobbered, RAX's first. */
void xl_load(struct xl_unit *u, unsigned size);
void xl_store(struct xl_unit *u, unsigned size, struct xl_value v);
void xl_change(struct xl_unit *u, struct xl_change c);
/* The same of a word on the stack. */
void xl_load_stack(struct xl_unit *u);
void xl_store_stack(struct xl_unit *u, struct xl_value v);
void xl_push(struct xl_unit *u, struct xl_value v);
void xl_exit(struct xl_unit *u, struct x86_link *link, unsigned count);
void xl_exit_later(struct xl_unit *u, uint8_t *from, struct x86_link *link, unsigned count);
/* The block for the RIP in RAX, in R11. keep: where it is not known, the operation is executed as a
 * whole by its handler, so nothing of it may have happened; else it is looked up. Then go there. */
void xl_find(struct xl_unit *u, bool keep);
void xl_go(struct xl_unit *u, unsigned count);
/* Unless RAX is canonical in 48 bits, let the handler execute the operation. Changes R11. */
void xl_canonical(struct xl_unit *u);
void xl_callout(struct xl_unit *u);

/* The host's address of `size` bytes at RAX, in RAX, if the TLB has an entry for them; else the
 * interpreter goes on with the operation. */
void xl_direct(struct xl_unit *u, unsigned size, bool write);
void xl_tailout_at(struct xl_unit *u, uint8_t *from);
/* The host's vector registers and MXCSR, or its x87 unit, become the guest's, there and back. */
void xl_vectors_later(struct xl_unit *u, uint8_t *from, unsigned level);
void xl_x87_later(struct xl_unit *u, uint8_t *from);
/* Tell cpu of the last x87 instruction, which must be so on all ways out. */
void xl_last_put(struct xl_unit *u, const struct xl_last *last, unsigned scratch);
void xl_last_tell(struct xl_unit *u, unsigned scratch);

/* One instruction; false: not of those that are emitted. */
bool xl_int(struct xl_unit *u);
bool xl_sse(struct xl_unit *u);
bool xl_x87(struct xl_unit *u);
bool xl_bmi(struct xl_unit *u);
bool xl_vex(struct xl_unit *u);
bool xl_sys(struct xl_unit *u);
/* The host has the guest's vectors, up to a level. */
void xl_vectors(struct xl_unit *u, unsigned level);
/* Beyond XMM, to and from struct x86_cpu: what there is; all up to a level; the same if the guest
 * has the state: ZF. */
void xl_vex_put_away(struct emit *e);
void xl_vex_fetch(struct emit *e, unsigned level);
void xl_vex_try(struct emit *e, unsigned level);

/* The whole block. false: it stays with the interpreter. */
bool xl_unit(struct xl_unit *u);

/* --- the cache of blocks --- */

/* A new block; one whose code is forgotten. */
void xl_born(struct x86_cpu *cpu, struct x86_block *b);
/* Where a link's code is while it leads nowhere. */
const void *xl_unlinked(const struct x86_cpu *cpu);
/* That of a block that is no more. */
const void *xl_dropped(const struct x86_cpu *cpu);
/* Room for operations that the unit in hand calls out to; NULL: none. */
struct x86_op *xl_callout_ops(struct x86_cpu *cpu, unsigned n);
int xl_open(struct x86_cpu *cpu);
void xl_close(struct x86_cpu *cpu);

#endif
