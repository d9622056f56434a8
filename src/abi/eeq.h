/* SPDX-License-Identifier: MIT */
/* The extended exit qualification: what RDX of TDH.VP.ENTER says beside arch/vmx.h (ABI,
 * TDH.VP.ENTER, "Extended Exit Qualification"). Freestanding, any thread. */
#ifndef ABI_EEQ_H
#define ABI_EEQ_H

#include <swtdx/types.h>

/* Type of the extended exit qualification, bits 3:0. */
enum tdx_eeq {
	TDX_EEQ_NONE = 0,
	TDX_EEQ_ACCEPT = 1, /* raised by TDG.MEM.PAGE.ACCEPT */
	TDX_EEQ_GPA_DETAILS = 2,
	TDX_EEQ_MSR_LOAD_FAILURE = 3,	 /* on TD entry */
	TDX_EEQ_XSTATE_LOAD_FAILURE = 4, /* on TD entry */
	TDX_EEQ_ATTR_WR = 5,		 /* raised by TDG.MEM.PAGE.ATTR.WR */
	TDX_EEQ_PENDING_EPT_VIOLATION = 6,
	TDX_EEQ_ENTRY_FAILURE = 7,
};

#define TDX_EEQ_TYPE_MASK  0xfull
#define TDX_EEQ_INFO_SHIFT 32

/* The information of ACCEPT and ATTR_WR: which entry stopped the walk. */
struct tdx_eeq_entry {
	unsigned requested_level; /* 34:32 */
	unsigned level;		  /* 37:35, of the entry */
	unsigned public_state;	  /* 45:38, see sept_public_name() */
	bool leaf;		  /* 46 */
	unsigned vm;		  /* 53:52 */
};

static inline uint64_t tdx_eeq_pack(enum tdx_eeq type, struct tdx_eeq_entry e)
{
	return (uint64_t)type | (uint64_t)(e.requested_level & 7) << 32 |
	       (uint64_t)(e.level & 7) << 35 | (uint64_t)(e.public_state & 0xff) << 38 |
	       (uint64_t)e.leaf << 46 | (uint64_t)(e.vm & 3) << 52;
}

static inline struct tdx_eeq_entry tdx_eeq_entry(uint64_t eeq)
{
	struct tdx_eeq_entry e = {
		.requested_level = (unsigned)(eeq >> 32) & 7,
		.level = (unsigned)(eeq >> 35) & 7,
		.public_state = (unsigned)(eeq >> 38) & 0xff,
		.leaf = (eeq >> 46 & 1) != 0,
		.vm = (unsigned)(eeq >> 52) & 3,
	};

	return e;
}

/* RCX of a TD exit: the L2 VM that was left; 0: the L1 VMM, or a whole TD. */
static inline unsigned tdx_exit_l2_vm(uint64_t qualification)
{
	return (unsigned)(qualification >> 32) & 3;
}

static inline unsigned tdx_eeq_type(uint64_t eeq)
{
	return (unsigned)(eeq & TDX_EEQ_TYPE_MASK);
}

/* "ACCEPT"; "UNKNOWN" for other values. */
const char *tdx_eeq_name(unsigned type);

/* Writes what RDX of a TD exit says. Returns buf. */
const char *tdx_eeq_format(uint64_t eeq, char *buf, size_t len);

#endif
