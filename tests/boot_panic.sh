#!/bin/sh
# SPDX-License-Identifier: MIT
# A kernel that panics with panic=-1 ends as docs/boot.md says, whatever its version: the triple fault of its
# real-mode trampoline is told as a reset, with reboot=acpi there is none; exit status 1 and nothing left behind.
# Skipped without a kernel, as boot_linux.sh.
# Usage: boot_panic.sh SWTDX SOURCE KERNEL
set -eu
swtdx=$1 source=$2 kernel=$3
[ -s "$kernel" ] || { echo "boot_panic: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_panic: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$source/scripts/guest-initrd" "$dir/initrd" 'echo up; echo c >/proc/sysrq-trigger'

fail() {
	echo "boot_panic: $*" >&2
	tail -30 "$dir/out" >&2
	exit 1
}

boot() { # more of the command line
	code=0
	"$swtdx" run --quiet --vcpus 2 --memory 512 --huge-pages --kernel "$kernel" --initrd "$dir/initrd" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr panic=-1 $1" </dev/null >"$dir/out" 2>&1 || code=$?
	[ "$code" = 1 ] || fail "exit $code, not 1"
	grep -aq '^up' "$dir/out" || fail "it does not come up"
	grep -aq 'Kernel panic - not syncing: sysrq triggered crash' "$dir/out" || fail "no panic"
	grep -aq '^owned by the module at the end: 0 pages' "$dir/out" || fail "pages left"
}

boot ''
grep -aq 'triple fault' "$dir/out" || fail "no triple fault: docs/boot.md has to say how it resets now"
grep -aq ': the guest was restarting: a reset' "$dir/out" || fail "the triple fault is not told as a reset"
boot 'reboot=acpi'
! grep -aq 'triple fault' "$dir/out" || fail "a triple fault in place of the reset register"
