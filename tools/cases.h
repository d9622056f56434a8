/* SPDX-License-Identifier: MIT */
/* Words that choose among the calls that swtdx locks and swtdx explore --pairs know. */
#ifndef TOOLS_CASES_H
#define TOOLS_CASES_H

#include <stdbool.h>

struct subject;

/* Is it chosen? All are when there are no words. */
bool case_chosen(const struct subject *s, char **words, int nwords);

/* False: a word chooses none, which has been told in the name of a verb. */
bool cases_known(const char *verb, char **words, int nwords);

#endif
