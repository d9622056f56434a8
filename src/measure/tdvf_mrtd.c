/* SPDX-License-Identifier: MIT */
/* MRTD of a firmware image: the calls a host makes for its sections, in one of the orders hosts
 * are known to use, without a host. */
#include <errno.h>
#include <string.h>

#include "measure/internal.h"

#define CHUNKS (TDX_PAGE_SIZE / MRTD_EXTEND_SIZE)

const char *tdvf_order_name(enum tdvf_order order)
{
	switch (order) {
	case TDVF_ORDER_PAGE:
		return "page";
	case TDVF_ORDER_SECTION:
		return "section";
	case TDVF_ORDER_ALL:
		return "all";
	}
	return "unknown";
}

/* The 256 bytes at an offset of a section's memory: from the image, padded with zeros. */
static const uint8_t *chunk_data(const uint8_t *image, const struct tdvf_section *s,
				 uint64_t offset, uint8_t pad[MRTD_EXTEND_SIZE])
{
	uint64_t left = offset < s->raw_size ? s->raw_size - offset : 0;

	if (left >= MRTD_EXTEND_SIZE)
		return image + s->data_offset + offset;
	memset(pad, 0, MRTD_EXTEND_SIZE);
	if (left)
		memcpy(pad, image + s->data_offset + offset, left);
	return pad;
}

static void extend_page(struct mrtd *m, const uint8_t *image, const struct tdvf_section *s,
			uint64_t page)
{
	uint8_t pad[MRTD_EXTEND_SIZE];

	for (unsigned i = 0; i < CHUNKS; i++) {
		uint64_t offset = page + i * MRTD_EXTEND_SIZE;

		mrtd_extend(m, gpa(s->memory.v + offset), chunk_data(image, s, offset, pad));
	}
}

static void measure_section(struct mrtd *m, const uint8_t *image, const struct tdvf_section *s,
			    enum tdvf_order order)
{
	bool extend = order == TDVF_ORDER_ALL || (s->attributes & TDVF_ATTR_MR_EXTEND);
	bool at_once = order != TDVF_ORDER_SECTION;

	for (uint64_t page = 0; page < s->memory_size; page += TDX_PAGE_SIZE) {
		mrtd_page_add(m, gpa(s->memory.v + page));
		if (extend && at_once)
			extend_page(m, image, s, page);
	}
	if (!extend || at_once)
		return;
	for (uint64_t page = 0; page < s->memory_size; page += TDX_PAGE_SIZE)
		extend_page(m, image, s, page);
}

/* A payload that the host brings is measured by what the host brings; the image cannot tell. */
static int check_contents(const struct tdvf *t, struct tdvf_error *err)
{
	for (unsigned i = 0; i < t->nr_sections; i++) {
		const struct tdvf_section *s = &t->section[i];
		bool payload = s->type == TDVF_PAYLOAD || s->type == TDVF_PAYLOAD_PARAM;

		if (payload && !s->raw_size && (s->attributes & TDVF_ATTR_MR_EXTEND))
			return tdvf_fail(err,
					 (struct tdvf_error){.fault = TDVF_MEASURED_NOT_IN_IMAGE,
							     .section = (int)i,
							     .other = -1,
							     .type = s->type,
							     .at = t->descriptor_offset +
								   TDVF_DESCRIPTOR_SIZE +
								   i * TDVF_SECTION_SIZE,
							     .value = s->memory.v,
							     .size = s->memory_size});
	}
	return 0;
}

int tdvf_mrtd(const void *image, size_t len, enum tdvf_order order, struct tdvf_measurement *out,
	      struct tdvf_error *err)
{
	struct mrtd m;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = tdvf_parse(image, len, &out->tdvf, err);
	if (!rc)
		rc = check_contents(&out->tdvf, err);
	if (rc) {
		memset(out, 0, sizeof(*out));
		return rc;
	}
	mrtd_init(&m);
	for (unsigned i = 0; i < out->tdvf.nr_sections; i++)
		if (tdvf_is_added(&out->tdvf.section[i]))
			measure_section(&m, image, &out->tdvf.section[i], order);
	out->pages = m.pages;
	out->extends = m.extends;
	rc = mrtd_final(&m, &out->mrtd);
	if (rc)
		memset(out, 0, sizeof(*out));
	return rc;
}
