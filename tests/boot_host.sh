#!/bin/sh
# SPDX-License-Identifier: MIT
# An unmodified Linux kernel boots as the host, to a shell with input, and switches off. Skipped
# without a kernel, which scripts/guest-kernel fetches (make run does).
set -eu
swtdx=$1 source=$2
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
[ -s "$kernel" ] || { echo "boot_host: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_host: $*" >&2
	tail -50 "$dir/out" >&2
	exit 1
}

boot() { # expected exit status, processors, packages
	code=0
	"$swtdx" host --cpus "$2" --packages "$3" --kernel "$kernel" --initrd "$dir/initrd" --missing \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr nowatchdog panic=-1 quiet" \
		<"$dir/in" >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = "$1" ] || { cat "$dir/err" >&2; fail "exit $code, not $1"; }
}

echo "one line of input" >"$dir/in"
"$source/scripts/guest-initrd" "$dir/initrd" '
read line </dev/console
echo "read: $line"
echo "processors: $(grep -c ^processor /proc/cpuinfo)"
echo "vmx: $(grep -c "^flags.* vmx " /proc/cpuinfo)"
'
boot 0 1 1
grep -aq 'read: one line of input' "$dir/out" || fail "no input"
grep -aq 'processors: 1' "$dir/out" || fail "not one processor"
grep -aq 'vmx: 1' "$dir/out" || fail "no VMX"
grep -q '^host: switched off' "$dir/err" || fail "not switched off"
grep -q 'owned by the module at the end: 0 pages' "$dir/err" || fail "pages left"
boot 0 2 1
grep -aq 'processors: 2' "$dir/out" || fail "not two processors"

# A host that resets instead has failed.
"$source/scripts/guest-initrd" "$dir/initrd" 'status=1'
boot 1 1 1
grep -q '^host: reset' "$dir/err" || fail "not reset"
