/* SPDX-License-Identifier: MIT */
/* TDs that move while their memory changes under the exporter: pages that the guest converts, slots
 * that come and go, memory of the user's own. And what was measured comes along. */
#include "migrate_setup.h"

#include <sys/mman.h>

enum {
	CONVERTED = 48,	       /* pages that are converted back and forth */
	WHEN_TOLD = CONVERTED, /* one more, when the host says so */
	WORDS_AT = 0x400,      /* what each of them is, in the page that was added */
	RTMR_DATA = 0x800,     /* 64 bytes for an RTMR, 64 for a report */
	MEASURED_AT = 0x880,   /* the report's TDINFO as it was first */
	MEASURED_FROM = 512,   /* ATTRIBUTES to RTMR 3 in a report */
	MEASURED_SIZE = 400,
	REPORT_AT = 0xc00,
	SLOT_PAGES = 64,
};
#define SHARED_BIT   (1ull << 47)
#define CONVERTED_AT (1ull << 20)
#define SLOT_AT	     (1ull << 30) /* a slot that goes, */
#define NEW_SLOT_AT  (2ull << 30) /* one that comes */

/* --- the guest --- */

/* What a page is, and what is in it. One that was being made something else when the guest was
 * begun anew is made that again. */
enum phase { UNUSED, PRIVATE, SHARED, TO_SHARED, TO_PRIVATE };

static uint64_t word_of(enum phase phase, uint64_t value)
{
	return value << 8 | (uint64_t)phase;
}

static void map_gpa(struct tdx_native_cpu *cpu, uint64_t at)
{
	uint64_t r11;

	while (guest_vmcall(cpu, TDVMCALL_MAP_GPA, at, 4096, &r11) != TDVMCALL_SUCCESS)
		;
}

/* The page as it is now has what was written; the next thing is done to it. False: it has not. */
static bool convert(struct tdx_native_cpu *cpu, unsigned i)
{
	const uint64_t at = CONVERTED_AT + i * 4096ull, word_at = STATE_GPA + WORDS_AT + 8 * i;
	uint64_t word = 0, value, seen = 0;
	enum phase phase;

	tdx_native_read(cpu, gpa(word_at), &word, 8);
	phase = (enum phase)(word & 0xff);
	value = word >> 8;
	if (phase == PRIVATE || phase == SHARED) {
		const uint64_t shared = phase == SHARED ? SHARED_BIT : 0;

		if (!tdx_native_read(cpu, gpa(at | shared), &seen, 8) || seen != value)
			return false;
	}
	phase = phase == PRIVATE || phase == TO_SHARED ? TO_SHARED : TO_PRIVATE;
	value++;
	word = word_of(phase, value);
	tdx_native_write(cpu, gpa(word_at), &word, 8);
	map_gpa(cpu, phase == TO_SHARED ? at | SHARED_BIT : at);
	if (phase == TO_PRIVATE)
		accept_page(cpu, at); /* or it was */
	tdx_native_write(cpu, gpa(phase == TO_SHARED ? at | SHARED_BIT : at), &value, 8);
	word = word_of(phase == TO_SHARED ? SHARED : PRIVATE, value);
	tdx_native_write(cpu, gpa(word_at), &word, 8);
	return true;
}

/* There and back, each time that the host says so. */
static bool convert_when_told(struct tdx_native_cpu *cpu)
{
	struct tdx_regs ask = {.rax = TDG_VP_VMCALL,
			       .rcx = 0xfc00,
			       .r11 = TDVMCALL_IO,
			       .r12 = 4,
			       .r13 = TDVMCALL_READ,
			       .r14 = ASK_PORT};
	uint64_t done = 0;

	tdx_native_tdcall(cpu, &ask);
	tdx_native_read(cpu, gpa(STATE_GPA + 72), &done, 8);
	for (; done < (uint32_t)ask.r11; tdx_native_write(cpu, gpa(STATE_GPA + 72), &done, 8)) {
		if (!convert(cpu, WHEN_TOLD) || !convert(cpu, WHEN_TOLD))
			return false;
		done++;
	}
	return true;
}

/* vCPU 0 converts, others write; more than a list of pages is its own. */
static void converter(struct tdx_native_cpu *cpu, unsigned vcpu)
{
	uint64_t begun = 0;

	if (vcpu) {
		counter(cpu, vcpu);
		return;
	}
	tdx_native_read(cpu, gpa(STATE_GPA + 64), &begun, 8);
	if (!begun) {
		prepare(cpu, DATA_GPA);
		convert(cpu, WHEN_TOLD); /* it is private now */
		begun = 1;
		tdx_native_write(cpu, gpa(STATE_GPA + 64), &begun, 8);
	}
	for (uint32_t n = 1;; n++) {
		if (!convert(cpu, n % CONVERTED) || !convert_when_told(cpu)) {
			say(cpu, ~0u, vcpu);
			return;
		}
		if (n % 16 == 0)
			say(cpu, n, vcpu);
	}
}

/* What was measured, and what the TD is: not what differs with the platform. */
static bool report(struct tdx_native_cpu *cpu, uint8_t *measured)
{
	struct tdx_regs r = {.rax = TDG_MR_REPORT,
			     .rcx = STATE_GPA + REPORT_AT,
			     .rdx = STATE_GPA + RTMR_DATA + 64};

	tdx_native_tdcall(cpu, &r);
	return r.rax == TDX_SUCCESS &&
	       tdx_native_read(cpu, gpa(STATE_GPA + REPORT_AT + MEASURED_FROM), measured,
			       MEASURED_SIZE);
}

static void measurer(struct tdx_native_cpu *cpu, unsigned vcpu)
{
	struct tdx_regs r = {.rax = TDG_MR_RTMR_EXTEND, .rcx = STATE_GPA + RTMR_DATA, .rdx = 2};
	uint8_t was[MEASURED_SIZE], is[MEASURED_SIZE];
	uint64_t begun = 0;

	tdx_native_read(cpu, gpa(STATE_GPA + 64), &begun, 8);
	if (!begun) {
		tdx_native_tdcall(cpu, &r);
		if (r.rax != TDX_SUCCESS || !report(cpu, was))
			say(cpu, ~0u, vcpu);
		tdx_native_write(cpu, gpa(STATE_GPA + MEASURED_AT), was, sizeof(was));
		begun = 1;
		tdx_native_write(cpu, gpa(STATE_GPA + 64), &begun, 8);
	}
	for (uint32_t n = 1;; n++) {
		tdx_native_read(cpu, gpa(STATE_GPA + MEASURED_AT), was, sizeof(was));
		if (!report(cpu, is) || memcmp(was, is, sizeof(was))) {
			say(cpu, ~0u, vcpu);
			return;
		}
		say(cpu, 16 * n, vcpu);
	}
}

/* Counts, and has once used the slot that goes. */
static void slot_user(struct tdx_native_cpu *cpu, unsigned vcpu)
{
	uint64_t begun = 0;

	tdx_native_read(cpu, gpa(STATE_GPA + 64), &begun, 8);
	for (uint64_t i = 0; !begun && i < SLOT_PAGES; i++) {
		accept_page(cpu, SLOT_AT + i * 4096);
		tdx_native_write(cpu, gpa(SLOT_AT + i * 4096), &i, 8);
	}
	counter(cpu, vcpu);
}

/* --- two machines --- */

/* For a new TD. */
static void both(void (*fn)(struct tdx_native_cpu *cpu, unsigned vcpu),
		 void (*slots)(struct side *s))
{
	told = 0;
	a.guest = b.guest = fn;
	a.slots = b.slots = slots;
	a.importer = b.importer =
		(struct tdx_import_config){.max_memory = 2 * RIG_RAM, .max_vcpus = MAX_VCPUS};
}

/* --- conversions --- */

static bool nothing_waits(const struct side *s)
{
	return !atomic_load(&s->vm->unwanted) && !s->failed && !s->stopping;
}

/* Between the first two lists the guest is told to convert a page that has gone. */
static int one_is_wanted_back(void *arg, const struct tdx_mig_stats *so_far)
{
	const struct timespec pause = {0, 100000};
	struct side *s = arg;

	if (!so_far->round_pages[0] || so_far->cancelled || s->stopping)
		return 0;
	told++;
	while (nothing_waits(s))
		nanosleep(&pause, NULL);
	return 0;
}

static void a_guest_converts_pages_while_it_moves(void **state)
{
	const struct tdx_export_config how = {
		.max_rounds = 12, .enough = 1, .streams = 2, .wanted = one_is_wanted_back};
	struct tdx_mig_stats stats;

	(void)state;
	both(converter, NULL);
	build(&a, 2);
	go(&a);
	counts_on(&a, 2 * CONVERTED);
	for (unsigned i = 0; i < 2; i++) {
		struct side *from = i ? &b : &a, *to = i ? &a : &b;

		move(from, to, &how, &stats);
		assert_true(stats.cancelled > 0);
		to->count[0] = 0;
		counts_on(to, 4 * CONVERTED);
	}
	assert_int_equal(stop(&a), 0);
	end_td(&a);
}

/* Given up after some were cancelled: here it is whole, and moves another time. */
static int enough_were(void *arg, const struct tdx_mig_stats *so_far)
{
	one_is_wanted_back(arg, so_far);
	return so_far->cancelled ? -ECANCELED : 0;
}

static void pages_that_were_cancelled_are_here_when_it_stays(void **state)
{
	struct tdx_export_config how = {.max_rounds = 12, .enough = 1, .wanted = enough_were};
	struct tdx_mig_stats stats;
	struct peer p = {.s = &b};
	struct wire w;
	pthread_t t;

	(void)state;
	both(converter, NULL);
	build(&a, 1);
	go(&a);
	counts_on(&a, 2 * CONVERTED);
	p.config = b.importer;
	get_ready(&a, &b, &how, &p, &w);
	assert_int_equal(pthread_create(&t, NULL, import, &p), 0);
	assert_int_equal(tdx_vm_export(a.vm, &w.channel[0], &how, &stats), -ECANCELED);
	pthread_join(t, NULL);
	wire_off(&w);
	assert_int_equal(p.err, -ECONNABORTED);
	end_td(&b);
	assert_false(stats.moved);
	counts_on(&a, 4 * CONVERTED);
	how.wanted = one_is_wanted_back;
	move(&a, &b, &how, &stats);
	b.count[0] = 0;
	counts_on(&b, 4 * CONVERTED);
	assert_int_equal(stop(&b), 0);
	end_td(&b);
}

/* --- slots --- */

static void two_slots(struct side *s)
{
	assert_int_equal(tdx_vm_set_memslot(s->vm, 0, gpa(0), RIG_RAM), 0);
	assert_int_equal(tdx_vm_set_memslot(s->vm, 1, gpa(SLOT_AT), SLOT_PAGES * 4096), 0);
}

/* Between two lists: once the slot's pages have gone it is asked for, until they are dropped there.
 */
static int change_slots(void *arg, const struct tdx_mig_stats *so_far)
{
	const struct timespec pause = {0, 100000};
	struct side *s = arg;
	const uint64_t from = s->count[0];
	int err;

	if (!so_far->round_pages[0] || !s->vm->slot[1].npages)
		return 0;
	/* What it writes now is for another round, in which this is asked again. */
	while (s->count[0] < from + 64 && !s->failed && !s->stopping)
		nanosleep(&pause, NULL);
	if (so_far->rounds < 1)
		return 0;
	err = tdx_vm_set_memslot(s->vm, 1, gpa(0), 0);
	if (err == -EAGAIN)
		return 0;
	if (err || so_far->cancelled != SLOT_PAGES)
		return -EFAULT;
	/* Another is where it was, and one more is new. */
	err = tdx_vm_set_memslot(s->vm, 2, gpa(SLOT_AT), SLOT_PAGES * 2 * 4096);
	return err ? err : tdx_vm_set_memslot(s->vm, 7, gpa(NEW_SLOT_AT), SLOT_PAGES * 4096);
}

static void slots_come_and_go_while_it_moves(void **state)
{
	const struct tdx_export_config how = {
		.max_rounds = 32, .enough = 1, .wanted = change_slots};
	const uint64_t said = 0x1234;
	struct tdx_mig_stats stats;

	(void)state;
	both(slot_user, two_slots);
	build(&a, 1);
	go(&a);
	counts_on(&a, 2 * PAGES);
	move(&a, &b, &how, &stats);
	assert_int_equal(stats.cancelled, SLOT_PAGES);
	counts_on(&b, 2 * PAGES);
	assert_int_equal(stop(&b), 0);
	assert_int_equal(b.vm->slot[1].npages, 0);
	assert_int_equal(b.vm->slot[2].npages, 2 * SLOT_PAGES);
	assert_int_equal(b.vm->slot[7].npages, SLOT_PAGES);
	assert_int_equal(tdx_vm_set_private(b.vm, gpa(NEW_SLOT_AT), 4096, false), 0);
	assert_int_equal(tdx_vm_write_shared(b.vm, gpa(NEW_SLOT_AT), &said, sizeof(said)), 0);
	end_td(&b);
}

/* --- the user's memory --- */

/* As a client has it: memory behind shared pages, and a range behind the private ones. */
struct users {
	void *shared;
	tdx_hpa_t private_;
};
static struct users of_a, of_b;

static struct users *users_of(const struct side *s)
{
	return s == &a ? &of_a : &of_b;
}

static int back(struct side *s, unsigned slot, tdx_gpa_t at, uint64_t size)
{
	struct users *u = users_of(s);
	int err;

	u->shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (u->shared == MAP_FAILED)
		return -ENOMEM;
	err = tdx_vmm_alloc(s->rig.vmm, size / 4096, &u->private_);
	if (!err)
		err = tdx_vm_set_user_memslot(s->vm, slot, at, size, u->shared, true);
	return err ? err : tdx_vm_back_memslot(s->vm, slot, u->private_);
}

static void users_slot(struct side *s)
{
	assert_int_equal(back(s, 0, gpa(0), RIG_RAM), 0);
	assert_int_equal(tdx_vm_set_private(s->vm, gpa(0), RIG_RAM, true), 0);
}

static int imported_slot(void *arg, unsigned slot, tdx_gpa_t at, uint64_t size, bool private_)
{
	return private_ ? back(arg, slot, at, size) : -EINVAL;
}

static void put_users(struct side *s)
{
	struct users *u = users_of(s);

	assert_int_equal(tdx_vmm_dealloc(s->rig.vmm, u->private_, RIG_RAM / 4096), 0);
	munmap(u->shared, RIG_RAM);
}

static void a_td_in_its_users_memory_moves(void **state)
{
	const struct tdx_export_config how = {
		.max_rounds = 6, .enough = 1, .wanted = one_is_wanted_back};
	uint64_t n = 0;
	struct tdx_mig_stats stats;

	(void)state;
	both(converter, users_slot);
	b.importer.slot = imported_slot;
	build(&a, 1);
	go(&a);
	counts_on(&a, 2 * CONVERTED);
	move(&a, &b, &how, &stats);
	put_users(&a);
	assert_true(stats.cancelled > 0);
	b.count[0] = 0;
	counts_on(&b, 4 * CONVERTED);
	assert_int_equal(stop(&b), 0);
	/* Its private pages are where the user said, its shared ones too. */
	assert_int_equal(b.vm->slot[0].backing_pa, of_b.private_.v);
	for (uint64_t i = 0; i < RIG_RAM / 4096; i++)
		n += ((uint64_t *)of_b.shared)[i * 512] != 0;
	assert_true(n > 0);
	end_td(&b);
	put_users(&b);
}

/* To a monitor whose user has no memory of his own, and on from there. */
static void it_moves_to_a_monitor_that_has_its_own(void **state)
{
	const struct tdx_export_config how = {.max_rounds = 4, .streams = 2};
	struct tdx_mig_stats stats;

	(void)state;
	both(counter, users_slot);
	build(&a, 2);
	go(&a);
	counts_on(&a, PAGES);
	move(&a, &b, &how, &stats);
	put_users(&a);
	counts_on(&b, 2 * PAGES);
	assert_int_equal(stop(&b), 0);
	end_td(&b);
}

/* --- measurements --- */

static void what_was_measured_comes_along(void **state)
{
	struct tdx_mig_stats stats;

	(void)state;
	both(measurer, NULL);
	build(&a, 1);
	go(&a);
	counts_on(&a, 32);
	move(&a, &b, &(struct tdx_export_config){0}, &stats);
	b.count[0] = 0;
	counts_on(&b, 32);
	assert_int_equal(stop(&b), 0);
	end_td(&b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_converts_pages_while_it_moves),
		cmocka_unit_test(pages_that_were_cancelled_are_here_when_it_stays),
		cmocka_unit_test(slots_come_and_go_while_it_moves),
		cmocka_unit_test(a_td_in_its_users_memory_moves),
		cmocka_unit_test(it_moves_to_a_monitor_that_has_its_own),
		cmocka_unit_test(what_was_measured_comes_along),
	};

	return RUN_MOVES(argc, argv, tests, machines_on, machines_off);
}
