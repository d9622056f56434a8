/* SPDX-License-Identifier: MIT */
/* A TD's fields as an import writes them: checked as TDH.MNG.INIT checks what a host says, and its
 * CPUID against what this platform and module could have given the TD.
 *
 * The TD is not built yet, or still; the TDR is held exclusive. What a refused import wrote stays:
 * the TD will not run. Order: that of the field tables, on which the checks rely. */
#include <string.h>

#include <swtdx/structs.h>

#include "arch/x86.h"
#include "module/cpu_model.h"
#include "module/cpuid_flags.h"
#include "module/cpuid_table.h"
#include "module/metadata.h"
#include "arch/msr.h"
#include "module/msr_policy.h"
#include "module/report.h"
#include "module/sept.h"
#include "module/td_import.h"
#include "module/td_init.h"

static struct tdx_status refused(void)
{
	return tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
}

static struct tdx_status accept_if(bool ok)
{
	return ok ? tdx_success() : refused();
}

static bool is_zero(const struct tdcs_cpuid_value *v)
{
	return !(v->eax | v->ebx | v->ecx | v->edx);
}

static bool reg_possible(uint32_t v, uint32_t cleared, uint32_t set, uint32_t allowed,
			 uint32_t native)
{
	return !(v & cleared) && !(~v & set) && !(v & allowed & ~native);
}

/* Could the table of leaves have made this of some configuration? */
static bool row_possible(const struct module *mod, unsigned row, const struct tdcs_cpuid_value *v)
{
	const struct cpuid_rule *r = &cpuid_rules[row];
	const struct cpuid_regs *n = &mod->plat.cpuid[row];

	return reg_possible(v->eax, r->cleared.eax, r->set.eax, r->allowed.eax, n->eax) &&
	       reg_possible(v->ebx, r->cleared.ebx, r->set.ebx, r->allowed.ebx, n->ebx) &&
	       reg_possible(v->ecx, r->cleared.ecx, r->set.ecx, r->allowed.ecx, n->ecx) &&
	       reg_possible(v->edx, r->cleared.edx, r->set.edx, r->allowed.edx, n->edx);
}

static bool leaf_1(const struct md *md, unsigned row, const struct tdcs_cpuid_value *v)
{
	struct tdcs *tdcs = md->td.tdcs;
	const uint32_t native = md->tx->mod->plat.fms;

	if (v->eax != native && !cpu_model_allowed(native, v->eax))
		return false;
	if (!cpuid_agrees_with_xfam(row, tdcs->xfam, v))
		return false;
	tdcs->cpuid_flags.monitor_mwait = (v->ecx & CPUID_BIT(ECX, MONITOR)) != 0;
	tdcs->cpuid_flags.xtpr_update = (v->ecx & CPUID_BIT(ECX, XTPR_UPDATE)) != 0;
	return true;
}

static bool leaf_5(const struct md *md, unsigned row, const struct tdcs_cpuid_value *v)
{
	const struct cpuid_regs *n = &md->tx->mod->plat.cpuid[row];
	const struct cpuid_regs *cleared = &cpuid_rules[row].cleared;

	if (!md->td.tdcs->cpuid_flags.monitor_mwait)
		return is_zero(v);
	return !((v->eax ^ n->eax) & ~cleared->eax) && !((v->ebx ^ n->ebx) & ~cleared->ebx) &&
	       !((v->ecx ^ n->ecx) & ~cleared->ecx) && !((v->edx ^ n->edx) & ~cleared->edx);
}

static bool leaf_7(const struct md *md, unsigned row, const struct tdcs_cpuid_value *v)
{
	struct tdcs *tdcs = md->td.tdcs;
	const bool tsx = v->ebx & CPUID_BIT(EBX, HLE);

	switch (cpuid_keys[row].subleaf) {
	case 0:
		if (!cpuid_agrees_with_xfam(row, tdcs->xfam, v) ||
		    tsx != ((v->ebx & CPUID_BIT(EBX, RTM)) != 0))
			return false;
		if (tsx && !(md->tx->mod->plat.arch_capabilities & ARCH_CAP_TSX_CTRL))
			return false;
		if (((v->ecx & CPUID_BIT(ECX, PKS)) != 0) !=
			    ((tdcs->attributes & TDX_ATTR_PKS) != 0) ||
		    v->ecx & CPUID_BIT(ECX, KL))
			return false;
		tdcs->cpuid_flags.tsx = tsx;
		tdcs->cpuid_flags.waitpkg = (v->ecx & CPUID_BIT(ECX, WAITPKG)) != 0;
		tdcs->cpuid_flags.tme = (v->ecx & CPUID_BIT(ECX, TME)) != 0;
		tdcs->cpuid_flags.la57 = (v->ecx & CPUID_BIT(ECX, LA57)) != 0;
		tdcs->cpuid_flags.pconfig = (v->edx & CPUID_BIT(EDX, PCONFIG)) != 0;
		return true;
	case 1:
		if (!cpuid_agrees_with_xfam(row, tdcs->xfam, v) ||
		    ((v->eax & CPUID_BIT(EAX, LASS)) != 0) !=
			    ((tdcs->attributes & TDX_ATTR_LASS) != 0))
			return false;
		tdcs->cpuid_flags.perfmon_ext_leaf = (v->eax & CPUID_BIT(EAX, PERFMON_EXT)) != 0;
		return true;
	case 2:
		tdcs->cpuid_flags.ddpd = (v->edx & CPUID_BIT(EDX, DDPD)) != 0;
		return true;
	default:
		return false;
	}
}

static bool leaf_d(const struct md *md, unsigned row, const struct tdcs_cpuid_value *v)
{
	struct tdcs *tdcs = md->td.tdcs;
	const uint32_t subleaf = cpuid_keys[row].subleaf;

	if (subleaf > 1)
		return tdcs->xfam >> subleaf & 1 || is_zero(v);
	if (!cpuid_agrees_with_xfam(row, tdcs->xfam, v))
		return false;
	if (subleaf == 0)
		return v->ecx == td_xsave_area_size(md->tx->lp->hw, tdcs->xfam);
	if (v->eax & CPUID_BIT(EAX, XFD) && !md->tx->mod->plat.xfd)
		return false;
	tdcs->cpuid_flags.xfd = (v->eax & CPUID_BIT(EAX, XFD)) != 0;
	return true;
}

static bool leaf_80000008(const struct md *md, const struct tdcs_cpuid_value *v)
{
	struct tdcs *tdcs = md->td.tdcs;
	const unsigned native = md->tx->mod->max_pa, pa = v->eax & 0xff,
		       guest_pa = v->eax >> 16 & 0xff;
	const unsigned widest = tdcs->gpaw ? WIDE_GPA : NARROW_GPA;
	const bool guest = tdcs->config_flags & TDX_CONFIG_MAXGPA_VIRT;

	if (guest && (guest_pa > widest || guest_pa > native || guest_pa > pa ||
		      guest_pa < MIN_VIRTUAL_MAXPA))
		return false;
	if (!guest && pa != native && (pa > native || pa < MIN_VIRTUAL_MAXPA || pa > widest))
		return false;
	tdcs->virt_maxpa = (uint8_t)(guest ? guest_pa : pa);
	return true;
}

static bool leaf_possible(const struct md *md, unsigned row, const struct tdcs_cpuid_value *v)
{
	struct tdcs *tdcs = md->td.tdcs;

	switch (cpuid_keys[row].leaf) {
	case 0:
		md->td.ext->cpuid_last_base_leaf = v->eax;
		return v->eax <= CPUID_LAST_BASE_LEAF;
	case 0x1:
		return leaf_1(md, row, v);
	case 0x5:
		return leaf_5(md, row, v);
	case 0x7:
		return leaf_7(md, row, v);
	case 0xa:
	case 0x19:
	case 0x1a:
		return is_zero(v);
	case 0xd:
		return leaf_d(md, row, v);
	case 0x14:
		return tdcs->xfam & XFAM_PT || is_zero(v);
	case 0x15:
		return v->ebx == tdcs->tsc_frequency;
	case 0x1c:
		return tdcs->xfam & XFAM_LBR || is_zero(v);
	case 0x1d:
		return (tdcs->xfam & XFAM_AMX) == XFAM_AMX || is_zero(v);
	case 0x23:
		return (tdcs->attributes & TDX_ATTR_PERFMON &&
			tdcs->cpuid_flags.perfmon_ext_leaf) ||
		       is_zero(v);
	case 0x80000000:
		md->td.ext->cpuid_last_ext_leaf = v->eax;
		return v->eax <= CPUID_LAST_EXT_LEAF;
	case 0x80000008:
		return leaf_80000008(md, v);
	default:
		return true;
	}
}

static struct tdx_status import_cpuid(const struct md *md, uint64_t id, const uint64_t *value)
{
	const uint32_t leaf = md_cpuid_leaf(id);
	const unsigned row = cpuid_row(leaf, md_cpuid_subleaf(id));
	struct tdcs_cpuid_value v;

	if (id & MD_CPUID_RESERVED)
		return tdx_error(TDX_METADATA_FIELD_ID_INCORRECT);
	memcpy(&v, value, sizeof(v));
	if (row == CPUID_NO_ROW)
		return accept_if(is_zero(&v) && cpuid_fixed0(CPUID_FIXED0_BITMAP, leaf));
	if (!row_possible(md->tx->mod, row, &v) || !leaf_possible(md, row, &v))
		return refused();
	md->td.tdcs->cpuid_values[row] = v;
	md->td.tdcs->cpuid_valid[row] = 1;
	return tdx_success();
}

static struct tdx_status import_num_l2_vms(const struct md *md, uint64_t num)
{
	if (num >= TD_MAX_VMS)
		return refused();
	if (md->td.tdr->num_tdcx < TDCS_MIN_PAGES + num * TDCS_PAGES_PER_L2_VM)
		return tdx_error(TDX_METADATA_FIELD_NOT_ALLOCATED);
	md->td.tdcs->num_l2_vms = (uint16_t)num;
	return tdx_success();
}

static struct tdx_status import_eptp(const struct md *md, uint64_t eptp)
{
	struct tdcs *tdcs = md->td.tdcs;

	if (!td_eptp_valid(md->tx->mod, eptp, tdcs->gpaw))
		return refused();
	tdcs->eptp = eptp | md->td.tdr->tdcx_pa[TDCS_PAGE_SEPT_ROOT];
	return tdx_success();
}

static bool td_ctls_possible(const struct tdcs *tdcs, uint64_t ctls)
{
	const uint64_t implied = TDX_TD_CTLS_ENUM_TOPOLOGY | TDX_TD_CTLS_VIRT_CPUID2;

	if (ctls & TDX_TD_CTLS_REDUCE_VE &&
	    ((ctls & implied) != implied || !tdcs->ve_reduction_valid))
		return false;
	return !(ctls & TDX_TD_CTLS_ENUM_TOPOLOGY) || tdcs->topology_enum_configured;
}

/* Checks of a field and, where it is not stored as it comes, the whole of its import. */
static struct tdx_status special(const struct md *md, enum md_td_field field, uint64_t id,
				 const uint64_t *value, bool *done)
{
	const struct module *mod = md->tx->mod;
	struct tdcs *tdcs = md->td.tdcs;

	*done = false;
	switch ((unsigned)field) {
	case MD_TD_NUM_VCPUS:
		return accept_if(value[0] && value[0] <= TD_MAX_VCPUS);
	case MD_TD_MAX_VCPUS:
		break;
	case MD_TD_TD_UUID:
		memcpy(tdcs->pre_import_uuid, md->td.tdr->td_uuid, sizeof(tdcs->pre_import_uuid));
		break;
	case MD_TD_ATTRIBUTES:
		return accept_if(td_attributes_valid(mod, value[0]) &&
				 value[0] & TDX_ATTR_MIGRATABLE);
	case MD_TD_XFAM:
		return accept_if(td_xfam_valid(mod, value[0]));
	case MD_TD_CONFIG_FLAGS:
		return accept_if(td_config_flags_valid(mod, value[0]));
	case MD_TD_CPUID4_NATIVE_VALUES:
		md->td.ext->cpuid4_native_valid[md_index(&md_td.row[field], id) / 4 % 4] = 1;
		break;
	case MD_TD_EPTP:
		*done = true;
		return import_eptp(md, value[0] & md_td.row[field].imported);
	case MD_TD_HP_LOCK_TIMEOUT:
		*done = true;
		return md_write_hp_lock_timeout(md, value[0]);
	case MD_TD_NUM_CPUID_VALUES:
		*done = true;
		return accept_if(value[0] == CPUID_ROWS);
	case MD_TD_NUM_L2_VMS:
		*done = true;
		return import_num_l2_vms(md, value[0]);
	case MD_TD_TD_CTLS:
		return accept_if(td_ctls_possible(tdcs, value[0]));
	case MD_TD_TSC_FREQUENCY:
		return accept_if(td_tsc_frequency_valid(value[0]));
	case MD_TD_VIRTUAL_TSC:
		*done = true;
		td_tsc_params_at(machine_rdtsc(md->tx->lp->hw), mod->plat.tsc_hz,
				 tdcs->tsc_frequency, value[0], &tdcs->tsc_multiplier,
				 &tdcs->tsc_offset);
		break;
	case MD_TD_CPUID_VALUES:
		*done = true;
		return import_cpuid(md, id, value);
	case MD_TD_VIRTUAL_IA32_ARCH_CAPABILITIES:
		return accept_if(td_import_arch_capabilities_possible(mod, tdcs, value[0]));
	case MD_TD_SERVTD_NUM:
		*done = true;
		return accept_if(value[0] == 1);
	}
	return tdx_success();
}

struct tdx_status md_td_import(const struct md *md, const struct md_field *f, uint64_t id,
			       const uint64_t *value, uint64_t mask)
{
	const uint64_t size = md_size_mask(f->id), m = md_mask(md, f).wr & mask;
	struct tdx_status s;
	bool done;

	if (!m)
		return tdx_error(TDX_METADATA_FIELD_NOT_WRITABLE);
	s = special(md, (enum md_td_field)(f - md_td.row), id, value, &done);
	if (done || !tdx_is_success(s))
		return s;
	for (unsigned i = 0; i < md_elements(f); i++) {
		struct md_element e;

		s = md_td_element(md, f, id + i * md_stride(f), true, &e);
		if (!tdx_is_success(s))
			return s;
		md_store(e.where, md_size(f->id), ((e.value & ~m) | (value[i] & m)) & size);
	}
	return s;
}

void td_import_begin(const struct td *td)
{
	for (unsigned i = 0; i < CPUID_ROWS; i++)
		td->tdcs->cpuid_valid[i] = cpuid_keys[i].leaf == 0x23;
}

/* Are the virtual values of all sub-leaves zero? False: this module does not know the leaf. */
static bool leaf_is_zero(const struct tdcs *tdcs, uint32_t leaf)
{
	const unsigned first = cpuid_row(leaf, 0);
	unsigned row;

	if (first == CPUID_NO_ROW)
		return false;
	for (uint32_t subleaf = 0; (row = cpuid_row(leaf, subleaf)) != CPUID_NO_ROW; subleaf++) {
		if (!is_zero(&tdcs->cpuid_values[row]))
			return false;
		if (subleaf > 0 && row == first) /* one row for all of them */
			break;
	}
	return true;
}

/* Leaves that were zero where the TD comes from, as they are here or as the TD has them. Of the
 * extended ones this module knows no more than it says itself. */
static bool fixed0_possible(const struct tdcs *tdcs, uint64_t bitmap)
{
	uint64_t more = bitmap & ~CPUID_FIXED0_BITMAP & CPUID_FIXED0_LEAVES;

	for (; more; more &= more - 1) {
		const unsigned leaf = (unsigned)__builtin_ctzll(more);

		if (leaf > CPUID_LAST_BASE_LEAF || !leaf_is_zero(tdcs, leaf))
			return false;
	}
	return true;
}

struct tdx_status td_import_immutable_done(struct tx *tx, const struct td *td)
{
	struct tdcs *tdcs = td->tdcs;
	struct tdx_status s = td_import_check_vmx_msrs(tx->mod, tdcs);

	if (!tdx_is_success(s))
		return s;
	if (tdcs->num_vcpus > tdcs->max_vcpus)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_NUM_VCPUS);
	tdcs->num_assoc_vcpus = 0;
	tdcs->td_epoch = 1;
	tdcs->config_flags &= ~TDX_CONFIG_GPAW;
	tdcs->config_flags |= tdcs->gpaw ? TDX_CONFIG_GPAW : 0;
	tdcs->td_ctls &= ~TDX_TD_CTLS_PENDING_VE_DISABLE;
	if (tdcs->attributes & TDX_ATTR_SEPT_VE_DISABLE)
		tdcs->td_ctls |= TDX_TD_CTLS_PENDING_VE_DISABLE;
	if (!fixed0_possible(tdcs, td->ext->cpuid_fixed0_bitmap))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_CPUID_FIXED0_BITMAP);
	s = td_init_topology(tx->mod, tdcs);
	if (!tdx_is_success(s))
		return s;
	td_place_xstate(&tx->mod->plat, tdcs);
	for (unsigned i = 0; i < 4; i++)
		if (!td->ext->cpuid4_native_valid[i])
			tdcs->ve_reduction_valid = 0;
	servtd_hash_compute(tdcs);
	td_update_cpuid_flags(tdcs, td->ext);
	msr_bitmaps_init(tx->mod, tdcs, td->ext, tx_tdcs_page(tx, td, TDCS_PAGE_MSR_BITMAPS));
	return tdx_success();
}

void td_import_mutable_done(const struct td *td)
{
	td_update_cpuid_flags(td->tdcs, td->ext);
}
