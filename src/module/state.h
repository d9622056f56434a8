/* SPDX-License-Identifier: MIT */
/* A module's own memory as bytes, for who keeps, restores and compares whole states. */
#ifndef MODULE_STATE_H
#define MODULE_STATE_H

#include <stddef.h>
#include "module/module.h"

/* Its state is in these two pieces: what is the module's, what is each processor's. Who listens to
 * it (module_set_hooks(), module_on_vcpu_gone()) is no part of its state and in neither. With what
 * the machine keeps, they are all there is: the pages that the module owns are in its RAM. */
enum { MODULE_STATE_PIECES = 2 };

struct module_state {
	struct {
		void *start;
		size_t size;
	} piece[MODULE_STATE_PIECES];
};

/* No call is in progress while the pieces are read or written. */
struct module_state module_state(struct module *mod);

/* The same in another process: module_saved_size() bytes of plain data, of this machine's byte
 * order. -EBUSY: a processor is in a call or in a guest, or a lock is held. */
size_t module_saved_size(const struct module *mod);
int module_save(const struct module *mod, void *to);
/* Into a module freshly loaded into such a machine. NULL, or what is wrong with it. What the pages
 * of its TDs say is not looked at: who gives it vouches for it. */
const char *module_load_saved(struct module *mod, const void *from);

#endif
