/* SPDX-License-Identifier: MIT */
/* All of one process: the monitor, once somebody needs it, the VMs, and what was asked in vain. */
#include <fcntl.h>
#include <stdarg.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kvm/internal.h"

enum { END_STEPS = 1000 };

struct kvm_host *kvm_host_new(const struct kvm_host_config *cfg)
{
	struct kvm_host *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->cfg = *cfg;
	if (h->cfg.nanswers > KVM_ANSWERS)
		h->cfg.nanswers = KVM_ANSWERS;
	for (unsigned i = 0; i < h->cfg.nanswers; i++)
		h->answer[i] = cfg->answers[i];
	if (!h->cfg.vcpus || h->cfg.vcpus > KVM_MAX_VCPUS)
		h->cfg.vcpus = KVM_MAX_VCPUS;
	pthread_mutex_init(&h->power, NULL);
	pthread_mutex_init(&h->table, NULL);
	pthread_cond_init(&h->unused, NULL);
	return h;
}

static void free_systems(struct kvm_host *h)
{
	for (unsigned i = 0; i < KVM_BUCKETS; i++)
		while (h->bucket[i]) {
			struct kvm_object *o = h->bucket[i];

			kvm_object_close(h, o);
			free(o);
		}
}

/* Those that are being torn down are gone when this returns, too. */
static void end_vms(struct kvm_host *h)
{
	struct kvm_vm *vm;

	do {
		bool mine;

		pthread_mutex_lock(&h->table);
		vm = h->vms; /* it is there as long as it is listed */
		mine = vm && kvm_vm_take(vm);
		pthread_mutex_unlock(&h->table);
		if (mine)
			kvm_vm_free(vm);
		else
			sched_yield();
	} while (vm);
}

/* Calls in progress; whoever is in a vCPU is told to come out. */
static unsigned calls(struct kvm_host *h)
{
	unsigned n = 0;

	pthread_mutex_lock(&h->table);
	for (unsigned i = 0; i < KVM_BUCKETS; i++)
		for (const struct kvm_object *o = h->bucket[i]; o; o = o->next) {
			const struct kvm_vcpu *v = (const struct kvm_vcpu *)o;

			n += atomic_load(&o->users);
			if (o->kind == KVM_VCPU && v->td && v->initialized)
				tdx_vcpu_kick(v->td);
		}
	pthread_mutex_unlock(&h->table);
	return n;
}

bool kvm_host_end(struct kvm_host *h)
{
	const struct timespec step = {0, 2000000};

	atomic_store(&h->ending, true);
	for (unsigned i = 0; calls(h); i++) {
		if (i == END_STEPS)
			return false;
		nanosleep(&step, NULL);
	}
	end_vms(h);
	kvm_pool_end(h);
	return true;
}

void kvm_host_free(struct kvm_host *h)
{
	if (!h)
		return;
	end_vms(h);
	kvm_pool_end(h);
	free_systems(h);
	pthread_cond_destroy(&h->unused);
	pthread_mutex_destroy(&h->table);
	pthread_mutex_destroy(&h->power);
	free(h);
}

int kvm_host_power(struct kvm_host *h, struct tdx_vmm **vmm)
{
	int err = 0;

	pthread_mutex_lock(&h->power);
	if (!h->vmm)
		err = h->cfg.power_on(h->cfg.arg, &h->vmm);
	*vmm = h->vmm;
	pthread_mutex_unlock(&h->power);
	return err;
}

uint64_t kvm_host_xfam(const struct kvm_host *h)
{
	return h->cfg.xfam | (h->cfg.vectors ? h->cfg.vectors(h->cfg.arg) : 0);
}

void kvm_host_log(struct kvm_host *h, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (!h->cfg.log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	h->cfg.log(h->cfg.arg, line);
}

unsigned kvm_host_vms(struct kvm_host *h)
{
	unsigned n = 0;

	pthread_mutex_lock(&h->table);
	for (const struct kvm_vm *vm = h->vms; vm; vm = vm->next)
		n++;
	pthread_mutex_unlock(&h->table);
	return n;
}

/* Once each, and only so many: a client may ask for anything. */
void kvm_host_note(struct kvm_host *h, enum kvm_kind kind, unsigned long what, bool cap)
{
	unsigned i = 0;

	pthread_mutex_lock(&h->table);
	while (i < h->nmissing && (h->missing[i].kind != kind || h->missing[i].what != what ||
				   h->missing[i].cap != cap))
		i++;
	if (i == h->nmissing && i < KVM_MISSING)
		h->missing[h->nmissing++] = (struct kvm_missing){kind, what, cap};
	pthread_mutex_unlock(&h->table);
}

void kvm_host_missing(struct kvm_host *h, unsigned i, char *text, size_t len)
{
	static const char *const on[] = {"/dev/kvm", "a VM", "a vCPU", "a guest_memfd"};
	struct kvm_missing m = {0};
	bool there;

	pthread_mutex_lock(&h->table);
	there = i < h->nmissing;
	if (there)
		m = h->missing[i];
	pthread_mutex_unlock(&h->table);
	if (!there)
		snprintf(text, len, "%s", "");
	else if (m.cap)
		snprintf(text, len, "capability %lu, asked of %s: 0", m.what, on[m.kind]);
	else
		snprintf(text, len, "request 0x%lx (%s) on %s", m.what,
			 kvm_request_name(m.kind, m.what), on[m.kind]);
}

/* An earlier open of /dev/kvm that is closed makes room. */
static void sweep(struct kvm_host *h)
{
	for (unsigned i = 0; i < KVM_BUCKETS; i++) {
		struct kvm_object *o;

		pthread_mutex_lock(&h->table);
		for (o = h->bucket[i]; o; o = o->next)
			if (o->kind == KVM_SYSTEM && !atomic_load(&o->users) &&
			    kvm_object_is_closed(o))
				break;
		pthread_mutex_unlock(&h->table);
		if (!o)
			continue;
		kvm_object_close(h, o);
		free(o);
	}
}

int kvm_open(struct kvm_host *h, int flags)
{
	struct kvm_system *s = calloc(1, sizeof(*s));
	int fd;

	if (!s)
		return -ENOMEM;
	s->host = h;
	sweep(h);
	fd = kvm_object_open(h, &s->object, KVM_SYSTEM, "kvm", 0, (flags & O_CLOEXEC) != 0);
	if (fd < 0)
		free(s);
	return fd;
}
