/* SPDX-License-Identifier: MIT */
/* VM exits: reasons, qualifications, the events they tell of.
 *
 * RAX bits 31:0 of TDH.VP.ENTER hold the exit reason, RCX the qualification, R8 the guest-physical
 * address, R9 the interruption information; what TDX adds in RDX is in abi/eeq.h. A #VE tells the
 * guest the same through TDG.VP.VEINFO.GET. SDM volume 3, "VM exits" and appendix C.
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
/* Of IA32_VMX_BASIC: a SEAMRET of the P-SEAMLDR leaves the current VMCS alone. */
#define VMX_BASIC_NO_SEAMRET_INVD_VMCS (1ull << 60)

#define VMX_EXIT_BASIC_MASK	       0xffffu
#define VMX_EXIT_BUS_LOCK_PREEMPTED    (1u << 26)
#define VMX_EXIT_ENTRY_FAILURE	       (1u << 31)

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
#define EPT_VIOLATION_NMI_UNBLOCKED  (1ull << 12) /* by IRET */
#define EPT_VIOLATION_SHADOW_STACK   (1ull << 13)
#define EPT_VIOLATION_TO_HOST	     0x7full /* a TD exit tells these alone */

/* Qualification of an I/O instruction. */
#define IO_QUAL_SIZE_MASK 7ull /* bytes minus one */
#define IO_QUAL_IN	  (1ull << 3)
#define IO_QUAL_STRING	  (1ull << 4)
#define IO_QUAL_REP	  (1ull << 5)
#define IO_QUAL_IMMEDIATE (1ull << 6)
#define IO_QUAL_PORT(q)	  ((unsigned)((q) >> 16) & 0xffffu)

/* Qualification of a NOTIFY exit, and of an SMI the module tells of. */
#define NOTIFY_QUAL_INVALID	  (1ull << 0)
#define NOTIFY_QUAL_NMI_UNBLOCKED (1ull << 12)
#define SMI_QUAL_MSMI		  (1ull << 0)

/* Qualification of a control-register access. */
enum cr_access { CR_ACCESS_TO, CR_ACCESS_FROM, CR_ACCESS_CLTS, CR_ACCESS_LMSW };
#define CR_QUAL_NUMBER(q) ((unsigned)(q)&0xfu)
#define CR_QUAL_TYPE(q)	  ((unsigned)((q) >> 4) & 3u) /* enum cr_access */
#define CR_QUAL_REG(q)	  ((unsigned)((q) >> 8) & 0xfu)

/* Qualification of a task switch: the selector of the TSS, and what leads to it. */
enum vmx_task_by { VMX_TASK_BY_CALL, VMX_TASK_BY_IRET, VMX_TASK_BY_JMP, VMX_TASK_BY_GATE };
#define VMX_TASK_SWITCH(by, sel) ((uint64_t)(by) << 30 | (sel))

/* An event, as the interruption-information fields of entry and exit and the IDT-vectoring
 * information hold it: vector in 7:0, type in 10:8 (SDM volume 3, 25.8.3 and 25.9.2). */
enum vmx_event {
	VMX_EVENT_EXTERNAL = 0,
	VMX_EVENT_NMI = 2,
	VMX_EVENT_EXCEPTION = 3,
	VMX_EVENT_SOFTWARE = 4,
	VMX_EVENT_PRIVILEGED_EXCEPTION = 5,
	VMX_EVENT_SOFTWARE_EXCEPTION = 6,
	VMX_EVENT_OTHER = 7,
};
#define VMX_EVENT_VECTOR_MASK	0xffu
#define VMX_EVENT_TYPE_MASK	0x700u
#define VMX_EVENT_ERROR_CODE	(1u << 11)
#define VMX_EVENT_NMI_UNBLOCKED (1u << 12)
#define VMX_EVENT_VALID		(1u << 31)
#define VMX_EVENT_VECTOR(i)	((unsigned)(i)&VMX_EVENT_VECTOR_MASK)
#define VMX_EVENT_TYPE(i)	((unsigned)((i) >> 8) & 7u)
#define VMX_EVENT_OF_TYPE(type) ((uint32_t)(type) << 8)
#define VMX_EVENT(type, vector) (VMX_EVENT_VALID | VMX_EVENT_OF_TYPE(type) | (uint32_t)(vector))

/* "EPT_VIOLATION", "NMI"; "UNKNOWN" for other values. */
const char *vmx_exit_name(unsigned basic_reason);
const char *vmx_event_name(unsigned type);

/* Writes what the qualification says for that reason, as "write; entry R--" or "port 0x3f8 out 1".
 * Empty when the qualification of that reason says nothing more. Returns buf. */
const char *vmx_qualification_format(unsigned basic_reason, uint64_t qualification, char *buf,
				     size_t len);

#endif
