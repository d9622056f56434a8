/* SPDX-License-Identifier: MIT */
/* KVM_GET_STATS_FD: a file that is KVM's in form, and whose numbers are counted in place: the
 * client reads what it wants when it wants. Of KVM's counters those are here that something here
 * counts; a client goes by the names in the file. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm/internal.h"

static const char *const vcpu_names[KVM_STATS] = {
	[KVM_STAT_EXITS] = "exits",	      [KVM_STAT_IO_EXITS] = "io_exits",
	[KVM_STAT_MMIO_EXITS] = "mmio_exits", [KVM_STAT_SIGNAL_EXITS] = "signal_exits",
	[KVM_STAT_HYPERCALLS] = "hypercalls", [KVM_STAT_NMI_INJECTIONS] = "nmi_injections",
};

/* Each that is asked for is done at once. */
enum { FLUSHES, FLUSH_REQUESTS, VM_STATS };
static const char *const vm_names[VM_STATS] = {
	[FLUSHES] = "remote_tlb_flush",
	[FLUSH_REQUESTS] = "remote_tlb_flush_requests",
};

struct file {
	struct kvm_stats_header head;
	char id[KVM_STATS_NAME_SIZE];
	struct kvm_stats_desc desc[KVM_STATS];
	uint64_t word[KVM_STATS];
};

static size_t words_at(unsigned n)
{
	return offsetof(struct file, desc) + n * sizeof(struct kvm_stats_desc);
}

/* Cumulative counters without a unit. */
static void fill(struct file *f, const char *id, const char *const *names, unsigned n)
{
	f->head = (struct kvm_stats_header){.name_size = KVM_STATS_NAME_SIZE,
					    .num_desc = n,
					    .id_offset = offsetof(struct file, id),
					    .desc_offset = offsetof(struct file, desc),
					    .data_offset = (uint32_t)words_at(n)};
	snprintf(f->id, sizeof(f->id), "%s", id);
	for (unsigned i = 0; i < n; i++) {
		f->desc[i] = (struct kvm_stats_desc){.size = 1, .offset = i * 8u};
		snprintf(f->desc[i].name, sizeof(f->desc[i].name), "%s", names[i]);
	}
}

/* Written through this one alone: the client's can only read. */
static int reader(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The file, unless *fd is it already. */
static int make(int *fd, const char *id, const char *const *names, unsigned n)
{
	struct file f = {0};
	int err;

	if (*fd >= 0)
		return 0;
	*fd = memfd_create(id, MFD_CLOEXEC);
	if (*fd < 0)
		return -errno;
	fill(&f, id, names, n);
	if (!ftruncate(*fd, (off_t)(words_at(n) + n * 8)) &&
	    pwrite(*fd, &f, words_at(n), 0) == (ssize_t)words_at(n))
		return 0;
	err = errno ? -errno : -EIO;
	close(*fd);
	*fd = -1;
	return err;
}

void kvm_stats_show_vm(struct kvm_vm *vm)
{
	uint64_t word[VM_STATS];

	if (vm->stats_fd < 0)
		return;
	word[FLUSHES] = word[FLUSH_REQUESTS] = vm->td ? tdx_vm_tracks(vm->td) : 0;
	(void)!pwrite(vm->stats_fd, word, sizeof(word), (off_t)words_at(VM_STATS));
}

long kvm_vm_get_stats(struct kvm_vm *vm, unsigned long arg)
{
	long r;

	(void)arg;
	pthread_mutex_lock(&vm->lock);
	r = make(&vm->stats_fd, "kvm-vm-stats", vm_names, VM_STATS);
	pthread_mutex_unlock(&vm->lock);
	kvm_stats_show_vm(vm);
	return r ? r : reader(vm->stats_fd);
}

long kvm_vcpu_get_stats(struct kvm_vcpu *v, unsigned long arg)
{
	char id[KVM_STATS_NAME_SIZE];
	long r;

	(void)arg;
	snprintf(id, sizeof(id), "kvm-vcpu-stats:%u", v->id);
	r = make(&v->stats_fd, id, vcpu_names, KVM_STATS);
	kvm_stats_show(v);
	return r ? r : reader(v->stats_fd);
}

void kvm_stats_show(struct kvm_vcpu *v)
{
	kvm_stats_show_vm(v->vm);
	if (v->stats_fd < 0)
		return;
	if (v->td)
		v->stat[KVM_STAT_EXITS] = tdx_vcpu_exits(v->td);
	(void)!pwrite(v->stats_fd, v->stat, sizeof(v->stat), (off_t)words_at(KVM_STATS));
}
