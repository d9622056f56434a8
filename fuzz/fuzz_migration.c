/* SPDX-License-Identifier: MIT */
/* Random calls in migration sessions. Recorded migrations are played up to a random step; from
 * there processors make the calls of the file again and again, in any order, with registers, lists
 * and bundles changed, interrupts and a lack of entropy in between. The module must not break: it
 * does not stop, its statuses are the ABI's, its invariants hold, a refused call has changed
 * nothing of any TD, but for calls that may fail after they have done something.
 *
 * fuzz_migration --calls N [--seed N] [--a-start N] VECTOR.. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/leaf.h>
#include <swtdx/status.h>

#include "fuzz/random.h"
#include "fuzz/session_oracle.h"
#include "module/invariants.h"
#include "trace/player.h"
#include "trace/snapshot.h"

enum {
	MAX_FILES = 64,
	MAX_LINES = 1024,
	CALLS_A_START = 4000, /* unless said */
	CALLS_A_REWIND = 40,
	CALLS_A_CHECK = 37,
};

/* The host's own pages in the vectors; TDs have theirs from the first TDMR on. */
#define HOST_PAGES 0x2000000ull
#define HOST_MASK  0x7f000ull
#define PAMT_BASE  0x3000000ull /* as move_pamt() leaves them: what follows is no buffer */
#define PAGE_BITS  0x000ffffffffff000ull

struct file {
	const char *path;
	char *text; /* lines, each ended by 0 */
	struct vec_step step[MAX_LINES];
	unsigned nsteps, first_call;
};

struct fuzz {
	uint64_t rng;
	struct file *file;
	struct session *session;
	struct player p;
	struct snapshot *snap;
	unsigned long calls, good, calls_a_start;
	char why[256];
};

static unsigned below(struct fuzz *f, unsigned n)
{
	return random_below(&f->rng, n);
}

static bool chance(struct fuzz *f, unsigned percent)
{
	return below(f, 100) < percent;
}

static bool is_migration(uint64_t leaf)
{
	return leaf >= TDH_EXPORT_ABORT && leaf <= TDH_MIG_STREAM_CREATE;
}

/* Calls that may fail after they have done something. What is imported may be the end of its TD,
 * which is told so in its state; the keys of an export's session are used once, whatever becomes of
 * it; of a list the entries before the one that is refused are done; a token is read into the
 * stream's page before it is judged. */
static bool may_change(uint64_t leaf)
{
	switch (leaf) {
	case TDH_EXPORT_ABORT:
	case TDH_EXPORT_BLOCKW:
	case TDH_EXPORT_MEM:
	case TDH_EXPORT_RESTORE:
	case TDH_EXPORT_STATE_IMMUTABLE:
		return true;
	default:
		return leaf == TDH_IMPORT_ABORT || leaf == TDH_IMPORT_END ||
		       leaf == TDH_IMPORT_COMMIT || leaf == TDH_IMPORT_MEM ||
		       leaf == TDH_IMPORT_TRACK || leaf == TDH_IMPORT_STATE_IMMUTABLE ||
		       leaf == TDH_IMPORT_STATE_TD || leaf == TDH_IMPORT_STATE_VP;
	}
}

/* The vectors have their buffers where the first TDMR's PAMT is, which nobody uses there; here it
 * must stay whole. */
static void move_pamt(char *text)
{
	char *line = strstr(text, "write 0x1001000 "), *end;

	if (!line)
		return;
	end = line + strcspn(line, "\n");
	for (char *p = line + strlen("write 0x1001000 "); p + 16 <= end; p += 16)
		if (strncmp(p + 6, "0200000000", 10) == 0)
			p[7] = '4';
}

static bool load(struct file *f, const char *path)
{
	FILE *in = fopen(path, "r");
	size_t size = 1 << 20, n;
	char err[128];

	free(f->text); /* of one that was no session */
	*f = (struct file){.path = path, .text = calloc(1, size)};
	n = in && f->text ? fread(f->text, 1, size - 1, in) : 0;
	if (in)
		fclose(in);
	if (n)
		move_pamt(f->text);
	for (char *l = f->text, *next; n && *l; l = next) {
		next = l + strcspn(l, "\n");
		if (*next)
			*next++ = '\0';
		if (f->nsteps == MAX_LINES || !vec_parse(l, &f->step[f->nsteps], err, sizeof(err)))
			return false;
		if (!f->first_call && f->step[f->nsteps].kind == VEC_SEAMCALL &&
		    is_migration(tdx_rax_leaf(f->step[f->nsteps].rax)))
			f->first_call = f->nsteps;
		f->nsteps++;
	}
	return f->first_call > 0;
}

/* The machine as it is before a step after the first of the session. */
static bool prepare(struct fuzz *f)
{
	const unsigned end = f->file->first_call + below(f, f->file->nsteps - f->file->first_call);
	struct played d;

	f->snap = NULL;
	player_init(&f->p);
	session_forget(f->session);
	for (unsigned i = 0; i < f->file->nsteps; i++)
		session_note(f->session, &f->file->step[i]);
	for (unsigned i = 0; i < end; i++)
		for (unsigned k = 0; k < f->file->step[i].repeat; k++)
			(void)player_step(&f->p, &f->file->step[i], &d);
	return snapshot_take(&f->p, &f->snap) == 0;
}

static uint64_t changed(struct fuzz *f, uint64_t v)
{
	switch (below(f, 6)) {
	case 0:
		return v ^ 1ull << below(f, 64);
	case 1:
		return v ^ 1ull << below(f, 12);
	case 2:
		return v ^ 1ull << 63;
	case 3:
		return v ^ (uint64_t)below(f, 512) << 55;
	case 4:
		return chance(f, 50) ? 0 : ~0ull;
	default:
		return v + (uint64_t)below(f, 3) * 0x1000 - 0x1000;
	}
}

/* What is to be the host's own memory must not be a TD's or a PAMT: true on hardware, but nothing
 * to learn. */
static uint64_t spare(uint64_t v)
{
	return (v & PAGE_BITS & ((1ull << 46) - 1)) < PAMT_BASE
		       ? v
		       : (v & ~PAGE_BITS) | HOST_PAGES | (v & HOST_MASK);
}

/* The same for the pages that an export's list names, which it writes. */
static void spare_list(struct fuzz *f, uint64_t leaf, uint64_t r9)
{
	uint64_t *entry = machine_ptr(f->p.m, machine_strip(f->p.m, r9 & PAGE_BITS));

	if (leaf != TDH_EXPORT_MEM && leaf != TDH_EXPORT_STATE_IMMUTABLE &&
	    leaf != TDH_EXPORT_STATE_TD && leaf != TDH_EXPORT_STATE_VP)
		return;
	for (unsigned i = 0; i < TDX_PAGE_SIZE / sizeof(*entry); i++)
		entry[i] = spare(entry[i]);
}

static void spare_memory(uint64_t leaf, struct tdx_regs *r)
{
	if (!is_migration(leaf) || leaf == TDH_MIG_STREAM_CREATE)
		return;
	if (leaf == TDH_EXPORT_MEM || leaf == TDH_IMPORT_MEM || leaf == TDH_EXPORT_BLOCKW ||
	    leaf == TDH_EXPORT_RESTORE)
		r->rcx = spare(r->rcx);
	for (unsigned i = 8; i < 16; i++)
		if (i != 10 && (i != 13 || *tdx_reg(r, i) != ~0ull))
			*tdx_reg(r, i) = spare(*tdx_reg(r, i));
}

/* A bit of a list, an MBMD or a page: not one that moves an address to a TD's memory. */
static void change_memory(struct fuzz *f)
{
	const unsigned page = below(f, 8), byte = below(f, 4096);
	uint8_t *at = machine_ptr(f->p.m, HOST_PAGES + page * 0x1000 + byte % 192);

	if (chance(f, 40)) {
		at = machine_ptr(f->p.m, HOST_PAGES + (0x10 + below(f, 0x60)) * 0x1000 + byte);
		*at ^= (uint8_t)(1u << below(f, 8));
	} else if (byte % 8 < 2 || byte % 8 > 5 || page == 0) {
		*at ^= (uint8_t)(1u << below(f, 8));
	}
}

static void disturb(struct fuzz *f)
{
	atomic_store(&f->p.m->lp[0].irq_countdown, chance(f, 20) ? (int)below(f, 4) : -1);
	atomic_store(&f->p.m->rng_fail, chance(f, 2) ? below(f, 30) : 0);
	if (chance(f, 30))
		change_memory(f);
}

static bool broken(struct fuzz *f, const char *what, const struct tdx_regs *in)
{
	snprintf(f->why, sizeof(f->why),
		 "%s: leaf %u rax=0x%llx rcx=0x%llx rdx=0x%llx r8=0x%llx r9=0x%llx r10=0x%llx",
		 what, tdx_rax_leaf(in->rax), (unsigned long long)in->rax,
		 (unsigned long long)in->rcx, (unsigned long long)in->rdx,
		 (unsigned long long)in->r8, (unsigned long long)in->r9,
		 (unsigned long long)in->r10);
	return false;
}

/* One call, made of one of the file's. */
static bool call(struct fuzz *f)
{
	const struct vec_step *s;
	struct tdx_regs in, out;

	do
		s = &f->file->step[f->file->first_call +
				   below(f, f->file->nsteps - f->file->first_call)];
	while (s->kind != VEC_SEAMCALL || s->in.named || f->p.entered[s->lp] ||
	       tdx_rax_leaf(s->rax) == TDH_SYS_SHUTDOWN || tdx_rax_leaf(s->rax) == TDH_VP_ENTER);
	in = s->in.v;
	in.rax = s->rax;
	while (chance(f, 30)) {
		uint64_t *reg = tdx_reg(&in, 1 + below(f, 15));

		*reg = changed(f, *reg);
	}
	if (chance(f, 10))
		in.r10 ^= 1ull << 63;
	spare_memory(tdx_rax_leaf(in.rax), &in);
	disturb(f);
	spare_list(f, tdx_rax_leaf(in.rax), in.r9);
	out = in;
	session_before(f->session, &f->p, random_next(&f->rng));
	if (module_seamcall(f->p.mod, s->lp, &out) == MODULE_SHUTDOWN)
		return broken(f, "a fatal error of the module", &in);
	if (!may_change(tdx_rax_leaf(in.rax)))
		session_after(f->session, out.rax, 0);
	if (session_violation(f->session))
		return broken(f, session_violation(f->session), &in);
	f->calls++;
	f->good += tdx_is_success(tdx_status(out.rax));
	if (!tdx_status_info(tdx_status(out.rax & ~TDX_STATUS_FATAL)) &&
	    !tdx_status_info(tdx_status(out.rax)))
		return broken(f, "a status the ABI does not have", &in);
	return true;
}

static bool run(struct fuzz *f, unsigned long until)
{
	if (!prepare(f) || f->p.entered[0]) { /* whose calls are made */
		snapshot_free(f->snap);
		player_free(&f->p);
		return true;
	}
	for (unsigned i = 0; i < f->calls_a_start && f->calls < until && !f->why[0]; i++) {
		char why[200];

		if (i % CALLS_A_REWIND == 0)
			snapshot_restore(f->snap);
		if (call(f) && i % CALLS_A_CHECK == 0 &&
		    !module_check_invariants(f->p.mod, why, sizeof(why)))
			snprintf(f->why, sizeof(f->why), "invariant broken: %s", why);
	}
	snapshot_free(f->snap);
	player_free(&f->p);
	return !f->why[0];
}

int main(int argc, char **argv)
{
	struct file *files = calloc(MAX_FILES, sizeof(*files));
	unsigned long calls = 100000;
	unsigned nfiles = 0;
	struct fuzz f = {.rng = 1, .calls_a_start = CALLS_A_START};

	for (int i = 1; files && i < argc; i++) {
		if (strcmp(argv[i], "--calls") == 0 && i + 1 < argc)
			calls = strtoul(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			f.rng = strtoull(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--a-start") == 0 && i + 1 < argc)
			f.calls_a_start = strtoul(argv[++i], NULL, 0);
		else if (nfiles < MAX_FILES && load(&files[nfiles], argv[i]))
			nfiles++;
		else
			fprintf(stderr, "fuzz_migration: %s: no recorded migration\n", argv[i]);
	}
	if (!nfiles) {
		fprintf(stderr,
			"usage: fuzz_migration --calls N [--seed N] [--a-start N] VECTOR..\n");
		return 2;
	}
	f.session = session_new();
	if (!f.session)
		return 3;
	while (f.calls < calls) {
		const uint64_t seed = f.rng;

		f.file = &files[below(&f, nfiles)];
		if (run(&f, calls))
			continue;
		printf("%s, seed 0x%llx: %s\n", f.file->path, (unsigned long long)seed, f.why);
		return 1;
	}
	session_free(f.session);
	printf("%lu calls, %lu of them successful\n", f.calls, f.good);
	for (unsigned i = 0; i < nfiles; i++)
		free(files[i].text);
	free(files);
	return 0;
}
