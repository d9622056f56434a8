/* SPDX-License-Identifier: MIT */
/* VMX instructions in root operation (SDM vol. 3, chapter 31): entering and leaving it, and VMCSs
 * as far as a host uses them that runs TDs only. Ordinary VMs cannot be entered: VMLAUNCH fails as
 * with invalid controls.
 *
 * A VMCS is in its page: the revision, the abort indicator, then fields in the order in which they
 * were first written, which is this processor's own format. */
#include "board/internal.h"

#include <assert.h>
#include <string.h>

enum {
	VMFAIL_VMCALL = 1,
	VMFAIL_VMCLEAR_ADDRESS = 2,
	VMFAIL_VMCLEAR_VMXON = 3,
	VMFAIL_VMRESUME_CLEAR = 5,
	VMFAIL_CONTROLS = 7,
	VMFAIL_VMPTRLD_ADDRESS = 9,
	VMFAIL_VMPTRLD_VMXON = 10,
	VMFAIL_VMPTRLD_REVISION = 11,
	VMFAIL_COMPONENT = 12,
	VMFAIL_READ_ONLY = 13,
	VMFAIL_VMXON_AGAIN = 15,
	VMFAIL_INV_OPERAND = 28,
	VMCS_FIELDS = 336,
};

#define INSTRUCTION_ERROR 0x4400u
#define REVISION_MASK	  0x7fffffffu
#define FEATURE_VMX	  5ull /* locked, outside SMX */

struct vmcs_page {
	uint32_t revision, abort, nfields, unused;
	uint32_t encoding[VMCS_FIELDS];
	uint64_t value[VMCS_FIELDS];
};
static_assert(sizeof(struct vmcs_page) <= 4096, "a VMCS is a page");

static void flags(struct board_cpu *c, uint64_t set)
{
	const uint64_t clear =
		RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF;

	x86_set_rflags(c->x86, (x86_rflags(c->x86) & ~clear) | set);
}

static struct vmcs_page *page_at(const struct board_cpu *c, uint64_t pa)
{
	return board_ram(c->board, pa, sizeof(struct vmcs_page));
}

static uint64_t *field(struct vmcs_page *v, uint32_t encoding, bool make)
{
	uint32_t n = v->nfields < VMCS_FIELDS ? v->nfields : VMCS_FIELDS;

	for (uint32_t i = 0; i < n; i++)
		if (v->encoding[i] == encoding)
			return &v->value[i];
	if (!make || n == VMCS_FIELDS)
		return NULL;
	v->encoding[n] = encoding;
	v->value[n] = 0;
	v->nfields = n + 1;
	return &v->value[n];
}

static void fail(struct board_cpu *c, unsigned error)
{
	struct vmcs_page *v = c->vmcs_pa == BOARD_NO_VMCS ? NULL : page_at(c, c->vmcs_pa);
	uint64_t *p = v ? field(v, INSTRUCTION_ERROR, true) : NULL;

	if (p)
		*p = error;
	flags(c, p ? RFLAGS_ZF : RFLAGS_CF);
}

/* The operand in memory. False: it is not mapped, and the instruction faults. */
static bool read_operand(struct board_cpu *c, const struct x86_exit *e, void *to, unsigned len)
{
	if (!x86_peek(c->x86, e->gla, to, len))
		return true;
	c->x86->cr2 = e->gla;
	board_raise(c, VECTOR_PF, true);
	return false;
}

static uint64_t *reg1(struct board_cpu *c, const struct x86_exit *e)
{
	return tdx_reg(&c->x86->regs, e->insn_info >> X86_INFO_REG1_SHIFT & 15);
}

static uint64_t *reg2(struct board_cpu *c, const struct x86_exit *e)
{
	return tdx_reg(&c->x86->regs, e->insn_info >> X86_INFO_REG2_SHIFT & 15);
}

static uint32_t revision(const struct board_cpu *c)
{
	return (uint32_t)board_msr(c, MSR_VMX_BASIC) & REVISION_MASK;
}

/* A VMXON region or VMCS can be there. */
static bool address_valid(const struct board_cpu *c, uint64_t pa)
{
	return !(pa & 0xfff) && page_at(c, pa) != NULL;
}

static bool fixed_bits(const struct board_cpu *c, uint64_t cr, uint32_t fixed0, uint32_t fixed1)
{
	return !(board_msr(c, fixed0) & ~cr) && !(cr & ~board_msr(c, fixed1));
}

/* True: the instruction is over; false: it faults. */
static bool vmxon(struct board_cpu *c, const struct x86_exit *e)
{
	uint64_t pa;

	if (c->vmxon) {
		fail(c, VMFAIL_VMXON_AGAIN);
		return true;
	}
	if (!fixed_bits(c, c->x86->cr0, MSR_VMX_CR0_FIXED0, MSR_VMX_CR0_FIXED1) ||
	    !fixed_bits(c, c->x86->cr4, MSR_VMX_CR4_FIXED0, MSR_VMX_CR4_FIXED1) ||
	    (board_msr(c, MSR_FEATURE_CONTROL) & FEATURE_VMX) != FEATURE_VMX) {
		board_raise(c, VECTOR_GP, true);
		return false;
	}
	if (!read_operand(c, e, &pa, sizeof(pa)))
		return false;
	if (!address_valid(c, pa) || page_at(c, pa)->revision != revision(c)) {
		flags(c, RFLAGS_CF);
		return true;
	}
	c->vmxon = true;
	c->vmxon_pa = pa;
	c->vmcs_pa = BOARD_NO_VMCS;
	flags(c, 0);
	return true;
}

static bool vmclear(struct board_cpu *c, const struct x86_exit *e)
{
	uint64_t pa;

	if (!read_operand(c, e, &pa, sizeof(pa)))
		return false;
	if (!address_valid(c, pa)) {
		fail(c, VMFAIL_VMCLEAR_ADDRESS);
	} else if (pa == c->vmxon_pa) {
		fail(c, VMFAIL_VMCLEAR_VMXON);
	} else {
		if (pa == c->vmcs_pa)
			c->vmcs_pa = BOARD_NO_VMCS;
		flags(c, 0);
	}
	return true;
}

static bool vmptrld(struct board_cpu *c, const struct x86_exit *e)
{
	uint64_t pa;

	if (!read_operand(c, e, &pa, sizeof(pa)))
		return false;
	if (!address_valid(c, pa)) {
		fail(c, VMFAIL_VMPTRLD_ADDRESS);
	} else if (pa == c->vmxon_pa) {
		fail(c, VMFAIL_VMPTRLD_VMXON);
	} else if (page_at(c, pa)->revision != revision(c)) {
		fail(c, VMFAIL_VMPTRLD_REVISION);
	} else {
		c->vmcs_pa = pa;
		flags(c, 0);
	}
	return true;
}

/* The result of VMPTRST or VMREAD into memory. */
static bool write_operand(struct board_cpu *c, const struct x86_exit *e, uint64_t value)
{
	uint64_t pa;
	void *p = x86_translate(c->x86, e->gla, &pa) ? NULL : board_ram(c->board, pa, 8);

	if (!p) {
		c->x86->cr2 = e->gla;
		board_raise(c, VECTOR_PF, true);
		return false;
	}
	memcpy(p, &value, sizeof(value));
	x86_code_written(c->board->code, p);
	return true;
}

/* Encodings (SDM vol. 3, appendix B): width in 14:13, type in 11:10, index in 9:1, and bit 0 for
 * the upper half of 64-bit fields. */
static bool component_exists(uint64_t encoding)
{
	const unsigned width = encoding >> 13 & 3, index = encoding >> 1 & 0x1ff;

	return !(encoding & ~0x6fffull) && index <= 0x1f && (!(encoding & 1) || width == 1);
}

static bool read_only(uint64_t encoding)
{
	return (encoding >> 10 & 3) == 1;
}

static uint64_t component(struct vmcs_page *v, uint64_t encoding)
{
	const uint64_t *p = field(v, (uint32_t)encoding & ~1u, false);

	return !p ? 0 : encoding & 1 ? *p >> 32 : *p;
}

static bool vmread(struct board_cpu *c, const struct x86_exit *e)
{
	struct vmcs_page *v = c->vmcs_pa == BOARD_NO_VMCS ? NULL : page_at(c, c->vmcs_pa);
	const uint64_t encoding = *reg2(c, e);

	if (!v) {
		flags(c, RFLAGS_CF);
		return true;
	}
	if (!component_exists(encoding)) {
		fail(c, VMFAIL_COMPONENT);
		return true;
	}
	if (e->insn_info & X86_INFO_REGISTER)
		*reg1(c, e) = component(v, encoding);
	else if (!write_operand(c, e, component(v, encoding)))
		return false;
	flags(c, 0);
	return true;
}

static bool vmwrite(struct board_cpu *c, const struct x86_exit *e)
{
	struct vmcs_page *v = c->vmcs_pa == BOARD_NO_VMCS ? NULL : page_at(c, c->vmcs_pa);
	const uint64_t encoding = *reg2(c, e);
	uint64_t value = *reg1(c, e), *p;

	if (!(e->insn_info & X86_INFO_REGISTER) && !read_operand(c, e, &value, sizeof(value)))
		return false;
	if (!v) {
		flags(c, RFLAGS_CF);
		return true;
	}
	p = component_exists(encoding) ? field(v, (uint32_t)encoding & ~1u, true) : NULL;
	if (!p || read_only(encoding)) {
		fail(c, p ? VMFAIL_READ_ONLY : VMFAIL_COMPONENT);
		return true;
	}
	*p = encoding & 1 ? (uint32_t)*p | value << 32 : value;
	flags(c, 0);
	return true;
}

/* INVEPT has types 1 and 2, INVVPID 0 to 3. */
static bool invalidate(struct board_cpu *c, const struct x86_exit *e, uint64_t first, uint64_t last)
{
	const uint64_t type = *reg2(c, e);
	uint64_t descriptor[2];

	if (type < first || type > last) {
		fail(c, VMFAIL_INV_OPERAND);
		return true;
	}
	if (!read_operand(c, e, descriptor, sizeof(descriptor)))
		return false;
	if (e->reason == VMX_EXIT_INVEPT)
		atomic_fetch_add(&c->lp->tlb_generation, 1);
	flags(c, 0);
	return true;
}

static bool execute(struct board_cpu *c, const struct x86_exit *e)
{
	switch (e->reason) {
	case VMX_EXIT_VMXON:
		return vmxon(c, e);
	case VMX_EXIT_VMXOFF:
		c->vmxon = false;
		flags(c, 0);
		return true;
	case VMX_EXIT_VMCLEAR:
		return vmclear(c, e);
	case VMX_EXIT_VMPTRLD:
		return vmptrld(c, e);
	case VMX_EXIT_VMPTRST:
		flags(c, 0);
		return write_operand(c, e, c->vmcs_pa);
	case VMX_EXIT_VMREAD:
		return vmread(c, e);
	case VMX_EXIT_VMWRITE:
		return vmwrite(c, e);
	case VMX_EXIT_INVEPT:
		return invalidate(c, e, 1, 2);
	case VMX_EXIT_INVVPID:
		return invalidate(c, e, 0, 3);
	case VMX_EXIT_VMLAUNCH:
		fail(c, VMFAIL_CONTROLS);
		return true;
	case VMX_EXIT_VMRESUME:
		fail(c, VMFAIL_VMRESUME_CLEAR);
		return true;
	default: /* VMCALL without a dual-monitor treatment */
		fail(c, VMFAIL_VMCALL);
		return true;
	}
}

void board_vmx(struct board_cpu *c, const struct x86_exit *e)
{
	if (!(c->x86->cr4 & CR4_VMXE) || (!c->vmxon && e->reason != VMX_EXIT_VMXON)) {
		board_raise(c, VECTOR_UD, false);
		return;
	}
	if (execute(c, e))
		x86_skip(c->x86, e->insn_len);
}
