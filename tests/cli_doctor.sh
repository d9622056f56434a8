#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx doctor on machines and logs made up for it.
set -u
swtdx=$(realpath "$1")
fail() { echo "FAIL: $*"; cat out err; exit 1; }
expect() { # code, then the command
	want=$1; shift
	"$@" >out 2>err; got=$?
	[ $got -eq $want ] || fail "$* ended with $got, not $want"
}
dir=$(mktemp -d) && cd "$dir" || exit 1
trap 'rm -rf "$dir"' EXIT

machine() { # flags, kvm_intel.tdx, config line, command line
	rm -rf root
	mkdir -p root/proc/sys/kernel root/boot root/sys/module/kvm_intel/parameters
	printf 'processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 207\nmodel name\t: A Xeon\nflags\t\t: fpu %s x\n' "$1" >root/proc/cpuinfo
	echo "$2" >root/sys/module/kvm_intel/parameters/tdx
	echo 6.16.0 >root/proc/sys/kernel/osrelease
	echo "$3" >root/boot/config-6.16.0
	echo "$4" >root/proc/cmdline
}
all="vmx tme movdir64b tdx_host_platform"
machine "$all" Y CONFIG_INTEL_TDX_HOST=y "ro nohibernate"
expect 0 "$swtdx" doctor --root root
grep -q '^ok .*KVM runs TDs' out || fail "a good machine"
machine "vmx movdir64b" N CONFIG_INTEL_TDX_HOST=y ro
expect 1 "$swtdx" doctor --root root
grep -q '^FAIL .*CPU flag tme is missing' out || fail "no TME"
grep -q '^FAIL .*tdx_host_platform is missing' out || fail "no KeyIDs"
grep -q '^FAIL .*kvm_intel.tdx is N' out || fail "KVM without TDX"
machine "vmxx xvmx $all" Y "# CONFIG_INTEL_TDX_HOST is not set" ro
expect 1 "$swtdx" doctor --root root
grep -q '^FAIL .*CONFIG_INTEL_TDX_HOST' out || fail "a kernel without TDX"
[ "$(grep -c '^FAIL' out)" -eq 1 ] || fail "one thing is wrong"
machine "xvmx tme" Y CONFIG_INTEL_TDX_HOST=y ro
expect 1 "$swtdx" doctor --root root
grep -q '^FAIL .*vmx is missing' out || fail "part of a flag's name was taken for it"
machine "$all tdx_guest" Y CONFIG_INTEL_TDX_HOST=y ro
expect 0 "$swtdx" doctor --root root
grep -q '^note .*this is a TD' out || fail "a guest"

cat >log <<'END'
[    0.000000] x86/tme: enabled by BIOS
[    1.254319] virt/tdx: BIOS enabled: private KeyID range [64, 128)
[   16.012021] virt/tdx: 4202532 KB allocated for PAMT
[   16.012029] virt/tdx: module initialized
END
expect 0 "$swtdx" doctor --dmesg log
[ "$(grep -c '^ok' out)" -eq 3 ] || fail "a good log"
cat >>log <<'END'
[   17.0] virt/tdx: SEAMCALL (0x0000000000000021) failed: 0xc000092100000122
[   17.1] kvm_intel: tdx: no TDX private KeyIDs available
END
expect 1 "$swtdx" doctor --json --dmesg - <log
python3 - <<'END' || fail "JSON of doctor"
import json
r = json.load(open("out"))
assert r["summary"]["failed"] == 2 and r["summary"]["passed"] == 3
call = [f for f in r["findings"] if f["topic"] == "call"][0]
assert "TDH.SYS.INIT returned TDX_INCORRECT_MSR_VALUE" in call["what"] and call["hint"]
END
# Logs that users pasted.
cat >log <<'END'
[    2.932397] tdx: BIOS enabled: private KeyID range [32, 64)
[    8.972360] virt/tdx: Disable ACPI S3. Turn off TDX in the BIOS to use ACPI S3.
END
expect 1 "$swtdx" doctor --dmesg log
grep -q '^FAIL .*nobody initialized the module' out || fail "TDX enabled, and never used"
cat >log <<'END'
[   10.798766] virt/tdx: TDX module: attributes 0x0, vendor_id 0x8086, major_version 1, minor_version 0, build_date 20230206, build_num 457
[   10.798780] virt/tdx: SEAMCALL (0x0000000000000022) failed: 0xc000050500000000
[   10.798786] virt/tdx: RCX 0x0000000000000000 RDX 0x9100000100000008 R08 0x0000000000000000
[   10.798793] virt/tdx: module initialization failed (-5)
[   10.798795] kvm_intel: Failed to initialize TDX module.
END
expect 1 "$swtdx" doctor --dmesg log
grep -q 'load a 1.5 module' out || fail "an old module"
for i in 1 2 3 4 5; do echo "SEAMCALL (0x000000000000001c) failed: 0xc000030000000001 RCX 0x0000000000000000"; done >log
expect 1 "$swtdx" doctor --dmesg log
[ "$(grep -c '^FAIL' out)" -eq 1 ] || fail "the same failure is told more than once"
printf 'kvm_intel: no symbol version for __seamcall_saved_ret\ntdx: not enabled by BIOS.\n' >log
expect 1 "$swtdx" doctor --dmesg log
[ "$(grep -c '^FAIL' out)" -eq 2 ] || fail "an old kernel's lines"
awk 'length > 100' out | grep . && fail "wider than 100 columns"
printf 'nothing\n\000\377\n[' >odd
expect 0 "$swtdx" doctor --dmesg odd
grep -q 'says nothing about TDX' out || fail "an empty log"
printf '\000virt/tdx: module initialized\n\000SEAMCALL (0x0000000000000021) failed: 0xc000092100000122\n' >odd
expect 1 "$swtdx" doctor --dmesg odd
grep -q '^ok .*?virt/tdx: module initialized' out && grep -q '^FAIL .*?SEAMCALL' out ||
	fail "a zero byte hides what comes after it"
expect 2 "$swtdx" doctor --no-such
expect 2 "$swtdx" doctor log
expect 3 "$swtdx" doctor --dmesg /no/such/file
