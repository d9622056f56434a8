/* SPDX-License-Identifier: MIT */
/* A TD as a target of gdb: TDH.VP.RD/WR and TDH.MEM.RD/WR. One without ATTRIBUTES.DEBUG refuses. */
#ifndef GDB_TARGET_TD_H
#define GDB_TARGET_TD_H

#include <swtdx/vmm.h>

#include "gdb/gdb.h"
#include "gdb/target.h"

struct gdb_td {
	struct tdx_vm *vm;
	struct tdx_vcpu *const *vcpu;
	struct gdb_points in_force[GDB_MAX_VCPUS];
};

/* All vCPUs run as they are. `vcpu` outlives it. */
void gdb_td_init(struct gdb_td *td, struct tdx_vm *vm, struct tdx_vcpu *const *vcpu);
extern const struct gdb_target_ops gdb_td_ops; /* their arg is the struct gdb_td */
/* What a TDX_EXIT_DEBUG tells. */
enum gdb_event gdb_td_event(const struct tdx_run *run);

#endif
