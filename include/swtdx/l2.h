/* SPDX-License-Identifier: MIT */
/* An L1 VMM's side of its L2 VMs, beside TDG.VP.ENTER, INVEPT and INVVPID of <swtdx/guest.h>: the
 * VMs' VMCSs, controls, MSR bitmaps and pages, and what an exit says.
 *
 * A VM is 1, 2 or 3; the TD's host said how many there are (TD_PARAMS). Its guest-physical
 * addresses are those of the L1 VMM, and of them it has the pages that the L1 VMM gives it. All
 * VMs of a vCPU share general registers, extended state with XCR0, and the MSRs that no VMCS has.
 *
 *	tdg_l2_vmcs_wr(&vcpu, 1, VIRTUAL_APIC_ADDRESS, apic, ~0xfffull);
 *	tdg_l2_page(&vcpu, 1, tdx_gpa(code), TDX_LEVEL_4K, TDG_L2_R | TDG_L2_X);
 *	for (;;) {
 *		s = tdg_vp_enter(&vcpu, 1, TDG_L2_FLUSH_NOTHING, state_gpa, &e);
 *		if (tdg_l2_entered(s) && e.reason == CPUID)
 *			tdg_l2_skip(&vcpu, 1, state, &e);
 *	}
 *
 * examples/l1 is such a VMM, whole. Calls are one TDCALL each unless said and are made on the vCPU
 * whose VM it is; what is of an exit alone makes none, any thread. ABI: "TD Partitioning"; SDM
 * volume 3, "VM exits" and appendix B. */
#ifndef SWTDX_L2_H
#define SWTDX_L2_H

#include <swtdx/guest.h>
#include <swtdx/structs.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum { TDG_L2_VMS_MAX = 3 };

/* --- the VM's VMCS and controls --- */

/* A field by its encoding (SDM). The module says which the L1 VMM reads and which bits it writes:
 * of mask, those count; the rest stays. TDX_METADATA_FIELD_VALUE_NOT_VALID: not such a value. The
 * virtual-APIC address is a GPA. */
struct tdx_status tdg_l2_vmcs_rd(const struct tdg_port *vcpu, unsigned vm, uint32_t encoding,
				 uint64_t *value) TDG_MUST_CHECK;
struct tdx_status tdg_l2_vmcs_wr(const struct tdg_port *vcpu, unsigned vm, uint32_t encoding,
				 uint64_t value, uint64_t mask) TDG_MUST_CHECK;
/* TDX_L2_CTLS_*: shared memory, and calls to the host past the L1 VMM. */
struct tdx_status tdg_l2_set_ctls(const struct tdg_port *vcpu, unsigned vm,
				  uint64_t ctls) TDG_MUST_CHECK;
/* When the TSC has come so far the VM exits for its preemption timer; ~0: never. */
struct tdx_status tdg_l2_set_deadline(const struct tdg_port *vcpu, unsigned vm,
				      uint64_t tsc) TDG_MUST_CHECK;
/* Whether the VM's RDMSR and WRMSR of it exit to the L1 VMM; if not, the TD's own rules hold, by
 * which it may exit still. At first all do. MSRs that no bitmap has (not below 0x2000 or in
 * 0xc0000000..0xc0001fff): TDX_OPERAND_INVALID without a call, they always exit. Two calls. */
struct tdx_status tdg_l2_set_msr_exits(const struct tdg_port *vcpu, unsigned vm, uint32_t msr,
				       bool reads, bool writes) TDG_MUST_CHECK;

/* --- its memory --- */

enum tdg_l2_access {
	TDG_L2_NONE = 0, /* taken away */
	TDG_L2_R = 1 << 0,
	TDG_L2_W = 1 << 1, /* with R */
	TDG_L2_XS = 1 << 2,
	TDG_L2_XU = 1 << 3,
	TDG_L2_X = TDG_L2_XS | TDG_L2_XU,
	TDG_L2_ALL = TDG_L2_R | TDG_L2_W | TDG_L2_X,
};
/* What the VM may do with a private page of the L1 VMM; other VMs keep what they have. Where an
 * access was taken away the VM's translations are stale until tdg_vp_invept() or
 * TDG_L2_FLUSH_EPT. TDX_PAGE_SIZE_MISMATCH: the page is of another size. */
struct tdx_status tdg_l2_page(const struct tdg_port *vcpu, unsigned vm, tdx_gpa_t page,
			      enum tdx_level level, unsigned access) TDG_MUST_CHECK;
/* The same for [start, start + size), whole 4K pages, by 2M where the TD has such. A call a page,
 * more where sizes differ; the first status that is no success ends it, and *done (may be NULL)
 * says how many bytes have it. TDX_OPERAND_INVALID without a call: not whole pages. */
struct tdx_status tdg_l2_pages(const struct tdg_port *vcpu, unsigned vm, tdx_gpa_t start,
			       uint64_t size, unsigned access, uint64_t *done) TDG_MUST_CHECK;

/* --- its events --- */

enum tdg_l2_event_type { /* as a VMCS has them */
			 TDG_L2_INTERRUPT = 0,
			 TDG_L2_NMI = 2,
			 TDG_L2_EXCEPTION = 3,
};
/* The next entry delivers it. What is delivered so is not seen by the VM's virtual APIC. An
 * error code (has_error) takes a second call. */
struct tdx_status tdg_l2_inject(const struct tdg_port *vcpu, unsigned vm,
				enum tdg_l2_event_type type, uint8_t vector, bool has_error,
				uint32_t error) TDG_MUST_CHECK;
/* The VM exits as soon as it can take an interrupt, or does not any more. */
struct tdx_status tdg_l2_set_window(const struct tdg_port *vcpu, unsigned vm,
				    bool exits) TDG_MUST_CHECK;
/* Can it take one as it was left? */
struct tdx_status tdg_l2_can_interrupt(const struct tdg_port *vcpu, unsigned vm,
				       const struct tdx_l2_state *state, bool *can) TDG_MUST_CHECK;
/* Past the instruction that exited: RIP goes on, and interrupts it blocked come. */
struct tdx_status tdg_l2_skip(const struct tdg_port *vcpu, unsigned vm, struct tdx_l2_state *state,
			      const struct tdg_l2_exit *e) TDG_MUST_CHECK;
/* Has the exit cut the delivery of an event off? Then the next entry is to deliver it, unless the
 * L1 VMM has another use for it; two calls at most. *was: it had. */
struct tdx_status tdg_l2_redeliver(const struct tdg_port *vcpu, unsigned vm,
				   const struct tdg_l2_exit *e, bool *was) TDG_MUST_CHECK;

/* --- what an exit says --- */

/* Of an I/O instruction: IN and OUT with a register, or a string (at e->gla). */
struct tdg_l2_io {
	uint16_t port;
	uint8_t size; /* bytes: 1, 2, 4 */
	bool in, string, rep;
};
void tdg_l2_io(const struct tdg_l2_exit *e, struct tdg_l2_io *io);
/* The operand of one with a register: what OUT writes; what IN has read. */
uint32_t tdg_l2_io_out(const struct tdx_l2_state *state, const struct tdg_l2_io *io);
void tdg_l2_io_in(struct tdx_l2_state *state, const struct tdg_l2_io *io, uint32_t value);

/* Of a control-register access. */
struct tdg_l2_cr {
	unsigned number; /* CR0, 3, 4, 8 */
	enum tdg_l2_cr_access { TDG_L2_CR_TO, TDG_L2_CR_FROM, TDG_L2_CLTS, TDG_L2_LMSW } access;
	unsigned reg;	 /* of MOV: as tdx_reg() counts */
	uint16_t source; /* of LMSW */
};
void tdg_l2_cr(const struct tdg_l2_exit *e, struct tdg_l2_cr *cr);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
