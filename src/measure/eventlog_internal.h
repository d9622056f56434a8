/* SPDX-License-Identifier: MIT */
/* Shared by the files that read event logs. */
#ifndef MEASURE_EVENTLOG_INTERNAL_H
#define MEASURE_EVENTLOG_INTERNAL_H

#include <openssl/evp.h>

#include <swtdx/eventlog.h>

#include "measure/internal.h"

/* NULL for a bank the crypto library does not have. */
const EVP_MD *eventlog_md(enum tdx_eventlog_alg bank);

/* UEFI_VARIABLE_DATA: which variable, and what was in it. */
struct efi_variable {
	const uint8_t *guid;
	const uint8_t *name; /* UTF-16 */
	size_t name_chars;
	const uint8_t *data;
	size_t size;
};
bool efi_variable_read(const struct tdx_eventlog_event *e, struct efi_variable *v);
/* td-shim's form of EV_PLATFORM_CONFIG_FLAGS: a name of 16 bytes, a length, what was measured. */
#define NAMED_HEADER 20
bool eventlog_named(const struct tdx_eventlog_event *e);
bool efi_variable_event(uint32_t type);

/* A line of printable ASCII under way; what does not fit ends in "...". */
struct line {
	char *buf;
	size_t len, used;
};
void line_start(struct line *l, char *buf, size_t len);
__attribute__((format(printf, 2, 3))) void line_add(struct line *l, const char *fmt, ...);
/* Bytes as text, escaped; up to the first zero byte. */
void line_ascii(struct line *l, const uint8_t *p, size_t len);
void line_utf16(struct line *l, const uint8_t *p, size_t chars);
void line_hex(struct line *l, const uint8_t *p, size_t len);
void line_guid(struct line *l, const uint8_t guid[16]);

/* "well-known name" of a GUID, or NULL. */
const char *efi_guid_name(const uint8_t guid[16]);
/* A device path as UEFI writes it, as far as the kinds of nodes that boot logs have. */
void line_device_path(struct line *l, const uint8_t *p, size_t len);
/* How many UTF-16 characters stand before a zero one, at most `len` bytes. */
size_t utf16_length(const uint8_t *p, size_t len);
/* Does it read as UTF-16, ASCII in every character? */
bool utf16_text(const uint8_t *p, size_t len);
bool ascii_text(const uint8_t *p, size_t len);

#endif
