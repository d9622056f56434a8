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

#define TABLES	     4u
#define ALIGNED	     3u
#define GPA_BITS     14
#define GPA_SIZE     (1u << GPA_BITS)
#define NO_TAG	     1ull
#define GPA_FLUSHES  0xfffu
#define WORDS	     (TLB_SIZE / 64)
#define KEYS	     16u /* of pages; as the key of one that has none */
#define KEY_BITS     2u	 /* of each in PKRU: */
#define KEY_NO_DATA  1u
#define KEY_NO_WRITE 2u

struct gpa_entry {
	uint64_t key; /* page address, and in the bits below which flush it came after */
	uint8_t *host;
	unsigned perms;
};

struct x86_mmu {
	struct x86_tlbe tlb[TABLES][TLB_SIZE];
	/* A bit an entry: it may be in use; and a reload of CR3 ends it. Most of the time few are
	 * that a flush has to look for. */
	uint64_t used[TABLES][WORDS], local[TABLES][WORDS];
	/* The entries of pages with another key than 0, which programs change the rights of. */
	uint64_t keyed[TABLES][WORDS];
	uint8_t key[TABLES][TLB_SIZE];
	uint32_t pkru; /* that the entries agree with */
	struct gpa_entry gpa[GPA_SIZE];
	unsigned gpa_flushes; /* 1 to GPA_FLUSHES */
};

/* The outcome of a walk: what the page allows to the table's privilege. */
struct page {
	uint64_t gpa;
	unsigned perms;
	bool dirty, global;
	uint8_t key;
};

/* A walk on its way: the entry it has come to, and what those above it allow. */
struct walk {
	uint64_t va;
	uint64_t base; /* of the table to look into, then of the page */
	uint64_t entry;
	uint64_t want; /* bits the processor sets in the entry */
	unsigned shift;
	int level; /* of the table, 5 to 1 */
	bool writable, user_page, executable;
};

enum step { STEP_ON, STEP_LEAF, STEP_NOT_PRESENT, STEP_RESERVED };

static void tlb_clear(struct x86_tlbe *e)
{
	e->r = e->w = e->x = NO_TAG;
}

int x86_mmu_init(struct x86_cpu *cpu)
{
	unsigned i;

	cpu->mmu = calloc(1, sizeof(*cpu->mmu));
	if (!cpu->mmu)
		return -ENOMEM;
	cpu->tlb = cpu->mmu->tlb[1];
	for (i = 0; i < TABLES * TLB_SIZE; i++)
		tlb_clear(&cpu->mmu->tlb[0][0] + i);
	cpu->mmu->gpa_flushes = 1;
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
	if (cpu->cpl == 3 && cpu->ops->user_mode)
		cpu->ops->user_mode(cpu);
}

/* The first entry that may be in use, from number `from` on, of all tables; NULL: none. */
static struct x86_tlbe *used_from(struct x86_mmu *m, unsigned from)
{
	const uint64_t *used = &m->used[0][0];
	uint64_t bits;
	unsigned w = from / 64;

	if (from >= TABLES * TLB_SIZE)
		return NULL;
	bits = used[w] & ~0ull << from % 64;
	while (!bits && ++w < TABLES * WORDS)
		bits = used[w];
	return bits ? &m->tlb[0][0] + w * 64 + (unsigned)__builtin_ctzll(bits) : NULL;
}

static struct x86_tlbe *used_after(struct x86_mmu *m, const struct x86_tlbe *e)
{
	return used_from(m, (unsigned)(e - &m->tlb[0][0]) + 1);
}

void x86_mmu_flush(struct x86_cpu *cpu, bool global)
{
	struct x86_mmu *m = cpu->mmu;
	uint64_t *used = &m->used[0][0], *local = &m->local[0][0], bits;
	unsigned w;

	for (w = 0; w < TABLES * WORDS; w++) {
		bits = global ? used[w] : local[w];
		used[w] &= ~bits;
		local[w] = 0;
		for (; bits; bits &= bits - 1)
			tlb_clear(&m->tlb[0][0] + w * 64 + (unsigned)__builtin_ctzll(bits));
	}
	x86_new_gen(cpu, global);
}

void x86_mmu_flush_va(struct x86_cpu *cpu, uint64_t va)
{
	unsigned t;

	for (t = 0; t < TABLES; t++)
		tlb_clear(&cpu->mmu->tlb[t][(va >> 12) & (TLB_SIZE - 1)]);
	x86_new_gen_at(cpu, va);
}

bool x86_mmu_global(const struct x86_cpu *cpu, uint64_t la)
{
	const unsigned table = table_of(cpu), slot = (la >> 12) & (TLB_SIZE - 1);

	return cpu->mmu->tlb[table][slot].x == (la & ~0xfffull) &&
	       !(cpu->mmu->local[table][slot / 64] >> slot % 64 & 1);
}

void x86_mmu_protect(struct x86_cpu *cpu, const void *host)
{
	struct x86_tlbe *e;

	for (e = used_from(cpu->mmu, 0); e; e = used_after(cpu->mmu, e))
		if (e->w != NO_TAG && (!host || e->w + e->addend == (uintptr_t)host))
			e->w = NO_TAG;
}

/* The entries of the pages with these keys allow nothing but execution any more. */
static void forget_keys(struct x86_mmu *m, unsigned keys)
{
	const uint64_t *in = keys & 1 ? &m->used[0][0] : &m->keyed[0][0];
	const uint8_t *key = &m->key[0][0];
	uint64_t bits;
	unsigned w;

	for (w = 0; w < TABLES * WORDS; w++)
		for (bits = in[w]; bits; bits &= bits - 1) {
			const unsigned i = w * 64 + (unsigned)__builtin_ctzll(bits);
			struct x86_tlbe *e = &m->tlb[0][0] + i;

			if (keys >> key[i] & 1)
				e->r = e->w = NO_TAG;
		}
}

void x86_pkru_changed(struct x86_cpu *cpu)
{
	struct x86_mmu *m = cpu->mmu;
	uint32_t taken;
	unsigned keys = 0;

	cpu->pkru = (uint32_t)cpu->pkru;
	taken = (uint32_t)cpu->pkru & ~m->pkru;
	m->pkru = (uint32_t)cpu->pkru;
	/* What is allowed now that was not before, an access finds out that misses. */
	for (; taken; taken &= taken - 1)
		keys |= 1u << (unsigned)__builtin_ctz(taken) / KEY_BITS;
	if (keys)
		forget_keys(m, keys);
}

static struct gpa_entry *gpa_entry(struct x86_mmu *m, uint64_t gpa)
{
	return &m->gpa[(gpa >> 12) & (GPA_SIZE - 1)];
}

static uint64_t gpa_key(const struct x86_mmu *m, uint64_t gpa)
{
	return (gpa & ~0xfffull) | m->gpa_flushes;
}

static void gpa_flush(struct x86_mmu *m)
{
	if (m->gpa_flushes++ < GPA_FLUSHES)
		return;
	memset(m->gpa, 0, sizeof(m->gpa));
	m->gpa_flushes = 1;
}

static void gpa_flush_page(struct x86_mmu *m, uint64_t gpa)
{
	struct gpa_entry *g = gpa_entry(m, gpa);

	if (g->key == gpa_key(m, gpa))
		g->key = 0;
}

void x86_tlb_flush(struct x86_cpu *cpu)
{
	gpa_flush(cpu->mmu);
	x86_mmu_flush(cpu, true);
	/* The pages may come back with other contents, written by someone who did not say so. */
	x86_cache_doubt(cpu);
}

void x86_tlb_flush_gpa(struct x86_cpu *cpu, uint64_t gpa)
{
	/* Linear entries and blocks do not remember their guest-physical page. */
	gpa_flush_page(cpu->mmu, gpa);
	x86_mmu_flush(cpu, true);
	x86_cache_doubt(cpu);
}

void x86_tlb_forget(struct x86_cpu *cpu, uint64_t gpa, const void *host)
{
	struct x86_tlbe *e;

	for (e = used_from(cpu->mmu, 0); e; e = used_after(cpu->mmu, e)) {
		const uint64_t page = e->r != NO_TAG ? e->r : e->w;

		if (!host || (page != NO_TAG && page + e->addend == (uintptr_t)host))
			e->r = e->w = NO_TAG;
	}
	if (host)
		gpa_flush_page(cpu->mmu, gpa);
	else
		gpa_flush(cpu->mmu);
}

uint64_t x86_insn_rip(const struct x86_cpu *cpu)
{
	return cpu->cur ? x86_rip_of(cpu, cpu->cur) : cpu->rip;
}

/* The host's byte for gpa; NULL with *perms and *qual of the violation, or, where *perms has
 * X86_MAP_MMIO and what was asked for, because there is a device. */
static uint8_t *gpa_host(struct x86_cpu *cpu, uint64_t gpa, unsigned acc, unsigned *perms,
			 uint64_t *qual)
{
	struct gpa_entry *g = gpa_entry(cpu->mmu, gpa);
	const uint64_t key = gpa_key(cpu->mmu, gpa);
	void *host = NULL;

	if (g->key != key || (g->perms & acc) != acc) {
		*perms = cpu->ops->gpa_map(cpu, gpa & ~0xfffull, acc, &host, qual);
		if (*perms & X86_MAP_MMIO)
			*perms &= ~X86_MAP_X;
		if ((*perms & acc) != acc) {
			*perms &= ~X86_MAP_MMIO;
			return NULL;
		}
		*g = (struct gpa_entry){.key = key, .host = host, .perms = *perms};
	}
	*perms = g->perms;
	if (g->perms & X86_MAP_MMIO)
		return NULL;
	x86_host(cpu, (uintptr_t)g->host, 0x1000);
	return g->host + (gpa & 0xfff);
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

static struct page page_without_paging(uint64_t va)
{
	return (struct page){va & UINT32_MAX, X86_MAP_R | X86_MAP_W | X86_MAP_X, true, false, KEYS};
}

static struct walk walk_from_cr3(const struct x86_cpu *cpu, uint64_t va)
{
	const bool lma = cpu->efer & EFER_LMA;

	return (struct walk){
		.va = lma ? va : va & UINT32_MAX,
		.base = cpu->cr3 & (lma ? PTE_ADDRESS : 0xffffffe0u),
		.level = !lma		       ? 3
			 : cpu->cr4 & CR4_LA57 ? 5
					       : 4,
		.writable = true,
		.user_page = true,
		.executable = true,
	};
}

/* The guest-physical address of the entry to read next. */
static uint64_t next_entry(const struct x86_cpu *cpu, struct walk *w)
{
	const unsigned index_bits = !(cpu->efer & EFER_LMA) && w->level == 3 ? 2 : 9;

	w->shift = 12 + 9 * (unsigned)(w->level - 1);
	return w->base + ((w->va >> w->shift) & ((1u << index_bits) - 1)) * 8;
}

static bool is_reserved(const struct x86_cpu *cpu, const struct walk *w, uint64_t entry, bool leaf)
{
	const uint64_t high = PTE_ADDRESS & ~((1ull << cpu->maxpa) - 1);
	const uint64_t below = ((1ull << w->shift) - 1) & ~0x1fffull; /* bit 12 is PAT's */

	return (entry & (high | (cpu->efer & EFER_NXE ? 0 : PTE_NX))) ||
	       ((entry & PTE_PS) && w->level > 3) || (leaf && w->level > 1 && (entry & below));
}

/* Go on with this entry. */
static enum step take_entry(const struct x86_cpu *cpu, struct walk *w, uint64_t entry)
{
	const bool leaf = w->level == 1 || ((entry & PTE_PS) && w->level <= 3);

	w->entry = entry;
	w->want = 0;
	if (!(entry & PTE_P))
		return STEP_NOT_PRESENT;
	if (!(cpu->efer & EFER_LMA) &&
	    w->level == 3) { /* a PDPTE of PAE has neither rights nor A */
		w->base = entry & PTE_ADDRESS;
		w->level--;
		return STEP_ON;
	}
	if (is_reserved(cpu, w, entry, leaf))
		return STEP_RESERVED;
	w->want = PTE_A;
	w->executable = w->executable && !(entry & PTE_NX);
	w->writable = w->writable && (entry & PTE_W);
	w->user_page = w->user_page && (entry & PTE_U);
	if (leaf)
		return STEP_LEAF;
	w->base = entry & PTE_ADDRESS;
	w->level--;
	return STEP_ON;
}

static bool is_user(unsigned table)
{
	return table == 0 || table == ALIGNED;
}

/* The key of the page that the walk has come to. */
static unsigned key_of(const struct x86_cpu *cpu, const struct walk *w)
{
	if (!(cpu->cr4 & CR4_PKE) || !(cpu->efer & EFER_LMA) || !w->user_page)
		return KEYS;
	return (unsigned)(w->entry >> PTE_KEY_AT) % KEYS;
}

/* What PKRU takes away of a page, from a supervisor too; never execution. */
static unsigned key_forbids(const struct x86_cpu *cpu, const struct walk *w, unsigned table)
{
	const unsigned key = key_of(cpu, w);
	const unsigned bits = key == KEYS ? 0 : (unsigned)(cpu->pkru >> key * KEY_BITS);

	if (bits & KEY_NO_DATA)
		return X86_MAP_R | X86_MAP_W;
	return (bits & KEY_NO_WRITE) && (is_user(table) || (cpu->cr0 & CR0_WP)) ? X86_MAP_W : 0;
}

/* What the page allows to the privilege of a table. */
static unsigned rights(const struct x86_cpu *cpu, const struct walk *w, unsigned table)
{
	const bool user = is_user(table);
	unsigned perms = X86_MAP_R | X86_MAP_W | (w->executable ? X86_MAP_X : 0);

	if (!w->writable && (user || (cpu->cr0 & CR0_WP)))
		perms &= ~X86_MAP_W;
	perms &= ~key_forbids(cpu, w, table);
	if (user)
		return w->user_page ? perms : 0;
	if (w->user_page && (cpu->cr4 & CR4_SMEP))
		perms &= ~X86_MAP_X;
	if (w->user_page && table == 1)
		perms &= X86_MAP_X;
	return perms;
}

static struct page page_of(const struct x86_cpu *cpu, const struct walk *w, unsigned perms)
{
	const uint64_t offset = (1ull << w->shift) - 1;

	return (struct page){
		.gpa = (w->entry & PTE_ADDRESS & ~offset) | (w->va & offset),
		.perms = perms,
		.dirty = w->entry & PTE_D,
		.global = (w->entry & PTE_G) && (cpu->cr4 & CR4_PGE),
		.key = (uint8_t)key_of(cpu, w),
	};
}

/* Accessed and dirty, as the processor sets them. False: the entry has changed meanwhile. */
static bool mark_entry(struct x86_cpu *cpu, struct walk *w, uint64_t gpa)
{
	uint64_t *p, seen = w->entry;

	if ((seen & w->want) == w->want)
		return true;
	if (unlikely(cpu->checking))
		x86_check_cannot(cpu);
	p = entry_at(cpu, gpa, w->va, ACC_R | ACC_W);
	if (!__atomic_compare_exchange_n(p, &seen, seen | w->want, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	w->entry |= w->want;
	x86_code_hit(cpu->code, p, sizeof(*p));
	return true;
}

/* The page of an access, which raises a page fault or leaves when there is none it may use. */
static struct page walk_for(struct x86_cpu *cpu, uint64_t va, unsigned table, unsigned acc)
{
	const bool user = is_user(table);
	struct walk w = walk_from_cr3(cpu, va), next;
	enum step step;

	if (!(cpu->cr0 & CR0_PG))
		return page_without_paging(va);
	if (!(cpu->cr4 & CR4_PAE))
		x86_leave(cpu, cpu->cur, X86_EXIT_UNSUPPORTED, X86_UNSUPPORTED_PAGING_32);
	do {
		const uint64_t gpa = next_entry(cpu, &w);
		const uint64_t *p = entry_at(cpu, gpa, w.va, ACC_R);

		do {
			next = w;
			step = take_entry(cpu, &next, __atomic_load_n(p, __ATOMIC_RELAXED));
			if (step == STEP_NOT_PRESENT)
				page_fault(cpu, w.va, acc, user, 0);
			if (step == STEP_RESERVED)
				page_fault(cpu, w.va, acc, user, PF_PRESENT | PF_RESERVED);
			if (step == STEP_LEAF &&
			    (rights(cpu, &next, table) & acc & 7u) != (acc & 7u))
				page_fault(
					cpu, w.va, acc, user,
					PF_PRESENT |
						(key_forbids(cpu, &next, table) & acc ? PF_PK : 0));
			if (step == STEP_LEAF && (acc & ACC_W))
				next.want |= PTE_D;
		} while (!mark_entry(cpu, &next, gpa));
		w = next;
	} while (step == STEP_ON);
	return page_of(cpu, &w, rights(cpu, &w, table));
}

uint8_t *x86_fill(struct x86_cpu *cpu, uint64_t va, unsigned acc)
{
	const uint64_t la = x86_linear(cpu, va, acc), page = la & ~0xfffull;
	const unsigned implicit = cpu->cr4 & CR4_SMAP ? 1 : 2;
	const unsigned table = acc & ACC_SUP ? implicit : table_of(cpu);
	const bool direct = table != ALIGNED && !(cpu->dr_data && x86_debug_page(cpu, la));
	const unsigned kind = acc & (ACC_R | ACC_W | ACC_X), slot = (la >> 12) & (TLB_SIZE - 1);
	struct x86_tlbe *e = &cpu->mmu->tlb[table][slot];
	uint64_t qual = 0, bit;
	struct page w;
	uint8_t *host;
	unsigned perms;

	if ((kind == ACC_R && e->r == page) || (kind == ACC_W && e->w == page) ||
	    (kind == ACC_X && e->x == page))
		return (uint8_t *)x86_host(cpu, page + e->addend, 0x1000) + (la & 0xfff);
	w = walk_for(cpu, la, table, kind);
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
	bit = 1ull << slot % 64;
	cpu->mmu->used[table][slot / 64] |= bit;
	cpu->mmu->key[table][slot] = w.key;
	if (w.key % KEYS)
		cpu->mmu->keyed[table][slot / 64] |= bit;
	else
		cpu->mmu->keyed[table][slot / 64] &= ~bit;
	if (w.global)
		cpu->mmu->local[table][slot / 64] &= ~bit;
	else
		cpu->mmu->local[table][slot / 64] |= bit;
	return host;
}

/* As a supervisor that may touch user pages would read; leaves no trace. */
int x86_translate(struct x86_cpu *cpu, uint64_t gla, uint64_t *gpa)
{
	struct walk w = walk_from_cr3(cpu, gla);
	enum step step = STEP_ON;

	if (!(cpu->cr0 & CR0_PG)) {
		*gpa = page_without_paging(gla).gpa;
		return 0;
	}
	if (!(cpu->cr4 & CR4_PAE))
		return -EFAULT;
	while (step == STEP_ON) {
		unsigned perms;
		uint64_t qual = 0;
		const void *p = gpa_host(cpu, next_entry(cpu, &w), ACC_R, &perms, &qual);

		if (!p)
			return -EFAULT;
		step = take_entry(cpu, &w, __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED));
	}
	if (step != STEP_LEAF)
		return -EFAULT;
	*gpa = page_of(cpu, &w, 0).gpa;
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
		x86_copy(out, host, n);
		out += n;
		gla += n;
		len -= n;
	}
	return 0;
}
