/* SPDX-License-Identifier: MIT */
/* Operand words: a guest address with its level, the vCPU handle of TDH.VP.ENTER, the options of
 * TDH.SYS.CONFIG, the register mask of TDG.VP.VMCALL. ABI: module 1.5.25. Freestanding. */
#ifndef SWTDX_ABI_OPERAND_H
#define SWTDX_ABI_OPERAND_H

#include <swtdx/types.h>

/* "GPA | level": level in 2:0, GPA in 51:12, the rest zero. As it came, not looked at yet. */
typedef struct {
	uint64_t v;
} gpa_level_t;

static inline gpa_level_t gpa_level(uint64_t word)
{
	gpa_level_t w = {word};
	return w;
}

#define GPA_LEVEL_MASK	   0x7ull
#define GPA_LEVEL_GPA	   0x000ffffffffff000ull
#define GPA_LEVEL_RESERVED (~(GPA_LEVEL_MASK | GPA_LEVEL_GPA))

static inline uint64_t gpa_level_pack(gpa_t gpa_page, enum tdx_level level)
{
	return (gpa_page.v & GPA_LEVEL_GPA) | ((uint64_t)level & GPA_LEVEL_MASK);
}

static inline gpa_t gpa_level_gpa(uint64_t word)
{
	return gpa(word & GPA_LEVEL_GPA);
}

/* 0 to 7; only TDX_LEVEL_4K to TDX_LEVEL_256T exist. */
static inline unsigned gpa_level_level(uint64_t word)
{
	return (unsigned)(word & GPA_LEVEL_MASK);
}

/* Reserved bits are clear, the level exists and the address is a multiple of its size. */
static inline bool gpa_level_valid(uint64_t word)
{
	unsigned level = gpa_level_level(word);

	return !(word & GPA_LEVEL_RESERVED) && level <= TDX_LEVEL_256T &&
	       !((word & GPA_LEVEL_GPA) & (tdx_level_size((enum tdx_level)level) - 1));
}

/* RCX of TDH.VP.ENTER beside the TDVPR's address. */
#define VP_ENTER_HOST_RECOVERABILITY_HINT (1ull << 52)
#define VP_ENTER_RESUME_L1		  (1ull << 53)
#define VP_ENTER_RESERVED		  0xffc0000000000fffull

/* R8 of TDH.SYS.CONFIG: the global KeyID in 15:0. */
#define SYS_CONFIG_HKID_MASK	0xffffull
#define SYS_CONFIG_DYNAMIC_PAMT (1ull << 16)
#define SYS_CONFIG_RESERVED	(~(SYS_CONFIG_HKID_MASK | SYS_CONFIG_DYNAMIC_PAMT))

/* RCX of TDH.SYS.SHUTDOWN: the handoff version in 15:0. */
#define SYS_SHUTDOWN_HANDOFF_MASK	    0xffffull
#define SYS_SHUTDOWN_AVOID_COMPAT_SENSITIVE (1ull << 16)

/* RCX of TDH.PHYMEM.CACHE.WB. */
#define CACHE_WB_START	0ull
#define CACHE_WB_RESUME 1ull

/* RDX of TDH.MEM.SEPT.ADD version 1, beside the TDR's address. */
#define SEPT_ADD_ALLOW_EXISTING (1ull << 0)

/* RCX of TDG.VP.VMCALL: which registers the host sees, as TDX_REG_BIT()s, and XMM n in bit 16 + n.
 */
#define VMCALL_GPR_MASK	   0xffffull
#define VMCALL_XMM_SHIFT   16
#define VMCALL_XMM_MASK	   0xffff0000ull
#define VMCALL_GPR_REFUSED 0x13ull /* RAX, RCX, RSP; RBP as well with NO_RBP_MOD */
#define VMCALL_GPR_RBP	   0x20ull
#define VMCALL_RESERVED	   0xffffffff00000000ull

#endif
