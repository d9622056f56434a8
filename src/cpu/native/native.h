/* SPDX-License-Identifier: MIT */
/* The native engine, for the parts that see inside. */
#ifndef CPU_NATIVE_NATIVE_H
#define CPU_NATIVE_NATIVE_H

#include <swtdx/native.h>

#include "cpu/engine.h"

#endif
