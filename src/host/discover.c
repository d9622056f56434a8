/* SPDX-License-Identifier: MIT */
/* Finding the module, waking it on every processor, reading what it can do. */
#include "abi/features.h"
#include "abi/metadata.h"
#include "host/call.h"
#include "host/errno.h"
#include "host/internal.h"

TDX_ABI_ASSERT(sizeof(struct host_state) <= sizeof(struct tdx_host));

enum { MSR_MKTME_KEYID_PARTITIONING = 0x87, MSR_TME_ACTIVATE = 0x982 };
enum { CPUID_ADDRESS_SIZES = 0x80000008 };

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

/* What the first processor says of itself and of the machine. */
struct platform {
	const struct tdx_port *port;
	uint64_t partitioning, active;
	uint32_t sizes[4];
	bool has_keyids;
};

static void read_platform(void *arg)
{
	struct platform *p = arg;
	const struct tdx_port_ops *ops = p->port->ops;

	p->has_keyids = ops->rdmsr(p->port, MSR_MKTME_KEYID_PARTITIONING, &p->partitioning) &&
			ops->rdmsr(p->port, MSR_TME_ACTIVATE, &p->active);
	ops->cpuid(p->port, CPUID_ADDRESS_SIZES, 0, p->sizes);
}

int tdx_host_init(struct tdx_host *host, const struct tdx_port *const *cpus, unsigned ncpus,
		  unsigned flags)
{
	struct host_state *h = host_of(host);
	struct platform p = {0};

	*host = (struct tdx_host){{0}};
	if (!ncpus || ncpus > TDX_HOST_MAX_CPUS)
		return -EINVAL;
	h->cpus = cpus;
	h->ncpus = ncpus;
	h->flags = flags;
	p.port = cpus[0];
	if (host_on(cpus[0], read_platform, &p) || !p.has_keyids)
		return -ENODEV;
	h->keyid_bits = (unsigned)(p.active >> 32 & 0xf);
	h->keyid_shift = (p.sizes[0] & 0xff) - h->keyid_bits;
	h->num_hkids = (unsigned)(p.partitioning >> 32);
	h->global_hkid = hkid((unsigned)(p.partitioning & 0xffffffff) + 1);
	return h->num_hkids < 2 ? -ENODEV : 0;
}

struct tdx_status tdx_host_last_status(const struct tdx_host *host)
{
	return host_of_const(host)->last;
}

enum tdx_seamcall tdx_host_last_leaf(const struct tdx_host *host)
{
	return (enum tdx_seamcall)host_of_const(host)->last_leaf;
}

/* Reading of the module's metadata, on one processor. */
struct reading {
	struct host_state *h;
	const struct tdx_cpu *cpu;
	struct tdx_host_info *info;
	int err;
};

/* Number `i` of a field, reading one element at a time; the first failure sticks. */
static uint64_t rd(struct reading *r, enum md_sys_field f, unsigned i)
{
	uint64_t id = md_sys.row[f].id & ~(MD_ID_LAST_ELEMENT | MD_ID_LAST_FIELD);
	struct tdx_field_value v = {0};

	if (!r->err)
		r->err = host_check(r->h, TDH_SYS_RD, tdh_sys_rd(r->cpu, id + i, &v));
	return r->err ? 0 : v.value;
}

static unsigned rd32(struct reading *r, enum md_sys_field f)
{
	return (unsigned)rd(r, f, 0);
}

static void read_cpuid_config(struct reading *r)
{
	struct tdx_host_info *info = r->info;

	info->num_cpuid_config = rd32(r, MD_SYS_NUM_CPUID_CONFIG);
	if (!r->err &&
	    info->num_cpuid_config > sizeof(info->cpuid_config) / sizeof(info->cpuid_config[0]))
		r->err = -EINVAL;
	for (unsigned i = 0; i < info->num_cpuid_config && !r->err; i++) {
		uint64_t leaf = rd(r, MD_SYS_CPUID_CONFIG_LEAVES, i);
		uint64_t ab = rd(r, MD_SYS_CPUID_CONFIG_VALUES, 2 * i);
		uint64_t cd = rd(r, MD_SYS_CPUID_CONFIG_VALUES, 2 * i + 1);

		info->cpuid_config[i] = (struct tdx_host_cpuid_config){
			.leaf = (uint32_t)leaf,
			.subleaf = (uint32_t)(leaf >> 32),
			.mask = {(uint32_t)ab, (uint32_t)(ab >> 32), (uint32_t)cd,
				 (uint32_t)(cd >> 32)},
		};
	}
}

static void read_info(void *arg)
{
	struct reading *r = arg;
	struct tdx_host_info *info = r->info;

	*info = (struct tdx_host_info){0};
	info->major = (uint16_t)rd(r, MD_SYS_MAJOR_VERSION, 0);
	info->minor = (uint16_t)rd(r, MD_SYS_MINOR_VERSION, 0);
	info->update = (uint16_t)rd(r, MD_SYS_UPDATE_VERSION, 0);
	info->handoff_version = (uint16_t)rd(r, MD_SYS_MODULE_HV, 0);
	info->features0 = rd(r, MD_SYS_TDX_FEATURES0, 0);
	info->max_tdmrs = rd32(r, MD_SYS_MAX_TDMRS);
	info->max_reserved_per_tdmr = rd32(r, MD_SYS_MAX_RESERVED_PER_TDMR);
	info->pamt_entry_size[TDX_LEVEL_4K] = rd32(r, MD_SYS_PAMT_4K_ENTRY_SIZE);
	info->pamt_entry_size[TDX_LEVEL_2M] = rd32(r, MD_SYS_PAMT_2M_ENTRY_SIZE);
	info->pamt_entry_size[TDX_LEVEL_1G] = rd32(r, MD_SYS_PAMT_1G_ENTRY_SIZE);
	info->pamt_bitmap_entry_bits = rd32(r, MD_SYS_PAMT_PAGE_BITMAP_ENTRY_BITS);
	info->min_dynamic_pamt_keyid_bits = rd32(r, MD_SYS_MIN_DYNAMIC_PAMT_NUM_HKID_BITS);
	info->tdr_base_size = rd32(r, MD_SYS_TDR_BASE_SIZE);
	info->tdcs_base_size = rd32(r, MD_SYS_TDCS_BASE_SIZE);
	info->tdvps_base_size = rd32(r, MD_SYS_TDVPS_BASE_SIZE);
	if (info->features0 & TDX_FEATURE_TD_PARTITIONING) {
		info->tdcs_size_per_l2_vm = rd32(r, MD_SYS_TDCS_SIZE_PER_L2_VM);
		info->tdvps_size_per_l2_vm = rd32(r, MD_SYS_TDVPS_SIZE_PER_L2_VM);
	}
	info->attributes_fixed0 = rd(r, MD_SYS_ATTRIBUTES_FIXED0, 0);
	info->attributes_fixed1 = rd(r, MD_SYS_ATTRIBUTES_FIXED1, 0);
	info->xfam_fixed0 = rd(r, MD_SYS_XFAM_FIXED0, 0);
	info->xfam_fixed1 = rd(r, MD_SYS_XFAM_FIXED1, 0);
	info->max_vcpus_per_td = rd32(r, MD_SYS_MAX_VCPUS_PER_TD);
	info->num_cmrs = rd32(r, MD_SYS_NUM_CMRS);
	if (!r->err && info->num_cmrs > TDX_MAX_CMRS)
		r->err = -EINVAL;
	for (unsigned i = 0; i < info->num_cmrs && !r->err; i++)
		info->cmr[i] = (struct tdx_range){hpa(rd(r, MD_SYS_CMR_BASE, i)),
						  rd(r, MD_SYS_CMR_SIZE, i)};
	read_cpuid_config(r);
	if (!r->err && !(info->features0 & TDX_FEATURE_NO_RBP_MOD))
		r->err = -EINVAL;
}

/* What tdx_host_cpu_online() needs, sent to the processor. */
struct coming {
	struct tdx_host *host;
	unsigned cpu;
	int err;
};

static void come_online(void *arg)
{
	struct coming *c = arg;

	c->err = tdx_host_cpu_online(c->host, c->cpu);
}

int host_read_info(struct host_state *h, struct tdx_host_info *info)
{
	const struct tdx_port *port = host_any(h);
	struct reading r = {h, NULL, info, 0};
	int err;

	if (!port)
		return -ENXIO;
	r.cpu = tdx_cpu_of(port);
	err = host_on(port, read_info, &r);
	return err ? err : r.err;
}

int tdx_host_discover(struct tdx_host *host, struct tdx_host_info *info)
{
	struct host_state *h = host_of(host);

	for (unsigned i = 0; i < h->ncpus; i++) {
		struct coming c = {host, i, 0};
		int err = host_bit(h->online, i) ? 0 : host_on(h->cpus[i], come_online, &c);

		if (err || c.err)
			return err ? err : c.err;
	}
	return host_read_info(h, info);
}
