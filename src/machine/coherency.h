/* SPDX-License-Identifier: MIT */
/* The coherency sanitizer: names what a host forgot to flush, clear or leave alone.
 *
 * On hardware a forgotten write-back corrupts memory some time later, somewhere else. Here each is
 * reported where it happens, with the page, both KeyIDs, the call that left the lines dirty and the
 * duty that was not done. A machine is watched from machine_watch() on; the cost is one word per
 * page written. Reading reports is for any thread. */
#ifndef MACHINE_COHERENCY_H
#define MACHINE_COHERENCY_H

#include "machine/machine.h"

enum coherency_kind {
	/* The module got a page of which a cache still has dirty lines of another KeyID. */
	COHERENCY_UNFLUSHED_HANDOVER,
	/* The host wrote a page of which a cache still has dirty private lines. */
	COHERENCY_UNFLUSHED_REUSE,
	/* A KeyID went to somebody else while a cache had dirty lines of it. */
	COHERENCY_HKID_FREED_DIRTY,
	/* The host read lines last written under a private KeyID. */
	COHERENCY_HOST_READ_PRIVATE,
	/* The host wrote part of a line last written under a private KeyID. */
	COHERENCY_PARTIAL_WRITE,
	/* Direct stores to the page were not ordered by a barrier when it was used. */
	COHERENCY_UNFENCED_CLEAR,
	/* Dirty lines of a former KeyID were written back over the data of the present one. */
	COHERENCY_STALE_WRITE_BACK,
	/* Poison was read: a machine check. */
	COHERENCY_POISON_READ,
	COHERENCY_NUM_KINDS,
};

struct coherency_report {
	enum coherency_kind kind;
	uint64_t pa;		    /* page, without KeyID; ~0 for a KeyID as a whole */
	unsigned lp;		    /* who noticed */
	unsigned old_hkid;	    /* of the lines already there */
	unsigned hkid;		    /* of this access */
	uint8_t packages;	    /* bitmap of caches with dirty lines */
	uint8_t dirtied_by, during; /* MACHINE_CALL_* encodings */
};

/* Start watching, keeping the first `max` reports. 0 or -ENOMEM. */
int machine_watch(struct machine *m, unsigned max);
void machine_unwatch(struct machine *m);

/* How many reports there have been, kept or not. */
unsigned machine_coherency_count(const struct machine *m);
/* The i-th kept report; false when there is none. */
bool machine_coherency_report(const struct machine *m, unsigned i, struct coherency_report *r);
void machine_coherency_clear(struct machine *m);

const char *coherency_kind_name(enum coherency_kind kind);
/* The duty that was not done, as a sentence's end: "CLFLUSH of the page before handing it over". */
const char *coherency_duty(enum coherency_kind kind);
/* What happened: "page given to the module with dirty lines in a cache". */
const char *coherency_what(enum coherency_kind kind);
/* Who: a leaf's name, "the host", "the guest"; buf is for leaves without one. */
const char *coherency_call_name(uint8_t call, char buf[32]);
/* One line for people; cut to len. Returns buf. */
const char *coherency_format(const struct coherency_report *r, char *buf, size_t len);

/* For the machine itself. */
void coherency_add(const struct machine_lp *lp, enum coherency_kind kind, uint64_t pa,
		   uint64_t word, unsigned hkid_);

#endif
