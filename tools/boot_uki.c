/* SPDX-License-Identifier: MIT */
/* Unified kernel images (PE files; UAPI group, "Unified Kernel Image"), and whether a kernel can be
 * a TD; see boot_unpack.h. */
#include "tools/boot_unpack.h"

#include <stdlib.h>
#include <string.h>

#include <swtdx/measure.h>

enum {
	PE_OFFSET = 0x3c, /* of the PE header, in the DOS header */
	PE_SECTIONS = 6,  /* from the PE header: how many */
	PE_OPTIONAL = 20, /* size of the optional header */
	PE_HEADER = 24,
	SECTION = 40,
	SECTION_VIRTUAL_SIZE = 8,
	SECTION_RAW_SIZE = 16,
	SECTION_RAW = 20,
	MAX_SECTIONS = 96,
	/* The payload of a bzImage, in its setup header. */
	SETUP_SECTS = 0x1f1,
	MAGIC = 0x202,
	PAYLOAD_OFFSET = 0x248,
	PAYLOAD_LENGTH = 0x24c,
	SECTOR = 512,
};

static size_t le(const uint8_t *p, unsigned bytes)
{
	size_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (size_t)p[i] << 8 * i;
	return v;
}

static bool is_named(const uint8_t *section, const char *name)
{
	char padded[8] = {0};

	memcpy(padded, name, strlen(name));
	return !memcmp(section, padded, sizeof(padded));
}

/* The bytes of a section: no more than it has in memory, nor than the file has. */
static struct boot_part part(const uint8_t *file, size_t size, const uint8_t *section)
{
	size_t at = le(section + SECTION_RAW, 4), raw = le(section + SECTION_RAW_SIZE, 4),
	       in_memory = le(section + SECTION_VIRTUAL_SIZE, 4);

	if (at > size || raw > size - at)
		return (struct boot_part){0};
	return (struct boot_part){file + at, in_memory && in_memory < raw ? in_memory : raw};
}

bool boot_uki_parse(const uint8_t *file, size_t size, struct boot_uki *uki)
{
	size_t pe, n, table;

	*uki = (struct boot_uki){0};
	if (size < PE_OFFSET + 4 || memcmp(file, "MZ", 2))
		return false;
	pe = le(file + PE_OFFSET, 4);
	if (pe > size || size - pe < PE_HEADER || memcmp(file + pe, "PE\0\0", 4))
		return false;
	n = le(file + pe + PE_SECTIONS, 2);
	table = pe + PE_HEADER + le(file + pe + PE_OPTIONAL, 2);
	if (n > MAX_SECTIONS || table > size || n * SECTION > size - table)
		return false;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *s = file + table + i * SECTION;

		/* The first of a name counts: profiles behind it repeat names. */
		if (is_named(s, ".linux") && !uki->kernel.at)
			uki->kernel = part(file, size, s);
		else if (is_named(s, ".initrd") && !uki->initrd.at)
			uki->initrd = part(file, size, s);
		else if (is_named(s, ".cmdline") && !uki->cmdline.at)
			uki->cmdline = part(file, size, s);
	}
	return uki->kernel.at;
}

/* By what it would print: that it is Linux, and one of these words, each shorter than
 * BOOT_OVERLAP. The first is there where it can print at all, the others when it dies. */
static const char *const td_words[] = {"tdx: Guest detected", "(Buggy TDX module!)",
				       "TDVMCALL failed. TDX module bug?", NULL};

static bool holds(const uint8_t *p, size_t n, const char *what)
{
	return memmem(p, n, what, strlen(what));
}

/* True while there is something left to look for. */
bool boot_search_look(void *arg, const uint8_t *p, size_t n)
{
	struct boot_search *s = arg;

	s->banner = s->banner || holds(p, n, "Linux version ");
	for (const char *const *w = s->words; *w && !s->word; w++)
		s->word = holds(p, n, *w);
	return !s->banner || !s->word;
}

enum boot_can boot_search_found(const struct boot_search *s)
{
	return !s->banner ? BOOT_CAN_UNKNOWN : s->word ? BOOT_CAN : BOOT_CANNOT;
}

static enum boot_can can(const uint8_t *kernel, size_t size, const char *const words[])
{
	struct boot_search s = {.words = words};
	size_t body, at, n;

	if (size < PAYLOAD_LENGTH + 4 || memcmp(kernel + MAGIC, "HdrS", 4)) {
		boot_search_look(&s, kernel, size);
		return boot_search_found(&s);
	}
	body = ((kernel[SETUP_SECTS] ? kernel[SETUP_SECTS] : 4u) + (size_t)1) * SECTOR;
	at = le(kernel + PAYLOAD_OFFSET, 4);
	n = le(kernel + PAYLOAD_LENGTH, 4);
	if (body > size || at > size - body || n > size - body - at)
		return BOOT_CAN_UNKNOWN;
	/* Behind what is packed is the length that comes out; gzip has that in its last bytes. */
	if (boot_unpack_look(kernel + body + at, n, TDX_TDVF_MAX_IMAGE, boot_search_look, &s))
		return BOOT_CAN_UNKNOWN;
	return boot_search_found(&s);
}

enum boot_can boot_can_be_td(const uint8_t *kernel, size_t size)
{
	return can(kernel, size, td_words);
}

void boot_search_td(struct boot_search *s)
{
	*s = (struct boot_search){.words = td_words};
}

enum boot_can boot_can_remap(const uint8_t *kernel, size_t size)
{
	static const char *const words[] = {"DMAR-IR: ", NULL};

	return can(kernel, size, words);
}
