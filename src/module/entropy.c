/* SPDX-License-Identifier: MIT */
/* Random words by RDSEED with a bounded number of attempts. */
#include "module/entropy.h"

#include <string.h>

bool entropy_fill(struct machine_lp *hw, uint64_t *words, unsigned n)
{
	unsigned done = 0;

	for (unsigned i = 0; done < n && i < ENTROPY_ATTEMPTS_PER_WORD * n; i++)
		done += machine_rdseed(hw, &words[done]);
	if (done == n)
		return true;
	memset(words, 0, n * sizeof(*words));
	return false;
}
