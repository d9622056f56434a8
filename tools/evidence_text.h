/* SPDX-License-Identifier: MIT */
/* Bytes as people write them down: hexadecimal in its many ways, dumps of it, base64 in either
 * alphabet, and one of these somewhere in other text. */
#ifndef TOOLS_EVIDENCE_TEXT_H
#define TOOLS_EVIDENCE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Fewer characters are no evidence. */
enum { EVIDENCE_TEXT_MIN = 32 };

/* Bytes, which the caller frees, and what they were: "hexadecimal", "a dump", "base64"; NULL: none
 * of these, or too few. */
uint8_t *evidence_text_decode(const char *s, size_t len, size_t *out_len, const char **what);

/* The longest word of hexadecimal or base64 in a text, between characters that neither has; NULL:
 * none is as long as a TDREPORT's beginning. */
const char *evidence_text_word(const char *s, size_t len, size_t *word_len);

#endif
