/* SPDX-License-Identifier: MIT */
/* What the numbers of TDX mean, in words: a status and what to do about it, the registers a call
 * returned, a line of a kernel's or a monitor's log.
 *
 * ABI: module 1.5.25; log lines of Linux, KVM and QEMU, released and not. All text is static or
 * goes into the caller's buffer, cut to its size and terminated. Pure functions but for struct
 * tdx_log, which one thread may use at a time. Freestanding, no allocation, usable from C++.
 *
 *	struct tdx_explanation e;
 *	tdx_explain(status, tdx_seamcall_leaf(TDH_MEM_TRACK), &e);
 *	printf("%s: %s. %s\n", e.name, e.meaning, tdx_action_advice(e.action)); */
#ifndef SWTDX_DECODE_H
#define SWTDX_DECODE_H

#include <swtdx/leaf.h>
#include <swtdx/status.h>
#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What a host should do about a status. */
enum tdx_action {
	TDX_DO_UNKNOWN, /* not a status this library knows */
	TDX_DO_NOTHING,
	TDX_DO_AGAIN,	      /* call again */
	TDX_DO_KICK,	      /* get the others out of the way, then call again */
	TDX_DO_STEP,	      /* another call, or another state, must come first */
	TDX_DO_FIX_CALL,      /* the caller is wrong */
	TDX_DO_GIVE_UP,	      /* the TD or the vCPU is lost */
	TDX_DO_FIX_FIRMWARE,  /* BIOS settings, BIOS or microcode version */
	TDX_DO_CHANGE_MODULE, /* another TDX module, or load it anew */
};

struct tdx_explanation {
	const struct tdx_status_info *info; /* NULL: no code of the module */
	const char *name;		    /* never NULL */
	const char *class_name;		    /* NULL when not known */
	const char *meaning;		    /* a sentence without its full stop; never NULL */
	const char *hint; /* more, for this leaf or operand; NULL when there is none */
	enum tdx_action action;
	bool flags_differ; /* bits 63:60 are not those the module's code has */
};

/* leaf may be NULL; with it the hint is about that leaf. */
void tdx_explain(struct tdx_status s, const struct tdx_leaf_info *leaf,
		 struct tdx_explanation *out);

/* The same for a status of the P-SEAMLDR, whose codes are its own; info is NULL. */
void tdx_explain_seamldr(struct tdx_status s, struct tdx_explanation *out);
/* "SEAMLDR.INSTALL": the call of the P-SEAMLDR that this RAX makes; NULL: it has no such call. */
const char *tdx_seamldr_name(uint64_t rax);

/* What the Secure-EPT entry that a failed call returned in RCX and RDX adds, by its state and level
 * and the leaf; it goes before the hint of tdx_explain(), which does not know the entry. shown:
 * which of r are known, as TDX_REG_BIT()s. NULL when it adds nothing. */
const char *tdx_entry_hint(struct tdx_status s, const struct tdx_leaf_info *leaf,
			   const struct tdx_regs *r, unsigned shown);

/* "again", "fix-firmware": one word, for machines; and the advice as a sentence. */
const char *tdx_action_name(enum tdx_action action);
const char *tdx_action_advice(enum tdx_action action);

/* Writes what the details say, as "operand RCX (page)", "MSR 0x122 (IA32_TSX_CTRL)", "TD state
 * RUNNABLE"; empty when they say nothing. leaf may be NULL. Returns buf. */
const char *tdx_details_text(struct tdx_status s, const struct tdx_leaf_info *leaf, char *buf,
			     size_t len);

/* The leaves known to return a code, by index from 0; NULL past the last. */
const struct tdx_leaf_info *tdx_leaf_returning(uint64_t code, size_t index);

/* The codes a leaf is known to return beside TDX_SUCCESS; NULL past the last. */
const struct tdx_status_info *tdx_code_of_leaf(const struct tdx_leaf_info *leaf, size_t index);

/* What an operand id stands for, "the key ownership table"; NULL when not known. */
const char *tdx_operand_meaning(enum tdx_operand op);

/* What a leaf takes in a register, "page", "GPA and level"; NULL when it takes nothing there. */
const char *tdx_leaf_operand(const struct tdx_leaf_info *leaf, unsigned reg);
/* In which register it takes what is called so, alone or with more behind it ("GPA" in "GPA and
 * level"); -1: in none. */
int tdx_leaf_operand_register(const struct tdx_leaf_info *leaf, const char *what);

/* "IA32_TSX_CTRL"; NULL when not known. */
const char *tdx_msr_name(uint32_t msr);

/* "RCX"; reg is an x86 encoding, 0 to 15. */
const char *tdx_reg_name(unsigned reg);

/* Writes what the output registers of a call say. shown: which of r are known, as TDX_REG_BIT()s.
 * Empty when they say nothing more. leaf may be NULL. Returns buf. */
const char *tdx_outputs_text(struct tdx_status s, const struct tdx_leaf_info *leaf,
			     const struct tdx_regs *r, unsigned shown, char *buf, size_t len);

/* Enough for any of the texts above. */
#define TDX_DECODE_TEXT_MAX 256

/* One line of a log. */
struct tdx_log_note {
	const struct tdx_leaf_info
		*leaf;	 /* NULL: not named on this line or the one it belongs to */
	bool seamldr;	 /* the call went to the P-SEAMLDR */
	bool has_status; /* a status stands on this line, at bytes [at, at + len) */
	size_t at, len;
	struct tdx_status status; /* of this line, or of the line it belongs to */
	bool belongs;		  /* the line only adds registers to an earlier one */
	/* Neither: the line says that a call of this leaf failed, and not with what. */
	unsigned shown; /* TDX_REG_BIT()s of the registers on this line */
	struct tdx_regs regs;
};

/* What earlier lines of the same log said. Start with all zero. */
struct tdx_log {
	struct tdx_log_note last;
	unsigned lines_since;
	bool valid;
};

/* Reads one line (without its newline; need not be terminated, may hold any bytes). True when it
 * says something about a TDX call; then *note is filled in. */
bool tdx_log_line(struct tdx_log *log, const char *line, size_t len, struct tdx_log_note *note);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
