/* SPDX-License-Identifier: MIT */
/* Writing metadata: masks hold bit by bit, refused writes change nothing, values are checked. */
#include "module_meta_setup.h"

#include "module/cpuid_table.h"
#include "module/tsc.h"

#define VMCS(name_) md_by_name("VP.VMCS." name_)

/* All pages of the TD and its vCPU, to see that nothing changed. */
struct snapshot {
	uint8_t td[(1 + META_TDCS_PAGES) * 4096], vp[META_TDVPS_PAGES * 4096];
};

static void take(struct meta *t, struct snapshot *s)
{
	memcpy(s->td, machine_ptr(t->s.m, META_TDR), sizeof(s->td));
	memcpy(s->vp, machine_ptr(t->s.m, META_TDVPR), sizeof(s->vp));
}

static void give_back(struct meta *t, const struct snapshot *s)
{
	memcpy(machine_ptr(t->s.m, META_TDR), s->td, sizeof(s->td));
	memcpy(machine_ptr(t->s.m, META_TDVPR), s->vp, sizeof(s->vp));
}

static bool same(struct meta *t, const struct snapshot *s)
{
	return memcmp(machine_ptr(t->s.m, META_TDR), s->td, sizeof(s->td)) == 0 &&
	       memcmp(machine_ptr(t->s.m, META_TDVPR), s->vp, sizeof(s->vp)) == 0;
}

static struct snapshot before;

/* First and last element of each row the TD has. */
typedef void (*visitor)(struct meta *t, enum md_context ctx, const struct md_field *f, uint64_t id,
			bool debug);

static void visit_table(struct meta *t, enum md_context ctx, const struct md_table *table,
			uint64_t cls, bool debug, visitor fn)
{
	for (unsigned i = 0; i < meta_rows(table, t->l2_vms); i++) {
		const struct md_field *f = &table->row[i];
		const unsigned n = (f->last_field + 1u) * md_elements(f);

		if (table == &md_vp && md_is_l2_vmcs(f->id)) {
			visit_table(t, ctx, &md_l2_vmcs, md_class(f->id), debug, fn);
		} else if (md_is_cpuid(f->id)) {
			fn(t, ctx, f, f->id | md_cpuid_code(1, MD_CPUID_NO_SUBLEAF, 0), debug);
		} else {
			fn(t, ctx, f, f->id | cls << 56, debug);
			if (n > 1)
				fn(t, ctx, f, (f->id | cls << 56) + (n - 1) * md_stride(f), debug);
		}
	}
}

static void visit_all(visitor fn)
{
	static const struct {
		uint64_t attributes;
		unsigned l2_vms;
	} kinds[] = {{0, 0}, {TDX_ATTR_DEBUG, 0}, {TDX_ATTR_DEBUG, 1}};

	for (unsigned i = 0; i < 3; i++) {
		struct meta t = meta_make(kinds[i].attributes, kinds[i].l2_vms);
		const bool debug = kinds[i].attributes;

		visit_table(&t, MD_CTX_TD, &md_td, 0, debug, fn);
		visit_table(&t, MD_CTX_VP, &md_vmcs, 0, debug, fn);
		visit_table(&t, MD_CTX_VP, &md_vp, 0, debug, fn);
		meta_free(&t);
	}
}

static uint64_t wr_mask(const struct md_field *f, enum md_context ctx, bool debug)
{
	return meta_mask(f, ctx, debug)->wr & md_size_mask(f->id);
}

static void refuses_all(struct meta *t, enum md_context ctx, const struct md_field *f, uint64_t id,
			bool debug)
{
	static const uint64_t patterns[] = {0, ~0ull, 0x5555555555555555};

	if (wr_mask(f, ctx, debug))
		return;
	take(t, &before);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned j = 0; j < 3; j++)
			setup_expect(meta_wr(t, ctx, id, patterns[i], patterns[j]),
				     TDX_METADATA_FIELD_NOT_WRITABLE);
	assert_true(same(t, &before));
}

static void what_no_mask_allows_is_not_writable_and_stays_as_it_is(void **state)
{
	visit_all(refuses_all);
}

static bool is_vp(enum md_context ctx, uint64_t id, const char *name)
{
	return ctx == MD_CTX_VP && md_code(id) == md_code(md_by_name(name)) &&
	       md_class(id) % 8 == md_class(md_by_name(name)) % 8;
}

/* Writing one element in one way changes what is kept in another too. */
static bool has_consequences(enum md_context ctx, uint64_t id)
{
	return is_vp(ctx, id, "VP.VMCS.GUEST_CR4"); /* its MCE bit goes to the read shadow */
}

static void one_bit_at_a_time(struct meta *t, enum md_context ctx, const struct md_field *f,
			      uint64_t id, bool debug)
{
	const uint64_t wr = wr_mask(f, ctx, debug);

	if (!wr || has_consequences(ctx, id))
		return;
	take(t, &before);
	for (unsigned bit = 0; bit < 8 * md_size(f->id); bit++) {
		const uint64_t one = 1ull << bit;
		uint64_t was, next, now;
		struct tdx_status s;

		give_back(t, &before);
		setup_expect(meta_rd(t, ctx, id, &was, &next), TDX_SUCCESS);
		s = meta_wr(t, ctx, id, was ^ one, one);
		if (!(wr & one)) {
			setup_expect(s, TDX_METADATA_FIELD_NOT_WRITABLE);
		} else if (!tdx_is_success(s)) {
			assert_int_equal(t->s.regs.r8, 0);
		} else {
			assert_int_equal(t->s.regs.r8, was);
		}
		if (!tdx_is_success(s)) {
			assert_true(same(t, &before));
			continue;
		}
		setup_expect(meta_rd(t, ctx, id, &now, &next), TDX_SUCCESS);
		if (f->address == MD_NO_ADDRESS) /* the first address replaces all ones */
			assert_int_equal((now ^ was) & ~(wr & one), 0);
		else
			assert_int_equal(now & ~was & ~wr, 0);
	}
	give_back(t, &before);
}

static void a_write_of_one_bit_changes_no_other(void **state)
{
	visit_all(one_bit_at_a_time);
}

static void keeps_readonly(struct meta *t, enum md_context ctx, const struct md_field *f,
			   uint64_t id, bool debug)
{
	const uint64_t wr = wr_mask(f, ctx, debug);
	const uint64_t readonly = md_size_mask(f->id) & ~wr;
	uint64_t was, next;

	if (!wr || !readonly || f->address != MD_NO_ADDRESS || has_consequences(ctx, id))
		return;
	setup_expect(meta_rd(t, ctx, id, &was, &next), TDX_SUCCESS);
	take(t, &before);
	for (unsigned bit = 0; bit < 8 * md_size(f->id); bit++)
		if (readonly >> bit & 1) {
			setup_expect(meta_wr(t, ctx, id, was ^ 1ull << bit, md_size_mask(f->id)),
				     TDX_METADATA_FIELD_VALUE_NOT_VALID);
			assert_true(same(t, &before));
		}
}

static void changing_a_visible_readonly_bit_is_refused(void **state)
{
	visit_all(keeps_readonly);
}

/* --- the VMCS fields a host gives --- */

static void posted_interrupts_need_vector_and_descriptor(void **state)
{
	const uint64_t pin = VMCS("PIN_BASED_VM_EXECUTION_CONTROLS");
	struct meta t = meta_make(0, 0);

	setup_expect(meta_wr(&t, MD_CTX_VP, pin, 0x80, 0x80),
		     TDX_TD_VMCS_FIELD_NOT_INITIALIZED | VMCS_POSTED_INTERRUPT_VECTOR);
	setup_expect(
		meta_wr(&t, MD_CTX_VP, VMCS("POSTED_INTERRUPT_NOTIFICATION_VECTOR"), 256, 0xffff),
		TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(
		meta_wr(&t, MD_CTX_VP, VMCS("POSTED_INTERRUPT_NOTIFICATION_VECTOR"), 0xf2, 0xffff),
		TDX_SUCCESS);
	assert_int_equal(t.s.regs.r8, 0xffff);
	setup_expect(meta_wr(&t, MD_CTX_VP, pin, 0x80, 0x80),
		     TDX_TD_VMCS_FIELD_NOT_INITIALIZED | VMCS_POSTED_INTERRUPT_DESCRIPTOR);
	setup_expect(meta_wr(&t, MD_CTX_VP, VMCS("POSTED_INTERRUPT_DESCRIPTOR_ADDRESS"), 0x1234540,
			     ~0ull),
		     TDX_SUCCESS);
	setup_expect(meta_wr(&t, MD_CTX_VP, pin, 0x80, 0x80), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, pin), 0x80);
	setup_expect(meta_wr(&t, MD_CTX_VP, pin, 0, 0x80), TDX_SUCCESS);
	meta_free(&t);
}

static void addresses_given_must_be_the_hosts_memory(void **state)
{
	static const struct {
		uint64_t pa;
		bool ok;
	} cases[] = {
		{0x1234000, true},
		{1ull << 46 | 0x1234000, true}, /* another shared KeyID */
		{33ull << 46 | 0x1234000, false},
		{63ull << 46, false},
		{0x7c000000, false}, /* SEAMRR */
		{0x7fffffc0, false},
		{0x80000000, true},
		{0x7bffff00, true},
	};
	struct meta t = meta_make(0, 0);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup_expect(meta_wr(&t, MD_CTX_VP, VMCS("POSTED_INTERRUPT_DESCRIPTOR_ADDRESS"),
				     cases[i].pa & ~63ull, ~63ull),
			     cases[i].ok ? TDX_SUCCESS : TDX_METADATA_FIELD_VALUE_NOT_VALID);
		setup_expect(meta_wr(&t, MD_CTX_VP, VMCS("SHARED_EPTP"), cases[i].pa & ~0xfffull,
				     0xffffffffff000),
			     cases[i].ok ? TDX_SUCCESS : TDX_METADATA_FIELD_VALUE_NOT_VALID);
	}
	meta_free(&t);
}

static void a_partly_written_address_takes_over_no_leftover_bits(void **state)
{
	struct meta t = meta_make(0, 0);
	const uint64_t pid = VMCS("POSTED_INTERRUPT_DESCRIPTOR_ADDRESS");

	/* all ones so far: what is not written is not an address */
	setup_expect(meta_wr(&t, MD_CTX_VP, pid, 0x1000, 0xffff000),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_wr(&t, MD_CTX_VP, pid, 0x1000, ~63ull), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, pid), 0x1000);
	setup_expect(meta_wr(&t, MD_CTX_VP, pid, 0x42000, 0x40000), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, pid), 0x41000);
	meta_free(&t);
}

static void bus_lock_and_notify_exits_are_the_hosts_to_set(void **state)
{
	struct meta t = meta_make(0, 0);
	const uint64_t ctls = VMCS("SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS");
	const uint64_t was = meta_value(&t, MD_CTX_VP, ctls);

	assert_int_equal(was & ~0xc0000000ull, 0); /* the rest is not shown */
	setup_expect(meta_wr(&t, MD_CTX_VP, ctls, 0xc0000000, 0xc0000000), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, ctls), 0xc0000000);
	setup_expect(meta_wr(&t, MD_CTX_VP, ctls, 0x40000001, 0x40000001),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_wr(&t, MD_CTX_VP, VMCS("INSTRUCTION_TIMEOUT_CONTROL"), 0x800, 0xffffffff),
		     TDX_SUCCESS);
	meta_free(&t);
}

static void an_nmi_is_pended_by_writing_it(void **state)
{
	struct meta t = meta_make(0, 0);
	const uint64_t nmi = md_by_name("VP.PEND_NMI");

	setup_expect(meta_wr(&t, MD_CTX_VP, nmi, 1, 0xff), TDX_SUCCESS);
	assert_int_equal(t.s.regs.r8, 0);
	assert_int_equal(meta_value(&t, MD_CTX_VP, nmi), 1);
	setup_expect(meta_wr(&t, MD_CTX_VP, nmi, 0x101, 0x1ff), TDX_METADATA_FIELD_VALUE_NOT_VALID);
	meta_free(&t);
}

/* --- a debugger --- */

static void cr0_is_written_as_by_the_guest_and_efer_follows(void **state)
{
	const uint64_t cr0 = VMCS("GUEST_CR0"), efer = VMCS("IA32_EFER");
	struct meta t = meta_make(TDX_ATTR_DEBUG, 0);
	uint64_t was = meta_value(&t, MD_CTX_VP, cr0);

	setup_expect(meta_wr(&t, MD_CTX_VP, efer, 0x101, ~0ull), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, efer), 0x101);
	setup_expect(meta_wr(&t, MD_CTX_VP, cr0, 1u << 31, 1u << 31), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, efer), 0x501);
	assert_int_equal(meta_value(&t, MD_CTX_VP, cr0), was | 1u << 31);
	setup_expect(meta_wr(&t, MD_CTX_VP, cr0, 0, 1u << 31), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, efer), 0x101);
	/* LMA is not written but derived */
	setup_expect(meta_wr(&t, MD_CTX_VP, efer, 0x400, 0x400), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, efer), 0x101);
	meta_free(&t);
}

static void cr4_is_written_as_by_the_guest_but_keeps_mce_and_vmxe(void **state)
{
	const uint64_t cr4 = VMCS("GUEST_CR4"), shadow = VMCS("CR4_READ_SHADOW");
	const uint64_t mce = 1u << 6, vmxe = 1u << 13, pge = 1u << 7;
	struct meta t = meta_make(TDX_ATTR_DEBUG, 0);

	setup_expect(meta_wr(&t, MD_CTX_VP, cr4, pge, ~0ull), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, cr4), mce | vmxe | pge);
	assert_int_equal(meta_value(&t, MD_CTX_VP, shadow), 0);
	setup_expect(meta_wr(&t, MD_CTX_VP, cr4, mce, ~0ull), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, cr4), mce | vmxe);
	assert_int_equal(meta_value(&t, MD_CTX_VP, shadow), mce);
	/* a part of it comes with the real VMXE, which the guest cannot set: refused, but seen */
	setup_expect(meta_wr(&t, MD_CTX_VP, cr4, 0, mce), TDX_METADATA_FIELD_VALUE_NOT_VALID);
	assert_int_equal(meta_value(&t, MD_CTX_VP, shadow), 0);
	meta_free(&t);
}

static void cr3_must_be_a_private_address(void **state)
{
	const uint64_t cr3 = VMCS("GUEST_CR3");
	struct meta t = meta_make(TDX_ATTR_DEBUG, 0);

	setup_expect(meta_wr(&t, MD_CTX_VP, cr3, 0x12345018, ~0ull), TDX_SUCCESS);
	setup_expect(meta_wr(&t, MD_CTX_VP, cr3, 1ull << 47, ~0ull),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	for (unsigned bit = 52; bit < 64; bit++)
		if (bit != 61 && bit != 62)
			setup_expect(meta_wr(&t, MD_CTX_VP, cr3, 1ull << bit, ~0ull),
				     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	assert_int_equal(meta_value(&t, MD_CTX_VP, cr3), 0x12345018);
	meta_free(&t);
}

static void page_modification_logging_needs_its_address_first(void **state)
{
	const uint64_t ctls = VMCS("SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS");
	struct meta t = meta_make(TDX_ATTR_DEBUG, 0);

	t.s.mod->plat.procbased2 |= 1ull << (32 + 17); /* a processor that has it */
	setup_expect(meta_wr(&t, MD_CTX_VP, ctls, 1u << 17, 1u << 17),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_wr(&t, MD_CTX_VP, VMCS("PML_ADDRESS"), 0x1000000, ~0xfffull),
		     TDX_SUCCESS);
	setup_expect(meta_wr(&t, MD_CTX_VP, ctls, 1u << 17, 1u << 17), TDX_SUCCESS);
	meta_free(&t);
}

static void the_xsave_header_is_not_writable_but_the_rest_is(void **state)
{
	const uint64_t xbuff = md_by_name("VP.XBUFF");
	struct meta t = meta_make(TDX_ATTR_DEBUG, 0);

	for (unsigned i = 0; i < 1536; i++) {
		const bool header = i >= 64 && i < 72;

		setup_expect(meta_wr(&t, MD_CTX_VP, xbuff + i, 0x1234 + i, ~0ull),
			     header ? TDX_METADATA_FIELD_NOT_WRITABLE : TDX_SUCCESS);
		if (!header)
			assert_int_equal(meta_value(&t, MD_CTX_VP, xbuff + i), 0x1234 + i);
	}
	meta_free(&t);
}

static void misc_enable_is_checked_as_a_wrmsr(void **state)
{
	const uint64_t id = md_by_name("VP.IA32_MISC_ENABLE");
	struct meta t = meta_make(TDX_ATTR_DEBUG, 0);
	const uint64_t was = meta_value(&t, MD_CTX_VP, id);

	setup_expect(meta_wr(&t, MD_CTX_VP, id, was ^ 1u << 18, ~0ull),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_wr(&t, MD_CTX_VP, id, was | 1u << 22, ~0ull),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_wr(&t, MD_CTX_VP, id, was | 2, ~0ull),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_wr(&t, MD_CTX_VP, id, was ^ 0x1880, ~0ull), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_VP, id), was);
	meta_free(&t);
}

/* --- the TD --- */

static void the_host_priority_timeout_is_whole_and_within_limits(void **state)
{
	static const struct {
		uint64_t usec, mask, status;
	} cases[] = {
		{9999, ~0ull, TDX_METADATA_FIELD_VALUE_NOT_VALID},
		{10000, ~0ull, TDX_SUCCESS},
		{100000001, ~0ull, TDX_METADATA_FIELD_VALUE_NOT_VALID},
		{1000000, 0xffffffff, TDX_METADATA_WR_MASK_NOT_VALID},
		{1000000, 0, TDX_METADATA_FIELD_NOT_WRITABLE},
		{1000000, ~0ull, TDX_SUCCESS},
	};
	const uint64_t id = md_by_name("TD.HP_LOCK_TIMEOUT");
	struct meta t = meta_make(0, 0);

	assert_int_equal(meta_value(&t, MD_CTX_TD, id), 1000000);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		setup_expect(meta_wr(&t, MD_CTX_TD, id, cases[i].usec, cases[i].mask),
			     cases[i].status);
	assert_int_equal(meta_value(&t, MD_CTX_TD, id), 1000000);
	/* the longest fits in the limit but is kept as 32 bits of ticks */
	setup_expect(meta_wr(&t, MD_CTX_TD, id, 100000000, ~0ull), TDX_SUCCESS);
	assert_int_equal(meta_value(&t, MD_CTX_TD, id),
			 (uint32_t)(100 * t.s.m->cfg.platform->tsc_hz) * 1000000ull /
				 t.s.m->cfg.platform->tsc_hz);
	meta_free(&t);
}

static void a_vcpu_field_of_a_disabled_state_is_read_but_not_written(void **state)
{
	struct meta t = meta_make(0, 0);
	struct tdvps *vps = machine_ptr(t.s.m, META_TDVPR);

	vps->state = TDX_VCPU_DISABLED;
	meta_value(&t, MD_CTX_VP, md_by_name("VP.PEND_NMI"));
	setup_expect(meta_wr(&t, MD_CTX_VP, md_by_name("VP.PEND_NMI"), 1, 1),
		     TDX_VCPU_STATE_INCORRECT | TDX_VCPU_DISABLED);
	meta_free(&t);
}

/* --- an L2 VM --- */

static void an_l2_vms_controls_combine_with_the_modules(void **state)
{
	struct meta t = meta_make(TDX_ATTR_DEBUG, 1);
	struct tdvps *vps = machine_ptr(t.s.m, META_TDVPR);
	const uint64_t mask = md_by_name("VP.L2_VMCS_1.CR0_GUEST_HOST_MASK");
	const uint64_t shadow = md_by_name("VP.L2_VMCS_1.CR0_READ_SHADOW");
	struct tdx_status s;

	meta_enter(&t);
	s = meta_guest(&t, TDG_VP_WR, .rdx = mask, .r8 = 0x10008, .r9 = ~0ull);
	setup_expect(s, TDX_SUCCESS);
	s = meta_guest(&t, TDG_VP_WR, .rdx = shadow, .r8 = 0x10000, .r9 = ~0ull);
	setup_expect(s, TDX_SUCCESS);
	s = meta_guest(&t, TDG_VP_RD, .rdx = mask);
	setup_expect(s, TDX_SUCCESS);
	assert_int_equal(t.s.regs.r8, 0x10008);
	struct vmcs *l2 = machine_ptr(t.s.m, machine_strip(t.s.m, vps->page_pa[TDVPS_PAGE_L2]));

	assert_int_equal(vmcs_read(l2, VMCS_CR0_GUEST_HOST_MASK),
			 vps->base_l2_cr0_guest_host_mask | 0x10008);
	assert_int_equal(
		vmcs_read(l2, VMCS_CR0_READ_SHADOW),
		(vps->base_l2_cr0_read_shadow & vps->base_l2_cr0_guest_host_mask & ~0x10008ull) |
			0x10000);
	meta_free(&t);
}

static void msr_bitmaps_of_an_l2_vm_keep_what_the_td_intercepts(void **state)
{
	struct meta t = meta_make(TDX_ATTR_DEBUG, 1);
	const uint64_t id = md_by_name("VP.L2_MSR_BITMAPS_1") + 5;
	const uint64_t *td = machine_ptr(t.s.m, META_TDR + (1 + TDCS_PAGE_MSR_BITMAPS) * 4096ull);

	meta_enter(&t);
	setup_expect(meta_guest(&t, TDG_VP_WR, .rdx = id, .r8 = 0x10, .r9 = ~0ull), TDX_SUCCESS);
	setup_expect(meta_guest(&t, TDG_VP_RD, .rdx = id), TDX_SUCCESS);
	assert_int_equal(t.s.regs.r8, 0x10);
	assert_int_equal(*(uint64_t *)machine_ptr(t.s.m, META_TDVPR + 7 * 4096 + 5 * 8),
			 td[5] | 0x10);
	meta_free(&t);
}

/* --- the guest --- */

static void the_guests_controls_are_locked_for_good(void **state)
{
	const uint64_t ctls = md_by_name("TD.TD_CTLS"), pv = md_by_name("TD.FEATURE_PARAVIRT_CTLS");
	const uint64_t ve = md_by_name("VP.CPUID_USER_VE");
	const uint64_t lock = 1ull << 63;
	struct meta t = meta_make(0, 0);

	meta_enter(&t);
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = ctls, .r8 = 4, .r9 = 4), TDX_SUCCESS);
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = pv, .r8 = 0x12, .r9 = 0xfff), TDX_SUCCESS);
	setup_expect(meta_guest(&t, TDG_VP_WR, .rdx = ve, .r8 = 0, .r9 = 0xff), TDX_SUCCESS);
	/* the host decides about PENDING_VE_DISABLE unless it gave that up */
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = ctls, .r8 = 1, .r9 = 1),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = ctls, .r8 = lock, .r9 = lock), TDX_SUCCESS);
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = ctls, .r8 = 0, .r9 = lock),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = ctls, .r8 = lock | 4, .r9 = lock | 4),
		     TDX_SUCCESS);
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = pv, .r8 = 0x13, .r9 = 0xfff),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = pv, .r8 = 0x12, .r9 = 0xfff), TDX_SUCCESS);
	setup_expect(meta_guest(&t, TDG_VP_WR, .rdx = ve, .r8 = 1, .r9 = 0xff),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_guest(&t, TDG_VM_RD, .rdx = ctls), TDX_SUCCESS);
	assert_int_equal(t.s.regs.r8, lock | 4);
	meta_free(&t);
}

/* As the real module does: what is wholly replaced counts as zero in the comparison. */
static void a_locked_cpuid_ve_is_compared_with_zero_when_wholly_written(void **state)
{
	const uint64_t lock = 1ull << 63, ve = md_by_name("VP.CPUID_USER_VE");
	struct meta t = meta_make(0, 0);

	meta_enter(&t);
	setup_expect(meta_guest(&t, TDG_VP_WR, .rdx = ve, .r8 = 1, .r9 = 0xff), TDX_SUCCESS);
	setup_expect(
		meta_guest(&t, TDG_VM_WR, .rdx = md_by_name("TD.TD_CTLS"), .r8 = lock, .r9 = lock),
		TDX_SUCCESS);
	setup_expect(meta_guest(&t, TDG_VP_WR, .rdx = ve, .r8 = 1, .r9 = 0xff),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	setup_expect(meta_guest(&t, TDG_VP_WR, .rdx = ve, .r8 = 0, .r9 = 0xff), TDX_SUCCESS);
	setup_expect(meta_guest(&t, TDG_VP_RD, .rdx = ve), TDX_SUCCESS);
	assert_int_equal(t.s.regs.r8, 1);
	setup_expect(meta_guest(&t, TDG_VP_WR, .rdx = ve, .r8 = 1, .r9 = 1), TDX_SUCCESS);
	meta_free(&t);
}

static void fewer_ves_imply_topology_and_cpuid2_and_need_topology(void **state)
{
	const uint64_t ctls = md_by_name("TD.TD_CTLS");
	struct meta t = meta_make(0, 0);
	struct tdcs *tdcs = machine_ptr(t.s.m, META_TDR + 4096);

	tdcs->cpuid_values[cpuid_row(1, 0)].edx |= 1u << 12; /* it has MTRRs */
	meta_enter(&t);
	tdcs->topology_enum_configured = 0;
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = ctls, .r8 = 8, .r9 = 8),
		     TDX_METADATA_FIELD_VALUE_NOT_VALID);
	assert_int_equal(tdcs->cpuid_flags.no_mtrr, 0);
	tdcs->topology_enum_configured = 1;
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = ctls, .r8 = 8, .r9 = 8), TDX_SUCCESS);
	setup_expect(meta_guest(&t, TDG_VM_RD, .rdx = ctls), TDX_SUCCESS);
	assert_int_equal(t.s.regs.r8, 0xe);
	assert_int_equal(tdcs->cpuid_flags.no_mtrr, 1);
	/* until the guest says that it handles MTRRs itself */
	setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = md_by_name("TD.FEATURE_PARAVIRT_CTLS"),
				.r8 = 1 << 4, .r9 = 1 << 4),
		     TDX_SUCCESS);
	assert_int_equal(tdcs->cpuid_flags.no_mtrr, 0);
	meta_free(&t);
}

static void virtual_and_native_tsc_are_inverse(void **state)
{
	static const uint64_t values[] = {0, 1, 1000, 1ull << 32, 0x123456789abcdef};
	const uint64_t multiplier = 0x130c30c30c30c, offset = 0ull - 1000000;
	uint64_t back;

	for (unsigned i = 0; i < 5; i++) {
		uint64_t v = tsc_to_virtual(values[i] + 2000000, multiplier, offset);

		assert_true(tsc_to_native(v, multiplier, offset, &back));
		assert_in_range(values[i] + 2000000 - back, 0, 1);
	}
	assert_false(tsc_to_native(~0ull, 1ull << 40, 0, &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_no_mask_allows_is_not_writable_and_stays_as_it_is),
		cmocka_unit_test(a_write_of_one_bit_changes_no_other),
		cmocka_unit_test(changing_a_visible_readonly_bit_is_refused),
		cmocka_unit_test(posted_interrupts_need_vector_and_descriptor),
		cmocka_unit_test(addresses_given_must_be_the_hosts_memory),
		cmocka_unit_test(a_partly_written_address_takes_over_no_leftover_bits),
		cmocka_unit_test(bus_lock_and_notify_exits_are_the_hosts_to_set),
		cmocka_unit_test(an_nmi_is_pended_by_writing_it),
		cmocka_unit_test(cr0_is_written_as_by_the_guest_and_efer_follows),
		cmocka_unit_test(cr4_is_written_as_by_the_guest_but_keeps_mce_and_vmxe),
		cmocka_unit_test(cr3_must_be_a_private_address),
		cmocka_unit_test(page_modification_logging_needs_its_address_first),
		cmocka_unit_test(the_xsave_header_is_not_writable_but_the_rest_is),
		cmocka_unit_test(misc_enable_is_checked_as_a_wrmsr),
		cmocka_unit_test(the_host_priority_timeout_is_whole_and_within_limits),
		cmocka_unit_test(a_vcpu_field_of_a_disabled_state_is_read_but_not_written),
		cmocka_unit_test(an_l2_vms_controls_combine_with_the_modules),
		cmocka_unit_test(msr_bitmaps_of_an_l2_vm_keep_what_the_td_intercepts),
		cmocka_unit_test(the_guests_controls_are_locked_for_good),
		cmocka_unit_test(a_locked_cpuid_ve_is_compared_with_zero_when_wholly_written),
		cmocka_unit_test(fewer_ves_imply_topology_and_cpuid2_and_need_topology),
		cmocka_unit_test(virtual_and_native_tsc_are_inverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
