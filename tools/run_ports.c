/* SPDX-License-Identifier: MIT */
/* See tools/run_ports.h. The serial port has no interrupt: its guest polls, and the large FIFO
 * saves it polling. */
#include "tools/run_ports.h"

#include <string.h>
#include <time.h>

#include <swtdx/boot.h>

#define LOW_MAX (2ull << 30) /* RAM below the hole for devices */

/* In CMOS: what firmware is to do when a processor restarts. */
enum { CMOS_SHUTDOWN_STATUS = 0x0f };

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

static bool ready(void *arg)
{
	return run_console_ready(((struct run_ports *)arg)->console);
}

static uint8_t get(void *arg)
{
	return (uint8_t)run_console_get(((struct run_ports *)arg)->console);
}

static void put(void *arg, uint8_t c)
{
	run_console_put(((struct run_ports *)arg)->console, c);
}

static const struct uart_ops uart_ops = {.ready = ready, .get = get, .put = put};

static int64_t wall_clock(void *arg)
{
	(void)arg;
	return time(NULL);
}

void run_ports_open(struct run_ports *p, struct run_console *console, uint64_t memory)
{
	const uint64_t low = memory < LOW_MAX ? memory : LOW_MAX;

	memset(p, 0, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	p->console = console;
	p->outcome = -1;
	uart_init(&p->uart, &uart_ops, p);
	clock_init(&p->clock, wall_clock, NULL);
	clock_set_memory(&p->clock, low, memory - low);
}

void run_ports_close(struct run_ports *p)
{
	pthread_mutex_destroy(&p->lock);
}

static bool is_uart(unsigned port)
{
	return port - TDX_BOOT_PORT_COM1 < UART_PORTS;
}

static bool is_clock(unsigned port)
{
	return port == CLOCK_INDEX || port == CLOCK_DATA;
}

uint32_t run_ports_in(struct run_ports *p, unsigned port, unsigned size)
{
	uint32_t v = ~0u;

	pthread_mutex_lock(&p->lock);
	p->restarting = false;
	if (is_uart(port) && size == 1)
		v = uart_read(&p->uart, port - TDX_BOOT_PORT_COM1);
	else if (is_clock(port))
		v = clock_read(&p->clock, port);
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
	p->restarting = port == CLOCK_DATA && p->clock.index == CMOS_SHUTDOWN_STATUS;
	if (is_uart(port) && size == 1)
		uart_write(&p->uart, port - TDX_BOOT_PORT_COM1, (uint8_t)data);
	else if (is_clock(port))
		clock_write(&p->clock, port, (uint8_t)data);
	else if (port == TDX_BOOT_PORT_SLEEP) {
		if ((data & TDX_BOOT_SLEEP_MASK) == TDX_BOOT_SLEEP_OFF)
			p->outcome = 0;
	} else if (port == TDX_BOOT_PORT_EXIT)
		p->outcome = (int)(data & 0xff);
	else if (port != TDX_BOOT_PORT_SLEEP + 1)
		unknown(p, port, "writes");
	pthread_mutex_unlock(&p->lock);
}

bool run_ports_restarting(struct run_ports *p)
{
	bool restarting;

	pthread_mutex_lock(&p->lock);
	restarting = p->restarting;
	pthread_mutex_unlock(&p->lock);
	return restarting;
}
