/* SPDX-License-Identifier: MIT */
/* Building a TD from a TDVF image: slots for RAM and firmware, the HOB, every section added, placed
 * and measured as the image's metadata says. */
#include "vmm/hob.h"
#include "vmm/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FOUR_GIB    (1ull << 32)
#define LOW_RAM_MAX (2ull << 30) /* below the hole for devices and firmware */
#define FIRMWARE_MAX                                                                               \
	(16ull << 20) /* what lies deeper below 4 GiB is devices': APICs, their messages */

enum { SLOT_LOW_RAM, SLOT_HIGH_RAM, SLOT_FIRMWARE };

struct build {
	struct tdx_vm *vm;
	const uint8_t *image;
	const struct tdx_tdvf *tdvf;
	uint8_t *hob;
	enum tdx_tdvf_order order;
	void (*progress)(void *arg, const char *what, uint64_t done, uint64_t all);
	void *arg;
	uint64_t done, all;
};

/* The bytes of a page of a section, zero where the image has none. */
static void page_of(const struct build *b, const struct tdx_tdvf_section *s, uint64_t offset,
		    uint8_t page[TDX_PAGE_SIZE])
{
	uint64_t n = s->raw_size > offset ? s->raw_size - offset : 0;

	memset(page, 0, TDX_PAGE_SIZE);
	if (s->type == TDX_TDVF_TD_HOB)
		memcpy(page, b->hob + offset, TDX_PAGE_SIZE);
	else
		memcpy(page, b->image + s->data_offset + offset,
		       n < TDX_PAGE_SIZE ? n : TDX_PAGE_SIZE);
}

static bool extended(const struct build *b, const struct tdx_tdvf_section *s)
{
	return s->attributes & TDX_TDVF_ATTR_MR_EXTEND || b->order == TDX_TDVF_ORDER_ALL;
}

static int add_section(struct build *b, const struct tdx_tdvf_section *s)
{
	bool measure = extended(b, s) && b->order != TDX_TDVF_ORDER_SECTION;
	uint8_t page[TDX_PAGE_SIZE];
	int err = 0;

	for (uint64_t off = 0; off < s->memory_size && !err; off += TDX_PAGE_SIZE) {
		page_of(b, s, off, page);
		err = tdx_vm_add_page(b->vm, gpa(s->memory.v + off), page, measure);
		b->done += TDX_PAGE_SIZE;
		if (b->progress)
			b->progress(b->arg, "adding and measuring", b->done, b->all);
	}
	if (b->order != TDX_TDVF_ORDER_SECTION || !extended(b, s))
		return err;
	for (uint64_t off = 0; off < s->memory_size && !err; off += TDX_MRTD_EXTEND_SIZE)
		err = tdx_vm_measure(b->vm, gpa(s->memory.v + off));
	return err;
}

unsigned vm_ram_layout(uint64_t memory, struct vm_ram ram[2])
{
	uint64_t low = memory < LOW_RAM_MAX ? memory : LOW_RAM_MAX;

	ram[0] = (struct vm_ram){0, low};
	ram[1] = (struct vm_ram){FOUR_GIB, memory - low};
	return memory > low ? 2 : 1;
}

/* How many bytes below 4 GiB are firmware: down to the lowest section there. An image may be
 * longer, as payloads lie in RAM. */
static uint64_t firmware_size(const struct tdx_tdvf *t)
{
	uint64_t lowest = FOUR_GIB - TDX_PAGE_SIZE;

	for (unsigned i = 0; i < t->nr_sections; i++) {
		const uint64_t at = t->section[i].memory.v;

		if (at >= FOUR_GIB - FIRMWARE_MAX && at < lowest)
			lowest = at;
	}
	return FOUR_GIB - (lowest & ~(TDX_PAGE_SIZE - 1));
}

static int add_slots(struct tdx_vm *vm, uint64_t memory, const struct tdx_tdvf *t,
		     struct vm_ram ram[2], unsigned *nram)
{
	const uint64_t firmware = firmware_size(t);
	int err = 0;

	*nram = vm_ram_layout(memory, ram);
	for (unsigned i = 0; i < *nram && !err; i++)
		err = tdx_vm_set_memslot(vm, SLOT_LOW_RAM + i, gpa(ram[i].base), ram[i].size);
	if (!err)
		err = tdx_vm_set_memslot(vm, SLOT_FIRMWARE, gpa(FOUR_GIB - firmware), firmware);
	return err;
}

static const struct tdx_tdvf_section *hob_section(const struct tdx_tdvf *t)
{
	for (unsigned i = 0; i < t->nr_sections; i++)
		if (t->section[i].type == TDX_TDVF_TD_HOB)
			return &t->section[i];
	return NULL;
}

int tdx_vm_load_tdvf(struct tdx_vm *vm, const void *image, size_t len, const struct tdx_tdvf *tdvf,
		     enum tdx_tdvf_order order, uint64_t memory, gpa_t *hob,
		     void (*progress)(void *arg, const char *what, uint64_t done, uint64_t all),
		     void *arg)
{
	const struct tdx_tdvf_section *h = hob_section(tdvf);
	struct build b = {.vm = vm,
			  .image = image,
			  .tdvf = tdvf,
			  .order = order,
			  .progress = progress,
			  .arg = arg};
	struct vm_ram ram[2];
	unsigned nram;
	int err;

	*hob = gpa(0);
	if (!memory || (memory & (TDX_PAGE_SIZE - 1)))
		return -EINVAL;
	for (unsigned i = 0; i < tdvf->nr_sections; i++) {
		const struct tdx_tdvf_section *s = &tdvf->section[i];

		if (s->data_offset > len || s->raw_size > len - s->data_offset)
			return -EINVAL;
	}
	err = add_slots(vm, memory, tdvf, ram, &nram);
	if (!err && h) {
		*hob = h->memory;
		b.hob = malloc(h->memory_size);
		err = b.hob ? vm_build_hob(tdvf, ram, nram, h->memory, b.hob, h->memory_size)
			    : -ENOMEM;
	}
	for (unsigned i = 0; i < tdvf->nr_sections; i++)
		b.all += tdx_tdvf_is_added(&tdvf->section[i]) ? tdvf->section[i].memory_size : 0;
	for (unsigned i = 0; i < tdvf->nr_sections && !err; i++)
		if (tdx_tdvf_is_added(&tdvf->section[i]))
			err = add_section(&b, &tdvf->section[i]);
	free(b.hob);
	return err;
}
