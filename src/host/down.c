/* SPDX-License-Identifier: MIT */
/* The module goes: for another one that takes over its TDs, or for good. And what memory may come
 * while it is there. */
#include "host/call.h"
#include "host/errno.h"
#include "host/internal.h"

enum { DISABLE_ROUNDS = 10000 };

int tdx_host_shutdown(struct tdx_host *host, const struct tdx_cpu *cpu, uint16_t handoff_version)
{
	struct host_state *h = host_of(host);
	int err = host_check(h, TDH_SYS_SHUTDOWN, tdh_sys_shutdown(cpu, handoff_version));

	if (err)
		return err;
	/* The next module knows no processor. */
	host_lock(h);
	h->sys_init_done = false;
	for (unsigned i = 0; i < h->ncpus; i++) {
		host_set_bit(h->initialised, i, false);
		host_set_bit(h->online, i, false);
	}
	host_unlock(h);
	return 0;
}

int tdx_host_update(struct tdx_host *host, const struct tdx_cpu *cpu, struct tdx_host_info *info)
{
	struct host_state *h = host_of(host);
	int err = host_check(h, TDH_SYS_UPDATE, tdh_sys_update(cpu));

	return err ? err : host_read_info(h, info);
}

int tdx_host_disable(struct tdx_host *host, const struct tdx_cpu *cpu)
{
	struct host_state *h = host_of(host);
	struct tdx_status s = tdx_success();

	for (unsigned i = 0; i < DISABLE_ROUNDS; i++) {
		s = tdh_sys_disable(cpu);
		/* Others may still be inside; and it is long. */
		if (!tdx_is(s, TDX_INTERRUPTED_RESUMABLE) && !tdx_is(s, TDX_SYS_BUSY))
			break;
		host_port(cpu)->ops->relax(host_port(cpu));
	}
	if (tdx_is(s, TDX_OPERAND_INVALID) && tdx_operand(s) == TDX_OPERAND_ID_RAX)
		return -EOPNOTSUPP;
	return host_check(h, TDH_SYS_DISABLE, s);
}

/* Is [at, end) without a hole of this TDMR? PAMTs are reserved, too, and are no holes. */
static bool is_usable(const struct tdx_host *host, const struct host_tdmr *t, uint64_t at,
		      uint64_t end)
{
	for (unsigned i = 0; i < t->nreserved; i++) {
		const struct tdx_range *r = &t->reserved[i];

		if (r->base.v < end && at < r->base.v + r->size && !tdx_host_is_pamt(host, r->base))
			return false;
	}
	return true;
}

bool tdx_host_memory_is_usable(const struct tdx_host *host, struct tdx_range memory)
{
	const struct host_state *h = host_of_const(host);
	uint64_t at = memory.base.v, end = at + memory.size;

	if (end <= at)
		return false;
	for (unsigned i = 0; i < h->ntdmrs && at < end; i++) {
		const struct host_tdmr *t = &h->tdmr[i];
		uint64_t here = t->base.v + t->size < end ? t->base.v + t->size : end;

		if (at < t->base.v || at >= t->base.v + t->size)
			continue;
		if (!is_usable(host, t, at, here))
			return false;
		at = here;
	}
	return at == end;
}
