/* SPDX-License-Identifier: MIT */
/* What a running TD asks its host for, and what the monitor makes of it: an answer of its own, an
 * exit to its user, or a refusal. GHCI by way of KVM's dispatch. */
#include "guest_td.h"

#include "machine/splitmix.h"

struct talk {
	struct tdvmcall_status s[17];
	uint64_t value[4], out[4];
	uint32_t io;
	unsigned n;
	struct tdx_run seen[16]; /* exits to the user, in order */
	unsigned nseen;
	uint64_t seed;
	unsigned made, odd;
};

static bool notes_it(struct td *t, struct tdx_run *run)
{
	struct talk *k = t->arg;

	if (k->nseen < 16)
		k->seen[k->nseen++] = *run;
	switch (run->exit) {
	case TDX_EXIT_IO:
		run->io.data = 0x12345678;
		return true;
	case TDX_EXIT_MMIO:
		run->mmio.data = 0x1122334455667788;
		return true;
	case TDX_EXIT_TDVMCALL:
		run->tdvmcall.ret = TDVMCALL_SUCCESS;
		for (unsigned i = 0; i < 4; i++)
			run->tdvmcall.out[i] = 0xa0 + i;
		return true;
	case TDX_EXIT_HLT:
		return !t->finished && run->hlt.irq_blocked;
	default:
		return false;
	}
}

static struct td *start(td_guest_fn *guest, struct talk *k)
{
	struct td *t = td_new(guest, 1, TDX_ATTR_SEPT_VE_DISABLE);

	t->arg = k;
	t->on_exit = notes_it;
	return t;
}

/* --- devices --- */

static void reads_devices(struct td *t, struct guest_native *g, const struct tdg_td *td,
			  unsigned vcpu)
{
	struct talk *k = t->arg;
	const struct tdg_port *p = &g->port;

	k->s[0] = tdvmcall_io_read(p, 0x3fd, 1, &k->io);
	k->value[0] = k->io;
	k->s[1] = tdvmcall_io_write(p, 0x80, 4, 0xcafef00d);
	k->s[2] = tdvmcall_mmio_read(p, gpa(td->shared | 0xfec00000), 4, &k->value[1]);
	k->s[3] = tdvmcall_mmio_write(p, gpa(td->shared | 0xfec00010), 8, ~1ull);
	k->n = 1;
}

static void port_and_mmio_accesses_are_the_users(void **state)
{
	struct talk k = {.n = 0};
	struct td *t = start(reads_devices, &k);

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(k.n, 1);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(k.s[i].raw, TDVMCALL_SUCCESS);
	assert_int_equal(k.value[0], 0x78);
	assert_int_equal(k.value[1], 0x55667788);
	assert_int_equal(k.seen[0].exit, TDX_EXIT_IO);
	assert_int_equal(k.seen[0].io.port, 0x3fd);
	assert_int_equal(k.seen[0].io.size, 1);
	assert_false(k.seen[0].io.write);
	assert_true(k.seen[1].io.write);
	assert_int_equal(k.seen[1].io.data, 0xcafef00d);
	assert_int_equal(k.seen[2].exit, TDX_EXIT_MMIO);
	assert_int_equal(k.seen[2].mmio.gpa.v, 0xfec00000); /* without the shared bit */
	assert_int_equal(k.seen[2].mmio.size, 4);
	assert_true(k.seen[3].mmio.write);
	assert_int_equal(k.seen[3].mmio.data, ~1ull);
	td_free(t);
}

static struct tdvmcall_status raw(struct guest_native *g, uint64_t r11, uint64_t r12, uint64_t r13,
				  uint64_t r14)
{
	struct tdx_regs r = {.rcx = 0xfc00, .r11 = r11, .r12 = r12, .r13 = r13, .r14 = r14};

	(void)!tdx_is_success(tdg_vp_vmcall(&g->port, &r));
	return (struct tdvmcall_status){r.r10};
}

static void asks_wrongly(struct td *t, struct guest_native *g, const struct tdg_td *td,
			 unsigned vcpu)
{
	struct talk *k = t->arg;

	k->s[k->n++] = raw(g, TDVMCALL_IO, 3, 0, 0x80); /* a size that is none */
	k->s[k->n++] = raw(g, TDVMCALL_IO, 8, 0, 0x80);
	k->s[k->n++] = raw(g, TDVMCALL_IO, 1, 2, 0x80); /* a direction that is none */
	k->s[k->n++] = raw(g, TDVMCALL_IO, 1, 0, 0x10000);
	k->s[k->n++] = raw(g, TDVMCALL_MMIO, 4, 0, 0xfec00000); /* private */
	k->s[k->n++] = raw(g, TDVMCALL_MMIO, 16, 0, td->shared);
	k->s[k->n++] = raw(g, TDVMCALL_MMIO, 0, 0, td->shared);
	k->s[k->n++] = raw(g, TDVMCALL_MMIO, 4, 0, td->shared << 1 | td->shared);
	k->s[k->n++] = raw(g, TDVMCALL_GET_TD_VM_CALL_INFO, 2, 0, 0);
	k->s[k->n++] = raw(g, TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT, 31, 0, 0);
	k->s[k->n++] = raw(g, TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT, 256, 0, 0);
	k->s[k->n++] = raw(g, TDVMCALL_RDMSR, 0xc0000099, 0, 0);
	k->s[k->n++] = raw(g, TDVMCALL_WRMSR, 0x1b, 0x1234, 0); /* read-only */
	/* private at its begin and shared at its end, by a page and by all of it; beyond both */
	k->s[k->n++] = raw(g, TDVMCALL_MAP_GPA, td->shared - 0x1000, 0x2000, 0);
	k->s[k->n++] = raw(g, TDVMCALL_MAP_GPA, 0, td->shared + 0x1000, 0);
	k->s[k->n++] = raw(g, TDVMCALL_MAP_GPA, (td->shared << 1) - 0x1000, 0x2000, 0);
	k->s[k->n++] = raw(g, TDVMCALL_MAP_GPA, ~0xfffull, 0x2000, 0);
}

static void operands_that_are_none_are_refused_without_an_exit(void **state)
{
	struct talk k = {.n = 0};
	struct td *t = start(asks_wrongly, &k);

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(k.n, 17);
	for (unsigned i = 0; i < k.n; i++)
		assert_int_equal(k.s[i].raw, TDVMCALL_INVALID_OPERAND);
	assert_int_equal(k.nseen, 1); /* the end: HLT */
	td_free(t);
}

static void asks_for_what_is_not_there(struct td *t, struct guest_native *g,
				       const struct tdg_td *td, unsigned vcpu)
{
	static const uint64_t leaves[] = {0,
					  1,
					  11,
					  VMX_EXIT_WBINVD,
					  0xffff,
					  TDVMCALL_SERVICE,
					  TDVMCALL_MIGTD,
					  0x10007,
					  1ull << 32 | 30,
					  ~0ull};
	struct talk *k = t->arg;
	struct tdx_regs vendor = {.rcx = 0xfc00, .r10 = 1, .r11 = TDVMCALL_MAP_GPA};

	for (; k->n < sizeof(leaves) / sizeof(*leaves); k->n++)
		k->s[k->n] = raw(g, leaves[k->n], 1, 2, 3);
	(void)!tdx_is_success(tdg_vp_vmcall(&g->port, &vendor));
	k->s[k->n++].raw = vendor.r10;
}

static void calls_nobody_knows_are_unsupported(void **state)
{
	struct talk k = {.n = 0};
	struct td *t = start(asks_for_what_is_not_there, &k);

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(k.n, 11);
	for (unsigned i = 0; i < k.n; i++)
		assert_int_equal(k.s[i].raw, TDVMCALL_SUBFUNC_UNSUPPORTED);
	td_free(t);
}

/* --- the rest --- */

static void asks_for_info(struct td *t, struct guest_native *g, const struct tdg_td *td,
			  unsigned vcpu)
{
	struct talk *k = t->arg;
	const struct tdg_port *p = &g->port;

	k->s[0] = tdvmcall_get_info(p, 0, k->value);
	k->s[1] = tdvmcall_get_info(p, 1, k->out);
	k->s[2] = tdvmcall_setup_event_notify(p, 0x41);
	k->s[3] = tdvmcall_hlt(p, true);
	k->n = 1;
}

static void information_and_notification_are_the_users(void **state)
{
	struct talk k = {.value = {1, 1, 1, 1}};
	struct td *t = start(asks_for_info, &k);

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(k.n, 1);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(k.s[i].raw, 0);
		assert_int_equal(k.value[i], 0);
		assert_int_equal(k.out[i], 0xa0 + i);
	}
	assert_int_equal(k.seen[0].tdvmcall.leaf, TDVMCALL_GET_TD_VM_CALL_INFO);
	assert_int_equal(k.seen[0].tdvmcall.in[0], 1);
	assert_int_equal(k.seen[1].tdvmcall.leaf, TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT);
	assert_int_equal(k.seen[1].tdvmcall.in[0], 0x41);
	assert_int_equal(k.seen[2].exit, TDX_EXIT_HLT);
	assert_true(k.seen[2].hlt.irq_blocked);
	td_free(t);
}

static void dies(struct td *t, struct guest_native *g, const struct tdg_td *td, unsigned vcpu)
{
	(void)!tdvmcall_is_success(tdvmcall_report_fatal_error(
		&g->port, 0x77,
		"out of cheese; redo from start, please, and mind the gap, all!!!"));
}

static void a_fatal_error_comes_with_all_registers(void **state)
{
	struct talk k = {.n = 0};
	struct td *t = start(dies, &k);
	const struct tdx_regs *r;
	char text[65] = "";

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(k.seen[0].exit, TDX_EXIT_SYSTEM_EVENT);
	r = (const struct tdx_regs *)k.seen[0].system_event.data;
	assert_int_equal(r->r12, 0x77);
	memcpy(text, &r->r14, 8);
	memcpy(text + 8, &r->r15, 8);
	memcpy(text + 16, &r->rbx, 8);
	memcpy(text + 24, &r->rdi, 8);
	memcpy(text + 32, &r->rsi, 8);
	memcpy(text + 40, &r->r8, 8);
	memcpy(text + 48, &r->r9, 8);
	memcpy(text + 56, &r->rdx, 8);
	assert_string_equal(text,
			    "out of cheese; redo from start, please, and mind the gap, all!!!");
	td_free(t);
}

/* --- a hostile guest --- */

static uint64_t any(struct talk *k)
{
	return splitmix_next(&k->seed);
}

/* Numbers that mean something to somebody, now and then. */
static uint64_t plausible(struct talk *k, const struct tdg_td *td)
{
	uint64_t v = any(k);

	switch (v >> 60 & 7) {
	case 0:
		return v & 0x3f;
	case 1:
		return (v & 0x7) << 12;
	case 2:
		return td->shared | (v & 0xffff) << 12;
	case 3:
		return 0x10000 + (v & 7);
	case 4:
		return TD_RAM - (v & 3) * 4096;
	case 5:
		return 0 - (v & 0xf) * 4096;
	default:
		return v;
	}
}

static void says_anything(struct td *t, struct guest_native *g, const struct tdg_td *td,
			  unsigned vcpu)
{
	struct talk *k = t->arg;

	for (unsigned i = 0; i < 30000; i++) {
		struct tdx_regs r;

		for (unsigned n = 0; n < 16; n++)
			*tdx_reg(&r, n) = plausible(k, td);
		r.rax = 0;
		r.rcx = any(k) % 4 ? 0xffcc : any(k);
		r.r10 = any(k) % 16 ? 0 : any(k);
		if (r.r11 == TDVMCALL_REPORT_FATAL_ERROR)
			r.r11 = TDVMCALL_IO;
		tdx_native_tdcall(g->cpu, &r);
		k->made++;
		k->odd += r.rax != 0;
	}
}

static bool serves_anything(struct td *t, struct tdx_run *run)
{
	struct talk *k = t->arg;
	struct tdx_quote_job job;

	if (run->exit == TDX_EXIT_GET_QUOTE && any(k) % 2 && !tdx_vm_quote_take(t->vm, run, &job))
		tdx_vm_quote_give(t->vm, &job, NULL);
	if (run->exit == TDX_EXIT_MAP_GPA)
		run->map_gpa.ret = any(k) % 4 ? 0 : any(k) % 2 ? -EAGAIN : -EINVAL;
	return !__atomic_load_n(&t->finished, __ATOMIC_RELAXED) && run->exit != TDX_EXIT_SHUTDOWN &&
	       run->exit != TDX_EXIT_INTERNAL_ERROR;
}

static void no_registers_of_a_guest_harm_the_monitor(void **state)
{
	for (uint64_t seed = 1; seed < 4; seed++) {
		struct talk k = {.seed = seed};
		struct td *t = start(says_anything, &k);

		t->on_exit = serves_anything;
		assert_int_equal(td_run(t, 0), 0);
		assert_string_equal(t->log, "");
		assert_int_equal(k.made, 30000);
		assert_true(k.odd > 1000 && k.odd < 20000);
		assert_int_equal(tdx_vm_state(t->vm), TDX_VM_RUNNABLE);
		td_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_and_mmio_accesses_are_the_users),
		cmocka_unit_test(operands_that_are_none_are_refused_without_an_exit),
		cmocka_unit_test(calls_nobody_knows_are_unsupported),
		cmocka_unit_test(information_and_notification_are_the_users),
		cmocka_unit_test(a_fatal_error_comes_with_all_registers),
		cmocka_unit_test(no_registers_of_a_guest_harm_the_monitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
