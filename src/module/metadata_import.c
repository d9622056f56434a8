/* SPDX-License-Identifier: MIT */
/* Reading the metadata lists of a state bundle.
 *
 * The exporter may be older or newer than this module, so fields it may leave out, and those that
 * this module does not want, are passed over; but the order is that of the tables, and what is
 * required must be there. Everything is said by the exporter and may be anything: nothing is read
 * past the list's own size, which is at most a page. Exact statuses: vectors 14-mig-crafted-*. */
#include "module/metadata.h"

enum { LIST_HEADER = 8, SEQUENCE_HEADER = 8, LIST_MAX = 4096, NO_SEQUENCE = 0xffff };

struct list {
	const uint64_t *word;
	uint32_t at;   /* bytes, of the next sequence */
	uint32_t left; /* bytes after it */
};

/* A status with a field's size or a sequence's index in 15:0 and ffff in 31:16. */
static struct tdx_status no_sequence(uint64_t code, unsigned index)
{
	return tdx_error_pair(code, NO_SEQUENCE, (uint16_t)index);
}

static bool in_this_bundle(const struct md *md, const struct md_field *f)
{
	return f->phase == (md->by == MD_IMPORT_IMMUTABLE ? MD_IMMUTABLE : MD_MUTABLE);
}

static bool required(const struct md *md, const struct md_cursor *c)
{
	const struct md_field *f = &c->table->row[c->row];

	return f->need == MD_REQUIRED && in_this_bundle(md, f);
}

static bool wanted(const struct md *md, const struct md_field *f)
{
	return f->need != MD_NOT_IMPORTED && in_this_bundle(md, f);
}

static struct tdx_status write_field(const struct md *md, const struct md_field *f, uint64_t id,
				     const uint64_t *value, uint64_t mask)
{
	uint64_t old;

	switch (md->ctx) {
	case MD_CTX_SYS: /* what the exporter's module and platform were binds nobody */
		return tdx_success();
	case MD_CTX_TD:
		return md_td_import(md, f, id, value, mask);
	case MD_CTX_VP:
		return md_vp_write(md, f, id, value[0], mask, &old);
	}
	return tdx_success();
}

/* The fields of one sequence; the cursor is at the first. */
static struct tdx_status read_sequence(const struct md *md, struct md_cursor *c, struct list *l,
				       unsigned index, uint64_t *error)
{
	const uint64_t header = l->word[l->at / 8];
	const unsigned fields = (unsigned)(header >> 38 & 0x1ff) + 1;
	uint32_t left = l->left - SEQUENCE_HEADER, word = l->at / 8 + 1;
	uint64_t mask = ~0ull;

	if (header & MD_ID_RESERVED) {
		*error = header;
		return no_sequence(TDX_METADATA_FIELD_ID_INCORRECT, index);
	}
	if (md_size(header) != md_size(c->id)) {
		*error = header;
		return tdx_error_num(TDX_METADATA_FIELD_ID_INCORRECT, index);
	}
	if (header & MD_ID_WR_MASK_VALID) {
		mask = l->word[word++];
		left -= 8;
	}
	for (unsigned i = 0; i < fields; i++) {
		const struct md_field *f = &c->table->row[c->row];
		const unsigned cls = md_class(c->id), size = md_elements(f) * 8;
		struct tdx_status s = tdx_success();

		if (left < size) {
			*error = c->id;
			return no_sequence(TDX_METADATA_LIST_OVERFLOW, index);
		}
		if (wanted(md, f))
			s = write_field(md, f, c->id, &l->word[word], mask);
		if (!tdx_is_success(s) && !tdx_is(s, TDX_METADATA_FIELD_NOT_WRITABLE)) {
			*error = c->id;
			return tdx_status(s.raw + index);
		}
		left -= size;
		word += size / 8;
		md_step(md, c, MD_STEP_FIELD);
		if (i + 1 < fields && (md_is_none(c->id) || md_class(c->id) != cls)) {
			*error = header;
			return tdx_error_num(TDX_METADATA_FIELD_ID_INCORRECT, index);
		}
	}
	l->at = word * 8;
	l->left = left;
	return tdx_success();
}

static bool same_field(uint64_t a, uint64_t b)
{
	const uint64_t what = MD_ID_CODE_MASK | MD_ID_CONTEXT_MASK | MD_ID_CLASS_MASK;

	return (a & what) == (b & what);
}

static struct tdx_status missing(uint64_t id, uint64_t *error)
{
	*error = id;
	return tdx_error(TDX_REQUIRED_METADATA_FIELD_MISSING);
}

/* Forward to the first required field, or to `id`. */
static void seek(const struct md *md, struct md_cursor *c, uint64_t id)
{
	while (!md_is_none(c->id) && !same_field(c->id, id) && !required(md, c))
		md_step(md, c, MD_STEP_FIELD);
}

static struct tdx_status next_sequence(const struct md *md, struct md_cursor *c, struct list *l,
				       unsigned index, uint64_t *error)
{
	uint64_t header;

	if (l->left < SEQUENCE_HEADER + 8)
		return no_sequence(TDX_METADATA_LIST_OVERFLOW, index);
	header = l->word[l->at / 8];
	/* a field after the last has the context that is all ones */
	if (md_ctx(header) != (md_is_none(c->id) ? 7 : (unsigned)md->ctx)) {
		*error = header;
		return no_sequence(TDX_METADATA_FIELD_ID_INCORRECT, index);
	}
	seek(md, c, header);
	if (md_is_none(c->id) || !same_field(c->id, header))
		return missing(c->id, error);
	return read_sequence(md, c, l, index, error);
}

static struct tdx_status check_rest(const struct md *md, struct md_cursor *c, bool last,
				    uint64_t *error)
{
	if (!last)
		return md_is_none(c->id) ? missing(MD_ID_NONE, error) : tdx_success();
	seek(md, c, MD_ID_NONE);
	return md_is_none(c->id) ? tdx_success() : missing(c->id, error);
}

struct tdx_status md_import(const struct md *md, uint64_t id, const void *page, bool last,
			    uint64_t *next, uint64_t *field)
{
	struct list l = {.word = page, .at = LIST_HEADER};
	const uint64_t header = l.word[0];
	const unsigned size = (uint16_t)header, sequences = (uint16_t)(header >> 16);
	struct md_cursor c = {.id = md_with_ctx(id, md->ctx)};
	struct tdx_status s = tdx_success();

	*next = MD_ID_NONE;
	*field = 0;
	if (sequences == 0 || header >> 32 || size < LIST_HEADER)
		return tdx_error_num(TDX_INVALID_METADATA_LIST_HEADER, NO_SEQUENCE);
	if (size > LIST_MAX)
		return tdx_error_num(TDX_METADATA_LIST_OVERFLOW, NO_SEQUENCE);
	c.table = md_table_of(c.id);
	if (md_is_none(c.id))
		md_advance(md, &c, MD_STEP_FIELD);
	else if (!md_cursor_at(md, c.id, &c))
		return tdx_error(TDX_METADATA_FIELD_ID_INCORRECT);
	l.left = size - LIST_HEADER;
	for (unsigned i = 0; i < sequences && tdx_is_success(s); i++)
		s = next_sequence(md, &c, &l, i, field);
	if (tdx_is_success(s))
		s = check_rest(md, &c, last, field);
	if (tdx_is_success(s))
		*next = c.id;
	return s;
}
