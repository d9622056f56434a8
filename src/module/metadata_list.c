/* SPDX-License-Identifier: MIT */
/* The metadata lists that SYS.RDALL and exports of state write into pages: a header, then
 * sequences.
 *
 * Header: 15:0 bytes used, 31:16 sequences. A sequence is a field identifier whose "last" bits say
 * how many fields of how many elements follow, then the elements, 8 bytes each. A sequence ends
 * where codes, shapes or classes are not consecutive; only whole fields are written. Rows of
 * CPUID_VALUES are never consecutive, and those the TD does not have are left out. */
#include <string.h>
#include "module/cpuid_table.h"
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

	if (md_is_none(c->id) || md_is_cpuid(from))
		return false;
	g = field(c);
	return md_class(from) == md_class(c->id) &&
	       md_code(from) + md_elements(f) * md_stride(f) == md_code(c->id) &&
	       f->last_element == g->last_element && md_size(f->id) == md_size(g->id);
}

/* The elements of a field; false when there is nothing to be told of it. */
static bool take(const struct md *md, const struct md_field *f, uint64_t id, uint64_t *word)
{
	const uint64_t rd = md_mask(md, f).rd;

	if (!rd)
		return false;
	if (md->ctx == MD_CTX_SYS) {
		for (unsigned i = 0; i < md_sys_elements(f, id); i++)
			word[i] = md_sys_value(md, f, id + i) & rd;
		return true;
	}
	for (unsigned i = 0; i < md_elements(f); i++) {
		struct md_element e;

		if (!tdx_is_success(md_element_at(md, f, id + i * md_stride(f), &e)))
			return false;
		word[i] = e.value & rd;
	}
	/* a leaf that importers of older versions do not know */
	return !(md_is_cpuid(id) && md_cpuid_leaf(id) == CPUID_LAST_BASE_LEAF && !word[0] &&
		 !word[1]);
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
		const uint64_t id = c->id;
		const bool taken = take(md, f, id, &l->word[l->used]);

		if (taken) {
			l->used += md_elements(f);
			fields++;
		}
		md_advance(md, c, MD_STEP_FIELD);
		if (!taken || !goes_on(id, f, c)) {
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

struct tdx_status md_dump(const struct md *md, uint64_t id, void *page, uint64_t *next)
{
	struct list l = {.word = page, .used = 1};
	struct md_cursor c = {.id = md_with_ctx(id, md->ctx)};

	*next = MD_ID_NONE;
	c.table = md_table_of(c.id);
	if (md_is_none(c.id)) {
		md_advance(md, &c, MD_STEP_FIELD);
		if (md_is_none(c.id))
			return tdx_success();
	}
	if (!md_cursor_at(md, c.id, &c))
		return tdx_error(TDX_METADATA_FIELD_ID_INCORRECT);
	while (l.used + 1 + md_elements(field(&c)) <= LIST_WORDS)
		if (!sequence(md, &c, &l) || md_is_none(c.id))
			break;
	l.word[0] = (uint64_t)l.used * sizeof(uint64_t) | (uint64_t)l.sequences << 16;
	*next = c.id;
	return md_is_none(c.id) ? tdx_success() : tdx_error(TDX_METADATA_LIST_OVERFLOW);
}
