/* SPDX-License-Identifier: MIT */
/* Files that are said to be a Linux kernel, bzImage or ELF: parsed; and composed into an image,
 * which must then be one that can be measured.
 *
 * The first byte says which numbers are put where they belong, so that what is behind them is
 * met. Stops when a run of bytes lies outside the file, or when an image of ours is refused. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot_kernel.h"

/* Where a bzImage and an ELF file have what the parser asks for first. */
enum {
	BOOT_FLAG = 0x1fe,
	SETUP_MAGIC = 0x202,
	VERSION = 0x206,
	LOADFLAGS = 0x211,
	XLOADFLAGS = 0x236,
	PREF_ADDRESS = 0x258,
	ELF_MACHINE = 18,
	ELF_PHOFF = 32,
	ELF_PHENTSIZE = 54,
	ELF_PHNUM = 56,
	ELF_HEADER = 64,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void put(uint8_t *file, size_t at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		file[at + i] = (uint8_t)(v >> 8 * i);
}

static void mend(uint8_t *file, size_t len, uint8_t how)
{
	if (how & 1 && len > PREF_ADDRESS + 8) {
		put(file, BOOT_FLAG, 0xaa55, 2);
		memcpy(file + SETUP_MAGIC, "HdrS", 4);
	}
	if (how & 2 && len > PREF_ADDRESS + 8) {
		put(file, VERSION, 0x20f, 2);
		file[LOADFLAGS] |= 1;
		file[XLOADFLAGS] |= 1;
		put(file, PREF_ADDRESS, (uint64_t)file[PREF_ADDRESS] << 22, 8);
	}
	if (how & 4 && len >= ELF_HEADER)
		memcpy(file, "\177ELF\2\1\1", 7);
	if (how & 8 && len >= ELF_HEADER) {
		put(file, ELF_MACHINE, 62, 2);
		put(file, ELF_PHOFF, ELF_HEADER, 8);
		put(file, ELF_PHENTSIZE, 56, 2);
		put(file, ELF_PHNUM, file[ELF_PHNUM] % 18, 2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size ? size - 1 : 0;
	struct boot_kernel k;
	const char *why;
	uint8_t *file;

	if (!size)
		return 0;
	file = malloc(len ? len : 1);
	must(file != NULL);
	memcpy(file, data + 1, len);
	mend(file, len, data[0]);
	if (!boot_kernel_parse(&(struct boot_source){.arg = file, .size = len}, &k, &why)) {
		must(k.nruns >= 1 && k.nruns <= BOOT_MAX_RUNS && k.end >= k.load);
		for (unsigned i = 0; i < k.nruns; i++) {
			must(k.run[i].offset <= len && k.run[i].size <= len - k.run[i].offset);
			must(k.run[i].at + k.run[i].size <= k.size);
		}
	}
	free(file);
	return 0;
}
