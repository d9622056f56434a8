/* SPDX-License-Identifier: MIT */
/* What a kernel's arch/x86/virt/vmx/tdx/ asks of the rest of the kernel, in user space: every
 * header it includes is this one, but those that check takes from the tree (its own structures,
 * numbers and prototypes).
 *
 * Memory is the simulated machine's: page frame numbers, direct map and page structures lead there.
 * Processors take turns on one thread: who is meant is `shim_cpu`. What SEAMCALL does, machine.c
 * does. */
#ifndef LINUX_SHIM_H
#define LINUX_SHIM_H

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8, __u8;
typedef uint16_t u16, __u16;
typedef uint32_t u32, __u32;
typedef unsigned long long u64, __u64, phys_addr_t, gpa_t, gfn_t, kvm_pfn_t;
typedef int8_t s8, __s8;
typedef int16_t s16, __s16;
typedef int32_t s32, __s32;
typedef long long s64, __s64;
typedef unsigned gfp_t;
typedef u64 kvm_pfn_shim_t;

/* --- the compiler --- */
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define __init
#define __exit
#define __initdata
#define __ro_after_init
#define __read_mostly
#define noinstr
#define __cold
#define __noreturn     __attribute__((noreturn))
#define __maybe_unused __attribute__((unused))
#define __must_check   __attribute__((warn_unused_result))
#define __packed       __attribute__((packed))
#define __aligned(x)   __attribute__((aligned(x)))
#define __percpu
#define __user
#define __iomem
#define asmlinkage
#define fallthrough	      __attribute__((fallthrough))
#define likely(x)	      __builtin_expect(!!(x), 1)
#define unlikely(x)	      __builtin_expect(!!(x), 0)
#define READ_ONCE(x)	      (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)      (*(volatile __typeof__(x) *)&(x) = (v))
#define barrier()	      __asm__ volatile("" : : : "memory")
#define container_of(p, t, m) ((t *)((char *)(p)-offsetof(t, m)))
#define ARRAY_SIZE(a)	      (sizeof(a) / sizeof((a)[0]))
#define EXPORT_SYMBOL(s)
#define EXPORT_SYMBOL_GPL(s)
#define EXPORT_SYMBOL_FOR_KVM(s)
#define EXPORT_SYMBOL_FOR_KVM_INTERNAL(s)
#define EXPORT_SYMBOL_FOR_MODULES(s, m)
#define MODULE_LICENSE(s)
#define IS_ENABLED(x)		 0
#define DECLARE_FLEX_ARRAY(t, n) t n[0]
#define static_call(x)		 x

/* --- numbers --- */
#define _AC(x, y)	   x##y
#define _UL(x)		   (x##UL)
#define _ULL(x)		   (x##ULL)
#define UL(x)		   _UL(x)
#define ULL(x)		   _ULL(x)
#define _BITUL(n)	   (1ul << (n))
#define _BITULL(n)	   (1ull << (n))
#define BIT(n)		   (1ul << (n))
#define BIT_ULL(n)	   (1ull << (n))
#define GENMASK(h, l)	   (~0ul >> (63 - (h)) & ~0ul << (l))
#define GENMASK_ULL(h, l)  (~0ull >> (63 - (h)) & ~0ull << (l))
#define BITS_PER_BYTE	   8
#define BITS_PER_LONG	   64
#define BITS_PER_LONG_LONG 64
#define SZ_1M		   0x100000ul
#define SZ_1G		   0x40000000ul
#define PAGE_SHIFT	   12
#define PAGE_SIZE	   4096ul
#define PAGE_MASK	   (~(PAGE_SIZE - 1))
#define PMD_SHIFT	   21
#define PUD_SHIFT	   30
#define ALIGN(x, a)	   (((x) + (__typeof__(x))(a)-1) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a)   ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a)   (((x) & ((__typeof__(x))(a)-1)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define min(a, b)	   ((a) < (b) ? (a) : (b))
#define max(a, b)	   ((a) > (b) ? (a) : (b))
#define min_t(t, a, b)	   ((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define max_t(t, a, b)	   ((t)(a) > (t)(b) ? (t)(a) : (t)(b))

static inline size_t roundup_pow_of_two(size_t n)
{
	return n <= 1 ? 1 : 1ul << (64 - __builtin_clzl(n - 1));
}
#define is_power_of_2(n) ((n) && !((n) & ((n)-1)))

/* --- messages; what warns has failed --- */
#ifndef pr_fmt
#define pr_fmt(f) f
#endif
__attribute__((format(printf, 1, 2))) int shim_print(const char *fmt, ...);
#define printk(...)	    shim_print(__VA_ARGS__)
#define pr_err(f, ...)	    shim_print(pr_fmt(f), ##__VA_ARGS__)
#define pr_warn		    pr_err
#define pr_info		    pr_err
#define pr_debug	    pr_err
#define pr_warn_ratelimited pr_err
#define pr_err_ratelimited  pr_err
#define pr_info_once	    pr_err
#define pr_warn_once	    pr_err
#define pr_err_once	    pr_err
bool shim_warn(bool is, const char *file, int line);
#define WARN_ON(x)	shim_warn(!!(x), __FILE__, __LINE__)
#define WARN_ON_ONCE(x) WARN_ON(x)
#define WARN(x, ...)                                                                               \
	({                                                                                         \
		bool w_ = (x);                                                                     \
		if (w_)                                                                            \
			shim_print(__VA_ARGS__);                                                   \
		WARN_ON(w_);                                                                       \
	})
#define WARN_ONCE WARN
#define BUG_ON(x)                                                                                  \
	do {                                                                                       \
		if (WARN_ON(x))                                                                    \
			abort();                                                                   \
	} while (0)

/* --- processors, locks: one at a time --- */
enum { NR_CPUS = 8 };
extern unsigned shim_cpu, shim_cpus;
unsigned shim_package(unsigned cpu);
#define DEFINE_PER_CPU(t, n)   __typeof__(t) n[NR_CPUS]
#define DECLARE_PER_CPU(t, n)  extern __typeof__(t) n[NR_CPUS]
#define per_cpu(n, c)	       n[c]
#define this_cpu_read(n)       n[shim_cpu]
#define this_cpu_write(n, v)   (n[shim_cpu] = (v))
#define __this_cpu_read	       this_cpu_read
#define __this_cpu_write       this_cpu_write
#define smp_processor_id()     shim_cpu
#define raw_smp_processor_id() shim_cpu
DECLARE_PER_CPU(bool, cache_state_incoherent);
#define for_each_online_cpu(c)		for (c = 0; (unsigned)(c) < shim_cpus; c++)
#define for_each_possible_cpu(c)	for_each_online_cpu(c)
#define num_online_cpus()		((int)shim_cpus)
#define topology_physical_package_id(c) ((int)shim_package(c))
#define preempt_disable()		((void)0)
#define preempt_enable()		((void)0)
#define cond_resched()			((void)0)
void cpu_relax(void); /* lets another processor go on, where they meet */
#define might_sleep()			     ((void)0)
#define cpus_read_lock()		     ((void)0)
#define cpus_read_unlock()		     ((void)0)
#define get_online_mems()		     ((void)0)
#define put_online_mems()		     ((void)0)
#define lockdep_assert_held(l)		     ((void)0)
#define lockdep_assert_cpus_held()	     ((void)0)
#define lockdep_assert_irqs_disabled()	     ((void)0)
#define lockdep_assert_preemption_disabled() ((void)0)
#define local_irq_save(f)		     ((void)(f))
#define local_irq_restore(f)		     ((void)(f))
typedef struct {
	int held;
} raw_spinlock_t, spinlock_t;
struct mutex {
	int held;
};
#define DEFINE_RAW_SPINLOCK(n) raw_spinlock_t n
#define DEFINE_SPINLOCK(n)     spinlock_t n
#define DEFINE_MUTEX(n)	       struct mutex n
void shim_lock(int *held, bool to);
#define raw_spin_lock_init(l)		 ((l)->held = 0)
#define raw_spin_lock(l)		 shim_lock(&(l)->held, true)
#define raw_spin_unlock(l)		 shim_lock(&(l)->held, false)
#define spin_lock			 raw_spin_lock
#define spin_unlock			 raw_spin_unlock
#define raw_spin_lock_irqsave(l, f)	 ((void)(f = 0), raw_spin_lock(l))
#define raw_spin_unlock_irqrestore(l, f) ((void)(f), raw_spin_unlock(l))
#define mutex_lock			 raw_spin_lock
#define mutex_unlock			 raw_spin_unlock
static inline void shim_guard_end(int **held)
{
	shim_lock(*held, false);
}
#define SHIM_GUARD_NAME_(l) guard_at_##l
#define SHIM_GUARD_NAME(l)  SHIM_GUARD_NAME_(l)
#define guard(kind)	    SHIM_GUARD
#define SHIM_GUARD(l)                                                                              \
	__attribute__((cleanup(shim_guard_end))) int *SHIM_GUARD_NAME(__LINE__) =                  \
		(shim_lock(&(l)->held, true), &(l)->held)

struct cpumask {
	u64 bits;
};
typedef struct cpumask cpumask_var_t[1];
#define zalloc_cpumask_var(m, g) (**(m) = (struct cpumask){0}, (void)(g), true)
#define free_cpumask_var(m)	 ((void)0)
static inline bool cpumask_test_and_set_cpu(int cpu, struct cpumask *m)
{
	const bool was = m->bits >> cpu & 1;

	m->bits |= 1ull << cpu;
	return was;
}
extern const struct cpumask *const cpu_online_mask;
void on_each_cpu(void (*fn)(void *arg), void *arg, int wait);
int smp_call_on_cpu(unsigned cpu, int (*fn)(void *arg), void *arg, bool phys);
int stop_machine_cpuslocked(int (*fn)(void *arg), void *arg, const struct cpumask *m);
enum cpuhp_state { CPUHP_AP_ONLINE_DYN = 1 };
int cpuhp_setup_state(enum cpuhp_state state, const char *name, int (*up)(unsigned cpu),
		      int (*down)(unsigned cpu));
#define cpuhp_remove_state(s) ((void)(s))
int x86_virt_get_ref(int feature);
void x86_virt_put_ref(int feature);

/* --- features, MSRs --- */
struct cpuinfo_x86 {
	u32 x86_vfm;
	u8 x86_phys_bits, x86, x86_model;
};
extern struct cpuinfo_x86 boot_cpu_data;
bool shim_feature(unsigned f);
void shim_set_feature(unsigned f);
#define boot_cpu_has	    shim_feature
#define cpu_feature_enabled shim_feature
#define boot_cpu_has_bug    shim_feature
#define setup_force_cpu_cap shim_set_feature
#define setup_force_cpu_bug shim_set_feature
#define X86_VENDOR_INTEL    0
#define IFM(f, m)	    ((f) << 8 | (m))
#ifndef INTEL_SAPPHIRERAPIDS_X
#define INTEL_SAPPHIRERAPIDS_X IFM(6, 0x8f)
#define INTEL_EMERALDRAPIDS_X  IFM(6, 0xcf)
#endif
#define VMX_BASIC_NO_SEAMRET_INVD_VMCS BIT_ULL(60)
struct msr {
	union {
		struct {
			u32 l, h;
		};
		u64 q;
	};
};
int rdmsrq_safe(u32 number, u64 *value);
static inline int shim_rdmsr_safe(u32 number, u32 *low, u32 *high)
{
	u64 v = 0;
	const int r = rdmsrq_safe(number, &v);

	*low = (u32)v;
	*high = (u32)(v >> 32);
	return r;
}
#define rdmsr_safe(n, l, h) shim_rdmsr_safe(n, l, h)
#define rdmsrl_safe	    rdmsrq_safe
#define rdmsrq(n, v)	    ((void)rdmsrq_safe(n, &(v)))
#define rdmsrl		    rdmsrq
#define RDRAND_RETRY_LOOPS  10

/* --- memory --- */
struct page {
	u8 used;
};
extern struct page *shim_pages; /* of page frame 0 */
extern u8 *shim_ram;		/* of address 0 */
#define page_to_pfn(p)	   ((unsigned long)((p)-shim_pages))
#define pfn_to_page(n)	   (shim_pages + (n))
#define page_to_phys(p)	   ((u64)page_to_pfn(p) << PAGE_SHIFT)
#define __va(a)		   ((void *)(shim_ram + (u64)(a)))
#define __pa(v)		   ((unsigned long)((const u8 *)(v)-shim_ram))
#define virt_to_phys	   __pa
#define slow_virt_to_phys  __pa
#define page_address(p)	   __va(page_to_phys(p))
#define page_to_virt	   page_address
#define virt_to_page(v)	   pfn_to_page(__pa(v) >> PAGE_SHIFT)
#define vmalloc_to_pfn(v)  (__pa(v) >> PAGE_SHIFT)
#define PFN_PHYS(n)	   ((phys_addr_t)(n) << PAGE_SHIFT)
#define PHYS_PFN(a)	   ((unsigned long)((a) >> PAGE_SHIFT))
#define ZERO_PAGE(a)	   pfn_to_page(0)
#define GFP_KERNEL	   0u
#define GFP_KERNEL_ACCOUNT 0u
#define __GFP_ZERO	   1u
/* What it gives has been written by the host: it is dirty. NULL: shim_fail_allocation(). */
struct page *shim_alloc(unsigned long pages);
void shim_free(unsigned long pfn, unsigned long pages);
void *shim_kmalloc(size_t n);
void shim_kfree(void *p);
#define alloc_page(g)  ((void)(g), shim_alloc(1))
#define __free_page(p) shim_free(page_to_pfn(p), 1)
static inline void *alloc_pages_exact(size_t n, gfp_t g)
{
	struct page *p = shim_alloc((n + PAGE_SIZE - 1) >> PAGE_SHIFT);

	(void)g;
	return p ? page_address(p) : NULL;
}
static inline void free_pages_exact(void *v, size_t n)
{
	shim_free(__pa(v) >> PAGE_SHIFT, (n + PAGE_SIZE - 1) >> PAGE_SHIFT);
}
#define alloc_contig_pages(n, g, nid, mask) ((void)(nid), shim_alloc(n))
#define free_contig_range(pfn, n)	    shim_free(pfn, n)
#define kmalloc(n, g)			    ((void)(g), shim_kmalloc(n))
#define kzalloc				    kmalloc
#define kcalloc(n, s, g)		    kmalloc((n) * (s), g)
#define kmalloc_obj(x, ...)		    ((__typeof__(x) *)shim_kmalloc(sizeof(x)))
#define kzalloc_obj			    kmalloc_obj
#define kfree				    shim_kfree
#define MAX_NUMNODES			    1
extern int node_online_map;
/* The machine's memory map. */
bool shim_memory(int i, unsigned long *start_pfn, unsigned long *end_pfn);
#define for_each_mem_pfn_range(i, n, s, e, nid)                                                    \
	for (i = 0; shim_memory(i, s, e) && (*(nid) = 0, true); i++)
void clflush_cache_range(void *va, unsigned size);
void movdir64b(void *to, const void *from);
void mb(void);
void wbinvd(void);
void wbinvd_on_all_cpus(void);
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
static inline const void *memchr_inv(const void *p, int c, size_t n)
{
	for (const u8 *at = p; n--; at++)
		if (*at != (u8)c)
			return at;
	return NULL;
}
static inline void sort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *),
			void *swap)
{
	(void)swap;
	qsort(base, n, size, cmp);
}

/* --- lists, ids --- */
struct list_head {
	struct list_head *next, *prev;
};
#define LIST_HEAD(n)	  struct list_head n = {&n, &n}
#define INIT_LIST_HEAD(l) ((l)->next = (l)->prev = (l))
#define list_empty(l)	  ((l)->next == (l))
static inline void list_add_tail(struct list_head *n, struct list_head *l)
{
	n->prev = l->prev;
	n->next = l;
	l->prev->next = n;
	l->prev = n;
}
static inline void list_del(struct list_head *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
}
#define list_first_entry(l, t, m) container_of((l)->next, t, m)
#define list_for_each_entry(p, l, m)                                                               \
	for (p = container_of((l)->next, __typeof__(*p), m); &p->m != (l);                         \
	     p = container_of(p->m.next, __typeof__(*p), m))
struct ida {
	u64 used;
};
#define DEFINE_IDA(n)	struct ida n
#define ida_is_empty(a) (!(a)->used)
#define ida_free(a, i)	((void)((a)->used &= ~(1ull << (i))))
static inline int ida_alloc_range(struct ida *a, unsigned from, unsigned to, gfp_t g)
{
	(void)g;
	for (unsigned i = from; i <= to && i < 64; i++)
		if (!(a->used >> i & 1)) {
			a->used |= 1ull << i;
			return (int)i;
		}
	return -ENOSPC;
}

/* --- what else there is of a kernel --- */
struct notifier_block {
	int (*notifier_call)(struct notifier_block *nb, unsigned long what, void *v);
};
struct memory_notify {
	unsigned long start_pfn, nr_pages;
};
enum { NOTIFY_OK = 1, NOTIFY_BAD = 0x8002, MEM_GOING_ONLINE = 8 };
#define register_memory_notifier(nb) ((void)(nb), 0)
#define hibernation_available()	     false
struct syscore_ops {
	int (*suspend)(void *);
	void (*resume)(void *);
	void (*shutdown)(void *);
};
struct syscore {
	const struct syscore_ops *ops;
};
void register_syscore(struct syscore *s);
void shim_initcall(int (*fn)(void));
#define subsys_initcall(fn)                                                                        \
	__attribute__((constructor)) static void shim_init_##fn(void)                              \
	{                                                                                          \
		shim_initcall(fn);                                                                 \
	}
#define early_initcall	subsys_initcall
#define arch_initcall	subsys_initcall
#define device_initcall subsys_initcall
enum pg_level { PG_LEVEL_NONE, PG_LEVEL_4K, PG_LEVEL_2M, PG_LEVEL_1G, PG_LEVEL_NUM };
struct mce {
	u64 status, addr, misc;
};
#define mce_is_memory_error(m) ((m)->status != 0)
#define mce_usable_address(m)  ((m)->addr != 0)
struct pt_regs;

#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/trapnr.h>

#endif
