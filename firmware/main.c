/* SPDX-License-Identifier: MIT */
/* A small TD firmware that starts one Linux kernel, which is part of its image.
 *
 * In order: check the TD HOB, measure it, the image's boot information and the command line into
 * RTMR 0, 1 and 2 and write down what it was, accept all memory, move the initrd if it is in the
 * kernel's way, write the ACPI tables, the memory map and the kernel's boot parameters, jump. The
 * kernel and the initrd themselves are in MRTD. Anything wrong ends the TD with a reason. */
#include "firmware.h"

#include "acpi.h"

enum {
	TDG_VP_INFO = 1,
	TDG_MR_RTMR_EXTEND = 2,
	TDG_MEM_PAGE_ACCEPT = 6,
};

#define SIZE_2M	     (2ull << 20)
#define TOP_OF_LOW   (1ull << 32)
#define ISA_HOLE     0xa0000ull
#define ISA_HOLE_END 0x100000ull

enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4 };

/* Offsets in boot_params. */
enum {
	BP_ACPI_RSDP = 0x070,
	BP_E820_ENTRIES = 0x1e8,
	BP_BOOT_FLAG = 0x1fe,
	BP_MAGIC = 0x202,
	BP_LOADER = 0x210,
	BP_RAMDISK = 0x218,
	BP_RAMDISK_SIZE = 0x21c,
	BP_CMDLINE = 0x228,
	BP_E820 = 0x2d0,
	BP_E820_MAX = 128,
};

struct e820_entry {
	uint64_t start, size;
	uint32_t type;
} __attribute__((packed));

/* Found by its magic and filled in by whoever composes an image. */
static volatile const struct fw_boot_info boot_info = {.magic = FW_INFO_MAGIC};

void *memcpy(void *to, const void *from, size_t n)
{
	void *d = to;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *d = to;
	const uint8_t *s = from;

	if (d <= s || d >= s + n)
		return memcpy(to, from, n);
	while (n--)
		d[n] = s[n];
	return to;
}

void *memset(void *to, int c, size_t n)
{
	void *d = to;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return to;
}

_Noreturn void fatal(const char *why)
{
	char text[64] = {0};

	for (unsigned i = 0; i < sizeof(text) && why[i]; i++)
		text[i] = why[i];
	report_fatal(text);
}

/* Event types of the TCG's. */
enum { TDX_EV_SEPARATOR = 4, TDX_EV_PLATFORM_CONFIG_FLAGS = 0xa, TDX_EV_IPL = 0xd };

static void extend(unsigned rtmr, const void *data, size_t len, uint8_t digest[48])
{
	struct tdcall_regs r = {.rax = TDG_MR_RTMR_EXTEND, .rdx = rtmr};

	sha384(data, len, digest);
	r.rcx = (uintptr_t)digest;
	if (tdcall(&r))
		fatal("RTMR.EXTEND fails");
}

/* The register is extended before the log tells of it: a log that is ahead would be a lie. */
static void measure_separator(struct log *l, unsigned rtmr)
{
	static const uint8_t separator[4];
	uint8_t digest[48] __attribute__((aligned(64)));

	extend(rtmr, separator, sizeof(separator), digest);
	log_event(l, rtmr, TDX_EV_SEPARATOR, digest, "", separator, sizeof(separator));
}

static void measure_named(struct log *l, unsigned rtmr, const char name[16], const void *data,
			  size_t len)
{
	uint8_t digest[48] __attribute__((aligned(64)));

	extend(rtmr, data, len, digest);
	log_named(l, rtmr, TDX_EV_PLATFORM_CONFIG_FLAGS, digest, name, data, len);
	measure_separator(l, rtmr);
}

static void measure_cmdline(struct log *l, const struct fw_boot_info *info)
{
	const void *cmdline = (const void *)(uintptr_t)FW_CMDLINE;
	uint8_t digest[48] __attribute__((aligned(64)));

	extend(2, cmdline, info->cmdline_size, digest);
	log_event(l, 2, TDX_EV_IPL, digest, "swtdx_cmdline: ", cmdline, info->cmdline_size);
	measure_separator(l, 2);
}

/* --- memory --- */

static uint64_t accept(uint64_t at, unsigned level)
{
	struct tdcall_regs r = {.rax = TDG_MEM_PAGE_ACCEPT, .rcx = at | level};

	return tdcall(&r);
}

/* Every page exactly once: one that is accepted already was given by the host behind our back. */
static void accept_range(uint64_t at, uint64_t end)
{
	while (at < end) {
		if (at % SIZE_2M == 0 && end - at >= SIZE_2M && !accept(at, 1)) {
			at += SIZE_2M;
			continue;
		}
		if (accept(at, 0))
			fatal("PAGE.ACCEPT fails");
		at += 4096;
	}
}

static void add_e820(uint8_t *bp, uint64_t start, uint64_t end, enum e820_type type)
{
	struct e820_entry *e = (struct e820_entry *)(bp + BP_E820);
	unsigned n = bp[BP_E820_ENTRIES];

	if (start >= end)
		return;
	if (n && e[n - 1].type == (uint32_t)type && e[n - 1].start + e[n - 1].size == start) {
		e[n - 1].size += end - start;
		return;
	}
	if (n == BP_E820_MAX)
		fatal("a full memory map");
	e[n] = (struct e820_entry){start, end - start, type};
	bp[BP_E820_ENTRIES] = (uint8_t)(n + 1);
}

/* RAM but for the ISA hole and our own area. */
static void add_ram(uint8_t *bp, uint64_t start, uint64_t end)
{
	static const struct {
		uint64_t start, end;
		enum e820_type type;
	} cut[] = {
		{ISA_HOLE, ISA_HOLE_END, E820_RESERVED},
		{FW_AREA, FW_TABLES, E820_NVS},
		{FW_TABLES, FW_TABLES + FW_TABLES_SIZE, E820_ACPI},
		{FW_TABLES + FW_TABLES_SIZE, FW_AREA_END, E820_NVS},
	};

	for (unsigned i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		if (cut[i].end <= start || cut[i].start >= end)
			continue;
		add_e820(bp, start, cut[i].start, E820_RAM);
		add_e820(bp, start > cut[i].start ? start : cut[i].start,
			 end < cut[i].end ? end : cut[i].end, cut[i].type);
		start = cut[i].end;
	}
	add_e820(bp, start, end, E820_RAM);
}

/* The initrd's final place: where it is, if that is clear of the kernel and in its reach; else at
 * the top of what the kernel can reach. */
static uint64_t place_initrd(const struct ram *ram, unsigned n, const struct fw_boot_info *info)
{
	uint64_t limit = (uint64_t)info->initrd_max + 1, top = 0, at;

	if (info->initrd >= info->kernel_end && info->initrd <= limit &&
	    info->initrd_size <= limit - info->initrd)
		return info->initrd;
	for (unsigned i = 0; i < n; i++)
		if (ram[i].end <= TOP_OF_LOW)
			top = ram[i].end;
	top = top < limit ? top : limit;
	if (top < info->initrd_size)
		fatal("no room for the initrd");
	at = (top - info->initrd_size) & ~4095ull;
	if (at < info->kernel_end || at < FW_AREA_END)
		fatal("no room for the initrd");
	return at;
}

static void put32(uint8_t *p, uint64_t v)
{
	uint32_t w = (uint32_t)v;

	memcpy(p, &w, sizeof(w));
}

static unsigned processors(void)
{
	struct tdcall_regs r = {.rax = TDG_VP_INFO};

	if (tdcall(&r))
		fatal("VP.INFO fails");
	return (unsigned)r.r8;
}

/* Called by reset.S with what the host gave. */
_Noreturn void firmware_main(const void *hob);

_Noreturn void firmware_main(const void *hob)
{
	struct fw_boot_info info;
	struct ram ram[MAX_RAM];
	struct log log;
	uint8_t *bp = (uint8_t *)(uintptr_t)FW_BOOT_PARAMS;
	unsigned n = hob_ram(hob, ram);
	uint64_t initrd = 0, rsdp;

	memcpy(&info, (const void *)&boot_info, sizeof(info));
	if (!info.entry)
		fatal("the image has no kernel");
	if (info.cmdline_size > FW_CMDLINE_SIZE)
		fatal("a command line past its page");
	log_open(&log);
	measure_named(&log, 0, "td_hob\0\0\0\0\0\0\0\0\0", hob, hob_length(hob));
	measure_named(&log, 1, "swtdx_boot_info", &info, sizeof(info));
	measure_cmdline(&log, &info);
	for (unsigned i = 0; i < n; i++)
		if (!ram[i].accepted)
			accept_range(ram[i].start, ram[i].end);
	if (info.initrd_size) {
		initrd = place_initrd(ram, n, &info);
		if (initrd != info.initrd)
			memmove((void *)(uintptr_t)initrd, (const void *)(uintptr_t)info.initrd,
				info.initrd_size);
	}
	rsdp = acpi_build(&(struct acpi_machine){.at = (uint8_t *)(uintptr_t)FW_TABLES,
						 .pa = FW_TABLES,
						 .size = FW_TABLES_SIZE,
						 .processors = processors(),
						 .ioapic = FW_IOAPIC,
						 .serials = 2,
						 .mailbox = FW_MAILBOX,
						 .log = FW_LOG,
						 .log_size = FW_LOG_SIZE});
	if (!rsdp)
		fatal("more processors than the ACPI tables have room for");
	memset(bp, 0, 4096);
	memcpy(bp + FW_SETUP_HEADER, info.setup_header, FW_SETUP_HEADER_SIZE);
	for (unsigned i = 0; i < n; i++)
		add_ram(bp, ram[i].start, ram[i].end);
	add_e820(bp, FW_BASE, TOP_OF_LOW, E820_RESERVED);
	memcpy(bp + BP_ACPI_RSDP, &rsdp, sizeof(rsdp));
	bp[BP_LOADER] = 0xff;
	put32(bp + BP_RAMDISK, initrd);
	put32(bp + BP_RAMDISK_SIZE, info.initrd_size);
	put32(bp + BP_CMDLINE, FW_CMDLINE);
	start_kernel(info.entry, FW_BOOT_PARAMS);
}
