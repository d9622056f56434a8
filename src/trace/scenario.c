/* SPDX-License-Identifier: MIT */
/* Reading scenarios. */
#include "trace/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/status.h>

#include "module/profile.h"
#include "trace/stage.h"

struct reader {
	struct scenario *s;
	unsigned line;
	char *err;
	size_t errlen;
};

static bool wrong(const struct reader *r, const char *what, const char *word)
{
	char quoted[VEC_QUOTED];

	snprintf(r->err, r->errlen, "line %u: %s %s", r->line, what, vec_quoted(word, quoted));
	return false;
}

static char *keep(struct scenario *s, const char *text)
{
	char *copy;

	if (s->ntext == sizeof(s->text) / sizeof(s->text[0]))
		return NULL;
	copy = strdup(text);
	if (copy)
		s->text[s->ntext++] = copy;
	return copy;
}

bool scenario_add_step(struct scenario *s, unsigned thread, const char *line, char *err,
		       size_t errlen)
{
	struct scenario_thread *t = &s->thread[thread];
	struct scenario_step *step = &t->step[t->nsteps];
	char *shown, *cut;

	if (t->nsteps == SCENARIO_MAX_STEPS) {
		snprintf(err, errlen, "a thread of more than %d steps", SCENARIO_MAX_STEPS);
		return false;
	}
	shown = keep(s, line);
	step->retry = strncmp(line, "retry ", 6) == 0;
	cut = shown ? keep(s, line + (step->retry ? 6 : 0)) : NULL;
	if (!cut) {
		snprintf(err, errlen, "out of memory");
		return false;
	}
	step->text = shown;
	if (!vec_parse(cut, &step->step, err, errlen))
		return false;
	if (step->step.kind == VEC_PLATFORM || step->step.kind == VEC_TDMR_INIT ||
	    step->step.repeat != 1) {
		snprintf(err, errlen, "not a step of a thread");
		return false;
	}
	t->nsteps += step->step.kind != VEC_COMMENT;
	return true;
}

static bool append(struct scenario *s, const char *text, const char *end)
{
	size_t old = s->setup ? strlen(s->setup) : 0, len = strlen(text);
	char *more = realloc(s->setup, old + len + strlen(end) + 1);

	if (!more)
		return false;
	memcpy(more + old, text, len);
	strcpy(more + old + len, end);
	s->setup = more;
	return true;
}

static bool stage(struct reader *r, const char *name)
{
	for (unsigned i = 0; i < STAGE_NUM; i++) {
		char *lines;
		bool ok;

		if (strcmp(stage_name(i), name) != 0)
			continue;
		lines = stage_lines(i);
		ok = lines && append(r->s, lines, "");
		free(lines);
		return ok || wrong(r, "out of memory at", name);
	}
	return wrong(r, "no such stage", name);
}

static bool thread(struct reader *r, const char *name)
{
	struct scenario *s = r->s;

	if (s->nthreads == SCENARIO_MAX_THREADS)
		return wrong(r, "a fifth thread", name);
	if (!*name || strlen(name) >= SCENARIO_NAME_LEN)
		return wrong(r, "not a name of a thread", name);
	strcpy(s->thread[s->nthreads++].name, name);
	return true;
}

/* "A2": the thread whose name begins the word, then the step's number from 1. */
static bool which(struct reader *r, const char *word, struct scenario_claim *c)
{
	for (unsigned i = 0; i < r->s->nthreads; i++) {
		const char *name = r->s->thread[i].name;
		size_t len = strlen(name);
		char *end;
		long n;

		if (strncmp(word, name, len) != 0)
			continue;
		n = strtol(word + len, &end, 10);
		if (*end || n < 1 || n > (long)r->s->thread[i].nsteps)
			continue;
		c->thread = (int)i;
		c->step = (int)n - 1;
		return true;
	}
	return wrong(r, "no such call", word);
}

static bool are_details(const char *text)
{
	enum tdx_operand op;

	for (size_t i = 0; tdx_operand_at(i, &op); i++)
		if (strcmp(tdx_operand_name(op), text) == 0)
			return true;
	return strncmp(text, "0x", 2) == 0;
}

/* What outcome_format() writes, with details or without, or "busy". A claim about anything else
 * would hold, or not, without a look at the calls. */
static bool is_outcome(const char *text)
{
	static const char *const others[] = {"busy", "in the guest", "TD exit", "shutdown",
					     "not possible"};
	char name[96];
	size_t n = strcspn(text, "|");

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strncmp(text, others[i], strlen(others[i])) == 0)
			return true;
	if (n >= sizeof(name) || strncmp(text, "TDX_", 4) != 0)
		return false;
	memcpy(name, text, n);
	name[n] = '\0';
	return tdx_status_by_name(name) && (!text[n] || are_details(text + n + 1));
}

static bool claim(struct reader *r, bool sometimes, const char *rest)
{
	struct scenario *s = r->s;
	struct scenario_claim *c = &s->claim[s->nclaims];
	char *copy = keep(s, rest), *blank;

	if (!copy || s->nclaims == SCENARIO_MAX_CLAIMS)
		return wrong(r, "too many claims at", rest);
	*c = (struct scenario_claim){sometimes, -1, -1, copy, r->line};
	blank = strchr(copy, ' ');
	if (blank) {
		*blank = '\0';
		c->status = blank + 1;
		if (!which(r, copy, c))
			return false;
	}
	s->nclaims++;
	return is_outcome(c->status) || wrong(r, "a status was expected, not", c->status);
}

static bool profile(struct reader *r, const char *name)
{
	r->s->profile = module_profile_by_name(name);
	return r->s->profile || wrong(r, "no such profile", name);
}

static bool line(struct reader *r, const char *l)
{
	struct scenario *s = r->s;
	char why[128];

	if (*l == '#' || !*l)
		return true;
	if (strncmp(l, "thread ", 7) == 0)
		return thread(r, l + 7);
	if (strncmp(l, "never ", 6) == 0)
		return claim(r, false, l + 6);
	if (strncmp(l, "sometimes ", 10) == 0)
		return claim(r, true, l + 10);
	if (s->nthreads > 0)
		return scenario_add_step(s, s->nthreads - 1, l, why, sizeof(why)) ||
		       wrong(r, why, l);
	if (strncmp(l, "stage ", 6) == 0)
		return stage(r, l + 6);
	if (strncmp(l, "profile ", 8) == 0)
		return profile(r, l + 8);
	return append(s, l, "\n") || wrong(r, "out of memory at", l);
}

bool scenario_parse(struct scenario *s, const char *text, char *err, size_t errlen)
{
	struct reader r = {s, 0, err, errlen};
	char *copy = strdup(text), *next;

	memset(s, 0, sizeof(*s));
	if (!copy)
		return wrong(&r, "out of memory at", "the beginning");
	for (char *l = copy; *l; l = next) {
		size_t len = strcspn(l, "\n");

		next = l + len + (l[len] == '\n');
		l[len] = '\0';
		while (len > 0 && strchr(" \t\r", l[len - 1]))
			l[--len] = '\0';
		r.line++;
		if (!line(&r, l)) {
			free(copy);
			return false;
		}
	}
	free(copy);
	if (s->nthreads < 1 || !s->setup) {
		snprintf(err, errlen, "no scenario: there is no \"%s\" line",
			 s->setup ? "thread" : "stage");
		return false;
	}
	for (unsigned i = 0; i < s->nthreads; i++)
		if (s->thread[i].nsteps == 0)
			return wrong(&r, "no steps for thread", s->thread[i].name);
	return true;
}

void scenario_free(struct scenario *s)
{
	free(s->setup);
	for (unsigned i = 0; i < s->ntext; i++)
		free(s->text[i]);
	memset(s, 0, sizeof(*s));
}
