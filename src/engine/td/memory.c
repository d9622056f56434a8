/* SPDX-License-Identifier: MIT */
/* What the interpreter's TLB is filled from: the Secure EPT for private addresses, the host's
 * tables for shared ones. An entry stays until TD entry finds that the host has tracked or
 * invalidated, as on hardware. Writes are asked for separately, so that the machine sees who
 * dirties a page. */
#include "engine/td/internal.h"

unsigned td_gpa_map(struct x86_cpu *x86, uint64_t gpa, unsigned access, void **host, uint64_t *qual)
{
	struct td_cpu *t = td_cpu_of(x86);
	uint64_t q = 0;
	struct ept_hit hit;

	static_assert((int)EPT_ACCESS_R == (int)X86_MAP_R && (int)EPT_ACCESS_W == (int)X86_MAP_W &&
			      (int)EPT_ACCESS_X == (int)X86_MAP_X,
		      "one encoding of accesses");
	t->poison = false;
	/* A read-modify-write asks for both; the walk is the same. */
	t->ept.user = t->x86->cpl == 3;
	t->refused = ept_translate(&t->ept, gpa, (enum ept_access)access, &hit, &q);
	if (t->refused == EPT_OK && (hit.access & access) != access) {
		q = access | (uint64_t)hit.access << 3;
		t->refused = EPT_VIOLATION;
	}
	if (t->refused != EPT_OK) {
		*qual = q;
		return 0;
	}
	if (hit.ram && !machine_intact(t->in.hw, hit.pa, hit.hkid)) {
		t->poison = true;
		return 0;
	}
	*host = (uint8_t *)hit.host - (hit.pa & (TDX_PAGE_SIZE - 1));
	if (!hit.ram)
		return hit.access;
	if (access & X86_MAP_W) {
		machine_wrote(t->in.hw, hit.pa & ~(TDX_PAGE_SIZE - 1), hit.hkid);
		return hit.access;
	}
	return hit.access & ~X86_MAP_W;
}

bool td_is_ram(struct x86_cpu *x86, const void *host, size_t len)
{
	const struct machine *m = td_cpu_of(x86)->in.m;

	return machine_has(m, host, len) || machine_window_has(m, host, len);
}

void td_tlb_at_entry(struct td_cpu *t)
{
	uint64_t generation = atomic_load(&t->in.hw->tlb_generation);
	bool fresh = !t->in.vps->vm_launched[t->in.vm];
	struct td_vm *vm = t->now;

	if (!fresh && vm->epoch == t->in.vps->vcpu_epoch && vm->tlb_lp == t->lp_id &&
	    vm->tlb_generation == generation && vm->tlb_flushes == t->in.tlb_flushes)
		return;
	vm->epoch = t->in.vps->vcpu_epoch;
	vm->tlb_generation = generation;
	vm->tlb_flushes = t->in.tlb_flushes;
	vm->tlb_lp = t->lp_id;
	x86_tlb_flush(t->x86);
}
