/* SPDX-License-Identifier: MIT */
/* What a machine's files say about TDX: the CPU as the kernel sees it, the kernel, KVM. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/doctor.h"

enum { MAX_FILE = 1 << 16 };

struct look {
	const char *root;
	doctor_tell *tell;
	void *arg;
	char *cpuinfo; /* of the first processor; may be NULL */
	bool intel, host, guest;
};

/* The beginning of a file, NULL with errno. */
static char *slurp(const struct look *l, const char *path)
{
	char full[512], *text;
	size_t n;
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", l->root, path);
	f = fopen(full, "r");
	if (!f)
		return NULL;
	text = malloc(MAX_FILE + 1);
	n = text ? fread(text, 1, MAX_FILE, f) : 0;
	fclose(f);
	if (text)
		text[n] = '\0';
	return text;
}

static void tell(const struct look *l, enum verdict v, const char *topic, const char *what,
		 const char *hint)
{
	l->tell(l->arg,
		&(struct finding){.verdict = v, .topic = topic, .what = what, .hint = hint});
}

/* The value of "key : value" in cpuinfo. */
static bool value_of(const struct look *l, const char *key, char *buf, size_t len)
{
	size_t n = strlen(key);

	buf[0] = '\0';
	for (const char *p = l->cpuinfo; p && *p;
	     p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		const char *v = p + n;

		if (strncmp(p, key, n) != 0 || (*v != '\t' && *v != ' ' && *v != ':'))
			continue;
		v += strspn(v, " \t:");
		snprintf(buf, len, "%.*s", (int)strcspn(v, "\n"), v);
		return true;
	}
	return false;
}

static bool has_word(const struct look *l, const char *key, const char *flag)
{
	const char *p = l->cpuinfo ? strstr(l->cpuinfo, key) : NULL;
	size_t n = strlen(flag);
	const char *end;

	if (!p)
		return false;
	end = strchrnul(p + 1, '\n');
	for (p++; (p = strstr(p, flag)) && p < end; p += n)
		if (p[-1] == ' ' && (p[n] == ' ' || p[n] == '\n' || p[n] == '\0'))
			return true;
	return false;
}

static bool has_flag(const struct look *l, const char *flag)
{
	return has_word(l, "\nflags", flag);
}

static void cpu(struct look *l)
{
	char vendor[64], family[16], model[16], name[128], what[256];

	if (!value_of(l, "vendor_id", vendor, sizeof(vendor))) {
		tell(l, VERDICT_SKIPPED, "CPU", "/proc/cpuinfo does not tell", NULL);
		return;
	}
	value_of(l, "model name", name, sizeof(name));
	value_of(l, "cpu family", family, sizeof(family));
	value_of(l, "model", model, sizeof(model));
	l->intel = strcmp(vendor, "GenuineIntel") == 0;
	snprintf(what, sizeof(what), "%s, %s family %s model %s", name, vendor, family, model);
	if (l->intel)
		tell(l, VERDICT_OK, "CPU", what, NULL);
	else
		tell(l, VERDICT_FAIL, "CPU", what,
		     "TDX needs an Intel Xeon of the 4th generation (some), the 5th, or newer; "
		     "swtdx runs here all the same");
}

static void flag(struct look *l, const char *name, const char *without)
{
	char what[128];

	snprintf(what, sizeof(what), "CPU flag %s is %s", name,
		 has_flag(l, name) ? "there" : "missing");
	tell(l, has_flag(l, name) ? VERDICT_OK : VERDICT_FAIL, "CPU", what,
	     has_flag(l, name) ? NULL : without);
}

static void cpu_flags(struct look *l)
{
	l->guest = has_flag(l, "tdx_guest");
	l->host = has_flag(l, "tdx_host_platform");
	if (l->guest)
		tell(l, VERDICT_NOTE, "guest", "this is a TD: tdx_guest is there",
		     "the rest is about hosts; \"swtdx report\" checks a TDREPORT or a quote of "
		     "this TD");
	if (!l->intel || l->guest)
		return;
	if (has_word(l, "\nbugs", "tdx_pw_mce"))
		tell(l, VERDICT_NOTE, "CPU",
		     "the partial-write erratum (tdx_pw_mce): a write of part of a line of TD "
		     "memory poisons it",
		     "harmless while nothing on the host writes there; Linux 6.17 to 7.2 refuse "
		     "kexec");
	flag(l, "vmx", "enable VT-x in the BIOS");
	flag(l, "tme", "enable Total Memory Encryption (TME, TME-MT) in the BIOS");
	flag(l, "movdir64b", "a hypervisor under this machine hides it, or the CPU is too old");
	flag(l, "tdx_host_platform",
	     "the kernel found no private KeyIDs: enable TDX and a \"TDX key split\" in the "
	     "BIOS, use Linux 6.8 or newer with CONFIG_INTEL_TDX_HOST, boot with nohibernate");
}

static void kernel(struct look *l)
{
	char *release = slurp(l, "/proc/sys/kernel/osrelease"), path[256], *config;
	char *cmdline = slurp(l, "/proc/cmdline");
	const char *yes = "CONFIG_INTEL_TDX_HOST=y";

	if (!release) {
		tell(l, VERDICT_SKIPPED, "kernel", "/proc/sys/kernel/osrelease cannot be read",
		     NULL);
		free(cmdline);
		return;
	}
	release[strcspn(release, "\n")] = '\0';
	snprintf(path, sizeof(path), "/boot/config-%.200s", release);
	config = slurp(l, path);
	if (!config)
		tell(l, VERDICT_SKIPPED, "kernel",
		     "the configuration of the kernel is not in /boot",
		     "look for CONFIG_INTEL_TDX_HOST and CONFIG_KVM_INTEL_TDX");
	else if (strstr(config, yes))
		tell(l, VERDICT_OK, "kernel", yes, NULL);
	else
		tell(l, VERDICT_FAIL, "kernel", "CONFIG_INTEL_TDX_HOST is not set",
		     "use a kernel with it; KVM has TDX since Linux 6.16");
	if (cmdline && l->host && !strstr(cmdline, "nohibernate") && config &&
	    strstr(config, "CONFIG_HIBERNATION=y"))
		tell(l, VERDICT_NOTE, "kernel", "hibernation is compiled in and not turned off",
		     "some kernels refuse TDX then: boot with nohibernate");
	free(config);
	free(release);
	free(cmdline);
}

static void kvm(struct look *l)
{
	char *param = slurp(l, "/sys/module/kvm_intel/parameters/tdx");

	if (param && (*param == 'Y' || *param == '1'))
		tell(l, VERDICT_OK, "KVM", "kvm_intel.tdx is Y: KVM runs TDs", NULL);
	else if (param)
		tell(l, VERDICT_FAIL, "KVM", "kvm_intel.tdx is N",
		     "load kvm_intel with tdx=1; when it stays N, the kernel's log says why");
	else if (l->intel && !l->guest)
		tell(l, VERDICT_FAIL, "KVM", "kvm_intel has no parameter tdx, or is not loaded",
		     "modprobe kvm_intel tdx=1, on Linux 6.16 or newer with CONFIG_KVM_INTEL_TDX");
	free(param);
}

static void module_version(struct look *l)
{
	static const char *const paths[] = {"/sys/devices/faux/tdx_host/version",
					    "/sys/firmware/tdx/tdx_module/version"};

	for (unsigned i = 0; i < 2; i++) {
		char *v = slurp(l, paths[i]), what[160];
		const char *fault, *hint;
		unsigned n[3] = {0};

		if (!v)
			continue;
		v[strcspn(v, "\n")] = '\0';
		snprintf(what, sizeof(what), "TDX module %.100s", v);
		sscanf(v, "%u.%u.%u", &n[0], &n[1], &n[2]);
		fault = doctor_module_fault(n[0], n[1], n[2], 0, &hint);
		tell(l, fault ? VERDICT_FAIL : VERDICT_OK, "module", what,
		     fault ? hint : "swtdx behaves as 1.5.25 does");
		free(v);
		return;
	}
	if (l->host)
		tell(l, VERDICT_SKIPPED, "module", "the kernel does not tell the module's version",
		     "the log may: dmesg | swtdx doctor --dmesg -");
}

void doctor_machine(const char *root, doctor_tell *tell_, void *arg)
{
	struct look l = {.root = root, .tell = tell_, .arg = arg};

	l.cpuinfo = slurp(&l, "/proc/cpuinfo");
	cpu(&l);
	cpu_flags(&l);
	kernel(&l);
	kvm(&l);
	module_version(&l);
	free(l.cpuinfo);
}
