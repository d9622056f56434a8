/* SPDX-License-Identifier: MIT */
/* Where a firmware image keeps its TDX metadata.
 *
 * Two ways exist. OVMF ends in a table of GUIDed entries that is read backwards from its footer,
 * 0x30 bytes before the end; one entry holds the distance of the descriptor from the end. td-shim
 * stores the descriptor's offset as a word 0x20 bytes before the end. The table wins where both are
 * present: without it the word is whatever the reset vector has there, so it counts only if it
 * points at a signature. */
#include <errno.h>
#include <string.h>

#include "measure/internal.h"

#define TAIL	     0x20 /* the reset vector's part, after the table */
#define GUID_SIZE    16
#define ENTRY_FRAME  (GUID_SIZE + 2) /* what every entry ends with: its length, its GUID */
#define POINTER_BACK 0x20

/* 96b582de-1fb2-45f7-baea-a366c55a082d */
static const uint8_t footer_guid[GUID_SIZE] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
					       0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
/* e47a6535-984a-4798-865e-4685a7bf8ec2 */
static const uint8_t metadata_guid[GUID_SIZE] = {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
						 0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2};

static bool has_table(const uint8_t *image, size_t len)
{
	return len >= TAIL + ENTRY_FRAME &&
	       !memcmp(image + len - TAIL - GUID_SIZE, footer_guid, GUID_SIZE);
}

/* Walks the table from its footer towards lower addresses. *found stays false if it is sound but
 * has no TDX entry. */
static int search_table(const uint8_t *image, size_t len, bool *found, uint32_t *back,
			struct tdx_tdvf_error *err)
{
	size_t end = len - TAIL - ENTRY_FRAME; /* end of the entry before the footer */
	size_t table = le16(image + end);
	size_t start;

	*found = false;
	if (table < ENTRY_FRAME || table > len - TAIL)
		return tdvf_fail(err, (struct tdx_tdvf_error){.fault = TDX_TDVF_TABLE_LENGTH,
							      .at = end,
							      .value = table,
							      .limit = len - TAIL});
	start = len - TAIL - table;
	while (end > start) {
		size_t room = end - start;
		size_t size = room < ENTRY_FRAME ? 0 : le16(image + end - ENTRY_FRAME);

		if (size < ENTRY_FRAME || size > room)
			return tdvf_fail(err, (struct tdx_tdvf_error){.fault = TDX_TDVF_TABLE_ENTRY,
								      .at = end,
								      .value = size,
								      .limit = room});
		if (!memcmp(image + end - GUID_SIZE, metadata_guid, GUID_SIZE)) {
			if (size != ENTRY_FRAME + sizeof(*back))
				return tdvf_fail(err,
						 (struct tdx_tdvf_error){
							 .fault = TDX_TDVF_TABLE_ENTRY,
							 .at = end - size,
							 .value = size,
							 .limit = ENTRY_FRAME + sizeof(*back)});
			*found = true;
			*back = le32(image + end - size);
			return 0;
		}
		end -= size;
	}
	return 0;
}

int tdvf_find(const uint8_t *image, size_t len, uint32_t *offset, struct tdx_tdvf_error *err)
{
	uint32_t word;
	bool found;
	int rc;

	if (len < TAIL + ENTRY_FRAME)
		return tdvf_fail(err, (struct tdx_tdvf_error){.fault = TDX_TDVF_IMAGE_TOO_SMALL,
							      .value = len,
							      .limit = TAIL + ENTRY_FRAME});
	if (len > TDX_TDVF_MAX_IMAGE)
		return tdvf_fail(err, (struct tdx_tdvf_error){.fault = TDX_TDVF_IMAGE_TOO_LARGE,
							      .value = len,
							      .limit = TDX_TDVF_MAX_IMAGE});
	if (has_table(image, len)) {
		rc = search_table(image, len, &found, &word, err);
		if (rc)
			return rc;
		if (found) {
			if (word > len || word < TDVF_DESCRIPTOR_SIZE)
				return tdvf_fail(err, (struct tdx_tdvf_error){
							      .fault = TDX_TDVF_DESCRIPTOR_OUTSIDE,
							      .at = len,
							      .value = word,
							      .limit = len});
			*offset = (uint32_t)(len - word);
			return 0;
		}
	}
	word = le32(image + len - POINTER_BACK);
	if (!inside(word, TDVF_DESCRIPTOR_SIZE, len) || memcmp(image + word, "TDVF", 4))
		return tdvf_fail(err, (struct tdx_tdvf_error){.fault = TDX_TDVF_NO_METADATA,
							      .at = len - POINTER_BACK,
							      .value = word,
							      .limit = len});
	*offset = word;
	return 0;
}
