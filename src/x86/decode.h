/* SPDX-License-Identifier: MIT */
/* Translation of one block: from bytes through Zydis to operations. */
#ifndef X86_DECODE_H
#define X86_DECODE_H

#include <Zydis/Zydis.h>
#include "x86/internal.h"

#define BLOCK_OPS   72u /* operations, some slack for an instruction's own included */
#define BLOCK_INSNS 48u
#define BLOCK_LINKS 52u
#define INSN_MAX    15u
#define BLOCK_BYTES (BLOCK_INSNS * INSN_MAX)

struct x86_block {
	struct on_page { /* of the bytes; the second where they go on in another */
		struct on_page *next;
		struct x86_block *block;
		uintptr_t page;
		uint16_t first, last; /* of the page */
	} on[2];
	const uint8_t *host;  /* of the first byte */
	const uint8_t *host2; /* page of the rest of a single crossing instruction, or NULL */
	uint64_t rip;	      /* where it was translated for: counts while there are breakpoints */
	uint64_t epoch;	      /* up to when its bytes are known to be the page's */
	struct x86_block *next_segment;
	struct x86_op *ops;
	struct x86_link *links, *in; /* its own; those that lead to it */
	const void *code;	     /* where the host's begins, with the translator */
	unsigned executed;
	const void *emitted; /* the same, where both are executed */
	unsigned checked;
	uint16_t len;
	uint8_t mode, nlinks, nops;
	bool dropped;
	uint8_t bytes[]; /* what it was translated from */
};

/* An entry of the table of jumps. */
#define JC_BITS 13
struct jc_entry {
	uint64_t rip;
	uint64_t key; /* cpu->jc_key or jc_key_global: generation and mode */
	struct x86_block *block;
	const struct x86_op *ops;
};

/* Changes when links and blocks may be gone. */
uint64_t x86_cache_evictions(const struct x86_cpu *cpu);
void x86_cache_each(struct x86_cpu *cpu, void (*fn)(struct x86_cpu *cpu, struct x86_block *b));

/* What a translator works on. */
struct x86_tr {
	struct x86_cpu *cpu;
	uint64_t rip; /* of the block */
	uint8_t mode;
	unsigned nops, ninsns, nlinks;
	unsigned extent; /* bytes it depends on */
	bool ended;	 /* the last operation leaves the block */
	struct x86_op ops[BLOCK_OPS];
	bool linked[BLOCK_OPS]; /* the operation's link is one of links[] */
	struct x86_link links[BLOCK_LINKS];

	/* the instruction in hand */
	unsigned off;
	const uint8_t *bytes;
	ZydisDecodedInstruction in;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	unsigned prefix; /* OPF_REP, OPF_REPNE, OPF_LOCK */
};

/* Translate from bytes (avail of them, at most up to the page's end, or more for one instruction).
 */
void x86_translate_block(struct x86_tr *tr, const uint8_t *bytes, unsigned avail);

/* One instruction; false: not of this family. */
bool x86_tr_int(struct x86_tr *tr);
bool x86_tr_system(struct x86_tr *tr);
bool x86_tr_mmx(struct x86_tr *tr);
bool x86_tr_sse(struct x86_tr *tr);
bool x86_tr_x87(struct x86_tr *tr);
bool x86_tr_bmi(struct x86_tr *tr);
bool x86_tr_vex(struct x86_tr *tr);
bool x86_tr_optional(struct x86_tr *tr);
/* What no family knows. */
void x86_tr_lacking(struct x86_tr *tr);

/* features.c: does the guest's CPUID have the instruction? */
bool x86_tr_exists(const struct x86_tr *tr);
/* The same of the host, for a VEX or EVEX instruction. */
bool x86_tr_host_has(const struct x86_tr *tr);
/* Make the decoder one for that CPUID. */
void x86_tr_decoder(const struct x86_cpu *cpu, ZydisDecoder *d);
void x86_tr_decoder_for(const struct x86_cpu *cpu, ZydisDecoder *d, unsigned mode);

/* The next operation, with what is common filled in. */
struct x86_op *x86_tr_op(struct x86_tr *tr, x86_fn *fn);
/* Address fields of a memory operand; true if base + displacement says it all. */
bool x86_tr_mem(struct x86_tr *tr, struct x86_op *op, const ZydisDecodedOperand *o);
/* The same for the operand an instruction implies: at a register, in DS or what a prefix says. */
void x86_tr_at_reg(struct x86_tr *tr, struct x86_op *op, unsigned reg, unsigned bytes, bool write);
unsigned x86_tr_seg(const struct x86_tr *tr);
unsigned x86_tr_reg(ZydisRegister reg);
/* Give the operation a link to what is delta bytes from the block; bytes: of the RIP, 2 to 8. */
void x86_tr_link(struct x86_tr *tr, struct x86_op *op, int64_t delta, unsigned bytes);
/* Zydis knows the instruction, the engine does not: an operation that ends the block, followed by
 * the bytes. */
struct x86_op *x86_tr_unknown(struct x86_tr *tr, x86_fn *fn);
/* An operation that ends the block. */
struct x86_op *x86_tr_end(struct x86_tr *tr, x86_fn *fn);

static inline bool tr_is_reg(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_REGISTER;
}

static inline bool tr_is_mem(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_MEMORY;
}

static inline bool tr_is_imm(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

/* log2 of a size in bits, 8 to 64 */
static inline unsigned tr_size(unsigned bits)
{
	return bits == 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3;
}

#endif
