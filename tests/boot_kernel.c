/* SPDX-License-Identifier: MIT */
/* What a loader makes of kernels, sound and spoilt. */
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <elf.h>
#include <string.h>

#include <swtdx/boot.h>

#include "vmm/boot_kernel.h"

enum { BZ_SIZE = 0x4000, PM = 2 * 512 };

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void make_bzimage(uint8_t *f)
{
	memset(f, 0xcc, BZ_SIZE);
	f[0x1f1] = 1;
	put(f + 0x1f4, (BZ_SIZE - PM) / 16, 4);
	put(f + 0x1fe, 0xaa55, 2);
	f[0x201] = 0x6a;
	memcpy(f + 0x202, "HdrS", 4);
	put(f + 0x206, 0x20f, 2);
	f[0x211] = 1;
	put(f + 0x22c, 0x7fffffff, 4);
	put(f + 0x236, 1, 2);
	put(f + 0x258, 0x1000000, 8);
	put(f + 0x260, 0x100000, 4);
}

static void make_elf(uint8_t *f)
{
	Elf64_Ehdr eh = {.e_machine = EM_X86_64,
			 .e_phoff = 64,
			 .e_phentsize = 56,
			 .e_phnum = 2,
			 .e_entry = 0x1000100};
	Elf64_Phdr ph[2] = {
		{.p_type = PT_LOAD,
		 .p_offset = 0x1000,
		 .p_paddr = 0x1000000,
		 .p_filesz = 0x800,
		 .p_memsz = 0x800},
		{.p_type = PT_LOAD,
		 .p_offset = 0x2000,
		 .p_paddr = 0x1200000,
		 .p_filesz = 0x10,
		 .p_memsz = 0x5000},
	};

	memset(f, 0, BZ_SIZE);
	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	memcpy(f, &eh, sizeof(eh));
	memcpy(f + 64, ph, sizeof(ph));
}

static const char *parse(const uint8_t *f, size_t len, struct boot_kernel *k)
{
	const char *why;
	int e = boot_kernel_parse(&(struct boot_source){.arg = (void *)f, .size = len}, k, &why);

	assert_int_equal(e, why ? -EINVAL : 0);
	return why;
}

static void a_bzimage_is_loaded_where_it_prefers(void **state)
{
	uint8_t f[BZ_SIZE];
	struct boot_kernel k;

	(void)state;
	make_bzimage(f);
	assert_null(parse(f, sizeof(f), &k));
	assert_int_equal(k.load, 0x1000000);
	assert_int_equal(k.entry, 0x1000200);
	assert_int_equal(k.end, 0x1100000);
	assert_int_equal(k.size, BZ_SIZE - PM);
	assert_int_equal(k.run[0].offset, PM);
	assert_memory_equal(k.setup_header, f + 0x1f1, 0x70);
}

static void an_elf_kernel_is_loaded_segment_by_segment(void **state)
{
	uint8_t f[BZ_SIZE];
	struct boot_kernel k;

	(void)state;
	make_elf(f);
	assert_null(parse(f, sizeof(f), &k));
	assert_int_equal(k.nruns, 2);
	assert_int_equal(k.run[1].at, 0x200000);
	assert_int_equal(k.size, 0x200010);
	assert_int_equal(k.end, 0x1205000);
	assert_int_equal(k.entry, 0x1000100);
}

static void spoil(unsigned at, uint64_t v, unsigned bytes, bool elf)
{
	uint8_t f[BZ_SIZE];
	struct boot_kernel k;

	if (elf)
		make_elf(f);
	else
		make_bzimage(f);
	put(f + at, v, bytes);
	assert_non_null(parse(f, sizeof(f), &k));
}

struct place {
	size_t at;
	uint64_t v;
	unsigned bytes;
};

static void spoil_two(struct place a, struct place b)
{
	uint8_t f[BZ_SIZE];
	struct boot_kernel k;

	make_elf(f);
	put(f + a.at, a.v, a.bytes);
	put(f + b.at, b.v, b.bytes);
	assert_non_null(parse(f, sizeof(f), &k));
}

static void spoilt_bzimages_are_refused(void **state)
{
	(void)state;
	spoil(0x1fe, 0, 2, false);
	spoil(0x202, 0, 4, false);
	spoil(0x206, 0x20b, 2, false);
	spoil(0x211, 0, 1, false);
	spoil(0x236, 0, 2, false);
	spoil(0x1f1, 0xff, 1, false);
	spoil(0x258, 0x800000, 8, false);
	spoil(0x258, 0x1000001, 8, false);
	spoil(0x258, ~0xfffull, 8, false);
	spoil(0x260, 0x100, 4, false);
	spoil(0x260, 0xffffffff, 4, false);
}

static void spoilt_elf_kernels_are_refused(void **state)
{
	(void)state;
	spoil(EI_CLASS, ELFCLASS32, 1, true);
	spoil(offsetof(Elf64_Ehdr, e_machine), EM_386, 2, true);
	spoil(offsetof(Elf64_Ehdr, e_phnum), 0, 2, true);
	spoil(offsetof(Elf64_Ehdr, e_phnum), 500, 2, true);
	spoil(offsetof(Elf64_Ehdr, e_phoff), ~0ull, 8, true);
	spoil(offsetof(Elf64_Ehdr, e_entry), 0xffffffff81000000, 8, true);
	spoil(64 + offsetof(Elf64_Phdr, p_offset), ~0ull, 8, true);
	spoil(64 + offsetof(Elf64_Phdr, p_filesz), BZ_SIZE, 8, true);
	spoil(64 + offsetof(Elf64_Phdr, p_paddr), ~0ull - 0xfff, 8, true);
	spoil(64 + offsetof(Elf64_Phdr, p_memsz), ~0ull, 8, true);
	spoil(64 + offsetof(Elf64_Phdr, p_paddr), 0x7ff000, 8, true);
	spoil(64 + offsetof(Elf64_Phdr, p_memsz), 0x7ff, 8, true); /* less than the file has */
	spoil(offsetof(Elf64_Ehdr, e_phentsize), 55, 2, true);
	spoil(offsetof(Elf64_Ehdr, e_entry), 0xfff000, 8, true);
	/* a table of sections behind the end */
	spoil_two((struct place){offsetof(Elf64_Ehdr, e_shoff), BZ_SIZE - 63, 8},
		  (struct place){offsetof(Elf64_Ehdr, e_shentsize), 64ull | 1ull << 16, 4});
	/* nothing that takes room */
	spoil_two((struct place){64 + offsetof(Elf64_Phdr, p_memsz), 0, 8},
		  (struct place){64 + 56 + offsetof(Elf64_Phdr, p_memsz), 0, 8});
}

/* The signature of an EFI application lies behind what the setup header tells of, and is the
 * kernel's, too. */
static void a_signature_is_part_of_the_kernel(void **state)
{
	enum { PE = 0x40, OPTIONAL = PE + 24, DIRECTORY = OPTIONAL + 112 + 4 * 8 };
	uint8_t f[BZ_SIZE];
	struct boot_kernel k;

	(void)state;
	make_bzimage(f);
	put(f + 0x3c, PE, 4);
	memcpy(f + PE, "PE\0", 4);
	put(f + OPTIONAL, 0x20b, 2);
	put(f + DIRECTORY, 0, 4); /* none */
	assert_null(parse(f, sizeof(f), &k));
	put(f + DIRECTORY, BZ_SIZE - 16, 4);
	put(f + DIRECTORY + 4, 16, 4);
	assert_null(parse(f, sizeof(f), &k));
	put(f + DIRECTORY + 4, 17, 4);
	assert_string_equal(parse(f, sizeof(f), &k), "it is cut off");
	put(f + OPTIONAL, 0x10b, 2); /* PE32: nobody looks there */
	assert_null(parse(f, sizeof(f), &k));
	put(f + OPTIONAL, 0x20b, 2);
	memcpy(f + PE, "PX", 2);
	assert_null(parse(f, sizeof(f), &k));
	put(f + 0x3c, BZ_SIZE - 8, 4);
	assert_null(parse(f, sizeof(f), &k));
	put(f + 0x3c, ~0u, 4);
	assert_null(parse(f, sizeof(f), &k));
}

static void no_prefix_of_a_kernel_is_read_past_its_end(void **state)
{
	uint8_t f[BZ_SIZE];
	struct boot_kernel k;

	(void)state;
	for (unsigned elf = 0; elf < 2; elf++) {
		if (elf)
			make_elf(f);
		else
			make_bzimage(f);
		for (size_t len = 0; len < (elf ? 0x600 : BZ_SIZE); len++) {
			uint8_t *cut = malloc(len ? len : 1);

			memcpy(cut, f, len);
			assert_non_null(parse(cut, len, &k));
			free(cut);
		}
	}
}

/* A file that ends before its headers say is told with both numbers. */
static void a_kernel_that_is_cut_off_is_never_composed(void **state)
{
	uint8_t f[BZ_SIZE];
	struct tdx_boot b = {.kernel = f, .kernel_size = sizeof(f) - 1, .cmdline = ""};
	char err[160];
	void *image;
	size_t len;

	make_bzimage(f);
	assert_int_equal(tdx_boot_image(&b, &image, &len, err, sizeof(err)), -EINVAL);
	assert_string_equal(err, "it is cut off: its headers tell of 16384 bytes, it has 16383");
	b.kernel_size++;
	assert_int_equal(tdx_boot_image(&b, &image, &len, err, sizeof(err)), 0);
	free(image);
	/* Its signature lies behind what the setup header tells of. */
	memcpy(f + 0x3c, "\x40\0\0\0PE\0\0", 8);
	memcpy(f + 0x40 + 24, "\x0b\x02", 2);
	memcpy(f + 0x40 + 24 + 144, "\x00\x40\0\0\x08\x05\0\0", 8);
	assert_int_equal(tdx_boot_image(&b, &image, &len, err, sizeof(err)), -EINVAL);
	assert_string_equal(err, "it is cut off: its headers tell of 17672 bytes, it has 16384");
}

static void the_memory_an_image_needs_is_told(void **state)
{
	uint8_t f[BZ_SIZE], *initrd = calloc(1, 3 << 20);
	struct tdx_boot b = {.kernel = f,
			     .kernel_size = sizeof(f),
			     .initrd = initrd,
			     .initrd_size = 3 << 20,
			     .cmdline = ""};
	uint64_t need;
	char err[160];
	void *image;
	size_t len;

	make_bzimage(f);
	assert_int_equal(tdx_boot_image(&b, &image, &len, err, sizeof(err)), 0);
	assert_int_equal(tdx_boot_memory(image, len, &need), 0);
	assert_int_equal(need, 0x1100000 + (3 << 20));
	assert_int_equal(tdx_boot_memory(f, sizeof(f), &need), -EINVAL);
	free(image);
	free(initrd);
}

static int bring_initrd(void *arg, void *to, size_t size)
{
	const char *from = arg;

	if (!from)
		return -EIO;
	memcpy(to, from, size);
	return 0;
}

/* An initrd that is brought is where one that is there would be; a failure to bring it is told. */
static void an_initrd_may_be_brought_when_its_place_is_known(void **state)
{
	uint8_t f[BZ_SIZE];
	struct tdx_boot b = {.kernel = f,
			     .kernel_size = sizeof(f),
			     .initrd = "initrd",
			     .initrd_size = 6,
			     .cmdline = "quiet"};
	void *image, *brought;
	size_t len, brought_len;
	char err[100];

	(void)state;
	make_bzimage(f);
	assert_int_equal(tdx_boot_image(&b, &image, &len, err, sizeof(err)), 0);
	b.initrd = NULL;
	assert_int_equal(tdx_boot_image(&b, &brought, &brought_len, err, sizeof(err)), -EINVAL);
	b.read_initrd = bring_initrd;
	assert_int_equal(tdx_boot_image(&b, &brought, &brought_len, err, sizeof(err)), -EIO);
	assert_string_equal(err, "");
	assert_null(brought);
	b.arg = (void *)(uintptr_t) "initrd";
	assert_int_equal(tdx_boot_image(&b, &brought, &brought_len, err, sizeof(err)), 0);
	assert_int_equal(len, brought_len);
	assert_memory_equal(image, brought, len);
	free(image);
	free(brought);
}

struct kernel_file {
	const uint8_t *f;
	unsigned reads, fail; /* the read that fails, from 1 on; 0: none */
};

static int bring_kernel(void *arg, uint64_t offset, void *to, size_t size)
{
	struct kernel_file *k = arg;

	assert_true(offset <= BZ_SIZE && size <= BZ_SIZE - offset);
	if (++k->reads == k->fail)
		return -EIO;
	memcpy(to, k->f + offset, size);
	return 0;
}

/* A kernel that is brought gives the same image; whichever read fails, that is told and nothing is
 * left. */
static void a_kernel_may_be_brought_part_by_part(void **state)
{
	uint8_t f[BZ_SIZE];
	struct kernel_file file = {.f = f};
	void *image, *brought;
	size_t len, brought_len;
	char err[100];

	(void)state;
	for (unsigned elf = 0; elf < 2; elf++) {
		struct tdx_boot b = {.kernel = f, .kernel_size = sizeof(f), .cmdline = "quiet"};
		unsigned reads;

		if (elf)
			make_elf(f);
		else
			make_bzimage(f);
		assert_int_equal(tdx_boot_image(&b, &image, &len, err, sizeof(err)), 0);
		b.kernel = NULL;
		assert_int_equal(tdx_boot_image(&b, &brought, &brought_len, err, sizeof(err)),
				 -EINVAL);
		b.read_kernel = bring_kernel;
		b.arg = &file;
		file.fail = file.reads = 0;
		assert_int_equal(tdx_boot_image(&b, &brought, &brought_len, err, sizeof(err)), 0);
		assert_int_equal(len, brought_len);
		assert_memory_equal(image, brought, len);
		free(image);
		free(brought);
		reads = file.reads;
		assert_true(reads >= 2);
		for (file.fail = 1; file.fail <= reads; file.fail++) {
			file.reads = 0;
			assert_int_equal(
				tdx_boot_image(&b, &brought, &brought_len, err, sizeof(err)), -EIO);
			assert_string_equal(err, "");
			assert_null(brought);
		}
	}
}

static void a_composed_image_is_a_sound_tdvf_image(void **state)
{
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error terr;
	uint8_t f[BZ_SIZE];
	struct tdx_boot b = {.kernel = f,
			     .kernel_size = sizeof(f),
			     .initrd = "initrd",
			     .initrd_size = 6,
			     .cmdline = "quiet"};
	struct tdx_rtmr_event e[TDX_BOOT_EVENTS];
	char err[100], line[2100];
	void *image;
	size_t len;

	(void)state;
	make_bzimage(f);
	assert_int_equal(tdx_boot_image(&b, &image, &len, err, sizeof(err)), 0);
	assert_int_equal(tdx_tdvf_mrtd(image, len, TDX_TDVF_ORDER_PAGE, &m, &terr), 0);
	assert_int_equal(tdx_boot_events(image, len, 512ull << 20, e), 0);
	assert_int_equal(e[4].rtmr, 2);
	assert_int_equal(tdx_boot_events(image, len - 1, 512ull << 20, e), -EINVAL);
	free(image);
	memset(line, 'a', sizeof(line));
	line[TDX_BOOT_CMDLINE_MAX + 1] = '\0';
	b.cmdline = line;
	assert_int_equal(tdx_boot_image(&b, &image, &len, err, sizeof(err)), -EINVAL);
	assert_null(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bzimage_is_loaded_where_it_prefers),
		cmocka_unit_test(an_elf_kernel_is_loaded_segment_by_segment),
		cmocka_unit_test(spoilt_bzimages_are_refused),
		cmocka_unit_test(spoilt_elf_kernels_are_refused),
		cmocka_unit_test(a_signature_is_part_of_the_kernel),
		cmocka_unit_test(no_prefix_of_a_kernel_is_read_past_its_end),
		cmocka_unit_test(a_kernel_that_is_cut_off_is_never_composed),
		cmocka_unit_test(the_memory_an_image_needs_is_told),
		cmocka_unit_test(an_initrd_may_be_brought_when_its_place_is_known),
		cmocka_unit_test(a_kernel_may_be_brought_part_by_part),
		cmocka_unit_test(a_composed_image_is_a_sound_tdvf_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
