/* SPDX-License-Identifier: MIT */
/* swtdx quote: the test quote service on the command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <swtdx/attest.h>

#include "tools/evidence.h"
#include "tools/file.h"
#include "tools/options.h"
#include "tools/quote_serve.h"
#include "tools/quote_state.h"
#include "tools/verbs.h"

struct request {
	const char *state, *output, *serve, *collateral;
	bool root;
	uint64_t version, count;
	unsigned fault;
	const char *path;
};

static int complain(const char *what, int rc)
{
	fprintf(stderr, "swtdx quote: %s: %s\n", what, strerror(-rc));
	return VERB_ENVIRONMENT;
}

static int show_root(const struct tdx_quote_service *s)
{
	size_t len;
	const char *root = tdx_quote_service_root(s, &len);
	int rc = file_write(NULL, root, len);

	return rc ? complain("standard output", rc) : VERB_OK;
}

/* The TDREPORT in whatever it is wrapped in. */
static int read_report(const char *path, struct tdx_report *r)
{
	const char *name = strcmp(path, "-") ? path : "<stdin>";
	const struct evidence_item *item;
	char line[TDX_ATTEST_ERROR_TEXT];
	struct tdx_attest_error err;
	struct evidence all;
	int rc = evidence_read(path, &all);

	if (rc)
		return complain(name, rc);
	item = evidence_find(&all, EVIDENCE_REPORT);
	if (!item) {
		fprintf(stderr, "swtdx quote: %s: not a TDREPORT\n", name);
		evidence_free(&all);
		return VERB_DIFFERENCE;
	}
	rc = tdx_report_parse(item->bytes, item->len, r, &err);
	evidence_free(&all);
	if (!rc)
		return VERB_OK;
	fprintf(stderr, "swtdx quote: %s: %s\n", name,
		tdx_attest_error_text(&err, line, sizeof(line)));
	return VERB_DIFFERENCE;
}

static int sign(const struct tdx_quote_service *s, const struct request *q)
{
	uint8_t quote[TDX_QUOTE_MAX];
	char line[TDX_ATTEST_ERROR_TEXT];
	struct tdx_attest_error err;
	struct tdx_report r;
	size_t len;
	int rc;

	if (!q->output && isatty(STDOUT_FILENO)) {
		fprintf(stderr, "swtdx quote: a quote is binary: redirect it or use --output\n");
		return VERB_USAGE;
	}
	rc = read_report(q->path, &r);
	if (rc)
		return rc;
	rc = tdx_quote_service_sign_as(s, (unsigned)q->version, &r, SWTDX_REPORT_KEY,
				       SWTDX_REPORT_KEY_SIZE, quote, sizeof(quote), &len, &err);
	if (rc == -EBADMSG) {
		fprintf(stderr, "swtdx quote: %s: %s\n", q->path,
			tdx_attest_error_text(&err, line, sizeof(line)));
		return VERB_DIFFERENCE;
	}
	if (rc)
		return complain("signing", rc);
	rc = file_write(q->output, quote, len);
	if (rc)
		return complain(q->output ? q->output : "standard output", rc);
	fprintf(stderr, "swtdx quote: %zu bytes, simulated: signed by a test service, not by TDX\n",
		len);
	return VERB_OK;
}

static int write_collateral(const struct tdx_quote_service *s, const struct request *q)
{
	struct tdx_quote_files files;
	char path[4096];
	int rc =
		tdx_quote_service_collateral(s, (enum tdx_quote_fault)q->fault, time(NULL), &files);

	if (rc == -ENODATA) {
		fprintf(stderr,
			"swtdx quote: the service was made by an earlier version and has no "
			"collateral; remove it for a new one, or use --state\n");
		return VERB_ENVIRONMENT;
	}
	if (rc)
		return complain("collateral", rc);
	if (mkdir(q->collateral, 0777) && errno != EEXIST)
		rc = complain(q->collateral, -errno);
	for (unsigned i = 0; i < files.n && !rc; i++) {
		snprintf(path, sizeof(path), "%s/%s", q->collateral, files.file[i].name);
		rc = file_write(path, files.file[i].data, files.file[i].len);
		rc = rc ? complain(path, rc) : 0;
	}
	tdx_quote_files_free(&files);
	return rc;
}

static int act(const struct tdx_quote_service *s, const struct request *q)
{
	int rc = q->collateral ? write_collateral(s, q) : VERB_OK;

	if (rc)
		return rc;
	if (q->root)
		return show_root(s);
	if (q->serve) {
		rc = quote_serve(s, (unsigned)q->version, q->serve, q->count);
		return rc ? complain(q->serve, rc) : VERB_OK;
	}
	return q->path ? sign(s, q) : VERB_OK;
}

static int run(const struct request *q)
{
	struct tdx_quote_service *s, *with;
	char state[4096];
	int rc;

	rc = quote_state_path(q->state, state, sizeof(state));
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
	rc = tdx_quote_service_with(s, (enum tdx_quote_fault)q->fault, time(NULL), &with);
	tdx_quote_service_free(s);
	if (rc)
		return complain(state, rc);
	rc = act(with, q);
	tdx_quote_service_free(with);
	return rc;
}

int verb_quote(int argc, char **argv)
{
	struct request q = {.version = 4};
	const struct verb_option options[] = {
		OPTION_FLAG("root", &q.root, "print the root certificate in PEM"),
		{.name = "output",
		 .takes = "FILE",
		 .letter = 'o',
		 .text = &q.output,
		 .help = "write the quote there instead of to standard output"},
		OPTION_NUMBER("version", "4|5", &q.version, 4, 5,
			      "of the quote: 4 (default), or 5 with the body of TDX 1.5"),
		OPTION_TEXT("collateral", "DIR", &q.collateral,
			    "write the collateral that goes with the service's quotes to DIR"),
		OPTION_CHOICE("fault",
			      "none|revoked|revoked-ca|expired|expired-pck|sw-hardening-needed|"
			      "configuration-needed|configuration-and-sw-hardening-needed|"
			      "out-of-date|out-of-date-configuration-needed|revoked-tcb|old-module|"
			      "old-qe|wrong-fmspc|wrong-identity|bad-signature",
			      &q.fault,
			      "what is to be wrong with collateral or quote, to test a verifier's "
			      "refusal"),
		OPTION_TEXT("serve", "SOCKET", &q.serve,
			    "answer requests at the path of a Unix socket or at vsock:PORT, as a "
			    "quote generation service does"),
		OPTION_NUMBER("count", "N", &q.count, 1, UINT64_MAX,
			      "serve N connections, then end"),
		OPTION_TEXT("state", "DIR", &q.state, "keep the service in DIR"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"quote",
		"[OPTION]... [--output FILE] TDREPORT\n[OPTION]... --serve SOCKET [--count N]\n"
		"[OPTION]... --collateral DIR\n[--state DIR] --root",
		"Signs a quote of a simulated TDREPORT (- is standard input), answers requests for "
		"quotes, writes collateral, or prints the root certificate that a verifier must be "
		"told to trust. The service and its root are made on first use.",
		NULL, options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (q.root && (argc || q.output || q.serve))
		return options_wrong(&usage, "--root takes no TDREPORT, --output or --serve");
	if (q.serve && (argc || q.output))
		return options_wrong(&usage, "--serve takes no TDREPORT and no --output");
	if (q.count && !q.serve)
		return options_wrong(&usage, "--count goes with --serve");
	if (argc > 1 || (!argc && !q.root && !q.serve && !q.collateral))
		return options_wrong(&usage, "one TDREPORT is needed");
	q.path = argc ? argv[0] : NULL;
	return run(&q);
}
