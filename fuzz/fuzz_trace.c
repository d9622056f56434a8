/* SPDX-License-Identifier: MIT */
/* Traces of unknown origin: read, shown in every form, compared with themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/crc32.h"
#include "trace/trace_show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* Checksums made right, so that what is behind them is met. */
static void mend(uint8_t *data, size_t size)
{
	size_t at, len;

	if (size < TRACE_HEADER)
		return;
	memcpy(data, TRACE_MAGIC, 8);
	put32(data + 8, TRACE_VERSION);
	len = get32(data + 12);
	if (len > size - TRACE_HEADER)
		return;
	put32(data + 16, crc32_of(data + TRACE_HEADER, len));
	for (at = TRACE_HEADER + len; size - at >= TRACE_BLOCK_HEADER;
	     at += TRACE_BLOCK_HEADER + len) {
		len = get32(data + at + 12);
		if (len > size - at - TRACE_BLOCK_HEADER) {
			len = size - at - TRACE_BLOCK_HEADER;
			put32(data + at + 12, (uint32_t)len);
		}
		put32(data + at, TRACE_BLOCK_MAGIC);
		put32(data + at + 4, crc32_of(data + at + 8, TRACE_BLOCK_HEADER - 8 + len));
	}
}

static void show(const uint8_t *data, size_t size)
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
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	show(data, size);
	if (copy) {
		memcpy(copy, data, size);
		mend(copy, size);
		show(copy, size);
	}
	free(copy);
	return 0;
}
