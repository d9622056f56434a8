/* SPDX-License-Identifier: MIT */
/* What can be asked of a powered-on machine, whoever is its host: map, statistics, faults.
 *
 * Shapes only; <swtdx/model.h> has the functions. ABI: TDH.* leaf numbers (enum tdx_seamcall). */
#ifndef SWTDX_SYSTEM_H
#define SWTDX_SYSTEM_H

#include <swtdx/leaf.h>
#include <swtdx/status.h>
#include <swtdx/types.h>

struct tdx_model_stats {
	uint64_t calls[TDX_SEAMCALL_LEAVES]; /* SEAMCALLs by leaf */
	uint64_t ns[TDX_SEAMCALL_LEAVES]; /* time in them, if asked for; VP.ENTER with its guest */
	uint64_t errors[TDX_SEAMCALL_LEAVES];
};

/* --- faults ---
 * Whatever hardware or module could do at a bad moment, done on purpose. A fault concerns calls of
 * one leaf or of all, on one processor or on all, from the nth (1: the next) and `times` of them;
 * with by_vcpu those for one vCPU of whatever TD, with by_gpa those on one address.
 *
 * A call is for the vCPU whose TDVPR it takes; where it takes none, as TDH.MEM.PAGE.AUG, for the
 * one that its processor entered last. It is on an address where the page that it names, of its
 * level, has that. */

enum tdx_fault_kind {
	TDX_FAULT_STATUS,    /* refused with .status; RCX, RDX and R8 are .rcx, .rdx, .r8 */
	TDX_FAULT_BUSY,	     /* refused with TDX_OPERAND_BUSY, each known operand as likely */
	TDX_FAULT_ENTROPY,   /* no random numbers during the call */
	TDX_FAULT_KEY,	     /* PCONFIG cannot generate a key during the call */
	TDX_FAULT_KEY_BUSY,  /* PCONFIG is in use elsewhere during the call */
	TDX_FAULT_INTERRUPT, /* an interrupt arrives .polls blocks into the call */
	TDX_FAULT_STOP, /* the processor stops before the call: .stop(.arg) is called; when it comes
			   back, the call is made */
};

struct tdx_fault {
	enum tdx_fault_kind kind;
	int leaf;	   /* enum tdx_seamcall; -1: any */
	int cpu;	   /* -1: any */
	uint64_t nth;	   /* 0 and 1: from the next call on */
	uint64_t times;	   /* 0: for ever */
	unsigned permille; /* chance of each of them; 0: certain */
	bool by_vcpu, by_gpa;
	unsigned vcpu; /* by its index, VCPU_INDEX */
	tdx_gpa_t gpa;
	struct tdx_status status;
	uint64_t rcx, rdx, r8;
	unsigned polls;
	void (*stop)(void *arg);
	void *arg;
};

enum { TDX_MODEL_FAULTS = 16 };

#endif
