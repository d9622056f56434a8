/* SPDX-License-Identifier: MIT */
/* See tools/run_ports.h. */
#include "tools/run_ports.h"

#include <assert.h>
#include <stdio.h>
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
	{0x60, 0x60, "the keyboard controller (8042)"},
	{0x64, 0x64, "the keyboard controller (8042)"},
	{0x80, 0x80, "the POST code port"},
	{0x92, 0x92, "the fast A20 gate"},
	{0xa0, 0xa1, "the interrupt controller (8259)"},
	{0xb2, 0xb3, "the SMI port (APM)"},
	{0x2e8, 0x2ef, "COM4"},
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

/* --- serial ports --- */

static bool ready(void *arg)
{
	return run_console_ready(((struct run_com *)arg)->console);
}

static uint8_t get(void *arg)
{
	return (uint8_t)run_console_get(((struct run_com *)arg)->console);
}

static void put(void *arg, uint8_t c)
{
	struct run_com *s = arg;

	if (s->console->kind == RUN_CONSOLE_STDIO)
		s->ports->heard(s->ports->arg);
	run_console_put(s->console, c);
}

static void irq(void *arg, bool high)
{
	struct run_com *s = arg;

	ioapic_line(&s->ports->ioapic, s->irq, high);
}

static void msi(void *arg, uint64_t address, uint32_t data)
{
	struct run_ports *p = arg;

	p->msi(p->arg, address, data);
}

static bool shared_read(void *arg, void *by, uint64_t gpa, void *buf, size_t len)
{
	const struct run_ports *p = arg;

	(void)by;
	return p->shared_read && p->shared_read(p->arg, gpa, buf, len);
}

static bool shared_write(void *arg, void *by, uint64_t gpa, const void *buf, size_t len)
{
	const struct run_ports *p = arg;

	(void)by;
	return p->shared_write && p->shared_write(p->arg, gpa, buf, len);
}

static void virtio_irq(void *arg, unsigned place, bool high)
{
	struct run_ports *p = arg;

	pthread_mutex_lock(&p->lock);
	ioapic_line(&p->ioapic, TDX_BOOT_VIRTIO_PIN + place, high);
	pthread_mutex_unlock(&p->lock);
}

static_assert((unsigned)VIRTIO_BANK == TDX_BOOT_VIRTIOS, "as the ACPI tables have it");
static_assert(VIRTIO_SIZE == TDX_BOOT_VIRTIO_SIZE, "as the ACPI tables have it");

static const struct virtio_bank_ops virtio_ops = {
	.read = shared_read, .write = shared_write, .irq = virtio_irq};
static const struct uart_ops uart_ops = {.ready = ready, .get = get, .put = put, .irq = irq};
static const struct ioapic_ops ioapic_ops = {.msi = msi};

static struct run_com *serial_at(struct run_ports *p, unsigned port)
{
	for (unsigned i = 0; i < RUN_SERIALS; i++)
		if (port - p->serial[i].port < UART_PORTS)
			return &p->serial[i];
	return NULL;
}

static uint8_t serial_read(struct run_com *s, unsigned port)
{
	const uint8_t v = uart_read(&s->uart, port - s->port);

	run_console_listens(s->console, uart_listens(&s->uart));
	return v;
}

static void serial_write(struct run_com *s, unsigned port, uint8_t v)
{
	uart_write(&s->uart, port - s->port, v);
	run_console_listens(s->console, uart_listens(&s->uart));
}

bool run_ports_came(struct run_ports *p, unsigned serial)
{
	struct run_com *s = &p->serial[serial];

	if (pthread_mutex_trylock(&p->lock))
		return false;
	uart_poll(&s->uart);
	run_console_listens(s->console, uart_listens(&s->uart));
	pthread_mutex_unlock(&p->lock);
	return true;
}

static int64_t wall_clock(void *arg)
{
	(void)arg;
	return time(NULL);
}

static int64_t nanoseconds(void *arg)
{
	struct timespec t;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

void run_ports_open(struct run_ports *p, struct run_console *console, uint64_t memory)
{
	const uint64_t low = memory < LOW_MAX ? memory : LOW_MAX;

	static const unsigned at[RUN_SERIALS][2] = {{UART_COM1, UART_COM1_IRQ},
						    {UART_COM2, UART_COM2_IRQ}};

	pthread_mutex_init(&p->lock, NULL);
	p->outcome = -1;
	for (unsigned i = 0; i < RUN_SERIALS; i++) {
		struct run_com *s = &p->serial[i];

		*s = (struct run_com){
			.ports = p, .console = &console[i], .port = at[i][0], .irq = at[i][1]};
		uart_init(&s->uart, &uart_ops, s);
	}
	ioapic_init(&p->ioapic, &ioapic_ops, p);
	clock_init(&p->clock, wall_clock, NULL);
	clock_set_memory(&p->clock, low, memory - low);
	pit_init(&p->pit, nanoseconds, NULL);
	virtio_bank_init(&p->virtio, p->virtio_kind, &virtio_ops, p);
}

void run_ports_close(struct run_ports *p)
{
	virtio_bank_destroy(&p->virtio);
	pthread_mutex_destroy(&p->lock);
}

static bool is_clock(unsigned port)
{
	return port == CLOCK_INDEX || port == CLOCK_DATA;
}

uint32_t run_ports_in(struct run_ports *p, unsigned port, unsigned size)
{
	struct run_com *s = serial_at(p, port);
	uint32_t v = ~0u;

	pthread_mutex_lock(&p->lock);
	p->restarting = false;
	if (s && size == 1)
		v = serial_read(s, port);
	else if (is_clock(port))
		v = clock_read(&p->clock, port);
	else if (pit_has(port) && size == 1)
		v = pit_read(&p->pit, port);
	else if (port == TDX_BOOT_PORT_SLEEP || port == TDX_BOOT_PORT_SLEEP + 1)
		v = 0;
	else
		unknown(p, port, "reads");
	pthread_mutex_unlock(&p->lock);
	return v;
}

void run_ports_out(struct run_ports *p, unsigned port, unsigned size, uint32_t data)
{
	struct run_com *s = serial_at(p, port);

	pthread_mutex_lock(&p->lock);
	p->restarting = port == CLOCK_DATA && p->clock.index == CMOS_SHUTDOWN_STATUS;
	if (s && size == 1)
		serial_write(s, port, (uint8_t)data);
	else if (is_clock(port))
		clock_write(&p->clock, port, (uint8_t)data);
	else if (pit_has(port) && size == 1)
		pit_write(&p->pit, port, (uint8_t)data);
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

/* Its registers are of 32 bits; what else is asked of it, or of any other address, is nobody's. */
static bool is_ioapic(uint64_t gpa, unsigned size)
{
	return gpa - IOAPIC_ADDRESS < IOAPIC_SIZE && size == 4;
}

uint64_t run_ports_mmio_read(struct run_ports *p, uint64_t gpa, unsigned size)
{
	uint64_t v = ~0ull;

	if (virtio_bank_read(&p->virtio, NULL, gpa - TDX_BOOT_VIRTIO, size, &v) ||
	    !is_ioapic(gpa, size))
		return v;
	pthread_mutex_lock(&p->lock);
	v = ioapic_read(&p->ioapic, gpa - IOAPIC_ADDRESS);
	pthread_mutex_unlock(&p->lock);
	return v;
}

void run_ports_mmio_write(struct run_ports *p, uint64_t gpa, unsigned size, uint64_t data)
{
	if (virtio_bank_write(&p->virtio, NULL, gpa - TDX_BOOT_VIRTIO, size, data) ||
	    !is_ioapic(gpa, size))
		return;
	pthread_mutex_lock(&p->lock);
	ioapic_write(&p->ioapic, gpa - IOAPIC_ADDRESS, (uint32_t)data);
	pthread_mutex_unlock(&p->lock);
}
