/* SPDX-License-Identifier: MIT */
/* What users have in place of a plain kernel: one that is packed (gzip, xz, zstd), or one inside a
 * unified kernel image with its initrd and command line. The file is the user's and may be
 * anybody's: nothing is read past it, and no more than `max` bytes come out of it. */
#ifndef TOOLS_BOOT_UNPACK_H
#define TOOLS_BOOT_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_part {
	const uint8_t *at; /* in the file; NULL: there is none */
	size_t size;
};

/* A unified kernel image: a PE file with these sections. */
struct boot_uki {
	struct boot_part kernel, initrd, cmdline;
};

/* True when the file has a section .linux. */
bool boot_uki_parse(const uint8_t *file, size_t size, struct boot_uki *uki);

/* "gzip", "xz", "zstd" when the bytes begin as one of these; NULL otherwise. */
const char *boot_packing(const uint8_t *file, size_t size);

/* Unpacks them. *out is the caller's to free(). NULL, or what is wrong. */
const char *boot_unpack(const uint8_t *file, size_t size, size_t max, uint8_t **out, size_t *len);

/* The same for who looks at what comes out and keeps nothing: piece by piece, each beginning with
 * the last BOOT_OVERLAP bytes of the one before. False: seen enough, the rest is left packed. */
#define BOOT_OVERLAP 256u
typedef bool boot_look(void *arg, const uint8_t *piece, size_t len);
const char *boot_unpack_look(const uint8_t *file, size_t size, size_t max, boot_look *look,
			     void *arg);

/* The compressed volumes (LZMA) of an OVMF image, one after the other. *out is the caller's to
 * free(), NULL where there are none. NULL, or what is wrong. */
const char *boot_unpack_firmware(const uint8_t *image, size_t size, size_t max, uint8_t **out,
				 size_t *len);

/* What a Linux kernel, bzImage or vmlinux, was built for. UNKNOWN: it is no Linux, or packed in a
 * way that is not read here. */
enum boot_can { BOOT_CAN_UNKNOWN, BOOT_CAN, BOOT_CANNOT };
enum boot_can boot_can_be_td(const uint8_t *kernel, size_t size);
/* The same of a kernel that comes in pieces and is not packed: what has been seen of it. */
struct boot_search {
	const char *const *words;
	bool banner, word;
};
void boot_search_td(struct boot_search *s);
boot_look boot_search_look;
enum boot_can boot_search_found(const struct boot_search *s);
/* To use an I/O APIC beside local APICs that cannot leave x2APIC mode: with CONFIG_IRQ_REMAP. */
enum boot_can boot_can_remap(const uint8_t *kernel, size_t size);

#endif
