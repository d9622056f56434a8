/* SPDX-License-Identifier: MIT */
/* The vCPUs an engine has met: one object a TDVPR, remembered by processors and forgotten by all.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/vcpus.h"

enum { ROUNDS = 20000 };

struct vcpu {
	uint64_t pa;
	_Atomic unsigned kicks;
};

struct counts {
	unsigned made, fail; /* fail: the next so many cannot be made */
};

static _Atomic unsigned freed;

static void *make(void *arg, uint64_t tdvpr_pa)
{
	struct counts *c = arg;
	struct vcpu *v;

	if (c->fail && c->fail--)
		return NULL;
	c->made++;
	v = calloc(1, sizeof(*v));
	assert_non_null(v);
	v->pa = tdvpr_pa;
	return v;
}

static void release(void *vcpu)
{
	freed++;
	free(vcpu);
}

static void kick(void *vcpu)
{
	((struct vcpu *)vcpu)->kicks++;
}

static const struct vcpus_ops ops = {.make = make, .free = release};
static struct vcpus v;

static struct counts start(void)
{
	freed = 0;
	return (struct counts){0};
}

static void a_vcpu_is_one_wherever_it_runs(void **state)
{
	struct counts c = start();
	struct vcpu *a, *b;

	(void)state;
	vcpus_init(&v, &ops, &c);
	a = vcpus_enter(&v, 0, 0x1000);
	assert_int_equal(a->pa, 0x1000);
	vcpus_leave(&v, 0);
	b = vcpus_enter(&v, 1, 0x2000);
	assert_ptr_not_equal(a, b);
	vcpus_leave(&v, 1);
	assert_ptr_equal(vcpus_enter(&v, 1, 0x1000), a);
	vcpus_leave(&v, 1);
	assert_ptr_equal(vcpus_enter(&v, 1, 0x2000), b);
	vcpus_leave(&v, 1);
	assert_ptr_equal(vcpus_enter(&v, 0, 0x1000), a);
	vcpus_leave(&v, 0);
	assert_int_equal(c.made, 2);
	vcpus_destroy(&v);
	assert_int_equal(freed, 2);
}

static void only_what_runs_is_kicked(void **state)
{
	struct counts c = start();
	struct vcpu *a;

	(void)state;
	vcpus_init(&v, &ops, &c);
	vcpus_kick(&v, 0, kick); /* nothing has run there yet */
	a = vcpus_enter(&v, 0, 0x1000);
	vcpus_kick(&v, 1, kick);
	assert_int_equal(a->kicks, 0);
	vcpus_kick(&v, 0, kick);
	assert_int_equal(a->kicks, 1);
	vcpus_leave(&v, 0);
	vcpus_kick(&v, 0, kick);
	assert_int_equal(a->kicks, 1);
	vcpus_destroy(&v);
}

static void a_forgotten_vcpu_is_remembered_nowhere(void **state)
{
	struct counts c = start();
	struct vcpu *b;

	(void)state;
	vcpus_init(&v, &ops, &c);
	vcpus_enter(&v, 0, 0x1000);
	vcpus_leave(&v, 0);
	vcpus_enter(&v, 1, 0x1000);
	vcpus_leave(&v, 1);
	b = vcpus_enter(&v, 2, 0x2000);
	vcpus_forget(&v, 0x3000); /* never met */
	assert_int_equal(freed, 0);
	vcpus_forget(&v, 0x1000);
	assert_int_equal(freed, 1);
	/* the same page is another vCPU now, on every processor */
	assert_int_equal(((struct vcpu *)vcpus_enter(&v, 1, 0x1000))->kicks, 0);
	vcpus_leave(&v, 1);
	vcpus_enter(&v, 0, 0x1000);
	assert_int_equal(c.made, 3);
	vcpus_kick(&v, 2, kick);
	assert_int_equal(b->kicks, 1);
	vcpus_destroy(&v);
	assert_int_equal(freed, 3);
}

static void without_memory_or_room_there_is_none_and_nothing_is_lost(void **state)
{
	struct counts c = start();

	(void)state;
	vcpus_init(&v, &ops, &c);
	c.fail = 1;
	assert_null(vcpus_enter(&v, 0, 0x1000));
	vcpus_kick(&v, 0, kick);
	for (uint64_t i = 1; i <= VCPUS_MAX; i++)
		assert_non_null(vcpus_enter(&v, 0, i << 12));
	assert_null(vcpus_enter(&v, 0, (VCPUS_MAX + 1ull) << 12));
	vcpus_forget(&v, 0x5000);
	assert_non_null(vcpus_enter(&v, 0, (VCPUS_MAX + 1ull) << 12));
	vcpus_destroy(&v);
	assert_int_equal(freed, VCPUS_MAX + 1);
}

/* --- from many threads --- */

struct runner {
	unsigned lp;
	unsigned wrong;
};

static void *run(void *arg)
{
	struct runner *r = arg;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		/* two vCPUs of its own, one of which is given up now and then */
		uint64_t pa = (r->lp * 2ull + i % 2 + 1) << 12;
		struct vcpu *vcpu = vcpus_enter(&v, r->lp, pa);

		r->wrong += !vcpu || vcpu->pa != pa;
		vcpus_leave(&v, r->lp);
		if (i % 16 == 1)
			vcpus_forget(&v, pa);
	}
	return NULL;
}

static void *kick_all(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++)
		vcpus_kick(&v, i % 3, kick);
	return NULL;
}

static void kicks_and_forgetting_do_not_disturb_who_runs(void **state)
{
	struct counts c = start();
	struct runner r[3] = {{.lp = 0}, {.lp = 1}, {.lp = 2}};
	pthread_t thread[4];

	(void)state;
	vcpus_init(&v, &ops, &c);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run, &r[i]), 0);
	assert_int_equal(pthread_create(&thread[3], NULL, kick_all, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(r[i].wrong, 0);
	vcpus_destroy(&v);
	assert_int_equal(freed, c.made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vcpu_is_one_wherever_it_runs),
		cmocka_unit_test(only_what_runs_is_kicked),
		cmocka_unit_test(a_forgotten_vcpu_is_remembered_nowhere),
		cmocka_unit_test(without_memory_or_room_there_is_none_and_nothing_is_lost),
		cmocka_unit_test(kicks_and_forgetting_do_not_disturb_who_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
