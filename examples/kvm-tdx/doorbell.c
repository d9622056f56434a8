/* SPDX-License-Identifier: MIT */
/* A TD with a device: vCPU 0 rings doorbells, at an address and at a port, and waits for the
 * device's interrupts; vCPU 1 hands pages to the host and takes them back, and has one taken from
 * it. The host's answers are at ports; what is not as it should be ends the TD with a number. */
#include <stdint.h>

#include "arch/msr.h"
#include "arch/x86.h"

enum {
	PAGE = 4096,
	RAX = 0, /* words of tdcall() */
	RCX,
	R8 = 3,
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
	VMCALL_HLT = 12,
	VMCALL_IO = 30,
	VMCALL_WRMSR = 32,
	VMCALL_MMIO = 48,
	VMCALL_MAP_GPA = 0x10001,
	VMCALL_REGISTERS = 0xfc00,
	PORT_EXIT = 0xf4,
	PORT_ROUNDS = 0x500,
	PORT_BELL = 0x700,   /* of a value there is an eventfd, of others none */
	PORT_SHARED = 0x701, /* this page is the host's to read, and to answer in */
	PORT_TAKE = 0x702,   /* this page is to be taken away */
	BELL_HEARD = 7,
	BELL_TOLD = 9,
	VECTOR = 0x40,
	GATE = 0x8e00,
	CODE = 0x10,
	APIC_ON = 0x1ff,
};

#define BELL	     0xfd000000ull
#define FIRST	     0x1000000ull
#define SHARED_ALIAS 0x100000000ull
#define PATTERN	     0x5a5a00000000ull
#define ANSWER	     0xa5a500000000ull

struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, reserved;
};

void tdcall(uint64_t regs[WORDS]);
_Noreturn void hello(unsigned vcpu);

extern uint64_t pdpt[512];
static struct gate idt[VECTOR + 1];
static volatile unsigned interrupts;
static unsigned finished;

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

static void out(unsigned port, unsigned size, uint32_t value)
{
	vmcall(VMCALL_IO, size, 1, port, value, 0);
}

static _Noreturn void end(unsigned status)
{
	out(PORT_EXIT, 1, status);
	for (;;)
		vmcall(VMCALL_HLT, 1, 0, 0, 0, 0);
}

static void must(int ok, unsigned status)
{
	if (!ok)
		end(status);
}

static uint64_t accept(uint64_t gpa)
{
	uint64_t r[WORDS] = {[RAX] = TDG_MEM_PAGE_ACCEPT, [RCX] = gpa};

	tdcall(r);
	return r[RAX];
}

__attribute__((interrupt)) static void on_interrupt(void *frame)
{
	(void)frame;
	interrupts++;
	__asm__ volatile("wrmsr" : : "c"(MSR_X2APIC_EOI), "a"(0), "d"(0));
}

static void take_interrupts(void)
{
	const uint64_t at = (uintptr_t)on_interrupt;
	const struct {
		uint16_t size;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uintptr_t)idt};

	idt[VECTOR] = (struct gate){(uint16_t)at,	  CODE, GATE, (uint16_t)(at >> 16),
				    (uint32_t)(at >> 32), 0};
	__asm__ volatile("lidt %0" : : "m"(idtr));
	must(vmcall(VMCALL_WRMSR, MSR_X2APIC_SIVR, APIC_ON, 0, 0, 0) == 0, 2);
}

/* One that comes before the halt ends it: it is pending, as interrupts are off. */
static void wait_for(unsigned n)
{
	while (interrupts < n) {
		vmcall(VMCALL_HLT, 0, 0, 0, 0, 0);
		__asm__ volatile("sti; nop; cli");
	}
}

static void rings(uint64_t shared, unsigned rounds)
{
	take_interrupts();
	for (unsigned i = 1; i <= rounds; i++) {
		must(vmcall(VMCALL_MMIO, 4, 1, BELL | shared, i, 0) == 0, 3);
		wait_for(i);
	}
	must(interrupts == rounds, 4);
	out(PORT_BELL, 1, BELL_HEARD);
	out(PORT_BELL, 1, BELL_TOLD);
}

static uint64_t map(uint64_t gpa)
{
	return vmcall(VMCALL_MAP_GPA, gpa, PAGE, 0, 0, 0);
}

static void hands_pages(uint64_t shared, unsigned rounds)
{
	volatile uint64_t *p = (volatile uint64_t *)FIRST;
	volatile uint64_t *alias = (volatile uint64_t *)(FIRST + SHARED_ALIAS);

	must(accept(FIRST) == 0 && *p == 0, 5);
	for (unsigned i = 0; i < rounds; i++) {
		*p = i + 1;
		must(map(FIRST | shared) == 0 && *alias == 0, 6);
		*alias = PATTERN + i;
		out(PORT_SHARED, 4, (uint32_t)FIRST);
		must(*alias == ANSWER + i, 7);
		must(map(FIRST) == 0 && accept(FIRST) == 0 && *p == 0, 8);
	}
	*p = 1;
	must(accept(FIRST) != 0, 9); /* it is there, and stays as it is */
	must(*p == 1, 10);
	out(PORT_TAKE, 4, (uint32_t)FIRST);
	must(accept(FIRST) == 0 && *p == 0, 11);
}

_Noreturn void hello(unsigned vcpu)
{
	uint64_t info[WORDS] = {[RAX] = TDG_VP_INFO}, shared, rounds = 0;

	tdcall(info);
	shared = 1ull << ((info[RCX] & 0x3f) - 1);
	pdpt[4] = shared | PTE_P | PTE_W | PTE_PS; /* each vCPU writes the same */
	vmcall(VMCALL_IO, 4, 0, PORT_ROUNDS, 0, &rounds);
	if (vcpu == 0)
		rings(shared, (unsigned)rounds);
	else
		hands_pages(shared, (unsigned)rounds);
	if (__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST) == (uint32_t)info[R8])
		end(0);
	for (;;)
		vmcall(VMCALL_HLT, 1, 0, 0, 0, 0);
}
