/* SPDX-License-Identifier: MIT */
/* Versions of the TDX module: which are too old for which hosts. */
#include <stddef.h>

#include "tools/doctor.h"

/* The first build of 1.5.06, which has NO_RBP_MOD. Kernels print the build and not always the
 * update. */
enum { BUILD_1_5_06 = 744 };

const char *doctor_module_fault(unsigned major, unsigned minor, unsigned update, unsigned build,
				const char **hint)
{
	bool told = update || build;

	*hint = NULL;
	if (major > 1 || (major == 1 && minor > 5))
		return NULL;
	if (major < 1 || minor < 5) {
		*hint = "module 1.0: Linux and KVM need 1.5 or newer; a newer BIOS may bring it";
		return "a module before 1.5, with another interface than Linux uses";
	}
	if (told && ((build && build < BUILD_1_5_06) || (!build && update < 6))) {
		*hint = "load 1.5.06 or newer (build 744 or newer), most easily with a newer BIOS: "
			"Linux since 6.15 refuses this one, older kernels meet exits they do not "
			"know";
		return "a module before NO_RBP_MOD: it does not keep the host's RBP";
	}
	return NULL;
}
