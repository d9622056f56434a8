#!/bin/sh
# SPDX-License-Identifier: MIT
# An unmodified Linux kernel boots as a TD and runs a program. Skipped without a kernel, which
# scripts/guest-kernel fetches (make run does).
set -eu
swtdx=$1 source=$2
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
[ -s "$kernel" ] || { echo "boot_linux: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_linux: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_linux: $*" >&2
	tail -50 "$dir/out" >&2
	exit 1
}

boot() { # expected exit status, command in the guest
	"$source/scripts/guest-initrd" "$dir/initrd" "$2"
	code=0
	"$swtdx" run --vcpus 2 --memory 512 --huge-pages --kernel "$kernel" --initrd "$dir/initrd" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" <"$dir/in" >"$dir/out" 2>&1 ||
		code=$?
	[ "$code" = "$1" ] || fail "exit $code, not $1"
	grep -aq '^owned by the module at the end: 0 pages' "$dir/out" || fail "pages left"
}

echo "one line of input" >"$dir/in"
boot 0 '
read line </dev/console
echo "read: $line"
dmesg | grep "tdx: Guest detected"
dmesg | grep "Memory Encryption Features active: Intel TDX"
echo "processors: $(grep -c ^processor /proc/cpuinfo)"
'
grep -aq 'tdx: Guest detected' "$dir/out" || fail "it did not see a TD"
grep -aq 'Memory Encryption Features active: Intel TDX' "$dir/out" || fail "no memory encryption"
grep -aq '^read: one line of input' "$dir/out" || fail "no input"
grep -aq '^processors: 2' "$dir/out" || fail "not two processors"

# A guest that resets instead has failed.
boot 1 'status=1'
