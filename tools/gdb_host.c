/* SPDX-License-Identifier: MIT */
/* See tools/gdb_host.h. */
#include "tools/gdb_host.h"

#include <stdio.h>
#include <string.h>

enum { FX_ST = 32, FX_XMM = 160, TAG_AT = 4 };

#define STATE(field) offsetof(struct board_state, field)
#define REG(name)                                                                                  \
	{                                                                                          \
		STATE(regs.name), true                                                             \
	}
#define SEGMENT(i)                                                                                 \
	{                                                                                          \
		STATE(selector) + 2 * (i), false                                                   \
	}
#define FX(offset)                                                                                 \
	{                                                                                          \
		STATE(fxsave) + (offset), true                                                     \
	}
#define ST(i)  FX(FX_ST + 16 * (i))
#define XMM(i) FX(FX_XMM + 16 * (i))
#define FIXED(field)                                                                               \
	{                                                                                          \
		STATE(field), false                                                                \
	}

/* Where a register is; can it be written? */
static const struct place {
	size_t at;
	bool writable;
} places[GDB_REGISTERS] = {
	[GDB_rax] = REG(rax),
	[GDB_rbx] = REG(rbx),
	[GDB_rcx] = REG(rcx),
	[GDB_rdx] = REG(rdx),
	[GDB_rsi] = REG(rsi),
	[GDB_rdi] = REG(rdi),
	[GDB_rbp] = REG(rbp),
	[GDB_rsp] = REG(rsp),
	[GDB_r8] = REG(r8),
	[GDB_r9] = REG(r9),
	[GDB_r10] = REG(r10),
	[GDB_r11] = REG(r11),
	[GDB_r12] = REG(r12),
	[GDB_r13] = REG(r13),
	[GDB_r14] = REG(r14),
	[GDB_r15] = REG(r15),
	[GDB_rip] = {STATE(rip), true},
	[GDB_eflags] = {STATE(rflags), true},
	[GDB_es] = SEGMENT(0),
	[GDB_cs] = SEGMENT(1),
	[GDB_ss] = SEGMENT(2),
	[GDB_ds] = SEGMENT(3),
	[GDB_fs] = SEGMENT(4),
	[GDB_gs] = SEGMENT(5),
	[GDB_st0] = ST(0),
	[GDB_st1] = ST(1),
	[GDB_st2] = ST(2),
	[GDB_st3] = ST(3),
	[GDB_st4] = ST(4),
	[GDB_st5] = ST(5),
	[GDB_st6] = ST(6),
	[GDB_st7] = ST(7),
	[GDB_fctrl] = FX(0),
	[GDB_fstat] = FX(2),
	[GDB_ftag] = {STATE(fxsave) + TAG_AT, false},
	[GDB_fiseg] = FX(12),
	[GDB_fioff] = FX(8),
	[GDB_foseg] = FX(20),
	[GDB_fooff] = FX(16),
	[GDB_fop] = FX(6),
	[GDB_xmm0] = XMM(0),
	[GDB_xmm1] = XMM(1),
	[GDB_xmm2] = XMM(2),
	[GDB_xmm3] = XMM(3),
	[GDB_xmm4] = XMM(4),
	[GDB_xmm5] = XMM(5),
	[GDB_xmm6] = XMM(6),
	[GDB_xmm7] = XMM(7),
	[GDB_xmm8] = XMM(8),
	[GDB_xmm9] = XMM(9),
	[GDB_xmm10] = XMM(10),
	[GDB_xmm11] = XMM(11),
	[GDB_xmm12] = XMM(12),
	[GDB_xmm13] = XMM(13),
	[GDB_xmm14] = XMM(14),
	[GDB_xmm15] = XMM(15),
	[GDB_mxcsr] = FX(24),
	[GDB_fs_base] = FIXED(fs_base),
	[GDB_gs_base] = FIXED(gs_base),
	[GDB_cr0] = FIXED(cr0),
	[GDB_cr2] = FIXED(cr2),
	[GDB_cr3] = FIXED(cr3),
	[GDB_cr4] = FIXED(cr4),
	[GDB_efer] = FIXED(efer),
};

static const unsigned sizes[GDB_REGISTERS] = {
#define R(name_, type_, bytes_, feature_) bytes_,
#include "gdb/registers.def"
#undef R
};

static bool refuse(struct gdb_refusal *why, const char *text)
{
	snprintf(why->text, sizeof(why->text), "%s", text);
	snprintf(why->kind, sizeof(why->kind), "%s", text);
	return false;
}

static bool get(void *arg, unsigned cpu, enum gdb_reg reg, uint8_t *buf, struct gdb_refusal *why)
{
	struct board_state s;

	(void)why;
	board_state_get(arg, cpu, &s);
	memset(buf, 0, sizes[reg]);
	if (reg == GDB_ftag) { /* abridged in the image: two bits a register, 3 empty */
		for (unsigned i = 0; i < 8; i++)
			if (!(s.fxsave[TAG_AT] >> i & 1))
				buf[i / 4] |= (uint8_t)(3 << 2 * (i % 4));
		return true;
	}
	memcpy(buf, (const uint8_t *)&s + places[reg].at,
	       reg == GDB_cs || (reg >= GDB_ss && reg <= GDB_gs) ? 2 : sizes[reg]);
	return true;
}

static bool set(void *arg, unsigned cpu, enum gdb_reg reg, const uint8_t *buf,
		struct gdb_refusal *why)
{
	struct board_state s;

	if (!places[reg].writable)
		return refuse(why, "segments, control registers and x87 tags cannot be set");
	board_state_get(arg, cpu, &s);
	memcpy((uint8_t *)&s + places[reg].at, buf, sizes[reg]);
	board_state_set(arg, cpu, &s);
	return true;
}

static bool read_memory(void *arg, uint64_t at, uint8_t *buf, size_t len, struct gdb_refusal *why)
{
	const void *p = board_ram(arg, at, len);

	if (!p)
		return refuse(why, "no memory is there");
	memcpy(buf, p, len);
	return true;
}

static bool write_memory(void *arg, uint64_t at, const uint8_t *buf, size_t len,
			 struct gdb_refusal *why)
{
	return board_poke(arg, at, buf, len) || refuse(why, "no memory is there");
}

static bool arm(void *arg, unsigned cpu, const struct gdb_points *points, struct gdb_refusal *why)
{
	struct board_points p = {
		.step = points->step, .soft = points->soft, .hard_used = points->hard_used};

	memcpy(p.hard, points->hard, sizeof(p.hard));
	return board_arm(arg, cpu, &p) || refuse(why, "out of memory");
}

static void kick(void *arg, unsigned cpu)
{
	board_debug_kick(arg, cpu);
}

enum gdb_event gdb_host_event(enum board_stop why)
{
	switch (why) {
	case BOARD_STOP_STEP:
		return GDB_EVENT_STEP;
	case BOARD_STOP_INT3:
		return GDB_EVENT_INT3;
	case BOARD_STOP_HARD:
		break;
	}
	return GDB_EVENT_HARD;
}

const struct gdb_target_ops gdb_host_ops = {
	.get = get,
	.set = set,
	.read = read_memory,
	.write = write_memory,
	.arm = arm,
	.kick = kick,
};
