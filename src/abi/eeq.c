/* SPDX-License-Identifier: MIT */
/* Names of extended exit qualifications; see abi/eeq.h. Freestanding. */
#include "abi/eeq.h"

#include "abi/sept.h"
#include "arch/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const eeqs[] = {
	[TDX_EEQ_NONE] = "NONE",
	[TDX_EEQ_ACCEPT] = "ACCEPT",
	[TDX_EEQ_GPA_DETAILS] = "GPA_DETAILS",
	[TDX_EEQ_MSR_LOAD_FAILURE] = "MSR_LOAD_FAILURE",
	[TDX_EEQ_XSTATE_LOAD_FAILURE] = "XSTATE_LOAD_FAILURE",
	[TDX_EEQ_ATTR_WR] = "ATTR_WR",
	[TDX_EEQ_PENDING_EPT_VIOLATION] = "PENDING_EPT_VIOLATION",
	[TDX_EEQ_ENTRY_FAILURE] = "ENTRY_FAILURE",
};

const char *tdx_eeq_name(unsigned type)
{
	return type < COUNT(eeqs) && eeqs[type] ? eeqs[type] : "UNKNOWN";
}

const char *tdx_eeq_format(uint64_t eeq, char *buf, size_t len)
{
	struct text t = text_into(buf, len);
	struct tdx_eeq_entry e = tdx_eeq_entry(eeq);
	unsigned type = tdx_eeq_type(eeq);

	text_add(&t, tdx_eeq_name(type));
	if (type != TDX_EEQ_ACCEPT && type != TDX_EEQ_ATTR_WR)
		return buf;
	text_add(&t, " of ");
	text_add(&t, tdx_level_name(e.requested_level));
	text_add(&t, " met ");
	text_add(&t, sept_public_name(e.public_state));
	text_add(&t, " at ");
	text_add(&t, tdx_level_name(e.level));
	if (e.vm) {
		text_add(&t, " of VM ");
		text_dec(&t, e.vm);
	}
	return buf;
}
