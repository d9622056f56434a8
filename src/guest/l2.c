/* SPDX-License-Identifier: MIT */
/* An L1 VMM's VMCSs, MSR bitmaps, pages and events of its L2 VMs; what their exits say. */
#include <swtdx/l2.h>

#include "abi/metadata.h"
#include "arch/msr.h"
#include "arch/vmcs.h"
#include "arch/vmx.h"
#include "arch/x86.h"
#include "guest/call.h"

/* Of the vCPU's fields (abi/metadata_vp.def), that of VM 0. */
#define FIELD_L2_CTLS	   0xa020000300000050ull
#define FIELD_TSC_DEADLINE 0xa020000300000058ull

enum { CLASSES_PER_VM = 8, ATTR_BITS = 16, LEVELS = 2 };
#define ATTR_VALID 0x8000ull

static struct tdx_status no_such(enum tdx_operand op)
{
	return tdx_error_op(TDX_OPERAND_INVALID, op);
}

static bool is_vm(unsigned vm)
{
	return vm >= 1 && vm <= TDG_L2_VMS_MAX;
}

/* A field of a VM: its class, log2 of its bytes, its code. */
static uint64_t field(unsigned vm, unsigned first_class, unsigned size, uint32_t code)
{
	return (uint64_t)(first_class + CLASSES_PER_VM * (vm - 1)) << MD_ID_CLASS_SHIFT |
	       (uint64_t)MD_CTX_VP << 52 | (uint64_t)size << 32 | code;
}

static uint64_t vmcs_field(unsigned vm, uint32_t encoding)
{
	static const uint8_t size[] = {[VMCS_WIDTH_16] = 1,
				       [VMCS_WIDTH_64] = 3,
				       [VMCS_WIDTH_32] = 2,
				       [VMCS_WIDTH_NATURAL] = 3};

	return field(vm, MD_VP_CLASS_L2_VMCS_1, size[encoding >> 13 & 3], encoding);
}

struct tdx_status tdg_l2_vmcs_rd(const struct tdg_port *vcpu, unsigned vm, uint32_t encoding,
				 uint64_t *value)
{
	struct tdg_field_value v;
	struct tdx_status s;

	if (!is_vm(vm))
		return no_such(TDX_OPERAND_ID_RDX);
	s = tdg_vp_rd(vcpu, vmcs_field(vm, encoding), &v);
	*value = v.value;
	return s;
}

struct tdx_status tdg_l2_vmcs_wr(const struct tdg_port *vcpu, unsigned vm, uint32_t encoding,
				 uint64_t value, uint64_t mask)
{
	if (!is_vm(vm))
		return no_such(TDX_OPERAND_ID_RDX);
	return tdg_vp_wr(vcpu, vmcs_field(vm, encoding), value, mask, NULL);
}

struct tdx_status tdg_l2_set_ctls(const struct tdg_port *vcpu, unsigned vm, uint64_t ctls)
{
	if (!is_vm(vm))
		return no_such(TDX_OPERAND_ID_RDX);
	return tdg_vp_wr(vcpu, FIELD_L2_CTLS + vm, ctls,
			 TDX_L2_CTLS_ENABLE_SHARED_EPTP | TDX_L2_CTLS_ENABLE_TDVMCALL, NULL);
}

struct tdx_status tdg_l2_set_deadline(const struct tdg_port *vcpu, unsigned vm, uint64_t tsc)
{
	if (!is_vm(vm))
		return no_such(TDX_OPERAND_ID_RDX);
	return tdg_vp_wr(vcpu, FIELD_TSC_DEADLINE + vm, tsc, ~0ull, NULL);
}

struct tdx_status tdg_l2_set_msr_exits(const struct tdg_port *vcpu, unsigned vm, uint32_t msr,
				       bool reads, bool writes)
{
	/* The page's words: reads of low MSRs, of high ones, then writes. */
	enum { HALF = 128, WRITES = 256 };
	const uint32_t high = msr >= MSR_BITMAP_HIGH, n = high ? msr - MSR_BITMAP_HIGH : msr;
	const uint32_t word = (high ? HALF : 0) + n / 64;
	const uint64_t bit = 1ull << n % 64;
	struct tdx_status s;

	if (!is_vm(vm) || n >= MSR_BITMAP_MSRS)
		return no_such(TDX_OPERAND_ID_RDX);
	s = tdg_vp_wr(vcpu, field(vm, MD_VP_CLASS_L2_MSR_BITMAPS_1, 3, word), reads ? bit : 0, bit,
		      NULL);
	if (!tdx_is_success(s))
		return s;
	return tdg_vp_wr(vcpu, field(vm, MD_VP_CLASS_L2_MSR_BITMAPS_1, 3, word + WRITES),
			 writes ? bit : 0, bit, NULL);
}

/* --- memory --- */

struct tdx_status tdg_l2_page(const struct tdg_port *vcpu, unsigned vm, gpa_t page,
			      enum tdx_level level, unsigned access)
{
	const unsigned shift = ATTR_BITS * vm;

	if (!is_vm(vm) || access & ~(unsigned)TDG_L2_ALL)
		return no_such(TDX_OPERAND_ID_RDX);
	return tdg_mem_page_attr_wr(vcpu, page, level, (access | ATTR_VALID) << shift,
				    (uint64_t)TDG_L2_ALL << shift, NULL);
}

struct tdx_status tdg_l2_pages(const struct tdg_port *vcpu, unsigned vm, gpa_t start, uint64_t size,
			       unsigned access, uint64_t *done)
{
	uint64_t at = 0, none;
	struct tdx_status s = tdx_success();

	done = done ? done : &none;
	*done = 0;
	if (!guest_page_aligned(start.v | size) || start.v + size < start.v)
		return no_such(TDX_OPERAND_ID_RCX);
	while (at < size) {
		const uint64_t page = start.v + at;
		enum tdx_level level = !(page & (TDX_SIZE_2M - 1)) && size - at >= TDX_SIZE_2M
					       ? TDX_LEVEL_2M
					       : TDX_LEVEL_4K;

		s = tdg_l2_page(vcpu, vm, gpa(page), level, access);
		if (level == TDX_LEVEL_2M && tdx_is(s, TDX_PAGE_SIZE_MISMATCH)) {
			/* of 4K pages, which a call each tells of */
			const uint64_t end = at + TDX_SIZE_2M;

			for (s = tdx_success(); at < end && tdx_is_success(s); at += TDX_PAGE_SIZE)
				s = tdg_l2_page(vcpu, vm, gpa(start.v + at), TDX_LEVEL_4K, access);
			at -= tdx_is_success(s) ? 0 : TDX_PAGE_SIZE;
		} else if (tdx_is_success(s)) {
			at += tdx_level_size(level);
		}
		*done = at;
		if (!tdx_is_success(s))
			break;
	}
	return s;
}

/* --- events --- */

static struct tdx_status inject(const struct tdg_port *vcpu, unsigned vm, uint32_t info,
				uint32_t error)
{
	struct tdx_status s = tdx_success();

	if (info & VMX_EVENT_ERROR_CODE)
		s = tdg_l2_vmcs_wr(vcpu, vm, VMCS_ENTRY_EXCEPTION_ERROR, error, ~0u);
	return tdx_is_success(s) ? tdg_l2_vmcs_wr(vcpu, vm, VMCS_ENTRY_INTERRUPTION_INFO, info, ~0u)
				 : s;
}

struct tdx_status tdg_l2_inject(const struct tdg_port *vcpu, unsigned vm,
				enum tdg_l2_event_type type, uint8_t vector, bool has_error,
				uint32_t error)
{
	return inject(vcpu, vm, VMX_EVENT(type, vector) | (has_error ? VMX_EVENT_ERROR_CODE : 0),
		      error);
}

struct tdx_status tdg_l2_set_window(const struct tdg_port *vcpu, unsigned vm, bool exits)
{
	return tdg_l2_vmcs_wr(vcpu, vm, VMCS_PROCBASED_CTLS, exits ? PROCBASED_INTERRUPT_WINDOW : 0,
			      PROCBASED_INTERRUPT_WINDOW);
}

struct tdx_status tdg_l2_can_interrupt(const struct tdg_port *vcpu, unsigned vm,
				       const struct tdx_l2_state *state, bool *can)
{
	uint64_t blocked = 0;
	struct tdx_status s = tdg_l2_vmcs_rd(vcpu, vm, VMCS_GUEST_INTERRUPTIBILITY, &blocked);

	*can = tdx_is_success(s) && state->rflags & RFLAGS_IF &&
	       !(blocked & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
	return s;
}

struct tdx_status tdg_l2_skip(const struct tdg_port *vcpu, unsigned vm, struct tdx_l2_state *state,
			      const struct tdg_l2_exit *e)
{
	state->rip += e->length;
	return tdg_l2_vmcs_wr(vcpu, vm, VMCS_GUEST_INTERRUPTIBILITY, 0,
			      INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS);
}

struct tdx_status tdg_l2_redeliver(const struct tdg_port *vcpu, unsigned vm,
				   const struct tdg_l2_exit *e, bool *was)
{
	const uint32_t info = e->idt_info & (VMX_EVENT_VALID | VMX_EVENT_ERROR_CODE |
					     VMX_EVENT_TYPE_MASK | VMX_EVENT_VECTOR_MASK);
	struct tdx_status s = tdx_success();

	*was = (info & VMX_EVENT_VALID) != 0;
	if (!*was)
		return s;
	switch (VMX_EVENT_TYPE(info)) {
	case VMX_EVENT_SOFTWARE:
	case VMX_EVENT_PRIVILEGED_EXCEPTION:
	case VMX_EVENT_SOFTWARE_EXCEPTION:
		s = tdg_l2_vmcs_wr(vcpu, vm, VMCS_ENTRY_INSTRUCTION_LENGTH, e->length, ~0u);
		break;
	default:
		break;
	}
	return tdx_is_success(s) ? inject(vcpu, vm, info, e->idt_error) : s;
}

/* --- exits --- */

void tdg_l2_io(const struct tdg_l2_exit *e, struct tdg_l2_io *io)
{
	const uint64_t q = e->qualification;

	*io = (struct tdg_l2_io){
		.port = (uint16_t)IO_QUAL_PORT(q),
		.size = (uint8_t)((q & IO_QUAL_SIZE_MASK) + 1),
		.in = (q & IO_QUAL_IN) != 0,
		.string = (q & IO_QUAL_STRING) != 0,
		.rep = (q & IO_QUAL_REP) != 0,
	};
}

/* The bits that an operand of so many bytes has. */
static uint64_t operand(const struct tdg_l2_io *io)
{
	return io->size >= 4 ? 0xffffffffull : (1ull << 8 * io->size) - 1;
}

uint32_t tdg_l2_io_out(const struct tdx_l2_state *state, const struct tdg_l2_io *io)
{
	return (uint32_t)(state->gpr.rax & operand(io));
}

void tdg_l2_io_in(struct tdx_l2_state *state, const struct tdg_l2_io *io, uint32_t value)
{
	/* 32 bits clear the other half, as every write of a 32-bit register does */
	const uint64_t kept = io->size >= 4 ? 0 : state->gpr.rax & ~operand(io);

	state->gpr.rax = kept | (value & operand(io));
}

void tdg_l2_cr(const struct tdg_l2_exit *e, struct tdg_l2_cr *cr)
{
	const uint64_t q = e->qualification;

	*cr = (struct tdg_l2_cr){
		.number = CR_QUAL_NUMBER(q),
		.access = (enum tdg_l2_cr_access)CR_QUAL_TYPE(q),
		.reg = CR_QUAL_REG(q),
		.source = (uint16_t)(q >> 16),
	};
}
