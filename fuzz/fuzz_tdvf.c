/* SPDX-License-Identifier: MIT */
/* The TDX metadata parser on arbitrary bytes.
 *
 * The first byte says what the rest is: changes to the metadata of a sound image, sections for a
 * sound descriptor, or a whole image. So the fuzzer need not find GUIDs and lengths that agree.
 * Stops when a section that passed points anywhere it may not, or a refusal carries a digest. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/measure.h>

#include "tests/tdvf_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool apart(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a + a_size <= b || b + b_size <= a;
}

static uint64_t check_sections(const struct tdx_tdvf *t, size_t len)
{
	uint64_t added = 0;

	must(t->nr_sections >= 1 && t->nr_sections <= TDX_TDVF_MAX_SECTIONS);
	for (unsigned i = 0; i < t->nr_sections; i++) {
		const struct tdx_tdvf_section *s = &t->section[i];

		must((uint64_t)s->data_offset + s->raw_size <= len);
		must(!s->memory_size || s->raw_size <= s->memory_size);
		must(s->memory.v % 4096 == 0 && s->memory_size % 4096 == 0);
		must(s->memory.v + s->memory_size >= s->memory.v);
		must(s->memory.v + s->memory_size <= TDX_TDVF_MAX_GPA);
		for (unsigned k = 0; k < i; k++)
			must(!s->memory_size || !t->section[k].memory_size ||
			     apart(s->memory.v, s->memory_size, t->section[k].memory.v,
				   t->section[k].memory_size));
		added += tdx_tdvf_is_added(s) ? s->memory_size : 0;
	}
	must(added <= TDX_TDVF_MAX_ADDED);
	return added;
}

static void one_image(const uint8_t *image, size_t len)
{
	static const struct tdx_tdvf_measurement nothing;
	struct tdx_tdvf_measurement m;
	char line[TDX_TDVF_ERROR_TEXT];
	struct tdx_tdvf_error err;
	struct tdx_tdvf t;

	if (tdx_tdvf_parse(image, len, &t, &err)) {
		must(err.fault != TDX_TDVF_OK);
		must(strlen(tdx_tdvf_error_text(&err, line, sizeof(line))) > 0);
		must(tdx_tdvf_mrtd(image, len, TDX_TDVF_ORDER_PAGE, &m, &err) != 0);
		must(!memcmp(&m, &nothing, sizeof(m)));
		return;
	}
	/* Hashing gigabytes finds nothing that hashing a few pages does not. */
	if (check_sections(&t, len) > 1u << 17)
		return;
	for (int o = TDX_TDVF_ORDER_PAGE; o <= TDX_TDVF_ORDER_ALL; o++)
		(void)tdx_tdvf_mrtd(image, len, (enum tdx_tdvf_order)o, &m, &err);
}

/* Three bytes a change: where in descriptor, sections and table (two bytes), and to what. */
static void change(uint8_t *image, const uint8_t *data, size_t size)
{
	const unsigned head = img_section(IMG_SECTIONS) - IMG_DESC, tail = IMG_SIZE - IMG_OTHER;

	for (; size >= 3; data += 3, size -= 3) {
		unsigned at = (data[0] | (unsigned)data[1] << 8) % (head + tail);

		image[at < head ? IMG_DESC + at : IMG_OTHER + at - head] = data[2];
	}
}

static void put_sections(uint8_t *image, const uint8_t *data, size_t size)
{
	const size_t max =
		sizeof(((struct tdx_tdvf *)0)->section) / sizeof(struct tdx_tdvf_section);
	size_t n = size / 32 < max ? size / 32 : max;

	img_put_descriptor(image, (uint32_t)n);
	memcpy(image + img_section(0), data, 32 * n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size ? size - 1 : 0;
	uint8_t *image;

	if (!size)
		return 0;
	if (data[0] % 3 == 2) {
		image = malloc(len ? len : 1);
		memcpy(image, data + 1, len);
	} else {
		image = malloc(IMG_SIZE);
		img_make(image);
		(data[0] % 3 ? put_sections : change)(image, data + 1, len);
		len = IMG_SIZE;
	}
	one_image(image, len);
	free(image);
	return 0;
}
