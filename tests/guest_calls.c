/* SPDX-License-Identifier: MIT */
/* Every call of the guest library: what the host is shown and what is left of its answer, the
 * instruction, the module's leaves on the model, and the first calls of a TD. */
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#include "guest_host.h"
#include "guest_td.h"

/* --- what the host sees --- */

static void remembers(struct host *h, struct tdx_regs *r)
{
	*(struct tdx_regs *)h->arg = *r;
	r->rax = 0;
	r->r10 = TDVMCALL_INVALID_OPERAND;
}

struct calls {
	const struct tdg_port *p;
	uint64_t value[4];
	struct tdx_cpuid_values cpuid;
	uint32_t io;
};

typedef struct tdvmcall_status call_fn(struct calls *c);

#define CALL(name, expr)                                                                           \
	static struct tdvmcall_status do_##name(struct calls *c)                                   \
	{                                                                                          \
		return expr;                                                                       \
	}
CALL(cpuid, tdvmcall_cpuid(c->p, 0x40000000, 7, &c->cpuid))
CALL(hlt, tdvmcall_hlt(c->p, true))
CALL(io_read, tdvmcall_io_read(c->p, 0x3f8, 2, &c->io))
CALL(io_write, tdvmcall_io_write(c->p, 0x3f8, 2, 0xabcd1234))
CALL(rdmsr, tdvmcall_rdmsr(c->p, 0x1b, c->value))
CALL(wrmsr, tdvmcall_wrmsr(c->p, 0x1b, 0x1234))
CALL(mmio_read, tdvmcall_mmio_read(c->p, gpa(SHARED_BIT | 0x1000), 8, c->value))
CALL(mmio_write, tdvmcall_mmio_write(c->p, gpa(SHARED_BIT | 0x1000), 4, ~0ull))
CALL(get_info, tdvmcall_get_info(c->p, 1, c->value))
CALL(map_gpa, tdvmcall_map_gpa(c->p, gpa(SHARED_BIT | 0x1000), 0x3000, c->value))
CALL(get_quote, tdvmcall_get_quote(c->p, gpa(SHARED_BIT | 0x1000), 0x2000))
CALL(fatal, tdvmcall_report_fatal_error(c->p, 9, "0123456789abcdefghijklmn"))
CALL(notify, tdvmcall_setup_event_notify(c->p, 0x55))

static const struct {
	call_fn *fn;
	uint64_t leaf, mask, r12, r13, r14, r15;
} table[] = {
	{do_cpuid, 10, 0xfc00, 0x40000000, 7, 0, 0},
	{do_hlt, 12, 0x1c00, 1, 0, 0, 0},
	{do_io_read, 30, 0xfc00, 2, 0, 0x3f8, 0},
	{do_io_write, 30, 0xfc00, 2, 1, 0x3f8, 0x1234},
	{do_rdmsr, 31, 0x1c00, 0x1b, 0, 0, 0},
	{do_wrmsr, 32, 0x3c00, 0x1b, 0x1234, 0, 0},
	{do_mmio_read, 48, 0xfc00, 8, 0, SHARED_BIT | 0x1000, 0},
	{do_mmio_write, 48, 0xfc00, 4, 1, SHARED_BIT | 0x1000, 0xffffffff},
	{do_get_info, 0x10000, 0x7c00, 1, 0, 0, 0},
	{do_map_gpa, 0x10001, 0x3c00, SHARED_BIT | 0x1000, 0x3000, 0, 0},
	{do_get_quote, 0x10002, 0x3c00, SHARED_BIT | 0x1000, 0x2000, 0, 0},
	{do_fatal, 0x10003, 0xdfcc, 9, 0, 0x3736353433323130, 0x6665646362613938},
	{do_notify, 0x10004, 0x1c00, 0x55, 0, 0, 0},
};
enum { CALLS = sizeof(table) / sizeof(*table) };

static void the_host_sees_the_registers_of_the_call_and_no_other(void **state)
{
	struct host *h = host_new(host_converts_all, 0);
	struct tdg_port_ops ops = host_ops;
	struct tdx_regs r;

	h->port.ops = &ops;
	h->other = remembers;
	h->map = remembers;
	h->arg = &r;
	for (unsigned i = 0; i < CALLS; i++) {
		struct calls c = {.p = &h->port};

		assert_int_equal(table[i].fn(&c).raw, TDVMCALL_INVALID_OPERAND);
		assert_int_equal(r.rcx, table[i].mask);
		assert_int_equal(r.r10, 0);
		assert_int_equal(r.r11, table[i].leaf);
		assert_int_equal(r.r12, table[i].r12);
		assert_int_equal(r.r13, table[i].r13);
		assert_int_equal(r.r14, table[i].r14);
		assert_int_equal(r.r15, table[i].r15);
		/* Never RAX, RCX, RSP, RBP. */
		assert_int_equal(table[i].mask & 0x33, 0);
	}
	host_free(h);
}

static void a_fatal_message_fills_eight_registers_and_no_more(void **state)
{
	static const char text[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"
		"and more";
	struct host *h = host_new(NULL, 0);
	struct tdx_regs r;
	char seen[65] = "";

	h->other = remembers;
	h->arg = &r;
	(void)!tdvmcall_is_success(tdvmcall_report_fatal_error(&h->port, 0, text));
	memcpy(seen, &r.r14, 8);
	memcpy(seen + 8, &r.r15, 8);
	memcpy(seen + 16, &r.rbx, 8);
	memcpy(seen + 24, &r.rdi, 8);
	memcpy(seen + 32, &r.rsi, 8);
	memcpy(seen + 40, &r.r8, 8);
	memcpy(seen + 48, &r.r9, 8);
	memcpy(seen + 56, &r.rdx, 8);
	assert_memory_equal(seen, text, 64);
	host_free(h);
}

static void a_mask_the_module_refuses_is_never_tried(void **state)
{
	struct host *h = host_new(NULL, 0);

	for (unsigned bit = 0; bit < 64; bit++) {
		struct tdx_regs r = {.rcx = 1ull << bit}, seen;
		bool ok;

		h->other = remembers;
		h->arg = &seen;
		h->calls = 0;
		ok = tdx_is_success(tdg_vp_vmcall(&h->port, &r));
		assert_int_equal(ok, 0xffccull >> bit & 1);
		assert_int_equal(h->calls, ok);
	}
	host_free(h);
}

static void values_wider_than_asked_for_are_cut(void **state)
{
	struct host *h = host_new(NULL, 0);
	uint64_t value;
	uint32_t io;

	h->other = remembers;
	h->arg = &(struct tdx_regs){0};
	/* A failed read is what a bus without a device gives. */
	(void)!tdvmcall_is_success(tdvmcall_io_read(&h->port, 1, 1, &io));
	assert_int_equal(io, 0xff);
	(void)!tdvmcall_is_success(tdvmcall_mmio_read(&h->port, gpa(SHARED_BIT), 2, &value));
	assert_int_equal(value, 0xffff);
	(void)!tdvmcall_is_success(tdvmcall_rdmsr(&h->port, 1, &value));
	assert_int_equal(value, 0);
	host_free(h);
}

/* --- what is left of the answer --- */

#define STACK_SIZE (1 << 20)
#define POISON	   0xa7

/* Byte by byte: no register of ours ever holds a whole word of it. */
static void poison(void *p, size_t len)
{
	for (volatile uint8_t *b = p; len; len--)
		*b++ = POISON;
}

static void poisons(const struct tdg_port *port, struct tdx_regs *r)
{
	(void)port;
	poison(&r->rdx, 16);
	poison(&r->rsi, sizeof(*r) - offsetof(struct tdx_regs, rsi));
	r->rax = 0;
	r->r10 = TDVMCALL_INVALID_OPERAND;
}

static struct calls left;
static call_fn *left_fn;

static struct tdvmcall_status raw_call(struct calls *c)
{
	struct tdx_regs r = {.rcx = 0xffcc};

	(void)!tdx_is_success(tdg_vp_vmcall(c->p, &r));
	return (struct tdvmcall_status){r.r10};
}

/* Deep enough for the thread's end not to run over what the call left. */
static void *call_on_own_stack(void *arg)
{
	volatile uint8_t gap[1 << 16];

	gap[0] = 1;
	left_fn(&left);
	return gap[0] ? arg : NULL;
}

/* How many words of a thread's stack hold poison after the call. */
__attribute__((no_sanitize("address"))) static unsigned poisoned_words(call_fn *fn)
{
	static const struct tdg_port_ops ops = {.tdcall = poisons};
	static const struct tdg_port port = {&ops, NULL};
	uint8_t *stack = aligned_alloc(4096, STACK_SIZE);
	pthread_attr_t attr;
	pthread_t thread;
	unsigned n = 0;

	memset(stack, 0, STACK_SIZE);
	left = (struct calls){.p = &port};
	left_fn = fn;
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, STACK_SIZE);
	assert_int_equal(pthread_create(&thread, &attr, call_on_own_stack, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	for (size_t i = 0; i + 8 <= STACK_SIZE; i += 8)
		n += *(volatile uint64_t *)(stack + i) == 0x0101010101010101ull * POISON;
	free(stack);
	return n;
}

static void nothing_of_the_answer_stays_on_the_stack(void **state)
{
	assert_true(poisoned_words(raw_call) > 0); /* this is how it would look */
	/* MapGPA hands R11 to its caller whatever the status is. */
	for (unsigned i = 0; i < CALLS; i++)
		assert_in_range(poisoned_words(table[i].fn), 0, table[i].fn == do_map_gpa);
}

/* --- the instruction --- */

static struct tdx_regs at_instruction;
static bool saw_instruction;

static void emulate(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	static const int volatile_regs[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSI,
					    REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
					    REG_R12, REG_R13, REG_R14, REG_R15};

	(void)sig, (void)info;
	if (memcmp((void *)(uintptr_t)g[REG_RIP], "\x66\x0f\x01\xcc", 4))
		_exit(99);
	saw_instruction = true;
	at_instruction = (struct tdx_regs){(uint64_t)g[REG_RAX],
					   (uint64_t)g[REG_RCX],
					   (uint64_t)g[REG_RDX],
					   (uint64_t)g[REG_RBX],
					   0,
					   0,
					   (uint64_t)g[REG_RSI],
					   (uint64_t)g[REG_RDI],
					   (uint64_t)g[REG_R8],
					   (uint64_t)g[REG_R9],
					   (uint64_t)g[REG_R10],
					   (uint64_t)g[REG_R11],
					   (uint64_t)g[REG_R12],
					   (uint64_t)g[REG_R13],
					   (uint64_t)g[REG_R14],
					   (uint64_t)g[REG_R15]};
	for (unsigned i = 0; i < 14; i++)
		g[volatile_regs[i]] = (greg_t)(0x6057000000000000 + i);
	g[REG_RIP] += 4;
}

/* Calls tdg_tdcall() and looks at the registers right after it: those the callee may clobber into
 * seen[0..8], those it must keep into seen[9..13]. */
static void call_and_look(struct tdx_regs *block, uint64_t seen[14])
{
	__asm__ volatile("subq $136, %%rsp\n\t"
			 "movq %1, 128(%%rsp)\n\t"
			 "movl $101, %%ebx\n\t"
			 "movl $112, %%r12d\n\t"
			 "movl $113, %%r13d\n\t"
			 "movl $114, %%r14d\n\t"
			 "movl $115, %%r15d\n\t"
			 "call tdg_tdcall\n\t"
			 "pushq %%rax\n\t"
			 "movq 136(%%rsp), %%rax\n\t"
			 "popq (%%rax)\n\t"
			 "movq %%rcx, 8(%%rax)\n\t"
			 "movq %%rdx, 16(%%rax)\n\t"
			 "movq %%rsi, 24(%%rax)\n\t"
			 "movq %%rdi, 32(%%rax)\n\t"
			 "movq %%r8, 40(%%rax)\n\t"
			 "movq %%r9, 48(%%rax)\n\t"
			 "movq %%r10, 56(%%rax)\n\t"
			 "movq %%r11, 64(%%rax)\n\t"
			 "movq %%rbx, 72(%%rax)\n\t"
			 "movq %%r12, 80(%%rax)\n\t"
			 "movq %%r13, 88(%%rax)\n\t"
			 "movq %%r14, 96(%%rax)\n\t"
			 "movq %%r15, 104(%%rax)\n\t"
			 "addq $136, %%rsp\n\t"
			 : "+D"(block)
			 : "S"(seen)
			 : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13",
			   "r14", "r15", "memory", "cc");
}

static void the_instruction_leaves_nothing_of_the_hosts_in_registers(void **state)
{
	struct sigaction sa = {.sa_sigaction = emulate, .sa_flags = SA_SIGINFO}, old_ill, old_segv;
	struct tdx_regs block, in;
	uint64_t seen[14];

	for (unsigned i = 0; i < 16; i++)
		*tdx_reg(&block, i) = 0x1000 + i;
	in = block;
	sigaction(SIGILL, &sa, &old_ill);
	sigaction(SIGSEGV, &sa, &old_segv);
	call_and_look(&block, seen);
	sigaction(SIGILL, &old_ill, NULL);
	sigaction(SIGSEGV, &old_segv, NULL);
	assert_true(saw_instruction);
	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 5) { /* RSP and RBP are not part of it */
			assert_int_equal(*tdx_reg(&block, i), *tdx_reg(&in, i));
			continue;
		}
		assert_int_equal(*tdx_reg(&at_instruction, i), *tdx_reg(&in, i));
	}
	assert_int_equal(block.rax, 0x6057000000000000);
	assert_int_equal(block.rcx, 0x6057000000000001);
	assert_int_equal(block.rdi, 0x6057000000000005);
	assert_int_equal(block.r15, 0x605700000000000d);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(seen[i], 0);
	assert_int_equal(seen[9], 101);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(seen[10 + i], 112 + i);
}

/* --- the leaves, on the model --- */

#define FIELD_ATTRIBUTES     0x1110000300000000ull
#define FIELD_NOTIFY_ENABLES 0x9110000300000010ull

struct leaves {
	unsigned step;
	struct tdx_status s[16];
	struct tdg_vp_info info;
	struct tdg_field_value f[4];
	struct tdg_page_attr attr;
	struct tdg_td tdg;
	uint64_t next, list[2];
	struct tdx_regs cpuid;
	unsigned ve;
};

static void counts_ve(struct tdx_native_cpu *cpu, unsigned vector, uint32_t error, void *arg)
{
	struct leaves *l = arg;
	struct tdx_regs r = {.rax = TDG_VP_VEINFO_GET};

	(void)error;
	l->ve += vector == 20;
	tdx_native_tdcall(cpu, &r);
}

static void calls_every_leaf(struct td *t, struct guest_native *g, const struct tdg_td *td,
			     unsigned vcpu)
{
	const struct tdg_scratch scratch = {gpa(TD_SCRATCH)};
	const struct tdg_port *p = &g->port;
	struct leaves *l = t->arg;
	struct tdx_report report;
	uint8_t nonce[64] = {1};

	(void)vcpu;
	l->tdg = *td;
	tdx_native_on_event(g->cpu, counts_ve, l);
	l->s[0] = tdg_vp_info(p, &l->info);
	l->s[1] = tdg_vm_rd(p, 0, FIELD_ATTRIBUTES, &l->f[0]);
	l->s[2] = tdg_vm_rd(p, 1, TDG_FIELD_FIRST, &l->f[1]);
	l->s[3] = tdg_vm_wr(p, FIELD_NOTIFY_ENABLES, 1, 1, &l->f[2]);
	l->s[4] = tdg_vm_wr(p, FIELD_ATTRIBUTES, 0, ~0ull, NULL);
	l->s[5] = tdg_vp_rd(p, TDG_FIELD_FIRST, &l->f[3]);
	l->s[6] = tdg_sys_rd(p, TDG_FIELD_FIRST, &l->f[3]);
	l->s[7] = tdg_sys_rdall(p, scratch.page, TDG_FIELD_FIRST, &l->next);
	tdx_native_read(g->cpu, scratch.page, l->list, sizeof(l->list));
	l->s[8] = tdg_mem_page_attr_rd(p, scratch.page, &l->attr);
	l->s[9] = tdx_status(1);
	if (!tdg_get_report(p, &scratch, nonce, &report, NULL)) {
		tdx_native_write(g->cpu, scratch.page, &report.mac, sizeof(report.mac));
		l->s[9] = tdg_mr_verifyreport(p, scratch.page);
		report.mac.reportdata[0] ^= 1;
		tdx_native_write(g->cpu, scratch.page, &report.mac, sizeof(report.mac));
	}
	l->s[10] = tdg_mr_verifyreport(p, scratch.page);
	l->s[11] = tdg_vp_cpuidve_set(p, true, false);
	tdx_native_exit(g->cpu, VMX_EXIT_CPUID, 0, 2, &l->cpuid);
	l->s[12] = tdg_vp_veinfo_get(p, 2, NULL);
	l->s[13] = tdg_mem_page_attr_wr(p, scratch.page, TDX_LEVEL_4K, 0, 0, NULL);
	l->s[14] = tdg_vp_wr(p, FIELD_ATTRIBUTES, 0, 0, NULL);
	l->step = 1;
}

static void every_leaf_reaches_the_module_and_back(void **state)
{
	struct leaves l = {.step = 0};
	struct td *t = td_new(calls_every_leaf, 2, TDX_ATTR_SEPT_VE_DISABLE);

	t->arg = &l;
	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(l.step, 1);
	assert_int_equal(l.s[0].raw, 0);
	assert_int_equal(l.info.gpa_width, 48);
	assert_int_equal(l.info.attributes, TDX_ATTR_SEPT_VE_DISABLE);
	assert_int_equal(l.info.num_vcpus, 2);
	assert_int_equal(l.info.max_vcpus, 2);
	assert_int_equal(l.info.vcpu_index, 0);
	assert_true(l.info.sys_rd);
	assert_int_equal(l.tdg.shared, 1ull << 47);
	assert_int_equal(l.s[1].raw, 0);
	assert_int_equal(l.f[0].value, TDX_ATTR_SEPT_VE_DISABLE);
	assert_true(tdx_is(l.s[2], TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT) || !l.s[2].raw);
	assert_int_not_equal(l.f[1].field_next, ~0ull);
	assert_int_equal(l.s[3].raw, 0);
	assert_int_equal(l.f[2].value, 0); /* tdg_init() had cleared it */
	assert_true(tdx_is_error(l.s[4]));
	assert_false(tdx_is_error(l.s[5]));
	assert_false(tdx_is_error(l.s[6]));
	assert_false(tdx_is_error(l.s[7]));
	assert_int_not_equal(l.list[0], 0);
	assert_int_equal(l.s[8].raw, 0);
	assert_int_equal(l.attr.page.v, TD_SCRATCH);
	assert_int_equal(l.attr.level, TDX_LEVEL_4K);
	assert_false(l.attr.pending);
	assert_int_equal(l.s[9].raw, 0);
	assert_true(tdx_is(l.s[10], TDX_INVALID_REPORTMACSTRUCT));
	assert_int_equal(l.s[11].raw, 0);
	assert_int_equal(l.ve, 1); /* leaf 0 raises one only since it was asked for */
	assert_true(tdx_is(l.s[12], TDX_NO_VALID_VE_INFO));
	assert_int_equal(l.s[13].raw, 0);
	assert_true(tdx_is_error(l.s[14]));
	td_free(t);
}

/* --- the first calls --- */

struct module {
	uint64_t width, attributes, config_flags, td_ctls, topology;
	uint64_t writable; /* TD_CTLS the module knows */
	uint64_t notify;
};

static void module_call(struct host *h, struct tdx_regs *r)
{
	struct module *m = h->arg;
	unsigned leaf = (unsigned)r->rax & 0xffff;
	uint64_t field = r->rdx;

	r->rax = 0;
	if (leaf == TDG_VP_INFO) {
		r->rcx = m->width;
		r->rdx = m->attributes;
	} else if (leaf == TDG_VM_RD) {
		r->r8 = field == 0x9110000300000016   ? m->config_flags
			: field == 0x9110000300000017 ? m->td_ctls
						      : m->topology;
	} else if (leaf == TDG_VM_WR && field == 0x9110000300000010) {
		m->notify = r->r8;
	} else if (leaf == TDG_VM_WR && field == 0x9110000300000017) {
		if (r->r8 & ~m->writable)
			r->rax = TDX_METADATA_FIELD_VALUE_NOT_VALID;
		else
			m->td_ctls |= r->r8;
	}
}

static int init(struct module m, struct module *after, struct tdg_td *td)
{
	struct host *h = host_new(NULL, 0);
	int err;

	h->other = module_call;
	h->arg = &m;
	m.notify = 1;
	err = tdg_init(&h->port, td);
	*after = m;
	host_free(h);
	return err;
}

static void a_td_whose_host_could_inject_ve_does_not_start(void **state)
{
	const uint64_t flexible = TDX_CONFIG_FLEXIBLE_PENDING_VE;
	const uint64_t off = TDX_TD_CTLS_PENDING_VE_DISABLE, all = 0xf;
	struct module m;
	struct tdg_td td;

	assert_int_equal(init((struct module){.width = 48}, &m, &td), -EACCES);
	assert_int_equal(m.notify, 0);
	assert_int_equal(init((struct module){.width = 48, .attributes = TDX_ATTR_DEBUG}, &m, &td),
			 0);
	assert_int_equal(
		init((struct module){.width = 52, .attributes = TDX_ATTR_SEPT_VE_DISABLE}, &m, &td),
		0);
	assert_int_equal(td.shared, 1ull << 51);
	assert_int_equal(
		init((struct module){.width = 48, .config_flags = flexible, .writable = all}, &m,
		     &td),
		0);
	assert_true(m.td_ctls & off && td.td_ctls & off);
	/* A flexible TD that cannot be told: the attribute says nothing then. */
	assert_int_equal(init((struct module){.width = 48,
					      .config_flags = flexible,
					      .attributes = TDX_ATTR_SEPT_VE_DISABLE},
			      &m, &td),
			 -EACCES);
	assert_int_equal(
		init((struct module){.width = 48, .config_flags = flexible, .td_ctls = off}, &m,
		     &td),
		0);
}

static void ve_are_reduced_as_far_as_the_module_can(void **state)
{
	const struct module base = {.width = 48, .attributes = TDX_ATTR_SEPT_VE_DISABLE};
	struct module m = base;
	struct tdg_td td;

	m.writable = 0xf;
	assert_int_equal(init(m, &m, &td), 0);
	assert_int_equal(m.td_ctls, TDX_TD_CTLS_REDUCE_VE);
	m = base;
	m.writable = TDX_TD_CTLS_ENUM_TOPOLOGY;
	assert_int_equal(init(m, &m, &td), 0);
	assert_int_equal(m.td_ctls, 0); /* not configured: left alone */
	m.topology = 1;
	assert_int_equal(init(m, &m, &td), 0);
	assert_int_equal(m.td_ctls, TDX_TD_CTLS_ENUM_TOPOLOGY);
	assert_int_equal(td.td_ctls, TDX_TD_CTLS_ENUM_TOPOLOGY);
}

static void a_width_that_is_none_is_refused(void **state)
{
	struct module m;
	struct tdg_td td;

	for (unsigned w = 0; w < 64; w++)
		assert_int_equal(
			init((struct module){.width = w, .attributes = TDX_ATTR_SEPT_VE_DISABLE},
			     &m, &td),
			w == 48 || w == 52 ? 0 : -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_sees_the_registers_of_the_call_and_no_other),
		cmocka_unit_test(a_fatal_message_fills_eight_registers_and_no_more),
		cmocka_unit_test(a_mask_the_module_refuses_is_never_tried),
		cmocka_unit_test(values_wider_than_asked_for_are_cut),
		cmocka_unit_test(nothing_of_the_answer_stays_on_the_stack),
		cmocka_unit_test(the_instruction_leaves_nothing_of_the_hosts_in_registers),
		cmocka_unit_test(every_leaf_reaches_the_module_and_back),
		cmocka_unit_test(a_td_whose_host_could_inject_ve_does_not_start),
		cmocka_unit_test(ve_are_reduced_as_far_as_the_module_can),
		cmocka_unit_test(a_width_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
