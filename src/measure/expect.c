/* SPDX-License-Identifier: MIT */
/* The events of OVMF's usual boots, in their order, and the registers that they make. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/expect_internal.h"

static const char returned_failure[] = "Exit Boot Services Returned with Failure";
static const char invocation[] = "Exit Boot Services Invocation";

int maker_refuse(struct maker *m, const char *why)
{
	snprintf(m->err, TDX_EXPECT_ERROR_TEXT, "%s", why);
	return -EINVAL;
}

struct tdx_expect_event *maker_add(struct maker *m, unsigned rtmr, const char *type,
				   const char *what, ...)
{
	struct tdx_expect_event *e = &m->out->event[m->out->nevents];
	va_list args;

	/* What a file can make longer is bounded where it is read: the lists are shorter than the
	 * table. */
	if (m->out->nevents == TDX_EXPECT_EVENTS)
		abort();
	m->out->nevents++;
	e->rtmr = rtmr;
	e->type = type;
	va_start(args, what);
	vsnprintf(e->what, sizeof(e->what), what, args);
	va_end(args);
	return e;
}

int maker_of(struct maker *m, unsigned rtmr, const char *type, const char *what, const void *data,
	     size_t len, const char *from)
{
	struct tdx_expect_event *e = maker_add(m, rtmr, type, "%s", what);

	e->known = true;
	e->from = from;
	return tdx_sha384(data, len, &e->digest);
}

int maker_input(struct maker *m, unsigned rtmr, const char *type, const char *what,
		const struct tdx_expect_bytes *b, const char *from, const char *missing)
{
	if (b->p)
		return maker_of(m, rtmr, type, what, b->p, b->len, from);
	maker_add(m, rtmr, type, "%s", what)->from = missing;
	return 0;
}

int maker_separator(struct maker *m, unsigned rtmr)
{
	static const uint8_t zero[4];

	return maker_of(m, rtmr, "EV_SEPARATOR", "separator", zero, 4, "four zero bytes");
}

int maker_action(struct maker *m, const char *text)
{
	return maker_of(m, 1, "EV_EFI_ACTION", text, text, strlen(text), "its text");
}

int maker_pe(struct maker *m, const char *what, const struct tdx_expect_bytes *b, const char *from,
	     const char *missing)
{
	struct tdx_expect_event *e =
		maker_add(m, 1, "EV_EFI_BOOT_SERVICES_APPLICATION", "%s", what);
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

int maker_wide(struct maker *m, const char *type, const char *what, const char *text, bool zero,
	       const char *from)
{
	size_t n = strlen(text);
	uint8_t *wide = calloc(n + 1, 2);
	int rc;

	if (!wide)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		wide[2 * i] = (uint8_t)text[i];
	rc = maker_of(m, 2, type, what, wide, 2 * (n + zero), from);
	free(wide);
	return rc;
}

static int add_exit(struct maker *m)
{
	int rc = maker_action(m, invocation);

	return rc ? rc : maker_action(m, "Exit Boot Services Returned with Success");
}

/* --- the boots --- */

/* What Linux's stub is told by the firmware: the firmware says where the initrd is. */
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
	rc = expect_stub(m, text, true, &m->in->initrd,
			 "UTF-16 of what the firmware gives, with initrd=initrd, and its zero");
	free(text);
	return rc;
}

static int direct(struct maker *m)
{
	int rc = expect_platform(m);

	if (!rc)
		rc = expect_direct_kernel(m);
	if (!rc)
		rc = expect_boot_options(m);
	if (!rc)
		rc = maker_action(m, "Calling EFI Application from Boot Option");
	if (!rc)
		rc = maker_separator(m, 1);
	if (!rc)
		rc = add_direct_options(m);
	return rc ? rc : add_exit(m);
}

/* Up to the first image that comes from a disk. */
static int from_disk(struct maker *m)
{
	int rc = expect_find_on_disk(m);

	if (!rc)
		rc = expect_platform(m);
	if (!rc)
		rc = expect_boot_options(m);
	if (!rc)
		rc = maker_action(m, "Calling EFI Application from Boot Option");
	if (!rc)
		rc = maker_separator(m, 1);
	return rc ? rc : expect_partitions(m);
}

static int grub(struct maker *m)
{
	int rc = from_disk(m);

	if (!rc)
		rc = expect_shim_authority(m);
	if (!rc)
		rc = maker_pe(m, "PE image: shim", &m->shim, "Authenticode of the file",
			      "missing: shim, as it is on the disk");
	if (!rc)
		rc = expect_shim_lists(m);
	if (!rc)
		rc = expect_grub_authority(m);
	if (!rc)
		rc = maker_pe(m, "PE image: GRUB", &m->grub, "Authenticode of the file",
			      "missing: GRUB, as it is on the disk");
	if (!rc)
		rc = expect_grub(m);
	return rc ? rc : add_exit(m);
}

static int uki(struct maker *m)
{
	int rc = from_disk(m);

	if (!rc)
		rc = expect_systemd_boot(m);
	if (!rc)
		rc = maker_pe(m, "PE image: unified kernel image", &m->kernel,
			      "Authenticode of the file", NULL);
	if (!rc)
		rc = expect_uki(m);
	return rc ? rc : add_exit(m);
}

/* --- together --- */

/* The first attempt to leave the firmware is told as failed, the second as any. */
static int sum_retried(struct maker *m)
{
	struct tdx_digest d;
	int rc = tdx_sha384(returned_failure, strlen(returned_failure), &d);

	for (size_t i = 0; i < m->out->nevents && !rc; i++) {
		const struct tdx_expect_event *e = &m->out->event[i];

		if (e->rtmr != 1)
			continue;
		if (!strcmp(e->what, invocation))
			rc = tdx_rtmr_extend(&m->out->retried, &d);
		if (!rc)
			rc = tdx_rtmr_extend(&m->out->retried, &e->digest);
	}
	return rc;
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
	return rc || !m->out->known[1] ? rc : sum_retried(m);
}

static int list_events(struct maker *m)
{
	switch (m->in->boot) {
	case TDX_EXPECT_DIRECT:
		return direct(m);
	case TDX_EXPECT_UKI:
		return uki(m);
	case TDX_EXPECT_GRUB:
		return grub(m);
	}
	return -EINVAL;
}

int tdx_expect_boot(const struct tdx_expect_inputs *in, struct tdx_expect *out,
		    char err[TDX_EXPECT_ERROR_TEXT])
{
	struct maker m = {.in = in,
			  .out = out,
			  .err = err,
			  .kernel = in->kernel,
			  .shim = in->shim,
			  .grub = in->grub};
	struct tdx_tdvf_measurement mr;
	struct tdx_tdvf_error terr;
	int rc;

	memset(out, 0, sizeof(*out));
	err[0] = 0;
	if (!in->firmware.p || (!in->kernel.p && (in->boot != TDX_EXPECT_UKI || !in->disk)))
		return maker_refuse(&m, "a firmware and a kernel are needed");
	rc = tdx_tdvf_mrtd(in->firmware.p, in->firmware.len, TDX_TDVF_ORDER_PAGE, &mr, &terr);
	if (rc == -EINVAL)
		tdx_tdvf_error_text(&terr, err, TDX_EXPECT_ERROR_TEXT);
	if (rc)
		return rc;
	m.tdvf = mr.tdvf;
	out->mrtd = mr.mrtd;
	rc = list_events(&m);
	if (!rc)
		rc = sum_up(&m);
	for (unsigned i = 0; i < m.nowned; i++)
		free(m.owned[i]);
	if (rc)
		memset(out, 0, sizeof(*out));
	return rc;
}
