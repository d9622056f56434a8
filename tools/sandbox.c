/* SPDX-License-Identifier: MIT */
/* See tools/sandbox.h. A call that is not listed fails with EPERM, so that a library that tries
 * something it can do without goes on; the calls that nothing honest makes end the process. */
#include "tools/sandbox.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

bool sandbox_lacks(const struct sandbox *s, enum sandbox_mode mode, char *line, size_t len)
{
	if (mode == SANDBOX_OFF || s->seccomp)
		return false;
	snprintf(line, len, "no sandbox (%s): the guest runs with all that this process may do%s",
		 s->why, s->landlock ? " but open files" : "");
	return true;
}

#ifdef SANITIZED
/* Their runtimes open files and make processes to the end. */
struct sandbox sandbox_enter(enum sandbox_mode mode)
{
	(void)mode;
	return (struct sandbox){.why = "this build is instrumented"};
}

bool sandbox_thread(void)
{
	return false;
}
#else
#include <seccomp.h>

/* --- seccomp --- */

static const int allowed[] = {
	/* what is open */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	/* a debugger that connects to the port that is open */
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt),
	SCMP_SYS(shutdown),
	/* memory */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	/* threads */
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(membarrier),
	/* time and signals */
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	/* randomness, and what a process may know of itself */
	SCMP_SYS(getrandom),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getpgrp),
	SCMP_SYS(getrusage),
	SCMP_SYS(uname),
};

static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(bpf),
	SCMP_SYS(mount),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(kexec_load),
};

static const unsigned long terminals[] = {TCGETS,    TCSETS,	 TCSETSW, TCSETSF,
					  TIOCGPGRP, TIOCGWINSZ, FIONREAD};

/* Calls of which some are needed. */
static int partly(scmp_filter_ctx f)
{
	const int memory[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	const int signal[] = {SCMP_SYS(kill), SCMP_SYS(tgkill)};
	int err = 0;

	for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]) && !err; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, memory[i], 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	for (size_t i = 0; i < sizeof(signal) / sizeof(signal[0]) && !err; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, signal[i], 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
	for (size_t i = 0; i < sizeof(terminals) / sizeof(terminals[0]) && !err; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_EQ, terminals[i], 0));
	/* Threads, no processes. The flags of clone3() are out of a filter's sight: without it the
	 * library takes clone(). */
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM,
					       CLONE_THREAD | CLONE_VM));
	if (!err)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return err;
}

static int fill(scmp_filter_ctx f)
{
	int err = 0;

	/* All threads at once; and no slower code for it, as the filter guards nobody's secrets. */
	err = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!err)
		err = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 1);
	if (!err)
		seccomp_attr_set(f, SCMP_FLTATR_CTL_SSB, 1);
	if (!err)
		seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !err; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	return err ? err : partly(f);
}

static int load_filter(enum sandbox_mode mode)
{
	uint32_t other = mode == SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM);
	scmp_filter_ctx f = seccomp_init(other);
	int err = f ? fill(f) : -ENOMEM;

	for (size_t i = 0; mode == SANDBOX_ON && i < sizeof(deadly) / sizeof(deadly[0]) && !err;
	     i++)
		err = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	if (!err)
		err = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return err;
}

/* --- Landlock --- */

/* Its rights by version of its interface: to know a version is to handle all of it. */
static uint64_t file_rights(int version)
{
	uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (version >= 2)
		rights |= 1ull << 13; /* REFER */
	if (version >= 3)
		rights |= 1ull << 14; /* TRUNCATE */
	if (version >= 5)
		rights |= 1ull << 15; /* IOCTL_DEV */
	return rights;
}

bool sandbox_thread(void)
{
	/* As the newest version known here has it; older kernels take less. */
	struct {
		uint64_t fs, net, scoped;
	} rules = {0};
	int version =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
	bool ok;
	int fd;

	if (version < 1)
		return false;
	rules.fs = file_rights(version);
	rules.net = version >= 4 ? 3 : 0;    /* binding, connecting */
	rules.scoped = version >= 6 ? 3 : 0; /* abstract sockets, signals to others */
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return false;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	ok = syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	close(fd);
	return ok;
}

struct sandbox sandbox_enter(enum sandbox_mode mode)
{
	struct sandbox s = {0};
	int err;

	if (mode == SANDBOX_OFF)
		return s;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		snprintf(s.why, sizeof(s.why), "no_new_privs: %s", strerror(errno));
		return s;
	}
	if (mode == SANDBOX_ON)
		s.landlock = sandbox_thread();
	err = load_filter(mode);
	s.seccomp = !err;
	if (err)
		snprintf(s.why, sizeof(s.why), "seccomp: %s", strerror(-err));
	return s;
}
#endif
