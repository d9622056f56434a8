#!/bin/sh
# SPDX-License-Identifier: MIT
# However QEMU ends while its TD runs, nothing stays behind: no process, no memory file that somebody holds, and, where it could
# still say so, no page of the machine. By the monitor (quit; stop, cont, info registers, system_reset before it), by Ctrl-C,
# and killed. Where QEMU is not to be had (SWTDX_QEMU_TDX names a folder of scripts/qemu-tdx), skipped. Usage: qemu_ends.sh SWTDX
set -u
swtdx=$1
limit=${SWTDX_ENDS_LIMIT:-600}
skip() { echo "qemu_ends: skipped: $*"; exit 77; }
qemu=${SWTDX_QEMU_TDX:-}
[ -n "$qemu" ] || skip "SWTDX_QEMU_TDX names no folder of scripts/qemu-tdx"
[ -x "$qemu/qemu" ] && [ -s "$qemu/OVMF.nokeys.fd" ] || skip "there is no QEMU in $qemu: scripts/qemu-tdx $qemu"
"$qemu/qemu" --version >/dev/null || skip "$qemu/qemu does not start"
dir=$(mktemp -d)
mkfifo "$dir/monitor"
trap 'rm -rf "$dir"' EXIT
fail() { echo "qemu_ends: $*"; tail -15 "$dir/log"; exit 1; }

# Wait until the command that follows succeeds.
until_true() {
	end=$(($(date +%s) + limit))
	until "$@"; do
		[ "$(date +%s)" -lt $end ] || fail "$name: not in $limit s: $*"
		sleep 0.3
	done
}
says() { grep -aqs "$1" "$2"; }
gone() { ! kill -0 "$pid" 2>/dev/null; }

begin() {
	name=$1
	rm -f "$dir/serial"
	: >"$dir/log"
	"$swtdx" kvm --quiet --memory 3072 -- "$qemu/qemu" -name "$dir" -accel kvm \
		-object tdx-guest,id=tdx0 -machine q35,kernel-irqchip=split,confidential-guest-support=tdx0 -cpu host -m 512M -smp 2 \
		-bios "$qemu/OVMF.nokeys.fd" -nodefaults -display none -serial "file:$dir/serial" -monitor stdio \
		<"$dir/monitor" >"$dir/log" 2>&1 &
	pid=$!
	exec 3>"$dir/monitor"
	until_true says 'No bootable option' "$dir/serial"
	[ "$(ls /proc/$pid/task | wc -l)" -ge 3 ] || fail "$name: no threads of vCPUs"
}

# STATUS: QEMU has ended, with this, and nothing of it is left.
ended() {
	exec 3>&-
	until_true gone
	wait "$pid"
	rc=$?
	[ $rc = "$1" ] || fail "$name: exit $rc, not $1"
	! says 'not come back\|not torn down' "$dir/log" || fail "$name: something did not come back"
	! pgrep -f -- "-name $dir" >/dev/null || fail "$name: a process is left"
	echo "qemu_ends: $name: exit $rc, nothing left"
}

begin quit
echo quit >&3
ended 0

begin "stop, cont, info registers, system_reset, quit"
echo stop >&3
echo 'info status' >&3
until_true says 'paused' "$dir/log"
echo cont >&3
echo 'info status' >&3
until_true says 'VM status: running' "$dir/log"
echo 'info registers' >&3
until_true says 'RIP=\|not available\|CPU#0' "$dir/log"
: >"$dir/serial"
echo system_reset >&3
until_true says 'rebuilt with new guest file handle' "$dir/log"
until_true says 'No bootable option' "$dir/serial"
echo quit >&3
ended 0

begin "Ctrl-C"
kill -INT "$pid"
ended 0

begin "SIGTERM"
kill -TERM "$pid"
ended 0

begin "kill -9"
kill -KILL "$pid"
ended 137
