/* SPDX-License-Identifier: MIT */
/* MOVS, STOS, LODS, CMPS, SCAS, with and without REP.
 *
 * A repeated instruction works in spans that stay within a page on both sides; upwards, the host's
 * own string instruction does a span, so that overlapping copies come out as the guest's would.
 * Registers are written after each span: a fault or a request for attention finds the instruction
 * ready to go on. sc holds the element size. */
#include "x86/flags.h"
#include "x86/system.h"

struct str {
	uint64_t mask;	   /* of addresses and of the count */
	uint64_t src, dst; /* linear */
	bool limits;	   /* of the segments matter: each element is checked */
	uint64_t count;
	int64_t step;
};

static uint64_t merge(uint64_t old, uint64_t v, uint64_t mask)
{
	return mask == UINT16_MAX ? (old & ~mask) | (v & mask) : v & mask;
}

static void begin(struct x86_cpu *cpu, const struct x86_op *op, struct str *s)
{
	const uint64_t es = is64(cpu) ? 0 : cpu->seg[X86_ES].base;

	s->mask = op->fl & OPF_A32 ? UINT32_MAX : op->fl & OPF_A16 ? UINT16_MAX : UINT64_MAX;
	s->count = op->fl & (OPF_REP | OPF_REPNE) ? cpu->regs.rcx & s->mask : 1;
	s->step = cpu->sysflags & RFLAGS_DF ? -(int64_t)op->sc : (int64_t)op->sc;
	s->src = (cpu->regs.rsi & s->mask) + cpu->seg[op->seg].base;
	s->dst = (cpu->regs.rdi & s->mask) + es;
	s->limits = !is64(cpu) && (!(cpu->mode & M_FLAT) || op->seg == X86_FS || op->seg == X86_GS);
	if (!is64(cpu)) {
		s->src = (uint32_t)s->src;
		s->dst = (uint32_t)s->dst;
	}
}

/* Where the next element is, if its segment lets it be there. */
static uint64_t source(struct x86_cpu *cpu, const struct x86_op *op, const struct str *s)
{
	return s->limits ? x86_seg_ea(cpu, op->seg, cpu->regs.rsi & s->mask, op->sc, false)
			 : s->src;
}

static uint64_t destination(struct x86_cpu *cpu, const struct x86_op *op, const struct str *s,
			    bool write)
{
	return s->limits ? x86_seg_ea(cpu, X86_ES, cpu->regs.rdi & s->mask, op->sc, write) : s->dst;
}

/* n elements are done. */
static void advance(struct x86_cpu *cpu, const struct x86_op *op, struct str *s, uint64_t n,
		    bool src, bool dst)
{
	const uint64_t by = (uint64_t)s->step * n;

	if (src)
		cpu->regs.rsi = merge(cpu->regs.rsi, cpu->regs.rsi + by, s->mask);
	if (dst)
		cpu->regs.rdi = merge(cpu->regs.rdi, cpu->regs.rdi + by, s->mask);
	if (op->fl & (OPF_REP | OPF_REPNE))
		cpu->regs.rcx = merge(cpu->regs.rcx, cpu->regs.rcx - n, s->mask);
	s->src += by;
	s->dst += by;
	if (!is64(cpu)) {
		s->src = (uint32_t)s->src;
		s->dst = (uint32_t)s->dst;
	}
	s->count -= n;
}

/* Something waits at the next boundary: leave a repeated instruction to be continued. What a single
 * element did to a page with code waits until a span of the page is done. */
static bool interrupted(struct x86_cpu *cpu, bool span)
{
	const unsigned attn = atomic_load_explicit(&cpu->attn, memory_order_relaxed);

	return span ? attn : attn & ~ATTN_CODE;
}

static const struct x86_op *again(struct x86_cpu *cpu, const struct x86_op *op)
{
	x86_at(cpu, op);
	cpu->left--;
	return x86_lookup(cpu, 0);
}

static uint64_t elements_in_page(uint64_t va, unsigned size, uint64_t count)
{
	const uint64_t n = (0x1000u - (va & 0xfff)) / size;

	return n < count ? n : count;
}

static void copy_span(void *to, const void *from, uint64_t n, unsigned size)
{
	switch (size) {
	case 1:
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
		break;
	case 2:
		__asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
		break;
	case 4:
		__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
		break;
	default:
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
		break;
	}
}

static void fill_span(void *to, uint64_t v, uint64_t n, unsigned size)
{
	switch (size) {
	case 1:
		__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(v) : "memory");
		break;
	case 2:
		__asm__ volatile("rep stosw" : "+D"(to), "+c"(n) : "a"(v) : "memory");
		break;
	case 4:
		__asm__ volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(v) : "memory");
		break;
	default:
		__asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(v) : "memory");
		break;
	}
}

/* The addresses of a span must not wrap within it, and a trap after each element takes them singly.
 */
static bool spans(const struct x86_cpu *cpu, const struct str *s)
{
	return !(cpu->dr_data | cpu->tf_armed | cpu->aligned | s->limits) && s->step > 0 &&
	       s->mask != UINT16_MAX && s->count > 1;
}

OP(x86_movs)
{
	struct str s;

	begin(cpu, op, &s);
	cpu->cur = op;
	while (s.count) {
		uint64_t n = 0;
		bool span;

		if (spans(cpu, &s)) {
			n = elements_in_page(s.src, op->sc,
					     elements_in_page(s.dst, op->sc, s.count));
			if (n) {
				uint64_t bytes = n * op->sc;
				const uint8_t *from = x86_window(cpu, s.src, &bytes, ACC_R);
				uint8_t *to = x86_window(cpu, s.dst, &bytes, 0);

				if (to && from)
					copy_span(to, from, n, op->sc);
				else
					n = 0;
			}
		}
		span = n;
		if (!n) {
			const uint64_t from = source(cpu, op, &s);

			x86_st(cpu, destination(cpu, op, &s, true), x86_ld(cpu, from, op->sc, 0),
			       op->sc, 0);
			n = 1;
		}
		advance(cpu, op, &s, n, true, true);
		if (s.count && interrupted(cpu, span))
			return again(cpu, op);
	}
	cpu->cur = NULL;
	NEXT;
}

OP(x86_stos)
{
	struct str s;

	begin(cpu, op, &s);
	cpu->cur = op;
	while (s.count) {
		uint64_t n = 0;
		bool span;

		if (spans(cpu, &s)) {
			n = elements_in_page(s.dst, op->sc, s.count);
			if (n) {
				uint64_t bytes = n * op->sc;
				uint8_t *to = x86_window(cpu, s.dst, &bytes, 0);

				if (to)
					fill_span(to, cpu->regs.rax, n, op->sc);
				else
					n = 0;
			}
		}
		span = n;
		if (!n) {
			x86_st(cpu, destination(cpu, op, &s, true), cpu->regs.rax, op->sc, 0);
			n = 1;
		}
		advance(cpu, op, &s, n, false, true);
		if (s.count && interrupted(cpu, span))
			return again(cpu, op);
	}
	cpu->cur = NULL;
	NEXT;
}

OP(x86_lods)
{
	struct str s;

	begin(cpu, op, &s);
	cpu->cur = op;
	while (s.count) {
		const uint64_t v = x86_ld(cpu, source(cpu, op, &s), op->sc, 0);

		memcpy(cpu, &v, op->sc); /* RAX comes first */
		if (op->sc == 4)
			cpu->regs.rax = v;
		advance(cpu, op, &s, 1, true, false);
		if (s.count && interrupted(cpu, true))
			return again(cpu, op);
	}
	cpu->cur = NULL;
	NEXT;
}

static void compare(struct x86_cpu *cpu, uint64_t a, uint64_t b, unsigned size)
{
	switch (size) {
	case 1:
		alu_cmp1(cpu, (uint8_t)a, (uint8_t)b);
		break;
	case 2:
		alu_cmp2(cpu, (uint16_t)a, (uint16_t)b);
		break;
	case 4:
		alu_cmp4(cpu, (uint32_t)a, (uint32_t)b);
		break;
	default:
		alu_cmp8(cpu, a, b);
		break;
	}
}

/* Comparisons have the flags from before the instruction where a fault finds them (SDM vol. 2,
 * REP). Does a repeated one stop here? */
static bool stops(const struct x86_cpu *cpu, const struct x86_op *op)
{
	const bool zf = cpu->fl & FL_ZF;

	return op->fl & OPF_REP ? !zf : op->fl & OPF_REPNE ? zf : true;
}

OP(x86_cmps)
{
	const uint16_t before = cpu->fl;
	struct str s;

	begin(cpu, op, &s);
	cpu->cur = op;
	while (s.count) {
		uint64_t a, b;

		cpu->fl = before;
		a = x86_ld(cpu, source(cpu, op, &s), op->sc, 0);
		b = x86_ld(cpu, destination(cpu, op, &s, false), op->sc, 0);
		compare(cpu, a, b, op->sc);
		advance(cpu, op, &s, 1, true, true);
		if (stops(cpu, op))
			break;
		if (s.count && interrupted(cpu, true))
			return again(cpu, op);
	}
	cpu->cur = NULL;
	NEXT;
}

OP(x86_scas)
{
	const uint16_t before = cpu->fl;
	struct str s;

	begin(cpu, op, &s);
	cpu->cur = op;
	while (s.count) {
		cpu->fl = before;
		compare(cpu, cpu->regs.rax, x86_ld(cpu, destination(cpu, op, &s, false), op->sc, 0),
			op->sc);
		advance(cpu, op, &s, 1, false, true);
		if (stops(cpu, op))
			break;
		if (s.count && interrupted(cpu, true))
			return again(cpu, op);
	}
	cpu->cur = NULL;
	NEXT;
}
