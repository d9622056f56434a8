/* SPDX-License-Identifier: MIT */
/* Single values for swtdx decode: a status, a leaf, a field, a Secure-EPT entry, a TD exit, sets of
 * bits. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <swtdx/seamldr.h>

#include "abi/ghci.h"
#include "abi/leaf_id.h"
#include "abi/metadata.h"
#include "abi/sept.h"
#include "arch/vmx.h"

#include "decode.h"
#include "tools/text.h"
#include "tools/verbs.h"

static void flags(json_t *sheet, struct tdx_status s)
{
	json_t *names = json_array();

	if (tdx_is_error(s))
		json_array_append_new(names, json_string("error"));
	if (tdx_is_non_recoverable(s))
		json_array_append_new(names, json_string("non-recoverable"));
	if (tdx_is_fatal(s))
		json_array_append_new(names, json_string("fatal"));
	if (tdx_is_host_recoverable(s))
		json_array_append_new(names, json_string("host-recoverable"));
	if (json_array_size(names))
		json_object_set(sheet, "flags", names);
	json_decref(names);
}

static void returned_by(json_t *sheet, uint64_t code)
{
	const struct tdx_leaf_info *leaf;
	json_t *names = json_array();

	for (size_t i = 0; (leaf = tdx_leaf_returning(code, i)); i++)
		json_array_append_new(names, json_string(leaf->name));
	if (json_array_size(names))
		json_object_set(sheet, SHEET_RETURNED_BY, names);
	json_decref(names);
}

/* The same number from others than the module: the loader, the host's answer to a TDVMCALL, a
 * quote's buffer. Only a number that is no status of the module's table makes one ask. */
static void of_others(json_t *sheet, struct tdx_status s)
{
	json_t *names = json_array();
	const char *call = tdvmcall_status_name(s.raw), *quote = tdvmcall_quote_status_name(s.raw);
	struct tdx_explanation e;
	char text[TDX_DECODE_TEXT_MAX];

	tdx_explain_seamldr(s, &e);
	if (e.action != TDX_DO_UNKNOWN) {
		snprintf(text, sizeof(text), "of the P-SEAMLDR: %s, %s", e.name, e.meaning);
		json_array_append_new(names, json_string(text));
	}
	if (tdx_seamldr_name(s.raw)) {
		snprintf(text, sizeof(text), "RAX of a SEAMCALL: %s", tdx_seamldr_name(s.raw));
		json_array_append_new(names, json_string(text));
	}
	if (call) {
		snprintf(text, sizeof(text), "of a TDVMCALL (R10): %s", call);
		json_array_append_new(names, json_string(text));
	}
	if (quote) {
		snprintf(text, sizeof(text), "of a GetQuote buffer: %s", quote);
		json_array_append_new(names, json_string(text));
	}
	if (json_array_size(names))
		json_object_set(sheet, "or", names);
	json_decref(names);
}

static json_t *status_sheet(struct tdx_status s, const struct tdx_leaf_info *leaf)
{
	json_t *sheet = json_object();
	struct tdx_explanation e;
	char text[TDX_DECODE_TEXT_MAX];

	tdx_explain(s, leaf, &e);
	sheet_hex(sheet, "status", s.raw);
	if (leaf)
		sheet_text(sheet, "leaf", leaf->name);
	sheet_text(sheet, "name", e.name);
	sheet_text(sheet, "class", e.class_name);
	flags(sheet, s);
	sheet_text(sheet, "details", tdx_details_text(s, leaf, text, sizeof(text)));
	sheet_text(sheet, "meaning", e.meaning);
	sheet_text(sheet, "hint", e.hint);
	sheet_text(sheet, "action", tdx_action_name(e.action));
	sheet_text(sheet, "do", tdx_action_advice(e.action));
	if (e.flags_differ) {
		snprintf(text, sizeof(text), "module 1.5.25 returns 0x%" PRIx64, e.info->code);
		sheet_text(sheet, "note", text);
	}
	if (e.info)
		returned_by(sheet, e.info->code);
	else
		of_others(sheet, s);
	return sheet;
}

/* A name, or a number of 32 bits. */
static bool operand_by_name(const char *word, uint64_t *id)
{
	enum tdx_operand op;

	for (size_t i = 0; tdx_operand_at(i, &op); i++)
		if (!strcasecmp(tdx_operand_name(op), word)) {
			*id = (uint64_t)op;
			return true;
		}
	return text_number(word, id) && *id <= UINT32_MAX;
}

static const struct tdx_leaf_info *find_leaf(const char *word)
{
	uint64_t value;

	if (!text_number(word, &value))
		return tdx_leaf_by_name(word);
	return tdx_rax_reserved(value) ? NULL : tdx_seamcall_leaf(tdx_rax_leaf(value));
}

/* "TDX_OPERAND_BUSY", or with details, as "TDX_OPERAND_BUSY|SEPT_TREE",
 * "TDX_INCORRECT_MSR_VALUE|0x122". */
static bool status_by_name(const char *word, struct tdx_status *s)
{
	const char *bar = strchr(word, '|');
	const struct tdx_status_info *code;
	uint64_t details = 0;
	char name[96];

	if (strlen(word) >= sizeof(name))
		return false;
	strcpy(name, word);
	if (bar)
		name[bar - word] = '\0';
	code = tdx_status_by_name(name);
	if (!code || (bar && !operand_by_name(bar + 1, &details)))
		return false;
	*s = tdx_error_num(code->code, (uint32_t)details);
	return true;
}

json_t *decode_status(char **words, int n, int *told)
{
	const struct tdx_leaf_info *info = n > 1 ? find_leaf(words[1]) : NULL;
	struct tdx_status s;
	uint64_t value;

	if (n > 1 && !info) {
		decode_tell_unknown(words[1], "no leaf", DECODE_LEAVES);
		*told = VERB_DIFFERENCE;
		return NULL;
	}
	if (status_by_name(words[0], &s))
		return status_sheet(s, info);
	return text_number(words[0], &value) ? status_sheet(tdx_error(value), info) : NULL;
}

static void registers(json_t *sheet, const char *key, const struct tdx_leaf_info *leaf,
		      unsigned set, bool meanings)
{
	json_t *names = json_array();
	char text[64];

	for (unsigned reg = 0; reg < 16; reg++) {
		const char *what = meanings ? tdx_leaf_operand(leaf, reg) : NULL;

		if (!(set & TDX_REG_BIT(reg)))
			continue;
		snprintf(text, sizeof(text), what ? "%s %s" : "%s", tdx_reg_name(reg), what);
		json_array_append_new(names, json_string(text));
	}
	if (json_array_size(names))
		json_object_set(sheet, key, names);
	json_decref(names);
}

static void leaf_states(json_t *sheet, const struct tdx_leaf_info *leaf)
{
	json_t *op = json_array(), *sept = json_array(), *codes = json_array();
	const struct tdx_status_info *code;

	for (unsigned i = 0; i < TDX_OP_STATES; i++)
		if (leaf->op_states & TDX_OP_STATE_BIT(i))
			json_array_append_new(op, json_string(tdx_op_state_name(i)));
	for (unsigned i = 0; i < TDX_SEPT_STATES; i++)
		if (leaf->sept_states & TDX_SEPT_STATE_BIT(i))
			json_array_append_new(
				sept, json_string(tdx_sept_state_name((enum tdx_sept_state)i)));
	for (size_t i = 0; (code = tdx_code_of_leaf(leaf, i)); i++)
		json_array_append_new(codes, json_string(code->name));
	if (json_array_size(op))
		json_object_set(sheet, "TD states", op);
	if (json_array_size(sept))
		json_object_set(sheet, "entry states", sept);
	if (json_array_size(codes))
		json_object_set(sheet, "returns", codes);
	json_decref(op);
	json_decref(sept);
	json_decref(codes);
}

/* "seamldr.install", "SEAMLDR_INSTALL". */
static json_t *seamldr_call(const char *word)
{
	static const struct {
		uint64_t rax;
		const char *what;
	} calls[] = {
		{SEAMLDR_INFO, "RCX: 256 bytes for SEAMLDR_INFO, aligned so"},
		{SEAMLDR_INSTALL, "RCX: SEAMLDR_PARAMS, a page; on every processor, the last "
				  "one loads the module. RDX of a failure: 1 when the module "
				  "that was there is lost"},
		{SEAMLDR_SHUTDOWN, "on every processor, the last time on that of "
				   "SEAMLDR_INFO.ACM_X2APICID: then there is no P-SEAMLDR"},
		{SEAMLDR_SEAMINFO, "RCX: 2048 bytes for what the platform tells the module"},
		{SEAMLDR_CLEANUP, "on every processor: renews all keys, writes all caches back"},
	};
	json_t *sheet;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const char *name = tdx_seamldr_name(calls[i].rax), *w = word;

		for (;
		     *name && (toupper((unsigned char)*w) == *name || (*w == '_' && *name == '.'));
		     name++)
			w++;
		if (*name || *w)
			continue;
		sheet = json_object();
		sheet_text(sheet, "leaf", tdx_seamldr_name(calls[i].rax));
		sheet_hex(sheet, "number", calls[i].rax);
		sheet_text(sheet, "called by", "host, SEAMCALL; answered by the P-SEAMLDR");
		sheet_text(sheet, "registers", calls[i].what);
		return sheet;
	}
	return NULL;
}

json_t *decode_leaf(char **words, int n, int *told)
{
	const struct tdx_leaf_info *leaf = find_leaf(words[0]);
	json_t *sheet;

	if (!leaf)
		return seamldr_call(words[0]);
	sheet = json_object();
	sheet_text(sheet, "leaf", leaf->name);
	sheet_number(sheet, "number", leaf->number);
	sheet_text(sheet, "called by", leaf_is_guest(leaf) ? "guest, TDCALL" : "host, SEAMCALL");
	if (leaf->flags & TDX_LEAF_NOT_IMPLEMENTED)
		sheet_text(sheet, "note",
			   "module 1.5.25 does not have it: TDX_OPERAND_INVALID|RAX");
	else
		sheet_text(sheet, "versions", leaf->max_version ? "0, 1" : "0");
	registers(sheet, "in", leaf, tdx_leaf_inputs(leaf, 0), true);
	registers(sheet, "out", leaf, tdx_leaf_outputs(leaf, 0), false);
	registers(sheet, "in, version 1", leaf, leaf->in_v1, true);
	registers(sheet, "out, version 1", leaf, leaf->out_v1, false);
	leaf_states(sheet, leaf);
	return sheet;
}

static void access(json_t *sheet, const char *who, struct md_mask mask, uint64_t whole)
{
	char text[64];

	if (!(mask.rd & whole) && !(mask.wr & whole))
		snprintf(text, sizeof(text), "no access");
	else if ((mask.rd & whole) == whole && (mask.wr & whole) == whole)
		snprintf(text, sizeof(text), "reads and writes");
	else if ((mask.rd & whole) == whole && !(mask.wr & whole))
		snprintf(text, sizeof(text), "reads");
	else
		snprintf(text, sizeof(text), "reads 0x%" PRIx64 ", writes 0x%" PRIx64,
			 mask.rd & whole, mask.wr & whole);
	sheet_text(sheet, who, text);
}

static json_t *field_sheet(uint64_t id)
{
	const struct md_field *f;
	char name[96], text[64];
	json_t *sheet;

	if (!md_print(id, name, sizeof(name), &f))
		return NULL;
	sheet = json_object();
	sheet_hex(sheet, "field", id);
	sheet_text(sheet, "name", name);
	sheet_text(sheet, "class", md_class_name((enum md_context)md_ctx(id), md_class(id)));
	snprintf(text, sizeof(text), "fields %u, elements %u, bytes %u", f->last_field + 1u,
		 md_elements(f), md_size(f->id));
	sheet_text(sheet, "holds", text);
	access(sheet, "host", f->host, md_size_mask(f->id));
	if (md_ctx(id) != MD_CTX_SYS)
		access(sheet, "host, debug", f->debug, md_size_mask(f->id));
	access(sheet, "guest", f->guest, md_size_mask(f->id));
	if (id & MD_ID_RESERVED)
		sheet_text(sheet, "note", "reserved bits are set: TDX_METADATA_FIELD_ID_INCORRECT");
	return sheet;
}

json_t *decode_field(char **words, int n, int *told)
{
	uint64_t id;

	if (!text_number(words[0], &id))
		id = md_by_name(words[0]);
	return md_is_none(id) ? NULL : field_sheet(id);
}

static bool numbers(char **words, int n, uint64_t *value, int *told)
{
	for (int i = 0; i < n; i++)
		if (!text_number(words[i], &value[i])) {
			decode_tell_unknown(words[i], "no number", 0);
			*told = VERB_DIFFERENCE;
			return false;
		}
	return true;
}

json_t *decode_entry(char **words, int n, int *told)
{
	char text[TDX_DECODE_TEXT_MAX];
	uint64_t value[2] = {0}, entry, info;
	json_t *sheet;

	if (!numbers(words, n, value, told))
		return NULL;
	entry = value[0];
	info = value[1];
	sheet = json_object();
	sheet_hex(sheet, "entry", entry);
	if (n > 1) {
		sheet_hex(sheet, "info", info);
		sheet_text(sheet, "state", sept_public_name(sept_info_public_state(info)));
		sheet_text(sheet, "level", tdx_level_name(sept_info_level(info)));
		sheet_text(sheet, "in short", sept_arch_format(entry, info, text, sizeof(text)));
	} else if (entry == SEPT_SUPPRESS_VE) {
		sheet_text(sheet, "state", "FREE, as calls return it");
	} else if (sept_state(entry) != TDX_SEPT_UNKNOWN) {
		sheet_text(sheet, "state", tdx_sept_state_name(sept_state(entry)));
	}
	if (sept_address(entry))
		sheet_hex(sheet, "address", sept_address(entry));
	snprintf(text, sizeof(text), "%s%s%s%s", entry & SEPT_R ? "read " : "",
		 entry & SEPT_W ? "write " : "", entry & SEPT_XS ? "execute " : "",
		 entry & SEPT_XU ? "execute-user" : "");
	sheet_text(sheet, "rights", text[0] ? text : "none");
	sheet_text(sheet, "kind",
		   sept_is_leaf(entry) ? "maps a page" : "points to a table, or free");
	return sheet;
}

json_t *decode_exit(char **words, int n, int *told)
{
	uint64_t value[5] = {0};
	struct tdx_regs r = {0};
	char text[TDX_DECODE_TEXT_MAX];
	struct tdx_status s;
	json_t *sheet;

	if (!numbers(words, n, value, told))
		return NULL;
	s = tdx_status(value[0]);
	sheet = status_sheet(s, tdx_seamcall_leaf(TDH_VP_ENTER));
	json_object_del(sheet, SHEET_RETURNED_BY);
	r.rcx = value[1];
	r.rdx = value[2];
	r.r8 = value[3];
	if (n > 1) {
		sheet_hex(sheet, "qualification", r.rcx);
		sheet_text(sheet, "outputs",
			   tdx_outputs_text(s, tdx_seamcall_leaf(TDH_VP_ENTER), &r,
					    TDX_REG_BIT(1) | (n > 2 ? TDX_REG_BIT(2) : 0) |
						    (n > 3 ? TDX_REG_BIT(8) : 0),
					    text, sizeof(text)));
	}
	if (n > 4 && value[4] & VMX_EVENT_VALID) {
		snprintf(text, sizeof(text), "%s, vector %u",
			 vmx_event_name(VMX_EVENT_TYPE(value[4])), VMX_EVENT_VECTOR(value[4]));
		sheet_text(sheet, "interruption", text);
	}
	return sheet;
}

static json_t *bits(const char *key, const char *word, const char *(*name)(unsigned))
{
	json_t *sheet;
	uint64_t value;

	if (!text_number(word, &value))
		return NULL;
	sheet = json_object();
	sheet_bits(sheet, key, value, name);
	return sheet;
}

json_t *decode_attributes(char **words, int n, int *told)
{
	return bits("attributes", words[0], tdx_attribute_name);
}

json_t *decode_config_flags(char **words, int n, int *told)
{
	return bits("config flags", words[0], tdx_config_flag_name);
}

json_t *decode_td_ctls(char **words, int n, int *told)
{
	return bits("TD controls", words[0], tdx_td_ctls_name);
}

json_t *decode_xfam(char **words, int n, int *told)
{
	return bits("xfam", words[0], tdx_xfam_name);
}

json_t *decode_operand(char **words, int n, int *told)
{
	json_t *sheet;
	uint64_t id;

	if (!operand_by_name(words[0], &id) || !tdx_operand_name((enum tdx_operand)id))
		return NULL;
	sheet = json_object();
	sheet_number(sheet, "operand", id);
	sheet_text(sheet, "name", tdx_operand_name((enum tdx_operand)id));
	sheet_text(sheet, "meaning", tdx_operand_meaning((enum tdx_operand)id));
	return sheet;
}

/* An error of the loader, of a TDVMCALL or of GetQuote. */
static bool is_status_of_others(uint64_t value)
{
	struct tdx_explanation e;

	tdx_explain_seamldr(tdx_status(value), &e);
	return value >> 63 && (e.action != TDX_DO_UNKNOWN || tdx_seamldr_name(value) ||
			       tdvmcall_status_name(value) || tdvmcall_quote_status_name(value));
}

json_t *decode_guess(char **words, int n, int *told)
{
	json_t *sheet;
	uint64_t value;

	if (!text_number(words[0], &value)) {
		sheet = decode_status(words, 1, told);
		if (!sheet)
			sheet = decode_leaf(words, 1, told);
		if (!sheet)
			sheet = decode_field(words, 1, told);
		return sheet ? sheet : decode_operand(words, 1, told);
	}
	/* A leaf, alone or with a version. */
	if (value <= (TDX_RAX_LEAF_MASK | TDX_RAX_VERSION_MASK))
		return decode_leaf(words, 1, told);
	if (!tdx_status_info(tdx_status(value)) && !tdx_is_sw_error(tdx_status(value)) &&
	    !is_status_of_others(value)) {
		sheet = decode_field(words, 1, told);
		if (sheet)
			return sheet;
	}
	return decode_status(words, 1, told);
}
