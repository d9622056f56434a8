/* SPDX-License-Identifier: MIT */
/* See device/apic.h. What reserved bits do (ignored, or #GP) is as KVM has it where the SDM leaves
 * a choice, because guests are tested on that. */
#include "device/apic.h"

#include <stdatomic.h>
#include <string.h>

#include "arch/x86.h"

enum {
	VERSION = 0x00060015, /* seven LVT entries, CMCI among them */
	TPR_BITS = 0xff,
	FIRST_VECTOR = 16, /* below it a vector is illegal */
	SIVR_RESET = 0xff,
	SIVR_BITS = 0x3ff,
	SIVR_ENABLED = 1 << 8,
	LVT_MODE = 7 << 8,
	LVT_MASKED = 1 << 16,
	LVT_TIMER_MODES = 3 << 17,
	LVT_BITS = 0x117ff,
	LVT_BITS_TIMER = 0xff | LVT_MASKED | LVT_TIMER_MODES,
	LVT_BITS_ERROR = 0xff | LVT_MASKED,
	LVT_BITS_LINT = LVT_BITS | 1 << 13 | 1 << 15, /* polarity, trigger mode */
	TIMER_ONE_SHOT = 0,
	TIMER_PERIODIC = 1,
	TIMER_DEADLINE = 2,
	DIV_CONF_BITS = 0xb,
	ESR_SEND_ILLEGAL = 1 << 5,
	ESR_RECEIVE_ILLEGAL = 1 << 6,
	ICR_LOGICAL = 1 << 11,
	ICR_ASSERT = 1 << 14,
	ICR_LEVEL = 1 << 15,
};
#define ICR_RESERVED 0xfff32000ull /* KVM tolerates bit 12, the xAPIC's delivery status */

static uint32_t *reg(struct apic *a, uint32_t msr)
{
	return &a->reg[msr - MSR_X2APIC_FIRST];
}

void apic_init(struct apic *a, const struct apic_config *config, const struct apic_ops *ops,
	       void *arg)
{
	memset(a, 0, sizeof(*a));
	a->config = *config;
	a->ops = ops;
	a->arg = arg;
	*reg(a, MSR_X2APIC_SIVR) = SIVR_RESET;
	*reg(a, MSR_X2APIC_LVT_CMCI) = LVT_MASKED;
	for (uint32_t msr = MSR_X2APIC_LVT_TIMER; msr <= MSR_X2APIC_LVT_ERROR; msr++)
		*reg(a, msr) = LVT_MASKED;
}

/* What a virtualizing processor delivers does not look at the enable bit. */
static bool enabled(const struct apic *a)
{
	return a->config.kind == APIC_VIRTUALIZED ||
	       a->reg[MSR_X2APIC_SIVR - MSR_X2APIC_FIRST] & SIVR_ENABLED;
}

/* --- interrupts --- */

static int highest(const uint32_t *set)
{
	for (int i = 7; i >= 0; i--)
		if (set[i])
			return i * 32 + 31 - __builtin_clz(set[i]);
	return -1;
}

static int highest_requested(const struct apic *a)
{
	uint32_t set[8];

	for (int i = 0; i < 8; i++)
		set[i] = a->irr[i];
	return highest(set);
}

static uint32_t priority(const struct apic *a)
{
	uint32_t tpr = a->reg[MSR_X2APIC_TPR - MSR_X2APIC_FIRST];
	int served = highest(a->isr);
	uint32_t isrv = served < 0 ? 0 : (uint32_t)served & 0xf0;

	return (tpr & 0xf0) >= isrv ? tpr : isrv;
}

static void error(struct apic *a, uint32_t bit);

static void request(struct apic *a, uint8_t vector, bool level)
{
	const uint32_t bit = 1u << vector % 32;

	if (a->config.kind == APIC_VIRTUALIZED) {
		a->ops->post(a->arg, vector);
		return;
	}
	if (level)
		a->tmr[vector / 32] |= bit;
	else
		a->tmr[vector / 32] &= ~bit;
	a->irr[vector / 32] |= bit;
	a->ops->notify(a->arg);
}

static void lvt(struct apic *a, uint32_t msr)
{
	const uint32_t entry = __atomic_load_n(reg(a, msr), __ATOMIC_RELAXED);
	const enum apic_mode mode = (enum apic_mode)(entry >> 8 & 7);

	if (entry & LVT_MASKED)
		return;
	if (mode != APIC_FIXED)
		a->ops->event(a->arg, mode, (uint8_t)entry);
	else if ((entry & 0xff) < FIRST_VECTOR)
		error(a, ESR_RECEIVE_ILLEGAL);
	else
		request(a, (uint8_t)entry, false);
}

/* The error interrupt itself may not be one more error: its vector is looked at here. */
static void error(struct apic *a, uint32_t bit)
{
	const uint32_t entry = __atomic_load_n(reg(a, MSR_X2APIC_LVT_ERROR), __ATOMIC_RELAXED);

	a->errors |= bit;
	if (!(entry & LVT_MASKED) && (entry & 0xff) >= FIRST_VECTOR)
		request(a, (uint8_t)entry, false);
}

/* What would be delivered now, or -1. What is requested is looked at once: others add to it. */
static int deliverable(const struct apic *a)
{
	const int vector = highest_requested(a);

	return vector >= 0 && enabled(a) && ((uint32_t)vector & 0xf0) > (priority(a) & 0xf0)
		       ? vector
		       : -1;
}

bool apic_pending(const struct apic *a)
{
	return deliverable(a) >= 0;
}

int apic_acknowledge(struct apic *a)
{
	const int vector = deliverable(a);

	if (vector < 0)
		return -1;
	a->irr[vector / 32] &= ~(1u << vector % 32);
	a->isr[vector / 32] |= 1u << vector % 32;
	return vector;
}

static void end_of_interrupt(struct apic *a)
{
	const int vector = highest(a->isr);

	if (vector < 0)
		return;
	a->isr[vector / 32] &= ~(1u << vector % 32);
	if (a->tmr[vector / 32] >> vector % 32 & 1 && a->ops->eoi)
		a->ops->eoi(a->arg, (uint8_t)vector);
	if (apic_pending(a))
		a->ops->notify(a->arg);
}

/* --- the bus --- */

static uint32_t logical_id(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 15);
}

struct apic_message apic_msi(uint64_t address, uint32_t data)
{
	const uint32_t dest = (uint32_t)(address >> MSI_DEST_SHIFT) & 0xff;
	const enum apic_mode mode = (enum apic_mode)(data >> MSI_MODE_SHIFT & 7);

	return (struct apic_message){
		.dest = dest == 0xff ? ~0u : dest,
		.vector = (uint8_t)data,
		/* The redirection hint: one of those it is for. */
		.mode = mode == APIC_FIXED && address & MSI_REDIRECTION ? APIC_LOWEST : mode,
		.shorthand = APIC_TO_DEST,
		.logical = address & MSI_LOGICAL,
		.level = data & MSI_LEVEL,
		.assert = data &MSI_ASSERT,
	};
}

bool apic_accepts(const struct apic *a, uint32_t from, const struct apic_message *m)
{
	const uint32_t id = a->config.id, ldr = logical_id(id);

	switch (m->shorthand) {
	case APIC_TO_SELF:
		return id == from;
	case APIC_TO_ALL:
		return true;
	case APIC_TO_OTHERS:
		return id != from;
	case APIC_TO_DEST:
		break;
	}
	if (m->dest == ~0u)
		return true;
	if (m->logical)
		return m->dest >> 16 == ldr >> 16 && (m->dest & ldr & 0xffff);
	return m->dest == id;
}

void apic_deliver(struct apic *a, const struct apic_message *m)
{
	if (m->mode != APIC_FIXED && m->mode != APIC_LOWEST) {
		if (m->mode != APIC_INIT || m->assert || !m->level)
			a->ops->event(a->arg, m->mode, m->vector);
	} else if (m->vector < FIRST_VECTOR) {
		error(a, ESR_RECEIVE_ILLEGAL);
	} else if (enabled(a)) {
		request(a, m->vector, m->level);
	}
}

struct apic_message apic_ipi(uint32_t icr)
{
	return (struct apic_message){
		.vector = (uint8_t)icr,
		.mode = (enum apic_mode)(icr >> 8 & 7),
		.shorthand = (enum apic_shorthand)(icr >> 18 & 3),
		.logical = icr & ICR_LOGICAL,
		.level = icr & ICR_LEVEL,
		.assert = icr &ICR_ASSERT,
	};
}

static bool write_icr(struct apic *a, uint64_t icr)
{
	struct apic_message m = apic_ipi((uint32_t)icr);

	m.dest = (uint32_t)(icr >> 32);
	if (icr & ICR_RESERVED)
		return false;
	a->icr = icr & ~(1ull << 12);
	if ((m.mode == APIC_FIXED || m.mode == APIC_LOWEST) && m.vector < FIRST_VECTOR)
		error(a, ESR_SEND_ILLEGAL);
	else if (m.shorthand == APIC_TO_SELF)
		apic_deliver(a, &m);
	else
		a->ops->send(a->arg, &m);
	return true;
}

static bool self_ipi(struct apic *a, uint64_t value)
{
	if (value > 0xff)
		return false;
	if (value < FIRST_VECTOR)
		error(a, ESR_SEND_ILLEGAL);
	else if (enabled(a))
		request(a, (uint8_t)value, false);
	return true;
}

/* --- the timer --- */

static unsigned timer_mode(struct apic *a)
{
	return __atomic_load_n(reg(a, MSR_X2APIC_LVT_TIMER), __ATOMIC_RELAXED) >> 17 & 3;
}

static bool arm(struct apic *a, uint64_t due)
{
	const bool done = a->ops->timer(a->arg, due);

	a->due = due; /* after the owner's lock, under which the timer fires */
	return done;
}

/* A period that has passed unseen is lost, as an interrupt is that is pending already. */
uint64_t apic_timer_fired(struct apic *a, uint64_t due, uint64_t now)
{
	const uint64_t period = a->period;
	uint64_t next = 0;

	a->deadline = 0;
	if (timer_mode(a) == TIMER_PERIODIC && period)
		next = due + ((now > due ? (now - due) / period : 0) + 1) * period;
	a->due = next;
	lvt(a, MSR_X2APIC_LVT_TIMER);
	return next;
}

static bool set_deadline(struct apic *a, uint64_t tsc)
{
	if (timer_mode(a) != TIMER_DEADLINE)
		return true; /* ignored, as by the processor */
	a->deadline = tsc;
	return arm(a, tsc ? a->ops->tick_of_tsc(a->arg, tsc) : 0);
}

static unsigned divisor(struct apic *a)
{
	const uint32_t d = *reg(a, MSR_X2APIC_DIV_CONF);

	return 1u << (((d & 3) | (d >> 1 & 4)) + 1) % 8;
}

static bool set_count(struct apic *a, uint32_t value)
{
	uint64_t ticks = (uint64_t)((unsigned __int128)value * divisor(a) * a->config.clock_hz /
				    a->config.bus_hz);

	*reg(a, MSR_X2APIC_INIT_COUNT) = value;
	if (timer_mode(a) == TIMER_DEADLINE)
		return true;
	if (timer_mode(a) == TIMER_PERIODIC && ticks < a->config.min_period)
		ticks = a->config.min_period;
	a->period = ticks;
	return arm(a, value ? a->ops->now(a->arg) + ticks : 0);
}

static uint32_t current_count(struct apic *a)
{
	const uint64_t due = a->due, now = a->ops->now(a->arg);

	if (timer_mode(a) == TIMER_DEADLINE || !due || due <= now)
		return 0;
	return (uint32_t)((unsigned __int128)(due - now) * a->config.bus_hz / a->config.clock_hz /
			  divisor(a));
}

static void set_lvt(struct apic *a, uint32_t msr, uint32_t value)
{
	if (!enabled(a))
		value |= LVT_MASKED;
	__atomic_store_n(reg(a, msr), value, __ATOMIC_RELAXED);
}

/* Another mode disarms the timer. */
static bool set_lvt_timer(struct apic *a, uint32_t value)
{
	const unsigned before = timer_mode(a);

	set_lvt(a, MSR_X2APIC_LVT_TIMER, value & LVT_BITS_TIMER);
	if (before == timer_mode(a))
		return true;
	a->deadline = 0;
	return arm(a, 0);
}

/* --- MSRs --- */

static void set_sivr(struct apic *a, uint32_t value)
{
	const bool before = enabled(a);

	*reg(a, MSR_X2APIC_SIVR) = value & SIVR_BITS;
	if (!enabled(a)) {
		set_lvt(a, MSR_X2APIC_LVT_CMCI, *reg(a, MSR_X2APIC_LVT_CMCI));
		for (uint32_t msr = MSR_X2APIC_LVT_TIMER; msr <= MSR_X2APIC_LVT_ERROR; msr++)
			set_lvt(a, msr, *reg(a, msr));
	} else if (!before && apic_pending(a)) {
		a->ops->notify(a->arg);
	}
}

/* Registers that a virtualizing processor answers itself. */
static bool read_virtual(struct apic *a, uint32_t msr, uint64_t *value)
{
	const unsigned word = msr & 7;

	if (a->config.kind == APIC_VIRTUALIZED)
		return false;
	switch (msr & ~7u) {
	case MSR_X2APIC_ISR0:
		*value = a->isr[word];
		return true;
	case MSR_X2APIC_TMR0:
		*value = a->tmr[word];
		return true;
	case MSR_X2APIC_IRR0:
		*value = a->irr[word];
		return true;
	default:
		break;
	}
	if (msr == MSR_X2APIC_TPR)
		*value = *reg(a, msr);
	else if (msr == MSR_X2APIC_PPR)
		*value = priority(a);
	else
		return false;
	return true;
}

bool apic_read(struct apic *a, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_TSC_DEADLINE:
		*value = a->deadline;
		return true;
	case MSR_X2APIC_APICID:
		*value = a->config.id;
		return true;
	case MSR_X2APIC_VERSION:
		*value = VERSION;
		return true;
	case MSR_X2APIC_LDR:
		*value = logical_id(a->config.id);
		return true;
	case MSR_X2APIC_CUR_COUNT:
		*value = current_count(a);
		return true;
	case MSR_X2APIC_ICR:
		*value = a->icr;
		return true;
	case MSR_X2APIC_SIVR:
	case MSR_X2APIC_ESR:
	case MSR_X2APIC_LVT_CMCI:
	case MSR_X2APIC_DIV_CONF:
	case MSR_X2APIC_LVT_TIMER ... MSR_X2APIC_INIT_COUNT:
		*value = *reg(a, msr);
		return true;
	default:
		return read_virtual(a, msr, value);
	}
}

static bool write_virtual(struct apic *a, uint32_t msr, uint32_t value)
{
	if (a->config.kind == APIC_VIRTUALIZED)
		return false;
	if (msr == MSR_X2APIC_TPR) {
		if (value > TPR_BITS)
			return false;
		*reg(a, msr) = value;
		if (apic_pending(a))
			a->ops->notify(a->arg);
		return true;
	}
	if (msr != MSR_X2APIC_EOI || value)
		return false;
	end_of_interrupt(a);
	return true;
}

bool apic_write(struct apic *a, uint32_t msr, uint64_t value)
{
	if (msr == MSR_TSC_DEADLINE)
		return set_deadline(a, value);
	if (msr == MSR_X2APIC_ICR)
		return write_icr(a, value);
	if (value >> 32)
		return false;
	switch (msr) {
	case MSR_X2APIC_ESR:
		if (value)
			return false;
		*reg(a, msr) = atomic_exchange(&a->errors, 0);
		return true;
	case MSR_X2APIC_SIVR:
		set_sivr(a, (uint32_t)value);
		return true;
	case MSR_X2APIC_LVT_TIMER:
		return set_lvt_timer(a, (uint32_t)value);
	case MSR_X2APIC_LVT_ERROR:
		set_lvt(a, msr, (uint32_t)value & LVT_BITS_ERROR);
		return true;
	case MSR_X2APIC_LVT_LINT0:
	case MSR_X2APIC_LVT_LINT1:
		set_lvt(a, msr, (uint32_t)value & LVT_BITS_LINT);
		return true;
	case MSR_X2APIC_LVT_CMCI:
	case MSR_X2APIC_LVT_THERMAL:
	case MSR_X2APIC_LVT_PMI:
		set_lvt(a, msr, (uint32_t)value & LVT_BITS);
		return true;
	case MSR_X2APIC_INIT_COUNT:
		return set_count(a, (uint32_t)value);
	case MSR_X2APIC_DIV_CONF:
		*reg(a, msr) = (uint32_t)value & DIV_CONF_BITS;
		return true;
	case MSR_X2APIC_SELF_IPI:
		return self_ipi(a, value);
	default:
		return write_virtual(a, msr, (uint32_t)value);
	}
}

/* --- to another machine --- */

enum { NSEC = 1000000000 };

static const uint32_t lvts[APIC_LVTS] = {
	MSR_X2APIC_LVT_CMCI,  MSR_X2APIC_LVT_TIMER, MSR_X2APIC_LVT_THERMAL, MSR_X2APIC_LVT_PMI,
	MSR_X2APIC_LVT_LINT0, MSR_X2APIC_LVT_LINT1, MSR_X2APIC_LVT_ERROR};

static uint64_t left_ns(struct apic *a)
{
	const uint64_t due = a->due, now = a->ops->now(a->arg);

	if (timer_mode(a) == TIMER_DEADLINE || !due)
		return 0;
	return due <= now
		       ? 1
		       : (uint64_t)((unsigned __int128)(due - now) * NSEC / a->config.clock_hz) + 1;
}

void apic_save(struct apic *a, struct apic_state *s)
{
	*s = (struct apic_state){.icr = a->icr,
				 .deadline = a->deadline,
				 .left_ns = left_ns(a),
				 .sivr = *reg(a, MSR_X2APIC_SIVR),
				 .esr = *reg(a, MSR_X2APIC_ESR),
				 .errors = a->errors,
				 .div_conf = *reg(a, MSR_X2APIC_DIV_CONF),
				 .init_count = *reg(a, MSR_X2APIC_INIT_COUNT)};
	for (unsigned i = 0; i < APIC_LVTS; i++)
		s->lvt[i] = *reg(a, lvts[i]);
}

void apic_load(struct apic *a, const struct apic_state *s)
{
	const uint64_t ticks =
		(uint64_t)((unsigned __int128)s->left_ns * a->config.clock_hz / NSEC);

	/* The guest's own way in, which takes no bits that are not there; nothing here sends. */
	apic_write(a, MSR_X2APIC_SIVR, s->sivr);
	for (unsigned i = 0; i < APIC_LVTS; i++)
		apic_write(a, lvts[i], s->lvt[i]);
	apic_write(a, MSR_X2APIC_DIV_CONF, s->div_conf);
	*reg(a, MSR_X2APIC_ESR) = s->esr;
	a->errors = s->errors;
	a->icr = s->icr & ~ICR_RESERVED;
	set_count(a, s->init_count);
	if (timer_mode(a) == TIMER_DEADLINE)
		set_deadline(a, s->deadline);
	else
		(void)arm(a, s->left_ns ? a->ops->now(a->arg) + ticks : 0);
}

void apic_save_whole(struct apic *a, struct apic_whole_state *s)
{
	const uint64_t due = a->due, now = a->ops->now(a->arg);

	memset(s, 0, sizeof(*s));
	apic_save(a, &s->common);
	s->left = due > now ? due - now : 1;
	s->tpr = *reg(a, MSR_X2APIC_TPR);
	for (unsigned i = 0; i < 8; i++) {
		s->isr[i] = a->isr[i];
		s->irr[i] = a->irr[i];
		s->tmr[i] = a->tmr[i];
	}
}

void apic_load_whole(struct apic *a, const struct apic_whole_state *s)
{
	*reg(a, MSR_X2APIC_TPR) = s->tpr & TPR_BITS;
	for (unsigned i = 0; i < 8; i++) {
		/* Below the first vector there is none. */
		const uint32_t bits = i ? ~0u : ~0u << FIRST_VECTOR;

		a->isr[i] = s->isr[i] & bits;
		a->tmr[i] = s->tmr[i] & bits;
		a->irr[i] = s->irr[i] & bits;
	}
	/* Its timer comes last: it may fire at once, and what it requests stays. */
	apic_load(a, &s->common);
	if (timer_mode(a) != TIMER_DEADLINE && s->common.left_ns)
		(void)arm(a, a->ops->now(a->arg) + s->left);
}
