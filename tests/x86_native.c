/* SPDX-License-Identifier: MIT */
#include <asm/prctl.h>
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

static sigjmp_buf back;
static struct native_fault *caught;
static struct native_state *caught_state;

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
	const size_t size = (2 + NATIVE_DATA_PAGES) * PAGE;
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	unsigned i;

	if (p == MAP_FAILED)
		return -errno;
	if (syscall(SYS_arch_prctl, ARCH_GET_FS, &n->fs) ||
	    syscall(SYS_arch_prctl, ARCH_SET_GS, (uint64_t)NATIVE_GS)) {
		const int err = -errno;

		munmap(p, size);
		return err;
	}
	mprotect(p + (1 + NATIVE_DATA_PAGES) * PAGE, PAGE, PROT_NONE);
	n->code = p;
	n->data = p + PAGE;
	p = put(n->code, prologue, sizeof(prologue));
	p = mov(p, n->code, 4, SAVED, true);
	p = fx(p, n->code, STATE + __builtin_offsetof(struct native_state, fx), 1);
	p = mov(p, n->code, 0, STATE + __builtin_offsetof(struct native_state, rflags), false);
	p = put(p, "\x50\x9d", 2); /* push rax; popfq */
	for (i = 0; i < 16; i++)
		p = mov(p, n->code, i, STATE + i * 8, false);
	n->enter = p;
	while (p < n->code + NATIVE_INSN)
		*p++ = nop;
	n->compat = false;
	return 0;
}

void native_close(struct native *n)
{
	munmap(n->code, (2 + NATIVE_DATA_PAGES) * PAGE);
}

void native_run(struct native *n, const uint8_t *insn, unsigned len, struct native_state *st,
		struct native_fault *fault)
{
	static const uint32_t mxcsr = 0x1f80; /* all masked, as C has it */
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
	p = put(p, "\x6a\x02\x9d\xdb\xe3", 5); /* push 2; popfq; fninit: neither AC nor NT nor DF */
	if (n->loads_segments || n->compat) {
		p = put(p, "\x31\xc0\x8e\xd8\x8e\xc0", 6); /* xor eax,eax; mov ds,eax; mov es,eax */
		p = set_base(p, ARCH_SET_FS, n->fs);
		p = set_base(p, ARCH_SET_GS, NATIVE_GS);
	}
	put(p, epilogue, sizeof(epilogue));
	*inside = *st;
	fault->vector = -1;
	caught = fault;
	caught_state = st;
	if (sigsetjmp(back, 0) == 0) {
		enter();
		*st = *inside;
	} else {
		__asm__ volatile("cld\n\tfninit");
	}
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	caught = NULL;
}
