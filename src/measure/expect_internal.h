/* SPDX-License-Identifier: MIT */
/* Shared by the files that list a boot's events: the list in the making, and its parts. */
#ifndef MEASURE_EXPECT_INTERNAL_H
#define MEASURE_EXPECT_INTERNAL_H

#include <stdarg.h>

#include <swtdx/expect.h>

#include "measure/internal.h"

#define EXPECT_OWNED 6

struct maker {
	const struct tdx_expect_inputs *in;
	struct tdx_expect *out;
	struct tdx_tdvf tdvf;
	char *err;
	/* What is started: as given, or as found on the disk. */
	struct tdx_expect_bytes kernel, loader, loader_conf, shim, grub;
	bool extras;		   /* files beside the image that systemd-stub hands on or heeds */
	void *owned[EXPECT_OWNED]; /* read from the disk, freed at the end */
	unsigned nowned;
};

int maker_refuse(struct maker *m, const char *why);

/* One event, without a digest; `what` is printf's. */
__attribute__((format(printf, 4, 5))) struct tdx_expect_event *
maker_add(struct maker *m, unsigned rtmr, const char *type, const char *what, ...);

/* One whose digest is that of these bytes. */
int maker_of(struct maker *m, unsigned rtmr, const char *type, const char *what, const void *data,
	     size_t len, const char *from);

/* The same of an input that may not have been given: what is missing instead. */
int maker_input(struct maker *m, unsigned rtmr, const char *type, const char *what,
		const struct tdx_expect_bytes *b, const char *from, const char *missing);

int maker_separator(struct maker *m, unsigned rtmr);
int maker_action(struct maker *m, const char *text);
/* The bytes of an image that is started, by what Authenticode signs. */
int maker_pe(struct maker *m, const char *what, const struct tdx_expect_bytes *b, const char *from,
	     const char *missing);
/* Text as UTF-16, with its zero or without. */
int maker_wide(struct maker *m, const char *type, const char *what, const char *text, bool zero,
	       const char *from);

/* A variable as UEFI_VARIABLE_DATA, in RTMR 0. */
int maker_variable(struct maker *m, const char *type, const uint8_t guid[16], const char *name,
		   const void *data, size_t size, const char *from);

/* The firmware's configuration volume; NULL: it has none. */
const uint8_t *expect_configuration(const struct maker *m, size_t *len);
/* Will Secure Boot be on? */
bool expect_secure_boot(const struct maker *m);

/* RTMR 0: TD HOB, configuration, Secure Boot's variables, fw_cfg. */
int expect_platform(struct maker *m);
/* BootOrder and the options in it. */
int expect_boot_options(struct maker *m);

/* RTMR 1: the kernel as QEMU gives it to the firmware. */
int expect_direct_kernel(struct maker *m);
/* The command line, with its zero or as long as it is, and the initrd, by Linux's stub; bytes
 * without p: no initrd. */
int expect_stub(struct maker *m, const char *cmdline, bool zero,
		const struct tdx_expect_bytes *initrd, const char *from);

/* The disk's loader and what it starts, as far as they were not given. */
int expect_find_on_disk(struct maker *m);
/* The partition table's event. */
int expect_partitions(struct maker *m);

/* shim: the key of the firmware's that vouches for it, its lists, its key that vouches for GRUB. */
int expect_shim_authority(struct maker *m);
int expect_shim_lists(struct maker *m);
int expect_grub_authority(struct maker *m);
/* 16 of 16.1; 0: not a shim that says so. */
unsigned expect_shim_version(const struct maker *m);
/* What GRUB and the kernel that it starts make of RTMR 1 and 2. */
int expect_grub(struct maker *m);

/* A structure's length with its texts, which two zeros end; 0: it is cut. */
size_t smbios_structure(const uint8_t *p, size_t left);
/* A file of the platform's, without bytes if it was not given. */
const struct tdx_expect_bytes *expect_file(const struct maker *m, const char *name);

/* A unified kernel image: what systemd-stub measures and hands on. */
int expect_uki(struct maker *m);
/* systemd-boot's own events, when the loader is that. */
int expect_systemd_boot(struct maker *m);
/* The version in systemd's mark in an image, as "systemd-stub 257"; 0: it has none. */
unsigned expect_systemd_version(const struct tdx_expect_bytes *image, const char *which);

#endif
