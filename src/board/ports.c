/* SPDX-License-Identifier: MIT */
/* IN and OUT: the serial port, the clock, sleep and reset; anything else reads as ones. */
#include "board/internal.h"

#include "../firmware/layout.h"

#define QUAL_IN	    (1u << 3)
#define QUAL_STRING (1u << 4)

/* The sleep control register (ACPI, 4.8.3.7). */
enum { SLEEP_ENABLE = 1 << 5, SLEEP_TYPE_SHIFT = 2 };

void board_is_missing(struct board_cpu *c, enum board_missing_kind kind, uint64_t number)
{
	struct board *b = c->board;
	unsigned i = 0;

	pthread_mutex_lock(&b->io);
	while (i < b->nmissing && (b->missing[i].kind != kind || b->missing[i].number != number))
		i++;
	if (i == b->nmissing && i < BOARD_MISSING_MAX)
		b->missing[b->nmissing++] =
			(struct board_missing){.kind = kind, .number = number, .rip = c->x86->rip};
	if (i < b->nmissing)
		b->missing[i].times++;
	pthread_mutex_unlock(&b->io);
}

bool board_missing(const struct board *b, unsigned i, struct board_missing *missing)
{
	if (i >= b->nmissing)
		return false;
	*missing = b->missing[i];
	return true;
}

static bool is_uart(unsigned port)
{
	return port >= UART_COM1 && port < UART_COM1 + UART_PORTS;
}

static bool is_clock(unsigned port)
{
	return port == CLOCK_INDEX || port == CLOCK_DATA;
}

static uint8_t in(struct board_cpu *c, unsigned port)
{
	struct board *b = c->board;
	uint8_t v = 0xff;

	if (is_uart(port) || is_clock(port)) {
		board_devices_enter(c);
		v = is_uart(port) ? uart_read(&b->uart, port - UART_COM1)
				  : clock_read(&b->clock, port);
		board_devices_leave(b);
	} else if (port == FW_PORT_SLEEP || port == FW_PORT_SLEEP_STATUS) {
		v = 0;
	} else {
		board_is_missing(c, BOARD_PORT, port);
	}
	return v;
}

/* False: back to the firmware. */
static bool out(struct board_cpu *c, unsigned port, uint8_t v)
{
	struct board *b = c->board;

	if (is_uart(port) || is_clock(port)) {
		board_devices_enter(c);
		if (is_uart(port))
			uart_write(&b->uart, port - UART_COM1, v);
		else
			clock_write(&b->clock, port, v);
		board_devices_leave(b);
	} else if (port == FW_PORT_SLEEP) {
		if ((v & SLEEP_ENABLE) && (v >> SLEEP_TYPE_SHIFT & 7) == FW_SLEEP_TYPE_OFF)
			board_ends(b, BOARD_OFF, "switched off");
	} else if (port == FW_PORT_RESET) {
		board_ends(b, BOARD_RESET, "reset");
	} else if (port != FW_PORT_SLEEP_STATUS && port != PORT_FIRMWARE) {
		board_is_missing(c, BOARD_PORT, port);
	}
	return port != PORT_FIRMWARE;
}

bool board_port(struct board_cpu *c, const struct x86_exit *e)
{
	const unsigned port = (unsigned)(e->qualification >> 16) & 0xffff;
	const unsigned size = ((unsigned)e->qualification & 7) + 1;
	uint64_t *rax = &c->x86->regs.rax, v = 0;
	bool stay = true;

	if (e->qualification & QUAL_STRING) {
		board_ends(c->board, BOARD_STUCK, "INS or OUTS to port 0x%x at 0x%llx", port,
			   (unsigned long long)c->x86->rip);
		return true;
	}
	if (e->qualification & QUAL_IN) {
		for (unsigned i = 0; i < size; i++)
			v |= (uint64_t)in(c, port + i) << 8 * i;
		*rax = size == 4 ? v : (*rax & ~((1ull << 8 * size) - 1)) | v;
	} else {
		for (unsigned i = 0; i < size; i++)
			stay &= out(c, port + i, (uint8_t)(*rax >> 8 * i));
	}
	x86_skip(c->x86, e->insn_len);
	return stay;
}
