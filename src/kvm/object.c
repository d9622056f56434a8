/* SPDX-License-Identifier: MIT */
/* Descriptors: found by the inode of their memfd, however often they were duplicated, and known to
 * be closed by a lock.
 *
 * The client's open file holds flock(LOCK_EX); the kernel drops that when the last descriptor,
 * mapping and copy in other processes is gone. Ours is another open of the file, through which the
 * lock can be waited for. No hook of close() or munmap() could see that much. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm/internal.h"

static struct kvm_object **bucket_of(struct kvm_host *h, uint64_t ino)
{
	return &h->bucket[ino % KVM_BUCKETS];
}

/* Not through open(): a preloaded client's goes through us. The client gets this one: of it, unlike
 * of what memfd_create() gives, the kernel tells who watches the file that a hole was made. */
static int open_again(int fd, bool cloexec)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | (cloexec ? O_CLOEXEC : 0));
}

int kvm_object_open(struct kvm_host *h, struct kvm_object *o, enum kvm_kind kind, const char *name,
		    uint64_t size, bool cloexec)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), theirs;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) || fstat(fd, &st)) {
		int err = -errno;

		close(fd);
		return err;
	}
	o->kind = kind;
	o->dev = st.st_dev;
	o->ino = st.st_ino;
	theirs = open_again(fd, cloexec);
	o->own = theirs >= 0 ? fd : -1;
	if (theirs < 0)
		theirs = fd; /* without /proc there is one, and nobody knows when it is closed */
	atomic_store(&o->users, 0);
	if (o->own >= 0)
		(void)flock(theirs, LOCK_EX);
	pthread_mutex_lock(&h->table);
	o->next = *bucket_of(h, o->ino);
	*bucket_of(h, o->ino) = o;
	pthread_mutex_unlock(&h->table);
	return theirs;
}

struct kvm_object *kvm_object_get(struct kvm_host *h, int fd)
{
	struct kvm_object *o;
	struct stat st;

	if (fstat(fd, &st))
		return NULL;
	pthread_mutex_lock(&h->table);
	o = *bucket_of(h, st.st_ino);
	while (o && (o->ino != st.st_ino || o->dev != st.st_dev))
		o = o->next;
	if (o)
		atomic_fetch_add(&o->users, 1);
	pthread_mutex_unlock(&h->table);
	return o;
}

void kvm_object_put(struct kvm_host *h, struct kvm_object *o)
{
	pthread_mutex_lock(&h->table);
	if (atomic_fetch_sub(&o->users, 1) == 1)
		pthread_cond_broadcast(&h->unused);
	pthread_mutex_unlock(&h->table);
}

void kvm_object_close(struct kvm_host *h, struct kvm_object *o)
{
	struct kvm_object **p;

	pthread_mutex_lock(&h->table);
	for (p = bucket_of(h, o->ino); *p && *p != o; p = &(*p)->next)
		;
	if (*p)
		*p = o->next;
	while (atomic_load(&o->users))
		pthread_cond_wait(&h->unused, &h->table);
	pthread_mutex_unlock(&h->table);
	if (o->own >= 0)
		close(o->own);
	o->own = -1;
}

bool kvm_object_is_closed(const struct kvm_object *o)
{
	return o->own >= 0 && flock(o->own, LOCK_EX | LOCK_NB) == 0;
}

int kvm_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(t, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}
