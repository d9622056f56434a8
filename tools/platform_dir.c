/* SPDX-License-Identifier: MIT */
/* See tools/platform_dir.h. */
#include "tools/platform_dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/file.h"

#define FILE_MAX   (16u << 20)
#define DEPTH_MAX  8
#define PATH_BYTES 4096

/* fw_cfg's directory has a file `raw` for each item; efivarfs has the vendor after the name; ACPI's
 * three are known by their last names too. */
static void known_name(const char *path, char out[PLATFORM_NAME_MAX])
{
	static const char *const acpi[][2] = {{"table-loader", "etc/table-loader"},
					      {"rsdp", "etc/acpi/rsdp"},
					      {"tables", "etc/acpi/tables"}};
	static const char global[] = "-8be4df61-93ca-11d2-aa0d-00e098032b8c";
	size_t n;
	char *at;

	snprintf(out, PLATFORM_NAME_MAX, "%.*s", PLATFORM_NAME_MAX - 1, path);
	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(path, acpi[i][0]))
			snprintf(out, PLATFORM_NAME_MAX, "%s", acpi[i][1]);
	n = strlen(out);
	if (n > 4 && !strcmp(out + n - 4, "/raw"))
		out[n - 4] = 0;
	at = strstr(out, global);
	if (at)
		*at = 0;
	n = strlen(out);
	if (!strncmp(out, "by_name/", 8) || !strncmp(out, "efivars/", 8))
		memmove(out, out + 8, n - 8 + 1);
}

static int add_file(const char *path, const char *name, struct platform_dir *out)
{
	struct tdx_expect_file *f = &out->file[out->n];
	uint8_t *bytes;
	int rc;

	if (out->n == PLATFORM_FILES_MAX || strlen(name) >= PLATFORM_NAME_MAX)
		return -E2BIG;
	rc = file_read(path, FILE_MAX, &bytes, &f->bytes.len);
	if (rc)
		return rc;
	known_name(name, out->name[out->n]);
	f->name = out->name[out->n++];
	f->bytes.p = bytes;
	return 0;
}

static int walk(const char *path, const char *name, unsigned depth, struct platform_dir *out)
{
	DIR *d = depth < DEPTH_MAX ? opendir(path) : NULL;
	struct dirent *e;
	int rc = 0;

	if (!d)
		return depth < DEPTH_MAX ? -errno : -ELOOP;
	while (!rc && (e = readdir(d))) {
		char p[PATH_BYTES], n[PATH_BYTES];
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		if (snprintf(p, sizeof(p), "%s/%s", path, e->d_name) >= (int)sizeof(p) ||
		    snprintf(n, sizeof(n), "%s%s%s", name, name[0] ? "/" : "", e->d_name) >=
			    (int)sizeof(n))
			rc = -ENAMETOOLONG;
		else if (stat(p, &st))
			rc = -errno;
		else if (S_ISDIR(st.st_mode))
			rc = walk(p, n, depth + 1, out);
		else if (S_ISREG(st.st_mode))
			rc = add_file(p, n, out);
	}
	closedir(d);
	return rc;
}

int platform_dir_read(const char *dir, struct platform_dir *out)
{
	int rc;

	out->n = 0;
	rc = walk(dir, "", 0, out);
	if (rc)
		platform_dir_free(out);
	return rc;
}

void platform_dir_free(struct platform_dir *p)
{
	for (size_t i = 0; i < p->n; i++)
		free((void *)p->file[i].bytes.p);
	p->n = 0;
}
