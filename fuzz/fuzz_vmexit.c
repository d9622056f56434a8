/* SPDX-License-Identifier: MIT */
/* VM exits of any kind of a guest in any state: the module answers, and its books stay in order.
 *
 * The input says what the TD is, what its VMCS holds, and then exit after exit. */
#include "tests/module_guest.h"

struct input {
	const uint8_t *p;
	size_t left;
};

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t v = 0;

	if (bytes > in->left)
		bytes = (unsigned)in->left;
	memcpy(&v, in->p, bytes);
	in->p += bytes;
	in->left -= bytes;
	return v;
}

static void make_td(struct test_guest *g, struct input *in)
{
	uint64_t flags = take(in, 8);

	memset(&g->tdcs->cpuid_flags, 0, sizeof(g->tdcs->cpuid_flags));
	for (unsigned i = 0; i < sizeof(g->tdcs->cpuid_flags); i++)
		((uint8_t *)&g->tdcs->cpuid_flags)[i] = flags >> i & 1;
	g->tdcs->attributes = take(in, 8);
	g->tdcs->xfam = take(in, 4);
	g->tdcs->td_ctls = take(in, 1);
	g->tdcs->config_flags = take(in, 1);
	g->tdcs->gpaw = g->tdcs->config_flags & 1;
	g->tdcs->virt_maxpa = (uint8_t)(take(in, 1) % 53);
	g->ext->event_filters_num = (uint16_t)(take(in, 1) & 3);
	memset(g->tdcs->cpuid_valid, (int)(flags >> 32 & 1), sizeof(g->tdcs->cpuid_valid));
	guest_sept(g, 0)[1] = sept_make_leaf(TDX_SEPT_PENDING, GUEST_DATA_PA + 0x1000, 0);
	g->vps->vcpu_index = (uint32_t)(take(in, 2) % TD_MAX_VCPUS);
	vmcs_write(g->vmcs, VMCS_GUEST_CR0, take(in, 4));
	vmcs_write(g->vmcs, VMCS_GUEST_RFLAGS, take(in, 2));
	vmcs_write(g->vmcs, VMCS_EXCEPTION_BITMAP, take(in, 4));
	vmcs_write(g->vmcs, VMCS_SHARED_EPT_POINTER, take(in, 6));
	if (take(in, 1) & 1)
		vmcs_write(g->vmcs, VMCS_GUEST_CS_AR, 0xc09b);
}

static void enter_again(struct test_guest *g)
{
	g->lp->in_guest = true;
	g->lp->dead = false;
	g->lp->tdr->fatal = 0;
	g->vps->state = TDX_VCPU_ACTIVE;
	g->lp->tdr->counts[0].running[0] = 1;
}

static void one_exit(struct test_guest *g, struct input *in)
{
	uint8_t what = (uint8_t)take(in, 1);
	struct vmexit e = {
		.reason = (uint32_t)(what & 0x7f),
		.instr_len = (uint32_t)take(in, 1) & 15,
		.stall = what >> 7,
	};

	if (e.reason == 0x7f)
		e.reason = (uint32_t)take(in, 4);
	for (unsigned i = 0; i < 16; i++)
		*tdx_reg(&g->regs, i) = take(in, i < 3 ? 5 : 1);
	e.qualification = take(in, 4);
	e.gpa = take(in, 7);
	e.gla = take(in, 2);
	e.intr_info = (uint32_t)take(in, 4);
	if (take(in, 1) & 1) {
		e.idt_vectoring_info = (uint32_t)take(in, 4);
		e.idt_vectoring_error = (uint32_t)take(in, 1);
	}
	switch (guest_exits(g, e)) {
	case MODULE_TO_GUEST:
		if (!g->lp->in_guest || g->lp->dead || g->vps->state != TDX_VCPU_ACTIVE)
			__builtin_trap();
		break;
	case MODULE_TO_HOST:
		if (g->lp->in_guest || g->lp->nguest_locks)
			__builtin_trap();
		if (!g->lp->leaving.dead && tdr_running(g->lp->tdr, 0) != 0)
			__builtin_trap();
		enter_again(g);
		break;
	case MODULE_SHUTDOWN:
		if (!g->lp->dead)
			__builtin_trap();
		enter_again(g);
		break;
	}
	if (g->tdcs->rtmr_lock & 1 || g->tdcs->sept_lock)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct test_guest *g;
	struct input in = {data, size};
	void *state;

	if (!g) {
		if (guest_setup(&state) != 0)
			return 0;
		g = state;
		g->lp->tdr->tdcx_pa[TDCS_PAGE_MAIN] = GUEST_TDCS_PA;
		g->lp->tdr->tdcx_pa[TDCS_PAGE_EXT] = GUEST_EXT_PA;
	}
	make_td(g, &in);
	enter_again(g);
	while (in.left > 0)
		one_exit(g, &in);
	return 0;
}
