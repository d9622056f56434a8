/* SPDX-License-Identifier: MIT */
/* RTMR 0: the platform. What of it a build of OVMF measures is read off the build: the string that
 * its early fw_cfg events begin with, the drivers in its volumes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/expect_internal.h"

enum {
	HOB_MAX = 4096,
	ATTRIBUTES = 4, /* before a variable in efivarfs */
	FFS_TYPE = 18,	/* in a file's header, which begins with its GUID */
	FFS_DRIVER = 7,
	FFS_APPLICATION = 9,
	LOADER_ENTRY = 128, /* of etc/table-loader */
	LOADER_ALLOCATE = 1,
	LOADER_NAME = 4,
	LOADER_NAME_SIZE = 56,
	LOADER_FILES = 16,
};

/* f0a30bc7-af08-4556-99c4-001009c93a44, where SecureBootEnable is. */
static const uint8_t enable_guid[16] = {0xc7, 0x0b, 0xa3, 0xf0, 0x08, 0xaf, 0x56, 0x45,
					0x99, 0xc4, 0x00, 0x10, 0x09, 0xc9, 0x3a, 0x44};
/* SecureBootConfigDxe f0e6a44f-7195-41c3-ac64-54f202cd0a21 */
static const uint8_t secure_boot_driver[16] = {0x4f, 0xa4, 0xe6, 0xf0, 0x95, 0x71, 0xc3, 0x41,
					       0xac, 0x64, 0x54, 0xf2, 0x02, 0xcd, 0x0a, 0x21};
/* SmbiosMeasurementDxe d27fed59-abb4-4fed-bead-2a878c7e4a7e */
static const uint8_t smbios_driver[16] = {0x59, 0xed, 0x7f, 0xd2, 0xb4, 0xab, 0xed, 0x4f,
					  0xbe, 0xad, 0x2a, 0x87, 0x8c, 0x7e, 0x4a, 0x7e};
/* BootManagerMenuApp eec25bdc-67f2-4d95-b1d5-f81b2039d11d, UiApp
 * 462caa21-7614-4503-836e-8ab6f4662331 */
static const uint8_t menu_app[16] = {0xdc, 0x5b, 0xc2, 0xee, 0xf2, 0x67, 0x95, 0x4d,
				     0xb1, 0xd5, 0xf8, 0x1b, 0x20, 0x39, 0xd1, 0x1d};
static const uint8_t ui_app[16] = {0x21, 0xaa, 0x2c, 0x46, 0x14, 0x76, 0x03, 0x45,
				   0x83, 0x6e, 0x8a, 0xb6, 0xf4, 0x66, 0x23, 0x31};

static const char volumes_missing[] =
	"missing: the firmware's compressed volumes, which say whether this build measures it";

static const struct tdx_tdvf_section *volume(const struct maker *m)
{
	for (unsigned i = 0; i < m->tdvf.nr_sections; i++)
		if (m->tdvf.section[i].type == TDX_TDVF_CFV)
			return &m->tdvf.section[i];
	return NULL;
}

static bool has_text(const struct tdx_expect_bytes *b, const char *text)
{
	return b->p && memmem(b->p, b->len, text, strlen(text));
}

/* A file of that type in a firmware volume: its header begins with its name. */
static bool has_file(const struct maker *m, const uint8_t guid[16], unsigned type)
{
	const uint8_t *p = m->in->unpacked.p, *end = p + m->in->unpacked.len;

	while (p && (p = memmem(p, (size_t)(end - p), guid, 16))) {
		if (end - p > FFS_TYPE && p[FFS_TYPE] == type)
			return true;
		p++;
	}
	return false;
}

const struct tdx_expect_bytes *expect_file(const struct maker *m, const char *name)
{
	static const struct tdx_expect_bytes none;

	for (size_t i = 0; i < m->in->nplatform; i++)
		if (!strcmp(m->in->platform[i].name, name))
			return &m->in->platform[i].bytes;
	return &none;
}

static int add_hob(struct maker *m)
{
	uint8_t hob[HOB_MAX];
	size_t len;

	if (!m->in->memory) {
		maker_add(m, 0, "EV_EFI_HANDOFF_TABLES2", "TD HOB")->from =
			"missing: the size of memory";
		return 0;
	}
	if (tdx_qemu_hob(&m->tdvf, m->in->memory, hob, sizeof(hob), &len))
		return maker_refuse(m, "no TD HOB can be built for this firmware and memory");
	return maker_of(m, 0, "EV_EFI_HANDOFF_TABLES2", "TD HOB", hob, len,
			"the list QEMU builds for this firmware and memory");
}

/* --- fw_cfg, as the firmware caches it early --- */

/* edk2's own order. Size 0: any; a file of another is not read. */
static const struct {
	const char *name;
	size_t size;
} cached[] = {
	{"etc/extra-pci-roots", 8},    {"BootMenu", 2},
	{"etc/boot-menu-wait", 2},     {"etc/reserved-memory-end", 8},
	{"opt/ovmf/X-PciMmio64Mb", 0}, {"bootorder", 0},
};

static int add_cached(struct maker *m)
{
	static const char kernel_rom[] = "/rom@genroms/linuxboot_dma.bin";
	int rc = 0;

	for (size_t i = 0; i < sizeof(cached) / sizeof(cached[0]) && !rc; i++) {
		struct tdx_expect_bytes b = *expect_file(m, cached[i].name);
		const char *from = "the fw_cfg file";
		char what[64];

		/* What QEMU makes of itself: an item that is no file, and the order when nobody
		 * gave one. */
		if (!b.p && !strcmp(cached[i].name, "BootMenu")) {
			b = (struct tdx_expect_bytes){"\0", 2};
			from = "two zero bytes: QEMU's -boot has no menu=on";
		} else if (!b.p && !strcmp(cached[i].name, "bootorder") &&
			   m->in->boot == TDX_EXPECT_DIRECT &&
			   !expect_file(m, "etc/table-loader")->p) {
			b = (struct tdx_expect_bytes){kernel_rom, sizeof(kernel_rom)};
			from = "the entry that QEMU makes of -kernel: no device has a bootindex";
		}
		if (!b.p || !b.len || (cached[i].size && b.len != cached[i].size))
			continue;
		snprintf(what, sizeof(what), "QEMU FW CFG: %s", cached[i].name);
		rc = maker_of(m, 0, "EV_PLATFORM_CONFIG_FLAGS", what, b.p, b.len, from);
	}
	return rc;
}

/* --- Secure Boot --- */

int maker_variable(struct maker *m, const char *type, const uint8_t guid[16], const char *name,
		   const void *data, size_t size, const char *from)
{
	size_t n = strlen(name), len = 32 + 2 * n + size;
	uint8_t *p = calloc(1, len);
	char what[64];
	int rc;

	if (!p)
		return -ENOMEM;
	memcpy(p, guid, 16);
	put_le64(p + 16, n);
	put_le64(p + 24, size);
	for (size_t i = 0; i < n; i++)
		p[32 + 2 * i] = (uint8_t)name[i];
	if (size)
		memcpy(p + 32 + 2 * n, data, size);
	snprintf(what, sizeof(what), "variable %s, %zu bytes", name, size);
	rc = maker_of(m, 0, type, what, p, len, from);
	free(p);
	return rc;
}

static const char configures[] = "EV_EFI_VARIABLE_DRIVER_CONFIG";

const uint8_t *expect_configuration(const struct maker *m, size_t *len)
{
	const struct tdx_tdvf_section *s = volume(m);

	*len = s ? s->raw_size : 0;
	return s ? (const uint8_t *)m->in->firmware.p + s->data_offset : NULL;
}

/* On for a platform with a key, unless that is switched off. */
bool expect_secure_boot(const struct maker *m)
{
	size_t len, pk, enable;
	const uint8_t *cfv = expect_configuration(m, &len), *on;

	if (!cfv)
		return false;
	tdx_varstore_find(cfv, len, efi_global_variable, "PK", &pk);
	on = tdx_varstore_find(cfv, len, enable_guid, "SecureBootEnable", &enable);
	return pk && (!enable || on[0]);
}

/* SecureBoot itself is made at boot, by a build that has it. A build without it has no such
 * variable.
 */
static int add_secure_boot_state(struct maker *m, const uint8_t *cfv, size_t len)
{
	size_t pk;
	uint8_t state = expect_secure_boot(m);
	bool has;

	tdx_varstore_find(cfv, len, efi_global_variable, "PK", &pk);
	if (!m->in->unpacked.p && !pk && m->in->ovmf == TDX_EXPECT_OVMF_NEW) {
		maker_add(m, 0, configures, "variable SecureBoot")->from = volumes_missing;
		return 0;
	}
	has = pk || has_file(m, secure_boot_driver, FFS_DRIVER);
	return maker_variable(m, configures, efi_global_variable, "SecureBoot", &state, has,
			      has ? "the keys in the configuration volume"
				  : "a build without Secure Boot");
}

static int add_secure_boot(struct maker *m, const uint8_t *cfv, size_t len)
{
	static const struct {
		const char *name;
		const uint8_t *guid;
		bool always;
	} keys[] = {{"PK", efi_global_variable, true},
		    {"KEK", efi_global_variable, true},
		    {"db", efi_image_security, true},
		    {"dbx", efi_image_security, true},
		    {"dbt", efi_image_security, false}};
	int rc = add_secure_boot_state(m, cfv, len);

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]) && !rc; i++) {
		size_t size;
		const void *p = tdx_varstore_find(cfv, len, keys[i].guid, keys[i].name, &size);

		if (p || keys[i].always)
			rc = maker_variable(m, configures, keys[i].guid, keys[i].name, p, size,
					    "the firmware's configuration volume");
	}
	return rc;
}

/* --- ACPI --- */

static int add_table(struct maker *m, const char *name)
{
	char what[80];

	snprintf(what, sizeof(what), "ACPI DATA: %s", name);
	return maker_input(m, 0, "EV_PLATFORM_CONFIG_FLAGS", what, expect_file(m, name),
			   "the fw_cfg file",
			   "missing: the fw_cfg file, which QEMU makes of its devices");
}

/* The loader's script is measured, then each file that it allocates, in its order. */
static int add_acpi(struct maker *m)
{
	const struct tdx_expect_bytes *script = expect_file(m, "etc/table-loader");
	const uint8_t *p = script->p;
	unsigned files = 0;
	int rc = add_table(m, "etc/table-loader");

	if (!p) {
		rc = rc ? rc : add_table(m, "etc/acpi/rsdp");
		return rc ? rc : add_table(m, "etc/acpi/tables");
	}
	if (script->len % LOADER_ENTRY)
		return maker_refuse(m, "etc/table-loader is no script of QEMU's");
	for (size_t at = 0; at < script->len && !rc; at += LOADER_ENTRY) {
		char name[LOADER_NAME_SIZE + 1] = "";

		if (le32(p + at) != LOADER_ALLOCATE)
			continue;
		if (files++ == LOADER_FILES)
			return maker_refuse(m, "etc/table-loader allocates more than 16 files");
		memcpy(name, p + at + LOADER_NAME, LOADER_NAME_SIZE);
		rc = add_table(m, name);
	}
	return rc;
}

int expect_platform(struct maker *m)
{
	size_t len;
	const uint8_t *cfv = expect_configuration(m, &len);
	int rc;

	if (!cfv)
		return maker_refuse(m, "the firmware has no configuration volume (CFV)");
	rc = add_hob(m);
	if (!rc)
		rc = maker_of(m, 0, "EV_EFI_PLATFORM_FIRMWARE_BLOB2", "configuration volume (CFV)",
			      cfv, len, "the firmware image");
	if (!rc && (has_text(&m->in->firmware, "QEMU FW CFG") ||
		    has_text(&m->in->unpacked, "QEMU FW CFG")))
		rc = add_cached(m);
	if (!rc)
		rc = add_secure_boot(m, cfv, len);
	if (!rc)
		rc = maker_separator(m, 0);
	return rc ? rc : add_acpi(m);
}

/* --- as the firmware is ready to boot --- */

static int add_smbios(struct maker *m)
{
	static const char type[] = "EV_EFI_HANDOFF_TABLES", what[] = "SMBIOS tables";
	const struct tdx_expect_bytes *dmi = expect_file(m, "DMI");
	size_t len;
	uint8_t *p;
	int rc;

	if (!m->in->unpacked.p) {
		if (m->in->ovmf == TDX_EXPECT_OVMF_NEW)
			maker_add(m, 0, type, what)->from = volumes_missing;
		return 0;
	}
	if (!has_file(m, smbios_driver, FFS_DRIVER))
		return 0;
	if (!dmi->p) {
		maker_add(m, 0, type, what)->from =
			"missing: DMI, which QEMU and the firmware make together";
		return 0;
	}
	p = malloc(dmi->len + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p, dmi->p, dmi->len);
	len = tdx_smbios_filter(p, dmi->len);
	rc = len ? maker_of(m, 0, type, what, p, len,
			    "DMI without serial numbers and what the owner wrote")
		 : maker_refuse(m, "DMI has no SMBIOS structures, or is cut");
	free(p);
	return rc;
}

enum { OPTION_MAX = 512 };

/* A boot option in the making: attributes, length of the path, name with its zero, path, data. */
struct option {
	uint8_t p[OPTION_MAX];
	size_t len, path;
};

static void option_open(struct option *o, unsigned attributes, const char *name)
{
	*o = (struct option){.len = 6};
	put_le32(o->p, attributes);
	for (size_t i = 0; i <= strlen(name); i++, o->len += 2)
		put_le16(o->p + o->len, (uint8_t)name[i]);
	o->path = o->len;
}

/* A node of the path, its length before its data. */
static void option_node(struct option *o, unsigned type, unsigned subtype, const void *data,
			size_t len)
{
	uint8_t *p = o->p + o->len;

	p[0] = (uint8_t)type;
	p[1] = (uint8_t)subtype;
	put_le16(p + 2, (uint16_t)(len + 4));
	if (len)
		memcpy(p + 4, data, len);
	o->len += len + 4;
}

static void option_close(struct option *o)
{
	option_node(o, 0x7f, 0xff, NULL, 0);
	put_le16(o->p + 4, (uint16_t)(o->len - o->path));
}

/* The firmware's own menu, the first option of a firmware that was never set up. */
static void menu_option(const struct maker *m, struct option *o)
{
	/* 7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1, the volume that OVMF's programs are in. */
	static const uint8_t fv[16] = {0xc9, 0xbd, 0xb8, 0x7c, 0xeb, 0xf8, 0x34, 0x4f,
				       0xaa, 0xea, 0x3e, 0xe4, 0xaf, 0x65, 0x16, 0xa1};
	const bool menu = has_file(m, menu_app, FFS_APPLICATION);

	option_open(o, 0x109, menu ? "BootManagerMenuApp" : "UiApp");
	option_node(o, 4, 7, fv, sizeof(fv));
	option_node(o, 4, 6, menu ? menu_app : ui_app, 16);
	option_close(o);
}

/* What the firmware makes of a disk that it finds: false if the place is not one. */
static bool disk_option(const char *at, struct option *o)
{
	static const uint8_t root[8] = {0xd0, 0x41, 0x03, 0x0a}; /* PNP0A03, 0 */
	/* 8108ac4e-9f11-4d59-850e-e21a522c59b2: made automatically. */
	static const uint8_t automatic[16] = {0x4e, 0xac, 0x08, 0x81, 0x11, 0x9f, 0x59, 0x4d,
					      0x85, 0x0e, 0xe2, 0x1a, 0x52, 0x2c, 0x59, 0xb2};
	unsigned depth = 0;

	option_open(o, 1, "UEFI Misc Device");
	option_node(o, 2, 1, root, sizeof(root));
	for (;;) {
		unsigned device, function;
		int used = 0;
		uint8_t pci[2];

		if (sscanf(at, "%x.%x%n", &device, &function, &used) != 2 || device > 31 ||
		    function > 7 || depth++ == 8)
			return false;
		pci[0] = (uint8_t)function;
		pci[1] = (uint8_t)device;
		option_node(o, 1, 1, pci, sizeof(pci));
		at += used;
		if (!*at)
			break;
		if (*at++ != '/')
			return false;
	}
	option_close(o);
	memcpy(o->p + o->len, automatic, sizeof(automatic));
	o->len += sizeof(automatic);
	return true;
}

static int add_boot_variable(struct maker *m, const char *name, const char *note, const void *data,
			     size_t len, const char *from)
{
	char what[64];

	snprintf(what, sizeof(what), "variable %s%s", name, note);
	return maker_of(m, 0, "EV_EFI_VARIABLE_BOOT", what, data, len, from);
}

/* As the guest showed them, in the order that they are in. */
static int add_given_options(struct maker *m, const struct tdx_expect_bytes *order)
{
	static const char from[] = "the variable, as a guest shows it";
	const uint8_t *p = (const uint8_t *)order->p + ATTRIBUTES;
	int rc;

	if (order->len < ATTRIBUTES || order->len % 2 || order->len > ATTRIBUTES + 64)
		return maker_refuse(m, "BootOrder is no variable as efivarfs shows it");
	rc = add_boot_variable(m, "BootOrder", "", p, order->len - ATTRIBUTES, from);
	for (size_t i = 0; i < order->len - ATTRIBUTES && !rc; i += 2) {
		char name[16];
		const struct tdx_expect_bytes *b;

		snprintf(name, sizeof(name), "Boot%04X", le16(p + i));
		b = expect_file(m, name);
		if (b->p && b->len >= ATTRIBUTES)
			rc = add_boot_variable(m, name, "", (const uint8_t *)b->p + ATTRIBUTES,
					       b->len - ATTRIBUTES, from);
		else
			maker_add(m, 0, "EV_EFI_VARIABLE_BOOT", "variable %s", name)->from =
				"missing: the variable, which BootOrder names";
	}
	return rc;
}

static int add_made_options(struct maker *m)
{
	static const char from[] = "a firmware that was never set up";
	static const uint8_t order[4] = {0, 0, 1, 0};
	const bool disk = m->in->boot != TDX_EXPECT_DIRECT;
	const char *name =
		has_file(m, menu_app, FFS_APPLICATION) ? ": BootManagerMenuApp" : ": UiApp";
	struct option o;
	int rc = add_boot_variable(m, "BootOrder", disk ? ": 0000,0001" : ": 0000", order,
				   disk ? 4 : 2, from);

	menu_option(m, &o);
	if (!rc)
		rc = add_boot_variable(m, "Boot0000", name, o.p, o.len, from);
	if (rc || !disk)
		return rc;
	if (!disk_option(m->in->disk_at, &o))
		return maker_refuse(m, "the disk's place is no list of devices as 1.0 or 2.0/0.0");
	return add_boot_variable(m, "Boot0001", ": the disk", o.p, o.len,
				 "the only device to boot from, at the place given");
}

int expect_boot_options(struct maker *m)
{
	const struct tdx_expect_bytes *order = expect_file(m, "BootOrder");
	int rc = add_smbios(m);

	if (rc)
		return rc;
	if (order->p)
		return add_given_options(m, order);
	if (!m->in->unpacked.p && m->in->ovmf == TDX_EXPECT_OVMF_NEW) {
		maker_add(m, 0, "EV_EFI_VARIABLE_BOOT", "BootOrder and boot options")->from =
			"missing: the variables, or the firmware's compressed volumes";
		return 0;
	}
	if (m->in->boot != TDX_EXPECT_DIRECT && !m->in->disk_at) {
		maker_add(m, 0, "EV_EFI_VARIABLE_BOOT", "BootOrder and boot options")->from =
			"missing: the variables, or where the only disk is (its PCI device)";
		return 0;
	}
	return add_made_options(m);
}
