#!/bin/sh
# SPDX-License-Identifier: MIT
# A host's processors go offline and come back, under a TD too, but not the last one of a package whose KeyIDs
# are in use; kexec starts the next kernel on all of them. Skipped without a kernel (make host-kernel).
# boot_host_cpus.sh SWTDX SOURCE CC...
set -eu
swtdx=$1 source=$2
shift 2
kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_cpus: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_cpus: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh "$source/examples/kvm-tdx/build.sh" "$dir" "$@"
"$@" -static -O1 -o "$dir/kexec" "$source/tests/guest/kexec.c"
append="console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off"

fail() {
	echo "boot_host_cpus: $*" >&2
	cat "$dir/out" "$dir/err" | tail -n 60 >&2
	exit 1
}

boot() { # packages
	code=0
	"$swtdx" host --cpus 2 --packages "$1" --memory 3072 --kernel "$kernel" --initrd "$dir/initrd" \
		--append "$append" </dev/null >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = 0 ] || fail "exit $code"
	grep -q '^host: 0 coherency faults' "$dir/err" || fail "coherency faults"
	grep -aq -e 'BUG:' -e Oops -e 'WARNING:' "$dir/out" && fail "the kernel complains"
	return 0
}

# The TD's vCPUs go to the processor that is left, and it lives until it is told to go on.
"$source/scripts/guest-initrd" "$dir/initrd" '
cpu=/sys/devices/system/cpu
mkfifo /go
(/kvm-tdx -c 2 -p 900 /hello.bin; echo "td exit $?"; echo >/go) &
for i in 1 2 3; do
	echo 0 >$cpu/cpu1/online && echo "off: $(cat $cpu/online)"
	echo 1 >$cpu/cpu1/online; echo "on: $(cat $cpu/online)"
done
read x </go
/kvm-tdx -c 2 /hello.bin; echo "again exit $?"
echo 0 >$cpu/cpu1/online && echo "off: $(cat $cpu/online)"
' "$dir/kvm-tdx" "$dir/hello.bin"
boot 1
grep -aq '^td exit 0' "$dir/out" || fail "the TD did not end well"
grep -aq '^again exit 0' "$dir/out" || fail "a TD after it did not end well"
[ "$(grep -ac '^off: 0' "$dir/out")" = 4 ] || fail "not four times offline"
[ "$(grep -ac '^on: 0-1' "$dir/out")" = 3 ] || fail "not three times back"
grep -q 'owned by the module at the end: 0 pages' "$dir/err" || fail "pages left"

# In a package of its own it cannot go while there is a TD: KVM holds a KeyID from the VM's first moment.
"$source/scripts/guest-initrd" "$dir/initrd" '
cpu=/sys/devices/system/cpu
mkfifo /hold
/kvm-tdx -w /hold /hello.bin &
exec 3>/hold
echo 0 >$cpu/cpu1/online || echo "refused"
exec 3>&-
wait
echo 0 >$cpu/cpu1/online && echo "off: $(cat $cpu/online)"
' "$dir/kvm-tdx" "$dir/hello.bin"
boot 2
grep -aq 'virt/tdx: TDX requires all packages to have an online CPU' "$dir/out" || fail "the kernel does not refuse"
grep -aq '^refused' "$dir/out" || fail "not refused"
grep -aq '^off: 0' "$dir/out" || fail "not off without a TD"

# The next kernel: every processor is back in the firmware before.
"$source/scripts/guest-initrd" "$dir/second" 'echo "second: $(grep -c ^processor /proc/cpuinfo) processors"'
"$source/scripts/guest-initrd" "$dir/initrd" "
/kvm-tdx -c 2 /hello.bin; echo \"td exit \$?\"
/kexec /bzImage /second '$append'
" "$dir/kvm-tdx" "$dir/hello.bin" "$dir/kexec" "$dir/second" "$(dirname "$kernel")/bzImage"
boot 1
grep -aq '^td exit 0' "$dir/out" || fail "no TD before kexec"
grep -aq '^second: 2 processors' "$dir/out" || fail "the second kernel has not two processors"
