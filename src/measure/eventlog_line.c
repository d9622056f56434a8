/* SPDX-License-Identifier: MIT */
/* Text out of untrusted bytes: one line, bounded, of printable ASCII and nothing else, so that no
 * log can move a terminal's cursor or forge a second line. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "measure/eventlog_internal.h"

void line_start(struct line *l, char *buf, size_t len)
{
	*l = (struct line){buf, len, 0};
	if (len)
		buf[0] = 0;
}

static void cut(struct line *l)
{
	if (l->len >= 4)
		memcpy(l->buf + l->len - 4, "...", 4);
	l->used = l->len;
}

void line_add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (l->used >= l->len)
		return;
	va_start(ap, fmt);
	n = vsnprintf(l->buf + l->used, l->len - l->used, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= l->len - l->used)
		cut(l);
	else
		l->used += (size_t)n;
}

static void add_char(struct line *l, unsigned c)
{
	if (c == '\\')
		line_add(l, "\\\\");
	else if (c < 0x80 && isprint((int)c))
		line_add(l, "%c", (int)c);
	else if (c < 0x100)
		line_add(l, "\\x%02x", c);
	else
		line_add(l, "\\u%04x", c);
}

void line_ascii(struct line *l, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len && p[i] && l->used < l->len; i++)
		add_char(l, p[i]);
}

void line_utf16(struct line *l, const uint8_t *p, size_t chars)
{
	for (size_t i = 0; i < chars && le16(p + 2 * i) && l->used < l->len; i++)
		add_char(l, le16(p + 2 * i));
}

void line_hex(struct line *l, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len && l->used < l->len; i++)
		line_add(l, "%02x", p[i]);
}

void line_guid(struct line *l, const uint8_t g[16])
{
	line_add(l, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", le32(g), le16(g + 4),
		 le16(g + 6), g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}

size_t utf16_length(const uint8_t *p, size_t len)
{
	size_t n = 0;

	while (2 * n + 1 < len && le16(p + 2 * n))
		n++;
	return n;
}

bool utf16_text(const uint8_t *p, size_t len)
{
	size_t n = utf16_length(p, len);

	for (size_t i = 0; i < n; i++)
		if (le16(p + 2 * i) >= 0x80 || (!isprint(p[2 * i]) && !isspace(p[2 * i])))
			return false;
	return n > 0;
}

bool ascii_text(const uint8_t *p, size_t len)
{
	size_t n = strnlen((const char *)p, len);

	for (size_t i = 0; i < n; i++)
		if (!(p[i] < 0x80 && isprint(p[i])) && p[i] != '\n' && p[i] != '\t')
			return false;
	return n > 0;
}
