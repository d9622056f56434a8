/* SPDX-License-Identifier: MIT */
/* A small flat machine for tests and benches of the engine: RAM from guest-physical 0, identity
 * page tables of 2 MiB pages over the first 2 GiB, a GDT, 64-bit ring 0. */
#ifndef TESTS_X86_GUEST_H
#define TESTS_X86_GUEST_H

#include <stdlib.h>
#include <string.h>
#include "x86/x86.h"

#define G_RAM	(16u << 20)
#define G_PML4	0x1000u
#define G_GDT	0x5000u
#define G_IDT	0x6000u
#define G_TSS	0x7000u
#define G_STACK 0x90000u
#define G_CODE	0x100000u
#define G_DATA	0x200000u

#define G_CS64	0x08u
#define G_DS	0x10u
#define G_CS32	0x18u
#define G_UDS	0x23u
#define G_UCS	0x2bu
#define G_TR	0x30u
#define G_UCS32 0x43u

struct guest {
	struct x86_code *code;
	struct x86_cpu *cpu;
	uint8_t *ram;
	uint64_t tsc;
	uint64_t denied; /* a guest-physical page that is not mapped, 0 for none */
	unsigned perms;	 /* of all pages */
	int vector;	 /* for intr_ack; -1 none */
	/* CPUID: all bits the same, but for one */
	uint32_t cpuid_all;
	struct g_cpuid_bit {
		uint32_t leaf, subleaf;
		unsigned reg, bit;
	} cpuid_odd;
};

static unsigned g_map(struct x86_cpu *cpu, uint64_t gpa, unsigned access, void **host,
		      uint64_t *qual)
{
	struct guest *g = cpu->owner;

	(void)access;
	(void)qual;
	if (gpa >= G_RAM || (g->denied && gpa == g->denied))
		return 0;
	*host = g->ram + gpa;
	return g->perms;
}

static uint64_t g_tsc(struct x86_cpu *cpu)
{
	return ((struct guest *)cpu->owner)->tsc += 100;
}

static enum x86_msr_answer g_rdmsr(struct x86_cpu *cpu, uint32_t msr, uint64_t *v)
{
	(void)cpu;
	(void)msr;
	(void)v;
	return X86_MSR_OWN;
}

static enum x86_msr_answer g_wrmsr(struct x86_cpu *cpu, uint32_t msr, uint64_t v)
{
	(void)cpu;
	(void)msr;
	(void)v;
	return X86_MSR_OWN;
}

static void g_cpuid(struct x86_cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const struct guest *g = cpu->owner;
	unsigned i;

	for (i = 0; i < 4; i++)
		out[i] = g->cpuid_all;
	if (g->cpuid_odd.leaf == leaf && g->cpuid_odd.subleaf == subleaf)
		out[g->cpuid_odd.reg] ^= 1u << g->cpuid_odd.bit;
}

static bool g_is_ram(struct x86_cpu *cpu, const void *host, size_t len)
{
	const struct guest *g = cpu->owner;
	const uintptr_t at = (uintptr_t)host - (uintptr_t)g->ram;

	return at < G_RAM && len <= G_RAM - at;
}

static int g_intr(struct x86_cpu *cpu)
{
	struct guest *g = cpu->owner;
	const int v = g->vector;

	g->vector = -1;
	return v;
}

/* A guest's words need not be aligned. */
typedef uint64_t g_word __attribute__((aligned(1), may_alias));

static inline g_word *g_q(struct guest *g, uint64_t gpa)
{
	return (g_word *)(void *)(g->ram + gpa);
}

/* The PDE of a linear address below 2 GiB. */
static inline g_word *g_pde(struct guest *g, uint64_t va)
{
	return g_q(g, G_PML4 + 0x2000u + (va >> 30) * 0x1000u + (va >> 21 & 511) * 8);
}

static inline void g_seg(struct guest *g, unsigned seg, unsigned sel)
{
	const uint64_t d = *g_q(g, G_GDT + (sel & ~7u));

	g->cpu->seg[seg] = (struct x86_seg){
		.limit = UINT32_MAX, .ar = (uint32_t)(d >> 40) & 0xf0ff, .sel = (uint16_t)sel};
}

/* The page tables that a guest begins with. */
static inline void g_tables(struct guest *g)
{
	unsigned i;

	*g_q(g, G_PML4) = (G_PML4 + 0x1000u) | 7;
	for (i = 0; i < 2; i++)
		*g_q(g, G_PML4 + 0x1000u + i * 8) = (G_PML4 + 0x2000u + i * 0x1000u) | 7;
	for (i = 0; i < 1024; i++)
		*g_q(g, G_PML4 + 0x2000u + i * 8) = (uint64_t)i << 21 | 0x87;
}

/* The segments that a guest begins with. */
static inline void g_descriptors(struct guest *g)
{
	*g_q(g, G_GDT + G_CS64) = 0x00af9b000000ffff;
	*g_q(g, G_GDT + G_DS) = 0x00cf93000000ffff;
	*g_q(g, G_GDT + G_CS32) = 0x00cf9b000000ffff;
	*g_q(g, G_GDT + (G_UDS & ~7u)) = 0x00cff3000000ffff;
	*g_q(g, G_GDT + (G_UCS & ~7u)) = 0x00affb000000ffff;
	*g_q(g, G_GDT + (G_UCS32 & ~7u)) = 0x00cffb000000ffff;
}

/* after: executions until a block is translated; -1: all is interpreted. check: both, compared. */
static inline int g_open_with(struct guest *g, int after, bool check)
{
	static const struct x86_ops ops = {.gpa_map = g_map,
					   .rdmsr = g_rdmsr,
					   .wrmsr = g_wrmsr,
					   .tsc = g_tsc,
					   .cpuid = g_cpuid,
					   .is_ram = g_is_ram,
					   .intr_ack = g_intr};
	struct x86_cpu *cpu;
	unsigned i;

	memset(g, 0, sizeof(*g));
	g->vector = -1;
	g->perms = X86_MAP_R | X86_MAP_W | X86_MAP_X;
	g->ram = aligned_alloc(4096, G_RAM);
	g->code = x86_code_new();
	if (!g->ram || !g->code ||
	    (after >= 0 && (check ? x86_code_check : x86_code_translate)(g->code, (unsigned)after)))
		return -1;
	memset(g->ram, 0, G_RAM);
	g->cpu = cpu = x86_cpu_new(g->code, &ops, g);
	if (!cpu)
		return -1;
	g_tables(g);
	g_descriptors(g);
	cpu->gdtr = (struct x86_dtr){G_GDT, 0x4f};
	cpu->idtr = (struct x86_dtr){G_IDT, 0xfff};
	cpu->tr = (struct x86_seg){.base = G_TSS, .limit = 0x67, .ar = 0x8b, .sel = G_TR};
	*g_q(g, G_TSS + 4) = G_STACK - 0x1000; /* RSP0 */
	cpu->cr0 = 0x80050033;
	cpu->cr3 = G_PML4;
	cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PGE;
	cpu->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	g_seg(g, X86_CS, G_CS64);
	for (i = 0; i < X86_NOSEG; i++)
		if (i != X86_CS)
			g_seg(g, i, G_DS);
	cpu->rip = G_CODE;
	cpu->regs.rsp = G_STACK;
	x86_state_changed(cpu);
	return 0;
}

/* SWTDX_TRANSLATE=N: with the translator, blocks that were executed N times; SWTDX_CHECK: compared.
 */
static inline int g_open(struct guest *g)
{
	const char *after = getenv("SWTDX_TRANSLATE");

	return g_open_with(g, after ? atoi(after) : -1, getenv("SWTDX_CHECK"));
}

static inline void g_close(struct guest *g)
{
	x86_cpu_free(g->cpu);
	x86_code_free(g->code);
	free(g->ram);
}

/* The teardown of a test whose state it is, from malloc(). */
static inline int g_close_state(void **state)
{
	g_close(*state);
	free(*state);
	return 0;
}

static inline void g_put(struct guest *g, uint64_t at, const void *bytes, unsigned len)
{
	memcpy(g->ram + at, bytes, len);
	x86_code_written(g->code, g->ram + at);
}

/* A 64-bit interrupt gate; dpl 3 lets user code use it. */
static inline void g_gate(struct guest *g, unsigned vector, uint64_t to, unsigned dpl, unsigned ist)
{
	*g_q(g, G_IDT + vector * 16) = (to & 0xffff) | (uint64_t)G_CS64 << 16 |
				       (uint64_t)ist << 32 | (0x8eull | dpl << 5) << 40 |
				       (to >> 16 & 0xffff) << 48;
	*g_q(g, G_IDT + vector * 16 + 8) = to >> 32;
}

/* Ring 3, 64-bit, at rip. */
static inline void g_user(struct guest *g, uint64_t rip)
{
	g_seg(g, X86_CS, G_UCS);
	g_seg(g, X86_SS, G_UDS);
	g->cpu->rip = rip;
	x86_state_changed(g->cpu);
}

#endif
