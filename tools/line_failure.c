/* SPDX-License-Identifier: MIT */
/* Whether a line is about TDX, and whether it tells a failure; see sentence.h. Words of English, so
 * this can only be near: what it takes for a failure is shown to a reader as a line that is not
 * known, never explained. It must err on the side of showing, but not on the lines of a healthy
 * machine. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tools/sentence.h"

/* A word of the list stands in the line by itself: no letter, digit or sign of a name beside it. */
static bool part_of_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '/' || c == '=' || c == '-';
}

static bool part_at(const char *line, size_t len, size_t i, const char *part)
{
	size_t n = strlen(part);

	return i + n <= len && !strncasecmp(line + i, part, n);
}

/* Its length when it is there, else 0. */
static size_t word_at(const char *line, size_t len, size_t i, const char *word)
{
	size_t n = strlen(word);

	return part_at(line, len, i, word) && (i == 0 || !part_of_name(line[i - 1])) &&
			       (i + n == len || !part_of_name(line[i + n]))
		       ? n
		       : 0;
}

static bool has_part(const char *line, size_t len, const char *const *parts, size_t n)
{
	for (size_t i = 0; i < len; i++)
		for (size_t k = 0; k < n; k++)
			if (part_at(line, len, i, parts[k]))
				return true;
	return false;
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What the kernel repeats of others, and lists of names: no report. */
static bool is_quotation(const char *line, size_t len)
{
	static const char *const parts[] = {"command line:", "modules linked in", "call trace",
					    "unknown kernel command line parameters"};

	return has_part(line, len, parts, COUNT(parts));
}

bool line_speaks_of_tdx(const char *line, size_t len)
{
	static const char *const parts[] = {
		"tdx",	    "seamcall",	    "seamldr", "tdcall",  "vm-type",
		"tdvmcall", "trust domain", "tdvf",    "td-shim", "tdreport",
	};

	return has_part(line, len, parts, COUNT(parts));
}

/* The word that ends before i, blanks skipped: moves i to its start. Punctuation at its end, and
 * the line's beginning, give none. */
static size_t word_before(const char *line, size_t *i)
{
	size_t end;

	while (*i && isspace((unsigned char)line[*i - 1]))
		--*i;
	end = *i;
	while (*i && !isspace((unsigned char)line[*i - 1]))
		--*i;
	return end > *i && isalnum((unsigned char)line[end - 1]) ? end - *i : 0;
}

static bool is_word(const char *at, size_t n, const char *const *words, size_t count)
{
	for (size_t k = 0; k < count; k++)
		if (strlen(words[k]) == n && !strncasecmp(at, words[k], n))
			return true;
	return false;
}

/* "no errors", "0 failed", "without any failure", "no fatal error", "not an error" tell of none. */
static bool denied_before(const char *line, size_t i)
{
	static const char *const deny[] = {"no",  "0",	   "without", "zero",	"non",
					   "not", "never", "none",    "nothing"};

	for (unsigned back = 0; back < 2; back++) {
		size_t n = word_before(line, &i);

		if (!n)
			return false;
		if (is_word(line + i, n, deny, COUNT(deny)))
			return true;
	}
	return false;
}

static const char *alpha_end(const char *p, const char *end)
{
	while (p < end && isalpha((unsigned char)*p))
		p++;
	return p;
}

/* A 0 that is no part of a longer number, hexadecimal or not, behind what joins a name and its
 * value; one more word may be of the name: "rejected: 0", "failed checks: 0", "error code 0". */
static bool none_follows(const char *p, const char *end)
{
	static const char *const more[] = {"count", "code", "suppressed"};

	if (p + 1 < end && *p == ' ') {
		const char *q = alpha_end(p + 1, end);

		if (q > p + 1 && (is_word(p + 1, (size_t)(q - p - 1), more, COUNT(more)) ||
				  (q[-1] == 's' && q < end && *q == ':')))
			p = q;
	}
	while (p < end && (*p == ' ' || *p == ':' || *p == '='))
		p++;
	return p < end && *p == '0' &&
	       (p + 1 == end || !(isalnum((unsigned char)p[1]) || p[1] == '.'));
}

/* "errors: 0", "error handler", "timeout 30 s", "EPT violation #VE": counts, things and settings.
 */
static bool denied_after(const char *line, size_t len, size_t i, size_t n)
{
	/* What stands behind their colon is a status, and a failure whatever it is. */
	static const char *const single[] = {"fail", "failed", "failure", "error"};
	static const char *const things[] = {" handler",  " handling",	" injection",  " reporting",
					     " counter",  " counters",	" logging",    " recovery",
					     " notifier", " detection", " workaround", " #VE"};
	const char *p = line + i + n, *end = line + len;

	if (!(p < end && *p == ':' && is_word(line + i, n, single, COUNT(single))) &&
	    none_follows(p, end))
		return true;
	for (size_t k = 0; k < COUNT(things); k++)
		if (part_at(line, len, i + n, things[k]))
			return true;
	if (n == 7 && part_at(line, len, i, "timeout")) {
		while (p < end && (*p == ' ' || *p == ':'))
			p++;
		return p < end &&
		       (isdigit((unsigned char)*p) || part_at(p, (size_t)(end - p), 0, "set"));
	}
	return false;
}

/* "not programmed", "not available": what was to be is not. */
static bool not_done(const char *line, size_t len, size_t i)
{
	static const char *const harmless[] = {"needed", "required", "used", "affected", "limited"};
	static const char *const ends[] = {"ed", "able", "ible"};
	size_t at = i + 4, end;

	if (!part_at(line, len, i, "not "))
		return false;
	for (end = at; end < len && isalpha((unsigned char)line[end]);)
		end++;
	if (is_word(line + at, end - at, harmless, COUNT(harmless)))
		return false;
	for (size_t k = 0; k < COUNT(ends); k++)
		if (end - at > strlen(ends[k]) &&
		    part_at(line, len, end - strlen(ends[k]), ends[k]))
			return true;
	return false;
}

/* A kernel's WARN, with or without its processor before the place. */
static bool kernel_warns(const char *line, size_t len, size_t i)
{
	return part_at(line, len, i, "WARNING: CPU: ") || part_at(line, len, i, "WARNING: arch/") ||
	       part_at(line, len, i, "WARNING: drivers/") ||
	       part_at(line, len, i, "WARNING: virt/");
}

/* clang-format off */
static const char *const words_of_failure[] = {
	"aborted", "aborting", "aren't", "assert", "bad", "broken", "bug", "can not", "can't",
	"cannot", "conflicts", "corrupt", "corrupted", "corruption", "could not", "couldn't",
	"crash", "crashed", "damaged", "denied", "denying", "did not", "didn't", "died", "differs",
	"disabled by", "disabled in", "disabling tdx", "does not", "doesn't", "double fault",
	"emerg", "error", "errors", "exceeded", "exhausted", "expired", "fail", "failed",
	"failing", "fails", "failure", "failures", "fatal", "forbidden", "gave up", "given up",
	"giving up", "hasn't", "haven't", "hung", "illegal", "inaccessible", "inappropriate",
	"incompatible", "inconsistent", "insufficient", "interrupted system call", "invalid",
	"is off", "is required", "isn't", "killed", "killing", "lacking", "lacks", "leaked",
	"leaking", "lockup", "lost", "main process exited", "misconfiguration", "misconfigured",
	"mismatch", "mismatched", "missing", "module is disabled", "no enough", "no response",
	"no such", "no support", "no tdx module", "no tdx support", "not enough", "not found",
	"not present", "not ready", "not responding", "not valid", "null pointer", "oops",
	"out of date", "out of memory", "out of range", "overflow", "overrun", "panic", "panicked",
	"protection fault", "refused", "refuses", "refusing", "rejected", "rejecting", "rejects",
	"requires", "reset by peer", "resource busy", "revoked", "segfault", "stalled", "stalls",
	"stuck", "tdx disabled", "tdx has been disabled", "tdx is disabled", "tdx is now disabled",
	"tdx support disabled", "tdx support is disabled", "tdx: disabled", "timed out",
	"timedout", "timeout", "timeouts", "too few", "too large", "too many", "too old",
	"too small", "triple fault", "truncated", "turned off", "unable", "unavailable",
	"unexpected", "unexpectedly", "unhandled", "unknown", "unreachable", "unrecoverable",
	"unsuccessful", "unsuccessfully", "unsupported", "unverified", "violation", "wasn't",
	"won't", "wrong",
};
/* clang-format on */

static bool word_of_failure(const char *line, size_t len, size_t i)
{
	size_t n;

	for (size_t k = 0; k < COUNT(words_of_failure); k++)
		if ((n = word_at(line, len, i, words_of_failure[k])) && !denied_before(line, i) &&
		    !denied_after(line, len, i, n))
			return true;
	return false;
}

/* "errors=3": no 0. */
static bool counted(const char *line, size_t len, size_t i)
{
	static const char *const names[] = {"errors=", "failures=", "failed=", "timeouts="};

	for (size_t k = 0; k < COUNT(names); k++) {
		const size_t at = i + strlen(names[k]);

		if (part_at(line, len, i, names[k]) && at < len && line[at] > '0' &&
		    line[at] <= '9')
			return true;
	}
	return false;
}

/* "RuntimeError: ...", "TdxError(...)": a kind of error, as programs name theirs. */
static bool error_kind(const char *line, size_t len, size_t i)
{
	static const char *const ends[] = {"Error", "Exception"};

	for (size_t k = 0; k < COUNT(ends); k++) {
		const size_t n = strlen(ends[k]);

		if (i && islower((unsigned char)line[i - 1]) && i + n < len &&
		    !strncmp(line + i, ends[k], n) && (line[i + n] == ':' || line[i + n] == '('))
			return true;
	}
	return false;
}

/* The line was cut off in the word that tells it. */
static bool cut_word(const char *line, size_t len, size_t i)
{
	static const char *const words[] = {"failed", "failure", "unsupported",
					    "cannot", "unable",	 "invalid"};

	for (size_t k = 0; k < COUNT(words); k++)
		if (len - i >= 3 && len - i < strlen(words[k]) &&
		    !strncasecmp(line + i, words[k], len - i) && !denied_before(line, i))
			return true;
	return false;
}

/* The name of an errno, as it stands in a source: "returned ENOTTY". */
static bool errno_name(const char *line, size_t len, size_t i)
{
	static const char *const names[] = {
		"EPERM",  "ENOENT",  "EIO",	  "ENXIO",  "EAGAIN",	    "ENOMEM",
		"EACCES", "EFAULT",  "EBUSY",	  "EEXIST", "ENODEV",	    "EINVAL",
		"ENOTTY", "ENOSPC",  "ENOSYS",	  "EINTR",  "EOPNOTSUPP",   "ENOTSUP",
		"EPROTO", "ENODATA", "EOVERFLOW", "E2BIG",  "ECONNREFUSED", "ETIMEDOUT",
	};

	for (size_t k = 0; k < COUNT(names); k++) {
		size_t n = strlen(names[k]);

		if (i + n <= len && !strncmp(line + i, names[k], n) &&
		    (i + n == len || !part_of_name(line[i + n])))
			return true;
	}
	return false;
}

/* "returned -22", "ret=-19", "(-5)": a negative errno behind what introduces one. */
static bool errno_number(const char *line, size_t len, size_t i)
{
	static const char *const before[] = {"ret",	"rc",	  "err",    "error",
					     "errno",	"status", "result", "returned",
					     "returns", "code",	  "with",   "got"};
	size_t digits = 0, end = i, start;
	bool bracket = i && line[i - 1] == '(';

	if (line[i] != '-')
		return false;
	while (i + 1 + digits < len && isdigit((unsigned char)line[i + 1 + digits]))
		digits++;
	if (!digits || digits > 3 || line[i + 1] == '0' ||
	    (i + 1 + digits < len && part_of_name(line[i + 1 + digits])))
		return false;
	if (bracket)
		return i + 1 + digits < len && line[i + 1 + digits] == ')';
	while (end && (line[end - 1] == ' ' || line[end - 1] == '=' || line[end - 1] == ':'))
		end--;
	for (start = end; start && isalpha((unsigned char)line[start - 1]);)
		start--;
	return end < i && is_word(line + start, end - start, before, COUNT(before));
}

/* "returned 0xc000010000000000": any number but 0. */
static bool returned_status(const char *line, size_t len, size_t i)
{
	static const char *const before[] = {"return 0x", "returned 0x", "returns 0x",
					     "returned: 0x"};

	for (size_t k = 0; k < COUNT(before); k++) {
		size_t at = i + strlen(before[k]);

		if (!part_at(line, len, i, before[k]))
			continue;
		while (at < len && line[at] == '0')
			at++;
		return at < len && isxdigit((unsigned char)line[at]);
	}
	return false;
}

static bool tells_failure(const char *line, size_t len)
{
	if (is_quotation(line, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (errno_number(line, len, i) || error_kind(line, len, i))
			return true;
		if (i && part_of_name(line[i - 1]))
			continue;
		if (word_of_failure(line, len, i) || not_done(line, len, i) ||
		    kernel_warns(line, len, i) || counted(line, len, i) ||
		    returned_status(line, len, i) || errno_name(line, len, i) ||
		    cut_word(line, len, i))
			return true;
	}
	return false;
}

/* "level=error", "\"PRIORITY\" : \"3\"": one of the values behind the name of a field. */
static bool field_is(const char *line, size_t len, const char *key, const char *const *values,
		     size_t count)
{
	for (size_t i = 0; i < len; i++) {
		size_t at = i + strlen(key), end;

		if (!part_at(line, len, i, key) || (i && isalnum((unsigned char)line[i - 1])))
			continue;
		while (at < len &&
		       (line[at] == '"' || line[at] == ' ' || line[at] == ':' || line[at] == '='))
			at++;
		for (end = at; end < len && isalnum((unsigned char)line[end]);)
			end++;
		if (at > i + strlen(key) && line[at - 1] != ' ' &&
		    is_word(line + at, end - at, values, count))
			return true;
	}
	return false;
}

/* The line, as it came, has the level of an error: "<3>", "level=error", "PRIORITY": "3". */
static bool is_of_level_error(const char *line, size_t len)
{
	static const char *const names[] = {"error",	"err",	 "fatal", "crit",
					    "critical", "alert", "emerg", "panic"};
	static const char *const numbers[] = {"0", "1", "2", "3"};
	static const char *const kern[] = {"kern  :err", "kern  :crit", "kern  :alert",
					   "kern  :emerg"};

	if (len > 2 && line[0] == '<' && line[1] >= '0' && line[1] <= '3' && line[2] == '>')
		return true;
	for (size_t k = 0; k < COUNT(kern); k++)
		if (part_at(line, len, 0, kern[k]))
			return true;
	/* "E1128 16:00:00.123456 ...": of programs in Go. */
	if (len > 8 && (line[0] == 'E' || line[0] == 'F') && isdigit((unsigned char)line[1]) &&
	    isdigit((unsigned char)line[4]) && line[5] == ' ' && line[8] == ':')
		return true;
	return field_is(line, len, "\"PRIORITY\"", numbers, COUNT(numbers)) ||
	       field_is(line, len, "severity", names, COUNT(names)) ||
	       field_is(line, len, "level", names, COUNT(names));
}

bool line_is_failure_of_tdx(const char *raw, size_t raw_len, const char *line, size_t len)
{
	return line_speaks_of_tdx(line, len) &&
	       (tells_failure(line, len) ||
		(is_of_level_error(raw, raw_len) && !is_quotation(line, len)));
}
