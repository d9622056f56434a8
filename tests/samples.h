/* SPDX-License-Identifier: MIT */
/* Published evidence, which is not kept here: the files of the directory $SWTDX_SAMPLES, found by
 * the first sixteen digits of their SHA-256, under whatever name. */
#ifndef TESTS_SAMPLES_H
#define TESTS_SAMPLES_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

struct sample {
	uint8_t *bytes;
	size_t len;
};

static inline bool sample_read(const char *path, struct sample *s)
{
	FILE *f = fopen(path, "rb");
	long n = 0;

	s->bytes = NULL;
	if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) <= 0 || n > 4 << 20 ||
	    fseek(f, 0, SEEK_SET) || !(s->bytes = malloc((size_t)n)) ||
	    fread(s->bytes, 1, (size_t)n, f) != (size_t)n) {
		free(s->bytes);
		s->bytes = NULL;
	}
	s->len = (size_t)n;
	if (f)
		fclose(f);
	return s->bytes != NULL;
}

static inline bool sample_is(const struct sample *s, const char *hash)
{
	uint8_t md[32];
	char text[17];
	unsigned n;

	EVP_Digest(s->bytes, s->len, md, &n, EVP_sha256(), NULL);
	for (unsigned i = 0; i < 8; i++)
		snprintf(text + 2 * i, 3, "%02x", md[i]);
	return !strncmp(text, hash, strlen(hash));
}

/* False, having said so, when it was not given. The bytes are the caller's to free. */
static inline bool sample_find(const char *name, const char *hash, struct sample *s)
{
	const char *dir = getenv("SWTDX_SAMPLES");
	DIR *d = dir ? opendir(dir) : NULL;
	struct dirent *entry;
	char path[4096];

	while (d && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (entry->d_name[0] == '.' || !sample_read(path, s))
			continue;
		if (sample_is(s, hash)) {
			closedir(d);
			return true;
		}
		free(s->bytes);
	}
	if (d)
		closedir(d);
	printf("not given in $SWTDX_SAMPLES: %s, SHA-256 %s...\n", name, hash);
	return false;
}

#endif
