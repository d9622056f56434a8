#!/bin/sh
# SPDX-License-Identifier: MIT
# The test quote service on vsock, asked by another program over the loopback of a Linux that runs as a TD: a real vsock,
# which the machine that runs the tests need not have. Skipped without a kernel with its modules (scripts/guest-kernel),
# or without swtdx-static. Usage: boot_vsock.sh SWTDX SWTDX-STATIC SOURCE
set -eu
swtdx=$1 static=$2 source=$3
skip() { echo "boot_vsock: skipped: $*"; exit 77; }
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
modules=${kernel%/*}/modules
[ -s "$kernel" ] || skip "no $kernel"
for module in configfs tdx-guest vsock vmw_vsock_virtio_transport_common vsock_loopback; do
	[ -s "$modules/$module.ko" ] || skip "no module $module in $modules: scripts/guest-kernel into a new folder"
done
[ -x "$static" ] || skip "no swtdx-static"
command -v busybox >/dev/null && command -v cpio >/dev/null || skip "no busybox or cpio"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "boot_vsock: $*" >&2; tail -30 "$dir/out" >&2; exit 1; }
strip -o "$dir/swtdx" "$static" && cc -O1 -static -o "$dir/ask" "$source/tests/ask_quote.c" &&
	cc -O1 -static -o "$dir/attest" "$source/examples/attest/attest.c" || skip "no compiler, or no static C library"
set --
for module in configfs tsm tsm_report tdx-guest vsock vmw_vsock_virtio_transport_common vsock_loopback; do
	[ ! -s "$modules/$module.ko" ] || set -- "$@" "$modules/$module.ko"
done
"$source/scripts/guest-initrd" "$dir/initrd" '
for m in configfs tsm tsm_report tdx-guest vsock vmw_vsock_virtio_transport_common vsock_loopback; do
	[ ! -f /$m.ko ] || insmod /$m.ko
done
/attest report a-nonce >/report
/swtdx quote --state /state --version 5 --serve vsock:4050 --count 1 &
/ask vsock:4050 /report >/quote || echo "ASK $?"
wait
echo "QUOTE $(/swtdx report --state /state /quote | grep -e ^verdict -e ^contents -e ^reportdata | tr "\n" ";")"
' "$dir/swtdx" "$dir/ask" "$dir/attest" "$@"
"$swtdx" run --vcpus 1 --memory 512 --huge-pages --kernel "$kernel" --initrd "$dir/initrd" \
	--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" </dev/null >"$dir/out" 2>&1 || fail "exit $?"
grep -a '^QUOTE' "$dir/out" >"$dir/quote" || fail "no quote"
grep -q 'version 5, a TD.s report' "$dir/quote" && grep -q 'verdict  *verified;' "$dir/quote" &&
	grep -q 'reportdata  *612d6e6f6e6365' "$dir/quote" || fail "another quote: $(cat "$dir/quote")"
grep -aq 'a request of [0-9]* bytes: a quote' "$dir/out" || fail "the service saw no request"
