/* SPDX-License-Identifier: MIT */
/* swtdx measure: the MRTD a firmware image will have, and the sections it comes from. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/measure.h>

#include "tools/file.h"
#include "tools/hex.h"
#include "tools/verbs.h"

static const char usage[] =
	"usage: swtdx measure [--order page|section|all] [--json] IMAGE\n"
	"\n"
	"Prints the MRTD of a TD built from the firmware IMAGE (- is standard input).\n"
	"  --order page     each page added, then extended, as KVM does it (default)\n"
	"  --order section  all pages of a section added, then all extended\n"
	"  --order all      page order, every added page extended\n"
	"  --json           the same as JSON\n";

static void attributes_text(char *out, size_t len, uint32_t attributes)
{
	snprintf(out, len, "%s%s%s", attributes & TDVF_ATTR_MR_EXTEND ? "extend" : "",
		 attributes == (TDVF_ATTR_MR_EXTEND | TDVF_ATTR_PAGE_AUG) ? "," : "",
		 attributes & TDVF_ATTR_PAGE_AUG ? "aug" : "");
	if (!out[0])
		snprintf(out, len, "-");
}

static void print_text(const char *name, size_t size, enum tdvf_order order,
		       const struct tdvf_measurement *m)
{
	char mrtd[2 * TDX_SHA384_SIZE + 1];
	char attributes[16];

	hex_text(mrtd, m->mrtd.b, sizeof(m->mrtd.b));
	printf("image      %s, %zu bytes, metadata at 0x%" PRIx32 "\n\n", name, size,
	       m->tdvf.descriptor_offset);
	printf("section  type          data in image            memory of the TD          "
	       "measured\n");
	for (unsigned i = 0; i < m->tdvf.nr_sections; i++) {
		const struct tdvf_section *s = &m->tdvf.section[i];

		attributes_text(attributes, sizeof(attributes), s->attributes);
		printf("%7u  %-12s  0x%08" PRIx32 "+0x%08" PRIx32 "  0x%011" PRIx64 "+0x%09" PRIx64
		       "  %s\n",
		       i, tdvf_type_name(s->type), s->data_offset, s->raw_size, s->memory.v,
		       s->memory_size, attributes);
	}
	printf("\norder      %s: %" PRIu64 " pages added, %" PRIu64 " chunks extended\n",
	       tdvf_order_name(order), m->pages, m->extends);
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

static json_t *section_json(unsigned index, const struct tdvf_section *s)
{
	return json_pack("{s:i,s:s,s:o,s:o,s:o,s:o,s:o,s:b,s:b}", "index", (int)index, "type",
			 tdvf_type_name(s->type), "data_offset", hex_word(s->data_offset),
			 "raw_size", hex_word(s->raw_size), "memory_address", hex_word(s->memory.v),
			 "memory_size", hex_word(s->memory_size), "attributes",
			 hex_word(s->attributes), "mr_extend",
			 !!(s->attributes & TDVF_ATTR_MR_EXTEND), "page_aug",
			 !!(s->attributes & TDVF_ATTR_PAGE_AUG));
}

static int print_json(const char *name, size_t size, enum tdvf_order order,
		      const struct tdvf_measurement *m)
{
	char mrtd[2 * TDX_SHA384_SIZE + 1];
	json_t *sections = json_array();
	json_t *root;
	int rc;

	hex_text(mrtd, m->mrtd.b, sizeof(m->mrtd.b));
	for (unsigned i = 0; i < m->tdvf.nr_sections; i++)
		json_array_append_new(sections, section_json(i, &m->tdvf.section[i]));
	root = json_pack("{s:s,s:o,s:I,s:o,s:o,s:s,s:I,s:I,s:s}", "schema", "swtdx.measure/1",
			 "image", name_json(name), "size", (json_int_t)size, "metadata_offset",
			 hex_word(m->tdvf.descriptor_offset), "sections", sections, "order",
			 tdvf_order_name(order), "pages_added", (json_int_t)m->pages,
			 "chunks_extended", (json_int_t)m->extends, "mrtd", mrtd);
	rc = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(root);
	return rc;
}

static int parse_order(const char *text, enum tdvf_order *order)
{
	for (int o = TDVF_ORDER_PAGE; o <= TDVF_ORDER_ALL; o++) {
		if (!strcmp(text, tdvf_order_name((enum tdvf_order)o))) {
			*order = (enum tdvf_order)o;
			return 0;
		}
	}
	return -EINVAL;
}

static int measure(const char *path, enum tdvf_order order, bool json)
{
	const char *name = strcmp(path, "-") ? path : "<stdin>";
	struct tdvf_measurement m;
	char line[TDVF_ERROR_TEXT];
	struct tdvf_error err;
	uint8_t *image;
	size_t size;
	int rc;

	/* One byte over the limit is enough for the parser to say that it is too much. */
	rc = file_read(path, TDVF_MAX_IMAGE + 1, &image, &size);
	if (rc) {
		fprintf(stderr, "swtdx measure: %s: %s\n", name, strerror(-rc));
		return VERB_ENVIRONMENT;
	}
	rc = tdvf_mrtd(image, size, order, &m, &err);
	if (rc == -EINVAL) {
		fprintf(stderr, "swtdx measure: %s: %s\n", name,
			tdvf_error_text(&err, line, sizeof(line)));
		rc = VERB_DIFFERENCE;
	} else if (rc) {
		fprintf(stderr, "swtdx measure: %s: SHA-384: %s\n", name, strerror(-rc));
		rc = VERB_ENVIRONMENT;
	} else if (json) {
		rc = print_json(name, size, order, &m) ? VERB_ENVIRONMENT : VERB_OK;
	} else {
		print_text(name, size, order, &m);
		rc = VERB_OK;
	}
	if (rc == VERB_OK && (fflush(stdout) || ferror(stdout))) {
		fprintf(stderr, "swtdx measure: standard output: %s\n", strerror(errno));
		rc = VERB_ENVIRONMENT;
	}
	free(image);
	return rc;
}

int verb_measure(int argc, char **argv)
{
	static const struct option options[] = {
		{"order", required_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	enum tdvf_order order = TDVF_ORDER_PAGE;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			if (parse_order(optarg, &order)) {
				fprintf(stderr,
					"swtdx measure: no order '%s': page, section or all\n",
					optarg);
				return VERB_USAGE;
			}
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return VERB_OK;
		default:
			fputs(usage, stderr);
			return VERB_USAGE;
		}
	}
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return VERB_USAGE;
	}
	return measure(argv[optind], order, json);
}
