#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# swtdx run on a terminal (a pseudo-terminal, and what its user types): keys are the guest's, Ctrl-C
# too; Ctrl-A x, SIGTERM, SIGHUP and SIGINT end it with teardown, summary and a whole trace; the
# terminal's modes come back; what the guest sends is filtered.
# run_terminal.py SWTDX GUEST
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

SWTDX, GUEST = sys.argv[1:3]
LIMIT_S = 100
SUMMARY = "owned by the module at the end: 0 pages"


class Run:
    def __init__(self, guest, *options, quiet=("--quiet",)):
        self.master, slave = pty.openpty()
        modes = termios.tcgetattr(slave)
        modes[1] &= ~termios.OPOST
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        self.slave, self.modes, self.got = slave, termios.tcgetattr(slave), b""
        command = [SWTDX, "run", *quiet, "--memory", "128", *options, "--kernel", GUEST, "--append", guest]

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal)
        self.deadline = time.monotonic() + LIMIT_S

    def fail(self, why):
        self.child.kill()
        print(f"run_terminal: {why}; it said:\n{self.got.decode(errors='replace')}")
        sys.exit(1)

    def read(self):
        if time.monotonic() > self.deadline:
            self.fail("it takes too long")
        ready, _, _ = select.select([self.master], [], [], 0.2)
        if ready:
            self.got += os.read(self.master, 65536)
        return bool(ready)

    def until(self, pattern, what=None):
        while not re.search(pattern, self.got):
            if self.child.poll() is not None and not self.read():
                self.fail(f"no {pattern}")
            self.read()

    def type(self, keys):
        while keys:
            _, ready, _ = select.select([], [self.master], [], 0.2)
            if ready:
                keys = keys[os.write(self.master, keys[:256]) :]
            self.read()

    def ends(self, status, summary=True):
        while self.child.poll() is None:
            self.read()
        while self.read():
            pass
        if self.child.returncode != status:
            self.fail(f"exit status {self.child.returncode} in place of {status}")
        if summary and SUMMARY.encode() not in self.got:
            self.fail("no summary")
        if termios.tcgetattr(self.slave) != self.modes:
            self.fail("the terminal's modes are not what they were")
        os.close(self.master)
        os.close(self.slave)


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


def signals_end_it_whole():
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        with tempfile.TemporaryDirectory() as d:
            r = Run("pauses", "--trace", f"{d}/trace")
            time.sleep(1.5)
            r.child.send_signal(sig)
            r.ends(128 + sig)
            check = subprocess.run([SWTDX, "replay", "--check", "--quiet", f"{d}/trace"], capture_output=True)
            if check.returncode or b"damaged" in check.stderr:
                r.fail(f"the trace: {check.stdout.decode()}{check.stderr.decode()}")


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


def all_filtered(pid):
    for thread in os.listdir(f"/proc/{pid}/task"):
        status = open(f"/proc/{pid}/task/{thread}/status").read()
        if not re.search(r"^Seccomp:\s*2$", status, re.M) or not re.search(r"^NoNewPrivs:\s*1$", status, re.M):
            return "Seccomp:" not in status
    return True


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


keys_are_the_guests("echo")
keys_are_the_guests("interrupted_echo")
ctrl_a_x_ends_what_does_not_listen()
a_paste_is_whole()
signals_end_it_whole()
a_killed_run_leaves_a_trace_up_to_there()
a_signal_while_it_is_built_ends_it()
what_gdb_holds_ends_too()
the_process_has_given_up_what_it_does_not_need()
what_the_guest_sends_is_filtered()
