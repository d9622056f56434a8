#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# swtdx run --serial: what the guest sends and gets by a file, a socket, a pseudo-terminal, standard input and
# output; that nothing is lost when the other end is slow, or comes late; the summary in a file of its own.
# run_serial.py SWTDX GUEST
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
import time

SWTDX, GUEST = sys.argv[1:3]
LIMIT_S = 100


def fail(why):
    print(f"run_serial: {why}")
    sys.exit(1)


def command(guest, *options):
    return [SWTDX, "run", "--quiet", "--memory", "128", *options, "--kernel", GUEST, "--append", guest]


def run(guest, *options, **how):
    how.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command(guest, *options), capture_output=True, timeout=LIMIT_S, **how)


def start(guest, *options):
    return subprocess.Popen(command(guest, *options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def until(what, seconds=LIMIT_S):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def where(child):
    """The name it says that COM1 has."""
    line = child.stderr.readline().decode()
    found = re.search(r"COM1 is (\S+);", line)
    if not found:
        fail(f"no name of COM1: {line}")
    return found.group(1)


def ends(child, status):
    out, err = child.communicate(timeout=LIMIT_S)
    if child.returncode != status:
        fail(f"exit status {child.returncode} in place of {status}: {err.decode()}")
    return out.decode()


def read_until(read, text):
    got = b""
    while text not in got:
        more = read()
        if not more:
            fail(f"no {text} in {got}")
        got += more
    return got


def into_a_file(d):
    r = run("escapes", "--serial", f"file:{d}/console", "--summary", f"{d}/summary")
    got = open(f"{d}/console", "rb").read()
    if r.returncode or b"a\x1b]0;title\x07b\x1b[6n" not in got:
        fail(f"into a file: exit {r.returncode}, {got[:60]}, {r.stderr}")
    if r.stdout:
        fail(f"standard output has {r.stdout[:60]}")
    if "owned by the module at the end: 0 pages" not in open(f"{d}/summary").read():
        fail("no summary in its file")
    # It is made anew, and a line at a time gets there.
    r = run("escapes", "--serial", f"file:{d}/console", "--json", "--summary", f"{d}/summary")
    if open(f"{d}/console", "rb").read() != got or not json.load(open(f"{d}/summary"))["simulated"]:
        fail("the second run's file or summary")
    r = run("escapes", "--serial", "file:-", "--summary", "/dev/null")
    if r.stdout != got:
        fail("file:- is not standard output")
    # The guest on standard output, the JSON in its file.
    r = run("escapes", "--json", "--summary", f"{d}/summary")
    if r.stdout != got or json.load(open(f"{d}/summary"))["schema"] != "swtdx.run/1":
        fail("--json --summary")


def by_a_socket(d):
    path = f"{d}/socket"
    child = start("echo", "--serial", f"unix:{path}")
    if where(child) != path or not stat.S_ISSOCK(os.stat(path).st_mode):
        fail("no socket")
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(path)
    read_until(lambda: peer.recv(100), b"ready")
    peer.sendall(b"\x01x\x03")
    read_until(lambda: peer.recv(100), b"03\n")
    peer.close()  # the guest goes on
    again = socket.socket(socket.AF_UNIX)
    again.connect(path)
    again.sendall(b"zq")
    got = read_until(lambda: again.recv(100), b"71\n")
    ends(child, 0)
    if got != b"7a\n71\n" or again.recv(100):
        fail(f"the socket is not closed, or has more than is to come: {got}")
    # A socket that was left behind is taken over, another's is not, nor is a file.
    child = start("spins", "--serial", f"unix:{path}")
    where(child)
    if run("echo", "--serial", f"unix:{path}").returncode != 3:
        fail("another's socket was taken")
    child.terminate()
    ends(child, 128 + 15)
    open(f"{d}/plain", "w").write("mine")
    if run("echo", "--serial", f"unix:{d}/plain").returncode != 3 or open(f"{d}/plain").read() != "mine":
        fail("a file was taken for a socket")


def by_a_pseudo_terminal():
    child = start("echo", "--serial", "pty")
    name = where(child)
    fd = os.open(name, os.O_RDWR | os.O_NOCTTY)
    read_until(lambda: os.read(fd, 100), b"ready")
    os.write(fd, b"\x03\x1a\r\n")
    read_until(lambda: os.read(fd, 100), b"03\n1a\n0d\n0a\n")
    os.close(fd)
    time.sleep(0.3)
    fd = os.open(name, os.O_RDWR | os.O_NOCTTY)
    os.write(fd, b"q")
    ends(child, 0)
    os.close(fd)


def a_slow_reader_loses_nothing():
    child = subprocess.Popen(command("writes", "--summary", "/dev/null"), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE)
    time.sleep(1.5)  # a pipe is full by then
    got = child.stdout.read()
    if child.wait(LIMIT_S) or got != b"".join(b"line %07d\n" % i for i in range(10000)):
        fail(f"a slow reader: {len(got)} bytes, {got[-40:]}")


def nobody_to_read_ends_it():
    child = subprocess.Popen(command("writes"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    child.stdout.close()
    if child.wait(LIMIT_S) != 3:
        fail(f"nobody reads: exit status {child.returncode}")
    if b"cannot be written" not in child.stderr.read():
        fail("nobody reads, and it is not said")


def what_the_guest_does_not_take_is_left():
    source, sink = os.pipe()
    os.write(sink, b"abcq" + b"for the next\n")
    os.close(sink)
    r = run("echo", stdin=source)
    if r.returncode or os.read(source, 100) not in (b"for the next\n", b"or the next\n"):
        fail("standard input was read ahead")


def wrong_ones_are_refused(d):
    for options in (("--serial", "tty"), ("--serial", "file:"), ("--serial", "unix:"),
                    ("--serial2", "stdio"), ("--serial", "pty:x")):
        if run("echo", *options).returncode != 2:
            fail(f"{options}: not refused")
    for options in (("--serial", f"file:{d}/none/x"), ("--summary", f"{d}/none/x"),
                    ("--serial", "unix:" + "x" * 200)):
        r = run("echo", *options)
        if r.returncode != 3 or len(r.stderr.splitlines()) != 1:
            fail(f"{options}: exit {r.returncode}, {r.stderr}")


def it_shows_that_it_lives():
    child = subprocess.Popen([SWTDX, "run", "--memory", "128", "--serial", "none", "--timeout", "12", "--kernel", GUEST,
                              "--append", "spins"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
    err = child.stderr.read()
    if child.wait(LIMIT_S) != 1 or not re.search(rb"running the TD, [0-9]+ million instructions", err):
        fail(f"no sign of life: {err}")


with tempfile.TemporaryDirectory() as directory:
    into_a_file(directory)
    by_a_socket(directory)
    wrong_ones_are_refused(directory)
by_a_pseudo_terminal()
a_slow_reader_loses_nothing()
nobody_to_read_ends_it()
what_the_guest_does_not_take_is_left()
it_shows_that_it_lives()
