/* SPDX-License-Identifier: MIT */
/* Which call it is; SEAMLDR.INFO and SEAMLDR.SEAMINFO. */
#include <string.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "seamldr/internal.h"

enum {
	LOADER_VENDOR = 0x8086,
	LOADER_BUILD_DATE = 20251001,
	LOADER_MAJOR = 2, /* the first that knows SEAMLDR.CLEANUP */
	LOADER_MINOR = 0,
	MAX_SOCKETS = 8,
};

/* P_SYS_INFO_TABLE, the half that the platform's firmware fills in. */
struct seaminfo {
	uint64_t version;
	uint32_t num_lps, num_sockets;
	uint32_t socket_cpuid[MAX_SOCKETS];
	uint64_t loader_base, loader_size;
	uint8_t skip_smrr2_check, without_integrity, zero0[62];
	struct machine_range cmr[MACHINE_MAX_CMRS];
	uint8_t zero1[1408];
};
static_assert(sizeof(struct seaminfo) == TDX_SEAMINFO_SIZE, "ABI");

void seamldr_power_on(struct machine *m)
{
	struct loader *l = loader_of(m);

	*l = (struct loader){.running = ATOMIC_FLAG_INIT, .remaining_updates = SEAMDB_ENTRIES - 1};
	loader_dirty(m);
}

void seamextend_write(struct machine *m, const struct tdx_seamextend *s)
{
	struct tdx_seamextend *to = &machine_seam(m)->seamextend;

	__atomic_store_n(&to->seam_ready, 0, __ATOMIC_RELEASE);
	memcpy(to, s, offsetof(struct tdx_seamextend, seam_ready));
	__atomic_store_n(&to->p_seamldr_ready, s->p_seamldr_ready, __ATOMIC_RELEASE);
	__atomic_store_n(&to->seam_ready, s->seam_ready, __ATOMIC_RELEASE);
}

void loader_dirty(struct machine *m)
{
	struct loader *l = loader_of(m);

	for (unsigned i = 0; i < m->cfg.pkgs; i++)
		l->key_dirty[i] = l->cache_dirty[i] = true;
	memset(l->next_key, 0, sizeof(l->next_key));
	memset(l->next_block, 0, sizeof(l->next_block));
}

bool loader_is_dirty(const struct machine *m)
{
	const struct loader *l = loader_of(m);

	for (unsigned i = 0; i < m->cfg.pkgs; i++)
		if (l->key_dirty[i] || l->cache_dirty[i])
			return true;
	return false;
}

bool loader_shared_hpa(const struct machine *m, uint64_t pa, uint64_t size)
{
	const struct machine_range *seam = &m->cfg.platform->seamrr;
	const uint64_t at = machine_strip(m, pa);

	return pa % size == 0 && pa < 1ull << m->cfg.maxpa &&
	       !(at >= seam->base && at < seam->base + seam->size) &&
	       machine_hkid_of(m, pa) < m->private_hkid_min;
}

/* Where there is no memory, all bits are set. */
void loader_read(struct machine_lp *lp, uint64_t pa, void *buf, size_t size)
{
	if (machine_read(lp, pa, buf, size))
		memset(buf, 0xff, size);
}

static uint64_t info(struct machine_lp *lp, uint64_t buffer_pa)
{
	struct machine *m = lp->m;
	struct loader *l = loader_of(m);
	struct tdx_seamldr_info out = {
		.vendor_id = LOADER_VENDOR,
		.build_date = LOADER_BUILD_DATE,
		.major_version = LOADER_MAJOR,
		.minor_version = LOADER_MINOR,
		.acm_x2apicid = m->lp[0].x2apic_id,
		.seamextend = machine_seam(m)->seamextend,
		.features0 = TDX_SEAMLDR_FEATURE_CLEANUP,
	};

	if (!loader_shared_hpa(m, buffer_pa, sizeof(out)))
		return SEAMLDR_EBADPARAM;
	/* asked anew when there seem to be none */
	if (l->remaining_updates == 0)
		l->remaining_updates = SEAMDB_ENTRIES - (uint32_t)machine_seam(m)->seamdb_index;
	out.num_remaining_updates = l->remaining_updates;
	(void)machine_write(lp, buffer_pa, &out, sizeof(out)); /* without memory there: lost */
	return SEAMLDR_SUCCESS;
}

static uint64_t seaminfo(struct machine_lp *lp, uint64_t buffer_pa)
{
	const struct machine_config *cfg = &lp->m->cfg;
	const struct machine_range *seam = &cfg->platform->seamrr;
	struct seaminfo out = {
		.num_lps = cfg->lps,
		.num_sockets = cfg->pkgs,
		.loader_base = seam->base + seam->size - LOADER_RANGE,
		.loader_size = LOADER_RANGE,
	};

	if (!loader_shared_hpa(lp->m, buffer_pa, sizeof(out)))
		return SEAMLDR_EBADPARAM;
	for (unsigned i = 0; i < cfg->pkgs && i < MAX_SOCKETS; i++)
		out.socket_cpuid[i] = machine_fms(lp->m);
	memcpy(out.cmr, cfg->cmr, cfg->ncmr * sizeof(out.cmr[0]));
	(void)machine_write(lp, buffer_pa, &out, sizeof(out));
	return SEAMLDR_SUCCESS;
}

static uint64_t call(struct machine_lp *lp, struct tdx_regs *regs,
		     const struct seamldr_module *module)
{
	switch (regs->rax) {
	case SEAMLDR_INFO:
		return info(lp, regs->rcx);
	case SEAMLDR_INSTALL:
		return loader_install(lp, regs->rcx, &regs->rdx, module);
	case SEAMLDR_SHUTDOWN:
		return loader_shutdown(lp);
	case SEAMLDR_SEAMINFO:
		return seaminfo(lp, regs->rcx);
	case SEAMLDR_CLEANUP:
		return loader_cleanup(lp);
	default:
		return SEAMLDR_EBADPARAM;
	}
}

void seamldr_seamcall(struct machine_lp *lp, struct tdx_regs *regs,
		      const struct seamldr_module *module)
{
	const struct tdx_seamextend *s = &machine_seam(lp->m)->seamextend;
	struct loader *l = loader_of(lp->m);

	if (!__atomic_load_n(&s->p_seamldr_ready, __ATOMIC_ACQUIRE) ||
	    atomic_flag_test_and_set_explicit(&l->running, memory_order_acquire)) {
		regs->rax = TDX_SEAMCALL_VMFAILINVALID;
		return;
	}
	regs->rax = call(lp, regs, module);
	atomic_flag_clear_explicit(&l->running, memory_order_release);
}
