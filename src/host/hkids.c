/* SPDX-License-Identifier: MIT */
/* The private KeyIDs that TDs can have. The pool is the host's because it alone can say whether a
 * package may lose its last processor. */
#include "host/errno.h"
#include "host/internal.h"

static unsigned pool_size(const struct host_state *h)
{
	unsigned n = h->num_hkids - 1;

	return n < HOST_MAX_HKIDS ? n : HOST_MAX_HKIDS;
}

unsigned tdx_host_hkids(const struct tdx_host *host, unsigned *used)
{
	const struct host_state *h = host_of_const(host);

	if (used)
		*used = __atomic_load_n(&h->hkids_used, __ATOMIC_RELAXED);
	return pool_size(h);
}

/* Every package that there is has a processor that can program its key. */
static bool packages_are_served(const struct host_state *h)
{
	for (unsigned i = 0; i < h->ncpus; i++) {
		bool served = false;

		for (unsigned k = 0; k < h->ncpus && !served; k++)
			served = host_bit(h->online, k) &&
				 h->cpus[k]->ops->package(h->cpus[k]) ==
					 h->cpus[i]->ops->package(h->cpus[i]);
		if (!served)
			return false;
	}
	return true;
}

int tdx_host_hkid_get(struct tdx_host *host, tdx_hkid_t *k)
{
	struct host_state *h = host_of(host);
	int err = -ENOSPC;

	host_lock(h);
	if (!packages_are_served(h))
		err = -EIO;
	for (unsigned i = 0; i < pool_size(h) && err == -ENOSPC; i++)
		if (!host_bit(h->hkid_used, i)) {
			host_set_bit(h->hkid_used, i, true);
			__atomic_fetch_add(&h->hkids_used, 1, __ATOMIC_RELAXED);
			*k = hkid(h->global_hkid.v + 1u + i);
			err = 0;
		}
	host_unlock(h);
	return err;
}

void tdx_host_hkid_put(struct tdx_host *host, tdx_hkid_t k)
{
	struct host_state *h = host_of(host);
	unsigned i = k.v - h->global_hkid.v - 1u;

	host_lock(h);
	if (i < pool_size(h) && host_bit(h->hkid_used, i)) {
		host_set_bit(h->hkid_used, i, false);
		__atomic_fetch_sub(&h->hkids_used, 1, __ATOMIC_RELAXED);
	}
	host_unlock(h);
}
