#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx run with a host that does not do as it should: MapGPA answered in pieces, not at all, or with a lie;
# calls of the module refused on purpose; what is no such host is wrong usage. And dynamic PAMT.
# Usage: cli_hostile.sh SWTDX
set -u
swtdx=$1
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
image=${OVMF:-/usr/share/ovmf/OVMF.fd}
[ -s "$image" ] || { echo "no $image"; exit 77; }
failed=0
fail() {
	echo "FAILED $*"
	cut -c1-160 "$dir/out" | tail -15
	failed=1
}

# expected exit status, lines that must be there (one a line, fixed), then the options
run() {
	want=$1 lines=$2
	shift 2
	code=0
	"$swtdx" run --quiet --engine native "$@" "$image" </dev/null >"$dir/out" 2>&1 || code=$?
	[ "$code" = "$want" ] || fail "$*: exit $code, not $want"
	echo "$lines" | while read -r line; do grep -qF -e "$line" "$dir/out" || echo "$line"; done >"$dir/missing"
	[ ! -s "$dir/missing" ] || fail "$*: no line: $(head -1 "$dir/missing")"
}

run 0 'MapGPA: 2 ranges, 2 pages, 2 calls (0 without progress)'
run 0 'MapGPA: 2 ranges, 2 pages, 2 calls (0 without progress)
0x4004000 to shared: 1 of 1 pages, 1 calls (0 without progress), done' --host map-gpa=1
run 0 'MapGPA: 2 ranges, 0 pages, 2 calls (2 without progress)
to private: 0 of 1 pages, 1 calls (1 without progress), given up' --host map-gpa=0
run 0 'MapGPA to shared: 0x1' --host map-gpa=7,idle=1
run 0 'MapGPA to shared: 0x1' --host map-gpa=7,next=0x123
for bad in map-gpa map-gpa= map-gpa=x map-gpa=1,idle= map-gpa=1,next=x map-gpa=1, map-gpa=1x convert=1 ''; do
	run 2 '--host takes map-gpa=PAGES[,idle=N][,next=ADDR]' --host "$bad"
done

run 0 'fault: TDH.MEM.PAGE.AUG#3=TDX_OPERAND_BUSY|RCX: came 1 times' --fault 'MEM.PAGE.AUG#3=OPERAND_BUSY|RCX'
run 0 'fault: TDH.MEM.PAGE.DEMOTE#9=TDX_OPERAND_BUSY: came 0 times' --fault 'TDH.MEM.PAGE.DEMOTE#9=TDX_OPERAND_BUSY'
run 3 'fault: TDH.MNG.CREATE#1=TDX_HKID_NOT_FREE: came 1 times' --fault mng_create=TDX_HKID_NOT_FREE
run 3 'fault: TDH.MNG.INIT#1=TDX_OPERAND_INVALID|RCX: came 1 times' --fault MNG.INIT=0xc000010000000001
# what is lost is told, and is no success
run 1 'quarantined: 2 pages' --fault PHYMEM.PAGE.RECLAIM#2=OPERAND_BUSY
for bad in MEM.PAGE.AUG 'MEM.PAGE.AUG#0=1' 'MEM.PAGE.AUG#x=1' 'MEM.PAGE.XXX=1' TDG.VP.INFO=1 'MEM.PAGE.AUG=NO_STATUS' \
	'MEM.PAGE.AUG=OPERAND_BUSY|NOBODY' '' 'MEM.PAGE.AUG=1,,'; do
	run 2 'swtdx run: --fault: ' --fault "$bad"
done
run 0 'fault: TDH.MEM.PAGE.AUG@vcpu=0#2=TDX_OPERAND_BUSY|RCX: came 1 times
fault: TDH.VP.ENTER@vcpu=1#1=TDX_OPERAND_BUSY|RCX: came 0 times' --fault 'MEM.PAGE.AUG@vcpu=0#2=OPERAND_BUSY|RCX,VP.ENTER@vcpu=1=OPERAND_BUSY|RCX'

run 0 'KiB, static; while the TD ran' # and less of it when it is dynamic
static=$(sed -n 's/^PAMT: .* ran \([0-9]*\) KiB/\1/p' "$dir/out")
run 0 'KiB, dynamic; while the TD ran' --dynamic-pamt
dynamic=$(sed -n 's/^PAMT: .* ran \([0-9]*\) KiB/\1/p' "$dir/out")
[ "$dynamic" -lt $((static / 2)) ] || fail "PAMT of $dynamic KiB, of $static KiB"
echo "PAMT while a TD runs: static $static KiB, dynamic $dynamic KiB"

"$swtdx" run --quiet --json --engine native --host map-gpa=1 "$image" </dev/null >"$dir/out" 2>/dev/null
python3 -c 'import json, sys
m = json.load(open(sys.argv[1]))["map_gpa"]
assert (m["calls"], m["pages"], len(m["each"])) == (2, 2, 2), m' "$dir/out" || fail "--json"
[ $failed = 0 ] && echo ok
exit $failed
