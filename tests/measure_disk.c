/* SPDX-License-Identifier: MIT */
/* Disks: partition tables as firmware measures them, and files of FAT file systems; every image is
 * made here, byte by byte, and then damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "disk_build.h"

enum { LOADER_SIZE = 3 * SECTOR + 77 };

static void fill(uint8_t loader[LOADER_SIZE])
{
	for (unsigned i = 0; i < LOADER_SIZE; i++)
		loader[i] = (uint8_t)(i * 7 + i / 251);
}

static struct image whole_disk(unsigned bits, uint8_t loader[LOADER_SIZE])
{
	struct image im = {.size = fs_size(bits)};

	fill(loader);
	im.p = calloc(1, im.size);
	make_fs(im.p, im.size, bits, loader, LOADER_SIZE);
	return im;
}

struct names {
	char all[512];
	unsigned n;
};

static bool note(void *ctx, const char *name, uint32_t size, bool directory)
{
	struct names *l = ctx;
	const size_t at = strlen(l->all);

	snprintf(l->all + at, sizeof(l->all) - at, "%s%s %u|", name, directory ? "/" : "", size);
	return ++l->n < 8;
}

static void files_are_read_by_their_paths_whatever_the_kind(void **state)
{
	static const unsigned kinds[] = {12, 16, 32};
	uint8_t loader[LOADER_SIZE], *bytes;
	char err[TDX_DISK_ERROR_TEXT];
	struct tdx_partition where;
	struct tdx_fat fat;
	size_t len;

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct image im = whole_disk(kinds[k], loader);
		struct tdx_disk disk = disk_of(&im);
		struct names names = {.n = 0};

		assert_int_equal(tdx_disk_esp(&disk, &where, err), 0);
		assert_int_equal(where.number, 0);
		assert_int_equal(tdx_fat_open(&disk, &where, &fat, err), 0);
		assert_int_equal(fat.bits, kinds[k]);
		assert_int_equal(tdx_fat_read(&fat, "/efi\\Boot/bootx64.EFI", &bytes, &len, err),
				 0);
		assert_int_equal(len, LOADER_SIZE);
		assert_memory_equal(bytes, loader, len);
		free(bytes);
		assert_int_equal(tdx_fat_read(&fat, "EFI/a name THAT is longer than one.efi",
					      &bytes, &len, err),
				 0);
		assert_memory_equal(bytes, loader, len);
		free(bytes);
		assert_int_equal(tdx_fat_read(&fat, "empty.txt", &bytes, &len, err), 0);
		assert_int_equal(len, 0);
		free(bytes);
		assert_int_equal(tdx_fat_read(&fat, "EFI/BOOT", &bytes, &len, err), -ENOENT);
		assert_int_equal(tdx_fat_read(&fat, "EFI/BOOTX64.EFI", &bytes, &len, err), -ENOENT);
		assert_int_equal(tdx_fat_read(&fat, "empty.txt/x", &bytes, &len, err), -ENOENT);
		assert_int_equal(tdx_fat_read(&fat, "EFI/BOOT/BOOTX64", &bytes, &len, err),
				 -ENOENT);
		assert_int_equal(tdx_fat_list(&fat, "EFI", note, &names, err), 0);
		assert_string_equal(names.all, "A name that is longer than one.efi 1613|BOOT/ 0|");
		assert_int_equal(tdx_fat_list(&fat, "empty.txt", note, &names, err), -ENOENT);
		free(im.p);
	}
}

/* A chain that never ends, one that leaves, one that is too short for the file. */
static void a_chain_that_is_wrong_is_refused_and_ends(void **state)
{
	const struct {
		uint32_t next;
		const char *says;
	} wrong[] = {{0xff0, "leads out of it"}, {0, "free ones"}, {0xfff, "end before its bytes"}};
	uint8_t loader[LOADER_SIZE], *bytes;
	char err[TDX_DISK_ERROR_TEXT];
	struct tdx_partition where;
	struct tdx_fat fat;
	size_t len;

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct image im = whole_disk(12, loader);
		struct tdx_disk disk = disk_of(&im);
		struct fs f = {.p = im.p, .bits = 12, .fat = SECTOR};

		/* EFI 2, BOOT 4, the loader from 6 on. */
		set_fat(&f, 6, wrong[k].next);
		assert_int_equal(tdx_disk_esp(&disk, &where, err), 0);
		assert_int_equal(tdx_fat_open(&disk, &where, &fat, err), 0);
		assert_int_equal(tdx_fat_read(&fat, "EFI/BOOT/BOOTX64.EFI", &bytes, &len, err),
				 -EINVAL);
		assert_non_null(strstr(err, wrong[k].says));
		assert_null(bytes);
		/* A directory that is a circle of one cluster. */
		set_fat(&f, 2, 2);
		memset(im.p + fat.data + 7 * 32, 'x', SECTOR - 7 * 32);
		im.reads = 0;
		assert_int_equal(tdx_fat_read(&fat, "EFI/none", &bytes, &len, err), -ENOENT);
		assert_true(im.reads < 3000);
		free(im.p);
	}
}

static void a_damaged_file_system_is_refused_or_read_within(void **state)
{
	uint8_t loader[LOADER_SIZE], *bytes;
	char err[TDX_DISK_ERROR_TEXT];
	struct image im = whole_disk(12, loader);
	struct tdx_disk disk = disk_of(&im);
	uint64_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		struct tdx_partition where = {0, im.size, 0};
		struct tdx_fat fat;
		struct names names = {.n = 0};
		size_t at[4], len;
		uint8_t old[4];

		for (unsigned i = 0; i < 4; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			at[i] = (random >> 33) % (round & 1 ? 64 : 12 * SECTOR);
			old[i] = im.p[at[i]];
			im.p[at[i]] = (uint8_t)(random >> 20);
		}
		if (!tdx_fat_open(&disk, &where, &fat, err)) {
			if (!tdx_fat_read(&fat, "EFI/BOOT/BOOTX64.EFI", &bytes, &len, err))
				free(bytes);
			(void)tdx_fat_list(&fat, "EFI", note, &names, err);
		}
		for (unsigned i = 4; i-- > 0;)
			im.p[at[i]] = old[i];
	}
	free(im.p);
}

/* --- partition tables --- */

enum { FIRST = 64 };

static const uint8_t esp[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
				0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};

/* A file system in the third entry, behind one of another type. */
static struct image with_gpt(uint8_t loader[LOADER_SIZE])
{
	const uint64_t size = fs_size(12);
	struct image im = {.size = size + FIRST * SECTOR + SECTOR};
	uint8_t *h, *e;

	fill(loader);
	im.p = calloc(1, im.size);
	h = im.p + SECTOR;
	e = im.p + 2 * SECTOR;
	memcpy(h, "EFI PART", 8);
	put(h + 12, 4, 92);
	put(h + 72, 8, 2);
	put(h + 80, 4, 128);
	put(h + 84, 4, 128);
	memset(e + 128, 7, 128);
	memcpy(e + 256, esp, 16);
	put(e + 256 + 32, 8, FIRST);
	put(e + 256 + 40, 8, FIRST + size / SECTOR - 1);
	make_fs(im.p + FIRST * SECTOR, size, 12, loader, LOADER_SIZE);
	return im;
}

static void the_used_entries_are_measured_and_the_efi_one_is_found(void **state)
{
	uint8_t loader[LOADER_SIZE], *event, *bytes;
	char err[TDX_DISK_ERROR_TEXT];
	struct image im = with_gpt(loader);
	struct tdx_disk disk = disk_of(&im);
	struct tdx_partition where;
	struct tdx_fat fat;
	size_t len;

	(void)state;
	assert_int_equal(tdx_disk_gpt_event(&disk, &event, &len, err), 0);
	assert_int_equal(len, 92 + 8 + 2 * 128);
	assert_memory_equal(event, im.p + SECTOR, 92);
	assert_memory_equal(event + 92, "\2\0\0\0\0\0\0\0", 8);
	assert_memory_equal(event + 100, im.p + 2 * SECTOR + 128, 256);
	free(event);
	assert_int_equal(tdx_disk_esp(&disk, &where, err), 0);
	assert_int_equal(where.number, 3);
	assert_int_equal(where.start, FIRST * SECTOR);
	assert_int_equal(where.size, fs_size(12));
	assert_int_equal(tdx_fat_open(&disk, &where, &fat, err), 0);
	assert_int_equal(tdx_fat_read(&fat, "EFI/BOOT/BOOTX64.EFI", &bytes, &len, err), 0);
	assert_memory_equal(bytes, loader, LOADER_SIZE);
	free(bytes);
	/* Its end before its beginning, and behind the disk's. */
	put(im.p + 2 * SECTOR + 256 + 40, 8, FIRST - 1);
	assert_int_equal(tdx_disk_esp(&disk, &where, err), -EINVAL);
	put(im.p + 2 * SECTOR + 256 + 40, 8, UINT64_MAX);
	assert_int_equal(tdx_disk_esp(&disk, &where, err), -EINVAL);
	/* A table that leads out of the image, or is larger than any. */
	put(im.p + SECTOR + 72, 8, UINT64_MAX / SECTOR + 2);
	assert_int_equal(tdx_disk_gpt_event(&disk, &event, &len, err), -EINVAL);
	assert_non_null(strstr(err, "leads out of the image"));
	put(im.p + SECTOR + 72, 8, 2);
	put(im.p + SECTOR + 80, 4, UINT32_MAX);
	assert_int_equal(tdx_disk_gpt_event(&disk, &event, &len, err), -EINVAL);
	free(im.p);
}

static void a_disk_without_a_guid_table_has_no_event(void **state)
{
	uint8_t loader[LOADER_SIZE], *event;
	char err[TDX_DISK_ERROR_TEXT];
	struct image im = with_gpt(loader);
	struct tdx_disk disk = disk_of(&im);
	struct tdx_partition where;
	size_t len;

	(void)state;
	memset(im.p, 0, 3 * SECTOR);
	assert_int_equal(tdx_disk_gpt_event(&disk, &event, &len, err), -ENOENT);
	assert_int_equal(tdx_disk_esp(&disk, &where, err), -ENOENT);
	/* The older table has the partition too. */
	im.p[446 + 16 + 4] = 0xef;
	put(im.p + 446 + 16 + 8, 4, FIRST);
	put(im.p + 446 + 16 + 12, 4, fs_size(12) / SECTOR);
	put(im.p + 510, 2, 0xaa55);
	assert_int_equal(tdx_disk_gpt_event(&disk, &event, &len, err), -ENOENT);
	assert_int_equal(tdx_disk_esp(&disk, &where, err), 0);
	assert_int_equal(where.number, 2);
	assert_int_equal(where.start, FIRST * SECTOR);
	/* A disk of a few bytes. */
	disk.size = 100;
	assert_int_equal(tdx_disk_esp(&disk, &where, err), -ENOENT);
	free(im.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_read_by_their_paths_whatever_the_kind),
		cmocka_unit_test(a_chain_that_is_wrong_is_refused_and_ends),
		cmocka_unit_test(a_damaged_file_system_is_refused_or_read_within),
		cmocka_unit_test(the_used_entries_are_measured_and_the_efi_one_is_found),
		cmocka_unit_test(a_disk_without_a_guid_table_has_no_event),
	};

	return cmocka_run_group_tests_name("measure: disks", tests, NULL, NULL);
}
