/* SPDX-License-Identifier: MIT */
/* gdb's registers, by number: what they are called. The target description is made of the same
 * table. */
#include <stdio.h>
#include <string.h>

#include "gdb/internal.h"

enum feature { CORE, SSE, SEGMENTS, SYSTEM, FEATURES };

static const struct reg {
	const char *name, *type;
	uint8_t size, feature;
} regs[GDB_REGISTERS] = {
#define R(name_, type_, bytes_, feature_) {#name_, type_, bytes_, feature_},
#include "gdb/registers.def"
#undef R
};

int gdb_register_size(unsigned n)
{
	return n < GDB_REGISTERS ? regs[n].size : 0;
}

int gdb_register(struct gdb *g, unsigned n, uint8_t *buf)
{
	memset(buf, 0, 16);
	if (n >= GDB_REGISTERS)
		return 0;
	return gdb_get(g, g->current, (enum gdb_reg)n, buf) ? regs[n].size : -1;
}

bool gdb_set_register(struct gdb *g, unsigned n, const uint8_t *buf)
{
	return n < GDB_REGISTERS && gdb_set(g, g->current, (enum gdb_reg)n, buf);
}

/* --- the description --- */

static const char *const feature_name[FEATURES] = {
	[CORE] = "org.gnu.gdb.i386.core",
	[SSE] = "org.gnu.gdb.i386.sse",
	[SEGMENTS] = "org.gnu.gdb.i386.segments",
	[SYSTEM] = "org.swtdx.system",
};

static const char *const feature_types[FEATURES] = {
	[CORE] =
		"<flags id=\"i386_eflags\" size=\"4\"><field name=\"CF\" start=\"0\" end=\"0\"/>"
		"<field name=\"\" start=\"1\" end=\"1\"/><field name=\"PF\" start=\"2\" end=\"2\"/>"
		"<field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"ZF\" start=\"6\" "
		"end=\"6\"/>"
		"<field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"TF\" start=\"8\" "
		"end=\"8\"/>"
		"<field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"DF\" start=\"10\" "
		"end=\"10\"/>"
		"<field name=\"OF\" start=\"11\" end=\"11\"/><field name=\"NT\" start=\"14\" "
		"end=\"14\"/>"
		"<field name=\"RF\" start=\"16\" end=\"16\"/><field name=\"AC\" start=\"18\" "
		"end=\"18\"/>"
		"<field name=\"ID\" start=\"21\" end=\"21\"/></flags>",
	[SSE] = "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
		"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
		"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
		"<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
		"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
		"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
		"<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
		"<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
		"<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
		"<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" "
		"type=\"uint128\"/></union>"
		"<flags id=\"i386_mxcsr\" size=\"4\"><field name=\"IE\" start=\"0\" end=\"0\"/>"
		"<field name=\"DE\" start=\"1\" end=\"1\"/><field name=\"ZE\" start=\"2\" "
		"end=\"2\"/>"
		"<field name=\"OE\" start=\"3\" end=\"3\"/><field name=\"UE\" start=\"4\" "
		"end=\"4\"/>"
		"<field name=\"PE\" start=\"5\" end=\"5\"/><field name=\"DAZ\" start=\"6\" "
		"end=\"6\"/>"
		"<field name=\"IM\" start=\"7\" end=\"7\"/><field name=\"DM\" start=\"8\" "
		"end=\"8\"/>"
		"<field name=\"ZM\" start=\"9\" end=\"9\"/><field name=\"OM\" start=\"10\" "
		"end=\"10\"/>"
		"<field name=\"UM\" start=\"11\" end=\"11\"/><field name=\"PM\" start=\"12\" "
		"end=\"12\"/>"
		"<field name=\"FZ\" start=\"15\" end=\"15\"/></flags>",
	[SEGMENTS] = "",
	[SYSTEM] = "",
};

size_t gdb_description(char *xml, size_t room)
{
	int n = snprintf(xml, room,
			 "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
			 "<target version=\"1.0\"><architecture>i386:x86-64</architecture>");

	for (unsigned i = 0, f = FEATURES; i < GDB_REGISTERS && (size_t)n < room; i++) {
		const struct reg *r = &regs[i];

		if (r->feature != f)
			n += snprintf(xml + n, room - (size_t)n, "%s<feature name=\"%s\">%s",
				      f == FEATURES ? "" : "</feature>", feature_name[r->feature],
				      feature_types[r->feature]);
		f = r->feature;
		n += snprintf(xml + n, room - (size_t)n,
			      "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"%s/>", r->name,
			      r->size * 8u, r->type,
			      strcmp(r->type, "int") == 0 ? " group=\"float\"" : "");
	}
	if ((size_t)n < room)
		n += snprintf(xml + n, room - (size_t)n, "</feature></target>");
	return (size_t)n < room ? (size_t)n : 0;
}
