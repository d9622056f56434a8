/* SPDX-License-Identifier: MIT */
/* The errno values the library returns (negated), where there is no <errno.h>. Linux's numbers. */
#ifndef GUEST_ERRNO_H
#define GUEST_ERRNO_H

#if __STDC_HOSTED__
#include <errno.h>
#else
enum {
	EINTR = 4,
	EIO = 5,
	ENXIO = 6,
	EAGAIN = 11,
	EACCES = 13,
	EFAULT = 14,
	EBUSY = 16,
	EEXIST = 17,
	ENODEV = 19,
	EINVAL = 22,
	EFBIG = 27,
	EPROTO = 71,
	ETIMEDOUT = 110,
};
#endif

#endif
