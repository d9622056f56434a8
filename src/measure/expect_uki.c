/* SPDX-License-Identifier: MIT */
/* systemd-boot and systemd-stub: what they measure, and what the stub hands to the kernel. Versions
 * before 254 do not know the registers of a TD and measure nothing; whether an image does, the
 * protocol's identifier in its code says. Version 262 measures SMBIOS and loader.conf as well, and
 * starts the kernel itself, so that the firmware does not see it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/expect_internal.h"

enum {
	OSREL_SINCE = 257,  /* the version that packs .osrel for the initrd */
	OLD_UNTIL = 257,    /* the last of the older ways that was compared with a boot */
	NEW = 262,	    /* the one of the newer ways that was */
	KEEPS_BLANKS = 252, /* that begin .cmdline; the newer one leaves them out */
	SMBIOS_MAX = 16,
	WAKE_UP = 24, /* in a structure of type 1: differs from boot to boot */
	CPIO_HEADER = 110,
	PROTOCOL_SPAN = 256, /* both halves of the identifier, in code that loads them */
};

/* The sections that are measured, in systemd's order. */
static const char *const measured[] = {".linux",  ".osrel", ".cmdline", ".initrd", ".ucode",
				       ".splash", ".dtb",   ".uname",	".sbat",   ".pcrpkey"};
/* Of images with these, which sections count is chosen at boot. */
static const char *const chosen[] = {".profile", ".dtbauto", ".hwids", ".efifw"};

/* EFI_CC_MEASUREMENT_PROTOCOL, 96751a3d-72f4-41a6-a794-ed5d0e67ae6b, as it is or in halves. */
static bool has_protocol(const uint8_t *p, size_t len)
{
	static const uint8_t guid[16] = {0x3d, 0x1a, 0x75, 0x96, 0xf4, 0x72, 0xa6, 0x41,
					 0xa7, 0x94, 0xed, 0x5d, 0x0e, 0x67, 0xae, 0x6b};
	const uint8_t *end = p + len;

	while ((p = memmem(p, (size_t)(end - p), guid, 8))) {
		const size_t left = (size_t)(end - p);

		if (memmem(p, left < PROTOCOL_SPAN ? left : PROTOCOL_SPAN, guid + 8, 8))
			return true;
		p++;
	}
	return false;
}

/* In its own code: the kernel that it carries has it too. */
static bool measures(const struct tdx_expect_bytes *image)
{
	static const char *const own[] = {".text", ".rodata", ".data"};

	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		size_t size;
		const void *p = tdx_pe_section(image->p, image->len, own[i], &size);

		if (p && has_protocol(p, size))
			return true;
	}
	return false;
}

unsigned expect_systemd_version(const struct tdx_expect_bytes *image, const char *which)
{
	char mark[64];
	size_t size;
	const char *p = tdx_pe_section(image->p, image->len, ".sdmagic", &size);
	unsigned version = 0;
	size_t n;

	snprintf(mark, sizeof(mark), "#### LoaderInfo: %s ", which);
	n = strlen(mark);
	if (!p || size <= n || memcmp(p, mark, n))
		return 0;
	for (p += n, size -= n; size && *p >= '0' && *p <= '9' && version < 10000; p++, size--)
		version = 10 * version + (unsigned)(*p - '0');
	return version;
}

static bool compared(unsigned version)
{
	return version && (version <= OLD_UNTIL || version == NEW);
}

static const char not_compared[] =
	"missing: what this version of systemd's measures and hands on was not compared";

/* One structure of SMBIOS, as it is but for how the machine was woken. */
static int add_structure(struct maker *m, const uint8_t *p, size_t size)
{
	uint8_t *copy = malloc(size);
	char what[32];
	int rc;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, p, size);
	if (p[0] == 1 && p[1] > WAKE_UP)
		copy[WAKE_UP] = 0;
	snprintf(what, sizeof(what), "smbios:type%u", p[0]);
	rc = maker_of(m, 0, "EV_EVENT_TAG", what, copy, size, "the structure in DMI");
	free(copy);
	return rc;
}

/* What describes the system, the board and the owner's texts. */
static int add_structures(struct maker *m)
{
	const struct tdx_expect_bytes *dmi = expect_file(m, "DMI");
	const uint8_t *p = dmi->p;
	unsigned n = 0;
	size_t size;
	int rc = 0;

	if (!p) {
		maker_add(m, 0, "EV_EVENT_TAG", "smbios:type1 and others")->from = "missing: DMI";
		return 0;
	}
	for (size_t at = 0; at < dmi->len && !rc; at += size) {
		size = smbios_structure(p + at, dmi->len - at);
		if (!size)
			return maker_refuse(m, "DMI has no SMBIOS structures, or is cut");
		if (p[at] == 127)
			break;
		if (p[at] != 1 && p[at] != 2 && p[at] != 11)
			continue;
		if (n++ == SMBIOS_MAX)
			return maker_refuse(m, "DMI has more than 16 structures of types 1, 2, 11");
		rc = add_structure(m, p + at, size);
	}
	return rc;
}

/* By the first of loader and image, which tells the other. */
static int add_smbios(struct maker *m, const struct tdx_expect_bytes *image, unsigned version)
{
	if (!measures(image) || version <= OLD_UNTIL)
		return 0;
	if (compared(version))
		return add_structures(m);
	maker_add(m, 0, "EV_EVENT_TAG", "smbios:type1 and others")->from = not_compared;
	return 0;
}

int expect_systemd_boot(struct maker *m)
{
	const unsigned version =
		m->loader.p ? expect_systemd_version(&m->loader, "systemd-boot") : 0;
	int rc;

	if (!m->loader.p)
		return 0;
	rc = maker_pe(m, "PE image: systemd-boot", &m->loader, "Authenticode of the file", NULL);
	if (!rc)
		rc = add_smbios(m, &m->loader, version);
	if (rc || version <= OLD_UNTIL || !measures(&m->loader))
		return rc;
	if (!compared(version))
		maker_add(m, 1, "EV_EVENT_TAG", "loader.conf")->from = not_compared;
	else if (m->loader_conf.p)
		rc = maker_of(m, 1, "EV_EVENT_TAG", "loader.conf", m->loader_conf.p,
			      m->loader_conf.len, "the file");
	return rc;
}

static const void *section(const struct maker *m, const char *name, size_t *size)
{
	return tdx_pe_section(m->kernel.p, m->kernel.len, name, size);
}

/* Each section twice: its name with the zero, and its contents. */
static int add_sections(struct maker *m)
{
	char what[64];
	int rc = 0;

	for (unsigned i = 0; i < sizeof(measured) / sizeof(measured[0]) && !rc; i++) {
		size_t size;
		const void *p = section(m, measured[i], &size);

		if (!p)
			continue;
		snprintf(what, sizeof(what), "UKI section %s: name", measured[i]);
		rc = maker_of(m, 2, "EV_IPL", what, measured[i], strlen(measured[i]) + 1,
			      "its name");
		snprintf(what, sizeof(what), "UKI section %s: contents", measured[i]);
		if (!rc)
			rc = maker_of(m, 2, "EV_IPL", what, p, size, "the file");
	}
	return rc;
}

/* --- the initrd that the stub puts together --- */

struct initrd {
	uint8_t *p;
	size_t len, room;
	unsigned parts;
};

static int append(struct initrd *r, const void *p, size_t len)
{
	if (len > r->room - r->len) {
		size_t room = 2 * (r->len + len) + 4096;
		uint8_t *more = realloc(r->p, room);

		if (!more)
			return -ENOMEM;
		r->p = more;
		r->room = room;
	}
	if (len)
		memcpy(r->p + r->len, p, len);
	r->len += len;
	return 0;
}

static int pad(struct initrd *r)
{
	static const uint8_t zero[4];

	return r->len % 4 ? append(r, zero, 4 - r->len % 4) : 0;
}

/* One file or directory of an archive (cpio, newc), of nobody and no time. */
static int append_cpio(struct initrd *r, unsigned inode, unsigned mode, const char *name,
		       const void *p, size_t len)
{
	char header[CPIO_HEADER + 1];
	int rc;

	snprintf(header, sizeof(header),
		 "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", inode, mode, 0, 0, 1,
		 0, (unsigned)len, 0, 0, 0, 0, (unsigned)strlen(name) + 1, 0);
	rc = append(r, header, CPIO_HEADER);
	if (!rc)
		rc = append(r, name, strlen(name) + 1);
	if (!rc)
		rc = pad(r);
	if (!rc)
		rc = append(r, p, len);
	return rc ? rc : pad(r);
}

/* A section as a file in /.extra, in an archive of its own. */
static int append_extra(struct initrd *r, const struct maker *m, const char *name, const char *as)
{
	char path[64];
	size_t size;
	const void *p = section(m, name, &size);
	int rc;

	if (!p)
		return 0;
	snprintf(path, sizeof(path), ".extra/%s", as);
	rc = append_cpio(r, 1, 0040555, ".extra", NULL, 0);
	if (!rc)
		rc = append_cpio(r, 2, 0100444, path, p, size);
	/* The end has a capital letter in its length. */
	if (!rc)
		rc = append(r,
			    "07070100000000000000000000000000000000000000010000000000000000"
			    "000000000000000000000000000000000000000B00000000TRAILER!!!\0\0\0",
			    124);
	r->parts++;
	return rc;
}

/* A section as it is; with others, each begins at a multiple of four. */
static int append_section(struct initrd *r, const struct maker *m, const char *name)
{
	size_t size;
	const void *p = section(m, name, &size);
	int rc = p ? pad(r) : 0;

	r->parts += p != NULL;
	return rc || !p ? rc : append(r, p, size);
}

static int make_initrd(const struct maker *m, unsigned version, struct initrd *r)
{
	size_t before;
	int rc = append_section(r, m, ".ucode");

	if (!rc)
		rc = append_section(r, m, ".initrd");
	before = r->len;
	if (!rc)
		rc = pad(r);
	if (!rc)
		rc = append_extra(r, m, ".pcrsig", "tpm2-pcr-signature.json");
	if (!rc)
		rc = append_extra(r, m, ".pcrpkey", "tpm2-pcr-public-key.pem");
	if (!rc && version >= OSREL_SINCE)
		rc = append_extra(r, m, ".osrel", "os-release");
	/* One alone is handed on as it is. */
	if (r->parts == 1 && before)
		r->len = before;
	return rc;
}

/* The command line: blanks at its end are left out, and those that begin it by newer versions;
 * control characters become blanks. */
static char *make_cmdline(const struct maker *m, unsigned version)
{
	size_t size, from = 0;
	const char *p = section(m, ".cmdline", &size);
	char *line;

	size = p ? strnlen(p, size) : 0;
	while (version != KEEPS_BLANKS && from < size && strchr(" \t\n\r", p[from]))
		from++;
	while (size > from && strchr(" \t\n\r", p[size - 1]))
		size--;
	line = p ? strndup(p + from, size - from) : strdup("");
	for (char *c = line; c && *c; c++)
		*c = (unsigned char)*c <= 0x1f ? ' ' : *c;
	return line;
}

static int add_handed_on(struct maker *m, unsigned version)
{
	struct initrd r = {0};
	char *cmdline = make_cmdline(m, version);
	int rc = cmdline ? make_initrd(m, version, &r) : -ENOMEM;

	if (!rc)
		rc = expect_stub(m, cmdline, true,
				 &(const struct tdx_expect_bytes){r.parts ? r.p : NULL, r.len},
				 "UTF-16 of the section .cmdline, and its zero");
	free(cmdline);
	free(r.p);
	return rc;
}

static bool begins_blank(const struct maker *m)
{
	size_t size;
	const char *p = section(m, ".cmdline", &size);

	return p && size && *p && strchr(" \t\n\r", *p);
}

/* Why what is handed on is not known; NULL: it is. */
static const char *unknown(const struct maker *m, unsigned version)
{
	size_t size;

	for (unsigned i = 0; i < sizeof(chosen) / sizeof(chosen[0]); i++)
		if (section(m, chosen[i], &size))
			return "missing: the image has profiles or choices, which are made at boot";
	if (version != NEW && version != KEEPS_BLANKS && begins_blank(m))
		return "missing: whether this version leaves out blanks that begin .cmdline";
	if (m->extras)
		return "missing: addons, credentials or extensions lie beside the image";
	if (!version)
		return "missing: the image's stub has no mark of systemd's";
	return compared(version) ? NULL : not_compared;
}

/* The firmware sees the kernel in an image only if the stub lets it start it. */
static int add_within(struct maker *m, const struct tdx_expect_bytes *kernel, unsigned version)
{
	static const char type[] = "EV_EFI_BOOT_SERVICES_APPLICATION",
			  what[] = "PE image: the kernel within";
	struct tdx_digest d;

	if (version == NEW)
		return 0;
	if (version && !compared(version))
		maker_add(m, 1, type, "%s", what)->from = not_compared;
	else if (tdx_pe_authenticode(kernel->p, kernel->len, &d) == -EINVAL)
		maker_add(m, 1, type, "%s", what)->from =
			"missing: the section .linux is not a PE image of its own";
	else
		return maker_pe(m, what, kernel, "Authenticode of the section .linux", NULL);
	return 0;
}

int expect_uki(struct maker *m)
{
	const unsigned version = expect_systemd_version(&m->kernel, "systemd-stub");
	const char *why = unknown(m, version);
	struct tdx_expect_bytes kernel;
	int rc = 0;

	kernel.p = section(m, ".linux", &kernel.len);
	if (!kernel.p)
		return maker_refuse(m, "the image has no section .linux: no unified kernel image");
	if (!version || measures(&m->kernel))
		rc = add_sections(m);
	if (!rc && !m->loader.p)
		rc = add_smbios(m, &m->kernel, version);
	if (!rc)
		rc = add_within(m, &kernel, version);
	if (rc || !why)
		return rc ? rc : add_handed_on(m, version);
	maker_add(m, 2, "EV_EVENT_TAG", "command line and initrd by the kernel's stub")->from = why;
	return 0;
}
