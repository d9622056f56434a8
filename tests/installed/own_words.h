/* SPDX-License-Identifier: MIT */
/* Words that kernels, monitors and attestation services have for themselves. */
#include <linux/kvm.h>
#include <stdlib.h>

typedef unsigned long long u64;
typedef u64 gpa_t, hpa_t, gfn_t, hfn_t, kvm_pfn_t;
typedef unsigned hkid_t;

struct engine {
	int cylinders;
};
struct range {
	u64 start, end;
};
struct kvm;
struct kvm_vcpu {
	struct kvm *kvm;
	int vcpu_id;
};
struct eventlog {
	const char *path;
};
struct quote {
	unsigned char *data;
};
struct tdvf;
struct mrtd;
struct collateral;
struct expect;
struct tdg;
struct vm;
struct vcpu;
struct port;
enum pg_level { PG_LEVEL_NONE, PG_LEVEL_4K, PG_LEVEL_2M, PG_LEVEL_1G };
enum tcb_status { TCB_OK, TCB_REVOKED };
enum { EV_SEPARATOR = 4, QUOTE_OK = 0, TDVF_OK = 1, EVENTLOG_MAX = 5, ATTEST_OK = 7 };

#ifndef PAGE_SIZE
#define PAGE_SHIFT 12
#define PAGE_SIZE  (1ul << PAGE_SHIFT)
#define PAGE_MASK  (~(PAGE_SIZE - 1))
#endif
#define BIT(n)		      (1ul << (n))
#define BIT_ULL(n)	      (1ull << (n))
#define GENMASK(h, l)	      ((~0ul << (l)) & (~0ul >> (63 - (h))))
#define ARRAY_SIZE(a)	      (sizeof(a) / sizeof((a)[0]))
#define min(a, b)	      ((a) < (b) ? (a) : (b))
#define max(a, b)	      ((a) > (b) ? (a) : (b))
#define likely(x)	      __builtin_expect(!!(x), 1)
#define unlikely(x)	      __builtin_expect(!!(x), 0)
#define container_of(p, t, m) ((t *)(void *)((char *)(p)-offsetof(t, m)))
#define current		      (own_current())
#define read(...)	      error_of_the_program
#define write(...)	      error_of_the_program
#define free_page(p)	      free(p)
#define __user
#define __init
#define __packed __attribute__((packed))

static inline struct engine *own_current(void)
{
	static struct engine e = {4};

	return &e;
}

static inline int quote_parse(const struct quote *q)
{
	return q->data != NULL;
}

static inline int eventlog_parse(const struct eventlog *e)
{
	return e->path != NULL;
}

static inline gpa_t gpa(u64 v)
{
	return v & PAGE_MASK;
}

static inline hpa_t hpa(u64 v)
{
	return v;
}
