/* SPDX-License-Identifier: MIT */
/* Text into a caller's buffer: the little formatting that code without a C library needs.
 *
 * A buffer is always zero-terminated when it has any room; what does not fit is cut, and `need`
 * keeps counting, so that a caller can tell. No allocation, no locale. */
#ifndef ARCH_TEXT_H
#define ARCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *buf;
	size_t size; /* of buf, with the terminating zero */
	size_t need; /* characters written or wanted, without the zero */
};

static inline struct text text_into(char *buf, size_t size)
{
	struct text t = {buf, size, 0};

	if (size)
		buf[0] = 0;
	return t;
}

static inline void text_char(struct text *t, char c)
{
	if (t->need + 1 < t->size) {
		t->buf[t->need] = c;
		t->buf[t->need + 1] = 0;
	}
	t->need++;
}

static inline void text_add(struct text *t, const char *s)
{
	while (*s)
		text_char(t, *s++);
}

/* "0x" and as many digits as the value has, at least `digits`. */
void text_hex(struct text *t, uint64_t v, unsigned digits);
void text_dec(struct text *t, uint64_t v);

/* String comparison that does not need a C library. */
bool text_equal(const char *a, const char *b);

#endif
