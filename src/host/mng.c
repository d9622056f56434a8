/* SPDX-License-Identifier: MIT */
/* TDH.MNG.*, TDH.MR.*: creation, measurement and end of a TD. */
#include "host/call.h"

struct tdx_status tdh_mng_create(const struct tdx_cpu *cpu, const struct tdx_td *td)
{
	struct tdx_regs r = {.rcx = td->tdr.v, .rdx = td->hkid.v};

	host_hand_over(cpu, td->tdr, TDX_LEVEL_4K);
	return host_call(cpu, TDH_MNG_CREATE, 0, &r);
}

struct tdx_status tdh_mng_key_config(const struct tdx_cpu *cpu, const struct tdx_td *td)
{
	struct tdx_regs r = {.rcx = td->tdr.v};

	return host_call_key(cpu, TDH_MNG_KEY_CONFIG, &r);
}

struct tdx_status tdh_mng_addcx(const struct tdx_cpu *cpu, const struct tdx_td *td, hpa_t tdcx)
{
	struct tdx_regs r = {.rcx = tdcx.v, .rdx = td->tdr.v};

	host_hand_over(cpu, tdcx, TDX_LEVEL_4K);
	return host_call(cpu, TDH_MNG_ADDCX, 0, &r);
}

struct tdx_status tdh_mng_init(const struct tdx_cpu *cpu, const struct tdx_td *td, hpa_t td_params,
			       struct tdx_init_result *out)
{
	struct tdx_regs r = {.rcx = td->tdr.v, .rdx = td_params.v};
	struct tdx_status s = host_call(cpu, TDH_MNG_INIT, 0, &r);

	if (out)
		*out = (struct tdx_init_result){
			.cpuid_leaf = (uint32_t)r.rcx,
			.cpuid_subleaf = (uint32_t)(r.rcx >> 32),
			.raw = r,
		};
	return s;
}

/* A metadata access; the value registers are the module's on success, zero else. */
static struct tdx_status field(const struct tdx_cpu *cpu, unsigned leaf, struct tdx_regs *r,
			       struct tdx_field_value *out)
{
	struct tdx_status s = host_call(cpu, leaf, 0, r);

	if (out)
		*out = (struct tdx_field_value){
			.field_next = r->rdx,
			.value = tdx_is_error(s) ? 0 : r->r8,
			.raw = *r,
		};
	return s;
}

struct tdx_status tdh_mng_rd(const struct tdx_cpu *cpu, const struct tdx_td *td, uint64_t id,
			     struct tdx_field_value *out)
{
	struct tdx_regs r = {.rcx = td->tdr.v, .rdx = id};

	return field(cpu, TDH_MNG_RD, &r, out);
}

struct tdx_status tdh_mng_wr(const struct tdx_cpu *cpu, const struct tdx_td *td, uint64_t id,
			     uint64_t value, uint64_t mask, struct tdx_field_value *old)
{
	struct tdx_regs r = {.rcx = td->tdr.v, .rdx = id, .r8 = value, .r9 = mask};

	return field(cpu, TDH_MNG_WR, &r, old);
}

struct tdx_status tdh_vp_rd(const struct tdx_cpu *cpu, const struct tdx_vp *vp, uint64_t id,
			    struct tdx_field_value *out)
{
	struct tdx_regs r = {.rcx = vp->tdvpr.v, .rdx = id};

	return field(cpu, TDH_VP_RD, &r, out);
}

struct tdx_status tdh_vp_wr(const struct tdx_cpu *cpu, const struct tdx_vp *vp, uint64_t id,
			    uint64_t value, uint64_t mask, struct tdx_field_value *old)
{
	struct tdx_regs r = {.rcx = vp->tdvpr.v, .rdx = id, .r8 = value, .r9 = mask};

	return field(cpu, TDH_VP_WR, &r, old);
}

struct tdx_status tdh_sys_rd(const struct tdx_cpu *cpu, uint64_t id, struct tdx_field_value *out)
{
	struct tdx_regs r = {.rdx = id};

	return field(cpu, TDH_SYS_RD, &r, out);
}

/* The leaves whose only operand is the TDR. */
static struct tdx_status on_tdr(const struct tdx_cpu *cpu, unsigned leaf, const struct tdx_td *td)
{
	struct tdx_regs r = {.rcx = td->tdr.v};

	return host_call(cpu, leaf, 0, &r);
}

struct tdx_status tdh_mng_vpflushdone(const struct tdx_cpu *cpu, const struct tdx_td *td)
{
	return on_tdr(cpu, TDH_MNG_VPFLUSHDONE, td);
}

struct tdx_status tdh_mng_key_freeid(const struct tdx_cpu *cpu, const struct tdx_td *td)
{
	return on_tdr(cpu, TDH_MNG_KEY_FREEID, td);
}

struct tdx_status tdh_mng_key_reclaimid(const struct tdx_cpu *cpu, const struct tdx_td *td)
{
	return on_tdr(cpu, TDH_MNG_KEY_RECLAIMID, td);
}

struct tdx_status tdh_mr_finalize(const struct tdx_cpu *cpu, const struct tdx_td *td)
{
	return on_tdr(cpu, TDH_MR_FINALIZE, td);
}

struct tdx_status tdh_mem_track(const struct tdx_cpu *cpu, const struct tdx_td *td)
{
	return on_tdr(cpu, TDH_MEM_TRACK, td);
}

struct tdx_status tdh_sys_lp_shutdown(const struct tdx_cpu *cpu)
{
	struct tdx_regs r = {0};

	return host_call(cpu, TDH_SYS_LP_SHUTDOWN, 0, &r);
}

struct tdx_status tdh_sys_update(const struct tdx_cpu *cpu)
{
	struct tdx_regs r = {0};

	return host_call(cpu, TDH_SYS_UPDATE, 0, &r);
}

struct tdx_status tdh_sys_disable(const struct tdx_cpu *cpu)
{
	struct tdx_regs r = {0};

	return host_call(cpu, TDH_SYS_DISABLE, 0, &r);
}

struct tdx_status tdh_sys_shutdown(const struct tdx_cpu *cpu, uint16_t handoff_version)
{
	struct tdx_regs r = {.rcx = handoff_version};

	return host_call(cpu, TDH_SYS_SHUTDOWN, 0, &r);
}
