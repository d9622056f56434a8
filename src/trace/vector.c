/* SPDX-License-Identifier: MIT */
/* Reading the vector language. */
#include "trace/vector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/leaf.h>

const char *const vec_reg_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
				       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

struct cursor {
	char *p;
	char *err;
	size_t errlen;
};

const char *vec_quoted(const char *word, char buf[VEC_QUOTED])
{
	snprintf(buf, VEC_QUOTED, "\"%.*s\"", VEC_QUOTED - 3, word);
	for (char *p = buf; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return buf;
}

static bool fail(struct cursor *c, const char *what, const char *token)
{
	char quoted[VEC_QUOTED];

	snprintf(c->err, c->errlen, "%s %s", what,
		 token ? vec_quoted(token, quoted) : "the end of the line");
	return false;
}

/* The next token, NULL at the end. */
static char *next(struct cursor *c)
{
	char *t;

	while (*c->p == ' ')
		c->p++;
	if (!*c->p)
		return NULL;
	t = c->p;
	while (*c->p && *c->p != ' ')
		c->p++;
	if (*c->p)
		*c->p++ = '\0';
	return t;
}

static bool number(const char *t, uint64_t *v)
{
	char *end;

	if (!t || !*t)
		return false;
	errno = 0;
	*v = *t == '-' ? (uint64_t)strtoll(t, &end, 0) : strtoull(t, &end, 0);
	return *end == '\0' && errno == 0;
}

static bool want_number(struct cursor *c, uint64_t *v)
{
	char *t = next(c);

	return number(t, v) || fail(c, "a number was expected, not", t);
}

static int reg_index(const char *name)
{
	for (int i = 0; i < 16; i++)
		if (strcmp(vec_reg_names[i], name) == 0)
			return i;
	return -1;
}

/* A letter, then letters and digits; returns what follows, NULL when it is no name. */
static char *name_end(char *t)
{
	char *p = t;

	if (*p < 'a' || *p > 'z')
		return NULL;
	while ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'))
		p++;
	return p - t < VEC_NAME_LEN ? p : NULL;
}

/* "$name", of an input also "$name+N", "$name-N" and "$name^N". */
static bool captured(struct cursor *c, char *t, bool input, struct vec_regs *r, int i)
{
	char *end = name_end(t), op;
	uint64_t n = 0;

	if (!end)
		return fail(c, "a name of a captured value was expected, not", t);
	op = *end;
	if (op && (!input || !strchr("+-^", op) || end[1] == '-' || !number(end + 1, &n)))
		return fail(c,
			    input ? "+, - or ^ and a number were expected, not"
				  : "nothing may follow a name here, not",
			    end);
	*end = '\0';
	r->named |= 1u << i;
	r->name[i] = t;
	r->op[i] = op;
	*tdx_reg(&r->v, (unsigned)i) = n;
	return true;
}

/* "reg=value" into r. */
static bool reg_token(struct cursor *c, char *t, bool input, struct vec_regs *r)
{
	char *eq = strchr(t, '=');
	uint64_t v = 0;
	int i;

	if (!eq)
		return fail(c, "register=value was expected, not", t);
	*eq = '\0';
	i = reg_index(t);
	if (i < 0)
		return fail(c, "no such register", t);
	r->mask |= 1u << i;
	r->named &= ~(1u << i);
	if (eq[1] == '$')
		return captured(c, eq + 2, input, r, i);
	if (strcmp(eq + 1, "?") == 0)
		r->any |= 1u << i;
	else if (!number(eq + 1, &v))
		return fail(c, "not a number", eq + 1);
	*tdx_reg(&r->v, (unsigned)i) = v;
	return true;
}

static bool outcome(struct cursor *c, struct vec_step *s)
{
	char *t = next(c);
	uint64_t v;

	s->outcome = VEC_OUT_REGS;
	if (!t)
		return fail(c, "an outcome was expected, not", t);
	if (strcmp(t, "exit") == 0)
		s->outcome = VEC_OUT_EXIT;
	else if (strcmp(t, "resume") == 0)
		s->outcome = VEC_OUT_RESUME;
	else if (strcmp(t, "shutdown") == 0)
		s->outcome = VEC_OUT_SHUTDOWN;
	else if (strcmp(t, "inject") == 0)
		s->outcome = VEC_OUT_INJECT;
	if (s->outcome == VEC_OUT_INJECT) {
		while ((t = next(c))) {
			if (strncmp(t, "vec=", 4) == 0 && number(t + 4, &v))
				s->vector = (unsigned)v;
			else if (strncmp(t, "err=", 4) == 0 && number(t + 4, &v)) {
				s->has_error = true;
				s->error = (uint32_t)v;
			} else
				return fail(c, "vec= or err= was expected, not", t);
		}
		return true;
	}
	if (s->outcome != VEC_OUT_REGS) {
		t = next(c);
		return !t || fail(c, "nothing may follow here, not", t);
	}
	do
		if (!reg_token(c, t, false, &s->out))
			return false;
	while ((t = next(c)));
	return true;
}

/* Registers up to "->" and the outcome after it, if any. */
static bool regs_and_outcome(struct cursor *c, struct vec_step *s)
{
	char *t;

	while ((t = next(c)) && strcmp(t, "->") != 0)
		if (!reg_token(c, t, true, &s->in))
			return false;
	return !t || outcome(c, s);
}

/* "TDH.X.Y", "TDH.X.Y/1", "63", "63/2" or "RAX:0x..." */
static bool leaf(struct cursor *c, struct vec_step *s, bool guest)
{
	char *t = next(c), *slash;
	const struct tdx_leaf_info *info;
	uint64_t num, version = 0;

	if (!t)
		return fail(c, "a leaf was expected, not", t);
	s->label = t;
	if (strncmp(t, "RAX:", 4) == 0)
		return number(t + 4, &s->rax) || fail(c, "not a number", t + 4);
	slash = strchr(t, '/');
	if (slash && !number(slash + 1, &version))
		return fail(c, "not a version", slash + 1);
	if (slash)
		*slash = '\0';
	if (!number(t, &num)) {
		info = tdx_leaf_by_name(t);
		if (!info || (t[2] == 'G') != guest)
			return fail(c, "no such leaf", t);
		num = info->number;
	}
	if (slash)
		*slash = '/';
	s->rax = tdx_rax((unsigned)num, (unsigned)version);
	return true;
}

/* "lacking_7_0_edx=0x800000": bits that the processors of the recorded machine had not. */
#define LACKING "lacking_7_"

static bool lacking(const char *key, uint32_t bits, uint32_t to[2][4])
{
	static const char *const registers[] = {"eax", "ebx", "ecx", "edx"};

	if ((key[0] != '0' && key[0] != '1') || key[1] != '_')
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (strcmp(key + 2, registers[i]) == 0) {
			to[key[0] - '0'][i] = bits;
			return true;
		}
	return false;
}

static bool platform(struct cursor *c, struct vec_step *s)
{
	char *t;

	while ((t = next(c))) {
		char *eq = strchr(t, '='), *p;
		uint64_t v = 0;

		if (!eq)
			return fail(c, "key=value was expected, not", t);
		*eq++ = '\0';
		if (strcmp(t, "cmr") == 0) {
			for (p = eq; *p; p = *p == ',' ? p + 1 : p) {
				unsigned n = s->platform.ncmr;

				if (n == 32)
					return fail(c, "more than 32 CMRs at", p);
				s->platform.cmr[n].base = strtoull(p, &p, 0);
				if (*p++ != '+')
					return fail(c, "base+size was expected, not", eq);
				s->platform.cmr[n].size = strtoull(p, &p, 0);
				s->platform.ncmr = n + 1;
				if (*p && *p != ',')
					return fail(c, "base+size was expected, not", eq);
			}
			continue;
		}
		if (!number(eq, &v))
			return fail(c, "not a number", eq);
		if (strcmp(t, "mem") == 0)
			s->platform.mem_end = v;
		else if (strcmp(t, "maxpa") == 0)
			s->platform.maxpa = (unsigned)v;
		else if (strcmp(t, "keyid_bits") == 0)
			s->platform.keyid_bits = (unsigned)v;
		else if (strcmp(t, "keyids") == 0)
			s->platform.keyids = (unsigned)v;
		else if (strcmp(t, "tdx_keyids") == 0)
			s->platform.tdx_keyids = (unsigned)v;
		else if (strcmp(t, "lps") == 0)
			s->platform.lps = (unsigned)v;
		else if (strcmp(t, "pkgs") == 0)
			s->platform.pkgs = (unsigned)v;
		else if (strcmp(t, "wb_blocks") == 0)
			s->platform.wb_blocks = (unsigned)v;
		else if (strcmp(t, "seed") == 0)
			s->platform.seed = v;
		else if (strcmp(t, "fms") == 0)
			s->platform.fms = (uint32_t)v;
		else if (strncmp(t, LACKING, strlen(LACKING)) == 0) {
			if (!lacking(t + strlen(LACKING), (uint32_t)v, s->platform.lacking_7))
				return fail(c, "no such key of a platform", t);
		} else if (strcmp(t, "resumed") == 0)
			return fail(c, "the calls of a machine that was resumed do not play again",
				    t);
		else
			return fail(c, "no such key of a platform", t);
	}
	return true;
}

static bool lp_of(struct cursor *c, struct vec_step *s)
{
	uint64_t v;

	if (!want_number(c, &v))
		return false;
	s->lp = (unsigned)v;
	return true;
}

static bool env(struct cursor *c, struct vec_step *s)
{
	char *t;

	s->label = next(c);
	if (!s->label)
		return fail(c, "what of the environment? It ends at", NULL);
	while ((t = next(c))) {
		uint64_t v;

		if (s->nnum == 8 || !number(t, &v))
			return fail(c, "not a number", t);
		s->num[s->nnum++] = (int64_t)v;
	}
	return true;
}

static bool guest(struct cursor *c, struct vec_step *s)
{
	char *t = next(c), *eq;
	bool retired = false;
	uint64_t v;

	if (!t)
		return fail(c, "a kind of guest step was expected, not", t);
	s->label = t;
	if (strcmp(t, "mode64") == 0)
		s->kind = VEC_GUEST_MODE64;
	else if (strcmp(t, "regs") == 0)
		s->kind = VEC_GUEST_REGS;
	else if (strcmp(t, "ve") == 0)
		s->kind = VEC_GUEST_VE;
	else if (strcmp(t, "vapic") == 0)
		s->kind = VEC_GUEST_VAPIC;
	while ((t = next(c)) && strcmp(t, "->") != 0) {
		eq = strchr(t, '=');
		if (!eq)
			return fail(c, "key=value was expected, not", t);
		*eq = '\0';
		if (reg_index(t) >= 0) {
			*eq = '=';
			if (!reg_token(c, t, true, &s->in))
				return false;
			continue;
		}
		if (strcmp(t, "access") == 0)
			continue; /* a label; the qualification says it */
		if (!number(eq + 1, &v))
			return fail(c, "not a number", eq + 1);
		if (strcmp(t, "lp") == 0)
			s->lp = (unsigned)v;
		else if (strcmp(t, "reason") == 0)
			s->reason = (uint32_t)v;
		else if (strcmp(t, "qual") == 0)
			s->qual = v;
		else if (strcmp(t, "gpa") == 0)
			s->gpa = v;
		else if (strcmp(t, "gla") == 0)
			s->gla = v;
		else if (strcmp(t, "intr") == 0)
			s->intr = v;
		else if (strcmp(t, "ilen") == 0)
			s->ilen = v;
		else if (strcmp(t, "idt") == 0)
			s->idt = v;
		else if (strcmp(t, "ierr") == 0)
			s->ierr = v;
		else if (strcmp(t, "iinfo") == 0)
			s->iinfo = v;
		else if (strcmp(t, "stall") == 0)
			s->stall = v != 0;
		else if (strcmp(t, "status") == 0)
			s->status = (uint16_t)v;
		else if (strcmp(t, "priority") == 0)
			s->priority = (uint8_t)v;
		else if (strcmp(t, "retired") == 0) {
			s->retired = v;
			retired = true;
		} else
			return fail(c, "no such property of a guest step", t);
	}
	if (!retired)
		s->retired = s->stall ? 0 : VEC_RETIRED_MANY;
	return !t || outcome(c, s);
}

static bool lock(struct cursor *c, struct vec_step *s)
{
	char *t;

	s->label = next(c);
	if (!s->label)
		return fail(c, "a resource was expected, not", NULL);
	while ((t = next(c))) {
		if (strncmp(t, "key=", 4) == 0) {
			for (char *p = t + 4; s->nnum < 3; p++) {
				s->num[s->nnum++] = (int64_t)strtoull(p, &p, 0);
				if (*p != ':')
					break;
			}
		} else if (strcmp(t, "mode=shared") == 0)
			s->lock_mode = VEC_LOCK_SHARED;
		else if (strcmp(t, "mode=exclusive") == 0)
			s->lock_mode = VEC_LOCK_EXCLUSIVE;
		else if (strcmp(t, "mode=hp") == 0)
			s->lock_mode = VEC_LOCK_HP;
		else
			return fail(c, "key= or mode= was expected, not", t);
	}
	return s->nnum > 0 || fail(c, "key= is missing at", NULL);
}

static bool memory(struct cursor *c, struct vec_step *s)
{
	uint64_t byte;

	if (!want_number(c, &s->addr))
		return false;
	if (s->kind == VEC_XOR) {
		s->len = 1;
		if (!want_number(c, &byte))
			return false;
		s->num[0] = (int64_t)byte;
		return byte <= 0xff || fail(c, "a byte was expected at", NULL);
	}
	if (s->kind == VEC_FILL) {
		if (!want_number(c, &s->len) || !want_number(c, &byte))
			return false;
		s->num[0] = (int64_t)byte;
		return true;
	}
	s->hex = next(c);
	if (!s->hex) /* no bytes */
		s->hex = "";
	if (strlen(s->hex) % 2)
		return fail(c, "pairs of hex digits were expected, not", s->hex);
	s->len = strlen(s->hex) / 2;
	for (const char *p = s->hex; *p; p++)
		if (!strchr("0123456789abcdefABCDEF?", *p))
			return fail(c, "not a hex digit", p);
	return true;
}

static bool reload(struct cursor *c, struct vec_step *s)
{
	char *t = next(c);

	s->no_handoff = t && strcmp(t, "handoff=none") == 0;
	if (t && !s->no_handoff)
		return fail(c, "handoff=none was expected, not", t);
	t = t ? next(c) : NULL;
	return !t || fail(c, "nothing may follow here, not", t);
}

bool vec_parse(char *line, struct vec_step *s, char *err, size_t errlen)
{
	struct cursor c = {line, err, errlen};
	uint64_t v;
	char *t;

	memset(s, 0, sizeof(*s));
	s->repeat = 1;
	line[strcspn(line, "\r\n")] = '\0';
	t = *line == '#' ? NULL : next(&c);
	if (!t)
		return true; /* VEC_COMMENT */
	if (strcmp(t, "repeat") == 0) {
		if (!want_number(&c, &v))
			return false;
		s->repeat = (unsigned)v;
		t = next(&c);
		if (!t || strcmp(t, "seamcall") != 0)
			return fail(&c, "only seamcall can be repeated, not", t);
	}
	if (strcmp(t, "seamcall") == 0) {
		s->kind = VEC_SEAMCALL;
		return lp_of(&c, s) && leaf(&c, s, false) && regs_and_outcome(&c, s);
	}
	if (strcmp(t, "tdcall") == 0) {
		s->kind = VEC_TDCALL;
		return want_number(&c, &s->addr) && leaf(&c, s, true) && regs_and_outcome(&c, s);
	}
	if (strcmp(t, "enter") == 0) {
		s->kind = VEC_ENTER;
		s->outcome = VEC_OUT_RESUME;
		return lp_of(&c, s) && want_number(&c, &s->addr) && regs_and_outcome(&c, s);
	}
	if (strcmp(t, "exit") == 0) {
		s->kind = VEC_EXIT;
		return regs_and_outcome(&c, s);
	}
	if (strcmp(t, "guest") == 0) {
		s->kind = VEC_GUEST;
		return guest(&c, s);
	}
	if (strcmp(t, "tdmr_init") == 0) {
		s->kind = VEC_TDMR_INIT;
		return lp_of(&c, s) && want_number(&c, &s->addr) && want_number(&c, &s->len);
	}
	if (strcmp(t, "write") == 0 || strcmp(t, "fill") == 0 || strcmp(t, "expect") == 0) {
		s->kind = *t == 'w' ? VEC_WRITE : *t == 'f' ? VEC_FILL : VEC_EXPECT;
		return memory(&c, s);
	}
	if (strcmp(t, "xor") == 0) {
		s->kind = VEC_XOR;
		return memory(&c, s);
	}
	if (strcmp(t, "reload") == 0) {
		s->kind = VEC_RELOAD;
		return reload(&c, s);
	}
	if (strcmp(t, "hold") == 0 || strcmp(t, "release") == 0) {
		s->kind = *t == 'h' ? VEC_HOLD : VEC_RELEASE;
		return lock(&c, s);
	}
	if (strcmp(t, "env") == 0) {
		s->kind = VEC_ENV;
		return env(&c, s);
	}
	if (strcmp(t, "platform") == 0) {
		s->kind = VEC_PLATFORM;
		return platform(&c, s);
	}
	return fail(&c, "no such step", t);
}
