/* SPDX-License-Identifier: MIT */
/* A migration session of a VM, on either side: its pages, its stream, the calls it makes.
 *
 * The stream is a header and records; what a record may hold is bounded by its type, and the
 * reader's buffer by the largest. docs/migration.md has the format. */
#ifndef VMM_MIG_H
#define VMM_MIG_H

#include <swtdx/migrate.h>

#include "abi/migration.h"
#include "device/apic.h"
#include "vmm/mmu.h"

/* --- the wire; little endian --- */

#define MIG_MAGIC 0x67696d7864747773ull /* "swtdxmig" */
enum { MIG_FORMAT = 2, MIG_STATE_PAGES = 64, MIG_RUNS = 4096 };

struct mig_header {
	uint64_t magic;
	uint32_t format;
	uint32_t flags; /* MIG_ANSWER */
	uint32_t streams;
	uint32_t gpaw52, l2_vms; /* the importer's must be the same */
	uint32_t nslots, nvcpus;
	uint32_t pad;
};
enum { MIG_ANSWER = 1 }; /* the exporter waits for one at the end */

enum mig_type {
	MIG_SLOT = 1,	/* struct mig_slot; of no pages: it is gone */
	MIG_BUNDLE,	/* immutable and TD state: struct mig_bundle, pages */
	MIG_VCPU,	/* a vCPU: struct mig_vcpu, struct mig_bundle, pages */
	MIG_MEMORY,	/* struct mig_list, entries, attributes with L2 VMs, MACs, pages */
	MIG_TOKEN,	/* struct mbmd */
	MIG_SHARED_RUN, /* struct mig_run: pages whose attribute is shared, many of them */
	MIG_SHARED,	/* struct mig_run of one page, its contents */
	MIG_USER,	/* the user's bytes */
	MIG_END,
	MIG_ABORT,     /* the exporter gives up */
	MIG_COMMITTED, /* answer: it runs there */
	MIG_ABORTED,   /* answer: struct mbmd, the abort token */
};

struct mig_record {
	uint32_t type; /* enum mig_type */
	uint32_t length;
};

struct mig_slot {
	uint32_t slot, no_private;
	uint64_t gfn, npages;
};

struct mig_bundle {
	struct mbmd mbmd;
	uint32_t npages, pad;
};

struct mig_list {
	struct mbmd mbmd;
	uint32_t n, npages;
};

struct mig_run {
	uint64_t gfn, npages;
};

/* A vCPU as the monitor has it. */
struct mig_vcpu {
	uint32_t id, has_lapic;
	uint32_t pend_nmi, pad;
	struct tdx_regs regs;
	uint64_t msr[VCPU_MSRS];
	uint64_t requests[4]; /* posted, not taken yet */
	struct apic_state apic;
};

enum {
	MIG_LIST_MAX = sizeof(struct mig_list) + MIG_LIST_ENTRIES * (2 * 8 + MIG_MAC_SIZE + 4096),
	MIG_RECORD_MAX = MIG_LIST_MAX,
};
_Static_assert((int)TDX_MIG_USER_MAX <= (int)MIG_RECORD_MAX, "the user's bytes are a record");

/* --- a session --- */

struct mig {
	struct tdx_vm *vm;
	const struct tdx_mig_channel *channel;
	struct tdx_mig_stats *stats;
	struct mig_slot slot[VM_MAX_SLOTS]; /* that the importer knows */
	uint64_t slot_changes;		    /* up to which */
	uint64_t page[5];		    /* the pages below */
	uint64_t mbmd_pa, list_pa, buffers_pa, new_pa, macs_pa[2];
	struct mbmd *mbmd;
	uint64_t *list, *buffers, *new_pages;
	uint64_t *attributes;		   /* of each entry, for each L2 VM */
	uint8_t (*macs)[MIG_MAC_SIZE];	   /* two pages */
	uint64_t buffer[MIG_LIST_ENTRIES]; /* host pages of ciphertext */
	unsigned nbuffers;
	uint8_t *record; /* MIG_RECORD_MAX */
	/* the call being made */
	const struct tdx_vp *vp;
	struct tdx_page_list pages;
	struct tdx_mig_memory memory;
	bool last;	/* of a token */
	bool has_token; /* of an abort */
	bool cut_off;	/* what was being sent did not go out whole: nothing may follow it */
	struct tdx_mig_result result;
};

/* 0 or -ENOMEM; in either case to be closed. */
int mig_open(struct mig *m, struct tdx_vm *vm, const struct tdx_mig_channel *c,
	     struct tdx_mig_stats *stats);
void mig_close(struct mig *m);
/* At least n pages of ciphertext, in m->buffers from the first. 0 or -ENOMEM. */
int mig_need_buffers(struct mig *m, unsigned n);
void *mig_va(const struct mig *m, uint64_t pa);

typedef struct tdx_status mig_call(const struct tdx_cpu *cpu, struct mig *m);

/* The call to its end: again when it is busy, going on when it was interrupted; on processor `cpu`,
 * -1: any. The status is for the caller to judge. */
struct tdx_status mig_make(struct mig *m, enum tdx_seamcall leaf, mig_call *fn, int cpu);

/* The page of addresses that R9 of a state bundle's call names: n buffers. */
void mig_list_pages(struct mig *m, unsigned n);

int mig_send(struct mig *m, const void *buf, size_t len);
int mig_recv(struct mig *m, void *buf, size_t len);
int mig_send_record(struct mig *m, enum mig_type type, const void *body, size_t len);
/* This side gives up; whether the other one hears of it is its own concern. */
void mig_tell(struct mig *m, enum mig_type type, const void *body, size_t len);
/* Into m->record; -EPROTO: no such type, or longer than it can be. */
int mig_recv_record(struct mig *m, struct mig_record *r);

double mig_now(void);

/* --- mig_state.c: what the module does not have --- */

int mig_save_vcpu(struct tdx_vcpu *v, struct mig_vcpu *out);
void mig_load_vcpu(struct tdx_vcpu *v, const struct mig_vcpu *in);
/* What the importer does not know of the slots yet. */
int mig_send_slots(struct mig *m);
int mig_send_shared(struct mig *m);
int mig_recv_slot(struct mig *m, const struct mig_slot *s, const struct tdx_import_config *config,
		  uint64_t *memory_left);
int mig_recv_run(struct mig *m, const struct mig_run *r, size_t n);
int mig_recv_shared(struct mig *m, const struct mig_run *r, const void *page);

#endif
