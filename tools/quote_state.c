/* SPDX-License-Identifier: MIT */
/* The file is written whole under another name and then linked to its own, so that two first runs
 * at once agree on one service. It holds private keys: nobody else may read it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/file.h"
#include "tools/quote_state.h"

#define STATE_MAX 65536

int quote_state_path(const char *dir, char *path, size_t len)
{
	static const char name[] = "quote-service.pem";
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

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

static int store(const char *path, const char *text, size_t len)
{
	char other[4096];
	int n = snprintf(other, sizeof(other), "%s.XXXXXX", path);
	int fd, rc;

	if (n < 0 || (size_t)n >= sizeof(other))
		return -ENAMETOOLONG;
	fd = mkstemp(other); /* mode 0600 */
	if (fd < 0)
		return -errno;
	rc = write_all(fd, text, len);
	close(fd);
	if (!rc && link(other, path))
		rc = -errno;
	unlink(other);
	return rc;
}

static int load(const char *path, struct tdx_quote_service **out)
{
	uint8_t *text;
	size_t len;
	int rc;

	*out = NULL;
	rc = file_read(path, STATE_MAX, &text, &len);
	if (rc)
		return rc;
	rc = tdx_quote_service_load((const char *)text, len, out);
	explicit_bzero(text, len);
	free(text);
	return rc;
}

static int create_new(const char *path)
{
	struct tdx_quote_service *s;
	char *text;
	size_t len;
	int rc;

	rc = tdx_quote_service_create(time(NULL), &s);
	if (rc)
		return rc;
	rc = tdx_quote_service_save(s, &text, &len);
	tdx_quote_service_free(s);
	if (rc)
		return rc;
	rc = make_parents(path);
	if (!rc)
		rc = store(path, text, len);
	explicit_bzero(text, len);
	free(text);
	/* Somebody else was first: his it is. */
	return rc == -EEXIST ? 0 : rc;
}

int quote_state_open(const char *path, bool create, struct tdx_quote_service **out)
{
	int rc = load(path, out);

	if (rc != -ENOENT || !create)
		return rc;
	rc = create_new(path);
	return rc ? rc : load(path, out);
}
