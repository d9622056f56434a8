/* SPDX-License-Identifier: MIT */
/* A line of a log without what others put around it; see sentence.h. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tools/sentence.h"

/* A terminal's sequence at p, after its ESC: how long it is. */
static size_t sequence(const char *p, const char *end)
{
	const char *q = p;

	if (q < end && *q == '[') {
		for (q++; q < end && (unsigned char)*q >= 0x20 && (unsigned char)*q < 0x40;)
			q++;
		return (size_t)(q - p) + (q < end);
	}
	if (q < end && *q == ']') {
		while (q < end && *q != '\a' && *q != 0x1b)
			q++;
		return (size_t)(q - p) + (q < end);
	}
	return q < end;
}

static size_t without_terminal(const char *line, size_t len, char *out, size_t room)
{
	const char *end = line + len;
	size_t n = 0;

	for (const char *p = line; p < end && n + 1 < room; p++) {
		if (*p == 0x1b)
			p += sequence(p + 1, end);
		else if (*p == '\r' && p + 1 == end)
			continue; /* of CR LF */
		else if (*p == '\r')
			out[n++] = ' ';
		else
			out[n++] = (char)(isprint((unsigned char)*p) ? *p : *p == '\t' ? ' ' : '?');
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return n;
}

static const char *skip_blanks(const char *p)
{
	while (*p == ' ')
		p++;
	return p;
}

/* "<6>", "[    1.234567]", "[  +0.000012]", "[Nov28 16:00]", "[Sat Nov 28 16:00:00 2026]",
 * "[T123]", "[    C0]": a bracket with a digit and none of what sentences put into theirs. */
static const char *skip_bracket(const char *p)
{
	const char *close;
	bool digit = false;

	if (*p != '[' && *p != '<')
		return NULL;
	close = strchr(p, *p == '[' ? ']' : '>');
	if (!close || close - p > 40)
		return NULL;
	for (const char *q = p + 1; q < close; q++) {
		digit |= isdigit((unsigned char)*q) != 0;
		if (!isalnum((unsigned char)*q) && !strchr(" .:+-,", *q))
			return NULL;
	}
	return digit ? close + 1 : NULL;
}

/* "kern  :err   : " of dmesg -x. */
static const char *skip_facility(const char *p)
{
	static const char *const names[] = {"kern", "user", "daemon", "syslog"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *q = p + strlen(names[i]);

		if (strncmp(p, names[i], strlen(names[i])))
			continue;
		q = skip_blanks(q);
		if (*q != ':')
			continue;
		for (q++; isalpha((unsigned char)*q);)
			q++;
		q = skip_blanks(q);
		if (*q == ':')
			return q + 1;
	}
	return NULL;
}

/* "host program[1]: " after a date: nothing that the line says, even where the host is named tdx.
 */
static const char *skip_host(const char *p)
{
	const char *q = strchr(p, ' ');

	if (!q || q == p || memchr(p, ':', (size_t)(q - p)))
		return NULL;
	q = skip_blanks(q);
	while (isalnum((unsigned char)*q) || (*q && strchr("-_./@[]()", *q)))
		q++;
	if (*q != ':')
		return NULL;
	/* The kernel's own name says nothing; that of a program may be what the line is about. */
	return q + 1;
}

/* "Nov 28 16:00:00", "2026-11-28T16:00:00.123456+00:00", "2026-11-28 16:00:00.123+0000: 4711:". */
static const char *skip_date(const char *p)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char month[4] = {p[0], p[0] ? p[1] : 0, p[0] && p[1] ? p[2] : 0, 0};
	const char *at = strlen(month) == 3 ? strstr(months, month) : NULL;

	if (at && (at - months) % 3 == 0 && p[3] == ' ') {
		p = skip_blanks(p + 3);
		while (isdigit((unsigned char)*p))
			p++;
		p = skip_blanks(p);
		if (!isdigit((unsigned char)*p))
			return NULL;
	} else if (strlen(p) < 19 || !isdigit((unsigned char)p[0]) || p[4] != '-' || p[7] != '-') {
		return NULL;
	} else {
		p += 10;
		p += *p == 'T' || *p == ' ';
	}
	while (isdigit((unsigned char)*p) || (*p && strchr(":.,+-Z", *p)))
		p++;
	return p;
}

/* "stderr F " of a container's log, after its date. */
static const char *skip_stream(const char *p)
{
	if (strncmp(p, "stdout ", 7) && strncmp(p, "stderr ", 7))
		return NULL;
	return (p[7] == 'F' || p[7] == 'P') && p[8] == ' ' ? p + 9 : NULL;
}

static const char *skip_prompt(const char *p)
{
	const char *at = strchr(p, '@'), *end = at ? strpbrk(at, "#$") : NULL;

	/* "root@tdx-guest:~# dmesg": a command, no report. */
	if (!end || end[1] != ' ' || strcspn(p, " ") < (size_t)(at - p) || !strchr(at, ':') ||
	    strchr(at, ':') > end)
		return NULL;
	return p + strlen(p);
}

static const char *after_date(const char *p)
{
	const char *next = skip_stream(p);

	next = next ? next : skip_host(p);
	return next ? next : p;
}

/* Moves the line itself to the front of its room. */
static size_t without_front(char *out, size_t n)
{
	const char *p, *next;

	for (p = skip_blanks(out);; p = skip_blanks(next)) {
		if (*p == '>' || *p == '|')
			next = p + 1;
		else if ((next = skip_bracket(p)) || (next = skip_facility(p)) ||
			 (next = skip_prompt(p)))
			continue;
		else if ((next = skip_date(p)))
			next = after_date(skip_blanks(next));
		else
			break;
	}
	n -= (size_t)(p - out);
	memmove(out, p, n + 1);
	return n;
}

size_t line_clean(const char *line, size_t len, char *out, size_t room)
{
	size_t n = without_front(out, without_terminal(line, len, out, room)), inner;

	/* What a logger of structured lines holds has a front of its own. */
	inner = line_open(out, n);
	return inner == n ? n : without_front(out, inner);
}
