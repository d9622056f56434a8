/* SPDX-License-Identifier: MIT */
/* What a leaf is to its handler: its operands by name, and the handler's prototype.
 *
 * Everything here is made from the rows of abi/seamcall.def and abi/tdcall.def. For the leaf
 * TDH.X.Y the names are
 *
 *	struct tdh_x_y_in, tdh_x_y_take()	the operands, and the version asked for
 *	struct tdh_x_y_out, tdh_x_y_failed()	the outputs, as a call that fails leaves them
 *	tdh_x_y_give()				put them into the registers of the version asked for
 *	leaf_tdh_x_y()				the handler, in seamcall/tdh_x_y.c
 *
 * A handler takes its operands before it gives anything, and gives on every way out but one: when
 * the fate of the processor is decided (module/transition.h) the guest's registers stay. */
#ifndef MODULE_LEAVES_H
#define MODULE_LEAVES_H

#include <swtdx/leaf.h>

#include "abi/operand.h"

struct tx;

typedef struct tdx_status leaf_fn(struct tx *tx, struct tdx_regs *regs);

/* Types of operands, and how a register becomes one. */
typedef uint64_t u64_t;
#define u64(v) (v)

/* Members of struct tdx_regs. */
#define LEAF_RCX rcx
#define LEAF_RDX rdx
#define LEAF_R8	 r8
#define LEAF_R9	 r9
#define LEAF_R10 r10
#define LEAF_R11 r11
#define LEAF_R12 r12
#define LEAF_R13 r13
#define LEAF_R14 r14

/* Outputs of a call that fails. */
#define LEAF_FAILS_ZERO(reg) 0
#define LEAF_FAILS_ONES(reg) ~0ull
#define LEAF_FAILS_SAME(reg) (reg)

/* RCX and RDX of a leaf on the Secure EPT. */
struct sept_shown {
	union {
		uint64_t entry; /* the one the call failed at, as the architecture has it */
		uint64_t page;	/* freed, with the PAMT's hint; or the word that came */
	};
	uint64_t level_state; /* of the entry */
};

#define REFUSED(number_, name_)
#define IN_EVERY
#define OUT_EVERY

/* struct tdh_x_in, leaf_tdh_x() */
#define LEAF(number_, function_, name_, in_, out_, ...)                                            \
	struct function_##_in {                                                                    \
		unsigned version;                                                                  \
		in_                                                                                \
	};                                                                                         \
	leaf_fn leaf_##function_;
#define IN(reg_, since_, type_, name_, what_) type_##_t name_;
#include "abi/seamcall.def"
#include "abi/tdcall.def"
#undef LEAF
#undef IN

/* tdh_x_take() */
#define LEAF(number_, function_, name_, in_, out_, ...)                                            \
	static inline struct function_##_in function_##_take(const struct tdx_regs *regs)          \
	{                                                                                          \
		return (struct function_##_in){.version = tdx_rax_version(regs->rax), in_};        \
	}
#define IN(reg_, since_, type_, name_, what_) .name_ = type_(regs->LEAF_##reg_),
#include "abi/seamcall.def"
#include "abi/tdcall.def"
#undef LEAF
#undef IN

/* struct tdh_x_out */
#define LEAF(number_, function_, name_, in_, out_, ...)                                            \
	struct function_##_out {                                                                   \
		out_                                                                               \
	};
#define OUT(reg_, since_, failing_, name_) uint64_t name_;
#define OUT_SHOWN			   struct sept_shown shown;
#include "abi/seamcall.def"
#include "abi/tdcall.def"
#undef LEAF
#undef OUT
#undef OUT_SHOWN

/* tdh_x_failed() */
#define LEAF(number_, function_, name_, in_, out_, ...)                                            \
	static inline struct function_##_out function_##_failed(const struct tdx_regs *regs)       \
	{                                                                                          \
		return (struct function_##_out){out_};                                             \
	}
#define OUT_SHOWN			   .shown = {{0}, 0},
#define OUT(reg_, since_, failing_, name_) .name_ = LEAF_FAILS_##failing_(regs->LEAF_##reg_),
#include "abi/seamcall.def"
#include "abi/tdcall.def"
#undef LEAF
#undef OUT
#undef OUT_SHOWN

/* tdh_x_give() */
#define LEAF(number_, function_, name_, in_, out_, ...)                                            \
	static inline void function_##_give(struct tdx_regs *regs,                                 \
					    const struct function_##_out *out)                     \
	{                                                                                          \
		out_                                                                               \
	}
#define OUT(reg_, since_, failing_, name_)                                                         \
	if (tdx_rax_version(regs->rax) + 1 > (since_))                                             \
		regs->LEAF_##reg_ = out->name_;
/* One word after the other: loaded as a pair they would wait for the two stores that made them. */
#define OUT_SHOWN                                                                                  \
	regs->rcx = out->shown.entry;                                                              \
	__asm__ volatile("" ::: "memory");                                                         \
	regs->rdx = out->shown.level_state;
#include "abi/seamcall.def"
#include "abi/tdcall.def"
#undef LEAF
#undef OUT
#undef OUT_SHOWN

#undef REFUSED
#undef IN_EVERY
#undef OUT_EVERY
#undef LEAF_RCX
#undef LEAF_RDX
#undef LEAF_R8
#undef LEAF_R9
#undef LEAF_R10
#undef LEAF_R11
#undef LEAF_R12
#undef LEAF_R13
#undef LEAF_R14
#undef LEAF_FAILS_ZERO
#undef LEAF_FAILS_ONES
#undef LEAF_FAILS_SAME
#undef u64

#endif
