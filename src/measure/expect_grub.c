/* SPDX-License-Identifier: MIT */
/* GRUB, and how it starts a kernel: what whole boots of Debian's have shown. 2.12 and later start
 * kernels as firmware would, so Linux's stub measures its options; under Secure Boot shim vouches
 * for the kernel and measures it, else only firmware does, which shim 16 stands in for. Debian
 * 12's 2.06 jumps into a kernel past the stub's beginning, and has shim look twice. GRUB's own
 * measurements, each command and file, are for a TPM up to 2.12; 2.14 makes them in a TD too. */
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

static const struct rule {
	unsigned version;
	bool by_debian_12, secure;
	unsigned shim;	  /* at least */
	unsigned kernels; /* as often the kernel is measured as an image */
	bool stub, measures;
} rules[] = {
	{206, true, true, 0, 2, false, false},
	{212, false, true, 0, 1, true, false},
	{212, false, false, 16, 0, true, false},
	{214, false, true, 0, 1, true, true},
};

static const struct rule *rule_of(const struct maker *m)
{
	const struct kind k = kind_of(&m->grub);
	const bool secure = expect_secure_boot(m);

	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].version == k.version && rules[i].by_debian_12 == k.by_debian_12 &&
		    rules[i].secure == secure && expect_shim_version(m) >= rules[i].shim)
			return &rules[i];
	return NULL;
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
	const struct rule *r = rule_of(m);
	int rc = 0;

	if (!m->grub.p)
		return not_compared(m, "missing: GRUB, as it is on the disk");
	if (!r)
		return not_compared(m, "missing: a GRUB that was compared (2.12, with shim 16 "
				       "where Secure Boot is off; under Secure Boot 2.14 and "
				       "Debian 12's too)");
	if (r->measures)
		maker_add(m, 2, "EV_IPL", "GRUB's commands and files")->from =
			"missing: what its configuration does at boot";
	for (unsigned i = 0; i < r->kernels && !rc; i++)
		rc = maker_pe(m, "PE image: kernel", &m->kernel,
			      i ? "Authenticode of the file, which shim looks at twice"
				: "Authenticode of the file",
			      NULL);
	if (rc || !r->stub)
		return rc;
	return expect_stub(m, m->in->append ? m->in->append : "", false, &m->in->initrd,
			   "UTF-16 of the command line as GRUB gives it, without a zero");
}
