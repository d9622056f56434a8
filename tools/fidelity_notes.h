/* SPDX-License-Identifier: MIT */
/* Where the model is not the module, leaf by leaf, and in general. What is not here is exact. */
#ifndef TOOLS_FIDELITY_NOTES_H
#define TOOLS_FIDELITY_NOTES_H

enum fidelity { FIDELITY_EXACT, FIDELITY_PARTIAL, FIDELITY_CHECKS };

struct fidelity_note {
	const char *leaf; /* as the ABI writes it */
	enum fidelity level;
	const char *text;
};

static const struct fidelity_note fidelity_notes[] = {
	{"TDH.MNG.INIT", FIDELITY_EXACT,
	 "TD_PARAMS where there is no RAM read as all ones; a migratable TD on a processor model "
	 "the module does not list may not claim an older one, where the module stops"},
	{"TDH.SYS.UPDATE", FIDELITY_EXACT,
	 "between profiles of this module; the handoff data is ours"},
	{"TDH.PHYMEM.PAMT.REMOVE", FIDELITY_EXACT,
	 "a pair one of whose entries is locked is not empty; the module looks at the types alone "
	 "and so can take the pair from under a call that has not quite freed its page"},
	{"TDH.IMPORT.STATE.IMMUTABLE", FIDELITY_EXACT,
	 "where it fails before the TD's EPTP is known, calls find the empty tree of the TD, "
	 "where the module looks at what the host has at address 0"},
	{"TDH.IMPORT.MEM", FIDELITY_EXACT,
	 "a list or buffer where there is no RAM reads as all ones; a new page outside every TDMR "
	 "is refused, where the module uses a value it never set"},
	{"TDG.VP.ENTER", FIDELITY_EXACT,
	 "the processor does not heed the page attributes VGP, PWA and SSS of an L2 VM; a native "
	 "VM's loop of PAUSEs does not exit"},
	{"TDG.VP.INVVPID", FIDELITY_EXACT, "all linear addresses of the VM are flushed"},
};

static const char *const fidelity_general[] = {
	"The board of swtdx host has one VT-d unit, which remaps interrupts, caches nothing, and "
	"translates no DMA. "
	"What its devices write to memory counts for the coherency sanitizer as written by the "
	"processor that asked for it, into its caches, as DDIO does; a device that reads private "
	"memory gets its bytes, and the host is told. "
	"A vhost-user server (qemu-storage-daemon, virtiofsd) touches none of the machine's "
	"memory: a request is copied to memory between it and us, and its answer back when it is "
	"whole, by the processor that notified. "
	"What hardware's DMA does at other times, or to buffers of a request that is still under "
	"way, the sanitizer cannot see here, as it does not happen.",
	"Module version 1.5.25 is modelled; the profile 1.5.01 (--profile) differs from it only "
	"in the lock mode of a zero-step suspect, rbp-mod in NO_RBP_MOD, which it lacks. "
	"What module 2.0 adds is absent: TDX Connect (TDX_IO), APX, TDH.SYS.DISABLE.",
	"The P-SEAMLDR answers INFO, INSTALL, SHUTDOWN, SEAMINFO and CLEANUP in the order of "
	"Intel's published source (2.0), but for its own entropy and self checks. "
	"It takes images that are signed with a key of its own, which is public, where Intel's "
	"takes Intel's: a published image of Intel's is SEAMLDR_EBADSIG. "
	"An image names a profile of this module; SEAMDB holds 64 entries, of which only the "
	"index is kept: a TDREPORT after an update shows the module that runs, for TDs that are "
	"older as well.",
	"The platform is one Sapphire-Rapids-like processor model; CPUID and MSRs are a table.",
	"XFAM_FIXED0 is that of the platform. "
	"Of AVX and AVX-512 a TD has what this computer's processor executes: run, kvm and "
	"migrate offer no other and refuse another, a host in binary sees no other in CPUID and "
	"XCR0, and bits of AVX-512 that are not executed (as AVX-512 FP16) are in nobody's CPUID. "
	"Protection keys of user pages are executed. "
	"CET, AMX, user interrupts, PT and LBR are taken by the module where XFAM_FIXED0 has "
	"them, and protection keys of supervisor pages (PKS) where ATTRIBUTES has them, and not "
	"executed.",
	"The report MAC key, the quoting keys and all entropy are the simulation's: public, "
	"seeded, marked. "
	"Nothing here proves anything about real hardware.",
	"Memory is not encrypted. "
	"Which KeyID a page's lines were written under is kept page by page, not line by line, "
	"and checked on every access of the host (integrity, poison, machine check).",
	"The single-step defence leaves a debugger its monitor trap flag, which the module takes "
	"away: each of its steps counts as two instructions.",
	"VM entry fails for the state of an L2 VM that its L1 VMM has made (exit reason "
	"0x80000021; `src/engine/td/entry.c` says what is not asked), and for no other reason of "
	"the processor's own.",
	"Of a shared and an exclusive attempt on a lock that meet within an instant the module "
	"lets one have it; here both may be refused (PAMT, OP_STATE, SEPT_TREE, EPOCH).",
	"CHLDCNT and REFCOUNT read while other processors change them may count some of the "
	"changes and not others.",
	"XMM registers of TDG.VP.VMCALL move no data between guest and host.",
	"VMCS host-state fields read as zero.",
	"A host kernel on the simulated machine (swtdx host) executes SEAMCALL and the VMX "
	"instructions of a host that runs TDs only: ordinary VMs cannot be entered, CR4.VMXE can "
	"be cleared in VMX operation, SIPI is ignored. "
	"After a TD its STAR, LSTAR, FMASK, TSC_AUX, KERNEL_GS_BASE, DEBUGCTL, x87, SSE and debug "
	"registers are lost as on hardware.",
	"The coherency sanitizer sees a host kernel's accesses when the processor first makes one "
	"to a page since the page changed hands or was cleaned, and by whole pages: 64 lines "
	"flushed make a page, one line written makes it dirty. "
	"A load of the module's memory is reported and gives the bytes there are; MOVNTI counts "
	"as a store.",
	"With --erratum partial-write and --poison a whole page is poisoned by a partial write to "
	"one line of it; a page opened by one MOVDIR64B takes ordinary stores unseen until all of "
	"it has been written so.",
	"With --clock virtual time goes by with the instructions of the host and of its TDs, and "
	"stands still while the module works.",
	"A vCPU entered in an L2 VM with an interrupt posted to its L1 VMM gets the notification: "
	"a host sends it to its own processor then.",
	"The migration TD of swtdx migrate is a C function beside the processor: its MRTD names "
	"it and does not measure its code.",
	"How far an interrupted bundle of state has come is kept in the stream's page in a form "
	"of our own: another module could not go on with it.",
};

#endif
