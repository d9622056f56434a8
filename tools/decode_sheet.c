/* SPDX-License-Identifier: MIT */
/* Sheets of swtdx decode; see decode.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "tools/text.h"

enum { KEY_WIDTH = 14 };

void sheet_text(json_t *sheet, const char *key, const char *value)
{
	if (value && value[0])
		json_object_set_new(sheet, key, json_string(value));
}

void sheet_hex(json_t *sheet, const char *key, uint64_t value)
{
	char word[24];

	snprintf(word, sizeof(word), "0x%" PRIx64, value);
	sheet_text(sheet, key, word);
}

void sheet_number(json_t *sheet, const char *key, uint64_t value)
{
	char word[24];

	snprintf(word, sizeof(word), "%" PRIu64, value);
	sheet_text(sheet, key, word);
}

void sheet_bits(json_t *sheet, const char *key, uint64_t value, const char *(*name)(unsigned bit))
{
	json_t *names = json_array();
	char word[40];

	sheet_hex(sheet, key, value);
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(value >> bit & 1))
			continue;
		if (name(bit))
			snprintf(word, sizeof(word), "%s", name(bit));
		else
			snprintf(word, sizeof(word), "bit %u", bit);
		json_array_append_new(names, json_string(word));
	}
	snprintf(word, sizeof(word), "%s bits", key);
	if (json_array_size(names))
		json_object_set(sheet, word, names);
	json_decref(names);
}

static void print_array(const json_t *array, size_t column)
{
	size_t i;
	json_t *value;

	json_array_foreach(array, i, value)
	{
		const char *s = json_string_value(value);

		if (i && column + strlen(s) + 3 > TEXT_WIDTH) {
			printf(",\n%*s", KEY_WIDTH, "");
			column = KEY_WIDTH;
		} else if (i) {
			column += (size_t)printf(", ");
		}
		column += (size_t)printf("%s", s);
	}
	printf("\n");
}

void sheet_print(const json_t *sheet)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)sheet, key, value)
	{
		int n = printf("%-*s%s", KEY_WIDTH, key, strlen(key) >= KEY_WIDTH ? " " : "");

		if (json_is_array(value))
			print_array(value, (size_t)n);
		else
			text_wrapped(stdout, (size_t)n, KEY_WIDTH, json_string_value(value));
	}
}
