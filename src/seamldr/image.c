/* SPDX-License-Identifier: MIT */
/* Making an image that the simulated P-SEAMLDR takes; see <swtdx/module_image.h>. */
#include <errno.h>
#include <string.h>

#include <swtdx/module_image.h>

#include "seamldr/internal.h"

enum {
	DEFAULT_MINOR_SVN = 13,
	DEFAULT_MAJOR_SVN = 1,
	HANDOFF_PAGES = 13,
	TDMRS = 64,
	RESERVED_PER_TDMR = 16,
	PAMT_ENTRY = 16,
	BUILD_DATE = 20251001,
};

static unsigned module_pages(const struct tdx_module_image_config *cfg)
{
	return cfg->num_module_pages ? cfg->num_module_pages : 1;
}

size_t tdx_module_image_size(const struct tdx_module_image_config *cfg)
{
	return (2 + (size_t)module_pages(cfg)) * TDX_PAGE_SIZE;
}

static struct tdx_seam_sigstruct sigstruct(const struct tdx_module_image_config *cfg)
{
	return (struct tdx_seam_sigstruct){
		.header_type = TDX_SIGSTRUCT_TYPE,
		.header_length = TDX_SIGSTRUCT_HEADER,
		.header_version = TDX_SIGSTRUCT_VERSION,
		.module_vendor = TDX_SIGSTRUCT_VENDOR,
		.date = BUILD_DATE,
		.size = TDX_SIGSTRUCT_SIZE / 4,
		.key_size = TDX_SIGSTRUCT_KEY_SIZE / 4,
		.modulus_size = TDX_SIGSTRUCT_KEY_SIZE / 4,
		.exponent_size = 1,
		.exponent = TDX_SIGSTRUCT_EXPONENT,
		.minor_svn = cfg->minor_svn || cfg->major_svn ? cfg->minor_svn : DEFAULT_MINOR_SVN,
		.major_svn = cfg->minor_svn || cfg->major_svn ? cfg->major_svn : DEFAULT_MAJOR_SVN,
		.num_stack_pages = 7,
		.num_tls_pages = 7,
		.num_keyhole_pages = 127,
		.num_global_data_pages =
			cfg->num_global_data_pages ? cfg->num_global_data_pages : 31,
		.max_tdmrs = TDMRS,
		.max_reserved_per_tdmr = RESERVED_PER_TDMR,
		.pamt_entry_size = {PAMT_ENTRY, PAMT_ENTRY, PAMT_ENTRY},
		.module_hv = cfg->module_hv,
		.min_update_hv = cfg->min_update_hv,
		.no_downgrade = 1,
		.num_handoff_pages = HANDOFF_PAGES,
		.num_cpus = 1,
		.cpu = {cfg->cpu ? cfg->cpu : machine_platform_spr.fms},
	};
}

int tdx_module_image_make(const struct tdx_module_image_config *cfg, void *buf)
{
	const size_t name = cfg->profile ? strlen(cfg->profile) : 0;
	struct tdx_module_image *header = buf;
	uint8_t *sig = (uint8_t *)buf + TDX_PAGE_SIZE, *module = sig + TDX_PAGE_SIZE;
	struct tdx_seam_sigstruct s = sigstruct(cfg);
	struct image_start *start = (struct image_start *)module;

	if (module_pages(cfg) > TDX_SEAMLDR_MAX_MODULE_PAGES || name >= sizeof(start->profile))
		return -EINVAL;
	memset(buf, 0, tdx_module_image_size(cfg));
	memcpy(start->magic, IMAGE_MAGIC, sizeof(IMAGE_MAGIC));
	if (name)
		memcpy(start->profile, cfg->profile, name);
	if (!loader_sha384(module, module_pages(cfg) * TDX_PAGE_SIZE, &s.seamhash) ||
	    !signature_modulus(s.modulus) || !signature_make(&s))
		return -EIO;
	memcpy(sig, &s, sizeof(s));
	header->version = TDX_MODULE_IMAGE_VERSION;
	memcpy(header->signature, TDX_MODULE_IMAGE_SIGNATURE, sizeof(header->signature));
	header->num_sig_pages = 1;
	header->num_module_pages = module_pages(cfg);
	return 0;
}
