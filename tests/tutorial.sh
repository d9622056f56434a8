#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs every command of docs/tutorial.md, as it stands there, and looks for what the text promises.
set -eu
swtdx=$(realpath "$1") tutorial=$(realpath "$2") top=$3
fail() { echo "FAIL: $*"; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/bin" "$dir/tests"
ln -s "$swtdx" "$dir/bin/swtdx"
ln -s "$top/tests/vectors" "$dir/tests/vectors"
PATH=$dir/bin:$PATH
cd "$dir"
awk '/^```sh$/ { on = 1; n++; print "echo \"=== " n "\""; next } /^```$/ { on = 0; next } on' "$tutorial" >commands
[ "$(grep -c '^echo "=== ' commands)" -ge 10 ] || fail "the tutorial has lost its commands"
sh -eu commands >out 2>&1 || { tail -20 out; fail "a command fails"; }
for promise in \
	'TDX_OPERAND_BUSY' 'TDH.SYS.INIT' 'SEPT_TREE' \
	'TDG.MEM.PAGE.ACCEPT .*-> TDX_PAGE_ALREADY_ACCEPTED' \
	'TDH.MEM.PAGE.REMOVE .*-> TDX_GPA_RANGE_NOT_BLOCKED\|TDH.MEM.PAGE.REMOVE .*STATE_INCORRECT' \
	'PAMT_4K 0x100011000 exclusive' '1 of 1 files' 'SEPT_TREE .*exclusive  *X: ' \
	'^2116 schedules' 'SEPT_ENTRY 0x5000 exclusive: BUSY' \
	'^\([1-9][0-9][0-9]\) of \1 files'; do
	grep -q -e "$promise" out || { cat out | head -150; fail "nothing says: $promise"; }
done
