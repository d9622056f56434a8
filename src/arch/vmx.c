/* SPDX-License-Identifier: MIT */
/* Names of VM exits and their qualifications; see vmx.h. Freestanding. */
#include "arch/vmx.h"

#include "abi/sept.h"
#include "arch/text.h"

#define COUNT(a)	 (sizeof(a) / sizeof((a)[0]))
#define LOOKUP(table, i) ((i) < COUNT(table) && (table)[i] ? (table)[i] : "UNKNOWN")

static const char *const exits[] = {
#define X(name, number) [number] = #name,
#include "arch/vmx_exit.def"
#undef X
};

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

static const char *const interruptions[] = {
	[VMX_INTERRUPTION_EXTERNAL] = "external interrupt",
	[VMX_INTERRUPTION_NMI] = "NMI",
	[VMX_INTERRUPTION_EXCEPTION] = "exception",
	[VMX_INTERRUPTION_SOFTWARE] = "software interrupt",
	[VMX_INTERRUPTION_PRIVILEGED_EXCEPTION] = "privileged exception",
	[VMX_INTERRUPTION_SOFTWARE_EXCEPTION] = "software exception",
	[VMX_INTERRUPTION_OTHER] = "other event",
};

const char *vmx_exit_name(unsigned basic_reason)
{
	return LOOKUP(exits, basic_reason);
}

const char *tdx_eeq_name(unsigned type)
{
	return LOOKUP(eeqs, type);
}

const char *vmx_interruption_name(unsigned type)
{
	return LOOKUP(interruptions, type);
}

static void ept_violation(struct text *t, uint64_t q)
{
	static const char *const access[] = {"read", "write", "fetch"};
	bool some = false;

	for (unsigned i = 0; i < COUNT(access); i++) {
		if (!(q >> i & 1))
			continue;
		if (some)
			text_char(t, '+');
		text_add(t, access[i]);
		some = true;
	}
	text_add(t, some ? "; entry " : "entry ");
	text_char(t, q & EPT_VIOLATION_READABLE ? 'R' : '-');
	text_char(t, q & EPT_VIOLATION_WRITABLE ? 'W' : '-');
	text_char(t, q & EPT_VIOLATION_EXECUTABLE ? 'X' : '-');
}

static void io(struct text *t, uint64_t q)
{
	text_add(t, "port ");
	text_hex(t, IO_QUAL_PORT(q), 1);
	text_add(t, q & IO_QUAL_IN ? " in " : " out ");
	text_dec(t, (q & IO_QUAL_SIZE_MASK) + 1);
	if (q & IO_QUAL_REP)
		text_add(t, " rep");
	if (q & IO_QUAL_STRING)
		text_add(t, " string");
}

static void cr_access(struct text *t, uint64_t q)
{
	static const char *const type[] = {"to", "from", "CLTS", "LMSW"};

	text_add(t, type[CR_QUAL_TYPE(q)]);
	text_add(t, " CR");
	text_dec(t, CR_QUAL_NUMBER(q));
}

const char *vmx_qualification_format(unsigned basic_reason, uint64_t qualification, char *buf,
				     size_t len)
{
	struct text t = text_into(buf, len);

	if (basic_reason == VMX_EXIT_EPT_VIOLATION)
		ept_violation(&t, qualification);
	else if (basic_reason == VMX_EXIT_IO)
		io(&t, qualification);
	else if (basic_reason == VMX_EXIT_CR_ACCESS)
		cr_access(&t, qualification);
	return buf;
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
