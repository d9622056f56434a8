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
 *	struct tdvf_error err;
 *	struct tdvf_measurement m;
 *	char line[TDVF_ERROR_TEXT];
 *
 *	if (tdvf_mrtd(image, size, TDVF_ORDER_PAGE, &m, &err))
 *		fprintf(stderr, "%s\n", tdvf_error_text(&err, line, sizeof(line)));
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
enum tdvf_type {
	TDVF_BFV = 0,
	TDVF_CFV = 1,
	TDVF_TD_HOB = 2,
	TDVF_TEMP_MEM = 3,
	TDVF_PERM_MEM = 4,
	TDVF_PAYLOAD = 5,
	TDVF_PAYLOAD_PARAM = 6,
	TDVF_TD_INFO = 7,
	TDVF_TD_PARAMS = 8,
};

#define TDVF_ATTR_MR_EXTEND (1u << 0) /* contents are measured by TDH.MR.EXTEND */
#define TDVF_ATTR_PAGE_AUG  (1u << 1) /* added by TDH.MEM.PAGE.AUG after FINALIZE: not in MRTD */

/* Limits beyond which an image is refused; real ones have about ten sections and 16 MiB. */
#define TDVF_MAX_SECTIONS 64
#define TDVF_MAX_IMAGE	  (256ull << 20)
#define TDVF_MAX_ADDED	  (1ull << 30)	 /* memory added before FINALIZE */
#define TDVF_MAX_EXTENDED (256ull << 20) /* of which measured */
#define TDVF_MAX_GPA	  (1ull << 51)
#define TDVF_RESET_VECTOR 0xfffffff0ull

/* One section, checked: raw_size <= memory_size, both ranges inside their limits, memory aligned to
 * pages and apart from every other section's. Bytes of memory past raw_size are zero. */
struct tdvf_section {
	uint32_t data_offset;
	uint32_t raw_size;
	tdx_gpa_t memory;
	uint64_t memory_size;
	enum tdvf_type type;
	uint32_t attributes;
};

struct tdvf {
	uint32_t descriptor_offset; /* of the "TDVF" signature in the image */
	uint32_t nr_sections;
	struct tdvf_section section[TDVF_MAX_SECTIONS];
};

enum tdvf_fault {
	TDVF_OK,
	TDVF_IMAGE_TOO_SMALL,
	TDVF_IMAGE_TOO_LARGE,
	TDVF_NO_METADATA,
	TDVF_TABLE_LENGTH,
	TDVF_TABLE_ENTRY,
	TDVF_DESCRIPTOR_OUTSIDE,
	TDVF_SIGNATURE,
	TDVF_VERSION,
	TDVF_SECTION_COUNT,
	TDVF_LENGTH,
	TDVF_SECTIONS_OUTSIDE,
	TDVF_NO_BFV,
	TDVF_NO_RESET_VECTOR,
	/* from here on .section says which */
	TDVF_TYPE_UNKNOWN,
	TDVF_DUPLICATE,
	TDVF_ATTRIBUTES_UNKNOWN,
	TDVF_ATTRIBUTES_WRONG,
	TDVF_DATA_OUTSIDE,
	TDVF_DATA_MISSING,
	TDVF_DATA_UNEXPECTED,
	TDVF_DATA_OFFSET_STRAY,
	TDVF_DATA_LARGER,
	TDVF_DATA_OVERLAP,
	TDVF_MEMORY_EMPTY,
	TDVF_MEMORY_UNEXPECTED,
	TDVF_MEMORY_UNALIGNED,
	TDVF_MEMORY_SIZE_UNALIGNED,
	TDVF_MEMORY_WRAPS,
	TDVF_MEMORY_OUTSIDE,
	TDVF_MEMORY_ABSURD,
	TDVF_MEASURED_ABSURD,
	TDVF_MEMORY_OVERLAP,
	TDVF_MEASURED_NOT_IN_IMAGE,
};

/* Where and why an image was refused. */
struct tdvf_error {
	enum tdvf_fault fault;
	int section;	/* -1: not about one section */
	int other;	/* the section it collides with, or -1 */
	uint32_t type;	/* the section's type word */
	uint64_t at;	/* offset in the image of the words at fault */
	uint64_t value; /* what stood there ... */
	uint64_t size;	/* ... and the length beside it, for ranges */
	uint64_t limit; /* what it had to stay within, or should have been */
};

#define TDVF_ERROR_TEXT 256

/* The error as one line of text without a newline; returns buf. */
const char *tdvf_error_text(const struct tdvf_error *err, char *buf, size_t len);

/* "BFV", "CFV", ...; "unknown" for a word that is no type. */
const char *tdvf_type_name(uint32_t type);

/* Finds and checks the metadata. On error *out is all zero and *err is filled. */
int tdvf_parse(const void *image, size_t len, struct tdvf *out, struct tdvf_error *err);

/* Is the section built with TDH.MEM.PAGE.ADD before FINALIZE? */
static inline bool tdvf_is_added(const struct tdvf_section *s)
{
	return s->memory_size != 0 && !(s->attributes & TDVF_ATTR_PAGE_AUG);
}

/* MRTD in the making: the module's arithmetic, call by call. Errors latch and come out of
 * mrtd_final(), which also frees what mrtd_init() took; call it exactly once. */
struct mrtd {
	void *md;
	int error;
	size_t used;
	uint64_t pages;	  /* PAGE.ADDs so far */
	uint64_t extends; /* MR.EXTENDs so far */
	uint8_t stream[24 * 1024];
};

#define MRTD_EXTEND_SIZE 256

void mrtd_init(struct mrtd *m);
void mrtd_page_add(struct mrtd *m, tdx_gpa_t page);
/* data: the 256 bytes at chunk. */
void mrtd_extend(struct mrtd *m, tdx_gpa_t chunk, const void *data);
int mrtd_final(struct mrtd *m, struct tdx_digest *out);

/* The order in which a host issues PAGE.ADD and MR.EXTEND; MRTD depends on it. */
enum tdvf_order {
	TDVF_ORDER_PAGE,    /* each page added, then extended: KVM, td-shim, edk2's tools */
	TDVF_ORDER_SECTION, /* all pages of a section added, then all extended */
	TDVF_ORDER_ALL,	    /* page order, every added page extended whatever its attributes say;
			       memory without data in the image counts as zero */
};

const char *tdvf_order_name(enum tdvf_order order);

struct tdvf_measurement {
	struct tdvf tdvf;
	struct tdx_digest mrtd;
	uint64_t pages;
	uint64_t extends;
};

/* MRTD of an image. On error *out is all zero: there is no digest to mistake for one. */
int tdvf_mrtd(const void *image, size_t len, enum tdvf_order order, struct tdvf_measurement *out,
	      struct tdvf_error *err);

/* One entry of an event log: what TDG.MR.RTMR.EXTEND was given, and why. */
struct rtmr_event {
	unsigned rtmr;
	struct tdx_digest digest;
	const char *what;
};

/* SHA-384 of bytes: the digest of most events. */
int tdx_sha384(const void *data, size_t len, struct tdx_digest *out);

/* rtmr = SHA-384(rtmr || digest), as TDG.MR.RTMR.EXTEND does it. */
int rtmr_extend(struct tdx_digest *rtmr, const struct tdx_digest *digest);

/* Replays a log over RTMRs that start at zero. -ERANGE and *bad for an index that does not exist.
 */
int rtmr_replay(const struct rtmr_event *events, size_t n, struct tdx_digest rtmr[TDX_RTMRS],
		size_t *bad);

/* The digest of an EV_SEPARATOR event: four zero bytes. */
int rtmr_separator(struct rtmr_event *out, unsigned rtmr);

/* The events a firmware records of the image itself, in its order: the TD HOB if given, then each
 * CFV; all in RTMR 0. Returns how many there are (at most max are stored) or a negative errno. */
int tdvf_events(const struct tdvf *tdvf, const void *image, size_t len, const void *hob,
		size_t hob_len, struct rtmr_event *out, size_t max);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
