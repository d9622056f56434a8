/* SPDX-License-Identifier: MIT */
/* Which module this one answers like. */
#ifndef MODULE_VERSION_H
#define MODULE_VERSION_H

enum {
	MODULE_BUILD_DATE = 20251001,
	MODULE_BUILD_NUM = 0,
	MODULE_MAJOR_VERSION = 1,
	MODULE_MINOR_VERSION = 5,
	MODULE_UPDATE_VERSION = 25,
	/* handing over to another module at run time */
	MODULE_HV = 1,
	MODULE_MIN_UPDATE_HV = 0,
	MODULE_NO_DOWNGRADE = 1,
	MODULE_HANDOFF_PAGES = 13,
};

#endif
