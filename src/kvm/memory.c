/* SPDX-License-Identifier: MIT */
/* Guest memory: slots, the attribute of each page, guest_memfds.
 *
 * Attributes are of the VM's addresses, whatever slots there are; the monitor knows them by slot.
 * So they are kept here as ranges, and told to the monitor where there is a slot that can have
 * private pages. Shared pages are the client's memory itself. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kvm/internal.h"

#define USER_END (1ull << 47)

static bool is_page(uint64_t word)
{
	return !(word & (KVM_PAGE_SIZE - 1));
}

static bool initialised(const struct kvm_vm *vm)
{
	return vm->td && tdx_vm_state(vm->td) != TDX_VM_UNINITIALIZED;
}

/* --- what the monitor is told --- */

/* Its private pages, of one slot. */
static int tell_private(struct kvm_vm *vm, const struct kvm_slot *s, uint64_t first, uint64_t end,
			bool private_)
{
	const uint64_t slot_first = s->gpa >> 12, slot_end = (s->gpa + s->size) >> 12;

	if (!s->size || !(s->flags & KVM_REGION_GUEST_MEMFD))
		return 0;
	first = first > slot_first ? first : slot_first;
	end = end < slot_end ? end : slot_end;
	if (first >= end)
		return 0;
	if (!private_ && s->memory->pa && vm->nleft < KVM_LEFT)
		vm->left[vm->nleft++] =
			(struct kvm_left){s->memory, (first << 12) - s->gpa + s->offset,
					  (end << 12) - s->gpa + s->offset};
	return tdx_vm_set_private(vm->td, gpa(first << 12), (end - first) << 12, private_);
}

static int tell_slot(struct kvm_vm *vm, unsigned i)
{
	const struct kvm_slot *s = &vm->slot[i];
	int err =
		tdx_vm_set_user_memslot(vm->td, i, gpa(s->gpa), s->size, (void *)(uintptr_t)s->user,
					s->flags & KVM_REGION_GUEST_MEMFD);

	if (!err && s->memory && s->memory->pa)
		err = tdx_vm_back_memslot(vm->td, i, hpa(s->memory->pa + s->offset));
	for (size_t k = 0; k < vm->nprivate && !err; k++)
		err = tell_private(vm, s, vm->private_[k].first, vm->private_[k].end, true);
	return err;
}

int kvm_memory_begin(struct kvm_vm *vm)
{
	int err = 0;

	for (unsigned i = 0; i < KVM_SLOTS && !err; i++)
		if (vm->slot[i].size)
			err = tell_slot(vm, i);
	return err;
}

void kvm_memory_end(struct kvm_vm *vm, bool clean)
{
	free(vm->private_);
	if (vm->holes >= 0)
		close(vm->holes);
	while (vm->memories) {
		struct kvm_memory *m = vm->memories;

		vm->memories = m->next;
		if (m->pa && clean)
			kvm_pool_unmap(vm->host, m->pa, m->size);
		free(m);
	}
}

/* --- attributes --- */

/* The ranges with [first, end) added or taken away; NULL: no memory. */
static struct kvm_range *changed(const struct kvm_vm *vm, uint64_t first, uint64_t end, bool add,
				 size_t *n)
{
	struct kvm_range *to = malloc((vm->nprivate + 2) * sizeof(*to));
	struct kvm_range whole = {first, end};
	bool placed = !add;

	*n = 0;
	for (size_t i = 0; to && i < vm->nprivate; i++) {
		const struct kvm_range r = vm->private_[i];

		if (add && r.first <= whole.end && whole.first <= r.end) { /* they join */
			whole.first = r.first < whole.first ? r.first : whole.first;
			whole.end = r.end > whole.end ? r.end : whole.end;
			continue;
		}
		if (!placed && r.first > whole.end) {
			to[(*n)++] = whole;
			placed = true;
		}
		if (add || r.end <= first || end <= r.first) {
			to[(*n)++] = r;
			continue;
		}
		if (r.first < first)
			to[(*n)++] = (struct kvm_range){r.first, first};
		if (end < r.end)
			to[(*n)++] = (struct kvm_range){end, r.end};
	}
	if (to && !placed)
		to[(*n)++] = whole;
	return to;
}

static int set_attributes(struct kvm_vm *vm, uint64_t first, uint64_t end, bool private_)
{
	struct kvm_range *to;
	size_t n;
	int err = 0;

	to = changed(vm, first, end, private_, &n);
	if (!to)
		return -ENOMEM;
	free(vm->private_);
	vm->private_ = to;
	vm->nprivate = n;
	for (unsigned i = 0; initialised(vm) && i < KVM_SLOTS && !err; i++)
		err = tell_private(vm, &vm->slot[i], first, end, private_);
	return err;
}

long kvm_vm_set_attributes(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_attributes a;
	long r;

	if (kvm_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.flags || a.attributes & ~(vm->td ? KVM_ATTRIBUTE_PRIVATE : 0))
		return -EINVAL;
	if (!a.size || a.address + a.size < a.address || !is_page(a.address) || !is_page(a.size))
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	r = set_attributes(vm, a.address >> 12, (a.address + a.size) >> 12, a.attributes != 0);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static bool is_private(const struct kvm_vm *vm, uint64_t page)
{
	for (size_t i = 0; i < vm->nprivate; i++)
		if (page >= vm->private_[i].first && page < vm->private_[i].end)
			return true;
	return false;
}

bool kvm_memory_has_slot(struct kvm_vm *vm, uint64_t at)
{
	bool found = false;

	pthread_mutex_lock(&vm->lock);
	for (unsigned i = 0; i < KVM_SLOTS && !found; i++)
		found = at - vm->slot[i].gpa < vm->slot[i].size;
	pthread_mutex_unlock(&vm->lock);
	return found;
}

bool kvm_memory_is_private(struct kvm_vm *vm, uint64_t at)
{
	for (unsigned i = 0; i < KVM_SLOTS; i++)
		if (at - vm->slot[i].gpa < vm->slot[i].size)
			return vm->slot[i].flags & KVM_REGION_GUEST_MEMFD &&
			       is_private(vm, at >> 12);
	return false;
}

/* --- guest_memfd --- */

/* fallocate() is the kernel's, and tells those who watch the file. */
static void watch_holes(struct kvm_vm *vm, const struct kvm_memory *m)
{
	char path[32];

	if (!m->pa)
		return;
	if (vm->holes < 0)
		vm->holes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m->object.own);
	if (vm->holes >= 0)
		(void)inotify_add_watch(vm->holes, path, IN_MODIFY);
}

/* A page that the guest has is in the file: it was written when it was added or accepted. */
static void take_holes(struct kvm_vm *vm, const struct kvm_slot *s)
{
	const uint64_t end = s->offset + s->size;
	const int fd = s->memory->object.own;
	off_t hole, data = (off_t)s->offset;

	for (; (uint64_t)data < end; data = data < 0 ? (off_t)end : data) {
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0 || (uint64_t)hole >= end)
			return;
		data = lseek(fd, hole, SEEK_DATA);
		if (data < 0 || (uint64_t)data > end)
			data = (off_t)end;
		(void)tdx_vm_zap_private(vm->td, gpa(s->gpa + (uint64_t)hole - s->offset),
					 (uint64_t)(data - hole));
	}
}

/* Holes that say nothing new: the client converts memory first and frees it then. */
static unsigned explained(struct kvm_vm *vm)
{
	unsigned n = 0;

	for (unsigned i = 0; i < vm->nleft; i++) {
		const struct kvm_left *l = &vm->left[i];
		const off_t data = lseek(l->memory->object.own, (off_t)l->first, SEEK_DATA);

		n += data < 0 || (uint64_t)data >= l->end;
	}
	vm->nleft = 0;
	return n;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* A look goes over whole files: it takes a twentieth of the time at most. */
static void look_for_holes(struct kvm_vm *vm)
{
	const uint64_t start = now_ns();

	if (start < vm->next_look_ns)
		return;
	vm->look_for_holes = false;
	for (unsigned i = 0; i < KVM_SLOTS; i++)
		if (vm->slot[i].size && vm->slot[i].memory && vm->slot[i].memory->pa)
			take_holes(vm, &vm->slot[i]);
	vm->next_look_ns = now_ns() + 20 * (now_ns() - start);
}

void kvm_memory_holes(struct kvm_vm *vm)
{
	struct inotify_event event[64]; /* of files, without names */
	ssize_t n;
	unsigned made = 0;

	if (vm->holes < 0)
		return;
	while ((n = read(vm->holes, event, sizeof(event))) > 0)
		made += (unsigned)((size_t)n / sizeof(event[0]));
	if (!made && !vm->look_for_holes)
		return;
	pthread_mutex_lock(&vm->lock);
	if (made && made > explained(vm))
		vm->look_for_holes = true;
	if (vm->look_for_holes)
		look_for_holes(vm);
	pthread_mutex_unlock(&vm->lock);
}

/* The client says so itself: nothing is to be looked for. */
static void punched(struct kvm_vm *vm, const struct kvm_memory *m, uint64_t first, uint64_t end)
{
	bool known = false;

	for (unsigned i = 0; i < KVM_SLOTS && initialised(vm); i++) {
		const struct kvm_slot *s = &vm->slot[i];
		const uint64_t from = first > s->offset ? first : s->offset;
		const uint64_t to = end < s->offset + s->size ? end : s->offset + s->size;

		if (s->size && s->memory == m && from < to)
			(void)tdx_vm_zap_private(vm->td, gpa(s->gpa + from - s->offset), to - from);
	}
	for (unsigned i = 0; i < vm->nleft && !known; i++)
		known = vm->left[i].memory == m && vm->left[i].first == first &&
			vm->left[i].end == end;
	if (!known && m->pa && vm->nleft < KVM_LEFT)
		vm->left[vm->nleft++] = (struct kvm_left){m, first, end};
}

static long allocate(struct kvm_memory *m, int fd, int mode, uint64_t offset, uint64_t len)
{
	struct kvm_vm *vm = m->vm;
	const bool punch = mode & FALLOC_FL_PUNCH_HOLE;

	if (!(mode & FALLOC_FL_KEEP_SIZE) || mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (!is_page(offset) || !is_page(len))
		return -EINVAL;
	if (!punch && (offset > m->size || len > m->size - offset))
		return -EINVAL;
	if (syscall(SYS_fallocate, fd, mode, offset, len))
		return -errno;
	if (!punch || vm->pid != getpid() || kvm_vm_is_dead(vm))
		return 0;
	pthread_mutex_lock(&vm->lock);
	punched(vm, m, offset, offset + len);
	pthread_mutex_unlock(&vm->lock);
	return 0;
}

long kvm_fallocate(struct kvm_host *h, int fd, int mode, int64_t offset, int64_t len, bool *ours)
{
	struct kvm_object *o = kvm_object_get(h, fd);
	long r = -EBADF;

	*ours = o && o->kind == KVM_MEMORY;
	if (*ours && (offset < 0 || len <= 0 || offset > INT64_MAX - len))
		r = -EINVAL;
	else if (*ours)
		r = allocate((struct kvm_memory *)o, fd, mode, (uint64_t)offset, (uint64_t)len);
	if (o)
		kvm_object_put(h, o);
	return r;
}

long kvm_vm_create_memory(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_guest_memfd g;
	struct kvm_memory *m;
	int fd;

	if (!vm->td)
		return -ENOTTY;
	if (kvm_from_user(&g, arg, sizeof(g)))
		return -EFAULT;
	if (g.flags & ~(uint64_t)KVM_GUEST_MEMFD_MMAP || (int64_t)g.size <= 0 || !is_page(g.size))
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->vm = vm;
	m->size = g.size;
	pthread_mutex_lock(&vm->lock);
	fd = kvm_object_open(vm->host, &m->object, KVM_MEMORY, "kvm-gmem", g.size, false);
	if (fd >= 0) {
		(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
		m->pa = kvm_pool_map(vm->host, m->object.own, m->size);
		watch_holes(vm, m);
		m->next = vm->memories;
		vm->memories = m;
	}
	pthread_mutex_unlock(&vm->lock);
	if (fd < 0)
		free(m);
	return fd;
}

/* The guest_memfd that a slot names, and that the range of it is another slot's not. */
static int bind_memory(struct kvm_vm *vm, struct kvm_slot *s, uint32_t fd)
{
	struct kvm_object *o = kvm_object_get(vm->host, (int)fd);
	struct kvm_memory *m = (struct kvm_memory *)o;
	struct stat st;
	int err = 0;

	if (!o)
		return fstat((int)fd, &st) ? -EBADF : -EINVAL;
	if (o->kind != KVM_MEMORY || m->vm != vm || (int64_t)s->offset < 0 ||
	    s->offset + s->size > m->size)
		err = -EINVAL;
	for (unsigned i = 0; i < KVM_SLOTS && !err; i++) {
		const struct kvm_slot *other = &vm->slot[i];

		if (other->size && other->memory == m && s->offset < other->offset + other->size &&
		    other->offset < s->offset + s->size)
			err = -EINVAL;
	}
	s->memory = m;
	kvm_object_put(vm->host, o);
	return err;
}

/* --- slots --- */

static int check_flags(const struct kvm_vm *vm, uint32_t flags)
{
	uint32_t valid = KVM_REGION_LOG_DIRTY;

	if (vm->td)
		valid |= KVM_REGION_GUEST_MEMFD;
	else
		valid |= KVM_REGION_READONLY;
	if (flags & KVM_REGION_GUEST_MEMFD)
		valid &= ~(uint32_t)KVM_REGION_LOG_DIRTY;
	return flags & ~valid ? -EINVAL : 0;
}

static int check(const struct kvm_vm *vm, const struct kvm_memory_region2 *m)
{
	const struct kvm_memory_region *r = &m->r;

	if (check_flags(vm, r->flags) || !is_page(r->memory_size) || !is_page(r->guest_phys_addr) ||
	    !is_page(r->userspace_addr))
		return -EINVAL;
	if (r->userspace_addr > USER_END || r->memory_size > USER_END - r->userspace_addr)
		return -EINVAL;
	if (r->flags & KVM_REGION_GUEST_MEMFD &&
	    (!is_page(m->guest_memfd_offset) ||
	     m->guest_memfd_offset + r->memory_size < m->guest_memfd_offset))
		return -EINVAL;
	/* One address space; its number is in the upper half. */
	if (r->slot >= KVM_SLOTS || r->guest_phys_addr + r->memory_size < r->guest_phys_addr ||
	    r->memory_size >> 12 > KVM_LIMIT_SLOT_PAGES)
		return -EINVAL;
	return 0;
}

static bool overlaps(const struct kvm_vm *vm, unsigned but, uint64_t first, uint64_t end)
{
	for (unsigned i = 0; i < KVM_SLOTS; i++) {
		const struct kvm_slot *s = &vm->slot[i];

		if (i != but && s->size && first < s->gpa + s->size && s->gpa < end)
			return true;
	}
	return false;
}

static int delete (struct kvm_vm *vm, unsigned i)
{
	int err;

	if (!vm->slot[i].size)
		return -EINVAL;
	err = initialised(vm) ? tdx_vm_set_memslot(vm->td, i, gpa(vm->slot[i].gpa), 0) : 0;
	vm->slot[i] = (struct kvm_slot){0};
	return err;
}

/* A slot that is there: 1 when nothing is to be done, 0 when it moves. */
static int change(const struct kvm_slot *s, const struct kvm_memory_region *r)
{
	if (r->flags & KVM_REGION_GUEST_MEMFD || r->userspace_addr != s->user ||
	    r->memory_size != s->size ||
	    (r->flags ^ s->flags) & (KVM_REGION_READONLY | KVM_REGION_GUEST_MEMFD))
		return -EINVAL;
	return r->guest_phys_addr == s->gpa;
}

static int set_region(struct kvm_vm *vm, const struct kvm_memory_region2 *m)
{
	const struct kvm_memory_region *r = &m->r;
	struct kvm_slot *s = &vm->slot[r->slot < KVM_SLOTS ? r->slot : 0], new;
	const uint64_t end = r->guest_phys_addr + r->memory_size;
	int err = check(vm, m), same = 0;

	if (err)
		return err;
	if (!r->memory_size)
		return delete (vm, r->slot);
	if (s->size) {
		same = change(s, r);
		if (same < 0)
			return same;
		if (same) {
			s->flags = r->flags;
			return 0;
		}
	}
	if (overlaps(vm, r->slot, r->guest_phys_addr, end))
		return -EEXIST;
	new = (struct kvm_slot){.gpa = r->guest_phys_addr,
				.size = r->memory_size,
				.user = r->userspace_addr,
				.flags = r->flags,
				.offset = m->guest_memfd_offset};
	if (r->flags & KVM_REGION_GUEST_MEMFD)
		err = bind_memory(vm, &new, m->guest_memfd);
	if (!err && initialised(vm) && end > tdx_vm_shared_bit(vm->td).v)
		err = -EINVAL;
	if (!err && s->size)
		err = delete (vm, r->slot);
	if (err)
		return err;
	*s = new;
	err = initialised(vm) ? tell_slot(vm, r->slot) : 0;
	if (err)
		*s = (struct kvm_slot){0};
	return err;
}

static long set_region_locked(struct kvm_vm *vm, const struct kvm_memory_region2 *m)
{
	long r;

	pthread_mutex_lock(&vm->lock);
	r = set_region(vm, m);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

long kvm_vm_set_region(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_memory_region2 m = {0};

	if (kvm_from_user(&m.r, arg, sizeof(m.r)))
		return -EFAULT;
	if (m.r.flags & ~(uint32_t)(KVM_REGION_LOG_DIRTY | KVM_REGION_READONLY))
		return -EINVAL;
	return set_region_locked(vm, &m);
}

long kvm_vm_set_region2(struct kvm_vm *vm, unsigned long arg)
{
	struct kvm_memory_region2 m;

	if (kvm_from_user(&m, arg, sizeof(m)))
		return -EFAULT;
	return set_region_locked(vm, &m);
}
