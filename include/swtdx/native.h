/* SPDX-License-Identifier: MIT */
/* The native engine: a vCPU is a C function on its own stack.
 *
 * It makes TDCALLs and touches guest memory through the functions below; each VM exit this causes
 * goes to the module as one of a real processor would, and when the module goes to the host, the
 * function stands still until the vCPU is entered again. For tests, benchmarks, fuzzing and
 *examples.
 *
 * The functions below tdx_native_engine_new() are for the guest function alone; they
 * return when the vCPU runs again. Registers and GPAs are those of the ABI: TDG.* leaves in RAX.
 *
 *	static void guest(struct tdx_native_cpu *cpu, void *arg)
 *	{
 *		struct tdx_regs r = {.rax = TDG_MEM_PAGE_ACCEPT, .rcx = 0x1000};
 *
 *		tdx_native_tdcall(cpu, &r);
 *	}
 *
 *	tdx_model_set_engine(model, tdx_native_engine_new(guest, NULL)); */
#ifndef SWTDX_NATIVE_H
#define SWTDX_NATIVE_H

#include <swtdx/leaf.h>
#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct tdx_engine;

struct tdx_native_cpu;

/* The code of every vCPU; tells them apart by TDG.VP.INFO. When it returns, the vCPU halts for
 * ever. */
typedef void tdx_native_fn(struct tdx_native_cpu *cpu, void *arg);

/* An event the module injected: an exception (14 #PF, 20 #VE, 13 #GP ...), NMI or interrupt. */
typedef void tdx_native_event_fn(struct tdx_native_cpu *cpu, unsigned vector, uint32_t error,
				 void *arg);

/* For tdx_model_set_engine(), which takes it over. NULL: out of memory. */
struct tdx_engine *tdx_native_engine_new(tdx_native_fn *fn, void *arg);

/* The same beside another engine, which is taken over too, and by which TDs are executed unless
 * they are said to be native: by KeyID, before they are entered, and no more when the KeyID is
 * another's. NULL: out of memory, and `other` is still the caller's. */
struct tdx_engine *tdx_native_beside_new(struct tdx_engine *other, tdx_native_fn *fn, void *arg);
void tdx_native_beside_set(struct tdx_engine *engine, tdx_hkid_t hkid_, bool native);

/* --- called by the guest function --- */

/* The TDCALL instruction. */
void tdx_native_tdcall(struct tdx_native_cpu *cpu, struct tdx_regs *regs);

/* Guest memory by GPA (shared bit included). Blocks in EPT violations until the host resolves
 * them. False: an event was delivered instead (a #VE on an unaccepted page, say), and the access
 * has not happened. */
bool tdx_native_read(struct tdx_native_cpu *cpu, tdx_gpa_t gpa, void *buf, size_t len);
bool tdx_native_write(struct tdx_native_cpu *cpu, tdx_gpa_t gpa, const void *buf, size_t len);

/* An instruction that exits: reason and qualification as the VMCS has them (CPUID, HLT, RDMSR ...).
 * regs in and out. False: an event was delivered instead of completing. In an L2 VM it is done
 * without an exit, and without an effect, where the VM's execution controls do not ask for one. */
bool tdx_native_exit(struct tdx_native_cpu *cpu, uint32_t reason, uint64_t qualification,
		     unsigned length, struct tdx_regs *regs);

/* Let the host have the processor if it wants it (an external-interrupt exit). Long loops in guest
 * functions call it; the functions above do too. */
void tdx_native_poll(struct tdx_native_cpu *cpu);

/* The code of an L2 VM (1 to 3) of this vCPU, set before its first TDG.VP.ENTER: it runs on a stack
 * of its own while the vCPU is in that VM, and reads and writes memory through the VM's own EPT.
 * Its exits end the L1 VMM's TDG.VP.ENTER, which sees a RIP that goes on with each operation and
 * must move it past an instruction it has emulated. When it returns, the VM halts again and again.
 */
void tdx_native_l2(struct tdx_native_cpu *cpu, unsigned vm, tdx_native_fn *fn, void *arg);

void tdx_native_on_event(struct tdx_native_cpu *cpu, tdx_native_event_fn *fn, void *arg);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
