/* SPDX-License-Identifier: MIT */
/* A host kernel on the board as a target of gdb. Nothing is refused but what no gdb needs to write:
 * control registers and segments. */
#ifndef TOOLS_GDB_HOST_H
#define TOOLS_GDB_HOST_H

#include "board/board.h"
#include "gdb/target.h"

extern const struct gdb_target_ops gdb_host_ops; /* their arg is the struct board */
enum gdb_event gdb_host_event(enum board_stop why);

#endif
