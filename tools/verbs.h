/* SPDX-License-Identifier: MIT */
/* The verbs of the swtdx command: one function each, called with argv[0] = the verb's name, and the
 * four ways in which they end. */
#ifndef TOOLS_VERBS_H
#define TOOLS_VERBS_H

enum verb_exit {
	VERB_OK = 0,
	VERB_DIFFERENCE = 1,  /* a difference, a violation, a bad input */
	VERB_USAGE = 2,	      /* wrong words on the command line */
	VERB_ENVIRONMENT = 3, /* a file that is not there, no memory, ... */
};

int verb_decode(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_eventlog(int argc, char **argv);
int verb_explore(int argc, char **argv);
int verb_host(int argc, char **argv);
int verb_kvm(int argc, char **argv);
int verb_locks(int argc, char **argv);
int verb_measure(int argc, char **argv);
int verb_migrate(int argc, char **argv);
int verb_quote(int argc, char **argv);
int verb_record(int argc, char **argv);
int verb_replay(int argc, char **argv);
int verb_report(int argc, char **argv);
int verb_run(int argc, char **argv);
int verb_seamldr(int argc, char **argv);

#endif
