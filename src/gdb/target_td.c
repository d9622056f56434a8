/* SPDX-License-Identifier: MIT */
/* See gdb/target_td.h. */
#include "gdb/target_td.h"

#include <stdio.h>
#include <string.h>

#include "arch/vmcs.h"
#include "arch/x86.h"
#include "vmm/fields.h"

#define DR7_USED 0xffff00ffull

/* Of the XSAVE image: fields of eight bytes; the header's first is XSTATE_BV. */
enum { XBUFF_ST = 32, XBUFF_XMM = 160, XBUFF_XSTATE_BV = XSAVE_LEGACY_SIZE / 8 };

/* Where a vCPU has a register. */
static const struct place {
	enum {
		GENERAL, /* index: of the row in md_vp */
		VMCS_16, /* index: encoding */
		VMCS_NATURAL,
		LEGACY,	  /* index: offset in the XSAVE image, with the bytes it has there */
		TAG_WORD, /* abridged in the image */
	} kind;
	unsigned bytes, index;
} places[GDB_REGISTERS] = {
	[GDB_rax] = {GENERAL, 8, MD_VP_RAX},
	[GDB_rbx] = {GENERAL, 8, MD_VP_RBX},
	[GDB_rcx] = {GENERAL, 8, MD_VP_RCX},
	[GDB_rdx] = {GENERAL, 8, MD_VP_RDX},
	[GDB_rsi] = {GENERAL, 8, MD_VP_RSI},
	[GDB_rdi] = {GENERAL, 8, MD_VP_RDI},
	[GDB_rbp] = {GENERAL, 8, MD_VP_RBP},
	[GDB_rsp] = {VMCS_NATURAL, 8, VMCS_GUEST_RSP},
	[GDB_r8] = {GENERAL, 8, MD_VP_R8},
	[GDB_r9] = {GENERAL, 8, MD_VP_R9},
	[GDB_r10] = {GENERAL, 8, MD_VP_R10},
	[GDB_r11] = {GENERAL, 8, MD_VP_R11},
	[GDB_r12] = {GENERAL, 8, MD_VP_R12},
	[GDB_r13] = {GENERAL, 8, MD_VP_R13},
	[GDB_r14] = {GENERAL, 8, MD_VP_R14},
	[GDB_r15] = {GENERAL, 8, MD_VP_R15},
	[GDB_rip] = {VMCS_NATURAL, 8, VMCS_GUEST_RIP},
	[GDB_eflags] = {VMCS_NATURAL, 4, VMCS_GUEST_RFLAGS},
	[GDB_cs] = {VMCS_16, 2, VMCS_GUEST_CS_SELECTOR},
	[GDB_ss] = {VMCS_16, 2, VMCS_GUEST_SS_SELECTOR},
	[GDB_ds] = {VMCS_16, 2, VMCS_GUEST_DS_SELECTOR},
	[GDB_es] = {VMCS_16, 2, VMCS_GUEST_ES_SELECTOR},
	[GDB_fs] = {VMCS_16, 2, VMCS_GUEST_FS_SELECTOR},
	[GDB_gs] = {VMCS_16, 2, VMCS_GUEST_GS_SELECTOR},
	[GDB_st0] = {LEGACY, 10, XBUFF_ST + 16 * 0},
	[GDB_st1] = {LEGACY, 10, XBUFF_ST + 16 * 1},
	[GDB_st2] = {LEGACY, 10, XBUFF_ST + 16 * 2},
	[GDB_st3] = {LEGACY, 10, XBUFF_ST + 16 * 3},
	[GDB_st4] = {LEGACY, 10, XBUFF_ST + 16 * 4},
	[GDB_st5] = {LEGACY, 10, XBUFF_ST + 16 * 5},
	[GDB_st6] = {LEGACY, 10, XBUFF_ST + 16 * 6},
	[GDB_st7] = {LEGACY, 10, XBUFF_ST + 16 * 7},
	[GDB_fctrl] = {LEGACY, 2, 0},
	[GDB_fstat] = {LEGACY, 2, 2},
	[GDB_ftag] = {TAG_WORD, 1, 4},
	[GDB_fiseg] = {LEGACY, 2, 12},
	[GDB_fioff] = {LEGACY, 4, 8},
	[GDB_foseg] = {LEGACY, 2, 20},
	[GDB_fooff] = {LEGACY, 4, 16},
	[GDB_fop] = {LEGACY, 2, 6},
	[GDB_xmm0] = {LEGACY, 16, XBUFF_XMM + 16 * 0},
	[GDB_xmm1] = {LEGACY, 16, XBUFF_XMM + 16 * 1},
	[GDB_xmm2] = {LEGACY, 16, XBUFF_XMM + 16 * 2},
	[GDB_xmm3] = {LEGACY, 16, XBUFF_XMM + 16 * 3},
	[GDB_xmm4] = {LEGACY, 16, XBUFF_XMM + 16 * 4},
	[GDB_xmm5] = {LEGACY, 16, XBUFF_XMM + 16 * 5},
	[GDB_xmm6] = {LEGACY, 16, XBUFF_XMM + 16 * 6},
	[GDB_xmm7] = {LEGACY, 16, XBUFF_XMM + 16 * 7},
	[GDB_xmm8] = {LEGACY, 16, XBUFF_XMM + 16 * 8},
	[GDB_xmm9] = {LEGACY, 16, XBUFF_XMM + 16 * 9},
	[GDB_xmm10] = {LEGACY, 16, XBUFF_XMM + 16 * 10},
	[GDB_xmm11] = {LEGACY, 16, XBUFF_XMM + 16 * 11},
	[GDB_xmm12] = {LEGACY, 16, XBUFF_XMM + 16 * 12},
	[GDB_xmm13] = {LEGACY, 16, XBUFF_XMM + 16 * 13},
	[GDB_xmm14] = {LEGACY, 16, XBUFF_XMM + 16 * 14},
	[GDB_xmm15] = {LEGACY, 16, XBUFF_XMM + 16 * 15},
	[GDB_mxcsr] = {LEGACY, 4, 24},
	[GDB_fs_base] = {VMCS_NATURAL, 8, VMCS_GUEST_FS_BASE},
	[GDB_gs_base] = {VMCS_NATURAL, 8, VMCS_GUEST_GS_BASE},
	[GDB_cr0] = {VMCS_NATURAL, 8, VMCS_GUEST_CR0},
	[GDB_cr2] = {GENERAL, 8, MD_VP_CR2},
	[GDB_cr3] = {VMCS_NATURAL, 8, VMCS_GUEST_CR3},
	[GDB_cr4] = {VMCS_NATURAL, 8, VMCS_GUEST_CR4},
	[GDB_efer] = {VMCS_NATURAL, 8, VMCS_GUEST_EFER},
};

void gdb_td_init(struct gdb_td *td, struct tdx_vm *vm, struct tdx_vcpu *const *vcpu)
{
	memset(td, 0, sizeof(*td));
	td->vm = vm;
	td->vcpu = vcpu;
}

static bool answer(struct gdb_refusal *why, const char *leaf, const char *what, struct tdx_status s)
{
	char name[104];

	if (tdx_is_success(s))
		return true;
	snprintf(why->text, sizeof(why->text), "%s of %s: %s", leaf, what,
		 tdx_status_format(s, name, sizeof(name)));
	snprintf(why->kind, sizeof(why->kind), "%s", tdx_status_name(s));
	return false;
}

/* --- fields --- */

static const char *field_name(char *text, size_t len, uint64_t field)
{
	const struct md_table *t = md_class(field) == MD_VP_CLASS_VMCS ? &md_vmcs : &md_vp;

	snprintf(text, len, "field 0x%llx", (unsigned long long)field);
	for (unsigned i = 0; i < t->rows; i++)
		if (md_class(t->row[i].id) == md_class(field) &&
		    md_code(t->row[i].id) == md_code(field))
			snprintf(text, len, "%s", t->row[i].name);
	return text;
}

static bool get_field(struct gdb_td *td, unsigned cpu, uint64_t field, uint64_t *value,
		      struct gdb_refusal *why)
{
	struct tdx_status s = tdx_vcpu_read_field(td->vcpu[cpu], field, value);
	char name[48];

	return answer(why, "TDH.VP.RD", field_name(name, sizeof(name), field), s);
}

static bool set_field(struct gdb_td *td, unsigned cpu, uint64_t field, uint64_t value,
		      uint64_t mask, struct gdb_refusal *why)
{
	struct tdx_status s = tdx_vcpu_write_field(td->vcpu[cpu], field, value, mask);
	char name[48];

	return answer(why, "TDH.VP.WR", field_name(name, sizeof(name), field), s);
}

/* --- registers --- */

static bool in_image(const struct place *p)
{
	return p->kind == LEGACY || p->kind == TAG_WORD;
}

static uint64_t field_of(const struct place *p)
{
	switch (p->kind) {
	case GENERAL:
		return md_vp.row[p->index].id;
	case VMCS_16:
		return VP_FIELD_VMCS_16(p->index);
	case VMCS_NATURAL:
		return VP_FIELD_VMCS_64(p->index);
	case LEGACY:
	case TAG_WORD:
		break;
	}
	return md_vp.row[MD_VP_XBUFF].id + p->index / 8;
}

/* The image as XSTATE_BV says that it is to be read: a component not in it is in its initial state.
 */
static bool initial(uint64_t bv, enum gdb_reg reg, uint8_t *buf)
{
	const bool sse = reg == GDB_mxcsr || (reg >= GDB_xmm0 && reg <= GDB_xmm15);

	if (bv & (sse ? XFAM_SSE : XFAM_X87))
		return false;
	memset(buf, 0, 16);
	if (reg == GDB_fctrl)
		memcpy(buf, (uint16_t[]){FCW_INIT}, 2);
	else if (reg == GDB_mxcsr)
		memcpy(buf, (uint16_t[]){MXCSR_RESET}, 2);
	else if (reg == GDB_ftag)
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

static bool get(void *arg, unsigned cpu, enum gdb_reg reg, uint8_t *buf, struct gdb_refusal *why)
{
	const struct place *p = &places[reg];
	const unsigned skip = in_image(p) ? p->index % 8 : 0;
	uint64_t word[3] = {0}, bv;

	if (in_image(p)) {
		if (!get_field(arg, cpu, md_vp.row[MD_VP_XBUFF].id + XBUFF_XSTATE_BV, &bv, why))
			return false;
		if (initial(bv, reg, buf))
			return true;
	}
	for (unsigned i = 0; i * 8 < skip + p->bytes; i++)
		if (!get_field(arg, cpu, field_of(p) + i, &word[i], why))
			return false;
	memcpy(buf, (uint8_t *)word + skip, p->bytes);
	if (p->kind == TAG_WORD)
		memcpy(buf, (uint16_t[]){tags(buf[0])}, 2);
	return true;
}

static bool set(void *arg, unsigned cpu, enum gdb_reg reg, const uint8_t *buf,
		struct gdb_refusal *why)
{
	const struct place *p = &places[reg];
	const unsigned skip = in_image(p) ? p->index % 8 : 0;
	uint64_t word[3] = {0}, mask[3] = {0};
	uint8_t tag = 0;

	for (unsigned i = 0; i < 8; i++)
		if ((buf[i / 4] >> i % 4 * 2 & 3) != 3)
			tag |= (uint8_t)(1u << i);
	memcpy((uint8_t *)word + skip, p->kind == TAG_WORD ? &tag : buf, p->bytes);
	memset((uint8_t *)mask + skip, 0xff, p->bytes);
	for (unsigned i = 0; i < 3 && mask[i]; i++)
		if (!set_field(arg, cpu, field_of(p) + i, word[i], mask[i], why))
			return false;
	return !in_image(p) || set_field(arg, cpu, md_vp.row[MD_VP_XBUFF].id + XBUFF_XSTATE_BV,
					 XFAM_X87 | XFAM_SSE, XFAM_X87 | XFAM_SSE, why);
}

/* --- memory --- */

static bool is_shared(const struct gdb_td *td, uint64_t *at)
{
	uint64_t bit = tdx_vm_shared_bit(td->vm).v;
	bool shared = (*at & bit) != 0;

	*at &= ~bit;
	return shared;
}

static bool memory_answer(struct gdb_refusal *why, const char *leaf, uint64_t at,
			  struct tdx_status s)
{
	char name[48];

	snprintf(name, sizeof(name), "GPA 0x%llx", (unsigned long long)at);
	return answer(why, leaf, name, s);
}

static bool get_word(struct gdb_td *td, uint64_t at, uint64_t *word, struct gdb_refusal *why)
{
	return memory_answer(why, "TDH.MEM.RD", at, tdx_vm_read_private(td->vm, gpa(at), word));
}

static bool td_read(void *arg, uint64_t at, uint8_t *buf, size_t len, struct gdb_refusal *why)
{
	struct gdb_td *td = arg;

	if (is_shared(td, &at))
		return tdx_vm_read_shared(td->vm, gpa(at), buf, len) == 0;
	while (len) {
		size_t skip = at & 7, n = 8 - skip < len ? 8 - skip : len;
		uint64_t word;

		if (!get_word(td, at & ~7ull, &word, why))
			return false;
		memcpy(buf, (uint8_t *)&word + skip, n);
		at += n;
		buf += n;
		len -= n;
	}
	return true;
}

static bool td_write(void *arg, uint64_t at, const uint8_t *buf, size_t len,
		     struct gdb_refusal *why)
{
	struct gdb_td *td = arg;

	if (is_shared(td, &at))
		return tdx_vm_write_shared(td->vm, gpa(at), buf, len) == 0;
	while (len) {
		size_t skip = at & 7, n = 8 - skip < len ? 8 - skip : len;
		uint64_t word, to = at & ~7ull;

		if (!get_word(td, to, &word, why))
			return false;
		memcpy((uint8_t *)&word + skip, buf, n);
		if (!memory_answer(why, "TDH.MEM.WR", to,
				   tdx_vm_write_private(td->vm, gpa(to), word)))
			return false;
		at += n;
		buf += n;
		len -= n;
	}
	return true;
}

/* --- where it stops: #BP and #DB in the exception bitmap, the monitor trap flag, DR0..DR3 --- */

static uint32_t exceptions(const struct gdb_points *p)
{
	return (p->soft ? 1u << VECTOR_BP : 0) | (p->hard_used ? 1u << VECTOR_DB : 0);
}

static bool same_hard(const struct gdb_points *a, const struct gdb_points *b)
{
	if (a->hard_used != b->hard_used)
		return false;
	for (unsigned n = 0; n < GDB_HARD; n++)
		if (a->hard_used >> n & 1 && a->hard[n] != b->hard[n])
			return false;
	return true;
}

static bool set_hard(struct gdb_td *td, unsigned cpu, const struct gdb_points *p,
		     struct gdb_refusal *why)
{
	uint64_t dr7 = 0;

	for (unsigned n = 0; n < GDB_HARD; n++) {
		dr7 |= (uint64_t)(p->hard_used >> n & 1) << (2 * n + 1); /* global */
		if (p->hard_used >> n & 1 &&
		    !set_field(td, cpu, md_vp.row[MD_VP_DR0 + n].id, p->hard[n], ~0ull, why))
			return false;
	}
	return set_field(td, cpu, VP_FIELD_VMCS_64(VMCS_GUEST_DR7), dr7, DR7_USED, why);
}

/* What is in force already is not written again: it might be refused. */
static bool arm(void *arg, unsigned cpu, const struct gdb_points *p, struct gdb_refusal *why)
{
	struct gdb_td *td = arg;
	struct gdb_points *now = &td->in_force[cpu];

	if (exceptions(p) != exceptions(now) &&
	    !set_field(td, cpu, VP_FIELD_VMCS_32(VMCS_EXCEPTION_BITMAP), exceptions(p),
		       1u << VECTOR_BP | 1u << VECTOR_DB, why))
		return false;
	now->soft = p->soft;
	if (p->step != now->step &&
	    !set_field(td, cpu, VP_FIELD_VMCS_32(VMCS_PROCBASED_CTLS),
		       p->step ? PROCBASED_MONITOR_TRAP : 0, PROCBASED_MONITOR_TRAP, why))
		return false;
	now->step = p->step;
	if (!same_hard(p, now) && !set_hard(td, cpu, p, why))
		return false;
	*now = *p;
	return true;
}

static void kick(void *arg, unsigned cpu)
{
	tdx_vcpu_kick(((struct gdb_td *)arg)->vcpu[cpu]);
}

const struct gdb_target_ops gdb_td_ops = {
	.get = get, .set = set, .read = td_read, .write = td_write, .arm = arm, .kick = kick};

enum gdb_event gdb_td_event(const struct tdx_run *run)
{
	if (run->debug.step)
		return GDB_EVENT_STEP;
	if (run->debug.vector == VECTOR_BP)
		return GDB_EVENT_INT3;
	return run->debug.qualification & DR6_BREAKS ? GDB_EVENT_HARD : GDB_EVENT_STEP;
}
