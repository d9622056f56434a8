/* SPDX-License-Identifier: MIT */
/* A second client of KVM, beside QEMU: launches TDs in the order of Linux's intel-tdx.rst, by the
 * parts of examples/kvm-tdx, which do the same under Linux's own KVM. Two machines in one process,
 * two vCPUs each as threads, an event loop (epoll) for the devices of both, doorbells by
 * KVM_IOEVENTFD, interrupts by KVM_IRQFD, pages that come and go; and each machine is reset: it
 * ends and is built anew in the same process. It knows nothing of who answers. Usage: kvm_second
 * DOORBELL.BIN [ROUNDS]. Exit status: 0, or 1 with a sentence. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

enum { MACHINES = 2, LIVES = 2, GSI = 5, VECTOR = 0x40 };
enum { PORT_EXIT = 0xf4, PORT_ROUNDS = 0x500, PORT_BELL = 0x700, PORT_SHARED, PORT_TAKE };
enum { BELL_HEARD = 7, BELL_TOLD = 9 };

#define BELL	    0xfd000000ull
#define MSI_ADDRESS 0xfee00000u
#define PATTERN	    0x5a5a00000000ull
#define ANSWER	    0xa5a500000000ull

struct machine {
	struct td td;
	const char *image;
	unsigned rounds;
	int bell, irq, port; /* eventfds */
	_Atomic unsigned rung, told, answered;
	pthread_t thread;
};

static int device_epoll;
static __thread struct kvm_run *mine;

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("kvm_second: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void must(bool ok, const char *what)
{
	if (!ok)
		die("%s: %s", what, strerror(errno));
}

/* --- the devices: one thread for all machines --- */

static void *devices(void *arg)
{
	struct epoll_event e[4];

	for (;;) {
		const int n = epoll_wait(device_epoll, e, 4, -1);

		for (int i = 0; i < n; i++) {
			struct machine *m = e[i].data.ptr;
			uint64_t rings = 0, one = 1;

			if (read(m->bell, &rings, sizeof(rings)) != sizeof(rings))
				continue;
			m->rung += (unsigned)rings;
			must(write(m->irq, &one, sizeof(one)) == sizeof(one), "an irqfd");
		}
	}
	return arg;
}

static void ioeventfd(const struct machine *m, uint64_t at, uint32_t len, int fd, uint32_t flags,
		      uint64_t match)
{
	struct kvm_ioeventfd io = {
		.datamatch = match, .addr = at, .len = len, .fd = fd, .flags = flags};

	must(ioctl(m->td.vm, KVM_IOEVENTFD, &io) == 0, "KVM_IOEVENTFD");
}

static void plug(struct machine *m)
{
	struct {
		uint32_t nr, flags; /* struct kvm_irq_routing */
		struct kvm_irq_routing_entry entry;
	} routes = {.nr = 1, .entry = {.gsi = GSI, .type = KVM_IRQ_ROUTING_MSI}};
	struct kvm_irqfd irqfd = {.gsi = GSI};
	struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = m}};

	m->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->irq = eventfd(0, EFD_CLOEXEC);
	m->port = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(m->bell >= 0 && m->irq >= 0 && m->port >= 0, "eventfd");
	routes.entry.u.msi.address_lo = MSI_ADDRESS;
	routes.entry.u.msi.data = VECTOR;
	must(ioctl(m->td.vm, KVM_SET_GSI_ROUTING, &routes) == 0, "KVM_SET_GSI_ROUTING");
	irqfd.fd = (uint32_t)m->irq;
	must(ioctl(m->td.vm, KVM_IRQFD, &irqfd) == 0, "KVM_IRQFD");
	ioeventfd(m, BELL, 4, m->bell, 0, 0);
	ioeventfd(m, PORT_BELL, 1, m->port, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH,
		  BELL_HEARD);
	must(epoll_ctl(device_epoll, EPOLL_CTL_ADD, m->bell, &e) == 0, "epoll_ctl");
}

static void unplug(struct machine *m)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)m->irq, .gsi = GSI, .flags = KVM_IRQFD_FLAG_DEASSIGN};

	must(epoll_ctl(device_epoll, EPOLL_CTL_DEL, m->bell, NULL) == 0, "epoll_ctl");
	ioeventfd(m, BELL, 4, m->bell, KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
	must(ioctl(m->td.vm, KVM_IRQFD, &irqfd) == 0, "KVM_IRQFD to take it away");
	close(m->bell);
	close(m->irq);
	close(m->port);
}

/* --- the guest's calls --- */

static struct slot *slot_of(struct td *td, uint64_t gpa)
{
	for (unsigned i = 0; i < td->nslots; i++)
		if (gpa - td->slot[i].gpa < td->slot[i].size)
			return &td->slot[i];
	die("no memory at 0x%llx", (unsigned long long)gpa);
}

static void shared_page(struct machine *m, uint64_t gpa)
{
	const struct slot *s = slot_of(&m->td, gpa);
	volatile uint64_t *word = (volatile uint64_t *)(s->shared + (gpa - s->gpa));
	const unsigned i = m->answered++;

	if (*word != PATTERN + i)
		die("round %u: the guest has written 0x%llx", i, (unsigned long long)*word);
	*word = ANSWER + i;
}

/* As a balloon takes it. */
static void take_page(struct machine *m, uint64_t gpa)
{
	const struct slot *s = slot_of(&m->td, gpa);

	must(fallocate(s->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(gpa - s->gpa),
		       PAGE) == 0,
	     "a hole");
}

static void port(struct machine *m, struct vcpu *v)
{
	const struct kvm_run *r = v->run;
	uint8_t *data = (uint8_t *)r + r->io.data_offset;
	uint32_t value = 0;

	if (r->io.direction == KVM_EXIT_IO_IN) {
		value = r->io.port == PORT_ROUNDS ? m->rounds : 0;
		memcpy(data, &value, r->io.size);
		return;
	}
	memcpy(&value, data, r->io.size);
	if (r->io.port == PORT_SHARED)
		shared_page(m, value);
	else if (r->io.port == PORT_TAKE)
		take_page(m, value);
	else if (r->io.port == PORT_BELL && value == BELL_TOLD)
		m->told++;
	else if (r->io.port == PORT_EXIT) {
		m->td.status = (int)value;
		m->td.ended = true;
	} else
		die("port 0x%x of size %u, value 0x%x", r->io.port, r->io.size, value);
}

/* What was there before is given back. */
static void convert(struct td *td, uint64_t gpa, uint64_t size, bool private_)
{
	struct memory_attributes a = {gpa, size, private_ ? ATTRIBUTE_PRIVATE : 0, 0};
	const struct slot *s = slot_of(td, gpa);

	must(ioctl(td->vm, SET_MEMORY_ATTRIBUTES, &a) == 0, "KVM_SET_MEMORY_ATTRIBUTES");
	if (private_)
		must(madvise(s->shared + (gpa - s->gpa), size, MADV_DONTNEED) == 0, "madvise");
	else
		must(fallocate(s->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       (off_t)(gpa - s->gpa), (off_t)size) == 0,
		     "a hole");
}

static void hypercall(struct machine *m, struct vcpu *v)
{
	struct kvm_run *r = v->run;

	if (r->hypercall.nr != HC_MAP_GPA_RANGE)
		die("hypercall %llu", (unsigned long long)r->hypercall.nr);
	convert(&m->td, r->hypercall.args[0], r->hypercall.args[1] * PAGE,
		r->hypercall.args[2] & MAP_ENCRYPTED);
	r->hypercall.ret = 0;
}

/* --- vCPUs --- */

static void on_kick(int sig)
{
	(void)sig;
	if (mine)
		mine->immediate_exit = 1;
}

static void once(struct machine *m, struct vcpu *v)
{
	if (ioctl(v->fd, KVM_RUN, 0)) {
		if (errno == EFAULT && v->run->exit_reason == EXIT_MEMORY_FAULT) {
			const struct exit_memory_fault *f = (const void *)&v->run->io;

			convert(&m->td, f->gpa, f->size, f->flags & ATTRIBUTE_PRIVATE);
		} else if (errno != EINTR && errno != EAGAIN) {
			die("KVM_RUN of vCPU %u: %s", v->id, strerror(errno));
		}
		v->run->immediate_exit = 0;
		return;
	}
	switch (v->run->exit_reason) {
	case KVM_EXIT_IO:
		port(m, v);
		break;
	case KVM_EXIT_HYPERCALL:
		hypercall(m, v);
		break;
	case KVM_EXIT_MMIO:
		die("a write to 0x%llx that an eventfd waits for",
		    (unsigned long long)v->run->mmio.phys_addr);
	default:
		die("exit %u of vCPU %u", v->run->exit_reason, v->id);
	}
}

static void *vcpu(void *arg)
{
	struct vcpu *v = arg;
	struct machine *m = (struct machine *)v->td; /* its first member */

	mine = v->run;
	while (!m->td.ended)
		once(m, v);
	mine = NULL;
	for (unsigned i = 0; i < m->td.nvcpus; i++)
		if (m->td.vcpu[i].started && i != v->id)
			pthread_kill(m->td.vcpu[i].thread, SIGUSR1);
	return NULL;
}

/* --- a machine --- */

static void life(struct machine *m)
{
	struct pollfd p;
	uint64_t value = 0;

	memset(&m->td, 0, sizeof(m->td));
	m->td.nvcpus = 2;
	m->td.memory = 64ull << 20;
	m->rung = m->told = m->answered = 0;
	image_read(m->image, &m->td.image);
	td_create(&m->td);
	plug(m);
	for (unsigned i = 0; i < m->td.nvcpus; i++) {
		must(!pthread_create(&m->td.vcpu[i].thread, NULL, vcpu, &m->td.vcpu[i]),
		     "a thread");
		m->td.vcpu[i].started = true;
	}
	p = (struct pollfd){.fd = m->port, .events = POLLIN};
	while (!m->td.ended && poll(&p, 1, 100) == 0)
		;
	for (unsigned i = 0; i < m->td.nvcpus; i++)
		pthread_join(m->td.vcpu[i].thread, NULL);
	if (m->td.status)
		die("the TD ends with %d", m->td.status);
	must(read(m->port, &value, sizeof(value)) == sizeof(value) && value == 1,
	     "the port's bell");
	if (m->rung != m->rounds || m->told != 1 || m->answered != m->rounds)
		die("%u doorbells, %u told, %u pages: not %u, 1, %u", m->rung, m->told, m->answered,
		    m->rounds, m->rounds);
	unplug(m);
	td_close(&m->td);
	free(m->td.image.bytes);
}

static void *lives(void *arg)
{
	for (unsigned i = 0; i < LIVES; i++)
		life(arg);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct machine machine[MACHINES];
	struct sigaction kick = {.sa_handler = on_kick};
	pthread_t device;

	if (argc < 2)
		die("usage: kvm_second DOORBELL.BIN [ROUNDS]");
	sigaction(SIGUSR1, &kick, NULL);
	device_epoll = epoll_create1(EPOLL_CLOEXEC);
	must(device_epoll >= 0 && !pthread_create(&device, NULL, devices, NULL), "a device");
	for (unsigned i = 0; i < MACHINES; i++) {
		machine[i].image = argv[1];
		machine[i].rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 100;
		must(!pthread_create(&machine[i].thread, NULL, lives, &machine[i]), "a machine");
	}
	for (unsigned i = 0; i < MACHINES; i++)
		pthread_join(machine[i].thread, NULL);
	printf("%d machines, %d lives each, %u rounds\n", MACHINES, LIVES, machine[0].rounds);
	return 0;
}
