/* SPDX-License-Identifier: MIT */
/* A computer whose processors are x86/ in VMX root operation: a host kernel in binary runs on it,
 * and its SEAMCALLs go to the system.
 *
 * No firmware runs: memory below 1 MiB has page tables, a GDT, ACPI tables and the wake-up mailbox,
 * and the first processor starts in long mode, as the 64-bit boot protocol has it. x2APICs that
 * cannot be left, TSC-deadline timers, an I/O APIC whose interrupts VT-d remaps, a serial port, a
 * real-time clock, sleep and reset registers; no PCI, no xAPIC, no legacy interrupt controller.
 * Functions may be called before board_run() only, unless they say otherwise. */
#ifndef BOARD_BOARD_H
#define BOARD_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <swtdx/system.h>
#include <swtdx/types.h>
#include <swtdx/x86.h>

#include "device/uart.h"
#include "device/virtio_bank.h"

struct board;
struct module;
struct system;

/* Where a processor was: its instruction, then what looks like return addresses on its stack. */
enum { BOARD_CHAIN = 10 };
struct board_chain {
	unsigned n;
	uint64_t rip[BOARD_CHAIN];
};

/* What a host owes the caches and did not do; once for a page and fault. */
struct board_report {
	const char *what, *duty; /* sentences' parts */
	uint64_t page;
	unsigned processor, old_keyid, keyid; /* of the lines there were, of this access */
	char dirtied_by[32], during[32];      /* "the host", "the guest", a leaf */
	struct board_chain used;	      /* of the processor now */
	struct board_chain dirtied; /* who last began to write the page as a host; n 0: unknown */
	struct board_chain gave;    /* who gave it to the module, n 0: nobody */
};

/* --- a debugger ---
 * A processor's state and points are for its own thread, and for any other while it is held in
 * before(). */
enum { BOARD_HARD = 4, BOARD_SEGMENTS = 6, BOARD_FXSAVE = 416 };

struct board_points {
	bool step;	    /* stop after one instruction */
	bool soft;	    /* at INT3 */
	unsigned hard_used; /* bits; at these linear addresses */
	uint64_t hard[BOARD_HARD];
};

enum board_stop { BOARD_STOP_STEP, BOARD_STOP_INT3, BOARD_STOP_HARD };

/* board_state_set() takes all but control registers, segments and their bases. */
struct board_state {
	struct tdx_regs regs;
	uint64_t rip, rflags, cr0, cr2, cr3, cr4, efer, fs_base, gs_base;
	uint16_t selector[BOARD_SEGMENTS]; /* ES CS SS DS FS GS */
	uint8_t fxsave[BOARD_FXSAVE];	   /* an FXSAVE image, as far as XMM15 */
};

/* Called under no lock, of the processor's thread but for ending(), which any may call. */
struct board_debug {
	void (*before)(void *arg, unsigned cpu); /* it executes, or waits; may block */
	void (*stopped)(void *arg, unsigned cpu, enum board_stop why); /* before() is next */
	void (*gone)(void *arg, unsigned cpu);
	void (*ending)(void *arg); /* what is held is to come out */
};

/* Bytes of RAM: what is below 4 GiB is always there. */
#define BOARD_MEMORY_LEAST (3ull << 30)
#define BOARD_MEMORY_MOST  (64ull << 30)

struct board_config {
	unsigned cpus, packages;
	uint64_t memory; /* bytes of RAM; 0: the default machine's */
	uint64_t seed;
	enum tdx_x86_execution execution; /* of the host's code and of TDs' */
	/* The clock is that of the instructions executed, processors take turns: equal seeds, and
	 * equal input, are equal runs. */
	bool virtual_clock;
	const struct uart_ops *console; /* called under the board's lock; irq is the board's */
	void *console_arg;
	/* NULL: caches are not watched. Called under a lock, of the processors' threads. */
	void (*report)(void *arg, const struct board_report *report);
	void *report_arg;
	/* Knobs of machines with a report. A load of poison is a machine check; so it is what the
	 * host writes to a page that was private and was not cleared by direct stores. */
	bool poison, partial_write;
	/* A call of the P-SEAMLDR loses the processor's current VMCS, and IA32_VMX_BASIC says so.
	 */
	bool seamret_loses_vmcs;
	/* A SEAMCALL is about to be executed, out NULL, or has been. Of the processor's thread. */
	void (*seamcall)(void *arg, unsigned cpu, const struct tdx_regs *in,
			 const struct tdx_regs *out);
	void *seamcall_arg;
	/* Of the I/O APIC, VT-d and the virtio devices the firmware tells nothing, and the serial
	 * port is polled: for kernels that cannot remap interrupts. */
	bool polled;
	/* The virtio devices, by their place; NULL: none. Their requests come of the processors'
	 * threads, one at a time for each device. */
	const struct virtio_kind *virtio[VIRTIO_BANK];
	const struct board_debug *debug; /* NULL: none */
	void *debug_arg;
	/* After board_pause(): all processors are at rest until it returns, and board_save() may be
	 * called; or, not NULL, why they do not come to rest. Of a processor's thread. */
	void (*paused)(void *arg, const char *why_not);
	void *paused_arg;
};

struct board_range {
	uint64_t base, size;
	bool ram; /* else reserved */
};

/* Where what the loader writes itself can be: a page each, below 1 MiB, reserved. */
#define BOARD_BOOT_PARAMS 0x90000ull
#define BOARD_CMDLINE	  0x91000ull

enum board_end {
	BOARD_OFF,    /* through the sleep control register */
	BOARD_RESET,  /* through the reset register */
	BOARD_HALTED, /* every processor waits with interrupts off */
	BOARD_STUCK,  /* a processor can go on no more: board_reason() */
};

/* NULL with a sentence in err. */
struct board *board_new(const struct board_config *cfg, char *err, size_t errlen);
void board_free(struct board *b);

/* The memory map; how many ranges there are, at most max of them written. */
unsigned board_map(const struct board *b, struct board_range *range, unsigned max);
/* RAM for the loader; NULL: not all of it is. */
void *board_ram(const struct board *b, uint64_t pa, uint64_t len);
/* The address of the ACPI tables' RSDP. */
uint64_t board_rsdp(const struct board *b);

/* Runs until the machine ends; the first processor starts at the entry, RSI = BOARD_BOOT_PARAMS. */
enum board_end board_run(struct board *b, uint64_t entry);
/* Why it is stuck. */
const char *board_reason(const struct board *b);
/* End it. Any thread. */
void board_stop(struct board *b, const char *why);

/* Something came for the console: its ops->ready() may have changed. False: not now, the devices
 * are busy. Any thread; never waits. */
bool board_console_came(struct board *b);

/* --- snapshots: see snapshot.c ---
 * A file has all of the machine: its memory as far as it is not zero, its processors, devices and
 * module, TDs among them. It holds what the memory holds, private memory too, and is as much to be
 * trusted as a program: who has the key can make one that says anything. One that was made with
 * another key, or changed in any bit, is refused. */

/* All processors come to rest, then cfg.paused() is told, once. Any thread. */
void board_pause(struct board *b);
enum { BOARD_KEY = 32 };
/* Writes all of it into an empty file. 0; a negative errno with a sentence in err. Only in
 * cfg.paused(). */
int board_save(struct board *b, int fd, const uint8_t key[BOARD_KEY], char *err, size_t errlen);
/* The machine of a file, to be run on by board_run(), whose entry does not count. Of cfg what is of
 * this process counts, and execution; a seed that is not 0 is another from here on. `seen` receives
 * what was of the file. The file's bytes are mapped: they are not to be changed while the machine
 * lives, fd may be closed. NULL with a sentence in err. */
struct board *board_load(const struct board_config *cfg, int fd, const uint8_t key[BOARD_KEY],
			 struct board_config *seen, char *err, size_t errlen);

struct system *board_system(struct board *b);
/* The module its processors have. */
struct module *board_module(struct board *b);
/* As system_inject(): an id, or -1 when there are too many. */
int board_inject(struct board *b, const struct tdx_fault *fault);
uint64_t board_fault_hits(const struct board *b, int id);
/* Where a processor is, of its own thread, in board_config.seamcall. */
void board_where(struct board *b, unsigned cpu, struct board_chain *chain);
/* 4K pages the module owns. */
uint64_t board_pages(const struct board *b);
/* By all processors as hosts. */
uint64_t board_instructions(const struct board *b);
/* With TDX_X86_EXECUTE_CHECK: executions of blocks that differed, of how many, and the first in
 * words.
 */
uint64_t board_differences(const struct board *b, uint64_t *compared, const char **first);

/* The kernel's code: what a return address is, beside modules. Without this, the range where Linux
 * has it. Any thread. */
void board_set_text(struct board *b, uint64_t start, uint64_t end);
/* Coherency faults, and late write-backs that came of those reported. */
uint64_t board_reports(const struct board *b);
/* What the module still owns, by who gave it: 4K pages of one enum tdx_page_type. After
 * board_run(). */
void board_visit_pages(const struct board *b,
		       void (*fn)(void *arg, uint64_t pages, int type,
				  const struct board_chain *gave),
		       void *arg);
/* Lines dirty in some cache under a KeyID that is free, by who gave their page. After board_run().
 */
void board_visit_stale(const struct board *b,
		       void (*fn)(void *arg, uint64_t lines, const struct board_chain *gave),
		       void *arg);

/* Where it stops from now on, and nowhere else. False: out of memory. */
bool board_arm(struct board *b, unsigned cpu, const struct board_points *points);
/* It is to come to before() soon. Any thread. */
void board_debug_kick(struct board *b, unsigned cpu);
void board_state_get(const struct board *b, unsigned cpu, struct board_state *s);
void board_state_set(struct board *b, unsigned cpu, const struct board_state *s);
/* Writes RAM, whoever executes it. False: not all of it is. */
bool board_poke(struct board *b, uint64_t pa, const void *bytes, size_t len);

/* What a kernel touched and is not there. */
enum board_missing_kind { BOARD_PORT, BOARD_RDMSR, BOARD_WRMSR, BOARD_ADDRESS };
struct board_missing {
	enum board_missing_kind kind;
	uint64_t number; /* of the port or MSR; the page of the address */
	uint64_t rip;	 /* who did it first */
	uint64_t times;
};
/* The i-th, false: there are not so many. After board_run(). */
bool board_missing(const struct board *b, unsigned i, struct board_missing *missing);

#endif
