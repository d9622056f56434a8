/* SPDX-License-Identifier: MIT */
/* A real static program of the C library in the engine's user mode, with the few system calls it
 * makes answered here, prints what it prints natively. Its path is the first argument. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "x86_guest.h"

#define KERNEL	 0x8000u   /* the system call entry: a HLT */
#define BASE	 0x400000u /* where the program is linked */
#define HEAP	 0x900000u
#define MMAP_AT	 0xb00000u
#define MMAP_END 0xf00000u
#define STACK	 0xff0000u

static const char *path;

struct process {
	struct guest g;
	uint64_t brk, mmap_next;
	char out[65536];
	size_t used;
	int status;
};

static void load_elf(struct process *p, uint64_t *entry, uint64_t *phdr, unsigned *phnum)
{
	FILE *f = fopen(path, "rb");
	Elf64_Ehdr eh;
	unsigned i;

	assert_non_null(f);
	assert_int_equal(fread(&eh, sizeof(eh), 1, f), 1);
	for (i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;

		fseek(f, (long)(eh.e_phoff + i * sizeof(ph)), SEEK_SET);
		assert_int_equal(fread(&ph, sizeof(ph), 1, f), 1);
		if (ph.p_type != PT_LOAD)
			continue;
		assert_true(ph.p_vaddr + ph.p_memsz < HEAP);
		fseek(f, (long)ph.p_offset, SEEK_SET);
		assert_int_equal(fread(p->g.ram + ph.p_vaddr, 1, ph.p_filesz, f), ph.p_filesz);
	}
	fclose(f);
	*entry = eh.e_entry;
	*phdr = BASE + eh.e_phoff;
	*phnum = eh.e_phnum;
}

static void start(struct process *p)
{
	struct guest *g = &p->g;
	uint64_t entry, phdr, sp = STACK - 256, v[32];
	unsigned phnum, n = 0;

	assert_int_equal(g_open(g), 0);
	load_elf(p, &entry, &phdr, &phnum);
	strcpy((char *)g->ram + STACK - 200, "program");
	strcpy((char *)g->ram + STACK - 180, "argument");
	v[n++] = 2;
	v[n++] = STACK - 200;
	v[n++] = STACK - 180;
	v[n++] = 0;
	v[n++] = 0;
	v[n++] = AT_PHDR;
	v[n++] = phdr;
	v[n++] = AT_PHENT;
	v[n++] = sizeof(Elf64_Phdr);
	v[n++] = AT_PHNUM;
	v[n++] = phnum;
	v[n++] = AT_PAGESZ;
	v[n++] = 4096;
	v[n++] = AT_RANDOM;
	v[n++] = STACK - 64;
	v[n++] = AT_ENTRY;
	v[n++] = entry;
	v[n++] = AT_NULL;
	v[n++] = 0;
	sp = (sp - n * 8) & ~15ull;
	memcpy(g->ram + sp, v, n * 8);
	g->ram[KERNEL] = 0xf4;
	g->cpu->lstar = KERNEL;
	g->cpu->star = (uint64_t)G_CS64 << 32 | (uint64_t)(G_UDS - 8 - 3) << 48;
	g->cpu->cr4 |= CR4_OSXSAVE;
	g->cpu->xcr0 = 3;
	g->cpu->exception_bitmap = UINT32_MAX;
	g->cpu->fx.fcw = 0x37f;
	g->cpu->regs.rsp = sp;
	p->brk = HEAP;
	p->mmap_next = MMAP_AT;
	g_user(g, entry);
}

/* x86-64-v2, no AVX. */
static void cpuid(struct x86_cpu *cpu)
{
	const uint32_t leaf = (uint32_t)cpu->regs.rax;
	uint32_t r[4] = {0};

	if (leaf == 0) {
		r[0] = 7;
		r[1] = 0x756e6547;
		r[3] = 0x49656e69;
		r[2] = 0x6c65746e;
	} else if (leaf == 1) {
		r[0] = 0x806f8;
		r[2] = 1u | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 | 1u << 23 |
		       1u << 26 | 1u << 27;
		r[3] = 0x078bfbff;
	} else if (leaf == 0x80000000u) {
		r[0] = 0x80000001;
	} else if (leaf == 0x80000001u) {
		r[2] = 1;
		r[3] = 1u << 11 | 1u << 29;
	}
	cpu->regs.rax = r[0];
	cpu->regs.rbx = r[1];
	cpu->regs.rcx = r[2];
	cpu->regs.rdx = r[3];
}

static int64_t system_call(struct process *p)
{
	struct tdx_regs *r = &p->g.cpu->regs;
	const uint8_t *ram = p->g.ram;
	uint64_t i, total = 0;

	switch (r->rax) {
	case SYS_write:
		assert_true(r->rsi + r->rdx < G_RAM && p->used + r->rdx < sizeof(p->out));
		memcpy(p->out + p->used, ram + r->rsi, r->rdx);
		p->used += r->rdx;
		return (int64_t)r->rdx;
	case SYS_writev:
		for (i = 0; i < r->rdx; i++) {
			const uint64_t *iov =
				(const uint64_t *)(const void *)(ram + r->rsi + i * 16);

			memcpy(p->out + p->used, ram + iov[0], iov[1]);
			p->used += iov[1];
			total += iov[1];
		}
		return (int64_t)total;
	case SYS_brk:
		if (r->rdi >= HEAP && r->rdi < MMAP_AT)
			p->brk = r->rdi;
		return (int64_t)p->brk;
	case SYS_mmap:
		if (p->mmap_next + r->rsi > MMAP_END)
			return -ENOMEM;
		total = p->mmap_next;
		p->mmap_next += (r->rsi + 4095) & ~4095ull;
		return (int64_t)total;
	case SYS_arch_prctl:
		if (r->rdi != 0x1002)
			return -EINVAL;
		p->g.cpu->seg[X86_FS].base = r->rsi;
		return 0;
	case SYS_exit_group:
		p->status = (int)r->rdi;
		return 1;
	case SYS_set_tid_address:
		return 1;
	case SYS_munmap:
	case SYS_mprotect:
		return 0;
	case SYS_getrandom:
		return (int64_t)r->rsi;
	case SYS_newfstatat:
		memset(p->g.ram + r->rdx, 0, 144);
		*(uint32_t *)(void *)(p->g.ram + r->rdx + 24) = 0010644; /* a pipe */
		return 0;
	default:
		return -ENOSYS;
	}
}

static void run(struct process *p)
{
	struct x86_cpu *cpu = p->g.cpu;

	p->status = -1;
	while (p->status < 0) {
		struct x86_exit x;

		assert_int_equal(x86_run(cpu, &x, 500000000), 0);
		if (x.reason == VMX_EXIT_CPUID) {
			cpuid(cpu);
			x86_skip(cpu, x.insn_len);
		} else if (x.reason == VMX_EXIT_HLT) {
			const int64_t v = system_call(p);

			cpu->rip = cpu->regs.rcx;
			cpu->regs.rax = (uint64_t)v;
			g_user(&p->g, cpu->rip);
		} else {
			fail_msg("exit %#x at %#llx, interruption %#x, cr2 %#llx, bytes %02x %02x "
				 "%02x %02x",
				 x.reason, (unsigned long long)cpu->rip, x.intr_info,
				 (unsigned long long)cpu->cr2, x.insn[0], x.insn[1], x.insn[2],
				 x.insn[3]);
		}
	}
}

static void a_static_program_prints_what_it_prints_natively(void **state)
{
	static struct process p;
	static char native[sizeof(p.out)];
	char command[4096];
	size_t n;
	FILE *f;
	int status;

	(void)state;
	snprintf(command, sizeof(command), "exec '%s' argument", path);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(native, 1, sizeof(native) - 1, f);
	status = pclose(f);
	start(&p);
	run(&p);
	assert_string_equal(p.out, native);
	assert_int_equal(p.used, n);
	assert_true(n > 500);
	assert_int_equal(p.status, WEXITSTATUS(status));
	assert_int_equal(p.status, 42);
	g_close(&p.g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_static_program_prints_what_it_prints_natively),
	};

	if (argc < 2)
		return 2;
	path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
