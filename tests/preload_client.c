/* SPDX-License-Identifier: MIT */
/* A client of KVM that knows nothing of what is preloaded into it: open(), ioctl(), mmap(), a
 * signal. Usage: preload_client [launch|fork|refused|gdb]. Exit status: 0, or the line that was not
 * as expected. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvm/abi.h"

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #what, strerror(errno));   \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

enum { ROM_SIZE = 65536 };
#define ROM (0x100000000ull - ROM_SIZE)

static int sys, vm, vcpu, gmem;
static struct kvm_run *run;

static int tdx(int fd, uint32_t id, uint32_t flags, const void *data)
{
	struct kvm_tdx_cmd cmd = {.id = id, .flags = flags, .data = (uint64_t)(uintptr_t)data};

	return ioctl(fd, KVM_MEMORY_ENCRYPT_OP, &cmd);
}

static int enable(uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap e = {.cap = cap, .args = {arg}};

	return ioctl(vm, KVM_ENABLE_CAP, &e);
}

static int init(void)
{
	struct kvm_tdx_init_vm *p = calloc(1, sizeof(*p) + sizeof(struct kvm_cpuid_entry));

	p->attributes = 1ull << 28;
	p->xfam = 3;
	p->cpuid.nent = 1;
	p->cpuid.entries[0] = (struct kvm_cpuid_entry){.function = 0x80000008, .eax = 48 << 16};
	return tdx(vm, KVM_TDX_INIT_VM, 0, p);
}

/* A ROM below 4 GiB with this code where a processor begins. */
static void launch(const void *code, size_t len)
{
	struct kvm_guest_memfd g = {.size = ROM_SIZE};
	struct kvm_attributes a = {.address = ROM, .size = ROM_SIZE, .attributes = 8};
	struct kvm_memory_region2 m = {
		.r = {.flags = 4, .guest_phys_addr = ROM, .memory_size = ROM_SIZE}};
	struct kvm_tdx_region r = {.gpa = ROM, .nr_pages = ROM_SIZE / 4096};
	uint8_t *rom =
		mmap(NULL, ROM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(rom + ROM_SIZE - 16, code, len);
	vm = ioctl(sys, KVM_CREATE_VM, KVM_VM_TDX);
	CHECK(vm >= 0);
	CHECK(enable(KVM_CAP_SPLIT_IRQCHIP, 24) == 0);
	CHECK(init() == 0);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	CHECK(vcpu >= 0);
	run = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	CHECK(run != MAP_FAILED);
	gmem = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &g);
	m.guest_memfd = (uint32_t)gmem;
	m.r.userspace_addr = r.source_addr = (uint64_t)(uintptr_t)rom;
	CHECK(ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &m) == 0);
	CHECK(ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &a) == 0);
	CHECK(tdx(vcpu, KVM_TDX_INIT_VCPU, 0, NULL) == 0);
	CHECK(tdx(vcpu, KVM_TDX_INIT_MEM_REGION, 1, &r) == 0);
	CHECK(tdx(vm, KVM_TDX_FINALIZE_VM, 0, NULL) == 0);
}

static void on_signal(int sig)
{
	(void)sig;
	run->immediate_exit = 1;
}

static void *interrupt(void *arg)
{
	usleep(50000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void runs(void)
{
	static const uint8_t loop[] = {0xeb, 0xfe}, dies[] = {0x0f, 0x0b};
	pthread_t me = pthread_self(), other;

	launch(dies, sizeof(dies));
	CHECK(ioctl(vcpu, KVM_RUN, 0) == 0);
	CHECK(run->exit_reason == KVM_EXIT_SHUTDOWN);
	/* Another one in the same process; the first one's descriptors are forgotten. */
	launch(loop, sizeof(loop));
	signal(SIGUSR1, on_signal);
	pthread_create(&other, NULL, interrupt, &me);
	CHECK(ioctl(vcpu, KVM_RUN, 0) == -1 && errno == EINTR);
	CHECK(run->exit_reason == KVM_EXIT_INTR);
	pthread_join(other, NULL);
	CHECK(ioctl(vcpu, KVM_IO(0xc1), 0) == -1 && errno == EINVAL); /* for --missing */
}

/* For a gdb: the TD counts until it is sent on; then another one comes, as after a reset. */
static void is_debugged(void)
{
	static const uint8_t counts[] = {0x41, 0xeb, 0xfd, 0x0f, 0x0b}; /* inc ecx; jmp; ud2 */

	launch(counts, sizeof(counts));
	CHECK(ioctl(vcpu, KVM_RUN, 0) == 0);
	CHECK(run->exit_reason == KVM_EXIT_SHUTDOWN);
	munmap(run, 12288);
	close(vcpu);
	close(gmem);
	close(vm);
	launch(counts, sizeof(counts));
	for (;;)
		ioctl(vcpu, KVM_RUN, 0);
}

/* As QEMU's -daemonize: the child goes on with what the parent has opened. */
static void runs_in_a_child(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		runs();
		exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void opens(void)
{
	int fd, other = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK(other >= 0);
	CHECK(ioctl(other, KVM_GET_API_VERSION, 0) == -1 && errno == ENOTTY);
	CHECK(open("/no/such/file", O_RDONLY) == -1 && errno == ENOENT);
	fd = openat(AT_FDCWD, "/dev/kvm", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(ioctl(fd, KVM_GET_API_VERSION, 0) == 12);
	close(fd);
	fd = open("/tmp/.", O_TMPFILE | O_RDWR, 0640);
	CHECK(fd >= 0 || errno == EOPNOTSUPP);
	sys = open("/dev/kvm", O_RDWR);
	CHECK(sys >= 0 && fcntl(sys, F_GETFD) == 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "launch";

	opens();
	if (!strcmp(what, "fork")) {
		runs_in_a_child();
	} else if (!strcmp(what, "gdb")) {
		is_debugged();
	} else if (!strcmp(what, "refused")) {
		vm = ioctl(sys, KVM_CREATE_VM, KVM_VM_TDX);
		CHECK(vm >= 0);
		CHECK(init() == -1 && errno == EIO);
		CHECK(init() == 0); /* the fault was for once */
	} else {
		runs();
	}
	puts("as expected");
	return 0;
}
