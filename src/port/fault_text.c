/* SPDX-License-Identifier: MIT */
/* Faults in words: the one grammar of every --fault. See <swtdx/model.h>. */
#include <swtdx/model.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/decode.h>
#include <swtdx/status.h>

enum { WORD = 64, LINE = 160, MAX_CPU = 255, MAX_VCPU = 65535 };

static const struct {
	const char *name;
	enum tdx_fault_kind kind;
} kinds[] = {
	{"busy", TDX_FAULT_BUSY},
	{"entropy", TDX_FAULT_ENTROPY},
	{"key", TDX_FAULT_KEY},
	{"key-busy", TDX_FAULT_KEY_BUSY},
	{"interrupt", TDX_FAULT_INTERRUPT},
};

/* What is left of one fault, and where to say what is wrong with it. */
struct reader {
	const char *p;
	char *err;
	size_t errlen;
};

__attribute__((format(printf, 2, 3))) static bool wrong(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->err, r->errlen, fmt, ap);
	va_end(ap);
	return false;
}

/* What is before one of the marks; false: more than there is of anything. */
static bool take_word(struct reader *r, const char *marks, char word[WORD])
{
	const size_t len = strcspn(r->p, marks);

	if (len >= WORD)
		return wrong(r, "\"%.32s...\" is no part of a fault", r->p);
	memcpy(word, r->p, len);
	word[len] = '\0';
	r->p += len;
	return true;
}

static bool number(const char *text, char **end, uint64_t *v)
{
	errno = 0;
	*v = *text >= '0' && *text <= '9' ? strtoull(text, end, 0) : 0;
	return *text >= '0' && *text <= '9' && !errno;
}

static bool take_number(struct reader *r, const char *of, uint64_t least, uint64_t most,
			uint64_t *v)
{
	char *end;

	if (!number(r->p, &end, v) || *v < least || *v > most)
		return wrong(r,
			     "%s of a fault takes a number from %" PRIu64 " to %" PRIu64
			     ", not \"%.*s\"",
			     of, least, most, (int)strcspn(r->p, "@#=x,"), r->p);
	r->p = end;
	return true;
}

static bool take_leaf(struct reader *r, struct tdx_fault *f)
{
	const struct tdx_leaf_info *leaf;
	char word[WORD], *end;
	uint64_t v;

	if (!take_word(r, "@#=,", word))
		return false;
	leaf = tdx_leaf_by_name(word);
	if (!leaf && number(word, &end, &v) && !*end && v < TDX_SEAMCALL_LEAVES)
		leaf = tdx_seamcall_leaf((unsigned)v);
	if (!leaf)
		return wrong(r, "\"%s\" is no leaf: a name, as TDH.MEM.PAGE.AUG, or its number",
			     word);
	if (leaf != tdx_seamcall_leaf(leaf->number))
		return wrong(r, "%s is a leaf of the guest's: faults are of a SEAMCALL's",
			     leaf->name);
	f->leaf = leaf->number;
	return true;
}

/* "@cpu=N", "@vcpu=N", "@gpa=ADDRESS". */
static bool take_where(struct reader *r, struct tdx_fault *f)
{
	const struct tdx_leaf_info *leaf = tdx_seamcall_leaf((unsigned)f->leaf);
	char word[WORD];
	uint64_t v;

	if (!take_word(r, "@#=,", word))
		return false;
	if (*r->p != '=')
		return wrong(r, "@%s of a fault: @cpu=N, @vcpu=N and @gpa=ADDRESS say where", word);
	r->p++;
	if (strcmp(word, "cpu") == 0) {
		if (!take_number(r, "@cpu", 0, MAX_CPU, &v))
			return false;
		f->cpu = (int)v;
	} else if (strcmp(word, "vcpu") == 0) {
		if (!take_number(r, "@vcpu", 0, MAX_VCPU, &v))
			return false;
		f->by_vcpu = true;
		f->vcpu = (unsigned)v;
	} else if (strcmp(word, "gpa") == 0) {
		if (!take_number(r, "@gpa", 0, (1ull << 52) - 1, &v))
			return false;
		if (tdx_leaf_operand_register(leaf, "GPA") < 0)
			return wrong(r, "%s takes no GPA", leaf->name);
		f->by_gpa = true;
		f->gpa = gpa(v);
	} else {
		return wrong(r, "@%s of a fault: @cpu=N, @vcpu=N and @gpa=ADDRESS say where", word);
	}
	return true;
}

/* "#N", "#NxTIMES". */
static bool take_count(struct reader *r, struct tdx_fault *f)
{
	if (!take_number(r, "#", 1, UINT64_MAX, &f->nth))
		return false;
	if (*r->p != 'x')
		return true;
	r->p++;
	return take_number(r, "x", 0, UINT64_MAX, &f->times);
}

static bool operand_by_name(const char *name, enum tdx_operand *op)
{
	for (size_t i = 0; tdx_operand_at(i, op); i++)
		if (tdx_operand_name(*op) && strcmp(tdx_operand_name(*op), name) == 0)
			return true;
	return false;
}

/* A name, a name and its operand, or a number. */
static bool status(char *text, struct tdx_status *s)
{
	const struct tdx_status_info *info;
	char *bar = strchr(text, '|'), *end;
	enum tdx_operand op;

	if (number(text, &end, &s->raw))
		return !*end;
	if (bar)
		*bar = '\0';
	info = tdx_status_by_name(text);
	if (!info || (bar && !operand_by_name(bar + 1, &op)))
		return false;
	*s = bar ? tdx_error_op(info->code, op) : tdx_error(info->code);
	return true;
}

static bool take_status(struct reader *r, struct tdx_fault *f)
{
	char word[WORD], copy[WORD];

	if (!take_word(r, ",", word))
		return false;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, word) == 0) {
			f->kind = kinds[i].kind;
			return true;
		}
	}
	memcpy(copy, word, sizeof(copy));
	if (status(copy, &f->status))
		return true;
	return wrong(r,
		     "\"%s\" is no status: a name, as TDX_OPERAND_BUSY|SEPT_TREE, a number, or "
		     "busy, entropy, key, key-busy or interrupt",
		     word);
}

static bool take_fault(struct reader *r, struct tdx_fault *f)
{
	*f = (struct tdx_fault){.kind = TDX_FAULT_STATUS, .cpu = -1, .nth = 1, .times = 1};
	if (!take_leaf(r, f))
		return false;
	for (;;) {
		bool good;

		switch (*r->p) {
		case '@':
			r->p++;
			good = take_where(r, f);
			break;
		case '#':
			r->p++;
			good = take_count(r, f);
			break;
		case '=':
			r->p++;
			return take_status(r, f);
		default:
			return wrong(r, "a fault is " TDX_FAULT_SYNTAX ", \"%.32s\" is not", r->p);
		}
		if (!good)
			return false;
	}
}

int tdx_faults_parse(const char *text, struct tdx_fault *fault, unsigned max, char *err,
		     size_t errlen)
{
	struct reader r = {text, err, errlen};
	unsigned n = 0;

	for (;; r.p++) {
		if (n == max) {
			wrong(&r, "at most %u faults", max);
			return -E2BIG;
		}
		if (!take_fault(&r, &fault[n++]))
			return -EINVAL;
		if (*r.p != ',')
			return (int)n;
	}
}

const char *tdx_fault_format(const struct tdx_fault *f, char *buf, size_t len)
{
	const struct tdx_leaf_info *leaf =
		f->leaf < 0 ? NULL : tdx_seamcall_leaf((unsigned)f->leaf);
	char where[WORD] = "", count[WORD] = "", name[TDX_STATUS_FORMAT_MAX], line[LINE];
	const char *what = NULL;
	size_t used = 0;

	if (f->cpu >= 0)
		used += (size_t)snprintf(where, sizeof(where), "@cpu=%d", f->cpu);
	if (f->by_vcpu)
		used += (size_t)snprintf(where + used, sizeof(where) - used, "@vcpu=%u", f->vcpu);
	if (f->by_gpa)
		snprintf(where + used, sizeof(where) - used, "@gpa=0x%" PRIx64, f->gpa.v);
	used = (size_t)snprintf(count, sizeof(count), "#%" PRIu64, f->nth ? f->nth : 1);
	if (f->times != 1)
		snprintf(count + used, sizeof(count) - used, "x%" PRIu64, f->times);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == f->kind)
			what = kinds[i].name;
	if (!what)
		what = f->kind == TDX_FAULT_STOP ? "stop"
						 : tdx_status_format(f->status, name, sizeof(name));
	snprintf(line, sizeof(line), "%s%s%s", leaf ? leaf->name : "any", where, count);
	snprintf(buf, len, "%s=%s", line, what);
	return buf;
}
