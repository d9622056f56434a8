#!/bin/sh
# SPDX-License-Identifier: MIT
# A Linux host updates its module by firmware upload, and TDs start under the new one. Skipped without a kernel
# (make host-kernel). An image that the P-SEAMLDR refuses leaves none, and the report says which call it was.
# boot_host_update.sh SWTDX SOURCE
set -eu
swtdx=$1 source=$2
kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_update: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_update: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh "$source/examples/kvm-tdx/build.sh" "$dir" cc

fail() {
	echo "boot_host_update: $*" >&2
	cat "$dir/out" "$dir/err" | tail -n 40 >&2
	exit 1
}

"$swtdx" seamldr --profile 1.5.01 "$dir/new.bin" 2>/dev/null
cp "$dir/new.bin" "$dir/bad.bin"
printf x | dd of="$dir/bad.bin" bs=1 seek=9000 conv=notrunc 2>/dev/null
"$source/scripts/guest-initrd" "$dir/initrd" '
f=/sys/class/firmware/tdx_module d=/sys/devices/faux/tdx_host
[ -d $f ] || { echo "no upload"; exit; }
upload() {
	echo 1 >$f/loading; cat /$1 >$f/data; echo 0 >$f/loading
	while [ "$(cat $f/status)" != idle ]; do :; done
	echo "$1: error <$(cat $f/error)> version $(cat $d/version) left $(cat $d/num_remaining_updates)"
}
echo "version $(cat $d/version) P-SEAMLDR $(cat $d/seamldr_version) left $(cat $d/num_remaining_updates)"
upload new.bin
/kvm-tdx /hello.bin; echo "hello: $?"
upload bad.bin
' "$dir/kvm-tdx" "$dir/hello.bin" "$dir/new.bin" "$dir/bad.bin"
code=0
"$swtdx" host --cpus 2 --memory 3072 --kernel "$kernel" --initrd "$dir/initrd" \
	--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off mem=1G quiet" \
	</dev/null >"$dir/out" 2>"$dir/err" || code=$?
[ "$code" = 0 ] || fail "exit $code"
says() {
	grep -aq "$1" "$dir/out" || fail "it does not say: $1"
}
says '^version 1.5.25 P-SEAMLDR 2.0'
says '^new.bin: error <> version 1.5.25 left 62'
says '^hello: 0'
says '^bad.bin: error <transferring:firmware-invalid>'
grep -q '^host: SEAMLDR.INSTALL: SEAMLDR_EBADHASH, 1 times.* <- .*seamldr' "$dir/err" || fail "the refusal is not named"
grep -q '^host: TDH.MNG.ADDCX' "$dir/err" && fail "a call of the P-SEAMLDR is named as the module's"
grep -q 'owned by the module at the end: 0 pages' "$dir/err" || fail "pages left"
