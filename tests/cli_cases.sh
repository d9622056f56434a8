#!/bin/sh
# SPDX-License-Identifier: MIT
# Logs as users paste them, and what swtdx doctor and decode make of each: tests/cases/cases.txt.
# Usage: cli_cases.sh SWTDX CASES SCHEMAS
set -u
swtdx=$(realpath "$1") cases=$(realpath "$2") schemas=$(realpath "$3") failed=0
fail() { echo "FAIL: $*"; failed=1; }
dir=$(mktemp -d) && cd "$dir" || exit 99
trap 'rm -rf "$dir"' EXIT

grep -v '^#' "$cases/cases.txt" >rows
while IFS='|' read -r name status count part; do
	log=$cases/$name.log
	"$swtdx" doctor --dmesg "$log" >out 2>err
	got=$?
	[ "$got" = "$status" ] || fail "doctor of $name: exit status $got, not $status"
	[ -s err ] && fail "doctor of $name: talks on standard error: $(cat err)"
	[ "$(grep -c '^FAIL' out)" = "$count" ] || fail "doctor of $name: $(grep -c '^FAIL' out) fail, not $count"
	awk 'length > 100' out | grep . && fail "doctor of $name: wider than 100 columns"
	tr -s ' \n' ' ' <out >words
	case $part in
	!*) grep -qF -- "${part#!}" words && fail "doctor of $name says \"${part#!}\"" ;;
	*) grep -qF -- "$part" words || fail "doctor of $name does not say \"$part\"" ;;
	esac
done <rows

# Single lines, of which doctor says that one failed, or not.
for kind in failed:1 harmless:0; do
	grep -v '^#' "$cases/lines-${kind%:*}.txt" >lines
	while IFS= read -r line; do
		printf '%s\n' "$line" | "$swtdx" doctor --dmesg - >out
		got=$?
		[ "$got" = "${kind#*:}" ] || fail "doctor of a ${kind%:*} line: exit status $got: $line"
	done <lines
done

# Each has a row, and decode leaves each as it is and takes it as a file and as a filter.
for log in "$cases"/*.log; do
	name=$(basename "$log" .log)
	grep -q "^$name|" rows || fail "nothing is asked of $name"
	"$swtdx" decode "$log" >out || fail "decode of the file $name"
	"$swtdx" decode <"$log" >filtered || fail "decode of $name"
	cmp -s out filtered || fail "decode of $name as a file is not what it is as a filter"
	grep -v '^    ' out | cmp -s - "$log" || fail "decode changed $name"
	"$swtdx" decode --json "$log" >>decode.ndjson || fail "decode --json of $name"
	"$swtdx" doctor --json --dmesg "$log" >>doctor.json
done
grep -q TDX_SUCCESS decode.ndjson && fail "a failure is told as TDX_SUCCESS"
python3 - "$schemas" <<'END' || fail "JSON is not what its schema says"
import json
import sys

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def check(value, schema, where):
    """The words of JSON Schema that the schemas here use."""
    assert set(schema) <= {"$schema", "$id", "title", "description", "type", "const", "enum", "required",
                           "properties", "additionalProperties", "items", "pattern", "minimum"}, schema.keys()
    if "type" in schema:
        assert isinstance(value, TYPES[schema["type"]]), (where, value)
    if "const" in schema:
        assert value == schema["const"], (where, value)
    if "enum" in schema:
        assert value in schema["enum"], (where, value)
    if "pattern" in schema:
        import re
        assert re.search(schema["pattern"], value), (where, value)
    if "minimum" in schema:
        assert value >= schema["minimum"], (where, value)
    for key in schema.get("required", []):
        assert key in value, (where, key)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key, v in value.items():
            assert key in known or schema.get("additionalProperties", True), (where, key)
            if key in known:
                check(v, known[key], where + "." + key)
    for v in value if isinstance(value, list) else []:
        check(v, schema.get("items", {}), where + "[]")


schemas = sys.argv[1]
lines = [json.loads(line) for line in open("decode.ndjson")]
schema = json.load(open(schemas + "/decode-log.schema.json"))
for line in lines:
    check(line, schema, "line")
for key in schema["properties"]:
    assert any(key in line for line in lines), "no log here has " + key
text, at, decoder = open("doctor.json").read(), 0, json.JSONDecoder()
schema = json.load(open(schemas + "/doctor.schema.json"))
while text[at:].strip():
    value, end = decoder.raw_decode(text[at:].lstrip())
    check(value, schema, "doctor")
    at = len(text) - len(text[at:].lstrip()) + end
END

# A table is held against a tree: what is not in it is told.
mkdir -p tree/arch/x86/virt/vmx/tdx
cat >tree/arch/x86/virt/vmx/tdx/tdx.c <<'END'
	pr_err("module not loaded\n");
	pr_warn("consumed TDMRs reaching limit: %d used out of %d\n",
		a, b);
	pr_err("a thing nobody knew %llx\n", x);
END
"$schemas/../../scripts/check-sentences" tree >out 2>err
[ $? -eq 1 ] && [ "$(wc -l <out)" = 1 ] && grep -q '^unknown .*nobody knew' out && grep -q '^3 sentences, 1 unknown' err ||
	fail "check-sentences: $(cat out err)"
"$schemas/../../scripts/check-sentences" no-such-tree 2>err
[ $? -eq 2 ] || fail "check-sentences without a tree"

# What is no log, and what is not there.
head -c 1024 /dev/zero >binary
"$swtdx" decode binary 2>err
[ $? -eq 1 ] && grep -q 'is no log' err || fail "a binary file is read as a log"
"$swtdx" decode no-such-file 2>err
[ $? -eq 1 ] || fail "a file that is not there"
"$swtdx" decode 0x8000000000010004 | grep -q SEAMLDR_EUNSUPCPU || fail "no status of the P-SEAMLDR"
"$swtdx" decode 0x8000000000000001 | grep -q 'GetQuote buffer: SERVICE_UNAVAILABLE' || fail "no status of GetQuote"
"$swtdx" decode 0x8000020000000092 | grep -q 'returned by' && fail "who returns it is told unasked"
exit $failed
