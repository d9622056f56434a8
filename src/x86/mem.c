/* SPDX-License-Identifier: MIT */
/* Guest accesses that the inline path does not take: TLB misses, page crossings, pages with code,
 * and the accesses the processor itself makes (stacks, tables).
 *
 * Every access checks all its bytes before it changes one. An access across two pages is not
 * atomic towards other processors, locked or not. */
#include "x86/internal.h"

/* The linear address of an access, which is canonical. */
static uint64_t linear(struct x86_cpu *cpu, uint64_t va, unsigned size, unsigned acc)
{
	const uint64_t la = x86_linear(cpu, va, acc);

	if (!x86_canonical_access(cpu, la) || !x86_canonical_access(cpu, la + size - 1))
		x86_raise_err(cpu, cpu->cur,
			      acc & ACC_SS || (cpu->cur && cpu->cur->fl & OPF_SS) ? VECTOR_SS
										  : VECTOR_GP,
			      0);
	return la;
}

#ifdef X86_CHECK_HOST
void *x86_host(struct x86_cpu *cpu, uint64_t host, unsigned len)
{
	assert(!cpu->ops->is_ram || cpu->ops->is_ram(cpu, (void *)host, len));
	return (void *)host;
}
#endif

static unsigned to_page_end(uint64_t va)
{
	return 0x1000u - (unsigned)(va & 0xfff);
}

/* The bytes of an access on one page, which may take place. */
static struct x86_part part_at(struct x86_cpu *cpu, uint64_t va, unsigned acc)
{
	struct x86_part part = {.host = x86_fill(cpu, va, acc & ~ACC_SS)};

	if (unlikely(!part.host))
		part.gpa = cpu->mmio_gpa;
	return part;
}

/* Is this the page of the block in execution, of which more is to come? Where the TLB does not
 * know, it may be. */
static bool own_page(struct x86_cpu *cpu, const struct x86_op *op, const uint8_t *host)
{
	const uint64_t cs = is64(cpu) ? 0 : cpu->seg[X86_CS].base;
	const uint64_t la = x86_linear(cpu, cs + cpu->blkrip + op->off, 0);
	const struct x86_tlbe *e = tlb_at(cpu, la);

	if (!op->left)
		return false;
	return e->x != (la & ~0xfffull) || (la + e->addend) >> 12 == (uintptr_t)host >> 12;
}

/* Where to write. The next instruction is fetched after this one has written (SDM vol. 3, 12.6):
 * one that changes code on the page of its own block is executed alone. */
static struct x86_part to_write(struct x86_cpu *cpu, uint64_t va, unsigned len, unsigned acc)
{
	const struct x86_part p = part_at(cpu, va, acc | ACC_W);

	if (p.host && unlikely(x86_code_at(cpu->code, p.host, len)) && cpu->cur &&
	    own_page(cpu, cpu->cur, p.host))
		x86_alone(cpu, cpu->cur);
	return p;
}

static void get(struct x86_cpu *cpu, const struct x86_part *from, void *to, unsigned len)
{
	if (likely(from->host != NULL))
		x86_copy(to, from->host, len);
	else if (unlikely(cpu->checking))
		x86_check_cannot(cpu);
	else
		cpu->ops->mmio(cpu, from->gpa, to, len, false);
}

static void put(struct x86_cpu *cpu, const struct x86_part *to, const void *from, unsigned len)
{
	if (unlikely(!to->host)) {
		if (cpu->checking)
			x86_check_cannot(cpu);
		cpu->ops->mmio(cpu, to->gpa, (void *)(uintptr_t)from, len, true);
		return;
	}
	x86_copy(to->host, from, len);
	x86_code_hit(cpu->code, to->host, len);
}

void x86_read(struct x86_cpu *cpu, uint64_t va, void *to, unsigned len, unsigned acc)
{
	const unsigned here = to_page_end(va);
	struct x86_part p, q;

	va = linear(cpu, va, len, acc);
	p = part_at(cpu, va, acc | ACC_R);
	if (len <= here) {
		x86_watch(cpu, va, len, acc);
		get(cpu, &p, to, len);
		return;
	}
	q = part_at(cpu, va + here, acc | ACC_R);
	x86_watch(cpu, va, len, acc);
	get(cpu, &p, to, here);
	get(cpu, &q, (uint8_t *)to + here, len - here);
}

void x86_write(struct x86_cpu *cpu, uint64_t va, const void *from, unsigned len, unsigned acc)
{
	const unsigned here = to_page_end(va);
	struct x86_part p, q;

	va = linear(cpu, va, len, acc);
	p = to_write(cpu, va, len < here ? len : here, acc);
	if (len <= here) {
		x86_watch(cpu, va, len, acc | ACC_W);
		put(cpu, &p, from, len);
		return;
	}
	q = to_write(cpu, va + here, len - here, acc);
	x86_watch(cpu, va, len, acc | ACC_W);
	put(cpu, &p, from, here);
	put(cpu, &q, (const uint8_t *)from + here, len - here);
}

static struct x86_part part_byte(const struct x86_part *p, unsigned i)
{
	return (struct x86_part){p->host ? p->host + i : NULL, p->gpa + i};
}

void x86_write_masked(struct x86_cpu *cpu, uint64_t va, const uint8_t *from, const uint8_t *mask,
		      unsigned len)
{
	unsigned first = 0, end = len, here, i;
	struct x86_part p, q;

	while (first < len && !(mask[first] & 0x80))
		first++;
	while (end > first && !(mask[end - 1] & 0x80))
		end--;
	if (first == end)
		return;
	va = linear(cpu, va + first, end - first, ACC_W);
	here = to_page_end(va);
	p = q = to_write(cpu, va, end - first < here ? end - first : here, 0);
	if (end - first > here)
		q = to_write(cpu, va + here, end - first - here, 0);
	x86_watch(cpu, va, end - first, ACC_W);
	for (i = 0; i < end - first; i++) {
		const struct x86_part byte = i < here ? part_byte(&p, i) : part_byte(&q, i - here);

		if (mask[first + i] & 0x80)
			put(cpu, &byte, from + first + i, 1);
	}
}

uint64_t x86_ld(struct x86_cpu *cpu, uint64_t va, unsigned size, unsigned acc)
{
	uint64_t v = 0;

	if (to_page_end(va) >= size) {
		struct x86_part part;
		const uint8_t *p;

		va = linear(cpu, va, size, acc);
		part = part_at(cpu, va, acc | ACC_R);
		x86_watch(cpu, va, size, acc);
		p = part.host;
		if (unlikely(!p)) {
			get(cpu, &part, &v, size);
			return v;
		}
		switch (size) {
		case 1:
			return x86_peek1(p);
		case 2:
			return x86_peek2(p);
		case 4:
			return x86_peek4(p);
		default:
			return x86_peek8(p);
		}
	}
	x86_read(cpu, va, &v, size, acc);
	return v;
}

void x86_st(struct x86_cpu *cpu, uint64_t va, uint64_t v, unsigned size, unsigned acc)
{
	struct x86_part part;
	uint8_t *p;

	if (to_page_end(va) < size) {
		x86_write(cpu, va, &v, size, acc);
		return;
	}
	va = linear(cpu, va, size, acc);
	part = to_write(cpu, va, size, acc);
	x86_watch(cpu, va, size, acc | ACC_W);
	p = part.host;
	if (unlikely(!p)) {
		put(cpu, &part, &v, size);
		return;
	}
	switch (size) {
	case 1:
		x86_poke1(p, (uint8_t)v);
		break;
	case 2:
		x86_poke2(p, (uint16_t)v);
		break;
	case 4:
		x86_poke4(p, (uint32_t)v);
		break;
	default:
		x86_poke8(p, v);
		break;
	}
	x86_code_hit(cpu->code, p, size);
}

/* Called by slow.S, which an optimizer of the whole program does not see. */
#define FROM_ASM __attribute__((used))

FROM_ASM uint64_t x86_ld_slow(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va,
			      unsigned size)
{
	uint64_t v;

	cpu->cur = op;
	v = x86_ld(cpu, va, size, 0);
	cpu->cur = NULL;
	return v;
}

FROM_ASM void x86_st_slow(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, uint64_t v,
			  unsigned size)
{
	cpu->cur = op;
	x86_st(cpu, va, v, size, 0);
	cpu->cur = NULL;
}

/* A pointer to change size bytes through. rmw_pending asks for x86_rmw_done() after the change:
 * because the bytes are a copy, or because the page holds code. */
FROM_ASM void *x86_rmw_slow(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va,
			    unsigned size)
{
	const unsigned here = to_page_end(va);
	struct x86_part *part = cpu->bounce_part;

	cpu->cur = op;
	va = linear(cpu, va, size, ACC_W);
	cpu->bounce_size = size;
	cpu->bounce_here = size < here ? size : here;
	part[0] = to_write(cpu, va, cpu->bounce_here, 0);
	if (size > here)
		part[1] = to_write(cpu, va + here, size - here, 0);
	x86_watch(cpu, va, size, ACC_W);
	cpu->cur = NULL;
	cpu->bounce_direct = size <= here && part[0].host;
	if (cpu->bounce_direct) {
		cpu->rmw_pending = x86_code_is(cpu->code, part[0].host);
		return part[0].host;
	}
	get(cpu, &part[0], cpu->bounce, cpu->bounce_here);
	if (size > here)
		get(cpu, &part[1], cpu->bounce + here, size - here);
	cpu->rmw_pending = 1;
	return cpu->bounce;
}

void x86_rmw_done(struct x86_cpu *cpu)
{
	const unsigned here = cpu->bounce_here, size = cpu->bounce_size;

	cpu->rmw_pending = 0;
	if (cpu->bounce_direct) {
		x86_code_hit(cpu->code, cpu->bounce_part[0].host, size);
		return;
	}
	put(cpu, &cpu->bounce_part[0], cpu->bounce, here);
	if (size > here)
		put(cpu, &cpu->bounce_part[1], cpu->bounce + here, size - here);
}

uint8_t *x86_window(struct x86_cpu *cpu, uint64_t va, uint64_t *len, unsigned acc)
{
	const unsigned here = to_page_end(va);
	uint8_t *p;

	va = linear(cpu, va, 1, acc);
	p = x86_fill(cpu, va, acc & (ACC_R | ACC_W) ? acc : acc | ACC_W);
	if (*len > here)
		*len = here;
	if (p && !(acc & ACC_R) && x86_code_is(cpu->code, p))
		return NULL;
	return p;
}

/* Segmentation where it is not flat: limits of expand-up and expand-down segments, rights. */
bool x86_seg_allows(const struct x86_seg *s, uint64_t off, unsigned size, bool write)
{
	const unsigned type = s->ar & 15u;
	const uint64_t last = off + size - 1;

	if (s->ar & SEG_AR_UNUSABLE)
		return false;
	if (write ? (type & 8) || !(type & 2) : (type & 8) && !(type & 2))
		return false;
	if (!(type & 8) && (type & 4))
		return off > s->limit && last <= (s->ar & SEG_AR_DB ? UINT32_MAX : UINT16_MAX);
	return last <= s->limit;
}

uint64_t x86_seg_ea(struct x86_cpu *cpu, unsigned seg, uint64_t off, unsigned size, bool write)
{
	const struct x86_seg *s = &cpu->seg[seg];

	if (is64(cpu))
		return off + (seg >= X86_FS ? s->base : 0);
	if (!x86_seg_allows(s, off, size, write))
		x86_raise_err(cpu, cpu->cur,
			      seg == X86_SS && !(s->ar & SEG_AR_UNUSABLE) ? VECTOR_SS : VECTOR_GP,
			      0);
	return x86_linear(cpu, off + s->base, 0);
}

const uint16_t x86_chk_size[X86_CHK_SIZES] = {1, 2, 4, 6, 8, 10, 14, 16, 28, 32, 64, 94, 108, 512};

/* The rest of address formation: width of the address, and the segment where it matters. */
uint64_t x86_ea_chk(struct x86_cpu *cpu, const struct x86_op *op, uint64_t off)
{
	const struct x86_op *before;

	off = x86_offset(op, off);
	if (!(op->fl & OPF_CHK))
		return x86_linear(cpu, off + cpu->seg[op->seg].base, 0);
	before = cpu->cur;
	cpu->cur = op;
	off = x86_seg_ea(cpu, op->seg & CHK_SEG, off, x86_chk_size[op->seg >> CHK_SIZE_SHIFT & 15u],
			 op->seg & CHK_WRITE);
	cpu->cur = before;
	return off;
}
