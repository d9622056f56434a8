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

struct file {
	struct kvm_stats_header head;
	char id[KVM_STATS_NAME_SIZE];
	struct kvm_stats_desc desc[KVM_STATS];
	uint64_t word[KVM_STATS];
};

/* n: how many of the names. Cumulative counters without a unit. */
static void fill(struct file *f, const char *id, unsigned n)
{
	const uint32_t data = (uint32_t)(offsetof(struct file, desc) + n * sizeof(f->desc[0]));

	f->head = (struct kvm_stats_header){.name_size = KVM_STATS_NAME_SIZE,
					    .num_desc = n,
					    .id_offset = offsetof(struct file, id),
					    .desc_offset = offsetof(struct file, desc),
					    .data_offset = data};
	snprintf(f->id, sizeof(f->id), "%s", id);
	for (unsigned i = 0; i < n; i++) {
		f->desc[i] = (struct kvm_stats_desc){.size = 1, .offset = i * 8u};
		snprintf(f->desc[i].name, sizeof(f->desc[i].name), "%s", vcpu_names[i]);
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

static int make(const char *id, unsigned n)
{
	const size_t size = offsetof(struct file, desc) + n * (sizeof(struct kvm_stats_desc) + 8);
	const int fd = memfd_create(id, MFD_CLOEXEC);
	struct file f = {0};

	if (fd < 0)
		return -errno;
	fill(&f, id, n);
	if (ftruncate(fd, (off_t)size) || pwrite(fd, &f, f.head.data_offset, 0) < 0) {
		const int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* Nothing of a VM as a whole is counted. */
long kvm_vm_get_stats(struct kvm_vm *vm, unsigned long arg)
{
	const int fd = make("kvm-vm-stats", 0);
	int theirs;

	(void)vm;
	(void)arg;
	if (fd < 0)
		return fd;
	theirs = reader(fd);
	close(fd);
	return theirs;
}

long kvm_vcpu_get_stats(struct kvm_vcpu *v, unsigned long arg)
{
	char id[KVM_STATS_NAME_SIZE];

	(void)arg;
	snprintf(id, sizeof(id), "kvm-vcpu-stats:%u", v->id);
	if (v->stats_fd < 0) {
		v->stats_fd = make(id, KVM_STATS);
		if (v->stats_fd < 0) {
			const int err = v->stats_fd;

			v->stats_fd = -1;
			return err;
		}
		kvm_stats_show(v);
	}
	return reader(v->stats_fd);
}

void kvm_stats_show(struct kvm_vcpu *v)
{
	if (v->stats_fd < 0)
		return;
	if (v->td)
		v->stat[KVM_STAT_EXITS] = tdx_vcpu_exits(v->td);
	(void)!pwrite(v->stats_fd, v->stat, sizeof(v->stat),
		      offsetof(struct file, desc) + KVM_STATS * sizeof(struct kvm_stats_desc));
}
