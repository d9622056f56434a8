/* SPDX-License-Identifier: MIT */
/* A world for random calls: a small machine, a few TDs, and notes of what was given to which.
 *
 * The notes come from what calls returned, never from the module's memory; they only make calls
 * likely to get far and may be wrong. Several processors may use them at once. */
#ifndef FUZZ_MODULE_H
#define FUZZ_MODULE_H

#include <stdatomic.h>
#include <swtdx/leaf.h>
#include <swtdx/status.h>
#include <swtdx/structs.h>

#include "fuzz/random.h"
#include "machine/machine.h"
#include "module/module.h"

enum {
	WORLD_LPS = 4,
	WORLD_SLOTS = 4,
	WORLD_VCPUS = 4,
	WORLD_PAGES = 16384, /* 4K pages of the pool, 64M */
	WORLD_LOG = 24,
	WORLD_OLD_AGE = 12000,
};
#define WORLD_POOL   0x100000000ull
#define WORLD_PARAMS 0x1008000ull /* one page a processor */
#define WORLD_SHARED 0x1010000ull
#define WORLD_HKID   32u /* the module's; TDs have the next ones */

enum stage {
	STAGE_NONE,
	STAGE_CREATED,
	STAGE_KEYED,
	STAGE_INIT = STAGE_KEYED + 7, /* those between: TDCS pages added */
	STAGE_RUNNABLE,
	STAGE_FLUSHED,
	STAGE_TEARDOWN,
};

struct slot {
	uint64_t tdr;
	_Atomic unsigned stage;
	_Atomic unsigned l2_vms;
	_Atomic unsigned age; /* steps taken for it; an old TD is torn down */
	/* S-EPT tables added: bit 0 of level 3, bit 1 of level 2, from bit 2 those of level 1 */
	_Atomic unsigned tables;
	/* address of each TDVPR; in the low bits pages added, bit 11 initialised; 0 none */
	_Atomic uint64_t vcpu[WORLD_VCPUS];
};

struct oracle;

struct world {
	struct machine *m;
	struct module *mod;
	bool dynamic;
	bool parallel;
	struct oracle *oracle; /* NULL where processors run at the same time */
	struct slot slot[WORLD_SLOTS];
	_Atomic uint8_t used[WORLD_PAGES]; /* slot + 1 of the owner, 0 free, 0xff PAMT or TDR */
	_Atomic unsigned long calls[TDX_SEAMCALL_LEAVES], good[TDX_SEAMCALL_LEAVES];
	_Atomic unsigned long tdcalls[TDX_TDCALL_LEAVES], tdgood[TDX_TDCALL_LEAVES];
	_Atomic unsigned long entries, exits;
};

struct logged {
	unsigned long n;
	bool guest;
	unsigned reason; /* of a VM exit */
	struct tdx_regs in;
	uint64_t rax;
};

/* Taking a page out of use: block, track, and what for. */
struct recipe {
	struct slot *slot; /* NULL: none begun */
	uint64_t gpa_level;
	unsigned step, tries, finish;
};

/* One processor with its own luck. */
struct actor {
	struct world *w;
	unsigned lp;
	uint64_t rng;
	bool in_guest;
	struct slot *guest_slot;
	struct tdx_regs entered_with; /* the host's at TDH.VP.ENTER */
	bool keeps_rbp;		      /* the TD lets the host keep it */
	struct recipe recipe;
	unsigned long n;
	struct logged log[WORLD_LOG]; /* ring by n */
	const char *violation;
};

static inline uint64_t rnd(struct actor *a)
{
	return random_next(&a->rng);
}

static inline unsigned below(struct actor *a, unsigned n)
{
	return random_below(&a->rng, n);
}

static inline bool chance(struct actor *a, unsigned percent)
{
	return below(a, 100) < percent;
}

/* False with a sentence when the machine cannot be made. */
bool world_make(struct world *w, uint64_t seed, bool dynamic, char *err, size_t len);
void world_free(struct world *w);

/* An address of the pool: most of the time one nobody was given. */
uint64_t world_page(struct actor *a);
uint64_t world_page_2m(struct actor *a);
/* One that was given to the slot, if a few looks find it. */
uint64_t world_owned_page(struct actor *a, const struct slot *s);
/* A GPA of the few in use, aligned to the level. */
uint64_t world_gpa(struct actor *a, unsigned level);
/* The same with its level, chosen from a range, as memory leaves take it. */
uint64_t world_gpa_level(struct actor *a, unsigned low, unsigned high);
/* What a confused or malicious caller puts into a register. */
uint64_t world_junk(struct actor *a);
void world_give(struct world *w, uint64_t pa, uint64_t size, uint8_t owner);
uint64_t world_metadata_id(struct actor *a, unsigned context);

/* In the low bits of slot.vcpu. */
enum { VCPU_PAGES = 0xf, VCPU_INITIALIZED = 0x800, VCPU_WANTS_PAGES = 5, VCPU_PAGES_PER_L2_VM = 3 };
/* Bits of slot.tables. */
enum { WORLD_TABLES = 5 };

/* The registers of a sensible call. Where the leaf is about a vCPU, which of the slot's; asked for
 * TDH_VP_CREATE, the leaf is what one of the vCPUs needs next. */
struct tdx_regs host_operands(struct actor *a, struct slot *s, unsigned leaf, unsigned *vcpu);
/* A host that gives TD or PAMT memory as its own buffer, or as a table of shared memory, destroys
 * it: true on hardware, but nothing to learn from. */
void host_spare_memory(struct actor *a, struct tdx_regs *r);

/* After a call for the slot. */
void notes_success(struct actor *a, struct slot *s, const struct tdx_regs *in,
		   const struct tdx_regs *out, unsigned vcpu);
void notes_failure(struct actor *a, struct slot *s, const struct tdx_regs *in,
		   struct tdx_status status);
/* GPA and level of the n-th table a TD wants. */
uint64_t notes_table_operand(unsigned n);

/* One step of a processor: a SEAMCALL, or something its guest does. Sets a->violation. */
void host_step(struct actor *a);
void guest_step(struct actor *a);

#endif
