/* SPDX-License-Identifier: MIT */
/* A machine's file: a header, the table of memory, the state, the memory as far as it is not zero.
 *
 * All of it, the header's tag as zeros, is under one tag of AES-256-GMAC with the user's key: what
 * is in a machine's memory, a module's tables above all, is believed by those who read it, so a
 * file is believed for its maker alone. It is written from front to back and the tag last: a file
 * that was not finished is none.
 *
 * RAM is mapped from the file, privately: a machine that is resumed reads what it touches and
 * shares the rest with others of the same file. The smaller tables are copied. */
#include "board/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum {
	VERSION = 5, /* another with each change of what is in it */
	PAGE = 4096,
	NONCE = 12,
	TAG = 16,
	KEY_NAME = 8,
	EXTENTS_MAX = 16384, /* mappings of a process are not many */
	STATE_MAX = 64 << 20,
	MAC_PIECE = 1 << 30,
};
#define MAGIC "swtdxVM\n"

/* Linux: Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_THERE	(3ull << 62) /* in memory or swapped out */
#define PAGEMAP_ENTRIES 512

struct header {
	char magic[8];
	uint32_t version, size; /* of the header */
	uint64_t file_size, data_at;
	uint32_t nextents, state_size;
	uint8_t key_name[KEY_NAME], nonce[NONCE], tag[TAG];
	uint32_t cpus, packages;
	uint64_t memory;
	uint8_t virtual_clock, poison, partial_write, watched, seamret_loses_vmcs, pad[3];
};

struct extent {
	uint32_t area, pad;
	uint64_t offset, size; /* in the area */
};

/* --- the tag --- */

struct mac {
	EVP_CIPHER_CTX *ctx;
	bool good;
};

static struct mac mac_begin(const uint8_t key[BOARD_KEY], const uint8_t nonce[NONCE])
{
	struct mac m = {EVP_CIPHER_CTX_new(), false};

	m.good = m.ctx && EVP_EncryptInit_ex(m.ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1;
	return m;
}

static void mac_add(struct mac *m, const void *bytes, uint64_t size)
{
	const uint8_t *p = bytes;
	int done;

	while (m->good && size) {
		const int n = size < MAC_PIECE ? (int)size : MAC_PIECE;

		m->good = EVP_EncryptUpdate(m->ctx, NULL, &done, p, n) == 1;
		p += n;
		size -= (uint64_t)n;
	}
}

static bool mac_end(struct mac *m, uint8_t tag[TAG])
{
	uint8_t none[1];
	int done;

	m->good = m->good && EVP_EncryptFinal_ex(m->ctx, none, &done) == 1 &&
		  EVP_CIPHER_CTX_ctrl(m->ctx, EVP_CTRL_GCM_GET_TAG, TAG, tag) == 1;
	EVP_CIPHER_CTX_free(m->ctx);
	return m->good;
}

/* By which a key is known, and which tells nothing of it. */
static bool key_name(const uint8_t key[BOARD_KEY], uint8_t name[KEY_NAME])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len;

	if (EVP_Digest(key, BOARD_KEY, digest, &len, EVP_sha384(), NULL) != 1)
		return false;
	memcpy(name, digest, KEY_NAME);
	return true;
}

/* --- which memory --- */

struct plan {
	struct machine_bytes area[SNAPSHOT_AREAS_MAX];
	unsigned nareas;
	struct extent *extent;
	uint32_t n;
	uint64_t granule, bytes;
};

static bool is_zero(const uint8_t *p, uint64_t size)
{
	static const uint8_t zero[PAGE];

	for (uint64_t at = 0; at < size; at += PAGE) {
		const uint64_t n = size - at < PAGE ? size - at : PAGE;

		if (memcmp(p + at, zero, n) != 0)
			return false;
	}
	return true;
}

/* Pages that were never written nor mapped from a file are zero, and not looked at. */
static bool is_there(const struct board *b, const struct plan *p, unsigned area, uint64_t offset,
		     uint64_t size)
{
	const uint64_t at = (uint64_t)(uintptr_t)p->area[area].at + offset;
	uint64_t entry[PAGEMAP_ENTRIES];
	const size_t n = (size + PAGE - 1) / PAGE + 1;

	if (area == MACHINE_RAM && b->loaded_ram)
		for (uint64_t g = offset / SNAPSHOT_GRANULE;
		     g < (offset + size + SNAPSHOT_GRANULE - 1) / SNAPSHOT_GRANULE; g++)
			if (b->loaded_ram[g / 8] >> g % 8 & 1)
				return true;
	if (b->pagemap < 0 || n > PAGEMAP_ENTRIES ||
	    pread(b->pagemap, entry, n * 8, (off_t)(at / PAGE * 8)) != (ssize_t)(n * 8))
		return true;
	for (size_t i = 0; i < n; i++)
		if (entry[i] & PAGEMAP_THERE)
			return true;
	return false;
}

static bool add_extent(struct plan *p, unsigned area, uint64_t offset, uint64_t size)
{
	struct extent *last = p->n ? &p->extent[p->n - 1] : NULL;

	p->bytes += size;
	if (last && last->area == area && last->offset + last->size == offset) {
		last->size += size;
		return true;
	}
	if (p->n == EXTENTS_MAX)
		return false;
	p->extent[p->n++] = (struct extent){.area = area, .offset = offset, .size = size};
	return true;
}

static bool find_extents(const struct board *b, struct plan *p)
{
	p->n = 0;
	p->bytes = 0;
	for (unsigned a = 0; a < p->nareas; a++) {
		for (uint64_t at = 0; at < p->area[a].size; at += p->granule) {
			const uint64_t left = p->area[a].size - at;
			const uint64_t size = left < p->granule ? left : p->granule;

			if (is_there(b, p, a, at, size) &&
			    !is_zero((const uint8_t *)p->area[a].at + at, size) &&
			    !add_extent(p, a, at, size))
				return false;
		}
	}
	return true;
}

/* Coarser where it would be too many. */
static bool make_plan(struct board *b, struct plan *p)
{
	*p = (struct plan){.granule = SNAPSHOT_GRANULE};
	p->extent = calloc(EXTENTS_MAX, sizeof(p->extent[0]));
	if (!p->extent)
		return false;
	p->nareas = snapshot_areas(b, p->area);
	while (!find_extents(b, p))
		p->granule *= 2;
	return true;
}

static uint64_t whole_pages(uint64_t size)
{
	return (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

/* --- out --- */

struct writer {
	int fd, err;
	struct mac mac;
};

static void put(struct writer *w, const void *bytes, uint64_t size)
{
	const uint8_t *p = bytes;

	mac_add(&w->mac, bytes, size);
	while (!w->err && size) {
		const ssize_t n = write(w->fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			w->err = n < 0 ? -errno : -EIO;
			return;
		}
		p += n;
		size -= (uint64_t)n;
	}
}

static void put_padded(struct writer *w, const void *bytes, uint64_t size)
{
	static const uint8_t zero[PAGE];

	put(w, bytes, size);
	put(w, zero, whole_pages(size) - size);
}

/* The state, or NULL with a sentence. */
static uint8_t *make_state(struct board *b, size_t *size, char *err, size_t errlen)
{
	struct snapshot_walk w = {.way = SNAPSHOT_COUNT, .err = err, .errlen = errlen};
	uint8_t *state;

	snapshot_walk(b, &w);
	*size = w.left;
	state = aligned_alloc(PAGE, whole_pages(*size));
	if (!state) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	memset(state, 0, *size);
	w = (struct snapshot_walk){
		.way = SNAPSHOT_SAVE, .at = state, .left = *size, .err = err, .errlen = errlen};
	timers_hold(b->timers);
	pthread_mutex_lock(&b->io); /* against what comes for the console */
	snapshot_walk(b, &w);
	pthread_mutex_unlock(&b->io);
	timers_go_on(b->timers);
	if (!err[0])
		return state;
	free(state);
	return NULL;
}

static int write_file(struct writer *w, const struct header *h, const struct plan *p,
		      const uint8_t *state)
{
	uint8_t tag[TAG];

	put_padded(w, h, sizeof(*h));
	put_padded(w, p->extent, p->n * sizeof(p->extent[0]));
	put_padded(w, state, h->state_size);
	for (uint32_t i = 0; i < p->n; i++)
		put_padded(w, (const uint8_t *)p->area[p->extent[i].area].at + p->extent[i].offset,
			   p->extent[i].size);
	if (!mac_end(&w->mac, tag) && !w->err)
		w->err = -ENOMEM;
	if (!w->err && pwrite(w->fd, tag, TAG, offsetof(struct header, tag)) != TAG)
		w->err = errno ? -errno : -EIO;
	return w->err;
}

int board_save(struct board *b, int fd, const uint8_t key[BOARD_KEY], char *err, size_t errlen)
{
	struct header h = {.version = VERSION,
			   .size = sizeof(h),
			   .cpus = b->ncpus,
			   .packages = b->cfg.packages,
			   .memory = b->cfg.memory,
			   .virtual_clock = b->cfg.virtual_clock,
			   .poison = b->cfg.poison,
			   .partial_write = b->cfg.partial_write,
			   .watched = b->san != NULL,
			   .seamret_loses_vmcs = b->cfg.seamret_loses_vmcs};
	struct plan p = {0};
	struct writer w = {.fd = fd};
	uint8_t *state;
	size_t size;

	err[0] = '\0';
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	if (getrandom(h.nonce, sizeof(h.nonce), 0) != sizeof(h.nonce) ||
	    !key_name(key, h.key_name)) {
		snprintf(err, errlen, "no random numbers");
		return -EIO;
	}
	state = make_state(b, &size, err, errlen);
	if (!state)
		return -EBUSY;
	if (!make_plan(b, &p)) {
		free(state);
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	h.state_size = (uint32_t)size;
	h.nextents = p.n;
	h.data_at = PAGE + whole_pages(p.n * sizeof(p.extent[0])) + whole_pages(size);
	h.file_size = h.data_at;
	for (uint32_t i = 0; i < p.n; i++)
		h.file_size += whole_pages(p.extent[i].size);
	w.mac = mac_begin(key, h.nonce);
	if (write_file(&w, &h, &p, state))
		snprintf(err, errlen, "%s", strerror(-w.err));
	free(p.extent);
	free(state);
	return w.err;
}

/* --- in --- */

struct reader {
	const uint8_t *file; /* mapped */
	uint64_t size;
	struct header h;
	const struct extent *extent;
	int fd;
	char *err;
	size_t errlen;
};

__attribute__((format(printf, 2, 3))) static bool refuse(const struct reader *r, const char *fmt,
							 ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->err, r->errlen, fmt, ap);
	va_end(ap);
	return false;
}

static bool read_header(struct reader *r, const uint8_t key[BOARD_KEY])
{
	uint8_t name[KEY_NAME];
	struct stat st;

	if (fstat(r->fd, &st) || !S_ISREG(st.st_mode))
		return refuse(r, "not a file");
	r->size = (uint64_t)st.st_size;
	if (pread(r->fd, &r->h, sizeof(r->h), 0) != sizeof(r->h) ||
	    memcmp(r->h.magic, MAGIC, sizeof(r->h.magic)) != 0)
		return refuse(r, "not a snapshot of a machine");
	if (r->h.version != VERSION || r->h.size != sizeof(r->h))
		return refuse(r, "a snapshot of version %" PRIu32 "; this is for version %d",
			      r->h.version, VERSION);
	if (r->h.file_size != r->size)
		return refuse(r, "a snapshot of %" PRIu64 " bytes of which %" PRIu64 " are there",
			      r->h.file_size, r->size);
	if (!key_name(key, name) || memcmp(name, r->h.key_name, sizeof(name)) != 0)
		return refuse(r, "made with another key");
	return true;
}

static bool is_genuine(struct reader *r, const uint8_t key[BOARD_KEY])
{
	struct mac m = mac_begin(key, r->h.nonce);
	uint8_t first[PAGE], tag[TAG];

	if (r->size < PAGE)
		return refuse(r, "cut short");
	memcpy(first, r->file, PAGE);
	memset(first + offsetof(struct header, tag), 0, TAG);
	mac_add(&m, first, PAGE);
	mac_add(&m, r->file + PAGE, r->size - PAGE);
	if (!mac_end(&m, tag))
		return refuse(r, "out of memory");
	if (CRYPTO_memcmp(tag, r->h.tag, TAG) != 0)
		return refuse(r, "not as it was written");
	return true;
}

static bool find_parts(struct reader *r)
{
	const uint64_t table = whole_pages((uint64_t)r->h.nextents * sizeof(struct extent));

	if (r->h.nextents > EXTENTS_MAX || r->h.state_size > STATE_MAX ||
	    PAGE + table + whole_pages(r->h.state_size) != r->h.data_at || r->h.data_at > r->size)
		return refuse(r, "its parts are not where they should be");
	r->extent = (const struct extent *)(const void *)(r->file + PAGE);
	return true;
}

static bool load_extent(struct board *b, const struct machine_bytes *area, const struct extent *e,
			const struct reader *r, uint64_t at)
{
	uint8_t *to = (uint8_t *)area->at + e->offset;

	if (e->area != MACHINE_RAM) {
		memcpy(to, r->file + at, e->size);
		return true;
	}
	for (uint64_t g = e->offset / SNAPSHOT_GRANULE;
	     g < (e->offset + e->size + SNAPSHOT_GRANULE - 1) / SNAPSHOT_GRANULE; g++)
		b->loaded_ram[g / 8] |= (uint8_t)(1u << g % 8);
	return e->offset % PAGE == 0 && e->size % PAGE == 0 &&
	       mmap(to, e->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
		    r->fd, (off_t)at) != MAP_FAILED;
}

/* What a new machine has there is not of the file: all of it is zero first. */
static void clear(const struct machine_bytes *area, unsigned n)
{
	madvise(area[MACHINE_RAM].at, area[MACHINE_RAM].size, MADV_DONTNEED);
	for (unsigned i = 0; i < n; i++)
		for (uint64_t at = 0; i != MACHINE_RAM && at < area[i].size; at += PAGE) {
			const uint64_t left = area[i].size - at;
			uint8_t *p = (uint8_t *)area[i].at + at;

			/* Reading backs nothing. */
			if (!is_zero(p, left < PAGE ? left : PAGE))
				memset(p, 0, left < PAGE ? left : PAGE);
		}
}

static bool load_memory(struct board *b, const struct reader *r)
{
	struct machine_bytes area[SNAPSHOT_AREAS_MAX];
	const unsigned n = snapshot_areas(b, area);
	uint64_t at = r->h.data_at;

	clear(area, n);
	b->loaded_ram = calloc(area[MACHINE_RAM].size / SNAPSHOT_GRANULE / 8 + 1, 1);
	if (!b->loaded_ram)
		return refuse(r, "out of memory");
	for (uint32_t i = 0; i < r->h.nextents; i++) {
		const struct extent *e = &r->extent[i];

		if (e->area >= n || e->offset > area[e->area].size ||
		    e->size > area[e->area].size - e->offset || e->size > r->size - at)
			return refuse(r, "memory where there is none");
		if (!load_extent(b, &area[e->area], e, r, at))
			return refuse(r, "its memory cannot be mapped");
		at += whole_pages(e->size);
		if (at > r->size)
			return refuse(r, "memory where there is none");
	}
	return at == r->size || refuse(r, "memory that is nowhere");
}

static bool load_board(struct board *b, const struct reader *r, uint64_t seed)
{
	const uint8_t *state = r->file + r->h.data_at - whole_pages(r->h.state_size);
	struct snapshot_walk w = {.way = SNAPSHOT_LOAD,
				  .at = (uint8_t *)(uintptr_t)state,
				  .left = r->h.state_size,
				  .err = r->err,
				  .errlen = r->errlen};

	r->err[0] = '\0';
	b->loading = true;
	if (snapshot_walk(b, &w) || !load_memory(b, r))
		return false;
	if (!snapshot_memory_is_sound(b))
		return refuse(r, "its tables cannot be so");
	if (seed) {
		machine_reseed(b->m, seed);
		b->turns.random = seed;
	}
	/* An edge comes once, by local APICs and a table in memory. */
	board_devices_loaded(b);
	b->loaded = true;
	return true;
}

static struct board *make_board(const struct board_config *cfg, struct reader *r,
				struct board_config *seen)
{
	struct board *b;

	*seen = *cfg;
	seen->cpus = r->h.cpus;
	seen->packages = r->h.packages;
	seen->memory = r->h.memory;
	seen->virtual_clock = r->h.virtual_clock;
	seen->poison = r->h.poison;
	seen->partial_write = r->h.partial_write;
	seen->seamret_loses_vmcs = r->h.seamret_loses_vmcs;
	if (!r->h.watched)
		seen->report = NULL;
	if (r->h.watched && !cfg->report) {
		refuse(r, "a machine whose caches are watched");
		return NULL;
	}
	b = board_new(seen, r->err, r->errlen);
	if (b && load_board(b, r, cfg->seed))
		return b;
	board_free(b);
	return NULL;
}

struct board *board_load(const struct board_config *cfg, int fd, const uint8_t key[BOARD_KEY],
			 struct board_config *seen, char *err, size_t errlen)
{
	struct reader r = {.fd = fd, .err = err, .errlen = errlen};
	struct board *b = NULL;
	void *file;

	if (!read_header(&r, key))
		return NULL;
	file = mmap(NULL, r.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED) {
		refuse(&r, "cannot be mapped: %s", strerror(errno));
		return NULL;
	}
	r.file = file;
	if (is_genuine(&r, key) && find_parts(&r))
		b = make_board(cfg, &r, seen);
	munmap(file, r.size);
	return b;
}
