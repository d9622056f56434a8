/* SPDX-License-Identifier: MIT */
/* Where the boot firmware keeps things, and what its image tells it. Shared by the firmware and by
 * whoever composes and measures its images (src/vmm/boot_image.c).
 *
 * Guest-physical memory: the firmware itself ends at 4 GiB; the page area below has its working
 * memory, which the kernel must leave alone (other processors and ACPI tables live in it). */
#ifndef FIRMWARE_LAYOUT_H
#define FIRMWARE_LAYOUT_H

#define FW_SIZE		0x10000
#define FW_BASE		0xffff0000

#define FW_AREA		0x800000
#define FW_HOB		0x800000 /* TD HOB, from the host */
#define FW_HOB_SIZE	0x2000
#define FW_MAILBOX	0x802000 /* multiprocessor wake-up */
#define FW_TABLES	0x803000 /* ACPI */
#define FW_TABLES_SIZE	0x4000
#define FW_BOOT_PARAMS	0x807000
#define FW_LOG		0x808000 /* event log, told of by the ACPI table CCEL */
#define FW_LOG_SIZE	0x10000
#define FW_STACK_TOP	0x820000
#define FW_CMDLINE	0x820000 /* payload parameters: the command line */
#define FW_CMDLINE_SIZE 0x1000
#define FW_AREA_END	0x821000

/* Ports the tables tell the kernel about. */
#define FW_PORT_COM1	     0x3f8
#define FW_PORT_COM2	     0x2f8
#define FW_PORT_SLEEP	     0x600 /* ACPI sleep control */
#define FW_PORT_SLEEP_STATUS 0x601
#define FW_PORT_RESET	     0xf4 /* the guest's exit status; a reset is 1 */
#define FW_RESET_VALUE	     1
#define FW_SLEEP_TYPE_OFF    5
#define FW_IRQ_COM1	     4
#define FW_IRQ_COM2	     3
#define FW_IOAPIC	     0xfec00000

/* Where virtio devices can be: a window each, empty or not, and an interrupt each. */
#define FW_VIRTIO      0xfeb00000
#define FW_VIRTIO_SIZE 0x1000
#define FW_VIRTIOS     8
#define FW_VIRTIO_IRQ  16

#ifndef __ASSEMBLER__
#include <stdint.h>

#define FW_SETUP_HEADER	     0x1f1 /* offset in boot_params and in a bzImage */
#define FW_SETUP_HEADER_SIZE 0x9f
#define FW_INFO_MAGIC	     0x6f666e69746f6f62ull /* "bootinfo" */

/* In the firmware's volume, found by its magic word, filled in when an image is composed. */
struct fw_boot_info {
	uint64_t magic;
	uint64_t entry;	     /* of the kernel: 64-bit mode, RSI = boot_params */
	uint64_t kernel_end; /* end of the memory the kernel needs at once */
	uint64_t initrd, initrd_size;
	uint32_t cmdline_size; /* without the terminating zero */
	uint32_t initrd_max;   /* highest address of the initrd's last byte */
	uint8_t setup_header[FW_SETUP_HEADER_SIZE];
	uint8_t pad[1];
} __attribute__((aligned(16)));

#endif
#endif
