/* SPDX-License-Identifier: MIT */
/* Service TDs: who may be bound, and what a TD says of it; entries a migration leaf cannot lock. */
#include "module_mem_setup.h"

#include "module/lockword.h"
#include "module/report.h"
#include "module/sha384.h"

#define HASH_PA	     0x1006000ull
#define IGNORE_RTMRS (0x3c0ull << 32)

static uint64_t bind(struct setup *s, const struct test_td *td, const struct test_td *service,
		     uint64_t attributes)
{
	s->regs = (struct tdx_regs){
		.rax = TDH_SERVTD_BIND, .rcx = td->tdr, .rdx = service->tdr, .r10 = attributes};
	assert_int_equal(module_seamcall(s->mod, 1, &s->regs), MODULE_TO_HOST);
	return s->regs.rax;
}

#define expect_bind(s, raw, td, service, attributes)                                               \
	setup_expect(tdx_status(bind(s, td, service, attributes)), raw)

static const struct tdcs *tdcs_of(const struct setup *s, const struct test_td *td)
{
	const struct tdr *tdr = machine_ptr(s->m, td->tdr);

	return machine_ptr(s->m, machine_strip(s->m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
}

static void service_td_is_told_by_uuid_and_hash(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_build(&s, 0, 0, 0), service = td_run(&s, 1);
	const struct tdr *served = machine_ptr(s.m, td.tdr),
			 *serving = machine_ptr(s.m, service.tdr);
	const struct tdcs *tdcs = tdcs_of(&s, &td);

	(void)state;
	expect_bind(&s, TDX_SUCCESS, &td, &service, 0);
	assert_int_equal(s.regs.rcx, td.tdr + serving->td_uuid[0]);
	assert_int_equal(s.regs.r10, served->td_uuid[0]);
	assert_int_equal(s.regs.r13, served->td_uuid[3]);
	assert_int_equal(tdcs->servtd_num, 1);
	assert_memory_equal(tdcs->servtd[0].uuid, serving->td_uuid, 32);
	/* again, by the same one */
	expect_bind(&s, TDX_SUCCESS, &td, &service, 0);
	assert_int_equal(tdcs->servtd_num, 1);
	expect_bind(&s, TDX_SERVTD_ATTR_MISMATCH, &td, &service, IGNORE_RTMRS);
	setup_free(&s);
}

static void only_a_running_td_serves_another(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_build(&s, 0, 0, 0), service = td_build(&s, 1, 0, 0);

	(void)state;
	expect_bind(&s, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RDX, &td, &td, 0);
	expect_bind(&s, TDX_OP_STATE_INCORRECT | TDX_OP_STATE_INITIALIZED, &td, &service, 0);
	mem_must(&s, TDH_MR_FINALIZE, service.tdr, 0, 0);
	expect_bind(&s, TDX_OPERAND_INVALID | TDX_OPERAND_ID_R10, &td, &service, 2);
	mem_must(&s, TDH_MR_FINALIZE, td.tdr, 0, 0);
	expect_bind(&s, TDX_OP_STATE_INCORRECT | TDX_OP_STATE_RUNNABLE, &td, &service, 0);
	setup_free(&s);
}

static void hash_prepared_for_a_service_td_must_be_met(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_build(&s, 0, 0, 0), service = td_run(&s, 1);
	uint8_t *hash = machine_ptr(s.m, HASH_PA);
	struct tdx_td_info info = {.attributes = 0, .xfam = 3};

	(void)state;
	memset(hash, 0x5a, TDX_SHA384_SIZE);
	mem_must(&s, TDH_SERVTD_PREBIND, td.tdr, HASH_PA, 0);
	expect_bind(&s, TDX_SERVTD_INFO_HASH_MISMATCH, &td, &service, 0);
	memcpy(info.mrtd.b, tdcs_of(&s, &service)->mrtd, TDX_SHA384_SIZE);
	sha384(&info, sizeof(info), hash);
	mem_must(&s, TDH_SERVTD_PREBIND, td.tdr, HASH_PA, 0);
	mem_must(&s, TDH_MR_FINALIZE, td.tdr, 0, 0);
	/* late, which only what was prepared may be */
	expect_bind(&s, TDX_SUCCESS, &td, &service, 0);
	setup_free(&s);
}

static void finalize_hashes_who_is_bound(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_build(&s, 0, 0, 0), service = td_run(&s, 1);
	const struct tdcs *tdcs = tdcs_of(&s, &td);
	uint8_t list[58] = {0}, hash[TDX_SHA384_SIZE];
	uint64_t attributes = IGNORE_RTMRS;

	(void)state;
	expect_bind(&s, TDX_SUCCESS, &td, &service, attributes);
	mem_must(&s, TDH_MR_FINALIZE, td.tdr, 0, 0);
	memcpy(list, tdcs->servtd[0].info_hash, TDX_SHA384_SIZE);
	memcpy(list + 50, &attributes, sizeof(attributes));
	sha384(list, sizeof(list), hash);
	assert_memory_equal(tdcs->servtd_hash, hash, sizeof(hash));
	memset(hash, 0, sizeof(hash));
	assert_memory_equal(tdcs_of(&s, &service)->servtd_hash, hash, sizeof(hash));
	setup_free(&s);
}

static void unblockw_is_silent_on_an_entry_it_cannot_lock(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	const struct lock_key key = {td.tdr, 0x5000, TDX_LEVEL_4K};

	(void)state;
	mem_must(&s, TDH_MEM_PAGE_AUG, 0x5000, td.tdr, FREE_4K(0));
	mem_expect(&s, TDX_EPT_ENTRY_STATE_INCORRECT | TDX_OPERAND_ID_RCX, TDH_EXPORT_UNBLOCKW,
		   0x5000, td.tdr, 0);
	assert_int_not_equal(s.regs.rcx, 0);
	assert_true(module_lock_hold(s.mod, LOCK_SEPT_ENTRY, &key, HOLD_EXCLUSIVE));
	mem_expect(&s, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX, TDH_EXPORT_UNBLOCKW, 0x5000, td.tdr,
		   0);
	assert_int_equal(s.regs.rcx, 0);
	assert_int_equal(s.regs.rdx, 0);
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(service_td_is_told_by_uuid_and_hash),
		cmocka_unit_test(only_a_running_td_serves_another),
		cmocka_unit_test(hash_prepared_for_a_service_td_must_be_met),
		cmocka_unit_test(finalize_hashes_who_is_bound),
		cmocka_unit_test(unblockw_is_silent_on_an_entry_it_cannot_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
