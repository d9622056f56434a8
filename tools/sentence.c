/* SPDX-License-Identifier: MIT */
/* Finds a sentence in a line; see sentence.h. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <swtdx/status.h>

#include "abi/ghci.h"
#include "arch/vmx.h"

#include "tools/sentence.h"

static const struct sentence sentences[] = {
#define X(kind_, printer_, first_, last_, topic_, about_, format_, meaning_, cause_, remedy_)      \
	{SENTENCE_##kind_, SENTENCE_##printer_,                                                    \
	 first_,	   last_,                                                                  \
	 topic_,	   SENTENCE_##about_,                                                      \
	 format_,	   meaning_,                                                               \
	 cause_,	   remedy_},
#include "tools/sentence.def"
#undef X
};

static const struct {
	const char *name;
	const char *mark; /* a short sentence of this printer counts beside it */
} printers[SENTENCE_PRINTERS] = {
	[SENTENCE_CPU] = {"Linux", "x86"},
	[SENTENCE_MCE] = {"Linux", "mce"},
	[SENTENCE_HOST] = {"Linux, host", "tdx"},
	[SENTENCE_KVM] = {"Linux, KVM", "kvm"},
	[SENTENCE_GUEST] = {"Linux, guest", "tdx"},
	[SENTENCE_TDX_GUEST] = {"Linux, guest driver", "tdx"},
	[SENTENCE_SYSTEMD] = {"systemd", "systemd"},
	[SENTENCE_QEMU] = {"QEMU", "kvm"},
	[SENTENCE_LIBVIRT] = {"libvirt", "tdx"},
	[SENTENCE_CLH] = {"cloud-hypervisor", "vmm"},
	[SENTENCE_EDK2] = {"edk2", "hob:"},
	[SENTENCE_TDSHIM] = {"td-shim", "td-shim"},
};

/* So many letters of a sentence are nobody else's. */
enum { ENOUGH = 20 };

static char lower(char c)
{
	return (char)tolower((unsigned char)c);
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A conversion of printf: its letter, and where it ends. Rust's and edk2's were put into C's. */
static char conversion(const char **format)
{
	const char *p = *format + 1;

	while (*p && strchr("#0123456789.-+lhzt", *p))
		p++;
	*format = *p ? p + 1 : p;
	return *p;
}

/* The matching of a format against the line from here on. */
struct matching {
	const char *end; /* of the line */
	unsigned numbers;
	uint64_t number[SENTENCE_NUMBERS];
};

static const char *take_number(struct matching *m, const char *p, bool hex)
{
	const char *begin;
	uint64_t value = 0;
	bool minus = false;

	if (hex && m->end - p > 2 && p[0] == '0' && lower(p[1]) == 'x')
		p += 2;
	if (!hex && p < m->end && *p == '-') {
		minus = true;
		p++;
	}
	for (begin = p; p < m->end && p - begin < 20; p++) {
		char c = lower(*p);

		if (c >= '0' && c <= '9')
			value = value * (hex ? 16 : 10) + (unsigned)(c - '0');
		else if (hex && c >= 'a' && c <= 'f')
			value = value * 16 + (unsigned)(c - 'a' + 10);
		else
			break;
	}
	if (p == begin)
		return NULL;
	if (m->numbers < SENTENCE_NUMBERS)
		m->number[m->numbers++] = minus ? (uint64_t)0 - value : value;
	return p;
}

static const char *match_here(struct matching *m, const char *format, const char *p);

/* %s: as little as lets the rest match. A sentence has at most three. */
static const char *match_text(struct matching *m, const char *format, const char *p)
{
	unsigned numbers = m->numbers;

	if (!*format)
		return m->end;
	for (; p <= m->end; p++) {
		const char *end = match_here(m, format, p);

		if (end)
			return end;
		m->numbers = numbers;
	}
	return NULL;
}

/* The end of the match, or NULL. */
static const char *match_here(struct matching *m, const char *format, const char *p)
{
	while (*format) {
		if (*format == '%') {
			char c = conversion(&format);

			if (c == 's')
				return match_text(m, format, p);
			if (c == '%' && (p == m->end || *p++ != '%'))
				return NULL;
			if (c != '%')
				p = take_number(m, p, c == 'x' || c == 'p');
			if (!p)
				return NULL;
		} else if (blank(*format)) {
			if (p == m->end || !blank(*p))
				return NULL;
			while (p < m->end && blank(*p))
				p++;
			format++;
		} else if (!strcmp(format, ".") && p == m->end) {
			return p; /* pasted without its full stop */
		} else if (p == m->end || lower(*p) != lower(*format)) {
			return NULL;
		} else {
			p++;
			format++;
		}
	}
	return p;
}

static bool word_before(const char *line, const char *p)
{
	return p > line && isalnum((unsigned char)p[-1]);
}

/* low: the line in small letters, for finding where a sentence may begin. */
static bool match(const struct sentence *s, const char *line, const char *low, size_t len,
		  struct sentence_match *m)
{
	const char first = lower(*s->format), *at = low;

	for (; at < low + len; at++) {
		const char *p, *end;
		struct matching state = {.end = line + len};

		if (first != '%' && !(at = memchr(at, first, (size_t)(low + len - at))))
			return false;
		p = line + (at - low);
		if (word_before(line, p))
			continue;
		end = match_here(&state, s->format, p);
		if (!end)
			continue;
		*m = (struct sentence_match){.sentence = s,
					     .at = (size_t)(p - line),
					     .len = (size_t)(end - p),
					     .numbers = state.numbers};
		memcpy(m->number, state.number, sizeof(m->number));
		return true;
	}
	return false;
}

static bool holds(const char *line, size_t len, const char *what)
{
	size_t n = strlen(what);

	for (size_t i = 0; i + n <= len; i++)
		if (!strncasecmp(line + i, what, n))
			return true;
	return false;
}

static size_t own_letters(const char *format)
{
	size_t n = 0;

	while (*format) {
		if (*format == '%')
			conversion(&format);
		else {
			n++;
			format++;
		}
	}
	return n;
}

/* Others say "module not loaded", too. */
static bool counts(const struct sentence *s, const char *line, size_t len)
{
	return own_letters(s->format) >= ENOUGH || line_speaks_of_tdx(line, len) ||
	       holds(line, len, printers[s->printer].mark);
}

bool sentence_find(const char *line, size_t len, struct sentence_match *m)
{
	char low[LINE_ROOM];

	len = len < sizeof(low) ? len : sizeof(low);
	for (size_t i = 0; i < len; i++)
		low[i] = lower(line[i]);
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (match(&sentences[i], line, low, len, m) && counts(&sentences[i], line, len))
			return true;
	return false;
}

const struct sentence *sentence_at(size_t index)
{
	return index < sizeof(sentences) / sizeof(sentences[0]) ? &sentences[index] : NULL;
}

const char *sentence_source(const struct sentence *s, char *buf, size_t len)
{
	const char *name = printers[s->printer].name;

	if (!*s->first && !*s->last)
		snprintf(buf, len, "%s, builds outside of its releases", name);
	else if (!*s->first)
		snprintf(buf, len, "%s, before or at %s", name, s->last);
	else if (!*s->last)
		snprintf(buf, len, "%s, since %s", name, s->first);
	else
		snprintf(buf, len, "%s, %s to %s", name, s->first, s->last);
	return buf;
}

static void exit_words(uint64_t reason, char *buf, size_t len)
{
	const char *name = vmx_exit_name((unsigned)(reason & VMX_EXIT_BASIC_MASK));

	snprintf(buf, len, "exit %" PRIu64 "%s%s%s", reason & VMX_EXIT_BASIC_MASK, name ? " (" : "",
		 name ? name : "", name ? ")" : "");
}

static void errno_words(uint64_t number, char *buf, size_t len)
{
	int64_t value = (int64_t)number;

	if (value < 0 && value > -4096)
		snprintf(buf, len, "%s", strerror((int)-value));
}

static void status_words(const struct sentence_match *m, char *buf, size_t len)
{
	struct tdx_status s = tdx_status(m->number[m->numbers - 1]);
	char name[TDX_STATUS_FORMAT_MAX];

	if (s.raw && tdx_status_info(s))
		snprintf(buf, len, "%s", tdx_status_format(s, name, sizeof(name)));
	else if (!s.raw && m->sentence->about == SENTENCE_HW_ERROR)
		snprintf(
			buf, len,
			"hw_errors 0: the module was not asked, KVM itself refused; the errno says "
			"why");
}

const char *sentence_number(const struct sentence_match *m, char *buf, size_t len)
{
	const char *name;

	buf[0] = '\0';
	if (!m->numbers)
		return buf;
	switch (m->sentence->about) {
	case SENTENCE_EXIT:
	case SENTENCE_EXIT_HEX:
		exit_words(m->number[0], buf, len);
		break;
	case SENTENCE_ERRNO:
		errno_words(m->number[m->numbers - 1], buf, len);
		break;
	case SENTENCE_TDVMCALL:
		name = tdvmcall_status_name(m->number[0]);
		snprintf(buf, len, "%s", name ? name : "");
		break;
	case SENTENCE_QUOTE:
		name = tdvmcall_quote_status_name(m->number[0]);
		snprintf(buf, len, "%s", name ? name : "");
		break;
	case SENTENCE_STATUS:
	case SENTENCE_HW_ERROR:
		status_words(m, buf, len);
		break;
	case SENTENCE_PLAIN:
	case SENTENCE_VERSION:
	case SENTENCE_ENABLED:
	case SENTENCE_INITIALIZED:
	case SENTENCE_CAUSE:
	case SENTENCE_INIT_FAILED:
		break;
	}
	return buf;
}
