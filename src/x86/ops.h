/* SPDX-License-Identifier: MIT */
/* Tables of handlers by operation, size and operand form, filled by int_*.c, read by decode*.c. */
#ifndef X86_OPS_H
#define X86_OPS_H

#include "x86/internal.h"

/* Operand forms. M: base + displacement; X: any address. */
enum form {
	F_RR,
	F_RI, /* register with register, immediate */
	F_RM,
	F_RX, /* register with memory */
	F_MR,
	F_MX, /* memory with register */
	F_MI,
	F_XI, /* memory with immediate */
	F_LR,
	F_LI, /* locked memory with register, immediate; any address */
	FORMS
};

enum alu2 { A_ADD, A_OR, A_ADC, A_SBB, A_AND, A_SUB, A_XOR, A_CMP, A_TEST, ALU2S };
enum alu1 { A_INC, A_DEC, A_NEG, A_NOT, ALU1S };
enum shift { S_ROL, S_ROR, S_RCL, S_RCR, S_SHL, S_SHR, S_SAR, SHIFTS };
enum muldiv { D_MUL, D_IMUL, D_DIV, D_IDIV, MULDIVS };
enum bitop { B_BT, B_BTS, B_BTR, B_BTC, BITOPS };
enum scan { C_BSF, C_BSR, C_TZCNT, C_LZCNT, C_POPCNT, SCANS };

/* Second index: log2 of the operand size. */
extern x86_fn *const x86_alu2[ALU2S][4][FORMS];
extern x86_fn *const x86_alu1[ALU1S][4][3];   /* register, memory, locked memory */
extern x86_fn *const x86_shift[SHIFTS][4][4]; /* r by imm, r by CL, m by imm, m by CL */
extern x86_fn *const x86_shxd[2][4][2];	      /* SHLD, SHRD; register, memory. Count in sc or CL */
extern x86_fn *const x86_muldiv[MULDIVS][4][2]; /* register, memory */
extern x86_fn *const x86_imul2[4][4];		/* r*r, r*m, r=r*imm, r=m*imm */
extern x86_fn *const x86_bit[BITOPS][4][6];	/* r,r r,i m,r m,i lock m,r lock m,i */
extern x86_fn *const x86_scan[SCANS][4][2];
extern x86_fn *const x86_mov[4][FORMS];
extern x86_fn *const x86_movzx[4][4][3]; /* [from][to][r, m, x] */
extern x86_fn *const x86_movsx[4][4][3];
extern x86_fn *const x86_lea[4][2];
extern x86_fn *const x86_xchg[4][2]; /* r,r r,m */
extern x86_fn *const x86_xadd[4][3]; /* r,r m,r lock m,r */
extern x86_fn *const x86_cmpxchg[4][3];
extern x86_fn *const x86_cmov[16][4][2]; /* by condition */
extern x86_fn *const x86_setcc[16][2];
extern x86_fn *const x86_jcc[16];
extern x86_fn *const x86_push[4][3]; /* r, imm, m: general stack */
extern x86_fn *const x86_pop[4][2];  /* r, m */

/* Frequent pairs as one operation: CMP or TEST of 32 or 64 bits, or DEC, with a conditional jump.
 */
extern x86_fn *const x86_fuse_cmp_rr[2][16];
extern x86_fn *const x86_fuse_cmp_ri[2][16];
extern x86_fn *const x86_fuse_test_rr[2][16];

#endif
