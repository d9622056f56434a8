/* SPDX-License-Identifier: MIT */
/* What the parts of swtdx migrate share: two machines, of which one has the TD. */
#ifndef TOOLS_MIGRATE_H
#define TOOLS_MIGRATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <swtdx/migrate.h>
#include <swtdx/model.h>
#include <swtdx/sim.h>
#include <swtdx/x86.h>

#include "tools/run_console.h"
#include "tools/run_ports.h"
#include "tools/sandbox.h"

enum { MIGRATE_MAX_VCPUS = 16, MIGRATE_PLACES = 2 };

struct migrate_options {
	const char *kernel, *initrd, *append, *to, *from, *when;
	uint64_t memory, vcpus, l2_vms, times, after, streams, rounds, enough, abort_at, timeout;
	enum tdx_x86_execution execution;
	bool post_copy, end, huge, dynamic_pamt, quiet, json, unfiltered;
	enum sandbox_mode sandbox;
};

struct migration;

/* What is measured of the TD, read of the module while the TD stands. */
struct migrate_measured {
	struct tdx_digest mrtd, rtmr[TDX_RTMRS];
};

/* A machine, its monitor, a migration TD on it, and the TD when it is here. */
struct migrate_place {
	struct migration *all;
	unsigned number;
	struct tdx_model *model;
	struct tdx_engine *engine, *x86; /* the second a part of the first */
	uint64_t xfam;			 /* of AVX and AVX-512, what it executes */
	struct tdx_vmm *vmm;
	struct tdx_sim_migtd migtd;
	struct tdx_vm *service;
	struct tdx_vcpu *service_vcpu;
	struct tdx_vm *vm; /* NULL: not here */
	struct run_ports ports;
	struct migrate_measured measured; /* when it left here, or as it came */
	bool differs;			  /* from what it was where it came from */
	pthread_t thread[MIGRATE_MAX_VCPUS];
	unsigned running;
	_Atomic bool stopping;
};

struct migration {
	struct migrate_options o;
	struct tdx_quote_service *quotes;
	struct migrate_place place[MIGRATE_PLACES];
	unsigned here;
	struct run_console console[RUN_SERIALS];
	int wire[2], keys[2]; /* socket pairs */
	int file;	      /* -1: none */
	int peer;	      /* a socket to another process; -1: both machines are here */
	unsigned places;      /* machines in this process */
	_Atomic int outcome;  /* -1: the guest goes on */
	_Atomic bool seen;    /* what it was to write */
	int console_pipe;     /* what it writes, for whoever looks at it */
	pthread_t listener;
	unsigned moves;	  /* done */
	unsigned aborted; /* given up, on purpose */
	double began;
};

/* Until there is something to read, --timeout at most: 0, -ETIMEDOUT or a negative errno. */
int migrate_wait_for(const struct migration *m, int fd);

void migrate_say(const struct migration *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* --- migrate_peer.c: "unix:PATH" and "tcp:HOST:PORT" --- */

enum { MIGRATE_ADDRESS = 128 };
bool migrate_is_peer(const char *where);
bool migrate_is_unix(const char *where);
/* NULL with a descriptor, or what is wrong. at: where it listens, a path or an address. */
const char *migrate_connect(const char *where, int *fd);
const char *migrate_listen(const char *where, int *fd, char at[MIGRATE_ADDRESS]);

/* --- migrate_place.c --- */

/* Power on, bring the module up, build the migration TD. An exit status, told of. */
int migrate_place_on(struct migrate_place *p);
void migrate_place_off(struct migrate_place *p);
/* The TD, from an image; it runs when migrate_go() is called. An exit status, told of. */
int migrate_build(struct migrate_place *p, const void *image, size_t len);
/* Or none, which waits for one to come. */
int migrate_expect(struct migrate_place *p);
/* Its vCPUs run, a thread each; arg is the place. */
void migrate_go(void *arg);
/* And come out: 0, or -ECANCELED when the guest has ended. */
int migrate_stop(void *arg);
/* Everything of the TD is back: an exit status, told of. */
int migrate_end(struct migrate_place *p);

/* --- migrate_devices.c: what the tool has of a TD that moves --- */

int migrate_save(void *arg, void **state, size_t *len);
int migrate_load(void *arg, const void *state, size_t len);

/* --- migrate_move.c --- */

/* From where it is to the other place. An exit status, told of; given_up: it was, as asked. */
int migrate_move(struct migration *m, unsigned abort_at, bool *given_up);

/* What it measured to when it last moved, for people. */
void migrate_say_measured(const struct migrate_place *p);

/* To another process, or from there; then the TD runs here. */
int migrate_send(struct migration *m);
int migrate_receive(struct migration *m);

#endif
