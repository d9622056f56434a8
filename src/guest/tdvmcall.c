/* SPDX-License-Identifier: MIT */
/* TDG.VP.VMCALL: one function for each call of the guest-host interface.
 *
 * A call shows the host the registers it defines and no other, and takes from them what it defines,
 * cut to its size; the block with all the rest is wiped before the function returns. */
#include "abi/ghci.h"
#include "guest/call.h"

/* Registers by x86 encoding. */
enum { RDX = 2, RBX = 3, RSI = 6, RDI = 7 };

#define R10_TO(last) ((1ull << ((last) + 1)) - (1ull << 10))
#define MAY_EXPOSE   TDVMCALL_EXPOSE_LINUX
#define FATAL_EXPOSE                                                                               \
	(R10_TO(12) | 1u << 14 | 1u << 15 | 1u << RBX | 1u << RDI | 1u << RSI | 1u << 8 |          \
	 1u << 9 | 1u << RDX)

bool tdvmcall_is_success(struct tdvmcall_status s)
{
	return s.raw == TDVMCALL_SUCCESS;
}

bool tdvmcall_is_retry(struct tdvmcall_status s)
{
	return s.raw == TDVMCALL_RETRY;
}

struct tdx_status tdg_vp_vmcall(const struct tdg_port *vcpu, struct tdx_regs *regs)
{
	if (regs->rcx & ~MAY_EXPOSE)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	return guest_call(vcpu, TDG_VP_VMCALL, 0, regs);
}

/* R11 and further operands are in r; `mask` is what the host sees. */
static struct tdvmcall_status call(const struct tdg_port *vcpu, uint64_t leaf, uint64_t mask,
				   struct tdx_regs *r)
{
	struct tdvmcall_status s = {TDVMCALL_NOT_MADE};

	r->rcx = mask;
	r->r10 = 0;
	r->r11 = leaf;
	if (tdx_is_success(tdg_vp_vmcall(vcpu, r)))
		s.raw = r->r10;
	return s;
}

static void forget(struct tdx_regs *r)
{
	guest_wipe(r, sizeof(*r));
}

static uint64_t low_bytes(uint64_t value, unsigned size)
{
	return size < 8 ? value & ((1ull << 8 * size) - 1) : value;
}

struct tdvmcall_status tdvmcall_cpuid(const struct tdg_port *vcpu, uint32_t leaf, uint32_t subleaf,
				      struct tdx_cpuid_values *out)
{
	struct tdx_regs r = {.r12 = leaf, .r13 = subleaf};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_CPUID, R10_TO(15), &r);
	bool ok = tdvmcall_is_success(s);

	if (out)
		*out = (struct tdx_cpuid_values){ok ? (uint32_t)r.r12 : 0, ok ? (uint32_t)r.r13 : 0,
						 ok ? (uint32_t)r.r14 : 0,
						 ok ? (uint32_t)r.r15 : 0};
	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_kvm(const struct tdg_port *vcpu, uint64_t nr,
				    const uint64_t operand[4])
{
	struct tdx_regs r = {.rcx = R10_TO(14),
			     .r10 = nr,
			     .r11 = operand[0],
			     .r12 = operand[1],
			     .r13 = operand[2],
			     .r14 = operand[3]};
	struct tdvmcall_status s = {TDVMCALL_NOT_MADE};

	/* 0 would be a call of the GHCI. */
	if (nr && tdx_is_success(tdg_vp_vmcall(vcpu, &r)))
		s.raw = r.r10;
	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_hlt(const struct tdg_port *vcpu, bool irq_blocked)
{
	struct tdx_regs r = {.r12 = irq_blocked};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_HLT, R10_TO(12), &r);

	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_io_read(const struct tdg_port *vcpu, uint16_t ioport, unsigned size,
					uint32_t *value)
{
	struct tdx_regs r = {.r12 = size, .r13 = TDVMCALL_READ, .r14 = ioport};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_IO, R10_TO(15), &r);

	if (value)
		*value = (uint32_t)low_bytes(tdvmcall_is_success(s) ? r.r11 : ~0ull, size);
	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_io_write(const struct tdg_port *vcpu, uint16_t ioport,
					 unsigned size, uint32_t value)
{
	struct tdx_regs r = {
		.r12 = size, .r13 = TDVMCALL_WRITE, .r14 = ioport, .r15 = low_bytes(value, size)};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_IO, R10_TO(15), &r);

	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_rdmsr(const struct tdg_port *vcpu, uint32_t msr, uint64_t *value)
{
	struct tdx_regs r = {.r12 = msr};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_RDMSR, R10_TO(12), &r);

	if (value)
		*value = tdvmcall_is_success(s) ? r.r11 : 0;
	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_wrmsr(const struct tdg_port *vcpu, uint32_t msr, uint64_t value)
{
	struct tdx_regs r = {.r12 = msr, .r13 = value};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_WRMSR, R10_TO(13), &r);

	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_mmio_read(const struct tdg_port *vcpu, gpa_t g, unsigned size,
					  uint64_t *value)
{
	struct tdx_regs r = {.r12 = size, .r13 = TDVMCALL_READ, .r14 = g.v};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_MMIO, R10_TO(15), &r);

	if (value)
		*value = low_bytes(tdvmcall_is_success(s) ? r.r11 : ~0ull, size);
	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_mmio_write(const struct tdg_port *vcpu, gpa_t g, unsigned size,
					   uint64_t value)
{
	struct tdx_regs r = {
		.r12 = size, .r13 = TDVMCALL_WRITE, .r14 = g.v, .r15 = low_bytes(value, size)};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_MMIO, R10_TO(15), &r);

	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_get_info(const struct tdg_port *vcpu, uint64_t leaf,
					 uint64_t out[4])
{
	struct tdx_regs r = {.r12 = leaf};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_GET_TD_VM_CALL_INFO, R10_TO(14), &r);
	bool ok = tdvmcall_is_success(s);

	for (unsigned i = 0; i < 4; i++)
		out[i] = ok ? *tdx_reg(&r, 11 + i) : 0;
	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_map_gpa(const struct tdg_port *vcpu, gpa_t start, uint64_t size,
					uint64_t *next)
{
	struct tdx_regs r = {.r12 = start.v, .r13 = size};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_MAP_GPA, R10_TO(13), &r);

	if (next)
		*next = s.raw == TDVMCALL_NOT_MADE ? 0 : r.r11;
	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_get_quote(const struct tdg_port *vcpu, gpa_t buffer, uint64_t size)
{
	struct tdx_regs r = {.r12 = buffer.v, .r13 = size};
	struct tdvmcall_status s = call(vcpu, TDVMCALL_GET_QUOTE, R10_TO(13), &r);

	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_report_fatal_error(const struct tdg_port *vcpu, uint32_t code,
						   const char *message)
{
	static const uint8_t order[8] = {14, 15, RBX, RDI, RSI, 8, 9, RDX};
	struct tdx_regs r = {.r12 = code};
	struct tdvmcall_status s;

	for (unsigned i = 0; i < 64 && message && message[i]; i++)
		*tdx_reg(&r, order[i / 8]) |= (uint64_t)(uint8_t)message[i] << 8 * (i % 8);
	s = call(vcpu, TDVMCALL_REPORT_FATAL_ERROR, FATAL_EXPOSE, &r);
	forget(&r);
	return s;
}

struct tdvmcall_status tdvmcall_setup_event_notify(const struct tdg_port *vcpu, unsigned vector)
{
	struct tdx_regs r = {.r12 = vector};
	struct tdvmcall_status s =
		call(vcpu, TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT, R10_TO(12), &r);

	forget(&r);
	return s;
}
