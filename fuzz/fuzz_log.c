/* SPDX-License-Identifier: MIT */
/* Arbitrary logs: every line is read by itself and in the company of those before it, and whatever
 * is found in it is put into words.
 *
 * Stops when a status is said to stand outside its line, or a text outgrows its room. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/decode.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void put_into_words(const struct tdx_log_note *n)
{
	char text[TDX_DECODE_TEXT_MAX + 1];
	struct tdx_explanation e;

	tdx_explain(n->status, n->leaf, &e);
	must(e.name && e.meaning && tdx_action_advice(e.action));
	text[TDX_DECODE_TEXT_MAX] = 0x55;
	tdx_details_text(n->status, n->leaf, text, TDX_DECODE_TEXT_MAX);
	must(strlen(text) < TDX_DECODE_TEXT_MAX - 1 && text[TDX_DECODE_TEXT_MAX] == 0x55);
	tdx_outputs_text(n->status, n->leaf, &n->regs, n->shown, text, TDX_DECODE_TEXT_MAX);
	must(strlen(text) < TDX_DECODE_TEXT_MAX - 1 && text[TDX_DECODE_TEXT_MAX] == 0x55);
	tdx_status_format(n->status, text, TDX_STATUS_FORMAT_MAX);
	must(strlen(text) < TDX_STATUS_FORMAT_MAX - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_log log = {0};

	while (size) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;
		char *line = malloc(len ? len : 1);
		struct tdx_log_note note;

		must(line != NULL);
		memcpy(line, data, len);
		if (tdx_log_line(&log, line, len, &note)) {
			must(!note.has_status || (note.len && note.at + note.len <= len));
			must(!note.has_status || !note.belongs);
			must(note.has_status || note.belongs || note.leaf);
			put_into_words(&note);
		}
		free(line);
		data += len;
		size -= len;
		if (size) {
			data++;
			size--;
		}
	}
	return 0;
}
