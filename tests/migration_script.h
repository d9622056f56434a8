/* SPDX-License-Identifier: MIT */
/* A recorded migration, played up to one of its calls. */
#ifndef TESTS_MIGRATION_SCRIPT_H
#define TESTS_MIGRATION_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace/player.h"

/* The vectors have their buffers where the first TDMR's PAMT is, which nobody uses there; here it
 * must stay whole. */
static inline void move_pamt(char *text)
{
	char *line = strstr(text, "write 0x1001000 "), *end;

	if (!line)
		return;
	end = line + strcspn(line, "\n");
	for (char *p = line + strlen("write 0x1001000 "); p + 16 <= end; p += 16)
		if (strncmp(p + 6, "0200000000", 10) == 0)
			p[7] = '4';
}

static inline char *script(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	move_pamt(text);
	return text;
}

/* Play until the n-th call of the leaf by its name; the call itself is left in `step`. The line it
 * points into belongs to the caller. */
static inline void play_until(struct player *p, char *text, const char *leaf, unsigned nth,
			      struct vec_step *step)
{
	player_init(p);
	for (char *l = text, *next; *l; l = next) {
		struct played d;
		char err[128];

		next = l + strcspn(l, "\n");
		if (*next)
			*next++ = '\0';
		if (!vec_parse(l, step, err, sizeof(err)))
			fail_msg("%s", err);
		if (step->kind == VEC_SEAMCALL && strcmp(step->label, leaf) == 0 && nth-- == 0)
			return;
		for (unsigned i = 0; i < step->repeat; i++)
			if (!player_step(p, step, &d))
				fail_msg("%s", d.why);
	}
	fail_msg("no %s", leaf);
}

#endif
