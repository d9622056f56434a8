#!/bin/sh
# SPDX-License-Identifier: MIT
# An unmodified Linux kernel as TDX host, its own KVM, a VMM, TDs: from power-on to power-off, with nothing left
# to the module. Skipped without a kernel (make host-kernel); with one, and one for TDs, a Linux TD too, whose quote
# its VMM has from the test quote service.
# boot_host_td.sh SWTDX SOURCE hello|linux [SWTDX-STATIC]
set -eu
swtdx=$1 source=$2 what=$3 static=${4:-}
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
	modules=${guest%/*}/modules put='' quotes=''
	if [ -x "$static" ] && [ -s "$modules/tdx-guest.ko" ]; then
		cc -O1 -static -o "$dir/attest" "$source/examples/attest/attest.c"
		strip -o "$dir/swtdx" "$static"
		"$swtdx" quote --state "$dir/state" --root >/dev/null
		tar -cf "$dir/state.tar" -C "$dir" state
		put=$dir/attest quotes="-q '/swtdx quote --state /state -'"
		for module in configfs tsm tsm_report tdx-guest; do
			[ ! -s "$modules/$module.ko" ] || put="$put $modules/$module.ko"
		done
	fi
	# shellcheck disable=SC2086
	"$source/scripts/guest-initrd" "$dir/td-initrd" '
echo "TD: $(grep -c ^processor /proc/cpuinfo) processors"
for m in configfs tsm tsm_report tdx-guest; do [ ! -f /$m.ko ] || insmod /$m.ko; done
[ ! -e /attest ] || { mount -t configfs none /sys/kernel/config; echo "QUOTE $(/attest -x quote a-nonce)"; }' $put
	"$swtdx" measure --kernel "$guest" --initrd "$dir/td-initrd" --memory 256 --image "$dir/td.img" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" >"$dir/measured" 2>"$dir/err" || fail "no image"
	"$source/scripts/guest-initrd" "$dir/initrd" "
[ ! -f /state.tar ] || tar -xf /state.tar -C /
/kvm-tdx -m 256 -c 2 $quotes /td.img && echo 'every TD ended well'" "$dir/kvm-tdx" "$dir/td.img" \
		${quotes:+"$dir/swtdx" "$dir/state.tar"}
	boot 2 1
	grep -aq '^TD: 2 processors' "$dir/out" || fail "the TD has not two processors"
	[ -n "$quotes" ] || { echo "boot_host_td: no swtdx-static or no modules: no quote"; return 0; }
	tr -d '\r' <"$dir/out" | sed -n 's/^.*QUOTE \([0-9a-f]*\)$/\1/p' >"$dir/quote"
	"$swtdx" report --state "$dir/state" "$dir/quote" >"$dir/verified" || fail "the quote is not verified"
	grep -q '^reportdata  *612d6e6f6e6365' "$dir/verified" || fail "it is not of this nonce"
	mrtd=$(sed -n 's/^mrtd  *//p' "$dir/measured")
	[ -n "$mrtd" ] && grep -q "^mrtd  *$mrtd" "$dir/verified" || fail "it is not of this TD: MRTD is not $mrtd"
}

case $what in
hello) hello ;;
linux) linux_td ;;
*) exit 2 ;;
esac
