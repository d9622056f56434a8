/* SPDX-License-Identifier: MIT */
/* Two trees: which root, which leaves go, what reaches the module. */
#include "vmm_setup.h"

#include <stdlib.h>

#include "vmm/external.h"

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word = 1;

	(void)arg;
	for (unsigned i = 1; i <= 8; i++)
		guest_accept(cpu, i * 0x1000, TDX_LEVEL_4K);
	guest_vmcall(cpu, TDVMCALL_MAP_GPA, 0x3000 | RIG_SHARED, 0x2000, NULL);
	tdx_native_write(cpu, gpa(0x3000 | RIG_SHARED), &word, sizeof(word));
	tdx_native_write(cpu, gpa(0x4000 | RIG_SHARED), &word, sizeof(word));
	guest_halt(cpu);
}

static void accept_2m(struct tdx_native_cpu *cpu, void *arg)
{
	(void)arg;
	guest_accept(cpu, TDX_SIZE_2M, TDX_LEVEL_2M);
	guest_halt(cpu);
}

static const struct rig_options plain = {.guest = guest};

static void start(struct rig *r)
{
	rig_on(r, &plain);
	rig_vm(r, 1);
	assert_int_equal(rig_run(r, 0, -1), 0);
}

static void end(struct rig *r)
{
	rig_destroy(r);
	rig_check_clean(r);
	rig_off(r);
}

static uint64_t all_calls(struct rig *r)
{
	struct tdx_model_stats s;
	uint64_t n = 0;

	tdx_model_stats(r->model, &s);
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		n += s.calls[i];
	return n;
}

/* Present leaves with gfn in [first, end). */
static uint64_t leaves_in(const struct mmu_page *p, uint64_t first, uint64_t end_)
{
	uint64_t n = 0, span = 1ull << (9 * (unsigned)p->level);

	for (unsigned i = 0; i < 512; i++) {
		uint64_t spte = p->spt[i], gfn = p->gfn + i * span;

		if (!(spte & SPTE_PRESENT))
			continue;
		if (!(spte & SPTE_LEAF))
			n += leaves_in(p->child[i], first, end_);
		else
			n += gfn >= first && gfn < end_;
	}
	return n;
}

static uint64_t leaves(const struct mmu_page *p)
{
	return leaves_in(p, 0, ~0ull);
}

static uint64_t tables(const struct mmu_page *p)
{
	uint64_t n = 1;

	for (unsigned i = 0; i < 512; i++)
		if (p->spt[i] & SPTE_PRESENT && !(p->spt[i] & SPTE_LEAF))
			n += tables(p->child[i]);
	return n;
}

static void same_kind_below(const struct mmu_page *p, bool is_mirror)
{
	assert_int_equal(p->is_mirror, is_mirror);
	for (unsigned i = 0; i < 512; i++)
		if (p->spt[i] & SPTE_PRESENT && !(p->spt[i] & SPTE_LEAF))
			same_kind_below(p->child[i], is_mirror);
}

static void S4_01_memory_types_do_not_reach_private_mappings(void **state)
{
	uint64_t calls, private_;
	struct rig r;

	(void)state;
	start(&r);
	calls = all_calls(&r);
	private_ = leaves(r.vm->mirror_root);
	assert_int_equal(private_, 7);
	/* what KVM does when a device whose DMA does not snoop comes or goes */
	assert_int_equal(tdx_vm_zap_shared(r.vm, gpa(0), RIG_RAM), 0);
	assert_int_equal(all_calls(&r), calls);
	assert_int_equal(leaves(r.vm->mirror_root), private_);
	assert_int_equal(leaves(r.vm->direct_root), 0);
	end(&r);
}

static void S4_01_without_posted_interrupts_the_vm_is_dead_and_loses_no_page(void **state)
{
	uint64_t count[16], before;
	struct tdx_run run;
	struct rig r;

	(void)state;
	start(&r);
	tdx_model_pages(r.model, count);
	before = count[TDX_PT_REG];
	assert_int_equal(tdx_vm_inhibit_apicv(r.vm), -EIO);
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_DEAD);
	assert_int_equal(r.nlog, 1);
	assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), -EIO);
	tdx_model_pages(r.model, count);
	assert_int_equal(count[TDX_PT_REG], before);
	end(&r); /* and all of them come back */
}

static void S4_02_a_vm_with_direct_bits_needs_no_mirror(void **state)
{
	struct page_cache cache = {0};
	struct tdx_vm *vm;
	uint64_t calls;
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	assert_int_equal(tdx_vm_new(r.vmm, &vm), 0);
	assert_int_equal(mmu_init(vm), 0);
	vm->zap = mmu_zap_new();
	assert_non_null(vm->zap);
	mmu_page_free(vm->mirror_root);
	vm->mirror_root = NULL;
	calls = all_calls(&r);
	assert_int_equal(mmu_map_shared(vm, &cache, 5, 0x1000 | SPTE_PRESENT | SPTE_LEAF), MMU_OK);
	assert_int_equal(leaves_in(vm->direct_root, RIG_SHARED >> 12, (RIG_SHARED >> 12) + 6), 1);
	assert_int_equal(mmu_zap(vm, 0, 64, MMU_SHARED | MMU_PRIVATE), 0);
	assert_int_equal(leaves(vm->direct_root), 0);
	mmu_free_direct(vm);
	/* S4-11: without a mirror no hook is called. */
	assert_int_equal(all_calls(&r), calls);
	free(vm->zap);
	vm->zap = NULL;
	page_cache_drain(&r.vmm->pages, &cache);
	tdx_vm_destroy(vm);
	rig_check_clean(&r);
	rig_off(&r);
}

static void S4_03_the_gpa_chooses_the_root(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	assert_int_equal(leaves_in(r.vm->mirror_root, 0, 16), 7);
	assert_int_equal(leaves_in(r.vm->mirror_root, 3, 5), 0);
	assert_int_equal(
		leaves_in(r.vm->direct_root, (RIG_SHARED >> 12) + 3, (RIG_SHARED >> 12) + 5), 2);
	assert_int_equal(leaves(r.vm->direct_root), 2);
	end(&r);
}

static void S4_04_an_attribute_is_not_the_kind_of_a_table(void **state)
{
	uint64_t mirrored;
	struct rig r;

	(void)state;
	start(&r);
	mirrored = tables(r.vm->mirror_root);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0), RIG_RAM, false), 0);
	/* All pages are shared now; the tables are what they were. */
	assert_int_equal(leaves(r.vm->mirror_root), 0);
	assert_int_equal(tables(r.vm->mirror_root), mirrored);
	same_kind_below(r.vm->mirror_root, true);
	same_kind_below(r.vm->direct_root, false);
	end(&r);
}

static void S4_05_every_table_has_the_kind_of_its_root(void **state)
{
	struct page_cache cache = {0};
	struct rig r;

	(void)state;
	start(&r);
	srand(1);
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t gfn = 16 + (uint64_t)rand() % 0x3000;

		switch (rand() % 4) {
		case 0:
			assert_int_equal(mmu_map_private(r.vm, &cache, gfn, TDX_LEVEL_4K, NULL, -1),
					 MMU_OK);
			break;
		case 1:
			assert_in_range(mmu_map_shared(r.vm, &cache, gfn,
						       0x1000 | SPTE_PRESENT | SPTE_LEAF),
					MMU_OK, MMU_EXISTS);
			break;
		case 2:
			assert_int_equal(mmu_zap(r.vm, gfn, 64, 1 + (unsigned)rand() % 3), 0);
			break;
		default:
			mmu_zap_direct(r.vm, gfn, 64);
			break;
		}
		if (i % 100 == 0) {
			same_kind_below(r.vm->mirror_root, true);
			same_kind_below(r.vm->direct_root, false);
		}
	}
	page_cache_drain(&r.vmm->pages, &cache);
	end(&r);
}

static void S4_06_a_deleted_slot_takes_its_leaves_out_of_both_trees(void **state)
{
	const uint64_t gfn = (1ull << 30) >> 12, shared = RIG_SHARED >> 12;
	struct page_cache cache = {0};
	uint64_t other[2];
	struct rig r;

	(void)state;
	start(&r);
	other[0] = leaves(r.vm->mirror_root);
	other[1] = leaves(r.vm->direct_root);
	/* Three slots side by side, each half private, half shared, all of it mapped. */
	for (unsigned slot = 1; slot <= 3; slot++)
		assert_int_equal(
			tdx_vm_set_memslot(r.vm, slot, gpa((gfn + 16 * (slot - 1)) << 12), 0x10000),
			0);
	for (unsigned i = 0; i < 48; i++) {
		if (i % 16 < 8) {
			assert_int_equal(
				mmu_map_private(r.vm, &cache, gfn + i, TDX_LEVEL_4K, NULL, -1),
				MMU_OK);
			continue;
		}
		assert_int_equal(tdx_vm_set_private(r.vm, gpa((gfn + i) << 12), 0x1000, false), 0);
		assert_int_equal(
			mmu_map_shared(r.vm, &cache, gfn + i, 0x1000 | SPTE_PRESENT | SPTE_LEAF),
			MMU_OK);
	}
	assert_int_equal(tdx_vm_set_memslot(r.vm, 2, gpa((gfn + 16) << 12), 0), 0);
	for (unsigned i = 0; i < 48; i++) {
		bool gone = i >= 16 && i < 32;

		assert_int_equal(leaves_in(r.vm->mirror_root, gfn + i, gfn + i + 1),
				 !gone && i % 16 < 8);
		assert_int_equal(
			leaves_in(r.vm->direct_root, shared + gfn + i, shared + gfn + i + 1),
			!gone && i % 16 >= 8);
	}
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(gfn << 12), 0), 0);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 3, gpa((gfn + 32) << 12), 0), 0);
	assert_int_equal(leaves(r.vm->mirror_root), other[0]);
	assert_int_equal(leaves(r.vm->direct_root), other[1]);
	page_cache_drain(&r.vmm->pages, &cache);
	end(&r);
}

/* The mirror's table of 4K entries for the first 2M. */
static struct mmu_page *first_table(struct rig *r)
{
	struct mmu_page *p = r->vm->mirror_root;

	while (p->level > TDX_LEVEL_4K)
		p = p->child[0];
	return p;
}

static void S4_07_whoever_meets_a_frozen_entry_comes_back(void **state)
{
	static const struct {
		uint64_t gfn;
		bool table;
	} at[] = {{0x80, false}, {0x1000, true}};
	struct page_cache cache = {0};
	uint64_t calls;
	struct rig r;

	(void)state;
	start(&r);
	for (unsigned i = 0; i < 2; i++) {
		struct mmu_page *p = first_table(&r);
		_Atomic uint64_t *sptep = &p->spt[at[i].gfn];

		if (at[i].table) { /* the entry that would point to the table */
			p = r.vm->mirror_root;
			while (p->level > TDX_LEVEL_2M)
				p = p->child[0];
			sptep = &p->spt[at[i].gfn >> 9];
		}
		assert_int_equal(*sptep, SPTE_NONPRESENT);
		*sptep = SPTE_FROZEN;
		calls = all_calls(&r);
		assert_int_equal(mmu_map_private(r.vm, &cache, at[i].gfn, TDX_LEVEL_4K, NULL, -1),
				 MMU_RETRY);
		assert_int_equal(all_calls(&r), calls);
		assert_int_equal(*sptep, SPTE_FROZEN);
		*sptep = SPTE_NONPRESENT;
		assert_int_equal(mmu_map_private(r.vm, &cache, at[i].gfn, TDX_LEVEL_4K, NULL, -1),
				 MMU_OK);
	}
	page_cache_drain(&r.vmm->pages, &cache);
	end(&r);
}

/* A second processor at the page of an install that has not come back from the module. */
struct second {
	struct rig *r;
	uint64_t gfn;
	enum tdx_seamcall leaf;
	enum mmu_result result;
	uint64_t calls;
};

static void *map_too(void *arg)
{
	struct second *s = arg;
	struct page_cache cache = {0};

	mmu_read_lock(s->r->vm, NULL);
	s->result = mmu_map_private(s->r->vm, &cache, s->gfn, TDX_LEVEL_4K, NULL, 1);
	mmu_read_unlock(s->r->vm, NULL);
	page_cache_drain(&s->r->vmm->pages, &cache);
	return NULL;
}

static void let_second_try(void *arg)
{
	struct second *s = arg;
	pthread_t thread;

	s->calls = all_calls(s->r);
	pthread_create(&thread, NULL, map_too, s);
	pthread_join(thread, NULL);
	s->calls = all_calls(s->r) - s->calls;
}

static void accept_at_2m_and_2g(struct tdx_native_cpu *cpu, void *arg)
{
	(void)arg;
	(void)!tdx_is_success(guest_accept(cpu, 0x80000, TDX_LEVEL_4K));
	(void)!tdx_is_success(guest_accept(cpu, 0x1000000, TDX_LEVEL_4K));
	guest_halt(cpu);
}

/* Two vCPUs accept a page: while the first stands in the module, for the page or for a table above
 * it, the second asks for nothing and comes back; then both get on. */
static void S4_07_two_vcpus_accept_one_page(void **state)
{
	static const struct {
		uint64_t gfn;
		enum tdx_seamcall leaf;
	} rows[] = {{0x80, TDH_MEM_PAGE_AUG}, {0x1000, TDH_MEM_SEPT_ADD}};
	struct rig_options o = {.guest = accept_at_2m_and_2g, .cpus = 2};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct second s = {.gfn = rows[i].gfn, .leaf = rows[i].leaf, .result = MMU_OK};
		struct tdx_fault f = {.kind = TDX_FAULT_STOP,
				      .leaf = (int)rows[i].leaf,
				      .cpu = 0,
				      .times = 1,
				      .stop = let_second_try,
				      .arg = &s};
		struct rig r;

		rig_on(&r, &o);
		rig_vm(&r, 2);
		s.r = &r;
		tdx_model_inject(r.model, &f);
		assert_int_equal(rig_run(&r, 0, 0), 0);
		assert_int_equal(s.result, MMU_RETRY);
		assert_int_equal(s.calls, 0);
		assert_int_equal(rig_run(&r, 1, 1), 0);
		assert_int_equal(tdx_vm_state(r.vm), TDX_VM_RUNNABLE);
		assert_int_equal(leaves_in(r.vm->mirror_root, 0x80, 0x81), 1);
		assert_int_equal(leaves_in(r.vm->mirror_root, 0x1000, 0x1001), 1);
		rig_destroy(&r);
		rig_check_clean(&r);
		rig_off(&r);
	}
}

static void S4_07_a_refused_install_leaves_the_entry_as_it_was(void **state)
{
	static const struct {
		enum tdx_seamcall leaf;
		uint64_t gfn;
	} rows[] = {{TDH_MEM_PAGE_AUG, 0x80}, {TDH_MEM_SEPT_ADD, 0x1000}};
	struct page_cache cache = {0};
	struct rig r;

	(void)state;
	start(&r);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t private_ = leaves(r.vm->mirror_root), n = tables(r.vm->mirror_root);

		rig_fail(&r, (int)rows[i].leaf, 1, 1, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
		assert_int_equal(mmu_map_private(r.vm, &cache, rows[i].gfn, TDX_LEVEL_4K, NULL, -1),
				 MMU_RETRY);
		assert_int_equal(leaves(r.vm->mirror_root), private_);
		assert_int_equal(tables(r.vm->mirror_root), n);
		assert_int_equal(mmu_map_private(r.vm, &cache, rows[i].gfn, TDX_LEVEL_4K, NULL, -1),
				 MMU_OK);
		tdx_model_clear_faults(r.model);
	}
	page_cache_drain(&r.vmm->pages, &cache);
	end(&r);
}

static void S4_07_every_transition_is_one_external_operation(void **state)
{
	struct page_cache cache = {0};
	uint64_t septs, augs, blocks, tracks, removes, reclaims, n;
	struct rig r;

	(void)state;
	start(&r);
#define NOW(leaf) rig_calls(&r, leaf)
	/* A far page: three tables (2M, 1G entries' and 4K entries' parents), one leaf. */
	septs = NOW(TDH_MEM_SEPT_ADD);
	augs = NOW(TDH_MEM_PAGE_AUG);
	n = tables(r.vm->mirror_root);
	assert_int_equal(mmu_map_private(r.vm, &cache, 1ull << 27, TDX_LEVEL_4K, NULL, -1), MMU_OK);
	n = tables(r.vm->mirror_root) - n;
	assert_int_equal(n, 3);
	assert_int_equal(NOW(TDH_MEM_SEPT_ADD) - septs, n);
	assert_int_equal(NOW(TDH_MEM_PAGE_AUG) - augs, 1);
	/* Mapped already: nothing. */
	assert_int_equal(mmu_map_private(r.vm, &cache, 1ull << 27, TDX_LEVEL_4K, NULL, -1), MMU_OK);
	assert_int_equal(NOW(TDH_MEM_PAGE_AUG) - augs, 1);
	/* Removed: one each. */
	blocks = NOW(TDH_MEM_RANGE_BLOCK);
	tracks = NOW(TDH_MEM_TRACK);
	removes = NOW(TDH_MEM_PAGE_REMOVE);
	assert_int_equal(mmu_zap(r.vm, 1ull << 27, 1, MMU_PRIVATE), 0);
	assert_int_equal(NOW(TDH_MEM_RANGE_BLOCK) - blocks, 1);
	assert_int_equal(NOW(TDH_MEM_TRACK) - tracks, 1);
	assert_int_equal(NOW(TDH_MEM_PAGE_REMOVE) - removes, 1);
	/* A batch: one tracking. */
	assert_int_equal(mmu_zap(r.vm, 0, 64, MMU_PRIVATE), 0);
	assert_int_equal(NOW(TDH_MEM_TRACK) - tracks, 2);
	/* The end: one reclaim a table but the root, which is the TDCS's. */
	n = tables(r.vm->mirror_root) - 1;
	reclaims = NOW(TDH_PHYMEM_PAGE_RECLAIM);
	page_cache_drain(&r.vmm->pages, &cache);
	assert_int_equal(vm_release_hkid(r.vm), 0);
	mmu_free_mirror(r.vm);
	assert_int_equal(NOW(TDH_PHYMEM_PAGE_RECLAIM) - reclaims, n);
	end(&r);
}

static void S4_08_a_table_cannot_go_while_the_td_lives(void **state)
{
	uint64_t reclaims, n;
	struct rig r;

	(void)state;
	start(&r);
	reclaims = rig_calls(&r, TDH_PHYMEM_PAGE_RECLAIM);
	n = tables(r.vm->mirror_root) - 1;
	mmu_free_mirror(r.vm);
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_DEAD);
	assert_int_equal(r.nlog, 1);
	assert_int_equal(rig_calls(&r, TDH_PHYMEM_PAGE_RECLAIM), reclaims);
	assert_int_equal(rig_memory(&r).quarantined_pages, n);
	rig_destroy(&r);
	rig_check_coherent(&r);
	rig_off(&r);
}

static void S4_08_at_run_time_only_leaves_go(void **state)
{
	struct rig r;
	uint64_t n;

	(void)state;
	start(&r);
	n = tables(r.vm->mirror_root);
	assert_int_equal(mmu_zap(r.vm, 0, ~0ull, MMU_PRIVATE), 0);
	assert_int_equal(leaves(r.vm->mirror_root), 0);
	assert_int_equal(tables(r.vm->mirror_root), n);
	assert_int_equal(rig_calls(&r, TDH_MEM_SEPT_REMOVE), 0);
	end(&r);
}

static void S4_09_a_new_generation_of_mmio_leaves_the_mirror_alone(void **state)
{
	uint64_t calls;
	struct rig r;

	(void)state;
	start(&r);
	calls = all_calls(&r);
	assert_int_equal(tdx_vm_zap_shared(r.vm, gpa(0), RIG_SHARED), 0);
	assert_int_equal(leaves(r.vm->direct_root), 0);
	assert_int_equal(leaves(r.vm->mirror_root), 7);
	assert_int_equal(all_calls(&r), calls);
	end(&r);
}

/* However many places without memory a guest touches. */
static void touches_without_memory_take_no_tables(void **state)
{
	struct page_cache cache = {0};
	uint64_t used;
	struct rig r;

	(void)state;
	start(&r);
	used = rig_memory(&r).used_pages;
	for (uint64_t i = 0; i < 4096; i++) {
		enum mmu_result m = mmu_map_mmio(r.vm, &cache, (RIG_RAM >> 12) + i * 512);

		assert_true(m == MMU_OK || m == MMU_EXISTS);
	}
	page_cache_drain(&r.vmm->pages, &cache);
	/* the levels down to the end of its memory, once */
	assert_in_range(rig_memory(&r).used_pages - used, 0, 3);
	end(&r);
}

static void S4_10_unmapping_what_backs_shared_memory_makes_no_call(void **state)
{
	uint64_t calls;
	struct rig r;

	(void)state;
	start(&r);
	calls = all_calls(&r);
	assert_int_equal(tdx_vm_zap_shared(r.vm, gpa(0x1000), 0x8000), 0);
	assert_int_equal(all_calls(&r), calls);
	assert_int_equal(leaves(r.vm->direct_root), 0);
	end(&r);
}

static void S4_12_a_page_and_its_alias_are_in_two_trees(void **state)
{
	struct page_cache cache = {0};
	struct rig r;

	(void)state;
	start(&r);
	assert_int_equal(mmu_map_private(r.vm, &cache, 0x100, TDX_LEVEL_4K, NULL, -1), MMU_OK);
	assert_int_equal(mmu_map_shared(r.vm, &cache, 0x100, 0x1000 | SPTE_PRESENT | SPTE_LEAF),
			 MMU_OK);
	assert_int_equal(leaves_in(r.vm->mirror_root, 0x100, 0x101), 1);
	assert_int_equal(leaves_in(r.vm->direct_root, (RIG_SHARED >> 12) + 0x100,
				   (RIG_SHARED >> 12) + 0x101),
			 1);
	assert_int_equal(leaves_in(r.vm->direct_root, 0, RIG_SHARED >> 12), 0);
	/* One goes, the other stays. */
	mmu_zap_direct(r.vm, 0x100, 1);
	assert_int_equal(leaves_in(r.vm->mirror_root, 0x100, 0x101), 1);
	page_cache_drain(&r.vmm->pages, &cache);
	end(&r);
}

static void S4_13_a_slot_reaches_no_alias(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(RIG_SHARED), 0x1000), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(RIG_SHARED | 0x100000), 0x1000), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(RIG_SHARED - 0x1000), 0x2000), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(~0ull << 12), 0x2000), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(RIG_SHARED - 0x1000), 0x1000), 0);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(RIG_SHARED), 0x1000, true), -EINVAL);
	end(&r);
}

static void a_2m_page_is_demoted_and_promoted(void **state)
{
	struct rig_options o = {.guest = accept_2m, .huge = true};
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	assert_int_equal(rig_run(&r, 0, -1), 0);
	assert_int_equal(leaves(r.vm->mirror_root), 2);
	assert_int_equal(tdx_vm_promote(r.vm, gpa(TDX_SIZE_2M)), -EINVAL);
	assert_int_equal(tdx_vm_demote(r.vm, gpa(0)), -EINVAL);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(tdx_vm_demote(r.vm, gpa(TDX_SIZE_2M + 0x5000)), 0);
		assert_int_equal(leaves(r.vm->mirror_root), 513);
		rig_check_module(&r);
		assert_int_equal(tdx_vm_promote(r.vm, gpa(TDX_SIZE_2M)), 0);
		assert_int_equal(leaves(r.vm->mirror_root), 2);
		rig_check_module(&r);
	}
	assert_int_equal(tdx_vm_demote(r.vm, gpa(TDX_SIZE_2M)), 0);
	/* Refused by the module, a promotion leaves the range as it was, and usable. */
	rig_fail(&r, TDH_MEM_PAGE_PROMOTE, 1, 1, TDX_EPT_INVALID_PROMOTE_CONDITIONS);
	assert_int_equal(tdx_vm_promote(r.vm, gpa(TDX_SIZE_2M)), -EINVAL);
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_RUNNABLE);
	assert_int_equal(tdx_vm_promote(r.vm, gpa(TDX_SIZE_2M)), 0);
	/* Interrupted and busy once, it still comes about. */
	rig_fail(&r, TDH_MEM_PAGE_DEMOTE, 1, 3, TDX_INTERRUPTED_RESTARTABLE);
	rig_fail(&r, TDH_MEM_PAGE_DEMOTE, 1, 1, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
	assert_int_equal(tdx_vm_demote(r.vm, gpa(TDX_SIZE_2M)), 0);
	end(&r);
}

static void a_range_that_cuts_a_2m_page_takes_no_more_than_itself(void **state)
{
	struct rig_options o = {.guest = accept_2m, .huge = true};
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	assert_int_equal(rig_run(&r, 0, -1), 0);
	assert_int_equal(leaves(r.vm->mirror_root), 2);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(TDX_SIZE_2M + 0x3000), 0x5000, false), 0);
	assert_int_equal(leaves(r.vm->mirror_root), 1 + 512 - 5);
	assert_int_equal(leaves_in(r.vm->mirror_root, 512 + 3, 512 + 8), 0);
	rig_check_module(&r);
	end(&r);
}

static void a_4k_page_stands_in_for_a_2m_page_there_is_no_memory_for(void **state)
{
	struct rig_options o = {.guest = accept_2m, .huge = true};
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	/* 2M: no memory. The guest is told the size, and halts; page by page it would go on. */
	tdx_vmm_fail_alloc(r.vmm, 1);
	assert_int_equal(rig_run(&r, 0, -1), 0);
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_RUNNABLE);
	assert_int_equal(leaves_in(r.vm->mirror_root, 512, 513), 1);
	assert_int_equal(leaves_in(r.vm->mirror_root, 513, 1024), 0);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S4_01_memory_types_do_not_reach_private_mappings),
		cmocka_unit_test(S4_01_without_posted_interrupts_the_vm_is_dead_and_loses_no_page),
		cmocka_unit_test(S4_02_a_vm_with_direct_bits_needs_no_mirror),
		cmocka_unit_test(S4_03_the_gpa_chooses_the_root),
		cmocka_unit_test(S4_04_an_attribute_is_not_the_kind_of_a_table),
		cmocka_unit_test(S4_05_every_table_has_the_kind_of_its_root),
		cmocka_unit_test(S4_06_a_deleted_slot_takes_its_leaves_out_of_both_trees),
		cmocka_unit_test(S4_07_whoever_meets_a_frozen_entry_comes_back),
		cmocka_unit_test(S4_07_two_vcpus_accept_one_page),
		cmocka_unit_test(S4_07_a_refused_install_leaves_the_entry_as_it_was),
		cmocka_unit_test(S4_07_every_transition_is_one_external_operation),
		cmocka_unit_test(S4_08_a_table_cannot_go_while_the_td_lives),
		cmocka_unit_test(S4_08_at_run_time_only_leaves_go),
		cmocka_unit_test(S4_09_a_new_generation_of_mmio_leaves_the_mirror_alone),
		cmocka_unit_test(touches_without_memory_take_no_tables),
		cmocka_unit_test(S4_10_unmapping_what_backs_shared_memory_makes_no_call),
		cmocka_unit_test(S4_12_a_page_and_its_alias_are_in_two_trees),
		cmocka_unit_test(S4_13_a_slot_reaches_no_alias),
		cmocka_unit_test(a_2m_page_is_demoted_and_promoted),
		cmocka_unit_test(a_range_that_cuts_a_2m_page_takes_no_more_than_itself),
		cmocka_unit_test(a_4k_page_stands_in_for_a_2m_page_there_is_no_memory_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
