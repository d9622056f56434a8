/* SPDX-License-Identifier: MIT */
/* What an embedder asks for, in the words of x86/. */
#include "engine/execution.h"
#include "x86/x86.h"

int execution_set(struct x86_code *code, enum tdx_x86_execution how)
{
	switch (how) {
	case TDX_X86_EXECUTE_DEFAULT:
#ifdef X86_CHECK_HOST
		/* Emitted code would go past the checks that the build is for. */
		break;
#endif
	case TDX_X86_EXECUTE_TRANSLATE:
		return x86_code_translate(code, X86_TRANSLATE_AFTER);
	case TDX_X86_EXECUTE_CHECK:
		return x86_code_check(code, X86_TRANSLATE_AFTER);
	case TDX_X86_EXECUTE_INTERPRET:
		break;
	}
	x86_code_interpret(code);
	return 0;
}
