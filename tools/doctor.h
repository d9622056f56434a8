/* SPDX-License-Identifier: MIT */
/* What swtdx doctor finds: one line each, good or bad, and what to do. */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verdict { VERDICT_OK, VERDICT_NOTE, VERDICT_FAIL, VERDICT_SKIPPED, VERDICT_NUM };

/* `hint` may be NULL. Both are copied. */
typedef void doctor_tell(void *arg, enum verdict v, const char *topic, const char *what,
			 const char *hint);

/* Look at the machine whose files are under `root` ("" for this one). */
void doctor_machine(const char *root, doctor_tell *tell, void *arg);

/* Look at a kernel's log. */
void doctor_log(const char *text, size_t size, doctor_tell *tell, void *arg);

#endif
