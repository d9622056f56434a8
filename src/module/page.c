/* SPDX-License-Identifier: MIT */
/* Pages that a call is given or refers to: walks of the PAMT that lock their way down. */
#include "module/page.h"

#include <string.h>

#include "module/pamt_walk.h"

struct tdx_status tx_pamt_walk(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			       enum tdx_level target, struct pamt_ref *ref)
{
	return pamt_walk(tx, pa, op, mode, target, ref);
}

struct tdx_status tx_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			  enum tdx_page_type type, enum tdx_level size, struct pamt_ref *ref)
{
	return pamt_page(tx, pa, op, mode, type, size, ref);
}

struct tdx_status tx_pamt_implicit(struct tx *tx, hpa_t pa, enum tdx_operand op,
				   enum lock_mode mode, enum tdx_level size, struct pamt_ref *ref)
{
	return pamt_implicit(tx, pa, op, mode, size, ref);
}

struct tdx_status tx_free_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum tdx_level size,
			       struct pamt_ref *ref)
{
	struct tdx_status s = pamt_page(tx, pa, op, LOCK_EXCLUSIVE, TDX_PT_NDA, size, ref);

	if (tdx_is_success(s) && size == TDX_LEVEL_2M && !pamt_range_2m_free(tx->mod, pa.v))
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, op);
	return s;
}

struct tdx_status tx_shared(const struct tx *tx, hpa_t pa, uint64_t size, enum tdx_operand op,
			    void **ptr)
{
	const struct module *mod = tx->mod;
	uint64_t a = machine_strip(tx->m, pa.v);

	*ptr = NULL;
	if ((pa.v & (size - 1)) != 0 || pa.v >> HPA_BITS != 0)
		return tdx_error_op(TDX_OPERAND_INVALID, op);
	if (a < mod->seamrr_base + mod->seamrr_size && mod->seamrr_base < a + size)
		return tdx_error_op(TDX_OPERAND_INVALID, op);
	if (machine_hkid_of(tx->m, pa.v) >= mod->private_hkid_min)
		return tdx_error_op(TDX_OPERAND_INVALID, op);
	if (machine_is_ram(tx->m, a, size))
		*ptr = machine_ptr(tx->m, a);
	return tdx_success();
}

struct tdx_status tx_shared_read(const struct tx *tx, hpa_t pa, uint64_t size, enum tdx_operand op,
				 void *to, size_t len)
{
	void *from;
	struct tdx_status s = tx_shared(tx, pa, size, op, &from);

	if (tdx_is_success(s) && from)
		memcpy(to, from, len);
	else
		memset(to, 0xff, len);
	return s;
}
