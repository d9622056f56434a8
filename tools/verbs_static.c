/* SPDX-License-Identifier: MIT */
/* The verbs that run guests, in the program that cannot. */
#include <stdio.h>

#include "tools/verbs.h"

static int has_no_processor(const char *verb)
{
	fprintf(stderr,
		"swtdx %s: this is swtdx-static, which was built without the processor and runs no "
		"guest; the swtdx command with shared libraries does\n",
		verb);
	return VERB_ENVIRONMENT;
}

int verb_run(int argc, char **argv)
{
	(void)argc;
	return has_no_processor(argv[0]);
}

int verb_host(int argc, char **argv)
{
	(void)argc;
	return has_no_processor(argv[0]);
}

int verb_kvm(int argc, char **argv)
{
	(void)argc;
	return has_no_processor(argv[0]);
}
