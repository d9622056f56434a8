#!/bin/sh
# SPDX-License-Identifier: MIT
# The life of a host with a TD in it, power-on to power-off, twenty times in a row: each in at most a hundred million
# instructions of the host's, with nothing left. Then two TDs of four vCPUs on four processors in two packages at a
# time, and eight of one. Skipped without a kernel (make host-kernel).
# boot_host_lives.sh SWTDX SOURCE
set -eu
swtdx=$1 source=$2 lives=20
kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_lives: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_lives: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh "$source/examples/kvm-tdx/build.sh" "$dir" cc

fail() {
	echo "boot_host_lives: $*" >&2
	cat "$dir/out" "$dir/err" | tail -n 40 >&2
	exit 1
}

boot() { # processors, packages, COMMAND-LINE
	code=0
	"$swtdx" host --cpus "$1" --packages "$2" --memory 3072 --kernel "$kernel" --initrd "$dir/initrd" \
		--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off $3" \
		</dev/null >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = 0 ] || fail "exit $code"
	grep -aq -e 'WARNING:' -e 'BUG:' -e Oops -e HKID "$dir/out" && fail "the kernel complains"
	grep -q 'owned by the module at the end: 0 pages' "$dir/err" || fail "pages left"
	grep -q '^host: 0 coherency faults' "$dir/err" || fail "coherency faults"
}

"$source/scripts/guest-initrd" "$dir/initrd" '/kvm-tdx /hello.bin; echo "exit $?"' "$dir/kvm-tdx" "$dir/hello.bin"
for i in $(seq $lives); do
	# A gigabyte is what such a host needs; pages of more of it are instructions.
	boot 2 1 'mem=1G quiet'
	grep -aq '^exit 0' "$dir/out" || fail "life $i: the TD did not end well"
	n=$(sed -n 's/^host: \([0-9]*\) instructions.*/\1/p' "$dir/err")
	[ "$n" -le 100000000 ] || fail "life $i: $n instructions"
	[ "$i" != 1 ] || echo "$n instructions"
done

"$source/scripts/guest-initrd" "$dir/initrd" '/kvm-tdx -n 2 -c 4 -p 256 /hello.bin; echo "exit $?"' \
	"$dir/kvm-tdx" "$dir/hello.bin"
boot 4 2 quiet
grep -aq '^exit 0' "$dir/out" || fail "two TDs of four vCPUs did not end well"
"$source/scripts/guest-initrd" "$dir/initrd" '/kvm-tdx -c 8 -p 64 /hello.bin; echo "exit $?"' \
	"$dir/kvm-tdx" "$dir/hello.bin"
boot 8 2 quiet
grep -aq '^exit 0' "$dir/out" || fail "eight vCPUs did not end well"
