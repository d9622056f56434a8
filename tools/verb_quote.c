/* SPDX-License-Identifier: MIT */
/* swtdx quote: the test quote service on the command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <swtdx/attest.h>

#include "tools/file.h"
#include "tools/options.h"
#include "tools/quote_state.h"
#include "tools/verbs.h"

static int complain(const char *what, int rc)
{
	fprintf(stderr, "swtdx quote: %s: %s\n", what, strerror(-rc));
	return VERB_ENVIRONMENT;
}

static int show_root(const struct quote_service *s)
{
	size_t len;
	const char *root = quote_service_root(s, &len);
	int rc = file_write(NULL, root, len);

	return rc ? complain("standard output", rc) : VERB_OK;
}

static int sign(const struct quote_service *s, unsigned version, const char *path,
		const char *output)
{
	uint8_t quote[QUOTE_MAX], *bytes;
	char line[ATTEST_ERROR_TEXT];
	struct attest_error err;
	struct tdx_report r;
	size_t len;
	int rc;

	if (!output && isatty(STDOUT_FILENO)) {
		fprintf(stderr, "swtdx quote: a quote is binary: redirect it or use --output\n");
		return VERB_USAGE;
	}
	rc = file_read(path, 1u << 20, &bytes, &len);
	path = strcmp(path, "-") ? path : "<stdin>";
	if (rc)
		return complain(path, rc);
	rc = tdreport_parse(bytes, len, &r, &err);
	free(bytes);
	if (!rc)
		rc = quote_service_sign_as(s, version, &r, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE,
					   quote, sizeof(quote), &len, &err);
	if (rc == -EINVAL || rc == -EBADMSG) {
		fprintf(stderr, "swtdx quote: %s: %s\n", path,
			attest_error_text(&err, line, sizeof(line)));
		return VERB_DIFFERENCE;
	}
	if (rc)
		return complain("signing", rc);
	rc = file_write(output, quote, len);
	if (rc)
		return complain(output ? output : "standard output", rc);
	fprintf(stderr, "swtdx quote: %zu bytes, simulated: signed by a test service, not by TDX\n",
		len);
	return VERB_OK;
}

static int run(const char *dir, bool root, unsigned version, const char *path, const char *output)
{
	struct quote_service *s;
	char state[4096];
	int rc;

	rc = quote_state_path(dir, state, sizeof(state));
	if (rc)
		return complain("state directory", rc);
	rc = quote_state_open(state, true, &s);
	if (rc == -EINVAL) {
		fprintf(stderr, "swtdx quote: %s: not a quote service; remove it for a new one\n",
			state);
		return VERB_ENVIRONMENT;
	}
	if (rc)
		return complain(state, rc);
	rc = root ? show_root(s) : sign(s, version, path, output);
	quote_service_free(s);
	return rc;
}

int verb_quote(int argc, char **argv)
{
	const char *dir = NULL, *output = NULL;
	bool root = false;
	uint64_t version = 4;
	const struct verb_option options[] = {
		OPTION_FLAG("root", &root, "print the root certificate in PEM"),
		{.name = "output",
		 .takes = "FILE",
		 .letter = 'o',
		 .text = &output,
		 .help = "write the quote there instead of to standard output"},
		OPTION_NUMBER("version", "4|5", &version, 4, 5,
			      "of the quote: 4 (default), or 5 with the body of TDX 1.5"),
		OPTION_TEXT("state", "DIR", &dir, "keep the service in DIR"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"quote",
		"[--state DIR] [--version 4|5] [--output FILE] TDREPORT\n[--state DIR] --root",
		"Signs a quote of a simulated TDREPORT (- is standard input), or prints the root "
		"certificate that a verifier must be told to trust. The service and its root are "
		"made on "
		"first use.",
		NULL, options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (root && (argc || output))
		return options_wrong(&usage, "--root takes no TDREPORT and no --output");
	if (!root && argc != 1)
		return options_wrong(&usage, "one TDREPORT is needed");
	return run(dir, root, (unsigned)version, argv[0], output);
}
