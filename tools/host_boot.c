/* SPDX-License-Identifier: MIT */
/* See tools/host_boot.h. Linux: "The Linux/x86 Boot Protocol", 64-bit. */
#include "tools/host_boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/types.h>

#include "board/board.h"
#include "tools/boot_unpack.h"
#include "tools/file.h"
#include "tools/verbs.h"
#include "vmm/boot_kernel.h"

enum {
	FILE_MAX = 1 << 30,
	CMDLINE_MAX = 4095,
	MAP_MAX = 16,
	E820_RAM = 1,
	E820_RESERVED = 2,
	/* of boot_params */
	BP_ACPI_RSDP = 0x070,
	BP_E820_ENTRIES = 0x1e8,
	BP_LOADER = 0x210,
	BP_RAMDISK = 0x218,
	BP_RAMDISK_SIZE = 0x21c,
	BP_CMDLINE = 0x228,
	BP_E820 = 0x2d0,
	E820_ENTRY = 20,
	LOADER_UNKNOWN = 0xff,
};

static void put(uint8_t *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

static int refuse(const char *what, const char *why)
{
	fprintf(stderr, "swtdx host: %s: %s\n", what, why);
	return VERB_DIFFERENCE;
}

static int read_file(const char *path, uint8_t **data, size_t *size)
{
	int e = file_read_whole(path, FILE_MAX, data, size);

	return e ? file_complain("host", path, e) : VERB_OK;
}

int host_boot_open(struct host_boot *boot)
{
	const int status = read_file(boot->kernel, &boot->file, &boot->size);

	boot->polled = !status && boot_can_remap(boot->file, boot->size) == BOOT_CANNOT;
	return status;
}

void host_boot_close(struct host_boot *boot)
{
	free(boot->file);
	boot->file = NULL;
}

static int load_kernel(struct board *b, const struct host_boot *boot, struct boot_kernel *k)
{
	const struct boot_source file = {.arg = boot->file, .size = boot->size};
	const char *why;

	if (!boot_kernel_parse(&file, k, &why) && !board_ram(b, k->load, k->end - k->load))
		why = "there is not so much memory where it wants to be";
	for (unsigned i = 0; !why && i < k->nruns; i++)
		memcpy(board_ram(b, k->load + k->run[i].at, k->run[i].size),
		       boot->file + k->run[i].offset, k->run[i].size);
	return why ? refuse(boot->kernel, why) : VERB_OK;
}

/* As high below the kernel's limit as RAM goes. */
static uint64_t initrd_place(const struct board *b, const struct boot_kernel *k, uint64_t size)
{
	struct board_range map[MAP_MAX];
	const unsigned n = board_map(b, map, MAP_MAX);
	const uint64_t limit = (uint64_t)k->initrd_max + 1;

	for (unsigned i = n; i-- > 0;) {
		uint64_t end = map[i].base + map[i].size;

		end = (end < limit ? end : limit) & ~(TDX_PAGE_SIZE - 1);
		if (map[i].ram && end > map[i].base && end - map[i].base >= size &&
		    ((end - size) & ~(TDX_PAGE_SIZE - 1)) >= k->end)
			return (end - size) & ~(TDX_PAGE_SIZE - 1);
	}
	return 0;
}

static int load_initrd(struct board *b, const char *path, const struct boot_kernel *k, uint8_t *bp)
{
	uint64_t pa = 0;
	uint8_t *file;
	size_t size;
	int status;

	if (!path)
		return VERB_OK;
	status = read_file(path, &file, &size);
	if (status)
		return status;
	pa = initrd_place(b, k, size);
	if (pa) {
		memcpy(board_ram(b, pa, size), file, size);
		put(bp + BP_RAMDISK, pa, 4);
		put(bp + BP_RAMDISK_SIZE, size, 4);
	}
	free(file);
	return pa ? VERB_OK : refuse(path, "there is not so much memory below the kernel's limit");
}

static void put_map(const struct board *b, uint8_t *bp)
{
	struct board_range map[MAP_MAX];
	unsigned n = board_map(b, map, MAP_MAX);

	for (unsigned i = 0; i < n; i++) {
		uint8_t *e = bp + BP_E820 + i * E820_ENTRY;

		put(e, map[i].base, 8);
		put(e + 8, map[i].size, 8);
		put(e + 16, map[i].ram ? E820_RAM : E820_RESERVED, 4);
	}
	bp[BP_E820_ENTRIES] = (uint8_t)n;
}

int host_boot_load(struct board *b, const struct host_boot *boot, uint64_t *entry)
{
	uint8_t *bp = board_ram(b, BOARD_BOOT_PARAMS, TDX_PAGE_SIZE);
	char *cmdline = board_ram(b, BOARD_CMDLINE, TDX_PAGE_SIZE);
	struct boot_kernel k;
	int status;

	if (strlen(boot->append) > CMDLINE_MAX)
		return refuse("--append", "longer than 4095 characters");
	status = load_kernel(b, boot, &k);
	if (status)
		return status;
	memset(bp, 0, TDX_PAGE_SIZE);
	memcpy(bp + FW_SETUP_HEADER, k.setup_header, FW_SETUP_HEADER_SIZE);
	strcpy(cmdline, boot->append);
	put(bp + BP_ACPI_RSDP, board_rsdp(b), 8);
	bp[BP_LOADER] = LOADER_UNKNOWN;
	put(bp + BP_CMDLINE, BOARD_CMDLINE, 4);
	put_map(b, bp);
	*entry = k.entry;
	return load_initrd(b, boot->initrd, &k, bp);
}
