/* SPDX-License-Identifier: MIT */
/* x87: the guest's state is loaded into the host's unit, one instruction runs there, and the state
 * is taken back.
 *
 * The instructions stand in a table of two-byte stubs, all register forms and all memory forms with
 * the address in RDX; nothing is generated. The host computes with every exception masked; one the
 * guest has unmasked is pending afterwards and raises #MF at the next waiting instruction. */
#include "cpu/x86/decode.h"
#include "cpu/x86/flags.h"

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

#define FSW_ES	  0x8080u
#define FCW_MASKS 0x3fu

enum { M_READ = 1, M_WRITE = 2, M_WAITS = 4, M_LOADS_FCW = 8, M_CONTROL = 16, M_FLAGS = 32 };

/* An x87 operation is followed by a slot with the rest of its description. */
struct detail {
	const uint8_t *stub;
	uint16_t fop;
	uint16_t size;
	uint8_t what;
	uint8_t pad[32 - 13];
};
static_assert(sizeof(struct detail) == sizeof(struct x86_op), "takes the place of an operation");

static void pending(struct x86_cpu *cpu, const struct x86_op *op)
{
	if ((cpu->fx.fsw & FSW_ES) && (cpu->cr0 & X86_CR0_NE))
		x86_raise(cpu, op, V_MF);
}

static void update_es(struct x86_cpu *cpu)
{
	cpu->fx.fsw &= (uint16_t)~FSW_ES;
	if (cpu->fx.fsw & ~cpu->fx.fcw & FCW_MASKS)
		cpu->fx.fsw |= FSW_ES;
}

static void execute(struct x86_cpu *cpu, const struct x86_op *op, const struct detail *d, void *mem,
		    uint64_t ea)
{
	struct {
		struct x86_fxregs fx;
		uint8_t rest[512 - sizeof(struct x86_fxregs)];
	} img __attribute__((aligned(16))) = {.fx = cpu->fx};
	const uint16_t fcw = cpu->fx.fcw;
	const uint32_t mxcsr = cpu->fx.mxcsr, mask = cpu->fx.mxcsr_mask;
	unsigned fl;

	__asm__ volatile("stmxcsr %0" : "=m"(img.fx.mxcsr));
	img.fx.fcw |= FCW_MASKS;
	img.fx.fsw &= (uint16_t)~FSW_ES;
	fl = x86_x87_exec(&img, d->stub, mem, cpu->fl);
	cpu->fx = img.fx;
	cpu->fx.mxcsr = mxcsr;
	cpu->fx.mxcsr_mask = mask;
	if (!(d->what & M_LOADS_FCW))
		cpu->fx.fcw = fcw;
	if (!(d->what & M_CONTROL)) {
		cpu->fx.fop = d->fop;
		cpu->fx.fip = cpu->blkrip + op->off;
		if (mem)
			cpu->fx.fdp = ea;
	}
	if (d->what & M_FLAGS)
		cpu->fl = (uint16_t)fl;
	update_es(cpu);
}

SOP(x87_r)
{
	const struct detail *d = (const void *)(op + 1);

	if (d->what & M_WAITS)
		pending(cpu, op);
	execute(cpu, op, d, NULL, 0);
	return op[2].fn(cpu, op + 2);
}

SOP(x87_m)
{
	const struct detail *d = (const void *)(op + 1);
	uint8_t mem[128] __attribute__((aligned(16)));
	uint64_t ea;

	if (d->what & M_WAITS)
		pending(cpu, op);
	ea = ea_x(cpu, op);
	cpu->cur = op;
	if (d->what & M_READ)
		x86_read(cpu, ea, mem, d->size, 0);
	if (d->what & M_WRITE)
		x86_probe_write(cpu, ea, d->size);
	execute(cpu, op, d, mem, ea);
	if (d->what & M_WRITE)
		x86_write(cpu, ea, mem, d->size, 0);
	cpu->cur = NULL;
	return op[2].fn(cpu, op + 2);
}

/* --- control instructions, which need no host --- */

SOP(fninit)
{
	const unsigned top = cpu->fx.fsw >> 11 & 7;
	uint8_t st[8][16];
	unsigned i;

	/* The registers keep their contents; the image counts them from a top which is now 0. */
	memcpy(st, cpu->fx.st, sizeof(st));
	for (i = 0; i < 8; i++)
		memcpy(cpu->fx.st[(i + top) & 7], st[i], 16);
	cpu->fx.fcw = 0x37f;
	cpu->fx.fsw = 0;
	cpu->fx.ftw = 0;
	cpu->fx.fop = 0;
	cpu->fx.fip = cpu->fx.fdp = 0;
	NEXT;
}

SOP(fnclex)
{
	cpu->fx.fsw &= 0x7f00;
	NEXT;
}

SOP(fldcw)
{
	uint16_t v;

	pending(cpu, op);
	v = ld2(cpu, op, ea_x(cpu, op));
	cpu->fx.fcw = (v & 0x1f7f) | 0x40;
	update_es(cpu);
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
	if ((cpu->cr0 & (X86_CR0_MP | X86_CR0_TS)) == (X86_CR0_MP | X86_CR0_TS))
		x86_raise(cpu, op, V_NM);
	pending(cpu, op);
	NEXT;
}

SOP(emms)
{
	cpu->fx.ftw = 0;
	NEXT;
}

SOP(unavailable)
{
	x86_raise(cpu, op, V_NM);
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
		fn = fninit;
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
	default:
		return false;
	}
	op = x86_tr_op(tr, fn);
	if (tr->in.operand_count_visible && tr_is_mem(&tr->o[0]))
		x86_tr_mem(tr, op, &tr->o[0]);
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
	/* The 16-bit forms of the environment instructions have another layout. */
	if (mem && (mem->size / 8 > 108 || (mem->size > 80 && tr->in.operand_width == 16)))
		return false;
	op = x86_tr_op(tr, mem ? x87_m : x87_r);
	d = (struct detail *)(void *)x86_tr_op(tr, NULL);
	memset(d, 0, sizeof(*d));
	d->what = M_WAITS;
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
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FNSAVE:
		d->what = M_WRITE | M_LOADS_FCW | M_CONTROL;
		break;
	case ZYDIS_MNEMONIC_FLDENV:
	case ZYDIS_MNEMONIC_FRSTOR:
		d->what |= M_LOADS_FCW | M_CONTROL;
		break;
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
