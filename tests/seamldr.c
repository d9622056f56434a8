/* SPDX-License-Identifier: MIT */
/* The P-SEAMLDR: its calls one by one, each refusal, and a module update under living TDs. */
#include "host_setup.h"

#include <stdlib.h>

#include <swtdx/model.h>
#include <swtdx/module_image.h>
#include <swtdx/module_update.h>

#include "machine/seam.h"
#include "port/model.h"

enum {
	CPUS = 3,
	PACKAGES = 2,
	PARAMS = 0x1000000, /* of the host's own memory */
	SIG = PARAMS + 0x1000,
	MODULE = PARAMS + 0x2000,
	MODULE_PAGES = 3,
	BUFFER = PARAMS + 0x10000,
};

struct rig {
	struct tdx_model *model;
	const struct tdx_cpu *cpu[CPUS];
	struct tdx_seamldr_params params;
	struct tdx_seam_sigstruct sig;
	uint8_t module[MODULE_PAGES * TDX_PAGE_SIZE];
	bool lost;
};

static struct machine_lp *lp(struct rig *r, unsigned i)
{
	return &r->model->sys->m->lp[i];
}

static void make_image(struct rig *r, const struct tdx_module_image_config *cfg)
{
	const size_t size = tdx_module_image_size(cfg);
	uint8_t *image = malloc(size);

	assert_int_equal(size, (2 + MODULE_PAGES) * TDX_PAGE_SIZE);
	assert_int_equal(tdx_module_image_make(cfg, image), 0);
	memcpy(&r->sig, image + TDX_PAGE_SIZE, sizeof(r->sig));
	memcpy(r->module, image + 2 * TDX_PAGE_SIZE, sizeof(r->module));
	free(image);
	r->params = (struct tdx_seamldr_params){.scenario = TDX_SEAMLDR_UPDATE,
						.sigstruct_pa = SIG,
						.num_module_pages = MODULE_PAGES};
	for (unsigned i = 0; i < MODULE_PAGES; i++)
		r->params.module_page_pa[i] = MODULE + i * TDX_PAGE_SIZE;
}

static const struct tdx_module_image_config sound = {.module_hv = 1,
						     .num_module_pages = MODULE_PAGES};

static void power_on(struct rig *r)
{
	struct machine_config mc;
	char err[256] = "";

	memset(r, 0, sizeof(*r));
	tdx_model_default(&mc);
	mc.lps = CPUS;
	mc.pkgs = PACKAGES;
	r->model = tdx_model_new_from(&mc, err, sizeof(err));
	assert_string_equal(err, "");
	for (unsigned i = 0; i < CPUS; i++)
		r->cpu[i] = tdx_cpu_of(tdx_model_port(r->model, i));
	make_image(r, &sound);
}

static void power_off(struct rig *r)
{
	tdx_model_free(r->model);
}

static void write_all(struct rig *r)
{
	machine_write(lp(r, 0), PARAMS, &r->params, sizeof(r->params));
	machine_write(lp(r, 0), SIG, &r->sig, sizeof(r->sig));
	machine_write(lp(r, 0), MODULE, r->module, sizeof(r->module));
}

/* On every processor; what the last one says. */
static uint64_t install_at(struct rig *r, uint64_t params)
{
	struct tdx_status s = {0};

	write_all(r);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_int_equal(s.raw, SEAMLDR_SUCCESS);
		s = tdh_seamldr_install(r->cpu[i], hpa(params), &r->lost);
	}
	return s.raw;
}

static uint64_t install(struct rig *r)
{
	return install_at(r, PARAMS);
}

static struct tdx_seamldr_info info(struct rig *r)
{
	struct tdx_seamldr_info out;

	assert_int_equal(tdh_seamldr_info(r->cpu[1], hpa(BUFFER), &out).raw, SEAMLDR_SUCCESS);
	return out;
}

static uint64_t module_answers(struct rig *r)
{
	struct tdx_regs regs = {.rax = TDH_SYS_LP_SHUTDOWN};

	system_seamcall(r->model->sys, 0, &regs);
	return regs.rax;
}

/* Up to where an update can begin. */
static void shut_module_down(struct rig *r)
{
	struct tdx_regs regs;

	for (unsigned i = 0; i < CPUS; i++) {
		regs = (struct tdx_regs){.rax = TDH_SYS_INIT};
		if (i == 0)
			system_seamcall(r->model->sys, i, &regs);
		regs = (struct tdx_regs){.rax = TDH_SYS_LP_INIT};
		system_seamcall(r->model->sys, i, &regs);
		assert_int_equal(regs.rax, TDX_SUCCESS);
	}
	/* its data is what counts: of a module that is not ready, from the test */
	machine_handoff_header(r->model->sys->m)->valid = 1;
	machine_handoff_header(r->model->sys->m)->hv = 1;
	machine_handoff_header(r->model->sys->m)->size = 50000;
}

static void clean_up(struct rig *r)
{
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(tdh_seamldr_cleanup(r->cpu[i]).raw, SEAMLDR_SUCCESS);
}

static void info_tells_what_is_loaded(void **state)
{
	struct tdx_seamldr_info i;
	struct rig r;

	(void)state;
	power_on(&r);
	i = info(&r);
	assert_int_equal(i.vendor_id, 0x8086);
	assert_int_equal(i.acm_x2apicid, lp(&r, 0)->x2apic_id);
	assert_int_equal(i.num_remaining_updates, 63);
	assert_int_equal(i.features0, TDX_SEAMLDR_FEATURE_CLEANUP);
	assert_int_equal(i.seamextend.valid, 0x1ff);
	assert_int_equal(i.seamextend.seam_ready, 1);
	assert_int_equal(i.seamextend.p_seamldr_ready, 1);
	assert_int_equal(i.seamextend.tee_tcb_svn[0], 13);
	assert_int_equal(i.seamextend.tee_tcb_svn[1], 1);
	power_off(&r);
}

static void buffers_are_the_hosts_own_and_aligned(void **state)
{
	const struct machine_range seam = machine_platform_spr.seamrr;
	struct tdx_seamldr_info out;
	struct rig r;

	(void)state;
	power_on(&r);
	const uint64_t hkid_bit = 1ull << lp(&r, 0)->m->hkid_shift;
	const uint64_t bad[] = {BUFFER + 128,
				BUFFER + 1,
				seam.base,
				seam.base + seam.size - 256,
				BUFFER | hkid_bit * lp(&r, 0)->m->private_hkid_min,
				1ull << 60};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(tdh_seamldr_info(r.cpu[0], hpa(bad[i]), &out).raw,
				 SEAMLDR_EBADPARAM);
		assert_int_equal(tdh_seamldr_seaminfo(r.cpu[0], hpa(bad[i])).raw,
				 SEAMLDR_EBADPARAM);
	}
	/* a shared KeyID is the host's */
	assert_int_equal(tdh_seamldr_info(r.cpu[0], hpa(BUFFER | hkid_bit), &out).raw,
			 SEAMLDR_SUCCESS);
	assert_int_equal(tdh_seamldr_seaminfo(r.cpu[0], hpa(BUFFER + 256)).raw, SEAMLDR_EBADPARAM);
	power_off(&r);
}

static void seaminfo_tells_the_platform(void **state)
{
	uint32_t word[8];
	uint64_t cmr[4];
	struct rig r;

	(void)state;
	power_on(&r);
	assert_int_equal(tdh_seamldr_seaminfo(r.cpu[0], hpa(BUFFER)).raw, SEAMLDR_SUCCESS);
	machine_read(lp(&r, 0), BUFFER, word, sizeof(word));
	assert_int_equal(word[2], CPUS);
	assert_int_equal(word[3], PACKAGES);
	assert_int_equal(word[4], machine_fms(lp(&r, 0)->m));
	assert_int_equal(word[6], 0); /* there is no third package */
	machine_read(lp(&r, 0), BUFFER + 128, cmr, sizeof(cmr));
	assert_int_equal(cmr[0], lp(&r, 0)->m->cfg.cmr[0].base);
	assert_int_equal(cmr[3], lp(&r, 0)->m->cfg.cmr[1].size);
	power_off(&r);
}

static void a_leaf_it_does_not_have_is_a_bad_parameter(void **state)
{
	const uint64_t rax[] = {SEAMLDR_CLEANUP + 1, SEAMLDR_INFO | 1ull << 16, ~0ull};
	struct rig r;

	(void)state;
	power_on(&r);
	for (unsigned i = 0; i < sizeof(rax) / sizeof(rax[0]); i++) {
		struct tdx_regs regs = {.rax = rax[i], .rcx = BUFFER, .rdx = 5, .r11 = 7};

		system_seamcall(r.model->sys, 0, &regs);
		assert_int_equal(regs.rax, SEAMLDR_EBADPARAM);
		assert_int_equal(regs.rdx, 5); /* as they were */
		assert_int_equal(regs.r11, 7);
	}
	power_off(&r);
}

/* Each is found by the last processor, and the module is there again. */
static void parameters_are_checked_in_order(void **state)
{
	struct rig r;

	(void)state;
#define BAD(change_, status_)                                                                      \
	do {                                                                                       \
		make_image(&r, &sound);                                                            \
		change_;                                                                           \
		assert_int_equal(install(&r), status_);                                            \
		assert_false(r.lost);                                                              \
		assert_int_equal(module_answers(&r), TDX_SUCCESS);                                 \
	} while (0)
	power_on(&r);
	BAD(r.params.version = 1, SEAMLDR_EBADPARAM);
	BAD(r.params.zero[103] = 1, SEAMLDR_EBADPARAM);
	BAD(r.params.scenario = 2, SEAMLDR_EBADPARAM);
	BAD(r.params.num_module_pages = 0, SEAMLDR_EBADPARAM);
	BAD(r.params.num_module_pages = TDX_SEAMLDR_MAX_MODULE_PAGES + 1, SEAMLDR_EBADPARAM);
	BAD(r.params.module_page_pa[2] |= 8, SEAMLDR_EBADPARAM);
	BAD(r.params.module_page_pa[0] = machine_platform_spr.seamrr.base, SEAMLDR_EBADPARAM);
	BAD(r.params.sigstruct_pa += 0x800, SEAMLDR_EBADPARAM);
	/* no memory there: all bits set */
	BAD(r.params.sigstruct_pa = 0x4000000000, SEAMLDR_EBADSIG);
	make_image(&r, &sound);
	assert_int_equal(install_at(&r, PARAMS + 8), SEAMLDR_EBADPARAM);

	BAD(r.sig.header_type++, SEAMLDR_EBADSIG);
	BAD(r.sig.zero0[87] = 1, SEAMLDR_EBADSIG);
	BAD(r.sig.zero3[23] = 1, SEAMLDR_EBADSIG);
	BAD(r.sig.key_size--, SEAMLDR_EBADSIG);
	BAD(r.sig.module_vendor ^= 1, SEAMLDR_EBADSIG);
	BAD(r.sig.attributes = 1, SEAMLDR_EBADSIG);
	BAD(r.sig.exponent = 3, SEAMLDR_EBADSIG);
	BAD(r.sig.num_cpus = 256, SEAMLDR_EBADSIG);
	BAD(r.sig.min_update_hv = 2, SEAMLDR_EBADSIG); /* above its module_hv */
	BAD(r.sig.gdt_idt_offset = 8, SEAMLDR_EBADSIG);
	BAD(r.sig.fault_wrapper_offset = 8, SEAMLDR_EBADSIG);
	BAD(r.sig.modulus[0] ^= 1, SEAMLDR_EBADSIG); /* another signer's */
	BAD(r.sig.module_type = TDX_SIGSTRUCT_DEBUG, SEAMLDR_EBADSIG);
	BAD(r.sig.major_svn = 0, SEAMLDR_EUNSUPPORTED);
	BAD(r.sig.major_svn = 2, SEAMLDR_EUNSUPPORTED);
	BAD(r.sig.minor_svn = 12, SEAMLDR_EBADSIG); /* a downgrade */
	BAD(r.sig.cpu[0] += 0x10, SEAMLDR_EUNSUPCPU);
	BAD(r.sig.num_cpus = 0, SEAMLDR_EBADSIG);
	BAD(r.sig.signature[100] ^= 1, SEAMLDR_EBADSIG);
	BAD(r.sig.rip_offset++, SEAMLDR_EBADSIG); /* which is signed */
	BAD(r.sig.cpu[0] ^= 1, SEAMLDR_EBADSIG);  /* so is a stepping, which does not count */
	BAD((void)0, SEAMLDR_EBADHANDOFF);	  /* no shutdown before */
	BAD(r.params.scenario = TDX_SEAMLDR_LOAD; r.sig.minor_svn = 12, SEAMLDR_ECLEANUPREQ);
#undef BAD
	power_off(&r);
}

static void the_signature_is_of_every_bit(void **state)
{
	struct rig r;

	(void)state;
	power_on(&r);
	for (unsigned bit = 0; bit < TDX_SIGSTRUCT_SIZE * 8; bit += 37) {
		uint64_t status;

		make_image(&r, &sound);
		((uint8_t *)&r.sig)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		status = install(&r);
		assert_true(status == SEAMLDR_EBADSIG || status == SEAMLDR_EUNSUPPORTED ||
			    status == SEAMLDR_EUNSUPCPU);
	}
	power_off(&r);
}

static void a_wrong_image_leaves_no_module(void **state)
{
	struct tdx_seamldr_info i;
	struct rig r;

	(void)state;
	power_on(&r);
	shut_module_down(&r);
	r.module[MODULE_PAGES * TDX_PAGE_SIZE - 1] ^= 1;
	assert_int_equal(install(&r), SEAMLDR_EBADHASH);
	assert_true(r.lost);
	assert_int_equal(module_answers(&r), TDX_SEAMCALL_VMFAILINVALID);
	i = info(&r);
	assert_int_equal(i.seamextend.valid, 0);
	assert_int_equal(i.seamextend.seam_ready, 0);
	assert_int_equal(i.seamextend.p_seamldr_ready, 1);
	/* nothing to update; to load, yes */
	make_image(&r, &sound);
	assert_int_equal(install(&r), SEAMLDR_EBADPARAM);
	r.params.scenario = TDX_SEAMLDR_LOAD;
	assert_int_equal(install(&r), SEAMLDR_ECLEANUPREQ); /* it might be an older one */
	clean_up(&r);
	assert_int_equal(install(&r), SEAMLDR_SUCCESS);
	assert_int_equal(module_answers(&r), TDX_SUCCESS);
	assert_int_equal(info(&r).num_remaining_updates, 63);
	power_off(&r);
}

static void an_image_of_no_known_module_is_not_started(void **state)
{
	struct tdx_module_image_config cfg = sound;
	struct rig r;

	(void)state;
	power_on(&r);
	shut_module_down(&r);
	cfg.profile = "9.9.99";
	make_image(&r, &cfg);
	assert_int_equal(install(&r), SEAMLDR_EBADPARAM);
	assert_true(r.lost);
	power_off(&r);
}

static void a_lack_of_entropy_begins_it_anew(void **state)
{
	struct rig r;

	(void)state;
	power_on(&r);
	shut_module_down(&r);
	atomic_store(&r.model->sys->m->rng_fail, 1);
	assert_int_equal(install(&r), SEAMLDR_ENOENTROPY);
	assert_false(r.lost);
	assert_int_equal(install(&r), SEAMLDR_SUCCESS);
	power_off(&r);
}

static void a_module_that_asks_for_too_much_does_not_fit(void **state)
{
	struct tdx_module_image_config cfg = sound;
	struct rig r;

	(void)state;
	power_on(&r);
	cfg.num_global_data_pages = 0xffff;
	make_image(&r, &cfg);
	assert_int_equal(install(&r), SEAMLDR_ENOMEM);
	assert_false(r.lost);
	power_off(&r);
}

static void handoff_data_of_another_generation_is_not_taken(void **state)
{
	struct tdx_module_image_config cfg = sound;
	struct rig r;

	(void)state;
	power_on(&r);
	shut_module_down(&r);
	cfg.module_hv = 3;
	cfg.min_update_hv = 2;
	make_image(&r, &cfg);
	assert_int_equal(install(&r), SEAMLDR_EBADHANDOFF);
	assert_false(r.lost);
	machine_handoff_header(r.model->sys->m)->hv = 2;
	machine_handoff_header(r.model->sys->m)->size = 14 * 4096 - 7;
	assert_int_equal(install(&r), SEAMLDR_EBADHANDOFF);
	machine_handoff_header(r.model->sys->m)->size--;
	assert_int_equal(install(&r), SEAMLDR_SUCCESS);
	power_off(&r);
}

static void the_module_is_closed_from_the_first_install_on(void **state)
{
	struct rig r;

	(void)state;
	power_on(&r);
	write_all(&r);
	assert_int_equal(tdh_seamldr_install(r.cpu[2], hpa(PARAMS), &r.lost).raw, SEAMLDR_SUCCESS);
	assert_int_equal(module_answers(&r), TDX_SEAMCALL_VMFAILINVALID);
	assert_int_equal(info(&r).seamextend.seam_ready, 0);
	/* a processor is there once, and nothing else can begin */
	assert_int_equal(tdh_seamldr_install(r.cpu[2], hpa(PARAMS), &r.lost).raw, SEAMLDR_EBADCALL);
	assert_int_equal(tdh_seamldr_shutdown(r.cpu[0]).raw, SEAMLDR_EBADCALL);
	assert_int_equal(tdh_seamldr_cleanup(r.cpu[0]).raw, SEAMLDR_EBADCALL);
	power_off(&r);
}

static void cleanup_stops_for_interrupts_and_goes_on(void **state)
{
	struct tdx_seamldr_info i;
	struct tdx_status s;
	unsigned stops = 0;
	struct rig r;

	(void)state;
	power_on(&r);
	assert_int_equal(tdh_seamldr_shutdown(r.cpu[0]).raw, SEAMLDR_ECLEANUPREQ);
	/* the last of a package has the work */
	assert_int_equal(tdh_seamldr_cleanup(r.cpu[0]).raw, SEAMLDR_SUCCESS);
	assert_int_equal(module_answers(&r), TDX_SEAMCALL_VMFAILINVALID);
	assert_int_equal(tdh_seamldr_cleanup(r.cpu[0]).raw, SEAMLDR_EBADCALL);
	assert_int_equal(tdh_seamldr_shutdown(r.cpu[0]).raw, SEAMLDR_EBADCALL);
	for (unsigned cpu = 1; cpu < CPUS; cpu++) {
		do {
			lp(&r, cpu)->rflags_if = true;
			atomic_store(&lp(&r, cpu)->irq_countdown, 3);
			s = tdh_seamldr_cleanup(r.cpu[cpu]);
			stops += s.raw == SEAMLDR_EINTERRUPT;
		} while (s.raw == SEAMLDR_EINTERRUPT);
		assert_int_equal(s.raw, SEAMLDR_SUCCESS);
	}
	assert_true(stops > 2);
	i = info(&r);
	assert_int_equal(i.seamextend.seam_ready, 0);
	assert_int_equal(i.seamextend.valid, 0);
	assert_int_equal(i.num_remaining_updates, 64);
	/* now an older module can be loaded, too */
	make_image(&r, &(struct tdx_module_image_config){.module_hv = 1,
							 .num_module_pages = MODULE_PAGES,
							 .minor_svn = 2,
							 .major_svn = 1});
	r.params.scenario = TDX_SEAMLDR_LOAD;
	assert_int_equal(install(&r), SEAMLDR_SUCCESS);
	assert_int_equal(info(&r).seamextend.tee_tcb_svn[0], 2);
	power_off(&r);
}

static void keys_that_cannot_be_made_are_asked_for_again(void **state)
{
	struct rig r;

	(void)state;
	power_on(&r);
	assert_int_equal(tdh_seamldr_cleanup(r.cpu[0]).raw, SEAMLDR_SUCCESS);
	atomic_store(&r.model->sys->m->pconfig_result, 2);
	assert_int_equal(tdh_seamldr_cleanup(r.cpu[1]).raw, SEAMLDR_ENOENTROPY);
	atomic_store(&r.model->sys->m->pconfig_result, 0);
	assert_int_equal(tdh_seamldr_cleanup(r.cpu[1]).raw, SEAMLDR_SUCCESS);
	power_off(&r);
}

static void after_the_last_shutdown_there_is_no_loader(void **state)
{
	struct tdx_seamldr_info out;
	struct rig r;

	(void)state;
	power_on(&r);
	clean_up(&r);
	assert_int_equal(tdh_seamldr_shutdown(r.cpu[0]).raw, SEAMLDR_SUCCESS);
	write_all(&r);
	assert_int_equal(tdh_seamldr_install(r.cpu[0], hpa(PARAMS), &r.lost).raw, SEAMLDR_EBADCALL);
	assert_int_equal(tdh_seamldr_shutdown(r.cpu[1]).raw, SEAMLDR_SUCCESS);
	/* the last has to be the one that INFO names */
	assert_int_equal(tdh_seamldr_shutdown(r.cpu[2]).raw, SEAMLDR_EBADCALL);
	assert_int_equal(tdh_seamldr_shutdown(r.cpu[0]).raw, SEAMLDR_SUCCESS);
	assert_int_equal(tdh_seamldr_info(r.cpu[0], hpa(BUFFER), &out).raw,
			 TDX_SEAMCALL_VMFAILINVALID);
	assert_int_equal(module_answers(&r), TDX_SEAMCALL_VMFAILINVALID);
	power_off(&r);
}

static void updates_are_counted(void **state)
{
	struct rig r;

	(void)state;
	power_on(&r);
	for (unsigned left = 63; left; left--) {
		assert_int_equal(info(&r).num_remaining_updates, left);
		machine_handoff_header(r.model->sys->m)->valid = 1;
		machine_handoff_header(r.model->sys->m)->hv = 1;
		assert_int_equal(install(&r), SEAMLDR_SUCCESS);
	}
	machine_handoff_header(r.model->sys->m)->valid = 1;
	assert_int_equal(install(&r), SEAMLDR_EBADCALL);
	assert_false(r.lost);
	assert_int_equal(info(&r).num_remaining_updates, 0);
	power_off(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(info_tells_what_is_loaded),
		cmocka_unit_test(buffers_are_the_hosts_own_and_aligned),
		cmocka_unit_test(seaminfo_tells_the_platform),
		cmocka_unit_test(a_leaf_it_does_not_have_is_a_bad_parameter),
		cmocka_unit_test(parameters_are_checked_in_order),
		cmocka_unit_test(the_signature_is_of_every_bit),
		cmocka_unit_test(a_wrong_image_leaves_no_module),
		cmocka_unit_test(an_image_of_no_known_module_is_not_started),
		cmocka_unit_test(a_lack_of_entropy_begins_it_anew),
		cmocka_unit_test(a_module_that_asks_for_too_much_does_not_fit),
		cmocka_unit_test(handoff_data_of_another_generation_is_not_taken),
		cmocka_unit_test(the_module_is_closed_from_the_first_install_on),
		cmocka_unit_test(cleanup_stops_for_interrupts_and_goes_on),
		cmocka_unit_test(keys_that_cannot_be_made_are_asked_for_again),
		cmocka_unit_test(after_the_last_shutdown_there_is_no_loader),
		cmocka_unit_test(updates_are_counted),
	};

	return cmocka_run_group_tests_name("seamldr", tests, NULL, NULL);
}
