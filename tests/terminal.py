# SPDX-License-Identifier: MIT
# A command of swtdx on a terminal, a pseudo-terminal, and what its user types there.
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time

from verdict import SUMMARY

LIMIT_S = 100
SHOWN = 3000


class Terminal:
    def __init__(self, command, limit_s=LIMIT_S, opost=False):
        """opost: the terminal ends lines with CR LF, as a user's does; what is read here has them."""
        self.master, slave = pty.openpty()
        modes = termios.tcgetattr(slave)
        if not opost:
            modes[1] &= ~termios.OPOST
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        self.slave, self.modes, self.got = slave, termios.tcgetattr(slave), b""

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal)
        self.limit_s, self.heard = limit_s, time.monotonic()

    def fail(self, why):
        self.child.kill()
        print(f"{sys.argv[0]}: {why}; it said:\n{self.got[-SHOWN:].decode(errors='replace')}")
        sys.exit(1)

    def read(self):
        ready, _, _ = select.select([self.master], [], [], 0.2)
        if ready:
            self.got += os.read(self.master, 65536)
            self.heard = time.monotonic()
        elif time.monotonic() - self.heard > self.limit_s:
            self.fail(f"nothing for {self.limit_s} s")
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


def signals_end_it_whole(swtdx, start):
    """start(trace): the command, when it does what it is ended in."""
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        with tempfile.TemporaryDirectory() as d:
            r = start(f"{d}/trace")
            r.child.send_signal(sig)
            r.ends(128 + sig)
            check = subprocess.run([swtdx, "replay", "--check", "--quiet", f"{d}/trace"], capture_output=True)
            if check.returncode or b"damaged" in check.stderr:
                r.fail(f"the trace: {check.stdout.decode()}{check.stderr.decode()}")


def all_filtered(pid):
    for thread in os.listdir(f"/proc/{pid}/task"):
        status = open(f"/proc/{pid}/task/{thread}/status").read()
        if not re.search(r"^Seccomp:\s*2$", status, re.M) or not re.search(r"^NoNewPrivs:\s*1$", status, re.M):
            return "Seccomp:" not in status
    return True
