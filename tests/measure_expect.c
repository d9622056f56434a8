/* SPDX-License-Identifier: MIT */
/* Expected values: against digests that published event logs and verifiers have, and against a
 * second computation. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include <swtdx/expect.h>

#define GIB (1ull << 30)

static void put(uint8_t *p, unsigned width, uint64_t v)
{
	for (unsigned i = 0; i < width; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static bool begins(const struct tdx_digest *d, const char *hex)
{
	char text[97];

	for (unsigned i = 0; i < 48; i++)
		snprintf(text + 2 * i, 3, "%02x", d->b[i]);
	return !strncmp(text, hex, strlen(hex));
}

/* The sections in RAM that every OVMF build has. */
static struct tdx_tdvf ovmf(void)
{
	struct tdx_tdvf t = {.nr_sections = 4};

	t.section[0] =
		(struct tdx_tdvf_section){0, 0, gpa(0x810000), 0x10000, TDX_TDVF_TEMP_MEM, 0};
	t.section[1] = (struct tdx_tdvf_section){0, 0, gpa(0x80b000), 0x2000, TDX_TDVF_TEMP_MEM, 0};
	t.section[2] = (struct tdx_tdvf_section){0, 0, gpa(0x809000), 0x2000, TDX_TDVF_TD_HOB, 0};
	t.section[3] = (struct tdx_tdvf_section){0, 0, gpa(0x800000), 0x6000, TDX_TDVF_TEMP_MEM, 0};
	return t;
}

static void the_hob_is_the_one_that_published_logs_have(void **state)
{
	/* First digests of the logs in dstack's fixtures of 64 and 2 GiB; trustee's CCEL_data_ovmf
	 * has the second too. */
	static const struct {
		uint64_t memory;
		const char *digest;
	} known[] = {{64 * GIB, "8ae1e425351df7992c444586eff99d35"},
		     {2 * GIB, "0b8772e5b0b41b83e6044a68397e02f4"}};
	struct tdx_tdvf t = ovmf();
	struct tdx_digest d;
	uint8_t hob[1024];
	size_t len;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(tdx_qemu_hob(&t, known[i].memory, hob, sizeof(hob), &len), 0);
		tdx_sha384(hob, len, &d);
		assert_true(begins(&d, known[i].digest));
	}
	for (size_t cap = 0; cap < len; cap++)
		assert_int_equal(tdx_qemu_hob(&t, 2 * GIB, hob, cap, &len), -EINVAL), len = 152;
}

/* A firmware volume with an empty or filled store of variables. */
static size_t volume(uint8_t *p, size_t size)
{
	static const uint8_t store[16] = {0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
					  0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92};

	memset(p, 0xff, size);
	memset(p, 0, 72 + 28);
	memcpy(p + 40, "_FVH", 4);
	put(p + 48, 2, 72);
	memcpy(p + 72, store, 16);
	put(p + 72 + 16, 4, size - 72);
	p[72 + 20] = 0x5a;
	p[72 + 21] = 0xfe;
	return 72 + 28;
}

static size_t variable(uint8_t *p, size_t at, const uint8_t guid[16], const char *name,
		       uint8_t state, const char *data, size_t len)
{
	size_t n = strlen(name) + 1;

	memset(p + at, 0, 60);
	put(p + at, 2, 0x55aa);
	p[at + 2] = state;
	put(p + at + 36, 4, 2 * n);
	put(p + at + 40, 4, len);
	memcpy(p + at + 44, guid, 16);
	for (size_t i = 0; i < n; i++)
		put(p + at + 60 + 2 * i, 2, (uint8_t)name[i]);
	memcpy(p + at + 60 + 2 * n, data, len);
	return (at + 60 + 2 * n + len + 3) & ~(size_t)3;
}

static const uint8_t global[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
				   0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};

static void variables_are_found_in_a_volume(void **state)
{
	uint8_t p[2048];
	size_t size, at = volume(p, sizeof(p));

	(void)state;
	at = variable(p, at, global, "PK", 0x3d, "deleted", 7);
	at = variable(p, at, global, "PKx", 0x3f, "another", 7);
	at = variable(p, at, global, "PK", 0x3f, "key", 3);
	assert_memory_equal(tdx_varstore_find(p, sizeof(p), global, "PK", &size), "key", 3);
	assert_int_equal(size, 3);
	assert_null(tdx_varstore_find(p, sizeof(p), global, "KEK", &size));
	assert_null(tdx_varstore_find(p, sizeof(p), global, "P", &size));
	/* Cut anywhere: found or not, nothing past the end is read. */
	for (size_t len = 0; len < at; len++) {
		uint8_t *copy = malloc(len ? len : 1);

		memcpy(copy, p, len);
		tdx_varstore_find(copy, len, global, "PK", &size);
		free(copy);
	}
}

/* A PE32+ image of two sections that lie in the other order, with a certificate behind. */
enum { PE_SIZE = 0x200 + 0x300 + 0x100 + 5 + 24 };
static void pe(uint8_t *p)
{
	memset(p, 0, PE_SIZE);
	put(p, 2, 0x5a4d);
	put(p + 0x3c, 4, 0x40);
	memcpy(p + 0x40, "PE\0", 4);
	put(p + 0x44 + 2, 2, 2);
	put(p + 0x44 + 16, 2, 0xf0);
	put(p + 0x58, 2, 0x20b);
	put(p + 0x58 + 60, 4, 0x200);
	put(p + 0x58 + 64, 4, 0xdeadbeef);
	put(p + 0x58 + 112 + 32, 4, PE_SIZE - 24);
	put(p + 0x58 + 112 + 36, 4, 24);
	memcpy(p + 0x148, ".second", 7);
	put(p + 0x148 + 8, 4, 0x80);
	put(p + 0x148 + 16, 4, 0x100);
	put(p + 0x148 + 20, 4, 0x500);
	memcpy(p + 0x170, ".first", 6);
	put(p + 0x170 + 8, 4, 0x1000);
	put(p + 0x170 + 16, 4, 0x300);
	put(p + 0x170 + 20, 4, 0x200);
	memset(p + 0x200, 'a', 0x300);
	memset(p + 0x500, 'b', 0x100);
	memset(p + 0x600, 'c', 5);
	memset(p + PE_SIZE - 24, 'd', 24);
}

static void authenticode_leaves_out_checksum_and_certificates(void **state)
{
	static const uint8_t zero[8];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct tdx_digest expected, d;
	uint8_t p[PE_SIZE];
	size_t size;

	(void)state;
	pe(p);
	EVP_DigestInit_ex(ctx, EVP_sha384(), NULL);
	EVP_DigestUpdate(ctx, p, 0x58 + 64);
	EVP_DigestUpdate(ctx, p + 0x58 + 68, 112 + 32 - 68);
	EVP_DigestUpdate(ctx, p + 0x58 + 112 + 40, PE_SIZE - 24 - 0x58 - 112 - 40);
	EVP_DigestUpdate(ctx, zero, 8 - PE_SIZE % 8);
	EVP_DigestFinal_ex(ctx, expected.b, NULL);
	EVP_MD_CTX_free(ctx);
	assert_int_equal(tdx_pe_authenticode(p, sizeof(p), &d), 0);
	assert_memory_equal(&d, &expected, sizeof(d));
	p[PE_SIZE - 1] ^= 1;
	p[0x58 + 65] ^= 1;
	assert_int_equal(tdx_pe_authenticode(p, sizeof(p), &d), 0);
	assert_memory_equal(&d, &expected, sizeof(d));
	p[0x500] ^= 1;
	assert_int_equal(tdx_pe_authenticode(p, sizeof(p), &d), 0);
	assert_memory_not_equal(&d, &expected, sizeof(d));
	p[0x500] ^= 1;
	/* Sections as they are in memory: padding of the file is no part of them. */
	assert_ptr_equal(tdx_pe_section(p, sizeof(p), ".second", &size), p + 0x500);
	assert_int_equal(size, 0x80);
	assert_ptr_equal(tdx_pe_section(p, sizeof(p), ".first", &size), p + 0x200);
	assert_int_equal(size, 0x300);
	assert_null(tdx_pe_section(p, sizeof(p), ".none", &size));
	for (size_t len = 0; len < PE_SIZE - 29; len++) {
		uint8_t *copy = malloc(len ? len : 1);

		memcpy(copy, p, len);
		assert_int_equal(tdx_pe_authenticode(copy, len, &d), -EINVAL);
		tdx_pe_section(copy, len, ".second", &size);
		free(copy);
	}
}

static void *whole(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = NULL;

	if (!f)
		return NULL;
	fseek(f, 0, SEEK_END);
	*len = (size_t)ftell(f);
	rewind(f);
	p = malloc(*len);
	if (fread(p, 1, *len, f) != *len)
		*len = 0;
	fclose(f);
	return p;
}

static const struct tdx_expect_event *find(const struct tdx_expect *e, const char *what)
{
	for (size_t i = 0; i < e->nevents; i++)
		if (!strncmp(e->event[i].what, what, strlen(what)))
			return &e->event[i];
	fail_msg("no event %s", what);
	return NULL;
}

/* Inputs get Debian's OVMF; a machine without it skips the test. */
static struct tdx_expect *expect_new(struct tdx_expect_inputs *in)
{
	in->firmware.p = whole("/usr/share/ovmf/OVMF.fd", &in->firmware.len);
	if (!in->firmware.p)
		skip();
	return calloc(1, sizeof(struct tdx_expect));
}

static void expect_free(const struct tdx_expect_inputs *in, struct tdx_expect *e)
{
	free((void *)in->firmware.p);
	free(e);
}

/* The header of a GUID partition table in the second sector: how many entries of 128 bytes. */
static void partition_table(uint8_t *disk, unsigned entries)
{
	memcpy(disk + 512, "EFI PART", 8);
	put(disk + 512 + 12, 4, 92);
	put(disk + 512 + 72, 8, 2);
	put(disk + 512 + 80, 4, entries);
	put(disk + 512 + 84, 4, 128);
}

/* Digests of the logs in dstack's fixtures and trustee's CCEL_data_ovmf, which agree. */
static void a_direct_boot_has_the_events_of_published_logs(void **state)
{
	static const struct {
		const char *what, *digest;
	} known[] = {
		{"TD HOB", "0b8772e5b0b41b83"},
		{"variable SecureBoot", "9dc3a1f80bcec915"},
		{"variable PK", "6f2e3cbc14f9def8"},
		{"variable KEK", "d607c0efb41c0d75"},
		{"variable db,", "08a74f8963b337ac"},
		{"variable dbx", "18cc6e01f0c6ea99"},
		{"separator", "394341b7182cd227"},
		{"variable BootOrder", "1dd6f7b457ad880d"},
		{"variable Boot0000", "23ada07f5261f12f"},
		{"Calling EFI Application", "77a0dab2312b4e1e"},
		{"Exit Boot Services Invocation", "214b0bef13797560"},
		{"Exit Boot Services Returned", "0a2e01c85deae718"},
	};
	uint8_t image[PE_SIZE + 0x1000];
	struct tdx_expect_inputs in = {
		.boot = TDX_EXPECT_DIRECT, .ovmf = TDX_EXPECT_OVMF_OLD, .append = "ro"};
	struct tdx_expect *e;
	char err[TDX_EXPECT_ERROR_TEXT];
	struct tdx_digest d;

	(void)state;
	e = expect_new(&in);
	memset(image, 0, sizeof(image));
	pe(image);
	in.kernel = (struct tdx_expect_bytes){image, sizeof(image)};
	in.memory = 2 * GIB;
	/* No kernel that an old QEMU would know. */
	assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	assert_non_null(strstr(err, "setup header"));
	memcpy(image + 0x202, "HdrS\x0f\x02", 6);
	image[0x211] = 1;
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct tdx_expect_event *v = find(e, known[i].what);

		assert_true(v->known);
		if (!begins(&v->digest, known[i].digest))
			fail_msg("%s", known[i].what);
	}
	/* Without QEMU's ACPI tables RTMR 0 is not known, and is not told. */
	assert_false(e->known[0]);
	assert_true(e->known[1] && e->known[2]);
	assert_true(begins(&e->rtmr[0], "000000000000"));
	tdx_sha384("r\0o\0\0", 6, &d);
	assert_memory_equal(&find(e, "kernel command line")->digest, &d, sizeof(d));
	for (unsigned i = 0; i < 3; i++)
		in.acpi[i] = (struct tdx_expect_bytes){"table", 5};
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_true(e->known[0]);
	/* The kernel's file as it is, in the newer way. */
	in.ovmf = TDX_EXPECT_OVMF_NEW;
	in.initrd = (struct tdx_expect_bytes){"initrd", 6};
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_int_equal(tdx_pe_authenticode(image, sizeof(image), &d), 0);
	assert_memory_equal(&find(e, "PE image: kernel")->digest, &d, sizeof(d));
	assert_false(e->known[0]);
	expect_free(&in, e);
}

static void a_uki_tells_what_is_not_known(void **state)
{
	uint8_t image[PE_SIZE], disk[512 * 40] = {0}, event[92 + 8 + 128] = {0};
	struct tdx_expect_inputs in = {.boot = TDX_EXPECT_UKI, .kernel = {image, sizeof(image)}};
	struct tdx_expect *e;
	char err[TDX_EXPECT_ERROR_TEXT];
	struct tdx_digest d;

	(void)state;
	e = expect_new(&in);
	pe(image);
	assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	assert_non_null(strstr(err, "no unified kernel image"));
	memcpy(image + 0x170, ".linux\0", 8);
	memcpy(image + 0x148, ".cmdline", 8);
	partition_table(disk, 128);
	memset(disk + 1024 + 3 * 128, 7, 128);
	in.disk = (struct tdx_expect_bytes){disk, sizeof(disk)};
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	memcpy(event, disk + 512, 92);
	event[92] = 1;
	memset(event + 100, 7, 128);
	tdx_sha384(event, sizeof(event), &d);
	assert_memory_equal(&find(e, "partition table")->digest, &d, sizeof(d));
	tdx_sha384(image + 0x500, 0x80, &d);
	assert_memory_equal(&find(e, "UKI section .cmdline: contents")->digest, &d, sizeof(d));
	tdx_sha384(".cmdline", 9, &d);
	assert_memory_equal(&find(e, "UKI section .cmdline: name")->digest, &d, sizeof(d));
	assert_false(e->known[0] || e->known[1] || e->known[2]);
	in.disk.len = 1000;
	assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	expect_free(&in, e);
}

/* With the files of the disk RTMR 1 is known; RTMR 2 has what GRUB does. */
static void a_boot_by_grub_has_the_images_in_rtmr_1(void **state)
{
	uint8_t image[PE_SIZE], other[PE_SIZE], disk[512 * 40] = {0};
	struct tdx_expect_inputs in = {
		.boot = TDX_EXPECT_GRUB, .kernel = {image, sizeof(image)}, .append = "ro"};
	struct tdx_digest rtmr = {{0}}, d;
	struct tdx_expect *e;
	char err[TDX_EXPECT_ERROR_TEXT];

	(void)state;
	e = expect_new(&in);
	pe(image);
	pe(other);
	other[0x200] ^= 1;
	partition_table(disk, 0);
	in.disk = (struct tdx_expect_bytes){disk, sizeof(disk)};
	in.shim = (struct tdx_expect_bytes){other, sizeof(other)};
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_false(e->known[1]);
	assert_false(find(e, "PE image: GRUB")->known);
	in.grub = (struct tdx_expect_bytes){"no image", 8};
	assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	assert_non_null(strstr(err, "PE image: GRUB"));
	in.grub = (struct tdx_expect_bytes){other, sizeof(other)};
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_true(e->known[1]);
	assert_false(e->known[0] || e->known[2]);
	for (size_t i = 0; i < e->nevents; i++)
		if (e->event[i].rtmr == 1)
			tdx_rtmr_extend(&rtmr, &e->event[i].digest);
	assert_memory_equal(&rtmr, &e->rtmr[1], sizeof(rtmr));
	tdx_sha384("r\0o\0\0", 6, &d);
	assert_memory_equal(&find(e, "kernel command line")->digest, &d, sizeof(d));
	expect_free(&in, e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hob_is_the_one_that_published_logs_have),
		cmocka_unit_test(variables_are_found_in_a_volume),
		cmocka_unit_test(authenticode_leaves_out_checksum_and_certificates),
		cmocka_unit_test(a_direct_boot_has_the_events_of_published_logs),
		cmocka_unit_test(a_uki_tells_what_is_not_known),
		cmocka_unit_test(a_boot_by_grub_has_the_images_in_rtmr_1),
	};

	return cmocka_run_group_tests_name("measure: expected values", tests, NULL, NULL);
}
