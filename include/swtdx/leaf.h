/* SPDX-License-Identifier: MIT */
/* Leaf functions of SEAMCALL and TDCALL: numbers, names, registers and the states they need.
 *
 * ABI: module 1.5.25. RAX holds the leaf in bits 15:0 and its version in 23:16, the rest is zero;
 * SEAMCALL with bit 63 set calls the P-SEAMLDR instead of the module.
 *
 *	const struct tdx_leaf_info *leaf = tdx_seamcall_leaf(TDH_MEM_PAGE_AUG);
 *	if (!(leaf->op_states & TDX_OP_STATE_BIT(op_state)))
 *		return tdx_error_num(TDX_OP_STATE_INCORRECT, op_state);
 *
 * The tables are constant. Freestanding, any thread, usable from C++. */
#ifndef SWTDX_LEAF_H
#define SWTDX_LEAF_H

#include <swtdx/state.h>
#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* SEAMCALL leaves, called by the host. */
enum tdx_seamcall {
	TDH_VP_ENTER = 0,
	TDH_MNG_ADDCX = 1,
	TDH_MEM_PAGE_ADD = 2,
	TDH_MEM_SEPT_ADD = 3,
	TDH_VP_ADDCX = 4,
	TDH_MEM_PAGE_RELOCATE = 5,
	TDH_MEM_PAGE_AUG = 6,
	TDH_MEM_RANGE_BLOCK = 7,
	TDH_MNG_KEY_CONFIG = 8,
	TDH_MNG_CREATE = 9,
	TDH_VP_CREATE = 10,
	TDH_MNG_RD = 11,
	TDH_MEM_RD = 12,
	TDH_MNG_WR = 13,
	TDH_MEM_WR = 14,
	TDH_MEM_PAGE_DEMOTE = 15,
	TDH_MR_EXTEND = 16,
	TDH_MR_FINALIZE = 17,
	TDH_VP_FLUSH = 18,
	TDH_MNG_VPFLUSHDONE = 19,
	TDH_MNG_KEY_FREEID = 20,
	TDH_MNG_INIT = 21,
	TDH_VP_INIT = 22,
	TDH_MEM_PAGE_PROMOTE = 23,
	TDH_PHYMEM_PAGE_RDMD = 24,
	TDH_MEM_SEPT_RD = 25,
	TDH_VP_RD = 26,
	TDH_MNG_KEY_RECLAIMID = 27,
	TDH_PHYMEM_PAGE_RECLAIM = 28,
	TDH_MEM_PAGE_REMOVE = 29,
	TDH_MEM_SEPT_REMOVE = 30,
	TDH_SYS_KEY_CONFIG = 31,
	TDH_SYS_INFO = 32,
	TDH_SYS_INIT = 33,
	TDH_SYS_RD = 34,
	TDH_SYS_LP_INIT = 35,
	TDH_SYS_TDMR_INIT = 36,
	TDH_SYS_RDALL = 37,
	TDH_MEM_TRACK = 38,
	TDH_MEM_RANGE_UNBLOCK = 39,
	TDH_PHYMEM_CACHE_WB = 40,
	TDH_PHYMEM_PAGE_WBINVD = 41,
	TDH_MEM_SEPT_WR = 42,
	TDH_VP_WR = 43,
	TDH_SYS_LP_SHUTDOWN = 44,
	TDH_SYS_CONFIG = 45,
	TDH_SERVTD_BIND = 48,
	TDH_SERVTD_PREBIND = 49,
	TDH_SYS_SHUTDOWN = 52,
	TDH_SYS_UPDATE = 53,
	TDH_PHYMEM_PAMT_ADD = 58,
	TDH_PHYMEM_PAMT_REMOVE = 59,
	TDH_EXT_INIT = 60,
	TDH_EXT_MEM_ADD = 61,
	TDH_EXPORT_ABORT = 64,
	TDH_EXPORT_BLOCKW = 65,
	TDH_EXPORT_RESTORE = 66,
	TDH_EXPORT_MEM = 68,
	TDH_SYS_DISABLE = 69,
	TDH_EXPORT_PAUSE = 70,
	TDH_EXPORT_TRACK = 71,
	TDH_EXPORT_STATE_IMMUTABLE = 72,
	TDH_EXPORT_STATE_TD = 73,
	TDH_EXPORT_STATE_VP = 74,
	TDH_EXPORT_UNBLOCKW = 75,
	TDH_IMPORT_ABORT = 80,
	TDH_IMPORT_END = 81,
	TDH_IMPORT_COMMIT = 82,
	TDH_IMPORT_MEM = 83,
	TDH_IMPORT_TRACK = 84,
	TDH_IMPORT_STATE_IMMUTABLE = 85,
	TDH_IMPORT_STATE_TD = 86,
	TDH_IMPORT_STATE_VP = 87,
	TDH_MIG_STREAM_CREATE = 96,
	TDH_IOMMU_SETUP = 128,
	TDH_IOMMU_CLEAR = 129,
	TDH_SPDM_CREATE = 130,
	TDH_SPDM_DELETE = 131,
	TDH_IDE_STREAM_CREATE = 132,
	TDH_IDE_STREAM_BLOCK = 133,
	TDH_IDE_STREAM_DELETE = 134,
	TDH_IDE_STREAM_KM = 135,
	TDH_SPDM_CONNECT = 142,
	TDH_SPDM_DISCONNECT = 143,
	TDH_SPDM_MNG = 144,
};

/* TDCALL leaves, called by the guest. */
enum tdx_tdcall {
	TDG_VP_VMCALL = 0,
	TDG_VP_INFO = 1,
	TDG_MR_RTMR_EXTEND = 2,
	TDG_VP_VEINFO_GET = 3,
	TDG_MR_REPORT = 4,
	TDG_VP_CPUIDVE_SET = 5,
	TDG_MEM_PAGE_ACCEPT = 6,
	TDG_VM_RD = 7,
	TDG_VM_WR = 8,
	TDG_VP_RD = 9,
	TDG_VP_WR = 10,
	TDG_SYS_RD = 11,
	TDG_SYS_RDALL = 12,
	TDG_SERVTD_RD = 18,
	TDG_SERVTD_WR = 20,
	TDG_MR_VERIFYREPORT = 22,
	TDG_MEM_PAGE_ATTR_RD = 23,
	TDG_MEM_PAGE_ATTR_WR = 24,
	TDG_VP_ENTER = 25,
	TDG_VP_INVEPT = 26,
	TDG_VP_INVVPID = 27,
	TDG_MEM_PAGE_RELEASE = 30,
};

/* SEAMCALLs to the P-SEAMLDR: the whole of RAX. */
#define SEAMLDR_INFO	      0x8000000000000000ull
#define SEAMLDR_INSTALL	      0x8000000000000001ull

#define TDX_RAX_LEAF_MASK     0xffffull
#define TDX_RAX_VERSION_SHIFT 16
#define TDX_RAX_VERSION_MASK  0xff0000ull
#define TDX_RAX_SEAMLDR	      (1ull << 63)

/* Sets of registers: bit n is the register with x86 encoding n, as tdx_reg() and the operand ids
 * count them. */
#define TDX_REG_BIT(n) (1u << (n))

enum tdx_leaf_flags {
	TDX_LEAF_BEFORE_READY = 1 << 0,	   /* accepted before the module is ready */
	TDX_LEAF_AFTER_SHUTDOWN = 1 << 1,  /* accepted after TDH.SYS.SHUTDOWN */
	TDX_LEAF_NEEDS_LP_INIT = 1 << 2,   /* asks for TDH.SYS.LP.INIT on the calling processor */
	TDX_LEAF_NOT_IMPLEMENTED = 1 << 3, /* a known number, of later modules or of none,
					      that 1.5.25 refuses */
	TDX_LEAF_MIGRATION = 1 << 4,
	TDX_LEAF_SERVICE_TD = 1 << 5,
	TDX_LEAF_PARTITIONING = 1 << 6, /* L2 VMs */
	TDX_LEAF_DYNAMIC_PAMT = 1 << 7,
};

struct tdx_leaf_info {
	const char *name;	/* as the ABI writes it: "TDH.MEM.PAGE.AUG" */
	uint16_t number;	/* RAX[15:0] */
	uint8_t max_version;	/* 0: any other version is refused before the leaf looks at it */
	uint8_t flags;		/* enum tdx_leaf_flags */
	uint16_t in, out;	/* registers read and written, without RAX */
	uint16_t in_v1, out_v1; /* further ones from version 1 on */
	uint16_t op_states;	/* TDX_OP_STATE_BIT()s it is allowed in; 0: it does not ask */
	uint16_t sept_states;	/* TDX_SEPT_STATE_BIT()s of the entry; 0: it does not ask */
};

/* The row of a leaf number, NULL when the ABI has none. */
const struct tdx_leaf_info *tdx_seamcall_leaf(unsigned number);
const struct tdx_leaf_info *tdx_tdcall_leaf(unsigned number);

/* The row of a name; "TDH.MEM.PAGE.AUG", "tdh_mem_page_aug", "TDH_MEM_PAGE_AUG" and the short
 * "MEM.PAGE.AUG" are all understood. The short form looks among SEAMCALLs. NULL when unknown. */
const struct tdx_leaf_info *tdx_leaf_by_name(const char *name);

/* Numbers below this may have a row. */
#define TDX_SEAMCALL_LEAVES 160
#define TDX_TDCALL_LEAVES   32

static inline unsigned tdx_rax_leaf(uint64_t rax)
{
	return (unsigned)(rax & TDX_RAX_LEAF_MASK);
}

static inline unsigned tdx_rax_version(uint64_t rax)
{
	return (unsigned)((rax & TDX_RAX_VERSION_MASK) >> TDX_RAX_VERSION_SHIFT);
}

/* Bits of RAX that must be zero in a call to the module. */
static inline uint64_t tdx_rax_reserved(uint64_t rax)
{
	return rax & ~(TDX_RAX_LEAF_MASK | TDX_RAX_VERSION_MASK);
}

static inline uint64_t tdx_rax(unsigned leaf, unsigned version)
{
	return (leaf & TDX_RAX_LEAF_MASK) | (uint64_t)(version & 0xffu) << TDX_RAX_VERSION_SHIFT;
}

/* Registers the leaf writes architecturally in that version, as TDX_REG_BIT()s. */
static inline unsigned tdx_leaf_outputs(const struct tdx_leaf_info *leaf, unsigned version)
{
	return version ? (unsigned)(leaf->out | leaf->out_v1) : leaf->out;
}

static inline unsigned tdx_leaf_inputs(const struct tdx_leaf_info *leaf, unsigned version)
{
	return version ? (unsigned)(leaf->in | leaf->in_v1) : leaf->in;
}

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
