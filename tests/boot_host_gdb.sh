#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx host --gdb, driven by gdb: breakpoints in the host kernel's KVM by name, registers, memory, steps,
# processors as threads; then the kernel goes on to its end. Skipped without a kernel (make host-kernel).
# boot_host_gdb.sh SWTDX SOURCE
set -eu
swtdx=$1 source=$2
kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_gdb: no host kernel (make host-kernel)"; exit 77; }
command -v gdb >/dev/null || { echo "boot_host_gdb: no gdb"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_gdb: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
host=
trap '[ -z "$host" ] || kill "$host" 2>/dev/null; rm -rf "$dir"' EXIT
sh "$source/examples/kvm-tdx/build.sh" "$dir" cc
"$source/scripts/guest-initrd" "$dir/initrd" '/kvm-tdx /hello.bin; echo "exit $?"' "$dir/kvm-tdx" "$dir/hello.bin"

fail() {
	echo "boot_host_gdb: $*" >&2
	tail -n 40 "$dir/gdb" "$dir/err" >&2
	exit 1
}

"$swtdx" host --gdb :0 --cpus 2 --memory 3072 --kernel "$kernel" --initrd "$dir/initrd" \
	--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off" \
	</dev/null >"$dir/out" 2>"$dir/err" &
host=$!
port=
while [ -z "$port" ]; do
	kill -0 "$host" 2>/dev/null || fail "it has ended"
	sleep 0.1
	port=$(sed -n 's/.*target remote 127.0.0.1:\([0-9]*\)"$/\1/p' "$dir/err")
done
cat >"$dir/commands" <<END
target remote 127.0.0.1:$port
hbreak start_kernel
continue
printf "at start: %d\n", \$pc == (unsigned long)&start_kernel
printf "cs %x, paging %d, long %d\n", \$cs, (\$cr0 >> 31) & 1, (\$efer >> 10) & 1
delete
break tdx_sept_set_private_spte
continue
backtrace 1
printf "at it: %d\n", \$pc == (unsigned long)&tdx_sept_set_private_spte
info threads
set \$before = \$pc
stepi
printf "stepped: %d\n", \$pc != \$before && \$pc - \$before < 16
set \$rax = 0x1234
printf "rax %x\n", \$rax
printf "banner: %.13s\n", (char *)&linux_banner
delete
continue
END
gdb -nx -batch -iex 'set confirm off' -iex 'set pagination off' -iex 'set remotetimeout 120' \
	-x "$dir/commands" "$kernel" >"$dir/gdb" 2>&1 || fail "gdb failed"
code=0
wait "$host" || code=$?
host=
[ "$code" = 0 ] || fail "exit $code"
grep -q '^at start: 1' "$dir/gdb" || fail "no stop at start_kernel"
grep -q '^cs 10, paging 1, long 1' "$dir/gdb" || fail "wrong registers"
grep -q '^at it: 1' "$dir/gdb" || fail "no stop in KVM"
[ "$(grep -c '^[* ] [12] *Thread' "$dir/gdb")" = 2 ] || fail "not two threads"
grep -q '^stepped: 1' "$dir/gdb" || fail "no step"
grep -q '^rax 1234' "$dir/gdb" || fail "RAX is not set"
grep -q '^banner: Linux version' "$dir/gdb" || fail "no memory"
grep -aq '^exit 0' "$dir/out" || fail "the TD did not end well"
