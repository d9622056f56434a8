/* SPDX-License-Identifier: MIT */
/* Address translation: the guest's page tables (SDM vol. 3, ch. 4), a software TLB over them and a
 * cache of guest-physical pages under it.
 *
 * The TLB has four tables: user, supervisor, supervisor that may touch user pages (AC set or no
 * SMAP), and user with alignment checks, which has no direct entries for data. An entry is used
 * until the guest or the embedder flushes it, also when the tables it came from have changed: that
 * is what hardware does. A page that holds translated code never gets a direct write entry, so that
 * every write to it is seen (block.c). */
#include <errno.h>
#include <stdlib.h>
#include "x86/flags.h"
#include "x86/internal.h"

#define TABLES	 4u
#define ALIGNED	 3u
#define GPA_BITS 11
#define GPA_SIZE (1u << GPA_BITS)
#define NO_TAG	 1ull

struct gpa_entry {
	uint64_t gpa; /* page address, NO_TAG: none */
	uint8_t *host;
	unsigned perms;
};

struct x86_mmu {
	struct x86_tlbe tlb[TABLES][TLB_SIZE];
	bool global[TABLES][TLB_SIZE];
	bool has_local[TABLES]; /* anything that a reload of CR3 ends */
	struct gpa_entry gpa[GPA_SIZE];
};

/* The outcome of a walk: what the page allows to the table's privilege. */
struct walk {
	uint64_t gpa;
	unsigned perms;
	bool dirty, global;
};

static void tlb_clear(struct x86_tlbe *e)
{
	e->r = e->w = e->x = NO_TAG;
}

int x86_mmu_init(struct x86_cpu *cpu)
{
	cpu->mmu = calloc(1, sizeof(*cpu->mmu));
	if (!cpu->mmu)
		return -ENOMEM;
	cpu->tlb = cpu->mmu->tlb[1];
	x86_tlb_flush(cpu);
	return 0;
}

void x86_mmu_free(struct x86_cpu *cpu)
{
	free(cpu->mmu);
}

static unsigned table_of(const struct x86_cpu *cpu)
{
	if (cpu->cpl == 3)
		return cpu->aligned ? ALIGNED : 0;
	return (cpu->cr4 & CR4_SMAP) && !(cpu->sysflags & RFLAGS_AC) ? 1 : 2;
}

void x86_mmu_select(struct x86_cpu *cpu)
{
	cpu->aligned = cpu->cpl == 3 && (cpu->cr0 & CR0_AM) && (cpu->sysflags & RFLAGS_AC);
	cpu->tlb = cpu->mmu->tlb[table_of(cpu)];
}

void x86_mmu_flush(struct x86_cpu *cpu, bool global)
{
	unsigned t, i;

	for (t = 0; t < TABLES; t++) {
		if (!global && !cpu->mmu->has_local[t])
			continue;
		cpu->mmu->has_local[t] = false;
		for (i = 0; i < TLB_SIZE; i++)
			if (global || !cpu->mmu->global[t][i])
				tlb_clear(&cpu->mmu->tlb[t][i]);
	}
	x86_new_gen(cpu);
}

void x86_mmu_flush_va(struct x86_cpu *cpu, uint64_t va)
{
	unsigned t;

	for (t = 0; t < TABLES; t++)
		tlb_clear(&cpu->mmu->tlb[t][(va >> 12) & (TLB_SIZE - 1)]);
	x86_new_gen(cpu);
}

void x86_mmu_protect(struct x86_cpu *cpu, const void *host)
{
	struct x86_tlbe *e = cpu->mmu->tlb[0], *end = e + TABLES * TLB_SIZE;

	for (; e < end; e++)
		if (e->w != NO_TAG && (!host || e->w + e->addend == (uintptr_t)host))
			e->w = NO_TAG;
}

void x86_tlb_flush(struct x86_cpu *cpu)
{
	unsigned i;

	for (i = 0; i < GPA_SIZE; i++)
		cpu->mmu->gpa[i].gpa = NO_TAG;
	x86_mmu_flush(cpu, true);
	/* The pages may come back with other contents, written by someone who did not say so. */
	if (cpu->cache)
		x86_cache_doubt(cpu);
}

void x86_tlb_flush_gpa(struct x86_cpu *cpu, uint64_t gpa)
{
	struct gpa_entry *g = &cpu->mmu->gpa[(gpa >> 12) & (GPA_SIZE - 1)];

	/* Linear entries and blocks do not remember their guest-physical page. */
	if (g->gpa == (gpa & ~0xfffull))
		g->gpa = NO_TAG;
	x86_mmu_flush(cpu, true);
	x86_cache_doubt(cpu);
}

/* The host's byte for gpa; NULL with *perms and *qual of the violation, or, where *perms has
 * X86_MAP_MMIO and what was asked for, because there is a device. */
static uint8_t *gpa_host(struct x86_cpu *cpu, uint64_t gpa, unsigned acc, unsigned *perms,
			 uint64_t *qual)
{
	struct gpa_entry *g = &cpu->mmu->gpa[(gpa >> 12) & (GPA_SIZE - 1)];
	const uint64_t page = gpa & ~0xfffull;
	void *host = NULL;

	if (g->gpa != page || (g->perms & acc) != acc) {
		*perms = cpu->ops->gpa_map(cpu, page, acc, &host, qual);
		if (*perms & X86_MAP_MMIO)
			*perms &= ~X86_MAP_X;
		if ((*perms & acc) != acc) {
			*perms &= ~X86_MAP_MMIO;
			return NULL;
		}
		*g = (struct gpa_entry){.gpa = page, .host = host, .perms = *perms};
	}
	*perms = g->perms;
	return g->perms & X86_MAP_MMIO ? NULL : g->host + (gpa & 0xfff);
}

_Noreturn static void ept_violation(struct x86_cpu *cpu, uint64_t gpa, uint64_t gla, unsigned acc,
				    uint64_t qual, bool walking)
{
	const unsigned kind = acc & (ACC_R | ACC_W | ACC_X);

	qual |= kind | EPT_VIOLATION_GLA_VALID | (walking ? 0 : EPT_VIOLATION_GLA_TRANSLATED);
	cpu->exit.gpa = gpa;
	cpu->exit.gla = gla;
	x86_leave(cpu, cpu->cur, VMX_EXIT_EPT_VIOLATION, qual);
}

_Noreturn static void page_fault(struct x86_cpu *cpu, uint64_t va, unsigned acc, bool user,
				 unsigned error)
{
	const bool fetch_bit = (cpu->efer & EFER_NXE) || (cpu->cr4 & CR4_SMEP);

	if (acc & ACC_W)
		error |= PF_WRITE;
	if (user)
		error |= PF_USER;
	if ((acc & ACC_X) && fetch_bit)
		error |= PF_FETCH;
	cpu->cr2 = va;
	x86_raise_err(cpu, cpu->cur, VECTOR_PF, error);
}

/* One paging-structure entry, with the bits set in it that the walk wants. */
static uint64_t *entry_at(struct x86_cpu *cpu, uint64_t gpa, uint64_t va, unsigned acc)
{
	unsigned perms;
	uint64_t qual = 0;
	void *p = gpa_host(cpu, gpa, acc, &perms, &qual);

	if (!p)
		ept_violation(cpu, gpa, va, acc, qual, true);
	return p;
}

/* quiet: no side effects, false instead of a fault. */
static bool walk(struct x86_cpu *cpu, uint64_t va, unsigned table, unsigned acc, bool quiet,
		 struct walk *out)
{
	const bool user = table == 0 || table == ALIGNED, lma = cpu->efer & EFER_LMA;
	const bool nxe = cpu->efer & EFER_NXE;
	const uint64_t high = PTE_ADDRESS & ~((1ull << cpu->maxpa) - 1);
	uint64_t rsvd = high | (nxe ? 0 : PTE_NX);
	uint64_t base = cpu->cr3 & PTE_ADDRESS, entry = 0;
	unsigned perms = X86_MAP_R | X86_MAP_W | X86_MAP_X, shift;
	bool user_page = true, writable = true;
	int level = lma ? (cpu->cr4 & CR4_LA57 ? 5 : 4) : 3;

	if (!(cpu->cr0 & CR0_PG)) {
		*out = (struct walk){va & UINT32_MAX, perms, true, false};
		return true;
	}
	if (!(cpu->cr4 & CR4_PAE)) {
		if (quiet)
			return false;
		x86_leave(cpu, cpu->cur, X86_EXIT_UNSUPPORTED, X86_UNSUPPORTED_PAGING_32);
	}
	if (!lma) {
		va &= UINT32_MAX;
		base = cpu->cr3 & 0xffffffe0u;
	}
	for (;; level--) {
		const unsigned index_bits = !lma && level == 3 ? 2 : 9;
		uint64_t *p, want = PTE_A;
		uint64_t gpa;

		shift = 12 + 9 * (unsigned)(level - 1);
		gpa = base + ((va >> shift) & ((1u << index_bits) - 1)) * 8;
		if (quiet) {
			unsigned pp;
			uint64_t q;

			p = (uint64_t *)(void *)gpa_host(cpu, gpa, ACC_R, &pp, &q);
			if (!p)
				return false;
		} else {
			p = entry_at(cpu, gpa, va, ACC_R);
		}
	again:
		entry = __atomic_load_n(p, __ATOMIC_RELAXED);
		if (!(entry & PTE_P)) {
			if (quiet)
				return false;
			page_fault(cpu, va, acc, user, 0);
		}
		if (!lma && level == 3) { /* a PDPTE of PAE paging has neither rights nor A */
			base = entry & PTE_ADDRESS;
			continue;
		}
		const bool leaf = level == 1 || ((entry & PTE_PS) && level <= 3);

		if ((entry & rsvd) || ((entry & PTE_PS) && level > 3) ||
		    (leaf && level > 1 &&
		     (entry & ((1ull << shift) - 1) & 0xffffffffffffe000ull))) {
			if (quiet)
				return false;
			page_fault(cpu, va, acc, user, PF_PRESENT | PF_RESERVED);
		}
		if (entry & PTE_NX)
			perms &= ~X86_MAP_X;
		writable = writable && (entry & PTE_W);
		user_page = user_page && (entry & PTE_U);
		if (leaf) {
			if (!writable && (user || (cpu->cr0 & CR0_WP)))
				perms &= ~X86_MAP_W;
			if (user && !user_page)
				perms = 0;
			if (!user && user_page) {
				if (cpu->cr4 & CR4_SMEP)
					perms &= ~X86_MAP_X;
				if (table == 1)
					perms &= X86_MAP_X;
			}
			if (!quiet && (perms & acc & 7u) != (acc & 7u))
				page_fault(cpu, va, acc, user, PF_PRESENT);
			if (acc & ACC_W)
				want |= PTE_D;
		}
		if (!quiet && (entry & want) != want) {
			p = entry_at(cpu, gpa, va, ACC_R | ACC_W);
			if (!__atomic_compare_exchange_n(p, &entry, entry | want, false,
							 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
				goto again;
			entry |= want;
			x86_code_hit(cpu->code, p, sizeof(*p));
		}
		if (leaf)
			break;
		base = entry & PTE_ADDRESS;
	}
	out->gpa = (entry & PTE_ADDRESS & ~((1ull << shift) - 1)) | (va & ((1ull << shift) - 1));
	out->perms = perms;
	out->dirty = entry & PTE_D;
	out->global = (entry & PTE_G) && (cpu->cr4 & CR4_PGE);
	return true;
}

uint8_t *x86_fill(struct x86_cpu *cpu, uint64_t va, unsigned acc)
{
	const uint64_t la = x86_linear(cpu, va, acc), page = la & ~0xfffull;
	const unsigned implicit = cpu->cr4 & CR4_SMAP ? 1 : 2;
	const unsigned table = acc & ACC_SUP ? implicit : table_of(cpu);
	const bool direct = table != ALIGNED && !(cpu->dr_data && x86_debug_page(cpu, la));
	const unsigned kind = acc & (ACC_R | ACC_W | ACC_X), slot = (la >> 12) & (TLB_SIZE - 1);
	struct x86_tlbe *e = &cpu->mmu->tlb[table][slot];
	uint64_t qual = 0;
	struct walk w = {0};
	uint8_t *host;
	unsigned perms;

	if ((kind == ACC_R && e->r == page) || (kind == ACC_W && e->w == page) ||
	    (kind == ACC_X && e->x == page))
		return (uint8_t *)(la + e->addend);
	walk(cpu, la, table, kind, false, &w);
	host = gpa_host(cpu, w.gpa, kind, &perms, &qual);
	if (!host && (perms & X86_MAP_MMIO)) {
		cpu->mmio_gpa = w.gpa;
		return NULL;
	}
	if (!host)
		ept_violation(cpu, w.gpa, la, kind, qual, false);
	perms &= w.perms;
	tlb_clear(e);
	e->addend = (uintptr_t)host - la;
	if ((perms & X86_MAP_R) && direct)
		e->r = page;
	if ((perms & X86_MAP_W) && w.dirty && direct && !x86_code_is(cpu->code, host))
		e->w = page;
	if (perms & X86_MAP_X)
		e->x = page;
	cpu->mmu->global[table][slot] = w.global;
	if (!w.global)
		cpu->mmu->has_local[table] = true;
	return host;
}

int x86_translate(struct x86_cpu *cpu, uint64_t gla, uint64_t *gpa)
{
	struct walk w = {0};

	if (!walk(cpu, gla, 2, ACC_R, true, &w))
		return -EFAULT;
	*gpa = w.gpa;
	return 0;
}

int x86_peek(struct x86_cpu *cpu, uint64_t gla, void *to, unsigned len)
{
	uint8_t *out = to;

	while (len) {
		const unsigned here = 0x1000u - (unsigned)(gla & 0xfff);
		const unsigned n = len < here ? len : here;
		uint64_t gpa, qual = 0;
		unsigned perms;
		uint8_t *host;

		if (x86_translate(cpu, gla, &gpa))
			return -EFAULT;
		host = gpa_host(cpu, gpa, ACC_R, &perms, &qual);
		if (!host)
			return -EFAULT;
		memcpy(out, host, n);
		out += n;
		gla += n;
		len -= n;
	}
	return 0;
}
