/* SPDX-License-Identifier: MIT */
/* See tools/run_ports.h. The serial port is a 16750 without an interrupt: its guest
 * polls, and the large FIFO saves it polling. */
#include "tools/run_ports.h"

#include "tools/run_cmos.h"

#include <string.h>

#include <swtdx/boot.h>

enum {
	CMOS_INDEX = 0x70,
	CMOS_DATA = 0x71,
	UART_DATA = 0,
	UART_IER = 1,
	UART_IIR = 2,
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_MSR = 6,
	UART_SCR = 7,
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
	MCR_LOOP = 0x10,
	MSR_CONNECTED = 0xb0, /* carrier, data set ready, clear to send */
};

static const struct {
	uint16_t first, last;
	const char *name;
} devices[] = {
	{0x20, 0x21, "the interrupt controller (8259)"},
	{0x40, 0x43, "the interval timer (8254)"},
	{0x60, 0x60, "the keyboard controller (8042)"},
	{0x61, 0x61, "the system control port"},
	{0x64, 0x64, "the keyboard controller (8042)"},
	{0x80, 0x80, "the POST code port"},
	{0x92, 0x92, "the fast A20 gate"},
	{0xa0, 0xa1, "the interrupt controller (8259)"},
	{0xb2, 0xb3, "the SMI port (APM)"},
	{0x2e8, 0x2ef, "COM4"},
	{0x2f8, 0x2ff, "COM2"},
	{0x3e8, 0x3ef, "COM3"},
	{0x402, 0x402, "the debug console"},
	{0x505, 0x505, "the panic port"},
	{0x510, 0x51b, "QEMU's firmware configuration (fw_cfg)"},
	{0x608, 0x60b, "the ACPI power-management timer"},
	{0xb008, 0xb00b, "the ACPI power-management timer"},
	{0xcd8, 0xcdf, "memory hot-plug"},
	{0xcf8, 0xcff, "PCI configuration space"},
};

static const char *device_name(unsigned port)
{
	for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (port >= devices[i].first && port <= devices[i].last)
			return devices[i].name;
	return "an unknown device";
}

static void unknown(struct run_ports *p, unsigned port, const char *what)
{
	const char *name = device_name(port);
	char line[128];

	for (unsigned i = 0; i < p->nunknown; i++)
		if (strcmp(device_name(p->unknown[i]), name) == 0)
			return;
	if (p->nunknown == RUN_UNKNOWN_MAX || !p->report)
		return;
	p->unknown[p->nunknown++] = (uint16_t)port;
	snprintf(line, sizeof(line), "the guest %s port 0x%x: %s, which is not modelled", what,
		 port, name);
	p->report(p->arg, line);
}

void run_ports_open(struct run_ports *p, struct run_console *console)
{
	memset(p, 0, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	p->console = console;
	p->outcome = -1;
}

void run_ports_close(struct run_ports *p)
{
	pthread_mutex_destroy(&p->lock);
}

static bool input(struct run_ports *p)
{
	/* Drivers read at random while they look for the port: nothing arrives before they ask. */
	return p->ier & IER_RECEIVE && run_console_ready(p->console);
}

static uint8_t read_data(struct run_ports *p)
{
	if (p->lcr & LCR_DLAB)
		return (uint8_t)p->divisor;
	return input(p) ? (uint8_t)run_console_get(p->console) : 0;
}

static uint8_t modem_status(const struct run_ports *p)
{
	uint8_t m = p->mcr;

	if (!(m & MCR_LOOP)) /* the outputs come back as inputs */
		return MSR_CONNECTED;
	return (uint8_t)((m & 0x0c) << 4 | (m & 0x02) << 3 | (m & 0x01) << 5);
}

/* What a polling driver goes by too. Telling of the empty transmitter forgets it. */
static uint8_t identify(struct run_ports *p)
{
	uint8_t fifo = 0, cause = IIR_NONE;

	if (p->fcr & FCR_ENABLE)
		fifo = IIR_FIFO | (p->fcr & FCR_64 ? IIR_FIFO_64 : 0);
	if (p->ier & IER_RECEIVE && input(p)) {
		cause = IIR_RECEIVED;
	} else if (p->ier & IER_TRANSMIT && p->emptied) {
		cause = IIR_TRANSMITTED;
		p->emptied = false;
	}
	return fifo | cause;
}

static uint8_t uart_in(struct run_ports *p, unsigned reg)
{
	switch (reg) {
	case UART_DATA:
		return read_data(p);
	case UART_IER:
		return p->lcr & LCR_DLAB ? (uint8_t)(p->divisor >> 8) : p->ier;
	case UART_IIR:
		return identify(p);
	case UART_LCR:
		return p->lcr;
	case UART_MCR:
		return p->mcr;
	case UART_LSR:
		return (uint8_t)(LSR_EMPTY | (input(p) ? LSR_READY : 0));
	case UART_MSR:
		return modem_status(p);
	default:
		return p->scr;
	}
}

static void write_data(struct run_ports *p, uint8_t v)
{
	if (p->lcr & LCR_DLAB) {
		p->divisor = (uint16_t)((p->divisor & 0xff00) | v);
	} else if (!(p->mcr & MCR_LOOP)) {
		run_console_put(p->console, v);
		p->emptied = true;
	}
}

static void uart_out(struct run_ports *p, unsigned reg, uint8_t v)
{
	switch (reg) {
	case UART_DATA:
		write_data(p, v);
		break;
	case UART_IER:
		if (p->lcr & LCR_DLAB)
			p->divisor = (uint16_t)((p->divisor & 0xff) | v << 8);
		else
			p->ier = v & 0xf;
		p->emptied = p->emptied || p->ier & IER_TRANSMIT;
		break;
	case UART_IIR:
		/* The large FIFO is switched only while the divisor is accessible. */
		p->fcr = (uint8_t)((v & ~FCR_64) | ((p->lcr & LCR_DLAB ? v : p->fcr) & FCR_64));
		break;
	case UART_LCR:
		p->lcr = v;
		break;
	case UART_MCR:
		p->mcr = v & 0x1f;
		break;
	case UART_SCR:
		p->scr = v;
		break;
	default:
		break;
	}
}

static bool is_uart(unsigned port)
{
	return port - TDX_BOOT_PORT_COM1 < 8;
}

uint32_t run_ports_in(struct run_ports *p, unsigned port, unsigned size)
{
	uint32_t v = ~0u;

	pthread_mutex_lock(&p->lock);
	if (is_uart(port) && size == 1)
		v = uart_in(p, port - TDX_BOOT_PORT_COM1);
	else if (port == CMOS_INDEX)
		v = p->cmos_index;
	else if (port == CMOS_DATA)
		v = run_cmos_read(p->cmos_index, p->memory);
	else if (port == TDX_BOOT_PORT_SLEEP || port == TDX_BOOT_PORT_SLEEP + 1)
		v = 0;
	else
		unknown(p, port, "reads");
	pthread_mutex_unlock(&p->lock);
	return v;
}

void run_ports_out(struct run_ports *p, unsigned port, unsigned size, uint32_t data)
{
	pthread_mutex_lock(&p->lock);
	if (is_uart(port) && size == 1)
		uart_out(p, port - TDX_BOOT_PORT_COM1, (uint8_t)data);
	else if (port == CMOS_INDEX)
		p->cmos_index = (uint8_t)data;
	else if (port == TDX_BOOT_PORT_SLEEP) {
		if ((data & TDX_BOOT_SLEEP_MASK) == TDX_BOOT_SLEEP_OFF)
			p->outcome = 0;
	} else if (port == TDX_BOOT_PORT_EXIT)
		p->outcome = (int)(data & 0xff);
	else if (port != TDX_BOOT_PORT_SLEEP + 1 && port != CMOS_DATA)
		unknown(p, port, "writes");
	pthread_mutex_unlock(&p->lock);
}
