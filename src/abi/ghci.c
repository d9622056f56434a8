/* SPDX-License-Identifier: MIT */
/* Names of TDVMCALL leaves and status values; see ghci.h. Freestanding. */
#include "abi/ghci.h"

#include <swtdx/structs.h>

const char *tdvmcall_name(uint64_t leaf)
{
	switch (leaf) {
	case TDVMCALL_CPUID:
		return "Instruction.CPUID";
	case TDVMCALL_HLT:
		return "Instruction.HLT";
	case TDVMCALL_IO:
		return "Instruction.IO";
	case TDVMCALL_RDMSR:
		return "Instruction.RDMSR";
	case TDVMCALL_WRMSR:
		return "Instruction.WRMSR";
	case TDVMCALL_MMIO:
		return "#VE.RequestMMIO";
	case TDVMCALL_PCONFIG:
		return "Instruction.PCONFIG";
	case TDVMCALL_GET_TD_VM_CALL_INFO:
		return "GetTdVmCallInfo";
	case TDVMCALL_MAP_GPA:
		return "MapGPA";
	case TDVMCALL_GET_QUOTE:
		return "GetQuote";
	case TDVMCALL_REPORT_FATAL_ERROR:
		return "ReportFatalError";
	case TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT:
		return "SetupEventNotifyInterrupt";
	case TDVMCALL_SERVICE:
		return "Service";
	case TDVMCALL_MIGTD:
		return "MigTD";
	default:
		return NULL;
	}
}

const char *tdvmcall_status_name(uint64_t status)
{
	switch (status) {
	case TDVMCALL_SUCCESS:
		return "SUCCESS";
	case TDVMCALL_RETRY:
		return "RETRY";
	case TDVMCALL_INVALID_OPERAND:
		return "INVALID_OPERAND";
	case TDVMCALL_GPA_INUSE:
		return "GPA_INUSE";
	case TDVMCALL_ALIGN_ERROR:
		return "ALIGN_ERROR";
	case TDVMCALL_SUBFUNC_UNSUPPORTED:
		return "SUBFUNC_UNSUPPORTED";
	default:
		return NULL;
	}
}

const char *tdvmcall_quote_status_name(uint64_t status)
{
	switch (status) {
	case TDX_QUOTE_SUCCESS:
		return "SUCCESS";
	case TDX_QUOTE_ERROR:
		return "ERROR";
	case TDX_QUOTE_SERVICE_UNAVAILABLE:
		return "SERVICE_UNAVAILABLE";
	case TDX_QUOTE_IN_FLIGHT:
		return "IN_FLIGHT";
	default:
		return NULL;
	}
}
