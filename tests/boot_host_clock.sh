#!/bin/sh
# SPDX-License-Identifier: MIT
# With a virtual clock two runs with one seed are the same, byte for byte of trace and console, with two processors
# and a TD of two vCPUs that contend; another seed is another run. Skipped without a kernel (make host-kernel).
# boot_host_clock.sh SWTDX SOURCE
set -eu
swtdx=$1 source=$2
code=0
"$swtdx" host --kernel /dev/null --clock sundial >/dev/null 2>&1 || code=$?
[ "$code" = 2 ] || { echo "boot_host_clock: --clock sundial: exit $code, not 2" >&2; exit 1; }
kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_clock: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_clock: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh "$source/examples/kvm-tdx/build.sh" "$dir" cc
"$source/scripts/guest-initrd" "$dir/initrd" '/kvm-tdx -t 2 -v -c 2 -p 10 /threads.bin; echo "exit $?"
date; sleep 1; date' "$dir/kvm-tdx" "$dir/threads.bin"

fail() {
	echo "boot_host_clock: $*" >&2
	tail -n 20 "$dir"/out.* "$dir"/err.* >&2
	exit 1
}

boot() { # NAME SEED
	code=0
	"$swtdx" host --clock virtual --seed "$2" --cpus 2 --memory 3072 --kernel "$kernel" --initrd "$dir/initrd" \
		--trace "$dir/trace.$1" --append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off" \
		</dev/null >"$dir/out.$1" 2>"$dir/err.$1" || code=$?
	[ "$code" = 0 ] || fail "$1: exit $code"
	grep -aq '^640 pages accepted in #VE handlers, 640 removed' "$dir/out.$1" || fail "$1: the TD did not end well"
	grep -aq '^exit 0' "$dir/out.$1" || fail "$1: the TD did not end well"
	grep -aq -e 'BUG:' -e Oops -e 'WARNING:' "$dir/out.$1" && fail "$1: the kernel complains"
	grep -aq 'UTC 2026' "$dir/out.$1" || fail "$1: another day"
}

boot a 7
boot b 7
boot c 8
cmp "$dir/trace.a" "$dir/trace.b" || fail "one seed, two traces"
cmp "$dir/out.a" "$dir/out.b" || fail "one seed, two consoles"
cmp "$dir/err.a" "$dir/err.b" || fail "one seed, two ends"
! cmp -s "$dir/trace.a" "$dir/trace.c" || fail "two seeds, one trace"
