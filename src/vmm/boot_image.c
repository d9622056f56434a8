/* SPDX-License-Identifier: MIT */
/* Composing and measuring images for direct boot; see <swtdx/boot.h>. Image, from its start:
 * kernel and initrd (page-aligned), command line, firmware volume. The last page of the volume gets
 * the TDX metadata and the GUID table. Intel: TDX Virtual Firmware Design Guide. */
#include <swtdx/boot.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/boot_firmware.h"
#include "vmm/boot_kernel.h"
#include "vmm/hob.h"

static_assert(TDX_BOOT_VIRTIO == FW_VIRTIO && TDX_BOOT_VIRTIO_SIZE == FW_VIRTIO_SIZE &&
		      (unsigned)TDX_BOOT_VIRTIOS == FW_VIRTIOS &&
		      TDX_BOOT_VIRTIO_PIN == FW_VIRTIO_IRQ,
	      "the monitor is told what the firmware tells");

enum {
	SECTIONS = 5,
	DESCRIPTOR_SIZE = 16,
	SECTION_SIZE = 32,
	POINTER_FROM_END = 0x20, /* the table ends here */
	FOOTER_SIZE = 18,
	ENTRY_SIZE = 22,
	DESCRIPTOR_FROM_END = 0x1000,
};

static const uint8_t guid_footer[16] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
					0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
static const uint8_t guid_metadata[16] = {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
					  0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2};

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t page_up(uint64_t v)
{
	return (v + TDX_PAGE_SIZE - 1) & ~(TDX_PAGE_SIZE - 1);
}

static void put_section(uint8_t *p, const struct tdx_tdvf_section *s)
{
	put(p, s->data_offset, 4);
	put(p + 4, s->raw_size, 4);
	put(p + 8, s->memory.v, 8);
	put(p + 16, s->memory_size, 8);
	put(p + 24, s->type, 4);
	put(p + 28, s->attributes, 4);
}

static void put_metadata(uint8_t *end, const struct tdx_tdvf_section section[SECTIONS])
{
	uint8_t *descriptor = end - DESCRIPTOR_FROM_END;
	uint8_t *footer = end - POINTER_FROM_END - FOOTER_SIZE, *entry = footer - ENTRY_SIZE;

	memcpy(descriptor, "TDVF", 4);
	put(descriptor + 4, DESCRIPTOR_SIZE + SECTIONS * SECTION_SIZE, 4);
	put(descriptor + 8, 1, 4);
	put(descriptor + 12, SECTIONS, 4);
	for (unsigned i = 0; i < SECTIONS; i++)
		put_section(descriptor + DESCRIPTOR_SIZE + i * SECTION_SIZE, &section[i]);
	put(footer, FOOTER_SIZE + ENTRY_SIZE, 2);
	memcpy(footer + 2, guid_footer, 16);
	put(entry, DESCRIPTOR_FROM_END, 4);
	put(entry + 4, ENTRY_SIZE, 2);
	memcpy(entry + 6, guid_metadata, 16);
}

/* Where the firmware keeps its boot information; NULL when this is not our firmware. */
static uint8_t *find_info(uint8_t *volume)
{
	const uint64_t magic = FW_INFO_MAGIC;

	for (size_t at = 0; at + sizeof(struct fw_boot_info) <= FW_SIZE; at += 16)
		if (memcmp(volume + at, &magic, sizeof(magic)) == 0)
			return volume + at;
	return NULL;
}

static int refuse(char *err, size_t errlen, const char *why)
{
	snprintf(err, errlen, "%s", why);
	return -EINVAL;
}

/* A wish: an image has tens of thousands of small pages. */
static void ask_for_large(uint8_t *p, size_t size)
{
	const uintptr_t first = ((uintptr_t)p + TDX_SIZE_2M - 1) & ~(uintptr_t)(TDX_SIZE_2M - 1);
	const uintptr_t end = ((uintptr_t)p + size) & ~(uintptr_t)(TDX_SIZE_2M - 1);

	if (first < end)
		(void)madvise((void *)first, end - first, MADV_HUGEPAGE);
}

static int put_initrd(const struct tdx_boot *boot, uint8_t *to)
{
	if (!boot->initrd_size)
		return 0;
	if (!boot->initrd)
		return !boot->read_initrd ? -EINVAL
					  : boot->read_initrd(boot->arg, to, boot->initrd_size);
	memcpy(to, boot->initrd, boot->initrd_size);
	return 0;
}

int tdx_boot_image(const struct tdx_boot *boot, void **image, size_t *len, char *err, size_t errlen)
{
	const struct boot_source kernel = {.read = boot->kernel ? NULL : boot->read_kernel,
					   .arg = boot->kernel ? (void *)boot->kernel : boot->arg,
					   .size = boot->kernel_size};
	size_t cmdline = strlen(boot->cmdline) + 1, payload, initrd_at, total;
	struct boot_kernel k;
	const char *why;
	uint8_t *p, *info;
	int e;

	*image = NULL;
	if (errlen)
		*err = '\0';
	if (!boot->kernel && !boot->read_kernel)
		return refuse(err, errlen, "there is no kernel");
	e = boot_kernel_parse(&kernel, &k, &why);
	if (why && k.file > boot->kernel_size) {
		snprintf(err, errlen,
			 "it is cut off: its headers tell of %" PRIu64 " bytes, it has %zu", k.file,
			 boot->kernel_size);
		return -EINVAL;
	}
	if (why)
		return refuse(err, errlen, why);
	if (e)
		return e;
	if (cmdline > TDX_BOOT_CMDLINE_MAX + 1)
		return refuse(err, errlen, "the command line is too long");
	initrd_at = page_up(k.size);
	if (boot->initrd_size > TDX_TDVF_MAX_EXTENDED)
		return refuse(err, errlen, "the initrd is too large");
	payload = initrd_at + boot->initrd_size;
	total = page_up(payload) + page_up(cmdline) + FW_SIZE;
	if (total > TDX_TDVF_MAX_IMAGE)
		return refuse(err, errlen, "kernel and initrd are too large");
	p = calloc(1, total);
	if (!p)
		return -ENOMEM;
	ask_for_large(p, total);
	for (unsigned i = 0; i < k.nruns && !e; i++)
		e = boot_source_read(&kernel, k.run[i].offset, p + k.run[i].at, k.run[i].size);
	if (!e)
		e = put_initrd(boot, p + initrd_at);
	if (e) {
		free(p);
		return e;
	}
	memcpy(p + page_up(payload), boot->cmdline, cmdline);
	memcpy(p + total - FW_SIZE, boot_firmware, FW_SIZE);
	info = find_info(p + total - FW_SIZE);
	if (info) {
		struct fw_boot_info b = {
			.magic = FW_INFO_MAGIC,
			.entry = k.entry,
			.kernel_end = k.end,
			.initrd = k.load + initrd_at,
			.initrd_size = boot->initrd_size,
			.cmdline_size = (uint32_t)(cmdline - 1),
			.initrd_max = k.initrd_max,
		};

		memcpy(b.setup_header, k.setup_header, sizeof(b.setup_header));
		memcpy(info, &b, sizeof(b));
	}
	put_metadata(
		p + total,
		(struct tdx_tdvf_section[SECTIONS]){
			{(uint32_t)(total - FW_SIZE), FW_SIZE, gpa(FW_BASE), FW_SIZE, TDX_TDVF_BFV,
			 TDX_TDVF_ATTR_MR_EXTEND},
			{0, 0, gpa(FW_HOB), FW_HOB_SIZE, TDX_TDVF_TD_HOB, 0},
			{0, 0, gpa(FW_MAILBOX), FW_STACK_TOP - FW_MAILBOX, TDX_TDVF_TEMP_MEM, 0},
			{(uint32_t)page_up(payload), (uint32_t)cmdline, gpa(FW_CMDLINE),
			 FW_CMDLINE_SIZE, TDX_TDVF_PAYLOAD_PARAM, 0},
			{0, (uint32_t)payload, gpa(k.load), page_up(payload), TDX_TDVF_PAYLOAD,
			 TDX_TDVF_ATTR_MR_EXTEND},
		});
	*image = p;
	*len = total;
	return info ? 0 : -EINVAL;
}

/* The boot information of an image; false when it is not ours. */
static bool read_info(const void *image, size_t len, struct fw_boot_info *b)
{
	uint8_t volume[FW_SIZE], *info;

	if (len < FW_SIZE)
		return false;
	memcpy(volume, (const uint8_t *)image + len - FW_SIZE, FW_SIZE);
	info = find_info(volume);
	if (info)
		memcpy(b, info, sizeof(*b));
	return info;
}

int tdx_boot_memory(const void *image, size_t len, uint64_t *bytes)
{
	struct fw_boot_info b;
	uint64_t loaded, moved;

	if (!read_info(image, len, &b))
		return -EINVAL;
	/* Where they are loaded, and where the firmware may move the initrd: behind what the
	 * kernel needs. */
	loaded = page_up(b.initrd + b.initrd_size);
	moved = page_up(b.kernel_end) + page_up(b.initrd_size);
	*bytes = loaded > moved ? loaded : moved;
	return 0;
}

static int event(struct tdx_rtmr_event *e, unsigned rtmr, const char *what, const void *data,
		 size_t len)
{
	e[0].rtmr = rtmr;
	e[0].what = what;
	return tdx_sha384(data, len, &e[0].digest) || tdx_rtmr_separator(&e[1], rtmr) ? -EIO : 0;
}

int tdx_boot_events(const void *image, size_t len, uint64_t memory,
		    struct tdx_rtmr_event events[TDX_BOOT_EVENTS])
{
	uint8_t hob[FW_HOB_SIZE];
	const struct tdx_tdvf_section *param = NULL;
	struct tdx_tdvf_error terr;
	struct tdx_tdvf tdvf;
	struct fw_boot_info b;
	struct vm_ram ram[2];
	int err;

	if (!read_info(image, len, &b) || tdx_tdvf_parse(image, len, &tdvf, &terr))
		return -EINVAL;
	for (unsigned i = 0; i < tdvf.nr_sections; i++)
		if (tdvf.section[i].type == TDX_TDVF_PAYLOAD_PARAM)
			param = &tdvf.section[i];
	if (!param)
		return -EINVAL;
	if (b.cmdline_size > param->raw_size)
		return -EINVAL;
	err = vm_build_hob(&tdvf, ram, vm_ram_layout(memory, ram), gpa(FW_HOB), hob, sizeof(hob));
	if (!err)
		err = event(&events[0], 0, "TD HOB", hob, vm_hob_length(hob));
	if (!err)
		err = event(&events[2], 1, "boot information", &b, sizeof(b));
	if (!err)
		err = event(&events[4], 2, "command line",
			    (const uint8_t *)image + param->data_offset, b.cmdline_size);
	return err;
}
