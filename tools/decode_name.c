/* SPDX-License-Identifier: MIT */
/* swtdx decode of a word that names nothing: what it may have been meant to be. */
#include <stdio.h>
#include <string.h>

#include "abi/metadata.h"

#include "decode.h"
#include "tools/text.h"

static void among_statuses(struct text_nearest *n, const char *word)
{
	const struct tdx_status_info *s;

	for (size_t i = 0; (s = tdx_status_at(i)); i++) {
		text_nearer(n, word, s->name);
		/* The name without its TDX_ does as well. */
		if (!strncmp(s->name, "TDX_", 4))
			text_nearer(n, word, s->name + 4);
	}
}

static void among_leaves(struct text_nearest *n, const char *word)
{
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		if (tdx_seamcall_leaf(i)) {
			text_nearer(n, word, tdx_seamcall_leaf(i)->name);
			text_nearer(n, word, tdx_seamcall_leaf(i)->name + 4);
		}
	for (unsigned i = 0; i < TDX_TDCALL_LEAVES; i++)
		if (tdx_tdcall_leaf(i))
			text_nearer(n, word, tdx_tdcall_leaf(i)->name);
}

static void among_operands(struct text_nearest *n, const char *word)
{
	enum tdx_operand op;

	for (size_t i = 0; tdx_operand_at(i, &op); i++)
		text_nearer(n, word, tdx_operand_name(op));
}

static void among_fields(struct text_nearest *n, const char *word)
{
	static const struct md_table *const tables[] = {&md_sys, &md_td, &md_vp, &md_vmcs};
	const char *dot = strrchr(word, '.');

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (unsigned k = 0; k < tables[i]->rows; k++)
			text_nearer(n, dot ? dot + 1 : word, tables[i]->row[k].name);
}

void decode_tell_unknown(const char *word, const char *what, unsigned kinds)
{
	struct text_nearest n = {0};

	if (kinds & DECODE_STATUSES)
		among_statuses(&n, word);
	if (kinds & DECODE_LEAVES)
		among_leaves(&n, word);
	if (kinds & DECODE_OPERANDS)
		among_operands(&n, word);
	if (kinds & DECODE_FIELDS)
		among_fields(&n, word);
	fprintf(stderr, "swtdx decode: \"%s\" is %s", word, what);
	if (n.name)
		fprintf(stderr, "; did you mean %s?", n.name);
	fputc('\n', stderr);
}
