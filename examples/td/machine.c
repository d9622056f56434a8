/* SPDX-License-Identifier: MIT */
/* What a kernel supplies to the guest library: the port, page tables for conversions, the #VE
 * handler. One processor, no interrupts, memory mapped to itself.
 *
 * The console is a plain OUT: each character is a #VE, which the library turns into a call. */
#include "td.h"

#define COM1	0x3f8
#define EXIT	0xf4
#define PRESENT 3ull

struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, reserved;
};

struct tdg_td td;

static uint64_t pool[POOL_PAGES] __attribute__((aligned(4096))); /* the page table */
static struct gate idt[32] __attribute__((aligned(16)));
static uint64_t lost;

/* The compiler may call these by itself. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
	void *d = to;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int c, size_t n)
{
	void *d = to;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return to;
}

static void outb(uint16_t ioport, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(ioport));
}

void say(const char *text)
{
	while (*text)
		outb(COM1, (uint8_t)*text++);
}

void say_hex(const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++) {
		outb(COM1, (uint8_t)digits[p[i] >> 4]);
		outb(COM1, (uint8_t)digits[p[i] & 15]);
	}
}

void power_off(unsigned status)
{
	outb(EXIT, (uint8_t)status);
	fatal("the host does not power off");
}

void fatal(const char *why)
{
	for (;;)
		(void)!tdvmcall_is_success(tdvmcall_report_fatal_error(&port, 0, why));
}

/* --- the port --- */

static void port_tdcall(const struct tdg_port *p, struct tdx_regs *regs)
{
	(void)p;
	tdg_tdcall(regs);
}

/* Where a GPA is mapped, and as what it is now: the page of a conversion under way is neither. */
static void *mapped(tdx_gpa_t g, size_t len)
{
	uint64_t plain = g.v & ~td.shared;
	bool in_pool = plain >= POOL && plain + len <= POOL + POOL_PAGES * TDX_PAGE_SIZE;

	if (plain + len > 1ull << 32)
		return NULL;
	for (uint64_t at = plain; in_pool && at < plain + len; at += TDX_PAGE_SIZE)
		if ((pool[(at - POOL) / TDX_PAGE_SIZE] ^ g.v) & td.shared)
			return NULL;
	return in_pool || !(g.v & td.shared) ? (void *)plain : NULL;
}

static bool port_read(const struct tdg_port *p, tdx_gpa_t g, void *buf, size_t len)
{
	const void *from = mapped(g, len);

	(void)p;
	if (from)
		memcpy(buf, from, len);
	return from != NULL;
}

static bool port_write(const struct tdg_port *p, tdx_gpa_t g, const void *buf, size_t len)
{
	void *to = mapped(g, len);

	(void)p;
	if (to)
		memcpy(to, buf, len);
	return to != NULL;
}

static bool port_gpa_of(const struct tdg_port *p, uint64_t gla, tdx_gpa_t *g)
{
	(void)p;
	*g = tdx_gpa(gla);
	return gla < 1ull << 32;
}

static size_t port_fetch(const struct tdg_port *p, uint64_t gla, void *buf, size_t len)
{
	return port_read(p, tdx_gpa(gla), buf, len) ? len : 0;
}

static void port_relax(const struct tdg_port *p)
{
	(void)p;
	__asm__ volatile("pause");
}

static bool port_sleep(const struct tdg_port *p, unsigned milliseconds)
{
	for (uint64_t i = 0; i < milliseconds * 1000ull; i++)
		port_relax(p);
	return true;
}

static const struct tdg_port_ops ops = {
	.tdcall = port_tdcall,
	.read = port_read,
	.write = port_write,
	.gpa_of = port_gpa_of,
	.fetch = port_fetch,
	.relax = port_relax,
	.sleep = port_sleep,
};

const struct tdg_port port = {&ops, NULL};

/* --- page tables --- */

static int set_shared(void *ctx, tdx_gpa_t start, uint64_t size, bool shared)
{
	uint64_t first = (start.v - POOL) / TDX_PAGE_SIZE;

	(void)ctx;
	if (start.v < POOL || first + size / TDX_PAGE_SIZE >= POOL_PAGES)
		return -1;
	for (uint64_t i = 0; i < size / TDX_PAGE_SIZE; i++)
		pool[first + i] = (pool[first + i] & ~td.shared) | (shared ? td.shared : 0);
	return 0;
}

static void flush(void *ctx, tdx_gpa_t start, uint64_t size)
{
	uint64_t cr3;

	(void)ctx, (void)start, (void)size;
	__asm__ volatile("movq %%cr3, %0; movq %0, %%cr3" : "=r"(cr3) : : "memory");
}

/* A kernel takes these pages from its allocator for good. */
static void leak(void *ctx, tdx_gpa_t start, uint64_t size)
{
	(void)ctx, (void)start;
	lost += size;
}

const struct tdg_memory memory = {set_shared, flush, leak, NULL, NULL, NULL};

/* The pool by small pages instead of a large one, its last page a device's. */
static void map_pool(void)
{
	uint64_t *table;

	__asm__ volatile("movq %%cr3, %0" : "=r"(table));
	table = (uint64_t *)(table[0] & ~0xfffull);
	table = (uint64_t *)(table[POOL >> 30] & ~0xfffull);
	for (uint64_t i = 0; i < POOL_PAGES - 1; i++)
		pool[i] = (POOL + i * TDX_PAGE_SIZE) | PRESENT;
	pool[POOL_PAGES - 1] = DEVICE | td.shared | PRESENT;
	table[POOL >> 21 & 511] = (uintptr_t)pool | PRESENT;
	flush(NULL, tdx_gpa(POOL), POOL_PAGES * TDX_PAGE_SIZE);
}

/* --- traps --- */

void handle_ve(struct trap *t);
_Noreturn void double_fault(void);

void handle_ve(struct trap *t)
{
	static const struct tdg_ve_policy policy = {.kernel_start = 0};
	struct tdg_ve_info info;
	struct tdg_frame f = {.regs = t->regs, .rip = t->rip};

	if (tdg_ve_begin(&port, &info) != TDG_VE_RESUME)
		fatal("#VE for no reason");
	f.regs.rsp = t->rsp;
	f.user = (t->cs & 3) == 3;
	f.irqs_enabled = (t->rflags & 0x200) != 0;
	switch (tdg_ve_handle(&port, &td, &policy, &info, &f)) {
	case TDG_VE_RESUME:
		break;
	case TDG_VE_FAULT:
		fatal("#VE of an instruction the host does not serve");
	case TDG_VE_PANIC:
		fatal("#VE on private memory");
	}
	t->regs = f.regs;
	t->rip = f.rip;
}

void double_fault(void)
{
	fatal("#VE inside of #VE");
}

static void set_gate(unsigned vector, void (*entry)(void))
{
	uint64_t at = (uintptr_t)entry;

	idt[vector] = (struct gate){(uint16_t)at,	  0x10, 0x8e00, (uint16_t)(at >> 16),
				    (uint32_t)(at >> 32), 0};
}

void machine_init(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uintptr_t)idt};

	set_gate(8, double_fault_entry);
	set_gate(20, ve_entry);
	__asm__ volatile("lidt %0" : : "m"(idtr));
	if (tdg_init(&port, &td))
		fatal("this TD is not safe from its host");
	map_pool();
}
