/* SPDX-License-Identifier: MIT */
/* The guest library's port for a vCPU of the native engine.
 *
 * Linear addresses are GPAs unless `map` says otherwise. Sleeping is a HLT the host answers. The
 * decoder is Zydis; set port.ops to one's own for the library's table. */
#ifndef PORT_GUEST_NATIVE_H
#define PORT_GUEST_NATIVE_H

#include <swtdx/guest.h>

#include "engine/native/native.h"

struct guest_native {
	struct tdg_port port; /* first: pass &g.port to the library */
	struct tdx_native_cpu *cpu;
	bool (*map)(void *arg, uint64_t gla, gpa_t *g); /* NULL: identity */
	void *arg;
	unsigned relaxed; /* how often */
};

void guest_native_init(struct guest_native *g, struct tdx_native_cpu *cpu);

/* A struct tdg_port_ops::decode made of Zydis; accepts what tdg_decode_mmio() accepts. */
bool guest_decode_zydis(const uint8_t *bytes, size_t len, struct tdg_insn *insn);

#endif
