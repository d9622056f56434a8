/* SPDX-License-Identifier: MIT */
/* gdb's registers, by number: what they are called, and where a vCPU has them. The target
 * description is made of the same table. Features: GDB manual, "i386 Features". */
#include <stdio.h>
#include <string.h>

#include "arch/vmcs.h"
#include "arch/x86.h"
#include "tools/gdb/internal.h"
#include "vmm/fields.h"

/* Of the XSAVE image: fields of eight bytes; the header's first is XSTATE_BV. */
enum { XBUFF_ST = 32, XBUFF_XMM = 160, XBUFF_XSTATE_BV = 64, BV_X87 = 1, BV_SSE = 2 };

enum place {
	GENERAL, /* index: of the row in md_vp */
	VMCS_16, /* index: encoding */
	VMCS_NATURAL,
	LEGACY,	  /* index: offset in the XSAVE image, with the bytes it has there */
	TAG_WORD, /* abridged in the image */
};

enum feature { CORE, SSE, SEGMENTS, SYSTEM, FEATURES };

struct reg {
	const char *name, *type;
	uint8_t size, place, bytes, feature;
	uint16_t index;
};

/* clang-format off */
#define G(name, row)		{name, "int64", 8, GENERAL, 8, CORE, MD_VP_##row}
#define V(name, type, size, f, enc)	{name, type, size, VMCS_NATURAL, size, f, VMCS_GUEST_##enc}
#define S(name, enc)		{name, "int32", 4, VMCS_16, 2, CORE, VMCS_GUEST_##enc##_SELECTOR}
#define X(name, n)		{name, "i387_ext", 10, LEGACY, 10, CORE, XBUFF_ST + 16 * (n)}
#define F(name, at, n)		{name, "int", 4, LEGACY, n, CORE, at}
#define M(name, n)		{name, "vec128", 16, LEGACY, 16, SSE, XBUFF_XMM + 16 * (n)}
static const struct reg regs[] = {
	G("rax", RAX), G("rbx", RBX), G("rcx", RCX), G("rdx", RDX), G("rsi", RSI), G("rdi", RDI),
	G("rbp", RBP), V("rsp", "data_ptr", 8, CORE, RSP), G("r8", R8), G("r9", R9), G("r10", R10),
	G("r11", R11), G("r12", R12), G("r13", R13), G("r14", R14), G("r15", R15),
	V("rip", "code_ptr", 8, CORE, RIP), V("eflags", "i386_eflags", 4, CORE, RFLAGS),
	S("cs", CS), S("ss", SS), S("ds", DS), S("es", ES), S("fs", FS), S("gs", GS),
	X("st0", 0), X("st1", 1), X("st2", 2), X("st3", 3), X("st4", 4), X("st5", 5), X("st6", 6),
	X("st7", 7),
	F("fctrl", 0, 2), F("fstat", 2, 2), {"ftag", "int", 4, TAG_WORD, 1, CORE, 4},
	F("fiseg", 12, 2), F("fioff", 8, 4), F("foseg", 20, 2), F("fooff", 16, 4), F("fop", 6, 2),
	M("xmm0", 0), M("xmm1", 1), M("xmm2", 2), M("xmm3", 3), M("xmm4", 4), M("xmm5", 5),
	M("xmm6", 6), M("xmm7", 7), M("xmm8", 8), M("xmm9", 9), M("xmm10", 10), M("xmm11", 11),
	M("xmm12", 12), M("xmm13", 13), M("xmm14", 14), M("xmm15", 15),
	{"mxcsr", "i386_mxcsr", 4, LEGACY, 4, SSE, 24},
	V("fs_base", "int64", 8, SEGMENTS, FS_BASE), V("gs_base", "int64", 8, SEGMENTS, GS_BASE),
	V("cr0", "int64", 8, SYSTEM, CR0), {"cr2", "int64", 8, GENERAL, 8, SYSTEM, MD_VP_CR2},
	V("cr3", "int64", 8, SYSTEM, CR3), V("cr4", "int64", 8, SYSTEM, CR4),
	V("efer", "int64", 8, SYSTEM, EFER),
};
#undef G
#undef V
#undef S
#undef X
#undef F
#undef M
/* clang-format on */

enum { NREGS = sizeof(regs) / sizeof(regs[0]) };

unsigned gdb_registers(void)
{
	return NREGS;
}

int gdb_register_size(unsigned n)
{
	return n < NREGS ? regs[n].size : 0;
}

static uint64_t field_of(const struct reg *r)
{
	switch ((enum place)r->place) {
	case GENERAL:
		return md_vp.row[r->index].id;
	case VMCS_16:
		return VP_FIELD_VMCS_16(r->index);
	case VMCS_NATURAL:
		return VP_FIELD_VMCS_64(r->index);
	case LEGACY:
	case TAG_WORD:
		break;
	}
	return md_vp.row[MD_VP_XBUFF].id + r->index / 8;
}

/* The image as XSTATE_BV says that it is to be read: a component not in it is in its initial state.
 */
static bool initial(struct gdb *g, const struct reg *r, uint8_t *buf, bool *known)
{
	bool x87 = r->place == TAG_WORD || (r->feature == CORE && r->place == LEGACY);
	uint64_t bv;

	*known = gdb_field(g, g->current, md_vp.row[MD_VP_XBUFF].id + XBUFF_XSTATE_BV, &bv);
	if (!*known || bv & (x87 ? BV_X87 : BV_SSE))
		return false;
	memset(buf, 0, 16);
	if (strcmp(r->name, "fctrl") == 0)
		memcpy(buf, (uint16_t[]){FCW_INIT}, 2);
	else if (strcmp(r->name, "mxcsr") == 0)
		memcpy(buf, (uint16_t[]){MXCSR_RESET}, 2);
	else if (r->place == TAG_WORD)
		memset(buf, 0xff, 2);
	return true;
}

/* Two bits a register: 3 empty. What else they said gdb can see from the value. */
static uint16_t tags(uint8_t abridged)
{
	uint16_t t = 0;

	for (unsigned i = 0; i < 8; i++)
		t |= (uint16_t)((abridged >> i & 1 ? 0 : 3) << 2 * i);
	return t;
}

int gdb_register(struct gdb *g, unsigned n, uint8_t *buf)
{
	const struct reg *r;
	uint64_t word[3] = {0};
	bool known = true;

	if (n >= NREGS)
		return 0;
	r = &regs[n];
	memset(buf, 0, 16);
	if ((r->place == LEGACY || r->place == TAG_WORD) && initial(g, r, buf, &known))
		return r->size;
	if (!known)
		return -1;
	for (unsigned i = 0; i * 8 < r->index % 8u * (r->place >= LEGACY) + r->bytes; i++)
		if (!gdb_field(g, g->current, field_of(r) + i, &word[i]))
			return -1;
	memcpy(buf, (uint8_t *)word + (r->place >= LEGACY ? r->index % 8 : 0), r->bytes);
	if (r->place == TAG_WORD)
		memcpy(buf, (uint16_t[]){tags(buf[0])}, 2);
	return r->size;
}

bool gdb_set_register(struct gdb *g, unsigned n, const uint8_t *buf)
{
	const struct reg *r;
	unsigned skip;
	uint64_t word[3] = {0}, mask[3] = {0}, bv = md_vp.row[MD_VP_XBUFF].id + XBUFF_XSTATE_BV;
	uint8_t tag = 0;

	if (n >= NREGS)
		return false;
	r = &regs[n];
	skip = r->place >= LEGACY ? r->index % 8 : 0;
	for (unsigned i = 0; i < 8; i++)
		if ((buf[i / 4] >> i % 4 * 2 & 3) != 3)
			tag |= (uint8_t)(1u << i);
	memcpy((uint8_t *)word + skip, r->place == TAG_WORD ? &tag : buf, r->bytes);
	memset((uint8_t *)mask + skip, 0xff, r->bytes);
	for (unsigned i = 0; i < 3 && mask[i]; i++)
		if (!gdb_set_field(g, g->current, field_of(r) + i, word[i], mask[i]))
			return false;
	if (r->place < LEGACY)
		return true;
	return gdb_set_field(g, g->current, bv, BV_X87 | BV_SSE, BV_X87 | BV_SSE);
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

	for (unsigned i = 0, f = FEATURES; i < NREGS && (size_t)n < room; i++) {
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
