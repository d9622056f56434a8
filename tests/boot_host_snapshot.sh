#!/bin/sh
# SPDX-License-Identifier: MIT
# A Linux host to a file and on from there: before its TD and in the middle of it, as often as one likes;
# with a virtual clock two that are resumed are the same, byte for byte of trace. What is wrong with the options
# is said without a kernel; the rest is skipped without (make host-kernel).
# boot_host_snapshot.sh SWTDX SOURCE
set -eu
swtdx=$1 source=$2
dir=$(mktemp -d)
host=
trap '[ -z "$host" ] || kill $host 2>/dev/null; rm -rf "$dir"' EXIT
export SWTDX_STATE="$dir/state"

fail() {
	echo "boot_host_snapshot: $*" >&2
	cut -c1-400 "$dir/err" | tail -20 >&2
	exit 1
}

ends() { # STATUS, what is said, [ARGUMENT]...
	want=$1 said=$2 code=0
	shift 2
	"$swtdx" host "$@" </dev/null >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = "$want" ] || fail "$*: exit $code, not $want"
	grep -q -e "$said" "$dir/err" || fail "$*: not said: $said"
}
ends 2 '--resume has it in its file: no --kernel' --resume "$dir/none" --kernel /dev/null
ends 2 '--resume has it in its file: no --cpus' --resume "$dir/none" --cpus 2
ends 2 '--snapshot-when is for --snapshot' --kernel /dev/null --snapshot-when x
ends 2 '--snapshot-key is for' --kernel /dev/null --snapshot-key x
ends 3 'snapshot.key: No such file' --resume "$dir/none"
mkdir "$dir/state" && head -c 32 /dev/urandom >"$dir/state/snapshot.key"
ends 3 'none: No such file' --resume "$dir/none"
echo text >"$dir/text"
ends 1 'text: not a snapshot' --resume "$dir/text"
ends 1 ': not a file' --resume /dev/null
ends 3 'not a key of 32 bytes' --resume "$dir/text" --snapshot-key "$dir/text"
rm "$dir/state/snapshot.key"

kernel=$("$source/scripts/host-kernel" --have) || { echo "boot_host_snapshot: no host kernel (make host-kernel)"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_host_snapshot: no busybox or cpio"; exit 77; }
sh "$source/examples/kvm-tdx/build.sh" "$dir" cc

take() { # NAME TEXT [OPTION]...
	name=$1 text=$2
	shift 2
	ends 0 "host: snapshot $dir/$name: [0-9]* MiB in" --memory 3072 --kernel "$kernel" --initrd "$dir/initrd" \
		--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off" \
		--snapshot "$dir/$name" --snapshot-when "$text" "$@"
	grep -aq -e "$text" "$dir/out" || fail "$name: \"$text\" was not said"
}

resume() { # NAME INPUT [OPTION]...
	name=$1 code=0
	printf '%s\n' "$2" >"$dir/in"
	shift 2
	"$swtdx" host --resume "$dir/$name" "$@" <"$dir/in" >"$dir/out" 2>"$dir/err" || code=$?
	[ "$code" = 0 ] || fail "$name: exit $code"
	grep -q '^host: 0 coherency faults' "$dir/err" || fail "$name: coherency faults"
	grep -q 'owned by the module at the end: 0 pages' "$dir/err" || fail "$name: the module owns pages"
	grep -aq -e 'BUG:' -e Oops -e 'WARNING:' "$dir/out" && fail "$name: the kernel complains"
	ms=$(sed -n "s/^host: resumed from .* in \([0-9]*\) ms/\1/p" "$dir/err")
	[ -n "$ms" ] || fail "$name: not said in what time"
	echo "$name: resumed in $ms ms"
}

# A shell that waits: what it does next is what it reads next, in each that is resumed.
"$source/scripts/guest-initrd" "$dir/initrd" 'echo "ready to go"; read line; eval "$line"; echo "exit $?"' "$dir/kvm-tdx" "$dir/hello.bin"
take shell 'ready to go' --cpus 2
for time in 1 2 3; do
	resume shell '/kvm-tdx /hello.bin'
	grep -aq 'hello from a TD' "$dir/out" || fail "resumed $time: no TD"
	grep -aq '^exit 0' "$dir/out" || fail "resumed $time: the TD did not end well"
done
resume shell 'cat /proc/uptime; true' --trace "$dir/trace"
grep -aq '^exit 0' "$dir/out" || fail "no shell"
code=0
"$swtdx" replay --check "$dir/trace" >"$dir/err" || code=$?
[ "$code" = 1 ] || fail "a trace that does not begin with the machine: exit $code"
grep -q 'do not play again' "$dir/err" || fail "not said that a resumed machine's trace does not play"

# Faults by the second command line; and one with another key, changed, or cut.
resume shell '/kvm-tdx /hello.bin' --fault 'TDH.MEM.PAGE.AUG@vcpu=0#3x4=TDX_OPERAND_BUSY|SEPT_TREE'
grep -q '^host: fault .*: came 4 times' "$dir/err" || fail "no faults in a machine that was resumed"
head -c 32 /dev/urandom >"$dir/key"
ends 1 'made with another key' --resume "$dir/shell" --snapshot-key "$dir/key"
head -c 1000000 "$dir/shell" >"$dir/cut"
ends 1 'of which 1000000 are there' --resume "$dir/cut"
cp "$dir/shell" "$dir/changed"
printf x | dd of="$dir/changed" bs=1 seek=3000001 conv=notrunc 2>/dev/null
ends 1 'not as it was written' --resume "$dir/changed"

# On a signal; without it there is none, and it is said.
"$swtdx" host --memory 3072 --kernel "$kernel" --initrd "$dir/initrd" --cpus 2 --snapshot "$dir/signal" \
	--append "console=ttyS0 nokaslr nowatchdog panic=-1 kvm_intel.tdx=1 pci=off" </dev/null >"$dir/out" 2>"$dir/err" &
host=$!
until grep -aq 'ready to go' "$dir/out"; do
	kill -0 $host || fail "it ended before it was told to"
	sleep 0.2
done
sleep 1 # until it waits for input, and does nothing else
kill -USR1 $host
wait $host || fail "a snapshot on a signal"
host=
resume signal 'true'
code=0
echo true | "$swtdx" host --resume "$dir/shell" --snapshot "$dir/no" --snapshot-when 'never to be' >"$dir/out" 2>"$dir/err" || code=$?
[ "$code" = 1 ] || fail "a snapshot that is never taken: exit $code"
grep -q 'no snapshot was taken: "never to be" was never said' "$dir/err" || fail "not said that there is no snapshot"
[ ! -e "$dir/no" ] || fail "a snapshot that was not taken"

# In the middle of a TD, with a virtual clock.
"$source/scripts/guest-initrd" "$dir/initrd" '/kvm-tdx /hello.bin; /kvm-tdx -t 2 -v -c 2 -p 10 /threads.bin; echo "exit $?"' \
	"$dir/kvm-tdx" "$dir/hello.bin" "$dir/threads.bin"
take td 'hello from' --cpus 2 --clock virtual --seed 7
for run in a b; do
	resume td "" --trace "$dir/trace.$run"
	cp "$dir/out" "$dir/out.$run"
	grep -aq '^goodbye' "$dir/out" || fail "$run: the TD that was there did not end well"
	grep -aq '^640 pages accepted in #VE handlers, 640 removed' "$dir/out" || fail "$run: the next TD did not end well"
done
cmp "$dir/trace.a" "$dir/trace.b" || fail "one snapshot, two traces"
cmp "$dir/out.a" "$dir/out.b" || fail "one snapshot, two consoles"
resume td '' --seed 9 --trace "$dir/trace.c"
! cmp -s "$dir/trace.a" "$dir/trace.c" || fail "another seed, the same trace"
