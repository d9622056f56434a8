#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx explore and swtdx locks by the command line: exit codes, JSON, and schedules that replay.
set -u
swtdx=$(realpath "$1") scenarios=$2 docs=$3
fail() { echo "FAIL: $*"; exit 1; }
expect() { # code, then the command
	want=$1; shift
	"$@" >out 2>err; got=$?
	[ $got -eq $want ] || { cat out err; fail "$* ended with $got, not $want"; }
}
dir=$(mktemp -d) && cd "$dir" || exit 1
trap 'rm -rf "$dir"' EXIT

expect 0 "$swtdx" explore "$scenarios/accept-against-block.scn"
grep -q '^2116 schedules' out || fail "number of schedules: $(tail -1 out)"
expect 0 "$swtdx" explore --schedule "A5 B1 A7" "$scenarios/accept-against-block.scn"
grep -q 'SEPT_ENTRY 0x5000 exclusive: BUSY' out || fail "the schedule does not show the busy entry"
expect 0 "$swtdx" explore --schedule "A5 B1 A7" --trace busy.tdxtrace "$scenarios/accept-against-block.scn"
expect 0 "$swtdx" replay --locks busy.tdxtrace
grep -q 'SEPT_ENTRY 0x5000 exclusive BUSY' out || fail "the busy entry is not in the trace"
grep -q 'TDG.MEM.PAGE.ACCEPT .*-> TDX_SUCCESS' out || fail "the accept is not in the trace"
grep -q 'TDH.MNG.INIT' out || fail "the set-up is not in the trace"
# Whatever a call is said to return, the schedule shows, and its trace plays again, one call after the
# other.
for scn in accept-against-block accept-against-removal teardown-two-threads zero-step-suspect; do
	expect 0 "$swtdx" explore --json "$scenarios/$scn.scn"
	python3 -c 'import json
for c in json.load(open("out"))["calls"]:
    for o in c["outcomes"]:
        print(o["outcome"].replace(" ", "_") + ";" + o["schedule"])' >schedules
	while IFS=';' read -r outcome schedule; do
		expect 0 "$swtdx" explore --schedule "$schedule" --trace again.tdxtrace "$scenarios/$scn.scn"
		tr ' ' _ <out | grep -qF -- "->_$outcome" || fail "$scn: $schedule does not show $outcome"
		expect 0 "$swtdx" replay --check again.tdxtrace
	done <schedules
done
expect 2 "$swtdx" explore --trace x.tdxtrace "$scenarios/accept-against-block.scn"
expect 0 "$swtdx" explore --json "$scenarios/zero-step-suspect.scn"
python3 -c 'import json; r = json.load(open("out")); assert r["simulated"] and r["complete"]
assert any(o["outcome"] == "TDX_OPERAND_BUSY|SEPT_TREE" for c in r["calls"] for o in c["outcomes"])' ||
	fail "JSON of explore"
expect 1 "$swtdx" explore "$scenarios/lock-never-released.scn"
grep -q '^deadlock' out || fail "no deadlock reported"
expect 1 "$swtdx" explore --max-states 10 "$scenarios/accept-against-block.scn"
grep -q '^not everything was seen' out || fail "a bounded search does not say so"
sed '/^sometimes guest1/s/BUSY.*/INVALID/' "$scenarios/accept-against-block.scn" >false.scn
expect 1 "$swtdx" explore false.scn
grep -q 'the claim does not hold' out || fail "a false claim goes unnoticed"
for n in 0 -1 ten; do
	expect 2 "$swtdx" explore --max-states $n "$scenarios/accept-against-block.scn"
done
sed '/^never/d;/^sometimes/d' "$scenarios/accept-against-block.scn" >unclaimed.scn
expect 1 "$swtdx" explore --max-states 10 unclaimed.scn
expect 2 "$swtdx" explore --schedule A99999999999999999999 "$scenarios/accept-against-block.scn"
(cat unclaimed.scn; echo 'never TDX_OPERAND_BUZY') >typo.scn
expect 1 "$swtdx" explore typo.scn
grep -q 'a status was expected' err || fail "a claim about no status passes"
(cat unclaimed.scn; echo 'never TDX_OPERAND_BUSY|SEPT_TRE') >typo.scn
expect 1 "$swtdx" explore typo.scn
expect 1 "$swtdx" explore --json false.scn
python3 -c 'import json; assert len(json.load(open("out"))["failed_claims"]) == 1' || fail "JSON of a false claim"
expect 0 "$swtdx" explore --pairs mem.track mem.range.block
expect 2 "$swtdx" explore --pairs mem.track mem.range.blokc
grep -q 'did you mean MEM.RANGE.BLOCK?' err || fail "an unknown case among known ones is passed over"
expect 2 "$swtdx" locks page-aug-4m
grep -q 'did you mean page-aug-' err || fail "no case suggested"
expect 2 "$swtdx" explore
expect 2 "$swtdx" explore --pairs no.such.leaf
expect 2 "$swtdx" explore --schedule "Z1" "$scenarios/accept-against-block.scn"
expect 3 "$swtdx" explore /no/such/file
expect 0 "$swtdx" explore --help

expect 0 "$swtdx" locks tdh.mem.page.aug
expect 0 "$swtdx" locks --json MEM.TRACK
python3 -c 'import json; r = json.load(open("out")); l = r["leaves"][0]["locks"]
assert [x["resource"] for x in l][-1] == "EPOCH" and l[-1]["mode"] == "exclusive"' || fail "JSON of locks"
expect 2 "$swtdx" locks no.such.leaf
expect 2 "$swtdx" locks --json --svg
expect 0 "$swtdx" locks --svg page-remove range-block-4k
python3 -c 'import xml.dom.minidom; xml.dom.minidom.parse("out")' || fail "the SVG is no XML"

# The documents are what the code prints now.
"$swtdx" locks --markdown | cmp - "$docs/locks.md" || fail "docs/locks.md is old: make locks"
"$swtdx" locks --svg | cmp - "$docs/locks.svg" || fail "docs/locks.svg is old: make locks"
