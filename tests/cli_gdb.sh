#!/bin/sh
# SPDX-License-Identifier: MIT
# swtdx run --gdb, driven by gdb: registers, memory, breakpoints, steps and threads of a debug TD; of
# any other TD gdb gets the module's refusal by name, and the TD goes on.
set -eu
swtdx=$1 guest=$2
command -v gdb >/dev/null || exit 77
dir=$(mktemp -d)
td=
trap '[ -z "$td" ] || kill "$td" 2>/dev/null; rm -rf "$dir"' EXIT

fail() {
	echo "cli_gdb: $*" >&2
	cat "$dir/gdb" "$dir/err" >&2
	exit 1
}

start() { # options of swtdx run
	: >"$dir/err"
	"$swtdx" run --quiet --gdb :0 --memory 128 "$@" --kernel "$guest" >"$dir/out" 2>"$dir/err" &
	td=$!
	port=
	while [ -z "$port" ]; do
		kill -0 "$td" 2>/dev/null || fail "run $*: it has ended"
		sleep 0.1
		port=$(sed -n 's/.*target remote 127.0.0.1:\([0-9]*\)"$/\1/p' "$dir/err")
	done
}

end() { # exit status expected
	code=0
	wait "$td" || code=$?
	td=
	[ "$code" = "$1" ] || fail "exit status $code in place of $1"
	grep -q '^owned by the module at the end: 0 pages;' "$dir/out" || fail "pages left"
}

debug() { # commands for gdb on standard input
	cat >"$dir/commands"
	gdb -nx -batch -iex 'set confirm off' -iex 'set pagination off' -iex 'set remotetimeout 60' \
		-ex "file $guest" -ex "target remote 127.0.0.1:$port" -x "$dir/commands" >"$dir/gdb" 2>&1 || :
}

expect() {
	for line; do
		grep -qF -- "$line" "$dir/gdb" || fail "no \"$line\""
	done
}

# From the reset vector to the exit port.
start --debug
debug <<'END'
printf "reset %#lx\n", $pc
hbreak *_start
continue
printf "entry %d cr0 %#lx\n", $pc == &_start, $cr0
delete
break *work
continue
printf "r12 %#lx xmm3 %#lx ebx %d counter %ld\n", $r12, $xmm3.v2_int64[0], $ebx, *(long *)&counter
stepi
printf "step %d counter %ld\n", (long)$pc - (long)&work, *(long *)&counter
continue
printf "ebx %d\n", $ebx
set var *(long *)&counter = 1000
set var $ebx = 1
delete
break *done
continue
printf "counter %ld own %ld\n", *(long *)&counter, *(long *)&own
output (long)$pc == (long)&done
set var *(int *)&code = 42
delete
continue
END
expect "reset 0xfffffff0" "entry 1 cr0 0x80000031" \
	"r12 0x1122334455667788 xmm3 0x1122334455667788 ebx 7 counter 41" "step 7 counter 42" "ebx 6" \
	"counter 1001 own 1" "exited with code 052"
end 42

# Two vCPUs are two threads, and a step of one leaves the other where it is.
start --debug --vcpus 2
debug <<'END'
hbreak *work
continue
info threads
set scheduler-locking on
thread 2
stepi 3
thread 1
printf "first %d\n", (long)$pc == (long)&work
delete
print *(long *)0x7ffffffff000
END
expect "(vCPU 0)" "(vCPU 1)" "first 1" "Cannot access memory at address 0x7ffffffff000"
end 0

start --debug
debug <<'END'
kill
END
end 1

# Not a debug TD: the statuses by name, to gdb and on standard error, and no harm done.
start
debug </dev/null
expect "Could not read registers; remote failure reply 'E.TDH.VP.RD of RAX: TDX_METADATA_FIELD_NOT_READABLE'"
grep -q 'gdb: TDH.VP.RD of RAX: TDX_METADATA_FIELD_NOT_READABLE' "$dir/err" || fail "nothing on standard error"
end 0
start
cat >"$dir/raw.py" <<END
import socket
s = socket.create_connection(("127.0.0.1", $port))
def ask(text):
    s.sendall(b"\$%s#%02x" % (text, sum(text) & 255))
    answer = b""
    while b"#" not in answer[:-2]:
        answer += s.recv(4096)
    return answer.split(b"\$")[1].split(b"#")[0].decode()
print("write", ask(b"P10=0000000000000000"))
print("break", ask(b"Z0,1001000,1"))
print("memory", ask(b"mffff0000,8"))
print("hard", ask(b"Z1,1001000,1"), ask(b"z1,1001000,1"))
print("nonsense", ask(b"Hgffffff"), ask(b"p999"), ask(b"m"), ask(b"vCont;x:77"))
END
gdb -nx -batch -ex "source $dir/raw.py" >"$dir/gdb" 2>&1 || :
expect "hard E01 OK" "nonsense E01 E01 E14 E01" "write E.TDH.VP.WR of GUEST_RIP: TDX_METADATA_FIELD_NOT_WRITABLE" "break E0e" "memory E14"
end 0

# Who speaks another protocol is not listened to, whatever he goes on to say; the guest waits for gdb.
start --debug
cat >"$dir/http.py" <<END
import socket
for first in (b"POST / HTTP/1.1\\r\\n\\r\\n", b"\\x16\\x03\\x01", b"k"):
    s = socket.create_connection(("127.0.0.1", $port))
    s.settimeout(60)
    try:
        s.sendall(first + b"\$k#6b")
        got = s.recv(100)
    except OSError:
        got = b""
    print("peer", got)
END
gdb -nx -batch -ex "source $dir/http.py" >"$dir/gdb" 2>&1 || :
[ "$(grep -c "^peer b''" "$dir/gdb")" = 3 ] || fail "it is answered"
debug <<'END'
printf "still at %#lx\n", $pc
END
expect "still at 0xfffffff0"
end 0
