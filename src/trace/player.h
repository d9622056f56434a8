/* SPDX-License-Identifier: MIT */
/* One step of the vector language done to a machine: what runs, not what it is compared with.
 *
 * The memory is plain, as it was where vectors were recorded: KeyID bits of an address are dropped
 * and a host write to a private page stands for the guest's own store. Steps of different
 * processors may be done by different threads or fibers at a time; set-up steps and those that
 * capture a value may not. */
#ifndef TRACE_PLAYER_H
#define TRACE_PLAYER_H

#include "machine/machine.h"
#include "module/lockword.h"
#include "module/module.h"
#include "trace/vector.h"

enum { PLAYER_MAX_HOLDS = 64 };

struct player_hold {
	enum lock_resource res;
	struct lock_key key;
	enum lock_hold how;
	bool used;
};

/* A value of this run that later steps name. */
struct player_value {
	char name[VEC_NAME_LEN];
	uint64_t v;
};

struct player {
	struct machine *m; /* NULL before the platform line */
	struct module *mod;
	bool entered[MACHINE_MAX_LPS];
	uint64_t tdvpr[MACHINE_MAX_LPS];
	unsigned last_lp;		      /* of the guest step before an exit line */
	const struct module_profile *profile; /* NULL: the default */
	struct player_hold hold[PLAYER_MAX_HOLDS];
	struct player_value value[VEC_MAX_NAMES];
	unsigned nvalues;
	/* May be NULL: told when the platform line has made a module. */
	void (*loaded)(void *arg, struct player *p, const struct vec_step *platform);
	/* May be NULL: told by player_lines() each line before it is done. */
	void (*line)(void *arg, const char *line);
	void *arg;
};

/* How a step ended. `regs` are the caller's registers after it: the host's of MODULE_TO_HOST, the
 * guest's of MODULE_TO_GUEST. */
struct played {
	bool call; /* something ran in the module: next and regs are set */
	unsigned lp;
	enum module_next next;
	struct tdx_regs regs;
	char why[160]; /* why the step could not be done */
};

void player_init(struct player *p);
void player_free(struct player *p);

/* Do the step once (`repeat` is the caller's). False: it is not possible here, or memory is not
 * what an expect line says; see played->why. */
bool player_step(struct player *p, const struct vec_step *s, struct played *out);

/* Does anybody else hold a lock now? */
bool player_holds(const struct player *p);

#endif
