/* SPDX-License-Identifier: MIT */
/* Exploring schedules: the scenarios' claims hold in every schedule, merging equal states loses
 * nothing, and what is wrong on purpose is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace/pairs.h"
#include "trace/subject.h"

struct run {
	struct scenario s;
	struct player p;
	struct snapshot *snap;
	struct explore *e;
	struct explore_result r;
};

static struct run *run_text_by(const char *text, bool apart, bool short_way)
{
	struct run *run = calloc(1, sizeof(*run));
	struct explore_options opt = {.check = true, .apart = apart};
	char err[256];

	if (!scenario_parse(&run->s, text, err, sizeof(err)))
		fail_msg("%s", err);
	player_init(&run->p);
	run->p.profile = run->s.profile;
	if (!player_lines(&run->p, run->s.setup, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(snapshot_take(&run->p, &run->snap), 0);
	run->e = explore_new(&run->s, &run->p, run->snap);
	assert_non_null(run->e);
	if (short_way)
		explore_short_way(run->e);
	assert_int_equal(explore_run(run->e, &opt, &run->r), 0);
	return run;
}

static struct run *run_text(const char *text, bool apart)
{
	return run_text_by(text, apart, false);
}

static void done(struct run *run)
{
	explore_free(run->e);
	snapshot_free(run->snap);
	player_free(&run->p);
	scenario_free(&run->s);
	free(run);
}

static char *text_of(const char *name)
{
	char path[512], *text = calloc(1, 1 << 16);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.scn", SCENARIOS, name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s is not there", path);
	assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
	fclose(f);
	return text;
}

static struct run *run_file(const char *name, bool apart)
{
	char *text = text_of(name);
	struct run *run = run_text(text, apart);

	free(text);
	return run;
}

static void on_claim(void *arg, const struct scenario_claim *c)
{
	print_error("%s, line %u: %s %s\n", (const char *)arg, c->line,
		    c->sometimes ? "sometimes" : "never", c->status);
}

static void holds(const char *name)
{
	struct run *run = run_file(name, false);
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", name);
	assert_true(run->s.nclaims > 0);
	assert_int_equal(explore_claims(&run->s, &run->r, on_claim, copy), 0);
	if (run->r.broken)
		fail_msg("%s: %s", name, run->r.why);
	assert_int_equal(run->r.stuck, 0);
	assert_false(run->r.bounded);
	done(run);
}

static void lone_teardown_never_meets_a_busy_page(void **state)
{
	holds("teardown-one-thread");
}

static void second_teardown_thread_can_make_the_first_busy(void **state)
{
	holds("teardown-two-threads");
}

static void suspected_vcpu_and_blocking_host_meet_on_the_tree(void **state)
{
	holds("zero-step-suspect");
}

static void suspected_vcpu_and_mapping_host_meet_in_old_modules_only(void **state)
{
	holds("zero-step-suspect-aug");
	holds("zero-step-suspect-aug-1.5.01");
}

static void accept_and_removal_meet_on_the_entry(void **state)
{
	holds("accept-against-removal");
	holds("accept-against-block");
}

static void host_that_tries_again_always_gets_through(void **state)
{
	holds("retry-against-block");
}

static unsigned outcomes(const struct run *run, char *buf, size_t len)
{
	unsigned n = 0;
	char text[128];

	buf[0] = '\0';
	for (unsigned t = 0; t < run->s.nthreads; t++)
		for (unsigned i = 0; i < run->s.thread[t].nsteps; i++)
			for (unsigned k = 0; k < run->r.call[t][i].n; k++, n++) {
				outcome_format(&run->r.call[t][i].outcome[k], text, sizeof(text));
				snprintf(buf + strlen(buf), len - strlen(buf), "%u.%u %s\n", t, i,
					 text);
			}
	return n;
}

/* The number of schedules is computed from merged states; here each is run. */
static void merging_states_neither_loses_nor_invents_anything(void **state)
{
	static const char *const pairs[] = {
		"stage ready\nthread A\nseamcall 0 TDH.PHYMEM.PAGE.RDMD rcx=0x100000000\n"
		"thread B\nseamcall 1 TDH.PHYMEM.PAGE.WBINVD rcx=0x100000000\n",
		"stage ready\nthread A\nseamcall 0 TDH.MNG.CREATE rcx=0x100000000 rdx=0x21\n"
		"thread B\nseamcall 1 TDH.PHYMEM.CACHE.WB\n",
		"stage lp-init\nthread A\nseamcall 0 TDH.SYS.INIT\nthread B\nseamcall 1 "
		"TDH.SYS.LP.INIT\n"
		"thread C\nseamcall 2 TDH.SYS.CONFIG\n",
	};
	char *block = text_of("accept-against-block");

	for (unsigned i = 0; i < 4; i++) {
		struct run *merged = run_text(i < 3 ? pairs[i] : block, false);
		struct run *apart = run_text(i < 3 ? pairs[i] : block, true);
		char a[2048], b[2048];

		assert_true(apart->r.states > merged->r.states);
		assert_int_equal(apart->r.finals, (unsigned)merged->r.schedules);
		outcomes(merged, a, sizeof(a));
		outcomes(apart, b, sizeof(b));
		assert_string_equal(a, b);
		done(merged);
		done(apart);
	}
	free(block);
}

static void count_starts(void *arg, const struct explore_event *ev)
{
	const struct outcome *want = arg;

	if (ev->kind == EVENT_END && ev->outcome.kind == want->kind &&
	    ev->outcome.status.raw == want->status.raw)
		*(struct outcome *)arg = (struct outcome){.kind = OUTCOME_NOT_RUN};
}

/* --- the short way: locks taken together --- */

static const struct subject *subject_of(const char *name)
{
	for (unsigned i = 0; i < num_subjects; i++)
		if (strcmp(subjects[i].name, name) == 0)
			return &subjects[i];
	fail_msg("%s is no case", name);
	return NULL;
}

static void is_sound(const struct pair *p)
{
	if (p->r.broken)
		fail_msg("%s, %s: %s", p->first->name, p->second->name, p->r.why);
	assert_int_equal(p->r.stuck, 0);
	assert_false(p->r.bounded);
}

/* Both calls of each pair are on a TD their processors know: readers of its locks, those who want
 * one of them for themselves, and those who take the TDR away. */
static void locks_taken_together_exclude_and_are_excluded(void **state)
{
	static const char *const names[] = {
		"mng-rd",    "vp-enter",  "page-aug-4k",  "range-block-4k",   "page-remove",
		"mem-track", "mr-extend", "export-pause", "page-reclaim-tdr", "mng-vpflushdone",
	};
	const unsigned n = sizeof(names) / sizeof(names[0]);
	struct pair *p = malloc(sizeof(*p));

	for (unsigned a = 0; a < n; a++) {
		char err[256];
		struct pair_setup *setup =
			pair_setup_new(subject_of(names[a]), false, true, err, sizeof(err));

		if (!setup)
			fail_msg("%s: %s", names[a], err);
		for (unsigned b = 0; b < n; b++) {
			assert_int_equal(pair_run(setup, subject_of(names[b]), p), 0);
			if (p->possible)
				is_sound(p);
			scenario_free(&p->s);
		}
		pair_setup_free(setup);
	}
	free(p);
}

static void three_that_know_a_td_are_as_if_none_did(void **state)
{
	char *text = text_of("three-on-one-td"), name[] = "three-on-one-td";
	uint64_t runs[2];

	for (unsigned way = 0; way < 2; way++) {
		struct run *run = run_text_by(text, false, way);

		if (run->r.broken)
			fail_msg("%s", run->r.why);
		assert_int_equal(run->r.stuck, 0);
		assert_false(run->r.bounded);
		assert_int_equal(explore_claims(&run->s, &run->r, on_claim, name), 0);
		runs[way] = run->r.runs;
		done(run);
	}
	assert_int_not_equal(runs[0], runs[1]);
	free(text);
}

static void every_shown_schedule_does_what_it_is_shown_for(void **state)
{
	struct run *run = run_file("teardown-two-threads", false);

	for (unsigned t = 0; t < run->s.nthreads; t++)
		for (unsigned i = 0; i < run->s.thread[t].nsteps; i++)
			for (unsigned k = 0; k < run->r.call[t][i].n; k++) {
				struct outcome o = run->r.call[t][i].outcome[k];
				uint8_t steps[EXPLORE_MAX_STEPS];
				unsigned n = outcome_schedule(run->e, &o, steps, EXPLORE_MAX_STEPS);

				explore_show(run->e, steps, n, false, count_starts, &o);
				assert_int_equal(o.kind, OUTCOME_NOT_RUN);
			}
	done(run);
}

static void thread_that_waits_for_ever_is_a_deadlock(void **state)
{
	struct run *run = run_file("lock-never-released", false);

	assert_int_equal(run->r.finals, 0);
	assert_int_equal(run->r.stuck, run->r.states);
	done(run);
}

static void state_damaged_by_a_thread_is_a_broken_invariant(void **state)
{
	struct run *run =
		run_text("stage finalized\nthread A\nseamcall 0 TDH.MEM.TRACK rcx=0x100000000\n"
			 "thread B\nseamcall 1 TDH.SYS.INFO\nfill 0x100000008 0x8 0x7f\n",
			 false);

	assert_true(run->r.broken);
	assert_true(strlen(run->r.why) > 0);
	done(run);
}

static void false_claims_are_noticed(void **state)
{
	struct run *run =
		run_text("stage finalized\nthread A\nseamcall 0 TDH.MEM.TRACK rcx=0x100000000\n"
			 "never TDX_SUCCESS\nsometimes busy\nsometimes A1 TDX_SUCCESS\n",
			 false);

	assert_int_equal(explore_claims(&run->s, &run->r, NULL, NULL), 2);
	done(run);
}

static void scenarios_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"stage finalized\n",
		"stage nowhere\nthread A\nseamcall 0 TDH.SYS.INFO\n",
		"thread A\nseamcall 0 TDH.SYS.INFO\n",
		"stage ready\nthread A\nthread B\nseamcall 0 TDH.SYS.INFO\n",
		"stage ready\nthread A\nseamcall 0 TDH.NO.SUCH\n",
		"stage ready\nthread A\nplatform mem=0x1000\n",
		"stage ready\nthread A\nseamcall 0 TDH.SYS.INFO\nsometimes A2 busy\n",
		"stage ready\nthread AAAAAAAAAAAAAAAAAAAAAAAAAAAA\nseamcall 0 TDH.SYS.INFO\n",
		"stage ready\nthread A\nretry\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct scenario s;
		char err[256];

		assert_false(scenario_parse(&s, bad[i], err, sizeof(err)));
		scenario_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lone_teardown_never_meets_a_busy_page),
		cmocka_unit_test(second_teardown_thread_can_make_the_first_busy),
		cmocka_unit_test(suspected_vcpu_and_blocking_host_meet_on_the_tree),
		cmocka_unit_test(suspected_vcpu_and_mapping_host_meet_in_old_modules_only),
		cmocka_unit_test(accept_and_removal_meet_on_the_entry),
		cmocka_unit_test(host_that_tries_again_always_gets_through),
		cmocka_unit_test(merging_states_neither_loses_nor_invents_anything),
		cmocka_unit_test(locks_taken_together_exclude_and_are_excluded),
		cmocka_unit_test(three_that_know_a_td_are_as_if_none_did),
		cmocka_unit_test(every_shown_schedule_does_what_it_is_shown_for),
		cmocka_unit_test(thread_that_waits_for_ever_is_a_deadlock),
		cmocka_unit_test(state_damaged_by_a_thread_is_a_broken_invariant),
		cmocka_unit_test(false_claims_are_noticed),
		cmocka_unit_test(scenarios_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
