#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Peers that mean no good, at the sockets of the quote service and of gdb: what serves them goes on, in few words
# and little memory, answers others in time, and ends when it is told to. At those of a migration: there is no TD,
# and a sentence says so.
# hostile_peers.py SWTDX ASK_QUOTE PUT_REPORT GUEST
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

LIMIT_KB, LIMIT_LINES, LIMIT_S = 1 << 20, 60, 60
swtdx, ask_quote, put_report, guest = sys.argv[1:]
chance = random.Random(7)
bad = []


def check(good, what):
    if not good:
        bad.append(what)
        print("hostile_peers:", what, flush=True)


def wait_for(what, true):
    for _ in range(LIMIT_S * 20):
        if true():
            return True
        time.sleep(0.05)
    check(False, f"{what} never came")
    return False


def close_all(sockets):
    for s in sockets:
        s.close()


def end(name, server, log, status=None):
    """It is still there, ends when it is told to, and has said little."""
    check(server.poll() is None, f"{name} has ended with {server.poll()}")
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
    killer = signal.signal(signal.SIGALRM, lambda *_: server.kill())
    signal.alarm(LIMIT_S)
    _, code, usage = os.wait4(server.pid, 0)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, killer)
    code = os.waitstatus_to_exitcode(code)
    server.returncode = code
    check(code >= 0, f"{name}: signal {-code}")
    if os.environ.get("SWTDX_TEST_BUILD") != "sanitized":
        check(usage.ru_maxrss < LIMIT_KB, f"{name}: {usage.ru_maxrss} KiB")
    lines = log.read_bytes()
    check(lines.count(b"\n") < LIMIT_LINES, f"{name}: {lines.count(10)} lines")
    check(b"\033" not in lines, f"{name}: a control sequence")


def quote_service(folder):
    at, log = str(folder / "quotes"), folder / "quotes.log"
    server = subprocess.Popen([swtdx, "quote", "--state", folder / "state", "--serve", at], stderr=open(log, "wb"),
                              stdin=subprocess.DEVNULL)

    def peer(*messages):
        s = socket.socket(socket.AF_UNIX)
        s.connect(at)
        s.settimeout(LIMIT_S)
        try:
            for m in messages:
                s.sendall(m)
        except OSError:  # it has heard enough
            pass
        return s

    if not wait_for("the quote service", lambda: os.path.exists(at)):
        return
    close_all(peer() for _ in range(50))
    close_all(peer(b"\xff" * 4) for _ in range(200))
    close_all(peer(b"\0\0\0\0") for _ in range(200))
    close_all(peer(b"\0\1\0\0" + b"x" * 1000) for _ in range(20))
    close_all(peer(b"GET / HTTP/1.1\r\n\033]0;title\007\r\n") for _ in range(20))
    for _ in range(50):
        n = chance.randrange(1, 3000)
        close_all([peer(n.to_bytes(4, "big") + chance.randbytes(n))])
    # one that asks and never reads, one that says nothing, one that lets a message drip
    held = [peer(), peer(b"\0\0"), peer(b"\0\0\0\x40" + b"x")]
    report = subprocess.run([put_report], stdout=subprocess.PIPE, check=True).stdout
    (folder / "report").write_bytes(report)
    answer = subprocess.Popen([ask_quote, at, folder / "report"], stdout=subprocess.PIPE)
    for _ in range(LIMIT_S):
        if answer.poll() is not None:
            break
        try:
            held[2].send(b"x")
        except OSError:
            pass
        time.sleep(1)
    answer.kill() if answer.poll() is None else None
    out, _ = answer.communicate()
    check(answer.returncode == 0 and len(out) > 1000, "no quote beside a peer that drips")
    close_all(held)
    end("the quote service", server, log)


def gdb_server(log):
    """A TD that is debugged, and its port; 0: it never came."""
    server = subprocess.Popen([swtdx, "run", "--quiet", "--debug", "--memory", "128", "--gdb", ":0", "--timeout",
                               str(4 * LIMIT_S), "--kernel", guest, "--append", "spins"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=open(log, "wb"))
    at = lambda: log.read_text(errors="replace").partition('target remote 127.0.0.1:')[2].partition('"')[0]
    return server, int(at()) if wait_for("gdb's port", at) else 0


def gdb(folder):
    log = folder / "gdb.log"
    server, port = gdb_server(log)
    if not port:
        return

    def packet(body):
        return b"$" + body + b"#%02x" % (sum(body) & 0xff)

    def peer(*messages):
        s = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        try:
            for m in messages:
                s.sendall(m)
            s.settimeout(0.2)
            while s.recv(65536):
                pass
        except OSError:  # nothing more to say
            pass
        return s

    hostile = [
        [b"POST / HTTP/1.1\r\nHost: x\r\n\r\n$c#63"],
        [b"\x16\x03\x01\x02\0" + chance.randbytes(500)],
        [b"$" + b"a" * (1 << 20)],
        [b"$m0,4#00" * 100],
        [packet(b"m0,ffffffffffffffff"), packet(b"m8000000000000000,1000"), packet(b"x0,7fffffffffffffff")],
        [packet(b"Mffffffffffffffff,8:0011223344556677"), packet(b"M1000000,ffffffff:00")],
        [packet(b"X1000000,ffffffff:" + bytes(100))],
        [packet(b"Z0,%x,1" % (0x1000000 + i)) for i in range(3000)],
        [packet(b"z0,%x,1" % i) for i in range(1000)],
        [packet(b"qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff")],
        [packet(b"G" + b"f" * 4000), packet(b"P" + b"f" * 300 + b"="), packet(b"p" + b"f" * 300)],
        [packet(b"Hgffffffffffffffff"), packet(b"T" + b"f" * 40), packet(b"vCont;s:ffffffffffffffff")],
        [packet(b"}" * 1000), packet(b"a*\xff" * 100)],
        [b"+-" * 5000, b"\x03" * 100],
        [packet(chance.randbytes(chance.randrange(200))) for _ in range(200)],
    ]
    for messages in hostile:
        if server.poll() is not None:
            break
        # one after the other: where the first detached or was dropped, the TD goes on and none is heard
        try:
            close_all([peer(packet(b"?"), *messages)])
            close_all([peer(*messages)])
        except ConnectionRefusedError:
            break
    end("gdb's server", server, log)


def gdb_that_does_not_read(folder):
    """It asks for more than a socket holds, and reads none of it: what it debugs ends all the same."""
    log = folder / "gdb2.log"
    server, port = gdb_server(log)
    if not port:
        return
    s = socket.create_connection(("127.0.0.1", port))
    s.settimeout(2)
    try:
        while True:
            s.sendall(b"$qXfer:features:read:target.xml:0,ffff#" + b"%02x" %
                      (sum(b"qXfer:features:read:target.xml:0,ffff") & 0xff))
    except OSError:  # both ways are full
        pass
    end("gdb's server, asked and not heard", server, log)
    s.close()


def words_of(name, process, log):
    """It ends by itself, with a status that says so and a sentence."""
    killer = signal.signal(signal.SIGALRM, lambda *_: process.kill())
    signal.alarm(LIMIT_S)
    _, code, usage = os.wait4(process.pid, 0)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, killer)
    process.returncode = os.waitstatus_to_exitcode(code)
    said = log.read_bytes()
    check(process.returncode in (1, 3), f"{name}: status {process.returncode}: {said[-300:]}")
    check(said.strip() and said.count(b"\n") < LIMIT_LINES, f"{name}: {said.count(10)} lines")
    check(b"\033" not in said, f"{name}: a control sequence")
    if os.environ.get("SWTDX_TEST_BUILD") != "sanitized":
        check(usage.ru_maxrss < LIMIT_KB, f"{name}: {usage.ru_maxrss} KiB")


def what_a_stream_is_not():
    """What arrives where a TD or its importer's answers should."""
    yield "nothing", b""
    yield "a byte", b"\0"
    yield "zeros", bytes(1 << 20)
    yield "ones", b"\xff" * (1 << 20)
    yield "a request", b"POST / HTTP/1.1\r\n\033]0;title\007\r\n\r\n"
    for n in (4, 40, 400, 4000, 40000):
        yield f"{n} of chance", chance.randbytes(n)


def importer(folder):
    """One that waits for a TD."""
    for i, (what, sent) in enumerate(what_a_stream_is_not()):
        at, log = str(folder / f"from{i}"), folder / f"from{i}.log"
        with open(log, "wb") as out:
            process = subprocess.Popen([swtdx, "migrate", "--from", f"unix:{at}", "--timeout", "30", "--quiet"],
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        if not wait_for("the importer", lambda: os.path.exists(at) or process.poll() is not None):
            return
        s = socket.socket(socket.AF_UNIX)
        while s.connect_ex(at) and process.poll() is None:  # it has its name, and does not listen yet
            time.sleep(0.01)
        try:
            s.sendall(sent)
            s.shutdown(socket.SHUT_WR)
        except OSError:  # it has heard enough
            pass
        words_of(f"an importer that hears {what}", process, log)
        s.close()


def silence(folder):
    """Nobody calls an importer that has a limit, or one does and says nothing."""
    for calls in (False, True):
        at, log = str(folder / f"silence{calls}"), folder / f"silence{calls}.log"
        with open(log, "wb") as out:
            process = subprocess.Popen([swtdx, "migrate", "--from", f"unix:{at}", "--timeout", "3" if calls else "1"],
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        s = socket.socket(socket.AF_UNIX)
        while calls and s.connect_ex(at) and process.poll() is None:
            time.sleep(0.01)
        words_of("an importer that hears nobody", process, log)
        check(process.returncode == 1 and b"(--timeout)" in log.read_bytes(), f"silence: {log.read_bytes()[-300:]}")
        check(not os.path.exists(at), "silence: the name is still there")
        s.close()


def exporter(folder):
    """One that sends its TD to who only says that it takes it."""
    for i, (what, sent) in enumerate(list(what_a_stream_is_not())[::2]):
        log, server = folder / f"to{i}.log", socket.create_server(("127.0.0.1", 0))
        server.settimeout(LIMIT_S)
        with open(log, "wb") as out:
            process = subprocess.Popen([swtdx, "migrate", "--quiet", "--memory", "128", "--after", "1", "--timeout", "40",
                                        "--to", f"tcp:127.0.0.1:{server.getsockname()[1]}", "--kernel", guest,
                                        "--append", "spins"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            s, _ = server.accept()
            s.settimeout(LIMIT_S)
            s.sendall(sent)
            s.shutdown(socket.SHUT_WR)
            while s.recv(1 << 20):
                pass
            s.close()
        except OSError:
            pass
        server.close()
        words_of(f"an exporter that hears {what}", process, log)


with tempfile.TemporaryDirectory() as name:
    importer(pathlib.Path(name))
    silence(pathlib.Path(name))
    exporter(pathlib.Path(name))
    quote_service(pathlib.Path(name))
    gdb(pathlib.Path(name))
    gdb_that_does_not_read(pathlib.Path(name))
print(f"{len(bad)} bad")
sys.exit(1 if bad else 0)
