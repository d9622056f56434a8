/* SPDX-License-Identifier: MIT */
/* Reads by growing: standard input and pipes have no length to ask for. There is room for one byte
 * more than was read. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/file.h"
#include "tools/verbs.h"

#define LARGE (4u << 20)

/* Kernels and initial file systems have tens of thousands of small pages. A wish. */
static uint8_t *large(uint8_t *buf, size_t size)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)buf | (page - 1);

	if (buf && size >= LARGE)
		(void)madvise((void *)(from + 1), size - page, MADV_HUGEPAGE);
	return buf;
}

static int read_all(FILE *f, size_t max, size_t guess, file_like *like, uint8_t **data,
		    size_t *size)
{
	size_t room = guess < max ? guess : max;
	uint8_t *buf = large(malloc(room + 1), room);
	bool seen = false;
	size_t n = 0;

	while (buf) {
		uint8_t *larger;
		size_t got;
		int no;

		errno = 0;
		got = fread(buf + n, 1, room - n, f);
		n += got;
		if (ferror(f)) {
			free(buf);
			return errno ? -errno : -EIO;
		}
		no = like && !seen ? like(buf, n) : 0;
		seen = true;
		if (no) {
			free(buf);
			return no;
		}
		if (n == max || feof(f)) {
			*data = buf;
			*size = n;
			return 0;
		}
		if (n < room)
			continue;
		room = room > max / 2 ? max : 2 * room;
		larger = realloc(buf, room + 1);
		if (!larger)
			free(buf);
		buf = larger;
	}
	return -ENOMEM;
}

static int read_path(const char *path, size_t max, file_like *like, uint8_t **data, size_t *size)
{
	struct stat st;
	size_t guess = 64 * 1024;
	FILE *f;
	int rc;

	*data = NULL;
	*size = 0;
	if (!strcmp(path, "-"))
		return read_all(stdin, max, guess, like, data, size);
	f = fopen(path, "rb");
	if (!f)
		return -errno;
	/* One more than the file has, so that its end is met in the first read. */
	if (!fstat(fileno(f), &st) && S_ISREG(st.st_mode) && (uintmax_t)st.st_size < max)
		guess = (size_t)st.st_size + 1;
	rc = read_all(f, max, guess, like, data, size);
	fclose(f);
	return rc;
}

int file_read(const char *path, size_t max, uint8_t **data, size_t *size)
{
	return read_path(path, max, NULL, data, size);
}

int file_read_like(const char *path, size_t max, file_like *like, uint8_t **data, size_t *size)
{
	struct stat st;
	int err;

	*data = NULL;
	*size = 0;
	/* Its size is known before a gigabyte of it has been read. */
	if (strcmp(path, "-") && !stat(path, &st) && S_ISREG(st.st_mode) &&
	    (uintmax_t)st.st_size > max)
		return -EFBIG;
	err = read_path(path, max + 1, like, data, size);
	if (err || *size <= max)
		return err;
	free(*data);
	*data = NULL;
	*size = 0;
	return -EFBIG;
}

int file_read_whole(const char *path, size_t max, uint8_t **data, size_t *size)
{
	return file_read_like(path, max, NULL, data, size);
}

int file_is_text(const uint8_t *begin, size_t size)
{
	return memchr(begin, '\0', size) ? -EILSEQ : 0;
}

int file_read_text(const char *path, size_t max, char **text)
{
	uint8_t *data;
	size_t size;
	int err = file_read_like(path, max, file_is_text, &data, &size);

	if (err)
		return err;
	if (file_is_text(data, size)) {
		free(data);
		return -EILSEQ;
	}
	/* file_read() has room for one more byte. */
	data[size] = '\0';
	*text = (char *)data;
	return 0;
}

int file_complain(const char *verb, const char *path, int err)
{
	fprintf(stderr, "swtdx %s: %s: %s\n", verb, path,
		err == -EILSEQ ? "this is no text: it has a zero byte" : strerror(-err));
	return err == -EILSEQ ? VERB_DIFFERENCE : VERB_ENVIRONMENT;
}

FILE *file_open(const char *path)
{
	return strcmp(path, "-") ? fopen(path, "wb") : stdout;
}

int file_close(FILE *f)
{
	bool ok;

	errno = 0;
	ok = !ferror(f) && !fflush(f);
	if (f != stdout && f != stderr && fclose(f))
		ok = false;
	return ok ? 0 : errno ? -errno : -EIO;
}

int file_write(const char *path, const void *data, size_t size)
{
	FILE *f = file_open(path ? path : "-");
	size_t done;
	int err;

	if (!f)
		return -errno;
	done = fwrite(data, 1, size, f);
	err = file_close(f);
	return err ? err : done == size ? 0 : -EIO;
}

int file_pread(int fd, void *to, size_t len, uint64_t offset)
{
	uint8_t *p = to;

	while (len) {
		const ssize_t n = pread(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		p += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

bool file_find_program(const char *name, char *path, size_t len)
{
	const char *dirs = getenv("PATH");
	size_t n;

	if (strchr(name, '/'))
		return snprintf(path, len, "%s", name) < (int)len && access(path, X_OK) == 0;
	for (; dirs && *dirs; dirs += n + (dirs[n] == ':')) {
		n = strcspn(dirs, ":");
		if (snprintf(path, len, "%.*s/%s", (int)n, dirs, name) < (int)len &&
		    access(path, X_OK) == 0)
			return true;
	}
	return false;
}
