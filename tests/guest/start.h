/* SPDX-License-Identifier: MIT */
/* What start.S and the test guests agree on: a call's registers, a trap's frame, gates; and the
 * numbers that every one of them uses. */
#ifndef TESTS_GUEST_START_H
#define TESTS_GUEST_START_H

#include <stddef.h>
#include <stdint.h>

struct regs {
	uint64_t rax, rcx, rdx, r8, r9, r10, r11, r12, r13, r14, r15;
};

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, reserved;
};

uint64_t tdcall(struct regs *r);
void second_main(void);
void guest_trap(struct frame *f);
extern char trap_table[];

enum {
	VMCALL = 0,
	VEINFO_GET = 3,
	PAGE_ACCEPT = 6,
	MAP_GPA = 0x10001,
	R10_TO_R15 = 0xfc00,
	COM1 = 0x3f8,
	EXIT = 0xf4,
	MAILBOX = 0x802000,
	VICTIM = 0x4000000,
	SHARED_WINDOW = 1, /* entry of the top-level page table */
};
#define SHARED (1ull << 47)

/* R10 and RAX; *r11 what came in it, unless NULL. */
static inline uint64_t vmcall(uint64_t leaf, uint64_t r12, uint64_t r13, uint64_t r14, uint64_t r15,
			      uint64_t *r11)
{
	struct regs r = {.rax = VMCALL,
			 .rcx = R10_TO_R15,
			 .r11 = leaf,
			 .r12 = r12,
			 .r13 = r13,
			 .r14 = r14,
			 .r15 = r15};
	uint64_t s = tdcall(&r);

	if (r11)
		*r11 = r.r11;
	return s | r.r10;
}

#endif
