/* SPDX-License-Identifier: MIT */
/* See tools/json_print.h. */
#include "tools/json_print.h"

int json_print(FILE *f, json_t *root, size_t flags)
{
	int rc;

	if (!root)
		return -1;
	rc = json_dumpf(root, f, JSON_ENSURE_ASCII | flags);
	fputc('\n', f);
	json_decref(root);
	return rc;
}
