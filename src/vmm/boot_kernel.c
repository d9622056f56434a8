/* SPDX-License-Identifier: MIT */
/* See vmm/boot_kernel.h. Linux: "The Linux/x86 Boot Protocol"; ELF gABI. */
#include "vmm/boot_kernel.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Of the setup header, from the start of the file. */
enum {
	SETUP_SECTS = 0x1f1,
	SYSSIZE = 0x1f4, /* of all behind the setup sectors, in paragraphs */
	PARAGRAPH = 16,
	BOOT_FLAG = 0x1fe,
	JUMP_LENGTH = 0x201,
	MAGIC = 0x202,
	VERSION = 0x206,
	LOADFLAGS = 0x211,
	INITRD_ADDR_MAX = 0x22c,
	KERNEL_ALIGNMENT = 0x230,
	XLOADFLAGS = 0x236,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,
	HEADER_NEEDED = 0x268,
	HEADER_MAX = 0x302, /* what JUMP_LENGTH can make of it */
	ENTRY_64 = 0x200,
	SECTOR = 512,
	OLDEST = 0x20c,
	LOADED_HIGH = 1,
	XLF_KERNEL_64 = 1,
	/* of an EFI application, the latter two from its PE header */
	PE_OFFSET = 0x3c,
	PE_OPTIONAL = 24,
	PE_SECURITY = PE_OPTIONAL + 112 + 8 * 4, /* offset and size */
	PE32PLUS = 0x20b,
};

#define LOAD_MAX   (1ull << 31)
#define INITRD_MAX 0x7fffffffu

static uint64_t le(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

static const char *check_place(const struct boot_kernel *k)
{
	if (k->load % 4096)
		return "it is not loaded at a page";
	if (k->load < FW_AREA_END || k->load >= LOAD_MAX || k->end < k->load + k->size ||
	    k->end > LOAD_MAX)
		return "it is loaded where it must not be";
	if (k->entry < k->load || k->entry >= k->load + k->size)
		return "its entry is outside of it";
	return NULL;
}

int boot_source_read(const struct boot_source *s, uint64_t offset, void *to, size_t size)
{
	if (s->read)
		return s->read(s->arg, offset, to, size);
	memcpy(to, (const uint8_t *)s->arg + offset, size);
	return 0;
}

/* The file while it is looked into. What cannot be read is zeros, and no kernel in the end. */
struct reading {
	const struct boot_source *file;
	int err;
};

/* False where it lies behind the end of the file. */
static bool read_part(struct reading *r, uint64_t offset, void *to, size_t size)
{
	memset(to, 0, size);
	if (offset > r->file->size || size > r->file->size - offset)
		return false;
	if (!r->err)
		r->err = boot_source_read(r->file, offset, to, size);
	return true;
}

/* Where the signature of a kernel that is an EFI application ends (PE32+); 0: it has none. What the
 * setup header tells of ends before it. */
static uint64_t signature_end(struct reading *r, uint64_t pe)
{
	uint8_t f[PE_SECURITY + 8];

	if (!read_part(r, pe, f, sizeof(f)) || memcmp(f, "PE\0", 4) != 0 ||
	    le(f + PE_OPTIONAL, 2) != PE32PLUS || !le(f + PE_SECURITY, 4))
		return 0;
	return le(f + PE_SECURITY, 4) + le(f + PE_SECURITY + 4, 4);
}

static const char *parse_bzimage(struct reading *r, const uint8_t f[HEADER_MAX],
				 struct boot_kernel *k)
{
	const size_t len = r->file->size;
	size_t header = (size_t)f[JUMP_LENGTH] + MAGIC - FW_SETUP_HEADER;
	size_t body = ((f[SETUP_SECTS] ? f[SETUP_SECTS] : 4u) + (size_t)1) * SECTOR;
	uint64_t end;

	if (le(f + VERSION, 2) < OLDEST)
		return "its boot protocol is older than 2.12";
	if (!(f[LOADFLAGS] & LOADED_HIGH) || !(f[XLOADFLAGS] & XLF_KERNEL_64))
		return "it has no 64-bit entry";
	k->file = body + le(f + SYSSIZE, 4) * PARAGRAPH;
	end = signature_end(r, le(f + PE_OFFSET, 4));
	if (end > k->file)
		k->file = end;
	if (body + ENTRY_64 >= len || len < k->file)
		return "it is cut off";
	k->load = le(f + PREF_ADDRESS, 8);
	k->size = len - body;
	k->end = k->load + le(f + INIT_SIZE, 4);
	k->entry = k->load + ENTRY_64;
	k->initrd_max = (uint32_t)le(f + INITRD_ADDR_MAX, 4);
	memcpy(k->setup_header, f + FW_SETUP_HEADER,
	       header < FW_SETUP_HEADER_SIZE ? header : FW_SETUP_HEADER_SIZE);
	k->run[k->nruns++] = (struct boot_run){body, len - body, 0};
	return check_place(k);
}

/* What a kernel without a setup header still asks its loader for. */
static void make_header(struct boot_kernel *k)
{
	uint8_t *h = k->setup_header;

	h[BOOT_FLAG - FW_SETUP_HEADER] = 0x55;
	h[BOOT_FLAG + 1 - FW_SETUP_HEADER] = 0xaa;
	memcpy(h + MAGIC - FW_SETUP_HEADER, "HdrS", 4);
	h[VERSION - FW_SETUP_HEADER] = OLDEST & 0xff;
	h[VERSION + 1 - FW_SETUP_HEADER] = OLDEST >> 8;
	h[LOADFLAGS - FW_SETUP_HEADER] = LOADED_HIGH;
	k->initrd_max = INITRD_MAX;
}

static const char *parse_elf(struct reading *r, struct boot_kernel *k)
{
	const size_t len = r->file->size;
	Elf64_Phdr ph[BOOT_MAX_RUNS];
	Elf64_Ehdr eh;
	uint64_t low = ~0ull, high = 0;

	if (!read_part(r, 0, &eh, sizeof(eh)))
		return "it is cut off";
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != EM_X86_64 ||
	    eh.e_phentsize != sizeof(ph[0]) || !eh.e_phnum || eh.e_phnum > BOOT_MAX_RUNS)
		return "it is no x86-64 kernel";
	if (!read_part(r, eh.e_phoff, ph, eh.e_phnum * sizeof(ph[0])))
		return "it is cut off";
	/* The table of sections is last where there is one. */
	if (eh.e_shoff && eh.e_shnum) {
		k->file = eh.e_shoff + (uint64_t)eh.e_shnum * eh.e_shentsize;
		if (k->file > len)
			return "it is cut off";
	}
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		const Elf64_Phdr *p = &ph[i];

		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		if (p->p_offset > len || p->p_filesz > len - p->p_offset)
			return "it is cut off";
		if (p->p_paddr >= LOAD_MAX || p->p_memsz > LOAD_MAX || p->p_filesz > p->p_memsz)
			return "it is loaded where it must not be";
		k->run[k->nruns++] = (struct boot_run){p->p_offset, p->p_filesz, p->p_paddr};
		low = p->p_paddr < low ? p->p_paddr : low;
		high = p->p_paddr + p->p_filesz > high ? p->p_paddr + p->p_filesz : high;
		k->end = p->p_paddr + p->p_memsz > k->end ? p->p_paddr + p->p_memsz : k->end;
	}
	if (!k->nruns)
		return "nothing of it is to be loaded";
	for (unsigned i = 0; i < k->nruns; i++)
		k->run[i].at -= low;
	k->load = low;
	k->size = high - low;
	k->entry = eh.e_entry;
	make_header(k);
	return check_place(k);
}

static const char *parse(struct reading *r, struct boot_kernel *k)
{
	uint8_t f[HEADER_MAX] = {0};
	const size_t have = r->file->size < sizeof(f) ? r->file->size : sizeof(f);

	read_part(r, 0, f, have);
	if (have >= SELFMAG && memcmp(f, ELFMAG, SELFMAG) == 0)
		return parse_elf(r, k);
	if (have >= HEADER_NEEDED && le(f + BOOT_FLAG, 2) == 0xaa55 &&
	    memcmp(f + MAGIC, "HdrS", 4) == 0)
		return parse_bzimage(r, f, k);
	return "it is neither a bzImage nor an ELF file";
}

int boot_kernel_parse(const struct boot_source *file, struct boot_kernel *k, const char **why)
{
	struct reading r = {.file = file};

	memset(k, 0, sizeof(*k));
	*why = parse(&r, k);
	if (r.err)
		*why = NULL;
	return r.err ? r.err : *why ? -EINVAL : 0;
}
