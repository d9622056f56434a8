/* SPDX-License-Identifier: MIT */
/* What a machine is beside the bytes of its memory, to be kept and given back to another machine of
 * the same configuration: its processors, its clock, its keys.
 *
 * Its memory is machine_area(): RAM, page words, which 2M ranges were touched, SEAM's own. */
#ifndef MACHINE_STATE_H
#define MACHINE_STATE_H

#include "machine/machine.h"

/* Plain data, of this machine's byte order: machine_saved_size() bytes. No processor is in a call,
 * and nothing fails on purpose. */
size_t machine_saved_size(const struct machine *m);
void machine_save(struct machine *m, void *to);
/* NULL, or what is wrong with it. The clock goes on where it was. */
const char *machine_load(struct machine *m, const void *from);
/* Other entropy from now on. */
void machine_reseed(struct machine *m, uint64_t seed);

struct machine_bytes {
	void *at;
	size_t size;
};

enum machine_area { MACHINE_RAM, MACHINE_PAGE_WORDS, MACHINE_TOUCHED, MACHINE_SEAM, MACHINE_AREAS };
struct machine_bytes machine_area(const struct machine *m, enum machine_area area);

#endif
