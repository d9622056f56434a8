/* SPDX-License-Identifier: MIT */
/* Instructions per second of the x86-64 engine on small loops: processor time, and the best of many
 * short runs, so that other work on the machine counts little. */
#include <stdio.h>
#include <time.h>
#include "../tests/x86_guest.h"

struct loop {
	const char *name;
	unsigned len, insns; /* bytes; instructions per turn */
	const char *bytes;
};

static const struct loop loops[] = {
	{"dec; jnz", 7, 2,
	 "\x48\xff\xc9" /* dec rcx */
	 "\x75\xfb"	/* jnz */
	 "\x0f\x0b"},
	{"ld, add, st, add, xor, dec, jnz", 23, 7,
	 "\x48\x8b\x07"	    /* mov rax, [rdi] */
	 "\x48\x01\xc8"	    /* add rax, rcx */
	 "\x48\x89\x47\x08" /* mov [rdi+8], rax */
	 "\x48\x01\xc2"	    /* add rdx, rax */
	 "\x48\x31\xd3"	    /* xor rbx, rdx */
	 "\x48\xff\xc9"	    /* dec rcx */
	 "\x75\xeb"	    /* jnz */
	 "\x0f\x0b"},
	{"call, ret, dec, jnz", 13, 4,
	 "\xe8\x07\x00\x00\x00" /* call f */
	 "\x48\xff\xc9"
	 "\x75\xf6"
	 "\x0f\x0b"
	 "\xc3"},
	{"load, cmp, jcc, store, shift, add, cmp, jcc", 30, 9,
	 "\x8b\x44\x77\x10" /* mov eax, [rdi+rsi*2+16] */
	 "\x83\xf8\x05"	    /* cmp eax, 5 */
	 "\x77\x00"	    /* ja +0 */
	 "\x89\x44\x24\xf0" /* mov [rsp-16], eax */
	 "\xc1\xe0\x03"	    /* shl eax, 3 */
	 "\x8d\x54\x10\x01" /* lea edx, [rax+rdx+1] */
	 "\xff\xc9"	    /* dec ecx */
	 "\x85\xc9"	    /* test ecx, ecx */
	 "\x75\xe6"	    /* jnz */
	 "\x0f\x0b"},
	{"movsd, mulsd, addsd, dec, jnz", 17, 5,
	 "\xf2\x0f\x10\x0f" /* movsd xmm1, [rdi] */
	 "\xf2\x0f\x59\xca" /* mulsd xmm1, xmm2 */
	 "\xf2\x0f\x58\xc1" /* addsd xmm0, xmm1 */
	 "\x48\xff\xc9"	    /* dec rcx */
	 "\x75\xef"	    /* jnz */
	 "\x0f\x0b"},
	{"movdqu, pxor, paddd, movdqu, add, dec, jnz", 25, 7,
	 "\xf3\x0f\x6f\x07"	/* movdqu xmm0, [rdi] */
	 "\x66\x0f\xef\xc1"	/* pxor xmm0, xmm1 */
	 "\x66\x0f\xfe\xc2"	/* paddd xmm0, xmm2 */
	 "\xf3\x0f\x7f\x47\x10" /* movdqu [rdi+16], xmm0 */
	 "\x48\x01\xc8"		/* add rax, rcx */
	 "\x48\xff\xc9"		/* dec rcx */
	 "\x75\xe7"		/* jnz */
	 "\x0f\x0b"},
};

enum { RUNS = 12, INSNS = 8000000 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double best(struct guest *g)
{
	double least = 1e9;
	unsigned k;

	for (k = 0; k < RUNS; k++) {
		struct x86_exit exit;
		double t;

		g->cpu->rip = G_CODE;
		g->cpu->regs.rcx = UINT32_MAX;
		g->cpu->regs.rdi = G_DATA;
		t = now();
		x86_run(g->cpu, &exit, INSNS);
		t = now() - t;
		if (exit.reason != X86_EXIT_BUDGET)
			return 0;
		if (t < least)
			least = t;
	}
	return (double)INSNS / least / 1e6;
}

int main(void)
{
	unsigned i;

	printf("%-45s %12s %12s\n", "MIPS", "interpreted", "translated");
	for (i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
		double mips[2];
		unsigned k;

		for (k = 0; k < 2; k++) {
			struct guest g;

			if (g_open_with(&g, k ? (int)X86_TRANSLATE_AFTER : -1, false))
				return 3;
			g_put(&g, G_CODE, loops[i].bytes, loops[i].len);
			mips[k] = best(&g);
			g_close(&g);
			if (mips[k] <= 0)
				return 1;
		}
		printf("%-45s %12.0f %12.0f\n", loops[i].name, mips[0], mips[1]);
	}
	return 0;
}
