/* SPDX-License-Identifier: MIT */
/* swtdx quote: the test quote service on the command line. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <swtdx/attest.h>

#include "tools/file.h"
#include "tools/quote_state.h"
#include "tools/verbs.h"

static const char usage[] =
	"usage: swtdx quote [--state DIR] [--output FILE] TDREPORT\n"
	"       swtdx quote [--state DIR] --root\n"
	"\n"
	"Signs a quote of a simulated TDREPORT (- is standard input), or prints the root\n"
	"certificate that a verifier must be told to trust. The service and its root are\n"
	"made on first use.\n"
	"  --root         print the root certificate in PEM\n"
	"  --output FILE  write the quote there instead of to standard output\n"
	"  --state DIR    keep the service in DIR\n";

static int put(const char *path, const void *data, size_t len)
{
	FILE *f = path ? fopen(path, "wb") : stdout;
	bool ok;

	if (!f)
		return -errno;
	errno = 0;
	ok = fwrite(data, 1, len, f) == len && !fflush(f);
	if (path && fclose(f))
		ok = false;
	return ok ? 0 : errno ? -errno : -EIO;
}

static int complain(const char *what, int rc)
{
	fprintf(stderr, "swtdx quote: %s: %s\n", what, strerror(-rc));
	return VERB_ENVIRONMENT;
}

static int show_root(const struct quote_service *s)
{
	size_t len;
	const char *root = quote_service_root(s, &len);
	int rc = put(NULL, root, len);

	return rc ? complain("standard output", rc) : VERB_OK;
}

static int sign(const struct quote_service *s, const char *path, const char *output)
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
	rc = file_read(path, sizeof(r) + 1, &bytes, &len);
	if (rc)
		return complain(path, rc);
	rc = tdreport_parse(bytes, len, &r, &err);
	free(bytes);
	if (!rc)
		rc = quote_service_sign(s, &r, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE, quote,
					sizeof(quote), &len, &err);
	if (rc == -EINVAL || rc == -EBADMSG) {
		fprintf(stderr, "swtdx quote: %s: %s\n", path,
			attest_error_text(&err, line, sizeof(line)));
		return VERB_DIFFERENCE;
	}
	if (rc)
		return complain("signing", rc);
	rc = put(output, quote, len);
	if (rc)
		return complain(output ? output : "standard output", rc);
	fprintf(stderr, "swtdx quote: %zu bytes, simulated: signed by a test service, not by TDX\n",
		len);
	return VERB_OK;
}

static int run(const char *dir, bool root, const char *path, const char *output)
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
	rc = root ? show_root(s) : sign(s, path, output);
	quote_service_free(s);
	return rc;
}

int verb_quote(int argc, char **argv)
{
	static const struct option options[] = {
		{"root", no_argument, NULL, 'r'},
		{"output", required_argument, NULL, 'o'},
		{"state", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *dir = NULL, *output = NULL;
	bool root = false;
	int c;

	while ((c = getopt_long(argc, argv, "ho:", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			root = true;
			break;
		case 'o':
			output = optarg;
			break;
		case 's':
			dir = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return VERB_OK;
		default:
			fputs(usage, stderr);
			return VERB_USAGE;
		}
	}
	if (argc - optind != (root ? 0 : 1) || (root && output)) {
		fputs(usage, stderr);
		return VERB_USAGE;
	}
	return run(dir, root, root ? NULL : argv[optind], output);
}
