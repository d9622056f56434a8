/* SPDX-License-Identifier: MIT */
/* GRUB, and how it starts a kernel. Up to 2.12 it measures nothing itself where there is no
 * TPM. 2.12 starts kernels as firmware would, so Linux's stub measures its options; under Secure
 * Boot shim vouches for the kernel and measures it, else only firmware does, which shim 16 stands
 * in for. Debian's 2.06 jumps into a kernel past the stub's beginning, and has shim look twice. */
#include <stdio.h>
#include <string.h>

#include "measure/expect_internal.h"

struct kind {
	unsigned version; /* 212; 0: not seen in the image */
	bool by_debian_12;
};

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The version stands alone as a text that begins with "2.": "2.12-9+deb13u4". Identifiers of
 * algorithms do too, but go on with a point. */
static struct kind kind_of(const struct tdx_expect_bytes *grub)
{
	static const char debian[] = "2.06-13+deb12";
	const uint8_t *p = grub->p;
	struct kind k = {0};

	for (size_t i = 1; p && i + sizeof(debian) < grub->len && !k.version; i++) {
		if (p[i - 1] || p[i] != '2' || p[i + 1] != '.' || !digit(p[i + 2]) ||
		    !digit(p[i + 3]) || (p[i + 4] && p[i + 4] != '-' && p[i + 4] != '~'))
			continue;
		k.version = 200u + 10u * (unsigned)(p[i + 2] - '0') + (unsigned)(p[i + 3] - '0');
		k.by_debian_12 = !memcmp(p + i, debian, sizeof(debian) - 1);
	}
	return k;
}

static int add_kernel(struct maker *m, unsigned times)
{
	int rc = 0;

	for (unsigned i = 0; i < times && !rc; i++)
		rc = maker_pe(m, "PE image: kernel", &m->kernel,
			      i ? "Authenticode of the file, which shim looks at twice"
				: "Authenticode of the file",
			      NULL);
	return rc;
}

static int not_compared(struct maker *m, const char *why)
{
	maker_add(m, 1, "EV_EFI_BOOT_SERVICES_APPLICATION", "PE image: kernel")->from = why;
	maker_add(m, 2, "EV_EVENT_TAG", "kernel command line and initrd, and GRUB's own")->from =
		why;
	return 0;
}

int expect_grub(struct maker *m)
{
	const struct kind k = kind_of(&m->grub);
	const bool secure = expect_secure_boot(m);
	int rc;

	if (!m->grub.p)
		return not_compared(m, "missing: GRUB, as it is on the disk");
	if (k.by_debian_12 && secure)
		return add_kernel(m, 2);
	if (k.version != 212)
		return not_compared(m, "missing: a GRUB that was compared (2.12, or Debian 12's "
				       "under Secure Boot)");
	if (secure) {
		rc = add_kernel(m, 1);
	} else if (expect_shim_version(m) >= 16) {
		rc = 0;
	} else {
		maker_add(m, 1, "EV_EFI_BOOT_SERVICES_APPLICATION", "PE image: kernel")->from =
			"missing: a shim that was compared without Secure Boot (16)";
		rc = 0;
	}
	return rc ? rc
		  : expect_stub(m, m->in->append ? m->in->append : "", false, &m->in->initrd,
				"UTF-16 of the command line as GRUB gives it, without a zero");
}
