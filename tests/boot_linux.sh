#!/bin/sh
# SPDX-License-Identifier: MIT
# An unmodified Linux kernel boots as a TD and runs a program. Skipped without a kernel, which
# scripts/guest-kernel fetches (make run does).
set -eu
swtdx=$1 source=$2
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
[ -s "$kernel" ] || { echo "boot_linux: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_linux: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_linux: $*" >&2
	tail -50 "$dir/out" >&2
	exit 1
}

boot() { # expected exit status, command in the guest
	"$source/scripts/guest-initrd" "$dir/initrd" "$2"
	code=0
	"$swtdx" run --vcpus 4 --dies 2 --memory 512 --huge-pages --kernel "$kernel" --initrd "$dir/initrd" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" <"$dir/in" >"$dir/out" 2>&1 ||
		code=$?
	[ "$code" = "$1" ] || fail "exit $code, not $1"
	grep -aq '^owned by the module at the end: 0 pages' "$dir/out" || fail "pages left"
}

echo "one line of input" >"$dir/in"
boot 0 '
read line </dev/console
echo "read: $line"
dmesg | grep "tdx: Guest detected"
dmesg | grep "Memory Encryption Features active: Intel TDX"
echo "processors: $(grep -c ^processor /proc/cpuinfo)"
'
grep -aq 'tdx: Guest detected' "$dir/out" || fail "it did not see a TD"
grep -aq 'Memory Encryption Features active: Intel TDX' "$dir/out" || fail "no memory encryption"
grep -aq '^read: one line of input' "$dir/out" || fail "no input"
grep -aq '^processors: 4' "$dir/out" || fail "not four processors"
! grep -a 'topology borken' "$dir/out" || fail "caches do not go with the processors"

# A guest that resets instead has failed.
boot 1 'status=1'

# Evidence from inside, by what the kernel offers: report, quote and log agree, outside they verify.
modules=${kernel%/*}/modules
if [ -s "$modules/tdx-guest.ko" ] && cc -O1 -static -o "$dir/attest" "$source/examples/attest/attest.c"; then
	export SWTDX_STATE="$dir/state"
	digest=$(printf event | sha384sum | cut -d' ' -f1)
	set --
	for module in configfs tsm tsm_report tdx-guest; do
		[ ! -s "$modules/$module.ko" ] || set -- "$@" "$modules/$module.ko"
	done
	"$source/scripts/guest-initrd" "$dir/initrd" '
for m in configfs tsm tsm_report tdx-guest; do [ ! -f /$m.ko ] || insmod /$m.ko; done
mkdir -p /sys/kernel/config
mount -t configfs configfs /sys/kernel/config
printf "REPORT "; /attest -x report a-nonce
printf "QUOTE "; /attest -x quote a-nonce
printf "LOG "; /attest -x log
[ ! -d /sys/class/misc/tdx_guest/measurements ] || { /attest extend 3 0x'"$digest"' && printf "EXTENDED " && /attest -x report; }
' "$dir/attest" "$@"
	"$swtdx" run --vcpus 1 --memory 512 --huge-pages --kernel "$kernel" --initrd "$dir/initrd" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" </dev/null >"$dir/out" 2>&1 ||
		fail "evidence: exit $?"
	for what in REPORT QUOTE LOG; do
		tr -d '\r' <"$dir/out" | sed -n "s/^.*$what \([0-9a-f]*\)\$/\1/p" >"$dir/$what"
		[ -s "$dir/$what" ] || fail "no $what"
	done
	"$swtdx" report "$dir/REPORT" >"$dir/report" || fail "the report does not verify"
	grep -q "^reportdata  *612d6e6f6e6365" "$dir/report" || fail "the report has no nonce"
	"$swtdx" report "$dir/QUOTE" >"$dir/quote" || fail "the quote does not verify"
	grep -q '^verdict  *verified$' "$dir/quote" || fail "the quote does not verify"
	grep -q "^reportdata  *612d6e6f6e6365" "$dir/quote" || fail "the quote has no nonce"
	# Since 6.16 a register is extended by a file; it was zero before.
	if grep -aq EXTENDED "$dir/out"; then
		tr -d '\r' <"$dir/out" | sed -n 's/^.*EXTENDED \([0-9a-f]*\)$/\1/p' >"$dir/extended"
		after=$({ head -c 48 /dev/zero; printf event | sha384sum | cut -d' ' -f1 | sed 's/../\\x&/g' | xargs -0 printf %b; } |
			head -c 96 | sha384sum | cut -d' ' -f1)
		"$swtdx" report "$dir/extended" | grep -q "^rtmr3  *$after\$" || fail "RTMR 3 was not extended by sysfs"
	fi
	for what in REPORT QUOTE; do
		"$swtdx" eventlog --against "$dir/$what" "$dir/LOG" >"$dir/against" || fail "the log differs from the $what"
	done
fi
