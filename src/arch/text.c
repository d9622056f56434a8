/* SPDX-License-Identifier: MIT */
/* Text into a caller's buffer; see text.h. Freestanding. */
#include "arch/text.h"

void text_hex(struct text *t, uint64_t v, unsigned digits)
{
	static const char digit[] = "0123456789abcdef";
	unsigned n = digits ? digits : 1;

	while (n < 16 && v >> (4 * n))
		n++;
	text_add(t, "0x");
	while (n--)
		text_char(t, digit[(v >> (4 * n)) & 15]);
}

void text_dec(struct text *t, uint64_t v)
{
	char reversed[20];
	unsigned n = 0;

	do {
		reversed[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n--)
		text_char(t, reversed[n]);
}

bool text_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}
