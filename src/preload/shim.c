/* SPDX-License-Identifier: MIT */
/* The preloaded library: open() of /dev/kvm, ioctl() and fallocate() on what came of it. Nothing
 * else is hooked: the descriptors are the kernel's own memfds.
 *
 * What is not ours goes to the kernel as it came, by system call: the hooks work before the C
 * library does, and whatever it has loaded. The pointer below is the one global state of the
 * project: a hook has no argument to carry it. */
/* Under its own name each: with this the headers make open64 of open. */
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm/kvm.h"
#include "preload/preload.h"

#define EXPORT __attribute__((visibility("default")))

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct preload *_Atomic the;

static void start(void)
{
	the = preload_new();
}

static int open_kvm(int flags)
{
	int fd;

	pthread_once(&once, start);
	fd = the ? kvm_open(preload_kvm(the), flags) : -ENOMEM;
	if (fd >= 0)
		return fd;
	errno = -fd;
	return -1;
}

static bool is_kvm(const char *path)
{
	return path && !strcmp(path, "/dev/kvm");
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	if (is_kvm(path))
		return open_kvm(flags);
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

/* The mode is there only when a file may be made. */
#define MODE_OF(flags, mode)                                                                       \
	do {                                                                                       \
		if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {                            \
			va_list ap_;                                                               \
			va_start(ap_, flags);                                                      \
			mode = va_arg(ap_, mode_t);                                                \
			va_end(ap_);                                                               \
		}                                                                                  \
	} while (0)

EXPORT int open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return open_at(AT_FDCWD, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return open_at(dir, path, flags, mode);
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return open_at(dir, path, flags | O_LARGEFILE, mode);
}

/* What the above become in programs built with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

EXPORT int __open_2(const char *path, int flags)
{
	return open_at(AT_FDCWD, path, flags, 0);
}

EXPORT int __open64_2(const char *path, int flags)
{
	return open_at(AT_FDCWD, path, flags | O_LARGEFILE, 0);
}

EXPORT int __openat_2(int dir, const char *path, int flags)
{
	return open_at(dir, path, flags, 0);
}

EXPORT int __openat64_2(int dir, const char *path, int flags)
{
	return open_at(dir, path, flags | O_LARGEFILE, 0);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct preload *p = the;
	unsigned long arg;
	bool ours = false;
	va_list ap;
	long r;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	if (p && preload_is_request(request)) {
		r = kvm_ioctl(preload_kvm(p), fd, request, arg, &ours);
		if (ours && r < 0) {
			errno = (int)-r;
			return -1;
		}
		if (ours)
			return (int)r;
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

static int allocate(int fd, int mode, off64_t offset, off64_t len)
{
	struct preload *p = the;
	bool ours = false;
	long r;

	if (p) {
		r = kvm_fallocate(preload_kvm(p), fd, mode, offset, len, &ours);
		if (ours && r < 0)
			errno = (int)-r;
		if (ours)
			return r < 0 ? -1 : 0;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t len)
{
	return allocate(fd, mode, offset, len);
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
	return allocate(fd, mode, offset, len);
}

/* The client leaves: what there is to say is said. */
__attribute__((destructor)) static void end(void)
{
	if (the)
		preload_end(the);
}
