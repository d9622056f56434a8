#!/bin/sh
# SPDX-License-Identifier: MIT
# scripts/threads shows each of the five threads on the built kernel, before and after, and says so in one line.
# Skipped without a kernel and its build (make host-kernel).
# boot_host_threads.sh BUILD SOURCE
set -eu
build=$1 source=$2
"$source/scripts/host-kernel" --have >/dev/null || { echo "boot_host_threads: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_threads: no busybox or cpio"; exit 77; }
code=0
"$source/scripts/before-kernel" >/dev/null || code=$?
[ "$code" != 3 ] || { echo "boot_host_threads: no kernel as it was before"; exit 77; }
[ "$code" = 0 ] || exit 1
out=$(mktemp)
trap 'rm -f "$out"' EXIT

fail() {
	echo "boot_host_threads: $*" >&2
	cat "$out" >&2
	exit 1
}

"$source/scripts/threads" "$build" >"$out" 2>&1 || fail "exit $?"
for thread in S0 S1 S2 S3 S4; do
	[ "$(grep -c "^$thread seen: " "$out")" = 1 ] || fail "$thread is not seen"
	# A page.
	[ "$(awk -v t="^--- $thread:" '$0 ~ t { on = 1 } on { n++ } on && /seen: / { print n; exit }' "$out")" -le 66 ] ||
		fail "$thread is more than a page"
done
