/* SPDX-License-Identifier: MIT */
/* See text.h. */
#include "tools/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void text_wrapped(FILE *f, size_t column, size_t indent, const char *s)
{
	bool first = true;

	while (*s) {
		size_t blanks = strspn(s, " "), n;

		s += blanks;
		n = strcspn(s, " \n");
		if (n && !first && column + blanks + n > TEXT_WIDTH) {
			fprintf(f, "\n%*s", (int)indent, "");
			column = indent;
		} else if (n) {
			fprintf(f, "%*s", (int)blanks, "");
			column += blanks;
		}
		fwrite(s, 1, n, f);
		column += n;
		first = first && !n;
		s += n;
		if (*s == '\n') {
			fprintf(f, "\n%*s", s[1] && s[1] != '\n' ? (int)indent : 0, "");
			column = indent;
			s++;
		}
	}
	fputc('\n', f);
}

/* Bytes of the character at p; 0: none that is shown. */
static size_t character(const unsigned char *p)
{
	const size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	/* U+0080 .. 009f, and longer forms of what has a shorter one */
	const unsigned char low = *p == 0xc2 || *p == 0xe0 ? 0xa0 : *p == 0xf0 ? 0x90 : 0x80;

	if (n == 1)
		return *p >= 0x20 && *p != 0x7f;
	if (*p < 0xc2 || *p > 0xf4 || p[1] < low)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

char *text_shown(char *s)
{
	for (char *p = s; *p;) {
		const size_t n = character((const unsigned char *)p);

		if (!n)
			*p = '?';
		p += n ? n : 1;
	}
	return s;
}

const char *text_name(const char *path, char buf[TEXT_NAME])
{
	snprintf(buf, TEXT_NAME, "%s", path);
	return text_shown(buf);
}

bool text_number(const char *word, uint64_t *value)
{
	bool hex = word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
	char *end;

	if (!isdigit((unsigned char)word[0]) || (hex && !isxdigit((unsigned char)word[2])))
		return false;
	errno = 0;
	*value = strtoull(word, &end, hex ? 16 : 10);
	return !errno && !*end;
}

static int folded(char c)
{
	return c == '.' || c == '-' ? '_' : tolower((unsigned char)c);
}

/* Insertions, deletions and changes that make one of the other; two neighbours swapped are one. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
	enum { MAX = 64 };
	unsigned rows[3][MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];

	if (na > MAX || nb > MAX)
		return ~0u;
	for (size_t k = 0; k <= nb; k++)
		above[k] = (unsigned)k;
	for (size_t i = 1; i <= na; i++) {
		unsigned *turn = before;

		row[0] = (unsigned)i;
		for (size_t k = 1; k <= nb; k++) {
			bool same = folded(a[i - 1]) == folded(b[k - 1]);
			unsigned best = above[k - 1] + !same;

			best = above[k] + 1 < best ? above[k] + 1 : best;
			best = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
			if (i > 1 && k > 1 && folded(a[i - 1]) == folded(b[k - 2]) &&
			    folded(a[i - 2]) == folded(b[k - 1]) && before[k - 2] + 1 < best)
				best = before[k - 2] + 1;
			row[k] = best;
		}
		before = above;
		above = row;
		row = turn;
	}
	return above[nb];
}

void text_nearer(struct text_nearest *n, const char *word, const char *name)
{
	size_t nw = strlen(word), nn = strlen(name), most = nw / 3;
	unsigned d;

	/* A word of which a third is wrong is another word; most differ more than that in length.
	 */
	if (nw > nn + most || nn > nw + most)
		return;
	d = distance(word, nw, name, nn);
	if (d <= most && (!n->name || d < n->distance))
		*n = (struct text_nearest){name, d};
}
