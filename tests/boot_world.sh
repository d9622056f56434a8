#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest of our own on two vCPUs: what it sees of its world is as TDX has it, and the measurements
# it reports are those swtdx measure computes from outside.
set -eu
swtdx=$1 guest=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_world: $*" >&2
	cat "$dir/out" >&2
	exit 1
}

head -c 5000 /dev/zero >"$dir/initrd"
for args in "" "--huge-pages" "--memory 3072 --huge-pages" "--packages 2 --cpus 4"; do
	memory=${args#--memory } && memory=${memory%% *}
	case $args in --memory*) ;; *) memory=512 ;; esac
	# shellcheck disable=SC2086
	"$swtdx" run --quiet --vcpus 2 $args --kernel "$guest" --initrd "$dir/initrd" --append "one two" \
		</dev/null >"$dir/out" 2>&1 || fail "run $args: exit $?"
	! grep -q '^not ok' "$dir/out" || fail "run $args"
	[ "$(grep -c '^ok ' "$dir/out")" -ge 28 ] || fail "run $args: it did not come to the end"
	grep -q '^owned by the module at the end: 0 pages' "$dir/out" || fail "run $args: pages left"
	"$swtdx" measure --kernel "$guest" --initrd "$dir/initrd" --append "one two" \
		--memory "$memory" >"$dir/measured"
	for register in mrtd rtmr0 rtmr1 rtmr2 rtmr3; do
		inside=$(sed -n "s/^$register //p" "$dir/out")
		outside=$(sed -n "s/^$register *//p" "$dir/measured")
		[ -n "$inside" ] && [ "$inside" = "$outside" ] || fail "run $args: $register differs"
	done
	# The firmware's log stands for the registers of the TD's own report.
	sed -n 's/^log //p' "$dir/out" >"$dir/log"
	sed -n 's/^report //p' "$dir/out" >"$dir/report"
	"$swtdx" eventlog --against "$dir/report" "$dir/log" >"$dir/against" || fail "run $args: the log differs"
	"$swtdx" eventlog "$dir/log" >"$dir/events"
	grep -q 'EV_IPL: kernel command line (swtdx): swtdx_cmdline: one two$' "$dir/events" ||
		fail "run $args: the log has no command line"
	grep -q 'EV_PLATFORM_CONFIG_FLAGS: platform configuration td_hob, ' "$dir/events" ||
		fail "run $args: the log has no TD HOB"
	! grep -q 'not that of this data' "$dir/events" || fail "run $args: a digest is not its data's"
done

"$swtdx" run --quiet --json --vcpus 2 --kernel "$guest" --initrd "$dir/initrd" --append "one two" </dev/null \
	>"$dir/json" 2>/dev/null || fail "run --json: exit $?"
python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); assert "mrtd" not in r and "rtmr" not in r' \
	"$dir/json" || fail "JSON has measurements that nobody took"

# Another command line is another RTMR 2, and nothing else.
"$swtdx" measure --kernel "$guest" --initrd "$dir/initrd" --append "one twO" --memory "$memory" >"$dir/other"
if diff "$dir/measured" "$dir/other" | grep -q '^[<>] \(mrtd\|rtmr0\)'; then fail "the command line is in MRTD"; fi
diff "$dir/measured" "$dir/other" | grep -q '^> rtmr2' || fail "the command line is not measured"

"$swtdx" measure --json --kernel "$guest" --append "one twO" >"$dir/json"
[ "$(grep -c '"what"' "$dir/json")" = "$(grep -c '^event ' "$dir/other")" ] || fail "events differ in JSON"

# What is no kernel.
head -c 100 "$guest" >"$dir/short"
for bad in "$dir/short" "$dir/initrd"; do
	code=0
	"$swtdx" run --quiet --kernel "$bad" >"$dir/out" 2>&1 || code=$?
	[ "$code" = 1 ] && [ "$(wc -l <"$dir/out")" = 1 ] || fail "$bad: exit $code"
done
