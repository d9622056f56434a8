/* SPDX-License-Identifier: MIT */
/* The native engine, for the parts that see inside. */
#ifndef ENGINE_NATIVE_NATIVE_H
#define ENGINE_NATIVE_NATIVE_H

#include <swtdx/native.h>

#include "engine/engine.h"

#endif
