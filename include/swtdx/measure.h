/* SPDX-License-Identifier: MIT */
/* Measuring a TD from outside: the TDX metadata of a firmware image, MRTD, RTMRs.
 *
 * Nothing here needs a machine or a module. An image is a pointer and a length; nothing is read
 * past it, and an image that is wrong in any way yields an error that names the place, never a
 * digest. All functions are reentrant; an object may be used by one thread at a time.
 *
 * Errors: 0 or a negative errno. -EINVAL is a fault of the image and comes with a `tdvf_error`;
 * -ENOMEM and -EIO are the crypto library's.
 *
 * Source: Intel TDX Virtual Firmware Design Guide (metadata), TDX Module ABI (TDH.MEM.PAGE.ADD,
 * TDH.MR.EXTEND, TDG.MR.RTMR.EXTEND).
 *
 *	struct tdx_tdvf_error err;
 *	struct tdx_tdvf_measurement m;
 *	char line[TDX_TDVF_ERROR_TEXT];
 *
 *	if (tdx_tdvf_mrtd(image, size, TDX_TDVF_ORDER_PAGE, &m, &err))
 *		fprintf(stderr, "%s\n", tdx_tdvf_error_text(&err, line, sizeof(line)));
 */
#ifndef SWTDX_MEASURE_H
#define SWTDX_MEASURE_H

#include <swtdx/structs.h>
#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What a section is for. Types 7 and 8 are td-shim's: data about the image, no memory of the TD. */
enum tdx_tdvf_type {
	TDX_TDVF_BFV = 0,
	TDX_TDVF_CFV = 1,
	TDX_TDVF_TD_HOB = 2,
	TDX_TDVF_TEMP_MEM = 3,
	TDX_TDVF_PERM_MEM = 4,
	TDX_TDVF_PAYLOAD = 5,
	TDX_TDVF_PAYLOAD_PARAM = 6,
	TDX_TDVF_TD_INFO = 7,
	TDX_TDVF_TD_PARAMS = 8,
};

#define TDX_TDVF_ATTR_MR_EXTEND (1u << 0) /* contents are measured by TDH.MR.EXTEND */
#define TDX_TDVF_ATTR_PAGE_AUG	(1u << 1) /* added by TDH.MEM.PAGE.AUG after FINALIZE */

/* Limits beyond which an image is refused; real ones have about ten sections and 16 MiB. */
#define TDX_TDVF_MAX_SECTIONS 64
#define TDX_TDVF_MAX_IMAGE    (256ull << 20)
#define TDX_TDVF_MAX_ADDED    (1ull << 30)   /* memory added before FINALIZE */
#define TDX_TDVF_MAX_EXTENDED (256ull << 20) /* of which measured */
#define TDX_TDVF_MAX_GPA      (1ull << 51)
#define TDX_TDVF_RESET_VECTOR 0xfffffff0ull

/* One section, checked: raw_size <= memory_size, both ranges inside their limits, memory aligned to
 * pages and apart from every other section's. Bytes of memory past raw_size are zero. */
struct tdx_tdvf_section {
	uint32_t data_offset;
	uint32_t raw_size;
	tdx_gpa_t memory;
	uint64_t memory_size;
	enum tdx_tdvf_type type;
	uint32_t attributes;
};

struct tdx_tdvf {
	uint32_t descriptor_offset; /* of the "TDVF" signature in the image */
	uint32_t nr_sections;
	struct tdx_tdvf_section section[TDX_TDVF_MAX_SECTIONS];
};

enum tdx_tdvf_fault {
	TDX_TDVF_OK,
	TDX_TDVF_IMAGE_TOO_SMALL,
	TDX_TDVF_IMAGE_TOO_LARGE,
	TDX_TDVF_NO_METADATA,
	TDX_TDVF_TABLE_LENGTH,
	TDX_TDVF_TABLE_ENTRY,
	TDX_TDVF_DESCRIPTOR_OUTSIDE,
	TDX_TDVF_SIGNATURE,
	TDX_TDVF_VERSION,
	TDX_TDVF_SECTION_COUNT,
	TDX_TDVF_LENGTH,
	TDX_TDVF_SECTIONS_OUTSIDE,
	TDX_TDVF_NO_BFV,
	TDX_TDVF_NO_RESET_VECTOR,
	/* from here on .section says which */
	TDX_TDVF_TYPE_UNKNOWN,
	TDX_TDVF_DUPLICATE,
	TDX_TDVF_ATTRIBUTES_UNKNOWN,
	TDX_TDVF_ATTRIBUTES_WRONG,
	TDX_TDVF_DATA_OUTSIDE,
	TDX_TDVF_DATA_MISSING,
	TDX_TDVF_DATA_UNEXPECTED,
	TDX_TDVF_DATA_OFFSET_STRAY,
	TDX_TDVF_DATA_LARGER,
	TDX_TDVF_DATA_OVERLAP,
	TDX_TDVF_MEMORY_EMPTY,
	TDX_TDVF_MEMORY_UNEXPECTED,
	TDX_TDVF_MEMORY_UNALIGNED,
	TDX_TDVF_MEMORY_SIZE_UNALIGNED,
	TDX_TDVF_MEMORY_WRAPS,
	TDX_TDVF_MEMORY_OUTSIDE,
	TDX_TDVF_MEMORY_ABSURD,
	TDX_TDVF_MEASURED_ABSURD,
	TDX_TDVF_MEMORY_OVERLAP,
	TDX_TDVF_MEASURED_NOT_IN_IMAGE,
};

/* Where and why an image was refused. */
struct tdx_tdvf_error {
	enum tdx_tdvf_fault fault;
	int section;	/* -1: not about one section */
	int other;	/* the section it collides with, or -1 */
	uint32_t type;	/* the section's type word */
	uint64_t at;	/* offset in the image of the words at fault */
	uint64_t value; /* what stood there ... */
	uint64_t size;	/* ... and the length beside it, for ranges */
	uint64_t limit; /* what it had to stay within, or should have been */
};

#define TDX_TDVF_ERROR_TEXT 256

/* The error as one line of text without a newline; returns buf. */
const char *tdx_tdvf_error_text(const struct tdx_tdvf_error *err, char *buf, size_t len);

/* "BFV", "CFV", ...; "unknown" for a word that is no type. */
const char *tdx_tdvf_type_name(uint32_t type);

/* Finds and checks the metadata. On error *out is all zero and *err is filled. */
int tdx_tdvf_parse(const void *image, size_t len, struct tdx_tdvf *out, struct tdx_tdvf_error *err);

/* Is the section built with TDH.MEM.PAGE.ADD before FINALIZE? */
static inline bool tdx_tdvf_is_added(const struct tdx_tdvf_section *s)
{
	return s->memory_size != 0 && !(s->attributes & TDX_TDVF_ATTR_PAGE_AUG);
}

/* MRTD in the making: the module's arithmetic, call by call. Errors latch and come out of
 * tdx_mrtd_final(), which also frees what tdx_mrtd_init() took; call it exactly once. */
struct tdx_mrtd {
	void *md;
	int error;
	size_t used;
	uint64_t pages;	  /* PAGE.ADDs so far */
	uint64_t extends; /* MR.EXTENDs so far */
	uint8_t stream[24 * 1024];
};

#define TDX_MRTD_EXTEND_SIZE 256

void tdx_mrtd_init(struct tdx_mrtd *m);
void tdx_mrtd_page_add(struct tdx_mrtd *m, tdx_gpa_t page);
/* data: the 256 bytes at chunk. */
void tdx_mrtd_extend(struct tdx_mrtd *m, tdx_gpa_t chunk, const void *data);
int tdx_mrtd_final(struct tdx_mrtd *m, struct tdx_digest *out);

/* The order in which a host issues PAGE.ADD and MR.EXTEND; MRTD depends on it. */
enum tdx_tdvf_order {
	TDX_TDVF_ORDER_PAGE,	/* each page added, then extended: KVM, td-shim, edk2's tools */
	TDX_TDVF_ORDER_SECTION, /* all pages of a section added, then all extended */
	TDX_TDVF_ORDER_ALL, /* page order, every added page extended whatever its attributes say;
		       memory without data in the image counts as zero */
};

const char *tdx_tdvf_order_name(enum tdx_tdvf_order order);

struct tdx_tdvf_measurement {
	struct tdx_tdvf tdvf;
	struct tdx_digest mrtd;
	uint64_t pages;
	uint64_t extends;
};

/* MRTD of an image. On error *out is all zero: there is no digest to mistake for one. */
int tdx_tdvf_mrtd(const void *image, size_t len, enum tdx_tdvf_order order,
		  struct tdx_tdvf_measurement *out, struct tdx_tdvf_error *err);

/* One entry of an event log: what TDG.MR.RTMR.EXTEND was given, and why. */
struct tdx_rtmr_event {
	unsigned rtmr;
	struct tdx_digest digest;
	const char *what;
};

/* SHA-384 of bytes: the digest of most events. */
int tdx_sha384(const void *data, size_t len, struct tdx_digest *out);

/* rtmr = SHA-384(rtmr || digest), as TDG.MR.RTMR.EXTEND does it. */
int tdx_rtmr_extend(struct tdx_digest *rtmr, const struct tdx_digest *digest);

/* Replays a log over RTMRs that start at zero. -ERANGE and *bad for an index that does not exist.
 */
int tdx_rtmr_replay(const struct tdx_rtmr_event *events, size_t n,
		    struct tdx_digest rtmr[TDX_RTMRS], size_t *bad);

/* The digest of an EV_SEPARATOR event: four zero bytes. */
int tdx_rtmr_separator(struct tdx_rtmr_event *out, unsigned rtmr);

/* The events a firmware records of the image itself, in its order: the TD HOB if given, then each
 * CFV; all in RTMR 0. Returns how many there are (at most max are stored) or a negative errno. */
int tdx_tdvf_events(const struct tdx_tdvf *tdvf, const void *image, size_t len, const void *hob,
		    size_t hob_len, struct tdx_rtmr_event *out, size_t max);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
