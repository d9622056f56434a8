#!/bin/sh
# SPDX-License-Identifier: MIT
# A Linux TD that hashes files moves between two machines while it does: over a socket, given up on
# the way, with its memory after it, through a file, to another process. No hash differs, and it
# counts on. Skipped without a kernel, which scripts/guest-kernel fetches.
set -eu
name=boot_migrate swtdx=$1 source=$2
. "$source/tests/boot_moves"
hashing_guest 4
guest="--timeout 1500 --vcpus 2 --kernel $kernel --initrd $dir/initrd" count=2

moves_all_ways --streams 2
grep -q '"round_pages":\[\]' "$dir/out" || fail "memory came before it"
moves --to "file:$dir/td"
[ -s "$dir/td" ] || fail "there is no file"

# To another process, where it ends by itself: both believe the user's quote service.
export SWTDX_STATE="$dir/state"
"$swtdx" quote --root >"$dir/root" || fail "no quote service"
"$swtdx" migrate --timeout 1500 --vcpus 2 --memory 256 --from "unix:$dir/there" >"$dir/there.out" 2>"$dir/there.err" &
there=$!
n=0
while [ ! -S "$dir/there" ] && [ $n -lt 600 ]; do sleep 1; n=$((n + 1)); done
last=40
moves --to "unix:$dir/there"
wait $there || fail "the other process ended with $?"
grep -q 'the TD has come' "$dir/there.err" || fail "it has not come there"
grep -aq "second $last" "$dir/there.out" || fail "it does not count there"
! grep -aq 'HASH DIFFERS' "$dir/there.out" || fail "a hash differs there"

# The same over TCP, to a port the system chooses; who calls and says nothing sensible gets nothing.
"$swtdx" migrate --timeout 1500 --vcpus 2 --memory 256 --from tcp:127.0.0.1:0 >"$dir/tcp.out" 2>"$dir/tcp.err" &
there=$!
n=0
while ! grep -q 'waiting at' "$dir/tcp.err" && [ $n -lt 600 ]; do sleep 1; n=$((n + 1)); done
port=$(sed -n 's/.*waiting at 127.0.0.1:\([0-9]*\).*/\1/p' "$dir/tcp.err")
moves --to "tcp:127.0.0.1:$port"
wait $there || fail "the other process ended with $?, over TCP"
grep -q 'the TD has come' "$dir/tcp.err" || fail "it has not come over TCP"
! grep -aq 'HASH DIFFERS' "$dir/tcp.out" || fail "a hash differs there"
echo "boot_migrate: ok"
