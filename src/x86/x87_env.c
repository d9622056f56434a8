/* SPDX-License-Identifier: MIT */
/* x87 environments in memory: FNSTENV, FLDENV, FNSAVE, FRSTOR in their 16-bit and 32-bit protected
 * mode layouts (SDM vol. 1, 8.1.10), and FNINIT.
 *
 * The selectors of the last instruction and operand are stored as 0, as processors do that report
 * them as deprecated. */
#include "x86/x87.h"

#define ENV16 14u
#define REGS  80u

void x86_x87_set_fsw(struct x86_cpu *cpu, uint16_t fsw)
{
	const unsigned by = (unsigned)(fsw >> 11 & 7) - x87_top(cpu);
	uint8_t st[8][16];
	unsigned i;

	/* The image counts registers from the top. */
	memcpy(st, cpu->fx.st, sizeof(st));
	for (i = 0; i < 8; i++)
		memcpy(cpu->fx.st[i], st[(i + by) & 7], 16);
	cpu->fx.fsw = fsw;
}

static void init(struct x86_cpu *cpu)
{
	x86_x87_set_fsw(cpu, 0);
	cpu->fx.fcw = FCW_INIT;
	cpu->fx.ftw = 0;
	cpu->fx.fop = 0;
	cpu->fx.fip = cpu->fx.fdp = 0;
}

OP(x86_fninit)
{
	init(cpu);
	NEXT;
}

/* Two bits for a register that is not empty: 0 valid, 1 zero, 2 anything else. */
static unsigned tag(const uint8_t *st)
{
	uint64_t mantissa;
	uint16_t exponent;

	memcpy(&mantissa, st, 8);
	memcpy(&exponent, st + 8, 2);
	exponent &= 0x7fff;
	if (exponent == 0x7fff || !(mantissa >> 63))
		return !exponent && !mantissa ? 1 : 2;
	return exponent ? 0 : 2;
}

static uint16_t full_tags(const struct x86_cpu *cpu)
{
	const unsigned top = x87_top(cpu);
	unsigned tags = 0, i;

	for (i = 0; i < 8; i++)
		tags |= (cpu->fx.ftw >> i & 1 ? tag(cpu->fx.st[(i - top) & 7]) : 3u) << 2 * i;
	return (uint16_t)tags;
}

static void put_env(const struct x86_cpu *cpu, uint8_t *img, unsigned size)
{
	const struct x86_fxregs *f = &cpu->fx;
	const uint16_t tags = full_tags(cpu);

	if (size == ENV16) {
		const uint16_t w[7] = {f->fcw, f->fsw,		 tags, (uint16_t)f->fip,
				       0,      (uint16_t)f->fdp, 0};

		memcpy(img, w, sizeof(w));
	} else {
		const uint32_t high = 0xffff0000u;
		const uint32_t w[7] = {high | f->fcw,
				       high | f->fsw,
				       high | tags,
				       (uint32_t)f->fip,
				       (uint32_t)(f->fop & 0x7ff) << 16,
				       (uint32_t)f->fdp,
				       high};

		memcpy(img, w, sizeof(w));
	}
}

static void get_env(struct x86_cpu *cpu, const uint8_t *img, unsigned size)
{
	struct x86_fxregs *f = &cpu->fx;
	const unsigned wide = size == ENV16 ? 2 : 4;
	uint16_t w[7];
	unsigned i;

	for (i = 0; i < 7; i++)
		memcpy(&w[i], img + i * wide, 2);
	x86_x87_set_fsw(cpu, w[1] & 0x7f7f);
	f->fcw = (w[0] & FCW_BITS) | FCW_RESERVED;
	f->ftw = 0;
	for (i = 0; i < 8; i++)
		if ((w[2] >> 2 * i & 3) != 3)
			f->ftw |= (uint8_t)(1u << i);
	f->fip = w[3];
	f->fdp = w[5];
	f->fop = 0;
	if (wide == 4) {
		uint32_t ip, dp, op;

		memcpy(&ip, img + 12, 4);
		memcpy(&op, img + 16, 4);
		memcpy(&dp, img + 20, 4);
		f->fip = ip;
		f->fdp = dp;
		f->fop = op >> 16 & 0x7ff;
	}
	x87_update_es(cpu);
}

OP(x86_fnstenv)
{
	uint8_t img[28];
	const uint64_t ea = ea_x(cpu, op);

	put_env(cpu, img, op->s);
	cpu->cur = op;
	x86_write(cpu, ea, img, op->s, 0);
	cpu->cur = NULL;
	cpu->fx.fcw |= FCW_MASKS;
	x87_update_es(cpu);
	NEXT;
}

OP(x86_fldenv)
{
	uint8_t img[28];

	x87_pending(cpu, op);
	cpu->cur = op;
	x86_read(cpu, ea_x(cpu, op), img, op->s, 0);
	cpu->cur = NULL;
	get_env(cpu, img, op->s);
	NEXT;
}

OP(x86_fnsave)
{
	uint8_t img[28 + REGS];
	const uint64_t ea = ea_x(cpu, op);
	unsigned i;

	put_env(cpu, img, op->s);
	for (i = 0; i < 8; i++)
		memcpy(img + op->s + i * 10, cpu->fx.st[i], 10);
	cpu->cur = op;
	x86_write(cpu, ea, img, op->s + REGS, 0);
	cpu->cur = NULL;
	init(cpu);
	NEXT;
}

OP(x86_frstor)
{
	uint8_t img[28 + REGS];
	unsigned i;

	x87_pending(cpu, op);
	cpu->cur = op;
	x86_read(cpu, ea_x(cpu, op), img, op->s + REGS, 0);
	cpu->cur = NULL;
	get_env(cpu, img, op->s);
	for (i = 0; i < 8; i++) {
		memset(cpu->fx.st[i], 0, 16);
		memcpy(cpu->fx.st[i], img + op->s + i * 10, 10);
	}
	NEXT;
}
