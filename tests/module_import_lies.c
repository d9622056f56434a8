/* SPDX-License-Identifier: MIT */
/* A sender that lies under the right key: its bundles are authentic, what they say is not so.
 *
 * A recorded migration is played up to an import of state; the bundle is opened with the session's
 * key, each word that a field has in its lists is changed, a bit at a time, and it is sealed again.
 * The module takes the value or refuses it for good, naming that field or one which comes after it;
 * its state is sound either way. Values that only together are lies stand in tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>
#include <swtdx/structs.h>

#include "abi/metadata.h"
#include "arch/x86.h"
#include "module/gcm.h"
#include "module/internal.h"
#include "module/invariants.h"
#include "module/mig.h"
#include "module/td_layout.h"
#include "trace/player.h"
#include "trace/snapshot.h"
#include "migration_script.h"

#define MBMD_PA 0x2000000ull

enum {
	MAX_PAGES = 8,
	MAX_WORDS = 4096,
	CHECK_EVERY = 509,
	FIELDS_BY_SHIFT = 38,
	ELEMENTS_BY_SHIFT = 34
};

/* An import, and who is imported. */
struct where {
	const char *script, *leaf;
	uint64_t tdr;
	bool immutable;
};

/* A word of a list: a field's, and which it is by its order. */
struct word {
	unsigned page, at;
	uint64_t id;	/* of the field it belongs to */
	unsigned field; /* counted over the lists */
};

struct stage {
	struct player p;
	struct snapshot *snap;
	struct vec_step import;
	char *text;
	uint64_t tdr_pa;
	struct mbmd mbmd;
	struct gcm_key key;
	unsigned npages;
	uint64_t page_pa[MAX_PAGES];
	struct mig_buffer plain[MAX_PAGES], changed[MAX_PAGES];
	struct word word[MAX_WORDS];
	unsigned nwords;
};

static struct tdcs *tdcs_of(const struct stage *st)
{
	const struct machine *m = st->p.m;
	const struct tdr *tdr = machine_ptr(m, st->tdr_pa);

	return machine_ptr(m, machine_strip(m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
}

/* --- opening and sealing --- */

static void begin_message(const struct stage *st, struct gcm_message *message)
{
	uint8_t iv[GCM_IV_SIZE], aad[MBMD_AAD_SIZE];

	mig_iv(iv, st->mbmd.iv_counter, st->mbmd.stream);
	mig_mbmd_aad(&st->mbmd, aad);
	gcm_message_begin(message, &st->p.mod->lp[0], &st->key, iv, aad, sizeof(aad));
}

static void open_bundle(struct stage *st, bool immutable)
{
	const struct tdcs *tdcs = tdcs_of(st);
	struct gcm_message message;
	uint8_t tag[GCM_TAG_SIZE];

	memcpy(st->key.word, immutable ? tdcs->mig_dec_key : tdcs->mig_dec_working_key,
	       sizeof(st->key.word));
	mig_mbmd_read(machine_ptr(st->p.m, MBMD_PA), &st->mbmd);
	begin_message(st, &message);
	for (unsigned i = 0; i < st->npages; i++)
		gcm_message_open(&message, &st->p.mod->lp[0], machine_ptr(st->p.m, st->page_pa[i]),
				 &st->plain[i], sizeof(st->plain[i]));
	gcm_message_tag(&message, &st->p.mod->lp[0], tag);
	assert_memory_equal(tag, st->mbmd.mac, sizeof(tag));
}

static void seal_changed(struct stage *st)
{
	struct mbmd *mbmd = machine_ptr(st->p.m, MBMD_PA);
	struct gcm_message message;

	begin_message(st, &message);
	for (unsigned i = 0; i < st->npages; i++)
		gcm_message_seal(&message, &st->p.mod->lp[0], &st->changed[i],
				 machine_ptr(st->p.m, st->page_pa[i]), sizeof(st->changed[i]));
	gcm_message_tag(&message, &st->p.mod->lp[0], mbmd->mac);
}

/* --- the words of its lists --- */

static void add_word(struct stage *st, unsigned page, unsigned at, uint64_t id, unsigned field)
{
	assert_true(st->nwords < MAX_WORDS && at < MIG_PAGE_WORDS);
	st->word[st->nwords++] = (struct word){page, at, id, field};
}

static void find_words(struct stage *st, unsigned first_page)
{
	unsigned field = 0;

	for (unsigned page = first_page; page < st->npages; page++) {
		const uint64_t *list = st->plain[page].word;
		unsigned at = 1;

		for (unsigned s = 0; s < (uint16_t)(list[0] >> 16); s++) {
			const uint64_t header = list[at++];
			const unsigned fields = (header >> FIELDS_BY_SHIFT & 0x1ff) + 1;
			const unsigned elements = (header >> ELEMENTS_BY_SHIFT & 0xf) + 1;

			for (unsigned f = 0; f < fields; f++, field++)
				for (unsigned e = 0; e < elements; e++)
					add_word(st, page, at++,
						 header +
							 (uint64_t)f * elements *
								 (header & MD_ID_TWO_CODES ? 2 : 1),
						 field);
		}
	}
}

static bool same_field(uint64_t a, uint64_t b)
{
	return md_order(a) == md_order(b) && md_ctx(a) == md_ctx(b);
}

/* The words of a field, or NULL. */
static const struct word *words_of(const struct stage *st, uint64_t id)
{
	for (unsigned i = 0; i < st->nwords; i++)
		if (same_field(st->word[i].id, id))
			return &st->word[i];
	return NULL;
}

/* --- the stage --- */

static void set_stage(struct stage *st, const struct where *w)
{
	struct played d;
	const uint64_t *list;

	memset(st, 0, sizeof(*st));
	st->tdr_pa = w->tdr;
	st->text = script(w->script);
	play_until(&st->p, st->text, w->leaf, 0, &st->import);
	st->npages = (unsigned)(st->import.in.v.r9 >> MIG_PAGE_LIST_LAST_SHIFT) + 1;
	assert_true(st->npages <= MAX_PAGES);
	list = machine_ptr(st->p.m, st->import.in.v.r9 & 0xffffffffff000);
	memcpy(st->page_pa, list, st->npages * sizeof(list[0]));
	assert_int_equal(snapshot_take(&st->p, &st->snap), 0);
	open_bundle(st, w->immutable);
	find_words(st, w->immutable ? MBMD_IMM_SYS_PAGES(st->mbmd.specific) : 0);
	memcpy(st->changed, st->plain, sizeof(st->changed));
	/* What calls and this test write: known after one that goes through, sealed here. */
	memset(machine_ptr(st->p.m, st->page_pa[0]), 0, TDX_PAGE_SIZE);
	seal_changed(st);
	assert_true(player_step(&st->p, &st->import, &d));
	if (d.regs.rax != TDX_SUCCESS)
		fail_msg("what was not changed: 0x%llx", (unsigned long long)d.regs.rax);
	assert_int_equal(snapshot_learn(st->snap), 0);
}

static void leave_stage(struct stage *st)
{
	snapshot_free(st->snap);
	player_free(&st->p);
	free(st->text);
}

/* What the module says to the changed bundle. */
static struct tdx_regs import_changed(struct stage *st, unsigned nth, void (*before)(struct tdcs *))
{
	struct played d;
	char why[256];

	if (nth % CHECK_EVERY == 0 && snapshot_surprised(st->snap) == 1)
		assert_int_equal(snapshot_learn(st->snap), 0);
	snapshot_rewind(st->snap);
	if (before)
		before(tdcs_of(st));
	seal_changed(st);
	assert_true(player_step(&st->p, &st->import, &d));
	assert_int_equal(d.next, MODULE_TO_HOST);
	if (nth % CHECK_EVERY == 0 && !module_check_invariants(st->p.mod, why, sizeof(why)))
		fail_msg("%s", why);
	return d.regs;
}

/* --- a bit of a field --- */

static void check_answer(const struct stage *st, const struct word *w, unsigned bit,
			 const struct tdx_regs *regs)
{
	const struct tdx_status s = tdx_status(regs->rax);
	const struct word *named;
	char name[96];

	if (tdx_is_success(s))
		return;
	if (!tdx_is_fatal(s))
		fail_msg("0x%llx bit %u: %s is not for good", (unsigned long long)w->id, bit,
			 tdx_status_format(s, name, sizeof(name)));
	assert_int_equal(tdcs_of(st)->op_state, TDX_OP_STATE_FAILED_IMPORT);
	if (!regs->rcx) /* of all of it together */
		return;
	named = words_of(st, regs->rcx);
	if (!named || named->field < w->field)
		fail_msg("0x%llx bit %u: %s names 0x%llx", (unsigned long long)w->id, bit,
			 tdx_status_format(s, name, sizeof(name)), (unsigned long long)regs->rcx);
}

static unsigned stride = 1;

static void each_bit_of_each_field(const struct where *where)
{
	static struct stage st;
	unsigned nth = 0, refused = 0;

	set_stage(&st, where);
	for (unsigned bits = 0; bits < st.nwords * 64; bits += stride, nth++) {
		const struct word *w = &st.word[bits / 64];
		struct tdx_regs regs;

		st.changed[w->page].word[w->at] ^= 1ull << bits % 64;
		regs = import_changed(&st, nth, NULL);
		check_answer(&st, w, bits % 64, &regs);
		refused += regs.rax != TDX_SUCCESS;
		st.changed[w->page].word[w->at] = st.plain[w->page].word[w->at];
	}
	assert_in_range(refused, stride < 64 ? 1 : 0, nth - 1);
	leave_stage(&st);
}

#define GOOD	 VECTORS "/14-mig-good.vec"
#define GOOD_TDR 0x100028000ull
#define L2	 VECTORS "/16-l2-migration-1.vec"
#define L2_TDR	 0x100033000ull

static const struct where immutable = {GOOD, "TDH.IMPORT.STATE.IMMUTABLE", GOOD_TDR, true},
			  td_state = {GOOD, "TDH.IMPORT.STATE.TD", GOOD_TDR, false},
			  vcpu = {GOOD, "TDH.IMPORT.STATE.VP", GOOD_TDR, false},
			  immutable_l2 = {L2, "TDH.IMPORT.STATE.IMMUTABLE", L2_TDR, true},
			  vcpu_l2 = {L2, "TDH.IMPORT.STATE.VP", L2_TDR, false};

static void a_lie_in_the_immutable_state_is_refused_or_harmless(void **state)
{
	each_bit_of_each_field(&immutable);
}

static void a_lie_in_the_td_state_is_refused_or_harmless(void **state)
{
	each_bit_of_each_field(&td_state);
}

static void a_lie_in_a_vcpus_state_is_refused_or_harmless(void **state)
{
	each_bit_of_each_field(&vcpu);
}

static void a_lie_about_l2_vms_is_refused_or_harmless(void **state)
{
	each_bit_of_each_field(&immutable_l2);
	each_bit_of_each_field(&vcpu_l2);
}

/* --- lies that take more than a bit --- */

enum { MAX_EDITS = 4 };

struct edit {
	uint64_t id;	  /* 0: none */
	unsigned element; /* of its field */
	uint64_t clear, set;
};

/* What is changed, and the field that is refused for it: 0 where it is all of it together. */
struct lie {
	const struct where *where;
	struct edit edit[MAX_EDITS];
	uint64_t code, refused;
	void (*before)(struct tdcs *tdcs); /* what came before was otherwise; may be NULL */
};

/* XSAVE components that the TD of the vector has not. */
static void has_components(struct tdcs *tdcs)
{
	tdcs->xfam |= XFAM_AVX | XFAM_AVX3 | XFAM_AMX | XFAM_PT;
}

static void cannot_reduce_ves(struct tdcs *tdcs)
{
	tdcs->ve_reduction_valid = 0;
}

static void has_no_topology(struct tdcs *tdcs)
{
	tdcs->topology_enum_configured = 0;
}

#define NUM_VCPUS	     0x9010000200000001ull
#define XFAM_FIELD	     0x1110000300000001ull
#define GPAW		     0x1110000000000003ull
#define EPTP		     0x1110000300000004ull
#define CONFIG_FLAGS	     0x9110000300000016ull
#define TD_CTLS		     0x9110000300000017ull
#define FIXED0_BITMAP	     0x9110000300000021ull
#define ATTRIBUTES	     0x1110000300000000ull
#define XCR0_FIELD	     0x1120000300000020ull
#define CPUID_FIELD	     0x9410000300000000ull
#define CPUID(leaf, subleaf) (CPUID_FIELD | md_cpuid_code(leaf, subleaf, 0))
#define ALL		     (~0ull)
#define INVALID		     TDX_METADATA_FIELD_VALUE_NOT_VALID

/* CPUID_VALUES has EAX and EBX in its first element, ECX and EDX in its second. */
#define EBX(bits)  ((uint64_t)(bits) << 32)
#define LEAF(leaf) CPUID(leaf, MD_CPUID_NO_SUBLEAF)
#define ADDRESSES  LEAF(0x80000008)
#define TOPOLOGY   TDX_TD_CTLS_ENUM_TOPOLOGY
#define REDUCED	   (TDX_TD_CTLS_REDUCE_VE | TOPOLOGY | TDX_TD_CTLS_VIRT_CPUID2)
#define PHYSICAL(bits, guest_bits)                                                                 \
	{                                                                                          \
		CPUID(0x80000008, MD_CPUID_NO_SUBLEAF), 0, 0xff00ff, (bits) | (guest_bits) << 16   \
	}
#define GUEST_PHYSICAL                                                                             \
	{                                                                                          \
		CONFIG_FLAGS, 0, 0, TDX_CONFIG_MAXGPA_VIRT                                         \
	}
#define WIDE                                                                                       \
	{                                                                                          \
		GPAW, 0, 0, 1                                                                      \
	}

static void change(struct stage *st, const struct edit *e)
{
	const struct word *w = words_of(st, e->id);
	uint64_t *word;

	if (!w)
		fail_msg("no field 0x%llx", (unsigned long long)e->id);
	word = &st->changed[w->page].word[w->at + e->element];
	*word = (*word & ~e->clear) | e->set;
}

static void values_that_cannot_be_are_refused_by_their_field(void **state)
{
	/* clang-format off */
	const struct lie lies[] = {
		{&immutable, {{NUM_VCPUS, 0, ALL, 0}}, INVALID, NUM_VCPUS, NULL},
		{&immutable, {{NUM_VCPUS, 0, ALL, 0xffff}}, INVALID, NUM_VCPUS, NULL},
		{&immutable, {{NUM_VCPUS, 0, ALL, 5}}, TDX_OPERAND_INVALID, 0, NULL},
		{&immutable, {{ATTRIBUTES, 0, TDX_ATTR_MIGRATABLE, 0}}, INVALID, ATTRIBUTES, NULL},
		{&immutable, {{ATTRIBUTES, 0, 0, TDX_ATTR_PKS}}, INVALID, CPUID(7, 0), NULL},
		{&immutable, {{ATTRIBUTES, 0, TDX_ATTR_SEPT_VE_DISABLE, 0}}, TDX_SUCCESS, 0, NULL},
		{&immutable, {{FIXED0_BITMAP, 0, 0, 1}}, TDX_OPERAND_INVALID, 0, NULL},
		{&immutable, {{FIXED0_BITMAP, 0, ALL, 0}}, TDX_SUCCESS, 0, NULL},
		{&immutable, {PHYSICAL(44, 0)}, INVALID, ADDRESSES, NULL},
		{&immutable, {PHYSICAL(47, 0)}, TDX_SUCCESS, 0, NULL},
		{&immutable, {PHYSICAL(50, 0)}, INVALID, ADDRESSES, NULL},
		{&immutable, {PHYSICAL(53, 0)}, INVALID, ADDRESSES, NULL},
		{&immutable, {GUEST_PHYSICAL, PHYSICAL(52, 0)}, INVALID, ADDRESSES, NULL},
		{&immutable, {GUEST_PHYSICAL, PHYSICAL(52, 44)}, INVALID, ADDRESSES, NULL},
		{&immutable, {GUEST_PHYSICAL, PHYSICAL(52, 46)}, TDX_SUCCESS, 0, NULL},
		{&immutable, {GUEST_PHYSICAL, PHYSICAL(46, 47)}, INVALID, ADDRESSES, NULL},
		{&immutable, {GUEST_PHYSICAL, PHYSICAL(52, 49)}, INVALID, ADDRESSES, NULL},
		{&immutable, {GUEST_PHYSICAL, PHYSICAL(52, 53)}, INVALID, ADDRESSES, NULL},
		{&immutable, {{CPUID(7, 0), 0, 0, EBX(1u << 4)}}, INVALID, CPUID(7, 0), NULL},
		{&immutable, {{CPUID(7, 0), 0, 0, EBX(1u << 4 | 1u << 11)}},
		 INVALID, CPUID(7, 0), NULL},
		{&immutable, {{CPUID(7, 0), 1, 0, 1u << 31}}, INVALID, CPUID(7, 0), NULL},
		{&immutable, {{CPUID(7, 0), 1, 0, 1u << 23}}, INVALID, CPUID(7, 0), NULL},
		{&immutable, {{CPUID(7, 1), 0, 0, 1u << 6}}, INVALID, CPUID(7, 1), NULL},
		{&immutable, {{CPUID(7, 1), 0, 0, 1u << 8}}, INVALID, CPUID(7, 1), NULL},
		{&immutable, {{CPUID(0xd, 1), 0, 0, 1u << 4}}, TDX_SUCCESS, 0, NULL},
		{&immutable, {{CPUID(0xd, 2), 0, 0, 0x100}}, INVALID, CPUID(0xd, 2), NULL},
		{&immutable, {{LEAF(1), 1, 0, 1u << 3}}, INVALID, LEAF(5), NULL},
		{&immutable, {{LEAF(5), 0, 0, 0x40}}, INVALID, LEAF(5), NULL},
		{&immutable, {{CPUID(0x14, 0), 0, 0, 1}}, INVALID, CPUID(0x14, 0), NULL},
		{&immutable, {{LEAF(0x1c), 0, 0, 1}}, INVALID, LEAF(0x1c), NULL},
		{&immutable, {{CPUID(0x1d, 0), 0, 0, 1}}, INVALID, CPUID(0x1d, 0), NULL},
		{&immutable, {{XFAM_FIELD, 0, 0, XFAM_PT}, {CPUID(0x14, 0), 0, 0, 1}},
		 TDX_SUCCESS, 0, NULL},
		{&immutable, {{XFAM_FIELD, 0, 0, XFAM_LBR}, {LEAF(0x1c), 0, 0, 1}},
		 TDX_SUCCESS, 0, NULL},
		{&immutable, {{XFAM_FIELD, 0, 0, XFAM_AMX}, {CPUID(0x1d, 0), 0, 0, 1}},
		 TDX_SUCCESS, 0, NULL},
		{&immutable, {{XFAM_FIELD, 0, 0, 1ull << 2}}, TDX_SUCCESS, 0, NULL},
		{&immutable, {{XFAM_FIELD, 0, 0, 1ull << 5}}, INVALID, XFAM_FIELD, NULL},
		{&immutable, {WIDE}, INVALID, EPTP, NULL},
		{&immutable, {WIDE, {EPTP, 0, 0x38, 0x20}}, TDX_SUCCESS, 0, NULL},
		{&immutable, {WIDE, {EPTP, 0, 0x38, 0x20}, PHYSICAL(50, 0)}, TDX_SUCCESS, 0, NULL},
		{&td_state, {{TD_CTLS, 0, 0, TDX_TD_CTLS_REDUCE_VE}}, INVALID, TD_CTLS, NULL},
		{&td_state, {{TD_CTLS, 0, 0, REDUCED}}, TDX_SUCCESS, 0, NULL},
		{&td_state, {{TD_CTLS, 0, 0, TOPOLOGY}}, TDX_SUCCESS, 0, NULL},
		{&td_state, {{TD_CTLS, 0, 0, TOPOLOGY}}, INVALID, TD_CTLS, has_no_topology},
		{&td_state, {{TD_CTLS, 0, 0, REDUCED}}, INVALID, TD_CTLS, cannot_reduce_ves},
		{&vcpu, {{XCR0_FIELD, 0, 1, 0}}, INVALID, XCR0_FIELD, NULL},
		{&vcpu, {{XCR0_FIELD, 0, 0, 4}}, INVALID, XCR0_FIELD, NULL},
		{&vcpu, {{XCR0_FIELD, 0, ALL, 0x5}}, INVALID, XCR0_FIELD, has_components},
		{&vcpu, {{XCR0_FIELD, 0, ALL, 0x7}}, TDX_SUCCESS, 0, has_components},
		{&vcpu, {{XCR0_FIELD, 0, ALL, 0xe3}}, INVALID, XCR0_FIELD, has_components},
		{&vcpu, {{XCR0_FIELD, 0, ALL, 0x67}}, INVALID, XCR0_FIELD, has_components},
		{&vcpu, {{XCR0_FIELD, 0, ALL, 0xe7}}, TDX_SUCCESS, 0, has_components},
		{&vcpu, {{XCR0_FIELD, 0, ALL, 0x20003}}, INVALID, XCR0_FIELD, has_components},
		{&vcpu, {{XCR0_FIELD, 0, ALL, 0x60003}}, TDX_SUCCESS, 0, has_components},
	};
	/* clang-format on */
	static struct stage st;
	const struct where *staged = NULL;

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		const struct lie *l = &lies[i];
		struct tdx_regs regs;
		char name[96];

		if (l->where != staged) {
			if (staged)
				leave_stage(&st);
			set_stage(&st, staged = l->where);
		}
		memcpy(st.changed, st.plain, sizeof(st.changed));
		for (unsigned k = 0; k < MAX_EDITS && l->edit[k].id; k++)
			change(&st, &l->edit[k]);
		regs = import_changed(&st, 0, l->before);
		if ((regs.rax & ~(TDX_STATUS_FATAL | 0xffffffffull)) != l->code ||
		    !(l->refused ? same_field(regs.rcx, l->refused) : regs.rcx == 0))
			fail_msg("lie %u: %s, 0x%llx", i,
				 tdx_status_format(tdx_status(regs.rax), name, sizeof(name)),
				 (unsigned long long)regs.rcx);
	}
	leave_stage(&st);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lie_in_the_immutable_state_is_refused_or_harmless),
		cmocka_unit_test(a_lie_in_the_td_state_is_refused_or_harmless),
		cmocka_unit_test(a_lie_in_a_vcpus_state_is_refused_or_harmless),
		cmocka_unit_test(a_lie_about_l2_vms_is_refused_or_harmless),
		cmocka_unit_test(values_that_cannot_be_are_refused_by_their_field),
	};

	if (argc > 1)
		stride = (unsigned)strtoul(argv[1], NULL, 0);
	if (stride == 0)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
