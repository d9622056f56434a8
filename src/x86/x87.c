/* SPDX-License-Identifier: MIT */
/* x87: the guest's state is loaded into the host's unit, one instruction runs there, and the state
 * is taken back.
 *
 * The instructions stand in a table of two-byte stubs, all register forms and all memory forms with
 * the address in RDX; nothing is generated. The host computes under the guest's own control word:
 * an exception the guest has unmasked is only pending afterwards, in both units, and no waiting
 * instruction follows in the host's. The next waiting one of the guest raises #MF. */
#include "x86/decode.h"
#include "x86/flags.h"
#include "x86/system.h"
#include "x86/x87.h"

/* img: a 512-byte FXSAVE image; fl: the guest's flags for FCMOVcc; back: those of FCOMI. */
unsigned x86_x87_exec(void *img, const void *stub, void *mem, unsigned fl);
extern const uint8_t x86_x87_reg[8 * 64 * 4], x86_x87_mem[8 * 8 * 4];

__asm__(".text\n"
	".p2align 4\n"
	".hidden x86_x87_exec, x86_x87_reg, x86_x87_mem\n"
	".globl x86_x87_exec, x86_x87_reg, x86_x87_mem\n"
	".type x86_x87_exec, @function\n"
	"x86_x87_exec:\n"
	"	movl %ecx, %eax\n"
	"	fxrstor64 (%rdi)\n"
	"	addb $127, %al\n"
	"	sahf\n"
	"	call *%rsi\n"
	"	lahf\n"
	"	seto %al\n"
	"	movzwl %ax, %eax\n"
	"	fxsave64 (%rdi)\n"
	"	fninit\n"
	"	ret\n"
	".size x86_x87_exec, .-x86_x87_exec\n"
	"x86_x87_reg:\n"
	".set op, 0xd8\n"
	".rept 8\n"
	"	.set rm, 0xc0\n"
	"	.rept 64\n"
	"	.byte op, rm, 0xc3, 0x90\n"
	"	.set rm, rm + 1\n"
	"	.endr\n"
	"	.set op, op + 1\n"
	".endr\n"
	"x86_x87_mem:\n"
	".set op, 0xd8\n"
	".rept 8\n"
	"	.set rm, 0x02\n"
	"	.rept 8\n"
	"	.byte op, rm, 0xc3, 0x90\n"
	"	.set rm, rm + 8\n"
	"	.endr\n"
	"	.set op, op + 1\n"
	".endr\n");

enum { M_READ = 1, M_WRITE = 2, M_FLAGS = 4 };

/* An x87 operation is followed by a slot with the rest of its description. */
struct detail {
	const uint8_t *stub;
	uint16_t fop;
	uint16_t size;
	uint8_t what;
	uint8_t pad[32 - 13];
};
static_assert(sizeof(struct detail) == sizeof(struct x86_op), "takes the place of an operation");

struct image {
	struct x86_fxregs fx;
	uint8_t rest[512 - sizeof(struct x86_fxregs)];
} __attribute__((aligned(16)));

/* On a copy of the state: what comes after may still fault. */
static unsigned execute(const struct x86_cpu *cpu, const struct detail *d, void *mem,
			struct image *img)
{
	img->fx = cpu->fx;
	__asm__ volatile("stmxcsr %0" : "=m"(img->fx.mxcsr));
	return x86_x87_exec(img, d->stub, mem, cpu->fl);
}

static void commit(struct x86_cpu *cpu, const struct x86_op *op, const struct detail *d,
		   struct image *img, unsigned fl)
{
	img->fx.mxcsr = cpu->fx.mxcsr;
	img->fx.mxcsr_mask = cpu->fx.mxcsr_mask;
	img->fx.fdp = cpu->fx.fdp;
	cpu->fx = img->fx;
	cpu->fx.fop = d->fop;
	cpu->fx.fip = x86_rip_of(cpu, op);
	if (d->what & M_FLAGS)
		cpu->fl = (uint16_t)fl;
}

SOP(x87_r)
{
	const struct detail *d = (const void *)(op + 1);
	struct image img;
	unsigned fl;

	x87_pending(cpu, op);
	fl = execute(cpu, d, NULL, &img);
	commit(cpu, op, d, &img, fl);
	return op[2].fn(cpu, op + 2);
}

/* An unmasked exception of the operand, or of a result that does not fit, comes before the store.
 */
#define FSW_NO_STORE 0x19u

SOP(x87_m)
{
	const struct detail *d = (const void *)(op + 1);
	uint8_t mem[16] __attribute__((aligned(16)));
	struct image img;
	uint64_t ea;
	unsigned fl;

	x87_pending(cpu, op);
	ea = ea_x(cpu, op);
	cpu->cur = op;
	if (d->what & M_READ)
		x86_read(cpu, ea, mem, d->size, 0);
	fl = execute(cpu, d, mem, &img);
	if ((d->what & M_WRITE) && !(img.fx.fsw & ~img.fx.fcw & FSW_NO_STORE))
		x86_write(cpu, ea, mem, d->size, 0);
	cpu->cur = NULL;
	commit(cpu, op, d, &img, fl);
	cpu->fx.fdp = ea;
	return op[2].fn(cpu, op + 2);
}

/* --- control instructions, which need no host --- */

SOP(fnclex)
{
	cpu->fx.fsw &= 0x7f00;
	NEXT;
}

SOP(fldcw)
{
	uint16_t v;

	x87_pending(cpu, op);
	v = ld2(cpu, op, ea_x(cpu, op));
	cpu->fx.fcw = (v & FCW_BITS) | FCW_RESERVED;
	x87_update_es(cpu);
	NEXT;
}

SOP(fnstcw)
{
	st2(cpu, op, ea_x(cpu, op), cpu->fx.fcw);
	NEXT;
}

SOP(fnstsw)
{
	if (op->fl & OPF_MEM)
		st2(cpu, op, ea_x(cpu, op), cpu->fx.fsw);
	else
		R16(0) = cpu->fx.fsw;
	NEXT;
}

SOP(fwait)
{
	if ((cpu->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
		x86_raise(cpu, op, VECTOR_NM);
	x87_pending(cpu, op);
	NEXT;
}

SOP(emms)
{
	x87_pending(cpu, op);
	cpu->fx.ftw = 0;
	/* Its top is 0 as after every instruction of MMX. */
	x86_x87_set_fsw(cpu, cpu->fx.fsw & 0xc7ff);
	NEXT;
}

SOP(unavailable)
{
	x86_raise(cpu, op, VECTOR_NM);
}

static bool control(struct x86_tr *tr)
{
	struct x86_op *op;
	x86_fn *fn;

	switch (tr->in.mnemonic) {
	case ZYDIS_MNEMONIC_FWAIT:
		x86_tr_op(tr, fwait);
		return true;
	case ZYDIS_MNEMONIC_FNINIT:
		fn = x86_fninit;
		break;
	case ZYDIS_MNEMONIC_FENI8087_NOP:
	case ZYDIS_MNEMONIC_FDISI8087_NOP:
	case ZYDIS_MNEMONIC_FSETPM287_NOP:
		fn = x86_nop;
		break;
	case ZYDIS_MNEMONIC_FNCLEX:
		fn = fnclex;
		break;
	case ZYDIS_MNEMONIC_FLDCW:
		fn = fldcw;
		break;
	case ZYDIS_MNEMONIC_FNSTCW:
		fn = fnstcw;
		break;
	case ZYDIS_MNEMONIC_FNSTSW:
		fn = fnstsw;
		break;
	case ZYDIS_MNEMONIC_EMMS:
		fn = emms;
		break;
	case ZYDIS_MNEMONIC_FNSTENV:
		fn = x86_fnstenv;
		break;
	case ZYDIS_MNEMONIC_FLDENV:
		fn = x86_fldenv;
		break;
	case ZYDIS_MNEMONIC_FNSAVE:
		fn = x86_fnsave;
		break;
	case ZYDIS_MNEMONIC_FRSTOR:
		fn = x86_frstor;
		break;
	default:
		return false;
	}
	op = x86_tr_op(tr, fn);
	if (tr->in.operand_count_visible && tr_is_mem(&tr->o[0]))
		x86_tr_mem(tr, op, &tr->o[0]);
	op->s = tr->in.operand_width == 16 ? 14 : 28;
	if (!(tr->mode & M_X87))
		op->fn = unavailable;
	return true;
}

bool x86_tr_x87(struct x86_tr *tr)
{
	const unsigned opcode = tr->in.opcode, modrm = (unsigned)tr->in.raw.modrm.mod << 6 |
						       (unsigned)tr->in.raw.modrm.reg << 3 |
						       tr->in.raw.modrm.rm;
	const ZydisDecodedOperand *mem = NULL;
	struct detail *d;
	struct x86_op *op;
	unsigned i;

	if (tr->in.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return false;
	if (control(tr))
		return true;
	if (tr->in.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || opcode < 0xd8 || opcode > 0xdf)
		return false;
	for (i = 0; i < tr->in.operand_count_visible; i++)
		if (tr_is_mem(&tr->o[i]))
			mem = &tr->o[i];
	op = x86_tr_op(tr, mem ? x87_m : x87_r);
	d = (struct detail *)(void *)x86_tr_op(tr, NULL);
	memset(d, 0, sizeof(*d));
	d->fop = (uint16_t)((opcode & 7) << 8 | modrm);
	if (mem) {
		x86_tr_mem(tr, op, mem);
		d->size = mem->size / 8;
		d->stub = x86_x87_mem + ((opcode & 7) * 8 + (modrm >> 3 & 7)) * 4;
		if (mem->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
			d->what |= M_READ;
		if (mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			d->what |= M_WRITE;
	} else {
		d->stub = x86_x87_reg + ((opcode & 7) * 64 + (modrm & 63)) * 4;
	}
	switch (tr->in.mnemonic) {
	case ZYDIS_MNEMONIC_FCOMI:
	case ZYDIS_MNEMONIC_FCOMIP:
	case ZYDIS_MNEMONIC_FUCOMI:
	case ZYDIS_MNEMONIC_FUCOMIP:
		d->what |= M_FLAGS;
		break;
	default:
		break;
	}
	if (!(tr->mode & M_X87))
		op->fn = unavailable;
	return true;
}
