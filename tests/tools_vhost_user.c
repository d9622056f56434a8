/* SPDX-License-Identifier: MIT */
/* A virtio device served over a socket, by a server of the test's own: one that does its part, and
 * those that end, are silent or answer nonsense, each at every point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/virtio_block.h"
#include "tools/vhost_user.h"

enum {
	GET_FEATURES = 1,
	SET_MEM_TABLE = 5,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	GET_CONFIG = 24,
	REPLY = 5, /* and the version */
	PAYLOAD = 128,
	MESSAGES_MAX = 64,
	AVAIL_AT = 1024,
	USED_AT = 2048,
	MEMORY = 0x10000,
	AT_DESCRIPTORS = 0x1000,
	AT_DRIVER = 0x2000,
	AT_USED = 0x3000,
	AT_HEADER = 0x4000,
	AT_STATUS = 0x4100,
	AT_DATA = 0x5000,
	NEEDS_RESET = 64,
};

#define PROTOCOL (1ull << 30)

enum fault {
	GOOD,
	ENDS_AT_MESSAGE, /* number `when` */
	WRONG_REQUEST,	 /* answers, from number `when` on: another's */
	WRONG_SIZE,
	NO_REPLY_FLAG,
	OLD, /* without protocol features */
	ENDS_AT_REQUEST,
	SILENT,
	TALKS, /* where it has nothing to say */
	INDEX_RUNS_AWAY,
	OTHER_DESCRIPTOR,
	TOO_LONG,
	RINGS_FOR_NOTHING, /* and never answers */
	SHRINKS,	   /* the memory between them; then it answers */
};

struct served {
	enum fault fault;
	unsigned when;
	int socket, memory, kick, call;
	uint8_t *area;
	size_t size;
	pthread_t thread;
	/* the guest's side */
	struct vhost_user remote;
	struct virtio v;
	uint8_t guest[MEMORY];
	unsigned told;
	char why[100];
};

/* --- the server --- */

struct message {
	uint32_t request, flags, size;
	uint8_t payload[PAYLOAD];
};

static bool take(struct served *s, struct message *m)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {m, 12};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	const struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(s->socket, &h, MSG_WAITALL) != 12)
		return false;
	c = CMSG_FIRSTHDR(&h);
	if (c)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (m->size && recv(s->socket, m->payload, m->size, MSG_WAITALL) != (ssize_t)m->size)
		return false;
	if (m->request == SET_MEM_TABLE) {
		memcpy(&s->size, m->payload + 16, 8);
		s->memory = fd;
		s->area = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	} else if (m->request == SET_VRING_KICK) {
		s->kick = fd;
	} else if (m->request == SET_VRING_CALL) {
		s->call = fd;
	}
	return true;
}

static bool is_get(uint32_t request)
{
	return request == GET_FEATURES || request == GET_PROTOCOL_FEATURES || request == GET_CONFIG;
}

static void reply(struct served *s, struct message *m, bool bad)
{
	uint64_t word = m->request == GET_FEATURES ? VIRTIO_F_VERSION_1 | VIRTIO_BLOCK_F_FLUSH |
							     (s->fault == OLD ? 0 : PROTOCOL)
						   : 1ull << 9;
	const uint64_t sectors = 100;
	size_t n;

	if (m->request == GET_CONFIG) {
		memcpy(m->payload + 12, &sectors, sizeof(sectors));
	} else {
		memcpy(m->payload, &word, sizeof(word));
		m->size = sizeof(word);
	}
	m->flags = REPLY;
	n = 12 + m->size;
	if (bad && s->fault == WRONG_REQUEST)
		m->request++;
	if (bad && s->fault == WRONG_SIZE)
		m->size += 8;
	if (bad && s->fault == NO_REPLY_FLAG)
		m->flags = 1;
	(void)!send(s->socket, m, n, MSG_NOSIGNAL);
}

/* One request, of two or three descriptors that are where vhost_user.c puts them. */
static void serve(struct served *s)
{
	uint8_t *used = s->area + USED_AT;
	const uint64_t one = 1;
	uint32_t element[2] = {0, 513};
	uint16_t index, step = 1;
	uint64_t in;

	memcpy(&index, used + 2, 2);
	memcpy(&in, s->area + 16, 8); /* the second's address */
	memset(s->area + in, 0x5a, 512);
	s->area[in + 512] = 0;
	if (s->fault == SHRINKS)
		(void)!ftruncate(s->memory, 0);
	if (s->fault == OTHER_DESCRIPTOR)
		element[0] = 1;
	if (s->fault == TOO_LONG)
		element[1] = ~0u;
	if (s->fault == INDEX_RUNS_AWAY)
		step = 7;
	memcpy(used + 4 + 8 * (index % 8), element, sizeof(element));
	__atomic_store_n((uint16_t *)(void *)(used + 2), (uint16_t)(index + step),
			 __ATOMIC_SEQ_CST);
	(void)!write(s->call, &one, sizeof(one));
}

/* False: the other end is gone. */
static bool kicked(const struct served *s)
{
	struct pollfd fd[2] = {{.fd = s->kick, .events = POLLIN},
			       {.fd = s->socket, .events = POLLIN}};
	uint64_t count;

	return poll(fd, 2, -1) > 0 && !fd[1].revents &&
	       read(s->kick, &count, sizeof(count)) == sizeof(count);
}

static void *server(void *arg)
{
	struct served *s = arg;
	const uint64_t one = 1;
	struct message m;
	unsigned n = 0;

	for (bool ready = false; !ready && take(s, &m); n++) {
		if (s->fault == ENDS_AT_MESSAGE && n == s->when)
			goto out;
		if (is_get(m.request))
			reply(s, &m, n >= s->when);
		ready = m.request == GET_FEATURES && s->kick >= 0;
	}
	while (s->kick >= 0 && kicked(s)) {
		if (s->fault == ENDS_AT_REQUEST)
			break;
		if (s->fault == TALKS)
			(void)!send(s->socket, "x", 1, MSG_NOSIGNAL);
		else if (s->fault == RINGS_FOR_NOTHING)
			(void)!write(s->call, &one, sizeof(one));
		else if (s->fault != SILENT)
			serve(s);
	}
out:
	shutdown(s->socket, SHUT_RDWR);
	return NULL;
}

/* --- the guest --- */

static bool inside(uint64_t gpa, size_t len)
{
	return gpa < MEMORY && len <= MEMORY - gpa;
}

static bool reads(void *arg, uint64_t gpa, void *buf, size_t len)
{
	if (inside(gpa, len))
		memcpy(buf, ((struct served *)arg)->guest + gpa, len);
	return inside(gpa, len);
}

static bool writes(void *arg, uint64_t gpa, const void *buf, size_t len)
{
	if (inside(gpa, len))
		memcpy(((struct served *)arg)->guest + gpa, buf, len);
	return inside(gpa, len);
}

static void irq(void *arg, bool high)
{
	(void)arg;
	(void)high;
}

static void broken(void *arg, const char *why)
{
	struct served *s = arg;

	s->told++;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static struct served *start(enum fault fault, unsigned when, int *err)
{
	static const struct virtio_memory memory = {reads, writes, irq};
	static const struct virtio_kind kind = {.id = VIRTIO_BLOCK,
						.queues = 1,
						.config_size = 60,
						.features = VIRTIO_BLOCK_F_FLUSH};
	struct served *s = calloc(1, sizeof(*s));
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->fault = fault;
	s->when = when;
	s->socket = pair[1];
	s->memory = s->kick = s->call = -1;
	assert_int_equal(pthread_create(&s->thread, NULL, server, s), 0);
	*err = vhost_user_open(&s->remote, pair[0], &kind);
	s->remote.broken = broken;
	s->remote.arg = s;
	if (!*err)
		virtio_init(&s->v, &s->remote.kind, &memory, s);
	return s;
}

static void end(struct served *s)
{
	shutdown(s->socket, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	vhost_user_close(&s->remote);
	if (s->area)
		munmap(s->area, s->size);
	for (unsigned i = 0; i < 4; i++) {
		const int fd = (const int[]){s->socket, s->memory, s->kick, s->call}[i];

		if (fd >= 0)
			close(fd);
	}
	free(s);
}

static void set(struct served *s, uint64_t offset, uint32_t value)
{
	virtio_write(&s->v, offset, 4, value);
}

static void descriptor(struct served *s, unsigned i, uint64_t gpa, uint32_t size, unsigned flags)
{
	uint8_t *d = s->guest + AT_DESCRIPTORS + 16 * i;
	const uint16_t words[2] = {(uint16_t)flags, (uint16_t)(i + 1)};

	memcpy(d, &gpa, 8);
	memcpy(d + 8, &size, 4);
	memcpy(d + 12, words, 4);
}

/* Reads a sector `times`. The device's status. */
static uint32_t ask(struct served *s, unsigned times)
{
	set(s, 0x070, 3);
	set(s, 0x024, 0);
	set(s, 0x020, VIRTIO_BLOCK_F_FLUSH);
	set(s, 0x024, 1);
	set(s, 0x020, 1);
	set(s, 0x070, 11);
	set(s, 0x038, 8);
	set(s, 0x080, AT_DESCRIPTORS);
	set(s, 0x090, AT_DRIVER);
	set(s, 0x0a0, AT_USED);
	set(s, 0x044, 1);
	set(s, 0x070, 15);
	descriptor(s, 0, AT_HEADER, 16, 1);
	descriptor(s, 1, AT_DATA, 512, 3);
	descriptor(s, 2, AT_STATUS, 1, 2);
	for (uint16_t i = 1; i <= times; i++) {
		s->guest[AT_STATUS] = 0xee;
		memcpy(s->guest + AT_DRIVER + 2, &i, 2);
		set(s, 0x050, 0);
	}
	return (uint32_t)virtio_read(&s->v, 0x070, 4);
}

static void a_server_that_does_its_part_serves(void **state)
{
	struct served *s;
	uint64_t sectors;
	int err;

	(void)state;
	s = start(GOOD, 0, &err);
	assert_int_equal(err, 0);
	assert_int_equal(s->remote.kind.features, VIRTIO_BLOCK_F_FLUSH);
	memcpy(&sectors, s->remote.kind.config, sizeof(sectors));
	assert_int_equal(sectors, 100);
	assert_int_equal(ask(s, 20) & NEEDS_RESET, 0); /* more than its ring has places */
	assert_int_equal(s->guest[AT_STATUS], 0);
	assert_int_equal(s->guest[AT_DATA + 511], 0x5a);
	assert_int_equal(s->told, 0);
	end(s);
}

/* It ends at each message, or answers each question wrongly: that is an error, and no hang. */
static void a_server_that_does_not_is_refused(void **state)
{
	static const enum fault faults[] = {ENDS_AT_MESSAGE, WRONG_REQUEST, WRONG_SIZE,
					    NO_REPLY_FLAG, OLD};
	struct served *s;
	int err;

	(void)state;
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		unsigned when = 0;

		for (err = -1; err && when < MESSAGES_MAX; when++) {
			s = start(faults[i], when, &err);
			if (err)
				assert_int_equal(err, -EPROTO);
			end(s);
			if (faults[i] == OLD)
				break;
		}
		assert_in_range(when, faults[i] == OLD ? 0 : 3, MESSAGES_MAX - 1);
	}
}

static void a_server_that_breaks_ends_with_a_sentence(void **state)
{
	static const struct {
		enum fault fault;
		const char *why;
	} cases[] = {
		{ENDS_AT_REQUEST, "it has ended"},
		{SILENT, "it does not answer"},
		{TALKS, "it has ended"},
		{INDEX_RUNS_AWAY, "it answers what it was not asked"},
		{OTHER_DESCRIPTOR, "it answers what it was not asked"},
		{TOO_LONG, "it has written more than there is room for"},
		{RINGS_FOR_NOTHING, "it does not answer"},
	};
	int err;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct served *s = start(cases[i].fault, 0, &err);

		assert_int_equal(err, 0);
		if (!strcmp(cases[i].why, "it does not answer"))
			s->remote.patience_ms = 50;
		assert_int_equal(ask(s, 3) & NEEDS_RESET, NEEDS_RESET);
		assert_int_equal(s->told, 1);
		assert_string_equal(s->why, cases[i].why);
		/* A reset does not bring it back, and it is told once. */
		set(s, 0x070, 0);
		assert_int_equal(ask(s, 1) & NEEDS_RESET, NEEDS_RESET);
		assert_int_equal(s->told, 1);
		end(s);
	}
}

static int64_t lost(const struct virtio_request *r)
{
	static const uint8_t error = VIRTIO_BLOCK_ERROR;

	return virtio_put(r, r->in - 1, &error, 1) ? 1 : -1;
}

/* Where the device has an error of its own for that, a driver goes on with it. */
static void requests_fail_when_the_server_is_gone(void **state)
{
	struct served *s;
	int err;

	(void)state;
	s = start(ENDS_AT_REQUEST, 0, &err);
	assert_int_equal(err, 0);
	s->remote.lost = lost;
	assert_int_equal(ask(s, 20) & NEEDS_RESET, 0);
	assert_int_equal(s->guest[AT_STATUS], VIRTIO_BLOCK_ERROR);
	assert_int_equal(s->told, 1);
	end(s);
}

static void a_server_cannot_take_the_memory_away(void **state)
{
	struct served *s;
	int err;

	(void)state;
	s = start(SHRINKS, 0, &err);
	assert_int_equal(err, 0);
	assert_int_equal(ask(s, 2) & NEEDS_RESET, 0);
	assert_int_equal(s->guest[AT_DATA], 0x5a);
	end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_does_its_part_serves),
		cmocka_unit_test(a_server_that_does_not_is_refused),
		cmocka_unit_test(a_server_that_breaks_ends_with_a_sentence),
		cmocka_unit_test(requests_fail_when_the_server_is_gone),
		cmocka_unit_test(a_server_cannot_take_the_memory_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
