#!/bin/sh
# SPDX-License-Identifier: MIT
# The example L1 VMM runs a few instructions in an L2 VM: what they try goes as it should, on every
# engine, and nothing is left of the TD. A TD without L2 VMs, a bundle that is none: it says so.
# Usage: boot_l1_tiny.sh SWTDX L1.ELF
set -eu
swtdx=$1 l1=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_l1_tiny: $*" >&2
	cut -c1-200 "$dir/out" >&2
	exit 1
}

for args in "" "--engine interpret" "--huge-pages" "--l2-vms 3 --dynamic-pamt"; do
	# shellcheck disable=SC2086
	"$swtdx" run --quiet --l2-vms 1 --memory 128 $args --kernel "$l1" </dev/null >"$dir/out" 2>&1 ||
		fail "run $args: exit $?"
	[ "$(grep -c '^ok l2: ' "$dir/out")" = 6 ] && ! grep -q '^not ok' "$dir/out" ||
		fail "run $args: it did not come to the end"
	grep -q '^l1: exits CPUID 2$' "$dir/out" || fail "run $args: CPUID was not counted"
	grep -q '^l1: exits PREEMPTION_TIMER [1-9]' "$dir/out" || fail "run $args: no timer ended a run"
	grep -q '^owned by the module at the end: 0 pages' "$dir/out" || fail "run $args: pages left"
done

# What the VM was given is in a trace before the call: it comes out the same, but for what the L1
# VMM is told of the VM's interruptibility, which a trace does not have.
"$swtdx" run --quiet --l2-vms 1 --memory 128 --huge-pages --trace "$dir/trace" --kernel "$l1" </dev/null \
	>"$dir/out" 2>&1 || fail "with a trace: exit $?"
"$swtdx" replay --check "$dir/trace" >"$dir/out" 2>&1 || true
grep -q ' passed, [0-9]* differ$' "$dir/out" || fail "the trace is not played"
! grep 'recorded' "$dir/out" | grep -v 'TDG.VP.WR: r8 is 0x0, recorded 0x1$' || fail "the trace differs"

run() {
	code=0
	"$swtdx" run --quiet "$@" </dev/null >"$dir/out" 2>&1 || code=$?
}
run --kernel "$l1"
[ "$code" != 0 ] && grep -q "a field of the VM's VMCS" "$dir/out" || fail "without L2 VMs: exit $code"
echo nothing >"$dir/none"
run --l2-vms 1 --kernel "$l1" --initrd "$dir/none"
[ "$code" = 1 ] && grep -q '^l1: what it was given to boot: it is no bundle' "$dir/out" ||
	fail "no bundle: exit $code"
printf 'l1 5000 0\n' | dd bs=4096 conv=sync status=none >"$dir/none"
run --l2-vms 1 --kernel "$l1" --initrd "$dir/none"
[ "$code" = 1 ] && grep -q '^l1: what it was given to boot: it is no bundle' "$dir/out" ||
	fail "a bundle that is cut off: exit $code"
run --l2-vms 4 --kernel "$l1"
[ "$code" = 2 ] || fail "four L2 VMs: exit $code"
