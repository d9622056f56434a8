/* SPDX-License-Identifier: MIT */
/* Exploring pairs of calls. The first is made by processor 0 or its guest, the second by processor
 * 1 or its guest: the TD's vCPU, or a second vCPU when the first call is a guest's, too. */
#include "trace/pairs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VCPU	 "0x100007000"
#define NEW_VCPU "0x100030000"

/* clang-format off */
static const char learn_td[] =
	"seamcall 0 TDH.MNG.RD rcx=0x100000000 rdx=0x8010000000000001\n"
	"seamcall 0 TDH.VP.RD rcx=" VCPU " rdx=0x1020000300000000\n"
	"seamcall 1 TDH.MNG.RD rcx=0x100000000 rdx=0x8010000000000001\n"
	"seamcall 1 TDH.VP.RD rcx=" VCPU " rdx=0x1020000300000000\n";
static const char enter_vcpu[] =
	"seamcall 0 TDH.VP.FLUSH rcx=" VCPU "\n"
	"enter 1 " VCPU "\n"
	"guest mode64 lp=1\n";
static const char enter_new_vcpu[] =
	"seamcall 1 TDH.VP.CREATE rcx=" NEW_VCPU " rdx=0x100000000\n"
	"seamcall 1 TDH.VP.ADDCX rcx=0x100031000 rdx=" NEW_VCPU "\n"
	"seamcall 1 TDH.VP.ADDCX rcx=0x100032000 rdx=" NEW_VCPU "\n"
	"seamcall 1 TDH.VP.ADDCX rcx=0x100033000 rdx=" NEW_VCPU "\n"
	"seamcall 1 TDH.VP.ADDCX rcx=0x100034000 rdx=" NEW_VCPU "\n"
	"seamcall 1 TDH.VP.ADDCX rcx=0x100035000 rdx=" NEW_VCPU "\n"
	"seamcall 1 TDH.VP.INIT rcx=" NEW_VCPU "\n"
	"enter 1 " NEW_VCPU "\n"
	"guest mode64 lp=1\n";
/* clang-format on */

struct pair_setup {
	const struct subject *first;
	struct player p;
	struct snapshot *snap;
	bool possible, short_way;
	const char *vcpu; /* of processor 1 */
};

bool subject_is_guest(const struct subject *s)
{
	return strncmp(s->call, "tdcall", 6) == 0 || strncmp(s->call, "guest", 5) == 0;
}

struct pair_setup *pair_setup_new(const struct subject *first, bool guest_second, bool short_way,
				  char *err, size_t errlen)
{
	struct pair_setup *setup = calloc(1, sizeof(*setup));
	const char *enter = subject_is_guest(first) ? enter_new_vcpu : enter_vcpu;
	char why[128];
	int e;

	if (!setup) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	setup->first = first;
	setup->short_way = short_way;
	setup->vcpu = subject_is_guest(first) ? NEW_VCPU : VCPU;
	player_init(&setup->p);
	if (!subject_prepare(first, &setup->p, err, errlen)) {
		pair_setup_free(setup);
		return NULL;
	}
	/* a TD that is not yet there stays unknown */
	if (short_way)
		player_lines(&setup->p, learn_td, why, sizeof(why));
	/* a TD that cannot be entered shows in the last of these lines */
	setup->possible = !guest_second || player_lines(&setup->p, enter, why, sizeof(why));
	e = snapshot_take(&setup->p, &setup->snap);
	if (e) {
		snprintf(err, errlen, "%s", strerror(-e));
		pair_setup_free(setup);
		return NULL;
	}
	return setup;
}

void pair_setup_free(struct pair_setup *setup)
{
	snapshot_free(setup->snap);
	player_free(&setup->p);
	free(setup);
}

/* The second call's line, by processor 1. */
static void second_line(const struct pair_setup *setup, const char *call, char *line, size_t len)
{
	const char *lp;

	if (strncmp(call, "tdcall ", 7) == 0) {
		snprintf(line, len, "tdcall %s%s", setup->vcpu, call + 7 + strcspn(call + 7, " "));
		return;
	}
	memccpy(line, call, '\0', len);
	line[len - 1] = '\0';
	lp = strncmp(call, "guest ", 6) == 0 ? strstr(call, "lp=") : strchr(call, ' ');
	if (lp)
		line[lp - call + (*lp == ' ' ? 1 : 3)] = '1';
}

struct in_order {
	struct outcome o[2];
};

static void on_event(void *arg, const struct explore_event *ev)
{
	struct in_order *in = arg;

	if (ev->kind == EVENT_END)
		in->o[ev->thread] = ev->outcome;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	return a->kind == b->kind && a->status.raw == b->status.raw;
}

/* Which outcomes can the two have one after the other? The rest needs a mixture. */
static void find_mixed(struct explore *e, struct pair *pair)
{
	uint8_t steps[EXPLORE_MAX_STEPS];
	struct in_order order[2] = {0};
	char text[128];

	explore_show(e, NULL, 0, true, on_event, &order[0]);
	memset(steps, 1, sizeof(steps));
	explore_show(e, steps, 128, true, on_event, &order[1]);
	for (unsigned t = 0; t < 2; t++)
		for (unsigned i = 0; i < pair->r.call[t][0].n; i++) {
			const struct outcome *o = &pair->r.call[t][0].outcome[i];
			unsigned n, a;

			if (outcome_is_busy(o)) {
				pair->busy[t] = true;
				continue;
			}
			if (same(o, &order[0].o[t]) || same(o, &order[1].o[t]) ||
			    pair->only_mixed++ > 0)
				continue;
			n = outcome_schedule(e, o, steps, sizeof(steps));
			snprintf(pair->mixed, sizeof(pair->mixed), "%s: %s",
				 (t == 0 ? pair->first : pair->second)->name,
				 outcome_format(o, text, sizeof(text)));
			for (unsigned k = 0; k < n; k = a) {
				size_t at = strlen(pair->schedule);

				for (a = k; a < n && steps[a] == steps[k]; a++)
					;
				snprintf(pair->schedule + at, sizeof(pair->schedule) - at, "%s%c%u",
					 k ? " " : "", 'A' + steps[k], a - k);
			}
		}
}

int pair_run(struct pair_setup *setup, const struct subject *second, struct pair *pair)
{
	struct explore_options opt = {.check = true};
	char line[320], err[128];
	struct explore *e;
	int ret = 0;

	memset(pair, 0, sizeof(*pair));
	pair->first = setup->first;
	pair->second = second;
	/* what a call is told of a session is not known where there is none */
	pair->possible = setup->possible && (!strchr(second->call, '$') || setup->p.nvalues > 0);
	if (!pair->possible)
		return 0;
	pair->s.nthreads = 2;
	second_line(setup, second->call, line, sizeof(line));
	if (!scenario_add_step(&pair->s, 0, setup->first->call, err, sizeof(err)) ||
	    !scenario_add_step(&pair->s, 1, line, err, sizeof(err)))
		return -EINVAL;
	snapshot_restore(setup->snap);
	e = explore_new(&pair->s, &setup->p, setup->snap);
	if (!e)
		return -ENOMEM;
	if (setup->short_way)
		explore_short_way(e);
	ret = explore_run(e, &opt, &pair->r);
	if (!ret)
		find_mixed(e, pair);
	explore_free(e);
	return ret;
}
