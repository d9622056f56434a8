/* SPDX-License-Identifier: MIT */
/* TDH.MIG.*, TDH.EXPORT.*, TDH.IMPORT.* and TDH.SERVTD.*: the operands that are a page and a number
 * in one register are put together here. */
#include "abi/migration.h"
#include "host/call.h"

enum { MBMD_SIZE_SHIFT = 52, LIST_LAST_SHIFT = 55, GPAS_FIRST_SHIFT = 3, GPAS_WITH_ATTRIBUTES = 1 };
#define GPAS_FIRST_MASK 0x1ffu
#define STREAM_COMMAND	(1ull << 63) /* resume; of TRACK: the in-order phase is over */

static uint64_t mbmd_operand(hpa_t mbmd)
{
	return mbmd.v | (uint64_t)sizeof(struct mbmd) << MBMD_SIZE_SHIFT;
}

static uint64_t list_operand(const struct tdx_page_list *l)
{
	return l->list.v | (uint64_t)(l->n - 1) << LIST_LAST_SHIFT;
}

static uint64_t gpas_operand(const struct tdx_gpa_list *l)
{
	return l->list.v | (l->with_attributes ? GPAS_WITH_ATTRIBUTES : 0) |
	       (uint64_t)l->first << GPAS_FIRST_SHIFT | (uint64_t)(l->n - 1) << LIST_LAST_SHIFT;
}

static uint64_t stream_operand(const struct tdx_mig_stream *s)
{
	return s->index | (s->resume ? STREAM_COMMAND : 0);
}

/* What a list's call says in RCX: where to go on, which is 0 after the last of 512. */
static void result(const struct tdx_regs *r, struct tdx_mig_result *out)
{
	if (out)
		*out = (struct tdx_mig_result){
			.next = (unsigned)(r->rcx >> GPAS_FIRST_SHIFT) & GPAS_FIRST_MASK,
			.pages = r->rdx,
			.refused = r->rcx,
			.raw = *r,
		};
}

static struct tdx_status call(const struct tdx_cpu *cpu, unsigned leaf, struct tdx_regs *r,
			      struct tdx_mig_result *out)
{
	struct tdx_status s = host_call(cpu, leaf, 0, r);

	result(r, out);
	return s;
}

struct tdx_status tdh_mig_stream_create(const struct tdx_cpu *cpu, const struct tdx_td *td,
					hpa_t page)
{
	struct tdx_regs r = {.rcx = page.v, .rdx = td->tdr.v};

	host_hand_over(cpu, page, TDX_LEVEL_4K);
	return host_call(cpu, TDH_MIG_STREAM_CREATE, 0, &r);
}

/* --- a bundle of state: object, MBMD, pages, stream --- */

static struct tdx_status state(const struct tdx_cpu *cpu, unsigned leaf, hpa_t object, hpa_t mbmd,
			       const struct tdx_page_list *pages,
			       const struct tdx_mig_stream *stream, struct tdx_mig_result *out)
{
	struct tdx_regs r = {.rcx = object.v,
			     .r8 = mbmd_operand(mbmd),
			     .r9 = list_operand(pages),
			     .r10 = stream_operand(stream)};

	return call(cpu, leaf, &r, out);
}

#define STATE(name, LEAF, type, object)                                                            \
	struct tdx_status name(const struct tdx_cpu *cpu, const struct type *of, hpa_t mbmd,       \
			       const struct tdx_page_list *pages,                                  \
			       const struct tdx_mig_stream *stream, struct tdx_mig_result *out)    \
	{                                                                                          \
		return state(cpu, LEAF, of->object, mbmd, pages, stream, out);                     \
	}

STATE(tdh_export_state_immutable, TDH_EXPORT_STATE_IMMUTABLE, tdx_td, tdr)
STATE(tdh_export_state_td, TDH_EXPORT_STATE_TD, tdx_td, tdr)
STATE(tdh_export_state_vp, TDH_EXPORT_STATE_VP, tdx_vp, tdvpr)
STATE(tdh_import_state_immutable, TDH_IMPORT_STATE_IMMUTABLE, tdx_td, tdr)
STATE(tdh_import_state_td, TDH_IMPORT_STATE_TD, tdx_td, tdr)
STATE(tdh_import_state_vp, TDH_IMPORT_STATE_VP, tdx_vp, tdvpr)

/* --- tokens, and the steps of a session --- */

static struct tdx_status token(const struct tdx_cpu *cpu, unsigned leaf, const struct tdx_td *td,
			       uint64_t mbmd, bool command)
{
	struct tdx_regs r = {.rcx = td->tdr.v, .r8 = mbmd, .r10 = command ? STREAM_COMMAND : 0};

	return host_call(cpu, leaf, 0, &r);
}

struct tdx_status tdh_export_track(const struct tdx_cpu *cpu, const struct tdx_td *td, hpa_t mbmd,
				   bool last)
{
	return token(cpu, TDH_EXPORT_TRACK, td, mbmd_operand(mbmd), last);
}

struct tdx_status tdh_export_abort(const struct tdx_cpu *cpu, const struct tdx_td *td,
				   const hpa_t *abort_token)
{
	return token(cpu, TDH_EXPORT_ABORT, td, abort_token ? mbmd_operand(*abort_token) : 0,
		     false);
}

struct tdx_status tdh_import_track(const struct tdx_cpu *cpu, const struct tdx_td *td, hpa_t mbmd)
{
	return token(cpu, TDH_IMPORT_TRACK, td, mbmd_operand(mbmd), false);
}

struct tdx_status tdh_import_abort(const struct tdx_cpu *cpu, const struct tdx_td *td, hpa_t mbmd)
{
	return token(cpu, TDH_IMPORT_ABORT, td, mbmd_operand(mbmd), false);
}

struct tdx_status tdh_export_pause(const struct tdx_cpu *cpu, const struct tdx_td *td)
{
	return token(cpu, TDH_EXPORT_PAUSE, td, 0, false);
}

struct tdx_status tdh_import_commit(const struct tdx_cpu *cpu, const struct tdx_td *td)
{
	return token(cpu, TDH_IMPORT_COMMIT, td, 0, false);
}

struct tdx_status tdh_import_end(const struct tdx_cpu *cpu, const struct tdx_td *td)
{
	return token(cpu, TDH_IMPORT_END, td, 0, false);
}

/* --- memory --- */

static struct tdx_status on_list(const struct tdx_cpu *cpu, unsigned leaf, const struct tdx_td *td,
				 const struct tdx_gpa_list *gpas, struct tdx_mig_result *out)
{
	struct tdx_regs r = {.rcx = gpas_operand(gpas), .rdx = td->tdr.v};

	return call(cpu, leaf, &r, out);
}

struct tdx_status tdh_export_blockw(const struct tdx_cpu *cpu, const struct tdx_td *td,
				    const struct tdx_gpa_list *gpas, struct tdx_mig_result *out)
{
	return on_list(cpu, TDH_EXPORT_BLOCKW, td, gpas, out);
}

struct tdx_status tdh_export_restore(const struct tdx_cpu *cpu, const struct tdx_td *td,
				     const struct tdx_gpa_list *gpas, struct tdx_mig_result *out)
{
	return on_list(cpu, TDH_EXPORT_RESTORE, td, gpas, out);
}

static void memory_operands(const struct tdx_td *td, const struct tdx_mig_memory *m,
			    struct tdx_regs *r)
{
	*r = (struct tdx_regs){
		.rcx = gpas_operand(&m->gpas),
		.rdx = td->tdr.v,
		.r8 = mbmd_operand(m->mbmd),
		.r9 = m->buffers.v,
		.r10 = stream_operand(&m->stream),
		.r11 = m->macs[0].v,
		.r12 = m->macs[1].v,
		.r14 = m->attributes.v,
	};
}

struct tdx_status tdh_export_mem(const struct tdx_cpu *cpu, const struct tdx_td *td,
				 const struct tdx_mig_memory *m, struct tdx_mig_result *out)
{
	struct tdx_regs r;

	memory_operands(td, m, &r);
	return call(cpu, TDH_EXPORT_MEM, &r, out);
}

/* The pages that become the TD's, from the one the call begins at. */
static void hand_over_listed(const struct tdx_cpu *cpu, hpa_t list, const struct tdx_gpa_list *gpas)
{
	const struct tdx_port *port = host_port(cpu);

	for (unsigned i = gpas->first; i < gpas->n; i++) {
		uint64_t entry;

		port->ops->read(port, hpa(list.v + i * sizeof(entry)), &entry, sizeof(entry));
		if (entry && !(entry & MIG_PAGE_INVALID))
			host_hand_over(cpu, hpa(entry & GPA_ENTRY_ADDRESS), TDX_LEVEL_4K);
	}
}

struct tdx_status tdh_import_mem(const struct tdx_cpu *cpu, const struct tdx_td *td,
				 const struct tdx_mig_memory *m, const hpa_t *new_pages,
				 struct tdx_mig_result *out)
{
	struct tdx_regs r;

	hand_over_listed(cpu, new_pages ? *new_pages : m->buffers, &m->gpas);
	memory_operands(td, m, &r);
	r.r13 = new_pages ? new_pages->v : ~0ull;
	return call(cpu, TDH_IMPORT_MEM, &r, out);
}

/* --- service TDs --- */

struct tdx_status tdh_servtd_bind(const struct tdx_cpu *cpu, const struct tdx_td *target,
				  const struct tdx_td *service, uint64_t attributes,
				  struct tdx_servtd_binding *out)
{
	struct tdx_regs r = {.rcx = target->tdr.v, .rdx = service->tdr.v, .r10 = attributes};
	struct tdx_status s = host_call(cpu, TDH_SERVTD_BIND, 0, &r);

	if (out)
		*out = (struct tdx_servtd_binding){
			.handle = r.rcx, .target_uuid = {r.r10, r.r11, r.r12, r.r13}, .raw = r};
	return s;
}

struct tdx_status tdh_servtd_prebind(const struct tdx_cpu *cpu, const struct tdx_td *target,
				     hpa_t info_hash, uint64_t attributes)
{
	struct tdx_regs r = {.rcx = target->tdr.v, .rdx = info_hash.v, .r10 = attributes};

	return host_call(cpu, TDH_SERVTD_PREBIND, 0, &r);
}
