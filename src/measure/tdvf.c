/* SPDX-License-Identifier: MIT */
/* The TDX metadata of a firmware image: descriptor, sections, and every rule they must obey.
 *
 * What a section may have depends on its type, which one table says. A section that passes can be
 * used without further checks: its data is in the image, its memory is whole pages, apart from
 * the others', and below the shared bit. */
#include <errno.h>
#include <string.h>

#include "measure/internal.h"

enum need {
	NEVER,
	MAYBE,
	ALWAYS,
};

struct type_rule {
	const char *name;
	enum need data;	  /* bytes in the image */
	enum need memory; /* pages of the TD */
	bool once;
	uint32_t attributes; /* those allowed */
};

static const struct type_rule rules[] = {
	[TDX_TDVF_BFV] = {"BFV", ALWAYS, ALWAYS, false, TDX_TDVF_ATTR_MR_EXTEND},
	[TDX_TDVF_CFV] = {"CFV", ALWAYS, ALWAYS, false, TDX_TDVF_ATTR_MR_EXTEND},
	[TDX_TDVF_TD_HOB] = {"TD_HOB", NEVER, ALWAYS, true, 0},
	[TDX_TDVF_TEMP_MEM] = {"TempMem", NEVER, ALWAYS, false, TDX_TDVF_ATTR_MR_EXTEND},
	[TDX_TDVF_PERM_MEM] = {"PermMem", NEVER, ALWAYS, false, TDX_TDVF_ATTR_PAGE_AUG},
	[TDX_TDVF_PAYLOAD] = {"Payload", MAYBE, ALWAYS, true, TDX_TDVF_ATTR_MR_EXTEND},
	[TDX_TDVF_PAYLOAD_PARAM] = {"PayloadParam", MAYBE, ALWAYS, true, TDX_TDVF_ATTR_MR_EXTEND},
	[TDX_TDVF_TD_INFO] = {"TdInfo", ALWAYS, NEVER, true, 0},
	[TDX_TDVF_TD_PARAMS] = {"TdParams", ALWAYS, NEVER, true, 0},
};

#define NR_TYPES (sizeof(rules) / sizeof(rules[0]))

const char *tdx_tdvf_type_name(uint32_t type)
{
	return type < NR_TYPES ? rules[type].name : "unknown";
}

int tdvf_fail(struct tdx_tdvf_error *err, struct tdx_tdvf_error e)
{
	if (e.fault < TDX_TDVF_TYPE_UNKNOWN) {
		e.section = -1;
		e.other = -1;
	}
	*err = e;
	return -EINVAL;
}

/* Offsets of a section's words, for the error's sake. */
enum word {
	W_DATA_OFFSET = 0,
	W_RAW_SIZE = 4,
	W_MEMORY = 8,
	W_MEMORY_SIZE = 16,
	W_TYPE = 24,
	W_ATTRIBUTES = 28,
};

/* A section under examination: enough to name it in an error. */
struct cursor {
	const struct tdx_tdvf *tdvf;
	unsigned index;
	uint32_t at;   /* of the section's first byte */
	uint32_t type; /* the raw word */
	struct tdx_tdvf_error *err;
};

static int fail(const struct cursor *c, enum tdx_tdvf_fault fault, enum word word, uint64_t value,
		uint64_t size, uint64_t limit)
{
	return tdvf_fail(c->err, (struct tdx_tdvf_error){.fault = fault,
							 .section = (int)c->index,
							 .other = -1,
							 .type = c->type,
							 .at = c->at + (uint32_t)word,
							 .value = value,
							 .size = size,
							 .limit = limit});
}

static int check_attributes(const struct cursor *c, const struct tdx_tdvf_section *s)
{
	uint32_t known = TDX_TDVF_ATTR_MR_EXTEND | TDX_TDVF_ATTR_PAGE_AUG;

	if (s->attributes & ~known)
		return fail(c, TDX_TDVF_ATTRIBUTES_UNKNOWN, W_ATTRIBUTES, s->attributes, 0, known);
	if (s->attributes & ~rules[s->type].attributes)
		return fail(c, TDX_TDVF_ATTRIBUTES_WRONG, W_ATTRIBUTES, s->attributes, 0,
			    rules[s->type].attributes);
	return 0;
}

static int check_data(const struct cursor *c, const struct tdx_tdvf_section *s, size_t len)
{
	enum need need = rules[s->type].data;

	if (need == ALWAYS && !s->raw_size)
		return fail(c, TDX_TDVF_DATA_MISSING, W_RAW_SIZE, s->raw_size, 0, 1);
	if (need == NEVER && s->raw_size)
		return fail(c, TDX_TDVF_DATA_UNEXPECTED, W_RAW_SIZE, s->raw_size, 0, 0);
	if (!s->raw_size && s->data_offset)
		return fail(c, TDX_TDVF_DATA_OFFSET_STRAY, W_DATA_OFFSET, s->data_offset, 0, 0);
	if (!inside(s->data_offset, s->raw_size, len))
		return fail(c, TDX_TDVF_DATA_OUTSIDE, W_DATA_OFFSET, s->data_offset, s->raw_size,
			    len);
	return 0;
}

static int check_memory(const struct cursor *c, const struct tdx_tdvf_section *s)
{
	uint64_t start = s->memory.v;

	if (rules[s->type].memory == NEVER) {
		if (start || s->memory_size)
			return fail(c, TDX_TDVF_MEMORY_UNEXPECTED, W_MEMORY, start, s->memory_size,
				    0);
		return 0;
	}
	if (!s->memory_size)
		return fail(c, TDX_TDVF_MEMORY_EMPTY, W_MEMORY_SIZE, 0, 0, TDX_PAGE_SIZE);
	if (start % TDX_PAGE_SIZE)
		return fail(c, TDX_TDVF_MEMORY_UNALIGNED, W_MEMORY, start, s->memory_size,
			    TDX_PAGE_SIZE);
	if (s->memory_size % TDX_PAGE_SIZE)
		return fail(c, TDX_TDVF_MEMORY_SIZE_UNALIGNED, W_MEMORY_SIZE, s->memory_size, 0,
			    TDX_PAGE_SIZE);
	if (start > UINT64_MAX - s->memory_size)
		return fail(c, TDX_TDVF_MEMORY_WRAPS, W_MEMORY, start, s->memory_size, UINT64_MAX);
	if (!inside(start, s->memory_size, TDX_TDVF_MAX_GPA))
		return fail(c, TDX_TDVF_MEMORY_OUTSIDE, W_MEMORY, start, s->memory_size,
			    TDX_TDVF_MAX_GPA);
	if (s->raw_size > s->memory_size)
		return fail(c, TDX_TDVF_DATA_LARGER, W_RAW_SIZE, s->raw_size, 0, s->memory_size);
	return 0;
}

static bool meet(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* What the sections up to this one make a host add and measure: an image must not cost minutes. */
static int check_sum(const struct cursor *c, const struct tdx_tdvf_section *s)
{
	uint64_t added = 0, extended = 0;

	for (unsigned i = 0; i <= c->index; i++) {
		const struct tdx_tdvf_section *o = &c->tdvf->section[i];

		if (!tdx_tdvf_is_added(o))
			continue;
		/* Each is below 2^51 and there are few: the sums cannot wrap. */
		added += o->memory_size;
		if (o->attributes & TDX_TDVF_ATTR_MR_EXTEND)
			extended += o->memory_size;
	}
	if (added > TDX_TDVF_MAX_ADDED)
		return fail(c, TDX_TDVF_MEMORY_ABSURD, W_MEMORY_SIZE, s->memory_size, added,
			    TDX_TDVF_MAX_ADDED);
	if (extended > TDX_TDVF_MAX_EXTENDED)
		return fail(c, TDX_TDVF_MEASURED_ABSURD, W_MEMORY_SIZE, s->memory_size, extended,
			    TDX_TDVF_MAX_EXTENDED);
	return 0;
}

/* Against the sections before it; those without memory only describe bytes of others. */
static int check_neighbours(const struct cursor *c, const struct tdx_tdvf_section *s)
{
	for (unsigned i = 0; i < c->index; i++) {
		const struct tdx_tdvf_section *o = &c->tdvf->section[i];

		if (rules[s->type].once && o->type == s->type) {
			fail(c, TDX_TDVF_DUPLICATE, W_TYPE, s->type, 0, 1);
			c->err->other = (int)i;
			return -EINVAL;
		}
		if (!s->memory_size || !o->memory_size)
			continue;
		if (meet(s->memory.v, s->memory_size, o->memory.v, o->memory_size)) {
			fail(c, TDX_TDVF_MEMORY_OVERLAP, W_MEMORY, s->memory.v, s->memory_size,
			     o->memory.v);
			c->err->other = (int)i;
			return -EINVAL;
		}
		if (meet(s->data_offset, s->raw_size, o->data_offset, o->raw_size)) {
			fail(c, TDX_TDVF_DATA_OVERLAP, W_DATA_OFFSET, s->data_offset, s->raw_size,
			     o->data_offset);
			c->err->other = (int)i;
			return -EINVAL;
		}
	}
	return 0;
}

static int parse_section(struct cursor *c, const uint8_t *image, size_t len,
			 struct tdx_tdvf_section *s)
{
	const uint8_t *p = image + c->at;
	int rc;

	c->type = le32(p + W_TYPE);
	if (c->type >= NR_TYPES)
		return fail(c, TDX_TDVF_TYPE_UNKNOWN, W_TYPE, c->type, 0, NR_TYPES - 1);
	*s = (struct tdx_tdvf_section){
		.data_offset = le32(p + W_DATA_OFFSET),
		.raw_size = le32(p + W_RAW_SIZE),
		.memory = gpa(le64(p + W_MEMORY)),
		.memory_size = le64(p + W_MEMORY_SIZE),
		.type = (enum tdx_tdvf_type)c->type,
		.attributes = le32(p + W_ATTRIBUTES),
	};
	rc = check_attributes(c, s);
	if (!rc)
		rc = check_data(c, s, len);
	if (!rc)
		rc = check_memory(c, s);
	if (!rc)
		rc = check_neighbours(c, s);
	return rc ? rc : check_sum(c, s);
}

static int parse_descriptor(const uint8_t *image, size_t len, struct tdx_tdvf *t,
			    struct tdx_tdvf_error *err)
{
	uint32_t at = t->descriptor_offset;
	const uint8_t *p = image + at;
	struct tdx_tdvf_error e = {0};
	uint64_t count;

	if (memcmp(p, "TDVF", 4))
		e = (struct tdx_tdvf_error){.fault = TDX_TDVF_SIGNATURE,
					    .at = at,
					    .value = le32(p),
					    .limit = 0x46564454};
	else if (le32(p + 8) != 1)
		e = (struct tdx_tdvf_error){
			.fault = TDX_TDVF_VERSION, .at = at + 8, .value = le32(p + 8), .limit = 1};
	if (e.fault)
		return tdvf_fail(err, e);
	count = le32(p + 12);
	if (!count || count > TDX_TDVF_MAX_SECTIONS)
		e = (struct tdx_tdvf_error){.fault = TDX_TDVF_SECTION_COUNT,
					    .at = at + 12,
					    .value = count,
					    .limit = TDX_TDVF_MAX_SECTIONS};
	else if (le32(p + 4) != TDVF_DESCRIPTOR_SIZE + count * TDVF_SECTION_SIZE)
		e = (struct tdx_tdvf_error){.fault = TDX_TDVF_LENGTH,
					    .at = at + 4,
					    .value = le32(p + 4),
					    .limit = TDVF_DESCRIPTOR_SIZE +
						     count * TDVF_SECTION_SIZE};
	else if (!inside(at, le32(p + 4), len))
		e = (struct tdx_tdvf_error){.fault = TDX_TDVF_SECTIONS_OUTSIDE,
					    .at = at,
					    .value = count,
					    .size = le32(p + 4),
					    .limit = len};
	if (e.fault)
		return tdvf_fail(err, e);
	t->nr_sections = (uint32_t)count;
	return 0;
}

/* The first instruction of every TD is fetched at the reset vector: a BFV must put data there. */
static int check_boot(const struct tdx_tdvf *t, struct tdx_tdvf_error *err)
{
	bool any = false;

	for (unsigned i = 0; i < t->nr_sections; i++) {
		const struct tdx_tdvf_section *s = &t->section[i];

		if (s->type != TDX_TDVF_BFV)
			continue;
		any = true;
		if (s->memory.v <= TDX_TDVF_RESET_VECTOR &&
		    inside(TDX_TDVF_RESET_VECTOR - s->memory.v, 16, s->raw_size))
			return 0;
	}
	return tdvf_fail(err, (struct tdx_tdvf_error){.fault = any ? TDX_TDVF_NO_RESET_VECTOR
								   : TDX_TDVF_NO_BFV,
						      .at = t->descriptor_offset,
						      .value = t->nr_sections,
						      .limit = TDX_TDVF_RESET_VECTOR});
}

int tdx_tdvf_parse(const void *image, size_t len, struct tdx_tdvf *out, struct tdx_tdvf_error *err)
{
	struct cursor c = {.tdvf = out, .err = err};
	int rc;

	memset(out, 0, sizeof(*out));
	*err = (struct tdx_tdvf_error){.section = -1, .other = -1};
	rc = tdvf_find(image, len, &out->descriptor_offset, err);
	if (!rc)
		rc = parse_descriptor(image, len, out, err);
	for (; !rc && c.index < out->nr_sections; c.index++) {
		c.at = out->descriptor_offset + TDVF_DESCRIPTOR_SIZE + c.index * TDVF_SECTION_SIZE;
		rc = parse_section(&c, image, len, &out->section[c.index]);
	}
	if (!rc)
		rc = check_boot(out, err);
	if (rc)
		memset(out, 0, sizeof(*out));
	return rc;
}
