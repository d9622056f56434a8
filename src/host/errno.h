/* SPDX-License-Identifier: MIT */
/* The errno values the library returns (negated), where there is no <errno.h>. Linux's numbers. */
#ifndef HOST_ERRNO_H
#define HOST_ERRNO_H

#if __STDC_HOSTED__
#include <errno.h>
#else
enum {
	EIO = 5,
	ENXIO = 6,
	ENOMEM = 12,
	EACCES = 13,
	EBUSY = 16,
	ENODEV = 19,
	EINVAL = 22,
	ENOSPC = 28,
	EOPNOTSUPP = 95,
};
#endif

#endif
