/* SPDX-License-Identifier: MIT */
/* Writes to fields outside the VMCS that need more than a mask. */
#include "module/metadata.h"
#include "module/tsc.h"
#include "module/vcpu.h"
#include "module/virt_msr.h"
#include "module/vmcs.h"

#include <swtdx/structs.h>

enum {
	XSAVE_HEADER = 512 / 8, /* words of the XSAVE area */
	XSAVE_HEADER_END = 576 / 8,
	L2_EXIT_ROUTED_MAX = 2,
	XFAM_PT_BIT = 8, /* IA32_RTIT_CTL is the first word of that component */
};

static struct tdx_status not_valid(void)
{
	return tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
}

static struct tdx_status accept_if(bool ok)
{
	return ok ? tdx_success() : not_valid();
}

/* XCR0 as an XSETBV of the guest's may make it. */
static bool xcr0_possible(const struct tdcs *tdcs, uint64_t xcr0)
{
	const uint64_t avx512 = 7ull << 5, amx = 3ull << 17, avx = 1ull << 2, sse = 1ull << 1;

	if (xcr0 & ~tdcs->xfam || !(xcr0 & 1))
		return false;
	if ((xcr0 & avx && !(xcr0 & sse)) || (xcr0 & avx512 && !(xcr0 & avx)))
		return false;
	return (!(xcr0 & avx512) || (xcr0 & avx512) == avx512) &&
	       (!(xcr0 & amx) || (xcr0 & amx) == amx);
}

static bool is_rtit_ctl(const struct tdcs *tdcs, unsigned word)
{
	return tdcs->xfam >> XFAM_PT_BIT & 1 && word == tdcs->xbuff_offsets[XFAM_PT_BIT] / 8;
}

/* The host must not break XRSTOR nor turn tracing on. */
static struct tdx_status xbuff(const struct md *md, unsigned word)
{
	const struct tdcs *tdcs = md->td.tdcs;

	if (word >= XSAVE_HEADER && word < XSAVE_HEADER_END)
		return tdx_error(TDX_METADATA_FIELD_NOT_WRITABLE);
	if (is_rtit_ctl(tdcs, word))
		return tdx_error(TDX_METADATA_FIELD_NOT_WRITABLE);
	return tdx_success();
}

/* Who gets a #VE on CPUID is fixed with TD_CTLS.LOCK; the same value again is no error. */
static struct tdx_status cpuid_ve(const struct md *md, uint64_t old, uint64_t value, bool *done)
{
	if (!(__atomic_load_n(&md->td.tdcs->td_ctls, __ATOMIC_RELAXED) & TDX_TD_CTLS_LOCK))
		return tdx_success();
	*done = true;
	return value == old ? tdx_success() : not_valid();
}

static void l2_ctls(const struct md *md, unsigned vm, uint64_t value)
{
	const uint64_t eptp = md->vp.vps->shadow_shared_eptp[vm];

	/* VM 0 is the L1 VMM itself; controls of VMs the TD does not have change nothing */
	if (vm == 0 || vm > md->td.tdcs->num_l2_vms)
		return;
	vmcs_write(vp_vm_vmcs(md->tx->m, md->vp.vps, vm), VMCS_SHARED_EPT_POINTER,
		   value & TDX_L2_CTLS_ENABLE_SHARED_EPTP && eptp != ~0ull
			   ? eptp
			   : md->td.tdr->tdcx_pa[TDCS_PAGE_ZERO]);
}

static struct tdx_status tsc_deadline(const struct md *md, unsigned vm, uint64_t value)
{
	const struct tdcs *tdcs = md->td.tdcs;
	const struct tdx_status invalid = tdx_error(TDX_OPERAND_INVALID);
	uint64_t now, native;

	if (vm == 0 || vm > tdcs->num_l2_vms || value == ~0ull)
		return tdx_success();
	now = machine_rdtsc(md->tx->lp->hw);
	native = now;
	if (value > tsc_to_virtual(now, tdcs->tsc_multiplier, tdcs->tsc_offset)) {
		if (!tsc_to_native(value, tdcs->tsc_multiplier, tdcs->tsc_offset, &native))
			return invalid;
		if (native == 0 || (int64_t)(native - now) < 0)
			return invalid;
	}
	md->vp.vps->shadow_tsc_deadline[vm] = native;
	return tdx_success();
}

/* The bitmaps in use are those of the TD with what the L1 VMM, or a debugger, adds. */
static void l2_msr_bitmap(const struct md *md, unsigned vm, unsigned word, uint64_t value)
{
	const uint64_t *td = tx_tdcs_page(md->tx, &md->td, TDCS_PAGE_MSR_BITMAPS);
	const unsigned page = TDVPS_PAGE_L2 + TDVPS_PAGES_PER_L2_VM * (vm - 1);

	*md_vp_page(md, page + 2, word) = value;
	*md_vp_page(md, page + 1, word) = td[word] | value;
}

struct tdx_status md_tdvps_check(const struct md *md, const struct md_field *f, uint64_t id,
				 uint64_t old, uint64_t *value, bool *done)
{
	const struct module *mod = md->tx->mod;
	const struct tdcs *tdcs = md->td.tdcs;
	const unsigned n = md_index(f, id);

	switch ((unsigned)(f - md_vp.row)) {
	case MD_VP_XBUFF:
		if (!md_imports(md))
			return xbuff(md, n);
		if (is_rtit_ctl(tdcs, n)) /* tracing does not move */
			*value = 0;
		break;
	case MD_VP_XCR0:
		return accept_if(xcr0_possible(tdcs, *value));
	case MD_VP_IA32_XSS:
		return accept_if(!(*value & ~(mod->plat.xss_mask & tdcs->xfam)));
	case MD_VP_VCPU_STATE: /* the import makes the vCPU ready; one that is lost stays so */
		*done = *value != TDX_VCPU_DISABLED;
		break;
	case MD_VP_VCPU_INDEX:
		return accept_if(*value < tdcs->num_vcpus);
	case MD_VP_LAST_TD_EXIT:
		return accept_if(*value <= LAST_EXIT_TDVMCALL);
	case MD_VP_CURR_VM:
		return accept_if(*value <= tdcs->num_l2_vms);
	case MD_VP_L2_EXIT_HOST_ROUTING:
		return accept_if(*value <= L2_EXIT_ROUTED_MAX);
	case MD_VP_IA32_MISC_ENABLE:
		*done = true;
		return misc_enable_write(tdcs, md->vp.vps, *value) == MISC_ENABLE_OK ? tdx_success()
										     : not_valid();
	case MD_VP_IA32_SPEC_CTRL:
		*value = spec_ctrl_real(mod, tdcs, *value);
		break;
	case MD_VP_CPUID_CONTROL:
	case MD_VP_CPUID_SUPERVISOR_VE:
	case MD_VP_CPUID_USER_VE:
		return md_imports(md) ? tdx_success() : cpuid_ve(md, old, *value, done);
	case MD_VP_L2_CTLS:
		l2_ctls(md, n, *value);
		break;
	case MD_VP_TSC_DEADLINE:
		return tsc_deadline(md, n, *value);
	case MD_VP_L2_MSR_BITMAPS_1:
	case MD_VP_L2_MSR_BITMAPS_2:
	case MD_VP_L2_MSR_BITMAPS_3:
		l2_msr_bitmap(md, md_vp_l2_vm(md_class(id)), n, *value);
		*done = true;
		break;
	default: /* any value will do */
		break;
	}
	return tdx_success();
}
