/* SPDX-License-Identifier: MIT */
/* Random calls from several processors, with the module's invariants checked every so many of them.
 *
 *   fuzz_module [--seed N] [--calls N] [--every N] [--threads] [--dynamic] [--quiet]
 *
 * Without --threads the processors take turns in one thread and a seed gives the same run, byte for
 * byte, so a violation can be gone back to with the command that is printed. With --threads each is
 * a thread of its own, stopped together for a check. Exit status: 0 no violation, 1 one was found,
 * 2 wrong usage, 3 the machine could not be made. */
#include "fuzz/fuzz_module_oracle.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/invariants.h"

struct options {
	uint64_t seed;
	unsigned long calls, every;
	bool threads, dynamic, quiet;
};

struct run {
	struct options o;
	struct world w;
	struct actor actor[WORLD_LPS];
	pthread_barrier_t all;
	char why[256];
	_Atomic bool stop;
};

static void step(struct actor *a)
{
	if (a->in_guest)
		guest_step(a);
	else
		host_step(a);
	a->n++;
}

static void show_regs(const struct tdx_regs *r)
{
	static const char names[16][4] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					  "r8",	 "r9",	"r10", "r11", "r12", "r13", "r14", "r15"};

	for (unsigned i = 0; i < 16; i++)
		if (i == 0 || (&r->rax)[i])
			printf(" %s=0x%llx", names[i], (unsigned long long)(&r->rax)[i]);
}

static void show_log(const struct actor *a)
{
	char text[TDX_STATUS_FORMAT_MAX];
	unsigned long from = a->n > WORLD_LOG ? a->n - WORLD_LOG : 0;

	for (unsigned long n = from; n < a->n; n++) {
		const struct logged *l = &a->log[n % WORLD_LOG];
		const struct tdx_leaf_info *leaf =
			l->guest ? l->reason == 77 ? tdx_tdcall_leaf(tdx_rax_leaf(l->in.rax)) : NULL
				 : tdx_seamcall_leaf(tdx_rax_leaf(l->in.rax));

		printf("  %lu LP %u %s", l->n, a->lp,
		       leaf	  ? leaf->name
		       : l->guest ? "exit"
				  : "call");
		if (l->guest)
			printf(" reason %u", l->reason);
		show_regs(&l->in);
		printf(" -> %s\n", tdx_status_format(tdx_status(l->rax), text, sizeof(text)));
	}
}

static int report(struct run *r)
{
	unsigned long calls = 0;

	for (unsigned i = 0; i < WORLD_LPS; i++)
		calls += r->actor[i].n;
	for (unsigned i = 0; i < WORLD_LPS; i++)
		if (r->actor[i].violation)
			snprintf(r->why, sizeof(r->why), "LP %u: %s", i, r->actor[i].violation);
	if (!r->why[0]) {
		if (!r->o.quiet)
			printf("%lu calls, %lu guest entries, no violation (seed %llu)\n", calls,
			       r->w.entries, (unsigned long long)r->o.seed);
		return 0;
	}
	printf("violation after %lu calls: %s\n", calls, r->why);
	printf("again: fuzz_module --seed %llu --calls %lu --every 1%s%s\n",
	       (unsigned long long)r->o.seed, calls, r->o.dynamic ? " --dynamic" : "",
	       r->o.threads ? " --threads" : "");
	for (unsigned i = 0; i < WORLD_LPS; i++)
		show_log(&r->actor[i]);
	return 1;
}

static void show_coverage(const struct world *w)
{
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		if (w->calls[i] && tdx_seamcall_leaf(i))
			printf("  %-28s %9lu calls %9lu went well\n", tdx_seamcall_leaf(i)->name,
			       w->calls[i], w->good[i]);
	for (unsigned i = 0; i < TDX_TDCALL_LEAVES; i++)
		if (w->tdcalls[i] && tdx_tdcall_leaf(i))
			printf("  %-28s %9lu calls %9lu went well\n", tdx_tdcall_leaf(i)->name,
			       w->tdcalls[i], w->tdgood[i]);
}

static bool sound(struct run *r)
{
	for (unsigned i = 0; i < WORLD_LPS; i++)
		if (r->actor[i].violation)
			return false;
	return module_check_invariants(r->w.mod, r->why, sizeof(r->why));
}

static void take_turns(struct run *r)
{
	struct actor chooser = {.rng = r->o.seed};

	for (unsigned long n = 1; n <= r->o.calls; n++) {
		struct actor *a = &r->actor[below(&chooser, WORLD_LPS)];

		step(a);
		if (a->violation || ((n % r->o.every == 0 || n == r->o.calls) && !sound(r)))
			return;
	}
}

struct thread {
	struct run *r;
	unsigned lp;
	pthread_t id;
};

static void *run_thread(void *arg)
{
	const struct thread *t = arg;
	struct run *r = t->r;
	struct actor *a = &r->actor[t->lp];
	unsigned long each = r->o.calls / WORLD_LPS;

	for (unsigned long n = 1; !r->stop; n++) {
		if (!a->violation)
			step(a);
		if (n % r->o.every && n < each)
			continue;
		pthread_barrier_wait(&r->all);
		if (t->lp == 0 && (!sound(r) || n >= each))
			r->stop = true;
		pthread_barrier_wait(&r->all);
	}
	return NULL;
}

static void run_together(struct run *r)
{
	struct thread t[WORLD_LPS];

	r->w.parallel = true;
	pthread_barrier_init(&r->all, NULL, WORLD_LPS);
	for (unsigned i = 0; i < WORLD_LPS; i++) {
		t[i] = (struct thread){.r = r, .lp = i};
		if (pthread_create(&t[i].id, NULL, run_thread, &t[i])) {
			perror("fuzz_module");
			exit(3);
		}
	}
	for (unsigned i = 0; i < WORLD_LPS; i++)
		pthread_join(t[i].id, NULL);
	pthread_barrier_destroy(&r->all);
}

static bool number(const char *text, unsigned long *v)
{
	char *end;

	*v = strtoul(text, &end, 0);
	return *text && !*end;
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'},
		{"calls", required_argument, NULL, 'c'},
		{"every", required_argument, NULL, 'e'},
		{"threads", no_argument, NULL, 't'},
		{"dynamic", no_argument, NULL, 'd'},
		{"quiet", no_argument, NULL, 'q'},
		{NULL, 0, NULL, 0},
	};
	unsigned long v;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			if (!number(optarg, &v))
				return false;
			o->seed = v;
			break;
		case 'c':
			if (!number(optarg, &o->calls))
				return false;
			break;
		case 'e':
			if (!number(optarg, &o->every) || !o->every)
				return false;
			break;
		case 't':
			o->threads = true;
			break;
		case 'd':
			o->dynamic = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

int main(int argc, char **argv)
{
	static struct run r = {.o = {.seed = 1, .calls = 1000000, .every = 256}};
	char err[128];
	int result;

	if (!parse(argc, argv, &r.o)) {
		fputs("usage: fuzz_module [--seed N] [--calls N] [--every N] [--threads] "
		      "[--dynamic] "
		      "[--quiet]\n",
		      stderr);
		return 2;
	}
	if (!world_make(&r.w, r.o.seed, r.o.dynamic, err, sizeof(err))) {
		fprintf(stderr, "fuzz_module: %s\n", err);
		return 3;
	}
	if (!r.o.threads && !oracle_make(&r.w)) {
		fprintf(stderr, "fuzz_module: out of memory\n");
		return 3;
	}
	for (unsigned i = 0; i < WORLD_LPS; i++)
		r.actor[i] = (struct actor){
			.w = &r.w, .lp = i, .rng = r.o.seed * 0x632be59bd9b4e019 + i};
	if (r.o.threads)
		run_together(&r);
	else
		take_turns(&r);
	result = report(&r);
	if (!r.o.quiet)
		show_coverage(&r.w);
	oracle_free(&r.w);
	world_free(&r.w);
	return result;
}
