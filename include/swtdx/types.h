/* SPDX-License-Identifier: MIT */
/* Words with a meaning: host and guest physical addresses, KeyIDs, completion status, registers.
 *
 * Each is a struct of one member, so that a guest address passed for a host address does not
 * compile. They are made and opened only with the inlines below. Values, not objects: copy freely,
 * any thread. Freestanding; usable from C++. */
#ifndef SWTDX_TYPES_H
#define SWTDX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A host physical address in bytes. With a KeyID in its upper bits only where a name says so. */
typedef struct {
	uint64_t v;
} hpa_t;

/* A guest physical address in bytes; the shared bit is part of it. */
typedef struct {
	uint64_t v;
} gpa_t;

/* A memory-encryption KeyID: 0 is the host's default, private ones belong to TDX. */
typedef struct {
	uint16_t v;
} hkid_t;

/* A completion status as the module leaves it in RAX (ABI, "Function Completion Status"). */
struct tdx_status {
	uint64_t raw;
};

static inline hpa_t hpa(uint64_t v)
{
	hpa_t a = {v};
	return a;
}

static inline gpa_t gpa(uint64_t v)
{
	gpa_t a = {v};
	return a;
}

static inline hkid_t hkid(unsigned v)
{
	hkid_t k = {(uint16_t)v};
	return k;
}

static inline struct tdx_status tdx_status(uint64_t raw)
{
	struct tdx_status s = {raw};
	return s;
}

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
