/* SPDX-License-Identifier: MIT */
/* What a trace can be turned into. All write to a stream and say nothing else; errors are the
 * stream's. */
#ifndef TRACE_TRACE_SHOW_H
#define TRACE_TRACE_SHOW_H

#include <stdio.h>

#include "trace/trace.h"

/* One line a record; with `locks` one more for each. */
void trace_print(FILE *out, const struct trace_file *f, bool locks);

/* Trace Event Format, as Perfetto and chrome://tracing read it: processors are lanes, calls and
 * guests slices, locks slices within calls. */
void trace_perfetto(FILE *out, const struct trace_file *f);

/* Indices of the records in an order in which calls that overlapped answer the same one after the
 * other; by number where none did. The caller frees it; NULL: out of memory. */
size_t *trace_order(const struct trace_file *f);

/* The vector language, each call with what it answered, in that order. A lock that another
 * processor had is held by an agent around the call it turned away. */
void trace_vectors(FILE *out, const struct trace_file *f);

/* Calls in order, without times: prints at most `max` differences, returns how many there are. */
unsigned trace_diff(FILE *out, const struct trace_file *a, const struct trace_file *b,
		    unsigned max);

/* A record's text and the line's end. */
void trace_put_text(FILE *out, const struct trace_record *r);

/* The leaf's row for a call; NULL for other exits and unknown leaves. */
const struct tdx_leaf_info *trace_leaf(const struct trace_record *r);

#endif
