/* SPDX-License-Identifier: MIT */
/* The serial port, the clock and the interval timer alone, as a driver meets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "device/clock.h"
#include "device/pit.h"
#include "device/uart.h"

struct line {
	char in[16], out[16];
	unsigned nin, nout, edges;
	bool high;
};

static bool ready(void *arg)
{
	return ((struct line *)arg)->nin > 0;
}

static uint8_t get(void *arg)
{
	struct line *l = arg;
	const uint8_t c = (uint8_t)l->in[0];

	memmove(l->in, l->in + 1, --l->nin);
	return c;
}

static void put(void *arg, uint8_t c)
{
	struct line *l = arg;

	assert_in_range(l->nout, 0, sizeof(l->out) - 1);
	l->out[l->nout++] = (char)c;
}

static void irq(void *arg, bool high)
{
	struct line *l = arg;

	assert_true(l->high != high);
	l->high = high;
	l->edges++;
}

static const struct uart_ops with_irq = {.ready = ready, .get = get, .put = put, .irq = irq};
static const struct uart_ops polled = {.ready = ready, .get = get, .put = put};

static void bytes_go_out_and_come_in(void **state)
{
	struct line l = {.in = "xy", .nin = 2};
	struct uart u;

	(void)state;
	uart_init(&u, &polled, &l);
	uart_write(&u, 0, 'a');
	uart_write(&u, 3, 0x80); /* the divisor, not a byte */
	uart_write(&u, 0, 1);
	uart_write(&u, 1, 2);
	assert_int_equal(uart_read(&u, 0), 1);
	assert_int_equal(uart_read(&u, 1), 2);
	uart_write(&u, 3, 3);
	assert_int_equal(l.nout, 1);
	assert_int_equal(uart_read(&u, 5), 0x60); /* nobody asked for what comes in */
	uart_write(&u, 1, 1);
	assert_int_equal(uart_read(&u, 5), 0x61);
	assert_int_equal(uart_read(&u, 0), 'x');
	assert_int_equal(uart_read(&u, 0), 'y');
	assert_int_equal(uart_read(&u, 5), 0x60);
}

static void the_line_follows_what_the_driver_asked_for(void **state)
{
	struct line l = {0};
	struct uart u;

	(void)state;
	uart_init(&u, &with_irq, &l);
	uart_write(&u, 1, 3); /* both causes; OUT2 does not let them through */
	assert_false(l.high);
	uart_write(&u, 4, 0x0b);
	assert_true(l.high);
	assert_int_equal(uart_read(&u, 2), 0x02); /* transmitter empty; told, and forgotten */
	assert_false(l.high);
	l.in[0] = 'z';
	l.nin = 1;
	uart_poll(&u);
	assert_true(l.high);
	assert_int_equal(uart_read(&u, 2), 0x04);
	assert_int_equal(uart_read(&u, 0), 'z');
	assert_false(l.high);
	uart_write(&u, 0, 'b');
	assert_true(l.high);
	uart_write(&u, 1, 0);
	assert_false(l.high);
	assert_int_equal(l.edges, 6);
}

static void in_loop_mode_all_comes_back(void **state)
{
	struct line l = {0};
	struct uart u;

	(void)state;
	uart_init(&u, &with_irq, &l);
	uart_write(&u, 4, 0x1a);
	assert_int_equal(uart_read(&u, 6) & 0xf0, 0x90);
	uart_write(&u, 0, 0xa5);
	assert_int_equal(uart_read(&u, 5), 0x61);
	assert_int_equal(uart_read(&u, 0), 0xa5);
	assert_int_equal(uart_read(&u, 5), 0x60);
	assert_int_equal(l.nout + l.edges, 0);
}

static int64_t leap_day(void *arg)
{
	(void)arg;
	return 1709210096; /* 2024-02-29 12:34:56 */
}

static uint8_t cmos(struct clock *c, uint8_t index)
{
	clock_write(c, CLOCK_INDEX, index);
	return clock_read(c, CLOCK_DATA);
}

static void the_clock_tells_time_and_memory(void **state)
{
	static const uint8_t time[][2] = {{0, 0x56}, {2, 0x34}, {4, 0x12}, {6, 0x05},
					  {7, 0x29}, {8, 0x02}, {9, 0x24}, {0x32, 0x20}};
	struct clock c;

	(void)state;
	clock_init(&c, leap_day, NULL);
	for (unsigned i = 0; i < sizeof(time) / sizeof(time[0]); i++)
		assert_int_equal(cmos(&c, time[i][0]), time[i][1]);
	clock_set_memory(&c, 2ull << 30, 5ull << 30);
	assert_int_equal(cmos(&c, 0x34) | cmos(&c, 0x35) << 8, ((2 << 10) - 16) * 16);
	assert_int_equal(cmos(&c, 0x5b) | cmos(&c, 0x5c) << 8 | cmos(&c, 0x5d) << 16, 5 << 14);
	clock_set_memory(&c, 1 << 20, 0);
	assert_int_equal(cmos(&c, 0x34), 0);
	cmos(&c, 0x80 | 0x44); /* bit 7 masks NMIs */
	clock_write(&c, CLOCK_DATA, 0x5a);
	assert_int_equal(cmos(&c, 0x44), 0x5a);
	cmos(&c, 7);
	clock_write(&c, CLOCK_DATA, 1); /* the time is not for the guest to set */
	assert_int_equal(cmos(&c, 7), 0x29);
}

/* --- the interval timer --- */

static int64_t at_tick(void *arg)
{
	const int64_t tick = *(int64_t *)arg;

	return (tick * 1000000000 + PIT_HZ - 1) / PIT_HZ; /* the first nanosecond of it */
}

static unsigned word(struct pit *p, unsigned port)
{
	const unsigned low = pit_read(p, port);

	return low | (unsigned)pit_read(p, port) << 8;
}

static void program(struct pit *p, unsigned port, uint8_t control, unsigned v)
{
	pit_write(p, PIT_CONTROL, control);
	pit_write(p, port, (uint8_t)v);
	pit_write(p, port, (uint8_t)(v >> 8));
}

/* As Linux does: gate open, mode 0, all ones; the high byte goes down every 256 ticks. */
static void the_third_counter_measures_time(void **state)
{
	int64_t now = 5000;
	struct pit p;

	(void)state;
	pit_init(&p, at_tick, &now);
	pit_write(&p, PIT_GATE, 1);
	program(&p, 0x42, 0xb0, 0xffff);
	assert_int_equal(word(&p, 0x42), 0xffff);
	now += 0x1234;
	assert_int_equal(word(&p, 0x42), 0xffff - 0x1234);
	assert_int_equal(pit_read(&p, PIT_GATE) & 0x2f, 0x01);
	now += 0xffff - 0x1234;
	assert_int_equal(word(&p, 0x42), 0);
	assert_int_equal(pit_read(&p, PIT_GATE) & 0x2f, 0x21); /* its output is high */
	now += 1;
	assert_int_equal(word(&p, 0x42), 0xffff); /* and it goes round */
	pit_write(&p, PIT_GATE, 0);
	now += 100;
	assert_int_equal(word(&p, 0x42), 0xffff);
	pit_write(&p, PIT_GATE, 1);
	now += 100;
	assert_int_equal(word(&p, 0x42), 0xffff - 100);
}

static void counters_repeat_are_latched_and_read_back(void **state)
{
	int64_t now = 0;
	struct pit p;

	(void)state;
	pit_init(&p, at_tick, &now);
	program(&p, 0x40, 0x34, 1000); /* mode 2 */
	now = 2999;
	assert_int_equal(word(&p, 0x40), 1);
	now = 3000;
	assert_int_equal(word(&p, 0x40), 1000);
	program(&p, 0x41, 0x76, 1000); /* mode 3: by two, twice a period */
	now = 3100;
	assert_int_equal(word(&p, 0x41), 800);
	now = 3600;
	assert_int_equal(word(&p, 0x41), 800);
	pit_write(&p, PIT_CONTROL, 0x40); /* latch */
	now = 3700;
	assert_int_equal(word(&p, 0x41), 800);
	assert_int_equal(word(&p, 0x41), 600);
	pit_write(&p, PIT_CONTROL, 0xc4);	    /* read back: status and count of the second */
	assert_int_equal(pit_read(&p, 0x41), 0x36); /* low half, both bytes, mode 3 */
	now = 3800;
	assert_int_equal(word(&p, 0x41), 600);
	pit_write(&p, PIT_CONTROL, 0x70); /* nothing is loaded yet */
	pit_write(&p, PIT_CONTROL, 0xe4);
	assert_int_equal(pit_read(&p, 0x41), 0x70);
	program(&p, 0x41, 0x71, 0x0100); /* in decimal */
	now += 1;
	assert_int_equal(word(&p, 0x41), 0x0099);
	now += 100;
	assert_int_equal(word(&p, 0x41), 0x9999);
	pit_write(&p, PIT_CONTROL, 0x10); /* mode 0, low byte alone */
	pit_write(&p, 0x40, 5);
	now += 2;
	assert_int_equal(pit_read(&p, 0x40), 3);
	assert_int_equal(pit_read(&p, 0x40), 3);
}

static void the_gate_starts_a_shot(void **state)
{
	int64_t now = 77;
	struct pit p;

	(void)state;
	pit_init(&p, at_tick, &now);
	program(&p, 0x42, 0xb2, 10); /* mode 1 */
	now += 50;
	assert_int_equal(pit_read(&p, PIT_GATE) & 0x20, 0x20);
	pit_write(&p, PIT_GATE, 1);
	assert_int_equal(pit_read(&p, PIT_GATE) & 0x20, 0);
	now += 10;
	assert_int_equal(pit_read(&p, PIT_GATE) & 0x20, 0x20);
}

static void a_timer_moves_and_a_bad_one_is_made_good(void **state)
{
	int64_t now = 1 << 20, there = 3;
	struct pit_state s, bad;
	struct pit p, q;

	(void)state;
	pit_init(&p, at_tick, &now);
	program(&p, 0x40, 0x34, 1000);
	now += 123;
	memset(&s, 0, sizeof(s));
	pit_save(&p, &s);
	pit_init(&q, at_tick, &there);
	pit_load(&q, &s);
	assert_int_equal(word(&q, 0x40), 877);
	there += 7;
	assert_int_equal(word(&q, 0x40), 870);
	for (unsigned fill = 0; fill < 256; fill += 51) {
		memset(&bad, (int)fill, sizeof(bad));
		pit_load(&q, &bad);
		for (unsigned port = PIT_FIRST; port <= PIT_CONTROL; port++)
			word(&q, port);
		pit_write(&q, PIT_GATE, 1);
		pit_write(&q, PIT_CONTROL, 0xce);
		pit_read(&q, PIT_GATE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_out_and_come_in),
		cmocka_unit_test(the_line_follows_what_the_driver_asked_for),
		cmocka_unit_test(in_loop_mode_all_comes_back),
		cmocka_unit_test(the_clock_tells_time_and_memory),
		cmocka_unit_test(the_third_counter_measures_time),
		cmocka_unit_test(counters_repeat_are_latched_and_read_back),
		cmocka_unit_test(the_gate_starts_a_shot),
		cmocka_unit_test(a_timer_moves_and_a_bad_one_is_made_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
