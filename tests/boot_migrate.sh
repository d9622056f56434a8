#!/bin/sh
# SPDX-License-Identifier: MIT
# A Linux TD that hashes files moves between two machines while it does: over a socket, given up on
# the way, with its memory after it, through a file, to another process. No hash differs, and it
# counts on. Skipped without a kernel, which scripts/guest-kernel fetches.
set -eu
swtdx=$1 source=$2
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
[ -s "$kernel" ] || { echo "boot_migrate: no $kernel"; exit 77; }
command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "boot_migrate: no busybox or cpio"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_migrate: $*" >&2
	tail -30 "$dir/out" "$dir/err" >&2
	exit 1
}

"$source/scripts/guest-initrd" "$dir/initrd" '
dd if=/dev/urandom of=/file bs=1M count=4 2>/dev/null
want=$(sha256sum </file)
(while :; do
	cp /file /copy && mv /copy /file
	[ "$(sha256sum </file)" = "$want" ] || { echo HASH DIFFERS; reboot -f; }
done) &
echo READY
n=0
while sleep 1; do n=$((n + 1)); echo "second $n"; done
'

moves() {
	: >"$dir/out"
	"$swtdx" migrate --json --timeout 1500 --vcpus 2 --memory 256 --huge-pages --kernel "$kernel" --initrd "$dir/initrd" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" --when READY --after 2 --end "$@" \
		>"$dir/out" 2>"$dir/err" || fail "exit $? of $*"
	! grep -aq 'HASH DIFFERS' "$dir/err" || fail "a hash differs: $*"
	grep -aq 'second 2' "$dir/err" || fail "it does not count: $*"
	python3 - "$dir/out" <<'EOF' || fail "what is measured: $*"
import json, sys
for line in open(sys.argv[1]):
    move = json.loads(line)
    if move["given_up"]:
        assert "measured" not in move
        continue
    here = move["measured"]
    # firmware and kernel have extended these
    assert len(here["rtmr"]) == 4 and all(int(here["rtmr"][i], 16) for i in range(2)) and int(here["mrtd"], 16)
    if "measured_there" in move:
        assert move["measured_there"] == here and move["measurements_equal"] is True
EOF
}

moves --times 2 --streams 2
[ "$(grep -c '"given_up":false' "$dir/out")" = 2 ] || fail "it has not moved twice"
moves --abort-at 1
grep -q '"given_up":true' "$dir/out" && grep -q '"given_up":false' "$dir/out" || fail "nothing was given up"
moves --post-copy --dynamic-pamt
grep -q '"round_pages":\[\]' "$dir/out" && ! grep -q '"post_pages":0,' "$dir/out" || fail "no memory came after it"
moves --to "file:$dir/td"
[ -s "$dir/td" ] || fail "there is no file"

# To another process: both believe the user's quote service.
export SWTDX_STATE="$dir/state"
"$swtdx" quote --root >"$dir/root" || fail "no quote service"
"$swtdx" migrate --timeout 20 --vcpus 2 --memory 256 --from "unix:$dir/there" >"$dir/there.out" 2>"$dir/there.err" &
there=$!
n=0
while [ ! -S "$dir/there" ] && [ $n -lt 600 ]; do sleep 1; n=$((n + 1)); done
moves --to "unix:$dir/there"
code=0
wait $there || code=$?
[ $code = 1 ] || fail "the other process ended with $code"
grep -q 'the TD has come' "$dir/there.err" || fail "it has not come there"
grep -aq 'second' "$dir/there.out" || fail "it does not count there"
! grep -aq 'HASH DIFFERS' "$dir/there.out" || fail "a hash differs there"

# The same over TCP, to a port the system chooses; who calls and says nothing sensible gets nothing.
"$swtdx" migrate --timeout 20 --vcpus 2 --memory 256 --from tcp:127.0.0.1:0 >"$dir/tcp.out" 2>"$dir/tcp.err" &
there=$!
n=0
while ! grep -q 'waiting at' "$dir/tcp.err" && [ $n -lt 600 ]; do sleep 1; n=$((n + 1)); done
port=$(sed -n 's/.*waiting at 127.0.0.1:\([0-9]*\).*/\1/p' "$dir/tcp.err")
moves --to "tcp:127.0.0.1:$port"
wait $there || :
grep -q 'the TD has come' "$dir/tcp.err" || fail "it has not come over TCP"
! grep -aq 'HASH DIFFERS' "$dir/tcp.out" || fail "a hash differs there"
echo "boot_migrate: ok"
