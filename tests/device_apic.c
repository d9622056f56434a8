/* SPDX-License-Identifier: MIT */
/* The local APIC alone: priorities, IPIs between several, the timer under a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "device/apic.h"

enum { CPUS = 4, HZ = 1000000000, BUS = 25000000, DELIVERIES = 20000 };

struct bus;

struct processor {
	struct apic apic;
	struct bus *bus;
	_Atomic unsigned notified;
	unsigned posted[256], events[8];
	uint8_t sipi;
	int eoi;
	uint64_t due;
	bool fires; /* what is due fires in the moment that arms it */
};

struct bus {
	struct processor cpu[CPUS];
	uint64_t now;
};

static void post(void *arg, uint8_t vector)
{
	((struct processor *)arg)->posted[vector]++;
}

static void notify(void *arg)
{
	((struct processor *)arg)->notified++;
}

static void event(void *arg, enum apic_mode mode, uint8_t vector)
{
	struct processor *p = arg;

	p->events[mode]++;
	p->sipi = vector;
}

static void send(void *arg, const struct apic_message *m)
{
	struct processor *from = arg;

	for (unsigned i = 0; i < CPUS; i++)
		if (apic_accepts(&from->bus->cpu[i].apic, from->apic.config.id, m))
			apic_deliver(&from->bus->cpu[i].apic, m);
}

static void eoi(void *arg, uint8_t vector)
{
	((struct processor *)arg)->eoi = vector;
}

static uint64_t now(void *arg)
{
	return ((struct processor *)arg)->bus->now;
}

static uint64_t tick_of_tsc(void *arg, uint64_t tsc)
{
	(void)arg;
	return tsc;
}

static bool timer(void *arg, uint64_t due)
{
	struct processor *p = arg;

	p->due = due;
	if (p->fires && due && due <= p->bus->now)
		p->due = apic_timer_fired(&p->apic, due, p->bus->now);
	return true;
}

static const struct apic_ops ops = {.post = post,
				    .notify = notify,
				    .event = event,
				    .send = send,
				    .eoi = eoi,
				    .now = now,
				    .tick_of_tsc = tick_of_tsc,
				    .timer = timer};

static void power_on(struct bus *b, enum apic_kind kind)
{
	memset(b, 0, sizeof(*b));
	b->now = 1000;
	for (unsigned i = 0; i < CPUS; i++) {
		const struct apic_config c = {
			.id = i, .kind = kind, .clock_hz = HZ, .bus_hz = BUS, .min_period = 200000};

		b->cpu[i].bus = b;
		b->cpu[i].eoi = -1;
		apic_init(&b->cpu[i].apic, &c, &ops, &b->cpu[i]);
		if (kind == APIC_WHOLE)
			assert_true(apic_write(&b->cpu[i].apic, MSR_X2APIC_SIVR, 0x1ff));
	}
}

static uint64_t rd(struct apic *a, uint32_t msr)
{
	uint64_t v = 0;

	assert_true(apic_read(a, msr, &v));
	return v;
}

/* Runs the clock to `until` as a thread of timers would. */
static void run(struct bus *b, uint64_t until)
{
	struct processor *p = &b->cpu[0];

	while (p->due && p->due <= until) {
		b->now = p->due;
		p->due = apic_timer_fired(&p->apic, p->due, b->now);
	}
	b->now = until;
}

static void the_highest_vector_above_the_priority_is_taken(void **state)
{
	struct bus b;
	struct apic *a = &b.cpu[0].apic;

	(void)state;
	power_on(&b, APIC_WHOLE);
	assert_int_equal(apic_acknowledge(a), -1);
	assert_true(apic_write(a, MSR_X2APIC_SELF_IPI, 0x41));
	assert_true(apic_write(a, MSR_X2APIC_SELF_IPI, 0x82));
	assert_int_equal(b.cpu[0].notified, 2);
	assert_int_equal(apic_acknowledge(a), 0x82);
	assert_int_equal(rd(a, MSR_X2APIC_PPR), 0x80);
	assert_int_equal(rd(a, MSR_X2APIC_ISR0 + 4), 1u << 2);
	assert_int_equal(rd(a, MSR_X2APIC_IRR0 + 2), 1u << 1);
	assert_false(apic_pending(a)); /* 0x41 is below what is in service */
	assert_true(apic_write(a, MSR_X2APIC_EOI, 0));
	assert_int_equal(b.cpu[0].notified, 3);
	assert_true(apic_write(a, MSR_X2APIC_TPR, 0x40));
	assert_int_equal(apic_acknowledge(a), -1); /* the same class */
	apic_set_cr8(a, 3);
	assert_int_equal(apic_cr8(a), 3);
	assert_int_equal(apic_acknowledge(a), 0x41);
	assert_true(apic_write(a, MSR_X2APIC_EOI, 0));
	assert_int_equal(rd(a, MSR_X2APIC_PPR), 0x30);
}

static void *deliver(void *arg)
{
	const struct apic_message m = {.vector = 0x51, .assert = true};
	struct apic *a = arg;

	for (unsigned i = 0; i < DELIVERIES; i++)
		apic_deliver(a, &m);
	return NULL;
}

/* Nothing but what came is served, whenever it comes. */
static void what_comes_while_it_is_looked_for_is_taken_whole(void **state)
{
	struct bus b;
	struct apic *a = &b.cpu[0].apic;
	pthread_t sender;

	(void)state;
	power_on(&b, APIC_WHOLE);
	for (unsigned round = 0; round < 20; round++) {
		assert_int_equal(pthread_create(&sender, NULL, deliver, a), 0);
		for (unsigned i = 0; i < DELIVERIES; i++) {
			const int vector = apic_acknowledge(a);

			assert_true(vector == -1 || vector == 0x51);
			assert_int_equal(rd(a, MSR_X2APIC_PPR), vector < 0 ? 0 : 0x50);
			if (vector >= 0)
				assert_true(apic_write(a, MSR_X2APIC_EOI, 0));
		}
		pthread_join(sender, NULL);
	}
}

static void the_end_of_a_level_interrupt_is_told(void **state)
{
	const struct apic_message m = {.vector = 0x51, .level = true, .assert = true};
	struct bus b;

	(void)state;
	power_on(&b, APIC_WHOLE);
	apic_deliver(&b.cpu[0].apic, &m);
	assert_int_equal(apic_acknowledge(&b.cpu[0].apic), 0x51);
	assert_true(apic_write(&b.cpu[0].apic, MSR_X2APIC_EOI, 0));
	assert_int_equal(b.cpu[0].eoi, 0x51);
}

static unsigned notified(const struct bus *b)
{
	unsigned set = 0;

	for (unsigned i = 0; i < CPUS; i++)
		set |= b->cpu[i].notified ? 1u << i : 0;
	return set;
}

static void an_ipi_goes_where_the_icr_says(void **state)
{
	static const struct {
		uint64_t icr;
		unsigned to;
	} c[] = {
		{2ull << 32 | 0x40, 1u << 2},
		{~0ull << 32 | 0x40, 0xf},
		{9ull << 32 | 0x40, 0},
		{5ull << 32 | 1 << 11 | 0x40, 1u << 0 | 1u << 2}, /* logical: bits of cluster 0 */
		{(1ull << 16 | 5) << 32 | 1 << 11 | 0x40, 0},	  /* cluster 1 */
		{1 << 18 | 0x40, 1u << 1},
		{2 << 18 | 0x40, 0xf},
		{3 << 18 | 0x40, 0xd},
	};
	struct bus b;

	(void)state;
	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		power_on(&b, APIC_WHOLE);
		assert_true(apic_write(&b.cpu[1].apic, MSR_X2APIC_ICR, c[i].icr));
		assert_int_equal(notified(&b), c[i].to);
		assert_int_equal(rd(&b.cpu[1].apic, MSR_X2APIC_ICR), c[i].icr);
	}
	assert_false(apic_write(&b.cpu[1].apic, MSR_X2APIC_ICR, 1ull << 20 | 0x40));
}

static void nmi_init_and_sipi_are_events(void **state)
{
	struct bus b;
	struct apic *a = &b.cpu[0].apic;

	(void)state;
	power_on(&b, APIC_WHOLE);
	assert_true(apic_write(a, MSR_X2APIC_ICR, 3 << 18 | APIC_NMI << 8));
	assert_true(apic_write(a, MSR_X2APIC_ICR, 3ull << 32 | APIC_INIT << 8 | 3 << 14));
	/* the de-assertion does nothing */
	assert_true(apic_write(a, MSR_X2APIC_ICR, 3ull << 32 | APIC_INIT << 8 | 1 << 15));
	assert_true(apic_write(a, MSR_X2APIC_ICR, 3ull << 32 | APIC_SIPI << 8 | 0x9a));
	assert_int_equal(b.cpu[0].events[APIC_NMI], 0);
	assert_int_equal(b.cpu[1].events[APIC_NMI], 1);
	assert_int_equal(b.cpu[3].events[APIC_INIT], 1);
	assert_int_equal(b.cpu[3].events[APIC_SIPI], 1);
	assert_int_equal(b.cpu[3].sipi, 0x9a);
	assert_int_equal(notified(&b), 0);
}

static void an_illegal_vector_is_an_error_and_its_interrupt(void **state)
{
	struct bus b;
	struct apic *a = &b.cpu[0].apic;

	(void)state;
	power_on(&b, APIC_WHOLE);
	assert_true(apic_write(a, MSR_X2APIC_LVT_ERROR, 0xfe));
	assert_true(apic_write(a, MSR_X2APIC_ICR, 1ull << 32 | 5));
	assert_int_equal(rd(a, MSR_X2APIC_ESR), 0); /* until it is written */
	assert_false(apic_write(a, MSR_X2APIC_ESR, 1));
	assert_true(apic_write(a, MSR_X2APIC_ESR, 0));
	assert_int_equal(rd(a, MSR_X2APIC_ESR), 1u << 5);
	assert_int_equal(apic_acknowledge(a), 0xfe);
	assert_true(apic_write(a, MSR_X2APIC_ESR, 0));
	assert_int_equal(rd(a, MSR_X2APIC_ESR), 0);
	/* an error interrupt with an illegal vector ends there */
	assert_true(apic_write(a, MSR_X2APIC_LVT_ERROR, 3));
	assert_true(apic_write(a, MSR_X2APIC_SELF_IPI, 1));
	assert_int_equal(apic_acknowledge(a), -1);
}

static void a_disabled_apic_takes_no_interrupt_and_masks_its_own(void **state)
{
	struct bus b;
	struct apic *a = &b.cpu[0].apic;

	(void)state;
	power_on(&b, APIC_WHOLE);
	assert_true(apic_write(a, MSR_X2APIC_LVT_TIMER, 0x40));
	assert_true(apic_write(a, MSR_X2APIC_SIVR, 0xff));
	assert_int_equal(rd(a, MSR_X2APIC_LVT_TIMER), 1u << 16 | 0x40);
	assert_true(apic_write(a, MSR_X2APIC_LVT_TIMER, 0x40));
	assert_int_equal(rd(a, MSR_X2APIC_LVT_TIMER), 1u << 16 | 0x40);
	assert_true(apic_write(&b.cpu[1].apic, MSR_X2APIC_ICR, 0x40));
	assert_int_equal(apic_acknowledge(a), -1);
	assert_true(apic_write(&b.cpu[1].apic, MSR_X2APIC_ICR, APIC_NMI << 8));
	assert_int_equal(b.cpu[0].events[APIC_NMI], 1);
}

static void the_timer_counts_once_or_again_and_again(void **state)
{
	struct bus b;
	struct apic *a = &b.cpu[0].apic;

	(void)state;
	power_on(&b, APIC_WHOLE);
	assert_true(apic_write(a, MSR_X2APIC_LVT_TIMER, 0x40));
	assert_true(apic_write(a, MSR_X2APIC_DIV_CONF, 0xb));	  /* by one */
	assert_true(apic_write(a, MSR_X2APIC_INIT_COUNT, 25000)); /* 1 ms */
	run(&b, 1000 + 400000);
	assert_int_equal(rd(a, MSR_X2APIC_CUR_COUNT), 15000);
	run(&b, 1000 + 5000000);
	assert_int_equal(rd(a, MSR_X2APIC_CUR_COUNT), 0);
	assert_int_equal(b.cpu[0].notified, 1);
	assert_true(apic_write(a, MSR_X2APIC_LVT_TIMER, 1 << 17 | 0x40));
	assert_true(apic_write(a, MSR_X2APIC_INIT_COUNT, 25000));
	run(&b, b.now + 10500000);
	assert_int_equal(b.cpu[0].notified, 11);
	/* no shorter than the owner can keep up with: a second of it is 5000, not 25 million */
	b.cpu[0].notified = 0;
	assert_true(apic_write(a, MSR_X2APIC_INIT_COUNT, 1));
	run(&b, b.now + HZ);
	assert_int_equal(b.cpu[0].notified, 5000);
	assert_true(apic_write(a, MSR_X2APIC_INIT_COUNT, 0));
	assert_int_equal(b.cpu[0].due, 0);
}

static void a_deadline_is_of_the_tsc_and_of_its_mode(void **state)
{
	struct bus b;
	struct apic *a = &b.cpu[0].apic;

	(void)state;
	power_on(&b, APIC_WHOLE);
	assert_true(apic_write(a, MSR_TSC_DEADLINE, 5000));
	assert_int_equal(b.cpu[0].due, 0); /* not in that mode */
	assert_true(apic_write(a, MSR_X2APIC_LVT_TIMER, 2 << 17 | 0x40));
	assert_true(apic_write(a, MSR_TSC_DEADLINE, 5000));
	assert_int_equal(rd(a, MSR_TSC_DEADLINE), 5000);
	assert_int_equal(b.cpu[0].due, 5000);
	run(&b, 6000);
	assert_int_equal(rd(a, MSR_TSC_DEADLINE), 0);
	assert_int_equal(apic_acknowledge(a), 0x40);
	assert_true(apic_write(a, MSR_TSC_DEADLINE, 9000));
	assert_true(apic_write(a, MSR_X2APIC_LVT_TIMER, 0x40)); /* another mode disarms it */
	assert_int_equal(b.cpu[0].due, 0);
}

static void a_virtualizing_processor_has_the_rest(void **state)
{
	static const uint32_t its[] = {MSR_X2APIC_TPR, MSR_X2APIC_EOI, MSR_X2APIC_PPR,
				       MSR_X2APIC_ISR0, MSR_X2APIC_IRR0 + 7};
	struct bus b;
	uint64_t v;

	(void)state;
	power_on(&b, APIC_VIRTUALIZED);
	for (unsigned i = 0; i < sizeof(its) / sizeof(its[0]); i++) {
		assert_false(apic_read(&b.cpu[0].apic, its[i], &v));
		assert_false(apic_write(&b.cpu[0].apic, its[i], 0));
	}
	assert_true(apic_write(&b.cpu[0].apic, MSR_X2APIC_ICR, 2ull << 32 | 0x77));
	assert_int_equal(b.cpu[2].posted[0x77], 1);
	assert_int_equal(b.cpu[2].notified, 0);
}

/* A deadline that has passed by the time it is loaded. */
static void an_interrupt_of_the_moment_of_loading_stays(void **state)
{
	enum { VECTOR = 0xec, BEFORE = 0x41 };
	struct apic_whole_state s;
	struct bus from, to;
	struct apic *a = &from.cpu[0].apic;

	(void)state;
	power_on(&from, APIC_WHOLE);
	power_on(&to, APIC_WHOLE);
	assert_true(apic_write(a, MSR_X2APIC_LVT_TIMER, VECTOR | 2 << 17));
	assert_true(apic_write(a, MSR_TSC_DEADLINE, 5000));
	assert_true(apic_write(a, MSR_X2APIC_ICR, 1 << 18 | BEFORE));
	apic_save_whole(a, &s);
	to.now = 6000;
	to.cpu[0].fires = true;
	apic_load_whole(&to.cpu[0].apic, &s);
	assert_int_equal(apic_acknowledge(&to.cpu[0].apic), VECTOR);
	assert_true(apic_write(&to.cpu[0].apic, MSR_X2APIC_EOI, 0));
	assert_int_equal(apic_acknowledge(&to.cpu[0].apic), BEFORE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_highest_vector_above_the_priority_is_taken),
		cmocka_unit_test(what_comes_while_it_is_looked_for_is_taken_whole),
		cmocka_unit_test(the_end_of_a_level_interrupt_is_told),
		cmocka_unit_test(an_ipi_goes_where_the_icr_says),
		cmocka_unit_test(nmi_init_and_sipi_are_events),
		cmocka_unit_test(an_illegal_vector_is_an_error_and_its_interrupt),
		cmocka_unit_test(a_disabled_apic_takes_no_interrupt_and_masks_its_own),
		cmocka_unit_test(the_timer_counts_once_or_again_and_again),
		cmocka_unit_test(a_deadline_is_of_the_tsc_and_of_its_mode),
		cmocka_unit_test(an_interrupt_of_the_moment_of_loading_stays),
		cmocka_unit_test(a_virtualizing_processor_has_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
