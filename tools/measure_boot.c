/* SPDX-License-Identifier: MIT */
/* See tools/measure_boot.h. */
#include "tools/measure_boot.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/expect.h>

#include "tools/file.h"
#include "tools/hex.h"
#include "tools/verbs.h"

#define TABLE_MAX (16u << 20)
/* Of a disk only its partition table counts. */
#define DISK_MAX  (1u << 20)
#define HASH_TEXT (2 * TDX_SHA384_SIZE + 1)

static int complain(const char *what, const char *why, int status)
{
	fprintf(stderr, "swtdx measure: %s: %s\n", what, why);
	return status;
}

static int read_into(struct tdx_expect_bytes *to, const char *path, size_t max)
{
	uint8_t *p;
	int rc;

	if (!path)
		return 0;
	rc = file_read(path, max, &p, &to->len);
	if (rc)
		return complain(path, strerror(-rc), VERB_ENVIRONMENT);
	to->p = p;
	return 0;
}

/* Under QEMU's own names, without their folders; what is not there is not given. */
static int read_acpi(struct tdx_expect_inputs *in, const char *dir)
{
	static const char *const names[] = {"table-loader", "rsdp", "tables"};
	char path[4096];
	int rc = 0;

	for (unsigned i = 0; dir && i < 3 && !rc; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		rc = read_into(&in->acpi[i], path, TABLE_MAX);
	}
	return rc;
}

static int read_all(struct tdx_expect_inputs *in, const struct measure_boot *b)
{
	int rc = read_into(&in->firmware, b->firmware, TDX_TDVF_MAX_IMAGE + 1);

	if (!rc)
		rc = read_into(&in->kernel, b->files.kernel, TDX_TDVF_MAX_IMAGE);
	if (!rc)
		rc = read_into(&in->initrd, b->files.initrd, TDX_TDVF_MAX_IMAGE);
	if (!rc)
		rc = read_into(&in->disk, b->disk, DISK_MAX);
	if (!rc)
		rc = read_into(&in->shim, b->shim, TDX_TDVF_MAX_IMAGE);
	if (!rc)
		rc = read_into(&in->grub, b->grub, TDX_TDVF_MAX_IMAGE);
	return rc ? rc : read_acpi(in, b->acpi);
}

static void free_all(struct tdx_expect_inputs *in)
{
	struct tdx_expect_bytes *all[] = {&in->firmware, &in->kernel,  &in->initrd,
					  &in->disk,	 &in->shim,    &in->grub,
					  &in->acpi[0],	 &in->acpi[1], &in->acpi[2]};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free((void *)all[i]->p);
}

static void print_text(const struct tdx_expect *e)
{
	char text[HASH_TEXT];

	hex_text(text, e->mrtd.b, TDX_SHA384_SIZE);
	printf("mrtd       %s\n", text);
	for (unsigned r = 0; r < 3; r++) {
		hex_text(text, e->rtmr[r].b, TDX_SHA384_SIZE);
		printf("rtmr%u      %s\n", r,
		       e->known[r] ? text : "not known: not every event below is");
	}
	for (size_t i = 0; i < e->nevents; i++) {
		const struct tdx_expect_event *v = &e->event[i];

		hex_text(text, v->digest.b, TDX_SHA384_SIZE);
		printf("event      rtmr%u %s: %s\n", v->rtmr, v->type, v->what);
		printf("           %s%s%s\n", v->known ? text : v->from,
		       v->known ? "\n           from " : "", v->known ? v->from : "");
	}
}

static int print_json(const struct tdx_expect *e)
{
	json_t *rtmrs = json_array(), *events = json_array(), *root;
	char text[HASH_TEXT];
	int rc;

	for (unsigned r = 0; r < 3; r++) {
		hex_text(text, e->rtmr[r].b, TDX_SHA384_SIZE);
		json_array_append_new(rtmrs, e->known[r] ? json_string(text) : json_null());
	}
	for (size_t i = 0; i < e->nevents; i++) {
		const struct tdx_expect_event *v = &e->event[i];

		hex_text(text, v->digest.b, TDX_SHA384_SIZE);
		json_array_append_new(events,
				      json_pack("{s:i,s:s,s:s,s:o,s:s}", "rtmr", (int)v->rtmr,
						"type", v->type, "what", v->what, "digest",
						v->known ? json_string(text) : json_null(), "from",
						v->from));
	}
	hex_text(text, e->mrtd.b, TDX_SHA384_SIZE);
	root = json_pack("{s:s,s:b,s:s,s:o,s:o}", "schema", "swtdx.measure-boot/1", "simulated", 0,
			 "mrtd", text, "rtmr", rtmrs, "events", events);
	rc = root ? json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : -1;
	putchar('\n');
	json_decref(root);
	return rc ? VERB_ENVIRONMENT : VERB_OK;
}

static int show(const struct measure_boot *b, const struct tdx_expect_inputs *in)
{
	char err[TDX_EXPECT_ERROR_TEXT];
	struct tdx_expect *e = calloc(1, sizeof(*e));
	int rc = e ? tdx_expect_boot(in, e, err) : -ENOMEM;

	if (rc == -EINVAL)
		rc = complain(b->files.kernel, err, VERB_DIFFERENCE);
	else if (rc)
		rc = complain(b->files.kernel, strerror(-rc), VERB_ENVIRONMENT);
	else if (b->json)
		rc = print_json(e);
	else
		print_text(e);
	free(e);
	return rc;
}

int measure_boot(const struct measure_boot *b)
{
	struct tdx_expect_inputs in = {
		.boot = (enum tdx_expect_boot)b->boot,
		.ovmf = (enum tdx_expect_ovmf)b->ovmf,
		.append = b->files.append,
		.memory = b->memory,
	};
	int rc = read_all(&in, b);

	if (!rc)
		rc = show(b, &in);
	free_all(&in);
	return rc;
}
