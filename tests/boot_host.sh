#!/bin/sh
# SPDX-License-Identifier: MIT
# A packaged Linux kernel, unmodified, boots as the host: to a shell with input, wherever it moves itself (KASLR), with
# KVM loaded and an ordinary VM made; a processor goes off and comes back; kexec starts the next kernel; it switches off.
# Skipped without a kernel, which scripts/guest-kernel fetches (make run does; make host-packaged that of the backports).
# boot_host.sh SWTDX SOURCE KERNEL COMPILER...
set -eu
swtdx=$1 source=$2 kernel=${GUEST_KERNEL:-$3}
shift 3
[ -s "$kernel" ] || { echo "boot_host: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host: no busybox or cpio"; exit 77; }
modules=$(dirname "$kernel")/modules
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
line="console=ttyS0 cryptomgr.notests=1 nowatchdog panic=-1 quiet"

fail() {
	echo "boot_host: $*" >&2
	tail -50 "$dir/out" >&2
	exit 1
}

boot() { # expected exit status, processors, packages, [word of the command line]
	code=0
	"$swtdx" host --cpus "$2" --packages "$3" --kernel "$kernel" --initrd "$dir/initrd" --missing \
		--append "$line ${4:-nokaslr}" <"$dir/in" >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = "$1" ] || { cat "$dir/err" >&2; fail "exit $code, not $1"; }
	grep -aq -e 'BUG:' -e 'Oops' -e 'WARNING: ' "$dir/out" && fail "the kernel complains"
	return 0
}

echo "one line of input" >"$dir/in"
"$source/scripts/guest-initrd" "$dir/initrd" '
read line </dev/console
echo "read: $line"
echo "processors: $(grep -c ^processor /proc/cpuinfo)"
echo "vmx: $(grep -c "^flags.* vmx " /proc/cpuinfo)"
'
boot 0 1 1
grep -aq 'read: one line of input' "$dir/out" || fail "no input"
grep -aq 'processors: 1' "$dir/out" || fail "not one processor"
grep -aq 'vmx: 1' "$dir/out" || fail "no VMX"
grep -q '^host: switched off' "$dir/err" || fail "not switched off"
grep -q 'owned by the module at the end: 0 pages' "$dir/err" || fail "pages left"
grep -q 'first at io_serial_in+' "$dir/err" || fail "no names from the kernel's own table"

# Elsewhere each time, and its functions are found there. KVM as modules, an ordinary VM, a processor off and on.
cat >"$dir/vm.c" <<'END'
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0ul);

	return vm < 0 || ioctl(vm, KVM_CREATE_VCPU, 0ul) < 0;
}
END
"$@" -static -O1 -o "$dir/vm" "$dir/vm.c"
put=
for m in irqbypass kvm kvm-intel; do
	[ ! -s "$modules/$m.ko" ] || put="$put $modules/$m.ko"
done
# shellcheck disable=SC2086
"$source/scripts/guest-initrd" "$dir/initrd" '
cpu=/sys/devices/system/cpu
for m in irqbypass kvm kvm-intel; do [ ! -e /$m.ko ] || insmod /$m.ko; done
[ ! -e /kvm-intel.ko ] || { /vm; echo "an ordinary VM: $?"; }
echo "processors: $(grep -c ^processor /proc/cpuinfo)"
echo 0 >$cpu/cpu1/online && echo "off: $(cat $cpu/online)"
echo 1 >$cpu/cpu1/online && echo "on: $(cat $cpu/online)"
echo "text: $(grep -m 1 " _text$" /proc/kallsyms)"
' "$dir/vm" $put
boot 0 2 1 quiet
grep -aq 'processors: 2' "$dir/out" || fail "not two processors"
grep -aq '^off: 0' "$dir/out" || fail "a processor does not go off"
grep -aq '^on: 0-1' "$dir/out" || fail "a processor does not come back"
[ -z "$put" ] || grep -aq '^an ordinary VM: 0' "$dir/out" || fail "no ordinary VM"
grep -aq '^text: ffffffff81000000' "$dir/out" && fail "the kernel has not moved"
grep -q 'first at io_serial_in+' "$dir/err" || fail "no names of a kernel that has moved"
grep -q 'first at 0x' "$dir/err" && fail "addresses without a name"

"$@" -static -O1 -o "$dir/kexec" "$source/tests/guest/kexec.c"
cp "$kernel" "$dir/bzImage"
"$source/scripts/guest-initrd" "$dir/second" 'echo "second: $(grep -c ^processor /proc/cpuinfo) processors"'
"$source/scripts/guest-initrd" "$dir/initrd" "/kexec /bzImage /second '$line nokaslr'" "$dir/kexec" "$dir/second" "$dir/bzImage"
boot 0 2 1
grep -aq '^second: 2 processors' "$dir/out" || fail "the next kernel has not two processors"

# Devices interrupt, by way of the I/O APIC and VT-d; nothing that was printed is lost at power-off.
echo "one line of input" >"$dir/in"
"$source/scripts/guest-initrd" "$dir/initrd" '
read line </dev/console
grep ttyS0 /proc/interrupts
i=0
while [ $i -lt 10000 ]; do echo "line $i of many"; i=$((i + 1)); done
poweroff -f
'
boot 0 2 1
grep -aq 'IR-IO-APIC .*ttyS0' "$dir/out" || fail "the serial port does not interrupt"
grep -a '^line [0-9]* of many' "$dir/out" | tr -d '\r' >"$dir/lines"
seq 0 9999 | sed 's/.*/line & of many/' | cmp - "$dir/lines" || fail "lines are lost"

# A host that resets instead has failed.
"$source/scripts/guest-initrd" "$dir/initrd" 'status=1'
boot 1 1 1
grep -q '^host: reset' "$dir/err" || fail "not reset"
