/* SPDX-License-Identifier: MIT */
/* The metadata list SYS.RDALL writes into a page: a header, then sequences.
 *
 * Header: 15:0 bytes used, 31:16 sequences. A sequence is a field identifier whose "last" bits say
 * how many fields of how many elements follow, then the elements, 8 bytes each. A sequence ends
 * where codes, shapes or classes are not consecutive; only whole fields are written. */
#include <string.h>
#include "module/metadata.h"

enum { LIST_WORDS = 512 };

struct list {
	uint64_t *word;
	unsigned used; /* words, header included */
	unsigned sequences;
};

static const struct md_field *field(const struct md_cursor *c)
{
	return &c->table->row[c->row];
}

static uint64_t sequence_header(uint64_t id, const struct md_field *f, unsigned fields)
{
	id &= ~(MD_ID_RESERVED | MD_ID_WR_MASK_VALID | MD_ID_LAST_ELEMENT | MD_ID_LAST_FIELD);
	return id | (uint64_t)f->last_element << 34 | (uint64_t)(fields - 1) << 38;
}

static bool goes_on(uint64_t from, const struct md_field *f, const struct md_cursor *c)
{
	const struct md_field *g;

	if (md_is_none(c->id))
		return false;
	g = field(c);
	return md_class(from) == md_class(c->id) &&
	       md_code(from) + md_elements(f) * md_stride(f) == md_code(c->id) &&
	       f->last_element == g->last_element && md_size(f->id) == md_size(g->id);
}

/* One sequence from the cursor on; false when the page is full before the sequence ended. */
static bool sequence(const struct md *md, struct md_cursor *c, struct list *l)
{
	const uint64_t first = c->id;
	const struct md_field *head = field(c);
	unsigned at = l->used++, fields = 0;
	bool full = true;

	while (l->used + md_elements(field(c)) <= LIST_WORDS) {
		const struct md_field *f = field(c);
		const uint64_t id = c->id, rd = md_mask(md, f).rd;

		if (rd) {
			for (unsigned i = 0; i < md_sys_elements(f, id); i++)
				l->word[l->used + i] = md_sys_value(md, f, id + i) & rd;
			l->used += md_elements(f);
			fields++;
		}
		md_advance(md, c, MD_STEP_FIELD);
		if (!rd || !goes_on(id, f, c)) {
			full = false;
			break;
		}
	}
	if (fields) {
		l->word[at] = sequence_header(first, head, fields);
		l->sequences++;
	} else {
		l->used = at;
	}
	return !full;
}

struct tdx_status md_rdall(const struct md *md, uint64_t id, void *page, uint64_t *next)
{
	struct list l = {.word = page, .used = 1};
	struct md_cursor c = {.id = md_with_ctx(id, md->ctx)};
	const struct md_field *f;

	*next = MD_ID_NONE;
	c.table = md_table_of(c.id);
	if (md_is_none(c.id)) {
		md_advance(md, &c, MD_STEP_FIELD);
		if (md_is_none(c.id))
			return tdx_success();
	}
	f = md_row(md, c.id);
	if (!f || md_index(f, c.id) % md_elements(f) || md_size(f->id) != md_size(c.id))
		return tdx_error(TDX_METADATA_FIELD_ID_INCORRECT);
	c.row = (unsigned)(f - c.table->row);
	c.id = (f->id & ~MD_ID_CODE_MASK) | md_code(c.id);
	while (l.used + 1 + md_elements(field(&c)) <= LIST_WORDS)
		if (!sequence(md, &c, &l) || md_is_none(c.id))
			break;
	l.word[0] = (uint64_t)l.used * sizeof(uint64_t) | (uint64_t)l.sequences << 16;
	*next = c.id;
	return md_is_none(c.id) ? tdx_success() : tdx_error(TDX_METADATA_LIST_OVERFLOW);
}
