/* SPDX-License-Identifier: MIT */
/* #VE: instructions and accesses that are the host's to answer, turned into calls to it.
 *
 * The host can make some of these happen at will, and answers them all; so nothing is done for user
 * mode but CPUID, no answer is wider than what was asked for, and CPUID leaves that are not a
 * hypervisor's are zero without asking. An EPT violation on private memory is a host that took
 * memory away or a kernel that forgot to accept it; nobody may go on after either. */
#include "arch/vmx.h"
#include "guest/call.h"
#include "guest/ve.h"

#define HYPERVISOR_LEAVES     0x40000000u
#define HYPERVISOR_LEAVES_END 0x50000000u

enum tdg_ve_action tdg_ve_begin(const struct tdg_port *vcpu, struct tdg_ve_info *info)
{
	return tdx_is_success(tdg_vp_veinfo_get(vcpu, 0, info)) ? TDG_VE_RESUME : TDG_VE_PANIC;
}

static bool do_cpuid(const struct tdg_port *vcpu, struct tdx_regs *r)
{
	uint32_t leaf = (uint32_t)r->rax;
	struct tdx_cpuid_values v = {0};

	if (leaf >= HYPERVISOR_LEAVES && leaf < HYPERVISOR_LEAVES_END &&
	    !tdvmcall_is_success(tdvmcall_cpuid(vcpu, leaf, (uint32_t)r->rcx, &v)))
		return false;
	r->rbx = v.ebx;
	r->rcx = v.ecx;
	r->rdx = v.edx;
	r->rax = v.eax;
	return true;
}

static bool do_hlt(const struct tdg_port *vcpu, const struct tdg_frame *f)
{
	/* With interrupts on, one could wake the vCPU between the #VE and the call, and be lost. */
	return !f->irqs_enabled && tdvmcall_is_success(tdvmcall_hlt(vcpu, true));
}

static bool do_rdmsr(const struct tdg_port *vcpu, struct tdx_regs *r)
{
	uint64_t value;

	if (!tdvmcall_is_success(tdvmcall_rdmsr(vcpu, (uint32_t)r->rcx, &value)))
		return false;
	r->rdx = value >> 32;
	r->rax = (uint32_t)value;
	return true;
}

static bool do_wrmsr(const struct tdg_port *vcpu, const struct tdx_regs *r)
{
	return tdvmcall_is_success(
		tdvmcall_wrmsr(vcpu, (uint32_t)r->rcx, r->rdx << 32 | (uint32_t)r->rax));
}

static bool do_io(const struct tdg_port *vcpu, uint64_t qualification, struct tdx_regs *r)
{
	unsigned size = (unsigned)(qualification & IO_QUAL_SIZE_MASK) + 1;
	uint16_t ioport = (uint16_t)IO_QUAL_PORT(qualification);
	uint64_t mask = ~0ull >> (64 - 8 * size);
	uint32_t value;
	bool ok;

	if (qualification & (IO_QUAL_STRING | IO_QUAL_REP) || (size != 1 && size != 2 && size != 4))
		return false;
	if (!(qualification & IO_QUAL_IN))
		return tdvmcall_is_success(
			tdvmcall_io_write(vcpu, ioport, size, (uint32_t)(r->rax & mask)));
	ok = tdvmcall_is_success(tdvmcall_io_read(vcpu, ioport, size, &value));
	/* A failed read leaves all ones, as a bus without a device does. */
	r->rax = size == 4 ? value : (r->rax & ~mask) | value;
	return ok;
}

static enum tdg_ve_action finish(struct tdg_frame *f, bool ok, uint32_t length)
{
	if (!ok)
		return TDG_VE_FAULT;
	f->rip += length;
	return TDG_VE_RESUME;
}

enum tdg_ve_action tdg_ve_early(const struct tdg_port *vcpu, struct tdg_frame *f)
{
	struct tdg_ve_info info;

	if (tdg_ve_begin(vcpu, &info) != TDG_VE_RESUME)
		return TDG_VE_PANIC;
	if (info.reason != VMX_EXIT_IO)
		return TDG_VE_FAULT;
	return finish(f, do_io(vcpu, info.qualification, &f->regs), info.length);
}

enum tdg_ve_action tdg_ve_handle(const struct tdg_port *vcpu, const struct tdg_td *td,
				 const struct tdg_ve_policy *policy, const struct tdg_ve_info *info,
				 struct tdg_frame *f)
{
	if (info->reason == VMX_EXIT_CPUID)
		return finish(f, do_cpuid(vcpu, &f->regs), info->length);
	if (info->reason == VMX_EXIT_EPT_VIOLATION && !(info->gpa_.v & td->shared))
		return TDG_VE_PANIC;
	if (f->user)
		return TDG_VE_FAULT;
	switch (info->reason) {
	case VMX_EXIT_HLT:
		return finish(f, do_hlt(vcpu, f), info->length);
	case VMX_EXIT_RDMSR:
		return finish(f, do_rdmsr(vcpu, &f->regs), info->length);
	case VMX_EXIT_WRMSR:
		return finish(f, do_wrmsr(vcpu, &f->regs), info->length);
	case VMX_EXIT_IO:
		return finish(f, do_io(vcpu, info->qualification, &f->regs), info->length);
	case VMX_EXIT_EPT_VIOLATION:
		return guest_ve_mmio(vcpu, policy, info, f);
	default:
		return TDG_VE_FAULT;
	}
}
