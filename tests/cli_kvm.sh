#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx kvm: a client launches TDs by what is preloaded into it; what cannot work is said.
# Usage: cli_kvm.sh SWTDX CLIENT STATIC_CLIENT
set -u
swtdx=$1 client=$2 static=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "cli_kvm: $*"; cat "$dir/out" "$dir/err"; exit 1; }
# expect STATUS, then the command
expect() {
	wanted=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err"
	got=$?
	[ "$got" = "$wanted" ] || fail "exit $got, not $wanted: $*"
}
says() { grep -q -- "$1" "$dir/err" || fail "does not say \"$1\""; }
silent() { ! grep -q -- "$1" "$dir/err" || fail "says \"$1\""; }

expect 0 "$swtdx" kvm --missing -- "$client"
says simulated
says 'missing: request 0xaec1 (KVM_GET_SUPPORTED_HV_CPUID) on a vCPU'
silent 'not come back'
says 'triple fault: #UD'
expect 0 "$swtdx" kvm --quiet -- "$client" fork
silent simulated

# A call of the module fails as asked, and is in the trace.
expect 0 "$swtdx" kvm --quiet --fault 'TDH.MNG.CREATE#1=TDX_OPERAND_BUSY' -- "$client" refused
says 'fault TDH.MNG.CREATE#1=TDX_OPERAND_BUSY: came 1 times'
expect 0 "$swtdx" kvm --quiet --trace "$dir/trace" -- "$client"
expect 0 "$swtdx" replay "$dir/trace"
grep -q 'TDH.MR.FINALIZE' "$dir/out" || fail "no TDH.MR.FINALIZE in the trace"

# gdb: registers, memory, steps and breakpoints of each TD, the one after a reset too; its kill ends the client.
if command -v gdb >/dev/null; then
	"$swtdx" kvm --quiet --gdb :0 -- "$client" gdb >"$dir/out" 2>"$dir/err" &
	pid=$!
	# debug N: commands on standard input, for the N-th TD
	debug() {
		port=
		while [ -z "$port" ]; do
			kill -0 "$pid" 2>/dev/null || fail "it has ended before gdb came"
			sleep 0.1
			port=$(sed -n 's/.*target remote 127.0.0.1:\([0-9]*\)"$/\1/p' "$dir/err" | sed -n "$1p")
		done
		cat >"$dir/commands"
		gdb -nx -batch -iex 'set confirm off' -iex 'set pagination off' -iex 'set remotetimeout 60' \
			-ex 'set architecture i386:x86-64' -ex "target remote 127.0.0.1:$port" -x "$dir/commands" >"$dir/gdb" 2>&1
	}
	shows() { grep -qF -- "$1" "$dir/gdb" || { cat "$dir/gdb"; fail "gdb does not show \"$1\""; }; }
	debug 1 <<'END'
printf "begins at %#lx\n", $pc
set $ecx = 5
stepi
printf "counts %d\n", $ecx
hbreak *0xfffffff0
continue
printf "again %d at %#lx\n", $ecx, $pc
continue
printf "once more %d\n", $ecx
x/5xb 0xfffffff0
delete
set $pc = 0xfffffff3
continue
END
	shows 'begins at 0xfffffff0'
	shows 'counts 6'
	shows 'again 6 at 0xfffffff0'
	shows 'once more 7'
	shows '0x41	0xeb	0xfd	0x0f	0x0b'
	shows 'exited normally'
	debug 2 <<'END'
printf "begins again at %#lx\n", $pc
kill
END
	shows 'begins again at 0xfffffff0'
	rc=0
	wait "$pid" || rc=$?
	[ "$rc" = 143 ] || fail "gdb's kill: exit $rc"
fi
expect 2 "$swtdx" kvm --gdb nowhere -- "$client"
says 'takes .ADDRESS.:PORT'

# What cannot work.
expect 3 "$swtdx" kvm -- "$static"
says 'linked statically'
expect 3 "$swtdx" kvm -- no-such-client
says 'there is no such program'
expect 2 "$swtdx" kvm
says 'a CLIENT is needed'
expect 2 "$swtdx" kvm --fault 'TDH.NO.SUCH#1=TDX_OPERAND_BUSY' -- "$client"
says '"TDH.NO.SUCH" is no leaf'
expect 2 "$swtdx" kvm --fault 'TDH.MNG.CREATE=' -- "$client"
expect 2 "$swtdx" kvm --cap KVM_CAP_NONE_SUCH=0 -- "$client"
says 'NAME=ANSWER'
expect 1 "$swtdx" kvm --cap KVM_CAP_USER_MEMORY=0,GUEST_MEMFD=0 -- "$client"
if [ "$(id -u)" != 0 ]; then
	cp "$client" "$dir/setgid" && chmod 2755 "$dir/setgid"
fi
# Exit status: the client's.
expect 7 "$swtdx" kvm -- sh -c 'exit 7'
exit 0
