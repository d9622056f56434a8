/* SPDX-License-Identifier: MIT */
/* ACPI tables of a machine with nothing but processors, serial ports, and perhaps an I/O APIC and
 * places for virtio devices: RSDP, XSDT, FADT (hardware-reduced), DSDT, MADT with x2APICs and the
 * multiprocessor wake-up mailbox, DMAR where interrupts are remapped, and where there is an event
 * log CCEL, which says so. ACPI 6.5. */
#include "acpi.h"

#include "layout.h"

enum {
	HEADER_SIZE = 36,
	FADT_SIZE = 276,
	MADT_HEADER_SIZE = 44,
	MADT_IOAPIC = 1,
	MADT_IOAPIC_SIZE = 12,
	MADT_X2APIC = 9,
	MADT_X2APIC_SIZE = 16,
	MADT_WAKEUP = 16,
	MADT_WAKEUP_SIZE = 16,
	DMAR_SIZE = 48,
	DMAR_ADDRESS_WIDTH = 46,
	DMAR_INTERRUPTS = 1, /* are remapped */
	DRHD_SIZE = 16,
	DRHD_ALL = 1, /* and what is named */
	SCOPE_SIZE = 8,
	SCOPE_IOAPIC = 3,
	CCEL_SIZE = 56,
	CCEL_TYPE_TDX = 2,
	MADT_WAKEUP_RESET_SIZE = 24, /* with a reset vector: version 1, ACPI 6.6 */
	RSDP_SIZE = 36,
	GAS_SYSTEM_IO = 1,
};

#define FADT_FLAG_WBINVD      (1u << 0)
#define FADT_FLAG_RESET	      (1u << 10)
#define FADT_FLAG_HW_REDUCED  (1u << 20)
#define BOOT_ARCH_NO_VGA      (1u << 2)
#define BOOT_ARCH_NO_CMOS_RTC (1u << 5)

/* \_S5_: the sleep type that switches off. */
static const uint8_t aml_off[] = {
	0x08, '_',
	'S',  '5',
	'_',  0x12,
	0x08, 0x04,
	0x0a, FW_SLEEP_TYPE_OFF,
	0x0a, FW_SLEEP_TYPE_OFF,
	0x00, 0x00,
};

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void checksum(uint8_t *table, unsigned len, unsigned at)
{
	uint8_t sum = 0;

	table[at] = 0;
	for (unsigned i = 0; i < len; i++)
		sum = (uint8_t)(sum + table[i]);
	table[at] = (uint8_t)-sum;
}

static uint8_t *copy(uint8_t *p, const void *data, unsigned len)
{
	__builtin_memcpy(p, data, len);
	return p + len;
}

/* \_SB_.COMn: PNP0501 with its ports, and its interrupt where there is an I/O APIC. */
static uint8_t *aml_com(uint8_t *p, unsigned n, unsigned port, unsigned irq)
{
	static const uint8_t scope[] = {0x10, 0,    0x5c, '_', 'S', 'B', '_',
					0x5b, 0x82, 0,	  'C', 'O', 'M'};
	static const uint8_t hid[] = {0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01};
	static const uint8_t uid[] = {0x08, '_', 'U', 'I', 'D', 0x0a};
	static const uint8_t crs[] = {0x08, '_', 'C', 'R', 'S', 0x11, 0, 0x0a, 0};
	static const uint8_t io[] = {0x47, 0x01}; /* 16 bits, with range and length: */
	static const uint8_t interrupt[] = {0x89, 6, 0, 3,
					    1}; /* consumer, edge, active high; one */
	static const uint8_t end[] = {0x79, 0};
	uint8_t *start = p, *buffer;

	p = copy(p, scope, sizeof(scope));
	*p++ = (uint8_t)('0' + n);
	p = copy(p, hid, sizeof(hid));
	p = copy(p, uid, sizeof(uid));
	*p++ = (uint8_t)(n - 1);
	buffer = p + 5;
	p = copy(p, crs, sizeof(crs));
	p = copy(p, io, sizeof(io));
	put(p, port, 2);
	put(p + 2, port, 2);
	put(p + 4, 1 | 8 << 8, 2); /* alignment, length */
	p += 6;
	if (irq) {
		p = copy(p, interrupt, sizeof(interrupt));
		put(p, irq, 4);
		p += 4;
	}
	p = copy(p, end, sizeof(end));
	buffer[3] = (uint8_t)(p - buffer - 4);
	buffer[1] = (uint8_t)(p - buffer - 1);
	start[1] = (uint8_t)(p - start - 1);
	start[9] = (uint8_t)(p - start - 9);
	return p;
}

/* \_SB_.VIOn: places of virtio-mmio devices. Drivers find out whether one is there. */
static uint8_t *aml_virtio(uint8_t *p)
{
	static const uint8_t scope[] = {0x10, 0x40, 0, 0x5c, '_', 'S', 'B', '_'};
	static const uint8_t device[] = {0x5b, 0x82, 0, 'V', 'I', 'O'};
	static const uint8_t hid[] = {0x08, '_', 'H', 'I', 'D', 0x0d, 'L', 'N',
				      'R',  'O', '0', '0', '0', '5',  0};
	static const uint8_t uid[] = {0x08, '_', 'U', 'I', 'D', 0x0a};
	static const uint8_t crs[] = {0x08, '_', 'C', 'R', 'S', 0x11, 0, 0x0a, 0};
	static const uint8_t memory[] = {0x86, 9, 0, 1};       /* 32 bits, fixed, written too */
	static const uint8_t interrupt[] = {0x89, 6, 0, 3, 1}; /* as of the serial ports */
	static const uint8_t end[] = {0x79, 0};
	uint8_t *start = p;

	p = copy(p, scope, sizeof(scope));
	for (unsigned i = 0; i < FW_VIRTIOS; i++) {
		uint8_t *dev = p, *buffer;

		p = copy(p, device, sizeof(device));
		*p++ = (uint8_t)('0' + i);
		p = copy(p, hid, sizeof(hid));
		p = copy(p, uid, sizeof(uid));
		*p++ = (uint8_t)i;
		buffer = p + 5;
		p = copy(p, crs, sizeof(crs));
		p = copy(p, memory, sizeof(memory));
		put(p, FW_VIRTIO + i * FW_VIRTIO_SIZE, 4);
		put(p + 4, FW_VIRTIO_SIZE, 4);
		p = copy(p + 8, interrupt, sizeof(interrupt));
		put(p, FW_VIRTIO_IRQ + i, 4);
		p = copy(p + 4, end, sizeof(end));
		buffer[3] = (uint8_t)(p - buffer - 4);
		buffer[1] = (uint8_t)(p - buffer - 1);
		dev[2] = (uint8_t)(p - dev - 2);
	}
	start[1] |= (uint8_t)((p - start - 1) & 0xf);
	start[2] = (uint8_t)((p - start - 1) >> 4);
	return p;
}

/* The header; returns where the next table can be. */
static uint8_t *finish(uint8_t *t, const char *signature, unsigned len, unsigned revision)
{
	__builtin_memcpy(t, signature, 4);
	put(t + 4, len, 4);
	t[8] = (uint8_t)revision;
	__builtin_memcpy(t + 10, "SWTDX ", 6);
	__builtin_memcpy(t + 16, "SIMULATE", 8);
	put(t + 24, 1, 4);
	__builtin_memcpy(t + 28, "SWTD", 4);
	put(t + 32, 1, 4);
	checksum(t, len, 9);
	return t + ((len + 15) & ~15u);
}

static void gas_port(uint8_t *p, unsigned port)
{
	p[0] = GAS_SYSTEM_IO;
	p[1] = 8;
	p[3] = 1; /* byte access */
	put(p + 4, port, 8);
}

static uint8_t *fadt(uint8_t *t, uint64_t dsdt)
{
	put(t + 40, dsdt, 4);
	put(t + 109, BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_CMOS_RTC, 2);
	put(t + 112, FADT_FLAG_WBINVD | FADT_FLAG_RESET | FADT_FLAG_HW_REDUCED, 4);
	gas_port(t + 116, FW_PORT_RESET);
	t[128] = FW_RESET_VALUE;
	t[131] = 5; /* minor revision */
	put(t + 140, dsdt, 8);
	gas_port(t + 244, FW_PORT_SLEEP);
	gas_port(t + 256, FW_PORT_SLEEP_STATUS);
	return finish(t, "FACP", FADT_SIZE, 6);
}

static uint8_t *dsdt(uint8_t *t, const struct acpi_machine *m)
{
	uint8_t *p = copy(t + HEADER_SIZE, aml_off, sizeof(aml_off));

	p = aml_com(p, 1, FW_PORT_COM1, m->ioapic ? FW_IRQ_COM1 : 0);
	if (m->serials > 1)
		p = aml_com(p, 2, FW_PORT_COM2, m->ioapic ? FW_IRQ_COM2 : 0);
	if (m->ioapic)
		p = aml_virtio(p);
	return finish(t, "DSDT", (unsigned)(p - t), 2);
}

static uint8_t *ioapic(uint8_t *p, uint64_t at)
{
	p[0] = MADT_IOAPIC;
	p[1] = MADT_IOAPIC_SIZE;
	put(p + 4, at, 4); /* id 0, interrupts from 0 */
	return p + MADT_IOAPIC_SIZE;
}

static uint8_t *wakeup(uint8_t *p, const struct acpi_machine *m)
{
	const unsigned size = m->reset ? MADT_WAKEUP_RESET_SIZE : MADT_WAKEUP_SIZE;

	p[0] = MADT_WAKEUP;
	p[1] = (uint8_t)size;
	put(p + 2, m->reset != 0, 2);
	put(p + 8, m->mailbox, 8);
	if (m->reset)
		put(p + 16, m->reset, 8);
	return p + size;
}

static uint8_t *madt(uint8_t *t, const struct acpi_machine *m)
{
	uint8_t *p = t + MADT_HEADER_SIZE;

	put(t + 36, 0xfee00000, 4);
	for (unsigned i = 0; i < m->processors; i++, p += MADT_X2APIC_SIZE) {
		p[0] = MADT_X2APIC;
		p[1] = MADT_X2APIC_SIZE;
		put(p + 4, m->apic_id ? m->apic_id[i] : i, 4);
		put(p + 8, 1, 4); /* enabled */
		put(p + 12, i, 4);
	}
	if (m->ioapic)
		p = ioapic(p, m->ioapic);
	return finish(t, "APIC", (unsigned)(wakeup(p, m) - t), 5);
}

/* One unit, of everything; the I/O APIC is named for its source's sake. */
static uint8_t *dmar(uint8_t *t, const struct acpi_machine *m)
{
	uint8_t *unit = t + DMAR_SIZE, *scope = unit + DRHD_SIZE;

	t[36] = DMAR_ADDRESS_WIDTH - 1;
	t[37] = DMAR_INTERRUPTS;
	put(unit + 2, DRHD_SIZE + SCOPE_SIZE, 2);
	unit[4] = DRHD_ALL;
	put(unit + 8, m->vtd, 8);
	scope[0] = SCOPE_IOAPIC;
	scope[1] = SCOPE_SIZE;
	scope[5] = (uint8_t)(m->ioapic_source >> 8); /* id 0, on this bus */
	scope[6] = (uint8_t)(m->ioapic_source >> 3 & 0x1f);
	scope[7] = (uint8_t)(m->ioapic_source & 7);
	return finish(t, "DMAR", DMAR_SIZE + DRHD_SIZE + SCOPE_SIZE, 1);
}

static uint8_t *ccel(uint8_t *t, const struct acpi_machine *m)
{
	t[36] = CCEL_TYPE_TDX;
	put(t + 40, m->log_size, 8);
	put(t + 48, m->log, 8);
	return finish(t, "CCEL", CCEL_SIZE, 1);
}

static void rsdp(uint8_t *t, uint64_t xsdt)
{
	__builtin_memcpy(t, "RSD PTR ", 8);
	__builtin_memcpy(t + 9, "SWTDX ", 6);
	t[15] = 2;
	put(t + 20, RSDP_SIZE, 4);
	put(t + 24, xsdt, 8);
	checksum(t, 20, 8);
	checksum(t, RSDP_SIZE, 32);
}

uint64_t acpi_build(const struct acpi_machine *m)
{
	uint8_t *start = m->at, *xsdt = start + 48, *dsdt_ = xsdt + 80, *fadt_, *madt_, *next;
	const unsigned madt_size = MADT_HEADER_SIZE + m->processors * MADT_X2APIC_SIZE +
				   MADT_IOAPIC_SIZE + MADT_WAKEUP_RESET_SIZE;
	unsigned tables = 2;
#define PA(table) (m->pa + (uint64_t)((table)-start))

	if (m->size < 2048 || madt_size > m->size - 2048)
		return 0;
	__builtin_memset(start, 0, m->size);
	fadt_ = dsdt(dsdt_, m);
	madt_ = fadt(fadt_, PA(dsdt_));
	next = madt(madt_, m);
	put(xsdt + HEADER_SIZE, PA(fadt_), 8);
	put(xsdt + HEADER_SIZE + 8, PA(madt_), 8);
	if (m->vtd) {
		put(xsdt + HEADER_SIZE + 8 * tables++, PA(next), 8);
		next = dmar(next, m);
	}
	if (m->log_size) {
		put(xsdt + HEADER_SIZE + 8 * tables++, PA(next), 8);
		ccel(next, m);
	}
	finish(xsdt, "XSDT", HEADER_SIZE + 8 * tables, 1);
	rsdp(start, PA(xsdt));
	return PA(start);
}
