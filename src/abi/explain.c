/* SPDX-License-Identifier: MIT */
/* A status in words, and which leaves return it; see <swtdx/decode.h>. Freestanding.
 *
 * The words are in explain.def and hint.def; a test sees to it that every code has a row. */
#include <swtdx/decode.h>
#include <swtdx/seamldr.h>

#include "abi/leaf_id.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	uint64_t code;
	enum tdx_action action;
	const char *meaning;
} meanings[] = {
#define X(code_, action_, meaning_) {code_, TDX_DO_##action_, meaning_},
#include "abi/explain.def"
#undef X
};

#define EVERY_LEAF (-1)
#define ANY	   0xffffffffu

static const struct {
	int leaf;
	uint32_t details;
	uint64_t code;
	const char *hint;
} hints[] = {
#define HOST(leaf_, code_, details_, hint_)  {LEAF_ID_HOST(leaf_), details_, code_, hint_},
#define GUEST(leaf_, code_, details_, hint_) {LEAF_ID_GUEST(leaf_), details_, code_, hint_},
#define EVERY(code_, details_, hint_)	     {EVERY_LEAF, details_, code_, hint_},
#include "abi/hint.def"
#undef HOST
#undef GUEST
#undef EVERY
};

/* A leaf with the mark set, then its codes' class and name, and so on. No class has the mark. */
#define LEAF_MARK 0x8000
static const uint16_t returns[] = {
#define HOST(leaf_)  LEAF_MARK | LEAF_ID_HOST(leaf_),
#define GUEST(leaf_) LEAF_MARK | LEAF_ID_GUEST(leaf_),
#define CODE(code_)  (code_) >> 32 & 0xffff,
#include "abi/leaf_status.def"
#undef HOST
#undef GUEST
#undef CODE
};

/* A leaf without its statuses is a warning here: the build names it. */
__attribute__((unused)) static void every_leaf_has_its_statuses(enum tdx_seamcall host,
								enum tdx_tdcall guest)
{
#define CODE(code_)
#define HOST(leaf_) case leaf_:
#define GUEST(leaf_)
	switch (host) {
#include "abi/leaf_status.def"
		break;
	}
#undef HOST
#undef GUEST
#define HOST(leaf_)
#define GUEST(leaf_) case leaf_:
	switch (guest) {
#include "abi/leaf_status.def"
		break;
	}
#undef HOST
#undef GUEST
#undef CODE
}

static const struct {
	const char *name, *advice;
} actions[] = {
	[TDX_DO_UNKNOWN] =
		{"unknown",
		 "module 1.5.25 does not know it: see the documents of the version that runs"},
	[TDX_DO_NOTHING] = {"nothing", "nothing to do"},
	[TDX_DO_AGAIN] = {"again", "make the same call again"},
	[TDX_DO_KICK] = {"kick", "let the other processors finish, kick the TD's vCPUs out, then "
				 "make the same call again"},
	[TDX_DO_STEP] = {"step", "something else must be done first, then make the call again"},
	[TDX_DO_FIX_CALL] = {"fix-call", "the caller is at fault; the same call will fail again"},
	[TDX_DO_GIVE_UP] = {"give-up", "it cannot go on; take it down and reclaim its pages"},
	[TDX_DO_FIX_FIRMWARE] = {"fix-firmware", "a matter of the platform: BIOS settings, or a "
						 "newer BIOS or microcode"},
	[TDX_DO_CHANGE_MODULE] = {"change-module", "load the TDX module anew, or another version"},
};

/* The software codes after Linux, and the value that a module sets and never returns. */
static bool explain_other(struct tdx_status s, struct tdx_explanation *out)
{
	switch (s.raw) {
	case TDX_SEAMCALL_VMFAILINVALID:
		out->action = TDX_DO_CHANGE_MODULE;
		out->meaning =
			"SEAMCALL failed with VMfailInvalid: no TDX module, or no P-SEAMLDR, "
			"is loaded";
		return true;
	case TDX_SEAMCALL_GP:
		out->action = TDX_DO_FIX_FIRMWARE;
		out->meaning = "SEAMCALL raised #GP: the BIOS did not enable TDX";
		return true;
	case TDX_SEAMCALL_UD:
		out->action = TDX_DO_FIX_CALL;
		out->meaning = "SEAMCALL raised #UD: the processor is not in VMX operation";
		return true;
	case TDX_UNINITIALIZE_ERROR:
		out->action = TDX_DO_CHANGE_MODULE;
		out->meaning =
			"a status the module never set: a fault of the module, or of whoever "
			"printed this";
		return true;
	default:
		return false;
	}
}

static const struct {
	uint64_t code;
	const char *name;
	enum tdx_action action;
	const char *meaning;
} seamldr[] = {
#define X(name_, action_, meaning_) {name_, #name_, TDX_DO_##action_, meaning_},
#include "abi/seamldr_status.def"
#undef X
};

void tdx_explain_seamldr(struct tdx_status s, struct tdx_explanation *out)
{
	*out = (struct tdx_explanation){
		.name = "P-SEAMLDR status unknown",
		.class_name = "P-SEAMLDR",
		.action = TDX_DO_UNKNOWN,
		.meaning = "not a status of the P-SEAMLDR this version knows",
	};
	for (size_t i = 0; i < COUNT(seamldr); i++) {
		if (seamldr[i].code != s.raw)
			continue;
		out->name = seamldr[i].name;
		out->action = seamldr[i].action;
		out->meaning = seamldr[i].meaning;
	}
}

const char *tdx_seamldr_name(uint64_t rax)
{
	switch (rax) {
	case SEAMLDR_INFO:
		return "SEAMLDR.INFO";
	case SEAMLDR_INSTALL:
		return "SEAMLDR.INSTALL";
	case SEAMLDR_SHUTDOWN:
		return "SEAMLDR.SHUTDOWN";
	case SEAMLDR_SEAMINFO:
		return "SEAMLDR.SEAMINFO";
	case SEAMLDR_CLEANUP:
		return "SEAMLDR.CLEANUP";
	default:
		return NULL;
	}
}

static const char *find_hint(struct tdx_status s, int leaf)
{
	for (size_t i = 0; i < COUNT(hints); i++)
		if (tdx_is(s, hints[i].code) &&
		    (hints[i].leaf == EVERY_LEAF || hints[i].leaf == leaf) &&
		    (hints[i].details == ANY || hints[i].details == tdx_details(s)))
			return hints[i].hint;
	return NULL;
}

void tdx_explain(struct tdx_status s, const struct tdx_leaf_info *leaf, struct tdx_explanation *out)
{
	const struct tdx_status_info *info = tdx_status_info(s);

	*out = (struct tdx_explanation){
		.info = info,
		.name = tdx_status_name(s),
		.class_name = tdx_class_name(tdx_class(s)),
		.action = TDX_DO_UNKNOWN,
		.meaning = "not a status this version knows",
	};
	if (!info) {
		if (!explain_other(s, out))
			out->class_name = NULL;
		return;
	}
	out->flags_differ = info->code != tdx_code(s);
	for (size_t i = 0; i < COUNT(meanings); i++) {
		if (meanings[i].code != info->code)
			continue;
		out->action = meanings[i].action;
		out->meaning = meanings[i].meaning;
	}
	out->hint = find_hint(tdx_status(info->code | tdx_details(s)), leaf_id(leaf));
}

const char *tdx_action_name(enum tdx_action action)
{
	return actions[(size_t)action < COUNT(actions) ? action : TDX_DO_UNKNOWN].name;
}

const char *tdx_action_advice(enum tdx_action action)
{
	return actions[(size_t)action < COUNT(actions) ? action : TDX_DO_UNKNOWN].advice;
}

const struct tdx_leaf_info *tdx_leaf_returning(uint64_t code, size_t index)
{
	unsigned wanted = (unsigned)(code >> 32) & 0xffff;
	int leaf = LEAF_ID_NONE;

	for (size_t i = 0; i < COUNT(returns); i++) {
		if (returns[i] & LEAF_MARK)
			leaf = returns[i] & ~LEAF_MARK;
		else if (returns[i] == wanted && !index--)
			return leaf_by_id(leaf);
	}
	return NULL;
}

const struct tdx_status_info *tdx_code_of_leaf(const struct tdx_leaf_info *leaf, size_t index)
{
	int wanted = leaf_id(leaf);
	bool here = false;

	for (size_t i = 0; i < COUNT(returns); i++) {
		if (returns[i] & LEAF_MARK)
			here = (returns[i] & ~LEAF_MARK) == wanted;
		else if (here && !index--)
			return tdx_status_info(tdx_status((uint64_t)returns[i] << 32));
	}
	return NULL;
}
