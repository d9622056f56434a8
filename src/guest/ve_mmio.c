/* SPDX-License-Identifier: MIT */
/* MMIO: the instruction that touched a device, done by a call to the host.
 *
 * The instruction is read again, which its owner may have changed since: so its address is computed
 * from the registers and must be the one the module reported, and an access that reaches into
 * another page is refused, as the other page may be anything. */
#include "guest/call.h"
#include "guest/ve.h"

enum { MAX_INSN = 15 };

static uint64_t address_of(const struct tdg_insn *i, struct tdg_frame *f)
{
	uint64_t a = (uint64_t)i->disp;

	if (i->base == TDG_REG_RIP)
		a += f->rip + i->length;
	else if (i->base != TDG_NO_REG)
		a += *tdx_reg(&f->regs, i->base);
	if (i->index != TDG_NO_REG)
		a += *tdx_reg(&f->regs, i->index) * i->scale;
	if (i->address32)
		a = (uint32_t)a;
	switch (i->segment) {
	case TDG_SEG_FS:
		return a + f->fs_base;
	case TDG_SEG_GS:
		return a + f->gs_base;
	case TDG_SEG_FLAT:
		break;
	}
	return a;
}

static uint64_t mask_of(unsigned size)
{
	return ~0ull >> (64 - 8 * size);
}

static uint64_t source(const struct tdg_insn *i, struct tdx_regs *r)
{
	uint64_t v = i->kind == TDG_INSN_WRITE_IMM ? i->imm : *tdx_reg(r, i->reg);

	return (i->high_byte ? v >> 8 : v) & mask_of(i->mem_size);
}

static void put(const struct tdg_insn *i, struct tdx_regs *r, uint64_t value)
{
	uint64_t *reg = tdx_reg(r, i->reg);
	unsigned shift = i->high_byte ? 8 : 0;
	uint64_t mask = mask_of(i->reg_size);

	if (i->kind == TDG_INSN_READ_SIGN && value >> (8 * i->mem_size - 1) & 1)
		value |= ~mask_of(i->mem_size);
	value &= mask;
	/* A 32-bit write clears the upper half, narrower ones keep the rest. */
	*reg = i->reg_size >= 4 ? value : (*reg & ~(mask << shift)) | value << shift;
}

static bool decode(const struct tdg_port *vcpu, uint64_t rip, struct tdg_insn *i)
{
	uint8_t bytes[MAX_INSN];
	size_t n = vcpu->ops->fetch(vcpu, rip, bytes, sizeof(bytes));

	n = n < sizeof(bytes) ? n : sizeof(bytes);
	return vcpu->ops->decode ? vcpu->ops->decode(bytes, n, i) : tdg_decode_mmio(bytes, n, i);
}

static bool is_write(const struct tdg_insn *i)
{
	return i->kind == TDG_INSN_WRITE_REG || i->kind == TDG_INSN_WRITE_IMM;
}

enum tdg_ve_action guest_ve_mmio(const struct tdg_port *vcpu, const struct tdg_ve_policy *policy,
				 const struct tdg_ve_info *info, struct tdg_frame *f)
{
	const uint64_t in_page = info->gla & (TDX_PAGE_SIZE - 1);
	struct tdvmcall_status s;
	struct tdg_insn i;
	uint64_t value;

	if (info->gla < policy->kernel_start || !decode(vcpu, f->rip, &i))
		return TDG_VE_FAULT;
	if (address_of(&i, f) != info->gla || in_page + i.mem_size > TDX_PAGE_SIZE ||
	    (info->gpa_.v & (TDX_PAGE_SIZE - 1)) != in_page)
		return TDG_VE_FAULT;
	if (is_write(&i)) {
		s = tdvmcall_mmio_write(vcpu, info->gpa_, i.mem_size, source(&i, &f->regs));
		if (!tdvmcall_is_success(s))
			return TDG_VE_FAULT;
	} else {
		s = tdvmcall_mmio_read(vcpu, info->gpa_, i.mem_size, &value);
		if (!tdvmcall_is_success(s))
			return TDG_VE_FAULT;
		put(&i, &f->regs, value);
	}
	f->rip += i.length;
	return TDG_VE_RESUME;
}
