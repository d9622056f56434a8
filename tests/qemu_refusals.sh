#!/bin/sh
# SPDX-License-Identifier: MIT
# What QEMU says when KVM, the module or its own command line refuses a TD: each capability that is answered is answered 0 in
# turn, each call of a launch fails in turn. It ends each time, and never has to be killed. Prints the table that
# docs/qemu-refusals.md is, and compares it with DOCUMENT. Where QEMU is not to be had (SWTDX_QEMU_TDX names a folder of
# scripts/qemu-tdx), skipped. Usage: qemu_refusals.sh SWTDX DOCUMENT
# SWTDX_REFUSALS_LIMIT: seconds of CPU time that a launch may take (60).
set -u
swtdx=$1 document=$2
limit=${SWTDX_REFUSALS_LIMIT:-60}
skip() { echo "qemu_refusals: skipped: $*" >&2; exit 77; }
qemu=${SWTDX_QEMU_TDX:-}
[ -n "$qemu" ] || skip "SWTDX_QEMU_TDX names no folder of scripts/qemu-tdx"
[ -x "$qemu/qemu" ] && [ -s "$qemu/OVMF.nokeys.fd" ] || skip "there is no QEMU in $qemu: scripts/qemu-tdx $qemu"
"$qemu/qemu" --version >/dev/null || skip "$qemu/qemu does not start"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
hung=0

# row NAME SWTDX-OPTIONS QEMU-OPTIONS: one launch, with the vCPUs stopped, and what came of it
row() {
	name=$1 ours=$2 theirs=$3
	# shellcheck disable=SC2086
	(
		ulimit -t "$limit"
		echo quit | exec timeout -k 5 $((limit * 10)) "$swtdx" kvm --quiet --memory 3072 $ours -- "$qemu/qemu" \
			-accel kvm -object tdx-guest,id=tdx0 -cpu host -m 256M -S -nodefaults -display none -monitor stdio \
			-machine q35,kernel-irqchip=split,confidential-guest-support=tdx0 -bios "$qemu/OVMF.nokeys.fd" $theirs
	) >"$dir/out" 2>"$dir/err"
	rc=$?
	case $rc in
	124 | 137 | 152) hung=$((hung + 1)) message="HUNG" ;;
	*)
		message=$(grep '^qemu' "$dir/err" | grep -v 'warning:\|info:' | sed 's/^qemu-system-x86_64: //; s/|/\\|/g' | head -1)
		[ -n "$message" ] || [ $rc = 0 ] || message=$(grep -v 'warning:\|^swtdx' "$dir/err" | head -1)
		;;
	esac
	! grep -q 'not come back' "$dir/err" || message="$message (LEAK)"
	echo "| $name | $rc | $message |"
}

table() {
	echo "# What QEMU says when it is refused"
	echo
	echo "Debian's QEMU 11.1.3, with a TD on a simulated \`/dev/kvm\`. 0: the TD was built, and QEMU ended as it was told to."
	echo "134 and 139 are QEMU's own: it aborts, and reports an error that it has not set. \`tests/qemu_refusals.sh\` makes this table."
	echo
	echo "| capability answered 0 | exit | message |"
	echo "|---|---|---|"
	for cap in $("$swtdx" kvm --list | sed -n 's/^| \(KVM_CAP_[A-Z0-9_]*\) | [0-9]* | \([^0 ][^|]*\)|.*/\1/p'); do
		row "$cap" "--cap $cap=0" ""
	done
	echo
	echo "| call of the module that fails | exit | message |"
	echo "|---|---|---|"
	for leaf in MNG.CREATE MNG.KEY.CONFIG MNG.ADDCX MNG.INIT VP.CREATE VP.ADDCX VP.INIT MEM.SEPT.ADD MEM.PAGE.ADD MR.EXTEND \
		MR.FINALIZE; do
		row "TDH.$leaf" "--fault TDH.$leaf#1=TDX_OPERAND_INVALID" ""
	done
	echo
	echo "| command line | exit | message |"
	echo "|---|---|---|"
	for option in "-machine kernel-irqchip=on" "-machine kernel-irqchip=off" "-smp 17" "-cpu Haswell" "-cpu host,phys-bits=40" \
		"-m 64G" "-object tdx-guest,id=tdx1,mrconfigid=AAAA -machine confidential-guest-support=tdx1" \
		"-object tdx-guest,id=tdx1,debug=on -machine confidential-guest-support=tdx1" "-machine pc" "-bios /dev/null"; do
		row "\`$option\`" "" "$option"
	done
}

table >"$dir/table"
[ $hung = 0 ] || { cat "$dir/table"; echo "qemu_refusals: $hung did not end" >&2; exit 1; }
! grep -q 'HUNG\|LEAK' "$dir/table" || { cat "$dir/table"; exit 1; }
diff -u "$document" "$dir/table" || { echo "qemu_refusals: $document is not what QEMU says" >&2; exit 1; }
