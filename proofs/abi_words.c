/* SPDX-License-Identifier: MIT */
/* Packing and unpacking the ABI's words are inverses, and no reserved bit is ever set. */
#include "proofs/proof.h"

#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "abi/sept.c"
#include "abi/metadata.h"
#include "abi/operand.h"

void gpa_with_level_comes_back(void)
{
	uint64_t page, word;
	unsigned level;

	any(&page, sizeof(page));
	any(&level, sizeof(level));
	any(&word, sizeof(word));
	assume(level <= TDX_LEVEL_256T);
	word = gpa_level_pack(gpa(page), (enum tdx_level)level);
	prove(gpa_level_level(word) == level);
	prove(gpa_level_gpa(word).v == (page & GPA_LEVEL_GPA));
	prove((word & GPA_LEVEL_RESERVED) == 0);
	reached();
}

/* A valid word names a page of its level below 2^52, and packing what was unpacked gives it back.
 */
void valid_gpa_word_is_aligned(void)
{
	uint64_t word;

	any(&word, sizeof(word));
	assume(gpa_level_valid(word));
	prove(gpa_level_gpa(word).v >> 52 == 0);
	prove(gpa_level_gpa(word).v % tdx_level_size((enum tdx_level)gpa_level_level(word)) == 0);
	prove(gpa_level_pack(gpa_level_gpa(word), (enum tdx_level)gpa_level_level(word)) == word);
	reached();
}

void leaf_and_version_come_back(void)
{
	unsigned leaf, version;
	uint64_t rax;

	any(&leaf, sizeof(leaf));
	any(&version, sizeof(version));
	assume(leaf <= TDX_RAX_LEAF_MASK && version <= 0xff);
	rax = tdx_rax(leaf, version);
	prove(tdx_rax_leaf(rax) == leaf);
	prove(tdx_rax_version(rax) == version);
	prove(tdx_rax_reserved(rax) == 0);
	any(&rax, sizeof(rax));
	assume(tdx_rax_reserved(rax) == 0);
	prove(tdx_rax(tdx_rax_leaf(rax), tdx_rax_version(rax)) == rax);
	reached();
}

/* Details never reach the code, so that no operand turns one error into another. */
void status_details_stay_apart(void)
{
	uint64_t code;
	uint32_t details;
	uint16_t high, low;

	any(&code, sizeof(code));
	any(&details, sizeof(details));
	any(&high, sizeof(high));
	any(&low, sizeof(low));
	prove(tdx_code(tdx_error_num(code, details)) == (code & TDX_STATUS_CODE_MASK));
	prove(tdx_details(tdx_error_num(code, details)) == details);
	prove(tdx_details(tdx_error_pair(code, high, low)) >> 16 == high);
	prove((tdx_details(tdx_error_pair(code, high, low)) & 0xffff) == low);
	reached();
}

void sept_encoding_comes_back(void)
{
	unsigned encoding;
	uint64_t entry;

	any(&encoding, sizeof(encoding));
	any(&entry, sizeof(entry));
	assume(encoding < 128);
	prove(sept_encoding(sept_encoding_bits(encoding)) == encoding);
	prove((sept_encoding_bits(encoding) & ~SEPT_STATE_MASK) == 0);
	prove(sept_encoding_bits(sept_encoding(entry)) == (entry & SEPT_STATE_MASK));
	reached();
}

/* A state written is the state read; address, permissions and locks stay as they were. */
void sept_state_comes_back(void)
{
	unsigned state;
	uint64_t entry, next;
	const uint64_t kept = ~(SEPT_STATE_MASK | SEPT_MT_MASK | SEPT_SUPPRESS_VE);

	any(&state, sizeof(state));
	any(&entry, sizeof(entry));
	assume(state < TDX_SEPT_STATES);
	next = sept_with_state(entry, (enum tdx_sept_state)state);
	prove(sept_state(next) == (enum tdx_sept_state)state);
	prove(sept_is_state(next, (enum tdx_sept_state)state));
	prove(sept_encoding(next) == sept_states[state].encoding);
	prove((next & kept & ~sept_states[state].bits) ==
	      (entry & kept & ~sept_states[state].bits));
	prove(sept_address(next) == sept_address(entry));
	reached();
}

void cpuid_field_comes_back(void)
{
	uint32_t leaf, subleaf;
	unsigned element;
	uint64_t code;

	any(&leaf, sizeof(leaf));
	any(&subleaf, sizeof(subleaf));
	any(&element, sizeof(element));
	assume((leaf & 0x7fffff80) == 0 && element <= 1);
	assume(subleaf < 0x7f || subleaf == MD_CPUID_NO_SUBLEAF);
	code = md_cpuid_code(leaf, subleaf, element);
	prove(md_cpuid_leaf(code) == leaf);
	prove(md_cpuid_subleaf(code) == subleaf);
	prove((code & 1) == element);
	prove((code & MD_CPUID_RESERVED) == 0);
	reached();
}
