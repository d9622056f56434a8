#!/bin/sh
# SPDX-License-Identifier: MIT
# The partial-write erratum: a kernel that clears its pages has nothing of it; one that does not is told, and has a
# machine check where it reads such a page. Skipped without a kernel (make host-kernel).
# boot_host_poison.sh SWTDX SOURCE
set -eu
swtdx=$1 source=$2
code=0
"$swtdx" host --kernel /dev/null --poison --no-sanitizer >/dev/null 2>&1 || code=$?
[ "$code" = 2 ] || { echo "boot_host_poison: --poison --no-sanitizer: exit $code, not 2" >&2; exit 1; }
kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_poison: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_poison: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh "$source/examples/kvm-tdx/build.sh" "$dir" cc
# What is given back is used again: all of memory is written and read.
"$source/scripts/guest-initrd" "$dir/initrd" '/kvm-tdx /hello.bin; echo "exit $?"
mkdir /mnt; mount -t tmpfs -o size=60% mem /mnt; cat /dev/zero >/mnt/all 2>/dev/null; cat /mnt/all >/dev/null; rm /mnt/all; echo "all read"' \
	"$dir/kvm-tdx" "$dir/hello.bin"

fail() {
	echo "boot_host_poison: $*" >&2
	cat "$dir/out" "$dir/err" | cut -c1-300 | tail -n 40 >&2
	exit 1
}

boot() { # expected exit status, vmlinux
	code=0
	# So much CPU time, however busy the machine is.
	(
		ulimit -t 250
		exec "$swtdx" host --erratum partial-write --cpus 1 --memory 3072 --kernel "$2" --initrd "$dir/initrd" \
			--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off mem=512M" \
			</dev/null >"$dir/out" 2>"$dir/err"
	) || code=$?
	[ "$code" = "$1" ] || fail "exit $code, not $1"
}

boot 0 "$kernel"
grep -aq '^exit 0' "$dir/out" || fail "no TD"
grep -q '^host: 0 coherency faults' "$dir/err" || fail "the kernel as it is has faults"
grep -aq '^all read' "$dir/out" || fail "not all of memory is read"
python3 "$source/tests/plant.py" "$kernel" "$dir/vmlinux" tdx_quirk_reset_paddr
boot 1 "$dir/vmlinux"
grep -q 'coherency: .*partial write to a private line poisons it; missing: clearing the page.* at ' "$dir/err" ||
	fail "the write is not named"
grep -aq 'Machine Check Exception: 7 Bank 1: bd80000000000134' "$dir/out" || fail "the kernel has no machine check"
grep -aq 'Kernel panic.*machine check' "$dir/out" || fail "the kernel goes on"
