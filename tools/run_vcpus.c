/* SPDX-License-Identifier: MIT */
/* swtdx run: the vCPUs, a thread each, and what their exits ask of the user of the monitor. */
#include "tools/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <swtdx/x86.h>

#include "gdb/gdb.h"
#include "tools/run_quote.h"
#include "tools/verbs.h"

enum { LOOK_NS = 100000000 };

/* Of each vCPU, without an exit: OVMF's decompression takes 450 million instructions. A loop of
 * PAUSEs sleeps instead, 6 s in so many naps, and executes less than this between two. Not seconds:
 * the host may be slow or busy. */
#define STUCK_INSTRUCTIONS   1000000000ull
#define STUCK_NAPS	     60000ull
#define INSTRUCTIONS_OF_NAPS 1000ull

static void console(struct run_session *s, char c)
{
	if (c != '\n' && s->nline < sizeof(s->line) - 1) {
		s->line[s->nline++] = c;
		return;
	}
	s->line[s->nline] = '\0';
	run_end_stages(s);
	fprintf(run_output_is_taken(s) ? stderr : stdout, "guest: %s\n", s->line);
	s->nline = 0;
}

static int native_io(struct run_session *s, struct tdx_run *run)
{
	if (run->io.write && run->io.port == RUN_GUEST_CONSOLE)
		console(s, (char)run->io.data);
	if (run->io.write && run->io.port == RUN_GUEST_POWER_OFF) {
		s->outcome = VERB_OK;
		return 1;
	}
	if (!run->io.write)
		run->io.data = ~0u;
	return 0;
}

static int io(struct run_session *s, struct tdx_run *run)
{
	if (run->io.write)
		run_ports_out(&s->ports, run->io.port, run->io.size, run->io.data);
	else
		run->io.data = run_ports_in(&s->ports, run->io.port, run->io.size);
	if (s->ports.outcome < 0)
		return 0;
	s->outcome = s->ports.outcome;
	return 1;
}

static void mmio(struct run_session *s, struct tdx_run *run)
{
	if (s->o.native)
		run->mmio.data = ~0ull;
	else if (run->mmio.write)
		run_ports_mmio_write(&s->ports, run->mmio.gpa.v, run->mmio.size, run->mmio.data);
	else
		run->mmio.data = run_ports_mmio_read(&s->ports, run->mmio.gpa.v, run->mmio.size);
}

/* The message has its bytes in registers, in GHCI's order. */
static void fatal_error(struct run_session *s, const uint64_t regs[16])
{
	static const uint8_t order[] = {14, 15, 3, 7, 6, 8, 9, 2};
	char line[128], text[sizeof(order) * 8 + 1] = "";

	for (unsigned i = 0; i < sizeof(order); i++)
		memcpy(text + 8 * i, &regs[order[i]], 8);
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '.';
	snprintf(line, sizeof(line), "the guest reports a fatal error: %s", text);
	run_log(s, line);
}

static void quote(struct run_session *s, struct tdx_run *run)
{
	char line[128];
	int rc = run_quote(s, run);

	if (!rc)
		return;
	snprintf(line, sizeof(line), "no quote for the guest: %s", strerror(-rc));
	run_log_again(s, &s->quotes_refused, line);
}

/* An access of a kind the page is not of converts it, which takes memory that is there. */
static int memory_fault(struct run_session *s, const struct tdx_run *run)
{
	uint64_t at = run->memory_fault.gpa.v;
	char what[96];
	int err = tdx_vm_set_private(s->vm, run->memory_fault.gpa, run->memory_fault.size,
				     run->memory_fault.private_);

	if (!err || err == -EAGAIN) /* it comes again */
		return 0;
	snprintf(what, sizeof(what), "the guest's access to %s memory at GPA 0x%llx",
		 run->memory_fault.private_ ? "private" : "shared", (unsigned long long)at);
	if (err == -EINVAL)
		run_complain(s, what, "it has no memory there");
	else
		run_vm_complain(s, what, err);
	s->outcome = VERB_DIFFERENCE;
	return 1;
}

/* The user's part of an exit: 0 go on, 1 this vCPU is done. */
static int handle(struct run_session *s, struct tdx_run *run)
{
	switch (run->exit) {
	case TDX_EXIT_IO:
		return s->o.native ? native_io(s, run) : io(s, run);
	case TDX_EXIT_MMIO:
		mmio(s, run);
		return 0;
	case TDX_EXIT_INTR:
		return s->outcome >= 0;
	case TDX_EXIT_HLT:
		return 1;
	case TDX_EXIT_MAP_GPA:
		run_hostile_map_gpa(&s->hostile, &run->map_gpa);
		return 0;
	case TDX_EXIT_TDVMCALL:
	case TDX_EXIT_HYPERCALL:
		return 0;
	case TDX_EXIT_GET_QUOTE:
		quote(s, run);
		return 0;
	case TDX_EXIT_SYSTEM_EVENT:
		fatal_error(s, run->system_event.data);
		break;
	case TDX_EXIT_MEMORY_FAULT:
		return memory_fault(s, run);
	case TDX_EXIT_SHUTDOWN:
		if (!s->engine) /* the other engine has said more */
			run_log(s, "triple fault");
		/* Linux without EFI restarts through real mode, into which no TD comes. */
		if (!s->o.native && run_ports_restarting(&s->ports))
			run_log(s, "the guest was restarting: a reset");
		break;
	case TDX_EXIT_DEBUG: /* gdb's, when there is one */
	case TDX_EXIT_FAIL_ENTRY:
	case TDX_EXIT_INTERNAL_ERROR:
		run_vm_complain(s, "running the TD", EIO);
		break;
	}
	s->outcome = VERB_DIFFERENCE;
	return 1;
}

static void end_all(struct run_session *s)
{
	for (unsigned i = 0; s->outcome >= 0 && i < s->o.vcpus; i++)
		tdx_vcpu_kick(s->vcpu[i]);
}

void run_finish(struct run_session *s, int status, const char *why)
{
	int running = -1;

	if (!atomic_compare_exchange_strong(&s->outcome, &running, status))
		return;
	run_log(s, why);
	pthread_mutex_lock(&s->end_lock);
	if (s->entered) {
		end_all(s);
		if (s->gdb)
			gdb_ending(s->gdb);
	}
	pthread_mutex_unlock(&s->end_lock);
}

static void set_entered(struct run_session *s, bool entered)
{
	pthread_mutex_lock(&s->end_lock);
	s->entered = entered;
	/* It may have been ended before there was anything to tell. */
	if (entered && s->outcome >= 0 && s->gdb)
		gdb_ending(s->gdb);
	pthread_mutex_unlock(&s->end_lock);
	run_attend_wake(s);
}

static bool stuck(const struct run_session *s, uint64_t insns, uint64_t naps)
{
	return insns > s->o.vcpus * STUCK_INSTRUCTIONS ||
	       (naps > s->o.vcpus * STUCK_NAPS && insns / naps < INSTRUCTIONS_OF_NAPS);
}

/* Firmware that misses a device it cannot do without loops for ever, without a word: ended when it
 * has asked for nothing for so long. */
static void watch(struct run_session *s)
{
	struct timespec pause = {0, LOOK_NS};
	uint64_t exits = 0, insns = 0, naps = 0;

	while (!s->done[0]) {
		uint64_t insns_now = tdx_x86_engine_instructions(s->engine);
		uint64_t naps_now = tdx_x86_engine_naps(s->engine);

		if (exits != s->exits) {
			insns = insns_now;
			naps = naps_now;
		} else if (s->ports.nunknown && s->outcome < 0 &&
			   stuck(s, insns_now - insns, naps_now - naps)) {
			run_log(s, "the firmware has stopped asking for anything: a device "
				   "named above is missing");
			s->outcome = VERB_DIFFERENCE;
			end_all(s);
		}
		exits = s->exits;
		nanosleep(&pause, NULL);
	}
}

struct runner {
	struct run_session *s;
	unsigned id;
};

static void kill_td(void *arg)
{
	struct run_session *s = arg;

	run_log(s, "gdb ends the TD");
	s->outcome = VERB_DIFFERENCE;
	end_all(s);
}

/* One turn in the guest, gdb permitting: 0 go on, 1 this vCPU is done. */
static int turn(struct run_session *s, unsigned id, struct tdx_run *run, int *err)
{
	if (s->gdb)
		gdb_before_run(s->gdb, id);
	if (s->outcome >= 0)
		return 1;
	*err = tdx_vcpu_run(s->vcpu[id], -1, run);
	if (*err)
		return 1;
	if (s->gdb && run->exit == TDX_EXIT_DEBUG) {
		gdb_stopped(s->gdb, id, gdb_td_event(run));
		return 0;
	}
	return handle(s, run);
}

static void *run_vcpu(void *arg)
{
	struct runner *r = arg;
	struct tdx_run run;
	int err = 0;

	while (!turn(r->s, r->id, &run, &err))
		r->s->exits += r->id == 0;
	if (err) {
		run_vm_complain(r->s, "running the TD", err);
		r->s->outcome = VERB_DIFFERENCE;
	}
	/* When one vCPU ends the TD, the others have to be told. */
	end_all(r->s);
	r->s->done[r->id] = true;
	if (r->s->gdb)
		gdb_gone(r->s->gdb, r->id);
	return NULL;
}

/* From here on the guest's code may be what it likes. */
static void give_up(struct run_session *s)
{
	struct sandbox got = sandbox_enter(s->o.sandbox);
	char line[256];

	run_attend_restrict(s);
	if (sandbox_lacks(&got, s->o.sandbox, line, sizeof(line)) && !s->o.quiet)
		run_log(s, line);
}

int run_vcpus(struct run_session *s)
{
	struct runner r[RUN_MAX_VCPUS];
	unsigned n;

	const double began = run_seconds(s);

	run_stage(s, "entering the TD");
	if (s->o.gdb) {
		struct gdb_config cfg = {.target = &gdb_td_ops,
					 .target_arg = &s->gdb_td,
					 .nvcpus = s->o.vcpus,
					 .log = run_log,
					 .kill = kill_td,
					 .arg = s};
		char err[128];

		gdb_td_init(&s->gdb_td, s->vm, s->vcpu);
		s->gdb = gdb_open(&cfg, s->o.gdb, err, sizeof(err));
		if (!s->gdb)
			return run_complain(s, s->o.gdb, err);
	}
	if (!s->o.native) {
		run_quote_open(s);
		give_up(s);
	}
	if (s->gdb && !gdb_start(s->gdb)) {
		gdb_close(s->gdb, VERB_ENVIRONMENT);
		s->gdb = NULL;
		return run_complain(s, s->o.gdb, "there is no thread to serve it");
	}
	for (unsigned i = 0; i < s->consoles; i++)
		run_serial_wait(&s->console[i]);
	set_entered(s, true);
	for (n = 0; n < s->o.vcpus; n++) {
		r[n] = (struct runner){s, n};
		if (pthread_create(&s->thread[n], NULL, run_vcpu, &r[n])) {
			run_finish(s, VERB_ENVIRONMENT, "there is no thread for a vCPU");
			s->done[0] = s->done[0] || n == 0;
			break;
		}
	}
	if (!s->o.kernel && !s->o.native && !s->gdb)
		watch(s);
	for (unsigned i = 0; i < n; i++)
		pthread_join(s->thread[i], NULL);
	set_entered(s, false);
	s->running = run_seconds(s) - began;
	if (s->gdb)
		gdb_close(s->gdb, s->outcome < 0 ? VERB_OK : s->outcome);
	run_quote_close(s);
	tdx_model_pages(s->model, s->peak);
	tdx_vmm_memory(s->vmm, &s->running_memory);
	return s->outcome < 0 ? VERB_OK : s->outcome;
}
