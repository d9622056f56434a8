/* SPDX-License-Identifier: MIT */
/* What firmware leaves in memory, and the other processors waiting in it: the ACPI multiprocessor
 * wake-up mailbox, version 1 (ACPI 6.6, 5.2.12.19).
 *
 * No code waits: a processor that is in the firmware is a sleeping thread, and the mailbox is a
 * device, whose command wakes it. It comes back by the code at the reset vector, whose OUT is seen.
 */
#include "board/internal.h"

#include <string.h>

#include "../firmware/acpi.h"

enum {
	PAGE_2M = 1 << 21,
	GDT_CODE = 0x10,
	GDT_DATA = 0x18,
	COMMAND_WAKEUP = 1,
};

struct mailbox {
	uint16_t command, reserved;
	uint32_t apic_id;
	uint64_t vector;
	uint8_t pad[2048 - 16];
};

static void put64(struct board *b, uint64_t pa, uint64_t v)
{
	memcpy(machine_ptr(b->m, pa), &v, sizeof(v));
}

static void build_pages(struct board *b)
{
	put64(b, BOARD_PML4, (BOARD_PML4 + 0x1000) | PTE_P | PTE_W);
	for (uint64_t gib = 0; gib < 4; gib++) {
		const uint64_t directory = BOARD_PML4 + 0x2000 + 0x1000 * gib;

		put64(b, BOARD_PML4 + 0x1000 + 8 * gib, directory | PTE_P | PTE_W);
		for (uint64_t i = 0; i < 512; i++)
			put64(b, directory + 8 * i,
			      (gib << 30 | i * PAGE_2M) | PTE_P | PTE_W | PTE_PS);
	}
	put64(b, BOARD_GDT + GDT_CODE, 0x00af9b000000ffff);
	put64(b, BOARD_GDT + GDT_DATA, 0x00cf93000000ffff);
}

bool board_firmware_build(struct board *b)
{
	static const uint8_t back[] = {0xe6, PORT_FIRMWARE, 0xeb, 0xfc}; /* out %al; jmp to it */
	uint32_t ids[MACHINE_MAX_LPS];

	for (unsigned i = 0; i < b->ncpus; i++)
		ids[i] = b->m->lp[i].x2apic_id;
	build_pages(b);
	memcpy(machine_ptr(b->m, BOARD_RESET_AT), back, sizeof(back));
	b->rsdp = acpi_build(&(struct acpi_machine){
		.at = machine_ptr(b->m, BOARD_ACPI),
		.pa = BOARD_ACPI,
		.size = BOARD_ACPI_END - BOARD_ACPI,
		.processors = b->ncpus,
		.apic_id = ids,
		.ioapic = b->cfg.polled ? 0 : IOAPIC_ADDRESS,
		.serials = 1,
		.vtd = b->cfg.polled ? 0 : VTD_ADDRESS,
		.ioapic_source = VTD_IOAPIC_SOURCE,
		.mailbox = BOARD_MAILBOX,
		.reset = BOARD_RESET_AT,
	});
	return b->rsdp != 0;
}

void board_firmware_enter(struct board_cpu *c, uint64_t rip)
{
	struct x86_cpu *x = c->x86;

	x->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	x->cr3 = BOARD_PML4;
	x->cr4 = CR4_PAE;
	x->efer = EFER_LME | EFER_LMA | EFER_NXE;
	x->xcr0 = XFAM_X87;
	x->cr8 = 0;
	x->nmi_blocked = false;
	x->shadow = 0;
	for (unsigned i = 0; i < X86_NOSEG; i++)
		x->seg[i] = (struct x86_seg){.limit = UINT32_MAX,
					     .ar = i == X86_CS ? SEG_AR_CODE64 : SEG_AR_DATA,
					     .sel = i == X86_CS ? GDT_CODE : GDT_DATA};
	x->gdtr = (struct x86_dtr){BOARD_GDT, GDT_DATA + 7};
	x->idtr = (struct x86_dtr){0, 0};
	x->rip = rip;
	x->regs = (struct tdx_regs){.rsi = BOARD_BOOT_PARAMS, .rsp = BOARD_STACK};
	x86_set_rflags(x, RFLAGS_FIXED);
	x86_state_changed(x);
	x86_tlb_flush(x);
}

static struct mailbox *mailbox_of(const struct board *b)
{
	return machine_ptr(b->m, BOARD_MAILBOX);
}

void board_mailbox_access(struct board *b, uint64_t offset, void *data, unsigned size, bool write)
{
	uint8_t *at = (uint8_t *)mailbox_of(b) + offset;

	pthread_mutex_lock(&b->mailbox_lock);
	if (write)
		memcpy(at, data, size);
	else
		memcpy(data, at, size);
	if (write)
		pthread_cond_broadcast(&b->mailbox);
	pthread_mutex_unlock(&b->mailbox_lock);
}

bool board_mailbox_waits(struct board *b)
{
	bool waits;

	pthread_mutex_lock(&b->mailbox_lock);
	waits = mailbox_of(b)->command != 0;
	pthread_mutex_unlock(&b->mailbox_lock);
	return waits;
}

bool board_mailbox_ready(const struct board_cpu *c)
{
	const struct mailbox *m = mailbox_of(c->board);

	return m->command && m->apic_id == c->lp->x2apic_id;
}

/* The next command for this processor; its vector. 0: the machine ends. */
static uint64_t wait_for_vector(struct board_cpu *c)
{
	struct board *b = c->board;
	struct mailbox *m = mailbox_of(b);
	uint64_t vector = 0;

	pthread_mutex_lock(&b->mailbox_lock);
	while (!vector && !atomic_load(&b->ended)) {
		if (board_mailbox_ready(c)) {
			if (m->command == COMMAND_WAKEUP)
				vector = m->vector;
			/* Before it is answered: who asked may halt next. */
			atomic_store(&c->halted, vector == 0);
			m->command = 0; /* a test is answered so, too */
		} else if (b->turns.on) {
			pthread_mutex_unlock(&b->mailbox_lock);
			board_turn_until(c, board_mailbox_ready);
			board_rest(c, BOARD_AT_FIRMWARE);
			pthread_mutex_lock(&b->mailbox_lock);
		} else if (atomic_load(&c->debug_kick) || board_rest_calls(c)) {
			pthread_mutex_unlock(&b->mailbox_lock);
			board_debug_before(c);
			board_rest(c, BOARD_AT_FIRMWARE);
			pthread_mutex_lock(&b->mailbox_lock);
		} else {
			pthread_cond_wait(&b->mailbox, &b->mailbox_lock);
		}
	}
	pthread_mutex_unlock(&b->mailbox_lock);
	return vector;
}

void *board_firmware_wait(void *cpu)
{
	struct board_cpu *c = cpu;
	uint64_t vector;

	board_debug_before(c);
	for (;;) {
		if (c->at == BOARD_AT_FIRMWARE) {
			vector = wait_for_vector(c);
			if (!vector)
				break;
			board_firmware_enter(c, vector);
		}
		board_cpu_loop(c);
		c->at = BOARD_AT_FIRMWARE;
		/* As after power-on, before it can be woken again: who wakes it may send to it at
		 * once. */
		c->vmxon = false;
		board_msrs_start(c);
		board_apic_start(c);
		atomic_store(&c->halted, true);
	}
	board_debug_gone(c);
	return NULL;
}
