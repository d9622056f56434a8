/* SPDX-License-Identifier: MIT */
/* Of tests that run random programs with both engines. The file has a `seed` of its own above. */
#ifndef TESTS_X86_PROGRAMS_H
#define TESTS_X86_PROGRAMS_H

#include <stdlib.h>

#include "machine/splitmix.h"
#include "x86_guest.h"

static uint64_t rnd(void)
{
	return splitmix_next(&seed);
}

static unsigned below(unsigned n)
{
	return (unsigned)(rnd() >> 20) % n;
}

/* SWTDX_X86_PROGRAMS: more or fewer of them. */
static unsigned how_many(unsigned programs)
{
	const char *more = getenv("SWTDX_X86_PROGRAMS");

	return more ? (unsigned)atoi(more) : programs;
}

/* The interpreter and the translator. SWTDX_X86_SEED: other programs. */
static void open_pair(struct guest *g, bool check)
{
	unsigned k;

	for (k = 0; k < 2; k++) {
		assert_int_equal(g_open_with(&g[k], k ? 1 : -1, check), 0);
		g[k].cpu->exception_bitmap = UINT32_MAX;
	}
	if (getenv("SWTDX_X86_SEED"))
		seed = strtoull(getenv("SWTDX_X86_SEED"), NULL, 0);
}

static void close_pair(struct guest *g, unsigned programs, bool check)
{
	const struct x86_check_result *r = x86_code_result(g[1].code);

	if (check && r->differences)
		fail_msg("%s", r->first);
	if (check)
		assert_in_range(r->compared, programs * 10, UINT64_MAX);
	g_close(&g[0]);
	g_close(&g[1]);
}

#endif
