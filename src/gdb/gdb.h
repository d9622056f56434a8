/* SPDX-License-Identifier: MIT */
/* A gdb server, for `--gdb` of run, host and kvm. What it does to a guest is in gdb/target.h; a TD
 * is seen as any host sees it, so one without ATTRIBUTES.DEBUG stays closed, and gdb is told the
 * status.
 *
 * One thread of its own speaks the protocol; it stops all vCPUs before it answers (all-stop). The
 * vCPUs' threads call the functions below. */
#ifndef GDB_GDB_H
#define GDB_GDB_H

#include <stdbool.h>

#include "gdb/target.h"

struct gdb;

enum { GDB_MAX_VCPUS = 64 };

struct gdb_config {
	const struct gdb_target_ops *target;
	void *target_arg; /* outlives the server */
	unsigned nvcpus;
	void (*log)(void *arg, const char *line);
	void (*kill)(void *arg); /* gdb ends the TD */
	void *arg;
};

/* Is it of the form below? Names of hosts are not looked up yet. */
bool gdb_is_address(const char *where);
/* Listen at "[ADDRESS]:PORT" (loopback without an address; port 0: any), to hold the vCPUs until a
 * gdb lets them go. NULL with a sentence in err. */
struct gdb *gdb_open(const struct gdb_config *cfg, const char *where, char *err, size_t errlen);
/* Serve it, on a thread of its own. False: there is none. */
bool gdb_start(struct gdb *g);
/* The vCPU's thread, before each tdx_vcpu_run(): blocks while gdb has it stopped. */
void gdb_before_run(struct gdb *g, unsigned vcpu);
/* The same without waiting for long: true, it may run; false, it is held, or was for that long, and
 * is to ask again. For a thread that others may want back. */
bool gdb_may_run(struct gdb *g, unsigned vcpu, unsigned milliseconds);
/* It is out of the guest, and does not go back before it has asked: to stop it needs no more. */
void gdb_left(struct gdb *g, unsigned vcpu);
/* It left the guest for this. */
void gdb_stopped(struct gdb *g, unsigned vcpu, enum gdb_event event);
/* The vCPU's thread ends. */
void gdb_gone(struct gdb *g, unsigned vcpu);
/* The TD is to end: vCPUs that are held go on, to see that themselves. Any thread. */
void gdb_ending(struct gdb *g);
/* All vCPUs' threads have ended, the TD with this status. */
void gdb_close(struct gdb *g, int status);

#endif
