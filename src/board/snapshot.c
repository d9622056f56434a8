/* SPDX-License-Identifier: MIT */
/* What the board is beside its memory: a list of sections, each of plain data, with a name and a
 * number. A device has its state as a struct and two functions, X_save() and X_load(), of which the
 * latter makes a possible state of any bytes; its section stands here. */
#include "board/snapshot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system/state.h"
#include "x86/state.h"

enum { ALIGNED = 64, NAME = 16 };

struct section {
	char name[NAME];
	uint32_t number;
	uint32_t size;
	uint8_t pad[ALIGNED - NAME - 8];
};

__attribute__((format(printf, 2, 3))) static void wrong(struct snapshot_walk *w, const char *fmt,
							...)
{
	va_list ap;

	if (w->err[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->err, w->errlen, fmt, ap);
	va_end(ap);
}

static void open_section(struct snapshot_walk *w, const char *name, unsigned number, size_t size)
{
	struct section s = {.number = number, .size = (uint32_t)size}, found;

	snprintf(s.name, sizeof(s.name), "%s", name);
	if (w->way == SNAPSHOT_SAVE) {
		memcpy(w->at, &s, sizeof(s));
	} else {
		memcpy(&found, w->at, sizeof(found));
		if (memcmp(&found, &s, sizeof(s)) != 0)
			wrong(w, "its section \"%s\" %u is not as this version has it", name,
			      number);
	}
	w->at += sizeof(s);
	w->left -= sizeof(s);
}

/* The bytes of a section, to be filled or used; NULL: nothing is to be done with them. */
static void *section(struct snapshot_walk *w, const char *name, unsigned number, size_t size)
{
	const size_t room = (size + ALIGNED - 1) & ~(size_t)(ALIGNED - 1);
	uint8_t *data;

	if (w->way == SNAPSHOT_COUNT) {
		w->left += sizeof(struct section) + room;
		return NULL;
	}
	if (w->err[0])
		return NULL;
	if (w->left < sizeof(struct section) + room) {
		wrong(w, "it ends before its section \"%s\" %u", name, number);
		return NULL;
	}
	open_section(w, name, number, size);
	data = w->at;
	w->at += room;
	w->left -= room;
	return w->err[0] ? NULL : data;
}

/* --- processors --- */

struct saved_cpu {
	struct x86_saved x86;
	struct apic_whole_state apic;
	struct board_msr msr[BOARD_MSRS];
	struct board_chain lost_here;
	uint64_t vmxon_pa, vmcs_pa;
	uint32_t nmsrs, lost, at;
	uint8_t nmi, init, vmxon, pad;
};

static void save_cpu(struct board_cpu *c, struct saved_cpu *s)
{
	memset(s, 0, sizeof(*s));
	x86_save(c->x86, &s->x86);
	apic_save_whole(&c->apic, &s->apic);
	for (unsigned i = 0; i < c->nmsrs; i++) {
		s->msr[i].number = c->msr[i].number;
		s->msr[i].writable = c->msr[i].writable;
		s->msr[i].value = c->msr[i].value;
	}
	s->nmsrs = c->nmsrs;
	s->lost = c->lost;
	s->lost_here = c->lost_here;
	s->at = c->at;
	s->nmi = atomic_load(&c->nmi);
	s->init = atomic_load(&c->init);
	s->vmxon = c->vmxon;
	s->vmxon_pa = c->vmxon_pa;
	s->vmcs_pa = c->vmcs_pa;
}

static void load_cpu(struct snapshot_walk *w, struct board_cpu *c, const struct saved_cpu *s)
{
	if (s->nmsrs > BOARD_MSRS || s->at > BOARD_AT_HLT_OFF || s->lost_here.n > BOARD_CHAIN) {
		wrong(w, "its processor %u cannot be so", c->id);
		return;
	}
	x86_load(c->x86, &s->x86);
	apic_load_whole(&c->apic, &s->apic);
	memcpy(c->msr, s->msr, sizeof(c->msr));
	c->nmsrs = s->nmsrs;
	c->lost = s->lost;
	c->lost_here = s->lost_here;
	c->at = (enum board_at)s->at;
	atomic_store(&c->nmi, s->nmi != 0);
	atomic_store(&c->init, s->init != 0);
	c->vmxon = s->vmxon != 0;
	c->vmxon_pa = s->vmxon_pa;
	c->vmcs_pa = s->vmcs_pa;
	x86_raise_intr(c->x86);
}

static void walk_cpu(struct board *b, struct snapshot_walk *w, unsigned i)
{
	struct saved_cpu *s = section(w, "processor", i, sizeof(*s));

	if (s && w->way == SNAPSHOT_SAVE)
		save_cpu(&b->cpu[i], s);
	else if (s)
		load_cpu(w, &b->cpu[i], s);
}

/* --- devices --- */

static void walk_interrupts(struct board *b, struct snapshot_walk *w)
{
	struct ioapic_state *io = section(w, "ioapic", 0, sizeof(*io));
	struct vtd_state *v = section(w, "vtd", 0, sizeof(*v));

	if (io && v && w->way == SNAPSHOT_SAVE) {
		ioapic_save(&b->ioapic, io);
		vtd_save(&b->vtd, v);
	} else if (io && v) {
		ioapic_load(&b->ioapic, io);
		vtd_load(&b->vtd, v);
	}
}

/* What is behind a device is not of the file: that it is there again is seen by what a driver has
 * read of it. */
struct saved_virtio {
	struct virtio_state state;
	uint64_t features;
	uint32_t id, pad;
	uint8_t config[VIRTIO_CONFIG_MAX];
};

static void walk_virtio(struct board *b, struct snapshot_walk *w, unsigned i)
{
	struct saved_virtio *s = section(w, "virtio", i, sizeof(*s));
	struct virtio *v = &b->virtio.device[i].virtio;
	const struct virtio_kind *kind = v->kind;

	if (s && w->way == SNAPSHOT_SAVE) {
		*s = (struct saved_virtio){.features = kind->features, .id = kind->id};
		memcpy(s->config, kind->config, sizeof(s->config));
		virtio_save(v, &s->state);
	} else if (s && (s->id != kind->id || s->features != kind->features ||
			 memcmp(s->config, kind->config, sizeof(s->config)) != 0)) {
		wrong(w, "its virtio device %u is another: it wants the disks it had", i);
	} else if (s) {
		virtio_load(v, &s->state);
	}
}

static void walk_uart(struct board *b, struct snapshot_walk *w)
{
	struct uart_state *s = section(w, "uart", 0, sizeof(*s));

	if (s && w->way == SNAPSHOT_SAVE)
		uart_save(&b->uart, s);
	else if (s)
		uart_load(&b->uart, s);
}

static void walk_clock(struct board *b, struct snapshot_walk *w)
{
	struct clock_state *s = section(w, "clock", 0, sizeof(*s));

	if (s && w->way == SNAPSHOT_SAVE)
		clock_save(&b->clock, s);
	else if (s)
		clock_load(&b->clock, s);
}

/* --- the rest --- */

static void walk_system(struct board *b, struct snapshot_walk *w)
{
	void *s = section(w, "system", 0, system_saved_size(b->sys));
	const char *why = NULL;

	if (s && w->way == SNAPSHOT_SAVE && system_save(b->sys, s))
		why = "a processor is in a call of the module";
	else if (s && w->way == SNAPSHOT_LOAD)
		why = system_load(b->sys, s);
	if (why)
		wrong(w, "%s", why);
}

struct saved_board {
	uint64_t text_start, text_end, random, reports;
	int64_t left;
	uint32_t holder, chains;
};

static void walk_board(struct board *b, struct snapshot_walk *w)
{
	struct saved_board *s = section(w, "board", 0, sizeof(*s));
	uint32_t chains = 0;

	if (!s)
		return;
	if (w->way == SNAPSHOT_SAVE) {
		*s = (struct saved_board){.text_start = b->text_start,
					  .text_end = b->text_end,
					  .random = b->turns.random,
					  .left = b->turns.left,
					  .holder = b->turns.holder};
		board_sanitizer_counts(b, &s->reports, &s->chains);
		return;
	}
	chains = s->chains;
	if (s->holder >= b->ncpus || !board_sanitizer_counted(b, s->reports, chains)) {
		wrong(w, "a board cannot be so");
		return;
	}
	b->text_start = s->text_start;
	b->text_end = s->text_end;
	b->turns.random = s->random;
	b->turns.left = s->left;
	b->turns.holder = s->holder;
}

/* What its programs were told they can execute, and do. */
static void walk_vectors(struct board *b, struct snapshot_walk *w)
{
	struct board_vectors *v = section(w, "vectors", 0, sizeof(*v));
	const char *lacks;

	if (v && w->way == SNAPSHOT_SAVE) {
		board_vectors(b, v);
	} else if (v) {
		lacks = board_lacks(b, v);
		if (lacks)
			wrong(w, "its processors have %s, which is not executed on this computer",
			      lacks);
	}
}

int snapshot_walk(struct board *b, struct snapshot_walk *w)
{
	walk_vectors(b, w);
	walk_board(b, w);
	walk_system(b, w);     /* with its clock, by which the timers go */
	walk_interrupts(b, w); /* whose pins are as they were when the devices say so again */
	walk_uart(b, w);
	walk_clock(b, w);
	for (unsigned i = 0; i < VIRTIO_BANK; i++)
		walk_virtio(b, w, i);
	for (unsigned i = 0; i < b->ncpus; i++)
		walk_cpu(b, w, i);
	if (w->way == SNAPSHOT_LOAD && w->left)
		wrong(w, "there is more of it than this version knows");
	return w->err[0] ? -EINVAL : 0;
}

unsigned snapshot_areas(struct board *b, struct machine_bytes area[SNAPSHOT_AREAS_MAX])
{
	unsigned n = 0;

	for (; n < MACHINE_AREAS; n++)
		area[n] = machine_area(b->m, (enum machine_area)n);
	return n + board_sanitizer_areas(b, area + n);
}

bool snapshot_memory_is_sound(const struct board *b)
{
	return board_sanitizer_is_sound(b);
}
