/* SPDX-License-Identifier: MIT */
/* The typed calls: one call each, registers, retries, faults of the instruction, outputs. */
#include "host_setup.h"

#include <errno.h>

static const struct tdx_port *ready(struct fake *f, struct tdx_host *host)
{
	static const struct tdx_port *cpus[1];

	cpus[0] = fake_new(f);
	assert_int_equal(tdx_host_init(host, cpus, 1, 0), 0);
	return cpus[0];
}

static void S0_04_every_wrapper_packs_the_golden_registers(void **state)
{
	struct tdx_host host;
	struct fake f;
	const struct tdx_port *port = ready(&f, &host);

	(void)state;
	for (unsigned i = 0; i < FAKE_NUM_CALLS; i++) {
		const struct fake_call *c = &fake_calls[i];

		FAKE_ANSWER(&f, TDX_SUCCESS);
		assert_true(tdx_is_success(c->call(tdx_cpu_of(port), &host)));
		if (memcmp(&f.in[0], &c->in, sizeof(c->in)) != 0)
			fail_msg("%s: rax %llx rcx %llx rdx %llx r8 %llx r9 %llx", c->name,
				 (unsigned long long)f.in[0].rax, (unsigned long long)f.in[0].rcx,
				 (unsigned long long)f.in[0].rdx, (unsigned long long)f.in[0].r8,
				 (unsigned long long)f.in[0].r9);
	}
}

static void S0_09_wrapper_never_reissues_on_operand_busy(void **state)
{
	struct tdx_host host;
	struct fake f;
	const struct tdx_port *port = ready(&f, &host);
	enum tdx_operand op;

	(void)state;
	for (unsigned i = 0; i < FAKE_NUM_CALLS; i++)
		for (size_t k = 0; tdx_operand_at(k, &op); k++) {
			const struct fake_call *c = &fake_calls[i];
			struct tdx_status busy = tdx_error_op(TDX_OPERAND_BUSY, op);
			bool key = c->in.rax == TDH_MNG_KEY_CONFIG && op == TDX_OPERAND_ID_KET;

			FAKE_ANSWER(&f, busy.raw);
			assert_int_equal(c->call(tdx_cpu_of(port), &host).raw, busy.raw);
			assert_int_equal(f.ncalls, key ? TDX_ENTROPY_ATTEMPTS : 1);
		}
}

static void S0_12_every_primitive_is_one_dispatch(void **state)
{
	static const uint64_t others[] = {TDX_SUCCESS,
					  TDX_OPERAND_INVALID,
					  TDX_TLB_TRACKING_NOT_DONE,
					  TDX_INTERRUPTED_RESUMABLE,
					  TDX_INTERRUPTED_RESTARTABLE,
					  TDX_PREVIOUS_TLB_EPOCH_BUSY,
					  TDX_SYS_BUSY,
					  TDX_SEAMCALL_GP,
					  0x8000123400005678ull};
	struct tdx_host host;
	struct fake f;
	const struct tdx_port *port = ready(&f, &host);

	(void)state;
	for (unsigned i = 0; i < FAKE_NUM_CALLS; i++)
		for (unsigned k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			FAKE_ANSWER(&f, others[k]);
			assert_int_equal(fake_calls[i].call(tdx_cpu_of(port), &host).raw,
					 others[k]);
			assert_int_equal(f.ncalls, 1);
		}
}

static void S0_21_only_pages_handed_over_are_flushed(void **state)
{
	struct tdx_host host;
	struct fake f;
	const struct tdx_port *port = ready(&f, &host);

	(void)state;
	for (unsigned i = 0; i < FAKE_NUM_CALLS; i++) {
		const struct fake_call *c = &fake_calls[i];

		FAKE_ANSWER(&f, TDX_SUCCESS);
		assert_true(tdx_is_success(c->call(tdx_cpu_of(port), &host)));
		assert_int_equal(f.nflushes, c->flushes);
		assert_int_equal(f.nclears + f.nwbinvd, 0);
		/* Before the call, and pages that are in its registers. */
		assert_true(c->flushes <= 2);
		assert_string_equal(f.order, &"ffic"[2 - c->flushes]);
		if (c->flushes)
			assert_true(f.flushed.v == c->in.r8 || f.flushed.v == c->in.rcx ||
				    (c->flushes == 2 &&
				     (f.flushed.v == c->in.r9 || f.flushed.v == c->in.r10)));
		if (c->flushes)
			assert_int_equal(f.flushed_len, c->flush_len);
	}
}

/* The pages that an import makes the TD's are in a list: each is written back, from the one at
 * which the call begins, and nothing where there is none. */
static void S0_21_listed_pages_are_flushed_too(void **state)
{
	static const uint64_t list[] = {0x9000, 0xa000, 1ull << 63, 0xb000};
	static const tdx_hpa_t at = {FAKE_NEW_PAGES};
	struct tdx_mig_memory m = FAKE_MEMORY(false);
	struct fake f;
	const struct tdx_port *port = fake_new(&f);

	(void)state;
	FAKE_ANSWER(&f, TDX_SUCCESS);
	f.list = list;
	m.gpas.first = 1;
	m.gpas.n = 4;
	assert_true(tdx_is_success(tdh_import_mem(tdx_cpu_of(port), FAKE_TD, &m, &at, NULL)));
	assert_string_equal(f.order, "ffic");
	assert_int_equal(f.flushed.v, 0xb000);
	m.buffers = at;
	FAKE_ANSWER(&f, TDX_SUCCESS);
	assert_true(tdx_is_success(tdh_import_mem(tdx_cpu_of(port), FAKE_TD, &m, NULL, NULL)));
	assert_string_equal(f.order, "ffic");
}

static void S0_03_results_of_migration_are_whole(void **state)
{
	struct tdx_servtd_binding b;
	struct tdx_mig_result r;
	struct fake f;
	const struct tdx_port *port = fake_new(&f);

	(void)state;
	f.answer[0] = (struct tdx_regs){.rax = 3,
					.rcx = 0x7ull << 55 | 0x1000 | 6 << 3,
					.rdx = 4,
					.r10 = 1,
					.r11 = 2,
					.r12 = 3,
					.r13 = 5};
	assert_int_equal(tdh_export_mem(tdx_cpu_of(port), FAKE_TD, &FAKE_MEMORY(false), &r).raw, 3);
	assert_int_equal(r.next, 6);
	assert_int_equal(r.pages, 4);
	assert_memory_equal(&r.raw, &f.answer[0], sizeof(r.raw));
	f.ncalls = 0;
	(void)!tdh_servtd_bind(tdx_cpu_of(port), FAKE_TD, FAKE_TD, 0, &b).raw;
	assert_int_equal(b.handle, f.answer[0].rcx);
	assert_int_equal(b.target_uuid[3], 5);
	assert_memory_equal(&b.raw, &f.answer[0], sizeof(b.raw));
}

static void S0_28_versions_are_in_bits_23_16_and_nothing_above(void **state)
{
	struct tdx_host host;
	struct fake f;
	const struct tdx_port *port = ready(&f, &host);

	(void)state;
	for (unsigned i = 0; i < FAKE_NUM_CALLS; i++) {
		FAKE_ANSWER(&f, TDX_SUCCESS);
		(void)!fake_calls[i].call(tdx_cpu_of(port), &host).raw;
		assert_int_equal(f.in[0].rax >> 24, 0);
		/* Of the x2APIC id, and of tables of L2 VMs; of no other. */
		switch (f.in[0].rax >> 16) {
		case 1:
			assert_true((f.in[0].rax & 0xffff) == TDH_VP_INIT ||
				    strstr(fake_calls[i].name, "_l2"));
			break;
		default:
			assert_int_equal(f.in[0].rax >> 16, 0);
			break;
		}
	}
}

static void S0_03_reserved_bits_of_outputs_reach_the_caller(void **state)
{
	struct tdx_page_metadata md;
	struct tdx_mem_result r;
	struct fake f;
	const struct tdx_port *port = fake_new(&f);

	(void)state;
	f.answer[0] = (struct tdx_regs){.rax = TDX_PAGE_METADATA_INCORRECT,
					.rcx = 0xabcdef0123456703,
					.rdx = 0xfedcba9876543001,
					.r8 = ~0ull << 3 | 1,
					.r9 = 7};
	assert_int_equal(tdh_phymem_page_reclaim(tdx_cpu_of(port), hpa(FAKE_PAGE), &md).raw,
			 f.answer[0].rax);
	assert_memory_equal(&md.raw, &f.answer[0], sizeof(md.raw));
	assert_int_equal(
		tdh_mem_page_remove(tdx_cpu_of(port), FAKE_TD, gpa(0), TDX_LEVEL_4K, &r).raw,
		f.answer[0].rax);
	assert_memory_equal(&r.raw, &f.answer[0], sizeof(r.raw));
	assert_int_equal(r.entry, f.answer[0].rcx);
}

static void S0_02_decoders_know_types_and_sizes_and_say_unknown(void **state)
{
	static const unsigned types[] = {0, 1, 3, 4, 5, 6, 8, 15};
	struct tdx_page_metadata md;
	struct fake f;
	const struct tdx_port *port = fake_new(&f);

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		for (unsigned size = 0; size < 3; size++) {
			f.answer[0] = (struct tdx_regs){.rcx = types[i], .rdx = 0x1000, .r8 = size};
			f.ncalls = 0;
			assert_true(tdx_is_success(
				tdh_phymem_page_rdmd(tdx_cpu_of(port), hpa(0), &md)));
			assert_int_equal(md.type, types[i]);
			assert_int_equal(md.size, size);
			assert_int_equal(md.owner.v, 0x1000);
		}
	f.answer[0].rcx = 2;
	f.ncalls = 0;
	assert_true(tdx_is_success(tdh_phymem_page_rdmd(tdx_cpu_of(port), hpa(0), &md)));
	assert_int_equal(md.type, TDX_PT_UNKNOWN);
}

static void S0_16_keyid_sits_above_the_physical_address(void **state)
{
	(void)state;
	for (unsigned phys = 46; phys <= 52; phys++)
		for (unsigned bits = 1; bits <= 6; bits++) {
			const struct tdx_port *cpus[1];
			struct tdx_host host;
			struct fake f;

			cpus[0] = fake_new(&f);
			f.phys_bits = phys;
			f.keyid_bits = bits;
			assert_int_equal(tdx_host_init(&host, cpus, 1, 0), 0);
			(void)!tdh_phymem_page_wbinvd_hkid(&host, tdx_cpu_of(cpus[0]), hpa(0x7000),
							   hkid(1))
				.raw;
			assert_int_equal(f.in[0].rcx, 0x7000 | 1ull << (phys - bits));
		}
}

static void S1_01_registers_that_are_no_outputs_keep_their_inputs(void **state)
{
	struct tdx_regs regs = {.rbx = 1, .rsi = 2, .rdi = 3, .r8 = 4, .r15 = 5};
	struct tdx_enter_result out;
	struct fake f;
	const struct tdx_port *port = fake_new(&f);

	(void)state;
	/* One block in and out: what the caller gives is what the instruction gets ... */
	f.answer[0] = (struct tdx_regs){.rax = 77, .rbx = 11, .r8 = 44, .r15 = 55};
	(void)!tdh_vp_enter(tdx_cpu_of(port), FAKE_VP, &regs, &out).raw;
	assert_int_equal(f.in[0].rbx, 1);
	assert_int_equal(f.in[0].rsi, 2);
	assert_int_equal(f.in[0].rdi, 3);
	assert_int_equal(f.in[0].r15, 5);
	/* ... and what the instruction leaves is what the caller gets, in place. */
	assert_memory_equal(&regs, &f.answer[0], sizeof(regs));
	assert_memory_equal(&out.raw, &f.answer[0], sizeof(regs));
	assert_int_equal(out.exit_reason, 77);
	/* The block may even be that of the result. */
	f.ncalls = 0;
	out.raw = (struct tdx_regs){.rbx = 1};
	(void)!tdh_vp_enter(tdx_cpu_of(port), FAKE_VP, &out.raw, &out).raw;
	assert_int_equal(f.in[0].rbx, 1);
	assert_memory_equal(&out.raw, &f.answer[0], sizeof(regs));
}

static void S1_03_extended_errors_and_values_are_returned(void **state)
{
	struct tdx_init_result init;
	struct tdx_field_value v;
	struct tdx_mem_result r;
	struct fake f;
	const struct tdx_port *port = fake_new(&f);

	(void)state;
	/* An entry that is MAPPED (public state 4), 2M. */
	f.answer[0] = (struct tdx_regs){
		.rax = tdx_error_op(TDX_EPT_ENTRY_STATE_INCORRECT, TDX_OPERAND_ID_RCX).raw,
		.rcx = 0x8000000012345007,
		.rdx = 0x401,
		.r8 = 99};
#define EXTENDED(call)                                                                             \
	do {                                                                                       \
		f.ncalls = 0;                                                                      \
		memset(&r, 0, sizeof(r));                                                          \
		assert_int_equal((call).raw, f.answer[0].rax);                                     \
		assert_int_equal(r.entry, 0x8000000012345007);                                     \
		assert_int_equal(r.level, TDX_LEVEL_2M);                                           \
		assert_int_equal(r.state, TDX_SEPT_MAPPED);                                        \
	} while (0)
	EXTENDED(tdh_mem_page_add(tdx_cpu_of(port), FAKE_TD, gpa(0), hpa(0), hpa(0), &r));
	EXTENDED(tdh_mem_sept_add(tdx_cpu_of(port), FAKE_TD, gpa(0), TDX_LEVEL_2M, hpa(0), &r));
	EXTENDED(tdh_mem_page_aug(tdx_cpu_of(port), FAKE_TD, gpa(0), TDX_LEVEL_2M, hpa(0), &r));
	EXTENDED(tdh_mem_range_block(tdx_cpu_of(port), FAKE_TD, gpa(0), TDX_LEVEL_2M, &r));
	EXTENDED(tdh_mem_page_remove(tdx_cpu_of(port), FAKE_TD, gpa(0), TDX_LEVEL_2M, &r));
	EXTENDED(tdh_mr_extend(tdx_cpu_of(port), FAKE_TD, gpa(0), &r));
	f.ncalls = 0;
	(void)!tdh_mng_rd(tdx_cpu_of(port), FAKE_TD, 0, &v).raw;
	assert_int_equal(v.value, 0); /* R8 means nothing on errors */
	assert_int_equal(v.raw.r8, 99);

	f.answer[0] = (struct tdx_regs){.rcx = 0x7654321000, .r8 = 0x1234};
	f.ncalls = 0;
	(void)!tdh_vp_rd(tdx_cpu_of(port), FAKE_VP, 0, &v).raw;
	assert_int_equal(v.value, 0x1234);
	(void)!tdh_mem_page_remove(tdx_cpu_of(port), FAKE_TD, gpa(0), TDX_LEVEL_4K, &r).raw;
	assert_int_equal(r.page.v, 0x7654321000);

	f.answer[0] = (struct tdx_regs){
		.rax = tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_CPUID_CONFIG).raw,
		.rcx = 0x0000000100000007};
	f.ncalls = 0;
	(void)!tdh_mng_init(tdx_cpu_of(port), FAKE_TD, hpa(0), &init).raw;
	assert_int_equal(init.cpuid_leaf, 7);
	assert_int_equal(init.cpuid_subleaf, 1);
}

static void tables_of_l2_vms_are_told_apart(void **state)
{
	const uint64_t none = ~0ull, unused = 1ull << 63;
	struct tdx_l2_tables t, given = {{{hpa(0x1000), true},
					  {hpa(0x2000), true},
					  {hpa(0x3000), true},
					  {hpa(0), false}}};
	uint16_t attributes[4];
	struct tdx_mem_result r;
	struct fake f;
	const struct tdx_cpu *cpu = tdx_cpu_of(fake_new(&f));

	(void)state;
	/* One not needed, one that waits for the next call. */
	f.answer[0] = (struct tdx_regs){.rax = TDX_INTERRUPTED_RESUMABLE,
					.r8 = none,
					.r9 = 0x2000 | unused,
					.r10 = 0x3000,
					.r11 = none};
	t = given;
	(void)!tdh_mem_sept_add_l2(cpu, FAKE_TD, gpa(0), TDX_LEVEL_2M, false, &t, &r).raw;
	assert_false(t.of[0].there);
	assert_true(t.of[1].there);
	assert_true(t.of[2].there);
	assert_int_equal(t.of[2].page.v, 0x3000);
	assert_false(t.of[3].there);
	/* Refused: all are the host's still. */
	f.ncalls = 0;
	f.answer[0] =
		(struct tdx_regs){.rax = tdx_error_op(TDX_EPT_WALK_FAILED, 1).raw, .r8 = none};
	t = given;
	(void)!tdh_mem_sept_add_l2(cpu, FAKE_TD, gpa(0), TDX_LEVEL_2M, false, &t, NULL).raw;
	assert_memory_equal(&t, &given, sizeof(t));
	(void)!tdh_mem_sept_remove_l2(cpu, FAKE_TD, gpa(0), TDX_LEVEL_2M, &t, NULL).raw;
	for (unsigned i = 0; i < 4; i++)
		assert_false(t.of[i].there);

	f.ncalls = 0;
	f.answer[0] = (struct tdx_regs){.rcx = 0x7000, .r9 = none, .r10 = 0x9000, .r11 = none};
	(void)!tdh_mem_page_promote_l2(cpu, FAKE_TD, gpa(0), TDX_LEVEL_2M, &t, &r).raw;
	assert_true(t.of[0].there && !t.of[1].there && t.of[2].there && !t.of[3].there);
	assert_int_equal(t.of[0].page.v, 0x7000);
	assert_int_equal(t.of[2].page.v, 0x9000);
	assert_int_equal(r.page.v, 0x7000);

	f.ncalls = 0;
	f.answer[0] = (struct tdx_regs){.r9 = 0x2000, .r10 = 0x3000 | unused, .r11 = none | unused};
	t = given;
	(void)!tdh_mem_page_demote_l2(cpu, FAKE_TD, gpa(0), TDX_LEVEL_2M, true, &t, NULL, NULL).raw;
	assert_true(!t.of[0].there && !t.of[1].there && t.of[2].there && !t.of[3].there);

	f.ncalls = 0;
	f.answer[0] = (struct tdx_regs){
		.rcx = 0x8000000012345007, .rdx = 0x401, .r8 = 0x0007800500030000};
	(void)!tdh_mem_sept_rd_l2(cpu, FAKE_TD, gpa(0), TDX_LEVEL_2M, attributes, &r).raw;
	assert_int_equal(attributes[1], 3);
	assert_int_equal(attributes[2], 0x8005);
	assert_int_equal(attributes[3], 7);
	assert_int_equal(r.entry, 0x8000000012345007);
	assert_int_equal(r.state, TDX_SEPT_MAPPED);
}

static void S1_04_entropy_is_retried_ten_times_in_all(void **state)
{
	struct tdx_host host;
	struct fake f;
	const struct tdx_port *port = ready(&f, &host);

	(void)state;
	for (unsigned i = 0; i < FAKE_NUM_CALLS; i++) {
		const struct fake_call *c = &fake_calls[i];

		if (c->in.rax == TDH_VP_ENTER)
			continue;
		for (unsigned k = 0; k <= 12; k++) {
			uint64_t answers[13];

			for (unsigned j = 0; j < k; j++)
				answers[j] = TDX_RND_NO_ENTROPY;
			answers[k] = TDX_SUCCESS;
			fake_answer(&f, k + 1, answers);
			assert_int_equal(c->call(tdx_cpu_of(port), &host).raw,
					 k < 10 ? TDX_SUCCESS : TDX_RND_NO_ENTROPY);
			assert_int_equal(f.ncalls, k < 10 ? k + 1 : 10);
			/* Each attempt has the registers of the first. */
			assert_memory_equal(&f.in[f.ncalls - 1], &c->in, sizeof(c->in));
		}
	}
}

static void S1_05_failed_key_generation_is_retried(void **state)
{
	const uint64_t ket = tdx_error_op(TDX_OPERAND_BUSY, TDX_OPERAND_ID_KET).raw;
	struct fake f;
	const struct tdx_port *port = fake_new(&f);

	(void)state;
	FAKE_ANSWER(&f, TDX_KEY_GENERATION_FAILED, ket, TDX_RND_NO_ENTROPY, TDX_SUCCESS);
	assert_true(tdx_is_success(tdh_mng_key_config(tdx_cpu_of(port), FAKE_TD)));
	assert_int_equal(f.ncalls, 4);
	assert_int_equal(f.nrelax, 2);
	FAKE_ANSWER(&f, TDX_KEY_GENERATION_FAILED);
	assert_true(
		tdx_is(tdh_mng_key_config(tdx_cpu_of(port), FAKE_TD), TDX_KEY_GENERATION_FAILED));
	assert_int_equal(f.ncalls, TDX_ENTROPY_ATTEMPTS);
}

static void S1_06_entering_is_one_dispatch_whatever_it_answers(void **state)
{
	struct tdx_regs regs = {0};
	struct fake f;
	const struct tdx_port *port = fake_new(&f);

	(void)state;
	for (size_t i = 0; tdx_status_at(i); i++) {
		FAKE_ANSWER(&f, tdx_status_at(i)->code);
		assert_int_equal(tdh_vp_enter(tdx_cpu_of(port), FAKE_VP, &regs, NULL).raw,
				 tdx_status_at(i)->code);
		assert_int_equal(f.ncalls, 1);
	}
}

static void S1_07_no_status_of_the_module_is_a_software_error(void **state)
{
	unsigned n = 0;

	(void)state;
	for (size_t i = 0; tdx_status_at(i); i++) {
		uint64_t code = tdx_status_at(i)->code;

		if (code == TDX_UNINITIALIZE_ERROR ||
		    (code & TDX_SW_ERROR_MASK) == TDX_SW_ERROR_MASK)
			continue;
		n++;
		assert_false(tdx_is_sw_error(tdx_status(code)));
		assert_false(tdx_is_sw_error(tdx_status(code | 0xffffffff)));
		/* The test once proposed, any bit of the mask, would say yes to every error. */
		if (code >> 63)
			assert_true(code & TDX_SW_ERROR_MASK);
	}
	assert_true(n > 170);
	assert_true(tdx_is_sw_error(tdx_status(TDX_SEAMCALL_VMFAILINVALID)));
	assert_true(tdx_is_sw_error(tdx_status(TDX_SEAMCALL_GP)));
	assert_true(tdx_is_sw_error(tdx_status(TDX_SEAMCALL_UD)));
}

static void S1_08_faults_of_the_instruction_become_errno(void **state)
{
	static const struct {
		uint64_t status;
		int err;
	} rows[] = {{TDX_SEAMCALL_VMFAILINVALID, -ENODEV},
		    {TDX_SEAMCALL_UD, -EACCES},
		    {TDX_SEAMCALL_GP, -EOPNOTSUPP},
		    {TDX_SYS_BUSY, -EIO},
		    {TDX_RND_NO_ENTROPY, -EIO}};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tdx_host_info info;
		struct tdx_host host;
		struct fake f;

		ready(&f, &host);
		FAKE_ANSWER(&f, rows[i].status);
		assert_int_equal(tdx_host_discover(&host, &info), rows[i].err);
		assert_int_equal(tdx_host_last_status(&host).raw, rows[i].status);
		assert_int_equal(tdx_host_last_leaf(&host), TDH_SYS_INIT);
	}
}

static bool was_incoherent;

static void note_and_write_back(const struct tdx_port *port)
{
	was_incoherent = port->ops->incoherent(port);
}

/* Stopped in between, it must still count as one whose caches are to be written back. */
static void S1_12_the_mark_goes_after_the_caches_were_written_back(void **state)
{
	struct tdx_port_ops ops;
	struct fake f;
	const struct tdx_port *port = fake_new(&f);
	const struct tdx_port noting = {&ops, &f};

	(void)state;
	ops = *port->ops;
	ops.wbinvd = note_and_write_back;
	was_incoherent = false;
	port->ops->set_incoherent(port, true);
	tdx_host_cpu_flush(tdx_cpu_of(&noting));
	assert_true(was_incoherent);
	assert_false(f.incoherent);
}

static void jump_away(const struct tdx_port *port, struct tdx_regs *regs);
static jmp_buf stopped;

static void S1_12_a_processor_stopped_between_mark_and_call_is_still_flushed(void **state)
{
	struct tdx_port_ops ops;
	struct fake f;
	const struct tdx_port *port = fake_new(&f);
	const struct tdx_port stopping = {&ops, &f};

	(void)state;
	/* A processor that made no call has nothing to write back. */
	tdx_host_cpu_flush(tdx_cpu_of(port));
	assert_int_equal(f.nwbinvd, 0);
	ops = *port->ops;
	ops.seamcall = jump_away;
	if (!setjmp(stopped)) {
		(void)!tdh_mem_track(tdx_cpu_of(&stopping), FAKE_TD).raw;
		fail();
	}
	assert_int_equal(f.ncalls, 0);
	tdx_host_cpu_flush(tdx_cpu_of(port));
	assert_int_equal(f.nwbinvd, 1);
	tdx_host_cpu_flush(tdx_cpu_of(port));
	assert_int_equal(f.nwbinvd, 1);
	/* The same of the one call that does not go through the common path. */
	if (!setjmp(stopped)) {
		struct tdx_regs regs = {0};

		(void)!tdh_vp_enter(tdx_cpu_of(&stopping), FAKE_VP, &regs, NULL).raw;
		fail();
	}
	tdx_host_cpu_flush(tdx_cpu_of(port));
	assert_int_equal(f.nwbinvd, 2);
}

static void jump_away(const struct tdx_port *port, struct tdx_regs *regs)
{
	(void)port;
	(void)regs;
	longjmp(stopped, 1);
}

static void S0_18_pages_are_cleared_only_where_the_platform_needs_it(void **state)
{
	const struct tdx_port *cpus[1];
	struct tdx_host host;
	struct fake f;

	(void)state;
	cpus[0] = fake_new(&f);
	assert_int_equal(tdx_host_init(&host, cpus, 1, 0), 0);
	tdx_host_reset_pages(&host, tdx_cpu_of(cpus[0]), hpa(0x1000), 0x3000);
	assert_int_equal(f.nclears + f.nbarriers, 0);
	assert_int_equal(tdx_host_init(&host, cpus, 1, TDX_HOST_PARTIAL_WRITE_MCE), 0);
	tdx_host_reset_pages(&host, tdx_cpu_of(cpus[0]), hpa(0x1000), 0x3000);
	assert_string_equal(f.order, "mb"); /* S0-19: the barrier after the stores */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S0_02_decoders_know_types_and_sizes_and_say_unknown),
		cmocka_unit_test(S0_03_reserved_bits_of_outputs_reach_the_caller),
		cmocka_unit_test(S0_04_every_wrapper_packs_the_golden_registers),
		cmocka_unit_test(tables_of_l2_vms_are_told_apart),
		cmocka_unit_test(S0_09_wrapper_never_reissues_on_operand_busy),
		cmocka_unit_test(S0_12_every_primitive_is_one_dispatch),
		cmocka_unit_test(S0_16_keyid_sits_above_the_physical_address),
		cmocka_unit_test(S0_18_pages_are_cleared_only_where_the_platform_needs_it),
		cmocka_unit_test(S0_21_only_pages_handed_over_are_flushed),
		cmocka_unit_test(S0_21_listed_pages_are_flushed_too),
		cmocka_unit_test(S0_03_results_of_migration_are_whole),
		cmocka_unit_test(S0_28_versions_are_in_bits_23_16_and_nothing_above),
		cmocka_unit_test(S1_01_registers_that_are_no_outputs_keep_their_inputs),
		cmocka_unit_test(S1_03_extended_errors_and_values_are_returned),
		cmocka_unit_test(S1_04_entropy_is_retried_ten_times_in_all),
		cmocka_unit_test(S1_05_failed_key_generation_is_retried),
		cmocka_unit_test(S1_06_entering_is_one_dispatch_whatever_it_answers),
		cmocka_unit_test(S1_07_no_status_of_the_module_is_a_software_error),
		cmocka_unit_test(S1_08_faults_of_the_instruction_become_errno),
		cmocka_unit_test(S1_12_the_mark_goes_after_the_caches_were_written_back),
		cmocka_unit_test(S1_12_a_processor_stopped_between_mark_and_call_is_still_flushed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
