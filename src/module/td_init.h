/* SPDX-License-Identifier: MIT */
/* TDH.MNG.INIT in its steps: each takes what TD_PARAMS says, checks it and writes the TDCS.
 *
 * The TDCS is scratch until OP_STATE says INITIALIZED, so a step that fails leaves what it wrote:
 * the next attempt starts on it, as the real module's does. TDR is held exclusive. */
#ifndef MODULE_TD_INIT_H
#define MODULE_TD_INIT_H

#include <swtdx/structs.h>
#include "module/td.h"

struct td_init {
	struct tx *tx;
	struct td *td;
	struct tdx_td_params params; /* copied: the host may be changing its own */
	uint64_t cpuid_leaf;	     /* that an error is about */
};

/* ATTRIBUTES, XFAM, numbers of vCPUs and VMs, CONFIG_FLAGS, EPTP, TSC, identities, in that order.
 */
struct tdx_status td_init_config(struct td_init *in);

/* PERFMON event filters: R8 has their number and address. */
struct tdx_status td_init_event_filters(struct td_init *in, uint64_t info);

/* CPUID_VALUES from the platform, CPUID_CONFIG, ATTRIBUTES and XFAM; flags derived from them. */
struct tdx_status td_init_cpuid(struct td_init *in);

/* Virtual topology: is leaf 0x1f well formed? All zero: native. Leaf 0xb follows from it. */
struct tdx_status td_init_topology(const struct module *mod, struct tdcs *tdcs);

/* IA32_ARCH_CAPABILITIES as the TD sees it. False: the configuration is not possible. */
bool td_init_arch_capabilities(const struct module *mod, struct tdcs *tdcs,
			       const struct tdx_td_params *params);
/* IA32_VMX_* as the TD sees them. */
void td_init_vmx_msrs(const struct module *mod, struct tdcs *tdcs);

/* Are ATTRIBUTES, XFAM, CONFIG_FLAGS possible on this platform? */
bool td_attributes_valid(const struct module *mod, uint64_t attributes);
bool td_xfam_valid(const struct module *mod, uint64_t xfam);
bool td_config_flags_valid(const struct module *mod, uint64_t flags);

/* Multiplier and offset that make the TSC run at `frequency` (25 MHz units) from 0 at `now`. */
void td_tsc_params(uint64_t now, uint64_t native_hz, uint16_t frequency, uint64_t *multiplier,
		   uint64_t *offset);

/* The same from `virtual_tsc` at `now`. */
void td_tsc_params_at(uint64_t now, uint64_t native_hz, uint16_t frequency, uint64_t virtual_tsc,
		      uint64_t *multiplier, uint64_t *offset);
bool td_tsc_frequency_valid(uint64_t frequency);
/* May the TD's EPT be like this? `wide_gpa`: it has GPAs of 52 bits. */
bool td_eptp_valid(const struct module *mod, uint64_t eptp, bool wide_gpa);
/* Where each extended feature lies in the compacted XSAVE area of this TD (SDM vol. 1, 13.4.3). */
void td_place_xstate(const struct platform_info *plat, struct tdcs *tdcs);
/* CPUID(0xd).EBX of a processor on which all of XFAM is enabled. */
uint32_t td_xsave_area_size(struct machine_lp *hw, uint64_t xfam);

#endif
