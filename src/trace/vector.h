/* SPDX-License-Identifier: MIT */
/* The vector language: recorded calls and what a module answered, one step a line.
 *
 * ABI-level text format, version 1 (docs/vectors.md). This part only reads lines; running them is
 * trace/vecrun.h. */
#ifndef TRACE_VECTOR_H
#define TRACE_VECTOR_H

#include <swtdx/types.h>

/* A captured value's name, and how many of them a file may have. */
enum { VEC_NAME_LEN = 16, VEC_MAX_NAMES = 64 };

/* Some of the sixteen registers: those in `mask`; in `any` the ones recorded as "?"; in `named`
 * those that stand for a captured value: an input is what the name stands for, then +, - or ^ the
 * value in v; an output is stored under it. */
struct vec_regs {
	uint32_t mask, any, named;
	struct tdx_regs v;
	const char *name[16];
	char op[16];
};

/* What a guest has executed between two steps that say nothing about it. */
enum { VEC_RETIRED_MANY = 1000 };

enum vec_kind {
	VEC_COMMENT,
	VEC_PLATFORM,
	VEC_WRITE,
	VEC_FILL,
	VEC_EXPECT,
	VEC_XOR,
	VEC_ENV,
	VEC_SEAMCALL,
	VEC_TDMR_INIT,
	VEC_ENTER,
	VEC_GUEST,
	VEC_GUEST_MODE64,
	VEC_GUEST_REGS,
	VEC_GUEST_VE,
	VEC_GUEST_VAPIC,
	VEC_TDCALL,
	VEC_EXIT,
	VEC_HOLD,
	VEC_RELEASE,
	VEC_RELOAD,
};

/* VEC_OUT_ANY: none is written, as in scenarios. */
enum vec_outcome {
	VEC_OUT_ANY,
	VEC_OUT_REGS,
	VEC_OUT_RESUME,
	VEC_OUT_INJECT,
	VEC_OUT_EXIT,
	VEC_OUT_SHUTDOWN,
};

enum vec_lock_mode { VEC_LOCK_SHARED, VEC_LOCK_EXCLUSIVE, VEC_LOCK_HP };

/* One line. Strings point into the line, which the parser cuts at blanks. */
struct vec_step {
	enum vec_kind kind;
	const char *label; /* leaf as written, kind of guest step, env name, lock resource */
	unsigned lp;
	unsigned repeat;
	uint64_t addr, len; /* write, fill, expect, xor; TDVPR of enter and tdcall; base, end of
			       tdmr_init */
	const char *hex;
	uint64_t rax; /* of a call */
	struct vec_regs in, out;
	enum vec_outcome outcome;
	unsigned vector;
	bool has_error;
	uint32_t error;
	/* guest steps */
	uint32_t reason;
	uint64_t qual, gpa, gla, intr, ilen, idt, ierr, iinfo;
	bool stall;
	uint16_t status; /* vapic */
	uint8_t priority;
	uint64_t retired; /* instructions since the last TD entry, as the module counts them */
	/* env: numbers after the name; platform: none; locks: key, gpa, level */
	int64_t num[8];
	unsigned nnum;
	enum vec_lock_mode lock_mode;
	bool no_handoff; /* reload */
	struct {
		uint64_t mem_end;
		struct {
			uint64_t base, size;
		} cmr[32];
		unsigned ncmr, maxpa, keyid_bits, keyids, tdx_keyids, lps, pkgs, wb_blocks;
		uint64_t seed;
		uint32_t fms; /* 0: the default platform's */
		uint32_t lacking_7[2][4];
	} platform;
};

/* Parse one line in place. False: err says what is wrong. */
bool vec_parse(char *line, struct vec_step *step, char *err, size_t errlen);

/* "rax", "rcx", ... in x86 order. */
extern const char *const vec_reg_names[16];

/* A word of a file in quotes, for a message: of bounded length, and bytes of unknown origin as '?'.
 */
enum { VEC_QUOTED = 64 };
const char *vec_quoted(const char *word, char buf[VEC_QUOTED]);

#endif
