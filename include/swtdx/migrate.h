/* SPDX-License-Identifier: MIT */
/* Migration of a running TD from one monitor to another: over a socket, through a file, to another
 * machine in the process.
 *
 * The TD's memory and state go as its module seals them; what the module does not have (slots,
 * shared memory, local APICs, the user's devices) goes beside that, in the clear, as it is the
 * host's anyway. Format: docs/migration.md. Keys are the business of the two migration TDs: bind
 * one to the TD on each side, have them exchange keys, then export and import.
 *
 * The exporter copies while the TD runs, in rounds, each over what was written since the last; when
 * little is left it stops the TD, sends the rest and the state, and, once the importer says that
 * the TD is its own, has nothing left to do but to destroy it. Until then both sides can give up,
 * and the TD goes on where it was. Who reads a stream believes nothing of it: a TD whose import
 * failed is dead, and tdx_vm_destroy() leaves nothing of it.
 *
 *	tdx_vm_export(vm, &channel, &export_config, &stats);	| here
 *	tdx_vm_init_import(vm, &params);			| there
 *	tdx_vm_import(vm, &channel, &import_config, &stats);
 *
 * Pages that the guest converts, and slots that come and go meanwhile, are followed: what is to go
 * is dropped on the other side first. TDs with L2 VMs move, too: a vCPU that was interrupted in one
 * comes out to its L1 VMM. ABI: "TD Migration" of the TDX module's. */
#ifndef SWTDX_MIGRATE_H
#define SWTDX_MIGRATE_H

#include <swtdx/migtd.h>
#include <swtdx/vmm.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* --- the stream --- */

/* Bytes to and from the other side; each function moves all of them, or says why not by a negative
 * errno: -EPIPE when the other side is gone, -ECONNABORTED when it has something to say and takes
 * nothing. One thread at a time. The other side is told of a failure wherever it can be; one that
 * says nothing and does not hang up is waited for as long as these functions do. After a failure
 * something of this move may still be on its way: the next one takes another channel. */
struct tdx_mig_channel {
	int (*send)(void *arg, const void *buf, size_t len);
	int (*recv)(void *arg, void *buf, size_t len);
	/* Is there something to receive now? NULL: the other side never answers (a file). */
	bool (*answered)(void *arg);
	void *arg;
};

/* A channel over descriptors, which stay the caller's: of a file, a pipe, a socket. `in` -1: what
 * is sent is not answered; `out` -1: what is received is not. The same for both: a socket. */
struct tdx_mig_fds {
	int in, out;
	/* Seconds without a byte after which it is -ETIMEDOUT; 0: TDX_MIG_PATIENCE. */
	unsigned patience;
};
enum { TDX_MIG_PATIENCE = 120 };
void tdx_mig_channel_of(const struct tdx_mig_fds *fds, struct tdx_mig_channel *out);

enum { TDX_MIG_STREAMS_MAX = 8, TDX_MIG_ROUNDS_MAX = 32, TDX_MIG_USER_MAX = 1 << 20 };

/* What became of it, so far when it failed. */
struct tdx_mig_stats {
	unsigned rounds;			    /* while the TD ran */
	uint64_t round_pages[TDX_MIG_ROUNDS_MAX];   /* private pages sent in each */
	uint64_t stopped_pages, post_pages, shared; /* while it stood, after it ran there; shared */
	uint64_t cancelled;   /* pages that had been sent, and then left the TD */
	uint64_t bytes;	      /* on the stream */
	double seconds, down; /* in all; while it stood */
	bool moved;	      /* the TD is the importer's */
};

/* --- this side --- */

struct tdx_export_config {
	unsigned streams;    /* forward streams, used in turn; 0: 1 */
	unsigned max_rounds; /* while the TD runs; 0: 8, with post_copy none */
	uint64_t enough;     /* so few pages left: stop; 0: 512 */
	bool post_copy;	     /* what never went before the TD stops goes after it runs there */
	/* Every vCPU comes out of tdx_vcpu_run() with TDX_EXIT_INTR, and stays out: 0 or an errno,
	 * which gives up. May be asked for again after .go(), of a TD with L2 VMs. */
	int (*stop)(void *arg);
	/* The user's own devices, once the TD stands: *state is free()d here; at most
	 * TDX_MIG_USER_MAX. NULL: none. */
	int (*save)(void *arg, void **state, size_t *len);
	/* It goes on here: vCPUs may run again. */
	void (*go)(void *arg);
	/* Between two lists of pages: a value that is not 0 gives up with it. NULL: never. */
	int (*wanted)(void *arg, const struct tdx_mig_stats *so_far);
	void *arg;
};

/* The TD runs while this runs. 0: it is the importer's, and can only be destroyed here. Else it
 * goes on here (stats->moved false): -ECONNABORTED the importer gave up, -EKEYREJECTED no key was
 * exchanged for this session, -EOPNOTSUPP not such a TD, -EBUSY a vCPU is not as .stop() left it,
 * the channel's errors, .wanted()'s. -EIO: the VM is dead. With stats->moved, and any error: the
 * importer may have the TD, it can only be destroyed here. config may be NULL with no vCPU running.
 */
int tdx_vm_export(struct tdx_vm *vm, const struct tdx_mig_channel *channel,
		  const struct tdx_export_config *config, struct tdx_mig_stats *stats);

/* --- the other side --- */

/* In place of tdx_vm_init(): a TD that will be imported. Of the parameters only what is the
 * monitor's counts; the TD's own come with it, gpaw52 and num_l2_vms must be the same. */
int tdx_vm_init_import(struct tdx_vm *vm, const struct tdx_vm_params *params);

struct tdx_import_config {
	uint64_t max_memory; /* of all slots; what wants more is refused */
	unsigned max_vcpus;
	uint64_t lacking_xfam; /* state (XFAM) that cannot be executed here: a TD with it is refused
				*/
	/* The user's own memory for a slot, which this makes by tdx_vm_set_user_memslot() and, for
	 * its private pages, tdx_vm_back_memslot(), or leaves to the monitor; size 0: the slot is
	 * gone, and with it what was its memory. 0 or an errno. NULL: all slots are the monitor's.
	 */
	int (*slot)(void *arg, unsigned slot, tdx_gpa_t gpa_, uint64_t size, bool private_);
	/* The user's own devices; -EINVAL: not its bytes. NULL: they are refused. */
	int (*load)(void *arg, const void *state, size_t len);
	/* The TD is here: its vCPUs, tdx_vm_vcpus() of them, may run. What is not here yet comes
	 * meanwhile. */
	void (*go)(void *arg);
	int (*wanted)(void *arg, const struct tdx_mig_stats *so_far);
	void *arg;
};

/* After .go() was called, or 0, the TD runs here. -EPROTO: not such a stream, or a newer one;
 * -EINVAL: it says what cannot be; -ENOTSUP: state of lacking_xfam; -ENOSPC: more memory or vCPUs
 * than it may have; -EBADMSG: the module has refused a bundle, tdx_vm_error() says which;
 * -ECONNABORTED: the exporter gave up; the channel's errors. The VM is dead then, and to be
 * destroyed. */
int tdx_vm_import(struct tdx_vm *vm, const struct tdx_mig_channel *channel,
		  const struct tdx_import_config *config, struct tdx_mig_stats *stats);

/* vCPUs by the order they were made in; NULL: there are fewer. Its id: tdx_vcpu_id(). */
struct tdx_vcpu *tdx_vm_vcpu(const struct tdx_vm *vm, unsigned i);

/* --- migration TDs --- */

/* Makes `service`, finalized, the migration TD of `vm`: before vm is finalized, or again, after an
 * import too, one that measures the same. -EINVAL: it is not such, -EBUSY: to be asked again. */
int tdx_vm_bind_migtd(struct tdx_vm *vm, struct tdx_vm *service, struct tdx_servtd_binding *out);

/* Runs the migration TD's vCPU on the calling thread until the keys of one session are in both
 * targets, carrying its messages over the channel. quotes: the service that quotes for it, NULL:
 * none. 0; the migration TD's own errno (-EACCES: the other side is not to be trusted); the
 * channel's errors; -EIO: it has stopped. Binds again first. */
struct tdx_quote_service;
int tdx_migtd_exchange(struct tdx_vm *target, bool source, struct tdx_vm *service,
		       struct tdx_vcpu *vcpu, const struct tdx_quote_service *quotes,
		       const struct tdx_mig_channel *channel);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
