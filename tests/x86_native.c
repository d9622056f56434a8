/* SPDX-License-Identifier: MIT */
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include "x86_native.h"

#define PAGE 4096u

/* Offsets within the code page: entry code, the state, the saved host stack. */
#define STATE 0x800u
#define SAVED 0xc00u

/* On a page of their own, out of reach of a gather's indices: whole vectors and opmasks, as struct
 * native_state ends with. */
#define WIDE ((2u + NATIVE_DATA_PAGES + 16u) * PAGE)
#define SIZE (WIDE + PAGE)

static sigjmp_buf back;
static unsigned caught_vector;
static struct native_fault *caught;
static struct native_state *caught_state;

/* The components of an image as XSAVE writes it, those that are not there as 0. */
static void component(const uint8_t *image, unsigned i, uint8_t *to, size_t bytes)
{
	unsigned a, b = 0, c, d;
	uint64_t present;

	memcpy(&present, image + 512, sizeof(present));
	memset(to, 0, bytes);
	if ((present >> i & 1) && __get_cpuid_count(0xd, i, &a, &b, &c, &d))
		memcpy(to, image + b, bytes);
}

static void catch_wide(const uint8_t *image)
{
	uint8_t high[16][16], higher[16][32];
	unsigned i;

	component(image, 2, high[0], sizeof(high));
	for (i = 0; i < 16; i++)
		memcpy(caught_state->zmm[i] + 16, high[i], 16);
	if (caught_vector < 64)
		return;
	component(image, 6, higher[0], sizeof(higher));
	for (i = 0; i < 16; i++)
		memcpy(caught_state->zmm[i] + 32, higher[i], 32);
	component(image, 7, caught_state->zmm[16], 16 * 64);
	component(image, 5, (uint8_t *)caught_state->k, sizeof(caught_state->k));
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	const greg_t *g = uc->uc_mcontext.gregs;
	static const int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				    REG_RSI, REG_RDI, REG_R8,  REG_R9,	REG_R10, REG_R11,
				    REG_R12, REG_R13, REG_R14, REG_R15};
	unsigned i;

	(void)info;
	if (!caught) { /* not the instruction's: a crash of the test */
		signal(sig, SIG_DFL);
		return;
	}
	caught->vector = (int)g[REG_TRAPNO];
	caught->error = (uint64_t)g[REG_ERR];
	caught->cr2 = (uint64_t)g[REG_CR2];
	for (i = 0; i < 16; i++)
		*tdx_reg(&caught_state->regs, i) = (uint64_t)g[order[i]];
	caught_state->rflags = (uint64_t)g[REG_EFL];
	memcpy(caught_state->fx, uc->uc_mcontext.fpregs, 512);
	if (caught_vector > 16)
		catch_wide((const uint8_t *)uc->uc_mcontext.fpregs);
	siglongjmp(back, 1);
}

static uint8_t *put(uint8_t *p, const void *bytes, unsigned n)
{
	memcpy(p, bytes, n);
	return p + n;
}

/* MOV between a register and [RIP + state offset]. */
static uint8_t *mov(uint8_t *p, const uint8_t *page, unsigned reg, unsigned at, bool store)
{
	const int32_t disp = (int32_t)(at - (unsigned)(p + 7 - page));
	const uint8_t op[3] = {(uint8_t)(0x48 | (reg >= 8 ? 4 : 0)), store ? 0x89 : 0x8b,
			       (uint8_t)(5 | (reg & 7) << 3)};

	return put(put(p, op, 3), &disp, 4);
}

/* FXSAVE64 (0) or FXRSTOR64 (1) at [RIP + state offset]. */
static uint8_t *fx(uint8_t *p, const uint8_t *page, unsigned at, unsigned ext)
{
	const int32_t disp = (int32_t)(at - (unsigned)(p + 8 - page));
	const uint8_t op[4] = {0x48, 0x0f, 0xae, (uint8_t)(5 | ext << 3)};

	return put(put(p, op, 4), &disp, 4);
}

/* VMOVDQU of YMM, or VMOVDQU64 of ZMM, between a register and [RIP + wide page]. */
static uint8_t *vector(uint8_t *p, const uint8_t *page, unsigned bytes, unsigned reg, bool store)
{
	const uint8_t evex[6] = {0x62,
				 (uint8_t)(0x61 | (~reg >> 3 & 1) << 7 | (~reg >> 4 & 1) << 4),
				 0xfe,
				 0x48,
				 store ? 0x7f : 0x6f,
				 (uint8_t)(5 | (reg & 7) << 3)};
	const uint8_t vex[4] = {0xc5, (uint8_t)(0x7e | (~reg >> 3 & 1) << 7), store ? 0x7f : 0x6f,
				(uint8_t)(5 | (reg & 7) << 3)};
	int32_t disp;

	p = bytes == 64 ? put(p, evex, 6) : put(p, vex, 4);
	disp = (int32_t)(WIDE + 64 * reg - (unsigned)(p + 4 - page));
	return put(p, &disp, 4);
}

/* KMOVQ */
static uint8_t *mask(uint8_t *p, const uint8_t *page, unsigned reg, bool store)
{
	const uint8_t op[5] = {0xc4, 0xe1, 0xf8, store ? 0x91 : 0x90, (uint8_t)(5 | reg << 3)};
	int32_t disp;

	p = put(p, op, 5);
	disp = (int32_t)(WIDE + 2048 + 8 * reg - (unsigned)(p + 4 - page));
	return put(p, &disp, 4);
}

static uint8_t *wide(uint8_t *p, const struct native *n, bool store)
{
	const unsigned vectors = n->vector == 64 ? 32 : n->vector == 32 ? 16 : 0;
	unsigned i;

	for (i = 0; i < vectors; i++)
		p = vector(p, n->code, n->vector, i, store);
	for (i = 0; n->vector == 64 && i < 8; i++)
		p = mask(p, n->code, i, store);
	return p;
}

/* Far jumps between 64-bit and 32-bit code, with the selectors Linux has for them. */
#define CS32   0x23u
#define CS64   0x33u
#define DATA32 0x2bu
#define FAR    0x7f0u /* place of a far pointer */

static uint8_t *into_compat(uint8_t *p, uint8_t *page)
{
	const struct {
		uint32_t to;
		uint16_t cs;
	} far = {(uint32_t)(uintptr_t)(page + NATIVE_INSN), CS32};
	const int32_t disp = (int32_t)(page + FAR - (p + 6));

	memcpy(page + FAR, &far, 6);
	return put(put(p, "\xff\x2d", 2), &disp, 4);
}

static uint8_t *out_of_compat(uint8_t *p)
{
	const uint32_t to = (uint32_t)(uintptr_t)(p + 7);
	const uint16_t cs = CS64;

	return put(put(put(p, "\xea", 1), &to, 4), &cs, 2);
}

/* MOV from a segment register to [RIP + state offset]. */
static uint8_t *mov_seg(uint8_t *p, const uint8_t *page, unsigned seg, unsigned at)
{
	const int32_t disp = (int32_t)(at - (unsigned)(p + 6 - page));
	const uint8_t op[2] = {0x8c, (uint8_t)(5 | seg << 3)};

	return put(put(p, op, 2), &disp, 4);
}

/* arch_prctl(code, base): C needs its FS before it can call anything. */
static uint8_t *set_base(uint8_t *p, uint32_t code, uint64_t base)
{
	const uint32_t call = SYS_arch_prctl;

	p = put(put(p, "\xb8", 1), &call, 4);
	p = put(put(p, "\xbf", 1), &code, 4);
	p = put(put(p, "\x48\xbe", 2), &base, 8);
	return put(p, "\x0f\x05", 2);
}

static const uint8_t prologue[] = {0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57};
static const uint8_t epilogue[] = {0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d,
				   0x41, 0x5c, 0x5d, 0x5b, 0xc3};
static const uint8_t nop = 0x90;

void native_catch(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	static uint8_t stack[65536];
	const stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
}

int native_open(struct native *n)
{
	const size_t size = SIZE;
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	if (syscall(SYS_arch_prctl, ARCH_GET_FS, &n->fs) ||
	    syscall(SYS_arch_prctl, ARCH_SET_GS, (uint64_t)NATIVE_GS)) {
		const int err = -errno;

		munmap(p, size);
		return err;
	}
	mprotect(p + (1 + NATIVE_DATA_PAGES) * PAGE, WIDE - (1 + NATIVE_DATA_PAGES) * PAGE,
		 PROT_NONE);
	n->code = p;
	n->data = p + PAGE;
	n->compat = false;
	n->vector = 16;
	native_load(n);
	return 0;
}

/* The code that loads the state. */
void native_load(struct native *n)
{
	uint8_t *p = n->code;
	unsigned i;

	p = put(p, prologue, sizeof(prologue));
	p = mov(p, n->code, 4, SAVED, true);
	p = fx(p, n->code, STATE + __builtin_offsetof(struct native_state, fx), 1);
	p = wide(p, n, false);
	p = mov(p, n->code, 0, STATE + __builtin_offsetof(struct native_state, rflags), false);
	p = put(p, "\x50\x9d", 2); /* push rax; popfq */
	for (i = 0; i < 16; i++)
		p = mov(p, n->code, i, STATE + i * 8, false);
	n->enter = p;
	while (p < n->code + NATIVE_INSN)
		*p++ = nop;
}

void native_close(struct native *n)
{
	munmap(n->code, SIZE);
}

void native_run(struct native *n, const uint8_t *insn, unsigned len, struct native_state *st,
		struct native_fault *fault)
{
	static const uint32_t mxcsr = 0x1f80; /* all masked, as C has it */
	const size_t narrow = __builtin_offsetof(struct native_state, zmm);
	struct native_state *inside = (struct native_state *)(void *)(n->code + STATE);
	void (*enter)(void) = (void (*)(void))(uintptr_t)n->code;
	uint8_t *p = put(n->code + NATIVE_INSN, insn, len);
	unsigned i;

	if (n->compat) {
		into_compat(n->enter, n->code);
		p = out_of_compat(p);
		__asm__ volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%gs" : : "r"(DATA32));
	}
	for (i = 0; i < 16; i++)
		p = mov(p, n->code, i, STATE + i * 8, true);
	p = mov(p, n->code, 4, SAVED, false);
	for (i = 0; i < 6; i++)
		p = mov_seg(p, n->code, i,
			    STATE + __builtin_offsetof(struct native_state, sel) + 2 * i);
	p = put(p, "\x9c\x58", 2); /* pushfq; pop rax */
	p = mov(p, n->code, 0, STATE + __builtin_offsetof(struct native_state, rflags), true);
	p = fx(p, n->code, STATE + __builtin_offsetof(struct native_state, fx), 0);
	p = wide(p, n, true);
	if (n->vector > 16)
		p = put(p, "\xc5\xf8\x77", 3); /* vzeroupper */
	p = put(p, "\x6a\x02\x9d\xdb\xe3", 5); /* push 2; popfq; fninit: neither AC nor NT nor DF */
	if (n->loads_segments || n->compat) {
		p = put(p, "\x31\xc0\x8e\xd8\x8e\xc0", 6); /* xor eax,eax; mov ds,eax; mov es,eax */
		p = set_base(p, ARCH_SET_FS, n->fs);
		p = set_base(p, ARCH_SET_GS, NATIVE_GS);
	}
	put(p, epilogue, sizeof(epilogue));
	memcpy(inside, st, narrow);
	memcpy(n->code + WIDE, st->zmm, sizeof(*st) - narrow);
	caught_vector = n->vector;
	fault->vector = -1;
	caught = fault;
	caught_state = st;
	if (sigsetjmp(back, 0) == 0) {
		enter();
		memcpy(st, inside, narrow);
		memcpy(st->zmm, n->code + WIDE, sizeof(*st) - narrow);
	} else {
		__asm__ volatile("cld\n\tfninit");
		/* the way out was not taken */
		if (n->compat) {
			__asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(0));
			syscall(SYS_arch_prctl, ARCH_SET_GS, (uint64_t)NATIVE_GS);
		}
		if (n->vector > 16)
			__asm__ volatile(".byte 0xc5, 0xf8, 0x77"); /* vzeroupper */
	}
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	caught = NULL;
}
