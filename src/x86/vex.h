/* SPDX-License-Identifier: MIT */
/* Instructions with a VEX or EVEX prefix: AVX, AVX2, FMA, F16C, AVX-512.
 *
 * They are executed by the host's own instruction, on operands that were fetched as the guest's
 * are: through the TLB, with its faults. What they have in common is done once. Decoding makes a
 * form of an instruction: its bytes with the operands renamed (register operands to 0, 1, 2 and 3,
 * the one in memory to [RSI]), a small piece of code around them that loads and stores those, and
 * what each operand is. Forms are shared by all instructions of a processor that differ in the
 * names of registers and in addresses only.
 *
 * vex_decode.c   from Zydis's operands to forms
 * vex_form.c     the forms of a processor
 * vex_stub.c     their code; memory for it
 * vex.c          execution
 * vex_mem.c      masked accesses, gathers, scatters
 * vex_lane.c     what hosts may lack, lane by lane in C
 * xlate_vex.c    as a part of translated blocks */
#ifndef X86_VEX_H
#define X86_VEX_H

#include "x86/decode.h"
#include "x86/emit.h"
#include "x86/features.h"
#include "x86/sse.h"

/* Where an operand is named: ModRM's reg, VEX.vvvv, ModRM's rm, bits 7:4 of the immediate. */
enum vex_slot { VEX_REG, VEX_VVVV, VEX_RM, VEX_IS4, VEX_SLOTS };
enum vex_class { VEX_NONE, VEX_VECTOR, VEX_GPR, VEX_K };

#define VEX_BYTES   64u /* of the largest vector */
#define VEX_NO_MASK 0xffu

/* What a stub works on. */
struct vex_regs {
	uint8_t v[VEX_SLOTS][VEX_BYTES];
	uint8_t mem[VEX_BYTES];
	uint64_t g[VEX_SLOTS];
	uint64_t k[VEX_SLOTS]; /* the last: the mask */
	uint32_t mxcsr, host_mxcsr;
	uint16_t fl;
} __attribute__((aligned(64)));

typedef void vex_stub(struct vex_regs *r);
/* 128 bits of the operands in VEX_REG (which it may read, too), VEX_VVVV, VEX_RM. */
typedef void vex_lane_fn(struct x86_cpu *cpu, uint8_t *d, const uint8_t *a, const uint8_t *b,
			 unsigned imm);

/* struct vex_form.flags */
#define VEX_F_FP      0x001u /* depends on MXCSR */
#define VEX_F_FLAGS   0x002u /* makes status flags */
#define VEX_F_ALIGNED 0x004u /* the operand in memory must be */
#define VEX_F_EVEX    0x008u /* needs the state of AVX-512 */
#define VEX_F_PART    0x010u /* accesses the elements that the mask has */
#define VEX_F_PACKED  0x020u /* those elements lie one after the other */
#define VEX_F_WIDE    0x040u /* registers of 512 bits are loaded and stored */
#define VEX_F_HALF    0x080u /* makes half-precision numbers */
#define VEX_F_SAE     0x100u /* raises no exception, whatever MXCSR says */
#define VEX_F_WHOLE   0x200u /* faults for elements that the mask has not, too */
#define VEX_F_TINY    0x400u /* tiny results are no underflow */

/* What makes two forms one. */
struct vex_key {
	uint8_t len, mask, is4, index, mode;
	uint8_t insn[11];
};

struct vex_form {
	struct vex_key key;
	vex_stub *run;
	vex_lane_fn *lane; /* where the host has not the instruction */
	uint16_t flags;
	uint8_t cls[VEX_SLOTS];
	uint8_t writes;		     /* a bit a slot */
	uint8_t imm, bytes;	     /* of its vectors */
	uint8_t mem_read, mem_write; /* whether */
	uint8_t mem_size;	     /* bytes */
	uint8_t element, elements;   /* in memory: bytes of one, how many */
	uint8_t masked;		     /* elements that the mask is for */
	uint8_t index_size, scale;   /* of gathers and scatters: bytes; log2 */
	x86_helper *string;	     /* of VPCMPxSTRx; wide: lengths have 64 bits */
	bool wide;
};

/* The processor's forms and their code. */
struct x86_vex;
struct vex_pool;
/* NULL: no executable memory; then nothing of it is executed. */
struct vex_pool *vex_pool_new(void);
void vex_pool_free(struct vex_pool *pool);
/* Has the host's processor the feature, which vector instructions need? Is all of it executed, as
 * far as it is vector instructions? With no pool: no. */
bool vex_pool_host(const struct vex_pool *pool, enum x86_feature f);
bool vex_pool_executes(const struct vex_pool *pool, enum x86_feature f);
/* A processor's part, as it is written to; NULL: all are taken. *rx: how far on it is executed. */
uint8_t *vex_pool_take(struct vex_pool *pool, intptr_t *rx);
void vex_pool_give(struct vex_pool *pool, uint8_t *part);
#define VEX_PART (128u << 10)

bool vex_host_has(const struct x86_cpu *cpu, enum x86_feature f);
bool vex_executes(const struct x86_cpu *cpu, enum x86_feature f);
int x86_vex_open(struct x86_cpu *cpu);
void x86_vex_close(struct x86_cpu *cpu);

/* The form of the instruction in hand, new or known. NULL: there is no room. */
const struct vex_form *vex_form(struct x86_cpu *cpu, const struct vex_form *like);
/* Its code; NULL: no room. */
vex_stub *vex_stub_make(struct emit *e, const struct vex_form *f);

/* Handlers. op->imm: the form, op->d, s, b: numbers of registers in slots 0 to 2. */
OP(x86_vex);
OP(x86_vex_maskmov);
OP(x86_vex_gather);
OP(x86_vex_scatter);
OP(x86_vex_zero); /* imm: bytes of each register that stay */
OP(x86_vex_string);
OP(x86_vex_maskmovdqu);
OP(x86_vex_ldmxcsr);
OP(x86_vex_stmxcsr);
/* No room for one more form: begin again with none. */
OP(x86_vex_full);

static inline const struct vex_form *vex_form_of(const struct x86_op *op)
{
	return (const struct vex_form *)(uintptr_t)op->imm;
}

/* vex.c: #UD or #NM unless the state is enabled. */
void vex_need(struct x86_cpu *cpu, const struct x86_op *op, unsigned flags);
void vex_get(const struct x86_cpu *cpu, unsigned number, uint8_t *to);
/* The first `bytes` of from; above it the register becomes 0. */
void vex_put(struct x86_cpu *cpu, unsigned number, const void *from, unsigned bytes);

/* vex_mem.c: the form's operand in memory at the linear address, elements as `active` has them. */
void vex_read(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, uint8_t *to,
	      uint64_t active);
void vex_write(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, const uint8_t *from,
	       uint64_t active);
/* Which elements in memory a form accesses under this mask. */
uint64_t vex_active(const struct vex_form *f, uint64_t mask);

/* vex_lane.c: what does it; NULL: nothing there. */
vex_lane_fn *vex_lane(ZydisMnemonic m);

#endif
