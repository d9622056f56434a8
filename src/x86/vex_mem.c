/* SPDX-License-Identifier: MIT */
/* Operands in memory of which a mask leaves elements out: what is left out is not accessed and, but
 * for VEXTRACT, faults for nobody. Gathers and scatters, which stand where they came to when one
 * faults. */
#include "x86/vex.h"

#define PAGE_BYTES 4096u

static uint64_t low_bits(unsigned n)
{
	return n >= 64 ? UINT64_MAX : (1ull << n) - 1;
}

uint64_t vex_active(const struct vex_form *f, uint64_t mask)
{
	uint64_t active = 0;
	unsigned i;

	mask &= low_bits(f->masked);
	if (!(f->flags & VEX_F_PART))
		return UINT64_MAX;
	if (f->flags & VEX_F_PACKED)
		return low_bits((unsigned)__builtin_popcountll(mask));
	if (f->elements == f->masked)
		return mask;
	/* One element in memory is several of the register's. */
	for (i = 0; i < f->masked; i++)
		if (mask >> i & 1)
			active |= 1ull << i % f->elements;
	return active;
}

static void all(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, uint8_t *to,
		unsigned bytes)
{
	const struct x86_tlbe *e = tlb_at(cpu, va);

	if (likely(e->r == PAGE_OF(va, bytes))) {
		x86_copy(to, x86_host(cpu, va + e->addend, bytes), bytes);
		return;
	}
	cpu->cur = op;
	x86_read(cpu, va, to, bytes, 0);
	cpu->cur = NULL;
}

/* What lies between elements that are read is read too, where it is on their page. */
void vex_read(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, uint8_t *to,
	      uint64_t active)
{
	const struct vex_form *f = vex_form_of(op);
	const unsigned size = f->element;
	unsigned first, bytes;

	if (!(f->flags & VEX_F_PART) || active == UINT64_MAX) {
		all(cpu, op, va, to, f->mem_size);
		return;
	}
	memset(to, 0, VEX_BYTES);
	if (!active)
		return;
	first = (unsigned)__builtin_ctzll(active) * size;
	bytes = (64u - (unsigned)__builtin_clzll(active)) * size - first;
	if (((va + first) & (PAGE_BYTES - 1)) + bytes <= PAGE_BYTES) {
		all(cpu, op, va + first, to + first, bytes);
		return;
	}
	for (; active; active &= active - 1) {
		first = (unsigned)__builtin_ctzll(active) * size;
		all(cpu, op, va + first, to + first, size);
	}
}

void vex_write(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, const uint8_t *from,
	       uint64_t active)
{
	const struct vex_form *f = vex_form_of(op);
	uint8_t mask[VEX_BYTES] = {0}, there[VEX_BYTES];
	unsigned i;

	cpu->cur = op;
	if (f->flags & VEX_F_PART && active != UINT64_MAX) {
		if (f->flags & VEX_F_WHOLE)
			x86_read(cpu, va, there, f->mem_size, ACC_W);
		for (i = 0; i < f->elements; i++)
			if (active >> i & 1)
				memset(mask + i * f->element, 0xff, f->element);
		x86_write_masked(cpu, va, from, mask, f->mem_size);
	} else {
		x86_write(cpu, va, from, f->mem_size, 0);
	}
	cpu->cur = NULL;
}

/* The sign bits of a vector's elements. */
static uint64_t signs(const uint8_t *v, unsigned size, unsigned n)
{
	uint64_t mask = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		mask |= (uint64_t)(v[(i + 1) * size - 1] >> 7) << i;
	return mask;
}

/* VMASKMOVPS and its like: d = memory or memory = d, under the signs of s. */
OP(x86_vex_maskmov)
{
	const struct vex_form *f = vex_form_of(op);
	uint8_t v[VEX_BYTES], m[VEX_BYTES];
	uint64_t active, ea;
	unsigned i;

	vex_need(cpu, op, 0);
	vex_get(cpu, op->s, m);
	active = signs(m, f->element, f->elements);
	ea = ea_x(cpu, op);
	if (f->mem_write) {
		vex_get(cpu, op->d, v);
		vex_write(cpu, op, ea, v, active);
	} else {
		vex_read(cpu, op, ea, v, active);
		for (i = 0; i < f->elements; i++)
			if (!(active >> i & 1))
				memset(v + i * f->element, 0, f->element);
		vex_put(cpu, op->d, v, f->bytes);
	}
	NEXT;
}

/* Which elements are still to be done: bits of the mask, or signs of the vector in vvvv. */
static uint64_t pending(const struct x86_cpu *cpu, const struct x86_op *op,
			const struct vex_form *f)
{
	uint8_t m[VEX_BYTES];

	if (f->key.mask != VEX_NO_MASK)
		return cpu->k[f->key.mask] & low_bits(f->masked);
	vex_get(cpu, op->s, m);
	return signs(m, f->element, f->masked);
}

/* The vector that says which elements are to be done is all ones or all zeros from here on, seen
 * by whoever handles a fault. */
static void widen_signs(struct x86_cpu *cpu, const struct x86_op *op, const struct vex_form *f,
			uint64_t todo)
{
	uint8_t m[VEX_BYTES] = {0};
	unsigned i;

	if (f->key.mask != VEX_NO_MASK)
		return;
	for (i = 0; i < f->masked; i++)
		if (todo >> i & 1)
			memset(m + i * f->element, 0xff, f->element);
	vex_put(cpu, op->s, m, 32);
}

static void done(struct x86_cpu *cpu, const struct x86_op *op, const struct vex_form *f, unsigned i)
{
	uint8_t m[VEX_BYTES];

	if (f->key.mask != VEX_NO_MASK) {
		cpu->k[f->key.mask] &= ~(1ull << i);
		return;
	}
	vex_get(cpu, op->s, m);
	memset(m + i * f->element, 0, f->element);
	vex_put(cpu, op->s, m, 32);
}

static uint64_t element_ea(struct x86_cpu *cpu, const struct x86_op *op, const struct vex_form *f,
			   const uint8_t *index, unsigned i)
{
	int64_t x = 0;
	int32_t narrow;

	if (f->index_size == 8) {
		memcpy(&x, index + 8 * i, 8);
	} else {
		memcpy(&narrow, index + 4 * i, 4);
		x = narrow;
	}
	return x86_ea(cpu, op, ea_off(cpu, op) + ((uint64_t)x << f->scale));
}

OP(x86_vex_gather)
{
	const struct vex_form *f = vex_form_of(op);
	uint8_t index[VEX_BYTES], v[VEX_BYTES];
	uint64_t todo;

	vex_need(cpu, op, f->flags);
	vex_get(cpu, f->key.index, index);
	todo = pending(cpu, op, f);
	widen_signs(cpu, op, f, todo);
	for (; todo; todo &= todo - 1) {
		const unsigned i = (unsigned)__builtin_ctzll(todo);
		const uint64_t x =
			x86_ld_slow(cpu, op, element_ea(cpu, op, f, index, i), f->element);

		vex_get(cpu, op->d, v);
		memcpy(v + i * f->element, &x, f->element);
		vex_put(cpu, op->d, v, VEX_BYTES);
		done(cpu, op, f, i);
	}
	vex_get(cpu, op->d, v);
	vex_put(cpu, op->d, v, (unsigned)f->masked * f->element);
	if (f->key.mask != VEX_NO_MASK)
		cpu->k[f->key.mask] = 0;
	else
		vex_put(cpu, op->s, v, 0);
	NEXT;
}

OP(x86_vex_scatter)
{
	const struct vex_form *f = vex_form_of(op);
	uint8_t index[VEX_BYTES], v[VEX_BYTES];
	uint64_t todo;

	vex_need(cpu, op, f->flags);
	vex_get(cpu, f->key.index, index);
	vex_get(cpu, op->d, v);
	for (todo = pending(cpu, op, f); todo; todo &= todo - 1) {
		const unsigned i = (unsigned)__builtin_ctzll(todo);
		uint64_t x = 0;

		memcpy(&x, v + i * f->element, f->element);
		x86_st_slow(cpu, op, element_ea(cpu, op, f, index, i), x, f->element);
		done(cpu, op, f, i);
	}
	cpu->k[f->key.mask] = 0;
	NEXT;
}
