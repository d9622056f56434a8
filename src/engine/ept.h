/* SPDX-License-Identifier: MIT */
/* Guest-physical to host-physical, as the processor's page walker does it for a TD.
 *
 * GPAs with the shared bit walk the host's EPT tables at KeyID 0, the others the Secure EPT at the
 * TD's KeyID. What a walk finds may be cached until the host has tracked and flushed: stale entries
 * are the cacher's to keep. SDM vol. 3, 29.3; ABI "Secure EPT". */
#ifndef ENGINE_EPT_H
#define ENGINE_EPT_H

#include <swtdx/types.h>

struct machine_lp;
struct vmcs;

enum ept_access { EPT_ACCESS_R = 1, EPT_ACCESS_W = 2, EPT_ACCESS_X = 4 };

/* Where one vCPU's walks start. */
struct ept_view {
	struct machine_lp *lp;
	uint64_t eptp, shared_eptp;
	uint64_t shared_bit;
	unsigned td_hkid;
	bool mode_based; /* user code needs a permission of its own to execute, */
	bool user;	 /* and such code asks */
};

struct ept_hit {
	uint64_t pa; /* of the byte, without KeyID */
	void *host;  /* the byte */
	bool ram;    /* the machine's own; else a window's, whose lines nobody watches */
	unsigned hkid;
	unsigned access; /* enum ept_access allowed */
	enum tdx_level level;
};

enum ept_result {
	EPT_OK,
	EPT_VIOLATION, /* VM exit 48 with fault->qualification */
	EPT_VE,	       /* the same, to be turned into #VE: the entry does not suppress it */
	EPT_MISCONFIG, /* VM exit 49 */
};

/* The view of the vCPU whose VMCS this is. */
void ept_view_init(struct ept_view *v, struct machine_lp *lp, const struct vmcs *vmcs,
		   uint64_t shared_bit, unsigned td_hkid);

/* Translate one GPA for one access. *qualification gets bits 6:0 of an EPT violation. */
enum ept_result ept_translate(const struct ept_view *v, uint64_t gpa, enum ept_access access,
			      struct ept_hit *hit, uint64_t *qualification);

#endif
