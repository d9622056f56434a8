/* SPDX-License-Identifier: MIT */
/* SEAMLDR.INSTALL: on every processor once, so that none is in the module; the last one checks the
 * image and loads it. From the first call on there is no module to call.
 *
 * What fails before the SEAM range has been written gives the old module back; later nothing is
 * left (RDX 1). The order of checks is that of Intel's published source. */
#include <stdlib.h>
#include <string.h>

#include "seamldr/internal.h"

enum { MODULE_LOST = 1, PAGE = 4096, RANGE_2M = 2 << 20, RANGE_1G = 1 << 30 };

/* Where the loading stands. */
struct install {
	struct machine_lp *lp;
	const struct seamldr_module *module;
	struct tdx_seamldr_params params;
	struct tdx_seam_sigstruct sig;
	bool lost; /* the range has been written */
};

static bool is_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n--)
		if (*b++)
			return false;
	return true;
}

static uint64_t check_params(const struct machine *m, const struct tdx_seamldr_params *p)
{
	if (p->version || !is_zero(p->zero, sizeof(p->zero)) || p->scenario > TDX_SEAMLDR_UPDATE ||
	    p->num_module_pages < 1 || p->num_module_pages > TDX_SEAMLDR_MAX_MODULE_PAGES)
		return SEAMLDR_EBADPARAM;
	for (unsigned i = 0; i < p->num_module_pages; i++)
		if (!loader_shared_hpa(m, p->module_page_pa[i], PAGE))
			return SEAMLDR_EBADPARAM;
	if (!loader_shared_hpa(m, p->sigstruct_pa, PAGE))
		return SEAMLDR_EBADPARAM;
	/* there is nothing to update */
	if (p->scenario == TDX_SEAMLDR_UPDATE && !loader_of(m)->snapshot.seam_ready)
		return SEAMLDR_EBADPARAM;
	return SEAMLDR_SUCCESS;
}

static bool sigstruct_is_sound(const struct tdx_seam_sigstruct *s)
{
	return is_zero(s->zero0, sizeof(s->zero0)) && is_zero(s->zero1, sizeof(s->zero1)) &&
	       s->zero2 == 0 && is_zero(s->zero3, sizeof(s->zero3)) &&
	       s->header_type == TDX_SIGSTRUCT_TYPE && s->header_length == TDX_SIGSTRUCT_HEADER &&
	       s->header_version == TDX_SIGSTRUCT_VERSION &&
	       s->key_size == TDX_SIGSTRUCT_KEY_SIZE / 4 && s->exponent_size == 1 &&
	       s->modulus_size == TDX_SIGSTRUCT_KEY_SIZE / 4 &&
	       s->module_vendor == TDX_SIGSTRUCT_VENDOR &&
	       (s->module_type & ~TDX_SIGSTRUCT_DEBUG) == 0 && s->attributes == 0 &&
	       s->size == TDX_SIGSTRUCT_SIZE / 4 && s->num_cpus <= TDX_SIGSTRUCT_MAX_CPUS &&
	       s->exponent == TDX_SIGSTRUCT_EXPONENT && s->min_update_hv <= s->module_hv &&
	       s->gdt_idt_offset % PAGE == 0 &&
	       (s->gdt_idt_offset == 0) == (s->fault_wrapper_offset == 0);
}

/* May a module of this version go on from, or come after, the one that is there? */
static uint64_t check_svn(const struct install *in)
{
	const struct machine *m = in->lp->m;
	const uint8_t *now = loader_of(m)->snapshot.tee_tcb_svn;
	const bool other = in->sig.major_svn != now[1], less = in->sig.minor_svn < now[0];

	if (in->sig.major_svn == 0)
		return SEAMLDR_EUNSUPPORTED;
	if (in->params.scenario == TDX_SEAMLDR_UPDATE) {
		if (other)
			return SEAMLDR_EUNSUPPORTED;
		return less ? SEAMLDR_EBADSIG : SEAMLDR_SUCCESS;
	}
	return loader_is_dirty(m) && (other || less) ? SEAMLDR_ECLEANUPREQ : SEAMLDR_SUCCESS;
}

static bool runs_on(const struct tdx_seam_sigstruct *s, uint32_t fms)
{
	for (unsigned i = 0; i < s->num_cpus; i++)
		if ((s->cpu[i] & ~0xfu) == (fms & ~0xfu))
			return true;
	return false;
}

static uint64_t check_manifest(const struct install *in)
{
	enum { VECTORS = 32, FAULT_WRAPPER_SIZE = 16 };
	const struct tdx_seam_sigstruct *s = &in->sig;
	const uint64_t size = in->params.num_module_pages * PAGE;
	uint8_t ours[TDX_SIGSTRUCT_KEY_SIZE];
	uint64_t status;

	if (!sigstruct_is_sound(s))
		return SEAMLDR_EBADSIG;
	if (!signature_modulus(ours))
		return SEAMLDR_EUNSPECERR;
	if (memcmp(ours, s->modulus, sizeof(ours)) != 0)
		return SEAMLDR_EBADSIG;
	if (s->module_type & TDX_SIGSTRUCT_DEBUG) /* which the platform is not unlocked for */
		return SEAMLDR_EBADSIG;
	status = check_svn(in);
	if (status)
		return status;
	if (s->gdt_idt_offset && s->gdt_idt_offset > size - PAGE)
		return SEAMLDR_EBADSIG;
	if (s->fault_wrapper_offset &&
	    s->fault_wrapper_offset > size - VECTORS * FAULT_WRAPPER_SIZE)
		return SEAMLDR_EBADSIG;
	if (s->num_cpus && !runs_on(s, machine_fms(in->lp->m)))
		return SEAMLDR_EUNSUPCPU;
	if (!s->num_cpus || !signature_verifies(s))
		return SEAMLDR_EBADSIG;
	return SEAMLDR_SUCCESS;
}

/* Tables of four levels that map the bytes, but for the topmost. */
static uint64_t tables(uint64_t size)
{
	return 1 + (size + RANGE_1G - 1) / RANGE_1G + (size + RANGE_2M - 1) / RANGE_2M;
}

/* What the module asks for, and what there is: the SEAM range without the P-SEAMLDR's part. */
static uint64_t check_room(const struct install *in)
{
	const struct machine_config *cfg = &in->lp->m->cfg;
	const struct tdx_seam_sigstruct *s = &in->sig;
	const uint64_t have = cfg->platform->seamrr.size - LOADER_RANGE;
	uint64_t lps = 1, local, stack, data, keyhole, keyhole_edit, need, random;

	if (!machine_rdrand(in->lp, &random)) /* where in its address space it will stand */
		return SEAMLDR_ENOENTROPY;
	while (lps < cfg->lps) /* processors are numbered in a field of the APIC id */
		lps *= 2;
	local = (s->num_tls_pages + 1ull) * lps;
	stack = (s->num_stack_pages + 2ull) * lps; /* with its shadow stack */
	data = local + s->num_global_data_pages + 1ull + s->num_handoff_pages + 1ull;
	keyhole = (s->num_keyhole_pages + 1ull) * lps;
	keyhole_edit = (keyhole * sizeof(uint64_t) + PAGE - 1) / PAGE;
	need = 1 + lps + stack + data + 1 + tables(PAGE) + tables(stack * PAGE) +
	       tables(data * PAGE) + tables(keyhole * PAGE) + tables(keyhole_edit * PAGE) +
	       tables(in->params.num_module_pages * PAGE);
	return need * PAGE + LOADER_CODE_REGION > have ? SEAMLDR_ENOMEM : SEAMLDR_SUCCESS;
}

/* The TDs' state, if the new module can take it over, stays; all else of the range goes. */
static uint64_t clear_range(struct install *in)
{
	struct machine *m = in->lp->m;
	const struct machine_handoff_header *h = machine_handoff_header(m);
	struct loader *l = loader_of(m);

	if (in->params.scenario == TDX_SEAMLDR_LOAD) {
		l->remaining_updates = SEAMDB_ENTRIES;
		machine_seam(m)->seamdb_index = 0;
		memset(m->seam_data, 0, MACHINE_SEAM_DATA - MACHINE_SEAM_REST);
	} else if (l->remaining_updates == 0) {
		return SEAMLDR_EBADCALL;
	} else if (!h->valid ||
		   h->size + sizeof(*h) > (machine_seam(m)->num_handoff_pages + 1ull) * PAGE ||
		   h->hv < in->sig.min_update_hv || h->hv > in->sig.module_hv) {
		return SEAMLDR_EBADHANDOFF;
	}
	in->lost = true;
	return SEAMLDR_SUCCESS;
}

/* Relocating the image is reading ours: which module it is. */
static bool place_module(const struct install *in, const uint8_t *image)
{
	const struct image_start *start = (const struct image_start *)image;

	return memcmp(start->magic, IMAGE_MAGIC, sizeof(IMAGE_MAGIC)) == 0 &&
	       memchr(start->profile, 0, sizeof(start->profile)) &&
	       in->module->replace(in->module->arg, start->profile,
				   in->params.scenario == TDX_SEAMLDR_UPDATE);
}

static uint64_t load_image(const struct install *in)
{
	const size_t size = in->params.num_module_pages * PAGE;
	uint8_t *image = malloc(size);
	struct tdx_digest hash;
	uint64_t status = SEAMLDR_SUCCESS;

	if (!image)
		return SEAMLDR_EUNSPECERR;
	for (unsigned i = 0; i < in->params.num_module_pages; i++)
		loader_read(in->lp, in->params.module_page_pa[i], image + (size_t)i * PAGE, PAGE);
	if (!loader_sha384(image, size, &hash))
		status = SEAMLDR_EUNSPECERR;
	else if (memcmp(&hash, &in->sig.seamhash, sizeof(hash)) != 0)
		status = SEAMLDR_EBADHASH;
	else if (!place_module(in, image))
		status = SEAMLDR_EBADPARAM;
	free(image);
	return status;
}

static uint64_t load(struct install *in, uint64_t params_pa)
{
	struct machine *m = in->lp->m;
	uint64_t status;

	if (!loader_shared_hpa(m, params_pa, PAGE))
		return SEAMLDR_EBADPARAM;
	loader_read(in->lp, params_pa, &in->params, sizeof(in->params));
	status = check_params(m, &in->params);
	if (status)
		return status;
	loader_read(in->lp, in->params.sigstruct_pa, &in->sig, sizeof(in->sig));
	status = check_manifest(in);
	if (!status)
		status = check_room(in);
	if (!status)
		status = clear_range(in);
	return status ? status : load_image(in);
}

/* The module's measurement, and what SYS_INFO_TABLE tells it. */
static void enter_module(const struct install *in)
{
	struct machine *m = in->lp->m;
	struct machine_seam *seam = machine_seam(m);
	struct tdx_seamextend s = loader_of(m)->snapshot;

	s.tee_tcb_svn[0] = in->sig.minor_svn;
	s.tee_tcb_svn[1] = in->sig.major_svn;
	s.mrseam = in->sig.seamhash;
	memset(&s.mrsigner, 0, sizeof(s.mrsigner));
	s.attributes = 0;
	s.valid = 0x1ff; /* every field so far */
	s.seam_ready = 1;
	seam->seamdb_index++;
	seam->module_hv = in->sig.module_hv;
	seam->min_update_hv = in->sig.min_update_hv;
	seam->no_downgrade = in->sig.no_downgrade;
	seam->num_handoff_pages = in->sig.num_handoff_pages;
	loader_of(m)->remaining_updates--;
	loader_dirty(m);
	seamextend_write(m, &s);
}

static void leave_module(const struct install *in)
{
	struct machine *m = in->lp->m;
	struct tdx_seamextend s = loader_of(m)->snapshot;

	if (in->lost) {
		const uint8_t p_seamldr_ready = s.p_seamldr_ready, seam_debug = s.seam_debug;

		s = (struct tdx_seamextend){.p_seamldr_ready = p_seamldr_ready,
					    .seam_debug = seam_debug};
	}
	seamextend_write(m, &s);
}

static uint64_t last_processor(struct machine_lp *lp, uint64_t params_pa, uint64_t *rdx,
			       const struct seamldr_module *module)
{
	struct loader *l = loader_of(lp->m);
	struct install in = {.lp = lp, .module = module};
	const uint64_t status = load(&in, params_pa);

	if (status) {
		leave_module(&in);
		*rdx = in.lost ? MODULE_LOST : 0;
	} else {
		enter_module(&in);
	}
	l->install = (struct lp_set){.n = 0};
	l->flow = FLOW_READY;
	return status;
}

uint64_t loader_install(struct machine_lp *lp, uint64_t params_pa, uint64_t *rdx,
			const struct seamldr_module *module)
{
	struct machine *m = lp->m;
	struct loader *l = loader_of(m);

	*rdx = 0;
	if (l->shutdown.n || (l->flow != FLOW_READY && l->flow != FLOW_INSTALL))
		return SEAMLDR_EBADCALL;
	if (lp_set_add(&l->install, lp->id))
		return SEAMLDR_EBADCALL;
	if (l->flow == FLOW_READY) {
		struct tdx_seamextend closed = machine_seam(m)->seamextend;

		l->snapshot = closed;
		closed.seam_ready = 0;
		seamextend_write(m, &closed);
		l->flow = FLOW_INSTALL;
	}
	if (l->install.n < m->cfg.lps)
		return SEAMLDR_SUCCESS;
	return last_processor(lp, params_pa, rdx, module);
}
