#!/bin/sh
# SPDX-License-Identifier: MIT
# The loop around MapGPA of an unmodified Linux kernel (S3), under a host that converts a few pages a call: as
# many calls as arithmetic predicts; and when it is answered three times in a row without progress, it gives
# up after these three calls and says so. Skipped without a kernel, as boot_linux.sh.
# Usage: boot_map_gpa.sh SWTDX SOURCE
set -eu
swtdx=$1 source=$2
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
[ -s "$kernel" ] || { echo "boot_map_gpa: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_map_gpa: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$source/scripts/guest-initrd" "$dir/initrd" 'echo up'

fail() {
	echo "boot_map_gpa: $*" >&2
	tail -30 "$dir/out" >&2
	exit 1
}

boot() { # pages a call, answers without progress before each that does
	"$swtdx" run --quiet --memory 512 --host "map-gpa=$1,idle=$2" --kernel "$kernel" --initrd "$dir/initrd" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr" </dev/null >"$dir/out" 2>&1 || fail "exit $?"
	grep -aq '^up' "$dir/out" || fail "it does not come up"
	sed -n 's/^  0x[0-9a-f]* to [a-z]*: \([0-9]*\) of \([0-9]*\) pages, \([0-9]*\) calls (\([0-9]*\) .*, \(.*\)/\1 \2 \3 \4 \5/p' \
		"$dir/out" >"$dir/ranges"
	[ "$(wc -l <"$dir/ranges")" -ge 1 ] || fail "no conversion"
}

for pages in 1 3 512 513; do
	idle=$((pages == 513 ? 2 : 0))
	boot $pages $idle
	awk -v pages=$pages -v idle=$idle '{
		calls = int(($2 + pages - 1) / pages) * (1 + idle)
		if ($1 != $2 || $3 != calls || $5 != "done") { print "not " calls ": " $0; bad = 1 }
		all += $3
	} END { print pages " pages a call, " idle " idle: " all " calls"; exit bad }' "$dir/ranges" || fail "$pages pages a call"
done

# Three in a row are too many.
boot 512 3
awk '{ if ($1 != 0 || $3 != 3 || $4 != 3 || $5 != "given") { print; bad = 1 } } END { exit bad }' "$dir/ranges" ||
	fail "it does not give up after three"
grep -aq 'failure to convert memory.*to shared: -5' "$dir/out" || fail "the kernel does not say that it failed"
