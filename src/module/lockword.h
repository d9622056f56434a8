/* SPDX-License-Identifier: MIT */
/* Finding a lock of the module by its name and key, and holding it for somebody else.
 *
 * For replaying contention, fault injection and tests: "another agent has it". */
#ifndef MODULE_LOCKWORD_H
#define MODULE_LOCKWORD_H

#include <swtdx/types.h>
#include "module/lock.h"

struct module;

/* key: 0, package, TDMR index, HPA or TDR HPA by resource; gpa and level for LOCK_SEPT_ENTRY, in
 * gpa the stream's index for LOCK_MIGSC. */
struct lock_key {
	uint64_t key, gpa;
	enum tdx_level level;
};

enum lock_hold { HOLD_SHARED, HOLD_EXCLUSIVE, HOLD_HP };

bool lock_resource_from_name(const char *name, enum lock_resource *res);

/* The key by which listeners to locks are told of it: one word. */
uint64_t lock_event_key(enum lock_resource res, const struct lock_key *key);

/* NULL when there is no such lock now. */
void *module_lock_word(struct module *mod, enum lock_resource res, const struct lock_key *key);

/* HOLD_HP sets only the host-priority flag. False: no such lock, or somebody has it. */
bool module_lock_hold(struct module *mod, enum lock_resource res, const struct lock_key *key,
		      enum lock_hold how);
void module_lock_release(struct module *mod, enum lock_resource res, const struct lock_key *key,
			 enum lock_hold how);

#endif
