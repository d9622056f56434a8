/* SPDX-License-Identifier: MIT */
/* swtdx measure: the MRTD a firmware image will have, and the sections it comes from. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/boot.h>
#include <swtdx/expect.h>

#include "tools/boot_files.h"
#include "tools/file.h"
#include "tools/hex.h"
#include "tools/json_print.h"
#include "tools/measure_boot.h"
#include "tools/options.h"
#include "tools/verbs.h"

static void attributes_text(char *out, size_t len, uint32_t attributes)
{
	snprintf(out, len, "%s%s%s", attributes & TDX_TDVF_ATTR_MR_EXTEND ? "extend" : "",
		 attributes == (TDX_TDVF_ATTR_MR_EXTEND | TDX_TDVF_ATTR_PAGE_AUG) ? "," : "",
		 attributes & TDX_TDVF_ATTR_PAGE_AUG ? "aug" : "");
	if (!out[0])
		snprintf(out, len, "-");
}

/* What is measured: an image of the user's, or one composed of a kernel. */
struct subject {
	const char *image;
	struct boot_files boot;
	uint64_t memory;
	enum tdx_tdvf_order order;
	bool json;
	const char *save; /* where the composed image goes */
	struct tdx_rtmr_event event[TDX_BOOT_EVENTS];
	size_t nevents;
	struct tdx_digest rtmr[TDX_RTMRS];
};

static void print_rtmrs(const struct subject *s)
{
	char text[2 * TDX_SHA384_SIZE + 1];

	for (unsigned i = 0; s->nevents && i < TDX_RTMRS; i++) {
		hex_text(text, s->rtmr[i].b, TDX_SHA384_SIZE);
		printf("rtmr%u      %s\n", i, text);
	}
	for (size_t i = 0; i < s->nevents; i++) {
		hex_text(text, s->event[i].digest.b, TDX_SHA384_SIZE);
		printf("event      rtmr%u %-16s %s\n", s->event[i].rtmr, s->event[i].what, text);
	}
}

static json_t *rtmrs_json(const struct subject *s)
{
	json_t *rtmrs = json_array();
	char text[2 * TDX_SHA384_SIZE + 1];

	for (unsigned i = 0; s->nevents && i < TDX_RTMRS; i++) {
		hex_text(text, s->rtmr[i].b, TDX_SHA384_SIZE);
		json_array_append_new(rtmrs, json_string(text));
	}
	return rtmrs;
}

static json_t *events_json(const struct subject *s)
{
	json_t *events = json_array();
	char text[2 * TDX_SHA384_SIZE + 1];

	for (size_t i = 0; i < s->nevents; i++) {
		hex_text(text, s->event[i].digest.b, TDX_SHA384_SIZE);
		json_array_append_new(events,
				      json_pack("{s:i,s:s,s:s}", "rtmr", (int)s->event[i].rtmr,
						"what", s->event[i].what, "digest", text));
	}
	return events;
}

static void print_text(const char *name, size_t size, enum tdx_tdvf_order order,
		       const struct tdx_tdvf_measurement *m)
{
	char mrtd[2 * TDX_SHA384_SIZE + 1];
	char attributes[16];

	hex_text(mrtd, m->mrtd.b, sizeof(m->mrtd.b));
	printf("image      %s, %zu bytes, metadata at 0x%" PRIx32 "\n\n", name, size,
	       m->tdvf.descriptor_offset);
	printf("section  type          data in image            memory of the TD          "
	       "measured\n");
	for (unsigned i = 0; i < m->tdvf.nr_sections; i++) {
		const struct tdx_tdvf_section *s = &m->tdvf.section[i];

		attributes_text(attributes, sizeof(attributes), s->attributes);
		printf("%7u  %-12s  0x%08" PRIx32 "+0x%08" PRIx32 "  0x%011" PRIx64 "+0x%09" PRIx64
		       "  %s\n",
		       i, tdx_tdvf_type_name(s->type), s->data_offset, s->raw_size, s->memory.v,
		       s->memory_size, attributes);
	}
	printf("\norder      %s: %" PRIu64 " pages added, %" PRIu64 " chunks extended\n",
	       tdx_tdvf_order_name(order), m->pages, m->extends);
	printf("mrtd       %s\n", mrtd);
}

static json_t *hex_word(uint64_t v)
{
	char text[20];

	snprintf(text, sizeof(text), "0x%" PRIx64, v);
	return json_string(text);
}

/* A file name need not be UTF-8; JSON must be. */
static json_t *name_json(const char *name)
{
	json_t *j = json_string(name);

	return j ? j : json_string("(not UTF-8)");
}

static json_t *section_json(unsigned index, const struct tdx_tdvf_section *s)
{
	return json_pack("{s:i,s:s,s:o,s:o,s:o,s:o,s:o,s:b,s:b}", "index", (int)index, "type",
			 tdx_tdvf_type_name(s->type), "data_offset", hex_word(s->data_offset),
			 "raw_size", hex_word(s->raw_size), "memory_address", hex_word(s->memory.v),
			 "memory_size", hex_word(s->memory_size), "attributes",
			 hex_word(s->attributes), "mr_extend",
			 !!(s->attributes & TDX_TDVF_ATTR_MR_EXTEND), "page_aug",
			 !!(s->attributes & TDX_TDVF_ATTR_PAGE_AUG));
}

static int print_json(const char *name, size_t size, const struct subject *subject,
		      const struct tdx_tdvf_measurement *m)
{
	char mrtd[2 * TDX_SHA384_SIZE + 1];
	json_t *sections = json_array();
	json_t *root;

	hex_text(mrtd, m->mrtd.b, sizeof(m->mrtd.b));
	for (unsigned i = 0; i < m->tdvf.nr_sections; i++)
		json_array_append_new(sections, section_json(i, &m->tdvf.section[i]));
	root = json_pack("{s:s,s:b,s:o,s:I,s:o,s:o,s:s,s:I,s:I,s:s}", "schema", "swtdx.measure/1",
			 "simulated", 0, "image", name_json(name), "size", (json_int_t)size,
			 "metadata_offset", hex_word(m->tdvf.descriptor_offset), "sections",
			 sections, "order", tdx_tdvf_order_name(subject->order), "pages_added",
			 (json_int_t)m->pages, "chunks_extended", (json_int_t)m->extends, "mrtd",
			 mrtd);
	if (root && subject->nevents) {
		json_object_set_new(root, "rtmr", rtmrs_json(subject));
		json_object_set_new(root, "events", events_json(subject));
	}
	return json_print(stdout, root, JSON_INDENT(2));
}

static int read_image(struct subject *s, uint8_t **image, size_t *size)
{
	int rc;

	if (s->boot.kernel)
		return boot_files_compose("swtdx measure", &s->boot, image, size);
	/* One byte over the limit is enough for the parser to say that it is too much. */
	rc = file_read(s->image, TDX_TDVF_MAX_IMAGE + 1, image, size);
	if (!rc)
		return VERB_OK;
	fprintf(stderr, "swtdx measure: %s: %s\n", s->image, strerror(-rc));
	return VERB_ENVIRONMENT;
}

/* What the composed image's firmware will extend. */
static int compute_rtmrs(struct subject *s, const uint8_t *image, size_t size)
{
	size_t bad;
	int rc;

	if (!s->boot.kernel)
		return 0;
	rc = tdx_boot_events(image, size, s->memory, s->event);
	if (rc)
		return rc;
	s->nevents = TDX_BOOT_EVENTS;
	return tdx_rtmr_replay(s->event, s->nevents, s->rtmr, &bad);
}

static int measure(struct subject *s)
{
	const char *name = s->boot.kernel		? s->boot.kernel
			   : strcmp(s->image, "-") == 0 ? "<stdin>"
							: s->image;
	struct tdx_tdvf_measurement m;
	char line[TDX_TDVF_ERROR_TEXT];
	struct tdx_tdvf_error err;
	uint8_t *image;
	size_t size;
	int rc = read_image(s, &image, &size);

	if (rc)
		return rc;
	rc = s->save ? file_write(s->save, image, size) : 0;
	if (rc) {
		free(image);
		return file_complain("measure", s->save, rc);
	}
	rc = tdx_tdvf_mrtd(image, size, s->order, &m, &err);
	if (rc == -EINVAL) {
		fprintf(stderr, "swtdx measure: %s: %s\n", name,
			tdx_tdvf_error_text(&err, line, sizeof(line)));
		free(image);
		return VERB_DIFFERENCE;
	}
	if (!rc)
		rc = compute_rtmrs(s, image, size);
	free(image);
	if (rc) {
		fprintf(stderr, "swtdx measure: %s: SHA-384: %s\n", name, strerror(-rc));
		return VERB_ENVIRONMENT;
	}
	if (s->json) {
		rc = print_json(name, size, s, &m) ? VERB_ENVIRONMENT : VERB_OK;
	} else {
		print_text(name, size, s->order, &m);
		print_rtmrs(s);
	}
	return rc;
}

int verb_measure(int argc, char **argv)
{
	struct subject s = {0};
	struct measure_boot b = {0};
	uint64_t mib = 0;
	unsigned order = 0, boot = 0;
	const struct verb_option options[] = {
		OPTION_CHOICE("order", "page|section|all", &order,
			      "page: each page added, then extended, as KVM does it (default); "
			      "section: all pages of a section added, then all extended; all: page "
			      "order, every added page extended"),
		OPTION_TEXT("kernel", "FILE", &s.boot.kernel,
			    "a Linux kernel, as swtdx run boots it, in place of IMAGE; plain, "
			    "packed by gzip, xz or zstd, or a unified kernel image"),
		OPTION_TEXT("initrd", "FILE", &s.boot.initrd, "its initial file system"),
		OPTION_TEXT("append", "CMDLINE", &s.boot.append, "its command line"),
		OPTION_TEXT("image", "FILE", &s.save,
			    "with --kernel: write the image that is measured, for another monitor"),
		OPTION_NUMBER("memory", "MIB", &mib, 1, 1u << 20,
			      "memory of that TD, which its RTMR 0 tells (512; none with --boot)"),
		OPTION_CHOICE("boot", "none|direct|uki|grub", &boot,
			      "expected values of a TD that OVMF boots: direct: QEMU's -kernel; "
			      "uki: --kernel is a unified kernel image on a disk; grub: shim and "
			      "GRUB from a disk, which starts --kernel by its EFI stub"),
		OPTION_TEXT("firmware", "FILE", &b.firmware, "with --boot: OVMF's image"),
		OPTION_CHOICE("ovmf", "new|old", &b.ovmf,
			      "with --boot: new: edk2 202505 under QEMU 10.1 and later (default); "
			      "old: before"),
		OPTION_TEXT("platform", "DIR", &b.platform,
			    "with --boot: what a guest of this configuration shows: copies of its "
			    "/sys/firmware/qemu_fw_cfg/by_name (ACPI tables and others), "
			    "/sys/firmware/dmi/tables/DMI, and of BootOrder and Boot* in "
			    "/sys/firmware/efi/efivars"),
		OPTION_TEXT("disk", "IMAGE", &b.disk,
			    "with --boot uki or grub: the disk (raw), of which the partition table "
			    "is measured, and the loader of its EFI system partition started"),
		OPTION_TEXT("disk-at", "DEV.FN", &b.disk_at,
			    "with --boot uki or grub: the disk's PCI device and function, those of "
			    "bridges before it (1.0, 2.0/0.0), for the firmware's boot option"),
		OPTION_TEXT("shim", "FILE", &b.shim, "with --boot grub: shim, as on the disk"),
		OPTION_TEXT("grub", "FILE", &b.grub, "with --boot grub: GRUB, as on the disk"),
		OPTION_FLAG("json", &s.json, "the same content as JSON"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"measure",
		"[--order page|section|all] [--json] IMAGE\n"
		"[OPTION]... --kernel FILE [--initrd FILE] [--append CMDLINE]\n"
		"--boot direct|uki|grub --firmware FILE --kernel FILE [OPTION]...\n"
		"--boot uki --firmware FILE --disk IMAGE [OPTION]...",
		"Prints the MRTD of a TD built from the firmware IMAGE (- is standard input), "
		"or MRTD and RTMRs of a TD that swtdx run boots from the same kernel, initrd "
		"and command line, or those of a TD that OVMF boots under QEMU.",
		NULL, options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (!s.boot.kernel && (s.boot.initrd || s.boot.append))
		return options_wrong(&usage, "--initrd and --append go with --kernel");
	if (s.save && (!s.boot.kernel || boot))
		return options_wrong(&usage, "--image goes with --kernel, without --boot");
	if (!boot && (b.firmware || b.platform || b.disk || b.disk_at || b.shim || b.grub))
		return options_wrong(&usage, "--firmware, --platform, --disk, --disk-at, --shim "
					     "and --grub go with --boot");
	if (boot && (!b.firmware || (!s.boot.kernel && !(b.disk && boot == 1 + TDX_EXPECT_UKI))))
		return options_wrong(&usage, "--boot needs --firmware and --kernel, or a --disk "
					     "that has the unified kernel image");
	if (argc != (s.boot.kernel || boot ? 0 : 1))
		return options_wrong(&usage, s.boot.kernel
						     ? "an IMAGE and --kernel exclude each other"
						     : "one IMAGE is needed");
	if (boot) {
		b.boot = boot - 1;
		b.files = s.boot;
		b.memory = mib << 20;
		b.json = s.json;
		return measure_boot(&b);
	}
	s.order = (enum tdx_tdvf_order)order;
	s.memory = s.boot.memory = (mib ? mib : 512) << 20;
	s.image = argv[0];
	return measure(&s);
}
