/* SPDX-License-Identifier: MIT */
/* A Linux kernel for the VM, by the 64-bit boot protocol, out of what the L1 VMM's firmware has
 * loaded as an initial file system: a page that begins "l1 KERNEL INITRD" with both sizes, the
 * kernel, from the next page on its initrd. Documentation/arch/x86/boot.rst of Linux. */
#include "l1.h"

#include "../firmware/acpi.h"

/* Offsets in the boot parameters, and in a bzImage. */
enum {
	BP_ACPI_RSDP = 0x070,
	BP_E820_ENTRIES = 0x1e8,
	SETUP_HEADER = 0x1f1,
	SETUP_SECTS = 0x1f1,
	SYSSIZE = 0x1f4,
	JUMP_LENGTH = 0x201,
	MAGIC = 0x202,
	VERSION = 0x206,
	BP_LOADER = 0x210,
	BP_RAMDISK = 0x218,
	BP_RAMDISK_SIZE = 0x21c,
	BP_CMDLINE = 0x228,
	XLOADFLAGS = 0x236,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,
	HEADER_END = 0x290,
	BP_E820 = 0x2d0,
	SECTOR = 512,
	PARAGRAPH = 16,
	ENTRY_64 = 0x200,
	OLDEST = 0x20c,
	CMDLINE_MAX = 4096,
};
enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3 };

struct e820_entry {
	uint64_t start, size;
	uint32_t type;
} __attribute__((packed));

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	__builtin_memcpy(&v, p, bytes);
	return v;
}

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
	__builtin_memcpy(p, &v, bytes);
}

uint64_t linux_ram_end(const uint8_t *bp)
{
	const struct e820_entry *e = (const struct e820_entry *)(const void *)(bp + BP_E820);
	uint64_t end = 0;

	for (unsigned i = 0; i < bp[BP_E820_ENTRIES]; i++)
		if (e[i].type == E820_RAM && e[i].start + e[i].size > end &&
		    e[i].start + e[i].size <= 1ull << 32)
			end = e[i].start + e[i].size;
	return end;
}

static const char *number(const char *p, uint64_t *n)
{
	while (*p == ' ')
		p++;
	for (*n = 0; *p >= '0' && *p <= '9'; p++)
		*n = *n * 10 + (uint64_t)(*p - '0');
	return p;
}

struct bundle {
	const uint8_t *kernel, *initrd;
	uint64_t kernel_size, initrd_size;
};

static bool open_bundle(const uint8_t *bp, struct bundle *b)
{
	const uint64_t at = get(bp + BP_RAMDISK, 4), size = get(bp + BP_RAMDISK_SIZE, 4);
	const char *p = (const char *)at;
	uint64_t kernel_pages;

	if (size < TDX_PAGE_SIZE || p[0] != 'l' || p[1] != '1')
		return false;
	p = number(p + 2, &b->kernel_size);
	p = number(p, &b->initrd_size);
	kernel_pages = (b->kernel_size + TDX_PAGE_SIZE - 1) & ~(TDX_PAGE_SIZE - 1);
	if (*p != '\n' || b->kernel_size > size || b->initrd_size > size ||
	    TDX_PAGE_SIZE + kernel_pages + b->initrd_size > size)
		return false;
	b->kernel = (const uint8_t *)at + TDX_PAGE_SIZE;
	b->initrd = b->kernel + kernel_pages;
	return true;
}

static void add_e820(uint8_t *bp, uint64_t start, uint64_t end, enum e820_type type)
{
	struct e820_entry *e = (struct e820_entry *)(void *)(bp + BP_E820);

	e[bp[BP_E820_ENTRIES]++] = (struct e820_entry){start, end - start, type};
}

static void tell_memory(uint8_t *bp, uint64_t ram_end)
{
	add_e820(bp, 0, VM_ACPI, E820_RESERVED);
	add_e820(bp, VM_ACPI, VM_ACPI + VM_ACPI_SIZE, E820_ACPI);
	add_e820(bp, VM_ACPI + VM_ACPI_SIZE, VM_LOW, E820_RESERVED);
	add_e820(bp, VM_LOW, LOW_END, E820_RAM);
	add_e820(bp, HIGH, L1_MEMORY, E820_RAM);
	add_e820(bp, L1_MEMORY, L1_MEMORY_END, E820_RESERVED);
	add_e820(bp, L1_MEMORY_END, ram_end, E820_RAM);
}

/* One processor, a serial port that is polled, a power switch. */
static void tell_devices(uint8_t *bp)
{
	const uint64_t rsdp = acpi_build(&(struct acpi_machine){.at = (uint8_t *)VM_ACPI,
								.pa = VM_ACPI,
								.size = VM_ACPI_SIZE,
								.processors = 1,
								.mailbox = VM_MAILBOX});

	__builtin_memset((void *)VM_MAILBOX, 0, TDX_PAGE_SIZE);
	put(bp + BP_ACPI_RSDP, rsdp, 8);
}

/* The L1 VMM's own is the VM's. */
static void copy_cmdline(const uint8_t *from_bp, uint8_t *bp)
{
	const char *from = (const char *)get(from_bp + BP_CMDLINE, 4);
	char *to = (char *)VM_CMDLINE;
	unsigned n = 0;

	while (n < CMDLINE_MAX - 1 && from[n]) {
		to[n] = from[n];
		n++;
	}
	to[n] = 0;
	put(bp + BP_CMDLINE, VM_CMDLINE, 4);
}

const char *linux_load(struct vm *vm, const uint8_t *boot_params)
{
	uint8_t *bp = (uint8_t *)VM_BOOT_PARAMS;
	uint64_t body, load, header_end;
	struct bundle b;

	if (!open_bundle(boot_params, &b))
		return "it is no bundle";
	if (b.kernel_size < HEADER_END || get(b.kernel + MAGIC, 4) != 0x53726448 ||
	    get(b.kernel + VERSION, 2) < OLDEST || !(b.kernel[XLOADFLAGS] & 1))
		return "its kernel has no 64-bit entry";
	body = (b.kernel[SETUP_SECTS] + 1ull) * SECTOR;
	load = get(b.kernel + PREF_ADDRESS, 8);
	if (body + get(b.kernel + SYSSIZE, 4) * PARAGRAPH > b.kernel_size || load < L1_MEMORY_END ||
	    load > vm->ram_end || load + get(b.kernel + INIT_SIZE, 4) > (uintptr_t)b.kernel)
		return "its kernel does not fit";
	header_end = MAGIC + b.kernel[JUMP_LENGTH];
	if (header_end > HEADER_END)
		header_end = HEADER_END;

	__builtin_memset(bp, 0, TDX_PAGE_SIZE);
	__builtin_memcpy(bp + SETUP_HEADER, b.kernel + SETUP_HEADER, header_end - SETUP_HEADER);
	__builtin_memcpy((void *)load, b.kernel + body, b.kernel_size - body);
	bp[BP_LOADER] = 0xff;
	put(bp + BP_RAMDISK, b.initrd_size ? (uintptr_t)b.initrd : 0, 4);
	put(bp + BP_RAMDISK_SIZE, b.initrd_size, 4);
	copy_cmdline(boot_params, bp);
	tell_memory(bp, vm->ram_end);
	tell_devices(bp);
	vm->state->gpr.rsi = VM_BOOT_PARAMS;
	vm_start_at(vm, load + ENTRY_64);
	return NULL;
}
