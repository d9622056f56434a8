/* SPDX-License-Identifier: MIT */
/* Finding the module, waking it on every processor, reading what it can do. */
#include "abi/metadata.h"
#include "host/call.h"
#include "host/errno.h"
#include "host/internal.h"

TDX_ABI_ASSERT(sizeof(struct host_state) <= sizeof(struct tdx_host));

enum { MSR_MKTME_KEYID_PARTITIONING = 0x87, MSR_TME_ACTIVATE = 0x982 };
enum { CPUID_ADDRESS_SIZES = 0x80000008 };

#define FEATURES0_NO_RBP_MOD (1ull << 18)

int host_check(struct host_state *h, unsigned leaf, struct tdx_status s)
{
	if (!tdx_is_error(s))
		return 0;
	h->last = s;
	h->last_leaf = leaf;
	if (s.raw == TDX_SEAMCALL_VMFAILINVALID)
		return -ENODEV;
	if (s.raw == TDX_SEAMCALL_GP)
		return -EOPNOTSUPP;
	if (s.raw == TDX_SEAMCALL_UD)
		return -EACCES;
	return -EIO;
}

int tdx_host_init(struct tdx_host *host, const struct tdx_port *const *cpus, unsigned ncpus,
		  unsigned errata)
{
	struct host_state *h = host_of(host);
	uint64_t partitioning = 0, active = 0;
	uint32_t sizes[4];

	*host = (struct tdx_host){{0}};
	if (!ncpus)
		return -EINVAL;
	h->cpus = cpus;
	h->ncpus = ncpus;
	h->errata = errata;
	if (!cpus[0]->ops->rdmsr(cpus[0], MSR_MKTME_KEYID_PARTITIONING, &partitioning) ||
	    !cpus[0]->ops->rdmsr(cpus[0], MSR_TME_ACTIVATE, &active))
		return -ENODEV;
	cpus[0]->ops->cpuid(cpus[0], CPUID_ADDRESS_SIZES, 0, sizes);
	h->keyid_shift = (sizes[0] & 0xff) - (unsigned)(active >> 32 & 0xf);
	h->num_hkids = (unsigned)(partitioning >> 32);
	h->global_hkid = hkid((unsigned)(partitioning & 0xffffffff) + 1);
	if (h->num_hkids < 2)
		return -ENODEV;
	return 0;
}

struct tdx_status tdx_host_last_status(const struct tdx_host *host)
{
	return host_of_const(host)->last;
}

enum tdx_seamcall tdx_host_last_leaf(const struct tdx_host *host)
{
	return (enum tdx_seamcall)host_of_const(host)->last_leaf;
}

/* Number `i` of a field, reading one element at a time; the first failure sticks in *err. */
static uint64_t rd(struct host_state *h, enum md_sys_field f, unsigned i, int *err)
{
	uint64_t id = md_sys.row[f].id & ~(MD_ID_LAST_ELEMENT | MD_ID_LAST_FIELD);
	struct tdx_field_value v = {0};

	if (!*err)
		*err = host_check(h, TDH_SYS_RD, tdh_sys_rd(h->cpus[0], id + i, &v));
	return *err ? 0 : v.value;
}

static unsigned rd32(struct host_state *h, enum md_sys_field f, int *err)
{
	return (unsigned)rd(h, f, 0, err);
}

static void read_cpuid_config(struct host_state *h, struct tdx_host_info *info, int *err)
{
	info->num_cpuid_config = rd32(h, MD_SYS_NUM_CPUID_CONFIG, err);
	if (!*err &&
	    info->num_cpuid_config > sizeof(info->cpuid_config) / sizeof(info->cpuid_config[0]))
		*err = -EINVAL;
	for (unsigned i = 0; i < info->num_cpuid_config && !*err; i++) {
		uint64_t leaf = rd(h, MD_SYS_CPUID_CONFIG_LEAVES, i, err);
		uint64_t ab = rd(h, MD_SYS_CPUID_CONFIG_VALUES, 2 * i, err);
		uint64_t cd = rd(h, MD_SYS_CPUID_CONFIG_VALUES, 2 * i + 1, err);

		info->cpuid_config[i] = (struct tdx_host_cpuid_config){
			.leaf = (uint32_t)leaf,
			.subleaf = (uint32_t)(leaf >> 32),
			.mask = {(uint32_t)ab, (uint32_t)(ab >> 32), (uint32_t)cd,
				 (uint32_t)(cd >> 32)},
		};
	}
}

static int read_info(struct host_state *h, struct tdx_host_info *info)
{
	int err = 0;

	*info = (struct tdx_host_info){0};
	info->major = (uint16_t)rd(h, MD_SYS_MAJOR_VERSION, 0, &err);
	info->minor = (uint16_t)rd(h, MD_SYS_MINOR_VERSION, 0, &err);
	info->update = (uint16_t)rd(h, MD_SYS_UPDATE_VERSION, 0, &err);
	info->features0 = rd(h, MD_SYS_TDX_FEATURES0, 0, &err);
	info->max_tdmrs = rd32(h, MD_SYS_MAX_TDMRS, &err);
	info->max_reserved_per_tdmr = rd32(h, MD_SYS_MAX_RESERVED_PER_TDMR, &err);
	info->pamt_entry_size[TDX_LEVEL_4K] = rd32(h, MD_SYS_PAMT_4K_ENTRY_SIZE, &err);
	info->pamt_entry_size[TDX_LEVEL_2M] = rd32(h, MD_SYS_PAMT_2M_ENTRY_SIZE, &err);
	info->pamt_entry_size[TDX_LEVEL_1G] = rd32(h, MD_SYS_PAMT_1G_ENTRY_SIZE, &err);
	info->tdr_base_size = rd32(h, MD_SYS_TDR_BASE_SIZE, &err);
	info->tdcs_base_size = rd32(h, MD_SYS_TDCS_BASE_SIZE, &err);
	info->tdvps_base_size = rd32(h, MD_SYS_TDVPS_BASE_SIZE, &err);
	info->attributes_fixed0 = rd(h, MD_SYS_ATTRIBUTES_FIXED0, 0, &err);
	info->attributes_fixed1 = rd(h, MD_SYS_ATTRIBUTES_FIXED1, 0, &err);
	info->xfam_fixed0 = rd(h, MD_SYS_XFAM_FIXED0, 0, &err);
	info->xfam_fixed1 = rd(h, MD_SYS_XFAM_FIXED1, 0, &err);
	info->max_vcpus_per_td = rd32(h, MD_SYS_MAX_VCPUS_PER_TD, &err);
	info->num_cmrs = rd32(h, MD_SYS_NUM_CMRS, &err);
	if (!err && info->num_cmrs > TDX_MAX_CMRS)
		return -EINVAL;
	for (unsigned i = 0; i < info->num_cmrs && !err; i++)
		info->cmr[i] = (struct tdx_host_range){hpa(rd(h, MD_SYS_CMR_BASE, i, &err)),
						       rd(h, MD_SYS_CMR_SIZE, i, &err)};
	read_cpuid_config(h, info, &err);
	if (!err && !(info->features0 & FEATURES0_NO_RBP_MOD))
		return -EINVAL;
	return err;
}

int tdx_host_discover(struct tdx_host *host, struct tdx_host_info *info)
{
	struct host_state *h = host_of(host);
	struct tdx_regs r = {0};
	int err = host_check(h, TDH_SYS_INIT, host_call(h->cpus[0], TDH_SYS_INIT, 0, &r));

	for (unsigned i = 0; i < h->ncpus && !err; i++) {
		r = (struct tdx_regs){0};
		err = host_check(h, TDH_SYS_LP_INIT, host_call(h->cpus[i], TDH_SYS_LP_INIT, 0, &r));
	}
	return err ? err : read_info(h, info);
}

void tdx_host_offline(const struct tdx_port *cpu)
{
	if (!cpu->ops->incoherent(cpu))
		return;
	cpu->ops->wbinvd(cpu);
	cpu->ops->set_incoherent(cpu, false);
}

void tdx_host_guest_hkids(const struct tdx_host *host, hkid_t *first, unsigned *count)
{
	const struct host_state *h = host_of_const(host);

	*first = hkid(h->global_hkid.v + 1u);
	*count = h->num_hkids - 1;
}

unsigned tdx_host_num_cpus(const struct tdx_host *host)
{
	return host_of_const(host)->ncpus;
}

bool tdx_host_leads_package(const struct tdx_host *host, unsigned cpu)
{
	const struct host_state *h = host_of_const(host);
	unsigned package = h->cpus[cpu]->ops->package(h->cpus[cpu]);

	for (unsigned i = 0; i < cpu; i++)
		if (h->cpus[i]->ops->package(h->cpus[i]) == package)
			return false;
	return true;
}

const struct tdx_port *tdx_host_cpu(const struct tdx_host *host, unsigned i)
{
	return host_of_const(host)->cpus[i];
}
