/* SPDX-License-Identifier: MIT */
/* #VE: what the handler does with each reason, by script; and on the model, where the module raises
 * them and the monitor answers. */
#include "guest_td.h"
#include "guest_host.h"

#define KERNEL 0xffff800000000000ull

static const struct tdg_ve_policy policy = {.kernel_start = KERNEL};

/* A host that answers with fixed registers and remembers what it saw. */
struct answer {
	struct tdx_regs saw, give;
	uint8_t code[16];
	size_t ncode;
};

static void answers(struct host *h, struct tdx_regs *r)
{
	struct answer *a = h->arg;

	a->saw = *r;
	for (unsigned i = 2; i < 16; i++)
		if (r->rcx >> i & 1)
			*tdx_reg(r, i) = *tdx_reg(&a->give, i);
	r->rax = a->give.rax;
}

static size_t fetches(const struct tdg_port *port, uint64_t gla, void *buf, size_t len)
{
	const struct answer *a = ((struct host *)port->ctx)->arg;

	(void)gla;
	len = len < a->ncode ? len : a->ncode;
	memcpy(buf, a->code, len);
	return len;
}

struct scene {
	struct host *h;
	struct answer a;
	struct tdg_port_ops ops;
	struct tdg_ve_info info;
	struct tdg_frame f;
};

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->h = host_new(NULL, 0);
	s->h->other = answers;
	s->h->arg = &s->a;
	s->ops = host_ops;
	s->ops.fetch = fetches;
	s->h->port.ops = &s->ops;
	s->f.rip = 0x1000;
	s->info.length = 3;
	/* Garbage everywhere a host can put it. */
	memset(&s->a.give, 0xee, sizeof(s->a.give));
	s->a.give.rax = 0;
	s->a.give.r10 = 0;
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	host_free(s->h);
	free(s);
	return 0;
}

static enum tdg_ve_action handle(struct scene *s, uint32_t reason)
{
	s->info.reason = reason;
	return tdg_ve_handle(&s->h->port, &host_td, &policy, &s->info, &s->f);
}

static void cpuid_asks_the_host_for_the_hypervisors_leaves_only(void **state)
{
	struct scene *s = *state;

	s->a.give.r12 = 0xffffffff00000001; /* wider than the register */
	s->a.give.r13 = 2;
	s->a.give.r14 = 3;
	s->a.give.r15 = 4;
	s->f.regs = (struct tdx_regs){.rax = 0x40000000, .rcx = 7, .rbx = ~0ull};
	assert_int_equal(handle(s, VMX_EXIT_CPUID), TDG_VE_RESUME);
	assert_int_equal(s->a.saw.r12, 0x40000000);
	assert_int_equal(s->a.saw.r13, 7);
	assert_int_equal(s->a.saw.rcx, 0xfc00);
	assert_int_equal(s->f.regs.rax, 1);
	assert_int_equal(s->f.regs.rbx, 2);
	assert_int_equal(s->f.regs.rcx, 3);
	assert_int_equal(s->f.regs.rdx, 4);
	assert_int_equal(s->f.rip, 0x1003);
	for (uint64_t leaf = 0; leaf < 1ull << 32; leaf += 0x0fffffff) {
		if (leaf >> 28 == 4)
			continue;
		s->h->calls = 0;
		s->f.regs = (struct tdx_regs){leaf, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
		assert_int_equal(handle(s, VMX_EXIT_CPUID), TDG_VE_RESUME);
		assert_int_equal(s->h->calls, 0);
		assert_int_equal(s->f.regs.rax | s->f.regs.rbx | s->f.regs.rcx | s->f.regs.rdx, 0);
	}
}

static void msrs_take_no_more_than_their_halves(void **state)
{
	struct scene *s = *state;

	s->a.give.r11 = 0x1122334455667788;
	s->f.regs = (struct tdx_regs){.rcx = 0xffffffff00000010, .rax = ~0ull, .rdx = ~0ull};
	assert_int_equal(handle(s, VMX_EXIT_RDMSR), TDG_VE_RESUME);
	assert_int_equal(s->a.saw.r12, 0x10);
	assert_int_equal(s->f.regs.rax, 0x55667788);
	assert_int_equal(s->f.regs.rdx, 0x11223344);
	s->f.regs = (struct tdx_regs){.rcx = 0x10, .rax = 0xeeeeeeee00000001, .rdx = 0x2};
	assert_int_equal(handle(s, VMX_EXIT_WRMSR), TDG_VE_RESUME);
	assert_int_equal(s->a.saw.r12, 0x10);
	assert_int_equal(s->a.saw.r13, 0x200000001);
	assert_int_equal(s->a.saw.rcx, 0x3c00);
	s->a.give.r10 = TDVMCALL_INVALID_OPERAND;
	assert_int_equal(handle(s, VMX_EXIT_RDMSR), TDG_VE_FAULT);
	assert_int_equal(handle(s, VMX_EXIT_WRMSR), TDG_VE_FAULT);
}

static void port_io_keeps_what_a_short_read_keeps(void **state)
{
	static const struct {
		unsigned size;
		uint64_t rax;
	} row[] = {{1, 0x11111111111111ee}, {2, 0x111111111111eeee}, {4, 0xeeeeeeee}};
	struct scene *s = *state;

	for (unsigned i = 0; i < 3; i++) {
		s->info.qualification = 0x3f8ull << 16 | IO_QUAL_IN | (row[i].size - 1);
		s->f.regs.rax = 0x1111111111111111;
		assert_int_equal(handle(s, VMX_EXIT_IO), TDG_VE_RESUME);
		assert_int_equal(s->a.saw.r12, row[i].size);
		assert_int_equal(s->a.saw.r13, 0);
		assert_int_equal(s->a.saw.r14, 0x3f8);
		assert_int_equal(s->a.saw.r15, 0);
		assert_int_equal(s->f.regs.rax, row[i].rax);
	}
	s->info.qualification = 0x80ull << 16;
	s->f.regs.rax = 0x1234567890abcdef;
	assert_int_equal(handle(s, VMX_EXIT_IO), TDG_VE_RESUME);
	assert_int_equal(s->a.saw.r13, 1);
	assert_int_equal(s->a.saw.r15, 0xef); /* no more of RAX than is written */
	s->info.qualification |= IO_QUAL_STRING;
	assert_int_equal(handle(s, VMX_EXIT_IO), TDG_VE_FAULT);
	s->a.give.r10 = TDVMCALL_INVALID_OPERAND;
	s->info.qualification = 0x3f8ull << 16 | IO_QUAL_IN;
	s->f.regs.rax = 0;
	assert_int_equal(handle(s, VMX_EXIT_IO), TDG_VE_FAULT);
	assert_int_equal(s->f.regs.rax, 0xff);
}

static void hlt_with_interrupts_on_would_lose_the_wakeup(void **state)
{
	struct scene *s = *state;

	s->f.irqs_enabled = true;
	assert_int_equal(handle(s, VMX_EXIT_HLT), TDG_VE_FAULT);
	assert_int_equal(s->h->calls, 0);
	s->f.irqs_enabled = false;
	assert_int_equal(handle(s, VMX_EXIT_HLT), TDG_VE_RESUME);
	assert_int_equal(s->a.saw.r12, 1);
	assert_int_equal(s->a.saw.rcx, 0x1c00);
}

static void user_mode_gets_cpuid_and_nothing_else(void **state)
{
	static const uint32_t reasons[] = {VMX_EXIT_HLT, VMX_EXIT_RDMSR, VMX_EXIT_WRMSR,
					   VMX_EXIT_IO, VMX_EXIT_EPT_VIOLATION};
	struct scene *s = *state;

	s->f.user = true;
	s->info.gpa_ = gpa(SHARED_BIT);
	s->info.gla = KERNEL;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(handle(s, reasons[i]), TDG_VE_FAULT);
	assert_int_equal(s->h->calls, 0);
	assert_int_equal(handle(s, VMX_EXIT_CPUID), TDG_VE_RESUME);
}

static void a_violation_on_private_memory_is_the_end_in_any_mode(void **state)
{
	struct scene *s = *state;

	s->info.gpa_ = gpa(0x1234000);
	s->info.gla = KERNEL;
	assert_int_equal(handle(s, VMX_EXIT_EPT_VIOLATION), TDG_VE_PANIC);
	s->f.user = true;
	assert_int_equal(handle(s, VMX_EXIT_EPT_VIOLATION), TDG_VE_PANIC);
	assert_int_equal(s->h->calls, 0);
}

static void a_reason_nobody_knows_is_a_fault(void **state)
{
	struct scene *s = *state;

	for (uint32_t r = 0; r < 80; r++)
		if (r != VMX_EXIT_CPUID && r != VMX_EXIT_HLT && r != VMX_EXIT_RDMSR &&
		    r != VMX_EXIT_WRMSR && r != VMX_EXIT_IO && r != VMX_EXIT_EPT_VIOLATION)
			assert_int_equal(handle(s, r), TDG_VE_FAULT);
	assert_int_equal(s->f.rip, 0x1000);
	assert_int_equal(s->h->calls, 0);
}

static void a_ve_without_information_is_the_end(void **state)
{
	struct scene *s = *state;
	struct tdg_ve_info info;

	s->a.give.rax = TDX_NO_VALID_VE_INFO;
	assert_int_equal(tdg_ve_begin(&s->h->port, &info), TDG_VE_PANIC);
	s->a.give.rax = 0;
	assert_int_equal(tdg_ve_begin(&s->h->port, &info), TDG_VE_RESUME);
}

/* --- MMIO --- */

struct mmio {
	const char *code; /* bytes, and how many */
	unsigned n, size;
	bool write;
	uint64_t value; /* written; or RCX after reading eeee... into it */
};

static void each_form_of_mov_reads_and_writes_its_width(void **state)
{
	/* (%rbx) is the device; RCX is 0x1122334455667788 before. */
	static const struct mmio row[] = {
		{"\x88\x0b", 2, 1, true, 0x88},	      /* mov %cl,(%rbx) */
		{"\x88\x2b", 2, 1, true, 0x77},	      /* mov %ch,(%rbx) */
		{"\x66\x89\x0b", 3, 2, true, 0x7788}, /* mov %cx,(%rbx) */
		{"\x89\x0b", 2, 4, true, 0x55667788}, /* mov %ecx,(%rbx) */
		{"\x48\x89\x0b", 3, 8, true, 0x1122334455667788},
		{"\xc6\x03\xfe", 3, 1, true, 0xfe}, /* movb $-2,(%rbx) */
		{"\x66\xc7\x03\xfe\xff", 5, 2, true, 0xfffe},
		{"\xc7\x03\xfe\xff\xff\xff", 6, 4, true, 0xfffffffe},
		{"\x48\xc7\x03\xfe\xff\xff\xff", 7, 8, true, ~1ull}, /* sign-extended */
		{"\x8a\x0b", 2, 1, false, 0x11223344556677ee},
		{"\x8a\x2b", 2, 1, false, 0x112233445566ee88},
		{"\x66\x8b\x0b", 3, 2, false, 0x112233445566eeee},
		{"\x8b\x0b", 2, 4, false, 0xeeeeeeee},
		{"\x48\x8b\x0b", 3, 8, false, 0xeeeeeeeeeeeeeeee},
		{"\x0f\xb6\x0b", 3, 1, false, 0xee},
		{"\x66\x0f\xb6\x0b", 4, 1, false, 0x11223344556600ee},
		{"\x0f\xb7\x0b", 3, 2, false, 0xeeee},
		{"\x48\x0f\xb7\x0b", 4, 2, false, 0xeeee},
		{"\x0f\xbe\x0b", 3, 1, false, 0xffffffee},
		{"\x66\x0f\xbe\x0b", 4, 1, false, 0x112233445566ffee},
		{"\x48\x0f\xbf\x0b", 4, 2, false, 0xffffffffffffeeee},
		{"\x48\x63\x0b", 3, 4, false, 0xffffffffeeeeeeee}, /* movslq */
		{"\x64\x8b\x0b", 3, 4, false, 0xeeeeeeee},	   /* by FS, whose base is 0 */
		{"\x8b\x4b\x00", 3, 4, false, 0xeeeeeeee},
		{"\x8b\x0c\xf3", 3, 4, false, 0xeeeeeeee}, /* (%rbx,%rsi,8), RSI is 0 */
	};
	struct scene *s = *state;
	const uint64_t device = KERNEL + 0x10;

	for (unsigned i = 0; i < 2 * sizeof(row) / sizeof(*row); i++) {
		const struct mmio *m = &row[i / 2];

		s->ops.decode = i % 2 ? guest_decode_zydis : NULL;
		memset(s->a.code, 0xcc, sizeof(s->a.code));
		memcpy(s->a.code, m->code, m->n);
		s->a.ncode = 15;
		s->info.gla = device;
		s->info.gpa_ = gpa(SHARED_BIT | 0xfee00010);
		s->f.rip = 0x1000;
		s->f.regs = (struct tdx_regs){.rbx = device, .rcx = 0x1122334455667788};
		assert_int_equal(handle(s, VMX_EXIT_EPT_VIOLATION), TDG_VE_RESUME);
		assert_int_equal(s->f.rip, 0x1000 + m->n);
		assert_int_equal(s->a.saw.r12, m->size);
		assert_int_equal(s->a.saw.r13, m->write);
		assert_int_equal(s->a.saw.r14, SHARED_BIT | 0xfee00010);
		if (m->write)
			assert_int_equal(s->a.saw.r15, m->value);
		else
			assert_int_equal(s->f.regs.rcx, m->value);
	}
}

static enum tdg_ve_action mmio(struct scene *s, const char *code, size_t n, uint64_t gla,
			       uint64_t rbx)
{
	memcpy(s->a.code, code, n);
	s->a.ncode = n;
	s->info.gla = gla;
	s->info.gpa_ = gpa(SHARED_BIT | 0xfee00000 | (gla & 0xfff));
	s->f.rip = 0x1000;
	s->f.regs = (struct tdx_regs){.rbx = rbx};
	return handle(s, VMX_EXIT_EPT_VIOLATION);
}

static void an_access_that_is_not_what_it_says_is_refused(void **state)
{
	struct scene *s = *state;
	const uint64_t at = KERNEL + 0x2000;

	assert_int_equal(mmio(s, "\x8b\x0b", 2, at, at), TDG_VE_RESUME);
	s->h->calls = 0;
	assert_int_equal(mmio(s, "\x8b\x0b", 1, at, at), TDG_VE_FAULT);		/* not all there */
	assert_int_equal(mmio(s, "\x8b\x0b", 2, at, at + 8), TDG_VE_FAULT);	/* elsewhere */
	assert_int_equal(mmio(s, "\x8b\x0b", 2, 0x2000, 0x2000), TDG_VE_FAULT); /* user memory */
	assert_int_equal(mmio(s, "\xa4", 1, at, at), TDG_VE_FAULT);		/* movsb */
	assert_int_equal(mmio(s, "\x01\x0b", 2, at, at), TDG_VE_FAULT);		/* add */
	assert_int_equal(mmio(s, "\xf0\x89\x0b", 3, at, at), TDG_VE_FAULT);	/* lock */
	assert_int_equal(mmio(s, "\x8b\xcb", 2, at, at), TDG_VE_FAULT); /* no memory at all */
	/* The page the module names is not at this offset of any page. */
	memcpy(s->a.code, "\x8b\x0b", 2);
	s->info.gla = at;
	s->info.gpa_ = gpa(SHARED_BIT | 0xfee00008);
	s->f.regs = (struct tdx_regs){.rbx = at};
	assert_int_equal(handle(s, VMX_EXIT_EPT_VIOLATION), TDG_VE_FAULT);
	/* Across a page: the other page may be private. */
	assert_int_equal(mmio(s, "\x8b\x0b", 2, at + 0xffd, at + 0xffd), TDG_VE_FAULT);
	assert_int_equal(mmio(s, "\x48\x8b\x0b", 3, at + 0xff9, at + 0xff9), TDG_VE_FAULT);
	assert_int_equal(s->h->calls, 0);
	assert_int_equal(mmio(s, "\x48\x8b\x0b", 3, at + 0xff8, at + 0xff8), TDG_VE_RESUME);
	s->a.give.r10 = TDVMCALL_INVALID_OPERAND;
	assert_int_equal(mmio(s, "\x8b\x0b", 2, at, at), TDG_VE_FAULT);
	assert_int_equal(s->f.regs.rcx, 0);
}

/* RIP 0x1000, RBX, RSI and R13 in the upper half, FS and GS elsewhere. */
static void each_form_of_address_is_computed_as_the_processor_does(void **state)
{
	static const uint64_t rbx = KERNEL + 0x10000, rsi = 0x30, r13 = KERNEL + 0x20000,
			      fs = KERNEL + 0x300000, gs = KERNEL + 0x400000;
	static const struct {
		const char *code;
		unsigned n;
		uint64_t gla;
	} row[] = {
		{"\x8b\x0b", 2, rbx},
		{"\x8b\x4b\xf8", 3, rbx - 8},
		{"\x8b\x8b\x00\x02\x00\x00", 6, rbx + 0x200},
		{"\x8b\x0c\x33", 3, rbx + rsi},
		{"\x8b\x4c\xf3\x08", 4, rbx + 8 * rsi + 8},
		{"\x41\x8b\x4d\x04", 4, r13 + 4},
		{"\x43\x8b\x0c\x23", 4, KERNEL + 0x50},			     /* (%r11,%r12) */
		{"\x8b\x0d\x10\x00\x00\x00", 6, KERNEL + 0x1000 + 6 + 0x10}, /* RIP */
		{"\x65\x8b\x0c\x25\x10\x00\x00\x00", 8, gs + 0x10},
		{"\x64\x8b\x0c\x25\x10\x00\x00\x00", 8, fs + 0x10},
		{"\x2e\x8b\x0b", 3, rbx},		     /* CS: nothing */
		{"\x67\x65\x8b\x0b", 4, gs + (uint32_t)rbx}, /* EBX, then the base */
		{"\x65\x67\x8b\x4b\xf0", 5, gs + (uint32_t)rbx - 16},
		{"\x65\x48\xa1\x40\x00\x00\x00\x00\x00\x00\x00", 11, gs + 0x40},
	};
	struct scene *s = *state;

	for (unsigned i = 0; i < 2 * sizeof(row) / sizeof(*row); i++) {
		const uint64_t gla = row[i / 2].gla;

		s->ops.decode = i % 2 ? guest_decode_zydis : NULL;
		memcpy(s->a.code, row[i / 2].code, row[i / 2].n);
		s->a.ncode = row[i / 2].n;
		for (unsigned off = 0; off < 2; off++) {
			s->info.gla = off ? gla : gla + 1;
			s->info.gpa_ = gpa(SHARED_BIT | 0xfee00000 | (s->info.gla & 0xfff));
			s->f = (struct tdg_frame){.rip = KERNEL + 0x1000,
						  .fs_base = fs,
						  .gs_base = gs,
						  .regs = {.rbx = rbx,
							   .rsi = rsi,
							   .r11 = KERNEL,
							   .r12 = 0x50,
							   .r13 = r13}};
			assert_int_equal(handle(s, VMX_EXIT_EPT_VIOLATION),
					 off ? TDG_VE_RESUME : TDG_VE_FAULT);
		}
		assert_int_equal(s->f.rip, KERNEL + 0x1000 + row[i / 2].n);
	}
}

/* --- both decoders --- */

static bool same(const struct tdg_insn *a, const struct tdg_insn *b)
{
	return a->kind == b->kind && a->length == b->length && a->mem_size == b->mem_size &&
	       a->reg_size == b->reg_size && a->reg == b->reg && a->high_byte == b->high_byte &&
	       a->imm == b->imm && a->base == b->base && a->index == b->index &&
	       a->scale == b->scale && a->address32 == b->address32 && a->segment == b->segment &&
	       a->disp == b->disp;
}

/* Bytes that instructions of the table are made of, so that many of them come out. */
static size_t plausible(uint8_t *b)
{
	static const uint8_t op[] = {0x88, 0x89, 0x8a, 0x8b, 0xc6, 0xc7, 0xa0, 0xa1, 0xa2, 0xa3,
				     0x63, 0x0f, 0x66, 0x67, 0x64, 0x65, 0x2e, 0x3e, 0x48, 0x41,
				     0x44, 0x40, 0x4f, 0xf0, 0xf3, 0xf2, 0xb6, 0xb7, 0xbe, 0xbf};
	unsigned n = (unsigned)random() % 5;

	for (unsigned i = 0; i < 15; i++)
		b[i] = (uint8_t)(i < n ? op[(size_t)random() % sizeof(op)] : random() >> 7);
	return random() % 3 ? 15 : (size_t)random() % 16;
}

static void the_table_and_zydis_agree(void **state)
{
	unsigned accepted = 0;

	srandom(7);
	for (unsigned i = 0; i < 1000000; i++) {
		struct tdg_insn own, zydis;
		uint8_t b[15];
		size_t n = plausible(b);
		bool ok = tdg_decode_mmio(b, n, &own);

		assert_int_equal(ok, guest_decode_zydis(b, n, &zydis));
		if (ok && !same(&own, &zydis)) {
			for (unsigned k = 0; k < n; k++)
				printf("%02x ", b[k]);
			fail_msg("decoded differently");
		}
		accepted += ok;
	}
	assert_true(accepted > 100000);
}

/* --- on the model --- */

#define MMIO_GPA (3 * GIB)

struct seen {
	enum tdg_ve_action action[8];
	struct tdg_frame f[8];
	unsigned n, vectors[32];
	unsigned io_writes, mmio_reads;
	bool nest;
	uint64_t rax[8];
	struct guest_native *g;
	const struct tdg_td *td;
	struct tdx_regs *regs; /* of the instruction that raised it */
};

static void on_event(struct tdx_native_cpu *cpu, unsigned vector, uint32_t error, void *arg)
{
	struct seen *s = arg;
	struct tdg_ve_info info;
	struct tdg_frame *f = &s->f[s->n];
	static const struct tdg_ve_policy any = {0};

	(void)error;
	s->vectors[vector & 31]++;
	if (vector != 20)
		return;
	if (s->nest) { /* another #VE before this one has been asked about */
		struct tdx_regs r = {.rax = 0x40000000};

		s->nest = false;
		tdx_native_exit(cpu, VMX_EXIT_CPUID, 0, 2, &r);
	}
	s->action[s->n] = tdg_ve_begin(&s->g->port, &info);
	f->regs = *s->regs;
	if (s->action[s->n] == TDG_VE_RESUME)
		s->action[s->n] = tdg_ve_handle(&s->g->port, s->td, &any, &info, f);
	*s->regs = f->regs;
	s->n++;
}

/* The registers after it, #VE and all. */
static struct tdx_regs instruction(struct guest_native *g, struct seen *s, uint32_t reason,
				   uint64_t qualification, struct tdx_regs r)
{
	s->regs = &r;
	tdx_native_exit(g->cpu, reason, qualification, 2, &r);
	return r;
}

#define INSTRUCTION(reason, qualification, ...)                                                    \
	instruction(g, s, VMX_EXIT_##reason, qualification, (struct tdx_regs){__VA_ARGS__})

static void raises_ve(struct td *t, struct guest_native *g, const struct tdg_td *td, unsigned vcpu)
{
	struct seen *s = t->arg;
	struct tdx_regs r;
	uint64_t word;

	(void)vcpu;
	s->g = g;
	s->td = td;
	tdx_native_on_event(g->cpu, on_event, s);
	s->rax[0] = INSTRUCTION(CPUID, 0, .rax = 0x40000001, .rbx = 9).rbx;
	s->rax[1] = INSTRUCTION(RDMSR, 0, .rcx = 0x1b).rax;
	s->rax[2] = INSTRUCTION(IO, 0x3f8ull << 16 | IO_QUAL_IN, .rax = 0).rax;
	INSTRUCTION(IO, 0x80ull << 16, .rax = 0x42);
	/* A device register: MOV (%rbx), %rax, lying at RIP 0 of the frame. */
	tdx_native_write(g->cpu, gpa(TD_SCRATCH), "\x48\x8b\x03", 3);
	s->f[s->n].rip = TD_SCRATCH;
	r = (struct tdx_regs){.rbx = MMIO_GPA | td->shared};
	s->regs = &r;
	if (tdx_native_read(g->cpu, gpa(MMIO_GPA | td->shared), &word, 8))
		s->vectors[0]++; /* no memory there: must not happen */
	s->rax[4] = r.rax;
	t->exits[15] = s->n;
}

static bool serves(struct td *t, struct tdx_run *run)
{
	struct seen *s = t->arg;

	switch (run->exit) {
	case TDX_EXIT_IO:
		s->io_writes += run->io.write && run->io.port == 0x80 && run->io.data == 0x42;
		run->io.data = 0x60;
		return true;
	case TDX_EXIT_MMIO:
		s->mmio_reads += !run->mmio.write && run->mmio.gpa.v == MMIO_GPA;
		run->mmio.data = 0xd00dfeed;
		return true;
	default:
		return false;
	}
}

static void the_module_raises_and_the_monitor_answers_each_kind(void **state)
{
	struct seen s = {.n = 0};
	struct td *t = td_new(raises_ve, 1, TDX_ATTR_SEPT_VE_DISABLE);

	t->arg = &s;
	t->on_exit = serves;
	assert_int_equal(td_run(t, 0), 0);
	assert_true(t->finished);
	for (unsigned i = 0; i < s.n; i++)
		assert_int_equal(s.action[i], TDG_VE_RESUME);
	assert_int_equal(s.n, 5);
	assert_int_equal(s.vectors[20], 5);
	assert_int_equal(s.vectors[0] | s.vectors[8] | s.vectors[13], 0);
	assert_int_equal(s.rax[0], 0); /* the monitor has no hypervisor leaves */
	assert_int_equal(s.rax[1] & ~0xfffull, 0xfee00000);
	assert_int_equal(s.rax[2], 0x60);
	assert_int_equal(s.io_writes, 1);
	assert_int_equal(s.mmio_reads, 1);
	assert_int_equal(s.rax[4], 0xd00dfeed);
	td_free(t);
}

static void nests(struct td *t, struct guest_native *g, const struct tdg_td *td, unsigned vcpu)
{
	struct seen *s = t->arg;

	(void)vcpu;
	s->g = g;
	s->td = td;
	s->nest = true;
	tdx_native_on_event(g->cpu, on_event, s);
	INSTRUCTION(CPUID, 0, .rax = 0x40000000);
}

static void a_ve_in_the_handler_before_it_asked_is_a_double_fault(void **state)
{
	struct seen s = {.n = 0};
	struct td *t = td_new(nests, 1, TDX_ATTR_SEPT_VE_DISABLE);

	t->arg = &s;
	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(s.vectors[20], 1);
	assert_int_equal(s.vectors[8], 1);
	td_free(t);
}

/* A debug TD may run with #VE on memory that waits to be accepted. */
static void reads_unaccepted(struct td *t, struct guest_native *g, const struct tdg_td *td,
			     unsigned vcpu)
{
	struct seen *s = t->arg;
	struct tdx_regs r = {0};
	uint64_t word;

	(void)vcpu;
	s->g = g;
	s->td = td;
	s->regs = &r;
	tdx_native_on_event(g->cpu, on_event, s);
	/* The host puts a page there, which the guest has not accepted. */
	(void)!tdx_native_read(g->cpu, gpa(1 * GIB), &word, 8);
}

static void unaccepted_memory_is_the_end_of_a_td_that_gets_ve_for_it(void **state)
{
	struct seen s = {.n = 0};
	struct td *t = td_new(reads_unaccepted, 1, TDX_ATTR_DEBUG);

	t->arg = &s;
	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.action[0], TDG_VE_PANIC);
	td_free(t);
}

static void a_td_without_protection_from_ve_does_not_run(void **state)
{
	struct seen s = {.n = 0};
	struct td *t = td_new(reads_unaccepted, 1, 0);

	t->arg = &s;
	assert_int_equal(td_run(t, 0), 0);
	assert_false(t->finished);
	assert_null(s.g);
	td_free(t);
}

#define SCENE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(cpuid_asks_the_host_for_the_hypervisors_leaves_only),
		SCENE(msrs_take_no_more_than_their_halves),
		SCENE(port_io_keeps_what_a_short_read_keeps),
		SCENE(hlt_with_interrupts_on_would_lose_the_wakeup),
		SCENE(user_mode_gets_cpuid_and_nothing_else),
		SCENE(a_violation_on_private_memory_is_the_end_in_any_mode),
		SCENE(a_reason_nobody_knows_is_a_fault),
		SCENE(a_ve_without_information_is_the_end),
		SCENE(each_form_of_mov_reads_and_writes_its_width),
		SCENE(an_access_that_is_not_what_it_says_is_refused),
		SCENE(each_form_of_address_is_computed_as_the_processor_does),
		cmocka_unit_test(the_table_and_zydis_agree),
		cmocka_unit_test(the_module_raises_and_the_monitor_answers_each_kind),
		cmocka_unit_test(a_ve_in_the_handler_before_it_asked_is_a_double_fault),
		cmocka_unit_test(unaccepted_memory_is_the_end_of_a_td_that_gets_ve_for_it),
		cmocka_unit_test(a_td_without_protection_from_ve_does_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
