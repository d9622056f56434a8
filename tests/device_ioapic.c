/* SPDX-License-Identifier: MIT */
/* The I/O APIC alone, as a driver and its devices meet it, and what its messages say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "device/apic.h"
#include "device/ioapic.h"

struct bus {
	unsigned n;
	struct apic_message last;
};

static void msi(void *arg, uint64_t address, uint32_t data)
{
	struct bus *b = arg;

	b->n++;
	b->last = apic_msi(address, data);
}

static const struct ioapic_ops ops = {.msi = msi};

enum { MASKED = 1 << 16, LEVEL = 1 << 15, REMOTE_IRR = 1 << 14, LOGICAL = 1 << 11 };

static void set(struct ioapic *io, uint32_t reg, uint32_t value)
{
	ioapic_write(io, 0x00, reg);
	ioapic_write(io, 0x10, value);
}

static uint32_t get(struct ioapic *io, uint32_t reg)
{
	ioapic_write(io, 0x00, reg);
	return ioapic_read(io, 0x10);
}

static void set_pin(struct ioapic *io, unsigned pin, uint32_t low, uint32_t dest)
{
	set(io, 0x11 + 2 * pin, dest << 24);
	set(io, 0x10 + 2 * pin, low);
}

static void it_says_what_it_is(void **state)
{
	struct bus b = {0};
	struct ioapic io;

	(void)state;
	ioapic_init(&io, &ops, &b);
	assert_int_equal(get(&io, 1), 0x00170020);
	assert_int_equal(ioapic_read(&io, 0), 1);
	set(&io, 0, 0xffffffff);
	assert_int_equal(get(&io, 0), 0x0f000000);
	set(&io, 1, 0); /* read-only */
	assert_int_equal(get(&io, 1), 0x00170020);
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		assert_int_equal(get(&io, 0x10 + 2 * pin), MASKED);
	/* Past the last pin, and in the reserved registers, there is nothing. */
	for (uint32_t reg = 0; reg < 0x100; reg++) {
		if (reg < 2 || (reg >= 0x10 && reg < 0x40))
			continue;
		set(&io, reg, 0xffffffff);
		assert_int_equal(get(&io, reg), reg == 2 ? 0x0f000000 : 0);
	}
	for (uint64_t offset = 0x14; offset < IOAPIC_SIZE; offset++) {
		ioapic_write(&io, offset, 0);
		assert_int_equal(ioapic_read(&io, offset), 0);
	}
	assert_int_equal(b.n, 0);
}

static void an_entry_keeps_its_bits_and_not_its_status(void **state)
{
	struct bus b = {0};
	struct ioapic io;

	(void)state;
	ioapic_init(&io, &ops, &b);
	set_pin(&io, 23, 0xffffffff, 0xff);
	assert_int_equal(get(&io, 0x3e), 0x0001afff);
	assert_int_equal(get(&io, 0x3f), 0xff000000);
}

static void an_edge_is_sent_once(void **state)
{
	struct bus b = {0};
	struct ioapic io;

	(void)state;
	ioapic_init(&io, &ops, &b);
	set_pin(&io, 4, 0x31, 2);
	ioapic_line(&io, 4, true);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.last.dest, 2);
	assert_int_equal(b.last.vector, 0x31);
	assert_int_equal(b.last.mode, APIC_FIXED);
	assert_false(b.last.level || b.last.logical);
	ioapic_line(&io, 4, true);
	assert_int_equal(b.n, 1);
	ioapic_line(&io, 4, false);
	ioapic_line(&io, 4, true);
	assert_int_equal(b.n, 2);
	ioapic_line(&io, 5, true); /* masked */
	assert_int_equal(b.n, 2);
}

static void an_edge_at_a_masked_pin_is_forgotten(void **state)
{
	struct bus b = {0};
	struct ioapic io;

	(void)state;
	ioapic_init(&io, &ops, &b);
	ioapic_line(&io, 4, true);
	set_pin(&io, 4, 0x31, 0);
	assert_int_equal(b.n, 0);
	ioapic_line(&io, 4, false);
	ioapic_line(&io, 4, true);
	assert_int_equal(b.n, 1);
}

static void a_level_is_sent_until_it_is_gone(void **state)
{
	struct bus b = {0};
	struct ioapic io;

	(void)state;
	ioapic_init(&io, &ops, &b);
	ioapic_line(&io, 9, true);
	set_pin(&io, 9, 0x41 | LEVEL | LOGICAL | APIC_LOWEST << 8, 3);
	assert_int_equal(b.n, 1); /* unmasked with the line high */
	assert_true(b.last.level && b.last.assert &&b.last.logical);
	assert_int_equal(b.last.mode, APIC_LOWEST);
	assert_int_equal(get(&io, 0x22) & REMOTE_IRR, REMOTE_IRR);
	ioapic_line(&io, 9, false);
	ioapic_line(&io, 9, true);
	assert_int_equal(b.n, 1); /* not ended yet */
	ioapic_eoi(&io, 0x42);	  /* another's */
	assert_int_equal(b.n, 1);
	ioapic_eoi(&io, 0x41);
	assert_int_equal(b.n, 2); /* it is high again */
	ioapic_line(&io, 9, false);
	ioapic_write(&io, 0x40, 0x41); /* the EOI register */
	assert_int_equal(b.n, 2);
	assert_int_equal(get(&io, 0x22) & REMOTE_IRR, 0);
}

static void a_driver_ends_a_level_by_force(void **state)
{
	struct bus b = {0};
	struct ioapic io;

	(void)state;
	ioapic_init(&io, &ops, &b);
	set_pin(&io, 9, 0x41 | LEVEL, 0);
	ioapic_line(&io, 9, true);
	set_pin(&io, 9, 0x41 | MASKED, 0);
	assert_int_equal(get(&io, 0x22) & REMOTE_IRR, 0);
	set_pin(&io, 9, 0x41 | LEVEL, 0);
	assert_int_equal(b.n, 2);
}

static void a_message_to_all_is_to_all(void **state)
{
	const struct apic_message m = apic_msi(0xfeeff004, 0x0000c4fd);

	(void)state;
	assert_int_equal(m.dest, ~0u);
	assert_int_equal(m.vector, 0xfd);
	assert_int_equal(m.mode, APIC_NMI);
	assert_true(m.logical && m.level && m.assert);
	assert_int_equal(apic_msi(0xfee01000, 0x20).dest, 1);
	assert_int_equal(apic_msi(0xfee0100c, 0x20).mode, APIC_LOWEST); /* the redirection hint */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_what_it_is),
		cmocka_unit_test(an_entry_keeps_its_bits_and_not_its_status),
		cmocka_unit_test(an_edge_is_sent_once),
		cmocka_unit_test(an_edge_at_a_masked_pin_is_forgotten),
		cmocka_unit_test(a_level_is_sent_until_it_is_gone),
		cmocka_unit_test(a_driver_ends_a_level_by_force),
		cmocka_unit_test(a_message_to_all_is_to_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
