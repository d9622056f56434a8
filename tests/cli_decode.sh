#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx decode by its man page: values, files, a log, JSON, exit status.
# Usage: cli_decode.sh SWTDX PUT_REPORT
swtdx=$1 put_report=$2
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
failed=0

fail() {
	echo "FAIL: $*"
	failed=1
}

# says TEXT ARGS...: the output holds TEXT and the exit status is 0.
says() {
	wanted=$1
	shift
	out=$("$swtdx" decode "$@" 2>&1) || fail "decode $*: exit status $?"
	echo "$out" | grep -qF -- "$wanted" || fail "decode $*: no '$wanted' in: $out"
}

# exits STATUS ARGS...: with nothing on standard output.
exits() {
	wanted=$1
	shift
	out=$("$swtdx" decode "$@" 2>"$tmp/err" </dev/null)
	rc=$?
	[ $rc -eq "$wanted" ] || fail "decode $*: exit status $rc, not $wanted"
	[ -z "$out" ] || fail "decode $*: wrote on standard output: $out"
	[ -s "$tmp/err" ] || fail "decode $*: said nothing on standard error"
}

says 'TDX_OPERAND_BUSY' 0x8000020000000092
says 'operand SEPT_TREE' 0x8000020000000092
says 'TDH.MEM.PAGE.AUG' --returned-by status 0x8000020000000092
says 'operand RCX (page)' status 0xc000030000000001 TDH.PHYMEM.PAGE.RECLAIM
says 'operand RCX (page)' status 0xc000030000000001 28
says '0xc000092000000000' TDX_INCONSISTENT_MSR
says 'TDH.PHYMEM.PAGE.RECLAIM' 0x1c
says 'TDH.PHYMEM.PAGE.RECLAIM' leaf 28
says 'guest, TDCALL' leaf tdg_mem_page_accept
says 'SYS.MAX_TDMRS' field 0x9100000100000008
says 'execution controls' TD.ATTRIBUTES
says 'MAPPED 2M 0x104000000' entry 0x80000001040004f7 0x401
says 'FREE' entry 0x8000000000000000
says 'write; entry --- at GPA 0x400000' exit 0x30 2 0 0x400000
says 'module 1.5.25 returns 0x6000000200000000' 0x4000000200000000
says 'SEPT_VE_DISABLE' attributes 0x10000000
says 'NO_RBP_MOD' config-flags 4
says 'REDUCE_VE' td-ctls 8
says 'AMX_TILEDATA' xfam 0x60000
says 'the key ownership table' operand 186
says '"schema": "swtdx.decode/1"' --json 0x8000020000000092

says 'operand       146' operand sept_tree
says '0x8000020000000092' 'TDX_OPERAND_BUSY|SEPT_TREE'
says 'MSR 0x122' status 'TDX_INCORRECT_MSR_VALUE|0x122' TDH.SYS.INIT
[ "$("$swtdx" decode 0xc000010000000045 leaf TDH.MNG.INIT 2>/dev/null | awk 'length > 100' | wc -l)" = 0 ] ||
	fail 'lines of more than 100 columns'

# A name that is nearly one.
suggests() {
	wanted=$1
	shift
	"$swtdx" decode "$@" 2>&1 >/dev/null | grep -qF "did you mean $wanted?" || fail "decode $*: $wanted not suggested"
}
suggests TDX_OPERAND_BUSY TDX_OPERAN_BUSY
suggests MEM.PAGE.AUG mem.page.agu
suggests TDH.MEM.PAGE.AUG leaf tdh_mem_page_augg
suggests ATTRIBUTES field TD.ATRIBUTES
suggests SEPT_TREE operand SEPT_TRE
suggests MEM.PAGE.AUG status 0xc000010000000000 mem.page.agu

exits 1 nonsense
exits 1 status 0xc00001000000000000
exits 1 status 0x
exits 1 status 0xc000010000000000 no.such.leaf
exits 1 leaf 500
exits 1 field 0x7f00000000ffffff
exits 2 status
exits 2 leaf 1 2
exits 2 --no-such-option
exits 3 report "$tmp/none"

"$put_report" >"$tmp/report"
says 'both match' report "$tmp/report"
says 'simulated: the MAC' report "$tmp/report"
printf '\001' | dd of="$tmp/report" bs=1 seek=600 conv=notrunc 2>/dev/null
says 'not this simulation' report "$tmp/report"
"$swtdx" decode report "$tmp/report" | grep -q 'both match' && fail 'a changed report has both hashes'

head -c 1024 /dev/zero >"$tmp/zero"
exits 1 report "$tmp/zero"
says 'max_vcpus' params "$tmp/zero"
printf x >>"$tmp/zero"
exits 1 params "$tmp/zero"
exits 1 image "$tmp/zero"

cat >"$tmp/log" <<'END'
[    0.000000] Linux version 6.8.0
[  261.262866] SEAMCALL (0x1c) failed: 0xc000030000000001
[    7.592823] tdx: SEAMCALL failed: CPU 94: leaf 33, error 0xc000092100000122.
[   19.324236] virt/tdx: SEAMCALL (0x21) failed: 0xc000090000000000
TDH.MNG.INIT failed with status: 0xc000010000000045
status 0xC000010000000000
qemu-system-x86_64: TDX ioctl KVM_TDX_INIT_VM failed, hw_errors: 0xc000010000000045
END

log() {
	"$swtdx" decode "$@" <"$tmp/log" || fail "decode of a log: exit status $?"
}

log >"$tmp/out"
grep -v '^    ' "$tmp/out" | cmp -s - "$tmp/log" || fail 'the log itself was changed'
cat >"$tmp/expected" <<'END'
    ^ TDH.PHYMEM.PAGE.RECLAIM: TDX_PAGE_METADATA_INCORRECT, operand RCX (page)
    ^ TDH.SYS.INIT: TDX_INCORRECT_MSR_VALUE, MSR 0x122 (IA32_TSX_CTRL)
    ^ TDH.SYS.INIT: TDX_INCORRECT_CPUID_VALUE
    ^ TDH.MNG.INIT: TDX_OPERAND_INVALID, operand CPUID_CONFIG (a CPUID value in TD_PARAMS)
    ^ TDX_OPERAND_INVALID, operand RAX
    ^ TDX_OPERAND_INVALID, operand CPUID_CONFIG (a CPUID value in TD_PARAMS)
END
grep '^    ^' "$tmp/out" | diff "$tmp/expected" - || fail 'the log was decoded otherwise'
grep -q 'update the BIOS' "$tmp/out" || fail 'no advice to update the BIOS'
[ "$(log --only | grep -c 'Linux version')" = 0 ] || fail '--only shows a line that says nothing'
[ "$(log --json | wc -l)" = 6 ] || fail '--json is not one line for each line that says something'
log --json | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
assert [r["line"] for r in rows] == [2, 3, 4, 5, 6, 7], rows
assert rows[2]["action"] == "fix-firmware", rows[2]
assert rows[1]["status"] == "0xc000092100000122", rows[1]
' || fail '--json does not say what the text says'

printf 'SEAMCALL (0x1c) failed: 0xc000030000000001' | "$swtdx" decode | grep -q RECLAIM ||
	fail 'a last line without a newline is lost'
head -c 65536 /dev/urandom | "$swtdx" decode >/dev/null || fail 'random bytes upset it'
printf 'a\0SEAMCALL (0x1c) failed: 0xc000030000000001\n\377\n' | "$swtdx" decode --json |
	grep -q RECLAIM || fail 'a line with a zero byte is lost'
"$swtdx" decode <"$tmp/log" | awk 'length > 100 && /^ /' | grep . && fail 'explanations wider than 100 columns'

# Followed as it grows: a line goes on before the next one comes.
mkfifo "$tmp/in"
"$swtdx" decode <"$tmp/in" >"$tmp/out" &
exec 3>"$tmp/in"
echo 'a line that says nothing' >&3
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ -s "$tmp/out" ] && break
	sleep 0.5
done
[ -s "$tmp/out" ] || fail 'a line is held back until the log ends'
exec 3>&-
wait
# An endless log ends with the output.
yes 'SEAMCALL (0x1c) failed: 0xc000030000000001' | timeout 60 "$swtdx" decode >/dev/full 2>"$tmp/err"
[ $? -eq 3 ] || fail 'reads on when nothing can be written'
"$swtdx" decode 0x1c >/dev/full 2>"$tmp/err" && fail 'a full disk goes unnoticed'

exit $failed
