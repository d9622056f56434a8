/* SPDX-License-Identifier: MIT */
/* The metadata tables and the search in them; see metadata.h. Freestanding. */
#include "abi/metadata.h"

#define ALL	    (~0ull)
#define RO	    ALL, 0
#define RW	    ALL, ALL
#define RW_BITS(m)  ALL, m
#define RO_BITS(m)  m, 0
#define BITS(m)	    m, m
#define RD_WR(r, w) r, w
#define FIELDS(n)   .last_field = (n)-1,
#define ELEMENTS(n) .last_element = (n)-1,
#define HOST(...)   .host = {__VA_ARGS__},
#define DEBUG(...)  .debug = {__VA_ARGS__},
#define GUEST(...)  .guest = {__VA_ARGS__},
#define MIGTD(...)  .migtd = {__VA_ARGS__},
#define ADDR(a)	    .address = a,
#define EXPORT(...) EXPORTED(__VA_ARGS__, ALL, )
#define IMPORT(...) IMPORTED(__VA_ARGS__, ALL, )
/* the mask written, or all */
#define EXPORTED(phase_, mask_, ...) .phase = MD_##phase_, .exported = mask_,
#define IMPORTED(need_, mask_, ...)  .need = MD_##need_, .imported = mask_,
#define X(name_, id_, ...)	     {.name = #name_, .id = id_, __VA_ARGS__},
#define COUNT(a)		     (sizeof(a) / sizeof((a)[0]))

static const struct md_field sys_rows[] = {
#include "abi/metadata_sys.def"
};

static const struct md_field td_rows[] = {
#include "abi/metadata_td.def"
};

static const struct md_field vp_rows[] = {
#include "abi/metadata_vp.def"
};

#define TD(...) __VA_ARGS__
#define L2(...)
static const struct md_field vmcs_rows[] = {
#include "abi/metadata_vmcs.def"
};
#undef TD
#undef L2

#define TD(...)
#define L2(...) __VA_ARGS__
static const struct md_field l2_vmcs_rows[] = {
#include "abi/metadata_vmcs.def"
};

const struct md_table md_sys = {sys_rows, COUNT(sys_rows)};
const struct md_table md_td = {td_rows, COUNT(td_rows)};
const struct md_table md_vp = {vp_rows, COUNT(vp_rows)};
const struct md_table md_vmcs = {vmcs_rows, COUNT(vmcs_rows)};
const struct md_table md_l2_vmcs = {l2_vmcs_rows, COUNT(l2_vmcs_rows)};

const struct md_table *md_table_of(uint64_t id)
{
	switch (md_ctx(id)) {
	case MD_CTX_SYS:
		return &md_sys;
	case MD_CTX_TD:
		return &md_td;
	default:
		if (md_is_none(id) || md_class(id) == MD_VP_CLASS_VMCS)
			return &md_vmcs;
		return md_is_l2_vmcs(id) ? &md_l2_vmcs : &md_vp;
	}
}

const struct md_field *md_find(const struct md_table *table, uint64_t id)
{
	const unsigned code = md_is_cpuid(id) ? md_code(id) & 1 : md_code(id);
	const unsigned cls = table == &md_l2_vmcs ? MD_VP_CLASS_VMCS : md_class(id);
	const uint64_t wanted = md_order((uint64_t)cls << MD_ID_CLASS_SHIFT | code);
	const struct md_field *low = table->row, *f;
	unsigned n = table->rows;

	/* The last row that does not come after it. A branch, as the same fields are asked for
	 * again and again: what is predicted need not wait for the row. */
	while (n > 1) {
		const unsigned half = n / 2;

		if (md_order(low[half].id) <= wanted) {
			low += half;
			n -= half;
		} else {
			n = half;
		}
	}
	f = low;
	if (md_class(f->id) != cls || md_code(f->id) > code ||
	    code - md_code(f->id) >= (f->last_field + 1u) * md_elements(f) * md_stride(f))
		return NULL;
	return f;
}
