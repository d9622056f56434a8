/* SPDX-License-Identifier: MIT */
/* Logs for swtdx doctor. Stops when a finding has no words, or words that no terminal should get.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/doctor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_finding(void *arg, const struct finding *f)
{
	unsigned *n = arg;

	if (f->verdict >= VERDICT_NUM || !*f->topic || !*f->what || (f->hint && !*f->hint) ||
	    (f->meaning && !*f->meaning) || (f->cause && !*f->cause))
		abort();
	for (const char *p = f->what; *p; p++)
		if (!isprint((unsigned char)*p))
			abort();
	++*n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size ? size : 1);
	unsigned n = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	doctor_log(text, size, on_finding, &n);
	if (!n)
		abort();
	free(text);
	return 0;
}
