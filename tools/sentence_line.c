/* SPDX-License-Identifier: MIT */
/* A line of a log: what others put around it, and whether it tells a failure of TDX; see
 * sentence.h. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tools/sentence.h"

/* A word of the list stands in the line by itself: no letter, digit or sign of a name beside it. */
static bool part_of_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '/' || c == '=' || c == '-';
}

static bool word_at(const char *line, size_t len, size_t i, const char *word)
{
	size_t n = strlen(word);

	return i + n <= len && !strncasecmp(line + i, word, n) &&
	       (i == 0 || !part_of_name(line[i - 1])) &&
	       (i + n == len || !part_of_name(line[i + n]));
}

static bool part_at(const char *line, size_t len, size_t i, const char *part)
{
	size_t n = strlen(part);

	return i + n <= len && !strncasecmp(line + i, part, n);
}

/* What the kernel repeats of others, and lists of names: no report. */
static bool is_quotation(const char *line, size_t len)
{
	static const char *const parts[] = {"command line:", "modules linked in", "call trace",
					    "unknown kernel command line parameters"};

	for (size_t i = 0; i < len; i++)
		for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
			if (part_at(line, len, i, parts[k]))
				return true;
	return false;
}

bool line_speaks_of_tdx(const char *line, size_t len)
{
	static const char *const parts[] = {"tdx",     "seamcall", "seamldr",	  "tdcall",
					    "vm-type", "tdvmcall", "trust domain"};

	for (size_t i = 0; i < len; i++)
		for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
			if (part_at(line, len, i, parts[k]))
				return true;
	return false;
}

/* "no errors", "0 failed" tell of none. */
static bool denied(const char *line, size_t i)
{
	size_t end, n;

	while (i && isspace((unsigned char)line[i - 1]))
		i--;
	end = i;
	while (i && !isspace((unsigned char)line[i - 1]))
		i--;
	n = end - i;
	return (n == 2 && !strncasecmp(line + i, "no", n)) || (n == 1 && line[i] == '0') ||
	       (n == 7 && !strncasecmp(line + i, "without", n));
}

bool line_tells_failure(const char *line, size_t len)
{
	static const char *const words[] = {
		"fail",		 "failed",	"fails",	"failure",	 "failing",
		"error",	 "errors",	"cannot",	"can't",	 "couldn't",
		"could not",	 "unable",	"unsupported",	"not supported", "invalid",
		"denied",	 "refused",	"rejected",	"not enabled",	 "missing",
		"exhausted",	 "bug",		"panic",	"unexpected",	 "unknown",
		"not found",	 "no such",	"does not",	"doesn't",	 "timeout",
		"timed out",	 "timedout",	"corrupted",	"mismatch",	 "aborted",
		"killed",	 "broken",	"unavailable",	"not available", "not ready",
		"not loaded",	 "not present", "inaccessible", "incompatible",	 "oops",
		"unrecoverable", "overflow",	"leaked",	"not allowed",	 "bad",
		"requires",	 "is required", "violation",	"emerg",	 "fatal",
		"illegal",	 "denying",	"giving up",	"gave up",	 "disabled",
		"not enough",	 "no enough",	"insufficient", "unhandled",	 "misconfiguration",
		"out of memory", "too large",	"too small",	"too many",	 "conflicts",
	};

	if (is_quotation(line, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (i && part_of_name(line[i - 1]))
			continue;
		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
			if (word_at(line, len, i, words[k]) && !denied(line, i))
				return true;
	}
	return false;
}

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
 * "[T123]",
 * "[    C0]": a bracket with a digit and none of what sentences put into theirs. */
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

static const char *skip_prompt(const char *p)
{
	const char *at = strchr(p, '@'), *end = at ? strpbrk(at, "#$") : NULL;

	/* "root@tdx-guest:~# dmesg": a command, no report. */
	if (!end || end[1] != ' ' || strcspn(p, " ") < (size_t)(at - p) || !strchr(at, ':') ||
	    strchr(at, ':') > end)
		return NULL;
	return p + strlen(p);
}

size_t line_clean(const char *line, size_t len, char *out, size_t room)
{
	const char *p, *next;
	size_t n = without_terminal(line, len, out, room);

	for (p = skip_blanks(out);; p = skip_blanks(next)) {
		if (*p == '>' || *p == '|')
			next = p + 1;
		else if ((next = skip_bracket(p)) || (next = skip_facility(p)) ||
			 (next = skip_prompt(p)))
			continue;
		else if ((next = skip_date(p)))
			next = skip_host(skip_blanks(next)) ? skip_host(skip_blanks(next)) : next;
		else
			break;
	}
	n -= (size_t)(p - out);
	memmove(out, p, n + 1);
	return n;
}
