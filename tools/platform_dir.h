/* SPDX-License-Identifier: MIT */
/* What a guest shows of the platform that it was started on, kept in a directory: copies of
 * /sys/firmware/qemu_fw_cfg/by_name, /sys/firmware/dmi/tables/DMI, /sys/firmware/efi/efivars. */
#ifndef TOOLS_PLATFORM_DIR_H
#define TOOLS_PLATFORM_DIR_H

#include <swtdx/expect.h>

enum { PLATFORM_FILES_MAX = 512, PLATFORM_NAME_MAX = 128 };

struct platform_dir {
	struct tdx_expect_file file[PLATFORM_FILES_MAX];
	char name[PLATFORM_FILES_MAX][PLATFORM_NAME_MAX];
	size_t n;
};

/* Every file below dir under the name that the library knows it by. Negative errno; -E2BIG: more
 * files than that, or a longer name. */
int platform_dir_read(const char *dir, struct platform_dir *out);
void platform_dir_free(struct platform_dir *p);

#endif
