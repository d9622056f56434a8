/* SPDX-License-Identifier: MIT */
/* Direct boot: a Linux kernel, an initrd and a command line as one measured TDVF image.
 *
 * The image is the project's own small firmware and, as its payload, the kernel and the initrd;
 * the command line is the payload's parameter. Firmware, kernel and initrd are in MRTD; the
 * firmware extends RTMR 0 with the TD HOB, RTMR 1 with its boot information, RTMR 2 with the
 * command line, each followed by a separator. All functions are reentrant. */
#ifndef SWTDX_BOOT_H
#define SWTDX_BOOT_H

#include <swtdx/measure.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define TDX_BOOT_CMDLINE_MAX 2047

/* The ports the firmware's ACPI tables tell of: what a monitor must answer. */
#define TDX_BOOT_PORT_COM1  0x3f8 /* a 16550, its interrupt I/O APIC pin 4 */
#define TDX_BOOT_PORT_SLEEP 0x600 /* sleep control, and status at the next */
#define TDX_BOOT_PORT_EXIT  0xf4  /* ends the guest with the status written; 1 is a reset */
/* A write with this mask and value to the sleep control port switches off. */
#define TDX_BOOT_SLEEP_MASK 0x3c
#define TDX_BOOT_SLEEP_OFF  0x34
/* Where it tells the kernel to look for virtio-mmio devices; each has a pin of the I/O APIC, from
 * that one on. Where there is none, the window has the magic word and the device ID 0. */
#define TDX_BOOT_VIRTIO	     0xfeb00000
#define TDX_BOOT_VIRTIO_SIZE 0x1000
#define TDX_BOOT_VIRTIO_PIN  16
enum { TDX_BOOT_VIRTIOS = 8 };

struct tdx_boot {
	const void *kernel; /* bzImage or vmlinux; NULL: what read_kernel brings */
	size_t kernel_size;
	const void *initrd; /* NULL: what read_initrd brings, none without it */
	size_t initrd_size;
	const char *cmdline;
	/* NULL, or puts the initrd's `size` bytes at `to`, so that they need not be in memory
	 * twice. 0, or a negative errno that tdx_boot_image() returns. */
	int (*read_initrd)(void *arg, void *to, size_t size);
	void *arg;
	/* NULL, or the same for `size` bytes of the kernel's file from `offset` on: its headers,
	 * and each part that is loaded once, whole, at its place. */
	int (*read_kernel)(void *arg, uint64_t offset, void *to, size_t size);
};

/* Composes the image; *image is the caller's to free(). 0; -EINVAL with a sentence in err when the
 * kernel cannot be used, -ENOMEM; with err empty, what read_kernel or read_initrd answered. */
int tdx_boot_image(const struct tdx_boot *boot, void **image, size_t *len, char *err,
		   size_t errlen);

/* The least memory a TD needs for an image tdx_boot_image() made: kernel and initrd where the
 * firmware puts them. What the kernel takes besides is its own. 0, -EINVAL: not such an image. */
int tdx_boot_memory(const void *image, size_t len, uint64_t *bytes);

/* What a TD with this much memory, started from an image tdx_boot_image() made, will have extended
 * before its kernel runs. 0, -EINVAL: not such an image. */
enum { TDX_BOOT_EVENTS = 6 };
int tdx_boot_events(const void *image, size_t len, uint64_t memory,
		    struct tdx_rtmr_event events[TDX_BOOT_EVENTS]);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
