/* SPDX-License-Identifier: MIT */
/* See cases.h. */
#include "tools/cases.h"

#include <stdio.h>

#include "tools/text.h"
#include "trace/subject.h"

bool case_chosen(const struct subject *s, char **words, int nwords)
{
	for (int i = 0; i < nwords; i++)
		if (subject_matches(s, words[i]))
			return true;
	return nwords == 0;
}

static bool known(const char *word, struct text_nearest *near)
{
	for (unsigned i = 0; i < num_subjects; i++) {
		if (subject_matches(&subjects[i], word))
			return true;
		text_nearer(near, word, subjects[i].name);
		text_nearer(near, word, subjects[i].title);
		/* "mem.page.aug" */
		text_nearer(near, word, subjects[i].title + 4);
	}
	return false;
}

bool cases_known(const char *verb, char **words, int nwords)
{
	for (int i = 0; i < nwords; i++) {
		struct text_nearest near = {0};

		if (known(words[i], &near))
			continue;
		fprintf(stderr, "swtdx %s: there is no case or leaf \"%s\"; ", verb, words[i]);
		if (near.name)
			fprintf(stderr, "did you mean %s?\n", near.name);
		else
			fprintf(stderr, "\"swtdx locks\" lists them\n");
		return false;
	}
	return true;
}
