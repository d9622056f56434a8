/* SPDX-License-Identifier: MIT */
/* Names of VM exits and their qualifications; see vmx.h. Freestanding. */
#include "arch/vmx.h"

#include "arch/text.h"

#define COUNT(a)	 (sizeof(a) / sizeof((a)[0]))
#define LOOKUP(table, i) ((i) < COUNT(table) && (table)[i] ? (table)[i] : "UNKNOWN")

static const char *const exits[] = {
#define X(name, number) [number] = #name,
#include "arch/vmx_exit.def"
#undef X
};

static const char *const interruptions[] = {
	[VMX_EVENT_EXTERNAL] = "external interrupt",
	[VMX_EVENT_NMI] = "NMI",
	[VMX_EVENT_EXCEPTION] = "exception",
	[VMX_EVENT_SOFTWARE] = "software interrupt",
	[VMX_EVENT_PRIVILEGED_EXCEPTION] = "privileged exception",
	[VMX_EVENT_SOFTWARE_EXCEPTION] = "software exception",
	[VMX_EVENT_OTHER] = "other event",
};

const char *vmx_exit_name(unsigned basic_reason)
{
	return LOOKUP(exits, basic_reason);
}

const char *vmx_event_name(unsigned type)
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
