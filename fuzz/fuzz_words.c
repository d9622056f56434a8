/* SPDX-License-Identifier: MIT */
/* Words for swtdx decode, of every kind, shown as text; and what it says about a word that is none.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/decode.h"
#include "tools/text.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static decode_fn *const kinds[] = {
	decode_status,	     decode_leaf,    decode_operand,	decode_field,
	decode_entry,	     decode_exit,    decode_attributes, decode_xfam,
	decode_config_flags, decode_td_ctls, decode_guess,
};
enum { NUM_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	/* The engine has kept the old one for itself. */
	stderr = fopen("/dev/null", "w");
	return stderr && freopen("/dev/null", "w", stdout) ? 0 : 1;
}

/* The first byte says of what kind the words are; they end at blanks. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int room[NUM_KINDS] = {2, 1, 1, 1, 2, 5, 1, 1, 1, 1, 1};
	char *text = malloc(size + 1), *words[5], *rest;
	unsigned kind = size ? data[0] % NUM_KINDS : 0;
	json_t *sheet;
	int n = 0, told = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	rest = size ? text + 1 : text;
	for (char *w = strtok_r(rest, " ", &rest); w && n < room[kind];
	     w = strtok_r(NULL, " ", &rest))
		words[n++] = w;
	if (n) {
		sheet = kinds[kind](words, n, &told);
		if (sheet)
			sheet_print(sheet);
		/* Looking through all names takes thousands of times as long. */
		else if (size % 64 == 7)
			decode_tell_unknown(words[0], "nothing I know", ~0u);
		json_decref(sheet);
		text_wrapped(stdout, 0, 4, words[0]);
	}
	free(text);
	return 0;
}
