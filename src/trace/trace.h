/* SPDX-License-Identifier: MIT */
/* The trace of what passes between hosts, guests and the module: written while it happens, read
 * back.
 *
 * A file (swtdx-trace(5)) is a header, then blocks, each with a checksum of its own; a block has
 * records of one processor in order. Numbers are little-endian base-128 words, so that a call takes
 * some tens of bytes. Writing takes a lock that nobody contends for but trace_save(), and the
 * file's to hand a full block to it. With the same
 * seed and the same order of calls two traces differ in their times only. */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include <stddef.h>
#include <swtdx/types.h>

#include "module/lock.h"
#include "module/module.h"

#define TRACE_MAGIC   "TDXTRACE"
#define TRACE_VERSION 1

enum {
	TRACE_MAX_LOCKS = 48,
	TRACE_HEADER = 20,	 /* magic, version, length of the platform line, checksum of it */
	TRACE_BLOCK_HEADER = 16, /* magic, checksum of the rest, processor, length */
	TRACE_BLOCK_SIZE = 1 << 16,
	TRACE_MAX_PLATFORM = 4096,
	TRACE_POLLED = 4, /* beside enum module_next: which poll found an interrupt follows */
};
#define TRACE_BLOCK_MAGIC 0x4b4c4254u

enum trace_type {
	TRACE_SEAMCALL = 1,
	TRACE_EXIT,   /* a guest's exit, a TDCALL is one */
	TRACE_TEXT,   /* a line of the vector language that is no call */
	TRACE_MEMORY, /* what a call is about to read at its operand */
	TRACE_END,    /* the last of a file: without it the file was cut between two blocks */
};

/* More need not be told apart. */
enum { TRACE_RETIRED_MANY = 2 };

struct trace_lock {
	uint8_t res, mode, result; /* enum lock_resource, lock_mode, lock_result */
	uint64_t key;
	uint64_t taken_ns, released_ns; /* since the call began; released 0: kept by a guest */
};

struct trace_record {
	enum trace_type type;
	unsigned lp;
	uint64_t seq; /* order of beginnings over all processors */
	uint64_t begin_ns, duration_ns;
	enum module_next next;
	struct tdx_regs in, out;
	struct module_entry event; /* delivered to the guest, when next is MODULE_TO_GUEST */
	struct vmexit exit;	   /* of TRACE_EXIT */
	uint8_t retired; /* instructions since the last TD entry; at most TRACE_RETIRED_MANY */
	uint64_t polled; /* which look for a pending interrupt was the first to find one, from 1; 0:
			    none */
	bool mode64;	 /* the guest is in 64-bit mode */
	uint64_t tdvpr;	 /* whose guest it is */
	const struct trace_lock *lock;
	unsigned nlocks;
	const uint8_t *bytes; /* text, or memory at `pa` */
	size_t len;
	uint64_t pa;
};

/* --- writing --- */

struct trace;

struct trace_options {
	bool timeless; /* all times 0: equal runs give equal bytes */
	bool resumed;  /* it does not begin with the machine: it cannot be played */
	bool no_locks;
	bool no_memory; /* what calls read, and interrupts, are lines of whoever opened it */
	bool contents; /* also keep the pages TDH.MEM.PAGE.ADD reads, to be able to play it again */
	uint64_t max_bytes; /* about: what comes after so many is not in it; 0: no limit */
};

/* Listens to the module from now on; nobody else may. To standard output for "-". NULL: *err is a
 * negative errno. */
struct trace *trace_open(const char *path, struct module *mod, const struct trace_options *opt,
			 int *err);
/* A line of the vector language that explains what follows. */
void trace_text(struct trace *t, unsigned lp, const char *line);
/* What there is goes to the file: whoever is killed after that has it. Any thread. */
void trace_save(struct trace *t);
/* Has it come to its limit? Any thread. */
bool trace_is_full(const struct trace *t);
/* No processor may be in the module. 0 or the first error there was, a negative errno. */
int trace_close(struct trace *t);

/* --- reading --- */

struct trace_file {
	char platform[TRACE_MAX_PLATFORM];
	struct trace_record *record; /* by seq */
	size_t nrecords;
	bool ended;   /* TRACE_END was met; it is no record of the array */
	bool damaged; /* not all of it could be used */
	bool cut;     /* damaged because it ends too early, and for no other reason */
	size_t damage_at;
	char damage[96];
	/* storage */
	struct trace_lock *locks;
	size_t nlocks, max_locks, max_records;
	uint8_t *bytes;
	size_t nbytes, max_bytes;
};

/* Read a trace in memory. 0; -EINVAL: not a trace; -ENOMEM. Damage is no error: what is whole
 * before it is there. trace_free() in any case. */
int trace_parse(struct trace_file *f, const uint8_t *data, size_t size);
/* Keep only records numbered from..to. */
void trace_keep(struct trace_file *f, uint64_t from, uint64_t to);
void trace_free(struct trace_file *f);
bool trace_is_trace(const uint8_t *data, size_t size);

/* "TDH.MEM.PAGE.AUG", "TDG.VP.VMCALL", "EPT violation"; buf for what has no name. */
const char *trace_name(const struct trace_record *r, char *buf, size_t len);
/* The registers' status in words, or where it ended. */
const char *trace_outcome(const struct trace_record *r, char *buf, size_t len);

#endif
