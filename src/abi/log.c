/* SPDX-License-Identifier: MIT */
/* Lines of logs that speak of TDX calls; see <swtdx/decode.h>. Freestanding.
 *
 * One pass over the words of a line. A word names a leaf, or a register, or announces a leaf number
 * or a status; a number is what the word before it announced. Understood so far:
 *
 *	SEAMCALL (0x000000000000001c) failed: 0xc000030000000001 [RCX 0x... RDX 0x... ...]
 *	SEAMCALL (28) failed: 0x..
 *	RCX 0x... RDX 0x... R08 0x...				(the line after)
 *	SEAMCALL failed: CPU 94: leaf 33, error 0xc000092100000122.
 *	additional output: rcx 0x0, rdx 0x0, ...
 *	SEAMCALL TDH_MEM_PAGE_AUG failed: 0x..., entry 0x..., level_state 0x...
 *	SEAMCALL[TDH_MNG_INIT] failed on cpu 3: TDX_OPERAND_INVALID (0x...)
 *	SEAMCALL[0x1c] failed: 0x...
 *	TDX ioctl KVM_TDX_INIT_VM failed, hw_errors: 0x...
 *	TDH.MNG.INIT failed with status: 0xc000010000000045
 *	seamcall_exit: cpuid: 3 op: TDH_MEM_PAGE_AUG err: TDX_OPERAND_BUSY(8000020000000092) 0 0 ...
 *	SEAMCALL[SEAMLDR_INFO] failed 0x8000000000000003
 *	kvm: TD vp_enter_ret 0x6000000500000000
 *	TDCALL 4 failed (Buggy TDX module!)				(a leaf without a status)
 *
 * and any number that is an error of the module as it stands. A number elsewhere is left alone: a
 * status must have a known class and name and its reserved bits clear, so addresses do not match.
 *
 * A status that is no error of the module, or not one this version knows, must stand directly
 * behind the word that announces it, on a line that names a call. Zero is a status only where a
 * return value is told ("returned 0x0"), never behind a failure: "tdx failed: 0x0", "failed to
 *unshare 0x0-0x200000" and "hw_errors: 0x0" (which says that the module was not asked) tell none.
 * What must stay true: nothing outside the line is read, whatever its bytes are. */
#include <swtdx/decode.h>

#include "arch/text.h"

struct word {
	const char *at;
	size_t len;
};

struct number {
	uint64_t value;
	bool hex;  /* written with 0x */
	bool wide; /* has more digits than 32 bits need */
	bool bare; /* 16 digits without 0x: hex, if a status was announced */
	uint64_t bare_value;
};

/* What the next number will be. A status after a failure, or as a return value told as such; it is
 * near as long as no other word has come between. */
enum expected { NOTHING, LEAF_NUMBER, FAILURE, RETURNED, REGISTER };

struct scan {
	const char *line;
	struct tdx_log_note *note;
	enum expected expected;
	bool near;
	unsigned reg;
	bool tdx;  /* the line speaks of TDX */
	bool call; /* of a call: SEAMCALL or TDCALL */
	bool guest;
	bool named;  /* the leaf was named in words */
	bool failed; /* says so */
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_word_char(char c)
{
	return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '.';
}

static bool is(struct word w, const char *s)
{
	size_t i = 0;

	for (; i < w.len && s[i]; i++)
		if (lower(w.at[i]) != s[i])
			return false;
	return i == w.len && !s[i];
}

static bool begins(struct word w, const char *s)
{
	size_t i = 0;

	while (i < w.len && s[i] && lower(w.at[i]) == s[i])
		i++;
	return !s[i];
}

static bool is_any_of(struct word w, const char *const *list)
{
	for (; *list; list++)
		if (is(w, *list))
			return true;
	return false;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The whole word is a number: decimal, or hex after 0x, of at most 64 bits. */
static bool parse_number(struct word w, struct number *n)
{
	size_t i = 0;

	n->hex = w.len > 2 && w.at[0] == '0' && lower(w.at[1]) == 'x';
	n->bare = w.len == 16 && !n->hex;
	n->value = n->bare_value = 0;
	if (n->hex)
		i = 2;
	n->wide = w.len - i > 8;
	if (i == w.len || w.len - i > 16)
		return false;
	for (; i < w.len; i++) {
		int d = digit(w.at[i]);

		if (d < 0 || (!n->hex && !n->bare && d > 9))
			return false;
		n->value = n->value * (n->hex ? 16 : 10) + (unsigned)d;
		n->bare_value = n->bare_value << 4 | (unsigned)d;
	}
	return true;
}

/* "tdh_mem_page_aug", "TDH.MEM.PAGE.AUG": a name with its prefix. */
static const struct tdx_leaf_info *named_leaf(struct word w)
{
	char name[40];

	if (w.len < 5 || w.len >= sizeof(name) || lower(w.at[0]) != 't' || lower(w.at[1]) != 'd' ||
	    (lower(w.at[2]) != 'h' && lower(w.at[2]) != 'g'))
		return NULL;
	for (size_t i = 0; i < w.len; i++)
		name[i] = w.at[i];
	name[w.len] = 0;
	return tdx_leaf_by_name(name);
}

/* The register a word names, as an x86 encoding; KVM's names for RCX and RDX of a failed walk too.
 */
static int named_register(struct word w)
{
	static const struct {
		const char *name;
		int reg;
	} names[] = {
		{"rcx", 1},  {"rdx", 2},   {"rbx", 3},	 {"rbp", 5},	     {"rsi", 6},
		{"rdi", 7},  {"r8", 8},	   {"r08", 8},	 {"r9", 9},	     {"r09", 9},
		{"r10", 10}, {"r11", 11},  {"r12", 12},	 {"r13", 13},	     {"r14", 14},
		{"r15", 15}, {"entry", 1}, {"septe", 1}, {"level_state", 2},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is(w, names[i].name))
			return names[i].reg;
	return -1;
}

static bool known_error(uint64_t value)
{
	const struct tdx_status_info *info = tdx_status_info(tdx_status(value));

	return info && info->code == tdx_code(tdx_status(value)) &&
	       (value & (TDX_STATUS_ERROR | TDX_STATUS_NON_RECOVERABLE));
}

/* Words that may stand between an announcement and its number: "failed with status code 0x..", and
 * the status by its name. */
static bool keeps_near(struct word w)
{
	static const char *const fillers[] = {"with", "code", "value", "on",  "cpu",
					      "is",   "was",  "an",    "the", NULL};

	return is_any_of(w, fillers) || begins(w, "tdx_");
}

static void take_status(struct scan *s, struct word w, uint64_t value)
{
	s->note->has_status = true;
	s->note->status = tdx_status(value);
	s->note->at = (size_t)(w.at - s->line);
	s->note->len = w.len;
	s->expected = NOTHING;
}

static void take_leaf_number(struct scan *s, uint64_t value)
{
	s->expected = NOTHING;
	if (tdx_seamldr_name(value))
		s->note->seamldr = true;
	else if (!tdx_rax_reserved(value) && !s->named)
		s->note->leaf = s->guest ? tdx_tdcall_leaf(tdx_rax_leaf(value))
					 : tdx_seamcall_leaf(tdx_rax_leaf(value));
}

/* What stands behind an announcement of a status. */
static bool is_announced(const struct scan *s, struct number n)
{
	if (!s->near)
		return false;
	if (!n.value)
		return s->call && s->expected == RETURNED;
	return n.wide && (s->call || (s->tdx && tdx_is_sw_error(tdx_status(n.value))));
}

static void on_number(struct scan *s, struct word w, struct number n)
{
	bool announced = s->expected == FAILURE || s->expected == RETURNED;

	if (s->expected == LEAF_NUMBER) {
		take_leaf_number(s, n.value);
	} else if (s->expected == REGISTER && n.hex) {
		*tdx_reg(&s->note->regs, s->reg) = n.value;
		s->note->shown |= TDX_REG_BIT(s->reg);
		s->expected = NOTHING;
	} else if (s->note->has_status) {
		return;
	} else if (n.bare && announced && s->call && known_error(n.bare_value)) {
		take_status(s, w, n.bare_value);
	} else if (!n.hex) {
		return;
	} else if (announced && is_announced(s, n)) {
		take_status(s, w, n.value);
	} else if (n.wide && known_error(n.value)) {
		take_status(s, w, n.value);
	}
}

static void expect_status(struct scan *s, enum expected what)
{
	s->expected = what;
	s->near = true;
}

static void on_call_word(struct scan *s, struct word w)
{
	s->tdx = s->call = true;
	s->guest = is(w, "tdcall");
	s->expected = LEAF_NUMBER;
}

static void on_word(struct scan *s, struct word w)
{
	static const char *const fails[] = {"failed", "fail",	  "fails",     "error",
					    "errors", "hw_error", "hw_errors", NULL};
	static const char *const tells[] = {"err",     "status", "ret", "returned",
					    "returns", "rc",	 "rax", NULL};
	const struct tdx_leaf_info *leaf = named_leaf(w);
	int reg = named_register(w);

	if (leaf) {
		s->note->leaf = leaf;
		s->named = s->tdx = s->call = true;
		/* "SEAMCALL TDH_X failed": what was announced is here. */
		if (s->expected == LEAF_NUMBER)
			s->expected = NOTHING;
	} else if (is(w, "seamcall") || is(w, "tdcall")) {
		on_call_word(s, w);
	} else if (begins(w, "seamldr")) {
		s->note->seamldr = s->named = s->tdx = s->call = true;
		s->expected = NOTHING;
	} else if (is(w, "vp_enter_ret")) {
		s->note->leaf = tdx_seamcall_leaf(TDH_VP_ENTER);
		s->named = s->tdx = s->call = true;
		expect_status(s, RETURNED);
	} else if (is(w, "leaf") && s->call) {
		s->expected = LEAF_NUMBER;
	} else if (is(w, "tdx")) {
		s->tdx = true;
	} else if (reg >= 0) {
		s->expected = REGISTER;
		s->reg = (unsigned)reg;
	} else if (is_any_of(w, fails)) {
		s->tdx |= begins(w, "hw_error");
		s->failed |= begins(w, "fail");
		expect_status(s, FAILURE);
	} else if (is_any_of(w, tells)) {
		/* "failed with status": still a failure. */
		expect_status(s, s->expected == FAILURE && s->near ? FAILURE : RETURNED);
	} else if (s->expected == REGISTER) {
		s->expected = NOTHING;
	} else if (!keeps_near(w)) {
		s->near = false;
	}
}

static void scan_words(struct scan *s, size_t len)
{
	size_t i = 0;

	while (i < len) {
		struct word w = {s->line + i, 0};
		struct number n;

		if (!is_word_char(s->line[i])) {
			i++;
			continue;
		}
		while (i < len && is_word_char(s->line[i]))
			i++;
		w.len = (size_t)(s->line + i - w.at);
		while (w.len && w.at[w.len - 1] == '.')
			w.len--;
		if (parse_number(w, &n))
			on_number(s, w, n);
		else if (w.len)
			on_word(s, w);
	}
}

/* A line that only adds registers may come this much later: other processors log in between. */
#define LINES_BETWEEN 8

static bool continues(const struct tdx_log *log, const struct tdx_log_note *note)
{
	return log->valid && log->lines_since <= LINES_BETWEEN && note->shown && !note->leaf &&
	       !note->has_status;
}

bool tdx_log_line(struct tdx_log *log, const char *line, size_t len, struct tdx_log_note *note)
{
	struct scan s = {.line = line, .note = note};

	*note = (struct tdx_log_note){0};
	log->lines_since++;
	scan_words(&s, len);
	if (continues(log, note)) {
		note->belongs = true;
		note->leaf = log->last.leaf;
		note->seamldr = log->last.seamldr;
		note->status = log->last.status;
		log->lines_since = 0;
		return true;
	}
	/* A call that failed, with a status the line does not tell; nothing can be added to it. */
	if (!note->has_status)
		return s.failed && s.call && note->leaf;
	log->last = *note;
	log->lines_since = 0;
	log->valid = true;
	return true;
}
