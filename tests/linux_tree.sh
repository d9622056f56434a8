#!/bin/sh
# SPDX-License-Identifier: MIT
# linux/check on the host kernel's tree: nothing to find in it as it is; a wrapper without its flush, a reset that is
# left out and a retry that gives up early are found. Skipped without a tree (make host-kernel).
# linux_tree.sh BUILD SOURCE
set -eu
build=$1 source=$2
kernel=$("$source/scripts/host-kernel" --have) || { echo "linux_tree: no host kernel (make host-kernel)"; exit 77; }
tree=$(sed -n 's/^include \(.*\)\/Makefile$/\1/p' "$(dirname "$kernel")/build/Makefile" 2>/dev/null) || tree=
[ -s "$tree/arch/x86/virt/vmx/tdx/tdx.c" ] || { echo "linux_tree: the kernel's tree is gone"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "linux_tree: $*" >&2
	tail -40 "$dir/out" >&2
	exit 1
}

run() { # exit status, TREE
	code=0
	"$source/linux/check" "$build" "$2" >"$dir/out" 2>&1 || code=$?
	[ "$code" = "$1" ] || fail "exit $code, not $1"
}

plant() { # FILE SED
	mkdir -p "$dir/tree/arch/x86/include" "$dir/tree/arch/x86/virt/vmx"
	cp -r "$tree/arch/x86/include/asm" "$dir/tree/arch/x86/include"
	cp -r "$tree/arch/x86/virt/vmx/tdx" "$dir/tree/arch/x86/virt/vmx"
	sed -i "$2" "$dir/tree/arch/x86/virt/vmx/tdx/$1"
	! cmp -s "$dir/tree/arch/x86/virt/vmx/tdx/$1" "$tree/arch/x86/virt/vmx/tdx/$1" || fail "nothing planted: $2"
	run 1 "$dir/tree"
	rm -rf "$dir/tree"
}

code=0
"$source/linux/check" "$build" "$dir" >/dev/null 2>&1 || code=$?
[ "$code" = 2 ] || fail "no tree: exit $code, not 2"
run 0 "$tree"
grep -q '^refusals: .* done' "$dir/out" || fail "no refusals"
grep -q ' 0 failures$' "$dir/out" || fail "failures"
plant tdx.c '/^static void tdx_clflush_pfn/,/^}/s/clflush_cache_range(.*/;/'
grep -q 'coherency: .*missing: CLFLUSH' "$dir/out" || fail "a missing CLFLUSH is not found"
plant tdx.c '/^u64 tdh_phymem_page_wbinvd_hkid/,/^}/s/return seamcall(.*/return 0;/'
grep -q 'coherency: .*missing: TDH.PHYMEM.PAGE.WBINVD' "$dir/out" || fail "a missing WBINVD is not found"
plant seamcall_internal.h 's/ret == TDX_RND_NO_ENTROPY && --retry/ret == TDX_RND_NO_ENTROPY \&\& --retry > 5/'
grep -q 'NOT OK: .* shortages of TDH.MNG.CREATE' "$dir/out" || fail "a retry that gives up early is not found"
