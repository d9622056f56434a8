/* SPDX-License-Identifier: MIT */
/* For whoever models lines: is the store that gpa_map() is asked for one of a whole line? */
#ifndef X86_LINE_STORE_H
#define X86_LINE_STORE_H

#include <stdbool.h>

struct x86_cpu;

/* In the callback, of the processor's thread: MOVDIR64B is being executed. */
bool x86_stores_line(const struct x86_cpu *cpu);

#endif
