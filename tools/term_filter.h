/* SPDX-License-Identifier: MIT */
/* What of a guest's output may reach a terminal.
 *
 * Text in UTF-8, colours, the cursor, erasing, scrolling and the screen's usual modes pass. What
 * makes a terminal answer as if its user typed (status requests, answerback, reports of the mouse),
 * store or rename something (OSC, DCS, APC, PM, SOS, titles) or print is dropped, whole, and so are
 * control characters that have no business in a console. What is not known is dropped: the list is
 * of what passes. ECMA-48; xterm's control sequences. */
#ifndef TOOLS_TERM_FILTER_H
#define TOOLS_TERM_FILTER_H

#include <stddef.h>
#include <stdint.h>

enum { TERM_SEQUENCE_MAX = 64 };

/* All zero at first. */
struct term_filter {
	enum {
		TERM_TEXT,
		TERM_ESCAPE,  /* after ESC */
		TERM_CHARSET, /* after ESC and an intermediate */
		TERM_CSI,
		TERM_STRING, /* of OSC and its kind, to its end */
		TERM_UTF8,   /* in a character of several bytes */
	} state;
	uint8_t held[TERM_SEQUENCE_MAX]; /* of a sequence, until it is judged */
	size_t n;
	unsigned more;	/* bytes of the character to come */
	uint8_t lowest; /* that the next of them may be */
};

/* One more byte of the guest's: what may go to the terminal now, TERM_SEQUENCE_MAX at most; its
 * length. */
size_t term_filter(struct term_filter *f, uint8_t byte, uint8_t out[TERM_SEQUENCE_MAX]);

#endif
