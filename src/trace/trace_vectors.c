/* SPDX-License-Identifier: MIT */
/* Traces as vectors: what a call was given and what it answered, to be played again. */
#include <ctype.h>
#include <string.h>

#include <swtdx/leaf.h>

#include "abi/vmx.h"
#include "trace/trace_show.h"
#include "trace/vector.h"

enum { HEX_A_LINE = 512 };

static void regs(FILE *out, const struct tdx_regs *r, uint32_t mask)
{
	struct tdx_regs copy = *r;

	for (unsigned i = 0; i < 16; i++)
		if (mask & 1u << i)
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

static void host_call(FILE *out, const struct trace_record *r)
{
	if (r->next == MODULE_TO_GUEST) {
		fprintf(out, "enter %u 0x%llx", r->lp, (unsigned long long)r->in.rcx);
		regs(out, &r->in, given(&r->in) & ~2u);
		if (r->event.info >> 31)
			injected(out, &r->event);
		else
			fputc('\n', out);
		return;
	}
	fprintf(out, "seamcall %u ", r->lp);
	leaf_name(out, r);
	regs(out, &r->in, given(&r->in));
	fputs(" ->", out);
	if (r->next == MODULE_SHUTDOWN)
		fputs(" shutdown", out);
	else
		regs(out, &r->out, outputs(r));
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
	if (x->instr_len)
		fprintf(out, " ilen=0x%x", x->instr_len);
	if (x->stall)
		fputs(" stall=1", out);
}

static void guest_exit(FILE *out, const struct trace_record *r)
{
	static const struct tdx_regs zero;
	bool tdcall = (r->exit.reason & VMX_EXIT_BASIC_MASK) == VMX_EXIT_TDCALL;

	if (tdcall) {
		fprintf(out, "tdcall 0x%llx ", (unsigned long long)r->tdvpr);
		leaf_name(out, r);
		regs(out, &r->in, given(&r->in));
	} else {
		exit_words(out, r);
		regs(out, &r->in, given(&r->in) | (r->in.rax != 0));
	}
	switch (r->next) {
	case MODULE_TO_GUEST:
		if (r->event.info >> 31) {
			injected(out, &r->event);
		} else if (tdcall) {
			fputs(" ->", out);
			regs(out, &r->out, outputs(r));
			fputc('\n', out);
		} else
			fputs(" -> resume\n", out);
		break;
	case MODULE_TO_HOST:
		fputs(" -> exit\nexit ->", out);
		/* RSP is the host's own */
		regs(out, &r->out, (differing(&r->out, &zero) | 0xf07u) & ~(1u << 4));
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

void trace_vectors(FILE *out, const struct trace_file *f)
{
	bool long_mode[256] = {false};

	fprintf(out, "%s\n", f->platform);
	for (size_t i = 0; i < f->nrecords; i++) {
		const struct trace_record *r = &f->record[i];

		switch (r->type) {
		case TRACE_SEAMCALL:
			host_call(out, r);
			if (r->next == MODULE_TO_GUEST)
				long_mode[r->lp] = false;
			break;
		case TRACE_EXIT:
			if (r->mode64 && !long_mode[r->lp]) {
				fprintf(out, "guest mode64 lp=%u\n", r->lp);
				long_mode[r->lp] = true;
			}
			guest_exit(out, r);
			break;
		case TRACE_TEXT:
			fprintf(out, "%.*s\n", (int)r->len, (const char *)r->bytes);
			break;
		case TRACE_MEMORY:
			memory(out, r);
			break;
		case TRACE_END:
			break;
		}
	}
}
