/* SPDX-License-Identifier: MIT */
/* States of Secure-EPT entries; see sept.h. Freestanding. */
#include "abi/sept.h"

#include "arch/text.h"

/* clang-format off */
/* X(state, encoding, public state, properties), in order of enum tdx_sept_state. */
#define EVERY_STATE(X)									\
	X(FREE, 0x0e, 0, SEPT_IS_UNUSED)							\
	X(REMOVED, 0x0c, 5, SEPT_IS_UNUSED)							\
	X(NL_MAPPED, 0x00, 132, SEPT_NEEDS_TRACKING)						\
	X(NL_BLOCKED, 0x08, 129, SEPT_IS_BLOCKED | SEPT_NEEDS_TRACKING)				\
	X(MAPPED, 0x60, 4,									\
	  SEPT_IS_LEAF | SEPT_IS_PLAIN_LEAF | SEPT_IS_GUEST_READABLE | SEPT_IS_GUEST_WRITABLE |	\
	  SEPT_NEEDS_TRACKING)									\
	X(BLOCKED, 0x68, 1, SEPT_IS_LEAF | SEPT_IS_BLOCKED | SEPT_NEEDS_TRACKING)		\
	X(BLOCKEDW, 0x64, 8,									\
	  SEPT_IS_LEAF | SEPT_IS_BLOCKEDW | SEPT_IS_GUEST_READABLE | SEPT_NEEDS_TRACKING)	\
	X(EXPORTED_BLOCKEDW, 0x66, 9,								\
	  SEPT_IS_LEAF | SEPT_IS_BLOCKEDW | SEPT_IS_GUEST_READABLE | SEPT_IS_EXPORTED)		\
	X(EXPORTED_DIRTY, 0x63, 11,								\
	  SEPT_IS_LEAF | SEPT_IS_GUEST_READABLE | SEPT_IS_GUEST_WRITABLE |			\
	  SEPT_NEEDS_TRACKING | SEPT_IS_EXPORTED | SEPT_IS_DIRTY)				\
	X(EXPORTED_DIRTY_BLOCKEDW, 0x67, 12,							\
	  SEPT_IS_LEAF | SEPT_IS_BLOCKEDW | SEPT_IS_GUEST_READABLE | SEPT_NEEDS_TRACKING |	\
	  SEPT_IS_EXPORTED | SEPT_IS_DIRTY)							\
	X(PENDING, 0x70, 2,									\
	  SEPT_IS_LEAF | SEPT_IS_PLAIN_LEAF | SEPT_IS_PENDING | SEPT_IS_ACCEPTABLE |		\
	  SEPT_NEEDS_TRACKING)									\
	X(PENDING_BLOCKED, 0x78, 3,								\
	  SEPT_IS_LEAF | SEPT_IS_PENDING | SEPT_IS_BLOCKED | SEPT_NEEDS_TRACKING)		\
	X(PENDING_BLOCKEDW, 0x74, 16,								\
	  SEPT_IS_LEAF | SEPT_IS_PENDING | SEPT_IS_BLOCKEDW | SEPT_NEEDS_TRACKING)		\
	X(PENDING_EXPORTED_BLOCKEDW, 0x76, 17,							\
	  SEPT_IS_LEAF | SEPT_IS_PENDING | SEPT_IS_BLOCKEDW | SEPT_IS_EXPORTED)			\
	X(PENDING_EXPORTED_DIRTY, 0x73, 19,							\
	  SEPT_IS_LEAF | SEPT_IS_PENDING | SEPT_IS_ACCEPTABLE | SEPT_NEEDS_TRACKING |		\
	  SEPT_IS_EXPORTED | SEPT_IS_DIRTY)							\
	X(PENDING_EXPORTED_DIRTY_BLOCKEDW, 0x77, 20,						\
	  SEPT_IS_LEAF | SEPT_IS_PENDING | SEPT_IS_BLOCKEDW | SEPT_NEEDS_TRACKING |		\
	  SEPT_IS_EXPORTED | SEPT_IS_DIRTY)
/* clang-format on */

const struct sept_state_info sept_states[TDX_SEPT_STATES] = {
#define X(state, encoding_, public_, properties_)                                                  \
	[TDX_SEPT_##state] = {                                                                     \
		.encoding = (encoding_),                                                           \
		.public_state = (public_),                                                         \
		.properties = (properties_),                                                       \
		.bits = ((encoding_)&1ull) << 9 | ((encoding_) >> 1 & 0xfull) << 53 |              \
			((encoding_) >> 5 & 3ull) << 6,                                            \
	},
	EVERY_STATE(X)
#undef X
};

const uint8_t sept_state_by_encoding[128] = {
#define X(state, encoding_, public_, properties_) [encoding_] = TDX_SEPT_##state + 1,
	EVERY_STATE(X)
#undef X
};

const uint16_t sept_bit_by_encoding[128] = {
#define X(state, encoding_, public_, properties_)                                                  \
	[encoding_] = TDX_SEPT_STATE_BIT(TDX_SEPT_##state),
	EVERY_STATE(X)
#undef X
};

static const char *l2_name(unsigned public_state)
{
	switch (public_state) {
	case 64:
		return "L2_FREE";
	case 65:
		return "L2_BLOCKED";
	case 68:
		return "L2_MAPPED";
	case 193:
		return "L2_NL_BLOCKED";
	case 196:
		return "L2_NL_MAPPED";
	default:
		return "UNKNOWN";
	}
}

enum tdx_sept_state sept_state_by_public(unsigned public_state)
{
	for (unsigned i = 0; i < TDX_SEPT_STATES; i++)
		if (sept_states[i].public_state == public_state)
			return (enum tdx_sept_state)i;
	return TDX_SEPT_UNKNOWN;
}

const char *sept_public_name(unsigned public_state)
{
	enum tdx_sept_state state = sept_state_by_public(public_state);

	return state == TDX_SEPT_UNKNOWN ? l2_name(public_state) : tdx_sept_state_name(state);
}

const char *sept_arch_format(uint64_t rcx, uint64_t rdx, char *buf, size_t len)
{
	struct text t = text_into(buf, len);

	text_add(&t, sept_public_name(sept_info_public_state(rdx)));
	text_char(&t, ' ');
	text_add(&t, tdx_level_name(sept_info_level(rdx)));
	if (sept_address(rcx)) {
		text_char(&t, ' ');
		text_hex(&t, sept_address(rcx), 1);
	}
	if (rcx & SEPT_RWX) {
		text_char(&t, ' ');
		text_char(&t, rcx & SEPT_R ? 'R' : '-');
		text_char(&t, rcx & SEPT_W ? 'W' : '-');
		text_char(&t, rcx & SEPT_XS ? 'X' : '-');
		text_char(&t, rcx & SEPT_XU ? 'U' : '-');
	}
	if (sept_info_vm(rdx)) {
		text_add(&t, " VM ");
		text_dec(&t, sept_info_vm(rdx));
	}
	return buf;
}
