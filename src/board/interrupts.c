/* SPDX-License-Identifier: MIT */
/* The local APICs on their bus: IPIs between processors, deadline timers, NMIs.
 *
 * Nothing is lost between threads: who has an event for a processor sets it first and looks at
 * where the processor is then; the processor says where it is first and looks for events then. */
#include "board/internal.h"

static void notify(void *arg)
{
	board_cpu_wake(arg);
}

static void event(void *arg, enum apic_mode mode, uint8_t vector)
{
	struct board_cpu *c = arg;

	(void)vector;
	if (mode == APIC_NMI)
		atomic_store(&c->nmi, true);
	else if (mode == APIC_INIT)
		atomic_store(&c->init, true);
	else
		return; /* nobody starts by SIPI here */
	board_cpu_wake(c);
}

void board_bus_send(struct board *b, uint32_t from, const struct apic_message *m)
{
	for (unsigned i = 0; i < b->ncpus; i++) {
		struct apic *to = &b->cpu[i].apic;

		if (!apic_accepts(to, from, m))
			continue;
		apic_deliver(to, m);
		if (m->mode == APIC_LOWEST)
			return;
	}
}

static void send(void *arg, const struct apic_message *m)
{
	struct board_cpu *from = arg;

	board_bus_send(from->board, from->apic.config.id, m);
}

static void ended_level(void *arg, uint8_t vector)
{
	board_ended_level(((struct board_cpu *)arg)->board, vector);
}

static uint64_t now(void *arg)
{
	struct board_cpu *c = arg;

	return machine_rdtsc(c->lp);
}

static uint64_t tick_of_tsc(void *arg, uint64_t tsc)
{
	(void)arg;
	return tsc;
}

static uint64_t fired(void *arg, uint64_t due, uint64_t now_)
{
	struct board_cpu *c = arg;

	return apic_timer_fired(&c->apic, due, now_);
}

static bool timer(void *arg, uint64_t due)
{
	struct board_cpu *c = arg;

	return timers_set(c->board->timers, &c->timer, due) == 0;
}

void board_apic_start(struct board_cpu *c)
{
	static const struct apic_ops ops = {
		.notify = notify,
		.event = event,
		.send = send,
		.eoi = ended_level,
		.now = now,
		.tick_of_tsc = tick_of_tsc,
		.timer = timer,
	};
	const uint64_t hz = c->board->m->cfg.platform->tsc_hz;
	const struct apic_config config = {
		.id = c->lp->x2apic_id,
		.kind = APIC_WHOLE,
		.clock_hz = hz,
		.bus_hz = 25000000, /* the crystal, CPUID leaf 0x15 */
		.min_period = hz / 5000,
	};

	c->timer.fired = fired;
	c->timer.arg = c;
	atomic_store(&c->nmi, false);
	atomic_store(&c->init, false);
	apic_init(&c->apic, &config, &ops, c);
}

int board_intr_ack(struct x86_cpu *x86)
{
	return apic_acknowledge(&board_cpu_of(x86)->apic);
}

void board_cr8_written(struct x86_cpu *x86)
{
	struct board_cpu *c = board_cpu_of(x86);

	apic_set_cr8(&c->apic, x86->cr8);
	if (apic_pending(&c->apic))
		x86_raise_intr(x86);
}

uint32_t board_acknowledge(void *board, struct machine_lp *lp)
{
	struct board *b = board;
	struct board_cpu *c = &b->cpu[lp->id];
	int vector;

	if (!c->x86->nmi_blocked && atomic_exchange(&c->nmi, false)) {
		c->x86->nmi_blocked = true; /* until the host's IRET */
		return VMX_EVENT(VMX_EVENT_NMI, VECTOR_NMI);
	}
	vector = lp->intr_masked ? -1 : apic_acknowledge(&c->apic);
	return vector < 0 ? 0 : VMX_EVENT(VMX_EVENT_EXTERNAL, vector);
}

void board_eoi(void *board, struct machine_lp *lp)
{
	apic_write(&((struct board *)board)->cpu[lp->id].apic, MSR_X2APIC_EOI, 0);
}

void board_self_ipi(void *board, struct machine_lp *lp, enum machine_ipi kind, uint8_t vector)
{
	const struct apic_message again = {.mode = APIC_FIXED, .vector = vector};
	struct board_cpu *c = &((struct board *)board)->cpu[lp->id];

	switch (kind) {
	case MACHINE_IPI_FIXED:
		apic_deliver(&c->apic, &again);
		break;
	case MACHINE_IPI_NMI:
		c->x86->nmi_blocked = false;
		event(c, APIC_NMI, vector);
		break;
	case MACHINE_IPI_INIT:
		event(c, APIC_INIT, vector);
		break;
	}
}
