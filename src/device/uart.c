/* SPDX-License-Identifier: MIT */
/* See device/uart.h. */
#include "device/uart.h"

enum {
	DATA = 0,
	IER = 1,
	IIR = 2, /* FCR when written */
	LCR = 3,
	MCR = 4,
	LSR = 5,
	MSR = 6,
	IER_RECEIVE = 0x01,
	IER_TRANSMIT = 0x02,
	IIR_NONE = 0x01,
	IIR_TRANSMITTED = 0x02,
	IIR_RECEIVED = 0x04,
	IIR_FIFO = 0xc0,
	IIR_FIFO_64 = 0x20,
	FCR_ENABLE = 0x01,
	FCR_64 = 0x20,
	LCR_DLAB = 0x80,
	LSR_READY = 0x01,
	LSR_EMPTY = 0x60,
	MCR_OUT2 = 0x08, /* on a PC it lets the interrupt through */
	MCR_LOOP = 0x10,
	MSR_CONNECTED = 0xb0, /* carrier, data set ready, clear to send */
};

void uart_init(struct uart *u, const struct uart_ops *ops, void *arg)
{
	*u = (struct uart){.ops = ops, .arg = arg};
}

/* Drivers read at random while they look for the port: nothing arrives before they ask. */
bool uart_listens(const struct uart *u)
{
	return u->ier & IER_RECEIVE && !(u->mcr & MCR_LOOP);
}

static bool received(struct uart *u)
{
	if (u->mcr & MCR_LOOP)
		return u->looped;
	return uart_listens(u) && u->ops->ready(u->arg);
}

static uint8_t cause(struct uart *u)
{
	if (u->ier & IER_RECEIVE && received(u))
		return IIR_RECEIVED;
	return u->ier & IER_TRANSMIT && u->emptied ? IIR_TRANSMITTED : IIR_NONE;
}

void uart_poll(struct uart *u)
{
	bool high;

	if (!u->ops->irq)
		return;
	high = u->mcr & MCR_OUT2 && !(u->mcr & MCR_LOOP) && cause(u) != IIR_NONE;
	if (high != u->line)
		u->ops->irq(u->arg, high);
	u->line = high;
}

static uint8_t read_data(struct uart *u)
{
	if (u->lcr & LCR_DLAB)
		return (uint8_t)u->divisor;
	if (!received(u))
		return 0;
	if (!(u->mcr & MCR_LOOP))
		return u->ops->get(u->arg);
	u->looped = false;
	return u->loop;
}

static uint8_t modem_status(const struct uart *u)
{
	const uint8_t m = u->mcr;

	if (!(m & MCR_LOOP)) /* the outputs come back as inputs */
		return MSR_CONNECTED;
	return (uint8_t)((m & 0x0c) << 4 | (m & 0x02) << 3 | (m & 0x01) << 5);
}

/* What a polling driver goes by too. Telling of the empty transmitter forgets it. */
static uint8_t identify(struct uart *u)
{
	const uint8_t c = cause(u);
	uint8_t fifo = 0;

	if (u->fcr & FCR_ENABLE)
		fifo = IIR_FIFO | (u->fcr & FCR_64 ? IIR_FIFO_64 : 0);
	if (c == IIR_TRANSMITTED)
		u->emptied = false;
	return fifo | c;
}

static uint8_t read_register(struct uart *u, unsigned reg)
{
	switch (reg) {
	case DATA:
		return read_data(u);
	case IER:
		return u->lcr & LCR_DLAB ? (uint8_t)(u->divisor >> 8) : u->ier;
	case IIR:
		return identify(u);
	case LCR:
		return u->lcr;
	case MCR:
		return u->mcr;
	case LSR:
		return (uint8_t)(LSR_EMPTY | (received(u) ? LSR_READY : 0));
	case MSR:
		return modem_status(u);
	default:
		return u->scr;
	}
}

uint8_t uart_read(struct uart *u, unsigned reg)
{
	const uint8_t value = read_register(u, reg % UART_PORTS);

	uart_poll(u);
	return value;
}

static void write_data(struct uart *u, uint8_t v)
{
	if (u->lcr & LCR_DLAB) {
		u->divisor = (uint16_t)((u->divisor & 0xff00) | v);
		return;
	}
	if (u->mcr & MCR_LOOP) {
		u->loop = v;
		u->looped = true;
	} else {
		u->ops->put(u->arg, v);
	}
	u->emptied = true;
}

static void write_ier(struct uart *u, uint8_t v)
{
	if (u->lcr & LCR_DLAB) {
		u->divisor = (uint16_t)((u->divisor & 0xff) | v << 8);
		return;
	}
	u->ier = v & 0xf;
	u->emptied = u->emptied || u->ier & IER_TRANSMIT;
}

void uart_write(struct uart *u, unsigned reg, uint8_t v)
{
	switch (reg % UART_PORTS) {
	case DATA:
		write_data(u, v);
		break;
	case IER:
		write_ier(u, v);
		break;
	case IIR:
		/* The large FIFO is switched only while the divisor is accessible. */
		u->fcr = (uint8_t)((v & ~FCR_64) | ((u->lcr & LCR_DLAB ? v : u->fcr) & FCR_64));
		break;
	case LCR:
		u->lcr = v;
		break;
	case MCR:
		u->mcr = v & 0x1f;
		u->looped = u->looped && u->mcr & MCR_LOOP;
		break;
	case LSR:
	case MSR:
		break;
	default:
		u->scr = v;
		break;
	}
	uart_poll(u);
}

void uart_save(const struct uart *u, struct uart_state *s)
{
	*s = (struct uart_state){.divisor = u->divisor,
				 .ier = u->ier,
				 .lcr = u->lcr,
				 .mcr = u->mcr,
				 .scr = u->scr,
				 .fcr = u->fcr,
				 .emptied = u->emptied,
				 .looped = u->looped,
				 .loop = u->loop};
}

void uart_load(struct uart *u, const struct uart_state *s)
{
	/* Interrupt last: it goes by the others. */
	u->divisor = s->divisor;
	u->scr = s->scr;
	u->emptied = s->emptied != 0;
	uart_write(u, LCR, s->lcr & (uint8_t)~LCR_DLAB);
	uart_write(u, IIR, s->fcr);
	uart_write(u, MCR, s->mcr);
	u->looped = s->looped != 0;
	u->loop = s->loop;
	uart_write(u, IER, s->ier);
	u->emptied = s->emptied != 0;
	u->lcr = s->lcr;
	uart_poll(u);
}
