/* SPDX-License-Identifier: MIT */
/* swtdx run: a TD from a firmware image, from the first SEAMCALL to the last page back. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <swtdx/native.h>
#include <swtdx/x86.h>

#include "arch/x86.h"
#include "port/model.h"
#include "tools/boot_files.h"
#include "tools/execution.h"
#include "tools/file.h"
#include "gdb/gdb.h"
#include "tools/option_fault.h"
#include "tools/options.h"
#include "tools/run.h"
#include "tools/run_machine.h"
#include "tools/verbs.h"
#include "trace/trace.h"

/* CPUID bit of five levels of page tables. */
#define LA57	    "7.0:ecx=0x10000"
#define HOST_MEMORY (2ull << 30) /* what the machine has besides the TD's */

enum { DEFAULT_MEMORY_MIB = 512, DEFAULT_TRACE_MIB = 1024 };

/* The machine that was asked for; NULL: err says why not. */
static struct tdx_model *new_machine(const struct run_session *s, char *err, size_t len)
{
	struct machine_config cfg;

	tdx_model_default(&cfg);
	cfg.lps = s->o.cpus;
	cfg.pkgs = s->o.packages;
	cfg.lazy_zero = true;
	cfg.fms = run_cpu_fms(s->o.cpu);
	cfg.partial_write_mce = s->o.erratum == RUN_PARTIAL_WRITE;
	if (s->o.seed)
		cfg.seed = s->o.seed;
	if (!s->o.memory_map)
		tdx_model_memory_of(&cfg, s->o.memory + HOST_MEMORY);
	else if (!run_memory_map(s->o.memory_map, &cfg, err, len))
		return NULL;
	return tdx_model_new_from(&cfg, err, len);
}

/* What executes the TD: without it an entered vCPU would stand still for ever. What a native guest
 * accepts goes with it. */
static int set_engine(struct run_session *s)
{
	struct tdx_engine *engine;

	s->guest.accept_base = 64ull << 20;
	s->guest.accept_size = 4ull << 20;
	if (s->o.native)
		engine = tdx_native_engine_new(run_guest, &s->guest);
	else
		engine = s->engine = tdx_x86_engine_new(run_log, s);
	if (!engine)
		return run_complain(s, "the processor", strerror(ENOMEM));
	if (s->engine && tdx_x86_engine_execute(engine, s->o.execution))
		run_log(s, "no memory may be made executable: interpreting");
	tdx_model_set_engine(s->model, engine);
	return VERB_OK;
}

static int power_on(struct run_session *s)
{
	const struct tdx_port *cpus[MACHINE_MAX_LPS];
	struct tdx_range map[TDX_MAX_CMRS];
	struct tdx_range memory[TDX_MAX_CMRS];
	struct tdx_vmm_config cfg = {
		.cpus = cpus,
		.memory = memory,
		.errata = s->o.erratum == RUN_PARTIAL_WRITE ? TDX_HOST_PARTIAL_WRITE_MCE : 0,
		.progress = run_progress,
		.log = run_log,
		.wall_clock = !s->o.native, /* a seed's run is the same each time */
		.arg = s};
	char err[256];

	run_stage(s, "powering on a simulated machine");
	s->model = new_machine(s, err, sizeof(err));
	if (!s->model)
		return run_complain(s, "the machine", err);
	/* Before trace and module, which have of the platform what the engine executes. */
	if (set_engine(s) != VERB_OK)
		return VERB_ENVIRONMENT;
	if (s->o.trace) {
		struct trace_options opt = {.max_bytes = s->o.trace_limit};
		int e;

		s->trace = trace_open(s->o.trace, s->model->sys->mod, &opt, &e);
		if (!s->trace)
			return run_complain(s, s->o.trace, strerror(-e));
		run_attend_trace(s);
	}
	tdx_model_time_calls(s->model);
	if (tdx_model_watch(s->model, RUN_MAX_REPORTS))
		return run_complain(s, "the machine", strerror(ENOMEM));
	run_hostile_arm(&s->hostile, s->model);
	cfg.dynamic_pamt = s->o.dynamic_pamt;
	cfg.ncpus = tdx_model_cpus(s->model);
	for (unsigned i = 0; i < cfg.ncpus; i++)
		cpus[i] = tdx_model_port(s->model, i);
	cfg.nranges = tdx_model_memory(s->model, map, TDX_MAX_CMRS);
	for (unsigned i = 0; i < cfg.nranges; i++)
		memory[i] = (struct tdx_range){map[i].base, map[i].size};
	run_stage(s, "bringing the module up");
	if (tdx_vmm_new(&cfg, &s->vmm, err, sizeof(err)))
		return run_complain(s, "the host", err);
	return VERB_OK;
}

/* What the TD's processors are, by what the module lets its creator choose. */
static int configure(struct run_session *s, struct tdx_vm_params *p)
{
	const struct tdx_host_info *info = tdx_vmm_info(s->vmm);
	struct tdx_vm_params user = {0};
	char err[200];
	const uint64_t vectors = XFAM_AVX | XFAM_AVX3;
	const uint64_t executed = s->engine ? tdx_x86_engine_xfam(s->engine) : vectors;
	uint64_t can = info->xfam_fixed0;

	if (s->o.xfam && ((s->o.xfam & ~can) || (~s->o.xfam & info->xfam_fixed1))) {
		snprintf(err, sizeof(err),
			 "0x%" PRIx64 ": the module takes bits of 0x%" PRIx64 ", with 0x%" PRIx64
			 " set",
			 s->o.xfam, can, info->xfam_fixed1);
		return run_complain(s, "--xfam", err);
	}
	if (s->o.xfam & vectors & ~executed) {
		snprintf(err, sizeof(err),
			 "0x%" PRIx64 ": of AVX and AVX-512 (0x%" PRIx64
			 ") this host executes 0x%" PRIx64,
			 s->o.xfam, vectors, executed);
		return run_complain(s, "--xfam", err);
	}
	if (s->o.xfam)
		p->xfam = s->o.xfam;
	p->xfam &= can;
	if (tdx_vm_topology(s->vmm, s->o.vcpus, s->o.dies, p))
		return run_complain(s, "--dies", "each must have the same power of two of vCPUs");
	if (s->o.caches && !run_caches(s->o.caches, p, err, sizeof(err)))
		return run_complain(s, "--caches", err);
	if (s->o.la57 && !run_cpuid_parse(LA57, p, err, sizeof(err)))
		return run_complain(s, "--la57", err);
	if (s->engine && p->xfam & XFAM_AVX)
		run_cpuid_offer(s->engine, info, p);
	if (!s->o.cpuid)
		return VERB_OK;
	/* Of its own first: the topology has bits that are not for anybody to choose. */
	if (!run_cpuid_parse(s->o.cpuid, &user, err, sizeof(err)) ||
	    !run_cpuid_check(info, &user, err, sizeof(err)) ||
	    !run_cpuid_parse(s->o.cpuid, p, err, sizeof(err)))
		return run_complain(s, "--cpuid", err);
	return VERB_OK;
}

/* The hypervisor's own leaves: Linux goes by an I/O APIC in x2APIC mode under one that it knows
 * only, and this one is KVM in shape. No paravirtual feature is offered. */
static int new_vcpu(struct run_session *s, unsigned id)
{
	static const struct tdx_vm_cpuid kvm[] = {
		{.leaf = 0x40000000,
		 .subleaf = ~0u,
		 .value = {.eax = 0x40000001, .ebx = 0x4b4d564b, .ecx = 0x564b4d56, .edx = 0x4d}},
		{.leaf = 0x40000001, .subleaf = ~0u},
	};
	int err = tdx_vcpu_new(s->vm, id, &s->vcpu[id]);

	return err ? err : tdx_vcpu_set_cpuid(s->vcpu[id], kvm, sizeof(kvm) / sizeof(kvm[0]));
}

/* The TD has all of it, or never will: its memory can serve the guest. */
static void drop_image(struct run_session *s)
{
	free(s->image);
	s->image = NULL;
}

static int build(struct run_session *s)
{
	const struct tdx_host_info *info = tdx_vmm_info(s->vmm);
	struct tdx_vm_params p = {
		.attributes = TDX_ATTR_SEPT_VE_DISABLE | (s->o.debug ? TDX_ATTR_DEBUG : 0),
		.xfam = info->xfam_fixed1 | 0x3 |
			(s->engine ? tdx_x86_engine_xfam(s->engine) : XFAM_AVX | XFAM_AVX3),
		.max_vcpus = s->o.vcpus,
		.huge_pages = s->o.huge,
		.num_l2_vms = s->o.l2_vms,
		.irqchip = !s->o.native,
		.kvm_hypercalls = !s->o.native,
		.gpaw52 = s->o.la57,
		.rbp_mod = !s->o.kernel && !s->o.native,
	};
	gpa_t hob;
	int err;

	if (configure(s, &p) != VERB_OK)
		return VERB_ENVIRONMENT;
	run_stage(s, "creating the TD");
	err = tdx_vm_new(s->vmm, &s->vm);
	if (err)
		return run_complain(s, "the TD", strerror(-err));
	err = tdx_vm_init(s->vm, &p);
	for (unsigned i = 0; i < s->o.vcpus && !err; i++)
		err = new_vcpu(s, i);
	if (!err)
		err = tdx_vm_load_tdvf(s->vm, s->image, s->image_size, &s->tdvf, s->o.order,
				       s->o.memory, &hob, run_progress, s);
	drop_image(s);
	for (unsigned i = 0; i < s->o.vcpus && !err; i++)
		err = tdx_vcpu_init(s->vcpu[i], hob.v);
	if (!err) {
		run_stage(s, "finalizing");
		err = tdx_vm_finalize(s->vm);
	}
	return err ? run_vm_complain(s, "building the TD", err) : VERB_OK;
}

/* The TDREPORT that was asked for. */
static int write_report(struct run_session *s)
{
	int err;

	if (!s->o.report)
		return VERB_OK;
	if (!s->guest.has_report)
		return run_complain(s, s->o.report, "the guest has taken no report");
	err = file_write(s->o.report, s->guest.report, sizeof(s->guest.report));
	return err ? run_complain(s, s->o.report, strerror(-err)) : VERB_OK;
}

/* What the host forgot, by the coherency sanitizer. How many things. */
static unsigned tell_coherency(struct run_session *s)
{
	unsigned n = tdx_model_coherency(s->model, 0, NULL, 0);
	char text[512];

	for (unsigned i = 0; i < n && i < RUN_MAX_REPORTS; i++) {
		tdx_model_coherency(s->model, i, text, sizeof(text));
		run_log(s, text);
	}
	return n;
}

/* Of what --engine check compared. */
static bool differences(struct run_session *s)
{
	char line[256];
	const char *first;
	uint64_t n, compared;

	if (s->o.execution != TDX_X86_EXECUTE_CHECK || !s->engine)
		return false;
	n = tdx_x86_engine_differences(s->engine, &compared, &first);
	snprintf(line, sizeof(line), "%llu of %llu executions of translated blocks differed%s%s",
		 (unsigned long long)n, (unsigned long long)compared, n ? ": " : "",
		 n ? first : "");
	run_log(s, line);
	return n;
}

static int tear_down(struct run_session *s, int status)
{
	struct tdx_vmm_memory m = {0};
	uint64_t stale;
	int err;

	if (s->vm) {
		run_stage(s, "tearing down");
		tdx_vm_destroy(s->vm);
	}
	run_end_stages(s);
	if (!s->vmm)
		return status;
	s->end_sum = tdx_model_pages(s->model, s->end);
	stale = tdx_model_stale_lines(s->model);
	tdx_vmm_memory(s->vmm, &m);
	if (status == VERB_OK)
		status = write_report(s);
	err = run_summary(s, &m, stale);
	if (err && status == VERB_OK)
		status = run_complain(s, s->o.summary ? s->o.summary : "standard output",
				      strerror(-err));
	if (differences(s) && status == VERB_OK)
		status = VERB_DIFFERENCE;
	if (tell_coherency(s) && status == VERB_OK)
		status = VERB_DIFFERENCE;
	if (status == VERB_OK && (s->end_sum || stale || m.quarantined_pages || m.used_pages)) {
		fprintf(stderr, "swtdx run: not everything came back\n");
		status = VERB_DIFFERENCE;
	}
	return status;
}

struct run_console *run_terminal(struct run_session *s)
{
	for (unsigned i = 0; i < s->consoles; i++)
		if (s->console[i].terminal)
			return &s->console[i];
	return NULL;
}

static bool is_ending(void *arg)
{
	return ((struct run_session *)arg)->outcome >= 0;
}

/* A console that nobody reads any more ends the run, as it would end a program that writes there.
 */
static void console_broken(void *arg, int err)
{
	struct run_session *s = arg;
	char line[128];

	snprintf(line, sizeof(line), "the guest's output cannot be written: %s: the TD ends",
		 strerror(err));
	run_finish(s, VERB_ENVIRONMENT, line);
}

bool run_output_is_taken(const struct run_session *s)
{
	return (s->o.json && !s->summary) || (s->o.trace && !strcmp(s->o.trace, "-"));
}

/* Files, sockets and pseudo-terminals are made while the process may, and before there is much to
 * be thrown away if they cannot. */
static int open_outputs(struct run_session *s)
{
	char line[512], name[256];

	if (!s->o.summary && s->o.trace && !strcmp(s->o.trace, "-"))
		s->summary = stderr;
	if (s->o.summary) {
		s->summary = file_open(s->o.summary);
		if (!s->summary)
			return run_complain(s, s->o.summary, strerror(errno));
	}
	for (unsigned i = 0; i < RUN_SERIALS && !s->o.native; i++) {
		const struct run_serial_config cfg = {.where = s->o.serial[i],
						      .out = run_output_is_taken(s) ? STDERR_FILENO
										    : STDOUT_FILENO,
						      .unfiltered = s->o.unfiltered,
						      .wake = s->attend.wake,
						      .ending = is_ending,
						      .broken = console_broken,
						      .arg = s};
		int err = run_serial_open(&s->console[i], &cfg, name, sizeof(name));

		s->consoles++;
		if (err)
			return run_complain(s, s->o.serial[i], strerror(-err));
		if (!*name)
			continue;
		snprintf(line, sizeof(line), "COM%u is %s; the TD waits until somebody takes it",
			 i + 1, name);
		run_log(s, line);
	}
	return VERB_OK;
}

static void close_outputs(struct run_session *s)
{
	for (unsigned i = 0; i < s->consoles; i++)
		run_serial_close(&s->console[i]);
}

static void guest_is_heard(void *arg)
{
	struct run_session *s = arg;

	if (!atomic_exchange(&s->heard, true))
		run_end_stages(s);
}

static void deliver_msi(void *arg, uint64_t address, uint32_t data)
{
	struct run_session *s = arg;

	/* What nobody takes is lost on the bus, as it is on a machine's. */
	(void)tdx_vm_msi(s->vm, address, data);
}

static bool shared_read(void *arg, uint64_t at, void *buf, size_t len)
{
	return tdx_vm_read_shared(((struct run_session *)arg)->vm, gpa(at), buf, len) == 0;
}

static bool shared_write(void *arg, uint64_t at, const void *buf, size_t len)
{
	return tdx_vm_write_shared(((struct run_session *)arg)->vm, gpa(at), buf, len) == 0;
}

static int run_td(struct run_session *s)
{
	struct run_console *terminal = run_terminal(s);
	int status;

	if (!s->o.native)
		run_attend_console(s);
	if (terminal)
		run_console_raw(terminal, true);
	status = run_vcpus(s);
	for (unsigned i = 0; i < s->consoles; i++)
		run_console_flush(&s->console[i]);
	if (terminal)
		run_console_raw(terminal, false);
	return status;
}

static int go(struct run_session *s)
{
	int status;

	clock_gettime(CLOCK_MONOTONIC, &s->start);
	pthread_mutex_init(&s->end_lock, NULL);
	atomic_store(&s->outcome, -1);
	s->ports.report = s->o.kernel ? NULL : run_log;
	s->ports.heard = guest_is_heard;
	s->ports.msi = deliver_msi;
	s->ports.shared_read = shared_read;
	s->ports.shared_write = shared_write;
	s->ports.arg = s;
	for (unsigned i = 0; i < s->drives.n; i++)
		s->ports.virtio_kind[i] = s->drives.kind[i];
	run_ports_open(&s->ports, s->console, s->o.memory);
	run_attend_start(s);
	signal(SIGPIPE, SIG_IGN);
	status = open_outputs(s);
	if (status == VERB_OK)
		status = power_on(s);
	if (status == VERB_OK)
		status = build(s);
	if (status == VERB_OK && s->outcome >= 0)
		status = s->outcome;
	/* A trace has what the guest reads of the clock, and not when it was built. */
	if (status == VERB_OK && s->outcome < 0 && s->engine)
		tdx_model_set_real_time(s->model);
	if (status == VERB_OK && s->outcome < 0)
		status = run_td(s);
	status = tear_down(s, status);
	tdx_vmm_free(s->vmm);
	run_attend_stop(s);
	if (s->trace) {
		bool full = trace_is_full(s->trace);
		int e = trace_close(s->trace);

		if (full)
			run_log(s, "the trace came to its limit (--trace-limit): the end of the "
				   "run is not in it");

		if (e)
			status = run_complain(s, s->o.trace, strerror(-e));
	}
	run_ports_close(&s->ports);
	close_outputs(s);
	pthread_mutex_destroy(&s->end_lock);
	tdx_model_free(s->model);
	drop_image(s);
	return status;
}

static int go_with_drives(struct run_session *s)
{
	int status = drives_open(&s->drives, "run", &s->o.disks, s->o.share, true);

	if (status == VERB_OK)
		status = go(s);
	else
		drop_image(s);
	drives_close(&s->drives);
	return status;
}

/* Reads or composes the image and runs it. */
static int load_and_go(struct run_session *s)
{
	char text[TDX_TDVF_ERROR_TEXT];
	struct tdx_tdvf_error terr;
	int status;

	if (s->o.kernel) {
		struct boot_files files = {.kernel = s->o.kernel,
					   .initrd = s->o.initrd,
					   .append = s->o.append,
					   .memory = s->o.memory,
					   .to_run = true};

		status = boot_files_compose("swtdx run", &files, &s->image, &s->image_size);
	} else {
		int err = file_read(s->o.image, TDX_TDVF_MAX_IMAGE, &s->image, &s->image_size);

		status = err ? run_complain(s, s->o.image, strerror(-err)) : VERB_OK;
	}
	if (status == VERB_OK && tdx_tdvf_parse(s->image, s->image_size, &s->tdvf, &terr)) {
		fprintf(stderr, "swtdx run: %s: %s\n", s->o.image,
			tdx_tdvf_error_text(&terr, text, sizeof(text)));
		drop_image(s);
		return VERB_DIFFERENCE;
	}
	return status == VERB_OK ? go_with_drives(s) : status;
}

/* Behind those of EXECUTION_WORDS. */
enum { ENGINE_NATIVE = 3 };

int verb_run(int argc, char **argv)
{
	struct run_options o = {.serial = {"stdio", "none"}};
	uint64_t mib = DEFAULT_MEMORY_MIB, trace_mib = DEFAULT_TRACE_MIB, vcpus = 1, cpus = 2,
		 packages = 1, dies = 1, l2_vms = 0;
	unsigned engine = EXECUTION_NOT_SAID, order = 0, sandbox = SANDBOX_ON, cpu = 0, erratum = 0;
	const struct verb_option options[] = {
		OPTION_NUMBER("memory", "MIB", &mib, 128, 1u << 20, "memory of the TD (512)"),
		OPTION_NUMBER("vcpus", "N", &vcpus, 1, RUN_MAX_VCPUS, "vCPUs of the TD (1)"),
		OPTION_NUMBER("cpus", "N", &cpus, 1, 64, "logical processors of the machine (2)"),
		OPTION_CHOICE("cpu", RUN_CPU_MODELS, &cpu,
			      "the machine's processors, as CPUID tells (sapphire-rapids)"),
		OPTION_TEXT(
			"memory-map", "BASE+SIZE[,...]", &o.memory_map,
			"the machine's memory, with holes: as 1M+2G,4G+2G (what --memory needs)"),
		OPTION_CHOICE("erratum", "none|partial-write", &erratum,
			      "of the machine: partial writes to memory that was private poison it "
			      "(none)"),
		OPTION_FLAG("la57", &o.la57,
			    "five levels of page tables, guest addresses of 52 bits"),
		OPTION_TEXT("caches", "SIZE/WAYS,...", &o.caches,
			    "the TD's caches L1d, L1i, L2, L3, as 48K/12,32K/8,2M/16,60M/15"),
		OPTION_NUMBER("dies", "N", &dies, 1, RUN_MAX_VCPUS,
			      "dies of the TD's package, each with a power of two of vCPUs (1)"),
		OPTION_TEXT("cpuid", "LEAF[.SUB]:REG=VALUE[,...]", &o.cpuid,
			    "bits of CPUID that the TD's creator chooses, as 7.0:ebx=0x8"),
		OPTION_NUMBER("xfam", "MASK", &o.xfam, 0, UINT64_MAX,
			      "extended features of the TD (XFAM), as 0xe7"),
		OPTION_NUMBER("packages", "N", &packages, 1, 8, "packages of the machine (1)"),
		OPTION_TEXT("kernel", "FILE", &o.kernel,
			    "boot this Linux kernel (bzImage or vmlinux, packed or in a unified "
			    "kernel image), measured, by a firmware of our own in place of IMAGE"),
		OPTION_TEXT("initrd", "FILE", &o.initrd, "its initial file system"),
		OPTION_TEXT("append", "CMDLINE", &o.append, "its command line"),
		OPTION_LIST("disk", DRIVES_DISK, &o.disks, DRIVES_DISK_HELP),
		OPTION_TEXT("share", "DIR", &o.share, DRIVES_SHARE_HELP),
		OPTION_CHOICE("engine", EXECUTION_WORDS "|native", &engine,
			      EXECUTION_HELP
			      "; or native, a C function in place of the guest's code"),
		OPTION_CHOICE("order", "page|section|all", &order,
			      "order of PAGE.ADD and MR.EXTEND (page), see swtdx measure"),
		OPTION_NUMBER("l2-vms", "N", &l2_vms, 0, 3,
			      "L2 VMs that an L1 VMM in the TD may run (0)"),
		OPTION_FLAG("huge-pages", &o.huge,
			    "map 2M private pages where the guest accepts 2M"),
		OPTION_FLAG("dynamic-pamt", &o.dynamic_pamt,
			    "4K entries of PAMT are in memory only where TDs are"),
		OPTION_TEXT("host", "map-gpa=PAGES[,idle=N][,next=ADDR]", &o.host,
			    "a host that converts so many pages a MapGPA, after N answers "
			    "without progress, and claims that ADDR is next"),
		OPTION_TEXT("fault", OPTION_FAULT, &o.fault, OPTION_FAULT_HELP),
		OPTION_FLAG("debug", &o.debug, "a debug TD: ATTRIBUTES.DEBUG"),
		OPTION_TEXT("gdb", "[ADDRESS]:PORT", &o.gdb, "wait for gdb there and serve it"),
		OPTION_TEXT("trace", "FILE", &o.trace,
			    "record every call of the module, see swtdx replay"),
		OPTION_NUMBER("trace-limit", "MIB", &trace_mib, 1, 1u << 20,
			      "how large the trace may get (1024)"),
		OPTION_TEXT("report", "FILE", &o.report,
			    "with --engine native: its TDREPORT, for swtdx report and swtdx quote"),
		OPTION_TEXT("serial", "WHERE", &o.serial[0],
			    "COM1: stdio, file:PATH, unix:PATH, pty or none (stdio)"),
		OPTION_TEXT("serial2", "WHERE", &o.serial[1], "COM2, likewise (none)"),
		OPTION_TEXT("summary", "FILE", &o.summary,
			    "the summary there, and the guest alone on standard output"),
		OPTION_NUMBER("seed", "N", &o.seed, 0, UINT64_MAX, "seed of the machine's entropy"),
		OPTION_CHOICE("sandbox", "on|log|off", &sandbox,
			      "what the process may do while the guest runs: run it and no more "
			      "(on), the rest logged by the kernel (log), anything (off)"),
		OPTION_NUMBER("timeout", "SECONDS", &o.timeout, 0, 1u << 30,
			      "end the TD after so long, with status 1"),
		OPTION_FLAG("unfiltered", &o.unfiltered,
			    "let the guest send everything to the terminal, titles and requests "
			    "too"),
		OPTION_FLAG("quiet", &o.quiet, "no progress"),
		OPTION_FLAG("json", &o.json, "the summary as JSON"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"run",
		"[OPTION]... IMAGE\n[OPTION]... --kernel FILE [--initrd FILE] [--append CMDLINE]",
		"Powers a simulated TDX machine on, brings its module up, builds a TD from the "
		"TDVF image, runs it, and tears everything down. All of it is simulated. The "
		"guest's serial port is on standard input and output; its exit status (0 when "
		"it switches off, 1 when it resets, else what it writes to port 0xf4) is that "
		"of the command.",
		NULL, options);
	enum run_console_kind kind[RUN_SERIALS];
	struct run_session *s;
	char why[200];
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (!o.kernel && (o.initrd || o.append))
		return options_wrong(&usage, "--initrd and --append go with --kernel");
	if ((o.disks.n || o.share) && (!o.kernel || engine == ENGINE_NATIVE))
		return options_wrong(&usage, "--disk and --share go with --kernel, whose firmware "
					     "tells of them");
	if (argc != (o.kernel ? 0 : 1))
		return options_wrong(&usage, o.kernel ? "an IMAGE and --kernel exclude each other"
						      : "one IMAGE is needed, or --kernel");
	if (o.report && engine != ENGINE_NATIVE)
		return options_wrong(&usage, "--report goes with --engine native");
	for (unsigned i = 0; i < RUN_SERIALS; i++)
		if (!run_serial_kind(o.serial[i], &kind[i]))
			return options_wrong(&usage,
					     "a serial port is stdio, file:PATH, unix:PATH, pty or "
					     "none, not \"%s\"",
					     o.serial[i]);
	if (kind[0] == RUN_CONSOLE_STDIO && kind[1] == RUN_CONSOLE_STDIO)
		return options_wrong(&usage, "there is one standard input for two serial ports");
	if (execution_of(engine) == TDX_X86_EXECUTE_CHECK && vcpus > 1)
		return options_wrong(&usage, "--engine check takes one vCPU");
	if (o.trace && !strcmp(o.trace, "-") &&
	    ((o.summary && !strcmp(o.summary, "-")) || (o.report && !strcmp(o.report, "-"))))
		return options_wrong(&usage, "standard output is the trace's");
	if (o.gdb && !gdb_is_address(o.gdb))
		return options_wrong(&usage, "--gdb takes [ADDRESS]:PORT, not \"%s\"", o.gdb);
	if (packages > cpus)
		return options_wrong(&usage, "%u packages need as many processors: --cpus",
				     (unsigned)packages);
	o.memory = mib << 20;
	o.trace_limit = trace_mib << 20;
	o.vcpus = (unsigned)vcpus;
	o.cpus = (unsigned)cpus;
	o.packages = (unsigned)packages;
	o.dies = (unsigned)dies;
	o.l2_vms = (unsigned)l2_vms;
	o.cpu = cpu;
	o.erratum = (enum run_erratum)erratum;
	o.sandbox = (enum sandbox_mode)sandbox;
	o.native = engine == ENGINE_NATIVE;
	o.execution = execution_of(engine);
	o.order = (enum tdx_tdvf_order)order;
	o.image = o.kernel ? o.kernel : argv[0];
	s = calloc(1, sizeof(*s));
	if (!s)
		return file_complain("run", o.image, -ENOMEM);
	s->o = o;
	run_hostile_init(&s->hostile);
	if (o.host && !run_hostile_parse_host(&s->hostile, o.host, why, sizeof(why)))
		end = options_wrong(&usage, "--host takes %s", why);
	else if (!option_faults(o.fault, s->hostile.fault, &s->hostile.nfaults, why, sizeof(why)))
		end = options_wrong(&usage, "%s", why);
	else
		end = load_and_go(s);
	run_hostile_destroy(&s->hostile);
	free(s);
	return end;
}
