/* SPDX-License-Identifier: MIT */
/* The devices behind addresses, and the way of an interrupt: a line of a device's, a pin of the I/O
 * APIC, a message, which VT-d remaps, the local APICs.
 *
 * What a device reads and writes of memory, it does for the processor whose access it was: that one
 * is the host for the sanitizer, as with a processor's own stores (the data comes through its
 * caches, as with DDIO). Where nobody's access was before, only VT-d's table is read. All of it is
 * under b->io but virtio's, which have a lock each; lock order: a virtio device's, b->io, a
 * processor's. */
#include "board/internal.h"

#include <string.h>

/* --- memory --- */

static bool is_memory(const struct board *b, uint64_t pa, size_t len)
{
	if (!machine_is_ram(b->m, pa, len))
		return false;
	for (uint64_t page = pa & ~(TDX_PAGE_SIZE - 1); page < pa + len; page += TDX_PAGE_SIZE)
		if (!board_is_ram(b->m, page))
			return false;
	return true;
}

static size_t in_page(uint64_t pa, size_t len)
{
	const size_t left = TDX_PAGE_SIZE - (size_t)(pa & (TDX_PAGE_SIZE - 1));

	return len < left ? len : left;
}

/* Words of 16 bits, the indices of queues, are whole for other threads and in their order. */
static void load(void *to, const uint8_t *from, size_t len)
{
	if (len == 2 && (uintptr_t)from % 2 == 0) {
		const uint16_t word =
			__atomic_load_n((const uint16_t *)(const void *)from, __ATOMIC_ACQUIRE);

		memcpy(to, &word, sizeof(word));
	} else {
		memcpy(to, from, len);
	}
}

static void store(uint8_t *to, const void *from, size_t len)
{
	uint16_t word;

	if (len == 2 && (uintptr_t)to % 2 == 0) {
		memcpy(&word, from, sizeof(word));
		__atomic_store_n((uint16_t *)(void *)to, word, __ATOMIC_RELEASE);
	} else {
		memcpy(to, from, len);
	}
}

bool board_dma_read(struct board *b, struct board_cpu *c, uint64_t pa, void *buf, size_t len)
{
	uint8_t *to = buf;

	if (!is_memory(b, pa, len))
		return false;
	for (size_t n; len; len -= n, pa += n, to += n) {
		n = in_page(pa, len);
		if (b->san && c)
			board_sanitizer_load(c, pa & ~(TDX_PAGE_SIZE - 1));
		load(to, machine_ptr(b->m, pa), n);
	}
	return true;
}

/* What was made of code that is overwritten is stale, a host's and a TD's. */
static void written(struct board *b, uint64_t pa)
{
	for (unsigned i = 0; i < MACHINE_LISTENERS; i++)
		if (b->m->listener[i].written)
			b->m->listener[i].written(b->m->listener[i].arg, machine_ptr(b->m, pa));
}

bool board_dma_write(struct board *b, struct board_cpu *c, uint64_t pa, const void *buf, size_t len)
{
	const uint8_t *from = buf;

	if (!is_memory(b, pa, len))
		return false;
	for (size_t n; len; len -= n, pa += n, from += n) {
		n = in_page(pa, len);
		if (b->san && c)
			board_sanitizer_store(c, pa & ~(TDX_PAGE_SIZE - 1), n == TDX_PAGE_SIZE);
		store(machine_ptr(b->m, pa), from, n);
		written(b, pa & ~(TDX_PAGE_SIZE - 1));
	}
	return true;
}

static bool vtd_reads(void *board, uint64_t pa, void *buf, size_t len)
{
	struct board *b = board;

	return board_dma_read(b, b->accesses, pa, buf, len);
}

static bool vtd_writes(void *board, uint64_t pa, const void *buf, size_t len)
{
	struct board *b = board;

	return board_dma_write(b, b->accesses, pa, buf, len);
}

/* --- interrupts --- */

static void to_local(void *board, const struct apic_message *m)
{
	board_bus_send(board, ~0u, m);
}

static void from_ioapic(void *board, uint64_t address, uint32_t data)
{
	struct board *b = board;

	vtd_msi(&b->vtd, VTD_IOAPIC_SOURCE, address, data);
}

void board_ended_level(struct board *b, uint8_t vector)
{
	pthread_mutex_lock(&b->io);
	ioapic_eoi(&b->ioapic, vector);
	pthread_mutex_unlock(&b->io);
}

/* --- the console --- */

static bool console_ready(void *board)
{
	const struct board *b = board;

	return b->cfg.console->ready(b->cfg.console_arg);
}

static uint8_t console_get(void *board)
{
	const struct board *b = board;

	return b->cfg.console->get(b->cfg.console_arg);
}

static void console_put(void *board, uint8_t byte)
{
	const struct board *b = board;

	b->cfg.console->put(b->cfg.console_arg, byte);
}

static void console_irq(void *board, bool high)
{
	struct board *b = board;

	if (!b->loading)
		ioapic_line(&b->ioapic, UART_COM1_IRQ, high);
}

void board_devices_loaded(struct board *b)
{
	pthread_mutex_lock(&b->io);
	b->loading = false;
	ioapic_line(&b->ioapic, UART_COM1_IRQ, b->uart.line);
	pthread_mutex_unlock(&b->io);
}

bool board_console_came(struct board *b)
{
	if (pthread_mutex_trylock(&b->io))
		return false;
	uart_poll(&b->uart);
	pthread_mutex_unlock(&b->io);
	return true;
}

/* --- accesses --- */

void board_devices_enter(struct board_cpu *c)
{
	pthread_mutex_lock(&c->board->io);
	c->board->accesses = c;
}

void board_devices_leave(struct board *b)
{
	b->accesses = NULL;
	pthread_mutex_unlock(&b->io);
}

/* The first word that is read, or is written; an I/O APIC has no more. */
static uint64_t ioapic_access(struct board *b, uint64_t offset, unsigned size, uint64_t value,
			      bool write)
{
	if (size != 4)
		return 0;
	if (!write)
		return ioapic_read(&b->ioapic, offset);
	ioapic_write(&b->ioapic, offset, (uint32_t)value);
	return 0;
}

static uint64_t vtd_access(struct board *b, uint64_t offset, unsigned size, uint64_t value,
			   bool write)
{
	if (!write)
		return vtd_read(&b->vtd, offset, size);
	vtd_write(&b->vtd, offset, size, value);
	return 0;
}

static const struct {
	uint64_t at, size;
	/* What is read; `value` is what is written. */
	uint64_t (*access)(struct board *b, uint64_t offset, unsigned size, uint64_t value,
			   bool write);
} places[] = {
	{IOAPIC_ADDRESS, IOAPIC_SIZE, ioapic_access},
	{VTD_ADDRESS, VTD_SIZE, vtd_access},
};

bool board_device(struct board_cpu *c, uint64_t pa, void *data, unsigned size, bool write)
{
	uint64_t value = 0;
	unsigned i = 0;

	while (i < sizeof(places) / sizeof(places[0]) && pa - places[i].at >= places[i].size)
		i++;
	if (i == sizeof(places) / sizeof(places[0]))
		return false;
	if (size > sizeof(value)) { /* no register is so long */
		memset(data, 0, size);
		return true;
	}
	if (write)
		memcpy(&value, data, size);
	board_devices_enter(c);
	value = places[i].access(c->board, pa - places[i].at, size, value, write);
	board_devices_leave(c->board);
	if (!write)
		memcpy(data, &value, size);
	return true;
}

void board_devices_start(struct board *b)
{
	static const struct uart_ops console = {
		.ready = console_ready, .get = console_get, .put = console_put, .irq = console_irq};
	static const struct ioapic_ops ioapic = {.msi = from_ioapic};
	static const struct vtd_ops vtd = {
		.read = vtd_reads, .write = vtd_writes, .send = to_local};

	uart_init(&b->uart, &console, b);
	ioapic_init(&b->ioapic, &ioapic, b);
	vtd_init(&b->vtd, &vtd, b);
	board_virtio_start(b);
}
