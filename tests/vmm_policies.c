/* SPDX-License-Identifier: MIT */
/* The policies that the threads proposed for a lock of the module that is taken, side by side,
 * where locks are taken all the time: six vCPUs accept, touch and convert the same few pages and
 * one 2M page, two threads of the host convert, split and make whole beside them.
 *
 * On a quiet machine a lock is held for a microsecond, and hardly anybody meets it. Here a guest
 * that accepts gives up the host's processor now and then while it has the entry, as a holder does
 * that the host interrupts. Nobody but the monitor knows a control page, so of the calls that
 * reclaim one a tenth is refused by an injected fault, as a machine-check handler that looks at it
 * would have it.
 *
 * Without options until every policy has met enough of both kinds: whatever it does, all goes on.
 * Usage: vmm_policies [--seconds N] */
#include "vmm_setup.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "machine/splitmix.h"
#include "module/hooks.h"

enum {
	VCPUS = 6,
	HOSTS = 2,
	CPUS = 8,
	HOT_PAGES = 4,
	LIFE_EVENTS = 500,  /* of guests and host, in the life of a TD */
	GIVES_WAY = 1,	    /* each so manieth acceptance */
	RECLAIM_BUSY = 100, /* of 1000 */
	INSTALLS = 50,	    /* busy answers that are enough, and for removals */
	REMOVALS = 20,
	LIVES = 1000,	/* without them there is something wrong */
	WATCHDOG = 900, /* seconds; somebody waits for ever */
};
#define HOT    0x200000ull /* after the page that was added */
#define HOT_2M 0x400000ull

static const struct alternative {
	const char *name;
	struct tdx_vmm_policy policy;
} alternatives[] = {
	{"one kick (KVM)", TDX_VMM_POLICY_DEFAULT}, {"16 in the wrapper", {16, 0, 1, 0, 1000}},
	{"16, removals too", {16, 16, 1, 0, 1000}}, {"10,000 reclaims", {0, 0, 1, 10000, 1000}},
	{"two kicks", {0, 0, 2, 0, 1000}},
};
enum { POLICIES = sizeof(alternatives) / sizeof(alternatives[0]) };

struct contest {
	struct rig rig;
	_Atomic bool stop;
	_Atomic uint64_t events;
	_Atomic unsigned accepts;
	uint64_t seed, lost;
};

struct outcome {
	struct tdx_vmm_contention c;
	uint64_t events, lives, lost;
	double us; /* of a processor, an event: a busy machine does not matter */
};

static void give_way(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
		     enum lock_mode mode, bool guest, enum lock_result result)
{
	_Atomic unsigned *n = arg;

	(void)lp;
	(void)key;
	(void)mode;
	if (guest && res == LOCK_SEPT_ENTRY && result == LOCK_OK &&
	    atomic_fetch_add(n, 1) % GIVES_WAY == 0)
		sched_yield();
}

/* --- the guest --- */

static void accept_on_ve(struct tdx_native_cpu *cpu, unsigned vector, uint32_t error, void *arg)
{
	const uint64_t *page = arg;

	(void)error;
	if (vector != 20)
		return;
	guest_tdcall(cpu, TDG_VP_VEINFO_GET, 0, 0);
	guest_accept(cpu, *page, TDX_LEVEL_4K);
}

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	struct contest *s = arg;
	uint64_t seed = guest_number(cpu) + 1 + s->seed, page = HOT, word = 0;

	tdx_native_on_event(cpu, accept_on_ve, &page);
	while (!atomic_load(&s->stop)) {
		page = HOT + (splitmix_next(&seed) % HOT_PAGES << 12);
		switch (splitmix_next(&seed) % 32) {
		case 0:
			guest_vmcall(cpu, TDVMCALL_MAP_GPA, page | RIG_SHARED, 0x1000, NULL);
			break;
		case 1:
			guest_vmcall(cpu, TDVMCALL_MAP_GPA, page, 0x1000, NULL);
			break;
		case 2:
			guest_accept(cpu, HOT_2M, TDX_LEVEL_2M);
			break;
		case 3:
			page = HOT_2M + (splitmix_next(&seed) % 512 << 12);
			tdx_native_write(cpu, gpa(page), &word, sizeof(word));
			break;
		case 4:
			tdx_native_write(cpu, gpa(page), &word, sizeof(word));
			break;
		default:
			guest_accept(cpu, page, TDX_LEVEL_4K);
			break;
		}
		atomic_fetch_add(&s->events, 1);
	}
	for (;;)
		guest_halt(cpu);
}

/* --- the host --- */

struct thread {
	struct contest *s;
	unsigned n;
	pthread_t id;
	int err;
};

static void *runs(void *arg)
{
	struct thread *t = arg;
	struct rig *r = &t->s->rig;
	struct tdx_run run;

	for (;;) {
		t->err = tdx_vcpu_run(r->vcpu[t->n], -1, &run);
		if (t->err || run.exit == TDX_EXIT_HLT)
			return NULL;
		if (run.exit == TDX_EXIT_INTERNAL_ERROR) {
			t->err = -EIO;
			return NULL;
		}
		if (run.exit == TDX_EXIT_MEMORY_FAULT)
			tdx_vm_set_private(r->vm, run.memory_fault.gpa, TDX_PAGE_SIZE,
					   run.memory_fault.private_);
	}
}

static void *changes(void *arg)
{
	struct thread *t = arg;
	struct contest *s = t->s;
	struct tdx_vm *vm = s->rig.vm;
	uint64_t seed = t->n + 99 + s->seed;

	while (!atomic_load(&s->stop)) {
		const uint64_t page = HOT + (splitmix_next(&seed) % HOT_PAGES << 12);

		switch (splitmix_next(&seed) % 16) {
		case 0:
			tdx_vm_set_private(vm, gpa(page), 0x1000, false);
			break;
		case 1:
			tdx_vm_set_private(vm, gpa(HOT), HOT_PAGES * 0x1000, true);
			break;
		case 2:
		case 3:
			tdx_vm_promote(vm, gpa(HOT_2M));
			break;
		case 4:
			tdx_vm_demote(vm, gpa(HOT_2M));
			break;
		case 5:
			tdx_vm_zap_private(vm, gpa(HOT_2M), TDX_SIZE_2M);
			break;
		default:
			tdx_vm_zap_private(vm, gpa(page), 0x1000);
			break;
		}
		atomic_fetch_add(&s->events, 1);
		usleep(50);
	}
	return NULL;
}

static void life(struct contest *s)
{
	struct thread vcpu[VCPUS], host[HOSTS];
	struct tdx_vmm_memory m;

	atomic_store(&s->stop, false);
	s->seed++;
	rig_vm(&s->rig, VCPUS);
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpu[i] = (struct thread){.s = s, .n = i};
		pthread_create(&vcpu[i].id, NULL, runs, &vcpu[i]);
	}
	for (unsigned i = 0; i < HOSTS; i++) {
		host[i] = (struct thread){.s = s, .n = i};
		pthread_create(&host[i].id, NULL, changes, &host[i]);
	}
	while (atomic_load(&s->events) < s->seed * LIFE_EVENTS &&
	       tdx_vm_state(s->rig.vm) != TDX_VM_DEAD)
		usleep(1000);
	atomic_store(&s->stop, true);
	for (unsigned i = 0; i < VCPUS; i++)
		pthread_join(vcpu[i].id, NULL);
	for (unsigned i = 0; i < HOSTS; i++)
		pthread_join(host[i].id, NULL);
	/* While it runs nothing may be lost, by none of them. */
	if (tdx_vm_state(s->rig.vm) == TDX_VM_DEAD)
		fail_msg("%s", s->rig.log);
	for (unsigned i = 0; i < VCPUS; i++)
		assert_int_equal(vcpu[i].err, 0);
	rig_check_module(&s->rig);
	rig_destroy(&s->rig);
	m = rig_memory(&s->rig);
	s->lost = m.quarantined_pages;
	assert_int_equal(m.used_pages, 0);
	assert_int_equal(m.leaked_hkids, 0);
	assert_int_equal(m.free_pages + m.quarantined_pages, s->rig.total);
}

static double now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static bool is_enough(const struct outcome *o, double us, double share)
{
	if (share > 0)
		return us >= share;
	return o->c.install_busy >= INSTALLS && o->c.remove_busy >= REMOVALS &&
	       o->c.reclaim_busy > 0;
}

static void contest(const struct alternative *a, double share, struct outcome *o)
{
	static const struct module_hooks hooks = {.acquired = give_way};
	const struct tdx_fault looked_at = {.kind = TDX_FAULT_BUSY,
					    .leaf = TDH_PHYMEM_PAGE_RECLAIM,
					    .cpu = -1,
					    .permille = RECLAIM_BUSY};
	struct contest *s = calloc(1, sizeof(*s));
	struct rig_options opt = {.guest = guest,
				  .arg = s,
				  .cpus = CPUS,
				  .packages = 2,
				  .huge = true,
				  .sept_ve = true,
				  .policy = &a->policy};
	const double begin = now_us(CLOCK_MONOTONIC), used = now_us(CLOCK_PROCESS_CPUTIME_ID);

	assert_non_null(s);
	memset(o, 0, sizeof(*o));
	rig_on(&s->rig, &opt);
	module_set_hooks(s->rig.model->sys->mod, &hooks, &s->accepts);
	assert_true(tdx_model_inject(s->rig.model, &looked_at) >= 0);
	do {
		assert_true(o->lives < LIVES);
		life(s);
		o->lives++;
		tdx_vmm_contention(s->rig.vmm, &o->c);
	} while (!is_enough(o, now_us(CLOCK_MONOTONIC) - begin, share));
	o->events = atomic_load(&s->events);
	o->us = (now_us(CLOCK_PROCESS_CPUTIME_ID) - used) / (double)o->events;
	o->lost = s->lost;
	module_set_hooks(s->rig.model->sys->mod, NULL, NULL);
	rig_off(&s->rig);
	free(s);
}

/* What is made again follows from what was busy, whatever the policy. */
static void adds_up(const struct alternative *a, const struct outcome *o)
{
	const struct tdx_vmm_contention *c = &o->c;

	assert_int_equal(c->install_busy, c->install_again + c->install_later);
	assert_int_equal(c->remove_busy, c->remove_again + c->kicks);
	assert_true(a->policy.install_again ? c->install_again > 0 : !c->install_again);
	assert_true(a->policy.remove_again ? c->remove_again > 0 : !c->remove_again);
	assert_true(c->install_busy > 0 && c->remove_busy > 0);
	/* A page is lost for each reclaim that was busy to the end, and the TDR with it. */
	assert_true(c->reclaim_busy - c->reclaim_again <= o->lost);
	assert_true(a->policy.reclaim_again ? !o->lost : o->lost > 0);
	assert_true(o->events >= o->lives * LIFE_EVENTS);
}

static void print(const struct alternative *a, const struct outcome *o)
{
	const struct tdx_vmm_contention *c = &o->c;

	printf("%-18s %8llu %8llu %8llu | %7llu %7llu %6llu | %6llu %6llu %5llu | %9llu %8.1f\n",
	       a->name, (unsigned long long)c->install_busy, (unsigned long long)c->install_again,
	       (unsigned long long)c->install_later, (unsigned long long)c->remove_busy,
	       (unsigned long long)c->remove_again, (unsigned long long)c->kicks,
	       (unsigned long long)c->reclaim_busy, (unsigned long long)c->reclaim_again,
	       (unsigned long long)o->lost, (unsigned long long)o->events, o->us);
}

static double time_of(const struct outcome *o)
{
	return o->us;
}

static double kicks_of(const struct outcome *o)
{
	return (double)o->c.kicks * 1e3 / (double)o->events;
}

static double later_of(const struct outcome *o)
{
	return (double)o->c.install_later * 1e3 / (double)o->events;
}

static double lost_of(const struct outcome *o)
{
	return (double)o->lost / (double)o->lives;
}

/* The least first. */
static void rank(const char *by, double (*of)(const struct outcome *), const struct outcome *o)
{
	bool told[POLICIES] = {false};

	printf("%-34s", by);
	for (unsigned i = 0; i < POLICIES; i++) {
		unsigned best = POLICIES;

		for (unsigned k = 0; k < POLICIES; k++)
			if (!told[k] && (best == POLICIES || of(&o[k]) < of(&o[best])))
				best = k;
		told[best] = true;
		printf("%s%s %.1f", i ? ", " : " ", alternatives[best].name, of(&o[best]));
	}
	printf("\n");
}

static double seconds;

static void each_policy_meets_taken_locks_and_all_goes_on(void **state)
{
	struct outcome o[POLICIES];

	(void)state;
	printf("%-18s %26s | %22s | %19s |\n", "", "installs", "removals", "reclaims");
	printf("%-18s %8s %8s %8s | %7s %7s %6s | %6s %6s %5s | %9s %8s\n", "policy", "busy",
	       "again", "later", "busy", "again", "kicks", "busy", "again", "lost", "events",
	       "cpu us");
	for (unsigned i = 0; i < POLICIES; i++) {
		contest(&alternatives[i], seconds * 1e6 / (double)POLICIES, &o[i]);
		print(&alternatives[i], &o[i]);
		adds_up(&alternatives[i], &o[i]);
	}
	rank("us of a processor an event:", time_of, o);
	rank("kicks in 1000 events:", kicks_of, o);
	rank("faults come again, in 1000 events:", later_of, o);
	rank("pages lost a TD:", lost_of, o);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_policy_meets_taken_locks_and_all_goes_on)};

	if (argc == 3 && strcmp(argv[1], "--seconds") == 0)
		seconds = strtod(argv[2], NULL);
	else
		alarm(WATCHDOG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
