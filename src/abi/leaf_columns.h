/* SPDX-License-Identifier: MIT */
/* How a row of seamcall.def or tdcall.def becomes a struct tdx_leaf_info, and short names for its
 * columns: registers, TD states, entry states.
 * For leaf_seamcall.c and leaf_tdcall.c alone; elsewhere such names would collide. */
#ifndef SWTDX_ABI_LEAF_COLUMNS_H
#define SWTDX_ABI_LEAF_COLUMNS_H

#include <swtdx/leaf.h>

enum {
	RCX = 1 << 1,
	RDX = 1 << 2,
	RBX = 1 << 3,
	RBP = 1 << 5,
	RSI = 1 << 6,
	RDI = 1 << 7,
	R8 = 1 << 8,
	R9 = 1 << 9,
	R10 = 1 << 10,
	R11 = 1 << 11,
	R12 = 1 << 12,
	R13 = 1 << 13,
	R14 = 1 << 14,
	R15 = 1 << 15,
	EVERY_REG = 0xffff & ~(1 << 0 | 1 << 4), /* but RAX and RSP */
};

#define OP(s) s = TDX_OP_STATE_BIT(TDX_OP_STATE_##s)
enum {
	OP(UNINITIALIZED),
	OP(INITIALIZED),
	OP(RUNNABLE),
	OP(LIVE_EXPORT),
	OP(PAUSED_EXPORT),
	OP(POST_EXPORT),
	OP(MEMORY_IMPORT),
	OP(STATE_IMPORT),
	OP(POST_IMPORT),
	OP(LIVE_IMPORT),
	OP(FAILED_IMPORT),
	OP(START_IMPORT),
};
#undef OP

#define SEPT(s) s = TDX_SEPT_STATE_BIT(TDX_SEPT_##s)
enum {
	SEPT(FREE),
	SEPT(REMOVED),
	SEPT(NL_MAPPED),
	SEPT(NL_BLOCKED),
	SEPT(MAPPED),
	SEPT(BLOCKED),
	SEPT(BLOCKEDW),
	SEPT(EXPORTED_BLOCKEDW),
	SEPT(EXPORTED_DIRTY),
	SEPT(EXPORTED_DIRTY_BLOCKEDW),
	SEPT(PENDING),
	SEPT(PENDING_BLOCKED),
	SEPT(PENDING_BLOCKEDW),
	SEPT(PENDING_EXPORTED_BLOCKEDW),
	SEPT(PENDING_EXPORTED_DIRTY),
	SEPT(PENDING_EXPORTED_DIRTY_BLOCKEDW),
	EVERY_SEPT_STATE = 0xffff,
};
#undef SEPT

/* The row. Operands and outputs leave a bit each: in 15:0, or in 31:16 those of later versions. */
#define LEAF(number_, function_, name_, in_, out_, ...)                                            \
	[number_] = {.name = name_,                                                                \
		     .number = number_,                                                            \
		     .in = (uint16_t)(0u in_),                                                     \
		     .in_v1 = (uint16_t)((0u in_) >> 16),                                          \
		     .out = (uint16_t)(0u out_),                                                   \
		     .out_v1 = (uint16_t)((0u out_) >> 16),                                        \
		     __VA_ARGS__},
#define REFUSED(number_, name_)                                                                    \
	[number_] = {.name = name_, .number = number_, .flags = TDX_LEAF_NOT_IMPLEMENTED},
#define IN(reg_, since_, type_, name_, what_) | (since_ ? (unsigned)reg_ << 16 : reg_)
#define OUT(reg_, since_, failing_, name_)    | (since_ ? (unsigned)reg_ << 16 : reg_)
#define OUT_SHOWN			      | RCX | RDX
#define IN_EVERY			      | EVERY_REG
#define OUT_EVERY			      | EVERY_REG

#endif
