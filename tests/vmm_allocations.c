/* SPDX-License-Identifier: MIT */
/* A TD's whole life, from power-on to power-off, with one allocation after the other failing: of
 * the libraries' own memory and of OpenSSL's. Nothing crashes, nothing is left allocated, and what
 * is reported as done is right. (Pages of the simulated host that fail: vmm_faults.c.) */
#include "vmm_setup.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <openssl/crypto.h>
#include <swtdx/attest.h>
#include <swtdx/simulated.h>
#include <swtdx/x86.h>

/* --- memory that runs out --- */

static struct {
	_Atomic long live;
	_Atomic long left; /* how many more succeed; negative: all */
	_Atomic bool failed;
} heap = {.left = -1}; /* not one of what comes before main(), such as counters of lines */

static bool fails(void)
{
	long left = heap.left;

	while (left > 0 && !atomic_compare_exchange_weak(&heap.left, &left, left - 1))
		;
	if (left != 0)
		return false;
	/* One alone: what comes after it works again. */
	atomic_store(&heap.left, -1);
	atomic_store(&heap.failed, true);
	return true;
}

static void *counted(void *p)
{
	heap.live += p != NULL;
	return p;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *p);
void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void __wrap_free(void *p);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	void *q = fails() ? NULL : __real_realloc(p, size);

	heap.live += q && !p;
	return q;
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : counted(__real_aligned_alloc(align, size));
}

void __wrap_free(void *p)
{
	heap.live -= p != NULL;
	__real_free(p);
}

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	return fails() ? MAP_FAILED : __real_mmap(at, len, prot, flags, fd, off);
}

static void *crypto_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : __real_malloc(size);
}

static void *crypto_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : __real_realloc(p, size);
}

static void crypto_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	__real_free(p);
}

/* --- lives --- */

struct life {
	bool native;
	/* what came of it */
	bool ran, reported;
	struct tdx_report report;
};

static void takes_a_report(struct tdx_native_cpu *cpu, void *arg)
{
	const uint64_t at = 0x2000, data = 0x3000;
	struct life *l = arg;
	uint32_t word;

	guest_accept(cpu, at, TDX_LEVEL_4K);
	guest_accept(cpu, data, TDX_LEVEL_4K);
	l->reported = tdx_is_success(guest_tdcall(cpu, TDG_MR_REPORT, at, data)) &&
		      tdx_native_read(cpu, gpa(at), &l->report, sizeof(l->report));
	tdx_native_read(cpu, gpa(RIG_SHARED + (1ull << 32)), &word, sizeof(word));
	guest_vmcall(cpu, TDVMCALL_WRMSR, 0x6e0, 1, NULL);
	guest_vmcall(cpu, TDVMCALL_MAP_GPA, RIG_SHARED + 0x4000, TDX_PAGE_SIZE, NULL);
	tdx_native_read(cpu, gpa(RIG_SHARED + 0x4000), &word, sizeof(word));
	guest_halt(cpu);
}

/* In 32-bit code: MOV EAX, [0xffffe000], added; UD2, and no IDT. */
static const uint8_t reset_code[] = {0xa1, 0x00, 0xe0, 0xff, 0xff, 0x0f, 0x0b};

static void run(struct life *l, struct tdx_vm *vm, struct tdx_vcpu *vcpu)
{
	struct tdx_run r;

	for (unsigned turns = 0; turns < 1000 && !tdx_vcpu_run(vcpu, -1, &r); turns++)
		switch (r.exit) {
		case TDX_EXIT_HLT:
			l->ran = true;
			return;
		case TDX_EXIT_SHUTDOWN:
			l->ran = !l->native;
			return;
		case TDX_EXIT_INTERNAL_ERROR:
			return;
		case TDX_EXIT_MEMORY_FAULT:
			if (tdx_vm_set_private(vm, r.memory_fault.gpa, r.memory_fault.size,
					       r.memory_fault.private_))
				return;
			break;
		default:
			break;
		}
}

static int build(struct tdx_vmm *vmm, struct tdx_vm *vm, bool irqchip, struct tdx_vcpu **vcpu)
{
	const struct tdx_host_info *info = tdx_vmm_info(vmm);
	struct tdx_vm_params p = {.attributes = TDX_ATTR_SEPT_VE_DISABLE,
				  .xfam = (info->xfam_fixed1 | 3) & info->xfam_fixed0,
				  .max_vcpus = 2,
				  .irqchip = irqchip};
	static uint8_t page[4096];
	int err = tdx_vm_init(vm, &p);

	memcpy(page + 0xff0, reset_code, sizeof(reset_code));
	if (!err)
		err = tdx_vm_set_memslot(vm, 0, gpa(0), RIG_RAM);
	if (!err)
		err = tdx_vm_set_memslot(vm, 1, gpa(0xffffe000), 2 * TDX_PAGE_SIZE);
	if (!err)
		err = tdx_vm_add_page(vm, gpa(0xffffe000), page, true);
	if (!err)
		err = tdx_vm_add_page(vm, gpa(0xfffff000), page, true);
	if (!err)
		err = tdx_vcpu_new(vm, 0, vcpu);
	if (!err)
		err = tdx_vcpu_init(*vcpu, 0);
	return err ? err : tdx_vm_finalize(vm);
}

static void on_a_machine(struct life *l, struct tdx_model *model)
{
	struct tdx_range map[TDX_MAX_CMRS];
	struct tdx_range memory[TDX_MAX_CMRS];
	const struct tdx_port *cpu[2];
	struct tdx_vmm_config cfg = {.cpus = cpu, .ncpus = 2, .memory = memory};
	struct tdx_vcpu *vcpu;
	struct tdx_vmm *vmm;
	struct tdx_vm *vm;
	char err[256];

	for (unsigned i = 0; i < 2; i++)
		cpu[i] = tdx_model_port(model, i);
	cfg.nranges = tdx_model_memory(model, map, TDX_MAX_CMRS);
	for (unsigned i = 0; i < cfg.nranges; i++)
		memory[i] = (struct tdx_range){map[i].base, map[i].size};
	if (tdx_vmm_new(&cfg, &vmm, err, sizeof(err)))
		return;
	if (tdx_vm_new(vmm, &vm) == 0) {
		if (build(vmm, vm, l->native, &vcpu) == 0)
			run(l, vm, vcpu);
		tdx_vm_destroy(vm);
	}
	tdx_vmm_free(vmm);
}

static void live(struct life *l)
{
	struct tdx_engine *engine;
	struct tdx_model *model;
	struct machine_config mc;
	char err[256];

	machine_default_config(&mc);
	mc.ncmr = 1;
	mc.cmr[0] = (struct machine_range){1ull << 30, 256ull << 20};
	mc.mem_end = mc.cmr[0].base + mc.cmr[0].size;
	mc.lps = 2;
	model = tdx_model_new_from(&mc, err, sizeof(err));
	if (!model)
		return;
	tdx_model_watch(model, RIG_REPORTS);
	engine = l->native ? tdx_native_engine_new(takes_a_report, l)
			   : tdx_x86_engine_new(NULL, NULL);
	if (engine) {
		tdx_model_set_engine(model, engine);
		on_a_machine(l, model);
	}
	tdx_model_free(model);
}

/* One life for each allocation of a life. */
static void each_allocation_may_fail(bool native)
{
	struct life whole = {.native = native};
	long n = 0, first;

	/* What is allocated once for all is, before anything is counted. */
	heap.left = -1;
	live(&whole);
	assert_true(whole.ran && whole.reported == native);
	first = heap.live;
	do {
		struct life l = {.native = native};
		struct tdx_attest_error why = {0};

		heap.failed = false;
		heap.left = n++;
		live(&l);
		heap.left = -1;
		if (heap.live != first)
			fail_msg("allocation %ld of a life: %ld are left behind", n,
				 (long)(heap.live - first));
		if (l.reported && tdx_report_verify(&l.report, SWTDX_REPORT_KEY,
						    SWTDX_REPORT_KEY_SIZE, &why) != 0)
			fail_msg("allocation %ld of a life: a report with a wrong MAC", n);
	} while (heap.failed);
	print_message("%ld allocations\n", n - 1);
	assert_true(n > 20);
}

static void each_allocation_of_a_native_td_may_fail(void **state)
{
	(void)state;
	each_allocation_may_fail(true);
}

static void each_allocation_of_a_td_that_executes_may_fail(void **state)
{
	(void)state;
	each_allocation_may_fail(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_of_a_native_td_may_fail),
		cmocka_unit_test(each_allocation_of_a_td_that_executes_may_fail),
	};

	CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
