#!/bin/sh
# SPDX-License-Identifier: MIT
# A Linux guest with the translator, on four vCPUs, does what it should; and with both engines on each
# of its blocks now and then, nothing differs; a program of it has protection keys, one has 32 bits. Skipped without a
# kernel, as boot_linux.
set -eu
swtdx=$1 source=$2 keys=$3 i386=$4
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
[ -s "$kernel" ] || { echo "boot_translated: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_translated: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_translated: $*" >&2
	tail -50 "$dir/out" >&2
	exit 1
}

"$source/scripts/guest-initrd" "$dir/initrd" '
i=0
while [ $i -lt 6 ]; do
	(exit 0)
	ls -l /bin | sort | md5sum
	dmesg | sed s/x/y/ | gzip | wc -c
	i=$((i+1))
done
awk "BEGIN { for (i = 1; i < 3000; i++) s += (i * 1.5 - 0.25) / i / (i + 0.75); printf \"sum %.9f\\n\", s }"
echo "turns: $i"
/boot_keys_guest
echo "32 bits: $(/i386 20 | md5sum)"' "$keys" "$i386"
for engine in "translate --vcpus 4 --dies 2" "check"; do
	# shellcheck disable=SC2086
	"$swtdx" run --engine $engine --memory 512 --huge-pages --kernel "$kernel" --initrd "$dir/initrd" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" </dev/null >"$dir/out" 2>&1 ||
		fail "$engine: exit $?"
	grep -aq '^sum 11.363654970' "$dir/out" || fail "$engine: its arithmetic is wrong"
	grep -aq '^keys: 300 turns as they should be' "$dir/out" || fail "$engine: protection keys"
	grep -aq '^32 bits: 0274a764d5d385c0889eea59c23ae1ad' "$dir/out" || fail "$engine: a program of 32 bits"
	grep -aq '^turns: 6' "$dir/out" || fail "$engine: it did not come to the end"
	grep -aq '^owned by the module at the end: 0 pages' "$dir/out" || fail "$engine: pages left"
done
grep -aq ' 0 of [1-9][0-9]* executions of translated blocks differed' "$dir/out" || fail "the engines differ"
