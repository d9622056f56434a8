/* SPDX-License-Identifier: MIT */
/* A guest that looks at the world it runs in and says what is as it must be: "ok WHAT", a line
 * each, or "not ok WHAT"; then its measurements. Ends through the exit port with the number of
 * failures. Runs on two vCPUs. */
#include "arch/msr.h"
#include "arch/vmx.h"
#include "arch/x86.h"

#include "start.h"

void guest_main(const uint8_t *boot_params);
void second_start(void);

enum {
	MR_REPORT = 4,
	VECTOR_TIMER = 0x40,
	VECTOR_IPI = 0x41,
};
#define MMIO	    0xfed00000ull
#define WINDOW(gpa) ((volatile uint32_t *)(((uint64_t)SHARED_WINDOW << 39) + (gpa)))

static struct gate idt[256] __attribute__((aligned(16)));
static uint64_t window_pdpt[512] __attribute__((aligned(4096)));
static uint64_t window_pd[4][512] __attribute__((aligned(4096)));
static uint8_t report[1024] __attribute__((aligned(1024)));
static uint8_t report_data[64] __attribute__((aligned(64)));
static volatile struct regs ve; /* of the last #VE: RCX reason, RDX qualification, R9 GPA */
static volatile unsigned ves, timers, uds, gps;
static volatile unsigned second_alive, second_ipis;
static unsigned failures;

static void put(char c)
{
	vmcall(VMX_EXIT_IO, 1, 1, COM1, (uint8_t)c, NULL);
}

static void say(const char *text)
{
	while (*text)
		put(*text++);
}

static void check(int ok, const char *what)
{
	say(ok ? "ok " : "not ok ");
	say(what);
	put('\n');
	failures += !ok;
}

static uint64_t msr(uint32_t n)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(n));
	return (uint64_t)high << 32 | low;
}

static void set_msr(uint32_t n, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

void guest_trap(struct frame *f)
{
	struct regs r = {.rax = VEINFO_GET};

	switch (f->vector) {
	case 6:
		uds++;
		f->rip += 2;
		break;
	case 13:
		gps++;
		f->rip += 2;
		break;
	case 20:
		tdcall(&r);
		ve = r;
		ves++;
		/* What an access of memory reads is in EAX: MOV (%rbx), %eax, two bytes. */
		f->rip += (uint32_t)r.rcx == 48 ? 2 : (uint32_t)r.r10;
		f->rax = 0x5a;
		f->rdx = 0;
		break;
	case VECTOR_TIMER:
		timers++;
		set_msr(MSR_X2APIC_EOI, 0);
		break;
	case VECTOR_IPI:
		second_ipis++;
		set_msr(MSR_X2APIC_EOI, 0);
		break;
	default:
		say("unexpected trap\n");
		vmcall(VMX_EXIT_IO, 1, 1, EXIT, 99, NULL);
	}
}

static void load_idt(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) dtr = {sizeof(idt) - 1, (uintptr_t)idt};

	for (unsigned i = 0; i < 256; i++) {
		uint64_t at = (uintptr_t)trap_table + 16 * i;

		idt[i] = (struct gate){(uint16_t)at,	     0x10, 0x8e00, (uint16_t)(at >> 16),
				       (uint32_t)(at >> 32), 0};
	}
	__asm__ volatile("lidt %0" : : "m"(dtr));
}

/* The first 4 GiB again, with the shared bit. */
static void map_window(void)
{
	uint64_t cr3;

	for (unsigned i = 0; i < 2048; i++)
		window_pd[i / 512][i % 512] = ((uint64_t)i << 21) | SHARED | 0x83;
	for (unsigned i = 0; i < 4; i++)
		window_pdpt[i] = (uintptr_t)window_pd[i] | 3;
	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	((volatile uint64_t *)cr3)[SHARED_WINDOW] = (uintptr_t)window_pdpt | 3;
}

static void check_cpuid(void)
{
	uint32_t a = 0x21, b, c = 0, d;
	unsigned before = ves;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	check(b == 0x65746e49 && d == 0x5844546c && c == 0x20202020, "CPUID says IntelTDX");
	a = 0x40000000;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	check(ves == before + 1 && (uint32_t)ve.rcx == 10, "a hypervisor's CPUID leaf is #VE");
}

static void check_io(void)
{
	unsigned before = ves;
	uint8_t in;

	__asm__ volatile("inb %1, %0" : "=a"(in) : "Nd"((uint16_t)0x3fd));
	check(ves == before + 1 && (uint32_t)ve.rcx == 30 && in == 0x5a, "IN is #VE");
	check(ve.rdx >> 16 == 0x3fd && (ve.rdx & 0xf) == 8, "its qualification tells the port");
}

static void check_msrs(void)
{
	unsigned before = ves;

	msr(MSR_APIC_BASE);
	check(ves == before + 1 && (uint32_t)ve.rcx == 31, "IA32_APIC_BASE is #VE");
	check(gps == 0, "no #GP so far");
	msr(0x804);
	check(gps == 1, "a reserved x2APIC register is #GP");
	check((msr(MSR_EFER) & 0xd00) == 0xd00, "EFER can be read");
	set_msr(MSR_KERNEL_GS_BASE, 0x1234567890);
	check(msr(MSR_KERNEL_GS_BASE) == 0x1234567890, "KERNEL_GS_BASE keeps its value");
	__asm__ volatile("ud2");
	check(uds == 1, "UD2 is #UD");
}

static void wait_for(volatile unsigned *counter, unsigned value)
{
	/* The interrupt may come before or while the vCPU is halted. */
	for (unsigned i = 0; i < 1000 && *counter < value; i++) {
		vmcall(VMX_EXIT_HLT, 0, 0, 0, 0, NULL);
		__asm__ volatile("sti; nop; nop; cli");
	}
}

static uint64_t tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void check_interrupts(void)
{
	uint64_t from, deadline, v = 1;

	set_msr(MSR_X2APIC_SELF_IPI, VECTOR_TIMER);
	check(timers == 0, "a self-IPI waits while interrupts are off");
	check(msr(0x822) == 1, "it is in the virtual IRR");
	set_msr(MSR_X2APIC_TPR, 0x40);
	__asm__ volatile("sti; nop; nop; cli");
	check(timers == 0, "and while the task priority is as high");
	set_msr(MSR_X2APIC_TPR, 0);
	__asm__ volatile("sti; nop; nop; cli");
	check(timers == 1, "then it is taken");
	vmcall(VMX_EXIT_WRMSR, MSR_X2APIC_LVT_TIMER, VECTOR_TIMER | 2 << 17, 0, 0, NULL);
	from = tsc();
	deadline = from + 2100000; /* a millisecond */
	vmcall(VMX_EXIT_WRMSR, MSR_TSC_DEADLINE, deadline, 0, 0, NULL);
	wait_for(&timers, 2);
	check(timers == 2, "the TSC deadline wakes a halted vCPU");
	check(tsc() >= deadline, "not before its time");
	vmcall(VMX_EXIT_RDMSR, MSR_TSC_DEADLINE, 0, 0, 0, &v);
	check(v == 0, "and is over then");
	vmcall(VMX_EXIT_WRMSR, MSR_X2APIC_LVT_TIMER, VECTOR_TIMER, 0, 0, NULL);
	vmcall(VMX_EXIT_WRMSR, MSR_X2APIC_DIV_CONF, 0xb, 0, 0, NULL);
	vmcall(VMX_EXIT_WRMSR, MSR_X2APIC_INIT_COUNT, 25000, 0, 0, NULL);
	wait_for(&timers, 3);
	check(timers == 3, "the counting timer too");
}

static uint32_t load(volatile uint32_t *p)
{
	uint32_t v;

	__asm__ volatile("movl (%1), %0" : "=a"(v) : "b"(p) : "rdx", "memory");
	return v;
}

static void check_memory(void)
{
	volatile uint32_t *page = (volatile uint32_t *)VICTIM;
	struct regs accept = {.rax = PAGE_ACCEPT, .rcx = VICTIM};
	unsigned before = ves;

	page[0] = 0x11111111;
	check(vmcall(MAP_GPA, VICTIM | SHARED, 4096, 0, 0, NULL) == 0, "a page is made shared");
	check(load(WINDOW(VICTIM)) == 0, "and shows nothing of what was private");
	*WINDOW(VICTIM) = 0x22222222;
	check(load(WINDOW(VICTIM)) == 0x22222222, "it can be written");
	check(vmcall(MAP_GPA, VICTIM, 4096, 0, 0, NULL) == 0, "it is made private again");
	check(tdcall(&accept) == 0, "and accepted");
	check(page[0] == 0, "it is zero then");
	check(ves == before, "all that without #VE");
	check(load(WINDOW(MMIO)) == 0x5a && ves == before + 1 && (uint32_t)ve.rcx == 48 &&
		      ve.r9 == (MMIO | SHARED),
	      "memory that is not there is #VE with its address");
}

void second_main(void)
{
	__asm__ volatile("" : : : "memory");
	load_idt();
	second_alive = 1;
	wait_for(&second_ipis, 1);
	second_alive = 2;
	for (;;)
		vmcall(VMX_EXIT_HLT, 0, 0, 0, 0, NULL);
}

static void check_second(void)
{
	volatile uint8_t *mailbox = (volatile uint8_t *)MAILBOX;
	uint64_t limit = tsc() + 21000000000ull;

	*(volatile uint32_t *)(mailbox + 4) = 1;
	*(volatile uint64_t *)(mailbox + 8) = (uintptr_t)second_start;
	*(volatile uint16_t *)mailbox = 1;
	while (second_alive != 1 && tsc() < limit)
		__asm__ volatile("pause");
	check(second_alive == 1, "the second processor comes through the mailbox");
	check(*(volatile uint16_t *)mailbox == 0, "and acknowledges");
	vmcall(VMX_EXIT_WRMSR, MSR_X2APIC_ICR, 1ull << 32 | VECTOR_IPI, 0, 0, NULL);
	while (second_alive != 2 && tsc() < limit)
		__asm__ volatile("pause");
	check(second_ipis == 1, "an IPI wakes it");
}

static void hex_bytes(const char *name, const uint8_t *p, unsigned len)
{
	static const char digits[] = "0123456789abcdef";

	say(name);
	for (unsigned i = 0; i < len; i++) {
		put(digits[p[i] >> 4]);
		put(digits[p[i] & 15]);
	}
	put('\n');
}

static void hex(const char *name, const uint8_t *p)
{
	hex_bytes(name, p, 48);
}

/* TDREPORT: TDINFO is at 512, MRTD 16 bytes into it, RTMRs at 208. */
static void check_report(void)
{
	struct regs r = {.rax = MR_REPORT, .rcx = (uintptr_t)report, .rdx = (uintptr_t)report_data};

	check(tdcall(&r) == 0, "there is a report");
	hex("mrtd ", report + 512 + 16);
	hex("rtmr0 ", report + 512 + 208);
	hex("rtmr1 ", report + 512 + 208 + 48);
	hex("rtmr2 ", report + 512 + 208 + 96);
	hex("rtmr3 ", report + 512 + 208 + 144);
}

static uint64_t word(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

/* An ACPI table, by way of RSDP and XSDT; it must add up to zero. */
static const uint8_t *acpi_table(const uint8_t *boot_params, uint32_t signature)
{
	const uint8_t *rsdp = (const uint8_t *)word(boot_params + 0x70, 8);
	const uint8_t *xsdt = (const uint8_t *)word(rsdp + 24, 8);

	for (unsigned at = 36; at + 8 <= word(xsdt + 4, 4); at += 8) {
		const uint8_t *t = (const uint8_t *)word(xsdt + at, 8);
		uint8_t sum = 0;

		if (word(t, 4) != signature)
			continue;
		for (unsigned i = 0; i < word(t + 4, 4); i++)
			sum = (uint8_t)(sum + t[i]);
		return sum ? NULL : t;
	}
	return NULL;
}

enum { CCEL = 0x4c454343, LOG_SHOWN = 2048 };

/* The log and the report whole, to be held against each other outside. */
static void check_log(const uint8_t *boot_params)
{
	const uint8_t *ccel = acpi_table(boot_params, CCEL);

	check(ccel && word(ccel + 4, 4) == 56 && ccel[36] == 2,
	      "the firmware tells of an event log");
	if (!ccel || word(ccel + 40, 8) < LOG_SHOWN)
		return;
	hex_bytes("log ", (const uint8_t *)word(ccel + 48, 8), LOG_SHOWN);
	hex_bytes("report ", report, sizeof(report));
}

void guest_main(const uint8_t *boot_params)
{
	load_idt();
	map_window();
	check_cpuid();
	check_io();
	check_msrs();
	check_interrupts();
	check_memory();
	check_second();
	check_report();
	check_log(boot_params);
	vmcall(VMX_EXIT_IO, 1, 1, EXIT, failures, NULL);
}
