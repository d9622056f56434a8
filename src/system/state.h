/* SPDX-License-Identifier: MIT */
/* Machine and module beside the bytes of memory, to be kept and given back to another system of the
 * same configuration. An engine has nothing of its own between two calls: what a vCPU is, is in its
 * pages. */
#ifndef SYSTEM_STATE_H
#define SYSTEM_STATE_H

#include "system/system.h"

/* Plain data, of this machine's byte order: system_saved_size() bytes. -EBUSY: a processor is in a
 * call. */
size_t system_saved_size(const struct system *sys);
int system_save(struct system *sys, void *to);
/* Into one on which nothing has been called. NULL, or what is wrong with it. */
const char *system_load(struct system *sys, const void *from);

#endif
