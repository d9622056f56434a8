/* SPDX-License-Identifier: MIT */
/* What an event is of, in words: the structures UEFI and the TCG define, and the texts that shim,
 * GRUB, systemd and Linux write. Everything here is the log's word and may be wrong or a lie: each
 * structure is read as far as the event's own length says. */
#include <stdio.h>
#include <string.h>

#include "measure/eventlog_internal.h"

#define VARIABLE_HEADER 32
#define IMAGE_HEADER	32
#define GPT_HEADER	92
#define GPT_ENTRY	128
#define GPT_ENTRY_NAME	56
#define TABLES_ONE	32 /* how many, GUID and place of one */
#define FW_CFG_WHOSE	12
#define FW_CFG_NAME	56
#define LOAD_OPTION	6 /* attributes, length of the device path */

bool efi_variable_event(uint32_t type)
{
	return type == (uint32_t)TDX_EV_EFI_VARIABLE_DRIVER_CONFIG ||
	       type == (uint32_t)TDX_EV_EFI_VARIABLE_BOOT ||
	       type == (uint32_t)TDX_EV_EFI_VARIABLE_BOOT2 ||
	       type == (uint32_t)TDX_EV_EFI_VARIABLE_AUTHORITY;
}

bool efi_variable_read(const struct tdx_eventlog_event *e, struct efi_variable *v)
{
	uint64_t chars, size;

	if (!efi_variable_event(e->type) || e->size < VARIABLE_HEADER)
		return false;
	chars = le64(e->data + 16);
	size = le64(e->data + 24);
	if (chars > (e->size - VARIABLE_HEADER) / 2 || size > e->size - VARIABLE_HEADER - 2 * chars)
		return false;
	v->guid = e->data;
	v->name = e->data + VARIABLE_HEADER;
	v->name_chars = (size_t)chars;
	v->data = v->name + 2 * chars;
	v->size = (size_t)size;
	return true;
}

static bool named(const struct efi_variable *v, const char *name)
{
	size_t n = strlen(name);

	if (v->name_chars < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (le16(v->name + 2 * i) != (uint8_t)name[i])
			return false;
	return true;
}

/* "Boot" and four digits of hexadecimal. */
static bool boot_option(const struct efi_variable *v)
{
	if (v->name_chars != 8 || !named(v, "Boot"))
		return false;
	for (size_t i = 4; i < 8; i++) {
		unsigned c = le16(v->name + 2 * i);

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'F'))
			return false;
	}
	return true;
}

static void add_boot_option(struct line *l, const struct efi_variable *v)
{
	size_t path, chars, at;

	if (v->size < LOAD_OPTION)
		return;
	path = le16(v->data + 4);
	chars = utf16_length(v->data + LOAD_OPTION, v->size - LOAD_OPTION);
	at = LOAD_OPTION + 2 * (chars + 1);
	line_add(l, " \"");
	line_utf16(l, v->data + LOAD_OPTION, chars);
	line_add(l, "\"");
	if (at > v->size || path > v->size - at)
		return;
	line_add(l, " ");
	line_device_path(l, v->data + at, path);
	at += path;
	if (at < v->size && utf16_text(v->data + at, v->size - at)) {
		line_add(l, " options \"");
		line_utf16(l, v->data + at, (v->size - at) / 2);
		line_add(l, "\"");
	}
}

static void add_variable_value(struct line *l, const struct efi_variable *v)
{
	if (boot_option(v)) {
		add_boot_option(l, v);
	} else if (v->name_chars == 9 && named(v, "BootOrder")) {
		for (size_t i = 0; i + 2 <= v->size; i += 2)
			line_add(l, "%s%04X", i ? "," : " ", le16(v->data + i));
	} else if (!v->size) {
		line_add(l, " empty");
	} else if (v->size <= 16) {
		line_add(l, " ");
		line_hex(l, v->data, v->size);
	} else {
		line_add(l, " %zu bytes", v->size);
	}
}

static void add_variable_name(struct line *l, const struct efi_variable *v)
{
	const char *guid = efi_guid_name(v->guid);

	line_add(l, "variable ");
	line_utf16(l, v->name, v->name_chars);
	line_add(l, " (");
	if (guid)
		line_add(l, "%s", guid);
	else
		line_guid(l, v->guid);
	line_add(l, ")");
}

static void add_image(struct line *l, const struct tdx_eventlog_event *e)
{
	uint64_t path;

	line_add(l, "PE image ");
	if (e->size < IMAGE_HEADER)
		return;
	path = le64(e->data + 24);
	if (path > e->size - IMAGE_HEADER)
		path = e->size - IMAGE_HEADER;
	line_device_path(l, e->data + IMAGE_HEADER, (size_t)path);
}

static void add_gpt(struct line *l, const struct tdx_eventlog_event *e)
{
	uint64_t n;

	if (e->size < GPT_HEADER + 8)
		return;
	line_add(l, "partition table ");
	line_guid(l, e->data + 56);
	n = le64(e->data + GPT_HEADER);
	if (n > (e->size - GPT_HEADER - 8) / GPT_ENTRY)
		n = (e->size - GPT_HEADER - 8) / GPT_ENTRY;
	for (uint64_t i = 0; i < n; i++) {
		const uint8_t *p = e->data + GPT_HEADER + 8 + i * GPT_ENTRY;

		line_add(l, "%s", i ? ", " : ": ");
		line_utf16(l, p + GPT_ENTRY_NAME, (GPT_ENTRY - GPT_ENTRY_NAME) / 2);
	}
}

/* A length, that many characters, and what follows. */
static bool counted(const struct tdx_eventlog_event *e, size_t after)
{
	return e->size >= 1 && (size_t)e->data[0] + 1 + after <= e->size;
}

static void add_blob(struct line *l, const struct tdx_eventlog_event *e)
{
	bool second = e->type == (uint32_t)TDX_EV_EFI_PLATFORM_FIRMWARE_BLOB2;
	const uint8_t *p = e->data;

	if (second && !counted(e, 16)) {
		line_add(l, "firmware blob");
		return;
	}
	if (!second && e->size < 16) {
		line_add(l, "firmware blob ");
		line_ascii(l, e->data, e->size);
		return;
	}
	line_add(l, "firmware blob");
	if (second) {
		line_add(l, " ");
		line_ascii(l, p + 1, p[0]);
		p += 1 + p[0];
	}
	line_add(l, " at 0x%llx, 0x%llx bytes", (unsigned long long)le64(p),
		 (unsigned long long)le64(p + 8));
}

static void add_tables(struct line *l, const struct tdx_eventlog_event *e)
{
	line_add(l, "table");
	if (e->type == (uint32_t)TDX_EV_EFI_HANDOFF_TABLES2 && counted(e, 0)) {
		line_add(l, " ");
		line_ascii(l, e->data + 1, e->data[0]);
	}
	/* Of one alone, whose GUID is known. */
	if (e->type == (uint32_t)TDX_EV_EFI_HANDOFF_TABLES && e->size == TABLES_ONE &&
	    le64(e->data) == 1 && efi_guid_name(e->data + 8))
		line_add(l, " %s", efi_guid_name(e->data + 8));
}

/* What texts in EV_IPL begin with, and whose they are. */
static const struct {
	const char *prefix, *who;
} ipl_texts[] = {
	{"grub_cmd:", "GRUB command"},
	{"kernel_cmdline:", "kernel command line (GRUB)"},
	{"grub_kernel_cmdline", "kernel command line (GRUB)"},
	{"swtdx_cmdline:", "kernel command line (swtdx)"},
	{"module_cmdline:", "module command line (GRUB)"},
	{"grub_linux", "kernel (GRUB)"},
	{"MokList", "shim"},
	{"MokSB", "shim"},
	{"MokDB", "shim"},
	{"SbatLevel", "shim"},
	{"Shim", "shim"},
	{".linux", "UKI section"},
	{".osrel", "UKI section"},
	{".cmdline", "UKI section"},
	{".initrd", "UKI section"},
	{".ucode", "UKI section"},
	{".splash", "UKI section"},
	{".dtb", "UKI section"},
	{".uname", "UKI section"},
	{".sbat", "UKI section"},
	{".pcrsig", "UKI section"},
	{".pcrpkey", "UKI section"},
	{".profile", "UKI section"},
	{".hwids", "UKI section"},
	{"AAEL", "attestation agent"},
};

static const char *whose(const char *text)
{
	for (unsigned i = 0; i < sizeof(ipl_texts) / sizeof(ipl_texts[0]); i++)
		if (!strncmp(text, ipl_texts[i].prefix, strlen(ipl_texts[i].prefix)))
			return ipl_texts[i].who;
	return text[0] == '(' || text[0] == '/' ? "file (GRUB)" : NULL;
}

/* The event's data as text, in whichever of the two encodings it is. */
static bool text_of(const struct tdx_eventlog_event *e, char *buf, size_t len)
{
	struct line l;

	line_start(&l, buf, len);
	if (e->size >= 2 && utf16_text(e->data, e->size))
		line_utf16(&l, e->data, e->size / 2);
	else if (e->size && ascii_text(e->data, e->size))
		line_ascii(&l, e->data, e->size);
	else
		return false;
	return true;
}

static void add_text(struct line *l, const struct tdx_eventlog_event *e)
{
	char text[TDX_EVENTLOG_TEXT];
	bool wide = e->size >= 2 && utf16_text(e->data, e->size);
	const char *who;

	if (!text_of(e, text, sizeof(text))) {
		line_hex(l, e->data, e->size > 32 ? 32 : e->size);
		if (e->size > 32)
			line_add(l, "... (%u bytes)", (unsigned)e->size);
		return;
	}
	who = e->type == TDX_EV_IPL ? whose(text) : NULL;
	/* systemd writes UTF-16: what it is of, or a command line without any prefix. */
	if (!who && wide && e->type == TDX_EV_IPL)
		who = !strcmp(text, "loader.conf") || !strncmp(text, "smbios:type", 11)
			      ? "systemd"
			      : "kernel command line (systemd-stub or loader)";
	if (who)
		line_add(l, "%s: ", who);
	line_add(l, "%s", text);
}

static const struct {
	uint32_t id;
	const char *what;
} tags[] = {
	{0x8f3b22ec, "initrd (Linux EFI stub)"},
	{0x8f3b22ed, "kernel command line (Linux EFI stub)"},
	{0xf5bc582a, "loader.conf (systemd-boot)"},
	{0x6c46f751, "device tree add-on (systemd-stub)"},
	{0x49dffe0f, "initrd add-on (systemd-stub)"},
	{0xdac08e1a, "microcode add-on (systemd-stub)"},
	{0x13aed6db, "UKI profile (systemd-stub)"},
};

static const char *tag_name(uint32_t id)
{
	for (unsigned i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (tags[i].id == id)
			return tags[i].what;
	return NULL;
}

static void add_tag(struct line *l, const struct tdx_eventlog_event *e)
{
	const char *name;
	struct tdx_eventlog_event inner = *e;

	if (e->size < 8) {
		add_text(l, e);
		return;
	}
	name = tag_name(le32(e->data));
	if (name)
		line_add(l, "%s: ", name);
	else
		line_add(l, "tag 0x%08x: ", le32(e->data));
	inner.data += 8;
	inner.size -= 8;
	add_text(l, &inner);
}

static void add_separator(struct line *l, const struct tdx_eventlog_event *e)
{
	if (e->size == 4 && le32(e->data) == 1)
		line_add(l, "separator of an error");
	else
		line_add(l, "separator");
	if (e->size != 4) {
		line_add(l, " ");
		line_ascii(l, e->data, e->size);
	}
}

/* dstack's own: type, name and payload with colons between, as its digest is taken. */
static void add_dstack(struct line *l, const struct tdx_eventlog_event *e)
{
	const uint8_t *name = e->size > 5 ? e->data + 5 : NULL;
	const uint8_t *colon = name ? memchr(name, ':', e->size - 5) : NULL;
	struct tdx_eventlog_event payload = *e;

	if (!colon || e->data[4] != ':') {
		add_text(l, e);
		return;
	}
	line_add(l, "dstack ");
	line_ascii(l, name, (size_t)(colon - name));
	payload.data = colon + 1;
	payload.size = (uint32_t)(e->data + e->size - colon - 1);
	payload.type = TDX_EV_POST_CODE; /* text without an author */
	line_add(l, ": ");
	add_text(l, &payload);
}

bool eventlog_named(const struct tdx_eventlog_event *e)
{
	return e->type == TDX_EV_PLATFORM_CONFIG_FLAGS && e->size >= NAMED_HEADER &&
	       ascii_text(e->data, 16) && memchr(e->data, 0, 16) &&
	       le32(e->data + 16) == e->size - NAMED_HEADER;
}

/* What QEMU gave, as edk2 since 202505 names it: whose it is, then the file. */
static bool fw_cfg_file(const struct tdx_eventlog_event *e)
{
	return e->size == FW_CFG_WHOSE + FW_CFG_NAME &&
	       !memcmp(e->data, "QEMU FW CFG", FW_CFG_WHOSE);
}

static void add_flags(struct line *l, const struct tdx_eventlog_event *e)
{
	line_add(l, "platform configuration ");
	if (fw_cfg_file(e)) {
		const char *name = (const char *)e->data + FW_CFG_WHOSE;

		line_add(l, "QEMU FW CFG ");
		line_ascii(l, e->data + FW_CFG_WHOSE, strnlen(name, FW_CFG_NAME));
		return;
	}
	if (!eventlog_named(e)) {
		add_text(l, e);
		return;
	}
	line_ascii(l, e->data, 16);
	line_add(l, ", %u bytes", (unsigned)e->size - NAMED_HEADER);
}

static void add_no_action(struct line *l, const struct tdx_eventlog_event *e)
{
	line_ascii(l, e->data, e->size < 16 ? e->size : 16);
	if (e->size >= 17 && !memcmp(e->data, "StartupLocality", 16))
		line_add(l, " %u", e->data[16]);
}

const char *tdx_eventlog_describe(const struct tdx_eventlog_event *e, char *buf, size_t len)
{
	struct efi_variable v;
	struct line l;

	line_start(&l, buf, len);
	if (efi_variable_read(e, &v)) {
		add_variable_name(&l, &v);
		line_add(&l, ":");
		add_variable_value(&l, &v);
		return buf;
	}
	switch ((enum tdx_eventlog_type)e->type) {
	case TDX_EV_NO_ACTION:
		add_no_action(&l, e);
		break;
	case TDX_EV_SEPARATOR:
		add_separator(&l, e);
		break;
	case TDX_EV_EVENT_TAG:
		add_tag(&l, e);
		break;
	case TDX_EV_PLATFORM_CONFIG_FLAGS:
		add_flags(&l, e);
		break;
	case TDX_EV_DSTACK_RUNTIME:
		add_dstack(&l, e);
		break;
	case TDX_EV_EFI_BOOT_SERVICES_APPLICATION:
	case TDX_EV_EFI_BOOT_SERVICES_DRIVER:
	case TDX_EV_EFI_RUNTIME_SERVICES_DRIVER:
		add_image(&l, e);
		break;
	case TDX_EV_EFI_GPT_EVENT:
	case TDX_EV_EFI_GPT_EVENT2:
		add_gpt(&l, e);
		break;
	case TDX_EV_EFI_PLATFORM_FIRMWARE_BLOB:
	case TDX_EV_EFI_PLATFORM_FIRMWARE_BLOB2:
		add_blob(&l, e);
		break;
	case TDX_EV_EFI_HANDOFF_TABLES:
	case TDX_EV_EFI_HANDOFF_TABLES2:
		add_tables(&l, e);
		break;
	case TDX_EV_S_CRTM_VERSION:
		line_add(&l, "firmware version ");
		add_text(&l, e);
		break;
	case TDX_EV_POST_CODE:
	case TDX_EV_POST_CODE2:
	case TDX_EV_ACTION:
	case TDX_EV_S_CRTM_CONTENTS:
	case TDX_EV_COMPACT_HASH:
	case TDX_EV_IPL:
	case TDX_EV_IPL_PARTITION_DATA:
	case TDX_EV_OMIT_BOOT_DEVICE_EVENTS:
	case TDX_EV_EFI_VARIABLE_DRIVER_CONFIG:
	case TDX_EV_EFI_VARIABLE_BOOT:
	case TDX_EV_EFI_VARIABLE_BOOT2:
	case TDX_EV_EFI_VARIABLE_AUTHORITY:
	case TDX_EV_EFI_ACTION:
	case TDX_EV_EFI_HCRTM_EVENT:
		add_text(&l, e);
		break;
	default: /* the type is the log's word */
		add_text(&l, e);
		break;
	}
	return buf;
}

const char *tdx_eventlog_subject(const struct tdx_eventlog_event *e, char *buf, size_t len)
{
	const char *type = tdx_eventlog_type_name(e->type);
	struct efi_variable v;
	char text[TDX_EVENTLOG_TEXT];
	struct line l;
	size_t n;

	line_start(&l, buf, len);
	if (type)
		line_add(&l, "%s ", type);
	else
		line_add(&l, "type 0x%08x ", e->type);
	if (efi_variable_read(e, &v)) {
		add_variable_name(&l, &v);
		return buf;
	}
	tdx_eventlog_describe(e, text, sizeof(text));
	switch (e->type) {
	case TDX_EV_IPL:
	case TDX_EV_EVENT_TAG:
	case TDX_EV_DSTACK_RUNTIME:
		/* "whose: what": of what has a value after it only whose it is. */
		n = strcspn(text, ":");
		line_add(&l, "%.*s", (int)n, text);
		break;
	case (uint32_t)TDX_EV_EFI_GPT_EVENT:
	case (uint32_t)TDX_EV_EFI_GPT_EVENT2:
	case TDX_EV_S_CRTM_VERSION:
		break;
	case TDX_EV_PLATFORM_CONFIG_FLAGS:
		line_add(&l, "%.*s", (int)strcspn(text, ","), text);
		break;
	case (uint32_t)TDX_EV_EFI_PLATFORM_FIRMWARE_BLOB:
	case (uint32_t)TDX_EV_EFI_PLATFORM_FIRMWARE_BLOB2:
	case (uint32_t)TDX_EV_EFI_HANDOFF_TABLES2:
		if (counted(e, 0))
			line_ascii(&l, e->data + 1, e->data[0]);
		break;
	default:
		line_add(&l, "%s", text);
	}
	return buf;
}
