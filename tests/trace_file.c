/* SPDX-License-Identifier: MIT */
/* Traces: what is written is read; equal runs give equal bytes; a damaged file is used up to its
 * damage; a trace played again answers the same. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "trace/crc32.h"
#include "trace/subject.h"
#include "trace/trace_show.h"
#include "trace/vecrun.h"

struct bytes {
	uint8_t *data;
	size_t size;
};

static const char guest_life[] =
	"seamcall 0 TDH.MEM.PAGE.AUG rcx=0x5000 rdx=0x100000000 r8=0x100011000\n"
	"enter 0 0x100007000\n"
	"guest mode64 lp=0\n"
	"tdcall 0x100007000 TDG.MEM.PAGE.ACCEPT rcx=0x5000\n"
	"tdcall 0x100007000 TDG.VP.INFO\n"
	"guest cpuid lp=0 reason=10 ilen=2 rax=0x80000000\n"
	"hold SEPT_TREE key=0x100000000 mode=exclusive\n"
	"seamcall 1 TDH.MEM.RANGE.BLOCK rcx=0x5000 rdx=0x100000000\n"
	"release SEPT_TREE key=0x100000000\n"
	"guest external_interrupt lp=0 reason=1 intr=0x80000020\n"
	"seamcall 0 TDH.MEM.RANGE.BLOCK rcx=0x5000 rdx=0x100000000\n"
	"seamcall 0 RAX:0xc8 rcx=0x1\n";

static const char platform[] =
	"platform mem=0x180000000 cmr=0x100000+0x7af00000,0x100000000+0x80000000 maxpa=52 "
	"keyid_bits=6 keyids=64 tdx_keyids=32 lps=4 pkgs=1 wb_blocks=4 seed=1\n";

static char *temporary(void)
{
	char *path = strdup("/tmp/swtdx-trace-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	return path;
}

static struct bytes slurp(char *path)
{
	struct bytes b = {malloc(1 << 22), 0};
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	b.size = fread(b.data, 1, 1 << 22, f);
	fclose(f);
	unlink(path);
	free(path);
	return b;
}

static void play(struct player *p, struct trace *t, const char *lines)
{
	char *copy = strdup(lines), *next;

	for (char *l = copy; *l; l = next) {
		struct vec_step s;
		struct played d;
		char err[128], shown[256];

		next = strchr(l, '\n');
		*next++ = '\0';
		snprintf(shown, sizeof(shown), "%s", l);
		assert_true(vec_parse(l, &s, err, sizeof(err)));
		if (t &&
		    (s.kind == VEC_HOLD || s.kind == VEC_RELEASE || s.kind == VEC_GUEST_MODE64))
			trace_text(t, 0, shown);
		if (!player_step(p, &s, &d))
			fail_msg("%s: %s", shown, d.why);
	}
	free(copy);
}

/* The small TD's whole life so far and a guest's, recorded from the platform line on. */
static struct bytes recorded_life(struct trace_options opt, const char *life)
{
	char *path = temporary(), *lines = stage_lines(STAGE_FINALIZED), *rest;
	struct player p;
	struct trace *t;
	int err;

	player_init(&p);
	rest = strchr(lines, '\n') + 1;
	play(&p, NULL, platform);
	t = trace_open(path, p.mod, &opt, &err);
	assert_int_equal(err, 0);
	play(&p, t, rest);
	play(&p, t, life);
	assert_int_equal(trace_close(t), 0);
	player_free(&p);
	free(lines);
	return slurp(path);
}

static struct bytes recorded(struct trace_options opt)
{
	return recorded_life(opt, guest_life);
}

static const struct trace_record *last_of(const struct trace_file *f, const char *name)
{
	const struct trace_record *found = NULL;
	char buf[64];

	for (size_t i = 0; i < f->nrecords; i++)
		if ((f->record[i].type == TRACE_SEAMCALL || f->record[i].type == TRACE_EXIT) &&
		    strcmp(trace_name(&f->record[i], buf, sizeof(buf)), name) == 0)
			found = &f->record[i];
	if (!found)
		fail_msg("no %s in the trace", name);
	return found;
}

static void calls_are_read_as_they_were(void **state)
{
	struct bytes b = recorded((struct trace_options){0});
	const struct trace_record *r;
	struct trace_file f;

	assert_int_equal(trace_parse(&f, b.data, b.size), 0);
	assert_false(f.damaged);
	assert_non_null(strstr(f.platform, "lps=4"));
	r = last_of(&f, "TDH.MEM.PAGE.AUG");
	assert_int_equal(r->lp, 0);
	assert_int_equal(r->in.r8, 0x100011000);
	assert_int_equal(r->out.rax, 0);
	assert_int_equal(r->nlocks, 9); /* two pages below the same 1G and 2M entries */
	for (unsigned i = 0; i < r->nlocks; i++) {
		assert_int_equal(r->lock[i].result, LOCK_OK);
		assert_true(r->lock[i].released_ns >= r->lock[i].taken_ns);
	}
	r = last_of(&f, "TDH.VP.ENTER");
	assert_int_equal(r->next, MODULE_TO_GUEST);
	assert_int_equal(r->tdvpr, 0x100007000);
	r = last_of(&f, "TDG.MEM.PAGE.ACCEPT");
	assert_int_equal(r->next, MODULE_TO_GUEST);
	assert_true(r->mode64);
	r = last_of(&f, "exit EXTERNAL_INTERRUPT");
	assert_int_equal(r->next, MODULE_TO_HOST);
	assert_int_equal(r->out.rax, 1);
	r = last_of(&f, "SEAMCALL 0xc8");
	assert_true(tdx_is(tdx_status(r->out.rax), TDX_OPERAND_INVALID));
	trace_free(&f);
	free(b.data);
}

static void busy_lock_is_in_the_trace(void **state)
{
	struct bytes b = recorded((struct trace_options){0});
	struct trace_file f;
	unsigned busy = 0;

	assert_int_equal(trace_parse(&f, b.data, b.size), 0);
	for (size_t i = 0; i < f.nrecords; i++)
		for (unsigned k = 0; k < f.record[i].nlocks; k++)
			if (f.record[i].lock[k].result != LOCK_OK) {
				assert_int_equal(f.record[i].lock[k].res, LOCK_SEPT_TREE);
				assert_int_equal(f.record[i].lp, 1);
				busy++;
			}
	assert_int_equal(busy, 1);
	trace_free(&f);
	free(b.data);
}

static void equal_runs_give_equal_bytes_but_for_times(void **state)
{
	struct bytes a = recorded((struct trace_options){.timeless = true});
	struct bytes b = recorded((struct trace_options){.timeless = true});
	struct bytes timed = recorded((struct trace_options){0});
	struct trace_file x, y;

	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.data, b.data, a.size);
	assert_int_equal(trace_parse(&x, a.data, a.size), 0);
	assert_int_equal(trace_parse(&y, timed.data, timed.size), 0);
	assert_int_equal(trace_diff(stdout, &x, &y, 10), 0);
	trace_free(&x);
	trace_free(&y);
	free(a.data);
	free(b.data);
	free(timed.data);
}

/* A trace as vectors, played: nothing differs. How many steps. */
static unsigned long plays_the_same(const struct trace_file *f)
{
	const struct vecrun_options opt = {.keep_going = true};
	struct vecrun_result res;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	trace_vectors(out, f);
	fclose(out);
	vecrun_text(text, &opt, &res);
	free(text);
	assert_false(res.damaged);
	assert_int_equal(res.differing, 0);
	return res.steps;
}

static void trace_played_again_answers_the_same(void **state)
{
	struct bytes b = recorded((struct trace_options){.contents = true});
	struct trace_file f;

	assert_int_equal(trace_parse(&f, b.data, b.size), 0);
	assert_true(plays_the_same(&f) > 500);
	trace_free(&f);
	free(b.data);
}

/* Of calls that look for interrupts, one each is found at another look. */
static void calls_that_were_interrupted_are_interrupted_again(void **state)
{
	static const char life[] =
		"seamcall 0 TDH.MEM.SEPT.ADD rcx=0x40000002 rdx=0x100000000 r8=0x130000000\n"
		"seamcall 0 TDH.MEM.PAGE.AUG rcx=0x40000001 rdx=0x100000000 r8=0x120000000\n"
		"enter 0 0x100007000\n"
		"guest mode64 lp=0\n"
		"env intr_after 0 5\n"
		"tdcall 0x100007000 TDG.MEM.PAGE.ACCEPT rcx=0x40000001\n"
		"guest external_interrupt lp=0 reason=1 intr=0x80000020\n"
		"env intr_after 0 -1\n"
		"seamcall 0 TDH.VP.FLUSH rcx=0x100007000\n"
		"seamcall 0 TDH.MNG.VPFLUSHDONE rcx=0x100000000\n"
		"env intr_after 0 1\n"
		"seamcall 0 TDH.PHYMEM.CACHE.WB\n"
		"env intr_after 0 0\n"
		"seamcall 0 TDH.PHYMEM.CACHE.WB rcx=1\n"
		"env intr_after 0 -1\n"
		"seamcall 0 TDH.PHYMEM.CACHE.WB rcx=1\n";
	struct bytes b = recorded_life((struct trace_options){.contents = true}, life);
	uint64_t polled[3] = {0};
	unsigned n = 0;
	struct trace_file f;

	assert_int_equal(trace_parse(&f, b.data, b.size), 0);
	for (size_t i = 0; i < f.nrecords; i++)
		if (f.record[i].polled && n < 3)
			polled[n++] = f.record[i].polled;
	assert_int_equal(n, 3);
	assert_int_equal(polled[0], 6);
	assert_int_equal(polled[1], 2);
	assert_int_equal(polled[2], 1);
	plays_the_same(&f);
	trace_free(&f);
	free(b.data);
}

/* The processor changes virtual interrupts without a call; the host reads what they were at the
 * exit. */
static void virtual_interrupts_at_an_exit_are_those_of_the_recorded_one(void **state)
{
	static const char life[] = "enter 0 0x100007000\n"
				   "guest mode64 lp=0\n"
				   "guest vapic lp=0 status=0x40 priority=0x20\n"
				   "guest external_interrupt lp=0 reason=1 intr=0x80000020\n"
				   "seamcall 0 TDH.VP.RD rcx=0x100007000 rdx=0x9120000300000100\n"
				   "enter 0 0x100007000\n"
				   "guest vapic lp=0 status=0x4000 priority=0x40\n"
				   "guest external_interrupt lp=0 reason=1 intr=0x80000020\n"
				   "seamcall 0 TDH.VP.RD rcx=0x100007000 rdx=0x9120000300000100\n"
				   "enter 0 0x100007000\n"
				   "guest vapic lp=0 status=0x0 priority=0x0\n"
				   "guest external_interrupt lp=0 reason=1 intr=0x80000020\n"
				   "seamcall 0 TDH.VP.RD rcx=0x100007000 rdx=0x9120000300000100\n";
	static const uint64_t want[] = {1 << 0, 1 << 4, 0}; /* it waits, is in service, is gone */
	struct bytes b = recorded_life((struct trace_options){.contents = true}, life);
	struct trace_file f;
	unsigned n = 0;
	char buf[64];

	assert_int_equal(trace_parse(&f, b.data, b.size), 0);
	for (size_t i = 0; i < f.nrecords; i++) {
		const struct trace_record *r = &f.record[i];

		if (r->type != TRACE_SEAMCALL ||
		    strcmp(trace_name(r, buf, sizeof(buf)), "TDH.VP.RD") != 0)
			continue;
		assert_true(n < 3);
		assert_int_equal(r->out.r8, want[n++]);
	}
	assert_int_equal(n, 3);
	plays_the_same(&f);
	trace_free(&f);
	free(b.data);
}

static void difference_is_named(void **state)
{
	struct bytes b = recorded((struct trace_options){.timeless = true});
	struct trace_file x, y;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(trace_parse(&x, b.data, b.size), 0);
	assert_int_equal(trace_parse(&y, b.data, b.size), 0);
	((struct trace_record *)last_of(&y, "TDG.VP.INFO"))->out.rcx ^= 1;
	((struct trace_record *)last_of(&y, "TDH.MEM.RANGE.BLOCK"))->in.rcx ^= 0x1000;
	assert_int_equal(trace_diff(out, &x, &y, 10), 2);
	fclose(out);
	assert_non_null(strstr(text, "answers otherwise\n- "));
	assert_non_null(strstr(text, "called with other registers\n- "));
	y.nrecords--;
	assert_int_equal(trace_diff(stdout, &y, &y, 10), 0);
	assert_int_equal(trace_diff(stdout, &x, &y, 0), 3);
	free(text);
	trace_free(&x);
	trace_free(&y);
	free(b.data);
}

/* Wherever a file ends, what is whole before it is there and the place is told. */
static void cut_trace_is_used_up_to_the_cut(void **state)
{
	struct bytes b = recorded((struct trace_options){.timeless = true});
	size_t before = 0, steps = 0;

	for (size_t size = 8; size < b.size; size += 1 + size / 64, steps++) {
		uint8_t *cut = malloc(size);
		struct trace_file f;

		memcpy(cut, b.data, size);
		assert_int_equal(trace_parse(&f, cut, size), 0);
		assert_true(f.damaged && f.damage_at <= size);
		assert_true(f.nrecords >= before);
		before = f.nrecords;
		trace_free(&f);
		free(cut);
	}
	assert_true(steps > 50);
	free(b.data);
}

/* Two processors' blocks, the end's, and nothing more. */
static struct bytes recorded_shortly(void)
{
	struct trace_options opt = {.timeless = true};
	char *path = temporary();
	struct player p;
	struct trace *t;
	int err;

	player_init(&p);
	play(&p, NULL,
	     "platform mem=0x180000000 cmr=0x100000+0x7af00000,0x100000000+0x80000000 maxpa=52 "
	     "keyid_bits=6 keyids=64 tdx_keyids=32 lps=2 pkgs=1 wb_blocks=4 seed=1\n");
	t = trace_open(path, p.mod, &opt, &err);
	assert_int_equal(err, 0);
	play(&p, t,
	     "seamcall 0 TDH.SYS.INIT\nseamcall 0 TDH.SYS.LP.INIT\nseamcall 1 TDH.SYS.LP.INIT\n");
	assert_int_equal(trace_close(t), 0);
	player_free(&p);
	return slurp(path);
}

static void trace_cut_at_any_byte_is_told_from_a_whole_one(void **state)
{
	struct bytes b = recorded_shortly();
	struct trace_file f;
	unsigned with[4] = {0};

	for (size_t size = 8; size < b.size; size++) {
		uint8_t *cut = malloc(size);

		memcpy(cut, b.data, size);
		assert_int_equal(trace_parse(&f, cut, size), 0);
		assert_true(f.damaged && f.damage_at <= size && f.nrecords <= 3);
		assert_true(f.nrecords == 0 || f.record[0].type == TRACE_SEAMCALL);
		with[f.nrecords]++;
		trace_free(&f);
		free(cut);
	}
	/* Of a block, either all of it or nothing. */
	assert_true(with[0] && with[2] && with[3] && !with[1]);
	assert_int_equal(trace_parse(&f, b.data, b.size), 0);
	assert_true(!f.damaged && f.nrecords == 3);
	trace_free(&f);
	b.data[b.size] = 0;
	assert_int_equal(trace_parse(&f, b.data, b.size + 1), 0);
	assert_true(f.damaged && f.damage_at == b.size && f.nrecords == 3);
	trace_free(&f);
	free(b.data);
}

static void every_changed_byte_is_noticed(void **state)
{
	struct bytes b = recorded_shortly();

	for (size_t at = 0; at < b.size; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			struct trace_file f;
			int err;

			b.data[at] ^= (uint8_t)(1u << bit);
			err = trace_parse(&f, b.data, b.size);
			assert_true(at < 8 ? err != 0 : !err && f.damaged && f.damage_at <= at);
			trace_free(&f);
			b.data[at] ^= (uint8_t)(1u << bit);
		}
	free(b.data);
}

static void damaged_byte_is_noticed_wherever_it_is(void **state)
{
	struct bytes b = recorded((struct trace_options){.timeless = true});
	struct trace_file whole;

	assert_int_equal(trace_parse(&whole, b.data, b.size), 0);
	for (size_t at = 0; at < b.size; at += 1 + at / 256) {
		struct trace_file f;
		int err;

		b.data[at] ^= 0x10;
		err = trace_parse(&f, b.data, b.size);
		assert_true(err != 0 || f.damaged);
		/* In the end's block, all records are there. */
		assert_true(f.nrecords <= whole.nrecords);
		trace_free(&f);
		b.data[at] ^= 0x10;
	}
	trace_free(&whole);
	free(b.data);
}

static void what_is_no_trace_is_refused(void **state)
{
	struct trace_file f;

	assert_int_equal(trace_parse(&f, (const uint8_t *)"platform mem=0x180000000", 24), -22);
	assert_int_equal(trace_parse(&f, (const uint8_t *)"", 0), -22);
	trace_free(&f);
}

/* Who shows a trace of somebody's sends its texts to a terminal. */
static void texts_have_no_controls(void **state)
{
	const struct trace_options opt = {0};
	char *path = temporary(), *text = NULL;
	struct trace_file f;
	struct player p;
	struct trace *t;
	struct bytes b;
	uint32_t len, crc;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int err;

	(void)state;
	player_init(&p);
	play(&p, NULL, platform);
	t = trace_open(path, p.mod, &opt, &err);
	trace_text(t, 0, "# a\033]0;x\a\303\233\tb");
	assert_int_equal(trace_close(t), 0);
	player_free(&p);
	b = slurp(path);
	len = b.data[12] | (uint32_t)b.data[13] << 8;
	assert_int_equal(trace_parse(&f, b.data, b.size), 0);
	trace_print(out, &f, true);
	trace_vectors(out, &f);
	fclose(out);
	trace_free(&f);
	for (size_t i = 0; i < size; i++)
		assert_true(text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~') ||
			    text[i] == '\t');
	assert_non_null(strstr(text, "a?]0;x??? b"));
	free(text);
	b.data[TRACE_HEADER + 5] = 033;
	crc = crc32_of(b.data + TRACE_HEADER, len);
	memcpy(b.data + 16, &crc, sizeof(crc));
	assert_int_equal(trace_parse(&f, b.data, b.size), 0);
	assert_string_equal(f.platform, "");
	assert_true(f.damaged);
	trace_free(&f);
	free(b.data);
}

/* --- several processors --- */

struct caller {
	struct module *mod;
	unsigned lp;
};

static void *call_often(void *arg)
{
	const struct caller *c = arg;

	for (unsigned i = 0; i < 5000; i++) {
		struct tdx_regs regs = {.rax = TDH_SYS_RD, .rdx = 0x0800000200000000ull + c->lp};

		module_seamcall(c->mod, c->lp, &regs);
	}
	return NULL;
}

static void a_trace_ends_at_its_limit(void **state)
{
	const struct trace_options opt = {.max_bytes = TRACE_BLOCK_SIZE};
	char *path = temporary(), *lines = stage_lines(STAGE_READY);
	struct caller c;
	struct player p;
	struct trace_file f;
	struct bytes b;
	struct trace *t;
	int err;

	(void)state;
	player_init(&p);
	play(&p, NULL, lines);
	t = trace_open(path, p.mod, &opt, &err);
	c = (struct caller){p.mod, 0};
	assert_false(trace_is_full(t));
	for (unsigned i = 0; i < 10; i++)
		call_often(&c);
	assert_true(trace_is_full(t));
	assert_int_equal(trace_close(t), 0);
	b = slurp(path);
	assert_in_range(b.size, TRACE_BLOCK_SIZE, 3 * TRACE_BLOCK_SIZE);
	assert_int_equal(trace_parse(&f, b.data, b.size), 0);
	assert_false(f.damaged);
	assert_true(f.nrecords > 1000);
	trace_free(&f);
	free(b.data);
	player_free(&p);
	free(lines);
}

static void processors_in_parallel_lose_no_call(void **state)
{
	struct trace_options opt = {0};
	struct caller c[4];
	struct trace_file f;
	struct player p;
	struct bytes b;
	struct trace *t;
	pthread_t thread[4];
	unsigned calls[4] = {0};
	char *path = temporary(), *lines = stage_lines(STAGE_READY);
	int err;

	player_init(&p);
	play(&p, NULL, lines);
	t = trace_open(path, p.mod, &opt, &err);
	assert_non_null(t);
	for (unsigned i = 0; i < 4; i++) {
		c[i] = (struct caller){p.mod, i};
		pthread_create(&thread[i], NULL, call_often, &c[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(trace_close(t), 0);
	b = slurp(path);
	assert_int_equal(trace_parse(&f, b.data, b.size), 0);
	assert_false(f.damaged);
	for (size_t i = 0; i < f.nrecords; i++) {
		assert_int_equal(f.record[i].seq, i);
		assert_int_equal(f.record[i].in.rdx & 7, f.record[i].lp);
		calls[f.record[i].lp]++;
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(calls[i], 5000);
	trace_free(&f);
	free(b.data);
	player_free(&p);
	free(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_are_read_as_they_were),
		cmocka_unit_test(busy_lock_is_in_the_trace),
		cmocka_unit_test(equal_runs_give_equal_bytes_but_for_times),
		cmocka_unit_test(trace_played_again_answers_the_same),
		cmocka_unit_test(calls_that_were_interrupted_are_interrupted_again),
		cmocka_unit_test(virtual_interrupts_at_an_exit_are_those_of_the_recorded_one),
		cmocka_unit_test(difference_is_named),
		cmocka_unit_test(cut_trace_is_used_up_to_the_cut),
		cmocka_unit_test(trace_cut_at_any_byte_is_told_from_a_whole_one),
		cmocka_unit_test(every_changed_byte_is_noticed),
		cmocka_unit_test(damaged_byte_is_noticed_wherever_it_is),
		cmocka_unit_test(what_is_no_trace_is_refused),
		cmocka_unit_test(texts_have_no_controls),
		cmocka_unit_test(a_trace_ends_at_its_limit),
		cmocka_unit_test(processors_in_parallel_lose_no_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
