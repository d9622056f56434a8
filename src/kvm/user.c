/* SPDX-License-Identifier: MIT */
/* The client's pointers. They may be wrong; KVM says -EFAULT, and the client expects that and no
 * signal. The kernel copies, within this process, and tells. */
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kvm/internal.h"

/* 0; -EFAULT; -ENOSYS: this process may not ask the kernel (a filter of system calls). */
static int copy(void *own, uint64_t user, size_t len, bool out)
{
	struct iovec mine = {own, len}, theirs = {(void *)(uintptr_t)user, len};
	ssize_t n;

	if (!len)
		return 0;
	if (!user || user + len < user)
		return -EFAULT;
	n = out ? process_vm_writev(getpid(), &mine, 1, &theirs, 1, 0)
		: process_vm_readv(getpid(), &mine, 1, &theirs, 1, 0);
	if (n == (ssize_t)len)
		return 0;
	return n >= 0 || errno == EFAULT ? -EFAULT : -ENOSYS;
}

int kvm_from_user(void *to, uint64_t from, size_t len)
{
	int err = copy(to, from, len, false);

	if (err != -ENOSYS)
		return err;
	memcpy(to, (const void *)(uintptr_t)from, len);
	return 0;
}

int kvm_to_user(uint64_t to, const void *from, size_t len)
{
	int err = copy((void *)(uintptr_t)from, to, len, true);

	if (err != -ENOSYS)
		return err;
	memcpy((void *)(uintptr_t)to, from, len);
	return 0;
}
