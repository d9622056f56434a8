/* SPDX-License-Identifier: MIT */
/* Processor 1 stands in the middle of a call, holding a lock, until it is let go. */
#ifndef TESTS_VMM_HOLDER_H
#define TESTS_VMM_HOLDER_H

#include <pthread.h>
#include <sched.h>

#include "module/internal.h"
#include "module/hooks.h"
#include "vmm_setup.h"

struct holder {
	struct rig *r;
	enum lock_resource res;
	_Atomic bool held, let_go;
	void (*call)(struct holder *h);
	struct tdx_status result; /* of the call, for those who ask */
	hpa_t page;
	pthread_t thread;
};

static inline void holder_stand(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
				enum lock_mode mode, bool guest, enum lock_result result)
{
	struct holder *h = arg;

	(void)key;
	(void)guest;
	if (lp->hw->id != 1 || res != h->res || mode != LOCK_EXCLUSIVE || result != LOCK_OK)
		return;
	atomic_store(&h->held, true);
	while (!atomic_load(&h->let_go))
		sched_yield();
}

static inline void *holder_thread(void *arg)
{
	struct holder *h = arg;

	h->call(h);
	return NULL;
}

static inline void hold(struct holder *h, struct rig *r, enum lock_resource res,
			void (*call)(struct holder *h))
{
	static const struct module_hooks standing = {.acquired = holder_stand};

	h->r = r;
	h->res = res;
	h->call = call;
	atomic_store(&h->held, false);
	atomic_store(&h->let_go, false);
	module_set_hooks(r->model->sys->mod, &standing, h);
	pthread_create(&h->thread, NULL, holder_thread, h);
	while (!atomic_load(&h->held))
		sched_yield();
}

static inline void let_go(struct holder *h)
{
	atomic_store(&h->let_go, true);
	pthread_join(h->thread, NULL);
	module_set_hooks(h->r->model->sys->mod, NULL, NULL);
}

#endif
