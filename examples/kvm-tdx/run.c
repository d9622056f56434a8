/* SPDX-License-Identifier: MIT */
/* The run of a TD: a thread a vCPU, a serial port, a clock, power, conversions of memory. */
#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	PORT_COM1 = 0x3f8,
	PORT_COM1_END = 0x3ff,
	COM_IER = 1,
	COM_IIR = 2, /* written: FCR */
	COM_LCR = 3,
	COM_LSR = 5,
	COM_MODEM = 6,
	LSR_EMPTY = 0x60,
	IER_EMPTY = 2,
	IIR_NONE = 1,
	IIR_EMPTY = 2,
	IIR_FIFO = 0xc0,
	FCR_FIFO = 1,
	LCR_DIVISOR = 0x80,
	COM_PRESENT = 0xb0,
	PORT_CMOS_DATA = 0x71,
	PORT_PAGES = 0x500,
	PORT_MODE = 0x501,
	PORT_SLOT = 0x502, /* 1: a slot more, 0: no more */
	PORT_DMA = 0x503,
	PORT_SLEEP = 0x600,
	SLEEP_ENABLE = 0x20,
	PORT_EXIT = 0xf4,
	STATUS_FATAL = 125,    /* the TD gave up */
	STATUS_SHUTDOWN = 126, /* a triple fault */
	MESSAGE = 64,
};

static void end(struct td *td, int status)
{
	if (!atomic_exchange(&td->ended, true))
		atomic_store(&td->status, status);
	for (unsigned i = 0; i < td->nvcpus; i++) {
		td->vcpu[i].run->immediate_exit = 1;
		if (td->vcpu[i].started)
			pthread_kill(td->vcpu[i].thread, SIGUSR1);
	}
}

/* --- the console: whole lines, so that those of several TDs stay apart --- */

static void flush(struct td *td)
{
	if (td->line_length)
		(void)!write(STDOUT_FILENO, td->line, td->line_length);
	td->line_length = 0;
}

static void console(struct td *td, char c)
{
	pthread_mutex_lock(&td->lock);
	td->line[td->line_length++] = c;
	if (c == '\n' || td->line_length == sizeof(td->line))
		flush(td);
	pthread_mutex_unlock(&td->lock);
}

/* --- ports --- */

/* A 16550 whose transmitter is always empty, which it tells once for each byte it gets. */
static bool com_tells(const struct td *td)
{
	return td->com[COM_IER] & IER_EMPTY && td->com_emptied;
}

static void com_line(struct td *td)
{
	const bool high = com_tells(td);

	if (high && !td->com_line)
		ioapic_edge(td, COM1_PIN);
	td->com_line = high;
}

static uint32_t com_in(struct td *td, unsigned reg)
{
	const uint8_t *r = td->com;
	uint32_t iir;

	switch (reg) {
	case COM_IIR:
		iir = com_tells(td) ? IIR_EMPTY : IIR_NONE;
		td->com_emptied = td->com_emptied && iir != IIR_EMPTY;
		com_line(td);
		return iir | (r[COM_IIR] & FCR_FIFO ? IIR_FIFO : 0);
	case COM_LSR:
		return LSR_EMPTY;
	case COM_MODEM:
		return COM_PRESENT;
	case 0:
		return 0;
	default:
		return r[reg];
	}
}

static void com_out(struct td *td, unsigned reg, uint8_t value)
{
	if (td->com[COM_LCR] & LCR_DIVISOR && reg <= COM_IER)
		return;
	if (reg == 0)
		console(td, (char)value);
	else
		td->com[reg] = value;
	td->com_emptied = td->com_emptied || reg == 0 || (reg == COM_IER && value & IER_EMPTY);
	com_line(td);
}

static uint32_t in(struct td *td, unsigned port)
{
	if (port >= PORT_COM1 && port <= PORT_COM1_END)
		return com_in(td, port - PORT_COM1);
	switch (port) {
	case PORT_PAGES:
		return td->pages;
	case PORT_MODE:
		return td->mode;
	case PORT_CMOS_DATA: /* the first day of the clock, and no update in progress */
		return 0;
	default:
		return ~0u;
	}
}

/* A call of KVM's that does nothing here; docs/threads-live.md has a kernel that begins
 * non-coherent DMA in it, for which there is no device. */
static void irq_line(const struct td *td)
{
	struct kvm_irq_level line = {.irq = IOAPIC_PINS - 1};

	(void)!ioctl(td->vm, KVM_IRQ_LINE, &line);
}

static void out(struct td *td, unsigned port, uint32_t value)
{
	if (port >= PORT_COM1 && port <= PORT_COM1_END)
		com_out(td, port - PORT_COM1, (uint8_t)value);
	else if (port == PORT_SLEEP && value & SLEEP_ENABLE)
		end(td, 0);
	else if (port == PORT_SLOT)
		td_scratch(td, value & 1);
	else if (port == PORT_DMA)
		irq_line(td);
	else if (port == PORT_EXIT)
		end(td, (int)(value & 0xff));
}

static void io(struct vcpu *v)
{
	uint8_t *data = (uint8_t *)v->run + v->run->io.data_offset;

	for (uint32_t i = 0; i < v->run->io.count; i++, data += v->run->io.size) {
		uint32_t value = 0;

		pthread_mutex_lock(&v->td->io);
		if (v->run->io.direction == KVM_EXIT_IO_IN) {
			value = in(v->td, v->run->io.port);
			memcpy(data, &value, v->run->io.size);
		} else {
			memcpy(&value, data, v->run->io.size);
			out(v->td, v->run->io.port, value);
		}
		pthread_mutex_unlock(&v->td->io);
	}
}

/* The I/O APIC, or nothing, which reads as ones. */
static void mmio(struct vcpu *v)
{
	const uint64_t offset = v->run->mmio.phys_addr - IOAPIC_ADDRESS;
	uint32_t value = ~0u;

	pthread_mutex_lock(&v->td->io);
	if (v->run->mmio.is_write) {
		memcpy(&value, v->run->mmio.data, sizeof(value));
		if (offset < IOAPIC_SIZE)
			ioapic_write(v->td, offset, value);
	} else {
		memset(v->run->mmio.data, 0xff, sizeof(v->run->mmio.data));
		if (offset < IOAPIC_SIZE)
			value = ioapic_read(v->td, offset);
		memcpy(v->run->mmio.data, &value, sizeof(value));
	}
	pthread_mutex_unlock(&v->td->io);
}

/* --- conversions --- */

static struct slot *slot_of(struct td *td, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < td->nslots; i++) {
		struct slot *s = &td->slot[i];

		if (gpa >= s->gpa && size <= s->size && gpa - s->gpa <= s->size - size)
			return s;
	}
	return NULL;
}

/* What a page has been is given back: it starts with zeros as what it becomes. */
static int convert(struct td *td, uint64_t gpa, uint64_t size, bool private)
{
	struct memory_attributes a = {gpa, size, private ? ATTRIBUTE_PRIVATE : 0, 0};
	struct slot *s = slot_of(td, gpa, size);
	int r;

	if (!s)
		return -EINVAL;
	pthread_mutex_lock(&td->lock);
	if (td->idle) { /* KVM tells the TD to go on where it was */
		td->idle--;
		pthread_mutex_unlock(&td->lock);
		return EAGAIN;
	}
	r = ioctl(td->vm, SET_MEMORY_ATTRIBUTES, &a) ? -errno : 0;
	if (!r && private)
		madvise(s->shared + (gpa - s->gpa), size, MADV_DONTNEED);
	else if (!r && fallocate(s->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 (off_t)(gpa - s->gpa), (off_t)size))
		r = -errno;
	pthread_mutex_unlock(&td->lock);
	return r;
}

static void hypercall(struct vcpu *v)
{
	const __u64 *args = v->run->hypercall.args;

	v->run->hypercall.ret = v->run->hypercall.nr == HC_MAP_GPA_RANGE
					? (uint64_t)(int64_t)convert(v->td, args[0], args[1] * PAGE,
								     (args[2] & MAP_ENCRYPTED) != 0)
					: (uint64_t)-ENOSYS;
}

/* --- the rest --- */

static void tdx_call(struct vcpu *v)
{
	struct exit_tdx *x = (void *)&v->run->hw; /* where the union begins */
	struct slot *s;

	x->ret = CALL_UNSUPPORTED;
	if (x->call != CALL_GET_QUOTE)
		return;
	s = slot_of(v->td, x->gpa, x->size);
	if (!s || x->size < QUOTE_HEADER || x->gpa % PAGE)
		return;
	quote_answer(v->td, s->shared + (x->gpa - s->gpa), x->size);
	x->ret = CALL_OK;
}

/* The reason is in registers, in the order of GHCI's ReportFatalError. */
static void fatal(struct vcpu *v)
{
	static const unsigned order[MESSAGE / 8] = {14, 15, 3, 7, 6, 8, 9, 2};
	const __u64 *regs = v->run->system_event.data;
	char text[MESSAGE + 1] = "";

	for (unsigned i = 0; i < MESSAGE / 8; i++)
		memcpy(text + 8 * i, &regs[order[i]], 8);
	fprintf(stderr, "kvm-tdx: the TD gave up: %s\n", text);
	end(v->td, STATUS_FATAL);
}

static void handle(struct vcpu *v)
{
	switch (v->run->exit_reason) {
	case KVM_EXIT_IO:
		io(v);
		break;
	case KVM_EXIT_HYPERCALL:
		hypercall(v);
		break;
	case EXIT_TDX:
		tdx_call(v);
		break;
	case KVM_EXIT_MMIO:
		mmio(v);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		if (v->run->system_event.type == SYSTEM_EVENT_TDX_FATAL)
			fatal(v);
		else
			end(v->td, 0);
		break;
	case KVM_EXIT_SHUTDOWN:
		fprintf(stderr, "kvm-tdx: vCPU %u: triple fault\n", v->id);
		end(v->td, STATUS_SHUTDOWN);
		break;
	default:
		fprintf(stderr, "kvm-tdx: vCPU %u: exit %u\n", v->id, v->run->exit_reason);
		end(v->td, STATUS_SHUTDOWN);
	}
}

/* The TD touched a page as what it is not: KVM asks for the conversion. */
static bool memory_fault(struct vcpu *v)
{
	const struct exit_memory_fault *f = (void *)&v->run->hw;

	return v->run->exit_reason == EXIT_MEMORY_FAULT &&
	       !convert(v->td, f->gpa, f->size, (f->flags & ATTRIBUTE_PRIVATE) != 0);
}

static void *vcpu_run(void *arg)
{
	struct vcpu *v = arg;

	while (!atomic_load(&v->td->ended)) {
		if (!ioctl(v->fd, KVM_RUN, 0)) {
			handle(v);
		} else if (errno != EINTR && errno != EAGAIN && !memory_fault(v)) {
			fprintf(stderr, "kvm-tdx: vCPU %u: KVM_RUN: %s (exit %u)\n", v->id,
				strerror(errno), v->run->exit_reason);
			end(v->td, STATUS_SHUTDOWN);
		}
	}
	return NULL;
}

static void nothing(int signal)
{
	(void)signal;
}

int td_run(struct td *td)
{
	const struct sigaction wake = {.sa_handler = nothing};

	sigaction(SIGUSR1, &wake, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 1; i < td->nvcpus; i++) {
		td->vcpu[i].started =
			!pthread_create(&td->vcpu[i].thread, NULL, vcpu_run, &td->vcpu[i]);
		if (!td->vcpu[i].started)
			die("no thread for vCPU %u", i);
	}
	td->vcpu[0].thread = pthread_self();
	td->vcpu[0].started = true;
	vcpu_run(&td->vcpu[0]);
	for (unsigned i = 1; i < td->nvcpus; i++)
		pthread_join(td->vcpu[i].thread, NULL);
	flush(td);
	return atomic_load(&td->status);
}
