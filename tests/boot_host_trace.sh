#!/bin/sh
# SPDX-License-Identifier: MIT
# What a host's --trace is good for: its calls are played again on another module with the same answers, show their locks,
# and two of them are put beside each other in every order. vCPUs are kicked by IPIs meanwhile. Skipped without a kernel
# (make host-kernel).
# boot_host_trace.sh SWTDX SOURCE
set -eu
swtdx=$1 source=$2
kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_trace: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_trace: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh "$source/examples/kvm-tdx/build.sh" "$dir" cc
"$source/scripts/guest-initrd" "$dir/initrd" '/kvm-tdx /hello.bin; /kvm-tdx -t 2 -v -c 2 -p 10 /threads.bin; echo "exit $?"' \
	"$dir/kvm-tdx" "$dir/hello.bin" "$dir/threads.bin"

fail() {
	echo "boot_host_trace: $*" >&2
	tail -n 30 "$dir/out" "$dir/err" >&2
	exit 1
}

for clock in real virtual; do
	[ $clock = real ] && set -- || set -- --clock virtual --seed 7
	"$swtdx" host "$@" --cpus 2 --memory 3072 --kernel "$kernel" --initrd "$dir/initrd" --trace "$dir/trace" \
		--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off quiet" \
		</dev/null >"$dir/out" 2>"$dir/err" || fail "$clock: exit $?"
	grep -aq '^exit 0' "$dir/out" || fail "$clock: the TD did not end well"
	"$swtdx" replay --check "$dir/trace" >"$dir/out" 2>"$dir/err" || fail "$clock: it does not play again"
done

"$swtdx" replay --locks "$dir/trace" >"$dir/out"
grep -q 'SEPT_TREE .* exclusive' "$dir/out" || fail "no locks"
"$swtdx" replay --vectors "$dir/trace" >"$dir/lines"
# TD exits by an interrupt between processors, of a vector from 0xf0 on.
grep -q '^exit -> .* r9=0x800000f' "$dir/lines" || fail "no vCPU was kicked by an IPI"

# Two vCPU threads of KVM's at one moment: one maps a page, the other begins to unmap the one before.
grep -n '^seamcall.* TDH.MEM.PAGE.AUG .*-> rax=0x0' "$dir/lines" | sed -n '2p;3p' >"$dir/augs"
word() { # NAME=, of line N
	sed -n "$2s/.* $1=\(0x[0-9a-f]*\) .*->.*/\1/p" "$dir/augs"
}
at=$(sed -n '2s/:.*//p' "$dir/augs") lp=$(sed -n '2s/[0-9]*:seamcall \([0-9]\) .*/\1/p' "$dir/augs")
{
	sed "$at,\$d" "$dir/lines"
	echo "thread A"
	sed -n "${at}p" "$dir/lines"
	echo "thread B"
	echo "seamcall $((1 - lp)) TDH.MEM.RANGE.BLOCK rcx=$(word rcx 1) rdx=$(word rdx 2)"
	echo "sometimes A1 TDX_OPERAND_BUSY|SEPT_TREE"
	echo "sometimes B1 TDX_OPERAND_BUSY|SEPT_TREE"
	echo "sometimes A1 TDX_SUCCESS"
	echo "sometimes B1 TDX_SUCCESS"
} >"$dir/scenario"
(
	ulimit -t 200 # of CPU time, however busy the machine is
	exec "$swtdx" explore "$dir/scenario" >"$dir/out" 2>"$dir/err"
) || fail "explored: exit $?"
