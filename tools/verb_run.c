/* SPDX-License-Identifier: MIT */
/* swtdx run: a TD from a firmware image, from the first SEAMCALL to the last page back. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include <swtdx/attest.h>
#include <swtdx/boot.h>
#include <swtdx/model.h>
#include <swtdx/vmm.h>
#include <swtdx/x86.h>

#include "port/model.h"
#include "tools/boot_files.h"
#include "tools/file.h"
#include "tools/gdb/gdb.h"
#include "tools/hex.h"
#include "tools/options.h"
#include "tools/run_guest.h"
#include "tools/run_ports.h"
#include "tools/run_quote.h"
#include "tools/verbs.h"
#include "trace/trace.h"

enum { MAX_REPORTS = 16, DEFAULT_MEMORY_MIB = 512, MAX_VCPUS = 64, LOOK_NS = 100000000 };

/* Of each vCPU; OVMF's longest stretch without an exit, its decompression, takes 450 million. */
#define STUCK_INSTRUCTIONS 1000000000ull

struct options {
	const char *image, *kernel, *initrd, *append, *trace, *report, *gdb;
	uint64_t memory;
	unsigned vcpus, cpus, packages;
	enum tdvf_order order;
	bool huge, debug, quiet, json, native;
	uint64_t seed;
};

struct session {
	struct options o;
	uint8_t *image;
	size_t image_size;
	struct tdvf tdvf;
	struct tdx_model *model;
	struct trace *trace;
	struct tdx_vmm *vmm;
	struct tdx_vm *vm;
	struct tdx_vcpu *vcpu[MAX_VCPUS];
	struct gdb *gdb;
	pthread_t thread[MAX_VCPUS];
	struct run_guest guest;
	struct run_ports ports;
	struct engine *engine; /* the x86 one */
	double running;	       /* seconds in the TD */
	struct tdx_digest mrtd, rtmr[TDX_RTMRS];
	uint64_t peak[16], end[16], end_sum;
	char line[256]; /* of the guest's console */
	size_t nline;
	_Atomic uint64_t exits; /* of vCPU 0, handled so far */
	_Atomic bool done[MAX_VCPUS];
	_Atomic int outcome; /* -1 running, else exit status */
	const char *last_what;
	struct timespec start;
};

static void end_stages(struct session *s)
{
	if (s->last_what)
		fputc('\n', stderr);
	s->last_what = NULL;
}

/* A message begins a line of its own: progress may be in the middle of one. */
static int complain(struct session *s, const char *what, const char *why)
{
	end_stages(s);
	fprintf(stderr, "swtdx run: %s: %s\n", what, why);
	return VERB_ENVIRONMENT;
}

static double seconds(const struct session *s)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)(t.tv_sec - s->start.tv_sec) + (double)(t.tv_nsec - s->start.tv_nsec) / 1e9;
}

static void progress(void *arg, const char *what, uint64_t done, uint64_t all)
{
	struct session *s = arg;

	if (s->o.quiet || (s->last_what == what && !isatty(2)))
		return;
	if (s->last_what != what)
		fprintf(stderr, "%s[%7.3f] %s", s->last_what ? "\n" : "", seconds(s), what);
	else
		fprintf(stderr, "\r[%7.3f] %s %3" PRIu64 " %%", seconds(s), what, all ? done * 100 / all : 0);
	s->last_what = what;
}

static void stage(struct session *s, const char *what)
{
	if (s->o.quiet)
		return;
	fprintf(stderr, "%s[%7.3f] %s", s->last_what ? "\n" : "", seconds(s), what);
	s->last_what = what;
}

static void log_line(void *arg, const char *line)
{
	struct session *s = arg;

	end_stages(s);
	fprintf(stderr, "swtdx run: %s\n", line);
}

/* --- the machine and the TD --- */

static int power_on(struct session *s)
{
	static const struct tdx_port *cpus[256];
	struct tdx_memory_range map[TDX_MAX_CMRS];
	struct tdx_host_range memory[TDX_MAX_CMRS];
	struct tdx_vmm_config cfg = {.cpus = cpus, .memory = memory, .progress = progress,
				     .log = log_line, .arg = s};
	char err[256];

	stage(s, "powering on a simulated machine");
	s->model = tdx_model_new(s->o.memory + (2ull << 30), s->o.cpus, s->o.packages, s->o.seed, err,
				 sizeof(err));
	if (!s->model)
		return complain(s, "the machine", err);
	if (s->o.trace) {
		struct trace_options opt = {0};
		int e;

		s->trace = trace_open(s->o.trace, s->model->mod, &opt, &e);
		if (!s->trace)
			return complain(s, s->o.trace, strerror(-e));
	}
	tdx_model_time_calls(s->model);
	if (tdx_model_watch(s->model, MAX_REPORTS))
		return complain(s, "the machine", strerror(ENOMEM));
	cfg.ncpus = tdx_model_cpus(s->model);
	for (unsigned i = 0; i < cfg.ncpus; i++)
		cpus[i] = tdx_model_port(s->model, i);
	cfg.nranges = tdx_model_memory(s->model, map, TDX_MAX_CMRS);
	for (unsigned i = 0; i < cfg.nranges; i++)
		memory[i] = (struct tdx_host_range){map[i].base, map[i].size};
	stage(s, "bringing the module up");
	if (tdx_vmm_new(&cfg, &s->vmm, err, sizeof(err)))
		return complain(s, "the host", err);
	return VERB_OK;
}

static int vm_complain(struct session *s, const char *what, int err)
{
	struct tdx_vm_error e;

	end_stages(s);
	tdx_vm_error(s->vm, &e);
	return complain(s, what, tdx_is_error(e.status) ? e.text : strerror(-err));
}

static int build(struct session *s)
{
	const struct tdx_host_info *info = tdx_vmm_info(s->vmm);
	struct tdx_vm_params p = {
		.attributes = TDX_ATTR_SEPT_VE_DISABLE | (s->o.debug ? TDX_ATTR_DEBUG : 0),
		/* The interpreter knows x87 and SSE. */
		.xfam = info->xfam_fixed1 | (s->o.native ? 0xe7 : 0x3),
		.max_vcpus = s->o.vcpus,
		.huge_pages = s->o.huge,
		.irqchip = !s->o.native,
		.rbp_mod = !s->o.kernel && !s->o.native,
	};
	gpa_t hob;
	int err;

	p.xfam &= info->xfam_fixed0;
	stage(s, "creating the TD");
	err = tdx_vm_new(s->vmm, &s->vm);
	if (err)
		return complain(s, "the TD", strerror(-err));
	err = tdx_vm_init(s->vm, &p);
	for (unsigned i = 0; i < s->o.vcpus && !err; i++)
		err = tdx_vcpu_new(s->vm, i, &s->vcpu[i]);
	if (!err)
		err = tdx_vm_load_tdvf(s->vm, s->image, s->image_size, &s->tdvf, s->o.order,
				       s->o.memory, &hob, progress, s);
	for (unsigned i = 0; i < s->o.vcpus && !err; i++)
		err = tdx_vcpu_init(s->vcpu[i], hob.v);
	if (!err) {
		stage(s, "finalizing");
		err = tdx_vm_finalize(s->vm);
	}
	return err ? vm_complain(s, "building the TD", err) : VERB_OK;
}

/* --- running --- */

static void console(struct session *s, char c)
{
	if (c != '\n' && s->nline < sizeof(s->line) - 1) {
		s->line[s->nline++] = c;
		return;
	}
	s->line[s->nline] = '\0';
	end_stages(s);
	fprintf(s->o.json ? stderr : stdout, "guest: %s\n", s->line);
	s->nline = 0;
}

static int native_io(struct session *s, struct tdx_run *run)
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

static int io(struct session *s, struct tdx_run *run)
{
	end_stages(s);
	if (run->io.write)
		run_ports_out(&s->ports, run->io.port, run->io.size, run->io.data);
	else
		run->io.data = run_ports_in(&s->ports, run->io.port, run->io.size);
	if (s->ports.outcome < 0)
		return 0;
	s->outcome = s->ports.outcome;
	return 1;
}

/* The message has its bytes in registers, in GHCI's order. */
static void fatal_error(struct session *s, const uint64_t regs[16])
{
	static const uint8_t order[] = {14, 15, 3, 7, 6, 8, 9, 2};
	char line[128], text[sizeof(order) * 8 + 1] = "";

	for (unsigned i = 0; i < sizeof(order); i++)
		memcpy(text + 8 * i, &regs[order[i]], 8);
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '.';
	snprintf(line, sizeof(line), "the guest reports a fatal error: %s", text);
	log_line(s, line);
}

static void quote(struct session *s, struct tdx_run *run)
{
	char line[128];
	int rc = run_quote(s->vm, run);

	if (!rc)
		return;
	snprintf(line, sizeof(line), "no quote for the guest: %s", strerror(-rc));
	log_line(s, line);
}

/* The user's part of an exit: 0 go on, 1 this vCPU is done. */
static int handle(struct session *s, struct tdx_run *run)
{
	switch (run->exit) {
	case TDX_EXIT_IO:
		return s->o.native ? native_io(s, run) : io(s, run);
	case TDX_EXIT_MMIO:
		if (!run->mmio.write)
			run->mmio.data = ~0ull;
		return 0;
	case TDX_EXIT_INTR:
		return s->outcome >= 0;
	case TDX_EXIT_HLT:
		return 1;
	case TDX_EXIT_MAP_GPA:
	case TDX_EXIT_TDVMCALL:
		return 0;
	case TDX_EXIT_GET_QUOTE:
		quote(s, run);
		return 0;
	case TDX_EXIT_SYSTEM_EVENT:
		fatal_error(s, run->system_event.data);
		break;
	case TDX_EXIT_MEMORY_FAULT:
		tdx_vm_set_private(s->vm, run->memory_fault.gpa, run->memory_fault.size,
				   run->memory_fault.private_);
		return 0;
	case TDX_EXIT_SHUTDOWN:
		log_line(s, "triple fault");
		break;
	case TDX_EXIT_DEBUG: /* gdb's, when there is one */
	case TDX_EXIT_FAIL_ENTRY:
	case TDX_EXIT_INTERNAL_ERROR:
		vm_complain(s, "running the TD", EIO);
		break;
	}
	s->outcome = VERB_DIFFERENCE;
	return 1;
}

static void end_all(struct session *s)
{
	for (unsigned i = 0; s->outcome >= 0 && i < s->o.vcpus; i++)
		tdx_vcpu_kick(s->vcpu[i]);
}

/* Firmware that misses a device it cannot do without loops for ever, without a word: ended when it
 * has asked for nothing in so many instructions. */
static void watch(struct session *s)
{
	struct timespec pause = {0, LOOK_NS};
	uint64_t exits = 0, since = 0;

	while (!s->done[0]) {
		uint64_t now = x86_engine_instructions(s->engine);

		if (exits != s->exits)
			since = now;
		else if (s->ports.nunknown && s->outcome < 0 && now - since > s->o.vcpus * STUCK_INSTRUCTIONS) {
			log_line(s, "the firmware has stopped asking for anything: a device named above "
				    "is missing");
			s->outcome = VERB_DIFFERENCE;
			end_all(s);
		}
		exits = s->exits;
		nanosleep(&pause, NULL);
	}
}

struct runner {
	struct session *s;
	unsigned id;
};

static void kill_td(void *arg)
{
	struct session *s = arg;

	log_line(s, "gdb ends the TD");
	s->outcome = VERB_DIFFERENCE;
	end_all(s);
}

/* One turn in the guest, gdb permitting: 0 go on, 1 this vCPU is done. */
static int turn(struct session *s, unsigned id, struct tdx_run *run, int *err)
{
	if (s->gdb)
		gdb_before_run(s->gdb, id);
	if (s->outcome >= 0)
		return 1;
	*err = tdx_vcpu_run(s->vcpu[id], -1, run);
	if (*err)
		return 1;
	if (s->gdb && run->exit == TDX_EXIT_DEBUG) {
		gdb_debug_exit(s->gdb, id, run);
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
		vm_complain(r->s, "running the TD", err);
		r->s->outcome = VERB_DIFFERENCE;
	}
	/* When one vCPU ends the TD, the others have to be told. */
	end_all(r->s);
	r->s->done[r->id] = true;
	if (r->s->gdb)
		gdb_gone(r->s->gdb, r->id);
	return NULL;
}

static int run(struct session *s)
{
	struct runner r[MAX_VCPUS];

	const double began = seconds(s);

	stage(s, "entering the TD");
	s->outcome = -1;
	if (s->o.gdb) {
		struct gdb_config cfg = {.vm = s->vm, .vcpu = s->vcpu, .nvcpus = s->o.vcpus,
					 .log = log_line, .kill = kill_td, .arg = s};
		char err[128];

		s->gdb = gdb_open(&cfg, s->o.gdb, err, sizeof(err));
		if (!s->gdb)
			return complain(s, s->o.gdb, err);
	}
	for (unsigned i = 0; i < s->o.vcpus; i++) {
		r[i] = (struct runner){s, i};
		pthread_create(&s->thread[i], NULL, run_vcpu, &r[i]);
	}
	if (!s->o.kernel && !s->o.native && !s->gdb)
		watch(s);
	for (unsigned i = 0; i < s->o.vcpus; i++)
		pthread_join(s->thread[i], NULL);
	s->running = seconds(s) - began;
	if (s->gdb)
		gdb_close(s->gdb, s->outcome < 0 ? VERB_OK : s->outcome);
	tdx_model_pages(s->model, s->peak);
	return s->outcome < 0 ? VERB_OK : s->outcome;
}

/* --- the summary --- */

static void read_measurements(struct session *s)
{
	const struct tdx_report *r = (const struct tdx_report *)(const void *)s->guest.report;

	if (!s->guest.has_report)
		return;
	s->mrtd = r->td_info.mrtd;
	memcpy(s->rtmr, r->td_info.rtmr, sizeof(s->rtmr));
}

/* The TDREPORT that was asked for. */
static int write_report(struct session *s)
{
	int err;

	if (!s->o.report)
		return VERB_OK;
	if (!s->guest.has_report)
		return complain(s, s->o.report, "the guest has taken no report");
	err = file_write(s->o.report, s->guest.report, sizeof(s->guest.report));
	return err ? complain(s, s->o.report, strerror(-err)) : VERB_OK;
}

static const enum tdx_page_type page_types[] = {TDX_PT_TDR, TDX_PT_TDCX, TDX_PT_TDVPR, TDX_PT_EPT,
						TDX_PT_REG};
enum { PAGE_TYPES = sizeof(page_types) / sizeof(page_types[0]) };

static void print_pages(const char *when, const uint64_t *count)
{
	printf("pages %-9s", when);
	for (unsigned i = 0; i < PAGE_TYPES; i++)
		printf(" %s %" PRIu64, tdx_page_type_name(page_types[i]), count[page_types[i]]);
	putchar('\n');
}

static json_t *pages_json(const uint64_t *count)
{
	json_t *pages = json_object();

	for (unsigned i = 0; i < PAGE_TYPES; i++)
		json_object_set_new(pages, tdx_page_type_name(page_types[i]),
				    json_integer((json_int_t)count[page_types[i]]));
	return pages;
}

/* What the host forgot, by the coherency sanitizer. How many things. */
static unsigned tell_coherency(struct session *s)
{
	unsigned n = tdx_model_coherency(s->model, 0, NULL, 0);
	char text[512];

	for (unsigned i = 0; i < n && i < MAX_REPORTS; i++) {
		tdx_model_coherency(s->model, i, text, sizeof(text));
		log_line(s, text);
	}
	return n;
}

static json_t *coherency_json(struct session *s)
{
	json_t *reports = json_array();
	char text[512];

	for (unsigned i = 0; i < tdx_model_coherency(s->model, i, text, sizeof(text)) && text[0]; i++)
		json_array_append_new(reports, json_string(text));
	return reports;
}

static void print_summary(struct session *s, const struct tdx_vmm_memory *m, uint64_t stale)
{
	struct tdx_model_stats st;
	char text[2 * TDX_SHA384_SIZE + 1];

	tdx_model_stats(s->model, &st);
	puts("\nleaf                       calls   errors    total ms   mean ns");
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		if (st.calls[i])
			printf("%-24s %7" PRIu64 "  %7" PRIu64 "  %10.3f  %8" PRIu64 "\n",
			       tdx_seamcall_leaf(i)->name, st.calls[i], st.errors[i],
			       (double)st.ns[i] / 1e6, st.ns[i] / st.calls[i]);
	putchar('\n');
	if (s->guest.has_report) {
		hex_text(text, s->mrtd.b, TDX_SHA384_SIZE);
		printf("MRTD   %s\n", text);
		for (unsigned i = 0; i < TDX_RTMRS; i++) {
			hex_text(text, s->rtmr[i].b, TDX_SHA384_SIZE);
			printf("RTMR%u  %s\n", i, text);
		}
	}
	print_pages("running", s->peak);
	print_pages("at end", s->end);
	printf("owned by the module at the end: %" PRIu64 " pages; dirty lines under a freed KeyID: %" PRIu64
	       "; quarantined: %" PRIu64 " pages\n",
	       s->end_sum, stale, m->quarantined_pages);
	printf("cache duties that the host forgot: %u\n", tdx_model_coherency(s->model, 0, NULL, 0));
	if (s->engine)
		printf("guest: %" PRIu64 " instructions in %.3f s\n", x86_engine_instructions(s->engine),
		       s->running);
	printf("time %.3f s; everything above is simulated\n", seconds(s));
}

static void put_measurements(json_t *root, const struct session *s)
{
	char text[2 * TDX_SHA384_SIZE + 1];
	json_t *rtmrs = json_array();

	for (unsigned i = 0; i < TDX_RTMRS; i++) {
		hex_text(text, s->rtmr[i].b, TDX_SHA384_SIZE);
		json_array_append_new(rtmrs, json_string(text));
	}
	hex_text(text, s->mrtd.b, TDX_SHA384_SIZE);
	json_object_set_new(root, "mrtd", json_string(text));
	json_object_set_new(root, "rtmr", rtmrs);
}

static void print_json(struct session *s, const struct tdx_vmm_memory *m, uint64_t stale)
{
	struct tdx_model_stats st;
	json_t *calls = json_object(), *root;

	tdx_model_stats(s->model, &st);
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		if (st.calls[i])
			json_object_set_new(calls, tdx_seamcall_leaf(i)->name,
					    json_pack("{s:I,s:I,s:I}", "calls",
						      (json_int_t)st.calls[i], "errors",
						      (json_int_t)st.errors[i], "ns",
						      (json_int_t)st.ns[i]));
	root = json_pack("{s:s,s:b,s:o,s:o,s:o,s:I,s:I,s:I,s:f}", "schema", "swtdx.run/1", "simulated",
			 1, "calls", calls, "pages_running", pages_json(s->peak), "pages_at_end",
			 pages_json(s->end), "pages_owned_at_end", (json_int_t)s->end_sum, "stale_lines",
			 (json_int_t)stale, "quarantined_pages", (json_int_t)m->quarantined_pages,
			 "seconds", seconds(s));
	if (s->guest.has_report)
		put_measurements(root, s);
	json_object_set_new(root, "coherency", coherency_json(s));
	if (s->engine)
		json_object_set_new(root, "guest",
				    json_pack("{s:I,s:f}", "instructions",
					      (json_int_t)x86_engine_instructions(s->engine), "seconds",
					      s->running));
	json_dumpf(root, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(root);
}

static int tear_down(struct session *s, int status)
{
	struct tdx_vmm_memory m = {0};
	uint64_t stale;

	if (s->vm) {
		stage(s, "tearing down");
		tdx_vm_destroy(s->vm);
	}
	end_stages(s);
	if (!s->vmm)
		return status;
	s->end_sum = tdx_model_pages(s->model, s->end);
	stale = tdx_model_stale_lines(s->model);
	tdx_vmm_memory(s->vmm, &m);
	read_measurements(s);
	if (status == VERB_OK)
		status = write_report(s);
	if (s->o.json)
		print_json(s, &m, stale);
	else
		print_summary(s, &m, stale);
	if (tell_coherency(s) && status == VERB_OK)
		status = VERB_DIFFERENCE;
	if (status == VERB_OK && (s->end_sum || stale || m.quarantined_pages || m.used_pages)) {
		fprintf(stderr, "swtdx run: not everything came back\n");
		status = VERB_DIFFERENCE;
	}
	return status;
}

static int go(struct session *s)
{
	int status;

	clock_gettime(CLOCK_MONOTONIC, &s->start);
	status = power_on(s);
	if (status == VERB_OK)
		status = build(s);
	if (status == VERB_OK) {
		s->guest.accept_base = 64ull << 20;
		s->guest.accept_size = 4ull << 20;
		if (s->o.native) {
			tdx_model_set_engine(s->model, native_engine_new(run_guest, &s->guest));
		} else {
			tdx_model_set_real_time(s->model);
			s->engine = x86_engine_new(log_line, s);
			tdx_model_set_engine(s->model, s->engine);
		}
		run_ports_open(&s->ports, s->o.json ? stderr : stdout);
		s->ports.memory = s->o.memory;
		s->ports.report = s->o.kernel ? NULL : log_line;
		s->ports.arg = s;
		status = run(s);
		run_ports_close(&s->ports);
	}
	status = tear_down(s, status);
	tdx_vmm_free(s->vmm);
	if (s->trace) {
		int e = trace_close(s->trace);

		if (e)
			status = complain(s, s->o.trace, strerror(-e));
	}
	tdx_model_free(s->model);
	free(s->image);
	return status;
}

/* Reads or composes the image and runs it. */
static int load_and_go(struct session *s)
{
	char text[TDVF_ERROR_TEXT];
	struct tdvf_error terr;
	int status;

	if (s->o.kernel) {
		struct boot_files files = {s->o.kernel, s->o.initrd, s->o.append};

		status = boot_files_compose("swtdx run", &files, &s->image, &s->image_size);
	} else {
		int err = file_read(s->o.image, TDVF_MAX_IMAGE, &s->image, &s->image_size);

		status = err ? complain(s, s->o.image, strerror(-err)) : VERB_OK;
	}
	if (status == VERB_OK && tdvf_parse(s->image, s->image_size, &s->tdvf, &terr)) {
		fprintf(stderr, "swtdx run: %s: %s\n", s->o.image,
			tdvf_error_text(&terr, text, sizeof(text)));
		free(s->image);
		return VERB_DIFFERENCE;
	}
	return status == VERB_OK ? go(s) : status;
}

int verb_run(int argc, char **argv)
{
	struct options o = {0};
	uint64_t mib = DEFAULT_MEMORY_MIB, vcpus = 1, cpus = 2, packages = 1;
	unsigned engine = 0, order = 0;
	const struct verb_option options[] = {
		OPTION_NUMBER("memory", "MIB", &mib, 128, 1u << 20, "memory of the TD (512)"),
		OPTION_NUMBER("vcpus", "N", &vcpus, 1, MAX_VCPUS, "vCPUs of the TD (1)"),
		OPTION_NUMBER("cpus", "N", &cpus, 1, 64, "logical processors of the machine (2)"),
		OPTION_NUMBER("packages", "N", &packages, 1, 8, "packages of the machine (1)"),
		OPTION_TEXT("kernel", "FILE", &o.kernel,
			    "boot this Linux kernel (bzImage or vmlinux), measured, by a firmware of our "
			    "own in place of IMAGE"),
		OPTION_TEXT("initrd", "FILE", &o.initrd, "its initial file system"),
		OPTION_TEXT("append", "CMDLINE", &o.append, "its command line"),
		OPTION_CHOICE("engine", "x86|native", &engine,
			      "what runs the guest: x86, an interpreter (the default), or native, a C "
			      "function in place of its code"),
		OPTION_CHOICE("order", "page|section|all", &order,
			      "order of PAGE.ADD and MR.EXTEND (page), see swtdx measure"),
		OPTION_FLAG("huge-pages", &o.huge, "map 2M private pages where the guest accepts 2M"),
		OPTION_FLAG("debug", &o.debug, "a debug TD: ATTRIBUTES.DEBUG"),
		OPTION_TEXT("gdb", "[ADDRESS]:PORT", &o.gdb, "wait for gdb there and serve it"),
		OPTION_TEXT("trace", "FILE", &o.trace,
			    "record every call of the module, see swtdx replay"),
		OPTION_TEXT("report", "FILE", &o.report,
			    "with --engine native: its TDREPORT, for swtdx report and swtdx quote"),
		OPTION_NUMBER("seed", "N", &o.seed, 0, UINT64_MAX, "seed of the machine's entropy"),
		OPTION_FLAG("quiet", &o.quiet, "no progress"),
		OPTION_FLAG("json", &o.json, "the summary as JSON"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"run",
		"[OPTION]... IMAGE\n[OPTION]... --kernel FILE [--initrd FILE] [--append CMDLINE]",
		"Powers a simulated TDX machine on, brings its module up, builds a TD from the TDVF image, "
		"runs it, and tears everything down. All of it is simulated. The guest's serial port is on "
		"standard input and output; its exit status (0 when it switches off, 1 when it resets, else "
		"what it writes to port 0xf4) is that of the command.",
		NULL, options);
	struct session *s;
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (!o.kernel && (o.initrd || o.append))
		return options_wrong(&usage, "--initrd and --append go with --kernel");
	if (argc != (o.kernel ? 0 : 1))
		return options_wrong(&usage, o.kernel ? "an IMAGE and --kernel exclude each other"
						      : "one IMAGE is needed, or --kernel");
	if (o.report && engine != 1)
		return options_wrong(&usage, "--report goes with --engine native");
	if (o.gdb && !gdb_is_address(o.gdb))
		return options_wrong(&usage, "--gdb takes [ADDRESS]:PORT, not \"%s\"", o.gdb);
	if (packages > cpus)
		return options_wrong(&usage, "%u packages need as many processors: --cpus",
				     (unsigned)packages);
	o.memory = mib << 20;
	o.vcpus = (unsigned)vcpus;
	o.cpus = (unsigned)cpus;
	o.packages = (unsigned)packages;
	o.native = engine == 1;
	o.order = (enum tdvf_order)order;
	o.image = o.kernel ? o.kernel : argv[0];
	s = calloc(1, sizeof(*s));
	if (!s)
		return VERB_ENVIRONMENT;
	s->o = o;
	end = load_and_go(s);
	free(s);
	return end;
}
