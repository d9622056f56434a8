/* SPDX-License-Identifier: MIT */
/* The events of OVMF's usual boots, in their order. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/expect.h>

#include "measure/internal.h"

#define HOB_MAX		4096
#define SECTOR		512
#define GPT_HEADER	92
#define GPT_ENTRY	128
#define GPT_ENTRIES_MAX 256

static const uint8_t global_guid[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
					0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
static const uint8_t security_guid[16] = {0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
					  0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f};
/* f0a30bc7-af08-4556-99c4-001009c93a44, where SecureBootEnable is. */
static const uint8_t enable_guid[16] = {0xc7, 0x0b, 0xa3, 0xf0, 0x08, 0xaf, 0x56, 0x45,
					0x99, 0xc4, 0x00, 0x10, 0x09, 0xc9, 0x3a, 0x44};

struct maker {
	const struct tdx_expect_inputs *in;
	struct tdx_expect *out;
	struct tdx_tdvf tdvf;
	char *err;
};

static int refuse(struct maker *m, const char *why)
{
	snprintf(m->err, TDX_EXPECT_ERROR_TEXT, "%s", why);
	return -EINVAL;
}

static struct tdx_expect_event *add(struct maker *m, unsigned rtmr, const char *type,
				    const char *what)
{
	struct tdx_expect_event *e = &m->out->event[m->out->nevents];

	/* The lists below are shorter than the table. */
	if (m->out->nevents == TDX_EXPECT_EVENTS)
		abort();
	m->out->nevents++;
	e->rtmr = rtmr;
	e->type = type;
	snprintf(e->what, sizeof(e->what), "%s", what);
	return e;
}

static int add_of(struct maker *m, unsigned rtmr, const char *type, const char *what,
		  const void *data, size_t len, const char *from)
{
	struct tdx_expect_event *e = add(m, rtmr, type, what);

	e->known = true;
	e->from = from;
	return tdx_sha384(data, len, &e->digest);
}

/* An input that was given, or a word on what is missing. */
static int add_input(struct maker *m, unsigned rtmr, const char *type, const char *what,
		     const struct tdx_expect_bytes *b, const char *from, const char *missing)
{
	if (b->p)
		return add_of(m, rtmr, type, what, b->p, b->len, from);
	add(m, rtmr, type, what)->from = missing;
	return 0;
}

static int add_separator(struct maker *m, unsigned rtmr)
{
	static const uint8_t zero[4];

	return add_of(m, rtmr, "EV_SEPARATOR", "separator", zero, 4, "four zero bytes");
}

static int add_action(struct maker *m, const char *text)
{
	return add_of(m, 1, "EV_EFI_ACTION", text, text, strlen(text), "its text");
}

/* --- RTMR 0: the platform --- */

static const struct tdx_tdvf_section *volume(const struct maker *m)
{
	for (unsigned i = 0; i < m->tdvf.nr_sections; i++)
		if (m->tdvf.section[i].type == TDX_TDVF_CFV)
			return &m->tdvf.section[i];
	return NULL;
}

static int add_hob(struct maker *m)
{
	uint8_t hob[HOB_MAX];
	size_t len;

	if (!m->in->memory) {
		add(m, 0, "EV_EFI_HANDOFF_TABLES2", "TD HOB")->from = "missing: the size of memory";
		return 0;
	}
	if (tdx_qemu_hob(&m->tdvf, m->in->memory, hob, sizeof(hob), &len))
		return refuse(m, "no TD HOB can be built for this firmware and memory");
	return add_of(m, 0, "EV_EFI_HANDOFF_TABLES2", "TD HOB", hob, len,
		      "the list QEMU builds for this firmware and memory");
}

/* UEFI_VARIABLE_DATA, which is what is measured of a variable that configures. */
static int add_variable(struct maker *m, const uint8_t guid[16], const char *name, const void *data,
			size_t size, const char *from)
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
	rc = add_of(m, 0, "EV_EFI_VARIABLE_DRIVER_CONFIG", what, p, len, from);
	free(p);
	return rc;
}

static int add_secure_boot(struct maker *m, const uint8_t *cfv, size_t len)
{
	static const struct {
		const char *name;
		const uint8_t *guid;
	} keys[] = {{"PK", global_guid},
		    {"KEK", global_guid},
		    {"db", security_guid},
		    {"dbx", security_guid}};
	const char *from = "the firmware's configuration volume";
	size_t pk, enable;
	const uint8_t *on;
	uint8_t one = 1;
	int rc;

	/* SecureBoot itself is made at boot: of a platform with a key, unless that is switched off.
	 */
	tdx_varstore_find(cfv, len, global_guid, "PK", &pk);
	on = tdx_varstore_find(cfv, len, enable_guid, "SecureBootEnable", &enable);
	one = (uint8_t)(pk && (!enable || on[0]));
	rc = add_variable(m, global_guid, "SecureBoot", &one, pk ? 1 : 0, from);
	for (unsigned i = 0; i < 4 && !rc; i++) {
		size_t size;
		const void *p = tdx_varstore_find(cfv, len, keys[i].guid, keys[i].name, &size);

		rc = add_variable(m, keys[i].guid, keys[i].name, p, size, from);
	}
	return rc;
}

/* The boot option of the firmware's own menu, the only one of a firmware that was never set up:
 * attributes, length of the path, name, path. */
static const uint8_t ui_app[] = {0x09, 0x01, 0x00, 0x00, 0x2c, 0x00, 'U',  0x00, 'i',  0x00, 'A',
				 0x00, 'p',  0x00, 'p',	 0x00, 0x00, 0x00, 0x04, 0x07, 0x14, 0x00,
				 0xc9, 0xbd, 0xb8, 0x7c, 0xeb, 0xf8, 0x34, 0x4f, 0xaa, 0xea, 0x3e,
				 0xe4, 0xaf, 0x65, 0x16, 0xa1, 0x04, 0x06, 0x14, 0x00, 0x21, 0xaa,
				 0x2c, 0x46, 0x14, 0x76, 0x03, 0x45, 0x83, 0x6e, 0x8a, 0xb6, 0xf4,
				 0x66, 0x23, 0x31, 0x7f, 0xff, 0x04, 0x00};

static int add_platform(struct maker *m)
{
	static const char *const acpi[] = {"etc/table-loader", "etc/acpi/rsdp", "etc/acpi/tables"};
	const struct tdx_tdvf_section *s = volume(m);
	const uint8_t *cfv;
	int rc;

	if (!s)
		return refuse(m, "the firmware has no configuration volume (CFV)");
	cfv = (const uint8_t *)m->in->firmware.p + s->data_offset;
	rc = add_hob(m);
	if (!rc)
		rc = add_of(m, 0, "EV_EFI_PLATFORM_FIRMWARE_BLOB2", "configuration volume (CFV)",
			    cfv, s->raw_size, "the firmware image");
	if (!rc)
		rc = add_secure_boot(m, cfv, s->raw_size);
	if (!rc)
		rc = add_separator(m, 0);
	for (unsigned i = 0; i < 3 && !rc; i++) {
		char what[64];

		snprintf(what, sizeof(what), "ACPI DATA: %s", acpi[i]);
		rc = add_input(m, 0, "EV_PLATFORM_CONFIG_FLAGS", what, &m->in->acpi[i],
			       "the fw_cfg file",
			       "missing: the fw_cfg file, which QEMU makes of "
			       "its devices");
	}
	if (!rc && m->in->ovmf == TDX_EXPECT_OVMF_NEW)
		add(m, 0, "EV_PLATFORM_CONFIG_FLAGS", "other fw_cfg files")->from =
			"missing: which of them this firmware measures differs by build";
	return rc;
}

/* Boot options: a disk makes the firmware find more of them than its own menu. */
static int add_boot_options(struct maker *m)
{
	static const uint8_t order[2];
	int rc;

	if (m->in->boot != TDX_EXPECT_DIRECT || m->in->ovmf == TDX_EXPECT_OVMF_NEW) {
		add(m, 0, "EV_EFI_VARIABLE_BOOT", "BootOrder and boot options")->from =
			"missing: the options that the firmware makes of its devices";
		return 0;
	}
	rc = add_of(m, 0, "EV_EFI_VARIABLE_BOOT", "variable BootOrder: 0000", order, 2,
		    "a firmware that was never set up");
	return rc ? rc
		  : add_of(m, 0, "EV_EFI_VARIABLE_BOOT", "variable Boot0000: UiApp", ui_app,
			   sizeof(ui_app), "a firmware that was never set up");
}

/* --- RTMR 1: what is started --- */

/* QEMU before 10.1 fills in the setup header of a kernel that it gives to any firmware. */
static int patch_header(struct maker *m, uint8_t *k, size_t len)
{
	const uint64_t memory = m->in->memory,
		       split = memory < 0xb0000000 ? 0xb0000000 : 0x80000000;
	const uint64_t below = memory >= split ? split : memory, acpi_data = 0x28000;
	uint64_t initrd_max = 0x37ffffff, initrd = m->in->initrd.len;
	unsigned protocol, high;

	if (len < 0x1000)
		return refuse(m, "the kernel is too short for a setup header");
	protocol = le16(k + 0x206);
	if (memcmp(k + 0x202, "HdrS", 4) || protocol < 0x203)
		return refuse(m, "the kernel has no setup header that QEMU would fill in");
	high = k[0x211] & 1;
	k[0x210] = 0xb0;
	k[0x211] |= 0x80;
	put_le32(k + 0x224, (high ? 0x20000u - 0x10000u : 0x9a000u - 0x90000u) - 0x200);
	put_le32(k + 0x228, high ? 0x20000 : 0x9a000);
	if (!m->in->initrd.p)
		return 0;
	if (protocol >= 0x20c && le16(k + 0x236) & 0x40)
		initrd_max = UINT32_MAX;
	else if (protocol < 0x20c && le32(k + 0x22c))
		initrd_max = le32(k + 0x22c);
	if (below <= acpi_data)
		return refuse(m, "too little memory for an initrd");
	if (initrd_max >= below - acpi_data)
		initrd_max = below - acpi_data - 1;
	if (initrd >= initrd_max)
		return refuse(m, "the initrd is too large for the memory");
	put_le32(k + 0x218, (uint32_t)((initrd_max - initrd) & ~4095ull));
	put_le32(k + 0x21c, (uint32_t)initrd);
	return 0;
}

static int add_pe(struct maker *m, const char *what, const struct tdx_expect_bytes *b,
		  const char *from, const char *missing)
{
	struct tdx_expect_event *e = add(m, 1, "EV_EFI_BOOT_SERVICES_APPLICATION", what);
	int rc;

	e->from = missing;
	if (!b->p)
		return 0;
	rc = tdx_pe_authenticode(b->p, b->len, &e->digest);
	e->known = !rc;
	e->from = from;
	if (rc != -EINVAL)
		return rc;
	snprintf(m->err, TDX_EXPECT_ERROR_TEXT, "%s: the file is not a PE image (one for EFI)",
		 what);
	return rc;
}

static int add_image(struct maker *m, const uint8_t *p, size_t len, const char *from)
{
	return add_pe(m, "PE image: kernel", &(struct tdx_expect_bytes){p, len}, from, NULL);
}

static int add_kernel(struct maker *m)
{
	const struct tdx_expect_bytes *k = &m->in->kernel;
	uint8_t *copy;
	int rc;

	if (m->in->boot != TDX_EXPECT_DIRECT || m->in->ovmf == TDX_EXPECT_OVMF_NEW)
		return add_image(m, k->p, k->len, "Authenticode of the file");
	if (!m->in->memory && m->in->initrd.p) {
		add(m, 1, "EV_EFI_BOOT_SERVICES_APPLICATION", "PE image: kernel")->from =
			"missing: the size of memory, which QEMU puts the initrd's place by";
		return 0;
	}
	copy = malloc(k->len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, k->p, k->len);
	rc = patch_header(m, copy, k->len);
	if (!rc)
		rc = add_image(
			m, copy, k->len,
			"Authenticode of the file with the setup header as QEMU fills it in");
	free(copy);
	return rc;
}

/* The header of the table and its entries that are used, the number of them between. */
static int add_gpt(struct maker *m)
{
	const uint8_t *p = m->in->disk.p, *h = p + SECTOR;
	size_t len = m->in->disk.len, used = 0;
	uint64_t at, n, size;
	uint8_t *event;
	int rc;

	if (!p) {
		add(m, 1, "EV_EFI_GPT_EVENT", "partition table")->from =
			"missing: the disk's image";
		return 0;
	}
	if (len < 2 * SECTOR || memcmp(h, "EFI PART", 8) || le32(h + 12) < GPT_HEADER)
		return refuse(m, "the disk has no partition table (GPT)");
	at = le64(h + 72);
	n = le32(h + 80);
	size = le32(h + 84);
	if (size != GPT_ENTRY || n > GPT_ENTRIES_MAX || at > len / SECTOR ||
	    !inside(at * SECTOR, n * size, len))
		return refuse(m, "the disk's partition table is of an unusual form or cut");
	event = calloc(1, GPT_HEADER + 8 + n * GPT_ENTRY);
	if (!event)
		return -ENOMEM;
	memcpy(event, h, GPT_HEADER);
	for (uint64_t i = 0; i < n; i++) {
		static const uint8_t none[16];
		const uint8_t *e = p + at * SECTOR + i * GPT_ENTRY;

		if (memcmp(e, none, 16))
			memcpy(event + GPT_HEADER + 8 + GPT_ENTRY * used++, e, GPT_ENTRY);
	}
	put_le64(event + GPT_HEADER, used);
	rc = add_of(m, 1, "EV_EFI_GPT_EVENT", "partition table", event,
		    GPT_HEADER + 8 + used * GPT_ENTRY, "the disk's header and used entries");
	free(event);
	return rc;
}

static int add_exit(struct maker *m)
{
	int rc = add_action(m, "Exit Boot Services Invocation");

	return rc ? rc : add_action(m, "Exit Boot Services Returned with Success");
}

/* --- RTMR 2: what it is told --- */

static int add_wide(struct maker *m, const char *type, const char *what, const char *text,
		    const char *from)
{
	size_t n = strlen(text);
	uint8_t *wide = calloc(n + 1, 2);
	int rc;

	if (!wide)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		wide[2 * i] = (uint8_t)text[i];
	rc = add_of(m, 2, type, what, wide, 2 * (n + 1), from);
	free(wide);
	return rc;
}

/* systemd-stub measures each section twice: its name with the zero, and its contents. */
static int add_sections(struct maker *m)
{
	static const char *const names[] = {".linux",  ".osrel", ".cmdline", ".initrd", ".ucode",
					    ".splash", ".dtb",	 ".uname",   ".sbat",	".pcrpkey"};
	char what[64];
	int rc = 0;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]) && !rc; i++) {
		size_t size;
		const void *p = tdx_pe_section(m->in->kernel.p, m->in->kernel.len, names[i], &size);

		if (!p)
			continue;
		snprintf(what, sizeof(what), "UKI section %s: name", names[i]);
		rc = add_of(m, 2, "EV_IPL", what, names[i], strlen(names[i]) + 1, "its name");
		snprintf(what, sizeof(what), "UKI section %s: contents", names[i]);
		if (!rc)
			rc = add_of(m, 2, "EV_IPL", what, p, size, "the file");
	}
	if (!rc)
		add(m, 2, "EV_EVENT_TAG", "command line and initrd by the kernel's stub")->from =
			"missing: the initrd that systemd-stub puts together at boot";
	return rc;
}

/* What Linux's stub measures: the options it was given, in UTF-16, and the initrd. */
static int add_stub(struct maker *m, const char *cmdline, const char *from)
{
	int rc;

	for (const char *c = cmdline; *c; c++)
		if ((unsigned char)*c >= 0x80)
			return refuse(m, "a command line that is not ASCII");
	rc = add_wide(m, "EV_EVENT_TAG", "kernel command line (LOADED_IMAGE::LoadOptions)", cmdline,
		      from);
	if (!rc && m->in->initrd.p)
		rc = add_of(m, 2, "EV_EVENT_TAG", "initrd (Linux initrd)", m->in->initrd.p,
			    m->in->initrd.len, "the file");
	return rc;
}

static int add_direct_options(struct maker *m)
{
	const bool initrd = m->in->initrd.p, before = m->in->ovmf == TDX_EXPECT_OVMF_NEW;
	const char *cmdline = m->in->append ? m->in->append : "";
	char *text;
	int n = asprintf(&text, "%s%s%s", initrd && before ? "initrd=initrd " : "", cmdline,
			 initrd && !before ? " initrd=initrd" : ""),
	    rc;

	if (n < 0)
		return -ENOMEM;
	rc = add_stub(m, text,
		      "UTF-16 of what the firmware gives, with initrd=initrd, and its zero");
	free(text);
	return rc;
}

/* --- together --- */

static int direct(struct maker *m)
{
	int rc = add_platform(m);

	if (!rc)
		rc = add_kernel(m);
	if (!rc)
		rc = add_boot_options(m);
	if (!rc)
		rc = add_action(m, "Calling EFI Application from Boot Option");
	if (!rc)
		rc = add_separator(m, 1);
	if (!rc)
		rc = add_direct_options(m);
	return rc ? rc : add_exit(m);
}

/* Up to the first image that comes from a disk. */
static int from_disk(struct maker *m)
{
	int rc = add_platform(m);

	if (!rc)
		rc = add_boot_options(m);
	if (!rc)
		rc = add_action(m, "Calling EFI Application from Boot Option");
	if (!rc)
		rc = add_separator(m, 1);
	return rc ? rc : add_gpt(m);
}

static int grub(struct maker *m)
{
	static const char not_known[] = "missing: what shim's lists and variables hold";
	int rc = from_disk(m);

	if (!rc)
		add(m, 0, "EV_EFI_VARIABLE_AUTHORITY", "keys and lists that vouched for the images")
			->from = not_known;
	if (!rc)
		rc = add_pe(m, "PE image: shim", &m->in->shim, "Authenticode of the file",
			    "missing: shim, as it is on the disk");
	if (!rc)
		add(m, 2, "EV_IPL", "shim: MokList, MokListX, MokListTrusted")->from = not_known;
	if (!rc)
		rc = add_pe(m, "PE image: GRUB", &m->in->grub, "Authenticode of the file",
			    "missing: GRUB, as it is on the disk");
	if (!rc)
		add(m, 2, "EV_IPL", "GRUB's commands and files, where it measures them")->from =
			"missing: what its configuration does at boot";
	if (!rc)
		rc = add_kernel(m);
	if (!rc)
		rc = add_stub(m, m->in->append ? m->in->append : "",
			      "UTF-16 of the command line as GRUB gives it, and its zero");
	return rc ? rc : add_exit(m);
}

static int uki(struct maker *m)
{
	int rc = from_disk(m);

	if (!rc)
		rc = add_kernel(m);
	if (!rc)
		rc = add_sections(m);
	if (!rc) {
		struct tdx_expect_event *e = add(m, 1, "EV_EFI_BOOT_SERVICES_APPLICATION",
						 "PE image: the kernel within");
		size_t size;
		const void *p = tdx_pe_section(m->in->kernel.p, m->in->kernel.len, ".linux", &size);

		if (!p)
			return refuse(m,
				      "the image has no section .linux: no unified kernel image");
		rc = tdx_pe_authenticode(p, size, &e->digest);
		e->known = !rc;
		e->from = rc ? "missing: the section .linux is not a PE image of its own"
			     : "Authenticode of the section .linux";
		rc = rc == -EINVAL ? 0 : rc;
	}
	return rc ? rc : add_exit(m);
}

static int sum_up(struct maker *m)
{
	int rc = 0;

	for (unsigned r = 0; r < 3; r++)
		m->out->known[r] = true;
	for (size_t i = 0; i < m->out->nevents && !rc; i++) {
		const struct tdx_expect_event *e = &m->out->event[i];

		m->out->known[e->rtmr] &= e->known;
		if (e->known)
			rc = tdx_rtmr_extend(&m->out->rtmr[e->rtmr], &e->digest);
	}
	/* Half a register is no register. */
	for (unsigned r = 0; r < 3; r++)
		if (!m->out->known[r])
			memset(&m->out->rtmr[r], 0, sizeof(m->out->rtmr[r]));
	return rc;
}

int tdx_expect_boot(const struct tdx_expect_inputs *in, struct tdx_expect *out,
		    char err[TDX_EXPECT_ERROR_TEXT])
{
	struct maker m = {.in = in, .out = out, .err = err};
	struct tdx_tdvf_measurement mr;
	struct tdx_tdvf_error terr;
	int rc;

	memset(out, 0, sizeof(*out));
	err[0] = 0;
	if (!in->firmware.p || !in->kernel.p)
		return refuse(&m, "a firmware and a kernel are needed");
	rc = tdx_tdvf_mrtd(in->firmware.p, in->firmware.len, TDX_TDVF_ORDER_PAGE, &mr, &terr);
	if (rc == -EINVAL)
		tdx_tdvf_error_text(&terr, err, TDX_EXPECT_ERROR_TEXT);
	if (rc)
		return rc;
	m.tdvf = mr.tdvf;
	out->mrtd = mr.mrtd;
	switch (in->boot) {
	case TDX_EXPECT_DIRECT:
		rc = direct(&m);
		break;
	case TDX_EXPECT_UKI:
		rc = uki(&m);
		break;
	case TDX_EXPECT_GRUB:
		rc = grub(&m);
		break;
	}
	if (!rc)
		rc = sum_up(&m);
	if (rc)
		memset(out, 0, sizeof(*out));
	return rc;
}
