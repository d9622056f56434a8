/* SPDX-License-Identifier: MIT */
/* Integer instructions which need no speed. sc or imm select size and variant, as each says. */
#include "x86/flags.h"
#include "x86/line_store.h"
#include "x86/system.h"

#define RAX 0u
#define RDX 16u

OP(x86_bswap)
{
	if (op->sc == 8)
		R64(op->d) = __builtin_bswap64(R64(op->d));
	else if (op->sc == 4)
		wr4(cpu, op->d, __builtin_bswap32(R32(op->d)));
	else
		wr2(cpu, op->d, 0); /* undefined; processors agree on this */
	NEXT;
}

/* CBW, CWDE, CDQE: sc is the size of the result. */
OP(x86_convert)
{
	if (op->sc == 2)
		wr2(cpu, RAX, (uint16_t)(int16_t)(int8_t)R8(RAX));
	else if (op->sc == 4)
		wr4(cpu, RAX, (uint32_t)(int32_t)(int16_t)R16(RAX));
	else
		wr8(cpu, RAX, (uint64_t)(int64_t)(int32_t)R32(RAX));
	NEXT;
}

/* CWD, CDQ, CQO */
OP(x86_double)
{
	if (op->sc == 2)
		wr2(cpu, RDX, (uint16_t)((int16_t)R16(RAX) >> 15));
	else if (op->sc == 4)
		wr4(cpu, RDX, (uint32_t)((int32_t)R32(RAX) >> 31));
	else
		wr8(cpu, RDX, (uint64_t)((int64_t)R64(RAX) >> 63));
	NEXT;
}

/* Always with the host's lock: memory is written in either case. */
OP(x86_cmpxchg8b)
{
	uint64_t *p = rmw8(cpu, op, ea_x(cpu, op));
	const uint64_t want = (uint64_t)(uint32_t)cpu->regs.rdx << 32 | (uint32_t)cpu->regs.rax;
	const uint64_t next = (uint64_t)(uint32_t)cpu->regs.rcx << 32 | (uint32_t)cpu->regs.rbx;
	uint64_t old = want;
	bool same;

	same = __atomic_compare_exchange_n(p, &old, next, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
	RMW_DONE;
	if (!same) {
		cpu->regs.rax = (uint32_t)old;
		cpu->regs.rdx = old >> 32;
	}
	cpu->fl = fl_pick(cpu->fl, same ? FL_ZF : 0, FL_ZF);
	NEXT;
}

OP(x86_cmpxchg16b)
{
	const uint64_t va = ea_x(cpu, op);
	uint64_t old[2] = {cpu->regs.rax, cpu->regs.rdx};
	void *p;
	bool same;

	if (va & 15)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	p = x86_rmw_slow(cpu, op, va, 16);
	__asm__ volatile("lock cmpxchg16b %1\n\tsete %0"
			 : "=q"(same), "+m"(*(struct x86_xmm *)p), "+a"(old[0]), "+d"(old[1])
			 : "b"(cpu->regs.rbx), "c"(cpu->regs.rcx)
			 : "cc", "memory");
	RMW_DONE;
	cpu->regs.rax = old[0];
	cpu->regs.rdx = old[1];
	cpu->fl = fl_pick(cpu->fl, same ? FL_ZF : 0, FL_ZF);
	NEXT;
}

static uint64_t swap(uint64_t v, unsigned size)
{
	return size == 8   ? __builtin_bswap64(v)
	       : size == 4 ? __builtin_bswap32((uint32_t)v)
			   : __builtin_bswap16((uint16_t)v);
}

/* imm: size, with 0x100 for a store. */
OP(x86_movbe)
{
	const unsigned size = (unsigned)op->imm & 0xffu;
	const uint64_t ea = ea_x(cpu, op);

	if (op->imm & 0x100) {
		x86_st_slow(cpu, op, ea, swap(R64(op->s), size), size);
	} else {
		const uint64_t v = swap(x86_ld_slow(cpu, op, ea, size), size);

		if (size == 2)
			wr2(cpu, op->d, (uint16_t)v);
		else
			wr8(cpu, op->d, v);
	}
	NEXT;
}

/* imm: size of the source. The polynomial of CRC-32C, reflected. */
OP(x86_crc32)
{
	const unsigned size = (unsigned)op->imm;
	uint64_t v = op->fl & OPF_MEM ? x86_ld_slow(cpu, op, ea_x(cpu, op), size)
		     : size == 1      ? R8(op->s)
				      : R64(op->s);
	uint32_t crc = R32(op->d);
	unsigned i;

	for (i = 0; i < size * 8; i++, v >>= 1)
		crc = (crc >> 1) ^ (((crc ^ v) & 1) ? 0x82f63b78u : 0);
	wr4(cpu, op->d, crc);
	NEXT;
}

/* The table is in b, AL is added within the width of the address. */
OP(x86_xlat)
{
	wr1(cpu, RAX, ld1(cpu, op, x86_ea(cpu, op, R64(op->b) + R8(RAX))));
	NEXT;
}

/* Page by page: it has taken place, so that both are there. */
static void stored_directly(struct x86_cpu *cpu, uint64_t to, unsigned size)
{
	const unsigned end = 0x1000u - (unsigned)(to & 0xfff), here = size < end ? size : end;
	uint64_t gpa;

	if (!cpu->ops->direct_store)
		return;
	if (!x86_translate(cpu, x86_linear(cpu, to, 0), &gpa))
		cpu->ops->direct_store(cpu, gpa, here);
	if (here < size && !x86_translate(cpu, x86_linear(cpu, to + here, 0), &gpa))
		cpu->ops->direct_store(cpu, gpa, size - here);
}

/* d: the offset of the destination, which is in ES whatever the prefixes say. */
OP(x86_movdir64b)
{
	const uint64_t off = x86_offset(op, R64(op->d)), from = ea_x(cpu, op);
	uint8_t line[64];
	uint64_t to;

	cpu->cur = op;
	to = x86_seg_ea(cpu, X86_ES, off, sizeof(line), true);
	if (to & (sizeof(line) - 1))
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	x86_read(cpu, from, line, sizeof(line), 0);
	x86_write(cpu, to, line, sizeof(line), 0);
	stored_directly(cpu, to, sizeof(line));
	cpu->cur = NULL;
	NEXT;
}

bool x86_stores_line(const struct x86_cpu *cpu)
{
	return cpu->cur && cpu->cur->fn == x86_movdir64b;
}

/* MOVDIRI, MOVNTI where somebody wants to know. imm: size. */
OP(x86_direct_store)
{
	const unsigned size = (unsigned)op->imm;
	const uint64_t to = ea_x(cpu, op);

	cpu->cur = op;
	x86_st(cpu, to, R64(op->s), size, 0);
	stored_directly(cpu, to, size);
	cpu->cur = NULL;
	NEXT;
}

/* DAA, DAS, AAA, AAS, AAM, AAD by imm; s: the base of the last two. Outside 64-bit code only. */
OP(x86_bcd)
{
	uint8_t al = R8(RAX), ah = R8(1);
	const uint8_t old = al;
	const bool af = cpu->fl & FL_AF, cf = cpu->fl & FL_CF;
	bool carry = false, adjust = false;

	switch (op->imm) {
	case 0:
	case 1:
		if ((al & 15) > 9 || af) {
			const unsigned r = op->imm ? al - 6u : al + 6u;

			adjust = true;
			carry = cf || r > 0xff;
			al = (uint8_t)r;
		}
		if (old > 0x99 || cf) {
			al = (uint8_t)(op->imm ? al - 0x60u : al + 0x60u);
			carry = true;
		}
		break;
	case 2:
	case 3:
		if ((al & 15) > 9 || af) {
			const unsigned ax = (unsigned)ah << 8 | al;
			const unsigned r = op->imm == 2 ? ax + 0x106 : ax - 0x106;

			al = (uint8_t)r;
			ah = (uint8_t)(r >> 8);
			adjust = carry = true;
		}
		al &= 15;
		break;
	case 4:
		if (!op->s)
			x86_raise(cpu, op, VECTOR_DE);
		ah = al / op->s;
		al = al % op->s;
		break;
	case 5:
		al = (uint8_t)(al + ah * op->s);
		ah = 0;
		break;
	}
	alu_test1(cpu, al, al);
	cpu->fl = fl_pick(cpu->fl, (carry ? FL_CF : 0) | (adjust ? FL_AF : 0), FL_CF | FL_AF);
	wr2(cpu, RAX, (uint16_t)(ah << 8 | al));
	NEXT;
}

OP(x86_bound)
{
	const unsigned size = (unsigned)op->imm;
	const uint64_t ea = ea_x(cpu, op);
	const uint64_t lo = x86_ld_slow(cpu, op, ea, size),
		       hi = x86_ld_slow(cpu, op, ea + size, size);
	const bool out =
		size == 2 ? (int16_t)R16(op->d) < (int16_t)lo || (int16_t)R16(op->d) > (int16_t)hi
			  : (int32_t)R32(op->d) < (int32_t)lo || (int32_t)R32(op->d) > (int32_t)hi;

	if (out)
		x86_raise(cpu, op, VECTOR_BR);
	NEXT;
}

OP(x86_fence)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (cpu->ops->fence)
		cpu->ops->fence(cpu);
	NEXT;
}

/* What another processor changed of the code is seen from here on. */
OP(x86_serialize)
{
	atomic_thread_fence(memory_order_seq_cst);
	x86_after(cpu, op);
	return x86_lookup(cpu, 0);
}

/* ADCX (imm 0) and ADOX (1), imm bit 1: 64 bits. */
OP(x86_adx)
{
	const unsigned bit = op->imm & 1 ? FL_OF : FL_CF;
	const bool wide = op->imm & 2;
	const uint64_t b = op->fl & OPF_MEM ? x86_ld_slow(cpu, op, ea_x(cpu, op), wide ? 8 : 4)
			   : wide	    ? R64(op->s)
					    : R32(op->s);
	const uint64_t a = wide ? R64(op->d) : R32(op->d);
	const unsigned __int128 sum = (unsigned __int128)a + b + !!(cpu->fl & bit);

	R64(op->d) = wide ? (uint64_t)sum : (uint32_t)sum;
	cpu->fl = fl_pick(cpu->fl, (sum >> (wide ? 64 : 32)) ? bit : 0, bit);
	NEXT;
}

/* The requested privilege level is not to be higher than the caller's. */
OP(x86_arpl)
{
	uint16_t *p = op->fl & OPF_MEM ? rmw2(cpu, op, ea_x(cpu, op)) : &R16(op->d);
	const unsigned rpl = R16(op->s) & 3u;
	uint16_t sel;

	sel = x86_peek2(p);
	cpu->fl = fl_pick(cpu->fl, (sel & 3u) < rpl ? FL_ZF : 0, FL_ZF);
	if ((sel & 3u) < rpl) {
		sel = (uint16_t)((sel & ~3u) | rpl);
		x86_poke2(p, sel);
	}
	RMW_DONE;
	NEXT;
}

OP(x86_salc)
{
	R8(RAX) = cpu->fl & FL_CF ? 0xff : 0;
	NEXT;
}

/* MONITOR and the like: nothing but the permission to read. */
OP(x86_probe)
{
	ld1(cpu, op, ea_x(cpu, op));
	NEXT;
}

/* CLFLUSH and the like, imm: enum x86_cache_op. To the guest, nothing but the permission to read.
 */
OP(x86_cache_line)
{
	const uint64_t ea = ea_x(cpu, op);
	uint64_t gpa;

	cpu->cur = op;
	x86_window(cpu, ea, &(uint64_t){1}, ACC_R);
	x86_watch(cpu, x86_linear(cpu, ea, 0), 1, ACC_R);
	if (cpu->ops->cache_line && !x86_translate(cpu, x86_linear(cpu, ea, 0), &gpa))
		cpu->ops->cache_line(cpu, gpa & ~63ull, (enum x86_cache_op)op->imm);
	cpu->cur = NULL;
	NEXT;
}

/* MOV between the accumulator and an absolute address, which imm holds in full; the other byte is
 * log2 of the size. */
OP(x86_mov_moffs_ld)
{
	const unsigned size = 1u << op->s;
	const uint64_t v = x86_ld_slow(cpu, op, x86_ea(cpu, op, op->imm), size);

	if (size == 4)
		wr4(cpu, RAX, (uint32_t)v);
	else
		memcpy(cpu, &v, size);
	NEXT;
}

OP(x86_mov_moffs_st)
{
	x86_st_slow(cpu, op, x86_ea(cpu, op, op->imm), cpu->regs.rax, 1u << op->d);
	NEXT;
}
