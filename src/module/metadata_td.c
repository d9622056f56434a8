/* SPDX-License-Identifier: MIT */
/* Fields of a TD: where each is kept in TDR and TDCS, and how the writable ones are written.
 *
 * A write replaces the element by compare and exchange, as other calls on the TD may run: the host
 * holds OP_STATE shared, the guest nothing. */
#include "module/cpuid_flags.h"
#include "module/cpuid_table.h"
#include "module/entropy.h"
#include "module/metadata.h"
#include "module/mig.h"
#include "module/sept.h"
#include "module/tsc.h"

#include <string.h>
#include <swtdx/structs.h>

/* A page of the TD: the TDR or a TDCS page (enum in module/td.h), or no page at all. */
enum { IN_TDR = 0x80, NOWHERE = 0x81 };

struct place {
	uint8_t page;
	uint16_t offset;
};

/* BYTES_x: what field x takes by its row. */
#define FIELDS(n)   *(n)
#define ELEMENTS(n) *(n)
#define HOST(...)
#define DEBUG(...)
#define GUEST(...)
#define MIGTD(...)
#define EXPORT(...)
#define IMPORT(...)
#define X(name_, id_, ...) BYTES_##name_ = (int)(1u << ((id_) >> 32 & 3)) __VA_ARGS__,
enum {
#include "abi/metadata_td.def"
};
#undef X

/* The offset of a member that has room for the field. */
#define AT(type_, member_, bytes_)                                                                 \
	offsetof(type_, member_) +                                                                 \
		0 * sizeof(struct {                                                                \
			_Static_assert(sizeof(((type_ *)0)->member_) >= bytes_, "room");           \
			char c;                                                                    \
		})
#define TDR(field_, member_) [MD_TD_##field_] = {IN_TDR, AT(struct tdr, member_, BYTES_##field_)}
#define MAIN(field_, member_)                                                                      \
	[MD_TD_##field_] = {TDCS_PAGE_MAIN, AT(struct tdcs, member_, BYTES_##field_)}
#define EXT(field_, member_)                                                                       \
	[MD_TD_##field_] = {TDCS_PAGE_EXT, AT(struct tdcs_ext, member_, BYTES_##field_)}
#define PAGE(field_, page_) [MD_TD_##field_] = {page_, 0}

/* clang-format off */
static const struct place places[MD_TD_FIELDS] = {
	TDR(FATAL, fatal),
	TDR(NUM_TDCX, num_tdcx),
	[MD_TD_CHLDCNT] = {NOWHERE, 0},
	TDR(LIFECYCLE_STATE, lifecycle_state),
	TDR(TDCX_PA, tdcx_pa),
	TDR(TD_UUID, td_uuid),
	TDR(HKID, hkid),
	TDR(PKG_CONFIG_BITMAP, pkg_config_bitmap),
	TDR(HANDOFF_VERSION, handoff_version),
	TDR(SEAMDB_INDEX, seamdb_index),
	MAIN(NUM_VCPUS, num_vcpus),
	MAIN(NUM_ASSOC_VCPUS, num_assoc_vcpus),
	MAIN(OP_STATE, op_state),
	MAIN(NUM_L2_VMS, num_l2_vms),
	MAIN(ATTRIBUTES, attributes),
	MAIN(XFAM, xfam),
	MAIN(MAX_VCPUS, max_vcpus),
	MAIN(GPAW, gpaw),
	MAIN(EPTP, eptp),
	MAIN(TSC_OFFSET, tsc_offset),
	MAIN(TSC_MULTIPLIER, tsc_multiplier),
	MAIN(TSC_FREQUENCY, tsc_frequency),
	[MD_TD_VIRTUAL_TSC] = {NOWHERE, 0}, /* for migration */
	[MD_TD_NUM_CPUID_VALUES] = {NOWHERE, 0},
	MAIN(XBUFF_SIZE, xbuff_size),
	MAIN(NOTIFY_ENABLES, notify_enables),
	MAIN(HP_LOCK_TIMEOUT, hp_lock_timeout),
	MAIN(VM_CTLS, vm_ctls),
	MAIN(CONFIG_FLAGS, config_flags),
	MAIN(TD_CTLS, td_ctls),
	MAIN(VIRT_MAXPA, virt_maxpa),
	MAIN(TOPOLOGY_ENUM_CONFIGURED, topology_enum_configured),
	MAIN(VE_REDUCTION_VALID, ve_reduction_valid),
	EXT(CPUID_FIXED0_BITMAP, cpuid_fixed0_bitmap),
	EXT(FEATURE_PARAVIRT_CTLS, feature_paravirt_ctls),
	EXT(FILTERED_EVENTS_COUNT, filtered_events_count),
	EXT(FIELD_SUPPORT_AT_INIT, field_support_at_init),
	MAIN(CPUID_VALID, cpuid_valid),
	EXT(CPUID4_NATIVE_VALUES, cpuid4_native_values),
	MAIN(XBUFF_OFFSETS, xbuff_offsets),
	MAIN(TD_EPOCH, td_epoch),
	[MD_TD_REFCOUNT] = {NOWHERE, 0},
	MAIN(MRTD, mrtd),
	MAIN(MRCONFIGID, mrconfigid),
	MAIN(MROWNER, mrowner),
	MAIN(MROWNERCONFIG, mrownerconfig),
	MAIN(RTMR, rtmr),
	MAIN(CPUID_VALUES, cpuid_values),
	MAIN(VIRTUAL_IA32_ARCH_CAPABILITIES, virt_msrs.arch_capabilities),
	MAIN(VIRTUAL_IA32_VMX_BASIC, virt_msrs.vmx_basic),
	MAIN(VIRTUAL_IA32_VMX_MISC, virt_msrs.vmx_misc),
	MAIN(VIRTUAL_IA32_VMX_CR0_FIXED0, virt_msrs.vmx_cr0_fixed0),
	MAIN(VIRTUAL_IA32_VMX_CR0_FIXED1, virt_msrs.vmx_cr0_fixed1),
	MAIN(VIRTUAL_IA32_VMX_CR4_FIXED0, virt_msrs.vmx_cr4_fixed0),
	MAIN(VIRTUAL_IA32_VMX_CR4_FIXED1, virt_msrs.vmx_cr4_fixed1),
	MAIN(VIRTUAL_IA32_VMX_PROCBASED_CTLS2, virt_msrs.vmx_procbased_ctls2),
	MAIN(VIRTUAL_IA32_VMX_EPT_VPID_CAP, virt_msrs.vmx_ept_vpid_cap),
	MAIN(VIRTUAL_IA32_VMX_TRUE_PINBASED_CTLS, virt_msrs.vmx_true_pinbased_ctls),
	MAIN(VIRTUAL_IA32_VMX_TRUE_PROCBASED_CTLS, virt_msrs.vmx_true_procbased_ctls),
	MAIN(VIRTUAL_IA32_VMX_TRUE_EXIT_CTLS, virt_msrs.vmx_true_exit_ctls),
	MAIN(VIRTUAL_IA32_VMX_TRUE_ENTRY_CTLS, virt_msrs.vmx_true_entry_ctls),
	MAIN(VIRTUAL_IA32_VMX_VMFUNC, virt_msrs.vmx_vmfunc),
	MAIN(VIRTUAL_IA32_VMX_PROCBASED_CTLS3, virt_msrs.vmx_procbased_ctls3),
	MAIN(VIRTUAL_IA32_VMX_EXIT_CTLS2, virt_msrs.vmx_exit_ctls2),
	MAIN(MIG_DEC_KEY_SET, mig_dec_key_set),
	MAIN(EXPORT_COUNT, export_count),
	MAIN(IMPORT_COUNT, import_count),
	MAIN(MIG_EPOCH, mig_epoch),
	MAIN(BW_EPOCH, bw_epoch),
	MAIN(TOTAL_MB_COUNT, total_mb_count),
	MAIN(MIG_DEC_KEY, mig_dec_key),
	MAIN(MIG_DEC_WORKING_KEY, mig_dec_working_key),
	MAIN(MIG_ENC_KEY, mig_enc_key),
	MAIN(MIG_ENC_WORKING_KEY, mig_enc_working_key),
	MAIN(MIG_VERSION, mig_version),
	MAIN(MIG_WORKING_VERSION, mig_working_version),
	MAIN(DIRTY_COUNT, dirty_count),
	MAIN(MIG_COUNT, mig_count),
	MAIN(NUM_MIGS, num_migs),
	MAIN(NUM_MIGRATED_VCPUS, num_migrated_vcpus),
	MAIN(PRE_IMPORT_UUID, pre_import_uuid),
	MAIN(SERVTD_HASH, servtd_hash),
	MAIN(SERVTD_NUM, servtd_num),
	MAIN(SERVTD_BINDINGS_TABLE, servtd),
	PAGE(MIGSC_LINKS, TDCS_PAGE_MIGSC),
	EXT(X2APIC_IDS, x2apic_ids),
	PAGE(MSR_BITMAPS, TDCS_PAGE_MSR_BITMAPS),
	PAGE(SEPT_ROOT, TDCS_PAGE_SEPT_ROOT),
	PAGE(L2_SEPT_ROOT_1, TDCS_PAGE_L2_SEPT_ROOT),
	PAGE(L2_SEPT_ROOT_2, TDCS_PAGE_L2_SEPT_ROOT + 1),
	PAGE(L2_SEPT_ROOT_3, TDCS_PAGE_L2_SEPT_ROOT + 2),
};
/* clang-format on */

static uint8_t *page_of(const struct md *md, struct place p)
{
	switch (p.page) {
	case IN_TDR:
		return (uint8_t *)md->td.tdr;
	case TDCS_PAGE_MAIN:
		return (uint8_t *)md->td.tdcs;
	case TDCS_PAGE_EXT:
		return (uint8_t *)md->td.ext;
	default:
		return tx_tdcs_page(md->tx, &md->td, p.page);
	}
}

/* Which row of CPUID_VALUES; leaves of zeros (`zero`) read as such by the host though they have no
 * row. */
static struct tdx_status cpuid_index(const struct md *md, uint64_t id, bool host_read,
				     unsigned *row, bool *zero)
{
	const uint32_t leaf = md_cpuid_leaf(id);

	if (id & MD_CPUID_RESERVED)
		return tdx_error(TDX_METADATA_FIELD_ID_INCORRECT);
	*row = cpuid_row(leaf, md_cpuid_subleaf(id));
	*zero = host_read && cpuid_fixed0(md->td.ext->cpuid_fixed0_bitmap, leaf);
	if (*zero)
		return tdx_success();
	if (*row == CPUID_NO_ROW || !md->td.tdcs->cpuid_valid[*row])
		return tdx_error(TDX_METADATA_FIELD_NOT_READABLE);
	return tdx_success();
}

static uint64_t ticks_to_usec(const struct md *md, uint64_t ticks)
{
	const uint64_t hz = md->tx->mod->plat.tsc_hz;

	return hz ? (uint32_t)ticks * 1000000ull / hz : 0;
}

/* Read-only fields that are kept nowhere. */
static uint64_t computed(const struct md *md, enum md_td_field field, unsigned n)
{
	switch (field) {
	case MD_TD_CHLDCNT:
		return tdr_children(md->td.tdr);
	case MD_TD_REFCOUNT:
		return (uint16_t)tdr_running(md->td.tdr, n);
	case MD_TD_NUM_CPUID_VALUES:
		return CPUID_ROWS;
	case MD_TD_VIRTUAL_TSC: /* as the guest sees it now; only an exporter reads it */
		return tsc_to_virtual(machine_rdtsc(md->tx->lp->hw), md->td.tdcs->tsc_multiplier,
				      md->td.tdcs->tsc_offset);
	default:
		return 0;
	}
}

/* An exporter sends the bitmap of those leaves along. */
static bool hides_zero_leaves(enum md_accessor by)
{
	return by == MD_BY_HOST || by == MD_BY_DEBUGGER || by == MD_BY_MIGTD;
}

/* The key of the next session is made when its first word is asked for, every time. */
static struct tdx_status renew_enc_key(const struct md *md)
{
	uint64_t key[4];

	if (!entropy_fill(md->tx->lp->hw, key, 4))
		return tdx_error(TDX_RND_NO_ENTROPY);
	memcpy(md->td.tdcs->mig_enc_key, key, sizeof(key));
	return tdx_success();
}

struct tdx_status md_td_element(const struct md *md, const struct md_field *f, uint64_t id,
				bool write, struct md_element *e)
{
	const enum md_td_field field = (enum md_td_field)(f - md_td.row);
	const unsigned size = md_size(f->id);
	unsigned n = md_index(f, id);

	*e = (struct md_element){0};
	if (field == MD_TD_CPUID_VALUES) {
		unsigned row;
		bool zero;
		struct tdx_status s =
			cpuid_index(md, id, !write && hides_zero_leaves(md->by), &row, &zero);

		if (!tdx_is_success(s) || zero)
			return s;
		n = row * 2 + (unsigned)(id & 1);
	}
	if (field == MD_TD_MIG_ENC_KEY && n == 0 && md->by == MD_BY_MIGTD && !write) {
		struct tdx_status s = renew_enc_key(md);

		if (!tdx_is_success(s))
			return s;
	}
	if (places[field].page == NOWHERE) {
		if (field == MD_TD_VIRTUAL_TSC && !md_migrates(md))
			return tdx_success();
		e->value = computed(md, field, n);
		return tdx_success();
	}
	e->where = page_of(md, places[field]) + places[field].offset + n * size;
	e->value = md_load(e->where, size);
	if (field == MD_TD_HP_LOCK_TIMEOUT)
		e->value = ticks_to_usec(md, e->value);
	return tdx_success();
}

static bool replace(void *where, unsigned size, uint64_t from, uint64_t to)
{
	uint8_t e8 = (uint8_t)from;
	uint16_t e16 = (uint16_t)from;
	uint32_t e32 = (uint32_t)from;

	switch (size) {
	case 1:
		return __atomic_compare_exchange_n((uint8_t *)where, &e8, (uint8_t)to, false,
						   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	case 2:
		return __atomic_compare_exchange_n((uint16_t *)where, &e16, (uint16_t)to, false,
						   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	case 4:
		return __atomic_compare_exchange_n((uint32_t *)where, &e32, (uint32_t)to, false,
						   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	default:
		return __atomic_compare_exchange_n((uint64_t *)where, &from, to, false,
						   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
}

/* The host gives microseconds, kept are ticks. */
struct tdx_status md_write_hp_lock_timeout(const struct md *md, uint64_t usec)
{
	const uint64_t min_usec = 10000, max_usec = 100000000;

	if (usec < min_usec || usec > max_usec)
		return tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
	__atomic_store_n(&md->td.tdcs->hp_lock_timeout,
			 (uint32_t)(usec * md->tx->mod->plat.tsc_hz / 1000000), __ATOMIC_RELAXED);
	return tdx_success();
}

/* The guest may change these until it sets LOCK; then writing the same value is not an error. */
static bool locked(const struct md *md)
{
	return __atomic_load_n(&md->td.tdcs->td_ctls, __ATOMIC_RELAXED) & TDX_TD_CTLS_LOCK;
}

static struct tdx_status write_td_ctls(const struct md *md, uint64_t old, uint64_t value)
{
	struct tdcs *tdcs = md->td.tdcs;
	const uint64_t changed = old ^ value;

	if (locked(md))
		return changed ? tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID) : tdx_success();
	if (changed & TDX_TD_CTLS_PENDING_VE_DISABLE &&
	    !(tdcs->config_flags & TDX_CONFIG_FLEXIBLE_PENDING_VE))
		return tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
	if (value & TDX_TD_CTLS_REDUCE_VE)
		value |= TDX_TD_CTLS_ENUM_TOPOLOGY | TDX_TD_CTLS_VIRT_CPUID2;
	if (value & TDX_TD_CTLS_ENUM_TOPOLOGY && !tdcs->topology_enum_configured)
		return tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
	__atomic_store_n(&tdcs->td_ctls, value, __ATOMIC_RELAXED);
	if (changed & TDX_TD_CTLS_REDUCE_VE)
		td_update_cpuid_flags(tdcs, md->td.ext);
	return tdx_success();
}

static struct tdx_status write_paravirt_ctls(const struct md *md, uint64_t old, uint64_t value)
{
	if (locked(md))
		return old != value ? tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID) : tdx_success();
	__atomic_store_n(&md->td.ext->feature_paravirt_ctls, value, __ATOMIC_RELAXED);
	td_update_cpuid_flags(md->td.tdcs, md->td.ext);
	return tdx_success();
}

struct tdx_status md_td_write(const struct md *md, const struct md_field *f, uint64_t id,
			      uint64_t value, uint64_t mask, uint64_t *old)
{
	const enum md_td_field field = (enum md_td_field)(f - md_td.row);
	const struct md_mask m = md_mask(md, f);
	struct md_element e;
	struct tdx_status s = md_td_element(md, f, id, true, &e);

	if (!tdx_is_success(s))
		return s;
	if (!(m.wr & mask))
		return tdx_error(TDX_METADATA_FIELD_NOT_WRITABLE);
	if (md_changes_readonly(e.value, value, mask, m))
		return tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
	mask &= m.wr;
	value = (e.value & ~mask) | (value & mask);
	if (field == MD_TD_HP_LOCK_TIMEOUT)
		s = mask == ~0ull ? md_write_hp_lock_timeout(md, value)
				  : tdx_error(TDX_METADATA_WR_MASK_NOT_VALID);
	else if (field == MD_TD_TD_CTLS)
		s = write_td_ctls(md, e.value, value);
	else if (field == MD_TD_FEATURE_PARAVIRT_CTLS)
		s = write_paravirt_ctls(md, e.value, value);
	else if (field == MD_TD_MIG_VERSION && value != MIG_VERSION)
		s = tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
	else if (!replace(e.where, md_size(f->id), e.value, value))
		s = tdx_error_op(TDX_OPERAND_BUSY, TDX_OPERAND_ID_METADATA_FIELD);
	if (tdx_is_success(s))
		*old = e.value & m.rd;
	if (tdx_is_success(s) && field == MD_TD_MIG_DEC_KEY)
		__atomic_store_n(&md->td.tdcs->mig_dec_key_set, 1, __ATOMIC_RELAXED);
	return s;
}
