/* SPDX-License-Identifier: MIT */
/* MRTD of a firmware image: the calls a host makes for its sections, in one of the orders hosts
 * are known to use, without a host. */
#include <errno.h>
#include <string.h>

#include "measure/internal.h"

#define CHUNKS (TDX_PAGE_SIZE / TDX_MRTD_EXTEND_SIZE)

const char *tdx_tdvf_order_name(enum tdx_tdvf_order order)
{
	switch (order) {
	case TDX_TDVF_ORDER_PAGE:
		return "page";
	case TDX_TDVF_ORDER_SECTION:
		return "section";
	case TDX_TDVF_ORDER_ALL:
		return "all";
	}
	return "unknown";
}

/* The 256 bytes at an offset of a section's memory: from the image, padded with zeros. */
static const uint8_t *chunk_data(const uint8_t *image, const struct tdx_tdvf_section *s,
				 uint64_t offset, uint8_t pad[TDX_MRTD_EXTEND_SIZE])
{
	uint64_t left = offset < s->raw_size ? s->raw_size - offset : 0;

	if (left >= TDX_MRTD_EXTEND_SIZE)
		return image + s->data_offset + offset;
	memset(pad, 0, TDX_MRTD_EXTEND_SIZE);
	if (left)
		memcpy(pad, image + s->data_offset + offset, left);
	return pad;
}

static void extend_page(struct tdx_mrtd *m, const uint8_t *image, const struct tdx_tdvf_section *s,
			uint64_t page)
{
	uint8_t pad[TDX_MRTD_EXTEND_SIZE];

	for (unsigned i = 0; i < CHUNKS; i++) {
		uint64_t offset = page + i * TDX_MRTD_EXTEND_SIZE;

		tdx_mrtd_extend(m, gpa(s->memory.v + offset), chunk_data(image, s, offset, pad));
	}
}

static void measure_section(struct tdx_mrtd *m, const uint8_t *image,
			    const struct tdx_tdvf_section *s, enum tdx_tdvf_order order)
{
	bool extend = order == TDX_TDVF_ORDER_ALL || (s->attributes & TDX_TDVF_ATTR_MR_EXTEND);
	bool at_once = order != TDX_TDVF_ORDER_SECTION;

	for (uint64_t page = 0; page < s->memory_size; page += TDX_PAGE_SIZE) {
		tdx_mrtd_page_add(m, gpa(s->memory.v + page));
		if (extend && at_once)
			extend_page(m, image, s, page);
	}
	if (!extend || at_once)
		return;
	for (uint64_t page = 0; page < s->memory_size; page += TDX_PAGE_SIZE)
		extend_page(m, image, s, page);
}

/* A payload that the host brings is measured by what the host brings; the image cannot tell. */
static int check_contents(const struct tdx_tdvf *t, struct tdx_tdvf_error *err)
{
	for (unsigned i = 0; i < t->nr_sections; i++) {
		const struct tdx_tdvf_section *s = &t->section[i];
		bool payload = s->type == TDX_TDVF_PAYLOAD || s->type == TDX_TDVF_PAYLOAD_PARAM;

		if (payload && !s->raw_size && (s->attributes & TDX_TDVF_ATTR_MR_EXTEND))
			return tdvf_fail(err,
					 (struct tdx_tdvf_error){
						 .fault = TDX_TDVF_MEASURED_NOT_IN_IMAGE,
						 .section = (int)i,
						 .other = -1,
						 .type = s->type,
						 .at = t->descriptor_offset + TDVF_DESCRIPTOR_SIZE +
						       i * TDVF_SECTION_SIZE,
						 .value = s->memory.v,
						 .size = s->memory_size});
	}
	return 0;
}

int tdx_tdvf_mrtd(const void *image, size_t len, enum tdx_tdvf_order order,
		  struct tdx_tdvf_measurement *out, struct tdx_tdvf_error *err)
{
	struct tdx_mrtd m;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = tdx_tdvf_parse(image, len, &out->tdvf, err);
	if (!rc)
		rc = check_contents(&out->tdvf, err);
	if (rc) {
		memset(out, 0, sizeof(*out));
		return rc;
	}
	tdx_mrtd_init(&m);
	for (unsigned i = 0; i < out->tdvf.nr_sections; i++)
		if (tdx_tdvf_is_added(&out->tdvf.section[i]))
			measure_section(&m, image, &out->tdvf.section[i], order);
	out->pages = m.pages;
	out->extends = m.extends;
	rc = tdx_mrtd_final(&m, &out->mrtd);
	if (rc)
		memset(out, 0, sizeof(*out));
	return rc;
}
