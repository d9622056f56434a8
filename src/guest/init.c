/* SPDX-License-Identifier: MIT */
/* The first calls of a TD: how wide its addresses are, and as few #VE as the module can do with.
 *
 * A #VE on private memory is a weapon: the host takes an accepted page away and the exception comes
 * where it hurts most. A kernel must be sure that the host gets such accesses as exits instead. */
#include "abi/ghci.h"
#include "guest/call.h"
#include "guest/errno.h"

#define FIELD_NOTIFY_ENABLES 0x9110000300000010ull
#define FIELD_CONFIG_FLAGS   0x9110000300000016ull
#define FIELD_TD_CTLS	     0x9110000300000017ull
#define FIELD_TOPOLOGY_ENUM  0x9110000000000019ull

static bool read_field(const struct tdg_port *vcpu, uint64_t id, uint64_t *value)
{
	struct tdg_field_value v;
	struct tdx_status s = tdg_vm_rd(vcpu, 0, id, &v);

	*value = tdx_is_success(s) ? v.value : 0;
	return tdx_is_success(s);
}

static bool set_ctl(const struct tdg_port *vcpu, struct tdg_td *td, uint64_t bit)
{
	if (!tdx_is_success(tdg_vm_wr(vcpu, FIELD_TD_CTLS, bit, bit, NULL)))
		return false;
	td->td_ctls |= bit;
	return true;
}

/* No #VE on pages that wait to be accepted, or that the host took away. */
static bool no_pending_ve(const struct tdg_port *vcpu, struct tdg_td *td)
{
	if (!(td->config_flags & TDX_CONFIG_FLEXIBLE_PENDING_VE))
		return (td->attributes & TDX_ATTR_SEPT_VE_DISABLE) != 0;
	return (td->td_ctls & TDX_TD_CTLS_PENDING_VE_DISABLE) ||
	       set_ctl(vcpu, td, TDX_TD_CTLS_PENDING_VE_DISABLE);
}

/* What the module can answer itself it shall not make a #VE. Modules without the feature refuse. */
static void reduce_ve(const struct tdg_port *vcpu, struct tdg_td *td)
{
	uint64_t topology;

	if (td->td_ctls & TDX_TD_CTLS_REDUCE_VE || set_ctl(vcpu, td, TDX_TD_CTLS_REDUCE_VE))
		return;
	if (read_field(vcpu, FIELD_TOPOLOGY_ENUM, &topology) && topology)
		(void)set_ctl(vcpu, td, TDX_TD_CTLS_ENUM_TOPOLOGY);
}

int tdg_init(const struct tdg_port *vcpu, struct tdg_td *td)
{
	struct tdg_vp_info info;
	struct tdx_status s = tdg_vp_info(vcpu, &info);

	*td = (struct tdg_td){0};
	if (!tdx_is_success(s) || (info.gpa_width != 48 && info.gpa_width != 52))
		return -EIO;
	td->gpa_width = info.gpa_width;
	td->shared = 1ull << (info.gpa_width - 1);
	td->attributes = info.attributes;
	(void)read_field(vcpu, FIELD_CONFIG_FLAGS, &td->config_flags);
	(void)read_field(vcpu, FIELD_TD_CTLS, &td->td_ctls);
	/* No #VE when the host steps the guest: it would tell the host as much as it tells us. */
	(void)tdx_is_success(tdg_vm_wr(vcpu, FIELD_NOTIFY_ENABLES, 0, ~0ull, NULL));
	if (!no_pending_ve(vcpu, td) && !(td->attributes & TDX_ATTR_DEBUG))
		return -EACCES;
	reduce_ve(vcpu, td);
	return 0;
}
