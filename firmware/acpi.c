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

/* --- AML (ACPI 6.5, 20.2) --- */

enum {
	AML_BYTE = 0x0a,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_NAME = 0x08,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_EXTENDED = 0x5b,
	AML_DEVICE = 0x82,
	AML_DEPTH = 4,
};

/* What is written next, and the packages that it is in. */
struct aml {
	uint8_t *p, *in[AML_DEPTH];
	unsigned depth;
};

static void bytes(struct aml *a, const void *data, unsigned len)
{
	__builtin_memcpy(a->p, data, len);
	a->p += len;
}
#define BYTES(a, ...)                                                                              \
	bytes(a, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void number(struct aml *a, uint64_t v, unsigned len)
{
	put(a->p, v, len);
	a->p += len;
}

/* After the opcode: a length of two bytes, which has itself in it, up to 4095. */
static void begin(struct aml *a)
{
	a->in[a->depth++] = a->p;
	a->p += 2;
}

static void end(struct aml *a)
{
	uint8_t *at = a->in[--a->depth];
	const unsigned len = (unsigned)(a->p - at);

	at[0] = (uint8_t)(0x40 | (len & 0xf));
	at[1] = (uint8_t)(len >> 4);
}

static void name(struct aml *a, const char *four)
{
	BYTES(a, AML_NAME);
	bytes(a, four, 4);
}

/* Device (NAMEn) with _HID and _UID; what follows is in it, up to end(). */
static void device(struct aml *a, const char *three, unsigned n, const void *hid, unsigned hid_len,
		   unsigned uid)
{
	BYTES(a, AML_EXTENDED, AML_DEVICE);
	begin(a);
	bytes(a, three, 3);
	BYTES(a, (uint8_t)('0' + n));
	name(a, "_HID");
	bytes(a, hid, hid_len);
	name(a, "_UID");
	BYTES(a, AML_BYTE, (uint8_t)uid);
}

/* _CRS, a buffer of resources, up to end_resources(); at most 255 bytes of them. */
static void begin_resources(struct aml *a)
{
	name(a, "_CRS");
	BYTES(a, AML_BUFFER);
	begin(a);
	BYTES(a, AML_BYTE, 0);
}

static void end_resources(struct aml *a)
{
	uint8_t *buffer = a->in[a->depth - 1];

	BYTES(a, 0x79, 0);
	buffer[3] = (uint8_t)(a->p - buffer - 4);
	end(a);
}

/* Of a consumer, edge, active high; one. */
static void interrupt(struct aml *a, unsigned irq)
{
	BYTES(a, 0x89, 6, 0, 3, 1);
	number(a, irq, 4);
}

/* \_S5_: the sleep type that switches off. */
static void aml_off(struct aml *a)
{
	name(a, "_S5_");
	BYTES(a, AML_PACKAGE);
	begin(a);
	BYTES(a, 4, AML_BYTE, FW_SLEEP_TYPE_OFF, AML_BYTE, FW_SLEEP_TYPE_OFF, 0, 0);
	end(a);
}

/* COMn: PNP0501 with its ports, and its interrupt where there is an I/O APIC. */
static void aml_com(struct aml *a, unsigned n, unsigned port, unsigned irq)
{
	static const uint8_t hid[] = {AML_DWORD, 0x41, 0xd0, 0x05, 0x01};

	device(a, "COM", n, hid, sizeof(hid), n - 1);
	begin_resources(a);
	BYTES(a, 0x47, 1); /* ports, 16 bits decoded: from, to, alignment, how many */
	number(a, port, 2);
	number(a, port, 2);
	BYTES(a, 1, 8);
	if (irq)
		interrupt(a, irq);
	end_resources(a);
	end(a);
}

/* VIOn: a place of a virtio-mmio device. A driver finds out whether one is there. */
static void aml_virtio(struct aml *a, unsigned n)
{
	static const uint8_t hid[] = {AML_STRING, 'L', 'N', 'R', 'O', '0', '0', '0', '5', 0};

	device(a, "VIO", n, hid, sizeof(hid), n);
	begin_resources(a);
	BYTES(a, 0x86, 9, 0, 1); /* memory, 32 bits, fixed, written too */
	number(a, FW_VIRTIO + n * FW_VIRTIO_SIZE, 4);
	number(a, FW_VIRTIO_SIZE, 4);
	interrupt(a, FW_VIRTIO_IRQ + n);
	end_resources(a);
	end(a);
}

/* --- tables --- */

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
	struct aml a = {.p = t + HEADER_SIZE};

	aml_off(&a);
	BYTES(&a, AML_SCOPE);
	begin(&a);
	bytes(&a, "\\_SB_", 5);
	aml_com(&a, 1, FW_PORT_COM1, m->ioapic ? FW_IRQ_COM1 : 0);
	if (m->serials > 1)
		aml_com(&a, 2, FW_PORT_COM2, m->ioapic ? FW_IRQ_COM2 : 0);
	for (unsigned i = 0; m->ioapic && i < FW_VIRTIOS; i++)
		aml_virtio(&a, i);
	end(&a);
	return finish(t, "DSDT", (unsigned)(a.p - t), 2);
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
