/* SPDX-License-Identifier: MIT */
/* See tools/state_file.h. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/state_file.h"

int state_path(const char *dir, const char *name, char *path, size_t len)
{
	const char *env;
	int n;

	if (dir)
		n = snprintf(path, len, "%s/%s", dir, name);
	else if ((env = getenv("SWTDX_STATE")) && *env)
		n = snprintf(path, len, "%s/%s", env, name);
	else if ((env = getenv("XDG_STATE_HOME")) && *env)
		n = snprintf(path, len, "%s/swtdx/%s", env, name);
	else if ((env = getenv("HOME")) && *env)
		n = snprintf(path, len, "%s/.local/state/swtdx/%s", env, name);
	else
		return -ENOENT;
	return n > 0 && (size_t)n < len ? 0 : -ENAMETOOLONG;
}

/* Makes every directory of a path that is not there. */
static int make_parents(const char *path)
{
	char *copy = strdup(path);
	int rc = copy ? 0 : -ENOMEM;

	for (char *p = copy; !rc && (p = strchr(p + 1, '/'));) {
		*p = 0;
		if (mkdir(copy, 0700) && errno != EEXIST)
			rc = -errno;
		*p = '/';
	}
	free(copy);
	return rc;
}

static int write_all(int fd, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

static int link_new(const char *path, const void *bytes, size_t len)
{
	char other[4096];
	int n = snprintf(other, sizeof(other), "%s.XXXXXX", path);
	int fd, rc;

	if (n < 0 || (size_t)n >= sizeof(other))
		return -ENAMETOOLONG;
	fd = mkstemp(other); /* mode 0600 */
	if (fd < 0)
		return -errno;
	rc = write_all(fd, bytes, len);
	close(fd);
	if (!rc && link(other, path))
		rc = -errno;
	unlink(other);
	return rc;
}

int state_store(const char *path, const void *bytes, size_t len)
{
	int rc = make_parents(path);

	return rc ? rc : link_new(path, bytes, len);
}
