/* SPDX-License-Identifier: MIT */
/* dstack's event log, a JSON array, as the crypto-agile log it stands for. */
#ifndef TOOLS_EVIDENCE_LOG_H
#define TOOLS_EVIDENCE_LOG_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* An array of objects with imr, event_type, digest, event and event_payload. *out is the caller's
 * to free. -EINVAL when it is no such array, -ENOMEM. */
int evidence_log_from_json(const json_t *array, uint8_t **out, size_t *len);

#endif
