/* SPDX-License-Identifier: MIT */
/* Moves: MOV, MOVZX/MOVSX, LEA, XCHG, XADD, CMPXCHG, CMOVcc, SETcc. */
#include "x86/flags.h"
#include "x86/ops.h"

#define MOV(T, n, sfx)                                                                             \
	SOP(mov_rr##n)                                                                             \
	{                                                                                          \
		wr##n(cpu, op->d, rd##n(cpu, op->s));                                              \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(mov_ri##n)                                                                             \
	{                                                                                          \
		wr##n(cpu, op->d, (T)op->imm);                                                     \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(mov_rm##n)                                                                             \
	{                                                                                          \
		wr##n(cpu, op->d, ld##n(cpu, op, ea_m(cpu, op)));                                  \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(mov_rx##n)                                                                             \
	{                                                                                          \
		wr##n(cpu, op->d, ld##n(cpu, op, ea_x(cpu, op)));                                  \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(mov_mr##n)                                                                             \
	{                                                                                          \
		st##n(cpu, op, ea_m(cpu, op), rd##n(cpu, op->s));                                  \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(mov_mx##n)                                                                             \
	{                                                                                          \
		st##n(cpu, op, ea_x(cpu, op), rd##n(cpu, op->s));                                  \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(mov_mi##n)                                                                             \
	{                                                                                          \
		st##n(cpu, op, ea_m(cpu, op), (T)op->imm);                                         \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(mov_xi##n)                                                                             \
	{                                                                                          \
		st##n(cpu, op, ea_x(cpu, op), (T)op->imm);                                         \
		NEXT;                                                                              \
	}
FOR_SIZES(MOV)

#define MROW(n)                                                                                    \
	{                                                                                          \
		[F_RR] = mov_rr##n, [F_RI] = mov_ri##n, [F_RM] = mov_rm##n, [F_RX] = mov_rx##n,    \
		[F_MR] = mov_mr##n, [F_MX] = mov_mx##n, [F_MI] = mov_mi##n, [F_XI] = mov_xi##n,    \
	}
x86_fn *const x86_mov[4][FORMS] = {MROW(1), MROW(2), MROW(4), MROW(8)};

#define EXTEND(name, F, fn_, T, n)                                                                 \
	SOP(name##_r##fn_##n)                                                                      \
	{                                                                                          \
		wr##n(cpu, op->d, (T)(F)rd##fn_(cpu, op->s));                                      \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(name##_m##fn_##n)                                                                      \
	{                                                                                          \
		wr##n(cpu, op->d, (T)(F)ld##fn_(cpu, op, ea_m(cpu, op)));                          \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(name##_x##fn_##n)                                                                      \
	{                                                                                          \
		wr##n(cpu, op->d, (T)(F)ld##fn_(cpu, op, ea_x(cpu, op)));                          \
		NEXT;                                                                              \
	}
#define EXTEND_FROM1(T, n, sfx)                                                                    \
	EXTEND(movzx, uint8_t, 1, T, n)                                                            \
	EXTEND(movsx, int8_t, 1, T, n)
#define EXTEND_FROM2(T, n, sfx)                                                                    \
	EXTEND(movzx, uint16_t, 2, T, n)                                                           \
	EXTEND(movsx, int16_t, 2, T, n)
FOR_SIZES248(EXTEND_FROM1)
FOR_SIZES248(EXTEND_FROM2)
EXTEND(movsx, int32_t, 4, uint64_t, 8)
EXTEND(movsx, int32_t, 4, uint32_t, 4)

#define EROW(name, f, n)                                                                           \
	{                                                                                          \
		name##_r##f##n, name##_m##f##n, name##_x##f##n                                     \
	}
x86_fn *const x86_movzx[4][4][3] = {
	{{0}, EROW(movzx, 1, 2), EROW(movzx, 1, 4), EROW(movzx, 1, 8)},
	{{0}, EROW(movzx, 2, 2), EROW(movzx, 2, 4), EROW(movzx, 2, 8)},
};
x86_fn *const x86_movsx[4][4][3] = {
	{{0}, EROW(movsx, 1, 2), EROW(movsx, 1, 4), EROW(movsx, 1, 8)},
	{{0}, EROW(movsx, 2, 2), EROW(movsx, 2, 4), EROW(movsx, 2, 8)},
	{{0}, {0}, EROW(movsx, 4, 4), EROW(movsx, 4, 8)},
};

/* No segment and no check: LEA computes, it does not access. */
static inline uint64_t lea_wide(struct x86_cpu *cpu, const struct x86_op *op)
{
	return x86_offset(op, ea_off(cpu, op));
}

#define LEA(T, n, sfx)                                                                             \
	SOP(lea_m##n)                                                                              \
	{                                                                                          \
		wr##n(cpu, op->d, (T)ea_m(cpu, op));                                               \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(lea_x##n)                                                                              \
	{                                                                                          \
		wr##n(cpu, op->d, (T)lea_wide(cpu, op));                                           \
		NEXT;                                                                              \
	}
FOR_SIZES248(LEA)
x86_fn *const x86_lea[4][2] = {{0}, {lea_m2, lea_x2}, {lea_m4, lea_x4}, {lea_m8, lea_x8}};

#define EXCHANGE(T, n, sfx)                                                                        \
	SOP(xchg_r##n)                                                                             \
	{                                                                                          \
		const T a = rd##n(cpu, op->d), b = rd##n(cpu, op->s);                              \
		wr##n(cpu, op->d, b);                                                              \
		wr##n(cpu, op->s, a);                                                              \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(xchg_m##n)                                                                             \
	{                                                                                          \
		T *p = rmw##n(cpu, op, ea_x(cpu, op));                                             \
		wr##n(cpu, op->s, __atomic_exchange_n(p, rd##n(cpu, op->s), __ATOMIC_SEQ_CST));    \
		RMW_DONE;                                                                          \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(xadd_r##n)                                                                             \
	{                                                                                          \
		const T a = rd##n(cpu, op->d);                                                     \
		const T r = alu_add##n(cpu, a, rd##n(cpu, op->s));                                 \
		wr##n(cpu, op->s, a);                                                              \
		wr##n(cpu, op->d, r);                                                              \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(xadd_m##n)                                                                             \
	{                                                                                          \
		void *p = rmw##n(cpu, op, ea_x(cpu, op));                                          \
		const T a = x86_peek##n(p);                                                        \
		x86_poke##n(p, alu_add##n(cpu, a, rd##n(cpu, op->s)));                             \
		RMW_DONE;                                                                          \
		wr##n(cpu, op->s, a);                                                              \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(xadd_l##n)                                                                             \
	{                                                                                          \
		T *p = rmw##n(cpu, op, ea_x(cpu, op));                                             \
		const T b = rd##n(cpu, op->s);                                                     \
		const T a = __atomic_fetch_add(p, b, __ATOMIC_SEQ_CST);                            \
		RMW_DONE;                                                                          \
		alu_add##n(cpu, a, b);                                                             \
		wr##n(cpu, op->s, a);                                                              \
		NEXT;                                                                              \
	}                                                                                          \
	static inline void cas##n(struct x86_cpu *cpu, T old)                                      \
	{                                                                                          \
		const T acc = rd##n(cpu, 0);                                                       \
		alu_cmp##n(cpu, acc, old);                                                         \
		if (acc != old)                                                                    \
			wr##n(cpu, 0, old);                                                        \
	}                                                                                          \
	SOP(cmpxchg_r##n)                                                                          \
	{                                                                                          \
		const T old = rd##n(cpu, op->d);                                                   \
		const T next = rd##n(cpu, op->s);                                                  \
		const bool same = rd##n(cpu, 0) == old;                                            \
		cas##n(cpu, old);                                                                  \
		if (same)                                                                          \
			wr##n(cpu, op->d, next);                                                   \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(cmpxchg_m##n)                                                                          \
	{                                                                                          \
		void *p = rmw##n(cpu, op, ea_x(cpu, op));                                          \
		const T old = x86_peek##n(p);                                                      \
		if (rd##n(cpu, 0) == old)                                                          \
			x86_poke##n(p, rd##n(cpu, op->s));                                         \
		RMW_DONE;                                                                          \
		cas##n(cpu, old);                                                                  \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(cmpxchg_l##n)                                                                          \
	{                                                                                          \
		T *p = rmw##n(cpu, op, ea_x(cpu, op));                                             \
		T old = rd##n(cpu, 0);                                                             \
		__atomic_compare_exchange_n(p, &old, rd##n(cpu, op->s), false, __ATOMIC_SEQ_CST,   \
					    __ATOMIC_SEQ_CST);                                     \
		RMW_DONE;                                                                          \
		cas##n(cpu, old);                                                                  \
		NEXT;                                                                              \
	}
FOR_SIZES(EXCHANGE)

#define XROW(name)                                                                                 \
	{                                                                                          \
		{name##_r1, name##_m1}, {name##_r2, name##_m2}, {name##_r4, name##_m4},            \
		{                                                                                  \
			name##_r8, name##_m8                                                       \
		}                                                                                  \
	}
#define LROW(name)                                                                                 \
	{                                                                                          \
		{name##_r1, name##_m1, name##_l1}, {name##_r2, name##_m2, name##_l2},              \
			{name##_r4, name##_m4, name##_l4},                                         \
		{                                                                                  \
			name##_r8, name##_m8, name##_l8                                            \
		}                                                                                  \
	}
x86_fn *const x86_xchg[4][2] = XROW(xchg);
x86_fn *const x86_xadd[4][3] = LROW(xadd);
x86_fn *const x86_cmpxchg[4][3] = LROW(cmpxchg);

/* A false condition still reads memory, and still clears the upper half of a 32-bit register. */
#define CMOV_SIZE(cc, T, n)                                                                        \
	SOP(cmov##cc##_r##n)                                                                       \
	{                                                                                          \
		wr##n(cpu, op->d, rd##n(cpu, fl_cond(cpu->fl, cc) ? op->s : op->d));               \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(cmov##cc##_m##n)                                                                       \
	{                                                                                          \
		const T v = ld##n(cpu, op, ea_x(cpu, op));                                         \
		wr##n(cpu, op->d, fl_cond(cpu->fl, cc) ? v : rd##n(cpu, op->d));                   \
		NEXT;                                                                              \
	}
#define CONDITIONAL(cc)                                                                            \
	CMOV_SIZE(cc, uint16_t, 2)                                                                 \
	CMOV_SIZE(cc, uint32_t, 4)                                                                 \
	CMOV_SIZE(cc, uint64_t, 8)                                                                 \
	SOP(set##cc##_r)                                                                           \
	{                                                                                          \
		wr1(cpu, op->d, fl_cond(cpu->fl, cc));                                             \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(set##cc##_m)                                                                           \
	{                                                                                          \
		st1(cpu, op, ea_x(cpu, op), fl_cond(cpu->fl, cc));                                 \
		NEXT;                                                                              \
	}
#define FOR_CC(X)                                                                                  \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
FOR_CC(CONDITIONAL)

#define CMOV_ROW(cc)                                                                               \
	{{0},                                                                                      \
	 {cmov##cc##_r2, cmov##cc##_m2},                                                           \
	 {cmov##cc##_r4, cmov##cc##_m4},                                                           \
	 {cmov##cc##_r8, cmov##cc##_m8}},
x86_fn *const x86_cmov[16][4][2] = {FOR_CC(CMOV_ROW)};
#define SET_ROW(cc) {set##cc##_r, set##cc##_m},
x86_fn *const x86_setcc[16][2] = {FOR_CC(SET_ROW)};
