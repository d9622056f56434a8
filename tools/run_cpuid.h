/* SPDX-License-Identifier: MIT */
/* The CPUID values that a user of swtdx run configures. */
#ifndef TOOLS_RUN_CPUID_H
#define TOOLS_RUN_CPUID_H

#include <stdbool.h>
#include <stddef.h>

#include <swtdx/vmm.h>
#include <swtdx/x86.h>

/* Puts "LEAF[.SUBLEAF]:REGISTER=VALUE[,...]" into the parameters: the bits of that register that
 * the TD's creator chooses. False with a sentence in err. */
bool run_cpuid_parse(const char *text, struct tdx_vm_params *p, char *err, size_t len);

/* Whether the module lets a TD's creator choose all of them. False with a sentence in err. */
bool run_cpuid_check(const struct tdx_host_info *info, const struct tdx_vm_params *p, char *err,
		     size_t len);

/* Adds what the engine executes on this host, as far as the creator chooses it. */
void run_cpuid_offer(const struct tdx_engine *engine, const struct tdx_host_info *info,
		     struct tdx_vm_params *p);

#endif
