/* SPDX-License-Identifier: MIT */
/* Guests that mean no good, or know no better: which one, its command line says. What each comes to
 * is in hostile_guests.py. */
#include "hostile.h"

void counts_and_waits(void);

static uint8_t digest[64] __attribute__((aligned(64)));
unsigned alive;

/* --- timers and interrupts --- */

static void periodic(uint32_t count)
{
	set_msr(DIV_CONF, 0xb);
	set_msr(LVT_TIMER, PERIODIC | VECTOR);
	for (unsigned i = 0; i < 2000; i++)
		set_msr(INIT_COUNT, count);
	end(0);
}

static void timer_1(void)
{
	periodic(1);
}

static void timer_4(void)
{
	periodic(4);
}

static void timer_modes(void)
{
	for (unsigned i = 0; i < 3000; i++) {
		set_msr(LVT_TIMER, (next_random() & 0x600ff));
		set_msr(DIV_CONF, next_random() & 0xf);
		set_msr(INIT_COUNT, next_random() & 0xff);
		set_msr(DEADLINE, next_random() >> (next_random() & 63));
	}
	end(0);
}

static void deadline_past(void)
{
	set_msr(LVT_TIMER, 2 << 17 | VECTOR);
	for (unsigned i = 0; i < 10000; i++)
		set_msr(DEADLINE, 1 + (i & 1));
	end(0);
}

static void timer_taken(void)
{
	set_msr(DIV_CONF, 0xb);
	set_msr(LVT_TIMER, PERIODIC | VECTOR);
	set_msr(INIT_COUNT, 1);
	__asm__ volatile("sti");
	while (traps < 200)
		__asm__ volatile("pause");
	__asm__ volatile("cli");
	end(0);
}

static void icr(void)
{
	for (unsigned i = 0; i < 20000; i++)
		set_msr(ICR, next_random());
	end(0);
}

static void self_ipis(void)
{
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t v = 32 + next_random() % 200;

		__asm__ volatile("wrmsr" : : "c"(0x83f), "a"(v), "d"(0));
	}
	end(0);
}

static void msrs(void)
{
	for (uint32_t i = 0; i < 0x2000; i++) {
		vmcall4(RDMSR, i, 0, 0, 0);
		if ((i < 0x800 || i > 0x83f) && i != DEADLINE)
			set_msr(i, next_random());
		vmcall4(RDMSR, 0xc0000000u + i, 0, 0, 0);
		set_msr(0xc0000000u + i, next_random());
	}
	end(0);
}

/* --- where there is no memory --- */

static void no_ram(void)
{
	load(NO_RAM);
	end(0);
}

static void no_ram_accept(void)
{
	struct regs r = {.rax = PAGE_ACCEPT, .rcx = NO_RAM};

	tdcall(&r);
	end(0);
}

static void cr3_outside(void)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"((uint64_t)NO_RAM) : "memory");
	end(0);
}

static void sweep(void)
{
	uint8_t *to = (uint8_t *)0x1800000;
	uint64_t n = 1ull << 40;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
	end(0);
}

static void run_nothing(void)
{
	((void (*)(void))(uintptr_t)NO_RAM)();
	end(0);
}

static void idt_in_a_device(void)
{
	load_idt(WINDOW(NO_RAM), 4095);
	ud();
	end(0);
}

static void stack_in_a_device(void)
{
	__asm__ volatile("mov %0, %%rsp; ud2" : : "r"(WINDOW(NO_RAM) + 4096));
	end(0);
}

static void ve_in_ve(void)
{
	touched_by_ve = (volatile uint32_t *)WINDOW(NO_RAM);
	load(WINDOW(NO_RAM) + 4096);
	end(0);
}

static void idt_without_memory(void)
{
	load_idt(NO_RAM, 4095);
	ud();
	end(0);
}

static void tables_in_a_device(void)
{
	far_pdpt[1] = NO_RAM | SHARED | 3;
	flush();
	load(FAR + (1ull << 30));
	end(0);
}

static void devices_everywhere(void)
{
	for (uint64_t i = 0; i < 20000; i++) {
		far_pd[0] = (0x100000000ull + (i << 21)) | SHARED | 0x83;
		flush();
		load(FAR);
	}
	end(0);
}

/* --- conversions --- */

static void not_accepted(void)
{
	vmcall4(MAP_GPA, VICTIM | SHARED, 4096, 0, 0);
	vmcall4(MAP_GPA, VICTIM, 4096, 0, 0);
	load(VICTIM);
	end(0);
}

static void alias(void)
{
	load(WINDOW(VICTIM));
	load(VICTIM);
	end(0);
}

static void back_and_forth(void)
{
	struct regs r;

	for (unsigned i = 0; i < 3000; i++) {
		vmcall4(MAP_GPA, VICTIM | SHARED, 16 * 4096, 0, 0);
		load(WINDOW(VICTIM) + i % 16 * 4096);
		vmcall4(MAP_GPA, VICTIM, 16 * 4096, 0, 0);
		for (unsigned k = 0; k < 16; k++) {
			r = (struct regs){.rax = PAGE_ACCEPT, .rcx = VICTIM + k * 4096};
			tdcall(&r);
		}
	}
	end(0);
}

static void map_anything(void)
{
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t at = next_random() >> (next_random() & 63);
		uint64_t size = next_random() >> (next_random() & 63);

		/* not what it runs in */
		if ((at & ~SHARED) < 0x2000000)
			at += 0x8000000;
		vmcall4(MAP_GPA, at & ~0xfffull, size & ~0xfffull, 0, 0);
		vmcall4(MAP_GPA, at, size, 0, 0);
	}
	vmcall4(MAP_GPA, SHARED | 0x10000000, ~0ull & ~0xfffull, 0, 0);
	vmcall4(MAP_GPA, SHARED, 1ull << 47, 0, 0);
	end(0);
}

static void run_shared(void)
{
	vmcall4(MAP_GPA, VICTIM | SHARED, 4096, 0, 0);
	*(volatile uint8_t *)WINDOW(VICTIM) = 0xc3;
	((void (*)(void))WINDOW(VICTIM))();
	end(0);
}

/* --- calls --- */

static void quotes(void)
{
	vmcall4(MAP_GPA, VICTIM | SHARED, 8192, 0, 0);
	for (unsigned i = 0; i < 5000; i++) {
		vmcall4(GET_QUOTE, VICTIM | SHARED, 8192, 0, 0);
		vmcall4(GET_QUOTE, SHARED | (uint64_t)i << 12, 1ull << 40, 0, 0);
		vmcall4(GET_QUOTE, SHARED | 0x20000000, 4096, 0, 0);
	}
	end(0);
}

static void calls(void)
{
	for (unsigned i = 0; i < 20000; i++) {
		struct regs r = {.rax = VMCALL,
				 .rcx = R10_TO_R15,
				 .r11 = next_random() & 1 ? 0x10000 + next_random() % 16
							  : next_random() % 70,
				 .r12 = next_random() >> (next_random() & 63),
				 .r13 = next_random() >> (next_random() & 63),
				 .r14 = next_random() >> (next_random() & 63),
				 .r15 = next_random()};

		/* These two end it, or wait, or take away what it runs in. */
		if (r.r11 == 0x10003 || r.r11 == HLT || r.r11 == IO || r.r11 == 0x10001)
			continue;
		tdcall(&r);
	}
	end(0);
}

static void leaves(void)
{
	for (unsigned i = 0; i < 20000; i++) {
		struct regs r = {.rax = 1 + next_random() % 64,
				 .rcx = next_random() >> (next_random() & 63),
				 .rdx = next_random() >> (next_random() & 63),
				 .r8 = next_random() >> (next_random() & 63),
				 .r9 = next_random()};

		/* not over itself */
		if (r.rax == PAGE_ACCEPT || r.rcx < 0x2000000 || r.rdx < 0x2000000)
			r.rcx = r.rdx = NO_RAM | (1ull << 50);
		tdcall(&r);
	}
	end(0);
}

static void registers_exposed(void)
{
	struct regs r = {.rax = VMCALL, .rcx = ~0ull, .r11 = HLT};

	tdcall(&r);
	r = (struct regs){.rax = VMCALL, .rcx = 0, .r11 = IO};
	tdcall(&r);
	end(0);
}

static void ports(void)
{
	for (unsigned size = 1; size <= 4; size *= 2)
		for (unsigned port = 0; port < 0x10000; port += size == 1 ? 1 : 257) {
			vmcall4(IO, size, 0, port, 0);
			if ((port < EXIT - 4 || port > EXIT) && (port < 0x3f0 || port > 0x400) &&
			    (port < 0x5f0 || port > 0x610))
				out(port, size, next_random());
		}
	end(0);
}

static void device_calls(void)
{
	for (unsigned i = 0; i < 20000; i++)
		vmcall4(MMIO_CALL, 1u << (i & 7), i & 1, next_random() >> 16 | SHARED,
			next_random());
	end(0);
}

static void extends(void)
{
	for (unsigned i = 0; i < 3000; i++) {
		struct regs r = {.rax = RTMR_EXTEND, .rcx = (uintptr_t)digest, .rdx = i & 7};

		tdcall(&r);
	}
	end(0);
}

static void flood(void)
{
	for (unsigned i = 0; i < 100000; i++)
		out(COM1, 1, 'x');
	end(0);
}

static void fatal(void)
{
	struct regs r = {.rax = VMCALL,
			 .rcx = R10_TO_R15,
			 .r11 = 0x10003,
			 .r14 = 0x1b5d7265747475b1ull,
			 .r15 = 0x0707070707070707ull};

	tdcall(&r);
	end(0);
}

static void status_200(void)
{
	end(200);
}

/* --- exceptions --- */

static void no_idt(void)
{
	load_idt(0, 0);
	ud();
	end(0);
}

static void no_idt_page_fault(void)
{
	load_idt(0, 0);
	load(0x123456789000ull);
	end(0);
}

static void handler_nowhere(void)
{
	for (unsigned i = 0; i < 32; i++)
		idt[i].high = 0x7f00;
	ud();
	end(0);
}

static void no_stack(void)
{
	__asm__ volatile("mov %0, %%rsp; ud2" : : "r"(0x123456789000ull));
	end(0);
}

/* As a kernel does that was not built to be a TD. */
static void knows_no_ve(void)
{
	for (unsigned i = 0; i < 256; i++)
		if (i != 14)
			idt[i] = (struct gate){0};
	load(WINDOW(NO_RAM));
	end(0);
}

/* As Linux without EFI does it: what firmware is to do, and on through real mode. */
static void restarts(void)
{
	out(0x70, 1, 0x8f);
	out(0x71, 1, 0);
	load_idt(0, 0);
	ud();
	end(0);
}

/* The same, but it went on for a while. */
static void restarts_not(void)
{
	out(0x70, 1, 0x8f);
	out(0x71, 1, 0);
	out(0x80, 1, 0);
	load_idt(0, 0);
	ud();
	end(0);
}

static void single_steps(void)
{
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq" : : : "memory", "cc");
	for (volatile unsigned i = 0; i < 3000; i++)
		;
	end(0);
}

static void changes_itself(void)
{
	uint8_t *code = (uint8_t *)VICTIM;

	for (unsigned i = 0; i < 20000; i++) {
		code[0] = 0xb8; /* MOV EAX, i; RET */
		*(uint32_t *)(code + 1) = i;
		code[5] = 0xc3;
		((void (*)(void))(uintptr_t)code)();
	}
	end(0);
}

static void state_components(void)
{
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t v = next_random() >> (next_random() & 63);

		__asm__ volatile("wrmsr"
				 :
				 : "c"(0xda0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
		__asm__ volatile("wrmsr" : : "c"(0xc0000080), "a"((uint32_t)v | 0xd00), "d"(0));
	}
	end(0);
}

/* --- never done --- */

static void spins(void)
{
	for (;;)
		__asm__ volatile("");
}

static void pauses(void)
{
	for (;;)
		__asm__ volatile("pause");
}

static void traps_for_ever(void)
{
	__asm__ volatile("1: int3; jmp 1b");
}

static void waits_for_nothing(void)
{
	for (;;)
		vmcall4(HLT, 0, 0, 0, 0);
}

static void halts(void)
{
	vmcall4(HLT, 1, 0, 0, 0);
	for (;;)
		vmcall4(HLT, 1, 0, 0, 0);
}

/* --- at the terminal --- */

static uint8_t in(unsigned port)
{
	struct regs r = {.rax = VMCALL, .rcx = R10_TO_R15, .r11 = IO, .r12 = 1, .r14 = port};

	tdcall(&r);
	return (uint8_t)r.r11;
}

/* Each byte as two digits, until a q. */
static void echo(void)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t c = 0;

	out(COM1 + 1, 1, 1);
	say("ready\n");
	while (c != 'q') {
		while (!(in(COM1 + 5) & 1))
			__asm__ volatile("pause");
		c = in(COM1);
		out(COM1, 1, (uint8_t)digits[c >> 4]);
		out(COM1, 1, (uint8_t)digits[c & 15]);
		out(COM1, 1, '\n');
	}
	end(0);
}

/* How many came, after a pause in which they pile up. */
static void paste(void)
{
	unsigned n = 0, sum = 0;
	uint8_t c = 0;

	out(COM1 + 1, 1, 1);
	say("ready\n");
	for (volatile unsigned i = 0; i < 30000000; i++)
		;
	while (c != 'q') {
		while (!(in(COM1 + 5) & 1))
			__asm__ volatile("pause");
		c = in(COM1);
		n++;
		sum += c;
	}
	say("got ");
	for (unsigned d = 1000000; d; d /= 10)
		out(COM1, 1, '0' + n / d % 10);
	say(" sum ");
	for (unsigned d = 100000000; d; d /= 10)
		out(COM1, 1, '0' + sum / d % 10);
	say("\n");
	end(0);
}

/* As echo, and never looks before it is interrupted: through the I/O APIC, whose lines are edges.
 */
static void interrupted_echo(void)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t c = 0;

	make_idt();
	set_msr(0x80f, 0x1ff);
	mmio_write(IOAPIC, 0x11 + 2 * COM1_IRQ);
	mmio_write(IOAPIC + 0x10, 0);
	mmio_write(IOAPIC, 0x10 + 2 * COM1_IRQ);
	mmio_write(IOAPIC + 0x10, VECTOR);
	out(COM1 + 4, 1, 0x0b);
	out(COM1 + 1, 1, 1);
	say("ready\n");
	__asm__ volatile("sti");
	while (c != 'q') {
		while (!traps)
			__asm__ volatile("pause");
		traps = 0;
		while (in(COM1 + 5) & 1) {
			c = in(COM1);
			out(COM1, 1, (uint8_t)digits[c >> 4]);
			out(COM1, 1, (uint8_t)digits[c & 15]);
			out(COM1, 1, '\n');
		}
	}
	end(0);
}

/* Much, and nothing after it. */
static void writes(void)
{
	for (unsigned i = 0; i < 10000; i++) {
		say("line ");
		for (unsigned d = 1000000; d; d /= 10)
			out(COM1, 1, '0' + i / d % 10);
		say("\n");
	}
	end(0);
}

static void escapes(void)
{
	say("a\033]0;title\007b\033[6nc\033[31md\033[0me\033Pq\033\\f\005g\n");
	end(0);
}

/* --- many --- */

__asm__(".text\n.globl counts_and_waits\ncounts_and_waits:\n\tlock incl alive(%rip)\n"
	"1:\tpause\n\tjmp 1b\n");

static void wake(unsigned n)
{
	volatile uint8_t *mailbox = (volatile uint8_t *)MAILBOX;

	for (unsigned i = 1; i < n; i++) {
		*(volatile uint32_t *)(mailbox + 4) = i;
		*(volatile uint64_t *)(mailbox + 8) = (uintptr_t)counts_and_waits;
		*(volatile uint16_t *)mailbox = 1;
		while (*(volatile uint16_t *)mailbox)
			__asm__ volatile("pause");
	}
	while (__atomic_load_n(&alive, __ATOMIC_SEQ_CST) != n - 1)
		__asm__ volatile("pause");
}

static void all_64(void)
{
	wake(64);
	say("64 are there\n");
	end(0);
}

static void all_8_at_timers(void)
{
	wake(8);
	timer_1();
}

void second_main(void)
{
}

static const struct hostile guests[] = {
	{"timer_1", timer_1},
	{"timer_4", timer_4},
	{"timer_modes", timer_modes},
	{"timer_taken", timer_taken},
	{"deadline_past", deadline_past},
	{"icr", icr},
	{"self_ipis", self_ipis},
	{"msrs", msrs},
	{"no_ram", no_ram},
	{"no_ram_accept", no_ram_accept},
	{"cr3_outside", cr3_outside},
	{"sweep", sweep},
	{"run_nothing", run_nothing},
	{"idt_in_a_device", idt_in_a_device},
	{"stack_in_a_device", stack_in_a_device},
	{"ve_in_ve", ve_in_ve},
	{"idt_without_memory", idt_without_memory},
	{"tables_in_a_device", tables_in_a_device},
	{"devices_everywhere", devices_everywhere},
	{"not_accepted", not_accepted},
	{"alias", alias},
	{"back_and_forth", back_and_forth},
	{"map_anything", map_anything},
	{"run_shared", run_shared},
	{"quotes", quotes},
	{"calls", calls},
	{"leaves", leaves},
	{"registers_exposed", registers_exposed},
	{"ports", ports},
	{"device_calls", device_calls},
	{"extends", extends},
	{"flood", flood},
	{"fatal", fatal},
	{"status_200", status_200},
	{"no_idt", no_idt},
	{"no_idt_page_fault", no_idt_page_fault},
	{"handler_nowhere", handler_nowhere},
	{"no_stack", no_stack},
	{"knows_no_ve", knows_no_ve},
	{"restarts", restarts},
	{"restarts_not", restarts_not},
	{"single_steps", single_steps},
	{"changes_itself", changes_itself},
	{"state_components", state_components},
	{"spins", spins},
	{"pauses", pauses},
	{"traps_for_ever", traps_for_ever},
	{"waits_for_nothing", waits_for_nothing},
	{"halts", halts},
	{"echo", echo},
	{"interrupted_echo", interrupted_echo},
	{"paste", paste},
	{"writes", writes},
	{"escapes", escapes},
	{"all_64", all_64},
	{"all_8_at_timers", all_8_at_timers},
};

void guest_main(uint64_t entry, const uint8_t *boot_params)
{
	(void)entry;
	run_guest(boot_params, guests, sizeof(guests) / sizeof(guests[0]));
}
