/* SPDX-License-Identifier: MIT */
/* See tools/term_filter.h. */
#include "tools/term_filter.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BEL = 7, CAN = 0x18, SUB = 0x1a, ESC = 0x1b, DEL = 0x7f };

static size_t pass(struct term_filter *f, uint8_t out[TERM_SEQUENCE_MAX])
{
	size_t n = f->n;

	memcpy(out, f->held, n);
	f->n = 0;
	f->state = TERM_TEXT;
	return n;
}

static size_t drop(struct term_filter *f)
{
	f->n = 0;
	f->state = TERM_TEXT;
	return 0;
}

/* False: longer than any that passes. */
static bool hold(struct term_filter *f, uint8_t c)
{
	if (f->n == sizeof(f->held))
		return false;
	f->held[f->n++] = c;
	return true;
}

/* DEC's private modes: keys, columns, origin, wrapping, blinking, the cursor, the other screen.
 * Those that report the mouse, the focus or a paste are not among them. */
static bool private_mode(unsigned long mode)
{
	static const unsigned short known[] = {1, 3, 4, 5, 6, 7, 12, 25, 45, 47, 1047, 1048, 1049};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (mode == known[i])
			return true;
	return false;
}

/* SM and RM: insertion and new lines, or only private modes of those above. */
static bool modes(const char *p, size_t len)
{
	char text[TERM_SEQUENCE_MAX], *at = text;
	bool private_ = len && *p == '?';

	memcpy(text, p, len);
	text[len] = '\0';
	at += private_;
	for (;;) {
		char *end;
		unsigned long mode = strtoul(at, &end, 10);

		if (end == at || !(private_ ? private_mode(mode) : mode == 4 || mode == 20))
			return false;
		if (!*end)
			return true;
		if (*end != ';')
			return false;
		at = end + 1;
	}
}

/* Held: ESC [ parameters final. */
static bool csi_passes(const struct term_filter *f)
{
	const char *p = (const char *)f->held + 2;
	size_t len = f->n - 3;
	char final = p[len];

	if (final == 'h' || final == 'l')
		return modes(p, len);
	if (final == 'q') /* with a blank: the shape of the cursor */
		return len >= 1 && p[len - 1] == ' ' && strspn(p, "0123456789") == len - 1;
	if (strspn(p, final == 'm' ? "0123456789;:" : "0123456789;") != len)
		return false;
	return strchr("@ABCDEFGHIJKLMPSXZ`adefgmrsu", final) != NULL;
}

static size_t text(struct term_filter *f, uint8_t c, uint8_t out[TERM_SEQUENCE_MAX])
{
	f->n = 0;
	if (c == ESC) {
		hold(f, c);
		f->state = TERM_ESCAPE;
		return 0;
	}
	if (c < 0x20)
		return c >= BEL && c <= '\r' ? (out[0] = c, 1) : 0;
	if (c < DEL)
		return out[0] = c, 1;
	/* The first byte of a character; C1 controls are no such, by themselves or as U+0080 .. 9f.
	 */
	if (c < 0xc2 || c > 0xf4)
		return 0;
	hold(f, c);
	f->more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	f->lowest = c == 0xc2 || c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	f->state = TERM_UTF8;
	return 0;
}

static size_t character(struct term_filter *f, uint8_t c, uint8_t out[TERM_SEQUENCE_MAX])
{
	if (c < f->lowest || c > 0xbf) {
		drop(f);
		return text(f, c, out);
	}
	f->lowest = 0x80;
	hold(f, c);
	return --f->more ? 0 : pass(f, out);
}

static size_t escape(struct term_filter *f, uint8_t c, uint8_t out[TERM_SEQUENCE_MAX])
{
	hold(f, c);
	switch (c) {
	case '[':
		f->state = TERM_CSI;
		return 0;
	case ']': /* OSC */
	case 'P': /* DCS */
	case 'X': /* SOS */
	case '^': /* PM */
	case '_': /* APC */
	case 'k': /* a title, of screen and tmux */
		f->state = TERM_STRING;
		return 0;
	case '(':
	case ')':
		f->state = TERM_CHARSET;
		return 0;
	case '7':
	case '8':
	case 'D':
	case 'E':
	case 'H':
	case 'M':
	case 'c':
	case '=':
	case '>':
		return pass(f, out);
	case ESC:
		f->n = 1;
		return 0;
	default:
		return drop(f);
	}
}

static size_t csi(struct term_filter *f, uint8_t c, uint8_t out[TERM_SEQUENCE_MAX])
{
	if (c == ESC) {
		f->n = 1;
		f->held[0] = ESC;
		f->state = TERM_ESCAPE;
		return 0;
	}
	if (c < 0x20) /* a terminal obeys these within the sequence: it ends here instead */
		return drop(f), text(f, c, out);
	if (c >= DEL)
		return drop(f);
	if (!hold(f, c)) {
		if (c < 0x40)
			return 0; /* on to its end */
		return drop(f);
	}
	if (c < 0x40)
		return 0;
	return f->n < sizeof(f->held) && csi_passes(f) ? pass(f, out) : drop(f);
}

/* The terminal has not heard its beginning, so nothing that ends it too early does harm. */
static size_t string(struct term_filter *f, uint8_t c, uint8_t out[TERM_SEQUENCE_MAX])
{
	if (c == BEL || c == CAN || c == SUB)
		return drop(f);
	if (c == '\n')
		return drop(f), text(f, c, out);
	if (c == ESC) {
		f->n = 1;
		f->held[0] = ESC;
		f->state = TERM_ESCAPE; /* ESC \ is dropped there */
	}
	return 0;
}

size_t term_filter(struct term_filter *f, uint8_t c, uint8_t out[TERM_SEQUENCE_MAX])
{
	switch (f->state) {
	case TERM_TEXT:
		return text(f, c, out);
	case TERM_ESCAPE:
		return escape(f, c, out);
	case TERM_CHARSET:
		hold(f, c);
		return c == '0' || c == 'A' || c == 'B' ? pass(f, out) : drop(f);
	case TERM_CSI:
		return csi(f, c, out);
	case TERM_STRING:
		return string(f, c, out);
	case TERM_UTF8:
		return character(f, c, out);
	}
	return 0;
}
