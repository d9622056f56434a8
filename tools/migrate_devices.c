/* SPDX-License-Identifier: MIT */
/* The devices of a TD that moves: one after the other, each as many bytes as it has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/migrate.h"

enum { DEVICES_VERSION = 2 };

/* Interrupt lines go by the I/O APIC, which is there before what raises them. */
#define DEVICES(X)                                                                                 \
	X(struct ioapic_state, ioapic_save, ioapic_load, ports->ioapic)                            \
	X(struct uart_state, uart_save, uart_load, ports->serial[0].uart)                          \
	X(struct uart_state, uart_save, uart_load, ports->serial[1].uart)                          \
	X(struct clock_state, clock_save, clock_load, ports->clock)                                \
	X(struct pit_state, pit_save, pit_load, ports->pit)

#define SIZE(type, save, load, device) +sizeof(type)
enum { DEVICES_SIZE = sizeof(uint32_t) DEVICES(SIZE) };

int migrate_save_devices(void *arg, void **state, size_t *len)
{
	struct run_ports *ports = &((struct migrate_place *)arg)->ports;
	const uint32_t version = DEVICES_VERSION;
	uint8_t *at = malloc(DEVICES_SIZE);

	if (!at)
		return -ENOMEM;
	*state = at;
	*len = DEVICES_SIZE;
	memcpy(at, &version, sizeof(version));
	at += sizeof(version);
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

int migrate_load_devices(void *arg, const void *state, size_t len)
{
	struct run_ports *ports = &((struct migrate_place *)arg)->ports;
	const uint8_t *at = state;
	uint32_t version;

	if (len != DEVICES_SIZE)
		return -EINVAL;
	memcpy(&version, at, sizeof(version));
	at += sizeof(version);
	if (version != DEVICES_VERSION)
		return -EINVAL;
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
