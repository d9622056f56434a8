/* SPDX-License-Identifier: MIT */
/* A root certificate as its issuer gives it away: PEM, or DER (.der, .cer). */
#ifndef TOOLS_ROOT_FILE_H
#define TOOLS_ROOT_FILE_H

#include <stddef.h>
#include <stdint.h>

/* In PEM, which the caller frees; what is neither is given as it is. Negative errno. */
int root_file_read(const char *path, uint8_t **pem, size_t *len);

#endif
