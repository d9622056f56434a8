/* SPDX-License-Identifier: MIT */
/* UEFI's names: GUIDs that boot logs have, and device paths. UEFI 2.10, 10.3 and 10.6. */
#include <string.h>

#include "measure/eventlog_internal.h"

const uint8_t efi_global_variable[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
					 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
const uint8_t efi_image_security[16] = {0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
					0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f};
static const uint8_t shim_lock[16] = {0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43,
				      0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23};
static const uint8_t systemd_loader[16] = {0x82, 0xb0, 0x67, 0x4a, 0x4c, 0x0a, 0xcf, 0x41,
					   0xb6, 0xc7, 0x44, 0x0b, 0x29, 0xbb, 0x8c, 0x4f};
static const uint8_t smbios[16] = {0x31, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
				   0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};
static const uint8_t smbios3[16] = {0x44, 0x15, 0xfd, 0xf2, 0x94, 0x97, 0x2c, 0x4a,
				    0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94};

static const struct {
	const uint8_t *guid;
	const char *name;
} guids[] = {
	{efi_global_variable, "EFI_GLOBAL_VARIABLE"},
	{efi_image_security, "EFI_IMAGE_SECURITY_DATABASE"},
	{shim_lock, "SHIM_LOCK"},
	{systemd_loader, "systemd LOADER"},
	{smbios, "SMBIOS"},
	{smbios3, "SMBIOS3"},
};

const char *efi_guid_name(const uint8_t guid[16])
{
	for (unsigned i = 0; i < sizeof(guids) / sizeof(guids[0]); i++)
		if (!memcmp(guids[i].guid, guid, 16))
			return guids[i].name;
	return NULL;
}

enum {
	PATH_HARDWARE = 1,
	PATH_ACPI = 2,
	PATH_MESSAGING = 3,
	PATH_MEDIA = 4,
	PATH_BIOS = 5,
	PATH_END = 0x7f,
	PATH_HEADER = 4,
};
#define SUB(type, subtype) ((type) << 8 | (subtype))

#define EISA_PCI_ROOT	   0x0a0341d0u
#define EISA_PCIE_ROOT	   0x0a0841d0u

/* One node's own words, after its header. */
static void add_node(struct line *l, unsigned kind, const uint8_t *p, size_t n)
{
	if (kind == SUB(PATH_HARDWARE, 1) && n >= 2)
		line_add(l, "Pci(0x%x,0x%x)", p[1], p[0]);
	else if (kind == SUB(PATH_HARDWARE, 3) && n >= 20)
		line_add(l, "MemoryMapped(0x%x,0x%llx,0x%llx)", le32(p),
			 (unsigned long long)le64(p + 4), (unsigned long long)le64(p + 12));
	else if (kind == SUB(PATH_HARDWARE, 4) && n >= 16)
		line_add(l, "VenHw("), line_guid(l, p), line_add(l, ")");
	else if (kind == SUB(PATH_ACPI, 1) && n >= 8 && le32(p) == EISA_PCI_ROOT)
		line_add(l, "PciRoot(0x%x)", le32(p + 4));
	else if (kind == SUB(PATH_ACPI, 1) && n >= 8 && le32(p) == EISA_PCIE_ROOT)
		line_add(l, "PcieRoot(0x%x)", le32(p + 4));
	else if (kind == SUB(PATH_ACPI, 1) && n >= 8)
		line_add(l, "Acpi(0x%x,0x%x)", le32(p), le32(p + 4));
	else if (kind == SUB(PATH_MESSAGING, 2) && n >= 4)
		line_add(l, "Scsi(0x%x,0x%x)", le16(p), le16(p + 2));
	else if (kind == SUB(PATH_MESSAGING, 18) && n >= 6)
		line_add(l, "Sata(0x%x,0x%x,0x%x)", le16(p), le16(p + 2), le16(p + 4));
	else if (kind == SUB(PATH_MESSAGING, 23) && n >= 4)
		line_add(l, "NVMe(0x%x)", le32(p));
	else if (kind == SUB(PATH_MESSAGING, 11) && n >= 6)
		line_add(l, "MAC("), line_hex(l, p, 6), line_add(l, ")");
	else if (kind == SUB(PATH_MEDIA, 1) && n >= 36)
		line_add(l, "HD(%u,", le32(p)), line_guid(l, p + 20), line_add(l, ")");
	else if (kind == SUB(PATH_MEDIA, 2) && n >= 4)
		line_add(l, "CDROM(0x%x)", le32(p));
	else if (kind == SUB(PATH_MEDIA, 3) && n >= 16)
		line_add(l, "VenMedia("), line_guid(l, p), line_add(l, ")");
	else if (kind == SUB(PATH_MEDIA, 4))
		line_utf16(l, p, n / 2);
	else if (kind == SUB(PATH_MEDIA, 6) && n >= 16)
		line_add(l, "FvFile("), line_guid(l, p), line_add(l, ")");
	else if (kind == SUB(PATH_MEDIA, 7) && n >= 16)
		line_add(l, "Fv("), line_guid(l, p), line_add(l, ")");
	else
		line_add(l, "Path(%u,%u,", kind >> 8, kind & 0xff), line_hex(l, p, n > 8 ? 8 : n),
			line_add(l, n > 8 ? "...)" : ")");
}

void line_device_path(struct line *l, const uint8_t *p, size_t len)
{
	for (bool first = true; len >= PATH_HEADER; first = false) {
		size_t n = le16(p + 2);

		if (p[0] == PATH_END)
			return;
		if (n < PATH_HEADER || n > len) {
			line_add(l, "/(broken)");
			return;
		}
		if (!first)
			line_add(l, "/");
		add_node(l, (unsigned)SUB(p[0], p[1]), p + PATH_HEADER, n - PATH_HEADER);
		p += n;
		len -= n;
	}
}
