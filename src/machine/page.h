/* SPDX-License-Identifier: MIT */
/* Page words, for the machine's own files. */
#ifndef MACHINE_PAGE_H
#define MACHINE_PAGE_H

#include "machine/machine.h"

static inline _Atomic uint64_t *page_word(const struct machine *m, uint64_t pa)
{
	return &m->page[pa >> 12].word;
}

static inline uint64_t page_load(const struct machine *m, uint64_t pa)
{
	return atomic_load_explicit(page_word(m, pa), memory_order_relaxed);
}

static inline bool hkid_is_private(const struct machine *m, unsigned hkid_)
{
	return hkid_ >= m->private_hkid_min && hkid_ <= m->private_hkid_max;
}

/* The processor writes lines of the page under the KeyID; `fresh`: all of them, which also ends
 * poison. Returns the word as it was. */
uint64_t page_take(const struct machine_lp *lp, uint64_t pa, unsigned hkid_, bool fresh);

/* Lines of the page (of one KeyID, -1: of any) leave the caches of these packages. True: there were
 * dirty ones of the present KeyID. */
bool page_write_back(const struct machine_lp *lp, uint64_t pa, unsigned packages, int hkid_);

/* Its lines have reached memory: whoever stores to it next has to be seen. */
void page_cleaned(const struct machine_lp *lp, uint64_t pa);

/* The 2M range has a page that was written, or one with direct stores still on their way. */
static inline void page_touch(const struct machine *m, uint64_t pa)
{
	uint8_t *t = &m->touched[pa >> 21];

	if (!__atomic_load_n(t, __ATOMIC_RELAXED))
		__atomic_store_n(t, 1, __ATOMIC_RELAXED);
}

#endif
