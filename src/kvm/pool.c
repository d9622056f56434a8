/* SPDX-License-Identifier: MIT */
/* Where guest_memfds are in the machine: ranges of its memory that show a file. The bytes of a TD's
 * private page are those of the file, so that a hole in the file is none in the machine.
 *
 * Ranges come from the monitor and stay here until the end; the next file has them again. */
#include <stdlib.h>
#include <sys/mman.h>

#include "kvm/internal.h"

enum { RANGES = 256 };

struct kvm_range_pa {
	uint64_t pa, size;
};

struct kvm_pool {
	struct kvm_range_pa lent[RANGES], free[RANGES];
	unsigned nlent, nfree;
};

static uint64_t from_free(struct kvm_pool *p, uint64_t size)
{
	for (unsigned i = 0; i < p->nfree; i++) {
		struct kvm_range_pa *r = &p->free[i];
		const uint64_t pa = r->pa;

		if (r->size < size)
			continue;
		r->pa += size;
		r->size -= size;
		if (!r->size)
			*r = p->free[--p->nfree];
		return pa;
	}
	return 0;
}

static uint64_t get(struct kvm_host *h, uint64_t size)
{
	struct kvm_pool *p = h->pool;
	uint64_t pa = from_free(p, size);
	hpa_t new;

	if (pa)
		return pa;
	if (p->nlent == RANGES || tdx_vmm_alloc(h->vmm, size / KVM_PAGE_SIZE, &new))
		return 0;
	p->lent[p->nlent++] = (struct kvm_range_pa){new.v, size};
	return new.v;
}

/* Neighbours grow together. */
static void put(struct kvm_pool *p, uint64_t pa, uint64_t size)
{
	for (unsigned i = 0; i < p->nfree;) {
		const struct kvm_range_pa r = p->free[i];

		if (r.pa + r.size != pa && pa + size != r.pa) {
			i++;
			continue;
		}
		pa = r.pa < pa ? r.pa : pa;
		size += r.size;
		p->free[i] = p->free[--p->nfree];
		i = 0;
	}
	if (p->nfree < RANGES)
		p->free[p->nfree++] = (struct kvm_range_pa){pa, size};
}

static bool show(struct kvm_host *h, uint64_t pa, uint64_t size, int fd)
{
	void *at = tdx_vmm_va(h->vmm, hpa(pa));
	const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	return mmap(at, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE, fd, 0) !=
	       MAP_FAILED;
}

uint64_t kvm_pool_map(struct kvm_host *h, int fd, uint64_t size)
{
	uint64_t pa = 0;

	pthread_mutex_lock(&h->power);
	if (!h->pool)
		h->pool = calloc(1, sizeof(*h->pool));
	if (h->pool && fd >= 0)
		pa = get(h, size);
	if (pa && !show(h, pa, size, fd)) {
		put(h->pool, pa, size);
		pa = 0;
	}
	pthread_mutex_unlock(&h->power);
	return pa;
}

void kvm_pool_unmap(struct kvm_host *h, uint64_t pa, uint64_t size)
{
	pthread_mutex_lock(&h->power);
	if (show(h, pa, size, -1))
		put(h->pool, pa, size);
	pthread_mutex_unlock(&h->power);
}

void kvm_pool_end(struct kvm_host *h)
{
	struct kvm_pool *p = h->pool;

	for (unsigned i = 0; p && i < p->nlent; i++)
		(void)tdx_vmm_dealloc(h->vmm, hpa(p->lent[i].pa), p->lent[i].size / KVM_PAGE_SIZE);
	free(p);
	h->pool = NULL;
}
