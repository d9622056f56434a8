/* SPDX-License-Identifier: MIT */
/* An engine that is two: some TDs are C functions, the others are executed by another engine. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/native/native.h"
#include "machine/machine.h"
#include "module/entered.h"

enum { KEYIDS = 1 << 16 };

struct beside {
	struct tdx_engine engine;
	struct tdx_engine *native, *other;
	_Atomic uint64_t is_native[KEYIDS / 64]; /* TDs, by their KeyID */
};

static struct beside *beside_of(struct tdx_engine *e)
{
	return (struct beside *)e;
}

static enum module_next beside_run(struct tdx_engine *e, struct module *mod, unsigned lp)
{
	struct beside *b = beside_of(e);
	const unsigned hkid = module_entered(mod, lp).hkid;
	const bool native = atomic_load(&b->is_native[hkid / 64 % (KEYIDS / 64)]) >> hkid % 64 & 1;
	struct tdx_engine *to = native ? b->native : b->other;

	return to->ops->run(to, mod, lp);
}

/* A native guest looks by itself. */
static void beside_kick(struct tdx_engine *e, unsigned lp)
{
	struct tdx_engine *other = beside_of(e)->other;

	if (other->ops->kick)
		other->ops->kick(other, lp);
}

static void beside_forget(struct tdx_engine *e, uint64_t tdvpr_pa)
{
	struct beside *b = beside_of(e);

	b->native->ops->forget(b->native, tdvpr_pa);
	b->other->ops->forget(b->other, tdvpr_pa);
}

static void beside_written(struct tdx_engine *e, const void *page)
{
	struct tdx_engine *other = beside_of(e)->other;

	if (other->ops->written)
		other->ops->written(other, page);
}

static void beside_lacks(const struct tdx_engine *e, uint32_t leaf, uint32_t subleaf,
			 struct cpuid_regs *bits)
{
	const struct tdx_engine *other = ((const struct beside *)e)->other;

	memset(bits, 0, sizeof(*bits));
	if (other->ops->lacks)
		other->ops->lacks(other, leaf, subleaf, bits);
}

static void beside_free(struct tdx_engine *e)
{
	struct beside *b = beside_of(e);

	b->native->ops->free(b->native);
	b->other->ops->free(b->other);
	free(b);
}

struct tdx_engine *tdx_native_beside_new(struct tdx_engine *other, tdx_native_fn *fn, void *arg)
{
	static const struct engine_ops ops = {.run = beside_run,
					      .kick = beside_kick,
					      .forget = beside_forget,
					      .written = beside_written,
					      .lacks = beside_lacks,
					      .free = beside_free};
	struct beside *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->engine.ops = &ops;
	b->other = other;
	b->native = tdx_native_engine_new(fn, arg);
	if (!b->native) {
		free(b);
		return NULL;
	}
	return &b->engine;
}

void tdx_native_beside_set(struct tdx_engine *engine, hkid_t hkid, bool native)
{
	struct beside *b = beside_of(engine);
	const uint64_t bit = 1ull << hkid.v % 64;
	_Atomic uint64_t *word = &b->is_native[hkid.v / 64 % (KEYIDS / 64)];

	if (native)
		atomic_fetch_or(word, bit);
	else
		atomic_fetch_and(word, ~bit);
}
