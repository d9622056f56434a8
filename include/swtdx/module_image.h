/* SPDX-License-Identifier: MIT */
/* Images of the simulated module, for its P-SEAMLDR.
 *
 * The simulated P-SEAMLDR takes images that are signed with its own key, which is no secret. What
 * such an image holds is the name of a version that the simulated module can behave like.
 * Usable from C++. */
#ifndef SWTDX_MODULE_IMAGE_H
#define SWTDX_MODULE_IMAGE_H

#include <swtdx/seamldr.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct tdx_module_image_config {
	const char *profile;	      /* one that swtdx knows by --profile; NULL: the default */
	uint8_t minor_svn, major_svn; /* 0: those of the module a machine starts with */
	uint16_t module_hv, min_update_hv; /* as they are: 1 and 0 are the module's */
	unsigned num_module_pages;	   /* 0: one */
	uint16_t num_global_data_pages;	   /* less one; 0: as many as it has */
	uint32_t cpu;			   /* CPUID(1).EAX of the one it is for; 0: the default's */
};

/* Bytes of the image. */
size_t tdx_module_image_size(const struct tdx_module_image_config *cfg);
/* Into buf, of that size. 0; -EINVAL: no such number of pages, or too long a name; -ENOMEM; -EIO:
 * the crypto library. Any thread. */
int tdx_module_image_make(const struct tdx_module_image_config *cfg, void *buf);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
