/* SPDX-License-Identifier: MIT */
/* Runs one instruction on the host processor with a given state: the oracle of the engine's tests.
 *
 * The instruction's bytes are put into an executable page between code that loads all registers
 * and code that stores them. A fault ends it through a signal handler, which keeps vector, error
 * code and registers. One at a time, one thread. */
#ifndef TESTS_X86_NATIVE_H
#define TESTS_X86_NATIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <swtdx/types.h>

struct native_state {
	struct tdx_regs regs;
	uint64_t rflags;
	uint16_t sel[6]; /* after the instruction: ES, CS, SS, DS, FS, GS */
	uint8_t fx[512] __attribute__((aligned(16)));
	/* As far as struct native has them; XMM0 to 15 are those of fx. */
	uint8_t zmm[32][64];
	uint64_t k[8];
};

struct native_fault {
	int vector; /* -1: none */
	uint64_t error, cr2;
};

/* A page for code, then pages for data, all at fixed linear addresses; the page after is void. */
#define NATIVE_DATA_PAGES 4u

struct native {
	uint8_t *code; /* the instruction is at its start plus NATIVE_INSN; below 4 GiB */
	uint8_t *data;
	unsigned vector;     /* bytes of vector registers that are loaded: 16, 32, 64 */
	bool compat;	     /* run it as 32-bit code */
	bool loads_segments; /* the next instruction may change FS and GS */
	uint8_t *enter;	     /* where the state is loaded */
	uint64_t fs;	     /* base of FS, the thread's own: of the thread that opened it */
};
#define NATIVE_INSN 0x400u
/* The base of GS: near 0, so that an operand named by RIP reaches the data with it too. 32-bit code
 * has flat GS and a null selector in FS, which is the thread's own. */
#define NATIVE_GS 0x13579u

int native_open(struct native *n);
/* Again, after struct native.vector was changed. */
void native_load(struct native *n);
/* Take over the signals of faults: after anyone else did, so at the start of a test. */
void native_catch(void);
void native_close(struct native *n);
void native_run(struct native *n, const uint8_t *insn, unsigned len, struct native_state *st,
		struct native_fault *fault);

#endif
