/* SPDX-License-Identifier: MIT */
/* Bit tests and bit scans. A register bit offset of a memory form reaches beyond the operand:
 * the address moves by whole operands, signed. */
#include "x86/flags.h"
#include "x86/ops.h"

#define BIT_ALU(nm, T, n, sfx)                                                                     \
	static inline T alu_##nm##n(struct x86_cpu *cpu, T a, T bit)                               \
	{                                                                                          \
		uint16_t f = cpu->fl;                                                              \
		__asm__(LOAD_ALL #nm sfx " %2, %0" SAVE_ALL                                        \
			: "+r"(a), "+&a"(f)                                                        \
			: "r"((T)(bit & (n * 8 - 1)))                                              \
			: "cc");                                                                   \
		cpu->fl = f;                                                                       \
		return a;                                                                          \
	}
#define BIT_EA(ST, n, sh)                                                                          \
	static inline uint64_t bit_ea##n(struct x86_cpu *cpu, const struct x86_op *op)             \
	{                                                                                          \
		const int64_t moved = (int64_t)((ST)R64(op->s) >> sh) * n;                         \
		return x86_ea(cpu, op, ea_off(cpu, op) + (uint64_t)moved);                         \
	}
BIT_EA(int16_t, 2, 4)
BIT_EA(int32_t, 4, 5)
BIT_EA(int64_t, 8, 6)

#define BIT_MEM(nm, T, n, w, form, ea, bit)                                                        \
	SOP(nm##_##form##n)                                                                        \
	{                                                                                          \
		if (w) {                                                                           \
			void *p = rmw##n(cpu, op, ea(cpu, op));                                    \
			x86_poke##n(p, alu_##nm##n(cpu, x86_peek##n(p), bit));                     \
			RMW_DONE;                                                                  \
		} else {                                                                           \
			const T a = ld##n(cpu, op, ea(cpu, op));                                   \
			alu_##nm##n(cpu, a, bit);                                                  \
		}                                                                                  \
		NEXT;                                                                              \
	}
#define BIT_LOCK(nm, T, n, sfx, form, ea, bit)                                                     \
	SOP(nm##_##form##n)                                                                        \
	{                                                                                          \
		T *p = rmw##n(cpu, op, ea(cpu, op));                                               \
		uint16_t f = cpu->fl;                                                              \
		__asm__ volatile(LOAD_ALL "lock " #nm sfx " %2, %0" SAVE_ALL                       \
				 : "+m"(*p), "+&a"(f)                                              \
				 : "r"((T)((bit) & (n * 8 - 1)))                                   \
				 : "cc", "memory");                                                \
		cpu->fl = f;                                                                       \
		RMW_DONE;                                                                          \
		NEXT;                                                                              \
	}
#define BIT(nm, T, n, sfx, w)                                                                      \
	BIT_ALU(nm, T, n, sfx)                                                                     \
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
	BIT_MEM(nm, T, n, w, mr, bit_ea##n, rd##n(cpu, op->s))                                     \
	BIT_MEM(nm, T, n, w, mi, ea_x, (T)op->imm)
#define BIT_LOCKED(nm, T, n, sfx)                                                                  \
	BIT_LOCK(nm, T, n, sfx, lr, bit_ea##n, rd##n(cpu, op->s))                                  \
	BIT_LOCK(nm, T, n, sfx, li, ea_x, op->imm)
#define BIT_ALL(T, n, sfx)                                                                         \
	BIT(bt, T, n, sfx, 0)                                                                      \
	BIT(bts, T, n, sfx, 1)                                                                     \
	BIT(btr, T, n, sfx, 1)                                                                     \
	BIT(btc, T, n, sfx, 1)                                                                     \
	BIT_LOCKED(bts, T, n, sfx)                                                                 \
	BIT_LOCKED(btr, T, n, sfx)                                                                 \
	BIT_LOCKED(btc, T, n, sfx)
FOR_SIZES248(BIT_ALL)

#define ROW(nm, n)                                                                                 \
	{                                                                                          \
		nm##_rr##n, nm##_ri##n, nm##_mr##n, nm##_mi##n, nm##_lr##n, nm##_li##n             \
	}
#define ROW_BT(n)                                                                                  \
	{                                                                                          \
		bt_rr##n, bt_ri##n, bt_mr##n, bt_mi##n                                             \
	}
#define SIZES(nm)                                                                                  \
	{                                                                                          \
		{0}, ROW(nm, 2), ROW(nm, 4), ROW(nm, 8)                                            \
	}
x86_fn *const x86_bit[BITOPS][4][6] = {
	[B_BT] = {{0}, ROW_BT(2), ROW_BT(4), ROW_BT(8)},
	[B_BTS] = SIZES(bts),
	[B_BTR] = SIZES(btr),
	[B_BTC] = SIZES(btc),
};

/* TZCNT, LZCNT and POPCNT are written out: an old host would execute BSF and BSR instead. BSF
 * and BSR of 0 leave the destination alone, as all processors do. */
static inline uint16_t scan_fl(const struct x86_cpu *cpu, bool zf, bool cf)
{
	return (uint16_t)((cpu->fl & FL_FIXED) | (zf ? FL_ZF : 0) | (cf ? FL_CF : 0));
}

#define SCAN(T, n, sfx)                                                                            \
	static inline void do_bsf##n(struct x86_cpu *cpu, unsigned d, T v)                         \
	{                                                                                          \
		uint16_t f = cpu->fl;                                                              \
		T r = rd##n(cpu, d);                                                               \
		__asm__(LOAD_ALL "bsf" sfx " %2, %0" SAVE_ALL                                      \
			: "+r"(r), "+&a"(f)                                                        \
			: "r"(v)                                                                   \
			: "cc");                                                                   \
		cpu->fl = f;                                                                       \
		if (v)                                                                             \
			wr##n(cpu, d, r);                                                          \
	}                                                                                          \
	static inline void do_bsr##n(struct x86_cpu *cpu, unsigned d, T v)                         \
	{                                                                                          \
		uint16_t f = cpu->fl;                                                              \
		T r = rd##n(cpu, d);                                                               \
		__asm__(LOAD_ALL "bsr" sfx " %2, %0" SAVE_ALL                                      \
			: "+r"(r), "+&a"(f)                                                        \
			: "r"(v)                                                                   \
			: "cc");                                                                   \
		cpu->fl = f;                                                                       \
		if (v)                                                                             \
			wr##n(cpu, d, r);                                                          \
	}                                                                                          \
	static inline void do_tzcnt##n(struct x86_cpu *cpu, unsigned d, T v)                       \
	{                                                                                          \
		const T r = (T)(v ? __builtin_ctzll(v) : n * 8);                                   \
		cpu->fl = scan_fl(cpu, r == 0, v == 0);                                            \
		wr##n(cpu, d, r);                                                                  \
	}                                                                                          \
	static inline void do_lzcnt##n(struct x86_cpu *cpu, unsigned d, T v)                       \
	{                                                                                          \
		const T r = (T)(v ? __builtin_clzll(v) - (64 - n * 8) : n * 8);                    \
		cpu->fl = scan_fl(cpu, r == 0, v == 0);                                            \
		wr##n(cpu, d, r);                                                                  \
	}                                                                                          \
	static inline void do_popcnt##n(struct x86_cpu *cpu, unsigned d, T v)                      \
	{                                                                                          \
		cpu->fl = scan_fl(cpu, v == 0, false);                                             \
		wr##n(cpu, d, (T)__builtin_popcountll(v));                                         \
	}                                                                                          \
	SCAN_OPS(bsf, n)                                                                           \
	SCAN_OPS(bsr, n)                                                                           \
	SCAN_OPS(tzcnt, n)                                                                         \
	SCAN_OPS(lzcnt, n)                                                                         \
	SCAN_OPS(popcnt, n)
#define SCAN_OPS(nm, n)                                                                            \
	SOP(nm##_r##n)                                                                             \
	{                                                                                          \
		do_##nm##n(cpu, op->d, rd##n(cpu, op->s));                                         \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_m##n)                                                                             \
	{                                                                                          \
		do_##nm##n(cpu, op->d, ld##n(cpu, op, ea_x(cpu, op)));                             \
		NEXT;                                                                              \
	}
FOR_SIZES248(SCAN)

#define SROW(nm)                                                                                   \
	{                                                                                          \
		{0}, {nm##_r2, nm##_m2}, {nm##_r4, nm##_m4},                                       \
		{                                                                                  \
			nm##_r8, nm##_m8                                                           \
		}                                                                                  \
	}
x86_fn *const x86_scan[SCANS][4][2] = {
	[C_BSF] = SROW(bsf),	 [C_BSR] = SROW(bsr),	    [C_TZCNT] = SROW(tzcnt),
	[C_LZCNT] = SROW(lzcnt), [C_POPCNT] = SROW(popcnt),
};
