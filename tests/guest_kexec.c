/* SPDX-License-Identifier: MIT */
/* What a TD's kernel leaves to the next one: no shared page, and as many made private as were
 * shared. And the calls and #VE that are for before and beside all that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include <swtdx/guest.h>

#include "abi/ghci.h"
#include "arch/vmx.h"

enum { PAGES = 64, NEVER = -1 };
#define SHARED (1ull << 47)

/* The machine under the TD, and its kernel's page tables. */
struct world {
	struct tdg_port port;
	struct tdg_td td;
	struct tdg_memory mm;
	struct tdg_conversions conversions;
	bool host_shared[PAGES], pending[PAGES], mapped_shared[PAGES];
	unsigned leaked, flushed;
	int refuse;		/* conversion of this page */
	struct tdx_regs vmcall; /* the last one that is no MapGPA, and its answer */
	uint64_t answer_r10, answer_r11;
	struct {
		uint64_t reason, qualification, length;
	} ve;
	_Atomic bool hold, held; /* a conversion stands still in the host */
};

static void map_gpa(struct world *w, struct tdx_regs *r)
{
	uint64_t at = (r->r12 & ~SHARED) >> 12, n = r->r13 >> 12;

	if (atomic_load(&w->hold)) {
		atomic_store(&w->held, true);
		while (atomic_load(&w->hold))
			sched_yield();
	}
	r->r10 = TDVMCALL_SUCCESS;
	for (uint64_t i = at; i < at + n; i++) {
		assert_true(i < PAGES);
		if (w->refuse == (int)i) {
			r->r10 = TDVMCALL_INVALID_OPERAND;
			return;
		}
		w->host_shared[i] = r->r12 & SHARED;
		w->pending[i] = !w->host_shared[i];
	}
}

static void tdcall(const struct tdg_port *port, struct tdx_regs *r)
{
	struct world *w = port->ctx;
	uint64_t page = r->rcx >> 12;

	switch ((unsigned)r->rax & 0xffff) {
	case TDG_VP_VMCALL:
		r->rax = 0;
		if (r->r10 == 0 && r->r11 == TDVMCALL_MAP_GPA) {
			map_gpa(w, r);
			return;
		}
		w->vmcall = *r;
		r->r10 = w->answer_r10;
		r->r11 = w->answer_r11;
		return;
	case TDG_MEM_PAGE_ACCEPT:
		assert_true(page < PAGES);
		if (r->rcx & 7)
			r->rax = TDX_PAGE_SIZE_MISMATCH;
		else if (!w->pending[page])
			r->rax = TDX_PAGE_ALREADY_ACCEPTED;
		else {
			r->rax = 0;
			w->pending[page] = false;
		}
		return;
	case TDG_VP_VEINFO_GET:
		*r = (struct tdx_regs){.rcx = w->ve.reason,
				       .rdx = w->ve.qualification,
				       .r10 = w->ve.length,
				       .rax = w->ve.reason ? 0 : TDX_NO_VALID_VE_INFO};
		return;
	default:
		fail_msg("leaf %llu", (unsigned long long)r->rax);
	}
}

static void relax(const struct tdg_port *port)
{
	(void)port;
	sched_yield();
}

static int set_shared(void *ctx, gpa_t start, uint64_t size, bool shared)
{
	struct world *w = ctx;

	for (uint64_t a = start.v; a < start.v + size; a += 4096)
		w->mapped_shared[a >> 12] = shared;
	return 0;
}

static void flush(void *ctx, gpa_t start, uint64_t size)
{
	(void)start;
	(void)size;
	((struct world *)ctx)->flushed++;
}

static void leak(void *ctx, gpa_t start, uint64_t size)
{
	(void)start;
	((struct world *)ctx)->leaked += (unsigned)(size >> 12);
}

static bool unmap_shared(void *ctx, gpa_t from, gpa_t *start, uint64_t *size)
{
	struct world *w = ctx;
	uint64_t i = from.v >> 12;

	while (i < PAGES && !w->mapped_shared[i])
		i++;
	if (i >= PAGES)
		return false;
	*start = gpa(i << 12);
	for (*size = 0; i < PAGES && w->mapped_shared[i]; i++, *size += 4096)
		w->mapped_shared[i] = false;
	return true;
}

static void start(struct world *w)
{
	static const struct tdg_port_ops ops = {.tdcall = tdcall, .relax = relax};

	memset(w, 0, sizeof(*w));
	w->port = (struct tdg_port){&ops, w};
	w->td = (struct tdg_td){.gpa_width = 48, .shared = SHARED};
	w->mm = (struct tdg_memory){.set_shared = set_shared,
				    .flush = flush,
				    .leak = leak,
				    .ctx = w,
				    .conversions = &w->conversions,
				    .unmap_shared = unmap_shared};
	w->refuse = NEVER;
}

static int share(struct world *w, unsigned first, unsigned n)
{
	return tdg_share(&w->port, &w->td, &w->mm, gpa((uint64_t)first << 12), (uint64_t)n << 12,
			 NULL, NULL);
}

static int take_back(struct world *w, unsigned first, unsigned n)
{
	return tdg_unshare(&w->port, &w->td, &w->mm, gpa((uint64_t)first << 12), (uint64_t)n << 12,
			   NULL, NULL);
}

static void every_shared_page_is_private_for_the_next_kernel(void **state)
{
	struct tdg_kexec_result r;
	struct world w;

	(void)state;
	start(&w);
	assert_int_equal(share(&w, 3, 5), 0);
	assert_int_equal(share(&w, 20, 1), 0);
	assert_int_equal(share(&w, 60, 4), 0);
	assert_int_equal(take_back(&w, 4, 2), 0);
	assert_int_equal(tdg_kexec_begin(&w.port, &w.conversions, false), 0);
	assert_int_equal(tdg_kexec_finish(&w.port, &w.td, &w.mm, &w.conversions, NULL, &r), 0);
	assert_int_equal(r.expected, 8);
	assert_int_equal(r.found, 8);
	assert_int_equal(r.failed, 0);
	for (unsigned i = 0; i < PAGES; i++)
		assert_false(w.host_shared[i] || w.pending[i] || w.mapped_shared[i]);
	assert_int_equal(w.leaked, 0);
}

static void no_conversion_begins_after_that(void **state)
{
	struct tdg_convert_result r;
	struct world w;

	(void)state;
	start(&w);
	assert_int_equal(share(&w, 1, 1), 0);
	assert_int_equal(tdg_kexec_begin(&w.port, &w.conversions, false), 0);
	assert_int_equal(share(&w, 2, 1), -EBUSY);
	assert_int_equal(take_back(&w, 1, 1), -EBUSY);
	assert_int_equal(tdg_share(&w.port, &w.td, &w.mm, gpa(0x3000), 4096, NULL, &r), -EBUSY);
	assert_false(r.leaked);
	assert_int_equal(w.leaked, 0);
	assert_false(w.host_shared[2] || w.mapped_shared[2]);
}

static void *share_one(void *arg)
{
	struct world *w = arg;

	return (void *)(intptr_t)share(w, 7, 1);
}

static void *stop(void *arg)
{
	struct world *w = arg;

	return (void *)(intptr_t)tdg_kexec_begin(&w->port, &w->conversions, false);
}

static void one_under_way_is_waited_for_but_not_in_a_crash(void **state)
{
	struct tdg_kexec_result r;
	pthread_t sharer, stopper;
	struct world w;
	void *result;

	(void)state;
	start(&w);
	atomic_store(&w.hold, true);
	assert_int_equal(pthread_create(&sharer, NULL, share_one, &w), 0);
	while (!atomic_load(&w.held))
		sched_yield();
	assert_int_equal(tdg_kexec_begin(&w.port, &w.conversions, true), -EBUSY);
	assert_int_equal(pthread_create(&stopper, NULL, stop, &w), 0);
	atomic_store(&w.hold, false);
	pthread_join(sharer, &result);
	assert_null(result);
	pthread_join(stopper, &result);
	assert_null(result);
	assert_int_equal(tdg_kexec_finish(&w.port, &w.td, &w.mm, &w.conversions, NULL, &r), 0);
	assert_int_equal(r.found, 1);
}

/* A failure does not end it: the others are made private, and the numbers say what is wrong. */
static void what_cannot_be_made_private_is_counted(void **state)
{
	struct tdg_kexec_result r;
	struct world w;

	(void)state;
	start(&w);
	assert_int_equal(share(&w, 1, 2), 0);
	assert_int_equal(share(&w, 10, 1), 0);
	assert_int_equal(share(&w, 12, 3), 0);
	w.refuse = 10;
	assert_int_equal(tdg_kexec_begin(&w.port, &w.conversions, false), 0);
	assert_int_equal(tdg_kexec_finish(&w.port, &w.td, &w.mm, &w.conversions, NULL, &r), -EIO);
	assert_int_equal(r.found, 6);
	assert_int_equal(r.failed, 1);
	assert_int_equal(r.failed_at.v, 10ull << 12);
	assert_false(w.host_shared[1] || w.host_shared[14]);
}

static void a_page_nobody_counted_is_noticed(void **state)
{
	struct tdg_kexec_result r;
	struct world w;

	(void)state;
	start(&w);
	assert_int_equal(share(&w, 1, 2), 0);
	w.mapped_shared[30] = w.host_shared[30] = true; /* by other means */
	assert_int_equal(tdg_kexec_begin(&w.port, &w.conversions, false), 0);
	assert_int_equal(tdg_kexec_finish(&w.port, &w.td, &w.mm, &w.conversions, NULL, &r), -EIO);
	assert_int_equal(r.expected, 2);
	assert_int_equal(r.found, 3);
	assert_int_equal(r.failed, 0);
	assert_false(w.host_shared[30]);
}

static void a_failed_conversion_is_not_counted(void **state)
{
	struct world w;

	(void)state;
	start(&w);
	w.refuse = 5;
	assert_int_equal(share(&w, 4, 3), -EIO);
	assert_int_equal(w.leaked, 3);
	assert_int_equal(w.conversions.shared_pages, 0);
	assert_int_equal(tdg_kexec_begin(&w.port, &w.conversions, false), 0);
}

static void kvm_hears_its_number_and_four_operands(void **state)
{
	const uint64_t operand[4] = {11, 12, 13, 14};
	struct world w;

	(void)state;
	start(&w);
	w.answer_r10 = (uint64_t)-95; /* as KVM says that it has no such call */
	assert_int_equal(tdvmcall_kvm(&w.port, 12, operand).raw, (uint64_t)-95);
	assert_int_equal(w.vmcall.rcx, 0x7c00); /* R10 to R14 and no other */
	assert_int_equal(w.vmcall.r10, 12);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(*tdx_reg(&w.vmcall, 11 + i), operand[i]);
	/* 0 is no vendor's: not made */
	memset(&w.vmcall, 0, sizeof(w.vmcall));
	assert_int_equal(tdvmcall_kvm(&w.port, 0, operand).raw, TDVMCALL_NOT_MADE);
	assert_int_equal(w.vmcall.rcx, 0);
}

static void before_there_is_a_handler_only_ports_are_answered(void **state)
{
	struct tdg_frame f = {.rip = 0x1000, .regs.rax = 0x41};
	struct world w;

	(void)state;
	start(&w);
	w.ve.reason = VMX_EXIT_IO; /* OUT of a byte to port 0x3f8 */
	w.ve.qualification = 0x3f8ull << 16;
	w.ve.length = 1;
	assert_int_equal(tdg_ve_early(&w.port, &f), TDG_VE_RESUME);
	assert_int_equal(f.rip, 0x1001);
	assert_int_equal(w.vmcall.r11, TDVMCALL_IO);
	assert_int_equal(w.vmcall.r15, 0x41);
	w.ve.reason = VMX_EXIT_CPUID;
	assert_int_equal(tdg_ve_early(&w.port, &f), TDG_VE_FAULT);
	w.ve.reason = VMX_EXIT_RDMSR;
	assert_int_equal(tdg_ve_early(&w.port, &f), TDG_VE_FAULT);
	assert_int_equal(f.rip, 0x1001);
	w.ve.reason = 0; /* none */
	assert_int_equal(tdg_ve_early(&w.port, &f), TDG_VE_PANIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shared_page_is_private_for_the_next_kernel),
		cmocka_unit_test(no_conversion_begins_after_that),
		cmocka_unit_test(one_under_way_is_waited_for_but_not_in_a_crash),
		cmocka_unit_test(what_cannot_be_made_private_is_counted),
		cmocka_unit_test(a_page_nobody_counted_is_noticed),
		cmocka_unit_test(a_failed_conversion_is_not_counted),
		cmocka_unit_test(kvm_hears_its_number_and_four_operands),
		cmocka_unit_test(before_there_is_a_handler_only_ports_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
