#!/bin/sh
# SPDX-License-Identifier: MIT
# What all verbs have in common: help, wrong words, and output that does not arrive.
# Usage: cli_words.sh SWTDX VECTORS
set -u
swtdx=$(realpath "$1") vectors=$2
fail() { echo "FAIL: $*"; exit 1; }
dir=$(mktemp -d) && cd "$dir" || exit 1
trap 'rm -rf "$dir"' EXIT
verbs=$("$swtdx" --help | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p' | grep -v '^help$')

for verb in $verbs; do
	"$swtdx" "$verb" --help >help 2>err || fail "$verb --help"
	[ -s err ] && fail "$verb --help talks on standard error"
	grep -q "^usage: swtdx $verb" help || fail "$verb --help has no usage"
	# a list of what an option takes is not broken: shells complete from it
	[ "$(awk 'length > 100 && !/^ +(-., )?--[a-z-]+ [^ ]+\|[^ ]+$/' help)" = '' ] || fail "$verb --help is wider than 100 columns"
	"$swtdx" "$verb" --no-such-option >out 2>err
	[ $? -eq 2 ] || fail "$verb takes any option"
	[ -s out ] && fail "$verb: a usage error goes to standard output"
	head -1 err | grep -q "^swtdx $verb: there is no option --no-such-option" || fail "$verb: $(cat err)"
	"$swtdx" "$verb" --help >/dev/full 2>err
	[ $? -eq 3 ] || fail "$verb --help: a full disk goes unnoticed"
	PATH=/nonexistent "$swtdx" help "$verb" 2>/dev/null | cmp -s - help || fail "no help on $verb without man"
done

"$swtdx" repaly >out 2>err
[ $? -eq 2 ] && grep -q 'did you mean "replay"?' err || fail "no verb suggested"
"$swtdx" replay --prefetto x y 2>err
grep -q 'did you mean --perfetto?' err || fail "no option suggested"
"$swtdx" run --vcpus 65 x 2>err
[ $? -eq 2 ] && grep -q -- '--vcpus takes a number from 1 to 64, not "65"' err || fail "the limit is not named"
"$swtdx" run --engine arm x 2>err
grep -q -- '--engine takes translate|interpret|check|native, not "arm"' err || fail "the choices are not named"
"$swtdx" run --gdb nowhere x 2>err
[ $? -eq 2 ] || fail "an address for gdb that is none is found out late"

"$swtdx" record -o t.tdxtrace "$vectors/04-page-add.vec" || fail "record"
while read -r words; do
	"$swtdx" $words >/dev/full 2>err
	[ $? -eq 3 ] && grep -q 'No space left' err || fail "$words: a full disk goes unnoticed"
	"$swtdx" $words >&- 2>err
	[ $? -eq 3 ] || fail "$words: a closed standard output goes unnoticed"
done <<END
help
--version
decode 28
decode --json leaf 28
doctor --root $dir
locks mem.track
locks --json mem.track
replay t.tdxtrace
replay --json t.tdxtrace
replay --vectors t.tdxtrace
replay --perfetto - t.tdxtrace
replay --diff t.tdxtrace t.tdxtrace
replay --check t.tdxtrace
explore --pairs mem.track mem.track
END
# A file must not be opened in the place of a closed standard output.
"$swtdx" record --json -o u.tdxtrace "$vectors/04-page-add.vec" >&- 2>/dev/null
"$swtdx" replay u.tdxtrace >/dev/null 2>err || fail "the trace was written over: $(cat err)"
