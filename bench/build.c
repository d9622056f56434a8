/* SPDX-License-Identifier: MIT */
/* Building a measured TD through the whole stack (monitor, host library, port, module) beside its
 * limit: SHA-384 by OpenSSL over the bytes that the measurement hashes, in the same run; in the
 * pieces in which the calls bring them (128 and 384 bytes), and in one go a page. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <swtdx/model.h>
#include <swtdx/vmm.h>

#include "median.h"

enum { PAGES = 2048, ROUNDS = 31, BLOCK = 128, EXTEND = 3 * BLOCK };

/* Processor time: both sides are one thread, and other programs take the processor away. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* All pages added and measured in page order: 1 block a page, 3 an extended chunk. */
static double build(struct tdx_vmm *vmm, const uint8_t *page)
{
	struct tdx_vm_params p = {.attributes = TDX_ATTR_SEPT_VE_DISABLE,
				  .xfam = tdx_vmm_info(vmm)->xfam_fixed1,
				  .max_vcpus = 1};
	struct tdx_vm *vm;
	double t;

	if (tdx_vm_new(vmm, &vm) || tdx_vm_init(vm, &p) ||
	    tdx_vm_set_memslot(vm, 0, gpa(0), PAGES * TDX_PAGE_SIZE))
		exit(1);
	t = now();
	for (unsigned i = 0; i < PAGES; i++)
		if (tdx_vm_add_page(vm, gpa(i * TDX_PAGE_SIZE), page, true))
			exit(1);
	t = now() - t;
	tdx_vm_destroy(vm);
	return t;
}

static double limit(const uint8_t *page, size_t piece)
{
	static uint8_t bytes[BLOCK + 16 * EXTEND];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t md[48];
	double t;

	memcpy(bytes, page, TDX_PAGE_SIZE);
	t = now();
	EVP_DigestInit_ex(c, EVP_sha384(), NULL);
	for (unsigned i = 0; i < PAGES; i++) {
		EVP_DigestUpdate(c, bytes, BLOCK);
		for (size_t at = BLOCK; at < sizeof(bytes); at += piece)
			EVP_DigestUpdate(c, bytes + at, piece);
	}
	EVP_DigestFinal_ex(c, md, NULL);
	t = now() - t;
	EVP_MD_CTX_free(c);
	return t;
}

int main(void)
{
	const struct tdx_port *cpus[2];
	struct tdx_range map[32];
	struct tdx_range memory[32];
	struct tdx_vmm_config cfg = {.cpus = cpus, .ncpus = 2, .memory = memory};
	double build_s[ROUNDS], limit_s[ROUNDS], bulk_s[ROUNDS], ratio[ROUNDS], bulk[ROUNDS], mb;
	static uint8_t page[TDX_PAGE_SIZE];
	struct tdx_model *model;
	struct tdx_vmm *vmm;
	char err[256];

	model = tdx_model_new(0, 0, 0, 0, err, sizeof(err));
	if (!model)
		return 1;
	for (unsigned i = 0; i < 2; i++)
		cpus[i] = tdx_model_port(model, i);
	cfg.nranges = tdx_model_memory(model, map, 32);
	for (unsigned i = 0; i < cfg.nranges; i++)
		memory[i] = (struct tdx_range){map[i].base, map[i].size};
	if (tdx_vmm_new(&cfg, &vmm, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	for (unsigned i = 0; i < sizeof(page); i++)
		page[i] = (uint8_t)(i * 7);
	build(vmm, page); /* memory of the simulated machine gets touched */
	for (unsigned i = 0; i < ROUNDS; i++) {
		build_s[i] = build(vmm, page);
		limit_s[i] = limit(page, EXTEND);
		bulk_s[i] = limit(page, 16 * EXTEND);
		ratio[i] = limit_s[i] / build_s[i];
		bulk[i] = bulk_s[i] / build_s[i];
	}
	mb = (double)(PAGES * (BLOCK + 16 * EXTEND)) / 1e6;
	printf("measured TD build: %.0f MB/s of hashed bytes\n"
	       "SHA-384 in the calls' pieces: %.0f MB/s; the build reaches %.2f of it\n"
	       "SHA-384 in one go a page:     %.0f MB/s; the build reaches %.2f of it\n",
	       mb / median(build_s, ROUNDS), mb / median(limit_s, ROUNDS), median(ratio, ROUNDS),
	       mb / median(bulk_s, ROUNDS), median(bulk, ROUNDS));
	tdx_vmm_free(vmm);
	tdx_model_free(model);
	return 0;
}
