/* SPDX-License-Identifier: MIT */
/* A serial port: the 16750, which is a 16550 with a FIFO of 64 bytes. Registers in, bytes and an
 * interrupt line out.
 *
 * The owner serializes all calls. What is sent is on the line at once, so that the transmitter is
 * always empty; the bit rate is kept and means nothing. Nothing is allocated. */
#ifndef DEVICE_UART_H
#define DEVICE_UART_H

#include <stdbool.h>
#include <stdint.h>

enum { UART_PORTS = 8, UART_COM1 = 0x3f8, UART_COM1_IRQ = 4, UART_COM2 = 0x2f8, UART_COM2_IRQ = 3 };

struct uart_ops {
	bool (*ready)(void *arg);  /* is there a byte to receive? */
	uint8_t (*get)(void *arg); /* it */
	void (*put)(void *arg, uint8_t byte);
	/* The level of the interrupt line changed. NULL: nobody listens, the guest polls. */
	void (*irq)(void *arg, bool high);
};

struct uart {
	const struct uart_ops *ops;
	void *arg;
	uint8_t ier, lcr, mcr, scr, fcr; /* keep what is written */
	uint16_t divisor;
	bool emptied; /* the transmitter, since that was last told */
	bool looped;  /* in loop mode: `loop` was sent, and is there to receive */
	uint8_t loop;
	bool line;
};

/* What a port is besides its wires: plain data, of this machine's byte order. */
struct uart_state {
	uint16_t divisor;
	uint8_t ier, lcr, mcr, scr, fcr, emptied, looped, loop;
};

void uart_init(struct uart *u, const struct uart_ops *ops, void *arg);
/* reg below UART_PORTS; higher bits are ignored. */
uint8_t uart_read(struct uart *u, unsigned reg);
void uart_write(struct uart *u, unsigned reg, uint8_t value);
/* Would a byte that comes be received? */
bool uart_listens(const struct uart *u);
void uart_save(const struct uart *u, struct uart_state *s);
/* After uart_init(): any bytes make some state that a guest could have made. The line is as that
 * says. */
void uart_load(struct uart *u, const struct uart_state *s);
/* ops->ready() may have changed: raises the line if the guest wants to know. */
void uart_poll(struct uart *u);

#endif
