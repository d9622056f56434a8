/* SPDX-License-Identifier: MIT */
/* What guests that mean no good share: their calls, traps and tables, and which of them is run. */
#ifndef TESTS_GUEST_HOSTILE_H
#define TESTS_GUEST_HOSTILE_H

#include "start.h"

struct table {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

void guest_main(uint64_t entry, const uint8_t *boot_params);

enum {
	RTMR_EXTEND = 2,
	HLT = 12,
	IO = 30,
	RDMSR = 31,
	WRMSR = 32,
	MMIO_CALL = 48,
	GET_QUOTE = 0x10002,
	COM1_IRQ = 4,
	CMDLINE = 0x228, /* in boot_params */
	NO_RAM = 0xc0000000u,
	FAR_WINDOW = 2, /* entry of the top-level page table */
	LVT_TIMER = 0x832,
	ICR = 0x830,
	INIT_COUNT = 0x838,
	DIV_CONF = 0x83e,
	DEADLINE = 0x6e0,
	PERIODIC = 1 << 17,
	VECTOR = 0x40,
};
#define IOAPIC	    0xfec00000ull
#define WINDOW(gpa) (((uint64_t)SHARED_WINDOW << 39) + (gpa))
#define FAR	    ((uint64_t)FAR_WINDOW << 39)

static struct gate idt[256] __attribute__((aligned(16)));
static uint64_t window_pdpt[512] __attribute__((aligned(4096)));
static uint64_t window_pd[4][512] __attribute__((aligned(4096)));
static uint64_t far_pdpt[512] __attribute__((aligned(4096)));
static uint64_t far_pd[512] __attribute__((aligned(4096)));
static uint64_t seed = 0x9e3779b97f4a7c15ull;
static volatile unsigned traps;
static volatile uint8_t traps_end; /* any exception is the end, and a good one */
static volatile uint64_t skipped_by_gp = 2;
/* Where a guest goes on after any exception that it expects; 0: it expects none. */
static volatile uint64_t fault_to;
/* What a #VE does before it looks: nothing, or touch a device. */
static volatile uint32_t *touched_by_ve;

static inline uint64_t vmcall4(uint64_t leaf, uint64_t r12, uint64_t r13, uint64_t r14,
			       uint64_t r15)
{
	return vmcall(leaf, r12, r13, r14, r15, NULL);
}

static inline void out(unsigned port, unsigned size, uint64_t value)
{
	vmcall4(IO, size, 1, port, value);
}

static inline void mmio_write(uint64_t gpa, uint32_t value)
{
	vmcall4(MMIO_CALL, 4, 1, gpa | SHARED, value);
}

static inline void end(uint8_t status)
{
	out(EXIT, 1, status);
}

static inline void say(const char *text)
{
	while (*text)
		out(COM1, 1, (uint8_t)*text++);
}

static inline void set_msr(uint32_t n, uint64_t v)
{
	vmcall4(WRMSR, n, v, 0, 0);
}

static inline uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

void guest_trap(struct frame *f)
{
	struct regs r = {.rax = VEINFO_GET};

	traps++;
	if (traps_end && f->vector < 32 && f->vector != 20)
		end(0);
	if (f->vector == 20) {
		if (touched_by_ve)
			(void)*touched_by_ve;
		tdcall(&r);
		if (fault_to) {
			f->rip = fault_to;
			return;
		}
		/* MOV (%rbx), %eax is two bytes; the length of others is told. */
		f->rip += (uint32_t)r.rcx == 48 ? 2 : (uint32_t)r.r10;
	} else if (fault_to && f->vector < 32) {
		f->rip = fault_to;
	} else if (f->vector == 6) {
		f->rip += 2;
	} else if (f->vector == 13) {
		f->rip += skipped_by_gp;
	} else if (f->vector <= 3) {
		return;
	} else if (f->vector >= 32) {
		__asm__ volatile("wrmsr" : : "c"(0x80b), "a"(0), "d"(0));
	} else {
		say("unexpected trap\n");
		end(99);
	}
}

static void load_idt(uint64_t at, uint16_t limit)
{
	struct table dtr = {limit, at};

	__asm__ volatile("lidt %0" : : "m"(dtr));
}

static void make_idt(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t at = (uintptr_t)trap_table + 16 * i;

		idt[i] = (struct gate){(uint16_t)at,	     0x10, 0x8e00, (uint16_t)(at >> 16),
				       (uint32_t)(at >> 32), 0};
	}
	load_idt((uintptr_t)idt, sizeof(idt) - 1);
}

static volatile uint64_t *top_table(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	return (volatile uint64_t *)cr3;
}

static inline void flush(void)
{
	__asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
}

/* The first 4 GiB again, with the shared bit. */
static void map_window(void)
{
	for (unsigned i = 0; i < 2048; i++)
		window_pd[i / 512][i % 512] = ((uint64_t)i << 21) | SHARED | 0x83;
	for (unsigned i = 0; i < 4; i++)
		window_pdpt[i] = (uintptr_t)window_pd[i] | 3;
	top_table()[SHARED_WINDOW] = (uintptr_t)window_pdpt | 3;
	far_pdpt[0] = (uintptr_t)far_pd | 3;
	top_table()[FAR_WINDOW] = (uintptr_t)far_pdpt | 3;
}

static inline uint32_t load(uint64_t at)
{
	uint32_t v;

	__asm__ volatile("movl (%1), %0" : "=a"(v) : "b"(at) : "rdx", "memory");
	return v;
}

static inline void ud(void)
{
	__asm__ volatile("ud2");
}

struct hostile {
	const char *name;
	void (*run)(void);
};

#define GUEST(name)                                                                                \
	{                                                                                          \
#name, name                                                                        \
	}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static inline void run_guest(const uint8_t *boot_params, const struct hostile *all, unsigned n)
{
	const char *name = (const char *)(uintptr_t) * (const uint32_t *)(boot_params + CMDLINE);

	make_idt();
	map_window();
	for (unsigned i = 0; i < n; i++)
		if (same(all[i].name, name))
			all[i].run();
	say("no such guest\n");
	end(98);
}

#endif
