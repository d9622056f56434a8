/* SPDX-License-Identifier: MIT */
/* What a kernel's log says about TDX. The texts are those of Linux and KVM, since 6.7. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <swtdx/decode.h>
#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "tools/doctor.h"

#define TEXT_ENABLED	 "tdx: BIOS enabled: private KeyID range"
#define TEXT_INITIALIZED "virt/tdx: module initialized"

static const struct {
	const char *text; /* a part of the line */
	enum verdict verdict;
	const char *topic, *hint;
} lines[] = {
	{TEXT_ENABLED, VERDICT_OK, "KeyIDs", NULL},
	{TEXT_INITIALIZED, VERDICT_OK, "module", NULL},
	{"TDX module: attributes 0x0, vendor_id 0x8086, major_version 1, minor_version 0",
	 VERDICT_FAIL, "module",
	 "module 1.0: Linux and KVM need 1.5 or newer; a newer BIOS may bring it"},
	{"virt/tdx: TDX module", VERDICT_NOTE, "module", "Linux and KVM need 1.5 or newer"},
	{"Failed to initialize TDX module", VERDICT_FAIL, "KVM",
	 "lines of virt/tdx before it say why"},
	{"tdx: not enabled by BIOS", VERDICT_FAIL, "KeyIDs",
	 "enable TDX in the BIOS, with TME-MT and a \"TDX key split\" of at least 1"},
	{"no symbol version for __seamcall", VERDICT_FAIL, "KVM",
	 "kvm_intel was built for another kernel than the one that runs: install both from one "
	 "build"},
	{"Buggy TDX module", VERDICT_FAIL, "guest",
	 "a TDCALL that cannot fail did: swtdx decode names it"},
	{"KB allocated for PAMT", VERDICT_NOTE, "module", NULL},
	{"virt/tdx: module not loaded", VERDICT_FAIL, "module",
	 "the firmware did not load a TDX module: enable \"TDX SEAM Loader\" in the BIOS, or put "
	 "TDX-SEAM.so and its .sigstruct on the EFI system partition under /EFI/TDX"},
	{"virt/tdx: module initialization failed", VERDICT_FAIL, "module",
	 "the line before it says which call failed"},
	{"frame pointer (RBP) clobber bug present", VERDICT_FAIL, "module",
	 "this module is too old for this kernel: load 1.5.06 or newer"},
	{"initialization failed: too few private KeyIDs", VERDICT_FAIL, "KeyIDs",
	 "set \"TDX key split\" in the BIOS to at least 1, better half of the KeyIDs"},
	{"initialization failed: Hibernation support is enabled", VERDICT_FAIL, "kernel",
	 "boot with nohibernate on the kernel's command line"},
	{"initialization failed: TDMRs exhausted", VERDICT_FAIL, "memory",
	 "memory is in too many pieces: look for reserved ranges in the memory map, memmap= "
	 "options"},
	{"Disable ACPI S3. Turn off TDX", VERDICT_NOTE, "kernel",
	 "suspend to memory and TDX exclude each other"},
	{"virt/tdx: consumed TDMRs reaching limit", VERDICT_NOTE, "memory", NULL},
	{"EPT is required for TDX", VERDICT_FAIL, "KVM", "load kvm_intel without ept=0"},
	{"TDP MMU and MMIO caching and EPT A/D bit is required", VERDICT_FAIL, "KVM",
	 "load kvm without tdp_mmu=0 and mmio_caching=0, kvm_intel without eptad=0"},
	{"APICv is required for TDX", VERDICT_FAIL, "KVM", "load kvm_intel without enable_apicv=0"},
	{"OSXSAVE is required for TDX", VERDICT_FAIL, "CPU", "boot without noxsave"},
	{"MOVDIR64B is required for TDX", VERDICT_FAIL, "CPU",
	 "this CPU, or the hypervisor under it, has no MOVDIR64B"},
	{"Self-snoop is required for TDX", VERDICT_FAIL, "CPU",
	 "this CPU, or the hypervisor under it, has no self-snoop"},
	{"no TDX private KeyIDs available", VERDICT_FAIL, "KeyIDs",
	 "the BIOS has not enabled TDX, or hibernation is enabled: see the lines of virt/tdx"},
	{"TDX not supported by the host platform", VERDICT_FAIL, "KeyIDs",
	 "the BIOS has not enabled TDX, or hibernation is enabled: see the lines of virt/tdx"},
	{"tdx requires kvm.enable_virt_at_load=1", VERDICT_FAIL, "KVM",
	 "load kvm without enable_virt_at_load=0"},
	{"x86/mktme: No known encryption algorithm", VERDICT_FAIL, "TME",
	 "select AES-XTS in the BIOS's memory encryption settings"},
	{"x86/tme: not enabled by BIOS", VERDICT_FAIL, "TME",
	 "enable \"Total Memory Encryption\" and its multi-tenant form in the BIOS"},
	{"x86/tme: enabled by BIOS", VERDICT_OK, "TME", NULL},
	{"x86/mktme: enabled by BIOS", VERDICT_OK, "TME", NULL},
	{"x86/mktme: disabled by BIOS", VERDICT_FAIL, "TME", "enable \"TME-MT\" in the BIOS"},
	{"x86/tme: configuration is inconsistent between CPUs", VERDICT_FAIL, "TME",
	 "the BIOS programmed packages differently: load its defaults, update it"},
	{"tdx: Guest detected", VERDICT_OK, "guest", NULL},
};

/* Without the time stamp and the end of the line. */
static size_t clean(const char **line, size_t len)
{
	const char *p = *line, *close;

	while (len > 0 && isspace((unsigned char)p[len - 1]))
		len--;
	close = len && *p == '[' ? memchr(p, ']', len) : NULL;
	if (close && close + 1 < p + len) {
		len -= (size_t)(close + 1 - p);
		p = close + 1;
	}
	while (len > 0 && isspace((unsigned char)*p)) {
		p++;
		len--;
	}
	*line = p;
	return len;
}

/* The line as a terminal may get it, cut to its room: damaged logs have any byte, zeros too. */
static void show(char *shown, size_t room, const char *line, size_t len)
{
	size_t n = len < room ? len : room - 1;

	for (size_t i = 0; i < n; i++)
		shown[i] = (char)(isprint((unsigned char)line[i]) ? line[i] : '?');
	shown[n] = 0;
}

/* What a log said so far. A host in trouble repeats itself: a pair of call and status is told once.
 */
enum { MAX_TOLD = 64 };
struct reader {
	struct tdx_log log;
	doctor_tell *tell;
	void *arg;
	unsigned found, failed, ntold;
	bool enabled, initialized;
	struct {
		const struct tdx_leaf_info *leaf;
		uint64_t raw;
	} told[MAX_TOLD];
};

static void tell(struct reader *r, enum verdict v, const char *topic, const char *what,
		 const char *hint)
{
	r->found++;
	r->failed += v == VERDICT_FAIL;
	r->tell(r->arg, v, topic, what, hint);
}

static bool was_told(struct reader *r, const struct tdx_log_note *n)
{
	for (unsigned i = 0; i < r->ntold; i++)
		if (r->told[i].leaf == n->leaf && r->told[i].raw == n->status.raw)
			return true;
	if (r->ntold < MAX_TOLD) {
		r->told[r->ntold].leaf = n->leaf;
		r->told[r->ntold++].raw = n->status.raw;
	}
	return false;
}

/* A failed call: its status in words. */
static bool call_line(struct reader *r, const char *line, size_t len, const char *shown)
{
	struct tdx_log_note note;
	struct tdx_explanation e;
	char name[96], what[400];

	if (!tdx_log_line(&r->log, line, len, &note) || !note.has_status ||
	    tdx_is_success(note.status))
		return false;
	if (was_told(r, &note))
		return true;
	if (note.seamldr && !tdx_is_sw_error(note.status)) {
		tell(r, VERDICT_FAIL, "call", shown,
		     "a status of the P-SEAMLDR, which loads the module: see its own "
		     "specification");
		return true;
	}
	tdx_explain(note.status, note.leaf, &e);
	snprintf(what, sizeof(what), "%s: %s%s%s", shown, note.leaf ? note.leaf->name : "",
		 note.leaf ? " returned " : "", tdx_status_format(note.status, name, sizeof(name)));
	tell(r, tdx_is_error(note.status) ? VERDICT_FAIL : VERDICT_NOTE, "call", what,
	     e.hint ? e.hint : tdx_action_advice(e.action));
	return true;
}

static void known_line(struct reader *r, const char *shown)
{
	r->enabled |= strstr(shown, TEXT_ENABLED) != NULL;
	r->initialized |= strstr(shown, TEXT_INITIALIZED) != NULL;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strstr(shown, lines[i].text)) {
			tell(r, lines[i].verdict, lines[i].topic, shown, lines[i].hint);
			return;
		}
}

void doctor_log(const char *text, size_t size, doctor_tell *on_finding, void *arg)
{
	struct reader r = {.tell = on_finding, .arg = arg};

	for (size_t at = 0, len; at < size; at += len + 1) {
		const char *line = text + at, *end = memchr(line, '\n', size - at);
		char shown[240];
		size_t n;

		len = end ? (size_t)(end - line) : size - at;
		n = clean(&line, len);
		show(shown, sizeof(shown), line, n);
		if (!call_line(&r, line, n, shown))
			known_line(&r, shown);
	}
	if (r.enabled && !r.initialized && !r.failed)
		tell(&r, VERDICT_FAIL, "module",
		     "the BIOS has enabled TDX, and nobody initialized the module",
		     "KVM does so when it is loaded with TDX: kvm_intel.tdx=1 on the kernel's "
		     "command line, "
		     "a kernel with CONFIG_KVM_INTEL_TDX; and check that the BIOS loads a SEAM "
		     "loader");
	if (r.found == 0)
		tell(&r, VERDICT_NOTE, "log", "the log says nothing about TDX",
		     "the kernel may lack CONFIG_INTEL_TDX_HOST, or the log may have lost its "
		     "beginning");
}
