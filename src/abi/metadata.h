/* SPDX-License-Identifier: MIT */
/* Metadata: every field TDH.SYS/MNG/VP.RD/WR and TDG.SYS/VM/VP.RD/WR can name, as tables of facts.
 *
 * A row describes a run of `fields` fields of `elements` elements each, at consecutive codes. Rows
 * of a table are in order of (class, code), so a lookup is a binary search. What an accessor may
 * see and change are masks, to be cut to the element's size with md_size_mask(). Where a field is
 * stored and what else a write must satisfy is the module's business.
 *
 * Rows are written in metadata_{sys,td,vp,vmcs}.def as X(NAME, id, columns...):
 *   FIELDS(n) ELEMENTS(n)  when more than one
 *   HOST()   by the host: SYS fields; TDs that are not debuggable
 *   DEBUG()  by the host of a TD with ATTRIBUTES.DEBUG
 *   GUEST()  by the TD itself
 *     each RO all bits readable; RW, writable too; RW_BITS(m) all readable, m writable; BITS(m)
 *     only m visible and writable; RO_BITS(m) only m readable; RD_WR(r, w); absent: no access
 *   MIGTD()  by the migration TD bound to the TD; as those above
 *   ADDR()   the value is an address, enum md_address
 *   EXPORT(IMMUTABLE or MUTABLE, mask)  in which state bundle the field moves, mask: all bits
 *   IMPORT(REQUIRED or OPTIONAL, mask)  and what the importer takes of it; absent: nothing
 *
 * ABI: "TDX Module Metadata", module 1.5.25. Constant data, any thread; freestanding. */
#ifndef SWTDX_ABI_METADATA_H
#define SWTDX_ABI_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The identifier: 23:0 code, 33:32 log2 of the element's bytes, 37:34 last element, 46:38 last
 * field in sequence, 50 codes advance by two, 51 write mask valid, 54:52 context, 61:56 class,
 * 63 not architectural. Bits 31:24, 49:47, 55 and 62 are reserved. */
#define MD_ID_NONE	    (~0ull)
#define MD_ID_CODE_MASK	    0xffffffull
#define MD_ID_RESERVED	    0x40838000ff000000ull
#define MD_ID_LAST_ELEMENT  (0xfull << 34)
#define MD_ID_LAST_FIELD    (0x1ffull << 38)
#define MD_ID_TWO_CODES	    (1ull << 50)
#define MD_ID_WR_MASK_VALID (1ull << 51)
#define MD_ID_CONTEXT_MASK  (7ull << 52)
#define MD_ID_CLASS_SHIFT   56
#define MD_ID_CLASS_MASK    (0x3full << MD_ID_CLASS_SHIFT)

enum md_context { MD_CTX_SYS, MD_CTX_TD, MD_CTX_VP };

/* Classes a reader has to know; all names by md_class_name(). */
enum md_td_class {
	MD_TD_CLASS_CPUID = 0x14,
	MD_TD_CLASS_L2_SEPT_ROOT_1 = 0x25, /* and 4 more for each further L2 VM */
};
enum md_vp_class {
	MD_VP_CLASS_VMCS = 0x00,
	MD_VP_CLASS_L2_VMCS_1 = 0x24, /* these three: and 8 more for each further L2 VM */
	MD_VP_CLASS_L2_MSR_BITMAPS_1 = 0x25,
	MD_VP_CLASS_L2_SHADOW_MSR_BITMAPS_1 = 0x26,
};

/* When a field is exported, and what its absence means to an importer. */
enum md_phase { MD_NOT_MIGRATED, MD_IMMUTABLE, MD_MUTABLE };
enum md_need { MD_NOT_IMPORTED, MD_OPTIONAL, MD_REQUIRED };

enum md_address { MD_NO_ADDRESS, MD_HPA, MD_SHARED_HPA, MD_GPA, MD_PRIVATE_GPA };

struct md_mask {
	uint64_t rd, wr;
};

/* Who reads and writes: a leaf, an element at a time, or a bundle of a migration. */
enum md_accessor {
	MD_BY_HOST,
	MD_BY_DEBUGGER,
	MD_BY_GUEST,
	MD_BY_MIGTD,
	MD_EXPORT_IMMUTABLE,
	MD_EXPORT_MUTABLE,
	MD_IMPORT_IMMUTABLE,
	MD_IMPORT_MUTABLE,
};
enum { MD_LEAF_ACCESSORS = MD_EXPORT_IMMUTABLE };

struct md_field {
	const char *name;
	uint64_t id;	     /* of the first element of the first field */
	uint16_t last_field; /* number of fields less one */
	uint8_t last_element;
	uint8_t address;     /* enum md_address */
	uint8_t phase, need; /* enum md_phase, enum md_need */
	union {
		struct {
			struct md_mask host, debug, guest, migtd;
		};
		struct md_mask access[MD_LEAF_ACCESSORS]; /* the same, by enum md_accessor */
	};
	uint64_t exported, imported;
};

struct md_table {
	const struct md_field *row;
	unsigned rows;
};

/* Indices of rows in md_sys, md_td, md_vp. */
#define X(name_, ...) MD_SYS_##name_,
enum md_sys_field {
#include "abi/metadata_sys.def"
	MD_SYS_FIELDS
};
#undef X
#define X(name_, ...) MD_TD_##name_,
enum md_td_field {
#include "abi/metadata_td.def"
	MD_TD_FIELDS
};
#undef X
#define X(name_, ...) MD_VP_##name_,
enum md_vp_field {
#include "abi/metadata_vp.def"
	MD_VP_FIELDS
};
#undef X

/* Never through a table of offsets, which a kernel does not have. */
#pragma GCC visibility push(hidden)
extern const struct md_table md_sys, md_td, md_vp, md_vmcs, md_l2_vmcs;
#pragma GCC visibility pop

static inline unsigned md_code(uint64_t id)
{
	return (unsigned)(id & MD_ID_CODE_MASK);
}

/* Rows of a table are in the order of this. */
static inline uint64_t md_order(uint64_t id)
{
	return id & (MD_ID_CLASS_MASK | MD_ID_CODE_MASK);
}

static inline unsigned md_class(uint64_t id)
{
	return (unsigned)(id >> MD_ID_CLASS_SHIFT & 0x3f);
}

static inline unsigned md_ctx(uint64_t id)
{
	return (unsigned)(id >> 52 & 7);
}

static inline uint64_t md_with_ctx(uint64_t id, enum md_context ctx)
{
	return (id & ~MD_ID_CONTEXT_MASK) | (uint64_t)ctx << 52;
}

/* The identifier that asks for the first field of a context. */
static inline bool md_is_none(uint64_t id)
{
	return (id | MD_ID_CONTEXT_MASK) == MD_ID_NONE;
}

static inline unsigned md_size(uint64_t id)
{
	return 1u << (id >> 32 & 3);
}

static inline uint64_t md_size_mask(uint64_t id)
{
	return ~0ull >> (64 - 8 * md_size(id));
}

/* Codes from one element to the next. */
static inline unsigned md_stride(const struct md_field *f)
{
	return f->id & MD_ID_TWO_CODES ? 2 : 1;
}

static inline unsigned md_elements(const struct md_field *f)
{
	return f->last_element + 1u;
}

/* Which field and element of its row an identifier means. */
static inline unsigned md_index(const struct md_field *f, uint64_t id)
{
	return (md_code(id) - md_code(f->id)) / md_stride(f);
}

/* TD.CPUID_VALUES packs leaf and subleaf into the code: 0 element, 7:1 subleaf, 8 no subleaf,
 * 15:9 leaf 6:0, 16 leaf bit 31. The rest of the code is reserved. */
#define MD_CPUID_RESERVED   0xfe0000ull
#define MD_CPUID_NO_SUBLEAF (~0u)

static inline uint32_t md_cpuid_leaf(uint64_t id)
{
	return (uint32_t)(id >> 9 & 0x7f) | (uint32_t)(id >> 16 & 1) << 31;
}

static inline uint32_t md_cpuid_subleaf(uint64_t id)
{
	return id >> 8 & 1 ? MD_CPUID_NO_SUBLEAF : (uint32_t)(id >> 1 & 0x7f);
}

static inline uint64_t md_cpuid_code(uint32_t leaf, uint32_t subleaf, unsigned element)
{
	return element | (subleaf & 0x7f) << 1 | (uint64_t)(subleaf == MD_CPUID_NO_SUBLEAF) << 8 |
	       (leaf & 0x7f) << 9 | (uint64_t)(leaf >> 31) << 16;
}

static inline bool md_is_cpuid(uint64_t id)
{
	return md_ctx(id) == MD_CTX_TD && md_class(id) == MD_TD_CLASS_CPUID;
}

/* The L2 VM a VP class belongs to: 1.. for the three kinds of L2 classes, else 0. */
static inline unsigned md_vp_l2_vm(unsigned cls)
{
	return cls >= MD_VP_CLASS_L2_VMCS_1 && cls < MD_VP_CLASS_L2_VMCS_1 + 24 && cls % 8 >= 4 &&
			       cls % 8 < 7
		       ? (cls - MD_VP_CLASS_L2_VMCS_1) / 8 + 1
		       : 0;
}

static inline bool md_is_l2_vmcs(uint64_t id)
{
	unsigned cls = md_class(id);

	return md_ctx(id) == MD_CTX_VP && md_vp_l2_vm(cls) && cls % 8 == 4;
}

/* The table an identifier with its context set belongs to. */
const struct md_table *md_table_of(uint64_t id);

/* The row an identifier with its context set falls in, by class and code; NULL: there is none. Bits
 * other than class and code do not matter. */
const struct md_field *md_find(const struct md_table *table, uint64_t id);

/* --- names --- */

/* "executionControls" and the like for a class of a context, NULL when there is no such class. */
const char *md_class_name(enum md_context ctx, unsigned cls);

/* Writes "TD.RTMR[1].2", "TD.CPUID_VALUES[0x7,0x0].1", "VP.VMCS.GUEST_CR0"; false and "" when no
 * field has this identifier. Returns the row through f when f is not NULL. */
bool md_print(uint64_t id, char *buf, size_t size, const struct md_field **f);

/* The identifier of the first element of a field by its name, with or without the part before the
 * dot ("TD.ATTRIBUTES", "ATTRIBUTES", "VP.VMCS.GUEST_CR0"); MD_ID_NONE when there is none. */
uint64_t md_by_name(const char *name);

#endif
