#!/bin/sh
# SPDX-License-Identifier: MIT
# A duty taken out of the host kernel is named, with the functions, once for each page; what the module
# refuses leaves its pages with it, which is named too. Skipped without a kernel (make host-kernel).
# boot_host_planted.sh SWTDX SOURCE
set -eu
swtdx=$1 source=$2
kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_planted: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_planted: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh "$source/examples/kvm-tdx/build.sh" "$dir" cc
"$source/scripts/guest-initrd" "$dir/initrd" '/kvm-tdx /hello.bin; echo "exit $?"' "$dir/kvm-tdx" "$dir/hello.bin"

fail() {
	echo "boot_host_planted: $*" >&2
	cut -c1-600 "$dir/err" | tail -20 >&2
	exit 1
}

boot() { # expected exit status, vmlinux
	code=0
	"$swtdx" host --cpus 1 --memory 3072 --kernel "$2" --initrd "$dir/initrd" \
		--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off" \
		</dev/null >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = "$1" ] || fail "exit $code, not $1"
}

# Where it is taken out, how often it is to be named at least, how; and who dirtied the pages: nearly all, as
# one that was dirty before keeps the first who did.
planted() {
	echo "$1"
	python3 "$source/tests/plant.py" "$kernel" "$dir/vmlinux" "$1"
	boot 1 "$dir/vmlinux"
	n=$(grep -c "^host: coherency: page" "$dir/err") || fail "$1: nothing is named"
	[ "$n" -ge "$2" ] || fail "$1: $n pages, not $2"
	[ "$n" = "$(sed -n 's/^host: coherency: page \(0x[0-9a-f]*\).*/\1/p' "$dir/err" | sort -u | wc -l)" ] ||
		fail "$1: a page twice"
	[ "$n" = "$(grep -c "$3" "$dir/err")" ] || fail "$1: not always: $3"
	[ $((10 * $(grep -c "$3.*${4:-}" "$dir/err"))) -ge $((9 * n)) ] || fail "$1: hardly ever: $4"
}

boot 0 "$kernel"
grep -q '^host: 0 coherency faults' "$dir/err" || fail "the kernel as it is has faults"
grep -aq '^exit 0' "$dir/out" || fail "no TD"
planted tdh_mem_page_aug:clflush_cache_range 32 \
	'missing: CLFLUSH of the page.* by TDH.MEM.PAGE.AUG .*tdh_mem_page_aug+' 'by the host at kvm_gmem_get_pfn'
planted tdh_phymem_page_wbinvd_hkid 32 \
	'missing: TDH.PHYMEM.PAGE.WBINVD.* at tdx_quirk_reset_paddr+.* <- tdx_sept_'
planted tdh_phymem_page_wbinvd_tdr 1 \
	'missing: TDH.PHYMEM.PAGE.WBINVD.* at tdx_quirk_reset_paddr+.* <- tdx_reclaim_td_control_pages'

# The module refuses what has not been written back: no fault, but what it owns stays with it.
python3 "$source/tests/plant.py" "$kernel" "$dir/vmlinux" tdh_phymem_cache_wb
boot 0 "$dir/vmlinux"
grep -aq 'SEAMCALL TDH_MNG_KEY_FREEID failed' "$dir/out" || fail "the kernel does not say that KEY.FREEID fails"
grep -q '^host: the module still owns 1 pages (TDR), given to it at .* tdh_mng_create+' "$dir/err" ||
	fail "who gave the TDR is not named"

# A kernel that does not restore what a TD took with it dies at its next system call, and may not end.
python3 "$source/tests/plant.py" "$kernel" "$dir/vmlinux" kvm_on_user_return
: >"$dir/err"
(
	ulimit -t 200 # of CPU time, however busy the machine is
	exec "$swtdx" host --cpus 1 --memory 3072 --kernel "$dir/vmlinux" --initrd "$dir/initrd" \
		--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off" \
		</dev/null >"$dir/out" 2>"$dir/err"
) &
pid=$!
while kill -0 $pid 2>/dev/null && ! grep -q 'IA32_FMASK' "$dir/err"; do sleep 0.2; done
kill $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
for msr in STAR LSTAR FMASK; do
	grep -q "^host: IA32_$msr in user mode is what a TD left.* entered at .* tdx_vcpu_enter_exit+" "$dir/err" ||
		fail "IA32_$msr is not named"
done
