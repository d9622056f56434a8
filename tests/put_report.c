/* SPDX-License-Identifier: MIT */
/* Writes the recorded TDREPORT to standard output, for tests of the command. */
#include <stdio.h>

#include "recorded_report.h"

int main(void)
{
	uint8_t bytes[1024];

	recorded_report(bytes);
	return fwrite(bytes, 1, sizeof(bytes), stdout) != sizeof(bytes);
}
