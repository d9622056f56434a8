#!/bin/sh
# SPDX-License-Identifier: MIT
# SEAMCALLs of a host kernel refused on purpose: KVM retries, warns, and gives the VM up; the trace of it has
# every call with its callers. What is wrong with --fault is said without a kernel; the rest is skipped without.
# boot_host_fault.sh SWTDX SOURCE
set -eu
swtdx=$1 source=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_host_fault: $*" >&2
	cut -c1-400 "$dir/err" | tail -20 >&2
	exit 1
}

wrong() { # FAULT, what is said
	code=0
	"$swtdx" host --kernel /dev/null --fault "$1" >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = 2 ] || fail "--fault $1: exit $code, not 2"
	grep -q -e "$2" "$dir/err" || fail "--fault $1: not said: $2"
}
wrong TDH.MEM.PAGE.AUG '--fault: a fault is LEAF\[@cpu=N\]'
wrong 'TDH.NO.SUCH=busy' '--fault: "TDH.NO.SUCH" is no leaf'
wrong 'TDH.MEM.PAGE.AUG@64=busy' '@cpu=N, @vcpu=N and @gpa=ADDRESS say where'

kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_fault: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_fault: no busybox or cpio"; exit 77; }
sh "$source/examples/kvm-tdx/build.sh" "$dir" cc
"$source/scripts/guest-initrd" "$dir/initrd" '/kvm-tdx /hello.bin; echo "exit $?"' "$dir/kvm-tdx" "$dir/hello.bin"

boot() { # FAULT, [OPTION]...
	code=0 fault=$1
	shift
	"$swtdx" host --cpus 1 --memory 3072 --kernel "$kernel" --initrd "$dir/initrd" --fault "$fault" "$@" \
		--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off" \
		</dev/null >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = 0 ] || fail "$fault: exit $code"
}

boot 'TDH.MEM.PAGE.AUG#5x7=TDX_OPERAND_BUSY|SEPT_TREE' --trace "$dir/trace"
grep -aq '^exit 0' "$dir/out" || fail "BUSY: the TD does not go on"
grep -q '^host: TDH.MEM.PAGE.AUG: TDX_OPERAND_BUSY|SEPT_TREE, 7 times.* tdh_mem_page_aug+' "$dir/err" ||
	fail "BUSY: not seven times"
grep -aq -e WARNING "$dir/out" && fail "BUSY: a warning"
"$swtdx" replay "$dir/trace" >"$dir/calls"
grep -q 'called at tdh_mem_page_aug+' "$dir/calls" || fail "no callers in the trace"
grep -q 'TDH.MNG.KEY.FREEID .*-> TDX_SUCCESS' "$dir/calls" || fail "no calls in the trace"

boot 'TDH.MEM.PAGE.REMOVE#20=TDX_OPERAND_INVALID|RCX'
grep -aq 'WARNING: at tdx_sept_set_private_spte+' "$dir/out" || fail "REMOVE: KVM does not warn"
grep -q '^host: the module still owns 1 pages (private memory)' "$dir/err" || fail "REMOVE: no page is left"

boot 'TDH.MEM.PAGE.AUG#10=TDX_OPERAND_INVALID|RCX'
grep -aq 'KVM_RUN: Input/output error' "$dir/out" || fail "AUG: the VM goes on"
# By vCPU and by address.
boot 'TDH.MEM.PAGE.AUG@vcpu=0#2x3=TDX_OPERAND_BUSY|SEPT_TREE,TDH.MEM.PAGE.AUG@vcpu=7=TDX_OPERAND_INVALID|RCX'
grep -aq '^exit 0' "$dir/out" || fail "by vCPU: the TD does not go on"
grep -q '^host: fault TDH.MEM.PAGE.AUG@vcpu=0#2x3=.*: came 3 times' "$dir/err" || fail "vCPU 0: not three times"
grep -q '^host: fault TDH.MEM.PAGE.AUG@vcpu=7#1=.*: came 0 times' "$dir/err" || fail "vCPU 7: there is none"
gpa=$("$swtdx" replay "$dir/trace" | sed -n 's/.*TDH.MEM.PAGE.AUG.* rcx=\(0x[0-9a-f]*\)000 .*/\1/p' | tail -1)
[ -n "$gpa" ] || fail "no GPA in the trace"
boot "TDH.MEM.PAGE.AUG@gpa=${gpa}abc#1x4=TDX_OPERAND_BUSY|SEPT_TREE"
grep -q '^host: fault .*: came 4 times' "$dir/err" || fail "GPA ${gpa}000: not four times"

boot 'TDH.MNG.CREATE=entropy,TDH.MNG.KEY.CONFIG=key'
grep -aq '^exit 127' "$dir/out" || fail "a key without entropy"

# A kernel without symbols has its own table.
bz=$(dirname "$kernel")/bzImage
named=$kernel kernel=$bz
boot 'TDH.MEM.PAGE.AUG#5=TDX_OPERAND_BUSY|SEPT_TREE'
grep '^host: TDH' "$dir/err" >"$dir/own"
kernel=$named
boot 'TDH.MEM.PAGE.AUG#5=TDX_OPERAND_BUSY|SEPT_TREE'
grep '^host: TDH' "$dir/err" | cmp -s - "$dir/own" || fail "other names from the kernel's own table"
grep -q 'tdh_mem_page_aug+' "$dir/own" || fail "no names from the kernel's own table"
