/* SPDX-License-Identifier: MIT */
/* Eight vCPUs fault, accept, convert and are zapped at random, and move between processors; from
 * time to time all stand still and the module's invariants are checked. No VM may be bugged. At the
 * end: how often which call met a lock that was taken, by operand. Usage: vmm_stress [--seconds N]
 */
#include "vmm_setup.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "machine/splitmix.h"

enum { VCPUS = 8, LIFE_MS = 2500, CHECK_MS = 250 };
#define FIRST_PAGE 0x200ull /* above the page that was added */
#define PAGES	   (RIG_RAM >> 12)

struct stress {
	struct rig rig;
	_Atomic bool stop, pause;
	_Atomic unsigned parked, running;
	_Atomic uint64_t accepts, converts, zaps, touches, checks, resizes;
	uint64_t generation;
};

/* The lower half is converted page by page, most of it in a small part, so that all meet there. */
static uint64_t random_page(uint64_t *seed)
{
	uint64_t range = splitmix_next(seed) % 4 ? 64 : PAGES / 2 - FIRST_PAGE;

	return (FIRST_PAGE + splitmix_next(seed) % range) << 12;
}

/* The upper half is for 2M pages: split, made whole, and now and then converted as such. */
static uint64_t random_2m(uint64_t *seed)
{
	return RIG_RAM / 2 + splitmix_next(seed) % (RIG_RAM / 2 / TDX_SIZE_2M) * TDX_SIZE_2M;
}

/* --- the guest --- */

struct guest_vcpu {
	uint64_t page; /* being touched */
};

static void accept_on_ve(struct tdx_native_cpu *cpu, unsigned vector, uint32_t error, void *arg)
{
	const struct guest_vcpu *g = arg;

	(void)error;
	if (vector != 20)
		return;
	guest_tdcall(cpu, TDG_VP_VEINFO_GET, 0, 0);
	guest_accept(cpu, g->page, TDX_LEVEL_4K);
}

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	struct stress *s = arg;
	uint64_t seed = guest_number(cpu) + 1 + s->generation, word = 0;
	struct guest_vcpu g = {0};

	tdx_native_on_event(cpu, accept_on_ve, &g);
	while (!atomic_load(&s->stop)) {
		uint64_t page = random_page(&seed);

		g.page = page;
		switch (splitmix_next(&seed) % 8) {
		case 0:
			guest_accept(cpu, random_2m(&seed), TDX_LEVEL_2M);
			break;
		case 1:
		case 2:
			guest_accept(cpu, page, TDX_LEVEL_4K);
			atomic_fetch_add(&s->accepts, 1);
			break;
		case 3:
			guest_vmcall(cpu, TDVMCALL_MAP_GPA, page | RIG_SHARED, 0x1000, NULL);
			atomic_fetch_add(&s->converts, 1);
			break;
		case 4:
			guest_vmcall(cpu, TDVMCALL_MAP_GPA, page, 0x1000, NULL);
			atomic_fetch_add(&s->converts, 1);
			break;
		case 5:
			tdx_native_read(cpu, gpa(page | RIG_SHARED), &word, sizeof(word));
			atomic_fetch_add(&s->touches, 1);
			break;
		case 6:
			g.page = random_2m(&seed) + (splitmix_next(&seed) % 512 << 12);
			tdx_native_write(cpu, gpa(g.page), &word, sizeof(word));
			atomic_fetch_add(&s->touches, 1);
			break;
		default:
			tdx_native_write(cpu, gpa(page), &word, sizeof(word));
			atomic_fetch_add(&s->touches, 1);
			break;
		}
	}
	for (;;)
		guest_halt(cpu);
}

/* --- the host --- */

static void park(struct stress *s)
{
	if (!atomic_load(&s->pause))
		return;
	atomic_fetch_add(&s->parked, 1);
	while (atomic_load(&s->pause))
		usleep(100);
	atomic_fetch_sub(&s->parked, 1);
}

struct thread {
	struct stress *s;
	unsigned n;
	pthread_t id;
	int err;
};

static void *vcpu_thread(void *arg)
{
	struct thread *t = arg;
	struct rig *r = &t->s->rig;
	uint64_t seed = t->n + 77;
	struct tdx_run run;

	for (;;) {
		park(t->s);
		t->err = tdx_vcpu_run(r->vcpu[t->n], (int)(splitmix_next(&seed) % VCPUS), &run);
		if (t->err || run.exit == TDX_EXIT_INTERNAL_ERROR || run.exit == TDX_EXIT_HLT)
			break;
		if (run.exit == TDX_EXIT_MEMORY_FAULT) /* converted by somebody else: follow */
			tdx_vm_set_private(r->vm, run.memory_fault.gpa, TDX_PAGE_SIZE,
					   run.memory_fault.private_);
	}
	if (!t->err && run.exit != TDX_EXIT_HLT)
		t->err = -EIO;
	atomic_fetch_sub(&t->s->running, 1);
	return NULL;
}

static void *chaos_thread(void *arg)
{
	struct thread *t = arg;
	struct stress *s = t->s;
	uint64_t seed = t->n + 99;

	while (!atomic_load(&s->stop)) {
		uint64_t page = random_page(&seed), n = 1 + splitmix_next(&seed) % 16;

		park(s);
		switch (splitmix_next(&seed) % 10) {
		case 0:
			tdx_vm_set_private(s->rig.vm, gpa(page), n << 12, false);
			break;
		case 1:
			tdx_vm_set_private(s->rig.vm, gpa(page), n << 12, true);
			break;
		case 2:
			tdx_vm_zap_shared(s->rig.vm, gpa(page), n << 12);
			break;
		case 3:
		case 4:
			atomic_fetch_add(&s->resizes,
					 !tdx_vm_promote(s->rig.vm, gpa(random_2m(&seed))));
			break;
		case 5:
			atomic_fetch_add(&s->resizes,
					 !tdx_vm_demote(s->rig.vm, gpa(random_2m(&seed))));
			break;
		case 6: /* part of one, or all of it */
			page = random_2m(&seed);
			n = splitmix_next(&seed) % 4 ? 512 : n;
			tdx_vm_set_private(s->rig.vm, gpa(page), n << 12, splitmix_next(&seed) % 8);
			break;
		default:
			tdx_vcpu_kick(s->rig.vcpu[splitmix_next(&seed) % VCPUS]);
			break;
		}
		atomic_fetch_add(&s->zaps, 1);
		usleep((useconds_t)(splitmix_next(&seed) % 300));
	}
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

static void stand_still_and_check(struct stress *s)
{
	atomic_store(&s->pause, true);
	while (atomic_load(&s->parked) < atomic_load(&s->running)) {
		for (unsigned i = 0; i < VCPUS; i++)
			tdx_vcpu_kick(s->rig.vcpu[i]);
		usleep(200);
	}
	rig_check_module(&s->rig);
	rig_check_coherent(&s->rig);
	atomic_fetch_add(&s->checks, 1);
	atomic_store(&s->pause, false);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* One TD, until `end`. */
static void life(struct stress *s, uint64_t end)
{
	struct thread vcpu[VCPUS], chaos[2];
	uint64_t life_end = now_ms() + LIFE_MS;

	atomic_store(&s->stop, false);
	s->generation++;
	rig_vm(&s->rig, VCPUS);
	atomic_store(&s->running, VCPUS + 2);
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpu[i] = (struct thread){.s = s, .n = i};
		pthread_create(&vcpu[i].id, NULL, vcpu_thread, &vcpu[i]);
	}
	for (unsigned i = 0; i < 2; i++) {
		chaos[i] = (struct thread){.s = s, .n = i};
		pthread_create(&chaos[i].id, NULL, chaos_thread, &chaos[i]);
	}
	while (now_ms() < end && now_ms() < life_end && tdx_vm_state(s->rig.vm) != TDX_VM_DEAD) {
		usleep(CHECK_MS * 1000);
		stand_still_and_check(s);
	}
	atomic_store(&s->stop, true);
	for (unsigned i = 0; i < VCPUS; i++)
		pthread_join(vcpu[i].id, NULL);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(chaos[i].id, NULL);
	if (tdx_vm_state(s->rig.vm) == TDX_VM_DEAD)
		fail_msg("%s", s->rig.log);
	for (unsigned i = 0; i < VCPUS; i++)
		assert_int_equal(vcpu[i].err, 0);
	rig_destroy(&s->rig);
	rig_check_clean(&s->rig);
}

static void print_contention(struct rig *r)
{
	enum tdx_operand op;

	for (unsigned leaf = 0; leaf < TDX_SEAMCALL_LEAVES; leaf++)
		for (size_t i = 0; tdx_operand_at(i, &op); i++) {
			uint64_t n = tdx_model_contention(r->model, (enum tdx_seamcall)leaf, op);

			if (n)
				printf("%-22s busy %-12s %8llu of %llu\n",
				       tdx_seamcall_leaf(leaf)->name, tdx_operand_name(op),
				       (unsigned long long)n,
				       (unsigned long long)rig_calls(r, (enum tdx_seamcall)leaf));
		}
}

static unsigned seconds = 5;

static void eight_vcpus_at_random(void **state)
{
	struct stress *s = calloc(1, sizeof(*s));
	struct rig_options o = {.guest = guest,
				.arg = s,
				.cpus = VCPUS,
				.packages = 2,
				.huge = true,
				.sept_ve = true};
	uint64_t end = now_ms() + 1000ull * seconds;

	(void)state;
	assert_non_null(s);
	rig_on(&s->rig, &o);
	while (now_ms() < end)
		life(s, end);
	printf("%u s, %llu TDs: %llu accepts, %llu conversions, %llu accesses, %llu events of the "
	       "host, "
	       "%llu pages resized, invariants checked %llu times\n",
	       seconds, (unsigned long long)s->generation, (unsigned long long)s->accepts,
	       (unsigned long long)s->converts, (unsigned long long)s->touches,
	       (unsigned long long)s->zaps, (unsigned long long)s->resizes,
	       (unsigned long long)s->checks);
	print_contention(&s->rig);
	rig_off(&s->rig);
	free(s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(eight_vcpus_at_random)};

	if (argc >= 3 && strcmp(argv[1], "--seconds") == 0)
		seconds = (unsigned)strtoul(argv[2], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
