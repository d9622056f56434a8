/* SPDX-License-Identifier: MIT */
/* What goes with a TD that moves: what it measures to on this side, then its devices, one after the
 * other, each as many bytes as it has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/migrate.h"

enum { STATE_VERSION = 3 };

/* Interrupt lines go by the I/O APIC, which is there before what raises them. */
#define DEVICES(X)                                                                                 \
	X(struct ioapic_state, ioapic_save, ioapic_load, ports->ioapic)                            \
	X(struct uart_state, uart_save, uart_load, ports->serial[0].uart)                          \
	X(struct uart_state, uart_save, uart_load, ports->serial[1].uart)                          \
	X(struct clock_state, clock_save, clock_load, ports->clock)                                \
	X(struct pit_state, pit_save, pit_load, ports->pit)

#define SIZE(type, save, load, device) +sizeof(type)
enum { STATE_SIZE = sizeof(uint32_t) + sizeof(struct migrate_measured) DEVICES(SIZE) };

static bool measure(struct migrate_place *p)
{
	struct migrate_measured *m = &p->measured;

	return tdx_model_measurements(p->model, tdx_vm_td(p->vm).tdr, &m->mrtd, m->rtmr);
}

int migrate_save(void *arg, void **state, size_t *len)
{
	struct migrate_place *p = arg;
	struct run_ports *ports = &p->ports;
	const uint32_t version = STATE_VERSION;
	uint8_t *at = malloc(STATE_SIZE);

	if (!at)
		return -ENOMEM;
	*state = at;
	*len = STATE_SIZE;
	memcpy(at, &version, sizeof(version));
	at += sizeof(version);
	if (!measure(p))
		return -EIO;
	memcpy(at, &p->measured, sizeof(p->measured));
	at += sizeof(p->measured);
	pthread_mutex_lock(&ports->lock);
#define SAVE(type, save, load, device)                                                             \
	{                                                                                          \
		type s;                                                                            \
                                                                                                   \
		memset(&s, 0, sizeof(s));                                                          \
		save(&(device), &s);                                                               \
		memcpy(at, &s, sizeof(s));                                                         \
		at += sizeof(s);                                                                   \
	}
	DEVICES(SAVE)
	pthread_mutex_unlock(&ports->lock);
	return 0;
}

/* The TD's own state has come before. */
int migrate_load(void *arg, const void *state, size_t len)
{
	struct migrate_place *p = arg;
	struct run_ports *ports = &p->ports;
	const uint8_t *at = state;
	uint32_t version;

	if (len != STATE_SIZE)
		return -EINVAL;
	memcpy(&version, at, sizeof(version));
	at += sizeof(version);
	if (version != STATE_VERSION)
		return -EINVAL;
	p->differs = !measure(p) || memcmp(&p->measured, at, sizeof(p->measured)) != 0;
	at += sizeof(p->measured);
	pthread_mutex_lock(&ports->lock);
#define LOAD(type, save, load, device)                                                             \
	{                                                                                          \
		type s;                                                                            \
                                                                                                   \
		memcpy(&s, at, sizeof(s));                                                         \
		load(&(device), &s);                                                               \
		at += sizeof(s);                                                                   \
	}
	DEVICES(LOAD)
	pthread_mutex_unlock(&ports->lock);
	return 0;
}
