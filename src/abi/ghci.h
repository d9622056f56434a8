/* SPDX-License-Identifier: MIT */
/* TDG.VP.VMCALL as guest and host agree on it: leaves in R11, status in R10.
 *
 * Guest-Host Communication Interface. R10 is 0 for these leaves; any other R10 is a vendor's own
 * hypercall. Leaves below 0x10000 are the exit reasons of the instruction asked for. Freestanding.
 */
#ifndef SWTDX_ABI_GHCI_H
#define SWTDX_ABI_GHCI_H

#include <stdint.h>

#include "arch/vmx.h"

enum tdvmcall {
	TDVMCALL_CPUID = VMX_EXIT_CPUID,
	TDVMCALL_HLT = VMX_EXIT_HLT,
	TDVMCALL_IO = VMX_EXIT_IO,
	TDVMCALL_RDMSR = VMX_EXIT_RDMSR,
	TDVMCALL_WRMSR = VMX_EXIT_WRMSR,
	TDVMCALL_MMIO = VMX_EXIT_EPT_VIOLATION,
	TDVMCALL_PCONFIG = VMX_EXIT_PCONFIG,
	TDVMCALL_GET_TD_VM_CALL_INFO = 0x10000,
	TDVMCALL_MAP_GPA = 0x10001,
	TDVMCALL_GET_QUOTE = 0x10002,
	TDVMCALL_REPORT_FATAL_ERROR = 0x10003,
	TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT = 0x10004,
	TDVMCALL_SERVICE = 0x10005,
	TDVMCALL_MIGTD = 0x10006,
};

#define TDVMCALL_SUCCESS	     0ull
#define TDVMCALL_RETRY		     1ull /* R11 says where to go on */
#define TDVMCALL_INVALID_OPERAND     0x8000000000000000ull
#define TDVMCALL_GPA_INUSE	     0x8000000000000001ull
#define TDVMCALL_ALIGN_ERROR	     0x8000000000000002ull
#define TDVMCALL_SUBFUNC_UNSUPPORTED 0x8000000000000003ull

/* R13 of MMIO and I/O. */
#define TDVMCALL_READ  0ull
#define TDVMCALL_WRITE 1ull

/* R14 of Instruction.IO is the port, R12 the size; of MMIO the GPA. */

/* Registers that Linux lets the host see: R10 to R15, RBX, RDI, RSI, RDX, R8, R9. */
#define TDVMCALL_EXPOSE_LINUX 0xffccull

/* "MapGPA"; NULL for a leaf that is not known. */
const char *tdvmcall_name(uint64_t leaf);

/* "INVALID_OPERAND"; NULL for a status that is not known. */
const char *tdvmcall_status_name(uint64_t status);

/* "SERVICE_UNAVAILABLE"; NULL for a status of GetQuote that is not known. */
const char *tdvmcall_quote_status_name(uint64_t status);

#endif
