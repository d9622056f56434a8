#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx eventlog as a user meets it: what is printed where, how it ends, what it is unwrapped from.
# Usage: cli_eventlog.sh SWTDX PUT_LOG
set -u
swtdx=$1 put=$2
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
failed=0

ends() { # ends STATUS NAME COMMAND...
	want=$1 name=$2
	shift 2
	"$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	[ $got -eq "$want" ] || { echo "not ok: $name: exit $got, not $want: $(head -n1 "$dir/err")"; failed=1; }
}

says() { # says FILE PATTERN NAME
	grep -q -e "$2" "$dir/$1" || { echo "not ok: $3: no '$2' in $1"; failed=1; }
}

"$put" boot >"$dir/boot"
"$put" other >"$dir/other"
"$put" report >"$dir/report"
"$put" swapped >"$dir/swapped"
"$put" hostile >"$dir/hostile"

ends 2 "no file" "$swtdx" eventlog
ends 3 "a file that is not there" "$swtdx" eventlog "$dir/none"
ends 1 "nothing" "$swtdx" eventlog /dev/null
says err "0 bytes, which are too few" "nothing"
ends 0 "a log" "$swtdx" eventlog "$dir/boot"
says out "^log  *CC event log, 8 events" "a log"
says out "variable SecureBoot (EFI_GLOBAL_VARIABLE): 01" "a log"
says out "^rtmr0  *[0-9a-f]\{96\}$" "a log"
ends 0 "a replay" "$swtdx" eventlog --replay "$dir/boot"
says out "^  *rtmr2  = [0-9a-f]\{96\}$" "a replay"
ends 0 "a log as JSON" "$swtdx" eventlog --replay --json "$dir/boot"
says out '"schema": "swtdx.eventlog/1"' "a log as JSON"
says out '"value": "' "a log as JSON"
ends 0 "against its report" "$swtdx" eventlog --against "$dir/report" "$dir/boot"
says out "^verdict  *the log replays to all four registers" "against its report"
ends 1 "against a report of another order" "$swtdx" eventlog --against "$dir/report" "$dir/swapped"
says out "^rtmr0  *DIFFERS" "against a report of another order"
says out "in the other order" "against a report of another order"
ends 1 "the same as JSON" "$swtdx" eventlog --json --against "$dir/report" "$dir/swapped"
says out '"cause": "order"' "the same as JSON"
ends 0 "against itself" "$swtdx" eventlog --against "$dir/boot" "$dir/boot"
says out "the boots are the same" "against itself"
ends 1 "against another boot" "$swtdx" eventlog --against "$dir/other" "$dir/boot"
says out "changed:" "against another boot"
ends 1 "against what is nothing" "$swtdx" eventlog --against /dev/null "$dir/boot"

# As people have it.
od -An -v -tx1 "$dir/boot" | tr -d ' \n' >"$dir/hex"
ends 0 "in hexadecimal" "$swtdx" eventlog "$dir/hex"
says out "from hexadecimal" "in hexadecimal"
base64 "$dir/boot" >"$dir/base64"
ends 0 "in base64" "$swtdx" eventlog "$dir/base64"
says out "from base64" "in base64"
printf '{"cc_eventlog":"%s","report":"0x%s"}' "$(base64 -w0 "$dir/boot")" \
	"$(od -An -v -tx1 "$dir/report" | tr -d ' \n')" >"$dir/json"
ends 0 "in a bundle" "$swtdx" eventlog --against "$dir/json" "$dir/json"
says out "from JSON member cc_eventlog, base64" "in a bundle"
says out "all four registers" "in a bundle"
zero=000000000000000000000000000000000000000000000000
printf '{"event_log":"[{\\"imr\\":3,\\"event_type\\":134217729,\\"digest\\":\\"\\",\\"event\\":\\"app-id\\",\\"event_payload\\":\\"0102\\"},{\\"imr\\":0,\\"event_type\\":4,\\"digest\\":\\"%s%s\\",\\"event\\":\\"\\",\\"event_payload\\":\\"\\"}]"}' \
	$zero $zero >"$dir/dstack"
ends 0 "dstack's" "$swtdx" eventlog "$dir/dstack"
says out "dstack app-id: 0102" "dstack's"
says out "from JSON member event_log, JSON event log" "dstack's"
head -c 40 "$dir/boot" >"$dir/cut"
ends 1 "a cut log" "$swtdx" eventlog "$dir/cut"
head -c 200 "$dir/boot" >"$dir/cut"
ends 1 "a log cut in an event" "$swtdx" eventlog "$dir/cut"
says err "offset 0x" "a log cut in an event"
ends 0 "a hostile log" "$swtdx" eventlog "$dir/hostile"
if LC_ALL=C grep -q '[^[:print:][:space:]]' "$dir/out"; then
	echo "not ok: a hostile log: control characters in the output"
	failed=1
fi
[ $failed -eq 0 ] && echo "ok"
exit $failed
