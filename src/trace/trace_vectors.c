/* SPDX-License-Identifier: MIT */
/* Traces as vectors: what a call was given and what it answered, to be played again. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/leaf.h>

#include "abi/metadata.h"
#include "arch/vmx.h"
#include "module/lockword.h"
#include "trace/trace_show.h"
#include "trace/vector.h"

enum { HEX_A_LINE = 512, MAX_AGENTS = 64 };

static void regs(FILE *out, const struct tdx_regs *r, uint32_t mask, uint32_t any)
{
	struct tdx_regs copy = *r;

	for (unsigned i = 0; i < 16; i++)
		if (mask & any & 1u << i)
			fprintf(out, " %s=?", vec_reg_names[i]);
		else if (mask & 1u << i)
			fprintf(out, " %s=0x%llx", vec_reg_names[i],
				(unsigned long long)*tdx_reg(&copy, i));
}

static uint32_t differing(const struct tdx_regs *a, const struct tdx_regs *b)
{
	struct tdx_regs x = *a, y = *b;
	uint32_t mask = 0;

	for (unsigned i = 0; i < 16; i++)
		mask |= (uint32_t)(*tdx_reg(&x, i) != *tdx_reg(&y, i)) << i;
	return mask;
}

/* RAX, what the ABI says the leaf writes, and whatever changed. */
static uint32_t outputs(const struct trace_record *r)
{
	const struct tdx_leaf_info *leaf = trace_leaf(r);
	uint32_t mask = 1u | differing(&r->in, &r->out);

	if (leaf)
		mask |= leaf->out;
	if (leaf && tdx_rax_version(r->in.rax) > 0)
		mask |= leaf->out_v1;
	return mask;
}

static void leaf_name(FILE *out, const struct trace_record *r)
{
	const struct tdx_leaf_info *leaf = trace_leaf(r);

	if (!leaf || r->in.rax != tdx_rax(leaf->number, tdx_rax_version(r->in.rax))) {
		fprintf(out, "RAX:0x%llx", (unsigned long long)r->in.rax);
		return;
	}
	fputs(leaf->name, out);
	if (tdx_rax_version(r->in.rax))
		fprintf(out, "/%u", tdx_rax_version(r->in.rax));
}

static uint32_t given(const struct tdx_regs *in)
{
	static const struct tdx_regs zero;

	return differing(in, &zero) & ~1u;
}

static void injected(FILE *out, const struct module_entry *e)
{
	fprintf(out, " -> inject vec=%u", e->info & 0xff);
	if (e->info >> 11 & 1)
		fprintf(out, " err=0x%x", e->error);
	fputc('\n', out);
}

static void host_call(FILE *out, const struct trace_record *r, uint32_t any)
{
	if (r->next == MODULE_TO_GUEST) {
		fprintf(out, "enter %u 0x%llx", r->lp, (unsigned long long)r->in.rcx);
		regs(out, &r->in, given(&r->in) & ~2u, 0);
		if (r->event.info >> 31)
			injected(out, &r->event);
		else
			fputc('\n', out);
		return;
	}
	fprintf(out, "seamcall %u ", r->lp);
	leaf_name(out, r);
	regs(out, &r->in, given(&r->in), 0);
	fputs(" ->", out);
	if (r->next == MODULE_SHUTDOWN)
		fputs(" shutdown", out);
	else
		regs(out, &r->out, outputs(r), any);
	fputc('\n', out);
}

static void exit_words(FILE *out, const struct trace_record *r)
{
	const struct vmexit *x = &r->exit;
	const char *name = vmx_exit_name(x->reason & VMX_EXIT_BASIC_MASK);

	fputs("guest ", out);
	for (const char *p = name ? name : "exit"; *p; p++)
		fputc(isalnum((unsigned char)*p) ? tolower((unsigned char)*p) : '_', out);
	fprintf(out, " lp=%u reason=%u", r->lp, x->reason);
	if (x->qualification)
		fprintf(out, " qual=0x%llx", (unsigned long long)x->qualification);
	if (x->gpa)
		fprintf(out, " gpa=0x%llx", (unsigned long long)x->gpa);
	if (x->gla)
		fprintf(out, " gla=0x%llx", (unsigned long long)x->gla);
	if (x->intr_info)
		fprintf(out, " intr=0x%x", x->intr_info);
	if (x->intr_error)
		fprintf(out, " ierr=0x%x", x->intr_error);
	if (x->idt_vectoring_info)
		fprintf(out, " idt=0x%x", x->idt_vectoring_info);
	if (x->instr_info)
		fprintf(out, " iinfo=0x%x", x->instr_info);
	if (x->instr_len)
		fprintf(out, " ilen=0x%x", x->instr_len);
	if (x->stall)
		fputs(" stall=1", out);
	if (r->retired != (x->stall ? 0 : TRACE_RETIRED_MANY))
		fprintf(out, " retired=%u", r->retired);
}

static void guest_exit(FILE *out, const struct trace_record *r, uint32_t any)
{
	static const struct tdx_regs zero;
	bool tdcall = (r->exit.reason & VMX_EXIT_BASIC_MASK) == VMX_EXIT_TDCALL;

	if (tdcall) {
		fprintf(out, "tdcall 0x%llx ", (unsigned long long)r->tdvpr);
		leaf_name(out, r);
		regs(out, &r->in, given(&r->in), 0);
	} else {
		exit_words(out, r);
		regs(out, &r->in, given(&r->in) | (r->in.rax != 0), 0);
	}
	switch (r->next) {
	case MODULE_TO_GUEST:
		if (r->event.info >> 31) {
			injected(out, &r->event);
		} else if (tdcall) {
			fputs(" ->", out);
			regs(out, &r->out, outputs(r), any);
			fputc('\n', out);
		} else
			fputs(" -> resume\n", out);
		break;
	case MODULE_TO_HOST:
		fputs(" -> exit\nexit ->", out);
		/* RSP is the host's own */
		regs(out, &r->out, (differing(&r->out, &zero) | 0xf07u) & ~(1u << 4), 0);
		fputc('\n', out);
		break;
	case MODULE_SHUTDOWN:
		fputs(" -> shutdown\n", out);
		break;
	}
}

static void memory(FILE *out, const struct trace_record *r)
{
	for (size_t at = 0; at < r->len; at += HEX_A_LINE) {
		fprintf(out, "write 0x%llx ", (unsigned long long)(r->pa + at));
		for (size_t i = at; i < r->len && i < at + HEX_A_LINE; i++)
			fprintf(out, "%02x", r->bytes[i]);
		fputc('\n', out);
	}
}

/* What holds locks where the trace is now. */
struct holders {
	const struct trace_record *entered[256]; /* a guest's locks are held until it exits */
	struct trace_lock agent[MAX_AGENTS];	 /* by lines of the trace itself */
	unsigned nagents;
};

/* "hold RESOURCE key=K mode=M" and its release. */
static void agent_line(struct holders *h, const struct trace_record *r)
{
	char line[128], err[64];
	struct trace_lock k = {0};
	struct vec_step s;

	snprintf(line, sizeof(line), "%.*s", (int)(r->len < sizeof(line) ? r->len : 0),
		 (const char *)r->bytes);
	if (!vec_parse(line, &s, err, sizeof(err)) || (s.kind != VEC_HOLD && s.kind != VEC_RELEASE))
		return;
	while (k.res < LOCK_NUM_RESOURCES && strcmp(lock_resource_name(k.res), s.label) != 0)
		k.res++;
	k.key = lock_event_key(k.res, &(struct lock_key){(uint64_t)s.num[0], (uint64_t)s.num[1],
							 (enum tdx_level)s.num[2]});
	for (unsigned i = 0; i < h->nagents && s.kind == VEC_RELEASE; i++)
		if (h->agent[i].res == k.res && h->agent[i].key == k.key) {
			h->agent[i] = h->agent[--h->nagents];
			return;
		}
	if (s.kind == VEC_HOLD && h->nagents < MAX_AGENTS)
		h->agent[h->nagents++] = k;
}

static bool is_held(const struct holders *h, const struct trace_lock *k)
{
	for (unsigned i = 0; i < h->nagents; i++)
		if (h->agent[i].res == k->res && h->agent[i].key == k->key)
			return true;
	for (unsigned lp = 0; lp < 256; lp++) {
		const struct trace_record *r = h->entered[lp];

		for (unsigned i = 0; r && i < r->nlocks; i++)
			if (r->lock[i].res == k->res && r->lock[i].key == k->key &&
			    r->lock[i].result == LOCK_OK && !r->lock[i].released_ns)
				return true;
	}
	return false;
}

/* The TD whose entries a call locks: it has locked that TD's state before, on the way or on entry.
 */
static uint64_t td_of(const struct holders *h, const struct trace_record *r)
{
	const struct trace_record *from = r->type == TRACE_EXIT ? h->entered[r->lp & 0xff] : r;

	for (unsigned i = 0; from && i < from->nlocks; i++)
		if (from->lock[i].res == LOCK_OP_STATE)
			return from->lock[i].key;
	return 0;
}

/* Locks that turned the call away and that nobody will have when it is played by itself. */
static void agents(FILE *out, const struct holders *h, const struct trace_record *r, bool hold)
{
	for (unsigned i = 0; i < r->nlocks; i++) {
		const struct trace_lock *k = &r->lock[i];

		if (k->result != LOCK_BUSY || is_held(h, k))
			continue;
		fprintf(out, "%s %s key=", hold ? "hold" : "release", lock_resource_name(k->res));
		if (k->res == LOCK_SEPT_ENTRY)
			fprintf(out, "0x%llx:0x%llx:%u", (unsigned long long)td_of(h, r),
				(unsigned long long)(k->key & ~0xfffull),
				(unsigned)(k->key & 0xfff));
		else if (k->res == LOCK_MIGSC)
			fprintf(out, "0x%llx:%llu", (unsigned long long)(k->key & ~0xfffull),
				(unsigned long long)(k->key & 0xfff));
		else
			fprintf(out, "0x%llx", (unsigned long long)k->key);
		fputs(" mode=exclusive\n", out);
	}
}

/* How far a TD's clock is behind the processor's: as far as that had run when the TD was made. */
static bool tells_time(const struct trace_record *r)
{
	return r->type == TRACE_SEAMCALL && tdx_rax_leaf(r->in.rax) == TDH_MNG_RD &&
	       md_order(r->in.rdx) == md_order(md_td.row[MD_TD_TSC_OFFSET].id);
}

/* Outputs that are others when the call is played again, as bits of registers. A call that found a
 * Secure-EPT entry locked tells in RCX and RDX what it saw of it: whatever the holder had made of
 * it by then. */
static uint32_t unsettled(const struct holders *h, const struct trace_record *r)
{
	if (tells_time(r))
		return 1u << 8;
	for (unsigned i = 0; i < r->nlocks; i++)
		if (r->lock[i].res == LOCK_SEPT_ENTRY && r->lock[i].result == LOCK_BUSY &&
		    !is_held(h, &r->lock[i]))
			return 1u << 1 | 1u << 2;
	return 0;
}

static void call(FILE *out, struct holders *h, bool *long_mode, const struct trace_record *r)
{
	const struct trace_record **entered = &h->entered[r->lp & 0xff];
	uint32_t any = unsettled(h, r);

	agents(out, h, r, true);
	if (r->polled)
		fprintf(out, "env intr_after %u %llu\n", r->lp, (unsigned long long)r->polled - 1);
	if (r->type == TRACE_SEAMCALL) {
		host_call(out, r, any);
		if (r->next == MODULE_TO_GUEST)
			*long_mode = false;
	} else {
		if (r->mode64 && !*long_mode) {
			fprintf(out, "guest mode64 lp=%u\n", r->lp);
			*long_mode = true;
		}
		guest_exit(out, r, any);
	}
	if (r->polled)
		fprintf(out, "env intr_after %u -1\n", r->lp);
	agents(out, h, r, false);
	if (r->next != MODULE_TO_GUEST)
		*entered = NULL;
	else if (r->type == TRACE_SEAMCALL)
		*entered = r;
}

void trace_vectors(FILE *out, const struct trace_file *f)
{
	struct holders h = {.nagents = 0};
	bool long_mode[256] = {false};
	size_t *order = trace_order(f);

	fprintf(out, "%s\n", f->platform);
	if (!order)
		fputs("# out of memory: calls that overlapped are in the order they began\n", out);
	for (size_t i = 0; i < f->nrecords; i++) {
		const struct trace_record *r = &f->record[order ? order[i] : i];

		switch (r->type) {
		case TRACE_SEAMCALL:
		case TRACE_EXIT:
			call(out, &h, &long_mode[r->lp & 0xff], r);
			break;
		case TRACE_TEXT:
			trace_put_text(out, r);
			agent_line(&h, r);
			break;
		case TRACE_MEMORY:
			memory(out, r);
			break;
		case TRACE_END:
			break;
		}
	}
	free(order);
}
