/* SPDX-License-Identifier: MIT */
/* The identifier of a metadata field: what TDH.SYS.RD, TDH.MNG.RD, TDG.VM.RD and so on take in RDX.
 *
 * ABI: "Metadata Access Interface", module 1.5.25. Calls for a single element look only at class
 * and code; they refuse an id whose reserved or "last" bits are set. Freestanding. */
#ifndef SWTDX_ABI_FIELD_ID_H
#define SWTDX_ABI_FIELD_ID_H

#include <stdbool.h>
#include <stdint.h>

#define FIELD_ID_CODE_MASK	  0x0000000000ffffffull
#define FIELD_ID_SIZE_SHIFT	  32 /* element size: 2 bits, log2 of bytes */
#define FIELD_ID_LAST_ELEMENT	  0x0000003c00000000ull
#define FIELD_ID_LAST_FIELD	  0x00007fc000000000ull
#define FIELD_ID_INC_SIZE	  (1ull << 50)
#define FIELD_ID_WRITE_MASK_VALID (1ull << 51)
#define FIELD_ID_CONTEXT_SHIFT	  52	       /* 3 bits */
#define FIELD_ID_CLASS_SHIFT	  56	       /* 6 bits */
#define FIELD_ID_IGNORED	  (1ull << 63) /* 0 in a field Intel defined to be read freely */
#define FIELD_ID_RESERVED	  0x40838000ff000000ull
#define FIELD_ID_NONE		  0xffffffffffffffffull /* "first" on the way in, "no more" out */

enum field_context {
	FIELD_CONTEXT_SYS = 0,
	FIELD_CONTEXT_TD = 1,
	FIELD_CONTEXT_VP = 2,
};

static inline uint32_t field_id_code(uint64_t id)
{
	return (uint32_t)(id & FIELD_ID_CODE_MASK);
}

static inline unsigned field_id_class(uint64_t id)
{
	return (unsigned)(id >> FIELD_ID_CLASS_SHIFT) & 0x3f;
}

static inline unsigned field_id_context(uint64_t id)
{
	return (unsigned)(id >> FIELD_ID_CONTEXT_SHIFT) & 7;
}

/* Bytes of one element: 1, 2, 4 or 8. */
static inline unsigned field_id_element_size(uint64_t id)
{
	return 1u << ((id >> FIELD_ID_SIZE_SHIFT) & 3);
}

/* Elements in a field, minus one. */
static inline unsigned field_id_last_element(uint64_t id)
{
	return (unsigned)(id >> 34) & 0xf;
}

/* Fields in the sequence of a list, minus one. */
static inline unsigned field_id_last_field(uint64_t id)
{
	return (unsigned)(id >> 38) & 0x1ff;
}

/* An id for one element; element_size is 1, 2, 4 or 8. */
static inline uint64_t field_id_make(enum field_context context, unsigned cls, uint32_t code,
				     unsigned element_size)
{
	uint64_t log = element_size >= 8 ? 3 : element_size >> 1;

	return (uint64_t)(cls & 0x3f) << FIELD_ID_CLASS_SHIFT |
	       (uint64_t)context << FIELD_ID_CONTEXT_SHIFT | log << FIELD_ID_SIZE_SHIFT |
	       (code & FIELD_ID_CODE_MASK);
}

/* The same field as far as calls for one element care. */
static inline bool field_id_same(uint64_t a, uint64_t b)
{
	return field_id_class(a) == field_id_class(b) && field_id_code(a) == field_id_code(b);
}

/* The code of CPUID_VALUES: leaf bit 31 in 16, leaf 6:0 in 15:9, "no sub-leaf" in 8, sub-leaf in
 * 7:1, element in 0 (0: EAX and EBX, 1: ECX and EDX). */
static inline uint32_t field_cpuid_code(uint32_t leaf, uint32_t subleaf, unsigned element)
{
	bool none = subleaf == 0xffffffffu;

	return (leaf >> 31) << 16 | (leaf & 0x7f) << 9 | (uint32_t)none << 8 |
	       (none ? 0x7fu : subleaf & 0x7f) << 1 | (element & 1);
}

#endif
