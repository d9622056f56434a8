/* SPDX-License-Identifier: MIT */
/* What --boot reads of files: PE images, stores of variables, SMBIOS structures, disks (partition
 * tables, FAT). The first byte says which the rest is. Stops when something found lies outside of
 * what was given, or a disk is read where it has nothing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/disk.h>
#include <swtdx/expect.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void within(const void *found, size_t n, const uint8_t *p, size_t len)
{
	const uint8_t *f = found;

	must(!f || (f >= p && n <= len && f + n <= p + len));
}

/* A disk whose beginning is the input, and zeros behind it: file systems are larger than inputs. */
struct image {
	const uint8_t *p;
	size_t len;
	uint64_t size;
};

static int read_image(void *ctx, uint64_t at, void *to, size_t n)
{
	const struct image *im = ctx;
	const size_t have = at < im->len ? im->len - (size_t)at : 0;

	must(at <= im->size && n <= im->size - at);
	memset(to, 0, n);
	memcpy(to, im->p + (have ? at : 0), have < n ? have : n);
	return 0;
}

static bool note(void *ctx, const char *name, uint32_t bytes, bool directory)
{
	unsigned *n = ctx;

	(void)bytes;
	(void)directory;
	must(strlen(name) < 256);
	return ++*n < 1000;
}

static void fuzz_disk(const uint8_t *p, size_t len)
{
	struct image im = {p, len, (uint64_t)4 << 20};
	const struct tdx_disk disk = {read_image, &im, im.size};
	struct tdx_partition where;
	char err[TDX_DISK_ERROR_TEXT];
	struct tdx_fat fat;
	unsigned names = 0;
	uint8_t *bytes;
	size_t n;

	if (!tdx_disk_gpt_event(&disk, &bytes, &n, err))
		free(bytes);
	if (tdx_disk_esp(&disk, &where, err) || tdx_fat_open(&disk, &where, &fat, err))
		return;
	must(where.start <= im.size && where.size <= im.size - where.start);
	if (!tdx_fat_read(&fat, "EFI/BOOT/BOOTX64.EFI", &bytes, &n, err))
		free(bytes);
	(void)tdx_fat_list(&fat, "EFI", note, &names, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t guid[16];
	struct tdx_digest d;
	const void *found;
	uint8_t *p;
	size_t n, len;

	if (size < 2)
		return 0;
	len = size - 1;
	p = malloc(len);
	memcpy(p, data + 1, len);
	if (data[0] & 2) {
		fuzz_disk(p, len);
	} else if (data[0] & 4) {
		must(tdx_smbios_filter(p, len) <= len);
	} else if (data[0] & 1) {
		found = tdx_varstore_find(p, len, guid, "PK", &n);
		within(found, n, p, len);
	} else {
		(void)tdx_pe_authenticode(p, len, &d);
		found = tdx_pe_section(p, len, ".linux", &n);
		within(found, n, p, len);
	}
	free(p);
	return 0;
}
