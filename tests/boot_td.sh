#!/bin/sh
# SPDX-License-Identifier: MIT
# The example TD, which links the guest library without a C library: it does all it tries, its MRTD is
# what was computed outside, and its quote verifies under the service's root and no other.
# Usage: boot_td.sh SWTDX TD.ELF
set -eu
swtdx=$1 td=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export SWTDX_STATE="$dir/state"

fail() {
	echo "boot_td: $*" >&2
	cut -c1-200 "$dir/out" >&2
	exit 1
}

"$swtdx" run --quiet --trace "$dir/trace" --kernel "$td" </dev/null >"$dir/out" 2>&1 || fail "run: exit $?"
! grep -q '^not ok' "$dir/out" || fail "a step failed"
[ "$(grep -c '^ok ' "$dir/out")" = 10 ] || fail "it did not come to the end"
grep -q '^owned by the module at the end: 0 pages' "$dir/out" || fail "pages left"
# Every step of the trace comes out the same, the #VEs that the processor raised by itself, too.
"$swtdx" replay --vectors "$dir/trace" | grep -q '^guest ve lp=' || fail "no #VE of the processor's in the trace"
"$swtdx" replay --check --quiet "$dir/trace" >"$dir/check" || fail "the trace differs: $(cat "$dir/check")"
sed -n 's/^quote //p' "$dir/out" | perl -ne 'chomp; print pack("H*", $_)' >"$dir/quote"
"$swtdx" report "$dir/quote" >"$dir/report" || fail "the quote does not verify"
"$swtdx" measure --kernel "$td" >"$dir/measured"
for register in mrtd rtmr0 rtmr1 rtmr2; do
	inside=$(sed -n "s/^$register  *//p" "$dir/report")
	outside=$(sed -n "s/^$register  *//p" "$dir/measured")
	[ -n "$inside" ] && [ "$inside" = "$outside" ] || fail "$register differs"
done
grep -q "^reportdata  *$(printf 'asked by the verifier' | od -An -v -tx1 | tr -d ' \n')0" "$dir/report" ||
	fail "another nonce"
"$swtdx" quote --state "$dir/other" --root >"$dir/root"
! "$swtdx" report --root "$dir/root" "$dir/quote" >/dev/null || fail "another root vouches for it"

# A host without a service says so, and the guest lives on.
code=0
SWTDX_STATE=/proc/none "$swtdx" run --quiet --kernel "$td" </dev/null >"$dir/out" 2>&1 || code=$?
[ "$code" = 1 ] || fail "without a service: exit $code"
[ "$(grep -c '^not ok' "$dir/out")" = 1 ] || fail "without a service"
grep -q 'no quote for the guest' "$dir/out" || fail "nothing is said about the quote"
