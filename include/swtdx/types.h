/* SPDX-License-Identifier: MIT */
/* Words with a meaning: host and guest physical addresses, KeyIDs, completion status, registers.
 *
 * Each is a struct of one member, so that a guest address passed for a host address does not
 * compile. They are made and opened only with the inlines below. Values, not objects: copy freely,
 * any thread. Freestanding; usable from C++.
 *
 * A program without a gpa_t of its own may define SWTDX_SHORT_NAMES before the first header and
 * write gpa_t, hpa_t, hkid_t, gpa(), hpa() and hkid().
 * A kernel whose integers are not the compiler's (Linux: uint64_t is unsigned long long) defines
 * SWTDX_OWN_TYPES and has bool, size_t, offsetof, uint8_t to uint64_t and int32_t before. */
#ifndef SWTDX_TYPES_H
#define SWTDX_TYPES_H

#ifndef SWTDX_OWN_TYPES
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A host physical address in bytes. With a KeyID in its upper bits only where a name says so. */
typedef struct {
	uint64_t v;
} tdx_hpa_t;

/* A guest physical address in bytes; the shared bit is part of it. */
typedef struct {
	uint64_t v;
} tdx_gpa_t;

/* A memory-encryption KeyID: 0 is the host's default, private ones belong to TDX. */
typedef struct {
	uint16_t v;
} tdx_hkid_t;

/* A completion status as the module leaves it in RAX (ABI, "Function Completion Status"). */
struct tdx_status {
	uint64_t raw;
};

static inline tdx_hpa_t tdx_hpa(uint64_t v)
{
	tdx_hpa_t a = {v};
	return a;
}

static inline tdx_gpa_t tdx_gpa(uint64_t v)
{
	tdx_gpa_t a = {v};
	return a;
}

static inline tdx_hkid_t tdx_hkid(unsigned v)
{
	tdx_hkid_t k = {(uint16_t)v};
	return k;
}

static inline struct tdx_status tdx_status(uint64_t raw)
{
	struct tdx_status s = {raw};
	return s;
}

#ifdef SWTDX_SHORT_NAMES
typedef tdx_hpa_t hpa_t;
typedef tdx_gpa_t gpa_t;
typedef tdx_hkid_t hkid_t;

static inline hpa_t hpa(uint64_t v)
{
	return tdx_hpa(v);
}

static inline gpa_t gpa(uint64_t v)
{
	return tdx_gpa(v);
}

static inline hkid_t hkid(unsigned v)
{
	return tdx_hkid(v);
}
#endif

/* Bytes of host physical memory, [base, base + size). */
struct tdx_range {
	tdx_hpa_t base;
	uint64_t size;
};

/* Sizes of pages by S-EPT level. */
#define TDX_PAGE_SIZE 4096ull
#define TDX_SIZE_2M   (1ull << 21)
#define TDX_SIZE_1G   (1ull << 30)

/* The level of a mapping as the ABI encodes it in bits 2:0 of a "GPA | level" operand. */
enum tdx_level {
	TDX_LEVEL_4K = 0,
	TDX_LEVEL_2M = 1,
	TDX_LEVEL_1G = 2,
	TDX_LEVEL_512G = 3,
	TDX_LEVEL_256T = 4,
};

/* Bytes covered by one entry of a level. */
static inline uint64_t tdx_level_size(enum tdx_level level)
{
	return TDX_PAGE_SIZE << (9u * (unsigned)level);
}

/* The sixteen general registers in x86 encoding order; index them with tdx_reg(). */
struct tdx_regs {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
};

static inline uint64_t *tdx_reg(struct tdx_regs *r, unsigned n)
{
	return &r->rax + (n & 15u);
}

#ifdef __cplusplus
}
#endif

#endif
