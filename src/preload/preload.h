/* SPDX-License-Identifier: MIT */
/* The machine behind a preloaded client's /dev/kvm, as `swtdx kvm` has asked for it in the
 * environment. */
#ifndef PRELOAD_PRELOAD_H
#define PRELOAD_PRELOAD_H

#include <stdbool.h>

#include "kvm/abi.h"

struct preload;
struct kvm_host;

/* Names of the environment's variables; what they hold is the verb's to check. */
#define PRELOAD_TRACE	"SWTDX_KVM_TRACE"  /* FILE: every call of the module is recorded there */
#define PRELOAD_FAULT	"SWTDX_KVM_FAULT"  /* as tdx_faults_parse() has it */
#define PRELOAD_MEMORY	"SWTDX_KVM_MEMORY" /* MiB of the machine */
#define PRELOAD_CPUS	"SWTDX_KVM_CPUS"   /* logical processors, and vCPUs of a VM at most */
#define PRELOAD_SEED	"SWTDX_KVM_SEED"
#define PRELOAD_MISSING "SWTDX_KVM_MISSING" /* set: what was asked in vain is told in the end */
#define PRELOAD_ENGINE	"SWTDX_KVM_ENGINE"  /* a number of enum tdx_x86_execution */
#define PRELOAD_CAPS	"SWTDX_KVM_CAPS"    /* CAPABILITY=ANSWER[,...] in numbers */
#define PRELOAD_QUIET	"SWTDX_KVM_QUIET"
#define PRELOAD_GDB	"SWTDX_KVM_GDB" /* [ADDRESS]:PORT */

/* A debugger that serves gdb at `where`, one TD after the other. */
struct kvm_debugger;
struct preload_debug;
struct preload_debug *preload_debug_new(const char *where, void (*log)(void *arg, const char *line),
					void *arg);
const struct kvm_debugger *preload_debug_debugger(const struct preload_debug *d);

/* Nothing is powered on before a VM is asked for. NULL: no memory. */
struct preload *preload_new(void);
struct kvm_host *preload_kvm(struct preload *p);
/* What is left to be said, on standard error; the machine stays as it is. */
void preload_end(struct preload *p);

static inline bool preload_is_request(unsigned long request)
{
	return _IOC_TYPE(request) == KVM_TYPE;
}

#endif
