/* SPDX-License-Identifier: MIT */
/* A local APIC in x2APIC mode: MSRs in, interrupts out (SDM volume 3, chapter 11).
 *
 * Two kinds of processor have one. A processor that runs by itself (APIC_WHOLE) has all registers
 * here and asks apic_acknowledge() for its next vector. A vCPU whose processor virtualizes TPR,
 * PPR, EOI, ISR, IRR and self-IPIs (a TD's; APIC_VIRTUALIZED) has the rest here, and each interrupt
 * is handed to ops->post().
 *
 * The owner brings the clock, a timer and the bus: an ICR write comes out of ops->send(), and the
 * owner gives it to each APIC for which apic_accepts() says so. Registers belong to the processor's
 * own thread; apic_deliver(), apic_pending() and apic_timer_fired() are for any. MSRs answer false
 * where the processor raises #GP. Nothing is allocated. */
#ifndef DEVICE_APIC_H
#define DEVICE_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/msr.h"

/* Delivery modes of the ICR and the LVT. */
enum apic_mode {
	APIC_FIXED = 0,
	APIC_LOWEST = 1,
	APIC_SMI = 2,
	APIC_NMI = 4,
	APIC_INIT = 5,
	APIC_SIPI = 6, /* of the LVT: reserved */
	APIC_EXTINT = 7,
};

enum apic_shorthand { APIC_TO_DEST, APIC_TO_SELF, APIC_TO_ALL, APIC_TO_OTHERS };

/* What one APIC asks of others. */
struct apic_message {
	uint32_t dest; /* ~0: all */
	uint8_t vector;
	enum apic_mode mode;
	enum apic_shorthand shorthand;
	bool logical; /* dest is a cluster in 31:16 and a bit each in 15:0 */
	bool level;   /* trigger mode; INIT with it is a de-assertion where `assert` is false */
	bool assert;
};

enum apic_kind { APIC_WHOLE, APIC_VIRTUALIZED };

struct apic;

struct apic_ops {
	/* APIC_VIRTUALIZED: an interrupt for the vCPU. Any thread. */
	void (*post)(void *arg, uint8_t vector);
	/* APIC_WHOLE: apic_pending() may have become true. Any thread. */
	void (*notify)(void *arg);
	/* NMI, INIT, SMI, SIPI (with its vector) or ExtINT for this processor. Any thread. */
	void (*event)(void *arg, enum apic_mode mode, uint8_t vector);
	/* An IPI; self-IPIs do not come here. */
	void (*send)(void *arg, const struct apic_message *m);
	/* The end of a level-triggered interrupt: for an I/O APIC. May be NULL. */
	void (*eoi)(void *arg, uint8_t vector);
	/* The clock: ticks now, and the tick at which the processor's TSC will be `tsc`. */
	uint64_t (*now)(void *arg);
	uint64_t (*tick_of_tsc)(void *arg, uint64_t tsc);
	/* Call apic_timer_fired() at that tick; 0 is never. False: out of resources. */
	bool (*timer)(void *arg, uint64_t due);
};

struct apic_config {
	uint32_t id;
	enum apic_kind kind;
	uint64_t clock_hz;   /* of ops->now() */
	uint64_t bus_hz;     /* of the timer in the counting modes */
	uint64_t min_period; /* of a periodic timer, in ticks: what the owner can keep up with */
};

struct apic {
	const struct apic_ops *ops;
	void *arg;
	struct apic_config config;
	/* By number from MSR_X2APIC_FIRST; ISR, TMR and IRR apart. */
	uint32_t reg[MSR_X2APIC_SELF_IPI - MSR_X2APIC_FIRST + 1];
	uint64_t icr;
	uint32_t isr[8];
	_Atomic uint32_t irr[8], tmr[8];
	_Atomic uint32_t errors;   /* since ESR was last written */
	_Atomic uint64_t deadline; /* TSC; 0 not armed */
	_Atomic uint64_t due;	   /* tick the timer expires at; 0 not armed */
	_Atomic uint64_t period;   /* ticks */
};

enum { APIC_LVTS = 7 };

/* The registers that a virtualizing processor leaves to its owner (APIC_VIRTUALIZED), and its timer
 * as time to go: plain data, of this machine's byte order. */
struct apic_state {
	uint64_t icr, deadline; /* a TSC */
	uint64_t left_ns;	/* of a timer that counts; 0: it does not */
	uint32_t lvt[APIC_LVTS], sivr, esr, errors, div_conf, init_count;
};

/* State after power-on. `a` and what `arg` points to outlive each other's use. */
void apic_init(struct apic *a, const struct apic_config *config, const struct apic_ops *ops,
	       void *arg);

/* x2APIC MSRs and IA32_TSC_DEADLINE. False: #GP, or not one of its MSRs. */
bool apic_read(struct apic *a, uint32_t msr, uint64_t *value);
bool apic_write(struct apic *a, uint32_t msr, uint64_t value);
static inline bool apic_has_msr(uint32_t msr)
{
	return msr == MSR_TSC_DEADLINE || (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST);
}

/* CR8 is TPR bits 7:4. */
static inline uint64_t apic_cr8(const struct apic *a)
{
	return a->reg[MSR_X2APIC_TPR - MSR_X2APIC_FIRST] >> 4;
}
static inline void apic_set_cr8(struct apic *a, uint64_t cr8)
{
	a->reg[MSR_X2APIC_TPR - MSR_X2APIC_FIRST] = (uint32_t)(cr8 & 0xf) << 4;
}

/* Its processor is stopped. */
void apic_save(struct apic *a, struct apic_state *s);
/* After apic_init(), with ops->tick_of_tsc() right already: any bytes make some state that a guest
 * could have made. */
void apic_load(struct apic *a, const struct apic_state *s);

/* All of an APIC_WHOLE: plain data, of this machine's byte order. */
struct apic_whole_state {
	struct apic_state common;
	uint64_t left; /* ticks that a timer still counts, where common.left_ns is not 0 */
	uint32_t tpr, isr[8], irr[8], tmr[8], pad;
};
/* Its processor is stopped and its timer does not fire meanwhile; messages may come. */
void apic_save_whole(struct apic *a, struct apic_whole_state *s);
/* As apic_load(). */
void apic_load_whole(struct apic *a, const struct apic_whole_state *s);

/* What an MSI, or an I/O APIC, says. Its 8 bits of destination, all set, are everybody. */
struct apic_message apic_msi(uint64_t address, uint32_t data);

/* What the low word of an ICR says; the destination is the caller's. */
struct apic_message apic_ipi(uint32_t icr);

/* Is a message from the APIC with this id for `a`? Any thread. */
bool apic_accepts(const struct apic *a, uint32_t from, const struct apic_message *m);
/* It is: take it. LOWEST is FIXED here; to whom it goes is the bus's choice. */
void apic_deliver(struct apic *a, const struct apic_message *m);

/* APIC_WHOLE: can a vector be taken now, TPR and what is in service considered? */
bool apic_pending(const struct apic *a);
/* Takes it: the vector goes into service. -1: none. */
int apic_acknowledge(struct apic *a);

/* The timer expired. Returns the tick it next expires at; 0 never. */
uint64_t apic_timer_fired(struct apic *a, uint64_t due, uint64_t now);

#endif
