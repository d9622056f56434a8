#!/bin/sh
# SPDX-License-Identifier: MIT
# A Linux TD of 64 vCPUs on 2 processors: all come up, one wakes the others, each executes something, and it ends.
# Skipped without a kernel, as boot_linux.
set -eu
swtdx=$1 source=$2
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
[ -s "$kernel" ] || { echo "boot_many: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_many: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_many: $*" >&2
	tail -50 "$dir/out" >&2
	exit 1
}

# shellcheck disable=SC2016
"$source/scripts/guest-initrd" "$dir/initrd" '
echo "processors: $(grep -c ^processor /proc/cpuinfo)"
i=0
while [ $i -lt 64 ]; do
	taskset -c $i sh -c "echo ran on \$(cut -d\" \" -f39 /proc/self/stat)"
	i=$((i + 1))
done
'
"$swtdx" run --vcpus 64 --cpus 2 --memory 1024 --huge-pages --kernel "$kernel" --initrd "$dir/initrd" \
	--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" </dev/null >"$dir/out" 2>&1 || fail "exit $?"
grep -aq '^processors: 64' "$dir/out" || fail "not 64 processors"
[ "$(tr -d '\r' <"$dir/out" | grep -a '^ran on ' | sort -u | wc -l)" = 64 ] || fail "some vCPUs executed nothing"
grep -aq '^owned by the module at the end: 0 pages' "$dir/out" || fail "pages left"
