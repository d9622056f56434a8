/* SPDX-License-Identifier: MIT */
/* Two-operand and one-operand arithmetic and logic, in every size and operand form.
 *
 * Locked forms use the host's atomics on the guest's memory, so that processors running as threads
 * see the guest's own order. An operand across pages is worked on in a copy (see mem.c). */
#include "x86/flags.h"
#include "x86/ops.h"

/* w: the operation writes its first operand */
#define ALU2(nm, T, n, sfx, w)                                                                     \
	SOP(nm##_rr##n)                                                                            \
	{                                                                                          \
		const T r = alu_##nm##n(cpu, rd##n(cpu, op->d), rd##n(cpu, op->s));                \
		if (w)                                                                             \
			wr##n(cpu, op->d, r);                                                      \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_ri##n)                                                                            \
	{                                                                                          \
		const T r = alu_##nm##n(cpu, rd##n(cpu, op->d), (T)op->imm);                       \
		if (w)                                                                             \
			wr##n(cpu, op->d, r);                                                      \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_rm##n)                                                                            \
	{                                                                                          \
		const T b = ld##n(cpu, op, ea_m(cpu, op));                                         \
		const T r = alu_##nm##n(cpu, rd##n(cpu, op->d), b);                                \
		if (w)                                                                             \
			wr##n(cpu, op->d, r);                                                      \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_rx##n)                                                                            \
	{                                                                                          \
		const T b = ld##n(cpu, op, ea_x(cpu, op));                                         \
		const T r = alu_##nm##n(cpu, rd##n(cpu, op->d), b);                                \
		if (w)                                                                             \
			wr##n(cpu, op->d, r);                                                      \
		NEXT;                                                                              \
	}                                                                                          \
	ALU2_MEM(nm, T, n, w, mr, ea_m, rd##n(cpu, op->s))                                         \
	ALU2_MEM(nm, T, n, w, mx, ea_x, rd##n(cpu, op->s))                                         \
	ALU2_MEM(nm, T, n, w, mi, ea_m, (T)op->imm)                                                \
	ALU2_MEM(nm, T, n, w, xi, ea_x, (T)op->imm)

#define ALU2_MEM(nm, T, n, w, form, ea, second)                                                    \
	SOP(nm##_##form##n)                                                                        \
	{                                                                                          \
		if (w) {                                                                           \
			void *p = rmw##n(cpu, op, ea(cpu, op));                                    \
			x86_poke##n(p, alu_##nm##n(cpu, x86_peek##n(p), second));                  \
			RMW_DONE;                                                                  \
		} else {                                                                           \
			const T a = ld##n(cpu, op, ea(cpu, op));                                   \
			alu_##nm##n(cpu, a, second);                                               \
		}                                                                                  \
		NEXT;                                                                              \
	}

#define ALU2_ALL(T, n, sfx)                                                                        \
	ALU2(add, T, n, sfx, 1)                                                                    \
	ALU2(or, T, n, sfx, 1)                                                                     \
	ALU2(adc, T, n, sfx, 1)                                                                    \
	ALU2(sbb, T, n, sfx, 1)                                                                    \
	ALU2(and, T, n, sfx, 1)                                                                    \
	ALU2(sub, T, n, sfx, 1)                                                                    \
	ALU2(xor, T, n, sfx, 1)                                                                    \
	ALU2(cmp, T, n, sfx, 0)                                                                    \
	ALU2(test, T, n, sfx, 0)
FOR_SIZES(ALU2_ALL)

/* The host's locked instruction itself, so that value, flags and atomicity agree. */
#define LOCK2(nm, T, n, sfx, form, second)                                                         \
	SOP(nm##_##form##n)                                                                        \
	{                                                                                          \
		T *p = rmw##n(cpu, op, ea_x(cpu, op));                                             \
		uint16_t f = cpu->fl;                                                              \
		__asm__ volatile(LOAD_CARRY "lock " #nm sfx " %2, %0" SAVE_ALL                     \
				 : "+m"(*p), "+&a"(f)                                              \
				 : "q"((T)(second))                                                \
				 : "cc", "memory");                                                \
		cpu->fl = f;                                                                       \
		RMW_DONE;                                                                          \
		NEXT;                                                                              \
	}
#define LOCK2_FORMS(nm, T, n, sfx)                                                                 \
	LOCK2(nm, T, n, sfx, lr, rd##n(cpu, op->s))                                                \
	LOCK2(nm, T, n, sfx, li, op->imm)
#define LOCK2_ALL(T, n, sfx)                                                                       \
	LOCK2_FORMS(add, T, n, sfx)                                                                \
	LOCK2_FORMS(or, T, n, sfx)                                                                 \
	LOCK2_FORMS(adc, T, n, sfx)                                                                \
	LOCK2_FORMS(sbb, T, n, sfx)                                                                \
	LOCK2_FORMS(and, T, n, sfx)                                                                \
	LOCK2_FORMS(sub, T, n, sfx)                                                                \
	LOCK2_FORMS(xor, T, n, sfx)
FOR_SIZES(LOCK2_ALL)

#define ROW2(nm, n)                                                                                \
	{                                                                                          \
		[F_RR] = nm##_rr##n, [F_RI] = nm##_ri##n, [F_RM] = nm##_rm##n,                     \
		[F_RX] = nm##_rx##n, [F_MR] = nm##_mr##n, [F_MX] = nm##_mx##n,                     \
		[F_MI] = nm##_mi##n, [F_XI] = nm##_xi##n, [F_LR] = nm##_lr##n,                     \
		[F_LI] = nm##_li##n,                                                               \
	}
#define ROW2_READ(nm, n)                                                                           \
	{                                                                                          \
		[F_RR] = nm##_rr##n, [F_RI] = nm##_ri##n, [F_RM] = nm##_rm##n,                     \
		[F_RX] = nm##_rx##n, [F_MR] = nm##_mr##n, [F_MX] = nm##_mx##n,                     \
		[F_MI] = nm##_mi##n, [F_XI] = nm##_xi##n,                                          \
	}
#define SIZES2(row, nm)                                                                            \
	{                                                                                          \
		row(nm, 1), row(nm, 2), row(nm, 4), row(nm, 8)                                     \
	}

x86_fn *const x86_alu2[ALU2S][4][FORMS] = {
	[A_ADD] = SIZES2(ROW2, add),	    [A_OR] = SIZES2(ROW2, or),
	[A_ADC] = SIZES2(ROW2, adc),	    [A_SBB] = SIZES2(ROW2, sbb),
	[A_AND] = SIZES2(ROW2, and),	    [A_SUB] = SIZES2(ROW2, sub),
	[A_XOR] = SIZES2(ROW2, xor),	    [A_CMP] = SIZES2(ROW2_READ, cmp),
	[A_TEST] = SIZES2(ROW2_READ, test),
};

#define ALU1(nm, T, n, sfx)                                                                        \
	SOP(nm##_r##n)                                                                             \
	{                                                                                          \
		wr##n(cpu, op->d, alu_##nm##n(cpu, rd##n(cpu, op->d)));                            \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_m##n)                                                                             \
	{                                                                                          \
		void *p = rmw##n(cpu, op, ea_x(cpu, op));                                          \
		x86_poke##n(p, alu_##nm##n(cpu, x86_peek##n(p)));                                  \
		RMW_DONE;                                                                          \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_l##n)                                                                             \
	{                                                                                          \
		T *p = rmw##n(cpu, op, ea_x(cpu, op));                                             \
		uint16_t f = cpu->fl;                                                              \
		__asm__ volatile(LOAD_CARRY "lock " #nm sfx " %0" SAVE_ALL                         \
				 : "+m"(*p), "+&a"(f)                                              \
				 :                                                                 \
				 : "cc", "memory");                                                \
		cpu->fl = f;                                                                       \
		RMW_DONE;                                                                          \
		NEXT;                                                                              \
	}
#define ALU1_ALL(T, n, sfx)                                                                        \
	ALU1(inc, T, n, sfx)                                                                       \
	ALU1(dec, T, n, sfx)                                                                       \
	ALU1(neg, T, n, sfx)                                                                       \
	SOP(not_r##n)                                                                              \
	{                                                                                          \
		wr##n(cpu, op->d, (T)~rd##n(cpu, op->d));                                          \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(not_m##n)                                                                              \
	{                                                                                          \
		void *p = rmw##n(cpu, op, ea_x(cpu, op));                                          \
		x86_poke##n(p, (T)~x86_peek##n(p));                                                \
		RMW_DONE;                                                                          \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(not_l##n)                                                                              \
	{                                                                                          \
		T *p = rmw##n(cpu, op, ea_x(cpu, op));                                             \
		__asm__ volatile("lock not" sfx " %0" : "+m"(*p) : : "memory");                    \
		RMW_DONE;                                                                          \
		NEXT;                                                                              \
	}
FOR_SIZES(ALU1_ALL)

#define ROW1(nm, n)                                                                                \
	{                                                                                          \
		nm##_r##n, nm##_m##n, nm##_l##n                                                    \
	}
#define SIZES1(nm)                                                                                 \
	{                                                                                          \
		ROW1(nm, 1), ROW1(nm, 2), ROW1(nm, 4), ROW1(nm, 8)                                 \
	}

x86_fn *const x86_alu1[ALU1S][4][3] = {
	[A_INC] = SIZES1(inc),
	[A_DEC] = SIZES1(dec),
	[A_NEG] = SIZES1(neg),
	[A_NOT] = SIZES1(not ),
};
