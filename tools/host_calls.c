/* SPDX-License-Identifier: MIT */
/* See tools/host_calls.h. */
#include "tools/host_calls.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>

enum { WORD = 64, CALLERS = 4 };

/* --- --fault --- */

static const struct {
	const char *name;
	enum tdx_fault_kind kind;
} kinds[] = {
	{"busy", TDX_FAULT_BUSY},
	{"entropy", TDX_FAULT_ENTROPY},
	{"key", TDX_FAULT_KEY},
	{"key-busy", TDX_FAULT_KEY_BUSY},
	{"interrupt", TDX_FAULT_INTERRUPT},
};

static bool parse_number(const char *text, uint64_t *v)
{
	char *end;

	*v = strtoull(text, &end, 0);
	return end != text && !*end && text[0] != '-';
}

static bool parse_operand(const char *name, enum tdx_operand *op)
{
	for (size_t i = 0; tdx_operand_at(i, op); i++)
		if (tdx_operand_name(*op) && strcmp(tdx_operand_name(*op), name) == 0)
			return true;
	return false;
}

/* A name, a name and its operand, or a number. */
static bool parse_status(const char *text, struct tdx_status *s)
{
	const struct tdx_status_info *info;
	char name[WORD];
	enum tdx_operand op;
	const char *bar = strchr(text, '|');

	snprintf(name, sizeof(name), "%.*s", bar ? (int)(bar - text) : WORD - 1, text);
	info = tdx_status_by_name(name);
	if (!info)
		return !bar && parse_number(text, &s->raw);
	*s = tdx_error(info->code);
	if (!bar)
		return true;
	if (!parse_operand(bar + 1, &op))
		return false;
	*s = tdx_error_op(info->code, op);
	return true;
}

/* The number behind the mark, which is cut off. */
static bool take_number(char *text, char mark, uint64_t *v)
{
	char *at = strrchr(text, mark);

	if (!at)
		return true;
	*at = '\0';
	return parse_number(at + 1, v);
}

static const char *parse_fault(char *text, struct tdx_fault *f)
{
	const struct tdx_leaf_info *leaf;
	uint64_t nth = 1, times = 1, cpu = UINT64_MAX, number;
	char *is = strchr(text, '=');
	unsigned i = 0;

	if (!is)
		return "a fault is LEAF[#N][xTIMES][@CPU]=STATUS";
	*is++ = '\0';
	if (!take_number(text, '@', &cpu) || !take_number(text, 'x', &times) ||
	    !take_number(text, '#', &nth) || (cpu != UINT64_MAX && cpu > 63))
		return "#, x and @ of a fault take numbers";
	leaf = tdx_leaf_by_name(text);
	if (leaf && leaf != tdx_seamcall_leaf(leaf->number))
		return "the leaf of a fault is a SEAMCALL's";
	if (!leaf && (!parse_number(text, &number) || number >= TDX_SEAMCALL_LEAVES))
		return "the leaf of a fault is a name, as TDH.MEM.PAGE.AUG, or its number";
	*f = (struct tdx_fault){
		.leaf = leaf ? (int)leaf->number : (int)number,
		.cpu = cpu == UINT64_MAX ? -1 : (int)cpu,
		.nth = nth,
		.times = times,
	};
	while (i < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[i].name, is) != 0)
		i++;
	if (i < sizeof(kinds) / sizeof(kinds[0]))
		f->kind = kinds[i].kind;
	else if (!parse_status(is, &f->status))
		return "the status of a fault is a name, as TDX_OPERAND_BUSY|SEPT_TREE, a number, "
		       "or "
		       "busy, entropy, key, key-busy or interrupt";
	return NULL;
}

const char *host_faults_parse(const char *text, struct tdx_fault *fault, unsigned max, unsigned *n)
{
	char word[2 * WORD];
	const char *why = NULL;

	for (*n = 0; text && !why; (*n)++) {
		const size_t len = strcspn(text, ",");

		if (*n == max)
			return "more faults than there can be";
		if (len >= sizeof(word))
			return "a fault is LEAF[#N][xTIMES][@CPU]=STATUS";
		memcpy(word, text, len);
		word[len] = '\0';
		why = parse_fault(word, &fault[*n]);
		text = text[len] ? text + len + 1 : NULL;
	}
	return why;
}

/* --- as they are made --- */

/* "# tdh_mem_page_aug+0xa9 <- tdx_sept_set_private_spte+0x123 ...": a comment of the vector
 * language.
 */
static void trace_callers(struct host_calls *c, unsigned cpu, const struct board_chain *chain)
{
	const struct symbols *s = host_names(c->names);
	char line[CALLERS * SYMBOL_TEXT + 16] = "#", text[SYMBOL_TEXT];
	size_t len = 1;
	unsigned named = 0;

	for (unsigned i = 1; i < chain->n && named < CALLERS; i++) {
		if (s && !symbols_is_code(s, chain->rip[i]))
			continue;
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s",
					named++ ? " <- " : " called at ",
					symbols_name(s, chain->rip[i], text));
	}
	if (named)
		trace_text(c->trace, cpu, line);
}

static void count_failure(struct host_calls *c, unsigned cpu, unsigned leaf, uint64_t status,
			  const struct board_chain *at)
{
	unsigned i = 0;

	pthread_mutex_lock(&c->lock);
	while (i < c->nfailures && (c->failure[i].leaf != leaf || c->failure[i].status != status ||
				    memcmp(&c->failure[i].at, at, sizeof(*at)) != 0))
		i++;
	if (i == c->nfailures && i < HOST_FAILURES)
		c->failure[c->nfailures++] =
			(struct host_failure){.leaf = leaf, .status = status, .at = *at};
	if (i < HOST_FAILURES) {
		c->failure[i].times++;
		c->failure[i].cpus |= cpu < 32 ? 1u << cpu : 0;
	}
	pthread_mutex_unlock(&c->lock);
}

void host_seamcall(void *arg, unsigned cpu, const struct tdx_regs *in, const struct tdx_regs *out)
{
	struct board_chain chain = {0}, at = {0};
	struct host_calls *c = arg;
	const struct symbols *s;

	if (!out && c->trace) {
		board_where(c->board, cpu, &chain);
		trace_callers(c, cpu, &chain);
	}
	if (!out || !tdx_is_error((struct tdx_status){out->rax}))
		return;
	board_where(c->board, cpu, &chain);
	s = host_names(c->names);
	/* By who called: what is above differs from call to call. */
	for (unsigned i = 0; i < chain.n && at.n < 3; i++)
		if (!i || !s || symbols_is_code(s, chain.rip[i]))
			at.rip[at.n++] = chain.rip[i];
	count_failure(c, cpu, tdx_rax_leaf(in->rax), out->rax, &at);
}

void host_show_failures(const struct host_calls *c)
{
	const struct symbols *s = host_names(c->names);
	char status[TDX_STATUS_FORMAT_MAX], text[SYMBOL_TEXT];

	for (unsigned i = 0; i < c->nfailures; i++) {
		const struct host_failure *f = &c->failure[i];
		const struct tdx_leaf_info *leaf = tdx_seamcall_leaf((uint16_t)f->leaf);

		fprintf(stderr, "host: ");
		if (leaf)
			fprintf(stderr, "%s", leaf->name);
		else
			fprintf(stderr, "leaf %u", f->leaf);
		fprintf(stderr, ": %s, %" PRIu64 " times, on processors 0x%x",
			tdx_status_format((struct tdx_status){f->status}, status, sizeof(status)),
			f->times, f->cpus);
		for (unsigned k = 0; k < f->at.n; k++)
			fprintf(stderr, "%s%s", k ? " <- " : " at ",
				symbols_name(s, f->at.rip[k], text));
		fprintf(stderr, "\n");
	}
}
