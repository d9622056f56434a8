/* SPDX-License-Identifier: MIT */
/* The parts of the VMM: the image a TD starts from (image.c), the TD (td.c), its run (run.c) with
 * an I/O APIC (ioapic.c) and quotes (quote.c). */
#ifndef KVM_TDX_VMM_H
#define KVM_TDX_VMM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

enum { PAGE = 4096, SECTIONS = 16, VCPUS = 16, SLOTS = 3, IOAPIC_PINS = 24, COM1_PIN = 4 };

/* TDX Virtual Firmware Design Guide, "TDVF metadata". */
enum section_type { SECTION_BFV, SECTION_CFV, SECTION_HOB, SECTION_TEMP, SECTION_PERM };

struct section {
	uint32_t offset, raw_size;
	uint64_t gpa, size;
	uint32_t type, attributes;
};

struct image {
	uint8_t *bytes;
	size_t size;
	struct section section[SECTIONS];
	unsigned nsections;
};

/* A range of guest-physical memory: private pages in a guest_memfd, shared ones in `shared`. */
struct slot {
	uint64_t gpa, size;
	uint8_t *shared;
	int memfd;
};

struct td;

struct vcpu {
	struct td *td;
	unsigned id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
};

struct td {
	int kvm, vm;
	unsigned nvcpus, pages; /* what the hello TD asks for at PORT_PAGES */
	unsigned mode;		/* and threads.bin at PORT_MODE */
	bool with_ve;		/* pages that are not accepted are a #VE's */
	unsigned idle;		/* conversions to answer without any; under td.lock */
	const char *quotes;	/* the command that makes them; NULL: there are none */
	uint64_t memory;
	struct image image;
	struct slot slot[SLOTS];
	unsigned nslots;
	struct vcpu vcpu[VCPUS];
	pthread_mutex_t lock; /* of conversions */
	_Atomic bool ended;
	_Atomic int status; /* the TD's */
	pthread_mutex_t io; /* of what follows */
	uint8_t com[8];	    /* registers of the serial port */
	bool com_emptied;   /* since that was last told */
	bool com_line;
	struct {
		uint32_t select, low[IOAPIC_PINS], high[IOAPIC_PINS];
	} ioapic;
	char line[512];
	unsigned line_length;
};

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- image.c --- */
void image_read(const char *path, struct image *image);
/* Part of the image: added before the TD runs. */
bool section_is_added(const struct section *s);
/* The resource list of this memory for the section TD_HOB, in size bytes. */
void image_hob(const struct image *image, uint64_t memory, const struct section *s, uint8_t *hob);

/* --- td.c --- */
void td_create(struct td *td);
void td_close(struct td *td);
/* A slot of private memory at SCRATCH, behind all others, is there from now on, or no more. */
void td_scratch(struct td *td, bool there);

/* --- ioapic.c, under td.io --- */
#define IOAPIC_ADDRESS 0xfec00000ull
#define IOAPIC_SIZE    0x1000ull
void ioapic_init(struct td *td);
uint32_t ioapic_read(struct td *td, uint64_t offset);
void ioapic_write(struct td *td, uint64_t offset, uint32_t value);
/* The line goes up. */
void ioapic_edge(struct td *td, unsigned pin);

/* --- quote.c --- */
/* GetQuote with this shared buffer, of QUOTE_HEADER bytes and more, aligned to a page. */
void quote_answer(struct td *td, uint8_t *shared, size_t size);

/* --- run.c --- */
/* Until it ends; its status. */
int td_run(struct td *td);

#endif
