/* SPDX-License-Identifier: MIT */
/* Short names for the columns of the leaf tables: registers, TD states, entry states.
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

#endif
