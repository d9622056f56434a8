#!/bin/sh
# SPDX-License-Identifier: MIT
# An L1 VMM whose L2 VM runs Linux moves between two machines, live: over a socket there and back,
# with its memory after it, given up on the way. The kernel in the VM hashes and counts on. Skipped
# without a kernel, which scripts/guest-kernel fetches.
# Usage: boot_migrate_l1.sh SWTDX L1.ELF SOURCE
set -eu
swtdx=$1 l1=$2 source=$3
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
[ -s "$kernel" ] || { echo "boot_migrate_l1: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_migrate_l1: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_migrate_l1: $*" >&2
	cat "$dir/out" "$dir/err" | tail -n 30 >&2
	exit 1
}

"$source/scripts/guest-initrd" "$dir/initrd" '
dd if=/dev/urandom of=/file bs=1M count=1 2>/dev/null
want=$(sha256sum </file)
(while :; do
	cp /file /copy && mv /copy /file
	[ "$(sha256sum </file)" = "$want" ] || { echo HASH DIFFERS; reboot -f; }
done) &
echo READY
n=0
while sleep 1; do n=$((n + 1)); echo "second $n"; done
'
"$source/examples/l1/bundle.sh" "$dir/bundle" "$kernel" "$dir/initrd"

# The last count on the console grows after the last move, which --end waits for.
moves() {
	: >"$dir/out"
	"$swtdx" migrate --json --timeout 800 --l2-vms 1 --memory 256 --huge-pages --kernel "$l1" --initrd "$dir/bundle" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" --when READY --after 3 --end "$@" \
		>"$dir/out" 2>"$dir/err" || fail "exit $? of $*"
	! grep -aq 'HASH DIFFERS\|BUG:\|Oops\|Call Trace' "$dir/err" || fail "what runs in the VM: $*"
	grep -aq 'second 3' "$dir/err" || fail "it does not count: $*"
	! grep -q '"measurements_equal":false' "$dir/out" || fail "MRTD or RTMRs: $*"
}

moves --times 2
[ "$(grep -c '"given_up":false' "$dir/out")" = 2 ] || fail "it has not moved twice"
moves --abort-at 1
grep -q '"given_up":true' "$dir/out" && grep -q '"given_up":false' "$dir/out" || fail "nothing was given up"
moves --post-copy --dynamic-pamt
! grep -q '"post_pages":0,' "$dir/out" || fail "no memory came after it"
echo "boot_migrate_l1: ok"
