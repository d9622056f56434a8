/* SPDX-License-Identifier: MIT */
/* What must be true of each call besides the shape of the module's state.
 *
 *   refused    a call that was refused has changed nothing of the TD but locks and statistics
 *   registers  after an asynchronous exit the host's registers have nothing of the guest's, after
 *              TDG.VP.VMCALL what its mask shows; the guest finds its own again
 *   content    an accepted page is zero; an added one is a copy
 *   measured   MRTD and RTMRs are what a second calculation of them says
 *   tracked    what leaves a TD cannot be in the TLB of a vCPU that is inside
 *
 * All but the registers look at the whole TD, so they are for processors that take turns. Each sets
 * a->violation. */
#ifndef FUZZ_MODULE_ORACLE_H
#define FUZZ_MODULE_ORACLE_H

#include <openssl/evp.h>

#include "fuzz/fuzz_module.h"
#include "module/td.h"

enum { ORACLE_PAGES = 192, ORACLE_BLOCKED = 512, ORACLE_VCPUS = 64 };

/* What a page of a TD is to it: which bits a refused call may change. */
enum page_role {
	ROLE_TDR,
	ROLE_TDCS,  /* the page with the locks */
	ROLE_TABLE, /* S-EPT, of L2 VMs as well */
	ROLE_VCPU,
	ROLE_OTHER,
	ROLE_MEMORY,
};

struct td_pages {
	unsigned n;
	struct td_page {
		uint64_t pa;
		enum page_role role;
		uint64_t tdvpr; /* of which vCPU, 0 none */
	} page[ORACLE_PAGES];
};

/* The pages of a TD as its own words name them, at most ORACLE_PAGES. */
void td_pages(const struct world *w, uint64_t tdr, struct td_pages *p);
/* Its TDCS, NULL when it has none that was initialized; and where a GPA is mapped, 0 nowhere. */
struct tdcs *td_tdcs(const struct world *w, uint64_t tdr);
uint64_t td_translate(const struct world *w, const struct tdcs *tdcs, uint64_t gpa_);

struct saved_td {
	bool valid;
	uint64_t tdr;
	struct td_pages pages;
	uint8_t (*content)[TDX_PAGE_SIZE];
};

/* Which vCPU's translations the processor it is associated with may have: all since then. */
struct vcpu_shadow {
	uint64_t tdvpr, tracks, tlb_since;
	unsigned lp;
	bool left, by_vmcall;
	struct tdx_regs regs; /* the guest's when it left */
};

struct td_shadow {
	uint64_t tracks;
	EVP_MD_CTX *build; /* NULL: its beginning was not seen */
	bool built;
	uint8_t mrtd[48], rtmr[4][48];
	struct {
		uint64_t gpa_level, time; /* time 0: free */
	} blocked[ORACLE_BLOCKED];
};

struct oracle {
	uint64_t time;
	struct saved_td saved;
	struct td_shadow td[WORLD_SLOTS];
	struct vcpu_shadow vcpu[ORACLE_VCPUS];
	uint8_t extension[48]; /* of the RTMR, read before the call */
	bool extension_read;
};

/* False when memory is short. */
bool oracle_make(struct world *w);
void oracle_free(struct world *w);

/* --- fuzz_module_refused.c --- */
void refused_before(struct actor *a, uint64_t tdr);
void refused_after(struct actor *a, struct tdx_status status, uint64_t own_tdvpr);

/* --- fuzz_module_registers.c --- */
/* Values that nothing else has. */
void registers_canaries(struct actor *a, struct tdx_regs *r);
void registers_after_exit(struct actor *a, const struct vmexit *x, const struct tdx_regs *guest);
void registers_after_entry(struct actor *a, const struct tdx_regs *in);

/* --- fuzz_module_shadow.c --- */
void shadow_before_call(struct actor *a, const struct tdx_regs *in);
void shadow_after_call(struct actor *a, const struct tdx_regs *in, const struct tdx_regs *out);
void shadow_before_tdcall(struct actor *a, const struct tdx_regs *in);
void shadow_after_tdcall(struct actor *a, const struct tdx_regs *in, const struct tdx_regs *out);
/* The vCPU's, made when it is new; NULL when there are too many. */
struct vcpu_shadow *shadow_vcpu(struct oracle *o, uint64_t tdvpr, bool make);

#endif
