/* SPDX-License-Identifier: MIT */
/* Measured boot's diary: event logs, read, named, replayed and held against registers.
 *
 * A log is what firmware, loaders and kernels wrote beside the registers they extended. Two kinds
 * have one format (TCG crypto-agile): the CC log of a TD, whose registers are MRTD and RTMR 0 to 3
 * under the numbers 0 to 4, and the log of a TPM, whose registers are PCRs; Azure's TDs have the
 * second, of a virtual TPM.
 *
 * Nobody vouches for a log but the registers it replays to; its text is its author's and is only
 * ever given out escaped. A parsed log points into the caller's bytes, which must outlive it. All
 * functions are reentrant.
 *
 * Errors: 0 or a negative errno. -EINVAL comes with a struct tdx_eventlog_error; -ENOMEM; -EIO is
 *the crypto library's.
 *
 * Source: TCG PC Client Platform Firmware Profile 1.06 (10.2), UEFI 2.10 (38, CC measurement),
 * Intel TDX Guest-Host-Communication Interface (CCEL).
 *
 *	struct tdx_eventlog log;
 *	struct tdx_eventlog_error err;
 *	struct tdx_digest rtmr[TDX_RTMRS];
 *
 *	if (!tdx_eventlog_parse(bytes, len, &log, &err) && !tdx_eventlog_rtmrs(&log, rtmr))
 *		...
 *	tdx_eventlog_free(&log);
 */
#ifndef SWTDX_EVENTLOG_H
#define SWTDX_EVENTLOG_H

#include <swtdx/structs.h>
#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Limits beyond which a log is refused; real ones have 64 KiB and some hundred events. */
#define TDX_EVENTLOG_MAX	(16u << 20)
#define TDX_EVENTLOG_MAX_ALGS	8
#define TDX_EVENTLOG_DIGEST_MAX 64

/* Numbers of registers in a log. */
enum {
	TDX_EVENTLOG_MRTD = 0,
	TDX_EVENTLOG_RTMR0 = 1,
	TDX_EVENTLOG_PCRS = 24,
};
#define TDX_EVENTLOG_NO_REGISTER 0xffffffffu

enum tdx_eventlog_kind {
	TDX_EVENTLOG_CC,  /* registers are MRTD and RTMRs */
	TDX_EVENTLOG_TPM, /* registers are PCRs */
};

/* TPM_ALG_ID. */
enum tdx_eventlog_alg {
	TDX_EVENTLOG_SHA1 = 0x4,
	TDX_EVENTLOG_SHA256 = 0xb,
	TDX_EVENTLOG_SHA384 = 0xc,
	TDX_EVENTLOG_SHA512 = 0xd,
	TDX_EVENTLOG_SM3 = 0x12,
};

/* Event types that something here hangs on; tdx_eventlog_type_name() knows more. */
enum tdx_eventlog_type {
	TDX_EV_POST_CODE = 0x1,
	TDX_EV_NO_ACTION = 0x3,
	TDX_EV_SEPARATOR = 0x4,
	TDX_EV_ACTION = 0x5,
	TDX_EV_EVENT_TAG = 0x6,
	TDX_EV_S_CRTM_CONTENTS = 0x7,
	TDX_EV_S_CRTM_VERSION = 0x8,
	TDX_EV_PLATFORM_CONFIG_FLAGS = 0xa,
	TDX_EV_COMPACT_HASH = 0xc,
	TDX_EV_IPL = 0xd,
	TDX_EV_IPL_PARTITION_DATA = 0xe,
	TDX_EV_OMIT_BOOT_DEVICE_EVENTS = 0x12,
	TDX_EV_POST_CODE2 = 0x13,
	TDX_EV_DSTACK_RUNTIME = 0x08000001,
	TDX_EV_EFI_VARIABLE_DRIVER_CONFIG = (int)0x80000001,
	TDX_EV_EFI_VARIABLE_BOOT = (int)0x80000002,
	TDX_EV_EFI_BOOT_SERVICES_APPLICATION = (int)0x80000003,
	TDX_EV_EFI_BOOT_SERVICES_DRIVER = (int)0x80000004,
	TDX_EV_EFI_RUNTIME_SERVICES_DRIVER = (int)0x80000005,
	TDX_EV_EFI_GPT_EVENT = (int)0x80000006,
	TDX_EV_EFI_ACTION = (int)0x80000007,
	TDX_EV_EFI_PLATFORM_FIRMWARE_BLOB = (int)0x80000008,
	TDX_EV_EFI_HANDOFF_TABLES = (int)0x80000009,
	TDX_EV_EFI_PLATFORM_FIRMWARE_BLOB2 = (int)0x8000000a,
	TDX_EV_EFI_HANDOFF_TABLES2 = (int)0x8000000b,
	TDX_EV_EFI_VARIABLE_BOOT2 = (int)0x8000000c,
	TDX_EV_EFI_GPT_EVENT2 = (int)0x8000000d,
	TDX_EV_EFI_HCRTM_EVENT = (int)0x80000010,
	TDX_EV_EFI_VARIABLE_AUTHORITY = (int)0x800000e0,
};

struct tdx_eventlog_event {
	uint64_t at;	     /* offset in the log */
	uint32_t reg;	     /* as the log has it */
	uint32_t type;	     /* a word: may be no enum tdx_eventlog_type */
	const uint8_t *hash; /* of the bank that is replayed, or NULL: none of that bank */
	const uint8_t *digests;
	unsigned ndigests; /* at `digests`, a 16-bit algorithm before each */
	const uint8_t *data;
	uint32_t size;
};

struct tdx_eventlog {
	enum tdx_eventlog_kind kind;
	enum tdx_eventlog_alg bank; /* that is replayed */
	unsigned nalgs;
	struct {
		uint16_t id, size;
	} alg[TDX_EVENTLOG_MAX_ALGS];
	struct tdx_eventlog_event *event; /* the first is the one that names the algorithms */
	size_t nevents;
	uint64_t end;	/* where the last event ends; what follows is filling */
	uint64_t stray; /* bytes after it that are not */
};

enum tdx_eventlog_fault {
	TDX_EVENTLOG_OK,
	TDX_EVENTLOG_TOO_SHORT,
	TDX_EVENTLOG_TOO_LONG,
	TDX_EVENTLOG_IS_TABLE,
	TDX_EVENTLOG_HEADER,
	TDX_EVENTLOG_ALGS,
	TDX_EVENTLOG_ALG_SIZE,
	TDX_EVENTLOG_NO_BANK,
	TDX_EVENTLOG_REGISTER,
	TDX_EVENTLOG_DIGESTS,
	TDX_EVENTLOG_ALG_UNKNOWN,
	TDX_EVENTLOG_CUT,
};

struct tdx_eventlog_error {
	enum tdx_eventlog_fault fault;
	size_t event;	/* the how manieth it is in */
	uint64_t at;	/* offset of the words at fault */
	uint64_t value; /* what stood there */
	uint64_t limit; /* what would have been right, or how much was left */
};

#define TDX_EVENTLOG_ERROR_TEXT 192

/* One line of text without a newline; returns buf. */
const char *tdx_eventlog_error_text(const struct tdx_eventlog_error *err, char *buf, size_t len);

/* Reads a log; what fills its area up (zeros or ones) is no part of it. On error *out is empty. */
int tdx_eventlog_parse(const void *bytes, size_t len, struct tdx_eventlog *out,
		       struct tdx_eventlog_error *err);
void tdx_eventlog_free(struct tdx_eventlog *log);

/* Whether bytes begin as a log does: for those who must tell what they have. */
bool tdx_eventlog_looks_like(const void *bytes, size_t len);

/* "EV_SEPARATOR", ...; NULL for a word that is no known type. */
const char *tdx_eventlog_type_name(uint32_t type);
const char *tdx_eventlog_alg_name(unsigned alg);
unsigned tdx_eventlog_alg_size(unsigned alg); /* 0: unknown */

/* "rtmr0", "mrtd", "pcr7", "none"; returns buf, which 16 bytes are enough for. */
const char *tdx_eventlog_register_name(enum tdx_eventlog_kind kind, uint32_t reg, char *buf,
				       size_t len);

/* Is it extended into a register? EV_NO_ACTION is not. */
bool tdx_eventlog_extends(const struct tdx_eventlog *log, const struct tdx_eventlog_event *e);

/* What it is of, in a line of printable ASCII; returns buf. */
#define TDX_EVENTLOG_TEXT 512
const char *tdx_eventlog_describe(const struct tdx_eventlog_event *e, char *buf, size_t len);

/* What it is about, without what differs from boot to boot: the same name in two logs is the same
 * step of the boot. Printable ASCII. */
const char *tdx_eventlog_subject(const struct tdx_eventlog_event *e, char *buf, size_t len);

/* Is the digest that of the event's own data? Of many types it need not be: UNKNOWN. */
enum tdx_eventlog_check { TDX_EVENTLOG_UNKNOWN, TDX_EVENTLOG_MATCHES, TDX_EVENTLOG_DIFFERS };
enum tdx_eventlog_check tdx_eventlog_check(const struct tdx_eventlog *log,
					   const struct tdx_eventlog_event *e);

/* One register's value on its way through the log. */
struct tdx_eventlog_value {
	uint8_t b[TDX_EVENTLOG_DIGEST_MAX];
};

/* The value before the first event, and after one more; an event that extends nothing changes
 * nothing. A TPM's start depends on its locality, which its log tells. */
void tdx_eventlog_start(const struct tdx_eventlog *log, uint32_t reg, struct tdx_eventlog_value *v);
int tdx_eventlog_extend(const struct tdx_eventlog *log, const struct tdx_eventlog_event *e,
			struct tdx_eventlog_value *v);

/* RTMR 0 to 3 as a CC log has them. -ENOTSUP for a TPM's. */
int tdx_eventlog_rtmrs(const struct tdx_eventlog *log, struct tdx_digest rtmr[TDX_RTMRS]);

/* What makes a register's true value differ from the replayed one, as far as one event can. */
enum tdx_eventlog_cause {
	TDX_EVENTLOG_EQUAL,
	TDX_EVENTLOG_CUT_SHORT,	   /* the register ends before `event`: it was written afterwards */
	TDX_EVENTLOG_NOT_EXTENDED, /* `event` is in the log alone */
	TDX_EVENTLOG_TWICE,	   /* `event` was extended twice, and is written once */
	TDX_EVENTLOG_SWAPPED, /* `event` and the next of its register were extended in the other
				 order */
	TDX_EVENTLOG_DIGEST_OF_DATA, /* `event` was extended with the digest of its data; its digest
				    was changed */
	TDX_EVENTLOG_SEPARATOR,	     /* a separator is missing before `event` (or at the end) */
	TDX_EVENTLOG_NEVER,	     /* the register is zero: nothing was ever extended */
	TDX_EVENTLOG_UNLOGGED,	     /* extended without any entry */
	TDX_EVENTLOG_UNEXPLAINED, /* no single event explains it; `event` is the first whose digest
			     is not that of its data, if there is one */
};

#define TDX_EVENTLOG_NONE ((size_t)-1)

struct tdx_eventlog_difference {
	enum tdx_eventlog_cause cause;
	size_t event; /* index in the log, TDX_EVENTLOG_NONE */
	struct tdx_eventlog_value replayed;
};

/* Holds the register `reg` of a log against its true value, `size` bytes of the log's bank. Tries
 * each event once for each cause: work is at most quadratic in the events of that register, of
 * which the first 4096 are tried. */
int tdx_eventlog_explain(const struct tdx_eventlog *log, uint32_t reg, const uint8_t *value,
			 struct tdx_eventlog_difference *out);

const char *tdx_eventlog_cause_text(enum tdx_eventlog_cause cause);

/* Two boots held against each other: one step of either, or of both. */
enum tdx_eventlog_step_kind {
	TDX_EVENTLOG_SAME,
	TDX_EVENTLOG_CHANGED, /* the same subject with another digest */
	TDX_EVENTLOG_REMOVED, /* in the first log alone */
	TDX_EVENTLOG_ADDED,   /* in the second alone */
};

struct tdx_eventlog_step {
	enum tdx_eventlog_step_kind kind;
	size_t a, b; /* indexes, TDX_EVENTLOG_NONE where there is none */
};

/* The steps of one register, the caller's to free. -E2BIG for more than 4096 events a side. */
int tdx_eventlog_compare(const struct tdx_eventlog *a, const struct tdx_eventlog *b, uint32_t reg,
			 struct tdx_eventlog_step **steps, size_t *nsteps);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
