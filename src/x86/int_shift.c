/* SPDX-License-Identifier: MIT */
/* Shifts, rotates and double shifts. */
#include "x86/flags.h"
#include "x86/ops.h"

#define SHIFT(nm, T, n, sfx)                                                                       \
	SOP(nm##_ri##n)                                                                            \
	{                                                                                          \
		wr##n(cpu, op->d, alu_##nm##n(cpu, rd##n(cpu, op->d), (uint8_t)op->imm));          \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_rc##n)                                                                            \
	{                                                                                          \
		wr##n(cpu, op->d, alu_##nm##n(cpu, rd##n(cpu, op->d), (uint8_t)cpu->regs.rcx));    \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_mi##n)                                                                            \
	{                                                                                          \
		void *p = rmw##n(cpu, op, ea_x(cpu, op));                                          \
		x86_poke##n(p, alu_##nm##n(cpu, x86_peek##n(p), (uint8_t)op->imm));                \
		RMW_DONE;                                                                          \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_mc##n)                                                                            \
	{                                                                                          \
		void *p = rmw##n(cpu, op, ea_x(cpu, op));                                          \
		x86_poke##n(p, alu_##nm##n(cpu, x86_peek##n(p), (uint8_t)cpu->regs.rcx));          \
		RMW_DONE;                                                                          \
		NEXT;                                                                              \
	}
#define SHIFT_ALL(T, n, sfx)                                                                       \
	SHIFT(rol, T, n, sfx)                                                                      \
	SHIFT(ror, T, n, sfx)                                                                      \
	SHIFT(rcl, T, n, sfx)                                                                      \
	SHIFT(rcr, T, n, sfx)                                                                      \
	SHIFT(shl, T, n, sfx)                                                                      \
	SHIFT(shr, T, n, sfx)                                                                      \
	SHIFT(sar, T, n, sfx)
FOR_SIZES(SHIFT_ALL)

#define ROW(nm, n)                                                                                 \
	{                                                                                          \
		nm##_ri##n, nm##_rc##n, nm##_mi##n, nm##_mc##n                                     \
	}
#define SIZES(nm)                                                                                  \
	{                                                                                          \
		ROW(nm, 1), ROW(nm, 2), ROW(nm, 4), ROW(nm, 8)                                     \
	}

x86_fn *const x86_shift[SHIFTS][4][4] = {
	[S_ROL] = SIZES(rol), [S_ROR] = SIZES(ror), [S_RCL] = SIZES(rcl), [S_RCR] = SIZES(rcr),
	[S_SHL] = SIZES(shl), [S_SHR] = SIZES(shr), [S_SAR] = SIZES(sar),
};

/* The count is imm, or CL where imm is over 255. */
static inline uint8_t shxd_count(const struct x86_cpu *cpu, const struct x86_op *op)
{
	return (uint8_t)(op->imm > 255 ? cpu->regs.rcx : op->imm);
}

#define SHXD(nm, T, n, sfx)                                                                        \
	static inline T alu_##nm##n(struct x86_cpu *cpu, T a, T b, uint8_t count)                  \
	{                                                                                          \
		uint16_t f = cpu->fl;                                                              \
		__asm__(LOAD_ALL #nm sfx " %%cl, %2, %0" SAVE_ALL                                  \
			: "+r"(a), "+&a"(f)                                                        \
			: "r"(b), "c"(count)                                                       \
			: "cc");                                                                   \
		cpu->fl = f;                                                                       \
		return a;                                                                          \
	}                                                                                          \
	SOP(nm##_r##n)                                                                             \
	{                                                                                          \
		wr##n(cpu, op->d,                                                                  \
		      alu_##nm##n(cpu, rd##n(cpu, op->d), rd##n(cpu, op->s),                       \
				  shxd_count(cpu, op)));                                           \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_m##n)                                                                             \
	{                                                                                          \
		void *p = rmw##n(cpu, op, ea_x(cpu, op));                                          \
		x86_poke##n(p, alu_##nm##n(cpu, x86_peek##n(p), rd##n(cpu, op->s),                 \
					   shxd_count(cpu, op)));                                  \
		RMW_DONE;                                                                          \
		NEXT;                                                                              \
	}
#define SHXD_ALL(T, n, sfx) SHXD(shld, T, n, sfx) SHXD(shrd, T, n, sfx)
FOR_SIZES248(SHXD_ALL)

x86_fn *const x86_shxd[2][4][2] = {
	{{0}, {shld_r2, shld_m2}, {shld_r4, shld_m4}, {shld_r8, shld_m8}},
	{{0}, {shrd_r2, shrd_m2}, {shrd_r4, shrd_m4}, {shrd_r8, shrd_m8}},
};
