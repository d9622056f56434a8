#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx-static: needs no library, says and does what swtdx does, and boots nothing. Usage: cli_static.sh STATIC SWTDX
set -u
static=$(realpath "$1") swtdx=$(realpath "$2")
cd "$(dirname "$0")" || exit 99
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
failed=0

# Verb and options, by both: the same words, the same status.
same() {
	env -i HOME="$tmp" SWTDX_STATE="$tmp/a" "$static" "$@" >"$tmp/static.out" 2>"$tmp/static.err"
	a=$?
	HOME="$tmp" SWTDX_STATE="$tmp/a" "$swtdx" "$@" >"$tmp/out" 2>"$tmp/err"
	b=$?
	[ $a = $b ] && cmp -s "$tmp/static.out" "$tmp/out" && cmp -s "$tmp/static.err" "$tmp/err" || { echo "$*: $a and $b"; return 1; }
}

needs_no_library() {
	! readelf -lW "$static" | grep -E 'INTERP|DYNAMIC'
}

does_what_swtdx_does() {
	same decode 0x8000020000000092 && same decode --json TDX_OPERAND_BUSY && same doctor && same --version &&
		same replay --check vectors/03-vp-flow.vec && same measure /dev/null && same eventlog /dev/null &&
		same locks tdh.mem.page.aug && same no-such-verb || return 1
	[ ! -e /usr/share/ovmf/OVMF.fd ] || same measure /usr/share/ovmf/OVMF.fd
}

# The model is there: a TD's life is recorded by one and played by the other, and a quote is signed and read.
makes_what_swtdx_reads() {
	"$static" record -o "$tmp/life.trace" vectors/03-vp-flow.vec >"$tmp/log" 2>&1 && "$swtdx" replay --check "$tmp/life.trace" >"$tmp/log" 2>&1 ||
		{ cat "$tmp/log"; return 1; }
	SWTDX_STATE="$tmp/b" "$static" quote --root >"$tmp/root.pem" && grep -q 'BEGIN CERTIFICATE' "$tmp/root.pem"
}

boots_nothing_and_says_so() {
	for verb in run host kvm; do
		"$static" $verb /dev/null >"$tmp/out" 2>"$tmp/err"
		[ $? = 3 ] && [ ! -s "$tmp/out" ] && grep -q "^swtdx $verb: this is swtdx-static" "$tmp/err" || { cat "$tmp/err"; return 1; }
	done
}

for t in needs_no_library does_what_swtdx_does makes_what_swtdx_reads boots_nothing_and_says_so; do
	if $t; then echo "ok $t"; else echo "FAILED $t"; failed=1; fi
done
exit $failed
