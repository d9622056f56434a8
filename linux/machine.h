/* SPDX-License-Identifier: MIT */
/* The simulated machine as shim.c and life.c see it: plain numbers, as the tree's names and the
 * library's cannot be in one file. */
#ifndef LINUX_MACHINE_H
#define LINUX_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/* RAM of address 0; ends the program when there is none. */
uint8_t *machine_start(unsigned cpus, unsigned packages);
void machine_end(void);
bool machine_memory(unsigned i, unsigned long long *base, unsigned long long *size);
unsigned machine_package(unsigned cpu);
unsigned machine_phys_bits(void);
bool machine_rdmsr(unsigned cpu, uint32_t number, unsigned long long *value);
int machine_vmxon(unsigned cpu, bool on);

/* regs: RAX RCX RDX RBX RSI RDI R8 to R15, in and out. */
enum { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSI, REG_RDI, REG_R8, REGS = REG_R8 + 8 };
void machine_seamcall(unsigned cpu, unsigned long long regs[REGS]);
void machine_flush(unsigned cpu, unsigned long long pa, unsigned long size);
void machine_direct_clear(unsigned cpu, unsigned long long pa, unsigned long size);
void machine_zero(unsigned cpu, unsigned long long pa, unsigned long size);
void machine_barrier(unsigned cpu);
void machine_wbinvd_of(unsigned cpu);

/* Calls of this leaf, from the nth on, so many, are answered with the status; none any more. */
void machine_fault(unsigned leaf, unsigned nth, unsigned times, unsigned long long status);
void machine_no_faults(void);
/* How many calls the faults have hit, and SEAMCALLs in all. */
unsigned long long machine_hits(void), machine_calls(void);
/* Of the coherency sanitizer, all told; those after the first `from` are printed. */
unsigned machine_reports(unsigned from);
unsigned long long machine_owned(void), machine_stale_lines(void);
const char *machine_status_name(unsigned long long status, char *buf, unsigned len);
const char *machine_leaf_name(unsigned leaf);
/* A module image for an update, written at pa in pages of the host's; its size, and with `room` 0
 * that alone. */
unsigned long machine_module_image(unsigned cpu, unsigned long long pa, unsigned long room);
/* TD_PARAMS of a small TD, written at pa. */
void machine_td_params(unsigned cpu, unsigned long long pa);

/* --- shim.c, for life.c --- */
void shim_start(unsigned cpus, unsigned packages);
void shim_end(void);
int shim_run_initcalls(void);
void shim_shutdown(void);
unsigned shim_warnings(void);
void shim_quiet(bool is);
/* Pages that the kernel has. */
unsigned long shim_used(void);
/* After so many allocations one fails. */
void shim_fail_allocation(long after);

#endif
