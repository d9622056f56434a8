/* SPDX-License-Identifier: MIT */
/* Parts of swtdx decode: a sheet is what is known of one thing, in the order it is shown.
 *
 * A sheet is a JSON object of strings and of arrays of strings. Text is printed from it, so that
 * --json has the same content by construction. */
#ifndef TOOLS_DECODE_H
#define TOOLS_DECODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <swtdx/decode.h>

/* "returned by" is long, and wanted by few. */
#define SHEET_RETURNED_BY "returned by"

/* Adds a line; nothing for a NULL or empty value. */
void sheet_text(json_t *sheet, const char *key, const char *value);
void sheet_hex(json_t *sheet, const char *key, uint64_t value);
void sheet_number(json_t *sheet, const char *key, uint64_t value);

/* Adds the value in hex, and the names of its bits as an array. */
void sheet_bits(json_t *sheet, const char *key, uint64_t value, const char *(*name)(unsigned bit));

void sheet_print(const json_t *sheet);

/* One thing each, from n >= 1 words. The caller owns the result; NULL when the words do not name
 * such a thing, with *told an exit status when that has been told. */
typedef json_t *decode_fn(char **words, int n, int *told);
decode_fn decode_status, decode_leaf, decode_operand, decode_field, decode_entry, decode_exit;
decode_fn decode_attributes, decode_xfam, decode_config_flags, decode_td_ctls;
decode_fn decode_report, decode_params, decode_image;

/* What a single word most likely is. */
decode_fn decode_guess;

/* The names a word may have been meant to be. */
enum { DECODE_STATUSES = 1, DECODE_LEAVES = 2, DECODE_OPERANDS = 4, DECODE_FIELDS = 8 };

/* Says that a word is `what`, such as "no leaf", and the name nearest to it. */
void decode_tell_unknown(const char *word, const char *what, unsigned kinds);

/* A log to standard output, annotated. 0 or a negative errno. */
int decode_log(FILE *in, bool json, bool only);

#endif
