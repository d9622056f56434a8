/* SPDX-License-Identifier: MIT */
/* Evidence as people have it: binary, hexadecimal, base64, members of a JSON bundle, Azure's HCL
 * report, a configfs-tsm directory. Unwrapped to TDREPORTs, quotes and event logs, each with a word
 * on what it was wrapped in. What a thing is its own header says, never its size. */
#ifndef TOOLS_EVIDENCE_H
#define TOOLS_EVIDENCE_H

#include <stddef.h>
#include <stdint.h>

enum evidence_kind {
	EVIDENCE_REPORT = 1, /* a TDREPORT */
	EVIDENCE_QUOTE,	     /* of any version and TEE */
	EVIDENCE_LOG,	     /* a crypto-agile event log, or the ACPI table of one */
};

enum { EVIDENCE_MAX = 8 };

struct evidence_item {
	enum evidence_kind kind;
	uint8_t *bytes;
	size_t len;
	char how[160]; /* "JSON member quote, hexadecimal"; empty: as it is */
};

struct evidence {
	struct evidence_item item[EVIDENCE_MAX];
	unsigned n;
	char note[160]; /* what else was there that is not evidence of a TD, or empty */
};

/* What is in these bytes. 0, with no item if nothing is known in them; -ENOMEM. */
int evidence_unwrap(const uint8_t *bytes, size_t len, struct evidence *out);

/* The same of a file, standard input for "-", or a configfs-tsm directory; negative errno. */
int evidence_read(const char *path, struct evidence *out);

void evidence_free(struct evidence *e);

/* The first of a kind, or NULL. */
const struct evidence_item *evidence_find(const struct evidence *e, enum evidence_kind kind);

#endif
