/* SPDX-License-Identifier: MIT */
/* Fields of a vCPU: where each is kept in TDVPS, and the common part of writing one. The vCPU is
 * associated with or entered on this processor, nobody else writes its fields. */
#include "module/metadata.h"
#include "module/page.h"
#include "module/sept.h"
#include "module/vcpu.h"
#include "module/virt_msr.h"
#include "module/vmcs.h"

struct place {
	uint8_t page; /* TDVPS page, enum in module/td.h; longer fields go on in the next */
	uint16_t offset;
};

/* BYTES_x: what field x takes by its row. */
#define FIELDS(n) *(n)
#define HOST(...)
#define DEBUG(...)
#define GUEST(...)
#define MIGTD(...)
#define EXPORT(...)
#define IMPORT(...)
#define ADDR(a)
#define X(name_, id_, ...) BYTES_##name_ = (int)(1u << ((id_) >> 32 & 3)) __VA_ARGS__,
enum {
#include "abi/metadata_vp.def"
};
#undef X

/* The offset of a member that has room for the field. */
#define AT(member_, bytes_)                                                                        \
	offsetof(struct tdvps, member_) +                                                          \
		0 * sizeof(struct {                                                                \
			static_assert(sizeof(((struct tdvps *)0)->member_) >= bytes_, "room");     \
			char c;                                                                    \
		})
#define MAIN(field_, member_) [MD_VP_##field_] = {TDVPS_PAGE_MAIN, AT(member_, BYTES_##field_)}
#define MSR(field_, member_)  MAIN(field_, msr.member_)
#define PAGE(field_, page_)   [MD_VP_##field_] = {page_, 0}
#define L2_PAGE(vm_, page_)   (TDVPS_PAGE_L2 + TDVPS_PAGES_PER_L2_VM * ((vm_)-1) + (page_))

/* clang-format off */
static const struct place places[MD_VP_FIELDS] = {
	PAGE(VAPIC, TDVPS_PAGE_VAPIC),
	MAIN(EXIT_REASON, ve_info.exit_reason),
	MAIN(VALID, ve_info.valid),
	MAIN(EXIT_QUALIFICATION, ve_info.exit_qualification),
	MAIN(GLA, ve_info.gla),
	MAIN(GPA, ve_info.gpa),
	MAIN(EPTP_INDEX, ve_info.eptp_index),
	MAIN(INSTRUCTION_LENGTH, ve_info.instruction_length),
	MAIN(INSTRUCTION_INFORMATION, ve_info.instruction_information),
	MAIN(VE_CATEGORY, ve_info.ve_category),
	MAIN(INTERRUPTIBILITY_STATE, ve_info.interruptibility_state),
	MAIN(RAX, gpr.rax),
	MAIN(RCX, gpr.rcx),
	MAIN(RDX, gpr.rdx),
	MAIN(RBX, gpr.rbx),
	MAIN(RSP_PLACEHOLDER, gpr.rsp),
	MAIN(RBP, gpr.rbp),
	MAIN(RSI, gpr.rsi),
	MAIN(RDI, gpr.rdi),
	MAIN(R8, gpr.r8),
	MAIN(R9, gpr.r9),
	MAIN(R10, gpr.r10),
	MAIN(R11, gpr.r11),
	MAIN(R12, gpr.r12),
	MAIN(R13, gpr.r13),
	MAIN(R14, gpr.r14),
	MAIN(R15, gpr.r15),
	MAIN(DR0, dr[0]),
	MAIN(DR1, dr[1]),
	MAIN(DR2, dr[2]),
	MAIN(DR3, dr[3]),
	MAIN(DR6, dr6),
	MAIN(XCR0, xcr0),
	MAIN(CR2, cr2),
	MAIN(VCPU_STATE_DETAILS, vcpu_state_details),
	PAGE(XBUFF, TDVPS_PAGE_XBUFF),
	MSR(MSR_SMI_COUNT, smi_count),
	MSR(IA32_SPEC_CTRL, spec_ctrl),
	MSR(IA32_UMWAIT_CONTROL, umwait_control),
	MSR(IA32_TSX_CTRL, tsx_ctrl),
	MSR(IA32_PMC_GP_CFG_A, perfevtsel),
	MSR(IA32_MISC_ENABLE, misc_enable),
	MSR(MSR_OFFCORE_RSP, offcore_rsp),
	MSR(IA32_XFD, xfd),
	MSR(IA32_XFD_ERR, xfd_err),
	MSR(IA32_PMC_FX_CTR, fixed_ctr),
	MSR(IA32_PERF_METRICS, perf_metrics),
	MSR(IA32_FIXED_CTR_CTRL, fixed_ctr_ctrl),
	MSR(IA32_PERF_GLOBAL_STATUS, perf_global_status),
	MSR(IA32_PEBS_ENABLE, pebs_enable),
	MSR(MSR_PEBS_DATA_CFG, pebs_data_cfg),
	MSR(MSR_PEBS_LD_LAT, pebs_ld_lat),
	MSR(MSR_PEBS_FRONTEND, pebs_frontend),
	MSR(IA32_PMC_GP_CTR, pmc),
	MSR(IA32_DS_AREA, ds_area),
	MSR(IA32_XSS, xss),
	MSR(IA32_LBR_DEPTH, lbr_depth),
	MSR(IA32_UARCH_MISC_CTL, uarch_misc_ctl),
	MSR(IA32_STAR, star),
	MSR(IA32_LSTAR, lstar),
	MSR(IA32_FMASK, fmask),
	MSR(IA32_KERNEL_GS_BASE, kernel_gs_base),
	MSR(IA32_TSC_AUX, tsc_aux),
	MAIN(VCPU_STATE, state),
	MAIN(VCPU_INDEX, vcpu_index),
	MAIN(NUM_TDVPS_PAGES, num_pages),
	MAIN(ASSOC_LPID, assoc_lpid),
	MAIN(VCPU_EPOCH, vcpu_epoch),
	MAIN(CPUID_SUPERVISOR_VE, cpuid_supervisor_ve),
	MAIN(CPUID_USER_VE, cpuid_user_ve),
	MAIN(LAST_EXIT_TSC, last_exit_tsc),
	MAIN(PEND_NMI, pend_nmi),
	MAIN(XFAM_DEPRECATED, xcr0), /* no accessor may read it */
	MAIN(LAST_EPF_GPA_LIST_IDX, epf_list_len),
	MAIN(POSSIBLY_EPF_STEPPING, epf_count),
	MAIN(LAST_TD_EXIT, last_td_exit),
	MAIN(TDVPS_PAGE_PA, page_pa),
	MAIN(HP_LOCK_BUSY_START, hp_lock_busy_start),
	MAIN(HP_LOCK_BUSY, hp_lock_busy),
	MAIN(LAST_SEAMDB_INDEX, last_seamdb_index),
	MAIN(NMI_UNBLOCKING_DUE_TO_IRET, nmi_unblocking_due_to_iret),
	MAIN(CURR_VM, curr_vm),
	MAIN(L2_EXIT_HOST_ROUTING, l2_exit_host_routing),
	MAIN(VM_LAUNCHED, vm_launched),
	MAIN(LP_DEPENDENT_HPA_UPDATED, lp_dependent_updated),
	MAIN(MODULE_DEPENDENT_FIELDS_UPDATED, module_dependent_updated),
	MAIN(L2_CTLS, l2_ctls),
	MAIN(L2_DEBUG_CTLS, l2_debug_ctls),
	MAIN(TSC_DEADLINE, tsc_deadline),
	MAIN(SHADOW_TSC_DEADLINE, shadow_tsc_deadline),
	MAIN(BASE_L2_CR0_GUEST_HOST_MASK, base_l2_cr0_guest_host_mask),
	MAIN(BASE_L2_CR0_READ_SHADOW, base_l2_cr0_read_shadow),
	MAIN(BASE_L2_CR4_GUEST_HOST_MASK, base_l2_cr4_guest_host_mask),
	MAIN(BASE_L2_CR4_READ_SHADOW, base_l2_cr4_read_shadow),
	MAIN(SHADOW_CR0_GUEST_HOST_MASK, shadow_cr0_guest_host_mask),
	MAIN(SHADOW_CR0_READ_SHADOW, shadow_cr0_read_shadow),
	MAIN(SHADOW_CR4_GUEST_HOST_MASK, shadow_cr4_guest_host_mask),
	MAIN(SHADOW_CR4_READ_SHADOW, shadow_cr4_read_shadow),
	MAIN(SHADOW_INSTRUCTION_TIMEOUT_CONTROL, shadow_instruction_timeout),
	MAIN(SHADOW_PID_HPA, shadow_pid_hpa),
	MAIN(SHADOW_PINBASED_EXEC_CTLS, shadow_pinbased),
	MAIN(SHADOW_PLE_GAP, shadow_ple_gap),
	MAIN(SHADOW_PLE_WINDOW, shadow_ple_window),
	MAIN(SHADOW_POSTED_INT_NOTIFICATION_VECTOR, shadow_posted_int_vector),
	MAIN(SHADOW_PROCBASED_EXEC_CTLS2, shadow_procbased2),
	MAIN(SHADOW_SHARED_EPTP, shadow_shared_eptp),
	MAIN(L2_ENTER_GUEST_STATE_GPA, l2_enter_guest_state_gpa),
	MAIN(L2_ENTER_GUEST_STATE_HPA, l2_enter_guest_state_hpa),
	MAIN(VE_INFO_GPA, l2_ve_info_gpa),
	MAIN(VE_INFO_HPA, l2_ve_info_hpa),
	MAIN(L2_VAPIC_GPA, l2_vapic_gpa),
	MAIN(L2_VAPIC_HPA, l2_vapic_hpa),
	MAIN(CPUID_CONTROL, cpuid_control),
	MAIN(LAST_EPF_GPA_LIST, epf_gpa_list),
	PAGE(L2_MSR_BITMAPS_1, L2_PAGE(1, 1)),
	PAGE(L2_SHADOW_MSR_BITMAPS_1, L2_PAGE(1, 2)),
	PAGE(L2_MSR_BITMAPS_2, L2_PAGE(2, 1)),
	PAGE(L2_SHADOW_MSR_BITMAPS_2, L2_PAGE(2, 2)),
	PAGE(L2_MSR_BITMAPS_3, L2_PAGE(3, 1)),
	PAGE(L2_SHADOW_MSR_BITMAPS_3, L2_PAGE(3, 2)),
};
/* clang-format on */

static bool is_bitmap_of_l2(enum md_vp_field field)
{
	return field == MD_VP_L2_MSR_BITMAPS_1 || field == MD_VP_L2_MSR_BITMAPS_2 ||
	       field == MD_VP_L2_MSR_BITMAPS_3;
}

/* A CR that the module holds bits of moves as the TD sees it; an L2 VM's as its L1 VMM does. */
static uint64_t as_guest_reads(const struct vmcs *vmcs, unsigned encoding, uint64_t value)
{
	uint64_t mask, shadow;

	if (encoding == VMCS_GUEST_CR0) {
		mask = vmcs_read(vmcs, VMCS_CR0_GUEST_HOST_MASK);
		shadow = vmcs_read(vmcs, VMCS_CR0_READ_SHADOW);
	} else if (encoding == VMCS_GUEST_CR4) {
		mask = vmcs_read(vmcs, VMCS_CR4_GUEST_HOST_MASK);
		shadow = vmcs_read(vmcs, VMCS_CR4_READ_SHADOW);
	} else {
		return value;
	}
	return (value & ~mask) | (shadow & mask);
}

static struct tdx_status vmcs_element(const struct md *md, uint64_t id, struct md_element *e)
{
	const unsigned vm = md_vp_l2_vm(md_class(id)), encoding = md_code(id);

	/* the upper half of a field has no identifier of its own */
	if (encoding & 1 || !vmcs_has(encoding))
		return tdx_error(TDX_METADATA_FIELD_ID_INCORRECT);
	e->vmcs = vm ? vp_vm_vmcs(md->tx->m, md->vp.vps, vm) : md->vp.vmcs;
	e->value = vmcs_read(e->vmcs, encoding);
	if (vm)
		e->value = md_l2_vmcs_seen(md, vm, encoding, e->value);
	else if (md_migrates(md))
		e->value = as_guest_reads(e->vmcs, encoding, e->value);
	return tdx_success();
}

static uint64_t seen(const struct md *md, enum md_vp_field field, bool write, uint64_t value)
{
	if (field == MD_VP_IA32_SPEC_CTRL)
		return spec_ctrl_seen(md->tx->mod, md->td.tdcs, value);
	if (field == MD_VP_VCPU_STATE_DETAILS && md->by == MD_BY_GUEST && !write) {
		vp_note_interrupts(md->tx->m, md->vp.vps, md->vp.vmcs, 0, true);
		return md->vp.vps->vcpu_state_details;
	}
	return value;
}

struct tdx_status md_vp_element(const struct md *md, const struct md_field *f, uint64_t id,
				bool write, struct md_element *e)
{
	const unsigned size = md_size(f->id);
	enum md_vp_field field;
	unsigned page, offset;

	*e = (struct md_element){0};
	if (md_class(f->id) == MD_VP_CLASS_VMCS)
		return vmcs_element(md, id, e);
	field = (enum md_vp_field)(f - md_vp.row);
	page = places[field].page;
	offset = places[field].offset + md_index(f, id) * size;
	/* the L1 VMM sees and writes the bitmaps it asked for; the host those in use */
	if (is_bitmap_of_l2(field) && (md->by == MD_BY_GUEST || md_migrates(md)))
		page++;
	if (page == TDVPS_PAGE_MAIN)
		e->where = (uint8_t *)md->vp.vps + offset;
	else
		e->where = (uint8_t *)md_vp_page(md, page + offset / 4096, 0) + offset % 4096;
	e->value = seen(md, field, write, md_load(e->where, size)) & md_size_mask(f->id);
	return tdx_success();
}

/* An address must be one the accessor may give; ~0 says "none". What an import says of them is not
 * asked for: they are checked again where they are used. */
static bool address_valid(const struct md *md, const struct md_field *f, uint64_t id,
			  uint64_t value)
{
	const uint64_t size = md_class(f->id) == MD_VP_CLASS_VMCS &&
					      md_code(id) == VMCS_POSTED_INTERRUPT_DESCRIPTOR
				      ? 64
				      : TDX_PAGE_SIZE;
	void *unused;

	if (value == ~0ull)
		return true;
	switch ((enum md_address)f->address) {
	case MD_SHARED_HPA:
		return tdx_is_success(tx_shared(md->tx, hpa(value & ~(size - 1)), size,
						TDX_OPERAND_ID_R8, &unused));
	case MD_PRIVATE_GPA:
		return td_gpa_valid(md->td.tdcs, gpa(value), true);
	case MD_NO_ADDRESS:
	case MD_HPA:
	case MD_GPA:
		break;
	}
	return true;
}

static struct tdx_status check(const struct md *md, const struct md_field *f, uint64_t id,
			       const struct md_element *e, uint64_t mask, uint64_t old,
			       uint64_t *value, bool *done)
{
	const unsigned vm = md_vp_l2_vm(md_class(id));

	*done = false;
	if (!e->vmcs)
		return md_tdvps_check(md, f, id, old, value, done);
	if (vm)
		return md_l2_vmcs_check(md, vm, e->vmcs, md_code(id), mask, value, done);
	return md_vmcs_check(md, e->vmcs, md_code(id), mask, value);
}

struct tdx_status md_vp_write(const struct md *md, const struct md_field *f, uint64_t id,
			      uint64_t value, uint64_t asked, uint64_t *old)
{
	const struct md_mask m = md_mask(md, f);
	const uint64_t mask = m.wr & asked;
	struct md_element e;
	struct tdx_status s = md_vp_element(md, f, id, true, &e);
	uint64_t before;
	bool done;

	if (!tdx_is_success(s))
		return s;
	if (!mask)
		return tdx_error(TDX_METADATA_FIELD_NOT_WRITABLE);
	/* when all of it is replaced what was there does not matter, not even for the checks */
	before = mask == md_size_mask(f->id) ? 0 : e.value;
	if (f->address != MD_NO_ADDRESS && before >> 63)
		before &= m.wr; /* no address yet: the bits the caller cannot give are 0 */
	if (!md_imports(md) && md_changes_readonly(before, value, asked, m))
		return tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
	value = (before & ~mask) | (value & mask);
	if (!md_imports(md) && !address_valid(md, f, id, value))
		return tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
	s = check(md, f, id, &e, mask, before, &value, &done);
	if (!tdx_is_success(s))
		return s;
	if (!done && e.vmcs)
		vmcs_write(e.vmcs, md_code(id), value);
	else if (!done)
		md_store(e.where, md_size(f->id), value);
	*old = e.value & m.rd;
	return s;
}
