/* SPDX-License-Identifier: MIT */
/* TDs that move, for tests: a machine on either side with a migration TD on it, a guest that would
 * see a page that did not come along, and a move over a socket. */
#ifndef MIGRATE_SETUP_H
#define MIGRATE_SETUP_H

#include "group.h"
#include "vmm_setup.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <swtdx/attest.h>
#include <swtdx/migrate.h>
#include <swtdx/sim.h>

#include "vmm/mig.h"

enum {
	PAGES = 600,
	COUNT_PORT = 0x10,
	ASK_PORT = 0x20,
	WATCHDOG = 900,
	MAX_VCPUS = 2,
	SERVICE_PAGES = 64
};
#define STATE_GPA 0ull	       /* the page that was added */
#define DATA_GPA  (2ull << 20) /* what a vCPU writes, PAGES of them each */

/* A machine with a migration TD on it, and a TD that moves. */
struct side {
	struct rig rig;
	struct tdx_sim_migtd config;
	struct tdx_vm *service;
	struct tdx_vcpu *service_vcpu;
	struct tdx_vm *vm;
	pthread_t thread[MAX_VCPUS];
	unsigned running;
	_Atomic bool stopping;
	_Atomic uint64_t count[MAX_VCPUS]; /* what the guest has said it counted to */
	_Atomic int failed;
	void (*guest)(struct tdx_native_cpu *cpu, unsigned vcpu); /* NULL: counter() */
	/* Makes the TD's slots, and those of one that is imported; NULL: one of the monitor's. */
	void (*slots)(struct side *s);
	struct tdx_import_config importer;
};

static struct tdx_quote_service *quotes;
static _Atomic uint32_t told; /* what a guest that asks is answered, wherever it is */

/* --- the guest --- */

/* Its pages hold what it counted to when it last wrote them: a page that did not come along, or
 * came in an old state, is seen. One that was being written when the guest was begun anew may have
 * either value. */
static inline bool page_is_right(struct tdx_native_cpu *cpu, uint64_t at, uint64_t count, bool anew)
{
	const uint64_t old = count >= PAGES ? count - PAGES : 0;
	uint64_t word[2] = {0, 0};

	if (!tdx_native_read(cpu, gpa(at), &word[0], 8) ||
	    !tdx_native_read(cpu, gpa(at + 4088), &word[1], 8))
		return false;
	for (unsigned i = 0; i < 2; i++)
		if (word[i] != old && !(anew && word[i] == count))
			return false;
	return true;
}

static inline void say(struct tdx_native_cpu *cpu, uint32_t value, unsigned vcpu)
{
	struct tdx_regs r = {.rax = TDG_VP_VMCALL,
			     .rcx = 0xfc00,
			     .r11 = TDVMCALL_IO,
			     .r12 = 4,
			     .r13 = TDVMCALL_WRITE,
			     .r14 = COUNT_PORT + vcpu,
			     .r15 = value};

	tdx_native_tdcall(cpu, &r);
}

/* The host may have the entry for a moment: the exporter blocks and exports it. */
static inline void accept_page(struct tdx_native_cpu *cpu, uint64_t at)
{
	while (tdx_is_busy(guest_accept(cpu, at, TDX_LEVEL_4K)))
		;
}

static inline void prepare(struct tdx_native_cpu *cpu, uint64_t base)
{
	const uint64_t zero = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		accept_page(cpu, base + i * 4096ull);
		tdx_native_write(cpu, gpa(base + i * 4096ull), &zero, 8);
	}
}

/* All it knows is in its memory: a native guest has no other state that could move. */
static inline void counter(struct tdx_native_cpu *cpu, unsigned vcpu)
{
	const uint64_t base = DATA_GPA + vcpu * (4ull << 20), state = STATE_GPA + 64 + 16 * vcpu;
	uint64_t count = 0, begun = 0;

	tdx_native_read(cpu, gpa(state), &begun, 8);
	tdx_native_read(cpu, gpa(state + 8), &count, 8);
	if (!begun) {
		prepare(cpu, base);
		begun = 1;
		tdx_native_write(cpu, gpa(state), &begun, 8);
	}
	for (bool anew = true;; anew = false) {
		const uint64_t at = base + count % PAGES * 4096;

		if (!page_is_right(cpu, at, count, anew)) {
			say(cpu, ~0u, vcpu);
			return;
		}
		tdx_native_write(cpu, gpa(at), &count, 8);
		tdx_native_write(cpu, gpa(at + 4088), &count, 8);
		count++;
		tdx_native_write(cpu, gpa(state + 8), &count, 8);
		if (count % 16 == 0)
			say(cpu, (uint32_t)count, vcpu);
	}
}

static inline void guest(struct tdx_native_cpu *cpu, void *arg)
{
	struct tdx_regs r = {.rax = TDG_VP_INFO};
	struct side *s = arg;

	tdx_native_tdcall(cpu, &r);
	if (!(r.rdx & TDX_ATTR_MIGRATABLE))
		tdx_sim_migtd_guest(cpu, &s->config);
	else
		(s->guest ? s->guest : counter)(cpu, (unsigned)r.r9 & 0xffff);
}

/* --- the two sides --- */

static inline void side_on_with(struct side *s, bool dynamic_pamt, unsigned l2_vms)
{
	struct rig_options o = {.guest = guest,
				.arg = s,
				.cpus = 4,
				.irqchip = true,
				.l2_vms = l2_vms,
				.dynamic_pamt = dynamic_pamt};

	memset(s, 0, sizeof(*s));
	s->importer = (struct tdx_import_config){.max_memory = RIG_RAM, .max_vcpus = MAX_VCPUS};
	s->config.root = tdx_quote_service_root(quotes, &s->config.root_len);
	rig_on(&s->rig, &o);
	assert_int_equal(tdx_sim_migtd_new(s->rig.vmm, &s->config, &s->service, &s->service_vcpu),
			 0);
}

static inline void side_on(struct side *s, bool dynamic_pamt)
{
	side_on_with(s, dynamic_pamt, 0);
}

/* The TD is gone, and nothing of it is left; the migration TD serves on. */
static inline void check_idle(struct side *s)
{
	struct tdx_vmm_memory m = rig_memory(&s->rig);
	uint64_t types[16];

	assert_null(s->vm);
	tdx_model_pages(s->rig.model, types);
	assert_int_equal(types[TDX_PT_TDR], 1);
	assert_int_equal(types[TDX_PT_TDVPR], 1);
	assert_true(types[TDX_PT_REG] < SERVICE_PAGES && types[TDX_PT_EPT] < SERVICE_PAGES);
	if (m.quarantined_pages)
		fail_msg("%llu pages lost: %s", (unsigned long long)m.quarantined_pages,
			 s->rig.log);
	assert_int_equal(m.leaked_hkids, 0);
	rig_check_coherent(&s->rig);
	rig_check_module(&s->rig);
}

static inline void end_td(struct side *s)
{
	tdx_vm_destroy(s->vm);
	s->vm = NULL;
	check_idle(s);
}

static inline void side_off(struct side *s)
{
	tdx_vm_destroy(s->service);
	rig_check_clean(&s->rig);
	rig_off(&s->rig);
	free(s->config.memory);
}

static inline struct tdx_vm_params params_of(const struct side *s)
{
	struct tdx_vm_params p = rig_params(&s->rig);

	p.attributes |= TDX_ATTR_MIGRATABLE;
	p.xfam = tdx_vmm_info(s->rig.vmm)->xfam_fixed1;
	p.huge_pages = true;
	return p;
}

static inline void build(struct side *s, unsigned nvcpus)
{
	static const uint8_t page[4096];
	struct tdx_vm_params p = params_of(s);
	struct tdx_servtd_binding bound;

	for (unsigned i = 0; i < MAX_VCPUS; i++)
		s->count[i] = 0; /* not what the last one has said */
	assert_int_equal(tdx_vm_new(s->rig.vmm, &s->vm), 0);
	assert_int_equal(tdx_vm_init(s->vm, &p), 0);
	assert_int_equal(tdx_vm_bind_migtd(s->vm, s->service, &bound), 0);
	if (s->slots)
		s->slots(s);
	else
		assert_int_equal(tdx_vm_set_memslot(s->vm, 0, gpa(0), RIG_RAM), 0);
	assert_int_equal(tdx_vm_add_page(s->vm, gpa(STATE_GPA), page, true), 0);
	for (unsigned i = 0; i < nvcpus; i++) {
		struct tdx_vcpu *v;

		assert_int_equal(tdx_vcpu_new(s->vm, i, &v), 0);
		assert_int_equal(tdx_vcpu_init(v, 0), 0);
	}
	assert_int_equal(tdx_vm_finalize(s->vm), 0);
}

static inline void expect_import(struct side *s)
{
	struct tdx_vm_params p = params_of(s);

	assert_int_equal(tdx_vm_new(s->rig.vmm, &s->vm), 0);
	assert_int_equal(tdx_vm_init_import(s->vm, &p), 0);
}

struct runner {
	struct side *s;
	unsigned i;
};

static inline void *run_vcpu(void *arg)
{
	struct runner *r = arg;
	struct side *s = r->s;
	struct tdx_vm_error e;
	struct tdx_run run;
	int err = 0;

	for (;;) {
		err = tdx_vcpu_run(tdx_vm_vcpu(s->vm, r->i), -1, &run);
		if (err)
			break;
		if (run.exit == TDX_EXIT_INTR && s->stopping)
			break;
		if (run.exit == TDX_EXIT_IO && run.io.port == COUNT_PORT + r->i) {
			if (run.io.data == ~0u)
				s->failed = 1;
			s->count[r->i] = run.io.data;
		} else if (run.exit == TDX_EXIT_IO && run.io.port == ASK_PORT && !run.io.write) {
			run.io.data = told;
		} else if (run.exit != TDX_EXIT_INTR && run.exit != TDX_EXIT_MAP_GPA) {
			s->failed = 2;
			break;
		}
		if (s->failed)
			break;
	}
	if (err) {
		tdx_vm_error(s->vm, &e);
		print_message("vCPU %u: %d, %s\n", r->i, err, e.text);
		s->failed = 3;
	}
	free(r);
	return NULL;
}

static inline void go(void *arg)
{
	struct side *s = arg;

	s->stopping = false;
	for (s->running = 0; tdx_vm_vcpu(s->vm, s->running); s->running++) {
		struct runner *r = malloc(sizeof(*r));

		*r = (struct runner){s, s->running};
		assert_int_equal(pthread_create(&s->thread[s->running], NULL, run_vcpu, r), 0);
	}
}

static inline int stop(void *arg)
{
	struct side *s = arg;

	s->stopping = true;
	for (unsigned i = 0; i < s->running; i++)
		tdx_vcpu_kick(tdx_vm_vcpu(s->vm, i));
	for (unsigned i = 0; i < s->running; i++)
		pthread_join(s->thread[i], NULL);
	s->running = 0;
	return s->failed ? -EFAULT : 0;
}

/* It gets so much farther than it was. */
static inline void counts_on(struct side *s, uint64_t more)
{
	const struct timespec pause = {0, 1000000};

	for (unsigned i = 0; tdx_vm_vcpu(s->vm, i); i++) {
		const uint64_t from = s->count[i];

		while (s->count[i] < from + more && !s->failed)
			nanosleep(&pause, NULL);
	}
	assert_int_equal(s->failed, 0);
}

/* --- a move --- */

struct wire {
	struct tdx_mig_fds fds[2];
	struct tdx_mig_channel channel[2];
};

static inline void wire_on(struct wire *w)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	for (unsigned i = 0; i < 2; i++) {
		w->fds[i] = (struct tdx_mig_fds){fd[i], fd[i], 0};
		tdx_mig_channel_of(&w->fds[i], &w->channel[i]);
	}
}

static inline void wire_off(struct wire *w)
{
	close(w->fds[0].in);
	close(w->fds[1].in);
}

struct peer {
	struct side *s;
	bool source;
	const struct tdx_mig_channel *channel;
	struct tdx_import_config config;
	struct tdx_mig_stats stats;
	int err;
};

static inline void *keys(void *arg)
{
	struct peer *p = arg;

	p->err = tdx_migtd_exchange(p->s->vm, p->source, p->s->service, p->s->service_vcpu, quotes,
				    p->channel);
	return NULL;
}

static inline void exchange_keys(struct side *from, struct side *to)
{
	struct wire w;
	struct peer pa = {.s = from, .source = true, .channel = &w.channel[0]},
		    pb = {.s = to, .channel = &w.channel[1]};
	pthread_t t;

	wire_on(&w);
	assert_int_equal(pthread_create(&t, NULL, keys, &pb), 0);
	keys(&pa);
	pthread_join(t, NULL);
	assert_int_equal(pa.err, 0);
	assert_int_equal(pb.err, 0);
	wire_off(&w);
}

static inline void *import(void *arg)
{
	struct peer *p = arg;

	p->err = tdx_vm_import(p->s->vm, p->channel, &p->config, &p->stats);
	return NULL;
}

/* What comes before a move: the vCPUs' threads in place, keys, a channel. */
static inline void get_ready(struct side *from, struct side *to, struct tdx_export_config *config,
			     struct peer *p, struct wire *w)
{
	config->stop = stop;
	config->go = go;
	config->arg = from;
	p->config.go = go;
	p->config.arg = to;
	expect_import(to);
	exchange_keys(from, to);
	wire_on(w);
	p->channel = &w->channel[1];
}

/* Over a socket, both at work. */
static inline void move(struct side *from, struct side *to, const struct tdx_export_config *how,
			struct tdx_mig_stats *stats)
{
	struct peer p = {.s = to, .config = to->importer};
	struct tdx_export_config config = *how;
	struct wire w;
	pthread_t t;
	int err;

	get_ready(from, to, &config, &p, &w);
	for (unsigned i = 0; i < MAX_VCPUS; i++)
		to->count[i] = from->count[i];
	assert_int_equal(pthread_create(&t, NULL, import, &p), 0);
	err = tdx_vm_export(from->vm, &w.channel[0], &config, stats);
	pthread_join(t, NULL);
	if (err || p.err) {
		struct tdx_vm_error ea, eb;

		tdx_vm_error(from->vm, &ea);
		tdx_vm_error(to->vm, &eb);
		fail_msg("export %d (%s), import %d (%s)", err, ea.text, p.err, eb.text);
	}
	wire_off(&w);
	assert_true(stats->moved);
	assert_int_equal(tdx_vm_state(from->vm), TDX_VM_EXPORTED);
	end_td(from);
}

/* --- the program of the tests --- */

/* Two machines, for most tests: to bring one up takes longer than they do. That all pages are back
 * is seen when they go. */
static struct side a, b;

static inline int machines_on(void **state)
{
	(void)state;
	side_on(&a, false);
	side_on(&b, false);
	return 0;
}

static inline int machines_off(void **state)
{
	(void)state;
	side_off(&a);
	side_off(&b);
	return 0;
}

/* An argument names the tests that are run. */
static inline int moves_begin(int argc, char **argv)
{
	alarm(WATCHDOG);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return tdx_quote_service_create((int64_t)time(NULL), &quotes);
}

static inline int moves_end(int failed)
{
	tdx_quote_service_free(quotes);
	return failed;
}

/* What main() returns. */
#define RUN_MOVES(argc, argv, tests, on, off)                                                      \
	(moves_begin(argc, argv) ? 1 : moves_end(RUN_GROUP(tests, on, off)))

#endif
