/* SPDX-License-Identifier: MIT */
/* See tools/evidence_text.h. */
#include "tools/evidence_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

enum { WORD_MIN = 96, DUMP_LINE = 16, DUMP_SPARED = 1 << 20 };

static int digit(int c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* Bytes with or without 0x or \x before each, blanks, colons, commas between. */
static bool from_hex(const char *s, size_t len, uint8_t *out, size_t *n)
{
	int high = -1;

	for (size_t i = 0; i < len; i++) {
		const int d = digit((unsigned char)s[i]);

		if (high < 0 && (s[i] == '0' || s[i] == '\\') && i + 1 < len &&
		    (s[i + 1] == 'x' || s[i + 1] == 'X')) {
			i++;
			continue;
		}
		if (isspace((unsigned char)s[i]) || s[i] == ':' || s[i] == ',')
			continue;
		if (d < 0)
			return false;
		if (high < 0) {
			high = d;
			continue;
		}
		out[(*n)++] = (uint8_t)(high << 4 | d);
		high = -1;
	}
	return *n >= EVIDENCE_TEXT_MIN / 2;
}

/* A line as xxd, od or hexdump write it: where it is, bytes, perhaps the text beside them. */
static bool dump_line(const char *s, size_t len, bool star, size_t *spared, uint8_t *out, size_t *n)
{
	const size_t before = *n;
	size_t i = 0, at = 0, first;
	bool xxd;
	int high = -1;

	for (; i < len && digit((unsigned char)s[i]) >= 0; i++)
		at = at << 4 | (unsigned)digit((unsigned char)s[i]);
	xxd = i < len && s[i] == ':';
	i += xxd;
	if (i < 4 || at < before || at - before > *spared || (i < len && s[i] != ' '))
		return false;
	/* Lines like the one before were left out. */
	*spared -= at - before;
	for (; *n < at; (*n)++) {
		if (!star || *n < DUMP_LINE)
			return false;
		out[*n] = out[*n - DUMP_LINE];
	}
	first = *n;
	for (i += i < len; i < len && s[i] != '|' && *n - first < DUMP_LINE; i++) {
		const int d = digit((unsigned char)s[i]);

		if (s[i] == ' ' && xxd && i + 1 < len && s[i + 1] == ' ')
			break;
		if (s[i] == ' ' || s[i] == '\r')
			continue;
		if (d < 0)
			return false;
		if (high >= 0)
			out[(*n)++] = (uint8_t)(high << 4 | d);
		high = high >= 0 ? -1 : d;
	}
	return high < 0;
}

static bool from_dump(const char *s, size_t len, uint8_t *out, size_t *n)
{
	size_t spared = DUMP_SPARED;
	bool star = false;

	for (size_t i = 0; i < len;) {
		const char *end = memchr(s + i, '\n', len - i);
		const size_t line = end ? (size_t)(end - s) - i : len - i;

		if (line == 1 && s[i] == '*')
			star = true;
		else if (line && !dump_line(s + i, line, star, &spared, out, n))
			return false;
		else
			star = false;
		i += line + 1;
	}
	return *n >= EVIDENCE_TEXT_MIN / 2;
}

/* In either alphabet, padded or not, lines broken or not. */
static bool from_base64(const char *s, size_t len, uint8_t *out, size_t *out_len)
{
	char *plain = malloc(len + 5);
	size_t n = 0, pad = 0;
	int got = -1;

	for (size_t i = 0; plain && i < len; i++) {
		char c = s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i];

		if (isspace((unsigned char)c) || c == '=')
			continue;
		if (!isalnum((unsigned char)c) && c != '+' && c != '/') {
			n = 0;
			break;
		}
		plain[n++] = c;
	}
	while (n && plain && n % 4)
		plain[n++] = '=', pad++;
	if (plain && n >= EVIDENCE_TEXT_MIN && pad < 3 && n < 0x7fffffff)
		got = EVP_DecodeBlock(out, (const uint8_t *)plain, (int)n);
	free(plain);
	if (got < (int)pad)
		return false;
	*out_len = (size_t)got - pad;
	return true;
}

/* Where it is comes first, and the first line is at the beginning. */
static bool begins_dump(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] == '0')
		n++;
	return n >= 4 && n < len && (s[n] == ' ' || s[n] == ':');
}

uint8_t *evidence_text_decode(const char *s, size_t len, size_t *out_len, const char **what)
{
	static const struct {
		bool (*decode)(const char *s, size_t len, uint8_t *out, size_t *n);
		const char *what;
	} ways[] = {{from_dump, "a dump"}, {from_hex, "hexadecimal"}, {from_base64, "base64"}};
	const bool dump = begins_dump(s, len);
	uint8_t *out = malloc(len + (dump ? DUMP_SPARED : 0) + 8);

	for (unsigned i = !dump; out && i < sizeof(ways) / sizeof(ways[0]); i++) {
		*out_len = 0;
		*what = ways[i].what;
		if (ways[i].decode(s, len, out, out_len))
			return out;
	}
	free(out);
	return NULL;
}

/* Lines of base64 are one word; other blanks end it. */
static bool in_word(char c)
{
	return isalnum((unsigned char)c) || strchr("+/-_=\r\n", c);
}

const char *evidence_text_word(const char *s, size_t len, size_t *word_len)
{
	const char *best = NULL;
	size_t start = 0;

	*word_len = 0;
	for (size_t i = 0; i <= len; i++) {
		/* An armour's dashes and a line break before them end a word too. */
		const bool in = i < len && s[i] && in_word(s[i]) &&
				!(len - i > 5 && !memcmp(s + i, "-----", 5)) &&
				!(i >= 5 && !memcmp(s + i - 5, "-----", 5) && s[i] == '\n');

		if (in)
			continue;
		if (i - start > *word_len) {
			best = s + start;
			*word_len = i - start;
		}
		start = i + 1;
	}
	return *word_len >= WORD_MIN ? best : NULL;
}
