/* SPDX-License-Identifier: MIT */
/* Comparing what vectors record with what the steps do. */
#include "trace/vecrun.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/status.h>

#include "module/invariants.h"
#include "trace/player.h"
#include "trace/stage.h"
#include "trace/vector.h"

struct vecrun {
	const struct vecrun_options *opt;
	unsigned line;
	bool step_differs;
	struct player p;
};

__attribute__((format(printf, 2, 3))) static void differ(struct vecrun *r, const char *fmt, ...)
{
	struct vec_diff d = {.line = r->line};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d.text, sizeof(d.text), fmt, ap);
	va_end(ap);
	r->step_differs = true;
	if (r->opt->diff)
		r->opt->diff(r->opt->arg, &d);
}

static const char *next_name(enum module_next n)
{
	switch (n) {
	case MODULE_TO_HOST:
		return "back in the host";
	case MODULE_TO_GUEST:
		return "in the guest";
	case MODULE_SHUTDOWN:
		return "a shutdown";
	}
	return "?";
}

static void format_reg(unsigned n, uint64_t v, char *buf, size_t len)
{
	char name[96];

	if (n == 0)
		snprintf(buf, len, "0x%llx (%s)", (unsigned long long)v,
			 tdx_status_format(tdx_status(v), name, sizeof(name)));
	else
		snprintf(buf, len, "0x%llx", (unsigned long long)v);
}

/* Compare the registers in `mask`; the rest is not looked at. */
static void compare(struct vecrun *r, const char *what, const struct vec_regs *want, uint32_t mask,
		    const struct tdx_regs *got)
{
	struct tdx_regs g = *got, w = want->v;

	for (unsigned n = 0; n < 16; n++) {
		char have[128], recorded[128];

		if (!(mask & ~(want->any | want->named) & 1u << n) ||
		    *tdx_reg(&g, n) == *tdx_reg(&w, n))
			continue;
		format_reg(n, *tdx_reg(&g, n), have, sizeof(have));
		format_reg(n, *tdx_reg(&w, n), recorded, sizeof(recorded));
		differ(r, "%s: %s is %s, recorded %s", what, vec_reg_names[n], have, recorded);
	}
}

/* Did the call end where the vector says? MODULE_SHUTDOWN has no registers to compare. */
static bool ended(struct vecrun *r, const char *what, enum module_next got, enum module_next want)
{
	if (got == want)
		return true;
	differ(r, "%s: ends %s, recorded %s", what, next_name(got), next_name(want));
	return false;
}

static void check_event(struct vecrun *r, const struct vec_step *s, const char *what, unsigned lp)
{
	struct module_entry e = module_entry(r->p.mod, lp);
	bool valid = e.info >> 31;

	if (s->outcome != VEC_OUT_INJECT) {
		if (valid)
			differ(r, "%s: vector %u is injected, recorded none", what, e.info & 0xff);
		return;
	}
	if (!valid)
		differ(r, "%s: nothing is injected, recorded vector %u", what, s->vector);
	else if ((e.info & 0xff) != s->vector)
		differ(r, "%s: vector %u is injected, recorded %u", what, e.info & 0xff, s->vector);
	else if (s->has_error && (!(e.info & 1u << 11) || e.error != s->error))
		differ(r, "%s: injected with error 0x%x, recorded 0x%x", what, e.error, s->error);
}

static void check_seamcall(struct vecrun *r, const struct vec_step *s, const struct played *d)
{
	enum module_next want = s->outcome == VEC_OUT_SHUTDOWN ? MODULE_SHUTDOWN : MODULE_TO_HOST;

	if (ended(r, s->label, d->next, want) && d->next == MODULE_TO_HOST)
		compare(r, s->label, &s->out, s->out.mask, &d->regs);
}

static void check_enter(struct vecrun *r, const struct vec_step *s, const struct played *d)
{
	char name[96];

	if (d->next == MODULE_TO_HOST)
		differ(r, "TDH.VP.ENTER: not entered: %s",
		       tdx_status_format(tdx_status(d->regs.rax), name, sizeof(name)));
	else if (ended(r, "TDH.VP.ENTER", d->next, MODULE_TO_GUEST))
		check_event(r, s, "TDH.VP.ENTER", d->lp);
}

static void check_guest(struct vecrun *r, const struct vec_step *s, const struct played *d)
{
	enum module_next want = s->outcome == VEC_OUT_EXIT	 ? MODULE_TO_HOST
				: s->outcome == VEC_OUT_SHUTDOWN ? MODULE_SHUTDOWN
								 : MODULE_TO_GUEST;

	if (!ended(r, s->label, d->next, want) || d->next != MODULE_TO_GUEST)
		return;
	check_event(r, s, s->label, d->lp);
	if (s->outcome == VEC_OUT_REGS)
		compare(r, s->label, &s->out, s->out.mask, &d->regs);
}

/* Steps after which a vector says what came of them. */
static bool has_outcome(enum vec_kind kind)
{
	return kind == VEC_SEAMCALL || kind == VEC_ENTER || kind == VEC_GUEST ||
	       kind == VEC_GUEST_REGS || kind == VEC_TDCALL || kind == VEC_EXIT;
}

/* False: comments and set-up, which have no result of their own. */
static bool compared(enum vec_kind kind)
{
	return has_outcome(kind) || kind == VEC_TDMR_INIT || kind == VEC_EXPECT;
}

static void check(struct vecrun *r, const struct vec_step *s, const struct played *d)
{
	if (s->outcome == VEC_OUT_ANY && has_outcome(s->kind)) {
		differ(r, "%s: no outcome is recorded (\"->\"), so that nothing can be compared",
		       s->label ? s->label : "exit");
		return;
	}
	switch (s->kind) {
	case VEC_SEAMCALL:
		check_seamcall(r, s, d);
		break;
	case VEC_ENTER:
		check_enter(r, s, d);
		break;
	case VEC_GUEST:
	case VEC_TDCALL:
		check_guest(r, s, d);
		break;
	case VEC_GUEST_REGS:
		compare(r, s->label, &s->out, s->out.mask, &d->regs);
		break;
	case VEC_EXIT:
		compare(r, "exit", &s->out, 0xffffu & ~(1u << 4), &d->regs);
		break;
	case VEC_COMMENT:
	case VEC_PLATFORM:
	case VEC_WRITE:
	case VEC_FILL:
	case VEC_EXPECT:
	case VEC_ENV:
	case VEC_TDMR_INIT:
	case VEC_GUEST_MODE64:
	case VEC_GUEST_VE:
	case VEC_GUEST_VAPIC:
	case VEC_HOLD:
	case VEC_RELEASE:
	case VEC_XOR:
	case VEC_RELOAD:
		break;
	}
}

static void run_step(struct vecrun *r, const struct vec_step *s)
{
	for (unsigned i = 0; i < s->repeat && !r->step_differs; i++) {
		struct played d;

		if (player_step(&r->p, s, &d))
			check(r, s, &d);
		else
			differ(r, "%s", d.why);
	}
}

static void check_invariants(struct vecrun *r)
{
	char why[256];

	if (!r->opt->paranoid || !r->p.mod)
		return;
	if (!(player_holds(&r->p) ? module_check_state : module_check_invariants)(r->p.mod, why,
										  sizeof(why)))
		differ(r, "invariant broken: %s", why);
}

/* "stage NAME": the lines that bring up the small TD of the explorer. Their outcome is not
 * recorded; that each call succeeds is what is compared. */
static bool run_stage(struct vecrun *r, const char *name)
{
	char quoted[VEC_QUOTED], *lines = NULL, *next;

	for (unsigned i = 0; i < STAGE_NUM && !lines; i++)
		if (strcmp(stage_name(i), name) == 0)
			lines = stage_lines(i);
	if (!lines) {
		differ(r, "not understood: there is no stage %s", vec_quoted(name, quoted));
		return false;
	}
	for (char *l = lines; *l && !r->step_differs; l = next) {
		struct vec_step s;
		struct played d;
		char err[128];

		next = strchrnul(l, '\n');
		if (*next)
			*next++ = '\0';
		if (!vec_parse(l, &s, err, sizeof(err)))
			differ(r, "stage %s: %s", vec_quoted(name, quoted), err);
		for (unsigned i = 0; i < s.repeat && !r->step_differs; i++)
			if (!player_step(&r->p, &s, &d))
				differ(r, "stage %s: %s", vec_quoted(name, quoted), d.why);
			else if (d.call && d.next == MODULE_TO_HOST &&
				 !tdx_is_success(tdx_status(d.regs.rax)))
				differ(r, "stage %s: %s fails", vec_quoted(name, quoted), s.label);
	}
	free(lines);
	return true;
}

/* Done, and what becomes of the result. False: the rest is not run. */
static bool run_line(struct vecrun *r, char *line, struct vecrun_result *result)
{
	const bool stage = strncmp(line, "stage ", 6) == 0 && !r->p.mod;
	const bool platform = strncmp(line, "platform ", 9) == 0;
	struct vec_step s = {.kind = VEC_PLATFORM};
	char err[128];

	r->step_differs = false;
	if (stage) {
		result->damaged |= !run_stage(r, line + 6);
	} else if (!vec_parse(line, &s, err, sizeof(err)) ||
		   (!r->p.mod && s.kind != VEC_PLATFORM && s.kind != VEC_COMMENT)) {
		differ(r, "not understood: %s",
		       r->p.mod || platform ? err : "no platform line before it");
		result->damaged = true;
	} else {
		run_step(r, &s);
	}
	if (result->damaged)
		return false;
	if (s.kind != VEC_COMMENT)
		check_invariants(r);
	if (stage || compared(s.kind)) {
		result->steps++;
		result->passed += !r->step_differs;
	}
	result->differing += r->step_differs;
	return !(r->step_differs && !r->opt->keep_going) && !(s.kind == VEC_PLATFORM && !r->p.mod);
}

void vecrun_text(char *text, const struct vecrun_options *opt, struct vecrun_result *result)
{
	struct vecrun *r = calloc(1, sizeof(*r));
	char *line = text, *end;

	*result = (struct vecrun_result){0};
	if (!r) {
		result->damaged = true;
		return;
	}
	r->opt = opt;
	r->p.profile = opt->profile;
	for (; line && *line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		r->line = ++result->lines;
		if (!run_line(r, line, result))
			break;
	}
	/* A file of nothing, or of comments only: passing it would say that something was checked.
	 */
	if (!r->p.mod && !result->differing && !result->damaged) {
		differ(r, "no platform line: this is no vector file");
		result->damaged = true;
	}
	player_free(&r->p);
	free(r);
}
