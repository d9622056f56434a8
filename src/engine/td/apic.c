/* SPDX-License-Identifier: MIT */
/* Virtual-interrupt delivery: IRR, ISR, TPR and PPR are in the virtual-APIC page, RVI and SVI in
 * the VMCS's guest interrupt status; interrupts come from the posted-interrupt descriptor and
 * self-IPIs. SDM vol. 3, 30.2 and 30.6. */
#include "engine/td/internal.h"

/* The posted-interrupt descriptor: requests, then the word with the outstanding-notification bit.
 */
enum { PI_WORDS = 4, PI_CONTROL = 4 };
#define PI_ON 1ull

static uint32_t *word(const struct td_cpu *t, unsigned reg, unsigned vector)
{
	return (uint32_t *)(void *)(t->in.vapic + reg + vector / 32 * 0x10);
}

static void set(const struct td_cpu *t, unsigned reg, unsigned vector)
{
	*word(t, reg, vector) |= 1u << vector % 32;
}

static void clear(const struct td_cpu *t, unsigned reg, unsigned vector)
{
	*word(t, reg, vector) &= ~(1u << vector % 32);
}

static unsigned highest(const struct td_cpu *t, unsigned reg)
{
	for (unsigned v = 256; v; v -= 32) {
		uint32_t w = *word(t, reg, v - 32);

		if (w)
			return v - 1 - (unsigned)__builtin_clz(w);
	}
	return 0;
}

static unsigned rvi(const struct td_cpu *t)
{
	return vmcs_read(t->in.vmcs, VMCS_GUEST_INTERRUPT_STATUS) & 0xff;
}

static unsigned svi(const struct td_cpu *t)
{
	return vmcs_read(t->in.vmcs, VMCS_GUEST_INTERRUPT_STATUS) >> 8 & 0xff;
}

static void set_status(const struct td_cpu *t, unsigned requested, unsigned in_service)
{
	vmcs_write(t->in.vmcs, VMCS_GUEST_INTERRUPT_STATUS, requested | in_service << 8);
}

/* PPR virtualization. */
static void update_ppr(const struct td_cpu *t)
{
	uint8_t tpr = t->in.vapic[VAPIC_TPR];
	unsigned in_service = svi(t);
	unsigned ppr = (tpr & 0xf0u) >= (in_service & 0xf0u) ? tpr : in_service & 0xf0u;

	*(uint32_t *)(void *)(t->in.vapic + VAPIC_PPR) = ppr;
}

static bool deliverable(const struct td_cpu *t)
{
	return (rvi(t) & 0xf0) > (t->in.vapic[VAPIC_PPR] & 0xf0u);
}

/* Virtual-interrupt delivery. An L1 VMM may do without, and inject. */
static bool delivers(const struct td_cpu *t)
{
	return (vmcs_read(t->in.vmcs, VMCS_PROCBASED_CTLS2) & PROCBASED2_VIRTUAL_INTERRUPTS) != 0;
}

static void leave_after(struct td_cpu *t, uint32_t reason, uint64_t qualification)
{
	t->trap.reason = reason;
	t->trap.qualification = qualification;
	x86_kick(t->x86);
}

/* Who does without delivery is told when the TPR falls below a threshold. */
static void check_threshold(struct td_cpu *t)
{
	const unsigned threshold = vmcs_read(t->in.vmcs, VMCS_TPR_THRESHOLD) & 0xf;

	if (!delivers(t) && t->in.vapic[VAPIC_TPR] >> 4 < threshold)
		leave_after(t, VMX_EXIT_TPR_BELOW_THRESHOLD, 0);
}

static void evaluate(const struct td_cpu *t)
{
	if (delivers(t) && deliverable(t))
		x86_raise_intr(t->x86);
}

static void take_posted(const struct td_cpu *t)
{
	struct vmcs *vmcs = t->in.vmcs;
	uint64_t pa = vmcs_read(vmcs, VMCS_POSTED_INTERRUPT_DESCRIPTOR);
	uint64_t *pi;
	unsigned top;

	if (!(vmcs_read(vmcs, VMCS_PINBASED_CTLS) & PINBASED_POSTED_INTERRUPTS) ||
	    !machine_is_ram(t->in.m, pa, 64))
		return;
	pi = machine_ptr(t->in.m, pa);
	if (!(__atomic_load_n(&pi[PI_CONTROL], __ATOMIC_ACQUIRE) & PI_ON))
		return;
	__atomic_and_fetch(&pi[PI_CONTROL], ~PI_ON, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < PI_WORDS; i++) {
		uint64_t posted = __atomic_exchange_n(&pi[i], 0, __ATOMIC_SEQ_CST);

		*word(t, VAPIC_IRR, i * 64) |= (uint32_t)posted;
		*word(t, VAPIC_IRR, i * 64 + 32) |= (uint32_t)(posted >> 32);
	}
	top = highest(t, VAPIC_IRR);
	set_status(t, top > rvi(t) ? top : rvi(t), svi(t));
}

void td_apic_at_entry(struct td_cpu *t)
{
	t->trap.reason = 0;
	take_posted(t);
	update_ppr(t);
	t->x86->cr8 = t->in.vapic[VAPIC_TPR] >> 4;
	check_threshold(t);
	evaluate(t);
}

bool td_apic_notified(struct td_cpu *t, unsigned vector)
{
	const struct vmcs *vmcs = t->in.vmcs;

	if (!(vmcs_read(vmcs, VMCS_PINBASED_CTLS) & PINBASED_POSTED_INTERRUPTS) ||
	    vector != (vmcs_read(vmcs, VMCS_POSTED_INTERRUPT_VECTOR) & 0xff))
		return false;
	take_posted(t);
	evaluate(t);
	return true;
}

void td_apic_write_tpr(struct td_cpu *t, uint8_t tpr)
{
	*(uint32_t *)(void *)(t->in.vapic + VAPIC_TPR) = tpr;
	t->x86->cr8 = tpr >> 4;
	update_ppr(t);
	check_threshold(t);
	evaluate(t);
}

void td_apic_cr8(struct x86_cpu *x86)
{
	td_apic_write_tpr(td_cpu_of(x86), (uint8_t)(x86->cr8 << 4));
}

static bool eoi_exits(const struct td_cpu *t, unsigned vector)
{
	static const uint16_t bitmap[] = {VMCS_EOI_EXIT_BITMAP_0, VMCS_EOI_EXIT_BITMAP_1,
					  VMCS_EOI_EXIT_BITMAP_2, VMCS_EOI_EXIT_BITMAP_3};

	return vmcs_read(t->in.vmcs, bitmap[vector / 64]) >> vector % 64 & 1;
}

bool td_apic_eoi(struct td_cpu *t)
{
	const unsigned vector = svi(t);

	if (!delivers(t))
		return false;
	clear(t, VAPIC_ISR, vector);
	set_status(t, rvi(t), highest(t, VAPIC_ISR));
	update_ppr(t);
	if (eoi_exits(t, vector))
		leave_after(t, VMX_EXIT_VIRTUALIZED_EOI, vector);
	else
		evaluate(t);
	return true;
}

bool td_apic_self_ipi(struct td_cpu *t, uint8_t vector)
{
	if (!delivers(t))
		return false;
	set(t, VAPIC_IRR, vector);
	set_status(t, vector > rvi(t) ? vector : rvi(t), svi(t));
	evaluate(t);
	return true;
}

int td_apic_ack(struct x86_cpu *x86)
{
	struct td_cpu *t = td_cpu_of(x86);
	unsigned vector = rvi(t);

	if (!delivers(t) || !deliverable(t))
		return -1;
	set(t, VAPIC_ISR, vector);
	clear(t, VAPIC_IRR, vector);
	set_status(t, highest(t, VAPIC_IRR), vector);
	update_ppr(t);
	return (int)vector;
}
