/* SPDX-License-Identifier: MIT */
/* Traces of unknown origin: read, shown in every form, compared with themselves. */
#include <stdio.h>

#include "trace/trace_show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace_file f;
	FILE *nowhere;

	if (trace_parse(&f, data, size) == 0 && f.nrecords < 4096) {
		nowhere = fopen("/dev/null", "w");
		if (nowhere) {
			trace_print(nowhere, &f, true);
			trace_vectors(nowhere, &f);
			trace_perfetto(nowhere, &f);
			if (trace_diff(nowhere, &f, &f, 10) != 0)
				__builtin_trap();
			fclose(nowhere);
		}
	}
	trace_free(&f);
	return 0;
}
