/* SPDX-License-Identifier: MIT */
/* What the parts of x86_diff share: the engine's machine beside the host's processor. */
#ifndef TESTS_X86_DIFF_H
#define TESTS_X86_DIFF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include "x86/x86.h"
#include "x86_native.h"

#define PAGE  4096u
#define PAGES (2u + NATIVE_DATA_PAGES)
#define RAM   (64u * PAGE)

struct world {
	bool translate;
	struct native native;
	struct x86_code *code;
	struct x86_cpu *cpu;
	uint8_t *ram;
	uint64_t rng;
	ZydisDecoder dec;
	uint64_t place; /* of the operand in memory */
	unsigned long tried, skipped;
	uint64_t host_xcr0; /* image_open() */
};

uint64_t rnd(struct world *w);
void random_fx(struct world *w, uint8_t *fx);
/* The engine's vectors, as far as struct native has them. */
void set_vectors(struct world *w, const struct native_state *st);
/* Bytes at the linear address `place` count as equal. */
void forget(struct world *w, uint64_t place, unsigned bytes);

/* --- x86_diff_image.c: the XSAVE family --- */

/* The engine places components as the host does. False: the host has no XSAVE. */
bool image_open(struct world *w);
void image_generate(struct world *w, uint8_t *bytes);
/* Operands and an image, good or not; state of which some is initial. */
void image_aim(struct world *w, const ZydisDecodedInstruction *in, struct native_state *st);
/* Make equal in both what the host may have done otherwise: the init optimization goes by what a
 * processor knows, not by values. */
void image_settle(struct world *w, const ZydisDecodedInstruction *in,
		  const struct native_state *st);
/* XGETBV(1), here and there. */
void image_in_use(struct world *w);

#endif
