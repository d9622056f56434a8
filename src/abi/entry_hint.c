/* SPDX-License-Identifier: MIT */
/* What the Secure-EPT entry of a failed call adds to its status; see <swtdx/decode.h>.
 * Freestanding. */
#include <swtdx/decode.h>

#include "abi/leaf_id.h"
#include "abi/sept.h"

enum { EVERY_LEAF = -1 };
enum { RCX = 1, RDX = 2 };

enum at_level { ANY_LEVEL, LARGER };

static const struct {
	int leaf;
	uint64_t code;
	uint32_t states;
	enum at_level level;
	const char *hint;
} rows[] = {
#define S(state_) TDX_SEPT_STATE_BIT(TDX_SEPT_##state_)
#define HOST(leaf_, code_, states_, level_, hint_)                                                 \
	{LEAF_ID_HOST(leaf_), code_, states_, level_, hint_},
#define GUEST(leaf_, code_, states_, level_, hint_)                                                \
	{LEAF_ID_GUEST(leaf_), code_, states_, level_, hint_},
#define EVERY(code_, states_, level_, hint_) {EVERY_LEAF, code_, states_, level_, hint_},
#include "abi/entry_hint.def"
#undef S
#undef HOST
#undef GUEST
#undef EVERY
};

static bool level_fits(enum at_level wanted, unsigned level)
{
	switch (wanted) {
	case ANY_LEVEL:
		return true;
	case LARGER:
		return level > TDX_LEVEL_4K;
	}
	return false;
}

/* Both registers zero say that the call returned no entry: a free entry has its bit 63 set. */
const char *tdx_entry_hint(struct tdx_status s, const struct tdx_leaf_info *leaf,
			   const struct tdx_regs *r, unsigned shown)
{
	const unsigned both = TDX_REG_BIT(RCX) | TDX_REG_BIT(RDX);
	enum tdx_sept_state state;

	if (!leaf || !leaf->sept_states || (shown & both) != both || !(r->rcx | r->rdx))
		return NULL;
	state = sept_state_by_public(sept_info_public_state(r->rdx));
	if (state == TDX_SEPT_UNKNOWN)
		return NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (tdx_is(s, rows[i].code) &&
		    (rows[i].leaf == EVERY_LEAF || rows[i].leaf == leaf_id(leaf)) &&
		    (rows[i].states & TDX_SEPT_STATE_BIT(state)) &&
		    level_fits(rows[i].level, sept_info_level(r->rdx)))
			return rows[i].hint;
	return NULL;
}
