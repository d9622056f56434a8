/* SPDX-License-Identifier: MIT */
/* See module/invariants_sum.h. */
#include "module/invariants_sum.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool broken(struct check *c, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(c->why, c->len, format, ap);
	va_end(ap);
	return false;
}

struct td_sum *sum_of(struct check *c, uint64_t tdr_pa)
{
	for (unsigned i = c->ntd; i-- > 0;) /* the last one met is the likely one */
		if (c->td[i].tdr_pa == tdr_pa)
			return &c->td[i];
	if (c->ntd == c->maxtd) {
		unsigned n = c->maxtd ? 2 * c->maxtd : 16;
		struct td_sum *p = realloc(c->td, n * sizeof(*p));

		if (!p)
			return NULL;
		c->td = p;
		c->maxtd = n;
	}
	c->td[c->ntd] = (struct td_sum){.tdr_pa = tdr_pa};
	return &c->td[c->ntd++];
}
