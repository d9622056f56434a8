/* SPDX-License-Identifier: MIT */
/* The server's view of its target: registers, and linear addresses through the guest's own page
 * tables. SDM vol. 3, chapter 4. What is refused is logged, each kind once in a row: gdb tries a
 * lot of addresses where nothing is. */
#include <stdio.h>
#include <string.h>

#include <swtdx/types.h>

#include "arch/x86.h"
#include "gdb/internal.h"

static bool told(struct gdb *g, bool done, const struct gdb_refusal *why)
{
	char line[sizeof(g->refusal) + 8];

	if (done || !why->text[0])
		return done;
	snprintf(g->refusal, sizeof(g->refusal), "%s", why->text);
	if (strcmp(why->kind, g->logged) == 0)
		return false;
	snprintf(g->logged, sizeof(g->logged), "%s", why->kind);
	snprintf(line, sizeof(line), "gdb: %s", g->refusal);
	g->cfg.log(g->cfg.arg, line);
	return false;
}

bool gdb_get(struct gdb *g, unsigned cpu, enum gdb_reg reg, uint8_t *buf)
{
	struct gdb_refusal why = {0};

	return told(g, g->cfg.target->get(g->cfg.target_arg, cpu, reg, buf, &why), &why);
}

bool gdb_set(struct gdb *g, unsigned cpu, enum gdb_reg reg, const uint8_t *buf)
{
	struct gdb_refusal why = {0};

	return told(g, g->cfg.target->set(g->cfg.target_arg, cpu, reg, buf, &why), &why);
}

bool gdb_arm(struct gdb *g, unsigned cpu, const struct gdb_points *points)
{
	struct gdb_refusal why = {0};

	return told(g, g->cfg.target->arm(g->cfg.target_arg, cpu, points, &why), &why);
}

bool gdb_read_gpa(struct gdb *g, uint64_t at, uint8_t *buf, size_t len)
{
	struct gdb_refusal why = {0};

	return told(g, g->cfg.target->read(g->cfg.target_arg, at, buf, len, &why), &why);
}

bool gdb_write_gpa(struct gdb *g, uint64_t at, const uint8_t *buf, size_t len)
{
	struct gdb_refusal why = {0};

	return told(g, g->cfg.target->write(g->cfg.target_arg, at, buf, len, &why), &why);
}

bool gdb_get_word(struct gdb *g, unsigned cpu, enum gdb_reg reg, uint64_t *value)
{
	uint8_t buf[16] = {0};
	bool done = gdb_get(g, cpu, reg, buf);

	memcpy(value, buf, sizeof(*value));
	return done;
}

/* --- linear --- */

/* `bits` of the address index a table of entries of `size` bytes. */
static bool walk(struct gdb *g, uint64_t table, uint64_t gla, unsigned levels, unsigned bits,
		 size_t size, bool large, uint64_t *out)
{
	for (unsigned level = levels; level; level--) {
		unsigned shift = 12 + bits * (level - 1);
		uint64_t entry = 0, index = gla >> shift & ((1ull << bits) - 1), offset;

		if (!gdb_read_gpa(g, table + index * size, (uint8_t *)&entry, size) ||
		    !(entry & PTE_P))
			return false;
		table = entry & PTE_ADDRESS;
		if (level > 1 && !(level <= 3 && large && entry & PTE_PS))
			continue;
		offset = gla & ((1ull << shift) - 1);
		if (size == 4 && level == 2) /* PSE: bits 39:32 are in 20:13 */
			table = (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
		*out = (table & ~((1ull << shift) - 1)) | offset;
		return true;
	}
	return false;
}

bool gdb_translate(struct gdb *g, uint64_t gla, uint64_t *out)
{
	uint64_t cr0, cr3, cr4, efer, top;
	unsigned v = g->current;

	if (!gdb_get_word(g, v, GDB_cr0, &cr0) || !gdb_get_word(g, v, GDB_cr3, &cr3) ||
	    !gdb_get_word(g, v, GDB_cr4, &cr4) || !gdb_get_word(g, v, GDB_efer, &efer))
		return false;
	if (!(cr0 & CR0_PG)) {
		*out = gla & 0xffffffff;
		return true;
	}
	if (efer & EFER_LMA)
		return walk(g, cr3 & PTE_ADDRESS, gla, cr4 & CR4_LA57 ? 5 : 4, 9, 8, true, out);
	gla &= 0xffffffff;
	if (!(cr4 & CR4_PAE))
		return walk(g, cr3 & 0xfffff000, gla, 2, 10, 4, (cr4 & CR4_PSE) != 0, out);
	if (!gdb_read_gpa(g, (cr3 & 0xffffffe0) + 8 * (gla >> 30), (uint8_t *)&top, 8) ||
	    !(top & PTE_P))
		return false;
	return walk(g, top & PTE_ADDRESS, gla, 2, 9, 8, true, out);
}

static size_t page_rest(uint64_t gla, size_t len)
{
	size_t rest = TDX_PAGE_SIZE - (gla & (TDX_PAGE_SIZE - 1));

	return rest < len ? rest : len;
}

size_t gdb_read(struct gdb *g, uint64_t gla, uint8_t *buf, size_t len)
{
	size_t done = 0;
	uint64_t at;

	while (done < len) {
		size_t n = page_rest(gla + done, len - done);

		if (!gdb_translate(g, gla + done, &at) || !gdb_read_gpa(g, at, buf + done, n))
			break;
		done += n;
	}
	return done;
}

size_t gdb_write(struct gdb *g, uint64_t gla, const uint8_t *buf, size_t len)
{
	size_t done = 0;
	uint64_t at;

	while (done < len) {
		size_t n = page_rest(gla + done, len - done);

		if (!gdb_translate(g, gla + done, &at) || !gdb_write_gpa(g, at, buf + done, n))
			break;
		done += n;
	}
	return done;
}
