/* SPDX-License-Identifier: MIT */
/* The parts of the boot firmware. It runs on one processor, without interrupts, in memory that is
 * mapped to itself; its data is in the working area of layout.h, there are no variables. */
#ifndef FIRMWARE_FIRMWARE_H
#define FIRMWARE_FIRMWARE_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"

/* reset.S */
struct tdcall_regs {
	uint64_t rax, rcx, rdx, r8, r9, r10, r11, r12, r13, r14, r15;
};
uint64_t tdcall(struct tdcall_regs *regs);
_Noreturn void start_kernel(uint64_t entry, uint64_t boot_params);

/* TDG.VP.VMCALL<ReportFatalError> with these 64 bytes, for ever. */
_Noreturn void report_fatal(const char text[64]);

/* main.c: tells the host why and stops; at most 64 characters get through. */
_Noreturn void fatal(const char *why);
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);

/* sha384.c */
void sha384(const void *data, size_t len, uint8_t digest[48]);

/* log.c: the event log in FW_LOG, which starts with nothing in it. An event's data is a prefix
 * (text, or "") with what was measured after it; or a name, the length, and what was measured. */
struct log {
	uint8_t *next, *end;
};
void log_open(struct log *l);
void log_event(struct log *l, unsigned rtmr, uint32_t type, const uint8_t *digest,
	       const char *prefix, const void *data, size_t len);
void log_named(struct log *l, unsigned rtmr, uint32_t type, const uint8_t *digest,
	       const char name[16], const void *data, size_t len);

/* hob.c: the ranges of RAM the TD HOB tells of; `accepted` ones were added by the host before the
 * TD ran. Returns how many there are; the HOB itself is checked. */
struct ram {
	uint64_t start, end;
	uint8_t accepted;
};
enum { MAX_RAM = 64 };
unsigned hob_ram(const void *hob, struct ram *ram);
size_t hob_length(const void *hob);

#endif
