/* SPDX-License-Identifier: MIT */
/* See tools/vhost_user.h. Protocol: QEMU's docs/interop/vhost-user. */
#include "tools/vhost_user.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum message {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
};

#define FEATURE_PROTOCOL (1ull << 30)
#define PROTOCOL_CONFIG	 (1ull << 9)

enum {
	VERSION_1 = 1,
	FLAG_VERSION_MASK = 3,
	FLAG_REPLY = 4,
	ANSWER_SECONDS = 10, /* to a message, before the guest runs */
	REQUEST_MS = 30000,
	/* Of the memory between us: a page of rings for each queue, then what a request reads, then
	 * its room. 254 segments of 64 KiB and a header of virtio's disks, 1 MiB of its files. */
	RINGS = 4096,
	RING_SIZE = 8,
	AVAIL_AT = 1024,
	USED_AT = 2048,
	BUFFERS = RINGS * VIRTIO_QUEUES,
	BUFFER = 17 << 20,
	AREA = BUFFERS + 2 * BUFFER,
	DESC_NEXT = 1,
	DESC_WRITE = 2,
};

struct header {
	uint32_t request, flags, size;
};

union payload {
	uint64_t word;
	struct {
		uint32_t index, num;
	} vring;
	struct {
		uint32_t index, flags;
		uint64_t descriptors, used, avail, log;
	} address;
	struct {
		uint32_t regions, pad;
		uint64_t gpa, size, user, offset;
	} memory;
	struct {
		uint32_t offset, size, flags;
		uint8_t bytes[VIRTIO_CONFIG_MAX];
	} config;
};

/* --- messages --- */

static int send_message(const struct vhost_user *v, enum message request, const union payload *p,
			uint32_t size, int fd)
{
	struct header h = {request, VERSION_1, size};
	struct iovec iov[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)p, size}};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = size ? 2 : 1};

	if (fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	/* So small a message goes whole or not at all. */
	if (sendmsg(v->socket, &m, MSG_NOSIGNAL) != (ssize_t)(sizeof(h) + size))
		return -EPROTO;
	return 0;
}

static bool receive(const struct vhost_user *v, void *buf, size_t len)
{
	uint8_t *at = buf;

	while (len) {
		const ssize_t n = recv(v->socket, at, len, 0);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static int answer(const struct vhost_user *v, enum message request, union payload *p, uint32_t size)
{
	struct header h;

	if (!receive(v, &h, sizeof(h)) || h.request != request ||
	    (h.flags & FLAG_VERSION_MASK) != VERSION_1 || !(h.flags & FLAG_REPLY) ||
	    h.size != size || !receive(v, p, size))
		return -EPROTO;
	return 0;
}

static int get(const struct vhost_user *v, enum message request, uint64_t *word)
{
	union payload p = {0};
	int err = send_message(v, request, NULL, 0, -1);

	if (!err)
		err = answer(v, request, &p, sizeof(p.word));
	*word = p.word;
	return err;
}

static int set(const struct vhost_user *v, enum message request, uint64_t word, int fd)
{
	const union payload p = {.word = word};

	return send_message(v, request, &p, sizeof(p.word), fd);
}

static int set_vring(const struct vhost_user *v, enum message request, unsigned index, unsigned num)
{
	const union payload p = {.vring = {index, num}};

	return send_message(v, request, &p, sizeof(p.vring), -1);
}

/* --- before the guest runs --- */

static int agree(struct vhost_user *v)
{
	const uint64_t wanted = v->kind.features | VIRTIO_F_VERSION_1;
	uint64_t offered, protocol;
	int err = get(v, GET_FEATURES, &offered);

	if (!err && (!(offered & FEATURE_PROTOCOL) || !(offered & VIRTIO_F_VERSION_1)))
		err = -EPROTO;
	if (!err)
		err = get(v, GET_PROTOCOL_FEATURES, &protocol);
	if (!err && v->kind.config_size && !(protocol & PROTOCOL_CONFIG))
		err = -EPROTO;
	if (!err)
		err = set(v, SET_PROTOCOL_FEATURES, protocol & PROTOCOL_CONFIG, -1);
	if (!err)
		err = send_message(v, SET_OWNER, NULL, 0, -1);
	v->features = offered & wanted;
	return err ? err : set(v, SET_FEATURES, v->features | FEATURE_PROTOCOL, -1);
}

static int get_config(struct vhost_user *v)
{
	union payload p = {.config = {.size = v->kind.config_size}};
	const uint32_t size = 12 + v->kind.config_size;
	int err = 0;

	if (!v->kind.config_size)
		return 0;
	err = send_message(v, GET_CONFIG, &p, size, -1);
	if (!err)
		err = answer(v, GET_CONFIG, &p, size);
	if (!err)
		memcpy(v->kind.config, p.config.bytes, v->kind.config_size);
	return err;
}

static int share_memory(struct vhost_user *v)
{
	union payload p = {.memory = {.regions = 1, .size = AREA}};

	/* Who has it, too, cannot make it shorter under our feet. */
	v->memory = memfd_create("swtdx-requests", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (v->memory < 0 || ftruncate(v->memory, AREA) ||
	    fcntl(v->memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	v->area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED, v->memory, 0);
	if (v->area == MAP_FAILED) {
		v->area = NULL;
		return -errno;
	}
	p.memory.user = (uintptr_t)v->area;
	return send_message(v, SET_MEM_TABLE, &p, sizeof(p.memory), v->memory);
}

static int start_queue(struct vhost_user *v, unsigned i)
{
	struct vhost_user_queue *q = &v->queue[i];
	const uint64_t at = (uintptr_t)v->area + (uint64_t)RINGS * i;
	const union payload p = {.address = {.index = i,
					     .descriptors = at,
					     .used = at + USED_AT,
					     .avail = at + AVAIL_AT}};
	int err;

	q->kick = eventfd(0, EFD_CLOEXEC);
	q->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->kick < 0 || q->call < 0)
		return -errno;
	err = set_vring(v, SET_VRING_NUM, i, RING_SIZE);
	if (!err)
		err = set_vring(v, SET_VRING_BASE, i, 0);
	if (!err)
		err = send_message(v, SET_VRING_ADDR, &p, sizeof(p.address), -1);
	if (!err)
		err = set(v, SET_VRING_CALL, i, q->call);
	if (!err)
		err = set(v, SET_VRING_KICK, i, q->kick);
	return err ? err : set_vring(v, SET_VRING_ENABLE, i, 1);
}

/* --- requests --- */

static bool fails(struct vhost_user *v, const char *why)
{
	if (!v->dead && v->broken)
		v->broken(v->arg, why);
	v->dead = true;
	return false;
}

/* One request is under way: it has the first descriptors of the ring. */
static void offer(struct vhost_user *v, unsigned queue, uint64_t out, uint64_t in)
{
	uint8_t *ring = v->area + (size_t)RINGS * queue;
	uint16_t *avail = (uint16_t *)(void *)(ring + AVAIL_AT);
	struct {
		uint64_t gpa;
		uint32_t size;
		uint16_t flags, next;
	} d[2] = {{BUFFERS, (uint32_t)out, DESC_NEXT, 1},
		  {BUFFERS + BUFFER, (uint32_t)in, DESC_WRITE, 0}};
	const uint16_t next = v->queue[queue].done;

	if (!in)
		d[0].flags = 0;
	if (!out)
		d[0] = d[1];
	memcpy(ring, d, sizeof(d));
	avail[2 + next % RING_SIZE] = 0;
	__atomic_store_n(&avail[1], (uint16_t)(next + 1), __ATOMIC_SEQ_CST);
}

enum answer { ANSWER_NONE, ANSWER_HERE, ANSWER_NONSENSE };

/* What the server's ring says; *len, what it says it wrote. */
static enum answer answered(const struct vhost_user *v, unsigned queue, uint32_t *len)
{
	const uint8_t *used = v->area + (size_t)RINGS * queue + USED_AT;
	const uint16_t next = v->queue[queue].done;
	const uint16_t index =
		__atomic_load_n((const uint16_t *)(const void *)(used + 2), __ATOMIC_SEQ_CST);
	uint32_t element[2]; /* the request's first descriptor, bytes written */

	if (index == next)
		return ANSWER_NONE;
	memcpy(element, used + 4 + sizeof(element) * (next % RING_SIZE), sizeof(element));
	*len = element[1];
	return index == (uint16_t)(next + 1) && !element[0] ? ANSWER_HERE : ANSWER_NONSENSE;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static bool wait_for(struct vhost_user *v, unsigned queue, uint32_t *len)
{
	struct pollfd fd[2] = {{.fd = v->queue[queue].call, .events = POLLIN},
			       {.fd = v->socket, .events = POLLIN}};
	const int64_t end = now_ms() + v->patience_ms;
	enum answer answer;
	uint64_t count;

	while ((answer = answered(v, queue, len)) == ANSWER_NONE) {
		const int64_t left = end - now_ms();

		if (left <= 0)
			return fails(v, "it does not answer");
		if (poll(fd, 2, (int)left) < 0 && errno != EINTR)
			return fails(v, strerror(errno));
		/* It has nothing to say there: it is its end. */
		if (fd[1].revents && answered(v, queue, len) == ANSWER_NONE)
			return fails(v, "it has ended");
		if (fd[0].revents && read(fd[0].fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			return fails(v, strerror(errno));
	}
	return answer == ANSWER_HERE || fails(v, "it answers what it was not asked");
}

/* To the server and back, what is in the memory between us. */
static bool exchange(struct vhost_user *v, const struct virtio_request *r, uint32_t *len)
{
	const uint64_t one = 1;

	offer(v, r->queue, r->out, r->in);
	if (write(v->queue[r->queue].kick, &one, sizeof(one)) != (ssize_t)sizeof(one))
		return fails(v, strerror(errno));
	if (!wait_for(v, r->queue, len))
		return false;
	v->queue[r->queue].done++;
	return *len <= r->in || fails(v, "it has written more than there is room for");
}

static int64_t request(void *arg, struct virtio_request *r)
{
	struct vhost_user *v = arg;
	uint32_t len;

	if (r->out > BUFFER || r->in > BUFFER)
		return -1;
	if (!v->dead && !virtio_get(r, 0, v->area + BUFFERS, (size_t)r->out))
		return -1;
	if (v->dead || !exchange(v, r, &len))
		return v->lost ? v->lost(r) : -1;
	return virtio_put(r, 0, v->area + BUFFERS + BUFFER, len) ? (int64_t)len : -1;
}

int vhost_user_open(struct vhost_user *v, int socket_, const struct virtio_kind *kind)
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	uint64_t word;
	int err;

	*v = (struct vhost_user){
		.socket = socket_, .memory = -1, .patience_ms = REQUEST_MS, .kind = *kind};
	v->kind.request = request;
	v->kind.arg = v;
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		v->queue[i].kick = v->queue[i].call = -1;
	setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	err = agree(v);
	if (!err)
		err = get_config(v);
	if (!err)
		err = share_memory(v);
	for (unsigned i = 0; i < v->kind.queues && !err; i++)
		err = start_queue(v, i);
	/* Messages are taken in their order: when this is answered, all are. */
	if (!err)
		err = get(v, GET_FEATURES, &word);
	v->kind.features = v->features & ~VIRTIO_F_VERSION_1;
	if (err)
		vhost_user_close(v);
	return err;
}

void vhost_user_close(struct vhost_user *v)
{
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
		if (v->queue[i].kick > 0)
			close(v->queue[i].kick);
		if (v->queue[i].call > 0)
			close(v->queue[i].call);
	}
	if (v->area)
		munmap(v->area, AREA);
	if (v->memory > 0)
		close(v->memory);
	if (v->socket > 0)
		close(v->socket);
	*v = (struct vhost_user){.socket = -1, .memory = -1};
}
