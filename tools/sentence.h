/* SPDX-License-Identifier: MIT */
/* Sentences that kernels, monitors and firmware print about TDX; the table is sentence.def.
 *
 * Pure functions, no allocation. A line is read within its length, whatever its bytes are. */
#ifndef TOOLS_SENTENCE_H
#define TOOLS_SENTENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sentence_kind { SENTENCE_GOOD, SENTENCE_INFO, SENTENCE_BAD };

enum sentence_printer {
	SENTENCE_CPU,	    /* Linux, arch/x86/kernel/cpu */
	SENTENCE_MCE,	    /* Linux, machine checks and kexec */
	SENTENCE_HOST,	    /* Linux, arch/x86/virt/vmx/tdx */
	SENTENCE_KVM,	    /* Linux, arch/x86/kvm */
	SENTENCE_GUEST,	    /* Linux, arch/x86/coco/tdx */
	SENTENCE_TDX_GUEST, /* Linux, drivers/virt/coco/tdx-guest */
	SENTENCE_SYSTEMD,
	SENTENCE_QEMU,
	SENTENCE_LIBVIRT,
	SENTENCE_CLH, /* cloud-hypervisor */
	SENTENCE_EDK2,
	SENTENCE_TDSHIM,
	SENTENCE_PRINTERS
};

/* What the first number of a sentence is, or what the sentence settles. */
enum sentence_about {
	SENTENCE_PLAIN,
	SENTENCE_EXIT,	   /* a basic exit reason of VMX */
	SENTENCE_EXIT_HEX, /* the same, after 0x or without it in hex */
	SENTENCE_ERRNO,	   /* a negative errno of Linux */
	SENTENCE_TDVMCALL, /* a status of TDG.VP.VMCALL, R10 */
	SENTENCE_QUOTE,	   /* the status in a GetQuote buffer */
	SENTENCE_STATUS,   /* its last number: a completion status of the module */
	SENTENCE_HW_ERROR, /* the same; 0 when the module was not asked */
	SENTENCE_VERSION,  /* of the module */
	SENTENCE_ENABLED,  /* the BIOS has enabled TDX */
	SENTENCE_INITIALIZED,
	SENTENCE_CAUSE,	      /* says why the module's initialisation fails */
	SENTENCE_INIT_FAILED, /* says that it failed, with an errno */
};

struct sentence {
	enum sentence_kind kind;
	enum sentence_printer printer;
	const char *first, *last;
	const char *topic;
	enum sentence_about about;
	const char *format;
	const char *meaning, *cause, *remedy; /* the latter two may be NULL */
};

enum { SENTENCE_NUMBERS = 4 };

struct sentence_match {
	const struct sentence *sentence;
	size_t at, len; /* where in the line */
	unsigned numbers;
	uint64_t number[SENTENCE_NUMBERS];
};

/* True when the line has a sentence of the table. */
bool sentence_find(const char *line, size_t len, struct sentence_match *m);

/* "Linux, KVM, since 6.16"; returns buf. */
const char *sentence_source(const struct sentence *s, char *buf, size_t len);

/* Puts the number of a sentence in words, as "exit 48 (EPT violation)"; empty when it has none, or
 * says nothing. Returns buf. */
const char *sentence_number(const struct sentence_match *m, char *buf, size_t len);

/* The row, by index from 0; NULL past the last. */
const struct sentence *sentence_at(size_t index);

/* The line speaks of TDX: names it, a SEAMCALL, a vm-type, a TDVF. */
bool line_speaks_of_tdx(const char *line, size_t len);

/* The line speaks of TDX, and says that something failed or has the level of an error. raw is the
 * line as it came, line the clean one. */
bool line_is_failure_of_tdx(const char *raw, size_t raw_len, const char *line, size_t len);

/* The message of a line in JSON (journalctl -o json, containers) or of fields (time= level= msg=),
 * with its error, in place; any other line stays as it is. Returns the new length. */
size_t line_open(char *line, size_t len);

/* The line as its printer wrote it: without what terminals, dmesg, syslog, the journal and mail put
 * before it and into it. Cuts what does not fit. Returns the length; out ends with a zero. */
size_t line_clean(const char *line, size_t len, char *out, size_t room);

/* Enough for a clean line. */
enum { LINE_ROOM = 4096 };

#endif
