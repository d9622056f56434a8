#!/bin/sh
# SPDX-License-Identifier: MIT
# An unmodified Linux kernel as TDX host, its own KVM, a VMM, TDs: from power-on to power-off, with nothing left
# to the module. Skipped without a kernel (make host-kernel); with one, and one for TDs, a Linux TD too.
# boot_host_td.sh SWTDX SOURCE hello|linux
set -eu
swtdx=$1 source=$2 what=$3
kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_td: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_td: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh "$source/examples/kvm-tdx/build.sh" "$dir" cc

fail() {
	echo "boot_host_td: $*" >&2
	cat "$dir/out" "$dir/err" | tail -n 80 >&2
	exit 1
}

boot() { # processors, packages, [OPTION]...
	cpus=$1 packages=$2 code=0
	shift 2
	"$swtdx" host --cpus "$cpus" --packages "$packages" --memory 3072 --kernel "$kernel" \
		--initrd "$dir/initrd" "$@" \
		--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off" \
		</dev/null >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = 0 ] || fail "exit $code"
	grep -aq 'virt/tdx: TDX-Module initialized' "$dir/out" || fail "no module"
	grep -aq -e WARNING -e BUG: -e Oops -e HKID "$dir/out" && fail "the kernel complains"
	grep -aq '^every TD ended well' "$dir/out" || fail "a TD failed"
	grep -q 'owned by the module at the end: 0 pages' "$dir/err" || fail "pages left"
}

hello() {
	# KVM gives a TD as many vCPUs as there are processors.
	"$source/scripts/guest-initrd" "$dir/initrd" '
n=$(grep -c ^processor /proc/cpuinfo)
/kvm-tdx /hello.bin && /kvm-tdx -n 3 -c $n -p 256 /hello.bin && echo "every TD ended well"' \
		"$dir/kvm-tdx" "$dir/hello.bin"
	boot 1 1
	[ "$(grep -ac '^hello from a TD' "$dir/out")" = 4 ] || fail "not four TDs"
	[ "$(grep -ac '^goodbye' "$dir/out")" = 4 ] || fail "not four TDs"
	boot 2 1
	boot 4 2
}

linux_td() {
	guest=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
	[ -s "$guest" ] || { echo "boot_host_td: no $guest (make run)"; exit 77; }
	"$source/scripts/guest-initrd" "$dir/td-initrd" 'echo "TD: $(grep -c ^processor /proc/cpuinfo) processors"'
	"$swtdx" measure --kernel "$guest" --initrd "$dir/td-initrd" --memory 256 --image "$dir/td.img" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" >"$dir/out" 2>"$dir/err" || fail "no image"
	"$source/scripts/guest-initrd" "$dir/initrd" '
/kvm-tdx -m 256 -c 2 /td.img && echo "every TD ended well"' "$dir/kvm-tdx" "$dir/td.img"
	boot 2 1
	grep -aq '^TD: 2 processors' "$dir/out" || fail "the TD has not two processors"
}

case $what in
hello) hello ;;
linux) linux_td ;;
*) exit 2 ;;
esac
