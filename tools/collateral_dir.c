/* SPDX-License-Identifier: MIT */
/* See tools/collateral_dir.h. */
#include "tools/collateral_dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/file.h"
#include "tools/text.h"

#define FILE_MAX  (4u << 20)
#define FILES_MAX 256

static int add_file(struct tdx_collateral *c, const char *path)
{
	char shown[TEXT_NAME];
	uint8_t *bytes;
	size_t len;
	int rc = file_read(path, FILE_MAX, &bytes, &len);

	if (rc)
		return rc;
	rc = tdx_collateral_add(c, bytes, len);
	free(bytes);
	if (rc == -EINVAL)
		fprintf(stderr, "swtdx report: %s: not collateral, passed over\n",
			text_name(path, shown));
	return rc == -EINVAL ? 0 : rc;
}

static bool wanted(const char *dir, const struct dirent *e, char *path, size_t len)
{
	struct stat st;

	snprintf(path, len, "%s/%s", dir, e->d_name);
	/* A root in DER is trusted when it is named, and is no collateral. */
	return e->d_name[0] != '.' && strcmp(e->d_name, "rootCa.der") && !stat(path, &st) &&
	       S_ISREG(st.st_mode);
}

static int add_directory(struct tdx_collateral *c, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[4096];
	int rc = 0;

	if (!d)
		return -errno;
	for (unsigned i = 0; !rc && i < FILES_MAX && (e = readdir(d)); i++)
		if (wanted(dir, e, path, sizeof(path)))
			rc = add_file(c, path);
	closedir(d);
	return rc;
}

int collateral_dir_read(const char *path, struct tdx_collateral **out)
{
	struct stat st;
	int rc = tdx_collateral_create(out);

	if (rc)
		return rc;
	if (stat(path, &st))
		rc = -errno;
	else
		rc = S_ISDIR(st.st_mode) ? add_directory(*out, path) : add_file(*out, path);
	if (rc) {
		tdx_collateral_free(*out);
		*out = NULL;
	}
	return rc;
}
