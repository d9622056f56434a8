/* SPDX-License-Identifier: MIT */
/* Fields and memory of the guest, by the calls a host has for that. Linear addresses go through the
 * guest's own page tables, read the same way: SDM vol. 3, chapter 4. */
#include <stdio.h>
#include <string.h>

#include "arch/vmcs.h"
#include "arch/x86.h"
#include "tools/gdb/internal.h"
#include "vmm/fields.h"

void gdb_refused(struct gdb *g, const char *leaf, const char *what, struct tdx_status s)
{
	char name[104], line[sizeof(g->refusal) + 8];

	snprintf(g->refusal, sizeof(g->refusal), "%s of %s: %s", leaf, what,
		 tdx_status_format(s, name, sizeof(name)));
	snprintf(name, sizeof(name), "gdb: %s", tdx_status_name(s));
	/* gdb tries a lot of addresses where nothing is: each kind of refusal is said once in a
	 * row. */
	if (strcmp(name, g->logged) == 0)
		return;
	snprintf(g->logged, sizeof(g->logged), "%s", name);
	snprintf(line, sizeof(line), "gdb: %s", g->refusal);
	g->cfg.log(g->cfg.arg, line);
}

static void field_name(char *text, size_t len, uint64_t field)
{
	const struct md_table *t = md_class(field) == MD_VP_CLASS_VMCS ? &md_vmcs : &md_vp;

	snprintf(text, len, "field 0x%llx", (unsigned long long)field);
	for (unsigned i = 0; i < t->rows; i++)
		if (md_class(t->row[i].id) == md_class(field) &&
		    md_code(t->row[i].id) == md_code(field))
			snprintf(text, len, "%s", t->row[i].name);
}

bool gdb_field(struct gdb *g, unsigned vcpu, uint64_t field, uint64_t *value)
{
	struct tdx_status s = tdx_vcpu_read_field(g->vcpu[vcpu].vcpu, field, value);
	char name[48];

	if (tdx_is_success(s))
		return true;
	field_name(name, sizeof(name), field);
	gdb_refused(g, "TDH.VP.RD", name, s);
	return false;
}

bool gdb_set_field(struct gdb *g, unsigned vcpu, uint64_t field, uint64_t value, uint64_t mask)
{
	struct tdx_status s = tdx_vcpu_write_field(g->vcpu[vcpu].vcpu, field, value, mask);
	char name[48];

	if (tdx_is_success(s))
		return true;
	field_name(name, sizeof(name), field);
	gdb_refused(g, "TDH.VP.WR", name, s);
	return false;
}

/* --- guest-physical --- */

static bool is_shared(const struct gdb *g, uint64_t *at)
{
	uint64_t bit = tdx_vm_shared_bit(g->cfg.vm).v;
	bool shared = (*at & bit) != 0;

	*at &= ~bit;
	return shared;
}

static bool memory_status(struct gdb *g, const char *leaf, uint64_t at, struct tdx_status s)
{
	char name[48];

	if (tdx_is_success(s))
		return true;
	snprintf(name, sizeof(name), "GPA 0x%llx", (unsigned long long)at);
	gdb_refused(g, leaf, name, s);
	return false;
}

bool gdb_read_gpa(struct gdb *g, uint64_t at, uint8_t *buf, size_t len)
{
	if (is_shared(g, &at))
		return tdx_vm_read_shared(g->cfg.vm, gpa(at), buf, len) == 0;
	while (len) {
		size_t skip = at & 7, n = 8 - skip < len ? 8 - skip : len;
		uint64_t word;

		if (!memory_status(g, "TDH.MEM.RD", at & ~7ull,
				   tdx_vm_read_private(g->cfg.vm, gpa(at & ~7ull), &word)))
			return false;
		memcpy(buf, (uint8_t *)&word + skip, n);
		at += n;
		buf += n;
		len -= n;
	}
	return true;
}

bool gdb_write_gpa(struct gdb *g, uint64_t at, const uint8_t *buf, size_t len)
{
	if (is_shared(g, &at))
		return tdx_vm_write_shared(g->cfg.vm, gpa(at), buf, len) == 0;
	while (len) {
		size_t skip = at & 7, n = 8 - skip < len ? 8 - skip : len;
		uint64_t word;

		if (!memory_status(g, "TDH.MEM.RD", at & ~7ull,
				   tdx_vm_read_private(g->cfg.vm, gpa(at & ~7ull), &word)))
			return false;
		memcpy((uint8_t *)&word + skip, buf, n);
		if (!memory_status(g, "TDH.MEM.WR", at & ~7ull,
				   tdx_vm_write_private(g->cfg.vm, gpa(at & ~7ull), word)))
			return false;
		at += n;
		buf += n;
		len -= n;
	}
	return true;
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

	if (!gdb_field(g, v, VP_FIELD_VMCS_64(VMCS_GUEST_CR0), &cr0) ||
	    !gdb_field(g, v, VP_FIELD_VMCS_64(VMCS_GUEST_CR3), &cr3) ||
	    !gdb_field(g, v, VP_FIELD_VMCS_64(VMCS_GUEST_CR4), &cr4) ||
	    !gdb_field(g, v, VP_FIELD_VMCS_64(VMCS_GUEST_EFER), &efer))
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
