/* SPDX-License-Identifier: MIT */
/* swtdx seamldr: module images for the simulated P-SEAMLDR, as Linux's firmware upload takes them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <swtdx/module_image.h>

#include "tools/file.h"
#include "tools/json_print.h"
#include "tools/options.h"
#include "tools/profile.h"
#include "tools/verbs.h"

struct image_options {
	const char *profile;
	uint64_t module_hv, min_update_hv, svn, pages;
	bool json;
};

/* Of the SIGSTRUCT, which is behind the header. */
static void hex_of(const struct tdx_seam_sigstruct *s, char hex[2 * sizeof(s->seamhash) + 1])
{
	for (size_t i = 0; i < sizeof(s->seamhash.b); i++)
		snprintf(hex + 2 * i, 3, "%02x", s->seamhash.b[i]);
}

static int tell(const struct image_options *o, const char *path, const uint8_t *image, size_t size)
{
	struct tdx_seam_sigstruct s;
	char hex[2 * sizeof(s.seamhash) + 1] = "";
	json_t *root;

	memcpy(&s, image + TDX_PAGE_SIZE, sizeof(s));
	hex_of(&s, hex);
	if (!o->json) {
		fprintf(stderr,
			"%s: a module of version %s, SVN %u.%u, handoff version %u (from %u "
			"on), %zu bytes, hash %.16s...; simulated\n",
			path, o->profile, s.major_svn, s.minor_svn, s.module_hv, s.min_update_hv,
			size, hex);
		return VERB_OK;
	}
	root = json_pack("{s:s,s:s,s:s,s:i,s:i,s:i,s:i,s:I,s:s,s:b}", "schema", "swtdx.seamldr/1",
			 "file", path, "version", o->profile, "major_svn", s.major_svn, "minor_svn",
			 s.minor_svn, "module_hv", s.module_hv, "min_update_hv", s.min_update_hv,
			 "size", (json_int_t)size, "seamhash", hex, "simulated", 1);
	return json_print(stdout, root, JSON_INDENT(2)) ? VERB_ENVIRONMENT : VERB_OK;
}

static int write_image(const struct image_options *o, const char *path)
{
	const struct tdx_module_image_config cfg = {
		.profile = o->profile,
		.minor_svn = (uint8_t)o->svn,
		.major_svn = o->svn ? 1 : 0,
		.module_hv = (uint16_t)o->module_hv,
		.min_update_hv = (uint16_t)o->min_update_hv,
		.num_module_pages = (unsigned)o->pages,
	};
	const size_t size = tdx_module_image_size(&cfg);
	uint8_t *image = malloc(size);
	int err = image ? tdx_module_image_make(&cfg, image) : -ENOMEM, rc = VERB_ENVIRONMENT;

	if (!err)
		err = file_write(path, image, size);
	if (err)
		fprintf(stderr, "swtdx seamldr: %s: %s\n", path, strerror(-err));
	else
		rc = tell(o, path, image, size);
	free(image);
	return rc;
}

int verb_seamldr(int argc, char **argv)
{
	struct image_options o = {.module_hv = 1, .pages = 1};
	const struct verb_option options[] = {
		OPTION_TEXT("profile", "V", &o.profile, PROFILE_HELP),
		OPTION_NUMBER("svn", "N", &o.svn, 1, UINT8_MAX,
			      "minor SVN of the module; less than that of the one there is: it is "
			      "refused (that of a machine's first module)"),
		OPTION_NUMBER("module-hv", "N", &o.module_hv, 0, UINT16_MAX,
			      "version of the handoff data that it leaves (1)"),
		OPTION_NUMBER("min-update-hv", "N", &o.min_update_hv, 0, UINT16_MAX,
			      "the oldest it takes (0)"),
		OPTION_NUMBER("pages", "N", &o.pages, 1, TDX_SEAMLDR_MAX_MODULE_PAGES,
			      "pages of the module (1)"),
		OPTION_FLAG("json", &o.json, "say what was written as JSON"),
	};
	const struct verb_usage usage = VERB_USAGE_OF("seamldr", "[OPTION]... FILE",
						      "Write an image of the simulated TDX module, "
						      "as SEAMLDR.INSTALL and Linux's firmware "
						      "upload take it.",
						      "FILE may be \"-\", but not with --json. The "
						      "key that signs it is no secret; no real "
						      "P-SEAMLDR takes such an image.",
						      options);
	const struct module_profile *profile;
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (argc != 1)
		return options_wrong(&usage, argc ? "one file" : "no file");
	if (o.json && strcmp(argv[0], "-") == 0)
		return options_wrong(&usage, "--json and the image cannot both be standard output");
	if (!profile_named(&usage, o.profile, &profile))
		return VERB_USAGE;
	if (!o.profile)
		o.profile = module_profile_at(0)->name;
	return write_image(&o, argv[0]);
}
