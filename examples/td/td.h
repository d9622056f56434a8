/* SPDX-License-Identifier: MIT */
/* The parts of the example TD: what a kernel supplies (machine.c), what it does (main.c). */
#ifndef EXAMPLE_TD_H
#define EXAMPLE_TD_H

#include <swtdx/guest.h>

/* Memory that may be converted page by page: 2 MiB, mapped to themselves. The last page shows a
 * device instead. */
#define POOL	    0x4000000ull
#define POOL_PAGES  512ull
#define POOL_DEVICE (POOL + (POOL_PAGES - 1) * TDX_PAGE_SIZE)
#define DEVICE	    0xfed00000ull

/* What the traps of start.S leave on the stack. */
struct trap {
	struct tdx_regs regs; /* RSP is not there */
	uint64_t rip, cs, rflags, rsp, ss;
};

/* start.S */
void ve_entry(void);
void double_fault_entry(void);

/* machine.c */
extern const struct tdg_port port;
extern const struct tdg_memory memory;
extern struct tdg_td td;

void machine_init(void);
_Noreturn void fatal(const char *why);
void say(const char *text);
void say_hex(const void *bytes, size_t len);
_Noreturn void power_off(unsigned status);

/* main.c */
_Noreturn void td_main(void);

#endif
