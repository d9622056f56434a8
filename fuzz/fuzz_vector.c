/* SPDX-License-Identifier: MIT */
/* Lines of the vector language and scenarios of unknown origin: parsed; vectors also run, on a
 * machine of a fixed size, since a platform line may ask for more memory than there is. */
#include <stdlib.h>
#include <string.h>

#include "trace/scenario.h"
#include "trace/vecrun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void scenario(const char *text)
{
	struct scenario *s = malloc(sizeof(*s));
	char err[256];

	if (s) {
		scenario_parse(s, text, err, sizeof(err));
		scenario_free(s);
	}
	free(s);
}

static void lines(char *text)
{
	for (char *l = text, *next; *l; l = next) {
		struct vec_step s;
		char err[64];

		next = strchrnul(l, '\n');
		if (*next)
			*next++ = '\0';
		vec_parse(l, &s, err, sizeof(err));
	}
}

static void run(const char *text)
{
	static const char platform[] =
		"platform mem=0x80000000 cmr=0x100000+0x7af00000 maxpa=52 keyid_bits=6 keyids=64 "
		"tdx_keyids=32 lps=2 pkgs=1 wb_blocks=4 seed=1\n"
		"seamcall 0 TDH.SYS.INIT -> rax=0x0\nseamcall 0 TDH.SYS.LP.INIT -> rax=0x0\n";
	struct vecrun_options opt = {.keep_going = true};
	struct vecrun_result res;
	char *all = malloc(sizeof(platform) + strlen(text));

	if (!all || strstr(text, "platform") || strstr(text, "repeat") || strstr(text, "fill")) {
		free(all);
		return;
	}
	strcpy(all, platform);
	strcat(all, text);
	vecrun_text(all, &opt, &res);
	free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *copy;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	scenario(text);
	copy = strdup(text);
	if (copy)
		lines(copy);
	free(copy);
	run(text);
	free(text);
	return 0;
}
