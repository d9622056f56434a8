/* SPDX-License-Identifier: MIT */
/* --engine, of the verbs whose machine executes code. */
#ifndef TOOLS_EXECUTION_H
#define TOOLS_EXECUTION_H

#include <swtdx/x86.h>

/* For OPTION_CHOICE, and what its index stands for. */
#define EXECUTION_WORDS "translate|interpret|check"
#define EXECUTION_HELP                                                                             \
	"what executes code: a translator for what is executed often and an interpreter for the "  \
	"rest (the default), the interpreter alone, or both, compared"
/* Without the third, which takes one vCPU. */
#define EXECUTION_TWO_WORDS "translate|interpret"
#define EXECUTION_TWO_HELP                                                                         \
	"what executes code: a translator for what is executed often and an interpreter for the "  \
	"rest (the default), or the interpreter alone"
enum { EXECUTION_NOT_SAID = 99 };

static inline enum tdx_x86_execution execution_of(unsigned choice)
{
	static const enum tdx_x86_execution words[] = {
		TDX_X86_EXECUTE_TRANSLATE, TDX_X86_EXECUTE_INTERPRET, TDX_X86_EXECUTE_CHECK};

	return choice < sizeof(words) / sizeof(words[0]) ? words[choice] : TDX_X86_EXECUTE_DEFAULT;
}

#endif
