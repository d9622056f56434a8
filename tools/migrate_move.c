/* SPDX-License-Identifier: MIT */
/* One move of swtdx migrate: keys, stream, and what it took. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "arch/x86.h"
#include "tools/hex.h"
#include "tools/migrate.h"
#include "tools/verbs.h"

/* What one of the two does meanwhile. */
struct other {
	struct migrate_place *p;
	struct tdx_mig_channel channel;
	struct tdx_mig_stats stats;
	int err;
};

/* The two ends of a pair of sockets, and the other side's thread. */
struct pair {
	struct tdx_mig_fds fds[2];
	struct tdx_mig_channel here;
	struct other there;
	pthread_t thread;
};

static int meet(struct pair *b, const int fd[2], struct migrate_place *to, void *(*fn)(void *))
{
	for (unsigned i = 0; i < 2; i++)
		b->fds[i] = (struct tdx_mig_fds){fd[i], fd[i], 0};
	b->there = (struct other){.p = to};
	tdx_mig_channel_of(&b->fds[0], &b->here);
	tdx_mig_channel_of(&b->fds[1], &b->there.channel);
	return pthread_create(&b->thread, NULL, fn, &b->there) ? -EAGAIN : 0;
}

static int complain(const struct migrate_place *p, const char *what, int err)
{
	struct tdx_vm_error e = {.text = ""};

	tdx_vm_error(p->vm, &e);
	fprintf(stderr, "swtdx migrate: machine %u: %s: %s%s%s\n", p->number + 1, what,
		err == -ENOTSUP ? "it has AVX or AVX-512 (XFAM), which this host does not execute"
				: strerror(-err),
		e.text[0] ? ": " : "", e.text);
	return VERB_DIFFERENCE;
}

/* --- keys --- */

static int exchange(struct migrate_place *p, bool source, const struct tdx_mig_channel *c)
{
	return tdx_migtd_exchange(p->vm, source, p->service, p->service_vcpu, p->all->quotes, c);
}

static void *exchange_there(void *arg)
{
	struct other *o = arg;

	o->err = exchange(o->p, false, &o->channel);
	return NULL;
}

static int keys(struct migrate_place *from, struct migrate_place *to)
{
	struct pair b;
	int err = meet(&b, from->all->keys, to, exchange_there);

	if (err)
		return complain(to, "the exchange of keys", err);
	err = exchange(from, true, &b.here);
	pthread_join(b.thread, NULL);
	if (err)
		return complain(from, "the exchange of keys", err);
	return b.there.err ? complain(to, "the exchange of keys", b.there.err) : VERB_OK;
}

/* --- the stream --- */

static int wanted(void *arg, const struct tdx_mig_stats *so_far)
{
	const struct migrate_place *p = arg;

	(void)so_far;
	return p->all->outcome >= 0 ? -ECANCELED : 0;
}

/* Half way: in the middle of that round. */
static int wanted_until(void *arg, const struct tdx_mig_stats *so_far)
{
	struct migrate_place *p = arg;

	if (so_far->rounds + 1 >= p->all->o.abort_at &&
	    so_far->round_pages[p->all->o.abort_at - 1] > 0)
		return -ECANCELED;
	return wanted(arg, so_far);
}

static int export(struct migrate_place *p, const struct tdx_mig_channel *c, unsigned abort_at,
		  struct tdx_mig_stats *stats)
{
	const struct migrate_options *o = &p->all->o;
	const struct tdx_export_config config = {
		.streams = (unsigned)o->streams,
		.max_rounds = (unsigned)o->rounds,
		.enough = o->enough,
		.post_copy = o->post_copy,
		.stop = migrate_stop,
		.save = migrate_save,
		.go = migrate_go,
		.wanted = abort_at ? wanted_until : wanted,
		.arg = p,
	};

	return tdx_vm_export(p->vm, c, &config, stats);
}

static int import(struct migrate_place *p, const struct tdx_mig_channel *c,
		  struct tdx_mig_stats *stats)
{
	const struct tdx_import_config config = {
		.max_memory = p->all->o.memory + (64ull << 20), /* the firmware's, too */
		.max_vcpus = (unsigned)p->all->o.vcpus,
		.lacking_xfam = (XFAM_AVX | XFAM_AVX3) & ~p->xfam,
		.load = migrate_load,
		.go = migrate_go,
		.arg = p,
	};

	return tdx_vm_import(p->vm, c, &config, stats);
}

static void *import_there(void *arg)
{
	struct other *o = arg;

	o->err = import(o->p, &o->channel, &o->stats);
	return NULL;
}

/* Both at work. */
static int by_socket(struct migrate_place *from, struct migrate_place *to, unsigned abort_at,
		     struct tdx_mig_stats *stats, int *import_err)
{
	struct pair b;
	int err = meet(&b, from->all->wire, to, import_there);

	if (err)
		return err;
	err = export(from, &b.here, abort_at, stats);
	pthread_join(b.thread, NULL);
	*import_err = b.there.err;
	return err;
}

/* One after the other: the TD is nowhere meanwhile. */
static int by_file(struct migrate_place *from, struct migrate_place *to, unsigned abort_at,
		   struct tdx_mig_stats *stats, int *import_err)
{
	const int fd = from->all->file;
	const struct tdx_mig_fds out = {-1, fd, 0}, in = {fd, -1, 0};
	struct tdx_mig_channel channel;
	struct tdx_mig_stats there;
	int err;

	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		return -errno;
	tdx_mig_channel_of(&out, &channel);
	err = export(from, &channel, abort_at, stats);
	if (lseek(fd, 0, SEEK_SET))
		return -errno;
	tdx_mig_channel_of(&in, &channel);
	*import_err = import(to, &channel, &there);
	stats->down += there.seconds;
	stats->seconds += there.seconds;
	return err;
}

/* --- what it took, and what has come --- */

/* Which registers are not what they were. An exit status, told of. */
static int compare(const struct migrate_place *to)
{
	if (!to->differs)
		return VERB_OK;
	fprintf(stderr,
		"swtdx migrate: machine %u: MRTD or RTMRs are not what they were where the TD came "
		"from\n",
		to->number + 1);
	return VERB_DIFFERENCE;
}

void migrate_say_measured(const struct migrate_place *p)
{
	char text[2 * TDX_SHA384_SIZE + 1];

	hex_text(text, p->measured.mrtd.b, TDX_SHA384_SIZE);
	migrate_say(p->all, "MRTD   %s%s", text, p->differs ? ", not as on the other machine" : "");
	for (unsigned i = 0; i < TDX_RTMRS; i++) {
		hex_text(text, p->measured.rtmr[i].b, TDX_SHA384_SIZE);
		migrate_say(p->all, "RTMR%u  %s", i, text);
	}
}

static json_t *measured_json(const struct migrate_measured *m)
{
	char text[2 * TDX_SHA384_SIZE + 1];
	json_t *rtmrs = json_array();

	for (unsigned i = 0; i < TDX_RTMRS; i++) {
		hex_text(text, m->rtmr[i].b, TDX_SHA384_SIZE);
		json_array_append_new(rtmrs, json_string(text));
	}
	hex_text(text, m->mrtd.b, TDX_SHA384_SIZE);
	return json_pack("{s:s,s:o}", "mrtd", text, "rtmr", rtmrs);
}

/* At both ends, where both are here and the TD went all the way. */
static void put_measured(json_t *o, const struct migration *m, unsigned from, bool given_up)
{
	const struct migrate_place *there = &m->place[1 - from];

	if (given_up)
		return;
	json_object_set_new(o, "measured", measured_json(&m->place[from].measured));
	if (m->places < MIGRATE_PLACES)
		return;
	json_object_set_new(o, "measured_there", measured_json(&there->measured));
	json_object_set_new(o, "measurements_equal", json_boolean(!there->differs));
}

static void tell(const struct migration *m, unsigned from, const struct tdx_mig_stats *s,
		 bool given_up)
{
	char rounds[TDX_MIG_ROUNDS_MAX * 12] = "";
	size_t n = 0;

	for (unsigned i = 0; i < s->rounds && n < sizeof(rounds) - 12; i++)
		n += (size_t)snprintf(rounds + n, sizeof(rounds) - n, "%s%" PRIu64, i ? " " : "",
				      s->round_pages[i]);
	migrate_say(m,
		    "move %u to machine %u%s: pages in rounds: %s; while it stood %" PRIu64
		    ", after it %" PRIu64 ", shared %" PRIu64 ", cancelled %" PRIu64
		    "; %.1f MiB in %.2f s; down %.3f s%s",
		    m->moves + m->aborted + 1, 2 - from, given_up ? ", given up" : "",
		    n ? rounds : "none", s->stopped_pages, s->post_pages, s->shared, s->cancelled,
		    (double)s->bytes / (1 << 20), s->seconds, s->down,
		    given_up || m->places < MIGRATE_PLACES || m->place[1 - from].differs
			    ? ""
			    : "; MRTD and RTMRs as before");
}

static void tell_json(const struct migration *m, unsigned from, const struct tdx_mig_stats *s,
		      bool given_up)
{
	json_t *rounds = json_array(), *o;
	char *text;

	for (unsigned i = 0; i < s->rounds; i++)
		json_array_append_new(rounds, json_integer((json_int_t)s->round_pages[i]));
	o = json_pack("{s:i,s:i,s:b,s:o,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:b}", "move",
		      (int)(m->moves + m->aborted + 1), "from", (int)from + 1, "given_up", given_up,
		      "round_pages", rounds, "stopped_pages", (json_int_t)s->stopped_pages,
		      "post_pages", (json_int_t)s->post_pages, "shared_pages",
		      (json_int_t)s->shared, "cancelled_pages", (json_int_t)s->cancelled, "bytes",
		      (json_int_t)s->bytes, "seconds", s->seconds, "down_seconds", s->down,
		      "simulated", 1);
	if (o)
		put_measured(o, m, from, given_up);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (text)
		printf("%s\n", text);
	fflush(stdout);
	free(text);
	json_decref(o);
}

int migrate_move(struct migration *m, unsigned abort_at, bool *given_up)
{
	struct migrate_place *from = &m->place[m->here], *to = &m->place[1 - m->here];
	struct tdx_mig_stats stats = {0};
	int status = migrate_expect(to), err, import_err = 0;

	*given_up = false;
	if (status == VERB_OK)
		status = keys(from, to);
	if (status != VERB_OK)
		return status;
	err = m->file >= 0 ? by_file(from, to, abort_at, &stats, &import_err)
			   : by_socket(from, to, abort_at, &stats, &import_err);
	*given_up = err == -ECANCELED && !stats.moved;
	if (!*given_up && err)
		return complain(from, "the export", err);
	if (!*given_up && import_err)
		return complain(to, "the import", import_err);
	(m->o.json ? tell_json : tell)(m, from->number, &stats, *given_up);
	status = migrate_end(*given_up ? to : from);
	if (status == VERB_OK && !*given_up)
		status = compare(to);
	return status;
}

/* --- another process --- */

enum { PATIENCE = 60 }; /* seconds of silence: the peer is gone, or means ill */

static void peer_channel(const struct migration *m, struct tdx_mig_fds *fds,
			 struct tdx_mig_channel *c)
{
	*fds = (struct tdx_mig_fds){m->peer, m->peer, PATIENCE};
	tdx_mig_channel_of(fds, c);
}

int migrate_send(struct migration *m)
{
	struct migrate_place *p = &m->place[0];
	struct tdx_mig_stats stats = {0};
	struct tdx_mig_channel c;
	struct tdx_mig_fds fds;
	int err;

	peer_channel(m, &fds, &c);
	err = exchange(p, true, &c);
	if (err)
		return complain(p, "the exchange of keys", err);
	err = export(p, &c, 0, &stats);
	if (err)
		return complain(p, "the export", err);
	(m->o.json ? tell_json : tell)(m, p->number, &stats, false);
	m->moves++;
	return migrate_end(p);
}

int migrate_receive(struct migration *m)
{
	struct migrate_place *p = &m->place[0];
	struct tdx_mig_stats stats;
	struct tdx_mig_channel c;
	struct tdx_mig_fds fds;
	int status = migrate_expect(p), err;

	if (status != VERB_OK)
		return status;
	peer_channel(m, &fds, &c);
	err = migrate_wait_for(m, m->peer);
	if (err == -ETIMEDOUT) {
		fprintf(stderr,
			"swtdx migrate: %s: who called has sent nothing for %llu s (--timeout)\n",
			m->o.from, (unsigned long long)m->o.timeout);
		return VERB_DIFFERENCE;
	}
	if (!err)
		err = exchange(p, false, &c);
	if (err)
		return complain(p, "the exchange of keys", err);
	err = import(p, &c, &stats);
	if (err)
		return complain(p, "the import", err);
	migrate_say(m, "the TD has come: %.1f MiB in %.2f s", (double)stats.bytes / (1 << 20),
		    stats.seconds);
	migrate_say_measured(p);
	return compare(p);
}
