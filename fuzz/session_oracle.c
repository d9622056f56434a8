/* SPDX-License-Identifier: MIT */
/* See session_oracle.h. */
#include "fuzz/session_oracle.h"

#include <stdlib.h>

#include "fuzz/fuzz_module_oracle.h"

#define PAGE_BITS 0x000ffffffffff000ull

struct session {
	struct world world;
	struct actor actor;
};

struct session *session_new(void)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->actor.w = &s->world;
	if (oracle_make(&s->world))
		return s;
	session_free(s);
	return NULL;
}

void session_free(struct session *s)
{
	oracle_free(&s->world);
	free(s);
}

const char *session_violation(const struct session *s)
{
	return s->actor.violation;
}

void session_forget(struct session *s)
{
	for (unsigned i = 0; i < WORLD_SLOTS; i++) {
		s->world.slot[i].tdr = 0;
		for (unsigned k = 0; k < WORLD_VCPUS; k++)
			s->world.slot[i].vcpu[k] = 0;
	}
}

static struct slot *slot_of(struct session *s, uint64_t tdr, bool make)
{
	for (unsigned i = 0; i < WORLD_SLOTS; i++) {
		struct slot *slot = &s->world.slot[i];

		if (slot->tdr == tdr)
			return slot;
		if (!slot->tdr && make) {
			slot->tdr = tdr;
			return slot;
		}
	}
	return NULL;
}

void session_note(struct session *s, const struct vec_step *step)
{
	struct slot *slot;

	if (step->kind != VEC_SEAMCALL || step->in.named)
		return;
	if (tdx_rax_leaf(step->rax) == TDH_MNG_CREATE)
		(void)slot_of(s, step->in.v.rcx & PAGE_BITS, true);
	if (tdx_rax_leaf(step->rax) != TDH_VP_CREATE)
		return;
	slot = slot_of(s, step->in.v.rdx & PAGE_BITS, false);
	for (unsigned k = 0; slot && k < WORLD_VCPUS; k++) {
		if (slot->vcpu[k] == (step->in.v.rcx & PAGE_BITS))
			return;
		if (!slot->vcpu[k]) {
			slot->vcpu[k] = step->in.v.rcx & PAGE_BITS;
			return;
		}
	}
}

void session_before(struct session *s, const struct player *p, uint64_t rng)
{
	const struct slot *slot = &s->world.slot[rng % WORLD_SLOTS];

	s->world.m = p->m;
	s->world.mod = p->mod;
	s->actor.rng = rng;
	s->world.oracle->saved.valid = false;
	if (slot->tdr)
		refused_before(&s->actor, slot->tdr);
}

void session_after(struct session *s, uint64_t rax, uint64_t own_tdvpr)
{
	refused_after(&s->actor, tdx_status(rax), own_tdvpr);
}

void session_canaries(struct session *s, uint64_t rng, struct tdx_regs *r)
{
	s->actor.rng = rng;
	registers_canaries(&s->actor, r);
}

void session_entered(struct session *s, const struct tdx_regs *in)
{
	registers_after_entry(&s->actor, in);
}

void session_left(struct session *s, const struct vmexit *x, const struct tdx_regs *guest)
{
	registers_after_exit(&s->actor, x, guest);
}
