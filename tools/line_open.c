/* SPDX-License-Identifier: MIT */
/* A line of a structured log: its message, and the error beside it. The names of machines,
 * containers and units that stand around them say nothing about what happened; see sentence.h. */
#include <ctype.h>
#include <string.h>

#include "tools/sentence.h"

struct field {
	const char *at; /* the first byte of the value; NULL: there is none */
	const char *end;
	bool quoted;
};

static const char *blanks(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	return p;
}

/* The end of a value that begins at p: its closing quote, or a blank. */
static const char *value_end(const char *p, const char *end, bool quoted)
{
	for (; p < end; p++) {
		if (quoted && *p == '\\')
			p++;
		else if (*p == (quoted ? '"' : ' '))
			return p;
	}
	return end;
}

/* JSON: "key" : "value". Fields: key="value" or key=value. */
static struct field field(const char *line, const char *end, const char *key, bool json)
{
	size_t n = strlen(key);

	for (const char *p = line; (size_t)(end - p) > n + 2; p++) {
		struct field f = {NULL, NULL, false};
		const char *q = p + n;

		if (strncmp(p, key, n) || (p > line && p[-1] != (json ? '"' : ' ')))
			continue;
		if (json) {
			if (*q != '"')
				continue;
			q = blanks(q + 1, end);
		}
		if (q == end || *q != (json ? ':' : '='))
			continue;
		q = json ? blanks(q + 1, end) : q + 1;
		f.quoted = q < end && *q == '"';
		if (json && !f.quoted)
			continue;
		f.at = q + f.quoted;
		f.end = f.at < end ? value_end(f.at, end, f.quoted) : end;
		if (f.at < f.end)
			return f;
	}
	return (struct field){NULL, NULL, false};
}

/* The value without its escapes; what is no letter becomes a blank. */
static size_t put(char *out, size_t n, const struct field *f)
{
	for (const char *p = f->at; p < f->end; p++) {
		if (f->quoted && *p == '\\' && p + 1 < f->end) {
			p++;
			if (*p == 'u' && f->end - p > 4)
				p += 4;
			out[n++] = *p == '"' || *p == '\\' || *p == '/' ? *p : ' ';
		} else {
			out[n++] = *p;
		}
	}
	return n;
}

static bool begins(const char *line, size_t len, const char *with)
{
	return len >= strlen(with) && !strncmp(line, with, strlen(with));
}

size_t line_open(char *line, size_t len)
{
	static const char *const messages[] = {"MESSAGE", "message", "msg", "log"};
	static const char *const errors[] = {"error", "err"};
	bool json = begins(line, len, "{");
	struct field f = {NULL, NULL, false};
	char out[2 * LINE_ROOM]; /* an error may be a part of the message */
	size_t n = 0;

	if (len >= LINE_ROOM || !(json || begins(line, len, "time=") ||
				  begins(line, len, "level=") || begins(line, len, "ts=")))
		return len;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]) && !f.at; i++)
		f = field(line, line + len, messages[i], json);
	if (!f.at)
		return len;
	n = put(out, n, &f);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		f = field(line, line + len, errors[i], json);
		if (!f.at || *f.at == '<' || !strncmp(f.at, "nil", 3))
			continue;
		out[n++] = ' ';
		n = put(out, n, &f);
		break;
	}
	n = n < len ? n : len;
	memcpy(line, out, n);
	line[n] = '\0';
	return n;
}
