/* SPDX-License-Identifier: MIT */
/* The details of a status and the output registers of a call in words; see <swtdx/decode.h>.
 * Freestanding. */
#include <swtdx/decode.h>

#include "abi/leaf_id.h"
#include "abi/metadata.h"
#include "abi/sept.h"
#include "arch/text.h"
#include "abi/eeq.h"
#include "arch/vmx.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

struct leaf_operand {
	unsigned reg;
	const char *what; /* NULL: the end */
};

/* The operands of every leaf, by its number. */
#define REFUSED(number_, name_)
#define IN_EVERY
#define LEAF(number_, function_, name_, in_, out_, ...)                                            \
	[number_] = (const struct leaf_operand[]){in_{0, NULL}},
#define IN(reg_, since_, type_, name_, what_) {reg_, what_},
static const struct leaf_operand *const seamcall_operands[TDX_SEAMCALL_LEAVES] = {
#include "abi/seamcall.def"
};
static const struct leaf_operand *const tdcall_operands[TDX_TDCALL_LEAVES] = {
#include "abi/tdcall.def"
};
#undef REFUSED
#undef IN_EVERY
#undef LEAF
#undef IN

const char *tdx_leaf_operand(const struct tdx_leaf_info *leaf, unsigned reg)
{
	const struct leaf_operand *o;

	if (!leaf)
		return NULL;
	o = leaf_is_guest(leaf) ? tdcall_operands[leaf->number] : seamcall_operands[leaf->number];
	for (; o && o->what; o++)
		if (o->reg == reg)
			return o->what;
	return NULL;
}

/* `what` as a whole word at the beginning of the text. */
static bool begins(const char *text, const char *what)
{
	while (*what && *what == *text) {
		what++;
		text++;
	}
	return !*what && (!*text || *text == ' ');
}

int tdx_leaf_operand_register(const struct tdx_leaf_info *leaf, const char *what)
{
	for (unsigned reg = RCX; reg <= R15; reg++) {
		const char *operand = tdx_leaf_operand(leaf, reg);

		if (operand && begins(operand, what))
			return (int)reg;
	}
	return -1;
}

const char *tdx_operand_meaning(enum tdx_operand op)
{
	switch (op) {
#define X(name_, meaning_)                                                                         \
	case TDX_OPERAND_ID_##name_:                                                               \
		return meaning_;
#include "abi/operand_meaning.def"
#undef X
	default:
		return NULL;
	}
}

const char *tdx_msr_name(uint32_t msr)
{
	switch (msr) {
#define X(number_, name_, text_)                                                                   \
	case number_:                                                                              \
		return #text_;
#include "arch/msr.def"
#undef X
	default:
		return NULL;
	}
}

const char *tdx_reg_name(unsigned reg)
{
	static const char *const names[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
					    "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};

	return names[reg & 15];
}

static void in_brackets(struct text *t, const char *s)
{
	if (!s)
		return;
	text_add(t, " (");
	text_add(t, s);
	text_char(t, ')');
}

static void operand(struct text *t, struct tdx_status s, const struct tdx_leaf_info *leaf)
{
	const char *name = tdx_operand_name(tdx_operand(s));

	text_add(t, "operand ");
	if (!name) {
		text_hex(t, tdx_details(s), 1);
		return;
	}
	text_add(t, name);
	if (tdx_details(s) < 16)
		in_brackets(t, tdx_leaf_operand(leaf, tdx_details(s)));
	else
		in_brackets(t, tdx_operand_meaning(tdx_operand(s)));
}

static void numbered(struct text *t, const char *what, uint64_t number, const char *name)
{
	text_add(t, what);
	text_hex(t, number, 1);
	in_brackets(t, name);
}

const char *tdx_details_text(struct tdx_status s, const struct tdx_leaf_info *leaf, char *buf,
			     size_t len)
{
	struct text t = text_into(buf, len);
	const struct tdx_status_info *info = tdx_status_info(s);
	uint32_t d = tdx_details(s);
	enum tdx_details_kind kind = info ? info->details : TDX_DETAILS_NONE;

	/* A code with other flags set may carry an operand where it has none of its own. */
	if (kind == TDX_DETAILS_OPERAND && !d && info->code != TDX_OPERAND_INVALID)
		return buf;
	switch (kind) {
	case TDX_DETAILS_NONE:
		if (info && d)
			numbered(&t, "details ", d, tdx_operand_name((enum tdx_operand)d));
		break;
	case TDX_DETAILS_OPERAND:
		operand(&t, s, leaf);
		break;
	case TDX_DETAILS_EXIT_REASON:
		if (d || leaf_id(leaf) == LEAF_ID_HOST(TDH_VP_ENTER) || !tdx_is_success(s)) {
			text_add(&t, "exit ");
			text_dec(&t, d & VMX_EXIT_BASIC_MASK);
			in_brackets(&t, vmx_exit_name(d & VMX_EXIT_BASIC_MASK));
			if (d & VMX_EXIT_BUS_LOCK_PREEMPTED)
				text_add(&t, ", after a bus lock");
			if (d & VMX_EXIT_ENTRY_FAILURE)
				text_add(&t, ", entry failed");
		}
		break;
	case TDX_DETAILS_OP_STATE:
		text_add(&t, "TD state ");
		text_add(&t, tdx_op_state_name(d));
		break;
	case TDX_DETAILS_VCPU_STATE:
		text_add(&t, "vCPU state ");
		text_add(&t, tdx_vcpu_state_name(d));
		break;
	case TDX_DETAILS_MSR:
		numbered(&t, "MSR ", d, tdx_msr_name(d));
		break;
	case TDX_DETAILS_CPUID_LEAF:
		numbered(&t, "CPUID leaf ", d, NULL);
		break;
	case TDX_DETAILS_X2APIC_ID:
		numbered(&t, "x2APIC id ", d, NULL);
		break;
	case TDX_DETAILS_INDEX:
		text_add(&t, "index ");
		text_dec(&t, d);
		break;
	case TDX_DETAILS_COUNT:
		text_add(&t, "limit ");
		text_dec(&t, d);
		break;
	case TDX_DETAILS_BYTES:
		text_add(&t, "bytes");
		for (unsigned i = 0; i < 3; i++) {
			text_char(&t, ' ');
			text_dec(&t, d >> (8 * i) & 0xff);
		}
		break;
	case TDX_DETAILS_PAIR:
		if (d >> 16 == 0xffff) {
			text_add(&t, "index ");
			text_dec(&t, d & 0xffff);
		} else if (d) {
			text_add(&t, "VM ");
			text_dec(&t, d >> 16);
			text_add(&t, ", level ");
			text_add(&t, tdx_level_name(d & 0xffff));
		}
		break;
	}
	return buf;
}

static bool shows(unsigned shown, unsigned reg)
{
	return (shown & TDX_REG_BIT(reg)) != 0;
}

static void page_metadata(struct text *t, const struct tdx_regs *r, unsigned shown)
{
	text_add(t, "page is ");
	text_add(t, tdx_page_type_name(tdx_page_type(r->rcx)));
	if (shows(shown, R8)) {
		text_add(t, ", ");
		text_add(t, tdx_level_name((unsigned)(r->r8 & 7)));
	}
	if (shows(shown, RDX) && r->rdx) {
		text_add(t, ", of the TD with TDR ");
		text_hex(t, r->rdx, 1);
	}
}

static void td_exit(struct text *t, struct tdx_status s, const struct tdx_regs *r, unsigned shown)
{
	unsigned reason = tdx_details(s) & VMX_EXIT_BASIC_MASK;
	char word[96];

	vmx_qualification_format(reason, r->rcx, word, sizeof(word));
	text_add(t, word);
	if (shows(shown, R8) &&
	    (reason == VMX_EXIT_EPT_VIOLATION || reason == VMX_EXIT_EPT_MISCONFIG)) {
		text_add(t, word[0] ? " at GPA " : "GPA ");
		text_hex(t, r->r8, 1);
	}
	if (shows(shown, RDX) && tdx_eeq_type(r->rdx) && reason != VMX_EXIT_TDCALL) {
		text_add(t, "; ");
		text_add(t, tdx_eeq_format(r->rdx, word, sizeof(word)));
	}
}

/* The context that the identifiers of a leaf leave out; false when it takes no identifier. */
static bool field_context(int leaf, enum md_context *ctx)
{
	switch (leaf) {
	case LEAF_ID_HOST(TDH_SYS_RD):
	case LEAF_ID_GUEST(TDG_SYS_RD):
		*ctx = MD_CTX_SYS;
		return true;
	case LEAF_ID_HOST(TDH_MNG_RD):
	case LEAF_ID_HOST(TDH_MNG_WR):
	case LEAF_ID_GUEST(TDG_VM_RD):
	case LEAF_ID_GUEST(TDG_VM_WR):
		*ctx = MD_CTX_TD;
		return true;
	case LEAF_ID_HOST(TDH_VP_RD):
	case LEAF_ID_HOST(TDH_VP_WR):
	case LEAF_ID_GUEST(TDG_VP_RD):
	case LEAF_ID_GUEST(TDG_VP_WR):
		*ctx = MD_CTX_VP;
		return true;
	default:
		return false;
	}
}

const char *tdx_outputs_text(struct tdx_status s, const struct tdx_leaf_info *leaf,
			     const struct tdx_regs *r, unsigned shown, char *buf, size_t len)
{
	struct text t = text_into(buf, len);
	int id = leaf_id(leaf);
	enum md_context ctx;
	char word[96];

	if (!leaf)
		return buf;
	if ((id == LEAF_ID_HOST(TDH_PHYMEM_PAGE_RECLAIM) ||
	     id == LEAF_ID_HOST(TDH_PHYMEM_PAGE_RDMD)) &&
	    shows(shown, RCX)) {
		page_metadata(&t, r, shown);
	} else if (id == LEAF_ID_HOST(TDH_VP_ENTER) && shows(shown, RCX)) {
		td_exit(&t, s, r, shown);
	} else if (id == LEAF_ID_HOST(TDH_MNG_INIT) && shows(shown, RCX) &&
		   tdx_is(s, TDX_OPERAND_INVALID) &&
		   tdx_operand(s) == TDX_OPERAND_ID_CPUID_CONFIG) {
		numbered(&t, "CPUID leaf ", r->rcx & 0xffffffffu, NULL);
		if (r->rcx >> 32 != 0xffffffffu)
			numbered(&t, ", sub-leaf ", r->rcx >> 32, NULL);
	} else if (leaf->sept_states && shows(shown, RCX) && shows(shown, RDX) && r->rdx) {
		text_add(&t, "entry ");
		text_add(&t, sept_arch_format(r->rcx, r->rdx, word, sizeof(word)));
	} else if (field_context(id, &ctx) && shows(shown, RDX) && !md_is_none(r->rdx)) {
		if (md_print(md_with_ctx(r->rdx, ctx), word, sizeof(word), NULL)) {
			text_add(&t, "field ");
			text_add(&t, word);
		}
	}
	return buf;
}
