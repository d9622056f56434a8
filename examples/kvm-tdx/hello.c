/* SPDX-License-Identifier: MIT */
/* A TD that lives for a moment: each vCPU accepts as many pages as the host says, writes them,
 * computes for a while, makes one page shared and private again; the last one ends the TD. */
#include <stdint.h>

#include "arch/x86.h"

enum {
	PAGE = 4096,
	VCPUS = 16,
	RAX = 0, /* words of tdcall() */
	RCX,
	RDX,
	R8,
	R10 = 5,
	R11,
	R12,
	R13,
	R14,
	R15,
	WORDS = 11,
	TDG_VP_VMCALL = 0,
	TDG_VP_INFO = 1,
	TDG_MEM_PAGE_ACCEPT = 6,
	VMCALL_IO = 30,
	VMCALL_HLT = 12,
	VMCALL_MAP_GPA = 0x10001,
	VMCALL_REGISTERS = 0xfc00, /* R10 to R15 */
	PORT_COM1 = 0x3f8,
	PORT_PAGES = 0x500,
	PORT_EXIT = 0xf4,
	ROUNDS = 4000000,
};

#define FIRST	     0x1000000ull /* of the vCPUs' pages */
#define MAX_PAGES    0x400u	  /* of a vCPU */
#define SHARED_ALIAS 0x100000000ull

void tdcall(uint64_t regs[WORDS]);
_Noreturn void hello(unsigned vcpu);

extern uint64_t pdpt[512];
static unsigned finished, failures; /* atomic */

static uint64_t vmcall(uint64_t function, uint64_t r12, uint64_t r13, uint64_t r14, uint64_t r15,
		       uint64_t *r11)
{
	uint64_t r[WORDS] = {[RAX] = TDG_VP_VMCALL,
			     [RCX] = VMCALL_REGISTERS,
			     [R11] = function,
			     [R12] = r12,
			     [R13] = r13,
			     [R14] = r14,
			     [R15] = r15};

	tdcall(r);
	if (r11)
		*r11 = r[R11];
	return r[RAX] ? r[RAX] : r[R10];
}

static void out(unsigned port, uint32_t value)
{
	vmcall(VMCALL_IO, 1, 1, port, value, 0);
}

static uint32_t in(unsigned port)
{
	uint64_t value = 0;

	vmcall(VMCALL_IO, 4, 0, port, 0, &value);
	return (uint32_t)value;
}

static void say(const char *text)
{
	while (*text)
		out(PORT_COM1, (uint8_t)*text++);
}

static void check(int ok, const char *what)
{
	if (ok)
		return;
	__atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
	say("not ok ");
	say(what);
	say("\n");
}

static uint64_t accept(uint64_t gpa)
{
	uint64_t r[WORDS] = {[RAX] = TDG_MEM_PAGE_ACCEPT, [RCX] = gpa};

	tdcall(r);
	return r[RAX];
}

static void pages(uint64_t first, uint32_t n)
{
	for (uint64_t at = first; at < first + (uint64_t)n * PAGE; at += PAGE) {
		volatile uint64_t *p = (volatile uint64_t *)at;

		check(accept(at) == 0 && *p == 0, "a new page is accepted and zero");
		*p = at;
	}
	for (uint64_t at = first; at < first + (uint64_t)n * PAGE; at += PAGE)
		check(*(volatile uint64_t *)at == at, "a page keeps what was written");
}

static uint64_t map(uint64_t gpa)
{
	return vmcall(VMCALL_MAP_GPA, gpa, PAGE, 0, 0, 0);
}

static void convert(uint64_t page, uint64_t shared)
{
	volatile uint64_t *p = (volatile uint64_t *)page;
	volatile uint64_t *alias = (volatile uint64_t *)(page + SHARED_ALIAS);

	check(map(page | shared) == 0 && *alias == 0, "a shared page shows nothing of before");
	*alias = 1;
	check(*alias == 1, "a shared page keeps what was written");
	check(map(page) == 0 && accept(page) == 0 && *p == 0, "private again, it is zero");
}

_Noreturn void hello(unsigned vcpu)
{
	uint64_t info[WORDS] = {[RAX] = TDG_VP_INFO}, shared;
	uint64_t first = FIRST + (uint64_t)vcpu * MAX_PAGES * PAGE;
	uint32_t n = in(PORT_PAGES);

	tdcall(info);
	shared = 1ull << ((info[RCX] & 0x3f) - 1);
	pdpt[4] = shared | PTE_P | PTE_W | PTE_PS; /* each vCPU writes the same */
	if (vcpu == 0)
		say("hello from a TD\n");
	n = n < 1 ? 1 : n > MAX_PAGES ? MAX_PAGES : n;
	pages(first, n);
	for (volatile uint32_t i = 0; i < ROUNDS; i++)
		;
	convert(first, shared);
	if (__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST) == (uint32_t)info[R8]) {
		say(failures ? "failures\n" : "goodbye\n");
		out(PORT_EXIT, failures != 0);
	}
	for (;;)
		vmcall(VMCALL_HLT, 1, 0, 0, 0, 0);
}
