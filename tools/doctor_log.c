/* SPDX-License-Identifier: MIT */
/* What a kernel's log says about TDX. The texts are those of Linux and KVM, since 6.7. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <swtdx/decode.h>
#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "tools/doctor.h"

static const struct {
	const char *text; /* a part of the line */
	enum verdict verdict;
	const char *topic, *hint;
} lines[] = {
	{"virt/tdx: BIOS enabled: private KeyID range", VERDICT_OK, "KeyIDs", NULL},
	{"virt/tdx: module initialized", VERDICT_OK, "module", NULL},
	{"virt/tdx: TDX module", VERDICT_NOTE, "module", NULL},
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

/* A failed call: its status in words. */
static bool call_line(struct tdx_log *log, const char *line, size_t len, const char *shown,
		      doctor_tell *tell, void *arg)
{
	struct tdx_log_note note;
	struct tdx_explanation e;
	char name[96], what[400];

	if (!tdx_log_line(log, line, len, &note) || !note.has_status || tdx_is_success(note.status))
		return false;
	tdx_explain(note.status, note.leaf, &e);
	snprintf(what, sizeof(what), "%s: %s%s%s", shown, note.leaf ? note.leaf->name : "",
		 note.leaf ? " returned " : "", tdx_status_format(note.status, name, sizeof(name)));
	tell(arg, tdx_is_error(note.status) ? VERDICT_FAIL : VERDICT_NOTE, "call", what,
	     tdx_action_advice(e.action));
	return true;
}

void doctor_log(const char *text, size_t size, doctor_tell *tell, void *arg)
{
	struct tdx_log log = {0};
	unsigned found = 0;

	for (size_t at = 0, len; at < size; at += len + 1) {
		const char *line = text + at, *end = memchr(line, '\n', size - at);
		char shown[240];
		size_t n;

		len = end ? (size_t)(end - line) : size - at;
		n = clean(&line, len);
		snprintf(shown, sizeof(shown), "%.*s",
			 (int)(n < sizeof(shown) ? n : sizeof(shown) - 1), line);
		for (char *p = shown; *p; p++)
			if (!isprint((unsigned char)*p))
				*p = '?';
		if (call_line(&log, line, n, shown, tell, arg)) {
			found++;
			continue;
		}
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
			if (strstr(shown, lines[i].text)) {
				tell(arg, lines[i].verdict, lines[i].topic, shown, lines[i].hint);
				found++;
				break;
			}
	}
	if (found == 0)
		tell(arg, VERDICT_NOTE, "log", "the log says nothing about TDX",
		     "the kernel may lack CONFIG_INTEL_TDX_HOST, or the log may have lost its "
		     "beginning");
}
