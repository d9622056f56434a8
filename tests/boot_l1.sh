#!/bin/sh
# SPDX-License-Identifier: MIT
# An unmodified Linux kernel boots in an L2 VM of the example L1 VMM, to a shell that runs commands,
# and switches off; the exits are counted by reason. Skipped without a kernel (scripts/guest-kernel).
# Usage: boot_l1.sh SWTDX L1.ELF SOURCE
set -eu
swtdx=$1 l1=$2 source=$3
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
[ -s "$kernel" ] || { echo "boot_l1: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_l1: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_l1: $*" >&2
	tail -60 "$dir/out" >&2
	exit 1
}

cat >"$dir/in" <<'END'
echo "sum: $((6 * 7))"
grep -c ^processor /proc/cpuinfo | sed "s/^/processors: /"
grep -o "hypervisor" /proc/cpuinfo
cat /sys/devices/system/clocksource/clocksource0/current_clocksource | sed "s/^/clock: /"
a=$(cut -d. -f1 /proc/uptime); sleep 2; b=$(cut -d. -f1 /proc/uptime); echo "slept: $((b - a >= 1 && b - a <= 60))"
dmesg | grep -c "tdx: Guest detected" | sed "s/^/TD: /"
exit
END
"$source/scripts/guest-initrd" "$dir/initrd" 'sh </dev/console'
"$source/examples/l1/bundle.sh" "$dir/bundle" "$kernel" "$dir/initrd"
code=0
"$swtdx" run --l2-vms 1 --memory 256 --huge-pages --kernel "$l1" --initrd "$dir/bundle" \
	--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" <"$dir/in" >"$dir/out" 2>&1 || code=$?
[ "$code" = 0 ] || fail "exit $code"
for line in 'sum: 42' 'processors: 1' 'hypervisor' 'clock: tsc' 'slept: 1' 'TD: 0'; do
	tr -d '\r' <"$dir/out" | grep -aq "^$line\$" || fail "no line \"$line\""
done
for reason in CPUID HLT IO RDMSR WRMSR EPT_VIOLATION PREEMPTION_TIMER XSETBV; do
	grep -aq "^l1: exits $reason [1-9]" "$dir/out" || fail "no exit $reason"
done
! grep -a 'BUG:\|Oops\|Call Trace' "$dir/out" || fail "the kernel complains"
grep -aq '^owned by the module at the end: 0 pages' "$dir/out" || fail "pages left"
