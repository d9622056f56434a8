#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# swtdx run on a terminal (a pseudo-terminal, and what its user types): keys are the guest's, Ctrl-C
# too; Ctrl-A x, SIGTERM, SIGHUP and SIGINT end it with teardown, summary and a whole trace; the
# terminal's modes come back; what the guest sends is filtered, and what a program says that serves it.
# run_terminal.py SWTDX GUEST
import fcntl
import os
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

from terminal import Terminal, all_filtered, signals_end_it_whole

SWTDX, GUEST = sys.argv[1:3]


class Run(Terminal):
    def __init__(self, guest, *options, quiet=("--quiet",)):
        super().__init__([SWTDX, "run", *quiet, "--memory", "128", *options, "--kernel", GUEST, "--append", guest])


def keys_are_the_guests(guest):
    r = Run(guest)
    r.until(rb"ready")
    r.type(b"\x03\x1a\x1c\x11\x13\r")
    r.until(rb"03\n1a\n1c\n11\n13\n0d\n")
    fcntl.ioctl(r.master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
    r.type(b"\x01\x01")
    r.until(rb"0d\n01\n")
    r.type(b"\x01z")
    r.until(rb"01\n01\n7a\n")
    r.type(b"\x01h")
    r.until(rb"Ctrl-A x ends")
    r.type(b"q")
    r.ends(0)


def ctrl_a_x_ends_what_does_not_listen():
    r = Run("spins")
    time.sleep(1)
    r.type(b"\x01x")
    r.ends(0)


def a_paste_is_whole():
    r = Run("paste")
    r.until(rb"ready")
    text = bytes(97 + i * 7 % 10 for i in range(20000)) + b"q"
    r.type(text)
    r.until(rb"got %07d sum %09d" % (len(text), sum(text)))
    r.ends(0)


def pauses(trace):
    r = Run("pauses", "--trace", trace)
    time.sleep(1.5)
    return r


def a_killed_run_leaves_a_trace_up_to_there():
    with tempfile.TemporaryDirectory() as d:
        r = Run("echo", "--trace", f"{d}/trace")  # polls for ever
        time.sleep(1.5)
        r.child.kill()
        r.child.wait()
        check = subprocess.run([SWTDX, "replay", "--check", f"{d}/trace"], capture_output=True)
        if check.returncode or b" 0 differ, and there it ends" not in check.stdout:
            r.fail(f"the trace of a killed run: {check.stdout.decode()}{check.stderr.decode()}")


def a_signal_while_it_is_built_ends_it():
    r = Run("spins", "--vcpus", "48")
    r.child.send_signal(signal.SIGTERM) if time.sleep(0.05) is None else None
    r.ends(128 + signal.SIGTERM if r.child.wait() > 0 else -signal.SIGTERM, summary=r.child.returncode > 0)


def what_gdb_holds_ends_too():
    r = Run("spins", "--gdb", ":0")
    r.until(rb"waiting for")
    r.type(b"\x01x")
    r.ends(0)


def the_process_has_given_up_what_it_does_not_need():
    r = Run("spins", "--gdb", ":0", quiet=())
    r.until(rb"waiting for")
    while not (b"no sandbox" in r.got or all_filtered(r.child.pid)):
        r.read()  # which ends the wait in time
    r.type(b"\x01x")
    r.ends(0)


def what_the_guest_sends_is_filtered():
    r = Run("escapes")
    r.until(rb"\n")
    r.ends(0)
    if not r.got.startswith(b"abc\x1b[31md\x1b[0mefg\n"):
        r.fail(f"not filtered: {r.got[:60]}")
    r = Run("escapes", "--unfiltered")
    r.ends(0)
    if b"\x1b[6n" not in r.got:
        r.fail("filtered")
    plain = subprocess.run([SWTDX, "run", "--quiet", "--memory", "128", "--kernel", GUEST, "--append", "escapes"],
                           stdin=subprocess.DEVNULL, capture_output=True)
    if b"a\x1b]0;title\x07b\x1b[6n" not in plain.stdout:
        r.fail("filtered into a pipe")


def what_a_server_says_is_filtered():
    with tempfile.TemporaryDirectory() as d:
        server = f"{d}/qemu-storage-daemon"
        with open(server, "w") as f:
            f.write("#!/bin/sh\nprintf 'a\\033]0;title\\007b\\033[6nc\\033[31md\\033[0m\\n' >&2\n"
                    "yes flood | head -c 1000000\n")
        os.chmod(server, 0o755)
        open(f"{d}/disk.qcow2", "w").close()
        command = ["env", f"PATH={d}:{os.environ['PATH']}", SWTDX, "run", "--memory", "128", "--disk", f"{d}/disk.qcow2",
                   "--kernel", GUEST, "--append", "echo"]
        r = Terminal(command)
        r.ends(3, summary=False)
        if not r.got.startswith(b"abc\x1b[31md\x1b[0m\n") or len(r.got) > 70000:
            r.fail(f"not filtered: {len(r.got)} bytes, {r.got[:60]}")
        if b"qemu-storage-daemon says more" not in r.got or b"disk.qcow2: its server has ended" not in r.got:
            r.fail("no word of it")
        plain = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
        if not plain.stderr.startswith(b"a\x1b]0;title\x07b\x1b[6n"):
            r.fail("filtered into a pipe")


keys_are_the_guests("echo")
keys_are_the_guests("interrupted_echo")
ctrl_a_x_ends_what_does_not_listen()
a_paste_is_whole()
signals_end_it_whole(SWTDX, pauses)
a_killed_run_leaves_a_trace_up_to_there()
a_signal_while_it_is_built_ends_it()
what_gdb_holds_ends_too()
the_process_has_given_up_what_it_does_not_need()
what_the_guest_sends_is_filtered()
what_a_server_says_is_filtered()
