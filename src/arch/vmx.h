/* SPDX-License-Identifier: MIT */
/* VM exits as a TD exit reports them: reason, qualification, extended qualification, interruption.
 *
 * RAX bits 31:0 of TDH.VP.ENTER hold the exit reason, RCX the qualification, RDX the extended
 * qualification, R8 the guest-physical address, R9 the interruption information. A #VE tells the
 * guest the same through TDG.VP.VEINFO.GET. SDM volume 3, "VM exits"; ABI: TDH.VP.ENTER.
 * Freestanding, any thread. */
#ifndef ARCH_VMX_H
#define ARCH_VMX_H

#include <swtdx/types.h>

enum vmx_exit {
#define X(name, number) VMX_EXIT_##name = (number),
#include "arch/vmx_exit.def"
#undef X
};

/* Bits of the reason beside the basic reason in 15:0. */
#define VMX_EXIT_BASIC_MASK	    0xffffu
#define VMX_EXIT_BUS_LOCK_PREEMPTED (1u << 26)
#define VMX_EXIT_ENTRY_FAILURE	    (1u << 31)

/* Qualification of an EPT violation. */
#define EPT_VIOLATION_READ	     (1ull << 0)
#define EPT_VIOLATION_WRITE	     (1ull << 1)
#define EPT_VIOLATION_FETCH	     (1ull << 2)
#define EPT_VIOLATION_READABLE	     (1ull << 3) /* what the entries would have allowed */
#define EPT_VIOLATION_WRITABLE	     (1ull << 4)
#define EPT_VIOLATION_EXECUTABLE     (1ull << 5)
#define EPT_VIOLATION_EXECUTABLE_USR (1ull << 6)
#define EPT_VIOLATION_GLA_VALID	     (1ull << 7)
#define EPT_VIOLATION_GLA_TRANSLATED (1ull << 8)
#define EPT_VIOLATION_TO_HOST	     0x7full /* a TD exit tells these alone */

/* Qualification of an I/O instruction. */
#define IO_QUAL_SIZE_MASK 7ull /* bytes minus one */
#define IO_QUAL_IN	  (1ull << 3)
#define IO_QUAL_STRING	  (1ull << 4)
#define IO_QUAL_REP	  (1ull << 5)
#define IO_QUAL_IMMEDIATE (1ull << 6)
#define IO_QUAL_PORT(q)	  ((unsigned)((q) >> 16) & 0xffffu)

/* Qualification of a control-register access. */
#define CR_QUAL_NUMBER(q) ((unsigned)(q)&0xfu)
#define CR_QUAL_TYPE(q)	  ((unsigned)((q) >> 4) & 3u) /* 0 to, 1 from, 2 CLTS, 3 LMSW */
#define CR_QUAL_REG(q)	  ((unsigned)((q) >> 8) & 0xfu)

/* Interruption information: vector in 7:0, type in 10:8. */
enum vmx_interruption {
	VMX_INTERRUPTION_EXTERNAL = 0,
	VMX_INTERRUPTION_NMI = 2,
	VMX_INTERRUPTION_EXCEPTION = 3,
	VMX_INTERRUPTION_SOFTWARE = 4,
	VMX_INTERRUPTION_PRIVILEGED_EXCEPTION = 5,
	VMX_INTERRUPTION_SOFTWARE_EXCEPTION = 6,
	VMX_INTERRUPTION_OTHER = 7,
};
#define VMX_INTERRUPTION_VECTOR(i)  ((unsigned)(i)&0xffu)
#define VMX_INTERRUPTION_TYPE(i)    ((unsigned)((i) >> 8) & 7u)
#define VMX_INTERRUPTION_ERROR_CODE (1u << 11)
#define VMX_INTERRUPTION_VALID	    (1u << 31)

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

static inline unsigned tdx_eeq_type(uint64_t eeq)
{
	return (unsigned)(eeq & TDX_EEQ_TYPE_MASK);
}

/* "EPT_VIOLATION", "ACCEPT", "NMI"; "UNKNOWN" for other values. */
const char *vmx_exit_name(unsigned basic_reason);
const char *tdx_eeq_name(unsigned type);
const char *vmx_interruption_name(unsigned type);

/* Writes what the qualification says for that reason, as "write; entry R--" or "port 0x3f8 out 1".
 * Empty when the qualification of that reason says nothing more. Returns buf. */
const char *vmx_qualification_format(unsigned basic_reason, uint64_t qualification, char *buf,
				     size_t len);

/* Writes what RDX of a TD exit says. Returns buf. */
const char *tdx_eeq_format(uint64_t eeq, char *buf, size_t len);

#endif
