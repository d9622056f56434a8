/* SPDX-License-Identifier: MIT */
/* See tools/quote_state.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/file.h"
#include "tools/quote_state.h"
#include "tools/state_file.h"

#define STATE_MAX 65536

int quote_state_path(const char *dir, char *path, size_t len)
{
	return state_path(dir, "quote-service.pem", path, len);
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
	rc = state_store(path, text, len);
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
