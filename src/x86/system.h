/* SPDX-License-Identifier: MIT */
/* Handlers with a name of their own, which the decoder refers to. */
#ifndef X86_SYSTEM_H
#define X86_SYSTEM_H

#include "x86/internal.h"

/* int_branch.c, int_stack.c */
OP(x86_jmp);
OP(x86_call64);
OP(x86_ret64);
OP(x86_jmp64_r);
OP(x86_jmp64_m);
OP(x86_call64_r);
OP(x86_call64_m);
OP(x86_loop);
OP(x86_push64_r);
OP(x86_pop64_r);
OP(x86_leave64);
OP(x86_pusha);
OP(x86_popa);
OP(x86_pushf);
OP(x86_popf);
OP(x86_leave_frame);
OP(x86_enter);
OP(x86_call_rel);
OP(x86_call32);
OP(x86_jmp_rel);
OP(x86_near_ind);
OP(x86_ret);
/* system.c */
OP(x86_mov_to_cr);
OP(x86_mov_from_cr);
OP(x86_clts);
OP(x86_lmsw);
OP(x86_store_word);
OP(x86_mov_to_dr);
OP(x86_mov_from_dr);
OP(x86_load_dt);
OP(x86_store_dt);
OP(x86_invlpg);
OP(x86_invpcid);
OP(x86_cli);
OP(x86_sti);
OP(x86_ac);
OP(x86_flag);
OP(x86_fsgsbase);
/* msr.c */
OP(x86_rdmsr);
OP(x86_wrmsr);
OP(x86_rdtsc);
OP(x86_rdtscp);
OP(x86_rdpid);
OP(x86_random);
OP(x86_xgetbv);
/* exits.c */
OP(x86_exit_insn);
OP(x86_rdpmc);
OP(x86_in_out);
OP(x86_ud);
OP(x86_gp);
OP(x86_nm);
OP(x86_unknown);
OP(x86_gated_cr4); /* unknown if a bit of imm is set in CR4, else #UD */
OP(x86_gated_xcr0);
OP(x86_break);
OP(x86_nop);
OP(x86_pause);
/* Let the thread sleep a little, unless something asks for attention. */
void x86_nap(struct x86_cpu *cpu);
/* optional.c */
OP(x86_xbegin);
OP(x86_xtest);
OP(x86_pkru);
OP(x86_wait);
OP(x86_monitor);
OP(x86_mwait);
OP(x86_ptwrite);
/* string.c */
OP(x86_movs);
OP(x86_stos);
OP(x86_lods);
OP(x86_cmps);
OP(x86_scas);
/* int_misc.c */
OP(x86_bswap);
OP(x86_convert);
OP(x86_double);
OP(x86_cmpxchg8b);
OP(x86_cmpxchg16b);
OP(x86_movbe);
OP(x86_crc32);
OP(x86_xlat);
OP(x86_mov_moffs_ld);
OP(x86_mov_moffs_st);
OP(x86_movdir64b);
OP(x86_bcd);
OP(x86_bound);
OP(x86_arpl);
OP(x86_salc);
OP(x86_fence);
OP(x86_serialize);
OP(x86_adx);
OP(x86_probe);
OP(x86_cache_line);
OP(x86_direct_store);
OP(x86_vmx_insn);

#endif
