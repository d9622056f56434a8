/* SPDX-License-Identifier: MIT */
/* Random words for identities and keys. */
#ifndef MODULE_ENTROPY_H
#define MODULE_ENTROPY_H

#include "machine/machine.h"

/* RDSEED fails when drained: so many attempts a word, over all words together, then give up. */
enum { ENTROPY_ATTEMPTS_PER_WORD = 6 };

/* False when entropy ran out; the words are zero then. */
bool entropy_fill(struct machine_lp *hw, uint64_t *words, unsigned n);

#endif
