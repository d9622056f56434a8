/* SPDX-License-Identifier: MIT */
/* The boot firmware's volume, as the build made it of firmware/. */
#ifndef VMM_BOOT_FIRMWARE_H
#define VMM_BOOT_FIRMWARE_H

#include "../firmware/layout.h"

extern const uint8_t boot_firmware[FW_SIZE];

#endif
