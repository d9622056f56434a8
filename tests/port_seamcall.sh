#!/bin/sh
# SPDX-License-Identifier: MIT
# The real instruction: assembled, disassembled, embedded in a kernel object; by gcc and by clang,
# those there are. What it does when it runs: port_insn.c.
set -u
cd "$(dirname "$0")/.."
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
failed=0
check() { # what, command...
	what=$1
	shift
	if "$@"; then echo "ok $what"; else echo "FAILED $what"; failed=1; fi
}

kernel_object_builds() { examples/kernel/build.sh "$tmp/tdx.o" $cc; }
dump() { objdump -d --no-show-raw-insn "$tmp/tdx.o" | sed -n '/<tdx_seamcall_insn>:/,/^$/p'; }

instruction_is_there_once() {
	[ "$(objdump -d "$tmp/tdx.o" | grep -c '66 0f 01 cf')" = 1 ]
}

# S1-02: every register the ABI may change is cleared or restored before the return.
S1_02_no_register_of_a_guest_survives_the_call() {
	after=$(dump | sed -n '/seamcall\|data16 xsusldtrk\|\.byte/,$p')
	for r in ecx edx esi r8d r9d r10d r11d edi eax; do
		echo "$after" | grep -q "xor *%$r,%$r" || return 1
	done
	for r in rbx r12 r13 r14 r15; do
		echo "$after" | grep -q "pop *%$r" || return 1
	done
}

# S1-08: one pair of offsets: where it may fault, where to go on.
S1_08_the_fault_has_an_exception_table_entry() {
	size=$(objdump -h "$tmp/tdx.o" | awk '$2 == "tdx_extable" { print $3 }')
	[ "$size" = 00000008 ] && [ "$(objdump -r -j tdx_extable "$tmp/tdx.o" | grep -c R_X86_64_PC32)" = 2 ]
}

only_the_kernel_is_undefined() {
	nm -u "$tmp/tdx.o" | awk '{ print $2 }' | grep -vxE 'kernel_[a-z_]+|mem(cpy|set|move|cmp)' >"$tmp/u"
	[ ! -s "$tmp/u" ] || { cat "$tmp/u"; return 1; }
}

no_vector_registers() { ! objdump -d "$tmp/tdx.o" | grep -q '%[xyz]mm'; }

for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	for t in kernel_object_builds instruction_is_there_once S1_02_no_register_of_a_guest_survives_the_call \
		S1_08_the_fault_has_an_exception_table_entry only_the_kernel_is_undefined no_vector_registers; do
		check "$t ($cc)" $t
	done
done
exit $failed
