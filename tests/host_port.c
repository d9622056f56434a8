/* SPDX-License-Identifier: MIT */
/* A kernel with four processors on two packages: each is a thread, and its port works there and
 * nowhere else, as instructions do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <swtdx/host.h>
#include <swtdx/model.h>
#include <swtdx/port.h>

enum { CPUS = 4, PACKAGES = 2, NOWHERE = -1 };

struct kernel;

struct processor {
	struct tdx_port port;
	struct kernel *k;
	unsigned cpu;
	const struct tdx_port *below; /* the model's, which any thread could use */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void (*fn)(void *);
	void *arg;
	bool busy, stop;
	unsigned wbinvds;
};

struct kernel {
	struct tdx_model *model;
	struct processor p[CPUS];
	const struct tdx_port *cpus[CPUS];
	struct tdx_host host;
	struct tdx_host_info info;
	uint64_t at; /* memory handed out below */
	_Atomic unsigned
		elsewhere;	 /* instructions executed on a thread that is not their processor */
	_Atomic unsigned absent; /* bit i: processor i does not answer */
	unsigned callbacks;
};

/* Which processor this thread is. */
static _Thread_local int here = NOWHERE;

static struct processor *of(const struct tdx_port *port)
{
	return port->ctx;
}

/* The model's port, for an instruction of this processor. */
static const struct tdx_port *insn(const struct tdx_port *port)
{
	struct processor *p = of(port);

	if (here != (int)p->cpu)
		atomic_fetch_add(&p->k->elsewhere, 1);
	return p->below;
}

static void seamcall(const struct tdx_port *port, struct tdx_regs *regs)
{
	const struct tdx_port *b = insn(port);

	b->ops->seamcall(b, regs);
}

static void flush(const struct tdx_port *port, tdx_hpa_t pa, size_t len)
{
	const struct tdx_port *b = insn(port);

	b->ops->flush(b, pa, len);
}

static void direct_clear(const struct tdx_port *port, tdx_hpa_t pa, size_t len)
{
	const struct tdx_port *b = insn(port);

	b->ops->direct_clear(b, pa, len);
}

static void barrier(const struct tdx_port *port)
{
	const struct tdx_port *b = insn(port);

	b->ops->barrier(b);
}

static void wbinvd(const struct tdx_port *port)
{
	const struct tdx_port *b = insn(port);

	of(port)->wbinvds++;
	b->ops->wbinvd(b);
}

static void port_read(const struct tdx_port *port, tdx_hpa_t pa, void *buf, size_t len)
{
	const struct tdx_port *b = insn(port);

	b->ops->read(b, pa, buf, len);
}

static void port_write(const struct tdx_port *port, tdx_hpa_t pa, const void *buf, size_t len)
{
	const struct tdx_port *b = insn(port);

	b->ops->write(b, pa, buf, len);
}

static bool rdmsr(const struct tdx_port *port, uint32_t msr, uint64_t *value)
{
	const struct tdx_port *b = insn(port);

	return b->ops->rdmsr(b, msr, value);
}

static void port_cpuid(const struct tdx_port *port, uint32_t leaf, uint32_t subleaf, uint32_t *out)
{
	const struct tdx_port *b = insn(port);

	b->ops->cpuid(b, leaf, subleaf, out);
}

static void *va(const struct tdx_port *port, tdx_hpa_t pa)
{
	return of(port)->below->ops->va(of(port)->below, pa);
}

static void interrupt(const struct tdx_port *port)
{
	of(port)->below->ops->interrupt(of(port)->below);
}

static unsigned number(const struct tdx_port *port)
{
	return of(port)->cpu;
}

static unsigned package(const struct tdx_port *port)
{
	return of(port)->below->ops->package(of(port)->below);
}

static void set_incoherent(const struct tdx_port *port, bool incoherent)
{
	const struct tdx_port *b = insn(port);

	b->ops->set_incoherent(b, incoherent);
}

static bool incoherent(const struct tdx_port *port)
{
	const struct tdx_port *b = insn(port);

	return b->ops->incoherent(b);
}

static void relax(const struct tdx_port *port)
{
	of(port)->below->ops->relax(of(port)->below);
}

/* An IPI, and waiting for what it does. */
static int call_on(const struct tdx_port *port, void (*fn)(void *), void *arg)
{
	struct processor *p = of(port);

	if (atomic_load(&p->k->absent) >> p->cpu & 1)
		return -1;
	if (here == (int)p->cpu) {
		fn(arg);
		return 0;
	}
	pthread_mutex_lock(&p->lock);
	while (p->busy)
		pthread_cond_wait(&p->changed, &p->lock);
	p->fn = fn;
	p->arg = arg;
	p->busy = true;
	pthread_cond_broadcast(&p->changed);
	while (p->busy && p->arg == arg)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static const struct tdx_port_ops ops = {
	.seamcall = seamcall,
	.flush = flush,
	.direct_clear = direct_clear,
	.barrier = barrier,
	.wbinvd = wbinvd,
	.read = port_read,
	.write = port_write,
	.rdmsr = rdmsr,
	.cpuid = port_cpuid,
	.va = va,
	.interrupt = interrupt,
	.cpu = number,
	.package = package,
	.set_incoherent = set_incoherent,
	.incoherent = incoherent,
	.relax = relax,
	.call_on = call_on,
};

static void *processor(void *arg)
{
	struct processor *p = arg;

	here = (int)p->cpu;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->busy && !p->stop)
			pthread_cond_wait(&p->changed, &p->lock);
		if (!p->busy)
			break;
		pthread_mutex_unlock(&p->lock);
		p->fn(p->arg);
		pthread_mutex_lock(&p->lock);
		p->busy = false;
		pthread_cond_broadcast(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void power_on(struct kernel *k)
{
	char err[256] = "";

	memset(k, 0, sizeof(*k));
	k->model = tdx_model_new(0, CPUS, PACKAGES, 1, err, sizeof(err));
	assert_string_equal(err, "");
	k->at = 16ull << 20;
	for (unsigned i = 0; i < CPUS; i++) {
		struct processor *p = &k->p[i];

		p->port = (struct tdx_port){&ops, p};
		p->k = k;
		p->cpu = i;
		p->below = tdx_model_port(k->model, i);
		k->cpus[i] = &p->port;
		pthread_mutex_init(&p->lock, NULL);
		pthread_cond_init(&p->changed, NULL);
		assert_int_equal(pthread_create(&p->thread, NULL, processor, p), 0);
	}
	assert_int_equal(tdx_host_init(&k->host, k->cpus, CPUS, 0), 0);
}

static void power_off(struct kernel *k)
{
	assert_int_equal(atomic_load(&k->elsewhere), 0);
	for (unsigned i = 0; i < CPUS; i++) {
		struct processor *p = &k->p[i];

		pthread_mutex_lock(&p->lock);
		p->stop = true;
		pthread_cond_broadcast(&p->changed);
		pthread_mutex_unlock(&p->lock);
		pthread_join(p->thread, NULL);
		pthread_cond_destroy(&p->changed);
		pthread_mutex_destroy(&p->lock);
	}
	tdx_model_free(k->model);
}

static tdx_hpa_t alloc(void *ctx, uint64_t size, uint64_t align, tdx_hpa_t near)
{
	struct kernel *k = ctx;
	uint64_t pa = (k->at + align - 1) & ~(align - 1);

	(void)near;
	assert_int_equal(here, NOWHERE); /* an allocator may sleep */
	k->callbacks++;
	k->at = pa + ((size + 4095) & ~4095ull);
	return tdx_hpa(pa);
}

static void dealloc(void *ctx, tdx_hpa_t pa, uint64_t size)
{
	(void)ctx;
	(void)pa;
	(void)size;
	assert_int_equal(here, NOWHERE);
}

static int enable(struct kernel *k)
{
	const struct tdx_host_allocator mem = {alloc, dealloc, k};
	struct tdx_range memory[TDX_MAX_CMRS];
	unsigned n = tdx_model_memory(k->model, memory, TDX_MAX_CMRS);

	return tdx_host_enable(&k->host, &k->info, memory, n, &mem, NULL, NULL);
}

static uint64_t calls(struct kernel *k, enum tdx_seamcall leaf)
{
	struct tdx_model_stats stats;

	tdx_model_stats(k->model, &stats);
	return stats.calls[leaf];
}

/* --- what a kernel's hotplug does, there --- */

struct hotplug {
	struct kernel *k;
	unsigned cpu;
	bool online;
	int result;
};

static void plug(void *arg)
{
	struct hotplug *h = arg;

	h->result = h->online ? tdx_host_cpu_online(&h->k->host, h->cpu)
			      : tdx_host_cpu_offline(&h->k->host, h->cpu);
}

static int hotplug(struct kernel *k, unsigned cpu, bool online)
{
	struct hotplug h = {k, cpu, online, 0};

	assert_int_equal(call_on(k->cpus[cpu], plug, &h), 0);
	return h.result;
}

static void four_processors_come_up_on_two_packages(void **state)
{
	struct kernel k;

	(void)state;
	power_on(&k);
	assert_int_equal(tdx_host_discover(&k.host, &k.info), 0);
	assert_int_equal(enable(&k), 0);
	assert_true(k.callbacks > 1);
	assert_int_equal(calls(&k, TDH_SYS_INIT), 1);
	assert_int_equal(calls(&k, TDH_SYS_LP_INIT), CPUS);
	assert_int_equal(calls(&k, TDH_SYS_KEY_CONFIG), PACKAGES);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_true(tdx_host_cpu_is_online(&k.host, i));
		assert_int_equal(k.p[i].wbinvds, 1); /* before the module writes PAMTs */
	}
	power_off(&k);
}

/* The net of this test: an instruction on the wrong thread is counted. */
static void an_instruction_elsewhere_is_seen(void **state)
{
	struct kernel k;

	(void)state;
	power_on(&k);
	k.cpus[2]->ops->barrier(k.cpus[2]);
	assert_int_equal(atomic_exchange(&k.elsewhere, 0), 1);
	power_off(&k);
}

static void *come(void *arg)
{
	struct hotplug *h = arg;

	h->result = call_on(h->k->cpus[h->cpu], plug, h) ? -ENXIO : h->result;
	return NULL;
}

static void all_come_by_themselves_at_once(void **state)
{
	struct hotplug h[CPUS];
	pthread_t sender[CPUS];
	struct kernel k;

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		power_on(&k);
		for (unsigned i = 0; i < CPUS; i++) {
			h[i] = (struct hotplug){&k, i, true, -1};
			assert_int_equal(pthread_create(&sender[i], NULL, come, &h[i]), 0);
		}
		for (unsigned i = 0; i < CPUS; i++) {
			pthread_join(sender[i], NULL);
			assert_int_equal(h[i].result, 0);
		}
		assert_int_equal(calls(&k, TDH_SYS_INIT), 1);
		assert_int_equal(calls(&k, TDH_SYS_LP_INIT), CPUS);
		assert_int_equal(tdx_host_discover(&k.host, &k.info), 0);
		assert_int_equal(calls(&k, TDH_SYS_LP_INIT), CPUS); /* they were there */
		assert_int_equal(enable(&k), 0);
		power_off(&k);
	}
}

static void they_leave_and_come_back(void **state)
{
	struct kernel k;

	(void)state;
	power_on(&k);
	assert_int_equal(tdx_host_discover(&k.host, &k.info), 0);
	assert_int_equal(enable(&k), 0);
	for (unsigned i = 0; i < CPUS; i++) {
		unsigned before = k.p[i].wbinvds;

		assert_int_equal(hotplug(&k, i, false), 0);
		assert_int_equal(k.p[i].wbinvds, before + 1);
		assert_false(tdx_host_cpu_is_online(&k.host, i));
		/* and once is enough */
		assert_int_equal(hotplug(&k, i, false), 0);
		assert_int_equal(k.p[i].wbinvds, before + 1);
	}
	assert_int_equal(tdx_host_discover(&k.host, &k.info), 0);
	for (unsigned i = 0; i < CPUS; i++)
		assert_true(tdx_host_cpu_is_online(&k.host, i));
	assert_int_equal(calls(&k, TDH_SYS_INIT), 1);
	assert_int_equal(calls(&k, TDH_SYS_LP_INIT), CPUS);
	power_off(&k);
}

/* Those of the package of processor 0. */
static unsigned package_of_0(struct kernel *k, unsigned of_it[CPUS])
{
	unsigned n = 0;

	for (unsigned i = 0; i < CPUS; i++)
		if (package(k->cpus[i]) == package(k->cpus[0]))
			of_it[n++] = i;
	return n;
}

static void last_of_a_package_stays_while_keyids_are_used(void **state)
{
	unsigned of_it[CPUS], used;
	struct kernel k;
	tdx_hkid_t key;

	(void)state;
	power_on(&k);
	assert_int_equal(tdx_host_discover(&k.host, &k.info), 0);
	assert_int_equal(enable(&k), 0);
	assert_int_equal(package_of_0(&k, of_it), CPUS / PACKAGES);
	assert_int_equal(tdx_host_hkid_get(&k.host, &key), 0);
	(void)tdx_host_hkids(&k.host, &used);
	assert_int_equal(used, 1);
	assert_true(tdx_host_leads_package(&k.host, of_it[0]));
	assert_int_equal(hotplug(&k, of_it[0], false), 0);
	/* another leads now */
	assert_false(tdx_host_leads_package(&k.host, of_it[0]));
	assert_true(tdx_host_leads_package(&k.host, of_it[1]));
	assert_int_equal(hotplug(&k, of_it[1], false), -EBUSY);
	assert_true(tdx_host_cpu_is_online(&k.host, of_it[1]));
	tdx_host_hkid_put(&k.host, key);
	assert_int_equal(hotplug(&k, of_it[1], false), 0);
	/* nobody could program a key there now */
	assert_int_equal(tdx_host_hkid_get(&k.host, &key), -EIO);
	assert_int_equal(hotplug(&k, of_it[0], true), 0);
	assert_int_equal(tdx_host_hkid_get(&k.host, &key), 0);
	tdx_host_hkid_put(&k.host, key);
	power_off(&k);
}

static void a_processor_that_does_not_answer_is_named(void **state)
{
	struct kernel k;

	(void)state;
	power_on(&k);
	atomic_store(&k.absent, 1u << 3);
	assert_int_equal(tdx_host_discover(&k.host, &k.info), -ENXIO);
	atomic_store(&k.absent, 0);
	assert_int_equal(tdx_host_discover(&k.host, &k.info), 0);
	assert_int_equal(tdx_host_cpu_online(&k.host, CPUS), -EINVAL);
	assert_int_equal(tdx_host_cpu_offline(&k.host, CPUS), -EINVAL);
	power_off(&k);
}

/* --- a TD's key, on one processor of each package --- */

struct key {
	struct kernel *k;
	unsigned cpu;
	enum { CREATE, CONFIGURE } what;
	struct tdx_td td;
	struct tdx_status s;
	unsigned private_;
};

static void make_key(void *arg)
{
	struct key *key = arg;
	const struct tdx_cpu *cpu = tdx_host_cpu(&key->k->host, key->cpu);

	key->s = key->what == CREATE ? tdh_mng_create(cpu, &key->td)
				     : tdh_mng_key_config(cpu, &key->td);
}

static void look(void *arg)
{
	struct key *key = arg;
	const struct tdx_cpu *cpu = tdx_host_cpu(&key->k->host, key->cpu);
	const tdx_hpa_t page[] = {key->td.tdr, tdx_hpa(key->td.tdr.v + TDX_PAGE_SIZE),
				  tdx_hpa(16ull << 20), tdx_hpa(0)};

	key->private_ = 0;
	for (unsigned i = 0; i < 4; i++)
		key->private_ |= (unsigned)tdx_host_page_is_private(&key->k->host, cpu, page[i])
				 << i;
}

static void a_td_has_its_key_on_both_packages(void **state)
{
	struct key key = {.cpu = 2, .what = CREATE};
	struct kernel k;

	(void)state;
	power_on(&k);
	key.k = &k;
	assert_int_equal(tdx_host_discover(&k.host, &k.info), 0);
	assert_int_equal(enable(&k), 0);
	key.td.tdr = tdx_hpa(512ull << 20);
	assert_int_equal(tdx_host_hkid_get(&k.host, &key.td.hkid), 0);
	assert_int_equal(call_on(k.cpus[key.cpu], make_key, &key), 0);
	assert_true(tdx_is_success(key.s));
	key.what = CONFIGURE;
	for (key.cpu = 0; key.cpu < CPUS; key.cpu++) {
		if (!tdx_host_leads_package(&k.host, key.cpu))
			continue;
		assert_int_equal(call_on(k.cpus[key.cpu], make_key, &key), 0);
		assert_true(tdx_is_success(key.s));
	}
	/* to a machine-check handler its TDR is private now, and so is a PAMT */
	for (key.cpu = 0; key.cpu < CPUS; key.cpu++) {
		assert_int_equal(call_on(k.cpus[key.cpu], look, &key), 0);
		assert_int_equal(key.private_, 1 << 0 | 1 << 2);
	}
	power_off(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_processors_come_up_on_two_packages),
		cmocka_unit_test(an_instruction_elsewhere_is_seen),
		cmocka_unit_test(all_come_by_themselves_at_once),
		cmocka_unit_test(they_leave_and_come_back),
		cmocka_unit_test(last_of_a_package_stays_while_keyids_are_used),
		cmocka_unit_test(a_processor_that_does_not_answer_is_named),
		cmocka_unit_test(a_td_has_its_key_on_both_packages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
