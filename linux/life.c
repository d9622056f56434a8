/* SPDX-License-Identifier: MIT */
/* The tree's TDX code at work, without a boot: bring-up, the life of a TD's pages, shortages of
 * entropy and each call refused in turn. The coherency sanitizer and the books of pages decide, not
 * the code's own opinion. */
#include "shim.h"

#include <asm/tdx.h>
#ifdef TREE_UPDATES
#include <asm/seamldr.h>
#endif

#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"
#include <tdx.h> /* the tree's own: numbers of leaves */

enum { CPUS = 4, PACKAGES = 2, TEXT = 96 };

#define BUSY	  0x8000020000000001ull
#define INVALID	  0xc000010000000001ull
#define UNKNOWN	  0xc000ff0000000000ull
#define SHORTAGE  0x8000020300000000ull
#define FAILED(s) ((s) >> 63)

static const u64 refusal[] = {BUSY, INVALID, UNKNOWN};
static unsigned failures;

static void check(bool ok, const char *fmt, ...)
{
	va_list ap;

	if (ok)
		return;
	failures++;
	printf("  NOT OK: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* --- SEAMCALL, as the tree's assembly has it: which registers go in and come out --- */

static u64 seamcall_regs(u64 fn, struct tdx_module_args *args, bool ret, bool saved)
{
	unsigned long long r[REGS] = {[REG_RAX] = fn, [REG_RCX] = args->rcx, [REG_RDX] = args->rdx};

	memcpy(&r[REG_R8], (u64[]){args->r8, args->r9, args->r10, args->r11}, 4 * sizeof(u64));
	if (saved) {
		memcpy(&r[REG_R8 + 4], (u64[]){args->r12, args->r13, args->r14, args->r15},
		       4 * sizeof(u64));
		r[REG_RBX] = args->rbx;
		r[REG_RSI] = args->rsi;
		r[REG_RDI] = args->rdi;
	}
	machine_seamcall(shim_cpu, r);
	if (ret) {
		args->rcx = r[REG_RCX];
		args->rdx = r[REG_RDX];
		args->r8 = r[REG_R8];
		args->r9 = r[REG_R8 + 1];
		args->r10 = r[REG_R8 + 2];
		args->r11 = r[REG_R8 + 3];
	}
	if (saved) {
		args->r12 = r[REG_R8 + 4];
		args->r13 = r[REG_R8 + 5];
		args->r14 = r[REG_R8 + 6];
		args->r15 = r[REG_R8 + 7];
		args->rbx = r[REG_RBX];
		args->rsi = r[REG_RSI];
		args->rdi = r[REG_RDI];
	}
	return r[REG_RAX];
}

u64 __seamcall(u64 fn, struct tdx_module_args *args)
{
	return seamcall_regs(fn, args, false, false);
}

u64 __seamcall_ret(u64 fn, struct tdx_module_args *args)
{
	return seamcall_regs(fn, args, true, false);
}

u64 __seamcall_saved_ret(u64 fn, struct tdx_module_args *args)
{
	return seamcall_regs(fn, args, true, true);
}

/* --- bring-up --- */

static int bring_up(void)
{
	int r = 0;

	shim_set_feature(X86_FEATURE_XSAVE);
	shim_set_feature(X86_FEATURE_MOVDIR64B);
	shim_set_feature(X86_FEATURE_SELFSNOOP);
	tdx_init();
#ifdef TREE_ENABLES /* until 7.0 KVM does */
	for (shim_cpu = 0; shim_cpu < shim_cpus && !r; shim_cpu++) {
		machine_vmxon(shim_cpu, true);
		r = tdx_cpu_enable();
	}
	shim_cpu = 0;
	return r ? r : tdx_enable();
#else
	r = shim_run_initcalls();
	return r;
#endif
}

/* Bring-up in a process of its own, as a kernel does it once: with the fault there may be an error,
 * and then nothing is left and nothing forgotten. */
static void refused_bring_up(const char *what, bool must_fail)
{
	int status;

	fflush(stdout);
	if (fork() == 0) {
		shim_quiet(true);
		status = bring_up();
		check(!must_fail || status != 0, "%s refused, and bring-up is done", what);
		check(!status || shim_used() == 0, "%s refused: %lu pages are kept", what,
		      shim_used());
		check(machine_reports(0) == 0, "%s refused: the caches", what);
		check(shim_warnings() == 0, "%s refused: %u warnings", what, shim_warnings());
		fflush(stdout);
		_exit(failures != 0);
	}
	wait(&status);
	failures += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void refused_bring_ups(void)
{
	static const unsigned leaf[] = {TDH_SYS_INIT,	TDH_SYS_LP_INIT,    TDH_SYS_RD,
					TDH_SYS_CONFIG, TDH_SYS_KEY_CONFIG, TDH_SYS_TDMR_INIT};
	const unsigned allocations = 6;

	for (unsigned i = 0; i < ARRAY_SIZE(leaf); i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(refusal); k++) {
			machine_fault(leaf[i], 1, 1, refusal[k]);
			refused_bring_up(machine_leaf_name(leaf[i]), true);
			machine_no_faults();
		}
		/* The second call of it, where there is one. */
		machine_fault(leaf[i], 2, 1, UNKNOWN);
		refused_bring_up(machine_leaf_name(leaf[i]),
				 leaf[i] != TDH_SYS_INIT && leaf[i] != TDH_SYS_CONFIG);
		machine_no_faults();
	}
	for (unsigned n = 0; n < allocations; n++) {
		shim_fail_allocation((long)n);
		refused_bring_up("memory", false);
		shim_fail_allocation(-1);
	}
	printf("bring-up, each call and %u allocations refused: done\n", allocations);
}

#ifdef TREE_LIVES

/* --- a TD --- */

#define PAGES 64

struct life {
	struct tdx_td td;
	struct tdx_vp vp;
	int hkid;
	bool tdr, vcpu, flushed, flush_done, freed;
	struct page *given[PAGES]; /* to the module, the TDR not; NULL: came back */
	unsigned ngiven;
	struct page *measured,
		*removed; /* not in given[]: in the TD; taken out, not written back */
	u64 status;	  /* the first that was not success */
	unsigned leaf;
};

/* Earlier trees take a page where later ones take its number. */
#define PAGE_OF(fn, type, p)                                                                       \
	__builtin_choose_expr(__builtin_types_compatible_p(__typeof__(fn), type), page_to_pfn(p), p)
#define AUG_PAGE(p)                                                                                \
	PAGE_OF(tdh_mem_page_aug,                                                                  \
		u64(struct tdx_td *, u64, enum pg_level, kvm_pfn_t, u64 *, u64 *), p)
#define ADD_PAGE(p)                                                                                \
	PAGE_OF(tdh_mem_page_add,                                                                  \
		u64(struct tdx_td *, u64, kvm_pfn_t, struct page *, u64 *, u64 *), p)
#define WBINVD_PAGE(p) PAGE_OF(tdh_phymem_page_wbinvd_hkid, u64(u64, kvm_pfn_t), p)
/* And the level as KVM or as the module counts it. */
#ifdef TREE_MODULE_LEVELS
#define LEVEL(kvm) ((int)(kvm)-1)
#else
#define LEVEL(kvm) (kvm)
#endif

static bool step(struct life *l, unsigned leaf, u64 status)
{
	if (!FAILED(status))
		return true;
	if (!l->status) {
		l->status = status;
		l->leaf = leaf;
	}
	return false;
}

static void given(struct life *l, struct page *p)
{
	l->given[l->ngiven++] = p;
}

static bool create(struct life *l)
{
	l->hkid = tdx_guest_keyid_alloc();
	l->td.tdr_page = shim_alloc(1);
	l->tdr = step(l, TDH_MNG_CREATE, tdh_mng_create(&l->td, (u16)l->hkid));
	if (!l->tdr)
		return false;
	for (unsigned i = 0; i < CPUS; i += CPUS / PACKAGES) {
		shim_cpu = i;
		if (!step(l, TDH_MNG_KEY_CONFIG, tdh_mng_key_config(&l->td)))
			return false;
	}
	shim_cpu = 0;
	return true;
}

static bool add_control_pages(struct life *l)
{
	const struct tdx_sys_info *info = tdx_get_sysinfo();
	const unsigned n = info->td_ctrl.tdcs_base_size / PAGE_SIZE;
	u64 error;
	struct page *params;
	bool ok = true;

	for (unsigned i = 0; i < n && ok; i++) {
		struct page *p = shim_alloc(1);

		ok = step(l, TDH_MNG_ADDCX, tdh_mng_addcx(&l->td, p));
		if (ok)
			given(l, p);
		else
			__free_page(p);
	}
	if (!ok)
		return false;
	params = shim_alloc(1);
	machine_td_params(shim_cpu, page_to_phys(params));
	ok = step(l, TDH_MNG_INIT, tdh_mng_init(&l->td, page_to_phys(params), &error));
	__free_page(params);
	return ok;
}

static bool add_vcpu(struct life *l)
{
	const unsigned n = tdx_get_sysinfo()->td_ctrl.tdvps_base_size / PAGE_SIZE;
	bool ok;

	l->vp.tdvpr_page = shim_alloc(1);
#ifdef TREE_TDVPR_PA
	l->vp.tdvpr_pa = page_to_phys(l->vp.tdvpr_page);
#endif
	ok = step(l, TDH_VP_CREATE, tdh_vp_create(&l->td, &l->vp));
	if (!ok) {
		__free_page(l->vp.tdvpr_page);
		return false;
	}
	given(l, l->vp.tdvpr_page);
	for (unsigned i = 1; i < n && ok; i++) {
		struct page *p = shim_alloc(1);

		ok = step(l, TDH_VP_ADDCX, tdh_vp_addcx(&l->vp, p));
		if (ok)
			given(l, p);
		else
			__free_page(p);
	}
	l->vcpu = ok && step(l, TDH_VP_INIT, tdh_vp_init(&l->vp, 0, 0));
	return l->vcpu;
}

static bool add_memory(struct life *l)
{
	struct page *source = shim_alloc(1), *p;
	u64 e1, e2;
	bool ok = true;

	for (int level = PG_LEVEL_1G + 1; level > PG_LEVEL_4K && ok; level--) {
		p = shim_alloc(1);
		ok = step(l, TDH_MEM_SEPT_ADD,
			  tdh_mem_sept_add(&l->td, 0, LEVEL(level), p, &e1, &e2));
		if (ok)
			given(l, p);
		else
			__free_page(p);
	}
	if (ok) {
		p = shim_alloc(1);
		ok = step(l, TDH_MEM_PAGE_ADD,
			  tdh_mem_page_add(&l->td, 0, ADD_PAGE(p), source, &e1, &e2));
		if (ok)
			l->measured = p;
		else
			__free_page(p);
	}
	for (u64 at = 0; at < PAGE_SIZE && ok; at += 256)
		ok = step(l, TDH_MR_EXTEND, tdh_mr_extend(&l->td, at, &e1, &e2));
	__free_page(source);
	return ok && step(l, TDH_MR_FINALIZE, tdh_mr_finalize(&l->td));
}

/* Out of the TD while it lives; on failure the page is the module's still, or written back with all
 * in the end. */
static bool remove_page(struct life *l, u64 gpa, struct page *p)
{
	u64 e1, e2, status;

	if (!step(l, TDH_MEM_RANGE_BLOCK,
		  tdh_mem_range_block(&l->td, gpa, LEVEL(PG_LEVEL_4K), &e1, &e2)) ||
	    !step(l, TDH_MEM_TRACK, tdh_mem_track(&l->td)) ||
	    !step(l, TDH_MEM_PAGE_REMOVE,
		  tdh_mem_page_remove(&l->td, gpa, LEVEL(PG_LEVEL_4K), &e1, &e2))) {
		given(l, p);
		return false;
	}
	status = tdh_phymem_page_wbinvd_hkid((u64)l->hkid, WBINVD_PAGE(p));
	if (!step(l, TDH_PHYMEM_PAGE_WBINVD, status)) {
		l->removed = p; /* KVM would lose it */
		return false;
	}
	tdx_quirk_reset_paddr(page_to_phys(p), PAGE_SIZE);
	__free_page(p);
	return true;
}

/* The page that was measured, which the module has written, and one that comes and goes. */
static bool map_and_remove(struct life *l)
{
	struct page *p = l->measured;
	u64 e1, e2;

	l->measured = NULL;
	if (!remove_page(l, 0, p))
		return false;
	p = shim_alloc(1);
	if (!step(l, TDH_MEM_PAGE_AUG,
		  tdh_mem_page_aug(&l->td, PAGE_SIZE, LEVEL(PG_LEVEL_4K), AUG_PAGE(p), &e1, &e2))) {
		__free_page(p);
		return false;
	}
	return remove_page(l, PAGE_SIZE, p);
}

static bool release_keyid(struct life *l)
{
	u64 status;

	if (l->freed || !l->tdr)
		return true;
	if (l->vcpu && !l->flushed && !step(l, TDH_VP_FLUSH, tdh_vp_flush(&l->vp)))
		return false;
	l->flushed = true;
	if (!l->flush_done && !step(l, TDH_MNG_VPFLUSHDONE, tdh_mng_vpflushdone(&l->td)))
		return false;
	l->flush_done = true;
	for (unsigned i = 0; i < CPUS; i += CPUS / PACKAGES) {
		shim_cpu = i;
		status = tdh_phymem_cache_wb(false);
		while (status == TDX_INTERRUPTED_RESUMABLE)
			status = tdh_phymem_cache_wb(true);
		if (!step(l, TDH_PHYMEM_CACHE_WB, status)) {
			shim_cpu = 0;
			return false;
		}
	}
	shim_cpu = 0;
	l->freed = step(l, TDH_MNG_KEY_FREEID, tdh_mng_key_freeid(&l->td));
	return l->freed;
}

static bool reclaim(struct life *l, struct page *p)
{
	u64 type, owner, size;

	return step(l, TDH_PHYMEM_PAGE_RECLAIM, tdh_phymem_page_reclaim(p, &type, &owner, &size));
}

static bool tear_down(struct life *l)
{
	bool ok;

	if (l->tdr) {
		if (l->measured)
			given(l, l->measured);
		l->measured = NULL;
		if (!release_keyid(l))
			return false;
		ok = true;
		for (unsigned i = 0; i < l->ngiven; i++) {
			if (!l->given[i])
				continue;
			if (!reclaim(l, l->given[i])) {
				ok = false;
				continue;
			}
			tdx_quirk_reset_paddr(page_to_phys(l->given[i]), PAGE_SIZE);
			__free_page(l->given[i]);
			l->given[i] = NULL;
		}
		if (l->removed) {
			tdx_quirk_reset_paddr(page_to_phys(l->removed), PAGE_SIZE);
			__free_page(l->removed);
			l->removed = NULL;
		}
		if (!ok || (l->td.tdr_page->used == 1 && !reclaim(l, l->td.tdr_page)))
			return false;
		l->td.tdr_page->used = 2; /* the TDR is ours again, but for its lines */
		if (!step(l, TDH_PHYMEM_PAGE_WBINVD, tdh_phymem_page_wbinvd_tdr(&l->td)))
			return false;
		tdx_quirk_reset_paddr(page_to_phys(l->td.tdr_page), PAGE_SIZE);
		l->tdr = false;
	}
	if (l->td.tdr_page)
		__free_page(l->td.tdr_page);
	l->td.tdr_page = NULL;
	if (l->hkid > 0)
		tdx_guest_keyid_free((unsigned)l->hkid);
	l->hkid = 0;
	return true;
}

/* One life, with whatever fails in it; then everything comes back without faults. */
static struct life live(void)
{
	struct life l = {.hkid = 0};

	if (create(&l) && add_control_pages(&l) && add_vcpu(&l) && add_memory(&l))
		(void)map_and_remove(&l);
	shim_cpu = 0;
	(void)tear_down(&l);
	return l;
}

static void nothing_left(struct life *l, const char *after, unsigned leaf, unsigned reports)
{
	machine_no_faults();
	check(tear_down(l), "after %s of %s the TD cannot be torn down", after,
	      machine_leaf_name(leaf));
	check(machine_owned() == 0, "after %s of %s the module owns %llu pages", after,
	      machine_leaf_name(leaf), machine_owned());
	check(machine_stale_lines() == 0, "after %s of %s lines of a free KeyID are dirty", after,
	      machine_leaf_name(leaf));
	check(machine_reports(reports) == reports, "after %s of %s", after,
	      machine_leaf_name(leaf));
}

static void one_life(void)
{
	const unsigned long used = shim_used();
	const unsigned reports = machine_reports(0);
	char text[TEXT];
	struct life l = live();

	check(!l.status, "%s: %s", machine_leaf_name(l.leaf),
	      machine_status_name(l.status, text, TEXT));
	nothing_left(&l, "a life", l.leaf, reports);
	check(shim_used() == used, "%lu pages are lost", shim_used() - used);
	printf("a TD's life: done, %llu SEAMCALLs so far\n", machine_calls());
}

static const unsigned life_leaves[] = {
	TDH_MNG_CREATE,		TDH_MNG_KEY_CONFIG,  TDH_MNG_ADDCX,	  TDH_MNG_INIT,
	TDH_VP_CREATE,		TDH_VP_ADDCX,	     TDH_VP_INIT,	  TDH_MEM_SEPT_ADD,
	TDH_MEM_PAGE_ADD,	TDH_MR_EXTEND,	     TDH_MR_FINALIZE,	  TDH_MEM_PAGE_AUG,
	TDH_MEM_RANGE_BLOCK,	TDH_MEM_TRACK,	     TDH_MEM_PAGE_REMOVE, TDH_VP_FLUSH,
	TDH_MNG_VPFLUSHDONE,	TDH_PHYMEM_CACHE_WB, TDH_MNG_KEY_FREEID,  TDH_PHYMEM_PAGE_RECLAIM,
	TDH_PHYMEM_PAGE_WBINVD,
};

/* A shortage of entropy: nine in a row nobody sees, the tenth is the caller's. Of a TD's calls two
 * can meet one; none of them returns registers, which a repetition would take for operands. */
static void shortages(void)
{
	static const unsigned leaves[] = {TDH_MNG_CREATE, TDH_MNG_ADDCX};
	const unsigned long used = shim_used();
	const unsigned reports = machine_reports(0);

	for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++)
		for (unsigned k = 1; k <= 10; k++) {
			struct life l;

			machine_fault(leaves[i], 1, k, SHORTAGE);
			l = live();
			check(machine_hits() == k, "%u shortages of %s: %llu seen", k,
			      machine_leaf_name(leaves[i]), machine_hits());
			check(l.status == (k < 10 ? 0 : SHORTAGE), "%u shortages of %s", k,
			      machine_leaf_name(leaves[i]));
			nothing_left(&l, "a shortage", leaves[i], reports);
		}
	check(shim_used() == used, "%lu pages are lost by shortages", shim_used() - used);
	printf("entropy: %zu calls, one to ten shortages: done\n", ARRAY_SIZE(leaves));
}

/* Each call refused: its status comes out as it is, and it is made once. */
static void refusals(void)
{
	const unsigned long used = shim_used();
	const unsigned reports = machine_reports(0);
	char text[TEXT];

	for (unsigned i = 0; i < ARRAY_SIZE(life_leaves); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(refusal); k++) {
			struct life l;

			machine_fault(life_leaves[i], 1, 1, refusal[k]);
			l = live();
			check(machine_hits() == 1 && l.status == refusal[k] &&
				      l.leaf == life_leaves[i],
			      "%s refused: %s of %s", machine_leaf_name(life_leaves[i]),
			      machine_status_name(l.status, text, TEXT), machine_leaf_name(l.leaf));
			nothing_left(&l, "a refusal", life_leaves[i], reports);
		}
	check(shim_used() == used, "%lu pages are lost by refusals", shim_used() - used);
	printf("refusals: %zu calls, %zu statuses: done\n", ARRAY_SIZE(life_leaves),
	       ARRAY_SIZE(refusal));
}

/* --- another module under a living TD --- */

#ifdef TREE_UPDATES

struct image {
	u8 *data;
	u32 size;
};

static struct image make_image(void)
{
	struct image i = {.size = (u32)machine_module_image(shim_cpu, 0, 0)};

	i.data = shim_kmalloc(i.size);
	machine_module_image(shim_cpu, __pa(i.data), i.size);
	return i;
}

static struct seamldr_info *loader_info(void)
{
	struct seamldr_info *info = shim_kmalloc(sizeof(*info));

	check(seamldr_get_info(info) == 0, "the P-SEAMLDR does not answer");
	return info;
}

/* In a process of its own: what fails on the way must be told, and ends the module. */
static void refused_update(const struct image *i, const char *what, bool refused_early)
{
	int status;

	fflush(stdout);
	if (fork() == 0) {
		unsigned long long before;

		shim_quiet(true);
		before = machine_calls();
		status = seamldr_install_module(i->data, i->size);
		check(status != 0, "%s, and the update is done", what);
		check(!refused_early || machine_calls() == before, "%s: calls are made", what);
		check(shim_warnings() == 0, "%s: %u warnings", what, shim_warnings());
		fflush(stdout);
		_exit(failures != 0);
	}
	wait(&status);
	failures += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void refused_updates(struct image *i)
{
	static const unsigned leaf[] = {TDH_SYS_SHUTDOWN, TDH_SYS_INIT, TDH_SYS_LP_INIT,
					TDH_SYS_UPDATE};
	/* version, signature, reserved; the SIGSTRUCT's header, signer and signature; the module */
	static const struct {
		u32 at;
		bool early;
	} wrong[] = {{0, true},	    {5, true},	   {12, true},	  {16, true},	 {4095, true},
		     {4096, false}, {4224, false}, {4700, false}, {8192, false}, {12345, false}};

	for (unsigned k = 0; k < ARRAY_SIZE(leaf); k++) {
		machine_fault(leaf[k], 1, 1, UNKNOWN);
		refused_update(i, machine_leaf_name(leaf[k]), false);
		machine_no_faults();
	}
	for (unsigned k = 0; k < ARRAY_SIZE(wrong); k++) {
		i->data[wrong[k].at] ^= 0x40;
		refused_update(i, "a wrong image", wrong[k].early);
		i->data[wrong[k].at] ^= 0x40;
	}
	i->size -= PAGE_SIZE;
	refused_update(i, "an image cut short", true);
	i->size += PAGE_SIZE;
}

static void updates(void)
{
	const unsigned long used = shim_used();
	const unsigned reports = machine_reports(0);
	struct image i = make_image();
	struct seamldr_info *info = loader_info();
	const u32 left = info->num_remaining_updates;
	struct life l = {.hkid = 0};
	char text[TEXT];

	check(info->seam_ready && info->p_seam_ready, "SEAMLDR_INFO");
	shim_kfree(info);
	check(create(&l) && add_control_pages(&l) && add_vcpu(&l) && add_memory(&l),
	      "a TD before the update");
	refused_updates(&i);
	check(seamldr_install_module(i.data, i.size) == 0, "the module is not updated");
	/* what was built goes on and ends under the new one; so does what comes after it */
	check(map_and_remove(&l), "after the update: %s: %s", machine_leaf_name(l.leaf),
	      machine_status_name(l.status, text, TEXT));
	(void)tear_down(&l);
	nothing_left(&l, "an update", TDH_SYS_UPDATE, reports);
	info = loader_info();
	check(info->num_remaining_updates + 1 == left, "%u updates are left of %u",
	      info->num_remaining_updates, left);
	shim_kfree(info);
	shim_kfree(i.data);
	check(shim_used() == used, "%lu pages are lost by an update", shim_used() - used);
	printf("a module update under a TD, each call and image refused: done\n");
	one_life();
}

#else

static void updates(void)
{
	printf("this tree does not update the module (Linux 7.3 and later do)\n");
}

#endif /* TREE_UPDATES */
#endif /* TREE_LIVES */

int main(void)
{
	int r;

	shim_start(CPUS, PACKAGES);
	refused_bring_ups();
	r = bring_up();
	check(r == 0, "bring-up is %d", r);
	check(machine_reports(0) == 0, "the caches after bring-up");
	if (r) {
		shim_end();
		return 1;
	}
	printf("bring-up: done, %llu SEAMCALLs\n", machine_calls());
#ifdef TREE_LIVES
	one_life();
	shortages();
	refusals();
	updates();
	shim_shutdown();
#else
	printf("this tree has no calls of a TD's life (Linux 6.16 and later have)\n");
#endif
	check(shim_warnings() == 0, "%u warnings of the kernel's", shim_warnings());
	printf("%u SEAMCALLs, %u failures\n", (unsigned)machine_calls(), failures);
	shim_end();
	return failures != 0;
}
