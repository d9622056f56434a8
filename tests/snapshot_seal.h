/* SPDX-License-Identifier: MIT */
/* A snapshot that was changed, under its key again: who has the key can say what he likes. Knows of
 * a file's first page what src/board/snapshot_file.c has there. */
#ifndef TESTS_SNAPSHOT_SEAL_H
#define TESTS_SNAPSHOT_SEAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "board/board.h"

enum {
	SEALED_FILE_SIZE = 16, /* where it is in the file */
	SEALED_DATA_AT = 24,
	SEALED_EXTENTS = 32,
	SEALED_STATE_SIZE = 36,
	SEALED_NONCE = 48,
	SEALED_TAG = 60,
	SEALED_TAG_SIZE = 16,
	SEALED_MEMORY = 88,
	SEALED_PAGE = 4096,
	SEALED_EXTENT = 24,  /* bytes of one, in the table that begins with the second page */
	SEALED_SECTION = 64, /* of its header */
};

/* Where the state of the board begins: before the memory, in whole pages. */
static inline size_t sealed_state(const uint8_t *file)
{
	uint64_t data_at;
	uint32_t size;

	memcpy(&data_at, file + SEALED_DATA_AT, sizeof(data_at));
	memcpy(&size, file + SEALED_STATE_SIZE, sizeof(size));
	return data_at - (((uint64_t)size + SEALED_PAGE - 1) & ~(uint64_t)(SEALED_PAGE - 1));
}

/* A whole file of at least a page. */
static inline bool snapshot_seal(uint8_t *file, size_t size, const uint8_t key[BOARD_KEY])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t *tag = file + SEALED_TAG;
	int done;
	bool good;

	memset(tag, 0, SEALED_TAG_SIZE);
	good = ctx &&
	       EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, file + SEALED_NONCE) == 1 &&
	       EVP_EncryptUpdate(ctx, NULL, &done, file, (int)size) == 1 &&
	       EVP_EncryptFinal_ex(ctx, file, &done) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, SEALED_TAG_SIZE, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

#endif
