/* SPDX-License-Identifier: MIT */
/* Keeping a machine's state in a memory file. */
#include "trace/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/machine.h"
#include "module/state.h"

/* Linux: Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_PRESENT	    (1ull << 63)
#define PAGEMAP_SWAPPED	    (1ull << 62)
#define PAGEMAP_FILE_SHARED (1ull << 61)

/* Where a change is that is not in RAM. */
#define HASH_PLACE(n) ((uint64_t)(n) << 62)

enum { PAGE = 4096, PAGEMAP_BATCH = 4096, SNAPSHOT_MAX_PAGES = 2048 };

struct snapshot {
	struct player *p;
	struct player player;
	void *machine; /* the leading bytes, unused processors left out */
	size_t machine_size;
	struct module_state state;	   /* where the module's is */
	void *module[MODULE_STATE_PIECES]; /* what it was */
	unsigned npages;		   /* learnt */
	uint64_t page[SNAPSHOT_MAX_PAGES];
	uint8_t *was; /* what they held */
};

struct pagemap {
	int fd;
	uint64_t first; /* page number of the machine's RAM */
	uint64_t npages;
	uint64_t entry[PAGEMAP_BATCH];
};

static int pagemap_open(struct pagemap *map, const struct machine *m)
{
	map->fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	map->first = (uint64_t)(uintptr_t)m->ram / PAGE;
	map->npages = m->cfg.mem_end / PAGE;
	return map->fd < 0 ? -errno : 0;
}

/* Entries of pages [at, at + n) of RAM. */
static int pagemap_read(struct pagemap *map, uint64_t at, uint64_t *n)
{
	ssize_t len;

	*n = map->npages - at < PAGEMAP_BATCH ? map->npages - at : PAGEMAP_BATCH;
	len = pread(map->fd, map->entry, *n * 8, (off_t)((map->first + at) * 8));
	if (len < 0)
		return -errno;
	return (size_t)len == *n * 8 ? 0 : -EIO;
}

static int copy_ram(struct pagemap *map, const uint8_t *ram, int file)
{
	uint64_t n;
	int err;

	for (uint64_t at = 0; at < map->npages; at += n) {
		err = pagemap_read(map, at, &n);
		if (err)
			return err;
		for (uint64_t i = 0; i < n; i++) {
			uint64_t off = (at + i) * PAGE;

			if (!(map->entry[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)))
				continue;
			if (pwrite(file, ram + off, PAGE, (off_t)off) != PAGE)
				return errno ? -errno : -EIO;
		}
	}
	return 0;
}

static int make_file(struct machine *m)
{
	struct pagemap *map = malloc(sizeof(*map));
	int file = memfd_create("swtdx-snapshot", MFD_CLOEXEC), err = 0;

	if (!map || file < 0 || ftruncate(file, (off_t)m->cfg.mem_end) != 0)
		err = map ? -errno : -ENOMEM;
	if (!err)
		err = pagemap_open(map, m);
	if (!err) {
		err = copy_ram(map, m->ram, file);
		close(map->fd);
	}
	m->cfg.lazy_zero = false;
	if (!err && mmap(m->ram, m->cfg.mem_end, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file, 0) == MAP_FAILED)
		err = -errno;
	if (file >= 0)
		close(file);
	free(map);
	return err;
}

static bool keep_module(struct snapshot *s)
{
	for (unsigned i = 0; i < MODULE_STATE_PIECES; i++) {
		s->module[i] = malloc(s->state.piece[i].size);
		if (!s->module[i])
			return false;
		memcpy(s->module[i], s->state.piece[i].start, s->state.piece[i].size);
	}
	return true;
}

int snapshot_take(struct player *p, struct snapshot **out)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	unsigned lps = p->m->cfg.lps;
	int err;

	if (!s)
		return -ENOMEM;
	s->p = p;
	s->player = *p;
	s->machine_size = offsetof(struct machine, lp) + lps * sizeof(struct machine_lp);
	s->state = module_state(p->mod);
	s->machine = malloc(s->machine_size);
	err = s->machine && keep_module(s) ? make_file(p->m) : -ENOMEM;
	if (err) {
		snapshot_free(s);
		return err;
	}
	memcpy(s->machine, p->m, s->machine_size);
	*out = s;
	return 0;
}

void snapshot_restore(struct snapshot *s)
{
	madvise(s->p->m->ram, s->p->m->cfg.mem_end, MADV_DONTNEED);
	memcpy(s->p->m, s->machine, s->machine_size);
	for (unsigned i = 0; i < MODULE_STATE_PIECES; i++)
		memcpy(s->state.piece[i].start, s->module[i], s->state.piece[i].size);
	*s->p = s->player;
}

void snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	free(s->machine);
	for (unsigned i = 0; i < MODULE_STATE_PIECES; i++)
		free(s->module[i]);
	free(s->was);
	free(s);
}

/* Pages written since the snapshot was taken or restored: how many, or a negative errno. */
static int written(const struct snapshot *s, uint64_t *pa, size_t max)
{
	struct pagemap *map = malloc(sizeof(*map));
	int err = map ? pagemap_open(map, s->p->m) : -ENOMEM, found = 0;
	uint64_t n;

	if (err) {
		free(map);
		return err;
	}
	for (uint64_t at = 0; at < map->npages && !err; at += n) {
		err = pagemap_read(map, at, &n);
		for (uint64_t i = 0; i < n && !err; i++) {
			uint64_t e = map->entry[i];

			if (!(e & PAGEMAP_SWAPPED) &&
			    (!(e & PAGEMAP_PRESENT) || e & PAGEMAP_FILE_SHARED))
				continue;
			if ((size_t)found < max)
				pa[found] = (at + i) * PAGE;
			found++;
		}
	}
	close(map->fd);
	free(map);
	return err ? err : found;
}

int snapshot_learn(struct snapshot *s)
{
	int n = written(s, s->page, SNAPSHOT_MAX_PAGES);

	if (n < 0 || n > SNAPSHOT_MAX_PAGES)
		return n < 0 ? n : -E2BIG;
	free(s->was);
	s->was = malloc((size_t)n * PAGE + 1);
	if (!s->was)
		return -ENOMEM;
	snapshot_restore(s);
	for (int i = 0; i < n; i++) {
		volatile uint8_t *page = s->p->m->ram + s->page[i];

		memcpy(s->was + (size_t)i * PAGE, (const void *)page, PAGE);
		*page = *page; /* stays a page of ours, so that it is found again */
	}
	s->npages = (unsigned)n;
	return 0;
}

/* Copy back what differs, a page's worth at a time. */
static void put_back(void *now, const void *was, size_t len)
{
	for (size_t at = 0; at < len; at += PAGE) {
		size_t n = len - at < PAGE ? len - at : PAGE;

		if (memcmp((uint8_t *)now + at, (const uint8_t *)was + at, n) != 0)
			memcpy((uint8_t *)now + at, (const uint8_t *)was + at, n);
	}
}

void snapshot_rewind(struct snapshot *s)
{
	for (unsigned i = 0; i < s->npages; i++)
		put_back(s->p->m->ram + s->page[i], s->was + (size_t)i * PAGE, PAGE);
	put_back(s->p->m, s->machine, s->machine_size);
	for (unsigned i = 0; i < MODULE_STATE_PIECES; i++)
		put_back(s->state.piece[i].start, s->module[i], s->state.piece[i].size);
	put_back(s->p, &s->player, sizeof(s->player));
}

int snapshot_surprised(struct snapshot *s)
{
	uint64_t pa[SNAPSHOT_MAX_PAGES];
	int n = written(s, pa, SNAPSHOT_MAX_PAGES);

	return n < 0 ? n : n > (int)s->npages;
}

/* Stacks are read whole, with what a sanitizer keeps between variables. */
__attribute__((no_sanitize_address)) struct state_hash hash_more(struct state_hash h,
								 const void *bytes, size_t len)
{
	const uint64_t *w = bytes;

	for (size_t i = 0; i < len / 8; i++) {
		h.a = (h.a ^ w[i]) * 0x9e3779b97f4a7c15ull;
		h.a ^= h.a >> 32;
		h.b = (h.b + w[i]) * 0xc2b2ae3d27d4eb4full;
		h.b ^= h.b >> 29;
	}
	return h;
}

static struct state_hash hash_changes(struct state_hash h, uint64_t where, const void *now,
				      const void *was, size_t len)
{
	for (size_t at = 0; at < len; at += PAGE) {
		size_t n = len - at < PAGE ? len - at : PAGE;
		uint64_t place = where + at;

		if (memcmp((const uint8_t *)now + at, (const uint8_t *)was + at, n) == 0)
			continue;
		h = hash_more(h, &place, sizeof(place));
		h = hash_more(h, (const uint8_t *)now + at, n);
	}
	return h;
}

struct state_hash snapshot_hash(const struct snapshot *s)
{
	const struct machine *m = s->p->m;
	struct state_hash h = {1, 2};

	for (unsigned i = 0; i < s->npages; i++)
		h = hash_changes(h, s->page[i], m->ram + s->page[i], s->was + (size_t)i * PAGE,
				 PAGE);
	h = hash_changes(h, HASH_PLACE(1), m, s->machine, s->machine_size);
	for (unsigned i = 0; i < MODULE_STATE_PIECES; i++)
		h = hash_changes(h, HASH_PLACE(2 + i), s->state.piece[i].start, s->module[i],
				 s->state.piece[i].size);
	return hash_more(h, s->p->entered, sizeof(s->p->entered));
}
