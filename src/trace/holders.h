/* SPDX-License-Identifier: MIT */
/* Which processor has which lock, as listeners to the module are told; and two that have one of
 * which one has it for itself. */
#ifndef TRACE_HOLDERS_H
#define TRACE_HOLDERS_H

#include <stdint.h>

#include "module/lock.h"

enum { HOLDERS_MAX = 128 };

struct holder {
	unsigned lp;
	enum lock_resource res;
	uint64_t key;
	enum lock_mode mode;
};

struct holders {
	struct holder at[HOLDERS_MAX]; /* more are not watched */
	unsigned n;
	char clash[128]; /* the first there was, in words; "": none */
};

void holders_none(struct holders *h);
/* A processor that has the lock shared and takes it exclusive is promoted. */
void holders_take(struct holders *h, struct holder t);
/* Of a lock that was taken before, nothing. */
void holders_release(struct holders *h, struct holder t);

#endif
