/* SPDX-License-Identifier: MIT */
/* The P-SEAMLDR's data and its calls. */
#ifndef SEAMLDR_INTERNAL_H
#define SEAMLDR_INTERNAL_H

#include <stdatomic.h>

#include "seamldr/seamldr.h"

enum {
	/* the P-SEAMLDR's part at the end of the SEAM range */
	LOADER_RANGE = 4 << 20,
	LOADER_CODE_REGION = 2 << 20, /* what is set aside for a module's code */
	/* modules that the processor remembers since the last scenario LOAD */
	SEAMDB_ENTRIES = 64,
};

enum flow { FLOW_READY, FLOW_INSTALL, FLOW_SHUTDOWN, FLOW_CLEANUP };

/* A set of processors: those that have made a call of this session. */
struct lp_set {
	uint64_t bit[MACHINE_MAX_LPS / 64];
	unsigned n;
};

struct loader {
	atomic_flag running;
	enum flow flow;
	uint32_t remaining_updates;
	struct lp_set install, shutdown, cleanup;
	struct tdx_seamextend snapshot; /* as it was when the session began */
	/* by package, which is a domain of WBINVD as well */
	bool key_dirty[MACHINE_MAX_PKGS], cache_dirty[MACHINE_MAX_PKGS];
	uint32_t next_key[MACHINE_MAX_PKGS], next_block[MACHINE_MAX_PKGS];
	unsigned cleaned[MACHINE_MAX_PKGS];
};
static_assert(sizeof(struct loader) <= MACHINE_LOADER_DATA, "the loader's part of the SEAM range");

/* What a module image of ours begins with: which version the module is to behave like. */
#define IMAGE_MAGIC "swtdx TDX module"
enum { SEAMLDR_PROFILE_SIZE = 16 };
struct image_start {
	char magic[sizeof(IMAGE_MAGIC)]; /* and its zero */
	char profile[SEAMLDR_PROFILE_SIZE];
};

static inline struct loader *loader_of(const struct machine *m)
{
	return (struct loader *)machine_seam(m)->loader;
}

/* True: it was in already. */
static inline bool lp_set_add(struct lp_set *set, unsigned lp)
{
	const uint64_t bit = 1ull << lp % 64;
	const bool was = (set->bit[lp / 64] & bit) != 0;

	set->bit[lp / 64] |= bit;
	set->n += !was;
	return was;
}

static inline bool lp_set_has(const struct lp_set *set, unsigned lp)
{
	return set->bit[lp / 64] >> lp % 64 & 1;
}

/* SEAMEXTEND as the processor has it; whether there is a module goes last or first. */
void seamextend_write(struct machine *m, const struct tdx_seamextend *s);
/* The keys and caches of all packages may have something of a module's. */
void loader_dirty(struct machine *m);
bool loader_is_dirty(const struct machine *m);

/* An address of the host's own memory, aligned so, outside the SEAM range. */
bool loader_shared_hpa(const struct machine *m, uint64_t pa, uint64_t size);
void loader_read(struct machine_lp *lp, uint64_t pa, void *buf, size_t size);

uint64_t loader_install(struct machine_lp *lp, uint64_t params_pa, uint64_t *rdx,
			const struct seamldr_module *module);
uint64_t loader_shutdown(struct machine_lp *lp);
uint64_t loader_cleanup(struct machine_lp *lp);

/* SHA-384; the key of our images and a signature by it, least significant byte first. False: the
 * crypto library fails. */
bool loader_sha384(const void *data, size_t size, struct tdx_digest *digest);
bool signature_modulus(uint8_t modulus[TDX_SIGSTRUCT_KEY_SIZE]);
bool signature_make(struct tdx_seam_sigstruct *s);
bool signature_verifies(const struct tdx_seam_sigstruct *s);

#endif
