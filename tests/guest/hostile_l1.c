/* SPDX-License-Identifier: MIT */
/* L1 VMMs that mean no good, or do not know what they do: VMCSs and states that say anything, VMs
 * that have all of what is the L1 VMM's own, pages that come and go under VMs that run. */
#include <swtdx/structs.h>

#include "abi/metadata.h"
#include "arch/vmcs.h"
#include "hostile.h"
#include "hostile_many.h"

enum {
	VP_WR = 10,
	ATTR_WR = 24,
	VP_ENTER = 25,
	VP_INVEPT = 26,
	CLASSES_PER_VM = 8,
	VMS = 3,
	PAGES = 512,
	VM_SHIFT = 52,
	HALT = 0xf4,
	ALL = 0x800f, /* of a page's attributes: valid; R, W, X */
	SLICE = 200000,
};
#define TSC_DEADLINE (0xa020000300000058ull)

/* A page for each vCPU: the state its VMs start from. */
static struct {
	struct tdx_l2_state state;
	uint8_t rest[4096 - sizeof(struct tdx_l2_state)];
} states[8] __attribute__((aligned(4096)));

static uint8_t apic_pages[8][4096] __attribute__((aligned(4096)));

static uint64_t tdcall3(uint64_t leaf, uint64_t rcx, uint64_t rdx, uint64_t r8, uint64_t r9)
{
	struct regs r = {.rax = leaf, .rcx = rcx, .rdx = rdx, .r8 = r8, .r9 = r9};
	uint64_t s;

	/* A VM leaves its RBP behind. */
	__asm__ volatile("push %%rbp; call tdcall; pop %%rbp"
			 : "=a"(s), "+m"(r)
			 : "D"(&r)
			 : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13",
			   "r14", "r15", "memory", "cc");
	return s;
}

static uint64_t rdtsc(void)
{
	uint32_t a, d;

	__asm__ volatile("rdtsc" : "=a"(a), "=d"(d));
	return (uint64_t)d << 32 | a;
}

static uint64_t field(unsigned vm, unsigned size, uint32_t encoding)
{
	return (uint64_t)(MD_VP_CLASS_L2_VMCS_1 + CLASSES_PER_VM * (vm - 1)) << MD_ID_CLASS_SHIFT |
	       (uint64_t)MD_CTX_VP << 52 | (uint64_t)size << 32 | encoding;
}

static void write_field(unsigned vm, uint32_t encoding, uint64_t value)
{
	static const uint8_t size[] = {1, 3, 2, 3};

	tdcall3(VP_WR, 0, field(vm, size[encoding >> 13 & 3], encoding), value, ~0ull);
}

/* Each vCPU has VMs of its own, which need a virtual APIC. */
static void make_vms(unsigned vcpu)
{
	for (unsigned vm = 1; vm <= VMS; vm++)
		tdcall3(VP_WR, 0, field(vm, 3, VMCS_VIRTUAL_APIC_ADDRESS),
			(uintptr_t)apic_pages[vcpu], ~0xfffull);
}

static void give(unsigned vm, uint64_t page, uint64_t attributes)
{
	tdcall3(ATTR_WR, page, attributes << (16 * vm), 0xfull << (16 * vm), 0);
}

/* It comes back after a while, whatever it does. */
static uint64_t enter(unsigned vm, unsigned vcpu, unsigned flags)
{
	tdcall3(VP_WR, 0, TSC_DEADLINE + vm, rdtsc() + SLICE, ~0ull);
	return tdcall3(VP_ENTER, (uint64_t)vm << VM_SHIFT | flags, (uintptr_t)&states[vcpu], 0, 0);
}

static void fill(void)
{
	for (unsigned i = 0; i < PAGES * 4096; i++)
		((volatile uint8_t *)VICTIM)[i] = HALT;
}

static uint64_t of_any_width(void)
{
	return next_random() >> (next_random() & 63);
}

static uint64_t in_victim(void)
{
	return VICTIM + next_random() % (PAGES * 4096);
}

/* But CR3 and bases of segments, by which a VM finds memory that nobody has, which is the end. */
static uint32_t any_field(void)
{
	for (;;) {
		const uint32_t field =
			(uint32_t)(next_random() % 4 << 13 | next_random() % 4 << 10 |
				   next_random() % 32 << 1);

		if (field != VMCS_GUEST_CR3 && field != VMCS_VIRTUAL_APIC_ADDRESS &&
		    (field < VMCS_GUEST_ES_BASE || field > VMCS_GUEST_IDTR_BASE))
			return field;
	}
}

/* Fields of every kind and states by chance; what the VM has is full of HLT, and of noise. */
static void l1_by_chance(void)
{
	fill();
	make_vms(0);
	for (unsigned i = 0; i < VMS * PAGES; i++)
		give(1 + i % VMS, VICTIM + i / VMS * 4096,
		     next_random() & 3 ? ALL : (next_random() & 0xffff));
	for (unsigned i = 0; i < 6000; i++) {
		const unsigned vm = 1 + i % VMS;
		struct tdx_l2_state *s = &states[0].state;

		for (unsigned k = 0; k < sizeof(*s) / 8; k++)
			((uint64_t *)s)[k] = next_random() & 3 ? in_victim() : of_any_width();
		s->reserved[0] = next_random() & 31 ? 0 : 1;
		for (unsigned k = 1; k < 6; k++)
			s->reserved[k] = 0;
		s->rflags = next_random() & 7 ? 2 | (of_any_width() & 0xfd5) : of_any_width();
		s->rip = in_victim();
		for (unsigned k = 0; k < 16 && i % 16 == 0; k++)
			((volatile uint8_t *)VICTIM)[(s->rip + k) % (PAGES * 4096)] =
				(uint8_t)next_random();
		for (unsigned k = next_random() % 4; k > 0; k--)
			write_field(vm, any_field(), of_any_width());
		enter(vm, 0,
		      next_random() & 7 ? (unsigned)next_random() & 3 : (unsigned)next_random());
	}
	end(0);
}

/* A VM that has all memory, and writes over the L1 VMM and its tables. */
static void l1_overwritten(void)
{
	/* mov $16M, %edi; mov $1M, %ecx; mov $-1, %eax; cld; rep stosl; hlt */
	static const uint8_t code[] =
		"\xbf\0\0\0\1\xb9\0\0\x10\0\xb8\xff\xff\xff\xff\xfc\xf3\xab\xf4";

	fill();
	make_vms(0);
	for (unsigned i = 0; i < sizeof(code); i++)
		((volatile uint8_t *)VICTIM)[i] = code[i];
	for (uint64_t page = 1 << 20; page < VICTIM + (2 << 20); page += 4096)
		give(1, page, ALL);
	states[0].state.rip = VICTIM;
	states[0].state.rflags = 2;
	for (unsigned i = 0; i < 1000; i++)
		enter(1, 0, 0);
	end(0);
}

/* The state's page is the VM's own, or shared, or not aligned. */
static void l1_state_gone(void)
{
	fill();
	make_vms(0);
	give(1, VICTIM, ALL);
	for (unsigned i = 0; i < 300; i++) {
		states[0].state.rip = VICTIM;
		states[0].state.rflags = 2;
		tdcall3(VP_ENTER, 1ull << VM_SHIFT, i % 3 ? VICTIM : NO_RAM | SHARED, 0, 0);
		enter(1, 0, 0);
		tdcall3(VP_ENTER, 1ull << VM_SHIFT, VICTIM + 4096 - 8, 0, 0);
	}
	end(0);
}

/* Nor is it there when it has become shared and private again, and was not accepted: the entry
 * faults, and the host has nothing to do about it. */
static void l1_state_not_accepted(void)
{
	make_vms(0);
	vmcall4(MAP_GPA, (uintptr_t)&states[0] | SHARED, 4096, 0, 0);
	vmcall4(MAP_GPA, (uintptr_t)&states[0], 4096, 0, 0);
	enter(1, 0, 0);
	end(0);
}

static unsigned next_vcpu;

/* Pages come and go, become shared, are accepted again, under VMs of other vCPUs that execute them.
 */
static void fight(void)
{
	const unsigned me = __atomic_fetch_add(&next_vcpu, 1, __ATOMIC_SEQ_CST);
	uint64_t mine = 0x9e3779b97f4a7c15ull * (me + 1);

	make_vms(me);
	for (unsigned i = 0; i < 1500; i++) {
		const unsigned vm = 1 + (unsigned)(mine >> 20) % VMS;
		const uint64_t page = VICTIM + (mine >> 32) % 8 * 4096;

		mine ^= mine << 13;
		mine ^= mine >> 7;
		mine ^= mine << 17;
		give(vm, page, mine & 1 ? ALL : 0x8000);
		states[me].state = (struct tdx_l2_state){.rip = page + mine % 4096, .rflags = 2};
		enter(vm, me, (unsigned)(mine >> 8) & 3);
		if (mine % 16 == 0) {
			vmcall4(MAP_GPA, page | SHARED, 4096, 0, 0);
			vmcall4(MAP_GPA, page, 4096, 0, 0);
			tdcall3(PAGE_ACCEPT, page, 0, 0, 0);
		}
		if (mine % 32 == 1)
			tdcall3(VP_INVEPT, 0xe, 0, 0, 0);
	}
}

static void l1_all_4(void)
{
	fill();
	all_do(4, fight);
}

void second_main(void)
{
}

static const struct hostile guests[] = {
	GUEST(l1_by_chance),	      GUEST(l1_overwritten), GUEST(l1_state_gone),
	GUEST(l1_state_not_accepted), GUEST(l1_all_4),
};

void guest_main(uint64_t entry, const uint8_t *boot_params)
{
	(void)entry;
	run_guest(boot_params, guests, sizeof(guests) / sizeof(guests[0]));
}
