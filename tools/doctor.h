/* SPDX-License-Identifier: MIT */
/* What swtdx doctor finds: one line each, good or bad, and what to do. */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verdict { VERDICT_OK, VERDICT_NOTE, VERDICT_FAIL, VERDICT_SKIPPED, VERDICT_NUM };

/* Each but `what` may be NULL. Valid during the call that tells it. */
struct finding {
	enum verdict verdict;
	const char *topic; /* never NULL */
	const char *what;
	const char *meaning; /* in other words */
	const char *cause;   /* the usual ones */
	const char *source;  /* who prints this, since when */
	const char *hint;    /* what to do */
};

typedef void doctor_tell(void *arg, const struct finding *f);

/* Look at the machine whose files are under `root` ("" for this one). */
void doctor_machine(const char *root, doctor_tell *tell, void *arg);

/* Look at a log: of a kernel, a monitor, a firmware, or all of them. */
void doctor_log(const char *text, size_t size, doctor_tell *tell, void *arg);

/* What a module of this version cannot do that hosts need, NULL when nothing is known. build: 0
 * when not known. */
const char *doctor_module_fault(unsigned major, unsigned minor, unsigned update, unsigned build,
				const char **hint);

#endif
