/* SPDX-License-Identifier: MIT */
/* Kernels for the board that mean no good, one a word of the command line: see ../hostile_hosts.py.
 * One that is done switches the machine off. */
#include <stdint.h>

#include "arch/msr.h"
#include "arch/x86.h"
#include "swtdx/boot.h"

enum {
	CMDLINE = 0x228, /* in the boot parameters */
	PORT_RESET = 0xf4,
	LSR = 5,
	PERIODIC = 1 << 17,
	DEADLINE = 2 << 17,
	VECTOR = 0x40,
	GIB = 1 << 30,
	MAILBOX = 0x9d000,
};

/* The machine starts it in long mode, RSI at the boot parameters. An exception goes on where
 * attempt() ends, with 1; an interrupt is counted. */
__asm__(".section .head, \"ax\"\n"
	".globl _start\n"
	"_start:\n\tmov $stack_end, %rsp\n\tmov %rsi, %rdi\n\tcall kernel\n1:\thlt\n\tjmp 1b\n"
	".text\n"
	"attempt:\n\tpush %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n"
	"\tmov %rsp, saved(%rip)\n\tmov %rdi, %rax\n\tmov %rsi, %rdi\n\tmov %rdx, %rsi\n"
	"\tcall *%rax\n\txor %eax, %eax\n"
	"2:\tpop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\tret\n"
	"on_exception:\n\tmov saved(%rip), %rsp\n\tmov $1, %eax\n\tjmp 2b\n"
	"on_interrupt:\n\tpush %rax\n\tpush %rcx\n\tpush %rdx\n\tincl interrupts(%rip)\n"
	"\tmov $0x80b, %ecx\n\txor %eax, %eax\n\txor %edx, %edx\n\twrmsr\n"
	"\tpop %rdx\n\tpop %rcx\n\tpop %rax\n\tiretq\n");

extern const char on_exception[], on_interrupt[];
int attempt(void (*f)(uint64_t a, uint64_t b), uint64_t a, uint64_t b);

uint64_t saved;
volatile unsigned interrupts;
uint8_t stack[65536];
__asm__(".globl stack_end\n.set stack_end, stack + 65536\n");

static struct gate {
	uint16_t low, selector, flags, middle;
	uint32_t high, none;
} idt[256];
static uint64_t pml4[512] __attribute__((aligned(4096))), pdpt[512] __attribute__((aligned(4096))),
	junk[8][512] __attribute__((aligned(4096)));

static uint64_t chance(void)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (uint64_t)high << 32 | low;
}

static void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}

static void say(const char *s)
{
	for (; *s; s++)
		out8(TDX_BOOT_PORT_COM1, (uint8_t)*s);
}

static void off(void)
{
	for (;;)
		out8(TDX_BOOT_PORT_SLEEP, TDX_BOOT_SLEEP_OFF);
}

/* --- of the console --- */

static void escapes(void)
{
	say("a\033]0;title\007b\033[6nc\033[31md\033[0me\033Pq\033\\f\005g\n");
}

static void echo(void)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t key;

	out8(TDX_BOOT_PORT_COM1 + 1, 1);
	say("ready\n");
	do {
		while (!(in8(TDX_BOOT_PORT_COM1 + LSR) & 1))
			__asm__ volatile("pause");
		key = in8(TDX_BOOT_PORT_COM1);
		out8(TDX_BOOT_PORT_COM1, (uint8_t)digits[key >> 4]);
		out8(TDX_BOOT_PORT_COM1, (uint8_t)digits[key & 15]);
		say("\n");
	} while (key != 'q');
}

static void flood(void)
{
	for (unsigned i = 0; i < 1 << 20; i++)
		out8(TDX_BOOT_PORT_COM1, (uint8_t)(i % 80 ? 'x' : '\n'));
}

/* --- ends --- */

static void spins(void)
{
	say("spins\n");
	for (;;)
		;
}

static void halts(void)
{
	__asm__ volatile("cli; hlt");
}

static void resets(void)
{
	out8(PORT_RESET, 1);
}

static void no_idt(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = {0, 0};

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
}

static void idt_in_a_device(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) there = {4095, 0xfec00000};

	__asm__ volatile("lidt %0; ud2" : : "m"(there));
}

static void on_that_stack(uint64_t none, uint64_t more)
{
	(void)none;
	(void)more;
	__asm__ volatile("mov %0, %%rsp; push %%rax; ud2" : : "r"(0xfec00800ull));
}

static void stack_in_a_device(void)
{
	attempt(on_that_stack, 0, 0);
}

static void cr3_outside(void)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(0x3ffffffff000ull) : "memory");
}

/* --- sweeps --- */

static void any_in(uint64_t port, uint64_t size)
{
	uint32_t v;

	if (size == 1)
		__asm__ volatile("inb %w1, %b0" : "=a"(v) : "d"((uint32_t)port));
	else if (size == 2)
		__asm__ volatile("inw %w1, %w0" : "=a"(v) : "d"((uint32_t)port));
	else
		__asm__ volatile("inl %w1, %0" : "=a"(v) : "d"((uint32_t)port));
}

static void any_out(uint64_t port, uint64_t size)
{
	const uint32_t v = (uint32_t)chance();

	if (size == 1)
		__asm__ volatile("outb %b0, %w1" : : "a"(v), "d"((uint32_t)port));
	else if (size == 2)
		__asm__ volatile("outw %w0, %w1" : : "a"(v), "d"((uint32_t)port));
	else
		__asm__ volatile("outl %0, %w1" : : "a"(v), "d"((uint32_t)port));
}

static void ports(void)
{
	for (uint32_t port = 0; port < 0x10000; port++) {
		attempt(any_in, port, 1u << chance() % 3);
		if ((port & ~7u) != TDX_BOOT_PORT_SLEEP && port != TDX_BOOT_PORT_COM1 &&
		    (port & ~15u) != (PORT_RESET & ~15u))
			attempt(any_out, port, 1u << chance() % 3);
	}
}

static void any_rdmsr(uint64_t msr, uint64_t none)
{
	(void)none;
	(void)rdmsr((uint32_t)msr);
}

static void any_wrmsr(uint64_t msr, uint64_t v)
{
	wrmsr((uint32_t)msr, v);
}

static void msrs(void)
{
	static const uint32_t from[] = {0, 0xc0000000, 0x40000000};

	for (unsigned k = 0; k < 3; k++)
		for (uint32_t i = 0; i < 0x2000; i++) {
			const uint32_t msr = from[k] + i;

			attempt(any_rdmsr, msr, 0);
			/* but what ends this: EFER, the handlers' segments' bases, INIT */
			if (msr != MSR_EFER && msr != MSR_X2APIC_ICR)
				attempt(any_wrmsr, msr, chance());
		}
}

static void any_store(uint64_t at, uint64_t v)
{
	*(volatile uint32_t *)at = (uint32_t)v;
}

static void any_load(uint64_t at, uint64_t none)
{
	(void)none;
	(void)*(volatile uint64_t *)at;
}

static void memory(void)
{
	for (uint64_t at = 1ull << 28; at < 512ull << 30; at += 61ull << 20)
		attempt(any_load, at, 0);
	for (uint64_t at = 16ull << 30; at < 512ull << 30; at += 61ull << 20)
		attempt(any_store, at, chance());
}

static void devices(void)
{
	static const uint32_t at[] = {
		0xfec00000, 0xfed90000, 0xfee00000, TDX_BOOT_VIRTIO, TDX_BOOT_VIRTIO + 0x1000,
		MAILBOX};

	for (unsigned i = 0; i < 300000; i++) {
		const uint64_t where = at[chance() % 6] + (chance() & 0xffc);

		attempt(chance() & 1 ? any_store : any_load, where, chance());
	}
}

/* --- storms --- */

static void timers(void)
{
	wrmsr(MSR_X2APIC_SIVR, 0x1ff);
	wrmsr(MSR_X2APIC_DIV_CONF, 0xb);
	wrmsr(MSR_X2APIC_LVT_TIMER, PERIODIC | VECTOR);
	wrmsr(MSR_X2APIC_INIT_COUNT, 1);
	__asm__ volatile("sti");
	while (interrupts < 1000)
		__asm__ volatile("hlt");
	wrmsr(MSR_X2APIC_LVT_TIMER, DEADLINE | VECTOR);
	for (unsigned i = 0; i < 100000; i++)
		wrmsr(MSR_TSC_DEADLINE, 1 + chance() % 1000);
	__asm__ volatile("cli");
	wrmsr(MSR_X2APIC_LVT_TIMER,
	      PERIODIC | VECTOR); /* and goes, with the timer at its fastest */
	wrmsr(MSR_X2APIC_INIT_COUNT, 1);
}

/* A timer fires for ever, and its interrupt is never taken. */
static void waits_masked(void)
{
	say("waits\n");
	wrmsr(MSR_X2APIC_SIVR, 0x1ff);
	__asm__ volatile("mov %0, %%cr8" : : "r"(15ull));
	wrmsr(MSR_X2APIC_LVT_TIMER, PERIODIC | VECTOR);
	wrmsr(MSR_X2APIC_INIT_COUNT, 1000);
	for (;;)
		__asm__ volatile("sti; hlt");
}

static void ipis(void)
{
	wrmsr(MSR_X2APIC_SIVR, 0x1ff);
	__asm__ volatile("sti");
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t icr = chance() & 0xffffffff000cf8ffull;

		if ((icr >> 8 & 7) != 0 && (icr >> 8 & 7) != 4)
			icr &= ~0x700ull; /* fixed, or an NMI */
		attempt(any_wrmsr, MSR_X2APIC_ICR, icr);
		__asm__ volatile("sti");
	}
}

static void inits_itself(void)
{
	wrmsr(MSR_X2APIC_ICR, 0x44500);
	spins();
}

/* --- the module --- */

static void seamcall(uint64_t rax, uint64_t none)
{
	register uint64_t r8 __asm__("r8") = chance() & 0x3fffff000, r9 __asm__("r9") = chance(),
			     r10 __asm__("r10") = chance(), r11 __asm__("r11") = chance();

	(void)none;
	__asm__ volatile(".byte 0x66, 0x0f, 0x01, 0xcf"
			 : "+a"(rax), "+r"(r8), "+r"(r9), "+r"(r10), "+r"(r11)
			 : "c"(chance() & 0x3fffff007), "d"(chance() & 0x3fffff000)
			 : "memory", "cc");
}

static void vmxon(uint64_t at, uint64_t none)
{
	uint64_t cr4;

	(void)none;
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_VMXE));
	wrmsr(MSR_FEATURE_CONTROL, 5);
	__asm__ volatile("vmxon %0" : : "m"(at) : "memory", "cc");
}

static void seamcalls(void)
{
	for (unsigned i = 0; i < 100; i++)
		attempt(seamcall, i, 0); /* #UD */
	junk[0][0] = (uint32_t)rdmsr(MSR_VMX_BASIC);
	attempt(vmxon, (uint64_t)(uintptr_t)junk[0], 0);
	for (unsigned i = 0; i < 200000; i++)
		attempt(seamcall, chance() % 128 | (chance() % 64 ? 0 : chance() << 16), 0);
}

/* --- tables --- */

static void load_tables(uint64_t at, uint64_t none)
{
	(void)none;
	__asm__ volatile("mov %0, %%cr3" : : "r"(at) : "memory");
}

/* Tables of junk, where a part of the addresses is what it was: this goes on. */
static void tables(void)
{
	for (unsigned round = 0; round < 2000; round++) {
		for (unsigned t = 0; t < 8; t++)
			for (unsigned i = 0; i < 512; i++)
				junk[t][i] = chance() % 4
						     ? (uint64_t)(uintptr_t)junk[chance() % 8] |
							       (chance() & 0xe7)
						     : chance();
		junk[0][0] = pml4[0];
		load_tables((uint64_t)(uintptr_t)junk[0], 0);
		for (unsigned i = 0; i < 50; i++)
			attempt(chance() & 1 ? any_store : any_load, chance() & 0xffffffffff8,
				chance());
	}
}

/* The other processors are woken into nothing. */
static void wakes_into_nothing(void)
{
	volatile uint16_t *const command = (volatile uint16_t *)MAILBOX;

	/* The one that there is comes last, and is waited for. */
	for (unsigned id = 7; id; id--) {
		*(volatile uint32_t *)(MAILBOX + 4) = id;
		*(volatile uint64_t *)(MAILBOX + 8) = chance();
		*command = 1;
		for (unsigned i = 0; i < 1000 && *command; i++)
			__asm__ volatile("pause");
	}
	spins();
}

/* --- */

static const struct {
	const char *name;
	void (*run)(void);
} kernels[] = {
	{"off", off},
	{"escapes", escapes},
	{"echo", echo},
	{"flood", flood},
	{"spins", spins},
	{"halts", halts},
	{"resets", resets},
	{"no_idt", no_idt},
	{"idt_in_a_device", idt_in_a_device},
	{"stack_in_a_device", stack_in_a_device},
	{"cr3_outside", cr3_outside},
	{"ports", ports},
	{"msrs", msrs},
	{"memory", memory},
	{"devices", devices},
	{"timers", timers},
	{"waits_masked", waits_masked},
	{"ipis", ipis},
	{"inits_itself", inits_itself},
	{"seamcalls", seamcalls},
	{"tables", tables},
	{"wakes_into_nothing", wakes_into_nothing},
};

static void set_up(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) r = {sizeof(idt) - 1, (uint64_t)(uintptr_t)idt};
	uint16_t cs;

	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	for (unsigned i = 0; i < 256; i++) {
		const uint64_t to =
			(uint64_t)(uintptr_t)(i < 32 && i != 2 ? on_exception : on_interrupt);

		idt[i] = (struct gate){(uint16_t)to, cs, 0x8e00, (uint16_t)(to >> 16), 0, 0};
	}
	__asm__ volatile("lidt %0" : : "m"(r));
	for (uint64_t i = 0; i < 512; i++)
		pdpt[i] = i * GIB | 0x83;
	pml4[0] = (uint64_t)(uintptr_t)pdpt | 3;
	load_tables((uint64_t)(uintptr_t)pml4, 0);
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return !*a && (!*b || *b == ' ');
}

void kernel(const uint8_t *boot_params)
{
	const char *word = (const char *)(uintptr_t) * (const uint32_t *)(boot_params + CMDLINE);

	set_up();
	for (unsigned i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++)
		if (same(kernels[i].name, word))
			kernels[i].run();
	off();
}
