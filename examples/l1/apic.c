/* SPDX-License-Identifier: MIT */
/* The VM's local APIC in x2APIC mode. The processor has the priorities, EOI and self-IPIs in the
 * virtual-APIC page and delivers what is requested there; here are the other registers and the
 * timer, by TSC deadline. SDM volume 3, chapters 11 and 30. */
#include "l1.h"

#include "arch/msr.h"

enum {
	PAGE_PPR = 0xa0,
	PAGE_IRR = 0x200,
	VERSION = 0x50014, /* six LVT entries */
	LVT_MASKED = 1 << 16,
	TIMER_MODE = 3 << 17,
	TIMER_DEADLINE = 2 << 17,
	ICR_SHORTHAND = 3 << 18,
	ICR_TO_OTHERS = 3 << 18,
	ICR_MODE = 7 << 8, /* 0: fixed */
};
#define NEVER (~0ull)

static uint32_t *reg(struct vm *vm, uint32_t msr)
{
	return &vm->apic[msr - MSR_X2APIC_FIRST];
}

void apic_init(struct vm *vm)
{
	static const uint32_t lvt[] = {MSR_X2APIC_LVT_TIMER, MSR_X2APIC_LVT_THERMAL,
				       MSR_X2APIC_LVT_PMI,   MSR_X2APIC_LVT_LINT0,
				       MSR_X2APIC_LVT_LINT1, MSR_X2APIC_LVT_ERROR};

	vm->deadline = NEVER;
	*reg(vm, MSR_X2APIC_VERSION) = VERSION;
	*reg(vm, MSR_X2APIC_LDR) = 1;
	*reg(vm, MSR_X2APIC_SIVR) = 0xff;
	for (unsigned i = 0; i < sizeof(lvt) / sizeof(lvt[0]); i++)
		*reg(vm, lvt[i]) = LVT_MASKED;
}

/* The processor sees it at the next entry. */
static void request(struct vm *vm, uint8_t vector)
{
	uint32_t *irr = (uint32_t *)(void *)(vm->apic_page + PAGE_IRR + vector / 32 * 0x10);
	uint16_t *status = &vm->state->interrupt_status;

	*irr |= 1u << vector % 32;
	if (vector > (*status & 0xff))
		*status = (uint16_t)((*status & 0xff00) | vector);
}

bool apic_pending(const struct vm *vm)
{
	return (vm->state->interrupt_status & 0xf0) > (vm->apic_page[PAGE_PPR] & 0xf0);
}

void apic_set_deadline(struct vm *vm, uint64_t tsc)
{
	vm->deadline = tsc ? tsc : NEVER;
	must(tdg_l2_set_deadline(&port, VM, vm->deadline), "the VM's deadline");
}

void apic_poll(struct vm *vm)
{
	const uint32_t lvt = *reg(vm, MSR_X2APIC_LVT_TIMER);

	if (vm->deadline == NEVER || rdtsc() < vm->deadline)
		return;
	apic_set_deadline(vm, 0);
	if (!(lvt & LVT_MASKED) && (lvt & TIMER_MODE) == TIMER_DEADLINE)
		request(vm, (uint8_t)lvt);
}

bool apic_read(struct vm *vm, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_X2APIC_EOI:
	case MSR_X2APIC_SELF_IPI:
		return false; /* written only */
	case MSR_X2APIC_TPR:
	case MSR_X2APIC_PPR:
	case MSR_X2APIC_ISR0 ... MSR_X2APIC_IRR0 + 7:
		*value = *(const uint32_t *)(void *)(vm->apic_page + (msr & 0xff) * 0x10);
		return true;
	default:
		if (msr - MSR_X2APIC_FIRST >= sizeof(vm->apic) / sizeof(vm->apic[0]))
			return false;
		*value = *reg(vm, msr);
		return true;
	}
}

/* There is one processor: what is not for others is for itself. */
static void send(struct vm *vm, uint64_t icr)
{
	if (!(icr & ICR_MODE) && (icr & ICR_SHORTHAND) != ICR_TO_OTHERS &&
	    (icr & ICR_SHORTHAND || icr >> 32 == 0 || icr >> 32 == 0xffffffff))
		request(vm, (uint8_t)icr);
}

bool apic_write(struct vm *vm, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_X2APIC_ICR:
		send(vm, value);
		return true;
	case MSR_X2APIC_ESR:
		return value == 0;
	case MSR_X2APIC_SIVR:
	case MSR_X2APIC_LVT_TIMER ... MSR_X2APIC_LVT_ERROR:
	case MSR_X2APIC_INIT_COUNT:
	case MSR_X2APIC_DIV_CONF:
	case MSR_X2APIC_LVT_CMCI:
		*reg(vm, msr) = (uint32_t)value;
		return value >> 32 == 0;
	default:
		return false;
	}
}
