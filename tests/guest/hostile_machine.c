/* SPDX-License-Identifier: MIT */
/* Guests that turn the processor and its tables against what runs them: descriptors where devices
 * are, other modes, gates, segments' ends, storms. What each comes to is in hostile_guests.py. */
#include "hostile.h"
#include "hostile_many.h"

extern char to_32[], to_32_end[];

enum {
	CODE64 = 0x10,
	DATA = 0x18,
	CODE32 = 0x20,
	CODE16 = 0x28,
	SMALL = 0x30, /* data that ends soon */
	TSS = 0x40,
	GATE = 0x50,
	TSS32 = 0x60,
	LOW_CODE = 0x5000000, /* bytes that are executed in 16 or 32 bits */
	FS_BASE = 0xc0000100u,
};

static uint64_t gdt[16] __attribute__((aligned(16)));
static uint8_t tss[256] __attribute__((aligned(64)));
static uint8_t image[4096] __attribute__((aligned(64)));

static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t bits)
{
	return (base & 0xffffffull) << 16 | (uint64_t)(base >> 24) << 56 | (limit & 0xffff) |
	       (uint64_t)(limit & 0xf0000) << 32 | (uint64_t)bits << 40;
}

static void load_gdt(uint64_t at, uint16_t limit)
{
	struct table dtr = {limit, at};

	__asm__ volatile("lgdt %0" : : "m"(dtr));
}

static void put_tss(uint64_t base, uint16_t limit)
{
	gdt[TSS / 8] = descriptor((uint32_t)base, limit, 0x89);
	gdt[TSS / 8 + 1] = base >> 32;
}

static void make_gdt(void)
{
	gdt[CODE64 / 8] = 0x00af9b000000ffff;
	gdt[DATA / 8] = 0x00cf93000000ffff;
	gdt[CODE32 / 8] = 0x00cf9b000000ffff;
	gdt[CODE16 / 8] = descriptor(LOW_CODE, 0xffff, 0x9b);
	gdt[SMALL / 8] = descriptor(VICTIM, 0x4a, 0x4093);
	put_tss((uintptr_t)tss, sizeof(tss) - 1);
	load_gdt((uintptr_t)gdt, sizeof(gdt) - 1);
	__asm__ volatile("mov %0, %%ss; mov %0, %%ds; mov %0, %%es" : : "r"(DATA));
}

static void put_gate(unsigned at, uint16_t selector, uint64_t to)
{
	gdt[at / 8] = (to & 0xffff) | (uint64_t)selector << 16 | 0x8c0000000000 |
		      (to >> 16 & 0xffff) << 48;
	gdt[at / 8 + 1] = to >> 32;
}

static void load_ds(unsigned selector)
{
	__asm__ volatile("mov %0, %%ds" : : "r"(selector));
}

static void call_far(uint32_t offset, uint16_t selector)
{
	const struct {
		uint32_t offset;
		uint16_t selector;
	} __attribute__((packed)) far = {offset, selector};

	/* the code there uses these, and saves none */
	__asm__ volatile("lcall *%0"
			 :
			 : "m"(far)
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "memory", "cc");
}

/* Bytes in 16 or 32 bits; a far return of 32 bits brings them back. */
static void run_low(uint16_t selector, const char *bytes, unsigned n)
{
	uint8_t *code = (uint8_t *)LOW_CODE;

	for (unsigned i = 0; i < n; i++)
		code[i] = (uint8_t)bytes[i];
	code[n] = selector == CODE16 ? 0x66 : 0x90;
	code[n + 1] = 0xcb;
	call_far(selector == CODE16 ? 0 : LOW_CODE, selector);
}
#define RUN_LOW(selector, bytes) run_low(selector, bytes, sizeof(bytes) - 1)

static void with_ist(uint64_t tss_at)
{
	put_tss(tss_at, 0x67);
	__asm__ volatile("ltr %w0" : : "r"(TSS));
	for (unsigned i = 0; i < 32; i++)
		idt[i].type |= 1;
	ud();
	end(0);
}

/* --- tables --- */

static void gdt_in_a_device(void)
{
	load_gdt(WINDOW(NO_RAM), 255);
	traps_end = 1;
	load_ds(8);
	end(0);
}

static void gdt_without_memory(void)
{
	load_gdt(NO_RAM, 255);
	load_ds(8);
	end(0);
}

static void tss_in_a_device(void)
{
	with_ist(WINDOW(NO_RAM));
}

static void tss_without_memory(void)
{
	with_ist(NO_RAM);
}

static void tss_too_short(void)
{
	put_tss((uintptr_t)tss, 8);
	__asm__ volatile("ltr %w0" : : "r"(TSS));
	for (unsigned i = 0; i < 32; i++)
		idt[i].type |= 1;
	ud();
	end(0);
}

static void ldt_in_a_device(void)
{
	gdt[8] = descriptor((uint32_t)WINDOW(NO_RAM), 0xff, 0x82);
	gdt[9] = WINDOW(NO_RAM) >> 32;
	__asm__ volatile("lldt %w0" : : "r"(0x40));
	traps_end = 1;
	load_ds(12);
	end(0);
}

/* Tables that map themselves, changed through that while they are in use. */
static void tables_change_themselves(void)
{
	volatile uint64_t *entry = (volatile uint64_t *)(((uint64_t)5 << 39) | ((uint64_t)5 << 30) |
							 ((uint64_t)5 << 21) | ((uint64_t)5 << 12));

	top_table()[5] = (uintptr_t)top_table() | 3;
	flush();
	for (unsigned i = 0; i < 20000; i++) {
		entry[6 + i % 8] = next_random() & 0x000ffffffffff067ull & ~1ull;
		if (i % 64 == 0)
			flush();
		__asm__ volatile("invlpg (%0)" : : "r"(next_random() >> 17));
	}
	end(0);
}

static void flushes(void)
{
	for (unsigned i = 0; i < 100000; i++)
		flush();
	end(0);
}

/* --- gates and returns --- */

static void call_gate_not_canonical(void)
{
	traps_end = 1;
	put_gate(GATE, CODE64, 1ull << 52);
	call_far(0, GATE);
	end(0);
}

static void call_gate_to_nothing(void)
{
	put_gate(GATE, CODE64, NO_RAM);
	call_far(0, GATE);
	end(0);
}

static void call_gate_to_a_gate(void)
{
	traps_end = 1;
	put_gate(GATE, GATE, 0);
	call_far(0, GATE);
	end(0);
}

static void interrupt_gate_is_a_task(void)
{
	for (unsigned i = 0; i < 32; i++)
		idt[i].type = 0x8500;
	ud();
	end(0);
}

static void return_not_canonical(void)
{
	traps_end = 1;
	__asm__ volatile("pushq %0; pushq %%rsp; pushfq; pushq %1; pushq %2; iretq"
			 :
			 : "i"(DATA), "i"(CODE64), "r"(1ull << 47));
	end(0);
}

static void system_call_to_nowhere(void)
{
	__asm__ volatile("wrmsr" : : "c"(0xc0000082), "a"(NO_RAM), "d"(0));
	__asm__ volatile("wrmsr" : : "c"(0xc0000081), "a"(0), "d"(CODE64));
	__asm__ volatile("rdmsr; or $1, %%eax; wrmsr" : : "c"(0xc0000080) : "eax", "edx");
	__asm__ volatile("syscall" : : : "rcx", "r11");
	end(0);
}

/* --- other modes --- */

/* REP MOVSB with 16-bit addresses, from below the end of the segment on: over it, and into memory
 * that is not there. */
static void string_over_a_segment(void)
{
	gdt[SMALL / 8] = descriptor(NO_RAM - 0x8000, 0xffff, 0x93);
	RUN_LOW(CODE16,
		"\x06\x1e\xb8\x30\x00\x8e\xc0\x8e\xd8\xbe\xf0\xff\xbf\x00\x00\xb9\xff\xff\xf3\xa4"
		"\x1f\x07");
	end(0);
}

static void x87_over_a_limit(void)
{
	traps_end = 1;
	/* mov $SMALL, %eax; mov %eax, %ds; fnsave 0x10 */
	RUN_LOW(CODE32, "\xb8\x30\x00\x00\x00\x8e\xd8\xdd\x35\x10\x00\x00\x00");
	end(1);
}

static void enter_over_a_limit(void)
{
	traps_end = 1;
	/* mov $SMALL, %eax; mov $0x40, %esp in a stack that ends; enter $0x100, $31 */
	RUN_LOW(CODE32, "\xb8\x30\x00\x00\x00\x8e\xd0\xbc\x40\x00\x00\x00\xc8\x00\x01\x1f");
	end(1);
}

/* FS reaches what is far above 4 GiB; 32-bit code does not. */
static void far_base_in_32_bits(void)
{
	__asm__ volatile("wrmsr" : : "c"(FS_BASE), "a"(VICTIM), "d"(0x7fff));
	for (unsigned i = 0; i < 64; i++)
		/* mov $0xfffffff0, %ebx; mov $0x10, %al; twice XLAT and MOV through FS */
		RUN_LOW(CODE32, "\xbb\xf0\xff\xff\xff\xb0\x10\x64\xd7\x64\xd7\x64\x8a\x43\x20\x64"
				"\x88\x43\x20");
	end(0);
}

/* The same without paging, where every TD starts; and on again with tables where there is no
 * memory. */
static void unpaged(uint32_t cr3)
{
	__asm__ volatile("wrmsr" : : "c"(FS_BASE), "a"(VICTIM), "d"(0x7fff));
	*(uint32_t *)(LOW_CODE + 0x800) = cr3;
	for (char *from = to_32, *to = (char *)LOW_CODE; from < to_32_end; from++)
		*to++ = *from;
	call_far(LOW_CODE, CODE32);
	end(0);
}

static void far_base_unpaged(void)
{
	unpaged((uint32_t)(uintptr_t)top_table());
}

static void paging_without_memory(void)
{
	unpaged(NO_RAM);
}

/* Long mode cannot be left for good. */
static void leaves_long_mode(void)
{
	traps_end = 1;
	load_idt(0, 0);
	/* mov $EFER, %ecx; rdmsr; and $~LME, %eax; wrmsr */
	RUN_LOW(CODE32, "\xb9\x80\x00\x00\xc0\x0f\x32\x25\xff\xfe\xff\xff\x0f\x30");
	end(1);
}

/* A TSS of 32 bits, where long mode knows none. */
static void task_switch(void)
{
	traps_end = 1;
	gdt[TSS32 / 8] = descriptor((uintptr_t)tss, 0x67, 0x83);
	call_far(0, TSS32);
	end(1);
}

static void five_levels(void)
{
	uint64_t cr4;

	traps_end = 1;
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 1ull << 12));
	end(1);
}

/* --- registers --- */

static void debug_registers(void)
{
	__asm__ volatile("mov %0, %%dr0" : : "r"((uintptr_t)idt + 6 * 16));
	__asm__ volatile("mov %%rsp, %%rax; sub $64, %%rax; mov %%rax, %%dr1" : : : "rax");
	__asm__ volatile("mov %0, %%dr2" : : "r"(WINDOW(NO_RAM)));
	__asm__ volatile("mov %0, %%dr3" : : "r"((uintptr_t)ud));
	__asm__ volatile("mov %0, %%dr7" : : "r"(0x0fff07ffull));
	for (unsigned i = 0; i < 2000; i++) {
		__asm__ volatile("int3");
		load(WINDOW(NO_RAM));
	}
	end(0);
}

static void control_registers(void)
{
	uint64_t cr0, cr4;

	skipped_by_gp = 3;
	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	for (unsigned i = 0; i < 20000; i++) {
		const uint64_t v = next_random() >> (next_random() & 63);

		__asm__ volatile("mov %0, %%cr4" : : "a"(cr4 ^ (v & ~0x300220ull)));
		__asm__ volatile("mov %0, %%cr4" : : "a"(cr4));
		__asm__ volatile("mov %0, %%cr0" : : "a"(cr0 ^ (v & ~0x80000011ull)));
		__asm__ volatile("mov %0, %%cr0" : : "a"(cr0));
		__asm__ volatile("mov %0, %%dr7" : : "a"(v & ~0xffull));
	}
	end(0);
}

static void msrs_written(void)
{
	for (uint32_t i = 0; i < 0x4000; i++) {
		const uint32_t n = (i & 0x1fff) | (i >> 13 ? 0xc0000000u : 0);
		const uint64_t v = next_random() >> (next_random() & 63);

		/* but EFER, and timers that would then interrupt */
		if (n != 0xc0000080 && (n < 0x800 || n > 0x8ff))
			__asm__ volatile("wrmsr"
					 :
					 : "c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
		__asm__ volatile("rdmsr" : : "c"(n) : "eax", "edx");
	}
	end(0);
}

static void images(void)
{
	uint32_t cr4;

	skipped_by_gp = 3;
	__asm__ volatile("mov %%cr4, %%rax; or $0x40200, %%eax; mov %%rax, %%cr4" : "=a"(cr4));
	for (unsigned i = 0; i < 20000; i++) {
		for (unsigned k = 0; k < 8; k++)
			*(uint64_t *)(image + 512 + 8 * (k & 7)) =
				next_random() >> (next_random() & 63);
		*(uint64_t *)(image + next_random() % 500 / 8 * 8) = next_random();
		__asm__ volatile("xrstor (%0)" : : "b"(image), "a"(~0u), "d"(~0u) : "memory");
		__asm__ volatile("xsave (%0)" : : "b"(image), "a"(~0u), "d"(~0u) : "memory");
	}
	end(0);
}

static void identities(void)
{
	for (unsigned i = 0; i < 50000; i++) {
		uint32_t a = i < 0x8000 ? i : (uint32_t)next_random(), b,
			 c = (uint32_t)next_random(), d;

		__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	}
	end(0);
}

/* --- storms --- */

static void ipis_taken(void)
{
	__asm__ volatile("sti");
	for (unsigned i = 0; i < 20000; i++)
		__asm__ volatile("wrmsr" : : "c"(0x83f), "a"((uint32_t)(32 + i % 224)), "d"(0));
	__asm__ volatile("cli");
	end(0);
}

static void inits_to_itself(void)
{
	for (unsigned i = 0; i < 5000; i++)
		for (unsigned mode = 0; mode < 8; mode++)
			set_msr(ICR, mode << 8 | (i & 3) << 18 | (i & 0xff));
	end(0);
}

static void lines(void)
{
	for (unsigned i = 0; i < 20000; i++) {
		mmio_write(IOAPIC, 0x10 + (uint32_t)(next_random() % 48));
		mmio_write(IOAPIC + 0x10, (uint32_t)next_random());
		mmio_write(IOAPIC + 0x40, (uint32_t)next_random());
		out(COM1 + 1, 1, i & 0xf);
		out(0x20 + (i & 1), 1, next_random() & 0xff);
		out(0x43 - i % 4, 1, next_random() & 0xff);
	}
	end(0);
}

static void gives_all_away(void)
{
	vmcall4(MAP_GPA, SHARED, 128ull << 20, 0, 0);
	end(0);
}

static void accepts_all(void)
{
	for (uint64_t at = 0; at < 1ull << 52; at = at ? at * 2 : 4096)
		for (unsigned level = 0; level < 8; level++) {
			struct regs r = {.rax = PAGE_ACCEPT, .rcx = at | level};

			tdcall(&r);
		}
	end(0);
}

/* --- many --- */

static void convert_together(void)
{
	for (unsigned i = 0; i < 300; i++) {
		struct regs r = {.rax = PAGE_ACCEPT, .rcx = VICTIM + i % 16 * 4096};

		vmcall4(MAP_GPA, VICTIM | SHARED, 16 * 4096, 0, 0);
		vmcall4(MAP_GPA, VICTIM, 16 * 4096, 0, 0);
		tdcall(&r);
	}
}

static void all_8_convert(void)
{
	all_do(8, convert_together);
}

static void interrupt_each_other(void)
{
	for (unsigned i = 0; i < 2000; i++)
		set_msr(ICR,
			next_random() % 8 << 32 | 0x4000 | (uint32_t)(next_random() & 0xcffff));
}

static void all_8_interrupt(void)
{
	all_do(8, interrupt_each_other);
}

/* The second processor is sent where there is nothing. */
static void wakes_into_nothing(void)
{
	volatile uint8_t *mailbox = (volatile uint8_t *)MAILBOX;

	*(volatile uint32_t *)(mailbox + 4) = 1;
	*(volatile uint64_t *)(mailbox + 8) = 1ull << 63;
	for (unsigned command = 0x10000; command-- > 0;)
		*(volatile uint16_t *)mailbox = (uint16_t)command;
	*(volatile uint16_t *)mailbox = 1;
	for (;;)
		__asm__ volatile("pause");
}

/* A #VE is taken, and nobody asks what for. */
static void never_asks(void)
{
	for (unsigned i = 0; i < 256; i++)
		if (i != 20)
			idt[i] = (struct gate){0};
	idt[20].low = (uint16_t)(uintptr_t)ud;
	idt[20].middle = (uint16_t)((uintptr_t)ud >> 16);
	load(WINDOW(NO_RAM));
	end(0);
}

void second_main(void)
{
}

static const struct hostile guests[] = {
	GUEST(gdt_in_a_device),
	GUEST(gdt_without_memory),
	GUEST(tss_in_a_device),
	GUEST(tss_without_memory),
	GUEST(tss_too_short),
	GUEST(ldt_in_a_device),
	GUEST(tables_change_themselves),
	GUEST(flushes),
	GUEST(call_gate_not_canonical),
	GUEST(call_gate_to_nothing),
	GUEST(call_gate_to_a_gate),
	GUEST(interrupt_gate_is_a_task),
	GUEST(return_not_canonical),
	GUEST(system_call_to_nowhere),
	GUEST(string_over_a_segment),
	GUEST(x87_over_a_limit),
	GUEST(enter_over_a_limit),
	GUEST(far_base_in_32_bits),
	GUEST(far_base_unpaged),
	GUEST(paging_without_memory),
	GUEST(leaves_long_mode),
	GUEST(task_switch),
	GUEST(five_levels),
	GUEST(debug_registers),
	GUEST(control_registers),
	GUEST(msrs_written),
	GUEST(images),
	GUEST(identities),
	GUEST(ipis_taken),
	GUEST(inits_to_itself),
	GUEST(lines),
	GUEST(gives_all_away),
	GUEST(accepts_all),
	GUEST(all_8_convert),
	GUEST(all_8_interrupt),
	GUEST(wakes_into_nothing),
	GUEST(never_asks),
};

/* XLAT and MOV through FS, 64 times, with addresses that leave 32 bits. */
__asm__(".text\n.globl to_32, to_32_end\n.code32\nto_32:\n"
	"\tmov %cr0, %eax\n\tand $0x7fffffff, %eax\n\tmov %eax, %cr0\n"
	"\tmov $0xfffffff0, %ebx\n\tmov $64, %ecx\n"
	"1:\tmov $0x10, %al\n\tfs xlat\n\tmov %fs:0x20(%ebx), %al\n\tmov %al, "
	"%fs:0x30(%ebx)\n"
	"\tloop 1b\n\tmov 0x5000800, %eax\n\tmov %eax, %cr3\n"
	"\tmov %cr0, %eax\n\tor $0x80000000, %eax\n\tmov %eax, %cr0\n"
	"\tlret\nto_32_end:\n.code64\n");

void guest_main(uint64_t entry, const uint8_t *boot_params)
{
	(void)entry;
	make_gdt();
	run_guest(boot_params, guests, sizeof(guests) / sizeof(guests[0]));
}
