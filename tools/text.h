/* SPDX-License-Identifier: MIT */
/* Text in and out of the tool: lines of a bounded width, numbers in words, names nearly right. */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TEXT_WIDTH = 100 };

/* Prints s, of which the first character stands in `column`, broken at blanks before TEXT_WIDTH,
 * the lines after the first behind `indent` blanks; then the end of the line. A newline in s is
 * one. */
void text_wrapped(FILE *f, size_t column, size_t indent, const char *s);

/* Makes of text that is somebody's what a terminal shows and does not obey: control characters, C1
 * and what is no UTF-8 become question marks, in place. */
char *text_shown(char *s);

/* A file's name so; one that is longer is cut. Returns buf. */
enum { TEXT_NAME = 1024 };
const char *text_name(const char *path, char buf[TEXT_NAME]);

/* A whole word as a number: decimal, or hex after 0x. */
bool text_number(const char *word, uint64_t *value);

/* The name most like a word, of those it is asked about one by one. Start with zeros. */
struct text_nearest {
	const char *name; /* NULL: none comes near */
	unsigned distance;
};

/* Case, and the difference between dots, dashes and underscores, do not count. */
void text_nearer(struct text_nearest *n, const char *word, const char *name);

#endif
