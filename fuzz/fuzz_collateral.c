/* SPDX-License-Identifier: MIT */
/* Collateral on arbitrary bytes, and on changes to our own, with a quote that is good. Stops when
 * anything but what the service signed is accepted. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/collateral.h>

#include "fuzz/good_quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct good_quote good;
static struct tdx_quote_files files;
static struct tdx_quote quote;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct tdx_attest_error err;

	(void)argc, (void)argv;
	good_quote_make(&good);
	must(!tdx_quote_parse(good.quote, good.len, &quote, &err));
	must(!tdx_quote_service_collateral(good.service, TDX_QUOTE_FAULT_NONE, NOW, &files));
	return 0;
}

/* Two of the files are the root and all in one. */
static void add_good(struct tdx_collateral *c, unsigned but)
{
	for (unsigned i = 0; i < 5; i++)
		if (i != but)
			must(!tdx_collateral_add(c, files.file[i].data, files.file[i].len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_collateral_verdict verdict;
	struct tdx_attest_error err;
	struct tdx_collateral *c;
	size_t root_len, len;
	const char *root = tdx_quote_service_root(good.service, &root_len);
	unsigned which;
	uint8_t *piece;

	if (size < 2)
		return 0;
	which = data[0] % 5;
	must(!tdx_collateral_create(&c));
	add_good(c, which);
	if (data[0] & 0x80) {
		len = size - 1;
		piece = malloc(len);
		memcpy(piece, data + 1, len);
	} else {
		len = files.file[which].len;
		piece = malloc(len);
		memcpy(piece, files.file[which].data, len);
		for (size_t i = 1; i + 2 < size; i += 3)
			piece[(data[i] | (size_t)data[i + 1] << 8) % len] = data[i + 2];
	}
	(void)tdx_collateral_add(c, piece, len);
	if (!tdx_collateral_verify(c, &quote, root, root_len, NOW, &verdict, &err))
		must(verdict.status == TDX_TCB_UP_TO_DATE);
	else
		must(err.fault != TDX_ATTEST_OK);
	free(piece);
	tdx_collateral_free(c);
	return 0;
}
