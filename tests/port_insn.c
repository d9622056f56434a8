/* SPDX-License-Identifier: MIT */
/* The SEAMCALL instruction's code, executed: outside a kernel the instruction raises SIGILL, and
 * the handler plays the module, the processor without VMX, or the kernel's exception table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <swtdx/seamcall.h>
#include <swtdx/status.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, REGS };
enum { VECTOR_UD = 6, BELOW = 32 };  /* words under the stack pointer */
#define CANARY 0x6e75674265740000ull /* of the guest, plus the register's number */
#define OURS   0x0000a0a000000000ull /* of the caller */

/* Calls tdx_seamcall_insn(regs) with values of ours in the registers it has to preserve; then says
 * what is in all of them and on the stack below. */
void insn_call(struct tdx_regs *regs);
extern uint64_t insn_after[REGS], insn_below[BELOW];
uint64_t insn_after[REGS], insn_below[BELOW];

__asm__(".text\n"
	".globl insn_call\n"
	".type insn_call, @function\n"
	"insn_call:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	"
	"push %r15\n"
	"	sub $8, %rsp\n"
	"	movabs $0xa0a000000000, %rax\n"
	"	lea 3(%rax), %rbx\n	lea 5(%rax), %rbp\n	lea 12(%rax), %r12\n"
	"	lea 13(%rax), %r13\n	lea 14(%rax), %r14\n	lea 15(%rax), %r15\n"
	"	call tdx_seamcall_insn\n"
	"	push %rax\n"
	"	movq insn_after@GOTPCREL(%rip), %rax\n"
	"	mov %rcx, 8(%rax)\n	mov %rdx, 16(%rax)\n	mov %rbx, 24(%rax)\n"
	"	mov %rbp, 40(%rax)\n	mov %rsi, 48(%rax)\n	mov %rdi, 56(%rax)\n"
	"	mov %r8, 64(%rax)\n	mov %r9, 72(%rax)\n	mov %r10, 80(%rax)\n"
	"	mov %r11, 88(%rax)\n	mov %r12, 96(%rax)\n	mov %r13, 104(%rax)\n"
	"	mov %r14, 112(%rax)\n	mov %r15, 120(%rax)\n"
	"	pop %rcx\n	mov %rcx, (%rax)\n"
	"	lea -264(%rsp), %rsi\n"
	"	movq insn_below@GOTPCREL(%rip), %rdi\n"
	"	mov $32, %ecx\n	cld\n	rep movsq\n"
	"	add $8, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	"
	"pop %rbx\n"
	"	ret\n"
	".size insn_call, . - insn_call\n");

/* The section of the kernel's exception table, as the linker gives it. */
extern const int32_t __start_tdx_extable[], __stop_tdx_extable[];

static enum { RETURNS, FAILS_INVALID, FAULTS } play;
static uint64_t at_insn[REGS];
static unsigned executed;

static const int greg[REGS] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
			       REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
			       REG_R12, REG_R13, REG_R14, REG_R15};

static void fix_up(greg_t *g)
{
	for (const int32_t *e = __start_tdx_extable; e < __stop_tdx_extable; e += 2)
		if ((uintptr_t)e + (uintptr_t)(intptr_t)e[0] == (uintptr_t)g[REG_RIP]) {
			g[REG_RAX] = VECTOR_UD;
			g[REG_RIP] = (greg_t)((uintptr_t)(e + 1) + (uintptr_t)(intptr_t)e[1]);
			return;
		}
	_Exit(3); /* a fault nobody expected: a kernel would panic */
}

static void on_sigill(int sig, siginfo_t *info, void *context)
{
	static const uint8_t seamcall[] = {0x66, 0x0f, 0x01, 0xcf};
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	if (memcmp((const void *)g[REG_RIP], seamcall, sizeof(seamcall)) != 0)
		_Exit(3);
	executed++;
	for (unsigned i = 0; i < REGS; i++)
		at_insn[i] = (uint64_t)g[greg[i]];
	switch (play) {
	case RETURNS: /* every register is the guest's choice */
		for (unsigned i = 0; i < REGS; i++)
			if (i != RSP && i != RBP)
				g[greg[i]] = (greg_t)(CANARY | i);
		g[REG_EFL] &= ~1ll;
		break;
	case FAILS_INVALID:
		g[REG_EFL] |= 1;
		break;
	case FAULTS:
		fix_up(g);
		return;
	}
	g[REG_RIP] += (greg_t)sizeof(seamcall);
}

static struct tdx_regs call(int what)
{
	static uint8_t stack[1 << 16];
	const stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct tdx_regs regs;

	for (unsigned i = 0; i < REGS; i++)
		*tdx_reg(&regs, i) = 0x1000 + i;
	play = what;
	executed = 0;
	assert_int_equal(sigaltstack(&alt, NULL), 0);
	assert_int_equal(sigaction(SIGILL, &sa, NULL), 0);
	insn_call(&regs);
	signal(SIGILL, SIG_DFL);
	assert_int_equal(executed, 1);
	return regs;
}

static void S1_01_the_block_goes_in_and_out_in_place(void **state)
{
	struct tdx_regs regs = call(RETURNS);

	(void)state;
	for (unsigned i = 0; i < REGS; i++) {
		if (i == RSP || i == RBP) {
			assert_int_equal(*tdx_reg(&regs, i),
					 0x1000 + i); /* not passed, not touched */
			continue;
		}
		assert_int_equal(at_insn[i], 0x1000 + i);
		assert_int_equal(*tdx_reg(&regs, i), CANARY | i);
	}
}

static void S1_02_no_register_holds_what_a_guest_left(void **state)
{
	static const unsigned preserved[] = {RBX, RBP, R12, R13, R14, R15};

	(void)state;
	call(RETURNS);
	for (unsigned i = 0; i < REGS; i++)
		if (insn_after[i] >> 16 == CANARY >> 16)
			fail_msg("register %u still is the guest's", i);
	for (unsigned i = 0; i < sizeof(preserved) / sizeof(preserved[0]); i++)
		assert_int_equal(insn_after[preserved[i]], OURS + preserved[i]);
	for (unsigned i = 0; i < BELOW; i++)
		if (insn_below[i] >> 16 == CANARY >> 16)
			fail_msg("the stack still has a register of the guest");
}

static void S1_08_a_fault_is_a_code_with_its_vector(void **state)
{
	struct tdx_regs regs = call(FAULTS);

	(void)state;
	assert_int_equal(regs.rax, TDX_SEAMCALL_UD);
	for (unsigned i = 1; i < REGS; i++)
		assert_int_equal(*tdx_reg(&regs, i), 0x1000 + i);
	assert_int_equal(insn_after[RBX], OURS + RBX);
}

static void S1_08_vmfailinvalid_is_a_code(void **state)
{
	struct tdx_regs regs = call(FAILS_INVALID);

	(void)state;
	assert_int_equal(regs.rax, TDX_SEAMCALL_VMFAILINVALID);
	for (unsigned i = 1; i < REGS; i++)
		assert_int_equal(*tdx_reg(&regs, i), 0x1000 + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S1_01_the_block_goes_in_and_out_in_place),
		cmocka_unit_test(S1_02_no_register_holds_what_a_guest_left),
		cmocka_unit_test(S1_08_a_fault_is_a_code_with_its_vector),
		cmocka_unit_test(S1_08_vmfailinvalid_is_a_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
