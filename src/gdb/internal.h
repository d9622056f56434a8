/* SPDX-License-Identifier: MIT */
/* The parts of the gdb server. All of struct gdb is the server's thread's, except what `lock`
 * covers as said there; a vCPU's fields in the module are touched only while it is parked, or by
 * itself. */
#ifndef GDB_INTERNAL_H
#define GDB_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gdb/gdb.h"
#include "gdb/target.h"

enum { GDB_PACKET = 0x4000, GDB_SOFT = 256 };

enum gdb_action { GDB_HOLD, GDB_CONTINUE, GDB_STEP };
enum gdb_why { GDB_NOT_STOPPED, GDB_STEPPED, GDB_SOFT_BREAK, GDB_HARD_BREAK };

struct gdb_vcpu {
	/* under lock */
	bool parked;
	enum gdb_action action;
	enum gdb_why why; /* it stopped by itself */
	bool reflecting;  /* an INT3 of the guest's own is executed, by a step with #BP let through
			   */
	/* set under lock; read without it too, as it can come true while the server serves */
	atomic_bool gone;
};

/* A breakpoint by INT3. */
struct gdb_soft {
	uint64_t gla, gpa;
	uint8_t old;
};

struct gdb {
	struct gdb_config cfg;
	int listener, conn, wake[2];
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under lock */
	bool stopped; /* all are held */
	bool ending;  /* held vCPUs are let out */
	bool closing;
	int status;
	struct gdb_soft soft[GDB_SOFT];
	unsigned nsoft;
	struct gdb_vcpu vcpu[GDB_MAX_VCPUS];
	/* the server's own */
	uint64_t hard[GDB_HARD];
	unsigned hard_used; /* bits */
	unsigned current;   /* vCPU of g, p, m */
	bool no_ack;
	char refusal[200]; /* the last, in words */
	char logged[200];  /* the last that was logged */
	char in[GDB_PACKET + 8], out[GDB_PACKET + 8];
	unsigned char buf[512];
	size_t nbuf, at;
};

/* --- packet.c --- */

/* One packet in g->in, its length; -1: the connection is gone, -2: the TD has ended. While it
 * waits, an interrupt character alone is a packet of length 0. */
int gdb_receive(struct gdb *g);
/* The peer's first byte is one of the protocol's: 0, else -1; -2 as above. */
int gdb_begins(struct gdb *g);
void gdb_send(struct gdb *g, const char *text);
/* What happens first while the guest runs: 0 a vCPU stopped, 1 the user interrupts, -1, -2. */
int gdb_wait_running(struct gdb *g);
void gdb_hex(char *out, const void *bytes, size_t len);
/* False: not hexadecimal, or too short. */
bool gdb_unhex(const char *text, void *bytes, size_t len);

/* --- memory.c: the target, with refusals told --- */

bool gdb_get(struct gdb *g, unsigned cpu, enum gdb_reg reg, uint8_t *buf);
bool gdb_get_word(struct gdb *g, unsigned cpu, enum gdb_reg reg, uint64_t *value);
bool gdb_set(struct gdb *g, unsigned cpu, enum gdb_reg reg, const uint8_t *buf);
bool gdb_arm(struct gdb *g, unsigned cpu, const struct gdb_points *points);
bool gdb_read_gpa(struct gdb *g, uint64_t at, uint8_t *buf, size_t len);
bool gdb_write_gpa(struct gdb *g, uint64_t at, const uint8_t *buf, size_t len);
/* Guest-linear memory as the current vCPU's page tables have it; bytes done. */
size_t gdb_read(struct gdb *g, uint64_t gla, uint8_t *buf, size_t len);
size_t gdb_write(struct gdb *g, uint64_t gla, const uint8_t *buf, size_t len);
bool gdb_translate(struct gdb *g, uint64_t gla, uint64_t *gpa);

/* --- registers.c --- */

/* Bytes of the register, which are put into buf (16 at most); 0: there is none; -1: refused. */
int gdb_register(struct gdb *g, unsigned n, uint8_t *buf);
int gdb_register_size(unsigned n);
bool gdb_set_register(struct gdb *g, unsigned n, const uint8_t *buf);
/* The target description; length. */
size_t gdb_description(char *xml, size_t room);

/* --- control.c --- */

/* Let the server look at what has changed. Any thread. */
void gdb_wake(struct gdb *g);
/* Every vCPU is out of the guest and stays so when this returns. */
void gdb_stop(struct gdb *g);
/* Let those go whose action says so. False: the module refused what that takes. */
bool gdb_resume(struct gdb *g);
/* Let all go, whatever the module says: nobody is there any more to hold them. */
void gdb_release(struct gdb *g);
/* 0, or an errno. */
int gdb_insert(struct gdb *g, bool hard, uint64_t gla);
int gdb_remove(struct gdb *g, bool hard, uint64_t gla);
void gdb_remove_all(struct gdb *g);

/* --- query.c --- */

/* A query's answer goes to g->out. */
void gdb_query(struct gdb *g, const char *q);
unsigned gdb_first_thread(const struct gdb *g);

/* --- server.c --- */

/* One gdb, at g->conn, until it leaves. False: the TD has ended. */
bool gdb_session(struct gdb *g);
void *gdb_serve(void *arg);

#endif
