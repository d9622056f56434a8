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
