/* SPDX-License-Identifier: MIT */
/* The parts of the example L1 VMM: what a kernel supplies (machine.c), the VM's memory and first
 * state (vm.c, linux.c, tiny.S), its devices (apic.c), its exits (exits.c). */
#ifndef EXAMPLE_L1_H
#define EXAMPLE_L1_H

#include <swtdx/l2.h>

#include "device/uart.h"

/* Guest-physical memory, which the VM shares: it has all but what is the L1 VMM's own. */
#define L1_MEMORY     0x800000ull /* the firmware's, then this program */
#define L1_MEMORY_END 0x1000000ull
#define LOW_END	      0xa0000ull
#define HIGH	      0x100000ull
/* Of the VM's, what it starts with. */
#define VM_BOOT_PARAMS 0x1000ull
#define VM_CMDLINE     0x2000ull
#define VM_PML4	       0x3000ull
#define VM_PDPT	       0x4000ull
#define VM_GDT	       0x5000ull
#define VM_MAILBOX     0x6000ull
#define VM_ACPI	       0x7000ull
#define VM_ACPI_SIZE   0x4000u
#define VM_LOW	       0x10000ull /* the first page that is RAM to it */

enum { VM = 1, EXITS = 80 };

struct vm {
	struct tdx_l2_state *state;
	uint8_t *apic_page; /* its virtual APIC */
	uint32_t apic[64];  /* registers that the page has not: by MSR - 0x800 */
	uint64_t deadline;  /* of its timer, by the TSC; ~0: not set */
	uint64_t ram_end;
	uint64_t cr0, cr4; /* as it wrote them */
	struct uart uart;
	uint64_t exits[EXITS];
	int status; /* it has ended with that; < 0: it runs */
};

/* What the traps of start.S leave on the stack. */
struct trap {
	struct tdx_regs regs; /* RSP is not there */
	uint64_t rip, cs, rflags, rsp, ss;
};

/* --- start.S --- */
void ve_entry(void);
void double_fault_entry(void);
void timer_entry(void);

/* --- tiny.S: a VM of a few instructions --- */
extern const uint8_t tiny_code[], tiny_end[];

/* --- machine.c --- */
extern const struct tdg_port port;

void machine_init(void);
void say(const char *text);
void say_number(uint64_t n);
_Noreturn void fatal(const char *why);
_Noreturn void power_off(unsigned status);
uint64_t rdtsc(void);
void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
void take_interrupts(void);
/* Halt until the TSC has come so far, or until something else has woken the processor. */
void wait_until(uint64_t tsc);
/* The host's serial port. */
bool serial_ready(void);
uint8_t serial_get(void);
void serial_put(uint8_t byte);

static inline void must(struct tdx_status s, const char *what)
{
	if (!tdx_is_success(s))
		fatal(what);
}

/* --- vm.c --- */
void vm_init(struct vm *vm, uint64_t ram_end);
void vm_vmcs(uint32_t encoding, uint64_t value, uint64_t mask);
/* In 64-bit mode, memory mapped to itself. */
void vm_start_at(struct vm *vm, uint64_t rip);
/* It gets the 2M around the page. False: that is none of its own. */
bool vm_give(const struct vm *vm, uint64_t gpa);
/* As the processor has it: what the VM may not have of CR0 and CR4 is hidden from it. */
void vm_set_cr0(struct vm *vm, uint64_t cr0);
void vm_set_cr4(struct vm *vm, uint64_t cr4);

/* --- linux.c --- */
/* The kernel of the bundle that the L1 VMM was started with; NULL, or what is wrong with it. */
const char *linux_load(struct vm *vm, const uint8_t *boot_params);
/* What the firmware says: where memory ends. */
uint64_t linux_ram_end(const uint8_t *boot_params);

/* --- apic.c --- */
void apic_init(struct vm *vm);
/* False: there is no such register, #GP. */
bool apic_read(struct vm *vm, uint32_t msr, uint64_t *value);
bool apic_write(struct vm *vm, uint32_t msr, uint64_t value);
void apic_set_deadline(struct vm *vm, uint64_t tsc);
/* If the time has come, the timer's interrupt. */
void apic_poll(struct vm *vm);
/* Is there an interrupt that its priority lets through? */
bool apic_pending(const struct vm *vm);

/* --- exits.c --- */
/* Until it has ended: its status. */
int vm_run(struct vm *vm);
void vm_tell_exits(const struct vm *vm);

/* --- msr.c --- */
void msr_init(void);
bool msr_read(struct vm *vm, uint32_t msr, uint64_t *value);
bool msr_write(struct vm *vm, uint32_t msr, uint64_t value);

#endif
