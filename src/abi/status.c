/* SPDX-License-Identifier: MIT */
/* Names of completion status codes and operand ids; see <swtdx/status.h>. Freestanding. */
#include <swtdx/status.h>

#include "arch/text.h"

static const struct tdx_status_info codes[] = {
#define X(code_, details_) {#code_, code_, TDX_DETAILS_##details_},
#include "abi/status.def"
#undef X
};

static const struct {
	const char *name;
	enum tdx_operand id;
} operands[] = {
#define X(name_) {#name_, TDX_OPERAND_ID_##name_},
#include "abi/operand.def"
#undef X
};

static const char *const classes[] = {
	[0x00] = "generic, TD exit", [0x01] = "operand",	 [0x02] = "busy, resource",
	[0x03] = "page metadata",    [0x04] = "dependent pages", [0x05] = "module state",
	[0x06] = "TD state",	     [0x07] = "vCPU state",	 [0x08] = "keys and KeyIDs",
	[0x09] = "platform",	     [0x0a] = "TDMR and CMR",	 [0x0b] = "Secure-EPT",
	[0x0c] = "metadata fields",  [0x0d] = "service TD",	 [0x0e] = "migration",
	[0x10] = "report",	     [0x11] = "TD partitioning", [0xff] = "software",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const struct tdx_status_info *tdx_status_at(size_t index)
{
	return index < COUNT(codes) ? &codes[index] : NULL;
}

const struct tdx_status_info *tdx_status_info(struct tdx_status s)
{
	const uint64_t recoverability = 0xf000000000000000ull;

	for (size_t i = 0; i < COUNT(codes); i++) {
		/* An error whose class and name are zero is no kind of success. */
		uint64_t compared = codes[i].code == TDX_SUCCESS ? ~0ull : ~recoverability;

		if (!((codes[i].code ^ tdx_code(s)) & compared))
			return &codes[i];
	}
	return NULL;
}

const struct tdx_status_info *tdx_status_by_name(const char *name)
{
	for (size_t i = 0; i < COUNT(codes); i++) {
		const char *full = codes[i].name;

		if (text_equal(full, name) || (full[3] == '_' && text_equal(full + 4, name)))
			return &codes[i];
	}
	return NULL;
}

/* Names of values that are no codes of the table. */
static const char *other_name(struct tdx_status s)
{
	switch (s.raw) {
	case TDX_UNINITIALIZE_ERROR:
		return "UNINITIALIZE_ERROR";
	case TDX_SEAMCALL_VMFAILINVALID:
		return "TDX_SEAMCALL_VMFAILINVALID";
	case TDX_SEAMCALL_GP:
		return "TDX_SEAMCALL_GP";
	case TDX_SEAMCALL_UD:
		return "TDX_SEAMCALL_UD";
	default:
		return NULL;
	}
}

const char *tdx_status_name(struct tdx_status s)
{
	const struct tdx_status_info *info = tdx_status_info(s);
	const char *name = info ? info->name : other_name(s);

	return name ? name : "TDX_STATUS_UNKNOWN";
}

const char *tdx_operand_name(enum tdx_operand op)
{
	for (size_t i = 0; i < COUNT(operands); i++)
		if (operands[i].id == op)
			return operands[i].name;
	return NULL;
}

bool tdx_operand_at(size_t index, enum tdx_operand *op)
{
	if (index >= COUNT(operands))
		return false;
	*op = operands[index].id;
	return true;
}

const char *tdx_class_name(unsigned status_class)
{
	return status_class < COUNT(classes) ? classes[status_class] : NULL;
}

const char *tdx_status_format(struct tdx_status s, char *buf, size_t len)
{
	const struct tdx_status_info *info = tdx_status_info(s);
	struct text t = text_into(buf, len);

	text_add(&t, tdx_status_name(s));
	if (!info) {
		if (!other_name(s)) {
			text_char(&t, '(');
			text_hex(&t, s.raw, 16);
			text_char(&t, ')');
		}
		return buf;
	}
	/* Only a bad RAX names RAX; elsewhere zero says that no operand is named. */
	if (info->details == TDX_DETAILS_OPERAND && tdx_operand_name(tdx_operand(s)) &&
	    (tdx_details(s) || info->code == TDX_OPERAND_INVALID)) {
		text_char(&t, '|');
		text_add(&t, tdx_operand_name(tdx_operand(s)));
	} else if (tdx_details(s)) {
		text_char(&t, '|');
		text_hex(&t, tdx_details(s), 1);
	}
	return buf;
}
