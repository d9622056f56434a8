/* SPDX-License-Identifier: MIT */
/* Names of metadata fields, both ways; see metadata.h. Freestanding. */
#include "abi/metadata.h"

#include "arch/text.h"

static const char *const sys_classes[64] = {
	[0x00] = "platform info",
	[0x08] = "TDX module version",
	[0x09] = "TDX module handoff",
	[0x0a] = "TDX module info",
	[0x10] = "CMR info",
	[0x11] = "TDMR info",
	[0x18] = "TD control structures",
	[0x19] = "TD configurability",
	[0x20] = "migration",
	[0x21] = "service TD",
	[0x22] = "TD partitioning",
};

static const char *const td_classes[64] = {
	[0x00] = "TD management (TDR)",
	[0x01] = "key management",
	[0x02] = "TD preserving",
	[0x10] = "TD management",
	[0x11] = "execution controls",
	[0x12] = "TLB epoch tracking",
	[0x13] = "measurement",
	[0x14] = "CPUID",
	[0x16] = "virtual MSR values",
	[0x18] = "migration",
	[0x19] = "service TD",
	[0x1a] = "MIGSC links",
	[0x1c] = "x2APIC ids",
	[0x20] = "MSR bitmaps",
	[0x21] = "Secure-EPT root",
	[0x25] = "Secure-EPT root of L2 VM 1",
	[0x29] = "Secure-EPT root of L2 VM 2",
	[0x2d] = "Secure-EPT root of L2 VM 3",
};

static const char *const vp_classes[64] = {
	[0x00] = "TD VMCS",
	[0x01] = "virtual APIC page",
	[0x02] = "#VE information",
	[0x10] = "guest GPR state",
	[0x11] = "guest state",
	[0x12] = "guest extended state",
	[0x13] = "guest MSR state",
	[0x20] = "management",
	[0x21] = "CPUID control",
	[0x22] = "EPT violation log",
	[0x24] = "VMCS of L2 VM 1",
	[0x25] = "MSR bitmaps of L2 VM 1",
	[0x26] = "shadow MSR bitmaps of L2 VM 1",
	[0x2c] = "VMCS of L2 VM 2",
	[0x2d] = "MSR bitmaps of L2 VM 2",
	[0x2e] = "shadow MSR bitmaps of L2 VM 2",
	[0x34] = "VMCS of L2 VM 3",
	[0x35] = "MSR bitmaps of L2 VM 3",
	[0x36] = "shadow MSR bitmaps of L2 VM 3",
};

const char *md_class_name(enum md_context ctx, unsigned cls)
{
	if (cls >= 64)
		return NULL;
	switch (ctx) {
	case MD_CTX_SYS:
		return sys_classes[cls];
	case MD_CTX_TD:
		return td_classes[cls];
	case MD_CTX_VP:
		return vp_classes[cls];
	}
	return NULL;
}

static void print_prefix(struct text *t, uint64_t id)
{
	static const char *const contexts[] = {"SYS.", "TD.", "VP."};

	text_add(t, contexts[md_ctx(id)]);
	if (md_table_of(id) == &md_vmcs)
		text_add(t, "VMCS.");
	if (md_is_l2_vmcs(id)) {
		text_add(t, "L2_VMCS_");
		text_dec(t, md_vp_l2_vm(md_class(id)));
		text_char(t, '.');
	}
}

static void print_index(struct text *t, const struct md_field *f, uint64_t id)
{
	unsigned n = md_index(f, id);

	if (md_is_cpuid(id)) {
		text_char(t, '[');
		text_hex(t, md_cpuid_leaf(id), 1);
		if (md_cpuid_subleaf(id) != MD_CPUID_NO_SUBLEAF) {
			text_char(t, ',');
			text_hex(t, md_cpuid_subleaf(id), 1);
		}
		text_char(t, ']');
		n = md_code(id) & 1;
	} else if (f->last_field) {
		text_char(t, '[');
		text_dec(t, n / md_elements(f));
		text_char(t, ']');
	}
	if (f->last_element) {
		text_char(t, '.');
		text_dec(t, n % md_elements(f));
	}
}

bool md_print(uint64_t id, char *buf, size_t size, const struct md_field **f)
{
	struct text t = text_into(buf, size);
	const struct md_field *found;

	if (md_is_none(id) || md_ctx(id) > MD_CTX_VP)
		return false;
	found = md_find(md_table_of(id), id);
	if (!found)
		return false;
	if (f)
		*f = found;
	print_prefix(&t, id);
	text_add(&t, found->name);
	print_index(&t, found, id);
	return true;
}

static const char *after(const char *name, const char *prefix)
{
	while (*prefix)
		if (*name++ != *prefix++)
			return NULL;
	return name;
}

static uint64_t in_table(const struct md_table *table, const char *name)
{
	for (unsigned i = 0; i < table->rows; i++)
		if (text_equal(table->row[i].name, name))
			return table->row[i].id;
	return MD_ID_NONE;
}

uint64_t md_by_name(const char *name)
{
	static const struct {
		const char *prefix;
		const struct md_table *table;
		uint64_t cls;
	} places[] = {
		{"SYS.", &md_sys, 0},
		{"TD.", &md_td, 0},
		{"VP.", &md_vp, 0},
		{"VP.VMCS.", &md_vmcs, 0},
		{"VP.L2_VMCS_1.", &md_l2_vmcs, MD_VP_CLASS_L2_VMCS_1},
		{"VP.L2_VMCS_2.", &md_l2_vmcs, MD_VP_CLASS_L2_VMCS_1 + 8},
		{"VP.L2_VMCS_3.", &md_l2_vmcs, MD_VP_CLASS_L2_VMCS_1 + 16},
	};
	uint64_t id;

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const char *rest = after(name, places[i].prefix);

		id = rest ? in_table(places[i].table, rest) : MD_ID_NONE;
		if (id != MD_ID_NONE)
			return id | places[i].cls << 56;
	}
	for (unsigned i = 0; i < 4; i++) {
		id = in_table(places[i].table, name);
		if (id != MD_ID_NONE)
			return id;
	}
	return MD_ID_NONE;
}
