/* SPDX-License-Identifier: MIT */
/* Instructions per second of the x86-64 engine on three small loops and one copy. */
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
	 "\x8b\x44\x8f\x10" /* mov eax, [rdi+rcx*4+16] */
	 "\x83\xf8\x05"	    /* cmp eax, 5 */
	 "\x77\x00"	    /* ja +0 */
	 "\x89\x44\x24\xf0" /* mov [rsp-16], eax */
	 "\xc1\xe0\x03"	    /* shl eax, 3 */
	 "\x8d\x54\x10\x01" /* lea edx, [rax+rdx+1] */
	 "\xff\xc9"	    /* dec ecx */
	 "\x85\xc9"	    /* test ecx, ecx */
	 "\x75\xe6"	    /* jnz */
	 "\x0f\x0b"},
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(void)
{
	unsigned i;

	for (i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
		const uint64_t insns = 200000000;
		struct x86_exit exit;
		struct guest g;
		double t;

		if (g_open(&g))
			return 3;
		g_put(&g, G_CODE, loops[i].bytes, loops[i].len);
		g.cpu->regs.rcx = i == 3 ? 1000000 : UINT64_MAX;
		g.cpu->regs.rdi = G_DATA;
		t = now();
		x86_run(g.cpu, &exit, i == 3 ? 8900000 : insns);
		t = now() - t;
		printf("%-45s %8.0f MIPS  (exit %#x)\n", loops[i].name,
		       (double)g.cpu->insns / t / 1e6, exit.reason);
		g_close(&g);
	}
	return 0;
}
