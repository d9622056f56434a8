/* SPDX-License-Identifier: MIT */
/* swtdx run: what happened, for people and as JSON. */
#include "tools/json_print.h"
#include "tools/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <swtdx/x86.h>

#include "tools/file.h"
#include "tools/hex.h"

static void read_measurements(struct run_session *s)
{
	const struct tdx_report *r = (const struct tdx_report *)(const void *)s->guest.report;

	if (!s->guest.has_report)
		return;
	s->mrtd = r->td_info.mrtd;
	memcpy(s->rtmr, r->td_info.rtmr, sizeof(s->rtmr));
}

static const enum tdx_page_type page_types[] = {TDX_PT_TDR, TDX_PT_TDCX, TDX_PT_TDVPR, TDX_PT_EPT,
						TDX_PT_REG};
enum { PAGE_TYPES = sizeof(page_types) / sizeof(page_types[0]) };

static void print_pages(FILE *out, const char *when, const uint64_t *count)
{
	fprintf(out, "pages %-9s", when);
	for (unsigned i = 0; i < PAGE_TYPES; i++)
		fprintf(out, " %s %" PRIu64, tdx_page_type_name(page_types[i]),
			count[page_types[i]]);
	fputc('\n', out);
}

static json_t *pages_json(const uint64_t *count)
{
	json_t *pages = json_object();

	for (unsigned i = 0; i < PAGE_TYPES; i++)
		json_object_set_new(pages, tdx_page_type_name(page_types[i]),
				    json_integer((json_int_t)count[page_types[i]]));
	return pages;
}

static json_t *coherency_json(struct run_session *s)
{
	json_t *reports = json_array();
	char text[512];

	for (unsigned i = 0; i < tdx_model_coherency(s->model, i, text, sizeof(text)) && text[0];
	     i++)
		json_array_append_new(reports, json_string(text));
	return reports;
}

static void print_summary(struct run_session *s, FILE *out, const struct tdx_vmm_memory *m,
			  uint64_t stale)
{
	struct tdx_model_stats st;
	char text[2 * TDX_SHA384_SIZE + 1];

	tdx_model_stats(s->model, &st);
	fputs("\nleaf                       calls   errors    total ms   mean ns\n", out);
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		if (st.calls[i])
			fprintf(out, "%-24s %7" PRIu64 "  %7" PRIu64 "  %10.3f  %8" PRIu64 "\n",
				tdx_seamcall_leaf(i)->name, st.calls[i], st.errors[i],
				(double)st.ns[i] / 1e6, st.ns[i] / st.calls[i]);
	fputc('\n', out);
	if (s->guest.has_report) {
		hex_text(text, s->mrtd.b, TDX_SHA384_SIZE);
		fprintf(out, "MRTD   %s\n", text);
		for (unsigned i = 0; i < TDX_RTMRS; i++) {
			hex_text(text, s->rtmr[i].b, TDX_SHA384_SIZE);
			fprintf(out, "RTMR%u  %s\n", i, text);
		}
	}
	print_pages(out, "running", s->peak);
	print_pages(out, "at end", s->end);
	fprintf(out,
		"owned by the module at the end: %" PRIu64
		" pages; dirty lines under a freed KeyID: %" PRIu64 "; quarantined: %" PRIu64
		" pages\n",
		s->end_sum, stale, m->quarantined_pages);
	fprintf(out, "PAMT: %" PRIu64 " KiB, %s; while the TD ran %" PRIu64 " KiB\n",
		4 * m->pamt_pages, m->dynamic_pamt ? "dynamic" : "static",
		4 * s->running_memory.pamt_pages);
	run_hostile_print(&s->hostile, s->model, out);
	fprintf(out, "cache duties that the host forgot: %u\n",
		tdx_model_coherency(s->model, 0, NULL, 0));
	if (s->engine)
		fprintf(out, "guest: %" PRIu64 " instructions in %.3f s\n",
			tdx_x86_engine_instructions(s->engine), s->running);
	fprintf(out, "time %.3f s; everything above is simulated\n", run_seconds(s));
}

static void put_measurements(json_t *root, const struct run_session *s)
{
	char text[2 * TDX_SHA384_SIZE + 1];
	json_t *rtmrs = json_array();

	for (unsigned i = 0; i < TDX_RTMRS; i++) {
		hex_text(text, s->rtmr[i].b, TDX_SHA384_SIZE);
		json_array_append_new(rtmrs, json_string(text));
	}
	hex_text(text, s->mrtd.b, TDX_SHA384_SIZE);
	json_object_set_new(root, "mrtd", json_string(text));
	json_object_set_new(root, "rtmr", rtmrs);
}

static void print_json(struct run_session *s, FILE *out, const struct tdx_vmm_memory *m,
		       uint64_t stale)
{
	struct tdx_model_stats st;
	json_t *calls = json_object(), *root;

	tdx_model_stats(s->model, &st);
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		if (st.calls[i])
			json_object_set_new(calls, tdx_seamcall_leaf(i)->name,
					    json_pack("{s:I,s:I,s:I}", "calls",
						      (json_int_t)st.calls[i], "errors",
						      (json_int_t)st.errors[i], "ns",
						      (json_int_t)st.ns[i]));
	root = json_pack("{s:s,s:b,s:o,s:o,s:o,s:I,s:I,s:I,s:f}", "schema", "swtdx.run/1",
			 "simulated", 1, "calls", calls, "pages_running", pages_json(s->peak),
			 "pages_at_end", pages_json(s->end), "pages_owned_at_end",
			 (json_int_t)s->end_sum, "stale_lines", (json_int_t)stale,
			 "quarantined_pages", (json_int_t)m->quarantined_pages, "seconds",
			 run_seconds(s));
	if (s->guest.has_report)
		put_measurements(root, s);
	json_object_set_new(root, "pamt_kib",
			    json_integer((json_int_t)(4 * s->running_memory.pamt_pages)));
	json_object_set_new(root, "map_gpa", run_hostile_json(&s->hostile, s->model));
	json_object_set_new(root, "coherency", coherency_json(s));
	if (s->engine)
		json_object_set_new(root, "guest",
				    json_pack("{s:I,s:f}", "instructions",
					      (json_int_t)tdx_x86_engine_instructions(s->engine),
					      "seconds", s->running));
	json_print(out, root, JSON_INDENT(1));
}

int run_summary(struct run_session *s, const struct tdx_vmm_memory *m, uint64_t stale_lines)
{
	FILE *out = s->summary ? s->summary : stdout;

	read_measurements(s);
	if (s->o.json)
		print_json(s, out, m, stale_lines);
	else
		print_summary(s, out, m, stale_lines);
	s->summary = NULL;
	return file_close(out);
}
