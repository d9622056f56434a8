/* SPDX-License-Identifier: MIT */
/* irqfd: an eventfd that is an interrupt; a thread waits for all of a VM's. ioeventfd: a write of
 * the guest's that is an eventfd. The client may close its descriptors: ours are duplicates. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm/internal.h"

enum { EVENTS = 16 };

/* The kernel's number of an eventfd: the same for all descriptors of one. 0; -EBADF: no descriptor;
 * -EINVAL: not an eventfd. */
static int identify(int fd, uint64_t *id)
{
	char path[48], line[64];
	bool found = false;
	FILE *f;

	if (fcntl(fd, F_GETFD) < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		if (!strncmp(line, "eventfd-id:", 11)) {
			*id = strtoull(line + 11, NULL, 10);
			found = true;
		}
	if (f)
		fclose(f);
	return found ? 0 : -EINVAL;
}

static int make(int fd, struct kvm_eventfd **out)
{
	struct kvm_eventfd *e;
	uint64_t id;
	int err = identify(fd, &id);

	*out = NULL;
	if (err)
		return err;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->id = id;
	e->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (e->fd < 0) {
		err = -errno;
		free(e);
		return err;
	}
	*out = e;
	return 0;
}

static void drop(struct kvm_eventfd *e)
{
	close(e->fd);
	free(e);
}

/* --- irqfd --- */

/* What is signalled now, if it still is: somebody else may have read it. */
static bool take(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t count;

	return poll(&p, 1, 0) == 1 && read(fd, &count, sizeof(count)) == sizeof(count);
}

static void *wait_for_irqfds(void *arg)
{
	struct kvm_vm *vm = arg;
	struct epoll_event ev[EVENTS];

	for (;;) {
		int n = epoll_wait(vm->epoll, ev, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			return NULL;
		for (int i = 0; i < n; i++) {
			uint32_t gsi = 0;
			bool raised = false;

			if (ev[i].data.u64 == 0)
				return NULL; /* the VM ends */
			pthread_mutex_lock(&vm->irq_lock);
			for (struct kvm_eventfd *e = vm->irqfds; e; e = e->next)
				if (e->id + 1 == ev[i].data.u64) {
					raised = take(e->fd);
					gsi = e->gsi;
				}
			pthread_mutex_unlock(&vm->irq_lock);
			if (raised)
				kvm_irq_set(vm, gsi, true);
		}
	}
}

static int start_thread(struct kvm_vm *vm)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0};

	if (vm->epoll >= 0)
		return 0;
	vm->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vm->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (vm->stop >= 0 && vm->epoll >= 0 &&
	    !epoll_ctl(vm->epoll, EPOLL_CTL_ADD, vm->stop, &ev) &&
	    !kvm_thread(&vm->irq_thread, wait_for_irqfds, vm))
		return 0;
	if (vm->stop >= 0)
		close(vm->stop);
	if (vm->epoll >= 0)
		close(vm->epoll);
	vm->stop = vm->epoll = -1;
	return -ENOMEM;
}

static int assign_irqfd(struct kvm_vm *vm, const struct kvm_irqfd *a)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct kvm_eventfd *e, *other;
	int err;

	if (!vm->split)
		return -EAGAIN;
	if (a->flags & KVM_IRQFD_RESAMPLE)
		return -EINVAL; /* for an I/O APIC in the kernel */
	err = make((int)a->fd, &e);
	if (err || !e)
		return err;
	if (start_thread(vm)) {
		drop(e);
		return -ENOMEM;
	}
	e->gsi = a->gsi;
	ev.data.u64 = e->id + 1;
	pthread_mutex_lock(&vm->irq_lock);
	for (other = vm->irqfds; other && other->id != e->id; other = other->next)
		;
	if (other)
		err = -EBUSY;
	else if (epoll_ctl(vm->epoll, EPOLL_CTL_ADD, e->fd, &ev))
		err = -errno;
	if (!err) {
		e->next = vm->irqfds;
		vm->irqfds = e;
	}
	pthread_mutex_unlock(&vm->irq_lock);
	if (err)
		drop(e);
	return err;
}

static int deassign_irqfd(struct kvm_vm *vm, const struct kvm_irqfd *a)
{
	struct kvm_eventfd **p, *gone = NULL;
	uint64_t id;
	int err = identify((int)a->fd, &id);

	if (err)
		return err;
	pthread_mutex_lock(&vm->irq_lock);
	for (p = &vm->irqfds; *p && ((*p)->id != id || (*p)->gsi != a->gsi); p = &(*p)->next)
		;
	if (*p) {
		gone = *p;
		*p = gone->next;
		epoll_ctl(vm->epoll, EPOLL_CTL_DEL, gone->fd, NULL);
	}
	pthread_mutex_unlock(&vm->irq_lock);
	if (gone)
		drop(gone);
	return 0;
}

long kvm_vm_irqfd(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_irqfd a;
	long r;

	if (kvm_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~(uint32_t)(KVM_IRQFD_DEASSIGN | KVM_IRQFD_RESAMPLE))
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	r = a.flags & KVM_IRQFD_DEASSIGN ? deassign_irqfd(vm, &a) : assign_irqfd(vm, &a);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

/* --- ioeventfd --- */

static bool same_bus(const struct kvm_ioeventfd *a, const struct kvm_ioeventfd *b)
{
	return !((a->flags ^ b->flags) & KVM_IOEVENTFD_PIO);
}

/* Would one write be for both? */
static bool collides(const struct kvm_ioeventfd *a, const struct kvm_ioeventfd *b)
{
	if (!same_bus(a, b) || a->addr != b->addr)
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len &&
	       (!(a->flags & b->flags & KVM_IOEVENTFD_DATAMATCH) || a->datamatch == b->datamatch);
}

static int assign_ioeventfd(struct kvm_vm *vm, const struct kvm_ioeventfd *a)
{
	struct kvm_eventfd *e, *other;
	int err = make(a->fd, &e);

	if (err || !e)
		return err;
	e->io = *a;
	pthread_mutex_lock(&vm->irq_lock);
	for (other = vm->ioeventfds; other && !collides(&other->io, a); other = other->next)
		;
	if (!other) {
		e->next = vm->ioeventfds;
		vm->ioeventfds = e;
		atomic_fetch_add(&vm->nioeventfds, 1);
	}
	pthread_mutex_unlock(&vm->irq_lock);
	if (other)
		drop(e);
	return other ? -EEXIST : 0;
}

static bool is_same(const struct kvm_eventfd *e, uint64_t id, const struct kvm_ioeventfd *a)
{
	const uint32_t match = KVM_IOEVENTFD_DATAMATCH;

	return e->id == id && same_bus(&e->io, a) && e->io.addr == a->addr && e->io.len == a->len &&
	       !((e->io.flags ^ a->flags) & match) &&
	       (!(a->flags & match) || e->io.datamatch == a->datamatch);
}

static int deassign_ioeventfd(struct kvm_vm *vm, const struct kvm_ioeventfd *a)
{
	struct kvm_eventfd **p, *gone;
	uint64_t id;
	int err = identify(a->fd, &id);

	if (err)
		return err;
	pthread_mutex_lock(&vm->irq_lock);
	for (p = &vm->ioeventfds; *p && !is_same(*p, id, a); p = &(*p)->next)
		;
	gone = *p;
	if (gone) {
		*p = gone->next;
		atomic_fetch_sub(&vm->nioeventfds, 1);
	}
	pthread_mutex_unlock(&vm->irq_lock);
	if (!gone)
		return -ENOENT;
	drop(gone);
	return 0;
}

long kvm_vm_ioeventfd(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_ioeventfd a;
	long r;

	if (kvm_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	pthread_mutex_lock(&vm->lock);
	if (a.flags & KVM_IOEVENTFD_DEASSIGN)
		r = deassign_ioeventfd(vm, &a);
	else if ((a.len && (a.len > 8 || a.len & (a.len - 1))) || a.addr + a.len < a.addr ||
		 a.flags & ~(uint32_t)(KVM_IOEVENTFD_DATAMATCH | KVM_IOEVENTFD_PIO |
				       KVM_IOEVENTFD_DEASSIGN | KVM_IOEVENTFD_CCW) ||
		 (!a.len && a.flags & KVM_IOEVENTFD_DATAMATCH))
		r = -EINVAL;
	else
		r = assign_ioeventfd(vm, &a);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

bool kvm_ioeventfd_write(struct kvm_vm *vm, bool pio, uint64_t addr, unsigned len, uint64_t data)
{
	const uint64_t one = 1;
	bool found = false;

	if (!atomic_load_explicit(&vm->nioeventfds, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&vm->irq_lock);
	for (const struct kvm_eventfd *e = vm->ioeventfds; e && !found; e = e->next) {
		found = e->io.addr == addr && !(e->io.flags & KVM_IOEVENTFD_PIO) == !pio &&
			(!e->io.len ||
			 (e->io.len == len &&
			  (!(e->io.flags & KVM_IOEVENTFD_DATAMATCH) || e->io.datamatch == data)));
		if (found)
			(void)!write(e->fd, &one, sizeof(one)); /* full: it is signalled */
	}
	pthread_mutex_unlock(&vm->irq_lock);
	return found;
}

void kvm_irq_end(struct kvm_vm *vm)
{
	const uint64_t one = 1;

	if (vm->epoll >= 0) {
		(void)!write(vm->stop, &one, sizeof(one));
		pthread_join(vm->irq_thread, NULL);
		close(vm->epoll);
		close(vm->stop);
	}
	while (vm->irqfds || vm->ioeventfds) {
		struct kvm_eventfd **list = vm->irqfds ? &vm->irqfds : &vm->ioeventfds, *e = *list;

		*list = e->next;
		drop(e);
	}
	free(vm->routes);
	vm->routes = NULL;
}
