/* SPDX-License-Identifier: MIT */
/* The kernel around the tree's code: see shim.h. */
#include "shim.h"

#include <pthread.h>

#include "machine.h"

enum { FEATURES = 2048, ALLOCATIONS = 1 << 16 };

unsigned shim_cpu, shim_cpus;
struct page *shim_pages;
u8 *shim_ram;
struct cpuinfo_x86 boot_cpu_data;
DEFINE_PER_CPU(bool, cache_state_incoherent);
int node_online_map;
static const struct cpumask online = {~0ull};
const struct cpumask *const cpu_online_mask = &online;

static bool feature[FEATURES];
static unsigned long next_pfn, last_pfn; /* of memory nobody has yet */
static long shortage = -1;		 /* allocations until one fails */
static unsigned warnings;
static bool quiet;
static int (*initcall[8])(void);
static unsigned ninitcalls;
static struct syscore *syscore;

/* --- messages --- */

int shim_print(const char *fmt, ...)
{
	va_list ap;

	if (quiet)
		return 0;
	va_start(ap, fmt);
	printf("  ");
	vprintf(fmt, ap);
	va_end(ap);
	return 0;
}

bool shim_warn(bool is, const char *file, int line)
{
	const char *name = strrchr(file, '/');

	if (is)
		shim_print("WARNING: at %s:%d\n", name ? name + 1 : file, line);
	warnings += is;
	return is;
}

unsigned shim_warnings(void)
{
	return warnings;
}

void shim_quiet(bool is)
{
	quiet = is;
}

void shim_lock(int *held, bool to)
{
	if (WARN_ON(*held == to))
		abort(); /* one thread would wait for itself */
	*held = to;
}

/* --- processors --- */

unsigned shim_package(unsigned cpu)
{
	return machine_package(cpu);
}

static int call_on(unsigned cpu, int (*fn)(void *), void *arg)
{
	const unsigned was = shim_cpu;
	int r;

	shim_cpu = cpu;
	r = fn(arg);
	shim_cpu = was;
	return r;
}

int smp_call_on_cpu(unsigned cpu, int (*fn)(void *arg), void *arg, bool phys)
{
	(void)phys;
	return call_on(cpu, fn, arg);
}

void on_each_cpu(void (*fn)(void *arg), void *arg, int wait)
{
	const unsigned was = shim_cpu;

	(void)wait;
	for (shim_cpu = 0; shim_cpu < shim_cpus; shim_cpu++)
		fn(arg);
	shim_cpu = was;
}

/* Processors that have to meet: a thread each, of which one runs, until it waits or has ended. */
static struct meeting {
	pthread_mutex_t lock;
	pthread_cond_t next;
	unsigned here; /* who may run */
	bool ended[NR_CPUS];
	int (*fn)(void *arg);
	void *arg;
	int result[NR_CPUS];
} * meeting;

/* Under the lock: the next that has not ended. */
static void pass_on(struct meeting *m, unsigned cpu)
{
	for (unsigned i = 1; i <= shim_cpus; i++) {
		m->here = (cpu + i) % shim_cpus;
		if (!m->ended[m->here])
			break;
	}
	pthread_cond_broadcast(&m->next);
}

static void wait_for_turn(struct meeting *m, unsigned cpu)
{
	while (m->here != cpu)
		pthread_cond_wait(&m->next, &m->lock);
	shim_cpu = cpu;
}

void cpu_relax(void)
{
	struct meeting *m = meeting;
	const unsigned cpu = shim_cpu;

	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	pass_on(m, cpu);
	wait_for_turn(m, cpu);
	pthread_mutex_unlock(&m->lock);
}

static void *processor(void *arg)
{
	struct meeting *m = meeting;
	const unsigned cpu = (unsigned)(uintptr_t)arg;

	pthread_mutex_lock(&m->lock);
	wait_for_turn(m, cpu);
	pthread_mutex_unlock(&m->lock);
	m->result[cpu] = m->fn(m->arg);
	pthread_mutex_lock(&m->lock);
	m->ended[cpu] = true;
	pass_on(m, cpu);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

int stop_machine_cpuslocked(int (*fn)(void *arg), void *arg, const struct cpumask *mask)
{
	struct meeting m = {.lock = PTHREAD_MUTEX_INITIALIZER,
			    .next = PTHREAD_COND_INITIALIZER,
			    .fn = fn,
			    .arg = arg};
	const unsigned was = shim_cpu;
	pthread_t thread[NR_CPUS];
	int r = 0;

	(void)mask;
	meeting = &m;
	for (unsigned i = 0; i < shim_cpus; i++)
		if (pthread_create(&thread[i], NULL, processor, (void *)(uintptr_t)i))
			abort();
	for (unsigned i = 0; i < shim_cpus; i++) {
		pthread_join(thread[i], NULL);
		if (m.result[i])
			r = m.result[i];
	}
	meeting = NULL;
	shim_cpu = was;
	return r;
}

int cpuhp_setup_state(enum cpuhp_state state, const char *name, int (*up)(unsigned cpu),
		      int (*down)(unsigned cpu))
{
	const unsigned was = shim_cpu;
	int r = 0;

	(void)name;
	(void)down;
	for (shim_cpu = 0; shim_cpu < shim_cpus && !r; shim_cpu++)
		r = up(shim_cpu);
	shim_cpu = was;
	return r ? r : (int)state;
}

int x86_virt_get_ref(int f)
{
	(void)f;
	return machine_vmxon(shim_cpu, true);
}

void x86_virt_put_ref(int f)
{
	(void)f;
	machine_vmxon(shim_cpu, false);
}

void register_syscore(struct syscore *s)
{
	syscore = s;
}

void shim_shutdown(void)
{
	if (syscore && syscore->ops->shutdown)
		syscore->ops->shutdown(NULL);
}

void shim_initcall(int (*fn)(void))
{
	initcall[ninitcalls++] = fn;
}

int shim_run_initcalls(void)
{
	int r = 0;

	for (unsigned i = 0; i < ninitcalls && !r; i++)
		r = initcall[i]();
	return r;
}

bool shim_feature(unsigned f)
{
	return f < FEATURES && feature[f];
}

void shim_set_feature(unsigned f)
{
	if (f < FEATURES)
		feature[f] = true;
}

int rdmsrq_safe(u32 number, u64 *value)
{
	unsigned long long v = 0;
	const bool ok = machine_rdmsr(shim_cpu, number, &v);

	*value = v;
	return ok ? 0 : -EIO;
}

/* --- memory --- */

bool shim_memory(int i, unsigned long *start_pfn, unsigned long *end_pfn)
{
	unsigned long long base, size;

	if (!machine_memory((unsigned)i, &base, &size))
		return false;
	*start_pfn = base >> PAGE_SHIFT;
	*end_pfn = (base + size) >> PAGE_SHIFT;
	return true;
}

void shim_start(unsigned cpus, unsigned packages)
{
	unsigned long long base, size = 0, end = 0;

	shim_ram = machine_start(cpus, packages);
	shim_cpus = cpus;
	for (unsigned i = 0; machine_memory(i, &base, &size); i++)
		end = base + size;
	/* What the kernel takes comes from the last range. */
	last_pfn = end >> PAGE_SHIFT;
	next_pfn = (end - size) >> PAGE_SHIFT;
	shim_pages = calloc(last_pfn, sizeof(*shim_pages));
	if (!shim_pages)
		abort();
	boot_cpu_data.x86_phys_bits = (u8)machine_phys_bits();
	boot_cpu_data.x86_vfm = INTEL_SAPPHIRERAPIDS_X;
}

void shim_end(void)
{
	free(shim_pages);
	machine_end();
}

static bool short_of_memory(void)
{
	return shortage >= 0 && shortage-- == 0;
}

void shim_fail_allocation(long after)
{
	shortage = after;
}

struct page *shim_alloc(unsigned long pages)
{
	unsigned long at = next_pfn, n = 0;

	if (short_of_memory())
		return NULL;
	for (; n < pages && at + n < last_pfn; n++)
		if (shim_pages[at + n].used) {
			at += n + 1;
			n = -1ul;
		}
	if (n < pages)
		return NULL;
	for (n = 0; n < pages; n++)
		shim_pages[at + n].used = 1;
	machine_zero(shim_cpu, PFN_PHYS(at), pages << PAGE_SHIFT);
	return pfn_to_page(at);
}

void shim_free(unsigned long pfn, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++) {
		WARN_ON(!shim_pages[pfn + i].used);
		shim_pages[pfn + i].used = 0;
	}
}

unsigned long shim_used(void)
{
	unsigned long n = 0;

	for (unsigned long i = 0; i < last_pfn; i++)
		n += shim_pages[i].used;
	return n;
}

/* Whole pages: what is kmalloc()ed is given to the module by address. */
void *shim_kmalloc(size_t n)
{
	struct page *p = shim_alloc((n + PAGE_SIZE - 1) >> PAGE_SHIFT);

	if (p)
		p->used = (u8)(((n + PAGE_SIZE - 1) >> PAGE_SHIFT) + 1);
	return p ? page_address(p) : NULL;
}

void shim_kfree(void *v)
{
	struct page *p = v ? virt_to_page(v) : NULL;

	if (p)
		shim_free(page_to_pfn(p), (unsigned long)p->used - 1);
}

void clflush_cache_range(void *va, unsigned size)
{
	machine_flush(shim_cpu, __pa(va), size);
}

void movdir64b(void *to, const void *from)
{
	(void)from;
	machine_direct_clear(shim_cpu, __pa(to), 64);
}

void mb(void)
{
	machine_barrier(shim_cpu);
}

void wbinvd(void)
{
	machine_wbinvd_of(shim_cpu);
}

void wbinvd_on_all_cpus(void)
{
	for (unsigned i = 0; i < shim_cpus; i++)
		machine_wbinvd_of(i);
}
