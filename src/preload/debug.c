/* SPDX-License-Identifier: MIT */
/* gdb for the TDs of a preloaded client: a server while there is a TD, of the one that was complete
 * first; after a reset the client's next TD is waited for at the same place. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gdb/target_td.h"
#include "kvm/kvm.h"
#include "preload/preload.h"

enum { HOLD_MS = 10 };

struct preload_debug {
	struct kvm_debugger debugger;
	void (*log)(void *arg, const char *line);
	void *arg;
	const char *where;
	pthread_mutex_t lock;
	bool busy; /* there is a TD that is served */
	struct gdb *gdb;
	struct gdb_td td;
};

/* gdb ends its program, and that is the client: as whoever types Ctrl-C would. */
static void end_client(void *arg)
{
	struct preload_debug *d = arg;

	d->log(d->arg, "gdb ends the client");
	kill(getpid(), SIGTERM);
}

static void log_line(void *arg, const char *line)
{
	struct preload_debug *d = arg;

	d->log(d->arg, line);
}

/* The client's signals are not its thread's. */
static bool start(struct gdb *g)
{
	sigset_t all, before;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	started = gdb_start(g);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

static struct gdb *serve(struct preload_debug *d, unsigned n)
{
	const struct gdb_config cfg = {.target = &gdb_td_ops,
				       .target_arg = &d->td,
				       .nvcpus = n,
				       .log = log_line,
				       .kill = end_client,
				       .arg = d};
	char err[128] = "more vCPUs than it knows", line[192];
	struct gdb *g = n <= GDB_MAX_VCPUS ? gdb_open(&cfg, d->where, err, sizeof(err)) : NULL;

	for (unsigned i = 0; g && i < n; i++)
		gdb_left(g, i);
	if (g && start(g))
		return g;
	if (g)
		gdb_close(g, 0);
	snprintf(line, sizeof(line), "gdb at %s: %s: this TD is not debugged", d->where, err);
	d->log(d->arg, line);
	return NULL;
}

static void *begin(void *arg, struct tdx_vm *vm, struct tdx_vcpu *const *vcpu, unsigned n)
{
	struct preload_debug *d = arg;
	bool mine;

	pthread_mutex_lock(&d->lock);
	mine = !d->busy;
	d->busy = true;
	pthread_mutex_unlock(&d->lock);
	if (!mine) {
		d->log(d->arg, "gdb: another TD is debugged, and this one not");
		return NULL;
	}
	gdb_td_init(&d->td, vm, vcpu);
	d->gdb = serve(d, n);
	if (d->gdb)
		return d;
	pthread_mutex_lock(&d->lock);
	d->busy = false;
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

static bool may_run(void *td, unsigned vcpu)
{
	return gdb_may_run(((struct preload_debug *)td)->gdb, vcpu, HOLD_MS);
}

static void stopped(void *td, unsigned vcpu, const struct tdx_run *run)
{
	gdb_stopped(((struct preload_debug *)td)->gdb, vcpu, gdb_td_event(run));
}

static void left(void *td, unsigned vcpu)
{
	gdb_left(((struct preload_debug *)td)->gdb, vcpu);
}

static void end(void *td)
{
	struct preload_debug *d = td;

	gdb_close(d->gdb, 0);
	pthread_mutex_lock(&d->lock);
	d->busy = false;
	pthread_mutex_unlock(&d->lock);
}

struct preload_debug *preload_debug_new(const char *where, void (*log)(void *arg, const char *line),
					void *arg)
{
	struct preload_debug *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->debugger = (struct kvm_debugger){.begin = begin,
					    .may_run = may_run,
					    .stopped = stopped,
					    .left = left,
					    .end = end,
					    .arg = d};
	d->log = log;
	d->arg = arg;
	d->where = where;
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

const struct kvm_debugger *preload_debug_debugger(const struct preload_debug *d)
{
	return d ? &d->debugger : NULL;
}
