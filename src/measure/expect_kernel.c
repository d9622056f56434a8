/* SPDX-License-Identifier: MIT */
/* A kernel that QEMU gives to the firmware, and what Linux's own EFI stub measures. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure/expect_internal.h"

/* QEMU before 10.1 fills in the setup header of a kernel that it gives to any firmware. */
static int patch_header(struct maker *m, uint8_t *k, size_t len)
{
	const uint64_t memory = m->in->memory,
		       split = memory < 0xb0000000 ? 0xb0000000 : 0x80000000;
	const uint64_t below = memory >= split ? split : memory, acpi_data = 0x28000;
	uint64_t initrd_max = 0x37ffffff, initrd = m->in->initrd.len;
	unsigned protocol, high;

	if (len < 0x1000)
		return maker_refuse(m, "the kernel is too short for a setup header");
	protocol = le16(k + 0x206);
	if (memcmp(k + 0x202, "HdrS", 4) || protocol < 0x203)
		return maker_refuse(m, "the kernel has no setup header that QEMU would fill in");
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
		return maker_refuse(m, "too little memory for an initrd");
	if (initrd_max >= below - acpi_data)
		initrd_max = below - acpi_data - 1;
	if (initrd >= initrd_max)
		return maker_refuse(m, "the initrd is too large for the memory");
	put_le32(k + 0x218, (uint32_t)((initrd_max - initrd) & ~4095ull));
	put_le32(k + 0x21c, (uint32_t)initrd);
	return 0;
}

int expect_direct_kernel(struct maker *m)
{
	static const char what[] = "PE image: kernel";
	const struct tdx_expect_bytes *k = &m->in->kernel;
	uint8_t *copy;
	int rc;

	if (m->in->ovmf == TDX_EXPECT_OVMF_NEW)
		return maker_pe(m, what, k, "Authenticode of the file", NULL);
	if (!m->in->memory && m->in->initrd.p) {
		maker_add(m, 1, "EV_EFI_BOOT_SERVICES_APPLICATION", "%s", what)->from =
			"missing: the size of memory, which QEMU puts the initrd's place by";
		return 0;
	}
	copy = malloc(k->len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, k->p, k->len);
	rc = patch_header(m, copy, k->len);
	if (!rc)
		rc = maker_pe(m, what, &(const struct tdx_expect_bytes){copy, k->len},
			      "Authenticode of the file with the setup header as QEMU fills it in",
			      NULL);
	free(copy);
	return rc;
}

/* The options it was given, in UTF-16, and the initrd. */
int expect_stub(struct maker *m, const char *cmdline, bool zero,
		const struct tdx_expect_bytes *initrd, const char *from)
{
	int rc;

	for (const char *c = cmdline; *c; c++)
		if ((unsigned char)*c >= 0x80)
			return maker_refuse(m, "a command line that is not ASCII");
	rc = maker_wide(m, "EV_EVENT_TAG", "kernel command line (LOADED_IMAGE::LoadOptions)",
			cmdline, zero, from);
	if (!rc && initrd->p)
		rc = maker_of(m, 2, "EV_EVENT_TAG", "initrd (Linux initrd)", initrd->p, initrd->len,
			      "what the loader hands on");
	return rc;
}
