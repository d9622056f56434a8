/* SPDX-License-Identifier: MIT */
/* The P-SEAMLDR: what loads the TDX module, and loads another one while TDs live.
 *
 * A SEAMCALL with bit 63 of RAX set is its; RAX is then one of the statuses below, and never a
 * status of the module.
 *
 *	INFO      RCX: 256 bytes, aligned so, for a struct tdx_seamldr_info
 *	INSTALL   RCX: a struct tdx_seamldr_params; on every processor, the last one loads. RDX of a
 *	          failure: 1 when the module that was there is lost
 *	SHUTDOWN  on every processor, the last time on that of seamldr_info.acm_x2apicid: from the
 *	          first on there is no module, after the last no P-SEAMLDR
 *	SEAMINFO  RCX: 2048 bytes, aligned so, for what the platform tells the module
 *	CLEANUP   on every processor: no key and no cache line of the module before is left
 *
 * Source: SEAM Loader (SEAMLDR) Interface Specification; Intel's published P-SEAMLDR. Layouts are
 * little endian, offsets asserted. Plain data: ownership and threads are the caller's. Usable from
 * C++. */
#ifndef SWTDX_SEAMLDR_H
#define SWTDX_SEAMLDR_H

#include <swtdx/structs.h>

/* Its calls, the whole of RAX; SEAMLDR_INFO and SEAMLDR_INSTALL are in <swtdx/leaf.h>. */
#define SEAMLDR_SHUTDOWN 0x8000000000000002ull
#define SEAMLDR_SEAMINFO 0x8000000000000003ull
#define SEAMLDR_CLEANUP	 0x8000000000000004ull

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define SEAMLDR_SUCCESS	     0x0000000000000000ull
#define SEAMLDR_EBADPARAM    0x8000000000000000ull
#define SEAMLDR_EBADCALL     0x8000000000000003ull
#define SEAMLDR_EBADHANDOFF  0x8000000000000004ull
#define SEAMLDR_ECLEANUPREQ  0x8000000000000005ull
#define SEAMLDR_EUNSUPPORTED 0x8000000000000006ull
#define SEAMLDR_ENOMEM	     0x8000000000010002ull
#define SEAMLDR_EUNSPECERR   0x8000000000010003ull
#define SEAMLDR_EUNSUPCPU    0x8000000000010004ull
#define SEAMLDR_EBADSIG	     0x8000000000020000ull
#define SEAMLDR_EBADHASH     0x8000000000020001ull
#define SEAMLDR_EINTERRUPT   0x8000000000030000ull
#define SEAMLDR_ENOENTROPY   0x8000000000030001ull

/* SEAMEXTEND: the processor's register that says which module there is. */
struct tdx_seamextend {
	uint64_t valid;
	uint8_t tee_tcb_svn[16]; /* minor, major, of the processor's patch */
	struct tdx_digest mrseam;
	struct tdx_digest mrsigner;
	uint64_t attributes;
	uint8_t seam_ready;	 /* there is a module to call */
	uint8_t seam_debug;	 /* the platform is being debugged */
	uint8_t p_seamldr_ready; /* there is a P-SEAMLDR to call */
	uint8_t zero[5];
};
TDX_ABI_AT(tdx_seamextend, seam_ready, 128);
TDX_ABI_ASSERT(sizeof(struct tdx_seamextend) == 136);

#define TDX_SEAMLDR_INFO_SIZE	    256
#define TDX_SEAMLDR_FEATURE_CLEANUP (1ull << 1)
struct tdx_seamldr_info {
	uint32_t version, attributes, vendor_id, build_date;
	uint16_t build_num, minor_version, major_version, update_version;
	uint32_t acm_x2apicid;
	uint32_t num_remaining_updates;
	struct tdx_seamextend seamextend;
	uint64_t features0;
	uint8_t zero[80];
};
TDX_ABI_AT(tdx_seamldr_info, seamextend, 32);
TDX_ABI_AT(tdx_seamldr_info, features0, 168);
TDX_ABI_ASSERT(sizeof(struct tdx_seamldr_info) == TDX_SEAMLDR_INFO_SIZE);

#define TDX_SEAMLDR_MAX_MODULE_PAGES 496
enum tdx_seamldr_scenario { TDX_SEAMLDR_LOAD = 0, TDX_SEAMLDR_UPDATE = 1 };
struct tdx_seamldr_params {
	uint32_t version;
	uint32_t scenario; /* enum tdx_seamldr_scenario */
	uint64_t sigstruct_pa;
	uint8_t zero[104];
	uint64_t num_module_pages;
	uint64_t module_page_pa[TDX_SEAMLDR_MAX_MODULE_PAGES];
};
TDX_ABI_AT(tdx_seamldr_params, num_module_pages, 120);
TDX_ABI_ASSERT(sizeof(struct tdx_seamldr_params) == TDX_PAGE_SIZE);

#define TDX_SEAMINFO_SIZE 2048

/* SEAM_SIGSTRUCT: who signed which module, and what it asks of the platform. Numbers of several
 * bytes, the key and the signature too, have the least significant one first. */
#define TDX_SIGSTRUCT_KEY_SIZE 384
#define TDX_SIGSTRUCT_MAX_CPUS 255
#define TDX_SIGSTRUCT_SIZE     2048
#define TDX_SIGSTRUCT_DEBUG    (1u << 31) /* of module_type */
#define TDX_SIGSTRUCT_TYPE     6
#define TDX_SIGSTRUCT_VERSION  0x10000
#define TDX_SIGSTRUCT_HEADER   0xe1 /* dwords: the header and what signs */
#define TDX_SIGSTRUCT_EXPONENT 0x10001
#define TDX_SIGSTRUCT_VENDOR   0x8086
struct tdx_seam_sigstruct {
	uint32_t header_type, header_length, header_version, module_type;
	uint32_t module_vendor, date, size, key_size, modulus_size, exponent_size;
	uint8_t zero0[88];
	uint8_t modulus[TDX_SIGSTRUCT_KEY_SIZE];
	uint32_t exponent;
	uint8_t signature[TDX_SIGSTRUCT_KEY_SIZE]; /* of all before the modulus and behind itself */
	struct tdx_digest seamhash;
	uint8_t minor_svn, major_svn;
	uint64_t attributes;
	uint32_t rip_offset;
	uint8_t num_stack_pages, num_tls_pages;
	uint16_t num_keyhole_pages, num_global_data_pages;
	uint16_t max_tdmrs, max_reserved_per_tdmr;
	uint16_t pamt_entry_size[3];
	uint8_t zero1[6];
	uint16_t module_hv, min_update_hv;
	uint8_t no_downgrade, zero2;
	uint16_t num_handoff_pages;
	uint32_t gdt_idt_offset, fault_wrapper_offset;
	uint8_t zero3[24];
	uint32_t num_cpus;
	uint32_t cpu[TDX_SIGSTRUCT_MAX_CPUS]; /* CPUID(1).EAX */
} __attribute__((packed));
TDX_ABI_AT(tdx_seam_sigstruct, modulus, 128);
TDX_ABI_AT(tdx_seam_sigstruct, seamhash, 900);
TDX_ABI_AT(tdx_seam_sigstruct, num_cpus, 1024);
TDX_ABI_ASSERT(sizeof(struct tdx_seam_sigstruct) == TDX_SIGSTRUCT_SIZE);

/* The file a module comes in ("TDX blob"): this header, pages of the SIGSTRUCT, pages of the
 * module. */
#define TDX_MODULE_IMAGE_VERSION   0x200
#define TDX_MODULE_IMAGE_SIGNATURE "TDX-BLOB"
#define TDX_MODULE_IMAGE_SIGPAGES  1 /* at most */
struct tdx_module_image {
	uint16_t version;
	uint16_t checksum;
	char signature[8];
	uint32_t num_sig_pages;
	uint32_t num_module_pages;
	uint8_t zero[4076];
} __attribute__((packed));
TDX_ABI_AT(tdx_module_image, num_sig_pages, 12);
TDX_ABI_ASSERT(sizeof(struct tdx_module_image) == TDX_PAGE_SIZE);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
