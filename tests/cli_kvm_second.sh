#!/bin/sh
# SPDX-License-Identifier: MIT
# Clients of KVM by another sequence than QEMU's: examples/kvm-tdx, as it runs under Linux's own KVM too (tests/boot_host_td.sh), here
# under the simulated one: several vCPUs, several TDs, conversions, #VE, a slot that comes and goes. And two machines in one
# process with devices, an event loop and resets (tests/kvm_second.c).
# Usage: cli_kvm_second.sh SWTDX SOURCE KVM_TDX KVM_SECOND [CC]...
set -u
swtdx=$1 source=$2 client=$3 second=$4
shift 4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh "$source/examples/kvm-tdx/build.sh" "$dir" "$@" || { echo "cli_kvm_second: no compiler for the TDs"; exit 77; }
fail() { echo "cli_kvm_second: $*"; cat "$dir/out"; exit 1; }
# runs LINES-EXPECTED COMMAND...: they are in its output; nothing was asked in vain, all pages came back
runs() {
	expected=$1
	shift
	timeout -k 5 150 "$swtdx" kvm --quiet --missing -- "$@" >"$dir/out" 2>&1 || fail "exit $?: $*"
	! grep -q 'not come back\|not torn down\|coherency\|missing:' "$dir/out" || fail "$*"
	[ "$(grep -cxF -- "$expected" "$dir/out")" -ge 1 ] || fail "no \"$expected\": $*"
}
for vcpus in 1 2 4; do
	runs goodbye "$client" -c $vcpus "$dir/hello.bin"
done
runs goodbye "$client" -n 3 -c 2 -p 256 "$dir/hello.bin"
runs '640 pages accepted in #VE handlers, 640 removed' "$client" -t 2 -v -c 2 -p 10 "$dir/threads.bin"
runs 'the loop: done after 1 calls' "$client" -t 3 "$dir/threads.bin"
runs 'one call: "go on", which is no success: given up' "$client" -t 3 -e 2 "$dir/threads.bin"
runs '32 times a slot has gone and come back' "$client" -t 4 -c 2 "$dir/threads.bin"
runs '2 machines, 2 lives each, 100 rounds' "$second" "$dir/doorbell.bin" 100
exit 0
