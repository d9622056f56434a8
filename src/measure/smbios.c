/* SPDX-License-Identifier: MIT */
/* SMBIOS as edk2's SmbiosMeasurementDxe measures it: structures of some types but for their
 * headers, and some fields of others, are blanked. */
#include <string.h>

#include "measure/expect_internal.h"

enum {
	HEADER = 4, /* type, length, handle */
	TYPE_END = 127,
	TYPE_OEM = 128,
	TEXT = 0x80, /* the field is the number of a text */
	FIELDS = 11,
	SIZES = 0x7f,
};

/* Offset and size of what is blanked; without fields: all behind the header. */
static const struct filter {
	uint8_t type, n;
	struct {
		uint8_t at, size;
	} field[FIELDS];
} filters[] = {
	{1, 3, {{7, TEXT | 1}, {8, 16}, {24, 1}}},
	{2, 2, {{7, TEXT | 1}, {10, 1}}},
	{3, 2, {{7, TEXT | 1}, {8, TEXT | 1}}},
	{4,
	 11,
	 {{32, TEXT | 1},
	  {33, TEXT | 1},
	  {34, TEXT | 1},
	  {35, 1},
	  {36, 1},
	  {37, 1},
	  {42, 2},
	  {44, 2},
	  {46, 2},
	  {17, 1},
	  {22, 2}}},
	{11, 0, {{0, 0}}},
	{15, 0, {{0, 0}}},
	{17, 3, {{24, TEXT | 1}, {25, TEXT | 1}, {26, TEXT | 1}}},
	{18, 0, {{0, 0}}},
	{22, 3, {{7, TEXT | 1}, {16, 2}, {18, 2}}},
	{23, 1, {{5, 2}}},
	{27, 1, {{12, 2}}},
	{31, 0, {{0, 0}}},
	{33, 0, {{0, 0}}},
	{39, 3, {{8, TEXT | 1}, {9, TEXT | 1}, {10, TEXT | 1}}},
};

size_t smbios_structure(const uint8_t *p, size_t left)
{
	if (left < HEADER + 2 || p[1] < HEADER || p[1] > left - 2)
		return 0;
	for (size_t at = p[1]; at + 2 <= left; at++)
		if (!p[at] && !p[at + 1])
			return at + 2;
	return 0;
}

/* The n-th text, from 1 on, becomes blanks. */
static void blank_text(uint8_t *p, size_t size, unsigned n)
{
	for (size_t at = p[1]; at < size && p[at]; at++) {
		size_t len = strnlen((char *)p + at, size - at);

		if (!--n) {
			memset(p + at, ' ', len);
			return;
		}
		at += len;
	}
}

static void blank(uint8_t *p, size_t size)
{
	const struct filter *f = NULL;

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (filters[i].type == p[0])
			f = &filters[i];
	if (p[0] >= TYPE_OEM || (f && !f->n)) {
		memset(p + HEADER, 0, size - HEADER);
		return;
	}
	for (unsigned i = 0; f && i < f->n; i++) {
		const size_t at = f->field[i].at, n = f->field[i].size & SIZES;

		if (at + n > p[1])
			continue;
		if (f->field[i].size & TEXT && p[at])
			blank_text(p, size, p[at]);
		memset(p + at, 0, n);
	}
}

size_t tdx_smbios_filter(void *tables, size_t len)
{
	uint8_t *p = tables;
	size_t at = 0;

	while (at < len) {
		const size_t size = smbios_structure(p + at, len - at);
		const bool end = size && p[at] == TYPE_END;

		if (!size)
			return 0;
		blank(p + at, size);
		at += size;
		if (end)
			return at;
	}
	return 0;
}
