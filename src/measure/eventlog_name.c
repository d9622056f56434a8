/* SPDX-License-Identifier: MIT */
/* Names of what stands in event logs as numbers: types, algorithms, registers, faults. */
#include <inttypes.h>
#include <stdio.h>

#include "measure/eventlog_internal.h"

const char *tdx_eventlog_type_name(uint32_t type)
{
	static const struct {
		uint32_t type;
		const char *name;
	} names[] = {
		{0x00000000, "EV_PREBOOT_CERT"},
		{0x00000001, "EV_POST_CODE"},
		{0x00000002, "EV_UNUSED"},
		{0x00000003, "EV_NO_ACTION"},
		{0x00000004, "EV_SEPARATOR"},
		{0x00000005, "EV_ACTION"},
		{0x00000006, "EV_EVENT_TAG"},
		{0x00000007, "EV_S_CRTM_CONTENTS"},
		{0x00000008, "EV_S_CRTM_VERSION"},
		{0x00000009, "EV_CPU_MICROCODE"},
		{0x0000000a, "EV_PLATFORM_CONFIG_FLAGS"},
		{0x0000000b, "EV_TABLE_OF_DEVICES"},
		{0x0000000c, "EV_COMPACT_HASH"},
		{0x0000000d, "EV_IPL"},
		{0x0000000e, "EV_IPL_PARTITION_DATA"},
		{0x0000000f, "EV_NONHOST_CODE"},
		{0x00000010, "EV_NONHOST_CONFIG"},
		{0x00000011, "EV_NONHOST_INFO"},
		{0x00000012, "EV_OMIT_BOOT_DEVICE_EVENTS"},
		{0x00000013, "EV_POST_CODE2"},
		{0x08000001, "DSTACK_RUNTIME_EVENT"},
		{0x80000001, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
		{0x80000002, "EV_EFI_VARIABLE_BOOT"},
		{0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION"},
		{0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER"},
		{0x80000005, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
		{0x80000006, "EV_EFI_GPT_EVENT"},
		{0x80000007, "EV_EFI_ACTION"},
		{0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
		{0x80000009, "EV_EFI_HANDOFF_TABLES"},
		{0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
		{0x8000000b, "EV_EFI_HANDOFF_TABLES2"},
		{0x8000000c, "EV_EFI_VARIABLE_BOOT2"},
		{0x8000000d, "EV_EFI_GPT_EVENT2"},
		{0x80000010, "EV_EFI_HCRTM_EVENT"},
		{0x800000e0, "EV_EFI_VARIABLE_AUTHORITY"},
		{0x800000e1, "EV_EFI_SPDM_FIRMWARE_BLOB"},
		{0x800000e2, "EV_EFI_SPDM_FIRMWARE_CONFIG"},
		{0x800000e3, "EV_EFI_SPDM_DEVICE_POLICY"},
		{0x800000e4, "EV_EFI_SPDM_DEVICE_AUTHORITY"},
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	return NULL;
}

static const struct alg {
	enum tdx_eventlog_alg id;
	unsigned size;
	const char *name;
	const EVP_MD *(*md)(void);
} algs[] = {
	{TDX_EVENTLOG_SHA1, 20, "sha1", EVP_sha1},
	{TDX_EVENTLOG_SHA256, 32, "sha256", EVP_sha256},
	{TDX_EVENTLOG_SHA384, 48, "sha384", EVP_sha384},
	{TDX_EVENTLOG_SHA512, 64, "sha512", EVP_sha512},
	{TDX_EVENTLOG_SM3, 32, "sm3", EVP_sm3},
};

static const struct alg *find_alg(unsigned id)
{
	for (unsigned i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
		if ((unsigned)algs[i].id == id)
			return &algs[i];
	return NULL;
}

const char *tdx_eventlog_alg_name(unsigned alg)
{
	const struct alg *a = find_alg(alg);

	return a ? a->name : "unknown";
}

unsigned tdx_eventlog_alg_size(unsigned alg)
{
	const struct alg *a = find_alg(alg);

	return a ? a->size : 0;
}

const EVP_MD *eventlog_md(enum tdx_eventlog_alg bank)
{
	const struct alg *a = find_alg(bank);

	return a ? a->md() : NULL;
}

const char *tdx_eventlog_register_name(enum tdx_eventlog_kind kind, uint32_t reg, char *buf,
				       size_t len)
{
	if (reg == TDX_EVENTLOG_NO_REGISTER)
		snprintf(buf, len, "none");
	else if (kind == TDX_EVENTLOG_TPM)
		snprintf(buf, len, "pcr%" PRIu32, reg);
	else if (reg == TDX_EVENTLOG_MRTD)
		snprintf(buf, len, "mrtd");
	else
		snprintf(buf, len, "rtmr%" PRIu32, reg - TDX_EVENTLOG_RTMR0);
	return buf;
}

struct text {
	const char *what;
	const char *than; /* NULL: nothing follows */
};

static struct text text_of(enum tdx_eventlog_fault fault)
{
	switch (fault) {
	case TDX_EVENTLOG_OK:
		return (struct text){"no error", NULL};
	case TDX_EVENTLOG_TOO_SHORT:
		return (struct text){"a log that ends within its first event: number of bytes",
				     "less than"};
	case TDX_EVENTLOG_TOO_LONG:
		return (struct text){"number of bytes", "more than"};
	case TDX_EVENTLOG_IS_TABLE:
		return (struct text){"this is the ACPI table CCEL, which says where the log lies; "
				     "the log is /sys/firmware/acpi/tables/data/CCEL",
				     NULL};
	case TDX_EVENTLOG_HEADER:
		return (struct text){"not a crypto-agile log (no \"Spec ID Event03\" first): type",
				     "not"};
	case TDX_EVENTLOG_ALGS:
		return (struct text){"number of digest algorithms", "not 1 to"};
	case TDX_EVENTLOG_ALG_SIZE:
		return (struct text){"size of a digest", "not"};
	case TDX_EVENTLOG_NO_BANK:
		return (struct text){"no digest algorithm that is known, the first", NULL};
	case TDX_EVENTLOG_REGISTER:
		return (struct text){"register", "more than"};
	case TDX_EVENTLOG_DIGESTS:
		return (struct text){"number of digests", "more than"};
	case TDX_EVENTLOG_ALG_UNKNOWN:
		return (struct text){"digest of an algorithm that the first event does not name",
				     ""};
	case TDX_EVENTLOG_CUT:
		return (struct text){"the log ends within the event: bytes needed", "there are"};
	}
	return (struct text){"unknown fault", NULL};
}

const char *tdx_eventlog_error_text(const struct tdx_eventlog_error *e, char *buf, size_t len)
{
	struct text t = text_of(e->fault);

	if (!t.than)
		snprintf(buf, len, "event log: %s", t.what);
	else if (!t.than[0])
		snprintf(buf, len, "offset 0x%" PRIx64 ": event log: event %zu: %s: 0x%" PRIx64,
			 e->at, e->event, t.what, e->value);
	else
		snprintf(buf, len,
			 "offset 0x%" PRIx64 ": event log: event %zu: %s is 0x%" PRIx64
			 ", %s 0x%" PRIx64,
			 e->at, e->event, t.what, e->value, t.than, e->limit);
	return buf;
}
