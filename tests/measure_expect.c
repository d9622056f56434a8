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

#include "disk_build.h"

#define GIB (1ull << 30)

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
	put(p + 0x58 + 108, 4, 16);
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
	/* Without the entry of the certificates they are bytes like others. */
	put(p + 0x58 + 108, 4, 4);
	assert_int_equal(tdx_pe_authenticode(p, sizeof(p), &d), 0);
	assert_memory_not_equal(&d, &expected, sizeof(d));
	put(p + 0x58 + 108, 4, 16);
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
	/* A script that allocates the two files and one that is not given. */
	static uint8_t script[4 * 128];
	const struct tdx_expect_file tables[] = {{"etc/table-loader", {script, 3 * 128}},
						 {"etc/acpi/rsdp", {"rsdp", 4}},
						 {"etc/acpi/tables", {"tables", 6}}};
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
	in.platform = tables;
	in.nplatform = 3;
	put(script, 4, 1);
	memcpy(script + 4, "etc/acpi/rsdp", 13);
	put(script + 128, 4, 2);
	put(script + 256, 4, 1);
	memcpy(script + 260, "etc/acpi/tables", 15);
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_true(e->known[0]);
	/* What the script allocates is measured, in its order. */
	tdx_sha384(script, 3 * 128, &d);
	assert_memory_equal(&find(e, "ACPI DATA: etc/table-loader")->digest, &d, sizeof(d));
	memcpy(script + 260, "etc/tpm/log", 12);
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_false(e->known[0]);
	assert_non_null(strstr(find(e, "ACPI DATA: etc/tpm/log")->from, "missing"));
	script[0] = 9;
	in.platform = &(const struct tdx_expect_file){"etc/table-loader", {script, 100}};
	in.nplatform = 1;
	assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	in.nplatform = 0;
	/* The kernel's file as it is, in the newer way. */
	in.ovmf = TDX_EXPECT_OVMF_NEW;
	in.initrd = (struct tdx_expect_bytes){"initrd", 6};
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_int_equal(tdx_pe_authenticode(image, sizeof(image), &d), 0);
	assert_memory_equal(&find(e, "PE image: kernel")->digest, &d, sizeof(d));
	assert_false(e->known[0]);
	expect_free(&in, e);
}

/* --- builds of 2025 and later --- */

/* Files of a firmware volume as far as they are looked for: name, checksums, type. */
static size_t add_driver(uint8_t *p, size_t at, const uint8_t guid[16], uint8_t type)
{
	memcpy(p + at, guid, 16);
	p[at + 18] = type;
	return at + 24;
}

static size_t volumes(uint8_t p[128])
{
	static const uint8_t secure_boot[16] = {0x4f, 0xa4, 0xe6, 0xf0, 0x95, 0x71, 0xc3, 0x41,
						0xac, 0x64, 0x54, 0xf2, 0x02, 0xcd, 0x0a, 0x21};
	static const uint8_t smbios[16] = {0x59, 0xed, 0x7f, 0xd2, 0xb4, 0xab, 0xed, 0x4f,
					   0xbe, 0xad, 0x2a, 0x87, 0x8c, 0x7e, 0x4a, 0x7e};
	static const uint8_t menu[16] = {0xdc, 0x5b, 0xc2, 0xee, 0xf2, 0x67, 0x95, 0x4d,
					 0xb1, 0xd5, 0xf8, 0x1b, 0x20, 0x39, 0xd1, 0x1d};
	size_t at = add_driver(p, 0, secure_boot, 7);

	at = add_driver(p, at, smbios, 7);
	at = add_driver(p, at, menu, 9);
	memcpy(p + at, "QEMU FW CFG", 12);
	return at + 12;
}

/* Digests of the logs of whole boots, by QEMU 11.1.3 and Debian's OVMF of 2026.08 without keys. */
static void a_newer_build_measures_what_the_logs_of_whole_boots_have(void **state)
{
	static const struct {
		const char *what, *digest;
	} known[] = {
		{"QEMU FW CFG: BootMenu", "1dd6f7b457ad880d840d41c961283bab"},
		{"QEMU FW CFG: bootorder", "53d3dbc00691328371e74c1b1c77bdf1"},
		{"variable SecureBoot", "cfa4e2c606f572627bf06d5669cc2ab1"},
		{"variable dbx", "18cc6e01f0c6ea99aa23f8a280423e94"},
		{"variable BootOrder", "1dd6f7b457ad880d840d41c961283bab"},
		{"variable Boot0000", "5068e6a9ded2a1c3a8ebb5d26004410e"},
	};
	uint8_t image[PE_SIZE], unpacked[128] = {0};
	struct tdx_expect_inputs in = {.boot = TDX_EXPECT_DIRECT,
				       .kernel = {image, sizeof(image)},
				       .unpacked = {unpacked, 0},
				       .memory = GIB};
	char err[TDX_EXPECT_ERROR_TEXT];
	struct tdx_expect *e;

	(void)state;
	e = expect_new(&in);
	pe(image);
	in.unpacked.len = volumes(unpacked);
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!begins(&find(e, known[i].what)->digest, known[i].digest))
			fail_msg("%s", known[i].what);
	assert_non_null(strstr(find(e, "SMBIOS")->from, "missing: DMI"));
	assert_true(e->known[1]);
	assert_memory_not_equal(&e->rtmr[1], &e->retried, sizeof(e->retried));
	/* A disk, at the place that QEMU gives to the first one. */
	in.boot = TDX_EXPECT_GRUB;
	in.disk_at = "1.0";
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_true(begins(&find(e, "variable BootOrder: 0000,0001")->digest,
			   "52b9a02de946b947364b57d8210c6311"));
	assert_true(
		begins(&find(e, "variable Boot0001")->digest, "1f880024a6be9e726579b30322f55edd"));
	in.disk_at = "2.0/0.0";
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	for (unsigned i = 0; i < 4; i++) {
		static const char *const bad[] = {"", "1", "32.0", "1.0/"};

		in.disk_at = bad[i];
		assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	}
	expect_free(&in, e);
}

/* As a guest shows them: in their order, with the attributes before the value. */
static void boot_options_are_those_that_a_guest_shows(void **state)
{
	const struct tdx_expect_file shown[] = {{"BootOrder", {"\7\0\0\0\2\0\1\0", 8}},
						{"Boot0001", {"\7\0\0\0one", 7}},
						{"Boot0002", {"\7\0\0\0two", 7}}};
	uint8_t image[PE_SIZE];
	struct tdx_expect_inputs in = {.boot = TDX_EXPECT_GRUB,
				       .kernel = {image, sizeof(image)},
				       .platform = shown,
				       .nplatform = 3};
	char err[TDX_EXPECT_ERROR_TEXT];
	struct tdx_expect *e;
	struct tdx_digest d;

	(void)state;
	e = expect_new(&in);
	pe(image);
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	tdx_sha384("\2\0\1\0", 4, &d);
	assert_memory_equal(&find(e, "variable BootOrder")->digest, &d, sizeof(d));
	assert_true(find(e, "variable Boot0002") < find(e, "variable Boot0001"));
	tdx_sha384("two", 3, &d);
	assert_memory_equal(&find(e, "variable Boot0002")->digest, &d, sizeof(d));
	in.nplatform = 2;
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_non_null(strstr(find(e, "variable Boot0002")->from, "missing"));
	in.nplatform = 1;
	in.platform = &(const struct tdx_expect_file){"BootOrder", {"\7\0", 2}};
	assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	expect_free(&in, e);
}

static void smbios_is_measured_without_what_differs_from_boot_to_boot(void **state)
{
	/* A system with a serial number and a UUID, an OEM's own, strings of the owner's, the end.
	 */
	static const uint8_t tables[] = "\1\33\0\1\1\0\0\2UUIDUUIDUUIDUUID\6\0\0Maker\0Serial\0\0"
					"\200\6\1\1ab\0\0"
					"\13\5\2\1\1text\0\0"
					"\177\4\3\1\0\0after";
	static const uint8_t measured[] =
		"\1\33\0\1\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0Maker\0      \0\0"
		"\200\6\1\1\0\0\0\0"
		"\13\5\2\1\0\0\0\0\0\0\0"
		"\177\4\3\1\0\0";
	const size_t len = sizeof(tables) - 1 - 5;
	uint8_t p[sizeof(tables)];

	(void)state;
	memcpy(p, tables, sizeof(p));
	assert_int_equal(tdx_smbios_filter(p, sizeof(p) - 1), len);
	assert_int_equal(sizeof(measured) - 1, len);
	assert_memory_equal(p, measured, len);
	/* Cut anywhere it is no such table, and nothing past its end is touched. */
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);

		memcpy(copy, tables, cut);
		assert_int_equal(tdx_smbios_filter(copy, cut), 0);
		free(copy);
	}
}

/* --- from a disk --- */

/* A unified kernel image of systemd's: the version of its stub, and whether that knows RTMRs. */
enum { UKI_SIZE = 0x1000 };

static void uki_section(uint8_t *p, unsigned i, const char *name, const char *text, size_t len)
{
	uint8_t *s = p + 0x148 + 40 * i;
	const size_t at = 0x400 + 0x100 * i;

	memset(s, 0, 40);
	memcpy(s, name, strlen(name));
	put(s + 8, 4, len);
	put(s + 16, 4, 0x100);
	put(s + 20, 4, at);
	memcpy(p + at, text, len);
}

static void uki_of(uint8_t p[UKI_SIZE], const char *version, bool knows, const char *cmdline)
{
	static const uint8_t protocol[16] = {0x3d, 0x1a, 0x75, 0x96, 0xf4, 0x72, 0xa6, 0x41,
					     0xa7, 0x94, 0xed, 0x5d, 0x0e, 0x67, 0xae, 0x6b};
	char mark[64];
	int n = snprintf(mark, sizeof(mark), "#### LoaderInfo: systemd-stub %s ####", version);

	memset(p, 0, UKI_SIZE);
	put(p, 2, 0x5a4d);
	put(p + 0x3c, 4, 0x40);
	memcpy(p + 0x40, "PE\0", 4);
	put(p + 0x44 + 2, 2, 6);
	put(p + 0x44 + 16, 2, 0xf0);
	put(p + 0x58, 2, 0x20b);
	put(p + 0x58 + 60, 4, 0x400);
	uki_section(p, 0, ".text", knows ? (const char *)protocol : "", knows ? 16 : 1);
	uki_section(p, 1, ".sdmagic", mark, (size_t)n);
	uki_section(p, 2, ".osrel", "ID=x", 4);
	uki_section(p, 3, ".cmdline", cmdline, strlen(cmdline));
	uki_section(p, 4, ".initrd", "initrd", 6);
	uki_section(p, 5, ".linux", "MZ", 2);
}

static void uki(uint8_t p[UKI_SIZE], const char *version, bool knows)
{
	uki_of(p, version, knows, "ro\tquiet\n");
}

static struct tdx_expect *expect_uki(struct tdx_expect_inputs *in, const uint8_t image[UKI_SIZE],
				     char err[TDX_EXPECT_ERROR_TEXT], int want)
{
	struct tdx_expect *e = expect_new(in);
	struct image im = {.size = fs_size(12)};
	struct tdx_disk disk;

	im.p = calloc(1, im.size);
	make_fs(im.p, im.size, 12, image, UKI_SIZE);
	disk = disk_of(&im);
	in->boot = TDX_EXPECT_UKI;
	in->disk = &disk;
	assert_int_equal(tdx_expect_boot(in, e, err), want);
	in->disk = NULL;
	free(im.p);
	return e;
}

static bool lists(const struct tdx_expect *e, const char *what)
{
	for (size_t i = 0; i < e->nevents; i++)
		if (!strncmp(e->event[i].what, what, strlen(what)))
			return true;
	return false;
}

static void the_image_that_a_disk_starts_makes_rtmr_2(void **state)
{
	/* A system that was woken in some way, its board, the owner's texts, the end. */
	static const uint8_t dmi[] = "\1\33\0\1\0\0\0\0UUIDUUIDUUIDUUID\6\0\0\0\0"
				     "\3\4\1\1\0\0"
				     "\13\5\2\1\1text\0\0"
				     "\177\4\3\1\0\0";
	struct tdx_expect_inputs in = {0};
	uint8_t image[UKI_SIZE], other[UKI_SIZE];
	char err[TDX_EXPECT_ERROR_TEXT];
	struct tdx_expect *e;
	struct tdx_digest d;

	(void)state;
	/* One that knows no RTMRs: what Linux's stub is handed on alone. */
	uki(image, "252.39-1", false);
	e = expect_uki(&in, image, err, 0);
	assert_true(e->known[2]);
	assert_false(lists(e, "UKI section"));
	tdx_sha384("r\0o\0 \0q\0u\0i\0e\0t\0\0", 18, &d);
	assert_memory_equal(&find(e, "kernel command line")->digest, &d, sizeof(d));
	tdx_sha384("initrd", 6, &d);
	assert_memory_equal(&find(e, "initrd (Linux initrd)")->digest, &d, sizeof(d));
	/* It has no partition table, and none is measured. */
	assert_false(lists(e, "partition table"));
	expect_free(&in, e);
	/* The kernel that it carries has the protocol's identifier, which is not its own. */
	uki(image, "252.39-1", true);
	memcpy(image + 0x148, ".other", 6);
	e = expect_uki(&in, image, err, 0);
	assert_false(lists(e, "UKI section"));
	expect_free(&in, e);
	/* One that does: its sections, and since 257 .osrel goes with the initrd. */
	uki(image, "257.13-1", true);
	e = expect_uki(&in, image, err, 0);
	assert_true(e->known[2]);
	tdx_sha384(".cmdline", 9, &d);
	assert_memory_equal(&find(e, "UKI section .cmdline: name")->digest, &d, sizeof(d));
	tdx_sha384("ro\tquiet\n", 9, &d);
	assert_memory_equal(&find(e, "UKI section .cmdline: contents")->digest, &d, sizeof(d));
	tdx_sha384("initrd", 6, &d);
	assert_memory_not_equal(&find(e, "initrd (Linux initrd)")->digest, &d, sizeof(d));
	expect_free(&in, e);
	/* Blanks that begin the command line: kept once, left out now, not compared between. */
	uki_of(image, "252", false, " ro\tquiet\n");
	e = expect_uki(&in, image, err, 0);
	tdx_sha384(" \0r\0o\0 \0q\0u\0i\0e\0t\0\0", 20, &d);
	assert_memory_equal(&find(e, "kernel command line")->digest, &d, sizeof(d));
	expect_free(&in, e);
	uki_of(image, "262", true, " ro\tquiet\n");
	e = expect_uki(&in, image, err, 0);
	tdx_sha384("r\0o\0 \0q\0u\0i\0e\0t\0\0", 18, &d);
	assert_memory_equal(&find(e, "kernel command line")->digest, &d, sizeof(d));
	expect_free(&in, e);
	uki_of(image, "257", true, " ro");
	e = expect_uki(&in, image, err, 0);
	assert_non_null(strstr(find(e, "command line and initrd")->from, "blanks that begin"));
	expect_free(&in, e);
	/* The newest measures SMBIOS, and starts the kernel itself. */
	uki(image, "262.1-1", true);
	in.platform = &(const struct tdx_expect_file){"DMI", {dmi, sizeof(dmi) - 1}};
	in.nplatform = 1;
	e = expect_uki(&in, image, err, 0);
	assert_true(e->known[1] && e->known[2]);
	assert_false(lists(e, "PE image: the kernel within"));
	tdx_sha384("\1\33\0\1\0\0\0\0UUIDUUIDUUIDUUID\0\0\0\0\0", 29, &d);
	assert_memory_equal(&find(e, "smbios:type1")->digest, &d, sizeof(d));
	tdx_sha384("\13\5\2\1\1text\0\0", 11, &d);
	assert_memory_equal(&find(e, "smbios:type11")->digest, &d, sizeof(d));
	expect_free(&in, e);
	in.platform = &(const struct tdx_expect_file){"DMI", {dmi, 40}};
	e = expect_uki(&in, image, err, -EINVAL);
	assert_non_null(strstr(err, "SMBIOS"));
	expect_free(&in, e);
	in.nplatform = 0;
	e = expect_uki(&in, image, err, 0);
	assert_false(e->known[0]);
	assert_non_null(strstr(find(e, "smbios:type1 and others")->from, "missing: DMI"));
	expect_free(&in, e);
	/* One that was not compared, and one with profiles. */
	uki(image, "300", true);
	e = expect_uki(&in, image, err, 0);
	assert_false(e->known[2]);
	assert_non_null(strstr(find(e, "command line and initrd")->from, "version of systemd"));
	expect_free(&in, e);
	uki(image, "257", true);
	memcpy(image + 0x148 + 80, ".profile", 8);
	e = expect_uki(&in, image, err, 0);
	assert_false(e->known[2]);
	expect_free(&in, e);
	/* --kernel says another thing than the disk. */
	uki(other, "257", true);
	in.kernel = (struct tdx_expect_bytes){other, sizeof(other)};
	e = expect_uki(&in, image, err, -EINVAL);
	assert_non_null(strstr(err, "another unified kernel image"));
	expect_free(&in, e);
	in.kernel.p = NULL;
	/* A loader that is neither. */
	memcpy(image + 0x148 + 200, ".linus", 6);
	e = expect_uki(&in, image, err, -EINVAL);
	assert_non_null(strstr(err, "neither a unified kernel image nor systemd-boot"));
	expect_free(&in, e);
}

static void a_uki_without_a_disk_tells_what_is_not_known(void **state)
{
	uint8_t image[PE_SIZE];
	struct tdx_expect_inputs in = {.boot = TDX_EXPECT_UKI, .kernel = {image, sizeof(image)}};
	char err[TDX_EXPECT_ERROR_TEXT];
	struct tdx_expect *e;

	(void)state;
	e = expect_new(&in);
	pe(image);
	assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	assert_non_null(strstr(err, "no unified kernel image"));
	memcpy(image + 0x170, ".linux\0", 8);
	memcpy(image + 0x148, ".cmdline", 8);
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_non_null(strstr(find(e, "partition table")->from, "missing"));
	assert_non_null(strstr(find(e, "command line and initrd")->from, "no mark of systemd's"));
	assert_false(e->known[0] || e->known[1] || e->known[2]);
	in.kernel.p = NULL;
	assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	expect_free(&in, e);
}

/* What shim and GRUB make of it: tests/measure_grub.c. */
static void a_boot_by_grub_has_the_images_of_the_disk(void **state)
{
	uint8_t image[PE_SIZE], other[PE_SIZE];
	struct image im = {.size = fs_size(12)};
	struct tdx_disk disk;
	struct tdx_expect_inputs in = {
		.boot = TDX_EXPECT_GRUB, .kernel = {image, sizeof(image)}, .append = "ro"};
	struct tdx_expect *e;
	char err[TDX_EXPECT_ERROR_TEXT];

	(void)state;
	e = expect_new(&in);
	pe(image);
	pe(other);
	other[0x200] ^= 1;
	im.p = calloc(1, im.size);
	make_fs(im.p, im.size, 12, other, sizeof(other));
	disk = disk_of(&im);
	in.disk = &disk;
	/* shim is the disk's loader; GRUB is not beside it. */
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_false(e->known[1]);
	assert_true(find(e, "PE image: shim")->known);
	assert_false(find(e, "PE image: GRUB")->known);
	in.grub = (struct tdx_expect_bytes){"no image", 8};
	assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	assert_non_null(strstr(err, "PE image: GRUB"));
	/* A GRUB of no version that was compared: the images are known, not what comes of them. */
	in.grub = (struct tdx_expect_bytes){other, sizeof(other)};
	assert_int_equal(tdx_expect_boot(&in, e, err), 0);
	assert_true(find(e, "PE image: GRUB")->known);
	assert_false(e->known[0] || e->known[1] || e->known[2]);
	assert_non_null(strstr(find(e, "PE image: kernel")->from, "a GRUB that was compared"));
	/* No file system at all. */
	memset(im.p, 0, 512);
	assert_int_equal(tdx_expect_boot(&in, e, err), -EINVAL);
	assert_non_null(strstr(err, "no EFI system partition"));
	free(im.p);
	expect_free(&in, e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hob_is_the_one_that_published_logs_have),
		cmocka_unit_test(variables_are_found_in_a_volume),
		cmocka_unit_test(authenticode_leaves_out_checksum_and_certificates),
		cmocka_unit_test(a_direct_boot_has_the_events_of_published_logs),
		cmocka_unit_test(a_newer_build_measures_what_the_logs_of_whole_boots_have),
		cmocka_unit_test(boot_options_are_those_that_a_guest_shows),
		cmocka_unit_test(smbios_is_measured_without_what_differs_from_boot_to_boot),
		cmocka_unit_test(the_image_that_a_disk_starts_makes_rtmr_2),
		cmocka_unit_test(a_uki_without_a_disk_tells_what_is_not_known),
		cmocka_unit_test(a_boot_by_grub_has_the_images_of_the_disk),
	};

	return cmocka_run_group_tests_name("measure: expected values", tests, NULL, NULL);
}
