/* SPDX-License-Identifier: MIT */
/* The inside of the board: its processors, and what each part does for them. */
#ifndef BOARD_INTERNAL_H
#define BOARD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "arch/msr.h"
#include "arch/vmx.h"
#include "arch/x86.h"
#include "board/board.h"
#include "device/apic.h"
#include "device/clock.h"
#include "device/ioapic.h"
#include "device/timers.h"
#include "device/uart.h"
#include "device/vtd.h"
#include "machine/machine.h"
#include "machine/state.h"
#include "system/system.h"
#include "x86/x86.h"

/* Memory below 1 MiB, reserved in the memory map from the first of these on. */
#define BOARD_NO_VMCS  (~0ull)
#define BOARD_RESERVED 0x90000ull
#define BOARD_PML4     0x92000ull /* with 5 more: 4 GiB as they are */
#define BOARD_GDT      0x98000ull
#define BOARD_MAILBOX  0x9d000ull
#define BOARD_RESET_AT 0x9e000ull /* where a processor goes back to the firmware */
#define BOARD_STACK    0x8fff0ull
#define BOARD_ACPI     0xe0000ull
#define BOARD_ACPI_END 0x100000ull

enum {
	BOARD_MSRS = 96,
	BOARD_MISSING_MAX = 256,
	PORT_FIRMWARE = 0xf5, /* written by the code at BOARD_RESET_AT */
};

/* Where a processor is when it is at rest. */
enum board_at { BOARD_AT_FIRMWARE, BOARD_AT_CODE, BOARD_AT_HLT, BOARD_AT_HLT_OFF };

/* Lines of a page that were flushed: all 64 make the page. */
struct flushing {
	uint64_t page, lines;
};

enum { FORGET_MAX = 32, FLUSHING = 8 };

struct sanitizer_cpu {
	pthread_mutex_t lock; /* of what others want forgotten */
	uint64_t forget[FORGET_MAX];
	unsigned nforget;
	bool forget_all;
	struct flushing flushing[FLUSHING]; /* by page */
};

struct board_cpu {
	struct board *board;
	unsigned id;
	struct machine_lp *lp;
	struct x86_cpu *x86;
	struct apic apic;
	struct timer timer;
	pthread_t thread;
	bool started;
	pthread_cond_t turn; /* its turn has come; with turns.lock */
	/* What it waits for; NULL: nothing. Written by its thread, asked by who has the turn. */
	bool (*ready)(const struct board_cpu *c);
	bool waits_with_if; /* HLT with interrupts enabled */
	/* At rest, and where; where it begins. Under rest.lock. */
	_Atomic bool resting;
	enum board_at at;

	pthread_mutex_t lock;	 /* of `wake` */
	pthread_cond_t wake;	 /* an event, or the end */
	_Atomic bool nmi;	 /* pending */
	_Atomic bool init;	 /* pending; VMX operation blocks it */
	_Atomic bool debug_kick; /* the debugger wants to hold it */
	struct board_points points;
	_Atomic bool in_seam; /* in a SEAMCALL: what interrupts it goes through the system */
	_Atomic bool halted;  /* with interrupts off, or not started */

	struct board_msr {
		uint32_t number;
		bool writable;
		uint64_t value;
	} msr[BOARD_MSRS];
	unsigned nmsrs;

	struct sanitizer_cpu san;
	uint32_t lost;		      /* MSRs as a TD left them, by host_state.c */
	struct board_chain lost_here; /* where it was entered */

	bool vmxon;
	uint64_t vmxon_pa, vmcs_pa; /* BOARD_NO_VMCS: none current */
};

/* Virtual time: see turns.c. Of who has the turn, but for the two that are under the lock. */
struct turns {
	bool on;
	pthread_mutex_t lock;
	unsigned holder; /* under it */
	int64_t left;	 /* instructions of this turn */
	uint64_t random;
};

/* All of them at rest: see rest.c. */
struct rest {
	_Atomic bool wanted;
	pthread_mutex_t lock; /* of what follows, and of what is told */
	pthread_cond_t go;
	unsigned resting; /* processors */
};

struct board {
	struct board_config cfg;
	struct system *sys;
	const struct tdx_engine *engine; /* of TDs; the system's */
	struct machine *m;
	struct x86_code *code;
	struct timers *timers;
	uint64_t rsdp;
	unsigned per_package, core_shift;      /* processors, and bits for them in an APIC id */
	_Atomic uint64_t text_start, text_end; /* of the kernel; 0: not known */

	struct turns turns;
	struct rest rest;
	int pagemap;	     /* which memory is there; -1: not told, all is looked at */
	bool loaded;	     /* from a file: nothing starts at an entry */
	bool loading;	     /* what a device has to tell is told when all is there */
	uint8_t *loaded_ram; /* a bit for each SNAPSHOT_GRANULE of RAM that came from there */

	/* Devices. One that has state says it in X_save() and X_load(), which snapshot.c lists. */
	pthread_mutex_t io; /* those but local APICs and virtio, and the list of what is missing */
	struct board_cpu *accesses; /* who accesses a device now; NULL: the world outside does */
	struct uart uart;
	struct ioapic ioapic;
	struct vtd vtd;
	struct virtio_bank virtio; /* whose locks come before `io` */
	struct clock clock;
	struct board_missing missing[BOARD_MISSING_MAX];
	unsigned nmissing;

	struct sanitizer *san; /* NULL: caches are not watched */

	pthread_mutex_t mailbox_lock; /* the wake-up mailbox */
	pthread_cond_t mailbox;

	_Atomic bool ended;
	enum board_end end; /* these two under `io`, by the first who ends it */
	char reason[160];
	unsigned ncpus;
	struct board_cpu cpu[];
};

static inline struct board_cpu *board_cpu_of(struct x86_cpu *x86)
{
	return x86->owner;
}

/* --- board.c --- */
void board_ends(struct board *b, enum board_end end, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- cpu.c: a processor's thread --- */
extern const struct x86_ops board_x86_ops;
/* Before any of them runs: what others see of it where it begins. */
void board_cpu_begin(struct board_cpu *c);
/* Executes until the processor goes back to the firmware, or the machine ends. */
void board_cpu_loop(struct board_cpu *c);
/* Something for the processor to look at. Any thread. */
void board_cpu_wake(struct board_cpu *c);

/* --- rest.c --- */
/* If they are to rest: until they go on. What the processor is at, it is at after it, too. */
void board_rest(struct board_cpu *c, enum board_at at);
/* It is to come to rest, and has not yet. */
bool board_rest_calls(const struct board_cpu *c);
/* The machine has ended. */
void board_rest_ends(struct board *b);

/* --- turns.c: virtual time; all but the first for boards that have it --- */
/* So many instructions have been executed; true: another may have more use for the time. */
void board_turn(struct board_cpu *c, uint64_t instructions, bool gives_way);
void board_turns_start(struct board *b, uint64_t seed);
void board_turns_end(struct board *b);
/* Instructions that the processor whose turn it is may execute, at least 1. */
uint64_t board_turn_left(const struct board *b);
/* Waits for this processor's turn, or for the end. */
void board_turn_take(struct board_cpu *c);
/* Waits for the condition, or for the end; then it is this processor's turn. */
void board_turn_until(struct board_cpu *c, bool (*ready)(const struct board_cpu *c));

/* --- firmware.c: what is in memory before the kernel, and the other processors' waiting --- */
bool board_firmware_build(struct board *b);
/* Long mode on the firmware's page tables. */
void board_firmware_enter(struct board_cpu *c, uint64_t rip);
void *board_firmware_wait(void *cpu);
/* A command is there that no processor has taken yet. */
bool board_mailbox_waits(struct board *b);
/* One is for this processor. Who has the turn. */
bool board_mailbox_ready(const struct board_cpu *c);
void board_mailbox_access(struct board *b, uint64_t offset, void *data, unsigned size, bool write);

/* --- interrupts.c: the local APIC and its bus --- */
void board_apic_start(struct board_cpu *c);
/* To whom it is for, `from` the id of the APIC it comes from; ~0: of none. Any thread. */
void board_bus_send(struct board *b, uint32_t from, const struct apic_message *m);
int board_intr_ack(struct x86_cpu *x86);
void board_cr8_written(struct x86_cpu *x86);
/* An event ends a TD's run: acknowledged as the exit does. machine.acknowledge. */
uint32_t board_acknowledge(void *board, struct machine_lp *lp);
/* Its service ends; it is given back. machine.eoi, machine.self_ipi. */
void board_eoi(void *board, struct machine_lp *lp);
void board_self_ipi(void *board, struct machine_lp *lp, enum machine_ipi kind, uint8_t vector);

/* --- devices.c: what is behind addresses, its interrupts and its accesses to memory --- */
void board_devices_start(struct board *b);
/* All of a snapshot is there: what has come for the machine meanwhile is told. */
void board_devices_loaded(struct board *b);
/* From here on until the other, under b->io, it is this processor's access. */
void board_devices_enter(struct board_cpu *c);
void board_devices_leave(struct board *b);
/* False: no device is there. */
bool board_device(struct board_cpu *c, uint64_t pa, void *data, unsigned size, bool write);
/* What a device reads and writes of memory, for a processor whose access it serves (NULL:
 * nobody's). False: not all of it is memory; nothing was done. */
bool board_dma_read(struct board *b, struct board_cpu *c, uint64_t pa, void *buf, size_t len);
bool board_dma_write(struct board *b, struct board_cpu *c, uint64_t pa, const void *buf,
		     size_t len);
/* A local APIC is done with a level-triggered interrupt. */
void board_ended_level(struct board *b, uint8_t vector);

/* --- virtio.c --- */
void board_virtio_start(struct board *b);
bool board_virtio_access(struct board_cpu *c, uint64_t pa, void *data, unsigned size, bool write);

/* --- memory.c --- */
/* RAM from the page's beginning to its end, for processors and devices. */
bool board_is_ram(const struct machine *m, uint64_t page_pa);
unsigned board_gpa_map(struct x86_cpu *x86, uint64_t pa, unsigned access, void **host,
		       uint64_t *qual);
void board_mmio(struct x86_cpu *x86, uint64_t pa, void *data, unsigned size, bool write);

/* --- cpuid.c --- */
struct cpuid_regs board_cpuid(const struct board_cpu *c, uint32_t leaf, uint32_t subleaf);
/* What its XCR0 can be. */
uint64_t board_xcr0(const struct board_cpu *c);
/* What its processors have because this computer has it, beside XCR0: bits of leaves 1, 7.0, 7.1 of
 * CPUID. */
struct board_vectors {
	uint64_t xcr0;
	uint32_t bits[3][4];
};
void board_vectors(const struct board *b, struct board_vectors *v);
/* The name of one of these that the board does not have; NULL: it has all. */
const char *board_lacks(const struct board *b, const struct board_vectors *v);
void board_cpuid_for_x86(struct x86_cpu *x86, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/* --- msr.c --- */
void board_msrs_start(struct board_cpu *c);
enum x86_msr_answer board_rdmsr(struct x86_cpu *x86, uint32_t msr, uint64_t *value);
enum x86_msr_answer board_wrmsr(struct x86_cpu *x86, uint32_t msr, uint64_t value);
/* What else of it was set is lost. */
void board_msr_keep(struct board_cpu *c, uint32_t msr, uint64_t bits);
void board_msr_set(struct board_cpu *c, uint32_t msr, uint64_t value);
/* The value of an MSR of the platform. */
uint64_t board_msr(const struct board_cpu *c, uint32_t msr);

/* --- chain.c --- */
/* Where it is. The processor's thread, in callbacks of the engine or with it left. */
void board_chain(struct board_cpu *c, struct board_chain *chain);

/* --- sanitizer.c: what a host owes the caches --- */
bool board_sanitizer_start(struct board *b);
void board_sanitizer_free(struct board *b);
/* Its part of a snapshot: two numbers, two tables; with none, nothing. False: they cannot be. */
void board_sanitizer_counts(const struct board *b, uint64_t *reports, uint32_t *chains);
bool board_sanitizer_counted(struct board *b, uint64_t reports, uint32_t chains);
unsigned board_sanitizer_areas(struct board *b, struct machine_bytes area[2]);
bool board_sanitizer_is_sound(const struct board *b);
/* Before the first load or store of a page since it last changed hands or was cleaned. */
/* False: what is there is poisoned. */
bool board_sanitizer_load(struct board_cpu *c, uint64_t pa);
bool board_sanitizer_store(struct board_cpu *c, uint64_t pa, bool whole_line);
void board_cache_line(struct x86_cpu *x86, uint64_t pa, enum x86_cache_op op);
void board_direct_store(struct x86_cpu *x86, uint64_t pa, unsigned size);
void board_fence(struct x86_cpu *x86);
/* Of another part of the board, under no lock. */
void board_tell(struct board *b, const struct board_report *report);
/* What other processors did to pages this one may still access directly. */
void board_sanitizer_catch_up(struct board_cpu *c);

/* --- host_state.c: what a TD takes with it of its host's state --- */
/* A TD has run: what TDH.VP.ENTER's description calls modified is so. */
void board_lose_host_state(struct board_cpu *c);
/* The host wrote the MSR. */
void board_host_state_written(struct board_cpu *c, uint32_t msr, uint64_t value);
/* User code must not see what is lost. */
void board_user_mode(struct x86_cpu *x86);

/* --- debug.c --- */
void board_debug_before(struct board_cpu *c);
void board_debug_gone(const struct board_cpu *c);
/* True: the exit was the debugger's. */
bool board_debug_exit(const struct board_cpu *c, const struct x86_exit *e);
/* What it was has been done. */
void board_debug_after(const struct board_cpu *c, const struct x86_exit *e);

/* --- ports.c --- */
/* False: the processor goes back to its firmware. */
bool board_port(struct board_cpu *c, const struct x86_exit *e);
void board_is_missing(struct board_cpu *c, enum board_missing_kind kind, uint64_t number);

/* --- mce.c --- */
/* A load of poison at this address; the instruction has not been executed. */
void board_machine_check(struct board_cpu *c, uint64_t pa);

/* --- vmx.c: VMX root operation --- */
void board_vmx(struct board_cpu *c, const struct x86_exit *e);
/* --- seamcall.c --- */
void board_seamcall(struct board_cpu *c, const struct x86_exit *e);

static inline void board_raise(struct board_cpu *c, unsigned vector, bool has_error)
{
	x86_inject(c->x86, (uint8_t)vector, VMX_EVENT_EXCEPTION, has_error, 0, 0);
}

#endif
