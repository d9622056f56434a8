#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx record and replay by the command line: exit codes, every form of a trace, damage, differences.
set -u
swtdx=$(realpath "$1") vectors=$2
fail() { echo "FAIL: $*"; exit 1; }
expect() { # code, then the command
	want=$1; shift
	"$@" >out 2>err; got=$?
	[ $got -eq $want ] || { cat out err; fail "$* ended with $got, not $want"; }
}
dir=$(mktemp -d) && cd "$dir" || exit 1
trap 'rm -rf "$dir"' EXIT

printf 'stage finalized\nseamcall 0 TDH.MEM.PAGE.AUG rcx=0x5000 rdx=0x100000000 r8=0x100011000\n' >a.vec
cat >>a.vec <<'END'
hold SEPT_TREE key=0x100000000 mode=exclusive
seamcall 1 TDH.MEM.RANGE.BLOCK rcx=0x5000 rdx=0x100000000
release SEPT_TREE key=0x100000000
enter 0 0x100007000
guest mode64 lp=0
tdcall 0x100007000 TDG.MEM.PAGE.ACCEPT rcx=0x5000
guest external_interrupt lp=0 reason=1 intr=0x80000020
END
sed '$d' a.vec >b.vec
expect 0 "$swtdx" record --json -o a.tdxtrace a.vec
python3 -c 'import json; r = json.load(open("out")); assert r["complete"] and r["simulated"]' || fail "JSON of record"
expect 0 "$swtdx" replay a.tdxtrace
grep -q 'TDH.MEM.PAGE.AUG .*-> TDX_SUCCESS' out || fail "the text has no AUG"
expect 0 "$swtdx" replay --locks a.tdxtrace
grep -q 'SEPT_TREE 0x100000000 exclusive BUSY' out || fail "the busy lock is not shown"
expect 0 "$swtdx" replay --vectors a.tdxtrace
mv out again.vec
expect 0 "$swtdx" replay --check again.vec a.tdxtrace
expect 0 "$swtdx" replay --json --locks a.tdxtrace
python3 - <<'END' || fail "JSON of replay"
import json
r = json.load(open("out"))
assert r["simulated"] and not r["damaged"]
assert any(c.get("call") == "TDG.MEM.PAGE.ACCEPT" and c["outcome"] == "TDX_SUCCESS" for c in r["records"])
END

# What calls read in memory is in the trace: lists and bundles of a migration, the state of an L2 VM.
for f in 14-mig-recorded 14-mig-crafted-vp-1 14-mig-mem-crafted-1 16-l2-first 16-l2-idt-vectoring 18-step-defence; do
	expect 0 "$swtdx" record -o m.tdxtrace "$vectors/$f.vec"
	expect 0 "$swtdx" replay --check m.tdxtrace
done

# The Trace Event Format: what each kind of event needs, and slices of a lane nest.
expect 0 "$swtdx" replay --perfetto a.json a.tdxtrace
python3 - <<'END' || fail "Perfetto"
import json
r = json.load(open("a.json"))
need = {"M": {"name", "pid", "tid", "args"}, "X": {"name", "pid", "tid", "ts", "dur", "cat"},
        "i": {"name", "pid", "tid", "ts", "s"}, "b": {"name", "id", "pid", "tid", "ts", "cat"},
        "e": {"name", "id", "pid", "tid", "ts", "cat"}}
lanes = {}
for e in r["traceEvents"]:
    assert need[e["ph"]] <= set(e), e
    assert e.get("ts", 0) >= 0 and e.get("dur", 0) >= 0
    if e["ph"] == "X":
        lanes.setdefault(e["tid"], []).append((round(e["ts"] * 1000), round((e["ts"] + e["dur"]) * 1000)))
begins = [e["id"] for e in r["traceEvents"] if e["ph"] == "b"]
assert sorted(begins) == sorted(e["id"] for e in r["traceEvents"] if e["ph"] == "e")
for slices in lanes.values():
    open_ = []
    for b, e in sorted(slices, key=lambda s: (s[0], -s[1])):
        while open_ and open_[-1] <= b:
            open_.pop()
        assert not open_ or e <= open_[-1], "slices overlap"
        open_.append(e)
names = [e["name"] for e in r["traceEvents"]]
assert "TDH.MEM.PAGE.AUG" in names and any(n.startswith("busy: SEPT_TREE") for n in names)
assert any(n.startswith("guest 0x") for n in names)
END

expect 0 "$swtdx" replay --range 3-5 a.tdxtrace
[ "$(grep -c '^#' out)" -eq 3 ] || fail "a range of three"
expect 2 "$swtdx" replay --range 5-3 a.tdxtrace
expect 2 "$swtdx" replay --range x a.tdxtrace
expect 0 "$swtdx" record -o b.tdxtrace b.vec
expect 1 "$swtdx" replay --diff a.tdxtrace b.tdxtrace
grep -q 'only the first trace goes on' out || fail "a longer trace is not told"
expect 0 "$swtdx" replay --diff a.tdxtrace a.tdxtrace
expect 1 "$swtdx" replay --diff --json a.tdxtrace b.tdxtrace
python3 -c 'import json; assert json.load(open("out"))["differences"] == 1' || fail "JSON of diff"

for vec in "$vectors"/05-aug-accept-4k.vec "$vectors"/13-zero-step.vec; do
	expect 0 "$swtdx" record --timeless -o c.tdxtrace "$vec"
	expect 0 "$swtdx" record --timeless -o d.tdxtrace "$vec"
	cmp c.tdxtrace d.tdxtrace || fail "two runs give different bytes"
	expect 0 "$swtdx" replay --check c.tdxtrace
done

size=$(wc -c <c.tdxtrace)
head -c $((size - 22)) c.tdxtrace >cut.tdxtrace
expect 1 "$swtdx" replay cut.tdxtrace
grep -q 'at offset [0-9]*: the file ends within a block' err || fail "the cut is not told"
expect 0 "$swtdx" replay --check cut.tdxtrace
grep -q 'passed, 0 differ, and there it ends' out || fail "a cut trace does not play up to where it ends"
expect 1 "$swtdx" replay a.vec
printf 'stage finalized\nseamcall 0 TDH.MNG.RD rcx=0x100000000 rdx=0x1110000300000000 -> rax=0x0 rdx=? r8=?\n' >stage.vec
expect 0 "$swtdx" replay --check --paranoid stage.vec
grep -q 'stage.vec: 2 passed, 0 differ' out || fail "a stage is not played"
printf 'stage nowhere\nseamcall 0 TDH.SYS.INIT -> rax=0x0\n' >nowhere.vec
expect 1 "$swtdx" replay --check nowhere.vec
grep -q 'there is no stage "nowhere"' out || fail "a stage that is none"
expect 1 "$swtdx" replay --check a.vec
grep -q 'no outcome is recorded' out || fail "what was not recorded passes"
"$swtdx" record --timeless -o - a.vec >piped.tdxtrace 2>err || fail "record to standard output"
expect 0 "$swtdx" record --timeless -o f.tdxtrace a.vec
cmp piped.tdxtrace f.tdxtrace || fail "standard output has another trace"
expect 2 "$swtdx" record --json -o - a.vec
printf 'stage nowhere\n' >bad.vec
expect 1 "$swtdx" record -o e.tdxtrace bad.vec
expect 3 "$swtdx" record -o e.tdxtrace /no/such/file
expect 3 "$swtdx" record -o /no/such/directory/x a.vec
expect 3 "$swtdx" replay /no/such/file
expect 2 "$swtdx" record a.vec
expect 2 "$swtdx" replay
expect 2 "$swtdx" replay --diff a.tdxtrace
expect 2 "$swtdx" replay --check --locks a.tdxtrace
expect 2 "$swtdx" replay --check --range 1-2 a.tdxtrace
expect 2 "$swtdx" replay --locks --profile 1.5.25 a.tdxtrace
expect 0 "$swtdx" replay --diff --range 1-3 a.tdxtrace b.tdxtrace

# What was not checked has not passed.
: >empty.vec
printf '# nothing\n' >comment.vec
printf 'hello\n' >hello.vec
printf 'platform mem=0x100000000\n\0seamcall 0 TDH.SYS.INIT -> rax=0x1\n' >zero.vec
for f in empty comment hello zero; do
	expect 1 "$swtdx" replay --check $f.vec
	grep -q '^0 of 1 files' out || fail "$f.vec passes"
done
expect 1 "$swtdx" record -o e.tdxtrace zero.vec
printf '\033[2Jx\n' >escape.vec
expect 1 "$swtdx" record -o e.tdxtrace escape.vec
grep -q "$(printf '\033')" err && fail "bytes of a file reach the terminal as they are"
exit 0
