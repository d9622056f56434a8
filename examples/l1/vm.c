/* SPDX-License-Identifier: MIT */
/* A VM: its memory, the state it starts in, and its control registers. */
#include "l1.h"

#include "arch/vmcs.h"
#include "arch/x86.h"

#define CODE64	     0x00af9b000000ffffull
#define DATA	     0x00cf93000000ffffull
#define TABLE	     3ull /* present, writable */
#define PAGE_1G	     0x83ull
#define ALL_SEGMENTS 0xffffffffu

enum { CS = 0x10, DS = 0x18, GDT_LIMIT = 0x1f };

/* What the processor has anyway, and the VM is not shown. */
#define CR0_HIDDEN (CR0_NE | CR0_CD | CR0_NW)
#define CR4_HIDDEN (CR4_VMXE | CR4_MCE)

void vm_vmcs(uint32_t encoding, uint64_t value, uint64_t mask)
{
	must(tdg_l2_vmcs_wr(&port, VM, encoding, value, mask), "a field of the VM's VMCS");
}

void vm_init(struct vm *vm, uint64_t ram_end)
{
	static struct tdx_l2_state state __attribute__((aligned(TDX_L2_STATE_ALIGN)));
	static uint8_t apic_page[TDX_PAGE_SIZE] __attribute__((aligned(4096)));

	vm->state = &state;
	vm->apic_page = apic_page;
	vm->ram_end = ram_end;
	vm->status = -1;
	vm_vmcs(VMCS_VIRTUAL_APIC_ADDRESS, (uintptr_t)apic_page, ~(TDX_PAGE_SIZE - 1));
	vm_vmcs(VMCS_CR0_GUEST_HOST_MASK, CR0_HIDDEN, ~0ull);
	vm_vmcs(VMCS_CR4_GUEST_HOST_MASK, CR4_HIDDEN, ~0ull);
	msr_init();
	apic_init(vm);
}

void vm_set_cr0(struct vm *vm, uint64_t cr0)
{
	uint64_t efer;

	vm->cr0 = cr0;
	vm_vmcs(VMCS_CR0_READ_SHADOW, cr0, ~0ull);
	vm_vmcs(VMCS_GUEST_CR0, (cr0 & ~(CR0_CD | CR0_NW)) | CR0_NE, ~0ull);
	/* the module has made EFER.LMA of it; the processor wants to be told twice */
	must(tdg_l2_vmcs_rd(&port, VM, VMCS_GUEST_EFER, &efer), "EFER");
	vm_vmcs(VMCS_ENTRY_CTLS, efer & EFER_LMA ? ENTRY_IA32E_MODE_GUEST : 0,
		ENTRY_IA32E_MODE_GUEST);
}

void vm_set_cr4(struct vm *vm, uint64_t cr4)
{
	vm->cr4 = cr4;
	vm_vmcs(VMCS_CR4_READ_SHADOW, cr4, ~0ull);
	vm_vmcs(VMCS_GUEST_CR4, cr4 | CR4_HIDDEN, ~0ull);
}

/* The first 4 GiB by large pages, and flat segments. */
static void make_tables(void)
{
	uint64_t *pml4 = (uint64_t *)VM_PML4, *pdpt = (uint64_t *)VM_PDPT,
		 *gdt = (uint64_t *)VM_GDT;

	__builtin_memset(pml4, 0, TDX_PAGE_SIZE);
	__builtin_memset(pdpt, 0, TDX_PAGE_SIZE);
	pml4[0] = VM_PDPT | TABLE;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = i << 30 | PAGE_1G;
	gdt[CS / 8] = CODE64;
	gdt[DS / 8] = DATA;
}

void vm_start_at(struct vm *vm, uint64_t rip)
{
	static const uint16_t data[] = {VMCS_GUEST_DS_SELECTOR, VMCS_GUEST_ES_SELECTOR,
					VMCS_GUEST_SS_SELECTOR};

	make_tables();
	vm_vmcs(VMCS_GUEST_CR3, VM_PML4, ~0ull);
	vm_set_cr4(vm, CR4_PAE);
	vm_vmcs(VMCS_GUEST_EFER, EFER_LME, EFER_LME);
	vm_set_cr0(vm, CR0_PG | CR0_ET | CR0_PE);
	vm_vmcs(VMCS_GUEST_GDTR_BASE, VM_GDT, ~0ull);
	vm_vmcs(VMCS_GUEST_GDTR_LIMIT, GDT_LIMIT, ALL_SEGMENTS);
	vm_vmcs(VMCS_GUEST_CS_SELECTOR, CS, 0xffff);
	vm_vmcs(VMCS_GUEST_CS_AR, SEG_AR_CODE64, ALL_SEGMENTS);
	for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		vm_vmcs(data[i], DS, 0xffff);
	vm->state->rip = rip;
	vm->state->rflags = RFLAGS_FIXED;
	vm->state->gpr.rsp = VM_GDT + TDX_PAGE_SIZE;
}

bool vm_give(const struct vm *vm, uint64_t gpa)
{
	const uint64_t start = gpa & ~(TDX_SIZE_2M - 1);
	struct tdx_status s;

	if (start >= vm->ram_end || (start < L1_MEMORY_END && start + TDX_SIZE_2M > L1_MEMORY))
		return false;
	s = tdg_l2_pages(&port, VM, tdx_gpa(start),
			 vm->ram_end - start < TDX_SIZE_2M ? vm->ram_end - start : TDX_SIZE_2M,
			 TDG_L2_ALL, NULL);
	must(s, "giving memory to the VM");
	return true;
}
