/* SPDX-License-Identifier: MIT */
/* How an x86 processor's code is executed: tdx_x86_engine_execute(), for all that have processors.
 */
#ifndef ENGINE_EXECUTION_H
#define ENGINE_EXECUTION_H

#include <swtdx/x86.h>

struct x86_code;

/* Before a processor is made; 0, -EPERM or -ENOMEM, after which all is interpreted. */
int execution_set(struct x86_code *code, enum tdx_x86_execution how);

#endif
