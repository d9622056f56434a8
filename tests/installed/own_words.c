/* SPDX-License-Identifier: MIT */
/* A program that has the words of own_words.h, before every public header of the library or, with
 * AFTER, after them. all_headers.h includes them. */
#ifdef AFTER
#include "all_headers.h"
#include "own_words.h"
#else
#include "own_words.h"
#include "all_headers.h"
#endif

int main(void)
{
	struct quote q = {NULL};
	struct eventlog e = {NULL};
	struct range r = {0, PAGE_SIZE};
	struct kvm_vcpu vcpu = {NULL, 0};
	struct tdx_range mine = {tdx_hpa(0), max(r.end, BIT_ULL(12))};
	struct tdx_sim *sim;
	char why[256];

	if (tdx_sim_new(NULL, &sim, why, sizeof(why)))
		return 1;
	tdx_sim_free(sim);
	return quote_parse(&q) || eventlog_parse(&e) || vcpu.vcpu_id || mine.size != PAGE_SIZE ||
	       current->cylinders != 4 || gpa(4097) != PAGE_SIZE || hpa(1) != 1 ||
	       (int)TCB_REVOKED == (int)TDX_TCB_REVOKED + 100 ||
	       EV_SEPARATOR != (int)TDX_EV_SEPARATOR;
}
