/* SPDX-License-Identifier: MIT */
/* What TDH.EXPORT.MEM and TDH.IMPORT.MEM ask alike: locks, stream, lists, and how they go on after
 * an interrupt. */
#ifndef MODULE_MIG_MEM_H
#define MODULE_MIG_MEM_H

#include "module/gpa_list.h"

struct mig_mem_operands {
	uint64_t rax, gpas, mbmd, buffers, stream, new_pages;
	hpa_t tdr, macs[2], attributes;
	bool import;
};

struct mig_mem {
	struct tx *tx;
	const struct mig_mem_operands *in;
	struct td td;
	struct migs stream;
	struct gpa_list gpas;
	uint64_t *attributes; /* NULL: none, or no RAM */
	uint64_t *buffers;
	uint64_t *new_pages; /* NULL: none */
	bool has_new_pages;
	uint8_t (*macs[2])[GCM_TAG_SIZE];
	struct mbmd *mbmd;
	unsigned next; /* entry, for RCX */
	unsigned problems;
	struct gcm gcm;
};

/* Operands in the order in which both leaves ask; then the stream is taken. */
struct tdx_status mig_mem_decode(struct mig_mem *m);
/* A call that goes on: is it the one that was interrupted? */
struct tdx_status mig_mem_resume(struct mig_mem *m);
/* Remember it. */
void mig_mem_stop(struct mig_mem *m);

/* Each entry of the list, from where the call begins or goes on: the answer of the leaf. `one` does
 * an entry; when it fails the call is over. Interrupts are asked for after each. */
struct tdx_status mig_mem_each(struct mig_mem *m,
			       struct tdx_status (*one)(struct mig_mem *m, unsigned i));

/* The MAC of entry i. */
void mig_mem_put_mac(struct mig_mem *m, unsigned i, const uint8_t mac[GCM_TAG_SIZE]);
void mig_mem_get_mac(const struct mig_mem *m, unsigned i, uint8_t mac[GCM_TAG_SIZE]);

/* The next IV; the entry as it is in the list is authenticated. */
void mig_mem_crypto(struct mig_mem *m, uint64_t entry);

#endif
