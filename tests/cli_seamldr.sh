#!/bin/sh
# SPDX-License-Identifier: MIT
# Module images: what is written is what was asked for, and nothing else is.
# cli_seamldr.sh SWTDX
set -eu
swtdx=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
	echo "cli_seamldr: $*" >&2
	exit 1
}
ends() { # STATUS ARGUMENT...
	want=$1
	shift
	code=0
	"$swtdx" seamldr "$@" >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = "$want" ] || fail "exit $code of $*, not $want: $(cat "$dir/err")"
}

ends 0 "$dir/one"
grep -q 'version 1.5.25.*simulated' "$dir/err" || fail "it does not say what it is"
[ "$(wc -c <"$dir/one")" = 12288 ] || fail "size of an image"
[ "$(dd if="$dir/one" bs=1 skip=4 count=8 2>/dev/null)" = TDX-BLOB ] || fail "no image"
ends 0 --json --profile 1.5.01 --pages 3 --svn 20 --min-update-hv 1 --module-hv 2 "$dir/two"
for field in '"version": "1.5.01"' '"size": 20480' '"minor_svn": 20' '"major_svn": 1' '"min_update_hv": 1' '"module_hv": 2'; do
	grep -qF "$field" "$dir/out" || fail "no $field: $(cat "$dir/out")"
done
"$swtdx" seamldr --profile 1.5.01 --pages 3 --svn 20 --min-update-hv 1 --module-hv 2 - 2>"$dir/err" | cmp - "$dir/two" ||
	fail "standard output has another"
ends 2
ends 2 a b
ends 2 --json -
ends 2 --profile 9.9 "$dir/three"
grep -q 'there is no profile "9.9"; there are 1.5.25' "$dir/err" || fail "$(cat "$dir/err")"
ends 2 --pages 497 "$dir/three"
ends 2 --svn 256 "$dir/three"
[ ! -e "$dir/three" ] || fail "a file of nothing"
ends 3 "$dir/none/one"
grep -q 'No such file' "$dir/err" || fail "$(cat "$dir/err")"
